/*
 * quarantine.c - a folder of a bounded number of files
 */
#include "supervisor/quarantine.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"

#define ENTRIES_MAX 4096 /* read of a folder that holds other things, too */
#define PRUNE_MAX 64 /* at once: no more than that many can be too many, but for somebody's help */
#define STAMP "dddddddd#dddddd#-" /* d: a digit, #: a capital */

bool
quarantine_is_ours(const char *name)
{
	size_t len = strlen(name), stamp = sizeof(STAMP) - 1;

	if (len < stamp + sizeof("1-0.ts") - 1 || len >= QUARANTINE_NAME || strcmp(name + len - 3, ".ts") != 0)
		return false;
	for (size_t i = 0; i < stamp; i++) {
		unsigned char c = (unsigned char)name[i];

		if (STAMP[i] == 'd' ? !isdigit(c) : STAMP[i] == '#' ? c != 'T' && c != 'Z' : c != '-')
			return false;
	}
	return true;
}

/* How many are there, and which is the oldest? Its name begins with when it was made. */
static size_t
count(int dir_fd, char oldest[QUARANTINE_NAME])
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	size_t n = 0, read = 0;

	oldest[0] = '\0';
	if (dir == NULL) {
		if (fd != -1)
			close(fd);
		return 0;
	}
	while (read++ < ENTRIES_MAX && (entry = readdir(dir)) != NULL) {
		if (!quarantine_is_ours(entry->d_name))
			continue;
		n++;
		if (oldest[0] == '\0' || strcmp(entry->d_name, oldest) < 0)
			memcpy(oldest, entry->d_name, strlen(entry->d_name) + 1); /* ours, so it fits */
	}
	(void)closedir(dir);
	return n;
}

static void
prune(int dir_fd)
{
	char oldest[QUARANTINE_NAME];

	for (int i = 0; i < PRUNE_MAX && count(dir_fd, oldest) >= QUARANTINE_FILES; i++)
		if (unlinkat(dir_fd, oldest, 0) == -1)
			return;
}

int
quarantine_open(
    const char *dir, const char *guide_number, uint64_t segment, time_t now, int *out, char name[QUARANTINE_NAME])
{
	int dir_fd, fd, saved;
	char stamp[32], channel[24];
	struct tm tm;
	size_t n = 0;

	if (gmtime_r(&now, &tm) == NULL || strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) == 0) {
		errno = EINVAL;
		return PB_ESYS;
	}
	/* A GuideNumber is digits and a dot anyway; a path is not the place to rely on it. */
	for (const char *p = guide_number; *p != '\0' && n < sizeof(channel) - 1; p++)
		channel[n++] = isalnum((unsigned char)*p) || *p == '.' ? *p : '_';
	channel[n] = '\0';
	snprintf(name, QUARANTINE_NAME, "%s-%s-%" PRIu64 ".ts", stamp, channel, segment);

	if (mkdir(dir, 0750) == -1 && errno != EEXIST)
		return PB_ESYS;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd == -1)
		return PB_ESYS;
	prune(dir_fd);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
	saved = errno;
	close(dir_fd);
	errno = saved;
	if (fd == -1)
		return PB_ESYS;
	*out = fd;
	return 0;
}
