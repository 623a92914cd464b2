/*
 * closer.c - a viewer who leaves, and asks at once for what his tuner is needed for
 *
 *   closer PORT FIRST SECOND COUNT [SILENT]
 *
 * For a bridge with one tuner: it tunes FIRST, sees that SECOND is refused
 * while it watches, closes the connection and asks for SECOND until that is
 * played; then the two change places. COUNT times; each closing is
 *
 *   FREE REFUSED
 *
 * milliseconds from close(2) to the request that was not refused any more,
 * and those that the refused request before took from connect(2) to its
 * answer: what this machine takes for one turn through the supervisor. With
 * SILENT, a path that never has media, each second closing is that of a
 * viewer who waits. Exit 1 when something else is answered.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MS 20000
#define WAITS_MS 100 /* without an answer for so long: it waits for media */
#define FREE_MAX_MS 5000.0

static uint16_t port;

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static _Noreturn void
die(const char *path, const char *what)
{
	fprintf(stderr, "closer: %s: %s\n", path, what);
	exit(1);
}

/* Ask for it. *sent_ms: when. The connection. */
static int
ask(const char *path, double *sent_ms)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*sent_ms = now_ms();
	if (fd == -1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		die(path, strerror(errno));
	if (dprintf(fd, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", path, port) < 0)
		die(path, strerror(errno));
	return fd;
}

/* The status of its answer; 0: none within wait_ms. */
static int
answer(int fd, const char *path, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char line[32] = "";
	ssize_t n = 0;

	if (poll(&p, 1, wait_ms) == 0)
		return 0;
	/* A head is written in one piece. */
	n = recv(fd, line, sizeof(line) - 1, 0);
	if (n < 12 || strncmp(line, "HTTP/1.1 ", 9) != 0)
		die(path, "no answer");
	return (int)strtol(line + 9, NULL, 10);
}

/* It is refused as long as somebody else has the tuner. How long that takes. */
static double
refused(const char *path)
{
	double sent_ms;
	int fd = ask(path, &sent_ms);

	if (answer(fd, path, ANSWER_MS) != 503)
		die(path, "not refused, though the tuner is taken");
	(void)close(fd);
	return now_ms() - sent_ms;
}

/* Ask until it is not refused; *sent_ms: when that was. waits: it has no media, and isn't answered. */
static int
tune(const char *path, bool waits, double *sent_ms)
{
	double begun_ms = now_ms();

	while (now_ms() - begun_ms < FREE_MAX_MS) {
		int fd = ask(path, sent_ms);
		int status = answer(fd, path, waits ? WAITS_MS : ANSWER_MS);

		if (status == (waits ? 0 : 200))
			return fd;
		if (status != 503)
			die(path, "an answer that is none of the two");
		(void)close(fd);
	}
	die(path, "the tuner is never free");
}

/* What it watches in its n-th turn. */
static const char *
path_of(char **argv, const char *silent, int n)
{
	if (silent == NULL)
		return argv[2 + n % 2];
	return n % 2 == 1 ? silent : argv[2 + n / 2 % 2];
}

int
main(int argc, char **argv)
{
	const char *silent = argc > 5 ? argv[5] : NULL;
	double sent_ms;
	int count, fd;

	if (argc < 5)
		return 2;
	port = (uint16_t)strtoul(argv[1], NULL, 10);
	count = (int)strtol(argv[4], NULL, 10);
	fd = tune(path_of(argv, silent, 0), false, &sent_ms);
	for (int i = 0; i < count; i++) {
		const char *next = path_of(argv, silent, i + 1);
		double refused_ms = refused(next), closed_ms;

		/* Some leave nothing unread behind; what is left is a reset. */
		if (i % 4 < 2)
			while (recv(fd, (char[65536]){ 0 }, 65536, MSG_DONTWAIT) > 0)
				;
		closed_ms = now_ms();
		(void)close(fd);
		fd = tune(next, next == silent, &sent_ms);
		printf("%.2f %.2f\n", sent_ms - closed_ms, refused_ms);
	}
	(void)close(fd);
	return 0;
}
