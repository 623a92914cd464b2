/*
 * link.h - the worker's end of its talk with the supervisor (ipc/msg.h)
 *
 * Says HELLO and READY, hears what the rule table allows in the state it is
 * in, and hands it on. When the supervisor is gone, breaks the protocol or
 * is silent for MSG_SILENCE_S of our own running time (a machine may be
 * paused), `lost` is called and nothing more comes.
 *
 *   blocking   never; what the socket can't take now waits, each message in
 *              a place of its own: one READY, MEDIA and FAILED, and the
 *              client reports in a queue of at most LINK_REPORTS
 */
#ifndef PLEXBRIDGE_WORKER_LINK_H
#define PLEXBRIDGE_WORKER_LINK_H

#include <ev.h>

#include "ipc/msg.h"
#include "ipc/state.h"

#define LINK_REPORTS (2 * STATE_SLOTS) /* an EOF and an end for each slot */

struct link;

struct link_ops {
	/* Before the tune: another source, a limit in force; both borrowed for the call. */
	void (*source)(void *arg, const struct msg_source *source);
	void (*limit)(void *arg, const struct msg_limit *limit); /* afterwards too */
	/* The answer to link_want_slot(). What was granted is kept here, until that is given back. */
	void (*slot)(void *arg, unsigned source, bool granted);
	/* Likewise: a file for the segment that the tune leaves out; takes fd. */
	/* Number n of the tune's slates; takes fd. */
	void (*slate)(void *arg, unsigned n, int fd);
	void (*quarantine)(void *arg, const struct msg_quarantine *msg, int fd);
	/* Takes both descriptors. A negative answer ends the process's work (lost). */
	int (*tune)(void *arg, const struct msg_tune *tune, int spool_fd, int state_fd);
	void (*client)(void *arg, const struct msg_client *client, int fd); /* takes fd */
	void (*drop)(void *arg, const struct msg_drop *drop);
	void (*stop)(void *arg);
	void (*lost)(void *arg, const char *why);
};

/* Borrows loop, fd and ops. 0 or PB_ENOMEM. */
int link_new(struct link **out, struct ev_loop *loop, int fd, const struct link_ops *ops, void *arg);
void link_free(struct link **link);

void link_media(struct link *link);
void link_failed(struct link *link, uint32_t code, enum msg_failed_why why, const char *reason);

/* Ask for a slot of the provider of that source, or give it back: no connection to it is left. */
void link_want_slot(struct link *link, unsigned source, bool want);

/* What a provider answered; of several that can't be sent yet, each source's last one is. */
void link_limit(struct link *link, const struct msg_limit_report *report);

void link_report(struct link *link, const struct msg_client_report *report);

#endif
