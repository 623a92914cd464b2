/*
 * conform.c - how one continuous stream is made
 *
 *   demux -> splice -> interleave -> tsmux
 *
 * Two layers, so that a successor can go on with the very same bytes:
 *
 *   arrival   demux and splice: packets -> access units with times on the
 *             output's clock. Their state at a segment's begin (struct
 *             arrival) and the segment's bytes decide all: offsets, splices,
 *             repairs, drops.
 *   leaving   interleave and tsmux: access units, by DTS, -> packets. Their
 *             state is that of the last unit that left.
 *
 * A snapshot is the arrival state at the segment's begin and the leaving
 * state now. Fed again from the begin, arrival makes the same units again,
 * and those up to the last one that left are dropped. An endless source is
 * not fed again: there it goes on near the last unit that left, with what was
 * learned of the source by then.
 *
 * Not in it: what a segment's end leaves open, in the middle of a PES that
 * goes on in the next. A successor has lost that one unit, if it had not left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/conform.h"
#include "worker/demux.h"
#include "worker/es.h"
#include "worker/filler.h"
#include "worker/interleave.h"
#include "worker/splice.h"
#include "worker/unit.h"

#define SNAPSHOT_MAGIC UINT64_C(0x0004464e4f434250) /* "PBCONF", layout 4 */
#define TEACH_90K 90000 /* of media, before it is asked again after a vain try */
#define NO_PMT_PACKETS 40000 /* an endless source without a PMT: 7 MB say enough */

struct arrival {
	struct demux_state demux;
	struct splice_state splice;
};

/* What a snapshot holds; fits conform_snapshot.inside. */
struct inside {
	struct arrival arrival;
	struct tsmux_state mux;
	int64_t offset; /* that of the last unit which left: see splice_catch_up() */
	uint8_t has_offset;
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct inside) <= sizeof(((struct conform_snapshot *)0)->inside), "snapshot too small");

struct conform {
	struct conform_options options;
	struct pool pool;
	struct demux demux;
	struct splice splice;
	struct interleave interleave;
	struct arrival base; /* when this segment began */
	uint64_t msn;
	bool in_segment;
	bool endless; /* the segment in hand is a connection: it won't be fed again from its start */
	bool given; /* the output is the caller's until the next call */
	struct filler filler;
	bool filling; /* filler knows where it goes on */
	bool in_fill; /* media that waited goes out in front of filler: the two are one output */
	int64_t vain_90k[ROLES]; /* nothing was learned there to fill a dry stream with; TS_NOTIME */
	struct conform_stats stats;
};

static struct arrival
arrival(const struct conform *c)
{
	return (struct arrival){ .demux = c->demux.s, .splice = c->splice.s };
}

static int
on_unit(void *arg, struct unit *u)
{
	struct conform *c = arg;

	return splice_put(&c->splice, u);
}

static void take_back(struct conform *c);

/* Interleave has written much. */
static int
on_written(void *arg)
{
	struct conform *c = arg;
	int err;

	if (c->in_fill)
		return 0;
	err = c->options.ready(c->options.arg);
	take_back(c);
	return err;
}

/* What makes the stream whole where one of its two dried up. */
static int
on_dry(void *arg, enum role role, int64_t until_90k)
{
	struct conform *c = arg;
	struct tsmux *mux = &c->interleave.mux;
	struct splice_track *t = &c->splice.s.track[role];
	int err;

	if (c->splice.s.filled) /* it is the filler of all that is being left behind */
		return 0;
	err = filler_alone(&c->filler, mux, role, t->end, until_90k);
	if (err == PB_NO && c->options.teach != NULL &&
	    (c->vain_90k[role] == TS_NOTIME || until_90k - c->vain_90k[role] >= TEACH_90K)) {
		c->vain_90k[role] = until_90k;
		c->options.teach(c->options.arg);
		err = filler_alone(&c->filler, mux, role, t->end, until_90k);
	}
	return err == PB_ENOMEM ? err : 0;
}

int
conform_new(struct conform **out, const struct conform_options *options)
{
	struct conform *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return PB_ENOMEM;
	if (options != NULL)
		c->options = *options;
	c->options.audio_lang[3] = '\0';
	if (c->options.first_dts_90k <= 0 || c->options.first_dts_90k > (int64_t)1 << 40)
		c->options.first_dts_90k = CONFORM_FIRST_DTS_90K;
	interleave_init(&c->interleave, &c->pool, c->options.ready != NULL ? on_written : NULL, c);
	c->interleave.dry = on_dry;
	c->vain_90k[ROLE_VIDEO] = c->vain_90k[ROLE_AUDIO] = TS_NOTIME;
	demux_init(&c->demux, &c->pool, &c->interleave.mux.s, c->options.audio_lang, on_unit, c);
	splice_init(&c->splice, &c->pool, &c->demux, &c->interleave, c->options.first_dts_90k);
	c->base = arrival(c);
	c->stats.video = c->stats.audio = es_name(ES_NONE);
	*out = c;
	return 0;
}

void
conform_free(struct conform **cp)
{
	struct conform *c = *cp;

	if (c == NULL)
		return;
	filler_clear(&c->filler);
	demux_clear(&c->demux);
	splice_clear(&c->splice);
	interleave_clear(&c->interleave);
	pool_clear(&c->pool);
	free(c);
	*cp = NULL;
}

/* Output that was given is the caller's no more. */
static void
take_back(struct conform *c)
{
	if (!c->given)
		return;
	tsmux_reset(&c->interleave.mux);
	c->given = false;
}

void
conform_begin(struct conform *c, const struct conform_input *in)
{
	bool loaded = c->in_segment && c->demux.framing.packets == 0 && c->splice.resend;
	/* Filler in the middle of a segment opened a joint already: with that, the same segment goes on. */
	bool again = loaded && in->msn == c->msn && c->splice.s.filled;
	bool anew = (in->discontinuity && !again) || in->source != c->splice.s.source;
	bool follows = !anew && !loaded && !c->endless && !in->continues && in->msn == c->msn + 1;

	take_back(c);
	if (c->in_segment && !loaded)
		(void)conform_end(c, true);
	if (loaded && (in->continues || in->msn != c->msn) && !c->splice.s.filled)
		splice_catch_up(&c->splice);
	else if (!in->continues && !(c->splice.resend && in->msn == c->msn && !c->in_segment))
		c->splice.resend = false;
	if (in->continues) {
		c->splice.resend = true;
		splice_reconnect(&c->splice);
	}
	c->endless = in->continues;
	c->base = arrival(c);
	c->msn = in->msn;
	c->in_segment = true;
	demux_begin(&c->demux, anew, follows);
	splice_begin(&c->splice, anew, in->source, in->duration_ms);
}

int
conform_feed(struct conform *c, const void *buf, size_t len)
{
	int err;

	take_back(c);
	if (!c->in_segment)
		return PB_EFORMAT;
	err = demux_feed(&c->demux, buf, len);
	if (err == 0 && !c->demux.has_pmt && c->demux.framing.packets > NO_PMT_PACKETS && c->splice.carried == 0)
		return demux_refuse(&c->demux, PB_EFORMAT, "no PAT and PMT were found");
	return err;
}

int
conform_end(struct conform *c, bool truncated)
{
	int err;

	take_back(c);
	if (!c->in_segment)
		return PB_EFORMAT;
	err = demux_end(&c->demux, truncated);
	if (err >= 0)
		err = splice_end(&c->splice);
	splice_drop(&c->splice);
	if (err >= 0)
		err = interleave_flush(&c->interleave);
	if (err >= 0)
		err = c->demux.refused;
	if (err == 0 && c->splice.carried == 0)
		err = demux_explain(&c->demux, c->splice.s.need_key);
	demux_rest(&c->demux);
	c->base = arrival(c);
	c->in_segment = false;
	c->splice.resend = false;
	return err;
}

bool
conform_fill_learn(struct conform *c, const void *packets, size_t len)
{
	return filler_learn(&c->filler, &c->interleave.mux, packets, len);
}

int
conform_fill_slate(struct conform *c, int fd)
{
	const struct tsmux_stream *st = &c->interleave.mux.s.stream[ROLE_VIDEO];

	if (!st->listed || c->filler.picture == NULL)
		return PB_NO;
	return filler_slate(&c->filler, (enum es_codec)st->codec, fd);
}

void
conform_fill_forget(struct conform *c)
{
	filler_clear(&c->filler);
	c->filling = false;
}

unsigned
conform_dry(const struct conform *c)
{
	unsigned dry = 0;

	for (int r = 0; r < ROLES; r++)
		if (c->interleave.is_dry[r] && c->interleave.mux.s.last_dts[r] == c->filler.last_90k[r])
			dry |= 1u << r;
	return dry;
}

bool
conform_filled(const struct conform *c)
{
	return c->splice.s.filled;
}

uint64_t
conform_waits(const struct conform *c)
{
	return interleave_waits(&c->interleave) ? c->interleave.arrived : 0;
}

static int
fill_begin(struct conform *c)
{
	int64_t ends[ROLES];
	int err;

	c->in_fill = true;
	err = interleave_flush(&c->interleave);
	c->in_fill = false;
	if (err != 0)
		return err;
	splice_fill(&c->splice);
	for (int r = 0; r < ROLES; r++)
		ends[r] = c->splice.s.track[r].end;
	filler_begin(&c->filler, &c->interleave.mux, ends);
	c->filling = true;
	return 0;
}

int
conform_fill(struct conform *c, int64_t until_27m)
{
	const struct tsmux_state *s = &c->interleave.mux.s;
	int err = 0;

	take_back(c);
	if (!interleave_started(&c->interleave) || !filler_ready(&c->filler, &c->interleave.mux))
		return PB_NO;
	if (!c->filling || !c->splice.s.filled)
		err = fill_begin(c);
	if (err == 0)
		err = filler_make(&c->filler, &c->interleave.mux, until_27m);
	/* Media goes on behind both, so that none of it is cut for the other. */
	for (int r = 0; r < ROLES; r++) {
		const struct splice_track *t = &c->splice.s.track[r];

		if (s->last_dts[r] != TS_NOTIME && s->last_dts[r] != t->out)
			splice_filled(&c->splice, (enum role)r, s->last_dts[r],
			    r == ROLE_AUDIO               ? c->filler.next_90k[r]
				: c->filler.slate != NULL ? c->filler.shown_90k
							  : s->last_dts[r] + c->filler.cts_90k + t->dur);
	}
	if (c->filler.sound != NULL && s->stream[ROLE_VIDEO].listed)
		splice_filled(&c->splice, ROLE_VIDEO, s->last_dts[ROLE_VIDEO], c->splice.s.track[ROLE_AUDIO].end);
	c->base = arrival(c);
	return err;
}

bool
conform_take(struct conform *c, struct conform_output *out)
{
	const struct tsmux *mux = &c->interleave.mux;

	if (c->given || mux->len == 0)
		return false;
	c->given = true;
	out->data = mux->out;
	out->len = mux->len;
	out->marks = mux->mark;
	out->nmarks = mux->nmarks;
	return true;
}

void
conform_give_back(struct conform *c)
{
	c->given = false;
}

void
conform_save(const struct conform *c, struct conform_snapshot *to)
{
	bool started = interleave_started(&c->interleave);
	struct inside in;

	memset(to, 0, sizeof(*to));
	memset(&in, 0, sizeof(in));
	in.arrival = c->base;
	/* What was learned of it meanwhile; fed again, no unit leaves earlier for that. */
	memcpy(in.arrival.splice.lag_90k, c->splice.s.lag_90k, sizeof(c->splice.s.lag_90k));
	if (c->in_segment && c->endless) { /* so its newest habits are of more use */
		in.arrival.splice.key = c->splice.s.key;
		for (int r = 0; r < ROLES; r++)
			in.arrival.splice.track[r].dur = c->splice.s.track[r].dur;
	}
	in.mux = c->interleave.mux.s;
	if (!started) /* listed, perhaps, but nobody saw it yet */
		memset(in.mux.stream, 0, sizeof(in.mux.stream));
	in.offset = c->interleave.left_offset;
	in.has_offset = c->interleave.has_left;
	to->magic = SNAPSHOT_MAGIC;
	to->msn = c->msn;
	to->in_segment = c->in_segment;
	to->started = started;
	memcpy(to->inside, &in, sizeof(in));
}

int
conform_load(struct conform *c, const struct conform_snapshot *from)
{
	struct inside in;

	if (from->magic != SNAPSHOT_MAGIC || from->in_segment > 1 || from->started > 1)
		return PB_EFORMAT;
	memcpy(&in, from->inside, sizeof(in));
	if (!demux_state_ok(&in.arrival.demux) || !splice_state_ok(&in.arrival.splice) || !tsmux_state_ok(&in.mux))
		return PB_EFORMAT;
	if (in.has_offset > 1 || !splice_number_ok(in.offset))
		return PB_EFORMAT;
	if ((in.mux.last_pcr_27m != TS_NOTIME) != from->started)
		return PB_EFORMAT;
	c->base = in.arrival;
	c->demux.s = in.arrival.demux;
	c->splice.s = in.arrival.splice;
	c->interleave.mux.s = in.mux;
	c->interleave.left_offset = in.offset;
	c->interleave.has_left = in.has_offset;
	c->msn = from->msn;
	c->in_segment = from->in_segment;
	c->splice.resend = true;
	return 0;
}

static const char *
carried(const struct conform *c, enum role role)
{
	const struct tsmux_stream *st = &c->interleave.mux.s.stream[role];

	return es_name(st->listed ? (enum es_codec)st->codec : ES_NONE);
}

const struct conform_stats *
conform_stats(struct conform *c)
{
	const struct demux_counts *d = &c->demux.counts;
	const struct splice_counts *s = &c->splice.counts;
	const struct interleave *il = &c->interleave;

	c->stats = (struct conform_stats){
		.packets = d->packets,
		.duplicates = d->duplicates,
		.tei = d->tei,
		.scrambled = d->scrambled,
		.unlisted = d->unlisted + s->unlisted,
		.bad_header = d->bad_header,
		.cc_losses = d->cc_losses,
		.resync_bytes = d->junk + c->demux.framing.junk,
		.psi_errors = d->psi_errors,
		.units = { il->units[ROLE_VIDEO], il->units[ROLE_AUDIO] },
		.damaged = d->damaged + il->damaged,
		.early = s->early,
		.late = s->late + il->late,
		.repeats = s->repeats,
		.keys = il->keys,
		.splices = s->splices,
		.time_repairs = s->time_repairs,
		.pcr_repairs = il->mux.pcr_repairs,
		.key_interval_90k = il->key_interval_90k,
		.video = carried(c, ROLE_VIDEO),
		.audio = carried(c, ROLE_AUDIO),
	};
	return &c->stats;
}

bool
conform_unlike(const struct conform *c)
{
	return c->demux.unlike;
}

bool
conform_awaits_key(const struct conform *c)
{
	return !c->in_segment && c->demux.keyless && keyframe_patient(&c->splice.s.key);
}

const char *
conform_reason(const struct conform *c)
{
	return c->demux.reason;
}
