/*
 * lineups.c - the lineup as JSON, XML and M3U, and those kept (tuner.h)
 *
 * Plex reads the lineup at each tune, and means it: 100 ms are much. A
 * household has one or two names for its tuner, so a few documents serve
 * all. Who invents a Host field for each request makes us build each one;
 * what is on its way to slow readers is bounded.
 */
#include <stdio.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/text.h"
#include "supervisor/tuner.h"

static struct blob *build(const struct lineup *lineup, enum tuner_lineup_kind kind, const char *base);
static void add_url(struct text *t, const struct channel *c, const char *base);

/* HD and the codecs are known only to who watches: keys that are not known are left out. */
struct blob *
tuner_lineup_json(const struct lineup *lineup, const char *base, bool found)
{
	struct text t = { 0 };

	text_add(&t, "[");
	for (size_t i = 0; i < lineup->count; i++) {
		const struct channel *c = &lineup->channels[i];

		text_add(&t, i == 0 ? "{\"GuideNumber\":" : ",\n{\"GuideNumber\":");
		text_add_json(&t, c->guide_number);
		text_add(&t, ",\"GuideName\":");
		text_add_json(&t, c->name);
		if (found)
			text_add(&t, ",\"Enabled\":1");
		text_add(&t, ",\"URL\":\"");
		add_url(&t, c, base);
		text_add(&t, "\"}");
	}
	text_add(&t, "]");
	return text_blob(&t);
}

struct blob *
tuner_lineup_xml(const struct lineup *lineup, const char *base)
{
	struct text t = { 0 };

	text_add(&t, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Lineup>\n");
	for (size_t i = 0; i < lineup->count; i++) {
		const struct channel *c = &lineup->channels[i];

		text_add(&t, "<Program><GuideNumber>");
		text_add_xml(&t, c->guide_number);
		text_add(&t, "</GuideNumber><GuideName>");
		text_add_xml(&t, c->name);
		text_add(&t, "</GuideName><URL>");
		add_url(&t, c, base);
		text_add(&t, "</URL></Program>\n");
	}
	text_add(&t, "</Lineup>\n");
	return text_blob(&t);
}

/* A line's end would begin a line of somebody else's, a quote would end a value: M3U has no way to write them. */
static void
add_m3u(struct text *t, const char *s, bool quoted)
{
	const char *bad = quoted ? "\"\r\n" : "\r\n";

	for (;;) {
		size_t len = strcspn(s, bad);

		text_add_len(t, s, len);
		s += len;
		if (*s == '\0')
			return;
		text_add(t, *s == '"' ? "'" : " ");
		s++;
	}
}

static void
add_m3u_value(struct text *t, const char *name, const char *value)
{
	if (value == NULL)
		return;
	text_add(t, " ");
	text_add(t, name);
	text_add(t, "=\"");
	add_m3u(t, value, true);
	text_add(t, "\"");
}

struct blob *
tuner_lineup_m3u(const struct lineup *lineup, const char *base)
{
	struct text t = { 0 };

	text_add(&t, "#EXTM3U\n");
	for (size_t i = 0; i < lineup->count; i++) {
		const struct channel *c = &lineup->channels[i];
		char room[LINEUP_ID_MAX];
		const char *id = channel_epg_id(lineup, c, room);

		text_add(&t, "#EXTINF:-1");
		add_m3u_value(&t, "channel-id", c->guide_number);
		add_m3u_value(&t, "channel-number", c->guide_number);
		add_m3u_value(&t, "tvg-name", c->name);
		add_m3u_value(&t, "tvg-chno", c->guide_number);
		add_m3u_value(&t, "tvg-id", id != NULL ? id : channel_guide_id(c));
		add_m3u_value(&t, "tvg-logo", c->logo);
		add_m3u_value(&t, "group-title", c->group);
		text_add(&t, ",");
		text_add(&t, c->guide_number);
		text_add(&t, " ");
		add_m3u(&t, c->name, false);
		text_add(&t, "\n");
		add_url(&t, c, base);
		text_add(&t, "\n");
	}
	return text_blob(&t);
}

int
tuner_cache_get(struct tuner_cache *cache, const struct lineup *lineup, enum tuner_lineup_kind kind, const char *base,
    struct blob **out)
{
	size_t oldest = 0;
	size_t kept = 0;
	struct blob *blob;

	cache->turn++;
	for (size_t i = 0; i < NITEMS(cache->at); i++) {
		if (cache->at[i].blob == NULL || cache->at[i].kind != kind || strcmp(cache->at[i].base, base) != 0)
			continue;
		cache->at[i].used = cache->turn;
		*out = blob_ref(cache->at[i].blob);
		return 0;
	}

	/* Bytes that nobody is waiting for go before somebody is refused. */
	if (cache->live > TUNER_LIVE_BYTES)
		tuner_cache_clear(cache);
	if (cache->live > TUNER_LIVE_BYTES)
		return PB_ELIMIT;
	blob = build(lineup, kind, base);
	if (blob == NULL)
		return PB_ENOMEM;
	cache->built++;
	blob_charge(blob, &cache->live);

	/* Into a free place or that of the longest unused, and others go until all fit. */
	for (size_t i = 0; i < NITEMS(cache->at); i++) {
		if (cache->at[i].blob == NULL)
			cache->at[i].used = 0;
		if (cache->at[i].used < cache->at[oldest].used)
			oldest = i;
	}
	blob_drop(&cache->at[oldest].blob);
	cache->at[oldest].blob = blob;
	cache->at[oldest].kind = kind;
	cache->at[oldest].used = cache->turn;
	(void)snprintf(cache->at[oldest].base, sizeof(cache->at[oldest].base), "%s", base);
	for (size_t i = 0; i < NITEMS(cache->at); i++)
		kept += cache->at[i].blob == NULL ? 0 : cache->at[i].blob->len;
	while (kept > TUNER_CACHE_BYTES) {
		size_t victim = NITEMS(cache->at);

		for (size_t i = 0; i < NITEMS(cache->at); i++)
			if (cache->at[i].blob != NULL && cache->at[i].blob != blob &&
			    (victim == NITEMS(cache->at) || cache->at[i].used < cache->at[victim].used))
				victim = i;
		if (victim == NITEMS(cache->at))
			break; /* the newest alone */
		kept -= cache->at[victim].blob->len;
		blob_drop(&cache->at[victim].blob);
	}
	*out = blob_ref(blob);
	return 0;
}

void
tuner_cache_clear(struct tuner_cache *cache)
{
	for (size_t i = 0; i < NITEMS(cache->at); i++)
		blob_drop(&cache->at[i].blob);
}

static struct blob *
build(const struct lineup *lineup, enum tuner_lineup_kind kind, const char *base)
{
	switch (kind) {
	case TUNER_KIND_JSON:
		return tuner_lineup_json(lineup, base, false);
	case TUNER_KIND_JSON_FOUND:
		return tuner_lineup_json(lineup, base, true);
	case TUNER_KIND_XML:
		return tuner_lineup_xml(lineup, base);
	case TUNER_KIND_M3U:
		return tuner_lineup_m3u(lineup, base);
	}
	pb_assert(!"a kind of lineup that is none");
	return NULL;
}

/* Neither a base (tuner_urls()) nor a GuideNumber has anything to quote, in any of the formats. */
static void
add_url(struct text *t, const struct channel *c, const char *base)
{
	text_add(t, base);
	text_add(t, "/auto/v");
	text_add(t, c->guide_number);
}
