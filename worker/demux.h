/*
 * demux.h - any bytes of a source -> whole access units, with its own times
 *
 * Finds the packets (worker/framing.h), reads PAT and PMT, chooses one video
 * and one audio stream, and puts their PES together. Duplicates, errored and
 * scrambled packets end here, and so do damaged units: what is handed on is
 * whole, or a picture that decoders can conceal.
 *
 *   times      as the source wrote them, 33 bits, or TS_NOTIME
 *   segments   demux_begin, demux_feed..., demux_end; a segment that brings
 *              no tables is read by those of the one before
 *   state      struct demux_state, at a segment's begin, for a snapshot
 *   trust      hostile bytes
 *   memory     an access unit for each role; borrowed from the pool
 *
 * Not here: which time a unit gets, and whether it is wanted (worker/splice.h).
 */
#ifndef PLEXBRIDGE_WORKER_DEMUX_H
#define PLEXBRIDGE_WORKER_DEMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ts.h"
#include "worker/framing.h"
#include "worker/psi.h"
#include "worker/tsmux.h"
#include "worker/unit.h"

#define DEMUX_PMTS 8 /* programs of a source that are looked at */
#define DEMUX_NO_PID 0xffff

/* A stream of the source that was chosen for a role. */
struct demux_stream {
	uint16_t pid; /* DEMUX_NO_PID: none */
	uint8_t type;
	uint8_t codec; /* enum es_codec */
	uint8_t desc_len;
	uint8_t desc[PSI_DESC_MAX];
};

/* What the next segment relies on. Plain, for a snapshot. */
struct demux_state {
	struct demux_stream stream[ROLES];
	uint16_t pmt_pid;
	uint16_t program;
};

/* A PID being put together. */
struct assembly {
	struct unit *unit; /* NULL: waits for the start of a PES */
	size_t want; /* bytes of the whole PES, 0 when it does not say */
	int cc; /* -1: none seen */
	bool damaged;
	bool open; /* unit is of the segment before: the next packet must be the one that follows */
	/* The last payload, to know a duplicate by: the end of unit when it went there whole, else a copy. */
	uint8_t tail_len;
	bool tail_inside;
	uint8_t tail[TS_PACKET];
};

struct demux_counts {
	uint64_t packets;
	uint64_t duplicates;
	uint64_t tei;
	uint64_t scrambled;
	uint64_t unlisted; /* packets of streams that were not chosen */
	uint64_t bad_header; /* adaptation field or PES header broken */
	uint64_t cc_losses;
	uint64_t psi_errors;
	uint64_t damaged; /* units dropped: incomplete or too big */
	uint64_t junk; /* bytes passed over, in earlier segments (framing.junk: in this one) */
};

struct demux {
	struct demux_state s;
	struct pool *pool; /* borrowed, as the next three */
	const struct tsmux_state *out; /* what our PMT lists: once something left, only that is chosen */
	const char *lang; /* ISO 639, "" for the first audio */
	int (*unit)(void *arg, struct unit *u); /* takes each unit; not 0 ends the feed */
	void *arg;

	struct framing framing;
	struct psi_gather pat;
	int pat_cc;
	int npmts;
	struct {
		uint16_t pid;
		uint16_t program;
		int cc;
		struct psi_gather gather;
	} pmt[DEMUX_PMTS];
	struct assembly as[ROLES];

	/* Of this segment. */
	bool has_pmt;
	bool unlike; /* refused: other codecs than what our PMT lists */
	bool foreign; /* it has a PMT, but nothing in it is carried */
	bool keyless; /* explained: pictures came, but none to begin with */
	bool shown[ROLES]; /* something of this stream came */
	uint64_t scrambled; /* packets and units */
	int refused; /* the error that ends it, 0; reason says why */
	char reason[160];

	struct demux_counts counts;
};

/* Borrows all for as long as d lives; the caller sets nothing else. */
void demux_init(struct demux *d, struct pool *pool, const struct tsmux_state *out, const char *lang,
    int (*unit)(void *arg, struct unit *u), void *arg);
void demux_clear(struct demux *d);

/*
 * A segment begins. anew: of another source, of which nothing is known.
 * follows: it is the very next one of the same source, so a PES that ended
 * in the middle, and said so, may go on here. That is not part of the state:
 * who goes on from a snapshot has lost it.
 */
void demux_begin(struct demux *d, bool anew, bool follows);

/*
 * Take its bytes. 0, or the error that refuses it: PB_EFORMAT, PB_ENOSUP,
 * PB_ENOMEM, or what unit() returned. Nothing more is handed on then.
 */
int demux_feed(struct demux *d, const uint8_t *buf, size_t len);

/*
 * The segment is over: its last units are handed on, kept for the next
 * segment when they say that they are incomplete, or dropped when they may
 * be. truncated: bytes are missing at its end. As demux_feed().
 */
int demux_end(struct demux *d, bool truncated);

/*
 * No unit of the segment that just ended could be used: refuse it, with the
 * reason. no_key_frame: pictures wait for one. PB_EFORMAT, PB_ENOSUP.
 */
int demux_explain(struct demux *d, bool no_key_frame);

/* Between segments: give back what the last one needed. */
void demux_rest(struct demux *d);

/* Nothing more of this segment, because of err. Returns it. */
int demux_refuse(struct demux *d, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Is this a state to go on from? For states from outside. */
bool demux_state_ok(const struct demux_state *s);

#endif
