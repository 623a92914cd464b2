/*
 * offer.h - entries of a source to a list (ipc/list.h)
 *
 * Pure but for the list's own memory. Chooses, renames, cleans names, ranks
 * pictures, drops radio and films, puts in order; what is left out is told
 * or counted.
 *
 *   ids       a tvg-id that entries of several names have (a placeholder, a
 *             guide that is one for all regions) tells no channels apart
 */
#ifndef PLEXBRIDGE_GUIDE_OFFER_H
#define PLEXBRIDGE_GUIDE_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guide/entry.h"
#include "guide/pick.h"
#include "ipc/list.h"

enum offer_order { OFFER_AS_IS, OFFER_BY_NAME, OFFER_BY_GROUP };

/* "scheme://authority/" of the last URL that was taken: the next one is of the same server, most times. */
struct offer_origin {
	char text[LIST_WORD_MAX];
	size_t len; /* 0: none */
};

/* A tvg-id that was taken, and by which name: as hashes, for they are only compared. */
struct offer_id {
	uint64_t id, name;
	uint32_t entry;
};

struct offer {
	struct list_writer *list;
	const struct pick *pick;
	const char *base; /* the source's own URL, for entries that are relative to it; NULL: none */
	const char *secrets[2]; /* the account's user and password; NULL: none */
	uint8_t rank[LIST_QUALITIES]; /* 0 is preferred */
	unsigned long limit; /* 0: none but the list's */
	bool vod, radio; /* taken, too */
	struct offer_origin streams, logos;
	bool full; /* the limit was reached */
	struct offer_id *ids; /* those that were taken */
	size_t id_count, id_room;
	void *user;
	void (*wrong)(void *user, unsigned line, const char *why);
};

/* Take one. Fits struct entry_events, with the offer as its user. 0, PB_ENOMEM, or PB_ELIMIT: too many. */
int offer_entry(void *offer, const struct entry *entry);

/* Where the guide is, when the source says so. */
void offer_guide(void *offer, const char *url);

/* What was not understood. */
void offer_wrong(void *offer, unsigned line, const char *why);

/* All is taken: see which tvg-ids are shared. Before it is put in order. */
void offer_ids(struct offer *offer);

/* Put what was taken in order; stable. */
void offer_sort(struct offer *offer, enum offer_order order);

/* End what it has beside the list. */
void offer_clear(struct offer *offer);

#endif
