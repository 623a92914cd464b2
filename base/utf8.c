/*
 * utf8.c - how the promise in utf8.h is kept
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

size_t
utf8_sequence(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t need;

	if (len == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	need = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
	if (need == 0 || need > len)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, half of a surrogate pair, or behind the last character. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return need;
}

bool
utf8_valid(const char *s, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = (unsigned char)s[at] < 0x80 ? 1 : utf8_sequence(s + at, len - at);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

size_t
utf8_fit(const char *s, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && ((unsigned char)s[max] & 0xc0) == 0x80)
		max--;
	return max;
}

/* Eight bytes at a time: nearly all that providers send is this. */
size_t
utf8_ascii(const char *s, size_t len)
{
	const uint64_t ones = UINT64_MAX / 255, highs = ones * 0x80;
	size_t at = 0;
	uint64_t v;

	for (; len - at >= sizeof(v); at += sizeof(v)) {
		memcpy(&v, s + at, sizeof(v));
		/* Above 0x7f; 0x7f, which a 1 more makes 0x80; below 0x20, which 0x20 less makes borrow. */
		if (((v | (v + ones) | (v - ones * 0x20)) & highs) != 0)
			break;
	}
	while (at < len && (unsigned char)s[at] >= 0x20 && (unsigned char)s[at] <= 0x7e)
		at++;
	return at;
}

bool
utf8_plain(const char *s, size_t len)
{
	for (size_t at = utf8_ascii(s, len); at < len;) {
		unsigned char c = (unsigned char)s[at];
		size_t n = 1;

		if (c < 0x20 || c == 0x7f)
			return false;
		if (c >= 0x80) {
			n = utf8_sequence(s + at, len - at);
			if (n == 0 || (c == 0xc2 && (unsigned char)s[at + 1] < 0xa0))
				return false;
		}
		at += n;
	}
	return true;
}
