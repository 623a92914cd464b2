/*
 * history.c - what the archive holds of a channel, and as what it is shown
 */
#include "supervisor/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/archive.h"
#include "supervisor/text.h"

struct history {
	struct archive *archive;
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
	int err;

	if (h == NULL)
		return PB_ENOMEM;
	err = archive_create(&h->archive);
	if (err != 0) {
		free(h);
		return err;
	}
	log_tap(tap, h);
	*out = h;
	return 0;
}

void
history_free(struct history **history)
{
	if (*history == NULL)
		return;
	log_tap(NULL, NULL);
	archive_free(&(*history)->archive);
	free(*history);
	*history = NULL;
}

bool
history_go_on(struct history *h, int fd)
{
	struct archive *former, *own = h->archive;
	struct recorder_event event;
	struct archive_key key;
	uint64_t n, end;

	if (fd == -1)
		return false;
	if (archive_open(fd, &former) != 0) {
		close(fd);
		return false;
	}
	/* No stream of ours was over yet. */
	for (archive_events_range(own, &n, &end); n < end; n++)
		if (archive_event_get(own, n, &key, &event))
			archive_event_put(former, &key, &event);
	archive_free(&own);
	h->archive = former;
	return true;
}

int
history_fd(const struct history *h)
{
	return archive_fd(h->archive);
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
	struct recorder_event e = { .at_ms = recorder_now_ms(), .level = level };
	struct archive_key key = { .recording = 0 };

	if (!channel_of(pairs, key.guide_number, sizeof(key.guide_number)) || strncmp(event, "dump.", 5) == 0)
		return;
	snprintf(e.name, sizeof(e.name), "%s", event);
	snprintf(e.text, sizeof(e.text), "%s", pairs);
	recorder_event_bound(&e);
	archive_event_put(h->archive, &key, &e);
}

void
history_keep(struct history *h, const char *guide_number, uint64_t stream, const struct state *state)
{
	struct archive_key key = { .stream = stream };
	struct recorder_second second;
	struct recorder_event event;
	uint64_t n, end;

	if (h == NULL || state == NULL)
		return;
	key.recording = archive_number(h->archive);
	snprintf(key.guide_number, sizeof(key.guide_number), "%s", guide_number);
	for (recorder_seconds_range(&state->recorder, &n, &end); n < end; n++)
		if (recorder_second_get(&state->recorder, n, &second))
			archive_second_put(h->archive, &key, &second);
	for (recorder_events_range(&state->recorder, &n, &end); n < end; n++)
		if (recorder_event_get(&state->recorder, n, &event))
			archive_event_put(h->archive, &key, &event);
}

/* Numbers of the channel's last recordings, the newest first, and whether anything at all is known of it. */
struct known {
	int64_t oldest_ms; /* what is older is no recording */
	bool any;
	size_t count;
	struct {
		uint64_t recording, stream;
	} at[HISTORY_STREAMS];
};

static void
note(struct known *known, const struct archive_key *key)
{
	size_t i = 0;

	known->any = true;
	if (key->recording == 0 || key->at_ms < known->oldest_ms)
		return;
	while (i < known->count && known->at[i].recording > key->recording)
		i++;
	if (i == NITEMS(known->at) || (i < known->count && known->at[i].recording == key->recording))
		return;
	known->count = PB_MIN(known->count + 1, NITEMS(known->at));
	memmove(&known->at[i + 1], &known->at[i], (known->count - i - 1) * sizeof(known->at[0]));
	known->at[i].recording = key->recording;
	known->at[i].stream = key->stream;
}

static void
find(const struct history *h, const char *guide_number, int64_t oldest_ms, struct known *known)
{
	struct archive_key key;
	uint64_t n, end;

	*known = (struct known){ .oldest_ms = oldest_ms };
	if (h == NULL)
		return;
	for (archive_seconds_range(h->archive, &n, &end); n < end; n++)
		if (archive_second_get(h->archive, n, &key, NULL) && strcmp(key.guide_number, guide_number) == 0)
			note(known, &key);
	for (archive_events_range(h->archive, &n, &end); n < end; n++)
		if (archive_event_get(h->archive, n, &key, NULL) && strcmp(key.guide_number, guide_number) == 0)
			note(known, &key);
}

bool
history_knows(const struct history *h, const char *guide_number)
{
	struct known known;

	find(h, guide_number, INT64_MAX, &known);
	return known.any;
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
	    "\"underruns\":%u",
	    s->at_ms + w->to_wall_ms, PB_MIN(s->upstream_bytes, (uint64_t)INT64_MAX),
	    PB_MIN(s->released_bytes, (uint64_t)INT64_MAX), s->requests, s->retries, s->errors, s->segments,
	    s->segments_lost, s->splices, s->underruns);
	/* In two: with figures as large as they can be one were more than a piece may be. */
	text_addf(&w->text,
	    ",\"latency_ms\":%u,\"throughput_kbps\":%u,\"rtt_ms\":%u,\"loss_permille\":%u,\"reserve_ms\":%u,"
	    "\"target_ms\":%u,\"quality\":\"%s\",\"source\":%u,\"http_status\":%u,\"filler\":%s,\"clients\":%u,"
	    "\"worst\":[",
	    s->latency_ms, s->throughput_kbps, s->rtt_ms, s->loss_permille, s->reserve_ms, s->target_ms,
	    s->quality < NITEMS(qualities) ? qualities[s->quality] : "unknown", s->source, s->http_status,
	    s->filler != 0 ? "true" : "false", s->clients);
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

/* The entry is the channel's, and of that recording (0: an event of ours). */
static bool
is_of(const struct archive_key *key, const char *guide_number, uint64_t recording)
{
	return key->recording == recording && strcmp(key->guide_number, guide_number) == 0;
}

/* Those events, the last `most` of them. */
static void
add_events(struct writing *w, const struct history *h, const char *guide_number, uint64_t recording, size_t most)
{
	struct recorder_event event;
	struct archive_key key;
	uint64_t first, end, n;
	size_t count = 0;

	archive_events_range(h->archive, &first, &end);
	for (n = end; n > first && count < most; n--)
		count += archive_event_get(h->archive, n - 1, &key, NULL) && is_of(&key, guide_number, recording);
	for (; n < end; n++)
		if (archive_event_get(h->archive, n, &key, &event) && is_of(&key, guide_number, recording))
			add_event(w, &event);
}

static void
add_recording(struct writing *w, bool first, const struct history *h, const char *guide_number, uint64_t recording,
    uint64_t stream)
{
	struct recorder_second second;
	struct archive_key key;
	uint64_t n, end;

	begin_stream(w, first, stream, "over");
	for (archive_seconds_range(h->archive, &n, &end); n < end; n++)
		if (archive_second_get(h->archive, n, &key, &second) && is_of(&key, guide_number, recording))
			add_second(w, &second);
	text_add(&w->text, "],\"events\":[");
	w->more = false;
	add_events(w, h, guide_number, recording, RECORDER_EVENTS);
	text_add(&w->text, "]}");
}

struct blob *
history_json(const struct history *h, const char *guide_number, const char *name, const struct history_running *running,
    uint32_t since_s)
{
	struct known known;
	int64_t now_ms = recorder_now_ms();
	struct writing w = { .oldest_ms = now_ms - (int64_t)PB_MIN(since_s, (uint32_t)HISTORY_SINCE_MAX_S) * 1000 };
	struct timespec wall;
	bool first = true;

	find(h, guide_number, w.oldest_ms, &known);
	clock_gettime(CLOCK_REALTIME, &wall);
	w.to_wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 - now_ms;
	text_addf(&w.text, "{\"channel\":\"%s\",\"name\":", guide_number);
	text_add_json(&w.text, name);
	text_addf(&w.text, ",\"now_ms\":%" PRId64 ",\"since_s\":%u,\"state\":\"%s\",\"events\":[",
	    now_ms + w.to_wall_ms, since_s, running != NULL ? running->state_name : "idle");
	if (known.any)
		add_events(&w, h, guide_number, 0, HISTORY_EVENTS);
	text_add(&w.text, "],\"streams\":[");
	if (running != NULL && running->state != NULL) {
		add_running(&w, running);
		first = false;
	}
	for (size_t i = 0; i < known.count; i++) {
		add_recording(&w, first, h, guide_number, known.at[i].recording, known.at[i].stream);
		first = false;
	}
	text_add(&w.text, "\n]}\n");
	return text_blob(&w.text);
}
