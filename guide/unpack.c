/*
 * unpack.c - how the promise in unpack.h is kept
 *
 * Two stages of the same kind, for a .gz that was sent with Content-Encoding
 * gzip. A stage decides when it has seen six bytes, or the end.
 */
#include "guide/unpack.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/pb.h"

#define OUT_BYTES 65536
#define MAGIC 6
#define XZ_MEMORY ((uint64_t)40 << 20) /* a dictionary of 32 MiB; only xz -9 wants more */
#define SMALL ((uint64_t)16 << 20) /* no ratio is looked at before */
#define STAGES 2

enum how { UNDECIDED, PLAIN, GZIP, XZ };

struct stage {
	enum how how;
	char magic[MAGIC];
	size_t have;
	bool ended; /* a gzip member's or xz stream's end: another may follow, or nothing */
	z_stream z;
	lzma_stream x;
	char *out;
};

struct unpack {
	struct stage stage[STAGES];
	uint64_t in, bytes, bytes_max;
	int (*sink)(void *user, const char *bytes, size_t len);
	void *user;
	const char *why;
};

static int feed(struct unpack *u, size_t at, const char *bytes, size_t len);

int
unpack_new(struct unpack **out, uint64_t bytes_max, int (*sink)(void *user, const char *bytes, size_t len), void *user)
{
	struct unpack *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return PB_ENOMEM;
	u->bytes_max = bytes_max;
	u->sink = sink;
	u->user = user;
	u->why = "";
	*out = u;
	return 0;
}

void
unpack_free(struct unpack **unpack)
{
	struct unpack *u = *unpack;

	*unpack = NULL;
	if (u == NULL)
		return;
	for (size_t i = 0; i < STAGES; i++) {
		if (u->stage[i].how == GZIP)
			(void)inflateEnd(&u->stage[i].z);
		else if (u->stage[i].how == XZ)
			lzma_end(&u->stage[i].x);
		free(u->stage[i].out);
	}
	free(u);
}

const char *
unpack_why(const struct unpack *u)
{
	return u->why;
}

static int
fail(struct unpack *u, int err, const char *why)
{
	u->why = why;
	return err;
}

static int
give(struct unpack *u, const char *bytes, size_t len)
{
	u->bytes += len;
	if (u->bytes > u->bytes_max)
		return fail(u, PB_ELIMIT, "it is too large");
	if (u->bytes > SMALL && u->bytes / UNPACK_RATIO_MAX > u->in)
		return fail(u, PB_ELIMIT, "it unpacks to far more than any text does");
	return u->sink(u->user, bytes, len);
}

static int
decide(struct unpack *u, struct stage *s)
{
	lzma_stream none = LZMA_STREAM_INIT;

	s->how = PLAIN;
	if (s->have >= 3 && memcmp(s->magic, "\x1f\x8b\x08", 3) == 0) {
		if (inflateInit2(&s->z, 15 + 16) != Z_OK)
			return PB_ENOMEM;
		s->how = GZIP;
	} else if (s->have >= MAGIC &&
	    memcmp(s->magic,
		"\xfd"
		"7zXZ\0",
		MAGIC) == 0) {
		s->x = none;
		if (lzma_stream_decoder(&s->x, XZ_MEMORY, LZMA_CONCATENATED) != LZMA_OK)
			return PB_ENOMEM;
		s->how = XZ;
	}
	if (s->how != PLAIN) {
		s->out = malloc(OUT_BYTES);
		if (s->out == NULL)
			return fail(u, PB_ENOMEM, "no memory");
	}
	return 0;
}

static int
feed_gzip(struct unpack *u, size_t at, const char *bytes, size_t len)
{
	struct stage *s = &u->stage[at];
	int err = 0;

	s->z.next_in = (Bytef *)(uintptr_t)bytes;
	s->z.avail_in = (uInt)len;
	do {
		int z;

		if (s->ended) {
			if (s->z.avail_in == 0)
				break;
			/* Zeros and other litter behind the last member are none of it. */
			if (*s->z.next_in != 0x1f)
				return 0;
			if (inflateReset(&s->z) != Z_OK)
				return PB_ENOMEM;
			s->ended = false;
		}
		s->z.next_out = (Bytef *)s->out;
		s->z.avail_out = OUT_BYTES;
		z = inflate(&s->z, Z_NO_FLUSH);
		if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
			return fail(u, PB_EFORMAT, "its gzip is damaged");
		if (s->z.avail_out < OUT_BYTES)
			err = feed(u, at + 1, s->out, OUT_BYTES - s->z.avail_out);
		s->ended = z == Z_STREAM_END;
		if (z == Z_BUF_ERROR)
			break;
	} while (err == 0 && (s->z.avail_in > 0 || s->z.avail_out == 0));
	return err;
}

static int
feed_xz(struct unpack *u, size_t at, const char *bytes, size_t len, lzma_action action)
{
	struct stage *s = &u->stage[at];
	int err = 0;

	s->x.next_in = (const uint8_t *)bytes;
	s->x.avail_in = len;
	do {
		lzma_ret x;

		s->x.next_out = (uint8_t *)s->out;
		s->x.avail_out = OUT_BYTES;
		x = lzma_code(&s->x, action);
		if (x == LZMA_MEMLIMIT_ERROR)
			return fail(
			    u, PB_ELIMIT, "its xz needs more than 40 MiB of memory: xz -8 or less would be right");
		if (x != LZMA_OK && x != LZMA_STREAM_END && x != LZMA_BUF_ERROR)
			return fail(u, PB_EFORMAT, "its xz is damaged");
		if (s->x.avail_out < OUT_BYTES)
			err = feed(u, at + 1, s->out, OUT_BYTES - s->x.avail_out);
		s->ended = x == LZMA_STREAM_END;
		if (s->ended || x == LZMA_BUF_ERROR)
			break;
	} while (err == 0 && (s->x.avail_in > 0 || s->x.avail_out == 0));
	return err;
}

static int
through(struct unpack *u, size_t at, const char *bytes, size_t len)
{
	switch (u->stage[at].how) {
	case GZIP:
		return feed_gzip(u, at, bytes, len);
	case XZ:
		return feed_xz(u, at, bytes, len, LZMA_RUN);
	default:
		return feed(u, at + 1, bytes, len);
	}
}

static int
feed(struct unpack *u, size_t at, const char *bytes, size_t len)
{
	struct stage *s = &u->stage[at];
	int err;

	if (at == STAGES)
		return give(u, bytes, len);
	if (s->how == UNDECIDED) {
		size_t n = PB_MIN(MAGIC - s->have, len);

		memcpy(s->magic + s->have, bytes, n);
		s->have += n;
		if (s->have < MAGIC)
			return 0;
		err = decide(u, s);
		if (err == 0)
			err = through(u, at, s->magic, s->have);
		if (err != 0)
			return err;
		bytes += n;
		len -= n;
	}
	return len > 0 ? through(u, at, bytes, len) : 0;
}

int
unpack_feed(struct unpack *u, const char *bytes, size_t len)
{
	u->in += len;
	return feed(u, 0, bytes, len);
}

int
unpack_end(struct unpack *u)
{
	for (size_t i = 0; i < STAGES; i++) {
		struct stage *s = &u->stage[i];
		int err = 0;

		if (s->how == UNDECIDED && s->have > 0) {
			err = decide(u, s);
			if (err == 0)
				err = through(u, i, s->magic, s->have);
		}
		if (err == 0 && s->how == XZ)
			err = feed_xz(u, i, "", 0, LZMA_FINISH);
		if (err != 0)
			return err;
		if ((s->how == XZ || s->how == GZIP) && !s->ended)
			return fail(u, PB_EFORMAT, "it is cut off in the middle");
	}
	return 0;
}
