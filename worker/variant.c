/*
 * variant.c - how the promise in variant.h is kept
 *
 * A variant is turned into a row of numbers, most important first, and the
 * greatest row wins; so the ranking is one array to read, not a nest of
 * comparisons.
 */
#include "worker/variant.h"

#include <stddef.h>
#include <string.h>

#include "base/pb.h"
#include "worker/m3u8.h"

enum codec_class { CODEC_FOREIGN, CODEC_HEVC, CODEC_H264 }; /* a missing CODECS counts as H.264 */

enum { RANK_VIDEO, RANK_CARRIED, RANK_WITHIN, RANK_CODEC, RANK_AREA, RANK_FRAMES, RANK_RATE, RANKS };

struct rank {
	double by[RANKS];
};

const struct playlist_rendition *
playlist_choose_audio(const struct playlist *master, const char *group_id)
{
	const struct playlist_rendition *best = NULL;
	int best_rank = -1;

	for (size_t i = 0; i < master->rendition_count; i++) {
		const struct playlist_rendition *r = &master->renditions[i];
		int rank = r->is_default ? 2 : r->autoselect ? 1 : 0;

		if (r->type != PLAYLIST_AUDIO || strcmp(r->group_id, group_id) != 0 || rank <= best_rank)
			continue;
		best = r;
		best_rank = rank;
	}
	return best;
}

static bool
begins_with_any(const char *codec, size_t len, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (len >= strlen(words[i]) && strncmp(codec, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

/* The class of the first video codec in CODECS. false when it names codecs, and none is video. */
static bool
video_codec(const char *codecs, enum codec_class *class)
{
	static const char *const h264[] = { "avc1", "avc2", "avc3", "avc4" };
	static const char *const hevc[] = { "hvc1", "hev1", "dvh1", "dvhe" };
	static const char *const foreign[] = { "av01", "vp08", "vp09", "vp8", "vp9", "vvc1", "vvi1", "mp4v", "dav1" };

	*class = CODEC_H264;
	if (codecs == NULL || codecs[strspn(codecs, " ,")] == '\0')
		return true;
	for (const char *at = codecs; *at != '\0';) {
		size_t len;

		at += strspn(at, " ,\t");
		len = strcspn(at, ",");
		if (begins_with_any(at, len, h264, NITEMS(h264)))
			return true;
		if (begins_with_any(at, len, hevc, NITEMS(hevc))) {
			*class = CODEC_HEVC;
			return true;
		}
		if (begins_with_any(at, len, foreign, NITEMS(foreign))) {
			*class = CODEC_FOREIGN;
			return true;
		}
		at += len;
	}
	return false;
}

static bool
is_within(const struct playlist_variant *v, const struct variant_limit *limit)
{
	if (limit == NULL)
		return true;
	switch (limit->kind) {
	case VARIANT_HEIGHT:
		return v->height <= limit->value;
	case VARIANT_RATE:
		return v->bandwidth <= limit->value;
	default:
		return true;
	}
}

/* any_resolution: some variant has one, so that a variant without one is taken for audio. */
static struct rank
rank_of(const struct playlist_variant *v, const struct variant_limit *limit, bool any_resolution)
{
	enum codec_class codec;
	bool named = video_codec(v->codecs, &codec);
	bool is_video = named && (v->height > 0 || !any_resolution);
	bool within = is_within(v, limit);
	double sign = within ? 1 : -1; /* above the limit, the lowest */

	return (struct rank){ {
	    [RANK_VIDEO] = is_video,
	    [RANK_CARRIED] = codec != CODEC_FOREIGN,
	    [RANK_WITHIN] = within,
	    [RANK_CODEC] = codec,
	    [RANK_AREA] = sign * v->width * v->height,
	    [RANK_FRAMES] = sign * v->frame_rate,
	    [RANK_RATE] = sign * (double)v->bandwidth,
	} };
}

static int
compare(const struct rank *a, const struct rank *b)
{
	for (int i = 0; i < RANKS; i++)
		if (a->by[i] != b->by[i])
			return a->by[i] > b->by[i] ? 1 : -1;
	return 0;
}

static bool
needs_separate_audio(const struct playlist *master, const struct playlist_variant *v)
{
	const struct playlist_rendition *audio;

	if (v->audio == NULL)
		return false;
	audio = playlist_choose_audio(master, v->audio);
	return audio != NULL && audio->uri != NULL;
}

int
playlist_choose_variant(
    const struct playlist *master, const struct variant_limit *limit, const bool *excluded, const char **why)
{
	struct rank best = { 0 };
	const char *unused;
	bool any_resolution = false;
	bool any_video = false;
	int chosen = -1;
	size_t separate = 0;
	size_t left = 0;

	if (why == NULL)
		why = &unused;
	*why = NULL;
	if (master->kind != PLAYLIST_MASTER || master->variant_count == 0) {
		*why = "no variant to play";
		return PB_EFORMAT;
	}
	for (size_t i = 0; i < master->variant_count; i++)
		any_resolution |= master->variants[i].height > 0;
	for (size_t i = 0; i < master->variant_count; i++) {
		const struct playlist_variant *v = &master->variants[i];
		struct rank rank = rank_of(v, limit, any_resolution);

		if (excluded != NULL && excluded[i])
			continue;
		left++;
		if (needs_separate_audio(master, v)) {
			separate++;
			any_video |= rank.by[RANK_VIDEO] > 0;
			continue;
		}
		if (chosen == -1 || compare(&rank, &best) > 0) {
			best = rank;
			chosen = (int)i;
		}
	}
	if (left == 0) {
		*why = "all variants failed lately";
		return PB_ENET;
	}
	/* Sound without the picture that the others have would be no channel. */
	if (chosen == -1 || (separate > 0 && any_video && best.by[RANK_VIDEO] == 0)) {
		*why = "audio in a playlist of its own (EXT-X-MEDIA with a URI) is not carried by this version";
		return PB_ENOSUP;
	}
	return chosen;
}

/* The first audio codec in CODECS: what it is called up to the first dot ("mp4a", "ac-3"). NULL when none is named. */
static const char *
audio_codec(const char *codecs, size_t *len)
{
	static const char *const audio[] = { "mp4a", "ac-3", "ec-3", "mp3", "opus", "Opus", "fLaC", "dtsc" };

	if (codecs == NULL)
		return NULL;
	for (const char *at = codecs + strspn(codecs, " ,\t"); *at != '\0'; at += strspn(at, " ,\t")) {
		*len = strcspn(at, "., \t");
		if (begins_with_any(at, *len, audio, NITEMS(audio)))
			return at;
		at += strcspn(at, ",");
	}
	return NULL;
}

static bool
same_audio(const struct playlist_variant *a, const struct playlist_variant *b)
{
	size_t len_a, len_b;
	const char *of_a = audio_codec(a->codecs, &len_a), *of_b = audio_codec(b->codecs, &len_b);

	return of_a == NULL || of_b == NULL || (len_a == len_b && strncmp(of_a, of_b, len_a) == 0);
}

bool
playlist_variant_like(const struct playlist *master, const struct variant_limit *limit, size_t index, size_t as)
{
	const struct playlist_variant *v = &master->variants[index], *like = &master->variants[as];
	enum codec_class codec, codec_like;

	if (index == as)
		return true;
	if (!video_codec(v->codecs, &codec) || !video_codec(like->codecs, &codec_like) || codec != codec_like ||
	    !same_audio(v, like))
		return false;
	if ((like->height > 0 && v->height == 0) || needs_separate_audio(master, v))
		return false;
	return is_within(v, limit) || v->bandwidth <= like->bandwidth;
}
