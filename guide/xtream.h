/*
 * xtream.h - what an Xtream server says of an account and its channels
 *
 * Pure: its JSON in, values out. The requests are made elsewhere (run.c).
 * Servers write numbers as strings and strings as numbers, null for what is
 * not there, and an empty array for an empty object.
 */
#ifndef PLEXBRIDGE_GUIDE_XTREAM_H
#define PLEXBRIDGE_GUIDE_XTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guide/entry.h"

struct xtream_account {
	bool ok; /* it may watch */
	char why[128]; /* when not */
	char status[32];
	uint64_t expires_s; /* 0: never, or not said */
	uint32_t max_connections, active_connections; /* 0: not said */
	bool hls, ts; /* the formats that it may have */
};

/* The answer to a request without an action. 0 or PB_EFORMAT: it is none. */
int xtream_account(struct xtream_account *out, const char *json, size_t len);

/* Names of categories by their id. */
struct xtream_groups;

/* The answer to get_live_categories. 0, PB_EFORMAT or PB_ENOMEM. */
int xtream_groups_new(struct xtream_groups **out, const char *json, size_t len);
void xtream_groups_free(struct xtream_groups **groups);

/* An element of the answer to get_live_streams, as an entry. Fits items.item() (items.h). */
struct xtream_streams {
	const struct entry_events *events;
	const struct xtream_groups *groups; /* NULL: none */
	const char *server, *username, *password; /* the latter two as they stand in a URL */
	bool ts; /* .ts instead of .m3u8 */
};
int xtream_stream(void *streams, unsigned index, const char *text, size_t len);

#endif
