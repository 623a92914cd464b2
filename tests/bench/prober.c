/*
 * prober.c - a viewer who kills, and sees how long nothing comes
 *
 *   prober ADDRESS PORT PATH
 *
 * It tunes PATH and says "ready" once there is media. Each line on its input
 * is then "SIGNAL PID..." (a signal's number): it sends the signal to all of
 * them, waits for the last of them to be dead (a stopped one is dead when
 * somebody killed it), throws away what they had sent by then, and says
 *
 *   FIRST GAP
 *
 * milliseconds from the signal to the first byte that came after the deaths,
 * and the longest time without a byte from the signal until a second later.
 * The end of its input ends it; the end of the stream is exit 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"

#define PIDS_MAX 128
#define AFTER_MS 1000.0
#define GIVE_UP_MS 30000

static double last_ms; /* when bytes came */

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "prober: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Take all that is there; true: there was something. */
static bool
drain(int fd)
{
	static char buffer[65536];
	bool some = false;
	ssize_t n;

	while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		some = true;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		die("the stream ended");
	if (some)
		last_ms = now_ms();
	return some;
}

/* Bytes within wait_ms, or false. */
static bool
wait_bytes(int fd, double wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return wait_ms > 0 && poll(&p, 1, (int)wait_ms + 1) == 1 && drain(fd);
}

static int
tune(const char *address, const char *port, const char *path)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		die("can't connect");
	dprintf(fd, "GET %s HTTP/1.1\r\nHost: %s:%s\r\n\r\n", path, address, port);
	if (!wait_bytes(fd, GIVE_UP_MS))
		die("no answer");
	return fd;
}

/* Signal them, and read on until all are dead. */
static void
strike(int fd, int sig, const pid_t *pids, size_t count)
{
	int pidfds[PIDS_MAX];
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN } };

	for (size_t i = 0; i < count; i++)
		if ((pidfds[i] = (int)syscall(SYS_pidfd_open, pids[i], 0)) == -1)
			die("no such process");
	for (size_t i = 0; i < count; i++)
		(void)syscall(SYS_pidfd_send_signal, pidfds[i], sig, NULL, 0);
	for (size_t i = 0; i < count; i++) {
		p[1] = (struct pollfd){ .fd = pidfds[i], .events = POLLIN };
		do {
			if (poll(p, 2, GIVE_UP_MS) <= 0)
				die("it does not die");
			if (p[0].revents != 0)
				(void)drain(fd);
		} while (p[1].revents == 0);
		close(pidfds[i]);
	}
}

static void
probe(int fd, int sig, const pid_t *pids, size_t count)
{
	double struck_ms, first_ms, before_ms, gap_ms = 0;

	(void)drain(fd);
	before_ms = last_ms;
	struck_ms = now_ms();
	strike(fd, sig, pids, count);
	(void)drain(fd); /* what the dead have sent */
	gap_ms = last_ms - before_ms;
	before_ms = last_ms;
	if (!wait_bytes(fd, GIVE_UP_MS))
		die("nothing came");
	first_ms = last_ms - struck_ms;
	for (;;) {
		gap_ms = PB_MAX(gap_ms, last_ms - before_ms);
		before_ms = last_ms;
		if (last_ms - struck_ms > AFTER_MS || !wait_bytes(fd, GIVE_UP_MS))
			break;
	}
	printf("%.2f %.2f\n", first_ms, gap_ms);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	char line[2048];
	int fd;

	if (argc != 4)
		return 2;
	fd = tune(argv[1], argv[2], argv[3]);
	puts("ready");
	fflush(stdout);
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
		pid_t pids[PIDS_MAX];
		size_t count = 0;
		char *at = line, *end;
		int sig;

		if (poll(p, 2, -1) == -1)
			die("poll");
		if (p[0].revents != 0)
			(void)drain(fd);
		if (p[1].revents == 0)
			continue;
		if (fgets(line, sizeof(line), stdin) == NULL)
			return 0;
		sig = (int)strtol(at, &at, 10);
		while (count < PIDS_MAX && (pids[count] = (pid_t)strtol(at, &end, 10)) > 0 && end != at) {
			at = end;
			count++;
		}
		if (count == 0)
			return 2;
		probe(fd, sig, pids, count);
	}
}
