/*
 * xmltv.h - an XMLTV guide, as it comes
 *
 * Pure: bytes in, channels and programmes out; expat does the reading, and
 * nothing of the document is kept but the programme in hand. Who hears of
 * channels says of each whether its programmes are wanted: the others cost
 * no more than expat's own time.
 *
 *   texts     UTF-8, as expat gives them; cut at XMLTV_TEXT_MAX
 *   times     seconds since 1970, from "YYYYMMDDhhmmss +hhmm" and what is
 *             found in the wild: fewer digits, no blank, no offset (UTC), Z
 *   bounds    entities of the document's own are refused: they can grow
 *             without end
 */
#ifndef PLEXBRIDGE_GUIDE_XMLTV_H
#define PLEXBRIDGE_GUIDE_XMLTV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XMLTV_TEXT_MAX 4096
#define XMLTV_NAMES_MAX 8 /* display-names of a channel */
#define XMLTV_CATEGORIES_MAX 8
#define XMLTV_CREDITS_MAX 16

struct xmltv_channel {
	const char *id;
	const char *names[XMLTV_NAMES_MAX];
	unsigned name_count;
	const char *icon; /* "" when there is none */
};

/* "" or 0 for what is not given. */
struct xmltv_programme {
	int64_t start, stop; /* stop 0: not given, or not after start */
	const char *channel;
	const char *title, *title_lang, *sub_title, *sub_lang, *desc, *desc_lang;
	const char *date, *icon, *language, *country;
	const char *categories[XMLTV_CATEGORIES_MAX];
	unsigned category_count;
	const char *credits[XMLTV_CREDITS_MAX]; /* with their kind before: "actor\0name" */
	const char *credit_kinds[XMLTV_CREDITS_MAX];
	unsigned credit_count;
	const char *episode_ns, *episode_onscreen, *episode_dd; /* systems xmltv_ns, onscreen (or SxxExx), dd_progid */
	const char *rating, *rating_system, *star_rating, *previous_start;
	bool is_new, premiere, previously_shown, live;
};

struct xmltv_events {
	void *user;
	void (*channel)(void *user, const struct xmltv_channel *channel);
	/* Which of the wanted ones it is; NULL: its programmes are not wanted. */
	const void *(*wanted)(void *user, const char *channel);
	/* 0 to go on. */
	int (*programme)(void *user, const void *wanted, const struct xmltv_programme *programme);
	void (*wrong)(void *user, unsigned line, const char *why);
};

struct xmltv;

/* Gives *out; xmltv_free() ends it. events is borrowed until then. 0 or PB_ENOMEM. */
int xmltv_new(struct xmltv **out, const struct xmltv_events *events);

/* The next bytes. 0, PB_ENOMEM, what programme() gave, or PB_EFORMAT with xmltv_why(). */
int xmltv_feed(struct xmltv *x, const char *bytes, size_t len);
int xmltv_end(struct xmltv *x);

/* Static or the reader's own; with the line. */
const char *xmltv_why(const struct xmltv *x);

/* Programmes seen, wanted or not. */
uint64_t xmltv_seen(const struct xmltv *x);

void xmltv_free(struct xmltv **x);

/* A time as above. false: it is none. */
bool xmltv_time(int64_t *out, const char *text);

/* "20260131183000 +0000", into out[24]. Gives out. */
char *xmltv_time_text(char *out, int64_t when);

#endif
