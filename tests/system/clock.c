/*
 * clock.c - whose wall clock is off by as many seconds as a file says
 *
 * PB_CLOCK names the file; while there is none, the clock is right.
 */
#include "tests/lib/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

time_t
clock_off_s(void)
{
	const char *path = getenv("PB_CLOCK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char text[32];
	ssize_t n;

	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return (time_t)atoll(text);
}
