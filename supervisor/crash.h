/*
 * crash.h - what the deaths of one stream's workers say
 *
 * Pure: deaths in; a pause before the next worker, and a segment to leave
 * out, come out.
 *
 *   a crash   a fault signal, an exit status other than 0, or a kill by us
 *             for what the worker did (watchdog, protocol, did not end). Not
 *             a SIGKILL or SIGTERM from outside: that says nothing about it
 *   poison    the segment in hand at two crashes, one after the other: the
 *             successor is told to leave it out
 *   backoff   deaths of workers that lived less than CRASH_LIVED_S are in a
 *             row: the first two cost nothing, then 0.5 s, doubling to 10 s.
 *             A kill from outside is no part of a row, unless they come so
 *             fast that something hunts it
 */
#ifndef PLEXBRIDGE_SUPERVISOR_CRASH_H
#define PLEXBRIDGE_SUPERVISOR_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRASH_LIVED_S 10.0
#define CRASH_HUNTED_S 0.25 /* less than this between kills from outside, and they count */
#define CRASH_BACKOFF_S 0.5 /* before the fourth worker; doubles */
#define CRASH_BACKOFF_MAX_S 10.0

struct crashes {
	unsigned row; /* deaths that came too soon, one after the other */
	uint64_t suspect; /* in_hand at the last crash; 0: none */
	bool skip_set; /* skip_serial is to be left out */
	uint64_t skip_serial;
	unsigned count; /* crashes, ever */
	unsigned poisoned; /* segments left out, ever */
};

struct death {
	int status; /* as waitpid(2) has it */
	bool killed; /* by us, for what it did */
	uint64_t in_hand; /* the state's word as it is: another process's claim, only ever compared */
	double lived_s; /* with this stream */
};

/* Is it a crash? */
bool death_is_crash(const struct death *death);

/*
 * Count a death. Returns the seconds to wait before the next worker, without
 * jitter. *poison: its segment was found to be poison just now.
 */
double crashes_note(struct crashes *crashes, const struct death *death, bool *poison);

/* What it died of, "signal 11", "exit 111", or why it was killed when that isn't NULL; into out[size], gives out. */
char *death_text(char *out, size_t size, int status, const char *killed_why);

#endif
