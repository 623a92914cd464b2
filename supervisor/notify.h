/*
 * notify.h - what we say to whoever holds our descriptors
 *
 * The protocol is systemd's, as sd_notify(3) and sd_listen_fds(3) document
 * it: lines of KEY=VALUE in datagrams to $NOTIFY_SOCKET, descriptors beside
 * them. The holder is systemd's file-descriptor store or plexbridge-keeper;
 * nothing here knows which. Without $NOTIFY_SOCKET there is none: every call
 * is then done at once, and whatever we hold dies with us.
 *
 *   order     messages arrive in the order in which they were said; what is
 *             stored is surely there once a barrier behind it is done
 *   blocking  never. What can't be sent now is queued, up to NOTIFY_QUEUE
 *             messages; one more is PB_ELIMIT. A holder that is gone for
 *             good fills the queue, and barriers end with PB_ETIME
 *   store     each descriptor once, for systemd drops one that it has already;
 *             each name once, at most NOTIFY_STORE_MAX of them; and all names
 *             together at most NOTIFY_NAMES_MAX bytes, for they come back in
 *             one variable of the environment, and the kernel takes no longer
 *             one. The protocol gives no answer, so the bound is kept here
 *   names     1 to NOTIFY_NAME bytes, printable, without ':'
 *   environ   the variables are removed when they were read: children get none
 */
#ifndef PLEXBRIDGE_SUPERVISOR_NOTIFY_H
#define PLEXBRIDGE_SUPERVISOR_NOTIFY_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NOTIFY_NAME 12
#define NOTIFY_STORE_MAX 16384 /* FileDescriptorStoreMax= of dist/systemd/plexbridge.service */
#define NOTIFY_NAMES_MAX ((size_t)128 * 1024 - 32) /* MAX_ARG_STRLEN without "LISTEN_FDNAMES=" and its end */
#define NOTIFY_QUEUE 4096
#define NOTIFY_TEXT 512

/*
 * What was held for us
 */

struct notify_fd {
	int fd; /* -1: claimed */
	char name[NOTIFY_NAME + 1]; /* "": it had none of ours */
};

/* Sorted by name. */
struct notify_held {
	struct notify_fd *at;
	size_t count, room;
};

/*
 * Take over what we were started with ($LISTEN_FDS, $LISTEN_PID,
 * $LISTEN_FDNAMES), now close-on-exec. Nothing was passed, or it was meant
 * for another process: an empty list. 0; PB_EFORMAT: the variables contradict
 * themselves (an empty list, too); PB_ENOMEM.
 */
int notify_held_read(struct notify_held *out);

/*
 * Add one that came another way; takes fd. notify_held_sort() must follow the
 * last, before any is claimed. 0, PB_ENOMEM, or PB_EFORMAT: no such name;
 * it is closed then.
 */
int notify_held_add(struct notify_held *held, const char *name, int fd);
void notify_held_sort(struct notify_held *held);

/* Give the descriptor of that name to the caller; -1: there is none. */
int notify_held_claim(struct notify_held *held, const char *name);

/* Close what nobody claimed, and empty the list. */
void notify_held_clear(struct notify_held *held);

/*
 * What we say
 */

struct notify;

/*
 * Read $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID; held is what counts
 * as stored already. Gives *out; notify_free() ends it. The watchdog is fed
 * from now on, from the loop, at half its time. 0; PB_ENOSUP: an address that
 * is neither a path nor abstract (vsock); PB_EFORMAT: one that is too long;
 * PB_ENOMEM, PB_ESYS.
 */
int notify_new(struct notify **out, struct ev_loop *loop, const struct notify_held *held);

/* What is queued is tried once more, then forgotten; barriers are not called any more. Leaves NULL. */
void notify_free(struct notify **notify);

/* Between fork and exec of the next supervisor: give it the variables that we read. 0 or PB_ENOMEM. */
int notify_environ(const struct notify *notify);

/* Is there a holder? */
bool notify_there(const struct notify *notify);

/* Each: 0, PB_ELIMIT (the queue is full) or PB_ENOMEM. */
int notify_ready(struct notify *notify);
int notify_status(struct notify *notify, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int notify_reloading(struct notify *notify); /* notify_ready() ends it */
int notify_stopping(struct notify *notify);
int notify_mainpid(struct notify *notify, pid_t pid);

/*
 * Have a copy of fd kept under name; fd is borrowed. 0; PB_ELIMIT: the store
 * or the queue is full; PB_ENOMEM, PB_ESYS.
 */
int notify_store(struct notify *notify, const char *name, int fd);

/* Have it forgotten. Its name must have been stored. 0, PB_ELIMIT (the queue), PB_ENOMEM. */
int notify_forget(struct notify *notify, const char *name);

/* How many are stored, by our count. */
size_t notify_stored(const struct notify *notify);

/*
 * Call done(user, 0) from the loop when all that was said before is done; or
 * done(user, PB_ETIME) after bound_s seconds. Without a holder: in the
 * loop's next turn. 0: done will be called; PB_ELIMIT, PB_ENOMEM, PB_ESYS: it won't.
 */
int notify_barrier(struct notify *notify, ev_tstamp bound_s, void (*done)(void *user, int err), void *user);

#endif
