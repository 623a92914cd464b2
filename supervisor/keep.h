/*
 * keep.h - what outlives this supervisor, and what it found of the last one's
 *
 * The ledger says what there is (ipc/ledger.h), the holder has the
 * descriptors (notify.h). Keeping a thing is: ledger entry, holder, barrier,
 * then serve. Ending one is: shutdown(2), then the holder is told to drop
 * it, then the entry goes. At a start, what is in only one of the two is
 * ended. Without a holder all of this is done and worth nothing.
 *
 *   proof     that no process of the last supervisor writes any more is the
 *             holder's matter: systemd empties the unit's control group
 *             before it starts us, plexbridge-keeper kills and waits for all
 *             its children. So a stream that is found has no writer, and any
 *             warm worker may adopt it
 *   full      a holder that takes no more costs a viewer the hand-over to
 *             the next supervisor, never its stream: logged, and served
 *   loop      a store that kills whoever reads it would do so for ever: after
 *             KEEP_STARTS starts in a row that lived less than KEEP_SETTLED_S
 *             its streams are ended instead
 */
#ifndef PLEXBRIDGE_SUPERVISOR_KEEP_H
#define PLEXBRIDGE_SUPERVISOR_KEEP_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/ledger.h"
#include "supervisor/notify.h"

#define KEEP_STARTS 8
#define KEEP_SETTLED_S 1.0
#define KEEP_BARRIER_S 5.0

struct keep {
	struct notify *notify;
	struct ledger *ledger;
	struct notify_held held; /* what nobody claimed yet */
	struct {
		uint64_t number;
		int fd;
	} sockets[LEDGER_SOCKETS]; /* that are bound; borrowed */
	size_t socket_count;
	int history_fd; /* borrowed, or nobody's yet; -1: none */
	int playing_fd; /* ours; -1: none */
	bool history_held, playing_held; /* the holder has one */
	ev_timer settled;
	struct ev_loop *loop;
};

/*
 * Take over what was held, or begin anew. passed: what a supervisor that
 * lives handed over, which is taken (upgrade.h); NULL: see what the holder
 * gave us. Logs. 0, or PB_ENOMEM or PB_ESYS: nothing can be kept or numbered.
 */
int keep_open(struct keep *keep, struct ev_loop *loop, struct notify_held *passed);

/* Let go of all; the holder has its own. */
void keep_close(struct keep *keep);

/* Is there a holder? What ends with us would be gone otherwise. */
bool keep_there(const struct keep *keep);

/* A number that was never used before, by any supervisor of this ledger. */
uint64_t keep_number(struct keep *keep);

/* A socket that was bound to this and held; -1: none. The caller's. */
int keep_socket_claim(struct keep *keep, enum ledger_role role, const char *bound_to);

/* Keep a socket that we bound. */
void keep_socket(struct keep *keep, enum ledger_role role, const char *bound_to, int fd);

/* Such a socket, or one that was claimed, is ours no more: forget it, before it is closed. */
void keep_socket_gone(struct keep *keep, int fd);

/* What the last supervisor remembered (archive.h); -1: nothing. The caller's. */
int keep_history_claim(struct keep *keep);

/* Keep this one, which is borrowed from now on. same: it is the one that was claimed. */
void keep_history(struct keep *keep, int fd, bool same);

/* What plays, as the last supervisor wrote it down, or this one did (playing.h). Borrowed; -1: nothing. */
int keep_playing(const struct keep *keep);

/* Keep this in its place; takes fd, -1: nothing plays. */
void keep_playing_as(struct keep *keep, int fd);

/* Call fn for ledger, history, what plays, and sockets, as they are named; descriptors are borrowed. Ends when fn gives anything but 0. */
int keep_each(const struct keep *keep, int (*fn)(void *user, const char *name, int fd), void *user);

/* The entry of a stream, new or changed; and its end. */
void keep_stream(struct keep *keep, const struct ledger_stream *entry);
void keep_stream_gone(struct keep *keep, uint64_t number);

/* Its spool and state, in the holder. false: not both are held. */
bool keep_memory(struct keep *keep, uint64_t number, int spool_fd, int state_fd);
void keep_memory_gone(struct keep *keep, uint64_t number);

/* The lock of its provider's slot, in the holder. false: it is not held. */
bool keep_slot(struct keep *keep, uint64_t number, int fd);
void keep_slot_gone(struct keep *keep, uint64_t number);

/* Likewise, of the provider of the backup that it plays from. */
bool keep_backup_slot(struct keep *keep, uint64_t number, int fd);
void keep_backup_slot_gone(struct keep *keep, uint64_t number);

/* The entry of a client, new or changed; fd: -1: held already. false: it is not held. */
bool keep_client(struct keep *keep, const struct ledger_client *entry, int fd);

/* Its connection is shut down, or somebody else's. held: as keep_client() said. */
void keep_client_gone(struct keep *keep, uint64_t number, bool held);

/* The holder's copy of this kind and number, the caller's now; -1: there is none. */
int keep_claim(struct keep *keep, char what, uint64_t number);

/* Have the holder drop its copy of one that was claimed. */
void keep_drop(struct keep *keep, char what, uint64_t number);

/* What was held and nobody claimed is shut down and dropped. */
void keep_end_rest(struct keep *keep);

#endif
