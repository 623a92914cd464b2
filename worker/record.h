/*
 * record.h - a worker's hand on the flight recorder (ipc/recorder.h)
 *
 * Once a second it notes what that second brought: upstream's figures and
 * those of the clients whose connection was worst. Every event that this
 * process logs goes there too (base/log.h).
 *
 *   owner     loop and state are borrowed until record_stop()
 *   blocking  never; a second's work is a look at each slot that was ever used
 */
#ifndef PLEXBRIDGE_WORKER_RECORD_H
#define PLEXBRIDGE_WORKER_RECORD_H

#include <ev.h>
#include <stdint.h>

#include "ipc/state.h"

/* Figures of the last look, to tell what a second brought. */
struct record {
	struct ev_loop *loop; /* NULL: it does not run */
	struct state *state;
	ev_timer second;
	uint32_t slots; /* no client has a slot from this one on */
	struct {
		uint64_t upstream_bytes, released, requests, retries, errors, segments, segments_lost, splices,
		    underruns, filler_ms;
	} before;
	struct record_client {
		uint64_t client;
		uint32_t retransmits, zero_window_ms;
	} clients[STATE_SLOTS];
};

/* Begin, with what the stream had before as what was there. One record a process. */
void record_start(struct record *record, struct ev_loop *loop, struct state *state);
void record_stop(struct record *record);

/* A client has that slot. */
void record_slot(struct record *record, uint32_t slot);

/* One second's entry, by hand: for tests. */
void record_second(struct record *record);

#endif
