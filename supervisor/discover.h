/*
 * discover.h - who asks for a tuner on UDP 65001, and what it is told
 *
 * Pure. A filter that is absent is a wildcard: requests of newer libraries
 * have no id, or a list of types alone. Items may come in any order, those
 * that are unknown are skipped.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_DISCOVER_H
#define PLEXBRIDGE_SUPERVISOR_DISCOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/packet.h"

#define DISCOVER_BASE_MAX 28 /* bytes of the base URL: older libraries cut at one more, and Kodi fails then */

struct discover_request {
	bool tuner; /* tuners are asked for, among others perhaps */
	uint32_t id; /* PACKET_ANY: whoever it is */
};

/* Understand a datagram. 0, or PB_EFORMAT: no discover request, or a broken one. */
int discover_parse(struct discover_request *out, const uint8_t *bytes, size_t len);

/* Does it ask for this device? */
bool discover_matches(const struct discover_request *request, uint32_t id);

/* What a reply says; borrowed. */
struct discover_device {
	uint32_t id;
	const char *auth;
	const char *base; /* "http://192.0.2.10:5004": an IPv4 literal, no slash behind it */
	int tuner_count;
};

/* Write the reply. Gives its length; 0: a base that is too long for the clients there are. */
size_t discover_reply(struct packet_writer *out, const struct discover_device *device);

#endif
