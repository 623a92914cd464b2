/*
 * site.h - an HTTP server inside a test, on the test's own loop
 *
 * It hears requests and sends what it is told to, no more: what an answer is
 * decides the test. One in a program.
 *
 *   order   one request at a time on a connection; site.path and site.last
 *           are of the last one on any
 */
#ifndef PLEXBRIDGE_TESTS_SITE_H
#define PLEXBRIDGE_TESTS_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <ev.h>

#define SITE_HEAD 16384
#define SITE_PATH 256
#define SITE_DRIP_S 0.05

struct conn {
	LIST_ENTRY(conn) link;
	ev_io in, out;
	ev_timer drip;
	int fd, served;
	char path[SITE_PATH]; /* of its last request */
	char head[SITE_HEAD];
	size_t head_len;
	char *send;
	size_t send_len, send_at;
	bool close_after, endless;
	uint64_t made; /* of an endless body, the test's own */
	double late; /* what was said goes out so much later */
	ev_timer begin;
	int drips; /* left; the test's own */
};

struct site {
	struct ev_loop *loop;
	void (*answer)(struct conn *c); /* a request is there; conn_hang_up() is not for here: see refuse */
	bool (*refuse)(struct conn *c); /* or is the connection to be closed instead? May be NULL */
	void (*drip)(struct conn *c); /* every SITE_DRIP_S after conn_drip() */
	void (*more)(struct conn *c); /* for who is endless: all has been sent */
	ev_io io;
	int fd, port;
	int accepted, requests;
	char path[SITE_PATH], last[SITE_HEAD]; /* of the last request */
	LIST_HEAD(, conn) conns;
	uint64_t sent; /* of endless bodies */
};

extern struct site site;

/* Listen on loopback; the callbacks are set by who opens it, before the first request. */
void site_open(struct ev_loop *loop);

/* Hang up on all, and listen no more. */
void site_close(void);

void conn_hang_up(struct conn *c);

/* This goes out behind what was said before. */
void conn_add(struct conn *c, const void *buf, size_t len);
void conn_say(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* site.drip() is called from now on, until conn_drip_end(). */
void conn_drip(struct conn *c);
void conn_drip_end(struct conn *c);

#endif
