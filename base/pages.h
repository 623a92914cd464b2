/*
 * pages.h - large tables, in large pages where the machine has them
 *
 * A table of megabytes that is filled once and looked up at random costs
 * more for its pages than for its work: a fault for each 4 KiB of it, and
 * another miss for nearly each look. Linux gives 2 MiB at once to who asks.
 * What is smaller than that is malloc()'s, as everything else.
 *
 * Memory that is not touched yet costs nothing, so a table may be had at
 * its full size at once.
 */
#ifndef PLEXBRIDGE_BASE_PAGES_H
#define PLEXBRIDGE_BASE_PAGES_H

#include <stddef.h>

/* count times size bytes, zeroed; NULL when there is no memory, or no such number. pages_free() ends it. */
void *pages_alloc(size_t count, size_t size);

/* A larger one, room instead of was, that begins with the first used of this one, which ends. NULL: it stays as it is. */
void *pages_more(void *table, size_t used, size_t was, size_t room, size_t size);

/* All of it will be looked at in no order: be given it at once, which is cheaper than bit by bit. */
void pages_touch(void *table, size_t count, size_t size);

/* End it: as many bytes as it was made of. NULL is fine; keeps errno. */
void pages_free(void *table, size_t count, size_t size);

#endif
