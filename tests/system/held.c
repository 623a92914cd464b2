/*
 * held.c - a supervisor that does nothing but have its descriptors held
 *
 *	held FOLDER
 *
 * The Nth time it is started it does what FOLDER/script.N says, a command a
 * line, and writes what it sees to FOLDER/log. The first lines of a life:
 *
 *	start N uid=U            has NAME=TEXT, for each descriptor that was held
 *	orphan dead|alive        when an earlier life left FOLDER/orphan behind
 *
 *	store NAME TEXT    a memfd with that text          forget NAME
 *	many COUNT         so many of /dev/null            barrier
 *	ready              status TEXT                     both NAME TEXT
 *	foreign NAME TEXT  a child says it, not we         orphan
 *	mainpid            a child goes on in our place, and we exit 0
 *	mainlost           the same, but the child dies at once, and we wait for it ourselves before we exit 0
 *	drop               give root up, as plexbridged does
 *	worker             become a worker in a child, and say who that is
 *	exit N   die       wait: for signals; exit 0 at SIGTERM
 */
#include <bsd/stdlib.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pb.h"
#include "supervisor/notify.h"
#include "supervisor/privs.h"

static struct ev_loop *loop;
static struct notify *notify;
static const char *folder;
static int log_fd;

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void
tell(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	n = PB_MIN(n, (int)sizeof(line) - 2);
	line[n++] = '\n';
	if (write(log_fd, line, (size_t)n) != n)
		exit(90);
}

static _Noreturn void
give_up(const char *what, int err)
{
	tell("failed %s: %s, %s", what, pb_strerror(err), strerror(errno));
	exit(PB_EXIT_PERMANENT);
}

static FILE *
open_in(const char *name, const char *mode)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return fopen(path, mode);
}

static void
on_done(void *user, int err)
{
	tell("barrier %d", err);
	*(bool *)user = true;
}

static void
barrier(void)
{
	bool done = false;
	int err;

	/* What was stored before may still fill the queue. */
	while ((err = notify_barrier(notify, 10.0, on_done, &done)) == PB_ELIMIT)
		ev_run(loop, EVRUN_ONCE);
	if (err != 0)
		give_up("barrier", err);
	while (!done)
		ev_run(loop, EVRUN_ONCE);
}

static void
store(const char *name, const char *text)
{
	int fd = memfd_create("held", MFD_CLOEXEC);
	int err;

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		give_up("memfd", PB_ESYS);
	err = notify_store(notify, name, fd);
	if (err != 0)
		give_up("store", err);
	close(fd);
}

static void
store_many(int count)
{
	char name[NOTIFY_NAME + 1];

	for (int i = 0; i < count; i++) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* one each: systemd keeps what is the same once */
		int err;

		/* The holder may be slower than we are. */
		while (snprintf(name, sizeof(name), "m%x", i),
		    (err = notify_store(notify, name, fd)) == PB_ELIMIT && notify_stored(notify) < NOTIFY_STORE_MAX)
			ev_run(loop, EVRUN_ONCE);
		if (err != 0)
			give_up("store", err);
		close(fd);
	}
}

static void
foreign(const char *name, const char *text)
{
	pid_t pid = fork();

	if (pid == 0) {
		store(name, text);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

/* It leaves our group and our session, and listens to nothing but SIGKILL. */
static void
orphan(void)
{
	int pipe_fds[2];
	char byte = 0;
	FILE *f;

	if (pipe(pipe_fds) == -1)
		give_up("pipe", PB_ESYS);
	if (fork() == 0) {
		sigset_t all;

		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		setsid();
		f = open_in("orphan", "w");
		fprintf(f, "%d\n", (int)getpid());
		fclose(f);
		(void)!write(pipe_fds[1], &byte, 1);
		for (;;)
			pause();
	}
	(void)!read(pipe_fds[0], &byte, 1);
}

static void
mainpid(void)
{
	int pipe_fds[2];
	char byte;
	pid_t pid;

	if (pipe(pipe_fds) == -1)
		give_up("pipe", PB_ESYS);
	pid = fork();
	if (pid == 0) {
		close(pipe_fds[1]);
		ev_loop_fork(loop);
		(void)!read(pipe_fds[0], &byte, 1); /* its end: the one before is gone */
		tell("main");
		return;
	}
	(void)notify_mainpid(notify, pid);
	barrier();
	exit(0);
}

static void
mainlost(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	(void)notify_mainpid(notify, pid);
	barrier();
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	exit(0);
}

static struct privs privs;

static void
drop(void)
{
	const char *why = "";

	if (privs_resolve(&privs, "nobody", "daemon", &why) != 0 || privs_drop(&privs) != 0)
		give_up(why, PB_ESYS);
	tell("dropped uid=%d root=%d heir=%d", (int)getuid(), privs.root, privs.heir);
}

static void
worker(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (privs_become_worker(&privs) != 0)
			give_up("worker", PB_ESYS);
		tell("worker uid=%d back=%d", (int)getuid(), setuid(0) == 0);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

static _Noreturn void
wait_signals(void)
{
	static const int sigs[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
	sigset_t set;
	int sig;

	sigemptyset(&set);
	for (size_t i = 0; i < NITEMS(sigs); i++)
		sigaddset(&set, sigs[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	tell("waiting");
	for (;;) {
		if (sigwait(&set, &sig) != 0)
			continue;
		tell("signal %s", sigabbrev_np(sig));
		if (sig == SIGTERM || sig == SIGINT)
			exit(0);
	}
}

static void
obey(char *line)
{
	const char *word[3] = { "", "", "" };

	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < NITEMS(word) && line != NULL; i++)
		word[i] = strsep(&line, " ");
	if (strcmp(word[0], "store") == 0)
		store(word[1], word[2]);
	else if (strcmp(word[0], "forget") == 0)
		(void)notify_forget(notify, word[1]);
	else if (strcmp(word[0], "many") == 0)
		store_many((int)strtonum(word[1], 1, NOTIFY_STORE_MAX, NULL));
	else if (strcmp(word[0], "barrier") == 0)
		barrier();
	else if (strcmp(word[0], "ready") == 0)
		(void)notify_ready(notify);
	else if (strcmp(word[0], "status") == 0)
		(void)notify_status(notify, "%s", word[1]);
	else if (strcmp(word[0], "foreign") == 0)
		foreign(word[1], word[2]);
	else if (strcmp(word[0], "orphan") == 0)
		orphan();
	else if (strcmp(word[0], "mainlost") == 0)
		mainlost();
	else if (strcmp(word[0], "mainpid") == 0)
		mainpid();
	else if (strcmp(word[0], "drop") == 0)
		drop();
	else if (strcmp(word[0], "worker") == 0)
		worker();
	else if (strcmp(word[0], "exit") == 0)
		exit((int)strtonum(word[1], 0, 255, NULL));
	else if (strcmp(word[0], "die") == 0)
		raise(SIGKILL);
	else if (strcmp(word[0], "wait") == 0)
		wait_signals();
	else if (word[0][0] != '\0')
		give_up(word[0], PB_NO);
}

/* Which life this is: the log has the earlier ones. */
static int
count_lives(void)
{
	FILE *f = open_in("log", "r");
	char line[512];
	int n = 1;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		n += strncmp(line, "start ", 6) == 0;
	if (f != NULL)
		fclose(f);
	return n;
}

static void
tell_held(const struct notify_held *held)
{
	size_t many = 0;

	for (size_t i = 0; i < held->count; i++) {
		char text[128];
		ssize_t n = pread(held->at[i].fd, text, sizeof(text) - 1, 0);

		if (held->at[i].name[0] == 'm') {
			many++;
			continue;
		}
		text[n > 0 ? n : 0] = '\0';
		tell("has %s=%s", held->at[i].name, text);
	}
	if (many > 0)
		tell("has-many %zu", many);
}

static void
tell_orphan(void)
{
	FILE *f = open_in("orphan", "r");
	char line[32];

	if (f == NULL)
		return;
	if (fgets(line, sizeof(line), f) != NULL)
		tell("orphan %s", kill((pid_t)strtol(line, NULL, 10), 0) == -1 && errno == ESRCH ? "dead" : "alive");
	fclose(f);
}

int
main(int argc, char **argv)
{
	struct notify_held held;
	char name[64], line[512];
	FILE *script;
	int err;

	if (argc != 2)
		return PB_EXIT_PERMANENT;
	folder = argv[1];
	snprintf(line, sizeof(line), "%s/log", folder);
	log_fd = open(line, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (log_fd == -1)
		return PB_EXIT_PERMANENT;
	snprintf(name, sizeof(name), "script.%d", count_lives());
	tell("start %s uid=%d", name + 7, (int)getuid());
	loop = ev_default_loop(0);
	err = notify_held_read(&held);
	if (err == 0)
		err = notify_new(&notify, loop, &held);
	if (err != 0)
		give_up("notify", err);
	tell_held(&held);
	tell_orphan();
	script = open_in(name, "r");
	if (script == NULL)
		give_up(name, PB_ESYS);
	while (fgets(line, sizeof(line), script) != NULL)
		obey(line);
	return 0;
}
