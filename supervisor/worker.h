/*
 * worker.h - one plexbridge-worker: its process, its channel, its state
 *
 *   starting -> warm -> tuned -> live -> stopping -> dead
 *                    \ adopting ----^
 *
 * A worker is started by the pool (workers.h) and belongs to it until a
 * stream takes it; from then on the stream hears what it says. What a worker
 * sends is hostile input: worker.c's table says what may be said, when, and
 * how long, and whoever breaks it is killed. A worker frees itself after
 * its owner was told that it died; nobody may keep the pointer.
 *
 *   passed    a worker that the last supervisor started and handed over while
 *             it lives (upgrade.h) is no child of ours: a pidfd tells of its
 *             death, nothing of its status. It is live, and is to be retired
 *   queue     there is none: what can't be sent now (PB_AGAIN) is owed by
 *             whoever wanted it sent, who is called (`writable`) when it may
 *             be tried again
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_WORKER_H
#define PLEXBRIDGE_SUPERVISOR_WORKER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/msg.h"
#include "ipc/state.h"
#include "supervisor/child.h"

#define WORKER_STOP_S 2.0 /* from STOP to SIGKILL */
#define WORKER_START_S 10.0 /* from exec to READY */
#define WORKER_TELL_S 5.0 /* until a warm one takes what it is told */
#define WORKER_ASKS_PER_S 32 /* for slots, and reports of limits: more are no worker's of ours */

enum worker_state { W_STARTING, W_WARM, W_TUNED, W_LIVE, W_STOPPING, W_DEAD, W_STATES };

struct worker;
struct workers;

/* What a stream hears of its worker. `died` is the last: the process is waited for. */
struct worker_calls {
	void (*media)(struct worker *worker);
	void (*failed)(struct worker *worker, unsigned code, enum msg_failed_why why, const char *reason);
	void (*client)(struct worker *worker, const struct msg_client_report *report);
	void (*slot)(struct worker *worker, const struct msg_slot_want *want);
	void (*limit)(struct worker *worker, const struct msg_limit_report *report);
	void (*writable)(struct worker *worker);
	void (*undead)(struct worker *worker); /* not dead WORKER_STOP_S after SIGKILL; `died` may follow, some day */
	void (*died)(struct worker *worker, int status);
};

struct worker {
	LIST_ENTRY(worker) link; /* of the pool's */
	struct workers *pool;
	struct ev_loop *loop;
	enum worker_state state;
	ev_tstamp since; /* in this state */
	ev_tstamp born;
	struct child child;
	pid_t pid; /* for people: child.pid is 0 once it is dead */
	int fd; /* of the channel; -1: hung up */
	int pidfd; /* of one that was passed; -1: it is our child */
	uint64_t passed_for; /* the stream that such a one has; 0: our child */
	ev_io dead; /* pidfd's */
	bool kept; /* an upgrade: it is the next supervisor's; we read its channel no more */
	int64_t asks_s; /* the second in which... */
	unsigned asks; /* ...so many were heard */
	bool greeted, distrusted, asked, stop_owed, killed; /* asked: by us, to stop */
	const char *killed_why; /* by us, for what it did; NULL: it was not. Static text */
	ev_io readable, writable;
	ev_timer retry; /* for a send that no writable socket announces */
	ev_timer deadline; /* READY while starting, SIGKILL while stopping */

	/* When a stream has it. */
	const struct worker_calls *calls; /* NULL: it's nobody's */
	void *user;
	const struct state *heart; /* borrowed from the stream; its heartbeat counts, when not NULL */
	int64_t watched_ns; /* CLOCK_MONOTONIC: no silence before this counts */
	const char *channel; /* GuideNumber, for the log; borrowed; "-" when nobody's */
};

/* Start one. NULL with errno when it can't be. */
struct worker *worker_start(struct workers *pool);

/* Can a worker be one that was passed, on this kernel (pidfd_open(2), Linux 5.3)? */
bool worker_passable(void);

/*
 * One that another supervisor started, which waits for our answer, so that
 * pid is sure to be its own. Takes fd, its channel. For a stream to claim
 * (workers_claim()). 0, PB_ENOMEM or PB_ESYS.
 */
int worker_adopt(struct workers *pool, int fd, pid_t pid, uint64_t stream, double lived_s);

/* A stream has it now, and has told it nothing yet: it has WORKER_TELL_S to take its tune, then it is killed. */
void worker_taken(struct worker *worker);

/* Hear of it, once a stream has it. */
void worker_listen(struct worker *worker, const struct state *heart);

/* Leave it to the next supervisor, and take it back. */
void worker_keep(struct worker *worker, bool kept);

/*
 * Send a message; descriptors are borrowed. 0; PB_AGAIN: owed, `writable`
 * will be called; PB_EPEER: it has hung up, `died` will follow.
 */
int worker_send(struct worker *worker, uint32_t type, const void *data, size_t len, const int *fds, size_t nfds);

/*
 * A warm worker was sent its tune: watch its heartbeat from now on. One that
 * adopts is live at once, and has no media to tell of.
 */
void worker_tuned(struct worker *worker, const struct state *heart, bool adopts);

/* Ask it to end, SIGKILL after WORKER_STOP_S. `died` follows. May be called again. */
void worker_stop(struct worker *worker);

/* End it now, for what it did; why is static text. `died` follows. */
void worker_kill(struct worker *worker, const char *why);

/* Is its heart older than watchdog_ms at now_ns? One that beats while it is asked is not. Does not block. */
bool worker_hangs(const struct worker *worker, int64_t now_ns, uint32_t watchdog_ms);

const char *worker_state_name(enum worker_state state);

/*
 * CLOCK_MONOTONIC at this very moment, as heartbeats are counted; and in
 * seconds. What is kept by the turn of the loop has loop_now() (base/loop.h).
 */
int64_t monotonic_ns(void);
double monotonic_s(void);

#endif
