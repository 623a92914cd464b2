/*
 * quarantine.h - fetch a segment that crashed workers, and look at none of it
 *
 * The supervisor opened the file (MSG_S_QUARANTINE); this writes what the
 * provider sends into it, up to a bound: not decrypted, not parsed. It is of
 * no importance to the stream: whatever goes wrong ends it, is logged, and
 * nothing else.
 *
 *   owner     the descriptor is this module's; loop and pool are borrowed
 *   blocking  never for the network; writes go to the page cache
 */
#ifndef PLEXBRIDGE_WORKER_QUARANTINE_H
#define PLEXBRIDGE_WORKER_QUARANTINE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/fetch.h"
#include "worker/source.h"

struct quarantine;

/*
 * Wait for the segment of that serial; takes fd, closed by quarantine_free()
 * or when it is done. NULL: no memory (fd is closed).
 */
struct quarantine *quarantine_new(struct ev_loop *loop, struct fetch_pool *pool, const char *guide_number, int fd,
    uint64_t serial, uint64_t bytes_max);
void quarantine_free(struct quarantine **quarantine);

/* That segment is left out of the stream: fetch it. Any other one, and a second time, is ignored; NULL is fine. */
void quarantine_take(struct quarantine *quarantine, const struct source_segment *segment);

#endif
