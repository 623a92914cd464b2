/*
 * provider.h - when a provider may be asked again
 *
 * A provider that says "too many" (429, 458, 509) or when to come back
 * (Retry-After) says it to one worker; all that play from it have to obey.
 * So what each hears comes together here, and what comes out is for all of
 * them: a breaker that opens, lets one ask first when the time is over, and
 * closes when that one got an answer. Denials to several streams at once,
 * or too many in spite of all waiting, look like a ban: then nobody asks for
 * a good while, because asking is what bans are made longer for.
 *
 * What one answer says is held against all channels of a provider, though it
 * may be true of one: a wait is believed up to PROVIDER_BELIEVED_S, then one
 * asks. Refused again, the provider is believed for twice as long.
 *
 * Pure: no I/O, no clock; time is monotonic, in seconds, and passed in.
 *
 *   trust   reports come from workers and hold what a server said: bounded
 *           here, so that neither can keep a provider shut for longer than
 *           PROVIDER_WAIT_MAX_S
 */
#ifndef PLEXBRIDGE_SUPERVISOR_PROVIDER_H
#define PLEXBRIDGE_SUPERVISOR_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"

#define PROVIDER_NAME_SIZE 64
#define PROVIDER_WAIT_MAX_S (MSG_LIMIT_MAX_MS / 1e3)
#define PROVIDER_BELIEVED_S (MSG_LIMIT_FIRST_MS / 1e3) /* doubles with each refusal in a row */
#define PROVIDER_SPACING_S 0.5 /* between two workers that may ask again */
#define PROVIDER_FIRST_S 2.0 /* what the first is ahead of the others */
#define PROVIDER_BUSY_BAN 6 /* refusals in a row, each after the wait it had asked for */
#define PROVIDER_DENIED_STREAMS 3 /* that were denied, and none had an answer */
#define PROVIDER_DENIED_BAN 20 /* denials in a row, of however many streams */
#define PROVIDER_DENIED_S 60.0 /* within which they count */
#define PROVIDER_BAN_S 60.0 /* the first time; doubles up to PROVIDER_WAIT_MAX_S */

enum provider_breaker {
	BREAKER_CLOSED, /* all may ask */
	BREAKER_OPEN, /* nobody may before `until`; then one, then the others */
	BREAKER_BAN, /* likewise, for we seem to be banned */
	BREAKERS
};

/* All zero but the name: nothing is known. */
struct provider_limit {
	char name[PROVIDER_NAME_SIZE];
	enum provider_breaker breaker;
	double until; /* the end of the wait; when closed, of the last one */
	unsigned row; /* refusals in a row */
	unsigned denied; /* denials in a row */
	double denied_at; /* the first of them */
	uint64_t streams[PROVIDER_DENIED_STREAMS];
	unsigned stream_count; /* that were denied */
	unsigned bans_row;
	uint64_t refusals, denials, bans, opens; /* ever */
	unsigned status; /* of HTTP, of what opened it */
	char why[80];
};

/*
 * A worker of that stream was told so. Its figures are bounded here. true:
 * it means something for all of them, who are to be told (provider_wait()).
 */
bool provider_hears(struct provider_limit *limit, uint64_t stream, const struct msg_limit_report *report, double now);

/*
 * Seconds that the worker at that place (from 0, among those of the
 * provider) has to wait from now. random: 0..1. 0 when the breaker is closed,
 * but for the spacing between those who all waited.
 */
double provider_wait(const struct provider_limit *limit, unsigned place, double random, double now);

const char *provider_breaker_name(enum provider_breaker breaker);

#endif
