/*
 * child.c - fork, and as little as can be until exec
 */
#include "supervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pb.h"

extern char **environ;

bool
child_program(char *out, size_t size, const char *name)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		char *slash;

		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash != NULL) {
			*slash = '\0';
			if ((size_t)snprintf(out, size, "%s/%s", self, name) < size && access(out, X_OK) == 0)
				return true;
		}
	}
	return (size_t)snprintf(out, size, "%s/%s", PB_LIBEXECDIR, name) < size && access(out, X_OK) == 0;
}

/* Only async-signal-safe calls from here to exec. */
static void
be_child(const char *path, char *const argv[], int fd, const struct child_limits *limits)
{
	struct rlimit none = { 0, 0 };
	struct rlimit data = { limits->data_bytes, limits->data_bytes };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t empty;
	int null;

	/* libev's handlers and our SIG_IGN are not for it, nor is what was blocked while we forked. */
	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &dfl, NULL);
	sigemptyset(&empty);
	(void)sigprocmask(SIG_SETMASK, &empty, NULL);

	null = open("/dev/null", O_RDWR);
	if (null == -1 || dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1)
		_exit(PB_EXIT_TEMPORARY);
	/* dup2() onto itself would leave close-on-exec set. */
	if (fd == CHILD_FD ? fcntl(fd, F_SETFD, 0) == -1 : dup2(fd, CHILD_FD) == -1)
		_exit(PB_EXIT_TEMPORARY);
#ifdef SYS_close_range
	/* All of ours are close-on-exec; this is for what whoever started us left open. */
	(void)syscall(SYS_close_range, (unsigned)CHILD_FD + 1, ~0U, 0U);
#endif
	(void)setrlimit(RLIMIT_CORE, &none);
	if (CHILD_LIMITED && limits->data_bytes != 0 && setrlimit(RLIMIT_DATA, &data) == -1)
		_exit(PB_EXIT_TEMPORARY);
	if (privs_become_worker(limits->privs) == -1)
		_exit(PB_EXIT_PERMANENT);
	(void)execve(path, argv, environ);
	_exit(errno == ENOMEM || errno == EAGAIN || errno == ETXTBSY ? PB_EXIT_TEMPORARY : PB_EXIT_PERMANENT);
}

static void
on_exit_of_child(struct ev_loop *loop, ev_child *watch, int revents)
{
	struct child *child = watch->data;
	int status = watch->rstatus;

	(void)revents;
	/* ev_child also tells of stops when asked to; we don't ask. */
	pb_assert(WIFEXITED(status) || WIFSIGNALED(status));
	ev_child_stop(loop, watch);
	child->pid = 0;
	child->died(child, status);
}

int
child_start(struct child *child, struct ev_loop *loop, const char *path, char *const argv[], int fd,
    const struct child_limits *limits)
{
	sigset_t all, old;
	pid_t pid;
	int saved;

	pb_assert(child->pid == 0 && child->died != NULL);
	/* No handler of ours may run in the child: it would write into the loop's own pipe. */
	sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	pid = fork();
	if (pid == 0)
		be_child(path, argv, fd, limits);
	saved = errno;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid == -1) {
		errno = saved;
		return PB_ESYS;
	}
	child->pid = pid;
	ev_child_init(&child->watch, on_exit_of_child, pid, 0);
	child->watch.data = child;
	ev_child_start(loop, &child->watch);
	return 0;
}

void
child_kill(const struct child *child, int sig)
{
	/* Not yet waited for, so the number is still its own. */
	if (child->pid > 0)
		(void)kill(child->pid, sig);
}

char *
child_status_text(char *out, size_t size, int status)
{
	if (WIFSIGNALED(status))
		snprintf(out, size, "signal %d", WTERMSIG(status));
	else
		snprintf(out, size, "exit %d", WEXITSTATUS(status));
	return out;
}
