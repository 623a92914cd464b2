/*
 * keeper.c - plexbridge-keeper: a parent that holds descriptors, no more
 *
 * Where there is no systemd, its place is taken by this: `plexbridge-keeper
 * plexbridged -f FILE`, as process 1 of a container or under any init. It
 * speaks the protocol of sd_notify(3), keeps what it is given, and hands it
 * to the next supervisor when one dies. It reads nothing but the lines of
 * its own child, so that it has no reason to die itself.
 *
 *   proof     a supervisor is started only when every process of the one
 *             before is killed and waited for, as systemd does with a control
 *             group: whoever is handed a stream's descriptors knows that it
 *             has no other writer. Orphans come to us, so none can hide, but
 *             in a system call that doesn't end; after REAP_MS we go on
 *             without such a one, for it runs no instruction of its own again
 *   trust     messages count when the kernel says that the main process sent
 *             them (SCM_CREDENTIALS)
 *   users     started as root it becomes whoever its supervisor became, and
 *             keeps what the next one needs to start workers (privs.h)
 */
#include <bsd/stdlib.h>
#include <bsd/unistd.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/privs.h"
#include "supervisor/store.h"

#define SPARE_FDS 80 /* of a message, ours, and what is open for a moment */
#define BATCH_FDS 64
#define BACKOFF_MS 100 /* before the second restart in a row; doubles */
#define BACKOFF_MAX_MS 30000
#define GOOD_MS 1000 /* the next of one that was ready and lived so long starts at once */
#define STOP_MS 8000 /* from a stop to SIGKILL: inside the 10 s that containers get */
#define REAP_MS 2000
#define AGAIN_MS 20 /* between looks for orphans */

static struct {
	struct store store;
	int socket, signals;
	char address[sizeof(struct sockaddr_un)];
	char **argv;
	pid_t main; /* 0: there is none */
	bool reaping; /* the processes of a dead one are not all gone yet */
	bool ready; /* the main process said so */
	bool ending; /* nothing is started any more; exit_status is the last word */
	int exit_status;
	unsigned failures; /* in a row */
	int64_t started_ms, died_ms, stop_ms, start_ms;
} keeper;

static const int forwarded[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static _Noreturn void
die(int status, const char *what)
{
	log_event(LOG_ERR, "keeper.failed", "exit=%d why=\"%s: %s\"", status, what, strerror(errno));
	exit(status);
}

/*
 * Messages
 */

static pid_t
parent_of(pid_t pid)
{
	char path[64], text[512], *end;
	int parent = 0, fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	end = strrchr(text, ')'); /* a program's name may hold anything */
	return end != NULL && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* An upgrade starts the next one as a child of the last. */
static void
follow(const char *number)
{
	const char *why;
	pid_t pid = (pid_t)strtonum(number, 2, INT_MAX, &why);

	if (why != NULL || (parent_of(pid) != keeper.main && parent_of(pid) != getpid())) {
		log_event(LOG_ERR, "keeper.main", "pid=%.12s why=\"no child of ours\"", number);
		return;
	}
	log_event(LOG_INFO, "keeper.main", "pid=%d from=%d", (int)pid, (int)keeper.main);
	keeper.main = pid;
}

static void
keep(const char *name, int fd)
{
	int err = store_keep(&keeper.store, name, fd);

	if (err == PB_ESYS)
		die(PB_EXIT_TEMPORARY, "dup2");
	if (err != 0)
		log_event(LOG_ERR, "keeper.refused", "held=%zu name=\"%.16s\" why=\"%s\"", keeper.store.count, name,
		    pb_strerror(err));
}

static void
obey(char *text, const int *fds, size_t nfds)
{
	const char *name = "stored";
	bool store = false, forget = false;
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL) {
		store |= strcmp(line, "FDSTORE=1") == 0;
		forget |= strcmp(line, "FDSTOREREMOVE=1") == 0;
		keeper.ready |= strcmp(line, "READY=1") == 0;
		if (strncmp(line, "FDNAME=", 7) == 0)
			name = line + 7;
		else if (strncmp(line, "MAINPID=", 8) == 0)
			follow(line + 8);
	}
	if (forget && store_forget(&keeper.store, name) != 0)
		die(PB_EXIT_TEMPORARY, "dup2");
	for (size_t i = 0; i < nfds; i++)
		if (store)
			keep(name, fds[i]);
		else
			close(fds[i]); /* BARRIER=1: that is the answer */
}

/* One message; false: there is none. */
static bool
hear(void)
{
	char text[4096];
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * BATCH_FDS) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)
	};
	struct ucred from = { 0 };
	int fds[BATCH_FDS];
	size_t nfds = 0;
	ssize_t n = recvmsg(keeper.socket, &mh, MSG_DONTWAIT); /* not close-on-exec: that is what they are for */

	if (n == -1)
		return errno == EINTR;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			nfds = PB_MIN((c->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t)BATCH_FDS);
			memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&from, CMSG_DATA(c), sizeof(from));
	}
	text[n] = '\0';
	if (keeper.main == 0 || from.pid != keeper.main || (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		while (nfds > 0)
			close(fds[--nfds]);
		return true;
	}
	/* It gave root up: so do we, for good. */
	if (geteuid() == 0 && from.uid != 0 && privs_follow(from.uid, from.gid) != 0)
		die(PB_EXIT_PERMANENT, "can't give up root");
	obey(text, fds, nfds);
	return true;
}

/*
 * Lives
 */

static _Noreturn void
be_main(void)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setpgid(0, 0);
	if (setenv("NOTIFY_SOCKET", keeper.address, 1) != 0 || store_environ(&keeper.store) != 0)
		_exit(PB_EXIT_TEMPORARY);
	(void)execvp(keeper.argv[0], keeper.argv);
	log_event(LOG_ERR, "keeper.exec", "why=\"%s: %s\"", keeper.argv[0], strerror(errno));
	_exit(errno == ENOMEM || errno == EAGAIN || errno == ETXTBSY ? PB_EXIT_TEMPORARY : PB_EXIT_PERMANENT);
}

static void
start(void)
{
	pid_t pid = fork();

	keeper.started_ms = now_ms();
	if (pid == 0)
		be_main();
	if (pid == -1) {
		log_event(LOG_ERR, "keeper.fork", "why=\"%s\"", strerror(errno));
		keeper.start_ms = keeper.started_ms + BACKOFF_MAX_MS;
		return;
	}
	(void)setpgid(pid, pid); /* whoever is first */
	keeper.main = pid;
	keeper.ready = false;
	log_event(LOG_INFO, "keeper.start", "pid=%d held=%zu", (int)pid, keeper.store.count);
}

/* What its last word means; one that can't be helped by another try is our own last word. */
static void
judge(int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	int64_t backoff_ms = 0;

	if (keeper.ending) /* it may have been asked before it listened */
		keeper.exit_status = code != -1                                 ? code
		    : WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT ? PB_EXIT_OK
										: PB_EXIT_TEMPORARY;
	else if (code == PB_EXIT_PERMANENT || (!keeper.ready && (code == PB_EXIT_OK || code == PB_EXIT_CONFIG))) {
		keeper.ending = true;
		keeper.exit_status = code;
	}
	/* Asked to end, but not by us: that is how a restart is asked for. */
	if (keeper.ready && (code == PB_EXIT_OK || keeper.died_ms - keeper.started_ms >= GOOD_MS))
		keeper.failures = 0;
	if (keeper.failures > 0)
		backoff_ms = PB_MIN((int64_t)BACKOFF_MS << PB_MIN(keeper.failures - 1, 16U), (int64_t)BACKOFF_MAX_MS);
	keeper.failures++;
	keeper.start_ms = keeper.died_ms + backoff_ms;
	log_event(keeper.ending ? LOG_INFO : LOG_ERR, "keeper.death",
	    "pid=%d %s=%d lived_ms=%lld held=%zu next=%s after_ms=%lld", (int)keeper.main,
	    WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : code,
	    (long long)(keeper.died_ms - keeper.started_ms), keeper.store.count, keeper.ending ? "end" : "start",
	    (long long)backoff_ms);
}

/* Kill all children that we have by now; they were a dead supervisor's. */
static void
kill_orphans(void)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;

		/* A child's number is its own until we wait for it. */
		if (pid > 1 && parent_of(pid) == getpid())
			(void)kill(pid, SIGKILL);
	}
	if (dir != NULL)
		closedir(dir);
}

static void
main_died(pid_t pid)
{
	pid_t group;

	/* What it said last is still to be heard; perhaps that another is the main process now. */
	while (hear())
		;
	if (pid != keeper.main)
		return;
	group = getpgid(pid);
	if (group > 1 && group != getpgrp())
		(void)kill(-group, SIGKILL);
	keeper.reaping = true;
	keeper.died_ms = now_ms();
}

/* Wait for all that are dead. A process keeps its number, and its group, until then. */
static void
reap(void)
{
	for (;;) {
		siginfo_t info = { .si_pid = 0 };
		int status;

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1) {
			keeper.reaping = false; /* ECHILD: there is none */
			return;
		}
		if (info.si_pid == 0)
			return;
		if (info.si_pid == keeper.main)
			main_died(info.si_pid);
		if (waitpid(info.si_pid, &status, 0) == keeper.main) {
			judge(status);
			keeper.main = 0;
		}
	}
}

/* The main process may be an upgrade's, and its own parent waited for it before that one died: then we never do. */
static void
look_for_main(void)
{
	if (keeper.main == 0 || kill(keeper.main, 0) == 0 || errno != ESRCH)
		return;
	keeper.reaping = true;
	keeper.died_ms = now_ms();
	judge(W_EXITCODE(PB_EXIT_TEMPORARY, 0));
	keeper.main = 0;
}

static void
on_signal(int sig)
{
	if (sig == SIGCHLD) {
		reap();
		look_for_main();
		return;
	}
	if (sig == SIGTERM || sig == SIGINT) {
		keeper.ending = true;
		keeper.stop_ms = now_ms() + STOP_MS;
	}
	if (keeper.main != 0)
		(void)kill(keeper.main, sig);
}

/* What is due; gives the milliseconds until something else is, -1: nothing. */
static int
proceed(void)
{
	int64_t now = now_ms();

	if (keeper.main != 0) {
		if (!keeper.ending)
			return -1;
		if (now >= keeper.stop_ms) {
			log_event(LOG_ERR, "keeper.late", "pid=%d why=\"it does not stop: killed\"", (int)keeper.main);
			(void)kill(keeper.main, SIGKILL);
			keeper.stop_ms = now + STOP_MS;
		}
		return (int)(keeper.stop_ms - now);
	}
	if (keeper.reaping && now - keeper.died_ms < REAP_MS) {
		kill_orphans();
		return AGAIN_MS;
	}
	if (keeper.reaping)
		log_event(LOG_ERR, "keeper.undead",
		    "why=\"a process of the last supervisor is not dead yet; going without it\"");
	keeper.reaping = false;
	if (keeper.ending) {
		log_event(LOG_INFO, "keeper.end", "exit=%d held=%zu", keeper.exit_status, keeper.store.count);
		exit(keeper.exit_status);
	}
	if (now < keeper.start_ms)
		return (int)(keeper.start_ms - now);
	start();
	return keeper.main != 0 ? -1 : BACKOFF_MAX_MS;
}

/*
 * The beginning
 */

/* Ours go above the store. */
static int
above(int fd)
{
	int high = fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, STORE_FIRST + (int)keeper.store.max);

	if (high == -1)
		die(PB_EXIT_TEMPORARY, "socket");
	close(fd);
	return high;
}

static void
open_socket(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sun);
	int on = 1;

	/* An abstract name of the kernel's choice: nothing to make, nothing to leave behind. */
	keeper.socket = above(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (setsockopt(keeper.socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == -1 ||
	    bind(keeper.socket, (struct sockaddr *)&sun, sizeof(sa_family_t)) == -1 ||
	    getsockname(keeper.socket, (struct sockaddr *)&sun, &len) == -1)
		die(PB_EXIT_TEMPORARY, "notify socket");
	keeper.address[0] = '@';
	memcpy(keeper.address + 1, sun.sun_path + 1, len - sizeof(sa_family_t) - 1);
}

static void
prepare(void)
{
	struct rlimit lim;
	sigset_t set;
	int fd;

	do
		fd = open("/dev/null", O_RDWR); /* 0, 1 and 2 are taken, whoever starts us */
	while (fd >= 0 && fd < STORE_FIRST);
	closefrom(STORE_FIRST);
	if (getrlimit(RLIMIT_NOFILE, &lim) == -1)
		die(PB_EXIT_TEMPORARY, "getrlimit");
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) == -1 || lim.rlim_cur < SPARE_FDS * 2)
		die(PB_EXIT_TEMPORARY, "too few descriptors are allowed (ulimit -n)");
	if (store_init(&keeper.store, PB_MIN((size_t)lim.rlim_cur - SPARE_FDS, (size_t)NOTIFY_STORE_MAX)) != 0)
		die(PB_EXIT_TEMPORARY, "no memory");
	open_socket();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < NITEMS(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	keeper.signals = above(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
	if (prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) == -1)
		die(PB_EXIT_PERMANENT, "prctl");
}

int
main(int argc, char **argv)
{
	struct pollfd fds[2];

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("plexbridge-keeper %s (%s)\n", PACKAGE_VERSION, PB_COMMIT);
		return PB_EXIT_OK;
	}
	if (argc < 2 || argv[1][0] == '-') {
		bool help = argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);

		fputs("usage: plexbridge-keeper COMMAND [ARG...]\n"
		      "       plexbridge-keeper --version | -h\n",
		    help ? stdout : stderr);
		return help ? PB_EXIT_OK : PB_EXIT_PERMANENT;
	}
	log_init("plexbridge-keeper", LOG_TO_STDERR, LOG_AS_LOGFMT, LOG_INFO);
	keeper.argv = argv + 1;
	prepare();
	fds[0] = (struct pollfd){ .fd = keeper.socket, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = keeper.signals, .events = POLLIN };
	for (;;) {
		struct signalfd_siginfo info;

		if (poll(fds, NITEMS(fds), proceed()) == -1 && errno != EINTR)
			die(PB_EXIT_TEMPORARY, "poll");
		if (fds[0].revents != 0)
			(void)hear();
		while (read(keeper.signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			on_signal((int)info.ssi_signo);
	}
}
