/*
 * outlook.c - how the promise in outlook.h is kept
 */
#include "worker/outlook.h"

#include <string.h>

#include "base/pb.h"

#define SEGMENTS_MIN 100 /* lately; of fewer no rate is made */
#define PATIENCE 1000
#define PATIENCE_DEGRADED 1500
#define DEEPER 2 /* segments, while degraded */

void
outlook_init(struct outlook *o, const struct msg_settings *settings, uint32_t learned_ms, double now_s)
{
	memset(o, 0, sizeof(*o));
	o->fixed = settings->reserve_ms != 0;
	o->most_ms = settings->reserve_max_ms;
	learn_init(&o->learn, PB_MIN(learned_ms, settings->reserve_max_ms), now_s);
}

static uint32_t
permille(uint64_t part, uint64_t of)
{
	return of == 0 ? 0 : (uint32_t)PB_MIN(part * 1000 / of, (uint64_t)1000);
}

struct outlook_counts
outlook_counts(const struct outlook_look *look)
{
	return (struct outlook_counts){
		.requests = look->figures.requests,
		.troubles = look->figures.retries + look->figures.errors,
		.segments = look->way.segments_in + look->way.segments_out,
		.losses = look->way.out_of_order + look->way.retransmits,
		.resent = look->way.retransmits,
	};
}

void
outlook_other(struct outlook *o, const struct outlook_look *look, enum state_quality was)
{
	for (size_t i = 0; i < NITEMS(o->ring); i++)
		o->ring[i] = outlook_counts(look);
	o->quality = (struct quality){ .state = was, .retries = look->figures.retries, .errors = look->figures.errors };
	o->loss_permille = o->error_permille = o->retransmits = 0;
}

/* The last OUTLOOK_S seconds: this moment less the one that is leaving the ring. */
static void
lately(struct outlook *o, const struct outlook_look *look)
{
	struct outlook_counts now = outlook_counts(look);
	struct outlook_counts *then = &o->ring[o->at];
	uint64_t segments = now.segments - then->segments;

	o->loss_permille = segments >= SEGMENTS_MIN ? permille(now.losses - then->losses, segments) : 0;
	o->retransmits = (uint32_t)PB_MIN(now.resent - then->resent, (uint64_t)UINT32_MAX);
	o->error_permille = permille(now.troubles - then->troubles, now.requests - then->requests);
	*then = now;
	o->at = (o->at + 1) % OUTLOOK_S;
}

unsigned
outlook_second(struct outlook *o, const struct outlook_look *look)
{
	struct quality_sample sample = {
		.latency_ms = look->figures.ttfb_ms,
		.latency_limit_ms = look->latency_limit_ms,
		.retries = look->figures.retries,
		.errors = look->figures.errors,
		.dry = look->dry,
	};
	unsigned events = 0;

	lately(o, look);
	sample.loss_permille = o->loss_permille;
	if (quality_second(&o->quality, &sample))
		events |= OUTLOOK_QUALITY;
	if (learn_second(&o->learn, look->media, look->target_ms, o->most_ms, look->now_s))
		events |= OUTLOOK_LEARNED;
	return events;
}

uint32_t
outlook_start_ms(const struct msg_settings *settings, uint32_t learned_ms, uint32_t auto_ms)
{
	if (settings->reserve_ms != 0)
		return settings->reserve_ms;
	return PB_MIN(PB_MAX(learned_ms, auto_ms), settings->reserve_max_ms);
}

void
outlook_reached(struct outlook *o, uint32_t reserve_ms)
{
	o->setting_ms = reserve_ms;
}

uint32_t
outlook_reserve_ms(const struct outlook *o)
{
	bool degraded = o->quality.state != QUALITY_NORMAL;
	struct learn none = { 0 };

	if (o->setting_ms == 0)
		return 0;
	return learn_target_ms(o->fixed ? &none : &o->learn, o->setting_ms, o->most_ms, degraded);
}

uint32_t
outlook_patience(const struct outlook *o)
{
	return o->quality.state == QUALITY_NORMAL ? PATIENCE : PATIENCE_DEGRADED;
}

uint32_t
outlook_deeper(const struct outlook *o)
{
	return o->quality.state == QUALITY_NORMAL ? 0 : DEEPER;
}
