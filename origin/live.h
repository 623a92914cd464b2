/*
 * live.h - a channel's playlists, segments and stream at an instant
 *
 * Which path means what, and what is to be said there at a given wall time.
 * Nothing is stored between two calls, so any number of origins with one
 * definition and clock=wall say the same.
 *
 *   /NAME/master.m3u8          every variant
 *   /NAME/media.m3u8           of the first variant; /NAME/vN/media.m3u8 of any
 *   /NAME/seg/K.ts             segment K (with /vN/ likewise)
 *   /NAME/loop/L.ts            all of loop L, for byterange=yes
 *   /NAME/key                  16 bytes, for aes=yes
 *   /NAME/live.ts              the stream without an end; /ch/NAME.ts is the same
 *   /NAME/t/TOKEN/...          all of these again, for redirect=yes
 *
 * Pure but for memory: time is a parameter, in seconds since the Epoch.
 */
#ifndef PLEXBRIDGE_ORIGIN_LIVE_H
#define PLEXBRIDGE_ORIGIN_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "origin/channel.h"

enum live_kind { LIVE_MASTER, LIVE_MEDIA, LIVE_SEGMENT, LIVE_LOOP, LIVE_KEY, LIVE_STREAM };

struct live_target {
	const struct channel *channel;
	enum live_kind kind;
	unsigned int variant;
	uint64_t k; /* of a segment, or a loop's number */
	bool has_token;
	char token[32];
	const char *rest; /* points into the path: what follows the name and the token */
};

/* Understand a path. 0, or PB_NO when nothing is there. */
int live_route(struct live_target *out, const struct channels *channels, const char *path);

/* How a playlist is to lie (fault.h); all zero: the truth. */
struct live_lie {
	double at; /* instead of now, when not 0: a frozen playlist */
	unsigned int back; /* the window as it was that many segments ago */
	bool reset; /* the sequence began anew at this time, with this number */
	double reset_at;
	uint64_t reset_base;
	bool endlist; /* it says that this is the end */
};

/* The texts, NUL-terminated; the caller frees *out. 0 or PB_ENOMEM. */
int live_master(const struct channel *channel, char **out, size_t *len);
int live_playlist(const struct channel *channel, unsigned int variant, double now, const struct live_lie *lie,
    char **out, size_t *len);

/*
 * A segment or a loop, encrypted if the channel is; the caller frees *out.
 * 0, PB_ENOMEM, or PB_NO when it is not there yet or no longer.
 */
int live_segment(const struct live_target *target, double now, uint8_t **out, size_t *len);

/* The segment that is the newest at that time. */
uint64_t live_newest(const struct channel *channel, double now);

/* A token made now; when one was made; and whether one is good now: 0, or PB_NO. */
void live_token(const struct channel *channel, double now, char *out, size_t size);
double live_token_made(const char *token);
int live_token_check(const struct channel *channel, const char *token, double now);

/* The endless stream: one for a client. */
struct live_stream;
int live_stream_new(struct live_stream **out, const struct channel *channel, unsigned int variant, double now);
void live_stream_free(struct live_stream **stream);

/*
 * What is due by now and has not been taken: *data (until the next call)
 * and *len, whole packets, perhaps 0. 0 or PB_ENOMEM.
 */
int live_stream_due(struct live_stream *stream, double now, const uint8_t **data, size_t *len);

#endif
