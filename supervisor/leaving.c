/*
 * leaving.c - copies, for the lists whose strings these were may be gone
 */
#include "supervisor/leaving.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/playing.h"
#include "supervisor/supervisor.h"

static char *
copy(struct arena *arena, const char *s)
{
	return s != NULL ? arena_text(arena, s, strlen(s)) : NULL;
}

static const char **
copy_all(struct arena *arena, const char **from, size_t count)
{
	const char **to = from != NULL && count > 0 ? arena_alloc(arena, count * sizeof(*to)) : NULL;

	for (size_t i = 0; to != NULL && i < count; i++)
		to[i] = copy(arena, from[i]);
	return to;
}

static struct channel_request
copy_request(struct arena *arena, const struct channel_request *from)
{
	struct channel_request to = { .headers = copy_all(arena, from->headers, from->header_count),
		.user_agent = copy(arena, from->user_agent) };

	to.header_count = to.headers != NULL ? from->header_count : 0;
	return to;
}

static const struct channel_request *
copy_requests(struct arena *arena, const struct channel_request *from, size_t count)
{
	struct channel_request *to = from != NULL ? arena_alloc(arena, count * sizeof(*to)) : NULL;

	for (size_t i = 0; to != NULL && i < count; i++)
		to[i] = copy_request(arena, &from[i]);
	return to;
}

/* The same of struct channel_more. What there is no memory for is not asked for. */
static const struct channel_more *
copy_more(struct arena *arena, struct channel *c)
{
	const struct channel_more *from = c->more;
	struct channel_more *to = from != NULL ? arena_alloc(arena, sizeof(*to)) : NULL;

	if (to == NULL) {
		c->backup_count = 0;
		return NULL;
	}
	to->backups = copy_all(arena, from->backups, c->backup_count);
	to->backup_providers = copy_all(arena, from->backup_providers, c->backup_count);
	to->backup_requests = copy_requests(arena, from->backup_requests, c->backup_count);
	/* Nor is one asked with what is another's. */
	if (to->backups == NULL || (to->backup_requests == NULL && from->backup_requests != NULL))
		c->backup_count = 0;
	to->request = copy_request(arena, &from->request);
	return to;
}

/* A channel that is being watched and no longer offered: what its worker's successor would need. */
static void
let_leave(struct imported *to, const struct channel *ch)
{
	struct channel *more = reallocarray(to->leaving, to->leaving_count + 1, sizeof(*more));
	struct channel *c;

	if (more == NULL)
		return;
	to->leaving = more;
	c = &more[to->leaving_count];
	*c = *ch;
	c->name = copy(&to->arena, ch->name);
	c->url = copy(&to->arena, ch->url);
	c->more = copy_more(&to->arena, c);
	c->provider = copy(&to->arena, ch->provider);
	c->logo = c->tvg_id = c->group = NULL;
	to->leaving_count++;
}

static bool
is_provider(const struct config *config, const char *name)
{
	for (size_t i = 0; name != NULL && i < config->provider_count; i++)
		if (strcmp(config->providers[i].name, name) == 0)
			return provider_imports(&config->providers[i]);
	return false;
}

/*
 * May one that is in no lineup any more play on, as long as it is watched?
 * What a provider drops may, also where the file says something over it;
 * what the operator wrote and takes out, or whose provider, is to end.
 */
static bool
may_stay(const struct config *config, const struct channel *ch)
{
	const struct channel *over = lineup_find(&config->written, ch->guide_number);

	if (ch->url == NULL || (ch->line != 0 && over == NULL))
		return false;
	return is_provider(config, ch->provider) || (over != NULL && over->provider != NULL);
}

void
leaving_keep(const struct supervisor *sup, const struct config *config, struct imported *to)
{
	const struct stream *s;

	TAILQ_FOREACH(s, &sup->streams.all, link)
	{
		const struct channel *ch = config_find_playing(sup->config, s->guide_number);

		if (ch != NULL && may_stay(config, ch) && lineup_find(&to->lineup, s->guide_number) == NULL)
			let_leave(to, ch);
	}
}

void
leaving_note(struct supervisor *sup, const struct config *config)
{
	const struct channel *playing[STREAMS_MAX];
	const struct stream *s;
	size_t count = 0;
	int fd = -1, err = 0;

	TAILQ_FOREACH(s, &sup->streams.all, link)
	{
		const struct channel *ch = config_find_playing(config, s->guide_number);

		if (ch != NULL && s->state_now != STREAM_ENDING && may_stay(config, ch) && count < NITEMS(playing))
			playing[count++] = ch;
	}
	if (count > 0)
		err = playing_pack(playing, count, &fd);
	if (err != 0)
		log_event(LOG_WARNING, "keep.playing", "channels=%zu why=\"%s\"", count,
		    err == PB_ESYS ? strerror(errno) : pb_strerror(err));
	else if (fd != -1 || keep_playing(&sup->keep) != -1)
		keep_playing_as(&sup->keep, fd);
}

/* Only what has a stream, and is not there already. */
static void
on_playing(void *user, const struct channel *ch)
{
	struct supervisor *sup = user;
	struct ledger_stream stream;
	bool streamed = false;

	if (config_find_playing(sup->config, ch->guide_number) != NULL || !may_stay(sup->config, ch))
		return;
	for (size_t at = 0; !streamed && ledger_next_stream(sup->keep.ledger, &at, &stream);)
		streamed = strcmp(stream.guide_number, ch->guide_number) == 0;
	if (streamed)
		let_leave(&sup->config->imported, ch);
}

void
leaving_take(struct supervisor *sup)
{
	int fd = keep_playing(&sup->keep);
	int err = fd != -1 ? playing_read(fd, on_playing, sup) : 0;

	if (err != 0)
		log_event(
		    LOG_ERR, "keep.playing", "why=\"what the last one wrote can't be read: %s\"", pb_strerror(err));
}
