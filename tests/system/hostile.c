/*
 * hostile.c - clients that do what no client should, for the tests
 *
 *	hostile PORT [-n COUNT] [-i MS] [-e END] [-w MS] [-t SECONDS] [-b BYTES] [-o FILE] <REQUEST
 *
 * COUNT connections to 127.0.0.1:PORT at once, each of which sends what
 * standard input held, all in one piece or a byte each MS (-i), and then,
 * as END says:
 *
 *	keep   waits for the answer (the default)
 *	half   shuts its sending side down, and waits for the answer
 *	reset  throws the connection away, so that the peer gets an RST
 *	cut    waits for the answer, and does so at the end of all
 *
 * It reads after -w MS only, with a receive buffer of -b BYTES, and what the
 * first connection gets goes to FILE. The line "sent" on standard output
 * says that each of them has connected and sent all, or has failed; at the
 * end of all, after SECONDS or at SIGTERM comes one JSON object:
 *
 *	connected  how many ever were
 *	answers    how many by status, of those that got a whole status line
 *	silent     ended by the peer with an orderly close and not a byte
 *	broken     ended by an error (a reset), with or without bytes
 *	short      ended with less or more than Content-Length said
 *	open       not ended when the time was over
 *	bytes      of all answers
 *	first_ms, last_ms  when the first and the last one were ended by the peer
 */
#include <arpa/inet.h>
#include <bsd/stdlib.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/request.h"

#define REQUEST_BYTES (1u << 20)
#define HEAD_BYTES 1024
#define CONNECTS_A_TURN 200 /* a listener's queue is finite */
#define TURN_S 0.005
#define STATUSES 600

enum end { END_KEEP, END_HALF, END_RESET, END_CUT };

struct conn {
	ev_io io;
	ev_timer timer;
	bool connected, sent, over;
	size_t at; /* of the request */
	char head[HEAD_BYTES];
	size_t head_len;
	uint64_t bytes; /* of the answer */
};

static struct ev_loop *loop;
static struct conn *conns;
static unsigned count = 1, made, unsent, left;
static uint16_t port;
static unsigned interval_ms, wait_ms, rcvbuf;
static enum end ending;
static char request[REQUEST_BYTES];
static size_t request_len;
static int output = -1;
static double begun;
static unsigned connected, silent, broken, wrong_length, answers[STATUSES];
static uint64_t bytes;
static double first_ms = -1, last_ms = -1;

static void on_io(struct ev_loop *l, ev_io *w, int events);

static void
fail(const char *what)
{
	fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
	exit(PB_EXIT_PERMANENT);
}

static void
one_sent(struct conn *c)
{
	if (c->sent)
		return;
	c->sent = true;
	if (--unsent == 0) {
		puts("sent");
		fflush(stdout);
	}
}

static void
watch(struct conn *c, int events)
{
	ev_io_stop(loop, &c->io);
	if (events == 0)
		return;
	ev_io_set(&c->io, c->io.fd, events);
	ev_io_start(loop, &c->io);
}

static void
over(struct conn *c)
{
	ev_timer_stop(loop, &c->timer);
	ev_io_stop(loop, &c->io);
	close(c->io.fd);
	c->over = true;
	one_sent(c);
	if (--left == 0)
		ev_break(loop, EVBREAK_ALL);
}

/* The peer ended it: with which answer? */
static void
judge(struct conn *c, bool orderly)
{
	double now_ms = (ev_time() - begun) * 1e3;
	char value[32];
	const char *end = memmem(c->head, c->head_len, "\r\n\r\n", 4);
	unsigned status;

	if (first_ms < 0)
		first_ms = now_ms;
	last_ms = now_ms;
	if (!orderly)
		broken++;
	else if (c->bytes == 0)
		silent++;
	if (end != NULL && sscanf(c->head, "HTTP/1.%*1[01] %3u ", &status) == 1 && status < STATUSES) {
		size_t head_len = (size_t)(end - c->head) + 4;

		answers[status]++;
		if (orderly && strncmp(request, "HEAD ", 5) != 0 &&
		    request_field(c->head, head_len, "Content-Length", value, sizeof(value)) &&
		    strtoull(value, NULL, 10) != c->bytes - head_len)
			wrong_length++;
	}
	over(c);
}

/* As much of the request as may go now. */
static void
push(struct conn *c)
{
	size_t len = interval_ms > 0 ? 1 : request_len - c->at;
	struct linger now = { 1, 0 };
	ssize_t n = len == 0 ? 0 : send(c->io.fd, request + c->at, PB_MIN(len, request_len - c->at), MSG_NOSIGNAL);

	if (n == -1 && errno != EAGAIN) {
		/* It has been refused in the middle; what the peer said about it may still be there. */
		c->at = request_len;
	} else if (n > 0) {
		c->at += (size_t)n;
	}
	if (c->at < request_len) {
		watch(c, interval_ms > 0 || n == 0 ? EV_READ : EV_READ | EV_WRITE);
		return;
	}
	ev_timer_stop(loop, &c->timer);
	if (ending == END_RESET) {
		(void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		over(c);
		return;
	}
	if (ending == END_HALF)
		(void)shutdown(c->io.fd, SHUT_WR);
	one_sent(c);
	if (wait_ms == 0) {
		watch(c, EV_READ);
		return;
	}
	watch(c, 0);
	ev_timer_set(&c->timer, wait_ms / 1e3, 0.);
	ev_timer_start(loop, &c->timer);
}

static void
pull(struct conn *c)
{
	static char buf[65536];
	ssize_t n = recv(c->io.fd, buf, sizeof(buf), 0);

	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		judge(c, n == 0);
		return;
	}
	if (c == &conns[0] && output != -1 && write(output, buf, (size_t)n) != n)
		fail("write");
	if (c->head_len < HEAD_BYTES - 1) {
		size_t take = PB_MIN((size_t)n, HEAD_BYTES - 1 - c->head_len);

		memcpy(c->head + c->head_len, buf, take);
		c->head_len += take;
	}
	c->bytes += (uint64_t)n;
	bytes += (uint64_t)n;
}

static void
on_io(struct ev_loop *l, ev_io *w, int events)
{
	struct conn *c = w->data;
	socklen_t len = sizeof(int);
	int err = 0;

	(void)l;
	if (!c->connected) {
		(void)getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err != 0) {
			broken++;
			over(c);
			return;
		}
		c->connected = true;
		connected++;
		if (interval_ms > 0 && request_len > 0) {
			watch(c, EV_READ);
			ev_timer_set(&c->timer, interval_ms / 1e3, interval_ms / 1e3);
			ev_timer_start(loop, &c->timer);
		} else {
			push(c);
		}
		return;
	}
	if (events & EV_READ)
		pull(c);
	if (!c->over && (events & EV_WRITE))
		push(c);
}

static void
on_timer(struct ev_loop *l, ev_timer *w, int events)
{
	struct conn *c = w->data;

	(void)l;
	(void)events;
	if (c->at < request_len)
		push(c);
	else
		watch(c, EV_READ);
}

static void
make(struct conn *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		fail("socket");
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (ending == END_CUT)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
	if (rcvbuf > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	ev_io_init(&c->io, on_io, fd, EV_WRITE);
	ev_timer_init(&c->timer, on_timer, 0., 0.);
	c->io.data = c->timer.data = c;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1 && errno != EINPROGRESS) {
		broken++;
		over(c);
		return;
	}
	ev_io_start(loop, &c->io);
}

static void
on_turn(struct ev_loop *l, ev_timer *w, int events)
{
	(void)events;
	for (int i = 0; i < CONNECTS_A_TURN && made < count; i++)
		make(&conns[made++]);
	if (made == count)
		ev_timer_stop(l, w);
}

static void
on_end(struct ev_loop *l, ev_timer *w, int events)
{
	(void)w;
	(void)events;
	ev_break(l, EVBREAK_ALL);
}

static void
on_signal(struct ev_loop *l, ev_signal *w, int events)
{
	(void)w;
	(void)events;
	ev_break(l, EVBREAK_ALL);
}

static void
report(void)
{
	const char *comma = "";

	printf("{\"connected\":%u,\"answers\":{", connected);
	for (unsigned i = 0; i < STATUSES; i++) {
		if (answers[i] == 0)
			continue;
		printf("%s\"%u\":%u", comma, i, answers[i]);
		comma = ",";
	}
	printf("},\"silent\":%u,\"broken\":%u,\"short\":%u,\"open\":%u,\"bytes\":%" PRIu64
	       ",\"first_ms\":%.0f,\"last_ms\":%.0f}\n",
	    silent, broken, wrong_length, left, bytes, first_ms, last_ms);
}

static unsigned
number(const char *text, unsigned min, unsigned max)
{
	const char *why;
	unsigned n = (unsigned)strtonum(text, min, max, &why);

	if (why == NULL)
		return n;
	fprintf(stderr, "hostile: %s: %s\n", text, why);
	exit(PB_EXIT_PERMANENT);
}

static void
read_request(void)
{
	ssize_t n;

	while ((n = read(STDIN_FILENO, request + request_len, sizeof(request) - request_len)) > 0)
		request_len += (size_t)n;
	if (n == -1)
		fail("standard input");
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	ev_timer turn, end;
	ev_signal term;
	unsigned seconds = 30;
	int c;

	while ((c = getopt(argc, argv, "n:i:e:w:t:b:o:")) != -1) {
		switch (c) {
		case 'n':
			count = number(optarg, 1, 100000);
			break;
		case 'i':
			interval_ms = number(optarg, 1, 60000);
			break;
		case 'e':
			ending = strcmp(optarg, "half") == 0 ? END_HALF
			    : strcmp(optarg, "reset") == 0   ? END_RESET
			    : strcmp(optarg, "cut") == 0     ? END_CUT
							     : END_KEEP;
			break;
		case 'w':
			wait_ms = number(optarg, 1, 600000);
			break;
		case 't':
			seconds = number(optarg, 1, 600);
			break;
		case 'b':
			rcvbuf = number(optarg, 1024, 1 << 20);
			break;
		case 'o':
			output = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
			if (output == -1)
				fail(optarg);
			break;
		default:
			return PB_EXIT_PERMANENT;
		}
	}
	if (optind + 1 != argc) {
		fputs("usage: hostile PORT [-n COUNT] [-i MS] [-e END] [-w MS] [-t SECONDS] [-b BYTES] [-o FILE] "
		      "<REQUEST\n",
		    stderr);
		return PB_EXIT_PERMANENT;
	}
	port = (uint16_t)number(argv[optind], 1, UINT16_MAX);
	read_request();
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	loop = ev_default_loop(0);
	conns = calloc(count, sizeof(*conns));
	if (loop == NULL || conns == NULL)
		fail("loop");
	unsent = left = count;
	begun = ev_time();
	ev_timer_init(&turn, on_turn, 0., TURN_S);
	ev_timer_start(loop, &turn);
	ev_timer_init(&end, on_end, seconds, 0.);
	ev_timer_start(loop, &end);
	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_start(loop, &term);
	ev_run(loop, 0);
	report();
	free(conns);
	return 0;
}
