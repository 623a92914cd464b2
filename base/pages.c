/*
 * pages.c - how the promise in pages.h is kept
 */
#include "base/pages.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE ((size_t)2 << 20) /* of x86 and of most others; elsewhere it is whole pages as well */

static size_t
whole(size_t bytes)
{
	return (bytes + LARGE - 1) / LARGE * LARGE;
}

void *
pages_alloc(size_t count, size_t size)
{
	size_t bytes, before;
	char *at;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	if (bytes < LARGE)
		return calloc(1, bytes > 0 ? bytes : 1);
	/* One more than is needed, so that it can begin where a large page does; what is before and behind goes back. */
	at = mmap(NULL, whole(bytes) + LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
	before = (LARGE - (uintptr_t)at % LARGE) % LARGE;
	if (before > 0)
		(void)munmap(at, before);
	if (before < LARGE)
		(void)munmap(at + before + whole(bytes), LARGE - before);
	/* The last one only where more than half of it is used. Where there are none, all is as ever. */
	(void)madvise(at + before, (bytes + LARGE / 2) / LARGE * LARGE, MADV_HUGEPAGE);
	return at + before;
}

void *
pages_more(void *table, size_t used, size_t was, size_t room, size_t size)
{
	void *more = pages_alloc(room, size);

	if (more == NULL)
		return NULL;
	if (used > 0)
		memcpy(more, table, used * size);
	pages_free(table, was, size);
	return more;
}

void
pages_touch(void *table, size_t count, size_t size)
{
#ifdef MADV_POPULATE_WRITE
	if (count * size >= LARGE)
		(void)madvise(
		    table, whole(count * size), MADV_POPULATE_WRITE); /* what is not given now is given later */
#else
	(void)table;
	(void)count;
	(void)size;
#endif
}

void
pages_free(void *table, size_t count, size_t size)
{
	int saved = errno;

	if (table != NULL && count * size >= LARGE)
		(void)munmap(table, whole(count * size));
	else
		free(table);
	errno = saved;
}
