/*
 * units.h - the tuners that this process is: one device of the network each
 *
 * The first is [tuner], on the ports of [server] listen. Each [tuner NAME]
 * is another one, with a DeviceID, a name and a part of the lineup of its
 * own, found on its port, or under its path on the first one's ports, or
 * both: so a lineup that is too long for one tuner of Plex's is several.
 *
 *   fixed     units, their identities and ports, from the start to the end
 *   reload    all else; a unit whose section is gone answers nobody
 *   steps     a long lineup and many patterns are too much for one turn of a
 *             loop: parts can be made before their lineup comes in force
 *   tuners    are numbered by streams without a gap between devices' ranges:
 *             from `first` on, tuner_count of them
 */
#ifndef PLEXBRIDGE_SUPERVISOR_UNITS_H
#define PLEXBRIDGE_SUPERVISOR_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/request.h"
#include "config/config.h"
#include "supervisor/device.h"
#include "supervisor/tuner.h"

#define UNITS_MAX (1 + CONFIG_TUNERS_MAX)
#define UNIT_TUNERS 256 /* numbers kept for each; tuner_count is below */
#define UNIT_LARGE 480 /* channels above which Plex is said to have trouble */

struct unit {
	const struct config_tuner *config; /* in force; NULL: its section is gone */
	char label[32]; /* "" for the first */
	struct device device;
	uint16_t port; /* that is listened on for it alone; 0: none */
	int first; /* its tuner 0, as streams number them */
	struct lineup lineup; /* its part */
	bool large, none; /* of its part: said in the log, and still so */
	struct channel *own; /* where lineup isn't the whole one */
	uint64_t updates; /* lineups it had */
	struct tuner_cache cache;
};

struct units_making;

struct units {
	struct unit at[UNITS_MAX];
	size_t count; /* at least 1 */
	struct units_making *making; /* parts of a lineup that is to come in force; NULL: none is expected */
};

/* Make them as the configuration has them: without identity, channels and ports yet. */
void units_init(struct units *units, const struct config *config);

/* Load their identities from state_dir (device.h; blocks). */
void units_identify(struct units *units, const struct config *config);

/*
 * This lineup is to come in force: make the units' parts of it, in steps of
 * about so many channels, each by one pattern. Borrows both until
 * units_update(), which takes the parts, or units_forget(). PB_AGAIN: there
 * is more to do. 0: all are made for which there was memory.
 */
void units_expect(struct units *units, const struct config *config, const struct lineup *lineup);
int units_step(struct units *units, size_t count);
void units_forget(struct units *units);

/*
 * Another configuration or lineup is in force: take it up. What was not
 * expected, or is not made to its end, is made at once. Borrows both for
 * as long as no other one is. Logs a unit whose channels became too many, or none,
 * once; whole: no provider's are still to come, so that none is none. 0 or
 * PB_ENOMEM: a unit with a part of the lineup has none of it.
 */
int units_update(struct units *units, const struct config *config, const struct lineup *lineup, bool whole);

/* Let go of all. */
void units_clear(struct units *units);

/*
 * Which unit does a request mean that came in on port? A unit's path is
 * taken off: *path is what is left (within req->path). NULL: none any more.
 */
struct unit *units_find(struct units *units, uint16_t port, const struct request *req, const char **path);

/* The unit, and its own number, of a tuner as streams number them. */
const struct unit *units_of_tuner(const struct units *units, int tuner);

#endif
