/*
 * listen.c - how the promise in listen.h is kept
 *
 * A process without descriptors can't even refuse: accept() fails, the
 * connection stays in front of the queue, and a level-triggered loop spins.
 * One spare descriptor is kept for that moment. It is given up, the
 * connection in front is accepted and closed, the spare is opened again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "supervisor/listen.h"

#define REST_LINE_S 10.

struct listener {
	ev_io io;
	struct listen *listen;
};

struct listen {
	struct ev_loop *loop;
	struct listener at[LISTEN_MAX];
	size_t count;
	int spare; /* -1 while it could not be opened again */
	bool resting;
	ev_timer rest;
	ev_tstamp next_line; /* earliest next log line about it */
	void (*accepted)(void *arg, int fd, const struct addr *peer);
	void *arg;
};

static int bind_one(const struct config_addr *addr, bool v6only);
static bool shares_port(const struct config_addrs *addrs, const struct config_addr *v6);
static int take_path(const char *path, const struct sockaddr_un *sun);
static int fail(int err, char *why, size_t why_size, const char *where);
static void on_readable(struct ev_loop *loop, ev_io *io, int events);
static void on_rested(struct ev_loop *loop, ev_timer *timer, int events);

int
listen_bind(const struct config_addrs *addrs, int fds[CONFIG_LISTEN_MAX], char *why, size_t why_size)
{
	pb_assert(addrs->count <= CONFIG_LISTEN_MAX);
	for (size_t i = 0; i < addrs->count; i++) {
		const struct config_addr *addr = &addrs->at[i];
		struct addr shown;
		char text[ADDR_TEXT];
		int err;

		fds[i] = bind_one(addr, shares_port(addrs, addr));
		if (fds[i] != -1)
			continue;
		err = errno;
		while (i-- > 0) {
			(void)close(fds[i]);
			fds[i] = -1;
		}
		addr_set(&shown, &addr->sa.any, addr->len);
		return fail(err, why, why_size, addr_text(&shown, text));
	}
	return 0;
}

int
listen_bind_unix(const char *path, mode_t mode, gid_t gid, int *fd, char *why, size_t why_size)
{
	struct sockaddr_un sun;
	mode_t old_mask;
	int err;
	int s;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sun.sun_path))
		return fail(ENAMETOOLONG, why, why_size, path);
	memcpy(sun.sun_path, path, strlen(path));
	if (take_path(path, &sun) == -1)
		return fail(errno, why, why_size, path);

	s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s == -1)
		return fail(errno, why, why_size, path);
	/* Nobody may connect between bind and chown: the socket begins with no rights for others. */
	old_mask = umask(0777 & ~(mode & 0600));
	err = bind(s, (struct sockaddr *)&sun, sizeof(sun));
	(void)umask(old_mask);
	if (err == -1)
		goto fail;
	if (gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid) == -1)
		goto fail_bound;
	if (chmod(path, mode) == -1 || listen(s, LISTEN_BACKLOG) == -1)
		goto fail_bound;
	*fd = s;
	return 0;

fail_bound:
	err = errno;
	(void)unlink(path);
	errno = err;
fail:
	err = errno;
	(void)close(s);
	return fail(err, why, why_size, path);
}

int
listen_start(struct listen **out, struct ev_loop *loop, const int *fds, size_t count,
    void (*accepted)(void *arg, int fd, const struct addr *peer), void *arg)
{
	struct listen *listen;

	pb_assert(count <= LISTEN_MAX);
	listen = calloc(1, sizeof(*listen));
	if (listen == NULL)
		return PB_ENOMEM;
	listen->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (listen->spare == -1) {
		free(listen);
		return PB_ESYS;
	}
	listen->loop = loop;
	listen->accepted = accepted;
	listen->arg = arg;
	listen->count = count;
	ev_timer_init(&listen->rest, on_rested, 0., 0.);
	listen->rest.data = listen;
	for (size_t i = 0; i < count; i++) {
		listen->at[i].listen = listen;
		ev_io_init(&listen->at[i].io, on_readable, fds[i], EV_READ);
		listen->at[i].io.data = &listen->at[i];
		ev_io_start(loop, &listen->at[i].io);
	}
	*out = listen;
	return 0;
}

bool
listen_resting(const struct listen *listen)
{
	return listen->resting;
}

void
listen_pause(struct listen *listen, bool paused)
{
	ev_timer_stop(listen->loop, &listen->rest);
	listen->resting = false;
	for (size_t i = 0; i < listen->count; i++)
		if (paused)
			ev_io_stop(listen->loop, &listen->at[i].io);
		else
			ev_io_start(listen->loop, &listen->at[i].io);
}

void
listen_free(struct listen **listen)
{
	struct listen *l = *listen;
	int saved = errno;

	*listen = NULL;
	if (l == NULL)
		return;
	ev_timer_stop(l->loop, &l->rest);
	for (size_t i = 0; i < l->count; i++) {
		ev_io_stop(l->loop, &l->at[i].io);
		(void)close(l->at[i].io.fd);
	}
	if (l->spare != -1)
		(void)close(l->spare);
	free(l);
	errno = saved;
}

static int
fail(int err, char *why, size_t why_size, const char *where)
{
	(void)snprintf(why, why_size, "%s: %s", where, strerror(err));
	errno = err;
	return PB_ESYS;
}

static int
bind_one(const struct config_addr *addr, bool v6only)
{
	int on = 1;
	int only = v6only;
	int err;
	int s;

	s = socket(addr->sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s == -1)
		return -1;
	if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		goto fail;
	if (addr->sa.any.sa_family == AF_INET6 && setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) == -1)
		goto fail;
	if (bind(s, &addr->sa.any, addr->len) == -1 || listen(s, LISTEN_BACKLOG) == -1)
		goto fail;
	return s;
fail:
	err = errno;
	(void)close(s);
	errno = err;
	return -1;
}

/* Does an IPv4 address of the list need the port of this IPv6 wildcard for itself? */
static bool
shares_port(const struct config_addrs *addrs, const struct config_addr *v6)
{
	if (v6->sa.any.sa_family != AF_INET6)
		return false;
	for (size_t i = 0; i < addrs->count; i++)
		if (addrs->at[i].sa.any.sa_family == AF_INET && addrs->at[i].sa.v4.sin_port == v6->sa.v6.sin6_port)
			return true;
	return false;
}

/* Make sure that nothing is at path; a socket that nobody listens on is removed. 0, or -1 with errno. */
static int
take_path(const char *path, const struct sockaddr_un *sun)
{
	struct stat st;
	int err;
	int s;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s == -1)
		return -1;
	err = connect(s, (const struct sockaddr *)sun, sizeof(*sun)) == -1 ? errno : 0;
	(void)close(s);
	if (err != ECONNREFUSED) {
		/* EAGAIN: somebody listens, and has a full queue. */
		errno = err == 0 || err == EAGAIN ? EADDRINUSE : err;
		return -1;
	}
	return unlink(path) == -1 && errno != ENOENT ? -1 : 0;
}

static void
rest(struct listen *listen, const char *why)
{
	ev_tstamp now = loop_now(listen->loop);

	/* It may take an hour of rests; a line every ten seconds says so. */
	if (now >= listen->next_line) {
		log_event(LOG_WARNING, "listen.rest", "ms=%d why=\"%s\"", LISTEN_REST_MS, why);
		listen->next_line = now + REST_LINE_S;
	}
	listen->resting = true;
	for (size_t i = 0; i < listen->count; i++)
		ev_io_stop(listen->loop, &listen->at[i].io);
	ev_timer_set(&listen->rest, LISTEN_REST_MS / 1e3, 0.);
	ev_timer_start(listen->loop, &listen->rest);
}

static void
on_rested(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct listen *listen = timer->data;

	(void)events;
	listen->resting = false;
	if (listen->spare == -1)
		listen->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < listen->count; i++)
		ev_io_start(loop, &listen->at[i].io);
}

/* Out of descriptors: refuse the one in front, so that it need not wait for its own timeout. */
static void
refuse_front(struct listen *listen, int fd)
{
	int front;

	if (listen->spare != -1) {
		(void)close(listen->spare);
		front = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (front != -1)
			(void)close(front);
		listen->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct listener *listener = io->data;
	struct listen *listen = listener->listen;

	(void)loop;
	(void)events;
	for (int i = 0; i < LISTEN_BATCH; i++) {
		union {
			struct sockaddr any;
			struct sockaddr_storage all;
		} sa;
		socklen_t len = sizeof(sa);
		struct addr peer;
		int fd = accept4(io->fd, &sa.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd != -1) {
			addr_set(&peer, &sa.any, len);
			listen->accepted(listen->arg, fd, &peer);
			continue;
		}
		switch (errno) {
		case EAGAIN:
			return;
		case EINTR:
		case ECONNABORTED:
		case EPERM: /* a firewall's rule */
		case EPROTO:
		case ENETDOWN:
		case ENOPROTOOPT:
		case EHOSTDOWN:
		case ENONET:
		case EHOSTUNREACH:
		case EOPNOTSUPP:
		case ENETUNREACH:
			/* That connection was lost while it waited (accept(2)). */
			continue;
		case EMFILE:
		case ENFILE:
			rest(listen, strerror(errno));
			refuse_front(listen, io->fd);
			return;
		default:
			/* No memory, or a socket that is none any more: not at full speed. */
			rest(listen, strerror(errno));
			return;
		}
	}
}
