/*
 * interfaces.c - how the promise in interfaces.h is kept
 */
#include "worker/interfaces.h"

#include <arpa/inet.h>
#include <bsd/string.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static bool
is_address(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static void
use(struct interfaces *all, size_t at)
{
	const char *name = all->name[at];

	all->at = at;
	/* Said what it is, so that curl never takes it for a host name to look up. */
	(void)snprintf(all->option, sizeof(all->option), "%s!%s", is_address(name) ? "host" : "if", name);
}

void
interfaces_init(struct interfaces *all, const char *list)
{
	char *rest = all->text, *one;

	memset(all, 0, sizeof(*all));
	(void)strlcpy(all->text, list, sizeof(all->text));
	while (all->count < INTERFACES_MAX && (one = strsep(&rest, ",")) != NULL) {
		one += strspn(one, " ");
		one[strcspn(one, " ")] = '\0';
		if (one[0] != '\0')
			all->name[all->count++] = one;
	}
	if (all->count > 0)
		use(all, 0);
}

const char *
interfaces_now(const struct interfaces *all)
{
	return all->option;
}

const char *
interfaces_name(const struct interfaces *all)
{
	return all->count > 0 ? all->name[all->at] : "";
}

bool
interfaces_next(struct interfaces *all, double now_s)
{
	if (all->count < 2 || (all->changed && now_s - all->changed_s < INTERFACES_HOLD_S))
		return false;
	use(all, (all->at + 1) % all->count);
	all->changed = true;
	all->changed_s = now_s;
	return true;
}

void
interfaces_first(struct interfaces *all)
{
	if (all->count > 0)
		use(all, 0);
	all->changed = false;
}

bool
interfaces_second(struct interfaces *all, double now_s)
{
	if (all->at == 0 || now_s - all->changed_s < INTERFACES_RETURN_S)
		return false;
	interfaces_first(all);
	return true;
}
