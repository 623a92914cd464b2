/*
 * interfaces.h - which of several ways out is used now
 *
 * The setting `[fetch] interfaces` names interfaces or this machine's own
 * addresses. The first is used for as long as it works; when its route is
 * dead the next one is, in turn, and after the last the first again. After a
 * while, and whenever an address or route changed, the first is tried anew.
 *
 * Pure: no I/O, no clock; time is passed in, in seconds.
 */
#ifndef PLEXBRIDGE_WORKER_INTERFACES_H
#define PLEXBRIDGE_WORKER_INTERFACES_H

#include <stdbool.h>
#include <stddef.h>

#include "ipc/msg.h"

#define INTERFACES_MAX 16
#define INTERFACES_HOLD_S 1.0 /* many requests fail of one dead route: they are one change */
#define INTERFACES_RETURN_S 60.0 /* then the first is tried again */

struct interfaces {
	char text[MSG_INTERFACES_MAX];
	char option[MSG_INTERFACES_MAX]; /* the one in use, as curl wants it */
	const char *name[INTERFACES_MAX]; /* into text */
	size_t count, at;
	double changed_s; /* when it last was */
	bool changed;
};

/* list: names and addresses with commas between them; "" for none: the routes decide. */
void interfaces_init(struct interfaces *interfaces, const char *list);

/* For CURLOPT_INTERFACE: "if!eth0" or "host!192.0.2.7"; "" when there are none. */
const char *interfaces_now(const struct interfaces *interfaces);

/* As the operator wrote it. */
const char *interfaces_name(const struct interfaces *interfaces);

/* The route of the one in use is dead. true: another one is in use now. */
bool interfaces_next(struct interfaces *interfaces, double now_s);

/* Back to the first. */
void interfaces_first(struct interfaces *interfaces);

/* Is it time to try the first again? true: it is in use now. */
bool interfaces_second(struct interfaces *interfaces, double now_s);

#endif
