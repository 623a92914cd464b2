/*
 * offer.c - how the promise in offer.h is kept
 */
#include "guide/offer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/pages.h"
#include "base/pb.h"
#include "base/url.h"
#include "base/utf8.h"
#include "guide/name.h"
#include "ipc/msg.h"

void
offer_wrong(void *user, unsigned line, const char *why)
{
	struct offer *o = user;

	list_writer_head(o->list)->wrong++;
	o->wrong(o->user, line, why);
}

/* Anything that came from outside and is shown or compared: without what UTF-8 calls control characters. */
static const char *
plain(char *out, size_t size, const char *text)
{
	size_t len = strlen(text), at = 0;

	if (utf8_plain(text, len))
		return text;
	for (size_t i = 0; i < len && at + 4 < size;) {
		size_t n = utf8_sequence(text + i, len - i);

		if (n > 0 && utf8_plain(text + i, n)) {
			memcpy(out + at, text + i, n);
			at += n;
		}
		i += n > 0 ? n : 1;
	}
	out[at] = '\0';
	return out;
}

static uint32_t
text(struct offer *o, const char *s, size_t max)
{
	char buf[LIST_WORD_MAX];

	s = plain(buf, sizeof(buf), s);
	return list_text(o->list, s, strlen(s), max);
}

static uint32_t
word(struct offer *o, const char *s)
{
	char buf[LIST_WORD_MAX];

	s = plain(buf, sizeof(buf), s);
	return list_word(o->list, s, strlen(s), LIST_WORD_MAX);
}

/* Ids that providers write when they have none. */
static bool
no_id(const char *id)
{
	static const char *const none[] = { "none", "null", "dummy", "undefined", "n/a", "no_id", "no epg", "noepg",
		"0", "-", "(no tvg-id)" };

	if (strlen(id) > strlen("(no tvg-id)")) /* the longest of them */
		return false;
	for (size_t i = 0; i < NITEMS(none); i++)
		if (strcasecmp(id, none[i]) == 0)
			return true;
	return false;
}

/* "24.7.Dummy.us", "PPV.EVENTS.Dummy.us": guides have programmes for such, any number of channels has them. */
static bool
is_placeholder(const char *id)
{
	static const char word[] = "dummy";

	for (size_t len; *id != '\0'; id += len + (id[len] == '.')) {
		len = strcspn(id, ".");
		if (len == strlen(word) && strncasecmp(id, word, len) == 0)
			return true;
	}
	return false;
}

static uint64_t
hash_of(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h;
}

/* The entry that was added has this id. */
static int
note_id(struct offer *o, const char *id, const char *clean)
{
	if (o->id_count == o->id_room) {
		size_t room = o->id_room == 0 ? 1024 : o->id_room * 2;
		struct offer_id *more = pages_more(o->ids, o->id_count, o->id_room, room, sizeof(*more));

		if (more == NULL)
			return PB_ENOMEM;
		o->ids = more;
		o->id_room = room;
	}
	o->ids[o->id_count++] =
	    (struct offer_id){ hash_of(id), hash_of(clean), (uint32_t)list_writer_count(o->list) - 1 };
	return 0;
}

/* Nothing of a path and query would be written otherwise by url_resolve(). */
static bool
is_resolved(const char *path, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];

		if (c <= 0x20 || c >= 0x7f || c == '#' || (c == '.' && (i == 0 || path[i - 1] == '/')))
			return false;
	}
	return true;
}

/* Absolute, http or https, as it is fetched. last: where the last one came from that has no user in it. */
static bool
resolve(const struct offer *o, struct offer_origin *last, char out[URL_MAX], bool *userinfo, const char *url)
{
	struct url_parts parts;
	size_t len = strlen(url);

	*userinfo = false;
	if (last->len > 0 && len > last->len && len < URL_MAX && memcmp(url, last->text, last->len) == 0 &&
	    is_resolved(url + last->len, len - last->len)) {
		memcpy(out, url, len + 1);
		return true;
	}
	if (url_resolve(out, URL_MAX, o->base, url, len) != 0 || url_parse(&parts, out) != 0)
		return false;
	*userinfo = parts.userinfo;
	last->len = parts.userinfo ? 0 : url_origin(out);
	if (last->len > sizeof(last->text))
		last->len = 0;
	memcpy(last->text, out, last->len);
	return true;
}

static bool
is_number(const char *s)
{
	size_t major = strspn(s, "0123456789"), len = strlen(s);

	if (major == 0 || len >= 16 || strspn(s, "0.") == len)
		return false;
	if (s[major] == '\0')
		return true;
	return s[major] == '.' && s[major + 1] != '\0' && strspn(s + major + 1, "0123456789") == len - major - 1;
}

/* Is it in there, as a part of the path or the value of a query? */
static bool
holds(const char *url, const char *secret)
{
	size_t len = secret != NULL ? strlen(secret) : 0;

	if (len == 0)
		return false;
	for (const char *at = strstr(url, secret); at != NULL; at = strstr(at + 1, secret))
		if (at > url && strchr("/=:&?@", at[-1]) != NULL && strchr("/&?@:#.;", at[len]) != NULL)
			return true;
	return false;
}

/* A logo is shown to everybody: one that has a user and password in it is left out. */
static uint32_t
logo(struct offer *o, const char *url)
{
	static const char *const words[] = { "pass", "user", "token", "auth" };
	char out[URL_MAX];
	const char *query;
	bool userinfo;

	if (url[0] == '\0' || !resolve(o, &o->logos, out, &userinfo, url) || userinfo || holds(out, o->secrets[0]) ||
	    holds(out, o->secrets[1]))
		return 0;
	query = strchr(out, '?');
	for (size_t i = 0; query != NULL && i < NITEMS(words); i++)
		if (strcasestr(query, words[i]) != NULL)
			return 0;
	return list_text(o->list, out, strlen(out), URL_MAX);
}

static int
add(struct offer *o, const struct entry *e, const char *name)
{
	struct list_entry to = { 0 };
	char url[URL_MAX], clean[LIST_NAME_MAX], why[160];
	enum list_quality quality;
	bool userinfo;
	size_t headers = 0;
	int err;

	if (!resolve(o, &o->streams, url, &userinfo, e->url)) {
		size_t scheme = strcspn(e->url, ":/?#");

		if (e->url[scheme] == ':')
			snprintf(why, sizeof(why), "%.60s: %.*s: only http and https are carried", name,
			    (int)PB_MIN(scheme, (size_t)16), e->url);
		else
			snprintf(why, sizeof(why), "%.60s: its URL is none", name);
		offer_wrong(o, e->line, why);
		return 0;
	}
	name_clean(clean, sizeof(clean), name, &quality);
	to.name = list_text(o->list, name, strlen(name), LIST_NAME_MAX);
	to.clean = strcmp(name, clean) == 0 ? to.name : list_text(o->list, clean, strlen(clean), LIST_NAME_MAX);
	to.url = list_text(o->list, url, strlen(url), URL_MAX);
	to.tvg_id = no_id(e->tvg_id) ? 0 : text(o, e->tvg_id, LIST_WORD_MAX);
	to.shared = is_placeholder(e->tvg_id);
	to.group = word(o, e->group[0] != '\0' ? e->group : e->extgrp);
	to.logo = logo(o, e->logo);
	to.number = is_number(e->chno) ? list_text(o->list, e->chno, strlen(e->chno), 16) : 0;
	to.user_agent = word(o, e->user_agent);
	to.shift_min = e->shift_min;
	for (unsigned i = 0; i < e->header_count; i++) {
		size_t len = strlen(e->headers[i]);
		uint32_t ref;

		if (len == 0 || !utf8_plain(e->headers[i], len))
			continue;
		if (headers + len + 1 > MSG_HEADERS_MAX) {
			snprintf(why, sizeof(why), "%.60s: its headers are too long, not all are sent", name);
			offer_wrong(o, e->line, why);
			break;
		}
		headers += len + 1;
		ref = list_text(o->list, e->headers[i], len, URL_MAX);
		to.headers = to.header_count == 0 ? ref : to.headers;
		to.header_count++;
	}
	to.quality = (uint8_t)quality;
	to.rank = o->rank[quality];
	err = list_add(o->list, &to);
	if (err == PB_ELIMIT)
		o->full = true;
	return err == 0 && to.tvg_id != 0 ? note_id(o, e->tvg_id, clean) : err;
}

int
offer_entry(void *user, const struct entry *e)
{
	struct offer *o = user;
	struct list_head *head = list_writer_head(o->list);
	char name[512], renamed[512];
	const char *shown;

	head->seen++;
	if (e->vod && !o->vod) {
		head->vod++;
		return 0;
	}
	if (e->radio && !o->radio) {
		head->radio++;
		return 0;
	}
	shown = plain(name, sizeof(name), e->name);
	if (shown[strspn(shown, " ")] == '\0') {
		offer_wrong(o, e->line, "an entry without a name");
		return 0;
	}
	if (!pick_chosen(o->pick, e->group, e->extgrp, shown, e->tvg_id)) {
		head->unchosen++;
		return 0;
	}
	if (o->limit > 0 && list_writer_count(o->list) >= o->limit) {
		head->unchosen++;
		o->full = true;
		return 0;
	}
	return add(o, e, pick_name(o->pick, renamed, sizeof(renamed), shown));
}

void
offer_guide(void *user, const char *url)
{
	struct offer *o = user;
	char out[URL_MAX];
	struct offer_origin none = { .len = 0 };
	bool userinfo;

	if (list_writer_head(o->list)->guide_url == 0 && utf8_plain(url, strlen(url)) &&
	    resolve(o, &none, out, &userinfo, url))
		list_writer_head(o->list)->guide_url = list_text(o->list, out, strlen(out), URL_MAX);
}

static int
by_id(const void *a, const void *b)
{
	const struct offer_id *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

void
offer_ids(struct offer *o)
{
	struct list_entry *entries = list_writer_entries(o->list);
	size_t end;

	if (o->id_count > 1)
		qsort(o->ids, o->id_count, sizeof(*o->ids), by_id);
	for (size_t i = 0; i < o->id_count; i = end) {
		bool shared = false;

		for (end = i; end < o->id_count && o->ids[end].id == o->ids[i].id; end++)
			shared |= o->ids[end].name != o->ids[i].name;
		for (; shared && i < end; i++)
			entries[o->ids[i].entry].shared = 1;
	}
}

static struct list_writer *sorting; /* qsort_r() is not the same everywhere; this process sorts one list */

static int
compare(const struct list_entry *x, const struct list_entry *y, bool group)
{
	int order = 0;

	if (group)
		order = strcasecmp(list_writer_text(sorting, x->group), list_writer_text(sorting, y->group));
	if (order == 0)
		order = strcasecmp(list_writer_text(sorting, x->name), list_writer_text(sorting, y->name));
	/* Texts were put in as they came: a tie keeps that order. */
	return order != 0 ? order : (x->url > y->url) - (x->url < y->url);
}

static int
by_name(const void *a, const void *b)
{
	return compare(a, b, false);
}

static int
by_group(const void *a, const void *b)
{
	return compare(a, b, true);
}

void
offer_sort(struct offer *o, enum offer_order order)
{
	sorting = o->list;
	if (order != OFFER_AS_IS && list_writer_count(o->list) > 1)
		qsort(list_writer_entries(o->list), list_writer_count(o->list), sizeof(struct list_entry),
		    order == OFFER_BY_NAME ? by_name : by_group);
}

void
offer_clear(struct offer *o)
{
	pages_free(o->ids, o->id_room, sizeof(*o->ids));
	o->ids = NULL;
	o->id_count = o->id_room = 0;
}
