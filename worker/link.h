/*
 * link.h - the worker's end of its talk with the supervisor (ipc/msg.h)
 *
 * Says HELLO and READY, hears what the rule table allows in the state it is
 * in, and hands it on. When the supervisor is gone, breaks the protocol or
 * is silent for MSG_SILENCE_S, `lost` is called and nothing more comes.
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
void link_failed(struct link *link, uint32_t code, const char *reason);
void link_report(struct link *link, const struct msg_client_report *report);

#endif
