/*
 * units.c - how the promise in units.h is kept
 *
 * A part of the lineup is an array of its own, of the same strings: all
 * that works on a lineup works on it, and it is made once for each. One
 * pattern after the other goes through the lineup and marks what it has;
 * then those are taken that are within all lists.
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

struct units_making {
	const struct config *config;
	struct lineup lineup;
	size_t unit; /* in hand, or the next */
	const struct config_tuner *tuner; /* its section */
	bool *in; /* channels that a pattern has; NULL: none is in hand */
	size_t pattern, at; /* behind the last one they are taken */
	regex_t regex; /* of the pattern, where it is one */
	bool compiled;
	struct lineup part[UNITS_MAX]; /* channels NULL: the unit has none */
};

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
	units->making = NULL;
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

/* Mark those of the next channels, to end, that the pattern has. */
static void
mark(struct units_making *m, size_t end)
{
	const char *pattern = m->tuner->group.items[m->pattern];
	const char *last = NULL; /* group; lists have theirs in rows, and a pattern costs more than to compare */
	bool is_regex = pattern[0] == '~', last_in = false;

	/* It was right when it was read: else there is no memory, and it has none. */
	if (is_regex && m->at == 0)
		m->compiled = regcomp(&m->regex, pattern + 1, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0;
	for (; m->at < end; m->at++) {
		const char *group = m->lineup.channels[m->at].group;

		if (m->in[m->at])
			continue;
		group = group != NULL ? group : "";
		if (last == NULL || strcmp(last, group) != 0)
			last_in = is_regex ? m->compiled && regexec(&m->regex, group, 0, NULL, 0) == 0
					   : fnmatch(pattern, group, FNM_CASEFOLD) == 0;
		last = group;
		m->in[m->at] = last_in;
	}
}

static void
end_regex(struct units_making *m)
{
	if (m->compiled)
		regfree(&m->regex);
	m->compiled = false;
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

/* Of the next channels, to end, those that the unit shows. */
static void
take(struct units_making *m, size_t end)
{
	struct lineup *part = &m->part[m->unit];

	for (; m->at < end; m->at++) {
		const struct channel *ch = &m->lineup.channels[m->at];

		if ((m->tuner->group.count == 0 || m->in[m->at]) && has_provider(&m->tuner->provider, ch->provider) &&
		    has_number(&m->tuner->numbers, ch->guide_number))
			part->channels[part->count++] = *ch;
	}
}

static bool
shows_all(const struct config_tuner *tuner)
{
	return tuner->group.count + tuner->provider.count + tuner->numbers.count == 0;
}

/* The next unit that shows a part; false: there is none. */
static bool
begin_unit(const struct units *units, struct units_making *m)
{
	for (; m->unit < units->count; m->unit++) {
		struct lineup *part = &m->part[m->unit];

		m->tuner = section_of(&units->at[m->unit], m->config);
		if (m->tuner == NULL || shows_all(m->tuner))
			continue;
		*part = (struct lineup){ .device = m->lineup.device };
		part->channels = reallocarray(NULL, m->lineup.count + 1, sizeof(*part->channels));
		m->in = part->channels != NULL ? calloc(m->lineup.count + 1, sizeof(*m->in)) : NULL;
		m->pattern = m->at = 0;
		if (m->in != NULL)
			return true;
		free(part->channels);
		part->channels = NULL;
	}
	return false;
}

/* All channels went by: the next pattern, or the next unit. */
static void
end_pass(struct units_making *m)
{
	end_regex(m);
	m->at = 0;
	if (m->pattern++ < m->tuner->group.count)
		return;
	free(m->in);
	m->in = NULL;
	m->unit++;
}

void
units_expect(struct units *units, const struct config *config, const struct lineup *lineup)
{
	units_forget(units);
	units->making = calloc(1, sizeof(*units->making));
	if (units->making == NULL)
		return;
	units->making->config = config;
	units->making->lineup = *lineup;
}

int
units_step(struct units *units, size_t count)
{
	struct units_making *m = units->making;

	while (m != NULL && (m->in != NULL || begin_unit(units, m))) {
		size_t n = PB_MIN(count, m->lineup.count - m->at);

		if (m->at == m->lineup.count) {
			end_pass(m);
			continue;
		}
		if (n == 0)
			return PB_AGAIN;
		count -= n;
		if (m->pattern < m->tuner->group.count)
			mark(m, m->at + n);
		else
			take(m, m->at + n);
	}
	return 0;
}

void
units_forget(struct units *units)
{
	struct units_making *m = units->making;

	units->making = NULL;
	if (m == NULL)
		return;
	end_regex(m);
	free(m->in);
	for (size_t i = 0; i < units->count; i++)
		free(m->part[i].channels);
	free(m);
}

/* Its part, as it was made. PB_ENOMEM: it was not. */
static int
take_part(struct units *units, struct unit *unit)
{
	struct units_making *m = units->making;
	size_t i = (size_t)(unit - units->at);

	if (m == NULL || m->part[i].channels == NULL)
		return PB_ENOMEM;
	unit->lineup = m->part[i];
	unit->own = m->part[i].channels;
	m->part[i].channels = NULL;
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
	const struct units_making *m = units->making;
	int err = 0;

	if (m == NULL || m->config != config || m->lineup.channels != lineup->channels ||
	    m->lineup.count != lineup->count)
		units_expect(units, config, lineup);
	(void)units_step(units, SIZE_MAX);
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
		if (shows_all(unit->config))
			unit->lineup = *lineup;
		else if (take_part(units, unit) != 0)
			err = PB_ENOMEM;
		say_size(unit, whole && lineup->count > 0);
	}
	units_forget(units);
	return err;
}

void
units_clear(struct units *units)
{
	units_forget(units);
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
