/*
 * packet.h - HDHomeRun's frames, as UDP discovery and TCP control have them
 *
 * Pure: bytes in, a value out; no sockets, no clock, no allocation. Input is
 * hostile. All numbers of a frame are big-endian but its CRC, which is
 * zlib's CRC-32 and little-endian.
 *
 *   type u16 | length of the payload u16 | payload | CRC-32 of all before it
 *   payload: tag u8 | length, one byte or two | value, and again
 */
#ifndef PLEXBRIDGE_SUPERVISOR_PACKET_H
#define PLEXBRIDGE_SUPERVISOR_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 1460
#define PACKET_OVERHEAD 8 /* head and CRC */
#define PACKET_PAYLOAD_MAX (PACKET_MAX - PACKET_OVERHEAD)
#define PACKET_ANY UINT32_MAX /* a type or an id that matches all */

enum packet_type {
	PACKET_DISCOVER_REQUEST = 2,
	PACKET_DISCOVER_REPLY = 3,
	PACKET_GETSET_REQUEST = 4,
	PACKET_GETSET_REPLY = 5,
};

enum packet_tag {
	PACKET_DEVICE_TYPE = 0x01, /* u32: 1 is a tuner */
	PACKET_DEVICE_ID = 0x02, /* u32 */
	PACKET_NAME = 0x03, /* these three with a NUL that counts */
	PACKET_VALUE = 0x04,
	PACKET_ERROR = 0x05,
	PACKET_TUNER_COUNT = 0x10, /* u8 */
	PACKET_LOCKKEY = 0x15, /* u32 */
	PACKET_LINEUP_URL = 0x27, /* these three without a NUL */
	PACKET_BASE_URL = 0x2a,
	PACKET_DEVICE_AUTH = 0x2b,
	PACKET_MULTI_TYPE = 0x2d, /* many u32 */
};

#define PACKET_TUNER 1 /* the device type that we are */

/* A frame that was found whole; payload points into the caller's bytes. */
struct packet {
	uint16_t type;
	const uint8_t *payload;
	size_t payload_len;
	size_t len; /* of the whole frame */
};

struct packet_item {
	uint8_t tag;
	const uint8_t *value;
	size_t len;
};

/*
 * Find the frame at the beginning of bytes. 0; PB_AGAIN when it isn't whole
 * yet; PB_EFORMAT when its length is above PACKET_PAYLOAD_MAX or its CRC is wrong.
 */
int packet_parse(struct packet *out, const uint8_t *bytes, size_t len);

/* The next item from *at on, 0 at first; false at the end, or where a length runs past it. */
bool packet_next(const struct packet *packet, size_t *at, struct packet_item *out);

/* A u32 of 4 bytes. false: the item has another length. */
bool packet_u32(const struct packet_item *item, uint32_t *out);

/* A frame that is written. What doesn't fit makes all of it fail, at packet_end(). */
struct packet_writer {
	uint8_t bytes[PACKET_MAX];
	size_t len;
	bool failed;
};

void packet_begin(struct packet_writer *w, enum packet_type type);
void packet_add(struct packet_writer *w, enum packet_tag tag, const void *value, size_t len);
void packet_add_u32(struct packet_writer *w, enum packet_tag tag, uint32_t value);
void packet_add_text(struct packet_writer *w, enum packet_tag tag, const char *text); /* without its NUL */
void packet_add_string(struct packet_writer *w, enum packet_tag tag, const char *text); /* with it */

/* Length and CRC. Gives the length of the frame, 0 when it failed. */
size_t packet_end(struct packet_writer *w);

#endif
