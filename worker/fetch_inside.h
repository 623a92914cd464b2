/*
 * fetch_inside.h - what the parts of fetch.h share, and nobody else
 *
 *   fetch.c       a fetch's way: queue, name, transfer, verdict, and round again
 *   fetch_pool.c  the pool: its life, and what each try teaches it
 *   fetch_ask.c   what a request says, and where it may go
 *   fetch_hear.c  what curl hands over of an answer
 *   hedge.c       the second request beside one that is late
 *
 * Times are the loop's. Nothing here blocks.
 */
#ifndef PLEXBRIDGE_WORKER_FETCH_INSIDE_H
#define PLEXBRIDGE_WORKER_FETCH_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <curl/curl.h>
#include <ev.h>

#include "base/loop.h"
#include "ipc/msg.h"
#include "worker/body.h"
#include "worker/fetch.h"
#include "worker/headers.h"
#include "worker/hosts.h"
#include "worker/interfaces.h"
#include "worker/late.h"
#include "worker/meter.h"
#include "worker/reply.h"
#include "worker/resolve.h"
#include "worker/sockets.h"
#include "worker/transfer.h"

#define FETCH_LED_MAX 16 /* hosts to which redirects led lately */

enum fetch_state { QUEUED, NAMING, RUNNING, PAUSED, WAITING };

struct fetch_pool {
	struct ev_loop *loop;
	struct transfers *transfers;
	struct resolve *resolve;
	struct msg_settings settings;
	char *ca_file;
	const char *ca_path; /* curl's own string; NULL: not used */
	struct {
		char *user_agent; /* NULL: all is as that of source 0 */
		struct headers headers;
		uint64_t own, led[FETCH_LED_MAX]; /* hosts, hashed: the operator's; those that only a redirect led to */
		unsigned led_next;
	} requests[MSG_SOURCES_MAX]; /* by source */
	uint32_t led; /* sources that a list on a public address names */
	enum { SOURCE_UNKNOWN, SOURCE_PUBLIC, SOURCE_PRIVATE } source;
	uint64_t random;
	struct fetch_figures figures;
	struct fetch_phases phases;
	struct fetch_trouble trouble;
	struct hosts hosts;
	struct late late[2]; /* what is handed on as it comes, and what is collected */
	struct meter meter;
	struct sockets sockets;
	struct interfaces interfaces;
	double patience;
	ev_tstamp hold; /* no request before */
	ev_timer held;
	void (*answered)(void *arg, const struct fetch_answer *answer);
	void *arg;
	TAILQ_HEAD(, fetch) fetches;
};

/* A second request beside the one in hand, until one of them answers. */
struct hedge {
	struct place place; /* owner is the fetch, as of its own */
	struct transfer *t;
	struct reply reply;
	bool ranged;
	bool spent; /* the try in hand had its second request */
	ev_tstamp began_at;
};

struct fetch {
	TAILQ_ENTRY(fetch) link;
	struct fetch_pool *pool;
	struct fetch_options o; /* o.url: see url */
	enum fetch_state state;
	bool finished; /* on_done is on the stack */

	char *url; /* as asked for */
	char *now; /* after redirects */
	struct url_parts parts; /* of now */
	char home[URL_HOST_MAX];
	unsigned hops;
	uint64_t seen[FETCH_REDIRECTS_MAX + 1];

	struct place place; /* at the host of now */
	struct resolve_query *query;
	struct resolve_addrs addrs;
	struct transfer *t;
	struct hedge hedge;
	ev_timer timer;
	ev_tstamp started, began_at, active_at, wake, missing_since;
	double queued_s; /* that take nothing from the deadline */
	ev_tstamp naming_at, named_at; /* of the try in hand: its name was asked for, its transfer began */

	unsigned tries, tries_max;
	unsigned failed; /* tries that count against tries_max */
	unsigned free_retries;
	unsigned busy; /* times it was told: too many */
	bool crowd; /* others were under way beside the try in hand */
	bool let_off; /* ... and so were they when it was told the first time: that is not in `busy` */
	unsigned rotate; /* which address goes first */
	double try_s; /* how long the one in hand may be silent */
	bool fresh; /* not on a kept connection */
	bool no_range; /* ranges don't work here: take the whole and cut */

	/* The response in hand. */
	struct reply reply;
	bool head_over, discard, ranged, refused, whole, replan;
	size_t discarded;
	uint64_t skip; /* bytes of body still to be dropped in front */
	uint64_t got; /* bytes taken from it */
	ev_tstamp first_byte;
	bool metered, at_edge; /* the pool's meter has it as moving, and how */
	int stop_err; /* why a callback stopped curl */

	struct reply first; /* the one that delivered the first bytes */
	uint64_t pos; /* bytes delivered */
	struct body body;

	/* For the result. */
	int status, curl_code;
	long verify; /* X509_V_... */
	uint32_t connect_ms, ttfb_ms, retry_after_ms;
	bool range_ignored, reused, http2;
	char why[FETCH_REASON_MAX / 2];
};

/* Its body is collected whole before anybody gets it. */
static inline bool
fetch_collected(const struct fetch *f)
{
	return f->o.kind == FETCH_PLAYLIST || f->o.kind == FETCH_KEY;
}

/* How long answers of its sort took. */
static inline struct late *
fetch_history(const struct fetch *f)
{
	return &f->pool->late[fetch_collected(f)];
}

/*
 * fetch.c
 */

/* Why what goes wrong does, for the result. */
void fetch_because(struct fetch *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Is it on its way to a host that only a redirect led to? The operator's secrets are none of its business. */
bool fetch_abroad(const struct fetch *f);

/* Set its timer for whatever is due next. */
void fetch_arm(struct fetch *f);

/* For struct transfers_hooks: there may be room at a host; a transfer is over. */
void fetch_work(void *arg);
void fetch_over(void *arg, struct transfer *t, CURLcode code);

/*
 * fetch_pool.c: what a try teaches the pool
 */

/* It failed, in that way; f->why and the reply in hand say more. */
void fetch_pool_note_trouble(struct fetch *f, enum trouble what);

/* The first connection, as far as it got. */
void fetch_pool_note_phases(struct fetch_phases *phases, CURL *easy);

/* A server has answered it: whoever wants to know is told. */
void fetch_pool_answered(const struct fetch *f);

/* A transfer is over, whatever became of it: its figures, for fetch and pool. */
void fetch_pool_measure(struct fetch *f);

/* t failed with code, or was given up (CURLE_OPERATION_TIMEDOUT): is the way out dead? t may be NULL. */
void fetch_pool_find_way(struct fetch_pool *pool, const struct transfer *t, CURLcode code);

/* A segment's body moves, or doesn't: the pool's meter is told, whenever that may have changed. */
void fetch_pool_meter(struct fetch *f);

/*
 * fetch_ask.c
 */

/* May it go to private addresses? */
bool fetch_ask_private(const struct fetch *f);

/* All that t is to be told, for what f wants next. rotate: which address goes first. true: it is only a part. */
bool fetch_ask(struct fetch *f, struct transfer *t, bool fresh, unsigned rotate);

/*
 * fetch_hear.c: for CURLOPT_HEADERFUNCTION and CURLOPT_WRITEFUNCTION; arg is the transfer
 */
size_t fetch_hear_header(char *line, size_t size, size_t n, void *arg);
size_t fetch_hear_body(char *buf, size_t size, size_t n, void *arg);

/*
 * hedge.c
 */

/* When the try in hand is late, 0: never. */
ev_tstamp hedge_late_at(const struct fetch *f);

/* A place for a second request, if it may be: it goes in front of those that have not begun. */
void hedge_ask(struct fetch *f);

/* It has the place: put it on the wire. */
void hedge_launch(struct fetch *f);

/* Is there one, or a place asked for? */
bool hedge_runs(const struct fetch *f);

/* Is what the second request was answered a good answer, and does it go on where we are? */
bool hedge_fits(const struct fetch *f);

/* The second request is the one from now on; whatever the first would still bring is not wanted. */
void hedge_take(struct fetch *f);

/* No second request any more, whatever became of it. */
void hedge_drop(struct fetch *f);

#endif
