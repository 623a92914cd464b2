/*
 * entry.h - one thing that a source offers, whatever its format
 *
 * What the readers (m3u.h, xtream.h, items.h) give to whoever makes a list
 * of it (offer.h).
 */
#ifndef PLEXBRIDGE_GUIDE_ENTRY_H
#define PLEXBRIDGE_GUIDE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>

#define ENTRY_HEADERS_MAX 16

/* One that has a URL. All texts are UTF-8, trimmed, "" when not given, and borrowed for the call. */
struct entry {
	unsigned line; /* of the source, from 1 */
	const char *name, *url, *tvg_id, *tvg_name, *logo, *chno, *group, *extgrp, *user_agent;
	const char *headers[ENTRY_HEADERS_MAX]; /* "Name: value" */
	unsigned header_count;
	int shift_min; /* minutes that the guide's times are to be moved by */
	bool radio;
	bool vod; /* a film or an episode, not a channel */
};

/* Who hears what is read. */
struct entry_events {
	void *user;
	/* 0 to go on; what else it gives ends the reading, and is given by its reader. */
	int (*entry)(void *user, const struct entry *entry);
	void (*guide)(void *user, const char *url);
	void (*wrong)(void *user, unsigned line, const char *why);
};

#endif
