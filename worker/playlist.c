/*
 * playlist.c - how the promise in playlist.h is kept
 *
 * Two passes over the lines. The first finds the kind by the first tag that
 * decides it, because lines in front of that tag already mean something.
 * The second reads one copy of the body in place: strings are cut out by
 * writing NULs over delimiters, so that a playlist is one allocation of
 * text and one array per kind of thing, however many strings it has. What
 * only the whole shows (the target duration, numbers) is settled at the end.
 */
#include "worker/playlist.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"
#include "worker/m3u8.h"
#include "worker/tags.h"
#include "worker/variables.h"

#define TARGET_UNKNOWN_MS 6000 /* neither TARGETDURATION nor EXTINF says anything */
#define TARGET_FLOOR_MS 1000

/* Variables may make a playlist so much longer than it came, and no more. */
#define EXPANSION_MAX(len) (4 * (len) + 65536)

static int check_head(struct playlist *pl, const unsigned char *buf, size_t len, size_t *body);
static int read_lines(struct tags *t, char *at, char *end);
static int finish(struct tags *t);

int
playlist_parse(struct playlist *out, const char *base_url, const void *buf, size_t len)
{
	struct playlist_context context = { .base_url = base_url };

	return playlist_parse_in(out, &context, buf, len);
}

int
playlist_parse_in(struct playlist *out, const struct playlist_context *context, const void *buf, size_t len)
{
	size_t base_len = context->base_url != NULL ? strlen(context->base_url) + 1 : 0;
	size_t body = 0;
	struct tags tags;
	char *end;
	int err;

	memset(out, 0, sizeof(*out));
	if (len > PLAYLIST_BODY_MAX)
		return playlist_fail(out, PB_ELIMIT, "playlist over 4 MiB");
	if (base_len > URL_MAX)
		return playlist_fail(out, PB_ELIMIT, "URL over %d bytes", URL_MAX);
	if (context->cut)
		while (len > 0 && ((const char *)buf)[len - 1] != '\n' && ((const char *)buf)[len - 1] != '\r')
			len--;
	err = check_head(out, buf, len, &body);
	if (err != 0)
		return err;

	/* The body with its NUL, then the base URL. */
	out->text = malloc(len - body + 1 + base_len);
	if (out->text == NULL)
		return playlist_fail(out, PB_ENOMEM, "no memory");
	memcpy(out->text, (const char *)buf + body, len - body);
	end = out->text + (len - body);
	*end = '\0';
	if (base_len > 0) {
		memcpy(end + 1, context->base_url, base_len);
		out->base = end + 1;
	}
	tags_init(&tags, out, context->master, EXPANSION_MAX(len));
	out->kind = tags_kind(out->text, end);
	err = read_lines(&tags, out->text, end);
	if (err == 0)
		err = finish(&tags);
	if (err != 0) {
		char reason[sizeof(out->reason)];

		memcpy(reason, out->reason, sizeof(reason));
		playlist_clear(out);
		memcpy(out->reason, reason, sizeof(reason));
	}
	return err;
}

void
playlist_clear(struct playlist *pl)
{
	variables_clear(pl);
	free(pl->text);
	free(pl->segments);
	free(pl->maps);
	free(pl->keys);
	free(pl->variants);
	free(pl->renditions);
	memset(pl, 0, sizeof(*pl));
}

static void
check_key(const struct playlist_key *key)
{
	pb_assert(key->method_name != NULL && key->keyformat != NULL);
	pb_assert(key->method <= PLAYLIST_METHOD_OTHER);
	pb_assert(strcmp(key->method_name, "NONE") != 0);
}

static void
check_segment(const struct playlist *pl, size_t i)
{
	const struct playlist_segment *s = &pl->segments[i];

	pb_assert(s->uri != NULL && s->uri[0] != '\0');
	pb_assert(s->msn == pl->media_sequence + i && s->msn >= pl->media_sequence);
	pb_assert(isfinite(s->duration_s) && s->duration_s >= 0);
	pb_assert(s->duration_ms <= PLAYLIST_DURATION_MAX_MS);
	pb_assert(s->key >= -1 && (s->key == -1 || (size_t)s->key < pl->key_count));
	pb_assert(s->map >= -1 && (s->map == -1 || (size_t)s->map < pl->map_count));
	pb_assert(!s->has_pdt || s->pdt != NULL);
	pb_assert(!s->has_range || (s->length > 0 && s->offset <= INT64_MAX && s->offset + s->length <= INT64_MAX));
}

void
playlist_check(const struct playlist *pl)
{
	pb_assert((pl->kind == PLAYLIST_INVALID) == (pl->reason[0] != '\0'));
	pb_assert((pl->warnings == 0) == (pl->warning[0] == '\0'));
	if (pl->kind == PLAYLIST_INVALID) {
		pb_assert(pl->text == NULL && pl->segment_count == 0 && pl->variant_count == 0);
		return;
	}
	pb_assert(pl->text != NULL);
	pb_assert(pl->segment_count <= PLAYLIST_SEGMENTS_MAX);
	pb_assert(pl->variant_count <= PLAYLIST_VARIANTS_MAX);
	pb_assert(pl->rendition_count <= PLAYLIST_RENDITIONS_MAX);
	pb_assert(pl->variable_count <= PLAYLIST_VARIABLES_MAX);
	for (size_t i = 0; i < pl->key_count; i++)
		check_key(&pl->keys[i]);
	if (pl->kind == PLAYLIST_MASTER) {
		pb_assert(pl->segment_count == 0 && pl->map_count == 0 && pl->unsupported == 0);
		pb_assert(pl->variant_count + pl->rendition_count > 0);
		for (size_t i = 0; i < pl->variant_count; i++) {
			pb_assert(pl->variants[i].uri != NULL && pl->variants[i].uri[0] != '\0');
			pb_assert((pl->variants[i].width == 0) == (pl->variants[i].height == 0));
			pb_assert(isfinite(pl->variants[i].frame_rate) && pl->variants[i].frame_rate >= 0);
		}
		for (size_t i = 0; i < pl->rendition_count; i++)
			pb_assert(pl->renditions[i].group_id != NULL);
		return;
	}
	pb_assert(pl->variant_count == 0 && pl->rendition_count == 0);
	pb_assert(pl->target_ms >= 1 && pl->target_ms <= PLAYLIST_DURATION_MAX_MS && pl->target_s >= 1);
	pb_assert(pl->key_count <= 2 * PLAYLIST_SEGMENTS_MAX);
	for (size_t i = 0; i < pl->map_count; i++)
		pb_assert(pl->maps[i].uri != NULL && pl->maps[i].key < (int32_t)pl->key_count);
	for (size_t i = 0; i < pl->segment_count; i++)
		check_segment(pl, i);
}

const char *
playlist_kind_name(enum playlist_kind kind)
{
	switch (kind) {
	case PLAYLIST_MASTER:
		return "master";
	case PLAYLIST_MEDIA:
		return "media";
	default:
		return "invalid";
	}
}

const char *
playlist_unsupported_text(const struct playlist *pl)
{
	static const struct {
		unsigned bit;
		const char *text;
	} texts[] = {
		{ PLAYLIST_NO_IFRAMES, "playlist of key frames only (EXT-X-I-FRAMES-ONLY)" },
		{ PLAYLIST_NO_DRM, "protected content (DRM): no key format that can be used" },
		{ PLAYLIST_NO_SAMPLE_AES, "SAMPLE-AES encryption is not carried by this version" },
		{ PLAYLIST_NO_KEY_URI, "AES-128 key without a URI" },
		{ PLAYLIST_NO_MAP, "fragmented MP4 (EXT-X-MAP) is not carried by this version" },
	};

	for (size_t i = 0; i < NITEMS(texts); i++)
		if (pl->unsupported & texts[i].bit)
			return texts[i].text;
	return NULL;
}

int
playlist_resolve(const struct playlist *pl, const char *uri, char *out, size_t size)
{
	return url_resolve(out, size, pl->base, uri, strlen(uri));
}

bool
playlist_iv(const struct playlist *pl, size_t segment, uint8_t iv[16])
{
	const struct playlist_segment *s = &pl->segments[segment];

	if (s->key == -1)
		return false;
	if (pl->keys[s->key].has_iv) {
		memcpy(iv, pl->keys[s->key].iv, 16);
		return true;
	}
	memset(iv, 0, 16); /* RFC 8216 5.2 */
	for (int i = 0; i < 8; i++)
		iv[15 - i] = (uint8_t)(s->msn >> (8 * i));
	return true;
}

int
playlist_fail(struct playlist *pl, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pl->reason, sizeof(pl->reason), fmt, ap);
	va_end(ap);
	return err;
}

void
playlist_warn(struct playlist *pl, const char *fmt, ...)
{
	va_list ap;

	if (pl->warnings++ > 0)
		return;
	va_start(ap, fmt);
	vsnprintf(pl->warning, sizeof(pl->warning), fmt, ap);
	va_end(ap);
}

/* What a body without the header is, as far as it can be told: the operator's first question. */
static int
name_the_stranger(struct playlist *pl, const unsigned char *buf, size_t len)
{
	size_t at = 0;
	size_t controls = 0;

	while (at < len && m3u8_is_space(buf[at]))
		at++;
	if (at == len)
		return playlist_fail(pl, PB_EFORMAT, len == 0 ? "empty body" : "blank body");
	if (len >= 2 && buf[0] == 0x1f && buf[1] == 0x8b)
		return playlist_fail(pl, PB_EFORMAT, "gzip data, not a playlist");
	if (len > 188 && buf[0] == 0x47 && buf[188] == 0x47)
		return playlist_fail(pl, PB_EFORMAT, "MPEG-TS, not a playlist");
	if (len >= 2 &&
	    ((buf[0] == 0xff && buf[1] == 0xfe) || (buf[0] == 0xfe && buf[1] == 0xff) ||
		(buf[0] == '#' && buf[1] == 0) || (buf[0] == 0 && buf[1] == '#')))
		return playlist_fail(pl, PB_EFORMAT, "UTF-16 text, not UTF-8");
	for (size_t i = at; i < len && i < at + 512; i++)
		if (buf[i] == 0x7f || (buf[i] < 0x20 && !m3u8_is_space(buf[i])))
			controls++;
	if (controls > 0)
		return playlist_fail(pl, PB_EFORMAT, "binary data, not a playlist");
	if (buf[at] == '<')
		return playlist_fail(pl, PB_EFORMAT, "HTML or XML, not a playlist");
	if (buf[at] == '{' || buf[at] == '[')
		return playlist_fail(pl, PB_EFORMAT, "JSON, not a playlist");
	return playlist_fail(pl, PB_EFORMAT, "no #EXTM3U at the beginning");
}

/* *body is where the lines behind "#EXTM3U" begin: its own line's attributes too, which are not read. */
static int
check_head(struct playlist *pl, const unsigned char *buf, size_t len, size_t *body)
{
	static const char head[] = "#EXTM3U";
	size_t at = 0;

	if (len >= 3 && memcmp(buf, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	while (at < len && m3u8_is_space(buf[at]))
		at++;
	if (len - at < sizeof(head) - 1 || memcmp(buf + at, head, sizeof(head) - 1) != 0)
		return name_the_stranger(pl, buf, len);
	at += sizeof(head) - 1;
	if (at < len && !m3u8_is_space(buf[at]) && buf[at] != ':' && buf[at] != ',')
		return name_the_stranger(pl, buf, len);
	while (at < len && buf[at] != '\n' && buf[at] != '\r')
		at++;
	*body = at;
	return 0;
}

static int
read_lines(struct tags *t, char *at, char *end)
{
	unsigned bad = 0;
	char *line;
	int err;

	while ((line = m3u8_line(&at, end, &bad)) != NULL) {
		if (line[0] == '#')
			err = strncmp(line, "#EXT", 4) == 0 ? tags_read(t, line) : 0;
		else
			err = tags_uri(t, line);
		if (err != 0)
			return err;
	}
	if (bad > 0)
		playlist_warn(t->pl, "%u lines with NUL bytes", bad);
	return 0;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* TARGETDURATION absent or 0: the median EXTINF, at least 1 s; without any, 6 s. */
static int
derive_target(struct playlist *pl)
{
	double *sorted;
	double median_ms = TARGET_UNKNOWN_MS;
	size_t n = 0;

	sorted = malloc((pl->segment_count + 1) * sizeof(*sorted));
	if (sorted == NULL)
		return playlist_fail(pl, PB_ENOMEM, "no memory");
	for (size_t i = 0; i < pl->segment_count; i++)
		if (pl->segments[i].has_duration)
			sorted[n++] = pl->segments[i].duration_s;
	if (n > 0) {
		qsort(sorted, n, sizeof(*sorted), by_value);
		median_ms = fmin(fmax(sorted[n / 2] * 1e3, TARGET_FLOOR_MS), PLAYLIST_DURATION_MAX_MS);
	}
	free(sorted);
	pl->target_ms = (uint32_t)llround(median_ms);
	pl->target_s = (pl->target_ms + 500) / 1000;
	return 0;
}

static int
finish(struct tags *t)
{
	struct playlist *pl = t->pl;
	int err;

	if (pl->kind == PLAYLIST_INVALID)
		return playlist_fail(
		    pl, PB_EFORMAT, t->has_uri ? "a plain M3U list, not HLS" : "header only, lists nothing");
	if (pl->kind == PLAYLIST_MASTER) {
		if (t->has_variant)
			playlist_warn(t->pl, "EXT-X-STREAM-INF without a URI");
		if (pl->variant_count + pl->rendition_count == 0)
			return playlist_fail(pl, PB_EFORMAT, "master playlist without a variant");
		return 0;
	}
	if (t->has_channel_marks && !pl->has_target && !t->has_media_sequence)
		return playlist_fail(pl, PB_EFORMAT, "an IPTV channel list, not HLS");
	if (!pl->has_target) {
		playlist_warn(t->pl, "no EXT-X-TARGETDURATION");
		err = derive_target(pl);
		if (err != 0)
			return err;
	}
	for (size_t i = 0; i < pl->segment_count; i++) {
		struct playlist_segment *s = &pl->segments[i];

		s->msn = pl->media_sequence + i;
		if (!s->has_duration)
			s->duration_s = pl->target_ms / 1e3;
		s->duration_ms = (uint32_t)llround(fmin(s->duration_s * 1e3, PLAYLIST_DURATION_MAX_MS));
	}
	return 0;
}
