/*
 * privs.h - who we are, who workers are, and how root is given up
 *
 * Started as root, the supervisor becomes `user` once its ports are bound,
 * and keeps three capabilities: CAP_SETUID and CAP_SETGID, so that it can
 * start workers as `worker_user`, and CAP_KILL, so that it can end them.
 * Workers keep none. plexbridge-keeper, when root started it, becomes the
 * same user with the same three, and a supervisor that it starts then is an
 * heir: it is `user` already, has the three from its parent, and its workers
 * become `worker_user` all the same. Otherwise everything runs as whoever
 * started it, and the user settings mean nothing.
 *
 *   blocking  privs_resolve() reads the user database; only at the start
 */
#ifndef PLEXBRIDGE_SUPERVISOR_PRIVS_H
#define PLEXBRIDGE_SUPERVISOR_PRIVS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PRIVS_GROUPS_MAX 64
#define PRIVS_CONTROL_GROUP "plexbridge"

struct privs {
	bool root; /* started as root */
	bool heir; /* started as `user`, with the three capabilities; without both, the rest means nothing */
	char user[64];
	uid_t uid, worker_uid;
	gid_t gid, worker_gid;
	gid_t groups[PRIVS_GROUPS_MAX]; /* user's supplementary groups */
	int group_count;
	gid_t control_gid; /* of the control socket; (gid_t)-1: leave it as it is */
};

/*
 * Look the users up. 0, or PB_NO with *why (a static buffer): one of them
 * doesn't exist, or is root itself, which is what is to be given up.
 */
int privs_resolve(struct privs *out, const char *user, const char *worker_user, const char **why);

/*
 * Make a directory that `user` may write into, with its parents (those
 * belong to root). One that exists is left as it is: it may be anybody's.
 * To be called before privs_drop(). 0 or PB_ESYS with errno.
 */
int privs_mkdir(const struct privs *privs, const char *path, mode_t mode);

/* Become `user`, for good, with the three capabilities. Nothing to do when neither root nor heir. 0 or PB_ESYS. */
int privs_drop(const struct privs *privs);

/*
 * For the keeper: become the user that its supervisor became, for good, with
 * the three capabilities, which its children inherit. Reads the user
 * database for the groups. 0 or PB_ESYS.
 */
int privs_follow(uid_t uid, gid_t gid);

/*
 * In a child between fork and exec: let what is executed be our heir. Nothing
 * to do when neither root nor heir. 0 or PB_ESYS.
 */
int privs_bequeath(const struct privs *privs);

/*
 * In a child between fork and exec: become `worker_user` with no
 * capability and no way to get one. Async-signal-safe. 0 or -1 with errno.
 */
int privs_become_worker(const struct privs *privs);

/*
 * What must hold before anything is started: files may be as large as a
 * spool (RLIMIT_FSIZE), and the soft limit of descriptors goes up to the
 * hard one. 0, or PB_NO with *why.
 */
int privs_limits(const char **why);

#endif
