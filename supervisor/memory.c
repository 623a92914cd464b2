/*
 * memory.c - limits as /proc/self/cgroup and the cgroup file systems tell them
 *
 * A limit may stand at any level above ours, so all of them are read. A
 * container that has its own cgroup namespace sees itself at "/".
 */
#include "supervisor/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"

/* A number alone in a file; UINT64_MAX for "max", for no file, and for what is no number. */
static uint64_t
read_limit(const char *path)
{
	char text[64];
	char *end;
	FILE *f = fopen(path, "re");
	unsigned long long v;

	if (f == NULL)
		return UINT64_MAX;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	errno = 0;
	v = strtoull(text, &end, 10);
	return end == text || errno != 0 ? UINT64_MAX : v;
}

/* The smallest limit of a folder and all above it, up to base. */
static uint64_t
smallest(const char *base, const char *folder, const char *file)
{
	char dir[PATH_MAX], path[PATH_MAX + 64];
	uint64_t least = UINT64_MAX;
	size_t base_len = strlen(base);

	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", base, folder) >= sizeof(dir))
		return least;
	for (;;) {
		uint64_t limit;
		char *slash;

		snprintf(path, sizeof(path), "%s/%s", dir, file);
		limit = read_limit(path);
		least = PB_MIN(least, limit);
		slash = strrchr(dir, '/');
		if (slash == NULL || (size_t)(slash - dir) < base_len)
			return least;
		*slash = '\0';
	}
}

static uint64_t
cgroup_limit(const char *root)
{
	char path[PATH_MAX], v1[PATH_MAX], v2[PATH_MAX];
	char line[PATH_MAX];
	uint64_t least = UINT64_MAX;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	snprintf(v2, sizeof(v2), "%s/sys/fs/cgroup", root);
	snprintf(v1, sizeof(v1), "%s/sys/fs/cgroup/memory", root);
	f = fopen(path, "re");
	if (f == NULL)
		return least;
	while (fgets(line, sizeof(line), f) != NULL) { /* "0::/a/b", "5:memory:/a/b" */
		char *controllers = strchr(line, ':');
		char *folder = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		uint64_t limit = UINT64_MAX;

		if (folder == NULL)
			continue;
		*folder++ = '\0';
		folder[strcspn(folder, "\n")] = '\0';
		if (strcmp(controllers, ":") == 0)
			limit = smallest(v2, folder, "memory.max");
		else if (strstr(controllers, "memory") != NULL)
			limit = smallest(v1, folder, "memory.limit_in_bytes");
		least = PB_MIN(least, limit);
	}
	fclose(f);
	return least;
}

uint64_t
memory_available(const char *root)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : UINT64_MAX;
	uint64_t cgroup = cgroup_limit(root);

	return PB_MIN(machine, cgroup);
}

bool
memory_anonymous(const char *root, pid_t pid, uint64_t *bytes)
{
	char path[PATH_MAX], text[4096];
	unsigned long long kib;
	const char *line;
	ssize_t n;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/proc/%d/status", root, (int)pid) >= sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	line = strstr(text, "\nRssAnon:");
	if (line == NULL || sscanf(line, "\nRssAnon: %llu kB", &kib) != 1 || kib > UINT64_MAX / 1024)
		return false;
	*bytes = kib * 1024;
	return true;
}
