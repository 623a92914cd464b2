/*
 * track.c - how the promise in track.h is kept
 *
 * The number decides, as RFC 8216 6.3.4 has it, as long as the entries that
 * two windows share by number are the same by name too. When they are not,
 * the windows are laid over each other by name: as a window slides, the
 * end of the old one is the beginning of the new one. Two entries must
 * match before names are believed, and names must tell entries apart: a
 * slate that loops one file has rising numbers and one name.
 *
 * When neither numbers nor names agree, one more load decides: if the list
 * comes again it is a new beginning; if the names changed again they are
 * tokens, and from then on only numbers count.
 */
#include "worker/track.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"

#define OTHER_CLOCK_MS 600000 /* another source whose dates differ by more has another idea of time */
#define CONFIRM_MS 300
#define CONFIRM_BELOW 20 /* a lesser step back may be two nodes of one CDN that disagree */
#define NODES_APART 5 /* segments */
#define IN_A_ROW 3 /* bad or stale bodies before something is done about it */
#define INTERVAL_MIN_MS 500
#define INTERVAL_MAX_MS 10000
#define URGENT_MS 1000 /* interval when the reserve runs out, and for an empty list */
#define NAMES_MATCH 2

enum name_part { BY_PATH, BY_URI };

static int stale(struct track *track, struct track_mark *marks, struct track_news *news);
static size_t overlap_by(const struct track *track, const struct track_mark *marks, size_t count, enum name_part part);
static size_t overlap_by_name(const struct track *track, const struct track_mark *marks, size_t count);

void
track_init(struct track *track)
{
	memset(track, 0, sizeof(*track));
}

void
track_clear(struct track *track)
{
	free(track->window);
	track_init(track);
}

/* FNV-1a. Who makes names collide on purpose spoils his own channel only. */
static uint64_t
hash_more(uint64_t h, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t
hash(const char *s, size_t len)
{
	uint64_t h = hash_more(UINT64_C(0xcbf29ce484222325), s, len);

	return h != 0 ? h : 1;
}

static struct track_mark
mark_of(const struct playlist_segment *s)
{
	struct url_path path = url_path(s->uri);
	const char *slash = path.len > 0 ? memrchr(path.at, '/', path.len) : NULL;
	const char *name = slash != NULL ? slash + 1 : path.at;
	struct track_mark mark = {
		.path = hash(path.at, path.len),
		.name = hash(name, path.len - (size_t)(name - path.at)),
		.uri = hash(s->uri, strlen(s->uri)),
		.duration_ms = s->duration_ms,
	};

	if (s->has_range) { /* one file, many ranges: the range is part of the name */
		mark.path = hash_more(mark.path, &s->offset, sizeof(s->offset));
		mark.name = hash_more(mark.name, &s->offset, sizeof(s->offset));
		mark.uri = hash_more(mark.uri, &s->offset, sizeof(s->offset));
	}
	return mark;
}

/* Marks of all segments, at least one byte of them. Gives *out. */
static int
list_marks(const struct playlist *pl, struct track_mark **out)
{
	*out = calloc(pl->segment_count + 1, sizeof(**out));
	if (*out == NULL)
		return PB_ENOMEM;
	for (size_t i = 0; i < pl->segment_count; i++)
		(*out)[i] = mark_of(&pl->segments[i]);
	return 0;
}

static uint64_t
media_ms(const struct playlist *pl, size_t from)
{
	uint64_t sum = 0;

	for (size_t i = from; i < pl->segment_count; i++)
		if (!pl->segments[i].gap)
			sum += pl->segments[i].duration_ms;
	return sum;
}

/* The first segment such that at least wanted_ms are behind its start, or the first that has media. */
static size_t
start_index(const struct playlist *pl, uint64_t wanted_ms)
{
	uint64_t sum = 0;
	size_t first = pl->segment_count;

	for (size_t i = pl->segment_count; i-- > 0;) {
		if (pl->segments[i].gap)
			continue;
		first = i;
		sum += pl->segments[i].duration_ms;
		if (sum >= wanted_ms)
			break;
	}
	return first;
}

/*
 * Programme time of each segment's start, counted from the nearest date
 * before it, else from the first one behind it. false: there is no date.
 */
static bool
programme_times(const struct playlist *pl, int64_t *times)
{
	size_t n = pl->segment_count;
	size_t first = 0;
	int64_t t;

	while (first < n && !pl->segments[first].has_pdt)
		first++;
	if (first == n)
		return false;
	t = pl->segments[first].pdt_ms;
	for (size_t i = first; i < n; i++) {
		if (pl->segments[i].has_pdt)
			t = pl->segments[i].pdt_ms;
		times[i] = t;
		t += pl->segments[i].duration_ms;
	}
	for (size_t i = first; i-- > 0;)
		times[i] = times[i + 1] - pl->segments[i].duration_ms;
	return true;
}

/* Remember pl as the last good window; takes marks. */
static void
keep_window(struct track *track, const struct playlist *pl, struct track_mark *marks)
{
	free(track->window);
	track->window = marks;
	track->window_count = pl->segment_count;
	track->first_msn = pl->media_sequence;
	track->target_ms = pl->target_ms;
	if (pl->segment_count > 0)
		track->last_ms = pl->segments[pl->segment_count - 1].duration_ms;
	track->doubt = 0;
	track->bad = 0;
	track->stale = 0;
	track->started = true;
}

/* Hand out everything from index first on, and remember where that ends. */
static int
hand_out(struct track *track, const struct playlist *pl, size_t first, struct track_news *news)
{
	size_t n = pl->segment_count;
	int64_t *times = calloc(n + 1, sizeof(*times));

	if (times == NULL)
		return PB_ENOMEM;
	track->has_played_pdt = programme_times(pl, times);
	if (track->has_played_pdt && n > 0)
		track->played_pdt_ms = times[n - 1] + pl->segments[n - 1].duration_ms;
	free(times);
	news->what = TRACK_NEW;
	news->first = first;
	news->count = n - first;
	news->epoch = track->epoch;
	news->serial = track->next_serial;
	news->behind_ms = media_ms(pl, first);
	news->discontinuity |= track->anew;
	track->anew = false;
	track->next_serial += news->count;
	track->top_msn = pl->media_sequence + n - 1;
	track->endlists = PB_MIN(track->endlists, 1U); /* an end behind which there is something new is none */
	return 0;
}

/* Hand out from index `first` of pl on, if that is inside, and keep pl as the window. Takes marks. */
static int
begin(struct track *track, const struct playlist *pl, struct track_mark *marks, size_t first, struct track_news *news)
{
	int err;

	if (first < pl->segment_count) {
		err = hand_out(track, pl, first, news);
		if (err != 0) {
			free(marks);
			return err;
		}
	} else if (pl->segment_count > 0) {
		news->what = TRACK_UNCHANGED;
		track->top_msn = pl->media_sequence + pl->segment_count - 1;
	} else {
		news->what = TRACK_EMPTY;
	}
	keep_window(track, pl, marks);
	return 0;
}

int
track_start(
    struct track *track, const struct playlist *pl, uint32_t burst_ms, uint32_t reserve_ms, struct track_news *news)
{
	struct track_mark *marks;
	int err;

	pb_assert(pl->kind == PLAYLIST_MEDIA);
	memset(news, 0, sizeof(*news));
	track_clear(track);
	err = list_marks(pl, &marks);
	if (err != 0)
		return err;
	track->wanted_ms = burst_ms + reserve_ms >= burst_ms ? burst_ms + reserve_ms : UINT32_MAX;
	track->endlists = pl->endlist;
	news->endlist = pl->endlist;
	news->epoch = track->epoch;
	return begin(track, pl, marks, start_index(pl, pl->endlist ? UINT64_MAX : track->wanted_ms), news);
}

/* Where a successor begins in pl; what it says of that stands in news. */
static size_t
resume_index(const struct playlist *pl, uint64_t msn, uint32_t behind_ms, struct track_news *news)
{
	uint64_t end = pl->media_sequence + pl->segment_count;

	if (msn >= pl->media_sequence && msn <= end)
		return (size_t)(msn - pl->media_sequence);
	news->discontinuity = true;
	if (msn > end) {
		news->restart = true;
		return start_index(pl, behind_ms);
	}
	news->lost = pl->media_sequence - msn;
	return 0;
}

int
track_resume(struct track *track, const struct playlist *pl, uint64_t msn, uint64_t serial, uint32_t behind_ms,
    struct track_news *news)
{
	uint64_t end = pl->media_sequence + pl->segment_count;
	struct track_mark *marks;
	int err;

	pb_assert(pl->kind == PLAYLIST_MEDIA);
	memset(news, 0, sizeof(*news));
	track_clear(track);
	news->endlist = pl->endlist;
	err = list_marks(pl, &marks);
	if (err != 0)
		return err;
	if (pl->segment_count > 0 && msn > end && msn - end <= NODES_APART) {
		track->target_ms = pl->target_ms;
		track->last_ms = pl->segments[pl->segment_count - 1].duration_ms;
		return stale(track, marks, news);
	}
	track->wanted_ms = behind_ms;
	track->next_serial = serial;
	return begin(track, pl, marks, resume_index(pl, msn, behind_ms, news), news);
}

/* Do entries that both windows have by number bear the same names? *names: their last parts do. */
static bool
numbers_agree(const struct track *track, const struct playlist *pl, const struct track_mark *marks, bool *names)
{
	uint64_t old = track->first_msn;
	uint64_t old_end = old + track->window_count;
	uint64_t from = PB_MAX(old, pl->media_sequence);
	uint64_t to = PB_MIN(old_end, pl->media_sequence + pl->segment_count);
	bool agree = true;

	*names = true;
	for (uint64_t msn = from; msn < to; msn++) {
		const struct track_mark *a = &track->window[msn - old];
		const struct track_mark *b = &marks[msn - pl->media_sequence];

		agree = agree && a->path == b->path && a->duration_ms == b->duration_ms;
		*names = *names && a->name == b->name;
	}
	return agree;
}

static bool
same_numbers(const struct track *track, const struct playlist *pl)
{
	return pl->media_sequence == track->first_msn && pl->segment_count == track->window_count;
}

/* An older state of the window. Takes marks. */
static int
stale(struct track *track, struct track_mark *marks, struct track_news *news)
{
	free(marks);
	track->doubt = 0;
	news->what = TRACK_STALE;
	news->other_node = ++track->stale >= IN_A_ROW;
	return 0;
}

/* Another source's clock may be anything: far from what was played, it says nothing. */
static bool
clocks_agree(const struct track *track, const int64_t *times, size_t n)
{
	return n > 0 && (!track->other || llabs(times[n - 1] - track->played_pdt_ms) < OTHER_CLOCK_MS);
}

/* Have both windows an entry of the same number, and are the names of all such the same? */
static bool
counts_alike(const struct track *track, const struct playlist *pl, const struct track_mark *marks)
{
	bool names;

	if (pl->media_sequence >= track->first_msn + track->window_count ||
	    track->first_msn >= pl->media_sequence + pl->segment_count)
		return false;
	(void)numbers_agree(track, pl, marks, &names);
	return names;
}

/* Where a list that begins anew is taken up, and what that is known from. */
struct restart_place {
	size_t first; /* segment_count: all of it was played */
	bool caught_up; /* ...to its end, and no further: what comes next is new */
	bool behind; /* ...and more than it has: a node behind, by the numbers of what was handed out */
};

/*
 * By number, after a change of variant or source. false: numbers don't tell.
 * A list that ends before what was handed out is a node behind when it names
 * its segments alike, or is behind by so little as nodes are.
 */
static bool
place_by_number(
    const struct track *track, const struct playlist *pl, const struct track_mark *marks, struct restart_place *place)
{
	uint64_t next = track->top_msn + 1, end = pl->media_sequence + pl->segment_count;

	if (!track->restarting || next < pl->media_sequence || end <= track->first_msn)
		return false;
	if ((track->other || next > end + NODES_APART) && !counts_alike(track, pl, marks))
		return false;
	place->first = (size_t)(PB_MIN(next, end) - pl->media_sequence);
	place->caught_up = next == end;
	place->behind = next > end;
	return true;
}

/* By programme time. How far behind a list is that has nothing new, numbers know better; they are in *place. */
static void
place_by_time(const struct track *track, const struct playlist *pl, const int64_t *times, struct restart_place *place)
{
	size_t n = pl->segment_count, i = 0;

	while (i < n && times[i] + pl->segments[i].duration_ms / 2 < track->played_pdt_ms)
		i++;
	place->first = i;
	if (i == n && times[n - 1] + (int64_t)pl->segments[n - 1].duration_ms * 3 / 2 >= track->played_pdt_ms)
		place->caught_up = true;
}

/*
 * Where to begin anew in pl: behind what was already played where programme
 * times tell (4.3 rule 7); after a change of variant by number, since
 * variants of one master mostly count alike (other sources don't, unless
 * their names are the same, too); else as far behind the edge as a tune
 * would. 0 or PB_ENOMEM.
 */
static int
restart_place(
    const struct track *track, const struct playlist *pl, const struct track_mark *marks, struct restart_place *place)
{
	size_t n = pl->segment_count;
	int64_t *times = calloc(n + 1, sizeof(*times));
	bool numbered;

	if (times == NULL)
		return PB_ENOMEM;
	memset(place, 0, sizeof(*place));
	numbered = place_by_number(track, pl, marks, place);
	if (track->has_played_pdt && programme_times(pl, times) && clocks_agree(track, times, n))
		place_by_time(track, pl, times, place);
	else if (!numbered)
		place->first = start_index(pl, pl->endlist ? UINT64_MAX : track->wanted_ms);
	free(times);
	return 0;
}

/* The window is pl from now on, under an epoch of its own. Takes marks. */
static void
renumber(struct track *track, const struct playlist *pl, struct track_mark *marks, struct track_news *news)
{
	track->restarting = track->other = false;
	track->epoch++;
	news->epoch = track->epoch;
	keep_window(track, pl, marks);
}

/*
 * Begin anew in pl. Takes marks. A list that was played to its end has
 * nothing new, however often it comes. One that ended before that by its own
 * clock is a node behind; after some of them it is a clock that was set
 * back, and believed, unless its numbers say that it is a node behind.
 */
static int
restart_in(struct track *track, const struct playlist *pl, struct track_mark *marks, struct track_news *news)
{
	struct restart_place place;
	int err = restart_place(track, pl, marks, &place);

	if (err == 0 && place.first == pl->segment_count) {
		if (!place.caught_up && (place.behind || track->stale + 1 < IN_A_ROW))
			return stale(track, marks, news);
		if (place.caught_up) {
			news->what = TRACK_UNCHANGED;
			track->top_msn = pl->media_sequence + pl->segment_count - 1;
			track->anew = true;
			renumber(track, pl, marks, news);
			return 0;
		}
		place.first = start_index(pl, track->wanted_ms);
		if (place.first == pl->segment_count) { /* gaps only */
			free(marks);
			news->what = TRACK_EMPTY;
			return 0;
		}
	}
	if (err == 0)
		err = hand_out(track, pl, place.first, news);
	if (err != 0) {
		free(marks);
		return err;
	}
	news->restart = true;
	news->discontinuity = true;
	renumber(track, pl, marks, news);
	return 0;
}

/* What is new lies behind index `first`. Takes marks. */
static int
go_on(struct track *track, const struct playlist *pl, struct track_mark *marks, size_t first, struct track_news *news)
{
	if (first >= pl->segment_count) {
		news->what = TRACK_UNCHANGED;
	} else {
		int err;

		/* Numbers that were handed out may not be handed out again under one epoch. */
		if (pl->media_sequence + first <= track->top_msn && track->next_serial > 0)
			track->epoch++;
		err = hand_out(track, pl, first, news);
		if (err != 0) {
			free(marks);
			return err;
		}
	}
	keep_window(track, pl, marks);
	return 0;
}

/* Does the list hold the entry that is in doubt? A list that lives on still does after 300 ms. */
static bool
comes_again(const struct track *track, const struct track_mark *marks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (marks[i].path == track->doubt)
			return true;
	return false;
}

/* Ask for a second load of this list. Takes marks. */
static int
doubt(struct track *track, struct track_mark *marks, size_t count, struct track_news *news)
{
	track->doubt = marks[count - 1].path;
	free(marks);
	news->what = TRACK_CONFIRM;
	return 0;
}

/* A body that is no media playlist. */
static void
refuse(struct track *track, const struct playlist *pl, struct track_news *news)
{
	news->what = TRACK_BAD;
	news->resolve = track_failed(track) || pl->kind == PLAYLIST_MASTER;
}

/* The windows have no number in common, and names don't help. Takes marks. */
static int
apart(struct track *track, const struct playlist *pl, struct track_mark *marks, struct track_news *news)
{
	uint64_t old_last = track->first_msn + track->window_count - 1;
	uint64_t new_last = pl->media_sequence + pl->segment_count - 1;

	if (pl->media_sequence > old_last) {
		news->lost = pl->media_sequence - old_last - 1;
		news->discontinuity = news->lost > 0;
		return go_on(track, pl, marks, 0, news);
	}
	if (old_last - new_last < CONFIRM_BELOW && track->doubt == 0)
		return doubt(track, marks, pl->segment_count, news);
	return restart_in(track, pl, marks, news); /* any second body that is below confirms it */
}

/* The windows share numbers, and these can be trusted. Takes marks. */
static int
together(struct track *track, const struct playlist *pl, struct track_mark *marks, struct track_news *news)
{
	uint64_t old_last = track->first_msn + track->window_count - 1;
	uint64_t new_last = pl->media_sequence + pl->segment_count - 1;

	if (new_last < old_last)
		return stale(track, marks, news);
	return go_on(track, pl, marks, (size_t)(old_last + 1 - pl->media_sequence), news);
}

int
track_update(struct track *track, const struct playlist *pl, struct track_news *news)
{
	struct track_mark *marks;
	uint64_t old_end, new_end;
	size_t overlap;
	bool agree, names, share;
	int err;

	memset(news, 0, sizeof(*news));
	news->epoch = track->epoch;
	if (pl->kind != PLAYLIST_MEDIA) {
		refuse(track, pl, news);
		return 0;
	}
	track->bad = 0;
	news->endlist = pl->endlist;
	track->endlists = pl->endlist ? track->endlists + 1 : 0;
	if (pl->segment_count == 0) {
		news->what = TRACK_EMPTY;
		return 0;
	}
	err = list_marks(pl, &marks);
	if (err != 0)
		return err;
	if (track->next_serial == 0) /* nothing was listed until now: the tune starts here */
		return go_on(track, pl, marks, start_index(pl, pl->endlist ? UINT64_MAX : track->wanted_ms), news);
	if (track->restarting)
		return restart_in(track, pl, marks, news);

	old_end = track->first_msn + track->window_count;
	new_end = pl->media_sequence + pl->segment_count;
	share = pl->media_sequence < old_end && track->first_msn < new_end;
	agree = numbers_agree(track, pl, marks, &names);

	/* Normal life, and a sequence that stands still while only queries move. */
	if (share && agree) {
		if (same_numbers(track, pl) && !track->names_rotate) {
			overlap = overlap_by(track, marks, pl->segment_count, BY_URI);
			if (overlap >= NAMES_MATCH && overlap < pl->segment_count) {
				news->by_uri = true;
				return go_on(track, pl, marks, overlap, news);
			}
		}
		return together(track, pl, marks, news);
	}
	if (!track->names_rotate) {
		overlap = overlap_by_name(track, marks, pl->segment_count);
		if (overlap >= NAMES_MATCH) {
			news->by_uri = old_end != pl->media_sequence + overlap;
			return go_on(track, pl, marks, overlap, news);
		}
	}
	if (!share)
		return apart(track, pl, marks, news);

	/* Shared numbers with other names. The last part of the path alone may be the same: directories are tokens. */
	if (names || track->names_rotate)
		return together(track, pl, marks, news);
	if (track->doubt == 0)
		return doubt(track, marks, pl->segment_count, news);
	if (comes_again(track, marks, pl->segment_count))
		return restart_in(track, pl, marks, news);
	track->names_rotate = true;
	return together(track, pl, marks, news);
}

bool
track_failed(struct track *track)
{
	track->bad++;
	return track->bad % IN_A_ROW == 0;
}

void
track_restart(struct track *track)
{
	track->restarting = track->started;
}

void
track_other(struct track *track, uint64_t serial, uint32_t behind_ms)
{
	track->next_serial = PB_MAX(track->next_serial, serial);
	track->wanted_ms = behind_ms;
	track->bad = track->stale = track->endlists = 0;
	track->doubt = 0;
	track->names_rotate = false;
	if (track->next_serial == 0) {
		track_clear(track); /* nothing was handed out: it begins as a tune does */
		return;
	}
	track->started = track->restarting = track->other = true;
}

void
track_rewind(struct track *track, uint64_t serial, uint64_t ms)
{
	uint64_t count = serial < track->next_serial ? track->next_serial - serial : 0;

	/* Never before the epoch's first: then it goes on with what is listed. */
	track->top_msn -= PB_MIN(count, track->top_msn);
	track->next_serial -= count;
	track->played_pdt_ms -= (int64_t)PB_MIN(ms, (uint64_t)INT32_MAX);
}

bool
track_discontinuity(const struct track_news *news, const struct playlist *pl, size_t i)
{
	pb_assert(i < pl->segment_count);
	if (pl->segments[i].discontinuities > 0 || (news->discontinuity && i == news->first))
		return true;
	return i > 0 && pl->segments[i - 1].gap; /* its media is missing, and with it perhaps a tag's segment */
}

static uint32_t
clamp(uint32_t n, uint32_t low, uint32_t high)
{
	return n < low ? low : n > high ? high : n;
}

uint32_t
track_next_reload_ms(const struct track *track, const struct track_news *news, int64_t now_ms, int64_t load_start_ms,
    uint64_t reserve_ms, double jitter)
{
	static const uint32_t retries_ms[] = { 200, 500, 1000, 1000, 2000 };
	uint32_t segment_ms = track->last_ms > 0 ? track->last_ms : track->target_ms;
	uint32_t interval_ms = clamp(segment_ms, INTERVAL_MIN_MS, INTERVAL_MAX_MS);
	int64_t from_ms = load_start_ms;
	int64_t wait_ms;

	if (news == NULL || news->what == TRACK_BAD) {
		interval_ms = retries_ms[PB_MIN((size_t)PB_MAX(track->bad, 1U), NITEMS(retries_ms)) - 1];
		from_ms = now_ms;
	} else if (news->what == TRACK_CONFIRM) {
		interval_ms = CONFIRM_MS;
		from_ms = now_ms;
	} else if (news->endlist && track->endlists > IN_A_ROW) {
		interval_ms = INTERVAL_MAX_MS;
	} else if (news->what == TRACK_EMPTY) {
		interval_ms = URGENT_MS;
	} else if (news->what != TRACK_NEW) {
		interval_ms /= 2;
		if (reserve_ms < 2 * (uint64_t)segment_ms)
			interval_ms = PB_MIN(interval_ms, URGENT_MS);
	}
	jitter = jitter > 1 ? 1 : jitter >= -1 ? jitter : -1;
	wait_ms = from_ms + llround(interval_ms * (1 + 0.05 * jitter)) - now_ms;
	return wait_ms < TRACK_RELOAD_FLOOR_MS ? TRACK_RELOAD_FLOOR_MS : (uint32_t)wait_ms;
}

const char *
track_what_name(enum track_what what)
{
	static const char *const names[] = { "new", "unchanged", "empty", "stale", "confirm", "bad" };

	pb_assert((size_t)what < NITEMS(names));
	return names[what];
}

static uint64_t
field(const struct track_mark *mark, enum name_part part)
{
	return part == BY_PATH ? mark->path : mark->uri;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Does no name occur twice? Without memory it is taken for no. */
static bool
all_differ(const struct track_mark *marks, size_t count, enum name_part part)
{
	uint64_t *sorted = calloc(count + 1, sizeof(*sorted));
	bool differ = sorted != NULL;

	for (size_t i = 0; i < count && differ; i++)
		sorted[i] = field(&marks[i], part);
	if (differ)
		qsort(sorted, count, sizeof(*sorted), by_number);
	for (size_t i = 1; i < count && differ; i++)
		differ = sorted[i] != sorted[i - 1];
	free(sorted);
	return differ;
}

/*
 * The n such that the last n entries of the window are the first n of
 * marks; 0 when there is none, and when names occur twice, for then they
 * tell nothing. As names differ, the overlap can only begin where the first
 * of marks was last seen.
 */
static size_t
overlap_by(const struct track *track, const struct track_mark *marks, size_t count, enum name_part part)
{
	size_t at = track->window_count;
	size_t n;

	while (at > 0 && field(&track->window[at - 1], part) != field(&marks[0], part))
		at--;
	if (at == 0)
		return 0;
	at--;
	n = track->window_count - at;
	if (n > count)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (field(&track->window[at + i], part) != field(&marks[i], part))
			return 0;
	return all_differ(marks, count, part) ? n : 0;
}

/* By path without query first; where paths repeat, by all of the URI. */
static size_t
overlap_by_name(const struct track *track, const struct track_mark *marks, size_t count)
{
	size_t n = overlap_by(track, marks, count, BY_PATH);

	return n > 0 ? n : overlap_by(track, marks, count, BY_URI);
}
