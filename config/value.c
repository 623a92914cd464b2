/*
 * value.c - numbers with units, and texts with a form
 *
 * A unit is never guessed: a bare "90" in a duration has meant seconds to
 * one program and milliseconds to the next. Only 0 needs none.
 */
#include "config/value.h"
#include "base/pb.h"
#include "base/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <locale.h>
#include <net/if.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"
#define DIGITS_MAX 15 /* fits in 63 bits, with 10 bits left for a unit */

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first, for the way back. */
static const struct unit time_units[] = {
	{ "h", 3600 * 1000 },
	{ "m", 60 * 1000 },
	{ "s", 1000 },
	{ "ms", 1 },
};
static const struct unit size_units[] = {
	{ "G", (uint64_t)1 << 30 },
	{ "M", (uint64_t)1 << 20 },
	{ "k", (uint64_t)1 << 10 },
	{ "", 1 },
};
static const struct unit rate_units[] = {
	{ "M", 1000 * 1000 },
	{ "k", 1000 },
};

static int
refuse(const char **why, const char *right)
{
	*why = right;
	return PB_EFORMAT;
}

/* Digits and one of the units. *why is left as it is. */
static int
with_unit(uint64_t *out, const char *text, const struct unit *units, size_t count)
{
	size_t digits = strspn(text, DIGITS);
	uint64_t n;

	if (digits == 0 || digits > DIGITS_MAX)
		return PB_EFORMAT;
	n = strtoull(text, NULL, 10);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text + digits, units[i].name) == 0) {
			if (n > INT64_MAX / units[i].factor)
				return PB_EFORMAT;
			*out = n * units[i].factor;
			return 0;
		}
	}
	return PB_EFORMAT;
}

static char *
format_unit(char *out, size_t size, uint64_t n, const struct unit *units, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (n != 0 && n % units[i].factor == 0) {
			snprintf(out, size, "%" PRIu64 "%s", n / units[i].factor, units[i].name);
			return out;
		}
	}
	snprintf(out, size, "%" PRIu64, n);
	return out;
}

int
config_parse_ms(uint64_t *out_ms, const char *text, const char **why)
{
	if (strcmp(text, "0") == 0) {
		*out_ms = 0;
		return 0;
	}
	if (with_unit(out_ms, text, time_units, NITEMS(time_units)) == 0)
		return 0;
	return refuse(why, "a duration has a unit, like 500ms, 5s, 10m or 12h");
}

int
config_parse_bytes(uint64_t *out, const char *text, const char **why)
{
	if (with_unit(out, text, size_units, NITEMS(size_units)) == 0)
		return 0;
	return refuse(why, "a size is like 64k, 256M or 1G");
}

int
config_parse_variant(struct variant_limit *out, const char *text, const char **why)
{
	size_t digits = strspn(text, DIGITS);
	uint64_t n;

	if (strcmp(text, "best") == 0) {
		*out = (struct variant_limit){ VARIANT_BEST, 0 };
		return 0;
	}
	if (digits > 0 && digits <= 5 && strcmp(text + digits, "p") == 0) {
		n = strtoull(text, NULL, 10);
		if (n >= 1 && n <= 16384) {
			*out = (struct variant_limit){ VARIANT_HEIGHT, n };
			return 0;
		}
	} else if (with_unit(&n, text, rate_units, NITEMS(rate_units)) == 0 && n >= 1000 && n <= 10000000000) {
		*out = (struct variant_limit){ VARIANT_RATE, n };
		return 0;
	}
	return refuse(why, "best, a height like 1080p or a rate like 8M or 2500k would be right");
}

char *
config_format_ms(char *out, size_t size, uint64_t ms)
{
	return format_unit(out, size, ms, time_units, NITEMS(time_units));
}

char *
config_format_bytes(char *out, size_t size, uint64_t bytes)
{
	return format_unit(out, size, bytes, size_units, NITEMS(size_units));
}

char *
config_format_variant(char *out, size_t size, const struct variant_limit *limit)
{
	switch (limit->kind) {
	case VARIANT_HEIGHT:
		snprintf(out, size, "%" PRIu64 "p", limit->value);
		break;
	case VARIANT_RATE:
		format_unit(out, size, limit->value, rate_units, NITEMS(rate_units));
		break;
	case VARIANT_BEST:
	default:
		snprintf(out, size, "best");
		break;
	}
	return out;
}

_Static_assert(URL_MAX == 8192, "what a URL that is too long is told");

int
config_parse_url(const char *text, const char **why)
{
	struct url_parts parts;
	char encoded[URL_MAX];
	int err = url_parse(&parts, text);

	if (err == 0) /* it is asked for with three bytes for each blank and umlaut */
		err = url_resolve(encoded, sizeof(encoded), NULL, text, strlen(text));
	switch (err) {
	case 0:
		return 0;
	case PB_NO:
		return refuse(why, "only http:// and https:// can be fetched");
	case PB_ELIMIT:
		return refuse(why, "a URL has at most 8191 bytes");
	default:
		return refuse(why, "a URL is like https://host.example/path/playlist.m3u8");
	}
}

/* What the transfer itself depends on; a wrong one would break it in ways that look like the provider's fault. */
static const char *const own_headers[] = {
	"connection",
	"content-length",
	"range",
	"transfer-encoding",
	"upgrade",
};

int
config_parse_header(const char *text, const char **why)
{
	size_t name = 0;

	while (isalnum((unsigned char)text[name]) || (text[name] != '\0' && strchr("!#$%&'*+-.^_`|~", text[name])))
		name++;
	if (name == 0 || text[name] != ':')
		return refuse(why, "a header is Name: value");
	if (text[name + 1 + strspn(text + name + 1, " \t")] == '\0')
		return refuse(why, "a header needs a value, like Name: value");
	for (const char *s = text; *s != '\0'; s++) {
		if ((unsigned char)*s < 0x20 && *s != '\t')
			return refuse(why, "a header has no control characters");
	}
	for (size_t i = 0; i < NITEMS(own_headers); i++) {
		if (strlen(own_headers[i]) == name && strncasecmp(own_headers[i], text, name) == 0)
			return refuse(why, "this header is set by PlexBridge itself");
	}
	return 0;
}

int
value_int(int64_t *out, const char *text, const char **why)
{
	size_t digits = strspn(text, DIGITS);

	if (digits == 0 || digits > DIGITS_MAX || text[digits] != '\0')
		return refuse(why, "a whole number would be right");
	*out = (int64_t)strtoull(text, NULL, 10);
	return 0;
}

int
value_percent(int64_t *out, const char *text, const char **why)
{
	size_t digits = strspn(text, DIGITS);

	if (digits == 0 || digits > 3 || strcmp(text + digits, "%") != 0 || strtoull(text, NULL, 10) > 100)
		return refuse(why, "a share is from 0% to 100%");
	*out = (int64_t)strtoull(text, NULL, 10);
	return 0;
}

uint32_t
device_id_fix(uint32_t id)
{
	static const uint8_t table[16] = { 0xa, 0x5, 0xf, 0x6, 0x7, 0xc, 0x1, 0xb, 0x9, 0x2, 0x8, 0xd, 0x4, 0x3, 0xe,
		0x0 };
	uint32_t sum = 0;

	for (int shift = 28; shift >= 0; shift -= 8)
		sum ^= table[id >> shift & 0xf] ^ (id >> (shift - 4) & 0xf);
	return id ^ sum;
}

bool
device_id_valid(uint32_t id, const char **why)
{
	const char *unused;
	uint32_t top = id >> 20;

	if (why == NULL)
		why = &unused;
	*why = NULL;
	if (id == 0 || id == UINT32_MAX)
		*why = "it means any device; auto makes a good one";
	else if (device_id_fix(id) != id)
		*why = "its check digit is wrong; only the last digit need change, or take auto";
	/* libhdhomerun's list of devices that have no HTTP. */
	else if ((top >= 0x101 && top <= 0x103) || top == 0x111 || top == 0x121 || top == 0x122 ||
	    (top == 0x100 && id < 0x10040000) || (top == 0x120 && id < 0x12030000))
		*why = "clients take it for an old device without HTTP; one that begins with 105 would be right";
	return *why == NULL;
}

int
value_device_id(uint32_t *out, const char *text, const char **why)
{
	uint32_t id;

	if (strcmp(text, "auto") == 0) {
		*out = 0;
		return 0;
	}
	if (strlen(text) != 8 || strspn(text, DIGITS "abcdefABCDEF") != 8)
		return refuse(why, "8 hex digits or auto would be right");
	id = (uint32_t)strtoul(text, NULL, 16);
	if (!device_id_valid(id, why))
		return PB_EFORMAT;
	*out = id;
	return 0;
}

int
value_user(const char *text, const char **why)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_.-");

	if (len == 0 || len > 32 || text[len] != '\0' || text[0] == '-')
		return refuse(why, "the name of a system user would be right");
	return 0;
}

/* As plexbridge-guide will read it: among characters beyond ASCII there are no ranges. */
static int
compile(regex_t *regex, const char *text)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t here = uselocale(utf8);
	int err = regcomp(regex, text, REG_EXTENDED | REG_ICASE | REG_NOSUB);

	(void)uselocale(here);
	if (utf8 != (locale_t)0)
		freelocale(utf8);
	return err;
}

int
value_pattern(const char *text, const char **why)
{
	regex_t regex;

	if (text[0] != '~')
		return 0;
	if (text[1] == '\0' || compile(&regex, text + 1) != 0)
		return refuse(why, "what follows ~ is no extended regular expression");
	regfree(&regex);
	return 0;
}

int
value_interface(const char *text, const char **why)
{
	struct in6_addr addr;

	if (inet_pton(AF_INET, text, &addr) == 1 || inet_pton(AF_INET6, text, &addr) == 1)
		return 0;
	if (strlen(text) >= IF_NAMESIZE || strpbrk(text, "/ \t") != NULL)
		return refuse(why, "the name of an interface, like eth0, would be right");
	return 0;
}

int
value_host(const char *text, const char **why)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "-_.");

	if (len == 0 || len > 253 || text[len] != '\0' || strchr("-.", text[0]) != NULL)
		return refuse(why, "the name of a host, like tv.example.org, would be right");
	return 0;
}

/* The two ends of a range; the same one twice where there is no dash. */
static bool
split_range(const char *item, char from[GUIDE_NUMBER_MAX], char to[GUIDE_NUMBER_MAX])
{
	size_t len = strcspn(item, "-");
	const char *end = item[len] == '-' ? item + len + 1 : item;

	if (len >= GUIDE_NUMBER_MAX || strlen(end) >= GUIDE_NUMBER_MAX)
		return false;
	memcpy(from, item, len);
	from[len] = '\0';
	memcpy(to, end, strlen(end) + 1);
	return guide_number_valid(from) && guide_number_valid(to) && guide_number_compare(from, to) <= 0;
}

int
value_range(const char *text, const char **why)
{
	char from[GUIDE_NUMBER_MAX], to[GUIDE_NUMBER_MAX];

	if (!split_range(text, from, to))
		return refuse(why, "a number like 7.1, or a range like 100-199, would be right");
	return 0;
}

bool
config_in_range(const char *item, const char *guide_number)
{
	char from[GUIDE_NUMBER_MAX], to[GUIDE_NUMBER_MAX];

	return split_range(item, from, to) && guide_number_compare(from, guide_number) <= 0 &&
	    guide_number_compare(guide_number, to) <= 0;
}

int
value_prefix(const char *text, const char **why)
{
	static const char *const own[] = { "/auto", "/tuner", "/health", "/capability", "/dri", "/api" };
	size_t len =
	    text[0] == '/' ? strspn(text + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "-_") : 0;

	if (len == 0 || text[1 + len] != '\0')
		return refuse(why, "a slash and a word, like /kids, would be right");
	for (size_t i = 0; i < NITEMS(own); i++)
		if (strncmp(text, own[i], strlen(own[i])) == 0)
			return refuse(
			    why, "this is a path of the tuner's own; another word, like /kids, would be right");
	return 0;
}
