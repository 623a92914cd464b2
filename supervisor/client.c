/*
 * client.c - waiting, served, ended: who holds the connection when
 */
#include "supervisor/client.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "supervisor/keep.h"
#include "supervisor/stream.h"
#include "supervisor/tuner.h"
#include "supervisor/units.h"

#define ORPHAN_EOF_S 2.0 /* one that reads on after closing its side is believed for so long */

_Static_assert(TUNER_STREAM_HEAD <= sizeof(((struct msg_client *)0)->head), "a head fits its message");

static struct ev_loop *
loop_of(const struct client *c)
{
	return c->stream->streams->loop;
}

/* Its slot, when a worker has written it for this client; numbers are never used twice. */
static const struct state_slot *
slot_of(const struct client *c)
{
	const struct state_slot *slot;

	if (c->slot == CLIENT_NO_SLOT || c->stream->state == NULL)
		return NULL;
	slot = &c->stream->state->slots[c->slot];
	return atomic_load_explicit(&slot->phase, memory_order_acquire) != SLOT_FREE && slot->client == c->number
	    ? slot
	    : NULL;
}

const char *
client_phase_name(enum client_phase phase)
{
	static const char *const names[CLIENT_PHASES] = { "waiting", "starting", "playing", "ending" };

	return names[phase];
}

uint64_t
client_bytes(const struct client *c)
{
	const struct state_slot *slot = slot_of(c);

	return slot != NULL ? atomic_load_explicit(&slot->sent, memory_order_relaxed) : 0;
}

bool
client_paused(const struct client *c)
{
	const struct state_slot *slot = slot_of(c);

	return slot != NULL && atomic_load_explicit(&slot->paused, memory_order_relaxed) != 0;
}

static void
owe(struct client *c)
{
	if (!c->owed)
		TAILQ_INSERT_TAIL(&c->stream->owed, c, owed_link);
	c->owed = true;
}

static void
paid(struct client *c)
{
	if (c->owed)
		TAILQ_REMOVE(&c->stream->owed, c, owed_link);
	c->owed = false;
}

static void
quiet(struct client *c)
{
	ev_io_stop(loop_of(c), &c->watch);
	ev_timer_stop(loop_of(c), &c->deadline);
}

/* Say in the ledger how it stands; with fd, to the holder, too. */
static void
note(struct client *c, int fd)
{
	struct ledger_client entry = {
		.number = c->number,
		.stream = c->stream->number,
		.slot = c->slot,
		.duration_s = c->duration_s,
		.since_ns = (int64_t)(c->since * 1e9),
		.served_ns = (int64_t)(c->served_at * 1e9),
	};
	bool held;

	memcpy(entry.agent, c->agent, sizeof(entry.agent));
	held = keep_client(c->stream->streams->keep, &entry, fd);
	if (fd != -1)
		c->held = held;
}

static void
client_free(struct client *c)
{
	struct stream *stream = c->stream;

	pb_assert(c->conn.fd == -1);
	quiet(c);
	paid(c);
	keep_client_gone(stream->streams->keep, c->number, c->held);
	if (c->slot != CLIENT_NO_SLOT)
		stream_slot_free(stream, c->slot);
	TAILQ_REMOVE(&stream->clients, c, link);
	stream->streams->clients--;
	free(c);
	stream_client_left(stream);
}

static void
log_close(const struct client *c, int level, const char *why, uint64_t bytes)
{
	log_event(level, "client.close",
	    "channel=%s client=%" PRIu64 " peer=%s seconds=%.1f bytes=%" PRIu64 " why=\"%s\"", c->stream->guide_number,
	    c->number, c->address, loop_now(loop_of(c)) - c->since, bytes, why);
}

void
client_refuse(struct client *c, int error, const char *why)
{
	pb_assert(c->phase == CLIENT_WAITING);
	if (log_may(&c->stream->streams->refusals, STREAMS_REFUSALS_PER_S))
		log_event(LOG_WARNING, "client.refused",
		    "channel=%s client=%" PRIu64 " peer=%s code=%d after_ms=%.0f why=\"%s\"", c->stream->guide_number,
		    c->number, c->address, error, (loop_now(loop_of(c)) - c->since) * 1e3, why);
	quiet(c);
	http_return(c->stream->streams->http, &c->conn, tuner_error_status(error), tuner_error_head(error));
	client_free(c);
}

/* Ended with so many bytes sent; `told`: the worker has no copy any more. */
static void
end(struct client *c, const char *why, uint64_t bytes, bool told)
{
	struct stream *stream = c->stream;

	log_close(c, LOG_INFO, why, bytes);
	quiet(c);
	/* close() alone sends nothing while the worker holds its copy. */
	(void)shutdown(c->conn.fd, SHUT_RDWR);
	close(c->conn.fd);
	c->conn.fd = -1;
	if (c->phase != CLIENT_SERVED || told || stream->worker == NULL || stream->state_now == STREAM_ENDING) {
		client_free(c);
		return;
	}
	c->phase = CLIENT_DROPPING;
	owe(c);
	stream_pay(stream);
	/* Freed when the worker says that it has dropped it; the stream may linger from now on. */
	stream_client_left(stream);
}

void
client_end(struct client *c, const char *why)
{
	if (c->phase == CLIENT_DROPPING) {
		/* Its stream ends: nobody will say it any more. */
		if (c->stream->worker == NULL || c->stream->state_now == STREAM_ENDING)
			client_free(c);
		return;
	}
	end(c, why, client_bytes(c), false);
}

/* A waiting client sends nothing that counts; but its end does. */
static void
on_watch(struct ev_loop *loop, ev_io *watch, int revents)
{
	struct client *c = watch->data;
	char drain[1024];
	ssize_t n = recv(c->conn.fd, drain, sizeof(drain), MSG_DONTWAIT);

	(void)revents;
	if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (n == -1) {
		client_end(c, "client-gone");
		return;
	}
	/* It may have closed one way only, and read still. It would be readable for ever. */
	c->eof = c->mute = true;
	ev_io_stop(loop, watch);
	client_look(c);
}

void
client_look(struct client *c)
{
	struct pollfd p = { .fd = c->conn.fd, .events = POLLRDHUP };
	bool orphan = c->phase == CLIENT_OWED && (c->stream->state_now == STREAM_ORPHAN || c->stream->renewed);

	if (!orphan && (c->phase != CLIENT_WAITING || !c->mute))
		return;
	if (poll(&p, 1, 0) != 1)
		return;
	if (orphan && (p.revents & POLLRDHUP))
		c->eof = true;
	/* Nobody sends to it, so nobody would ever be told that it isn't there: an end of its side has to do. */
	if ((p.revents & (POLLERR | POLLHUP)) ||
	    (orphan && c->eof && loop_now(loop_of(c)) - c->stream->since > ORPHAN_EOF_S))
		client_end(c, "client-gone");
}

static void
on_deadline(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct client *c = watch->data;

	(void)loop;
	(void)revents;
	if (c->phase == CLIENT_WAITING)
		client_refuse(c, TUNER_NO_VIDEO, "no media within tune_timeout");
	else
		client_end(c, "duration");
}

static void
wait_for_media(struct client *c)
{
	double left = c->stream->streams->config->stream.tune_timeout_ms / 1e3 - (loop_now(loop_of(c)) - c->since);

	c->phase = CLIENT_WAITING;
	if (!c->mute)
		ev_io_start(loop_of(c), &c->watch);
	ev_timer_set(&c->deadline, PB_MAX(left, 0.0), 0.0);
	ev_timer_start(loop_of(c), &c->deadline);
}

struct client *
client_new(struct stream *stream, uint64_t number, struct http_taken *conn, const char *agent, uint32_t duration_s)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->stream = stream;
	c->number = number;
	c->phase = CLIENT_WAITING;
	c->conn = *conn;
	conn->fd = -1;
	c->slot = CLIENT_NO_SLOT;
	c->duration_s = duration_s;
	c->since = loop_now(loop_of(c));
	addr_ip(&c->conn.peer, c->address);
	snprintf(c->agent, sizeof(c->agent), "%s", agent);
	msg_text(c->agent, sizeof(c->agent));
	ev_io_init(&c->watch, on_watch, c->conn.fd, EV_READ);
	ev_timer_init(&c->deadline, on_deadline, stream->streams->config->stream.tune_timeout_ms / 1e3, 0.0);
	c->watch.data = c->deadline.data = c;
	ev_io_start(loop_of(c), &c->watch);
	ev_timer_start(loop_of(c), &c->deadline);
	TAILQ_INSERT_TAIL(&stream->clients, c, link);
	stream->streams->clients++;
	note(c, c->conn.fd);
	http_consume(&c->conn);
	return c;
}

/* When it was, as the ledger says. */
static ev_tstamp
loop_time(const struct client *c, int64_t then_ns)
{
	return PB_MIN((double)then_ns / 1e9, loop_now(loop_of(c)));
}

struct client *
client_restore(struct stream *stream, const struct ledger_client *entry, int fd)
{
	struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_storage sa;
	socklen_t len;

	if (c == NULL) {
		close(fd);
		return NULL;
	}
	c->stream = stream;
	c->number = entry->number;
	c->conn.fd = fd;
	c->held = true;
	c->duration_s = entry->duration_s;
	c->since = loop_time(c, entry->since_ns);
	c->served_at = entry->served_ns != 0 ? loop_time(c, entry->served_ns) : 0;
	/* One that is gone by now has none. */
	len = sizeof(sa);
	if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0)
		addr_set(&c->conn.peer, (const struct sockaddr *)&sa, len);
	len = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
		addr_set(&c->conn.local, (const struct sockaddr *)&sa, len);
	addr_ip(&c->conn.peer, c->address);
	memcpy(c->agent, entry->agent, sizeof(c->agent));
	msg_text(c->agent, sizeof(c->agent));
	ev_io_init(&c->watch, on_watch, fd, EV_READ);
	ev_timer_init(&c->deadline, on_deadline, 0.0, 0.0);
	c->watch.data = c->deadline.data = c;
	TAILQ_INSERT_TAIL(&stream->clients, c, link);
	stream->streams->clients++;
	c->slot =
	    entry->slot != LEDGER_NO_SLOT && stream_slot_claim(stream, c, entry->slot) ? entry->slot : CLIENT_NO_SLOT;
	if (c->slot == CLIENT_NO_SLOT) {
		wait_for_media(c);
		return c;
	}
	/* As if its worker had died this moment: client_carry() looks at the slot. */
	c->phase = CLIENT_SERVED;
	if (c->served_at == 0)
		c->served_at = loop_now(loop_of(c)); /* the last word before it could be noted */
	if (c->duration_s != 0) {
		ev_timer_set(&c->deadline, PB_MAX(c->served_at + c->duration_s - loop_now(loop_of(c)), 0.0), 0.0);
		ev_timer_start(loop_of(c), &c->deadline);
	}
	return c;
}

void
client_media(struct client *c)
{
	pb_assert(c->phase == CLIENT_WAITING);
	c->slot = stream_slot_take(c->stream, c);
	if (c->slot == CLIENT_NO_SLOT) {
		client_refuse(c, TUNER_SYSTEM_BUSY, "too many clients of this channel");
		return;
	}
	quiet(c);
	c->phase = CLIENT_OWED;
	note(c, -1);
	c->unsettled = true;
	stream_settle(c->stream);
}

void
client_settled(struct client *c)
{
	pb_assert(c->phase == CLIENT_OWED && c->unsettled);
	c->unsettled = c->behind = false;
	owe(c);
}

/* Its worker died before a byte of its answer was out: it waits for the next one's media. */
static void
wait_again(struct client *c)
{
	quiet(c);
	paid(c);
	stream_slot_free(c->stream, c->slot);
	c->slot = CLIENT_NO_SLOT;
	c->served_at = 0;
	c->unsettled = c->behind = false;
	note(c, -1);
	wait_for_media(c);
}

/* Why its worker had ended it, as far as slot and connection still tell: the report is lost with the worker. */
static const char *
ended_why(const struct client *c)
{
	struct pollfd p = { .fd = c->conn.fd, .events = 0 };

	if (poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)))
		return msg_client_event_name(CLIENT_GONE);
	return msg_client_event_name(client_paused(c) ? CLIENT_PAUSED : CLIENT_GHOST);
}

/* Has a byte of an answer gone out on its connection? A tuner's connection has one answer. */
static bool
is_answered(const struct client *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int queued;

	if (getsockopt(c->conn.fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked) ||
	    ioctl(c->conn.fd, SIOCOUTQ, &queued) == -1)
		return true;
	return info.tcpi_bytes_acked > 0 || queued > 0;
}

bool
client_carry(struct client *c)
{
	const struct state_slot *slot = slot_of(c);

	if (c->phase == CLIENT_WAITING)
		return false;
	if (c->phase == CLIENT_DROPPING) {
		client_free(c);
		return false;
	}
	if (c->unsettled) { /* no worker was told of it yet, whatever one wrote into its slot */
		wait_again(c);
		return false;
	}
	if (slot == NULL && is_answered(c)) {
		/* The slot must have been its own when the head went out: its worker wrote where it may not have. */
		end(c, "slot-lost", 0, true);
		return false;
	}
	if (slot == NULL) {
		wait_again(c);
		return false;
	}
	if (atomic_load_explicit(&slot->phase, memory_order_acquire) != SLOT_BODY) {
		end(c, ended_why(c), client_bytes(c), true);
		return false;
	}
	c->phase = CLIENT_OWED;
	c->resume = true;
	owe(c);
	return true;
}

bool
client_stuck(struct client *c, const struct state_view *view, int64_t now_ns, int64_t allowed_ns)
{
	const struct state_slot *slot = slot_of(c);
	struct pollfd p = { .fd = c->conn.fd, .events = POLLOUT };
	uint64_t sent, offset;

	if (c->phase != CLIENT_SERVED || slot == NULL)
		return false;
	sent = atomic_load_explicit(&slot->sent, memory_order_relaxed);
	offset = atomic_load_explicit(&slot->offset, memory_order_relaxed);
	/* POLLOUT alone: one that is broken is the worker's to notice, and nothing can be sent to it. */
	if (sent != c->moved_sent || c->moved_ns == 0 || offset < view->tail || offset >= view->released ||
	    poll(&p, 1, 0) != 1 || p.revents != POLLOUT) {
		c->moved_sent = sent;
		c->moved_ns = now_ns;
		return false;
	}
	return now_ns - c->moved_ns > allowed_ns;
}

static int
send_client(struct client *c)
{
	struct msg_client msg = { .client = c->number, .slot = c->slot, .resume = c->resume };
	int err;

	if (!c->resume && !c->came_back)
		c->came_back = comeback_take(&c->stream->streams->comeback, c->address, c->agent, c->stream->number,
		    loop_now(loop_of(c)), &c->back_at);
	if (!c->resume && c->came_back) {
		msg.back = 1;
		msg.offset = c->back_at;
	}
	if (!c->resume)
		msg.head_len = (uint32_t)tuner_stream_head(msg.head, c->stream->tuner % UNIT_TUNERS, time(NULL));
	err = worker_send(c->stream->worker, MSG_S_CLIENT, &msg, sizeof(msg), &c->conn.fd, 1);
	if (err != 0)
		return err;
	c->phase = CLIENT_SERVED;
	c->moved_ns = 0;
	if (c->resume) {
		c->resume = false;
		return 0;
	}
	c->served_at = loop_now(loop_of(c));
	note(c, -1);
	log_event(LOG_INFO, "client.open",
	    "channel=%s client=%" PRIu64 " peer=%s tuner=%d after_ms=%.0f back=%s agent=\"%s\"",
	    c->stream->guide_number, c->number, c->address, c->stream->tuner, (c->served_at - c->since) * 1e3,
	    c->came_back ? "yes" : "no", c->agent);
	if (c->duration_s != 0) {
		ev_timer_set(&c->deadline, c->duration_s, 0.0);
		ev_timer_start(loop_of(c), &c->deadline);
	}
	return 0;
}

int
client_pay(struct client *c)
{
	struct msg_drop drop = { .client = c->number, .slot = c->slot };
	int err;

	pb_assert(c->owed);
	if (c->phase == CLIENT_OWED)
		err = send_client(c);
	else
		err = worker_send(c->stream->worker, MSG_S_DROP, &drop, sizeof(drop), NULL, 0);
	if (err == 0)
		paid(c);
	return err;
}

void
client_reported(struct client *c, const struct msg_client_report *report)
{
	if (c->phase == CLIENT_DROPPING) {
		/* DROPPED, or its own end that crossed ours: either way it has no copy any more. */
		if (report->event != CLIENT_EOF)
			client_free(c);
		return;
	}
	if (c->phase != CLIENT_SERVED)
		return;
	if (report->event == CLIENT_EOF) {
		c->eof = true;
		stream_client_left(c->stream);
		return;
	}
	/* One that had closed its side before left on purpose, and wants what is on now when it comes again. */
	if (!c->eof && (report->event == CLIENT_GONE || report->event == CLIENT_GHOST) && slot_of(c) != NULL) {
		comeback_note(&c->stream->streams->comeback, c->address, c->agent, c->stream->number,
		    atomic_load_explicit(&slot_of(c)->offset, memory_order_relaxed), loop_now(loop_of(c)));
		c->stream->back_until = loop_now(loop_of(c)) + COMEBACK_S;
	}
	end(c, msg_client_event_name(report->event), report->sent, true);
}
