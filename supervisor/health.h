/*
 * health.h - would a tune work now?
 *
 * Healthy is: the loop turns (else nobody would answer), the listeners are
 * bound and accept, and a spare worker is ready.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_HEALTH_H
#define PLEXBRIDGE_SUPERVISOR_HEALTH_H

#include <stddef.h>

#include "supervisor/blob.h"

#define HEALTH_REASONS_MAX 8

struct supervisor;

/* Why it is not healthy, in words for the operator (static texts). Gives how many; 0 is healthy. */
size_t health_reasons(const struct supervisor *sup, const char *reasons[HEALTH_REASONS_MAX]);

/* {"ok":true,"reasons":[]} and the HTTP status that goes with it: 200 or 503. NULL: no memory. */
struct blob *health_json(const struct supervisor *sup, int *status);

#endif
