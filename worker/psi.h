/*
 * psi.h - PAT and PMT: sections gathered and read, ours written
 *
 * Pure: bytes in, values out; no allocation. Sections are at most 1024
 * bytes (2.4.4: section_length up to 1021); a longer one is dropped.
 *
 *   trust      a section has passed its CRC and nothing else: all lengths
 *              in it are claims and are bounded here
 *   ownership  struct psi_stream borrows its descriptors from the section
 */
#ifndef PLEXBRIDGE_WORKER_PSI_H
#define PLEXBRIDGE_WORKER_PSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/es.h"

#define PSI_SECTION_MAX 1024
#define PSI_PROGRAMS 16 /* more programs than that: the first ones */
#define PSI_STREAMS 32 /* likewise, in one PMT */
#define PSI_DESC_MAX 72 /* descriptors of one stream that we copy: our PMT stays one packet */

/* Sections of one PID, put together from packets. Zero it to begin. */
struct psi_gather {
	uint16_t have;
	bool open; /* a section began and its end has not come */
	uint8_t buf[PSI_SECTION_MAX];
};

struct psi_pat {
	int n;
	struct {
		uint16_t number;
		uint16_t pid;
	} program[PSI_PROGRAMS];
};

struct psi_stream {
	uint8_t type;
	uint16_t pid;
	enum es_codec codec; /* ES_NONE: not carried */
	bool sealed; /* SAMPLE-AES: would be carried if it could be read */
	char lang[4]; /* ISO 639 in lower case, "" when not said */
	const uint8_t *desc;
	size_t desc_len;
};

struct psi_pmt {
	uint16_t program;
	uint16_t pcr_pid;
	int n;
	struct psi_stream stream[PSI_STREAMS];
};

/* One stream of the PMT that we write. */
struct psi_entry {
	uint16_t pid;
	uint8_t type;
	uint8_t desc_len; /* <= PSI_DESC_MAX */
	const uint8_t *desc;
};

/*
 * Take one packet's payload (len 1..184). whole() is called with arg for
 * each section that is complete and has a right CRC, and borrows it.
 * Returns the number of sections that were dropped as broken.
 */
int psi_gather(struct psi_gather *g, bool pusi, const uint8_t *payload, size_t len,
    void (*whole)(void *arg, const uint8_t *section, size_t len), void *arg);

/* Bytes are missing on this PID: what was gathered is worth nothing. */
void psi_lost(struct psi_gather *g);

/* 0; PB_NO when it is another table, or one for later; PB_EFORMAT. */
int psi_read_pat(const uint8_t *section, size_t len, struct psi_pat *pat);
int psi_read_pmt(const uint8_t *section, size_t len, struct psi_pmt *pmt);

/*
 * Copy descriptors to dst (PSI_DESC_MAX bytes) without CA descriptors and
 * without those that don't fit. Returns the bytes written.
 */
size_t psi_copy_desc(uint8_t *dst, const uint8_t *desc, size_t len);

/* Write a packet of TS_PACKET bytes: a PAT with one program, its PMT. */
void psi_put_pat(uint8_t *packet, uint8_t cc, uint16_t program, uint16_t pmt_pid);
void psi_put_pmt(uint8_t *packet, uint8_t cc, uint16_t program, uint16_t pmt_pid, uint16_t pcr_pid,
    const struct psi_entry *entry, int n);

#endif
