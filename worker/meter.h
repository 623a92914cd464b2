/*
 * meter.h - how much the way to a source carries
 *
 * Bytes of all bodies together, over the time in which any of them moved: two
 * transfers that share a way are not each half of it, and the pauses between
 * segments, in which nothing is wanted, are no time of the way's.
 *
 *   moving   from a body's first byte to its end, or until its reader has no
 *            room; at most METER_GAP_S of the time without a byte counts: what
 *            is longer is an outage, or media that doesn't exist yet, and
 *            says nothing of how wide the way is
 *   edge     of a body that may still be in the making (the newest segment,
 *            for as long as it lasts) at most METER_EDGE_GAP_S: a server hands
 *            it on as it is made
 *   lately   the last METER_BUSY_S in which something moved, from no more
 *            than the last METER_SLOTS seconds
 *
 * Pure: no I/O, no clock; times are of one monotonic clock, in seconds.
 */
#ifndef PLEXBRIDGE_WORKER_METER_H
#define PLEXBRIDGE_WORKER_METER_H

#include <stdbool.h>
#include <stdint.h>

#define METER_GAP_S 0.5
#define METER_EDGE_GAP_S 0.1
#define METER_BUSY_S 3.0
#define METER_SLOTS 30
#define METER_BYTES_MIN (64 << 10) /* fewer, in less than a second, say nothing */

struct meter {
	unsigned moving, edge; /* bodies; those of them that may be in the making */
	double at; /* up to which the time is counted */
	double byte_at; /* when the last byte came, or the first body began to move */
	int64_t second; /* of the newest slot */
	struct {
		uint64_t bytes;
		double busy_s;
	} slot[METER_SLOTS]; /* by second, modulo */
};

void meter_init(struct meter *meter, double now_s);

/* Forget what was: the way is another. What moves goes on. */
void meter_forget(struct meter *meter);

/* A body begins to move, or ends. edge: as above; the same at its end as at its beginning. */
void meter_begin(struct meter *meter, bool edge, double now_s);
void meter_end(struct meter *meter, bool edge, double now_s);

/* Bytes of any of them came. */
void meter_bytes(struct meter *meter, uint64_t bytes, double now_s);

/* Bits a second, lately; 0: not known. */
uint64_t meter_bps(struct meter *meter, double now_s);

/* Seconds since a byte came, while any body moves; 0: none does. */
double meter_still_s(const struct meter *meter, double now_s);

#endif
