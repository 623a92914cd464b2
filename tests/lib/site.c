/*
 * site.c - how the promise in site.h is kept
 */
#include "tests/lib/site.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct site site;

void
conn_hang_up(struct conn *c)
{
	ev_io_stop(site.loop, &c->in);
	ev_io_stop(site.loop, &c->out);
	ev_timer_stop(site.loop, &c->drip);
	ev_timer_stop(site.loop, &c->begin);
	LIST_REMOVE(c, link);
	close(c->fd);
	free(c->send);
	free(c);
}

void
conn_add(struct conn *c, const void *buf, size_t len)
{
	c->send = realloc(c->send, c->send_len + len + 1);
	ck_assert_ptr_nonnull(c->send);
	memcpy(c->send + c->send_len, buf, len);
	c->send_len += len;
	ev_io_start(site.loop, &c->out);
}

void
conn_say(struct conn *c, const char *fmt, ...)
{
	char text[SITE_HEAD + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conn_add(c, text, strlen(text));
}

void
conn_drip(struct conn *c)
{
	ev_timer_start(site.loop, &c->drip);
}

void
conn_drip_end(struct conn *c)
{
	ev_timer_stop(site.loop, &c->drip);
}

static void
on_out(struct ev_loop *l, ev_io *w, int revents)
{
	struct conn *c = w->data;
	ssize_t n;

	(void)l;
	(void)revents;
	if (c->send_at == c->send_len && c->endless) {
		c->send_at = c->send_len = 0;
		site.more(c);
	}
	n = send(c->fd, c->send + c->send_at, c->send_len - c->send_at, MSG_NOSIGNAL);
	if (n == -1 && errno != EAGAIN) {
		conn_hang_up(c);
		return;
	}
	if (n > 0) {
		c->send_at += (size_t)n;
		if (c->endless)
			site.sent += (size_t)n;
	}
	if (c->send_at < c->send_len || c->endless)
		return;
	c->send_at = c->send_len = 0;
	ev_io_stop(site.loop, &c->out);
	if (c->close_after)
		conn_hang_up(c);
}

static void
on_in(struct ev_loop *l, ev_io *w, int revents)
{
	struct conn *c = w->data;
	ssize_t n = recv(c->fd, c->head + c->head_len, sizeof(c->head) - 1 - c->head_len, 0);

	(void)l;
	(void)revents;
	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			conn_hang_up(c);
		return;
	}
	c->head_len += (size_t)n;
	c->head[c->head_len] = '\0';
	if (strstr(c->head, "\r\n\r\n") == NULL)
		return;
	site.requests++;
	c->served++;
	memcpy(site.last, c->head, c->head_len + 1);
	ck_assert_int_eq(sscanf(c->head, "GET %255s", site.path), 1);
	memcpy(c->path, site.path, sizeof(c->path));
	c->head_len = 0;
	c->late = 0;
	if (site.refuse != NULL && site.refuse(c)) {
		conn_hang_up(c);
		return;
	}
	site.answer(c);
	if (c->late > 0) {
		ev_io_stop(site.loop, &c->out);
		ev_timer_set(&c->begin, c->late, 0.);
		ev_timer_start(site.loop, &c->begin);
	}
}

static void
on_begin(struct ev_loop *l, ev_timer *w, int revents)
{
	struct conn *c = w->data;

	(void)revents;
	ev_io_start(l, &c->out);
}

static void
on_drip(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)revents;
	site.drip(w->data);
}

static void
on_accept(struct ev_loop *l, ev_io *w, int revents)
{
	struct conn *c = calloc(1, sizeof(*c));

	(void)revents;
	ck_assert_ptr_nonnull(c);
	c->fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_int_ne(c->fd, -1);
	site.accepted++;
	ev_io_init(&c->in, on_in, c->fd, EV_READ);
	ev_io_init(&c->out, on_out, c->fd, EV_WRITE);
	ev_timer_init(&c->drip, on_drip, SITE_DRIP_S, SITE_DRIP_S);
	ev_init(&c->begin, on_begin);
	c->in.data = c->out.data = c->drip.data = c->begin.data = c;
	ev_io_start(l, &c->in);
	LIST_INSERT_HEAD(&site.conns, c, link);
}

void
site_open(struct ev_loop *loop)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	memset(&site, 0, sizeof(site));
	site.loop = loop;
	site.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(site.fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(site.fd, 64), 0);
	ck_assert_int_eq(getsockname(site.fd, (struct sockaddr *)&sin, &len), 0);
	site.port = ntohs(sin.sin_port);
	LIST_INIT(&site.conns);
	ev_io_init(&site.io, on_accept, site.fd, EV_READ);
	ev_io_start(loop, &site.io);
}

void
site_close(void)
{
	struct conn *c;

	while ((c = LIST_FIRST(&site.conns)) != NULL)
		conn_hang_up(c);
	ev_io_stop(site.loop, &site.io);
	close(site.fd);
}
