/*
 * http.c - connections and listeners
 *
 * A connection is in one state at a time, and conn_turn() is what each
 * state does next; every callback ends there. A timer has one meaning, that
 * of the state. Bodies are in memory, or made as they are sent (a stream by
 * the clock, a pattern without an end), and one function says how many of
 * their bytes may go out now: there all faults of a body come together.
 */
#include "origin/http.h"

#include <arpa/inet.h>
#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pb.h"

#define BACKLOG 1024
#define ACCEPTS_A_TURN 64
#define BYTES_A_TURN (256 * 1024)
#define BLOCK (64 * 1024)
#define STREAM_TICK_S 0.04
#define DRIP_TICK_S 0.05
#define WAY_PIECE_S 0.02 /* of a narrow way's time goes to one answer at once, */
#define WAY_LATE_S 0.1 /* and so late it may be: then more goes out */
#define WAY_TICK_S 0.005
#define LINGER_S 2.0 /* after our FIN: time for the peer to read and to close */
#define REVIEW_S 0.02 /* while a listener is closed on purpose */
#define NO_DESCRIPTORS_S 0.1

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

static void on_accept(struct ev_loop *loop, struct ev_io *w, int revents);
static void on_readable(struct ev_loop *loop, struct ev_io *w, int revents);
static void on_writable(struct ev_loop *loop, struct ev_io *w, int revents);
static void on_timer(struct ev_loop *loop, struct ev_timer *w, int revents);
static void on_review(struct ev_loop *loop, struct ev_timer *w, int revents);
static void on_pause_over(struct ev_loop *loop, struct ev_timer *w, int revents);
static void conn_free(struct conn *conn);
static void conn_set_state(struct conn *conn, enum conn_state to, double timeout_s);
static void conn_hear(struct conn *conn);
static void conn_answer(struct conn *conn, const struct request *request);
static void conn_refuse(struct conn *conn, int status);
static void conn_begin(struct conn *conn);
static void conn_send(struct conn *conn);
static void conn_end_answer(struct conn *conn);

static uint8_t pattern_noise[BLOCK];
static uint8_t pattern_lines[BLOCK];

static void
patterns_init(void)
{
	static const char line[] = "#EXTINF:2.00000,\nseg/0.ts\n";

	for (size_t i = 0; i < BLOCK; i++) {
		pattern_lines[i] = (uint8_t)line[i % (sizeof(line) - 1)];
		/* Noise that is no TS, no text, no gzip. */
		pattern_noise[i] = (uint8_t)(i * 2654435761u >> 13 | 0x80);
	}
}

int
http_new(struct http_server **out, struct ev_loop *loop, const struct http_site *site, unsigned int connections_max)
{
	struct http_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return PB_ENOMEM;
	patterns_init();
	server->loop = loop;
	server->site = site;
	server->connections_max = connections_max;
	TAILQ_INIT(&server->listeners);
	TAILQ_INIT(&server->conns);
	ev_timer_init(&server->review, on_review, REVIEW_S, REVIEW_S);
	server->review.data = server;
	ev_timer_init(&server->pause, on_pause_over, NO_DESCRIPTORS_S, 0);
	server->pause.data = server;
	*out = server;
	return 0;
}

void
http_free(struct http_server **out)
{
	struct http_server *server = *out;
	struct listener *listener;
	struct conn *conn;

	*out = NULL;
	if (server == NULL)
		return;
	while ((conn = TAILQ_FIRST(&server->conns)) != NULL)
		conn_free(conn);
	while ((listener = TAILQ_FIRST(&server->listeners)) != NULL) {
		TAILQ_REMOVE(&server->listeners, listener, next);
		ev_io_stop(server->loop, &listener->accept);
		if (listener->fd != -1)
			close(listener->fd);
		free(listener);
	}
	ev_timer_stop(server->loop, &server->review);
	ev_timer_stop(server->loop, &server->pause);
	free(server);
}

void
http_figures(const struct http_server *server, struct http_figures *out)
{
	*out = server->figures;
}

/* "127.0.0.1:80", "[::1]:80" */
static int
parse_address(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	const char *bad;
	long long port;
	size_t n;

	if (colon == NULL)
		return PB_EFORMAT;
	n = (size_t)(colon - text);
	port = strtonum(colon + 1, 0, 65535, &bad);
	if (bad != NULL || n >= sizeof(host))
		return PB_EFORMAT;
	memcpy(host, text, n);
	host[n] = '\0';
	memset(out, 0, sizeof(*out));
	if (host[0] == '[' && n > 2 && host[n - 1] == ']') {
		host[n - 1] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		*len = sizeof(*in6);
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? 0 : PB_EFORMAT;
	}
	in4->sin_family = AF_INET;
	in4->sin_port = htons((uint16_t)port);
	*len = sizeof(*in4);
	return inet_pton(AF_INET, host, &in4->sin_addr) == 1 ? 0 : PB_EFORMAT;
}

static int
listener_open(struct listener *listener)
{
	int one = 1;
	int keep;

	listener->fd = socket(listener->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd == -1)
		return PB_ESYS;
	/* The port of an origin that was just stopped is ours to take. */
	setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener->fd, (struct sockaddr *)&listener->at, listener->at_len) == 0 &&
	    listen(listener->fd, BACKLOG) == 0)
		return 0;
	keep = errno;
	close(listener->fd);
	listener->fd = -1;
	errno = keep;
	return PB_ESYS;
}

static void
listener_watch(struct listener *listener)
{
	ev_io_init(&listener->accept, on_accept, listener->fd, EV_READ);
	listener->accept.data = listener;
	ev_io_start(listener->server->loop, &listener->accept);
}

/* Find out where it listens, tell, and begin. */
static int
listener_begin(struct listener *listener, char *url, size_t size)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&listener->at;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&listener->at;
	char host[INET6_ADDRSTRLEN];

	listener->at_len = sizeof(listener->at);
	if (getsockname(listener->fd, (struct sockaddr *)&listener->at, &listener->at_len) == -1)
		return PB_ESYS;
	switch (listener->at.ss_family) {
	case AF_INET:
		listener->port = ntohs(in4->sin_port);
		inet_ntop(AF_INET, &in4->sin_addr, host, sizeof(host));
		snprintf(url, size, "http://%s:%u", host, listener->port);
		break;
	case AF_INET6:
		listener->port = ntohs(in6->sin6_port);
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(url, size, "http://[%s]:%u", host, listener->port);
		break;
	default:
		snprintf(url, size, "unix");
	}
	TAILQ_INSERT_TAIL(&listener->server->listeners, listener, next);
	listener_watch(listener);
	return 0;
}

int
http_listen(struct http_server *server, const char *address, char *url, size_t size)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int err = PB_ENOMEM;

	if (listener == NULL)
		return PB_ENOMEM;
	listener->server = server;
	listener->fd = -1;
	err = parse_address(address, &listener->at, &listener->at_len);
	if (err == 0)
		err = listener_open(listener);
	if (err == 0)
		err = listener_begin(listener, url, size);
	if (err != 0) {
		int keep = errno;

		if (listener->fd != -1)
			close(listener->fd);
		free(listener);
		errno = keep;
	}
	return err;
}

int
http_listen_fd(struct http_server *server, int fd, char *url, size_t size)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int flags = fcntl(fd, F_GETFL);
	int listening = 0;
	socklen_t len = sizeof(listening);

	if (listener == NULL)
		return PB_ENOMEM;
	listener->server = server;
	listener->fd = fd;
	listener->given = true;
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == -1 ||
	    (!listening && listen(fd, BACKLOG) == -1) || listener_begin(listener, url, size) != 0) {
		free(listener);
		return PB_ESYS;
	}
	return 0;
}

void
http_review(struct http_server *server)
{
	struct listener *listener;
	bool again = false;

	TAILQ_FOREACH(listener, &server->listeners, next)
	{
		struct fault_plan plan;

		if (listener->given)
			continue;
		server->site->on_plan(server->site->arg, FAULT_LISTENER, listener->port, ev_now(server->loop), &plan);
		if (plan.close_listener && listener->fd != -1) {
			ev_io_stop(server->loop, &listener->accept);
			close(listener->fd);
			listener->fd = -1;
		}
		/* A port that somebody else took meanwhile is tried again at the next look. */
		if (!plan.close_listener && listener->fd == -1 && listener_open(listener) == 0)
			listener_watch(listener);
		again = again || listener->fd == -1;
	}
	if (again)
		ev_timer_again(server->loop, &server->review);
	else
		ev_timer_stop(server->loop, &server->review);
}

static void
on_review(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	http_review(w->data);
}

static void
on_pause_over(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct http_server *server = w->data;
	struct listener *listener;

	(void)revents;
	TAILQ_FOREACH(listener, &server->listeners, next)
	if (listener->fd != -1)
		ev_io_start(loop, &listener->accept);
}

/*
 * Connections whose clients have not ended them. One turn may bring the end
 * of one and the beginning of the next, and a client that has one at a time
 * must not be counted for two.
 */
static unsigned int
still_open(const struct http_server *server)
{
	const struct conn *conn;
	unsigned int n = 0;
	char byte;

	TAILQ_FOREACH(conn, &server->conns, next)
	{
		ssize_t got = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

		n += got > 0 || (got == -1 && (errno == EAGAIN || errno == EINTR));
	}
	return n;
}

static void
conn_new(struct listener *listener, int fd)
{
	struct http_server *server = listener->server;
	struct linger reset = { 1, 0 };
	struct fault_plan plan;
	struct conn *conn;
	int one = 1;

	server->figures.total++;
	server->site->on_plan(server->site->arg, FAULT_CONNECTION, listener->port, ev_now(server->loop), &plan);
	if (plan.refuse) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
		return;
	}
	conn = server->figures.open >= server->connections_max ? NULL : calloc(1, sizeof(*conn));
	if (conn == NULL) {
		server->figures.refused++;
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn->server = server;
	conn->id = server->figures.total;
	conn->port = listener->port;
	conn->fd = fd;
	ev_io_init(&conn->reader, on_readable, fd, EV_READ);
	ev_io_init(&conn->writer, on_writable, fd, EV_WRITE);
	ev_init(&conn->timer, on_timer);
	conn->reader.data = conn->writer.data = conn->timer.data = conn;
	TAILQ_INSERT_TAIL(&server->conns, conn, next);
	server->figures.open++;
	if (server->figures.open > server->figures.open_max)
		server->figures.open_max = PB_MAX(server->figures.open_max, still_open(server));
	if (plan.delay_ms > 0)
		conn_set_state(conn, CONN_HELD, plan.delay_ms / 1e3);
	else
		conn_set_state(conn, CONN_READING, HTTP_IDLE_S);
}

static void
on_accept(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct listener *listener = w->data;

	(void)revents;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd != -1) {
			conn_new(listener, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			struct listener *other;

			/* The backlog stays readable: do not spin on it. */
			TAILQ_FOREACH(other, &listener->server->listeners, next)
			ev_io_stop(loop, &other->accept);
			ev_timer_set(&listener->server->pause, NO_DESCRIPTORS_S, 0);
			ev_timer_start(loop, &listener->server->pause);
			return;
		}
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

static void
conn_free(struct conn *conn)
{
	struct http_server *server = conn->server;

	if (conn->answering)
		conn_end_answer(conn);
	ev_io_stop(server->loop, &conn->reader);
	ev_io_stop(server->loop, &conn->writer);
	ev_timer_stop(server->loop, &conn->timer);
	close(conn->fd);
	TAILQ_REMOVE(&server->conns, conn, next);
	server->figures.open--;
	server->site->on_close(server->site->arg, conn->id);
	free(conn);
}

/* The one place where watchers are started and stopped. timeout_s 0: no timer. */
static void
conn_set_state(struct conn *conn, enum conn_state to, double timeout_s)
{
	struct ev_loop *loop = conn->server->loop;

	conn->state = to;
	ev_timer_stop(loop, &conn->timer);
	if (timeout_s > 0) {
		ev_timer_set(&conn->timer, timeout_s, 0);
		ev_timer_start(loop, &conn->timer);
	}
	/* Read on while there is room: that is how the end of the peer is seen. */
	if (to != CONN_HELD && !conn->eof && (conn->in_len < sizeof(conn->in) || to == CONN_LINGER))
		ev_io_start(loop, &conn->reader);
	else
		ev_io_stop(loop, &conn->reader);
	if (to == CONN_SENDING)
		ev_io_start(loop, &conn->writer);
	else
		ev_io_stop(loop, &conn->writer);
}

static void
on_readable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct conn *conn = w->data;
	char junk[4096];
	bool junked = conn->state == CONN_LINGER;
	ssize_t n;

	(void)revents;
	if (!junked && conn->in_len == sizeof(conn->in)) {
		ev_io_stop(loop, w);
		return;
	}
	n = junked ? recv(conn->fd, junk, sizeof(junk), 0)
		   : recv(conn->fd, conn->in + conn->in_len, sizeof(conn->in) - conn->in_len, 0);
	if (n == -1) {
		if (errno != EAGAIN && errno != EINTR)
			conn_free(conn);
		return;
	}
	if (n == 0) {
		conn->eof = true;
		ev_io_stop(loop, w);
		/* A half-closed peer still gets a whole answer, but nothing is kept up for it. */
		if (conn->state != CONN_SENDING && conn->state != CONN_DELAYED && conn->state != CONN_NEXT)
			conn_free(conn);
		return;
	}
	if (junked)
		return;
	conn->in_len += (size_t)n;
	if (conn->state == CONN_READING)
		conn_hear(conn);
}

static void
on_writable(struct ev_loop *loop, struct ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	conn_send(w->data);
}

static void
on_timer(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct conn *conn = w->data;

	(void)loop;
	(void)revents;
	switch (conn->state) {
	case CONN_HELD:
		conn_set_state(conn, CONN_READING, HTTP_IDLE_S);
		break;
	case CONN_DELAYED:
		conn_begin(conn);
		break;
	case CONN_STALLED:
		conn->hold_done = true;
		conn_set_state(conn, CONN_SENDING, HTTP_IDLE_S);
		break;
	case CONN_PACED:
		conn_send(conn);
		break;
	case CONN_NEXT:
		conn_set_state(conn, CONN_READING, HTTP_IDLE_S);
		if (conn->in_len > 0)
			conn_hear(conn);
		else if (conn->eof)
			conn_free(conn);
		break;
	case CONN_READING:
	case CONN_SENDING:
	case CONN_LINGER:
		conn_free(conn);
		break;
	}
}

/* Throw away what is left of a request body, then look for the next head. */
static void
conn_hear(struct conn *conn)
{
	struct request request;
	size_t drop = (size_t)PB_MIN(conn->discard, conn->in_len);
	int status = 0;
	int err;

	conn->discard -= drop;
	conn->in_len -= drop;
	memmove(conn->in, conn->in + drop, conn->in_len);
	if (conn->discard > 0)
		return;
	err = request_parse(&request, conn->in, conn->in_len, &status);
	if (err == PB_AGAIN) {
		conn_set_state(conn, CONN_READING, HTTP_IDLE_S);
		return;
	}
	if (err != 0) {
		conn_refuse(conn, status);
		return;
	}
	if (request.chunked || request.body_len > HTTP_BODY_MAX) {
		conn_refuse(conn, request.chunked ? 400 : 413);
		return;
	}
	conn_answer(conn, &request);
}

static bool
wants_close(const char *head, size_t len, int minor)
{
	char value[64];

	if (!request_field(head, len, "Connection", value, sizeof(value)))
		return minor == 0;
	return strcasestr(value, "close") != NULL || (minor == 0 && strcasestr(value, "keep-alive") == NULL);
}

static const char *
reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 200, "OK" },
		{ 206, "Partial Content" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < NITEMS(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Status";
}

enum range { RANGE_NONE, RANGE_PART, RANGE_BEYOND };

/* One range of bytes (RFC 9110 14.1.2); several, or another unit, are as good as none. */
static enum range
parse_range(const char *value, uint64_t size, uint64_t *first, uint64_t *last)
{
	char *end;

	if (strncmp(value, "bytes=", 6) != 0 || strchr(value, ',') != NULL)
		return RANGE_NONE;
	value += 6;
	if (*value == '-') {
		uint64_t n;

		if (value[1] < '0' || value[1] > '9')
			return RANGE_NONE;
		n = strtoull(value + 1, &end, 10);
		if (*end != '\0')
			return RANGE_NONE;
		if (n == 0 || size == 0)
			return RANGE_BEYOND;
		*first = size - PB_MIN(n, size);
		*last = size - 1;
		return RANGE_PART;
	}
	if (*value < '0' || *value > '9')
		return RANGE_NONE;
	*first = strtoull(value, &end, 10);
	if (*end != '-')
		return RANGE_NONE;
	*last = size - 1;
	if (end[1] != '\0') {
		const char *to = end + 1;

		if (*to < '0' || *to > '9')
			return RANGE_NONE;
		*last = strtoull(to, &end, 10);
		if (*end != '\0' || *last < *first)
			return RANGE_NONE;
	}
	if (*first >= size)
		return RANGE_BEYOND;
	*last = PB_MIN(*last, size - 1);
	return RANGE_PART;
}

/* FNV-1a, for the ETag: equal bytes, equal tag, in every origin. */
static uint64_t
hash(const uint8_t *data, size_t len)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ data[i]) * 1099511628211u;
	return h;
}

static bool
put_body(struct http_answer *answer, const char *type, const void *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	if (copy == NULL)
		return false;
	memcpy(copy, data, len);
	free(answer->body);
	answer->body = copy;
	answer->len = len;
	answer->type = type;
	return true;
}

static bool
put_fields(struct http_answer *answer, char *fields)
{
	free(answer->fields);
	answer->fields = fields;
	return fields != NULL;
}

/* What the plan says about the answer as a whole, before there is a head. */
static bool
spoil(struct conn *conn, const struct request *request)
{
	static const char html[] = "<!DOCTYPE html>\n<html><head><title>Portal</title></head>"
				   "<body><h1>Please log in</h1></body></html>\n";
	struct http_answer *a = &conn->answer;
	const struct fault_plan *plan = &a->plan;
	char *fields = NULL;

	if (plan->body != FAULT_BODY_OWN || plan->status != 0 || plan->redirect_loop || plan->location_len > 0) {
		live_stream_free(&a->stream);
		a->ranges = false;
		a->status = plan->status != 0 ? plan->status : 200;
	}
	if (plan->status != 0 && plan->body == FAULT_BODY_OWN)
		a->len = 0;
	if (plan->redirect_loop) {
		a->status = 302;
		a->len = 0;
		if (asprintf(&fields, "Location: %s\r\n", request->path) == -1)
			fields = NULL;
		return put_fields(a, fields);
	}
	if (plan->location_len > 0) {
		static const char begin[] = "Location: /";

		a->status = 302;
		a->len = 0;
		fields = malloc(sizeof(begin) + plan->location_len + 2);
		if (fields == NULL)
			return false;
		memcpy(fields, begin, sizeof(begin) - 1);
		memset(fields + sizeof(begin) - 1, 'a', plan->location_len);
		memcpy(fields + sizeof(begin) - 1 + plan->location_len, "\r\n", 3);
		return put_fields(a, fields);
	}
	switch (plan->body) {
	case FAULT_BODY_OWN:
		break;
	case FAULT_BODY_HTML:
		return put_body(a, "text/html", html, sizeof(html) - 1);
	case FAULT_BODY_EMPTY:
		a->len = 0;
		break;
	case FAULT_BODY_BINARY:
	case FAULT_BODY_NOT_TS:
		return put_body(a, a->type, pattern_noise, 20 * 188);
	case FAULT_BODY_ENDLESS:
	case FAULT_BODY_HUGE:
		conn->pattern = true;
		break;
	case FAULT_BODY_KEY:
		return put_body(a, a->type, pattern_noise, PB_MIN(plan->body_len, (size_t)BLOCK));
	}
	if (plan->cut_at >= 0 && !conn->pattern)
		a->len = PB_MIN(a->len, (size_t)plan->cut_at);
	return true;
}

/* Which of the body's bytes are sent, and what the head says of them. Returns more header lines, or NULL. */
static char *
select_bytes(struct conn *conn, const struct request *request)
{
	struct http_answer *a = &conn->answer;
	char value[128];
	char tag[24];
	char *lines = NULL;
	uint64_t first = 0;
	uint64_t last = 0;
	enum range range = RANGE_NONE;
	uint64_t shown = a->len;

	conn->body = a->body;
	conn->body_len = a->len;
	if (conn->pattern) {
		conn->body = a->plan.body == FAULT_BODY_HUGE ? pattern_lines : pattern_noise;
		conn->body_len = a->plan.body == FAULT_BODY_HUGE ? a->plan.body_len : UINT64_MAX;
		return strdup("");
	}
	if (!a->ranges || a->status != 200)
		return strdup("");
	snprintf(tag, sizeof(tag), "\"%016" PRIx64 "\"", hash(a->body, a->len));
	if (request_field(conn->in, request->head_len, "If-None-Match", value, sizeof(value)) &&
	    strcmp(value, tag) == 0) {
		a->status = 304;
		conn->body_len = 0;
	} else if (!a->plan.range_ignored && request->method == REQUEST_GET &&
	    request_field(conn->in, request->head_len, "Range", value, sizeof(value))) {
		char condition[64];

		/* Another object's rest is worth nothing: whoever asks with an old tag gets all of it. */
		if (!request_field(conn->in, request->head_len, "If-Range", condition, sizeof(condition)) ||
		    strcmp(condition, tag) == 0)
			range = parse_range(value, a->len, &first, &last);
	}
	if (a->plan.range_other)
		shown += 1880;
	switch (range) {
	case RANGE_NONE:
		if (asprintf(&lines, "ETag: %s\r\nAccept-Ranges: bytes\r\n", tag) == -1)
			lines = NULL;
		break;
	case RANGE_PART:
		a->status = 206;
		conn->body += first;
		conn->body_len = last - first + 1;
		if (asprintf(&lines, "ETag: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", tag,
			first, last, shown) == -1)
			lines = NULL;
		break;
	case RANGE_BEYOND:
		a->status = 416;
		conn->body_len = 0;
		if (asprintf(&lines, "Content-Range: bytes */%zu\r\n", a->len) == -1)
			lines = NULL;
		break;
	}
	return lines;
}

static int
write_head(struct conn *conn, const struct request *request, const char *lines)
{
	const struct http_answer *a = &conn->answer;
	FILE *f = open_memstream(&conn->head, &conn->head_len);

	if (f == NULL)
		return PB_ENOMEM;
	fprintf(f, "HTTP/1.1 %d %s\r\nServer: plexbridge-origin\r\n", a->status, reason(a->status));
	if (a->type != NULL && conn->body_len > 0)
		fprintf(f, "Content-Type: %s\r\n", a->type);
	fprintf(f, "%sCache-Control: no-cache\r\n%s", lines, a->fields == NULL ? "" : a->fields);
	if (conn->body_len == UINT64_MAX)
		conn->keep = false; /* the end of the connection is the end of the body */
	else if (a->status != 304)
		fprintf(f, "Content-Length: %" PRId64 "\r\n",
		    PB_MAX((int64_t)0, (int64_t)conn->body_len + a->plan.length_delta));
	if (a->plan.length_delta != 0)
		conn->keep = false;
	fprintf(f, "Connection: %s\r\n\r\n", conn->keep ? "keep-alive" : "close");
	if (request->method == REQUEST_HEAD)
		conn->body_len = 0;
	return fclose(f) == 0 ? 0 : PB_ENOMEM;
}

static void
conn_answer(struct conn *conn, const struct request *request)
{
	struct http_server *server = conn->server;
	struct http_ask ask = { request, conn->in, conn->id, conn->port, ev_now(server->loop) };
	struct http_answer *a = &conn->answer;
	char *lines = NULL;
	int err;

	memset(a, 0, sizeof(*a));
	a->note = UINT64_MAX;
	a->plan.stall_at = a->plan.truncate_at = a->plan.cut_at = -1;
	conn->answering = true;
	conn->hold_done = false;
	conn->pattern = false;
	conn->body_at = 0;
	conn->head_at = 0;
	conn->due_len = 0;
	conn->keep = !wants_close(conn->in, request->head_len, request->minor) && !conn->eof;
	err = server->site->on_ask(server->site->arg, &ask, a);
	if (err == 0 && !spoil(conn, request))
		err = PB_ENOMEM;
	if (err == 0) {
		lines = select_bytes(conn, request);
		if (a->stream != NULL)
			conn->body_len = UINT64_MAX;
		err = lines == NULL ? PB_ENOMEM : write_head(conn, request, lines);
	}
	free(lines);
	if (err != 0) {
		conn_refuse(conn, 500);
		return;
	}
	conn->status = a->status;
	if (request->method == REQUEST_HEAD)
		live_stream_free(&a->stream);
	conn->discard = request->body_len;
	conn->in_len -= request->head_len;
	memmove(conn->in, conn->in + request->head_len, conn->in_len);
	if (a->plan.delay_ms > 0)
		conn_set_state(conn, CONN_DELAYED, a->plan.delay_ms / 1e3);
	else
		conn_begin(conn);
}

/* A request that can't be understood ends its connection. */
static void
conn_refuse(struct conn *conn, int status)
{
	if (conn->answering)
		conn_end_answer(conn);
	conn->keep = false;
	conn->in_len = 0;
	conn->body_len = 0;
	conn->body_at = 0;
	conn->head_at = 0;
	conn->status = status;
	conn->head_len = 0;
	if (asprintf(&conn->head, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status,
		reason(status)) == -1) {
		conn->head = NULL;
		conn_free(conn);
		return;
	}
	conn->head_len = strlen(conn->head);
	memset(&conn->answer, 0, sizeof(conn->answer));
	conn->answer.note = UINT64_MAX;
	conn->answer.plan.stall_at = conn->answer.plan.truncate_at = conn->answer.plan.cut_at = -1;
	conn->answering = true;
	conn_set_state(conn, CONN_SENDING, HTTP_IDLE_S);
}

static void
conn_begin(struct conn *conn)
{
	conn->body_since = ev_now(conn->server->loop);
	if (conn->answer.plan.stall_head && !conn->hold_done) {
		conn_set_state(conn, CONN_STALLED, conn->answer.plan.hold_ms / 1e3);
		return;
	}
	conn_set_state(conn, CONN_SENDING, HTTP_IDLE_S);
	conn_send(conn);
}

static void
conn_end_answer(struct conn *conn)
{
	struct http_answer *a = &conn->answer;

	conn->answering = false;
	conn->ticket = 0;
	if (a->note != UINT64_MAX)
		conn->server->site->on_end(conn->server->site->arg, a->note, conn->status, conn->body_at);
	live_stream_free(&a->stream);
	free(a->body);
	free(a->fields);
	free(conn->head);
	conn->head = NULL;
	memset(a, 0, sizeof(*a));
}

/* The answer is over. */
static void
conn_finish(struct conn *conn)
{
	struct ev_loop *loop = conn->server->loop;

	conn_end_answer(conn);
	if (!conn->keep) {
		shutdown(conn->fd, SHUT_WR);
		if (conn->eof) {
			conn_free(conn);
			return;
		}
		/* Closing with unread input would reset what is still on its way to the peer. */
		conn_set_state(conn, CONN_LINGER, LINGER_S);
		return;
	}
	/* A request that came early is heard in a turn of its own: others first. */
	conn_set_state(conn, CONN_NEXT, 0);
	ev_feed_event(loop, &conn->timer, EV_TIMER);
}

enum more { MORE_BYTES, MORE_LATER, MORE_STALL, MORE_END, MORE_CUT, MORE_ERROR };

/* May an answer use its narrow way now? They take turns, in the order in which they came to wait. */
static bool
way_is_free(struct conn *conn, double now)
{
	const struct fault_plan *plan = &conn->answer.plan;
	struct http_server *server = conn->server;
	const struct conn *other;
	bool mine = server->way_free[plan->narrow_way] <= now;

	TAILQ_FOREACH(other, &server->conns, next)
	mine = mine &&
	    !(other->ticket != 0 && other->answer.plan.narrow_way == plan->narrow_way &&
		(conn->ticket == 0 || other->ticket < conn->ticket));
	if (conn->ticket == 0)
		conn->ticket = ++server->tickets;
	return mine;
}

/* Which bytes of the body go out next, and if none: why. All that a plan does to a body meets here. */
static enum more
conn_more(struct conn *conn, const uint8_t **data, size_t *len)
{
	const struct fault_plan *plan = &conn->answer.plan;
	double now = ev_now(conn->server->loop);
	uint64_t room = conn->body_len - conn->body_at;

	if (room == 0)
		return MORE_END;
	if (plan->truncate_at >= 0) {
		if (conn->body_at >= (uint64_t)plan->truncate_at)
			return MORE_CUT;
		room = PB_MIN(room, (uint64_t)plan->truncate_at - conn->body_at);
	}
	if (plan->stall_at >= 0 && !conn->hold_done) {
		if (conn->body_at >= (uint64_t)plan->stall_at)
			return MORE_STALL;
		room = PB_MIN(room, (uint64_t)plan->stall_at - conn->body_at);
	}
	if (plan->drip_bps > 0) {
		uint64_t due = (uint64_t)((now - conn->body_since) * (double)plan->drip_bps);

		if (due <= conn->body_at)
			return MORE_LATER;
		room = PB_MIN(room, due - conn->body_at);
	}
	if (plan->narrow_bps > 0) {
		if (!way_is_free(conn, now))
			return MORE_LATER;
		room = PB_MIN(room, (uint64_t)((double)plan->narrow_bps * WAY_PIECE_S) + 1);
	}
	if (conn->answer.stream != NULL) {
		if (conn->due_len == 0 && live_stream_due(conn->answer.stream, now, &conn->due, &conn->due_len) != 0)
			return MORE_ERROR;
		if (conn->due_len == 0)
			return MORE_LATER;
		*data = conn->due;
		*len = (size_t)PB_MIN(room, conn->due_len);
		return MORE_BYTES;
	}
	if (conn->pattern) {
		*data = conn->body + conn->body_at % BLOCK;
		*len = (size_t)PB_MIN(room, BLOCK - conn->body_at % BLOCK);
		return MORE_BYTES;
	}
	*data = conn->body + conn->body_at;
	*len = (size_t)PB_MIN(room, (uint64_t)BYTES_A_TURN);
	return MORE_BYTES;
}

/* So many bytes went over it; the next in the queue may go when they are through. */
static void
way_used(struct conn *conn, uint64_t bytes)
{
	const struct fault_plan *plan = &conn->answer.plan;
	double *at = &conn->server->way_free[plan->narrow_way];

	*at = PB_MAX(*at, ev_now(conn->server->loop) - WAY_LATE_S) + (double)bytes / (double)plan->narrow_bps;
	conn->ticket = 0;
}

static void
conn_send(struct conn *conn)
{
	size_t turn = 0;

	while (turn < BYTES_A_TURN) {
		const uint8_t *data = NULL;
		size_t len = 0;
		enum more more = MORE_BYTES;
		bool in_head = conn->head_at < conn->head_len;
		bool corked;
		ssize_t n;

		if (in_head) {
			data = (const uint8_t *)conn->head + conn->head_at;
			len = conn->head_len - conn->head_at;
		} else {
			more = conn_more(conn, &data, &len);
		}
		switch (more) {
		case MORE_BYTES:
			break;
		case MORE_LATER:
			conn_set_state(conn, CONN_PACED,
			    conn->answer.plan.narrow_bps > 0     ? WAY_TICK_S
				: conn->answer.plan.drip_bps > 0 ? DRIP_TICK_S
								 : STREAM_TICK_S);
			return;
		case MORE_STALL:
			conn_set_state(conn, CONN_STALLED, conn->answer.plan.hold_ms / 1e3);
			return;
		case MORE_CUT:
			conn->keep = false;
			/* fall through */
		case MORE_END:
			conn_finish(conn);
			return;
		case MORE_ERROR:
			conn_free(conn);
			return;
		}
		/* Only a body that follows at once may hold back the head. */
		corked = in_head && conn->body_len > 0 && conn->answer.stream == NULL &&
		    conn->answer.plan.drip_bps == 0 && conn->answer.plan.narrow_bps == 0 &&
		    conn->answer.plan.stall_at < 0;
		n = send(conn->fd, data, len, MSG_NOSIGNAL | (corked ? MSG_MORE : 0));
		if (n == -1) {
			conn->ticket = 0; /* nobody waits for a peer that doesn't read */
			if (errno == EAGAIN || errno == EINTR)
				break;
			conn_free(conn);
			return;
		}
		turn += (size_t)n;
		if (in_head) {
			conn->head_at += (size_t)n;
			continue;
		}
		conn->body_at += (uint64_t)n;
		if (conn->answer.plan.narrow_bps > 0)
			way_used(conn, (uint64_t)n);
		if (conn->answer.stream != NULL) {
			conn->due += n;
			conn->due_len -= (size_t)n;
		}
	}
	/* The timer is the one against peers that take nothing: it begins anew with each byte that they take. */
	if (turn > 0 || conn->state != CONN_SENDING)
		conn_set_state(conn, CONN_SENDING, HTTP_IDLE_S);
}
