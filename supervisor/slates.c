/*
 * slates.c - a folder, read once for each worker
 */
#include "supervisor/slates.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"

#define ENTRIES_MAX 4096 /* read of a folder that holds other things, too */
#define NAME_LEN 256

/* The MSG_SLATES_MAX first names, in their order. */
struct names {
	char at[MSG_SLATES_MAX][NAME_LEN];
	size_t n;
};

static void
insert(struct names *names, const char *name)
{
	size_t len = strlen(name), at = names->n;

	if (len < 4 || len >= NAME_LEN || name[0] == '.' || strcmp(name + len - 3, ".ts") != 0)
		return;
	while (at > 0 && strcmp(name, names->at[at - 1]) < 0)
		at--;
	if (at == MSG_SLATES_MAX)
		return;
	if (names->n < MSG_SLATES_MAX)
		names->n++;
	memmove(names->at[at + 1], names->at[at], (names->n - 1 - at) * NAME_LEN);
	memcpy(names->at[at], name, len + 1);
}

static int
open_one(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= (off_t)SLATES_BYTES_MAX)
		return fd;
	close(fd);
	return -1;
}

size_t
slates_open(const char *dir, const char *state_dir, int fds[MSG_SLATES_MAX])
{
	struct names *names = calloc(1, sizeof(*names));
	char path[PATH_MAX];
	const struct dirent *entry;
	size_t n = 0, read = 0;
	DIR *d = NULL;

	if (dir == NULL && (size_t)snprintf(path, sizeof(path), "%s/slates", state_dir) < sizeof(path))
		dir = path;
	if (names != NULL && dir != NULL)
		d = opendir(dir);
	while (d != NULL && read++ < ENTRIES_MAX && (entry = readdir(d)) != NULL)
		insert(names, entry->d_name);
	for (size_t i = 0; d != NULL && i < names->n; i++) {
		fds[n] = open_one(dirfd(d), names->at[i]);
		n += fds[n] != -1;
	}
	if (d != NULL)
		(void)closedir(d);
	free(names);
	return n;
}
