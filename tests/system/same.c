/*
 * same.c - are these slices of one stream?
 *
 *   same TAP FILE...
 *       Viewers of one stream get slices of the same bytes, each from where
 *       it came in. So each FILE's first bytes are in TAP (or TAP's in it),
 *       and from there on both are equal as far as both go. Says where they
 *       differ, and how many bytes were compared. Exit 0 or 1.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"

#define PACKET 188
#define BEGINNING (64 * (size_t)PACKET) /* so much is nowhere else in the stream: counters and clocks are in it */

struct file {
	const char *name;
	const uint8_t *data;
	size_t len;
};

static bool
file_read(struct file *f, const char *name)
{
	struct stat st;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	void *data = MAP_FAILED;

	if (fd != -1 && fstat(fd, &st) == 0 && st.st_size > 0)
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd != -1)
		close(fd);
	if (data == MAP_FAILED) {
		printf("%s: can't be read, or is empty\n", name);
		return false;
	}
	f->name = name;
	f->data = data;
	f->len = (size_t)st.st_size;
	return f->len >= BEGINNING || (printf("%s: too short to tell\n", name), false);
}

/* Where b begins in a, or (size_t)-1. */
static size_t
find(const struct file *a, const struct file *b)
{
	const uint8_t *at = memmem(a->data, a->len, b->data, BEGINNING);

	return at == NULL ? (size_t)-1 : (size_t)(at - a->data);
}

static bool
compare(const struct file *tap, const struct file *f, uint64_t *compared)
{
	const struct file *early = tap, *late = f;
	size_t at = find(early, late), n;

	if (at == (size_t)-1) {
		early = f;
		late = tap;
		at = find(early, late);
	}
	if (at == (size_t)-1 || at % PACKET != 0) {
		printf("%s: its beginning is not in %s\n", f->name, tap->name);
		return false;
	}
	n = PB_MIN(early->len - at, late->len);
	*compared += n;
	if (memcmp(early->data + at, late->data, n) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (early->data[at + i] != late->data[i]) {
			printf("%s: from byte %zu of %zu on it is not what %s has\n", late->name, i, n, early->name);
			break;
		}
	return false;
}

int
main(int argc, char **argv)
{
	struct file tap, f;
	uint64_t compared = 0;
	bool good = true;

	if (argc < 3 || !file_read(&tap, argv[1]))
		return 1;
	for (int i = 2; i < argc; i++)
		if (!file_read(&f, argv[i]) || !compare(&tap, &f, &compared))
			good = false;
	printf("%d files, %llu bytes compared\n", argc - 1, (unsigned long long)compared);
	return good ? 0 : 1;
}
