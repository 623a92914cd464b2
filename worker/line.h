/*
 * line.h - the whole line of one channel: source to released bytes
 *
 * Puts the stations together in their order (design/architecture.md, "The
 * worker's line") and holds the clocks: a tick of PACE_TICK_S that releases
 * and reclaims, a second that measures. Who the bytes go to is not its
 * business: main.c serves clients or writes a file.
 *
 *   blocking  never
 *   owner     spool, state and loop are borrowed
 */
#ifndef PLEXBRIDGE_WORKER_LINE_H
#define PLEXBRIDGE_WORKER_LINE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"
#include "ipc/state.h"
#include "worker/resolve.h"
#include "worker/sources.h"

struct line;

struct line_ops {
	/* A key frame is released: viewers can be served. Once. */
	void (*media)(void *arg);
	/* More was released. */
	void (*released)(void *arg);
	/* The window's beginning is about to move. */
	void (*before_tail)(void *arg, uint64_t new_tail);
	/* What the tail must not pass, UINT64_MAX for nothing. */
	uint64_t (*hold_at)(void *arg);
	/* Certain failure before media: 805, 806, 807. The line does nothing more. */
	void (*failed)(void *arg, uint32_t code, const char *reason);
	/*
	 * All that can be had has other codecs than the running stream, and filler
	 * ran for as long as others were worth trying. The line does nothing more.
	 */
	void (*unlike)(void *arg, const char *reason);
	/* A source that has an end was played to it. */
	void (*ended)(void *arg);
	/* For the supervisor: a slot of source n's provider (worker/link.h), and what a provider answered. */
	void (*want_slot)(void *arg, unsigned n, bool want);
	void (*report)(void *arg, const struct msg_limit_report *report);
};

/*
 * Takes a copy of tune; list (its strings for the line's life), resolve, ops and the rest are borrowed. With
 * tune->adopt it goes on from the commit in state, and has media from the
 * beginning (`media` is not called). 0 or an error: PB_NO and PB_EFORMAT
 * when there is no commit to go on from.
 */
int line_new(struct line **out, struct ev_loop *loop, struct resolve *resolve, const struct msg_tune *tune,
    const struct sources_list *list, int spool_fd, struct state *state, const struct line_ops *ops, void *arg);
void line_free(struct line **line);

/* The segment that the tune leaves out is to be fetched into fd, which is taken. Before line_open(). */
void line_quarantine(struct line *line, const struct msg_quarantine *msg, int fd);

/* What may stand in for its media (MSG_S_SLATE); takes those that are not -1, and leaves -1. Before line_open(). */
void line_slates(struct line *line, int fds[MSG_SLATES_MAX]);

/*
 * Begin: the first request is on the wire when it returns, or, with
 * tune->hold_ms, when that is over; what is there is released meanwhile.
 */
void line_open(struct line *line);

/* What the supervisor says of slots and limits. */
void line_slot(struct line *line, unsigned n, bool granted);
void line_limit(struct line *line, const struct msg_limit *limit);

/* As writer_offset_at(). */
uint64_t line_offset_at(const struct line *line, uint64_t ms);

#endif
