/*
 * items.h - a JSON array, one element at a time
 *
 * Pure: bytes in, elements out. A provider's answer has a hundred thousand
 * objects; as one JSON value they would be a hundred times the memory of
 * the one that is looked at. Elements are handed over as text, to be read
 * by a JSON library; brackets and strings is all that is understood here.
 */
#ifndef PLEXBRIDGE_GUIDE_ITEMS_H
#define PLEXBRIDGE_GUIDE_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#define ITEMS_ONE_MAX 65536 /* a longer one is passed over, and told */

struct items {
	/* index counts from 1; a text of NULL was too long. 0 to go on. */
	int (*item)(void *user, unsigned index, const char *text, size_t len);
	void *user;
	unsigned index;
	unsigned depth;
	bool begun, ended, string, escape, over;
	size_t len;
	char text[ITEMS_ONE_MAX];
};

/* All zero but item and user is the begin. 0, what item() gave, or PB_EFORMAT: it is no array. */
int items_feed(struct items *items, const char *bytes, size_t len);

/* 0, or PB_EFORMAT: the array has no end. */
int items_end(const struct items *items);

/*
 * The lineup.json of an HDHomeRun: an element as an entry. Fits items.item()
 * with struct items_lineup as its user. An element that is none is told.
 */
struct entry_events;
struct items_lineup {
	const struct entry_events *events;
};
int items_lineup(void *user, unsigned index, const char *text, size_t len);

#endif
