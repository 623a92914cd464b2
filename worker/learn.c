/*
 * learn.c - how the promise in learn.h is kept
 */
#include "worker/learn.h"

#include "base/pb.h"

#define OUTAGE_TARGETS 2 /* media comes in lumps of a target duration; a reload may come just too early */
#define OUTAGE_MAX_S 3600.0
#define ROUND_MS 1000

void
learn_init(struct learn *learn, uint32_t known_ms, double now_s)
{
	*learn = (struct learn){ .wanted_ms = known_ms, .moved_s = now_s, .needed_s = now_s };
}

static uint32_t
wanted_for(double gap_s, uint32_t most_ms)
{
	uint32_t ms = (uint32_t)(PB_MIN(gap_s, OUTAGE_MAX_S) * 1250);

	return PB_MIN((ms + ROUND_MS - 1) / ROUND_MS * ROUND_MS, most_ms);
}

static void
forget(struct learn *learn, uint32_t target_ms, double now_s)
{
	if (learn->wanted_ms == 0 || now_s - learn->needed_s < LEARN_FORGET_S)
		return;
	learn->needed_s = now_s;
	learn->wanted_ms -= learn->wanted_ms / 4;
	if (learn->wanted_ms <= OUTAGE_TARGETS * target_ms)
		learn->wanted_ms = 0;
}

bool
learn_second(struct learn *learn, uint64_t media_ms, uint32_t target_ms, uint32_t most_ms, double now_s)
{
	double gap_s = now_s - learn->moved_s;
	bool outage = target_ms > 0 && gap_s * 1e3 > (double)OUTAGE_TARGETS * target_ms;
	uint32_t wanted_ms;

	if (media_ms == learn->media_ms) {
		learn->in_outage = learn->in_outage || outage;
		return false;
	}
	learn->media_ms = media_ms;
	learn->moved_s = now_s;
	if (!outage && !learn->in_outage) {
		forget(learn, target_ms, now_s);
		return false;
	}
	learn->in_outage = false;
	learn->outages++;
	learn->longest_ms = PB_MAX(learn->longest_ms, (uint32_t)(PB_MIN(gap_s, OUTAGE_MAX_S) * 1e3));
	wanted_ms = wanted_for(gap_s, most_ms);
	if (wanted_ms * 2 >= learn->wanted_ms)
		learn->needed_s = now_s;
	if (wanted_ms <= learn->wanted_ms)
		return false;
	learn->wanted_ms = wanted_ms;
	return true;
}

uint32_t
learn_target_ms(const struct learn *learn, uint32_t setting_ms, uint32_t most_ms, bool degraded)
{
	uint32_t ms = PB_MAX(setting_ms, learn->wanted_ms);

	if (degraded)
		ms += ms / 2;
	return PB_MIN(ms, PB_MAX(most_ms, setting_ms));
}
