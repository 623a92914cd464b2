/*
 * playlist.h - what a playlist's bytes mean (RFC 8216, and what is met in the wild)
 *
 * The playlist station is pure: bytes in, a struct out; no I/O, no clock,
 * no globals. Input is hostile. Time is linear in the input; memory is the
 * body once more, plus a fixed size per entry, and the bounds below hold.
 *
 *   durations   double seconds as written, and _ms rounded
 *   msn         the playlist's own media sequence number of a segment
 *   strings     NUL-terminated, owned by the playlist, valid until
 *               playlist_clear(); as written but for {$variables}. They may
 *               hold invalid UTF-8 and controls: clean before showing
 *   URIs        as written; playlist_resolve() makes them absolute
 *
 * What is wrong in one line costs that line or that attribute, and a
 * warning; only a body that can't be a playlist is refused, with a reason.
 * What is understood but can't be carried by this version is said in
 * `unsupported`.
 *
 * Not here: which variant to play (worker/variant.h), what a reload means
 * (worker/track.h).
 */
#ifndef PLEXBRIDGE_WORKER_PLAYLIST_H
#define PLEXBRIDGE_WORKER_PLAYLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAYLIST_BODY_MAX ((size_t)4 << 20)
#define PLAYLIST_SEGMENTS_MAX 20000
#define PLAYLIST_VARIANTS_MAX 500
#define PLAYLIST_RENDITIONS_MAX 500
#define PLAYLIST_SESSION_KEYS_MAX 100
#define PLAYLIST_VARIABLES_MAX 64
#define PLAYLIST_DURATION_MAX_MS 86400000 /* a longer duration is taken for so much */

enum playlist_kind { PLAYLIST_INVALID, PLAYLIST_MASTER, PLAYLIST_MEDIA };
enum playlist_type { PLAYLIST_TYPE_LIVE, PLAYLIST_TYPE_EVENT, PLAYLIST_TYPE_VOD };

/* Bits of playlist->unsupported: a media playlist that this version can't carry, and why. */
enum {
	PLAYLIST_NO_SAMPLE_AES = 1 << 0, /* SAMPLE-AES or SAMPLE-AES-CTR are a segment's only keys */
	PLAYLIST_NO_DRM = 1 << 1, /* ... or a KEYFORMAT other than identity, or an unknown METHOD */
	PLAYLIST_NO_KEY_URI = 1 << 2, /* ... or an AES-128 key that nobody can fetch */
	PLAYLIST_NO_MAP = 1 << 3, /* EXT-X-MAP: fragmented MP4 */
	PLAYLIST_NO_IFRAMES = 1 << 4, /* EXT-X-I-FRAMES-ONLY: no channel at all */
};

enum playlist_method { PLAYLIST_AES_128, PLAYLIST_SAMPLE_AES, PLAYLIST_SAMPLE_AES_CTR, PLAYLIST_METHOD_OTHER };

struct playlist_key {
	enum playlist_method method;
	const char *method_name; /* as written */
	const char *uri; /* NULL when none was given */
	const char *keyformat; /* "identity" when none was given */
	bool has_iv;
	uint8_t iv[16];
};

struct playlist_map {
	const char *uri;
	bool has_range;
	uint64_t length, offset;
	int32_t key; /* into keys[], -1 none */
};

struct playlist_segment {
	const char *uri;
	uint64_t msn;
	double duration_s; /* EXTINF as written; the target duration when there is none (has_duration) */
	uint32_t duration_ms;
	bool has_duration;
	bool gap; /* never to be requested: EXT-X-GAP, or a URI that is too long */
	bool has_pdt;
	bool has_range;
	uint32_t discontinuities; /* tags in front of it: one boundary, however many */
	int32_t key; /* into keys[], -1 none: the one to use of all alternatives */
	int32_t map; /* into maps[], -1 none */
	int64_t pdt_ms; /* since the epoch; valid with has_pdt */
	const char *pdt; /* as written; NULL when absent, set even when it can't be read */
	uint64_t length, offset; /* EXT-X-BYTERANGE, chained; valid with has_range */
};

struct playlist_variant {
	const char *uri;
	uint64_t bandwidth; /* bit/s; 0 when missing, which is illegal and met */
	uint64_t average_bandwidth; /* 0 when missing */
	uint32_t width, height; /* 0 when missing */
	double frame_rate; /* 0 when missing */
	/* NULL when missing: */
	const char *codecs, *audio, *video, *subtitles, *closed_captions, *pathway_id, *video_range, *hdcp_level;
};

enum playlist_rendition_type {
	PLAYLIST_AUDIO,
	PLAYLIST_VIDEO,
	PLAYLIST_SUBTITLES,
	PLAYLIST_CLOSED_CAPTIONS,
};

struct playlist_rendition {
	enum playlist_rendition_type type;
	const char *group_id;
	bool is_default, autoselect, forced;
	/* NULL when missing; without a URI it is in the variant itself: */
	const char *name, *uri, *language, *channels, *instream_id;
};

struct playlist_variable {
	const char *name, *value;
};

struct playlist {
	enum playlist_kind kind;
	char reason[160]; /* why it is invalid, "" when it isn't */
	char warning[160]; /* the first thing that was put right, "" when nothing was */
	unsigned warnings;
	unsigned unsupported;
	const char *base; /* effective URL, NULL when none was given */

	uint64_t version;
	bool independent_segments;
	bool has_start, start_precise;
	int64_t start_ms; /* EXT-X-START, negative: from the end */

	/* Media. */
	uint64_t target_s; /* EXT-X-TARGETDURATION as written, or derived and rounded */
	uint32_t target_ms; /* the same, 1..PLAYLIST_DURATION_MAX_MS: a bound, not a pace */
	bool has_target; /* it was written, and above 0 */
	uint64_t media_sequence;
	uint64_t discontinuity_sequence;
	enum playlist_type type;
	bool endlist;
	bool can_block_reload;
	struct playlist_segment *segments;
	size_t segment_count;
	struct playlist_map *maps;
	size_t map_count;

	/* Both: the keys that segments use, or a master's session keys. */
	struct playlist_key *keys;
	size_t key_count;

	/* Master. */
	struct playlist_variant *variants;
	size_t variant_count;
	struct playlist_rendition *renditions;
	size_t rendition_count;

	struct playlist_variable *variables; /* EXT-X-DEFINE */
	size_t variable_count;

	char *text; /* the body; most strings point into it */
	struct playlist_chunk *chunks; /* strings that variables made longer */
};

/* What else a body's meaning depends on. All zero: a whole body that came from nowhere. */
struct playlist_context {
	const char *base_url; /* effective URL (after redirects), or NULL */
	const struct playlist *master; /* whose variables IMPORT may take, or NULL; borrowed for the call */
	bool cut; /* the body may end early: a last line without its end is dropped */
};

/*
 * Read a whole body. Always leaves *out such that playlist_clear() may be
 * called; on failure its kind is PLAYLIST_INVALID and its reason says why,
 * in words for the operator.
 *
 * 0; PB_EFORMAT, not a playlist; PB_ENOSUP, a delta update (EXT-X-SKIP),
 * which we never ask for; PB_ELIMIT, over a bound above; PB_ENOMEM.
 */
int playlist_parse(struct playlist *out, const char *base_url, const void *buf, size_t len);
int playlist_parse_in(struct playlist *out, const struct playlist_context *context, const void *buf, size_t len);

/* Give back what it holds and make it an empty, invalid one. May be called twice. */
void playlist_clear(struct playlist *pl);

/* Assert what every accepted playlist promises (tests, fuzzing). */
void playlist_check(const struct playlist *pl);

/* "master", "media", "invalid". */
const char *playlist_kind_name(enum playlist_kind kind);

/* The first reason why it can't be carried, in words for the operator; NULL when it can. */
const char *playlist_unsupported_text(const struct playlist *pl);

/* Make a URI of this playlist absolute. 0, PB_EFORMAT, PB_ELIMIT, as url_resolve(). */
int playlist_resolve(const struct playlist *pl, const char *uri, char *out, size_t size);

/* The segment's IV: written, or its msn as a 128-bit big endian number. false when it has no key. */
bool playlist_iv(const struct playlist *pl, size_t segment, uint8_t iv[16]);

/* For the files that read playlists: put down why it is refused; returns err. */
int playlist_fail(struct playlist *pl, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* And: one more thing was put right. The first is kept in words, all are counted. */
void playlist_warn(struct playlist *pl, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
