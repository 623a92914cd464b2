/*
 * http.c - how the promise in http.h is kept
 *
 * A head is not collected in memory of ours: it is looked at where it lies,
 * in the socket's receive queue, and read when it is whole. So thousands of
 * connections that send a byte a second cost a small struct each. To be
 * woken only by news and not by what was seen already, SO_RCVLOWAT is
 * raised past it. Unix sockets know no such thing in poll(2), nor may
 * everything else that could be behind the descriptor; whoever is woken
 * without news looks away for PAUSE_MS.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/http.h"
#include "supervisor/text.h"

#define PAUSE_MS 20
#define WRITE_TURN ((size_t)4 << 20) /* bytes of all answers in one turn of the loop: a few milliseconds of copying */
#define WRITE_BATCH ((size_t)256 << 10) /* of one answer, however few there are */
#define WRITE_LEAST ((size_t)4 << 10) /* of one answer, however many there are */
#define LINES_PER_S 8 /* of the log, about refused requests */

enum state { WAITING, ANSWERING, LINGERING, STATES };

struct http_conn {
	TAILQ_ENTRY(http_conn) link; /* in the queue of its state, oldest first */
	struct http_server *server;
	ev_io io;
	ev_timer timer;
	ev_tstamp left_s; /* waiting, looked away: what is left of its time after that */
	enum state state;
	struct addr peer;
	size_t seen; /* bytes looked at, written, or drained, by state */
	struct blob *head; /* answering */
	struct blob *body; /* answering; may be NULL */
	int file; /* answering: behind the head; -1: none */
	off_t file_at;
	size_t file_left;
	bool head_only; /* the request was a HEAD */
	bool lowat; /* SO_RCVLOWAT was raised */
};

TAILQ_HEAD(conns, http_conn);

struct http_server {
	struct ev_loop *loop;
	struct http_options options;
	const struct config_allow *allow;
	void (*handler)(void *arg, struct http_conn *conn, const struct request *req);
	void *arg;
	struct conns queue[STATES];
	size_t count[STATES];
	struct http_stats stats;
	struct http_conn *asked; /* the handler has it and did not decide yet */
	struct request req; /* of asked */
	time_t date_s; /* what date says */
	char date[HTTP_DATE];
	struct log_bound refusals;
	char scratch[REQUEST_HEAD_MAX + 1]; /* one more than a head, to see what comes behind it */
};

static struct http_conn *conn_new(struct http_server *server, int fd, const struct addr *peer);
static void conn_free(struct http_conn *conn);
static void conn_close(struct http_conn *conn);
static void conn_enter(struct http_conn *conn, enum state state, int events, uint32_t ms);
static void conn_refuse(struct http_conn *conn, int status, const char *why);
static void conn_answer(struct http_conn *conn, int status, const char *type, const char *extra, struct blob *body);
static void conn_send(struct http_conn *conn, struct blob *head, struct blob *body);
static void conn_look(struct http_conn *conn);
static void conn_write(struct http_conn *conn);
static void conn_linger(struct http_conn *conn);
static void conn_drain(struct http_conn *conn);
static void on_io(struct ev_loop *loop, ev_io *io, int events);
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events);

int
http_new(struct http_server **out, struct ev_loop *loop, const struct http_options *options,
    void (*handler)(void *arg, struct http_conn *conn, const struct request *req), void *arg)
{
	struct http_server *server;
	struct http_options *o;
	struct rlimit files;

	server = calloc(1, sizeof(*server));
	if (server == NULL)
		return PB_ENOMEM;
	server->loop = loop;
	server->options = *options;
	server->handler = handler;
	server->arg = arg;
	server->date_s = -1;
	for (int i = 0; i < STATES; i++)
		TAILQ_INIT(&server->queue[i]);

	o = &server->options;
	if (o->conns_max == 0)
		o->conns_max = HTTP_CONNS_MAX;
	if (o->heads_max == 0)
		o->heads_max = HTTP_HEADS_MAX;
	if (o->head_ms == 0)
		o->head_ms = HTTP_HEAD_MS;
	if (o->write_ms == 0)
		o->write_ms = HTTP_WRITE_MS;
	if (o->linger_ms == 0)
		o->linger_ms = HTTP_LINGER_MS;
	/* Those who only connect must leave descriptors for those who watch. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
		o->conns_max = PB_MIN(o->conns_max, PB_MAX((size_t)files.rlim_cur / 2, (size_t)2));
	o->heads_max = PB_MAX(PB_MIN(o->heads_max, o->conns_max / 2), (size_t)1);
	*out = server;
	return 0;
}

void
http_allow(struct http_server *server, const struct config_allow *allow)
{
	server->allow = allow;
}

void
http_accepted(void *arg, int fd, const struct addr *peer)
{
	struct http_server *server = arg;
	const struct http_options *o = &server->options;
	struct http_conn *conn;
	struct http_conn *oldest;

	server->stats.accepted++;
	if (server->stats.open >= o->conns_max) {
		oldest = TAILQ_FIRST(&server->queue[LINGERING]);
		if (oldest == NULL && (oldest = TAILQ_FIRST(&server->queue[WAITING])) != NULL) {
			conn_refuse(oldest, 408, "too many connections");
			oldest = TAILQ_FIRST(&server->queue[LINGERING]);
		}
		if (oldest != NULL)
			conn_free(oldest);
	}
	conn = server->stats.open >= o->conns_max ? NULL : conn_new(server, fd, peer);
	if (conn == NULL) {
		server->stats.dropped++;
		(void)close(fd);
		return;
	}
	if (server->allow != NULL && !config_allows(server->allow, &peer->sa.any)) {
		conn_refuse(conn, 403, "not among the allowed addresses");
		return;
	}
	if (server->count[WAITING] > o->heads_max)
		conn_refuse(TAILQ_FIRST(&server->queue[WAITING]), 408, "too many wait for a request");
}

void
http_reply(struct http_conn *conn, int status, const char *type, const char *extra, const void *body, size_t len)
{
	http_reply_blob(conn, status, type, extra, blob_new(body, len));
}

void
http_reply_blob(struct http_conn *conn, int status, const char *type, const char *extra, struct blob *blob)
{
	pb_assert(conn->server->asked == conn);
	conn->server->asked = NULL;
	conn->server->stats.answered++;
	if (blob == NULL)
		conn_answer(conn, 503, NULL, NULL, NULL);
	else
		conn_answer(conn, status, type, extra, blob);
}

void
http_reply_file(struct http_conn *conn, int status, const char *type, const char *extra, int fd, size_t len)
{
	pb_assert(conn->server->asked == conn);
	conn->server->asked = NULL;
	conn->server->stats.answered++;
	conn->file = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (conn->file == -1) {
		conn_answer(conn, 503, NULL, NULL, NULL);
		return;
	}
	conn->file_left = len;
	conn_answer(conn, status, type, extra, NULL);
}

bool
http_field(const struct http_conn *conn, const char *name, char *out, size_t size)
{
	const struct http_server *server = conn->server;

	pb_assert(server->asked == conn);
	return request_field(server->scratch, server->req.head_len, name, out, size);
}

void
http_reply_head(struct http_conn *conn, const char *head, size_t len)
{
	pb_assert(conn->server->asked == conn);
	conn->server->asked = NULL;
	conn->server->stats.answered++;
	conn_send(conn, blob_new(head, len), NULL);
}

void
http_take(struct http_conn *conn, struct http_taken *out)
{
	struct http_server *server = conn->server;
	int on = 1;

	pb_assert(server->asked == conn);
	server->asked = NULL;
	server->stats.taken++;
	out->fd = conn->io.fd;
	out->head_len = server->req.head_len;
	out->peer = conn->peer;
	http_local(conn, &out->local);
	if (conn->lowat)
		(void)setsockopt(out->fd, SOL_SOCKET, SO_RCVLOWAT, &on, sizeof(on));
	/* A stream's head and its first bytes are two writes; Nagle would hold the second back. */
	if (conn->peer.sa.any.sa_family == AF_INET || conn->peer.sa.any.sa_family == AF_INET6)
		(void)setsockopt(out->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* libev must forget the descriptor while it still has its number. */
	ev_io_stop(server->loop, &conn->io);
	conn->io.fd = -1;
	conn_free(conn);
}

void
http_consume(struct http_taken *taken)
{
	char bytes[1024];

	/* It is all in the queue; if the connection broke meanwhile, whoever writes to it will see. */
	while (taken->head_len > 0) {
		ssize_t n = recv(taken->fd, bytes, PB_MIN(taken->head_len, sizeof(bytes)), MSG_DONTWAIT);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		taken->head_len -= (size_t)n;
	}
}

/* Takes body. */
static void
bring_back(struct http_server *server, struct http_taken *taken, int status, const char *type, const char *extra,
    struct blob *body)
{
	struct http_conn *conn = conn_new(server, taken->fd, &taken->peer);

	if (conn == NULL) {
		server->stats.dropped++;
		(void)shutdown(taken->fd, SHUT_RDWR);
		(void)close(taken->fd);
		blob_drop(&body);
	} else {
		conn_answer(conn, status, type, extra, body);
	}
	taken->fd = -1;
}

void
http_return(struct http_server *server, struct http_taken *taken, int status, const char *extra)
{
	bring_back(server, taken, status, NULL, extra, NULL);
}

void
http_return_blob(struct http_server *server, struct http_taken *taken, int status, const char *type, struct blob *blob)
{
	if (blob == NULL)
		bring_back(server, taken, 503, NULL, NULL, NULL);
	else
		bring_back(server, taken, status, type, NULL, blob);
}

void
http_pause(struct http_server *server, bool paused)
{
	struct http_conn *conn, *next;

	/* Entering a state puts a connection at the end of its queue: each is met once. */
	conn = TAILQ_FIRST(&server->queue[WAITING]);
	for (size_t left = server->count[WAITING]; left > 0; left--, conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (!paused) {
			conn_enter(conn, WAITING, EV_READ, server->options.head_ms);
			continue;
		}
		ev_io_stop(server->loop, &conn->io);
		ev_timer_stop(server->loop, &conn->timer);
	}
}

int
http_each_waiting(struct http_server *server, int (*fn)(void *user, int fd), void *user)
{
	struct http_conn *conn;
	int err = 0;

	TAILQ_FOREACH(conn, &server->queue[WAITING], link)
	if ((err = fn(user, conn->io.fd)) != 0)
		break;
	return err;
}

size_t
http_answering(const struct http_server *server)
{
	return server->count[ANSWERING];
}

void
http_adopt(struct http_server *server, int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage all;
	} sa;
	socklen_t len = sizeof(sa);
	struct addr peer;
	int one = 1;

	if (getpeername(fd, &sa.any, &len) == -1)
		addr_set(&peer, NULL, 0); /* it is gone, and will be found so */
	else
		addr_set(&peer, &sa.any, len);
	/* What the other one had seen is news to us. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	http_accepted(server, fd, &peer);
}

const struct addr *
http_peer(const struct http_conn *conn)
{
	return &conn->peer;
}

void
http_local(const struct http_conn *conn, struct addr *out)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage all;
	} sa;
	socklen_t len = sizeof(sa);

	if (getsockname(conn->io.fd, &sa.any, &len) == -1)
		addr_set(out, NULL, 0);
	else
		addr_set(out, &sa.any, len);
}

void
http_stats(const struct http_server *server, struct http_stats *out)
{
	*out = server->stats;
	out->waiting = server->count[WAITING];
	out->lingering = server->count[LINGERING];
}

void
http_free(struct http_server **server)
{
	struct http_server *s = *server;
	int saved = errno;

	*server = NULL;
	if (s == NULL)
		return;
	pb_assert(s->asked == NULL);
	for (int i = 0; i < STATES; i++) {
		struct http_conn *conn;

		while ((conn = TAILQ_FIRST(&s->queue[i])) != NULL)
			conn_free(conn);
	}
	free(s);
	errno = saved;
}

char *
http_date(char out[HTTP_DATE], time_t when)
{
	/* Not strftime(): these names are English in every locale. */
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
		"Dec" };
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || tm.tm_year > 9999 - 1900 || tm.tm_year < -900) {
		when = 0;
		(void)gmtime_r(&when, &tm);
	}
	(void)snprintf(out, HTTP_DATE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday % 7], tm.tm_mday % 100,
	    months[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
	return out;
}

const char *
http_reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 202:
		return "Accepted";
	case 204:
		return "No Content";
	case 302:
		return "Found";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 409:
		return "Conflict";
	case 411:
		return "Length Required";
	case 413:
		return "Content Too Large";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	case 501:
		return "Not Implemented";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	}
	return status < 400 ? "OK" : "Error";
}

static struct http_conn *
conn_new(struct http_server *server, int fd, const struct addr *peer)
{
	struct http_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return NULL;
	conn->server = server;
	conn->peer = *peer;
	ev_io_init(&conn->io, on_io, fd, EV_READ);
	conn->io.data = conn;
	ev_timer_init(&conn->timer, on_timer, 0., 0.);
	conn->timer.data = conn;
	conn->file = -1;
	conn->state = WAITING;
	TAILQ_INSERT_TAIL(&server->queue[WAITING], conn, link);
	server->count[WAITING]++;
	server->stats.open++;
	conn_enter(conn, WAITING, EV_READ, server->options.head_ms);
	return conn;
}

/* End it. Its descriptor is closed, unless somebody took it (-1). */
static void
conn_free(struct http_conn *conn)
{
	struct http_server *server = conn->server;

	if (conn->io.fd != -1)
		ev_io_stop(server->loop, &conn->io);
	ev_timer_stop(server->loop, &conn->timer);
	TAILQ_REMOVE(&server->queue[conn->state], conn, link);
	server->count[conn->state]--;
	server->stats.open--;
	blob_drop(&conn->head);
	blob_drop(&conn->body);
	if (conn->file != -1)
		(void)close(conn->file);
	if (conn->io.fd != -1)
		(void)close(conn->io.fd);
	free(conn);
}

/* End it although something was still to be sent: what the client did not take must not stay in the kernel. */
static void
conn_close(struct http_conn *conn)
{
	struct linger now = { 1, 0 };

	conn->server->stats.dropped++;
	(void)setsockopt(conn->io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	conn_free(conn);
}

/* The one place where a connection's state changes. */
static void
conn_enter(struct http_conn *conn, enum state state, int events, uint32_t ms)
{
	struct http_server *server = conn->server;

	TAILQ_REMOVE(&server->queue[conn->state], conn, link);
	server->count[conn->state]--;
	conn->state = state;
	TAILQ_INSERT_TAIL(&server->queue[state], conn, link);
	server->count[state]++;

	conn->seen = 0;
	conn->left_s = 0.;
	ev_timer_stop(server->loop, &conn->timer);
	ev_timer_set(&conn->timer, ms / 1e3, 0.);
	ev_timer_start(server->loop, &conn->timer);
	ev_io_stop(server->loop, &conn->io);
	ev_io_set(&conn->io, conn->io.fd, events);
	ev_io_start(server->loop, &conn->io);
}

/* Say it in the log, but let nobody fill the disk with it. */
static void
log_refused(struct http_server *server, const struct addr *peer, int status, const char *why)
{
	char text[ADDR_TEXT];

	if (!log_may(&server->refusals, LINES_PER_S))
		return;
	log_event(LOG_INFO, "http.refuse", "port=%s peer=%s status=%d unsaid=%u why=\"%s\"", server->options.name,
	    addr_text(peer, text), status, server->refusals.missed, why);
	server->refusals.missed = 0;
}

/* An answer that the handler did not give. */
static void
conn_refuse(struct http_conn *conn, int status, const char *why)
{
	struct http_stats *stats = &conn->server->stats;

	if (status == 403)
		stats->refused++;
	else if (status == 408)
		stats->late++;
	else
		stats->malformed++;
	log_refused(conn->server, &conn->peer, status, why);
	conn_answer(conn, status, NULL, NULL, NULL);
}

static const char *
date_now(struct http_server *server)
{
	time_t now = (time_t)ev_now(server->loop);

	if (now != server->date_s) {
		http_date(server->date, now);
		server->date_s = now;
	}
	return server->date;
}

/* Takes body, which may be NULL: an empty one. */
static void
conn_answer(struct http_conn *conn, int status, const char *type, const char *extra, struct blob *body)
{
	struct http_server *server = conn->server;
	struct text head = { 0 };

	text_addf(&head, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
	if (server->options.tuner)
		text_add(&head, "Server: HDHomeRun/1.0\r\n");
	text_addf(&head, "Connection: close\r\nDate: %s\r\n", date_now(server));
	if (type != NULL) {
		text_add(&head, "Content-Type: ");
		text_add(&head, type);
		text_add(&head, "\r\n");
	}
	if (status != 304) /* it would have to be that of the body that isn't sent (RFC 9110 8.6) */
		text_addf(&head, "Content-Length: %zu\r\n", body == NULL ? conn->file_left : body->len);
	text_add(&head, "Cache-Control: no-cache\r\n");
	if (server->options.tuner)
		text_add(&head, "Access-Control-Allow-Origin: *\r\n");
	if (extra != NULL)
		text_add(&head, extra);
	text_add(&head, "\r\n");
	if (conn->head_only) {
		blob_drop(&body);
		conn->file_left = 0;
	}
	conn_send(conn, text_blob(&head), body);
}

/* Takes both. head NULL: there was no memory for it. */
static void
conn_send(struct http_conn *conn, struct blob *head, struct blob *body)
{
	conn->head = head;
	conn->body = body;
	if (head == NULL) {
		conn_close(conn);
		return;
	}
	if (conn->lowat) {
		int one = 1;

		(void)setsockopt(conn->io.fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
		conn->lowat = false;
	}
	conn_enter(conn, ANSWERING, EV_WRITE, conn->server->options.write_ms);
	conn_write(conn);
}

static void
on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct http_conn *conn = io->data;

	(void)loop;
	(void)events;
	switch (conn->state) {
	case WAITING:
		conn_look(conn);
		break;
	case ANSWERING:
		conn_write(conn);
		break;
	case LINGERING:
		conn_drain(conn);
		break;
	case STATES:
		break;
	}
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct http_conn *conn = timer->data;

	(void)events;
	if (conn->state == WAITING && !ev_is_active(&conn->io) && conn->left_s > 0.) {
		/* It looked away for a moment. */
		ev_timer_set(&conn->timer, conn->left_s, 0.);
		ev_timer_start(loop, &conn->timer);
		ev_io_start(loop, &conn->io);
	} else if (conn->state == WAITING) {
		conn_refuse(conn, 408, conn->seen == 0 ? "no request in time" : "request not whole in time");
	} else if (conn->state == ANSWERING) {
		conn_close(conn);
	} else {
		conn_free(conn);
	}
}

/* Woken, but there is no more than before: the end of what comes, or a socket that knows no low-water mark. */
static void
conn_no_news(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	struct pollfd hup = { .fd = conn->io.fd, .events = POLLRDHUP };
	ev_tstamp left_s;
	ev_tstamp pause_s;

	if (poll(&hup, 1, 0) == 1 && (hup.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0) {
		conn_refuse(conn, 400, "ended in the middle of a request");
		return;
	}
	/* By the timer's own clock: the wall's may be set meanwhile. */
	left_s = PB_MAX(ev_timer_remaining(server->loop, &conn->timer), 0.);
	pause_s = PB_MIN(PAUSE_MS / 1e3, left_s);
	conn->left_s = left_s - pause_s;
	ev_io_stop(server->loop, &conn->io);
	ev_timer_stop(server->loop, &conn->timer);
	ev_timer_set(&conn->timer, pause_s, 0.);
	ev_timer_start(server->loop, &conn->timer);
}

/* NULL when this request may be asked; else *status and the reason. len is all that has come so far. */
static const char *
refusal(const struct request *req, size_t len, int *status)
{
	*status = 400;
	if (req->method == REQUEST_GET || req->method == REQUEST_HEAD) {
		if (req->body_len > 0 || req->chunked)
			return "body in a request that has none";
		if (len > req->head_len)
			return "bytes after the request";
	}
	if (req->chunked) {
		*status = 411;
		return "body without a length";
	}
	if (req->body_len > HTTP_DRAIN_MAX) {
		*status = 413;
		return "body too long";
	}
	return NULL;
}

/* Is the head whole? */
static void
conn_look(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	const char *why;
	ssize_t n;
	int status;
	int err;

	n = recv(conn->io.fd, server->scratch, sizeof(server->scratch), MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_free(conn); /* came and went */
		return;
	}
	err = request_parse(&server->req, server->scratch, (size_t)n, &status);
	if (err == PB_AGAIN) {
		int more = (int)n + 1;

		if ((size_t)n <= conn->seen) {
			conn_no_news(conn);
			return;
		}
		conn->seen = (size_t)n;
		if (setsockopt(conn->io.fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more)) == 0)
			conn->lowat = true;
		return;
	}
	if (err != 0) {
		conn_refuse(conn, status, "malformed or too long");
		return;
	}
	why = refusal(&server->req, (size_t)n, &status);
	if (why != NULL) {
		conn_refuse(conn, status, why);
		return;
	}
	conn->head_only = server->req.method == REQUEST_HEAD;
	server->asked = conn;
	server->handler(server->arg, conn, &server->req);
	pb_assert(server->asked == NULL); /* every handler answers or takes */
}

/* What one answer may write in this turn: all who are being answered could be ready for theirs. */
static size_t
write_share(const struct http_server *server)
{
	return PB_MAX(PB_MIN(WRITE_TURN / PB_MAX(server->count[ANSWERING], (size_t)1), WRITE_BATCH), WRITE_LEAST);
}

/* The head is out: the file, as far as this turn goes. */
static void
conn_write_file(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	/* By an offset of our own: the descriptor, and where it stands, is shared with all who get the same file. */
	ssize_t n = sendfile(conn->io.fd, conn->file, &conn->file_at, PB_MIN(conn->file_left, write_share(server)));

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* the client is gone, or the file is shorter than it was said to be */
		conn_close(conn);
		return;
	}
	conn->file_left -= (size_t)n;
	if (conn->file_left == 0) {
		conn_linger(conn);
		return;
	}
	ev_timer_stop(server->loop, &conn->timer);
	ev_timer_set(&conn->timer, server->options.write_ms / 1e3, 0.);
	ev_timer_start(server->loop, &conn->timer);
}

static void
conn_write(struct http_conn *conn)
{
	struct blob *parts[2] = { conn->head, conn->body };
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov };
	size_t skip = conn->seen;
	size_t room = write_share(conn->server);
	size_t left = 0;
	ssize_t n;

	for (size_t i = 0; i < NITEMS(parts); i++) {
		size_t len = parts[i] == NULL ? 0 : parts[i]->len;
		size_t skipped = PB_MIN(skip, len);
		size_t now = PB_MIN(len - skipped, room);

		skip -= skipped;
		left += len - skipped;
		if (now == 0)
			continue;
		iov[msg.msg_iovlen].iov_base = parts[i]->data + skipped;
		iov[msg.msg_iovlen].iov_len = now;
		msg.msg_iovlen++;
		room -= now;
	}
	if (left == 0 && conn->file_left > 0) {
		conn_write_file(conn);
		return;
	}
	n = sendmsg(conn->io.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT | (conn->file_left > 0 ? MSG_MORE : 0));
	if (n == -1) {
		if (errno != EAGAIN && errno != EINTR)
			conn_free(conn); /* the client is gone */
		return;
	}
	conn->seen += (size_t)n;
	if ((size_t)n == left && conn->file_left == 0)
		conn_linger(conn);
}

/* All is written. Tell the client so, and wait until it has closed as well (RFC 9112 9.6). */
static void
conn_linger(struct http_conn *conn)
{
	blob_drop(&conn->head);
	blob_drop(&conn->body);
	if (shutdown(conn->io.fd, SHUT_WR) == -1) {
		conn_free(conn);
		return;
	}
	conn_enter(conn, LINGERING, EV_READ, conn->server->options.linger_ms);
	conn_drain(conn);
}

/* Read and drop: at first the request itself, which has only been looked at so far. */
static void
conn_drain(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	ssize_t n = recv(conn->io.fd, server->scratch, sizeof(server->scratch), MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		conn->seen += (size_t)n;
		if (conn->seen <= HTTP_DRAIN_MAX + REQUEST_HEAD_MAX)
			return;
	}
	conn_free(conn);
}
