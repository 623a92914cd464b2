/*
 * status.h - all that is known, as JSON
 *
 * What plexbridgectl and the status page show. Figures that a worker wrote
 * are bounded on the way; URLs are redacted. One shape, documented in
 * plexbridgectl(1); a key that exists keeps its meaning.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_STATUS_H
#define PLEXBRIDGE_SUPERVISOR_STATUS_H

#include "supervisor/blob.h"

struct supervisor;

/* GET /api/status. NULL: no memory. */
struct blob *status_json(const struct supervisor *sup);

/* GET /api/dump: the same with all counters and every worker. (Settings: GET /api/config.) */
struct blob *status_dump(const struct supervisor *sup);

/* GET /api/channels: the lineup, a channel a line, with the stream that plays it. */
struct blob *status_channels(const struct supervisor *sup);

/* The same for the log, an event for each stream, client and worker (SIGUSR1). */
void status_log(const struct supervisor *sup);

#endif
