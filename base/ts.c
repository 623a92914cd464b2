/*
 * ts.c - the two parts of ts.h that are more than a line: CRC and sync
 */
#include "base/ts.h"

static uint32_t crc_table[256];

/* Filled before main(), so that the function stays pure for its callers. */
__attribute__((constructor)) static void
crc_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i << 24;

		for (int bit = 0; bit < 8; bit++)
			c = c & 0x80000000u ? c << 1 ^ 0x04c11db7u : c << 1;
		crc_table[i] = c;
	}
}

uint32_t
ts_crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xffffffffu;

	while (len-- > 0)
		crc = crc << 8 ^ crc_table[crc >> 24 ^ *data++];
	return crc;
}

static bool
synced(const uint8_t *buf, size_t len, size_t at, int stride, int need, bool at_end)
{
	int seen = 0;

	for (; seen < need && at < len; at += (size_t)stride, seen++)
		if (buf[at] != TS_SYNC)
			return false;
	if (seen == need)
		return true;
	return at_end && seen > 0 && at - (size_t)stride + TS_PACKET <= len;
}

long
ts_find_sync(const uint8_t *buf, size_t len, int need, bool at_end, int *stride)
{
	static const int strides[] = { 188, 192, 204 };

	for (size_t at = 0; at < len; at++) {
		if (buf[at] != TS_SYNC)
			continue;
		for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++)
			if (synced(buf, len, at, strides[i], need, at_end)) {
				*stride = strides[i];
				return (long)at;
			}
	}
	return -1;
}
