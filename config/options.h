/*
 * options.h - every setting is one row
 *
 * Section, key, type, default, range, where it goes, when it takes effect.
 * The parser, the defaults, show config, what a reload compares and the
 * manual's check all read the same rows. A section's rows stand together.
 */
#ifndef PLEXBRIDGE_CONFIG_OPTIONS_H
#define PLEXBRIDGE_CONFIG_OPTIONS_H

#include "config/config.h"

enum option_type {
	OPT_MSEC, /* uint32_t; min and max in milliseconds; "auto" is 0 where that is the default */
	OPT_BYTES, /* uint64_t; min and max in bytes; "auto" as above */
	OPT_INT, /* int */
	OPT_PERCENT, /* int */
	OPT_BOOL, /* bool: yes, no */
	OPT_SHIFT, /* int; minutes, "-1h" */
	OPT_WORD, /* int: one of words */
	OPT_DEVICE_ID, /* uint32_t */
	OPT_VARIANT, /* struct variant_limit */
	OPT_ADDRS, /* struct config_addrs; max: how many */
	OPT_ALLOW, /* struct config_allow */

	/* From here on const char *; min and max in bytes. */
	OPT_TEXT,
	OPT_PATH, /* absolute */
	OPT_URL,
	OPT_SOURCE, /* a URL, or an absolute path */
	OPT_HOSTPORT,
	OPT_USER,
	OPT_NUMBER, /* a GuideNumber */
	OPT_PREFIX, /* of a URL's path: a slash and a word */

	/* Lists, struct config_list; max: how many items. */
	OPT_INTERFACES,
	OPT_PATTERNS,
	OPT_WORDS, /* each one of words, whatever its case */
	OPT_HOSTS,
	OPT_NAMES, /* of providers */
	OPT_RANGES, /* of GuideNumbers */
	OPT_HEADERS, /* the key may be repeated, each adds one */
	OPT_RENAMES, /* likewise; "PATTERN => TEXT" */
};

enum option_effect {
	ON_RELOAD, /* at once, for running streams too */
	ON_TUNE, /* for streams that begin afterwards */
	ON_RESTART, /* when plexbridged is started again */
};

struct option_word {
	const char *word;
	int value;
};

struct setting {
	const char *section, *key;
	enum option_type type;
	const char *fallback; /* the default, as it would be written; NULL: not given */
	int64_t min, max;
	size_t field; /* offset in struct config, struct provider or struct channel_draft */
	enum option_effect effect;
	const struct option_word *words;
	bool secret; /* the value is shown nowhere; of a URL or header, what is secret in it */
};

/* A channel while its section is read; only then are its lists complete. */
struct channel_draft {
	struct channel channel;
	struct channel_more more; /* without its backups */
	const char *backup[CHANNEL_BACKUPS];
	const char *backup_provider[CHANNEL_BACKUPS];
	struct config_list headers;
};

/* All rows; the last one has no section. */
extern const struct setting settings[];
#define SETTINGS_MAX 160 /* more than there are, for tables beside this one */

/* The row, NULL when there is none. For channels and providers section is "channel" and "provider". */
const struct setting *setting_find(const char *section, const char *key);

/* The first row of a section, NULL when there is no such section. Its others follow. */
const struct setting *setting_section(const char *section);

/*
 * Check text and put its value into base (what field is an offset in);
 * strings and lists go into the arena. 0; PB_ENOMEM; PB_EFORMAT with why[],
 * "90ms is less than 2s", in which no secret stands.
 */
int setting_set(
    const struct setting *setting, void *base, struct arena *arena, const char *text, char *why, size_t size);

/* Put the section's defaults into base. 0 or PB_ENOMEM. */
int setting_defaults(const char *section, void *base, struct arena *arena);

/*
 * The value as it would be written in the file. Gives a text, "" for one
 * that is not given; NULL when there is no memory. show: for people, so
 * secrets are redacted; otherwise as it is, for comparison.
 */
char *setting_text(const struct setting *setting, const void *base, bool show);

#endif
