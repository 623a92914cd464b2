/*
 * listen.h - listening sockets, and what comes in through them
 *
 * Binding and accepting are apart: sockets are bound early, by root if need
 * be, and handed on (to a successor too); accepting begins when there is
 * somebody to answer. All sockets are non-blocking and close-on-exec.
 *
 * One turn of the loop accepts at most LISTEN_BATCH connections of a
 * socket, so that a flood can't starve the streams. When the process is out
 * of descriptors the connection in front is taken with a spare one and
 * closed, and accepting rests for LISTEN_REST_MS: the others wait in the
 * kernel's queue.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_LISTEN_H
#define PLEXBRIDGE_SUPERVISOR_LISTEN_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "config/config.h"
#include "supervisor/addr.h"

#define LISTEN_BACKLOG 4096
#define LISTEN_MAX 40 /* sockets of one listen */
#define LISTEN_BATCH 64
#define LISTEN_REST_MS 100

struct listen;

/*
 * Bind and listen on all addresses, or none. fds[i] belongs to addrs->at[i]
 * and to the caller. An IPv6 wildcard also takes IPv4, unless the list has
 * an IPv4 wildcard with the same port. SO_REUSEADDR, so that a restart can
 * bind at once.
 * 0, or PB_ESYS with errno set and why[why_size] naming address and reason.
 */
int listen_bind(const struct config_addrs *addrs, int fds[CONFIG_LISTEN_MAX], char *why, size_t why_size);

/*
 * Bind a Unix socket at path with the rights mode (0660), owned by the group
 * gid unless that is (gid_t)-1. A socket that nobody listens on any more is
 * replaced; one that answers is EADDRINUSE; anything else at that path is
 * left alone (EEXIST). Gives *fd. Does not make folders. 0 or PB_ESYS as above.
 */
int listen_bind_unix(const char *path, mode_t mode, gid_t gid, int *fd, char *why, size_t why_size);

/*
 * Accept on fds (count at most LISTEN_MAX) and call accepted() for
 * each connection: fd is taken by it, peer is borrowed. Takes the fds on
 * success. Gives *out; listen_free() ends it and closes the fds.
 * 0, PB_ENOMEM, PB_ESYS.
 */
int listen_start(struct listen **out, struct ev_loop *loop, const int *fds, size_t count,
    void (*accepted)(void *arg, int fd, const struct addr *peer), void *arg);

/* Out of descriptors, and resting. */
bool listen_resting(const struct listen *listen);

/* Accept nothing until false is said: connections wait in the kernel's queue. */
void listen_pause(struct listen *listen, bool paused);

/* End it, close the sockets, leave NULL. A NULL inside is fine. */
void listen_free(struct listen **listen);

#endif
