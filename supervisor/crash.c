/*
 * crash.c - count, compare, double
 */
#include "supervisor/crash.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/pb.h"
#include "supervisor/child.h"

static bool
is_fault(int sig)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS, SIGTRAP };

	for (size_t i = 0; i < NITEMS(faults); i++)
		if (sig == faults[i])
			return true;
	return false;
}

bool
death_is_crash(const struct death *d)
{
	if (d->killed)
		return true;
	return WIFSIGNALED(d->status) ? is_fault(WTERMSIG(d->status)) : WEXITSTATUS(d->status) != 0;
}

static bool
find_poison(struct crashes *c, uint64_t in_hand)
{
	bool again = in_hand != 0 && in_hand == c->suspect;
	bool known = c->skip_set && c->skip_serial == in_hand - 1;

	c->suspect = in_hand;
	if (!again || known)
		return false;
	c->skip_set = true;
	c->skip_serial = in_hand - 1;
	c->poisoned++;
	return true;
}

double
crashes_note(struct crashes *c, const struct death *d, bool *poison)
{
	bool crash = death_is_crash(d);
	bool outside = !crash && WIFSIGNALED(d->status);
	double wait = CRASH_BACKOFF_S;

	*poison = false;
	if (crash) {
		c->count++;
		*poison = find_poison(c, d->in_hand);
	}
	if (d->lived_s >= (outside ? CRASH_HUNTED_S : CRASH_LIVED_S))
		c->row = 0;
	/* A good one that lived long has the first death of a new row; a kill from outside has none. */
	if (!outside || d->lived_s < CRASH_HUNTED_S)
		c->row++;
	if (c->row <= 2)
		return 0;
	for (unsigned i = 3; i < c->row && wait < CRASH_BACKOFF_MAX_S; i++)
		wait *= 2;
	return PB_MIN(wait, CRASH_BACKOFF_MAX_S);
}

char *
death_text(char *out, size_t size, int status, const char *killed_why)
{
	if (killed_why == NULL)
		return child_status_text(out, size, status);
	snprintf(out, size, "%s", killed_why);
	return out;
}
