/*
 * archive.h - what is remembered of channels, in memory that outlives its supervisor
 *
 * One memfd, kept by the holder beside the ledger (keep.h), with two rings:
 * seconds and events, each with its channel and the recording that it is
 * part of. Written by one supervisor at a time, entry by entry; whoever comes
 * after a death reads what was whole.
 *
 *   entries   as those of ipc/recorder.h: numbered from 0, with a turn that
 *             says whether one is whole, and whose it is
 *   bounds    ARCHIVE_SECONDS and ARCHIVE_EVENTS, whoever's they are: the
 *             oldest go first. Seconds are enough for 27 streams' last ten
 *             minutes, events for ten minutes with 27 a second
 *   memory    sparse: what was never used takes none
 *   trust     what another process wrote is bounded when it is read
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_ARCHIVE_H
#define PLEXBRIDGE_SUPERVISOR_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "ipc/recorder.h"

#define ARCHIVE_LAYOUT 1
#define ARCHIVE_SECONDS 16384
#define ARCHIVE_EVENTS 16384

struct archive;

/* Whose an entry is. */
struct archive_key {
	uint64_t recording; /* counts up; 0: of no recording, an event of a supervisor's own */
	uint64_t stream;
	int64_t at_ms; /* of the entry; the archive's */
	char guide_number[GUIDE_NUMBER_MAX];
};

/* Make an empty one. Gives *out. 0, PB_ENOMEM, PB_ESYS. */
int archive_create(struct archive **out);

/*
 * Go on with another supervisor's. Takes fd on 0 only; gives *out. 0;
 * PB_EPEER (seals, size or magic are wrong), PB_NO (another layout),
 * PB_ENOMEM, PB_ESYS.
 */
int archive_open(int fd, struct archive **out);

/* Its descriptor, for the holder; it stays the archive's. */
int archive_fd(const struct archive *archive);

/* Unmap, close, leave NULL. A NULL inside is fine. */
void archive_free(struct archive **archive);

/* A number for a recording, never given away before by any supervisor of this archive. Never 0. */
uint64_t archive_number(struct archive *archive);

void archive_second_put(struct archive *archive, const struct archive_key *key, const struct recorder_second *second);
void archive_event_put(struct archive *archive, const struct archive_key *key, const struct recorder_event *event);

/* The entries that may still be there: [*first, *end). */
void archive_seconds_range(const struct archive *archive, uint64_t *first, uint64_t *end);
void archive_events_range(const struct archive *archive, uint64_t *first, uint64_t *end);

/* Copy number n, bounded; second and event may be NULL. false: it is torn, or another one's by now. */
bool archive_second_get(
    const struct archive *archive, uint64_t n, struct archive_key *key, struct recorder_second *second);
bool archive_event_get(
    const struct archive *archive, uint64_t n, struct archive_key *key, struct recorder_event *event);

#endif
