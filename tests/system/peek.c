/*
 * peek.c - ask a program again and again, until it says what a test waits for
 *
 *   peek [-t SECONDS [-p PID]] WHERE [FILTER]
 *       WHERE is a control socket's path, whose /api/status is asked (with
 *       -a PATH that), or an http:// URL with an address in it. Prints the
 *       answer, or what the jq FILTER makes of it, as jq -r does. With -t it asks every 20 ms, until the
 *       result is neither false nor null, SECONDS at most, and no longer
 *       than the process PID lives; then only that result is printed.
 *   peek -t SECONDS -l FILE PATTERN
 *       Until a line of FILE, which may be growing, matches the extended
 *       regular expression.
 *
 * Exit 0; 1: never, or false or null; 2: no answer, or a usage error.
 *
 * A shell with curl and jq in a loop says the same, but costs a machine more
 * than what is tested: jq alone compiles its built-in functions at each start.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <jq.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"

#define ASK_EVERY_MS 20
#define ANSWER_MS 5000
#define ANSWER_MAX ((size_t)64 << 20)
#define LINE_MAX_BYTES (64 << 10)

struct place {
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
	} addr;
	socklen_t len;
	const char *host, *path;
};

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* An address and a port from http://A.B.C.D:PORT/PATH, or a socket's path. */
static bool
place_set(struct place *p, const char *where, const char *path)
{
	static char host[64];
	char address[32];
	unsigned port = 80;
	int n = 0;

	memset(p, 0, sizeof(*p));
	if (strncmp(where, "http://", 7) != 0) {
		if (strlen(where) >= sizeof(p->addr.un.sun_path))
			return false;
		p->addr.un.sun_family = AF_UNIX;
		memcpy(p->addr.un.sun_path, where, strlen(where) + 1);
		p->len = sizeof(p->addr.un);
		p->host = "localhost";
		p->path = path;
		return true;
	}
	where += 7;
	if (sscanf(where, "%31[0-9.]%n", address, &n) != 1 ||
	    (where[n] == ':' && sscanf(where + n, ":%5u", &port) != 1) || port > 65535)
		return false;
	p->addr.in.sin_family = AF_INET;
	p->addr.in.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, address, &p->addr.in.sin_addr) != 1)
		return false;
	p->len = sizeof(p->addr.in);
	snprintf(host, sizeof(host), "%s:%u", address, port);
	p->host = host;
	p->path = strchr(where, '/') != NULL ? strchr(where, '/') : "/";
	return true;
}

static bool
readable(int fd, int64_t until_ms)
{
	int64_t left = until_ms - now_ms();
	struct pollfd of = { .fd = fd, .events = POLLIN };

	return left > 0 && poll(&of, 1, (int)left) == 1;
}

/* The body of a 200 answer, whose head is left before it; NULL: there is none. The caller frees *head. */
static const char *
place_get(const struct place *p, char **head, size_t *len)
{
	const int64_t until = now_ms() + ANSWER_MS;
	char request[512];
	size_t have = 0, room = 1 << 16;
	char *text = malloc(room + 1), *body = NULL;
	ssize_t n;
	int fd = socket(p->addr.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* 1.0: what follows the head is the body, up to the end. */
	n = snprintf(
	    request, sizeof(request), "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n", p->path, p->host);
	if (text == NULL || fd == -1 || n >= (ssize_t)sizeof(request) || connect(fd, &p->addr.any, p->len) == -1 ||
	    send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		goto out;
	while (readable(fd, until) && (n = recv(fd, text + have, room - have, 0)) != 0) {
		if (n == -1)
			goto out;
		have += (size_t)n;
		if (have == room) {
			char *more = room < ANSWER_MAX ? realloc(text, room * 2 + 1) : NULL;

			if (more == NULL)
				goto out;
			text = more;
			room *= 2;
		}
	}
	text[have] = '\0';
	body = n == 0 && (strncmp(text, "HTTP/1.1 200", 12) == 0 || strncmp(text, "HTTP/1.0 200", 12) == 0)
	    ? strstr(text, "\r\n\r\n")
	    : NULL;
	if (body != NULL) {
		body += 4;
		*len = have - (size_t)(body - text);
	}
out:
	if (fd != -1)
		close(fd);
	if (body == NULL) {
		free(text);
		return NULL;
	}
	*head = text;
	return body;
}

/* What jq -r prints of it. */
static void
print(jv value)
{
	if (jv_get_kind(value) == JV_KIND_STRING) {
		printf("%s\n", jv_string_value(value));
		jv_free(value);
		return;
	}
	jv_dump(value, JV_PRINT_PRETTY | JV_PRINT_INDENT_FLAGS(2));
	putchar('\n');
}

/*
 * 0: the last result is true; 1: it is not, or there is none; 2: no answer.
 * Prints them all, or (until) what is true; the answer itself without jq.
 */
static int
look(const struct place *place, jq_state *jq, bool until)
{
	char *head;
	size_t len;
	const char *body = place_get(place, &head, &len);
	int result = 1;
	jv value;

	if (body == NULL)
		return 2;
	if (jq == NULL) {
		fwrite(body, 1, len, stdout);
		free(head);
		return 0;
	}
	value = jv_parse_sized(body, (int)len);
	free(head);
	if (!jv_is_valid(value)) {
		jv_free(value);
		return 2;
	}
	jq_start(jq, value, 0);
	while (jv_is_valid(value = jq_next(jq))) {
		bool good = jv_get_kind(value) != JV_KIND_NULL && jv_get_kind(value) != JV_KIND_FALSE;

		result = !good;
		if (until && !good) {
			jv_free(value);
			continue;
		}
		print(value);
		if (until)
			return 0;
	}
	if (!until && jv_invalid_has_msg(jv_copy(value))) {
		jv why = jv_invalid_get_msg(jv_copy(value));

		if (jv_get_kind(why) == JV_KIND_STRING)
			fprintf(stderr, "peek: %s\n", jv_string_value(why));
		jv_free(why);
		result = 2;
	}
	jv_free(value);
	return result;
}

/* A line of the file that matches, before the time is over. */
static int
await_line(const char *name, const char *pattern, int64_t until_ms)
{
	static char line[LINE_MAX_BYTES];
	FILE *f = NULL;
	size_t have = 0;
	regex_t re;
	bool found = false, late = false;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
		fprintf(stderr, "peek: no pattern: %s\n", pattern);
		return 2;
	}
	while (!found && !late) {
		/* One more look after the time is over: it may have come with the end of it. */
		late = now_ms() >= until_ms;
		if (f == NULL)
			f = fopen(name, "re");
		while (!found && f != NULL && fgets(line + have, (int)(sizeof(line) - have), f) != NULL) {
			have += strlen(line + have);
			if (have == 0)
				continue; /* it begins with a NUL: a file that was cut while it was written */
			if (have + 1 < sizeof(line) && line[have - 1] != '\n')
				continue; /* the rest is still to be written */
			if (line[have - 1] == '\n')
				line[have - 1] = '\0';
			have = 0;
			found = regexec(&re, line, 0, NULL, 0) == 0;
		}
		if (f != NULL)
			clearerr(f);
		if (!found && !late)
			pause_ms(ASK_EVERY_MS);
	}
	if (f != NULL)
		fclose(f);
	regfree(&re);
	return found ? 0 : 1;
}

static int
usage(void)
{
	fprintf(stderr,
	    "usage: peek [-t SECONDS [-p PID]] [-a PATH] SOCKET|URL [FILTER] | peek -t SECONDS -l FILE PATTERN\n");
	return 2;
}

int
main(int argc, char **argv)
{
	const char *file = NULL, *path = "/api/status";
	int64_t until_ms = 0;
	pid_t pid = 0;
	struct place place;
	jq_state *jq = NULL;
	int c, result;

	while ((c = getopt(argc, argv, "a:t:p:l:")) != -1)
		switch (c) {
		case 'a':
			path = optarg;
			break;
		case 't':
			until_ms = now_ms() + (int64_t)(strtod(optarg, NULL) * 1000);
			break;
		case 'p':
			pid = (pid_t)strtol(optarg, NULL, 10);
			break;
		case 'l':
			file = optarg;
			break;
		default:
			return usage();
		}
	if (file != NULL)
		return argc - optind == 1 && until_ms > 0 ? await_line(file, argv[optind], until_ms) : usage();
	if (argc - optind < 1 || argc - optind > 2 || !place_set(&place, argv[optind], path))
		return usage();
	if (argc - optind == 2 && ((jq = jq_init()) == NULL || !jq_compile(jq, argv[optind + 1]))) {
		fprintf(stderr, "peek: no filter: %s\n", argv[optind + 1]);
		return 2;
	}
	while ((result = look(&place, jq, until_ms > 0)) != 0 && now_ms() < until_ms && (pid == 0 || kill(pid, 0) == 0))
		pause_ms(ASK_EVERY_MS);
	if (jq != NULL)
		jq_teardown(&jq);
	return result;
}
