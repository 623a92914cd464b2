/*
 * tunes.c - a request for a channel: which stream it joins, or whose tuner it gets
 */
#include "supervisor/stream.h"

#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "supervisor/choose.h"
#include "supervisor/tuner.h"

static enum seat_use
use_of(const struct stream *s)
{
	enum seat_use use = SEAT_LINGERING;
	const struct client *c;

	TAILQ_FOREACH(c, &s->clients, link)
	{
		if (c->phase == CLIENT_DROPPING)
			continue;
		if (!c->eof && !client_paused(c))
			return SEAT_WATCHED;
		if (!c->eof)
			use = SEAT_STALLED;
		else if (use == SEAT_LINGERING)
			use = SEAT_LEFT;
	}
	return use;
}

/* Who has which tuner; into seats[] and of[], both of STREAMS_MAX. */
static size_t
seat_all(const struct streams *all, const struct channel *channel, struct seat *seats, struct stream **of)
{
	struct stream *s;
	size_t n = 0;

	TAILQ_FOREACH(s, &all->all, link)
	{
		if (s->state_now == STREAM_ENDING)
			continue;
		of[n] = s;
		seats[n++] = (struct seat){
			.tuner = s->tuner,
			.use = use_of(s),
			.same_channel = strcmp(s->guide_number, channel->guide_number) == 0,
			.same_provider = channel->provider != NULL &&
			    (strcmp(s->provider, channel->provider) == 0 || stream_slot_of(s, channel->provider)),
			.idle_s = loop_now(all->loop) - s->left_at,
		};
	}
	return n;
}

static bool
frees_slot(const struct choice *choice, const struct seat *seats)
{
	for (size_t i = 0; i < NITEMS(choice->give_up); i++)
		if (choice->give_up[i] != -1 && seats[choice->give_up[i]].same_provider)
			return true;
	return false;
}

/* The stream that plays the channel, or a new one; NULL with *error. */
static struct stream *
find_stream(struct streams *all, const struct channel *channel, int first, int tuner_count, int tuner, int *error)
{
	static struct seat seats[STREAMS_MAX];
	static struct stream *of[STREAMS_MAX];
	struct stream *s;
	struct choice choice;
	size_t n = seat_all(all, channel, seats, of);
	int max = streams_provider_max(all->config, channel->provider);

	choose_tuner(&choice, seats, n, tuner == -1 ? -1 : first + tuner, first, tuner_count, max);
	*error = choice.error;
	if (choice.error != 0)
		return NULL;
	if (choice.join != -1) {
		all->joins++;
		return of[choice.join];
	}
	*error = TUNER_ALL_IN_USE;
	if (!frees_slot(&choice, seats) && !streams_slot_promised(all, channel->provider, max))
		return NULL;
	*error = TUNER_SYSTEM_BUSY;
	if (all->count == STREAMS_MAX || streams_memory(all) >= all->memory_limit)
		return NULL;
	s = stream_new(all, keep_number(all->keep), channel, choice.tuner);
	if (s == NULL)
		return NULL;
	for (size_t i = 0; i < NITEMS(choice.give_up); i++)
		if (choice.give_up[i] != -1)
			stream_end(of[choice.give_up[i]], "tuner-needed", TUNER_ALL_IN_USE);
	all->tunes++;
	return s;
}

void
streams_tune(struct streams *all, struct http_conn *conn, const struct request *req, const struct channel *channel,
    int first, int tuner_count, int tuner, uint32_t duration_s)
{
	struct http_taken taken;
	struct client *client;
	struct stream *s = NULL;
	int error = TUNER_SYSTEM_BUSY;

	if (!all->closing && all->clients < all->clients_max)
		s = find_stream(all, channel, first, tuner_count, tuner, &error);
	if (s == NULL) {
		char peer[ADDR_TEXT];

		all->refused++;
		if (log_may(&all->refusals, STREAMS_REFUSALS_PER_S)) {
			log_event(LOG_WARNING, "tune.refused", "channel=%s peer=%s code=%d unsaid=%u",
			    channel->guide_number, addr_ip(http_peer(conn), peer), error, all->refusals.missed);
			all->refusals.missed = 0;
		}
		http_reply(conn, tuner_error_status(error), NULL, tuner_error_head(error), NULL, 0);
		return;
	}
	http_take(conn, &taken);
	client = client_new(s, keep_number(all->keep), &taken, req->agent, duration_s);
	if (client == NULL) {
		http_return(
		    all->http, &taken, tuner_error_status(TUNER_SYSTEM_BUSY), tuner_error_head(TUNER_SYSTEM_BUSY));
		stream_client_left(s);
	} else {
		ev_timer_stop(all->loop, &s->linger);
		if (s->state_now == STREAM_LIVE) {
			client_media(client);
			stream_pay(s);
		}
	}
	streams_pump(all);
}
