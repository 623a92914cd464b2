/*
 * epg.c - how the promise in epg.h is kept
 */
#include "guide/epg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/utf8.h"
#include "guide/name.h"

#define BUFFER ((size_t)256 << 10)
#define BODY_MAX ((size_t)96 << 10)
#define NONE UINT32_MAX
#define CATEGORIES 512
#define FOLD_MAX 2000 /* bytes of a title, and of a sub-title, that become one text */

struct mine {
	struct epg_channel is;
	uint32_t next_id, next_tvg, next_name; /* in the same place of the tables */
	uint32_t source; /* whose it is; 0: nobody's yet */
	uint32_t programmes;
	uint8_t how; /* enum epg_how; of source */
	uint8_t best; /* the best way in the source in hand */
	uint32_t best_source, named; /* of which best and named are; channels of that source with its name */
	bool uncertain;
	char clean[LIST_NAME_MAX];
};

/* A channel of the source in hand. */
struct theirs {
	struct theirs *next;
	uint32_t *mine; /* whose programmes it has */
	uint8_t *how;
	size_t count;
	char id[];
};

struct record {
	uint64_t at; /* in the scratch file */
	uint32_t channel, len;
	uint32_t start, stop; /* seconds since 1970, until 2106; stop 0: not known */
};

/* A category, and what it means (kinds_of()). */
struct category {
	char text[60];
	uint32_t kinds;
};

struct epg {
	int scratch;
	int64_t now;
	bool fold;
	struct mine *mine;
	size_t count, room;
	uint32_t *by_id, *by_tvg, *by_name; /* heads of chains */
	size_t slots; /* a power of 2 */
	uint32_t source;
	int shift_min;
	struct theirs **theirs; /* by id */
	size_t theirs_slots, theirs_count;
	struct record *records;
	size_t record_count, record_room, dropped, too_long;
	char *out;
	size_t out_len;
	uint64_t written; /* to scratch */
	char *body;
	size_t body_len;
	bool overflow; /* something had no room in body */
	int fd; /* of what is written to in the end */
	uint64_t hash;
	size_t programmes;
	bool sorted;
	struct category categories[CATEGORIES];
	int64_t day; /* since 1970, of tm and day_text */
	struct tm tm;
	char day_text[16];
	int err;
};

static uint32_t
hash_of(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		h = (h ^ (c >= 'A' && c <= 'Z' ? c | 0x20u : c)) * 16777619u;
	}
	return h ^ h >> 15;
}

int
epg_new(struct epg **out, int scratch, int64_t now)
{
	struct epg *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return PB_ENOMEM;
	e->scratch = scratch;
	e->now = now;
	e->theirs_slots = 4096;
	e->theirs = calloc(e->theirs_slots, sizeof(struct theirs *));
	e->out = malloc(BUFFER);
	e->body = malloc(BODY_MAX);
	if (e->theirs == NULL || e->out == NULL || e->body == NULL) {
		epg_free(&e);
		return PB_ENOMEM;
	}
	*out = e;
	return 0;
}

static void
forget_theirs(struct epg *e)
{
	e->theirs_count = 0;
	for (size_t i = 0; e->theirs != NULL && i < e->theirs_slots; i++) {
		while (e->theirs[i] != NULL) {
			struct theirs *t = e->theirs[i];

			e->theirs[i] = t->next;
			free(t->mine);
			free(t->how);
			free(t);
		}
	}
}

void
epg_free(struct epg **epg)
{
	struct epg *e = *epg;

	*epg = NULL;
	if (e == NULL)
		return;
	forget_theirs(e);
	free(e->theirs);
	free(e->mine);
	free(e->by_id);
	free(e->by_tvg);
	free(e->by_name);
	free(e->records);
	free(e->out);
	free(e->body);
	free(e);
}

int
epg_add(struct epg *e, const struct epg_channel *channel)
{
	enum list_quality quality;
	struct mine *m;

	if (e->count == e->room) {
		size_t room = e->room == 0 ? 256 : e->room + e->room / 2;
		struct mine *more = reallocarray(e->mine, room, sizeof(*more));

		if (more == NULL)
			return PB_ENOMEM;
		e->mine = more;
		e->room = room;
	}
	m = &e->mine[e->count++];
	memset(m, 0, sizeof(*m));
	m->is = *channel;
	name_clean(m->clean, sizeof(m->clean), channel->name, &quality);
	return 0;
}

/* All channels are there: find them by what they are called. */
static int
index_mine(struct epg *e)
{
	e->slots = 64;
	while (e->slots < e->count * 2)
		e->slots *= 2;
	e->by_id = malloc(e->slots * sizeof(uint32_t));
	e->by_tvg = malloc(e->slots * sizeof(uint32_t));
	e->by_name = malloc(e->slots * sizeof(uint32_t));
	if (e->by_id == NULL || e->by_tvg == NULL || e->by_name == NULL)
		return PB_ENOMEM;
	memset(e->by_id, 0xff, e->slots * sizeof(uint32_t));
	memset(e->by_tvg, 0xff, e->slots * sizeof(uint32_t));
	memset(e->by_name, 0xff, e->slots * sizeof(uint32_t));
	for (uint32_t i = 0; i < e->count; i++) {
		struct mine *m = &e->mine[i];
		uint32_t id = hash_of(m->is.guide_id) & (uint32_t)(e->slots - 1),
			 tvg = hash_of(m->is.tvg_id) & (uint32_t)(e->slots - 1),
			 name = hash_of(m->clean) & (uint32_t)(e->slots - 1);

		if (m->is.guide_id[0] != '\0') {
			m->next_id = e->by_id[id];
			e->by_id[id] = i;
		}
		if (m->is.tvg_id[0] != '\0') {
			m->next_tvg = e->by_tvg[tvg];
			e->by_tvg[tvg] = i;
		}
		m->next_name = e->by_name[name];
		e->by_name[name] = i;
	}
	return 0;
}

int
epg_source(struct epg *e, int shift_min, bool fold)
{
	if (e->by_id == NULL && index_mine(e) != 0)
		return PB_ENOMEM;
	forget_theirs(e);
	e->source++;
	e->shift_min = shift_min;
	e->fold = fold;
	return 0;
}

static struct theirs **
theirs_of(struct epg *e, const char *id)
{
	struct theirs **t = &e->theirs[hash_of(id) & (e->theirs_slots - 1)];

	while (*t != NULL && strcmp((*t)->id, id) != 0)
		t = &(*t)->next;
	return t;
}

static void
bind(struct epg *e, struct theirs *t, uint32_t mine, enum epg_how how)
{
	struct mine *m = &e->mine[mine];
	uint32_t *more;
	uint8_t *hows;

	if (m->best_source != e->source) {
		m->best_source = e->source;
		m->best = EPG_UNMATCHED;
		m->named = 0;
	}
	if (m->best == EPG_UNMATCHED || how < m->best)
		m->best = (uint8_t)how;
	m->named += how == EPG_BY_NAME;
	for (size_t i = 0; i < t->count; i++)
		if (t->mine[i] == mine)
			return;
	more = reallocarray(t->mine, t->count + 1, sizeof(*more));
	if (more != NULL)
		t->mine = more;
	hows = realloc(t->how, t->count + 1);
	if (hows != NULL)
		t->how = hows;
	if (more == NULL || hows == NULL) {
		e->err = PB_ENOMEM;
		return;
	}
	t->mine[t->count] = mine;
	t->how[t->count++] = (uint8_t)how;
}

/* One more that has something of ours: what has nothing is not remembered, and how much there is of it does not matter. */
static struct theirs *
theirs_new(struct epg *e, const char *id)
{
	struct theirs **at = theirs_of(e, id), *t;

	if (e->theirs_count == EPG_IDS_MAX || strlen(id) >= LIST_WORD_MAX) {
		e->dropped++;
		return NULL;
	}
	t = calloc(1, sizeof(*t) + strlen(id) + 1);
	if (t == NULL) {
		e->err = PB_ENOMEM;
		return NULL;
	}
	memcpy(t->id, id, strlen(id) + 1);
	e->theirs_count++;
	*at = t;
	return t;
}

/* By ids alone; a guide may have programmes without having named their channel. NULL: it has nothing of ours. */
static struct theirs *
theirs_by_id(struct epg *e, const char *id)
{
	struct theirs *t = *theirs_of(e, id);
	uint32_t slot = hash_of(id) & (uint32_t)(e->slots - 1);

	if (t != NULL)
		return t;
	for (uint32_t i = e->by_id[slot]; i != NONE; i = e->mine[i].next_id)
		if (strcmp(e->mine[i].is.guide_id, id) == 0) {
			if (t == NULL && (t = theirs_new(e, id)) == NULL)
				return NULL;
			bind(e, t, i, EPG_BY_ID);
		}
	for (uint32_t i = e->by_tvg[slot]; i != NONE; i = e->mine[i].next_tvg)
		if (e->mine[i].is.guide_id[0] == '\0' && strcasecmp(e->mine[i].is.tvg_id, id) == 0) {
			if (t == NULL && (t = theirs_new(e, id)) == NULL)
				return NULL;
			bind(e, t, i, EPG_BY_TVG_ID);
		}
	return t;
}

static void
on_channel(void *user, const struct xmltv_channel *c)
{
	struct epg *e = user;
	struct theirs *t = theirs_by_id(e, c->id);
	char seen[XMLTV_NAMES_MAX][LIST_NAME_MAX];
	enum list_quality quality;

	for (unsigned n = 0; n < c->name_count; n++) {
		uint32_t slot;
		bool again = false;

		name_clean(seen[n], LIST_NAME_MAX, c->names[n], &quality);
		for (unsigned k = 0; k < n; k++)
			again |= strcmp(seen[k], seen[n]) == 0;
		if (again)
			continue;
		slot = hash_of(seen[n]) & (uint32_t)(e->slots - 1);
		for (uint32_t i = e->by_name[slot]; i != NONE; i = e->mine[i].next_name) {
			const struct mine *m = &e->mine[i];

			if (strcmp(m->clean, seen[n]) != 0 || m->is.guide_id[0] != '\0')
				continue;
			if (t == NULL && (t = theirs_new(e, c->id)) == NULL)
				return;
			bind(e, t, i, EPG_BY_NAME);
		}
	}
}

static const void *
on_wanted(void *user, const char *id)
{
	struct epg *e = user;
	struct theirs *t = theirs_by_id(e, id);

	return t != NULL && t->count > 0 ? t : NULL;
}

/*
 * Text
 */

static void
begin_body(struct epg *e)
{
	e->body_len = 0;
	e->overflow = false;
}

/* After the first piece that has no room there is no more: half an element is none. */
static void
put(struct epg *e, const char *s, size_t len)
{
	if (e->overflow || len > BODY_MAX - e->body_len) {
		e->overflow = true;
		return;
	}
	memcpy(e->body + e->body_len, s, len);
	e->body_len += len;
}

static void
add(struct epg *e, const char *s)
{
	put(e, s, strlen(s));
}

static void
escape(struct epg *e, const char *s)
{
	static const char *const special[256] = {
		['\0'] = "", ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", [0xef] = "\xef"
	};

	for (;;) {
		size_t n = 0;

		while (special[(unsigned char)s[n]] == NULL)
			n++;
		put(e, s, n);
		s += n;
		if (*s == '\0')
			return;
		if (strncmp(s, "\xef\xbf\xbe", 3) == 0 || strncmp(s, "\xef\xbf\xbf", 3) == 0)
			s += 3; /* U+FFFE and U+FFFF: no characters of XML */
		else
			add(e, special[(unsigned char)*s++]);
	}
}

static void
element(struct epg *e, const char *name, const char *lang, const char *text)
{
	if (text[0] == '\0')
		return;
	add(e, "<");
	add(e, name);
	if (lang[0] != '\0') {
		add(e, " lang=\"");
		escape(e, lang);
		add(e, "\"");
	}
	add(e, ">");
	escape(e, text);
	add(e, "</");
	add(e, name);
	add(e, ">\n");
}

static bool
has(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcasestr(text, words[i]) != NULL)
			return true;
	return false;
}

/* Categories that media servers know, by what guides write. */
static const struct {
	const char *category;
	const char *words[8];
} known[] = {
	{ "Movie",
	    { "movie", "film", "cinema", "spielfilm",
		"pel\xc3\xad"
		"cula" } },
	{ "News", { "news", "nachrichten", "noticias", "journalism", "current affairs", "informat" } },
	{ "Sports", { "sport", "football", "basketball", "baseball", "soccer", "deporte" } },
	{ "Kids", { "kids", "child", "family", "kinder", "enfant", "jeunesse", "cartoon" } },
	{ "Documentary", { "documentary", "doku", "documentaire", "documental" } },
	{ "Series", { "series", "serie", "sitcom", "soap", "show" } },
};

/* Which of those a text means, as bits. */
static unsigned
kinds_of(const char *text)
{
	unsigned set = 0;

	for (size_t k = 0; k < NITEMS(known); k++) {
		size_t n = 0;

		while (n < NITEMS(known[k].words) && known[k].words[n] != NULL)
			n++;
		if (has(text, known[k].words, n))
			set |= 1u << k;
	}
	return set;
}

/* The same, remembered: a guide has a hundred categories, and says them a million times. */
static unsigned
kinds_known(struct epg *e, const char *text)
{
	struct category *c = &e->categories[hash_of(text) % CATEGORIES];

	if (strcmp(c->text, text) == 0)
		return c->kinds;
	if (strlen(text) >= sizeof(c->text))
		return kinds_of(text);
	memcpy(c->text, text, strlen(text) + 1);
	c->kinds = kinds_of(text);
	return c->kinds;
}

static unsigned
kinds(struct epg *e, const struct xmltv_programme *p)
{
	unsigned set = 0;

	for (unsigned i = 0; i < p->category_count; i++)
		set |= kinds_known(e, p->categories[i]);
	return set;
}

/* "0.4.0/1"; or what can be made of "S01E05". false: there is none. */
static bool
episode_ns(char out[40], const struct xmltv_programme *p)
{
	unsigned season, episode;

	if (p->episode_ns[0] != '\0' && strlen(p->episode_ns) < 40) {
		memcpy(out, p->episode_ns, strlen(p->episode_ns) + 1);
		return true;
	}
	if (p->episode_onscreen[0] != '\0' &&
	    sscanf(p->episode_onscreen, " %*1[Ss]%u %*1[Ee]%u", &season, &episode) == 2 && season > 0 && episode > 0 &&
	    season < 10000 && episode < 100000) {
		snprintf(out, 40, "%u.%u.", season - 1, episode - 1);
		return true;
	}
	return false;
}

static void
categories(struct epg *e, const struct xmltv_programme *p, unsigned set, bool movie)
{
	for (unsigned i = 0; i < p->category_count; i++) {
		/* One stray "Movie" makes a film of an episode. */
		if (!movie && (kinds_known(e, p->categories[i]) & 1) != 0)
			continue;
		element(e, "category", "", p->categories[i]);
	}
	for (size_t k = 0; k < NITEMS(known); k++) {
		bool there = false;

		if ((set & 1u << k) == 0 || (k == 0 && !movie))
			continue;
		for (unsigned i = 0; i < p->category_count; i++)
			there |= strcmp(p->categories[i], known[k].category) == 0;
		if (!there)
			element(e, "category", "", known[k].category);
	}
}

static void
episode(struct epg *e, const char *system, const char *text)
{
	if (text[0] == '\0')
		return;
	add(e, "<episode-num system=\"");
	add(e, system);
	add(e, "\">");
	escape(e, text);
	add(e, "</episode-num>\n");
}

/* The day of a time, and its text: most programmes are of the day of the one before. */
static const struct tm *
day_of(struct epg *e, int64_t when)
{
	time_t t = (time_t)when;

	if (e->day_text[0] != '\0' && e->day == when / 86400)
		return &e->tm;
	if (gmtime_r(&t, &e->tm) == NULL)
		memset(&e->tm, 0, sizeof(e->tm));
	snprintf(e->day_text, sizeof(e->day_text), "%04u-%02u-%02u", (unsigned)(e->tm.tm_year + 1900) % 10000,
	    (unsigned)(e->tm.tm_mon + 1) % 100, (unsigned)e->tm.tm_mday % 100);
	e->day = when / 86400;
	return &e->tm;
}

/* All but the outermost element, in the order that the DTD wants. */
static void
body(struct epg *e, const struct xmltv_programme *p, int64_t start)
{
	char ns[40] = "", onscreen[32], title[XMLTV_TEXT_MAX];
	unsigned set = kinds(e, p);
	bool numbered = episode_ns(ns, p);
	bool movie = (set & 1) != 0 && !numbered && p->episode_onscreen[0] == '\0';
	const struct tm *tm = day_of(e, start);

	begin_body(e);
	if (e->fold && p->sub_title[0] != '\0') {
		snprintf(title, sizeof(title), "%.*s: %.*s", (int)utf8_fit(p->title, strlen(p->title), FOLD_MAX),
		    p->title, (int)utf8_fit(p->sub_title, strlen(p->sub_title), FOLD_MAX), p->sub_title);
		element(e, "title", p->title_lang, title);
	} else {
		element(e, "title", p->title_lang, p->title);
		element(e, "sub-title", p->sub_lang, p->sub_title);
		/* Two showings of "Live" are one to Plex unless something tells them apart. */
		if (!movie && !numbered && p->sub_title[0] == '\0' && p->episode_onscreen[0] == '\0' &&
		    p->episode_dd[0] == '\0')
			element(e, "sub-title", "", e->day_text);
	}
	element(e, "desc", p->desc_lang, p->desc);
	for (unsigned i = 0; i < p->credit_count; i++) {
		static const char *const order[] = { "director", "actor", "writer", "adapter", "producer", "composer",
			"editor", "presenter", "commentator", "guest" };

		if (i == 0) {
			add(e, "<credits>\n");
			for (size_t o = 0; o < NITEMS(order); o++)
				for (unsigned k = 0; k < p->credit_count; k++)
					if (strcmp(p->credit_kinds[k], order[o]) == 0)
						element(e, order[o], "", p->credits[k]);
			add(e, "</credits>\n");
		}
	}
	element(e, "date", "", p->date);
	if (!movie && !(set & ~1u))
		set |= 1u << 5; /* a series, for want of anything else */
	categories(e, p, set, movie);
	element(e, "language", "", p->language);
	if (p->icon[0] != '\0') {
		add(e, "<icon src=\"");
		escape(e, p->icon);
		add(e, "\"/>\n");
	}
	element(e, "country", "", p->country);
	if (numbered)
		episode(e, "xmltv_ns", ns);
	else if (!movie) {
		/* Without an episode Plex would take it for a film: its day is what it is known by. */
		snprintf(ns, sizeof(ns), "%d.%d.", tm->tm_year + 1899, (tm->tm_mon + 1) * 100 + tm->tm_mday - 1);
		episode(e, "xmltv_ns", ns);
		if (p->episode_onscreen[0] == '\0') {
			snprintf(onscreen, sizeof(onscreen), "S%04uE%02u%02u", (unsigned)(tm->tm_year + 1900) % 10000,
			    (unsigned)(tm->tm_mon + 1) % 100, (unsigned)tm->tm_mday % 100);
			episode(e, "onscreen", onscreen);
		}
	}
	episode(e, "onscreen", p->episode_onscreen);
	episode(e, "dd_progid", p->episode_dd);
	if (p->previously_shown)
		add(e, "<previously-shown/>\n");
	if (p->premiere)
		add(e, "<premiere/>\n");
	if (p->is_new)
		add(e, "<new/>\n");
	if (p->rating[0] != '\0') {
		add(e, "<rating");
		if (p->rating_system[0] != '\0') {
			add(e, " system=\"");
			escape(e, p->rating_system);
			add(e, "\"");
		}
		add(e, ">");
		element(e, "value", "", p->rating);
		add(e, "</rating>\n");
	}
	if (p->star_rating[0] != '\0') {
		add(e, "<star-rating>");
		element(e, "value", "", p->star_rating);
		add(e, "</star-rating>\n");
	}
}

static int
write_all(int fd, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, s, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return PB_ESYS;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
flush(struct epg *e, int fd)
{
	int err = write_all(fd, e->out, e->out_len);

	e->out_len = 0;
	return err;
}

static int
keep(struct epg *e, const char *s, size_t len, int fd)
{
	int err = 0;

	if (len > BUFFER - e->out_len)
		err = flush(e, fd);
	if (err == 0) {
		memcpy(e->out + e->out_len, s, len);
		e->out_len += len;
	}
	return err;
}

static int
note(struct epg *e, uint32_t mine, int64_t start, int64_t stop, uint64_t at)
{
	if (e->record_count == EPG_PROGRAMMES_MAX || e->mine[mine].programmes == EPG_CHANNEL_MAX) {
		e->dropped++;
		return 0;
	}
	if (e->record_count == e->record_room) {
		size_t room = e->record_room == 0
		    ? 4096
		    : PB_MIN(e->record_room + e->record_room / 2, (size_t)EPG_PROGRAMMES_MAX);
		struct record *more = reallocarray(e->records, room, sizeof(*more));

		if (more == NULL)
			return PB_ENOMEM;
		e->records = more;
		e->record_room = room;
	}
	e->records[e->record_count++] =
	    (struct record){ at, mine, (uint32_t)e->body_len, (uint32_t)start, (uint32_t)stop };
	e->mine[mine].programmes++;
	return 0;
}

static int
on_programme(void *user, const void *wanted, const struct xmltv_programme *p)
{
	struct epg *e = user;
	const struct theirs *t = wanted;
	uint64_t at = UINT64_MAX;
	int err = e->err;

	for (size_t i = 0; i < t->count && err == 0; i++) {
		struct mine *m = &e->mine[t->mine[i]];
		int64_t shift = (int64_t)(e->shift_min + m->is.shift_min) * 60, start = p->start + shift,
			stop = p->stop != 0 ? PB_MIN(p->stop + shift, e->now + EPG_AFTER_S + 86400) : 0;

		if ((stop != 0 ? stop : start + 3600) <= e->now - EPG_BEFORE_S || start >= e->now + EPG_AFTER_S ||
		    start < 0)
			continue;
		if (t->how[i] != m->best)
			continue; /* another channel of this source is more likely it */
		if (t->how[i] == EPG_BY_NAME && m->named > 1) {
			m->uncertain = true; /* two have its name: neither is taken for it */
			continue;
		}
		if (m->source != 0 && m->source != e->source)
			continue; /* another source has it */
		if (at == UINT64_MAX) {
			body(e, p, start);
			if (e->overflow) {
				e->too_long++;
				return 0;
			}
			at = e->written;
			err = keep(e, e->body, e->body_len, e->scratch);
			e->written += e->body_len;
		}
		if (m->source == 0) {
			m->source = e->source;
			m->how = t->how[i];
		}
		if (err == 0)
			err = note(e, t->mine[i], start, stop, at);
	}
	return err;
}

static void
on_wrong(void *user, unsigned line, const char *why)
{
	(void)user;
	(void)line;
	(void)why;
}

void
epg_events(struct epg *e, struct xmltv_events *out)
{
	*out = (struct xmltv_events){ e, on_channel, on_wanted, on_programme, on_wrong };
}

/*
 * Writing
 */

static int
by_channel(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->channel != y->channel)
		return x->channel < y->channel ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/*
 * In place: qsort() of all would take as much memory again. Each goes to its
 * channel's places, of which there are as many as it has programmes; within
 * a channel most guides are in order already.
 */
static int
sort_records(struct epg *e)
{
	uint32_t *heads = calloc(e->count + 1, sizeof(*heads)), *ends = calloc(e->count + 1, sizeof(*ends)), at = 0;

	if (heads == NULL || ends == NULL) {
		free(heads);
		free(ends);
		return PB_ENOMEM;
	}
	for (size_t i = 0; i < e->count; i++) {
		heads[i] = at;
		at += e->mine[i].programmes;
		ends[i] = at;
	}
	for (uint32_t c = 0; c < e->count; c++) {
		size_t begin = ends[c] - e->mine[c].programmes, n = e->mine[c].programmes;
		bool sorted = true;

		while (heads[c] < ends[c]) {
			struct record r = e->records[heads[c]], other;

			while (r.channel != c) {
				other = e->records[heads[r.channel]];
				e->records[heads[r.channel]++] = r;
				r = other;
			}
			e->records[heads[c]++] = r;
		}
		for (size_t i = 1; i < n && sorted; i++)
			sorted = by_channel(&e->records[begin + i - 1], &e->records[begin + i]) <= 0;
		if (!sorted)
			qsort(e->records + begin, n, sizeof(*e->records), by_channel);
	}
	free(heads);
	free(ends);
	return 0;
}

static int
say(struct epg *e, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		e->hash = (e->hash ^ (unsigned char)s[i]) * 0x100000001b3u;
	return keep(e, s, len, e->fd);
}

static int
say_body(struct epg *e)
{
	int err;

	pb_assert(!e->overflow); /* a channel's texts are short: ipc/list.h */
	err = say(e, e->body, e->body_len);
	begin_body(e);
	return err;
}

static int
say_channel(struct epg *e, const struct mine *m)
{
	char both[LIST_NAME_MAX + 32];

	begin_body(e);
	snprintf(both, sizeof(both), "%s %s", m->is.number, m->is.name);
	add(e, "<channel id=\"");
	escape(e, m->is.id);
	add(e, "\">\n");
	element(e, "display-name", "", both);
	element(e, "display-name", "", m->is.number);
	element(e, "display-name", "", m->is.name);
	if (m->is.logo[0] != '\0') {
		add(e, "<icon src=\"");
		escape(e, m->is.logo);
		add(e, "\"/>\n");
	}
	add(e, "</channel>\n");
	return say_body(e);
}

static int
say_begin(struct epg *e, const struct mine *m, int64_t start, int64_t stop)
{
	char a[24], b[24];

	begin_body(e);
	add(e, "<programme start=\"");
	add(e, xmltv_time_text(a, start));
	add(e, "\" stop=\"");
	add(e, xmltv_time_text(b, stop));
	add(e, "\" channel=\"");
	escape(e, m->is.id);
	add(e, "\">\n");
	return say_body(e);
}

static int
say_record(struct epg *e, const struct mine *m, const struct record *r, int64_t stop)
{
	int err = say_begin(e, m, r->start, stop);
	size_t done = 0;

	while (err == 0 && done < r->len) {
		ssize_t n = pread(e->scratch, e->body + done, r->len - done, (off_t)(r->at + done));

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return PB_ESYS;
		done += (size_t)n;
	}
	if (err == 0)
		err = say(e, e->body, r->len);
	e->programmes++;
	return err != 0 ? err : say(e, "</programme>\n", 13);
}

/* One that has no guide would be hidden: blocks that say its name. */
static int
say_placeholders(struct epg *e, const struct mine *m)
{
	int64_t at = (e->now - EPG_BEFORE_S) / EPG_PLACEHOLDER_S * EPG_PLACEHOLDER_S;
	int64_t end = e->now + EPG_PLACEHOLDER_DAYS * 86400;
	int err = 0;

	for (; at < end && err == 0; at += EPG_PLACEHOLDER_S) {
		err = say_begin(e, m, at, at + EPG_PLACEHOLDER_S);
		if (err != 0)
			break;
		element(e, "title", "", m->is.name);
		element(e, "category", "", "Series");
		add(e, "</programme>\n");
		err = say_body(e);
	}
	return err;
}

/* One channel's, from *at on. */
static int
say_programmes(struct epg *e, uint32_t channel, size_t *at)
{
	const struct mine *m = &e->mine[channel];
	size_t begin = *at, end = *at;
	bool future = false;
	int err = 0;

	while (end < e->record_count && e->records[end].channel == channel)
		end++;
	*at = end;
	for (size_t i = begin; i < end && err == 0; i++) {
		const struct record *r = &e->records[i];
		size_t next = i + 1;
		int64_t stop = r->stop;

		/* The first one of a time has it. */
		while (next < end && e->records[next].start == r->start)
			next++;
		if (stop == 0)
			stop = next < end ? PB_MIN((int64_t)e->records[next].start, (int64_t)r->start + 6 * 3600)
					  : (int64_t)r->start + 3600;
		if (next < end && stop > e->records[next].start)
			stop = e->records[next].start;
		future |= stop > e->now;
		err = say_record(e, m, r, stop);
		i = next - 1;
	}
	return err == 0 && !future ? say_placeholders(e, m) : err;
}

static bool
in_part(const struct epg *e, size_t channel, int part)
{
	return part < 0 || (e->mine[channel].is.parts >> part & 1) != 0;
}

int
epg_write(struct epg *e, int xml, int part)
{
	static const char head[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE tv SYSTEM \"xmltv.dtd\">\n"
				   "<tv generator-info-name=\"PlexBridge\">\n";
	size_t at = 0;
	int err = e->err;

	/* The scratch file is complete before it is read. */
	if (err == 0 && !e->sorted) {
		err = flush(e, e->scratch);
		if (err == 0)
			err = sort_records(e);
		e->sorted = true;
	}
	e->fd = xml;
	e->hash = 0xcbf29ce484222325u;
	e->programmes = 0;
	if (err == 0)
		err = say(e, head, sizeof(head) - 1);
	for (size_t i = 0; i < e->count && err == 0; i++)
		if (in_part(e, i, part))
			err = say_channel(e, &e->mine[i]);
	for (uint32_t i = 0; i < e->count && err == 0; i++) {
		if (in_part(e, i, part))
			err = say_programmes(e, i, &at);
		while (at < e->record_count && e->records[at].channel <= i)
			at++;
	}
	if (err == 0)
		err = say(e, "</tv>\n", 6);
	return err == 0 ? flush(e, xml) : err;
}

void
epg_match(const struct epg *e, size_t i, struct epg_match *out)
{
	const struct mine *m = &e->mine[i];

	out->programmes = m->programmes;
	out->uncertain = m->uncertain && m->source == 0;
	out->how = m->source == 0 ? EPG_UNMATCHED : (enum epg_how)m->how;
}

uint64_t
epg_hash(const struct epg *e)
{
	return e->hash;
}

size_t
epg_programmes(const struct epg *e)
{
	return e->programmes;
}

size_t
epg_dropped(const struct epg *e)
{
	return e->dropped;
}

size_t
epg_too_long(const struct epg *e)
{
	return e->too_long;
}
