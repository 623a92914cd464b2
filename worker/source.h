/*
 * source.h - which URL now: master, variant, media playlist, or plain TS
 *
 * Opens the channel's URL, finds out what it is, follows a live playlist by
 * reloading it, and says which segments to play next. A source that is plain
 * TS over HTTP is one endless segment, handed on as it comes.
 *
 *   before media   a failure that is certain is told through `failed`, once,
 *                  with the code that the waiting tunes are answered
 *   after media    nothing is certain: it goes on trying, back to the
 *                  channel's own URL when tokens or nodes are dead
 *   blocking       never
 *   logs           what it decided, with the channel; URLs redacted
 */
#ifndef PLEXBRIDGE_WORKER_SOURCE_H
#define PLEXBRIDGE_WORKER_SOURCE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"
#include "ipc/state.h"
#include "worker/fetch.h"
#include "worker/step.h"

struct source;

/* One segment to play. Strings are borrowed for the call. */
struct source_segment {
	uint32_t source; /* which of the channel's it comes from (0: url, n: backup n) */
	uint64_t epoch, msn;
	uint64_t serial; /* counts up, never repeats */
	uint32_t duration_ms;
	bool discontinuity; /* the clock or the format may jump in front of it */
	bool skip; /* never to be looked at: it crashed two workers */
	uint64_t step_bps; /* the bound of its variant (state_figures): its successor's, too, once it is in hand */
	bool newest; /* nothing behind it was listed: it may still be in the making */
	bool has_range;
	uint64_t offset, length;
	const char *url;
	const char *key_url; /* NULL: not encrypted */
	uint8_t iv[16];
};

struct source_ops {
	/* May another segment be taken? */
	bool (*room)(void *arg);
	/* Take it (copy it). 0, or PB_ENOMEM. */
	int (*segment)(void *arg, const struct source_segment *segment);
	/* Plain TS begins (again): all that follows is one segment until stream_end. */
	void (*stream_begin)(void *arg);
	/* As fetch's on_data: 0, PB_AGAIN (source_resume() later), or an error that ends this try. */
	int (*stream_data)(void *arg, const void *buf, size_t len);
	void (*stream_end)(void *arg);
	/* The window allowed to begin so far behind the edge. Called once, before the first segment. */
	void (*start)(void *arg, uint32_t behind_ms, uint32_t reserve_ms);
	/* A list that was complete from the beginning is handed out: no segment will follow. */
	void (*ended)(void *arg);
	/*
	 * Certain failure, before media: 805, 806 or 807. Nothing more comes, but
	 * after source_switch().
	 */
	void (*failed)(void *arg, uint32_t code, const char *reason);
	/* After media: its own URL can't be had, or brings nothing; it goes on trying. May be NULL. */
	void (*trouble)(void *arg, const char *reason);
	/* A playlist came that had something new. May be NULL. */
	void (*moved)(void *arg);
	/* Media still in hand. */
	uint32_t (*reserve_ms)(void *arg);
	/* Does a provider's limit count what is denied to it (supervisor/provider.h)? NULL: no. */
	bool (*counted)(void *arg);
};

/*
 * All pointers are borrowed for the source's life, strings in tune too, but
 * url. number: which of the channel's sources it is. figures and reason
 * (STATE_REASON_MAX) are what people are shown of it. 0 or PB_ENOMEM.
 */
int source_new(struct source **out, struct ev_loop *loop, struct fetch_pool *pool, const struct msg_tune *tune,
    unsigned number, const char *url, struct state_figures *figures, char *reason, const struct source_ops *ops,
    void *arg);
void source_free(struct source **source);

/*
 * Before source_open(): go on where another worker was. in_segment: that
 * segment is wanted again from its start, else the one behind it.
 */
void source_resume_at(struct source *source, const struct state_upstream *upstream, bool in_segment);

/*
 * Before source_open(): the worker before was at another source; this one
 * begins as after source_switch().
 */
void source_resume_other(struct source *source, uint64_t serial, uint32_t behind_ms);

/*
 * From now on it is another of the channel's sources, which is opened at
 * once. Its first segment is number `serial` at least, and begins behind_ms
 * behind its live edge where nothing tells better (programme times, names).
 * Not from a callback of source_ops.
 */
void source_switch(struct source *source, unsigned number, const char *url, uint64_t serial, uint32_t behind_ms);

/* Media that it listed and did not hand out, and the time since it last listed anything new. */
uint32_t source_missed_ms(const struct source *source);

/* Begin: the first request is on the wire when it returns. */
void source_open(struct source *source);

/*
 * The variants of the master that is followed, in its order, into out[max];
 * *current is the one that is played. How many; 0 when there is no choice.
 */
size_t source_variants(const struct source *source, struct step_variant *out, size_t max, size_t *current);

/*
 * Play that variant from the next segment border on, and none that needs
 * more until the next step. The segments from `serial` on that were handed
 * out (UINT64_MAX: none), dropped_ms of media, will not be played: it goes on
 * in their place. false: it can't; nothing has changed then, but that they
 * are lost.
 */
bool source_step(struct source *source, size_t variant, uint64_t serial, uint64_t dropped_ms);

/* There is room for segments again. */
void source_feed(struct source *source);

/* stream_data may take bytes again. */
void source_resume(struct source *source);

/* Media of the plain stream that comes has reached the spool: its connection was worth it. */
void source_stream_good(struct source *source);

/* The first media is out: from here on it is never `failed`. */
void source_has_media(struct source *source);

/* What it names can't be had (tokens, dead nodes): go back to the channel's URL. */
void source_reopen(struct source *source, const char *why);

/*
 * The next segment wanted is msn, as number `serial`, and the address it had
 * is dead: ask the channel's URL anew, in delay_s, and hand out from there.
 * If that was `ended`, it isn't any more. false: it has failed, nothing comes.
 */
bool source_go_back(struct source *source, uint64_t msn, uint64_t serial, double delay_s, const char *why);

/*
 * What it names can't be carried: try another variant, else fail (before
 * media) or keep trying at a slow rate.
 */
void source_refuse(struct source *source, uint32_t code, const char *why);

#endif
