/*
 * evidence.c - a table of events, and sums over seconds
 */
#include "ctl/evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

#define SLOW_RTT_MS 200
#define SLOW_LOSS_PERMILLE 20
#define SILENT_FLOOR_S 2
#define RETRANSMITS_A_SECOND 2 /* fewer are what any network has */
#define WINDOW_SHUT_MS 200

static const char *const class_names[CLASSES] = { "name", "unreachable", "refused", "tls", "silent", "stalled", "cut",
	"status", "redirect", "body" };

const char *
evidence_class_name(enum evidence_class c)
{
	return class_names[c];
}

bool
evidence_pair(const char *text, const char *key, char *out, size_t size)
{
	size_t len = strlen(key), n = 0;
	bool quoted = false;

	/* A key begins the text or stands behind a blank, and outside of quotes. */
	for (const char *s = text; *s != '\0'; s++) {
		if (*s == '"')
			quoted = !quoted;
		if (quoted || (s != text && s[-1] != ' ') || strncmp(s, key, len) != 0 || s[len] != '=')
			continue;
		s += len + 1;
		quoted = *s == '"';
		s += quoted;
		while (*s != '\0' && *s != (quoted ? '"' : ' ') && n + 1 < size)
			out[n++] = *s++;
		out[n] = '\0';
		return true;
	}
	return false;
}

static int
pair_number(const char *text, const char *key, int missing)
{
	char value[32];

	return evidence_pair(text, key, value, sizeof(value)) ? (int)strtol(value, NULL, 10) : missing;
}

static unsigned
number(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (unsigned)PB_MIN(v, (json_int_t)INT32_MAX) : 0;
}

/*
 * Seconds
 */

struct pause {
	unsigned silent, frozen; /* seconds in a row */
};

/* Nobody knows of a playlist that was not to be had whether it stood still. */
static void
end_silence(struct evidence *e, struct pause *pause, unsigned allowed)
{
	if (pause->silent > allowed) {
		e->silent_s = PB_MAX(e->silent_s, pause->silent);
		e->silent_all_s += pause->silent - allowed;
		pause->frozen -= PB_MIN(pause->frozen, pause->silent);
	}
	pause->silent = 0;
}

static void
end_freeze(struct evidence *e, struct pause *pause, unsigned allowed)
{
	if (pause->frozen > allowed) {
		e->frozen_s = PB_MAX(e->frozen_s, pause->frozen);
		e->frozen_all_s += pause->frozen - allowed;
	}
	pause->frozen = 0;
}

static void
add_clients(struct evidence *e, const json_t *worst)
{
	unsigned retransmits = 0, shut = 0, paused = 0;
	size_t i;
	json_t *c;

	json_array_foreach(worst, i, c)
	{
		retransmits += number(c, "retransmits");
		shut += number(c, "zero_window_ms");
		paused += json_is_true(json_object_get(c, "paused"));
		e->client_rtt_ms_max = PB_MAX(e->client_rtt_ms_max, number(c, "rtt_ms"));
		e->unacked_ms_max = PB_MAX(e->unacked_ms_max, number(c, "unacked_ms"));
		e->behind_ms_max = PB_MAX(e->behind_ms_max, number(c, "behind_ms"));
	}
	e->retransmits += retransmits;
	e->retransmit_s += retransmits >= RETRANSMITS_A_SECOND;
	e->zero_window_ms += shut;
	e->zero_window_s += shut >= WINDOW_SHUT_MS;
	e->paused_s += paused > 0;
}

static void
add_second(struct evidence *e, struct pause *pause, const json_t *s)
{
	unsigned target_s = (number(s, "target_ms") + 999) / 1000;
	/* A new segment is due each target duration; a poll of the playlist comes at least as often. */
	unsigned allowed = PB_MAX(2 * target_s, target_s + SILENT_FLOOR_S);
	bool asked = number(s, "upstream_bytes") > 0 || number(s, "requests") > 0;

	e->seconds++;
	e->filler_s += json_is_true(json_object_get(s, "filler"));
	e->underruns += number(s, "underruns");
	e->lost_segments += number(s, "segments_lost");
	e->rtt_ms_max = PB_MAX(e->rtt_ms_max, number(s, "rtt_ms"));
	e->latency_ms_max = PB_MAX(e->latency_ms_max, number(s, "latency_ms"));
	e->loss_permille_max = PB_MAX(e->loss_permille_max, number(s, "loss_permille"));
	e->slow_s += number(s, "rtt_ms") >= SLOW_RTT_MS || number(s, "loss_permille") >= SLOW_LOSS_PERMILLE;
	if (target_s > 0) {
		unsigned reserve = number(s, "reserve_ms");

		e->reserve_ms_min = e->reserve_known ? PB_MIN(e->reserve_ms_min, reserve) : reserve;
		e->reserve_ms_max = PB_MAX(e->reserve_ms_max, reserve);
		e->reserve_known = true;
		if (asked)
			end_silence(e, pause, allowed);
		else
			pause->silent++;
		if (number(s, "segments") > 0 || number(s, "errors") > 0 || number(s, "retries") > 0)
			end_freeze(e, pause, allowed);
		else
			pause->frozen++;
		if (pause->silent > allowed || pause->frozen > allowed)
			e->trouble_at_ms = json_integer_value(json_object_get(s, "at_ms"));
	}
	add_clients(e, json_object_get(s, "worst"));
}

static void
add_seconds(struct evidence *e, const json_t *seconds)
{
	struct pause pause = { 0 };
	unsigned target_s = 0, allowed;
	size_t i;
	json_t *s;

	json_array_foreach(seconds, i, s)
	{
		add_second(e, &pause, s);
		target_s = (number(s, "target_ms") + 999) / 1000;
	}
	allowed = PB_MAX(2 * target_s, target_s + SILENT_FLOOR_S);
	end_silence(e, &pause, allowed);
	end_freeze(e, &pause, allowed);
}

/*
 * Events
 */

static void
on_failed(struct evidence *e, const char *text)
{
	char name[16];

	if (!evidence_pair(text, "class", name, sizeof(name)))
		return;
	for (int c = 0; c < CLASSES; c++) {
		if (strcmp(name, class_names[c]) != 0)
			continue;
		e->failed[c].tries += (unsigned)PB_MAX(pair_number(text, "tries", 1), 1);
		e->failed[c].seconds++;
		e->failed[c].status = pair_number(text, "status", 0);
		(void)evidence_pair(text, "why", e->failed[c].why, sizeof(e->failed[c].why));
		(void)evidence_pair(text, "host", e->failed[c].host, sizeof(e->failed[c].host));
	}
}

static void
on_waits(struct evidence *e, const char *text)
{
	char phase[8];
	int which;

	if (!evidence_pair(text, "phase", phase, sizeof(phase)))
		return;
	which = strcmp(phase, "tcp") == 0;
	e->waits[which].seconds++;
	e->waits[which].ms_max = PB_MAX(e->waits[which].ms_max, pair_number(text, "ms", 0));
	(void)evidence_pair(text, "host", e->waits[which].host, sizeof(e->waits[which].host));
}

static void
on_bad(struct evidence *e, const char *text)
{
	e->bad_playlists++;
	(void)evidence_pair(text, "why", e->bad_why, sizeof(e->bad_why));
}

static void
on_jump(struct evidence *e, const char *text)
{
	(void)text;
	e->jumps++;
}

static void
on_lost(struct evidence *e, const char *text)
{
	(void)evidence_pair(text, "why", e->bad_why, sizeof(e->bad_why));
	e->bad_playlists++;
}

static void
on_switch(struct evidence *e, const char *text)
{
	(void)evidence_pair(text, "why", e->doubt_why, sizeof(e->doubt_why));
	e->switches++;
}

static void
on_doubt(struct evidence *e, const char *text)
{
	(void)evidence_pair(text, "why", e->doubt_why, sizeof(e->doubt_why));
	e->doubts++;
}

static void
on_skip(struct evidence *e, const char *text)
{
	(void)text;
	e->skips++;
}

static void
on_phases(struct evidence *e, const char *text)
{
	struct evidence_phases *p = &e->phases;

	p->known = true;
	p->dns_ms = pair_number(text, "dns_ms", -1);
	p->tcp_ms = pair_number(text, "tcp_ms", -1);
	p->tls_ms = pair_number(text, "tls_ms", -1);
	p->answer_ms = pair_number(text, "answer_ms", -1);
	p->playlist_ms = pair_number(text, "playlist_ms", -1);
	p->segment_ms = pair_number(text, "segment_ms", -1);
	p->key_ms = pair_number(text, "key_ms", -1);
	(void)evidence_pair(text, "stuck", p->stuck, sizeof(p->stuck));
	p->why[0] = '\0';
	(void)evidence_pair(text, "why", p->why, sizeof(p->why));
}

static void
on_death(struct evidence *e, const char *text)
{
	char ms[24];

	e->deaths++;
	(void)evidence_pair(text, "why", e->death_why, sizeof(e->death_why));
	if (evidence_pair(text, "ms", ms, sizeof(ms)))
		e->handover_ms_max = PB_MAX(e->handover_ms_max, strtod(ms, NULL));
}

static void
on_poison(struct evidence *e, const char *text)
{
	(void)text;
	e->poisoned++;
}

static void
on_state(struct evidence *e, const char *text)
{
	char from[16], to[16];

	if (!evidence_pair(text, "from", from, sizeof(from)) || !evidence_pair(text, "to", to, sizeof(to)))
		return;
	if (strcmp(from, "waiting") == 0 && strcmp(to, "tuning") == 0) {
		e->phases.slot_ms = pair_number(text, "after_ms", -1);
		e->phases.first_ms = -1;
	}
	if (strcmp(to, "live") == 0)
		e->tune_failed = false; /* what failed before is not the last word */
}

static void
on_open(struct evidence *e, const char *text)
{
	if (e->opened++ == 0 || e->phases.first_ms < 0)
		e->phases.first_ms = pair_number(text, "after_ms", -1);
}

static void
on_close(struct evidence *e, const char *text)
{
	e->closed++;
	(void)evidence_pair(text, "why", e->close_why, sizeof(e->close_why));
	(void)evidence_pair(text, "peer", e->close_peer, sizeof(e->close_peer));
}

static void
on_stream_failed(struct evidence *e, const char *text)
{
	e->tune_failed = true;
	e->tune_code = pair_number(text, "code", 0);
	e->tune_why[0] = '\0';
	(void)evidence_pair(text, "why", e->tune_why, sizeof(e->tune_why));
}

/* No tuner or no slot of the provider's was free: it came no further, and no worker says anything of it. */
static void
stuck_at_slot(struct evidence_phases *p)
{
	memset(p, 0, sizeof(*p));
	p->known = true;
	p->slot_ms = p->dns_ms = p->tcp_ms = p->tls_ms = p->answer_ms = -1;
	p->playlist_ms = p->segment_ms = p->key_ms = p->first_ms = -1;
	snprintf(p->stuck, sizeof(p->stuck), "slot");
}

static void
on_refused(struct evidence *e, const char *text)
{
	int code = pair_number(text, "code", 0);

	if (code == TUNE_NO_TUNER)
		stuck_at_slot(&e->phases);
	else if (code == TUNE_BUSY)
		memset(&e->phases, 0, sizeof(e->phases)); /* those of a tune before */
	if (e->tune_failed && e->tune_why[0] != '\0' && code == e->tune_code)
		return; /* the same once more, from the client's side */
	on_stream_failed(e, text);
}

static void
on_end(struct evidence *e, const char *text)
{
	char why[32];

	if (evidence_pair(text, "why", why, sizeof(why)) && strcmp(why, "worker-undead") == 0)
		e->undead = true;
}

static const struct {
	const char *name;
	void (*take)(struct evidence *e, const char *text);
	bool upstream; /* trouble of it */
} events[] = {
	{ "fetch.failed", on_failed, true },
	{ "fetch.waits", on_waits, true },
	{ "playlist.bad", on_bad, true },
	{ "playlist.jump", on_jump, true },
	{ "segment.useless", on_lost, true },
	{ "segment.lost", on_lost, true },
	{ "segment.cut", on_lost, true },
	{ "source.switch", on_switch, true },
	{ "source.failed", on_doubt, true },
	{ "source.doubt", on_doubt, true },
	{ "client.skip", on_skip, false },
	{ "tune.phases", on_phases, false },
	{ "worker.death", on_death, false },
	{ "segment.poison", on_poison, false },
	{ "stream.state", on_state, false },
	{ "stream.end", on_end, false },
	{ "stream.failed", on_stream_failed, false },
	{ "tune.refused", on_refused, false },
	{ "client.refused", on_refused, false },
	{ "client.open", on_open, false },
	{ "client.close", on_close, false },
};

static void
add_events(struct evidence *e, const json_t *list)
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
	{
		const char *name = json_string_value(json_object_get(o, "event"));
		const char *text = json_string_value(json_object_get(o, "text"));
		int64_t at_ms = json_integer_value(json_object_get(o, "at_ms"));

		for (size_t k = 0; name != NULL && text != NULL && k < NITEMS(events); k++) {
			if (strcmp(name, events[k].name) != 0)
				continue;
			events[k].take(e, text);
			if (events[k].upstream)
				e->trouble_at_ms = PB_MAX(e->trouble_at_ms, at_ms);
			if (events[k].take == on_close)
				e->close_at_ms = at_ms;
		}
	}
}

void
evidence_read(struct evidence *e, const json_t *recorder)
{
	const json_t *streams = json_object_get(recorder, "streams");

	memset(e, 0, sizeof(*e));
	e->phases.slot_ms = e->phases.first_ms = -1;
	/* The oldest first, so that what is remembered of each kind is the last. */
	for (size_t n = json_array_size(streams); n-- > 0;) {
		const json_t *s = json_array_get(streams, n);

		add_seconds(e, json_object_get(s, "seconds"));
		add_events(e, json_object_get(s, "events"));
	}
	add_events(e, json_object_get(recorder, "events"));
}
