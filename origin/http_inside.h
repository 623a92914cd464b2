/*
 * http_inside.h - what the parts of http.h share, and nobody else
 *
 *   http.c         connections, and what of a body goes out when
 *   http_listen.c  listeners, which may be closed on purpose
 *   http_answer.c  a request's answer: its head, and which bytes it has
 *
 * Blocking: never.
 */
#ifndef PLEXBRIDGE_ORIGIN_HTTP_INSIDE_H
#define PLEXBRIDGE_ORIGIN_HTTP_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <ev.h>

#include "base/request.h"
#include "origin/fault.h"
#include "origin/http.h"

#define HTTP_BLOCK (64 * 1024) /* of a pattern, which is repeated */
#define HTTP_REVIEW_S 0.02 /* while a listener is closed on purpose */

enum conn_state {
	CONN_HELD, /* accepted, not yet read: connect latency */
	CONN_READING, /* a head, or a request body to throw away */
	CONN_DELAYED, /* the answer is known, its first byte must wait */
	CONN_SENDING,
	CONN_PACED, /* nothing is due yet */
	CONN_STALLED, /* nothing will ever be, or not until the hold is over */
	CONN_NEXT, /* an answer is over, and the next request may be here already */
	CONN_LINGER, /* all is said, the peer may close */
};

struct listener {
	TAILQ_ENTRY(listener) next;
	struct http_server *server;
	int fd; /* -1 while closed on purpose */
	bool given; /* can't be bound again by us */
	struct sockaddr_storage at;
	socklen_t at_len;
	uint16_t port;
	struct ev_io accept;
};

struct conn {
	TAILQ_ENTRY(conn) next;
	struct http_server *server;
	uint64_t id;
	uint16_t port;
	int fd;
	enum conn_state state;
	struct ev_io reader;
	struct ev_io writer;
	struct ev_timer timer;
	bool eof; /* the peer will send no more */

	char in[REQUEST_HEAD_MAX];
	size_t in_len;
	uint64_t discard; /* bytes of a request body still to come */

	bool answering;
	struct http_answer answer;
	int status;
	bool keep;
	bool hold_done;
	char *head;
	size_t head_len;
	size_t head_at;
	const uint8_t *body; /* into answer.body, pattern, or a stream's segment */
	bool pattern; /* body is a block to repeat */
	uint64_t body_len; /* UINT64_MAX: no end */
	uint64_t body_at;
	uint64_t ticket; /* its place in the queue for a narrow way; 0: it has none */
	const uint8_t *due; /* a stream's bytes that wait for the socket */
	size_t due_len;
	double body_since;
};

struct http_server {
	struct ev_loop *loop;
	const struct http_site *site;
	unsigned int connections_max;
	TAILQ_HEAD(, listener) listeners;
	TAILQ_HEAD(, conn) conns;
	struct ev_timer review;
	struct ev_timer pause; /* no descriptors left: accept later */
	struct http_figures figures;
	double way_free[FAULTS_MAX]; /* loop time at which a narrow way takes more */
	uint64_t tickets; /* ever */
};

/*
 * http.c
 */

/* Somebody connects: for a listener's watcher. */
void http_on_accept(struct ev_loop *loop, struct ev_io *w, int revents);

void conn_free(struct conn *conn);

/* The one place where watchers are started and stopped. timeout_s 0: no timer. */
void conn_set_state(struct conn *conn, enum conn_state to, double timeout_s);

/* The answer's head is there: send, unless something is to wait. May free conn. */
void conn_begin(struct conn *conn);

/* The answer is over or given up: what it had is freed, and the site is told. */
void conn_end_answer(struct conn *conn);

/*
 * http_listen.c
 */

/* For struct http_server's timer. */
void http_on_review(struct ev_loop *loop, struct ev_timer *w, int revents);

/*
 * http_answer.c
 */

/* Once, before the first answer. */
void http_patterns_init(void);

/* Answer the request whose head stands in conn->in. May free conn. */
void conn_answer(struct conn *conn, const struct request *request);

/* A request that can't be understood ends its connection. May free conn. */
void conn_refuse(struct conn *conn, int status);

#endif
