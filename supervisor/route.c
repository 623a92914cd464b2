/*
 * route.c - which request means what (tuner.h)
 *
 * A table of paths for the pages, a few lines of parser for the streams.
 * Paths come decoded and with "//" collapsed (base/request.h); a query that
 * means nothing here never breaks a match.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/tuner.h"

#define GET_HEAD "GET, HEAD"
#define GET_HEAD_POST "GET, HEAD, POST"

static void route_stream(const struct request *req, int tuner_count, const char *rest, struct tuner_route *out);
static void route_post(const struct request *req, struct tuner_route *out);

static const struct {
	const char *path;
	enum tuner_endpoint endpoint;
} pages[] = {
	{ "/", TUNER_INDEX },
	{ "/discover.json", TUNER_DISCOVER },
	{ "/lineup.json", TUNER_LINEUP_JSON },
	{ "/lineup.xml", TUNER_LINEUP_XML },
	{ "/lineup.m3u", TUNER_LINEUP_M3U },
	{ "/lineup_status.json", TUNER_LINEUP_STATUS },
	{ "/lineup.post", TUNER_LINEUP_POST },
	{ "/device.xml", TUNER_DEVICE_XML },
	{ "/dri/device.xml", TUNER_DEVICE_XML },
	{ "/capability", TUNER_DEVICE_XML },
	{ "/status.json", TUNER_STATUS_JSON },
	{ "/health", TUNER_HEALTH },
	{ "/xmltv.xml", TUNER_XMLTV },
	{ "/xmltv.xml.gz", TUNER_XMLTV_GZ },
};

static void
nothing(struct tuner_route *out, int status, int error, const char *allow)
{
	out->endpoint = TUNER_NOTHING;
	out->status = status;
	out->error = error;
	out->allow = allow;
}

void
tuner_route(const struct request *req, int tuner_count, struct tuner_route *out)
{
	bool reads = req->method == REQUEST_GET || req->method == REQUEST_HEAD;
	char value[32];

	memset(out, 0, sizeof(*out));
	out->tuner = -1;
	if (strncmp(req->path, "/auto/", 6) == 0 || strncmp(req->path, "/tuner", 6) == 0) {
		route_stream(req, tuner_count, req->path + 6, out);
		if (out->endpoint == TUNER_STREAM && !reads)
			nothing(out, 405, 0, GET_HEAD);
		return;
	}
	for (size_t i = 0; i < NITEMS(pages); i++) {
		if (strcmp(req->path, pages[i].path) != 0)
			continue;
		out->endpoint = pages[i].endpoint;
		if (out->endpoint == TUNER_LINEUP_POST) {
			if (reads || req->method == REQUEST_POST)
				route_post(req, out);
			else
				nothing(out, 405, 0, GET_HEAD_POST);
		} else if (!reads) {
			nothing(out, 405, 0, GET_HEAD);
		} else if (out->endpoint == TUNER_LINEUP_JSON) {
			out->show_found =
			    request_param(req, "show", value, sizeof(value)) && strcmp(value, "found") == 0;
		}
		return;
	}
	nothing(out, 404, 0, NULL);
}

const char *
tuner_nothing_html(const struct tuner_route *route)
{
	if (route->status == 404 && route->error == 0)
		return "<!DOCTYPE html><html><head><title>Not found</title></head>"
		       "<body><h1>Not found</h1><p><a href=\"/\">What there is</a></p></body></html>\n";
	return "";
}

int
tuner_error_status(int error)
{
	return error == TUNER_UNKNOWN_CHANNEL ? 404 : 503;
}

const char *
tuner_error_head(int error)
{
	switch (error) {
	case TUNER_UNKNOWN_CHANNEL:
		return "X-HDHomeRun-Error: 801 Unknown Channel\r\n";
	case TUNER_SYSTEM_BUSY:
		return "X-HDHomeRun-Error: 803 System Busy\r\n";
	case TUNER_IN_USE:
		return "X-HDHomeRun-Error: 804 Tuner In Use\r\n";
	case TUNER_ALL_IN_USE:
		return "X-HDHomeRun-Error: 805 All Tuners In Use\r\n";
	case TUNER_TUNE_FAILED:
		return "X-HDHomeRun-Error: 806 Tune Failed\r\n";
	case TUNER_NO_VIDEO:
		return "X-HDHomeRun-Error: 807 No Video Data\r\n";
	}
	return "";
}

/* Seconds, 0 for none or nonsense: a player that asks oddly still gets its stream. More than fits is as good as ever. */
static uint32_t
duration(const struct request *req)
{
	char value[32];
	uint64_t s = 0;

	if (!request_param(req, "duration", value, sizeof(value)))
		return 0;
	for (const char *at = value; *at != '\0'; at++) {
		if (*at < '0' || *at > '9')
			return 0;
		s = s * 10 + (uint64_t)(*at - '0');
		if (s > UINT32_MAX)
			return 0;
	}
	return (uint32_t)s;
}

/* rest is what follows "/auto/" or "/tuner": "v5.1", "2/v5.1". */
static void
route_stream(const struct request *req, int tuner_count, const char *rest, struct tuner_route *out)
{
	if (req->path[1] == 't') {
		int tuner = 0;
		size_t digits = strspn(rest, "0123456789");

		if (digits == 0 || digits > 3 || rest[digits] != '/') {
			nothing(out, 404, 0, NULL); /* /tuners.html: no stream at all */
			return;
		}
		for (size_t i = 0; i < digits; i++)
			tuner = tuner * 10 + (rest[i] - '0');
		if (tuner >= tuner_count) {
			nothing(out, 404, TUNER_UNKNOWN_CHANNEL, NULL);
			return;
		}
		out->tuner = tuner;
		rest += digits + 1;
	}
	/* Also "ch" and a frequency: a physical channel, of which there are none. */
	if (rest[0] != 'v' || rest[1] == '\0' || strlen(rest + 1) >= sizeof(out->guide_number)) {
		nothing(out, 404, TUNER_UNKNOWN_CHANNEL, NULL);
		return;
	}
	(void)snprintf(out->guide_number, sizeof(out->guide_number), "%s", rest + 1);
	out->endpoint = TUNER_STREAM;
	out->duration_s = duration(req);
}

/*
 * A media server that gets 404 or 405 here says that the device can't be
 * reached; what it asks for is done or ignored, never an error. Only nothing
 * asked at all, or nothing known, is 400.
 */
static void
route_post(const struct request *req, struct tuner_route *out)
{
	char value[64];

	if (request_param(req, "scan", value, sizeof(value))) {
		if (strcmp(value, "start") == 0)
			out->post = TUNER_SCAN_START;
		else if (strcmp(value, "abort") == 0)
			out->post = TUNER_SCAN_ABORT;
		else
			nothing(out, 400, 0, NULL);
		return;
	}
	/* "+7.1", "-7.1", "x7.1"; some clients' plus arrives as a blank. */
	if (request_param(req, "favorite", value, sizeof(value)) && value[0] != '\0' &&
	    strchr("+- x", value[0]) != NULL && guide_number_valid(value + 1)) {
		out->post = TUNER_FAVORITE;
		return;
	}
	nothing(out, 400, 0, NULL);
}
