/*
 * transfer.h - curl's multi interface on a libev loop
 *
 * Sockets and timers of curl become watchers; what happens to whom is
 * decided elsewhere (worker/fetch.h). Two of curl's rules are kept here, so
 * that nobody else has to: nothing of the multi interface is called from
 * inside a callback of curl, and a handle that failed can be used again.
 *
 *   owner     of a transfer: who made it, until transfer_end()
 *   blocking  never; no threads (names are not looked up here)
 */
#ifndef PLEXBRIDGE_WORKER_TRANSFER_H
#define PLEXBRIDGE_WORKER_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include <curl/curl.h>

#define TRANSFER_TEXT 1024

struct ev_loop;
struct transfers;

struct transfer {
	CURL *easy;
	void *owner; /* NULL after transfer_end(): callbacks of curl that still come refuse their bytes */
	/* What curl borrows for as long as the handle runs. */
	char resolve_text[TRANSFER_TEXT], header_text[TRANSFER_TEXT];
	struct curl_slist resolve, header;
	size_t way; /* the owner's: by which of its interfaces, */
	bool own_address; /* ... which is an address, and not a name, */
	bool binding; /* ... that curl is about to read, now that a socket is open */

	/* transfer.c */
	TAILQ_ENTRY(transfer) link;
	bool added, ended, unpause;
};

struct transfers_hooks {
	/* Called before the loop sleeps, after transfers_kick(): the place to start transfers. */
	void (*work)(void *arg);
	/* A transfer is over, for good or bad. Its owner is not NULL; it calls transfer_end(). */
	void (*over)(void *arg, struct transfer *t, CURLcode code);
	void *arg;
};

/*
 * connections bounds those to one host, and what is kept open idle. Gives
 * *out. 0, PB_ENOMEM, PB_ESYS (curl can't be used).
 */
int transfers_new(
    struct transfers **out, struct ev_loop *loop, unsigned connections, const struct transfers_hooks *hooks);

/* From now on no more connections than so many are kept when transfers end; the oldest goes first. */
void transfers_keep(struct transfers *ts, unsigned idle);

/*
 * one: from now on there is never more than one connection, to whatever
 * host; one that is kept idle is closed before another is opened.
 */
void transfers_one(struct transfers *ts, bool one);

/* All transfers must have been ended. Closes all connections. Sets *ts to NULL; NULL inside is fine. */
void transfers_free(struct transfers **ts);

/* Have hooks.work called in this turn of the loop. May be called from anywhere. */
void transfers_kick(struct transfers *ts);

/*
 * A transfer with a handle in curl's default state that shares cookies and
 * TLS sessions with the others; the caller sets its options. Gives it. NULL
 * when there is no memory.
 */
struct transfer *transfer_new(struct transfers *ts, void *owner);

/* Let it run; only from hooks.work and hooks.over. 0 or PB_ENOMEM. */
int transfer_start(struct transfers *ts, struct transfer *t);

/* Go on with one that paused itself. May be called from anywhere. */
void transfer_unpause(struct transfers *ts, struct transfer *t);

/* End it, wherever it is; its connection stays open if it can. Sets *t to NULL; NULL inside is fine. */
void transfer_end(struct transfers *ts, struct transfer **t);

#endif
