/*
 * tests/unit/fetch.c - one URL through all that servers do to it
 *
 * The server is part of this program and lives on the same loop; each path of
 * it misbehaves in one way. The media is a pattern of which every byte tells
 * its place, so that one that is lost, doubled or moved is seen.
 */
#include "tests/lib/clock.h"
#include "tests/lib/delay.h"
#include "tests/lib/site.h"
#include "worker/fetch.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <ev.h>
#include <zlib.h>

#include "base/loop.h"
#include "base/pb.h"
#include "ipc/msg.h"
#include "worker/reply.h"
#include "worker/resolve.h"
#include "worker/verdict.h"

#define FILE_LEN 300000
#define CUT_AT 100000

static struct ev_loop *loop;
static struct resolve *names;
static struct fetch_pool *pool;
static struct msg_settings settings;

/* Every turn of the loop is measured. */
static struct {
	ev_check check;
	ev_prepare prepare;
	ev_tstamp woke, longest;
	double delay; /* of this process until then: others' turns are not ours */
} turn;

static uint8_t
pattern(uint64_t at)
{
	return (uint8_t)((at * UINT64_C(2654435761)) >> 13);
}

/* The wall clock of this program, libev's too, is set by so much. */
static time_t shift_s;

time_t
clock_off_s(void)
{
	return shift_s;
}

/* The server. */

static void
add_pattern(struct conn *c, uint64_t from, size_t len)
{
	char *b = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		b[i] = (char)pattern(from + i);
	conn_add(c, b, len);
	free(b);
}

static bool
on(const char *prefix)
{
	return strncmp(site.path, prefix, strlen(prefix)) == 0;
}

static int
number_of(const char *prefix)
{
	return (int)strtol(site.path + strlen(prefix), NULL, 10);
}

/* The file, whole or the range that was asked for; of a range no more than `most` bytes. */
static void
send_some(struct conn *c, size_t len, const char *etag, size_t most)
{
	const char *range = strstr(site.last, "\r\nRange: bytes=");
	size_t from = 0, to = len - 1;

	if (range == NULL) {
		conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nETag: %s\r\n\r\n", len, etag);
	} else {
		char *end;

		from = strtoul(range + 15, &end, 10);
		if (*end == '-' && end[1] >= '0' && end[1] <= '9')
			to = strtoul(end + 1, NULL, 10);
		to = PB_MIN(PB_MIN(to, len - 1), from + most - 1);
		conn_say(c,
		    "HTTP/1.1 206 Partial Content\r\nContent-Length: %zu\r\nETag: %s\r\nContent-Range: bytes "
		    "%zu-%zu/%zu\r\n\r\n",
		    to - from + 1, etag, from, to, len);
	}
	add_pattern(c, from, to - from + 1);
}

static void
send_file(struct conn *c, size_t len, const char *etag)
{
	send_some(c, len, etag, SIZE_MAX / 2);
}

static void
send_text(struct conn *c, const char *text)
{
	conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(text), text);
}

static void
send_cut(struct conn *c)
{
	conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: \"v1\"\r\n\r\n", FILE_LEN);
	add_pattern(c, 0, CUT_AT);
	c->close_after = true;
}

static void
send_gzip(struct conn *c, const char *text, size_t len, bool broken)
{
	unsigned char *out = malloc(len + 1024);
	z_stream z = { 0 };
	size_t n;

	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)text;
	z.avail_in = (unsigned)len;
	z.next_out = out;
	z.avail_out = (unsigned)len + 1024;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	n = z.total_out - (broken ? 12 : 0);
	deflateEnd(&z);
	conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
	conn_add(c, out, n);
	free(out);
}

static void
send_long_location(struct conn *c, size_t len)
{
	char *url = malloc(len);

	memset(url, 'a', len);
	conn_say(c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /");
	conn_add(c, url, len);
	conn_say(c, "\r\n\r\n");
	free(url);
}

static void
answer(struct conn *c)
{
	int n = site.requests; /* 1: the first */

	if (on("/file"))
		send_file(c, FILE_LEN, "\"v1\"");
	else if (on("/echo"))
		send_text(c, site.last);
	else if (on("/cut"))
		n == 1 ? send_cut(c) : send_file(c, FILE_LEN, "\"v1\"");
	else if (on("/whole-cut"))
		n == 1 ? send_cut(c) : (site.last[0] = '\0', send_file(c, FILE_LEN, "\"v1\""));
	else if (on("/longer-cut"))
		n == 1 ? send_cut(c) : (site.last[0] = '\0', send_file(c, FILE_LEN + 1, "\"v1\""));
	else if (on("/other-total-cut"))
		n == 1 ? send_cut(c) : send_file(c, FILE_LEN + 1, "\"v1\"");
	else if (on("/other-tag-cut"))
		n == 1 ? send_cut(c) : send_file(c, FILE_LEN, "\"v2\"");
	else if (on("/shifted-cut") && n == 2) {
		conn_say(c,
		    "HTTP/1.1 206 Partial Content\r\nContent-Length: 100\r\nContent-Range: bytes 7-106/%d\r\n\r\n",
		    FILE_LEN);
		add_pattern(c, 7, 100);
	} else if (on("/shifted-cut"))
		n == 1 ? send_cut(c) : send_file(c, FILE_LEN, "\"v1\"");
	else if (on("/parts-cut"))
		n == 1 ? send_cut(c) : send_some(c, FILE_LEN, "\"v1\"", 70000);
	else if (on("/parts/"))
		send_some(c, FILE_LEN, "\"v1\"", (size_t)number_of("/parts/"));
	else if (on("/no-range"))
		site.last[0] = '\0', send_file(c, FILE_LEN, "\"v1\"");
	else if (on("/late-503") && n == 1) {
		conn_say(c, "HTTP/1.1 503 Sorry\r\nContent-Length: 5\r\n\r\nsorry");
		c->late = 0.1; /* after the second was asked for */
	} else if (on("/late-458") && n == 1) {
		conn_say(c, "HTTP/1.1 458 Sorry\r\nContent-Length: 0\r\n\r\n");
		c->late = 0.1;
	} else if (on("/late-503") || on("/late-458"))
		send_file(c, FILE_LEN, "\"v1\""), c->late = 0.2;
	else if (on("/tardy")) {
		send_file(c, FILE_LEN, "\"v1\"");
		c->late = n == 1 ? 0.4 : 2;
	} else if (on("/late-playlist")) {
		if (n > 1)
			send_text(c, "#EXTM3U\n");
	} else if (on("/other-late")) {
		if (n == 1) {
			conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: \"v1\"\r\n\r\n", FILE_LEN);
			add_pattern(c, 0, CUT_AT);
		} else
			send_file(c, FILE_LEN, "\"v2\"");
	} else if (on("/stall-head") && n == 1)
		return;
	else if (on("/stall-body") && n == 1) {
		conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: \"v1\"\r\n\r\n", FILE_LEN);
		add_pattern(c, 0, CUT_AT);
	} else if (on("/stall-"))
		send_file(c, FILE_LEN, "\"v1\"");
	else if (on("/never"))
		return;
	else if (on("/drip")) {
		conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
		c->drips = 10;
		conn_drip(c);
	} else if (on("/twice/") && n <= 2)
		conn_say(c, "HTTP/1.1 %d Sorry\r\nContent-Length: 5\r\n\r\nsorry", number_of("/twice/"));
	else if (on("/twice/"))
		send_file(c, FILE_LEN, "\"v1\"");
	else if (on("/busy-cut") && n == 1)
		send_cut(c);
	else if (on("/busy") && n == 1 + on("/busy-cut"))
		conn_say(c, "HTTP/1.1 458 Sorry\r\n%sContent-Length: 5\r\n\r\nsorry",
		    on("/busy-said") ? "Retry-After: 1\r\n" : "");
	else if (on("/busy"))
		send_file(c, FILE_LEN, "\"v1\"");
	else if (on("/crowd") && n > 1 && n <= 2 + on("/crowd-more"))
		conn_say(c, "HTTP/1.1 458 Sorry\r\nContent-Length: 0\r\n\r\n");
	else if (on("/crowd"))
		send_file(c, FILE_LEN, "\"v1\""), c->late = n == 1 ? 0.2 : 0;
	else if (on("/calm"))
		send_file(c, FILE_LEN, "\"v1\""), c->late = 1.2;
	else if (on("/status/"))
		conn_say(
		    c, "HTTP/1.1 %d Sorry\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nsorry", number_of("/status/"));
	else if (on("/page/")) {
		conn_say(c, "HTTP/1.1 403 Sorry\r\n\r\n");
		c->endless = true;
	} else if (on("/slow")) {
		conn_say(c, "HTTP/1.1 %d Slow\r\n\r\n", number_of("/slow/"));
		c->drips = 10000;
		conn_drip(c);
	} else if (on("/hops/") && number_of("/hops/") > 0)
		conn_say(c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %d?x=1#f\r\n\r\n",
		    number_of("/hops/") - 1);
	else if (on("/hops/"))
		send_file(c, FILE_LEN, "\"v1\"");
	else if (on("/loop"))
		conn_say(c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /loop\r\n\r\n");
	else if (on("/far"))
		conn_say(c, "HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: http://localhost:%d%s\r\n\r\n",
		    site.port, site.path + 4);
	else if (on("/ftp"))
		conn_say(c, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ftp://a.example/\r\n\r\n");
	else if (on("/long/"))
		send_long_location(c, (size_t)number_of("/long/"));
	else if (on("/cookie")) {
		if (strstr(site.last, "taste=sweet") != NULL)
			send_text(c, "#EXTM3U\n");
		else
			conn_say(c,
			    "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nSet-Cookie: taste=sweet\r\nLocation: "
			    "/cookie\r\n\r\n");
	} else if (on("/gzip"))
		send_gzip(c, "#EXTM3U\n#EXTINF:1,\na.ts\n", 24, on("/gzip-broken"));
	else if (on("/bomb")) {
		char *zeros = calloc(1, 5 << 20);

		send_gzip(c, zeros, 5 << 20, false);
		free(zeros);
	} else if (on("/endless")) {
		conn_say(c, "HTTP/1.1 200 OK\r\n\r\n");
		c->endless = true;
	} else if (on("/huge"))
		conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n");
	else if (on("/race"))
		send_text(c, "#EXTM3U\n");
	else if (on("/key/")) {
		conn_say(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", number_of("/key/"));
		add_pattern(c, 0, (size_t)number_of("/key/"));
	} else
		conn_say(c, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
}

static bool
refuse(struct conn *c)
{
	return on("/race") && c->served > 1;
}

static void
drip(struct conn *c)
{
	add_pattern(c, (uint64_t)(10 - c->drips) * 10, 10);
	if (--c->drips == 0)
		conn_drip_end(c);
}

static void
more(struct conn *c)
{
	add_pattern(c, c->made, 65536);
	c->made += 65536;
}

/* One fetch and what became of it. */

struct job {
	struct fetch *f;
	struct fetch_options o;
	struct fetch_result r;
	char url[512], reason[FETCH_REASON_MAX], effective[512], body[65536];
	int heads, dones, pauses;
	struct fetch_head head;
	uint64_t first; /* where in the file its bytes begin */
	uint64_t bytes;
	uint64_t pause_at, cancel_at; /* after so many bytes; 0: never */
	uint64_t refuse_at;
	struct job *cancels;
	bool wrong;
};

static void
on_head(void *arg, const struct fetch_head *head)
{
	struct job *j = arg;

	j->heads++;
	j->head = *head;
	ck_assert_uint_eq(head->at, j->bytes);
}

static int
on_data(void *arg, const void *buf, size_t len)
{
	struct job *j = arg;
	const uint8_t *b = buf;

	if (j->pause_at > 0 && j->bytes >= j->pause_at) {
		j->pauses++;
		ev_break(loop, EVBREAK_ONE);
		return PB_AGAIN;
	}
	if (j->refuse_at > 0 && j->bytes >= j->refuse_at)
		return PB_ELIMIT;
	for (size_t i = 0; i < len; i++)
		j->wrong |= b[i] != pattern(j->first + j->bytes + i);
	j->bytes += len;
	if (j->cancel_at > 0 && j->bytes >= j->cancel_at) {
		fetch_cancel(&j->f);
		if (j->cancels != NULL)
			fetch_cancel(&j->cancels->f);
		ev_break(loop, EVBREAK_ONE);
	}
	return 0;
}

static void
on_done(void *arg, const struct fetch_result *r)
{
	struct job *j = arg;

	j->dones++;
	ev_break(loop, EVBREAK_ONE);
	j->r = *r;
	snprintf(j->reason, sizeof(j->reason), "%s", r->reason);
	snprintf(j->effective, sizeof(j->effective), "%s", r->url);
	if (r->body != NULL) {
		ck_assert_int_eq(((const char *)r->body)[r->body_len], '\0');
		snprintf(j->body, sizeof(j->body), "%s", (const char *)r->body);
	}
	ck_assert_int_eq(r->err == 0, r->reason[0] == '\0');
	fetch_cancel(&j->f); /* harmless: it is gone */
	if (j->cancels != NULL)
		fetch_cancel(&j->cancels->f);
}

static struct job *
job(enum fetch_kind kind, const char *path)
{
	struct job *j = calloc(1, sizeof(*j));

	ck_assert_ptr_nonnull(j);
	snprintf(j->url, sizeof(j->url), "http://127.0.0.1:%d%s", site.port, path);
	j->o.kind = kind;
	j->o.url = j->url;
	j->o.channel_url = true;
	j->o.arg = j;
	j->o.on_head = on_head;
	j->o.on_data = on_data;
	j->o.on_done = on_done;
	return j;
}

static void
go(struct job *j)
{
	ev_now_update(loop);
	j->first = j->o.range.offset;
	ck_assert_int_eq(fetch_start(pool, &j->o, &j->f), 0);
	ck_assert_int_eq(j->dones, 0); /* never from inside */
}

static void
wait_for(struct job *j)
{
	while (j->dones == 0)
		ev_run(loop, 0);
}

static struct job *
run(enum fetch_kind kind, const char *path)
{
	struct job *j = job(kind, path);

	go(j);
	wait_for(j);
	return j;
}

static void
whole(struct job *j)
{
	ck_assert_msg(j->r.err == 0, "%s", j->reason);
	ck_assert_uint_eq(j->bytes, FILE_LEN);
	ck_assert_uint_eq(j->r.bytes, FILE_LEN);
	ck_assert(!j->wrong);
	ck_assert_int_eq(j->dones, 1);
}

static void
on_enough(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(l, EVBREAK_ONE);
}

/* For what is expected not to happen; fetches that end meanwhile don't end it. */
static void
turn_for(double s)
{
	ev_timer enough;

	ev_now_update(loop);
	ev_timer_init(&enough, on_enough, s, 0.);
	ev_timer_start(loop, &enough);
	while (ev_is_active(&enough))
		ev_run(loop, 0);
}

static void
on_woke(struct ev_loop *l, ev_check *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	turn.woke = ev_time();
	turn.delay = delay_s();
}

static void
on_sleep(struct ev_loop *l, ev_prepare *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	if (turn.woke > 0)
		turn.longest = PB_MAX(turn.longest, ev_time() - turn.woke - (delay_s() - turn.delay));
	turn.woke = 0;
}

static struct msg_request
request_of(const char *agent, const char *headers, size_t len)
{
	struct msg_request r = { .headers_len = (uint32_t)len };

	ck_assert_uint_le(len, sizeof(r.headers));
	snprintf(r.user_agent, sizeof(r.user_agent), "%s", agent);
	if (len > 0)
		memcpy(r.headers, headers, len);
	return r;
}

/* What the pool was answered. */
static struct heard {
	unsigned answers, source; /* the last one's */
	int status;
	bool crowd;
} heard;

static void
on_answered(void *arg, const struct fetch_answer *answer)
{
	(void)arg;
	heard.answers++;
	heard.source = answer->source;
	heard.status = answer->status;
	heard.crowd |= answer->crowd && verdict_busy(answer->status);
}

static void
new_pool(const char *headers, size_t headers_len)
{
	struct msg_request request = request_of("Test/1", headers, headers_len);
	struct fetch_pool_options o = {
		.resolve = names,
		.settings = &settings,
		.seed = 1,
		.request = &request,
		.answered = on_answered,
	};

	fetch_pool_free(&pool);
	ck_assert_int_eq(fetch_pool_new(&pool, loop, &o), 0);
}

static void
setup(void)
{
	loop = ev_loop_new(EVFLAG_AUTO);
	site_open(loop);
	site.answer = answer;
	site.refuse = refuse;
	site.drip = drip;
	site.more = more;

	settings = (struct msg_settings){ .connect_timeout_ms = 500,
		.try_timeout_ms = 5000,
		.try_step_ms = 50,
		.tries = 3,
		.backoff_ms = 20,
		.backoff_max_ms = 50,
		.keepalive_ms = 10000,
		.connections = 3 };
	ck_assert_int_eq(resolve_new(&names, loop), 0);
	pool = NULL;
	new_pool(NULL, 0);

	memset(&turn, 0, sizeof(turn));
	ev_check_init(&turn.check, on_woke);
	ev_prepare_init(&turn.prepare, on_sleep);
	ev_set_priority(&turn.check, EV_MAXPRI);
	ev_set_priority(&turn.prepare, EV_MINPRI);
	ev_check_start(loop, &turn.check);
	ev_prepare_start(loop, &turn.prepare);
}

static void
teardown(void)
{
	fetch_pool_free(&pool);
	ck_assert_ptr_null(pool);
	resolve_free(&names);
	site_close();
	ev_loop_destroy(loop);
	ck_assert(turn.longest < 0.1);
}

/* For what waits for time-outs. Everybody else has room: on a busy machine an answer may take a while. */
static void
hasty(void)
{
	settings.try_timeout_ms = 200;
	new_pool(NULL, 0);
}

START_TEST(a_segment_arrives_byte_for_byte)
{
	struct job *j = run(FETCH_SEGMENT, "/file");

	whole(j);
	ck_assert_int_eq(j->heads, 1);
	ck_assert_int_eq(j->head.length, FILE_LEN);
	ck_assert_int_eq(j->r.http_status, 200);
	ck_assert_uint_eq(j->r.tries, 1);
	ck_assert(!j->r.reused);
	ck_assert_ptr_nonnull(strstr(site.last, "User-Agent: Test/1\r\n"));
	ck_assert_ptr_nonnull(strstr(site.last, "Accept-Encoding: identity\r\n"));
	ck_assert_uint_eq(fetch_pool_figures(pool).bytes, FILE_LEN);
	ck_assert_uint_eq(fetch_pool_figures(pool).requests, 1);
	free(j);
}
END_TEST

START_TEST(the_request_is_on_the_wire_in_the_same_turn)
{
	struct job *j = job(FETCH_PLAYLIST, "/echo");

	go(j);
	ev_run(loop, EVRUN_NOWAIT); /* prepare: connect; then the server sees it */
	ck_assert_int_eq(site.accepted, 1);
	wait_for(j);
	free(j);
}
END_TEST

START_TEST(one_connection_serves_one_fetch_after_the_other)
{
	for (int i = 0; i < 5; i++) {
		struct job *j = run(i == 2 ? FETCH_PLAYLIST : FETCH_SEGMENT, i == 2 ? "/echo" : "/file");

		ck_assert_int_eq(j->r.err, 0);
		ck_assert_int_eq(j->r.reused, i > 0);
		free(j);
	}
	ck_assert_int_eq(site.accepted, 1);
	ck_assert_uint_eq(fetch_pool_figures(pool).connects, 1);
}
END_TEST

/* ...unless it is to be asked elsewhere, and may be. */
START_TEST(what_is_asked_elsewhere_has_a_new_connection_where_there_may_be_one)
{
	fetch_pool_one(pool, _i == 1);
	for (unsigned i = 0; i < 3; i++) {
		struct job *j = job(FETCH_PLAYLIST, "/echo");

		j->o.elsewhere = i;
		go(j);
		wait_for(j);
		ck_assert_int_eq(j->r.err, 0);
		free(j);
	}
	ck_assert_int_eq(site.accepted, _i == 1 ? 1 : 3);
}
END_TEST

START_TEST(the_first_of_many_gets_the_open_connection_and_no_host_gets_too_many)
{
	struct job *warm = run(FETCH_PLAYLIST, "/echo"), *j[10];

	for (int i = 0; i < 10; i++) {
		j[i] = job(FETCH_SEGMENT, "/file");
		go(j[i]);
	}
	for (int i = 0; i < 10; i++)
		wait_for(j[i]);
	for (int i = 0; i < 10; i++)
		whole(j[i]);
	ck_assert(j[0]->r.reused);
	ck_assert_int_le(site.accepted, 3); /* settings.connections */
	for (int i = 0; i < 10; i++)
		free(j[i]);
	free(warm);
}
END_TEST

static const char *const mended[] = { "/cut", "/whole-cut", "/shifted-cut", "/stall-head", "/stall-body", "/twice/503",
	"/twice/500", "/twice/408", "/hops/10", "/far/file" };

START_TEST(what_can_be_mended_arrives_whole)
{
	struct job *j;

	if (strncmp(mended[_i], "/stall", 6) == 0)
		hasty();
	j = run(FETCH_SEGMENT, mended[_i]);
	whole(j);
	free(j);
}
END_TEST

START_TEST(a_body_that_broke_is_taken_up_where_it_broke)
{
	struct job *j = run(FETCH_SEGMENT, "/cut");
	char range[64];

	whole(j);
	snprintf(range, sizeof(range), "\r\nRange: bytes=%d-\r\n", CUT_AT);
	ck_assert_ptr_nonnull(strstr(site.last, range));
	ck_assert_ptr_nonnull(strstr(site.last, "\r\nIf-Range: \"v1\"\r\n"));
	ck_assert_uint_eq(j->r.tries, 2);
	ck_assert_int_eq(j->heads, 2);
	ck_assert_int_eq(j->head.length, FILE_LEN);
	ck_assert_uint_eq(j->head.at, CUT_AT);
	free(j);
}
END_TEST

static const char *const changed[] = { "/longer-cut", "/other-total-cut", "/other-tag-cut" };

START_TEST(a_file_that_changed_meanwhile_is_not_put_together)
{
	struct job *j = run(FETCH_SEGMENT, changed[_i]);

	ck_assert_int_eq(j->r.err, PB_EFORMAT);
	ck_assert_ptr_nonnull(strstr(j->reason, "changed while it was fetched"));
	ck_assert_uint_eq(j->bytes, CUT_AT);
	ck_assert_uint_eq(j->r.bytes, CUT_AT);
	ck_assert(!j->wrong);
	free(j);
}
END_TEST

START_TEST(a_byte_range_is_cut_out_whether_the_server_can_or_not)
{
	struct job *j = job(FETCH_SEGMENT, _i == 0 ? "/file" : "/no-range");

	j->o.range.offset = 1000;
	j->o.range.length = 50000;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, 0);
	ck_assert_uint_eq(j->bytes, 50000);
	ck_assert(!j->wrong);
	ck_assert_int_eq(j->head.length, 50000);
	ck_assert_int_eq(j->r.range_ignored, _i == 1);
	free(j);
}
END_TEST

START_TEST(a_byte_range_that_breaks_is_resumed_inside_itself)
{
	struct job *j = job(FETCH_SEGMENT, "/cut");

	j->o.range.offset = 50000;
	j->o.range.length = 100000; /* the first answer is the whole file, cut at 100000 */
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, 0);
	ck_assert_uint_eq(j->bytes, 100000);
	ck_assert(!j->wrong);
	ck_assert_ptr_nonnull(strstr(site.last, "\r\nRange: bytes=100000-149999\r\n"));
	free(j);
}
END_TEST

/* RFC 9110 14.2: a server may send less of a range than it was asked for. */
START_TEST(a_range_that_comes_in_parts_is_asked_for_to_its_end)
{
	struct job *j = run(FETCH_SEGMENT, "/parts-cut");

	whole(j);
	ck_assert_int_eq(site.requests, 4); /* 100000, 70000, 70000, 60000 */
	free(j);

	site.requests = 0;
	j = job(FETCH_SEGMENT, "/parts/70000");
	j->o.range.offset = 50000;
	j->o.range.length = 200000;
	go(j);
	wait_for(j);
	ck_assert_msg(j->r.err == 0, "%s", j->reason);
	ck_assert_uint_eq(j->bytes, 200000);
	ck_assert(!j->wrong);
	ck_assert_int_eq(site.requests, 3);
	free(j);

	/* One that ends behind the file's end is there when the file is. */
	site.requests = 0;
	j = job(FETCH_SEGMENT, "/file");
	j->o.range.offset = FILE_LEN - 1000;
	j->o.range.length = 2000;
	go(j);
	wait_for(j);
	ck_assert_msg(j->r.err == 0, "%s", j->reason);
	ck_assert_uint_eq(j->bytes, 1000);
	ck_assert_int_eq(site.requests, 1);
	free(j);
}
END_TEST

/* Each part is a request: they are not made for a byte each, and never without an end. */
START_TEST(parts_that_are_too_small_are_given_up)
{
	struct job *j = job(FETCH_SEGMENT, "/parts/10");

	j->o.range.offset = 1;
	j->o.range.length = 200000;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ENET);
	ck_assert_uint_eq(j->bytes, 30);
	ck_assert_int_eq(site.requests, 3); /* settings.tries */
	free(j);
}
END_TEST

START_TEST(a_transfer_that_moves_is_never_cut)
{
	struct job *j = run(FETCH_SEGMENT, "/drip"); /* takes 500 ms, 200 ms are allowed without a byte */

	ck_assert_int_eq(j->r.err, 0);
	ck_assert_uint_eq(j->bytes, 100);
	ck_assert_uint_eq(j->r.tries, 1);
	free(j);
}
END_TEST

START_TEST(who_never_answers_is_given_up_after_all_tries)
{
	struct job *j;

	hasty();
	j = run(FETCH_SEGMENT, "/never");
	ck_assert_int_eq(j->r.err, PB_ETIME);
	ck_assert_uint_eq(j->r.tries, 3);
	ck_assert_int_eq(site.requests, 3);
	ck_assert_uint_ge(j->r.total_ms, 200 + 250 + 300);
	ck_assert_ptr_nonnull(strstr(j->reason, "no answer"));
	ck_assert_uint_eq(fetch_pool_figures(pool).retries, 2);
	ck_assert_uint_eq(fetch_pool_figures(pool).errors, 1);
	free(j);
}
END_TEST

START_TEST(the_deadline_ends_all_waiting)
{
	struct job *j = job(FETCH_SEGMENT, "/never");

	j->o.deadline = loop_now(loop) + 60;
	go(j);
	turn_for(0.02);
	fetch_set_deadline(j->f, loop_now(loop) + 0.05);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ETIME);
	ck_assert_uint_lt(j->r.total_ms, 190);
	free(j);
}
END_TEST

START_TEST(the_deadline_does_not_end_a_body_that_moves)
{
	struct job *j = job(FETCH_SEGMENT, "/drip");

	j->o.deadline = loop_now(loop) + 0.4; /* the body takes 500 ms */
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, 0);
	ck_assert_uint_eq(j->bytes, 100);
	free(j);
}
END_TEST

/* The first request hangs, the second is answered: long before a time-out. */
static const char *const hanging[] = { "/stall-head", "/stall-body", "/late-503" };

START_TEST(what_is_late_is_asked_for_twice)
{
	struct job *j = job(FETCH_SEGMENT, hanging[_i]);

	j->o.hedge_ms = 60;
	j->o.tries = 1;
	settings.try_timeout_ms = 5000;
	new_pool(NULL, 0);
	go(j);
	wait_for(j);
	whole(j);
	ck_assert_uint_lt(j->r.total_ms, 1500);
	ck_assert_uint_eq(j->r.tries, 1);
	ck_assert_int_eq(site.requests, 2);
	ck_assert_int_eq(site.accepted, 2); /* on a connection of its own */
	ck_assert_uint_eq(fetch_pool_figures(pool).hedges, 1);
	free(j);
}
END_TEST

START_TEST(a_playlist_that_is_late_is_asked_for_twice)
{
	struct job *j = job(FETCH_PLAYLIST, "/late-playlist");

	settings.try_timeout_ms = 5000;
	new_pool(NULL, 0);
	j->o.hedge_ms = 60;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, 0);
	ck_assert_uint_eq(j->r.body_len, 8);
	ck_assert_uint_eq(j->r.tries, 1);
	ck_assert_uint_eq(fetch_pool_figures(pool).hedges_won, 1);
	free(j);
}
END_TEST

/* The first answers after all: what the second brings is not wanted, and nothing comes twice. */
START_TEST(the_first_that_answers_is_taken)
{
	struct job *j = job(FETCH_SEGMENT, "/tardy");

	settings.try_timeout_ms = 5000;
	new_pool(NULL, 0);
	j->o.hedge_ms = 30;
	go(j);
	wait_for(j);
	whole(j);
	ck_assert_int_eq(site.requests, 2);
	ck_assert_uint_eq(fetch_pool_figures(pool).hedges, 1);
	ck_assert_uint_eq(fetch_pool_figures(pool).hedges_won, 0);
	free(j);
}
END_TEST

START_TEST(an_account_that_counts_connections_is_never_asked_twice)
{
	struct job *j = job(FETCH_SEGMENT, "/stall-head");

	hasty();
	fetch_pool_one(pool, true);
	j->o.hedge_ms = 30;
	go(j);
	wait_for(j);
	whole(j);
	ck_assert_uint_eq(j->r.tries, 2); /* by a time-out */
	ck_assert_uint_eq(fetch_pool_figures(pool).hedges, 0);
	free(j);
}
END_TEST

/* What waits for its turn, or behind a hold, has its time from when it is asked: if that is what it was promised. */
START_TEST(the_time_in_the_queue_is_nobodys_fault)
{
	struct job *j = job(FETCH_PLAYLIST, "/echo");
	bool promised = _i == 1;

	ev_now_update(loop);
	fetch_pool_hold(pool, loop_now(loop) + 0.5);
	j->o.deadline = loop_now(loop) + 0.3;
	j->o.queue_s = promised ? 2 : 0;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, promised ? 0 : PB_ETIME);
	ck_assert_int_eq(site.requests, promised);
	free(j);
	if (!promised)
		return;
	/* That time is no more than what it was: an answer that doesn't come isn't waited for longer. */
	j = job(FETCH_PLAYLIST, "/never");
	fetch_pool_hold(pool, loop_now(loop) + 0.3);
	j->o.deadline = loop_now(loop) + 0.3;
	j->o.queue_s = 5;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ETIME);
	ck_assert_uint_ge(j->r.total_ms, 590);
	ck_assert_uint_le(j->r.total_ms, 2000);
	free(j);
}
END_TEST

/* Another try would be as slow, and may be one too many where the one before is not forgotten yet. */
START_TEST(an_answer_that_is_slow_as_ever_is_not_cut_off_for_another_try)
{
	struct job *j = run(FETCH_SEGMENT, "/calm"), *k = job(FETCH_SEGMENT, "/calm");

	whole(j);
	fetch_pool_one(pool, true);
	ev_now_update(loop);
	k->o.deadline = loop_now(loop) + 2;
	go(k);
	wait_for(k);
	whole(k);
	ck_assert_uint_eq(k->r.tries, 1);
	free(j);
	free(k);
}
END_TEST

START_TEST(a_second_request_of_another_file_is_not_put_together)
{
	struct job *j = job(FETCH_SEGMENT, "/other-late");

	settings.try_timeout_ms = 800;
	new_pool(NULL, 0);
	j->o.hedge_ms = 60;
	j->o.tries = 1;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ETIME);
	ck_assert(!j->wrong);
	ck_assert_uint_eq(j->bytes, CUT_AT);
	ck_assert_uint_eq(fetch_pool_figures(pool).hedges, 1);
	ck_assert_uint_eq(fetch_pool_figures(pool).hedges_won, 0);
	free(j);
}
END_TEST

START_TEST(a_fetch_with_a_hedge_can_be_cancelled_and_its_pool_freed)
{
	struct job *j = job(FETCH_SEGMENT, "/never"), *k = job(FETCH_SEGMENT, "/never");

	settings.connections = 4;
	new_pool(NULL, 0);
	j->o.hedge_ms = k->o.hedge_ms = 20;
	go(j);
	go(k);
	turn_for(0.1);
	ck_assert_uint_eq(fetch_pool_figures(pool).hedges, 2);
	fetch_cancel(&j->f);
	turn_for(0.05);
	fetch_pool_free(&pool);
	ck_assert_int_eq(j->dones + k->dones, 0);
	free(j);
	free(k);
}
END_TEST

/* A try leaves half of the time to the next one; and one that is to persist goes on to the deadline. */
START_TEST(tries_are_shortened_by_the_deadline_and_go_on_to_it)
{
	struct job *j = job(FETCH_SEGMENT, "/twice/503");

	settings.tries = 1;
	settings.backoff_ms = settings.backoff_max_ms = 10000;
	settings.try_timeout_ms = 60000;
	new_pool(NULL, 0);
	j->o.persist = true;
	go(j);
	fetch_set_deadline(j->f, loop_now(loop) + 2);
	wait_for(j);
	whole(j);
	ck_assert_uint_eq(j->r.tries, 3);
	ck_assert_uint_lt(j->r.total_ms, 1500);
	free(j);
}
END_TEST

START_TEST(a_new_route_ends_all_waiting)
{
	struct job *j = job(FETCH_SEGMENT, "/twice/503");

	settings.backoff_ms = settings.backoff_max_ms = 60000;
	new_pool(NULL, 0);
	go(j);
	while (site.requests < 1)
		ev_run(loop, EVRUN_ONCE);
	turn_for(0.05);
	fetch_pool_rerouted(pool, NULL);
	while (site.requests < 2)
		ev_run(loop, EVRUN_ONCE);
	turn_for(0.05);
	fetch_pool_rerouted(pool, NULL);
	wait_for(j);
	whole(j);
	free(j);
}
END_TEST

/* Set it, and have the loop know it. */
static void
set_clock(time_t s)
{
	ev_tstamp until = loop_now(loop) + 2, before = ev_time();
	time_t by = s - shift_s;

	shift_s = s;
	ck_assert(fabs(ev_time() - before - (double)by) < 1);
	while (fabs(ev_now(loop) - ev_time()) > 1) {
		ck_assert(loop_now(loop) < until);
		ev_now_update(loop);
	}
	turn.woke = 0; /* this turn can't be measured */
}

static const time_t steps_s[] = { -600, 3600 };

START_TEST(a_wall_clock_that_is_set_keeps_nobody_waiting_and_hurries_nobody)
{
	struct job *j = job(FETCH_SEGMENT, "/twice/503"), *hung = job(FETCH_SEGMENT, "/never");
	ev_tstamp began;

	settings.backoff_ms = settings.backoff_max_ms = 900;
	settings.try_timeout_ms = 1000;
	settings.tries = 3;
	new_pool(NULL, 0);
	j->o.deadline = hung->o.deadline = loop_now(loop) + 60;
	go(j);
	while (site.requests < 1)
		ev_run(loop, EVRUN_ONCE);
	turn_for(0.05);
	set_clock(steps_s[_i]);
	began = loop_now(loop);
	wait_for(j);
	whole(j);
	ck_assert(loop_now(loop) - began > 0.5 && loop_now(loop) - began < 10);
	ck_assert_uint_lt(j->r.total_ms, 10000);

	/* Time limits, and a hold for all. */
	site.requests = 0;
	settings.tries = 1;
	new_pool(NULL, 0);
	fetch_pool_hold(pool, loop_now(loop) + 0.3);
	go(hung);
	turn_for(0.05);
	set_clock(0);
	began = loop_now(loop);
	ck_assert_int_eq(site.requests, 0);
	wait_for(hung);
	ck_assert_int_eq(hung->r.err, PB_ETIME);
	ck_assert_int_eq(site.requests, 1);
	ck_assert(loop_now(loop) - began > 0.9 && loop_now(loop) - began < 10);
	free(j);
	free(hung);
}
END_TEST

START_TEST(a_kept_connection_from_a_lost_address_is_not_used)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct job *j = run(FETCH_SEGMENT, "/file");

	whole(j);
	ck_assert_uint_gt(fetch_pool_way(pool).segments_in, 0);
	fetch_pool_rerouted(pool, (struct sockaddr *)&own);
	free(j);
	j = run(FETCH_SEGMENT, "/file");
	whole(j);
	ck_assert_uint_eq(j->r.tries, 1);
	ck_assert_int_eq(site.accepted, 2);
	free(j);
}
END_TEST

/* The first address is not there: the next one of the list is used, and stays in front. */
START_TEST(an_interface_whose_route_is_dead_loses_to_the_next)
{
	struct job *j;

	snprintf(settings.interfaces, sizeof(settings.interfaces), "192.0.2.77, 127.0.0.1");
	new_pool(NULL, 0);
	ck_assert_str_eq(fetch_pool_way(pool).interface, "192.0.2.77");
	j = run(FETCH_SEGMENT, "/file");
	whole(j);
	ck_assert_str_eq(fetch_pool_way(pool).interface, "127.0.0.1");
	free(j);
}
END_TEST

START_TEST(an_own_address_is_what_a_name_is_asked_from)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 2) };
	struct job *j = job(FETCH_SEGMENT, "/file");

	snprintf(settings.interfaces, sizeof(settings.interfaces), "127.0.0.3, 127.0.0.1");
	new_pool(NULL, 0);
	snprintf(j->url, sizeof(j->url), "http://localhost:%d/file", site.port);
	for (int i = 0; i < 2; i++) {
		go(j);
		wait_for(j);
		whole(j);
		ck_assert_uint_eq(j->r.tries, 1);
		ck_assert_int_eq(site.accepted, i + 1);
		ck_assert_str_eq(fetch_pool_way(pool).interface, "127.0.0.3");
		fetch_pool_rerouted(pool, (struct sockaddr *)&own); /* ends what is kept from there */
		j->dones = 0;
		j->bytes = 0;
	}
	free(j);
}
END_TEST

/* A server to which no connection comes about, and none is refused: its queue of connections is full. */
static int
full(int filler[8], char *url, size_t size)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	for (int i = 0; i < 8; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(filler[i], (struct sockaddr *)&sin, len);
	}
	snprintf(url, size, "http://127.0.0.1:%d/a", ntohs(sin.sin_port));
	return fd;
}

/* Curl's own connect timeout is longer than all that bounds a try. */
static const struct {
	uint32_t try_timeout_ms;
	double deadline_s;
	uint32_t hedge_ms;
} dead_ways[] = {
	{ 300, 0, 0 },
	{ 300, 0, 100 },
	{ 5000, 1.5, 0 },
	{ 5000, 1.5, 100 },
};

START_TEST(an_interface_by_which_nobody_is_reached_loses_to_the_next)
{
	struct job *j = job(FETCH_SEGMENT, "/");
	int filler[8], fd = full(filler, j->url, sizeof(j->url));

	snprintf(settings.interfaces, sizeof(settings.interfaces), "127.0.0.2,127.0.0.1");
	settings.connect_timeout_ms = 60000;
	settings.try_timeout_ms = dead_ways[_i].try_timeout_ms;
	settings.tries = 1;
	new_pool(NULL, 0);
	j->o.hedge_ms = dead_ways[_i].hedge_ms;
	go(j);
	if (dead_ways[_i].deadline_s > 0)
		fetch_set_deadline(j->f, loop_now(loop) + dead_ways[_i].deadline_s);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ETIME);
	/* Its second request was on the way that was left, and says nothing about the next. */
	ck_assert_str_eq(fetch_pool_way(pool).interface, "127.0.0.1");
	for (int i = 0; i < 8; i++)
		close(filler[i]);
	close(fd);
	free(j);
}
END_TEST

static const int final[] = { 400, 401, 403, 407, 410, 429, 451, 458, 509, 304, 204 };

START_TEST(an_answer_that_another_try_would_not_change_is_given_at_once)
{
	char path[64];
	struct job *j;

	snprintf(path, sizeof(path), "/status/%d", final[_i]);
	j = run(FETCH_SEGMENT, path);
	ck_assert_int_eq(j->r.err, PB_NO);
	ck_assert_int_eq(j->r.http_status, final[_i]);
	ck_assert_uint_eq(j->r.tries, 1);
	ck_assert_int_eq(j->bytes, 0);
	if (final[_i] >= 400)
		ck_assert_uint_eq(j->r.retry_after_ms, 7000);
	free(j);
}
END_TEST

/* Too many connections, it says: each waits its time, comes again on a new one, and goes on where it was. */
static const struct busy {
	const char *path;
	enum fetch_kind kind;
	uint32_t least_ms, most_ms;
	int requests;
} busy[] = {
	{ "/busy", FETCH_SEGMENT, 1990, 2900, 2 },
	{ "/busy-said", FETCH_SEGMENT, 990, 1900, 2 },
	{ "/busy-cut", FETCH_SEGMENT, 1990, 2900, 3 },
};

START_TEST(a_segment_that_is_one_too_many_is_waited_for)
{
	struct job *j = job(busy[_i].kind, busy[_i].path);

	j->o.deadline = loop_now(loop) + 10;
	go(j);
	wait_for(j);
	whole(j);
	ck_assert_uint_ge(j->r.total_ms, busy[_i].least_ms);
	ck_assert_uint_le(j->r.total_ms, busy[_i].most_ms);
	ck_assert_int_eq(site.requests, busy[_i].requests);
	ck_assert(!j->r.reused); /* what was refused was closed: it is one of those that are counted */
	free(j);
}
END_TEST

/* The other one is what was too many: as soon as it is over, it is asked for again; then alone. */
static const struct busy crowded[] = {
	{ "/crowd", FETCH_SEGMENT, 490, 1400, 3 },
	{ "/crowd", FETCH_PLAYLIST, 490, 1400, 3 },
	{ "/crowd-more", FETCH_SEGMENT, 2490, 3400, 4 },
};

START_TEST(what_is_refused_beside_another_one_is_asked_for_again_soon)
{
	struct job *j = job(FETCH_SEGMENT, crowded[_i].path), *k = job(crowded[_i].kind, crowded[_i].path);

	k->o.deadline = loop_now(loop) + 10;
	go(j);
	go(k);
	wait_for(k);
	whole(j);
	ck_assert_int_eq(k->r.err, 0);
	ck_assert_uint_eq(k->r.bytes, FILE_LEN);
	ck_assert_uint_ge(k->r.total_ms, crowded[_i].least_ms);
	ck_assert_uint_le(k->r.total_ms, crowded[_i].most_ms);
	ck_assert_int_eq(site.requests, crowded[_i].requests);
	ck_assert(heard.crowd);
	free(j);
	free(k);
}
END_TEST

START_TEST(a_segment_that_is_one_too_many_is_given_up_when_there_is_no_time)
{
	struct job *j = job(FETCH_SEGMENT, "/busy");

	j->o.deadline = loop_now(loop) + 1.9;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_NO);
	ck_assert_int_eq(j->r.http_status, 458);
	ck_assert_int_eq(site.requests, 1);
	ck_assert_uint_lt(j->r.total_ms, 1000);
	free(j);
}
END_TEST

/* What nobody may ask for is not missed yet; but a hold may be longer than anybody waits. */
static const struct {
	bool persist;
	double hold_s, lifted_s;
	int err;
} held[] = {
	{ true, 0.6, 0.6, 0 },
	{ true, 5, 0.6, 0 }, /* lifted */
	{ false, 0.6, 0.6, PB_ETIME },
	{ true, 60, 60, PB_ETIME },
};

START_TEST(a_short_hold_takes_no_time_from_what_is_asked_for_until_it_is_missed)
{
	struct job *j = job(FETCH_SEGMENT, "/file");

	j->o.persist = held[_i].persist;
	j->o.deadline = loop_now(loop) + 0.3;
	go(j);
	fetch_pool_hold(pool, loop_now(loop) + held[_i].hold_s);
	if (held[_i].lifted_s < held[_i].hold_s) {
		turn_for(held[_i].lifted_s);
		ck_assert_int_eq(site.requests, 0);
		fetch_pool_hold(pool, 0);
	}
	wait_for(j);
	ck_assert_int_eq(j->r.err, held[_i].err);
	ck_assert_int_eq(site.requests, held[_i].err == 0);
	ck_assert_uint_lt(j->r.total_ms, 2000);
	free(j);
}
END_TEST

/* Its own second request is one too many as well as another's; and nobody has to have a deadline for that. */
START_TEST(what_is_refused_beside_its_own_second_request_is_nobody_elses_matter)
{
	struct job *j = job(FETCH_SEGMENT, "/late-458");

	j->o.hedge_ms = 30;
	go(j);
	wait_for(j);
	whole(j);
	ck_assert_uint_ge(fetch_pool_figures(pool).hedges, 1);
	ck_assert_uint_le(j->r.total_ms, 1500);
	ck_assert(heard.crowd);
	free(j);
}
END_TEST

START_TEST(an_endless_error_page_costs_nothing)
{
	struct job *j = run(FETCH_PLAYLIST, "/page/");

	ck_assert_int_eq(j->r.err, PB_NO);
	ck_assert_int_eq(j->r.http_status, 403);
	free(j);
}
END_TEST

START_TEST(a_segment_that_is_not_there_yet_is_asked_for_again)
{
	struct job *j = job(FETCH_SEGMENT, "/twice/404");

	j->o.missing_ms = 2000;
	go(j);
	wait_for(j);
	whole(j);
	ck_assert_uint_ge(j->r.total_ms, 550);
	free(j);

	site.requests = 0;
	j = run(FETCH_PLAYLIST, "/twice/404");
	ck_assert_int_eq(j->r.http_status, 404);
	ck_assert_uint_eq(j->r.tries, 1);
	free(j);
}
END_TEST

static const struct {
	const char *path;
	int err;
	const char *why;
} astray[] = {
	{ "/loop", PB_ELIMIT, "circle" },
	{ "/hops/11", PB_ELIMIT, "more than 10 redirects" },
	{ "/ftp", PB_ENOSUP, "something else than http" },
	{ "/long/9000", PB_ELIMIT, "a Location of more than" },
	{ "/long/100000", PB_ELIMIT, "a Location of more than" },
};

START_TEST(a_redirect_that_leads_nowhere_is_an_error_that_says_so)
{
	struct job *j = run(FETCH_PLAYLIST, astray[_i].path);

	ck_assert_int_eq(j->r.err, astray[_i].err);
	ck_assert_msg(strstr(j->reason, astray[_i].why) != NULL, "%s", j->reason);
	free(j);
}
END_TEST

START_TEST(a_head_beyond_all_bounds_is_an_error)
{
	struct job *j = run(FETCH_PLAYLIST, "/long/200000");

	ck_assert_int_ne(j->r.err, 0);
	free(j);
}
END_TEST

START_TEST(the_effective_url_is_where_the_redirects_ended)
{
	struct job *j = run(FETCH_SEGMENT, "/far/hops/2");
	char want[128];

	whole(j);
	snprintf(want, sizeof(want), "http://localhost:%d/hops/0?x=1", site.port);
	ck_assert_str_eq(j->effective, want);
	ck_assert_uint_eq(fetch_pool_figures(pool).redirects, 3);
	free(j);
}
END_TEST

START_TEST(cookies_are_kept_for_all_fetches_of_the_pool)
{
	struct job *j = run(FETCH_PLAYLIST, "/cookie");

	ck_assert_msg(j->r.err == 0, "%s", j->reason);
	ck_assert_str_eq(j->body, "#EXTM3U\n");
	free(j);
	j = run(FETCH_PLAYLIST, "/echo");
	ck_assert_ptr_nonnull(strstr(j->body, "taste=sweet"));
	free(j);
}
END_TEST

START_TEST(headers_go_along_and_secrets_stay_with_their_host)
{
	static const char headers[] = "Referer: http://a.example/\0X-Token: s3cret\0Cookie: a=1\0Range: bytes=0-1";
	struct job *j;

	new_pool(headers, sizeof(headers));
	j = run(FETCH_PLAYLIST, "/echo");
	ck_assert_ptr_nonnull(strstr(j->body, "\r\nReferer: http://a.example/\r\n"));
	ck_assert_ptr_nonnull(strstr(j->body, "\r\nX-Token: s3cret\r\n"));
	ck_assert_ptr_nonnull(strstr(j->body, "\r\nCookie: a=1\r\n"));
	ck_assert_ptr_null(strstr(j->body, "Range"));
	free(j);
	/* A playlist names another host; a redirect leads there; what is relative to that; the operator names it. */
	for (int i = 0; i < 4; i++) {
		bool secrets = i == 0 || i == 3;

		j = job(FETCH_PLAYLIST, "/far/echo");
		if (i != 1)
			snprintf(j->url, sizeof(j->url), "http://localhost:%d/echo", site.port);
		j->o.channel_url = i == 1 || i == 3;
		go(j);
		wait_for(j);
		ck_assert_msg(j->r.err == 0, "%s", j->reason);
		ck_assert_ptr_nonnull(strstr(j->body, "\r\nReferer: http://a.example/\r\n"));
		ck_assert_ptr_nonnull(strstr(j->body, "\r\nUser-Agent: Test/1\r\n"));
		ck_assert_msg((strstr(j->body, "s3cret") != NULL) == secrets, "%d: %s", i, j->body);
		ck_assert_msg((strstr(j->body, "a=1") != NULL) == secrets, "%d: %s", i, j->body);
		free(j);
	}
}
END_TEST

/* What the server was told by a request to that source: agent, a text that is in it, and one that isn't. */
static void
asked(unsigned source, const char *path, const char *agent, const char *has, const char *lacks)
{
	struct job *j = job(FETCH_PLAYLIST, path);
	char line[64];

	j->o.source = source;
	go(j);
	wait_for(j);
	ck_assert_msg(j->r.err == 0, "%s", j->reason);
	snprintf(line, sizeof(line), "\r\nUser-Agent: %s\r\n", agent);
	ck_assert_msg(strstr(j->body, line) != NULL, "source %u: no %s in %s", source, agent, j->body);
	ck_assert_msg(strstr(j->body, has) != NULL, "source %u: no %s in %s", source, has, j->body);
	ck_assert_msg(strstr(j->body, lacks) == NULL, "source %u: %s in %s", source, lacks, j->body);
	free(j);
}

/* On one kept connection, in turns, across a redirect: what was said to one is never said to the other. */
START_TEST(each_source_is_asked_with_its_own_headers)
{
	static const char first[] = "X-Key: one\0Cookie: c=one", own[] = "X-Key: two";
	struct msg_request request = request_of("Own/2", own, sizeof(own)), bare = request_of("", "", 0),
			   bad = request_of("Bad/4", "X-Key: four\0none", sizeof("X-Key: four\0none"));

	new_pool(first, sizeof(first));
	ck_assert_int_eq(fetch_pool_request(pool, 1, &request), 0);
	ck_assert_int_eq(fetch_pool_request(pool, 3, &bare), 0);
	ck_assert_int_eq(fetch_pool_request(pool, 4, &bad), PB_EFORMAT);
	for (unsigned round = 0; round < 2; round++) {
		const char *path = round == 0 ? "/echo" : "/far/echo";

		asked(0, path, "Test/1", "\r\nX-Key: one\r\n", "two");
		asked(1, path, "Own/2", "\r\nX-Key: two\r\n", "one");
		asked(2, path, "Test/1", "\r\nX-Key: one\r\n", "two");
		asked(3, path, "PlexBridge", "", "X-Key");
		asked(4, path, "Bad/4", "", "X-Key");
	}
}
END_TEST

START_TEST(a_header_line_that_is_none_is_refused)
{
	static const char *const bad[] = { "no colon", ": none", "A: b\r\nC: d", "A b: c" };
	struct fetch_pool_options o = { .resolve = names, .settings = &settings };
	struct fetch_pool *p = NULL;

	for (size_t i = 0; i < NITEMS(bad); i++) {
		struct msg_request request = request_of("", bad[i], strlen(bad[i]) + 1);

		o.request = &request;
		ck_assert_int_eq(fetch_pool_new(&p, loop, &o), PB_EFORMAT);
		ck_assert_ptr_null(p);
	}
}
END_TEST

START_TEST(gzip_without_a_header_is_inflated)
{
	struct job *j;

	settings.try_timeout_ms = 10000; /* this server packs on our own loop */
	new_pool(NULL, 0);
	j = run(FETCH_PLAYLIST, "/gzip");
	ck_assert_int_eq(j->r.err, 0);
	ck_assert_str_eq(j->body, "#EXTM3U\n#EXTINF:1,\na.ts\n");
	ck_assert_uint_eq(j->r.body_len, 24);
	free(j);
	j = run(FETCH_PLAYLIST, "/gzip-broken");
	ck_assert_int_eq(j->r.err, PB_EFORMAT);
	free(j);
	j = run(FETCH_PLAYLIST, "/bomb");
	ck_assert_int_eq(j->r.err, PB_ELIMIT);
	free(j);
}
END_TEST

START_TEST(a_body_without_an_end_is_cut_at_its_bound)
{
	struct job *j = run(FETCH_PLAYLIST, "/endless");

	ck_assert_int_eq(j->r.err, PB_ELIMIT);
	ck_assert_msg(strstr(j->reason, "a playlist of more than 4194304 bytes") != NULL, "%s", j->reason);
	ck_assert_uint_lt(site.sent, 16 << 20);
	free(j);
	j = run(FETCH_PLAYLIST, "/huge");
	ck_assert_int_eq(j->r.err, PB_ELIMIT);
	free(j);
	j = run(FETCH_SEGMENT, "/huge");
	ck_assert_int_eq(j->r.err, PB_ELIMIT);
	free(j);
}
END_TEST

START_TEST(a_body_that_drips_for_ever_is_given_up)
{
	struct job *j = job(FETCH_PLAYLIST, "/slow/200");

	hasty();
	j->o.tries = 1;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ETIME);
	ck_assert_uint_ge(j->r.total_ms, 750);
	ck_assert_uint_lt(j->r.total_ms, 2000);
	free(j);

	/* An error page has the time to its first byte of media like every other answer. */
	j = run(FETCH_SEGMENT, "/slow/403");
	ck_assert_int_eq(j->r.err, PB_NO);
	ck_assert_int_eq(j->r.http_status, 403);
	ck_assert_uint_lt(j->r.total_ms, 400);
	free(j);

	/* A deadline cuts a playlist, too: half of one is none. */
	j = job(FETCH_PLAYLIST, "/slow/200");
	j->o.deadline = loop_now(loop) + 0.2;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ETIME);
	ck_assert_uint_lt(j->r.total_ms, 400);
	free(j);
}
END_TEST

START_TEST(a_key_is_as_long_as_it_is_but_not_endless)
{
	struct job *j = run(FETCH_KEY, "/key/16");

	ck_assert_int_eq(j->r.err, 0);
	ck_assert_uint_eq(j->r.body_len, 16);
	free(j);
	j = run(FETCH_KEY, "/key/65");
	ck_assert_int_eq(j->r.err, PB_ELIMIT);
	free(j);
}
END_TEST

START_TEST(a_kept_connection_that_closes_costs_no_try)
{
	struct job *j = run(FETCH_PLAYLIST, "/race");

	ck_assert_int_eq(j->r.err, 0);
	free(j);
	j = run(FETCH_PLAYLIST, "/race");
	ck_assert_msg(j->r.err == 0, "%s", j->reason);
	ck_assert_str_eq(j->body, "#EXTM3U\n");
	ck_assert_uint_lt(j->r.total_ms, 20); /* backoff_ms */
	free(j);
}
END_TEST

START_TEST(a_reader_that_pauses_gets_every_byte_once)
{
	struct job *j = job(FETCH_SEGMENT, "/file");

	j->pause_at = 30000;
	go(j);
	while (j->dones == 0) {
		ev_run(loop, 0);
		if (j->pauses > 0) {
			int pauses = j->pauses;

			/* Longer than any time limit: a pause is nobody's fault. */
			turn_for(pauses == 1 ? 0.35 : 0.001);
			ck_assert_int_eq(j->pauses, pauses);
			j->pauses = 0;
			j->pause_at = j->bytes + 30000;
			fetch_resume(j->f);
			fetch_resume(j->f);
		}
	}
	whole(j);
	ck_assert_uint_eq(j->r.tries, 1);
	free(j);
}
END_TEST

START_TEST(a_paused_stream_stops_the_server_and_goes_on)
{
	struct job *j = job(FETCH_STREAM, "/endless");
	uint64_t sent;

	j->pause_at = 1000000;
	go(j);
	while (j->pauses == 0)
		ev_run(loop, 0);
	turn_for(0.3);
	sent = site.sent;
	turn_for(0.1);
	ck_assert_uint_eq(site.sent, sent);
	j->pause_at = 0;
	j->cancel_at = 20000000;
	fetch_resume(j->f);
	while (j->f != NULL)
		ev_run(loop, 0);
	ck_assert_uint_ge(j->bytes, 20000000);
	ck_assert(!j->wrong);
	ck_assert_int_eq(j->dones, 0);
	free(j);
}
END_TEST

/* Its end may be hours away, and is no answer of then. */
START_TEST(that_a_stream_was_answered_is_told_when_it_begins)
{
	struct job *j = job(FETCH_STREAM, "/endless");

	heard = (struct heard){ 0 };
	j->o.source = 2;
	j->pause_at = 100000;
	go(j);
	while (j->pauses == 0)
		ev_run(loop, 0);
	ck_assert_uint_eq(heard.answers, 1);
	ck_assert_uint_eq(heard.source, 2);
	ck_assert_int_eq(heard.status, 200);
	fetch_cancel(&j->f);
	free(j);

	j = run(FETCH_STREAM, "/cut");
	ck_assert_uint_eq(heard.answers, 2);
	free(j);
	j = run(FETCH_STREAM, "/status/404");
	ck_assert_uint_eq(heard.answers, 3);
	ck_assert_int_eq(heard.status, 404);
	free(j);
}
END_TEST

START_TEST(a_stream_that_broke_is_over)
{
	struct job *j = run(FETCH_STREAM, "/cut");

	ck_assert_int_eq(j->r.err, PB_ENET);
	ck_assert_uint_eq(j->bytes, CUT_AT);
	ck_assert_int_eq(site.requests, 1);
	free(j);
}
END_TEST

START_TEST(a_reader_may_cancel_its_own_fetch_and_any_other)
{
	struct job *a = job(FETCH_SEGMENT, "/file"), *b = job(FETCH_SEGMENT, "/file"),
		   *c = job(FETCH_SEGMENT, "/never"), *d;

	a->cancel_at = 20000;
	a->cancels = c;
	go(a);
	go(b);
	go(c);
	wait_for(b);
	while (a->f != NULL)
		ev_run(loop, 0);
	whole(b);
	ck_assert_ptr_null(c->f);
	turn_for(0.3);
	ck_assert_int_eq(a->dones + c->dones, 0);
	/* And one that was never begun. */
	d = job(FETCH_SEGMENT, "/file");
	go(d);
	fetch_cancel(&d->f);
	ck_assert_ptr_null(d->f);
	turn_for(0.02);
	ck_assert_int_eq(d->dones, 0);
	free(a);
	free(b);
	free(c);
	free(d);
}
END_TEST

START_TEST(on_done_may_cancel_the_next_one)
{
	struct job *a = job(FETCH_PLAYLIST, "/echo"), *b = job(FETCH_SEGMENT, "/stall-head");

	a->cancels = b;
	go(b);
	go(a);
	wait_for(a);
	ck_assert_ptr_null(b->f);
	turn_for(0.25);
	ck_assert_int_eq(b->dones, 0);
	free(a);
	free(b);
}
END_TEST

START_TEST(a_reader_that_gives_up_ends_the_fetch_with_its_word)
{
	struct job *j = job(FETCH_SEGMENT, "/file");

	j->refuse_at = 1;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ELIMIT);
	ck_assert_uint_eq(j->r.tries, 1);
	free(j);
}
END_TEST

START_TEST(a_pool_ends_in_the_middle_of_everything)
{
	struct job *j[6];
	static const char *const paths[] = { "/never", "/drip", "/endless", "/status/503", "/file", "/cut" };

	for (size_t i = 0; i < NITEMS(j); i++) {
		j[i] = job(FETCH_SEGMENT, paths[i]);
		go(j[i]);
	}
	turn_for(0.03);
	fetch_pool_free(&pool);
	turn_for(0.05);
	for (size_t i = 0; i < NITEMS(j); i++) {
		ck_assert_int_le(j[i]->dones, 1);
		free(j[i]);
	}
	ck_assert_int_eq(LIST_EMPTY(&site.conns), 1); /* all hung up */
}
END_TEST

START_TEST(nobody_listens_there)
{
	struct job *j = job(FETCH_PLAYLIST, "/");

	snprintf(j->url, sizeof(j->url), "http://127.0.0.1:1/");
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ENET);
	ck_assert_uint_eq(j->r.tries, 3);
	ck_assert_int_eq(j->r.http_status, 0);
	free(j);
}
END_TEST

START_TEST(a_public_source_does_not_lead_to_private_addresses)
{
	struct job *j = job(FETCH_SEGMENT, "/file");

	/* Before any channel URL: nothing is known to be private. */
	j->o.channel_url = false;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_NO);
	ck_assert_int_eq(site.accepted, 0);
	ck_assert_ptr_nonnull(strstr(j->reason, "private address"));
	free(j);

	/* The channel's own is private: then its segments may be, too. */
	j = run(FETCH_PLAYLIST, "/echo");
	ck_assert_int_eq(j->r.err, 0);
	free(j);
	j = job(FETCH_SEGMENT, "/far/file");
	j->o.channel_url = false;
	go(j);
	wait_for(j);
	whole(j);
	free(j);

	/* A new source is a new question; and the operator may allow it. */
	fetch_pool_new_source(pool);
	j = job(FETCH_SEGMENT, "/file");
	j->o.channel_url = false;
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_NO);
	free(j);
	settings.private_targets = 1;
	new_pool(NULL, 0);
	j = job(FETCH_SEGMENT, "/file");
	j->o.channel_url = false;
	go(j);
	wait_for(j);
	whole(j);
	free(j);
}
END_TEST

START_TEST(a_dead_resolver_never_stops_the_loop)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct job *j = job(FETCH_PLAYLIST, "/"), *other;
	char server[64];

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(server, sizeof(server), "127.0.0.1:%u", ntohs(sin.sin_port));
	ck_assert_int_eq(resolve_set_servers(names, server), 0);
	snprintf(j->url, sizeof(j->url), "http://swallowed.test/");
	go(j);
	other = run(FETCH_SEGMENT, "/file"); /* goes on beside it */
	whole(other);
	ck_assert_int_eq(j->dones, 0);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_ETIME);
	ck_assert_uint_eq(j->r.tries, 3);
	ck_assert_uint_lt(j->r.total_ms, 2000);
	close(fd);
	free(j);
	free(other);
}
END_TEST

START_TEST(disguised_addresses_are_names_that_nobody_has)
{
	static const char *const hosts[] = { "127.1", "0177.0.0.1", "2130706433", "0x7f.0.0.1" };
	struct job *j;

	for (size_t i = 0; i < NITEMS(hosts); i++) {
		j = job(FETCH_SEGMENT, "");
		snprintf(j->url, sizeof(j->url), "http://%s:%d/file", hosts[i], site.port);
		j->o.channel_url = false;
		j->o.tries = 1;
		j->o.deadline = loop_now(loop) + 0.3;
		if (fetch_start(pool, &j->o, &j->f) == 0) {
			wait_for(j);
			ck_assert_int_ne(j->r.err, 0);
		}
		free(j);
	}
	ck_assert_int_eq(site.accepted, 0);
}
END_TEST

START_TEST(what_is_no_url_is_refused_at_once)
{
	struct job *j = job(FETCH_PLAYLIST, "/");

	snprintf(j->url, sizeof(j->url), "ftp://a.example/");
	ck_assert_int_eq(fetch_start(pool, &j->o, &j->f), PB_ENOSUP);
	snprintf(j->url, sizeof(j->url), "nonsense");
	ck_assert_int_ne(fetch_start(pool, &j->o, &j->f), 0);
	ck_assert_ptr_null(j->f);
	free(j);
}
END_TEST

START_TEST(passwords_never_reach_the_reason)
{
	struct job *j = job(FETCH_PLAYLIST, "/");

	snprintf(j->url, sizeof(j->url), "http://user:hidden@127.0.0.1:%d/nothing?token=hidden", site.port);
	go(j);
	wait_for(j);
	ck_assert_int_eq(j->r.err, PB_NO);
	ck_assert_ptr_null(strstr(j->reason, "hidden"));
	ck_assert_ptr_nonnull(strstr(j->reason, "HTTP 404"));
	free(j);
}
END_TEST

static const struct {
	const char *value;
	int64_t first, last, total;
} ranges[] = {
	{ "bytes 0-499/1234", 0, 499, 1234 },
	{ "bytes 500-1233/*", 500, 1233, -1 },
	{ "Bytes=5-5/6", 5, 5, 6 },
	{ "bytes 5-4/6", -1, -1, -1 },
	{ "bytes 0-6/6", -1, -1, -1 },
	{ "bytes */1234", -1, -1, 1234 }, /* of a 416 */
	{ "bytes *", -1, -1, -1 },
	{ "bytes */x", -1, -1, -1 },
	{ "bytes 0-99999999999999999999/*", -1, -1, -1 },
	{ "bytes -1-5/6", -1, -1, -1 },
	{ "bytes 0-5", -1, -1, -1 },
	{ "items 0-5/6", -1, -1, -1 },
	{ "", -1, -1, -1 },
};

START_TEST(a_content_range_is_understood_or_unknown)
{
	struct reply r;
	char line[128];

	reply_init(&r);
	snprintf(line, sizeof(line), "content-range:  %s \r\n", ranges[_i].value);
	ck_assert(!reply_line(&r, "HTTP/1.1 206 Partial\r\n", 22));
	ck_assert(!reply_line(&r, line, strlen(line)));
	ck_assert(reply_line(&r, "\r\n", 2));
	ck_assert_int_eq(r.status, 206);
	ck_assert_int_eq(r.first, ranges[_i].first);
	ck_assert_int_eq(r.last, ranges[_i].last);
	ck_assert_int_eq(r.total, ranges[_i].total);
	reply_clear(&r);
}
END_TEST

START_TEST(only_what_can_be_one_file_is_put_together)
{
	struct reply a, b;

	reply_init(&a);
	reply_init(&b);
	a.status = b.status = 200;
	ck_assert(reply_same_file(&a, &b)); /* nothing is known against it */
	a.length = 5;
	b.status = 206;
	b.length = 3;
	b.total = 5;
	ck_assert(reply_same_file(&a, &b));
	b.total = 6;
	ck_assert(!reply_same_file(&a, &b));
	b.total = 5;
	snprintf(a.etag, sizeof(a.etag), "\"1\"");
	ck_assert(reply_same_file(&a, &b));
	snprintf(b.etag, sizeof(b.etag), "\"2\"");
	ck_assert(!reply_same_file(&a, &b));
	snprintf(a.modified, sizeof(a.modified), "then");
	snprintf(b.modified, sizeof(b.modified), "then");
	ck_assert(reply_same_file(&a, &b));
}
END_TEST

START_TEST(to_be_surely_one_file_they_must_agree_in_something)
{
	struct reply a, b;

	reply_init(&a);
	reply_init(&b);
	a.status = b.status = 200;
	ck_assert(!reply_surely_same(&a, &b)); /* nothing is known for it */
	a.length = b.length = 5;
	ck_assert(reply_surely_same(&a, &b));
	a.encoded = true;
	ck_assert(!reply_surely_same(&a, &b)); /* that length is of something else */
	snprintf(a.etag, sizeof(a.etag), "\"1\"");
	snprintf(b.etag, sizeof(b.etag), "\"1\"");
	ck_assert(reply_surely_same(&a, &b));
	snprintf(b.etag, sizeof(b.etag), "\"2\"");
	ck_assert(!reply_surely_same(&a, &b));
	a.encoded = false;
	ck_assert(!reply_surely_same(&a, &b)); /* by the tags it is another file, of the same length */
	b.etag[0] = '\0';
	b.length = -1;
	ck_assert(!reply_surely_same(&a, &b));
	snprintf(a.modified, sizeof(a.modified), "then");
	snprintf(b.modified, sizeof(b.modified), "then");
	ck_assert(reply_surely_same(&a, &b));
}
END_TEST

START_TEST(weak_tags_and_heads_before_the_last_count_for_nothing)
{
	static const char *const lines[] = { "HTTP/1.1 103 Early\r\n", "ETag: \"early\"\r\n", "\r\n", "HTTP/2 200\r\n",
		"ETag: W/\"weak\"\r\n", "Content-Type: Video/MP2T; x=1\r\n", "Nonsense\r\n",
		"Content-Length: 12x\r\n" };
	struct reply r;

	reply_init(&r);
	for (size_t i = 0; i < NITEMS(lines); i++)
		ck_assert(!reply_line(&r, lines[i], strlen(lines[i])));
	ck_assert(reply_line(&r, "\r\n", 2));
	ck_assert_int_eq(r.status, 200);
	ck_assert_str_eq(r.etag, "");
	ck_assert_str_eq(r.type, "video/mp2t");
	reply_clear(&r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("fetch");
	TCase *tc = tcase_create("fetch"), *pure = tcase_create("reply");
	SRunner *sr;
	int nfailed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, a_segment_arrives_byte_for_byte);
	tcase_add_test(tc, the_request_is_on_the_wire_in_the_same_turn);
	tcase_add_test(tc, what_is_refused_beside_its_own_second_request_is_nobody_elses_matter);
	tcase_add_loop_test(tc, the_time_in_the_queue_is_nobodys_fault, 0, 2);
	tcase_add_test(tc, one_connection_serves_one_fetch_after_the_other);
	tcase_add_loop_test(tc, what_is_asked_elsewhere_has_a_new_connection_where_there_may_be_one, 0, 2);
	tcase_add_test(tc, the_first_of_many_gets_the_open_connection_and_no_host_gets_too_many);
	tcase_add_loop_test(tc, what_can_be_mended_arrives_whole, 0, (int)NITEMS(mended));
	tcase_add_test(tc, a_body_that_broke_is_taken_up_where_it_broke);
	tcase_add_loop_test(tc, a_file_that_changed_meanwhile_is_not_put_together, 0, (int)NITEMS(changed));
	tcase_add_loop_test(tc, a_byte_range_is_cut_out_whether_the_server_can_or_not, 0, 2);
	tcase_add_test(tc, a_byte_range_that_breaks_is_resumed_inside_itself);
	tcase_add_test(tc, a_range_that_comes_in_parts_is_asked_for_to_its_end);
	tcase_add_test(tc, parts_that_are_too_small_are_given_up);
	tcase_add_test(tc, a_transfer_that_moves_is_never_cut);
	tcase_add_test(tc, who_never_answers_is_given_up_after_all_tries);
	tcase_add_test(tc, the_deadline_ends_all_waiting);
	tcase_add_test(tc, the_deadline_does_not_end_a_body_that_moves);
	tcase_add_loop_test(tc, what_is_late_is_asked_for_twice, 0, (int)NITEMS(hanging));
	tcase_add_test(tc, a_playlist_that_is_late_is_asked_for_twice);
	tcase_add_test(tc, the_first_that_answers_is_taken);
	tcase_add_test(tc, an_account_that_counts_connections_is_never_asked_twice);
	tcase_add_test(tc, an_answer_that_is_slow_as_ever_is_not_cut_off_for_another_try);
	tcase_add_test(tc, a_second_request_of_another_file_is_not_put_together);
	tcase_add_test(tc, a_fetch_with_a_hedge_can_be_cancelled_and_its_pool_freed);
	tcase_add_test(tc, tries_are_shortened_by_the_deadline_and_go_on_to_it);
	tcase_add_test(tc, a_new_route_ends_all_waiting);
	tcase_add_loop_test(
	    tc, a_wall_clock_that_is_set_keeps_nobody_waiting_and_hurries_nobody, 0, (int)NITEMS(steps_s));
	tcase_add_test(tc, a_kept_connection_from_a_lost_address_is_not_used);
	tcase_add_test(tc, an_interface_whose_route_is_dead_loses_to_the_next);
	tcase_add_test(tc, an_own_address_is_what_a_name_is_asked_from);
	tcase_add_loop_test(tc, an_interface_by_which_nobody_is_reached_loses_to_the_next, 0, (int)NITEMS(dead_ways));
	tcase_add_loop_test(tc, an_answer_that_another_try_would_not_change_is_given_at_once, 0, (int)NITEMS(final));
	tcase_add_loop_test(tc, a_segment_that_is_one_too_many_is_waited_for, 0, (int)NITEMS(busy));
	tcase_add_loop_test(tc, what_is_refused_beside_another_one_is_asked_for_again_soon, 0, (int)NITEMS(crowded));
	tcase_add_test(tc, a_segment_that_is_one_too_many_is_given_up_when_there_is_no_time);
	tcase_add_loop_test(
	    tc, a_short_hold_takes_no_time_from_what_is_asked_for_until_it_is_missed, 0, (int)NITEMS(held));
	tcase_add_test(tc, an_endless_error_page_costs_nothing);
	tcase_add_test(tc, a_segment_that_is_not_there_yet_is_asked_for_again);
	tcase_add_loop_test(tc, a_redirect_that_leads_nowhere_is_an_error_that_says_so, 0, (int)NITEMS(astray));
	tcase_add_test(tc, a_head_beyond_all_bounds_is_an_error);
	tcase_add_test(tc, the_effective_url_is_where_the_redirects_ended);
	tcase_add_test(tc, cookies_are_kept_for_all_fetches_of_the_pool);
	tcase_add_test(tc, headers_go_along_and_secrets_stay_with_their_host);
	tcase_add_test(tc, each_source_is_asked_with_its_own_headers);
	tcase_add_test(tc, a_header_line_that_is_none_is_refused);
	tcase_add_test(tc, gzip_without_a_header_is_inflated);
	tcase_add_test(tc, a_body_without_an_end_is_cut_at_its_bound);
	tcase_add_test(tc, a_body_that_drips_for_ever_is_given_up);
	tcase_add_test(tc, a_key_is_as_long_as_it_is_but_not_endless);
	tcase_add_test(tc, a_kept_connection_that_closes_costs_no_try);
	tcase_add_test(tc, a_reader_that_pauses_gets_every_byte_once);
	tcase_add_test(tc, a_paused_stream_stops_the_server_and_goes_on);
	tcase_add_test(tc, that_a_stream_was_answered_is_told_when_it_begins);
	tcase_add_test(tc, a_stream_that_broke_is_over);
	tcase_add_test(tc, a_reader_may_cancel_its_own_fetch_and_any_other);
	tcase_add_test(tc, on_done_may_cancel_the_next_one);
	tcase_add_test(tc, a_reader_that_gives_up_ends_the_fetch_with_its_word);
	tcase_add_test(tc, a_pool_ends_in_the_middle_of_everything);
	tcase_add_test(tc, nobody_listens_there);
	tcase_add_test(tc, a_public_source_does_not_lead_to_private_addresses);
	tcase_add_test(tc, a_dead_resolver_never_stops_the_loop);
	tcase_add_test(tc, disguised_addresses_are_names_that_nobody_has);
	tcase_add_test(tc, what_is_no_url_is_refused_at_once);
	tcase_add_test(tc, passwords_never_reach_the_reason);
	tcase_add_loop_test(pure, a_content_range_is_understood_or_unknown, 0, (int)NITEMS(ranges));
	tcase_add_test(pure, only_what_can_be_one_file_is_put_together);
	tcase_add_test(pure, to_be_surely_one_file_they_must_agree_in_something);
	tcase_add_test(pure, weak_tags_and_heads_before_the_last_count_for_nothing);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, pure);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	nfailed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return nfailed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
