/*
 * meant.h - which device a connection to TCP 65001 means
 *
 * Pure: time is passed in. There is one such port for all devices of this
 * process, and no request on it has a DeviceID. But libhdhomerun searches
 * for the device by its id each time before it connects; so what an address
 * searched for a moment ago is what its next connection is about.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_MEANT_H
#define PLEXBRIDGE_SUPERVISOR_MEANT_H

#include <stdint.h>

#include "supervisor/addr.h"

#define MEANT_ASKERS 32 /* the last ones */
#define MEANT_S 10.0

/* All zero is nobody. */
struct meant {
	struct {
		struct addr asker; /* its port doesn't count */
		uint32_t id;
		double at_s; /* 0: free */
	} at[MEANT_ASKERS];
};

/* It searched for that id; PACKET_ANY: for whichever. now_s: a clock that doesn't go back, above 0. */
void meant_note(struct meant *meant, const struct addr *asker, uint32_t id, double now_s);

/* What it searched for in the last MEANT_S; PACKET_ANY: nothing in particular. */
uint32_t meant_id(const struct meant *meant, const struct addr *asker, double now_s);

#endif
