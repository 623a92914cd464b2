/*
 * sniff.h - bytes that are no TS: what are they?
 *
 * For a message that helps: a provider that sends a login page or a picture
 * in place of a segment is told apart from one that sends something which is
 * not carried. Pure; hostile bytes.
 */
#ifndef PLEXBRIDGE_WORKER_SNIFF_H
#define PLEXBRIDGE_WORKER_SNIFF_H

#include <stddef.h>
#include <stdint.h>

/*
 * PB_ENOSUP: media, but not carried; PB_EFORMAT: no media. *what names it,
 * in static storage, or is NULL when it is not known.
 */
int sniff(const uint8_t *buf, size_t len, const char **what);

#endif
