/*
 * memory.h - how much memory there is for spools
 *
 * The smaller of what the machine has and what the cgroup may use, for
 * either version of cgroups, at any level above ours.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_MEMORY_H
#define PLEXBRIDGE_SUPERVISOR_MEMORY_H

#include <stdint.h>

/* Bytes that this process and its children may use in all. Reads /proc and /sys below root ("" in real life). */
uint64_t memory_available(const char *root);

#endif
