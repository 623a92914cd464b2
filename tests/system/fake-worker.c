/*
 * fake-worker.c - a plexbridge-worker without a source, for the supervisor's tests
 *
 * Speaks ipc/msg.h on fd 3 as the real one does, and sends every client the
 * same bytes from the spool: null packets, 1880 bytes every 20 ms, each with
 * its number in the stream in its first 8 bytes of payload (viewers.c checks
 * them). It adopts as the real one does: from the commit, and each client
 * from where the kernel says it is. What it does
 * wrong, and when, is said by the channel's URL (http://x/WORD) and by the
 * file named in PB_FAKE_START, which holds one of "exit100", "exit111",
 * "crash" while workers are to fail at their start, or "peace" while loop is
 * to be like media.
 *
 *   media       media at once
 *   never       no media ever
 *   fail806     W_FAILED 806
 *   crash       SIGSEGV instead of media
 *   garbage     an unknown message instead of media
 *   hang        media, then no heartbeat any more (the first worker of a stream only)
 *   deaf        media, but does not end when asked to
 *   dumb        neither media nor an end
 *   flaky       kills itself every 0.3 to 0.6 s, each time at another point
 *   poison      SIGSEGV at segment 3, unless told to leave it out
 *   loop        exits 111 after 0.4 s, and each successor at once
 *
 * These misbehave after 0.4 s, the first worker of a stream only:
 *
 *   quit        exits 0, unasked
 *   babble      sends an unknown message
 *   stuck       its heart beats, but it releases nothing any more
 *   greedy      releases, but sends nothing any more
 *   fat         takes 20 MiB of memory
 *   spoil       writes nonsense over slot 1, and crashes
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"
#include "ipc/msg.h"
#include "ipc/spool.h"
#include "ipc/state.h"

#define CHANNEL 3
#define CHUNK (10 * 188)
#define STEP_MS 20
#define TROUBLE_STEPS 20 /* until one with a fault shows it */
#define SEGMENT_STEPS 10

/* As worker/client.c has it: the libc's struct may end before bytes_acked. */
struct tcp_info_acked {
	struct tcp_info head;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
};

struct viewer {
	int fd;
	uint64_t number;
	uint64_t at;
	uint32_t head_sent;
	bool eof;
};

/* Where flaky dies: one after the other, whoever of the stream's workers it is. */
enum point { IN_APPEND, BEFORE_COMMIT, AFTER_COMMIT, IN_SLOT, BEFORE_HEAD, IN_HEAD, IN_SEND, POINTS };
#define POINT_STEPS 10 /* a point that doesn't come up for so long is passed over */

static struct viewer viewers[STATE_SLOTS];
static uint32_t viewer_count;
static int spool = -1, state_fd = -1;
static struct state *state;
static uint64_t head;
static char word[64];
static bool adopted;
static unsigned steps, life; /* life: steps until flaky dies */
static struct msg_tune tune;

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool
is(const char *w)
{
	return strcmp(word, w) == 0;
}

static bool
in_trouble(const char *w)
{
	return !adopted && steps > TROUBLE_STEPS && is(w);
}

/* Which point it is stands in the state, which outlives this process. */
static void
maybe_die(enum point here)
{
	if (!is("flaky") || steps < life)
		return;
	if (atomic_load(&state->progress) % POINTS == here || steps > life + POINT_STEPS) {
		atomic_fetch_add(&state->progress, 1);
		raise(SIGKILL);
	}
}

/* Bytes ever written to a connection, by the kernel's own count. */
static uint64_t
written(int fd)
{
	struct tcp_info_acked before, after;
	int queued;

	do {
		socklen_t len = sizeof(before);

		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &before, &len) == -1 || ioctl(fd, SIOCOUTQ, &queued) == -1)
			return 0;
		len = sizeof(after);
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &after, &len) == -1)
			return 0;
	} while (before.bytes_acked != after.bytes_acked);
	return after.bytes_acked + (uint64_t)queued;
}

/* Does the file in PB_FAKE_START say so at the moment? */
static bool
told(const char *what)
{
	const char *path = getenv("PB_FAKE_START");
	char text[32] = "";
	FILE *f = path != NULL ? fopen(path, "re") : NULL;

	if (f == NULL)
		return false;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, what) == 0;
}

static void
fail_at_start(void)
{
	if (told("exit100"))
		_exit(PB_EXIT_PERMANENT);
	if (told("exit111"))
		_exit(PB_EXIT_TEMPORARY);
	if (told("crash"))
		raise(SIGKILL);
}

static void
report(uint32_t slot, uint32_t event)
{
	struct msg_client_report r = { .client = viewers[slot].number, .slot = slot, .event = event };

	r.sent = atomic_load(&state->slots[slot].sent);
	/* A lost report would be a client that never goes. */
	while (msg_send(CHANNEL, MSG_W_CLIENT, &r, sizeof(r), NULL, 0) == PB_AGAIN)
		(void)poll(&(struct pollfd){ .fd = CHANNEL, .events = POLLOUT }, 1, -1);
	if (event == CLIENT_EOF)
		return;
	atomic_store(&state->slots[slot].phase, SLOT_ENDED);
	close(viewers[slot].fd);
	viewers[slot].fd = -1;
}

/* Dies of the signal itself: a sanitizer's own handler would make SIGABRT or exit 1 of it. */
static void
segfault(void)
{
	(void)signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void
on_tune(struct msg *m)
{
	struct state_snapshot snapshot;
	struct msg_failed failed = { .code = 806, .reason = "told to" };
	const char *slash;

	memcpy(&tune, m->data, sizeof(tune));
	spool = m->fds[0];
	state_fd = m->fds[1];
	m->nfds = 0;
	if (!spool_valid(spool) || state_map(state_fd, &state) != 0)
		_exit(PB_EXIT_TEMPORARY);
	slash = strrchr(tune.url, '/');
	snprintf(word, sizeof(word), "%s", slash != NULL ? slash + 1 : "");
	adopted = tune.adopt != 0;
	life = (unsigned)(15 + getpid() % 15);
	if (adopted) {
		if (!state_snapshot_read(state, &snapshot) || is("loop"))
			_exit(PB_EXIT_TEMPORARY);
		head = snapshot.head;
		return;
	}
	if (is("crash"))
		segfault();
	if (is("garbage"))
		(void)msg_send(CHANNEL, 77, NULL, 0, NULL, 0);
	if (is("fail806"))
		(void)msg_send(CHANNEL, MSG_W_FAILED, &failed, sizeof(failed), NULL, 0);
	if (!is("never") && !is("dumb") && !is("garbage") && !is("fail806"))
		(void)msg_send(CHANNEL, MSG_W_MEDIA, NULL, 0, NULL, 0);
}

/* Slot first, head after: whoever comes next knows what this one is owed. */
static void
begin(struct viewer *v, struct state_slot *slot, const struct msg_client *c)
{
	v->at = atomic_load(&state->released);
	slot->client = c->client;
	slot->head_len = c->head_len;
	memcpy(slot->head, c->head, c->head_len);
	slot->base_offset = v->at;
	slot->base_written = written(v->fd) + c->head_len;
	atomic_store(&slot->planned, 0);
	atomic_store(&slot->sent, 0);
	atomic_store(&slot->offset, v->at);
	maybe_die(IN_SLOT);
	atomic_store(&slot->phase, SLOT_BODY);
}

static void
resume(struct viewer *v, const struct state_slot *slot)
{
	uint64_t now = written(v->fd);

	if (now >= slot->base_written) {
		v->at = slot->base_offset + (now - slot->base_written);
		v->head_sent = slot->head_len;
	} else {
		v->at = slot->base_offset;
		v->head_sent = slot->head_len - (uint32_t)(slot->base_written - now);
	}
}

static void
on_client(struct msg *m)
{
	struct msg_client c;
	struct viewer *v;

	memcpy(&c, m->data, sizeof(c));
	v = &viewers[c.slot];
	*v = (struct viewer){ .fd = m->fds[0], .number = c.client };
	m->nfds = 0;
	viewer_count = PB_MAX(viewer_count, c.slot + 1);
	if (c.resume)
		resume(v, &state->slots[c.slot]);
	else
		begin(v, &state->slots[c.slot], &c);
}

static void
on_drop(const struct msg *m)
{
	struct msg_drop d;

	memcpy(&d, m->data, sizeof(d));
	if (viewers[d.slot].fd != -1 && viewers[d.slot].number == d.client)
		report(d.slot, CLIENT_DROPPED);
}

static void
hear(void)
{
	static struct msg m;

	for (;;) {
		int err = msg_recv(CHANNEL, &m);

		if (err == PB_AGAIN)
			return;
		if (err != 0)
			_exit(PB_EXIT_TEMPORARY);
		if (m.type == MSG_S_TUNE)
			on_tune(&m);
		else if (m.type == MSG_S_CLIENT)
			on_client(&m);
		else if (m.type == MSG_S_DROP)
			on_drop(&m);
		else if (m.type == MSG_S_STOP && !is("deaf") && !is("dumb"))
			_exit(PB_EXIT_OK);
		msg_close_fds(&m);
	}
}

static void
feed(uint32_t slot)
{
	struct viewer *v = &viewers[slot];
	char drain[256];
	ssize_t n = recv(v->fd, drain, sizeof(drain), MSG_DONTWAIT);

	if (n == 0 && !v->eof) {
		v->eof = true;
		report(slot, CLIENT_EOF);
	}
	if (v->head_sent < state->slots[slot].head_len) {
		bool half = is("flaky") && steps >= life;

		maybe_die(BEFORE_HEAD);
		n = send(v->fd, state->slots[slot].head + v->head_sent,
		    half ? (size_t)1 : state->slots[slot].head_len - v->head_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n <= 0) {
			report(slot, CLIENT_GONE);
			return;
		}
		v->head_sent += (uint32_t)n;
		maybe_die(IN_HEAD);
		if (v->head_sent < state->slots[slot].head_len)
			return;
	}
	while (v->at < atomic_load(&state->released)) {
		/* In pieces that end inside packets, so that a successor begins there. */
		n = spool_send(spool, v->fd, v->at, (size_t)PB_MIN(atomic_load(&state->released) - v->at, 1000));
		if (n < 0) {
			report(slot, CLIENT_GONE);
			return;
		}
		if (n == 0)
			return;
		maybe_die(IN_SEND);
		v->at += (uint64_t)n;
		atomic_fetch_add(&state->slots[slot].sent, (uint64_t)n);
		atomic_store(&state->slots[slot].offset, v->at);
	}
}

static void
trouble(void)
{
	static char *memory;

	if (is("loop") && steps > TROUBLE_STEPS && !told("peace"))
		_exit(PB_EXIT_TEMPORARY);
	if (in_trouble("quit"))
		_exit(PB_EXIT_OK);
	if (in_trouble("babble"))
		(void)msg_send(CHANNEL, 77, NULL, 0, NULL, 0);
	if (in_trouble("spoil")) {
		state->slots[1].client ^= 1U << 31;
		segfault();
	}
	if (in_trouble("fat") && memory == NULL && (memory = malloc(20 << 20)) != NULL)
		for (size_t i = 0; i < 20 << 20; i += 4096)
			((volatile char *)memory)[i] = 1;
}

/* One chunk more, committed. */
static void
append(void)
{
	static uint8_t chunk[CHUNK];
	struct state_snapshot *draft = state_draft(state);
	uint64_t number = head / 188;

	draft->upstream.serial = head / CHUNK / SEGMENT_STEPS;
	atomic_store(&state->in_hand, draft->upstream.serial + 1);
	if (is("poison") && draft->upstream.serial == 3 && !(tune.skip_set && tune.skip_serial == 3))
		segfault();
	for (size_t i = 0; i < sizeof(chunk); i += 188, number++) {
		memset(chunk + i, 0xff, 188);
		memcpy(chunk + i, "\x47\x1f\xff\x10", 4);
		for (unsigned k = 0; k < 8; k++)
			chunk[i + 4 + k] = (uint8_t)(number >> (56 - 8 * k));
	}
	if (spool_write(spool, head, chunk, sizeof(chunk) / 2) != 0)
		_exit(PB_EXIT_TEMPORARY);
	maybe_die(IN_APPEND);
	if (spool_write(spool, head, chunk, sizeof(chunk)) != 0)
		_exit(PB_EXIT_TEMPORARY);
	head += sizeof(chunk);
	draft->head = head;
	state_mark_put(state, draft, head - sizeof(chunk), (int64_t)(head / CHUNK) * STEP_MS * 27000, true);
	maybe_die(BEFORE_COMMIT);
	state_commit(state);
	maybe_die(AFTER_COMMIT);
}

static void
step(void)
{
	if (state == NULL)
		return;
	steps++;
	trouble();
	if (!is("hang") || adopted)
		atomic_store(&state->heartbeat_ns, now_ns());
	append();
	if (!in_trouble("stuck"))
		atomic_store(&state->released, head);
	if (in_trouble("greedy"))
		return;
	for (uint32_t slot = 0; slot < viewer_count; slot++)
		if (viewers[slot].fd != -1)
			feed(slot);
}

int
main(void)
{
	struct msg_hello hello = { .version = MSG_VERSION, .pid = (uint32_t)getpid(), .build = { "fake" } };
	struct pollfd p = { .fd = CHANNEL, .events = POLLIN };

	(void)signal(SIGPIPE, SIG_IGN);
	fail_at_start();
	for (size_t i = 0; i < NITEMS(viewers); i++)
		viewers[i].fd = -1;
	if (msg_send(CHANNEL, MSG_HELLO, &hello, sizeof(hello), NULL, 0) != 0 ||
	    msg_send(CHANNEL, MSG_W_READY, NULL, 0, NULL, 0) != 0)
		return PB_EXIT_TEMPORARY;
	for (int64_t next = now_ns();;) {
		int64_t left_ms = (next - now_ns()) / 1000000;
		int n = poll(&p, 1, (int)PB_MAX(left_ms, 0));

		if (n == -1 && errno != EINTR)
			return PB_EXIT_TEMPORARY;
		if (n == 1)
			hear();
		if (now_ns() < next)
			continue;
		next = now_ns() + STEP_MS * INT64_C(1000000);
		step();
	}
}
