/*
 * discover2.c - the newer search of HDHomeRun's library, where the library that is installed has only the older one
 *
 *   discover2 ADDRESS [ID]   search at ADDRESS, a group's and broadcast too, for tuners and recorders, or for the
 *                            device ID alone: twice, 200 ms each; by ID the first answer ends it
 *       ID IP TUNERS BASE LINEUP AUTH    each device's address, once
 *
 * Requests are that library's to the byte: one tag of many types and no id,
 * or one type (any) and the id. A reply is read more strictly than it does:
 * one frame and nothing behind it, its tags to the last byte, none twice,
 * none that a tuner doesn't send, and an id that a client can use. What
 * isn't so is exit 1, with a word.
 */
#include <arpa/inet.h>
#include <net/if.h>
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
#include <zlib.h>

#define PORT 65001
#define TRIES 2
#define TRY_MS 200
#define FOUND_MAX 32

struct found {
	uint32_t id;
	unsigned tuners;
	char ip[INET6_ADDRSTRLEN], base[128], lineup[128], auth[64];
};

static _Noreturn void
wrong(const char *what)
{
	printf("wrong: %s\n", what);
	exit(1);
}

static uint32_t
u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static size_t
put_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
	return 4;
}

/* id 0: whichever. */
static size_t
write_request(uint8_t out[64], uint32_t id)
{
	size_t n = 4;
	uint32_t crc;

	if (id == 0) {
		out[n++] = 0x2d;
		out[n++] = 8;
		n += put_u32(out + n, 1);
		n += put_u32(out + n, 5);
	} else {
		out[n++] = 0x01;
		out[n++] = 4;
		n += put_u32(out + n, UINT32_MAX);
		out[n++] = 0x02;
		out[n++] = 4;
		n += put_u32(out + n, id);
	}
	memcpy(out, "\x00\x02\x00", 3);
	out[3] = (uint8_t)(n - 4);
	crc = (uint32_t)crc32(0, out, (unsigned)n);
	for (int i = 0; i < 4; i++)
		out[n++] = (uint8_t)(crc >> 8 * i);
	return n;
}

static void
take_text(char *out, size_t size, const uint8_t *value, size_t len)
{
	if (len == 0 || len >= size || memchr(value, '\0', len) != NULL)
		wrong("a text that is empty, too long, or has a NUL");
	memcpy(out, value, len);
	out[len] = '\0';
}

static bool
is_usable(uint32_t id)
{
	static const uint8_t table[] = { 10, 5, 15, 6, 7, 12, 1, 11, 9, 2, 8, 13, 4, 3, 14, 0 };
	unsigned sum = 0;

	for (int i = 0; i < 8; i++) {
		unsigned digit = id >> (28 - 4 * i) & 15;

		sum ^= i % 2 == 0 ? table[digit] : digit;
	}
	return sum == 0 && id != 0 && id != UINT32_MAX;
}

static void
take_item(struct found *f, uint8_t tag, const uint8_t *value, size_t len)
{
	switch (tag) {
	case 0x01:
		if (len != 4 || u32(value) != 1)
			wrong("its type is no tuner's");
		break;
	case 0x02:
		if (len != 4 || !is_usable(u32(value)))
			wrong("an id that clients refuse");
		f->id = u32(value);
		break;
	case 0x10:
		if (len != 1 || value[0] == 0)
			wrong("no number of tuners");
		f->tuners = value[0];
		break;
	case 0x27:
		take_text(f->lineup, sizeof(f->lineup), value, len);
		break;
	case 0x2a:
		if (len > 28)
			wrong("a base URL that older callers cut");
		take_text(f->base, sizeof(f->base), value, len);
		break;
	case 0x2b:
		if (len != 24)
			wrong("DeviceAuth has another length");
		take_text(f->auth, sizeof(f->auth), value, len);
		break;
	default:
		wrong("a tag that no tuner sends");
	}
}

static void
read_reply(struct found *f, const uint8_t *bytes, size_t len)
{
	static const uint8_t needed[] = { 0x01, 0x02, 0x10, 0x27, 0x2a, 0x2b };
	bool seen[256] = { false };
	uint32_t crc = 0;
	size_t end, at = 4;

	if (len < 8 || bytes[0] != 0 || bytes[1] != 3)
		wrong("no reply");
	end = 4 + ((size_t)bytes[2] << 8 | bytes[3]);
	if (end + 4 != len)
		wrong("its length is not the datagram's");
	for (size_t i = 0; i < 4; i++)
		crc |= (uint32_t)bytes[end + i] << 8 * i;
	if (crc != (uint32_t)crc32(0, bytes, (unsigned)end))
		wrong("its CRC");
	while (at < end) {
		uint8_t tag = bytes[at++];
		size_t n;

		if (at == end)
			wrong("a tag without a length");
		n = bytes[at++];
		if (n >= 0x80 || n > end - at)
			wrong("a value runs past the end");
		if (seen[tag])
			wrong("a tag comes twice");
		seen[tag] = true;
		take_item(f, tag, bytes + at, n);
		at += n;
	}
	for (size_t i = 0; i < sizeof(needed); i++)
		if (!seen[needed[i]])
			wrong("a tag is missing");
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

union place {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Note it, unless it's there: a device is known by id and base URL. */
static int
note(struct found all[FOUND_MAX], int count, const struct found *f)
{
	for (int i = 0; i < count; i++)
		if (all[i].id == f->id && strcmp(all[i].base, f->base) == 0)
			return count;
	if (count == FOUND_MAX)
		wrong("more than there can be");
	all[count] = *f;
	printf("%08X %s %u %s %s %s\n", f->id, f->ip, f->tuners, f->base, f->lineup, f->auth);
	return count + 1;
}

/* What comes within TRY_MS. How many are known then. */
static int
collect(int fd, uint32_t id, struct found all[FOUND_MAX], int count)
{
	int64_t until_ms = now_ms() + TRY_MS;
	int64_t left_ms;

	while ((left_ms = until_ms - now_ms()) > 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct found f = { .id = 0 };
		union place from;
		socklen_t len = sizeof(from);
		uint8_t bytes[2048];
		ssize_t n;

		if (poll(&p, 1, (int)left_ms) != 1)
			break;
		n = recvfrom(fd, bytes, sizeof(bytes), 0, &from.any, &len);
		if (n == -1)
			continue;
		read_reply(&f, bytes, (size_t)n);
		(void)inet_ntop(from.any.sa_family,
		    from.any.sa_family == AF_INET ? (void *)&from.v4.sin_addr : (void *)&from.v6.sin6_addr, f.ip,
		    sizeof(f.ip));
		if (id != 0 && f.id != id)
			wrong("another one than was asked for answers");
		count = note(all, count, &f);
		if (id != 0)
			break;
	}
	return count;
}

int
main(int argc, char **argv)
{
	static struct found all[FOUND_MAX];
	char *scope = argc > 1 ? strchr(argv[1], '%') : NULL;
	uint32_t id = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 16) : 0;
	union place to = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) } };
	int on = 1, count = 0;
	uint8_t request[64];
	socklen_t len = sizeof(to.v6);
	size_t n = write_request(request, id);
	int fd;

	if (argc < 2)
		return 2;
	if (scope != NULL) {
		*scope++ = '\0';
		to.v6.sin6_scope_id = if_nametoindex(scope);
	}
	if (inet_pton(AF_INET6, argv[1], &to.v6.sin6_addr) != 1) {
		to = (union place){ .v4 = { .sin_family = AF_INET, .sin_port = htons(PORT) } };
		len = sizeof(to.v4);
		if (inet_pton(AF_INET, argv[1], &to.v4.sin_addr) != 1)
			return 2;
	}
	fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	for (int i = 0; i < TRIES && (id == 0 || count == 0); i++) {
		if (sendto(fd, request, n, 0, &to.any, len) == -1) {
			perror("sendto");
			return 1;
		}
		count = collect(fd, id, all, count);
	}
	return count > 0 ? 0 : 1;
}
