/*
 * client.h - one viewer's connection, from its tune to its end
 *
 * A client waits until its stream has media; not a byte goes out before. Then
 * the worker is given a copy of its connection and a slot in the stream's
 * state, and sends. The supervisor keeps its own copy to the end, for the
 * connection must outlive any worker: so an end is shutdown(2) first, then
 * close, then the worker is told to drop its copy, then the slot is free.
 * Where there is a holder (keep.h), it has a third one, and not a byte goes
 * out before it has.
 *
 *   waiting -> owed -> served -> dropping -> (gone)
 *      ^--------^--------' when its worker died
 *
 *   owner     the stream; a client frees itself at its end
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_CLIENT_H
#define PLEXBRIDGE_SUPERVISOR_CLIENT_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ipc/ledger.h"
#include "ipc/msg.h"
#include "ipc/state.h"
#include "supervisor/addr.h"
#include "supervisor/http.h"

#define CLIENT_NO_SLOT UINT32_MAX

enum client_phase {
	CLIENT_WAITING, /* for media; its connection is ours alone */
	CLIENT_OWED, /* has a slot; the worker, or the one after it, has yet to be told */
	CLIENT_SERVED, /* by the worker */
	CLIENT_DROPPING, /* ended for us; the worker has yet to say that it dropped it */
	CLIENT_PHASES
};

struct stream;

struct client {
	TAILQ_ENTRY(client) link; /* of the stream's clients */
	TAILQ_ENTRY(client) owed_link; /* of those of whom the worker must be told something */
	bool owed;
	struct stream *stream;
	uint64_t number; /* never used twice */
	enum client_phase phase;
	struct http_taken conn; /* fd -1 when dropping */
	uint32_t slot;
	uint32_t duration_s; /* 0: no end */
	bool eof; /* it closed its side: gone, as soon as somebody needs the tuner */
	bool mute; /* waiting and eof: nothing more to be heard, only looked at */
	bool resume; /* owed: its slot says where it is, another worker wrote it */
	bool held; /* the holder has a copy of its connection */
	bool unsettled; /* has a slot, and waits for the holder's barrier before the worker is told */
	bool behind; /* ...which the barrier that is under way covers */
	ev_tstamp since, served_at;
	bool came_back; /* it was cut off a moment ago, at back_at */
	uint64_t back_at;
	uint64_t moved_sent; /* what its slot said was sent, when that last changed */
	int64_t moved_ns; /* CLOCK_MONOTONIC: when it did, or couldn't have */
	ev_io watch; /* while waiting */
	ev_timer deadline; /* waiting: tune_timeout; served: duration */
	char address[ADDR_TEXT];
	char agent[128];
};

/* Take conn->fd for a tune. NULL: no memory, and conn is untouched. */
struct client *client_new(
    struct stream *stream, uint64_t number, struct http_taken *conn, const char *agent, uint32_t duration_s);

/* Go on with one of the last supervisor's; takes fd. The stream must be carried on next. NULL: no memory, fd is closed. */
struct client *client_restore(struct stream *stream, const struct ledger_client *entry, int fd);

/* There is media: take a slot, and owe the worker its message once the holder has all of it. */
void client_media(struct client *client);

/* The holder has it. */
void client_settled(struct client *client);

/*
 * Its stream's worker is proven dead. Who has seen a byte is owed to the
 * successor as it stands in its slot; who has not waits again; who was
 * ended already, by us or by the worker, is freed. true: carried over.
 */
bool client_carry(struct client *client);

/*
 * Does it take bytes, are there some in [tail, released) for it, and has
 * none moved for longer than allowed_ns? To be asked about once a second.
 */
bool client_stuck(struct client *client, const struct state_view *view, int64_t now_ns, int64_t allowed_ns);

/* It waits still and will not be served: answer 503 with this X-HDHomeRun-Error. Frees it. */
void client_refuse(struct client *client, int error, const char *why);

/* End it: why= of its log line. Frees it, now or when the worker has dropped it. */
void client_end(struct client *client, const char *why);

/* Tell the worker what it is owed. 0, PB_AGAIN, PB_EPEER. */
int client_pay(struct client *client);

/* The worker's word on it; the report is checked against it here. May free it. */
void client_reported(struct client *client, const struct msg_client_report *report);

/* Does it read? false for one that acknowledges only (its slot says so). */
bool client_paused(const struct client *client);

/* Look whether the connection of one that nobody hears or sends to is broken; may free it. */
void client_look(struct client *client);

/* Body bytes sent, as its slot says; bounded by nothing but 64 bits: for people only. */
uint64_t client_bytes(const struct client *client);

const char *client_phase_name(enum client_phase phase);

#endif
