/*
 * fault.c - die or misbehave where the test says, once
 */
#include "base/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORD 32
#define MOUTHFUL (1 << 20)

/* An endless loop as the compiler may not leave it out. */
static _Noreturn void
spin(void)
{
	for (volatile unsigned n = 0;; n++)
		;
}

/* Each piece is kept by nobody: the process ends with the last one. RLIMIT_DATA counts what was asked for. */
static _Noreturn void
eat(void)
{
	const struct timespec chew = { .tv_nsec = 1000000 };
	void *p;

	while ((p = malloc(MOUTHFUL)) != NULL) {
		memset(p, 0xa5, MOUTHFUL / 16);
		(void)nanosleep(&chew, NULL);
	}
	abort();
}

void
fault_point(const char *point)
{
	static char last_id[WORD];
	static unsigned long passed;
	const char *path = getenv("PB_FAULT_FILE");
	char text[4 * WORD] = "", name[WORD], id[WORD], how[WORD] = "";
	unsigned long count;
	ssize_t n;
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd == -1)
		return;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0 || sscanf(text, "%31s %lu %31s %31s", name, &count, id, how) < 3 || strcmp(name, point) != 0)
		return;
	if (strcmp(id, last_id) != 0) {
		memcpy(last_id, id, sizeof(last_id));
		passed = 0;
	}
	if (++passed < count)
		return;
	if (strcmp(how, "abort") == 0)
		abort();
	if (unlink(path) != 0)
		return; /* somebody else was first */
	if (strcmp(how, "spin") == 0)
		spin();
	if (strcmp(how, "eat") == 0)
		eat();
	raise(SIGKILL);
}
