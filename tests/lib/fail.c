/*
 * fail.c - how the promise in fail.h is kept
 *
 * The names are the linker's: --wrap=malloc makes of each call of malloc()
 * one of __wrap_malloc(), and of __real_malloc() the true one, which may be
 * a sanitizer's.
 */
#include "tests/lib/fail.h"

#include <errno.h>
#include <stddef.h>

static unsigned left; /* allocations until the one that fails; 0: none will */
static enum fail_mode how;
static bool happened;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t len);

void
fail_alloc(unsigned n, enum fail_mode mode)
{
	left = n;
	how = mode;
	happened = false;
}

bool
fail_happened(void)
{
	left = 0;
	return happened;
}

static bool
fails(void)
{
	if (left == 0)
		return false;
	if (left > 1) {
		left--;
		return false;
	}
	if (how == FAIL_ONCE)
		left = 0;
	happened = true;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

void *
__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return fails() ? NULL : __real_reallocarray(old, count, size);
}

char *
__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *
__wrap_strndup(const char *s, size_t len)
{
	return fails() ? NULL : __real_strndup(s, len);
}
