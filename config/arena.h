/*
 * arena.h - many small strings with one life
 *
 * A lineup of ten thousand channels is a hundred thousand strings that are
 * made together and end together; an allocation each would cost more than
 * the bytes. Nothing can be given back alone.
 */
#ifndef PLEXBRIDGE_CONFIG_ARENA_H
#define PLEXBRIDGE_CONFIG_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* All zero is an empty arena. */
struct arena {
	struct arena_chunk *chunks;
};

/* size bytes, zeroed, aligned for any type; NULL when there is no memory. The arena keeps them. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of len bytes of text, with a NUL; NULL when there is no memory. */
char *arena_text(struct arena *arena, const char *text, size_t len);

/* End all that it gave. The arena is empty again. */
void arena_clear(struct arena *arena);

#endif
