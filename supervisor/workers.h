/*
 * workers.h - the pool: one warm spare at all times, and an eye on all
 *
 * A spare is a worker that is started, ready, and nobody's. Taking it
 * starts the next one: for a stream that goes on at once, for a tune when
 * that has its media or has waited for it long enough, because a process
 * that starts takes the processor from a viewer who waits for a picture. Who
 * finds no spare in that time has one started at once. One that fails before it was ever ready is started
 * again with backoff; one that says "will fail again" (exit 100) is not
 * before the next reload; one that was good is replaced at once. A budget
 * bounds the starts of a second, whatever happens; only those for streams that
 * a former supervisor left are not counted.
 *
 *   watchdog  a tuned worker whose heartbeat is older than `watchdog` is
 *             killed; when our own ticks had a gap of over half of that
 *             (a paused machine), all watchdogs begin anew instead
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_WORKERS_H
#define PLEXBRIDGE_SUPERVISOR_WORKERS_H

#include <ev.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "supervisor/child.h"
#include "supervisor/worker.h"

#define WORKERS_STARTS_PER_S 64
#define WORKERS_BACKOFF_S 0.1 /* after the first failure; doubles */
#define WORKERS_BACKOFF_MAX_S 30.0
#define WORKERS_REPLACED_S 1.0 /* from its start until a spare is ready, and nobody worries */
#define WORKERS_ALONE_S 0.3 /* a tune without media has the machine to itself, no longer */
#define WORKERS_SERVED_S 0.05 /* after its media: its client's first bytes are on their way then */

struct workers {
	struct ev_loop *loop;
	char program[PATH_MAX]; /* "" before workers_init(): plexbridge-worker, where child_program() finds it */
	struct child_limits limits;
	int log_level;
	bool log_json, log_syslog;
	uint32_t watchdog_ms;
	uint64_t memory_bytes; /* a worker's own memory above which it is retired; 0: no bound */

	/* Called when a spare is there to be taken. */
	void (*on_spare)(void *user);
	void *user;

	LIST_HEAD(, worker) all; /* not waited for yet */
	size_t waiting; /* streams that wait for a worker */
	bool closing;
	bool refused; /* one exited 100: nothing is started before a reload */
	unsigned failures; /* in a row, of workers that never became ready */
	double not_before; /* monotonic_s(), as the others here. Backoff: no start earlier */
	double taken_at; /* when a stream last took a spare */
	double alone_until; /* no spare is started earlier, unless streams wait */
	double window; /* the second that is counted */
	unsigned window_starts;
	size_t exempt; /* starts that the budget does not count */
	uint64_t starts, deaths; /* ever; deaths: not asked for */
	int64_t ticked_ns;
	ev_timer start, tick, ping;
};

/* Settings that a reload may change; new workers get them. worker_memory in bytes. */
struct workers_settings {
	int log_level;
	bool log_json, log_syslog;
	uint32_t watchdog_ms;
	uint64_t worker_memory;
};

/* Find the program, set up, start the first spare. PB_NO: there is no such program (pool->program says where). */
int workers_init(
    struct workers *pool, struct ev_loop *loop, const struct privs *privs, const struct workers_settings *settings);

/* Other settings; a refusal (exit 100) is forgotten. A spare that was started with what is no longer so is replaced. */
void workers_reload(struct workers *pool, const struct workers_settings *settings);

/* A warm worker, given to a stream (set calls, user and channel at once), or NULL: on_spare will be called. */
struct worker *workers_take(struct workers *pool);

/* The one just taken is for a tune, which has no media yet; and now it has. */
void workers_tuning(struct workers *pool);
void workers_tuned(struct workers *pool);

/* The worker of that stream, which the last supervisor passed; NULL: there is none. To be given to the stream at once. */
struct worker *workers_claim(struct workers *pool, uint64_t stream);

/* End those that were passed and that no stream claimed. */
void workers_end_unclaimed(struct workers *pool);

/* Is there any but those that are left to the next supervisor? */
bool workers_busy(const struct workers *pool);

/* So many streams wait for a worker: that many spares are started besides the one. */
void workers_waiting(struct workers *pool, size_t streams);

/* So many streams of a former supervisor wait for a worker: the budget does not count that many starts. */
void workers_exempt(struct workers *pool, size_t streams);

/* The spare as it is, NULL when there is none. A warm one before a starting one. */
const struct worker *workers_spare(const struct workers *pool);

/* Is a spare ready? Also while the one that was just taken is being replaced (WORKERS_ALONE_S and WORKERS_REPLACED_S). */
bool workers_ready(const struct workers *pool);

/* Start nothing any more, ask all to stop but those that are kept for the next supervisor; pool->all empties as they are waited for. */
void workers_close(struct workers *pool);

/* Start spares again after all. */
void workers_open(struct workers *pool);

/* Spares that are warm. */
size_t workers_warm_count(const struct workers *pool);

/* For worker.c: one became warm; one is dead (ready: it once was); start what is missing. */
void workers_warm(struct workers *pool, struct worker *worker);
void workers_lost(struct workers *pool, const struct worker *worker, int status, bool ready);
void workers_fill(struct workers *pool);

#endif
