/*
 * config.c - a file, and what the command line says, to one struct config
 *
 * Everything that is wrong is told, so a section that can't be used is
 * still read: its lines have mistakes of their own. What was wrong leaves
 * nothing behind: the whole config is dropped.
 */
#include "config/config.h"
#include "base/pb.h"
#include "config/check.h"
#include "config/ini.h"
#include "config/options.h"
#include "config/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX 512
#define PROVIDER_NAME_MAX 63

/* Where in the file we are. */
struct place {
	struct loading loading;
	const char *section; /* of the table; NULL: unknown, or none yet */
	bool unknown; /* a section that was told to be wrong */
	unsigned line; /* where it began */
	void *base; /* what its rows write into */
	unsigned seen[SETTINGS_MAX]; /* the line of each row in this section */
	struct channel_draft channel;
	struct provider provider;
	struct config
	    tuner; /* a [tuner NAME] has the rows of [tuner], whose fields are a config's: only these are used */
	size_t channels_size, providers_size;
};

void
loading_wrong(struct loading *l, unsigned line, const char *fmt, ...)
{
	struct config_errors *errs = l->errs;
	char what[MESSAGE_MAX], text[MESSAGE_MAX + 256];
	struct config_error *at;
	va_list ap;

	errs->total++;
	if (errs->count == CONFIG_ERRORS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (line == LINE_OVERRIDE)
		snprintf(text, sizeof(text), "-o: %s", what);
	else if (line == 0)
		snprintf(text, sizeof(text), "%s: %s", l->file, what);
	else
		snprintf(text, sizeof(text), "%s:%u: %s", l->file, line, what);
	at = reallocarray(errs->at, errs->count + 1, sizeof(*at));
	if (at == NULL) {
		errs->nomem = true;
		return;
	}
	errs->at = at;
	at[errs->count].line = line;
	at[errs->count].text = strdup(text);
	if (at[errs->count].text == NULL)
		errs->nomem = true;
	else
		errs->count++;
}

void
config_errors_clear(struct config_errors *errs)
{
	for (size_t i = 0; i < errs->count; i++)
		free(errs->at[i].text);
	free(errs->at);
	memset(errs, 0, sizeof(*errs));
}

void
config_free(struct config **config)
{
	int saved = errno;

	if (*config != NULL) {
		arena_clear(&(*config)->arena);
		/* One array, unless an import took its place; written is set when all is read. */
		if ((*config)->lineup.channels != (*config)->imported.lineup.channels)
			free((*config)->lineup.channels);
		else
			free((*config)->written.channels);
		imported_clear(&(*config)->imported);
		free((*config)->providers);
		free((*config)->tuners);
		free(*config);
		*config = NULL;
	}
	errno = saved;
}

const struct channel *
config_find_playing(const struct config *config, const char *guide_number)
{
	const struct channel *channel = lineup_find(&config->lineup, guide_number);

	for (size_t i = 0; channel == NULL && i < config->imported.leaving_count; i++)
		if (strcmp(config->imported.leaving[i].guide_number, guide_number) == 0)
			channel = &config->imported.leaving[i];
	return channel;
}

/* How many letters differ, with a bound: 3 is "something else". */
static size_t
distance(const char *a, const char *b)
{
	size_t row[INI_KEY_MAX + 1], a_len = strlen(a), b_len = strlen(b);

	if (a_len > INI_KEY_MAX || b_len > INI_KEY_MAX)
		return 3;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j];
			size_t change = diagonal + (a[i - 1] != b[j - 1]);

			row[j] = PB_MIN(change, PB_MIN(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[b_len];
}

/* Say what an unknown key may have been meant to be. */
static void
unknown_key(struct loading *l, unsigned line, const char *section, const char *key)
{
	const struct setting *nearest = NULL, *elsewhere = NULL;
	size_t least = 3;

	for (const struct setting *s = settings; s->section != NULL; s++) {
		bool here = strcmp(s->section, section) == 0;
		size_t d = here ? distance(key, s->key) : 3;

		if (d < least && d < strlen(key)) {
			nearest = s;
			least = d;
		}
		if (!here && elsewhere == NULL && strcmp(s->key, key) == 0)
			elsewhere = s;
	}
	if (nearest != NULL)
		loading_wrong(l, line, "%s: no such setting in [%s]; is %s meant?", key, section, nearest->key);
	else if (elsewhere != NULL)
		loading_wrong(
		    l, line, "%s: no such setting in [%s]; it belongs to [%s]", key, section, elsewhere->section);
	else
		loading_wrong(l, line, "%s: no such setting in [%s]", key, section);
}

static void
unknown_section(struct loading *l, unsigned line, const char *name)
{
	const char *nearest = NULL;
	size_t least = 3;

	for (const struct setting *s = settings; s->section != NULL; s++) {
		size_t d = distance(name, s->section);

		if (d < least && d < strlen(name)) {
			nearest = s->section;
			least = d;
		}
	}
	if (nearest != NULL)
		loading_wrong(l, line, "[%.64s]: no such section; is [%s] meant?", name, nearest);
	else
		loading_wrong(l, line,
		    "[%.64s]: no such section; there are server, tuner, tuner NAME, discovery, stream, fetch, "
		    "testcard, "
		    "provider NAME and channel NUMBER",
		    name);
}

/* Room for one more of count things of size bytes; doubles. NULL when there is no memory. */
static void *
grow(void *array, size_t count, size_t *room, size_t size)
{
	void *larger;

	if (count < *room)
		return array;
	larger = reallocarray(array, *room == 0 ? 16 : *room * 2, size);
	if (larger != NULL)
		*room = *room == 0 ? 16 : *room * 2;
	return larger;
}

/* The backups that are given close ranks. false: no memory. */
static bool
end_backups(struct place *p, struct channel *channel, struct channel_more *more)
{
	struct arena *arena = &p->loading.config->arena;
	const char *backups[CHANNEL_BACKUPS], *providers[CHANNEL_BACKUPS];
	unsigned char count = 0;
	bool named = false;

	for (size_t i = 0; i < NITEMS(backups); i++) {
		if (p->channel.backup[i] == NULL) {
			if (p->channel.backup_provider[i] != NULL &&
			    p->seen[setting_find("channel", "backup1") - settings + (long)i] == 0)
				loading_wrong(&p->loading, p->line,
				    "channel %s: backup%zu_provider: there is no backup%zu", channel->guide_number,
				    i + 1, i + 1);
			continue;
		}
		providers[count] = p->channel.backup_provider[i];
		named |= providers[count] != NULL;
		backups[count++] = p->channel.backup[i];
	}
	if (count == 0)
		return true;
	more->backups = arena_alloc(arena, count * sizeof(*backups));
	if (more->backups == NULL)
		return false;
	memcpy(more->backups, backups, count * sizeof(*backups));
	channel->backup_count = count;
	if (!named)
		return true;
	more->backup_providers = arena_alloc(arena, count * sizeof(*providers));
	if (more->backup_providers == NULL)
		return false;
	memcpy(more->backup_providers, providers, count * sizeof(*providers));
	return true;
}

/* What the channel has of struct channel_more, when it has any. false: no memory. */
static bool
end_more(struct place *p, struct channel *channel)
{
	struct channel_more more = p->channel.more, *kept;

	if (!end_backups(p, channel, &more))
		return false;
	more.request.headers = p->channel.headers.items;
	more.request.header_count = (unsigned char)p->channel.headers.count;
	channel->more = NULL;
	if (channel->backup_count == 0 && more.request.header_count == 0 && more.request.user_agent == NULL &&
	    more.guide_id == NULL)
		return true;
	kept = arena_alloc(&p->loading.config->arena, sizeof(*kept));
	if (kept == NULL)
		return false;
	*kept = more;
	channel->more = kept;
	return true;
}

static void
end_channel(struct place *p)
{
	struct config *c = p->loading.config;
	struct channel *channel = &p->channel.channel;
	struct channel *channels;

	/* One that is not given may be imported; check.c asks when no provider offers any. Given wrong, it was told. */
	if (channel->name == NULL && p->seen[setting_find("channel", "name") - settings] != 0)
		channel->name = "";
	if (channel->url == NULL && p->seen[setting_find("channel", "url") - settings] != 0)
		channel->url = "";
	if (!end_more(p, channel)) {
		p->loading.nomem = true;
		return;
	}
	if (c->lineup.count == LINEUP_MAX) {
		loading_wrong(&p->loading, p->line, "channel %s: there are more than %d channels",
		    channel->guide_number, LINEUP_MAX);
		return;
	}
	channels = grow(c->lineup.channels, c->lineup.count, &p->channels_size, sizeof(*channels));
	if (channels == NULL) {
		p->loading.nomem = true;
		return;
	}
	c->lineup.channels = channels;
	channels[c->lineup.count++] = *channel;
}

/* The line that this section has the setting in; 0: none. */
static unsigned
seen_in(const struct place *p, const char *key)
{
	return p->seen[setting_find("provider", key) - settings];
}

/* A shift is of a guide that is given; guide's, too, of the one that a provider with channels has by itself. */
static void
check_shifts(struct place *p)
{
	static const char *const keys[PROVIDER_GUIDES][2] = { { "guide", "guide_shift" }, { "guide2", "guide2_shift" },
		{ "guide3", "guide3_shift" }, { "guide4", "guide4_shift" } };
	bool own = seen_in(p, "playlist") != 0 || seen_in(p, "xtream") != 0;

	for (size_t i = 0; i < PROVIDER_GUIDES; i++)
		own = own && seen_in(p, keys[i][0]) == 0;
	for (size_t i = own ? 1 : 0; i < PROVIDER_GUIDES; i++)
		if (p->provider.guide_shift_min[i] != 0 && seen_in(p, keys[i][0]) == 0)
			loading_wrong(&p->loading, seen_in(p, keys[i][1]), "%s: there is no %s in [provider %s]",
			    keys[i][1], keys[i][0], p->provider.name);
}

static void
end_provider(struct place *p)
{
	struct config *c = p->loading.config;
	struct provider *providers;

	check_shifts(p);
	for (size_t i = 0; i < c->provider_count; i++) {
		if (strcmp(c->providers[i].name, p->provider.name) == 0) {
			loading_wrong(&p->loading, p->line,
			    "provider %s: is also the provider of line %u: give it another name", p->provider.name,
			    c->providers[i].line);
			return;
		}
	}
	if (c->provider_count == CONFIG_PROVIDERS_MAX) {
		loading_wrong(&p->loading, p->line, "provider %s: there are more than %d providers", p->provider.name,
		    CONFIG_PROVIDERS_MAX);
		return;
	}
	providers = grow(c->providers, c->provider_count, &p->providers_size, sizeof(*providers));
	if (providers == NULL) {
		p->loading.nomem = true;
		return;
	}
	c->providers = providers;
	providers[c->provider_count++] = p->provider;
}

static void
end_tuner(struct place *p)
{
	struct config *c = p->loading.config;
	struct config_tuner *tuner = &p->tuner.tuner;
	struct config_tuner *tuners;
	char path[PROVIDER_NAME_MAX + 2];

	for (size_t i = 0; i < c->tuner_count; i++) {
		if (strcmp(c->tuners[i].label, tuner->label) == 0) {
			loading_wrong(&p->loading, p->line,
			    "tuner %s: is also the tuner of line %u: give it another name", tuner->label,
			    c->tuners[i].line);
			return;
		}
	}
	if (c->tuner_count == CONFIG_TUNERS_MAX) {
		loading_wrong(&p->loading, p->line, "tuner %s: there are more than %d tuners beside [tuner]",
		    tuner->label, CONFIG_TUNERS_MAX);
		return;
	}
	tuners = reallocarray(c->tuners, c->tuner_count + 1, sizeof(*tuners));
	if (tuners != NULL)
		c->tuners = tuners;
	/* Without a name it has its label's, without a place of its own a path. */
	if (p->seen[setting_find("tuner", "name") - settings] == 0)
		tuner->name = tuner->label;
	if (tuner->port == 0 && tuner->path == NULL) {
		snprintf(path, sizeof(path), "/%s", tuner->label);
		tuner->path = arena_text(&c->arena, path, strlen(path));
	}
	if (tuners == NULL || (tuner->port == 0 && tuner->path == NULL)) {
		p->loading.nomem = true;
		return;
	}
	tuners[c->tuner_count++] = *tuner;
}

/* What was collected of a channel, provider or tuner becomes one. */
static void
end_section(struct place *p)
{
	if (p->base == &p->channel)
		end_channel(p);
	else if (p->base == &p->provider)
		end_provider(p);
	else if (p->base == &p->tuner)
		end_tuner(p);
	p->section = NULL;
	p->base = NULL;
}

static void
begin_channel(struct place *p, const char *number)
{
	memset(&p->channel, 0, sizeof(p->channel));
	p->channel.channel.line = p->line;
	if (!guide_number_valid(number)) {
		loading_wrong(&p->loading, p->line,
		    "[channel %.32s]: a number is digits with at most one dot, like 5 or 5.1, not 0, and has at most "
		    "%d "
		    "characters",
		    number, GUIDE_NUMBER_MAX - 1);
		p->unknown = true;
		return;
	}
	memcpy(p->channel.channel.guide_number, number, strlen(number) + 1);
	p->base = &p->channel;
}

static void
begin_provider(struct place *p, const char *name)
{
	struct config *c = p->loading.config;

	memset(&p->provider, 0, sizeof(p->provider));
	p->provider.line = p->line;
	if (name[0] == '\0' || strlen(name) > PROVIDER_NAME_MAX) {
		loading_wrong(&p->loading, p->line,
		    "[provider]: it needs a name of at most %d bytes, like [provider home]", PROVIDER_NAME_MAX);
		p->unknown = true;
		return;
	}
	p->provider.name = arena_text(&c->arena, name, strlen(name));
	if (p->provider.name == NULL || setting_defaults("provider", &p->provider, &c->arena) != 0)
		p->loading.nomem = true;
	p->base = &p->provider;
}

static void
begin_tuner(struct place *p, const char *name)
{
	struct config *c = p->loading.config;
	char path[PROVIDER_NAME_MAX + 2];
	const char *why;

	memset(&p->tuner, 0, sizeof(p->tuner));
	p->tuner.tuner.line = p->line;
	snprintf(path, sizeof(path), "/%s", name);
	/* It names a file of the state, and a path. */
	if (strlen(name) > 31 || value_prefix(path, &why) != 0) {
		loading_wrong(&p->loading, p->line,
		    "[tuner %.32s]: a name is at most 31 letters, digits, '-' or '_', and no path of the tuner's own",
		    name);
		p->unknown = true;
		return;
	}
	p->tuner.tuner.label = arena_text(&c->arena, name, strlen(name));
	if (p->tuner.tuner.label == NULL || setting_defaults("tuner", &p->tuner, &c->arena) != 0)
		p->loading.nomem = true;
	p->base = &p->tuner;
}

static void
on_section(void *user, unsigned line, const char *name)
{
	struct place *p = user;
	const struct setting *first;
	const char *label = NULL;

	end_section(p);
	memset(p->seen, 0, sizeof(p->seen));
	p->line = line;
	p->unknown = true;
	if (name == NULL) /* was told already */
		return;
	/* strchr() finds the NUL too: [channel] without a number is told so. */
	if (strncmp(name, "channel", 7) == 0 && strchr(" \t", name[7]) != NULL)
		label = name + 7;
	else if (strncmp(name, "provider", 8) == 0 && strchr(" \t", name[8]) != NULL)
		label = name + 8;
	else if (strncmp(name, "tuner", 5) == 0 && strchr(" \t", name[5]) != NULL && name[5] != '\0')
		label = name + 5;
	if (label != NULL) {
		p->unknown = false;
		label += strspn(label, " \t");
		p->section = name[0] == 'c' ? "channel" : name[0] == 't' ? "tuner" : "provider";
		if (name[0] == 'c')
			begin_channel(p, label);
		else if (name[0] == 't')
			begin_tuner(p, label);
		else
			begin_provider(p, label);
		return;
	}
	first = setting_section(name);
	if (first == NULL) {
		unknown_section(&p->loading, line, name);
		return;
	}
	p->unknown = false;
	p->section = first->section;
	p->base = p->loading.config;
}

static void
on_setting(void *user, unsigned line, const char *key, const char *value)
{
	struct place *p = user;
	struct loading *l = &p->loading;
	const struct setting *setting;
	char why[MESSAGE_MAX];
	void *base = p->base;
	unsigned *seen;
	int err;

	if (p->section == NULL) {
		if (!p->unknown) {
			loading_wrong(l, line, "%s: stands before any [section]", key);
			p->unknown = true; /* once is enough */
		}
		return;
	}
	setting = setting_find(p->section, key);
	if (setting == NULL) {
		unknown_key(l, line, p->section, key);
		return;
	}
	/* A [server] may be there twice, its settings may not. */
	seen = base == l->config ? &l->lines[setting - settings] : &p->seen[setting - settings];
	if (*seen != 0 && setting->type != OPT_HEADERS && setting->type != OPT_RENAMES) {
		loading_wrong(l, line, "%s: is given in line %u already", key, *seen);
		return;
	}
	*seen = line;
	if (base == NULL) /* a bad number or name: the lines are read for their own mistakes */
		base = p->section[0] == 'c' ? (void *)&p->channel
		    : p->section[0] == 't'  ? (void *)&p->tuner
					    : (void *)&p->provider;
	err = setting_set(setting, base, &l->config->arena, value, why, sizeof(why));
	if (err == PB_ENOMEM)
		l->nomem = true;
	else if (err != 0)
		loading_wrong(l, line, "%s: %s", key, why);
}

static void
on_wrong(void *user, unsigned line, const char *why)
{
	struct place *p = user;

	loading_wrong(&p->loading, line, "%s", why);
}

/* "section.key=value", over what the file says. */
static void
override(struct loading *l, const char *text)
{
	size_t section_len = strcspn(text, ".=");
	const char *key = text + section_len + 1;
	size_t key_len = text[section_len] == '.' ? strcspn(key, "=") : 0;
	char section[INI_KEY_MAX], name[INI_KEY_MAX], why[MESSAGE_MAX];
	const struct setting *setting;
	int err;

	if (text[section_len] != '.' || key[key_len] != '=' || section_len >= sizeof(section) ||
	    key_len >= sizeof(name)) {
		loading_wrong(l, LINE_OVERRIDE, "%.64s: section.key=value would be right", text);
		return;
	}
	memcpy(section, text, section_len);
	section[section_len] = '\0';
	memcpy(name, key, key_len);
	name[key_len] = '\0';
	if (strncmp(section, "channel", 7) == 0 || strncmp(section, "provider", 8) == 0) {
		loading_wrong(l, LINE_OVERRIDE, "%s: channels and providers can't be given with -o", section);
		return;
	}
	if (setting_section(section) == NULL) {
		unknown_section(l, LINE_OVERRIDE, section);
		return;
	}
	setting = setting_find(section, name);
	if (setting == NULL) {
		unknown_key(l, LINE_OVERRIDE, section, name);
		return;
	}
	l->lines[setting - settings] = LINE_OVERRIDE;
	err = setting_set(setting, l->config, &l->config->arena, key + key_len + 1, why, sizeof(why));
	if (err == PB_ENOMEM)
		l->nomem = true;
	else if (err != 0)
		loading_wrong(l, LINE_OVERRIDE, "%s.%s: %s", section, name, why);
}

static int
defaults(struct config *c)
{
	static const char *const sections[] = { "server", "tuner", "discovery", "stream", "fetch", "testcard" };

	for (size_t i = 0; i < NITEMS(sections); i++) {
		if (setting_defaults(sections[i], c, &c->arena) != 0)
			return PB_ENOMEM;
	}
	return 0;
}

int
config_read(struct config **out, FILE *file, const char *name, const char *const *overrides, size_t override_count,
    struct config_errors *errs)
{
	struct config *config = calloc(1, sizeof(*config));
	struct place *p = calloc(1, sizeof(*p));
	const struct ini_events events = { p, on_section, on_setting, on_wrong };
	int err = PB_ENOMEM;

	memset(errs, 0, sizeof(*errs));
	if (config == NULL || p == NULL || defaults(config) != 0)
		goto done;
	p->loading.config = config;
	config->tuner.label = "";
	p->loading.errs = errs;
	p->loading.file = name;
	if (file != NULL) {
		config->path = arena_text(&config->arena, name, strlen(name));
		if (config->path == NULL)
			goto done;
		if (ini_read(file, &events) != 0)
			loading_wrong(&p->loading, 0, "can't be read: %s", strerror(errno));
		end_section(p);
	}
	for (size_t i = 0; i < override_count; i++)
		override(&p->loading, overrides[i]);
	loading_check(&p->loading);
	config->written = config->lineup;
	if (p->loading.nomem || errs->nomem)
		goto done;
	err = errs->total > 0 ? PB_EFORMAT : 0;
	if (err == 0) {
		*out = config;
		config = NULL;
	}
done:
	free(p);
	config_free(&config);
	return err;
}

int
config_load(struct config **out, const char *path, const char *const *overrides, size_t override_count,
    struct config_errors *errs)
{
	const char *name = path != NULL ? path : CONFIG_PATH;
	FILE *file = fopen(name, "re");
	int err;

	if (file == NULL && (path != NULL || (errno != ENOENT && errno != ENOTDIR))) {
		struct loading none = { .errs = errs, .file = name };

		memset(errs, 0, sizeof(*errs));
		loading_wrong(&none, 0, "can't be opened: %s", strerror(errno));
		return errs->nomem ? PB_ENOMEM : PB_EFORMAT;
	}
	err = config_read(out, file, name, overrides, override_count, errs);
	if (file != NULL)
		fclose(file);
	return err;
}

/* Devices and their ports begin with the process. */
static bool
same_tuners(const struct config *old, const struct config *new)
{
	if (old->tuner_count != new->tuner_count)
		return false;
	for (size_t i = 0; i < old->tuner_count; i++) {
		const struct config_tuner *a = &old->tuners[i], *b = &new->tuners[i];

		if (strcmp(a->label, b->label) != 0 || a->port != b->port || a->device_id != b->device_id)
			return false;
	}
	return true;
}

size_t
config_needs_restart(const struct config *old, const struct config *new, const char **out, size_t max)
{
	static char names[SETTINGS_MAX][2 * INI_KEY_MAX];
	size_t count = 0;

	if (!same_tuners(old, new)) {
		if (count < max)
			out[count] = "tuner NAME";
		count++;
	}
	for (const struct setting *s = settings; s->section != NULL; s++) {
		char *was, *now;

		if (s->effect != ON_RESTART)
			continue;
		was = setting_text(s, old, false);
		now = setting_text(s, new, false);
		if (was != NULL && now != NULL && strcmp(was, now) != 0) {
			if (count < max) {
				char *name = names[s - settings];

				snprintf(name, sizeof(names[0]), "%s.%s", s->section, s->key);
				out[count] = name;
			}
			count++;
		}
		free(was);
		free(now);
	}
	return count;
}

void
config_keep_in_force(struct config *new, const struct config *old)
{
	char why[200];

	for (const struct setting *s = settings; s->section != NULL; s++) {
		char *was = s->effect == ON_RESTART ? setting_text(s, old, false) : NULL;

		if (was != NULL && was[0] != '\0')
			(void)setting_set(s, new, &new->arena, was, why, sizeof(why));
		else if (was != NULL && s->type == OPT_INTERFACES)
			*(struct config_list *)(void *)((char *)new + s->field) = (struct config_list){ 0 };
		free(was);
	}
}
