/*
 * restore.c - the last supervisor's streams: ledger, holder, and what they agree on
 */
#include <inttypes.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "ipc/spool.h"
#include "supervisor/renew.h"
#include "supervisor/stream.h"
#include "supervisor/succession.h"
#include "supervisor/tuner.h"

/* Its memory is as a stream's must be: then it is the stream's. */
static bool
restore_memory(struct stream *s)
{
	s->spool_fd = keep_claim(s->streams->keep, LEDGER_FD_SPOOL, s->number);
	s->state_fd = keep_claim(s->streams->keep, LEDGER_FD_STATE, s->number);
	s->held = s->spool_fd != -1 && s->state_fd != -1;
	if (!s->held && s->spool_fd != -1)
		keep_drop(s->streams->keep, LEDGER_FD_SPOOL, s->number);
	if (!s->held && s->state_fd != -1)
		keep_drop(s->streams->keep, LEDGER_FD_STATE, s->number);
	return s->held && spool_valid(s->spool_fd);
}

/* Can a worker of ours go on with it? Not when it was written by another build, or has no media yet. */
static bool
is_readable(struct stream *s)
{
	if (state_map(s->state_fd, &s->state) != 0)
		return false;
	return atomic_load(&s->state->released) > atomic_load(&s->state->tail);
}

/* On a fresh spool, then, under the connections that are there. false: not even that. */
static bool
begin_afresh(struct stream *s)
{
	struct client *c, *next;

	if (!renew(s))
		return false;
	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		(void)client_carry(c);
	}
	s->renewed = true;
	stream_note(s);
	return true;
}

/* An upgrade: its worker lives, and is to be replaced by one of ours in its turn. */
static void
restore_worker(struct stream *s)
{
	struct worker *w = workers_claim(s->streams->workers, s->number);

	if (w == NULL)
		return;
	stream_has_worker(s, w);
	worker_listen(w, s->state);
	s->retire = "upgrade";
}

/* One of the last supervisor's, still without its clients. */
static void
restore_stream(struct streams *all, const struct ledger_stream *entry)
{
	const struct channel *channel = config_find_playing(all->config, entry->guide_number);
	struct stream *s = NULL;

	if (channel != NULL && all->count < STREAMS_MAX && streams_on_tuner(all, entry->tuner) == NULL)
		s = stream_new(all, entry->number, channel, entry->tuner);
	if (s == NULL) {
		log_event(LOG_ERR, "stream.lost", "channel=%s stream=%" PRIu64 " why=\"%s\"", entry->guide_number,
		    entry->number, channel == NULL ? "the channel is gone" : "no tuner or no memory");
		keep_stream_gone(all->keep, entry->number);
		return;
	}
	s->born = PB_MIN((double)entry->born_ns / 1e9, s->born);
	s->restarts = entry->restarts;
	s->retunes = entry->retunes;
	s->crashes = (struct crashes){
		.row = entry->deaths_row,
		.suspect = entry->suspect,
		.skip_set = entry->skip_set,
		.skip_serial = entry->skip_serial,
		.count = entry->crashes,
		.poisoned = entry->poisoned,
	};
	stream_slot_restore(s);
	upstream_restore(s);
	if (restore_memory(s) && entry->live && !is_readable(s) && workers_claim(all->workers, s->number) == NULL) {
		s->renewed = true; /* when its clients are there */
		return;
	}
	if (s->state != NULL && entry->live) {
		/* As if its worker had died this moment. */
		s->state_now = STREAM_LIVE;
		stream_note(s);
		restore_worker(s);
		return;
	}
	stream_drop_memory(s);
	if (entry->live) {
		log_event(LOG_ERR, "stream.lost", "channel=%s stream=%" PRIu64 " why=\"its memory is not there\"",
		    s->guide_number, s->number);
		stream_end(s, "memory-lost", TUNER_SYSTEM_BUSY);
	}
}

static void
restore_client(struct streams *all, const struct ledger_client *entry)
{
	struct stream *s = streams_find(all, entry->stream);
	int fd = s != NULL ? keep_claim(all->keep, LEDGER_FD_CLIENT, entry->number) : -1;

	/* In the ledger only, or of a stream that is gone: then its connection is ended with the rest. */
	if (fd == -1)
		keep_client_gone(all->keep, entry->number, false);
	else if (client_restore(s, entry, fd) == NULL)
		keep_client_gone(all->keep, entry->number, true);
}

void
streams_restore(struct streams *all)
{
	struct ledger_stream stream;
	struct ledger_client client;
	struct stream *s, *next;

	all->frozen = false;
	for (size_t at = 0; ledger_next_stream(all->keep->ledger, &at, &stream);)
		restore_stream(all, &stream);
	for (size_t at = 0; ledger_next_client(all->keep->ledger, &at, &client);)
		restore_client(all, &client);
	keep_end_rest(all->keep);
	workers_end_unclaimed(all->workers);
	workers_exempt(all->workers, all->count);
	for (s = TAILQ_FIRST(&all->all); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		log_event(LOG_WARNING, "stream.restored", "channel=%s stream=%" PRIu64 " tuner=%d live=%d clients=%zu",
		    s->guide_number, s->number, s->tuner, s->state_now == STREAM_LIVE, stream_watchers(s));
		if (s->renewed && (stream_watchers(s) == 0 || !begin_afresh(s)))
			stream_end(s, "memory-lost", TUNER_SYSTEM_BUSY);
		else if (s->state_now == STREAM_LIVE && s->worker == NULL)
			succession_carry(s, 0);
		else if (s->state_now == STREAM_LIVE)
			stream_client_left(s); /* the last one may have, before */
		else if (stream_watchers(s) == 0)
			stream_end(s, "nobody watches", TUNER_SYSTEM_BUSY);
	}
	streams_pump(all);
}
