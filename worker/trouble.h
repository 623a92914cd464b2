/*
 * trouble.h - in which way a try failed: the words that a diagnosis is made of
 *
 * Each says how far the try got, which tells the side that failed: a name
 * without an address and a connection that nobody answers are the network's,
 * a connection that is refused and an answer that is wrong are the source's.
 * The names are part of the flight recorder's events (class=...), which
 * plexbridgectl why reads.
 */
#ifndef PLEXBRIDGE_WORKER_TROUBLE_H
#define PLEXBRIDGE_WORKER_TROUBLE_H

enum trouble {
	TROUBLE_NONE,
	TROUBLE_NAME, /* no address for its name */
	TROUBLE_UNREACHABLE, /* nobody answers the connection, or there is no route */
	TROUBLE_REFUSED, /* its host refuses or resets the connection */
	TROUBLE_TLS, /* a connection, but no TLS over it */
	TROUBLE_SILENT, /* a connection, a request, and no answer */
	TROUBLE_STALLED, /* an answer that stops coming */
	TROUBLE_CUT, /* an answer that ends before its end */
	TROUBLE_STATUS, /* an HTTP status that is no success */
	TROUBLE_REDIRECT, /* led in a circle, or where it must not go */
	TROUBLE_BODY, /* an answer whose content is not what it should be */
	TROUBLES
};

/* "name", "unreachable", ...; never NULL. */
const char *trouble_name(enum trouble trouble);

/* How far a try got. */
enum trouble_reach { REACH_NOTHING, REACH_HOST, REACH_SERVER, REACH_BODY };

/* The class of a CURLcode; os_error: errno of the system call that failed, 0 when none did. */
enum trouble trouble_of_curl(int code, long os_error, enum trouble_reach reach);

#endif
