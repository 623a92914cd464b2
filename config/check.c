/*
 * check.c - contradictions, duplicates, and the test card's place
 */
#include "config/check.h"
#include "base/pb.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static unsigned
line_of(const struct loading *l, const char *section, const char *key)
{
	return l->lines[setting_find(section, key) - settings];
}

/* Tell that one duration or size is above another. The message is the line's that came last. */
static void
above(struct loading *l, const char *section, const char *less, const char *more, const char *what)
{
	unsigned a = line_of(l, section, less), b = line_of(l, section, more);

	loading_wrong(l, PB_MAX(a, b), "%s: is more than %s: %s", less, more, what);
}

static void
check_settings(struct loading *l)
{
	const struct config *c = l->config;

	if (c->stream.reserve_ms > c->stream.reserve_max_ms)
		above(l, "stream", "reserve", "reserve_max", "raise reserve_max");
	if (c->fetch.backoff_ms > c->fetch.backoff_max_ms)
		above(l, "fetch", "backoff", "backoff_max", "raise backoff_max");
	if (c->server.memory_bytes != 0 && c->server.memory_bytes < c->stream.spool_max_bytes)
		loading_wrong(l, PB_MAX(line_of(l, "server", "memory"), line_of(l, "stream", "spool_max")),
		    "memory: is less than one stream's spool_max: raise memory or lower spool_max");
	if (strcmp(c->server.user, c->server.worker_user) == 0)
		loading_wrong(l, PB_MAX(line_of(l, "server", "user"), line_of(l, "server", "worker_user")),
		    "worker_user: is the same as user: workers need a user of their own");
}

static int
compare_channels(const void *a, const void *b)
{
	const struct channel *x = a, *y = b;
	int order = guide_number_compare(x->guide_number, y->guide_number);

	/* The test card has no line, and comes after the channel that it collides with. */
	return order != 0 ? order : (x->line - 1 > y->line - 1) - (x->line - 1 < y->line - 1);
}

static void
add_testcard(struct loading *l)
{
	struct config *c = l->config;
	struct lineup *lineup = &c->lineup;
	struct channel *channels, *card;

	if (c->testcard.enabled == TESTCARD_NO)
		return;
	if (c->testcard.enabled == TESTCARD_AUTO && (lineup->count > 0 || c->provider_count > 0))
		return;
	channels = reallocarray(lineup->channels, lineup->count + 1, sizeof(*channels));
	if (channels == NULL) {
		l->nomem = true;
		return;
	}
	lineup->channels = channels;
	card = &channels[lineup->count++];
	memset(card, 0, sizeof(*card));
	memcpy(card->guide_number, c->testcard.number, strlen(c->testcard.number) + 1);
	card->name = "Test Card";
	card->testcard = true;
}

static bool
provider_known(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->provider_count; i++)
		if (strcmp(c->providers[i].name, name) == 0)
			return true;
	return false;
}

bool
provider_imports(const struct provider *provider)
{
	return provider->playlist != NULL || provider->xtream != NULL;
}

static bool
imports(const struct config *c)
{
	for (size_t i = 0; i < c->provider_count; i++)
		if (provider_imports(&c->providers[i]))
			return true;
	return false;
}

static void
check_channel(struct loading *l, const struct channel *channel, const struct channel *before)
{
	const struct config *c = l->config;

	if (before != NULL && strcmp(before->guide_number, channel->guide_number) == 0) {
		if (channel->testcard)
			loading_wrong(l, line_of(l, "testcard", "number"), "number: %s is also the channel of line %u",
			    channel->guide_number, before->line);
		else
			loading_wrong(l, channel->line,
			    "channel %s: is also the channel of line %u: give it another number", channel->guide_number,
			    before->line);
	}
	if (channel->testcard)
		return;
	if (channel->name == NULL && !imports(c))
		loading_wrong(l, channel->line, "channel %s: it has no name", channel->guide_number);
	if (channel->url == NULL && !imports(c))
		loading_wrong(l, channel->line, "channel %s: it has no url", channel->guide_number);
	if (channel->provider != NULL && !provider_known(c, channel->provider))
		loading_wrong(l, channel->line, "channel %s: provider: there is no [provider %.64s]",
		    channel->guide_number, channel->provider);
	for (unsigned i = 0; i < channel->backup_count && channel->more->backup_providers != NULL; i++) {
		const char *name = channel->more->backup_providers[i];

		if (name != NULL && !provider_known(c, name))
			loading_wrong(l, channel->line,
			    "channel %s: the provider of a backup: there is no [provider %.64s]", channel->guide_number,
			    name);
	}
}

static void
check_provider(struct loading *l, const struct provider *p)
{
	if (p->playlist != NULL && p->xtream != NULL)
		loading_wrong(l, p->line, "provider %s: playlist, xtream: one of them, not both", p->name);
	if (p->xtream != NULL && (p->username == NULL || p->password == NULL))
		loading_wrong(l, p->line, "provider %s: xtream: username and password are needed with it", p->name);
	for (size_t i = 0; i < p->quality.count; i++) {
		const char *q = p->quality.items[i];

		if (strcasecmp(q, "4K") != 0 && strcasecmp(q, "FHD") != 0 && strcasecmp(q, "HD") != 0 &&
		    strcasecmp(q, "SD") != 0)
			loading_wrong(l, p->line, "provider %s: quality: %.32s is none of 4K, FHD, HD, SD", p->name, q);
	}
}

/* Two devices in one place, or with one identity, would be one. */
static void
check_tuner(struct loading *l, const struct config_tuner *t, size_t before)
{
	const struct config *c = l->config;
	const struct config_tuner *other;

	for (size_t i = 0; i < t->provider.count; i++) {
		bool known = false;

		for (size_t j = 0; !known && j < c->provider_count; j++)
			known = strcmp(c->providers[j].name, t->provider.items[i]) == 0;
		if (!known)
			loading_wrong(l, t->label[0] != '\0' ? t->line : line_of(l, "tuner", "provider"),
			    "tuner%s%s: provider: there is no [provider %.64s]", t->label[0] != '\0' ? " " : "",
			    t->label, t->provider.items[i]);
	}
	if (t->label[0] == '\0')
		return;
	for (size_t i = 0; t->port != 0 && i < c->server.listen.count; i++)
		if (ntohs(c->server.listen.at[i].sa.any.sa_family == AF_INET6
			    ? c->server.listen.at[i].sa.v6.sin6_port
			    : c->server.listen.at[i].sa.v4.sin_port) == t->port)
			loading_wrong(l, t->line, "tuner %s: port: %d is [server] listen's: give it another one",
			    t->label, t->port);
	if (t->device_id != 0 && t->device_id == c->tuner.device_id)
		loading_wrong(l, t->line, "tuner %s: device_id: is also [tuner]'s", t->label);
	for (size_t i = 0; i < before; i++) {
		other = &c->tuners[i];
		if (t->port != 0 && t->port == other->port)
			loading_wrong(l, t->line, "tuner %s: port: is also that of line %u", t->label, other->line);
		if (t->path != NULL && other->path != NULL && strcmp(t->path, other->path) == 0)
			loading_wrong(l, t->line, "tuner %s: path: is also that of line %u", t->label, other->line);
		if (t->device_id != 0 && t->device_id == other->device_id)
			loading_wrong(
			    l, t->line, "tuner %s: device_id: is also that of line %u", t->label, other->line);
	}
}

static void
check_tuners(struct loading *l)
{
	const struct config *c = l->config;

	if (c->tuner.port != 0)
		loading_wrong(l, line_of(l, "tuner", "port"),
		    "port: is for a [tuner NAME]; [tuner] is where [server] listen says");
	if (c->tuner.path != NULL)
		loading_wrong(l, line_of(l, "tuner", "path"), "path: is for a [tuner NAME]; [tuner] has none");
	check_tuner(l, &c->tuner, 0);
	for (size_t i = 0; i < c->tuner_count; i++)
		check_tuner(l, &c->tuners[i], i);
}

static int
compare_errors(const void *a, const void *b)
{
	const struct config_error *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

/* Errors of one line stay in the order they were found in: few enough for a sort that is simple and stable. */
static void
sort_errors(struct config_errors *errs)
{
	for (size_t i = 1; i < errs->count; i++) {
		struct config_error e = errs->at[i];
		size_t j = i;

		for (; j > 0 && compare_errors(&errs->at[j - 1], &e) > 0; j--)
			errs->at[j] = errs->at[j - 1];
		errs->at[j] = e;
	}
}

void
loading_check(struct loading *l)
{
	struct lineup *lineup = &l->config->lineup;

	check_settings(l);
	for (size_t i = 0; i < l->config->provider_count; i++)
		check_provider(l, &l->config->providers[i]);
	check_tuners(l);
	add_testcard(l);
	if (lineup->count > 0)
		qsort(lineup->channels, lineup->count, sizeof(*lineup->channels), compare_channels);
	for (size_t i = 0; i < lineup->count; i++)
		check_channel(l, &lineup->channels[i], i > 0 ? &lineup->channels[i - 1] : NULL);
	sort_errors(l->errs);
}
