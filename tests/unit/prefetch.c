/*
 * tests/unit/prefetch.c - a queue of segments, against a server that sends what it is told to
 *
 * The server is part of this program (tests/lib/site.h); some paths are
 * answered at once, the others when the test says so.
 */
#include "tests/lib/site.h"
#include "worker/prefetch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/loop.h"
#include "base/pb.h"
#include "base/ts.h"
#include "worker/resolve.h"
#include "worker/verdict.h"

#define PACKETS 1000
#define LEN ((size_t)PACKETS * TS_PACKET)
#define FEW 100 /* bytes: too few to judge a key by */

static struct ev_loop *loop;
static struct resolve *names;
static struct fetch_pool *pool;
static struct prefetch *prefetch;
static struct msg_tune *tune;
static struct state *state;
static int keys; /* requests for one */
static char served[64]; /* by the provider of one connection: "2 3 " */

/* What came out. */
static struct {
	char said[256]; /* "b1 e1 ", with ! for a discontinuity, - for what was truncated; "l1" for what was lost */
	uint64_t bytes, msn;
	uint32_t reserve_ms;
} seen;

static void
head(struct conn *c, const char *status, size_t len)
{
	conn_say(c, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, len);
}

/* Packets with nothing in them, the same for all. */
static const uint8_t *
packets(void)
{
	static uint8_t all[PACKETS][TS_PACKET];

	for (size_t i = 0; i < PACKETS; i++)
		all[i][0] = TS_SYNC;
	return all[0];
}

/* Of them, encrypted with zeros, from `from` on. */
static void
add_secret(struct conn *c, size_t from, size_t len)
{
	static const uint8_t zeros[16];
	uint8_t *out = malloc(LEN + sizeof(zeros));
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, last = 0;

	ck_assert_int_eq(EVP_EncryptInit_ex(ctx, EVP_aes_128_cbc(), NULL, zeros, zeros), 1);
	ck_assert_int_eq(EVP_EncryptUpdate(ctx, out, &n, packets(), (int)LEN), 1);
	ck_assert_int_eq(EVP_EncryptFinal_ex(ctx, out + n, &last), 1);
	EVP_CIPHER_CTX_free(ctx);
	conn_add(c, out + from, PB_MIN(len, (size_t)(n + last) - from));
	free(out);
}

static size_t
secret_len(void)
{
	return LEN + 16 - LEN % 16;
}

static struct conn *
asked(const char *path)
{
	struct conn *c;

	LIST_FOREACH(c, &site.conns, link)
	if (strcmp(c->path, path) == 0)
		return c;
	return NULL;
}

/* A provider that allows one connection: is there another one that asked for something? */
static bool
is_one_too_many(const struct conn *c)
{
	struct conn *other;

	LIST_FOREACH(other, &site.conns, link)
	if (other != c && other->served > 0)
		return true;
	return false;
}

static void
answer(struct conn *c)
{
	static const uint8_t key[16];

	if (strcmp(c->path, "/whole") == 0) {
		head(c, "200 OK", LEN);
		conn_add(c, packets(), LEN);
	} else if (strcmp(c->path, "/trickle") == 0) {
		head(c, "200 OK", LEN);
		conn_drip(c);
	} else if (strcmp(c->path, "/few") == 0) {
		head(c, "200 OK", secret_len());
		add_secret(c, 0, FEW);
	} else if (strcmp(c->path, "/secret") == 0) {
		head(c, "200 OK", secret_len());
		add_secret(c, 0, secret_len());
	} else if (strcmp(c->path, "/full") == 0) { /* but for less than what comes next */
		size_t len = PREFETCH_KEPT - FEW - FEW / 2;
		void *zeros = calloc(1, len);

		head(c, "200 OK", len);
		conn_add(c, zeros, len);
		free(zeros);
	} else if (strcmp(c->path, "/late-key") == 0 && keys++ < 6) { /* settings.tries is 3 */
		head(c, "503 Sorry", 0);
	} else if (strcmp(c->path, "/late-key") == 0) {
		head(c, "200 OK", sizeof(key));
		conn_add(c, key, sizeof(key));
	} else if (strcmp(c->path, "/busy-key") == 0) {
		if (keys++ == 0)
			head(c, "458 Sorry", 0);
		else
			head(c, "200 OK", sizeof(key)), conn_add(c, key, sizeof(key));
	} else if (strncmp(c->path, "/one-", 5) == 0 && is_one_too_many(c)) {
		head(c, "458 Sorry", 0);
	} else if (strncmp(c->path, "/one-", 5) == 0) {
		snprintf(served + strlen(served), sizeof(served) - strlen(served), "%s ", c->path + 5);
		head(c, "200 OK", LEN);
		conn_add(c, packets(), LEN);
	} /* else when the test says so */
}

static void
drip(struct conn *c)
{
	conn_add(c, packets(), TS_PACKET);
}

/* The line that it works for. */

static void
note(const char *what, uint64_t msn, const char *how)
{
	size_t at = strlen(seen.said);

	snprintf(seen.said + at, sizeof(seen.said) - at, "%s%llu%s ", what, (unsigned long long)msn, how);
}

static void
on_begin(void *arg, const struct source_segment *segment)
{
	(void)arg;
	ck_assert_ptr_null(segment->url);
	seen.msn = segment->msn;
	note("b", segment->msn, segment->discontinuity ? "!" : "");
}

static int
on_data(void *arg, const void *buf, size_t len)
{
	(void)arg;
	(void)buf;
	seen.bytes += len;
	return 0;
}

static int
on_end(void *arg, bool truncated)
{
	(void)arg;
	note("e", seen.msn, truncated ? "-" : "");
	return 0;
}

static void
on_lost(void *arg, const struct source_segment *segment, int status, const char *reason)
{
	(void)arg;
	(void)status;
	(void)reason;
	note("l", segment->msn, "");
}

static bool
on_gone(void *arg, const struct source_segment *segment, int status, const char *reason)
{
	(void)arg;
	(void)segment;
	(void)status;
	(void)reason;
	return false;
}

static bool
on_room(void *arg)
{
	(void)arg;
	return true;
}

static void
on_drained(void *arg)
{
	(void)arg;
}

static uint32_t
on_reserve(void *arg)
{
	(void)arg;
	return seen.reserve_ms;
}

static const struct prefetch_ops ops = {
	.begin = on_begin,
	.data = on_data,
	.end = on_end,
	.lost = on_lost,
	.gone = on_gone,
	.room = on_room,
	.drained = on_drained,
	.reserve_ms = on_reserve,
};

/* As who keeps a provider's limits does. */
static void
on_answered(void *arg, const struct fetch_answer *answer)
{
	(void)arg;
	if (verdict_busy(answer->status))
		fetch_pool_one(pool, true);
}

/* Queue that path as number msn; key NULL: not encrypted. */
static void
queue(uint64_t msn, const char *path, const char *key)
{
	char url[128];
	struct source_segment segment = { .msn = msn, .serial = msn, .duration_ms = 1000, .url = url, .key_url = key };

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", site.port, path);
	ck_assert_int_eq(prefetch_add(prefetch, &segment), 0);
}

static void
on_tick(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l;
	(void)w;
	(void)revents;
	prefetch_resume(prefetch);
}

/* For so long, or until this was said. The line asks ten times a second. */
static void
turn_for(double s, const char *until)
{
	ev_timer tick;
	ev_tstamp end;

	ev_now_update(loop);
	end = loop_now(loop) + s;
	ev_timer_init(&tick, on_tick, 0.02, 0.02);
	ev_timer_start(loop, &tick);
	while (loop_now(loop) < end && (until == NULL || strcmp(seen.said, until) != 0))
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &tick);
}

static void
setup(void)
{
	struct fetch_pool_options o = { .seed = 1, .answered = on_answered };

	loop = ev_loop_new(EVFLAG_AUTO);
	site_open(loop);
	site.answer = answer;
	site.drip = drip;
	memset(&seen, 0, sizeof(seen));
	keys = 0;
	served[0] = '\0';

	tune = calloc(1, sizeof(*tune));
	state = calloc(1, sizeof(*state));
	tune->settings = (struct msg_settings){ .connect_timeout_ms = 500,
		.try_timeout_ms = 20000,
		.tries = 3,
		.backoff_ms = 20,
		.backoff_max_ms = 50,
		.keepalive_ms = 10000,
		.connections = 4,
		.prefetch = 4,
		.private_targets = true };
	ck_assert_int_eq(resolve_new(&names, loop), 0);
	o.resolve = names;
	o.settings = &tune->settings;
	ck_assert_int_eq(fetch_pool_new(&pool, loop, &o), 0);
	ck_assert_int_eq(prefetch_new(&prefetch, loop, pool, tune, state, &ops, NULL), 0);
}

static void
teardown(void)
{
	prefetch_free(&prefetch);
	fetch_pool_free(&pool);
	resolve_free(&names);
	site_close();
	ev_loop_destroy(loop);
	free(tune);
	free(state);
}

START_TEST(segments_leave_in_their_order)
{
	queue(1, "/first", NULL);
	queue(2, "/whole", NULL);
	queue(3, "/secret", "data:;base64,AAAAAAAAAAAAAAAAAAAAAA==");
	turn_for(0.2, NULL);
	ck_assert_str_eq(seen.said, "");
	head(asked("/first"), "200 OK", LEN);
	conn_add(asked("/first"), packets(), LEN);
	turn_for(5, "b1 e1 b2 e2 b3 e3 ");
	ck_assert_str_eq(seen.said, "b1 e1 b2 e2 b3 e3 ");
	ck_assert_uint_eq(seen.bytes, 3 * LEN);
}
END_TEST

/* It had to wait behind others, with too little of it to judge its key by; they still fill all that may be kept. */
START_TEST(an_encrypted_segment_that_waited_for_room_goes_on_when_it_is_the_first)
{
	struct conn *c;

	tune->settings.tries = 1;
	queue(1, "/first", NULL);
	queue(2, "/few", "data:;base64,AAAAAAAAAAAAAAAAAAAAAA==");
	turn_for(0.2, NULL);
	queue(3, "/full", NULL);
	turn_for(1, NULL);
	c = asked("/few");
	add_secret(c, FEW, secret_len());
	turn_for(0.2, NULL);
	ck_assert_str_eq(seen.said, "");
	head(asked("/first"), "200 OK", LEN);
	conn_add(asked("/first"), packets(), LEN);
	turn_for(5, "b1 e1 b2 e2 b3 e3 ");
	ck_assert_str_eq(seen.said, "b1 e1 b2 e2 b3 e3 ");
	ck_assert_uint_eq(seen.bytes, 2 * LEN + PREFETCH_KEPT - FEW - FEW / 2);
}
END_TEST

/* Three seconds after it was asked for, which is its deadline. */
static const struct {
	const char *next;
	uint32_t reserve_ms;
	bool tuning;
	const char *said;
} trickles[] = {
	{ "/whole", 0, false, "b1 e1- b2! e2 " }, { "/whole", 0, true, "b1 e1- b2! e2 " },
	{ "/whole", 1000, false, "b1 " }, /* the viewer has a picture */
	{ "/first", 0, false, "b1 " }, /* there is nothing else */
};

START_TEST(a_segment_that_trickles_does_not_keep_back_what_is_there)
{
	seen.reserve_ms = trickles[_i].reserve_ms;
	if (trickles[_i].tuning)
		prefetch_tuning(prefetch, loop_now(loop) + 15);
	queue(1, "/trickle", NULL);
	queue(2, trickles[_i].next, NULL);
	turn_for(2.8, NULL);
	ck_assert_str_eq(seen.said, "b1 ");
	turn_for(1, trickles[_i].said[3] != '\0' ? trickles[_i].said : NULL);
	ck_assert_str_eq(seen.said, trickles[_i].said);
}
END_TEST

/* One is refused because of a limit, the other for longer than there are tries: neither is given up before its segment is. */
static const struct {
	const char *path;
	int requests;
} keys_told[] = { { "/busy-key", 2 }, { "/late-key", 7 } };

START_TEST(a_key_is_asked_for_until_its_segment_is_missed)
{
	char key[64];

	snprintf(key, sizeof(key), "http://127.0.0.1:%d%s", site.port, keys_told[_i].path);
	queue(1, "/secret", key);
	turn_for(5, "b1 e1 ");
	ck_assert_str_eq(seen.said, "b1 e1 ");
	ck_assert_int_eq(keys, keys_told[_i].requests);
}
END_TEST

static void
on_list(void *arg, const struct fetch_result *r)
{
	(void)r;
	*(struct fetch **)arg = NULL;
}

/* What is refused beside the first gives its place back: it comes in its turn, and the playlist is not behind all of it. */
START_TEST(segments_come_in_their_order_where_there_is_one_connection)
{
	struct fetch *list = NULL;
	char url[64];
	struct fetch_options o = { .kind = FETCH_PLAYLIST, .url = url, .arg = &list, .on_done = on_list };

	queue(1, "/first", NULL);
	queue(2, "/one-2", NULL);
	queue(3, "/one-3", NULL);
	turn_for(0.2, NULL);
	ck_assert(fetch_pool_is_one(pool));
	ck_assert_int_eq(site.requests, 3);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/one-list", site.port);
	ck_assert_int_eq(fetch_start(pool, &o, &list), 0);
	turn_for(
	    VERDICT_CROWD_S + 0.2, NULL); /* what was refused may be asked for again: but who has the connection? */
	ck_assert_str_eq(served, "");
	head(asked("/first"), "200 OK", LEN);
	conn_add(asked("/first"), packets(), LEN);
	turn_for(1, "b1 e1 b2 e2 b3 e3 ");
	ck_assert_str_eq(seen.said, "b1 e1 b2 e2 b3 e3 ");
	ck_assert_str_eq(served, "list 2 3 ");
	ck_assert_int_eq(site.requests, 6);
	ck_assert_ptr_null(list);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prefetch");
	TCase *tc = tcase_create("prefetch");
	SRunner *sr;
	int nfailed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, segments_leave_in_their_order);
	tcase_add_test(tc, an_encrypted_segment_that_waited_for_room_goes_on_when_it_is_the_first);
	tcase_add_loop_test(tc, a_segment_that_trickles_does_not_keep_back_what_is_there, 0, (int)NITEMS(trickles));
	tcase_add_loop_test(tc, a_key_is_asked_for_until_its_segment_is_missed, 0, (int)NITEMS(keys_told));
	tcase_add_test(tc, segments_come_in_their_order_where_there_is_one_connection);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	nfailed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return nfailed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
