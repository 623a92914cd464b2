/*
 * recorder.c - two rings that a writer may die in
 *
 * The entry first, between two stores of its turn; the count after. So a
 * writer that dies leaves at most one torn entry behind, just past the count,
 * where its successor writes first.
 */
#include "ipc/recorder.h"

#include <string.h>
#include <syslog.h>
#include <time.h>

#include "base/pb.h"

_Static_assert(sizeof(struct recorder_second) % 8 == 0 && sizeof(struct recorder_event) % 8 == 0,
    "readers in other processes map the same bytes: no padding that a compiler chooses");

int64_t
recorder_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
turn_begin(_Atomic uint64_t *turn, uint64_t n)
{
	atomic_store_explicit(turn, 2 * n + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* nobody sees the new bytes under the old turn */
}

static void
turn_end(_Atomic uint64_t *turn, uint64_t n)
{
	atomic_store_explicit(turn, 2 * n + 2, memory_order_release);
}

void
recorder_second_put(struct recorder *r, const struct recorder_second *second)
{
	uint64_t n = atomic_load_explicit(&r->seconds, memory_order_relaxed);

	turn_begin(&r->second[n % RECORDER_SECONDS].turn, n);
	r->second[n % RECORDER_SECONDS].second = *second;
	turn_end(&r->second[n % RECORDER_SECONDS].turn, n);
	atomic_store_explicit(&r->seconds, n + 1, memory_order_release);
}

/* As much as fits, whole characters only; the rest of out is zero. */
static void
put_text(char *out, size_t size, const char *text)
{
	size_t len = strnlen(text, size);

	if (len == size)
		for (len = size - 1; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
			len--;
	memcpy(out, text, len);
	memset(out + len, 0, size - len);
}

void
recorder_event_put(struct recorder *r, int level, const char *name, const char *text)
{
	uint64_t n = atomic_load_explicit(&r->events, memory_order_relaxed);
	struct recorder_event *e = &r->event[n % RECORDER_EVENTS].event;

	turn_begin(&r->event[n % RECORDER_EVENTS].turn, n);
	e->at_ms = recorder_now_ms();
	e->level = level;
	e->spare = 0;
	put_text(e->name, sizeof(e->name), name);
	put_text(e->text, sizeof(e->text), text);
	turn_end(&r->event[n % RECORDER_EVENTS].turn, n);
	atomic_store_explicit(&r->events, n + 1, memory_order_release);
}

static void
range(const _Atomic uint64_t *count, uint64_t size, uint64_t *first, uint64_t *end)
{
	*end = PB_MIN(atomic_load_explicit(count, memory_order_acquire), UINT64_MAX / 4);
	*first = *end > size ? *end - size : 0;
}

void
recorder_seconds_range(const struct recorder *r, uint64_t *first, uint64_t *end)
{
	range(&r->seconds, RECORDER_SECONDS, first, end);
}

void
recorder_events_range(const struct recorder *r, uint64_t *first, uint64_t *end)
{
	range(&r->events, RECORDER_EVENTS, first, end);
}

/* Copy an entry out; true when its turn says that it was n's and whole all the while. */
static bool
get(const _Atomic uint64_t *turn, uint64_t n, void *out, const void *entry, size_t size)
{
	if (atomic_load_explicit(turn, memory_order_acquire) != 2 * n + 2)
		return false;
	memcpy(out, entry, size);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(turn, memory_order_relaxed) == 2 * n + 2;
}

void
recorder_second_bound(struct recorder_second *second)
{
	second->listed = PB_MIN(second->listed, (uint32_t)RECORDER_CLIENTS);
}

bool
recorder_second_get(const struct recorder *r, uint64_t n, struct recorder_second *out)
{
	if (!get(&r->second[n % RECORDER_SECONDS].turn, n, out, &r->second[n % RECORDER_SECONDS].second, sizeof(*out)))
		return false;
	recorder_second_bound(out);
	return true;
}

static void
bound_text(char *s, size_t size)
{
	s[size - 1] = '\0';
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void
recorder_event_bound(struct recorder_event *e)
{
	bound_text(e->name, sizeof(e->name));
	bound_text(e->text, sizeof(e->text));
	e->level = PB_MAX(LOG_ERR, PB_MIN(LOG_DEBUG, e->level));
	if (e->level == LOG_NOTICE) /* the log has none */
		e->level = LOG_INFO;
}

bool
recorder_event_get(const struct recorder *r, uint64_t n, struct recorder_event *out)
{
	if (!get(&r->event[n % RECORDER_EVENTS].turn, n, out, &r->event[n % RECORDER_EVENTS].event, sizeof(*out)))
		return false;
	recorder_event_bound(out);
	return true;
}
