/*
 * inspect.c - how the promise in inspect.h is kept
 *
 * jansson's *_new calls take their argument and accept NULL, so a failed
 * allocation goes through as NULL until an append or set refuses it; each
 * of those is remembered in one flag.
 */
#include "worker/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"

struct build {
	json_t *root;
	bool failed;
};

static void
set(struct build *b, json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) != 0)
		b->failed = true;
}

static void
append(struct build *b, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) != 0)
		b->failed = true;
}

/* An empty array that is a member of the root. Borrowed. */
static json_t *
member_array(struct build *b, const char *name)
{
	json_t *array = json_array();

	set(b, b->root, name, array);
	return array;
}

/* How many bytes at s are one well-formed UTF-8 character, 0 when they are none (Unicode, table 3-7). */
static size_t
utf8_len(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

static json_t *
text(const char *s)
{
	json_t *value;
	char *clean, *to;

	if (s == NULL)
		return json_null();
	value = json_string(s);
	if (value != NULL)
		return value;
	clean = to = malloc(3 * strlen(s) + 1);
	if (clean == NULL)
		return NULL;
	while (*s != '\0') {
		size_t n = utf8_len((const unsigned char *)s);

		if (n == 0) {
			memcpy(to, "\xef\xbf\xbd", 3);
			to += 3;
			s++;
		} else {
			memcpy(to, s, n);
			to += n;
			s += n;
		}
	}
	*to = '\0';
	value = json_string(clean);
	free(clean);
	return value;
}

static json_t *
resolved(const struct playlist *pl, const char *uri)
{
	char url[URL_MAX];

	if (uri == NULL)
		return json_null();
	return text(playlist_resolve(pl, uri, url, sizeof(url)) == 0 ? url : uri);
}

/* jansson's integers end at 2^63-1; a sequence number may be greater. */
static json_t *
number(uint64_t n)
{
	return n <= INT64_MAX ? json_integer((json_int_t)n) : json_real((double)n);
}

static json_t *
hex(const uint8_t iv[16])
{
	char digits[33];

	for (int i = 0; i < 16; i++)
		snprintf(digits + 2 * i, 3, "%02x", iv[i]);
	return json_string(digits);
}

static json_t *
range(struct build *b, bool has, uint64_t length, uint64_t offset)
{
	json_t *pair;

	if (!has)
		return json_null();
	pair = json_array();
	append(b, pair, number(length));
	append(b, pair, number(offset));
	return pair;
}

static json_t *
key(struct build *b, const struct playlist *pl, int32_t index)
{
	const struct playlist_key *k;
	json_t *triple;

	if (index == -1)
		return json_null();
	k = &pl->keys[index];
	triple = json_array();
	append(b, triple, text(k->method_name));
	append(b, triple, resolved(pl, k->uri));
	append(b, triple, k->has_iv ? hex(k->iv) : json_null());
	return triple;
}

static void
add_segments(struct build *b, const struct playlist *pl)
{
	json_t *uris = member_array(b, "uris");
	json_t *absolute = member_array(b, "resolved");
	json_t *durations = member_array(b, "durations");
	json_t *discontinuities = member_array(b, "discontinuities");
	json_t *keys = member_array(b, "keys");
	json_t *keyformats = member_array(b, "keyformats");
	json_t *ivs = member_array(b, "effective_ivs");
	json_t *maps = member_array(b, "maps");
	json_t *map_ranges = member_array(b, "map_byteranges");
	json_t *ranges = member_array(b, "byteranges");
	json_t *gaps = member_array(b, "gaps");
	json_t *pdt = member_array(b, "pdt");

	for (size_t i = 0; i < pl->segment_count; i++) {
		const struct playlist_segment *s = &pl->segments[i];
		const struct playlist_map *map = s->map == -1 ? NULL : &pl->maps[s->map];
		uint8_t iv[16];

		append(b, uris, text(s->uri));
		append(b, absolute, resolved(pl, s->uri));
		append(b, durations, json_real(s->duration_s));
		if (s->discontinuities > 0)
			append(b, discontinuities, json_integer((json_int_t)i));
		append(b, keys, key(b, pl, s->key));
		append(b, keyformats, s->key == -1 ? json_null() : text(pl->keys[s->key].keyformat));
		append(b, ivs, playlist_iv(pl, i, iv) ? hex(iv) : json_null());
		append(b, maps, map == NULL ? json_null() : resolved(pl, map->uri));
		append(b, map_ranges, map == NULL ? json_null() : range(b, map->has_range, map->length, map->offset));
		append(b, ranges, range(b, s->has_range, s->length, s->offset));
		if (s->gap)
			append(b, gaps, json_integer((json_int_t)i));
		append(b, pdt, text(s->pdt));
	}
}

static void
add_media(struct build *b, const struct playlist *pl)
{
	static const char *const types[] = { NULL, "EVENT", "VOD" };

	set(b, b->root, "target_duration", number(pl->target_s));
	set(b, b->root, "media_sequence", number(pl->media_sequence));
	set(b, b->root, "discontinuity_sequence", number(pl->discontinuity_sequence));
	set(b, b->root, "endlist", json_boolean(pl->endlist));
	set(b, b->root, "playlist_type", text(types[pl->type]));
	add_segments(b, pl);
}

static void
add_renditions(struct build *b, const struct playlist *pl)
{
	static const char *const types[] = { "AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS" };
	json_t *renditions = member_array(b, "renditions");

	for (size_t i = 0; i < pl->rendition_count; i++) {
		const struct playlist_rendition *r = &pl->renditions[i];
		json_t *one = json_object();

		set(b, one, "type", text(types[r->type]));
		set(b, one, "group_id", text(r->group_id));
		set(b, one, "name", text(r->name));
		set(b, one, "uri", resolved(pl, r->uri));
		set(b, one, "language", text(r->language));
		set(b, one, "default", json_boolean(r->is_default));
		set(b, one, "autoselect", json_boolean(r->autoselect));
		set(b, one, "forced", json_boolean(r->forced));
		set(b, one, "channels", text(r->channels));
		append(b, renditions, one);
	}
}

static void
add_master(struct build *b, const struct playlist *pl)
{
	json_t *uris = member_array(b, "uris");
	json_t *urls = member_array(b, "variant_urls");
	json_t *bandwidths = member_array(b, "bandwidths");
	json_t *averages = member_array(b, "average_bandwidths");
	json_t *codecs = member_array(b, "codecs");
	json_t *resolutions = member_array(b, "resolutions");
	json_t *frame_rates = member_array(b, "frame_rates");
	json_t *audio_groups = member_array(b, "audio_groups");
	json_t *keys = member_array(b, "session_keys");

	for (size_t i = 0; i < pl->variant_count; i++) {
		const struct playlist_variant *v = &pl->variants[i];
		char size[32];

		snprintf(size, sizeof(size), "%ux%u", v->width, v->height);
		append(b, uris, text(v->uri));
		append(b, urls, resolved(pl, v->uri));
		append(b, bandwidths, number(v->bandwidth));
		append(b, averages, v->average_bandwidth > 0 ? number(v->average_bandwidth) : json_null());
		append(b, codecs, text(v->codecs));
		append(b, resolutions, v->height > 0 ? json_string(size) : json_null());
		append(b, frame_rates, v->frame_rate > 0 ? json_real(v->frame_rate) : json_null());
		append(b, audio_groups, text(v->audio));
	}
	for (size_t i = 0; i < pl->key_count; i++)
		append(b, keys, key(b, pl, (int32_t)i));
	add_renditions(b, pl);
}

json_t *
inspect_json(const struct playlist *pl)
{
	struct build b = { json_object(), false };

	if (b.root == NULL)
		return NULL;
	set(&b, b.root, "kind", json_string(playlist_kind_name(pl->kind)));
	if (pl->kind == PLAYLIST_INVALID) {
		set(&b, b.root, "reason", text(pl->reason));
	} else {
		set(&b, b.root, "version", pl->version > 0 ? number(pl->version) : json_null());
		set(&b, b.root, "independent_segments", json_boolean(pl->independent_segments));
		set(&b, b.root, "unsupported", text(playlist_unsupported_text(pl)));
		set(&b, b.root, "warnings", json_integer(pl->warnings));
		set(&b, b.root, "warning", text(pl->warnings > 0 ? pl->warning : NULL));
	}
	if (pl->kind == PLAYLIST_MEDIA)
		add_media(&b, pl);
	else if (pl->kind == PLAYLIST_MASTER)
		add_master(&b, pl);
	if (b.failed) {
		json_decref(b.root);
		return NULL;
	}
	return b.root;
}
