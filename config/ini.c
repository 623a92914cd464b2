/*
 * ini.c - the reader before inih, and the handler behind it
 *
 * inih drops blanks at the border of a line, takes ';' behind a blank as a
 * comment, and joins what begins with a blank to the key before it. A
 * piece that is cut out of the middle of a URL must survive all three. So:
 *
 *	key=first piece\001
 *	 \001second piece\001
 *	 \001last piece
 *
 * \001 is no blank to inih and can't be in a line (control characters are
 * refused), so it shields the piece's ends and says where pieces belong
 * together. Comments are cut off before, so that no blank stands before a
 * ';' in what inih sees.
 */
#include "config/ini.h"
#include "base/pb.h"

#include <ini.h>
#include <stdbool.h>
#include <string.h>

#define JOINT '\001'
#define PIECE_MIN (INI_KEY_MAX + 8) /* the smallest line inih may be built for: a key and some of its value */

struct reader {
	FILE *file;
	const struct ini_events *events;
	size_t file_len;
	unsigned line;
	char text[INI_LINE_BYTES + 2]; /* the line in hand, then its value */
	const char *rest; /* of the value, not handed over yet; NULL: none */

	/* The value as the handler gets it back. */
	char key[INI_KEY_MAX];
	char value[INI_LINE_BYTES + 2];
	size_t value_len;
	bool owed; /* handed over, and not heard back in full */
};

static void
wrong(struct reader *r, const char *why)
{
	r->events->wrong(r->events->user, r->line, why);
}

/* One line into text, without its end. Its length, -1 at the end of the file, -2 for one that can't be used. */
static long
read_line(struct reader *r)
{
	const char *why = NULL;
	size_t len = 0;
	int c;

	r->line++;
	while ((c = getc_unlocked(r->file)) != EOF) {
		if (++r->file_len > INI_FILE_BYTES) {
			wrong(r, "the file is longer than 64 MiB");
			return -1;
		}
		if (c == '\n')
			break;
		if (len == INI_LINE_BYTES) {
			why = "the line is longer than 8 KiB";
			continue;
		}
		r->text[len++] = (char)c;
	}
	if (c == EOF && (len == 0 || ferror(r->file)))
		return -1;
	if (why == NULL && len > 0 && r->text[len - 1] == '\r')
		len--;
	for (size_t i = 0; why == NULL && i < len; i++) {
		if (((unsigned char)r->text[i] < 0x20 && r->text[i] != '\t') || r->text[i] == 0x7f)
			why = "there is a control character in the line";
	}
	r->text[len] = '\0';
	if (why == NULL)
		return (long)len;
	wrong(r, why);
	return -2;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool
is_utf8(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s != '\0') {
		size_t more = *s < 0x80 ? 0 : *s >= 0xc2 && *s <= 0xdf ? 1 : *s >= 0xe0 && *s <= 0xef ? 2 : 3;

		if (*s >= 0x80 && (*s < 0xc2 || *s > 0xf4))
			return false;
		if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) ||
		    (*s == 0xf4 && s[1] > 0x8f))
			return false;
		for (s++; more > 0; more--, s++) {
			if ((*s & 0xc0) != 0x80)
				return false;
		}
	}
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Blanks around, and the comment, go. */
static char *
strip(char *text)
{
	char *end;

	text += strspn(text, " \t");
	if (*text == ';' || *text == '#')
		*text = '\0';
	for (char *s = text; *s != '\0'; s++) {
		if (*s == ';' && is_blank(s[-1])) { /* s > text: the first one is no ';' */
			*s = '\0';
			break;
		}
	}
	end = text + strlen(text);
	while (end > text && is_blank(end[-1]))
		end--;
	*end = '\0';
	return text;
}

static bool
read_section(struct reader *r, char *text)
{
	size_t len = strlen(text);
	char *name;

	if (text[len - 1] != ']' || strchr(text, ']') != text + len - 1) {
		wrong(r, "a section is [name], alone in its line");
		return false;
	}
	text[len - 1] = '\0';
	name = strip(text + 1);
	r->events->section(r->events->user, r->line, name);
	return true;
}

/* Take "key = value" apart; rest is then its value. */
static bool
read_setting(struct reader *r, char *text)
{
	size_t len = strcspn(text, "=");
	char *value = text + len;

	if (*value != '=') {
		wrong(r, "neither [section] nor key = value");
		return false;
	}
	value++;
	value += strspn(value, " \t");
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	if (len == 0) {
		wrong(r, "there is no key before the =");
		return false;
	}
	if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") < len) {
		wrong(r, "a key is letters, digits and _; a value can't go on in the next line");
		return false;
	}
	if (len >= sizeof(r->key)) {
		wrong(r, "there is no setting with so long a name");
		return false;
	}
	memcpy(r->key, text, len);
	r->key[len] = '\0';
	r->rest = value;
	return true;
}

/* The next piece of the value in hand, as a line for inih of at most size bytes with its NUL. */
static void
hand_over(struct reader *r, char *out, size_t size, bool first)
{
	size_t key_len = first ? strlen(r->key) : 0;
	size_t around = first ? key_len + 4 : 5; /* key=...\001\n or " \001...\001\n", and the NUL */
	size_t len = strlen(r->rest);
	bool last = len <= size - around;

	if (!last)
		len = size - around;
	if (first) {
		memcpy(out, r->key, key_len);
		out += key_len;
		*out++ = '=';
	} else {
		*out++ = ' ';
		*out++ = JOINT;
	}
	memcpy(out, r->rest, len);
	out += len;
	if (!last)
		*out++ = JOINT;
	*out++ = '\n';
	*out = '\0';
	r->rest = last ? NULL : r->rest + len;
}

/* inih was given all of a setting and has not given it back: it was built otherwise than we know. */
static void
settle(struct reader *r)
{
	if (r->owed)
		wrong(r, "this system's inih can't read the line");
	r->owed = false;
}

/* What inih calls for its next line, like fgets(3). */
static char *
next_line(char *out, int size, void *user)
{
	struct reader *r = user;

	if (size < PIECE_MIN) {
		wrong(r, "this system's inih is built for lines that are too short");
		return NULL;
	}
	if (r->rest != NULL) {
		hand_over(r, out, (size_t)size, false);
		return out;
	}
	settle(r);
	for (;;) {
		long len = read_line(r);
		char *text = r->text;

		if (len == -1)
			return NULL;
		if (len == -2)
			continue;
		if (r->line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0)
			text += 3;
		if (!is_utf8(text)) {
			wrong(r, "the line is not UTF-8");
			continue;
		}
		text = strip(text);
		if (*text == '\0')
			continue;
		if (*text == '[') {
			if (!read_section(r, text))
				r->events->section(r->events->user, r->line, NULL);
			continue;
		}
		if (read_setting(r, text)) {
			r->value_len = 0;
			r->owed = true;
			hand_over(r, out, (size_t)size, true);
			return out;
		}
	}
}

/* What inih calls with a key and a piece of its value. */
static int
on_piece(void *user, const char *section, const char *key, const char *value)
{
	struct reader *r = user;
	size_t len;
	bool last;

	(void)section; /* cut at 50 bytes by inih: section() is called by the reader */
	if (!r->owed || (r->value_len == 0 && strcmp(key, r->key) != 0))
		return 1;
	if (*value == JOINT)
		value++;
	len = strlen(value);
	last = len == 0 || value[len - 1] != JOINT;
	if (!last)
		len--;
	if (len > INI_LINE_BYTES - r->value_len)
		return 0;
	memcpy(r->value + r->value_len, value, len);
	r->value_len += len;
	if (last) {
		r->value[r->value_len] = '\0';
		r->owed = false;
		r->events->setting(r->events->user, r->line, r->key, r->value);
	}
	return 1;
}

int
ini_read(FILE *file, const struct ini_events *events)
{
	struct reader r = { .file = file, .events = events };

	ini_parse_stream(next_line, &r, on_piece, &r);
	settle(&r);
	return ferror(file) ? PB_ESYS : 0;
}
