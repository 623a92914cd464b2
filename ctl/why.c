/*
 * why.c - the recorder's entries in their order, and what judge.h makes of them
 */
#include "ctl/why.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/pb.h"
#include "ctl/evidence.h"
#include "ctl/judge.h"
#include "ctl/show.h"
#include "ctl/table.h"

#define GRAPH 60 /* columns */
#define LINES_MAX 60 /* of the time line: the last ones */

uint32_t
why_since(const char *text)
{
	char *end;
	double n = strtod(text, &end);
	double unit = strcmp(end, "") == 0 || strcmp(end, "s") == 0 ? 1
	    : strcmp(end, "m") == 0 || strcmp(end, "min") == 0      ? 60
	    : strcmp(end, "h") == 0                                 ? 3600
								    : 0;

	return end != text && n * unit >= 1 && n * unit <= 86400 ? (uint32_t)(n * unit) : 0;
}

/* Words at most SHOW_WIDTH wide; lines after the first are indented. */
static void
wrap(FILE *out, const char *label, const char *text)
{
	size_t indent = strlen(label), at = indent;

	fputs(label, out);
	while (*(text += strspn(text, " ")) != '\0') {
		size_t len = strcspn(text, " ");

		if (at > indent && at + 1 + len > SHOW_WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		}
		if (at > indent) {
			fputc(' ', out);
			at++;
		}
		for (size_t i = 0; i < len; i++)
			fputc((unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i], out);
		at += len;
		text += len;
	}
	fputc('\n', out);
}

/*
 * The time line
 */

struct entry {
	int64_t at_ms;
	const char *from, *level, *event, *text;
	unsigned times; /* so often in a row */
};

struct entries {
	struct entry *at;
	size_t count;
};

static int
by_time(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->at_ms < y->at_ms ? -1 : x->at_ms > y->at_ms;
}

static void
add_entries(struct entries *all, const char *from, const json_t *list)
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
	{
		struct entry e = { .from = from, .times = 1 };

		e.at_ms = json_integer_value(json_object_get(o, "at_ms"));
		e.level = json_string_value(json_object_get(o, "level"));
		e.event = json_string_value(json_object_get(o, "event"));
		e.text = json_string_value(json_object_get(o, "text"));
		if (e.level != NULL && e.event != NULL && e.text != NULL)
			all->at[all->count++] = e;
	}
}

static bool
alike(const struct entry *a, const struct entry *b)
{
	char x[32] = "", y[32] = "";

	(void)evidence_pair(a->text, "class", x, sizeof(x));
	(void)evidence_pair(b->text, "class", y, sizeof(y));
	return strcmp(a->event, b->event) == 0 && strcmp(x, y) == 0 && strncmp(a->event, "client.", 7) != 0 &&
	    strncmp(a->event, "stream.", 7) != 0;
}

/* All events, the oldest first; what comes again and again is one. false: no memory. */
static bool
collect(struct entries *all, const json_t *recorder)
{
	const json_t *own = json_object_get(recorder, "events"), *streams = json_object_get(recorder, "streams");
	size_t room = json_array_size(own), i, n = 0;
	json_t *s;

	json_array_foreach(streams, i, s) room += json_array_size(json_object_get(s, "events"));
	all->count = 0;
	all->at = calloc(room + 1, sizeof(*all->at));
	if (all->at == NULL)
		return false;
	add_entries(all, "bridge", own);
	json_array_foreach(streams, i, s) add_entries(all, "worker", json_object_get(s, "events"));
	qsort(all->at, all->count, sizeof(*all->at), by_time);
	for (i = 0; i < all->count; i++) {
		if (n > 0 && alike(&all->at[n - 1], &all->at[i])) {
			unsigned times = all->at[n - 1].times + 1;

			all->at[n - 1].text = all->at[i].text;
			all->at[n - 1].times = times;
		} else
			all->at[n++] = all->at[i];
	}
	all->count = n;
	return true;
}

static const char *
clock_text(char *out, size_t size, int64_t at_ms)
{
	time_t s = (time_t)(at_ms / 1000);
	struct tm tm;

	if (localtime_r(&s, &tm) == NULL || strftime(out, size, "%H:%M:%S", &tm) == 0)
		snprintf(out, size, "-");
	return out;
}

/* Without what the whole page is about. */
static const char *
without_channel(const char *text)
{
	if (strncmp(text, "channel=", 8) != 0)
		return text;
	text += strcspn(text, " ");
	return text + strspn(text, " ");
}

static void
put_timeline(FILE *out, const struct entries *all, bool utf8)
{
	static const struct column columns[] = { { "TIME", false, 0 }, { "FROM", false, 0 }, { "EVENT", false, 0 },
		{ "TIMES", true, 0 }, { "WHAT", false, 10 } };
	size_t first = all->count > LINES_MAX ? all->count - LINES_MAX : 0;
	struct table table;
	char at[16], times[16];
	char *text;

	if (all->count == 0)
		return;
	table_init(&table, columns, NITEMS(columns));
	for (size_t i = first; i < all->count; i++) {
		const struct entry *e = &all->at[i];

		times[0] = '\0';
		if (e->times > 1)
			snprintf(times, sizeof(times), "%u", e->times);
		table_add(&table,
		    (const char *const[]){
			clock_text(at, sizeof(at), e->at_ms), e->from, e->event, times, without_channel(e->text) });
	}
	text = table_render(&table, SHOW_WIDTH, utf8);
	fputc('\n', out);
	if (first > 0)
		fprintf(out, "%zu earlier events are left out (--json has all)\n", first);
	if (text != NULL)
		fputs(text, out);
	free(text);
	table_clear(&table);
}

/*
 * The reserve, drawn
 */

static void
put_graph(
    FILE *out, const json_t *seconds, const char *label, const char *key, double scale, const char *unit, bool utf8)
{
	static const char *const blocks[] = { " ", "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
		"\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88" };
	static const char *const plain[] = { " ", ".", ".", ":", ":", "+", "+", "#", "#" };
	size_t n = json_array_size(seconds), columns = PB_MIN(n, (size_t)GRAPH);
	double most = 0;

	if (n < 2)
		return;
	for (size_t i = 0; i < n; i++)
		most = PB_MAX(most, json_number_value(json_object_get(json_array_get(seconds, i), key)));
	if (most <= 0)
		return;
	fprintf(out, "%-9s", label);
	for (size_t c = 0; c < columns; c++) {
		size_t from = c * n / columns, to = (c + 1) * n / columns, level;
		double least = most;

		/* The worst of the seconds in a column: a dip of one second must be seen. */
		for (size_t i = from; i < to; i++)
			least = PB_MIN(least, json_number_value(json_object_get(json_array_get(seconds, i), key)));
		level = (size_t)(least / most * 8 + 0.5);
		fputs((utf8 ? blocks : plain)[PB_MIN(level, (size_t)8)], out);
	}
	fprintf(out, " %.1f %s\n", most / scale, unit);
}

static void
put_phases(FILE *out, const struct evidence_phases *p)
{
	const struct {
		const char *name;
		int ms;
	} phases[] = { { "slot", p->slot_ms }, { "DNS", p->dns_ms }, { "TCP", p->tcp_ms }, { "TLS", p->tls_ms },
		{ "playlist", p->playlist_ms }, { "segment", p->segment_ms }, { "key", p->key_ms },
		{ "first byte", p->first_ms } };
	char text[256];
	size_t len = 0;

	if (!p->known)
		return;
	for (size_t i = 0; i < NITEMS(phases); i++) {
		char ms[16] = "-";

		if (phases[i].ms >= 0)
			snprintf(ms, sizeof(ms), "%d", phases[i].ms);
		len +=
		    (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s", i > 0 ? ", " : "", phases[i].name, ms);
	}
	snprintf(text + len, sizeof(text) - len, " ms");
	wrap(out, "tune     ", text);
}

char *
why_text(const json_t *recorder, bool utf8)
{
	static struct evidence e;
	const json_t *latest = json_array_get(json_object_get(recorder, "streams"), 0);
	const char *name = json_string_value(json_object_get(recorder, "name"));
	const char *channel = json_string_value(json_object_get(recorder, "channel"));
	const char *state = json_string_value(json_object_get(recorder, "state"));
	struct entries all;
	struct judgement j;
	char *text = NULL, title[160];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	if (!collect(&all, recorder)) {
		fclose(out);
		free(text);
		return NULL;
	}
	evidence_read(&e, recorder);
	judge(&j, &e);
	snprintf(title, sizeof(title), "%s %.80s (%s), %u s recorded", channel != NULL ? channel : "-",
	    name != NULL ? name : "", state != NULL ? state : "-", e.seconds);
	wrap(out, "channel  ", title);
	wrap(out, "culprit  ", culprit_name(j.culprit));
	wrap(out, "verdict  ", j.sentence);
	if (j.advice[0] != '\0')
		wrap(out, "advice   ", j.advice);
	put_phases(out, &e.phases);
	put_graph(out, json_object_get(latest, "seconds"), "reserve", "reserve_ms", 1e3, "s", utf8);
	put_timeline(out, &all, utf8);
	free(all.at);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/*
 * JSON
 */

static json_t *
phases_object(const struct evidence_phases *p)
{
	return p->known ? json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:s,s:s}", "slot_ms", p->slot_ms, "dns_ms",
			      p->dns_ms, "tcp_ms", p->tcp_ms, "tls_ms", p->tls_ms, "answer_ms", p->answer_ms,
			      "playlist_ms", p->playlist_ms, "segment_ms", p->segment_ms, "key_ms", p->key_ms,
			      "first_byte_ms", p->first_ms, "stuck", p->stuck, "why", p->why)
			: json_null();
}

static json_t *
evidence_object(const struct evidence *e)
{
	json_t *o = json_object(), *failed = json_object();

	for (int c = 0; c < CLASSES; c++)
		if (e->failed[c].tries > 0)
			json_object_set_new(failed, evidence_class_name((enum evidence_class)c),
			    json_pack("{s:i,s:i,s:i,s:s,s:s}", "tries", (int)e->failed[c].tries, "seconds",
				(int)e->failed[c].seconds, "http_status", e->failed[c].status, "host",
				e->failed[c].host, "why", e->failed[c].why));
	json_object_set_new(o, "seconds", json_integer(e->seconds));
	json_object_set_new(o, "failed", failed);
	json_object_set_new(o, "silent_s", json_integer(e->silent_s));
	json_object_set_new(o, "frozen_s", json_integer(e->frozen_s));
	json_object_set_new(o, "bad_answers", json_integer(e->bad_playlists));
	json_object_set_new(o, "jumps", json_integer(e->jumps));
	json_object_set_new(o, "switches", json_integer(e->switches));
	json_object_set_new(o, "segments_lost", json_integer(e->lost_segments));
	json_object_set_new(o, "rtt_ms_max", json_integer(e->rtt_ms_max));
	json_object_set_new(o, "loss_permille_max", json_integer(e->loss_permille_max));
	json_object_set_new(o, "latency_ms_max", json_integer(e->latency_ms_max));
	json_object_set_new(o, "reserve_ms_min", e->reserve_known ? json_integer(e->reserve_ms_min) : json_null());
	json_object_set_new(o, "underruns", json_integer(e->underruns));
	json_object_set_new(o, "filler_s", json_integer(e->filler_s));
	json_object_set_new(o, "worker_deaths", json_integer(e->deaths));
	json_object_set_new(o, "handover_ms_max", json_real(e->handover_ms_max));
	json_object_set_new(o, "retransmits", json_integer(e->retransmits));
	json_object_set_new(o, "client_rtt_ms_max", json_integer(e->client_rtt_ms_max));
	json_object_set_new(o, "unacked_ms_max", json_integer(e->unacked_ms_max));
	json_object_set_new(o, "zero_window_ms", json_integer(e->zero_window_ms));
	json_object_set_new(o, "paused_s", json_integer(e->paused_s));
	json_object_set_new(o, "behind_ms_max", json_integer(e->behind_ms_max));
	json_object_set_new(o, "skips", json_integer(e->skips));
	json_object_set_new(o, "closed", json_integer(e->closed));
	json_object_set_new(o, "close_why", json_string(e->close_why));
	json_object_set_new(o, "tune_code", e->tune_failed ? json_integer(e->tune_code) : json_null());
	return o;
}

json_t *
why_json(const json_t *recorder)
{
	static struct evidence e;
	struct entries all;
	struct judgement j;
	json_t *o = json_object(), *line = json_array();

	if (!collect(&all, recorder)) {
		json_decref(o);
		json_decref(line);
		return NULL;
	}
	evidence_read(&e, recorder);
	judge(&j, &e);
	for (size_t i = 0; i < all.count; i++)
		json_array_append_new(line,
		    json_pack("{s:I,s:s,s:s,s:s,s:s,s:i}", "at_ms", (json_int_t)all.at[i].at_ms, "from", all.at[i].from,
			"level", all.at[i].level, "event", all.at[i].event, "text", all.at[i].text, "times",
			(int)all.at[i].times));
	free(all.at);
	json_object_set(o, "channel", json_object_get(recorder, "channel"));
	json_object_set(o, "name", json_object_get(recorder, "name"));
	json_object_set(o, "state", json_object_get(recorder, "state"));
	json_object_set(o, "since_s", json_object_get(recorder, "since_s"));
	json_object_set_new(o, "culprit", json_string(culprit_name(j.culprit)));
	json_object_set_new(o, "verdict", json_string(j.sentence));
	json_object_set_new(o, "advice", json_string(j.advice));
	json_object_set_new(o, "evidence", evidence_object(&e));
	json_object_set_new(o, "phases", phases_object(&e.phases));
	json_object_set_new(o, "timeline", line);
	json_object_set(o, "streams", json_object_get(recorder, "streams"));
	return o;
}
