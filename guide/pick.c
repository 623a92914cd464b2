/*
 * pick.c - how the promise in pick.h is kept
 */
#include "guide/pick.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/utf8.h"

struct pattern {
	struct pattern *next;
	char *text; /* the glob, or NULL */
	regex_t regex;
	char *becomes; /* of a rename */
};

struct pick {
	struct pattern *include[PICK_KINDS], *exclude[PICK_KINDS], *rename;
};

int
pick_new(struct pick **out)
{
	*out = calloc(1, sizeof(**out));
	return *out != NULL ? 0 : PB_ENOMEM;
}

static void
free_all(struct pattern *p)
{
	while (p != NULL) {
		struct pattern *next = p->next;

		if (p->text == NULL)
			regfree(&p->regex);
		free(p->text);
		free(p->becomes);
		free(p);
		p = next;
	}
}

void
pick_free(struct pick **pick)
{
	if (*pick == NULL)
		return;
	for (int i = 0; i < PICK_KINDS; i++) {
		free_all((*pick)->include[i]);
		free_all((*pick)->exclude[i]);
	}
	free_all((*pick)->rename);
	free(*pick);
	*pick = NULL;
}

static int
add(struct pattern **list, const char *text, size_t len, const char *becomes)
{
	struct pattern *p = calloc(1, sizeof(*p));
	char *copy = strndup(text, len);

	if (p == NULL || copy == NULL || (becomes != NULL && (p->becomes = strdup(becomes)) == NULL)) {
		free(p);
		free(copy);
		return PB_ENOMEM;
	}
	if (copy[0] == '~') {
		int err = regcomp(&p->regex, copy + 1, REG_EXTENDED | REG_ICASE | (becomes == NULL ? REG_NOSUB : 0));

		free(copy);
		if (err != 0) {
			free(p->becomes);
			free(p);
			return err == REG_ESPACE ? PB_ENOMEM : PB_EFORMAT;
		}
	} else
		p->text = copy;
	while (*list != NULL)
		list = &(*list)->next;
	*list = p;
	return 0;
}

int
pick_include(struct pick *pick, enum pick_by by, const char *pattern)
{
	return add(&pick->include[by], pattern, strlen(pattern), NULL);
}

int
pick_exclude(struct pick *pick, enum pick_by by, const char *pattern)
{
	return add(&pick->exclude[by], pattern, strlen(pattern), NULL);
}

int
pick_rename(struct pick *pick, const char *rule)
{
	const char *arrow = strstr(rule, "=>");
	size_t len;

	if (arrow == NULL)
		return PB_EFORMAT;
	for (len = (size_t)(arrow - rule); len > 0 && rule[len - 1] == ' '; len--)
		;
	arrow += 2;
	arrow += strspn(arrow, " ");
	return len == 0 ? PB_EFORMAT : add(&pick->rename, rule, len, arrow);
}

static bool
matches(const struct pattern *p, const char *value)
{
	if (p->text != NULL)
		return fnmatch(p->text, value, FNM_CASEFOLD) == 0;
	return regexec(&p->regex, value, 0, NULL, 0) == 0;
}

static bool
any(const struct pattern *p, const char *value)
{
	for (; p != NULL; p = p->next)
		if (matches(p, value))
			return true;
	return false;
}

/* Of "A;B" the whole, A, or B; with blanks around them or without. */
static bool
any_group(const struct pattern *p, const char *group)
{
	char one[512];

	if (p == NULL)
		return false;
	if (any(p, group))
		return true;
	if (strpbrk(group, "; ") == NULL)
		return false;
	for (;;) {
		size_t len, end;

		group += strspn(group, " ");
		end = len = strcspn(group, ";");
		while (len > 0 && group[len - 1] == ' ')
			len--;
		snprintf(one, sizeof(one), "%.*s", (int)utf8_fit(group, len, sizeof(one) - 1), group);
		if (any(p, one))
			return true;
		if (group[end] == '\0')
			return false;
		group += end + 1;
	}
}

bool
pick_chosen(const struct pick *pick, const char *group, const char *extgrp, const char *name, const char *id)
{
	bool in = pick->include[PICK_GROUP] == NULL || any_group(pick->include[PICK_GROUP], group) ||
	    (extgrp[0] != '\0' && any_group(pick->include[PICK_GROUP], extgrp));

	in = in && (pick->include[PICK_NAME] == NULL || any(pick->include[PICK_NAME], name));
	in = in && (pick->include[PICK_ID] == NULL || any(pick->include[PICK_ID], id));
	if (!in || any(pick->exclude[PICK_NAME], name) || any(pick->exclude[PICK_ID], id))
		return false;
	return !any_group(pick->exclude[PICK_GROUP], group) &&
	    (extgrp[0] == '\0' || !any_group(pick->exclude[PICK_GROUP], extgrp));
}

/* What a regex matched of name, replaced. */
static void
replace(const struct pattern *p, char *out, size_t size, const char *name, const regmatch_t m[10])
{
	size_t at = (size_t)snprintf(out, size, "%.*s", (int)m[0].rm_so, name);

	for (const char *s = p->becomes; *s != '\0' && at < size - 1; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '9') {
			const regmatch_t *part = &m[*++s - '0'];

			if (part->rm_so >= 0)
				at += (size_t)snprintf(
				    out + at, size - at, "%.*s", (int)(part->rm_eo - part->rm_so), name + part->rm_so);
		} else {
			out[at++] = *s;
			out[at] = '\0';
		}
	}
	if (at < size - 1)
		(void)snprintf(out + at, size - at, "%s", name + m[0].rm_eo);
}

static void
copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%.*s", (int)utf8_fit(text, strlen(text), size - 1), text);
}

const char *
pick_name(const struct pick *pick, char *out, size_t size, const char *name)
{
	char new[512];
	regmatch_t m[10];

	if (pick->rename == NULL)
		return name;
	copy(out, size, name);
	for (const struct pattern *p = pick->rename; p != NULL; p = p->next) {
		if (p->text != NULL && fnmatch(p->text, out, FNM_CASEFOLD) == 0)
			copy(new, sizeof(new), p->becomes);
		else if (p->text == NULL && regexec(&p->regex, out, NITEMS(m), m, 0) == 0)
			replace(p, new, sizeof(new), out, m);
		else
			continue;
		/* A rule that leaves nothing, or half a character, is none. */
		if (new[strspn(new, " ")] != '\0' && utf8_plain(new, strlen(new)))
			copy(out, size, new);
	}
	return out;
}
