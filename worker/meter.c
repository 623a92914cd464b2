/*
 * meter.c - a ring of seconds, each with its bytes and the time they took
 */
#include "worker/meter.h"

#include <string.h>

#include "base/pb.h"

void
meter_init(struct meter *m, double now_s)
{
	memset(m, 0, sizeof(*m));
	m->at = m->byte_at = now_s;
	m->second = (int64_t)now_s;
}

void
meter_forget(struct meter *m)
{
	memset(m->slot, 0, sizeof(m->slot));
}

/* Empty the slots of the seconds that began since. */
static void
turn(struct meter *m, double now_s)
{
	int64_t second = (int64_t)now_s;

	if (second - m->second > METER_SLOTS)
		m->second = second - METER_SLOTS;
	while (m->second < second)
		memset(&m->slot[++m->second % METER_SLOTS], 0, sizeof(m->slot[0]));
}

/* Count the time up to now. */
static void
run(struct meter *m, double now_s)
{
	double gap_s = m->edge == m->moving ? METER_EDGE_GAP_S : METER_GAP_S,
	       till_s = PB_MIN(now_s, m->byte_at + gap_s);

	if (m->moving > 0 && till_s > m->at)
		m->slot[m->second % METER_SLOTS].busy_s += till_s - m->at;
	turn(m, now_s);
	m->at = PB_MAX(now_s, m->at);
}

void
meter_begin(struct meter *m, bool edge, double now_s)
{
	run(m, now_s);
	if (m->moving++ == 0)
		m->byte_at = now_s;
	m->edge += edge;
}

void
meter_end(struct meter *m, bool edge, double now_s)
{
	pb_assert(m->moving > 0 && m->edge >= (unsigned)edge);
	run(m, now_s);
	m->moving--;
	m->edge -= edge;
}

void
meter_bytes(struct meter *m, uint64_t bytes, double now_s)
{
	run(m, now_s);
	m->slot[m->second % METER_SLOTS].bytes += bytes;
	m->byte_at = now_s;
}

uint64_t
meter_bps(struct meter *m, double now_s)
{
	uint64_t bytes = 0;
	double busy_s = 0;

	run(m, now_s);
	for (int64_t i = 0; i < METER_SLOTS && i <= m->second && busy_s < METER_BUSY_S; i++) {
		bytes += m->slot[(m->second - i) % METER_SLOTS].bytes;
		busy_s += m->slot[(m->second - i) % METER_SLOTS].busy_s;
	}
	if (busy_s < 1 && bytes < METER_BYTES_MIN)
		return 0;
	/* What comes in one turn of the loop takes no time that could be measured. */
	return (uint64_t)((double)bytes * 8 / PB_MAX(busy_s, 1e-3));
}

double
meter_still_s(const struct meter *m, double now_s)
{
	return m->moving > 0 ? PB_MAX(now_s - m->byte_at, 0.0) : 0;
}
