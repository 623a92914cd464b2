/*
 * text.c - how the promise in text.h is kept
 *
 * The text is written where it will stay: behind a blob's header. A
 * finished lineup is not copied once more.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/text.h"

#define FIRST_SIZE 512
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static bool reserve(struct text *text, size_t more);
static size_t utf8_len(const unsigned char *s);

void
text_add_len(struct text *text, const char *s, size_t len)
{
	if (len == 0 || !reserve(text, len))
		return;
	memcpy(text->blob->data + text->len, s, len);
	text->len += len;
}

void
text_addf(struct text *text, const char *fmt, ...)
{
	char piece[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(piece, sizeof(piece), fmt, ap);
	va_end(ap);
	/* Only short pieces of ours are formatted; names and URLs are added. */
	pb_assert(n >= 0 && (size_t)n < sizeof(piece));
	text_add_len(text, piece, (size_t)n);
}

void
text_add_json(struct text *text, const char *s)
{
	const unsigned char *at = (const unsigned char *)s;
	const unsigned char *plain = at; /* begin of what needs no quoting */

	text_add(text, "\"");
	for (;;) {
		size_t len;

		while (*at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
			at++;
		if (*at == '\0')
			break;
		len = utf8_len(at);
		if (len > 1) {
			at += len;
			continue;
		}
		text_add_len(text, (const char *)plain, (size_t)(at - plain));
		if (len == 0)
			text_add(text, REPLACEMENT);
		else if (*at == '"' || *at == '\\')
			text_addf(text, "\\%c", *at);
		else
			text_addf(text, "\\u%04x", (unsigned)*at);
		plain = ++at;
	}
	text_add_len(text, (const char *)plain, (size_t)(at - plain));
	text_add(text, "\"");
}

/* Of ASCII, what needs no quoting. */
static bool
is_plain_xml(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '&' && c != '<' && c != '>' && c != '"' && c != '\'';
}

void
text_add_xml(struct text *text, const char *s)
{
	const unsigned char *at = (const unsigned char *)s;
	const unsigned char *plain = at;

	for (;;) {
		const char *instead = NULL;
		size_t len;

		while (is_plain_xml(*at))
			at++;
		if (*at == '\0')
			break;
		len = utf8_len(at);
		/* U+FFFE and U+FFFF are UTF-8 but no XML characters (XML 1.0, 2.2). */
		if (len == 0 || (len == 3 && at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe))
			instead = REPLACEMENT;
		else if (*at == '&')
			instead = "&amp;";
		else if (*at == '<')
			instead = "&lt;";
		else if (*at == '>')
			instead = "&gt;";
		else if (*at == '"')
			instead = "&quot;";
		else if (*at == '\'')
			instead = "&#39;"; /* HTML 4 has no &apos; */
		else if (*at < 0x20 || *at == 0x7f)
			instead = *at == '\t' || *at == '\n' || *at == '\r' ? " " : REPLACEMENT;
		if (instead == NULL) {
			at += len;
			continue;
		}
		text_add_len(text, (const char *)plain, (size_t)(at - plain));
		text_add(text, instead);
		at += len == 0 ? 1 : len;
		plain = at;
	}
	text_add_len(text, (const char *)plain, (size_t)(at - plain));
}

struct blob *
text_blob(struct text *text)
{
	struct blob *blob;
	struct blob *fit;

	if (!text->failed && text->blob == NULL)
		(void)reserve(text, 0);
	if (text->failed) {
		text_clear(text);
		return NULL;
	}
	blob = text->blob;
	blob->len = text->len;
	blob->data[blob->len] = '\0';
	fit = realloc(blob, sizeof(*blob) + blob->len + 1);
	if (fit != NULL)
		blob = fit;
	memset(text, 0, sizeof(*text));
	return blob;
}

void
text_clear(struct text *text)
{
	free(text->blob);
	memset(text, 0, sizeof(*text));
}

/* Room for more bytes and a NUL. */
static bool
reserve(struct text *text, size_t more)
{
	struct blob *grown;
	size_t size = text->size == 0 ? FIRST_SIZE : text->size;

	if (text->failed)
		return false;
	if (text->blob != NULL && more < text->size - text->len)
		return true;
	while (size - text->len <= more) {
		if (size > SIZE_MAX / 4 || more > SIZE_MAX / 4) {
			text->failed = true;
			return false;
		}
		size *= 2;
	}
	grown = realloc(text->blob, sizeof(*grown) + size);
	if (grown == NULL) {
		text->failed = true;
		return false;
	}
	if (text->blob == NULL) {
		grown->refs = 1;
		grown->account = NULL;
		grown->len = 0;
	}
	text->blob = grown;
	text->size = size;
	return true;
}

/* Bytes of the UTF-8 character at s (RFC 3629), 0 when there is none. s ends with a NUL, which ends a character too. */
static size_t
utf8_len(const unsigned char *s)
{
	size_t len;
	uint32_t c;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2, c = s[0] & 0x1f;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3, c = s[0] & 0x0f;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4, c = s[0] & 0x07;
	else
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (len == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff)))
		return 0;
	if (len == 4 && (c < 0x10000 || c > 0x10ffff))
		return 0;
	return len;
}
