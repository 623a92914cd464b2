/*
 * show.h - answers of the control socket, for people
 *
 * Pure: JSON in, text out. A key that is missing is shown as "-": the
 * plexbridged at the other end may be another version.
 */
#ifndef PLEXBRIDGE_CTL_SHOW_H
#define PLEXBRIDGE_CTL_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#define SHOW_WIDTH 80

/* The caller frees the text; NULL: no memory. */
char *show_status(const json_t *status, bool utf8);
char *show_channels(const json_t *channels, bool utf8);

/* "3 s", "12 min", "5 h 20 min", "3 d 4 h". Returns out. */
char *show_seconds(char *out, size_t size, double seconds);

/* "17 B", "3.2 MiB". Returns out. */
char *show_bytes(char *out, size_t size, double bytes);

/* Channels that are in it, that are absent, or that have no guide; with how the sources are. */
enum show_lineup { SHOW_PRESENT, SHOW_ABSENT, SHOW_UNMATCHED };
char *show_lineup(const json_t *answer, enum show_lineup which, bool utf8);

#endif
