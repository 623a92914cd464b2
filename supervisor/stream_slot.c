/*
 * stream_slot.c - a stream's slot of its provider, from its first worker until none of it can live
 */
#include "supervisor/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/pb.h"

int
streams_provider_max(const struct config *config, const char *name)
{
	for (size_t i = 0; name != NULL && i < config->provider_count; i++)
		if (strcmp(config->providers[i].name, name) == 0)
			return config->providers[i].max_streams;
	return 0;
}

void
stream_slot_unhold(struct stream *s)
{
	if (s->slot_held)
		keep_slot_gone(s->streams->keep, s->number);
	s->slot_held = false;
}

void
stream_slot_give_up(struct stream *s)
{
	stream_slot_unhold(s);
	slot_release(&s->slot);
}

/* Where no lock is to be had, only the streams that run are counted (choose.h): said once. */
static void
say_unlimited(struct streams *all, const char *provider)
{
	if (!all->unlimited)
		log_event(LOG_WARNING, "provider.slots",
		    "provider=\"%s\" why=\"can't be locked in state_dir: %s; "
		    "max_streams may be exceeded for a moment\"",
		    provider, strerror(errno));
	all->unlimited = true;
}

bool
stream_slot_have(struct stream *s)
{
	struct streams *all = s->streams;
	const struct stream *other;
	int max = streams_provider_max(all->config, s->provider), above = 0;
	int err;

	if (max == 0 || s->slot.fd != -1)
		return true;
	TAILQ_FOREACH(other, &all->all, link)
	above += other->slot.fd != -1 && other->slot.n >= max && strcmp(other->provider, s->provider) == 0;
	err = slot_take(&all->slots, s->provider, max, above, &s->slot);
	if (err == 0)
		s->slot_held = keep_slot(all->keep, s->number, s->slot.fd);
	else if (err != PB_NO)
		say_unlimited(all, s->provider);
	return err != PB_NO;
}

bool
stream_slot_of(const struct stream *s, const char *provider)
{
	return (s->slot.fd != -1 && strcmp(s->provider, provider) == 0) ||
	    (s->upstream.slot.fd != -1 && strcmp(s->upstream.provider, provider) == 0);
}

bool
streams_slot_promised(struct streams *all, const char *provider, int max)
{
	struct slot slot = { .fd = -1 };
	const struct stream *s;
	bool promised;

	if (max == 0)
		return true;
	TAILQ_FOREACH(s, &all->all, link)
	if (s->state_now == STREAM_ENDING && stream_slot_of(s, provider))
		return true;
	promised = slot_take(&all->slots, provider, max, 0, &slot) != PB_NO;
	slot_release(&slot);
	return promised;
}

void
stream_slot_restore(struct stream *s)
{
	struct keep *keep = s->streams->keep;
	int fd = keep_claim(keep, LEDGER_FD_SLOT, s->number);

	if (fd == -1)
		return;
	s->slot_held = true;
	if (slot_adopt(&s->streams->slots, s->provider, fd, &s->slot) != 0)
		stream_slot_unhold(s); /* the channel has another provider by now */
}

void
stream_look_up_provider(struct stream *s, bool goes_on)
{
	const struct channel *channel = config_find_playing(s->streams->config, s->guide_number);
	const char *provider = channel != NULL && channel->provider != NULL ? channel->provider : "";

	if (!goes_on || strcmp(provider, s->provider) != 0)
		stream_slot_give_up(s);
	snprintf(s->provider, sizeof(s->provider), "%s", provider);
}
