/*
 * text.h - a text that grows, with JSON and XML quoting
 *
 * Failure sticks: after the first missing allocation all further calls do
 * nothing, and text_blob() gives NULL. So a document is written without a
 * check at each line. Names come from outside: whatever bytes they hold,
 * the document stays well-formed and valid UTF-8 (bytes that are not
 * become U+FFFD).
 */
#ifndef PLEXBRIDGE_SUPERVISOR_TEXT_H
#define PLEXBRIDGE_SUPERVISOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "supervisor/blob.h"

/* All zero is an empty text. */
struct text {
	struct blob *blob; /* being written; blob->len is not set yet */
	size_t len;
	size_t size;
	bool failed;
};

void text_add_len(struct text *text, const char *s, size_t len);
/* Here, so that nobody counts the bytes of a literal. */
static inline void
text_add(struct text *text, const char *s)
{
	text_add_len(text, s, strlen(s));
}
void text_addf(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes. */
void text_add_json(struct text *text, const char *s);

/* Character data or an attribute's value of XML or HTML: & < > " ' quoted, what XML 1.0 forbids replaced. */
void text_add_xml(struct text *text, const char *s);

/* The text as a blob with one reference, the caller's; the text is empty again. NULL when there was no memory. */
struct blob *text_blob(struct text *text);

/* Throw it away. */
void text_clear(struct text *text);

#endif
