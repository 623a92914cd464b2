/*
 * utf8.h - is it text? (RFC 3629)
 *
 * Pure. For what crosses a process boundary or comes from a provider.
 */
#ifndef PLEXBRIDGE_BASE_UTF8_H
#define PLEXBRIDGE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the sequence that begins at s, of which at most len bytes may be read; 0 when it is none. */
size_t utf8_sequence(const char *s, size_t len);

/* Is all of it UTF-8? Any character may be in it. */
bool utf8_valid(const char *s, size_t len);

/* How many of the len bytes of s fit into max, without cutting a character in two? s is UTF-8. */
size_t utf8_fit(const char *s, size_t len, size_t max);

/* How many bytes there are of printable ASCII and nothing else, before anything that is to be looked at closer? */
size_t utf8_ascii(const char *s, size_t len);

/* Is it UTF-8 without control characters (C0, DEL, C1), as a name that is shown must be? */
bool utf8_plain(const char *s, size_t len);

#endif
