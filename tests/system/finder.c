/*
 * finder.c - raw packets of both discoveries, for what clients don't let us see
 *
 *   finder ask ADDRESS[%IFACE] PORT HEX [COUNT]  send COUNT times at once; each reply
 *                                          within 400 ms: "ADDRESS HEX" (of its sender)
 *   finder search ADDRESS TEXT             the same for SSDP, for 1500 ms: "ADDRESS LOCATION USN"
 *   finder listen ADDRESS SECONDS          join SSDP's group on the interface with that address:
 *                                          "NTS LOCATION USN" each; "ready" first
 *   finder hold PROTO PORT                 be the program that has the port already; "ready" first
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"

#define GROUP "239.255.255.250"

union place {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t
place_of(union place *out, char *text, unsigned port)
{
	char *scope = strchr(text, '%');

	memset(out, 0, sizeof(*out));
	if (scope != NULL)
		*scope++ = '\0';
	if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons((uint16_t)port);
		return sizeof(out->v4);
	}
	if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) != 1)
		exit(2);
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons((uint16_t)port);
	out->v6.sin6_scope_id = scope != NULL ? if_nametoindex(scope) : 0;
	return sizeof(out->v6);
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One datagram before until_ms; its length, or -1. */
static ssize_t
receive(int fd, char *bytes, size_t size, union place *from, int64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	socklen_t len = sizeof(*from);
	int64_t left_ms = until_ms - now_ms();

	if (left_ms <= 0 || poll(&p, 1, (int)left_ms) != 1)
		return -1;
	return recvfrom(fd, bytes, size, 0, &from->any, &len);
}

static const char *
ip_of(const union place *p)
{
	static char text[INET6_ADDRSTRLEN];

	return p->any.sa_family == AF_INET ? inet_ntop(AF_INET, &p->v4.sin_addr, text, sizeof(text))
					   : inet_ntop(AF_INET6, &p->v6.sin6_addr, text, sizeof(text));
}

static int
ask(char *address, unsigned port, const char *hex, int count)
{
	union place to, from;
	socklen_t len = place_of(&to, address, port);
	int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char bytes[2048];
	size_t n = 0;
	ssize_t got;
	int64_t until_ms;
	int on = 1;
	unsigned byte;

	for (; hex[0] != '\0' && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		bytes[n++] = (char)byte;
	(void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	for (int i = 0; i < count; i++)
		if (sendto(fd, bytes, n, 0, &to.any, len) == -1) {
			perror("sendto");
			return 1;
		}
	until_ms = now_ms() + 400;
	while ((got = receive(fd, bytes, sizeof(bytes), &from, until_ms)) > 0) {
		printf("%s ", ip_of(&from));
		for (ssize_t i = 0; i < got; i++)
			printf("%02x", (unsigned char)bytes[i]);
		putchar('\n');
	}
	return 0;
}

/* The value of a header line, "-" when it isn't there. */
static void
print_field(const char *text, const char *name)
{
	const char *at = strcasestr(text, name);

	at = at == NULL ? "-" : at + strlen(name);
	printf(" %.*s", (int)strcspn(at, "\r\n"), at);
}

static int
search(char *address, const char *st)
{
	union place to, from;
	socklen_t len = place_of(&to, address, 1900);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[2048];
	int64_t until_ms;
	ssize_t got;
	int n = snprintf(text, sizeof(text),
	    "M-SEARCH * HTTP/1.1\r\nHost: " GROUP ":1900\r\nMan: \"ssdp:discover\"\r\nST: %s\r\nMX: 1\r\n\r\n", st);

	if (sendto(fd, text, (size_t)n, 0, &to.any, len) == -1)
		return 1;
	until_ms = now_ms() + 1500;
	while ((got = receive(fd, text, sizeof(text) - 1, &from, until_ms)) > 0) {
		text[got] = '\0';
		printf("%s", ip_of(&from));
		print_field(text, "\nLocation: ");
		print_field(text, "\nUSN: ");
		putchar('\n');
	}
	return 0;
}

static int
hear(char *address, int seconds)
{
	union place here, from;
	struct ip_mreqn req = { .imr_ifindex = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int64_t until_ms = now_ms() + seconds * 1000;
	char text[2048];
	ssize_t got;
	int on = 1;

	(void)place_of(&here, address, 1900);
	req.imr_address = here.v4.sin_addr;
	(void)inet_pton(AF_INET, GROUP, &req.imr_multiaddr);
	here.v4.sin_addr.s_addr = htonl(INADDR_ANY);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1 ||
	    bind(fd, &here.any, sizeof(here.v4)) == -1 ||
	    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)) == -1) {
		perror("listen");
		return 1;
	}
	printf("ready\n");
	while ((got = receive(fd, text, sizeof(text) - 1, &from, until_ms)) > 0) {
		text[got] = '\0';
		if (strncmp(text, "NOTIFY ", 7) != 0)
			continue;
		printf("%s", ip_of(&from));
		print_field(text, "\nNTS: ");
		print_field(text, "\nLocation: ");
		print_field(text, "\nUSN: ");
		putchar('\n');
	}
	return 0;
}

static int
hold(const char *proto, unsigned port)
{
	int type = strcmp(proto, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int on = 1;

	/* What the port's last owner served may still be in TIME_WAIT. */
	if ((type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) == -1 || (type == SOCK_STREAM && listen(fd, 1) == -1)) {
		perror("hold");
		return 1;
	}
	printf("ready\n");
	(void)pause();
	return 0;
}

int
main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 5 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2], (unsigned)strtoul(argv[3], NULL, 10), argv[4],
		    argc > 5 ? (int)strtol(argv[5], NULL, 10) : 1);
	if (argc == 4 && strcmp(argv[1], "search") == 0)
		return search(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "listen") == 0)
		return hear(argv[2], (int)strtol(argv[3], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
	fputs("usage: finder ask ADDRESS PORT HEX [COUNT] | search ADDRESS ST | listen ADDRESS SECONDS | hold PROTO "
	      "PORT\n",
	    stderr);
	return 2;
}
