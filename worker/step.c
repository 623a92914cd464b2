/*
 * step.c - how the promise in step.h is kept
 */
#include "worker/step.h"

#include "base/pb.h"

#define BAD_LOOKS 2
#define DOWN_SHARE 0.8 /* of the throughput may be needed by what is taken instead */
#define UP_SHARE 1.5 /* of its need must have been there for a better one */

void
step_init(struct step *step, double now_s)
{
	*step = (struct step){ .changed_s = now_s, .again_s = STEP_AGAIN_S };
}

/* How much more or less than it says the one that is played really takes; others of the master will, too. */
static double
truth(const struct step_variant *current, const struct step_look *look)
{
	double ratio;

	if (look->media_bps == 0 || current->bandwidth_bps == 0)
		return 1;
	ratio = (double)look->media_bps / (double)current->bandwidth_bps;
	return PB_MIN(PB_MAX(ratio, 0.05), 2.);
}

static bool
same_size(const struct step_variant *a, const struct step_variant *b)
{
	return a->width == b->width && a->height == b->height;
}

static uint64_t
area(const struct step_variant *v)
{
	return (uint64_t)v->width * v->height;
}

/* Is a the better picture? */
static bool
better(const struct step_variant *a, const struct step_variant *b)
{
	return area(a) != area(b) ? area(a) > area(b) : a->bandwidth_bps > b->bandwidth_bps;
}

static size_t
choose_down(const struct step_variant *v, size_t count, size_t current, double most_bps)
{
	size_t same = current, other = current, least = current;

	for (size_t i = 0; i < count; i++) {
		if (!v[i].usable || v[i].bandwidth_bps == 0 || v[i].bandwidth_bps >= v[current].bandwidth_bps)
			continue;
		if (v[i].bandwidth_bps < v[least].bandwidth_bps)
			least = i;
		if ((double)v[i].bandwidth_bps > most_bps)
			continue;
		if (same_size(&v[i], &v[current])) {
			if (same == current || better(&v[i], &v[same]))
				same = i;
		} else if (other == current || better(&v[i], &v[other])) {
			other = i;
		}
	}
	return same != current ? same : other != current ? other : least;
}

static size_t
choose_up(const struct step_variant *v, size_t count, size_t current, double most_bps)
{
	size_t best = current;

	for (size_t i = 0; i < count; i++)
		if (v[i].usable && v[i].bandwidth_bps > v[current].bandwidth_bps &&
		    (double)v[i].bandwidth_bps <= most_bps && area(&v[i]) >= area(&v[current]) &&
		    (best == current || better(&v[i], &v[best])))
			best = i;
	return best;
}

/* A server that paces what it sends is as slow as a narrow way, but the reserve stays what it is. */
static bool
shrinks(struct step *step, uint32_t reserve_ms)
{
	uint32_t most_ms = 0;

	for (unsigned i = 0; i < PB_MIN(step->looks, (unsigned)STEP_LOOKS); i++)
		most_ms = PB_MAX(most_ms, step->reserve_ms[i]);
	step->reserve_ms[step->looks++ % STEP_LOOKS] = reserve_ms;
	return reserve_ms < STEP_LOW_MS || (uint64_t)reserve_ms + STEP_SHRUNK_MS <= most_ms;
}

/* Would the reserve be spent soon? */
static bool
too_narrow(double need_bps, const struct step_look *look)
{
	double missing = 1 - (double)look->throughput_bps / need_bps;
	double horizon_s = look->normal ? STEP_HORIZON_S : 2 * STEP_HORIZON_S;

	return look->throughput_bps > 0 && missing > 0 && look->reserve_ms / 1e3 / missing < horizon_s;
}

static size_t
step_to(struct step *step, size_t to, bool up, double now_s)
{
	if (!up && step->up_s > 0 && now_s - step->up_s < STEP_AGAIN_S)
		step->again_s = PB_MIN(step->again_s * 2, STEP_AGAIN_MAX_S);
	step->up_s = up ? now_s : 0;
	step->stepped = true;
	step->changed_s = now_s;
	step->good_s = 0;
	step->bad = 0;
	return to;
}

size_t
step_second(struct step *step, const struct step_variant *v, size_t count, size_t current, const struct step_look *look)
{
	double ratio, since_s = look->now_s - step->changed_s;
	bool shrinking = shrinks(step, look->reserve_ms);
	size_t to;

	if (current >= count || v[current].bandwidth_bps == 0)
		return current;
	ratio = truth(&v[current], look);
	step->bad = shrinking && too_narrow((double)v[current].bandwidth_bps * ratio, look) ? step->bad + 1 : 0;
	if (step->bad >= BAD_LOOKS && (!step->stepped || since_s >= STEP_SETTLE_S)) {
		to = choose_down(v, count, current, (double)look->throughput_bps * DOWN_SHARE / ratio);
		if (to != current)
			return step_to(step, to, false, look->now_s);
	}
	to = choose_up(v, count, current, (double)look->throughput_bps / UP_SHARE / ratio);
	if (to == current || !look->normal || step->bad > 0) {
		step->good_s = 0;
		return current;
	}
	if (step->good_s == 0)
		step->good_s = look->now_s;
	if (look->now_s - step->good_s < STEP_GOOD_S || since_s < step->again_s)
		return current;
	return step_to(step, to, true, look->now_s);
}
