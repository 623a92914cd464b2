/*
 * drafts.h - lineups too long for one turn of the loop, and who waits for them
 *
 * A lineup of 200,000 channels is a document of 25 MB. It is written in many
 * turns, while all else goes on; who asked waits so long, untouched: the
 * request is still in the kernel's queue. When the document is there, or its
 * lineup is not in force any more, all who wait are given back to the server
 * as if they had just come, and find it in the unit's cache (tuner.h).
 *
 *   at once   one document; who wants another waits for this one first
 *   bounds    DRAFTS_WAITING connections
 *   clients   that leave while they wait are seen when they are given back
 *   errors    without memory for the document all who wait are answered 503
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_DRAFTS_H
#define PLEXBRIDGE_SUPERVISOR_DRAFTS_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/http.h"
#include "supervisor/tuner.h"

struct supervisor;
struct unit;

#define DRAFTS_WAITING 64

struct drafts {
	struct supervisor *sup;
	struct unit *unit; /* whose lineup is being written; NULL: none */
	uint64_t updates; /* the unit's, when that began */
	struct tuner_draft draft;
	struct http_taken waiting[DRAFTS_WAITING];
	size_t count;
	ev_timer work;
};

void drafts_init(struct drafts *drafts, struct supervisor *sup);

/* Have this document written and conn wait. False: too many wait, conn is still the caller's to answer. */
bool drafts_wait(
    struct drafts *drafts, struct unit *unit, enum tuner_lineup_kind kind, const char *base, struct http_conn *conn);

/* Stop writing, and give back all who wait: for an upgrade, which passes them on. */
void drafts_release(struct drafts *drafts);

/* Stop, and close all who wait. */
void drafts_end(struct drafts *drafts);

#endif
