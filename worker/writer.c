/*
 * writer.c - one append and one commit for whatever came in one turn
 *
 * Bytes first, commit after: what conform gives ends between access units
 * on all PIDs, so each commit is a clean edge for a successor.
 */
#include "worker/writer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/pb.h"
#include "base/ts.h"
#include "ipc/spool.h"
#include "worker/filler.h"
#include "worker/pace.h"

#define PCR_PER_MS 27000
#define RESERVE_27M INT64_C(27000000) /* a reserve worth that name: a second */
/* The clock passed the head by that much, for that long: this is no late packet but an outage. */
#define FILL_LAG_27M (200 * INT64_C(27000))
#define FILL_WAIT_NS INT64_C(250000000)
#define FILL_AHEAD_27M (400 * INT64_C(27000)) /* of what is released: four ticks */
#define FILL_JUMP_27M (500 * INT64_C(27000)) /* filler that leaves at once is no more than this */
/*
 * Media that came and waits for its other half is no outage, as long as more of it comes: interleave.c lets it go
 * after 3 s of it at the latest. A source so slow that this takes longer is one.
 */
#define HELD_NS INT64_C(3500000000)
#define FILL_AGAIN_NS INT64_C(1000000000) /* nothing to fill with was found: look again */
#define FILL_KEYS 8 /* key marks in which picture and sound are looked for */
#define FILL_READ (FILLER_PICTURE_MAX + (1u << 20))
/* The tail moves in steps, not with every tick: a hole is punched in whole blocks anyway. */
#define RECLAIM_MS 1000

struct writer {
	int spool_fd;
	struct state *state;
	struct msg_settings settings;
	const struct writer_ops *ops;
	void *arg;
	struct conform *conform;
	struct pace pace;
	struct state_upstream upstream;
	uint64_t head, released, tail, punched;
	uint64_t marks;
	int64_t head_pcr_27m, first_pcr_27m;
	int64_t reclaimed_ns, kbps_ns, fed_ns;
	uint64_t kbps_bytes;
	bool media, finished;
	bool owed; /* conform still has what the spool could not take */
	bool had_reserve; /* since the last filler: then a clock that passes the head is news */
	bool filling; /* until media goes out, not only until it joined: conform_filled() */
	uint64_t waits; /* as conform_waits(), and when that changed last: more came */
	int64_t came_ns;
	int64_t moved_27m, moved_ns; /* the head was there, since then */
	unsigned dry; /* streams that dried up alone, as was shown last */
	int64_t level_ns; /* when the stream last was not in need of filler, or could not be helped: we stood */
	int64_t looked_ns; /* for something to fill with, in vain */
	int slate_fds[MSG_SLATES_MAX]; /* -1: none */
	int64_t fill_ns; /* when this filler began */
	bool slate_tried; /* ...and for this one a slate was looked for */
	bool slate_on;
	const char *slate_news; /* NULL: none */
};

static int on_ready(void *arg);
static void learn(void *arg);

int
writer_new(struct writer **out, int spool_fd, struct state *state, const struct msg_settings *settings,
    const struct writer_ops *ops, void *arg)
{
	struct writer *w = calloc(1, sizeof(*w));
	struct conform_options options = {
		.first_dts_90k = settings->first_dts_90k, .ready = on_ready, .teach = learn, .arg = w
	};
	int err;

	if (w == NULL)
		return PB_ENOMEM;
	for (size_t i = 0; i < NITEMS(w->slate_fds); i++)
		w->slate_fds[i] = -1;
	w->spool_fd = spool_fd;
	w->state = state;
	w->settings = *settings;
	w->ops = ops;
	w->arg = arg;
	w->first_pcr_27m = w->head_pcr_27m = w->moved_27m = TS_NOTIME;
	pace_init(&w->pace, settings->burst_ms);
	/* A fresh spool may take the place of another one: then it begins where that ended (supervisor/renew.h). */
	w->head = w->released = w->tail = atomic_load(&state->tail);
	w->punched = w->tail - w->tail % SPOOL_BLOCK;
	err = conform_new(&w->conform, &options);
	if (err != 0) {
		free(w);
		return err;
	}
	*out = w;
	return 0;
}

int
writer_resume(struct writer *w, int64_t now_ns, struct state_upstream *upstream, bool *in_segment, bool *passed)
{
	struct state_snapshot *snap = malloc(sizeof(*snap));
	struct conform_snapshot from;
	int err = PB_NO;

	if (snap == NULL)
		return PB_ENOMEM;
	if (state_snapshot_read(w->state, snap) && snap->marks > 0 && snap->head > 0) {
		memcpy(&from, snap->conform, sizeof(from));
		err = conform_load(w->conform, &from);
	}
	if (err == 0) {
		w->head = snap->head;
		w->marks = snap->marks;
		w->head_pcr_27m = snap->head_pcr_27m;
		w->first_pcr_27m = snap->first_pcr_27m;
		w->upstream = *upstream = snap->upstream;
		w->released = PB_MIN(atomic_load(&w->state->released), w->head);
		w->tail = PB_MIN(atomic_load(&w->state->tail), w->released);
		w->punched = w->tail - w->tail % SPOOL_BLOCK;
		w->media = true;
		w->had_reserve = (snap->filler & STATE_HAD_RESERVE) != 0;
		w->filling = (snap->filler & STATE_FILLING) != 0 && conform_filled(w->conform);
		w->level_ns = w->fill_ns = now_ns;
		if (w->filling && (snap->filler & STATE_SLATE) != 0) /* it goes on at once */
			w->fill_ns -= (int64_t)w->settings.slate_after_ms * 1000000;
		/* Passed over: conform knows nothing of that segment, it still is at an earlier one. */
		*passed = snap->upstream.serial != from.msn;
		*in_segment = from.in_segment == 1 && !*passed;
		pace_resume(&w->pace, w->state, snap, w->released, now_ns);
	}
	free(snap);
	return err;
}

void
writer_free(struct writer **writer)
{
	if (*writer == NULL)
		return;
	for (size_t i = 0; i < NITEMS((*writer)->slate_fds); i++)
		if ((*writer)->slate_fds[i] != -1)
			close((*writer)->slate_fds[i]);
	conform_free(&(*writer)->conform);
	free(*writer);
	*writer = NULL;
}

void
writer_upstream(struct writer *w, const struct state_upstream *upstream)
{
	w->upstream = *upstream;
}

static void
commit(struct writer *w, const struct conform_output *out)
{
	struct state_snapshot *draft = state_draft(w->state);

	for (size_t i = 0; i < out->nmarks; i++) {
		const struct conform_mark *m = &out->marks[i];

		state_mark_put(w->state, draft, w->head + m->at, m->pcr_27m, m->key);
		w->head_pcr_27m = PB_MAX(w->head_pcr_27m, m->pcr_27m);
		if (w->first_pcr_27m == TS_NOTIME)
			w->first_pcr_27m = m->pcr_27m;
	}
	w->head += out->len;
	w->marks = draft->marks;
	draft->head = w->head;
	draft->head_pcr_27m = w->head_pcr_27m;
	draft->upstream = w->upstream;
	draft->anchor_ns = w->pace.anchor_ns;
	draft->anchor_pcr_27m = w->pace.anchor_pcr_27m;
	draft->burst_27m = w->pace.burst_27m;
	draft->target_27m = w->pace.target_27m;
	draft->first_pcr_27m = w->first_pcr_27m;
	draft->rate_ppm = w->pace.rate_ppm;
	draft->filler = (w->had_reserve ? STATE_HAD_RESERVE : 0u) | (w->filling ? STATE_FILLING : 0u) |
	    (w->slate_on ? STATE_SLATE : 0u);
	conform_save(w->conform, (struct conform_snapshot *)(void *)draft->conform);
	draft->conform_len = sizeof(struct conform_snapshot);
	state_commit(w->state);
}

/*
 * What conform has ready, written behind the head but not committed. Where
 * the machine has no memory for it, it stays conform's: a hole would be in
 * the stream for ever, memory comes back.
 */
static bool
take(struct writer *w, struct conform_output *out)
{
	if (!conform_take(w->conform, out))
		return false;
	w->owed = spool_write(w->spool_fd, w->head, out->data, out->len) != 0;
	if (w->owed)
		conform_give_back(w->conform);
	return !w->owed;
}

/* Append what conform has ready. The first of it goes out at once: a zap waits for no tick. */
static void
append(struct writer *w, int64_t now_ns)
{
	struct conform_output out;

	if (!take(w, &out))
		return;
	if (w->filling && !conform_filled(w->conform)) { /* media again */
		w->filling = w->slate_on = w->slate_tried = false;
		conform_fill_forget(w->conform);
	}
	commit(w, &out);
	atomic_fetch_add_explicit(&w->state->progress, out.len, memory_order_relaxed);
	if (!w->media && w->first_pcr_27m != TS_NOTIME) {
		w->media = true;
		(void)writer_tick(w, now_ns, UINT64_MAX);
		w->ops->media(w->arg);
	}
}

/* In the middle of a feed: what waits for its turn in there needs no more memory than it must. */
static int
on_ready(void *arg)
{
	struct writer *w = arg;

	append(w, w->fed_ns);
	return 0;
}

void
writer_pass(struct writer *w, const struct state_upstream *upstream)
{
	struct conform_output nothing = { 0 };

	w->upstream = *upstream;
	if (w->media && !w->owed)
		commit(w, &nothing);
}

void
writer_begin(struct writer *w, const struct conform_input *input)
{
	conform_begin(w->conform, input);
}

int
writer_feed(struct writer *w, const void *buf, size_t len, int64_t now_ns)
{
	uint64_t waits;
	int err;

	w->fed_ns = now_ns;
	err = conform_feed(w->conform, buf, len);
	append(w, now_ns);
	waits = conform_waits(w->conform);
	if (waits != w->waits)
		w->came_ns = now_ns;
	w->waits = waits;
	return err;
}

int
writer_end(struct writer *w, bool truncated, int64_t now_ns)
{
	int err;

	w->fed_ns = now_ns;
	err = conform_end(w->conform, truncated);
	append(w, now_ns);
	return err;
}

uint32_t
writer_reserve_ms(const struct writer *w)
{
	return (uint32_t)(w->pace.reserve_27m / PCR_PER_MS);
}

uint64_t
writer_offset_at(const struct writer *w, uint64_t ms)
{
	int64_t at_27m = w->first_pcr_27m + (int64_t)ms * PCR_PER_MS;
	uint64_t oldest = w->marks >= STATE_INDEX ? w->marks - STATE_INDEX + 1 : 0, found = UINT64_MAX;

	for (uint64_t n = w->marks; w->media && n > oldest; n--) {
		const struct state_mark *m = &w->state->marks[(n - 1) % STATE_INDEX];

		if ((int64_t)(atomic_load(&m->pcr_27m_key) >> 1) < at_27m)
			break;
		found = atomic_load(&m->offset);
	}
	return found <= w->released ? found : UINT64_MAX;
}

bool
writer_room(const struct writer *w)
{
	int64_t reserve_27m = w->head_pcr_27m - w->pace.position_27m;

	if (w->owed)
		return false;
	if (!w->media)
		return true;
	/* What is not released has marks still, or it could not be released in time. */
	return reserve_27m / PCR_PER_MS < (int64_t)w->settings.reserve_max_ms &&
	    w->marks - w->pace.next < STATE_INDEX / 4 * 3 && w->head - w->released < w->settings.spool_max / 4 * 3;
}

static void
reclaim(struct writer *w, uint64_t hold_at)
{
	uint64_t first = w->marks >= STATE_INDEX ? w->marks - STATE_INDEX + 1 : 0;
	int64_t edge = w->head_pcr_27m - w->pace.reserve_27m - (int64_t)w->settings.window_ms * PCR_PER_MS;
	uint64_t tail = w->tail, at;
	int64_t pcr;

	/* The window begins at a key frame: everyone who is moved there can begin there. */
	if (edge > w->first_pcr_27m && state_find_key(w->state, w->marks, edge, w->tail, w->released, &at, &pcr) &&
	    pcr <= edge)
		tail = at;
	/* spool_max is harder than the window: history goes first. */
	if (w->head - tail > w->settings.spool_max)
		tail = PB_MIN(w->released, w->head - w->settings.spool_max);
	/* Nobody may begin where no mark is left. */
	if (first > 0)
		tail = PB_MAX(tail, PB_MIN(w->released, atomic_load(&w->state->marks[first % STATE_INDEX].offset)));
	tail = PB_MIN(tail, hold_at);
	tail -= tail % TS_PACKET;
	if (tail <= w->tail)
		return;
	w->ops->before_tail(w->arg, tail);
	PB_FAULT("aside");
	w->tail = tail;
	atomic_store_explicit(&w->state->tail, tail, memory_order_release);
	PB_FAULT("tail");
	w->punched = spool_punch(w->spool_fd, w->punched, tail);
}

static void
measure(struct writer *w, int64_t now_ns)
{
	int64_t passed_ms = (now_ns - w->kbps_ns) / 1000000;

	if (passed_ms < 5000)
		return;
	if (w->kbps_ns != 0)
		atomic_store(
		    &w->state->figures.media_kbps, (uint32_t)((w->released - w->kbps_bytes) * 8 / (uint64_t)passed_ms));
	w->kbps_ns = now_ns;
	w->kbps_bytes = w->released;
}

/* Show conform what left last: the newest key pictures, until it has seen enough. */
static void
learn(void *arg)
{
	struct writer *w = arg;
	uint64_t oldest = w->marks >= STATE_INDEX ? w->marks - STATE_INDEX + 1 : 0;
	uint8_t *buf = malloc(FILL_READ);
	unsigned keys = 0;

	if (buf == NULL)
		return;
	for (uint64_t n = w->marks; n > oldest && keys < FILL_KEYS; n--) {
		const struct state_mark *m = &w->state->marks[(n - 1) % STATE_INDEX];
		uint64_t at = atomic_load(&m->offset);
		ssize_t got;

		if (at < w->tail)
			break;
		if ((atomic_load(&m->pcr_27m_key) & 1) == 0 || at >= w->head)
			continue;
		keys++;
		got = pread(w->spool_fd, buf, (size_t)PB_MIN(w->head - at, (uint64_t)FILL_READ), (off_t)at);
		if (got > 0 && conform_fill_learn(w->conform, buf, (size_t)got))
			break;
	}
	free(buf);
}

/* Does all that comes wait for its other half, and did not wait for too long? Filler now would throw it away. */
static bool
held(const struct writer *w, int64_t now_ns)
{
	return conform_waits(w->conform) != 0 && now_ns - w->came_ns < FILL_WAIT_NS && now_ns - w->moved_ns < HELD_NS;
}

/* Is there an outage that the viewer would notice now? */
static bool
in_need(struct writer *w, int64_t now_ns)
{
	int64_t lag = w->pace.position_27m - w->head_pcr_27m;

	if (w->head_pcr_27m != w->moved_27m) {
		w->moved_27m = w->head_pcr_27m;
		w->moved_ns = now_ns;
	}
	if (-lag >= RESERVE_27M)
		w->had_reserve = true;
	if (w->filling && conform_filled(w->conform)) {
		w->level_ns = now_ns;
		return !w->finished;
	}
	/*
	 * Where there is a reserve, its end is the time. A source that gives
	 * none (plain TS in real time) always is at its end: there it is when
	 * a player would stand still. Where media joined the filler and is not
	 * out yet, there is none: what was made ahead is what is left.
	 */
	if (w->finished || held(w, now_ns) ||
	    !(w->pace.dry || ((w->had_reserve || w->filling) && lag >= FILL_LAG_27M))) {
		w->level_ns = now_ns;
		return false;
	}
	return now_ns - w->level_ns >= FILL_WAIT_NS && (w->filling || now_ns - w->looked_ns >= FILL_AGAIN_NS);
}

void
writer_slates(struct writer *w, int fds[MSG_SLATES_MAX])
{
	for (size_t i = 0; i < MSG_SLATES_MAX; i++) {
		if (fds[i] == -1)
			continue;
		if (w->slate_fds[i] != -1)
			close(w->slate_fds[i]);
		w->slate_fds[i] = fds[i];
		fds[i] = -1;
	}
}

bool
writer_slate_news(struct writer *w, const char **why)
{
	*why = w->slate_news;
	w->slate_news = NULL;
	return *why != NULL;
}

/* The still has stood long enough: a slate in its place, if one is like the stream. Once for each outage. */
static void
look_for_slate(struct writer *w)
{
	const char *news = "there is none";

	w->slate_tried = true;
	for (size_t i = 0; i < NITEMS(w->slate_fds); i++) {
		if (w->slate_fds[i] == -1)
			continue;
		if (conform_fill_slate(w->conform, w->slate_fds[i]) == 0) {
			w->slate_on = true;
			w->slate_news = "";
			return;
		}
		news = "none has codec, profile and size of the stream";
	}
	w->slate_news = news;
}

/* Filler up to a little before what is due next. */
static void
fill(struct writer *w, int64_t now_ns)
{
	int64_t head_27m = w->head_pcr_27m, lag = w->pace.position_27m - head_27m;
	struct conform_output out;
	int err;

	/* That it was begun says nothing of us: another worker may have. */
	if (!w->filling || conform_fill(w->conform, head_27m) == PB_NO) {
		learn(w);
		w->looked_ns = now_ns;
	}
	if (w->filling && !w->slate_tried && w->settings.slate_after_ms > 0 &&
	    now_ns - w->fill_ns >= (int64_t)w->settings.slate_after_ms * 1000000)
		look_for_slate(w);
	/* Where the clock is far beyond the head, nobody is there: a player stood still. */
	if (lag > FILL_JUMP_27M)
		pace_draw_in(&w->pace, lag - FILL_JUMP_27M);
	err = conform_fill(w->conform, pace_position(&w->pace, now_ns) + FILL_AHEAD_27M);
	if (err != 0) {
		w->filling = false;
		return;
	}
	if (!w->filling) {
		atomic_fetch_add(&w->state->figures.fillers, 1);
		w->fill_ns = now_ns;
	}
	w->filling = true;
	w->had_reserve = false;
	if (!take(w, &out))
		return;
	commit(w, &out);
	atomic_fetch_add(&w->state->figures.filler_ms, (uint64_t)((w->head_pcr_27m - head_27m) / PCR_PER_MS));
	atomic_fetch_add_explicit(&w->state->progress, out.len, memory_order_relaxed);
}

/* A stream that dried up alone is filled as media comes; what that takes is kept no longer. */
static void
watch_dry(struct writer *w)
{
	unsigned dry = w->filling ? 0 : conform_dry(w->conform);

	if (dry == w->dry)
		return;
	w->dry = dry;
	if (dry == 0 && !w->filling)
		conform_fill_forget(w->conform);
	atomic_store(&w->state->figures.dry,
	    (dry >> ROLE_VIDEO & 1 ? DRY_VIDEO : 0u) | (dry >> ROLE_AUDIO & 1 ? DRY_AUDIO : 0u));
}

void
writer_paused(struct writer *w, int64_t now_ns)
{
	w->level_ns = w->moved_ns = now_ns;
}

bool
writer_tick(struct writer *w, int64_t now_ns, uint64_t hold_at)
{
	uint64_t released;

	if (w->owed)
		append(w, now_ns);
	if (!w->media)
		return false;
	released = pace_release(&w->pace, w->state, w->marks, w->head, w->head_pcr_27m, w->released, now_ns);
	if (!w->owed && in_need(w, now_ns)) {
		fill(w, now_ns);
		released = pace_release(&w->pace, w->state, w->marks, w->head, w->head_pcr_27m, w->released, now_ns);
	}
	if (now_ns - w->reclaimed_ns >= (int64_t)RECLAIM_MS * 1000000 || w->head - w->tail > w->settings.spool_max) {
		w->reclaimed_ns = now_ns;
		reclaim(w, hold_at);
		measure(w, now_ns);
	}
	atomic_store(&w->state->figures.underruns, w->pace.stalls);
	watch_dry(w);
	atomic_store(&w->state->figures.filling,
	    !w->filling       ? FILLING_NO
		: w->slate_on ? FILLING_SLATE
			      : FILLING_PICTURE);
	if (released == w->released)
		return false;
	w->released = released;
	atomic_store_explicit(&w->state->released, released, memory_order_release);
	PB_FAULT("released");
	atomic_fetch_add_explicit(&w->state->progress, 1, memory_order_relaxed);
	return true;
}

void
writer_finish(struct writer *w)
{
	w->finished = true;
}

bool
writer_done(const struct writer *w)
{
	return w->finished && w->released == w->head;
}

void
writer_set_start(struct writer *w, uint32_t burst_ms, uint32_t reserve_ms)
{
	pace_set_burst(&w->pace, burst_ms);
	pace_set_target(&w->pace, reserve_ms);
	atomic_store(&w->state->figures.reserve_target_ms, reserve_ms);
}

uint32_t
writer_reached_ms(const struct writer *w)
{
	return (uint32_t)(PB_MAX(w->pace.smooth_27m, 0) / PCR_PER_MS);
}

void
writer_keep_reserve(struct writer *w, uint32_t reserve_ms)
{
	pace_set_target(&w->pace, reserve_ms);
	atomic_store(&w->state->figures.reserve_target_ms, reserve_ms);
}

bool
writer_dry(const struct writer *w)
{
	return w->pace.dry;
}

bool
writer_filling(const struct writer *w)
{
	return w->filling;
}

bool
writer_owes(const struct writer *w)
{
	return w->owed;
}

bool
writer_has_media(const struct writer *w)
{
	return w->media;
}

struct conform *
writer_conform(struct writer *w)
{
	return w->conform;
}
