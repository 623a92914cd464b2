/*
 * inspect.h - what the playlist station understood, as JSON
 *
 * For people, bug reports and tests: plexbridge-worker --inspect. Pure.
 */
#ifndef PLEXBRIDGE_WORKER_INSPECT_H
#define PLEXBRIDGE_WORKER_INSPECT_H

#include <jansson.h>

#include "worker/playlist.h"

/*
 * One object. `kind` is "master", "media" or "invalid"; `reason` is there
 * with the last. `warnings` (a count), `warning` (the first, or null) and
 * `unsupported` (text or null) are there with the others. The manual
 * (plexbridge-worker(8)) says what every member is; arrays of a media
 * playlist have one entry a segment, null where there is nothing, except
 * `discontinuities` and `gaps`, which list indices. URIs that do not
 * resolve are given as written. Bytes that are not UTF-8 become U+FFFD.
 *
 * Gives a new reference to the caller; NULL: no memory.
 */
json_t *inspect_json(const struct playlist *pl);

#endif
