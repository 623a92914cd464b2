/*
 * xmltv.c - how the promise in xmltv.h is kept
 *
 * A programme whose channel nobody wants has no character handler while it
 * lasts, and its elements are only counted: half of a guide is like that.
 */
#include "guide/xmltv.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/pb.h"
#include "base/utf8.h"

#define HOLD ((size_t)64 << 10) /* of one programme's texts */
#define FEED_MAX ((size_t)1 << 20)

enum element {
	NOTHING,
	TITLE,
	SUB_TITLE,
	DESC,
	DATE,
	CATEGORY,
	LANGUAGE,
	COUNTRY,
	EPISODE,
	CREDIT,
	DISPLAY_NAME,
	RATING,
	STAR_RATING
};

struct xmltv {
	const struct xmltv_events *events;
	XML_Parser parser;
	unsigned depth, skip; /* the depth at which an unwanted element began; 0: none */
	bool in_channel, in_programme, root;
	enum element in; /* the one whose text is in hand, from begin_text() to end_text() */
	enum element within; /* CREDIT, RATING, STAR_RATING: the programme's element that it is part of */
	const void *wanted;
	struct xmltv_channel channel;
	struct xmltv_programme programme;
	char system[32];
	const char *kind; /* of a credit */
	size_t text_len; /* of the element in hand, which goes behind what is held */
	size_t held; /* less than HOLD */
	char hold[HOLD]; /* the last byte is a NUL always: what finds no room ends there, as "" */
	int err;
	uint64_t seen;
	char why[160];
};

static void on_start(void *user, const XML_Char *name, const XML_Char **attrs);
static void on_end(void *user, const XML_Char *name);
static void on_text(void *user, const XML_Char *s, int len);

static void
stop(struct xmltv *x, int err, const char *why)
{
	x->err = err;
	snprintf(x->why, sizeof(x->why), "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(x->parser), why);
	XML_StopParser(x->parser, XML_FALSE);
}

/* An entity of its own is either a mistake or an attack. */
static void
on_entity(void *user, const XML_Char *name, int is_parameter, const XML_Char *value, int value_len,
    const XML_Char *base, const XML_Char *system_id, const XML_Char *public_id, const XML_Char *notation)
{
	(void)name;
	(void)is_parameter;
	(void)value;
	(void)value_len;
	(void)base;
	(void)system_id;
	(void)public_id;
	(void)notation;
	stop(user, PB_EFORMAT, "it has entities of its own");
}

int
xmltv_new(struct xmltv **out, const struct xmltv_events *events)
{
	struct xmltv *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return PB_ENOMEM;
	x->events = events;
	x->parser = XML_ParserCreate(NULL);
	if (x->parser == NULL) {
		free(x);
		return PB_ENOMEM;
	}
	XML_SetUserData(x->parser, x);
	XML_SetElementHandler(x->parser, on_start, on_end);
	XML_SetEntityDeclHandler(x->parser, on_entity);
	*out = x;
	return 0;
}

void
xmltv_free(struct xmltv **xmltv)
{
	if (*xmltv == NULL)
		return;
	XML_ParserFree((*xmltv)->parser);
	free(*xmltv);
	*xmltv = NULL;
}

const char *
xmltv_why(const struct xmltv *x)
{
	return x->why;
}

uint64_t
xmltv_seen(const struct xmltv *x)
{
	return x->seen;
}

static int
parse(struct xmltv *x, const char *bytes, size_t len, bool last)
{
	if (XML_Parse(x->parser, bytes, (int)len, last) == XML_STATUS_OK)
		return x->err;
	if (x->err == 0) {
		enum XML_Error code = XML_GetErrorCode(x->parser);

		x->err = code == XML_ERROR_NO_MEMORY ? PB_ENOMEM : PB_EFORMAT;
		snprintf(x->why, sizeof(x->why), "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(x->parser),
		    XML_ErrorString(code));
	}
	return x->err;
}

int
xmltv_feed(struct xmltv *x, const char *bytes, size_t len)
{
	int err = 0;

	for (size_t at = 0; at < len && err == 0; at += FEED_MAX)
		err = parse(x, bytes + at, PB_MIN(FEED_MAX, len - at), false);
	return err;
}

int
xmltv_end(struct xmltv *x)
{
	return parse(x, "", 0, true);
}

/*
 * Texts
 */

/* The text of len bytes behind what is held is held, too. */
static const char *
keep(struct xmltv *x, size_t len)
{
	char *s = x->hold + x->held;

	s[len] = '\0';
	x->held = PB_MIN(x->held + len + 1, sizeof(x->hold) - 1);
	return s;
}

/* How many bytes are there for it? A NUL has room besides. */
static size_t
room(const struct xmltv *x)
{
	return PB_MIN((size_t)XMLTV_TEXT_MAX, sizeof(x->hold) - x->held) - 1;
}

static const char *
hold(struct xmltv *x, const char *s)
{
	size_t len = strlen(s);

	if (len > room(x))
		return "";
	memcpy(x->hold + x->held, s, len);
	return keep(x, len);
}

static void
begin_text(struct xmltv *x, enum element in)
{
	x->in = in;
	x->text_len = 0;
	XML_SetCharacterDataHandler(x->parser, on_text);
}

static void
on_text(void *user, const XML_Char *s, int len)
{
	struct xmltv *x = user;
	size_t n = utf8_fit(s, (size_t)len, room(x) - x->text_len);

	/* A name has a picture's URL in it at times; a text has words in bold. */
	if (x->skip != 0 && x->in == CREDIT)
		return;
	memcpy(x->hold + x->held + x->text_len, s, n);
	x->text_len += n;
}

/* What was read since begin_text(), without blanks around it. */
static const char *
end_text(struct xmltv *x)
{
	const char *s = x->hold + x->held;
	size_t len = x->text_len;

	XML_SetCharacterDataHandler(x->parser, NULL);
	x->in = NOTHING;
	while (len > 0 && (unsigned char)s[len - 1] <= ' ')
		len--;
	s = keep(x, len);
	while (*s != '\0' && (unsigned char)*s <= ' ')
		s++;
	return s;
}

static const char *
attr(const XML_Char **attrs, const char *name)
{
	for (; attrs[0] != NULL; attrs += 2)
		if (strcmp(attrs[0], name) == 0)
			return attrs[1];
	return "";
}

/*
 * Times
 */

static int64_t
days(int64_t y, unsigned m, unsigned d)
{
	int64_t era;
	unsigned yoe, doy;

	y -= m <= 2;
	era = y / 400;
	yoe = (unsigned)(y - era * 400);
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + (int64_t)(yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}

static bool
digits(int *out, const char **s, int count)
{
	int n = 0;

	for (int i = 0; i < count; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		n = n * 10 + (**s - '0');
	}
	*out = n;
	return true;
}

bool
xmltv_time(int64_t *out, const char *s)
{
	int y, part[5] = { 1, 1, 0, 0, 0 }, hours, minutes, sign;

	s += strspn(s, " \t");
	if (!digits(&y, &s, 4))
		return false;
	for (int i = 0; i < 5 && *s >= '0' && *s <= '9'; i++)
		if (!digits(&part[i], &s, 2))
			return false;
	if (y < 1970 || y > 9999 || part[0] < 1 || part[0] > 12 || part[1] < 1 || part[1] > 31 || part[2] > 24 ||
	    part[3] > 59 || part[4] > 60)
		return false;
	*out = days(y, (unsigned)part[0], (unsigned)part[1]) * 86400 + part[2] * 3600 + part[3] * 60 + part[4];
	s += strspn(s, " \t");
	if (*s != '+' && *s != '-')
		return *s == '\0' || *s == 'Z' || strncmp(s, "UTC", 3) == 0 || strncmp(s, "GMT", 3) == 0;
	sign = *s++ == '-' ? -1 : 1;
	if (!digits(&hours, &s, 2))
		return false;
	s += *s == ':';
	if (!digits(&minutes, &s, 2) || hours > 14 || minutes > 59)
		return false;
	*out -= sign * (hours * 3600 + minutes * 60);
	return true;
}

char *
xmltv_time_text(char *out, int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	snprintf(out, 24, "%04u%02u%02u%02u%02u%02u +0000", (unsigned)(tm.tm_year + 1900) % 10000,
	    (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
	    (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
	return out;
}

/*
 * Elements
 */

static void
start_programme(struct xmltv *x, const XML_Char **attrs)
{
	static const struct xmltv_programme none = { .channel = "",
		.title = "",
		.title_lang = "",
		.sub_title = "",
		.sub_lang = "",
		.desc = "",
		.desc_lang = "",
		.date = "",
		.icon = "",
		.language = "",
		.country = "",
		.episode_ns = "",
		.episode_onscreen = "",
		.episode_dd = "",
		.rating = "",
		.rating_system = "",
		.star_rating = "",
		.previous_start = "" };
	struct xmltv_programme *p = &x->programme;
	const char *id = attr(attrs, "channel");

	x->seen++;
	x->wanted = x->events->wanted(x->events->user, id);
	if (x->wanted == NULL) {
		x->skip = x->depth;
		return;
	}
	*p = none;
	x->held = 0;
	if (!xmltv_time(&p->start, attr(attrs, "start"))) {
		x->events->wrong(
		    x->events->user, (unsigned)XML_GetCurrentLineNumber(x->parser), "a programme without a start");
		x->skip = x->depth;
		return;
	}
	if (!xmltv_time(&p->stop, attr(attrs, "stop")) || p->stop <= p->start)
		p->stop = 0;
	p->channel = hold(x, id);
	x->in_programme = true;
}

static void
start_channel(struct xmltv *x, const XML_Char **attrs)
{
	memset(&x->channel, 0, sizeof(x->channel));
	x->held = 0;
	x->channel.id = hold(x, attr(attrs, "id"));
	x->channel.icon = "";
	x->in_channel = true;
}

/* "" when it is not given; one that does not fit is none that is known. */
static void
note_system(struct xmltv *x, const XML_Char **attrs)
{
	const char *system = attr(attrs, "system");
	size_t len = utf8_fit(system, strlen(system), sizeof(x->system) - 1);

	memcpy(x->system, system, len);
	x->system[len] = '\0';
}

static void
start_in_programme(struct xmltv *x, const char *name, const XML_Char **attrs)
{
	static const struct {
		const char *name;
		enum element in;
	} texts[] = { { "title", TITLE }, { "sub-title", SUB_TITLE }, { "desc", DESC }, { "date", DATE },
		{ "category", CATEGORY }, { "language", LANGUAGE }, { "country", COUNTRY },
		{ "episode-num", EPISODE } };
	struct xmltv_programme *p = &x->programme;

	if (x->within == CREDIT) {
		static const char *const kinds[] = { "director", "actor", "writer", "adapter", "producer", "composer",
			"editor", "presenter", "commentator", "guest" };

		for (size_t i = 0; i < NITEMS(kinds); i++)
			if (strcmp(name, kinds[i]) == 0) {
				x->kind = kinds[i];
				begin_text(x, CREDIT);
				return;
			}
		x->skip = x->depth;
		return;
	}
	if (x->within != NOTHING) { /* its icon is not the programme's */
		if (strcmp(name, "value") == 0)
			begin_text(x, x->within);
		else
			x->skip = x->depth;
		return;
	}
	for (size_t i = 0; i < NITEMS(texts); i++)
		if (name[0] == texts[i].name[0] && strcmp(name, texts[i].name) == 0) {
			if (texts[i].in == TITLE && p->title[0] == '\0')
				p->title_lang = hold(x, attr(attrs, "lang"));
			else if (texts[i].in == SUB_TITLE && p->sub_title[0] == '\0')
				p->sub_lang = hold(x, attr(attrs, "lang"));
			else if (texts[i].in == DESC && p->desc[0] == '\0')
				p->desc_lang = hold(x, attr(attrs, "lang"));
			if (texts[i].in == EPISODE)
				note_system(x, attrs);
			begin_text(x, texts[i].in);
			return;
		}
	if (strcmp(name, "credits") == 0)
		x->within = CREDIT;
	else if (strcmp(name, "icon") == 0 && p->icon[0] == '\0')
		p->icon = hold(x, attr(attrs, "src"));
	else if (strcmp(name, "new") == 0)
		p->is_new = true;
	else if (strcmp(name, "live") == 0)
		p->live = true;
	else if (strcmp(name, "premiere") == 0)
		p->premiere = true;
	else if (strcmp(name, "previously-shown") == 0) {
		p->previously_shown = true;
		p->previous_start = hold(x, attr(attrs, "start"));
	} else if (strcmp(name, "rating") == 0) {
		note_system(x, attrs);
		x->within = RATING;
	} else if (strcmp(name, "star-rating") == 0)
		x->within = STAR_RATING;
	else
		x->skip = x->depth;
}

static void
on_start(void *user, const XML_Char *name, const XML_Char **attrs)
{
	struct xmltv *x = user;

	x->depth++;
	if (x->skip != 0)
		return;
	if (x->depth == 1) {
		x->root = strcmp(name, "tv") == 0;
		if (!x->root)
			stop(x, PB_EFORMAT,
			    strcasecmp(name, "html") == 0 ? "it is a web page, not a guide" : "it is no XMLTV");
	} else if (x->in != NOTHING)
		x->skip = x->depth; /* nothing else is held until its end */
	else if (x->in_programme)
		start_in_programme(x, name, attrs);
	else if (x->in_channel && strcmp(name, "display-name") == 0)
		begin_text(x, DISPLAY_NAME);
	else if (x->in_channel && strcmp(name, "icon") == 0)
		x->channel.icon = hold(x, attr(attrs, "src"));
	else if (x->depth == 2 && strcmp(name, "programme") == 0)
		start_programme(x, attrs);
	else if (x->depth == 2 && strcmp(name, "channel") == 0)
		start_channel(x, attrs);
	else
		x->skip = x->depth;
}

static void
first(const char **field, const char *text)
{
	if ((*field)[0] == '\0')
		*field = text;
}

static void
end_element(struct xmltv *x)
{
	struct xmltv_programme *p = &x->programme;
	enum element in = x->in;
	const char *text = end_text(x);

	if (text[0] == '\0')
		return;
	switch (in) {
	case TITLE:
		first(&p->title, text);
		break;
	case SUB_TITLE:
		first(&p->sub_title, text);
		break;
	case DESC:
		first(&p->desc, text);
		break;
	case DATE:
		first(&p->date, text);
		break;
	case LANGUAGE:
		first(&p->language, text);
		break;
	case COUNTRY:
		first(&p->country, text);
		break;
	case CATEGORY:
		if (p->category_count < XMLTV_CATEGORIES_MAX)
			p->categories[p->category_count++] = text;
		break;
	case EPISODE:
		if (strcmp(x->system, "xmltv_ns") == 0)
			first(&p->episode_ns, text);
		else if (strcmp(x->system, "dd_progid") == 0)
			first(&p->episode_dd, text);
		else if (x->system[0] == '\0' || strcmp(x->system, "onscreen") == 0 || strcmp(x->system, "SxxExx") == 0)
			first(&p->episode_onscreen, text);
		break;
	case CREDIT:
		if (p->credit_count < XMLTV_CREDITS_MAX) {
			p->credit_kinds[p->credit_count] = x->kind;
			p->credits[p->credit_count++] = text;
		}
		break;
	case RATING:
		if (p->rating[0] == '\0') {
			p->rating = text;
			p->rating_system = hold(x, x->system);
		}
		break;
	case STAR_RATING:
		first(&p->star_rating, text);
		break;
	case DISPLAY_NAME:
		if (x->channel.name_count < XMLTV_NAMES_MAX)
			x->channel.names[x->channel.name_count++] = text;
		break;
	case NOTHING:
		break;
	}
}

static void
on_end(void *user, const XML_Char *name)
{
	struct xmltv *x = user;
	unsigned depth = x->depth--;

	(void)name;
	if (x->skip != 0) {
		if (x->skip == depth)
			x->skip = 0;
		return;
	}
	if (x->in_programme && depth == 2) {
		x->in_programme = false;
		if (x->programme.title[0] == '\0')
			x->events->wrong(x->events->user, (unsigned)XML_GetCurrentLineNumber(x->parser),
			    "a programme without a title");
		else {
			int err = x->events->programme(x->events->user, x->wanted, &x->programme);

			if (err != 0)
				stop(x, err, "");
		}
	} else if (x->in_channel && depth == 2) {
		x->in_channel = false;
		if (x->channel.id[0] != '\0')
			x->events->channel(x->events->user, &x->channel);
	} else if (x->in != NOTHING)
		end_element(x);
	else
		x->within = NOTHING;
}
