/*
 * arena.c - chunks that are large enough for malloc to map each by itself,
 * so that a lineup that was replaced by a reload really goes back to the
 * system, and that are touched only as far as they are used.
 */
#include "config/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)256 << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size; /* bytes of data[] */
	alignas(max_align_t) unsigned char data[];
};

static void *
take(struct arena *arena, size_t size, size_t align)
{
	struct arena_chunk *chunk = arena->chunks;
	size_t at = chunk != NULL ? (chunk->used + align - 1) & ~(align - 1) : 0;
	size_t room;

	if (chunk == NULL || at > chunk->size || size > chunk->size - at) {
		room = size > CHUNK ? size : CHUNK;
		if (room > SIZE_MAX - sizeof(*chunk))
			return NULL;
		chunk = malloc(sizeof(*chunk) + room);
		if (chunk == NULL)
			return NULL;
		chunk->next = arena->chunks;
		chunk->used = 0;
		chunk->size = room;
		arena->chunks = chunk;
		at = 0;
	}
	chunk->used = at + size;
	return chunk->data + at;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	void *p = take(arena, size, alignof(max_align_t));

	return p != NULL ? memset(p, 0, size) : NULL;
}

char *
arena_text(struct arena *arena, const char *text, size_t len)
{
	char *copy = take(arena, len + 1, 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void
arena_clear(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		free(chunk);
	}
}
