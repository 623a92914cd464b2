/*
 * remote.c - TCP 65001: connections that ask for variables (getset.h)
 *
 * A frame is answered when it is whole, in one write: some clients want a
 * reply in one read. Who doesn't read its answers is closed, as is who sends
 * what is no frame. When all places are taken the one that was silent
 * longest makes room: a client opens another connection by itself.
 *
 * Of several devices it is the one that the client searched for by its id a
 * moment before (meant.h), else the first.
 */
#include "supervisor/discovery.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/getset.h"
#include "supervisor/supervisor.h"

static void
conn_close(struct remote_conn *conn)
{
	struct ev_loop *loop = conn->discovery->sup->loop;

	ev_io_stop(loop, &conn->io);
	ev_timer_stop(loop, &conn->idle);
	(void)close(conn->io.fd);
	conn->io.fd = -1;
}

static void
show_tuner(void *arg, int n, struct getset_tuner *out)
{
	static char ip[ADDR_TEXT];
	const struct remote_conn *conn = arg;
	const struct supervisor *sup = conn->discovery->sup;
	const struct stream *s = streams_on_tuner(&sup->streams, sup->units.at[conn->unit].first + n);
	const struct client *c;

	*out = (struct getset_tuner){ .busy = s != NULL };
	if (s == NULL)
		return;
	out->media = s->state_now == STREAM_LIVE || s->state_now == STREAM_ORPHAN;
	out->guide_number = s->guide_number;
	out->name = s->name;
	ip[0] = '\0';
	c = stream_viewer(s);
	if (c != NULL) {
		addr_ip(&c->conn.peer, ip);
		out->client_port = addr_port(&c->conn.peer);
	}
	out->client_ip = ip;
	out->rate_bits = stream_rate_bits(s);
	if (s->state != NULL)
		out->lost = atomic_load_explicit(&s->state->figures.segments_lost, memory_order_relaxed);
}

static void
show_device(struct getset_device *out, struct remote_conn *conn)
{
	struct supervisor *sup = conn->discovery->sup;
	const struct unit *unit = &sup->units.at[conn->unit];

	*out = (struct getset_device){
		.tuner_count = unit->config != NULL ? unit->config->tuner_count : 0, /* its section is gone */
		.memory_bytes = streams_memory(&sup->streams),
		.turn_ms = sup->turn.max_ms,
		.streams = sup->streams.count,
		.tuner = show_tuner,
		.arg = conn,
	};
}

/* false: it is to be closed. */
static bool
conn_answer(struct remote_conn *conn, const struct packet *packet)
{
	static struct packet_writer w;
	struct discovery *d = conn->discovery;
	struct getset_request request;
	struct getset_device device;
	size_t len;
	int err = getset_parse(&request, packet);

	if (err == PB_NO) {
		d->stats.broken++;
		return false; /* a firmware upgrade, or what is none of ours */
	}
	show_device(&device, conn);
	len = getset_answer(&w, err == 0 ? &request : NULL, &device);
	d->stats.variables++;
	return send(conn->io.fd, w.bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct remote_conn *conn = io->data;
	ssize_t n = recv(io->fd, conn->bytes + conn->len, sizeof(conn->bytes) - conn->len, MSG_DONTWAIT);
	struct packet packet;
	size_t at = 0;
	int err;

	(void)events;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(conn);
		return;
	}
	conn->len += (size_t)n;
	conn->turn = ++conn->discovery->turn;
	ev_timer_again(loop, &conn->idle);
	while ((err = packet_parse(&packet, conn->bytes + at, conn->len - at)) == 0) {
		if (!conn_answer(conn, &packet)) {
			conn_close(conn);
			return;
		}
		at += packet.len;
	}
	if (err != PB_AGAIN) {
		conn->discovery->stats.broken++;
		conn_close(conn);
		return;
	}
	/* A frame is never longer than the room there is. */
	memmove(conn->bytes, conn->bytes + at, conn->len - at);
	conn->len -= at;
}

static void
on_idle(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	conn_close(timer->data);
}

/* A free place, or that of the one that was silent longest. */
static struct remote_conn *
place(struct discovery *d)
{
	struct remote_conn *oldest = &d->remote[0];

	for (size_t i = 0; i < NITEMS(d->remote); i++) {
		if (d->remote[i].io.fd == -1)
			return &d->remote[i];
		if (d->remote[i].turn < oldest->turn)
			oldest = &d->remote[i];
	}
	conn_close(oldest);
	return oldest;
}

/* The number of the unit that it searched for. */
static size_t
unit_meant(const struct discovery *d, const struct addr *peer)
{
	uint32_t id = meant_id(&d->meant, peer, (double)monotonic_ns() / 1e9);

	for (size_t i = 0; i < d->sup->units.count; i++)
		if (d->sup->units.at[i].device.id == id)
			return i;
	return 0;
}

static void
on_connection(void *arg, int fd, const struct addr *peer)
{
	struct discovery *d = arg;
	struct ev_loop *loop = d->sup->loop;
	struct remote_conn *conn;

	if (!discovery_may_ask(d, peer)) {
		(void)close(fd);
		return;
	}
	d->stats.connections++;
	conn = place(d);
	memset(conn, 0, sizeof(*conn));
	conn->discovery = d;
	conn->unit = unit_meant(d, peer);
	conn->turn = ++d->turn;
	ev_io_init(&conn->io, on_readable, fd, EV_READ);
	conn->io.data = conn;
	ev_init(&conn->idle, on_idle);
	conn->idle.repeat = REMOTE_IDLE_S;
	conn->idle.data = conn;
	ev_io_start(loop, &conn->io);
	ev_timer_again(loop, &conn->idle);
}

void
remote_start(struct discovery *d)
{
	int fds[NITEMS(d->tcp)];
	size_t n = 0;

	for (size_t i = 0; i < NITEMS(d->tcp); i++)
		if (d->tcp[i] != -1)
			fds[n++] = d->tcp[i];
	if (n == 0)
		return;
	if (listen_start(&d->listen, d->sup->loop, fds, n, on_connection, d) != 0) {
		log_event(LOG_ERR, "discovery.failed", "port=\"tcp 65001\" why=\"%s\"", strerror(errno));
		return;
	}
	for (size_t i = 0; i < NITEMS(d->tcp); i++)
		d->tcp[i] = -1;
}

void
remote_stop(struct discovery *d)
{
	listen_free(&d->listen);
	for (size_t i = 0; i < NITEMS(d->remote); i++)
		if (d->remote[i].io.fd != -1)
			conn_close(&d->remote[i]);
}
