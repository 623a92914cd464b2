/*
 * renew.h - a fresh spool and state under connections that go on
 *
 * For a stream whose state can't be read beyond its prefix (ipc/state.h), by
 * this build or any worker of it; and for one that had no media yet on such
 * a fresh spool when its worker died. The prefix says where each client is:
 * the rest of its packet in hand is put into its slot, so that the next
 * worker finishes it, says on each PID that the counters are new
 * (discontinuity_indicator), and goes on at a key frame: just what it does for
 * a client that fell out of the window. For it did: the fresh spool begins
 * behind all that the old one ever released, so offsets never come twice.
 *
 *   trust     the old state is another process's: all of it is bounded, and a
 *             slot that can't be so costs its client the connection
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_RENEW_H
#define PLEXBRIDGE_SUPERVISOR_RENEW_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/state.h"

struct stream;

/*
 * Carry one client over: `from` is its slot in the old state, to a free one
 * in the new. fd is its connection, old_spool what it was sent from, which
 * has bytes from tail on; base is where the new spool begins. false: it can't be.
 */
bool renew_slot(
    const struct state_slot *from, struct state_slot *to, int fd, int old_spool, uint64_t tail, uint64_t base);

/*
 * Give the stream, which has no worker, fresh memory, and its clients their
 * places there. false: it can't be; the old is still there.
 */
bool renew(struct stream *s);

#endif
