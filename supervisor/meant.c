/*
 * meant.c - how the promise in meant.h is kept
 */
#include "supervisor/meant.h"

#include <stdbool.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/packet.h"

static bool
same_host(const struct addr *a, const struct addr *b)
{
	if (a->sa.any.sa_family != b->sa.any.sa_family)
		return false;
	if (a->sa.any.sa_family == AF_INET)
		return a->sa.v4.sin_addr.s_addr == b->sa.v4.sin_addr.s_addr;
	return a->sa.any.sa_family == AF_INET6 &&
	    memcmp(&a->sa.v6.sin6_addr, &b->sa.v6.sin6_addr, sizeof(a->sa.v6.sin6_addr)) == 0;
}

void
meant_note(struct meant *meant, const struct addr *asker, uint32_t id, double now_s)
{
	size_t at = 0;

	for (size_t i = 0; i < NITEMS(meant->at); i++) {
		if (meant->at[i].at_s > 0 && same_host(&meant->at[i].asker, asker)) {
			at = i;
			break;
		}
		/* Else the place of the one that searched longest ago. */
		if (meant->at[i].at_s < meant->at[at].at_s)
			at = i;
	}
	meant->at[at].asker = *asker;
	meant->at[at].id = id;
	meant->at[at].at_s = now_s;
}

uint32_t
meant_id(const struct meant *meant, const struct addr *asker, double now_s)
{
	for (size_t i = 0; i < NITEMS(meant->at); i++)
		if (meant->at[i].at_s > 0 && now_s - meant->at[i].at_s <= MEANT_S &&
		    same_host(&meant->at[i].asker, asker))
			return meant->at[i].id;
	return PACKET_ANY;
}
