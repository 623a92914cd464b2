/*
 * spoil.h - a segment that comes in time and is of no use
 *
 * What providers send whose encoder hangs; in place, on whole packets of
 * 188 bytes. Pure.
 */
#ifndef PLEXBRIDGE_ORIGIN_SPOIL_H
#define PLEXBRIDGE_ORIGIN_SPOIL_H

#include <stddef.h>
#include <stdint.h>

/* Every PCR becomes the same. */
void spoil_clock(uint8_t *ts, size_t len);

/* Packets of the PID that carries video become null packets. */
void spoil_video(uint8_t *ts, size_t len);

/* ...and those of the PID that carries audio. */
void spoil_audio(uint8_t *ts, size_t len);

#endif
