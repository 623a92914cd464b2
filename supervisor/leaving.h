/*
 * leaving.h - channels that are watched, and offered no more
 *
 * What a provider drops plays on for as long as it is watched: its channel is
 * kept beside the lineup (struct imported, `leaving`), where a stream and the
 * worker after its worker find it, and nobody else. What the operator wrote
 * and takes out, or whose provider, is not kept: its stream is to end.
 *
 *   copies    theirs is the arena of the lineup that they leave; what there
 *             is no memory for leaves at once
 *   outlives  the next supervisor gets them through the holder (playing.h)
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_LEAVING_H
#define PLEXBRIDGE_SUPERVISOR_LEAVING_H

#include "config/config.h"

struct supervisor;

/*
 * A lineup is to come in force, with config, in place of the one in force:
 * keep in it what is watched and in it no more. config and the one in force
 * may be the same.
 */
void leaving_keep(const struct supervisor *sup, const struct config *config, struct imported *to);

/* Leave what plays by config to the next supervisor, which could not make it itself. Logs. */
void leaving_note(struct supervisor *sup, const struct config *config);

/* Keep in the lineup in force what the last supervisor left, as far as it has a stream. Logs. */
void leaving_take(struct supervisor *sup);

#endif
