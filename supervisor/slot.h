/*
 * slot.h - the streams that a provider allows at once
 *
 * A slot is a file, slots/PROVIDER.N in the state folder, and who has it
 * locked (flock(2)) has the slot. The lock belongs to the open file, of which
 * supervisor, worker and holder have a copy each: whatever dies, and in
 * whatever order, the end of the last of them frees it, and nobody has to
 * count. A file a slot, so that a worker has hold of its own only, and for
 * reading only.
 *
 *   release   by hand is for whoever knows that no connection to the provider
 *             is left: it takes effect for all copies at once
 *   others    another plexbridged with the same state folder shares the limit
 *   trouble   where there is no such folder, or no lock to be had in it, the
 *             caller hears so (PB_ESYS) and decides
 *   blocking  never for a lock; local file I/O
 */
#ifndef PLEXBRIDGE_SUPERVISOR_SLOT_H
#define PLEXBRIDGE_SUPERVISOR_SLOT_H

#include <stdbool.h>

#define SLOTS_MAX 1000 /* the most that max_streams can be */

/* The folder. { .dir = -1 }: none yet. */
struct slots {
	int dir;
};

struct slot {
	int fd; /* -1: none */
	int n; /* from 0; of its provider */
};

/* Open, or make, the folder in state_dir. 0 or PB_ESYS: then none can be taken. */
int slots_open(struct slots *slots, const char *state_dir);
void slots_close(struct slots *slots);

/*
 * Take a slot of a provider that allows max. above: how many of the provider's
 * that are in use, as far as the caller knows, are not among the first max
 * (for max was more when they were taken). *out is written only on 0.
 * 0; PB_NO: all are in use; PB_ESYS: can't be locked here.
 */
int slot_take(const struct slots *slots, const char *provider, int max, int above, struct slot *out);

/*
 * Go on with a slot that a former supervisor took; takes fd, which is closed
 * unless 0 is given. 0; PB_NO: it's none of this provider, or somebody else's
 * by now.
 */
int slot_adopt(const struct slots *slots, const char *provider, int fd, struct slot *out);

/* Free it, whoever has copies. None is fine. */
void slot_release(struct slot *slot);

#endif
