/*
 * m3u8.h - the text of a playlist: lines, attribute lists, numbers, dates
 *
 * Pure, no allocation. It says how a thing is spelt; what it means is
 * playlist.h's. Lines and attributes are cut out in place: their strings
 * end in a NUL that is written over the delimiter, and live as long as the
 * buffer. Lenient, as reference peers are: what can't be read is the one
 * value, never the playlist.
 */
#ifndef PLEXBRIDGE_WORKER_M3U8_H
#define PLEXBRIDGE_WORKER_M3U8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Blank, tab, vertical tab, form feed, CR or LF; in every locale. */
bool m3u8_is_space(unsigned char c);

/*
 * The next line that is not blank: without its end (LF, CR LF or CR) and
 * without blanks around it. *at goes behind it. NULL at the end. end[0]
 * must be a byte that may be written. Lines with a NUL inside are passed
 * over and counted in *bad.
 */
char *m3u8_line(char **at, char *end, unsigned *bad);

/*
 * Is line the tag of this name ("EXTINF", without '#')? Then *value is what
 * follows the colon, "" when nothing does; otherwise it is not written.
 */
bool m3u8_tag(char *line, const char *name, char **value);

/*
 * The next attribute of a list, quotes taken off. Attributes without '=' or
 * without a closing quote are passed over. false at the end.
 */
struct m3u8_attr {
	char *name;
	char *value;
};
bool m3u8_attr(char **at, struct m3u8_attr *out);

/* Digits at the beginning of s; what follows them is ignored. false: none, or over 2^64-1. */
bool m3u8_u64(const char *s, uint64_t *out);

/* "[-+]12.345" at the beginning of s, in its own unit; no exponent, no locale. false: no digit, or over 18 of them. */
bool m3u8_decimal(const char *s, double *out);

/* "N[@O]". *has_offset says whether O was there. false: no N, or N + O passes 2^63. */
bool m3u8_byterange(const char *s, uint64_t *length, uint64_t *offset, bool *has_offset);

/* "WIDTHxHEIGHT", each 1..65535. */
bool m3u8_resolution(const char *s, uint32_t *width, uint32_t *height);

/* "0x..." of up to 32 digits, padded with zeros on the left to 16 bytes. false: not hex, none, or more. */
bool m3u8_iv(const char *s, uint8_t iv[16]);

/*
 * A date as ISO 8601 and its relatives in the wild: 'T' or a blank between
 * date and time, fractions or none, "Z", "+01:00", "+0100", "+01" or no
 * zone (UTC). To ms since 1970-01-01T00:00:00Z, fractions cut to ms.
 */
bool m3u8_date(const char *s, int64_t *ms);

#endif
