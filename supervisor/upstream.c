/*
 * upstream.c - backups, slots at other providers, limits of all of them
 */
#include "supervisor/upstream.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "ipc/tune.h"
#include "supervisor/stream.h"

void
upstream_init(struct upstream *up)
{
	*up = (struct upstream){ .slot = { .fd = -1 } };
}

bool
upstream_quiet(const struct upstream *up)
{
	return !up->answer_due && !up->limits_due;
}

static void
release(struct stream *s)
{
	if (s->upstream.slot_held)
		keep_backup_slot_gone(s->streams->keep, s->number);
	s->upstream.slot_held = false;
	slot_release(&s->upstream.slot);
}

void
upstream_reset(struct stream *s)
{
	s->upstream.told = 0;
	s->upstream.limits_due = s->upstream.answer_due = false;
}

void
upstream_give_up(struct stream *s)
{
	release(s);
	upstream_init(&s->upstream);
}

static const struct channel *
channel_of(const struct stream *s)
{
	return config_find_playing(s->streams->config, s->guide_number);
}

/* The provider of its source n, "" when nobody's. */
static const char *
provider_of(const struct stream *s, unsigned n)
{
	const struct channel *channel = channel_of(s);
	const char *name = channel != NULL ? channel_provider(channel, n) : NULL;

	return name != NULL ? name : "";
}

void
upstream_begins_with(struct stream *s, unsigned source)
{
	if (s->upstream.slot.fd != -1 && strcmp(provider_of(s, source), s->upstream.provider) != 0)
		release(s);
}

void
upstream_restore(struct stream *s)
{
	const struct channel *channel = channel_of(s);
	struct upstream *up = &s->upstream;
	int fd = keep_claim(s->streams->keep, LEDGER_FD_BACKUP, s->number);

	if (fd == -1)
		return;
	up->slot_held = true;
	/* Whose it is, the file says. */
	for (unsigned n = 1; channel != NULL && n <= channel->backup_count && up->slot.fd == -1; n++) {
		const char *provider = provider_of(s, n);
		int copy = provider[0] != '\0' ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

		if (copy != -1 && slot_adopt(&s->streams->slots, provider, copy, &up->slot) == 0)
			snprintf(up->provider, sizeof(up->provider), "%s", provider);
	}
	close(fd); /* the lock is the open file's, of which the copy is one more */
	if (up->slot.fd == -1)
		release(s);
}

static double
random_unit(void)
{
	return (double)arc4random() / 4294967296.0;
}

static struct provider_limit *
find_limit(struct streams *all, const char *provider)
{
	for (size_t i = 0; i < all->upstreams.count; i++)
		if (strcmp(all->upstreams.at[i].name, provider) == 0)
			return &all->upstreams.at[i];
	return NULL;
}

const struct provider_limit *
upstream_limit(const struct streams *all, const char *provider)
{
	for (size_t i = 0; i < all->upstreams.count; i++)
		if (strcmp(all->upstreams.at[i].name, provider) == 0)
			return &all->upstreams.at[i];
	return NULL;
}

/* That one, or a new one; NULL when there are too many that matter. */
static struct provider_limit *
have_limit(struct streams *all, const char *provider)
{
	struct provider_limit *limit = find_limit(all, provider);

	if (limit != NULL)
		return limit;
	for (size_t i = 0; i < all->upstreams.count && limit == NULL; i++)
		if (tune_account(all->config, all->upstreams.at[i].name).account == 0)
			limit = &all->upstreams.at[i]; /* no longer in the configuration */
	if (limit == NULL && all->upstreams.count < NITEMS(all->upstreams.at))
		limit = &all->upstreams.at[all->upstreams.count++];
	if (limit == NULL)
		return NULL;
	memset(limit, 0, sizeof(*limit));
	snprintf(limit->name, sizeof(limit->name), "%s", provider);
	return limit;
}

static bool
plays_from(const struct stream *s, const char *provider)
{
	const struct channel *channel = channel_of(s);

	for (unsigned n = 0; channel != NULL && n <= channel->backup_count; n++)
		if (strcmp(provider_of(s, n), provider) == 0)
			return true;
	return false;
}

/* Which of the streams that play from it is this, in their order? */
static unsigned
place_of(const struct stream *s, const char *provider)
{
	const struct stream *other;
	unsigned place = 0;

	TAILQ_FOREACH(other, &s->streams->all, link)
	{
		if (other == s)
			break;
		place += other->worker != NULL && plays_from(other, provider);
	}
	return place;
}

/* Tell its worker what it may ask. all: also that it may. 0, or as worker_send(). */
static int
tell_limits(struct stream *s, bool everything)
{
	struct streams *all = s->streams;
	double now = monotonic_s();

	for (size_t i = 0; i < all->upstreams.count; i++) {
		const struct provider_limit *limit = &all->upstreams.at[i];
		struct msg_limit msg = { .account = tune_account(all->config, limit->name).account };
		int err;

		if (msg.account == 0 || !plays_from(s, limit->name) ||
		    (limit->breaker == BREAKER_CLOSED && !everything))
			continue;
		msg.wait_ms = (uint32_t)(provider_wait(limit, place_of(s, limit->name), random_unit(), now) * 1e3);
		snprintf(msg.why, sizeof(msg.why), "%s", limit->why);
		err = worker_send(s->worker, MSG_S_LIMIT, &msg, sizeof(msg), NULL, 0);
		if (err != 0)
			return err;
	}
	return 0;
}

int
upstream_tell_first(struct stream *s, uint32_t source_count)
{
	const struct channel *channel = channel_of(s);
	struct msg_source source;
	const char *why;

	while (channel != NULL && s->upstream.told + 1 < source_count) {
		int err = tune_pack_source(&source, s->streams->config, channel, s->upstream.told + 1, &why);

		if (err == 0)
			err = worker_send(s->worker, MSG_S_SOURCE, &source, sizeof(source), NULL, 0);
		if (err == PB_AGAIN || err == PB_EPEER)
			return err;
		s->upstream.told++; /* one that can't be said is one that is not there */
	}
	return tell_limits(s, false);
}

/* Its worker can hear what is said after the tune. */
static bool
hears(const struct stream *s)
{
	return s->worker != NULL && !s->tune_owed && (s->worker->state == W_TUNED || s->worker->state == W_LIVE);
}

void
upstream_pay(struct stream *s)
{
	struct upstream *up = &s->upstream;
	bool with_slot = up->answer.granted && up->slot.fd != -1;

	if (!hears(s))
		return;
	if (up->answer_due)
		up->answer_due = worker_send(s->worker, MSG_S_SLOT, &up->answer, sizeof(up->answer), &up->slot.fd,
				     with_slot ? 1 : 0) == PB_AGAIN;
	if (up->limits_due && !up->answer_due)
		up->limits_due = tell_limits(s, true) == PB_AGAIN;
}

/* A slot for that source: it has one, needs none, or gets one. */
static bool
grant(struct stream *s, const char *provider)
{
	struct streams *all = s->streams;
	const struct stream *other;
	struct upstream *up = &s->upstream;
	int max = (int)tune_account(all->config, provider).streams, above = 0;
	int err;

	if (max == 0 || strcmp(provider, s->provider) == 0)
		return true;
	if (up->slot.fd != -1 && strcmp(up->provider, provider) == 0)
		return true;
	release(s); /* what it had before, it has left */
	TAILQ_FOREACH(other, &all->all, link)
	{
		above += other->slot.fd != -1 && other->slot.n >= max && strcmp(other->provider, provider) == 0;
		above += other->upstream.slot.fd != -1 && other->upstream.slot.n >= max &&
		    strcmp(other->upstream.provider, provider) == 0;
	}
	err = slot_take(&all->slots, provider, max, above, &up->slot);
	snprintf(up->provider, sizeof(up->provider), "%s", provider);
	if (err == 0)
		up->slot_held = keep_backup_slot(all->keep, s->number, up->slot.fd);
	return err != PB_NO;
}

void
upstream_wants_slot(struct stream *s, const struct msg_slot_want *want)
{
	struct upstream *up = &s->upstream;
	const char *provider = provider_of(s, want->source);

	if (want->want == 0) {
		if (strcmp(up->provider, provider) == 0)
			release(s);
		return;
	}
	up->answer = (struct msg_slot_answer){ .source = want->source, .granted = grant(s, provider) };
	up->answer_due = true;
	if (!up->answer.granted)
		log_event(LOG_WARNING, "provider.slots",
		    "channel=%s stream=%" PRIu64 " source=%u provider=\"%s\" "
		    "why=\"no slot is free for the backup\"",
		    s->guide_number, s->number, (unsigned)want->source, provider);
	upstream_pay(s);
}

void
upstream_hears(struct stream *s, const struct msg_limit_report *report)
{
	struct streams *all = s->streams;
	const char *provider = provider_of(s, report->source);
	struct provider_limit *limit = provider[0] != '\0' ? have_limit(all, provider) : NULL;
	double now = monotonic_s();
	struct stream *other;

	if (limit == NULL || !provider_hears(limit, s->number, report, now))
		return;
	log_event(limit->breaker == BREAKER_CLOSED ? LOG_INFO
		: limit->breaker == BREAKER_BAN    ? LOG_ERR
						   : LOG_WARNING,
	    "provider.limit", "provider=\"%s\" state=%s wait_ms=%.0f channel=%s status=%u why=\"%s\"", limit->name,
	    provider_breaker_name(limit->breaker),
	    limit->breaker == BREAKER_CLOSED ? 0.0 : PB_MAX(limit->until - now, 0.0) * 1e3, s->guide_number,
	    (unsigned)report->status, limit->breaker == BREAKER_CLOSED ? "it answers again" : limit->why);
	TAILQ_FOREACH(other, &all->all, link)
	if (other->worker != NULL && plays_from(other, provider)) {
		other->upstream.limits_due = true;
		upstream_pay(other);
	}
}

bool
upstream_is_other(
    const struct channel *was, const struct config *old, const struct channel *now, const struct config *new)
{
	struct msg_source a, b;
	const char *why;

	if (was == NULL || now == NULL)
		return false;
	for (unsigned n = 1; n < MSG_SOURCES_MAX; n++) {
		int err_a = tune_pack_source(&a, old, was, n, &why), err_b = tune_pack_source(&b, new, now, n, &why);

		if (err_a != err_b || (err_a == 0 && memcmp(&a, &b, sizeof(a)) != 0))
			return true;
	}
	return false;
}
