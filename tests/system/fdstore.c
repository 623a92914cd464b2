/*
 * fdstore.c - what systemd does for plexbridge.service, and no more of it
 *
 *	fdstore COMMAND [ARG...]
 *
 * A double written from the manual pages sd_notify(3), sd_listen_fds(3),
 * systemd.service(5), and systemd.kill(5), for a unit with Type=notify,
 * NotifyAccess=main, FileDescriptorStoreMax=16384, Restart=always,
 * RestartSec=0, RestartPreventExitStatus=100 and KillMode=mixed. It shares
 * nothing with plexbridge-keeper, so that both can be held against the same
 * sentences.
 *
 * The manual leaves the order of the descriptors open: it is turned round at
 * each start. Started as root it stays root, and so starts its children, as
 * systemd does. SIGTERM is a stop: passed on, and the end.
 */
#include <bsd/unistd.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX 16384
#define NAME 256 /* with its end: FDNAME= has up to 255 characters */

struct held {
	int fd;
	bool poll;
	char name[NAME];
};

static struct held store[MAX];
static size_t stored;
static bool turned;
static pid_t main_pid;
static char address[200];

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "fdstore: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool
same_file(int a, int b)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, (unsigned long)a, (unsigned long)b) == 0;
}

static void
put(const char *name, int fd, bool poll)
{
	for (size_t i = 0; i < stored && stored < 512; i++) /* a quadratic search: for small stores only */
		if (same_file(store[i].fd, fd)) {
			close(fd);
			return;
		}
	if (stored == MAX) {
		close(fd);
		return;
	}
	store[stored].fd = fd;
	store[stored].poll = poll;
	snprintf(store[stored].name, NAME, "%s", name);
	stored++;
}

static void
take_out(size_t i)
{
	close(store[i].fd);
	memmove(store + i, store + i + 1, (--stored - i) * sizeof(store[0]));
}

/* "will be removed from the store when POLLHUP or POLLERR is seen", but for FDPOLL=0. */
static void
poll_stored(void)
{
	for (size_t i = stored; i-- > 0;) {
		struct pollfd p = { .fd = store[i].fd };

		if (store[i].poll && poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)))
			take_out(i);
	}
}

static void
obey(char *text, int *fds, size_t nfds)
{
	const char *name = "stored";
	char *line, *rest = text;
	bool keep = false, forget = false, barrier = false, watch = true;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strcmp(line, "FDSTORE=1") == 0)
			keep = true;
		else if (strcmp(line, "FDSTOREREMOVE=1") == 0)
			forget = true;
		else if (strcmp(line, "FDPOLL=0") == 0)
			watch = false;
		else if (strcmp(line, "BARRIER=1") == 0)
			barrier = true;
		else if (strncmp(line, "FDNAME=", 7) == 0)
			name = line + 7;
		else if (strncmp(line, "MAINPID=", 8) == 0)
			main_pid = (pid_t)strtol(line + 8, NULL, 10);
		else
			printf("said %s\n", line);
	}
	if (barrier && (nfds != 1 || keep || forget))
		printf("wrong barrier\n");
	for (size_t i = stored; forget && i-- > 0;)
		if (strcmp(store[i].name, name) == 0)
			take_out(i);
	for (size_t i = 0; i < nfds; i++)
		if (keep && strlen(name) < NAME && strchr(name, ':') == NULL)
			put(name, fds[i], watch);
		else
			close(fds[i]);
}

static bool
hear(int sock)
{
	char text[4096];
	struct iovec iov = { text, sizeof(text) - 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 253) + CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf)
	};
	struct ucred from = { 0 };
	int fds[253];
	size_t nfds = 0;
	ssize_t n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n == -1)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c)) {
		if (c->cmsg_type == SCM_RIGHTS) {
			nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
		} else if (c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&from, CMSG_DATA(c), sizeof(from));
	}
	text[n] = '\0';
	if (from.pid == main_pid)
		obey(text, fds, nfds);
	else {
		printf("not from main\n");
		while (nfds > 0)
			close(fds[--nfds]);
	}
	return true;
}

static _Noreturn void
be_main(char **argv)
{
	size_t size = stored * NAME + 1, at = 0;
	char *names = calloc(1, size), number[32];
	int *copies = calloc(stored + 1, sizeof(int));
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (size_t i = 0; i < stored; i++) {
		const struct held *h = &store[turned ? stored - 1 - i : i];

		copies[i] = fcntl(h->fd, F_DUPFD_CLOEXEC, 3 + (int)stored);
		at += (size_t)snprintf(names + at, size - at, "%s%s", i > 0 ? ":" : "", h->name);
	}
	for (size_t i = 0; i < stored; i++)
		if (copies[i] == -1 || dup2(copies[i], 3 + (int)i) == -1)
			die("dup2");
	setenv("NOTIFY_SOCKET", address, 1);
	if (stored > 0) {
		setenv("LISTEN_FDNAMES", names, 1);
		snprintf(number, sizeof(number), "%zu", stored);
		setenv("LISTEN_FDS", number, 1);
		snprintf(number, sizeof(number), "%d", (int)getpid());
		setenv("LISTEN_PID", number, 1);
	}
	execvp(argv[0], argv);
	die(argv[0]);
}

static void
start(char **argv)
{
	turned = !turned;
	main_pid = fork();
	if (main_pid == -1)
		die("fork");
	if (main_pid == 0)
		be_main(argv);
	printf("started %d with %zu\n", (int)main_pid, stored);
}

/* The control group of the unit is, here, whatever became our child when its parent died. */
static void
kill_group(void)
{
	for (;;) {
		DIR *dir = opendir("/proc");
		const struct dirent *e;
		siginfo_t info = { .si_pid = 0 };

		while (dir != NULL && (e = readdir(dir)) != NULL) {
			char path[300], text[400];
			int fd, parent = 0;
			ssize_t n;

			if (e->d_name[0] < '1' || e->d_name[0] > '9')
				continue;
			snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			n = fd == -1 ? -1 : read(fd, text, sizeof(text) - 1);
			if (fd != -1)
				close(fd);
			text[n > 0 ? n : 0] = '\0';
			if (strrchr(text, ')') != NULL && sscanf(strrchr(text, ')'), ") %*c %d", &parent) == 1 &&
			    parent == getpid())
				kill((pid_t)strtol(e->d_name, NULL, 10), SIGKILL);
		}
		if (dir != NULL)
			closedir(dir);
		if (waitid(P_ALL, 0, &info, WEXITED) == -1)
			return;
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sun);
	struct rlimit lim;
	bool stopping = false;
	sigset_t set;
	int sock, sigs, on = 1;

	if (argc < 2)
		return 100;
	closefrom(3);
	setvbuf(stdout, NULL, _IOLBF, 0);
	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock == -1 || setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == -1 ||
	    bind(sock, (struct sockaddr *)&sun, sizeof(sa_family_t)) == -1 ||
	    getsockname(sock, (struct sockaddr *)&sun, &len) == -1)
		die("socket");
	snprintf(address, sizeof(address), "@%.*s", (int)(len - sizeof(sa_family_t) - 1), sun.sun_path + 1);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigs = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	start(argv + 1);
	for (;;) {
		struct pollfd p[2] = { { .fd = sock, .events = POLLIN }, { .fd = sigs, .events = POLLIN } };
		struct signalfd_siginfo sig;
		siginfo_t info = { .si_pid = 0 };

		if (poll(p, 2, -1) == -1)
			continue;
		while (hear(sock))
			;
		poll_stored();
		while (read(sigs, &sig, sizeof(sig)) == (ssize_t)sizeof(sig))
			if (sig.ssi_signo == SIGTERM) {
				stopping = true;
				kill(main_pid, SIGTERM);
			}
		while (info.si_pid = 0, waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
			while (hear(sock))
				;
			if (info.si_pid != main_pid)
				continue;
			printf("dead %d\n", (int)main_pid);
			kill_group();
			if (stopping || (info.si_code == CLD_EXITED && info.si_status == 100))
				exit(info.si_code == CLD_EXITED ? info.si_status : 111);
			start(argv + 1);
		}
	}
}
