/*
 * memory.h - how much memory there is for spools, and what a worker takes for itself
 *
 * The smaller of what the machine has and what the cgroup may use, for
 * either version of cgroups, at any level above ours. A worker's own memory
 * is its anonymous pages: a spool that it maps or fills is not among them.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_MEMORY_H
#define PLEXBRIDGE_SUPERVISOR_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes that this process and its children may use in all. Reads /proc and /sys below root ("" in real life). */
uint64_t memory_available(const char *root);

/*
 * Anonymous memory of a process, in bytes, from /proc below root. false when
 * it can't be told. Bounded, and no disk is behind it.
 */
bool memory_anonymous(const char *root, pid_t pid, uint64_t *bytes);

#endif
