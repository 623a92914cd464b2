/*
 * body.h - a small response body, collected within a bound
 *
 * Zeroed memory with max set is an empty one; data is the body's own, grows
 * as needed and always has a NUL after len bytes.
 */
#ifndef PLEXBRIDGE_WORKER_BODY_H
#define PLEXBRIDGE_WORKER_BODY_H

#include <stddef.h>

struct body {
	char *data; /* NULL while len is 0 */
	size_t len, cap, max;
};

/* 0, PB_ELIMIT (beyond max; nothing was appended), PB_ENOMEM. */
int body_append(struct body *body, const void *buf, size_t len);

/*
 * A body that is gzip though nobody said so (1f 8b) becomes what is inside,
 * within the same bound. 0 (also for one that is no gzip), PB_EFORMAT,
 * PB_ELIMIT, PB_ENOMEM.
 */
int body_gunzip(struct body *body);

/* Give the memory back; max stays. */
void body_clear(struct body *body);

#endif
