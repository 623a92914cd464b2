/*
 * table.c - measure, shrink, write
 */
#include "ctl/table.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/pb.h"

#define GAP 2

/* The next character of s, and how many bytes it has. What is no UTF-8 is one byte and '?'. */
static uint32_t
next_char(const char *s, size_t *len)
{
	const unsigned char *p = (const unsigned char *)s;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80            ? 1
	    : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
	    : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
	    : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
					  : 0;
	uint32_t c;

	*len = 1;
	if (n == 0)
		return '?';
	if (n == 1)
		return p[0] < 0x20 || p[0] == 0x7f ? '?' : p[0];
	c = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return '?';
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return '?';
	*len = n;
	/* C1 controls, and those that turn the direction of what follows round. */
	return c < 0xa0 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ? '?' : c;
}

static int
char_width(uint32_t c, bool utf8)
{
	int w;

	if (c < 0x80 || !utf8)
		return 1;
	w = wcwidth((wchar_t)c);
	return w < 0 ? 1 : w;
}

int
text_width(const char *s, bool utf8)
{
	int width = 0;
	size_t len;

	for (; *s != '\0'; s += len)
		width += char_width(next_char(s, &len), utf8);
	return width;
}

void
table_init(struct table *t, const struct column *columns, size_t count)
{
	pb_assert(count > 0 && count <= TABLE_COLUMNS_MAX);
	*t = (struct table){ .columns = columns, .column_count = count };
}

void
table_add(struct table *t, const char *const *cells)
{
	if (t->failed)
		return;
	if (t->row_count == t->row_room) {
		size_t room = t->row_room == 0 ? 16 : t->row_room * 2;
		char **more = reallocarray(t->cells, room * t->column_count, sizeof(*more));

		if (more == NULL) {
			t->failed = true;
			return;
		}
		t->cells = more;
		t->row_room = room;
	}
	for (size_t i = 0; i < t->column_count; i++) {
		char *cell = strdup(cells[i] != NULL ? cells[i] : "");

		t->cells[t->row_count * t->column_count + i] = cell;
		t->failed |= cell == NULL;
	}
	t->row_count++;
}

void
table_clear(struct table *t)
{
	for (size_t i = 0; i < t->row_count * t->column_count; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){ 0 };
}

static void
measure(const struct table *t, bool utf8, int *widths)
{
	for (size_t i = 0; i < t->column_count; i++) {
		widths[i] = text_width(t->columns[i].title, utf8);
		for (size_t row = 0; row < t->row_count; row++) {
			int w = text_width(t->cells[row * t->column_count + i], utf8);

			widths[i] = PB_MAX(widths[i], w);
		}
	}
}

/* Take a column of the widest that may shrink, until all fit or none can. */
static void
shrink(const struct table *t, int *widths, int width)
{
	int sum = (int)(t->column_count - 1) * GAP;

	for (size_t i = 0; i < t->column_count; i++)
		sum += widths[i];
	while (sum > width) {
		size_t widest = t->column_count;

		for (size_t i = 0; i < t->column_count; i++)
			if (t->columns[i].least > 0 && widths[i] > t->columns[i].least &&
			    (widest == t->column_count || widths[i] > widths[widest]))
				widest = i;
		if (widest == t->column_count)
			return;
		widths[widest]--;
		sum--;
	}
}

static void
pad(FILE *out, int n)
{
	while (n-- > 0)
		putc(' ', out);
}

static void
put_cell(FILE *out, const char *s, int width, bool right, bool last, bool utf8)
{
	int whole = text_width(s, utf8);
	int room = whole > width ? width - 1 : width;
	int used = 0;
	size_t len;

	if (right)
		pad(out, width - whole);
	for (; *s != '\0'; s += len) {
		uint32_t c = next_char(s, &len);
		int w = char_width(c, utf8);

		if (used + w > room)
			break;
		if (c < 0x80 || !utf8)
			putc(c < 0x80 ? (int)c : '?', out);
		else
			fwrite(s, 1, len, out);
		used += w;
	}
	if (whole > width) {
		fputs(utf8 ? "\xe2\x80\xa6" : "~", out);
		used++;
	}
	if (!right && !last)
		pad(out, width - used);
}

char *
table_render(const struct table *t, int width, bool utf8)
{
	int widths[TABLE_COLUMNS_MAX];
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	bool bad;

	if (t->failed || (out = open_memstream(&text, &len)) == NULL)
		return NULL;
	measure(t, utf8, widths);
	shrink(t, widths, width);
	for (size_t row = 0; row <= t->row_count; row++) {
		for (size_t i = 0; i < t->column_count; i++) {
			const struct column *col = &t->columns[i];

			if (i > 0)
				pad(out, GAP);
			put_cell(out, row == 0 ? col->title : t->cells[(row - 1) * t->column_count + i], widths[i],
			    col->right, i + 1 == t->column_count, utf8);
		}
		putc('\n', out);
	}
	bad = ferror(out);
	if (fclose(out) != 0 || bad) {
		free(text);
		return NULL;
	}
	return text;
}
