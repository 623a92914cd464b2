/*
 * choose.c - the provider's slot first, since it may free a tuner on its way
 */
#include "supervisor/choose.h"

#include <limits.h>

#include "supervisor/tuner.h"

static bool
given_up(const struct choice *c, size_t i)
{
	return c->give_up[0] == (int)i || c->give_up[1] == (int)i;
}

static void
give_up(struct choice *c, int i)
{
	c->give_up[c->give_up[0] == -1 ? 0 : 1] = i;
}

static int
on_tuner(const struct choice *c, const struct seat *seats, size_t count, int tuner)
{
	for (size_t i = 0; i < count; i++)
		if (seats[i].tuner == tuner && !given_up(c, i))
			return (int)i;
	return -1;
}

/* The seat that nobody will miss most; -1 when all are watched. */
static int
least_missed(
    const struct choice *c, const struct seat *seats, size_t count, bool of_provider, int first, int tuner_count)
{
	int best = -1;

	for (size_t i = 0; i < count; i++) {
		const struct seat *s = &seats[i];

		if (s->use == SEAT_WATCHED || given_up(c, i) || (of_provider && !s->same_provider) ||
		    s->tuner < first || s->tuner - first >= tuner_count)
			continue;
		if (best == -1 || s->use > seats[best].use ||
		    (s->use == seats[best].use && s->idle_s > seats[best].idle_s))
			best = (int)i;
	}
	return best;
}

static int
provider_slot(struct choice *c, const struct seat *seats, size_t count, int provider_max)
{
	int used = 0;
	int victim;

	for (size_t i = 0; i < count; i++)
		used += seats[i].same_provider && !given_up(c, i);
	if (provider_max == 0 || used < provider_max)
		return 0;
	/* Any tuner's, also one beyond a count that was made smaller. */
	victim = least_missed(c, seats, count, true, 0, INT_MAX);
	if (victim == -1 || used > provider_max)
		return TUNER_ALL_IN_USE;
	give_up(c, victim);
	return 0;
}

void
choose_tuner(struct choice *out, const struct seat *seats, size_t count, int wanted, int first, int tuner_count,
    int provider_max)
{
	int there;

	*out = (struct choice){ .join = -1, .tuner = wanted, .give_up = { -1, -1 } };
	if (wanted >= 0) {
		there = on_tuner(out, seats, count, wanted);
		if (there != -1 && !seats[there].same_channel) {
			if (seats[there].use == SEAT_WATCHED) {
				out->error = TUNER_IN_USE;
				return;
			}
			give_up(out, there);
		}
	}
	for (size_t i = 0; i < count; i++)
		if (seats[i].same_channel) {
			out->join = (int)i;
			out->give_up[0] = -1; /* it plays elsewhere: what idles on the wanted tuner may stay */
			return;
		}
	out->error = provider_slot(out, seats, count, provider_max);
	if (out->error != 0 || wanted >= 0)
		return;
	for (int tuner = first; tuner < first + tuner_count; tuner++)
		if (on_tuner(out, seats, count, tuner) == -1) {
			out->tuner = tuner;
			return;
		}
	there = least_missed(out, seats, count, false, first, tuner_count);
	if (there == -1) {
		out->error = TUNER_ALL_IN_USE;
		return;
	}
	give_up(out, there);
	out->tuner = seats[there].tuner;
}
