/*
 * variables.c - how the promise in variables.h is kept
 *
 * What a reference becomes is a string of its own beside the playlist's
 * text: lines are cut out of the text in place, so nothing in it can grow.
 */
#include "worker/variables.h"

#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"
#include "worker/playlist.h"

struct playlist_chunk {
	struct playlist_chunk *next;
	char text[];
};

static const char *
find_variable(const struct playlist *pl, const char *name, size_t len)
{
	for (size_t i = 0; pl != NULL && i < pl->variable_count; i++)
		if (strncmp(pl->variables[i].name, name, len) == 0 && pl->variables[i].name[len] == '\0')
			return pl->variables[i].value;
	return NULL;
}

/* A string of ours, as long as the playlist lives. NULL: no memory, or the expansion bound (err says which). */
static char *
new_string(struct variables *v, size_t len, int *err)
{
	struct playlist_chunk *chunk;

	if (len >= v->room) {
		*err = playlist_fail(v->pl, PB_ELIMIT, "variables make it too long");
		return NULL;
	}
	v->room -= len;
	chunk = malloc(sizeof(*chunk) + len + 1);
	if (chunk == NULL) {
		*err = playlist_fail(v->pl, PB_ENOMEM, "no memory");
		return NULL;
	}
	chunk->next = v->pl->chunks;
	v->pl->chunks = chunk;
	return chunk->text;
}

/* %xx undone, so far as what comes out is text. */
static int
decode_query_value(struct variables *v, const char *at, size_t len, const char **out)
{
	int err = 0;
	char *s = new_string(v, len, &err);
	size_t n = 0;

	if (s == NULL)
		return err;
	for (size_t i = 0; i < len; i++) {
		char c = at[i];

		if (c == '%' && i + 2 < len &&
		    strspn((char[]){ at[i + 1], at[i + 2], '\0' }, "0123456789abcdefABCDEF") == 2) {
			unsigned byte = (unsigned)strtoul((char[]){ at[i + 1], at[i + 2], '\0' }, NULL, 16);

			if (byte >= 0x20 && byte != 0x7f) {
				c = (char)byte;
				i += 2;
			}
		}
		s[n++] = c;
	}
	s[n] = '\0';
	*out = s;
	return 0;
}

/* The master's value, copied: the master may be gone before this playlist is. */
static int
import_value(struct variables *v, const char *name, const char **out)
{
	const char *value = find_variable(v->master, name, strlen(name));
	char *copy;
	int err = 0;

	if (value == NULL)
		return 0;
	copy = new_string(v, strlen(value), &err);
	if (copy == NULL)
		return err;
	memcpy(copy, value, strlen(value) + 1);
	*out = copy;
	return 0;
}

int
variables_define(struct variables *v, const char *name, const char *value, const char *import, const char *param)
{
	struct playlist *pl = v->pl;
	const char *at;
	size_t len;
	int err = 0;

	if (name == NULL || value == NULL) {
		name = import != NULL ? import : param;
		value = NULL;
		if (import != NULL)
			err = import_value(v, import, &value);
		else if (param != NULL && pl->base != NULL && url_query_value(pl->base, param, &at, &len))
			err = decode_query_value(v, at, len, &value);
		if (err != 0)
			return err;
	}
	if (name == NULL || value == NULL || name[0] == '\0') {
		playlist_warn(pl, "EXT-X-DEFINE defines nothing: %s", name != NULL ? name : "no name");
		return 0;
	}
	if (find_variable(pl, name, strlen(name)) != NULL || strlen(value) >= URL_MAX) {
		playlist_warn(pl, "EXT-X-DEFINE ignored: %s", name);
		return 0;
	}
	if (pl->variable_count == PLAYLIST_VARIABLES_MAX) {
		playlist_warn(pl, "over %d variables", PLAYLIST_VARIABLES_MAX);
		return 0;
	}
	if (pl->variables == NULL) {
		pl->variables = calloc(PLAYLIST_VARIABLES_MAX, sizeof(*pl->variables));
		if (pl->variables == NULL)
			return playlist_fail(pl, PB_ENOMEM, "no memory");
	}
	pl->variables[pl->variable_count++] = (struct playlist_variable){ name, value };
	return 0;
}

/* The next "{$" in [at, end), or NULL. */
static const char *
find_reference(const char *at, const char *end)
{
	while ((at = memchr(at, '{', (size_t)(end - at))) != NULL && at[1] != '$')
		at++;
	return at;
}

int
variables_expand(struct variables *v, char **s)
{
	const char *end = *s + strlen(*s);
	const char *from = find_reference(*s, end);
	char *to = NULL;
	size_t need = 0;
	int err = 0;

	if (from == NULL || v->pl->variable_count == 0) {
		if (from != NULL)
			playlist_warn(v->pl, "variable that is not defined");
		return 0;
	}
	/* Once to measure, once to write. */
	for (int pass = 0; pass < 2; pass++) {
		const char *at = *s;
		const char *open, *close = at;
		size_t n = 0;

		while (close != NULL && (open = find_reference(at, end)) != NULL) {
			const char *value = NULL;
			size_t len;

			close = memchr(open, '}', (size_t)(end - open));
			if (close != NULL)
				value = find_variable(v->pl, open + 2, (size_t)(close - open - 2));
			if (close != NULL && value == NULL && pass == 0)
				playlist_warn(v->pl, "variable that is not defined");
			len = value != NULL || close == NULL ? (size_t)(open - at) : (size_t)(close + 1 - at);
			if (pass == 1)
				memcpy(to + n, at, len);
			n += len;
			at += len;
			if (value != NULL) {
				if (pass == 1)
					memcpy(to + n, value, strlen(value));
				n += strlen(value);
				at = close + 1;
			}
			if (pass == 0 && n >= v->room) /* early: many short references to a long value */
				return playlist_fail(v->pl, PB_ELIMIT, "variables make it too long");
		}
		if (pass == 1) {
			memcpy(to + n, at, strlen(at) + 1);
			break;
		}
		need = n + strlen(at);
		to = new_string(v, need, &err);
		if (to == NULL)
			return err;
	}
	*s = to;
	return 0;
}

void
variables_clear(struct playlist *pl)
{
	struct playlist_chunk *chunk, *next;

	for (chunk = pl->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(pl->variables);
	pl->chunks = NULL;
	pl->variables = NULL;
	pl->variable_count = 0;
}
