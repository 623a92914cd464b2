/*
 * sniff.c - by the first bytes, as file(1) does it
 */
#include <string.h>

#include "base/pb.h"
#include "worker/sniff.h"

static const struct {
	size_t at;
	const char *magic;
	size_t len;
	int err;
	const char *what;
} kinds[] = {
	{ 4, "ftyp", 4, PB_ENOSUP, "fragmented MP4" },
	{ 4, "styp", 4, PB_ENOSUP, "fragmented MP4" },
	{ 4, "moof", 4, PB_ENOSUP, "fragmented MP4" },
	{ 4, "sidx", 4, PB_ENOSUP, "fragmented MP4" },
	{ 0, "ID3", 3, PB_ENOSUP, "packed audio" },
	{ 0, "\xff\xf1", 2, PB_ENOSUP, "packed AAC" },
	{ 0, "\xff\xf9", 2, PB_ENOSUP, "packed AAC" },
	{ 0, "\x0b\x77", 2, PB_ENOSUP, "packed AC-3" },
	{ 0, "WEBVTT", 6, PB_ENOSUP, "WebVTT subtitles" },
	{ 0, "#EXT", 4, PB_EFORMAT, "a playlist" },
	{ 0, "\x89PNG", 4, PB_EFORMAT, "a PNG picture" },
	{ 0, "\xff\xd8\xff", 3, PB_EFORMAT, "a JPEG picture" },
	{ 0, "<", 1, PB_EFORMAT, "HTML or XML" },
	{ 0, "{", 1, PB_EFORMAT, "JSON" },
};

int
sniff(const uint8_t *buf, size_t len, const char **what)
{
	for (size_t i = 0; i < NITEMS(kinds); i++) {
		if (len >= kinds[i].at + kinds[i].len && memcmp(buf + kinds[i].at, kinds[i].magic, kinds[i].len) == 0) {
			*what = kinds[i].what;
			return kinds[i].err;
		}
	}
	*what = NULL;
	return PB_EFORMAT;
}
