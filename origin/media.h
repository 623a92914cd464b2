/*
 * media.h - a TS file as an endless row of segments
 *
 * A file of some seconds is cut at key frames into segments, and repeated
 * for ever: segment k = 0, 1, 2, ... is a function of k alone, byte for
 * byte, so that a retry, a Range request and a restarted origin all see the
 * same bytes. Each segment begins with PAT and PMT, then the key frame.
 *
 *   units        90 kHz; positions count from the beginning of segment 0
 *   continuous   stamps (PTS, DTS, PCR) are shifted by whole loops and wrap
 *                at 33 bits, continuity counters run on: no seam
 *   otherwise    each loop is the file's own bytes and stamps again; the
 *                playlist has to say EXT-X-DISCONTINUITY there
 *   bounds       MEDIA_BYTES_MAX, MEDIA_SEGMENTS_MAX, MEDIA_PIDS PIDs
 *
 * Pure after loading. One programme; what comes before its first key frame
 * is left out. The length of a loop is that of its longest stream, so no
 * stream's time goes back at the seam.
 */
#ifndef PLEXBRIDGE_ORIGIN_MEDIA_H
#define PLEXBRIDGE_ORIGIN_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIA_BYTES_MAX ((size_t)512 << 20)
#define MEDIA_SEGMENTS_MAX 8192
#define MEDIA_PIDS 32

struct media;

/*
 * Index len bytes of TS, borrowed until media_free(), into segments of
 * seg_90k or a little more. Gives *out. 0, PB_ENOMEM, PB_ELIMIT, or
 * PB_EFORMAT: no whole packets, no PAT/PMT, no key frame, no time stamps,
 * less than 100 ms of media.
 */
int media_new(struct media **out, const uint8_t *ts, size_t len, int64_t seg_90k);

/* The same for a file, which is read (blocks). Also PB_ESYS with errno set. */
int media_open(struct media **out, const char *path, int64_t seg_90k);

void media_free(struct media **media);

/* Segments a loop, at least 1; a loop's length; the longest segment. */
size_t media_segments(const struct media *media);
int64_t media_loop_90k(const struct media *media);
int64_t media_longest_90k(const struct media *media);

/* Of segment k: when it begins, how long it is, how many bytes (the same in every loop). */
int64_t media_start_90k(const struct media *media, uint64_t k);
int64_t media_duration_90k(const struct media *media, uint64_t k);
size_t media_bytes(const struct media *media, uint64_t k);

/* How many segments have ended by then: the first that has not is this one. 0 for a negative time. */
uint64_t media_ended(const struct media *media, int64_t at_90k);

/* The first segment of k's loop: k - k % segments. */
uint64_t media_loop_first(const struct media *media, uint64_t k);

/* Write segment k to out, which has media_bytes(media, k) bytes. */
void media_emit(const struct media *media, uint64_t k, bool continuous, uint8_t *out);

#endif
