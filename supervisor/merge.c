/*
 * merge.c - how the promise in merge.h is kept
 *
 * Three passes. The first finds each entry's channel in the journal, or
 * makes one without a number. The second gives numbers: first to those that
 * ask for one, so that a channel's own number isn't taken by one that had
 * no wish; then to the others. The third builds the lineup, which is put
 * in order when its numbers did not come in it.
 */
#include "supervisor/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "base/pb.h"

#define NONE UINT32_MAX
#define LEFT_OUT (UINT32_MAX - 1) /* instead of an index: the journal has no room for it */
#define AHEAD 16 /* entries that are looked for together */
#define BLOCK 8 /* channels that are put in order in place; a power of 2 */

struct member {
	uint32_t next; /* another of the same channel */
	uint32_t entry;
	uint32_t index; /* of the journal */
	uint16_t provider;
};

/* One that will be in the lineup. */
struct chosen {
	uint32_t index; /* of the journal */
	uint32_t first, last; /* members */
};

/* What an entry is known by: its tvg-id, when it has one of its own, and its cleaned name. */
struct entry_keys {
	struct journal_key key[2];
	size_t count;
};

/* What a lineup owns. */
struct owned {
	struct list *lists[CONFIG_PROVIDERS_MAX];
	char device[16];
};

/*
 * The lineup is put in order: blocks of it first, then two such runs become
 * one, and so on, from one array to another, a channel a step.
 */
struct sorting {
	struct channel *to;
	size_t width; /* of a run; 0: blocks */
	size_t at; /* channels of this pass that are done */
	size_t left, right; /* which is next of either run */
};

enum phase { RESOLVE, WISHES, NUMBERS, BUILD, WRITTEN, ORDER, DONE };

struct merge {
	const struct config *config;
	struct journal *journal;
	struct list *lists[CONFIG_PROVIDERS_MAX];
	char device[16];
	enum phase phase;
	size_t provider, at; /* where it is */
	size_t read; /* entries, since the lists rested */
	struct entry_keys ahead[AHEAD]; /* of the entries from at rounded down on */
	size_t room; /* of members and chosen */
	struct member *members;
	uint32_t member_count;
	struct chosen *chosen;
	uint32_t chosen_count;
	uint32_t *of; /* journal index to chosen */
	uint32_t of_room;
	bool wishes; /* some entry has one */
	bool sorted; /* what is built so far */
	struct sorting sorting;
	uint32_t next_number[CONFIG_PROVIDERS_MAX];
	struct imported made;
	struct merge_figures figures;
};

static void
release(void *owner)
{
	struct owned *o = owner;

	for (size_t i = 0; i < CONFIG_PROVIDERS_MAX; i++)
		list_drop(&o->lists[i]);
	free(o);
}

int
merge_new(struct merge **out, const struct config *config, struct list *const *lists, struct journal *journal,
    const char *device)
{
	struct merge *m = calloc(1, sizeof(*m));
	struct owned *owned = calloc(1, sizeof(*owned));

	if (m == NULL || owned == NULL) {
		free(m);
		free(owned);
		return PB_ENOMEM;
	}
	m->config = config;
	m->journal = journal;
	snprintf(m->device, sizeof(m->device), "%s", device);
	m->made.release = release;
	m->made.owner = owned;
	memcpy(owned->device, m->device, sizeof(owned->device));
	m->made.lineup.device = owned->device;
	for (size_t i = 0; i < config->provider_count; i++) {
		if (lists[i] != NULL) {
			m->lists[i] = list_ref(lists[i]);
			owned->lists[i] = list_ref(lists[i]);
			m->figures.entries += lists[i]->head->count;
		}
		m->next_number[i] = (uint32_t)config->providers[i].first_number;
	}
	/* At their full size at once: memory that is not touched costs nothing, and what grows is copied. */
	m->room = m->figures.entries + 1;
	m->members = pages_alloc(m->room, sizeof(*m->members));
	m->chosen = pages_alloc(m->room, sizeof(*m->chosen));
	m->of_room = journal_count(journal) + (uint32_t)m->figures.entries + 1;
	m->of = pages_alloc(m->of_room, sizeof(*m->of));
	if (m->of != NULL)
		memset(m->of, 0xff, m->of_room * sizeof(*m->of)); /* NONE */
	/* A first import: most are new. */
	if (journal_count(journal) < m->figures.entries / 2 &&
	    journal_expect(journal, (uint32_t)m->figures.entries - journal_count(journal)) != 0) {
		merge_free(&m);
		return PB_ENOMEM;
	}
	if (m->members == NULL || m->chosen == NULL || m->of == NULL) {
		merge_free(&m);
		return PB_ENOMEM;
	}
	*out = m;
	return 0;
}

static void
end_order(struct merge *m)
{
	pages_free(m->sorting.to, m->made.room, sizeof(*m->sorting.to));
	m->sorting.to = NULL;
}

void
merge_free(struct merge **merge)
{
	struct merge *m = *merge;

	*merge = NULL;
	if (m == NULL)
		return;
	for (size_t i = 0; i < CONFIG_PROVIDERS_MAX; i++)
		list_drop(&m->lists[i]);
	end_order(m);
	imported_clear(&m->made);
	pages_free(m->members, m->room, sizeof(*m->members));
	pages_free(m->chosen, m->room, sizeof(*m->chosen));
	pages_free(m->of, m->of_room, sizeof(*m->of));
	free(m);
}

/*
 * Which channel
 */

static struct entry_keys
keys_of(const struct merge *m, const struct list *list, const struct list_entry *e)
{
	const char *id = list_string(list, e->tvg_id);
	struct entry_keys keys;

	keys.count = 0;
	if (id != NULL && !e->shared)
		keys.key[keys.count++] = journal_key(m->journal, 'i', id);
	keys.key[keys.count++] = journal_key(m->journal, 'n', list_string(list, e->clean));
	return keys;
}

/* The journal is far larger than what a processor keeps at hand: look for several, and wait once. */
static const struct entry_keys *
keys_ahead(struct merge *m, const struct list *list)
{
	size_t first = m->at, end = PB_MIN(first + AHEAD, (size_t)list->head->count);

	for (size_t i = first; first % AHEAD == 0 && i < end; i++) {
		struct entry_keys *keys = &m->ahead[i % AHEAD];

		*keys = keys_of(m, list, &list->entries[i]);
		for (size_t k = 0; k < keys->count; k++)
			journal_soon(m->journal, &keys->key[k]);
	}
	return &m->ahead[first % AHEAD];
}

static uint32_t
add(struct merge *m, const struct journal_key *keys, size_t count)
{
	if (journal_full(m->journal)) {
		m->figures.unknown++;
		return LEFT_OUT;
	}
	m->figures.added++;
	return journal_add(m->journal, keys, count);
}

/* By tvg-id, else by name; what else it is known by is noted. NONE: no memory. */
static uint32_t
find(struct merge *m, const struct entry_keys *keys)
{
	const struct journal_key *name = &keys->key[keys->count - 1], *id = keys->count > 1 ? &keys->key[0] : NULL;
	uint32_t one = id != NULL ? journal_find(m->journal, id) : JOURNAL_NONE;
	uint32_t two = journal_find(m->journal, name);

	if (one == JOURNAL_NONE && two == JOURNAL_NONE)
		return add(m, keys->key, keys->count);
	if (one == JOURNAL_NONE) {
		if (id != NULL && journal_alias(m->journal, two, id) != 0)
			return NONE;
		return two;
	}
	if (two == JOURNAL_NONE && journal_alias(m->journal, one, name) != 0)
		return NONE;
	return one;
}

/* Of a provider that doesn't merge: each entry is a channel, told apart by all its name, and by their order then. */
static struct journal_key
key_alone(
    const struct merge *m, char text[JOURNAL_KEY_MAX], size_t provider, const struct list_entry *e, unsigned again)
{
	const struct list *list = m->lists[provider];
	const char *id = list_string(list, e->tvg_id);

	snprintf(text, JOURNAL_KEY_MAX, "%s\x01%s\x01%s\x01%u", m->config->providers[provider].name,
	    id != NULL ? id : "", list_string(list, e->name), again);
	return journal_key(m->journal, 'x', text);
}

static uint32_t
find_alone(struct merge *m, const struct list_entry *e)
{
	char text[JOURNAL_KEY_MAX];

	for (unsigned again = 1; again < LIST_ENTRIES_MAX; again++) {
		struct journal_key key = key_alone(m, text, m->provider, e, again);
		uint32_t index = journal_find(m->journal, &key);

		if (index == JOURNAL_NONE)
			return add(m, &key, 1);
		if (index >= m->of_room || m->of[index] == NONE)
			return index;
	}
	return NONE;
}

static int
resolve_one(struct merge *m)
{
	const struct list *list = m->lists[m->provider];
	const struct list_entry *e = &list->entries[m->at];
	uint32_t index = m->config->providers[m->provider].merge ? find(m, keys_ahead(m, list)) : find_alone(m, e);
	struct member *member;
	uint32_t n;

	if (index == LEFT_OUT)
		return 0;
	if (index == NONE || index >= m->of_room)
		return PB_ENOMEM;
	m->wishes |= e->number != 0;
	n = m->member_count++;
	member = &m->members[n];
	*member = (struct member){ NONE, (uint32_t)m->at, index, (uint16_t)m->provider };
	if (m->of[index] == NONE) {
		m->of[index] = m->chosen_count;
		m->chosen[m->chosen_count++] = (struct chosen){ index, n, n };
	} else {
		struct chosen *c = &m->chosen[m->of[index]];

		m->members[c->last].next = n;
		c->last = n;
	}
	return 0;
}

/*
 * Which number
 */

static bool
taken(const struct merge *m, const char *number)
{
	return journal_owner(m->journal, number) != JOURNAL_NONE || lineup_find(&m->config->written, number) != NULL;
}

/* A new channel's number: its first member is who added it, and has its keys. */
static int
give(struct merge *m, const struct chosen *c, const char *number)
{
	const struct member *first = &m->members[c->first];
	const struct list *list = m->lists[first->provider];
	const struct list_entry *e = &list->entries[first->entry];
	const char *name = list_string(list, e->name);
	char text[JOURNAL_KEY_MAX];
	struct entry_keys keys;

	if (m->config->providers[first->provider].merge) {
		keys = keys_of(m, list, e);
		return journal_give(m->journal, c->index, number, name, keys.key, keys.count);
	}
	for (unsigned again = 1; again < LIST_ENTRIES_MAX; again++) {
		struct journal_key key = key_alone(m, text, first->provider, e, again);

		if (journal_find(m->journal, &key) == c->index)
			return journal_give(m->journal, c->index, number, name, &key, 1);
	}
	return PB_ELIMIT; /* it was added with one of these */
}

static int
wish(struct merge *m, const struct chosen *c)
{
	if (journal_number(m->journal, c->index)[0] != '\0')
		return 0;
	for (uint32_t i = c->first; i != NONE; i = m->members[i].next) {
		const struct list *list = m->lists[m->members[i].provider];
		const char *number = list_string(list, list->entries[m->members[i].entry].number);

		if (number != NULL && guide_number_valid(number) && !taken(m, number))
			return give(m, c, number);
	}
	return 0;
}

static void
digits(char out[GUIDE_NUMBER_MAX], uint32_t n)
{
	char back[GUIDE_NUMBER_MAX];
	size_t len = 0;

	do
		back[len++] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	for (size_t i = 0; i < len; i++)
		out[i] = back[len - 1 - i];
	out[len] = '\0';
}

static int
number(struct merge *m, const struct chosen *c)
{
	uint32_t *next = &m->next_number[m->members[c->first].provider];
	char text[GUIDE_NUMBER_MAX];

	if (journal_number(m->journal, c->index)[0] != '\0')
		return 0;
	do {
		if (*next > 99999999)
			return PB_ELIMIT;
		digits(text, (*next)++);
	} while (taken(m, text));
	return give(m, c, text);
}

/*
 * What it is
 */

static const struct list_entry *
entry_of(const struct merge *m, uint32_t member)
{
	return &m->lists[m->members[member].provider]->entries[m->members[member].entry];
}

static bool
before(const struct merge *m, uint32_t a, uint32_t b)
{
	unsigned x = entry_of(m, a)->rank, y = entry_of(m, b)->rank;

	return x != y ? x < y : a < b;
}

static const char **
headers_of(struct arena *arena, const struct list *list, const struct list_entry *e)
{
	const char **headers = arena_alloc(arena, e->header_count * sizeof(*headers));
	uint32_t at = e->headers;

	for (unsigned i = 0; headers != NULL && i < e->header_count; i++) {
		headers[i] = list_string(list, at);
		at += (uint32_t)strlen(headers[i]) + 1;
	}
	return headers;
}

static int
request_of(struct channel_request *out, struct arena *arena, const struct list *list, const struct list_entry *e)
{
	*out = (struct channel_request){ NULL, list_string(list, e->user_agent), 0 };
	if (e->header_count == 0)
		return 0;
	out->headers = headers_of(arena, list, e);
	out->header_count = e->header_count;
	return out->headers != NULL ? 0 : PB_ENOMEM;
}

static bool
says_anything(const struct list_entry *e)
{
	return e->user_agent != 0 || e->header_count > 0;
}

/* Each source is asked as its own entry says: those are the members of sources. Few lists say anything. */
static int
fill_requests(struct merge *m, const struct channel *ch, struct channel_more *more, const uint32_t *sources)
{
	struct channel_request *requests;
	bool any = false;
	int err = 0;

	for (unsigned n = 0; n <= ch->backup_count; n++)
		any |= says_anything(entry_of(m, sources[n]));
	if (!any)
		return 0;
	err = request_of(
	    &more->request, &m->made.arena, m->lists[m->members[sources[0]].provider], entry_of(m, sources[0]));
	if (err != 0 || ch->backup_count == 0)
		return err;
	requests = arena_alloc(&m->made.arena, ch->backup_count * sizeof(*requests));
	if (requests == NULL)
		return PB_ENOMEM;
	for (unsigned n = 1; n <= ch->backup_count && err == 0; n++)
		err = request_of(&requests[n - 1], &m->made.arena, m->lists[m->members[sources[n]].provider],
		    entry_of(m, sources[n]));
	more->backup_requests = requests;
	return err;
}

/* The preferred of all is it, the others are its backups. */
static int
fill(struct merge *m, struct channel *ch, struct channel_more *more, const struct chosen *c)
{
	uint32_t sorted[CHANNEL_BACKUPS + 1], sources[CHANNEL_BACKUPS + 1];
	const char *urls[CHANNEL_BACKUPS + 1] = { NULL }, *providers[CHANNEL_BACKUPS + 1];
	size_t n = 0, urls_n = 0;
	struct arena *arena = &m->made.arena;
	const struct list *list;
	const struct list_entry *e;

	for (uint32_t i = c->first; i != NONE; i = m->members[i].next) {
		size_t at = PB_MIN(n, NITEMS(sorted) - 1);

		if (n == NITEMS(sorted) && !before(m, i, sorted[at]))
			continue;
		for (; at > 0 && before(m, i, sorted[at - 1]); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = i;
		n += n < NITEMS(sorted);
	}
	list = m->lists[m->members[sorted[0]].provider];
	e = entry_of(m, sorted[0]);
	memset(ch, 0, sizeof(*ch));
	memcpy(ch->guide_number, journal_number(m->journal, c->index), sizeof(ch->guide_number));
	ch->name = list_string(list, e->name);
	ch->provider = m->config->providers[m->members[sorted[0]].provider].name;
	ch->shift_min = (int16_t)e->shift_min; /* of a day at most: list_check() */
	for (size_t i = 0; i < n; i++) {
		const struct list *l = m->lists[m->members[sorted[i]].provider];
		const struct list_entry *o = entry_of(m, sorted[i]);
		const char *url = list_string(l, o->url);
		bool again = false;

		/* What the first has not, another may have. */
		if (ch->tvg_id == NULL)
			ch->tvg_id = list_string(l, o->tvg_id);
		if (ch->logo == NULL)
			ch->logo = list_string(l, o->logo);
		if (ch->group == NULL)
			ch->group = list_string(l, o->group);
		for (size_t k = 0; k < urls_n; k++)
			if (strcmp(urls[k], url) == 0) {
				again = true;
				/* One that may name it is enough. */
				if (l->head->origin != LIST_PUBLIC)
					ch->led &= (uint16_t) ~(1u << k);
			}
		if (again)
			continue;
		ch->led |= (uint16_t)((l->head->origin == LIST_PUBLIC) << urls_n);
		providers[urls_n] = m->config->providers[m->members[sorted[i]].provider].name;
		sources[urls_n] = sorted[i];
		urls[urls_n++] = url;
	}
	ch->url = urls[0];
	if (urls_n > 1) {
		size_t bytes = (urls_n - 1) * sizeof(urls[0]);

		more->backups = arena_alloc(arena, bytes);
		more->backup_providers = arena_alloc(arena, bytes);
		if (more->backups == NULL || more->backup_providers == NULL)
			return PB_ENOMEM;
		memcpy(more->backups, urls + 1, bytes);
		memcpy(more->backup_providers, providers + 1, bytes);
		ch->backup_count = (unsigned char)(urls_n - 1);
		m->figures.backups += urls_n - 1;
	}
	return fill_requests(m, ch, more, sources);
}

static void
override_request(struct channel_request *to, const struct channel_request *over)
{
	if (over->header_count > 0) {
		to->headers = over->headers;
		to->header_count = over->header_count;
	}
	if (over->user_agent != NULL)
		to->user_agent = over->user_agent;
}

/* What the file says goes with every request to the channel, whoever offers its sources. */
static int
override_requests(
    struct merge *m, const struct channel *ch, struct channel_more *more, const struct channel_request *over)
{
	struct channel_request *own;

	override_request(&more->request, over);
	if (more->backup_requests == NULL || (over->header_count == 0 && over->user_agent == NULL))
		return 0;
	own = arena_alloc(&m->made.arena, ch->backup_count * sizeof(*own));
	if (own == NULL)
		return PB_ENOMEM;
	for (unsigned i = 0; i < ch->backup_count; i++) {
		own[i] = more->backup_requests[i];
		override_request(&own[i], over);
	}
	more->backup_requests = own;
	return 0;
}

/* What the file says of it. */
static int
override(struct merge *m, struct channel *ch, struct channel_more *more, const struct channel *over)
{
	static const struct channel_more nothing;
	const struct channel_more *said = over->more != NULL ? over->more : &nothing;

	ch->line = over->line;
	if (over->name != NULL)
		ch->name = over->name;
	if (over->url != NULL) {
		/* Its own source, and whatever goes with that. */
		ch->url = over->url;
		ch->provider = over->provider;
		ch->led &= (uint16_t)~1u;
		more->request = said->request;
	}
	if (over->provider != NULL)
		ch->provider = over->provider;
	if (over->url != NULL || over->backup_count > 0) {
		more->backups = said->backups;
		more->backup_providers = said->backup_providers;
		ch->backup_count = over->backup_count;
		ch->led &= 1; /* the operator's own are no list's */
		more->backup_requests = NULL;
	}
	if (over->logo != NULL)
		ch->logo = over->logo;
	if (said->guide_id != NULL)
		more->guide_id = said->guide_id;
	if (over->group != NULL)
		ch->group = over->group;
	return override_requests(m, ch, more, &said->request);
}

/* Keep it, when there is anything in it. */
static int
keep_more(struct merge *m, struct channel *ch, const struct channel_more *more)
{
	struct channel_more *kept;

	ch->more = NULL;
	if (ch->backup_count == 0 && more->request.user_agent == NULL && more->request.header_count == 0 &&
	    more->guide_id == NULL && more->epg_id == NULL)
		return 0;
	kept = arena_alloc(&m->made.arena, sizeof(*kept));
	if (kept == NULL)
		return PB_ENOMEM;
	*kept = *more;
	ch->more = kept;
	return 0;
}

/* Room for all: those of the providers, and those of the file. */
static int
begin_build(struct merge *m)
{
	size_t room = PB_MIN((size_t)m->chosen_count + m->config->written.count, (size_t)LINEUP_MAX);

	m->made.room = room + 1;
	m->made.lineup.channels = pages_alloc(m->made.room, sizeof(struct channel));
	m->sorted = true;
	return m->made.lineup.channels != NULL ? 0 : PB_ENOMEM;
}

_Static_assert(CHANNEL_BACKUPS < 16, "channel.led has a bit for each source");

static struct channel *
next_channel(struct merge *m)
{
	return &m->made.lineup.channels[m->made.lineup.count];
}

static int
by_number(const void *a, const void *b)
{
	const struct channel *x = a, *y = b;

	return guide_number_compare(x->guide_number, y->guide_number);
}

/* The next one is complete. */
static void
end_channel(struct merge *m)
{
	struct lineup *l = &m->made.lineup;

	if (m->sorted && l->count > 0)
		m->sorted = by_number(&l->channels[l->count - 1], &l->channels[l->count]) < 0;
	l->count++;
}

/* An id in the guide that does not follow from the number. The journal's may move. */
static int
keep_id(struct merge *m, struct channel_more *more, const char *id)
{
	if (id == NULL)
		return 0;
	more->epg_id = arena_text(&m->made.arena, id, strlen(id));
	return more->epg_id != NULL ? 0 : PB_ENOMEM;
}

static int
build_one(struct merge *m, const struct chosen *c)
{
	struct channel_more more = { .backups = NULL };
	const struct channel *over;
	struct channel *ch;
	int err;

	if (m->made.lineup.count == LINEUP_MAX) {
		m->figures.dropped++;
		return 0;
	}
	ch = next_channel(m);
	err = fill(m, ch, &more, c);
	if (err == 0)
		err = keep_id(m, &more, journal_own_id(m->journal, c->index));
	over = m->config->written.count > 0 ? lineup_find(&m->config->written, ch->guide_number) : NULL;
	if (err == 0 && over != NULL)
		err = override(m, ch, &more, over);
	if (err == 0)
		err = keep_more(m, ch, &more);
	if (err != 0)
		return err;
	end_channel(m);
	m->figures.imported++;
	return 0;
}

/* One of the file's own, unless it was said over an imported one. */
static int
written_one(struct merge *m, const struct channel *w)
{
	uint32_t index = journal_owner(m->journal, w->guide_number);
	struct channel_more more = { .backups = NULL };
	struct journal_key key;
	struct channel *ch;
	char id[LINEUP_ID_MAX];
	int err = 0;

	if (index != JOURNAL_NONE && merge_present(m, index))
		return 0;
	if (w->url == NULL && !w->testcard) {
		m->figures.without++;
		return 0;
	}
	if (m->made.lineup.count == LINEUP_MAX) {
		m->figures.dropped++;
		return 0;
	}
	ch = next_channel(m);
	*ch = *w;
	if (ch->name == NULL)
		ch->name = w->guide_number;
	lineup_epg_id(id, w->guide_number, m->device);
	key = journal_key(m->journal, 'g', id);
	/* A number whose id an imported channel was born with. */
	if (journal_find(m->journal, &key) != JOURNAL_NONE) {
		id[0] = 'w';
		more = w->more != NULL ? *w->more : more;
		err = keep_id(m, &more, id);
		if (err == 0)
			err = keep_more(m, ch, &more);
	}
	if (err != 0)
		return err;
	end_channel(m);
	return 0;
}

/*
 * In which order
 */

static int
begin_order(struct merge *m)
{
	if (m->sorted)
		return 0;
	m->sorting.to = pages_alloc(m->made.room, sizeof(*m->sorting.to));
	return m->sorting.to != NULL ? 0 : PB_ENOMEM;
}

/* To where it belongs among those of its block that are before it. */
static void
insert(struct channel *channels, size_t at)
{
	struct channel c = channels[at];

	for (; at % BLOCK > 0 && by_number(&c, &channels[at - 1]) < 0; at--)
		channels[at] = channels[at - 1];
	channels[at] = c;
}

/* The next one of a pair of runs. */
static void
choose(struct sorting *s, const struct lineup *l)
{
	size_t pair = s->at & ~(2 * s->width - 1);
	size_t middle = PB_MIN(pair + s->width, l->count), end = PB_MIN(pair + 2 * s->width, l->count);

	if (s->at == pair) {
		s->left = pair;
		s->right = middle;
	}
	if (s->right == end || (s->left < middle && by_number(&l->channels[s->left], &l->channels[s->right]) < 0))
		s->to[s->at] = l->channels[s->left++];
	else
		s->to[s->at] = l->channels[s->right++];
}

/* One channel of a pass; false: all are in order. */
static bool
order_one(struct merge *m)
{
	struct sorting *s = &m->sorting;
	struct lineup *l = &m->made.lineup;

	if (m->sorted)
		return false;
	if (s->at == l->count) {
		struct channel *was = l->channels;

		if (s->width > 0) {
			l->channels = s->to;
			s->to = was;
		}
		s->width = s->width > 0 ? 2 * s->width : BLOCK;
		s->at = 0;
		if (s->width >= l->count)
			return false;
	}
	if (s->width == 0)
		insert(l->channels, s->at);
	else
		choose(s, l);
	s->at++;
	return true;
}

/* Each phase reads the lists from begin to end, and only once. */
static void
rest(struct merge *m)
{
	m->read = 0;
	for (size_t i = 0; i < m->config->provider_count; i++)
		if (m->lists[i] != NULL)
			list_rest(m->lists[i]);
}

/* One thing of the phase; false: the phase is over. */
static bool
step(struct merge *m, int *err)
{
	switch (m->phase) {
	case RESOLVE:
		while (m->provider < m->config->provider_count &&
		    (m->lists[m->provider] == NULL || m->at == m->lists[m->provider]->head->count)) {
			m->provider++;
			m->at = 0;
		}
		if (m->provider == m->config->provider_count)
			return false;
		*err = resolve_one(m);
		break;
	case WISHES:
		if (m->at == m->chosen_count || !m->wishes)
			return false;
		*err = wish(m, &m->chosen[m->at]);
		break;
	case NUMBERS:
		if (m->at == m->chosen_count)
			return false;
		*err = number(m, &m->chosen[m->at]);
		break;
	case BUILD:
		if (m->at == m->chosen_count)
			return false;
		*err = build_one(m, &m->chosen[m->at]);
		break;
	case WRITTEN:
		if (m->at == m->config->written.count)
			return false;
		*err = written_one(m, &m->config->written.channels[m->at]);
		break;
	case ORDER:
		if (!order_one(m))
			return false;
		break;
	case DONE:
		break;
	}
	m->at++;
	return true;
}

int
merge_step(struct merge *m, size_t entries)
{
	int err = 0;

	while (entries > 0 && m->phase != DONE && err == 0) {
		if (step(m, &err)) {
			entries--;
			if (++m->read == LIST_REST)
				rest(m);
			continue;
		}
		rest(m);
		m->phase++;
		m->at = 0;
		if (m->phase == BUILD)
			err = begin_build(m);
		if (m->phase == ORDER)
			err = begin_order(m);
		if (m->phase == DONE)
			end_order(m);
	}
	return err != 0 ? err : m->phase == DONE ? 0 : PB_AGAIN;
}

bool
merge_numbered(const struct merge *m)
{
	return m->phase >= BUILD;
}

void
merge_take(struct merge *m, struct imported *out)
{
	pb_assert(m->phase == DONE);
	*out = m->made;
	memset(&m->made, 0, sizeof(m->made));
}

const struct merge_figures *
merge_figures(const struct merge *m)
{
	return &m->figures;
}

void
merge_wishes(const struct merge *m, size_t provider,
    void (*fn)(void *user, const char *number, const char *name, const char *wish), void *user)
{
	for (uint32_t i = 0; i < m->member_count; i++) {
		const struct list *list = m->lists[m->members[i].provider];
		const struct list_entry *e = &list->entries[m->members[i].entry];
		const char *wish = list_string(list, e->number), *has;

		if (m->members[i].provider != provider || wish == NULL)
			continue;
		has = journal_number(m->journal, m->members[i].index);
		if (guide_number_valid(wish) && strcmp(wish, has) != 0)
			fn(user, has, list_string(list, e->name), wish);
	}
}

bool
merge_present(const struct merge *m, uint32_t index)
{
	return index < m->of_room && m->of[index] != NONE;
}
