/*
 * http.h - the origin's HTTP/1.1 server: connections, and nothing else
 *
 * One libev loop, never blocks. A site answers requests at once and from
 * memory; the server sends the answer, as badly as its fault plan says.
 *
 *   bounds   connections (config), a head of REQUEST_HEAD_MAX, a request
 *            body of HTTP_BODY_MAX (read and thrown away), 256 KiB a turn,
 *            HTTP_IDLE_S without a request or without progress
 *   refused  400, 408 (nothing: closed), 413, 414, 431, 505
 *   does     keep-alive, pipelining one by one, HEAD, single Range, ETag
 */
#ifndef PLEXBRIDGE_ORIGIN_HTTP_H
#define PLEXBRIDGE_ORIGIN_HTTP_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/request.h"
#include "origin/fault.h"
#include "origin/live.h"

#define HTTP_BODY_MAX 65536
#define HTTP_IDLE_S 60.0

/* A request on its way to the site. All of it is borrowed. */
struct http_ask {
	const struct request *request;
	const char *head; /* as it came, request->head_len bytes, for request_field() */
	uint64_t connection;
	uint16_t port;
	double now; /* wall time, seconds */
};

/* What the site gives back: zeroed by the server, filled in by the site, ended by the server. */
struct http_answer {
	int status;
	const char *type; /* static; NULL for none */
	uint8_t *body; /* malloc'd, taken */
	size_t len;
	char *fields; /* more header lines, each with CR LF; malloc'd, taken */
	struct live_stream *stream; /* taken: a body that goes on for ever */
	bool ranges; /* a Range may be asked of it, and it has an ETag */
	struct fault_plan plan;
	uint64_t note; /* the site's own, handed to on_end */
};

struct http_site {
	void *arg;
	/* Answer ask. An error other than 0 becomes a 500. */
	int (*on_ask)(void *arg, const struct http_ask *ask, struct http_answer *answer);
	/* An answer is over, whole or not: its status on the wire, and body bytes that went out. */
	void (*on_end)(void *arg, uint64_t note, int status, uint64_t bytes);
	/* What is to happen to a new connection (FAULT_CONNECTION), or to the listener (FAULT_LISTENER)? */
	void (*on_plan)(void *arg, unsigned int kind, uint16_t port, double now, struct fault_plan *plan);
	/* A connection is over. */
	void (*on_close)(void *arg, uint64_t connection);
};

struct http_server;

/* loop and site are borrowed until http_free(). */
int http_new(
    struct http_server **out, struct ev_loop *loop, const struct http_site *site, unsigned int connections_max);
void http_free(struct http_server **server);

/*
 * Listen on "ADDRESS:PORT" (numeric; IPv6 in brackets), or on a descriptor
 * that somebody bound already (taken). url[size] gets "http://ADDRESS:PORT".
 * 0, PB_EFORMAT, PB_ENOMEM, PB_ESYS with errno set.
 */
int http_listen(struct http_server *server, const char *address, char *url, size_t size);
int http_listen_fd(struct http_server *server, int fd, char *url, size_t size);

/* Faults were changed: look at the listeners again. */
void http_review(struct http_server *server);

struct http_figures {
	uint64_t open;
	uint64_t open_max;
	uint64_t total;
	uint64_t refused; /* over connections_max */
};
void http_figures(const struct http_server *server, struct http_figures *out);

#endif
