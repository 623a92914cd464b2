/*
 * tally.c - differences of counters, added up where they belong
 */
#include "worker/tally.h"

#include "base/pb.h"

#define MINUTE_MS 60000

void
tally_init(struct tally *t, unsigned source, int64_t now_ms)
{
	*t = (struct tally){ .source = source, .last = { .now_ms = now_ms } };
}

static void
add(_Atomic uint64_t *to, uint64_t now, uint64_t before)
{
	atomic_store_explicit(
	    to, atomic_load_explicit(to, memory_order_relaxed) + (now - before), memory_order_relaxed);
}

static void
add32(_Atomic uint32_t *to, uint64_t more)
{
	uint64_t sum = atomic_load_explicit(to, memory_order_relaxed) + more;

	atomic_store_explicit(to, (uint32_t)PB_MIN(sum, (uint64_t)UINT32_MAX), memory_order_relaxed);
}

static void
set(_Atomic uint32_t *to, uint32_t value)
{
	atomic_store_explicit(to, value, memory_order_relaxed);
}

/* Its minute, emptied when it is a new one. A place says which minute it is last of all. */
static struct state_minute *
minute_of(struct state_source *one, int64_t now_ms)
{
	uint32_t number = (uint32_t)(now_ms / MINUTE_MS) + 1;
	struct state_minute *m = &one->minutes[number % STATE_MINUTES];

	if (atomic_load_explicit(&m->minute, memory_order_relaxed) == number)
		return m;
	set(&m->minute, 0);
	set(&m->seconds, 0);
	set(&m->requests, 0);
	set(&m->troubles, 0);
	set(&m->segments, 0);
	set(&m->losses, 0);
	set(&m->retransmits, 0);
	set(&m->latency_ms, 0);
	set(&m->throughput_kbps, 0);
	set(&m->quality, QUALITY_NORMAL);
	atomic_store_explicit(&m->minute, number, memory_order_release);
	return m;
}

static void
note(struct state_source *one, const struct tally_look *look, const struct tally_look *last)
{
	struct state_minute *m = minute_of(one, look->now_ms);

	add(&one->bytes, look->bytes, last->bytes);
	add(&one->requests, look->requests, last->requests);
	add(&one->troubles, look->troubles, last->troubles);
	add(&one->retransmits, look->resent, last->resent);
	add(&one->used_ms, (uint64_t)look->now_ms, (uint64_t)last->now_ms);
	atomic_store_explicit(&one->used_ns, look->now_ms * 1000000, memory_order_relaxed);
	set(&one->latency_ms, look->latency_ms);
	set(&one->throughput_kbps, look->throughput_kbps);
	set(&one->rtt_ms, look->rtt_ms);
	set(&one->loss_permille, look->loss_permille);
	set(&one->error_permille, look->error_permille);
	set(&one->quality, look->quality);
	add32(&m->seconds, 1);
	add32(&m->requests, look->requests - last->requests);
	add32(&m->troubles, look->troubles - last->troubles);
	add32(&m->segments, look->segments - last->segments);
	add32(&m->losses, look->losses - last->losses);
	add32(&m->retransmits, look->resent - last->resent);
	set(&m->latency_ms, PB_MAX(look->latency_ms, atomic_load_explicit(&m->latency_ms, memory_order_relaxed)));
	if (look->throughput_kbps != 0)
		set(&m->throughput_kbps, look->throughput_kbps);
	set(&m->quality, PB_MAX((uint32_t)look->quality, atomic_load_explicit(&m->quality, memory_order_relaxed)));
}

void
tally_second(struct tally *t, struct state_sources *to, unsigned source, const struct tally_look *look)
{
	if (t->source < STATE_SOURCES)
		note(&to->at[t->source], look, &t->last);
	t->source = source;
	t->last = *look;
}

enum state_quality
tally_quality(const struct state_source *one, int64_t now_ms)
{
	int64_t used_ms = atomic_load_explicit(&one->used_ns, memory_order_relaxed) / 1000000;
	uint32_t quality = atomic_load_explicit(&one->quality, memory_order_relaxed);

	if (used_ms <= 0 || used_ms > now_ms || now_ms - used_ms > TALLY_STALE_MS || quality > QUALITY_OUTAGE)
		return QUALITY_NORMAL;
	return (enum state_quality)quality;
}
