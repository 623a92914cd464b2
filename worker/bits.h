/*
 * bits.h - fields that are no bytes: a reader and a writer, first bit highest
 *
 * Neither leaves its buffer: past its end the reader gives zeros, the writer
 * drops, and both say so in `over`. What is written to must be zero before.
 */
#ifndef PLEXBRIDGE_WORKER_BITS_H
#define PLEXBRIDGE_WORKER_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bits_in {
	const uint8_t *at;
	size_t len; /* bytes */
	size_t n; /* bits read */
	bool over;
};

struct bits_out {
	uint8_t *at;
	size_t len; /* bytes */
	size_t n; /* bits written */
	bool over;
};

/* width up to 32. */
static inline uint32_t
bits_get(struct bits_in *b, unsigned width)
{
	uint32_t value = 0;

	for (; width > 0; width--, b->n++) {
		value <<= 1;
		if (b->n / 8 >= b->len)
			b->over = true;
		else
			value |= b->at[b->n / 8] >> (7 - b->n % 8) & 1;
	}
	return value;
}

static inline void
bits_put(struct bits_out *b, uint32_t value, unsigned width)
{
	for (; width > 0; width--, b->n++) {
		if (b->n / 8 >= b->len)
			b->over = true;
		else if (value >> (width - 1) & 1)
			b->at[b->n / 8] |= (uint8_t)(0x80 >> b->n % 8);
	}
}

/* The same bits once more. Returns the last 32 of them. */
static inline uint32_t
bits_copy(struct bits_out *to, struct bits_in *from, unsigned width)
{
	uint32_t value = bits_get(from, width);

	bits_put(to, value, width);
	return value;
}

#endif
