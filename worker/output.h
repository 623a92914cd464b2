/*
 * output.h - the stream to a file, a pipe or a terminal: `--output -`
 *
 * What client.h is for viewers, for a worker that is run by hand. One
 * reader, from the stream's first byte on; it holds up the tail instead of
 * skipping, for nobody else is waiting.
 *
 *   blocking  never on a pipe or socket: what it can't take waits for a
 *             write event. A regular file is written as files are.
 */
#ifndef PLEXBRIDGE_WORKER_OUTPUT_H
#define PLEXBRIDGE_WORKER_OUTPUT_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/state.h"

struct output;

/* on_end: the reader is gone (err is PB_NO) or writing failed (PB_ESYS, errno). Borrows all but fd, which it takes. */
int output_new(struct output **out, struct ev_loop *loop, int spool_fd, struct state *state, int fd,
    void (*on_end)(void *arg, int err), void *arg);
void output_free(struct output **output);

/* More was released: write what can be written, at most up to offset `limit`. */
void output_service(struct output *output, uint64_t limit);

/* The next byte to write: the tail must not pass it. */
uint64_t output_at(const struct output *output);

#endif
