/*
 * packet.c - a datagram or a connection's bytes, from the socket to the answer
 *
 * The bytes are taken as they are, and once more with a frame around them
 * whose CRC is right: else no fuzzer gets past it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/discover.h"
#include "supervisor/getset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
show(void *arg, int n, struct getset_tuner *out)
{
	(void)arg;
	pb_assert(n >= 0 && n < 4);
	*out = (struct getset_tuner){ n == 1, true, "7.1", "News", "192.0.2.5", 40000, 1000000, 1 };
}

/* An answer is a frame with a text that ends. */
static void
check_answer(const struct packet_writer *w, size_t len)
{
	struct packet_item item;
	struct packet packet;
	size_t at = 0;

	pb_assert(len > 0 && len <= PACKET_MAX);
	pb_assert(packet_parse(&packet, w->bytes, len) == 0 && packet.len == len);
	while (packet_next(&packet, &at, &item))
		pb_assert(item.len > 0 && memchr(item.value, '\0', item.len) == item.value + item.len - 1);
	pb_assert(at == packet.payload_len);
}

static void
take(const uint8_t *bytes, size_t len)
{
	static const struct getset_device device = { .tuner_count = 4, .tuner = show };
	struct discover_request request;
	struct getset_request getset;
	struct packet_writer w;
	struct packet_item item;
	struct packet packet;
	size_t at = 0;
	int err;

	if (discover_parse(&request, bytes, len) == 0)
		pb_assert(!discover_matches(&request, 0x105902db) || request.tuner);
	if (packet_parse(&packet, bytes, len) != 0)
		return;
	pb_assert(packet.len <= len && packet.len == packet.payload_len + PACKET_OVERHEAD);
	while (packet_next(&packet, &at, &item))
		pb_assert(item.value + item.len <= packet.payload + packet.payload_len);
	err = getset_parse(&getset, &packet);
	if (err == PB_NO)
		return;
	if (err == 0)
		pb_assert(getset.name[0] != '\0' && strlen(getset.name) < GETSET_NAME_MAX);
	check_answer(&w, getset_answer(&w, err == 0 ? &getset : NULL, &device));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet_writer w;
	uint8_t *exact = malloc(size + 1); /* for the sanitizer: not a byte more */

	if (exact == NULL)
		return 0;
	exact[0] = 0;
	if (size > 0)
		memcpy(exact, data, size);
	take(exact, size);
	free(exact);
	for (int type = PACKET_DISCOVER_REQUEST; type <= PACKET_GETSET_REQUEST; type += 2) {
		if (size > PACKET_PAYLOAD_MAX)
			break;
		packet_begin(&w, (enum packet_type)type);
		if (size > 0)
			memcpy(w.bytes + w.len, data, size);
		w.len += size;
		take(w.bytes, packet_end(&w));
	}
	return 0;
}
