/*
 * notify.c - datagrams, a queue behind them, and pipes that are closed
 *
 * One socket, connected: its messages stay in order, and it is writable
 * only when the holder's end has room (an unconnected one always claims to
 * be). A descriptor that waits in the queue is a copy of ours, so that the
 * caller may close its own.
 */
#include "supervisor/notify.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"

#define FIRST_FD 3
#define RETRY_S 0.05 /* for a failure that no writable socket announces */

struct saying {
	STAILQ_ENTRY(saying) link;
	int fd; /* ours; -1: none */
	size_t len;
	char text[NOTIFY_TEXT];
};

struct barrier {
	LIST_ENTRY(barrier) link;
	struct notify *notify;
	int fd; /* we read from it; -1: there is no holder */
	ev_io closed;
	ev_timer late;
	void (*done)(void *user, int err);
	void *user;
};

struct notify {
	struct ev_loop *loop;
	int fd; /* -1: there is no holder */
	struct sockaddr_un address;
	socklen_t address_len;
	STAILQ_HEAD(, saying) queue;
	size_t queued;
	LIST_HEAD(, barrier) barriers;
	ev_io writable;
	ev_timer retry;
	ev_timer watchdog;
	size_t stored, name_bytes;
};

static bool
name_allowed(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':')
			return false;
	return len > 0 && len <= NOTIFY_NAME;
}

/*
 * What was held for us
 */

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct notify_fd *)a)->name, ((const struct notify_fd *)b)->name);
}

static bool
number_of(const char *text, long long max, long long *out)
{
	const char *why;

	*out = strtonum(text, 0, max, &why);
	return why == NULL;
}

static int
take(struct notify_held *out, size_t count, const char *names)
{
	out->at = calloc(count, sizeof(*out->at));
	if (out->at == NULL)
		return PB_ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct notify_fd *f = &out->at[out->count];
		size_t len = strcspn(names, ":");

		f->fd = FIRST_FD + (int)i;
		if (name_allowed(names, len))
			memcpy(f->name, names, len);
		names += len + (names[len] == ':');
		/* One that isn't open is not there, whatever was said. */
		if (fcntl(f->fd, F_SETFD, FD_CLOEXEC) == 0)
			out->count++;
		else
			memset(f, 0, sizeof(*f));
	}
	qsort(out->at, out->count, sizeof(*out->at), by_name);
	return 0;
}

int
notify_held_read(struct notify_held *out)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	long long number, count;
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (pid == NULL || fds == NULL)
		;
	else if (!number_of(pid, INT32_MAX, &number) || !number_of(fds, NOTIFY_STORE_MAX * 2, &count))
		err = PB_EFORMAT;
	else if (number == getpid() && count > 0)
		err = take(out, (size_t)count, names != NULL ? names : "");
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	return err;
}

int
notify_held_add(struct notify_held *held, const char *name, int fd)
{
	size_t len = strlen(name);
	int err = name_allowed(name, len) ? 0 : PB_EFORMAT;

	if (err == 0 && held->count == held->room) {
		size_t room = held->room > 0 ? held->room * 2 : 64;
		struct notify_fd *more = reallocarray(held->at, room, sizeof(*more));

		if (more == NULL)
			err = PB_ENOMEM;
		else {
			held->at = more;
			held->room = room;
		}
	}
	if (err != 0) {
		close(fd);
		return err;
	}
	held->at[held->count].fd = fd;
	memcpy(held->at[held->count].name, name, len + 1);
	held->count++;
	return 0;
}

void
notify_held_sort(struct notify_held *held)
{
	if (held->count > 0)
		qsort(held->at, held->count, sizeof(*held->at), by_name);
}

int
notify_held_claim(struct notify_held *held, const char *name)
{
	struct notify_fd key = { .fd = -1 };
	struct notify_fd *found;
	int fd;

	if (held->count == 0 || !name_allowed(name, strlen(name)))
		return -1;
	memcpy(key.name, name, strlen(name));
	found = bsearch(&key, held->at, held->count, sizeof(key), by_name);
	if (found == NULL)
		return -1;
	fd = found->fd;
	found->fd = -1;
	return fd;
}

void
notify_held_clear(struct notify_held *held)
{
	for (size_t i = 0; i < held->count; i++)
		if (held->at[i].fd != -1)
			close(held->at[i].fd);
	free(held->at);
	memset(held, 0, sizeof(*held));
}

/*
 * Sending
 */

/* 0, PB_AGAIN (a writable socket will tell), PB_NO (only time will). */
static int
send_now(struct notify *n, const struct saying *s)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)s->text, .iov_len = s->len };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (s->fd != -1) {
		struct cmsghdr *c;

		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &s->fd, sizeof(int));
	}
	for (;;) {
		if (sendmsg(n->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return PB_AGAIN;
		/* Its socket was made anew: so are we connected anew, and the next try is for it. */
		if (errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET)
			(void)connect(n->fd, (const struct sockaddr *)&n->address, n->address_len);
		/* ETOOMANYREFS, ENOBUFS, ENOMEM: these pass. */
		return PB_NO;
	}
}

static void
saying_free(struct saying *s)
{
	if (s->fd != -1)
		close(s->fd);
	free(s);
}

static void
flush(struct notify *n)
{
	struct saying *s;
	int err = 0;

	while ((s = STAILQ_FIRST(&n->queue)) != NULL && (err = send_now(n, s)) == 0) {
		STAILQ_REMOVE_HEAD(&n->queue, link);
		n->queued--;
		saying_free(s);
	}
	ev_io_stop(n->loop, &n->writable);
	ev_timer_stop(n->loop, &n->retry);
	if (s == NULL)
		return;
	if (err == PB_AGAIN)
		ev_io_start(n->loop, &n->writable);
	else {
		ev_timer_set(&n->retry, RETRY_S, 0.0);
		ev_timer_start(n->loop, &n->retry);
	}
}

static void
on_writable(struct ev_loop *loop, ev_io *watch, int revents)
{
	(void)loop;
	(void)revents;
	flush(watch->data);
}

static void
on_retry(struct ev_loop *loop, ev_timer *watch, int revents)
{
	(void)loop;
	(void)revents;
	flush(watch->data);
}

static int say(struct notify *n, int fd, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Takes fd, whatever comes of it. */
static int
say(struct notify *n, int fd, const char *fmt, ...)
{
	struct saying *s;
	va_list ap;
	int len;

	if (n->fd == -1 || n->queued == NOTIFY_QUEUE || (s = malloc(sizeof(*s))) == NULL) {
		if (fd != -1)
			close(fd);
		return n->fd == -1 ? 0 : n->queued == NOTIFY_QUEUE ? PB_ELIMIT : PB_ENOMEM;
	}
	s->fd = fd;
	va_start(ap, fmt);
	len = vsnprintf(s->text, sizeof(s->text), fmt, ap);
	va_end(ap);
	pb_assert(len > 0);
	s->len = PB_MIN((size_t)len, sizeof(s->text) - 1);
	STAILQ_INSERT_TAIL(&n->queue, s, link);
	if (n->queued++ == 0)
		flush(n);
	return 0;
}

int
notify_ready(struct notify *n)
{
	return say(n, -1, "READY=1");
}

int
notify_status(struct notify *n, const char *fmt, ...)
{
	char text[NOTIFY_TEXT - 16];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A line of its own would be another assignment. */
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	return say(n, -1, "STATUS=%s", text);
}

int
notify_reloading(struct notify *n)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return say(n, -1, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

int
notify_stopping(struct notify *n)
{
	return say(n, -1, "STOPPING=1");
}

int
notify_mainpid(struct notify *n, pid_t pid)
{
	return say(n, -1, "MAINPID=%d", (int)pid);
}

int
notify_store(struct notify *n, const char *name, int fd)
{
	size_t len = strlen(name);
	int copy, err;

	pb_assert(name_allowed(name, len));
	if (n->fd == -1)
		return 0;
	if (n->stored == NOTIFY_STORE_MAX || n->name_bytes + len + 1 > NOTIFY_NAMES_MAX)
		return PB_ELIMIT;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy == -1)
		return PB_ESYS;
	/* FDPOLL=0: a viewer's connection that is broken is ours to end, not the holder's to drop. */
	err = say(n, copy, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	if (err == 0) {
		n->stored++;
		n->name_bytes += len + 1;
	}
	return err;
}

int
notify_forget(struct notify *n, const char *name)
{
	size_t len = strlen(name);
	int err;

	pb_assert(name_allowed(name, len));
	if (n->fd == -1)
		return 0;
	err = say(n, -1, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	if (err == 0) {
		pb_assert(n->stored > 0 && n->name_bytes > len);
		n->stored--;
		n->name_bytes -= len + 1;
	}
	return err;
}

size_t
notify_stored(const struct notify *n)
{
	return n->stored;
}

int
notify_environ(const struct notify *n)
{
	char text[sizeof(n->address.sun_path) + 1] = "", usec[32];
	int err = 0;

	if (n->fd == -1)
		return 0;
	memcpy(text, n->address.sun_path, n->address_len - offsetof(struct sockaddr_un, sun_path));
	if (text[0] == '\0')
		text[0] = '@';
	err |= setenv("NOTIFY_SOCKET", text, 1);
	snprintf(usec, sizeof(usec), "%.0f", n->watchdog.repeat * 2e6);
	if (ev_is_active(&n->watchdog))
		err |= setenv("WATCHDOG_USEC", usec, 1);
	return err != 0 ? PB_ENOMEM : 0;
}

bool
notify_there(const struct notify *n)
{
	return n->fd != -1;
}

/*
 * Barriers
 */

static void
barrier_free(struct barrier *b)
{
	LIST_REMOVE(b, link);
	ev_timer_stop(b->notify->loop, &b->late);
	if (b->fd != -1) {
		ev_io_stop(b->notify->loop, &b->closed);
		close(b->fd);
	}
	free(b);
}

static void
barrier_done(struct barrier *b, int err)
{
	void (*done)(void *, int) = b->done;
	void *user = b->user;

	barrier_free(b);
	done(user, err);
}

static void
on_closed(struct ev_loop *loop, ev_io *watch, int revents)
{
	char byte;
	ssize_t n = read(watch->fd, &byte, 1);

	(void)loop;
	(void)revents;
	/* Nobody has a reason to write into it; then it's not the end that we wait for. */
	if (n == 0)
		barrier_done(watch->data, 0);
}

static void
on_late(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct barrier *b = watch->data;

	(void)loop;
	(void)revents;
	barrier_done(b, b->fd == -1 ? 0 : PB_ETIME);
}

int
notify_barrier(struct notify *n, ev_tstamp bound_s, void (*done)(void *user, int err), void *user)
{
	struct barrier *b;
	int fds[2] = { -1, -1 };
	int err;

	if (n->fd != -1 && pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
		return PB_ESYS;
	b = calloc(1, sizeof(*b));
	err = b == NULL ? PB_ENOMEM : 0;
	if (err == 0 && n->fd != -1) {
		err = say(n, fds[1], "BARRIER=1");
		fds[1] = -1;
	}
	if (err != 0) {
		free(b);
		for (size_t i = 0; i < NITEMS(fds); i++)
			if (fds[i] != -1)
				close(fds[i]);
		return err;
	}
	b->notify = n;
	b->fd = fds[0];
	b->done = done;
	b->user = user;
	LIST_INSERT_HEAD(&n->barriers, b, link);
	ev_timer_init(&b->late, on_late, b->fd == -1 ? 0.0 : bound_s, 0.0);
	b->late.data = b;
	ev_timer_start(n->loop, &b->late);
	ev_io_init(&b->closed, on_closed, b->fd, EV_READ);
	b->closed.data = b;
	if (b->fd != -1)
		ev_io_start(n->loop, &b->closed);
	return 0;
}

/*
 * The beginning and the end
 */

static void
on_watchdog(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct notify *n = watch->data;

	(void)loop;
	(void)revents;
	/* A queue that doesn't move has said so often enough. */
	if (n->queued == 0)
		(void)say(n, -1, "WATCHDOG=1");
}

static void
watchdog_start(struct notify *n)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	long long us = 0, whose = 0;

	if (n->fd != -1 && usec != NULL && number_of(usec, INT64_MAX / 2, &us) && us > 0 &&
	    (pid == NULL || (number_of(pid, INT32_MAX, &whose) && whose == getpid()))) {
		ev_timer_set(&n->watchdog, 0.0, (double)us / 2e6);
		ev_timer_start(n->loop, &n->watchdog);
	}
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

static int
address_read(struct notify *n)
{
	const char *text = getenv("NOTIFY_SOCKET");
	size_t len;

	if (text == NULL || text[0] == '\0')
		return PB_NO;
	if ((text[0] != '/' && text[0] != '@') || text[1] == '\0')
		return PB_ENOSUP;
	len = strlen(text);
	/* A path needs its end; an abstract name may fill it all. */
	if (len > sizeof(n->address.sun_path) - (text[0] == '/'))
		return PB_EFORMAT;
	n->address.sun_family = AF_UNIX;
	memcpy(n->address.sun_path, text, len);
	if (text[0] == '@')
		n->address.sun_path[0] = '\0';
	n->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (text[0] == '/'));
	return 0;
}

static int
open_socket(struct notify *n)
{
	int err = address_read(n);

	(void)unsetenv("NOTIFY_SOCKET");
	if (err != 0)
		return err == PB_NO ? 0 : err;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd == -1)
		return PB_ESYS;
	return connect(n->fd, (const struct sockaddr *)&n->address, n->address_len) == -1 ? PB_ESYS : 0;
}

int
notify_new(struct notify **out, struct ev_loop *loop, const struct notify_held *held)
{
	struct notify *n = calloc(1, sizeof(*n));
	int err;

	if (n == NULL)
		return PB_ENOMEM;
	n->loop = loop;
	n->fd = -1;
	STAILQ_INIT(&n->queue);
	LIST_INIT(&n->barriers);
	ev_timer_init(&n->retry, on_retry, 0.0, 0.0);
	ev_timer_init(&n->watchdog, on_watchdog, 0.0, 0.0);
	ev_io_init(&n->writable, on_writable, -1, EV_WRITE);
	n->retry.data = n->watchdog.data = n->writable.data = n;
	err = open_socket(n);
	if (err != 0) {
		notify_free(&n);
		return err;
	}
	ev_io_set(&n->writable, n->fd, EV_WRITE);
	for (size_t i = 0; held != NULL && i < held->count; i++) {
		n->stored++;
		n->name_bytes += strlen(held->at[i].name) + 1;
	}
	watchdog_start(n);
	*out = n;
	return 0;
}

void
notify_free(struct notify **notify)
{
	struct notify *n = *notify;
	struct saying *s;
	struct barrier *b;
	int saved = errno;

	if (n == NULL)
		return;
	flush(n);
	ev_io_stop(n->loop, &n->writable);
	ev_timer_stop(n->loop, &n->retry);
	ev_timer_stop(n->loop, &n->watchdog);
	while ((b = LIST_FIRST(&n->barriers)) != NULL)
		barrier_free(b);
	while ((s = STAILQ_FIRST(&n->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&n->queue, link);
		saying_free(s);
	}
	if (n->fd != -1)
		close(n->fd);
	free(n);
	*notify = NULL;
	errno = saved;
}
