/*
 * source_inside.h - what source.c and source_stream.c share, and nobody else sees
 *
 *   source.c         opens, follows a playlist, goes back to the channel's URL
 *   source_stream.c  a body that may be either, and the side of a plain stream
 */
#ifndef PLEXBRIDGE_WORKER_SOURCE_INSIDE_H
#define PLEXBRIDGE_WORKER_SOURCE_INSIDE_H

#include "base/url.h"
#include "worker/playlist.h"
#include "worker/source.h"
#include "worker/track.h"
#include "worker/variant.h"

#define BAD_TUNE_TRIES 3 /* bodies that are no playlist, or no stream, before a tune is given up */

/*
 * An address that holds a token, or a name that is given up after a while.
 * How long it was good is learnt when it ends; the next one is left for a
 * new one before.
 */
struct token {
	ev_tstamp since; /* when it was given; 0: there is none */
	double good_s; /* the age at which one was last good */
	double life_s; /* 0: not learnt */
};

enum source_what { OPENING, FOLLOWING, STREAMING, ENDED };

struct source {
	struct ev_loop *loop;
	struct fetch_pool *pool;
	const struct msg_tune *tune;
	unsigned number; /* among the channel's sources */
	char url[URL_MAX]; /* as the operator wrote it */
	struct state_figures *figures;
	char *reason;
	const struct source_ops *ops;
	void *arg;
	enum source_what what;
	struct variant_limit limit;

	struct fetch *fetch;
	ev_timer timer; /* the next load, or the next try to open */
	ev_tstamp load_start;
	ev_tstamp tune_deadline;
	bool has_media;
	unsigned open_failures; /* in a row; since the first of them, */
	ev_tstamp failing_since;
	double opens_s; /* what the channel's URL took to answer, of late; 0: not known */
	unsigned bad_bodies; /* in a row, before media */

	struct playlist master; /* kind PLAYLIST_INVALID: there is none */
	bool *excluded; /* per variant of master */
	ev_tstamp excluded_at;
	uint64_t step_bps; /* no variant that needs more, the last step found; 0: no such bound */
	int variant; /* the one that is followed, -1: the channel's URL is the media playlist */
	char media_url[URL_MAX]; /* as the master names it, or the channel's URL */
	char now_url[URL_MAX]; /* what is loaded: media_url, or where it led to */
	struct token led, opened; /* of now_url, where it isn't media_url; of media_url, where a master named it */

	struct playlist list; /* whose segments are still to be handed out */
	struct track_news news;
	size_t next; /* index in list of the next one */
	struct track track;
	bool vod; /* the list was complete when the tune began, and has been ever since */
	bool adopted; /* whether it was, its first list has to tell */
	bool discontinuity; /* in front of the next segment, whatever it says */
	bool announced; /* start() was called */
	ev_tstamp news_at; /* when something new was last listed, 0: never */
	ev_tstamp still_at; /* then, or when something was last done about that there is nothing; 0: neither */
	unsigned stills; /* how often that was, in a row */
	unsigned elsewhere; /* how often another address was asked */
	bool ask_elsewhere; /* the next time it is to be */
	bool resuming; /* the first list is searched for resume_msn */
	uint64_t resume_msn, resume_serial;
	uint64_t epoch; /* of the last segments that were new; each numbers anew */
	bool epoch_known;

	bool streaming; /* stream_begin() was called */
	bool streamed; /* media of that connection reached the spool */
	uint8_t *sniffed; /* the body of a first request that may be either */
	size_t sniffed_len, sniffed_room;
	enum { SNIFF_OPEN, SNIFF_TEXT, SNIFF_TS } sniff;
	char effective[URL_MAX]; /* of the request under way */
};

/* Tell the operator, and note it as the reason. */
void source_say(struct source *s, int level, const char *event, const char *why);

/* Before media: it is over, with that code. */
void source_fail(struct source *s, uint32_t code, const char *reason);

/* So long the channel's URL took to answer. */
void source_note_opening(struct source *s, double answer_s);

/* One more failure in a row; and the channel's URL once more, later each time. */
void source_failed_again(struct source *s);
void source_open_later(struct source *s);

/* Keep what an answer says of itself. */
void source_remember(struct source *s, const struct fetch_result *r);

/* What a failed request means for the URL that was asked. */
void source_request_failed(struct source *s, const struct fetch_result *r);

/* All of a body that should be a playlist. */
void source_body(struct source *s, const void *body, size_t len, bool cut);

/* source_stream.c: callbacks of a fetch whose body may be either (arg: the source); and forget what was kept of one. */
void source_stream_head(void *arg, const struct fetch_head *head);
int source_stream_data(void *arg, const void *buf, size_t len);
void source_stream_done(void *arg, const struct fetch_result *r);
void source_stream_forget(struct source *s);

#endif
