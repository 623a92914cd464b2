/*
 * packet.c - how the promise in packet.h is kept
 */
#include <string.h>
#include <zlib.h>

#include "base/pb.h"
#include "supervisor/packet.h"

#define HEAD 4
#define CRC 4

static uint32_t
crc_of(const uint8_t *bytes, size_t len)
{
	return (uint32_t)crc32(crc32(0, NULL, 0), bytes, (unsigned)len);
}

static void
put_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

int
packet_parse(struct packet *out, const uint8_t *bytes, size_t len)
{
	size_t payload, total;
	uint32_t crc = 0;

	if (len < HEAD)
		return PB_AGAIN;
	payload = (size_t)bytes[2] << 8 | bytes[3];
	if (payload > PACKET_PAYLOAD_MAX)
		return PB_EFORMAT;
	total = HEAD + payload + CRC;
	if (len < total)
		return PB_AGAIN;
	for (int i = 0; i < CRC; i++)
		crc |= (uint32_t)bytes[HEAD + payload + (size_t)i] << 8 * i;
	if (crc != crc_of(bytes, HEAD + payload))
		return PB_EFORMAT;
	*out = (struct packet){
		.type = (uint16_t)(bytes[0] << 8 | bytes[1]),
		.payload = bytes + HEAD,
		.payload_len = payload,
		.len = total,
	};
	return 0;
}

bool
packet_next(const struct packet *packet, size_t *at, struct packet_item *out)
{
	const uint8_t *bytes = packet->payload;
	size_t left = packet->payload_len - *at;
	size_t head = 2;
	size_t len;

	if (left < head)
		return false;
	len = bytes[*at + 1];
	if (len >= 0x80) {
		if (left < ++head)
			return false;
		len = (len & 0x7f) | (size_t)bytes[*at + 2] << 7;
	}
	if (len > left - head)
		return false;
	*out = (struct packet_item){ .tag = bytes[*at], .value = bytes + *at + head, .len = len };
	*at += head + len;
	return true;
}

bool
packet_u32(const struct packet_item *item, uint32_t *out)
{
	if (item->len != 4)
		return false;
	*out = 0;
	for (int i = 0; i < 4; i++)
		*out = *out << 8 | item->value[i];
	return true;
}

void
packet_begin(struct packet_writer *w, enum packet_type type)
{
	memset(w->bytes, 0, HEAD);
	w->bytes[0] = (uint8_t)((unsigned)type >> 8);
	w->bytes[1] = (uint8_t)type;
	w->len = HEAD;
	w->failed = false;
}

void
packet_add(struct packet_writer *w, enum packet_tag tag, const void *value, size_t len)
{
	size_t head = len < 0x80 ? 2 : 3;

	if (w->failed || len > PACKET_PAYLOAD_MAX || w->len + head + len + CRC > PACKET_MAX) {
		w->failed = true;
		return;
	}
	w->bytes[w->len++] = (uint8_t)tag;
	if (len < 0x80) {
		w->bytes[w->len++] = (uint8_t)len;
	} else {
		w->bytes[w->len++] = (uint8_t)(len & 0x7f) | 0x80;
		w->bytes[w->len++] = (uint8_t)(len >> 7);
	}
	if (len > 0)
		memcpy(w->bytes + w->len, value, len);
	w->len += len;
}

void
packet_add_u32(struct packet_writer *w, enum packet_tag tag, uint32_t value)
{
	uint8_t bytes[4];

	put_u32(bytes, value);
	packet_add(w, tag, bytes, sizeof(bytes));
}

void
packet_add_text(struct packet_writer *w, enum packet_tag tag, const char *text)
{
	packet_add(w, tag, text, strlen(text));
}

void
packet_add_string(struct packet_writer *w, enum packet_tag tag, const char *text)
{
	packet_add(w, tag, text, strlen(text) + 1);
}

size_t
packet_end(struct packet_writer *w)
{
	size_t payload = w->len - HEAD;
	uint32_t crc;

	if (w->failed)
		return 0;
	w->bytes[2] = (uint8_t)(payload >> 8);
	w->bytes[3] = (uint8_t)payload;
	crc = crc_of(w->bytes, w->len);
	for (int i = 0; i < CRC; i++)
		w->bytes[w->len++] = (uint8_t)(crc >> 8 * i);
	return w->len;
}
