/*
 * names.c - a resolver that knows one address
 *
 *	names ADDRESS TTL
 *
 * Answers every question for an A record, over UDP on ADDRESS port 53, with
 * 127.0.0.1, good for TTL seconds, and every other question with nothing.
 * Says "ready" first. While it is stopped (SIGSTOP) the resolver is dead.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD 12 /* RFC 1035 4.1.1 */

/* The question's end, from the head on. 0: it is none that we understand. */
static size_t
question_end(const unsigned char *p, size_t len)
{
	size_t i = HEAD;

	while (i < len && p[i] != 0)
		i += p[i] + 1U;
	return i + 5 <= len ? i + 5 : 0;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
	unsigned char p[1024];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t ttl;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fputs("usage: names ADDRESS TTL\n", stderr);
		return 2;
	}
	ttl = htonl((uint32_t)strtoul(argv[2], NULL, 10));
	if (fd == -1 || bind(fd, (struct sockaddr *)&to, sizeof(to)) == -1) {
		perror(argv[1]);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, p, sizeof(p) - 32, 0, (struct sockaddr *)&from, &size);
		size_t end = n > HEAD ? question_end(p, (size_t)n) : 0;

		if (end == 0)
			continue;
		/* A response, recursion available; the question stays, and what came behind it goes. */
		p[2] = (unsigned char)(0x80 | (p[2] & 0x01));
		p[3] = 0x80;
		memset(p + 6, 0, 6);
		if (p[end - 4] == 0 && p[end - 3] == 1) {
			/* the name of the question, A, IN, ttl, four bytes */
			static const unsigned char record[] = { 0xc0, HEAD, 0, 1, 0, 1 };
			static const unsigned char address[] = { 0, 4, 127, 0, 0, 1 };

			p[7] = 1;
			memcpy(p + end, record, sizeof(record));
			memcpy(p + end + 6, &ttl, 4);
			memcpy(p + end + 10, address, sizeof(address));
			end += 16;
		}
		(void)sendto(fd, p, end, 0, (struct sockaddr *)&from, size);
	}
}
