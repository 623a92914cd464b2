/*
 * import.h - what supervisor and plexbridge-guide say to each other
 *
 * Packets as in ipc/msg.h, on the guide's descriptor 3. The supervisor says
 * one job and is told how it went; soon after that the guide exits.
 *
 *   IMPORT_FILE   S   struct import_file and up to MSG_FDS_MAX descriptors, of that number and on, before the job:
 *                     local sources, and where the parts of a guide are written to
 *   IMPORT_JOB    S   a sealed file: lines "key=value", UTF-8, what to do; and where to write to
 *   IMPORT_AT     G   struct import_at, now and then: how far it is
 *   IMPORT_WRONG  G   struct import_wrong: one thing that was left out
 *   IMPORT_DONE   G   struct import_done; and a list (ipc/list.h), or the matches, when there is one. Behind a list it
 *                     writes the copy of it: that is there when the guide has exited with 0
 *
 *   trust     the guide has read what a provider sent: the supervisor
 *             believes none of its messages before it has bounded them
 *   secrets   URLs, users and passwords are in the job and nowhere else: not
 *             in argv, not in the environment; texts that come back have none
 *   keys      guide/job.h
 */
#ifndef PLEXBRIDGE_IPC_IMPORT_H
#define PLEXBRIDGE_IPC_IMPORT_H

#include <stdint.h>

#define IMPORT_WHY_MAX 240
#define IMPORT_WRONG_MAX 50 /* told; more are counted */
#define IMPORT_PART 32
#define IMPORT_PARTS_MAX 16

enum import_type { IMPORT_FILE = 200, IMPORT_JOB, IMPORT_AT, IMPORT_WRONG, IMPORT_DONE };

enum import_verdict {
	IMPORT_GOOD,
	IMPORT_SAME, /* not modified: what was there is still right */
	IMPORT_REFUSED, /* the source answered, and it is no good: its status, what it sent */
	IMPORT_FAILED, /* it did not answer, or not to the end */
	IMPORT_VERDICTS
};

struct import_file {
	uint32_t which; /* 0: the playlist; 1 and on: the guides; IMPORT_PART and on: a part of the guide, and packed */
};

struct import_at {
	uint64_t bytes, total; /* of the source in hand; total 0: not known */
	uint32_t entries;
	uint32_t spare;
};

struct import_wrong {
	uint32_t line; /* 0: none */
	char why[IMPORT_WHY_MAX];
};

/* How a channel's guide was found, the surest first. */
enum import_how { IMPORT_UNMATCHED, IMPORT_BY_ID, IMPORT_BY_TVG_ID, IMPORT_BY_NAME, IMPORT_HOWS };

/* One for each channel of the job, in its order: what comes with the end of a guide. */
struct import_match {
	uint32_t programmes;
	uint8_t how; /* enum import_how */
	uint8_t uncertain; /* 1: unmatched, because several of a source's channels have its name */
	uint16_t spare;
};

struct import_done {
	uint32_t verdict; /* enum import_verdict */
	uint32_t retry_after_s; /* 0: the source said nothing of that */
	uint32_t wrong; /* all, told or not */
	uint32_t channels, programmes; /* of a guide */
	uint32_t peak_kib; /* the most memory that it had resident; 0: not known */
	uint64_t hash; /* of what was written */
	char etag[128]; /* of a guide that was fetched */
	char modified[64];
	char why[IMPORT_WHY_MAX];
};

#endif
