/*
 * history.h - what is remembered of each channel, for plexbridgectl why
 *
 * Two things: the events of ours that name the channel (client.open and
 * .close, worker.death, stream.failed, tune.refused...), taken from the log
 * as they are written; and the flight recorder (ipc/recorder.h) of each
 * stream that is over, a failed tune's too. A stream that runs has its
 * recorder in its state.
 *
 *   bounds    those of the archive (archive.h), whoever's it is; of a channel
 *             the last HISTORY_EVENTS events and HISTORY_STREAMS streams are
 *             shown
 *   trust     what a worker recorded is bounded when it is copied, and is
 *             text for people after that: nobody here acts on it
 *   NULL      instead of a history is one that knows nothing
 *   life      the archive's: with a holder it outlives this process
 *   blocking  never; what is asked for is looked for in all of the archive
 */
#ifndef PLEXBRIDGE_SUPERVISOR_HISTORY_H
#define PLEXBRIDGE_SUPERVISOR_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/state.h"
#include "supervisor/blob.h"

#define HISTORY_EVENTS 1024
#define HISTORY_STREAMS 8
#define HISTORY_SINCE_MAX_S 86400

struct history;

/* Gives *out; from now on it takes its events from the log (log_tap). 0, PB_ENOMEM, PB_ESYS. */
int history_new(struct history **out);
void history_free(struct history **history);

/*
 * Go on with what a former supervisor remembered: fd is its archive's, which
 * is taken; -1: there is none. What was remembered here until now comes
 * behind. false: it can't be, and this one goes on by itself.
 */
bool history_go_on(struct history *history, int fd);

/* The archive's descriptor, for the holder; it stays the history's. */
int history_fd(const struct history *history);

/* An event of that channel. What history_new() has log_tap() call, by hand. */
void history_event(struct history *history, int level, const char *event, const char *pairs);

/* A stream is over, or a worker's try at it: keep a copy of its recorder. NULL history: do nothing. */
void history_keep(struct history *history, const char *guide_number, uint64_t stream, const struct state *state);

/* A stream that runs, for history_json(). */
struct history_running {
	uint64_t stream;
	const struct state *state; /* NULL: none yet */
	const char *state_name;
};

/*
 * GET /api/recorder: all that is known of a channel's last since_s seconds
 * (plexbridgectl(1), FLIGHT RECORDER). name: of the channel, "" for none;
 * running: NULL when it does not. NULL: no memory.
 */
struct blob *history_json(const struct history *history, const char *guide_number, const char *name,
    const struct history_running *running, uint32_t since_s);

/* Is anything remembered of it? */
bool history_knows(const struct history *history, const char *guide_number);

#endif
