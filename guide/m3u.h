/*
 * m3u.h - a playlist of channels, as providers write them
 *
 * Pure: bytes in, entries out, in any portions; no clock, no sockets. Not
 * HLS: that is worker/playlist.h. There is no standard for these lists, so
 * this reads what is found: a byte order mark, UTF-16, lines that end in
 * CR LF or CR, Windows-1252, quotes within quoted values, commas in names.
 * What can't be understood costs its own entry, and is told with its line.
 *
 *   #EXTINF     tvg-id, -name, -logo, -chno, -shift, group-title, channel-id,
 *               channel-number, radio, user-agent; others are passed over
 *   #EXTGRP     one more group
 *   #EXTVLCOPT  http-user-agent, http-referrer, http-origin, http-cookies
 *   #KODIPROP   inputstream.adaptive.stream_headers and .manifest_headers
 *   url|A=b&C=d headers behind the URL, percent-encoded
 *   #EXTM3U     url-tvg, x-tvg-url, tvg-url: where the guide is
 */
#ifndef PLEXBRIDGE_GUIDE_M3U_H
#define PLEXBRIDGE_GUIDE_M3U_H

#include <stddef.h>

#include "guide/entry.h"

#define M3U_LINE_MAX 16384 /* a longer line is passed over, and told */
#define M3U_VAIN_MAX 1048576 /* bytes without a word of M3U: it is none */

struct m3u;

/* Gives *out; m3u_free() ends it. events is borrowed until then. 0 or PB_ENOMEM. */
int m3u_new(struct m3u **out, const struct entry_events *events);

/*
 * The next bytes. 0, PB_ENOMEM, what entry() gave, or PB_EFORMAT with a
 * static m3u_why(): it is no list of channels at all (a web page, HLS).
 */
int m3u_feed(struct m3u *m3u, const char *bytes, size_t len);

/* There are no more. The same answers. */
int m3u_end(struct m3u *m3u);

const char *m3u_why(const struct m3u *m3u);

void m3u_free(struct m3u **m3u);

#endif
