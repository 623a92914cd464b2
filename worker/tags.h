/*
 * tags.h - what each line of a playlist adds to it (RFC 8216 4.3)
 *
 * The part of the playlist station that knows the tags. playlist.c hands
 * over line after line, in order; here a tag changes what is pending or in
 * force, and a URI turns that into an entry of the playlist.
 *
 *   pending    for the next URI only: EXTINF, BYTERANGE, DISCONTINUITY, GAP,
 *              PROGRAM-DATE-TIME; STREAM-INF
 *   in force   until another one comes: KEY (one a KEYFORMAT), MAP
 *   owner      the arrays that grow are the playlist's from the start, so
 *              playlist_clear() is all there is to end, whatever happens
 *   strings    lines are kept, not copied: the text must live as long as
 *              the playlist, and be writable
 *   errors     the reason is put down in the playlist (playlist_fail());
 *              what costs one line or attribute only is a warning and 0
 *
 * Not here: how lines and attributes are spelt (worker/m3u8.h), variables
 * (worker/variables.h), what only the whole playlist shows (playlist.c).
 */
#ifndef PLEXBRIDGE_WORKER_TAGS_H
#define PLEXBRIDGE_WORKER_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/playlist.h"
#include "worker/variables.h"

#define TAGS_KEYS_MAX 8 /* KEYFORMATs in force at once */

/* A KEY or MAP goes into the playlist when the first segment uses it. */
struct key_in_force {
	struct playlist_key key;
	int32_t index; /* -1: not used yet */
};

struct tags {
	struct playlist *pl; /* borrowed; its kind must be set before the first line */
	struct variables variables;

	/* What the playlist's arrays have room for. */
	size_t segment_room, variant_room, rendition_room, key_room, map_room;

	/* What the next URI line takes. */
	struct playlist_segment segment;
	bool has_length, has_offset; /* of segment's byte range */
	struct playlist_variant variant;
	bool has_variant;

	/* What stays in force. */
	struct key_in_force keys[TAGS_KEYS_MAX];
	size_t key_count;
	struct playlist_map map;
	struct key_in_force map_key; /* in force at the MAP; method_name is NULL when there was none */
	bool has_map;
	int32_t map_index; /* -1: not used yet */
	uint64_t range_end; /* where a range without offset begins */
	const char *range_map; /* the MAP's URI when range_end is its end */

	/* What was met, for the end. */
	bool has_media_sequence, has_discontinuity_sequence;
	bool has_channel_marks; /* tvg- attributes, EXTINF:-1: an IPTV channel list */
	bool has_uri;
};

/*
 * Nothing was read. pl and master (NULL: none) are borrowed until the last
 * line; room bounds what variables may add, in bytes.
 */
void tags_init(struct tags *t, struct playlist *pl, const struct playlist *master, size_t room);

/*
 * The kind that the first deciding tag in [text, end) stands for;
 * PLAYLIST_INVALID when no tag says anything. Changes nothing.
 */
enum playlist_kind tags_kind(const char *text, const char *end);

/*
 * Read one line that begins with "#EXT". 0, also for a tag that nobody
 * knows; PB_ENOSUP, EXT-X-SKIP; PB_ELIMIT, PB_ENOMEM.
 */
int tags_read(struct tags *t, char *line);

/* Read one URI line: a segment, or a variant. 0, PB_ELIMIT, PB_ENOMEM. */
int tags_uri(struct tags *t, char *uri);

#endif
