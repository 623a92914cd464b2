/*
 * quality.c - three states, and how many seconds each step takes
 */
#include "worker/quality.h"

#include "base/pb.h"

#define DEGRADED_AFTER_S 2
#define NORMAL_AFTER_S 10
#define TROUBLE_LIMIT 2 /* failed tries within about 10 s */
#define TROUBLE_DECAY_S 5
#define LOSS_LIMIT 100 /* permille out of order or sent again: what a few in a hundred lost do */

static enum state_quality
wanted(struct quality *q, const struct quality_sample *s)
{
	if (s->dry)
		return QUALITY_OUTAGE;
	if (q->trouble > TROUBLE_LIMIT || s->loss_permille > LOSS_LIMIT || s->latency_ms > s->latency_limit_ms)
		return QUALITY_DEGRADED;
	return QUALITY_NORMAL;
}

bool
quality_second(struct quality *q, const struct quality_sample *s)
{
	enum state_quality to, was = q->state;

	q->trouble += (unsigned)PB_MIN(s->retries - q->retries + s->errors - q->errors, 100u);
	if (++q->decay_s >= TROUBLE_DECAY_S) {
		q->decay_s = 0;
		q->trouble /= 2;
	}
	q->retries = s->retries;
	q->errors = s->errors;

	to = wanted(q, s);
	q->bad_s = to > q->state ? q->bad_s + 1 : 0;
	q->good_s = to < q->state || to == QUALITY_NORMAL ? q->good_s + 1 : 0;
	if (to == QUALITY_OUTAGE || (to > q->state && q->bad_s >= DEGRADED_AFTER_S))
		q->state = to;
	else if (q->state == QUALITY_OUTAGE && !s->dry)
		q->state = QUALITY_DEGRADED;
	else if (to < q->state && q->good_s >= NORMAL_AFTER_S)
		q->state = to;
	if (q->state == was)
		return false;
	q->bad_s = q->good_s = 0;
	return true;
}

const char *
quality_name(enum state_quality state)
{
	static const char *const names[] = { "normal", "degraded", "outage" };

	return (unsigned)state < NITEMS(names) ? names[state] : "unknown";
}
