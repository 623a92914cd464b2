/*
 * archive.c - two rings that a supervisor may die in
 *
 * The entry first, between two stores of its turn; the count after, as in
 * ipc/recorder.c.
 */
#include "supervisor/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/seals.h"

#define ARCHIVE_MAGIC UINT32_C(0x50424831) /* "1HBP" in memory */
#define ARCHIVE_SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define NUMBER_MAX (UINT64_MAX / 4) /* of entries: nobody counts so far */

struct second_entry {
	_Atomic uint64_t turn;
	struct archive_key key;
	struct recorder_second second;
};

struct event_entry {
	_Atomic uint64_t turn;
	struct archive_key key;
	struct recorder_event event;
};

struct map {
	uint32_t magic;
	uint32_t layout;
	uint64_t size;
	_Atomic uint64_t seconds, events, recordings; /* ever; the next one's number */
	struct second_entry second[ARCHIVE_SECONDS];
	struct event_entry event[ARCHIVE_EVENTS];
};

_Static_assert(sizeof(struct archive_key) % 8 == 0 && sizeof(struct map) <= (size_t)16 << 20,
    "builds share the bytes of one layout; and it is not to grow by accident");

struct archive {
	int fd;
	struct map *map;
};

static int
archive_new(int fd, struct archive **out)
{
	struct archive *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return PB_ENOMEM;
	a->map = mmap(NULL, sizeof(*a->map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (a->map == MAP_FAILED) {
		free(a);
		return PB_ESYS;
	}
	a->fd = fd;
	*out = a;
	return 0;
}

int
archive_create(struct archive **out)
{
	int fd = memfd_create("plexbridge-history", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err = PB_ESYS, saved;

	if (fd == -1)
		return PB_ESYS;
	if (ftruncate(fd, sizeof(struct map)) == 0 && fcntl(fd, F_ADD_SEALS, ARCHIVE_SEALS) == 0)
		err = archive_new(fd, out);
	if (err != 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return err;
	}
	(*out)->map->magic = ARCHIVE_MAGIC;
	(*out)->map->layout = ARCHIVE_LAYOUT;
	(*out)->map->size = sizeof(struct map);
	return 0;
}

int
archive_open(int fd, struct archive **out)
{
	struct {
		uint32_t magic, layout;
		uint64_t size;
	} head;
	struct stat st;

	if (!seals_hold(fd, ARCHIVE_SEALS) || fstat(fd, &st) == -1 ||
	    pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || head.magic != ARCHIVE_MAGIC)
		return PB_EPEER;
	if (head.layout != ARCHIVE_LAYOUT)
		return PB_NO;
	if (head.size != sizeof(struct map) || st.st_size != (off_t)sizeof(struct map))
		return PB_EPEER;
	return archive_new(fd, out);
}

int
archive_fd(const struct archive *a)
{
	return a->fd;
}

void
archive_free(struct archive **archive)
{
	struct archive *a = *archive;

	if (a == NULL)
		return;
	munmap(a->map, sizeof(*a->map));
	close(a->fd);
	free(a);
	*archive = NULL;
}

static uint64_t
count(const _Atomic uint64_t *of)
{
	return PB_MIN(atomic_load_explicit(of, memory_order_acquire), NUMBER_MAX);
}

uint64_t
archive_number(struct archive *a)
{
	uint64_t number = count(&a->map->recordings) + 1;

	atomic_store_explicit(&a->map->recordings, number, memory_order_release);
	return number;
}

static void
turn_begin(_Atomic uint64_t *turn, uint64_t n)
{
	atomic_store_explicit(turn, 2 * n + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void
turn_end(_Atomic uint64_t *turn, _Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(turn, 2 * n + 2, memory_order_release);
	atomic_store_explicit(counter, n + 1, memory_order_release);
}

void
archive_second_put(struct archive *a, const struct archive_key *key, const struct recorder_second *second)
{
	uint64_t n = count(&a->map->seconds);
	struct second_entry *e = &a->map->second[n % ARCHIVE_SECONDS];

	turn_begin(&e->turn, n);
	e->key = *key;
	e->key.at_ms = second->at_ms;
	e->second = *second;
	turn_end(&e->turn, &a->map->seconds, n);
}

void
archive_event_put(struct archive *a, const struct archive_key *key, const struct recorder_event *event)
{
	uint64_t n = count(&a->map->events);
	struct event_entry *e = &a->map->event[n % ARCHIVE_EVENTS];

	turn_begin(&e->turn, n);
	e->key = *key;
	e->key.at_ms = event->at_ms;
	e->event = *event;
	turn_end(&e->turn, &a->map->events, n);
}

void
archive_seconds_range(const struct archive *a, uint64_t *first, uint64_t *end)
{
	*end = count(&a->map->seconds);
	*first = *end > ARCHIVE_SECONDS ? *end - ARCHIVE_SECONDS : 0;
}

void
archive_events_range(const struct archive *a, uint64_t *first, uint64_t *end)
{
	*end = count(&a->map->events);
	*first = *end > ARCHIVE_EVENTS ? *end - ARCHIVE_EVENTS : 0;
}

/* Nobody else writes: an entry is whole if its turn says so. */
static bool
is_whole(const _Atomic uint64_t *turn, uint64_t n)
{
	return atomic_load_explicit(turn, memory_order_acquire) == 2 * n + 2;
}

static void
get_key(struct archive_key *to, const struct archive_key *from)
{
	*to = *from;
	to->guide_number[sizeof(to->guide_number) - 1] = '\0';
}

bool
archive_second_get(const struct archive *a, uint64_t n, struct archive_key *key, struct recorder_second *second)
{
	const struct second_entry *e = &a->map->second[n % ARCHIVE_SECONDS];

	if (!is_whole(&e->turn, n))
		return false;
	get_key(key, &e->key);
	if (second != NULL) {
		*second = e->second;
		recorder_second_bound(second);
	}
	return true;
}

bool
archive_event_get(const struct archive *a, uint64_t n, struct archive_key *key, struct recorder_event *event)
{
	const struct event_entry *e = &a->map->event[n % ARCHIVE_EVENTS];

	if (!is_whole(&e->turn, n))
		return false;
	get_key(key, &e->key);
	if (event != NULL) {
		*event = e->event;
		recorder_event_bound(event);
	}
	return true;
}
