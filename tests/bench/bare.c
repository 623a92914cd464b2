/*
 * bare.c - what a relay costs that does nothing to the media
 *
 *   bare CHANNELS BYTES-PER-SECOND
 *
 * For each channel a process of its own that takes two seconds of bytes
 * every two seconds from a connection, puts them into fresh pages of a memfd,
 * frees what is ten seconds old, and sends a tenth of a second's bytes to
 * its client every 100 ms: what design says of a worker, without HTTP,
 * playlists, packets, clocks and figures. No worker of that design can cost
 * less on the machine this runs on.
 *
 * Prints a line for each channel, "RELAY READER": the pid of that process,
 * and that of its client, which writes to /dev/null what it reads. Ends
 * with whoever started it, or by SIGTERM; so do all its processes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE 65536
#define TICK_NS INT64_C(100000000)
#define BURST_S 2
#define KEPT_S 10
#define CHANNELS_MAX 1000

static uint8_t piece[PIECE];

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void
sleep_until(int64_t due_ns)
{
	struct timespec due = { .tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}

/* Both ends of a TCP connection over loopback: media servers have no other. */
static void
connection(int ends[2])
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(to);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener == -1 || ends[0] == -1 || bind(listener, (struct sockaddr *)&to, sizeof(to)) == -1 ||
	    listen(listener, 1) == -1 || getsockname(listener, (struct sockaddr *)&to, &len) == -1 ||
	    connect(ends[0], (struct sockaddr *)&to, sizeof(to)) == -1)
		die("connection");
	ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (ends[1] == -1)
		die("accept");
	close(listener);
}

static _Noreturn void
feed(int fd, size_t rate, int64_t begin_ns)
{
	for (int64_t due_ns = begin_ns;; due_ns += BURST_S * INT64_C(1000000000)) {
		sleep_until(due_ns);
		for (size_t left = rate * BURST_S; left > 0;) {
			ssize_t n = send(fd, piece, left < PIECE ? left : PIECE, MSG_NOSIGNAL);

			if (n <= 0)
				exit(0);
			left -= (size_t)n;
		}
	}
}

static _Noreturn void
read_all(int fd)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ssize_t n;

	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
		if (write(null, piece, (size_t)n) != n)
			break;
	exit(0);
}

/* All that is there, into the spool. */
static void
take(int upstream, int spool, off_t *head)
{
	ssize_t n;

	while ((n = recv(upstream, piece, sizeof(piece), MSG_DONTWAIT)) > 0) {
		if (pwrite(spool, piece, (size_t)n, *head) != n)
			die("spool");
		*head += n;
	}
	if (n == 0)
		exit(0);
}

static _Noreturn void
relay(int upstream, int client, size_t rate)
{
	int spool = memfd_create("spool", MFD_CLOEXEC);
	int loop = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };
	off_t head = 0, sent = 0, tail = 0;
	int64_t due_ns = now_ns();

	if (spool == -1 || loop == -1 || epoll_ctl(loop, EPOLL_CTL_ADD, upstream, &event) == -1)
		die("relay");
	for (;;) {
		int64_t left_ns = due_ns - now_ns();

		if (left_ns > 0) {
			if (epoll_wait(loop, &event, 1, (int)(left_ns / 1000000) + 1) > 0)
				take(upstream, spool, &head);
			continue;
		}
		due_ns += TICK_NS;
		if (head - sent > (off_t)rate * BURST_S && sendfile(client, spool, &sent, rate / 10) == -1)
			exit(0);
		if (sent - tail > (off_t)rate * (KEPT_S + BURST_S)) {
			off_t to = (sent - (off_t)rate * KEPT_S) & ~(off_t)4095;

			if (fallocate(spool, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, tail, to - tail) == -1)
				die("fallocate");
			tail = to;
		}
	}
}

/* 0 in the child, which ends with its parent. */
static pid_t
child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == -1)
		die("fork");
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent))
		exit(1);
	return pid;
}

int
main(int argc, char **argv)
{
	long channels = argc == 3 ? strtol(argv[1], NULL, 10) : 0, rate = argc == 3 ? strtol(argv[2], NULL, 10) : 0;

	if (channels < 1 || channels > CHANNELS_MAX || rate < 10) {
		fputs("usage: bare CHANNELS BYTES-PER-SECOND\n", stderr);
		return 2;
	}
	for (long i = 0; i < channels; i++) {
		int in[2], out[2];
		pid_t relays, reads;

		connection(in);
		connection(out);
		if (child() == 0)
			feed(in[0], (size_t)rate, now_ns() + i * (BURST_S * INT64_C(1000000000) / channels));
		relays = child();
		if (relays == 0)
			relay(in[1], out[0], (size_t)rate);
		reads = child();
		if (reads == 0)
			read_all(out[1]);
		for (int k = 0; k < 2; k++) {
			close(in[k]);
			close(out[k]);
		}
		printf("%d %d\n", relays, reads);
	}
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
