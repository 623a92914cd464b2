/*
 * dump.c - a configuration as JSON, for people and their bug reports
 *
 * Values are written as they would be in the file, so that what is shown
 * can be put back. Secrets are not: they become ***.
 */
#include "base/pb.h"
#include "config/config.h"
#include "config/options.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The section's rows that have a value, as an object. */
static json_t *
dump_section(const char *section, const void *base)
{
	json_t *object = json_object();

	for (const struct setting *s = setting_section(section); object != NULL && s->section != NULL; s++) {
		char *text;
		int err = 0;

		if (strcmp(s->section, section) != 0)
			break;
		text = setting_text(s, base, true);
		if (text == NULL || (text[0] != '\0' && json_object_set_new(object, s->key, json_string(text)) != 0))
			err = PB_ENOMEM;
		free(text);
		if (err != 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *
dump_providers(const struct config *config)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < config->provider_count; i++) {
		json_t *object = dump_section("provider", &config->providers[i]);

		if (object == NULL ||
		    json_object_set_new(object, "name", json_string(config->providers[i].name)) != 0 ||
		    json_array_append(array, object) != 0) {
			json_decref(array);
			array = NULL;
		}
		json_decref(object);
	}
	return array;
}

/* Those beside [tuner], with their labels. */
static json_t *
dump_tuners(const struct config *config)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < config->tuner_count; i++) {
		const struct config as_main = { .tuner = config->tuners[i] };
		json_t *object = dump_section("tuner", &as_main);

		if (object == NULL || json_object_set_new(object, "label", json_string(config->tuners[i].label)) != 0 ||
		    json_array_append(array, object) != 0) {
			json_decref(array);
			array = NULL;
		}
		json_decref(object);
	}
	return array;
}

/* A channel goes back into the draft it came from, so that it is shown by its rows too. */
static json_t *
dump_channel(const struct channel *channel)
{
	struct channel_draft draft = { .channel = *channel };
	json_t *object;

	if (channel->more != NULL)
		draft.more = *channel->more;
	for (size_t i = 0; i < channel->backup_count; i++) {
		draft.backup[i] = draft.more.backups[i];
		draft.backup_provider[i] = draft.more.backup_providers != NULL ? draft.more.backup_providers[i] : NULL;
	}
	draft.headers.items = draft.more.request.headers;
	draft.headers.count = draft.more.request.header_count;
	object = dump_section("channel", &draft);
	if (object != NULL &&
	    (json_object_set_new(object, "number", json_string(channel->guide_number)) != 0 ||
		(channel->testcard && json_object_set_new(object, "testcard", json_true()) != 0))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *
dump_channels(const struct config *config)
{
	json_t *array = json_array();

	for (size_t i = 0; array != NULL && i < config->written.count; i++) {
		json_t *object = dump_channel(&config->written.channels[i]);

		if (object == NULL || json_array_append(array, object) != 0) {
			json_decref(array);
			array = NULL;
		}
		json_decref(object);
	}
	return array;
}

char *
config_dump(const struct config *config)
{
	json_t *root = json_pack("{s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "path", config->path, "server",
	    dump_section("server", config), "tuner", dump_section("tuner", config), "tuners", dump_tuners(config),
	    "discovery", dump_section("discovery", config), "stream", dump_section("stream", config), "fetch",
	    dump_section("fetch", config), "testcard", dump_section("testcard", config), "providers",
	    dump_providers(config), "channels", dump_channels(config));
	char *text;

	if (root == NULL)
		return NULL;
	text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	return text;
}
