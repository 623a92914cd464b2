/*
 * stream.h - a running channel: a tuner, a spool, a worker, its clients
 *
 *   waiting -> tuning -> live -> ending
 *                         ^ v
 *                       orphan
 *
 * The stream holds what must outlive a worker: the spool's and the state's
 * descriptors and the clients' connections. A worker that is proven dead
 * costs the stream one call, succession_begin(): with media, spool, state
 * and clients go to the spare, which goes on to the byte; without, the tune
 * begins anew. Crash, hang, broken protocol, reload and retirement all come
 * to this one place; and so does the start of a supervisor, which finds the
 * streams of the last one (keep.h) with no worker left alive.
 *
 *   waiting   for a warm worker, or for a slot of its provider whose last
 *             user is not proven dead yet
 *   tuning    a worker has it; no media yet
 *   live      there is media; without clients it lingers, at least as long as
 *             one that was cut off may come back (comeback.h)
 *   orphan    its worker is dead, and no other has it yet: for want of a
 *             warm one, or for backoff. Its clients stay connected
 *   ending    its tuner is free again; its worker is not proven dead yet
 *
 *   trust     what a worker says or writes is bounded before it's believed;
 *             a wrong figure can hurt only the clients of its own stream
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_STREAM_H
#define PLEXBRIDGE_SUPERVISOR_STREAM_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/log.h"
#include "config/config.h"
#include "ipc/state.h"
#include "supervisor/client.h"
#include "supervisor/comeback.h"
#include "supervisor/crash.h"
#include "supervisor/http.h"
#include "supervisor/keep.h"
#include "supervisor/learned.h"
#include "supervisor/slot.h"
#include "supervisor/upstream.h"
#include "supervisor/workers.h"

#define STREAM_RETUNES 2 /* fresh starts of a stream that had no media when its worker died */
#define STREAMS_MAX 1024 /* at once, the ending ones included */
#define STREAM_URL_SHOWN 256
#define STREAM_WHY 96
#define STREAM_STUCK_S 3.0 /* over `watchdog`: with bytes in hand and room for them, none moves */
#define STREAM_MEMORY_LOOK_S 3 /* between two looks at a worker's own memory */
#define STREAM_MEMORY_AGAIN_S 60.0 /* a stream's workers are retired for it no more often */

enum stream_state { STREAM_WAITING, STREAM_TUNING, STREAM_LIVE, STREAM_ORPHAN, STREAM_ENDING, STREAM_STATES };

/* One worker's death, from waitpid until the next one was given everything. */
struct handover {
	bool pending;
	pid_t pid; /* of the dead one */
	int status;
	bool retired; /* as asked: no death worth that name */
	uint64_t in_hand;
	double lived_s;
	size_t clients; /* carried over */
	int64_t died_ns;
	char why[STREAM_WHY];
};

struct streams;

struct stream {
	TAILQ_ENTRY(stream) link;
	struct streams *streams;
	uint64_t number; /* never used twice */
	enum stream_state state_now;
	ev_tstamp born, since; /* ever; in this state */
	int tuner; /* of all devices (units.h); -1 when ending */
	char guide_number[GUIDE_NUMBER_MAX];
	char name[CHANNEL_NAME_MAX];
	char provider[64]; /* "" when none */
	char url[STREAM_URL_SHOWN]; /* redacted */

	int spool_fd, state_fd;
	struct state *state;
	bool held; /* the holder has copies of both */
	bool renewed; /* they are fresh, under clients who were served from others; until there is media */
	struct worker *worker; /* NULL: none */
	bool tune_owed;
	struct slot slot; /* of its provider: from its first worker until no worker of it can live */
	bool slot_held; /* the holder has a copy of it */
	struct upstream upstream;
	ev_tstamp tuned_at; /* when its worker was given to it */
	unsigned restarts; /* workers after the first */
	unsigned retunes;

	struct crashes crashes;
	ev_timer again; /* backoff: while it is active, no worker */
	const char *retire; /* why its worker is to be replaced; NULL: it isn't. Static text */
	bool retiring; /* it was told so */
	ev_tstamp memory_at; /* when one was last retired for its memory; 0: never */
	struct handover handover;
	unsigned handovers; /* that came to their end */
	struct {
		char why[STREAM_WHY];
		double ms;
		size_t clients;
		ev_tstamp at;
	} last; /* of them; when handovers > 0 */
	double hold_s; /* its next worker is to leave the source alone for so long; 0: it is not */
	ev_tstamp hold_until; /* its worker was told so: until then it does no more than carry the viewers */
	int source_next; /* the source that its next worker is to go on with; -1: as the state says */
	int quarantine_fd; /* for the segment to be left out; -1: none */
	ev_tstamp quarantine_at; /* a worker was first given it; 0: none was */
	uint64_t moved_released; /* `released`, when it last changed */
	int64_t moved_ns; /* CLOCK_MONOTONIC: when it did, or couldn't have */

	TAILQ_HEAD(client_list, client) clients;
	TAILQ_HEAD(, client) owed;
	struct client **slots; /* slot_count of them, NULL: free */
	uint32_t slot_count;
	ev_timer linger;
	ev_tstamp left_at; /* when a client last left, or closed its side */
	ev_tstamp back_until; /* one that was cut off may come back until then; 0: none was */
};

struct history;

#define STREAMS_REFUSALS_PER_S 32 /* lines of the log */

struct streams {
	struct ev_loop *loop;
	struct history *history; /* where a stream's recorder goes when it is over; NULL: nowhere */
	struct keep *keep;
	struct workers *workers;
	struct http_server *http; /* where refused connections go back to */
	const struct config *config; /* in force */
	struct slots slots; /* of all providers */
	struct upstreams upstreams; /* what is known of providers */
	bool unlimited; /* said: a slot could not be locked */
	const char *testcard_url; /* NULL: there is none */
	struct comeback comeback; /* who was cut off a moment ago */
	struct learned learned; /* reserves that outages taught */
	uint64_t memory_limit; /* bytes of all spools */
	bool closing;
	bool frozen; /* an upgrade: nothing begins, no worker is given */
	bool settling; /* a barrier of the holder is under way */
	TAILQ_HEAD(stream_list, stream) all;
	size_t count;
	size_t clients, clients_max; /* of all streams */
	struct log_bound refusals; /* lines about them */
	uint64_t tunes, joins, refused, failed; /* ever */
	uint64_t deaths, handovers, poisoned; /* likewise, of all streams; deaths: of workers that had one */
	ev_timer tick; /* looks at those who can't be heard, and at workers that turn but don't work */
	int64_t looked_ns;
	unsigned looks;
};

/* Set up; workers->on_spare is taken. All pointers are borrowed for as long as it lives. */
void streams_init(struct streams *streams, struct ev_loop *loop, struct workers *workers, const struct config *config,
    struct keep *keep);

/* Go on with the last supervisor's streams; what else was held is ended. To be called once, with workers set up. Thaws. */
void streams_restore(struct streams *streams);

/*
 * A request for a channel, from a device that has the tuners from first on,
 * tuner_count of them: from tuner, by its own number (-1: any). A stream that
 * another device's viewers have is shared. Takes the connection, or answers
 * it with 503 at once.
 */
void streams_tune(struct streams *streams, struct http_conn *conn, const struct request *req,
    const struct channel *channel, int first, int tuner_count, int tuner, uint32_t duration_s);

/*
 * Another configuration is in force (the one before is still there): end the
 * streams whose channel is gone from it, retire the workers of those that
 * would be told something else now.
 */
void streams_reload(struct streams *streams, const struct config *config);

/*
 * Replace the worker of a channel that runs; viewers stay. why is static
 * text. false: it does not run.
 */
bool streams_restart(struct streams *streams, const char *guide_number, const char *why);

/* End all of them. */
void streams_close(struct streams *streams, const char *why);

/* Leave all of them, as they are, to the next supervisor; their workers are stopped by whoever calls. */
void streams_leave(struct streams *streams);

/* Begin nothing and give no worker to any, until thawed: it is to be the next supervisor's matter. */
void streams_freeze(struct streams *streams);
void streams_thaw(struct streams *streams);

/*
 * Call fn for all that must outlive us, under the holder's names (ipc/ledger.h);
 * descriptors are borrowed. Ends when fn gives something else than 0, and gives that.
 */
int streams_each_fd(struct streams *streams, int (*fn)(void *user, const char *name, int fd), void *user);

/*
 * Call fn for each stream that is in the midst of nothing, with its worker;
 * that one is kept for the next supervisor from then on (worker_keep()). Ends
 * when fn gives something else than 0, and gives that.
 */
int streams_each_steady(
    struct streams *streams, int (*fn)(void *user, uint64_t stream, struct worker *worker), void *user);

/* Bytes of memory in all spools. */
uint64_t streams_memory(const struct streams *streams);

/* The stream on a tuner, NULL when that is free. */
const struct stream *streams_on_tuner(const struct streams *streams, int tuner);

/* The first client that is still there: not ended, nor has it closed its side. NULL: none. */
const struct client *stream_viewer(const struct stream *stream);

/* Bits a second of it: the media's, or what its viewer had on average as long as that is not known yet. */
uint64_t stream_rate_bits(const struct stream *stream);

const char *stream_state_name(const struct stream *stream);

/*
 * For client.c
 */

/* A free slot for a client, CLIENT_NO_SLOT when there is none; and back. */
uint32_t stream_slot_take(struct stream *stream, struct client *client);
void stream_slot_free(struct stream *stream, uint32_t slot);

/* That one, which another supervisor gave to it. false: it isn't free, or no memory. */
bool stream_slot_claim(struct stream *stream, struct client *client, uint32_t slot);

/* It has a client that waits for the holder: client_settled() follows, at once where there is none. */
void stream_settle(struct stream *stream);

/* One client less, or one that is as good as gone. */
void stream_client_left(struct stream *stream);

/* Tell the worker all that it is owed, as far as its channel takes it. */
void stream_pay(struct stream *stream);

/*
 * For succession.c, restore.c, and the parts of this: stream.c has one
 * stream, stream_slot.c its slot, tunes.c requests, streams.c all of them
 */

/* What its worker is to play by that configuration; false with *why when it can't be said. */
bool stream_pack(struct msg_tune *tune, struct stream *stream, const struct config *config, const char **why);

/* Give a warm worker to it, with which it begins or goes on. May free the stream. */
void stream_begin(struct stream *stream, struct worker *worker);

/*
 * Does it have a slot of its provider, or needs none? One that it gets here
 * is kept until its worker is proven dead; a hand-over doesn't touch it.
 */
bool stream_slot_have(struct stream *stream);

/* The holder's copy of it is not needed any more: no worker outlives us, so the lock need not. */
void stream_slot_unhold(struct stream *stream);

/* Has it a slot of that provider, as its own or as that of its backup? */
bool stream_slot_of(const struct stream *stream, const char *provider);

/* Will a new stream of that provider get a slot: now, or as soon as one of ours is proven dead? max: its limit. */
bool streams_slot_promised(struct streams *streams, const char *provider, int max);

/* How many streams that provider allows at once, 0: no limit. name may be NULL. */
int streams_provider_max(const struct config *config, const char *name);

/* It has that worker from now on, which is told nothing by this. */
void stream_has_worker(struct stream *stream, struct worker *worker);

/* A stream without anything yet, waiting. NULL: no memory. */
struct stream *stream_new(struct streams *streams, uint64_t number, const struct channel *channel, int tuner);

/* It is in another state: logged, and noted in the ledger; or only the latter. */
void stream_set_state(struct stream *stream, enum stream_state to);
void stream_note(struct stream *stream);

/* Who waits is answered 503 with code; who was served is ended with why. May free the stream. */
void stream_end(struct stream *stream, const char *why, int code);

/* Clients that are not ended yet. */
size_t stream_watchers(const struct stream *stream);

/* Its spool and state are nobody's any more. */
void stream_drop_memory(struct stream *stream);

/* It has no connection to its provider, and no worker that could make one: the slot is free. */
void stream_slot_give_up(struct stream *stream);

/* The slot that the last supervisor took for it, if there is one. */
void stream_slot_restore(struct stream *stream);

/* The channel may have moved to another provider meanwhile, whose slots count from now on. */
void stream_look_up_provider(struct stream *stream, bool goes_on);

struct stream *streams_find(struct streams *streams, uint64_t number);

/* Give workers to those that wait for one. */
void streams_pump(struct streams *streams);

#endif
