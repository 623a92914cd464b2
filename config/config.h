/*
 * config.h - plexbridge.ini, checked and typed
 *
 * config_load() reads one file, checks all of it and gives one struct
 * config that does not change afterwards. A reload loads a second one and
 * compares. Every setting is a row of the table in config/options.h; what
 * each means is in plexbridge.ini(5). Nothing here logs or resolves names;
 * reading a file blocks.
 *
 *   _ms        milliseconds
 *   _bytes     bytes; k, M and G in the file are powers of 1024
 *   _bits      bits a second; k and M in the file are powers of 1000
 *   strings    UTF-8 without control characters; NULL when not given;
 *              they belong to the config
 *   secrets    URLs, headers, user names and passwords of providers: show
 *              them through config_dump() or url_redact() only
 */
#ifndef PLEXBRIDGE_CONFIG_CONFIG_H
#define PLEXBRIDGE_CONFIG_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "config/arena.h"
#include "config/lineup.h"
#include "config/variant.h"

#define CONFIG_PATH PB_SYSCONFDIR "/plexbridge/plexbridge.ini"
#define CONFIG_LISTEN_MAX 8
#define CONFIG_ALLOW_MAX 32
#define CONFIG_LIST_MAX 16 /* items of a list of names */
#define CONFIG_PROVIDERS_MAX 64
#define CONFIG_TUNERS_MAX 8 /* [tuner NAME], beside [tuner] */
#define PROVIDER_GUIDES 4
#define CONFIG_ERRORS_MAX 100 /* kept; further ones are only counted */

/* One address to listen on. */
struct config_addr {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa;
	socklen_t len;
};

struct config_addrs {
	struct config_addr at[CONFIG_LISTEN_MAX];
	size_t count; /* at least 1 */
};

/* Who may talk to the tuner port: config_allows(). */
struct config_prefix {
	int family; /* AF_INET or AF_INET6 */
	uint8_t addr[16]; /* 4 or 16 bytes, network order, bits behind the prefix are 0 */
	unsigned bits;
};

struct config_allow {
	bool any;
	bool private; /* loopback, RFC 1918, link-local, ULA */
	struct config_prefix prefixes[CONFIG_ALLOW_MAX];
	size_t count;
};

/* A list of words, in the file's order. */
struct config_list {
	const char **items; /* NULL when empty */
	size_t count;
};

enum testcard_enabled { TESTCARD_AUTO, TESTCARD_YES, TESTCARD_NO };

struct config_server {
	struct config_addrs listen;
	const char *control; /* path of the control socket */
	const char *state_dir;
	const char *user;
	struct config_allow allow;
	const char *advertise; /* host:port, or NULL */
	struct config_list hosts; /* further names that a request may call us by */
	const char *worker_user;
	uint64_t memory_bytes; /* 0: auto */
	int log; /* enum log_dest (base/log.h) */
	int log_level; /* LOG_ERR .. LOG_DEBUG */
	int log_format; /* enum log_format */
};

/*
 * A device of the network: [tuner], or one of several [tuner NAME]. A
 * channel is in its lineup when it is within all of the lists that are given.
 */
struct config_tuner {
	const char *label; /* the NAME; "" for [tuner] itself, which has neither port nor path */
	const char *name;
	int tuner_count;
	uint32_t device_id; /* checked; 0: auto */
	int port; /* of its own, on the addresses of server.listen; 0: none */
	const char *path; /* "/kids", on the ports of server.listen; NULL: none. One of both is there */
	struct config_list group; /* globs, or regexes behind '~' */
	struct config_list provider; /* names of providers */
	struct config_list numbers; /* "7.1", "100-199": a GuideNumber, or two with what is between them */
	unsigned line; /* of the file */
};

struct config_discovery {
	bool hdhomerun;
	bool ssdp;
	struct config_list interfaces;
};

struct config_stream {
	uint32_t reserve_ms; /* 0: auto */
	uint32_t reserve_max_ms;
	uint32_t window_ms;
	uint64_t spool_max_bytes;
	uint32_t burst_ms;
	uint32_t linger_ms;
	uint32_t tune_timeout_ms;
	uint32_t paused_ms;
	uint32_t return_after_ms;
	uint32_t latency_ms;
	uint32_t watchdog_ms;
	struct variant_limit variant;
	int prefetch;
	uint32_t slate_after_ms; /* 0: no slate */
	const char *slate_dir; /* NULL: "slates" in state_dir */
	const char *quarantine_dir;
	uint64_t worker_memory_bytes;
};

struct config_fetch {
	uint32_t connect_timeout_ms;
	uint32_t try_timeout_ms;
	uint32_t try_step_ms;
	int tries;
	uint32_t backoff_ms;
	uint32_t backoff_max_ms;
	uint32_t keepalive_ms;
	int connections; /* per host */
	const char *user_agent;
	struct config_list interfaces;
	bool private_targets;
	bool append_query;
};

struct config_testcard {
	int enabled; /* enum testcard_enabled */
	const char *number;
};

enum provider_order { ORDER_SOURCE, ORDER_NAME, ORDER_GROUP };

struct provider {
	const char *name;
	const char *playlist; /* of an M3U or a lineup.json: a URL, or the path of a file */
	const char *xtream; /* URL of a server with Xtream's interface */
	const char *username, *password;
	const char *guide[PROVIDER_GUIDES]; /* of XMLTV files: URLs, or paths; the first has the say */
	int guide_shift_min[PROVIDER_GUIDES]; /* minutes to add to its times */
	int max_streams; /* 0: no limit */
	uint32_t refresh_ms;
	struct config_list include_group, include_name, include_id; /* globs, or regexes behind '~' */
	struct config_list exclude_group, exclude_name, exclude_id;
	struct config_list rename; /* "PATTERN => TEXT" */
	struct config_list quality; /* 4K, FHD, HD, SD: preferred first */
	int limit; /* channels; 0: none */
	int order; /* enum provider_order */
	bool vod, radio; /* are taken too */
	bool merge;
	int shrink_guard; /* percent */
	bool fold_subtitle;
	int first_number;
	unsigned line; /* of the file */
};

struct config {
	struct config_server server;
	struct config_tuner tuner;
	struct config_tuner *tuners; /* the others, in the file's order */
	size_t tuner_count;
	struct config_discovery discovery;
	struct config_stream stream;
	struct config_fetch fetch;
	struct config_testcard testcard;
	struct lineup written; /* of the file alone, with the test card, when it is to be shown */
	struct lineup lineup; /* in force: the same, or that of imported */
	struct imported imported; /* what providers make of it; empty: nothing */
	struct provider *providers;
	size_t provider_count;
	const char *path; /* of the file; NULL: the embedded default */
	struct arena arena; /* of all strings and lists */
};

/* What is wrong, a line each, in the order of the file. All zero is "nothing". */
struct config_error {
	unsigned line; /* 0: not a line of the file */
	char *text; /* "plexbridge.ini:14: reserve: 90ms is less than 2s"; secrets are redacted */
};

struct config_errors {
	struct config_error *at;
	size_t count; /* kept */
	size_t total; /* found */
	bool nomem; /* some could not be kept */
};

/*
 * Load path, then the overrides ("section.key=value", named "-o" in
 * messages). When path is NULL it is CONFIG_PATH, and a file that does not
 * exist is the embedded default: a test card. Gives *out; config_free()
 * ends it.
 *
 * 0; PB_EFORMAT when anything is wrong: *errs has all of it, *out is not
 * written; PB_ENOMEM. *errs is to be cleared by the caller in each case.
 */
int config_load(struct config **out, const char *path, const char *const *overrides, size_t override_count,
    struct config_errors *errs);

/* The same from an open stream, named name in messages. The caller closes it. */
int config_read(struct config **out, FILE *file, const char *name, const char *const *overrides, size_t override_count,
    struct config_errors *errs);

/* End it and leave NULL. A NULL inside is fine. */
void config_free(struct config **config);

void config_errors_clear(struct config_errors *errs);

/*
 * All settings, channels and providers as one JSON object, secrets
 * redacted; values as they are written in the file. Gives a NUL-terminated
 * text, NULL when there is no memory.
 */
char *config_dump(const struct config *config);

/*
 * The settings that differ and take effect at a restart only, as
 * "section.key"; up to max names (of static storage) into out. Gives how
 * many there are.
 */
size_t config_needs_restart(const struct config *old, const struct config *new, const char **out, size_t max);

/*
 * Give new what old has of those settings, since that is what is in force:
 * but for the devices of [tuner NAME]. What there is no memory for stays.
 */
void config_keep_in_force(struct config *new, const struct config *old);

/* The channel with this GuideNumber, or one that is leaving: for who plays it already. */
const struct channel *config_find_playing(const struct config *config, const char *guide_number);

/* Does this provider offer channels? */
bool provider_imports(const struct provider *provider);

/* May this address talk to us? IPv4-mapped IPv6 addresses are taken as IPv4. */
bool config_allows(const struct config_allow *allow, const struct sockaddr *from);

/* Is this GuideNumber within an item of config_tuner's numbers? */
bool config_in_range(const char *item, const char *guide_number);

/*
 * Parsers of single values, for command lines. They give 0, or PB_EFORMAT
 * with *why (a static text that says what would be right).
 */
int config_parse_ms(uint64_t *out_ms, const char *text, const char **why); /* 500ms, 5s, 10m, 12h, 0 */
int config_parse_bytes(uint64_t *out, const char *text, const char **why); /* 64k, 256M, 1G, plain bytes */
int config_parse_variant(struct variant_limit *out, const char *text, const char **why); /* best, 1080p, 8M */
int config_parse_header(const char *text, const char **why); /* Name: value */
int config_parse_url(const char *text, const char **why); /* http or https */

/* The other way round, as short as it goes: "90s", "256M". */
char *config_format_ms(char *out, size_t size, uint64_t ms);
char *config_format_bytes(char *out, size_t size, uint64_t bytes);
char *config_format_variant(char *out, size_t size, const struct variant_limit *limit);

/* A DeviceID with its check nibble made right (HDHomeRun's sum). */
uint32_t device_id_fix(uint32_t id);

/*
 * May this be a tuner's id? Its check digit is right, it is not one of the
 * wildcards 0 and FFFFFFFF, and not in a range that clients take for a
 * device without HTTP. Otherwise *why (if not NULL) says what is wrong.
 */
bool device_id_valid(uint32_t id, const char **why);

#endif
