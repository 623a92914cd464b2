/*
 * sources.h - which of a channel's sources it is played from, and when another
 *
 * One explicit state machine for all that makes a stream change its source:
 * before media, when a source has certainly failed or keeps a viewer waiting;
 * afterwards, when media stands, early enough that a backup has its media
 * here before the reserve is spent; and back to a better one when that has
 * been good for long enough. Events and time go in, one decision comes out.
 *
 *   in use -> failed -> next: trying -> in use (key frames with advancing
 *                        ^         v     times reached the spool)
 *                        +- failed +
 *
 *   order     url, backup1, backup2, ...: those that did not fail lately
 *             first, in their order; then the one whose failure is oldest
 *   doubt     what justifies trying a backup, and no more: it is tried only
 *             while there is reserve for it, and given up for the doubted
 *             one again when it brings nothing
 *   limited   a source whose account counts streams is never asked only to
 *             see whether it is good: it is gone back to when its time has
 *             come, and left again if it isn't
 *
 * Pure: no I/O, no clock; times are of one monotonic clock, in milliseconds,
 * never 0. Memory of who was good when may come from a predecessor.
 *
 * Not here: how a source is opened (worker/source.h), what is wrong with
 * what it sends (worker/vitals.h), who carries decisions out (worker/failover.h).
 */
#ifndef PLEXBRIDGE_WORKER_SOURCES_H
#define PLEXBRIDGE_WORKER_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"
#include "ipc/state.h"

#define SOURCES_OPEN_MS 2500 /* what opening a backup takes: begin it when no more than this is in hand */
#define SOURCES_TRY_MIN_MS 4000 /* what a source is given to bring media, while others are left */
#define SOURCES_TUNE_MIN_MS 2000 /* likewise while a viewer waits for the first picture */
#define SOURCES_TARGET_MS 2000 /* a target duration, where none is told */
#define SOURCES_DOUBT_MS 600000 /* so long a doubt is remembered */
#define SOURCES_FORGIVE_MS 60000 /* a failure so old doesn't count against a source that is chosen */
#define SOURCES_ROUND_MS 1000 /* the pause when all have failed in a row; doubles */
#define SOURCES_ROUND_MAX_MS 10000

/* What there is to play from. Strings are owned by who made the list. */
struct sources_list {
	unsigned count; /* at least 1 */
	struct {
		char *url;
		struct msg_account of;
		struct msg_request *request; /* what requests to it say; NULL: as to the first */
	} at[MSG_SOURCES_MAX];
};

struct sources_one {
	struct msg_account of;
	enum state_source_health health;
	uint32_t failures, row;
	int64_t tried_ms, failed_ms, doubt_ms; /* 0: never */
	int64_t not_before_ms; /* its provider is not to be asked, or has no slot */
	int64_t probed_ms; /* when it was last seen not to be good, while another was in use */
	int64_t probe_after_ms; /* it said that it is not to be looked at before; 0: nothing */
};

struct sources {
	unsigned count;
	struct sources_one at[MSG_SOURCES_MAX];
	unsigned now; /* the one that is in use, or tried */
	bool media; /* the stream has had media */
	bool trying; /* `now` has brought none yet */
	bool certain; /* it said that it can't, and nothing came since */
	bool given_up;
	unsigned failed_row; /* sources that failed since one was good */
	int64_t since_ms; /* `now` was begun with */
	int64_t good_ms; /* since when it has been good; 0: it isn't */
	int64_t until_ms; /* ...trying, it has until then; 0: for as long as it takes */
	int64_t tune_until_ms;
	int64_t pause_ms; /* all have failed: nobody else before */
	int probe; /* this one is being looked at, to go back to; -1: none */
	int64_t probe_good_ms; /* since when it has been good; 0: not yet */
	uint32_t return_after_ms;
};

/* How the stream stands now. */
struct sources_look {
	int64_t now_ms;
	uint32_t target_ms; /* of the playlist, 0: not known */
	uint32_t reserve_ms; /* media in hand */
	uint32_t standing_ms; /* since media last came to the spool; 0 while no more is wanted */
};

enum sources_act {
	SOURCES_STAY,
	SOURCES_SWITCH, /* to `to` */
	SOURCES_PROBE, /* look whether `to` is good, without playing it */
	SOURCES_GIVE_UP, /* before media: none is left */
};

struct sources_answer {
	enum sources_act act;
	unsigned to;
	bool back; /* to a better one, which was good long enough */
	const char *why; /* static text, or what the caller gave; NULL: nothing to say */
};

/*
 * Begin a stream with source `first`; media: it runs already, and `first`
 * goes on. tune_ms: how long a viewer waits for the first picture.
 */
void sources_init(struct sources *s, const struct sources_list *list, unsigned first, bool media,
    uint32_t return_after_ms, uint32_t tune_ms, int64_t now_ms);

/* What a predecessor remembered of source n (times in the same clock), before anything else is said. */
void sources_recall(struct sources *s, unsigned n, const struct sources_one *was);

/* Time passes. To be called a few times a second. */
struct sources_answer sources_tick(struct sources *s, const struct sources_look *look);

/* A key frame and media behind it came from the source in use. */
void sources_good(struct sources *s, int64_t now_ms);

/*
 * The source in use has failed: certainly, as far as it says itself (before
 * media that is final; later it is believed when the reserve asks for it),
 * or by what it sends (vital: final at once). why is kept in the answer.
 */
struct sources_answer sources_certain(struct sources *s, const struct sources_look *look, const char *why);
struct sources_answer sources_vital(struct sources *s, const struct sources_look *look, const char *why);

/* It may not be what it should be: is it worth trying another? */
struct sources_answer sources_doubt(struct sources *s, const struct sources_look *look, const char *why);

/* A switch can't be carried out: there is no slot for it. The one in use goes on. */
void sources_refused(struct sources *s, unsigned n, unsigned back_to, int64_t now_ms);

/* The sources of that account may not be asked for so long (0: they may). */
struct sources_answer sources_held(
    struct sources *s, const struct sources_look *look, uint32_t account, uint32_t wait_ms);

/*
 * The one that is looked at (probe) was good just now, or was not. wait_ms:
 * it said when to come back; 0: it did not. It is tried earlier all the same
 * where nobody else is left.
 */
void sources_probed(struct sources *s, bool good, uint32_t wait_ms, int64_t now_ms);

/* The account turned out to count connections: its sources are limited, too. */
void sources_counts(struct sources *s, uint32_t account);

#endif
