/*
 * fetch_hear.c - heads and bodies, as curl hands them over
 *
 * All of it is from inside curl: what is found is noted in the fetch and curl
 * is told to stop; a verdict comes when curl has returned. A reader may cancel
 * the fetch from its callback: then the transfer has no owner any more.
 */
#include "worker/fetch_inside.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "worker/verdict.h"

#define DISCARD_MAX ((size_t)16 << 10) /* of an error page, to keep the connection; more costs more than a new one */

static size_t
stop(struct fetch *f, int err)
{
	f->stop_err = err;
	return 0;
}

/* What on_data will get in all, -1 unknown. */
static int64_t
expected(const struct fetch *f)
{
	int64_t total = f->reply.status == 206 ? f->reply.total : f->reply.length;
	int64_t from = (int64_t)f->o.range.offset;

	if (f->reply.encoded)
		return -1;
	if (f->o.range.length == 0)
		return total;
	if (total >= 0 && total - from < (int64_t)f->o.range.length)
		return PB_MAX(total - from, 0);
	return (int64_t)f->o.range.length;
}

/* Does this head go on where we are? 0, or what is wrong. */
static int
check_body_head(struct fetch *f)
{
	uint64_t want = f->o.range.offset + f->pos;
	int64_t length;

	if (f->reply.status == 206 && f->reply.first != (int64_t)want) {
		fetch_because(f, "206 that begins at %" PRId64 " instead of %" PRIu64, f->reply.first, want);
		if (f->no_range || !f->ranged)
			return PB_EFORMAT;
		f->no_range = f->replan = true;
		return PB_EFORMAT;
	}
	f->skip = f->reply.status == 206 ? 0 : want;
	if (f->pos > 0) {
		bool same = f->reply.status == 206 ? reply_same_file(&f->first, &f->reply)
						   : reply_surely_same(&f->first, &f->reply);

		if (!same) {
			fetch_because(f, "changed while it was fetched");
			return PB_EFORMAT;
		}
	} else {
		reply_clear(&f->first);
		f->first = f->reply;
		f->first.location = NULL;
	}
	if (f->o.kind == FETCH_STREAM)
		return 0;
	if (f->o.range.length > 0 && f->reply.status != 206)
		f->range_ignored = true;
	if (f->reply.encoded)
		f->no_range = true; /* ranges would count other bytes than we do */
	length = expected(f);
	if (length == 0 && f->o.range.length > 0) {
		fetch_because(f, "its byte range lies behind its end");
		return PB_EFORMAT;
	}
	if (length > (int64_t)FETCH_SEGMENT_MAX || f->skip > FETCH_SEGMENT_MAX) {
		fetch_because(f, "a segment of %" PRId64 " bytes", f->reply.length);
		return PB_ELIMIT;
	}
	return 0;
}

static int
accept_head(struct transfer *t, struct fetch *f)
{
	struct fetch_head head;
	int err = 0;

	if (!fetch_collected(f))
		err = check_body_head(f);
	else if (f->reply.length > (int64_t)f->body.max && !f->reply.encoded)
		err = PB_ELIMIT, fetch_because(f, "a body of %" PRId64 " bytes", f->reply.length);
	if (err != 0)
		return err;
	if (f->o.on_head != NULL) {
		head.url = f->now;
		head.type = f->reply.type;
		head.status = f->reply.status;
		head.length = expected(f);
		head.at = f->pos;
		head.tries = f->tries;
		f->o.on_head(f->o.arg, &head);
		if (t->owner != f)
			return PB_NO; /* cancelled: f is gone */
	}
	return 0;
}

size_t
fetch_hear_header(char *line, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct fetch *f = t->owner;
	int err;

	if (f == NULL)
		return 0;
	n *= size;
	if (t == f->hedge.t) {
		if (!reply_line(&f->hedge.reply, line, n))
			return n;
		if (!hedge_fits(f)) {
			hedge_drop(f);
			return 0;
		}
		late_heard(fetch_history(f), (uint32_t)((loop_now(f->pool->loop) - f->active_at) * 1e3));
		f->pool->figures.hedges_won++;
		hedge_take(f);
	} else if (f->head_over || !reply_line(&f->reply, line, n))
		return n; /* in the middle, or trailers */
	f->head_over = true;
	f->status = f->reply.status;
	if (f->status != 200 && f->status != 203 && f->status != 206) {
		f->discard = true;
		/* Too many: and this one is of those that are counted, so it is closed. */
		return verdict_busy(f->status) ? 0 : n;
	}
	hedge_drop(f); /* it was taken, or comes too late */
	err = accept_head(t, f);
	if (t->owner != f)
		return 0;
	if (err == 0 && f->o.kind == FETCH_STREAM)
		fetch_pool_answered(f);
	return err == 0 ? n : stop(f, err);
}

static size_t
take(struct transfer *t, struct fetch *f, const char *buf, size_t n)
{
	uint64_t skip = PB_MIN(f->skip, n), left;
	size_t len = n - (size_t)skip;
	int err = 0;

	if (f->o.range.length > 0) {
		left = f->o.range.length - f->pos;
		len = PB_MIN(len, left);
	}
	if (f->o.kind == FETCH_SEGMENT && len > FETCH_SEGMENT_MAX - f->pos) {
		fetch_because(f, "a segment of more than %" PRIu64 " bytes", FETCH_SEGMENT_MAX);
		return stop(f, PB_ELIMIT);
	}
	if (len > 0)
		err = f->o.on_data(f->o.arg, buf + skip, len);
	if (t->owner != f)
		return 0; /* cancelled: f is gone */
	if (err == PB_AGAIN) {
		f->state = PAUSED;
		fetch_pool_meter(f);
		return CURL_WRITEFUNC_PAUSE; /* curl keeps all n bytes and brings them again */
	}
	if (f->metered)
		meter_bytes(&f->pool->meter, n, f->active_at);
	if (err != 0) {
		fetch_because(f, "its reader gave up: %s", pb_strerror(err));
		return stop(f, err);
	}
	f->skip -= skip;
	f->pos += len;
	f->got += len;
	f->pool->figures.bytes += n;
	if (f->o.range.length > 0 && f->pos == f->o.range.length && f->reply.status != 206) {
		f->whole = true; /* the rest of the file is of no use */
		return 0;
	}
	return n;
}

size_t
fetch_hear_body(char *buf, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct fetch *f = t->owner;
	int err;

	if (f == NULL || t == f->hedge.t)
		return 0;
	n *= size;
	if (f->discard) { /* and its time runs on */
		f->discarded += n;
		return f->discarded > DISCARD_MAX ? 0 : n;
	}
	if (hedge_runs(f))
		hedge_drop(f); /* it moves again */
	f->active_at = loop_now(f->pool->loop);
	if (f->first_byte == 0)
		f->first_byte = f->active_at;
	fetch_pool_meter(f);
	if (!fetch_collected(f))
		return take(t, f, buf, n);
	err = body_append(&f->body, buf, n);
	if (err == PB_ELIMIT)
		fetch_because(
		    f, "a %s of more than %zu bytes", f->o.kind == FETCH_KEY ? "key" : "playlist", f->body.max);
	if (err != 0)
		return stop(f, err);
	f->got += n;
	f->pos = f->body.len;
	f->pool->figures.bytes += n;
	return n;
}
