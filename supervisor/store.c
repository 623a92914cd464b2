/*
 * store.c - a row of descriptors without gaps
 */
#include "supervisor/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"

static bool
name_allowed(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == ':')
			return false;
	return len > 0 && len <= NOTIFY_NAME;
}

int
store_init(struct store *store, size_t max)
{
	memset(store, 0, sizeof(*store));
	store->max = max;
	store->names = calloc(max, sizeof(*store->names));
	return store->names == NULL ? PB_ENOMEM : 0;
}

/* Give the open descriptor fd the number `place`, which is below it and free. */
static int
move(int fd, int place)
{
	pb_assert(fd >= place);
	if (fd == place)
		return 0;
	return dup2(fd, place) == -1 || close(fd) == -1 ? PB_ESYS : 0;
}

int
store_keep(struct store *store, const char *name, int fd)
{
	size_t len = strlen(name);
	int err = 0;

	if (!name_allowed(name))
		err = PB_EFORMAT;
	else if (store->count == store->max || store->name_bytes + len + 1 > NOTIFY_NAMES_MAX)
		err = PB_ELIMIT;
	if (err != 0) {
		close(fd);
		return err;
	}
	if (move(fd, STORE_FIRST + (int)store->count) != 0)
		return PB_ESYS;
	memcpy(store->names[store->count++], name, len + 1);
	store->name_bytes += len + 1;
	return 0;
}

int
store_forget(struct store *store, const char *name)
{
	for (size_t i = 0; i < store->count;) {
		size_t last = store->count - 1;

		if (strcmp(store->names[i], name) != 0) {
			i++;
			continue;
		}
		store->name_bytes -= strlen(name) + 1;
		store->count--;
		close(STORE_FIRST + (int)i);
		if (i == last)
			break;
		memcpy(store->names[i], store->names[last], sizeof(store->names[i]));
		if (move(STORE_FIRST + (int)last, STORE_FIRST + (int)i) != 0)
			return PB_ESYS;
	}
	return 0;
}

int
store_environ(const struct store *store)
{
	char number[32];
	char *names, *p;
	int err = 0;

	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (store->count == 0)
		return 0;
	names = p = malloc(store->name_bytes);
	if (names == NULL)
		return PB_ENOMEM;
	for (size_t i = 0; i < store->count; i++) {
		size_t len = strlen(store->names[i]);

		memcpy(p, store->names[i], len);
		p += len;
		*p++ = i + 1 < store->count ? ':' : '\0';
	}
	err |= setenv("LISTEN_FDNAMES", names, 1);
	free(names);
	snprintf(number, sizeof(number), "%zu", store->count);
	err |= setenv("LISTEN_FDS", number, 1);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	err |= setenv("LISTEN_PID", number, 1);
	return err != 0 ? PB_ENOMEM : 0;
}
