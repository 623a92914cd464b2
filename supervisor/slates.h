/*
 * slates.h - the operator's ready-made pictures for outages, as descriptors
 *
 * A worker may open no file: it is given them, open for reading, and finds
 * out by itself which is like its stream (worker/slate.h). Nothing is read
 * of them here.
 *
 *   which      NAME.ts in slate_dir, the first MSG_SLATES_MAX by name; plain
 *              files of SLATES_BYTES_MAX at most, links are not followed
 *   blocking   for a local file system's moment
 */
#ifndef PLEXBRIDGE_SUPERVISOR_SLATES_H
#define PLEXBRIDGE_SUPERVISOR_SLATES_H

#include <stddef.h>

#include "ipc/msg.h"

#define SLATES_BYTES_MAX (8u << 20)

/* Open those in dir; NULL: in "slates" of state_dir. Gives as many as it returns to the caller; 0: there are none. */
size_t slates_open(const char *dir, const char *state_dir, int fds[MSG_SLATES_MAX]);

#endif
