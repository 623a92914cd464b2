/*
 * items.c - how the promise in items.h is kept
 */
#include "guide/items.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/pb.h"
#include "guide/entry.h"

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int
end_item(struct items *s)
{
	int err = s->item(s->user, ++s->index, s->over ? NULL : s->text, s->len);

	s->len = 0;
	s->over = false;
	return err;
}

static int
take(struct items *s, char c)
{
	if (s->string) {
		if (s->escape)
			s->escape = false;
		else if (c == '\\')
			s->escape = true;
		else if (c == '"')
			s->string = false;
	} else if (c == '"')
		s->string = true;
	else if (c == '{' || c == '[')
		s->depth++;
	else if (c == '}' || c == ']') {
		s->depth--;
		if (s->depth == 0) {
			s->ended = true;
			return s->len > 0 || s->over ? end_item(s) : 0;
		}
	} else if (c == ',' && s->depth == 1)
		return s->len > 0 || s->over ? end_item(s) : PB_EFORMAT;
	else if (blank(c))
		return 0;
	if (s->len == sizeof(s->text))
		s->over = true;
	else
		s->text[s->len++] = c;
	return 0;
}

int
items_feed(struct items *s, const char *bytes, size_t len)
{
	int err = 0;

	for (size_t i = 0; i < len && err == 0; i++) {
		if (!s->begun || s->ended) {
			if (blank(bytes[i]) || (!s->begun && (unsigned char)bytes[i] >= 0x80))
				continue; /* a byte order mark */
			if (s->ended || bytes[i] != '[')
				return PB_EFORMAT;
			s->begun = true;
			s->depth = 1;
			continue;
		}
		err = take(s, bytes[i]);
	}
	return err;
}

int
items_end(const struct items *s)
{
	return s->ended ? 0 : PB_EFORMAT;
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

int
items_lineup(void *user, unsigned index, const char *text, size_t len)
{
	const struct entry_events *events = ((struct items_lineup *)user)->events;
	json_t *o = text != NULL ? json_loadb(text, len, 0, NULL) : NULL;
	struct entry e = {
		.line = index, .tvg_id = "", .tvg_name = "", .logo = "", .group = "", .extgrp = "", .user_agent = ""
	};
	const json_t *drm = json_object_get(o, "DRM");
	int err = 0;

	e.name = text_of(o, "GuideName");
	e.url = text_of(o, "URL");
	e.chno = text_of(o, "GuideNumber");
	if (!json_is_object(o) || e.url[0] == '\0')
		events->wrong(events->user, index, "it is no channel of a lineup");
	else if (json_is_true(drm) || json_integer_value(drm) != 0)
		events->wrong(events->user, index, "it is protected, and can't be played");
	else
		err = events->entry(events->user, &e);
	json_decref(o);
	return err;
}
