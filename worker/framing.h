/*
 * framing.h - any bytes -> TS packets
 *
 * Finds where packets stand (188, 192 or 204 bytes apart), hands them out
 * one by one whatever the chunks they came in, and finds them again behind
 * junk. What it decides depends on the bytes alone, never on the chunks.
 *
 *   trust    hostile bytes
 *   memory   none while in step; up to FRAMING_HUNT bytes while searching
 */
#ifndef PLEXBRIDGE_WORKER_FRAMING_H
#define PLEXBRIDGE_WORKER_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#include "base/ts.h"

#define FRAMING_HUNT (64 * 1024) /* how far the first packet may be */

/* Zero it to begin; framing_clear() gives its memory back. */
struct framing {
	int stride; /* 0: not in step */
	size_t gap; /* bytes to skip before the next packet */
	size_t have; /* bytes of a packet cut by a chunk's end */
	uint8_t part[TS_PACKET];
	uint8_t *hunt; /* bytes among which packets are searched */
	size_t hunt_len;
	size_t hunt_cap;
	size_t hunt_at; /* what lies before was looked at */
	uint64_t packets;
	uint64_t junk; /* bytes passed over in search */
};

/*
 * Take len bytes. packet() gets each whole packet (188 bytes, sync byte
 * first) and borrows it; what it returns other than 0 ends the feed and is
 * returned. PB_EFORMAT when FRAMING_HUNT bytes held no first packet: the
 * bytes are then kept in hunt for a look at what they are. PB_ENOMEM.
 */
int framing_feed(
    struct framing *f, const uint8_t *buf, size_t len, int (*packet)(void *arg, const uint8_t *p), void *arg);

/*
 * The bytes are over: fewer packets in a row than five are believed now
 * when they reach the end. A packet that is cut is not handed out.
 */
int framing_end(struct framing *f, int (*packet)(void *arg, const uint8_t *p), void *arg);

void framing_clear(struct framing *f);

#endif
