/*
 * serve.h - plexbridge-origin as a server, from its options to its end
 */
#ifndef PLEXBRIDGE_ORIGIN_SERVE_H
#define PLEXBRIDGE_ORIGIN_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SERVE_LISTEN_MAX 16

/* All borrowed. The lists end with their counts. */
struct serve_options {
	const char *listen[SERVE_LISTEN_MAX];
	size_t nlisten;
	int listen_fd[SERVE_LISTEN_MAX];
	size_t nlisten_fd;
	const char **channels; /* definitions */
	size_t nchannels;
	const char *testcard; /* its definition's keys, NULL: no test card */
	const char **faults;
	size_t nfaults;
	bool control;
	pid_t parent; /* end when it is not our parent any more; 0: whatever becomes of that */
	size_t log_entries;
	unsigned int connections_max;
};

/*
 * Serve until SIGTERM or SIGINT, or the parent's death. Prints "listening URL" for each address
 * to standard output as soon as it accepts. Returns the exit status:
 * PB_EXIT_OK, PB_EXIT_PERMANENT with the reason on standard error, or
 * PB_EXIT_TEMPORARY.
 */
int serve(const struct serve_options *options);

#endif
