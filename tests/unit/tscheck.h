/*
 * tscheck.h - is this what a viewer may be sent? The strict answer.
 *
 * Judges a whole output: packets, counters, tables, clock, times, the
 * order of things. Shared by the unit tests and the fuzz target, so that
 * both mean the same by "valid".
 */
#ifndef PLEXBRIDGE_TESTS_UNIT_TSCHECK_H
#define PLEXBRIDGE_TESTS_UNIT_TSCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSCHECK_UNITS 4096

/* What was in it. */
struct tscheck {
	size_t packets;
	size_t pcrs;
	size_t keys; /* random access points */
	bool video; /* listed in the PMT */
	bool audio;
	int n; /* access units kept below, in their order; later ones only counted */
	size_t units[2];
	struct {
		bool audio;
		bool key;
		int64_t pts; /* unwrapped by nearness to the one before */
		int64_t dts;
		uint32_t serial; /* of tsmake.h, UINT32_MAX when there is none */
		size_t at; /* bytes, of its first packet */
		size_t len; /* payload bytes */
	} unit[TSCHECK_UNITS];
	char why[160];
};

/* True when all is well; else why says what is not. An empty output is well. */
bool tscheck(struct tscheck *t, const uint8_t *buf, size_t len);

/* How many HEVC NAL units of that type are in the access unit whose first packet stands at `at`? */
unsigned tscheck_hevc(const uint8_t *buf, size_t len, size_t at, unsigned type);

#endif
