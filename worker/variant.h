/*
 * variant.h - which variant of a master playlist is played
 *
 * Pure. The setting `variant = best | 1080p | 8M` is the upper limit of
 * height or rate; the best variant below it is taken.
 */
#ifndef PLEXBRIDGE_WORKER_VARIANT_H
#define PLEXBRIDGE_WORKER_VARIANT_H

#include <stdbool.h>
#include <stdint.h>

#include "config/variant.h"
#include "worker/playlist.h"

/*
 * The index of the variant to play, or a negative error. limit NULL means
 * best. excluded is an array of variant_count, or NULL: those that failed
 * lately. Equal variants (other hosts, other PATHWAY-IDs) are backups of
 * each other in the order of the playlist: exclude the first to get the
 * second.
 *
 * Ranked by: video before audio-only; a codec that TS carries before one
 * that it doesn't; below the limit before above it; H.264 (or unknown)
 * before HEVC; area, frame rate, bandwidth. Above the limit the lowest wins.
 *
 * PB_ENOSUP when all that has a picture needs separate audio (its AUDIO
 * group's chosen rendition has a URI), PB_ENET when all are excluded,
 * PB_EFORMAT when there is none at all or the playlist is no master. Then
 * *why (which may be NULL) points to static text for the operator.
 */
int playlist_choose_variant(
    const struct playlist *master, const struct variant_limit *limit, const bool *excluded, const char **why);

/*
 * May variant `index` be played in a stream that began with variant `as`?
 * Its codecs are of the same classes as far as both are named, it has a
 * picture, needs no separate audio, and is within the limit or at least not
 * above `as`.
 */
bool playlist_variant_like(const struct playlist *master, const struct variant_limit *limit, size_t index, size_t as);

/*
 * The rendition that an audio group gives: DEFAULT, else AUTOSELECT, else
 * the first. NULL when there is no such group.
 */
const struct playlist_rendition *playlist_choose_audio(const struct playlist *master, const char *group_id);

#endif
