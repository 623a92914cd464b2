/*
 * succession.c - count the death, say it, keep what it left, and for whom
 */
#include "supervisor/succession.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "supervisor/memory.h"
#include "supervisor/quarantine.h"
#include "supervisor/renew.h"
#include "supervisor/stream.h"
#include "supervisor/tuner.h"

#define QUARANTINE_TRY_S 10.0 /* workers that follow so soon are given the file, too */
#define RENEW_AGAIN_S 1.0 /* before another try at a source that brought nothing */
#define STUCK_HAND_MS 1000 /* of media in hand: less may lie behind a mark that is not there yet */

void
succession_log(struct stream *s, bool handed)
{
	struct handover *h = &s->handover;
	double ms = (double)(monotonic_ns() - h->died_ns) / 1e6;
	char segment[24] = "-";

	if (h->in_hand != 0)
		snprintf(segment, sizeof(segment), "%" PRIu64, h->in_hand - 1);
	log_event(h->retired                        ? LOG_INFO
		: handed || stream_watchers(s) == 0 ? LOG_WARNING
						    : LOG_ERR,
	    h->retired ? "worker.retired" : "worker.death",
	    "pid=%d %s=%d channel=%s stream=%" PRIu64
	    " segment=%s clients=%zu lived_ms=%.0f handed=%s ms=%.1f why=\"%s\"",
	    (int)h->pid, WIFSIGNALED(h->status) ? "signal" : "status",
	    WIFSIGNALED(h->status) ? WTERMSIG(h->status) : WEXITSTATUS(h->status), s->guide_number, s->number, segment,
	    h->clients, h->lived_s * 1e3, handed ? "yes" : "no", ms, h->why);
	h->pending = false;
	if (!handed)
		return;
	s->handovers++;
	s->streams->handovers++;
	memcpy(s->last.why, h->why, sizeof(s->last.why));
	s->last.ms = ms;
	s->last.clients = h->clients;
	s->last.at = loop_now(s->streams->loop);
}

static double
jitter(double seconds)
{
	return seconds * (0.75 + 0.5 * ((double)arc4random() / 4294967296.0));
}

void
succession_again(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct stream *s = watch->data;

	(void)loop;
	(void)revents;
	streams_pump(s->streams);
}

void
succession_wait(struct stream *s, double seconds)
{
	struct ev_loop *loop = s->streams->loop;

	ev_timer_stop(loop, &s->again);
	if (seconds <= 0)
		return;
	ev_timer_set(&s->again, seconds, 0.0);
	ev_timer_start(loop, &s->again);
}

/* A file for the segment that the next worker leaves out. */
static void
open_quarantine(struct stream *s)
{
	const char *dir = s->streams->config->stream.quarantine_dir;
	char name[QUARANTINE_NAME] = "";
	int err;

	if (dir == NULL)
		return;
	if (s->quarantine_fd != -1)
		close(s->quarantine_fd);
	s->quarantine_fd = -1;
	s->quarantine_at = 0;
	err = quarantine_open(dir, s->guide_number, s->crashes.skip_serial, time(NULL), &s->quarantine_fd, name);
	log_event(err == 0 ? LOG_INFO : LOG_WARNING, "segment.quarantine",
	    "channel=%s stream=%" PRIu64 " segment=%" PRIu64 " file=\"%s/%s\" why=\"%s\"", s->guide_number, s->number,
	    s->crashes.skip_serial, dir, name, err == 0 ? "" : strerror(errno));
}

int
succession_quarantine(struct stream *s)
{
	struct msg_quarantine msg = { .serial = s->crashes.skip_serial, .bytes_max = QUARANTINE_BYTES };
	int err;

	if (s->quarantine_fd == -1)
		return 0;
	/* One that died so soon after the last may not have had the time. */
	if (s->quarantine_at != 0 && loop_now(s->streams->loop) - s->quarantine_at > QUARANTINE_TRY_S) {
		close(s->quarantine_fd);
		s->quarantine_fd = -1;
		return 0;
	}
	err = worker_send(s->worker, MSG_S_QUARANTINE, &msg, sizeof(msg), &s->quarantine_fd, 1);
	if (err == 0 && s->quarantine_at == 0)
		s->quarantine_at = loop_now(s->streams->loop);
	return err;
}

/* How many sources does the channel have? */
static unsigned
source_count(const struct stream *s)
{
	const struct channel *channel = config_find_playing(s->streams->config, s->guide_number);

	return channel != NULL && !channel->testcard ? 1 + channel->backup_count : 1;
}

/* Workers die too soon: the next one is to hold its hands still for so long, and then to try the next source. */
static void
hold(struct stream *s, double seconds)
{
	unsigned count = source_count(s);
	/* A worker wrote that: any number will do. */
	unsigned now = s->source_next >= 0
	    ? (unsigned)s->source_next
	    : atomic_load_explicit(&s->state->figures.source, memory_order_relaxed) % count;

	s->hold_s = seconds;
	s->source_next = count > 1 ? (int)((now + 1) % count) : -1;
}

void
succession_pack(const struct stream *s, struct msg_tune *tune)
{
	tune->hold_ms = (uint32_t)(s->hold_s * 1e3);
	tune->source_set = s->source_next >= 0 && (uint32_t)s->source_next < tune->source_count;
	tune->source = tune->source_set ? (uint32_t)s->source_next : 0;
}

void
succession_packed(struct stream *s)
{
	s->hold_until = loop_now(s->streams->loop) + s->hold_s;
	s->hold_s = 0;
}

/* Count a death; gives the seconds until the next worker may have the stream. */
static double
note_death(struct stream *s, const struct worker *w, const struct death *d)
{
	bool poison;
	double wait = crashes_note(&s->crashes, d, &poison);

	s->streams->deaths++;
	if (poison) {
		s->streams->poisoned++;
		log_event(LOG_ERR, "segment.poison",
		    "channel=%s stream=%" PRIu64 " segment=%" PRIu64 " pid=%d "
		    "why=\"in hand at two crashes: the next worker leaves it out\"",
		    s->guide_number, s->number, s->crashes.skip_serial, (int)w->pid);
		open_quarantine(s);
	}
	stream_note(s);
	return wait;
}

/* There was no media yet: the tune begins anew, on a fresh spool. May free s. */
static void
tune_again(struct stream *s, bool retired)
{
	succession_log(s, false);
	if (s->renewed && stream_watchers(s) > 0 && renew(s)) {
		s->restarts++;
		stream_set_state(s, STREAM_WAITING);
		succession_wait(s, jitter(RENEW_AGAIN_S));
		return;
	}
	if (stream_watchers(s) == 0 || (!retired && s->retunes == STREAM_RETUNES) ||
	    (WIFEXITED(s->handover.status) && WEXITSTATUS(s->handover.status) == PB_EXIT_PERMANENT)) {
		stream_end(s, "worker-died", TUNER_TUNE_FAILED);
		return;
	}
	if (!s->renewed)
		stream_drop_memory(s);
	s->retunes += !retired;
	s->restarts++;
	stream_look_up_provider(s, false);
	stream_set_state(s, STREAM_WAITING);
}

void
succession_carry(struct stream *s, double wait)
{
	struct client *c, *next;

	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		s->handover.clients += client_carry(c);
	}
	if (stream_watchers(s) == 0) {
		stream_end(s, "worker-died", TUNER_TUNE_FAILED);
		return;
	}
	s->restarts++;
	stream_look_up_provider(s, true);
	if (wait > 0) {
		bool held = loop_now(s->streams->loop) < s->hold_until;

		wait = jitter(wait);
		if (!held)
			hold(s, wait);
		log_event(LOG_WARNING, "stream.backoff",
		    "channel=%s stream=%" PRIu64 " wait_ms=%.0f deaths=%u source=%d viewers=%s", s->guide_number,
		    s->number, wait * 1e3, s->crashes.row, s->source_next, held ? "waiting" : "served");
		/* One that had nothing to do but to carry the viewers died of that. */
		if (!held)
			wait = 0;
	} else {
		s->hold_s = 0;
		s->source_next = -1;
	}
	succession_wait(s, wait);
	if (s->state_now != STREAM_ORPHAN)
		stream_set_state(s, STREAM_ORPHAN);
}

void
succession_begin(struct stream *s, const struct worker *w, int status)
{
	struct death d = { .status = status, .killed = w->killed, .lived_s = loop_now(w->loop) - s->tuned_at };
	bool retired = w->asked && WIFEXITED(status) && WEXITSTATUS(status) == PB_EXIT_OK;
	double wait = 0;

	/*
	 * Nobody else writes there now: what a successor dies of before it takes
	 * a segment in hand is not put on this one. A tune that begins anew counts
	 * its segments anew.
	 */
	if (s->state_now != STREAM_TUNING)
		d.in_hand = atomic_exchange(&s->state->in_hand, 0);
	if (s->handover.pending)
		succession_log(s, false); /* it died before it had all of what the one before left */
	if (!retired)
		wait = note_death(s, w, &d);
	s->handover = (struct handover){
		.pending = true,
		.pid = w->pid,
		.status = status,
		.retired = retired,
		.in_hand = d.in_hand,
		.lived_s = d.lived_s,
		.died_ns = monotonic_ns(),
	};
	if (retired && s->retire != NULL)
		snprintf(s->handover.why, sizeof(s->handover.why), "%s", s->retire);
	else
		death_text(s->handover.why, sizeof(s->handover.why), status, w->killed_why);
	/* Whatever it was to be replaced for, it is. */
	s->retire = NULL;
	s->retiring = false;
	if (s->state_now == STREAM_TUNING)
		tune_again(s, retired);
	else
		succession_carry(s, wait);
}

/* Ask a worker to end, so that the spare goes on with its stream. */
static void
retire(struct stream *s)
{
	log_event(LOG_INFO, "worker.retire", "pid=%d channel=%s stream=%" PRIu64 " clients=%zu why=\"%s\"",
	    (int)s->worker->pid, s->guide_number, s->number, stream_watchers(s), s->retire);
	s->retiring = true;
	worker_stop(s->worker);
}

void
succession_retire(struct stream *s, const char *why)
{
	if (s->retire == NULL && (s->state_now == STREAM_TUNING || s->state_now == STREAM_LIVE))
		s->retire = why;
}

/* Replace workers one at a time, each only when the one to follow it is warm. */
void
succession_retire_one(struct streams *all)
{
	const struct worker *spare = workers_spare(all->workers);
	struct stream *s, *due = NULL;

	TAILQ_FOREACH(s, &all->all, link)
	{
		if (s->retiring && s->state_now != STREAM_ENDING)
			return;
		if (due == NULL && s->retire != NULL && s->worker != NULL &&
		    (s->worker->state == W_TUNED || s->worker->state == W_LIVE))
			due = s;
	}
	if (due != NULL && spare != NULL && spare->state == W_WARM)
		retire(due);
}

/*
 * A worker whose loop turns may still do no work. What lies between released
 * and head is in hand; its first byte is due when the clock has passed the
 * gap, if any, before it (released stands at a mark). A stalled upstream
 * leaves nothing in hand, and a full socket leaves no room.
 */
static bool
is_stuck(struct stream *s, int64_t now_ns)
{
	int64_t allowed_ns =
	    (int64_t)s->streams->config->stream.watchdog_ms * 1000000 + (int64_t)(STREAM_STUCK_S * 1e9);
	struct state_view view;
	uint64_t gap_ms;
	struct client *c;

	state_view(s->state, &view);
	if (s->moved_ns == 0 || view.released == 0 || view.released != s->moved_released ||
	    view.reserve_ms < STUCK_HAND_MS) {
		s->moved_released = view.released;
		s->moved_ns = now_ns;
	}
	gap_ms = view.released > 0 ? state_span_ms(s->state, view.released - 1, view.released) : 0;
	if (now_ns - s->moved_ns > allowed_ns + (int64_t)gap_ms * 1000000)
		return true;
	TAILQ_FOREACH(c, &s->clients, link)
	if (client_stuck(c, &view, now_ns, allowed_ns))
		return true;
	return false;
}

static void
look_at_memory(struct stream *s)
{
	uint64_t bytes, bound = s->streams->workers->memory_bytes;
	ev_tstamp now = loop_now(s->streams->loop);

	if (bound == 0 || s->retire != NULL || (s->memory_at != 0 && now - s->memory_at < STREAM_MEMORY_AGAIN_S) ||
	    !memory_anonymous("", s->worker->pid, &bytes) || bytes <= bound)
		return;
	s->memory_at = now;
	log_event(LOG_WARNING, "worker.memory", "pid=%d channel=%s bytes=%" PRIu64 " worker_memory=%" PRIu64,
	    (int)s->worker->pid, s->guide_number, bytes, bound);
	succession_retire(s, "worker_memory");
}

void
succession_watch(struct stream *s, int64_t now_ns, bool paused)
{
	struct client *c;

	if (s->state_now != STREAM_LIVE || s->worker == NULL || s->worker->state != W_LIVE)
		return;
	if (paused) {
		s->moved_ns = 0;
		TAILQ_FOREACH(c, &s->clients, link)
		c->moved_ns = 0;
	}
	if (is_stuck(s, now_ns))
		worker_kill(s->worker, "bytes in hand and room for them, but none moves");
	else if (s->streams->looks % STREAM_MEMORY_LOOK_S == 0)
		look_at_memory(s);
}
