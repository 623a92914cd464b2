/*
 * trial.h - an import that changes nothing: what would become of the lineup?
 *
 * A source is fetched and checked as a provider's is (imports.h), and merged
 * with the others' lists and with a copy of the journal, in memory; the
 * difference to the lineup in force is told, and all of it is thrown away.
 * So the answer is that of the real thing, numbers included.
 *
 *   one        at a time; a reload and a hand-over end it
 *   source     http or https, or a file's absolute path, read as our user
 *   provider   whose list it would replace and by whose settings it is
 *              chosen; with none it is another provider beside all others
 *   blocking   the journal is read at once, as at a start
 */
#ifndef PLEXBRIDGE_SUPERVISOR_TRIAL_H
#define PLEXBRIDGE_SUPERVISOR_TRIAL_H

#include <ev.h>
#include <stdbool.h>

#include "base/url.h"
#include "config/config.h"
#include "ipc/list.h"
#include "supervisor/blob.h"
#include "supervisor/errand.h"
#include "supervisor/journal.h"
#include "supervisor/merge.h"
#include "supervisor/text.h"

struct supervisor;

enum trial_state { TRIAL_IDLE, TRIAL_FETCHING, TRIAL_CHECKING, TRIAL_MERGING, TRIAL_DONE };

struct trial {
	struct supervisor *sup; /* NULL: not begun */
	enum trial_state state;
	bool ended; /* what runs is to be thrown away */
	char source[URL_MAX], shown[512];
	struct errand errand;
	ev_timer work;
	size_t which; /* of config's providers */
	struct config config; /* that in force, with our own providers */
	struct list *list;
	struct journal *journal;
	struct merge *merge;
	struct text wrongs; /* members of a JSON array */
	struct blob *result;
};

void trial_begin(struct trial *trial, struct supervisor *sup);

/* Start one. provider "": the only one that imports, else none. 200, or 400, 404, 409, 503 with *why. */
int trial_start(struct trial *trial, const char *source, const char *provider, const char **why);

/* GET /api/import: how far it is, or what would change. */
struct blob *trial_json(const struct trial *trial);

/* What is in force changes: whatever runs is given up. */
void trial_cancel(struct trial *trial);
void trial_end(struct trial *trial);

#endif
