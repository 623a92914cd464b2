/*
 * verdict.h - what a try was, and whether another one follows
 *
 * Every rule about which answers are tried again, in one place, as a pure
 * function: what is known of a try when it is over goes in, what to do about
 * it comes out. It does nothing itself, keeps nothing, knows no time of its
 * own. The list of the rules, for those who call fetch_start(), is in
 * fetch.h; this is how they are decided.
 *
 *   try       one way to the server, redirects included, until its body is
 *             there or it failed
 *   counted   a try that is held against the fetch (settings: tries); a kept
 *             connection that was closed is not, nor a segment that is not
 *             there yet
 *
 * Not here: where a redirect leads and whether it may (worker/fetch.c), how
 * a response head is read (worker/reply.h).
 */
#ifndef PLEXBRIDGE_WORKER_VERDICT_H
#define PLEXBRIDGE_WORKER_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/fetch.h"
#include "worker/trouble.h"

#define VERDICT_MISSING_S 0.3 /* between two requests for a segment that is not there yet */
#define VERDICT_CROWD_S 0.5 /* until those that were too many are closed, and their server knows it */
#define VERDICT_MOVED_WELL ((uint64_t)64 << 10) /* a try that brought so much was no failure */

/* What is known of a try. All zero: nothing came, and nobody knows why. */
struct verdict_try {
	enum fetch_kind kind;
	bool reused; /* it was on a kept connection */
	bool fresh; /* ... which was not allowed already */
	unsigned addresses; /* its host has so many */
	uint64_t got; /* bytes of body that this try brought */
	uint64_t pos; /* ... and all tries together */

	/* The response, if there was one. */
	bool wanted; /* a whole head came, and its body is one to take */
	bool unwanted; /* a whole head came, and its status speaks: */
	int status;
	bool location; /* it says where else to go */
	bool ranged; /* a part was asked for */
	bool had_all; /* what was delivered before is the whole file */
	bool partial; /* its body ends before what was asked for does, as its own head says (RFC 9110 15.3.7) */
	uint32_t missing_ms; /* how long a 404 may last, 0: not at all */
	double missing_s; /* since the first 404, 0 when this is it */
	bool crowd; /* others of ours were under way beside it, for the first time */
	unsigned busy; /* times that it was told so before: too many */
	uint32_t retry_after_ms; /* the server asked for it; 0: it did not */
	double left_s; /* to the deadline; 0: there is none */

	/* How it ended. */
	bool refused; /* it would have connected where it must not */
	bool whole; /* stopped by us: all that is wanted is there */
	bool replan; /* stopped by us: ranges don't work here, and can be done without */
	int stop_err; /* stopped by us for this error, 0 if not */
	int code; /* curl's (CURLcode) */
	long verify; /* what was wrong with the certificate (X509_V_...), 0: nothing, or it was not asked */
	bool connected; /* a new connection was made */
	enum trouble_reach reach; /* how far it got, kept connection or not */
	long os_error; /* errno of what failed, 0: nothing did */
};

enum verdict_what {
	VERDICT_DONE, /* the body is there */
	VERDICT_END, /* given up, with err */
	VERDICT_REDIRECT, /* to where Location says */
	VERDICT_NOW, /* once more, at once, for what is missing; not counted */
	VERDICT_MISSING, /* once more in VERDICT_MISSING_S; not counted */
	VERDICT_BUSY, /* once more in pause_s, and not sooner; not counted */
	VERDICT_STALE, /* once more, at once, not counted the first times; then as VERDICT_RETRY */
	VERDICT_RETRY, /* counted: once more after a pause, else given up with err */
};

struct verdict {
	enum verdict_what what;
	int err; /* of the fetch, should nothing follow; 0 for VERDICT_DONE */
	double pause_s; /* for VERDICT_BUSY */
	bool fresh; /* what follows is not to use a kept connection */
	bool rotate; /* ... and should try another address first */
	bool whole; /* ... and has to do without ranges */
	bool doubt; /* the addresses of its name may have changed */
	bool http2; /* HTTP/2 is to blame */
	enum trouble trouble; /* in which way it failed */
	char why[FETCH_REASON_MAX / 2]; /* for the log; "" when who stopped it said it already */
};

/* What is wrong with a TLS connection, in plain words; NULL when code is about something else. */
const char *verdict_tls_text(int code, long verify);

/* The transfer is over. */
struct verdict verdict_transfer(const struct verdict_try *t);

/* No address was found for its name: err as resolve_start() gives it. */
struct verdict verdict_name(const struct verdict_try *t, int err);

/* Nothing came for timeout_s, so we ended it: before there was an address (naming), or after. */
struct verdict verdict_timeout(const struct verdict_try *t, bool naming, double timeout_s);

/*
 * Seconds to wait after so many counted failures in a row (from 1): doubled
 * each time from backoff_ms up to backoff_max_ms, at least what the server
 * asked for within that bound, and up to a quarter less by random (0..1), so
 * that channels don't beat together.
 */
double verdict_pause(
    unsigned failures, uint32_t backoff_ms, uint32_t backoff_max_ms, uint32_t retry_after_ms, double random);

/* Did a server say that these are too many, requests or connections (429, 458, 509)? */
bool verdict_busy(int status);

/* In seconds: how long to wait then, when it doesn't say; for the n-th time in a row, from 0 (hls.md 7). */
double verdict_busy_pause(unsigned n);

/* Did a server say that it is not for us (401, 403, 407, 451)? To ask it again and again looks bad. */
bool verdict_denied(int status);

#endif
