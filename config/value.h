/*
 * value.h - single values of the file: text to number and back
 *
 * Pure. Parsers give 0, or PB_EFORMAT with *why, a static text that says
 * what would be right. Those that a command line needs too are in
 * config/config.h (config_parse_...).
 */
#ifndef PLEXBRIDGE_CONFIG_VALUE_H
#define PLEXBRIDGE_CONFIG_VALUE_H

#include "config/config.h"

/* A whole number of at most 15 digits. */
int value_int(int64_t *out, const char *text, const char **why);

/* "50%", 0 to 100. */
int value_percent(int64_t *out, const char *text, const char **why);

/* Eight hex digits with a right sum; 0 for "auto". */
int value_device_id(uint32_t *out, const char *text, const char **why);

/* "0.0.0.0:5004", "[::]:5004", ":80" (every IPv4 address): literal addresses, nothing is resolved. */
int value_addr(struct config_addr *out, const char *text, const char **why);
char *value_addr_format(char *out, size_t size, const struct config_addr *addr);

/* Add one item of an allow list: "private", "any", "10.0.0.0/8", "fd00::1". */
int value_allow(struct config_allow *out, const char *text, const char **why);
char *value_prefix_format(char *out, size_t size, const struct config_prefix *prefix);

/* "host:port" or "host", as a client would write it in a URL. */
int value_hostport(const char *text, const char **why);

/* The name of a system user. */
int value_user(const char *text, const char **why);

/* A glob, or '~' and an extended regular expression (regcomp(3) has its say). */
int value_pattern(const char *text, const char **why);

/* A host's name, as it stands in a URL. */
int value_host(const char *text, const char **why);

/* "7.1", or "100-199": two GuideNumbers in their order. */
int value_range(const char *text, const char **why);

/* The beginning of a URL's path, "/kids", that is none of a tuner's own. */
int value_prefix(const char *text, const char **why);

/* The name of a network interface, or one of its addresses. */
int value_interface(const char *text, const char **why);

#endif
