/*
 * slate.h - a ready-made moving picture for outages, looked over and kept
 *
 * A file of plain TS whose video is of the very format of the stream that it
 * is to stand in for: codec, profile and size (worker/format.h). Its sound is
 * not used: silence is the stream's own.
 *
 *   trust      the file is anybody's: bounded, and refused unless each of its
 *              pictures has a time behind the one before and the first is a
 *              key picture with its parameter sets
 *   memory     its pictures, SLATE_BYTES_MAX at most, until slate_free()
 *   blocking   for the read of a local file of that size
 */
#ifndef PLEXBRIDGE_WORKER_SLATE_H
#define PLEXBRIDGE_WORKER_SLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/es.h"

#define SLATE_BYTES_MAX (8u << 20)
#define SLATE_PICTURES_MAX 4096

struct slate_picture {
	size_t at, len; /* in data */
	int64_t cts_90k; /* PTS - DTS */
	int64_t dur_90k; /* to the next one's DTS */
	bool key;
};

struct slate {
	uint8_t *data;
	size_t len;
	struct slate_picture *picture;
	size_t n;
};

/*
 * Read one, for a stream whose key picture is given. 0, and *out is the
 * caller's; PB_NO: it is of another format; PB_EFORMAT: it is no slate;
 * PB_ELIMIT: too large; PB_ENOMEM; PB_ESYS. fd is borrowed and read from its
 * beginning, whoever read it before.
 */
int slate_read(struct slate **out, int fd, enum es_codec codec, const uint8_t *picture, size_t picture_len);

void slate_free(struct slate **slate);

#endif
