/*
 * limit.c - how the promise in limit.h is kept
 */
#include <string.h>

#include "base/pb.h"
#include "supervisor/limit.h"

static void
key_of(uint8_t key[17], const struct addr *asker)
{
	memset(key, 0, 17);
	if (asker->sa.any.sa_family == AF_INET) {
		key[0] = 4;
		memcpy(key + 1, &asker->sa.v4.sin_addr, 4);
	} else if (asker->sa.any.sa_family == AF_INET6) {
		key[0] = 6;
		memcpy(key + 1, &asker->sa.v6.sin6_addr, 16);
	}
}

bool
limit_take(struct limit *limit, const struct addr *asker, double now_s)
{
	uint8_t key[17];
	size_t at = 0;

	key_of(key, asker);
	for (size_t i = 0; i < NITEMS(limit->askers); i++) {
		if (limit->askers[i].at_s > 0 && memcmp(limit->askers[i].key, key, sizeof(key)) == 0) {
			at = i;
			goto known;
		}
		/* Else the place of the one that asked longest ago. */
		if (limit->askers[i].at_s < limit->askers[at].at_s)
			at = i;
	}
	memcpy(limit->askers[at].key, key, sizeof(key));
	limit->askers[at].left = LIMIT_BURST;
	limit->askers[at].at_s = now_s;
known:
	limit->askers[at].left =
	    PB_MIN(limit->askers[at].left + PB_MAX(now_s - limit->askers[at].at_s, 0.0) * LIMIT_RATE, LIMIT_BURST);
	limit->askers[at].at_s = now_s;
	if (limit->askers[at].left < 1.0)
		return false;
	limit->askers[at].left -= 1.0;
	return true;
}
