/*
 * playlist.c - how the promise in playlist.h is kept
 *
 * Two passes over the lines. The first finds the kind by the first tag that
 * decides it, because lines in front of that tag already mean something.
 * The second reads one copy of the body in place: strings are cut out by
 * writing NULs over delimiters, so that a playlist is one allocation of
 * text and one array per kind of thing, however many strings it has.
 *
 * Tags are rows of a table; a handler reads one tag and changes the
 * parser's pending state, and a URI line turns that state into an entry.
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

#define TARGET_UNKNOWN_MS 6000 /* neither TARGETDURATION nor EXTINF says anything */
#define TARGET_FLOOR_MS 1000
#define KEY_ALTERNATIVES_MAX 8

/* Variables may make a playlist so much longer than it came, and no more. */
#define EXPANSION_MAX(len) (4 * (len) + 65536)

struct playlist_chunk {
	struct playlist_chunk *next;
	char text[];
};

/* A KEY or MAP in force goes into the playlist when the first segment uses it. */
struct key_in_force {
	struct playlist_key key;
	int32_t index; /* -1: not used yet */
};

struct parser {
	struct playlist *pl;
	const struct playlist_context *context;
	size_t segment_room, variant_room, rendition_room, key_room, map_room;
	size_t expansion_left;

	/* What the next URI line takes. */
	struct playlist_segment segment;
	bool has_extinf;
	bool has_length, has_offset;
	struct playlist_variant variant;
	bool has_variant;

	/* What stays in force. */
	struct key_in_force keys[KEY_ALTERNATIVES_MAX];
	size_t key_count;
	struct playlist_map map;
	struct key_in_force map_key; /* in force at the MAP; method_name is NULL when there was none */
	bool has_map;
	int32_t map_index; /* -1: not used yet */
	uint64_t range_end; /* where a range without offset begins */
	const char *range_map; /* the MAP's URI when range_end is its end */

	bool has_media_sequence, has_discontinuity_sequence;
	bool has_channel_marks; /* tvg- attributes, EXTINF:-1: an IPTV channel list */
	bool has_uri;
};

struct tag {
	const char *name;
	int (*read)(struct parser *p, char *value);
	enum { ANY = 1, MASTER = 2, MEDIA = 4 } where;
	bool decides; /* it alone says which kind the playlist is */
};

static int fail(struct playlist *pl, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void warn(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int check_head(struct playlist *pl, const unsigned char *buf, size_t len, size_t *body);
static enum playlist_kind find_kind(const char *text, const char *end);
static int read_lines(struct parser *p, char *at, char *end);
static int read_uri(struct parser *p, char *uri);
static int finish(struct parser *p);
static int expand(struct parser *p, char **s);
static int read_attrs(struct parser *p, char *list, const char *const *names, size_t count, char **values);
static int grow(void *array, size_t *room, size_t count, size_t size);
static struct key_in_force *best_key(struct parser *p);

static int
on_version(struct parser *p, char *value)
{
	if (!m3u8_u64(value, &p->pl->version))
		warn(p, "EXT-X-VERSION is no number");
	return 0;
}

static int
on_independent(struct parser *p, char *value)
{
	(void)value;
	p->pl->independent_segments = true;
	return 0;
}

static int
on_start(struct parser *p, char *list)
{
	static const char *const names[] = { "TIME-OFFSET", "PRECISE" };
	char *v[NITEMS(names)];
	double offset_s;
	int err = read_attrs(p, list, names, NITEMS(names), v);

	if (err != 0)
		return err;
	if (v[0] == NULL || !m3u8_decimal(v[0], &offset_s)) {
		warn(p, "EXT-X-START without TIME-OFFSET");
		return 0;
	}
	offset_s = fmax(fmin(offset_s, PLAYLIST_DURATION_MAX_MS / 1e3), -PLAYLIST_DURATION_MAX_MS / 1e3);
	p->pl->has_start = true;
	p->pl->start_ms = llround(offset_s * 1e3);
	p->pl->start_precise = v[1] != NULL && strcmp(v[1], "YES") == 0;
	return 0;
}

static const char *
find_variable(const struct playlist *pl, const char *name, size_t len)
{
	for (size_t i = 0; pl != NULL && i < pl->variable_count; i++)
		if (strncmp(pl->variables[i].name, name, len) == 0 && pl->variables[i].name[len] == '\0')
			return pl->variables[i].value;
	return NULL;
}

/* A string of ours, as long as the playlist lives. NULL: no memory, or the expansion bound (err says which). */
static char *
new_string(struct parser *p, size_t len, int *err)
{
	struct playlist_chunk *chunk;

	if (len >= p->expansion_left) {
		*err = fail(p->pl, PB_ELIMIT, "variables make it too long");
		return NULL;
	}
	p->expansion_left -= len;
	chunk = malloc(sizeof(*chunk) + len + 1);
	if (chunk == NULL) {
		*err = fail(p->pl, PB_ENOMEM, "no memory");
		return NULL;
	}
	chunk->next = p->pl->chunks;
	p->pl->chunks = chunk;
	return chunk->text;
}

/* %xx undone, so far as what comes out is text. */
static int
decode_query_value(struct parser *p, const char *at, size_t len, const char **out)
{
	int err = 0;
	char *s = new_string(p, len, &err);
	size_t n = 0;

	if (s == NULL)
		return err;
	for (size_t i = 0; i < len; i++) {
		char c = at[i];

		if (c == '%' && i + 2 < len && strspn((char[]){ at[i + 1], at[i + 2], '\0' },
		    "0123456789abcdefABCDEF") == 2) {
			unsigned byte = (unsigned)strtoul((char[]){ at[i + 1], at[i + 2], '\0' }, NULL, 16);

			if (byte >= 0x20 && byte != 0x7f) {
				c = (char)byte;
				i += 2;
			}
		}
		s[n++] = c;
	}
	s[n] = '\0';
	*out = s;
	return 0;
}

static int
on_define(struct parser *p, char *list)
{
	static const char *const names[] = { "NAME", "VALUE", "IMPORT", "QUERYPARAM" };
	char *v[NITEMS(names)];
	struct playlist *pl = p->pl;
	const char *name = NULL;
	const char *value = NULL;
	const char *at;
	size_t len;
	int err = read_attrs(p, list, names, NITEMS(names), v);

	if (err != 0)
		return err;
	if (v[0] != NULL && v[1] != NULL) {
		name = v[0];
		value = v[1];
	} else if (v[2] != NULL) {
		name = v[2];
		value = find_variable(p->context->master, name, strlen(name));
		if (value != NULL) { /* the master may be gone before this playlist is */
			char *copy = new_string(p, strlen(value), &err);

			if (copy == NULL)
				return err;
			memcpy(copy, value, strlen(value) + 1);
			value = copy;
		}
	} else if (v[3] != NULL) {
		name = v[3];
		if (pl->base != NULL && url_query_value(pl->base, name, &at, &len)) {
			err = decode_query_value(p, at, len, &value);
			if (err != 0)
				return err;
		}
	}
	if (name == NULL || value == NULL || name[0] == '\0') {
		warn(p, "EXT-X-DEFINE defines nothing: %s", name != NULL ? name : "no name");
		return 0;
	}
	if (find_variable(pl, name, strlen(name)) != NULL || strlen(value) >= URL_MAX) {
		warn(p, "EXT-X-DEFINE ignored: %s", name);
		return 0;
	}
	if (pl->variable_count == PLAYLIST_VARIABLES_MAX) {
		warn(p, "over %d variables", PLAYLIST_VARIABLES_MAX);
		return 0;
	}
	if (pl->variables == NULL) {
		pl->variables = calloc(PLAYLIST_VARIABLES_MAX, sizeof(*pl->variables));
		if (pl->variables == NULL)
			return fail(pl, PB_ENOMEM, "no memory");
	}
	pl->variables[pl->variable_count++] = (struct playlist_variable){ name, value };
	return 0;
}

static int
on_target(struct parser *p, char *value)
{
	double s;

	if (p->pl->has_target)
		return 0;
	if (!m3u8_decimal(value, &s) || s <= 0) {
		warn(p, "EXT-X-TARGETDURATION is no duration");
		return 0;
	}
	s = ceil(fmin(s, 1e15));
	p->pl->has_target = true;
	p->pl->target_s = (uint64_t)s;
	p->pl->target_ms = (uint32_t)fmin(s * 1e3, PLAYLIST_DURATION_MAX_MS);
	return 0;
}

/* A sequence number. The first one counts; a negative one is 0; the last segment's number must not wrap. */
static void
read_sequence(struct parser *p, const char *tag, const char *value, bool *has, uint64_t *out)
{
	uint64_t n;

	if (*has) {
		warn(p, "%s twice", tag);
		return;
	}
	if (m3u8_u64(value, &n)) {
		if (n > UINT64_MAX - PLAYLIST_SEGMENTS_MAX) {
			warn(p, "%s leaves no room to count", tag);
			n = UINT64_MAX - PLAYLIST_SEGMENTS_MAX;
		}
	} else if (value[0] == '-') {
		warn(p, "%s is negative", tag);
		n = 0;
	} else {
		warn(p, "%s is no number", tag);
		return;
	}
	*has = true;
	*out = n;
}

static int
on_media_sequence(struct parser *p, char *value)
{
	read_sequence(p, "EXT-X-MEDIA-SEQUENCE", value, &p->has_media_sequence, &p->pl->media_sequence);
	return 0;
}

static int
on_discontinuity_sequence(struct parser *p, char *value)
{
	read_sequence(p, "EXT-X-DISCONTINUITY-SEQUENCE", value, &p->has_discontinuity_sequence,
	    &p->pl->discontinuity_sequence);
	return 0;
}

static int
on_endlist(struct parser *p, char *value)
{
	(void)value;
	p->pl->endlist = true;
	return 0;
}

static int
on_type(struct parser *p, char *value)
{
	if (strncmp(value, "EVENT", 5) == 0)
		p->pl->type = PLAYLIST_TYPE_EVENT;
	else if (strncmp(value, "VOD", 3) == 0)
		p->pl->type = PLAYLIST_TYPE_VOD;
	return 0;
}

static int
on_iframes(struct parser *p, char *value)
{
	(void)value;
	p->pl->unsupported |= PLAYLIST_NO_IFRAMES;
	return 0;
}

static int
on_server_control(struct parser *p, char *list)
{
	static const char *const names[] = { "CAN-BLOCK-RELOAD" };
	char *v[NITEMS(names)];
	int err = read_attrs(p, list, names, NITEMS(names), v);

	if (err == 0)
		p->pl->can_block_reload = v[0] != NULL && strcmp(v[0], "YES") == 0;
	return err;
}

static int
on_extinf(struct parser *p, char *value)
{
	double s;

	if (strstr(value, "tvg-") != NULL || strstr(value, "group-title=") != NULL || value[0] == '-')
		p->has_channel_marks = true;
	p->has_extinf = true;
	p->segment.has_duration = m3u8_decimal(value, &s) && s >= 0;
	if (p->segment.has_duration)
		p->segment.duration_s = s;
	else
		warn(p, "EXTINF without a duration");
	return 0;
}

static int
on_byterange(struct parser *p, char *value)
{
	p->has_length = m3u8_byterange(value, &p->segment.length, &p->segment.offset, &p->has_offset);
	if (!p->has_length)
		warn(p, "EXT-X-BYTERANGE is no range");
	return 0;
}

static int
on_discontinuity(struct parser *p, char *value)
{
	(void)value;
	p->segment.discontinuities++;
	return 0;
}

static int
on_gap(struct parser *p, char *value)
{
	(void)value;
	p->segment.gap = true;
	return 0;
}

static int
on_pdt(struct parser *p, char *value)
{
	p->segment.pdt = value;
	p->segment.has_pdt = m3u8_date(value, &p->segment.pdt_ms);
	if (!p->segment.has_pdt)
		warn(p, "EXT-X-PROGRAM-DATE-TIME is no date");
	return 0;
}

enum { KEY_METHOD, KEY_URI, KEY_IV, KEY_FORMAT, KEY_ATTRS };

static int
read_key(struct parser *p, char *list, struct playlist_key *key)
{
	static const char *const names[KEY_ATTRS] = { "METHOD", "URI", "IV", "KEYFORMAT" };
	static const char *const methods[] = { "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR" };
	char *v[KEY_ATTRS];
	int err = read_attrs(p, list, names, KEY_ATTRS, v);

	memset(key, 0, sizeof(*key));
	if (err != 0)
		return err;
	if (v[KEY_METHOD] == NULL) {
		warn(p, "EXT-X-KEY without METHOD");
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
			warn(p, "EXT-X-KEY: IV is no 128-bit number");
	}
	return 0;
}

static int
on_key(struct parser *p, char *list)
{
	struct playlist_key key;
	size_t i;
	int err = read_key(p, list, &key);

	if (err != 0)
		return err == PB_NO ? 0 : err;
	if (strcmp(key.method_name, "NONE") == 0) {
		p->key_count = 0;
		return 0;
	}
	for (i = 0; i < p->key_count; i++)
		if (strcmp(p->keys[i].key.keyformat, key.keyformat) == 0)
			break;
	if (i == KEY_ALTERNATIVES_MAX) {
		warn(p, "over %d key formats", KEY_ALTERNATIVES_MAX);
		return 0;
	}
	p->keys[i] = (struct key_in_force){ key, -1 };
	if (i == p->key_count)
		p->key_count++;
	return 0;
}

static int
on_session_key(struct parser *p, char *list)
{
	struct playlist *pl = p->pl;
	struct playlist_key key;
	int err = read_key(p, list, &key);

	if (err != 0)
		return err == PB_NO ? 0 : err;
	if (strcmp(key.method_name, "NONE") == 0 || pl->key_count == PLAYLIST_SESSION_KEYS_MAX) {
		warn(p, "EXT-X-SESSION-KEY ignored");
		return 0;
	}
	if (grow(&pl->keys, &p->key_room, pl->key_count, sizeof(*pl->keys)) != 0)
		return fail(pl, PB_ENOMEM, "no memory");
	pl->keys[pl->key_count++] = key;
	return 0;
}

static int
on_map(struct parser *p, char *list)
{
	static const char *const names[] = { "URI", "BYTERANGE" };
	char *v[NITEMS(names)];
	struct playlist_map map = { .key = -1 };
	struct key_in_force *key;
	bool has_offset;
	int err = read_attrs(p, list, names, NITEMS(names), v);

	if (err != 0)
		return err;
	if (v[0] == NULL) {
		warn(p, "EXT-X-MAP without URI");
		return 0;
	}
	map.uri = v[0];
	if (v[1] != NULL) {
		map.has_range = m3u8_byterange(v[1], &map.length, &map.offset, &has_offset);
		if (!map.has_range)
			warn(p, "EXT-X-MAP: BYTERANGE is no range");
	}
	key = best_key(p); /* the keys in force here, not those of the segments behind it */
	memset(&p->map_key, 0, sizeof(p->map_key));
	if (key != NULL)
		p->map_key = *key;
	if (key != NULL && !key->key.has_iv)
		warn(p, "EXT-X-MAP is encrypted and its key has no IV");
	if (map.has_range && p->range_end == 0) {
		p->range_end = map.offset + map.length;
		p->range_map = map.uri;
	}
	p->map = map;
	p->has_map = true;
	p->map_index = -1;
	return 0;
}

static int
on_skip(struct parser *p, char *value)
{
	(void)value;
	return fail(p->pl, PB_ENOSUP, "delta update (EXT-X-SKIP) that was not asked for");
}

enum {
	STREAM_BANDWIDTH, STREAM_AVERAGE, STREAM_CODECS, STREAM_RESOLUTION, STREAM_FRAME_RATE, STREAM_AUDIO,
	STREAM_VIDEO, STREAM_SUBTITLES, STREAM_CAPTIONS, STREAM_PATHWAY, STREAM_RANGE, STREAM_HDCP, STREAM_ATTRS,
};

static int
on_stream(struct parser *p, char *list)
{
	static const char *const names[STREAM_ATTRS] = { "BANDWIDTH", "AVERAGE-BANDWIDTH", "CODECS", "RESOLUTION",
		"FRAME-RATE", "AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS", "PATHWAY-ID", "VIDEO-RANGE",
		"HDCP-LEVEL" };
	char *v[STREAM_ATTRS];
	struct playlist_variant *variant = &p->variant;
	int err = read_attrs(p, list, names, STREAM_ATTRS, v);

	if (err != 0)
		return err;
	if (p->has_variant)
		warn(p, "EXT-X-STREAM-INF without a URI");
	memset(variant, 0, sizeof(*variant));
	p->has_variant = true;
	if (v[STREAM_BANDWIDTH] == NULL || !m3u8_u64(v[STREAM_BANDWIDTH], &variant->bandwidth))
		warn(p, "EXT-X-STREAM-INF without BANDWIDTH");
	if (v[STREAM_AVERAGE] != NULL && !m3u8_u64(v[STREAM_AVERAGE], &variant->average_bandwidth))
		warn(p, "AVERAGE-BANDWIDTH is no number");
	if (v[STREAM_RESOLUTION] != NULL &&
	    !m3u8_resolution(v[STREAM_RESOLUTION], &variant->width, &variant->height))
		warn(p, "RESOLUTION is none");
	if (v[STREAM_FRAME_RATE] != NULL &&
	    (!m3u8_decimal(v[STREAM_FRAME_RATE], &variant->frame_rate) || variant->frame_rate < 0)) {
		variant->frame_rate = 0;
		warn(p, "FRAME-RATE is no number");
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
	MEDIA_TYPE, MEDIA_GROUP, MEDIA_NAME, MEDIA_URI, MEDIA_LANGUAGE, MEDIA_DEFAULT, MEDIA_AUTOSELECT, MEDIA_FORCED,
	MEDIA_CHANNELS, MEDIA_INSTREAM, MEDIA_ATTRS,
};

static bool
is_yes(const char *value)
{
	return value != NULL && strcmp(value, "YES") == 0;
}

static int
on_media(struct parser *p, char *list)
{
	static const char *const names[MEDIA_ATTRS] = { "TYPE", "GROUP-ID", "NAME", "URI", "LANGUAGE", "DEFAULT",
		"AUTOSELECT", "FORCED", "CHANNELS", "INSTREAM-ID" };
	static const char *const types[] = { "AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS" };
	char *v[MEDIA_ATTRS];
	struct playlist *pl = p->pl;
	struct playlist_rendition *r;
	size_t type = 0;
	int err = read_attrs(p, list, names, MEDIA_ATTRS, v);

	if (err != 0)
		return err;
	while (v[MEDIA_TYPE] != NULL && type < NITEMS(types) && strcmp(v[MEDIA_TYPE], types[type]) != 0)
		type++;
	if (v[MEDIA_TYPE] == NULL || type == NITEMS(types) || v[MEDIA_GROUP] == NULL) {
		warn(p, "EXT-X-MEDIA without TYPE or GROUP-ID");
		return 0;
	}
	if (pl->rendition_count == PLAYLIST_RENDITIONS_MAX)
		return fail(pl, PB_ELIMIT, "over %d renditions", PLAYLIST_RENDITIONS_MAX);
	if (grow(&pl->renditions, &p->rendition_room, pl->rendition_count, sizeof(*pl->renditions)) != 0)
		return fail(pl, PB_ENOMEM, "no memory");
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
static const struct tag tags[] = {
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

int
playlist_parse(struct playlist *out, const char *base_url, const void *buf, size_t len)
{
	struct playlist_context context = { .base_url = base_url };

	return playlist_parse_in(out, &context, buf, len);
}

int
playlist_parse_in(struct playlist *out, const struct playlist_context *context, const void *buf, size_t len)
{
	struct parser p = { .pl = out, .context = context, .map_index = -1 };
	size_t base_len = context->base_url != NULL ? strlen(context->base_url) + 1 : 0;
	size_t body = 0;
	char *end;
	int err;

	memset(out, 0, sizeof(*out));
	if (len > PLAYLIST_BODY_MAX)
		return fail(out, PB_ELIMIT, "playlist over 4 MiB");
	if (base_len > URL_MAX)
		return fail(out, PB_ELIMIT, "URL over %d bytes", URL_MAX);
	if (context->cut)
		while (len > 0 && ((const char *)buf)[len - 1] != '\n' && ((const char *)buf)[len - 1] != '\r')
			len--;
	err = check_head(out, buf, len, &body);
	if (err != 0)
		return err;

	/* The body with its NUL, then the base URL. */
	out->text = malloc(len - body + 1 + base_len);
	if (out->text == NULL)
		return fail(out, PB_ENOMEM, "no memory");
	memcpy(out->text, (const char *)buf + body, len - body);
	end = out->text + (len - body);
	*end = '\0';
	if (base_len > 0) {
		memcpy(end + 1, context->base_url, base_len);
		out->base = end + 1;
	}
	p.expansion_left = EXPANSION_MAX(len);
	out->kind = find_kind(out->text, end);
	err = read_lines(&p, out->text, end);
	if (err == 0)
		err = finish(&p);
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
	struct playlist_chunk *chunk, *next;

	for (chunk = pl->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(pl->text);
	free(pl->segments);
	free(pl->maps);
	free(pl->keys);
	free(pl->variants);
	free(pl->renditions);
	free(pl->variables);
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

/* Says why, and returns err. */
static int
fail(struct playlist *pl, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(pl->reason, sizeof(pl->reason), fmt, ap);
	va_end(ap);
	return err;
}

/* The first warning is kept in words, all are counted. */
static void
warn(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	if (p->pl->warnings++ > 0)
		return;
	va_start(ap, fmt);
	vsnprintf(p->pl->warning, sizeof(p->pl->warning), fmt, ap);
	va_end(ap);
}

static bool
is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What a body without the header is, as far as it can be told: the operator's first question. */
static int
name_the_stranger(struct playlist *pl, const unsigned char *buf, size_t len)
{
	size_t at = 0;
	size_t controls = 0;

	while (at < len && is_space(buf[at]))
		at++;
	if (at == len)
		return fail(pl, PB_EFORMAT, len == 0 ? "empty body" : "blank body");
	if (len >= 2 && buf[0] == 0x1f && buf[1] == 0x8b)
		return fail(pl, PB_EFORMAT, "gzip data, not a playlist");
	if (len > 188 && buf[0] == 0x47 && buf[188] == 0x47)
		return fail(pl, PB_EFORMAT, "MPEG-TS, not a playlist");
	if (len >= 2 && ((buf[0] == 0xff && buf[1] == 0xfe) || (buf[0] == 0xfe && buf[1] == 0xff) ||
	    (buf[0] == '#' && buf[1] == 0) || (buf[0] == 0 && buf[1] == '#')))
		return fail(pl, PB_EFORMAT, "UTF-16 text, not UTF-8");
	for (size_t i = at; i < len && i < at + 512; i++)
		if (buf[i] == 0x7f || (buf[i] < 0x20 && !is_space(buf[i])))
			controls++;
	if (controls > 0)
		return fail(pl, PB_EFORMAT, "binary data, not a playlist");
	if (buf[at] == '<')
		return fail(pl, PB_EFORMAT, "HTML or XML, not a playlist");
	if (buf[at] == '{' || buf[at] == '[')
		return fail(pl, PB_EFORMAT, "JSON, not a playlist");
	return fail(pl, PB_EFORMAT, "no #EXTM3U at the beginning");
}

/* *body is where the lines behind "#EXTM3U" begin: its own line's attributes too, which are not read. */
static int
check_head(struct playlist *pl, const unsigned char *buf, size_t len, size_t *body)
{
	static const char head[] = "#EXTM3U";
	size_t at = 0;

	if (len >= 3 && memcmp(buf, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	while (at < len && is_space(buf[at]))
		at++;
	if (len - at < sizeof(head) - 1 || memcmp(buf + at, head, sizeof(head) - 1) != 0)
		return name_the_stranger(pl, buf, len);
	at += sizeof(head) - 1;
	if (at < len && !is_space(buf[at]) && buf[at] != ':' && buf[at] != ',')
		return name_the_stranger(pl, buf, len);
	while (at < len && buf[at] != '\n' && buf[at] != '\r')
		at++;
	*body = at;
	return 0;
}

/* Is this line (not NUL-terminated) the tag? */
static bool
starts_with_tag(const char *line, const char *end, const char *name)
{
	size_t len = strlen(name);

	if ((size_t)(end - line) < len + 1 || memcmp(line + 1, name, len) != 0)
		return false;
	line += 1 + len;
	return line == end || *line == ':' || is_space((unsigned char)*line);
}

/* The first tag that decides; tags that only hint count when none does (reference peers do the same). */
static enum playlist_kind
find_kind(const char *text, const char *end)
{
	enum playlist_kind hint = PLAYLIST_INVALID;
	const char *line = text;

	while (line < end) {
		while (line < end && is_space((unsigned char)*line))
			line++;
		if (line < end && *line == '#') {
			for (size_t i = 0; i < NITEMS(tags); i++) {
				if (tags[i].where == ANY || !starts_with_tag(line, end, tags[i].name))
					continue;
				if (tags[i].decides || hint == PLAYLIST_INVALID)
					hint = tags[i].where == MASTER ? PLAYLIST_MASTER : PLAYLIST_MEDIA;
				if (tags[i].decides)
					return hint;
			}
		}
		while (line < end && *line != '\n' && *line != '\r')
			line++;
	}
	return hint;
}

static int
read_tag(struct parser *p, char *line)
{
	int kind = p->pl->kind == PLAYLIST_MASTER ? MASTER : MEDIA;
	char *value;

	for (size_t i = 0; i < NITEMS(tags); i++) {
		if (!m3u8_tag(line, tags[i].name, &value))
			continue;
		if (tags[i].where != ANY && (int)tags[i].where != kind) {
			warn(p, "%s in a %s playlist", tags[i].name, playlist_kind_name(p->pl->kind));
			return 0;
		}
		return tags[i].read(p, value);
	}
	return 0;
}

static int
read_lines(struct parser *p, char *at, char *end)
{
	unsigned bad = 0;
	char *line;
	int err;

	while ((line = m3u8_line(&at, end, &bad)) != NULL) {
		if (line[0] == '#')
			err = strncmp(line, "#EXT", 4) == 0 ? read_tag(p, line) : 0;
		else
			err = read_uri(p, line);
		if (err != 0)
			return err;
	}
	if (bad > 0)
		warn(p, "%u lines with NUL bytes", bad);
	return 0;
}

/*
 * The one key of all in force that is to be used: AES-128 in the identity
 * format when it is among them, else the first, which says what is missing.
 */
static struct key_in_force *
best_key(struct parser *p)
{
	for (size_t i = 0; i < p->key_count; i++)
		if (p->keys[i].key.method == PLAYLIST_AES_128 && strcmp(p->keys[i].key.keyformat, "identity") == 0)
			return &p->keys[i];
	return p->key_count > 0 ? &p->keys[0] : NULL;
}

static int
use_key(struct parser *p, struct key_in_force *k, int32_t *index)
{
	struct playlist *pl = p->pl;

	*index = -1;
	if (k == NULL)
		return 0;
	if (k->index == -1) {
		if (grow(&pl->keys, &p->key_room, pl->key_count, sizeof(*pl->keys)) != 0)
			return fail(pl, PB_ENOMEM, "no memory");
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
use_map(struct parser *p, int32_t *index)
{
	struct playlist *pl = p->pl;
	int err;

	*index = -1;
	if (!p->has_map)
		return 0;
	if (p->map_index == -1) {
		err = use_key(p, p->map_key.key.method_name != NULL ? &p->map_key : NULL, &p->map.key);
		if (err != 0)
			return err;
		if (grow(&pl->maps, &p->map_room, pl->map_count, sizeof(*pl->maps)) != 0)
			return fail(pl, PB_ENOMEM, "no memory");
		p->map_index = (int32_t)pl->map_count;
		pl->maps[pl->map_count++] = p->map;
	}
	*index = p->map_index;
	pl->unsupported |= PLAYLIST_NO_MAP;
	return 0;
}

/* A range without an offset begins where the one before it ended, whatever its URI (reference peers). */
static void
chain_range(struct parser *p, struct playlist_segment *s)
{
	bool from_map = p->range_map != NULL;

	s->has_range = p->has_length;
	if (!s->has_range) {
		s->length = s->offset = 0;
		p->range_end = 0;
	} else {
		if (!p->has_offset && (!from_map || strcmp(p->range_map, s->uri) == 0))
			s->offset = p->range_end;
		if (s->offset > INT64_MAX - s->length) {
			warn(p, "EXT-X-BYTERANGE passes the end of all files");
			s->offset = 0;
		}
		p->range_end = s->offset + s->length;
	}
	p->range_map = NULL;
}

static int
read_segment(struct parser *p, char *uri)
{
	struct playlist *pl = p->pl;
	struct playlist_segment *s = &p->segment;
	int err;

	if (pl->segment_count == PLAYLIST_SEGMENTS_MAX)
		return fail(pl, PB_ELIMIT, "over %d segments", PLAYLIST_SEGMENTS_MAX);
	s->uri = uri;
	if (strlen(uri) >= URL_MAX) { /* it counts, though it can't be had */
		s->gap = true;
		warn(p, "URI over %d bytes", URL_MAX - 1);
	}
	chain_range(p, s);
	if ((err = use_key(p, best_key(p), &s->key)) != 0 || (err = use_map(p, &s->map)) != 0)
		return err;
	if (grow(&pl->segments, &p->segment_room, pl->segment_count, sizeof(*pl->segments)) != 0)
		return fail(pl, PB_ENOMEM, "no memory");
	pl->segments[pl->segment_count++] = *s;
	memset(s, 0, sizeof(*s));
	p->has_extinf = p->has_length = p->has_offset = false;
	return 0;
}

static int
read_variant(struct parser *p, char *uri)
{
	struct playlist *pl = p->pl;

	if (!p->has_variant) {
		warn(p, "URI without EXT-X-STREAM-INF");
		return 0;
	}
	if (pl->variant_count == PLAYLIST_VARIANTS_MAX)
		return fail(pl, PB_ELIMIT, "over %d variants", PLAYLIST_VARIANTS_MAX);
	if (grow(&pl->variants, &p->variant_room, pl->variant_count, sizeof(*pl->variants)) != 0)
		return fail(pl, PB_ENOMEM, "no memory");
	p->variant.uri = uri;
	pl->variants[pl->variant_count++] = p->variant;
	p->has_variant = false;
	return 0;
}

static int
read_uri(struct parser *p, char *uri)
{
	int err;

	p->has_uri = true;
	if (p->pl->kind == PLAYLIST_INVALID)
		return 0;
	err = expand(p, &uri);
	if (err != 0)
		return err;
	return p->pl->kind == PLAYLIST_MASTER ? read_variant(p, uri) : read_segment(p, uri);
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
		return fail(pl, PB_ENOMEM, "no memory");
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
finish(struct parser *p)
{
	struct playlist *pl = p->pl;
	int err;

	if (pl->kind == PLAYLIST_INVALID)
		return fail(pl, PB_EFORMAT, p->has_uri ? "a plain M3U list, not HLS" : "header only, lists nothing");
	if (pl->kind == PLAYLIST_MASTER) {
		if (p->has_variant)
			warn(p, "EXT-X-STREAM-INF without a URI");
		if (pl->variant_count + pl->rendition_count == 0)
			return fail(pl, PB_EFORMAT, "master playlist without a variant");
		return 0;
	}
	if (p->has_channel_marks && !pl->has_target && !p->has_media_sequence)
		return fail(pl, PB_EFORMAT, "an IPTV channel list, not HLS");
	if (!pl->has_target) {
		warn(p, "no EXT-X-TARGETDURATION");
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

/* The next "{$" in [at, end), or NULL. */
static const char *
find_reference(const char *at, const char *end)
{
	while ((at = memchr(at, '{', (size_t)(end - at))) != NULL && at[1] != '$')
		at++;
	return at;
}

/* Put {$name} into *s. An unknown name stays as it is (Media3's way: better a wrong URI than no channel). */
static int
expand(struct parser *p, char **s)
{
	const char *end = *s + strlen(*s);
	const char *from = find_reference(*s, end);
	char *to = NULL;
	size_t need = 0;
	int err = 0;

	if (from == NULL || p->pl->variable_count == 0) {
		if (from != NULL)
			warn(p, "variable that is not defined");
		return 0;
	}
	/* Once to measure, once to write. */
	for (int pass = 0; pass < 2; pass++) {
		const char *at = *s;
		const char *open, *close = at;
		size_t n = 0;

		while (close != NULL && (open = find_reference(at, end)) != NULL) {
			const char *value = NULL;
			size_t len;

			close = memchr(open, '}', (size_t)(end - open));
			if (close != NULL)
				value = find_variable(p->pl, open + 2, (size_t)(close - open - 2));
			if (close != NULL && value == NULL && pass == 0)
				warn(p, "variable that is not defined");
			len = value != NULL || close == NULL ? (size_t)(open - at) : (size_t)(close + 1 - at);
			if (pass == 1)
				memcpy(to + n, at, len);
			n += len;
			at += len;
			if (value != NULL) {
				if (pass == 1)
					memcpy(to + n, value, strlen(value));
				n += strlen(value);
				at = close + 1;
			}
			if (pass == 0 && n >= p->expansion_left) /* early: many short references to a long value */
				return fail(p->pl, PB_ELIMIT, "variables make it too long");
		}
		if (pass == 1) {
			memcpy(to + n, at, strlen(at) + 1);
			break;
		}
		need = n + strlen(at);
		to = new_string(p, need, &err);
		if (to == NULL)
			return err;
	}
	*s = to;
	return 0;
}

/* The first of each of these attributes, NULL where there is none; variables put in. */
static int
read_attrs(struct parser *p, char *list, const char *const *names, size_t count, char **values)
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
			err = expand(p, &attr.value);
			if (err != 0)
				return err;
			values[i] = attr.value;
			break;
		}
	}
	return 0;
}

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
