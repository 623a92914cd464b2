/*
 * sources.c - one function a question: has it failed, who is next, may we go back
 *
 * Media that stands is what a viewer will miss, so it is what counts: a dead
 * name, a frozen playlist, refused segments and a silent connection all come
 * to it, and need no rule of their own. What a source says of itself only
 * makes the decision earlier.
 */
#include "worker/sources.h"

#include <string.h>

#include "base/pb.h"

#define TARGET_MIN_MS 1000
#define TARGET_MAX_MS 10000
#define RETURN_ROW_MAX 4 /* failed returns make the next wait longer, up to 2^4 times */

static const struct sources_answer stay = { .act = SOURCES_STAY };

static uint32_t
target(const struct sources_look *look)
{
	uint32_t ms = look->target_ms != 0 ? look->target_ms : SOURCES_TARGET_MS;

	return PB_MIN(PB_MAX(ms, (uint32_t)TARGET_MIN_MS), (uint32_t)TARGET_MAX_MS);
}

/* How long `now` is given, from now on. */
static void
give_time(struct sources *s, int64_t now_ms, uint32_t target_ms)
{
	unsigned left = 0;
	int64_t ms;

	for (unsigned i = 0; i < s->count; i++)
		left += i != s->now && s->at[i].health != SOURCE_FAILED;
	if (s->media) {
		s->until_ms = now_ms + PB_MAX((int64_t)SOURCES_TRY_MIN_MS, 2 * (int64_t)target_ms);
	} else if (left > 0) {
		ms = (s->tune_until_ms - now_ms) / (left + 1);
		s->until_ms = now_ms + PB_MAX(ms, (int64_t)SOURCES_TUNE_MIN_MS);
	} else {
		s->until_ms = 0; /* the last one has all the time that is left, as the tune says */
	}
}

void
sources_init(struct sources *s, const struct sources_list *list, unsigned first, bool media, uint32_t return_after_ms,
    uint32_t tune_ms, int64_t now_ms)
{
	memset(s, 0, sizeof(*s));
	s->count = list->count;
	for (unsigned i = 0; i < s->count; i++)
		s->at[i].of = list->at[i].of;
	s->now = first < s->count ? first : 0;
	s->media = media;
	s->trying = !media;
	s->probe = -1;
	s->return_after_ms = return_after_ms;
	s->tune_until_ms = now_ms + tune_ms;
	s->since_ms = now_ms;
	s->good_ms = media ? now_ms : 0;
	s->at[s->now].tried_ms = now_ms;
	s->at[s->now].health = media ? SOURCE_GOOD : SOURCE_TRYING;
	give_time(s, now_ms, SOURCES_TARGET_MS);
}

void
sources_recall(struct sources *s, unsigned n, const struct sources_one *was)
{
	struct msg_account of;

	if (n >= s->count)
		return;
	of = s->at[n].of;
	if (n == s->now) {
		s->at[n].failures = was->failures;
		s->at[n].row = was->row;
		return;
	}
	s->at[n] = *was;
	s->at[n].of = of;
	s->at[n].not_before_ms = s->at[n].probed_ms = s->at[n].probe_after_ms = 0;
}

static bool
recent(int64_t at_ms, int64_t now_ms, int64_t span_ms)
{
	return at_ms != 0 && now_ms - at_ms < span_ms;
}

/* Smaller is better; -1: not now. */
static int64_t
rank(const struct sources *s, unsigned i, int64_t now_ms)
{
	const struct sources_one *one = &s->at[i];

	if (one->not_before_ms > now_ms)
		return -1;
	if (one->health == SOURCE_FAILED && (!s->media || recent(one->failed_ms, now_ms, SOURCES_FORGIVE_MS)))
		return s->media ? 2 * MSG_SOURCES_MAX + one->failed_ms : -1;
	return (recent(one->doubt_ms, now_ms, SOURCES_DOUBT_MS) ? MSG_SOURCES_MAX : 0) + i;
}

/* Who comes after `now`; -1: nobody can. */
static int
next_of(const struct sources *s, int64_t now_ms)
{
	int best = -1;
	int64_t best_rank = 0;

	for (unsigned i = 0; i < s->count; i++) {
		int64_t r = i == s->now ? -1 : rank(s, i, now_ms);

		if (r < 0 || (best >= 0 && r >= best_rank))
			continue;
		best = (int)i;
		best_rank = r;
	}
	return best;
}

static struct sources_answer
switch_to(struct sources *s, unsigned to, const struct sources_look *look, bool back, const char *why)
{
	s->now = to;
	s->trying = true;
	s->certain = false;
	s->good_ms = 0;
	s->since_ms = look->now_ms;
	s->pause_ms = 0;
	s->at[to].tried_ms = look->now_ms;
	s->at[to].health = SOURCE_TRYING;
	s->probe = -1;
	s->probe_good_ms = 0;
	give_time(s, look->now_ms, target(look));
	return (struct sources_answer){ .act = SOURCES_SWITCH, .to = to, .back = back, .why = why };
}

/* The one in use has failed: who is next, and when? */
static struct sources_answer
fail(struct sources *s, const struct sources_look *look, const char *why)
{
	struct sources_one *one = &s->at[s->now];
	int64_t pause_ms = SOURCES_ROUND_MS;
	int next;

	if (s->given_up)
		return stay;
	if (one->health != SOURCE_FAILED) {
		one->failures++;
		one->row++;
		s->failed_row++;
	}
	one->health = SOURCE_FAILED;
	one->failed_ms = look->now_ms;
	s->certain = false;
	s->good_ms = 0;
	if (s->pause_ms > look->now_ms)
		return (struct sources_answer){ .act = SOURCES_STAY,
			.why = why }; /* once more, in the pause: it has its end */
	next = next_of(s, look->now_ms);
	if (next < 0 && !s->media) {
		s->given_up = true;
		return (struct sources_answer){ .act = SOURCES_GIVE_UP, .why = why };
	}
	/* It goes on by itself: nobody else is there. */
	s->trying = true;
	s->until_ms = 0;
	if (next < 0)
		return (struct sources_answer){ .act = SOURCES_STAY, .why = why };
	if (s->failed_row < s->count)
		return switch_to(s, (unsigned)next, look, false, why);
	/* All have failed, one after the other: the next round begins in a while. */
	for (unsigned n = s->count; n < s->failed_row && pause_ms < SOURCES_ROUND_MAX_MS; n += s->count)
		pause_ms *= 2;
	s->pause_ms = look->now_ms + PB_MIN(pause_ms, (int64_t)SOURCES_ROUND_MAX_MS);
	return (struct sources_answer){ .act = SOURCES_STAY, .why = why };
}

void
sources_good(struct sources *s, int64_t now_ms)
{
	struct sources_one *one = &s->at[s->now];

	s->media = true;
	s->certain = false;
	s->trying = false;
	s->failed_row = 0;
	s->pause_ms = 0;
	if (s->good_ms == 0)
		s->good_ms = now_ms;
	if (now_ms - s->good_ms >= (int64_t)s->return_after_ms)
		one->row = 0;
	one->health = recent(one->doubt_ms, now_ms, SOURCES_DOUBT_MS) ? SOURCE_DOUBTED : SOURCE_GOOD;
}

struct sources_answer
sources_vital(struct sources *s, const struct sources_look *look, const char *why)
{
	return fail(s, look, why);
}

struct sources_answer
sources_certain(struct sources *s, const struct sources_look *look, const char *why)
{
	if (!s->media || s->trying)
		return fail(s, look, why);
	s->certain = true;
	return stay;
}

struct sources_answer
sources_doubt(struct sources *s, const struct sources_look *look, const char *why)
{
	int64_t now_ms = look->now_ms;
	int next;

	s->at[s->now].doubt_ms = now_ms;
	if (!s->media || s->trying)
		return stay;
	s->at[s->now].health = SOURCE_DOUBTED;
	next = next_of(s, now_ms);
	if (next < 0 || look->reserve_ms < SOURCES_OPEN_MS || recent(s->at[next].failed_ms, now_ms, SOURCES_DOUBT_MS) ||
	    recent(s->at[next].doubt_ms, now_ms, SOURCES_DOUBT_MS))
		return stay;
	return switch_to(s, (unsigned)next, look, false, why);
}

void
sources_refused(struct sources *s, unsigned n, unsigned back_to, int64_t now_ms)
{
	if (n >= s->count || back_to >= s->count)
		return;
	s->at[n].health = SOURCE_UNTRIED;
	s->at[n].not_before_ms = now_ms + SOURCES_ROUND_MAX_MS;
	s->now = back_to;
	s->until_ms = 0;
	if (s->at[back_to].health == SOURCE_FAILED || !s->media) {
		/* Why it was to be left still holds: by the next tick somebody else is tried. */
		s->trying = true;
		s->until_ms = now_ms;
		return;
	}
	s->trying = false; /* it was to be left for a better one, or on a doubt: it plays, and is watched */
	s->good_ms = now_ms;
}

struct sources_answer
sources_held(struct sources *s, const struct sources_look *look, uint32_t account, uint32_t wait_ms)
{
	bool mine = account != 0 && s->at[s->now].of.account == account;

	for (unsigned i = 0; i < s->count; i++)
		if (account != 0 && s->at[i].of.account == account)
			s->at[i].not_before_ms = wait_ms > 0 ? look->now_ms + wait_ms : 0;
	if (!mine || wait_ms == 0)
		return stay;
	if (s->media && look->reserve_ms > (uint64_t)wait_ms + SOURCES_OPEN_MS)
		return stay; /* it can be waited for */
	if (next_of(s, look->now_ms) < 0 && (s->media || look->now_ms + wait_ms < s->tune_until_ms))
		return stay; /* it has to be */
	return fail(s, look, "the provider is not to be asked at present");
}

void
sources_counts(struct sources *s, uint32_t account)
{
	for (unsigned i = 0; i < s->count; i++)
		if (account != 0 && s->at[i].of.account == account && s->at[i].of.streams == 0)
			s->at[i].of.streams = 1;
}

void
sources_probed(struct sources *s, bool good, uint32_t wait_ms, int64_t now_ms)
{
	if (s->probe < 0)
		return;
	if (!good) {
		s->at[s->probe].probed_ms = now_ms;
		s->at[s->probe].probe_after_ms = now_ms + wait_ms;
		s->probe_good_ms = 0;
		s->probe = -1;
	} else if (s->probe_good_ms == 0) {
		s->probe_good_ms = now_ms;
	}
}

/* How long a better source must have been good, or left alone: longer each time that going back failed. */
static int64_t
return_ms(const struct sources *s, unsigned i)
{
	return (int64_t)s->return_after_ms << PB_MIN(s->at[i].row > 0 ? s->at[i].row - 1 : 0, (unsigned)RETURN_ROW_MAX);
}

/* A backup plays: is it time to look at, or to go back to, a better one? */
static struct sources_answer
look_back(struct sources *s, const struct sources_look *look)
{
	int64_t now_ms = look->now_ms;
	bool spare = look->reserve_ms >= SOURCES_OPEN_MS + target(look);

	if (s->probe >= 0) {
		if (s->probe_good_ms == 0 || now_ms - s->probe_good_ms < return_ms(s, (unsigned)s->probe) || !spare)
			return stay;
		return switch_to(s, (unsigned)s->probe, look, true, "it has been good for return_after");
	}
	for (unsigned i = 0; i < s->now; i++) {
		struct sources_one *one = &s->at[i];
		int64_t left_ms = PB_MAX(one->failed_ms, one->probed_ms);

		if (one->not_before_ms > now_ms || recent(one->doubt_ms, now_ms, SOURCES_DOUBT_MS))
			continue;
		if (one->of.streams > 0) {
			/* Not to be asked only to look: it is tried. */
			if (recent(PB_MAX(left_ms, one->tried_ms), now_ms, return_ms(s, i)) || !spare)
				continue;
			return switch_to(s, i, look, true, "return_after has passed");
		}
		if (recent(left_ms, now_ms, PB_MIN((int64_t)s->return_after_ms / 4, (int64_t)10000)) ||
		    one->probe_after_ms > now_ms)
			continue;
		s->probe = (int)i;
		s->probe_good_ms = 0;
		return (struct sources_answer){ .act = SOURCES_PROBE, .to = i };
	}
	return stay;
}

struct sources_answer
sources_tick(struct sources *s, const struct sources_look *look)
{
	int64_t now_ms = look->now_ms;
	uint32_t target_ms = target(look);
	int next;

	if (s->given_up)
		return stay;
	if (s->pause_ms != 0) {
		if (now_ms < s->pause_ms)
			return stay;
		s->pause_ms = 0;
		next = next_of(s, now_ms);
		return next >= 0 ? switch_to(s, (unsigned)next, look, false, "all have failed: once more") : stay;
	}
	if (s->trying) {
		next = next_of(s, now_ms);
		if (s->until_ms == 0 && s->at[s->now].health == SOURCE_FAILED && next >= 0)
			return switch_to(s, (unsigned)next, look, false, "it may be asked again");
		if (s->until_ms == 0 || now_ms < s->until_ms)
			return stay;
		return fail(s, look, s->media ? "no media of it in time" : "no picture of it in time");
	}
	if (!s->media)
		return stay;
	if (look->standing_ms >= target_ms + target_ms * 3 / 4)
		return fail(s, look, "nothing new for nearly two target durations");
	if (look->standing_ms >= target_ms + target_ms / 4 && look->reserve_ms <= SOURCES_OPEN_MS)
		return fail(s, look, "nothing new, and the reserve is nearly spent");
	if (s->certain && (look->standing_ms >= target_ms || look->reserve_ms <= SOURCES_OPEN_MS + target_ms))
		return fail(s, look, "it can't be had");
	return s->now > 0 ? look_back(s, look) : stay;
}
