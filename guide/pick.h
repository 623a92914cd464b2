/*
 * pick.h - which entries of a source become channels, and what they are called
 *
 * Pure. An entry is chosen when each include list that is given matches it
 * and no exclude list does. A pattern is a glob that matches the whole
 * value, or '~' and a POSIX extended regular expression that matches
 * anywhere in it; case is ignored. What a character is, and its case, says
 * the locale (LC_CTYPE): the program sets one of UTF-8.
 */
#ifndef PLEXBRIDGE_GUIDE_PICK_H
#define PLEXBRIDGE_GUIDE_PICK_H

#include <stdbool.h>
#include <stddef.h>

enum pick_by { PICK_GROUP, PICK_NAME, PICK_ID, PICK_KINDS };

struct pick;

/* All empty: everything is chosen. Gives *out; pick_free() ends it. 0 or PB_ENOMEM. */
int pick_new(struct pick **out);

/* One more pattern. 0, PB_ENOMEM or PB_EFORMAT. */
int pick_include(struct pick *pick, enum pick_by by, const char *pattern);
int pick_exclude(struct pick *pick, enum pick_by by, const char *pattern);

/* "PATTERN => TEXT": a name that matches a glob becomes TEXT; what matches a regex, becomes TEXT with \1 to \9. What it leaves empty, or not UTF-8, it leaves as it was. */
int pick_rename(struct pick *pick, const char *rule);

/* group may be several, separated by ';', blanks around them or not: one that matches is enough. extgrp is one more. */
bool pick_chosen(const struct pick *pick, const char *group, const char *extgrp, const char *name, const char *id);

/* The name after all rules, into out[size]. Gives out, or name when there are no rules. */
const char *pick_name(const struct pick *pick, char *out, size_t size, const char *name);

void pick_free(struct pick **pick);

#endif
