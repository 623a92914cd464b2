/*
 * client.c - the spool to each, and what to do with those who can't keep up
 *
 * All clients with room in their sockets are served at each release, in
 * turns of at most TURN_CLIENTS, so that a thousand of them don't hold the
 * loop; one with a full socket has a write watcher instead and is left
 * alone by the release.
 */
#include "worker/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "base/ts.h"
#include "ipc/spool.h"
#include "worker/wire.h"

/* netinet/tcp.h of this libc may lack tcpi_bytes_acked; the kernel's own layout has it since 4.1. */
struct tcp_info_acked {
	struct tcp_info head;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
};

#define TURN_CLIENTS 128 /* served before the loop turns again */
#define TURN_BYTES (1 << 20) /* to one client, likewise */
#define FAN_CLIENTS 8 /* of fewer, each is sent to by itself: pages to lend out cost some calls, too */
#define DRAIN_BYTES 4096 /* of what a client says after its request; all of it is ignored */
#define PRELUDE_SCAN (1 << 20) /* how far behind a key frame each PID's first packet is looked for */
#define GHOST_LOOKS 5 /* once a second */
#define WATCH_S 1.0
#define WATCH_SLICES 10 /* many are looked at in slices of the second, */
#define WATCH_AT_ONCE 64 /* ... so few all at once */
#define KEEPALIVE_S 10
#define LOWAT_MIN (128 << 10) /* never sent bytes in a socket's queue: */
#define LOWAT_MS 250 /* ... more than a tick of media, less than what a dead viewer is worth */
#define SNDBUF_MIN (256 << 10)
#define SNDBUF_MS 2000 /* of media: several round trips of a poor path */
#define RATE_DEFAULT_KBPS 8000 /* until it is known */
#define PCR_PER_MS 27000

struct client {
	LIST_ENTRY(client) entry;
	struct clients *all;
	struct state_slot *slot;
	uint32_t slot_n;
	int fd;
	uint64_t id;
	uint64_t next; /* offset of the next byte */
	uint64_t head_sent; /* of the slot's head */
	uint64_t prelude_sent; /* of the slot's prelude, while one is planned */
	uint64_t body; /* body bytes handed to the kernel */
	uint32_t sized_kbps; /* the rate that its buffers were made for */
	ev_tstamp moved; /* when bytes last went out, or there were none to send */
	bool blocked; /* the socket is full; `writable` waits */
	bool behind; /* fell out of the window: skips when it can take bytes */
	bool eof;
	unsigned silent; /* looks in a row at which its host owed an ACK for long */
	ev_io readable, writable;
};

struct clients {
	LIST_HEAD(, client) list;
	struct client *by_slot[STATE_SLOTS];
	struct client *cursor; /* where the turn stopped; NULL: begin anew */
	struct client *look; /* likewise, of the second's look */
	int sndbuf_max; /* what the kernel grants, 0: not known */
	struct ev_loop *loop;
	struct state *state;
	int spool_fd;
	struct spool_fan fan;
	uint64_t released; /* as of the last service */
	uint64_t edge; /* ... and before it: where all are who keep up */
	bool fanning; /* in a turn of many */
	uint32_t burst_ms;
	ev_tstamp paused_s;
	size_t count;
	clients_event_fn *on_event;
	void *arg;
	ev_idle more;
	ev_timer watch;
};

static void client_readable(struct ev_loop *, ev_io *, int);
static void client_writable(struct ev_loop *, ev_io *, int);
static void client_watch(struct ev_loop *, ev_timer *, int);
static void client_more(struct ev_loop *, ev_idle *, int);
static void size_buffers(struct client *);
static void plan_done(struct client *);

/* How large a send buffer is granted (net.core.wmem_max)? A socket nobody uses tells. */
static int
sndbuf_granted(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int size = 64 << 20;
	socklen_t len = sizeof(size);

	if (fd == -1)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) == -1)
		size = 0;
	close(fd);
	return size / 2; /* the kernel doubles it, for its own overhead */
}

int
clients_new(struct clients **out, struct ev_loop *loop, int spool_fd, struct state *state, uint32_t burst_ms,
    uint32_t paused_ms, clients_event_fn *on_event, void *arg)
{
	struct clients *cs = calloc(1, sizeof(*cs));

	if (cs == NULL)
		return PB_ENOMEM;
	LIST_INIT(&cs->list);
	cs->loop = loop;
	cs->spool_fd = spool_fd;
	spool_fan_init(&cs->fan);
	cs->state = state;
	cs->sndbuf_max = sndbuf_granted();
	cs->burst_ms = burst_ms;
	cs->paused_s = paused_ms / 1e3;
	cs->on_event = on_event;
	cs->arg = arg;
	ev_idle_init(&cs->more, client_more);
	cs->more.data = cs;
	ev_timer_init(&cs->watch, client_watch, WATCH_S, WATCH_S);
	cs->watch.data = cs;
	ev_timer_start(loop, &cs->watch);
	*out = cs;
	return 0;
}

/* Forget a client; its slot says that nothing more will come. */
static void
client_free(struct client *c)
{
	struct clients *cs = c->all;

	if (cs->cursor == c)
		cs->cursor = LIST_NEXT(c, entry);
	if (cs->look == c)
		cs->look = LIST_NEXT(c, entry);
	ev_io_stop(cs->loop, &c->readable);
	ev_io_stop(cs->loop, &c->writable);
	LIST_REMOVE(c, entry);
	cs->by_slot[c->slot_n] = NULL;
	cs->count--;
	close(c->fd);
	free(c);
}

void
clients_free(struct clients **clients)
{
	struct clients *cs = *clients;
	struct client *c;

	if (cs == NULL)
		return;
	while ((c = LIST_FIRST(&cs->list)) != NULL)
		client_free(c);
	ev_timer_stop(cs->loop, &cs->watch);
	ev_idle_stop(cs->loop, &cs->more);
	spool_fan_close(&cs->fan);
	free(cs);
	*clients = NULL;
}

size_t
clients_count(const struct clients *cs)
{
	return cs->count;
}

static void
client_tell(struct client *c, enum msg_client_event event)
{
	struct msg_client_report report = {
		.client = c->id,
		.slot = c->slot_n,
		.event = event,
		.sent = c->body,
	};

	c->all->on_event(c->all->arg, &report);
}

/*
 * How much of the stream its host has, as far as it said: what it was given
 * beyond that died in the socket. A reset leaves the kernel's count behind.
 */
static void
note_acked(struct client *c)
{
	struct state_slot *slot = c->slot;
	struct wire wire;

	if (wire_read(c->fd, &wire) != 0 || atomic_load(&slot->planned) || wire.acked <= slot->base_written)
		return;
	c->next = PB_MIN(c->next, slot->base_offset + (wire.acked - slot->base_written));
	atomic_store_explicit(&slot->offset, c->next, memory_order_relaxed);
}

static void
client_end(struct client *c, enum msg_client_event event)
{
	if (event == CLIENT_GONE || event == CLIENT_GHOST)
		note_acked(c);
	atomic_store_explicit(&c->slot->phase, SLOT_ENDED, memory_order_release);
	client_tell(c, event);
	client_free(c);
}

/*
 * bytes_acked and the queue's length are two readings: the pair is good
 * only when nothing was acknowledged in between. bytes_sent would need no
 * second reading and is wrong: drops on this host inflate it for ever.
 */
int
client_written(int fd, uint64_t *out)
{
	for (int tries = 0; tries < 100; tries++) {
		struct tcp_info_acked before, after;
		socklen_t len = sizeof(before);
		int queued;

		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &before, &len) == -1 || len < sizeof(before))
			return PB_ESYS;
		if (ioctl(fd, SIOCOUTQ, &queued) == -1)
			return PB_ESYS;
		len = sizeof(after);
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &after, &len) == -1)
			return PB_ESYS;
		if (before.bytes_acked == after.bytes_acked) {
			*out = after.bytes_acked + (uint64_t)queued;
			return 0;
		}
	}
	return PB_ESYS;
}

static void
client_socket(int fd)
{
	int on = 1, idle = KEEPALIVE_S, probes = 3;

	/* Each may fail on what is no TCP socket (tests): then there is nothing to tune. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

/*
 * By the stream's rate: what waits unsent in a socket is bounded, for it can
 * neither be skipped nor be given to somebody else; what may be on its way
 * is enough for a poor path. Where the kernel doesn't grant that, its own
 * tuning (net.ipv4.tcp_wmem) reaches further than we could.
 */
static void
size_buffers(struct client *c)
{
	struct clients *cs = c->all;
	uint32_t kbps = atomic_load_explicit(&cs->state->figures.media_kbps, memory_order_relaxed);
	int64_t lowat, sndbuf;
	int value;

	kbps = kbps == 0 ? RATE_DEFAULT_KBPS : PB_MIN(kbps, 1000000u);
	if (c->sized_kbps != 0 && kbps <= c->sized_kbps + c->sized_kbps / 4 &&
	    kbps >= c->sized_kbps - c->sized_kbps / 4)
		return;
	c->sized_kbps = kbps;
	lowat = (int64_t)kbps * LOWAT_MS / 8;
	value = (int)PB_MAX(lowat, (int64_t)LOWAT_MIN);
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, sizeof(value));
	sndbuf = PB_MAX((int64_t)kbps * SNDBUF_MS / 8, (int64_t)SNDBUF_MIN);
	if (sndbuf > cs->sndbuf_max)
		return;
	value = (int)sndbuf;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value));
}

/* The key frame that lies `burst` behind what is released, so that the picture comes at once. */
static bool
place(const struct clients *cs, uint64_t *offset)
{
	const struct state *state = cs->state;
	uint64_t marks = state->snapshot[atomic_load(&state->commit) & 1].marks;
	uint64_t released = atomic_load(&state->released);
	int64_t pcr;
	uint64_t newest;

	if (!state_find_key(state, marks, INT64_MAX, atomic_load(&state->tail), released, &newest, &pcr))
		return false;
	/* The newest key frame is less than a GOP behind: count the burst from the edge by the marks. */
	pcr += (int64_t)state_span_ms(state, newest, released) * PCR_PER_MS;
	return state_find_key(
	    state, marks, pcr - (int64_t)cs->burst_ms * PCR_PER_MS, atomic_load(&state->tail), released, offset, &pcr);
}

/*
 * One that was cut off at `at` and came back: the key frame in front of it,
 * if that is no more than a burst away, else the one behind it. false: the
 * window has neither.
 */
static bool
place_back(const struct clients *cs, uint64_t at, uint64_t *offset)
{
	const struct state *state = cs->state;
	uint64_t marks = state->snapshot[atomic_load(&state->commit) & 1].marks;
	uint64_t first = marks >= STATE_INDEX ? marks - STATE_INDEX + 1 : 0;
	uint64_t tail = atomic_load(&state->tail), released = atomic_load(&state->released);
	uint64_t behind = UINT64_MAX;

	if (at < tail || at > released)
		return false;
	for (uint64_t n = marks; n > first; n--) {
		const struct state_mark *mark = &state->marks[(n - 1) % STATE_INDEX];
		uint64_t key = atomic_load_explicit(&mark->offset, memory_order_relaxed);

		if (!(atomic_load_explicit(&mark->pcr_27m_key, memory_order_relaxed) & 1) || key >= released)
			continue;
		if (key < tail)
			break;
		if (key <= at) {
			*offset = state_span_ms(state, key, at) <= cs->burst_ms || behind == UINT64_MAX ? key : behind;
			return true;
		}
		behind = key;
	}
	*offset = behind;
	return behind != UINT64_MAX;
}

/* A client in its slot, watched, not yet served. Takes fd; NULL when there is no memory (fd is closed then). */
static struct client *
client_new(struct clients *cs, const struct msg_client *from, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return NULL;
	}
	client_socket(fd);
	c->all = cs;
	c->slot_n = from->slot;
	c->slot = &cs->state->slots[from->slot];
	c->fd = fd;
	c->id = from->client;
	c->moved = loop_now(cs->loop);
	size_buffers(c);
	ev_io_init(&c->readable, client_readable, fd, EV_READ);
	c->readable.data = c;
	ev_io_start(cs->loop, &c->readable);
	ev_io_init(&c->writable, client_writable, fd, EV_WRITE);
	c->writable.data = c;
	cs->by_slot[from->slot] = c;
	LIST_INSERT_HEAD(&cs->list, c, entry);
	cs->count++;
	return c;
}

int
clients_add(struct clients *cs, const struct msg_client *from, int fd)
{
	struct client *c;
	uint64_t offset, written = 0;

	if (from->slot >= STATE_SLOTS || from->head_len > STATE_HEAD_MAX || cs->by_slot[from->slot] != NULL) {
		close(fd);
		return PB_EPEER;
	}
	if (!(from->back && place_back(cs, from->offset, &offset)) && !place(cs, &offset)) {
		close(fd);
		return PB_NO;
	}
	(void)client_written(fd, &written);
	c = client_new(cs, from, fd);
	if (c == NULL)
		return PB_NO;
	c->next = offset;

	/* All that a successor needs stands in the slot before the first byte of the head is out. */
	c->slot->client = from->client;
	c->slot->head_len = from->head_len;
	memcpy(c->slot->head, from->head, from->head_len);
	c->slot->base_offset = offset;
	PB_FAULT("slot");
	c->slot->base_written = written + from->head_len;
	c->slot->prelude_len = 0;
	atomic_store(&c->slot->planned, 0);
	atomic_store(&c->slot->sent, 0);
	atomic_store(&c->slot->offset, offset);
	atomic_store(&c->slot->skips, 0);
	atomic_store(&c->slot->paused, 0);
	atomic_store_explicit(&c->slot->phase, SLOT_BODY, memory_order_release);
	PB_FAULT("body");
	client_writable(cs->loop, &c->writable, EV_WRITE);
	return 0;
}

/* Where a client is, from what was written to it. false: the slot says what can't be. */
static bool
locate(struct client *c, uint64_t written)
{
	const struct state *state = c->all->state;
	struct state_slot *slot = c->slot;

	c->head_sent = slot->head_len;
	if (atomic_load_explicit(&slot->planned, memory_order_acquire)) {
		uint64_t since = written - slot->plan_written;

		if (written < slot->plan_written || slot->prelude_len > STATE_PRELUDE_MAX)
			return false;
		c->prelude_sent = PB_MIN(since, slot->prelude_len);
		c->next = slot->plan_offset;
		if (since >= slot->prelude_len) {
			plan_done(c);
			c->next += written - slot->base_written;
		}
	} else if (written < slot->base_written) {
		uint64_t owed = slot->base_written - written;

		if (owed > slot->head_len)
			return false;
		c->head_sent = slot->head_len - owed;
		c->next = slot->base_offset;
	} else {
		c->next = slot->base_offset + (written - slot->base_written);
	}
	if (c->next > atomic_load(&state->released))
		return false;
	if (c->next < atomic_load(&state->tail) && !atomic_load(&slot->planned)) {
		/* The one before has put the rest of the packet in hand aside before the tail moved. */
		c->behind = true;
		slot->prelude_len = (uint32_t)((TS_PACKET - c->next % TS_PACKET) % TS_PACKET);
	}
	return true;
}

int
clients_resume(struct clients *cs, const struct msg_client *from, int fd)
{
	const struct state_slot *slot;
	struct client *c;
	uint64_t written;

	if (from->slot >= STATE_SLOTS || cs->by_slot[from->slot] != NULL) {
		close(fd);
		return PB_EPEER;
	}
	slot = &cs->state->slots[from->slot];
	if (atomic_load_explicit(&slot->phase, memory_order_acquire) != SLOT_BODY || slot->client != from->client ||
	    slot->head_len > STATE_HEAD_MAX) {
		close(fd);
		return PB_EPEER;
	}
	if (client_written(fd, &written) != 0) {
		close(fd);
		return PB_ESYS;
	}
	c = client_new(cs, from, fd);
	if (c == NULL)
		return PB_ESYS;
	if (!locate(c, written)) {
		client_free(c);
		return PB_EPEER;
	}
	c->body = atomic_load(&c->slot->sent);
	client_writable(cs->loop, &c->writable, EV_WRITE);
	return 0;
}

void
clients_drop(struct clients *cs, const struct msg_drop *drop)
{
	struct msg_client_report report = { .client = drop->client, .slot = drop->slot, .event = CLIENT_DROPPED };
	struct client *c = drop->slot < STATE_SLOTS ? cs->by_slot[drop->slot] : NULL;

	if (c != NULL && c->id == drop->client)
		client_end(c, CLIENT_DROPPED);
	else
		cs->on_event(cs->arg, &report);
}

/* Bytes of memory to a socket: n > 0, 0 when it is full, PB_ESYS when it is broken. */
static ssize_t
send_bytes(int fd, const void *buf, size_t len, int flags)
{
	ssize_t n;

	do
		n = send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
	while (n == -1 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : PB_ESYS;
}

/* The first packet of each PID from a key frame on; its counter less one is what the prelude shows. */
static size_t
prelude_fill(const struct clients *cs, uint64_t from, uint64_t to, uint8_t *out, size_t room)
{
	static const uint16_t pids[] = { TS_PID_PAT, 0x1000, 0x100, 0x101 };
	bool seen[NITEMS(pids)] = { false };
	uint8_t buf[TS_PACKET * 64];
	size_t made = 0, left = NITEMS(pids);

	to = PB_MIN(to, from + PRELUDE_SCAN);
	while (left > 0 && from < to) {
		ssize_t n = pread(cs->spool_fd, buf, (size_t)PB_MIN(sizeof(buf), to - from), (off_t)from);

		if (n < TS_PACKET)
			break;
		for (ssize_t at = 0; at + TS_PACKET <= n; at += TS_PACKET)
			for (size_t i = 0; i < NITEMS(pids); i++) {
				const uint8_t *p = buf + at;
				uint8_t *q = out + made;

				if (seen[i] || ts_pid(p) != pids[i] || !ts_has_payload(p) || made + TS_PACKET > room)
					continue;
				seen[i] = true;
				left--;
				q[0] = TS_SYNC;
				q[1] = (uint8_t)(pids[i] >> 8);
				q[2] = (uint8_t)pids[i];
				q[3] = (uint8_t)(0x20 | ((ts_cc(p) - 1) & 0x0f));
				q[4] = TS_PACKET - 5;
				q[5] = TS_AF_DISCONTINUITY;
				memset(q + 6, 0xff, TS_PACKET - 6);
				made += TS_PACKET;
			}
		from += (uint64_t)n - (uint64_t)n % TS_PACKET;
	}
	return made;
}

/*
 * Choose where a client that fell behind goes on. The rest of its packet in
 * hand already stands at the front of the prelude (clients_before_tail).
 */
static bool
plan_skip(struct client *c)
{
	struct clients *cs = c->all;
	struct state_slot *slot = c->slot;
	uint64_t offset, written = 0;

	if (!place(cs, &offset))
		return false;
	(void)client_written(c->fd, &written);
	/* One that has had no media yet (its worker died before) knows no counters: it begins, with PAT and PMT. */
	if (written != slot->base_written || atomic_load(&slot->skips) > 0)
		slot->prelude_len += (uint32_t)prelude_fill(cs, offset, atomic_load(&cs->state->head),
		    slot->prelude + slot->prelude_len, STATE_PRELUDE_MAX - slot->prelude_len);
	slot->plan_written = written;
	slot->plan_offset = offset;
	PB_FAULT("plan");
	atomic_store_explicit(&slot->planned, 1, memory_order_release);
	atomic_fetch_add(&slot->skips, 1);
	c->behind = false;
	c->prelude_sent = 0;
	log_event(LOG_INFO, "client.skip", "client=%llu bytes=%llu", (unsigned long long)c->id,
	    (unsigned long long)(offset - c->next));
	return true;
}

/* The plan is carried out: from here on the slot's base is the new place. */
static void
plan_done(struct client *c)
{
	struct state_slot *slot = c->slot;

	slot->base_offset = slot->plan_offset;
	PB_FAULT("plan-done");
	slot->base_written = slot->plan_written + slot->prelude_len;
	atomic_store_explicit(&slot->planned, 0, memory_order_release);
	c->next = slot->plan_offset;
	slot->prelude_len = 0;
}

/* Send one piece of whatever is next: head, prelude, spool. As send_bytes(); PB_AGAIN when there is nothing. */
static ssize_t
client_piece(struct client *c)
{
	struct clients *cs = c->all;
	struct state_slot *slot = c->slot;
	uint64_t released = atomic_load_explicit(&cs->state->released, memory_order_acquire);
	ssize_t n;

	if (c->head_sent < slot->head_len) {
		n = send_bytes(c->fd, slot->head + c->head_sent, slot->head_len - c->head_sent, MSG_MORE);
		PB_FAULT("head");
		if (n > 0)
			c->head_sent += (uint64_t)n;
		return n;
	}
	if (c->behind && !plan_skip(c))
		return PB_AGAIN;
	if (atomic_load(&slot->planned)) {
		n = send_bytes(c->fd, slot->prelude + c->prelude_sent, slot->prelude_len - c->prelude_sent, MSG_MORE);
		PB_FAULT("prelude");
		if (n > 0) {
			c->prelude_sent += (uint64_t)n;
			c->body += (uint64_t)n;
		}
		if (n >= 0 && c->prelude_sent == slot->prelude_len) {
			plan_done(c);
			return n > 0 ? n : 1;
		}
		return n;
	}
	if (c->next >= released)
		return PB_AGAIN;
	if (c->next < atomic_load(&cs->state->tail)) {
		/* The place of its skip was lost too while the prelude waited; it stands between packets. */
		c->behind = true;
		return client_piece(c);
	}
	if (cs->fanning && c->next == cs->edge)
		n = spool_fan_send(
		    &cs->fan, cs->spool_fd, c->fd, c->next, (size_t)PB_MIN(released - c->next, TURN_BYTES));
	else
		n = spool_send(cs->spool_fd, c->fd, c->next, (size_t)PB_MIN(released - c->next, TURN_BYTES));
	PB_FAULT("send");
	if (n > 0) {
		c->next += (uint64_t)n;
		c->body += (uint64_t)n;
	}
	return n;
}

/* false: the client is gone, and c with it. */
static bool
client_send(struct client *c)
{
	struct clients *cs = c->all;
	size_t turn = 0;

	while (turn < TURN_BYTES) {
		ssize_t n = client_piece(c);

		if (n == PB_AGAIN && !(c->head_sent < c->slot->head_len) &&
		    c->next >= atomic_load(&cs->state->released)) {
			/* All is sent: waiting for more is no fault of the client's. */
			c->moved = loop_now(cs->loop);
			break;
		}
		if (n == PB_AGAIN)
			break;
		if (n < 0) {
			client_end(c, CLIENT_GONE);
			return false;
		}
		if (n == 0) {
			c->blocked = true;
			ev_io_start(cs->loop, &c->writable);
			break;
		}
		turn += (size_t)n;
		c->moved = loop_now(cs->loop);
	}
	atomic_store_explicit(&c->slot->sent, c->body, memory_order_relaxed);
	atomic_store_explicit(&c->slot->offset, c->next, memory_order_relaxed);
	if (turn >= TURN_BYTES && !c->blocked) {
		c->blocked = true; /* the loop comes back to it as soon as it has turned */
		ev_io_start(cs->loop, &c->writable);
	}
	return true;
}

static void
client_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *c = w->data;

	(void)revents;
	ev_io_stop(loop, w);
	c->blocked = false;
	(void)client_send(c);
}

static void
client_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *c = w->data;
	char buf[DRAIN_BYTES];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)revents;
	if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EINTR)))
		return;
	ev_io_stop(loop, w);
	if (n == -1) {
		client_end(c, CLIENT_GONE);
		return;
	}
	/* It may have closed its sending side only; the next send tells. */
	c->eof = true;
	client_tell(c, CLIENT_EOF);
}

static void
serve_turn(struct clients *cs)
{
	int served = 0;

	cs->fanning = cs->count >= FAN_CLIENTS;
	while (cs->cursor != NULL && served < TURN_CLIENTS) {
		struct client *c = cs->cursor;

		cs->cursor = LIST_NEXT(c, entry);
		if (!c->blocked) {
			(void)client_send(c);
			served++;
		}
	}
	cs->fanning = false;
	if (cs->cursor != NULL) {
		ev_idle_start(cs->loop, &cs->more);
		return;
	}
	ev_idle_stop(cs->loop, &cs->more);
	spool_fan_forget(&cs->fan);
}

static void
client_more(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)revents;
	serve_turn(w->data);
}

void
clients_service(struct clients *cs)
{
	uint64_t released = atomic_load_explicit(&cs->state->released, memory_order_acquire);

	if (released != cs->released) {
		cs->edge = cs->released;
		cs->released = released;
	}
	if (cs->cursor == NULL)
		cs->cursor = LIST_FIRST(&cs->list);
	serve_turn(cs);
}

void
clients_before_tail(struct clients *cs, uint64_t new_tail)
{
	struct client *c;

	LIST_FOREACH(c, &cs->list, entry)
	{
		uint64_t rest = (TS_PACKET - c->next % TS_PACKET) % TS_PACKET;

		if (c->next >= new_tail || c->behind || atomic_load(&c->slot->planned))
			continue;
		if (rest > 0 && pread(cs->spool_fd, c->slot->prelude, rest, (off_t)c->next) != (ssize_t)rest)
			rest = 0;
		c->slot->prelude_len = (uint32_t)rest;
		c->behind = true;
	}
}

/* How its connection is, for people. */
static void
publish(const struct client *c, const struct wire *wire)
{
	struct state_client *f = &c->all->state->clients[c->slot_n];
	int queued = 0;

	(void)ioctl(c->fd, SIOCOUTQ, &queued);
	atomic_store_explicit(&f->client, c->id, memory_order_relaxed);
	atomic_store_explicit(&f->rtt_us, wire->rtt_us, memory_order_relaxed);
	atomic_store_explicit(&f->rttvar_us, wire->rttvar_us, memory_order_relaxed);
	atomic_store_explicit(&f->retransmits, wire->retransmits, memory_order_relaxed);
	atomic_store_explicit(
	    &f->delivery_kbps, (uint32_t)PB_MIN(wire->delivery_bps / 1000, (uint64_t)UINT32_MAX), memory_order_relaxed);
	atomic_store_explicit(&f->unacked_ms, wire->unacked > 0 ? wire->last_ack_ms : 0, memory_order_relaxed);
	atomic_store_explicit(&f->zero_window_ms,
	    (uint32_t)PB_MIN(wire->window_limited_us / 1000, (uint64_t)UINT32_MAX), memory_order_relaxed);
	atomic_store_explicit(&f->queued, (uint32_t)PB_MAX(queued, 0), memory_order_relaxed);
	atomic_store_explicit(&f->probes, wire->probes, memory_order_relaxed);
}

/* Does it take its bytes, is its host there, and how good is the way? */
static void
look_at(struct client *c)
{
	struct clients *cs = c->all;
	struct wire wire;
	double still = loop_now(cs->loop) - c->moved;

	atomic_store_explicit(&c->slot->paused, c->blocked && still > 2, memory_order_relaxed);
	if (c->blocked && still > cs->paused_s) {
		client_end(c, CLIENT_PAUSED);
		return;
	}
	if (wire_read(c->fd, &wire) != 0)
		return;
	publish(c, &wire);
	size_buffers(c);
	/* One probe of a paused one is out now and then, for as long as its answer takes, and the last ACK is old. */
	if ((wire.unacked > 0 || wire.probes > 0) && wire.last_ack_ms > (CLIENT_GHOST_S - GHOST_LOOKS) * 1000)
		c->silent++;
	else
		c->silent = 0;
	if (c->silent >= GHOST_LOOKS && wire.last_ack_ms > CLIENT_GHOST_S * 1000)
		client_end(c, CLIENT_GHOST);
}

/* Once a second at each: few of them all at once, many in slices, so that they don't hold the loop. */
static void
client_watch(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct clients *cs = w->data;
	size_t slices = cs->count > WATCH_AT_ONCE ? WATCH_SLICES : 1;
	size_t left = (cs->count + slices - 1) / slices;

	(void)revents;
	if (cs->look == NULL)
		cs->look = LIST_FIRST(&cs->list);
	for (; cs->look != NULL && left > 0; left--) {
		struct client *c = cs->look;

		cs->look = LIST_NEXT(c, entry);
		look_at(c);
	}
	w->repeat = WATCH_S / (double)slices;
	ev_timer_again(loop, w);
}
