/*
 * reply.c - hostile response heads, and two that should be of one file
 *
 * The input is two streams of header lines, parted by the byte 0x1e; each
 * is cut into lines as curl does. One alone is compared with itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/reply.h"

#define SEPARATOR 0x1e

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct reply *r)
{
	pb_assert(r->status >= 0 && r->status <= 999);
	pb_assert(r->length >= -1 && r->total >= -1);
	pb_assert(r->first >= 0 ? r->last >= r->first : r->first == -1 && r->last == -1);
	pb_assert(r->total == -1 || r->total > r->last);
	pb_assert(memchr(r->type, '\0', sizeof(r->type)) != NULL);
	pb_assert(memchr(r->modified, '\0', sizeof(r->modified)) != NULL);
	pb_assert(memchr(r->etag, '\0', sizeof(r->etag)) != NULL);
	pb_assert(strpbrk(r->type, "ABCDEFGHIJKLMNOPQRSTUVWXYZ;\r\n") == NULL);
	pb_assert(r->etag[0] == '\0' || (r->etag[0] == '"' && r->etag[strlen(r->etag) - 1] == '"'));
	/* They go back to the server in If-Range: nothing may come along with them. */
	pb_assert(strpbrk(r->etag, "\r\n") == NULL && strpbrk(r->modified, "\r\n") == NULL);
	pb_assert(r->location == NULL || (strlen(r->location) < URL_MAX && !r->location_too_long));
}

static void
read_lines(struct reply *r, const uint8_t *data, size_t size)
{
	reply_init(r);
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end != NULL ? (size_t)(end - data) + 1 : size;
		char *line = malloc(len); /* exactly as long, so that a read past its end is seen */
		bool over;

		pb_assert(line != NULL);
		memcpy(line, data, len);
		over = reply_line(r, line, len);
		free(line);
		check(r);
		pb_assert(!over || r->status >= 200);
		data += len;
		size -= len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *part = size > 0 ? memchr(data, SEPARATOR, size) : NULL;
	size_t len = part != NULL ? (size_t)(part - data) : size;
	struct reply a, b;

	read_lines(&a, data, len);
	read_lines(&b, part != NULL ? part + 1 : data, part != NULL ? size - len - 1 : size);
	pb_assert(reply_same_file(&a, &a) && reply_same_file(&b, &b));
	pb_assert(reply_same_file(&a, &b) == reply_same_file(&b, &a));
	pb_assert(reply_surely_same(&a, &b) == reply_surely_same(&b, &a));
	pb_assert(!reply_surely_same(&a, &b) || reply_same_file(&a, &b));
	pb_assert(part != NULL || reply_same_file(&a, &b));
	reply_clear(&a);
	check(&a);
	pb_assert(a.status == 0 && a.location == NULL);
	reply_clear(&a); /* twice is fine */
	reply_clear(&b);
	return 0;
}
