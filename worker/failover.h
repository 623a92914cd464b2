/*
 * failover.h - carries out what the state machine of sources decides
 *
 * Has the channel's list of sources, the machine (worker/sources.h) and its
 * memory in `state`; tells it how the stream stands, switches the line's
 * source when it says so, asks the supervisor for a slot where that is
 * needed, looks at a better source while a backup plays, and keeps a
 * provider's limits.
 *
 *   looks     by a way out of their own: what a source that is looked at
 *             says, how slow it is and where it leads is nothing to the one
 *             that plays
 *   order     a switch happens in a turn of its own, never inside a call
 *   limited   a source whose account counts streams gets the pool's one
 *             connection, and so does one that refuses because of a limit, from
 *             then on. What it refused of several at once is nobody else's
 *             matter, and soon asked for again; what it refuses alone is told
 *             to the supervisor. When it is left, what is under way is
 *             cancelled, all connections are closed, and only then its slot is
 *             given back
 *   logs      source.failed, source.switch, source.return, source.doubt,
 *             source.wait, with the channel and why; URLs redacted
 *   owner     of state->sources while the stream is this worker's
 *   blocking  never
 */
#ifndef PLEXBRIDGE_WORKER_FAILOVER_H
#define PLEXBRIDGE_WORKER_FAILOVER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"
#include "ipc/state.h"
#include "worker/fetch.h"
#include "worker/sources.h"

struct failover;
struct sockaddr;

struct failover_ops {
	/*
	 * Play from source n now. keep: the one before is good, what it listed is
	 * still to be had; otherwise what has not come of it is to be forgotten.
	 */
	void (*switch_to)(void *arg, unsigned n, const char *url, bool keep);
	/* None is left, before media. */
	void (*failed)(void *arg, uint32_t code, const char *reason);
	/* To the supervisor. */
	void (*want_slot)(void *arg, unsigned n, bool want);
	void (*report)(void *arg, const struct msg_limit_report *report);
	/* How it stands. */
	void (*look)(void *arg, struct sources_look *out);
	/* A pool that is like the line's, for a look; gives it. As fetch_pool_new(). */
	int (*new_pool)(void *arg, struct fetch_pool **out);
};

/*
 * All but list are borrowed for its life; strings of list too. first: the
 * source to begin with; media: the stream runs already. 0 or PB_ENOMEM.
 */
int failover_new(struct failover **out, struct ev_loop *loop, struct fetch_pool *pool, const struct msg_tune *tune,
    const struct sources_list *list, unsigned first, bool media, struct state *state, const struct failover_ops *ops,
    void *arg);
void failover_free(struct failover **failover);

/* The source in use: its number and its URL. */
unsigned failover_now(const struct failover *failover);
const char *failover_url(const struct failover *failover);

/* Before the first request: limits of the account it begins with. */
void failover_open(struct failover *failover);

/* Ten times a second or so. */
void failover_tick(struct failover *failover);

/* As sources_good(), sources_certain() (before media: with the code of the tune), sources_vital(), sources_doubt(). */
void failover_good(struct failover *failover);
void failover_certain(struct failover *failover, uint32_t code, const char *reason);
void failover_vital(struct failover *failover, const char *reason);
void failover_doubt(struct failover *failover, const char *reason);

/* A server answered, in the line's pool or in one for a look (fetch_pool_options). */
void failover_answered(struct failover *failover, const struct fetch_answer *answer);

/* As fetch_pool_rerouted(). */
void failover_rerouted(struct failover *failover, const struct sockaddr *gone);

/* The supervisor said so. */
void failover_limit(struct failover *failover, const struct msg_limit *limit);
void failover_slot(struct failover *failover, unsigned n, bool granted);

#endif
