/*
 * options.c - the table, and what each type of row means
 *
 * A row's field is checked by the compiler: FIELD() wants the type that
 * the row's type writes, so that a row can't write past its field.
 */
#include "config/options.h"
#include "base/log.h"
#include "base/pb.h"
#include "base/url.h"
#include "config/value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_OF(what, type, member) (offsetof(what, member) + 0 * sizeof((type *)0 == &((what *)0)->member))
#define FIELD(type, member) FIELD_OF(struct config, type, member)
#define PROVIDER(type, member) FIELD_OF(struct provider, type, member)
#define CHANNEL(type, member) FIELD_OF(struct channel_draft, type, member)

#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define K ((int64_t)1 << 10)
#define M ((int64_t)1 << 20)
#define G ((int64_t)1 << 30)
#define PATH_LEN 4095
#define SOCKET_LEN 107 /* sun_path with its NUL is 108 */

static const struct option_word log_words[] = { { "stderr", LOG_TO_STDERR }, { "syslog", LOG_TO_SYSLOG }, { 0 } };
static const struct option_word level_words[] = {
	{ "err", LOG_ERR },
	{ "warning", LOG_WARNING },
	{ "info", LOG_INFO },
	{ "debug", LOG_DEBUG },
	{ 0 },
};
static const struct option_word format_words[] = { { "logfmt", LOG_AS_LOGFMT }, { "json", LOG_AS_JSON }, { 0 } };
static const struct option_word order_words[] = {
	{ "source", ORDER_SOURCE },
	{ "name", ORDER_NAME },
	{ "group", ORDER_GROUP },
	{ 0 },
};
static const struct option_word quality_words[] = { { "4K", 0 }, { "FHD", 0 }, { "HD", 0 }, { "SD", 0 }, { 0 } };
static const struct option_word testcard_words[] = {
	{ "auto", TESTCARD_AUTO },
	{ "yes", TESTCARD_YES },
	{ "no", TESTCARD_NO },
	{ 0 },
};

/* clang-format off: a row is a line */
const struct setting settings[] = {
	{ "server", "listen", OPT_ADDRS, "0.0.0.0:5004", 1, CONFIG_LISTEN_MAX,
	    FIELD(struct config_addrs, server.listen), ON_RESTART, NULL, false },
	{ "server", "control", OPT_PATH, "/run/plexbridge/control.sock", 2, SOCKET_LEN,
	    FIELD(const char *, server.control), ON_RESTART, NULL, false },
	{ "server", "state_dir", OPT_PATH, "/var/lib/plexbridge", 2, PATH_LEN, FIELD(const char *, server.state_dir),
	    ON_RESTART, NULL, false },
	{ "server", "user", OPT_USER, "plexbridge", 1, 32, FIELD(const char *, server.user), ON_RESTART, NULL, false },
	{ "server", "allow", OPT_ALLOW, "private", 1, CONFIG_ALLOW_MAX, FIELD(struct config_allow, server.allow),
	    ON_RELOAD, NULL, false },
	{ "server", "advertise", OPT_HOSTPORT, NULL, 1, 255, FIELD(const char *, server.advertise), ON_RELOAD, NULL,
	    false },
	{ "server", "hosts", OPT_HOSTS, NULL, 1, CONFIG_LIST_MAX, FIELD(struct config_list, server.hosts), ON_RELOAD,
	    NULL, false },
	{ "server", "worker_user", OPT_USER, "plexbridge-worker", 1, 32, FIELD(const char *, server.worker_user),
	    ON_RESTART, NULL, false },
	{ "server", "memory", OPT_BYTES, "auto", 64 * M, 1024 * G, FIELD(uint64_t, server.memory_bytes), ON_RELOAD,
	    NULL, false },
	{ "server", "log", OPT_WORD, "stderr", 0, 0, FIELD(int, server.log), ON_RELOAD, log_words, false },
	{ "server", "log_level", OPT_WORD, "info", 0, 0, FIELD(int, server.log_level), ON_RELOAD, level_words, false },
	{ "server", "log_format", OPT_WORD, "logfmt", 0, 0, FIELD(int, server.log_format), ON_RELOAD, format_words,
	    false },

	{ "tuner", "name", OPT_TEXT, "PlexBridge", 1, 63, FIELD(const char *, tuner.name), ON_RELOAD, NULL, false },
	{ "tuner", "tuner_count", OPT_INT, "4", 1, 255, FIELD(int, tuner.tuner_count), ON_RELOAD, NULL, false },
	{ "tuner", "device_id", OPT_DEVICE_ID, "auto", 0, 0, FIELD(uint32_t, tuner.device_id), ON_RESTART, NULL,
	    false },
	{ "tuner", "port", OPT_INT, NULL, 1, 65535, FIELD(int, tuner.port), ON_RESTART, NULL, false },
	{ "tuner", "path", OPT_PREFIX, NULL, 2, 32, FIELD(const char *, tuner.path), ON_RELOAD, NULL, false },
	{ "tuner", "group", OPT_PATTERNS, NULL, 1, CONFIG_LIST_MAX, FIELD(struct config_list, tuner.group), ON_RELOAD,
	    NULL, false },
	{ "tuner", "provider", OPT_NAMES, NULL, 1, CONFIG_LIST_MAX, FIELD(struct config_list, tuner.provider),
	    ON_RELOAD, NULL, false },
	{ "tuner", "numbers", OPT_RANGES, NULL, 1, CONFIG_LIST_MAX, FIELD(struct config_list, tuner.numbers), ON_RELOAD,
	    NULL, false },

	{ "discovery", "hdhomerun", OPT_BOOL, "yes", 0, 0, FIELD(bool, discovery.hdhomerun), ON_RESTART, NULL, false },
	{ "discovery", "ssdp", OPT_BOOL, "yes", 0, 0, FIELD(bool, discovery.ssdp), ON_RESTART, NULL, false },
	{ "discovery", "interfaces", OPT_INTERFACES, NULL, 1, CONFIG_LIST_MAX,
	    FIELD(struct config_list, discovery.interfaces), ON_RESTART, NULL, false },

	{ "stream", "reserve", OPT_MSEC, "auto", 2 * SECOND, 2 * MINUTE, FIELD(uint32_t, stream.reserve_ms), ON_TUNE,
	    NULL, false },
	{ "stream", "reserve_max", OPT_MSEC, "60s", 2 * SECOND, 10 * MINUTE, FIELD(uint32_t, stream.reserve_max_ms),
	    ON_TUNE, NULL, false },
	{ "stream", "window", OPT_MSEC, "90s", 10 * SECOND, 2 * HOUR, FIELD(uint32_t, stream.window_ms), ON_TUNE, NULL,
	    false },
	{ "stream", "spool_max", OPT_BYTES, "256M", 16 * M, 64 * G, FIELD(uint64_t, stream.spool_max_bytes), ON_TUNE,
	    NULL, false },
	{ "stream", "burst", OPT_MSEC, "4s", 0, 30 * SECOND, FIELD(uint32_t, stream.burst_ms), ON_TUNE, NULL, false },
	{ "stream", "linger", OPT_MSEC, "5s", 0, 10 * MINUTE, FIELD(uint32_t, stream.linger_ms), ON_RELOAD, NULL,
	    false },
	{ "stream", "tune_timeout", OPT_MSEC, "15s", 1 * SECOND, 2 * MINUTE, FIELD(uint32_t, stream.tune_timeout_ms),
	    ON_TUNE, NULL, false },
	{ "stream", "paused", OPT_MSEC, "10m", 0, 24 * HOUR, FIELD(uint32_t, stream.paused_ms), ON_RELOAD, NULL,
	    false },
	{ "stream", "return_after", OPT_MSEC, "60s", 1 * SECOND, 24 * HOUR, FIELD(uint32_t, stream.return_after_ms),
	    ON_TUNE, NULL, false },
	{ "stream", "latency", OPT_MSEC, "500ms", 1, 30 * SECOND, FIELD(uint32_t, stream.latency_ms), ON_TUNE, NULL,
	    false },
	{ "stream", "watchdog", OPT_MSEC, "2s", 500, 1 * MINUTE, FIELD(uint32_t, stream.watchdog_ms), ON_RELOAD, NULL,
	    false },
	{ "stream", "variant", OPT_VARIANT, "best", 0, 0, FIELD(struct variant_limit, stream.variant), ON_TUNE, NULL,
	    false },
	{ "stream", "prefetch", OPT_INT, "3", 1, 16, FIELD(int, stream.prefetch), ON_TUNE, NULL, false },
	{ "stream", "slate_after", OPT_MSEC, "0", 0, 1 * HOUR, FIELD(uint32_t, stream.slate_after_ms), ON_TUNE, NULL,
	    false },
	{ "stream", "slate_dir", OPT_PATH, NULL, 2, PATH_LEN, FIELD(const char *, stream.slate_dir), ON_TUNE, NULL,
	    false },
	{ "stream", "quarantine_dir", OPT_PATH, NULL, 2, PATH_LEN, FIELD(const char *, stream.quarantine_dir), ON_TUNE,
	    NULL, false },
	{ "stream", "worker_memory", OPT_BYTES, "64M", 16 * M, 4 * G, FIELD(uint64_t, stream.worker_memory_bytes),
	    ON_TUNE, NULL, false },

	{ "fetch", "connect_timeout", OPT_MSEC, "3s", 100, 1 * MINUTE, FIELD(uint32_t, fetch.connect_timeout_ms),
	    ON_TUNE, NULL, false },
	{ "fetch", "try_timeout", OPT_MSEC, "5s", 100, 2 * MINUTE, FIELD(uint32_t, fetch.try_timeout_ms), ON_TUNE, NULL,
	    false },
	{ "fetch", "try_step", OPT_MSEC, "2s", 0, 1 * MINUTE, FIELD(uint32_t, fetch.try_step_ms), ON_TUNE, NULL,
	    false },
	{ "fetch", "tries", OPT_INT, "5", 1, 20, FIELD(int, fetch.tries), ON_TUNE, NULL, false },
	{ "fetch", "backoff", OPT_MSEC, "1s", 10, 1 * MINUTE, FIELD(uint32_t, fetch.backoff_ms), ON_TUNE, NULL, false },
	{ "fetch", "backoff_max", OPT_MSEC, "10s", 10, 10 * MINUTE, FIELD(uint32_t, fetch.backoff_max_ms), ON_TUNE,
	    NULL, false },
	{ "fetch", "keepalive", OPT_MSEC, "10s", 0, 10 * MINUTE, FIELD(uint32_t, fetch.keepalive_ms), ON_TUNE, NULL,
	    false },
	{ "fetch", "connections", OPT_INT, "6", 1, 32, FIELD(int, fetch.connections), ON_TUNE, NULL, false },
	{ "fetch", "user_agent", OPT_TEXT, "PlexBridge", 1, 255, FIELD(const char *, fetch.user_agent), ON_TUNE, NULL,
	    false },
	{ "fetch", "interfaces", OPT_INTERFACES, NULL, 1, CONFIG_LIST_MAX, FIELD(struct config_list, fetch.interfaces),
	    ON_TUNE, NULL, false },
	{ "fetch", "private_targets", OPT_BOOL, "no", 0, 0, FIELD(bool, fetch.private_targets), ON_TUNE, NULL, false },
	{ "fetch", "append_query", OPT_BOOL, "no", 0, 0, FIELD(bool, fetch.append_query), ON_TUNE, NULL, false },

	{ "provider", "playlist", OPT_SOURCE, NULL, 1, URL_MAX - 1, PROVIDER(const char *, playlist), ON_RELOAD, NULL,
	    true },
	{ "provider", "xtream", OPT_URL, NULL, 1, URL_MAX - 1, PROVIDER(const char *, xtream), ON_RELOAD, NULL, true },
	{ "provider", "username", OPT_TEXT, NULL, 1, 255, PROVIDER(const char *, username), ON_RELOAD, NULL, true },
	{ "provider", "password", OPT_TEXT, NULL, 1, 255, PROVIDER(const char *, password), ON_RELOAD, NULL, true },
	{ "provider", "guide", OPT_SOURCE, NULL, 1, URL_MAX - 1, PROVIDER(const char *, guide[0]), ON_RELOAD, NULL,
	    true },
	{ "provider", "guide_shift", OPT_SHIFT, NULL, -1440, 1440, PROVIDER(int, guide_shift_min[0]), ON_RELOAD, NULL,
	    false },
	{ "provider", "guide2", OPT_SOURCE, NULL, 1, URL_MAX - 1, PROVIDER(const char *, guide[1]), ON_RELOAD, NULL,
	    true },
	{ "provider", "guide2_shift", OPT_SHIFT, NULL, -1440, 1440, PROVIDER(int, guide_shift_min[1]), ON_RELOAD, NULL,
	    false },
	{ "provider", "guide3", OPT_SOURCE, NULL, 1, URL_MAX - 1, PROVIDER(const char *, guide[2]), ON_RELOAD, NULL,
	    true },
	{ "provider", "guide3_shift", OPT_SHIFT, NULL, -1440, 1440, PROVIDER(int, guide_shift_min[2]), ON_RELOAD, NULL,
	    false },
	{ "provider", "guide4", OPT_SOURCE, NULL, 1, URL_MAX - 1, PROVIDER(const char *, guide[3]), ON_RELOAD, NULL,
	    true },
	{ "provider", "guide4_shift", OPT_SHIFT, NULL, -1440, 1440, PROVIDER(int, guide_shift_min[3]), ON_RELOAD, NULL,
	    false },
	{ "provider", "max_streams", OPT_INT, "0", 0, 1000, PROVIDER(int, max_streams), ON_RELOAD, NULL, false },
	{ "provider", "refresh", OPT_MSEC, "12h", 1 * MINUTE, 30 * 24 * (int64_t)HOUR, PROVIDER(uint32_t, refresh_ms),
	    ON_RELOAD, NULL, false },
	{ "provider", "include_group", OPT_PATTERNS, NULL, 1, CONFIG_LIST_MAX,
	    PROVIDER(struct config_list, include_group), ON_RELOAD, NULL, false },
	{ "provider", "exclude_name", OPT_PATTERNS, NULL, 1, CONFIG_LIST_MAX,
	    PROVIDER(struct config_list, exclude_name), ON_RELOAD, NULL, false },
	{ "provider", "include_name", OPT_PATTERNS, NULL, 1, CONFIG_LIST_MAX,
	    PROVIDER(struct config_list, include_name), ON_RELOAD, NULL, false },
	{ "provider", "include_id", OPT_PATTERNS, NULL, 1, CONFIG_LIST_MAX, PROVIDER(struct config_list, include_id),
	    ON_RELOAD, NULL, false },
	{ "provider", "exclude_group", OPT_PATTERNS, NULL, 1, CONFIG_LIST_MAX,
	    PROVIDER(struct config_list, exclude_group), ON_RELOAD, NULL, false },
	{ "provider", "exclude_id", OPT_PATTERNS, NULL, 1, CONFIG_LIST_MAX, PROVIDER(struct config_list, exclude_id),
	    ON_RELOAD, NULL, false },
	{ "provider", "rename", OPT_RENAMES, NULL, 1, CONFIG_LIST_MAX, PROVIDER(struct config_list, rename), ON_RELOAD,
	    NULL, false },
	{ "provider", "limit", OPT_INT, "0", 0, LINEUP_MAX, PROVIDER(int, limit), ON_RELOAD, NULL, false },
	{ "provider", "quality", OPT_WORDS, NULL, 1, 4, PROVIDER(struct config_list, quality), ON_RELOAD, quality_words,
	    false },
	{ "provider", "order", OPT_WORD, "source", 0, 0, PROVIDER(int, order), ON_RELOAD, order_words, false },
	{ "provider", "vod", OPT_BOOL, "no", 0, 0, PROVIDER(bool, vod), ON_RELOAD, NULL, false },
	{ "provider", "radio", OPT_BOOL, "no", 0, 0, PROVIDER(bool, radio), ON_RELOAD, NULL, false },
	{ "provider", "merge", OPT_BOOL, "yes", 0, 0, PROVIDER(bool, merge), ON_RELOAD, NULL, false },
	{ "provider", "shrink_guard", OPT_PERCENT, "50%", 0, 100, PROVIDER(int, shrink_guard), ON_RELOAD, NULL, false },
	{ "provider", "fold_subtitle", OPT_BOOL, "no", 0, 0, PROVIDER(bool, fold_subtitle), ON_RELOAD, NULL, false },
	{ "provider", "first_number", OPT_INT, "100", 1, 999999, PROVIDER(int, first_number), ON_RELOAD, NULL, false },

	{ "channel", "name", OPT_TEXT, NULL, 1, CHANNEL_NAME_MAX - 1, CHANNEL(const char *, channel.name), ON_RELOAD,
	    NULL, false },
	{ "channel", "url", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, channel.url), ON_TUNE, NULL, true },
	{ "channel", "backup1", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, backup[0]), ON_TUNE, NULL, true },
	{ "channel", "backup2", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, backup[1]), ON_TUNE, NULL, true },
	{ "channel", "backup3", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, backup[2]), ON_TUNE, NULL, true },
	{ "channel", "backup4", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, backup[3]), ON_TUNE, NULL, true },
	{ "channel", "backup5", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, backup[4]), ON_TUNE, NULL, true },
	{ "channel", "backup6", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, backup[5]), ON_TUNE, NULL, true },
	{ "channel", "backup7", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, backup[6]), ON_TUNE, NULL, true },
	{ "channel", "backup8", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, backup[7]), ON_TUNE, NULL, true },
	{ "channel", "backup1_provider", OPT_TEXT, NULL, 1, 63, CHANNEL(const char *, backup_provider[0]), ON_TUNE,
	    NULL, false },
	{ "channel", "backup2_provider", OPT_TEXT, NULL, 1, 63, CHANNEL(const char *, backup_provider[1]), ON_TUNE,
	    NULL, false },
	{ "channel", "backup3_provider", OPT_TEXT, NULL, 1, 63, CHANNEL(const char *, backup_provider[2]), ON_TUNE,
	    NULL, false },
	{ "channel", "backup4_provider", OPT_TEXT, NULL, 1, 63, CHANNEL(const char *, backup_provider[3]), ON_TUNE,
	    NULL, false },
	{ "channel", "backup5_provider", OPT_TEXT, NULL, 1, 63, CHANNEL(const char *, backup_provider[4]), ON_TUNE,
	    NULL, false },
	{ "channel", "backup6_provider", OPT_TEXT, NULL, 1, 63, CHANNEL(const char *, backup_provider[5]), ON_TUNE,
	    NULL, false },
	{ "channel", "backup7_provider", OPT_TEXT, NULL, 1, 63, CHANNEL(const char *, backup_provider[6]), ON_TUNE,
	    NULL, false },
	{ "channel", "backup8_provider", OPT_TEXT, NULL, 1, 63, CHANNEL(const char *, backup_provider[7]), ON_TUNE,
	    NULL, false },
	{ "channel", "provider", OPT_TEXT, NULL, 1, 63, CHANNEL(const char *, channel.provider), ON_TUNE, NULL, false },
	{ "channel", "user_agent", OPT_TEXT, NULL, 1, 255, CHANNEL(const char *, more.request.user_agent), ON_TUNE,
	    NULL, false },
	{ "channel", "header", OPT_HEADERS, NULL, 1, CHANNEL_HEADERS, CHANNEL(struct config_list, headers), ON_TUNE,
	    NULL, true },
	{ "channel", "logo", OPT_URL, NULL, 1, URL_MAX - 1, CHANNEL(const char *, channel.logo), ON_RELOAD, NULL,
	    true },
	{ "channel", "guide_id", OPT_TEXT, NULL, 1, 255, CHANNEL(const char *, more.guide_id), ON_RELOAD, NULL, false },
	{ "channel", "group", OPT_TEXT, NULL, 1, 255, CHANNEL(const char *, channel.group), ON_RELOAD, NULL, false },

	{ "testcard", "enabled", OPT_WORD, "auto", 0, 0, FIELD(int, testcard.enabled), ON_RELOAD, testcard_words,
	    false },
	{ "testcard", "number", OPT_NUMBER, "1", 1, GUIDE_NUMBER_MAX - 1, FIELD(const char *, testcard.number),
	    ON_RELOAD, NULL, false },
	{ 0 },
};
/* clang-format on */

_Static_assert(NITEMS(settings) <= SETTINGS_MAX, "tables beside this one are too small");

const struct setting *
setting_section(const char *section)
{
	for (const struct setting *s = settings; s->section != NULL; s++) {
		if (strcmp(s->section, section) == 0)
			return s;
	}
	return NULL;
}

const struct setting *
setting_find(const char *section, const char *key)
{
	const struct setting *s = setting_section(section);

	for (; s != NULL && s->section != NULL && strcmp(s->section, section) == 0; s++) {
		if (strcmp(s->key, key) == 0)
			return s;
	}
	return NULL;
}

/* A value in a message: short, and never a secret. */
static const char *
shown(const struct setting *setting, const char *text, char *out, size_t size)
{
	if (setting->type == OPT_URL || (setting->type == OPT_SOURCE && text[0] != '/'))
		return url_redact(out, size, text);
	if (setting->type == OPT_SOURCE)
		return snprintf(out, size, "%s", text) < (int)size ? out : "the path";
	if (setting->secret)
		return "***";
	if (snprintf(out, size, "%s", text) >= (int)size)
		memcpy(out + size - 4, "...", 4);
	return out;
}

static void
format_number(const struct setting *setting, char *out, size_t size, int64_t n)
{
	if (setting->type == OPT_MSEC)
		config_format_ms(out, size, (uint64_t)n);
	else if (setting->type == OPT_BYTES)
		config_format_bytes(out, size, (uint64_t)n);
	else
		snprintf(out, size, "%" PRId64, n);
}

/* A number in its range, with "auto" as 0 where the row says so. */
static int
set_number(const struct setting *setting, int64_t *out, const char *text, char *why, size_t size)
{
	bool may_auto = setting->fallback != NULL && strcmp(setting->fallback, "auto") == 0;
	char shown_text[64], limit[32];
	const char *right = NULL;
	uint64_t n = 0;
	int err;

	if (may_auto && strcmp(text, "auto") == 0) {
		*out = 0;
		return 0;
	}
	if (setting->type == OPT_MSEC)
		err = config_parse_ms(&n, text, &right);
	else if (setting->type == OPT_BYTES)
		err = config_parse_bytes(&n, text, &right);
	else if (setting->type == OPT_PERCENT)
		err = value_percent((int64_t *)&n, text, &right);
	else
		err = value_int((int64_t *)&n, text, &right);
	shown(setting, text, shown_text, sizeof(shown_text));
	if (err != 0) {
		snprintf(why, size, "%s: %s%s", shown_text, right, may_auto ? ", or auto" : "");
		return err;
	}
	if ((int64_t)n < setting->min || (int64_t)n > setting->max) {
		bool less = (int64_t)n < setting->min;

		format_number(setting, limit, sizeof(limit), less ? setting->min : setting->max);
		snprintf(why, size, "%s is %s than %s", shown_text, less ? "less" : "more", limit);
		return PB_EFORMAT;
	}
	*out = (int64_t)n;
	return 0;
}

static int
set_word(const struct setting *setting, int *out, const char *text, char *why, size_t size)
{
	char shown_text[64];
	size_t len;

	for (const struct option_word *w = setting->words; w->word != NULL; w++) {
		if (strcmp(w->word, text) == 0) {
			*out = w->value;
			return 0;
		}
	}
	snprintf(why, size, "%s is none of", shown(setting, text, shown_text, sizeof(shown_text)));
	for (const struct option_word *w = setting->words; w->word != NULL; w++) {
		len = strlen(why);
		snprintf(why + len, size - len, "%s %s", w == setting->words ? "" : ",", w->word);
	}
	return PB_EFORMAT;
}

/* The next item of a comma-separated list into out; false at its end. Blanks around an item go. */
static bool
next_item(const char **list, char *out, size_t size)
{
	const char *s = *list;
	size_t len;

	if (s == NULL)
		return false;
	s += strspn(s, " \t");
	len = strcspn(s, ",");
	*list = s[len] == ',' ? s + len + 1 : NULL;
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		len--;
	snprintf(out, size, "%.*s", (int)len, s);
	return true;
}

static int
set_addrs(struct config_addrs *out, const char *text, const char **right)
{
	struct config_addrs addrs = { 0 };
	char item[80];
	int err;

	while (next_item(&text, item, sizeof(item))) {
		if (addrs.count == NITEMS(addrs.at)) {
			*right = "addresses";
			return PB_ELIMIT;
		}
		err = value_addr(&addrs.at[addrs.count], item, right);
		if (err != 0)
			return err;
		for (size_t i = 0; i < addrs.count; i++) {
			if (memcmp(&addrs.at[i], &addrs.at[addrs.count], sizeof(addrs.at[i])) == 0) {
				*right = "an address is there twice";
				return PB_EFORMAT;
			}
		}
		addrs.count++;
	}
	*out = addrs;
	return 0;
}

static int
set_allow(struct config_allow *out, const char *text, const char **right)
{
	struct config_allow allow = { 0 };
	char item[80];
	int err;

	while (next_item(&text, item, sizeof(item))) {
		err = value_allow(&allow, item, right);
		if (err != 0)
			return err;
	}
	*out = allow;
	return 0;
}

/* One more item; the array is made anew, which for lists as short as these is nothing. */
static int
list_add(struct config_list *list, struct arena *arena, const char *item)
{
	const char **items = arena_alloc(arena, (list->count + 1) * sizeof(*items));

	if (items == NULL)
		return PB_ENOMEM;
	if (list->count > 0)
		memcpy(items, list->items, list->count * sizeof(*items));
	items[list->count] = arena_text(arena, item, strlen(item));
	if (items[list->count] == NULL)
		return PB_ENOMEM;
	list->items = items;
	list->count++;
	return 0;
}

static int
check_item(const struct setting *setting, const char *item, const char **right)
{
	switch (setting->type) {
	case OPT_WORDS:
		*right = "a list of 4K, FHD, HD and SD would be right"; /* there is no other such row */
		for (const struct option_word *w = setting->words; w->word != NULL; w++)
			if (strcasecmp(item, w->word) == 0)
				return 0;
		return PB_EFORMAT;
	case OPT_PATTERNS:
		return value_pattern(item, right);
	case OPT_INTERFACES:
		return value_interface(item, right);
	case OPT_HOSTS:
		return value_host(item, right);
	case OPT_RANGES:
		return value_range(item, right);
	default:
		return 0;
	}
}

static int
set_list(
    const struct setting *setting, struct config_list *out, struct arena *arena, const char *text, const char **right)
{
	struct config_list list = { 0 };
	char item[512]; /* one that fills it may have been cut */
	int err;

	while (next_item(&text, item, sizeof(item))) {
		if (item[0] == '\0' || strlen(item) == sizeof(item) - 1) {
			*right = item[0] == '\0' ? "an item is empty" : "an item has at most 510 bytes";
			return PB_EFORMAT;
		}
		if ((int64_t)list.count == setting->max) {
			*right = "items";
			return PB_ELIMIT;
		}
		err = check_item(setting, item, right);
		if (err == 0)
			err = list_add(&list, arena, item);
		if (err != 0)
			return err;
	}
	*out = list;
	return 0;
}

_Static_assert(CHANNEL_HEADERS_LEN == 4096, "what a header that is too long is told");

static int
set_header(
    const struct setting *setting, struct config_list *out, struct arena *arena, const char *text, const char **right)
{
	size_t len = strlen(text) + 1;
	int err = config_parse_header(text, right);

	if (err != 0)
		return err;
	if ((int64_t)out->count == setting->max) {
		*right = "headers";
		return PB_ELIMIT;
	}
	for (size_t i = 0; i < out->count; i++)
		len += strlen(out->items[i]) + 1;
	if (len > CHANNEL_HEADERS_LEN) {
		*right = "a channel's headers have at most 4096 bytes together, each counted with one more";
		return PB_EFORMAT;
	}
	return list_add(out, arena, text);
}

static int
set_rename(
    const struct setting *setting, struct config_list *out, struct arena *arena, const char *text, const char **right)
{
	const char *arrow = strstr(text, "=>");
	char pattern[512];
	size_t len = arrow != NULL ? (size_t)(arrow - text) : 0;
	int err;

	while (len > 0 && text[len - 1] == ' ')
		len--;
	*right = len < sizeof(pattern) ? "a rule is PATTERN => TEXT" : "a pattern has at most 511 bytes";
	if (len == 0 || len >= sizeof(pattern))
		return PB_EFORMAT;
	snprintf(pattern, sizeof(pattern), "%.*s", (int)len, text);
	err = value_pattern(pattern, right);
	if (err != 0)
		return err;
	if ((int64_t)out->count == setting->max) {
		*right = "rules";
		return PB_ELIMIT;
	}
	return list_add(out, arena, text);
}

/* A duration with a sign, in minutes. */
static int
set_shift(const struct setting *setting, int *out, const char *text, const char **right)
{
	bool minus = text[0] == '-';
	uint64_t ms = 0;
	int err = config_parse_ms(&ms, text + (minus || text[0] == '+'), right);

	if (err != 0)
		return err;
	if ((int64_t)(ms / MINUTE) > setting->max || ms % MINUTE != 0) {
		*right = "whole minutes, up to 24h in each direction, would be right";
		return PB_EFORMAT;
	}
	*out = minus ? -(int)(ms / MINUTE) : (int)(ms / MINUTE);
	return 0;
}

static int
check_text(const struct setting *setting, const char *text, const char **right)
{
	switch (setting->type) {
	case OPT_URL:
		return config_parse_url(text, right);
	case OPT_SOURCE:
		if (text[0] == '/')
			return 0;
		return config_parse_url(text, right);
	case OPT_HOSTPORT:
		return value_hostport(text, right);
	case OPT_USER:
		return value_user(text, right);
	case OPT_NUMBER:
		*right = "a number is digits with at most one dot, and not 0";
		return guide_number_valid(text) ? 0 : PB_EFORMAT;
	case OPT_PREFIX:
		return value_prefix(text, right);
	case OPT_PATH:
		*right = "a path begins with /";
		return text[0] == '/' ? 0 : PB_EFORMAT;
	default:
		return 0;
	}
}

static int
set_text(const struct setting *setting, const char **out, struct arena *arena, const char *text, const char **right)
{
	const char *copy;
	int err;

	if ((int64_t)strlen(text) > setting->max) {
		*right = "bytes";
		return PB_ELIMIT;
	}
	err = check_text(setting, text, right);
	if (err != 0)
		return err;
	copy = arena_text(arena, text, strlen(text));
	if (copy == NULL)
		return PB_ENOMEM;
	*out = copy;
	return 0;
}

int
setting_set(const struct setting *setting, void *base, struct arena *arena, const char *text, char *why, size_t size)
{
	void *field = (char *)base + setting->field;
	const char *value, *right = NULL; /* of what there are too many, where err is PB_ELIMIT */
	char shown_text[200];
	int64_t n = 0;
	int err = 0;

	if (text[0] == '\0') {
		snprintf(why, size, "there is no value");
		return PB_EFORMAT;
	}
	switch (setting->type) {
	case OPT_MSEC:
	case OPT_BYTES:
	case OPT_INT:
	case OPT_PERCENT:
		err = set_number(setting, &n, text, why, size);
		if (err != 0)
			return err;
		if (setting->type == OPT_MSEC)
			*(uint32_t *)field = (uint32_t)n;
		else if (setting->type == OPT_BYTES)
			*(uint64_t *)field = (uint64_t)n;
		else
			*(int *)field = (int)n;
		return 0;
	case OPT_WORD:
		return set_word(setting, field, text, why, size);
	case OPT_BOOL:
		right = "yes or no would be right";
		if (strcmp(text, "yes") == 0 || strcmp(text, "no") == 0)
			*(bool *)field = text[0] == 'y';
		else
			err = PB_EFORMAT;
		break;
	case OPT_DEVICE_ID:
		err = value_device_id(field, text, &right);
		break;
	case OPT_VARIANT:
		err = config_parse_variant(field, text, &right);
		break;
	case OPT_ADDRS:
		err = set_addrs(field, text, &right);
		break;
	case OPT_ALLOW:
		err = set_allow(field, text, &right);
		break;
	case OPT_INTERFACES:
	case OPT_PATTERNS:
	case OPT_WORDS:
	case OPT_HOSTS:
	case OPT_NAMES:
	case OPT_RANGES:
		err = set_list(setting, field, arena, text, &right);
		break;
	case OPT_SHIFT:
		err = set_shift(setting, field, text, &right);
		break;
	case OPT_RENAMES:
		err = set_rename(setting, field, arena, text, &right);
		break;
	case OPT_HEADERS:
		err = set_header(setting, field, arena, text, &right);
		break;
	case OPT_TEXT:
	case OPT_PATH:
	case OPT_URL:
	case OPT_SOURCE:
	case OPT_HOSTPORT:
	case OPT_USER:
	case OPT_NUMBER:
	case OPT_PREFIX:
		err = set_text(setting, field, arena, text, &right);
		break;
	}
	if (err != PB_EFORMAT && err != PB_ELIMIT)
		return err;
	value = shown(setting, text, shown_text, sizeof(shown_text));
	if (err == PB_EFORMAT)
		snprintf(why, size, "%s: %s", value, right);
	else
		snprintf(why, size, "%s: at most %" PRId64 " %s would be right", value, setting->max, right);
	return PB_EFORMAT;
}

int
setting_defaults(const char *section, void *base, struct arena *arena)
{
	char why[128];

	for (const struct setting *s = setting_section(section); s->section != NULL; s++) {
		if (strcmp(s->section, section) != 0)
			break;
		if (s->fallback != NULL) {
			int err = setting_set(s, base, arena, s->fallback, why, sizeof(why));

			if (err == PB_ENOMEM)
				return err;
			pb_assert(err == 0); /* the table is ours */
		}
	}
	return 0;
}

/* Items of a list with commas between them. */
static void
print_item(FILE *out, bool first, const char *item)
{
	fprintf(out, "%s%s", first ? "" : ", ", item);
}

static void
print_addrs(FILE *out, const struct config_addrs *addrs)
{
	char text[80];

	for (size_t i = 0; i < addrs->count; i++)
		print_item(out, i == 0, value_addr_format(text, sizeof(text), &addrs->at[i]));
}

static void
print_allow(FILE *out, const struct config_allow *allow)
{
	bool first = true;
	char text[80];

	if (allow->private) {
		print_item(out, first, "private");
		first = false;
	}
	if (allow->any) {
		print_item(out, first, "any");
		first = false;
	}
	for (size_t i = 0; i < allow->count; i++) {
		print_item(out, first, value_prefix_format(text, sizeof(text), &allow->prefixes[i]));
		first = false;
	}
}

static void
print_list(FILE *out, const struct setting *setting, const struct config_list *list, bool show)
{
	for (size_t i = 0; i < list->count; i++) {
		if (show && setting->secret)
			fprintf(
			    out, "%s%.*s: ***", i == 0 ? "" : ", ", (int)strcspn(list->items[i], ":"), list->items[i]);
		else
			print_item(out, i == 0, list->items[i]);
	}
}

static void
print_text(FILE *out, const struct setting *setting, const char *text, bool show)
{
	char redacted[URL_MAX];

	if (text == NULL)
		return;
	if (show && (setting->type == OPT_URL || (setting->type == OPT_SOURCE && text[0] != '/')))
		text = url_redact(redacted, sizeof(redacted), text);
	else if (show && setting->secret && setting->type != OPT_SOURCE)
		text = "***";
	fputs(text, out);
}

static void
print_number(FILE *out, const struct setting *setting, uint64_t n)
{
	char text[32];

	if (n == 0 && setting->fallback != NULL && strcmp(setting->fallback, "auto") == 0) {
		fputs("auto", out);
		return;
	}
	format_number(setting, text, sizeof(text), (int64_t)n);
	fputs(text, out);
}

static void
print_value(FILE *out, const struct setting *setting, const void *field, bool show)
{
	char text[32];

	switch (setting->type) {
	case OPT_MSEC:
		print_number(out, setting, *(const uint32_t *)field);
		break;
	case OPT_BYTES:
		print_number(out, setting, *(const uint64_t *)field);
		break;
	case OPT_INT:
		/* 0 is out of range where there is no default: it says "not given". */
		if (setting->fallback != NULL || *(const int *)field != 0)
			fprintf(out, "%d", *(const int *)field);
		break;
	case OPT_PERCENT:
		fprintf(out, "%d%%", *(const int *)field);
		break;
	case OPT_BOOL:
		fputs(*(const bool *)field ? "yes" : "no", out);
		break;
	case OPT_SHIFT:
		fputs(*(const int *)field < 0 ? "-" : "", out);
		fputs(config_format_ms(text, sizeof(text), (uint64_t)abs(*(const int *)field) * MINUTE), out);
		break;
	case OPT_WORD:
		for (const struct option_word *w = setting->words; w->word != NULL; w++) {
			if (w->value == *(const int *)field)
				fputs(w->word, out);
		}
		break;
	case OPT_DEVICE_ID:
		if (*(const uint32_t *)field == 0)
			fputs("auto", out);
		else
			fprintf(out, "%08" PRIX32, *(const uint32_t *)field);
		break;
	case OPT_VARIANT:
		fputs(config_format_variant(text, sizeof(text), field), out);
		break;
	case OPT_ADDRS:
		print_addrs(out, field);
		break;
	case OPT_ALLOW:
		print_allow(out, field);
		break;
	case OPT_INTERFACES:
	case OPT_PATTERNS:
	case OPT_WORDS:
	case OPT_HOSTS:
	case OPT_NAMES:
	case OPT_RANGES:
	case OPT_HEADERS:
	case OPT_RENAMES:
		print_list(out, setting, field, show);
		break;
	case OPT_TEXT:
	case OPT_PATH:
	case OPT_URL:
	case OPT_SOURCE:
	case OPT_HOSTPORT:
	case OPT_USER:
	case OPT_NUMBER:
	case OPT_PREFIX:
		print_text(out, setting, *(const char *const *)field, show);
		break;
	}
}

char *
setting_text(const struct setting *setting, const void *base, bool show)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	print_value(out, setting, (const char *)base + setting->field, show);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
