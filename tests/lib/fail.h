/*
 * fail.h - allocations that fail when a test says so
 *
 * For the sweep over every allocation of a thing: let the first one fail,
 * then the second, ... until it gets through.
 *
 *	unsigned n = 0;
 *	do {
 *		fail_alloc(++n, FAIL_ONCE);
 *		err = thing_do(...);
 *		...
 *	} while (fail_happened());
 *
 * A program that lists tests/lib/fail.c among its sources is linked with
 * $(FAIL_LINK) (tests/unit/local.mk): the linker leads all calls of malloc,
 * calloc, realloc, reallocarray, strdup and strndup in it here. That's what
 * our own archives and the test call; what a shared library does inside is
 * neither counted nor refused.
 *
 * One thread. A test that forks has the count in each process by itself.
 */
#ifndef PLEXBRIDGE_TESTS_LIB_FAIL_H
#define PLEXBRIDGE_TESTS_LIB_FAIL_H

#include <stdbool.h>

enum fail_mode {
	FAIL_ONCE, /* that one: what comes after it works again */
	FAIL_ON, /* that one and all that follow: there is no memory any more */
};

/* The n-th allocation from here fails, n from 1. */
void fail_alloc(unsigned n, enum fail_mode mode);

/* Did it come to that? From here on nothing fails. */
bool fail_happened(void);

#endif
