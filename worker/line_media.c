/*
 * line_media.c - bytes of segments and of plain streams, from prefetch and source to the writer
 */
#include <bsd/string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/pb.h"
#include "worker/line_inside.h"

#define LOST_REOPEN 2 /* segments in a row that the source no longer has */
#define LOST_REFUSE 3 /* segments in a row that gave no picture, before media */
#define GONE_EARLY_S 2. /* a segment that the server refuses is given up so long before it is missed */
#define GONE_MIN_S 3.
#define NEED_SHARE 0.25 /* of a new segment in what segments take */

/* What came of bytes of the source in hand: media in the spool, and whose? */
static void
arrived(struct line *l, uint64_t head, uint64_t keys)
{
	if (atomic_load(&l->state->head) == head)
		return;
	l->media_ns = line_now_ns();
	l->unlike_ns = 0;
	if (l->feeding != failover_now(l->failover))
		return;
	if (l->streaming)
		source_stream_good(l->source);
	/* A picture to begin with, and something that follows it in time. */
	if (l->keys > 0)
		failover_good(l->failover);
	l->keys += conform_stats(writer_conform(l->writer))->keys - keys;
}

/* A segment, or a slice of an endless one, begins. */
void
line_examine_begin(struct line *l)
{
	vitals_begin(&l->vitals);
	l->vital_keys = conform_stats(writer_conform(l->writer))->keys;
}

/* ...and is over: is its source still a channel? */
void
line_examine_end(struct line *l, uint32_t duration_ms, bool slice)
{
	uint64_t keys = conform_stats(writer_conform(l->writer))->keys - l->vital_keys;
	enum vital found = vitals_end(&l->vitals, duration_ms, keys, atomic_load(&l->state->figures.target_ms), slice);

	if (found == VITAL_GOOD || !l->media || l->feeding != failover_now(l->failover))
		return;
	if (vital_fails(found))
		failover_vital(l->failover, vital_text(found));
	else
		failover_doubt(l->failover, vital_text(found));
}

/* Media is there, but of codecs that the stream's PMT does not have. */
static void
note_unlike(struct line *l)
{
	l->unlike_last_ns = line_now_ns();
	if (l->unlike_ns == 0)
		l->unlike_ns = l->unlike_last_ns;
	strlcpy(l->unlike, conform_reason(writer_conform(l->writer)), sizeof(l->unlike));
}

static int
feed(struct line *l, const void *buf, size_t len)
{
	uint64_t head = atomic_load(&l->state->head), keys = conform_stats(writer_conform(l->writer))->keys;
	int err;

	if (l->segment_at == 0)
		l->segment_at = loop_now(l->loop);
	err = writer_feed(l->writer, buf, len, line_now_ns());
	if (err >= 0)
		vitals_feed(&l->vitals, buf, len);
	arrived(l, head, keys);
	if (l->media && conform_unlike(writer_conform(l->writer)))
		note_unlike(l);
	return err;
}

static int
end(struct line *l, bool truncated)
{
	uint64_t head = atomic_load(&l->state->head), keys = conform_stats(writer_conform(l->writer))->keys;
	int err = writer_end(l->writer, truncated, line_now_ns());

	arrived(l, head, keys);
	return err;
}

void
line_stream_begins(void *arg)
{
	struct line *l = arg;
	struct conform_input input = { .source = failover_now(l->failover), .continues = true };
	struct state_upstream upstream = { .source = input.source, .stream = 1 };

	/* The same clock may go on behind a new connection: conform finds out. */
	l->connections = PB_MAX(l->connections, l->next_serial);
	input.msn = upstream.serial = l->connections++;
	l->next_serial = l->connections;
	l->feeding = input.source;
	l->streaming = true;
	line_examine_begin(l);
	atomic_store(&l->state->in_hand, upstream.serial + 1);
	writer_upstream(l->writer, &upstream);
	writer_begin(l->writer, &input);
}

int
line_stream_feeds(void *arg, const void *buf, size_t len)
{
	struct line *l = arg;

	if (!writer_room(l->writer))
		return PB_AGAIN;
	l->fed += len;
	return feed(l, buf, len);
}

void
line_stream_ends(void *arg)
{
	struct line *l = arg;

	l->streaming = false;
	(void)end(l, true);
}

/* A segment is whole: so much its variant takes. */
static void
note_need(struct line *l)
{
	double bps;

	if (l->segment_ms == 0 || l->segment_bytes == 0)
		return;
	bps = (double)l->segment_bytes * 8e3 / l->segment_ms;
	l->need_bps = l->need_bps <= 0 ? bps : l->need_bps + (bps - l->need_bps) * NEED_SHARE;
}

/* Prefetch's side. */

static void
segment_begins(void *arg, const struct source_segment *segment)
{
	struct line *l = arg;
	struct conform_input input = {
		.msn = segment->serial,
		.source = segment->source,
		.duration_ms = segment->duration_ms,
		.discontinuity = segment->discontinuity || l->hole,
	};
	struct state_upstream upstream = {
		.source = segment->source, .epoch = segment->epoch, .msn = segment->msn, .serial = segment->serial
	};

	if (l->again && segment->serial == l->resumed.serial)
		input.discontinuity = l->resumed.discontinuity; /* as it was told the first time */
	l->again = false;
	upstream.discontinuity = input.discontinuity;
	atomic_store(&l->state->in_hand, upstream.serial + 1);
	PB_FAULT("begin");
	l->data_err = 0;
	l->feeding = segment->source;
	l->segment_ms = segment->duration_ms;
	l->segment_bytes = 0;
	atomic_store(&l->state->figures.step_bps, segment->step_bps);
	line_examine_begin(l);
	l->next_serial = PB_MAX(l->next_serial, segment->serial + 1);
	l->begun_at = atomic_load(&l->state->head);
	writer_upstream(l->writer, &upstream);
	writer_begin(l->writer, &input);
}

static int
segment_feeds(void *arg, const void *buf, size_t len)
{
	struct line *l = arg;
	int err = feed(l, buf, len);

	l->fed += len;
	l->segment_bytes += len;
	if (err >= 0)
		return 0;
	l->data_err = err;
	/* What has left can't be fetched again: then it is over with it. */
	return err == PB_EFORMAT && atomic_load(&l->state->head) != l->begun_at ? PB_ENOSUP : err;
}

/* What the source before listed is still played where that is good: of the one in use it tells nothing. */
static bool
is_of_now(const struct line *l, unsigned source)
{
	return source == failover_now(l->failover);
}

/* Nothing came of it: say so, and decide whether this source is any good. */
static void
segment_useless(struct line *l, const struct source_segment *segment, const char *why)
{
	bool refused = l->data_err == PB_ENOSUP;

	log_event(LOG_WARNING, "segment.useless", "channel=%s why=\"%s\"", l->tune.guide_number, why);
	if (!is_of_now(l, segment->source))
		return;
	if (refused || ++l->useless >= LOST_REFUSE) {
		l->useless = 0;
		source_refuse(l->source, refused ? 806 : 807, why);
	}
}

static int
segment_ends(void *arg, bool truncated)
{
	struct line *l = arg;
	int err = end(l, truncated);

	PB_FAULT("end");
	if (err == PB_EFORMAT && l->data_err == 0 && conform_awaits_key(writer_conform(l->writer))) {
		l->lost = l->gone = 0;
		return 0;
	}
	if (err < 0 && l->data_err == 0)
		l->data_err = err;
	if (l->data_err != 0)
		return l->data_err;
	l->hole = false;
	l->gone = 0;
	if (!truncated) {
		note_need(l);
		line_examine_end(l, l->segment_ms, false);
	}
	if (!is_of_now(l, l->feeding))
		return 0;
	l->lost = 0;
	if (l->media)
		l->useless = 0;
	else if (++l->useless >= LOST_REFUSE)
		source_refuse(l->source, 807, conform_reason(writer_conform(l->writer)));
	return 0;
}

static void
segment_lost(void *arg, const struct source_segment *segment, int status, const char *reason)
{
	struct line *l = arg;
	struct state_upstream upstream = {
		.source = segment->source, .epoch = segment->epoch, .msn = segment->msn, .serial = segment->serial
	};

	l->hole = true;
	l->gone = 0;
	writer_pass(l->writer, &upstream);
	if (reason == NULL) {
		l->lost += is_of_now(l, segment->source);
		segment_useless(l, segment, conform_reason(writer_conform(l->writer)));
		return;
	}
	log_event(LOG_WARNING, "segment.lost", "channel=%s msn=%llu status=%d why=\"%s\"", l->tune.guide_number,
	    (unsigned long long)segment->msn, status, reason);
	strlcpy(l->state->reason, reason, sizeof(l->state->reason));
	if (!is_of_now(l, segment->source))
		return;
	l->lost++;
	if (!l->media && l->lost >= LOST_REFUSE)
		source_refuse(l->source, status == 200 || status == 206 ? 807 : 806, reason);
	else if (l->lost >= LOST_REOPEN)
		source_reopen(l->source, reason);
}

/*
 * The server refuses a segment: its token or its node is dead, or it never
 * was there. The channel's own URL may lead to it elsewhere; that is worth
 * trying as long as nobody misses it.
 */
static bool
segment_gone(void *arg, const struct source_segment *segment, int status, const char *reason)
{
	static const double delays_s[] = { 0., .5, 1., 2. };
	struct line *l = arg;
	ev_tstamp now = loop_now(l->loop);

	(void)status;
	if (!l->media || !is_of_now(l, segment->source))
		return false;
	if (l->gone != segment->serial + 1) {
		l->gone = segment->serial + 1;
		l->gone_times = 0;
		l->gone_until =
		    now + PB_MAX(segment->duration_ms / 1e3 + line_reserve_ms(l) / 1e3 - GONE_EARLY_S, GONE_MIN_S);
	}
	if (now >= l->gone_until)
		return false;
	if (!source_go_back(l->source, segment->msn, segment->serial,
		delays_s[PB_MIN(l->gone_times, NITEMS(delays_s) - 1)], reason))
		return false;
	l->finishing = false; /* its last segments are to be listed again */
	l->gone_times++;
	prefetch_clear(l->prefetch); /* and segment and reason with it */
	return true;
}

static bool
line_has_room(void *arg)
{
	struct line *l = arg;

	return writer_room(l->writer);
}

static void
line_drained(void *arg)
{
	struct line *l = arg;

	source_feed(l->source);
}

const struct prefetch_ops line_prefetch_ops = {
	.begin = segment_begins,
	.data = segment_feeds,
	.end = segment_ends,
	.lost = segment_lost,
	.gone = segment_gone,
	.room = line_has_room,
	.drained = line_drained,
	.reserve_ms = line_reserve_ms,
};
