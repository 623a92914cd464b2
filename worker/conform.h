/*
 * conform.h - TS in -> ONE continuous TS out
 *
 * Segments of any source go in as they arrive; what comes out is one stream
 * that a decoder never has to look at twice: PIDs, PMT, counters and clock
 * are ours from the first packet to the last. The video and one audio are
 * taken apart into whole access units and packed anew, so nothing odd in a
 * source's packets can reach a viewer. Every cut (ad break, failover, time
 * jump, new time base) is one splice, made in one place.
 *
 *   clock      output 90 kHz (DTS, PTS) and 27 MHz (PCR), unwrapped in this
 *              header, wrapped in the packets; it never steps back
 *   purity     no I/O, no clock, no globals; the answer depends on the
 *              bytes and the calls, not on how the bytes are chunked
 *   trust      bytes are hostile; a snapshot is checked before it is used
 *   blocking   never
 *   memory     bounded: an access unit 8 MiB, start-up 16 MiB, what waits for
 *              its other half 16 MiB (worker/interleave.h), and given back
 *              when it was large; small while a stream runs
 *
 * The order of calls: new, [load], then for each segment begin, feed...,
 * end, with take after any of them. PIDs: PMT 0x1000, video 0x100, audio
 * 0x101, program 1.
 *
 * This is the frame; the work is done by worker/demux.h (bytes -> units),
 * worker/splice.h (their times; every cut), worker/interleave.h (their
 * order) and worker/tsmux.h (packets).
 *
 * Not here: when to fill (worker/writer.h), when bytes may leave
 * (worker/pace.h).
 */
#ifndef PLEXBRIDGE_WORKER_CONFORM_H
#define PLEXBRIDGE_WORKER_CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/tsmux.h"

#define CONFORM_PES_MAX (8u << 20)
#define CONFORM_START_MAX (16u << 20)
#define CONFORM_SNAPSHOT_MAX 4000
#define CONFORM_FIRST_DTS_90K 126000 /* so that the first PCR is at 0.7 s */

struct conform;

struct conform_options {
	char audio_lang[4]; /* ISO 639, "" for the first audio */
	int64_t first_dts_90k; /* 0: CONFORM_FIRST_DTS_90K; up to 2^40 */
	/*
	 * There is so much output that it should be taken, in the middle of a
	 * feed or end, so that it needn't all be kept; take, save, stats and
	 * fill_forget may be called in it. 0 or an error, which is passed on. May
	 * be NULL. Not in a fill: media that waited and the filler behind it are
	 * one output, or a snapshot would be of neither.
	 */
	int (*ready)(void *arg);
	/*
	 * A listed stream dried up alone, and is to be filled while the other goes
	 * on: teach it by conform_fill_learn(), now. NULL: it stays dry.
	 */
	void (*teach)(void *arg);
	void *arg;
};

/* A new segment, or a new connection to an endless one. */
struct conform_input {
	uint64_t msn; /* its number; the same one again only after a load */
	uint32_t source; /* another number is another source: a splice */
	uint32_t duration_ms; /* what the playlist says, 0 when nobody does */
	bool discontinuity; /* upstream says that times or formats jump here */
	bool continues; /* endless plain TS: a connection, not a segment */
};

/* What conform has made; borrowed until the next call. */
struct conform_output {
	const uint8_t *data;
	size_t len; /* a multiple of 188; ends between access units */
	const struct conform_mark *marks; /* tsmux.h: one for each PCR, one for each key frame */
	size_t nmarks;
};

struct conform_stats {
	uint64_t packets;
	uint64_t duplicates;
	uint64_t tei;
	uint64_t scrambled;
	uint64_t unlisted; /* packets of streams that are not carried */
	uint64_t bad_header; /* adaptation field or PES header broken */
	uint64_t cc_losses;
	uint64_t resync_bytes;
	uint64_t psi_errors;
	uint64_t units[ROLES]; /* access units that went out */
	uint64_t damaged; /* access units dropped: incomplete or too big */
	uint64_t early; /* ...waiting for a key frame, or before it */
	uint64_t late; /* ...too late for the clock, or times that fit nowhere */
	uint64_t repeats; /* ...sent already */
	uint64_t keys;
	uint64_t splices; /* joints made behind the first */
	uint64_t time_repairs; /* DTS or PTS that had to be put right */
	uint64_t pcr_repairs; /* PCR put in between access units */
	int64_t key_interval_90k; /* between the last two key frames, 0 before */
	const char *video; /* names as es_name(), "none" when not carried */
	const char *audio;
};

/*
 * What another process needs to go on from the end of what conform_take()
 * has given so far. Plain and of fixed size; private inside, but for the
 * first fields, which say where to go on.
 */
struct conform_snapshot {
	uint64_t magic;
	uint64_t msn; /* the segment in hand, or the last one */
	uint32_t in_segment; /* 1: feed msn again from its start; 0: it is done */
	uint32_t started; /* 1: a stream runs */
	uint8_t inside[3968];
};
_Static_assert(sizeof(struct conform_snapshot) <= CONFORM_SNAPSHOT_MAX, "a snapshot must fit the stream's state");

/*
 * Make one; gives *out, conform_free() ends it. options may be NULL and is
 * copied. 0, PB_ENOMEM.
 */
int conform_new(struct conform **out, const struct conform_options *options);
void conform_free(struct conform **c);

/*
 * A segment begins. Without an end before it, the one before was cut: its
 * whole access units go out, its tail is dropped.
 */
void conform_begin(struct conform *c, const struct conform_input *in);

/*
 * Take its bytes, any number at a time. 0; PB_EFORMAT: this is no TS;
 * PB_ENOSUP: understood, not carried (conform_reason() says why, nothing of
 * this segment goes out any more); PB_ELIMIT; PB_ENOMEM. After an error the
 * rest of the segment may be fed or not; begin the next one as usual.
 */
int conform_feed(struct conform *c, const void *buf, size_t len);

/*
 * The segment is over. truncated: bytes are missing at its end, so a
 * picture whose length is not told is not believed to be whole. 0 when any
 * of it was carried, else as conform_feed().
 */
int conform_end(struct conform *c, bool truncated);

/*
 * Nothing comes, and the viewer has waited long enough (worker/filler.h).
 * First teach it, with packets of this very output that begin at a key mark
 * and end between access units; newest first, until it answers true: all
 * is known. Then fill, again and again, until the output's PCR is at
 * until_27m. What comes after that is joined behind it at a key frame.
 * conform_fill() gives 0; PB_NO when nothing was learned, or no stream
 * runs; PB_ELIMIT, PB_ENOMEM. Forget what is of no more use.
 */
bool conform_fill_learn(struct conform *c, const void *packets, size_t len);
int conform_fill(struct conform *c, int64_t until_27m);
/* From now on with the pictures of that file (worker/slate.h), whose answer it gives; until it is forgotten. */
int conform_fill_slate(struct conform *c, int fd);
void conform_fill_forget(struct conform *c);

/* Bits (1 << role) of the streams that dried up alone, and whose place filler takes. */
unsigned conform_dry(const struct conform *c);

/* Does filler stand at the output's end? Also true after a load. */
bool conform_filled(const struct conform *c);

/*
 * Does media wait in here for its other half, and nothing else? It goes out
 * when that comes, or dried up (worker/interleave.h), and by itself. Then
 * another number for each unit that came, else 0.
 */
uint64_t conform_waits(const struct conform *c);

/* Is there output? Gives it, once. Calls to begin, feed, end and fill take it back, and the end of ready. */
bool conform_take(struct conform *c, struct conform_output *out);

/* What was just taken could not be kept: the next conform_take() gives it once more, with what follows it. */
void conform_give_back(struct conform *c);

/* Describe where the stream stands behind all that conform_take() gave. Take first. */
void conform_save(const struct conform *c, struct conform_snapshot *to);

/*
 * Go on from a snapshot, in a conform that was just made. Then begin the
 * segment that it names (or the next): access units that went out already
 * are dropped, by time, and the stream goes on with the very same bytes.
 * 0; PB_EFORMAT when it is not a snapshot of this version, or not sane.
 */
int conform_load(struct conform *c, const struct conform_snapshot *from);

/* Borrowed for as long as c lives. */
const struct conform_stats *conform_stats(struct conform *c);

/* Was this segment refused because its codecs are not those of the running stream? */
bool conform_unlike(const struct conform *c);

/*
 * Was the segment that just ended refused for want of a key frame alone, and
 * is it too early to give its source up for that? Fetched again, it is the same.
 */
bool conform_awaits_key(const struct conform *c);

/* Why the last error, or why nothing came yet; for the operator. Never NULL. */
const char *conform_reason(const struct conform *c);

#endif
