/*
 * viewers.c - viewers of fake-worker's streams, who count every packet
 *
 *   viewers check FILE...
 *       Each file is what one viewer got: packets whose numbers follow each
 *       other, from any number on, the last one perhaps cut. Says what is
 *       wrong, and how many packets all had. Exit 0 or 1.
 *   viewers churn PORT TUNES SEED CHANNEL...
 *       That many tunes of random channels, up to 24 at a time, each aborted
 *       at a random moment: at once, after some bytes, after a while, in the
 *       middle of its request. What is answered must be 200 and packets that
 *       follow each other, or 503. Exit 0 or 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"

#define PACKET 188
#define AT_ONCE 24

/* One viewer's bytes, in pieces of any length. */
struct tap {
	uint8_t packet[PACKET];
	size_t have;
	bool begun;
	uint64_t next; /* number of the packet that must come */
	uint64_t packets;
};

/* false: they are not what they must be. */
static bool
tap_feed(struct tap *tap, const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t n = PB_MIN(PACKET - tap->have, len);
		uint64_t number = 0;

		memcpy(tap->packet + tap->have, p, n);
		tap->have += n;
		p += n;
		len -= n;
		if (tap->have < PACKET)
			return true;
		tap->have = 0;
		for (unsigned k = 0; k < 8; k++)
			number = number << 8 | tap->packet[4 + k];
		if (memcmp(tap->packet, "\x47\x1f\xff\x10", 4) != 0 || (tap->begun && number != tap->next))
			return false;
		for (size_t k = 12; k < PACKET; k++)
			if (tap->packet[k] != 0xff)
				return false;
		tap->begun = true;
		tap->next = number + 1;
		tap->packets++;
	}
	return true;
}

static int
check(int count, char **files)
{
	unsigned long long packets = 0;
	int status = 0;

	for (int i = 0; i < count; i++) {
		struct tap tap = { .have = 0 };
		FILE *f = fopen(files[i], "re");
		uint8_t buf[65536];
		size_t n;

		if (f == NULL) {
			printf("%s: %s\n", files[i], strerror(errno));
			return 1;
		}
		while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
			if (!tap_feed(&tap, buf, n)) {
				printf("%s: after %llu packets: not what comes next\n", files[i],
				    (unsigned long long)tap.packets);
				status = 1;
				break;
			}
		fclose(f);
		if (tap.packets == 0) {
			printf("%s: empty\n", files[i]);
			status = 1;
		}
		packets += tap.packets;
	}
	printf("%llu packets\n", packets);
	return status;
}

enum whim { ABORT_REQUEST, ABORT_AT_ONCE, ABORT_AFTER_BYTES, ABORT_LATER, WHIMS };

struct tune {
	int fd; /* -1: none */
	enum whim whim;
	uint64_t bytes;
	int64_t until_ms;
	struct tap tap;
	char head[1024];
	size_t head_len;
	bool body;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool
tune_start(struct tune *t, int port, int count, char **channels)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	char request[128];
	int len =
	    snprintf(request, sizeof(request), "GET /auto/v%s HTTP/1.1\r\nHost: x\r\n\r\n", channels[rand() % count]);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*t = (struct tune){ .whim = (enum whim)(rand() % WHIMS), .until_ms = now_ms() + rand() % 400 };
	t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (t->fd == -1 || connect(t->fd, (struct sockaddr *)&to, sizeof(to)) == -1) {
		printf("connect: %s\n", strerror(errno));
		return false;
	}
	if (t->whim == ABORT_REQUEST)
		len = 1 + rand() % (len - 1);
	if (send(t->fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
		printf("send: %s\n", strerror(errno));
		return false;
	}
	t->bytes = (uint64_t)(rand() % 40000);
	if (t->whim == ABORT_REQUEST || t->whim == ABORT_AT_ONCE)
		t->until_ms = now_ms() + rand() % 3;
	return true;
}

/* What came; 1: wait for more, 0: it ended, -1: it is wrong. */
static int
tune_read(struct tune *t)
{
	uint8_t buf[16384];
	ssize_t n = recv(t->fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	size_t at = 0;
	char *end;

	if (n == -1 && errno == EAGAIN)
		return 1;
	if (n <= 0) {
		/* After 503 that is right; a viewer with media is never closed. */
		if (!t->body)
			return 0;
		printf("closed after %llu packets\n", (unsigned long long)t->tap.packets);
		return -1;
	}
	while (!t->body && at < (size_t)n && t->head_len < sizeof(t->head) - 1) {
		t->head[t->head_len++] = (char)buf[at++];
		t->head[t->head_len] = '\0';
		end = t->head_len >= 4 ? t->head + t->head_len - 4 : NULL;
		if (end == NULL || strcmp(end, "\r\n\r\n") != 0)
			continue;
		if (strncmp(t->head, "HTTP/1.1 503 ", 13) == 0)
			return 0;
		if (strncmp(t->head, "HTTP/1.1 200 ", 13) != 0) {
			printf("answer: %.20s\n", t->head);
			return -1;
		}
		t->body = true;
	}
	if (t->body && !tap_feed(&t->tap, buf + at, (size_t)n - at)) {
		printf("after %llu packets: not what comes next\n", (unsigned long long)t->tap.packets);
		return -1;
	}
	return t->whim == ABORT_AFTER_BYTES && t->tap.packets * PACKET > t->bytes ? 0 : 1;
}

static int
churn(int port, long tunes, int count, char **channels)
{
	struct tune all[AT_ONCE];
	struct pollfd p[AT_ONCE];
	unsigned long long packets = 0;
	long begun = 0;
	int open;

	for (size_t i = 0; i < AT_ONCE; i++)
		all[i].fd = -1;
	do {
		open = 0;
		for (size_t i = 0; i < AT_ONCE; i++) {
			if (all[i].fd == -1 && begun < tunes) {
				if (!tune_start(&all[i], port, count, channels))
					return 1;
				begun++;
			}
			p[i] = (struct pollfd){ .fd = all[i].fd, .events = POLLIN };
			open += all[i].fd != -1;
		}
		(void)poll(p, AT_ONCE, 1);
		for (size_t i = 0; i < AT_ONCE; i++) {
			struct tune *t = &all[i];
			int more = t->fd != -1 && p[i].revents != 0 ? tune_read(t) : 1;

			if (more == -1)
				return 1;
			if (t->fd == -1 || (more == 1 && now_ms() < t->until_ms))
				continue;
			packets += t->tap.packets;
			/* Half of them with a reset, as a player that is killed has it. */
			if (rand() % 2 == 0)
				(void)setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
				    sizeof(struct linger));
			close(t->fd);
			t->fd = -1;
		}
	} while (open > 0);
	printf("%ld tunes, %llu packets\n", begun, packets);
	return packets > 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "check") == 0)
		return check(argc - 2, argv + 2);
	if (argc > 5 && strcmp(argv[1], "churn") == 0) {
		srand((unsigned)strtoul(argv[4], NULL, 10));
		return churn((int)strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10), argc - 5, argv + 5);
	}
	fputs("usage: viewers check FILE... | churn PORT TUNES SEED CHANNEL...\n", stderr);
	return 2;
}
