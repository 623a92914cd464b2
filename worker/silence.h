/*
 * silence.h - a frame of silence in a stream's own audio format
 *
 * Made from the stream's own frame header, so that rate, channels, bit rate
 * and profile stay what they were: a player that opened its audio output
 * once never has to open it again.
 *
 *   AAC (ADTS)     a raw data block without any spectrum (ISO/IEC 14496-3,
 *                  4.4.2.1), channel configurations 1 to 7; with HE-AAC the
 *                  core's, which sounds for as long
 *   MPEG audio     layers II and III: a frame that allocates no bits
 *                  (ISO/IEC 11172-3, 2.4.1)
 *   all others     none is made
 *
 * Pure. trust: own is hostile, nothing is read outside [own, own + len).
 */
#ifndef PLEXBRIDGE_WORKER_SILENCE_H
#define PLEXBRIDGE_WORKER_SILENCE_H

#include <stddef.h>
#include <stdint.h>

#include "worker/es.h"

#define SILENCE_FRAME_MAX 2048

/*
 * Write a silent frame like the one that begins at own. Returns its length
 * (at most SILENCE_FRAME_MAX), with its samples and rate; 0 when none can be made.
 */
size_t silence_make(enum es_codec codec, const uint8_t *own, size_t len, uint8_t out[SILENCE_FRAME_MAX],
    unsigned *samples, unsigned *rate);

#endif
