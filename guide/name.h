/*
 * name.h - when two names mean the same channel
 *
 * Pure. The normalisation is documented in plexbridge-guide(8): two names
 * are the same when name_clean() makes the same of them.
 *
 *   1. letters become small, accents go (Latin), "&" is "and"
 *   2. words about the picture go: 4K, UHD, FHD, HD, SD, HEVC, H.265, H.264,
 *      2160p, 1080p, 1080i, 720p, 576p, 480p, 25fps to 60fps, RAW; with
 *      the brackets around them
 *   3. of the rest, letters, digits and "+" are kept, and nothing else
 *   4. a name of which nothing is left that way keeps the words of 2
 */
#ifndef PLEXBRIDGE_GUIDE_NAME_H
#define PLEXBRIDGE_GUIDE_NAME_H

#include <stddef.h>

#include "ipc/list.h"

/* name (UTF-8) as it is compared, into out[size]; *quality is what its words say of the picture. Gives the length. */
size_t name_clean(char *out, size_t size, const char *name, enum list_quality *quality);

#endif
