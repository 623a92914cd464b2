/*
 * privs.c - capabilities by the two system calls that make them
 *
 * capget(2) and capset(2) need no library for three bits, and everything
 * here is called from a process with one thread, where the raw calls and
 * the C library's mean the same.
 */
#include "supervisor/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/pb.h"

static char why_text[160];

static const unsigned kept[] = { CAP_SETUID, CAP_SETGID, CAP_KILL };

static int
caps_set(bool keep, bool inherit)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	for (size_t i = 0; keep && i < NITEMS(kept); i++) {
		data[CAP_TO_INDEX(kept[i])].permitted |= CAP_TO_MASK(kept[i]);
		data[CAP_TO_INDEX(kept[i])].effective |= CAP_TO_MASK(kept[i]);
		if (inherit)
			data[CAP_TO_INDEX(kept[i])].inheritable |= CAP_TO_MASK(kept[i]);
	}
	return (int)syscall(SYS_capset, &head, data);
}

/* Let our children have the three as we do. */
static int
caps_to_heirs(void)
{
	if (caps_set(true, true) == -1)
		return -1;
	for (size_t i = 0; i < NITEMS(kept); i++)
		if (prctl(PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_RAISE, (long)kept[i], 0L, 0L) == -1)
			return -1;
	return 0;
}

/* Are the three ours to use? */
static bool
caps_there(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, data) == -1)
		return false;
	for (size_t i = 0; i < NITEMS(kept); i++)
		if (!(data[CAP_TO_INDEX(kept[i])].permitted & CAP_TO_MASK(kept[i])))
			return false;
	return true;
}

static int
find_user(const char *setting, const char *name, uid_t *uid, gid_t *gid, const char **why)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	*why = why_text;
	if (pw == NULL) {
		snprintf(why_text, sizeof(why_text), "%s: there is no user %s%s%s", setting, name,
		    errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
		return PB_NO;
	}
	if (pw->pw_uid == 0) {
		snprintf(why_text, sizeof(why_text), "%s: %s is root, which is what is to be given up", setting, name);
		return PB_NO;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

/* A file may be given to a group by its members only, and by root. */
static bool
may_give_to(gid_t gid)
{
	gid_t groups[PRIVS_GROUPS_MAX];
	int n = getgroups(PRIVS_GROUPS_MAX, groups);

	if (geteuid() == 0 || getegid() == gid)
		return true;
	for (int i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

int
privs_resolve(struct privs *out, const char *user, const char *worker_user, const char **why)
{
	const struct group *group;

	memset(out, 0, sizeof(*out));
	out->root = geteuid() == 0;
	out->heir = !out->root && caps_there();
	out->control_gid = (gid_t)-1;
	group = getgrnam(PRIVS_CONTROL_GROUP);
	if (group != NULL && may_give_to(group->gr_gid))
		out->control_gid = group->gr_gid;
	if (!out->root && !out->heir)
		return 0;
	if (find_user("worker_user", worker_user, &out->worker_uid, &out->worker_gid, why) != 0)
		return PB_NO;
	if (out->heir) {
		/* Whatever the configuration says by now: this can't be changed without the keeper. */
		out->uid = geteuid();
		out->gid = getegid();
		return 0;
	}
	if (find_user("user", user, &out->uid, &out->gid, why) != 0)
		return PB_NO;
	snprintf(out->user, sizeof(out->user), "%s", user);
	if (out->control_gid == (gid_t)-1)
		out->control_gid = out->gid;
	out->group_count = PRIVS_GROUPS_MAX;
	if (getgrouplist(user, out->gid, out->groups, &out->group_count) == -1) {
		out->groups[0] = out->gid; /* more than we keep: the primary one is enough */
		out->group_count = 1;
	}
	return 0;
}

static int
make_one(const struct privs *privs, const char *path, mode_t mode, bool ours)
{
	if (mkdir(path, mode) == -1)
		return errno == EEXIST ? 0 : PB_ESYS;
	/* mkdir() applied the umask; and it's only now, just made by us, that its owner is ours to change. */
	if (chmod(path, mode) == -1)
		return PB_ESYS;
	if (ours && privs->root && lchown(path, privs->uid, privs->gid) == -1)
		return PB_ESYS;
	return 0;
}

int
privs_mkdir(const struct privs *privs, const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return PB_ESYS;
	}
	memcpy(part, path, len + 1);
	while (len > 1 && part[len - 1] == '/')
		part[--len] = '\0';
	for (char *p = part + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (make_one(privs, part, 0755, false) != 0)
			return PB_ESYS;
		*p = '/';
	}
	return make_one(privs, part, mode, true);
}

int
privs_drop(const struct privs *privs)
{
	if (!privs->root && !privs->heir)
		return 0;
	if (privs->root) {
		if (prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) == -1)
			return PB_ESYS;
		if (setgroups((size_t)privs->group_count, privs->groups) == -1 ||
		    setresgid(privs->gid, privs->gid, privs->gid) == -1 ||
		    setresuid(privs->uid, privs->uid, privs->uid) == -1)
			return PB_ESYS;
	}
	/* With nothing inheritable, nothing stays ambient either. */
	if (caps_set(true, false) == -1)
		return PB_ESYS;
	/* What was readable to root must not be so to whoever runs as `user` by a debugger. */
	return prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) == -1 ? PB_ESYS : 0;
}

int
privs_follow(uid_t uid, gid_t gid)
{
	const struct passwd *pw = getpwuid(uid);

	if (prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) == -1)
		return PB_ESYS;
	if ((pw != NULL ? initgroups(pw->pw_name, gid) : setgroups(1, &gid)) == -1 || setresgid(gid, gid, gid) == -1 ||
	    setresuid(uid, uid, uid) == -1 || caps_to_heirs() == -1)
		return PB_ESYS;
	return prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) == -1 ? PB_ESYS : 0;
}

int
privs_bequeath(const struct privs *privs)
{
	return (privs->root || privs->heir) && caps_to_heirs() == -1 ? PB_ESYS : 0;
}

int
privs_become_worker(const struct privs *privs)
{
	if (privs->root || privs->heir) {
		if (syscall(SYS_setgroups, 1UL, &privs->worker_gid) == -1 ||
		    syscall(SYS_setresgid, privs->worker_gid, privs->worker_gid, privs->worker_gid) == -1 ||
		    syscall(SYS_setresuid, privs->worker_uid, privs->worker_uid, privs->worker_uid) == -1)
			return -1;
	}
	/* Without root there may be ambient ones; an exec would hand those on. */
	if (prctl(PR_CAP_AMBIENT, (long)PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) == -1 && errno != EINVAL)
		return -1;
	if (caps_set(false, false) == -1)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L);
}

int
privs_limits(const char **why)
{
	struct rlimit lim;

	*why = why_text;
	if (getrlimit(RLIMIT_FSIZE, &lim) == -1 || lim.rlim_cur != RLIM_INFINITY) {
		snprintf(why_text, sizeof(why_text),
		    "the limit of file sizes (ulimit -f) must be unlimited: a stream is one endless file in memory");
		return PB_NO;
	}
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim); /* what we have already is the fall-back */
	}
	return 0;
}
