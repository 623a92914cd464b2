/*
 * variant.h - the upper limit that picks a variant of a master playlist
 *
 * The setting `variant`: best, a height (1080p), or a rate (8M). Read by
 * config_parse_variant() (config/config.h); what it means for a playlist is
 * worker/variant.h's.
 */
#ifndef PLEXBRIDGE_CONFIG_VARIANT_H
#define PLEXBRIDGE_CONFIG_VARIANT_H

#include <stdint.h>

enum variant_kind { VARIANT_BEST, VARIANT_HEIGHT, VARIANT_RATE };

struct variant_limit {
	enum variant_kind kind;
	uint64_t value; /* lines of picture, or bits a second; 0 for best */
};

#endif
