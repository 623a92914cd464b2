/*
 * lineup.c - the lineup as a person wants to see it (show.h)
 */
#include "ctl/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/pb.h"
#include "ctl/table.h"

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "-";
}

static void
add_channel(struct table *table, const json_t *c)
{
	char backups[24];

	snprintf(backups, sizeof(backups), "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(c, "backups")));
	table_add(table,
	    (const char *const[]){ text_of(c, "number"), text_of(c, "name"), text_of(c, "group"),
		text_of(c, "provider"), backups, text_of(c, "match"), text_of(c, "guide_id") });
}

/* What an Xtream server said of the account when the list was fetched. */
static void
put_account(FILE *out, const json_t *p)
{
	const json_t *max = json_object_get(p, "max_connections"), *expires = json_object_get(p, "expires");
	const char *status = json_string_value(json_object_get(p, "account"));
	time_t when = (time_t)json_integer_value(expires);
	char day[32] = "";
	struct tm tm;

	if (status == NULL && max == NULL && expires == NULL)
		return;
	fprintf(out, "account %s: %s", text_of(p, "name"), status != NULL ? status : "its status was not said");
	if (expires != NULL && gmtime_r(&when, &tm) != NULL && strftime(day, sizeof(day), "%Y-%m-%d", &tm) > 0)
		fprintf(out, ", until %s%s", day, when <= time(NULL) + 7 * 86400 ? " (soon!)" : "");
	if (max != NULL)
		fprintf(out, ", %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " connections were in use",
		    json_integer_value(json_object_get(p, "active_connections")), json_integer_value(max));
	fputs("\n", out);
}

/* How each source is, a line. */
static void
put_providers(FILE *out, const json_t *answer)
{
	const json_t *providers = json_object_get(answer, "providers");
	const char *why = json_string_value(json_object_get(answer, "error"));

	for (size_t i = 0; i < json_array_size(providers); i++) {
		const json_t *p = json_array_get(providers, i);
		const char *error = json_string_value(json_object_get(p, "error"));

		fprintf(out, "provider %s: %" JSON_INTEGER_FORMAT " entries of %" JSON_INTEGER_FORMAT "%s%s\n",
		    text_of(p, "name"), json_integer_value(json_object_get(p, "entries")),
		    json_integer_value(json_object_get(p, "seen")), error != NULL ? "; the last try failed: " : "",
		    error != NULL ? error : "");
		put_account(out, p);
	}
	if (why != NULL)
		fprintf(out, "the lineup could not be made anew, and is tried again: %s\n", why);
	if (json_is_false(json_object_get(answer, "whole")))
		fputs("the lineup is not whole yet: media servers are answered 503\n", out);
}

char *
show_lineup(const json_t *answer, enum show_lineup which, bool utf8)
{
	static const struct column present[] = { { "NUMBER", false, 0 }, { "NAME", false, 4 }, { "GROUP", false, 4 },
		{ "PROVIDER", false, 4 }, { "BACKUPS", true, 0 }, { "MATCH", false, 0 }, { "GUIDE ID", false, 8 } };
	static const struct column absent[] = { { "NUMBER", false, 0 }, { "NAME", false, 4 },
		{ "GUIDE ID", false, 8 } };
	const json_t *list = json_object_get(answer, which == SHOW_ABSENT ? "absent" : "channels");
	struct table table;
	char *text = NULL, *rows;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	table_init(
	    &table, which == SHOW_ABSENT ? absent : present, which == SHOW_ABSENT ? NITEMS(absent) : NITEMS(present));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		if (which == SHOW_ABSENT)
			table_add(&table,
			    (const char *const[]){ text_of(c, "number"), text_of(c, "name"), text_of(c, "guide_id") });
		else if (which == SHOW_PRESENT || json_object_get(c, "match") == NULL)
			add_channel(&table, c);
	}
	rows = table_render(&table, SHOW_WIDTH, utf8);
	table_clear(&table);
	fputs(rows != NULL ? rows : "", out);
	free(rows);
	if (which == SHOW_PRESENT)
		put_providers(out, answer);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
