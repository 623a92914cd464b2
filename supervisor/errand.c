/*
 * errand.c - how the promise in errand.h is kept
 */
#include "supervisor/errand.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"

#define DATA_BYTES ((uint64_t)512 << 20) /* RLIMIT_DATA: far above what it needs */
#define WRONGS_MAX (IMPORT_WRONG_MAX + 1)
#define MESSAGES_A_TURN 32

static struct msg message; /* one at a time; too large for a stack */

void
errand_init(struct errand *errand, struct ev_loop *loop)
{
	memset(errand, 0, sizeof(*errand));
	errand->loop = loop;
	errand->fd = errand->result = -1;
}

bool
errand_runs(const struct errand *errand)
{
	/* Until all that it said is heard: what follows of that may not be another errand. */
	return errand->child.pid != 0 || errand->fd != -1;
}

void
errand_kill(struct errand *errand)
{
	child_kill(&errand->child, SIGKILL);
}

/* What it may not say ends it. */
static void
distrust(struct errand *e, const char *why)
{
	log_event(LOG_ERR, "guide.distrust", "pid=%d why=\"%s\"", (int)e->child.pid, why);
	e->heard = false;
	ev_io_stop(e->loop, &e->io);
	errand_kill(e);
}

static void
on_done(struct errand *e, struct msg *m)
{
	if (m->len != sizeof(e->how) || m->nfds > 1 || e->heard) {
		distrust(e, "how it went: not as it should be");
		return;
	}
	memcpy(&e->how, m->data, sizeof(e->how));
	msg_text(e->how.why, sizeof(e->how.why));
	msg_text(e->how.etag, sizeof(e->how.etag));
	msg_text(e->how.modified, sizeof(e->how.modified));
	if (e->how.verdict >= IMPORT_VERDICTS) {
		distrust(e, "how it went: no such verdict");
		return;
	}
	e->how.retry_after_s = PB_MIN(e->how.retry_after_s, 86400u);
	if (m->nfds == 1) {
		e->result = m->fds[0];
		m->fds[0] = -1;
	}
	e->heard = true;
	if (e->early != NULL && e->result != -1) {
		struct import_done how = e->how;
		int fd = e->result;

		e->result = -1;
		e->early(e, &how, fd);
	}
}

static void
hear(struct errand *e, struct msg *m)
{
	struct import_wrong wrong;

	switch (m->type) {
	case IMPORT_AT:
		if (m->len == sizeof(e->at))
			memcpy(&e->at, m->data, sizeof(e->at));
		else
			distrust(e, "how far it is: not as it should be");
		break;
	case IMPORT_WRONG:
		if (m->len != sizeof(wrong) || ++e->wrongs > WRONGS_MAX) {
			distrust(e, "what is wrong: not as it should be");
			break;
		}
		memcpy(&wrong, m->data, sizeof(wrong));
		msg_text(wrong.why, sizeof(wrong.why));
		e->wrong(e, &wrong);
		break;
	case IMPORT_DONE:
		on_done(e, m);
		break;
	default:
		distrust(e, "an unknown message");
	}
}

/* 0 when there may be more. */
static int
listen(struct errand *e)
{
	int err = msg_recv(e->fd, &message);

	if (err == 0) {
		hear(e, &message);
		msg_close_fds(&message);
	} else if (err == PB_EPEER)
		distrust(e, "a message that is none");
	return err;
}

static void
on_io(struct ev_loop *loop, ev_io *io, int events)
{
	struct errand *e = io->data;
	int err = 0;

	(void)events;
	for (int i = 0; i < MESSAGES_A_TURN && err == 0; i++)
		err = listen(e);
	if (err != 0 && err != PB_AGAIN)
		ev_io_stop(loop, io);
}

static void
on_late(struct ev_loop *loop, ev_timer *late, int events)
{
	struct errand *e = late->data;

	(void)loop;
	(void)events;
	log_event(LOG_WARNING, "guide.late", "pid=%d why=\"it takes too long and is killed\"", (int)e->child.pid);
	errand_kill(e);
}

static void
on_died(struct child *child, int status)
{
	struct errand *e = (struct errand *)((char *)child - offsetof(struct errand, child));
	struct import_done how;
	char text[32];
	int fd;

	/* What it said last is still to be heard. */
	for (int i = 0; i < 2 * WRONGS_MAX && e->fd != -1; i++)
		if (listen(e) != 0)
			break;
	ev_io_stop(e->loop, &e->io);
	ev_timer_stop(e->loop, &e->late);
	(void)close(e->fd);
	e->fd = -1;
	if (!e->heard) {
		memset(&e->how, 0, sizeof(e->how));
		e->how.verdict = IMPORT_FAILED;
		snprintf(e->how.why, sizeof(e->how.why), "plexbridge-guide ended before it was done: %s",
		    child_status_text(text, sizeof(text), status));
		if (e->result != -1)
			(void)close(e->result);
		e->result = -1;
	}
	e->well = e->heard && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	how = e->how;
	fd = e->result;
	e->result = -1;
	e->done(e, &how, fd);
}

/* It has secrets, and may be longer than a message. */
int
errand_job(void)
{
	return memfd_create("plexbridge-job", MFD_CLOEXEC);
}

int
errand_job_add(int fd, const char *job, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, job + done, len - done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return PB_ESYS;
		done += (size_t)n;
	}
	return 0;
}

static int
tell(struct errand *e, int job, const int *out, size_t outs, const struct errand_file *files, size_t file_count)
{
	int fds[MSG_FDS_MAX] = { job };
	int err = 0;

	/* Several a message: a socket may hold no more than ten. */
	for (size_t i = 0, n; i < file_count && err == 0; i += n) {
		struct import_file file = { files[i].which };
		int some[MSG_FDS_MAX];

		for (n = 0; n < NITEMS(some) && i + n < file_count && files[i + n].which == file.which + n; n++)
			some[n] = files[i + n].fd;
		err = msg_send(e->fd, IMPORT_FILE, &file, sizeof(file), some, n);
	}
	for (size_t i = 0; i < outs; i++)
		fds[1 + i] = out[i];
	return err != 0 ? err : msg_send(e->fd, IMPORT_JOB, NULL, 0, fds, 1 + outs);
}

int
errand_start(struct errand *e, const struct privs *privs, const char *job, size_t len, const int *out, size_t outs,
    const struct errand_file *files, size_t file_count, double seconds)
{
	int fd = errand_job(), err = PB_ESYS;

	if (fd != -1 && errand_job_add(fd, job, len) == 0)
		err = errand_start_file(e, privs, fd, out, outs, files, file_count, seconds);
	if (fd != -1)
		(void)close(fd);
	return err;
}

int
errand_start_file(struct errand *e, const struct privs *privs, int job, const int *out, size_t outs,
    const struct errand_file *files, size_t file_count, double seconds)
{
	static char name[] = "plexbridge-guide";
	char *argv[] = { name, NULL };
	const struct child_limits limits = { .privs = privs, .data_bytes = DATA_BYTES };
	char program[PATH_MAX];
	int pair[2], err;

	pb_assert(!errand_runs(e) && outs < MSG_FDS_MAX && file_count <= ERRAND_FILES_MAX);
	if (!child_program(program, sizeof(program), name))
		return PB_NO;
	if (msg_pair(pair) != 0)
		return PB_ESYS;
	e->fd = pair[0];
	e->heard = false;
	e->wrongs = 0;
	e->result = -1;
	memset(&e->at, 0, sizeof(e->at));
	/* It finds all of it in its socket when it comes up. */
	err = tell(e, job, out, outs, files, file_count);
	e->child.died = on_died;
	if (err == 0)
		err = child_start(&e->child, e->loop, program, argv, pair[1], &limits);
	(void)close(pair[1]);
	if (err != 0) {
		(void)close(e->fd);
		e->fd = -1;
		return err == PB_AGAIN ? PB_ELIMIT : PB_ESYS;
	}
	ev_io_init(&e->io, on_io, e->fd, EV_READ);
	e->io.data = e;
	ev_io_start(e->loop, &e->io);
	ev_timer_init(&e->late, on_late, seconds, 0.);
	e->late.data = e;
	ev_timer_start(e->loop, &e->late);
	return 0;
}
