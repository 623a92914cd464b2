/*
 * history.c - a short list of channels, the one heard of last in front
 */
#include "supervisor/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/log.h"
#include "base/pb.h"
#include "config/config.h"
#include "supervisor/text.h"

#define EVENTS_FIRST 16

/* The recorder of a stream that is over, without the places that were never used. */
struct recording {
	TAILQ_ENTRY(recording) link;
	uint64_t stream;
	int64_t kept_ms;
	size_t seconds, events, size;
	struct recorder_second *second;
	struct recorder_event *event;
};

struct past {
	TAILQ_ENTRY(past) link;
	char guide_number[GUIDE_NUMBER_MAX];
	struct recorder_event *event; /* a ring of room places */
	size_t room, first, count;
	TAILQ_HEAD(recordings, recording) recordings; /* the newest first */
	size_t recording_count;
};

struct history {
	TAILQ_HEAD(pasts, past) all;
	size_t count;
	size_t bytes;
};

static void
tap(void *arg, int level, const char *event, const char *pairs)
{
	history_event(arg, level, event, pairs);
}

int
history_new(struct history **out)
{
	struct history *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return PB_ENOMEM;
	TAILQ_INIT(&h->all);
	log_tap(tap, h);
	*out = h;
	return 0;
}

static void
drop_recording(struct history *h, struct past *p, struct recording *r)
{
	TAILQ_REMOVE(&p->recordings, r, link);
	p->recording_count--;
	h->bytes -= r->size;
	free(r->second);
	free(r->event);
	free(r);
}

static void
drop_past(struct history *h, struct past *p)
{
	struct recording *r;

	while ((r = TAILQ_FIRST(&p->recordings)) != NULL)
		drop_recording(h, p, r);
	TAILQ_REMOVE(&h->all, p, link);
	h->count--;
	h->bytes -= sizeof(*p) + p->room * sizeof(*p->event);
	free(p->event);
	free(p);
}

void
history_free(struct history **history)
{
	struct past *p;

	if (*history == NULL)
		return;
	log_tap(NULL, NULL);
	while ((p = TAILQ_FIRST(&(*history)->all)) != NULL)
		drop_past(*history, p);
	free(*history);
	*history = NULL;
}

static struct past *
find(const struct history *h, const char *guide_number)
{
	struct past *p;

	if (h == NULL)
		return NULL;
	TAILQ_FOREACH(p, &h->all, link)
	if (strcmp(p->guide_number, guide_number) == 0)
		return p;
	return NULL;
}

/* All others that are needed for room go, the ones heard of least lately first. */
static void
make_room(struct history *h, const struct past *but)
{
	struct past *p;

	while ((h->count > HISTORY_CHANNELS || h->bytes > HISTORY_BYTES) && (p = TAILQ_LAST(&h->all, pasts)) != NULL &&
	    p != but)
		drop_past(h, p);
}

/* The channel's, made when it is not there, and in front from now on. NULL: no memory. */
static struct past *
touch(struct history *h, const char *guide_number)
{
	struct past *p = find(h, guide_number);

	if (p != NULL) {
		TAILQ_REMOVE(&h->all, p, link);
	} else {
		p = calloc(1, sizeof(*p));
		if (p == NULL)
			return NULL;
		TAILQ_INIT(&p->recordings);
		snprintf(p->guide_number, sizeof(p->guide_number), "%s", guide_number);
		h->count++;
		h->bytes += sizeof(*p);
	}
	TAILQ_INSERT_HEAD(&h->all, p, link);
	make_room(h, p);
	return p;
}

static bool
grow(struct history *h, struct past *p)
{
	size_t room = p->room == 0 ? EVENTS_FIRST : p->room * 2;
	struct recorder_event *more = calloc(room, sizeof(*more));

	if (more == NULL)
		return false;
	for (size_t i = 0; i < p->count; i++)
		more[i] = p->event[(p->first + i) % p->room];
	free(p->event);
	h->bytes += (room - p->room) * sizeof(*more);
	p->event = more;
	p->room = room;
	p->first = 0;
	return true;
}

/* The value of the first channel= pair. What a client sent stands behind it in every event of ours. */
static bool
channel_of(const char *pairs, char *out, size_t size)
{
	const char *at = strncmp(pairs, "channel=", 8) == 0 ? pairs : strstr(pairs, " channel=");
	size_t len;

	if (at == NULL)
		return false;
	at += strcspn(at, "=") + 1;
	len = strcspn(at, " ");
	if (len == 0 || len >= size)
		return false;
	memcpy(out, at, len);
	out[len] = '\0';
	return guide_number_valid(out);
}

void
history_event(struct history *h, int level, const char *event, const char *pairs)
{
	char guide_number[GUIDE_NUMBER_MAX];
	struct recorder_event *e;
	struct past *p;

	if (!channel_of(pairs, guide_number, sizeof(guide_number)) || strncmp(event, "dump.", 5) == 0)
		return;
	p = touch(h, guide_number);
	if (p == NULL)
		return;
	if (p->count == p->room && (p->room == HISTORY_EVENTS || !grow(h, p))) {
		if (p->room == 0)
			return;
		p->first = (p->first + 1) % p->room;
		p->count--;
	}
	e = &p->event[(p->first + p->count++) % p->room];
	memset(e, 0, sizeof(*e));
	e->at_ms = recorder_now_ms();
	e->level = level;
	snprintf(e->name, sizeof(e->name), "%s", event);
	snprintf(e->text, sizeof(e->text), "%s", pairs);
	recorder_event_bound(e);
}

/* Copy what is whole; what is not used of the memory is not kept. */
static struct recording *
record(const struct recorder *from)
{
	struct recording *r = calloc(1, sizeof(*r));
	uint64_t first, end;

	if (r == NULL)
		return NULL;
	recorder_seconds_range(from, &first, &end);
	r->second = calloc(end - first + 1, sizeof(*r->second));
	for (uint64_t n = first; r->second != NULL && n < end; n++)
		r->seconds += recorder_second_get(from, n, &r->second[r->seconds]);
	recorder_events_range(from, &first, &end);
	r->event = calloc(end - first + 1, sizeof(*r->event));
	for (uint64_t n = first; r->event != NULL && n < end; n++)
		r->events += recorder_event_get(from, n, &r->event[r->events]);
	r->size = sizeof(*r) + r->seconds * sizeof(*r->second) + r->events * sizeof(*r->event);
	if (r->second == NULL || r->event == NULL) {
		free(r->second);
		free(r->event);
		free(r);
		return NULL;
	}
	return r;
}

void
history_keep(struct history *h, const char *guide_number, uint64_t stream, const struct state *state)
{
	struct recording *r;
	struct past *p;

	if (h == NULL || state == NULL || (p = touch(h, guide_number)) == NULL ||
	    (r = record(&state->recorder)) == NULL)
		return;
	r->stream = stream;
	r->kept_ms = recorder_now_ms();
	TAILQ_INSERT_HEAD(&p->recordings, r, link);
	h->bytes += r->size;
	if (++p->recording_count > HISTORY_STREAMS)
		drop_recording(h, p, TAILQ_LAST(&p->recordings, recordings));
	make_room(h, p);
}

bool
history_knows(const struct history *h, const char *guide_number)
{
	return find(h, guide_number) != NULL;
}

size_t
history_bytes(const struct history *h)
{
	return h != NULL ? h->bytes : 0;
}

/*
 * JSON
 */

struct writing {
	struct text text;
	int64_t oldest_ms; /* monotonic: what is older is left out */
	int64_t to_wall_ms;
	bool more; /* an element was written: a comma comes first */
};

static void
begin_element(struct writing *w)
{
	text_add(&w->text, w->more ? ",\n" : "\n");
	w->more = true;
}

static void
add_client(struct writing *w, const struct recorder_client *c, bool more)
{
	text_addf(&w->text,
	    "%s{\"client\":%" PRIu64 ",\"rtt_ms\":%u,\"retransmits\":%u,\"behind_ms\":%u,\"unacked_ms\":%u,"
	    "\"zero_window_ms\":%u,\"delivery_kbps\":%u,\"paused\":%s}",
	    more ? "," : "", PB_MIN(c->client, (uint64_t)INT64_MAX), c->rtt_ms, c->retransmits, c->behind_ms,
	    c->unacked_ms, c->zero_window_ms, c->delivery_kbps, c->paused != 0 ? "true" : "false");
}

static void
add_second(struct writing *w, const struct recorder_second *s)
{
	static const char *const qualities[] = { "normal", "degraded", "outage" };

	if (s->at_ms < w->oldest_ms || s->at_ms > INT64_MAX / 2)
		return;
	begin_element(w);
	text_addf(&w->text,
	    "{\"at_ms\":%" PRId64 ",\"upstream_bytes\":%" PRIu64 ",\"released_bytes\":%" PRIu64
	    ",\"requests\":%u,\"retries\":%u,\"errors\":%u,\"segments\":%u,\"segments_lost\":%u,\"splices\":%u,"
	    "\"underruns\":%u,\"latency_ms\":%u,\"throughput_kbps\":%u,\"rtt_ms\":%u,\"loss_permille\":%u,\"reserve_"
	    "ms\":%u,"
	    "\"target_ms\":%u,\"quality\":\"%s\",\"source\":%u,\"http_status\":%u,\"filler\":%s,\"clients\":%u,"
	    "\"worst\":[",
	    s->at_ms + w->to_wall_ms, PB_MIN(s->upstream_bytes, (uint64_t)INT64_MAX),
	    PB_MIN(s->released_bytes, (uint64_t)INT64_MAX), s->requests, s->retries, s->errors, s->segments,
	    s->segments_lost, s->splices, s->underruns, s->latency_ms, s->throughput_kbps, s->rtt_ms, s->loss_permille,
	    s->reserve_ms, s->target_ms, s->quality < NITEMS(qualities) ? qualities[s->quality] : "unknown", s->source,
	    s->http_status, s->filler != 0 ? "true" : "false", s->clients);
	for (uint32_t i = 0; i < s->listed; i++)
		add_client(w, &s->worst[i], i > 0);
	text_add(&w->text, "]}");
}

static void
add_event(struct writing *w, const struct recorder_event *e)
{
	if (e->at_ms < w->oldest_ms || e->at_ms > INT64_MAX / 2)
		return;
	begin_element(w);
	text_addf(&w->text, "{\"at_ms\":%" PRId64 ",\"level\":\"%s\",\"event\":", e->at_ms + w->to_wall_ms,
	    log_level_name(e->level));
	text_add_json(&w->text, e->name);
	text_add(&w->text, ",\"text\":");
	text_add_json(&w->text, e->text);
	text_add(&w->text, "}");
}

static void
begin_stream(struct writing *w, bool first, uint64_t stream, const char *state)
{
	text_addf(&w->text, "%s{\"stream\":%" PRIu64 ",\"state\":\"%s\",\"seconds\":[", first ? "\n" : ",\n",
	    PB_MIN(stream, (uint64_t)INT64_MAX), state);
	w->more = false;
}

static void
add_running(struct writing *w, const struct history_running *running)
{
	const struct recorder *from = &running->state->recorder;
	static struct recorder_second second;
	static struct recorder_event event;
	uint64_t n, end;

	begin_stream(w, true, running->stream, running->state_name);
	for (recorder_seconds_range(from, &n, &end); n < end; n++)
		if (recorder_second_get(from, n, &second))
			add_second(w, &second);
	text_add(&w->text, "],\"events\":[");
	w->more = false;
	for (recorder_events_range(from, &n, &end); n < end; n++)
		if (recorder_event_get(from, n, &event))
			add_event(w, &event);
	text_add(&w->text, "]}");
}

static void
add_recording(struct writing *w, bool first, const struct recording *r)
{
	begin_stream(w, first, r->stream, "over");
	for (size_t i = 0; i < r->seconds; i++)
		add_second(w, &r->second[i]);
	text_add(&w->text, "],\"events\":[");
	w->more = false;
	for (size_t i = 0; i < r->events; i++)
		add_event(w, &r->event[i]);
	text_add(&w->text, "]}");
}

struct blob *
history_json(const struct history *h, const char *guide_number, const char *name, const struct history_running *running,
    uint32_t since_s)
{
	const struct past *p = find(h, guide_number);
	const struct recording *r;
	int64_t now_ms = recorder_now_ms();
	struct writing w = { .oldest_ms = now_ms - (int64_t)PB_MIN(since_s, (uint32_t)HISTORY_SINCE_MAX_S) * 1000 };
	struct timespec wall;
	bool first = true;

	clock_gettime(CLOCK_REALTIME, &wall);
	w.to_wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 - now_ms;
	text_addf(&w.text, "{\"channel\":\"%s\",\"name\":", guide_number);
	text_add_json(&w.text, name);
	text_addf(&w.text, ",\"now_ms\":%" PRId64 ",\"since_s\":%u,\"state\":\"%s\",\"events\":[",
	    now_ms + w.to_wall_ms, since_s, running != NULL ? running->state_name : "idle");
	for (size_t i = 0; p != NULL && i < p->count; i++)
		add_event(&w, &p->event[(p->first + i) % p->room]);
	text_add(&w.text, "],\"streams\":[");
	if (running != NULL && running->state != NULL) {
		add_running(&w, running);
		first = false;
	}
	if (p != NULL) {
		TAILQ_FOREACH(r, &p->recordings, link)
		{
			if (r->kept_ms < w.oldest_ms)
				continue;
			add_recording(&w, first, r);
			first = false;
		}
	}
	text_add(&w.text, "\n]}\n");
	return text_blob(&w.text);
}
