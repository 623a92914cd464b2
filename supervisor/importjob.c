/*
 * importjob.c - how the promise in importjob.h is kept
 */
#include "supervisor/importjob.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/url.h"
#include "supervisor/text.h"

static void
line(struct text *t, const char *key, const char *value)
{
	if (value == NULL)
		return;
	text_add(t, key);
	text_add(t, "=");
	text_add(t, value); /* settings have no control characters */
	text_add(t, "\n");
}

static void
lines(struct text *t, const char *key, const struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		line(t, key, list->items[i]);
}

/* What decides which channels there are. */
static void
choice(struct text *t, const struct provider *p)
{
	static const char *const orders[] = { "source", "name", "group" };

	if (p->playlist != NULL && p->playlist[0] != '/')
		line(t, "playlist", p->playlist);
	line(t, "xtream", p->xtream);
	line(t, "username", p->xtream != NULL ? p->username : NULL);
	line(t, "password", p->xtream != NULL ? p->password : NULL);
	lines(t, "include_group", &p->include_group);
	lines(t, "include_name", &p->include_name);
	lines(t, "include_id", &p->include_id);
	lines(t, "exclude_group", &p->exclude_group);
	lines(t, "exclude_name", &p->exclude_name);
	lines(t, "exclude_id", &p->exclude_id);
	lines(t, "rename", &p->rename);
	lines(t, "quality", &p->quality);
	text_addf(t, "limit=%d\norder=%s\nvod=%s\nradio=%s\n", p->limit, orders[p->order], p->vod ? "yes" : "no",
	    p->radio ? "yes" : "no");
}

/* A number for a text, which ends. */
static uint64_t
number_of(struct text *t)
{
	uint64_t h = 0xcbf29ce484222325u;
	struct blob *blob = text_blob(t);

	for (size_t i = 0; blob != NULL && i < blob->len; i++)
		h = (h ^ (unsigned char)blob->data[i]) * 0x100000001b3u;
	blob_drop(&blob);
	return h;
}

uint64_t
importjob_settings(const struct provider *p)
{
	struct text t = { 0 };

	choice(&t, p);
	if (p->playlist != NULL && p->playlist[0] == '/')
		line(&t, "file", p->playlist);
	return number_of(&t);
}

uint64_t
importjob_source_id(const struct provider *p)
{
	struct text t = { 0 };
	uint64_t id;

	line(&t, "playlist", p->playlist);
	line(&t, "xtream", p->xtream);
	line(&t, "username", p->xtream != NULL ? p->username : NULL);
	id = number_of(&t);
	return id != 0 ? id : 1;
}

bool
importjob_current(const struct list *list, const struct provider *p)
{
	return list->head->source == importjob_source_id(p) && list->head->settings == importjob_settings(p) &&
	    list->head->origin != LIST_UNSAID;
}

struct blob *
importjob_list(const struct config *config, const struct provider *p, const struct list *list)
{
	struct text t = { 0 };

	line(&t, "kind", "list");
	line(&t, "name", p->name);
	choice(&t, p);
	line(&t, "user_agent", config->fetch.user_agent);
	text_addf(&t,
	    "connect_ms=%" PRIu32 "\nstall_ms=%" PRIu32 "\nprivate_targets=%s\nsettings=%016" PRIx64
	    "\nsource=%016" PRIx64 "\n",
	    config->fetch.connect_timeout_ms, 2 * config->fetch.try_timeout_ms,
	    config->fetch.private_targets ? "yes" : "no", importjob_settings(p), importjob_source_id(p));
	/* What was chosen by other settings is to be read anew, modified or not; so is what doesn't say where it is from. */
	if (list != NULL && importjob_current(list, p)) {
		line(&t, "etag", list_string(list, list->head->etag));
		line(&t, "modified", list_string(list, list->head->modified));
	}
	return text_blob(&t);
}

const char *
importjob_source(char *out, size_t size, const struct provider *p)
{
	if (p->xtream != NULL)
		return url_redact(out, size, p->xtream);
	if (p->playlist != NULL && p->playlist[0] != '/')
		return url_redact(out, size, p->playlist);
	snprintf(out, size, "%s", p->playlist != NULL ? p->playlist : "");
	return out;
}
