/*
 * ssdp.c - how the promise in ssdp.h is kept
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/pb.h"
#include "supervisor/http.h"
#include "supervisor/ssdp.h"

#define TYPE "urn:schemas-upnp-org:device:MediaServer:1"
#define SERVER "HDHomeRun/1.0 UPnP/1.0"
#define LINE 256 /* a header line that is longer is none of ours */

/*
 * The next line without its end, "?" for one that is none of ours; false when
 * there is none. A bare LF ends one too: many programs send it.
 */
static bool
next_line(const char *bytes, size_t len, size_t *at, char line[LINE])
{
	const char *end;
	size_t n;

	if (*at >= len)
		return false;
	end = memchr(bytes + *at, '\n', len - *at);
	n = end == NULL ? len - *at : (size_t)(end - bytes) - *at;
	memcpy(line, "?", 2);
	if (n < LINE && memchr(bytes + *at, '\0', n) == NULL) {
		memcpy(line, bytes + *at, n);
		line[n] = '\0';
		if (n > 0 && line[n - 1] == '\r')
			line[n - 1] = '\0';
	}
	*at += n + 1;
	return true;
}

/* The value of "name: value" with the blanks around it gone; NULL: another name. */
static char *
field(char *line, const char *name)
{
	size_t len = strlen(name);
	char *value = line + len + 1;
	char *end;

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return value;
}

static bool
take_target(struct ssdp_search *out, const char *st)
{
	if (strcasecmp(st, "ssdp:all") == 0) {
		out->all = true;
	} else if (strcasecmp(st, "upnp:rootdevice") == 0) {
		out->target = SSDP_ROOT;
	} else if (strcmp(st, TYPE) == 0) {
		out->target = SSDP_TYPE;
	} else if (strncasecmp(st, "uuid:", 5) == 0 && strlen(st + 5) == DEVICE_UUID_TEXT - 1) {
		out->target = SSDP_UUID;
		for (size_t i = 0; i < DEVICE_UUID_TEXT; i++)
			out->uuid[i] = (char)tolower((unsigned char)st[5 + i]);
	} else {
		return false;
	}
	return true;
}

/* Seconds; what is no number is as good as 1. */
static int
mx_of(const char *value)
{
	int s = 0;

	if (value[0] == '\0')
		return 1;
	for (; *value != '\0'; value++) {
		if (*value < '0' || *value > '9')
			return 1;
		s = PB_MIN(s * 10 + (*value - '0'), SSDP_MX_MAX);
	}
	return s;
}

int
ssdp_parse(struct ssdp_search *out, const char *bytes, size_t len)
{
	bool man = false, st = false;
	char line[LINE];
	size_t at = 0;
	char *value;

	memset(out, 0, sizeof(*out));
	out->mx_s = 1;
	if (!next_line(bytes, len, &at, line))
		return PB_EFORMAT;
	if (strcmp(line, "M-SEARCH * HTTP/1.1") != 0)
		return strncmp(line, "NOTIFY ", 7) == 0 || strncmp(line, "HTTP/", 5) == 0 ? PB_NO : PB_EFORMAT;
	while (next_line(bytes, len, &at, line) && line[0] != '\0') {
		if ((value = field(line, "MAN")) != NULL)
			man = strcmp(value, "\"ssdp:discover\"") == 0;
		else if ((value = field(line, "ST")) != NULL)
			st = take_target(out, value);
		else if ((value = field(line, "MX")) != NULL)
			out->mx_s = mx_of(value);
	}
	return man && st ? 0 : PB_NO;
}

struct pair {
	char nt[96], usn[160];
};

static void
pair_of(struct pair *out, const struct ssdp_device *device, enum ssdp_target target)
{
	if (target == SSDP_UUID)
		(void)snprintf(out->nt, sizeof(out->nt), "uuid:%s", device->uuid);
	else
		(void)snprintf(out->nt, sizeof(out->nt), "%s", target == SSDP_ROOT ? "upnp:rootdevice" : TYPE);
	(void)snprintf(out->usn, sizeof(out->usn), "uuid:%s%s%s", device->uuid,
	    target == SSDP_UUID ? "" : "::", target == SSDP_UUID ? "" : out->nt);
}

/* All that is put in is bounded by those who made it. */
static size_t
written(int n)
{
	pb_assert(n > 0 && n < SSDP_TEXT);
	return (size_t)n;
}

size_t
ssdp_alive(char out[SSDP_TEXT], const struct ssdp_device *device, enum ssdp_target target)
{
	struct pair p;

	pair_of(&p, device, target);
	return written(snprintf(out, SSDP_TEXT,
	    "NOTIFY * HTTP/1.1\r\n"
	    "Host: 239.255.255.250:1900\r\n"
	    "NT: %s\r\n"
	    "NTS: ssdp:alive\r\n"
	    "Server: " SERVER "\r\n"
	    "Location: %s\r\n"
	    "Cache-Control: max-age=%d\r\n"
	    "USN: %s\r\n"
	    "\r\n",
	    p.nt, device->location, SSDP_MAX_AGE_S, p.usn));
}

size_t
ssdp_byebye(char out[SSDP_TEXT], const struct ssdp_device *device, enum ssdp_target target)
{
	struct pair p;

	pair_of(&p, device, target);
	return written(snprintf(out, SSDP_TEXT,
	    "NOTIFY * HTTP/1.1\r\n"
	    "Host: 239.255.255.250:1900\r\n"
	    "NT: %s\r\n"
	    "NTS: ssdp:byebye\r\n"
	    "USN: %s\r\n"
	    "\r\n",
	    p.nt, p.usn));
}

size_t
ssdp_answer(char out[SSDP_TEXT], const struct ssdp_device *device, enum ssdp_target target, time_t now)
{
	char date[HTTP_DATE];
	struct pair p;

	pair_of(&p, device, target);
	return written(snprintf(out, SSDP_TEXT,
	    "HTTP/1.1 200 OK\r\n"
	    "CACHE-CONTROL: max-age=%d\r\n"
	    "DATE: %s\r\n"
	    "EXT:\r\n"
	    "LOCATION: %s\r\n"
	    "SERVER: " SERVER "\r\n"
	    "ST: %s\r\n"
	    "USN: %s\r\n"
	    "CONTENT-LENGTH: 0\r\n"
	    "\r\n",
	    SSDP_MAX_AGE_S, http_date(date, now), device->location, p.nt, p.usn));
}
