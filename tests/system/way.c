/*
 * way.c - a bad way between two network namespaces
 *
 *	way PID LOSS DELAY
 *
 * Makes the tun device way0 in its own namespace and way1 in that of process
 * PID, says "ready", and carries packets between them: all at once, and after
 * SIGUSR1 each DELAY milliseconds later, with LOSS of a hundred dropped, until
 * SIGUSR2. Addresses and routes are the caller's. Ends with its signals.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 2048
#define PACKETS 4096 /* on the way in one direction; more are dropped, as any queue does */

struct direction {
	int in, out;
	unsigned first, count;
	int64_t due_ms[PACKETS];
	size_t len[PACKETS];
	unsigned char packet[PACKETS][PACKET_MAX];
};

static struct direction directions[2];
static volatile sig_atomic_t bad;

static void
on_signal(int signo)
{
	bad = signo == SIGUSR1;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int
device(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd == -1 || ioctl(fd, TUNSETIFF, &ifr) == -1) {
		perror(name);
		exit(1);
	}
	return fd;
}

static void
take(struct direction *d, long loss, long delay_ms)
{
	for (;;) {
		unsigned at = (d->first + d->count) % PACKETS;
		unsigned char spare[PACKET_MAX];
		bool keep = d->count < PACKETS && (!bad || random() % 100 >= loss);
		ssize_t n = read(d->in, keep ? d->packet[at] : spare, PACKET_MAX);

		if (n <= 0)
			return;
		if (!keep)
			continue;
		d->len[at] = (size_t)n;
		d->due_ms[at] = now_ms() + (bad ? delay_ms : 0);
		d->count++;
	}
}

/* Carry over what is due. Milliseconds until the next is; -1: there is none. */
static int64_t
carry(struct direction *d)
{
	while (d->count > 0) {
		int64_t wait = d->due_ms[d->first] - now_ms();

		if (wait > 0)
			return wait;
		/* A device that is down or full drops it. */
		if (write(d->out, d->packet[d->first], d->len[d->first]) == -1 && errno != EAGAIN && errno != EIO)
			perror("way: write");
		d->first = (d->first + 1) % PACKETS;
		d->count--;
	}
	return -1;
}

int
main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct pollfd p[2];
	char path[64];
	int ns;

	if (argc != 4) {
		fputs("usage: way PID LOSS DELAY\n", stderr);
		return 2;
	}
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	directions[0].in = directions[1].out = device("way0");
	snprintf(path, sizeof(path), "/proc/%ld/ns/net", strtol(argv[1], NULL, 10));
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns == -1 || setns(ns, CLONE_NEWNET) == -1) {
		perror(path);
		return 1;
	}
	directions[0].out = directions[1].in = device("way1");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int64_t wait = -1;

		for (int i = 0; i < 2; i++) {
			int64_t w = carry(&directions[i]);

			if (w >= 0 && (wait < 0 || w < wait))
				wait = w;
			p[i] = (struct pollfd){ .fd = directions[i].in, .events = POLLIN };
		}
		if (poll(p, 2, (int)wait) == -1 && errno != EINTR) {
			perror("poll");
			return 1;
		}
		for (int i = 0; i < 2; i++)
			take(&directions[i], strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10));
	}
}
