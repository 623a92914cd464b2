/*
 * channel.c - one table of keys, and the media that channels share
 */
#include "origin/channel.h"

#include <bsd/string.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "origin/testcard.h"

#define SPEC_MAX 4096
#define DEFAULT_SEG_S 2.0
#define DEFAULT_WIN 6
#define TESTCARD_WIN 10

struct clip {
	char *path; /* NULL for the test card */
	int64_t seg_90k;
	struct media *media;
};

struct channels {
	struct channel **items;
	size_t count;
	struct clip *clips;
	size_t nclips;
};

/* A definition on its way to a channel: files are opened when all keys are known. */
struct draft {
	struct channel channel;
	const char *files[CHANNEL_VARIANTS];
};

enum kind { WORD_NAME, WORD_FILE, NUMBER, INTEGER, YES_NO, CHOICE };

struct key {
	const char *name;
	enum kind kind;
	size_t offset; /* in struct draft */
	double min;
	double max;
	const char *choices; /* of a CHOICE, in the enum's order, blanks between */
};

#define AT(field) offsetof(struct draft, channel.field)
static const struct key keys[] = {
	{ "name", WORD_NAME, 0, 0, 0, NULL },
	{ "file", WORD_FILE, 0, 0, 0, NULL },
	{ "seg", NUMBER, 0, 0.2, 60, NULL },
	{ "win", INTEGER, AT(win), 1, 1000, NULL },
	{ "base", NUMBER, AT(base), 0, 9007199254740992.0, NULL },
	{ "speed", NUMBER, AT(speed), 0.1, 1000, NULL },
	{ "burst", NUMBER, AT(burst_s), 0, 60, NULL },
	{ "variants", INTEGER, AT(variants), 1, CHANNEL_VARIANTS, NULL },
	{ "clock", CHOICE, AT(clock), 0, 0, "start wall" },
	{ "aes", YES_NO, AT(aes), 0, 0, NULL },
	{ "iv", CHOICE, AT(iv), 0, 0, "explicit implicit" },
	{ "gzip", CHOICE, AT(gzip), 0, 0, "no yes bare" },
	{ "byterange", YES_NO, AT(byterange), 0, 0, NULL },
	{ "vod", YES_NO, AT(vod), 0, 0, NULL },
	{ "loop", CHOICE, 0, 0, 0, "continuous discontinuity" },
	{ "redirect", YES_NO, AT(redirect), 0, 0, NULL },
	{ "token", NUMBER, AT(token_s), 0.1, 86400, NULL },
	{ "cookie", YES_NO, AT(cookie), 0, 0, NULL },
	{ "pdt", YES_NO, AT(pdt), 0, 0, NULL },
};

static int read_spec(struct draft *draft, char *spec, char *why, size_t size);
static int read_key(struct draft *draft, const char *name, char *value, char *why, size_t size);
static int add(struct channels *channels, struct draft *draft, double now, char *why, size_t size);
static int clip_get(struct channels *channels, const char *path, int64_t seg_90k, struct media **out);

int
channels_new(struct channels **out)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? PB_ENOMEM : 0;
}

void
channels_free(struct channels **channels)
{
	struct channels *c = *channels;

	if (c != NULL) {
		for (size_t i = 0; i < c->nclips; i++) {
			media_free(&c->clips[i].media);
			free(c->clips[i].path);
		}
		for (size_t i = 0; i < c->count; i++)
			free(c->items[i]);
		free(c->clips);
		free(c->items);
		free(c);
	}
	*channels = NULL;
}

static void
draft_init(struct draft *draft)
{
	memset(draft, 0, sizeof(*draft));
	draft->channel.seg_90k = (int64_t)(DEFAULT_SEG_S * 90000);
	draft->channel.win = DEFAULT_WIN;
	draft->channel.speed = 1;
	draft->channel.burst_s = 2;
	draft->channel.variants = 1;
	draft->channel.continuous = true;
	draft->channel.token_s = 30;
}

int
channels_add(struct channels *channels, const char *spec, double now, char *why, size_t size)
{
	struct draft draft;
	char copy[SPEC_MAX];
	int err;

	if (strlcpy(copy, spec, sizeof(copy)) >= sizeof(copy)) {
		snprintf(why, size, "definition of %d bytes and more", SPEC_MAX);
		return PB_ELIMIT;
	}
	draft_init(&draft);
	err = read_spec(&draft, copy, why, size);
	if (err != 0)
		return err;
	if (draft.channel.name[0] == '\0' || draft.files[0] == NULL) {
		snprintf(why, size, "a channel needs name= and file=");
		return PB_EFORMAT;
	}
	return add(channels, &draft, now, why, size);
}

int
channels_add_testcard(struct channels *channels, const char *spec, double now, char *why, size_t size)
{
	struct draft draft;
	char copy[SPEC_MAX];
	int err;

	if (strlcpy(copy, spec, sizeof(copy)) >= sizeof(copy)) {
		snprintf(why, size, "definition of %d bytes and more", SPEC_MAX);
		return PB_ELIMIT;
	}
	draft_init(&draft);
	strlcpy(draft.channel.name, "testcard", sizeof(draft.channel.name));
	draft.channel.win = TESTCARD_WIN;
	/* By the wall clock, so that an origin that is started again goes on where it was. */
	draft.channel.clock = CHANNEL_CLOCK_WALL;
	err = read_spec(&draft, copy, why, size);
	if (err != 0)
		return err;
	draft.files[0] = NULL;
	return add(channels, &draft, now, why, size);
}

const struct channel *
channels_find(const struct channels *channels, const char *name, size_t len)
{
	for (size_t i = 0; i < channels->count; i++)
		if (strlen(channels->items[i]->name) == len && memcmp(channels->items[i]->name, name, len) == 0)
			return channels->items[i];
	return NULL;
}

size_t
channels_count(const struct channels *channels)
{
	return channels->count;
}

const struct channel *
channels_at(const struct channels *channels, size_t i)
{
	return i < channels->count ? channels->items[i] : NULL;
}

static int
read_spec(struct draft *draft, char *spec, char *why, size_t size)
{
	char *pair;

	while ((pair = strsep(&spec, ",")) != NULL) {
		char *value = strchr(pair, '=');
		int err;

		if (*pair == '\0')
			continue;
		if (value == NULL) {
			snprintf(why, size, "%s: no value", pair);
			return PB_EFORMAT;
		}
		*value++ = '\0';
		err = read_key(draft, pair, value, why, size);
		if (err != 0)
			return err;
	}
	return 0;
}

static int
read_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);
	int i = 0;

	for (const char *at = choices; *at != '\0'; i++) {
		size_t n = strcspn(at, " ");

		if (n == len && memcmp(at, value, n) == 0)
			return i;
		at += n;
		at += *at == ' ';
	}
	return -1;
}

static bool
valid_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");

	/* "_" and "ch" begin paths of our own (live.h, site.h). */
	return n > 0 && n < CHANNEL_NAME && name[n] == '\0' && strcmp(name, "ch") != 0;
}

static int
read_key(struct draft *draft, const char *name, char *value, char *why, size_t size)
{
	const struct key *key = NULL;
	unsigned int nth = 1;
	char *end;
	double number;
	char *field;
	int choice;

	/* file2= .. file8= are file= with a number. */
	if (strncmp(name, "file", 4) == 0 && name[4] >= '2' && name[4] <= '0' + CHANNEL_VARIANTS && name[5] == '\0') {
		nth = (unsigned int)(name[4] - '0');
		name = "file";
	}
	for (size_t i = 0; i < NITEMS(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			key = &keys[i];
	if (key == NULL) {
		snprintf(why, size, "%s: no such key", name);
		return PB_EFORMAT;
	}
	field = (char *)draft + key->offset;
	switch (key->kind) {
	case WORD_NAME:
		if (!valid_name(value))
			break;
		strlcpy(draft->channel.name, value, sizeof(draft->channel.name));
		return 0;
	case WORD_FILE:
		if (*value == '\0')
			break;
		draft->files[nth - 1] = value;
		draft->channel.variants = PB_MAX(draft->channel.variants, nth);
		return 0;
	case NUMBER:
	case INTEGER:
		errno = 0;
		number = strtod(value, &end);
		if (end == value || *end != '\0' || errno != 0 || !(number >= key->min && number <= key->max) ||
		    (key->kind == INTEGER && number != floor(number)))
			break;
		if (strcmp(name, "seg") == 0)
			draft->channel.seg_90k = (int64_t)(number * 90000);
		else if (strcmp(name, "base") == 0)
			draft->channel.base = (uint64_t)number;
		else if (key->kind == INTEGER)
			*(unsigned int *)field = (unsigned int)number;
		else
			*(double *)field = number;
		return 0;
	case YES_NO:
		choice = read_choice("0 1", value);
		if (choice < 0)
			choice = read_choice("no yes", value);
		if (choice < 0)
			break;
		*(bool *)field = choice == 1;
		return 0;
	case CHOICE:
		choice = read_choice(key->choices, value);
		/* gzip=1 reads as well as gzip=yes. */
		if (choice < 0 && strcmp(name, "gzip") == 0)
			choice = read_choice("0 1", value);
		if (choice < 0)
			break;
		if (strcmp(name, "loop") == 0)
			draft->channel.continuous = choice == 0;
		else
			*(int *)field = choice;
		return 0;
	}
	if (key->kind == CHOICE)
		snprintf(why, size, "%s: %s is none of: %s", name, value, key->choices);
	else if (key->kind == NUMBER || key->kind == INTEGER)
		snprintf(why, size, "%s: %s is not in %g..%g", name, value, key->min, key->max);
	else
		snprintf(why, size, "%s: %s is not allowed", name, value);
	return PB_EFORMAT;
}

static int
add(struct channels *channels, struct draft *draft, double now, char *why, size_t size)
{
	struct channel *channel = &draft->channel;
	struct channel **grown;

	if (channels_find(channels, channel->name, strlen(channel->name)) != NULL) {
		snprintf(why, size, "%s: a channel of this name exists", channel->name);
		return PB_EFORMAT;
	}
	if (channels->count == CHANNELS_MAX) {
		snprintf(why, size, "more than %d channels", CHANNELS_MAX);
		return PB_ELIMIT;
	}
	for (unsigned int i = 0; i < channel->variants; i++) {
		const char *path = draft->files[i] != NULL ? draft->files[i] : draft->files[0];
		int err = clip_get(channels, path, channel->seg_90k, &channel->media[i]);

		if (err != 0) {
			snprintf(why, size, "%s: %s", path == NULL ? "test card" : path,
			    err == PB_ESYS ? strerror(errno) : pb_strerror(err));
			return err;
		}
	}
	/* A key that a test can compute: the name, repeated. */
	for (size_t i = 0; i < CHANNEL_KEY; i++)
		channel->key[i] = (uint8_t)(channel->name[i % strlen(channel->name)] ^ (uint8_t)(i * 29));
	/*
	 * The window is full from the first request on, as it is at an origin
	 * that has been running for long.
	 */
	channel->t0 = 0;
	if (channel->clock == CHANNEL_CLOCK_START)
		channel->t0 = now - (double)media_start_90k(channel->media[0], channel->win) / 90000 / channel->speed;

	grown = reallocarray(channels->items, channels->count + 1, sizeof(struct channel *));
	if (grown == NULL)
		return PB_ENOMEM;
	channels->items = grown;
	grown[channels->count] = malloc(sizeof(*channel));
	if (grown[channels->count] == NULL)
		return PB_ENOMEM;
	channel->index = channels->count;
	*grown[channels->count++] = *channel;
	return 0;
}

static int
clip_get(struct channels *channels, const char *path, int64_t seg_90k, struct media **out)
{
	struct clip clip = { NULL, seg_90k, NULL };
	struct clip *grown;
	int err;

	for (size_t i = 0; i < channels->nclips; i++) {
		const struct clip *c = &channels->clips[i];

		if (c->seg_90k == seg_90k &&
		    (path == NULL ? c->path == NULL : c->path != NULL && strcmp(path, c->path) == 0)) {
			*out = c->media;
			return 0;
		}
	}
	grown = reallocarray(channels->clips, channels->nclips + 1, sizeof(*grown));
	if (grown == NULL)
		return PB_ENOMEM;
	channels->clips = grown;
	if (path == NULL) {
		err = media_new(&clip.media, testcard_ts, (size_t)(testcard_ts_end - testcard_ts), seg_90k);
	} else {
		clip.path = strdup(path);
		err = clip.path == NULL ? PB_ENOMEM : media_open(&clip.media, path, seg_90k);
	}
	if (err != 0) {
		free(clip.path);
		return err;
	}
	grown[channels->nclips++] = clip;
	*out = clip.media;
	return 0;
}
