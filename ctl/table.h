/*
 * table.h - columns of text that fit a terminal
 *
 * Pure: cells in, lines out. Widths are those that a terminal shows: a
 * letter with an accent is one column, a Chinese character two. When a line
 * would be too long the widest columns that may shrink do, and what they
 * cut is marked. Control characters are never let through: names come from
 * outside.
 */
#ifndef PLEXBRIDGE_CTL_TABLE_H
#define PLEXBRIDGE_CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS_MAX 16

struct column {
	const char *title;
	bool right; /* numbers */
	int least; /* may be cut down to so many columns; 0: is never cut */
};

struct table {
	const struct column *columns;
	size_t column_count;
	char **cells; /* row by row */
	size_t row_count, row_room;
	bool failed; /* there was no memory at some time */
};

/* Begin one; columns are borrowed until table_clear(). */
void table_init(struct table *table, const struct column *columns, size_t count);

/* Add a row of column_count texts; they are copied. NULL is an empty cell. */
void table_add(struct table *table, const char *const *cells);

/*
 * All of it as text, titles first, at most width columns wide where
 * shrinking can do it. utf8: may the terminal be sent what is not ASCII?
 * The caller frees it; NULL: no memory.
 */
char *table_render(const struct table *table, int width, bool utf8);

void table_clear(struct table *table);

/* Columns that a text takes on a terminal, as table_render() would show it. */
int text_width(const char *s, bool utf8);

#endif
