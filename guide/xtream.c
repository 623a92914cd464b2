/*
 * xtream.c - how the promise in xtream.h is kept
 */
#include "guide/xtream.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/pb.h"
#include "base/url.h"

struct xtream_groups {
	json_t *names; /* id to name */
};

/* A number, or a string that is one; 0 for all else, and for what can't be. */
static uint64_t
number(const json_t *v)
{
	if (json_is_integer(v))
		return json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
	if (json_is_string(v)) {
		const char *s = json_string_value(v);

		return strspn(s, "0123456789") == strlen(s) && strlen(s) < 19 ? strtoull(s, NULL, 10) : 0;
	}
	return 0;
}

/* A string, or a number as one, into out; "" for all else. */
static const char *
word(char out[32], const json_t *v)
{
	if (json_is_string(v))
		return json_string_value(v);
	out[0] = '\0';
	if (json_is_integer(v))
		snprintf(out, 32, "%lld", (long long)json_integer_value(v));
	return out;
}

int
xtream_account(struct xtream_account *out, const char *json, size_t len)
{
	json_t *root = json_loadb(json, len, 0, NULL), *user = json_object_get(root, "user_info"), *formats, *v;
	char buf[32];
	const char *status;
	size_t i;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(user)) {
		json_decref(root);
		return PB_EFORMAT;
	}
	v = json_object_get(user, "auth");
	status = json_string_value(json_object_get(user, "status"));
	for (i = 0; status != NULL && status[i] != '\0' && i < sizeof(out->status) - 1; i++)
		out->status[i] = status[i] >= ' ' && status[i] <= '~' ? status[i] : '?';
	out->expires_s = number(json_object_get(user, "exp_date"));
	out->max_connections = (uint32_t)PB_MIN(number(json_object_get(user, "max_connections")), UINT32_MAX);
	out->active_connections = (uint32_t)PB_MIN(number(json_object_get(user, "active_cons")), UINT32_MAX);
	formats = json_object_get(user, "allowed_output_formats");
	json_array_foreach(formats, i, v)
	{
		out->hls |= strcmp(word(buf, v), "m3u8") == 0;
		out->ts |= strcmp(word(buf, v), "ts") == 0;
	}
	v = json_object_get(user, "auth");
	if (v != NULL && (json_is_false(v) || (!json_is_true(v) && number(v) == 0)))
		snprintf(out->why, sizeof(out->why), "user or password are not accepted");
	else if (out->status[0] != '\0' && strcasecmp(out->status, "Active") != 0)
		snprintf(out->why, sizeof(out->why), "the account is not active: %s", out->status);
	else
		out->ok = true;
	json_decref(root);
	return 0;
}

int
xtream_groups_new(struct xtream_groups **out, const char *json, size_t len)
{
	struct xtream_groups *groups = calloc(1, sizeof(*groups));
	json_t *root = json_loadb(json, len, 0, NULL), *v;
	char id[32];
	size_t i;

	if (groups == NULL || (groups->names = json_object()) == NULL) {
		free(groups);
		json_decref(root);
		return PB_ENOMEM;
	}
	if (!json_is_array(root)) {
		xtream_groups_free(&groups);
		json_decref(root);
		return PB_EFORMAT;
	}
	json_array_foreach(root, i, v)
	{
		json_t *name = json_object_get(v, "category_name");
		const char *key = word(id, json_object_get(v, "category_id"));

		if (json_is_string(name) && key[0] != '\0' && json_object_set(groups->names, key, name) != 0) {
			xtream_groups_free(&groups);
			json_decref(root);
			return PB_ENOMEM;
		}
	}
	json_decref(root);
	*out = groups;
	return 0;
}

void
xtream_groups_free(struct xtream_groups **groups)
{
	if (*groups != NULL)
		json_decref((*groups)->names);
	free(*groups);
	*groups = NULL;
}

int
xtream_stream(void *user, unsigned index, const char *text, size_t len)
{
	const struct xtream_streams *s = user;
	json_t *o = text != NULL ? json_loadb(text, len, 0, NULL) : NULL;
	struct entry e = { .line = index, .tvg_name = "", .chno = "", .extgrp = "", .user_agent = "" };
	char url[URL_MAX], id_buf[32], group_buf[32], type_buf[32], epg_buf[32], icon_buf[32];
	const char *id = word(id_buf, json_object_get(o, "stream_id"));
	const char *type = word(type_buf, json_object_get(o, "stream_type"));
	const char *name = json_string_value(json_object_get(o, "name"));
	const char *group = NULL;
	int n, err = 0;

	if (s->groups != NULL)
		group = json_string_value(
		    json_object_get(s->groups->names, word(group_buf, json_object_get(o, "category_id"))));
	e.name = name != NULL ? name : "";
	e.group = group != NULL ? group : "";
	e.tvg_id = word(epg_buf, json_object_get(o, "epg_channel_id"));
	e.logo = word(icon_buf, json_object_get(o, "stream_icon"));
	e.radio = strcmp(type, "radio_streams") == 0;
	e.vod = strcmp(type, "movie") == 0 || strcmp(type, "series") == 0;
	n = snprintf(
	    url, sizeof(url), "%s/live/%s/%s/%s.%s", s->server, s->username, s->password, id, s->ts ? "ts" : "m3u8");
	e.url = url;
	if (!json_is_object(o))
		s->events->wrong(s->events->user, index, "it is no object, or has more than 64 KiB");
	else if (id[0] == '\0' || strspn(id, "0123456789") != strlen(id))
		s->events->wrong(s->events->user, index, "it has no stream_id");
	else if (n < 0 || (size_t)n >= sizeof(url))
		s->events->wrong(s->events->user, index, "its URL would be too long");
	else if (e.name[0] == '\0')
		s->events->wrong(s->events->user, index, "an entry without a name");
	else
		err = s->events->entry(s->events->user, &e);
	json_decref(o);
	return err;
}
