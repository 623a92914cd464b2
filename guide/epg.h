/*
 * epg.h - the guide that Plex and Jellyfin are given, out of those of providers
 *
 * Channels are given first, then each source's channels and programmes; what
 * is wanted of them goes to a scratch file at once, so that memory depends
 * on how many programmes there are and not on what they say. epg_write()
 * puts them in order: channel by channel, no two at once, none twice.
 *
 *   window     from an hour before now to 14 days after; what goes on for more
 *              than a day behind that is cut
 *   matching   an id that the operator gave, the provider's tvg-id, then the
 *              cleaned name (name.h); a name that two of a source's channels
 *              have is uncertain, and matches none
 *   several    the first source that has a programme for a channel has it
 */
#ifndef PLEXBRIDGE_GUIDE_EPG_H
#define PLEXBRIDGE_GUIDE_EPG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guide/xmltv.h"

#define EPG_PROGRAMMES_MAX 1600000 /* 24 bytes each in memory */
#define EPG_CHANNEL_MAX 32768 /* of one channel: more than one a minute */
#define EPG_IDS_MAX 262144 /* of a source's channels that are ours */
#define EPG_BEFORE_S 3600
#define EPG_AFTER_S (14 * 86400)
#define EPG_PLACEHOLDER_S (6 * 3600)
#define EPG_PLACEHOLDER_DAYS 3

/* How a channel's guide was found, the surest first. */
enum epg_how { EPG_UNMATCHED, EPG_BY_ID, EPG_BY_TVG_ID, EPG_BY_NAME };

struct epg_match {
	enum epg_how how;
	bool uncertain; /* unmatched, because several of a source's channels have its name */
	uint32_t programmes;
};

struct epg;

struct epg_channel {
	const char *number, *id, *name, *logo; /* as they are written; logo "" when there is none */
	const char *guide_id, *tvg_id; /* "" when not given */
	int shift_min;
	uint32_t parts; /* a bit for each part of the lineup that it is in */
};

/* scratch is borrowed. Gives *out. 0 or PB_ENOMEM. */
int epg_new(struct epg **out, int scratch, int64_t now);

/* All texts are borrowed until the end. 0 or PB_ENOMEM. */
int epg_add(struct epg *epg, const struct epg_channel *channel);

/* Another source begins: its times are moved by so much; fold: its sub-titles go into the titles. Then its events go to epg_events(). 0 or PB_ENOMEM. */
int epg_source(struct epg *epg, int shift_min, bool fold);
void epg_events(struct epg *epg, struct xmltv_events *out);

/* Write all of it to xml, or a part (-1: all). No source may come after that. 0, PB_ENOMEM, PB_ESYS. */
int epg_write(struct epg *epg, int xml, int part);

/* What became of channel i (in the order of epg_add()). */
void epg_match(const struct epg *epg, size_t i, struct epg_match *out);

/* Of what was written last. */
uint64_t epg_hash(const struct epg *epg);
size_t epg_programmes(const struct epg *epg); /* placeholders left out */
size_t epg_dropped(const struct epg *epg); /* more than there is room for: EPG_PROGRAMMES_MAX and so on */
size_t epg_too_long(const struct epg *epg); /* left out: as it is to be written, one of them has more than 96 KiB */

void epg_free(struct epg **epg);

#endif
