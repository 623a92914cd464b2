/*
 * playing.h - imported channels that are watched, for the next supervisor
 *
 * A stream outlives its supervisor (keep.h), but the next one makes its own
 * lineup: what a provider dropped meanwhile is not in that, and nothing
 * imported is where lists or journal can't be read. So what a worker would
 * be told of those that are watched is written into one sealed memfd, which
 * the holder keeps beside the ledger.
 *
 *   format    JSON: builds read each other's, and what one doesn't know it
 *             passes over
 *   trust     what another process wrote is a claim: seals and size are
 *             checked, and each text of a channel; one that is no good is
 *             passed over
 *   secrets   URLs and headers: it is shown nowhere
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_PLAYING_H
#define PLEXBRIDGE_SUPERVISOR_PLAYING_H

#include <stddef.h>

#include "config/lineup.h"

#define PLAYING_BYTES_MAX ((size_t)16 << 20)

/* Write them down. Gives *fd. 0, PB_ENOMEM, PB_ELIMIT, PB_ESYS. One with a text that is no UTF-8 is left out. */
int playing_pack(const struct channel *const *channels, size_t count, int *fd);

/*
 * Call fn for each channel of it, which is borrowed for the call; its line
 * is 1 when the file had a word about it. 0, or PB_EPEER: not one is good.
 */
int playing_read(int fd, void (*fn)(void *user, const struct channel *channel), void *user);

#endif
