/*
 * fake-worker.c - a plexbridge-worker without a source, for the supervisor's tests
 *
 * Speaks ipc/msg.h on fd 3 as the real one does, and sends every client the
 * same bytes: null packets, 1880 every 20 ms, from the spool. What it does
 * wrong, and when, is said by the channel's URL (http://x/WORD) and by the
 * file named in PB_FAKE_START, which holds one of "exit100", "exit111",
 * "crash" while workers are to fail at their start.
 *
 *   media       media at once
 *   never       no media ever
 *   fail806     W_FAILED 806
 *   crash       SIGSEGV instead of media
 *   garbage     an unknown message instead of media
 *   hang        media, then no heartbeat any more
 *   deaf        media, but does not end when asked to
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

struct viewer {
	int fd;
	uint64_t number;
	uint64_t at;
	bool eof;
};

static struct viewer viewers[STATE_SLOTS];
static uint32_t viewer_count;
static int spool = -1, state_fd = -1;
static struct state *state;
static uint64_t head;
static char word[64];

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

static void
fail_at_start(void)
{
	const char *path = getenv("PB_FAKE_START");
	char text[32] = "";
	FILE *f = path != NULL ? fopen(path, "re") : NULL;

	if (f == NULL)
		return;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "exit100") == 0)
		_exit(PB_EXIT_PERMANENT);
	if (strcmp(text, "exit111") == 0)
		_exit(PB_EXIT_TEMPORARY);
	if (strcmp(text, "crash") == 0)
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
	close(viewers[slot].fd);
	viewers[slot].fd = -1;
}

static void
on_tune(struct msg *m)
{
	static struct msg_tune tune;
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
	if (is("crash"))
		raise(SIGSEGV);
	if (is("garbage"))
		(void)msg_send(CHANNEL, 77, NULL, 0, NULL, 0);
	if (is("fail806"))
		(void)msg_send(CHANNEL, MSG_W_FAILED, &failed, sizeof(failed), NULL, 0);
	if (is("media") || is("hang") || is("deaf"))
		(void)msg_send(CHANNEL, MSG_W_MEDIA, NULL, 0, NULL, 0);
}

static void
on_client(struct msg *m)
{
	struct msg_client c;
	struct viewer *v;

	memcpy(&c, m->data, sizeof(c));
	v = &viewers[c.slot];
	*v = (struct viewer){ .fd = m->fds[0], .number = c.client, .at = head };
	m->nfds = 0;
	viewer_count = PB_MAX(viewer_count, c.slot + 1);
	state->slots[c.slot].client = c.client;
	atomic_store(&state->slots[c.slot].sent, 0);
	atomic_store(&state->slots[c.slot].phase, SLOT_BODY);
	if (send(v->fd, c.head, c.head_len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)c.head_len)
		report(c.slot, CLIENT_GONE);
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
		else if (m.type == MSG_S_STOP && !is("deaf"))
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
	while (v->at < head) {
		n = spool_send(spool, v->fd, v->at, (size_t)(head - v->at));
		if (n < 0) {
			report(slot, CLIENT_GONE);
			return;
		}
		if (n == 0)
			return;
		v->at += (uint64_t)n;
		atomic_fetch_add(&state->slots[slot].sent, (uint64_t)n);
		atomic_store(&state->slots[slot].offset, v->at);
	}
}

static void
step(void)
{
	static uint8_t chunk[CHUNK];
	struct state_snapshot *draft;

	if (state == NULL)
		return;
	if (!is("hang"))
		atomic_store(&state->heartbeat_ns, now_ns());
	for (size_t i = 0; i < sizeof(chunk); i += 188) {
		memset(chunk + i, 0xff, 188);
		memcpy(chunk + i, "\x47\x1f\xff\x10", 4);
	}
	if (spool_write(spool, head, chunk, sizeof(chunk)) != 0)
		_exit(PB_EXIT_TEMPORARY);
	head += sizeof(chunk);
	draft = state_draft(state);
	draft->head = head;
	state_mark_put(state, draft, head - sizeof(chunk), (int64_t)(head / CHUNK) * STEP_MS * 27000, true);
	state_commit(state);
	atomic_store(&state->released, head);
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
	for (;;) {
		int n = poll(&p, 1, STEP_MS);

		if (n == -1 && errno != EINTR)
			return PB_EXIT_TEMPORARY;
		if (n == 1)
			hear();
		step();
	}
}
