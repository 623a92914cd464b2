/*
 * learned.c - how the promise in learned.h is kept
 */
#include "supervisor/learned.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"

#define FILE_NAME "reserves"
#define FILE_MAX ((size_t)64 << 10)
#define PATH_LEN 4096

static struct learned_one *
find(struct learned *all, const char *guide_number)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->one[i].guide_number, guide_number) == 0)
			return &all->one[i];
	return NULL;
}

uint32_t
learned_of(const struct learned *all, const char *guide_number)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->one[i].guide_number, guide_number) == 0)
			return all->one[i].ms;
	return 0;
}

/* A place for a new one: a free one, or that of the one noted longest ago. */
static struct learned_one *
place(struct learned *all)
{
	struct learned_one *oldest = &all->one[0];

	if (all->count < LEARNED_CHANNELS)
		return &all->one[all->count++];
	for (size_t i = 1; i < all->count; i++)
		if (all->one[i].noted < oldest->noted)
			oldest = &all->one[i];
	return oldest;
}

void
learned_note(struct learned *all, const char *guide_number, uint32_t ms)
{
	struct learned_one *one = find(all, guide_number);

	ms = PB_MIN(ms, (uint32_t)LEARNED_MAX_MS);
	if (one == NULL && ms == 0)
		return;
	if (ms == 0) {
		*one = all->one[--all->count];
		all->changed = true;
		return;
	}
	if (one == NULL) {
		one = place(all);
		one->ms = 0;
		(void)strlcpy(one->guide_number, guide_number, sizeof(one->guide_number));
	}
	all->changed = all->changed || one->ms != ms;
	one->ms = ms;
	one->noted = ++all->clock;
}

/* "5.1", as a lineup has it: what else stands in a file is nobody's channel. */
static bool
is_number(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < GUIDE_NUMBER_MAX && strspn(text, "0123456789.") == len;
}

void
learned_read(struct learned *all, const char *text, size_t len)
{
	char line[64], *ms;

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end != NULL ? (size_t)(end - text) : len;

		if (n < sizeof(line)) {
			const char *wrong = NULL;
			long long value;

			memcpy(line, text, n);
			line[n] = '\0';
			ms = strchr(line, ' ');
			if (ms != NULL) {
				*ms++ = '\0';
				value = strtonum(ms, 1, LEARNED_MAX_MS, &wrong);
				if (wrong == NULL && is_number(line))
					learned_note(all, line, (uint32_t)value);
			}
		}
		n += end != NULL;
		text += n;
		len -= n;
	}
	all->changed = false;
}

static int
by_note(const void *a, const void *b)
{
	const struct learned_one *const *x = a, *const *y = b;

	return ((*x)->noted > (*y)->noted) - ((*x)->noted < (*y)->noted);
}

char *
learned_text(const struct learned *all, size_t *len)
{
	const struct learned_one **order = calloc(all->count + 1, sizeof(*order));
	char *text = NULL;
	FILE *out = order != NULL ? open_memstream(&text, len) : NULL;

	if (out == NULL) {
		free(order);
		return NULL;
	}
	for (size_t i = 0; i < all->count; i++)
		order[i] = &all->one[i];
	qsort(order, all->count, sizeof(*order), by_note);
	for (size_t i = 0; i < all->count; i++)
		fprintf(out, "%s %u\n", order[i]->guide_number, order[i]->ms);
	free(order);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

void
learned_load(struct learned *all, const char *state_dir)
{
	char path[PATH_LEN], *text;
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/" FILE_NAME, state_dir) >= (int)sizeof(path))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return; /* a first start */
	text = malloc(FILE_MAX);
	n = text != NULL ? read(fd, text, FILE_MAX) : -1;
	if (n > 0)
		learned_read(all, text, (size_t)n);
	free(text);
	close(fd);
}

/* Whole or not at all: written beside it, then put in its place. */
static bool
write_file(const char *state_dir, const char *text, size_t len)
{
	char path[PATH_LEN], beside[PATH_LEN];
	bool done;
	int fd;

	if (snprintf(path, sizeof(path), "%s/" FILE_NAME, state_dir) >= (int)sizeof(path) ||
	    snprintf(beside, sizeof(beside), "%s/" FILE_NAME ".new", state_dir) >= (int)sizeof(beside))
		return false;
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd == -1)
		return false;
	done = write(fd, text, len) == (ssize_t)len;
	done = close(fd) == 0 && done;
	return done && rename(beside, path) == 0;
}

void
learned_save(struct learned *all, const char *state_dir, double now_s)
{
	char *text;
	size_t len = 0;

	if (!all->changed || (all->saved_s > 0 && now_s - all->saved_s < LEARNED_SAVE_S))
		return;
	all->saved_s = now_s;
	text = learned_text(all, &len);
	if (text == NULL || !write_file(state_dir, text, len))
		log_event(LOG_DEBUG, "reserve.unsaved", "dir=%s", state_dir);
	else
		all->changed = false;
	free(text);
}
