/*
 * channel.h - what a channel of the origin is, from its definition
 *
 * A definition is one word of key=value pairs with commas between them, as
 * plexbridge-origin(1) describes: "name=a,file=x.ts,seg=2,win=6". A table
 * of keys is in channel.c.
 *
 *   owner   a struct channels owns its channels and the media they play;
 *           equal files with equal segment lengths are loaded once
 *   units   seconds in definitions, 90 kHz in here
 */
#ifndef PLEXBRIDGE_ORIGIN_CHANNEL_H
#define PLEXBRIDGE_ORIGIN_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "origin/media.h"

#define CHANNEL_VARIANTS 8
#define CHANNEL_NAME 64
#define CHANNELS_MAX 4096
#define CHANNEL_KEY 16

enum channel_iv { CHANNEL_IV_EXPLICIT, CHANNEL_IV_IMPLICIT };
enum channel_gzip { CHANNEL_GZIP_NO, CHANNEL_GZIP_YES, CHANNEL_GZIP_BARE };
enum channel_clock { CHANNEL_CLOCK_START, CHANNEL_CLOCK_WALL };

struct channel {
	char name[CHANNEL_NAME];
	size_t index; /* among the channels, from 0 */
	unsigned int variants; /* 1..CHANNEL_VARIANTS */
	struct media *media[CHANNEL_VARIANTS]; /* borrowed from the channels */
	int64_t seg_90k;
	unsigned int win; /* segments in the window */
	uint64_t base; /* msn of segment 0 */
	double speed; /* media seconds a second */
	double t0; /* wall time at which segment 0 began */
	double burst_s; /* of live.ts: how far behind the edge it begins */
	enum channel_clock clock;
	enum channel_iv iv;
	enum channel_gzip gzip;
	bool aes;
	uint8_t key[CHANNEL_KEY];
	bool byterange;
	bool vod;
	bool continuous; /* stamps run on at the loop's border */
	bool redirect;
	double token_s; /* how long a token is good */
	bool cookie;
	bool pdt;
};

struct channels;

int channels_new(struct channels **out);
void channels_free(struct channels **channels);

/*
 * Add the channel that spec defines; reads its files (blocks). now is wall
 * time in seconds. On an error why[size] says what is wrong with which key,
 * and nothing was added. 0, PB_ENOMEM, PB_ELIMIT, PB_EFORMAT, PB_ESYS.
 */
int channels_add(struct channels *channels, const char *spec, double now, char *why, size_t size);

/* Add the built-in test card as "testcard", with the definition's other keys if there are any ("" for none). */
int channels_add_testcard(struct channels *channels, const char *spec, double now, char *why, size_t size);

size_t channels_count(const struct channels *channels);

/* By name (len bytes, not NUL-terminated), or by place. NULL when there is none. */
const struct channel *channels_find(const struct channels *channels, const char *name, size_t len);
const struct channel *channels_at(const struct channels *channels, size_t i);

#endif
