/*
 * blob.h - bytes that are written once and then shared
 *
 * A lineup of ten thousand channels is a megabyte; a thousand clients that
 * ask for it at once hold one copy. Nobody changes a blob after it was
 * made. One process, one thread: the count is a plain number.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_BLOB_H
#define PLEXBRIDGE_SUPERVISOR_BLOB_H

#include <stddef.h>

struct blob {
	unsigned refs;
	size_t *account; /* NULL, or where len is added up while this blob lives */
	size_t len;
	char data[]; /* len bytes and a NUL that does not count */
};

/* A copy of len bytes, with one reference, the caller's. NULL when there is no memory. */
struct blob *blob_new(const void *data, size_t len);

/* One more reference. Gives blob itself. */
struct blob *blob_ref(struct blob *blob);

/* Give one reference back and leave NULL; the last one ends the blob. A NULL inside is fine. */
void blob_drop(struct blob **blob);

/* Add this blob's length to *account until it ends. account must live as long. */
void blob_charge(struct blob *blob, size_t *account);

#endif
