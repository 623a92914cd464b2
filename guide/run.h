/*
 * run.h - a job of plexbridge-guide, done
 *
 * Blocking: fetches, reads, and says how it went. What it writes is told
 * through struct run_events, whoever listens: the supervisor (main.c) or
 * a terminal.
 */
#ifndef PLEXBRIDGE_GUIDE_RUN_H
#define PLEXBRIDGE_GUIDE_RUN_H

#include <stdbool.h>

#include "guide/job.h"
#include "ipc/import.h"

#define RUN_FILES_MAX 64

struct run {
	const struct job *job;
	int files[RUN_FILES_MAX]; /* local sources, and parts of a guide (IMPORT_PART); -1: none */
	int out[3]; /* what is written to; -1: none */
	void *user;
	void (*at)(void *user, const struct import_at *at);
	void (*wrong)(void *user, unsigned line, const char *why);

	/* done and result are there, though a copy is still to be written: who waits need not. NULL: not wanted. */
	void (*listed)(struct run *run);

	struct import_done done; /* how it went */
	int result; /* a list's descriptor, the caller's; -1: none */
	bool unkept; /* the copy could not be written */
};

/* A provider's channels. Fills done and result, calls listed; then a copy for the next start goes to out[0]. */
void run_list(struct run *run);

/* Wait until what was written to out[0] is on the disk: a supervisor has no time for that. */
void run_sync(struct run *run);

/* A guide, into out[0], as it comes. */
void run_fetch(struct run *run);

/*
 * The guide out of files 1 and on, into out[0], and packed into out[1]; out[2]
 * is for what does not fit into memory. Part k of it, the channels that have
 * that bit, into files IMPORT_PART + 2 * k, and packed into the next.
 */
void run_guide(struct run *run);

#endif
