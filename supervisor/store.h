/*
 * store.h - the descriptors that plexbridge-keeper holds
 *
 * Descriptor i of the store is number STORE_FIRST + i of the process, always:
 * the kernel gives new ones the lowest free number, which is the next in
 * the row, and the last one fills a gap. So a child finds all of them where
 * sd_listen_fds(3) puts them, without a move, and none can be left open and
 * forgotten. Whoever uses a store has its other descriptors above it.
 *
 *   names     several may have one name; NOTIFY_NAME bytes at most (notify.h)
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_STORE_H
#define PLEXBRIDGE_SUPERVISOR_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "supervisor/notify.h"

#define STORE_FIRST 3

struct store {
	size_t count, max, name_bytes;
	char (*names)[NOTIFY_NAME + 1];
};

/* Room for max. 0 or PB_ENOMEM. */
int store_init(struct store *store, size_t max);

/* Take fd. 0; PB_ELIMIT: full; PB_EFORMAT: no such name; PB_ESYS. It is closed then. */
int store_keep(struct store *store, const char *name, int fd);

/* Close all of that name. 0 or PB_ESYS. */
int store_forget(struct store *store, const char *name);

/* Between fork and exec: set LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID for this process. 0 or PB_ENOMEM. */
int store_environ(const struct store *store);

#endif
