/*
 * unpack.h - gzip and xz by what the bytes say, everything else as it is
 *
 * Pure. A source may be compressed by its file format, by HTTP, or by both
 * at once; names and headers are not to be trusted, magic numbers are.
 */
#ifndef PLEXBRIDGE_GUIDE_UNPACK_H
#define PLEXBRIDGE_GUIDE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNPACK_RATIO_MAX 400 /* text never shrinks so much; what does is a bomb */

struct unpack;

/*
 * Gives *out; unpack_free() ends it. sink gets what is unpacked, and ends
 * it with anything but 0. More than bytes_max is PB_ELIMIT. 0 or PB_ENOMEM.
 */
int unpack_new(
    struct unpack **out, uint64_t bytes_max, int (*sink)(void *user, const char *bytes, size_t len), void *user);

/* 0, what sink gave, PB_EFORMAT, PB_ELIMIT or PB_ENOMEM; unpack_why() says more. */
int unpack_feed(struct unpack *u, const char *bytes, size_t len);

/* PB_EFORMAT when it is cut off in the middle. */
int unpack_end(struct unpack *u);

const char *unpack_why(const struct unpack *u);
void unpack_free(struct unpack **u);

#endif
