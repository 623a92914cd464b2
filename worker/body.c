/*
 * body.c - how the promise in body.h is kept
 */
#include "worker/body.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/pb.h"

#define FIRST_CAP 8192 /* most playlists, at once */

int
body_append(struct body *body, const void *buf, size_t len)
{
	size_t cap = body->cap > 0 ? body->cap : FIRST_CAP;
	char *data;

	if (len == 0)
		return 0;
	if (len > body->max - body->len)
		return PB_ELIMIT;
	while (cap < body->len + len + 1)
		cap *= 2;
	if (cap > body->cap) {
		data = realloc(body->data, cap);
		if (data == NULL)
			return PB_ENOMEM;
		body->data = data;
		body->cap = cap;
	}
	memcpy(body->data + body->len, buf, len);
	body->len += len;
	body->data[body->len] = '\0';
	return 0;
}

int
body_gunzip(struct body *body)
{
	struct body plain = { .max = body->max };
	unsigned char piece[8192];
	z_stream z = { 0 };
	int err = 0, rc;

	if (body->len < 2 || (uint8_t)body->data[0] != 0x1f || (uint8_t)body->data[1] != 0x8b)
		return 0;
	if (inflateInit2(&z, 15 + 16) != Z_OK) /* 16: gzip only */
		return PB_ENOMEM;
	z.next_in = (unsigned char *)body->data;
	z.avail_in = (unsigned)body->len;
	do {
		z.next_out = piece;
		z.avail_out = sizeof(piece);
		rc = inflate(&z, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END)
			err = rc == Z_MEM_ERROR ? PB_ENOMEM : PB_EFORMAT; /* Z_BUF_ERROR: cut */
		else
			err = body_append(&plain, piece, sizeof(piece) - z.avail_out);
	} while (err == 0 && rc != Z_STREAM_END);
	inflateEnd(&z);
	if (err != 0) {
		body_clear(&plain);
		return err;
	}
	body_clear(body);
	*body = plain;
	return 0;
}

void
body_clear(struct body *body)
{
	free(body->data);
	body->data = NULL;
	body->len = body->cap = 0;
}
