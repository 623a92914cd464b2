/*
 * comeback.c - a ring of those who were cut off
 */
#include "supervisor/comeback.h"

#include <bsd/string.h>
#include <string.h>

void
comeback_note(
    struct comeback *all, const char *address, const char *agent, uint64_t stream, uint64_t offset, double now_s)
{
	struct comeback_one *one = &all->one[all->next];

	all->next = (all->next + 1) % COMEBACK_MAX;
	(void)strlcpy(one->address, address, sizeof(one->address));
	(void)strlcpy(one->agent, agent, sizeof(one->agent));
	one->stream = stream;
	one->offset = offset;
	one->at_s = now_s;
}

bool
comeback_take(
    struct comeback *all, const char *address, const char *agent, uint64_t stream, double now_s, uint64_t *offset)
{
	for (unsigned n = 1; n <= COMEBACK_MAX; n++) { /* the newest first */
		struct comeback_one *one = &all->one[(all->next + COMEBACK_MAX - n) % COMEBACK_MAX];

		if (one->at_s == 0 || now_s < one->at_s || now_s - one->at_s > COMEBACK_S || one->stream != stream ||
		    strcmp(one->address, address) != 0 || strncmp(one->agent, agent, sizeof(one->agent) - 1) != 0)
			continue;
		one->at_s = 0;
		*offset = one->offset;
		return true;
	}
	return false;
}
