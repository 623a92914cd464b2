/*
 * child.h - a process of ours: started, watched, waited for
 *
 * A child is a program of PlexBridge's own, run as `worker_user` without
 * any capability, with one descriptor of ours as its fd 3, /dev/null as its
 * standard input and output, and our standard error. It gets nothing else.
 *
 *   owner     of struct child: whoever embeds it; it must stay where it is
 *             from child_start() until `died` was called
 *   blocking  never; fork(2) of this small process takes well under 1 ms
 *   death     `died` is called from the loop once the process is proven
 *             dead (waited for); child.pid is 0 by then
 */
#ifndef PLEXBRIDGE_SUPERVISOR_CHILD_H
#define PLEXBRIDGE_SUPERVISOR_CHILD_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "supervisor/privs.h"

#define CHILD_FD 3

/* RLIMIT_DATA counts what sanitizers map for themselves: with them there is no hard end. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHILD_LIMITED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define CHILD_LIMITED 0
#endif
#endif
#ifndef CHILD_LIMITED
#define CHILD_LIMITED 1
#endif

/* What all children have in common. */
struct child_limits {
	const struct privs *privs;
	uint64_t data_bytes; /* RLIMIT_DATA where CHILD_LIMITED; 0: as it is */
};

struct child {
	pid_t pid; /* 0: none */
	ev_child watch;
	void (*died)(struct child *child, int status); /* as waitpid(2) has it */
};

/*
 * Where a program of ours is: beside our own executable, else in
 * PB_LIBEXECDIR. Into out[size]; false when it is in neither (out then
 * holds the place where it should be).
 */
bool child_program(char *out, size_t size, const char *name);

/*
 * Start path with argv (NULL-terminated); fd is borrowed. child->died must be
 * set. Must be called on libev's default loop (SIGCHLD). 0 or PB_ESYS; that
 * the program can't be executed is told by its exit status, 100 or 111.
 */
int child_start(struct child *child, struct ev_loop *loop, const char *path, char *const argv[], int fd,
    const struct child_limits *limits);

/* Send a signal, when it is still there. */
void child_kill(const struct child *child, int sig);

/* "signal 9", "exit 111": what a wait status says, into out[size]; gives out. */
char *child_status_text(char *out, size_t size, int status);

#endif
