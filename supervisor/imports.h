/*
 * imports.h - providers' lists: when they are fetched, and what becomes of them
 *
 * Each [provider] with a playlist or xtream has a list. It is fetched by
 * plexbridge-guide (errand.h), one provider at a time, checked, and merged
 * with the others' into the lineup in force (merge.h); the journal is on
 * the disk before anybody sees a number of it. A source that fails, is
 * empty or shrinks too much changes nothing: what was there stays, the
 * operator is told, and it is tried again with backoff. So is a lineup that
 * can't be made, or whose numbers can't be written down. Lists are kept in
 * state_dir, so that a restart has the last good lineup at once.
 *
 *   whole      every such provider has a list; until then there is no lineup
 *              to be shown (503), though hand-written channels can be tuned
 *   numbers    are the journal's: where there is one that can't be read, no
 *              imported channel is shown (503) until it can, and media
 *              servers keep their maps; who watches watches on
 *   streams    are not touched: who plays what is no more offered plays on,
 *              also under the next supervisor (playing.h)
 *   blocking   only at a start and a reload, which read lists from the disk
 */
#ifndef PLEXBRIDGE_SUPERVISOR_IMPORTS_H
#define PLEXBRIDGE_SUPERVISOR_IMPORTS_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include "config/config.h"
#include "ipc/list.h"
#include "supervisor/blob.h"
#include "supervisor/errand.h"
#include "supervisor/http.h"
#include "supervisor/journal.h"
#include "supervisor/merge.h"

#define IMPORTS_BACKOFF_S 10.0 /* the first; doubles up to `refresh` */
#define IMPORTS_RUN_S 330.0
#define IMPORTS_MERGE_AGAIN_S 5.0 /* a merge that failed; doubles up to the next */
#define IMPORTS_MERGE_AGAIN_MAX_S 300.0
#define IMPORTS_SCAN_S 300.0 /* a scan asks for nothing that is younger */
#define IMPORTS_SPREAD 0.1 /* of an interval, at random: not all at the same minute */
#define IMPORTS_ASKERS 8
#define IMPORTS_EXPIRES_S (7 * 86400) /* an account that ends sooner is told of */

struct supervisor;

/* One provider's. */
struct import {
	char name[64];
	struct list *list; /* the last good one; NULL: none yet */
	ev_tstamp next_at; /* loop time */
	unsigned failures; /* in a row */
	bool asked; /* by the operator: to be fetched as soon as may be */
	bool good; /* the last run */
	bool uncopied; /* the next start would begin with an older list: this one is fetched again, news or not */
	char why[IMPORT_WHY_MAX]; /* of the last run that was not */
	time_t good_at; /* wall time; 0: never, by this process */
	ev_tstamp run_at; /* loop time: the end of the last run; 0: none yet */
	unsigned wrong; /* entries of the last run that were not understood */
	uint64_t runs;
};

/* Who waits for a refresh to be over. */
struct import_asker {
	bool used;
	bool of[CONFIG_PROVIDERS_MAX]; /* whose runs it waits for */
	struct http_taken conn;
};

enum imports_state {
	IMPORTS_IDLE,
	IMPORTS_FETCHING,
	IMPORTS_CHECKING,
	IMPORTS_MERGING, /* and on: the lineup that is to come in force */
	IMPORTS_PARTING, /* of it each tuner's part is made (units.h) */
	IMPORTS_SYNCING,
	IMPORTS_STATES
};

/* Waiting for the disk, beside all else: the journal of the merge in hand. */
enum imports_sync { IMPORTS_SYNC_NONE, IMPORTS_SYNC_DUE, IMPORTS_SYNC_RUNS };

struct imports {
	struct supervisor *sup;
	struct import at[CONFIG_PROVIDERS_MAX]; /* in the order of the configuration */
	size_t count;
	bool whole;
	int dir; /* state_dir; -1: nothing can be kept */
	struct journal *journal;
	bool lost; /* there is another, which can't be read: this one, empty, stands in for it */
	enum imports_state state;
	size_t which; /* that is fetched or checked */
	struct list *candidate;
	struct errand errand;
	bool listed; /* the errand that runs has given its list, and only keeps a copy of it */
	char keeping[64]; /* the provider whose copy is to be kept when it is written; "": none's */
	struct merge *merge;
	bool written; /* the journal, of the merge in hand */
	enum imports_sync sync;
	struct imported next; /* that waits for the journal */
	bool stale; /* something changed since the merge began, or it failed */
	ev_tstamp merge_at; /* loop time; not before this is it tried again */
	double again_s; /* the wait after the next failure; 0: the last one was good */
	char why[IMPORT_WHY_MAX]; /* of the merge that failed, as long as none is good; else "" */
	bool frozen;
	bool settled; /* imports_begin() was called */
	uint32_t present_count; /* bits of present */
	uint8_t *present; /* channels of the journal that are in the lineup */
	struct merge_figures figures;
	ev_timer work, due;
	struct import_asker askers[IMPORTS_ASKERS];
	uint64_t changes; /* lineups that were put in force */
	uint64_t tunes; /* of the streams, when what plays was written down */
};

/*
 * Read the journal and the lists that were kept, and put their lineup in
 * force; the last supervisor's streams find in it what they play. Logs.
 */
void imports_begin(struct imports *imports, struct supervisor *sup);

/*
 * Another configuration is to come in force: make its lineup. Called before
 * it is, so that streams find the channels that they play. 0; else, logged, PB_ENOMEM
 * or PB_ELIMIT: it is not to come in force, and all is as before.
 */
int imports_reload(struct imports *imports, struct config *config);

/* A stream may have begun: leave what it plays to the next supervisor. */
void imports_tuned(struct imports *imports);

/* Fetch now: that provider's (NULL: all). Takes conn, and answers it when all is over; or answers at once. */
void imports_refresh(struct imports *imports, const char *provider, struct http_conn *conn);

/*
 * A client scans for channels: fetch soon what is older than IMPORTS_SCAN_S,
 * or was refused and not tried again since IMPORTS_BACKOFF_S. Gives how many
 * providers that is.
 */
size_t imports_scan(struct imports *imports);

/* Give a channel another number. 200, or 400, 404, 409, 503 with *why. */
int imports_renumber(struct imports *imports, const char *from, const char *to, const char **why);

/* GET /api/lineup: what is in it, what is absent, and how the sources are. */
struct blob *imports_json(const struct imports *imports);

/* Another supervisor takes over: write nothing more, start nothing; and go on after all. */
void imports_freeze(struct imports *imports);
void imports_thaw(struct imports *imports);

/* Who has read strings of the whole lineup is done with them for now (list_rest()). */
void imports_rest(const struct imports *imports);

/* Would this list of that provider be refused, because it shrank? Then why[size] says so. */
bool imports_too_small(const struct imports *imports, size_t which, const struct list *list, char *why, size_t size);

/* End what runs. */
void imports_end(struct imports *imports);

#endif
