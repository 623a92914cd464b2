/*
 * fault.c - die where the test says, once
 */
#include "base/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD 32

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
	if (unlink(path) == 0)
		raise(SIGKILL);
}
