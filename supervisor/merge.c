/*
 * merge.c - how the promise in merge.h is kept
 *
 * Three passes. The first finds each entry's channel in the journal, or
 * makes one without a number. The second gives numbers: first to those that
 * ask for one, so that a channel's own number isn't taken by one that had
 * no wish; then to the others. The third builds the lineup.
 */
#include "supervisor/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

#define NONE UINT32_MAX

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

/* What a lineup owns. */
struct owned {
	struct list *lists[CONFIG_PROVIDERS_MAX];
};

enum phase { RESOLVE, WISHES, NUMBERS, BUILD, WRITTEN, DONE };

struct merge {
	const struct config *config;
	struct journal *journal;
	struct list *lists[CONFIG_PROVIDERS_MAX];
	char device[16];
	enum phase phase;
	size_t provider, at; /* where it is */
	struct member *members;
	uint32_t member_count;
	struct chosen *chosen;
	uint32_t chosen_count;
	uint32_t *of; /* journal index to chosen */
	uint32_t of_room;
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
	for (size_t i = 0; i < config->provider_count; i++) {
		if (lists[i] != NULL) {
			m->lists[i] = list_ref(lists[i]);
			owned->lists[i] = list_ref(lists[i]);
			m->figures.entries += lists[i]->head->count;
		}
		m->next_number[i] = (uint32_t)config->providers[i].first_number;
	}
	/* At their full size at once: memory that is not touched costs nothing, and what grows is copied. */
	m->members = malloc((m->figures.entries + 1) * sizeof(*m->members));
	m->chosen = malloc((m->figures.entries + 1) * sizeof(*m->chosen));
	m->of_room = journal_count(journal) + (uint32_t)m->figures.entries + 1;
	m->of = malloc(m->of_room * sizeof(*m->of));
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

void
merge_free(struct merge **merge)
{
	struct merge *m = *merge;

	*merge = NULL;
	if (m == NULL)
		return;
	for (size_t i = 0; i < CONFIG_PROVIDERS_MAX; i++)
		list_drop(&m->lists[i]);
	imported_clear(&m->made);
	free(m->members);
	free(m->chosen);
	free(m->of);
	free(m);
}

/*
 * Which channel
 */

static void
key(char out[JOURNAL_KEY_MAX], char kind, const char *text)
{
	size_t len =
	    PB_MIN(strlen(text), (size_t)JOURNAL_KEY_MAX - 2); /* never more: list.h bounds what it is made of */

	out[0] = kind;
	memcpy(out + 1, text, len);
	out[1 + len] = '\0';
}

/* By tvg-id, else by name; what else it is known by is noted. NONE: no memory. */
static uint32_t
find(struct merge *m, const struct list *list, const struct list_entry *e)
{
	const char *id = list_string(list, e->tvg_id), *clean = list_string(list, e->clean);
	char by_id[JOURNAL_KEY_MAX], by_name[JOURNAL_KEY_MAX];
	uint32_t one = JOURNAL_NONE, two;

	key(by_name, 'n', clean);
	if (id != NULL) {
		key(by_id, 'i', id);
		one = journal_find(m->journal, 'i', id);
	}
	two = journal_find(m->journal, 'n', clean);
	if (one == JOURNAL_NONE && two == JOURNAL_NONE) {
		m->figures.added++;
		return journal_add(
		    m->journal, list_string(list, e->name), id != NULL ? by_id : by_name, id != NULL ? by_name : NULL);
	}
	if (one == JOURNAL_NONE) {
		if (id != NULL && journal_alias(m->journal, two, by_id) != 0)
			return NONE;
		return two;
	}
	if (two == JOURNAL_NONE && journal_alias(m->journal, one, by_name) != 0)
		return NONE;
	return one;
}

/* Of a provider that doesn't merge: each entry is a channel, told apart by all its name, and by their order then. */
static uint32_t
find_alone(struct merge *m, const struct list *list, const struct list_entry *e, const char *provider)
{
	char text[JOURNAL_KEY_MAX], by[JOURNAL_KEY_MAX];
	const char *id = list_string(list, e->tvg_id);

	for (unsigned again = 1; again < LIST_ENTRIES_MAX; again++) {
		uint32_t index;

		snprintf(text, sizeof(text), "%s\x01%s\x01%s\x01%u", provider, id != NULL ? id : "",
		    list_string(list, e->name), again);
		index = journal_find(m->journal, 'x', text);
		if (index == JOURNAL_NONE) {
			key(by, 'x', text);
			m->figures.added++;
			return journal_add(m->journal, list_string(list, e->name), by, NULL);
		}
		if (index >= m->of_room || m->of[index] == NONE)
			return index;
	}
	return NONE;
}

static int
resolve_one(struct merge *m)
{
	const struct list *list = m->lists[m->provider];
	const struct provider *provider = &m->config->providers[m->provider];
	uint32_t index = provider->merge ? find(m, list, &list->entries[m->at])
					 : find_alone(m, list, &list->entries[m->at], provider->name);
	struct member *member;
	uint32_t n;

	if (index == NONE || index >= m->of_room)
		return PB_ENOMEM;
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

static int
wish(struct merge *m, const struct chosen *c)
{
	if (journal_number(m->journal, c->index)[0] != '\0')
		return 0;
	for (uint32_t i = c->first; i != NONE; i = m->members[i].next) {
		const struct list *list = m->lists[m->members[i].provider];
		const char *number = list_string(list, list->entries[m->members[i].entry].number);

		if (number != NULL && guide_number_valid(number) && !taken(m, number))
			return journal_give(m->journal, c->index, number);
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
	return journal_give(m->journal, c->index, text);
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
fill_requests(struct merge *m, struct channel *ch, const uint32_t *sources)
{
	struct channel_request first, *requests;
	bool any = false;
	int err = 0;

	for (unsigned n = 0; n <= ch->backup_count; n++)
		any |= says_anything(entry_of(m, sources[n]));
	if (!any)
		return 0;
	err = request_of(&first, &m->made.arena, m->lists[m->members[sources[0]].provider], entry_of(m, sources[0]));
	ch->headers = first.headers;
	ch->header_count = first.header_count;
	ch->user_agent = first.user_agent;
	if (err != 0 || ch->backup_count == 0)
		return err;
	requests = arena_alloc(&m->made.arena, ch->backup_count * sizeof(*requests));
	if (requests == NULL)
		return PB_ENOMEM;
	for (unsigned n = 1; n <= ch->backup_count && err == 0; n++)
		err = request_of(&requests[n - 1], &m->made.arena, m->lists[m->members[sources[n]].provider],
		    entry_of(m, sources[n]));
	ch->backup_requests = requests;
	return err;
}

/* The preferred of all is it, the others are its backups. */
static int
fill(struct merge *m, struct channel *ch, const struct chosen *c)
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
	ch->shift_min = e->shift_min;
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
			again |= strcmp(urls[k], url) == 0;
		if (again)
			continue;
		providers[urls_n] = m->config->providers[m->members[sorted[i]].provider].name;
		sources[urls_n] = sorted[i];
		urls[urls_n++] = url;
	}
	ch->url = urls[0];
	if (urls_n > 1) {
		size_t bytes = (urls_n - 1) * sizeof(urls[0]);

		ch->backups = arena_alloc(arena, bytes);
		ch->backup_providers = arena_alloc(arena, bytes);
		if (ch->backups == NULL || ch->backup_providers == NULL)
			return PB_ENOMEM;
		memcpy(ch->backups, urls + 1, bytes);
		memcpy(ch->backup_providers, providers + 1, bytes);
		ch->backup_count = (unsigned char)(urls_n - 1);
		m->figures.backups += urls_n - 1;
	}
	return fill_requests(m, ch, sources);
}

/* What the file says goes with every request to the channel, whoever offers its sources. */
static int
override_requests(struct merge *m, struct channel *ch, const struct channel *over)
{
	struct channel_request *own;

	if (ch->backup_requests == NULL || (over->header_count == 0 && over->user_agent == NULL))
		return 0;
	own = arena_alloc(&m->made.arena, ch->backup_count * sizeof(*own));
	if (own == NULL)
		return PB_ENOMEM;
	for (unsigned i = 0; i < ch->backup_count; i++) {
		own[i] = ch->backup_requests[i];
		if (over->header_count > 0) {
			own[i].headers = over->headers;
			own[i].header_count = over->header_count;
		}
		if (over->user_agent != NULL)
			own[i].user_agent = over->user_agent;
	}
	ch->backup_requests = own;
	return 0;
}

/* What the file says of it. */
static int
override(struct merge *m, struct channel *ch, const struct channel *over)
{
	ch->line = over->line;
	if (over->name != NULL)
		ch->name = over->name;
	if (over->url != NULL) {
		/* Its own source, and whatever goes with that. */
		ch->url = over->url;
		ch->provider = over->provider;
		ch->backups = over->backups;
		ch->backup_providers = over->backup_providers;
		ch->backup_count = over->backup_count;
		ch->backup_requests = NULL;
		ch->headers = over->headers;
		ch->header_count = over->header_count;
		ch->user_agent = over->user_agent;
	}
	if (over->provider != NULL)
		ch->provider = over->provider;
	if (over->backup_count > 0) {
		ch->backups = over->backups;
		ch->backup_providers = over->backup_providers;
		ch->backup_count = over->backup_count;
		ch->backup_requests = NULL;
	}
	if (over->header_count > 0) {
		ch->headers = over->headers;
		ch->header_count = over->header_count;
	}
	if (over->user_agent != NULL)
		ch->user_agent = over->user_agent;
	if (over->logo != NULL)
		ch->logo = over->logo;
	if (over->guide_id != NULL)
		ch->guide_id = over->guide_id;
	if (over->group != NULL)
		ch->group = over->group;
	return override_requests(m, ch, over);
}

/* Room for all: those of the providers, and those of the file. */
static int
begin_build(struct merge *m)
{
	size_t room = PB_MIN((size_t)m->chosen_count + m->config->written.count, (size_t)LINEUP_MAX);

	m->made.lineup.channels = reallocarray(NULL, room + 1, sizeof(struct channel));
	return m->made.lineup.channels != NULL ? 0 : PB_ENOMEM;
}

static struct channel *
next_channel(struct merge *m)
{
	return &m->made.lineup.channels[m->made.lineup.count];
}

static int
build_one(struct merge *m, const struct chosen *c)
{
	struct channel *ch;
	const struct channel *over;
	const char *id = journal_guide_id(m->journal, c->index);
	int err;

	if (m->made.lineup.count == LINEUP_MAX) {
		m->figures.dropped++;
		return 0;
	}
	ch = next_channel(m);
	err = fill(m, ch, c);
	if (err != 0)
		return err;
	ch->epg_id = arena_text(&m->made.arena, id, strlen(id)); /* the journal's may move */
	if (ch->epg_id == NULL)
		return PB_ENOMEM;
	over = lineup_find(&m->config->written, ch->guide_number);
	err = over != NULL ? override(m, ch, over) : 0;
	if (err != 0)
		return err;
	m->made.lineup.count++;
	m->figures.imported++;
	return 0;
}

/* One of the file's own, unless it was said over an imported one. */
static int
written_one(struct merge *m, const struct channel *w)
{
	uint32_t index = journal_owner(m->journal, w->guide_number);
	struct channel *ch;
	char id[64];

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
	snprintf(id, sizeof(id), "c%s.%s.plexbridge", w->guide_number, m->device);
	/* A number whose id an imported channel was born with. */
	if (journal_find(m->journal, 'g', id) != JOURNAL_NONE)
		snprintf(id, sizeof(id), "w%s.%s.plexbridge", w->guide_number, m->device);
	ch->epg_id = arena_text(&m->made.arena, id, strlen(id));
	if (ch->epg_id == NULL)
		return PB_ENOMEM;
	m->made.lineup.count++;
	return 0;
}

static int
by_number(const void *a, const void *b)
{
	const struct channel *x = a, *y = b;

	return guide_number_compare(x->guide_number, y->guide_number);
}

static void
finish(struct merge *m)
{
	struct lineup *l = &m->made.lineup;
	bool sorted = true;

	for (size_t i = 1; i < l->count && sorted; i++)
		sorted = by_number(&l->channels[i - 1], &l->channels[i]) < 0;
	if (!sorted)
		qsort(l->channels, l->count, sizeof(*l->channels), by_number);
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
		if (m->at == m->chosen_count)
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
			continue;
		}
		m->phase++;
		m->at = 0;
		if (m->phase == BUILD)
			err = begin_build(m);
		if (m->phase == DONE)
			finish(m);
	}
	return err != 0 ? err : m->phase == DONE ? 0 : PB_AGAIN;
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
