/*
 * discover.c - how the promise in discover.h is kept
 */
#include <stdio.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/discover.h"

static bool
is_ours(uint32_t type)
{
	return type == PACKET_TUNER || type == PACKET_ANY;
}

/* A list of types: is ours among them? */
static bool
lists_us(const struct packet_item *item)
{
	for (size_t at = 0; at + 4 <= item->len; at += 4) {
		struct packet_item one = { .value = item->value + at, .len = 4 };
		uint32_t type;

		if (packet_u32(&one, &type) && is_ours(type))
			return true;
	}
	return false;
}

int
discover_parse(struct discover_request *out, const uint8_t *bytes, size_t len)
{
	struct packet packet;
	struct packet_item item;
	bool typed = false;
	uint32_t value;

	if (packet_parse(&packet, bytes, len) != 0 || packet.type != PACKET_DISCOVER_REQUEST)
		return PB_EFORMAT;
	*out = (struct discover_request){ .tuner = false, .id = PACKET_ANY };
	for (size_t at = 0; packet_next(&packet, &at, &item);) {
		if (item.tag == PACKET_DEVICE_TYPE && packet_u32(&item, &value)) {
			typed = true;
			out->tuner |= is_ours(value);
		} else if (item.tag == PACKET_MULTI_TYPE) {
			typed = true;
			out->tuner |= lists_us(&item);
		} else if (item.tag == PACKET_DEVICE_ID && packet_u32(&item, &value)) {
			out->id = value;
		}
	}
	if (!typed)
		out->tuner = true;
	return 0;
}

bool
discover_matches(const struct discover_request *request, uint32_t id)
{
	return request->tuner && (request->id == PACKET_ANY || request->id == id);
}

size_t
discover_reply(struct packet_writer *out, const struct discover_device *device)
{
	char lineup[DISCOVER_BASE_MAX + sizeof("/lineup.json")];
	uint8_t count = (uint8_t)PB_MIN(PB_MAX(device->tuner_count, 0), 255);

	if (strlen(device->base) > DISCOVER_BASE_MAX)
		return 0;
	(void)snprintf(lineup, sizeof(lineup), "%s/lineup.json", device->base);
	packet_begin(out, PACKET_DISCOVER_REPLY);
	/* In the order of the real device. */
	packet_add_u32(out, PACKET_DEVICE_TYPE, PACKET_TUNER);
	packet_add_u32(out, PACKET_DEVICE_ID, device->id);
	if (device->auth != NULL)
		packet_add_text(out, PACKET_DEVICE_AUTH, device->auth);
	packet_add_text(out, PACKET_BASE_URL, device->base);
	packet_add(out, PACKET_TUNER_COUNT, &count, 1);
	packet_add_text(out, PACKET_LINEUP_URL, lineup);
	return packet_end(out);
}
