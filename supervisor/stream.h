/*
 * stream.h - a running channel: a tuner, a spool, a worker, its clients
 *
 *   waiting -> tuning -> live -> ending
 *
 * The stream holds what must outlive a worker: the spool's and the state's
 * descriptors and the clients' connections. A worker that dies costs the
 * stream one call, stream_succeed() in stream.c, which decides what becomes
 * of it.
 *
 *   waiting   for a warm worker, or for a slot of its provider whose last
 *             holder is not proven dead yet
 *   tuning    a worker has it; no media yet
 *   live      there is media; without clients it lingers
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

#include "config/config.h"
#include "ipc/state.h"
#include "supervisor/client.h"
#include "supervisor/http.h"
#include "supervisor/workers.h"

#define STREAM_RETUNES 2     /* fresh starts of a stream that had no media when its worker died */
#define STREAMS_MAX 1024     /* at once, the ending ones included */
#define STREAM_URL_SHOWN 256

enum stream_state { STREAM_WAITING, STREAM_TUNING, STREAM_LIVE, STREAM_ENDING, STREAM_STATES };

struct streams;

struct stream {
	TAILQ_ENTRY(stream) link;
	struct streams *streams;
	uint64_t number; /* never used twice */
	enum stream_state state_now;
	ev_tstamp born, since; /* ever; in this state */
	int tuner;             /* -1 when ending */
	char guide_number[GUIDE_NUMBER_MAX];
	char name[CHANNEL_NAME_MAX];
	char provider[64];           /* "" when none */
	char url[STREAM_URL_SHOWN];  /* redacted */

	int spool_fd, state_fd;
	struct state *state;
	struct worker *worker; /* NULL: none */
	bool tune_owed;
	unsigned restarts;     /* workers after the first */
	unsigned retunes;

	TAILQ_HEAD(client_list, client) clients;
	TAILQ_HEAD(, client) owed;
	struct client **slots; /* slot_count of them, NULL: free */
	uint32_t slot_count;
	ev_timer linger;
	ev_tstamp left_at;     /* when a client last left, or closed its side */
};

struct streams {
	struct ev_loop *loop;
	struct workers *workers;
	struct http_server *http;    /* where refused connections go back to */
	const struct config *config; /* in force */
	const char *testcard_url;    /* NULL: there is none */
	uint64_t memory_limit;       /* bytes of all spools */
	bool closing;
	TAILQ_HEAD(stream_list, stream) all;
	size_t count;
	uint64_t last_stream, last_client;
	uint64_t tunes, joins, refused, failed; /* ever */
	ev_timer tick; /* looks at those who can't be heard */
};

/* Set up; workers->on_spare is taken. All pointers are borrowed for as long as it lives. */
void streams_init(struct streams *streams, struct ev_loop *loop, struct workers *workers,
    const struct config *config);

/*
 * A request for a channel, from tuner (-1: any). Takes the connection, or
 * answers it with 503 at once.
 */
void streams_tune(struct streams *streams, struct http_conn *conn, const struct request *req,
    const struct channel *channel, int tuner, uint32_t duration_s);

/* Another configuration is in force: end the streams whose channel is gone from it. */
void streams_reload(struct streams *streams, const struct config *config);

/* End all of them. */
void streams_close(struct streams *streams, const char *why);

/* Bytes of memory in all spools. */
uint64_t streams_memory(const struct streams *streams);

/* The stream on a tuner, NULL when that is free. */
const struct stream *streams_on_tuner(const struct streams *streams, int tuner);

const char *stream_state_name(const struct stream *stream);

/*
 * For client.c
 */

/* A free slot for a client, CLIENT_NO_SLOT when there is none; and back. */
uint32_t stream_slot_take(struct stream *stream, struct client *client);
void stream_slot_free(struct stream *stream, uint32_t slot);

/* One client less, or one that is as good as gone. */
void stream_client_left(struct stream *stream);

/* Tell the worker all that it is owed, as far as its channel takes it. */
void stream_pay(struct stream *stream);

#endif
