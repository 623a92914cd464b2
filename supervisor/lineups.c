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

/* Neither a base (tuner_urls()) nor a GuideNumber has anything to quote, in any of the formats. */
static void
add_url(struct text *t, const struct channel *c, const char *base)
{
	text_add(t, base);
	text_add(t, "/auto/v");
	text_add(t, c->guide_number);
}

/* HD and the codecs are known only to who watches: keys that are not known are left out. */
static void
add_json(struct text *t, const struct channel *c, const char *base, bool first, bool found)
{
	text_add(t, first ? "{\"GuideNumber\":" : ",\n{\"GuideNumber\":");
	text_add_json(t, c->guide_number);
	text_add(t, ",\"GuideName\":");
	text_add_json(t, c->name);
	if (found)
		text_add(t, ",\"Enabled\":1");
	text_add(t, ",\"URL\":\"");
	add_url(t, c, base);
	text_add(t, "\"}");
}

static void
add_xml(struct text *t, const struct channel *c, const char *base)
{
	text_add(t, "<Program><GuideNumber>");
	text_add_xml(t, c->guide_number);
	text_add(t, "</GuideNumber><GuideName>");
	text_add_xml(t, c->name);
	text_add(t, "</GuideName><URL>");
	add_url(t, c, base);
	text_add(t, "</URL></Program>\n");
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

static void
add_extinf(struct text *t, const struct lineup *lineup, const struct channel *c, const char *base)
{
	char room[LINEUP_ID_MAX];
	const char *id = channel_epg_id(lineup, c, room);

	text_add(t, "#EXTINF:-1");
	add_m3u_value(t, "channel-id", c->guide_number);
	add_m3u_value(t, "channel-number", c->guide_number);
	add_m3u_value(t, "tvg-name", c->name);
	add_m3u_value(t, "tvg-chno", c->guide_number);
	add_m3u_value(t, "tvg-id", id != NULL ? id : channel_guide_id(c));
	add_m3u_value(t, "tvg-logo", c->logo);
	add_m3u_value(t, "group-title", c->group);
	text_add(t, ",");
	text_add(t, c->guide_number);
	text_add(t, " ");
	add_m3u(t, c->name, false);
	text_add(t, "\n");
	add_url(t, c, base);
	text_add(t, "\n");
}

/* What stands before the channels, and behind them. */
static const char *const heads[] = {
	[TUNER_KIND_JSON] = "[",
	[TUNER_KIND_JSON_FOUND] = "[",
	[TUNER_KIND_XML] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Lineup>\n",
	[TUNER_KIND_M3U] = "#EXTM3U\n",
};
static const char *const tails[] = {
	[TUNER_KIND_JSON] = "]",
	[TUNER_KIND_JSON_FOUND] = "]",
	[TUNER_KIND_XML] = "</Lineup>\n",
	[TUNER_KIND_M3U] = "",
};

void
tuner_draft_begin(struct tuner_draft *draft, const struct lineup *lineup, enum tuner_lineup_kind kind, const char *base)
{
	tuner_draft_drop(draft);
	draft->lineup = lineup;
	draft->kind = kind;
	(void)snprintf(draft->base, sizeof(draft->base), "%s", base);
	text_add(&draft->text, heads[kind]);
}

int
tuner_draft_write(struct tuner_draft *draft, size_t channels, struct blob **out)
{
	const struct lineup *lineup = draft->lineup;
	size_t end = draft->next + PB_MIN(channels, lineup->count - draft->next);

	for (; draft->next < end; draft->next++) {
		const struct channel *c = &lineup->channels[draft->next];

		switch (draft->kind) {
		case TUNER_KIND_JSON:
		case TUNER_KIND_JSON_FOUND:
			add_json(&draft->text, c, draft->base, draft->next == 0, draft->kind == TUNER_KIND_JSON_FOUND);
			break;
		case TUNER_KIND_XML:
			add_xml(&draft->text, c, draft->base);
			break;
		case TUNER_KIND_M3U:
			add_extinf(&draft->text, lineup, c, draft->base);
			break;
		}
	}
	if (end < lineup->count)
		return PB_AGAIN;
	text_add(&draft->text, tails[draft->kind]);
	*out = text_blob(&draft->text);
	tuner_draft_drop(draft);
	return *out != NULL ? 0 : PB_ENOMEM;
}

void
tuner_draft_drop(struct tuner_draft *draft)
{
	text_clear(&draft->text);
	draft->lineup = NULL;
	draft->next = 0;
}

struct blob *
tuner_lineup(const struct lineup *lineup, enum tuner_lineup_kind kind, const char *base)
{
	struct tuner_draft draft = { 0 };
	struct blob *blob = NULL;

	tuner_draft_begin(&draft, lineup, kind, base);
	(void)tuner_draft_write(&draft, SIZE_MAX, &blob);
	return blob;
}

int
tuner_cache_get(struct tuner_cache *cache, const struct lineup *lineup, enum tuner_lineup_kind kind, const char *base,
    struct blob **out)
{
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
	if (lineup->count > TUNER_AT_ONCE)
		return PB_AGAIN;
	*out = tuner_lineup(lineup, kind, base);
	if (*out == NULL)
		return PB_ENOMEM;
	tuner_cache_put(cache, kind, base, *out);
	return 0;
}

void
tuner_cache_put(struct tuner_cache *cache, enum tuner_lineup_kind kind, const char *base, struct blob *blob)
{
	size_t oldest = 0;
	size_t kept = 0;

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
	cache->at[oldest].blob = blob_ref(blob);
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
}

void
tuner_cache_clear(struct tuner_cache *cache)
{
	for (size_t i = 0; i < NITEMS(cache->at); i++)
		blob_drop(&cache->at[i].blob);
}
