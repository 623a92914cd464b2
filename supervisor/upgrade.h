/*
 * upgrade.h - the next build takes over from a supervisor that lives
 *
 *   idle -> starting -> retiring -> telling -> (gone)
 *     ^--------'------------'
 *
 * The next plexbridged is started beside this one, from the program file as
 * it is now on disk, with our arguments, and a channel to us. It reads its
 * configuration and warms a worker for each stream; until then nothing
 * changes here. Then this one freezes: it accepts nothing, reads no request
 * and begins no stream, and hands over all that must outlive it, the channels
 * of its workers too. Those that can't be handed over end before (they commit
 * and are waited for). The holder, where there is one, is told whom to watch,
 * and the next one to GO: it takes ledger and descriptors as it would after a
 * death (keep.h), and this one exits 0.
 *
 *   workers   go on under the next one, which retires them one by one, each
 *             when the one to follow it is warm. Those of streams in the midst
 *             of something (a tune, a hand-over, a viewer who comes or goes)
 *             end before; so do all when the builds' messages or states have
 *             different layouts, and where the kernel has no pidfd_open(2)
 *   failure   the next one ends, or isn't there in time: this one thaws, its
 *             streams get workers as if theirs had been retired, and why is
 *             logged and answered. Once the holder was told there is no way
 *             back: should the next one die then, we exit, and the holder
 *             starts another
 *   requests  that are not whole are handed over as they are: their bytes are
 *             still in their queues (http.h)
 *   trust     both ends are plexbridged, of different builds: the first
 *             message says which UPGRADE_VERSION, and lengths are checked
 *   blocking  for the hand-over of descriptors, UPGRADE_PASS_S at most, and
 *             for the next one's first word after GO, UPGRADE_SERVE_S at most
 */
#ifndef PLEXBRIDGE_SUPERVISOR_UPGRADE_H
#define PLEXBRIDGE_SUPERVISOR_UPGRADE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "supervisor/http.h"
#include "supervisor/notify.h"

#define UPGRADE_VERSION 2
#define UPGRADE_START_S 10.0 /* from the start of the next one until it is ready to take over */
#define UPGRADE_WARM_S 5.0 /* of these, for its workers; it goes on with fewer then */
#define UPGRADE_PASS_S 2.0
#define UPGRADE_ANSWER_S 1.0 /* that requests which are being answered hold it back */
#define UPGRADE_RETIRE_S 6.0 /* STOP, SIGKILL and their deadlines are well within */
#define UPGRADE_SERVE_S 3.0

struct supervisor;

enum upgrade_phase { UPGRADE_IDLE, UPGRADE_STARTING, UPGRADE_RETIRING, UPGRADE_TELLING };

struct upgrade {
	struct supervisor *sup;
	enum upgrade_phase phase;
	ev_tstamp since; /* in this phase */
	pid_t pid; /* of the next one; 0: there is none */
	int fd; /* our end of the channel, on either side; -1: none */
	bool reload; /* the configuration was read again since the next one was started */
	bool asked; /* asker waits for an answer, on the control socket */
	struct http_taken asker;
	ev_io readable;
	ev_child child;
	ev_timer late;

	/* Of the next one. */
	bool joined, here, go;
	bool passes; /* workers go from one to the other as they are */
	size_t streams; /* that it will go on with */
	struct notify_held held; /* what it was handed */
	struct upgrade_conn {
		int fd;
		bool control;
	} * conns; /* requests that are not whole yet */
	size_t conn_count, conn_room;
	void (*on_spare)(void *user); /* whose place ours has */
	void *user;
};

/* To be called once, first. */
void upgrade_init(struct upgrade *upgrade, struct supervisor *sup);

/*
 * The old one's side
 */

/*
 * Begin. conn: a request on the control socket, which is answered when it is
 * done or has failed; NULL: a signal asked. Does not come back from a success: the process exits.
 */
void upgrade_start(struct upgrade *upgrade, struct http_conn *conn);

/* Give it up, when one is under way. */
void upgrade_abort(struct upgrade *upgrade, const char *why);

/* A turn of the loop: go on as far as that is possible. */
void upgrade_turn(struct upgrade *upgrade);

/*
 * The next one's side
 */

/* Were we started to take over? Reads the variable and removes it. */
bool upgrade_joins(struct upgrade *upgrade);

/*
 * Warm workers, take over what is handed, wait for GO. sup->workers must run.
 * 0: upgrade->held is ours to go on with; else the exit status: the other
 * one goes on (logged).
 */
int upgrade_join(struct upgrade *upgrade);

/* We serve: take up requests that are not whole, and let the other one go. */
void upgrade_serving(struct upgrade *upgrade);

#endif
