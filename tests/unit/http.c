/*
 * http.c - the server behind the tuner port, and its listeners
 *
 * Server and clients live in one process and one loop: a client waits for
 * an event of its own while the loop turns the server. Deadlines are made
 * short by option; nothing sleeps.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/http.h"
#include "supervisor/listen.h"

#define GUARD_S 20. /* a test that waits longer has failed */
#define BIG (3u << 20) /* more than the sockets between us hold */
#define CROWD_MAX 2000

static struct ev_loop *loop;
static struct listen *listener;
static struct http_server *server;
static struct config_addrs addrs;
static struct http_taken taken = { .fd = -1 };
static struct request last;
static struct blob *big;
static int asked;
static int crowd; /* as many as there are descriptors for */

static void
handle(void *arg, struct http_conn *conn, const struct request *req)
{
	ck_assert_ptr_eq(arg, &asked);
	asked++;
	last = *req;
	if (strcmp(req->path, "/ok") == 0)
		http_reply(conn, 200, "text/plain", NULL, "hello", 5);
	else if (strcmp(req->path, "/big") == 0)
		http_reply_blob(conn, 200, "video/mpeg", NULL, blob_ref(big));
	else if (strcmp(req->path, "/nomem") == 0)
		http_reply_blob(conn, 200, "text/plain", NULL, NULL);
	else if (strcmp(req->path, "/head") == 0)
		http_reply_head(conn, "HTTP/1.1 200 OK\r\n\r\n", 19);
	else if (strcmp(req->path, "/take") == 0)
		http_take(conn, &taken);
	else
		http_reply(conn, 404, NULL, "X-Why: none\r\n", "", 0);
}

static void
start(const struct http_options *options)
{
	int fds[CONFIG_LISTEN_MAX];
	socklen_t len = sizeof(addrs.at[0].sa);
	char why[128];

	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_ptr_nonnull(loop);
	memset(&addrs, 0, sizeof(addrs));
	addrs.count = 1;
	addrs.at[0].sa.v4.sin_family = AF_INET;
	addrs.at[0].sa.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addrs.at[0].len = sizeof(addrs.at[0].sa.v4);
	ck_assert_msg(listen_bind(&addrs, fds, why, sizeof(why)) == 0, "%s", why);
	ck_assert_int_eq(getsockname(fds[0], &addrs.at[0].sa.any, &len), 0);
	ck_assert_int_eq(http_new(&server, loop, options, handle, &asked), 0);
	ck_assert_int_eq(listen_start(&listener, loop, fds, 1, http_accepted, server), 0);
}

static void
start_plain(void)
{
	start(&(struct http_options){ .name = "tuner", .tuner = true });
}

static void
stop(void)
{
	listen_free(&listener);
	http_free(&server);
	ck_assert_ptr_null(server);
	ev_loop_destroy(loop);
}

static struct http_stats
stats(void)
{
	struct http_stats s;

	http_stats(server, &s);
	return s;
}

static void
on_guard(struct ev_loop *l, ev_timer *timer, int events)
{
	(void)l;
	(void)timer;
	(void)events;
	ck_abort_msg("waited for %g s in vain", GUARD_S);
}

static void
on_event(struct ev_loop *l, ev_io *io, int events)
{
	(void)events;
	*(bool *)io->data = true;
	ev_io_stop(l, io);
}

/* Turn the loop until fd is readable or writable. */
static void
wait_for(int fd, int events)
{
	bool done = false;
	ev_io io;
	ev_timer guard;

	ev_io_init(&io, on_event, fd, events);
	io.data = &done;
	ev_timer_init(&guard, on_guard, GUARD_S, 0.);
	ev_io_start(loop, &io);
	ev_timer_start(loop, &guard);
	while (!done)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &guard);
}

/* Turn the loop until the server has so many connections. */
static void
wait_open(size_t open)
{
	ev_timer guard;

	ev_timer_init(&guard, on_guard, GUARD_S, 0.);
	ev_timer_start(loop, &guard);
	while (stats().open != open)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &guard);
}

/* Let the server see what is there already. On the loopback it is there when send() returns. */
static void
turn(void)
{
	for (int i = 0; i < 4; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

static int
dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_ne(fd, -1);
	if (connect(fd, &addrs.at[0].sa.any, addrs.at[0].len) == -1)
		ck_assert_int_eq(errno, EINPROGRESS);
	return fd;
}

/* The connection may be closed on us while we write: then -1. */
static int
say_some(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n == -1 && errno == EAGAIN) {
			wait_for(fd, EV_WRITE);
			continue;
		}
		if (n == -1)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static void
say(int fd, const char *text)
{
	ck_assert_int_eq(say_some(fd, text, strlen(text)), 0);
}

/* Read to the end, which must be an end and no reset; closes fd. */
static size_t
hear(int fd, char *buf, size_t size)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, buf + len, size - 1 - len, 0);

		if (n == -1 && errno == EAGAIN) {
			wait_for(fd, EV_READ);
			continue;
		}
		ck_assert_msg(n >= 0, "after %zu bytes: %s", len, strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
		ck_assert_uint_lt(len, size - 1);
	}
	buf[len] = '\0';
	(void)close(fd);
	return len;
}

/* What is answered to these bytes: the whole text. */
static const char *
ask(const char *bytes)
{
	static char answer[65536];
	int fd = dial();

	say(fd, bytes);
	(void)hear(fd, answer, sizeof(answer));
	return answer;
}

static void
is_status(const char *answer, int status)
{
	char want[32];

	(void)snprintf(want, sizeof(want), "HTTP/1.1 %d ", status);
	ck_assert_msg(strncmp(answer, want, strlen(want)) == 0, "not %d: %.60s", status, answer);
	ck_assert_ptr_nonnull(strstr(answer, "\r\nConnection: close\r\n"));
}

/* An error of ours: no body at all. */
static void
is_empty(const char *answer, int status)
{
	is_status(answer, status);
	ck_assert_ptr_nonnull(strstr(answer, "\r\nContent-Length: 0\r\n"));
	ck_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

#define GET_OK "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n"

START_TEST(an_answer_has_the_devices_headers)
{
	const char *answer;
	char want[512];
	char date[64] = "";

	start_plain();
	answer = ask(GET_OK);
	ck_assert_int_eq(sscanf(strstr(answer, "Date: "), "Date: %63[^\r]", date), 1);
	ck_assert_uint_eq(strlen(date), strlen("Sun, 06 Nov 1994 08:49:37 GMT"));
	(void)snprintf(want, sizeof(want),
	    "HTTP/1.1 200 OK\r\nServer: HDHomeRun/1.0\r\nConnection: close\r\nDate: %s\r\n"
	    "Content-Type: text/plain\r\nContent-Length: 5\r\nCache-Control: no-cache\r\n"
	    "Access-Control-Allow-Origin: *\r\n\r\nhello",
	    date);
	ck_assert_str_eq(answer, want);
	ck_assert_int_eq(asked, 1);
	ck_assert_str_eq(last.host, "a");
	stop();
}
END_TEST

START_TEST(http_1_0_and_head_and_extra_lines_are_answered_as_they_should)
{
	const char *answer;

	start_plain();
	is_status(ask("GET /ok HTTP/1.0\r\n\r\n"), 200);
	answer = ask("HEAD /ok HTTP/1.1\r\nHost: a\r\n\r\n");
	is_status(answer, 200);
	ck_assert_ptr_nonnull(strstr(answer, "Content-Length: 5\r\n"));
	ck_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
	answer = ask("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
	is_empty(answer, 404);
	ck_assert_ptr_nonnull(strstr(answer, "\r\nX-Why: none\r\n"));
	is_empty(ask("GET /nomem HTTP/1.1\r\nHost: a\r\n\r\n"), 503);
	ck_assert_str_eq(ask("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 200 OK\r\n\r\n");
	ck_assert_uint_eq(stats().answered, 5);
	stop();
}
END_TEST

START_TEST(the_control_socket_does_not_say_it_is_a_tuner)
{
	const char *answer;

	start(&(struct http_options){ .name = "control" });
	answer = ask(GET_OK);
	is_status(answer, 200);
	ck_assert_ptr_null(strstr(answer, "HDHomeRun"));
	ck_assert_ptr_null(strstr(answer, "Access-Control"));
	stop();
}
END_TEST

static const struct {
	const char *bytes;
	int status;
} refused[] = {
	{ "\r\n\r\n\r\n\r\n", 400 },
	{ "nonsense\r\n\r\n", 400 },
	{ "GET /ok\r\n\r\n", 400 },
	{ "GET /ok HTTP/1.1\r\n\r\n", 400 }, /* no Host */
	{ "GET ok HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
	{ "GET /ok HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
	{ "\x16\x03\x01\x02", 400 }, /* TLS */
	{ "GET /ok HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
	{ "GET /ok HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400 },
	{ GET_OK GET_OK, 400 },
	{ GET_OK "x", 400 },
	{ "HEAD /ok HTTP/1.1\r\nHost: a\r\n\r\nx", 400 },
	{ "GET /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 400 },
	{ "GET /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ "POST /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411 },
	{ "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413 },
	{ "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400 },
};

START_TEST(what_is_no_single_request_is_refused_with_an_empty_body)
{
	start_plain();
	is_empty(ask(refused[_i].bytes), refused[_i].status);
	ck_assert_int_eq(asked, 0);
	ck_assert_uint_eq(stats().malformed, 1);
	wait_open(0);
	is_status(ask(GET_OK), 200);
	stop();
}
END_TEST

/* A head of exactly len bytes, with n header lines besides Host. */
static char *
head_of(size_t len, int n)
{
	char *head = malloc(len + (size_t)n * 16 + 256);
	size_t at = (size_t)snprintf(head, 256, "GET /ok HTTP/1.1\r\nHost: a\r\n");

	ck_assert_ptr_nonnull(head);
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(head + at, 16, "X-%03d: y\r\n", i);
	if (at + 7 <= len) {
		memcpy(head + at, "P: ", 3);
		memset(head + at + 3, 'p', len - at - 7);
		at = len - 4;
		memcpy(head + at, "\r\n", 2);
		at += 2;
	}
	memcpy(head + at, "\r\n", 3);
	return head;
}

START_TEST(a_head_has_8192_bytes_and_64_lines_at_most)
{
	char *head;

	start_plain();
	head = head_of(8192, 0);
	ck_assert_uint_eq(strlen(head), 8192);
	is_status(ask(head), 200);
	free(head);
	head = head_of(8193, 0);
	ck_assert_uint_eq(strlen(head), 8193);
	is_empty(ask(head), 431);
	free(head);
	head = head_of(60000, 0);
	is_empty(ask(head), 431); /* and the answer isn't lost although nobody reads the rest */
	free(head);
	head = head_of(0, 63);
	is_status(ask(head), 200);
	free(head);
	head = head_of(0, 64);
	is_empty(ask(head), 431);
	free(head);
	stop();
}
END_TEST

/* Cut a request at every byte: it is the same request. */
START_TEST(a_request_in_two_pieces_is_one_request)
{
	int fd;
	char answer[1024];

	start_plain();
	fd = dial();
	ck_assert_int_eq(say_some(fd, GET_OK, (size_t)_i), 0);
	turn();
	ck_assert_int_eq(asked, 0);
	say(fd, &GET_OK[_i]);
	(void)hear(fd, answer, sizeof(answer));
	is_status(answer, 200);
	stop();
}
END_TEST

START_TEST(a_request_byte_by_byte_is_one_request)
{
	int fd;
	char answer[1024];

	start_plain();
	fd = dial();
	for (const char *at = GET_OK; *at != '\0'; at++) {
		ck_assert_int_eq(say_some(fd, at, 1), 0);
		turn();
	}
	(void)hear(fd, answer, sizeof(answer));
	is_status(answer, 200);
	stop();
}
END_TEST

START_TEST(a_request_that_is_not_whole_in_time_gets_408)
{
	int silent, slow;
	char answer[1024];

	start(&(struct http_options){ .name = "tuner", .head_ms = 150 });
	silent = dial();
	slow = dial();
	say(slow, "GET /ok HTTP/1.1\r\nHo");
	(void)hear(silent, answer, sizeof(answer));
	is_empty(answer, 408);
	(void)hear(slow, answer, sizeof(answer));
	is_empty(answer, 408);
	ck_assert_uint_eq(stats().late, 2);
	wait_open(0);
	stop();
}
END_TEST

/* One byte now and then does not move the deadline. */
START_TEST(a_byte_at_a_time_does_not_move_the_deadline)
{
	int fd;
	char answer[1024];

	start(&(struct http_options){ .name = "tuner", .head_ms = 150 });
	fd = dial();
	say(fd, "GET /ok HTTP/1.1\r\nX: ");
	while (stats().late == 0) {
		ck_assert_int_eq(say_some(fd, "x", 1), 0);
		ev_run(loop, EVRUN_ONCE);
	}
	(void)hear(fd, answer, sizeof(answer));
	is_empty(answer, 408);
	stop();
}
END_TEST

START_TEST(a_client_that_goes_away_while_it_waits_is_forgotten)
{
	int fd;
	char answer[1024];

	start_plain();
	fd = dial();
	wait_open(1);
	(void)close(fd);
	wait_open(0);

	fd = dial();
	say(fd, "GET /ok HT");
	wait_open(1);
	turn();
	(void)close(fd);
	wait_open(0);

	/* A reset. */
	fd = dial();
	say(fd, "GET /ok HT");
	wait_open(1);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger)), 0);
	(void)close(fd);
	wait_open(0);

	/* Half of a request, and nothing more will come. */
	fd = dial();
	say(fd, "GET /ok HT");
	turn();
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	(void)hear(fd, answer, sizeof(answer));
	is_empty(answer, 400);

	/* All of one, and nothing more will come: that is a request. */
	fd = dial();
	say(fd, GET_OK);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	(void)hear(fd, answer, sizeof(answer));
	is_status(answer, 200);
	wait_open(0);
	stop();
}
END_TEST

START_TEST(the_body_of_a_post_is_dropped)
{
	static char body[65536];
	char answer[1024];
	int fd;

	start_plain();
	memset(body, 'b', sizeof(body));
	is_status(ask("POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), 200);
	is_status(ask("POST /ok HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
	is_status(ask("POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), 200);
	ck_assert_int_eq(last.method, REQUEST_POST);

	/* The longest one, which comes after the answer was given. */
	fd = dial();
	say(fd, "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n");
	turn();
	ck_assert_int_eq(asked, 4);
	ck_assert_int_eq(say_some(fd, body, sizeof(body)), 0);
	(void)hear(fd, answer, sizeof(answer));
	is_status(answer, 200);
	wait_open(0);
	stop();
}
END_TEST

START_TEST(who_never_stops_sending_is_closed)
{
	static char body[65536];
	int fd;

	start_plain();
	fd = dial();
	say(fd, GET_OK);
	while (say_some(fd, body, sizeof(body)) == 0)
		turn();
	wait_open(0);
	(void)close(fd);
	stop();
}
END_TEST

START_TEST(who_never_closes_is_closed)
{
	int fd;

	start(&(struct http_options){ .name = "tuner", .linger_ms = 100 });
	fd = dial();
	say(fd, GET_OK);
	wait_for(fd, EV_READ);
	ck_assert_uint_eq(stats().lingering, 1);
	wait_open(0);
	(void)close(fd);
	stop();
}
END_TEST

static void
make_big(void)
{
	char *data = malloc(BIG);

	ck_assert_ptr_nonnull(data);
	for (size_t i = 0; i < BIG; i++)
		data[i] = (char)(i * 2654435761u >> 24);
	big = blob_new(data, BIG);
	ck_assert_ptr_nonnull(big);
	free(data);
}

START_TEST(a_large_answer_is_shared_and_arrives_whole)
{
	static char a[BIG + 4096], b[BIG + 4096];
	int one, two;
	size_t len;

	start_plain();
	make_big();
	one = dial();
	two = dial();
	say(one, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	say(two, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	wait_for(one, EV_READ);
	wait_for(two, EV_READ);
	ck_assert_uint_eq(big->refs, 3); /* no copy */
	len = hear(one, a, sizeof(a));
	ck_assert_uint_eq(hear(two, b, sizeof(b)), len);
	ck_assert_uint_eq(len, (size_t)(strstr(a, "\r\n\r\n") + 4 - a) + BIG);
	ck_assert_int_eq(memcmp(a + len - BIG, big->data, BIG), 0);
	ck_assert_int_eq(memcmp(a, b, len), 0);
	ck_assert_uint_eq(big->refs, 1);
	blob_drop(&big);
	stop();
}
END_TEST

START_TEST(a_client_that_does_not_read_or_goes_away_is_given_up)
{
	int idle, gone;

	start(&(struct http_options){ .name = "tuner", .write_ms = 200 });
	make_big();
	gone = dial();
	say(gone, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	wait_for(gone, EV_READ);
	(void)close(gone);
	wait_open(0);
	ck_assert_uint_eq(big->refs, 1);

	idle = dial();
	say(idle, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	wait_for(idle, EV_READ);
	ck_assert_uint_eq(big->refs, 2);
	wait_open(0);
	ck_assert_uint_eq(big->refs, 1);
	(void)close(idle);
	blob_drop(&big);
	stop();
}
END_TEST

START_TEST(a_tune_takes_the_connection_and_may_bring_it_back)
{
	struct addr none;
	char text[ADDR_TEXT], want[64];
	char answer[1024];
	int fd;

	start_plain();
	fd = dial();
	say(fd, "GET /take HTTP/1.1\r\nHost: a\r\nX: "); /* in two pieces, so that the low-water mark was moved */
	turn();
	say(fd, "y\r\n\r\n");
	while (taken.fd == -1)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_uint_eq(stats().open, 0);
	ck_assert_uint_eq(stats().taken, 1);
	(void)snprintf(want, sizeof(want), "127.0.0.1:%u", ntohs(addrs.at[0].sa.v4.sin_port));
	ck_assert_str_eq(addr_text(&taken.local, text), want);
	ck_assert_str_eq(addr_ip(&taken.peer, text), "127.0.0.1");
	ck_assert_int_ne(fcntl(taken.fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(taken.fd, F_GETFD) & FD_CLOEXEC, 0);
	/* The head waits until whoever took it has noted it; then one more byte is news again. */
	ck_assert_int_eq(recv(taken.fd, answer, sizeof(answer), MSG_DONTWAIT | MSG_PEEK), (int)taken.head_len);
	http_consume(&taken);
	ck_assert_int_eq(recv(taken.fd, answer, sizeof(answer), MSG_DONTWAIT), -1);
	ck_assert_int_eq(errno, EAGAIN);
	say(fd, "z");
	wait_for(taken.fd, EV_READ);

	http_return(server, &taken, 503, "X-HDHomeRun-Error: 805 All Tuners In Use\r\n");
	ck_assert_int_eq(taken.fd, -1);
	(void)hear(fd, answer, sizeof(answer));
	is_empty(answer, 503);
	ck_assert_ptr_nonnull(strstr(answer, "\r\nX-HDHomeRun-Error: 805 All Tuners In Use\r\n"));
	wait_open(0);
	addr_set(&none, NULL, 0);
	ck_assert_str_eq(addr_text(&none, text), "-");
	stop();
}
END_TEST

START_TEST(an_address_that_is_not_allowed_gets_403)
{
	struct config_allow allow = { .count = 1,
		.prefixes = { { .family = AF_INET, .addr = { 192, 0, 2 }, .bits = 24 } } };
	struct config_allow all = { .private = true };

	start_plain();
	http_allow(server, &allow);
	is_empty(ask(GET_OK), 403);
	is_empty(ask("GE"), 403);
	ck_assert_int_eq(asked, 0);
	ck_assert_uint_eq(stats().refused, 2);
	http_allow(server, &all);
	is_status(ask(GET_OK), 200);
	stop();
}
END_TEST

static size_t
heap(void)
{
	return mallinfo2().uordblks;
}

START_TEST(thousands_that_send_nothing_or_half_disturb_nobody)
{
	static int fds[CROWD_MAX];
	static char half[4096];
	size_t before;
	size_t after[5];

	start_plain();
	memset(half, 'h', sizeof(half));
	memcpy(half, "GET /", 5);
	is_status(ask(GET_OK), 200);
	wait_open(0);
	before = heap();
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < crowd; i++) {
			fds[i] = dial();
			turn();
			if (i % 2 == 1)
				ck_assert_int_eq(say_some(fds[i], half, sizeof(half)), 0);
		}
		wait_open((size_t)crowd);
		turn();
		ck_assert_uint_eq(stats().waiting, (size_t)crowd);
		/* A small struct each and its watchers; not 4 KiB. */
		ck_assert_uint_lt(heap() - before, (size_t)crowd * 600);
		is_status(ask(GET_OK), 200);
		for (int i = 0; i < crowd; i++)
			(void)close(fds[i]);
		wait_open(0);
		after[round] = heap();
	}
	/* What the loop keeps for the next crowd is there once. */
	ck_assert_uint_le(after[4], after[3] + 4096);
	stop();
}
END_TEST

/* All ask before the server has accepted one of them. */
START_TEST(thousands_of_requests_at_once_are_all_answered)
{
	static int fds[CROWD_MAX];
	char answer[1024];
	size_t before;

	start_plain();
	is_status(ask(GET_OK), 200);
	wait_open(0);
	before = heap();
	for (int i = 0; i < crowd; i++) {
		fds[i] = dial();
		ck_assert_int_eq(say_some(fds[i], GET_OK, strlen(GET_OK)), 0);
	}
	for (int i = 0; i < crowd; i++) {
		(void)hear(fds[i], answer, sizeof(answer));
		is_status(answer, 200);
	}
	wait_open(0);
	ck_assert_uint_eq(stats().answered, (uint64_t)crowd + 1);
	ck_assert_uint_lt(heap() - before, (size_t)crowd * 600);
	stop();
}
END_TEST

START_TEST(one_too_many_waiting_pushes_the_oldest_out_with_408)
{
	int fds[11];
	char answer[1024];

	start(&(struct http_options){ .name = "tuner", .conns_max = 100, .heads_max = 10 });
	for (int i = 0; i < 11; i++) {
		fds[i] = dial();
		while (stats().accepted < (uint64_t)i + 1)
			ev_run(loop, EVRUN_ONCE);
	}
	(void)hear(fds[0], answer, sizeof(answer));
	is_empty(answer, 408);
	ck_assert_uint_eq(stats().waiting, 10);
	say(fds[1], GET_OK);
	(void)hear(fds[1], answer, sizeof(answer));
	is_status(answer, 200);
	for (int i = 2; i < 11; i++)
		(void)close(fds[i]);
	wait_open(0);
	stop();
}
END_TEST

START_TEST(there_are_never_more_connections_than_allowed)
{
	int fds[200];

	start(&(struct http_options){ .name = "tuner", .conns_max = 20, .heads_max = 100 });
	for (size_t i = 0; i < NITEMS(fds); i++) {
		fds[i] = dial();
		say(fds[i], i % 3 == 0 ? GET_OK : "GET");
		turn();
		ck_assert_uint_le(stats().open, 20);
	}
	ck_assert_uint_eq(stats().accepted, NITEMS(fds));
	is_status(ask(GET_OK), 200);
	for (size_t i = 0; i < NITEMS(fds); i++)
		(void)close(fds[i]);
	wait_open(0);
	stop();
}
END_TEST

START_TEST(ending_the_server_ends_all_connections)
{
	int fds[3];
	char buf[16];

	start_plain();
	make_big();
	fds[0] = dial();
	fds[1] = dial();
	say(fds[1], GET_OK);
	fds[2] = dial();
	say(fds[2], "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	wait_for(fds[2], EV_READ);
	stop();
	ck_assert_uint_eq(big->refs, 1);
	ck_assert_int_eq(fcntl(fds[0], F_SETFL, 0), 0);
	ck_assert_int_le(recv(fds[0], buf, sizeof(buf), 0), 0);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	blob_drop(&big);
}
END_TEST

START_TEST(a_date_is_written_in_english_and_gmt)
{
	char date[HTTP_DATE];

	ck_assert_str_eq(http_date(date, 784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
	ck_assert_str_eq(http_date(date, 0), "Thu, 01 Jan 1970 00:00:00 GMT");
	ck_assert_str_eq(http_date(date, 4102444799), "Thu, 31 Dec 2099 23:59:59 GMT");
	ck_assert_uint_lt(strlen(http_date(date, (time_t)INT64_MAX)), HTTP_DATE);
	ck_assert_str_eq(http_reason(404), "Not Found");
	ck_assert_str_eq(http_reason(599), "Error");
}
END_TEST

/*
 * Listeners
 */

START_TEST(all_addresses_are_bound_or_none)
{
	struct config_addrs two = { .count = 2 };
	int fds[CONFIG_LISTEN_MAX] = { -1, -1 };
	int again[CONFIG_LISTEN_MAX];
	char why[128], want[64];
	socklen_t len = sizeof(struct sockaddr_in);

	start_plain();
	two.at[0] = two.at[1] = addrs.at[0];
	two.at[0].sa.v4.sin_port = 0;
	ck_assert_int_eq(listen_bind(&two, fds, why, sizeof(why)), PB_ESYS);
	ck_assert_int_eq(errno, EADDRINUSE);
	(void)snprintf(want, sizeof(want), "127.0.0.1:%u: Address already in use", ntohs(addrs.at[0].sa.v4.sin_port));
	ck_assert_str_eq(why, want);
	ck_assert_int_eq(fds[0], -1);

	/* A port that was in use a moment ago, with a connection of its own, can be bound again at once. */
	is_status(ask(GET_OK), 200);
	stop();
	ck_assert_msg(listen_bind(&addrs, again, why, sizeof(why)) == 0, "%s", why);
	ck_assert_int_eq(getsockname(again[0], &two.at[0].sa.any, &len), 0);
	ck_assert_int_eq(two.at[0].sa.v4.sin_port, addrs.at[0].sa.v4.sin_port);
	(void)close(again[0]);
}
END_TEST

START_TEST(both_wildcards_can_have_the_same_port)
{
	struct config_addrs both = { .count = 2 };
	int fds[CONFIG_LISTEN_MAX];
	char why[128];

	start_plain(); /* for a port that is free */
	both.at[0] = addrs.at[0];
	stop();
	both.at[0].sa.v4.sin_addr.s_addr = htonl(INADDR_ANY);
	both.at[1].sa.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = both.at[0].sa.v4.sin_port };
	both.at[1].len = sizeof(struct sockaddr_in6);
	if (access("/proc/net/if_inet6", F_OK) == -1)
		return; /* a machine without IPv6: nothing to share the port with */
	ck_assert_msg(listen_bind(&both, fds, why, sizeof(why)) == 0, "%s", why);
	(void)close(fds[0]);
	(void)close(fds[1]);
}
END_TEST

/* The front one is refused, the others wait, and are served when there are descriptors again. */
START_TEST(running_out_of_descriptors_is_a_pause)
{
	struct rlimit old, few;
	int fds[6];
	char answer[1024];
	char byte;

	start_plain();
	for (size_t i = 0; i < NITEMS(fds); i++) {
		fds[i] = dial();
		wait_for(fds[i], EV_WRITE);
	}
	wait_open(NITEMS(fds));
	for (size_t i = 0; i < NITEMS(fds); i++)
		(void)close(fds[i]);
	wait_open(0);

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (size_t i = 0; i < NITEMS(fds); i++)
		fds[i] = dial();
	few = old;
	few.rlim_cur = (rlim_t)fds[NITEMS(fds) - 1] + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert(!listen_resting(listener));
	while (!listen_resting(listener))
		ev_run(loop, EVRUN_ONCE);
	wait_for(fds[0], EV_READ);
	ck_assert_int_le(recv(fds[0], &byte, 1, 0), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	say(fds[5], GET_OK);
	(void)hear(fds[5], answer, sizeof(answer));
	is_status(answer, 200);
	ck_assert(!listen_resting(listener));
	for (size_t i = 0; i < 5; i++)
		(void)close(fds[i]);
	wait_open(0);
	stop();
}
END_TEST

static int
dial_unix(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	ck_assert_int_ne(fd, -1);
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

START_TEST(a_unix_socket_serves_and_is_replaced_only_when_dead)
{
	char dir[] = "/tmp/plexbridge-http-XXXXXX";
	char path[64], file[64], why[256], long_path[200];
	char answer[1024];
	struct listen *control;
	struct stat st;
	int fd, other, client;

	start_plain();
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/control.sock", dir);
	ck_assert_msg(listen_bind_unix(path, 0660, getgid(), &fd, why, sizeof(why)) == 0, "%s", why);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0660);
	ck_assert_int_eq(listen_start(&control, loop, &fd, 1, http_accepted, server), 0);

	/* Whole, in pieces (a Unix socket has no low-water mark), and cut. */
	client = dial_unix(path);
	say(client, GET_OK);
	(void)hear(client, answer, sizeof(answer));
	is_status(answer, 200);
	client = dial_unix(path);
	say(client, "GET /ok HTTP/1.1\r\n");
	turn();
	say(client, "Host: a\r\n\r\n");
	(void)hear(client, answer, sizeof(answer));
	is_status(answer, 200);
	client = dial_unix(path);
	say(client, "GET /ok HTTP/1.1\r\n");
	turn();
	ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
	(void)hear(client, answer, sizeof(answer));
	is_empty(answer, 400);
	wait_open(0);

	/* It is alive: another one must not take its place. */
	ck_assert_int_eq(listen_bind_unix(path, 0660, (gid_t)-1, &other, why, sizeof(why)), PB_ESYS);
	ck_assert_int_eq(errno, EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(why, path));
	listen_free(&control);
	/* It is left over: taken. */
	ck_assert_msg(listen_bind_unix(path, 0600, (gid_t)-1, &other, why, sizeof(why)) == 0, "%s", why);
	(void)close(other);
	(void)unlink(path);

	/* Somebody's file: not ours to remove. */
	(void)snprintf(file, sizeof(file), "%s/file", dir);
	other = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ne(other, -1);
	(void)close(other);
	ck_assert_int_eq(listen_bind_unix(file, 0660, (gid_t)-1, &other, why, sizeof(why)), PB_ESYS);
	ck_assert_int_eq(errno, EEXIST);
	ck_assert_int_eq(access(file, F_OK), 0);
	memset(long_path, 'p', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	ck_assert_int_eq(listen_bind_unix(long_path, 0660, (gid_t)-1, &other, why, sizeof(why)), PB_ESYS);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	(void)unlink(file);
	(void)rmdir(dir);
	stop();
}
END_TEST

/* The wait is counted in pauses there, since nothing wakes us only for news; it is as long all the same. */
START_TEST(half_a_request_on_a_unix_socket_gets_408_too)
{
	char dir[] = "/tmp/plexbridge-http-XXXXXX";
	char path[64], why[256], answer[1024];
	struct listen *control;
	int fd, client;

	start(&(struct http_options){ .name = "control", .head_ms = 150 });
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/control.sock", dir);
	ck_assert_msg(listen_bind_unix(path, 0660, (gid_t)-1, &fd, why, sizeof(why)) == 0, "%s", why);
	ck_assert_int_eq(listen_start(&control, loop, &fd, 1, http_accepted, server), 0);
	client = dial_unix(path);
	say(client, "GET /ok HTTP/1.1\r\n");
	(void)hear(client, answer, sizeof(answer));
	is_empty(answer, 408);
	listen_free(&control);
	(void)unlink(path);
	(void)rmdir(dir);
	stop();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http");
	TCase *tc = tcase_create("http");
	struct rlimit files;
	SRunner *sr;
	int failed;

	/* Both ends of each connection are ours, and of those that wait the server allows a quarter of all. */
	if (getrlimit(RLIMIT_NOFILE, &files) == -1)
		return 1;
	files.rlim_cur = PB_MIN((rlim_t)(5 * CROWD_MAX), files.rlim_max);
	if (setrlimit(RLIMIT_NOFILE, &files) == -1)
		return 1;
	crowd = (int)(files.rlim_cur / 5);
	log_init("http", LOG_TO_STDERR, LOG_AS_LOGFMT, LOG_ERR);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_answer_has_the_devices_headers);
	tcase_add_test(tc, http_1_0_and_head_and_extra_lines_are_answered_as_they_should);
	tcase_add_test(tc, the_control_socket_does_not_say_it_is_a_tuner);
	tcase_add_loop_test(tc, what_is_no_single_request_is_refused_with_an_empty_body, 0, (int)NITEMS(refused));
	tcase_add_test(tc, a_head_has_8192_bytes_and_64_lines_at_most);
	tcase_add_loop_test(tc, a_request_in_two_pieces_is_one_request, 0, (int)sizeof(GET_OK) - 1);
	tcase_add_test(tc, a_request_byte_by_byte_is_one_request);
	tcase_add_test(tc, a_request_that_is_not_whole_in_time_gets_408);
	tcase_add_test(tc, a_byte_at_a_time_does_not_move_the_deadline);
	tcase_add_test(tc, a_client_that_goes_away_while_it_waits_is_forgotten);
	tcase_add_test(tc, the_body_of_a_post_is_dropped);
	tcase_add_test(tc, who_never_stops_sending_is_closed);
	tcase_add_test(tc, who_never_closes_is_closed);
	tcase_add_test(tc, a_large_answer_is_shared_and_arrives_whole);
	tcase_add_test(tc, a_client_that_does_not_read_or_goes_away_is_given_up);
	tcase_add_test(tc, a_tune_takes_the_connection_and_may_bring_it_back);
	tcase_add_test(tc, an_address_that_is_not_allowed_gets_403);
	tcase_add_test(tc, thousands_that_send_nothing_or_half_disturb_nobody);
	tcase_add_test(tc, thousands_of_requests_at_once_are_all_answered);
	tcase_add_test(tc, one_too_many_waiting_pushes_the_oldest_out_with_408);
	tcase_add_test(tc, there_are_never_more_connections_than_allowed);
	tcase_add_test(tc, ending_the_server_ends_all_connections);
	tcase_add_test(tc, a_date_is_written_in_english_and_gmt);
	suite_add_tcase(suite, tc);

	tc = tcase_create("listen");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, all_addresses_are_bound_or_none);
	tcase_add_test(tc, both_wildcards_can_have_the_same_port);
	tcase_add_test(tc, running_out_of_descriptors_is_a_pause);
	tcase_add_test(tc, a_unix_socket_serves_and_is_replaced_only_when_dead);
	tcase_add_test(tc, half_a_request_on_a_unix_socket_gets_408_too);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
