/*
 * lineup.c - order, search and comparison of channels
 *
 * The array is sorted once; at ten thousand channels a search is fourteen
 * comparisons, and no hash has to be kept beside it.
 */
#include "config/lineup.h"

#include <stdlib.h>
#include <string.h>

#include "base/pages.h"

static const struct channel_more none;

static const struct channel_more *
more_of(const struct channel *channel)
{
	return channel->more != NULL ? channel->more : &none;
}

const char *
channel_url(const struct channel *channel, unsigned n)
{
	return n == 0 ? channel->url : channel->more->backups[n - 1];
}

const char *
channel_provider(const struct channel *channel, unsigned n)
{
	const char *const *own = more_of(channel)->backup_providers;

	return n > 0 && n <= channel->backup_count && own != NULL && own[n - 1] != NULL ? own[n - 1]
											: channel->provider;
}

struct channel_request
channel_request(const struct channel *channel, unsigned n)
{
	const struct channel_more *more = more_of(channel);

	return n > 0 && n <= channel->backup_count && more->backup_requests != NULL ? more->backup_requests[n - 1]
										    : more->request;
}

const char *
channel_guide_id(const struct channel *channel)
{
	return more_of(channel)->guide_id;
}

const char *
channel_epg_id(const struct lineup *lineup, const struct channel *channel, char out[LINEUP_ID_MAX])
{
	if (more_of(channel)->epg_id != NULL)
		return channel->more->epg_id;
	if (lineup->device == NULL)
		return NULL;
	lineup_epg_id(out, channel->guide_number, lineup->device);
	return out;
}

void
lineup_epg_id(char out[LINEUP_ID_MAX], const char *guide_number, const char *device)
{
	static const char end[] = ".plexbridge";
	size_t n = strnlen(guide_number, GUIDE_NUMBER_MAX - 1);
	size_t d = strnlen(device, LINEUP_ID_MAX - 2 - GUIDE_NUMBER_MAX - sizeof(end));

	/* Of 200,000 channels at once: snprintf() would take as long as all the rest. */
	out[0] = 'c';
	memcpy(out + 1, guide_number, n);
	out[1 + n] = '.';
	memcpy(out + 2 + n, device, d);
	memcpy(out + 2 + n + d, end, sizeof(end));
}

bool
guide_number_valid(const char *text)
{
	size_t major = strspn(text, "0123456789");
	size_t len = major;

	if (major == 0)
		return false;
	if (text[len] == '.') {
		size_t minor = strspn(text + len + 1, "0123456789");

		if (minor == 0)
			return false;
		len += 1 + minor;
	}
	if (text[len] != '\0' || len >= GUIDE_NUMBER_MAX)
		return false;
	/* Zero, however written, is no channel to Plex (reference: "0" collapses). */
	return strspn(text, "0.") != len;
}

/* Two runs of digits as numbers of any length; moves both pointers behind them. */
static int
compare_digits(const char **a, const char **b)
{
	size_t a_len, b_len;
	int order;

	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	a_len = strspn(*a, "0123456789");
	b_len = strspn(*b, "0123456789");
	order = a_len != b_len ? (a_len > b_len) - (a_len < b_len) : memcmp(*a, *b, a_len);
	*a += a_len;
	*b += b_len;
	return order;
}

int
guide_number_compare(const char *a, const char *b)
{
	const char *pa = a, *pb = b;
	int order;

	order = compare_digits(&pa, &pb);
	if (order == 0 && *pa == '.' && *pb == '.') {
		pa++;
		pb++;
		order = compare_digits(&pa, &pb);
	}
	if (order == 0) /* "5" before "5.0"; "5" and "05" are two, in any fixed order */
		order = (*pa == '.') - (*pb == '.');
	return order != 0 ? order : strcmp(a, b);
}

const struct channel *
lineup_find(const struct lineup *lineup, const char *guide_number)
{
	size_t low = 0, high = lineup->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = guide_number_compare(guide_number, lineup->channels[middle].guide_number);

		if (order == 0)
			return &lineup->channels[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void
imported_clear(struct imported *imported)
{
	arena_clear(&imported->arena);
	pages_free(imported->lineup.channels, imported->room, sizeof(*imported->lineup.channels));
	free(imported->leaving);
	if (imported->release != NULL)
		imported->release(imported->owner);
	memset(imported, 0, sizeof(*imported));
}

long
lineup_index(const struct lineup *lineup, const struct channel *channel)
{
	const struct channel *found = channel != NULL ? lineup_find(lineup, channel->guide_number) : NULL;

	return found != NULL && found == channel ? found - lineup->channels : -1;
}

static bool
same(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static bool
same_list(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
	if (a_count != b_count || (a == NULL) != (b == NULL))
		return false;
	if (a == NULL)
		return true;
	for (size_t i = 0; i < a_count; i++) {
		if (!same(a[i], b[i]))
			return false;
	}
	return true;
}

bool
channel_request_same(const struct channel_request *a, const struct channel_request *b)
{
	return same(a->user_agent, b->user_agent) &&
	    same_list(a->headers, a->header_count, b->headers, b->header_count);
}

/* Of two channels with as many backups. */
static bool
same_requests(const struct channel *a, const struct channel *b)
{
	for (unsigned n = 0; n <= a->backup_count; n++) {
		struct channel_request of_a = channel_request(a, n), of_b = channel_request(b, n);

		if (!channel_request_same(&of_a, &of_b))
			return false;
	}
	return true;
}

static bool
same_source(const struct channel *a, const struct channel *b)
{
	const struct channel_more *of_a = more_of(a), *of_b = more_of(b);

	if (a->testcard != b->testcard || !same(a->url, b->url) || !same(a->provider, b->provider))
		return false;
	if (of_a == of_b) /* nothing, most times */
		return a->backup_count == b->backup_count;
	return same_list(of_a->backups, a->backup_count, of_b->backups, b->backup_count) &&
	    same_list(of_a->backup_providers, a->backup_count, of_b->backup_providers, b->backup_count) &&
	    same_requests(a, b);
}

static bool
same_words(const struct channel *a, const struct channel *b)
{
	return same(a->name, b->name) && same(a->logo, b->logo) && same(a->group, b->group) &&
	    same(channel_guide_id(a), channel_guide_id(b));
}

void
lineup_diff(const struct lineup *old, const struct lineup *new,
    void (*fn)(void *user, enum lineup_change change, const struct channel *was, const struct channel *now), void *user)
{
	size_t i = 0, j = 0;

	while (i < old->count || j < new->count) {
		const struct channel *was = i < old->count ? &old->channels[i] : NULL;
		const struct channel *now = j < new->count ? &new->channels[j] : NULL;
		int order;

		if (was == NULL || now == NULL)
			order = was == NULL ? 1 : -1;
		else
			order = guide_number_compare(was->guide_number, now->guide_number);
		if (order < 0) {
			fn(user, LINEUP_REMOVED, was, NULL);
			i++;
		} else if (order > 0) {
			fn(user, LINEUP_ADDED, NULL, now);
			j++;
		} else {
			if (!same_source(was, now))
				fn(user, LINEUP_CHANGED_SOURCE, was, now);
			else if (!same_words(was, now))
				fn(user, LINEUP_CHANGED_WORDS, was, now);
			i++;
			j++;
		}
	}
}
