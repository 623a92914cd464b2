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
 *   AAC (LATM)     the same block in the stream's own StreamMuxConfig, where
 *                  that is a single programme of one layer (1.7.3)
 *   MPEG audio     layers II and III: a frame that allocates no bits
 *                  (ISO/IEC 11172-3, 2.4.1)
 *   AC-3, E-AC-3   a frame of the same length whose blocks have no mantissas
 *                  (ETSI TS 102 366, 4.3 and E.1); with its dependent
 *                  substreams, so that 7.1 stays 7.1
 *   all others     none is made
 *
 * Pure. trust: own is hostile, nothing is read outside [own, own + len).
 */
#ifndef PLEXBRIDGE_WORKER_SILENCE_H
#define PLEXBRIDGE_WORKER_SILENCE_H

#include <stddef.h>
#include <stdint.h>

#include "worker/es.h"

#define SILENCE_FRAME_MAX (16u << 10) /* E-AC-3: 4 KiB for each substream */

/*
 * Write a silent frame like the one that begins at own. Returns its length
 * (at most SILENCE_FRAME_MAX), with its samples and rate; 0 when none can be made.
 */
size_t silence_make(enum es_codec codec, const uint8_t *own, size_t len, uint8_t out[SILENCE_FRAME_MAX],
    unsigned *samples, unsigned *rate);

/* The formats, each by itself; out is zero before. As silence_make(). */
size_t silence_adts(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate);
size_t silence_latm(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate);
size_t silence_ac3(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate);
size_t silence_eac3(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate);

#endif
