/*
 * source_stream.c - a body that may be a playlist or plain TS, until it tells; and the stream
 *
 * A channel's URL is asked as if it were a stream, unless its name says
 * otherwise. What comes is kept until it tells what it is: a playlist is
 * understood when all of it is there, a stream is handed on as it comes.
 */
#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/pb.h"
#include "base/ts.h"
#include "worker/source_inside.h"

#define SNIFF_BYTES (5 * TS_PACKET)

void
source_stream_forget(struct source *s)
{
	free(s->sniffed);
	s->sniffed = NULL;
	s->sniffed_len = s->sniffed_room = 0;
}

static bool
looks_like_ts(const uint8_t *buf, size_t len)
{
	int stride;

	return ts_find_sync(buf, PB_MIN(len, (size_t)65536), 5, false, &stride) >= 0;
}

void
source_stream_head(void *arg, const struct fetch_head *head)
{
	struct source *s = arg;

	strlcpy(s->effective, head->url, sizeof(s->effective));
	atomic_store(&s->figures->http_status, (uint32_t)head->status);
}

/* Keep the beginning until it tells what it is. */
static int
sniff_more(struct source *s, const void *buf, size_t len)
{
	size_t need = s->sniffed_len + len;

	if (need > PLAYLIST_BODY_MAX)
		return PB_ELIMIT;
	if (need > s->sniffed_room) {
		size_t room = PB_MAX(need, s->sniffed_room * 2);
		uint8_t *grown = realloc(s->sniffed, room);

		if (grown == NULL)
			return PB_ENOMEM;
		s->sniffed = grown;
		s->sniffed_room = room;
	}
	memcpy(s->sniffed + s->sniffed_len, buf, len);
	s->sniffed_len = need;
	return 0;
}

static void
begin_streaming(struct source *s)
{
	s->what = STREAMING;
	s->streaming = true;
	s->streamed = false;
	if (!s->announced) {
		s->announced = true;
		/* Nobody says how much more there is: what comes faster than it plays is the reserve. */
		s->ops->start(s->arg, UINT32_MAX, s->tune->settings.reserve_ms);
	}
	s->ops->stream_begin(s->arg);
}

void
source_stream_good(struct source *s)
{
	if (!s->streaming)
		return;
	s->streamed = true;
	s->open_failures = 0;
}

/* What was kept of the beginning goes first, as soon as there is room: it has the tables, and can't come again. */
static int
hand_on_kept(struct source *s)
{
	int err;

	if (s->sniffed == NULL)
		return 0;
	err = s->ops->stream_data(s->arg, s->sniffed, s->sniffed_len);
	if (err != PB_AGAIN)
		source_stream_forget(s);
	return err;
}

int
source_stream_data(void *arg, const void *buf, size_t len)
{
	struct source *s = arg;
	int err;

	if (s->streaming) {
		err = hand_on_kept(s);
		return err != 0 ? err : s->ops->stream_data(s->arg, buf, len);
	}
	err = sniff_more(s, buf, len);
	if (err != 0)
		return err;
	if (s->sniff == SNIFF_OPEN && s->sniffed_len >= SNIFF_BYTES)
		s->sniff = looks_like_ts(s->sniffed, s->sniffed_len) ? SNIFF_TS : SNIFF_OPEN;
	if (s->sniff != SNIFF_TS)
		return 0;
	source_note_opening(s, fetch_answer_s(s->fetch));
	begin_streaming(s);
	err = hand_on_kept(s);
	return err == PB_AGAIN ? 0 : err; /* these bytes are kept: the next ones wait */
}

/* A connection that brought nothing is a try that failed; what one that did ends with is no more than that. */
static void
stream_over(struct source *s, const struct fetch_result *r)
{
	const char *why = r->err != 0 ? r->reason
	    : s->streamed             ? "the source closed the connection"
				      : "the source closed the connection before a picture came";

	source_failed_again(s);
	if (!s->has_media && s->open_failures >= BAD_TUNE_TRIES) {
		source_fail(s, 807, why);
		return;
	}
	source_say(s, log_again(s->open_failures) ? LOG_WARNING : LOG_DEBUG, "source.stream-ended", why);
	source_open_later(s);
	if (s->has_media && !s->streamed && s->ops->trouble != NULL)
		s->ops->trouble(s->arg, why);
}

void
source_stream_done(void *arg, const struct fetch_result *r)
{
	struct source *s = arg;
	bool streamed = s->streaming;

	s->fetch = NULL;
	source_remember(s, r);
	if (streamed) {
		(void)hand_on_kept(s);
		source_stream_forget(s);
		s->streaming = false;
		s->what = OPENING;
		s->ops->stream_end(s->arg);
		if (s->what == ENDED)
			return;
		s->sniff = SNIFF_OPEN;
		stream_over(s, r);
		return;
	}
	if (r->err != 0 && s->sniffed_len == 0)
		source_request_failed(s, r);
	else
		source_body(s, s->sniffed != NULL ? s->sniffed : (const uint8_t *)"", s->sniffed_len, r->err != 0);
	source_stream_forget(s);
}
