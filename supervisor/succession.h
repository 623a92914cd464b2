/*
 * succession.h - what becomes of a stream whose worker ends
 *
 * The hand-over's part of a stream (stream.h). A worker that is proven dead
 * comes to succession_begin(), whatever it died of, and so does one that was
 * retired: its death is counted, the stream waits for the next one, or begins
 * anew where there was no media, and it is said once the next one has all.
 *
 *   backoff   is the source's, not the viewers': a worker that comes too soon
 *             after the last deaths adopts at once, serves what the spool holds
 *             and filler behind it, but leaves the source alone, and goes on
 *             with the channel's next one. When even such a worker dies, none
 *             is given for so long
 *   blocking  for the moment that it takes to open a file of quarantine_dir
 *
 * Not here: which deaths are crashes, and how long to wait (crash.h); who is
 * given the next worker (stream.c).
 */
#ifndef PLEXBRIDGE_SUPERVISOR_SUCCESSION_H
#define PLEXBRIDGE_SUPERVISOR_SUCCESSION_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"

struct stream;
struct streams;
struct worker;

/*
 * Its worker is proven dead; s->worker is NULL by now. What becomes of the
 * stream is decided here and nowhere else. May free s.
 */
void succession_begin(struct stream *s, const struct worker *w, int status);

/* Spool, state and clients are kept for a successor, in `wait` seconds (jitter comes on top). May free s. */
void succession_carry(struct stream *s, double wait);

/* The one line of a worker's death; handed: all that it had is a successor's now. */
void succession_log(struct stream *s, bool handed);

/* No worker for it before so many seconds have passed; and the timer's callback. */
void succession_wait(struct stream *s, double seconds);
void succession_again(struct ev_loop *loop, ev_timer *watch, int revents);

/*
 * What a tune that adopts has to say of the deaths before: which source, and
 * how long to leave it alone. _packed(): the worker has it.
 */
void succession_pack(const struct stream *s, struct msg_tune *tune);
void succession_packed(struct stream *s);

/* Hand the file for the segment that is left out to the worker, when there is one. As worker_send(). */
int succession_quarantine(struct stream *s);

/* Its worker is to be replaced, for why (static text). One that has none gets a new one anyway. */
void succession_retire(struct stream *s, const char *why);

/* Of those that are to be replaced, one at a time, each only when the one to follow it is warm. */
void succession_retire_one(struct streams *all);

/*
 * A look at its worker, once a second: does it do what its heart beats for,
 * and does it keep within its memory? paused: the machine was, nobody is to blame.
 */
void succession_watch(struct stream *s, int64_t now_ns, bool paused);

#endif
