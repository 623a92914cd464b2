/*
 * errand.h - one run of plexbridge-guide
 *
 * It gets a job and descriptors to write to, says how far it is, and how it
 * went; then it is dead, and only then is `done` called. What it said until
 * then was bounded here: lengths, ranges, text without control characters.
 * What a list or a file of its holds was not.
 *
 *   early     a list is there before its copy is on the disk: who sets `early`
 *             has it at once, and `done` tells when the rest is over, too
 *   owner     of struct errand: whoever embeds it; it stays where it is while
 *             errand_runs()
 *   blocking  never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_ERRAND_H
#define PLEXBRIDGE_SUPERVISOR_ERRAND_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "ipc/import.h"
#include "ipc/msg.h"
#include "supervisor/child.h"

#define ERRAND_FILES_MAX 64

struct errand_file {
	uint32_t which; /* as in struct import_file */
	int fd; /* borrowed for the call */
};

struct errand {
	struct child child;
	struct ev_loop *loop;
	int fd; /* our end; -1: none */
	ev_io io;
	ev_timer late;
	int result; /* -1: none */
	bool heard; /* how it went */
	struct import_done how;
	struct import_at at; /* how far it is */
	unsigned wrongs;
	bool well; /* when it is dead: it ended by itself, and had nothing to regret */

	/* To be set before it is started. fd is the callee's; of done -1: none, or early had it. early: NULL, not wanted. */
	void *user;
	void (*wrong)(struct errand *errand, const struct import_wrong *wrong);
	void (*early)(struct errand *errand, const struct import_done *how, int fd);
	void (*done)(struct errand *errand, const struct import_done *how, int fd);
};

/* Before anything else. */
void errand_init(struct errand *errand, struct ev_loop *loop);

/*
 * Start it: job is len bytes of text (guide/job.h); out are descriptors for
 * it to write to, borrowed. seconds: by then it is killed. 0; PB_NO: there is
 * no such program; PB_ESYS, PB_ELIMIT: done is not called then.
 */
int errand_start(struct errand *errand, const struct privs *privs, const char *job, size_t len, const int *out,
    size_t outs, const struct errand_file *files, size_t file_count, double seconds);

/* The same, of a job that is in a file: one of errand_job(), or anybody's. Borrowed. */
int errand_start_file(struct errand *errand, const struct privs *privs, int job, const int *out, size_t outs,
    const struct errand_file *files, size_t file_count, double seconds);

/* A file in memory for a job that is written a portion at a time, because all of it would be much: the caller's; -1. */
int errand_job(void);

/* Put it behind what is in such a file. 0 or PB_ESYS. */
int errand_job_add(int fd, const char *job, size_t len);

bool errand_runs(const struct errand *errand);

/* Kill it; done is called when it is dead, as after any other end. */
void errand_kill(struct errand *errand);

#endif
