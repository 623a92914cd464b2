/*
 * guides.h - the guide at /xmltv.xml: fetched, made, and served
 *
 * Each provider's XMLTV sources are fetched by plexbridge-guide into files of
 * ours, as they come; out of those, and the lineup in force, another run
 * makes xmltv.xml and xmltv.xml.gz, which are put in place when they are
 * whole. So a lineup that changes has its guide in seconds, without asking
 * a provider again; and what fails leaves the guide as it was, and is tried
 * again with backoff.
 *
 *   files      state_dir/guides: one a source; xmltv.xml, xmltv.xml.gz; the
 *              same with the NAME of each [tuner NAME] that shows a part
 *   trust      the supervisor never looks into any of them; how channels were
 *              matched is bounded before it is believed
 *   blocking   never, but for opening files
 */
#ifndef PLEXBRIDGE_SUPERVISOR_GUIDES_H
#define PLEXBRIDGE_SUPERVISOR_GUIDES_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/request.h"
#include "config/config.h"
#include "supervisor/errand.h"
#include "supervisor/http.h"
#include "supervisor/text.h"
#include "supervisor/units.h"

#define GUIDES_SOURCES_MAX 16
#define GUIDES_RUN_S 1800.0
#define GUIDES_SETTLE_S 0.5 /* after a change, so that several make one guide */
#define GUIDES_BACKOFF_S 30.0
#define GUIDES_FRESH_S 3600.0 /* made anew so often, for what passed */
#define GUIDES_AGAIN_S 5.0 /* after it could not be made; doubles up to GUIDES_FRESH_S */

struct supervisor;

struct guide_source {
	char provider[64];
	unsigned which; /* of the provider's, from 0 */
	char *url; /* or the path of a file; secret */
	int shift_min;
	bool fold;
	double refresh_s;
	bool there; /* there is a file of it */
	ev_tstamp next_at;
	unsigned failures;
	char etag[128], modified[64];
	char why[IMPORT_WHY_MAX]; /* of the last run, when it failed */
};

/* How a channel's guide was found. */
struct guide_match {
	char number[GUIDE_NUMBER_MAX];
	struct import_match is;
};

/* What is served; -1: there is none yet. */
struct guide_served {
	int xml, gz;
	off_t xml_len, gz_len;
	char etag[24];
};

enum guides_state { GUIDES_IDLE, GUIDES_FETCHING, GUIDES_WRITING, GUIDES_MAKING };

/* A run that is not begun yet: its job, of which so many channels are written, and its descriptors. */
struct guide_run {
	int job; /* -1: none */
	int out[3];
	struct errand_file files[GUIDES_SOURCES_MAX + 2 * UNITS_MAX];
	size_t file_count;
	size_t next; /* channel of the lineup */
	size_t at[UNITS_MAX]; /* where each unit's part of it has got to */
};

struct guides {
	struct supervisor *sup; /* NULL: not begun */
	int dir; /* state_dir/guides; -1: nothing can be made */
	struct guide_source at[GUIDES_SOURCES_MAX];
	size_t count, which;
	enum guides_state state;
	struct errand errand;
	ev_timer due;
	bool stale, frozen;
	ev_tstamp stale_at, made_at;
	unsigned failures; /* to make it, in a row */
	struct guide_served whole, part[UNITS_MAX]; /* by unit: of those that show a part of the lineup */
	uint32_t parts; /* of the run: a bit for each such unit */
	uint64_t part_hash[UNITS_MAX]; /* of which channels it has then */
	struct guide_match *matches; /* in the lineup's order, as it was then */
	size_t match_count, match_room;
	struct guide_run run; /* while it is written */
	struct guide_match *next_matches; /* of the run */
	size_t next_count, next_room;
};

/* Serve what was made before, and begin. After imports_begin(). */
void guides_begin(struct guides *guides, struct supervisor *sup);

/* Another lineup or configuration is in force. */
void guides_changed(struct guides *guides);

/* Fetch that provider's guides (NULL: all) as soon as may be, also during a backoff. */
void guides_refresh(struct guides *guides, const char *provider);

/* GET /xmltv.xml, or .gz, of that tuner: the channels that it shows. */
void guides_answer(struct guides *guides, const struct unit *unit, struct http_conn *conn, bool gz);

/* What is known of a channel; NULL: nothing. */
const struct import_match *guides_match(const struct guides *guides, const char *guide_number);

/* Its sources, as members of a JSON array. */
void guides_show(const struct guides *guides, struct text *out);

void guides_freeze(struct guides *guides);
void guides_thaw(struct guides *guides);
void guides_end(struct guides *guides);

#endif
