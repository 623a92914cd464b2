/*
 * testcard.c - a socket that stays and a process that comes and goes
 */
#include "supervisor/testcard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"

static void
start_later(struct testcard *card)
{
	double wait = TESTCARD_BACKOFF_S;

	for (unsigned i = 0; i < card->failures && wait < TESTCARD_BACKOFF_MAX_S; i++)
		wait *= 2;
	card->failures++;
	ev_timer_stop(card->loop, &card->again);
	ev_timer_set(&card->again, PB_MIN(wait, TESTCARD_BACKOFF_MAX_S), 0.0);
	ev_timer_start(card->loop, &card->again);
}

static void
start(struct testcard *card)
{
	char parent[16];
	/* No control: anybody on this machine could make it fail. */
	char *argv[] = { card->program, (char[]){ "--testcard" }, (char[]){ "--no-control" }, (char[]){ "--listen-fd" },
		(char[]){ "3" }, (char[]){ "--parent" }, parent, NULL };

	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	card->born = loop_now(card->loop);
	if (child_start(&card->child, card->loop, card->program, argv, card->fd, &card->limits) == 0)
		return;
	log_event(LOG_ERR, "testcard.start", "why=\"%s\"", strerror(errno));
	start_later(card);
}

static void
on_again(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct testcard *card = watch->data;

	(void)loop;
	(void)revents;
	if (card->wanted && card->child.pid == 0)
		start(card);
}

static void
on_kill(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct testcard *card = watch->data;

	(void)loop;
	(void)revents;
	child_kill(&card->child, SIGKILL);
}

static void
on_died(struct child *child, int status)
{
	struct testcard *card = (struct testcard *)((char *)child - offsetof(struct testcard, child));
	char text[32];

	ev_timer_stop(card->loop, &card->kill);
	if (!card->wanted)
		return;
	log_event(LOG_WARNING, "testcard.death", "why=\"%s\"", child_status_text(text, sizeof(text), status));
	if (loop_now(card->loop) - card->born > TESTCARD_BACKOFF_MAX_S)
		card->failures = 0;
	start_later(card);
}

void
testcard_init(struct testcard *card, struct ev_loop *loop, const struct privs *privs)
{
	memset(card, 0, sizeof(*card));
	card->loop = loop;
	card->limits.privs = privs;
	card->fd = -1;
	card->child.died = on_died;
	ev_timer_init(&card->again, on_again, 0.0, 0.0);
	ev_timer_init(&card->kill, on_kill, 0.0, 0.0);
	card->again.data = card->kill.data = card;
}

static int
bind_loopback(struct testcard *card)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int saved;

	if (fd == -1)
		return PB_ESYS;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1 || listen(fd, 128) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return PB_ESYS;
	}
	card->fd = fd;
	snprintf(card->url, sizeof(card->url), "http://127.0.0.1:%u/testcard/master.m3u8", ntohs(sa.sin_port));
	return 0;
}

int
testcard_start(struct testcard *card)
{
	if (card->wanted)
		return 0;
	if (!child_program(card->program, sizeof(card->program), "plexbridge-origin"))
		return PB_NO;
	if (card->fd == -1 && bind_loopback(card) != 0)
		return PB_ESYS;
	card->wanted = true;
	card->failures = 0;
	/* One that was told to end still has to: its death starts the next. */
	if (card->child.pid == 0)
		start(card);
	return 0;
}

void
testcard_stop(struct testcard *card)
{
	card->wanted = false;
	ev_timer_stop(card->loop, &card->again);
	if (card->child.pid == 0)
		return;
	child_kill(&card->child, SIGTERM);
	ev_timer_stop(card->loop, &card->kill);
	ev_timer_set(&card->kill, TESTCARD_STOP_S, 0.0);
	ev_timer_start(card->loop, &card->kill);
}
