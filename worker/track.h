/*
 * track.h - what the next body of a media playlist means
 *
 * A live playlist is a window that slides. A track remembers the last good
 * window and says of each new body which of its segments are new, and what
 * went wrong in between: segments lost, a node of the CDN that is behind, a
 * sequence that began anew or counts wrongly (reference/hls.md 4.3, 4.4).
 *
 * Pure: no I/O, no clock; time is passed in. It keeps nothing of a playlist
 * but fixed-size marks of its entries, so a playlist can be freed at once.
 *
 *   epoch    grows each time numbering begins anew: (epoch, msn) was never before
 *   serial   counts all segments handed out, 0, 1, 2, ...; unique, never repeats
 *   msn      the playlist's own number; the IV follows it (playlist_iv())
 *
 * The order: track_start() (a successor: track_resume()) with the first good playlist, then track_update()
 * with each later body, good or not, and track_failed() when no body came.
 * After a change of variant or source: track_restart() before the next
 * track_update().
 */
#ifndef PLEXBRIDGE_WORKER_TRACK_H
#define PLEXBRIDGE_WORKER_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/playlist.h"

enum track_what {
	TRACK_NEW, /* queue [first, first + count); those with `gap` count and are not requested */
	TRACK_UNCHANGED, /* nothing new, nothing wrong */
	TRACK_EMPTY, /* a playlist without a segment: nothing new; poll at 1 s */
	TRACK_STALE, /* an older state of the same window, a node behind: ignore it */
	TRACK_CONFIRM, /* it looks as if numbering began anew: load once more in 300 ms before it is believed */
	TRACK_BAD, /* no media playlist: keep what was, load again soon */
};

struct track_news {
	enum track_what what;
	size_t first, count; /* index range in the new playlist; TRACK_NEW only */
	uint64_t epoch; /* of that range */
	uint64_t serial; /* of segment `first`; the others follow */
	uint64_t lost; /* how many segments left the window unseen */
	bool restart; /* numbering began anew: a new epoch */
	bool discontinuity; /* something is missing in front of `first`, or it is a restart */
	bool by_uri; /* the numbers were wrong and the URIs were followed; log it once */
	bool endlist; /* this body says that no more will come */
	bool resolve; /* resolve the master again: it is a master, or 3 bad bodies in a row */
	bool other_node; /* 3 stale bodies in a row: prefer another address of the host */
	uint64_t behind_ms; /* media from the start of `first` to the end of the list, gaps not counted */
};

/* A mark of a listed segment. */
struct track_mark {
	uint64_t path; /* hash of the path without host and query */
	uint64_t name; /* hash of the last part of it */
	uint64_t uri; /* hash of all of it */
	uint32_t duration_ms;
};

struct track {
	bool started;
	bool restarting; /* the next playlist is another variant's or source's */
	bool other; /* ...source's */
	bool anew; /* such a one has come, and had nothing new yet: there is a boundary in front of what will be */
	uint64_t epoch;
	uint64_t next_serial;
	uint64_t first_msn; /* of the window */
	struct track_mark *window;
	size_t window_count;
	uint64_t top_msn; /* the highest that was handed out in this epoch */
	bool has_played_pdt;
	int64_t played_pdt_ms; /* programme time where the last segment handed out ends */
	uint64_t doubt; /* what is to be confirmed: path of that list's last entry, 0 none */
	bool names_rotate; /* the provider renames segments at each load: names mean nothing */
	uint32_t target_ms;
	uint32_t last_ms; /* duration of the last segment listed */
	uint32_t wanted_ms; /* how far behind the edge the tune wanted to start */
	unsigned bad; /* bodies or loads in a row that failed */
	unsigned stale; /* stale bodies in a row */
	unsigned endlists; /* bodies in a row that said ENDLIST and had nothing new: one may be a blip */
};

void track_init(struct track *track);

/* Give back what it holds; as after track_init(). May be called twice. */
void track_clear(struct track *track);

/*
 * Begin with pl, a media playlist: news says what to queue, from burst_ms +
 * reserve_ms behind the live edge as far as the window allows, and how much
 * behind that is (behind_ms; a window that is too short shrinks the burst
 * first: the caller sees it there). A list that is complete on its first
 * load (ENDLIST) begins at its beginning. 0 or PB_ENOMEM.
 */
int track_start(
    struct track *track, const struct playlist *pl, uint32_t burst_ms, uint32_t reserve_ms, struct track_news *news);

/*
 * Begin as the successor of a worker that was at segment msn: with that one
 * as number `serial`, if the window still has it; with the first that is
 * listed when it has moved on (lost, discontinuity); as a tune would when
 * numbering began anew (restart). A list that ends a few segments before is
 * a node behind (TRACK_STALE): nothing has begun then, and the next list is
 * for track_resume() again. 0 or PB_ENOMEM.
 */
int track_resume(struct track *track, const struct playlist *pl, uint64_t msn, uint64_t serial, uint32_t behind_ms,
    struct track_news *news);

/*
 * What pl, just loaded, means. It may be of any kind. Except for TRACK_NEW
 * and TRACK_UNCHANGED the window stays what it was. 0 or PB_ENOMEM (then
 * too).
 */
int track_update(struct track *track, const struct playlist *pl, struct track_news *news);

/* A load failed without a body. true: 3 in a row, resolve the master again. */
bool track_failed(struct track *track);

/*
 * The next playlist is of another variant or source: a new epoch, which
 * goes on behind what was played by programme time where both have it, else
 * by number where the new window has it, else behind the edge as a tune. A
 * window that was played to its end is TRACK_UNCHANGED, and the one to go on
 * from.
 */
void track_restart(struct track *track);

/*
 * As track_restart(), but of another source, whose numbers mean nothing
 * unless its names are the same: behind_ms from its edge when nothing else
 * tells. Its segments count from `serial` on, at least. May be called
 * before anything was started.
 */
void track_other(struct track *track, uint64_t serial, uint32_t behind_ms);

/*
 * The segments from `serial` on, ms of media in all, were handed out last and
 * will not be played: what follows after track_restart() is to begin with
 * the first of them, under its serial.
 */
void track_rewind(struct track *track, uint64_t serial, uint64_t ms);

/* Is there a boundary in front of segment i of the range: a tag, lost or EXT-X-GAP segments, or a restart? */
bool track_discontinuity(const struct track_news *news, const struct playlist *pl, size_t i);

/*
 * How long to wait from now_ms until the next load. Times are loop times in
 * ms; load_start_ms is when the last load began. reserve_ms is the media
 * still in hand. jitter is a number from -1 to 1 that the caller draws; it
 * moves the interval by up to 5 %, so that channels don't beat together.
 * news is what the last body was, NULL when the load failed. At least
 * TRACK_RELOAD_FLOOR_MS.
 */
#define TRACK_RELOAD_FLOOR_MS 250
uint32_t track_next_reload_ms(const struct track *track, const struct track_news *news, int64_t now_ms,
    int64_t load_start_ms, uint64_t reserve_ms, double jitter);

/* "new", "unchanged", ... for the log. */
const char *track_what_name(enum track_what what);

#endif
