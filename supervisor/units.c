/*
 * units.c - how the promise in units.h is kept
 *
 * A part of the lineup is an array of its own, of the same strings: all
 * that works on a lineup works on it, and it is made once a reload.
 */
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/pb.h"
#include "ipc/ledger.h"
#include "supervisor/units.h"

_Static_assert(UNITS_MAX *UNIT_TUNERS <= LEDGER_TUNERS, "a tuner that the ledger would not take");

static const struct config_tuner *
section_of(const struct unit *unit, const struct config *config)
{
	if (unit->label[0] == '\0')
		return &config->tuner;
	for (size_t i = 0; i < config->tuner_count; i++)
		if (strcmp(config->tuners[i].label, unit->label) == 0)
			return &config->tuners[i];
	return NULL;
}

static void
add(struct units *units, const struct config_tuner *tuner)
{
	struct unit *unit = &units->at[units->count];

	memset(unit, 0, sizeof(*unit));
	(void)snprintf(unit->label, sizeof(unit->label), "%s", tuner->label);
	unit->config = tuner;
	unit->first = (int)units->count * UNIT_TUNERS;
	units->count++;
}

void
units_init(struct units *units, const struct config *config)
{
	units->count = 0;
	add(units, &config->tuner);
	for (size_t i = 0; i < config->tuner_count; i++)
		add(units, &config->tuners[i]);
}

void
units_identify(struct units *units, const struct config *config)
{
	for (size_t i = 0; i < units->count; i++) {
		struct unit *unit = &units->at[i];

		device_load(&unit->device, unit->config->device_id, config->server.state_dir, unit->label);
		for (size_t j = 0; j < i; j++)
			if (units->at[j].device.id == unit->device.id)
				log_event(LOG_ERR, "device.id",
				    "id=%s tuner=\"%s\" other=\"%s\" why=\"two have the same id: media servers take "
				    "both for one\"",
				    unit->device.id_text, unit->label, units->at[j].label);
	}
}

/* Mark those channels that a pattern has. */
static void
mark(bool *in, const struct lineup *lineup, const char *pattern)
{
	regex_t regex;
	bool is_regex = pattern[0] == '~';

	if (is_regex && regcomp(&regex, pattern + 1, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
		return; /* it was right when it was read: no memory */
	for (size_t i = 0; i < lineup->count; i++) {
		const char *group = lineup->channels[i].group != NULL ? lineup->channels[i].group : "";

		if (!in[i])
			in[i] = is_regex ? regexec(&regex, group, 0, NULL, 0) == 0
					 : fnmatch(pattern, group, FNM_CASEFOLD) == 0;
	}
	if (is_regex)
		regfree(&regex);
}

static bool
has_provider(const struct config_list *list, const char *provider)
{
	for (size_t i = 0; i < list->count; i++)
		if (provider != NULL && strcmp(list->items[i], provider) == 0)
			return true;
	return list->count == 0;
}

static bool
has_number(const struct config_list *list, const char *guide_number)
{
	for (size_t i = 0; i < list->count; i++)
		if (config_in_range(list->items[i], guide_number))
			return true;
	return list->count == 0;
}

/* The channels that this unit shows. */
static int
take_part(struct unit *unit, const struct lineup *lineup)
{
	const struct config_tuner *c = unit->config;
	bool *in;

	unit->own = reallocarray(NULL, lineup->count + 1, sizeof(*unit->own));
	in = calloc(lineup->count + 1, sizeof(*in));
	if (unit->own == NULL || in == NULL) {
		free(in);
		return PB_ENOMEM;
	}
	for (size_t i = 0; i < c->group.count; i++)
		mark(in, lineup, c->group.items[i]);
	unit->lineup.channels = unit->own;
	unit->lineup.device = lineup->device;
	for (size_t i = 0; i < lineup->count; i++) {
		const struct channel *ch = &lineup->channels[i];

		if ((c->group.count == 0 || in[i]) && has_provider(&c->provider, ch->provider) &&
		    has_number(&c->numbers, ch->guide_number))
			unit->own[unit->lineup.count++] = *ch;
	}
	free(in);
	return 0;
}

/* What a user should know of a unit's part is said when it becomes so, not at each of a provider's lists. */
static void
say_size(struct unit *unit, bool certain)
{
	bool large = unit->lineup.count > UNIT_LARGE;
	bool none = unit->lineup.count == 0 && certain;

	if (large && !unit->large)
		log_event(LOG_WARNING, "lineup.large",
		    "device=%s tuner=\"%s\" channels=%zu why=\"Plex is known to fail above %d channels of one tuner: "
		    "divide them among several, see [tuner NAME] in plexbridge.ini(5)\"",
		    unit->device.id_text, unit->label, unit->lineup.count, UNIT_LARGE);
	if (none && !unit->none)
		log_event(LOG_WARNING, "lineup.none", "device=%s tuner=\"%s\" why=\"no channel is within its lists\"",
		    unit->device.id_text, unit->label);
	unit->large = large;
	unit->none = none;
}

int
units_update(struct units *units, const struct config *config, const struct lineup *lineup, bool whole)
{
	int err = 0;

	for (size_t i = 0; i < units->count; i++) {
		struct unit *unit = &units->at[i];

		free(unit->own);
		unit->own = NULL;
		unit->updates++;
		unit->lineup = (struct lineup){ .count = 0 };
		tuner_cache_clear(&unit->cache);
		unit->config = section_of(unit, config);
		if (unit->config == NULL)
			continue;
		if (unit->config->group.count + unit->config->provider.count + unit->config->numbers.count == 0)
			unit->lineup = *lineup;
		else if (take_part(unit, lineup) != 0)
			err = PB_ENOMEM;
		say_size(unit, whole && lineup->count > 0);
	}
	return err;
}

void
units_clear(struct units *units)
{
	for (size_t i = 0; i < units->count; i++) {
		tuner_cache_clear(&units->at[i].cache);
		free(units->at[i].own);
	}
	units->count = 0;
}

struct unit *
units_find(struct units *units, uint16_t port, const struct request *req, const char **path)
{
	*path = req->path;
	for (size_t i = 0; i < units->count; i++)
		if (units->at[i].port != 0 && units->at[i].port == port)
			return units->at[i].config != NULL ? &units->at[i] : NULL;
	for (size_t i = 1; i < units->count; i++) {
		struct unit *unit = &units->at[i];
		const char *prefix = unit->config != NULL ? unit->config->path : NULL;
		size_t len = prefix != NULL ? strlen(prefix) : 0;

		if (len == 0 || strncmp(req->path, prefix, len) != 0 || strchr("/", req->path[len]) == NULL)
			continue;
		*path = req->path[len] == '\0' ? "/" : req->path + len;
		return unit;
	}
	return &units->at[0];
}

const struct unit *
units_of_tuner(const struct units *units, int tuner)
{
	size_t i = tuner < 0 ? 0 : (size_t)tuner / UNIT_TUNERS;

	return &units->at[i < units->count ? i : 0];
}
