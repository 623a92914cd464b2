/*
 * quarantine.h - files for segments that crashed workers
 *
 * A segment that is left out because two workers died of it (crash.h) is
 * worth keeping for whoever mends the worker. The supervisor opens a file for
 * it and the successor, which may open none, is given the descriptor and
 * fetches the segment into it as it comes: encrypted where it is, never looked
 * at. What was in hand was a provider's, so what it's called is all ours.
 *
 *   names     "20261128T120000Z-5.1-42.ts": when (UTC), which channel, which
 *             segment, as segment.poison logs it
 *   bounds    QUARANTINE_BYTES a file (ipc/msg.h says it to the worker),
 *             QUARANTINE_FILES of them: the oldest goes first. Other files in
 *             the folder are left alone
 *   blocking  for a local file system's moment
 */
#ifndef PLEXBRIDGE_SUPERVISOR_QUARANTINE_H
#define PLEXBRIDGE_SUPERVISOR_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define QUARANTINE_FILES 32
#define QUARANTINE_BYTES (UINT64_C(64) << 20)
#define QUARANTINE_NAME 64

/*
 * Make a new file in dir (made when it isn't there), open for writing. Gives
 * *fd to the caller, and its name for the log. 0, or PB_ESYS with errno: no
 * such place, or it exists already.
 */
int quarantine_open(
    const char *dir, const char *guide_number, uint64_t segment, time_t now, int *fd, char name[QUARANTINE_NAME]);

/* Could quarantine_open() have made a file of that name? */
bool quarantine_is_ours(const char *name);

#endif
