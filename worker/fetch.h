/*
 * fetch.h - one URL, with all the tries it takes
 *
 * A pool is one channel's way out: its connections, cookies, headers and
 * figures. A fetch is one URL, from the moment it is wanted to the moment
 * it is had or given up: names (worker/resolve.h), redirects, time limits,
 * repetitions, a broken body taken up where it broke.
 *
 *   blocking  never; everything happens on the loop, no threads
 *   order     fetches to one host begin in the order in which they were
 *             asked for, so the first gets the connection that is open;
 *             a request is on the wire in the turn in which it was made
 *   callbacks come from the loop, never from inside a function of this
 *             header; in each of them every function here may be called,
 *             also fetch_cancel() for the very fetch, but fetch_pool_free()
 *   trust     everything that a server says is bounded here: FETCH_..._MAX,
 *             10 redirects, URL_MAX bytes of Location
 *
 * Which answers are tried again (reference: hls.md 7):
 *
 *   at once, fresh   a kept connection that turned out to be closed, HTTP/2
 *   connection       connections that were ended
 *   after a pause    connect and DNS failures, time-outs, 5xx, 408, 425; a
 *                    body that broke (at once when it had moved well)
 *   at once          the rest of a segment of which only a part came, as its
 *                    head says (206); after a pause when it was a small one
 *   every 0.3 s      404 of a segment, for missing_ms
 *   when it says,    429, 458, 509 of a segment or key, while the deadline
 *   or 2, 5, 10,     allows: too many requests or connections. The one that
 *   30 s later       was told so is closed
 *   or 0.5 s later   likewise, once, of anything that had others of the pool
 *                    beside it: they may be what is too many
 *   side by side     what is late by its own history (worker/late.h) is asked
 *                    for a second time on a new connection, at another
 *                    address where there is one; the first that answers is
 *                    taken, also in the middle of a body that stands still
 *   never            every other status, certificates, redirects that lead
 *                    nowhere: the caller decides
 *
 * Not here: what the bytes mean; which URL to try instead.
 */
#ifndef PLEXBRIDGE_WORKER_FETCH_H
#define PLEXBRIDGE_WORKER_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ev.h>

#include "base/url.h"
#include "worker/trouble.h"

#define FETCH_PLAYLIST_MAX ((size_t)4 << 20)
#define FETCH_KEY_MAX ((size_t)64)
#define FETCH_SEGMENT_MAX ((uint64_t)256 << 20)
#define FETCH_REDIRECTS_MAX 10
#define FETCH_REASON_MAX 256

struct fetch;
struct fetch_pool;
struct msg_request;
struct msg_settings;
struct resolve;
struct sockaddr;

enum fetch_kind {
	FETCH_PLAYLIST, /* collected; compressed if the server likes */
	FETCH_KEY, /* collected */
	FETCH_SEGMENT, /* handed on as it comes; resumed when it breaks */
	FETCH_STREAM, /* handed on as it comes, has no end; never resumed: what broke is over */
};

/* A response whose body is wanted has begun. Pointers are borrowed for the call. */
struct fetch_head {
	const char *url; /* effective, after redirects: the base of what is inside */
	const char *type; /* Content-Type without parameters, lower case, "" when none */
	int status; /* 200 or 206 */
	int64_t length; /* of what on_data gets in all; -1 unknown */
	uint64_t at; /* bytes that on_data already got, from earlier tries */
	unsigned tries; /* this is the n-th */
};

struct fetch_result {
	/*
	 * 0; PB_NO: the answer is no (http_status, or an address that may not
	 * be asked); PB_ENET, PB_ETIME; PB_EFORMAT: a body that is not what it
	 * was, or undecodable; PB_ELIMIT: longer than its kind may be;
	 * PB_ENOSUP: led to another scheme; PB_ENOMEM; or what on_data said.
	 */
	int err;
	int http_status; /* of the last response, 0 when there was none */
	int curl_code; /* of the last try, 0 when it was not curl that failed */
	const char *url; /* effective */
	const char *reason; /* "" for 0; else for the log: URLs in it are redacted */
	const void *body; /* playlist, key: body_len bytes, NUL-terminated besides */
	size_t body_len;
	uint64_t bytes; /* of body that was delivered, also when err is not 0 */
	unsigned tries;
	uint32_t connect_ms, ttfb_ms; /* last try: to the connection (0: a kept one), to the first byte */
	uint32_t total_ms; /* since fetch_start() */
	double answer_s; /* as of fetch_answer_s() */
	uint32_t retry_after_ms; /* the server asked for it; 0: it did not */
	bool range_ignored; /* the whole file came, the range was cut out here */
	bool reused, http2; /* last try: a kept connection; its protocol */
};

struct fetch_options {
	enum fetch_kind kind;
	const char *url; /* borrowed for the call */
	/* length > 0: only these bytes of the resource (EXT-X-BYTERANGE). */
	struct fetch_range {
		uint64_t offset, length;
	} range;
	ev_tstamp deadline; /* loop time after which nothing is waited for or begun; 0: none */
	double
	    queue_s; /* ...later by what its first try waits in the queue, for its turn or a hold; by so much at most */
	unsigned tries; /* 0: as the settings say */
	uint32_t hedge_ms; /* after so long without a byte it is late, or earlier by its history; 0: it never is */
	/* After the last try there are more, as long as the deadline is ahead; and a short hold takes no time from it. */
	bool persist;
	uint32_t missing_ms; /* how long a 404 of a segment is asked for again; one EXTINF */
	uint32_t making_ms; /* so long its server may still be handing it on as it is made; 0: it is whole there */
	unsigned
	    elsewhere; /* on a new connection, where there may be more than one; at the n-th next address. 0: no matter */
	bool channel_url; /* the operator wrote this URL, unless its source is `led`: its host may be private */
	unsigned source; /* which of the channel's it is of, below MSG_SOURCES_MAX: what its requests say */

	void *arg; /* of the callbacks */
	/* Once a try, before its first byte. May be NULL. */
	void (*on_head)(void *arg, const struct fetch_head *head);
	/*
	 * Segments and streams: the next bytes, each exactly once however many
	 * tries it takes. 0: taken. PB_AGAIN: not taken; the transfer pauses, and
	 * the same bytes come again after fetch_resume(). An error ends the fetch
	 * with it.
	 */
	int (*on_data)(void *arg, const void *buf, size_t len);
	/* The end, exactly once unless it was cancelled. The fetch is gone when this is called. */
	void (*on_done)(void *arg, const struct fetch_result *result);
};

/* How the way to the source is; of all connections that ever were. */
struct fetch_way {
	uint64_t retransmits, out_of_order, segments_in, segments_out;
	uint32_t rtt_ms;
	const char *interface; /* through which, "" when the routes decide; the pool's, until the next call */
};

struct fetch_figures {
	uint64_t requests; /* on the wire, redirects included */
	uint64_t redirects;
	uint64_t retries;
	uint64_t errors; /* fetches that ended with one */
	uint64_t bytes; /* of body, from the wire */
	uint64_t connects; /* connections opened */
	uint64_t hedges; /* second requests for what was late */
	uint64_t hedges_won; /* that answered first */
	uint32_t ttfb_ms; /* smoothed over about eight, 0 before the first */
	uint64_t throughput_bps; /* of all segments together while any moved, lately (worker/meter.h); 0: not known */
	double still_s; /* since a byte of a segment that is under way came; 0: none is. Both as of the last second */
};

/* How the first connection of a pool came to be; -1: it did not get so far. */
struct fetch_phases {
	int dns_ms, tcp_ms, tls_ms; /* each by itself; tls_ms is 0 for plain http */
	int answer_ms; /* from the request to the first byte of the answer */
};

/* Tries that failed, lately. */
struct fetch_trouble {
	unsigned tries;
	enum trouble what; /* the last one: in which way, */
	enum fetch_kind kind; /* ... of what, */
	int http_status; /* ... with which answer, 0: none, */
	char why[FETCH_REASON_MAX / 2];
	char host[URL_HOST_MAX];
};

/* The fetch that waits longest for its name, or for a connection. */
struct fetch_wait {
	bool naming; /* for an address; otherwise for a connection */
	uint32_t ms;
	char host[URL_HOST_MAX];
};

/* What a server answered to a try. */
struct fetch_answer {
	unsigned source; /* as in fetch_options */
	int status;
	uint32_t retry_after_ms; /* as in fetch_result */
	bool channel_url; /* it was asked for by that, and not led there */
	bool crowd; /* others of the pool were under way beside it */
};

struct fetch_pool_options {
	struct resolve *resolve; /* borrowed for the pool's life */
	const struct msg_settings *settings; /* borrowed for the call (ipc/msg.h) */
	const struct msg_request *request; /* to source 0; borrowed for the call. NULL: nothing of its own */
	uint64_t seed; /* of the jitter; 0: random */
	const char *ca_file; /* trust these certificates instead of the system's; NULL */
	uint32_t led; /* as in struct msg_tune: those sources' own URLs are no operator's */
	/*
	 * A server answered: of any fetch, each try but redirects; when it is over,
	 * but a stream that begins is told of at once: it may never be. Nothing but
	 * fetch_pool_hold() and fetch_pool_one() may be called in it. May be NULL.
	 */
	void (*answered)(void *arg, const struct fetch_answer *answer);
	void *arg;
};

/*
 * The secrets among the headers (worker/headers.h) are sent to the hosts that
 * the operator or a playlist names, and not to one that only a redirect led
 * to: not in that request, nor in those for what is relative to its answer.
 *
 * Gives *out to the caller. 0, PB_ENOMEM, PB_ESYS. Header lines that are none are PB_EFORMAT. */
int fetch_pool_new(struct fetch_pool **out, struct ev_loop *loop, const struct fetch_pool_options *options);

/* Cancels what runs, closes all connections. Not from a callback. Sets *pool to NULL; NULL inside is fine. */
void fetch_pool_free(struct fetch_pool **pool);

/*
 * What requests to that source say, from 1: until this is called, as those to
 * source 0. Before the first fetch of it. 0; PB_ENOMEM; PB_EFORMAT for what
 * is no header: it is asked without any then, never with another's.
 */
int fetch_pool_request(struct fetch_pool *pool, unsigned source, const struct msg_request *request);

/*
 * Seconds from the beginning of the try in hand to the first byte of its body,
 * all that redirects led through included; 0: there is none yet.
 */
double fetch_answer_s(const struct fetch *fetch);

/*
 * The channel has another URL now (a backup): whether it is private, and so
 * may lead to private addresses, is found out anew, and so are latency and
 * throughput.
 */
void fetch_pool_new_source(struct fetch_pool *pool);

/*
 * The account that it fetches from counts connections: have one in all, to
 * whatever host, from now on; or as many as the settings say.
 */
void fetch_pool_one(struct fetch_pool *pool, bool one);

/* Hang up: no connection is left when it returns. Whatever is still under way breaks, and may be tried again. */
void fetch_pool_hang_up(struct fetch_pool *pool);

/* Has it one? */
bool fetch_pool_is_one(const struct fetch_pool *pool);

/* Put no request on the wire before that loop time; 0: at once again. What is on its way goes on. */
void fetch_pool_hold(struct fetch_pool *pool, ev_tstamp until);

/*
 * The rush of a tune is over: keep one connection for each host that is in
 * use, and let the others go as their transfers end.
 */
void fetch_pool_settle(struct fetch_pool *pool);

/* How long everybody is waited for, in permille of what the settings say: more when the source is known to be slow. */
void fetch_pool_patience(struct fetch_pool *pool, uint32_t permille);

/*
 * The way out has changed (worker/routes.h): what waits for its next try is
 * tried at once, by the first interface again. gone: this machine's address
 * that is no more, so neither are the connections from it; or NULL.
 */
void fetch_pool_rerouted(struct fetch_pool *pool, const struct sockaddr *gone);

/* Once a second, for the figures; is the first of several interfaces to be tried again? true: it is in use now. */
bool fetch_pool_second(struct fetch_pool *pool);

/* Read the way's figures anew. */
struct fetch_way fetch_pool_way(struct fetch_pool *pool);

struct fetch_figures fetch_pool_figures(const struct fetch_pool *pool);
struct fetch_phases fetch_pool_phases(const struct fetch_pool *pool);

/* What went wrong since the last call. false: nothing did. */
bool fetch_pool_trouble(struct fetch_pool *pool, struct fetch_trouble *out);

/* What has not so much as reached its server for that long, though no try failed yet. false: nothing. */
bool fetch_pool_waits(const struct fetch_pool *pool, uint32_t least_ms, struct fetch_wait *out);

const char *fetch_kind_name(enum fetch_kind kind);

/*
 * Begin. Gives *out, which stays valid until on_done or fetch_cancel().
 * 0; PB_ENOSUP for another scheme than http and https, PB_EFORMAT,
 * PB_ELIMIT for what is no URL; PB_ENOMEM.
 */
int fetch_start(struct fetch_pool *pool, const struct fetch_options *options, struct fetch **out);

/* Go on after PB_AGAIN from on_data. Harmless on one that is not paused. */
void fetch_resume(struct fetch *f);

/* Another deadline, as in fetch_options. It ends waiting, never the body of a segment or stream that moves. */
void fetch_set_deadline(struct fetch *f, ev_tstamp deadline);

/* No longer wanted: no callback comes any more. Sets *f to NULL; NULL inside is fine. */
void fetch_cancel(struct fetch **f);

#endif
