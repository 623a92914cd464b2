/*
 * comeback.h - who was cut off, and where its picture was
 *
 * A viewer whose connection was reset or timed out often comes back within
 * seconds: the same address, the same agent, the same channel. It goes on
 * where it was, instead of losing what it missed.
 *
 * Pure: no I/O, no clock; time is passed in, in seconds.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_COMEBACK_H
#define PLEXBRIDGE_SUPERVISOR_COMEBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/addr.h"

#define COMEBACK_MAX 64
#define COMEBACK_S 10.0
#define COMEBACK_AGENT 128

struct comeback {
	unsigned next; /* the place that is used for longest */
	struct comeback_one {
		char address[ADDR_TEXT];
		char agent[COMEBACK_AGENT];
		uint64_t stream, offset;
		double at_s; /* 0: nobody */
	} one[COMEBACK_MAX];
};

/* It was cut off there, in that stream. Of more than COMEBACK_MAX the oldest are forgotten. */
void comeback_note(
    struct comeback *comeback, const char *address, const char *agent, uint64_t stream, uint64_t offset, double now_s);

/* Does it come back in time? true: *offset is where it was, and it is forgotten here. */
bool comeback_take(
    struct comeback *comeback, const char *address, const char *agent, uint64_t stream, double now_s, uint64_t *offset);

#endif
