/*
 * provider.c - refusals counted, waits doubled
 *
 * Reports that come while the breaker is open are of requests that were on
 * their way when it opened: they may make the wait longer (a later
 * Retry-After), but they are no further refusals.
 */
#include "supervisor/provider.h"

#include <stdio.h>
#include <string.h>

#include "base/pb.h"

#define JITTER 0.2 /* of the wait, at most JITTER_MAX_S */
#define JITTER_MAX_S 2.0
#define FORGET_S 120.0 /* so long after a wait they are not in a row any more */

/* What the next wait is when nobody says (reference/hls.md 7). */
static const double waits_s[] = { 2, 5, 10, 30, 60 };

const char *
provider_breaker_name(enum provider_breaker breaker)
{
	static const char *const names[BREAKERS] = { "closed", "open", "ban" };

	return names[breaker];
}

static void
open_breaker(struct provider_limit *l, enum provider_breaker to, double seconds, double now)
{
	l->breaker = to;
	l->until = now + PB_MIN(seconds, PROVIDER_WAIT_MAX_S);
	l->opens++;
}

static void
ban(struct provider_limit *l, double at_least_s, double now)
{
	double seconds = PROVIDER_BAN_S;

	for (unsigned n = 0; n < l->bans_row && seconds < PROVIDER_WAIT_MAX_S; n++)
		seconds *= 2;
	l->bans++;
	l->bans_row++;
	l->denied = l->stream_count = 0;
	open_breaker(l, BREAKER_BAN, PB_MAX(seconds, at_least_s), now);
}

/* How much of a wait that it asks for is believed, after so many refusals in a row. */
static double
believed(const struct provider_limit *l, double asked_s)
{
	double most = PROVIDER_BELIEVED_S;

	for (unsigned n = 1; n < l->row && most < asked_s; n++)
		most *= 2;
	return PB_MIN(asked_s, most);
}

static bool
hears_busy(struct provider_limit *l, const struct msg_limit_report *r, double now)
{
	double asked_s = PB_MIN(r->retry_after_ms / 1e3, PROVIDER_WAIT_MAX_S), wait_s;

	l->refusals++;
	l->status = r->status;
	if (l->breaker != BREAKER_CLOSED && now < l->until) {
		wait_s = believed(l, asked_s);
		if (now + wait_s <= l->until)
			return false;
		l->until = now + wait_s;
		return true;
	}
	if (now - l->until > FORGET_S)
		l->row = 0;
	if (++l->row >= PROVIDER_BUSY_BAN) {
		snprintf(l->why, sizeof(l->why), "HTTP %u again and again, however long we wait", l->status);
		ban(l, asked_s, now);
		return true;
	}
	snprintf(l->why, sizeof(l->why), asked_s > 0 ? "HTTP %u, come back in %.0f s" : "HTTP %u", l->status, asked_s);
	wait_s = asked_s > 0 ? believed(l, asked_s) : waits_s[PB_MIN(l->row, NITEMS(waits_s)) - 1];
	open_breaker(l, BREAKER_OPEN, wait_s, now);
	return true;
}

static bool
hears_denied(struct provider_limit *l, uint64_t stream, const struct msg_limit_report *r, double now)
{
	bool known = false;

	l->denials++;
	if (l->breaker != BREAKER_CLOSED && now < l->until)
		return false;
	if (l->denied == 0 ||
	    (l->stream_count < PROVIDER_DENIED_STREAMS && l->denied < PROVIDER_DENIED_BAN / 2 &&
		now - l->denied_at > PROVIDER_DENIED_S)) {
		l->denied = l->stream_count = 0;
		l->denied_at = now;
	}
	l->denied++;
	for (unsigned i = 0; i < l->stream_count; i++)
		known |= l->streams[i] == stream;
	if (!known && l->stream_count < PROVIDER_DENIED_STREAMS)
		l->streams[l->stream_count++] = stream;
	if (l->stream_count < PROVIDER_DENIED_STREAMS && l->denied < PROVIDER_DENIED_BAN)
		return false;
	l->status = r->status;
	snprintf(l->why, sizeof(l->why), "HTTP %u %u times, %u channels: it looks like a ban", l->status, l->denied,
	    l->stream_count);
	ban(l, r->retry_after_ms / 1e3, now);
	return true;
}

static bool
hears_good(struct provider_limit *l, double now)
{
	if (l->breaker != BREAKER_CLOSED && now < l->until)
		return false; /* it was asked for before */
	l->denied = l->stream_count = 0;
	l->bans_row = 0;
	if (l->breaker == BREAKER_CLOSED)
		return false;
	/* What led to a ban was paid for with it: the next refusal is a first one. */
	if (l->breaker == BREAKER_BAN)
		l->row = 0;
	l->breaker = BREAKER_CLOSED;
	return true;
}

bool
provider_hears(struct provider_limit *l, uint64_t stream, const struct msg_limit_report *r, double now)
{
	switch (r->what) {
	case LIMIT_GOOD:
		return hears_good(l, now);
	case LIMIT_BUSY:
		return hears_busy(l, r, now);
	case LIMIT_DENIED:
		return hears_denied(l, stream, r, now);
	default:
		return false;
	}
}

double
provider_wait(const struct provider_limit *l, unsigned place, double random, double now)
{
	double wait = PB_MAX(l->until - now, 0.0);

	if (l->breaker == BREAKER_CLOSED)
		return place * PROVIDER_SPACING_S;
	wait += PB_MIN(wait * JITTER, JITTER_MAX_S) * random;
	if (place > 0)
		wait += PROVIDER_FIRST_S + place * PROVIDER_SPACING_S;
	return wait;
}
