/*
 * standstill.c - for how long did this machine let nobody run?
 *
 * usage: standstill FILE
 *
 * A thread on each processor wants to run a hundred times a second and
 * does nothing then. FILE holds one line: the most milliseconds that one of
 * them came too late, so far. What a processor that its host took away, or a
 * queue of other tests, did to every process there is in it; what a bridge did
 * to its own viewers is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS 10000000
#define STACK_BYTES 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static double worst_ms = -1;
static int file = -1;

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* One write of one length: a reader never sees half of it. */
static void
note(double ms)
{
	char line[16];

	pthread_mutex_lock(&lock);
	if (ms > worst_ms) {
		worst_ms = ms;
		snprintf(line, sizeof(line), "%10.3f\n", ms);
		if (pwrite(file, line, strlen(line), 0) == -1)
			exit(1);
	}
	pthread_mutex_unlock(&lock);
}

static void *
look(void *arg)
{
	int64_t due_ns = now_ns();

	(void)arg;
	for (;;) {
		struct timespec due;

		due_ns += PERIOD_NS;
		due.tv_sec = due_ns / 1000000000;
		due.tv_nsec = due_ns % 1000000000;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
			;
		note((double)(now_ns() - due_ns) / 1e6);
		due_ns = now_ns(); /* the disk below the file may be slow */
	}
	return NULL;
}

static int
look_from(int cpu)
{
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t one;
	int err;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	err = pthread_attr_init(&attr);
	if (err == 0)
		err = pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (err == 0)
		err = pthread_attr_setaffinity_np(&attr, sizeof(one), &one);
	if (err == 0)
		err = pthread_create(&thread, &attr, look, NULL);
	return err;
}

int
main(int argc, char **argv)
{
	pid_t parent = getppid();
	cpu_set_t mine;
	int err = 0;

	if (argc != 2) {
		fputs("usage: standstill FILE\n", stderr);
		return 2;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1 || getppid() != parent)
		return 1;
	file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (file == -1 || sched_getaffinity(0, sizeof(mine), &mine) == -1) {
		fprintf(stderr, "standstill: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	note(0);
	for (int cpu = 0; cpu < CPU_SETSIZE && err == 0; cpu++)
		if (CPU_ISSET(cpu, &mine))
			err = look_from(cpu);
	if (err != 0) {
		fprintf(stderr, "standstill: %s\n", strerror(err));
		return 1;
	}
	for (;;)
		pause();
}
