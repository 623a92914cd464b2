/*
 * slot.c - files that are never written, only locked
 *
 * They are not removed: a lock on a file that has no name any more would
 * keep nobody from one of the same name.
 */
#include "supervisor/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"

#define FOLDER "slots"
#define NAME_SIZE 256 /* 63 bytes of a name, each as %XX, and a number */

int
slots_open(struct slots *slots, const char *state_dir)
{
	int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	slots->dir = -1;
	if (state == -1)
		return PB_ESYS;
	if (mkdirat(state, FOLDER, 0700) == 0 || errno == EEXIST)
		slots->dir = openat(state, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(state);
	return slots->dir == -1 ? PB_ESYS : 0;
}

void
slots_close(struct slots *slots)
{
	if (slots->dir != -1)
		close(slots->dir);
	slots->dir = -1;
}

/* A name may be any text: what is more than letters and digits is written as in URLs. */
static bool
file_name(char out[NAME_SIZE], const char *provider, int n)
{
	size_t at = 0;

	for (const unsigned char *p = (const unsigned char *)provider; *p != '\0'; p++) {
		bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
		    *p == '-' || *p == '_';

		if (at + 3 >= NAME_SIZE - 8)
			return false;
		at += (size_t)snprintf(out + at, NAME_SIZE - at, plain ? "%c" : "%%%02X", *p);
	}
	snprintf(out + at, NAME_SIZE - at, ".%d", n + 1);
	return true;
}

/* 0, PB_NO or PB_ESYS. */
static int
lock(int fd)
{
	int err;

	do
		err = flock(fd, LOCK_EX | LOCK_NB);
	while (err == -1 && errno == EINTR);
	if (err == 0)
		return 0;
	return errno == EWOULDBLOCK ? PB_NO : PB_ESYS;
}

static int
take_this(const struct slots *slots, const char *provider, int n, struct slot *out)
{
	char name[NAME_SIZE];
	int fd, err;

	if (slots->dir == -1 || !file_name(name, provider, n)) {
		errno = slots->dir == -1 ? ENOENT : ENAMETOOLONG;
		return PB_ESYS;
	}
	fd = openat(slots->dir, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return PB_ESYS;
	err = lock(fd);
	if (err != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return err;
	}
	*out = (struct slot){ .fd = fd, .n = n };
	return 0;
}

int
slot_take(const struct slots *slots, const char *provider, int max, int above, struct slot *out)
{
	struct slot got = { .fd = -1 };
	int used = above;

	for (int n = 0; n < max && used < max && (got.fd == -1 || above > 0); n++) {
		struct slot one = { .fd = -1 };
		int err = take_this(slots, provider, n, &one);

		if (err == PB_NO) {
			used++;
		} else if (err != 0) {
			slot_release(&got);
			return err;
		} else if (got.fd == -1) {
			got = one;
		} else {
			slot_release(&one);
		}
	}
	if (used >= max)
		slot_release(&got);
	if (got.fd == -1)
		return PB_NO;
	*out = got;
	return 0;
}

int
slot_adopt(const struct slots *slots, const char *provider, int fd, struct slot *out)
{
	char name[NAME_SIZE];
	struct stat is, there;

	if (fstat(fd, &is) == 0)
		for (int n = 0; n < SLOTS_MAX && file_name(name, provider, n); n++) {
			if (fstatat(slots->dir, name, &there, AT_SYMLINK_NOFOLLOW) != 0 || there.st_ino != is.st_ino ||
			    there.st_dev != is.st_dev)
				continue;
			if (lock(fd) != 0)
				break;
			*out = (struct slot){ .fd = fd, .n = n };
			return 0;
		}
	close(fd);
	return PB_NO;
}

void
slot_release(struct slot *slot)
{
	int saved = errno;

	if (slot->fd != -1) {
		(void)flock(slot->fd, LOCK_UN);
		close(slot->fd);
	}
	slot->fd = -1;
	errno = saved;
}
