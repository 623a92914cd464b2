/*
 * name.c - how the promise in name.h is kept
 */
#include "guide/name.h"

#include <stdbool.h>
#include <string.h>

#include "base/pb.h"
#include "base/utf8.h"

#define WORD(text, quality) \
	{ \
		text, sizeof(text) - 1, quality \
	}

static const struct {
	const char *word;
	size_t len;
	enum list_quality quality;
} words[] = {
	WORD("4k", LIST_4K),
	WORD("uhd", LIST_4K),
	WORD("2160p", LIST_4K),
	WORD("8k", LIST_4K),
	WORD("fhd", LIST_FHD),
	WORD("fullhd", LIST_FHD),
	WORD("1080p", LIST_FHD),
	WORD("1080i", LIST_FHD),
	WORD("1080", LIST_FHD),
	WORD("hd", LIST_HD),
	WORD("720p", LIST_HD),
	WORD("sd", LIST_SD),
	WORD("576p", LIST_SD),
	WORD("576i", LIST_SD),
	WORD("480p", LIST_SD),
	WORD("480i", LIST_SD),
	WORD("hevc", LIST_PLAIN),
	WORD("h265", LIST_PLAIN),
	WORD("h264", LIST_PLAIN),
	WORD("x265", LIST_PLAIN),
	WORD("raw", LIST_PLAIN),
	WORD("25fps", LIST_PLAIN),
	WORD("30fps", LIST_PLAIN),
	WORD("50fps", LIST_PLAIN),
	WORD("60fps", LIST_PLAIN),
};

/* The letter under the accent, of U+00C0 to U+017F; '.' where there is none or it is two. */
static const char plain[] = "aaaaaa.ceeeeiiiidnooooo.ouuuuy..aaaaaa.ceeeeiiiidnooooo.ouuuuy.y"
			    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii..jjkk.llllll."
			    "lllnnnnnn...oooooo..rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/* One character of s (n bytes) as it is compared, into out; gives its length, 0 for what separates words. */
static size_t
fold(char out[4], const char *s, size_t n)
{
	unsigned char c = (unsigned char)*s;
	unsigned code;

	if (n == 1) {
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		out[0] = (char)c;
		return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+';
	}
	code = n == 2 ? (c & 0x1fu) << 6 | ((unsigned char)s[1] & 0x3fu) : 0;
	if (n == 2 && code < 0xc0)
		return 0;
	if (n == 2 && code < 0x180 && code - 0xc0 < sizeof(plain) - 1 && plain[code - 0xc0] != '.') {
		out[0] = plain[code - 0xc0];
		return 1;
	}
	/* Greek and Cyrillic capitals. */
	if (code >= 0x391 && code <= 0x3a9)
		code += 0x20;
	else if (code >= 0x410 && code <= 0x42f)
		code += 0x20;
	else if (code >= 0x400 && code <= 0x40f)
		code += 0x50;
	/* General punctuation, arrows, symbols, boxes: what names are decorated with. */
	if (n == 3 && c == 0xe2)
		return 0;
	memcpy(out, s, n);
	if (n == 2) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
	}
	return n;
}

static bool
about_picture(const char *word, size_t len, enum list_quality *quality)
{
	for (size_t i = 0; i < NITEMS(words); i++)
		if (words[i].len == len && memcmp(words[i].word, word, len) == 0) {
			/* The best that is said: "HD 1080p" is more than "HD". SD only when nothing else is. */
			if (*quality == LIST_PLAIN || (words[i].quality != LIST_PLAIN && words[i].quality < *quality))
				*quality = words[i].quality;
			return true;
		}
	return false;
}

static size_t
clean(char *out, size_t size, const char *name, bool drop, enum list_quality *quality)
{
	size_t left = strlen(name), at = 0, begin = 0;

	*quality = LIST_PLAIN;
	for (;;) {
		size_t n = left == 0 ? 0 : utf8_sequence(name, left);
		char one[4];
		size_t len = n == 0 ? 0 : fold(one, name, n);

		if (len > 0 && at + len < size) {
			memcpy(out + at, one, len);
			at += len;
		} else if (len == 0 || left == 0) {
			/* The end of a word. "H.265" is written with a dot, and one word. */
			bool joined = n == 1 && *name == '.' && at - begin == 1 && out[begin] == 'h';

			if (!joined) {
				if (drop && at > begin && about_picture(out + begin, at - begin, quality))
					at = begin;
				begin = at;
			}
			if (n == 1 && *name == '&' && at + 3 < size) {
				memcpy(out + at, "and", 3);
				at += 3;
				begin = at;
			}
		}
		if (left == 0)
			break;
		name += n == 0 ? 1 : n;
		left -= n == 0 ? 1 : n;
	}
	out[at] = '\0';
	return at;
}

size_t
name_clean(char *out, size_t size, const char *name, enum list_quality *quality)
{
	enum list_quality none;
	size_t len = clean(out, size, name, true, quality);

	if (len == 0)
		len = clean(out, size, name, false, &none);
	if (len == 0) { /* decoration alone: as it is */
		len = utf8_fit(name, strlen(name), size - 1);
		memcpy(out, name, len);
		out[len] = '\0';
	}
	return len;
}
