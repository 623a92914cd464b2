/*
 * line_inside.h - what line.c, line_clock.c and line_media.c share, and nobody else sees
 *
 * line.c builds the line, and hears what source and failover have to say;
 * line_clock.c is what it does by the clock; line_media.c is the way of
 * the bytes.
 */
#ifndef PLEXBRIDGE_WORKER_LINE_INSIDE_H
#define PLEXBRIDGE_WORKER_LINE_INSIDE_H

#include "base/loop.h"
#include "worker/failover.h"
#include "worker/fetch.h"
#include "worker/line.h"
#include "worker/outlook.h"
#include "worker/pace.h"
#include "worker/prefetch.h"
#include "worker/quality.h"
#include "worker/quarantine.h"
#include "worker/routes.h"
#include "worker/source.h"
#include "worker/step.h"
#include "worker/tally.h"
#include "worker/vitals.h"
#include "worker/writer.h"

struct line {
	struct ev_loop *loop;
	struct msg_tune tune;
	struct state *state;
	struct resolve *resolve;
	struct fetch_pool *pool;
	struct source *source;
	struct failover *failover;
	struct prefetch *prefetch;
	struct quarantine *quarantine; /* NULL: no segment is wanted for it */
	struct writer *writer;
	const struct line_ops *ops;
	void *arg;
	struct outlook outlook;
	struct step step;
	struct tally tally;
	struct routes *routes; /* NULL: the kernel doesn't tell */
	uint64_t fed; /* bytes of media from the source */
	ev_timer tick, second;
	ev_timer hold; /* until the source may be asked */
	unsigned seconds; /* since media */
	unsigned lost, useless; /* in a row, of the source in use */
	bool hole; /* the segment before could not be had, whoever it was of */
	int data_err; /* of the segment in hand */
	uint64_t begun_at; /* the stream's head when it began: did anything come of it? */
	uint64_t gone; /* serial + 1 of a segment that the server refuses, 0: none */
	unsigned gone_times;
	ev_tstamp gone_until; /* how long it is worth asking for */
	bool media, finishing, failed;
	uint64_t connections; /* of a plain stream: each is a segment of its own */
	uint64_t next_serial; /* behind the last segment, or connection, that began */
	bool counted[MSG_SOURCES_MAX]; /* it has an account, whose denials the supervisor counts */
	unsigned feeding; /* the source whose bytes are in hand */
	uint64_t keys; /* that reached the spool from it since the last switch */
	struct vitals vitals; /* of that source */
	uint64_t vital_keys; /* key frames before what is looked at now */
	uint32_t segment_ms; /* of the one in hand */
	uint64_t segment_bytes; /* of it, so far */
	double need_bps; /* what segments really take, smoothed; 0: not known */
	bool streaming; /* a plain stream: it is looked at slice by slice */
	int64_t filler_ns; /* since when there is filler; 0: there is none */
	int64_t media_ns; /* when media last came to the spool; later by what we were paused since */
	int64_t ticked_ns;
	int64_t unlike_ns,
	    unlike_last_ns; /* since when, and when last, a source had other codecs; 0: media came since */
	char unlike[160]; /* which */
	bool again; /* the segment that `resumed` names comes once more, from its start */
	struct state_upstream resumed;
	/* Loop times of a tune's way to its picture; 0: not yet. */
	ev_tstamp opened_at, playlist_at, segment_at;
	bool phases_said;
	uint32_t dry; /* enum state_dry, as was said */
	bool owes; /* it was said that the spool is full */
};

/* CLOCK_MONOTONIC. */
int64_t line_now_ns(void);

/* Callbacks of its timers: every PACE_TICK_S, every second, and when hold_ms is over. */
void line_tick(struct ev_loop *loop, ev_timer *w, int revents);
void line_second(struct ev_loop *loop, ev_timer *w, int revents);
void line_held(struct ev_loop *loop, ev_timer *w, int revents);

/* How far a tune came, and in which time: for plexbridgectl why. Once; why is NULL when it has a picture. */
void line_say_phases(struct line *l, const char *why);

/* What failed in this second, into the recorder. */
void line_record_trouble(struct line *l);

/* How upstream is at this moment, and its account with the source in use. */
struct outlook_look line_outlook(struct line *l);
void line_tally(struct line *l, const struct outlook_look *look);

/* A way that carries so many streams like this one: so many segments at once, and one more. */
void line_spread_over(struct line *l, double carried);

/* A segment, or a slice of an endless one, begins; and is over: is its source still a channel? */
void line_examine_begin(struct line *l);
void line_examine_end(struct line *l, uint32_t duration_ms, bool slice);

/* Media that is ready and not released, in milliseconds. arg: the line, as in the ops of its stations. */
uint32_t line_reserve_ms(void *arg);

/* The source's side of a plain stream (worker/source.h), and prefetch's of segments. */
void line_stream_begins(void *arg);
int line_stream_feeds(void *arg, const void *buf, size_t len);
void line_stream_ends(void *arg);
extern const struct prefetch_ops line_prefetch_ops;

#endif
