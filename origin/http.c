/*
 * http.c - connections
 *
 * A connection is in one state at a time, and conn_set_state() alone starts
 * and stops what it waits for. A timer has one meaning, that of the state. Bodies are in memory, or made as they are sent (a stream by
 * the clock, a pattern without an end), and one function says how many of
 * their bytes may go out now: there all faults of a body come together.
 */
#include "origin/http_inside.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pb.h"

#define ACCEPTS_A_TURN 64
#define BYTES_A_TURN (256 * 1024)
#define STREAM_TICK_S 0.04
#define DRIP_TICK_S 0.05
#define WAY_PIECE_S 0.02 /* of a narrow way's time goes to one answer at once, */
#define WAY_LATE_S 0.1 /* and so late it may be: then more goes out */
#define WAY_TICK_S 0.005
#define LINGER_S 2.0 /* after our FIN: time for the peer to read and to close */
#define NO_DESCRIPTORS_S 0.1

static void on_readable(struct ev_loop *loop, struct ev_io *w, int revents);
static void on_writable(struct ev_loop *loop, struct ev_io *w, int revents);
static void on_timer(struct ev_loop *loop, struct ev_timer *w, int revents);
static void on_pause_over(struct ev_loop *loop, struct ev_timer *w, int revents);
static void conn_hear(struct conn *conn);
static void conn_send(struct conn *conn);

int
http_new(struct http_server **out, struct ev_loop *loop, const struct http_site *site, unsigned int connections_max)
{
	struct http_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return PB_ENOMEM;
	http_patterns_init();
	server->loop = loop;
	server->site = site;
	server->connections_max = connections_max;
	TAILQ_INIT(&server->listeners);
	TAILQ_INIT(&server->conns);
	ev_timer_init(&server->review, http_on_review, HTTP_REVIEW_S, HTTP_REVIEW_S);
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

void
http_on_accept(struct ev_loop *loop, struct ev_io *w, int revents)
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

void
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

void
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

void
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

void
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
		*data = conn->body + conn->body_at % HTTP_BLOCK;
		*len = (size_t)PB_MIN(room, HTTP_BLOCK - conn->body_at % HTTP_BLOCK);
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
