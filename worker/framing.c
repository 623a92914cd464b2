/*
 * framing.c - sync is five sync bytes in a row at one stride
 *
 * One 0x47 proves nothing: it is a letter in HTML and a byte in PNG. An
 * offset is judged only when enough bytes are there to judge every stride,
 * so that the answer is the same for one big chunk and for many small.
 */
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/framing.h"

#define SYNCS 5
#define STRIDE_MAX 204
#define JUDGE ((SYNCS - 1) * STRIDE_MAX + 1) /* bytes from an offset that decide about it */
#define HUNT_STEP 4096

static const int strides[] = { 188, 192, STRIDE_MAX };

void
framing_clear(struct framing *f)
{
	free(f->hunt);
	memset(f, 0, sizeof(*f));
}

/* The stride at which packets stand from b on, 0 when none do. */
static int
judge(const uint8_t *b, size_t len, bool at_end)
{
	if (b[0] != TS_SYNC)
		return 0;
	for (size_t i = 0; i < NITEMS(strides); i++) {
		size_t at = 0;
		int seen = 0;

		for (; seen < SYNCS && at < len && b[at] == TS_SYNC; at += (size_t)strides[i])
			seen++;
		if (seen == SYNCS)
			return strides[i];
		/* At the end: all that is left, two at least or one that fits exactly. */
		if (at_end && at >= len && len >= TS_PACKET && (seen >= 2 || len == TS_PACKET))
			return strides[i];
	}
	return 0;
}

/* Hand out packets from bytes that are in step; says how many were used. */
static int
run(struct framing *f, const uint8_t *b, size_t len, size_t *used, int (*packet)(void *arg, const uint8_t *p),
    void *arg)
{
	size_t at = 0, n;
	int err = 0;

	while (at < len) {
		if (f->gap > 0) {
			n = PB_MIN(f->gap, len - at);
			f->gap -= n;
			at += n;
			continue;
		}
		if (f->have == 0 && b[at] != TS_SYNC) {
			f->stride = 0;
			break;
		}
		if (f->have == 0 && len - at >= TS_PACKET) {
			err = packet(arg, b + at);
			at += TS_PACKET;
		} else {
			n = PB_MIN(TS_PACKET - f->have, len - at);
			memcpy(f->part + f->have, b + at, n);
			f->have += n;
			at += n;
			if (f->have < TS_PACKET)
				continue;
			f->have = 0;
			err = packet(arg, f->part);
		}
		f->packets++;
		f->gap = (size_t)f->stride - TS_PACKET;
		if (err != 0)
			break;
	}
	*used = at;
	return err;
}

/* Forget the first n bytes of the hunt. */
static void
hunt_drop(struct framing *f, size_t n)
{
	memmove(f->hunt, f->hunt + n, f->hunt_len - n);
	f->hunt_len -= n;
	f->hunt_at = f->hunt_at > n ? f->hunt_at - n : 0;
}

static void
hunt_over(struct framing *f)
{
	free(f->hunt);
	f->hunt = NULL;
	f->hunt_len = f->hunt_cap = f->hunt_at = 0;
}

/*
 * Search what was gathered. When packets are found, hand out those in the
 * gathered bytes; stays in search when they end in junk again.
 */
static int
hunt(struct framing *f, bool at_end, int (*packet)(void *arg, const uint8_t *p), void *arg)
{
	size_t used;
	int err;

	while (f->hunt_at < f->hunt_len && (at_end || f->hunt_len - f->hunt_at >= JUDGE)) {
		f->stride = judge(f->hunt + f->hunt_at, f->hunt_len - f->hunt_at, at_end);
		if (f->stride == 0) {
			f->hunt_at++;
			continue;
		}
		f->junk += f->hunt_at;
		hunt_drop(f, f->hunt_at);
		err = run(f, f->hunt, f->hunt_len, &used, packet, arg);
		if (err != 0)
			return err;
		if (f->stride != 0) {
			hunt_over(f);
			return 0;
		}
		hunt_drop(f, used);
	}
	return 0;
}

int
framing_feed(struct framing *f, const uint8_t *buf, size_t len, int (*packet)(void *arg, const uint8_t *p), void *arg)
{
	size_t n;
	int err;

	while (len > 0) {
		if (f->stride != 0) {
			err = run(f, buf, len, &n, packet, arg);
			buf += n;
			len -= n;
			if (err != 0)
				return err;
			continue;
		}
		n = PB_MIN(len, (size_t)HUNT_STEP);
		if (f->hunt_cap - f->hunt_len < n) {
			size_t cap = f->hunt_len + n + HUNT_STEP;
			uint8_t *grown = realloc(f->hunt, cap);

			if (grown == NULL)
				return PB_ENOMEM;
			f->hunt = grown;
			f->hunt_cap = cap;
		}
		memcpy(f->hunt + f->hunt_len, buf, n);
		f->hunt_len += n;
		buf += n;
		len -= n;
		err = hunt(f, false, packet, arg);
		if (err != 0)
			return err;
		if (f->stride == 0 && f->hunt_at > FRAMING_HUNT) {
			if (f->packets == 0)
				return PB_EFORMAT;
			f->junk += f->hunt_at;
			hunt_drop(f, f->hunt_at);
		}
	}
	return 0;
}

int
framing_end(struct framing *f, int (*packet)(void *arg, const uint8_t *p), void *arg)
{
	int err = 0;

	if (f->stride == 0 && f->hunt_len > 0)
		err = hunt(f, true, packet, arg);
	f->have = 0; /* a packet without its end is never completed by another segment's bytes */
	return err;
}
