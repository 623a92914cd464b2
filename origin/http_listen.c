/*
 * http_listen.c - where the origin listens, and when it doesn't
 */
#include "origin/http_inside.h"

#include <arpa/inet.h>
#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"

#define BACKLOG 1024

/* "127.0.0.1:80", "[::1]:80" */
static int
parse_address(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	const char *bad;
	long long port;
	size_t n;

	if (colon == NULL)
		return PB_EFORMAT;
	n = (size_t)(colon - text);
	port = strtonum(colon + 1, 0, 65535, &bad);
	if (bad != NULL || n >= sizeof(host))
		return PB_EFORMAT;
	memcpy(host, text, n);
	host[n] = '\0';
	memset(out, 0, sizeof(*out));
	if (host[0] == '[' && n > 2 && host[n - 1] == ']') {
		host[n - 1] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		*len = sizeof(*in6);
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? 0 : PB_EFORMAT;
	}
	in4->sin_family = AF_INET;
	in4->sin_port = htons((uint16_t)port);
	*len = sizeof(*in4);
	return inet_pton(AF_INET, host, &in4->sin_addr) == 1 ? 0 : PB_EFORMAT;
}

static int
listener_open(struct listener *listener)
{
	int one = 1;
	int keep;

	listener->fd = socket(listener->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd == -1)
		return PB_ESYS;
	/* The port of an origin that was just stopped is ours to take. */
	setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener->fd, (struct sockaddr *)&listener->at, listener->at_len) == 0 &&
	    listen(listener->fd, BACKLOG) == 0)
		return 0;
	keep = errno;
	close(listener->fd);
	listener->fd = -1;
	errno = keep;
	return PB_ESYS;
}

static void
listener_watch(struct listener *listener)
{
	ev_io_init(&listener->accept, http_on_accept, listener->fd, EV_READ);
	listener->accept.data = listener;
	ev_io_start(listener->server->loop, &listener->accept);
}

/* Find out where it listens, tell, and begin. */
static int
listener_begin(struct listener *listener, char *url, size_t size)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&listener->at;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&listener->at;
	char host[INET6_ADDRSTRLEN];

	listener->at_len = sizeof(listener->at);
	if (getsockname(listener->fd, (struct sockaddr *)&listener->at, &listener->at_len) == -1)
		return PB_ESYS;
	switch (listener->at.ss_family) {
	case AF_INET:
		listener->port = ntohs(in4->sin_port);
		inet_ntop(AF_INET, &in4->sin_addr, host, sizeof(host));
		snprintf(url, size, "http://%s:%u", host, listener->port);
		break;
	case AF_INET6:
		listener->port = ntohs(in6->sin6_port);
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(url, size, "http://[%s]:%u", host, listener->port);
		break;
	default:
		snprintf(url, size, "unix");
	}
	TAILQ_INSERT_TAIL(&listener->server->listeners, listener, next);
	listener_watch(listener);
	return 0;
}

int
http_listen(struct http_server *server, const char *address, char *url, size_t size)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int err = PB_ENOMEM;

	if (listener == NULL)
		return PB_ENOMEM;
	listener->server = server;
	listener->fd = -1;
	err = parse_address(address, &listener->at, &listener->at_len);
	if (err == 0)
		err = listener_open(listener);
	if (err == 0)
		err = listener_begin(listener, url, size);
	if (err != 0) {
		int keep = errno;

		if (listener->fd != -1)
			close(listener->fd);
		free(listener);
		errno = keep;
	}
	return err;
}

int
http_listen_fd(struct http_server *server, int fd, char *url, size_t size)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int flags = fcntl(fd, F_GETFL);
	int listening = 0;
	socklen_t len = sizeof(listening);

	if (listener == NULL)
		return PB_ENOMEM;
	listener->server = server;
	listener->fd = fd;
	listener->given = true;
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == -1 ||
	    (!listening && listen(fd, BACKLOG) == -1) || listener_begin(listener, url, size) != 0) {
		free(listener);
		return PB_ESYS;
	}
	return 0;
}

void
http_review(struct http_server *server)
{
	struct listener *listener;
	bool again = false;

	TAILQ_FOREACH(listener, &server->listeners, next)
	{
		struct fault_plan plan;

		if (listener->given)
			continue;
		server->site->on_plan(server->site->arg, FAULT_LISTENER, listener->port, ev_now(server->loop), &plan);
		if (plan.close_listener && listener->fd != -1) {
			ev_io_stop(server->loop, &listener->accept);
			close(listener->fd);
			listener->fd = -1;
		}
		/* A port that somebody else took meanwhile is tried again at the next look. */
		if (!plan.close_listener && listener->fd == -1 && listener_open(listener) == 0)
			listener_watch(listener);
		again = again || listener->fd == -1;
	}
	if (again)
		ev_timer_again(server->loop, &server->review);
	else
		ev_timer_stop(server->loop, &server->review);
}

void
http_on_review(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	http_review(w->data);
}
