/*
 * filler.h - what a viewer gets while there is no media: a still and silence
 *
 * The last key picture, repeated, with silence in the stream's own format.
 * Both are learned from the stream itself, as it left: from a key mark of
 * the spool on. So a worker that adopts a stream in the middle of an outage
 * knows all that the one before knew.
 *
 * Pure: packets in, packets out through worker/tsmux.h; the clock up to
 * which they are wanted is passed in. Its times go on from the mux's.
 *
 *   picture    every half second, once a second when it is a big one
 *   silence    worker/silence.h; where none can be made, the stream's own
 *              last frame again, if its length is known, else nothing
 *   trust      the packets are ours, but are not believed to be well formed
 *   memory     one picture of FILLER_PICTURE_MAX at most, while there is need
 */
#ifndef PLEXBRIDGE_WORKER_FILLER_H
#define PLEXBRIDGE_WORKER_FILLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/slate.h"
#include "worker/tsmux.h"

#define FILLER_PICTURE_MAX (2u << 20)

struct filler {
	uint8_t *picture; /* NULL: none is known */
	size_t picture_len;
	int64_t cts_90k; /* PTS - DTS of the picture, as in the stream */
	struct slate *slate; /* in place of the picture; NULL: none */
	size_t slate_at; /* the picture of it that is next */
	int64_t shown_90k; /* how long what it showed so far is to be seen */
	uint8_t *sound; /* one frame; NULL: none */
	size_t sound_len;
	unsigned samples, rate;
	int64_t rest; /* of a tick, in 1 / rate */
	int64_t next_90k[ROLES];
	int64_t last_90k[ROLES]; /* DTS of its last unit: when it is the mux's, it goes on there */
};

/* Zero it to begin. */
void filler_clear(struct filler *f);

/*
 * Learn what is not known yet from a stream's packets that begin at a key
 * mark and end between access units. true when all that mux lists is known.
 * PB_ENOMEM is no more than not known.
 */
bool filler_learn(struct filler *f, const struct tsmux *mux, const uint8_t *ts, size_t len);

/* Is it of any use: is there a picture, or silence for a stream without one? */
bool filler_ready(const struct filler *f, const struct tsmux *mux);

/* From here on the slate in that file, if it is like the picture. As slate_read(). */
int filler_slate(struct filler *f, enum es_codec codec, int fd);

/* Fill from now on; ends_90k: where each role's last unit ends, TS_NOTIME where there was none. */
void filler_begin(struct filler *f, const struct tsmux *mux, const int64_t ends_90k[ROLES]);

/*
 * Go on until the programme clock is at until_27m, and not half a second
 * further. 0; PB_NO when nothing is known to fill with; PB_ELIMIT, PB_ENOMEM.
 */
int filler_make(struct filler *f, struct tsmux *mux, int64_t until_27m);

/*
 * One role dried up, the other goes on: fill it up to until_90k; end_90k is
 * where its last unit ends, TS_NOTIME where there was none. 0; PB_NO when
 * nothing is known to fill it with; PB_ENOMEM.
 */
int filler_alone(struct filler *f, struct tsmux *mux, enum role role, int64_t end_90k, int64_t until_90k);

#endif
