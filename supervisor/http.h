/*
 * http.h - the server behind the tuner port and the control socket
 *
 * One connection, one request, one answer, close. A connection first waits
 * for its head; then the handler either answers it or takes it away (a
 * tune); an answer is written without blocking; then the connection lingers
 * until the client has closed too, so that what it still sent can't make
 * the kernel throw the answer away.
 *
 *   memory    none of ours for a head that is not whole: its bytes stay in
 *             the socket's queue and are looked at there (MSG_PEEK)
 *   bounds    connections, those that wait for a head, and time: http_options.
 *             One too many waiting: the oldest gets 408. One too many
 *             altogether: the oldest that only lingers is closed, else the
 *             oldest that waits gets 408, else the new one is closed.
 *   refused   403 before a byte is read for an address that is not allowed;
 *             400, 408, 413, 414, 431, 505 for heads, and 400 for more bytes
 *             after the head of a GET or HEAD. All with an empty body.
 *   bodies    of a POST are not kept: the answer goes out at once and up to
 *             HTTP_DRAIN_MAX bytes are read and dropped; a longer one is 413
 *   trust     everything that comes in is hostile; the handler is not
 *
 * Not here: which path means what (supervisor/tuner.h).
 */
#ifndef PLEXBRIDGE_SUPERVISOR_HTTP_H
#define PLEXBRIDGE_SUPERVISOR_HTTP_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/request.h"
#include "config/config.h"
#include "supervisor/addr.h"
#include "supervisor/blob.h"

#define HTTP_CONNS_MAX 16384
#define HTTP_HEADS_MAX 8192
#define HTTP_HEAD_MS 5000 /* from accept to the whole head */
#define HTTP_WRITE_MS 30000 /* for the whole answer */
#define HTTP_LINGER_MS 2000
#define HTTP_DRAIN_MAX 65536
#define HTTP_DATE 30 /* holds a text of http_date() */

struct http_server;
struct http_conn;

/* Numbers that are 0 are the defaults above; conns_max never passes half of RLIMIT_NOFILE. */
struct http_options {
	const char *name; /* of this server in the log: "tuner", "control" */
	bool tuner; /* Server: HDHomeRun/1.0 and Access-Control-Allow-Origin: * */
	size_t conns_max;
	size_t heads_max;
	uint32_t head_ms;
	uint32_t write_ms;
	uint32_t linger_ms;
};

/* open to lingering are of now, the rest adds up. */
struct http_stats {
	size_t open;
	size_t waiting; /* for a head */
	size_t lingering;
	uint64_t accepted;
	uint64_t answered; /* by the handler */
	uint64_t taken;
	uint64_t refused; /* 403 */
	uint64_t malformed; /* 400, 413, 414, 431, 505 */
	uint64_t late; /* 408: deadline, or pushed out */
	uint64_t dropped; /* closed without an answer because of the bounds */
};

/* What http_take() gives. fd belongs to the caller; TCP_NODELAY is set; the head is still in its queue. */
struct http_taken {
	int fd;
	size_t head_len;
	struct addr peer;
	struct addr local;
};

/*
 * Gives *out; http_free() ends it. options are copied, the name's text is
 * borrowed for ever. 0 or PB_ENOMEM.
 *
 * handler is called once for each request. It must call one of http_reply(),
 * http_reply_blob(), http_reply_head() and http_take() before it returns,
 * and must not use conn or req afterwards: both are borrowed.
 */
int http_new(struct http_server **out, struct ev_loop *loop, const struct http_options *options,
    void (*handler)(void *arg, struct http_conn *conn, const struct request *req), void *arg);

/* Whom to answer from now on; borrowed until the next call. NULL (as at first): everybody. */
void http_allow(struct http_server *server, const struct config_allow *allow);

/* Take a connection that was just accepted. Fits listen_start(): arg is the server. */
void http_accepted(void *arg, int fd, const struct addr *peer);

/*
 * Answer a request. type is the Content-Type, NULL for none; extra is NULL
 * or further header lines, each with its CR LF. body is copied. A HEAD
 * request gets the head alone. The connection is gone for the caller.
 */
void http_reply(struct http_conn *conn, int status, const char *type, const char *extra, const void *body, size_t len);

/* The same with a shared body: takes one reference of blob. NULL says there was no memory: 503. */
void http_reply_blob(struct http_conn *conn, int status, const char *type, const char *extra, struct blob *blob);

/*
 * The same with len bytes of a file, from its begin, sent without a copy
 * (sendfile(2)); fd is borrowed for the call, and the file must not change.
 * It may take as long as it takes, if no write_ms pass without a byte.
 */
void http_reply_file(struct http_conn *conn, int status, const char *type, const char *extra, int fd, size_t len);

/* A field of the request, as request_field(). Only from within the handler, before it answers. */
bool http_field(const struct http_conn *conn, const char *name, char *out, size_t size);

/* Answer with a head that is already whole (tuner_stream_head()), and nothing behind it: HEAD of a stream. */
void http_reply_head(struct http_conn *conn, const char *head, size_t len);

/*
 * Take the connection away, to be answered later or for a tune. Gives *out.
 * The head stays in the socket's queue, so that another supervisor finds the
 * request as it came, until whoever took it has noted it: http_consume().
 */
void http_take(struct http_conn *conn, struct http_taken *out);

/* Read the head from a connection that was taken. */
void http_consume(struct http_taken *taken);

/*
 * Bring a taken connection back, before a byte was sent on it, to be
 * answered with status, an empty body and extra (as in http_reply()): the
 * tune failed. Takes taken->fd and sets it to -1.
 */
void http_return(struct http_server *server, struct http_taken *taken, int status, const char *extra);

/* The same with a body: takes one reference of blob. NULL says there was no memory: 503. */
void http_return_blob(
    struct http_server *server, struct http_taken *taken, int status, const char *type, struct blob *blob);

/*
 * For an upgrade: look at no connection that waits for its head, until false
 * is said; those that are being answered go on. Nothing may be accepted
 * meanwhile. Time to send a head begins anew then.
 */
void http_pause(struct http_server *server, bool paused);

/* Call fn for each that waits; its descriptor is borrowed. Ends when fn gives something else than 0, and gives that. */
int http_each_waiting(struct http_server *server, int (*fn)(void *user, int fd), void *user);

/* How many are being answered. */
size_t http_answering(const struct http_server *server);

/* Begin with one that another supervisor accepted, or anew with one that was taken, its head not consumed; takes fd. */
void http_adopt(struct http_server *server, int fd);

/* Who asks, and through which of our addresses. peer is borrowed while conn is. */
const struct addr *http_peer(const struct http_conn *conn);
void http_local(const struct http_conn *conn, struct addr *out);

void http_stats(const struct http_server *server, struct http_stats *out);

/* Close all connections, end the server, leave NULL. Not from within a handler. A NULL inside is fine. */
void http_free(struct http_server **server);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7). Returns out. */
char *http_date(char out[HTTP_DATE], time_t when);

/* "Not Found" for 404. Never NULL. */
const char *http_reason(int status);

#endif
