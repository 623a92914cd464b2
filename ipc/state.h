/*
 * state.h - what is known of one stream, in memory that outlives its worker
 *
 * A mapped memfd of fixed, versioned layout, made and kept by the
 * supervisor, written by the stream's one worker, read by both (and by the
 * worker's successor). All numbers are in host order; it never leaves the
 * machine.
 *
 *   prefix    magic, layout, commit word, head, released, tail, slots: these
 *             never change between builds, so that any successor can carry
 *             the viewers on
 *   rest      changes with STATE_LAYOUT
 *   trust     the supervisor reads it as hostile input: state_view() bounds
 *             every field; nobody else dereferences an offset from it
 *   commit    a snapshot is written into the half that is not valid, then
 *             one 64-bit word says that it is: a reader sees the old or the
 *             new one, whatever instant the writer died at
 */
#ifndef PLEXBRIDGE_IPC_STATE_H
#define PLEXBRIDGE_IPC_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/recorder.h"

#define STATE_MAGIC UINT32_C(0x50425331) /* "PBS1" */
#define STATE_LAYOUT 5
#define STATE_SLOTS 2048 /* clients of one stream */
#define STATE_HEAD_MAX 512 /* bytes of a response head */
#define STATE_PRELUDE_MAX (8 * 188)
#define STATE_INDEX 16384 /* 90 s of window and 120 s of reserve at 40 ms a mark, twice over */
#define STATE_CONFORM_MAX 4096
#define STATE_REASON_MAX 160
#define STATE_INTERFACE_MAX 64
#define STATE_SOURCES 9 /* url and eight backups */
#define STATE_MINUTES 60 /* of each source's history */

/* A slot's life. The supervisor frees it; all other steps are the worker's. */
enum state_phase {
	SLOT_FREE = 0,
	SLOT_BODY, /* base_offset, base_written and the head are valid; the head may still be on its way */
	SLOT_ENDED, /* no more bytes will be sent to it */
};

/*
 * One client. Its place in the stream is known to the kernel:
 *
 *   written now = tcpi_bytes_acked + SIOCOUTQ
 *   next byte   = base_offset + (written now - base_written)
 *
 * base_written counts up to the end of the head. After a skip, a plan moves
 * both: from written = plan_written on, prelude, then offset plan_offset.
 */
struct state_slot {
	_Atomic uint32_t phase;
	uint32_t head_len;
	uint64_t client; /* the supervisor's number for it, never used twice */
	uint64_t base_offset;
	uint64_t base_written;

	_Atomic uint32_t planned; /* 1: the plan below is whole */
	uint32_t prelude_len;
	uint64_t plan_written;
	uint64_t plan_offset;

	/* Figures for people; the worker's. */
	_Atomic uint64_t sent; /* body bytes handed to the kernel */
	_Atomic uint64_t offset; /* next byte */
	_Atomic uint32_t skips;
	_Atomic uint32_t paused; /* 1: it acknowledges, but does not read */

	char head[STATE_HEAD_MAX];
	uint8_t prelude[STATE_PRELUDE_MAX];
};

/* A place to begin or to pace by: the PCR, on the output's clock, at an offset. */
struct state_mark {
	_Atomic uint64_t offset;
	_Atomic int64_t pcr_27m_key; /* pcr_27m << 1 | key; key: PAT, PMT and a key frame begin here */
};

/* Where upstream is, as of a commit. */
struct state_upstream {
	uint32_t source; /* 0: url, n: backup n */
	uint32_t attempts; /* on the segment in hand */
	uint64_t epoch;
	uint64_t msn; /* the playlist's number of the segment that the last committed byte came from */
	uint64_t serial; /* ours: counts all segments of the stream, whoever worked on it */
	uint32_t discontinuity; /* in front of that segment, as conform was told */
	uint32_t stream; /* 1: plain TS, serial counts connections */
};

/* What a commit ends with, as far as worker/writer.h decides about filler; bits. */
enum state_filler {
	STATE_HAD_RESERVE = 1, /* there was a reserve since the last filler */
	STATE_FILLING = 2,
	STATE_SLATE = 4, /* ...with a slate */
};

enum state_filling { FILLING_NO = 0, FILLING_PICTURE, FILLING_SLATE };

enum state_dry { DRY_VIDEO = 1, DRY_AUDIO = 2 };

struct state_snapshot {
	uint64_t head; /* bytes that exist */
	int64_t head_pcr_27m;
	uint64_t marks; /* marks written so far; the newest is marks - 1 */
	struct state_upstream upstream;
	/* The pacer: at clock anchor_ns (CLOCK_MONOTONIC) the stream stood at anchor_pcr_27m. */
	int64_t anchor_ns;
	int64_t anchor_pcr_27m;
	int64_t burst_27m;
	int64_t target_27m;
	int64_t rate_ppm;
	int64_t first_pcr_27m; /* of the stream */
	uint32_t conform_len;
	uint32_t filler; /* enum state_filler */
	_Alignas(8) uint8_t conform[STATE_CONFORM_MAX];
};

enum state_quality { QUALITY_NORMAL = 0, QUALITY_DEGRADED, QUALITY_OUTAGE };

/* What the operator is shown of upstream. */
struct state_figures {
	_Atomic uint64_t upstream_bytes;
	_Atomic uint64_t requests;
	_Atomic uint64_t errors;
	_Atomic uint64_t retries;
	_Atomic uint64_t segments;
	_Atomic uint64_t segments_lost;
	_Atomic uint64_t splices;
	_Atomic uint64_t underruns; /* the reserve was spent */
	_Atomic uint32_t latency_ms; /* to the first byte, smoothed */
	_Atomic uint32_t throughput_kbps; /* of the last transfers, smoothed */
	_Atomic uint32_t media_kbps; /* of the stream as it leaves */
	_Atomic uint32_t target_ms;
	_Atomic uint32_t reserve_target_ms;
	_Atomic uint32_t quality; /* enum state_quality */
	_Atomic uint32_t try_timeout_ms, prefetch; /* in force: more while the source is degraded */
	_Atomic uint32_t width, height;
	_Atomic uint32_t bandwidth_kbps; /* of the variant, as the master says */
	_Atomic uint32_t video_type, audio_type; /* stream_type of the PMT, 0: none */
	_Atomic uint32_t source;
	_Atomic uint32_t http_status; /* of the last answer */
	_Atomic uint64_t hedges; /* second requests because the first was late */
	_Atomic uint64_t hedges_won; /* that answered first */
	_Atomic uint64_t steps; /* from one variant to another */
	_Atomic uint64_t
	    step_bps; /* of the segment in hand: no variant that needs more, the last of them found; 0: no such bound */
	_Atomic uint32_t rtt_ms; /* of the connections to the source, smoothed */
	_Atomic uint32_t retransmits; /* of our segments to it, in the last ten seconds */
	_Atomic uint32_t loss_permille; /* of its segments to us, lately: those that came out of order or again */
	_Atomic uint32_t error_permille; /* of requests that failed or were repeated, lately */
	_Atomic uint32_t learned_ms; /* the reserve that outages taught; 0: none did */
	_Atomic uint32_t fillers; /* times that the reserve was spent and filler began */
	_Atomic uint64_t filler_ms; /* of it, so far */
	_Atomic uint32_t filling; /* enum state_filling: what is at the stream's end now */
	_Atomic uint32_t dry; /* enum state_dry, bits: streams that dried up alone, and are filled */
};

/*
 * How one client's connection is, by its slot's number; the worker's, once a
 * second. For people: `client` says whose figures they are (0: nobody's yet).
 */
struct state_client {
	_Atomic uint64_t client;
	_Atomic uint32_t rtt_us, rttvar_us;
	_Atomic uint32_t retransmits; /* segments sent again, ever */
	_Atomic uint32_t delivery_kbps; /* that reach it, as last measured */
	_Atomic uint32_t unacked_ms; /* since its last acknowledgement, while bytes are on their way; 0: none are */
	_Atomic uint32_t zero_window_ms; /* in which its window held us back, ever */
	_Atomic uint32_t queued; /* bytes in its socket's queue, sent or not */
	_Atomic uint32_t probes; /* of its shut window, unanswered */
};

enum state_source_health {
	SOURCE_UNTRIED = 0,
	SOURCE_TRYING,
	SOURCE_GOOD,
	SOURCE_DOUBTED, /* it plays, but what it plays may not be what it should be */
	SOURCE_FAILED,
};

/* A minute of a source, or what of it was spent there. Counts are of this minute. */
struct state_minute {
	_Atomic uint32_t minute; /* CLOCK_MONOTONIC in minutes, and 1; 0: none */
	_Atomic uint32_t seconds; /* in use */
	_Atomic uint32_t requests, troubles; /* troubles: tries that failed, requests that ended so */
	_Atomic uint32_t segments, losses; /* of TCP; losses: out of order, or sent again */
	_Atomic uint32_t retransmits; /* of ours */
	_Atomic uint32_t latency_ms; /* at most */
	_Atomic uint32_t throughput_kbps; /* as last measured; 0: it was not */
	_Atomic uint32_t quality; /* enum state_quality, the worst */
};

/* What is remembered of a source, so that a successor need not find it out again. */
struct state_source {
	_Atomic uint32_t health; /* enum state_source_health */
	_Atomic uint32_t failures; /* ever */
	_Atomic uint32_t row; /* failures since it last was good for long */
	_Atomic uint32_t spare;
	_Atomic int64_t tried_ns; /* CLOCK_MONOTONIC, 0: never: when it was last begun with, */
	_Atomic int64_t failed_ns; /* when it last failed, */
	_Atomic int64_t doubt_ns; /* and when it was last doubted */
	char reason[STATE_REASON_MAX]; /* of that; terminated by the reader */

	/* Its own figures, while it was in use (worker/tally.h). */
	_Atomic int64_t used_ns; /* CLOCK_MONOTONIC: when it last was; 0: never */
	_Atomic uint64_t used_ms, bytes, requests, troubles, retransmits; /* ever */
	_Atomic uint32_t latency_ms, throughput_kbps, rtt_ms, loss_permille, error_permille; /* as of then */
	_Atomic uint32_t quality; /* enum state_quality, as of then */
	struct state_minute minutes[STATE_MINUTES]; /* number n in place n modulo that */
};

struct state_sources {
	_Atomic uint32_t count;
	_Atomic uint32_t in_use; /* 0: url, n: backup n */
	_Atomic uint32_t failovers; /* to another source, since the stream began */
	_Atomic uint32_t returns; /* to a better one */
	_Atomic uint32_t hold_ms; /* how long its provider may not be asked, as last told; 0: it may */
	_Atomic uint32_t spare;
	struct state_source at[STATE_SOURCES];
};

struct state {
	/* The prefix. */
	uint32_t magic;
	uint32_t layout;
	uint32_t size; /* of all this */
	uint32_t slot_count, slot_size, slot_at;
	_Atomic uint64_t commit; /* commits << 1 | index of the valid snapshot */
	_Atomic uint64_t head; /* bytes that exist */
	_Atomic uint64_t released; /* bytes that clients may be sent */
	_Atomic uint64_t tail; /* first byte that still exists */
	_Atomic int64_t heartbeat_ns; /* CLOCK_MONOTONIC, the worker's last turn */
	_Atomic uint64_t progress; /* bytes ever moved, for the watchdog */
	/* The segment in hand, its serial + 1; 0: none. Set before its first byte is looked at. */
	_Atomic uint64_t in_hand;
	uint64_t prefix_spare[7];
	struct state_slot slots[STATE_SLOTS];

	/* The rest. */
	struct state_snapshot snapshot[2];
	struct state_figures figures;
	struct state_sources sources;
	struct state_client clients[STATE_SLOTS];
	char reason[STATE_REASON_MAX]; /* what upstream's last trouble was; terminated by the reader */
	char
	    interface[STATE_INTERFACE_MAX]; /* of [fetch] interfaces, the one in use; "": the routes decide. Likewise */
	struct state_mark marks[STATE_INDEX];
	struct recorder recorder;
};

/* Make an empty state; give descriptor and mapping. 0 or PB_ESYS. */
int state_create(int *fd, struct state **out);

/*
 * Map a state that came in a message, after checking seals, size, magic
 * and layout. 0, PB_EPEER (not ours), PB_NO (another layout), PB_ESYS.
 */
int state_map(int fd, struct state **out);

/*
 * Map the prefix of a state of any layout, to read what it says of clients:
 * nothing behind the slots may be touched. 0, PB_EPEER (not ours), PB_ESYS.
 */
int state_map_prefix(int fd, struct state **out);
void state_unmap_prefix(struct state **state);

/* Unmap and set *state to NULL. */
void state_unmap(struct state **state);

/* The snapshot to fill; publish it with state_commit(). The one writer only. */
struct state_snapshot *state_draft(struct state *state);
void state_commit(struct state *state);

/* Copy the valid snapshot. false: the commit word is not possible. */
bool state_snapshot_read(const struct state *state, struct state_snapshot *out);

/* Append a mark; counted by the next commit. The one writer only. */
void state_mark_put(struct state *state, struct state_snapshot *draft, uint64_t offset, int64_t pcr_27m, bool key);

/*
 * The newest key mark whose PCR is at most pcr_27m and whose offset is in
 * [tail, released); the oldest such key in the window when all are later.
 * false when there is none.
 */
bool state_find_key(const struct state *state, uint64_t marks, int64_t pcr_27m, uint64_t tail, uint64_t released,
    uint64_t *offset, int64_t *key_pcr_27m);

/* What a reader that trusts nobody may believe: bounded copies of the prefix's numbers. */
struct state_view {
	uint64_t head, released, tail;
	int64_t heartbeat_ns;
	uint64_t reserve_ms; /* head - released, by the marks; 0 when unknown */
	uint64_t behind_ms; /* window: released - tail */
};
void state_view(const struct state *state, struct state_view *out);

/* Milliseconds of media between two offsets, by the marks. 0 when unknown. */
uint64_t state_span_ms(const struct state *state, uint64_t from, uint64_t to);

#endif
