/*
 * tags.c - how the promise in tags.h is kept
 *
 * Tags are rows of a table; a handler reads one tag and changes what is
 * pending or in force, and a URI line makes an entry of that. A key or map
 * goes into the playlist with the first segment that uses it, so that what
 * nobody uses costs nothing and makes nothing unsupported.
 */
#include "worker/tags.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"
#include "worker/m3u8.h"

struct tag {
	const char *name;
	int (*read)(struct tags *t, char *value);
	enum { ANY = 1, MASTER = 2, MEDIA = 4 } where;
	bool decides; /* it alone says which kind the playlist is */
};

/* Room for one more. array is a pointer to the array's pointer. */
static int
grow(void *array, size_t *room, size_t count, size_t size)
{
	void **where = array;
	void *more;

	if (count < *room)
		return 0;
	more = reallocarray(*where, *room == 0 ? 8 : 2 * *room, size);
	if (more == NULL)
		return PB_ENOMEM;
	*where = more;
	*room = *room == 0 ? 8 : 2 * *room;
	return 0;
}

/* The first of each of these attributes, NULL where there is none; variables put in. */
static int
read_attrs(struct tags *t, char *list, const char *const *names, size_t count, char **values)
{
	struct m3u8_attr attr;
	int err;

	for (size_t i = 0; i < count; i++)
		values[i] = NULL;
	while (m3u8_attr(&list, &attr)) {
		for (size_t i = 0; i < count; i++) {
			if (strcmp(attr.name, names[i]) != 0)
				continue;
			if (values[i] != NULL)
				break;
			err = variables_expand(&t->variables, &attr.value);
			if (err != 0)
				return err;
			values[i] = attr.value;
			break;
		}
	}
	return 0;
}

static int
on_version(struct tags *t, char *value)
{
	if (!m3u8_u64(value, &t->pl->version))
		playlist_warn(t->pl, "EXT-X-VERSION is no number");
	return 0;
}

static int
on_independent(struct tags *t, char *value)
{
	(void)value;
	t->pl->independent_segments = true;
	return 0;
}

static int
on_start(struct tags *t, char *list)
{
	static const char *const names[] = { "TIME-OFFSET", "PRECISE" };
	char *v[NITEMS(names)];
	double offset_s;
	int err = read_attrs(t, list, names, NITEMS(names), v);

	if (err != 0)
		return err;
	if (v[0] == NULL || !m3u8_decimal(v[0], &offset_s)) {
		playlist_warn(t->pl, "EXT-X-START without TIME-OFFSET");
		return 0;
	}
	offset_s = fmax(fmin(offset_s, PLAYLIST_DURATION_MAX_MS / 1e3), -PLAYLIST_DURATION_MAX_MS / 1e3);
	t->pl->has_start = true;
	t->pl->start_ms = llround(offset_s * 1e3);
	t->pl->start_precise = v[1] != NULL && strcmp(v[1], "YES") == 0;
	return 0;
}

static int
on_define(struct tags *t, char *list)
{
	static const char *const names[] = { "NAME", "VALUE", "IMPORT", "QUERYPARAM" };
	char *v[NITEMS(names)];
	int err = read_attrs(t, list, names, NITEMS(names), v);

	return err == 0 ? variables_define(&t->variables, v[0], v[1], v[2], v[3]) : err;
}

static int
on_target(struct tags *t, char *value)
{
	double s;

	if (t->pl->has_target)
		return 0;
	if (!m3u8_decimal(value, &s) || s <= 0) {
		playlist_warn(t->pl, "EXT-X-TARGETDURATION is no duration");
		return 0;
	}
	s = ceil(fmin(s, 1e15));
	t->pl->has_target = true;
	t->pl->target_s = (uint64_t)s;
	t->pl->target_ms = (uint32_t)fmin(s * 1e3, PLAYLIST_DURATION_MAX_MS);
	return 0;
}

/* A sequence number. The first one counts; a negative one is 0; the last segment's number must not wrap. */
static void
read_sequence(struct tags *t, const char *tag, const char *value, bool *has, uint64_t *out)
{
	uint64_t n;

	if (*has) {
		playlist_warn(t->pl, "%s twice", tag);
		return;
	}
	if (m3u8_u64(value, &n)) {
		if (n > UINT64_MAX - PLAYLIST_SEGMENTS_MAX) {
			playlist_warn(t->pl, "%s leaves no room to count", tag);
			n = UINT64_MAX - PLAYLIST_SEGMENTS_MAX;
		}
	} else if (value[0] == '-') {
		playlist_warn(t->pl, "%s is negative", tag);
		n = 0;
	} else {
		playlist_warn(t->pl, "%s is no number", tag);
		return;
	}
	*has = true;
	*out = n;
}

static int
on_media_sequence(struct tags *t, char *value)
{
	read_sequence(t, "EXT-X-MEDIA-SEQUENCE", value, &t->has_media_sequence, &t->pl->media_sequence);
	return 0;
}

static int
on_discontinuity_sequence(struct tags *t, char *value)
{
	read_sequence(
	    t, "EXT-X-DISCONTINUITY-SEQUENCE", value, &t->has_discontinuity_sequence, &t->pl->discontinuity_sequence);
	return 0;
}

static int
on_endlist(struct tags *t, char *value)
{
	(void)value;
	t->pl->endlist = true;
	return 0;
}

static int
on_type(struct tags *t, char *value)
{
	if (strncmp(value, "EVENT", 5) == 0)
		t->pl->type = PLAYLIST_TYPE_EVENT;
	else if (strncmp(value, "VOD", 3) == 0)
		t->pl->type = PLAYLIST_TYPE_VOD;
	return 0;
}

static int
on_iframes(struct tags *t, char *value)
{
	(void)value;
	t->pl->unsupported |= PLAYLIST_NO_IFRAMES;
	return 0;
}

static int
on_server_control(struct tags *t, char *list)
{
	static const char *const names[] = { "CAN-BLOCK-RELOAD" };
	char *v[NITEMS(names)];
	int err = read_attrs(t, list, names, NITEMS(names), v);

	if (err == 0)
		t->pl->can_block_reload = v[0] != NULL && strcmp(v[0], "YES") == 0;
	return err;
}

static int
on_extinf(struct tags *t, char *value)
{
	double s;

	if (strstr(value, "tvg-") != NULL || strstr(value, "group-title=") != NULL || value[0] == '-')
		t->has_channel_marks = true;
	t->segment.has_duration = m3u8_decimal(value, &s) && s >= 0;
	if (t->segment.has_duration)
		t->segment.duration_s = s;
	else
		playlist_warn(t->pl, "EXTINF without a duration");
	return 0;
}

static int
on_byterange(struct tags *t, char *value)
{
	t->has_length = m3u8_byterange(value, &t->segment.length, &t->segment.offset, &t->has_offset);
	if (!t->has_length)
		playlist_warn(t->pl, "EXT-X-BYTERANGE is no range");
	return 0;
}

static int
on_discontinuity(struct tags *t, char *value)
{
	(void)value;
	t->segment.discontinuities++;
	return 0;
}

static int
on_gap(struct tags *t, char *value)
{
	(void)value;
	t->segment.gap = true;
	return 0;
}

static int
on_pdt(struct tags *t, char *value)
{
	t->segment.pdt = value;
	t->segment.has_pdt = m3u8_date(value, &t->segment.pdt_ms);
	if (!t->segment.has_pdt)
		playlist_warn(t->pl, "EXT-X-PROGRAM-DATE-TIME is no date");
	return 0;
}

enum { KEY_METHOD, KEY_URI, KEY_IV, KEY_FORMAT, KEY_ATTRS };

static int
read_key(struct tags *t, char *list, struct playlist_key *key)
{
	static const char *const names[KEY_ATTRS] = { "METHOD", "URI", "IV", "KEYFORMAT" };
	static const char *const methods[] = { "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR" };
	char *v[KEY_ATTRS];
	int err = read_attrs(t, list, names, KEY_ATTRS, v);

	memset(key, 0, sizeof(*key));
	if (err != 0)
		return err;
	if (v[KEY_METHOD] == NULL) {
		playlist_warn(t->pl, "EXT-X-KEY without METHOD");
		return PB_NO;
	}
	key->method_name = v[KEY_METHOD];
	key->method = PLAYLIST_METHOD_OTHER;
	for (size_t i = 0; i < NITEMS(methods); i++)
		if (strcmp(v[KEY_METHOD], methods[i]) == 0)
			key->method = (enum playlist_method)i;
	key->uri = v[KEY_URI];
	key->keyformat = v[KEY_FORMAT] != NULL ? v[KEY_FORMAT] : "identity";
	if (v[KEY_IV] != NULL) {
		key->has_iv = m3u8_iv(v[KEY_IV], key->iv);
		if (!key->has_iv)
			playlist_warn(t->pl, "EXT-X-KEY: IV is no 128-bit number");
	}
	return 0;
}

static int
on_key(struct tags *t, char *list)
{
	struct playlist_key key;
	size_t i;
	int err = read_key(t, list, &key);

	if (err != 0)
		return err == PB_NO ? 0 : err;
	if (strcmp(key.method_name, "NONE") == 0) {
		t->key_count = 0;
		return 0;
	}
	for (i = 0; i < t->key_count; i++)
		if (strcmp(t->keys[i].key.keyformat, key.keyformat) == 0)
			break;
	if (i == TAGS_KEYS_MAX) {
		playlist_warn(t->pl, "over %d key formats", TAGS_KEYS_MAX);
		return 0;
	}
	t->keys[i] = (struct key_in_force){ key, -1 };
	if (i == t->key_count)
		t->key_count++;
	return 0;
}

static int
on_session_key(struct tags *t, char *list)
{
	struct playlist *pl = t->pl;
	struct playlist_key key;
	int err = read_key(t, list, &key);

	if (err != 0)
		return err == PB_NO ? 0 : err;
	if (strcmp(key.method_name, "NONE") == 0 || pl->key_count == PLAYLIST_SESSION_KEYS_MAX) {
		playlist_warn(t->pl, "EXT-X-SESSION-KEY ignored");
		return 0;
	}
	if (grow(&pl->keys, &t->key_room, pl->key_count, sizeof(*pl->keys)) != 0)
		return playlist_fail(pl, PB_ENOMEM, "no memory");
	pl->keys[pl->key_count++] = key;
	return 0;
}

/*
 * The one key of all in force that is to be used: AES-128 in the identity
 * format when it is among them, else the first, which says what is missing.
 */
static struct key_in_force *
best_key(struct tags *t)
{
	for (size_t i = 0; i < t->key_count; i++)
		if (t->keys[i].key.method == PLAYLIST_AES_128 && strcmp(t->keys[i].key.keyformat, "identity") == 0)
			return &t->keys[i];
	return t->key_count > 0 ? &t->keys[0] : NULL;
}

static int
on_map(struct tags *t, char *list)
{
	static const char *const names[] = { "URI", "BYTERANGE" };
	char *v[NITEMS(names)];
	struct playlist_map map = { .key = -1 };
	struct key_in_force *key;
	bool has_offset;
	int err = read_attrs(t, list, names, NITEMS(names), v);

	if (err != 0)
		return err;
	if (v[0] == NULL) {
		playlist_warn(t->pl, "EXT-X-MAP without URI");
		return 0;
	}
	map.uri = v[0];
	if (v[1] != NULL) {
		map.has_range = m3u8_byterange(v[1], &map.length, &map.offset, &has_offset);
		if (!map.has_range)
			playlist_warn(t->pl, "EXT-X-MAP: BYTERANGE is no range");
	}
	key = best_key(t); /* the keys in force here, not those of the segments behind it */
	memset(&t->map_key, 0, sizeof(t->map_key));
	if (key != NULL)
		t->map_key = *key;
	if (key != NULL && !key->key.has_iv)
		playlist_warn(t->pl, "EXT-X-MAP is encrypted and its key has no IV");
	if (map.has_range && t->range_end == 0) {
		t->range_end = map.offset + map.length;
		t->range_map = map.uri;
	}
	t->map = map;
	t->has_map = true;
	t->map_index = -1;
	return 0;
}

static int
on_skip(struct tags *t, char *value)
{
	(void)value;
	return playlist_fail(t->pl, PB_ENOSUP, "delta update (EXT-X-SKIP) that was not asked for");
}

enum {
	STREAM_BANDWIDTH,
	STREAM_AVERAGE,
	STREAM_CODECS,
	STREAM_RESOLUTION,
	STREAM_FRAME_RATE,
	STREAM_AUDIO,
	STREAM_VIDEO,
	STREAM_SUBTITLES,
	STREAM_CAPTIONS,
	STREAM_PATHWAY,
	STREAM_RANGE,
	STREAM_HDCP,
	STREAM_ATTRS,
};

static int
on_stream(struct tags *t, char *list)
{
	static const char *const names[STREAM_ATTRS] = { "BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION",
		"FRAME-RATE", "AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS", "PATHWAY-ID", "VIDEO-RANGE",
		"HDCP-LEVEL" };
	char *v[STREAM_ATTRS];
	struct playlist_variant *variant = &t->variant;
	int err = read_attrs(t, list, names, STREAM_ATTRS, v);

	if (err != 0)
		return err;
	if (t->has_variant)
		playlist_warn(t->pl, "EXT-X-STREAM-INF without a URI");
	memset(variant, 0, sizeof(*variant));
	t->has_variant = true;
	if (v[STREAM_BANDWIDTH] == NULL || !m3u8_u64(v[STREAM_BANDWIDTH], &variant->bandwidth))
		playlist_warn(t->pl, "EXT-X-STREAM-INF without BANDWIDTH");
	if (v[STREAM_AVERAGE] != NULL && !m3u8_u64(v[STREAM_AVERAGE], &variant->average_bandwidth))
		playlist_warn(t->pl, "AVERAGE-BANDWIDTH is no number");
	if (v[STREAM_RESOLUTION] != NULL && !m3u8_resolution(v[STREAM_RESOLUTION], &variant->width, &variant->height))
		playlist_warn(t->pl, "RESOLUTION is none");
	if (v[STREAM_FRAME_RATE] != NULL &&
	    (!m3u8_decimal(v[STREAM_FRAME_RATE], &variant->frame_rate) || variant->frame_rate < 0)) {
		variant->frame_rate = 0;
		playlist_warn(t->pl, "FRAME-RATE is no number");
	}
	variant->codecs = v[STREAM_CODECS];
	variant->audio = v[STREAM_AUDIO];
	variant->video = v[STREAM_VIDEO];
	variant->subtitles = v[STREAM_SUBTITLES];
	variant->closed_captions = v[STREAM_CAPTIONS];
	variant->pathway_id = v[STREAM_PATHWAY];
	variant->video_range = v[STREAM_RANGE];
	variant->hdcp_level = v[STREAM_HDCP];
	return 0;
}

enum {
	MEDIA_TYPE,
	MEDIA_GROUP,
	MEDIA_NAME,
	MEDIA_URI,
	MEDIA_LANGUAGE,
	MEDIA_DEFAULT,
	MEDIA_AUTOSELECT,
	MEDIA_FORCED,
	MEDIA_CHANNELS,
	MEDIA_INSTREAM,
	MEDIA_ATTRS,
};

static bool
is_yes(const char *value)
{
	return value != NULL && strcmp(value, "YES") == 0;
}

static int
on_media(struct tags *t, char *list)
{
	static const char *const names[MEDIA_ATTRS] = { "TYPE", "GROUP-ID", "NAME", "URI", "LANGUAGE", "DEFAULT",
		"AUTOSELECT", "FORCED", "CHANNELS", "INSTREAM-ID" };
	static const char *const types[] = { "AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS" };
	char *v[MEDIA_ATTRS];
	struct playlist *pl = t->pl;
	struct playlist_rendition *r;
	size_t type = 0;
	int err = read_attrs(t, list, names, MEDIA_ATTRS, v);

	if (err != 0)
		return err;
	while (v[MEDIA_TYPE] != NULL && type < NITEMS(types) && strcmp(v[MEDIA_TYPE], types[type]) != 0)
		type++;
	if (v[MEDIA_TYPE] == NULL || type == NITEMS(types) || v[MEDIA_GROUP] == NULL) {
		playlist_warn(t->pl, "EXT-X-MEDIA without TYPE or GROUP-ID");
		return 0;
	}
	if (pl->rendition_count == PLAYLIST_RENDITIONS_MAX)
		return playlist_fail(pl, PB_ELIMIT, "over %d renditions", PLAYLIST_RENDITIONS_MAX);
	if (grow(&pl->renditions, &t->rendition_room, pl->rendition_count, sizeof(*pl->renditions)) != 0)
		return playlist_fail(pl, PB_ENOMEM, "no memory");
	r = &pl->renditions[pl->rendition_count++];
	*r = (struct playlist_rendition){
		.type = (enum playlist_rendition_type)type,
		.group_id = v[MEDIA_GROUP],
		.is_default = is_yes(v[MEDIA_DEFAULT]),
		.autoselect = is_yes(v[MEDIA_AUTOSELECT]),
		.forced = is_yes(v[MEDIA_FORCED]),
		.name = v[MEDIA_NAME],
		.uri = v[MEDIA_URI],
		.language = v[MEDIA_LANGUAGE],
		.channels = v[MEDIA_CHANNELS],
		.instream_id = v[MEDIA_INSTREAM],
	};
	return 0;
}

/*
 * What isn't here is ignored: parts and other low-latency tags, metadata,
 * vendors' tags. EXT-X-I-FRAME-STREAM-INF too: never a channel's picture.
 */
static const struct tag known[] = {
	{ "EXTINF", on_extinf, MEDIA, true },
	{ "EXT-X-TARGETDURATION", on_target, MEDIA, true },
	{ "EXT-X-MEDIA-SEQUENCE", on_media_sequence, MEDIA, true },
	{ "EXT-X-KEY", on_key, MEDIA, true },
	{ "EXT-X-BYTERANGE", on_byterange, MEDIA, true },
	{ "EXT-X-DISCONTINUITY", on_discontinuity, MEDIA, true },
	{ "EXT-X-DISCONTINUITY-SEQUENCE", on_discontinuity_sequence, MEDIA, true },
	{ "EXT-X-ENDLIST", on_endlist, MEDIA, true },
	{ "EXT-X-PROGRAM-DATE-TIME", on_pdt, MEDIA, false },
	{ "EXT-X-GAP", on_gap, MEDIA, false },
	{ "EXT-X-MAP", on_map, MEDIA, false },
	{ "EXT-X-PLAYLIST-TYPE", on_type, MEDIA, false },
	{ "EXT-X-I-FRAMES-ONLY", on_iframes, MEDIA, false },
	{ "EXT-X-SERVER-CONTROL", on_server_control, MEDIA, false },
	{ "EXT-X-SKIP", on_skip, MEDIA, false },
	{ "EXT-X-STREAM-INF", on_stream, MASTER, true },
	{ "EXT-X-MEDIA", on_media, MASTER, false },
	{ "EXT-X-SESSION-KEY", on_session_key, MASTER, false },
	{ "EXT-X-VERSION", on_version, ANY, false },
	{ "EXT-X-INDEPENDENT-SEGMENTS", on_independent, ANY, false },
	{ "EXT-X-START", on_start, ANY, false },
	{ "EXT-X-DEFINE", on_define, ANY, false },
};

/* Is this line (not NUL-terminated) the tag? */
static bool
starts_with_tag(const char *line, const char *end, const char *name)
{
	size_t len = strlen(name);

	if ((size_t)(end - line) < len + 1 || memcmp(line + 1, name, len) != 0)
		return false;
	line += 1 + len;
	return line == end || *line == ':' || m3u8_is_space((unsigned char)*line);
}

/* Tags that only hint count when none decides (reference peers do the same). */
enum playlist_kind
tags_kind(const char *text, const char *end)
{
	enum playlist_kind hint = PLAYLIST_INVALID;
	const char *line = text;

	while (line < end) {
		while (line < end && m3u8_is_space((unsigned char)*line))
			line++;
		if (line < end && *line == '#') {
			for (size_t i = 0; i < NITEMS(known); i++) {
				if (known[i].where == ANY || !starts_with_tag(line, end, known[i].name))
					continue;
				if (known[i].decides || hint == PLAYLIST_INVALID)
					hint = known[i].where == MASTER ? PLAYLIST_MASTER : PLAYLIST_MEDIA;
				if (known[i].decides)
					return hint;
			}
		}
		while (line < end && *line != '\n' && *line != '\r')
			line++;
	}
	return hint;
}

void
tags_init(struct tags *t, struct playlist *pl, const struct playlist *master, size_t room)
{
	memset(t, 0, sizeof(*t));
	t->pl = pl;
	t->map_index = -1;
	t->variables = (struct variables){ pl, master, room };
}

int
tags_read(struct tags *t, char *line)
{
	int kind = t->pl->kind == PLAYLIST_MASTER ? MASTER : MEDIA;
	char *value;

	for (size_t i = 0; i < NITEMS(known); i++) {
		if (!m3u8_tag(line, known[i].name, &value))
			continue;
		if (known[i].where != ANY && (int)known[i].where != kind) {
			playlist_warn(t->pl, "%s in a %s playlist", known[i].name, playlist_kind_name(t->pl->kind));
			return 0;
		}
		return known[i].read(t, value);
	}
	return 0;
}

static int
use_key(struct tags *t, struct key_in_force *k, int32_t *index)
{
	struct playlist *pl = t->pl;

	*index = -1;
	if (k == NULL)
		return 0;
	if (k->index == -1) {
		if (grow(&pl->keys, &t->key_room, pl->key_count, sizeof(*pl->keys)) != 0)
			return playlist_fail(pl, PB_ENOMEM, "no memory");
		k->index = (int32_t)pl->key_count;
		pl->keys[pl->key_count++] = k->key;
	}
	if (strcmp(k->key.keyformat, "identity") != 0 || k->key.method == PLAYLIST_METHOD_OTHER)
		pl->unsupported |= PLAYLIST_NO_DRM;
	else if (k->key.method != PLAYLIST_AES_128)
		pl->unsupported |= PLAYLIST_NO_SAMPLE_AES;
	else if (k->key.uri == NULL || k->key.uri[0] == '\0')
		pl->unsupported |= PLAYLIST_NO_KEY_URI;
	*index = k->index;
	return 0;
}

static int
use_map(struct tags *t, int32_t *index)
{
	struct playlist *pl = t->pl;
	int err;

	*index = -1;
	if (!t->has_map)
		return 0;
	if (t->map_index == -1) {
		err = use_key(t, t->map_key.key.method_name != NULL ? &t->map_key : NULL, &t->map.key);
		if (err != 0)
			return err;
		if (grow(&pl->maps, &t->map_room, pl->map_count, sizeof(*pl->maps)) != 0)
			return playlist_fail(pl, PB_ENOMEM, "no memory");
		t->map_index = (int32_t)pl->map_count;
		pl->maps[pl->map_count++] = t->map;
	}
	*index = t->map_index;
	pl->unsupported |= PLAYLIST_NO_MAP;
	return 0;
}

/* A range without an offset begins where the one before it ended, whatever its URI (reference peers). */
static void
chain_range(struct tags *t, struct playlist_segment *s)
{
	bool from_map = t->range_map != NULL;

	s->has_range = t->has_length;
	if (!s->has_range) {
		s->length = s->offset = 0;
		t->range_end = 0;
	} else {
		if (!t->has_offset && (!from_map || strcmp(t->range_map, s->uri) == 0))
			s->offset = t->range_end;
		if (s->offset > INT64_MAX - s->length) {
			playlist_warn(t->pl, "EXT-X-BYTERANGE passes the end of all files");
			s->offset = 0;
		}
		t->range_end = s->offset + s->length;
	}
	t->range_map = NULL;
}

static int
read_segment(struct tags *t, char *uri)
{
	struct playlist *pl = t->pl;
	struct playlist_segment *s = &t->segment;
	int err;

	if (pl->segment_count == PLAYLIST_SEGMENTS_MAX)
		return playlist_fail(pl, PB_ELIMIT, "over %d segments", PLAYLIST_SEGMENTS_MAX);
	s->uri = uri;
	if (strlen(uri) >= URL_MAX) { /* it counts, though it can't be had */
		s->gap = true;
		playlist_warn(t->pl, "URI over %d bytes", URL_MAX - 1);
	}
	chain_range(t, s);
	if ((err = use_key(t, best_key(t), &s->key)) != 0 || (err = use_map(t, &s->map)) != 0)
		return err;
	if (grow(&pl->segments, &t->segment_room, pl->segment_count, sizeof(*pl->segments)) != 0)
		return playlist_fail(pl, PB_ENOMEM, "no memory");
	pl->segments[pl->segment_count++] = *s;
	memset(s, 0, sizeof(*s));
	t->has_length = t->has_offset = false;
	return 0;
}

static int
read_variant(struct tags *t, char *uri)
{
	struct playlist *pl = t->pl;

	if (!t->has_variant) {
		playlist_warn(t->pl, "URI without EXT-X-STREAM-INF");
		return 0;
	}
	if (pl->variant_count == PLAYLIST_VARIANTS_MAX)
		return playlist_fail(pl, PB_ELIMIT, "over %d variants", PLAYLIST_VARIANTS_MAX);
	if (grow(&pl->variants, &t->variant_room, pl->variant_count, sizeof(*pl->variants)) != 0)
		return playlist_fail(pl, PB_ENOMEM, "no memory");
	t->variant.uri = uri;
	pl->variants[pl->variant_count++] = t->variant;
	t->has_variant = false;
	return 0;
}

int
tags_uri(struct tags *t, char *uri)
{
	int err;

	t->has_uri = true;
	if (t->pl->kind == PLAYLIST_INVALID)
		return 0;
	err = variables_expand(&t->variables, &uri);
	if (err != 0)
		return err;
	return t->pl->kind == PLAYLIST_MASTER ? read_variant(t, uri) : read_segment(t, uri);
}
