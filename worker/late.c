/*
 * late.c - how the promise in late.h is kept
 */
#include "worker/late.h"

#include <math.h>

#include "base/pb.h"

#define DEVIATIONS 4
#define EARNED 0.1 /* of a second request, by each answer */

void
late_init(struct late *late)
{
	*late = (struct late){ .budget = LATE_BURST };
}

void
late_heard(struct late *late, uint32_t ms)
{
	double error = (double)ms - late->mean_ms;

	late->budget = PB_MIN(late->budget + EARNED, (double)LATE_BURST);
	if (!late->known) {
		late->known = true;
		late->mean_ms = ms;
		late->deviation_ms = ms / 2.;
		return;
	}
	late->deviation_ms += (fabs(error) - late->deviation_ms) / 4;
	late->mean_ms += error / 8;
}

uint32_t
late_after_ms(const struct late *late, uint32_t most_ms)
{
	double ms = late->mean_ms + DEVIATIONS * late->deviation_ms;

	if (!late->known || ms >= most_ms)
		return most_ms;
	return PB_MIN(PB_MAX((uint32_t)ms, (uint32_t)LATE_FLOOR_MS), most_ms);
}

bool
late_spend(struct late *late)
{
	if (late->budget < 1)
		return false;
	late->budget -= 1;
	return true;
}
