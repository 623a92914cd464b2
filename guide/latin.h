/*
 * latin.h - characters between encodings
 *
 * Pure.
 */
#ifndef PLEXBRIDGE_GUIDE_LATIN_H
#define PLEXBRIDGE_GUIDE_LATIN_H

#include <stddef.h>

/* One character as UTF-8: how many bytes. What is none (a surrogate, too high) becomes U+FFFD. */
size_t latin_put(char out[4], unsigned code);

/* Windows-1252, which is what calls itself Latin-1, as UTF-8, with a NUL; cut when it does not fit. */
void latin_to_utf8(char *out, size_t size, const char *text, size_t len);

#endif
