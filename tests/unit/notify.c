/*
 * notify.c - what the holder of our descriptors gets to hear
 *
 * The holder's end is a socket of the test's: bytes and descriptors are
 * compared with what sd_notify(3) and sd_listen_fds(3) say.
 */
#include <bsd/unistd.h>
#include <check.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pb.h"
#include "supervisor/notify.h"

static struct ev_loop *loop;
static struct notify *notify;
static int holder; /* its end */
static char said[1024];
static int said_fd; /* -1: none */
static int done_count, done_err;

/* Bind the holder's end to an abstract name of the kernel's, and tell the environment. */
static void
make_holder(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sun);
	char text[sizeof(sun.sun_path) + 1] = "@";

	holder = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(holder, (struct sockaddr *)&sun, sizeof(sa_family_t)), 0);
	ck_assert_int_eq(getsockname(holder, (struct sockaddr *)&sun, &len), 0);
	memcpy(text + 1, sun.sun_path + 1, len - sizeof(sa_family_t) - 1);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", text, 1), 0);
}

static void
setup(void)
{
	loop = ev_default_loop(0);
	make_holder();
	ck_assert_int_eq(notify_new(&notify, loop, NULL), 0);
	said_fd = -1;
	done_count = 0;
}

static void
teardown(void)
{
	notify_free(&notify);
	close(holder);
}

/* The next message, into said and said_fd; false: there is none. */
static bool
hear(void)
{
	struct iovec iov = { .iov_base = said, .iov_len = sizeof(said) - 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)
	};
	struct cmsghdr *c;
	ssize_t n = recvmsg(holder, &mh, MSG_CMSG_CLOEXEC);

	if (n == -1)
		return false;
	ck_assert_int_eq(mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
	said[n] = '\0';
	said_fd = -1;
	c = CMSG_FIRSTHDR(&mh);
	if (c != NULL)
		memcpy(&said_fd, CMSG_DATA(c), sizeof(said_fd));
	return true;
}

static void
hears(const char *want)
{
	ck_assert_msg(hear(), "nothing, not %s", want);
	ck_assert_str_eq(said, want);
}

static void
on_done(void *user, int err)
{
	ck_assert_ptr_eq(user, &done_count);
	done_count++;
	done_err = err;
}

START_TEST(the_holder_hears_what_the_manual_says)
{
	char want[64];
	long long usec;

	ck_assert(notify_there(notify));
	ck_assert_int_eq(notify_ready(notify), 0);
	hears("READY=1");
	ck_assert_int_eq(notify_status(notify, "%d streams\nREADY=1", 3), 0);
	hears("STATUS=3 streams READY=1");
	ck_assert_int_eq(notify_stopping(notify), 0);
	hears("STOPPING=1");
	ck_assert_int_eq(notify_mainpid(notify, 4711), 0);
	hears("MAINPID=4711");
	ck_assert_int_eq(notify_reloading(notify), 0);
	ck_assert(hear());
	ck_assert_int_eq(sscanf(said, "RELOADING=1\nMONOTONIC_USEC=%lld", &usec), 1);
	snprintf(want, sizeof(want), "RELOADING=1\nMONOTONIC_USEC=%lld", usec);
	ck_assert_str_eq(said, want);
	ck_assert_int_eq(said_fd, -1);
}
END_TEST

START_TEST(what_is_stored_is_a_copy_and_goes_by_its_name)
{
	struct stat ours, theirs;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(fstat(fds[0], &ours), 0);
	ck_assert_int_eq(notify_store(notify, "C1z", fds[0]), 0);
	close(fds[0]);
	ck_assert_uint_eq(notify_stored(notify), 1);
	hears("FDSTORE=1\nFDNAME=C1z\nFDPOLL=0");
	ck_assert_int_ne(said_fd, -1);
	ck_assert_int_eq(fstat(said_fd, &theirs), 0);
	ck_assert_uint_eq(theirs.st_ino, ours.st_ino);
	close(said_fd);
	ck_assert_int_eq(notify_forget(notify, "C1z"), 0);
	ck_assert_uint_eq(notify_stored(notify), 0);
	hears("FDSTOREREMOVE=1\nFDNAME=C1z");
	close(fds[1]);
}
END_TEST

START_TEST(a_holder_that_does_not_read_gets_all_of_it_later_and_in_order)
{
	int fd = open("/dev/null", O_RDONLY);
	char want[64];

	for (int i = 0; i < 500; i++) {
		snprintf(want, sizeof(want), "C%d", i);
		ck_assert_int_eq(notify_store(notify, want, fd), 0);
	}
	close(fd);
	ck_assert_int_eq(notify_barrier(notify, 60.0, on_done, &done_count), 0);
	for (int i = 0; i < 500; i++) {
		while (!hear())
			ev_run(loop, EVRUN_ONCE);
		snprintf(want, sizeof(want), "FDSTORE=1\nFDNAME=C%d\nFDPOLL=0", i);
		ck_assert_str_eq(said, want);
		ck_assert_int_ne(said_fd, -1);
		close(said_fd);
		ck_assert_int_eq(done_count, 0);
	}
	while (!hear())
		ev_run(loop, EVRUN_ONCE);
	ck_assert_str_eq(said, "BARRIER=1");
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(done_count, 0);
	close(said_fd);
	while (done_count == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_int_eq(done_err, 0);
}
END_TEST

START_TEST(the_queue_has_an_end_and_goes_on_after_it)
{
	int err = 0, n = 0;

	while ((err = notify_ready(notify)) == 0 && n <= NOTIFY_QUEUE * 2)
		n++;
	ck_assert_int_eq(err, PB_ELIMIT);
	ck_assert_int_ge(n, NOTIFY_QUEUE);
	ck_assert_int_eq(notify_store(notify, "C1", holder), PB_ELIMIT);
	ck_assert_uint_eq(notify_stored(notify), 0);
	ck_assert_int_eq(notify_barrier(notify, 1.0, on_done, &done_count), PB_ELIMIT);
	while (n > 0) {
		if (hear())
			n--;
		else
			ev_run(loop, EVRUN_ONCE);
	}
	ck_assert_int_eq(notify_stopping(notify), 0);
	hears("STOPPING=1");
}
END_TEST

START_TEST(a_barrier_is_passed_when_its_pipe_is_closed)
{
	ck_assert_int_eq(notify_barrier(notify, 60.0, on_done, &done_count), 0);
	ck_assert_int_eq(notify_barrier(notify, 60.0, on_done, &done_count), 0);
	hears("BARRIER=1");
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(done_count, 0);
	close(said_fd);
	while (done_count == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_int_eq(done_count, 1);
	ck_assert_int_eq(done_err, 0);
	hears("BARRIER=1");
	close(said_fd);
	while (done_count == 1)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_int_eq(done_err, 0);
}
END_TEST

START_TEST(a_barrier_that_is_never_passed_ends_in_time)
{
	ck_assert_int_eq(notify_barrier(notify, 0.05, on_done, &done_count), 0);
	while (done_count == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_int_eq(done_err, PB_ETIME);
	hears("BARRIER=1");
	close(said_fd);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(done_count, 1);
}
END_TEST

START_TEST(a_store_is_full_by_number_and_by_the_length_of_its_names)
{
	size_t n = 0, max = _i == 0 ? NOTIFY_STORE_MAX : NOTIFY_NAMES_MAX / (NOTIFY_NAME + 1);
	char name[NOTIFY_NAME + 1];

	for (;; n++) {
		int err;

		snprintf(name, sizeof(name), _i == 0 ? "%zx" : "C%011zu", n);
		err = notify_store(notify, name, holder);
		if (err != 0) {
			ck_assert_int_eq(err, PB_ELIMIT);
			break;
		}
		ck_assert(hear());
		close(said_fd);
	}
	ck_assert_uint_eq(n, max);
	ck_assert_uint_eq(notify_stored(notify), max);
	snprintf(name, sizeof(name), _i == 0 ? "%zx" : "C%011zu", (size_t)7);
	ck_assert_int_eq(notify_forget(notify, name), 0);
	hears(_i == 0 ? "FDSTOREREMOVE=1\nFDNAME=7" : "FDSTOREREMOVE=1\nFDNAME=C00000000007");
	ck_assert_int_eq(notify_store(notify, name, holder), 0);
}
END_TEST

START_TEST(without_a_holder_all_is_done_at_once)
{
	struct notify *alone;

	ck_assert_ptr_null(getenv("NOTIFY_SOCKET")); /* the first one took it: children get none */
	ck_assert_int_eq(notify_new(&alone, loop, NULL), 0);
	ck_assert(!notify_there(alone));
	ck_assert_int_eq(notify_ready(alone), 0);
	ck_assert_int_eq(notify_store(alone, "C1", holder), 0);
	ck_assert_int_eq(notify_forget(alone, "C1"), 0);
	ck_assert_int_eq(notify_barrier(alone, 60.0, on_done, &done_count), 0);
	ck_assert_int_eq(done_count, 0);
	while (done_count == 0)
		ev_run(loop, EVRUN_ONCE);
	ck_assert_int_eq(done_err, 0);
	ck_assert(!hear());
	notify_free(&alone);
	ck_assert_ptr_null(alone);
}
END_TEST

static const struct {
	const char *address;
	int err;
} addresses[] = {
	{ "vsock:2:1234", PB_ENOSUP },
	{ "vsock-stream:2:1234", PB_ENOSUP },
	{ "relative/path", PB_ENOSUP },
	{ "@", PB_ENOSUP },
	{ "/", PB_ENOSUP },
	{ "", 0 },
	{ "/nowhere/at/all", PB_ESYS },
	/* 108 and 109 bytes */
	{ "/2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567",
	    PB_ESYS },
	{ "/2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	  "8",
	    PB_EFORMAT },
	{ "@2345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	  "8",
	    PB_ESYS },
	{ "@23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
	  "9",
	    PB_EFORMAT },
};

START_TEST(only_unix_sockets_are_spoken_to)
{
	struct notify *other = NULL;

	ck_assert_int_eq(setenv("NOTIFY_SOCKET", addresses[_i].address, 1), 0);
	ck_assert_int_eq(notify_new(&other, loop, NULL), addresses[_i].err);
	notify_free(&other);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
}
END_TEST

START_TEST(a_holder_may_be_a_path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct notify *other;
	char dir[] = "/tmp/plexbridge-notify-XXXXXX";
	int kept = holder;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/s", dir);
	holder = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(holder, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", sun.sun_path, 1), 0);
	ck_assert_int_eq(notify_new(&other, loop, NULL), 0);
	ck_assert_int_eq(notify_ready(other), 0);
	hears("READY=1");
	/* Its socket is made anew: what was said meanwhile arrives, and all that follows. */
	close(holder);
	unlink(sun.sun_path);
	ck_assert_int_eq(notify_stopping(other), 0);
	holder = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(holder, (struct sockaddr *)&sun, sizeof(sun)), 0);
	while (!hear())
		ev_run(loop, EVRUN_ONCE);
	ck_assert_str_eq(said, "STOPPING=1");
	notify_free(&other);
	close(holder);
	holder = kept;
	unlink(sun.sun_path);
	rmdir(dir);
}
END_TEST

static const struct {
	const char *usec, *pid; /* NULL: not set; "me": ours */
	bool fed;
} watchdogs[] = {
	{ "40000", NULL, true },
	{ "40000", "me", true },
	{ "40000", "1", false },
	{ NULL, "me", false },
	{ "0", "me", false },
	{ "x", "me", false },
	{ "-5", "me", false },
};

static void
set(const char *name, const char *value)
{
	char me[16];

	snprintf(me, sizeof(me), "%d", (int)getpid());
	if (value == NULL)
		ck_assert_int_eq(unsetenv(name), 0);
	else
		ck_assert_int_eq(setenv(name, strcmp(value, "me") == 0 ? me : value, 1), 0);
}

static void
on_time(struct ev_loop *l, ev_timer *watch, int revents)
{
	(void)watch;
	(void)revents;
	ev_break(l, EVBREAK_ALL);
}

START_TEST(a_watchdog_is_fed_twice_in_its_time_by_whom_it_is_meant_for)
{
	struct notify *other;
	ev_timer end;
	int fed = 0;

	close(holder);
	make_holder();
	set("WATCHDOG_USEC", watchdogs[_i].usec);
	set("WATCHDOG_PID", watchdogs[_i].pid);
	ck_assert_int_eq(notify_new(&other, loop, NULL), 0);
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
	ev_timer_init(&end, on_time, 0.2, 0.0);
	ev_timer_start(loop, &end);
	ev_run(loop, 0);
	while (hear()) {
		ck_assert_str_eq(said, "WATCHDOG=1");
		fed++;
	}
	if (watchdogs[_i].fed)
		ck_assert_int_ge(fed, 3);
	else
		ck_assert_int_eq(fed, 0);
	notify_free(&other);
}
END_TEST

/*
 * What was held
 */

static const struct {
	const char *pid, *fds, *names;
	int err;
	size_t count;
	const char *claims; /* of the first, the second, the third: which descriptor, '-' none */
	const char *ask[3];
} helds[] = {
	{ "me", "3", "one:two:three", 0, 3, "345", { "one", "two", "three" } },
	{ "me", "3", "b:c:a", 0, 3, "534", { "a", "b", "c" } },
	{ "me", "2", "one:two:three", 0, 2, "34-", { "one", "two", "three" } },
	{ "me", "3", "one", 0, 3, "3--", { "one", "two", "" } },
	{ "me", "3", "one::three", 0, 3, "35-", { "one", "three", "" } },
	{ "me", "3", NULL, 0, 3, "---", { "one", "two", "" } },
	{ "me", "3", "one:much-too-long-a-name:three", 0, 3, "3-5", { "one", "much-too-lon", "three" } },
	{ "me", "9", "one:two:three:four", 0, 3, "34-", { "one", "two", "four" } }, /* six are not open */
	{ "me", "0", "", 0, 0, "---", { "one", "two", "three" } },
	{ "1", "3", "one:two:three", 0, 0, "---", { "one", "two", "three" } },
	{ NULL, "3", "one:two:three", 0, 0, "---", { "one", "two", "three" } },
	{ "me", NULL, "one:two:three", 0, 0, "---", { "one", "two", "three" } },
	{ "me", "x", "one:two:three", PB_EFORMAT, 0, "---", { "one", "two", "three" } },
	{ "me", "-1", "one:two:three", PB_EFORMAT, 0, "---", { "one", "two", "three" } },
	{ "me", "99999999", "one:two:three", PB_EFORMAT, 0, "---", { "one", "two", "three" } },
	{ "0x1", "3", "one:two:three", PB_EFORMAT, 0, "---", { "one", "two", "three" } },
};

START_TEST(what_was_held_is_claimed_by_name)
{
	struct notify_held held;
	pid_t pid = fork();
	int status;

	/* In a process that has nothing open beyond its standard ones but these three. */
	if (pid == 0) {
		closefrom(3);
		for (int i = 3; i < 6; i++)
			if (open("/dev/null", O_RDONLY) != i)
				_exit(90);
		set("LISTEN_PID", helds[_i].pid);
		set("LISTEN_FDS", helds[_i].fds);
		set("LISTEN_FDNAMES", helds[_i].names);
		if (notify_held_read(&held) != helds[_i].err || held.count != helds[_i].count)
			_exit(91);
		if (getenv("LISTEN_PID") != NULL || getenv("LISTEN_FDS") != NULL || getenv("LISTEN_FDNAMES") != NULL)
			_exit(92);
		for (int i = 0; i < 3; i++) {
			int want = helds[_i].claims[i] == '-' ? -1 : helds[_i].claims[i] - '0';

			if (notify_held_claim(&held, helds[_i].ask[i]) != want)
				_exit(93);
			if (want != -1 && !(fcntl(want, F_GETFD) & FD_CLOEXEC))
				_exit(94);
			/* Once given it is the caller's: nobody gets it twice. */
			if (notify_held_claim(&held, helds[_i].ask[i]) != -1)
				_exit(95);
		}
		notify_held_clear(&held);
		for (int i = 0; i < 3; i++) {
			bool claimed = strchr(helds[_i].claims, '3' + i) != NULL;

			if ((fcntl(3 + i, F_GETFD) != -1) != (claimed || (size_t)i >= helds[_i].count))
				_exit(96);
		}
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(what_was_held_counts_as_stored)
{
	struct notify_fd at[2] = { { .fd = -1, .name = "C1" }, { .fd = -1, .name = "ledger" } };
	struct notify_held held = { .at = at, .count = 2 };
	struct notify *other;

	close(holder);
	make_holder();
	ck_assert_int_eq(notify_new(&other, loop, &held), 0);
	ck_assert_uint_eq(notify_stored(other), 2);
	ck_assert_int_eq(notify_forget(other, "ledger"), 0);
	ck_assert_int_eq(notify_forget(other, "C1"), 0);
	ck_assert_uint_eq(notify_stored(other), 0);
	notify_free(&other);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("notify");
	TCase *tc = tcase_create("saying"), *held = tcase_create("held");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, the_holder_hears_what_the_manual_says);
	tcase_add_test(tc, what_is_stored_is_a_copy_and_goes_by_its_name);
	tcase_add_test(tc, a_holder_that_does_not_read_gets_all_of_it_later_and_in_order);
	tcase_add_test(tc, the_queue_has_an_end_and_goes_on_after_it);
	tcase_add_test(tc, a_barrier_is_passed_when_its_pipe_is_closed);
	tcase_add_test(tc, a_barrier_that_is_never_passed_ends_in_time);
	tcase_add_loop_test(tc, a_store_is_full_by_number_and_by_the_length_of_its_names, 0, 2);
	tcase_add_test(tc, without_a_holder_all_is_done_at_once);
	tcase_add_loop_test(tc, only_unix_sockets_are_spoken_to, 0, (int)NITEMS(addresses));
	tcase_add_test(tc, a_holder_may_be_a_path);
	tcase_add_loop_test(tc, a_watchdog_is_fed_twice_in_its_time_by_whom_it_is_meant_for, 0, (int)NITEMS(watchdogs));
	tcase_add_test(tc, what_was_held_counts_as_stored);
	tcase_add_loop_test(held, what_was_held_is_claimed_by_name, 0, (int)NITEMS(helds));
	suite_add_tcase(s, tc);
	suite_add_tcase(s, held);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
