/*
 * merge.h - providers' lists, the journal and the file to one lineup
 *
 * Entries that are the same channel (by tvg-id, unless others of its list
 * share that; else by cleaned name) become one, the preferred first and the
 * others as its backups, across providers; the journal says which number
 * each has. What [channel] sections say is said over that, and hand-written
 * channels stand beside.
 *
 * Pure: no I/O, no clock. In steps, because 200,000 entries are too much for
 * one turn of a loop.
 *
 *   journal    gets what is new; the caller writes it before anybody sees
 *              the lineup, or throws both away
 *   lists      checked (list_check()); the lineup keeps references to them,
 *              and its strings are theirs
 *   threads    none; one merge at a time
 */
#ifndef PLEXBRIDGE_SUPERVISOR_MERGE_H
#define PLEXBRIDGE_SUPERVISOR_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "ipc/list.h"
#include "supervisor/journal.h"

#define MERGE_STEP 4096 /* entries: a millisecond or two */

/* What became of it, beside the lineup. */
struct merge_figures {
	size_t entries; /* of all lists */
	size_t imported; /* channels of which a provider has something */
	size_t added; /* new in the journal */
	size_t backups;
	size_t without; /* hand-written, with no URL of their own, and no provider has them */
	size_t dropped; /* channels, more than LINEUP_MAX */
	size_t unknown; /* entries of new channels, for which the journal is full: left out */
};

struct merge;

/*
 * Begin. lists: one for each of config's providers, NULL where there is
 * none; references are taken. config and journal are borrowed until the
 * end. device: the DeviceID's text. Gives *out; merge_free() ends it.
 */
int merge_new(struct merge **out, const struct config *config, struct list *const *lists, struct journal *journal,
    const char *device);

/* Work on for about so many entries. PB_AGAIN: there is more to do. 0: it is done. PB_ENOMEM, PB_ELIMIT. */
int merge_step(struct merge *merge, size_t entries);

/* The journal gets no more of it: it may be written and waited for while the lineup is built. */
bool merge_numbered(const struct merge *merge);

/* The lineup of one that is done, the caller's: imported_clear() ends it. */
void merge_take(struct merge *merge, struct imported *out);

const struct merge_figures *merge_figures(const struct merge *merge);

/* Of one that is done: channels for which this provider (by its index) asks for another number than they have. */
void merge_wishes(const struct merge *merge, size_t provider,
    void (*fn)(void *user, const char *number, const char *name, const char *wish), void *user);

/* Is the channel of the journal with this index in it? For who lists the absent. */
bool merge_present(const struct merge *merge, uint32_t index);

void merge_free(struct merge **merge);

#endif
