/*
 * renew.c - from an old prefix to a new state
 */
#include "supervisor/renew.h"

#include <inttypes.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "base/ts.h"
#include "ipc/spool.h"
#include "supervisor/keep.h"
#include "supervisor/stream.h"

/* What was ever written to a connection that nobody writes to now. false: it is broken. */
static bool
written_to(int fd, uint64_t *out)
{
	for (int tries = 0; tries < 100; tries++) {
		struct tcp_info before, after;
		socklen_t len = sizeof(before);
		int queued;

		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &before, &len) == -1 ||
		    len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(before.tcpi_bytes_acked) ||
		    ioctl(fd, SIOCOUTQ, &queued) == -1)
			return false;
		len = sizeof(after);
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &after, &len) == -1)
			return false;
		/* Two readings, and an acknowledgement may come between them. */
		if (before.tcpi_bytes_acked == after.tcpi_bytes_acked) {
			*out = after.tcpi_bytes_acked + (uint64_t)queued;
			return true;
		}
	}
	return false;
}

static void
copy_slot(const struct state_slot *from, struct state_slot *to)
{
	to->head_len = from->head_len;
	to->client = from->client;
	to->base_offset = from->base_offset;
	to->base_written = from->base_written;
	to->prelude_len = from->prelude_len;
	to->plan_written = from->plan_written;
	to->plan_offset = from->plan_offset;
	memcpy(to->head, from->head, sizeof(to->head));
	memcpy(to->prelude, from->prelude, sizeof(to->prelude));
	atomic_store(&to->planned, atomic_load(&from->planned) != 0);
	atomic_store(&to->sent, atomic_load(&from->sent));
	atomic_store(&to->offset, atomic_load(&from->offset));
	atomic_store(&to->skips, atomic_load(&from->skips));
	atomic_store(&to->paused, atomic_load(&from->paused));
}

bool
renew_slot(const struct state_slot *from, struct state_slot *to, int fd, int old_spool, uint64_t tail, uint64_t base)
{
	uint64_t written, next;
	size_t rest;

	copy_slot(from, to);
	if (to->head_len > STATE_HEAD_MAX || to->prelude_len > STATE_PRELUDE_MAX || !written_to(fd, &written))
		return false;
	if (atomic_load(&to->planned)) {
		if (written < to->plan_written || to->plan_offset >= base)
			return false;
		if (written - to->plan_written < to->prelude_len)
			goto done; /* it is finished as it was planned, and leads to what is gone */
		to->base_offset = to->plan_offset;
		to->base_written = to->plan_written + to->prelude_len;
		atomic_store(&to->planned, 0);
	}
	if (written < to->base_written && to->base_written - written > to->head_len)
		return false;
	next = to->base_offset + (written > to->base_written ? written - to->base_written : 0);
	if (next >= base || next < to->base_offset)
		return false;
	rest = (TS_PACKET - next % TS_PACKET) % TS_PACKET;
	/* Behind the tail its worker has put the rest aside itself. */
	if (next >= tail && rest > 0 && pread(old_spool, to->prelude, rest, (off_t)next) != (ssize_t)rest)
		return false;
	to->prelude_len = (uint32_t)rest;
done:
	atomic_store_explicit(&to->phase, SLOT_BODY, memory_order_release);
	return true;
}

/* Where the new spool begins: behind all that anyone was sent. 0: the old state says what can't be. */
static uint64_t
base_behind(const struct state *old)
{
	uint64_t released = atomic_load_explicit(&old->released, memory_order_acquire);

	/* Half of what there can be: the other half is for the stream to come. */
	return released < SPOOL_SIZE / 2 ? released - released % TS_PACKET + (uint64_t)2 * TS_PACKET : 0;
}

static void
carry_clients(struct stream *s, const struct state *old, struct state *fresh, int old_spool, uint64_t base)
{
	uint64_t tail = atomic_load_explicit(&old->tail, memory_order_acquire);
	struct client *c;
	size_t carried = 0, lost = 0;

	TAILQ_FOREACH(c, &s->clients, link)
	{
		const struct state_slot *from = c->slot != CLIENT_NO_SLOT ? &old->slots[c->slot] : NULL;

		/* client_carry() says what becomes of those who have none. */
		if (from == NULL || c->conn.fd == -1 || atomic_load(&from->phase) != SLOT_BODY ||
		    from->client != c->number)
			continue;
		if (renew_slot(from, &fresh->slots[c->slot], c->conn.fd, old_spool, tail, base))
			carried++;
		else
			lost++;
	}
	log_event(LOG_WARNING, "stream.renew",
	    "channel=%s stream=%" PRIu64 " layout=%u clients=%zu lost=%zu offset=%" PRIu64, s->guide_number, s->number,
	    (unsigned)old->layout, carried, lost, base);
}

bool
renew(struct stream *s)
{
	struct state *old = NULL, *fresh = NULL;
	int spool = -1, state = -1;
	uint64_t base;

	pb_assert(s->worker == NULL);
	if (!spool_valid(s->spool_fd) || state_map_prefix(s->state_fd, &old) != 0)
		return false;
	base = base_behind(old);
	if (base == 0 || spool_create(&spool) != 0 || state_create(&state, &fresh) != 0) {
		if (spool != -1)
			close(spool);
		state_unmap_prefix(&old);
		return false;
	}
	atomic_store(&fresh->head, base);
	atomic_store(&fresh->released, base);
	atomic_store(&fresh->tail, base);
	carry_clients(s, old, fresh, s->spool_fd, base);
	state_unmap_prefix(&old);
	stream_drop_memory(s);
	s->spool_fd = spool;
	s->state_fd = state;
	s->state = fresh;
	s->held = keep_memory(s->streams->keep, s->number, spool, state);
	return true;
}
