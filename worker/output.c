/*
 * output.c - pread and write, in pieces, when the other end has room
 *
 * O_NONBLOCK belongs to the open file description, which is shared with the
 * shell that started us: so a pipe is opened once more through /proc and
 * only our own description is made non-blocking.
 */
#include "worker/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"

#define PIECE 65536
#define TURN_BYTES (4 << 20)

struct output {
	struct ev_loop *loop;
	struct state *state;
	int spool_fd, fd;
	bool file; /* always ready: no watcher (epoll refuses files) */
	bool blocked;
	uint64_t at, limit;
	void (*on_end)(void *arg, int err);
	void *arg;
	ev_io writable;
	ev_idle more;
};

static void output_ready(struct ev_loop *, ev_io *, int);
static void output_more(struct ev_loop *, ev_idle *, int);

static int
own_description(int fd)
{
	char path[64];
	int own, flags;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (own != -1) {
		close(fd);
		return own;
	}
	/* A socket can't be opened so; it is ours alone to change then. */
	flags = fcntl(fd, F_GETFL);
	if (flags != -1)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return fd;
}

int
output_new(struct output **out, struct ev_loop *loop, int spool_fd, struct state *state, int fd,
    void (*on_end)(void *arg, int err), void *arg)
{
	struct output *o = calloc(1, sizeof(*o));
	struct stat st;

	if (o == NULL)
		return PB_ENOMEM;
	o->file = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
	o->fd = o->file ? fd : own_description(fd);
	o->loop = loop;
	o->spool_fd = spool_fd;
	o->state = state;
	o->on_end = on_end;
	o->arg = arg;
	ev_io_init(&o->writable, output_ready, o->fd, EV_WRITE);
	ev_idle_init(&o->more, output_more);
	o->writable.data = o->more.data = o;
	*out = o;
	return 0;
}

void
output_free(struct output **output)
{
	if (*output == NULL)
		return;
	ev_io_stop((*output)->loop, &(*output)->writable);
	ev_idle_stop((*output)->loop, &(*output)->more);
	close((*output)->fd);
	free(*output);
	*output = NULL;
}

uint64_t
output_at(const struct output *o)
{
	return o->at;
}

static void
output_run(struct output *o)
{
	uint64_t to = PB_MIN(o->limit, atomic_load(&o->state->released));
	uint8_t buf[PIECE];

	for (size_t turn = 0; o->at < to;) {
		ssize_t got, put;

		if (turn >= TURN_BYTES) {
			ev_idle_start(o->loop, &o->more);
			return;
		}
		got = pread(o->spool_fd, buf, (size_t)PB_MIN(to - o->at, sizeof(buf)), (off_t)o->at);
		put = got > 0 ? write(o->fd, buf, (size_t)got) : -1;
		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1 && errno == EAGAIN) {
			o->blocked = true;
			ev_io_start(o->loop, &o->writable);
			return;
		}
		if (put <= 0) {
			o->on_end(o->arg, errno == EPIPE || errno == ECONNRESET ? PB_NO : PB_ESYS);
			return;
		}
		o->at += (uint64_t)put;
		turn += (size_t)put;
	}
}

void
output_service(struct output *o, uint64_t limit)
{
	o->limit = limit;
	if (!o->blocked && !ev_is_active(&o->more))
		output_run(o);
}

static void
output_ready(struct ev_loop *loop, ev_io *w, int revents)
{
	struct output *o = w->data;

	(void)revents;
	ev_io_stop(loop, w);
	o->blocked = false;
	output_run(o);
}

static void
output_more(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)revents;
	ev_idle_stop(loop, w);
	output_run(w->data);
}
