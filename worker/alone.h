/*
 * alone.h - a worker that is run by hand: for users, bug reports and tests
 *
 * Each function is one way of running it, from the shell to its exit
 * status. They read and write files and the terminal, and may block there.
 */
#ifndef PLEXBRIDGE_WORKER_ALONE_H
#define PLEXBRIDGE_WORKER_ALONE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/lineup.h"

struct alone_options {
	const char *url;
	const char *output; /* a path, "-" for standard output */
	const char *user_agent;
	const char *headers[CHANNEL_HEADERS];
	size_t header_count;
	const char *variant; /* best, 1080p, 8M */
	double duration_s; /* of media; 0: to the end */
	const char *settings[64]; /* section.key=value */
	size_t setting_count;
	const char *base; /* of --inspect */
};

/* The whole line: url to a continuous TS in output. 0, 1 (nothing could be played; why is on standard error). */
int alone_run(const struct alone_options *options);

/* What the playlist station understands of a file or URL, as JSON on standard output. 0, 1 (invalid). */
int alone_inspect(const char *what, const struct alone_options *options);

/* TS files through conform, as one stream. discontinuity[i]: in front of files[i]. 0, 1 (nothing could be carried). */
int alone_conform(const char *const *files, const bool *discontinuity, size_t count, const char *output);

#endif
