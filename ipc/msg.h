/*
 * msg.h - all that supervisor and worker say to each other
 *
 * One message is one packet of a SOCK_SEQPACKET socket pair: a header, a
 * plain struct of fixed length, and descriptors (SCM_RIGHTS). Both ends are
 * the same build or speak MSG_VERSION; the first message both ways is HELLO.
 *
 *   MSG_x_    who says it: S supervisor, W worker
 *   trust     the supervisor believes nothing of what a worker says before
 *             it has bounded it; a worker trusts its supervisor
 *   blocking  never: a full socket is PB_AGAIN, and the caller tries again
 *             when the descriptor is writable; there is no queue here
 *   strings   fixed arrays; msg_text() terminates and cleans what came in
 *
 *   message          from  fds            answer
 *   HELLO            both  -              -
 *   W_READY          W     -              S_TUNE, some day
 *   S_SOURCE         S     -              - (a backup of the tune that follows)
 *   S_QUARANTINE     S     file           - (before a tune that leaves a segment out)
 *   S_SLATE          S     files          - (before a tune: what may stand in for its media)
 *   S_TUNE           S     spool, state,  W_MEDIA or W_FAILED; with `adopt` nothing: the stream goes on
 *                          slot
 *   W_SLOT           W     -              S_SLOT, when it asked for one
 *   S_SLOT           S     slot, if any   -
 *   W_LIMIT          W     -              perhaps S_LIMIT, to all workers of that provider
 *   S_LIMIT          S     -              - (may come before the tune, too)
 *   W_MEDIA          W     -              S_CLIENT for each that waits
 *   W_FAILED         W     -              S_STOP
 *   S_CLIENT         S     connection     W_CLIENT at its end
 *   S_DROP           S     -              W_CLIENT (ended)
 *   W_CLIENT         W     -              -
 *   S_PING           S     -              - (a worker that hears nothing for 10 s exits)
 *   S_STOP           S     -              it commits and exits 0 (an end, or a retirement)
 */
#ifndef PLEXBRIDGE_IPC_MSG_H
#define PLEXBRIDGE_IPC_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/url.h"

#define MSG_VERSION 8
#define MSG_FDS_MAX 4
#define MSG_DATA_MAX 32768
#define MSG_HEADERS_MAX 4096
#define MSG_REASON_MAX 160
#define MSG_INTERFACES_MAX 768 /* sixteen names or addresses */
#define MSG_SLATES_MAX 16 /* files of a tune */
#define MSG_SOURCES_MAX 9 /* url and eight backups (config/lineup.h) */
#define MSG_LIMIT_MAX_MS 3600000 /* the longest that a provider may keep us away by Retry-After, */
#define MSG_LIMIT_FIRST_MS 120000 /* ...and when it says so for the first time (supervisor/provider.h) */
#define MSG_PING_S 2.0
#define MSG_SILENCE_S 10.0

enum msg_type {
	MSG_HELLO = 1,
	MSG_S_TUNE,
	MSG_S_CLIENT,
	MSG_S_DROP,
	MSG_S_PING,
	MSG_S_STOP,
	MSG_S_SOURCE,
	MSG_S_SLOT,
	MSG_S_LIMIT,
	MSG_S_QUARANTINE,
	MSG_S_SLATE,
	MSG_W_READY,
	MSG_W_MEDIA,
	MSG_W_FAILED,
	MSG_W_CLIENT,
	MSG_W_SLOT,
	MSG_W_LIMIT,
	MSG_COUNT
};

struct msg_hello {
	uint32_t version;
	uint32_t pid;
	char build[40];
};

/* How to run a stream; durations and sizes as in plexbridge.ini. */
struct msg_settings {
	uint32_t reserve_ms; /* 0: auto, 3 target durations */
	uint32_t reserve_max_ms;
	uint32_t window_ms;
	uint32_t burst_ms;
	uint32_t paused_ms;
	uint32_t tune_timeout_ms; /* 0: 15 s */
	uint32_t latency_ms;
	uint32_t slate_after_ms; /* 0: filler is the last picture for as long as it goes */
	uint32_t return_after_ms; /* how long the first source must have been good again */
	uint32_t prefetch; /* segments in flight or ready */
	uint32_t connect_timeout_ms, try_timeout_ms, try_step_ms;
	uint32_t tries;
	uint32_t backoff_ms, backoff_max_ms;
	uint32_t keepalive_ms;
	uint32_t connections; /* per host */
	uint64_t spool_max; /* bytes */
	uint64_t worker_memory; /* bytes */
	uint64_t variant_value; /* struct variant_limit (config/variant.h) */
	int64_t first_dts_90k; /* where a stream's clock begins; 0: as always */
	uint32_t variant_kind;
	uint8_t private_targets, append_query, spare[2];
	char interfaces[MSG_INTERFACES_MAX]; /* "eth0,192.0.2.7"; "": the routes decide */
};

/*
 * Whose a source is. account: which provider, a number from 1 that means
 * nothing else, 0: nobody's. streams: its max_streams; if not 0, this worker
 * has one connection to it at a time, and none while it has no slot there.
 */
struct msg_account {
	uint32_t account;
	uint32_t streams;
};

/* What every request to a source says besides its URL. Secrets: for the wire alone. */
struct msg_request {
	char user_agent[256];
	uint32_t headers_len;
	char headers[MSG_HEADERS_MAX]; /* "Name: value\0Name: value\0" */
};

/* A backup of the channel; n from 1, in their order, each once, before the tune. */
struct msg_source {
	uint32_t n;
	uint32_t own; /* 1: it is asked as `request` says; 0: as url is, and `request` is empty */
	struct msg_account of;
	char url[URL_MAX];
	struct msg_request request;
};

/*
 * The segment of this serial, which the tune to come leaves out, is to be
 * fetched into the file as it is, and looked at by nobody; no more than
 * bytes_max of it.
 */
struct msg_quarantine {
	uint64_t serial;
	uint64_t bytes_max;
};

/*
 * Files, open for reading, of plain TS that an operator made; the first is
 * number `first` of the tune to come. What is in them is not known: that one
 * of them fits the stream is for the worker to find out.
 */
struct msg_slate {
	uint32_t first;
	uint32_t spare;
};

/*
 * The third descriptor, which may be missing, is a lock: the slot of the
 * stream's provider. It is to be kept open for as long as there can be
 * connections to the provider; nothing else is done with it.
 */
struct msg_tune {
	uint64_t stream; /* the supervisor's number for the stream */
	/*
	 * 1: spool and state are another worker's, who is proven dead: go on from
	 * the commit. Clients follow as S_CLIENT with `resume`.
	 */
	uint32_t adopt;
	uint32_t skip_set; /* 1: the segment whose serial is skip_serial crashed two workers: leave it out */
	uint64_t skip_serial;
	uint32_t source_count; /* url and those that S_SOURCE named, 1..MSG_SOURCES_MAX */
	uint32_t source_set; /* 1: begin with `source`, whatever the state says (0: url, n: backup n) */
	uint32_t source;
	uint32_t hold_ms; /* ask nobody for anything before so long has passed; viewers are served meanwhile */
	struct msg_account of; /* of url */
	uint32_t learned_ms; /* the reserve that outages of this channel taught; 0: none did */
	uint32_t led; /* bit n: source n is named by a list on a public address, and may lead to no private one */
	struct msg_settings settings;
	char guide_number[16];
	char url[URL_MAX];
	struct msg_request request; /* to url, and to the backups that have none of their own */
};

/*
 * W_SLOT: a slot of the provider of that source is wanted (want 1: answered
 * by S_SLOT), or not needed any more: no connection to it is left (want 0).
 * The provider of url has its slot with the tune, for as long as the stream
 * lives.
 */
struct msg_slot_want {
	uint32_t source;
	uint32_t want;
};

/* S_SLOT: granted 1: to be kept open as the tune's; 0: none is free, ask again later. */
struct msg_slot_answer {
	uint32_t source;
	uint32_t granted;
};

/* What a provider answered to a request. */
enum msg_limit_class {
	LIMIT_GOOD = 1, /* media or a playlist, after trouble was told */
	LIMIT_BUSY, /* too much, too many: 429, 458, 509; or, of the channel's own URL, 503 and when to come back */
	LIMIT_DENIED, /* 401, 403, 407, 451 for the channel's own URL, which holds no token of ours */
	LIMIT_CLASSES
};

/* W_LIMIT */
struct msg_limit_report {
	uint32_t source;
	uint32_t what; /* enum msg_limit_class */
	uint32_t status;
	uint32_t retry_after_ms; /* 0: it said nothing */
};

/* S_LIMIT: when sources of that provider may be asked again; what waits, waits so long. */
struct msg_limit {
	uint32_t account;
	uint32_t wait_ms; /* from now; 0: at once */
	char why[80];
};

struct msg_client {
	uint64_t client;
	uint32_t slot;
	uint32_t resume; /* 1: its slot says where it is; head is empty */
	uint32_t head_len;
	uint32_t back; /* 1: it was cut off at `offset` a moment ago, and goes on there as far as the window has it */
	uint64_t offset;
	char head[512]; /* STATE_HEAD_MAX; the response head, to be sent before the body */
};

struct msg_drop {
	uint64_t client;
	uint32_t slot, spare;
};

enum msg_failed_why {
	FAILED_SOURCE = 0, /* there is no media, and will be none */
	FAILED_CODEC, /* there is, but of other codecs than the running stream's: a new tune can have it */
	FAILED_WHYS
};

struct msg_failed {
	uint32_t code; /* 805, 806 or 807: the X-HDHomeRun-Error of the tunes that wait */
	uint32_t why; /* enum msg_failed_why */
	char reason[MSG_REASON_MAX]; /* for the log; URLs in it are redacted */
};

enum msg_client_event {
	CLIENT_EOF = 1, /* it sent FIN: it may still read, but counts as gone when a tuner is needed */
	CLIENT_GONE, /* reset or broken: nothing more can be sent */
	CLIENT_GHOST, /* its host answers no more */
	CLIENT_PAUSED, /* it did not read for `paused` */
	CLIENT_DROPPED, /* done as S_DROP asked */
	CLIENT_EVENTS
};

struct msg_client_report {
	uint64_t client;
	uint32_t slot;
	uint32_t event; /* enum msg_client_event */
	uint64_t sent; /* body bytes */
};

struct msg_head {
	uint32_t type;
	uint32_t len; /* of what follows */
};

/* A message as it came. The data stay valid until the next msg_recv() into it. */
struct msg {
	uint32_t type;
	size_t len;
	size_t nfds;
	int fds[MSG_FDS_MAX]; /* the receiver's to close, msg_close_fds() */
	uint8_t data[MSG_DATA_MAX] __attribute__((aligned(8)));
};

/* A connected, non-blocking, close-on-exec pair. 0 or PB_ESYS. */
int msg_pair(int fds[2]);

/* Send one message; descriptors are borrowed. 0, PB_AGAIN, PB_ESYS (EPIPE: the other end is gone). */
int msg_send(int fd, uint32_t type, const void *data, size_t len, const int *fds, size_t nfds);

/*
 * Receive one message. 0, PB_AGAIN, PB_NO (the other end is closed),
 * PB_EPEER (too long, cut, no header, too many descriptors; those that came
 * are closed), PB_ESYS.
 */
int msg_recv(int fd, struct msg *out);

/* Close the descriptors of m that nobody took (set a taken one to -1). */
void msg_close_fds(struct msg *m);

/* Terminate s and replace what is not printable ASCII or UTF-8 by '?'. */
void msg_text(char *s, size_t size);

const char *msg_name(uint32_t type);
const char *msg_limit_name(uint32_t what);
const char *msg_client_event_name(uint32_t event);

#endif
