/*
 * view.h - a viewer that measures: one GET, and what came of it
 *
 * Connects, reads as fast, as slowly or as rarely as it is told, passes the
 * body to the analyser, and prints one JSON object at the end. More clients
 * of the same URL may run beside the first; they are only counted.
 */
#ifndef PLEXBRIDGE_ORIGIN_VIEW_H
#define PLEXBRIDGE_ORIGIN_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIEW_HEADERS_MAX 16
#define VIEW_SETTLE_S 10.0

/* All borrowed; 0 or NULL: not asked for. */
struct view_options {
	const char *url; /* http only */
	double duration_s; /* from the start; ends the view */
	uint64_t bytes; /* of body; ends the view */
	const char *output; /* the body goes here too */
	uint64_t rate; /* bytes a second at the most */
	bool pause; /* stop reading once, */
	uint64_t pause_after; /* after that many bytes, */
	double pause_for_s; /* for that long; 0: for ever */
	int rcvbuf;
	const char *progress; /* file that says how far it is, rewritten every 100 ms */
	unsigned int clients; /* at least 1 */
	const char *headers[VIEW_HEADERS_MAX]; /* lines of the request, without CR LF */
	size_t nheaders;
	double settle_s; /* analyse.h: when gaps begin to count as settled */
};

/*
 * View until the peer, a limit, SIGTERM or SIGINT ends it, then print.
 * Returns the exit status: 0 when the answer was 200, PB_EXIT_FAIL when
 * it was another or there was none, PB_EXIT_PERMANENT for wrong options.
 */
int view(const struct view_options *options);

#endif
