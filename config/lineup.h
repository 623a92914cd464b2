/*
 * lineup.h - all channels, in the order that viewers see
 *
 * A lineup is made by config_load() and does not change afterwards; a
 * reload makes another one, and lineup_diff() says what became of each
 * channel. Strings belong to whoever made the lineup and live as long.
 *
 *   guide_number   digits with at most one dot, "5" or "5.1", not "0";
 *                  compared as text ("5.1" and "5.10" are two channels),
 *                  sorted as two numbers (5.2 before 5.10)
 *   optional       a string that was not given is NULL
 *   URLs           http or https, checked; they may hold secrets: show
 *                  them through url_redact() (base/url.h) only
 *   size           there may be 200,000: what few of them have stands beside,
 *                  and what follows from something else is made when asked
 */
#ifndef PLEXBRIDGE_CONFIG_LINEUP_H
#define PLEXBRIDGE_CONFIG_LINEUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/arena.h"

#define GUIDE_NUMBER_MAX 16 /* with its NUL */
#define CHANNEL_NAME_MAX 128
#define CHANNEL_BACKUPS 8
#define CHANNEL_HEADERS 16
#define CHANNEL_HEADERS_LEN \
	4096 /* of one source, all together, each with its NUL; a message holds no more (ipc/msg.h) */
#define LINEUP_MAX 200000 /* channels */
#define LINEUP_ID_MAX 64 /* of an id in the guide that we make, with its NUL */

/* What every request to a source says besides its URL. Secrets: shown nowhere. */
struct channel_request {
	const char **headers; /* "Name: value" each */
	const char *user_agent; /* NULL: [fetch] user_agent */
	unsigned char header_count;
};

/* What few channels have. */
struct channel_more {
	const char **backups; /* tried in this order when url fails */
	const char *
	    *backup_providers; /* as many: whose slots each takes; NULL in it: the channel's. NULL when all are */
	const struct channel_request *backup_requests; /* as many as backups; NULL: all as url's */
	struct channel_request request; /* of url */
	const char *guide_id; /* the channel's id in the provider's guide, when the file says so */
	const char *epg_id; /* its id in the guide that we make, where that does not follow from its number */
};

struct channel {
	char guide_number[GUIDE_NUMBER_MAX];
	const char *name; /* GuideName; UTF-8 */
	const char *url; /* NULL for the test card alone: its origin's address is known later */
	const char *logo; /* a URL */
	const char *tvg_id; /* what its provider calls it */
	const char *group;
	const char *provider; /* name of the [provider] whose slots it takes */
	const struct channel_more *more; /* NULL: nothing of that */
	unsigned line; /* of the file, where it begins; 0: not from the file */
	int16_t shift_min; /* minutes to add to its guide's times */
	uint16_t led; /* bit n: source n is named by a provider's list on a public address (private_targets) */
	unsigned char backup_count; /* of more */
	bool testcard; /* the built-in one */
};

struct lineup {
	struct channel *channels; /* sorted by guide_number_compare() */
	size_t count;
	const char *device; /* whose ids the channels have in the guide; NULL: they are in none */
};

/* A lineup that was made of what providers offer (supervisor/merge.h), and what it owns. */
struct imported {
	struct lineup lineup;
	size_t room; /* of lineup.channels, which are pages_alloc()'s (base/pages.h) */
	struct channel *leaving; /* are in it no more, and are being watched; in any order */
	size_t leaving_count;
	struct arena arena;
	void (*release)(void *owner); /* whose strings are in it; NULL: nobody's */
	void *owner;
};

/* End it, and leave an empty one. */
void imported_clear(struct imported *imported);

/* Where source n of a channel is (0: url, else backup n, of which there must be so many). */
const char *channel_url(const struct channel *channel, unsigned n);

/* Whose slots and limits source n of a channel comes under (0: url, else backup n); NULL: nobody's. */
const char *channel_provider(const struct channel *channel, unsigned n);

/* What requests to source n of a channel say (0: url, else backup n). */
struct channel_request channel_request(const struct channel *channel, unsigned n);

/* Do both say the same? */
bool channel_request_same(const struct channel_request *a, const struct channel_request *b);

/* The channel's id in the provider's guide, when the file says so; NULL. */
const char *channel_guide_id(const struct channel *channel);

/* Its id in the guide that we make, for which out is room; NULL: it is in none. */
const char *channel_epg_id(const struct lineup *lineup, const struct channel *channel, char out[LINEUP_ID_MAX]);

/* The id of a device's channel that was born with this number. */
void lineup_epg_id(char out[LINEUP_ID_MAX], const char *guide_number, const char *device);

/* Is it a GuideNumber, as above? */
bool guide_number_valid(const char *text);

/* Order of two GuideNumbers: negative, 0 (the same text), positive. */
int guide_number_compare(const char *a, const char *b);

/* The channel with this GuideNumber, NULL when there is none. Any text may be asked for. O(log n). */
const struct channel *lineup_find(const struct lineup *lineup, const char *guide_number);

/* Its position in the order, 0..count-1; -1 when it is not one of this lineup. */
long lineup_index(const struct lineup *lineup, const struct channel *channel);

/*
 * A channel that is in only one of two lineups was added or removed. One
 * that is in both but would be fetched differently (url, backups, headers,
 * user_agent, provider) has a changed source; one that is only shown
 * differently (name, logo, guide_id, group) has changed words.
 */
enum lineup_change { LINEUP_ADDED, LINEUP_REMOVED, LINEUP_CHANGED_SOURCE, LINEUP_CHANGED_WORDS };

/*
 * Call fn for every channel that differs, in their order. was is NULL for an
 * added one, now for a removed one. Allocates nothing.
 */
void lineup_diff(const struct lineup *old, const struct lineup *new,
    void (*fn)(void *user, enum lineup_change change, const struct channel *was, const struct channel *now),
    void *user);

#endif
