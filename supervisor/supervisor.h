/*
 * supervisor.h - the parts of plexbridged, put together
 *
 * main.c reads the command line, supervisor.c makes the parts and lets them
 * go; front.c answers the tuner port, control.c the control socket.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_SUPERVISOR_H
#define PLEXBRIDGE_SUPERVISOR_SUPERVISOR_H

#include <ev.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "supervisor/discovery.h"
#include "supervisor/drafts.h"
#include "supervisor/guides.h"
#include "supervisor/http.h"
#include "supervisor/imports.h"
#include "supervisor/trial.h"
#include "supervisor/keep.h"
#include "supervisor/listen.h"
#include "supervisor/privs.h"
#include "supervisor/stream.h"
#include "supervisor/testcard.h"
#include "supervisor/tuner.h"
#include "supervisor/turn.h"
#include "supervisor/units.h"
#include "supervisor/upgrade.h"
#include "supervisor/workers.h"

#define SUPERVISOR_OVERRIDES_MAX 64
#define SUPERVISOR_STOP_S 5.0 /* the loop ends then, whoever is not dead yet */

/* What the command line said; a reload reads the same again. */
struct supervisor_options {
	const char *path; /* NULL: the default file, which need not exist */
	const char *overrides[SUPERVISOR_OVERRIDES_MAX];
	size_t override_count;
	char **argv; /* an upgrade starts the next one with the same; borrowed for ever */
	char program[PATH_MAX]; /* where it is, as of the start */
};

struct supervisor {
	struct supervisor_options options;
	struct config *config; /* in force */
	struct ev_loop *loop;
	struct privs privs;
	struct keep keep;
	struct units units;
	struct workers workers;
	struct streams streams;
	struct history *history;
	struct testcard testcard;
	struct discovery discovery;
	struct imports imports;
	struct trial trial; /* an import that changes nothing */
	struct guides guides;
	struct drafts drafts;
	struct http_server *http, *control;
	struct listen *listen, *control_listen;
	char control_path[108]; /* of the socket that is bound, "" when none */
	struct turn turn;
	struct upgrade upgrade;
	ev_tstamp started;
	uint64_t hosts_refused; /* requests that called us by a name that is not ours */
	ev_tstamp host_line; /* earliest next log line about it */
	bool stopping;
	ev_signal hup, term, intr, usr1, usr2;
	ev_check done;
	ev_timer late;
};

/*
 * Run with a configuration that was read already; takes it. Gives the exit
 * status of the process: 0 when it was asked to stop, 100 and 111 as
 * base/pb.h has them (logged).
 */
int supervisor_run(struct supervisor *sup, struct config *config, const struct supervisor_options *options);

/*
 * Read the configuration again (SIGHUP, POST /api/reload). When anything in
 * it is wrong, nothing changes and errs has all of it; to be cleared by the
 * caller. Nor does anything change when its lineup can't be made. restart
 * gets the names of settings that only a restart changes, up to max;
 * *restarts is how many there are. 0, PB_EFORMAT, PB_ENOMEM or PB_ELIMIT. Logs.
 */
int supervisor_reload(
    struct supervisor *sup, struct config_errors *errs, const char **restart, size_t max, size_t *restarts);

#endif
