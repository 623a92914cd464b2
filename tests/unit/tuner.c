/*
 * tuner.c - what an HDHomeRun tuner says over HTTP
 *
 * The documents are read back with a JSON parser for their types, and
 * compared to the byte with what a real device's look like for the rest.
 */
#include <arpa/inet.h>
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/text.h"
#include "supervisor/tuner.h"

#define BASE "http://192.0.2.10:5004"

static struct device device = {
	.id = 0x105902db,
	.id_text = "105902DB",
	.auth = "abcdefghijklmnopqrstuvwx",
	.uuid = "105902db-5f1c-5a6e-9d42-706c65786272",
};
static const struct tuner_info info = { .name = "PlexBridge", .tuner_count = 4, .device = &device };

static const struct channel_more news = { .guide_id = "news.example" };
static struct channel channels[] = {
	{ .guide_number = "7.1",
	    .name = "News HD",
	    .url = "http://origin.example/7.m3u8",
	    .logo = "http://l.example/7.png",
	    .more = &news,
	    .group = "News" },
	{ .guide_number = "8",
	    .name = "Tom & \"Jerry\" <\xf0\x9f\x98\xba> caf\xc3\xa9, 'x'",
	    .url = "http://o.example/8" },
};
static const struct lineup lineup = { channels, NITEMS(channels), NULL };

static struct request
parse(const char *method, const char *target)
{
	struct request req;
	char head[4096];
	int status;
	int n = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: 192.0.2.10:5004\r\n\r\n", method, target);

	ck_assert_msg(request_parse(&req, head, (size_t)n, &status) == 0, "%s %s: %d", method, target, status);
	return req;
}

/* Compare and end. */
static void
says(struct blob *blob, const char *want)
{
	ck_assert_ptr_nonnull(blob);
	ck_assert_str_eq(blob->data, want);
	ck_assert_uint_eq(blob->len, strlen(want));
	blob_drop(&blob);
}

static json_t *
json_of(struct blob *blob)
{
	json_error_t err;
	json_t *root;

	ck_assert_ptr_nonnull(blob);
	root = json_loadb(blob->data, blob->len, JSON_REJECT_DUPLICATES, &err);
	ck_assert_msg(root != NULL, "%s: %s", err.text, blob->data);
	blob_drop(&blob);
	return root;
}

/*
 * Each element is closed in turn, and no bare & or < is in a text. Enough to
 * find what quoting could break; not a parser.
 */
static void
xml_is_well_formed(const char *s)
{
	char open[16][64];
	size_t depth = 0;

	while (*s != '\0') {
		if (*s == '&') {
			size_t len = strcspn(s, ";< ");

			ck_assert_msg(s[len] == ';' && len <= 6, "bare &: %.20s", s);
			s += len;
			continue;
		}
		ck_assert_msg((unsigned char)*s >= 0x20 || *s == '\n', "control character %02x", (unsigned char)*s);
		if (*s++ != '<')
			continue;
		if (*s == '?') {
			s += strcspn(s, ">");
		} else if (*s == '/') {
			size_t len = strcspn(s + 1, ">");

			ck_assert_uint_gt(depth, 0);
			depth--;
			ck_assert_msg(strlen(open[depth]) == len && strncmp(open[depth], s + 1, len) == 0,
			    "</%.*s> closes <%s>", (int)len, s + 1, open[depth]);
			s += len + 1;
		} else {
			size_t len = strcspn(s, " >");

			ck_assert_uint_lt(depth, NITEMS(open));
			ck_assert_msg(len > 0 && len < sizeof(open[0]), "bare <: %.20s", s);
			memcpy(open[depth], s, len);
			open[depth++][len] = '\0';
			s += strcspn(s, ">");
		}
	}
	ck_assert_uint_eq(depth, 0);
}

static const struct {
	const char *method;
	const char *target;
	enum tuner_endpoint endpoint;
	int status; /* of TUNER_NOTHING */
	int error;
} routes[] = {
	{ "GET", "/", TUNER_INDEX, 0, 0 },
	{ "GET", "/?x=1", TUNER_INDEX, 0, 0 },
	{ "GET", "//", TUNER_INDEX, 0, 0 },
	{ "GET", "/discover.json", TUNER_DISCOVER, 0, 0 },
	{ "HEAD", "/discover.json", TUNER_DISCOVER, 0, 0 },
	{ "GET", "//discover.json?show=all", TUNER_DISCOVER, 0, 0 },
	{ "GET", "/disc%6fver.json", TUNER_DISCOVER, 0, 0 },
	{ "GET", "http://192.0.2.10:5004/discover.json", TUNER_DISCOVER, 0, 0 },
	{ "POST", "/discover.json", TUNER_NOTHING, 405, 0 },
	{ "DELETE", "/discover.json", TUNER_NOTHING, 405, 0 },
	{ "GET", "/Discover.json", TUNER_NOTHING, 404, 0 },
	{ "GET", "/discover.json/", TUNER_NOTHING, 404, 0 },
	{ "GET", "/lineup.json", TUNER_LINEUP_JSON, 0, 0 },
	{ "GET", "//lineup.json", TUNER_LINEUP_JSON, 0, 0 },
	{ "GET", "/lineup.json?show=unprotected&tuning", TUNER_LINEUP_JSON, 0, 0 },
	{ "GET", "/lineup.xml", TUNER_LINEUP_XML, 0, 0 },
	{ "GET", "/lineup.m3u", TUNER_LINEUP_M3U, 0, 0 },
	{ "HEAD", "/lineup.m3u?x", TUNER_LINEUP_M3U, 0, 0 },
	{ "OPTIONS", "/lineup.m3u", TUNER_NOTHING, 405, 0 },
	{ "GET", "/lineup_status.json", TUNER_LINEUP_STATUS, 0, 0 },
	{ "POST", "/lineup.post?scan=start&source=Cable", TUNER_LINEUP_POST, 0, 0 },
	{ "POST", "/lineup.post?source=Antenna&scan=start", TUNER_LINEUP_POST, 0, 0 },
	{ "GET", "/lineup.post?scan=abort", TUNER_LINEUP_POST, 0, 0 },
	{ "POST", "/lineup.post?favorite=+7.1", TUNER_LINEUP_POST, 0, 0 },
	{ "POST", "/lineup.post?favorite=%2B7.1", TUNER_LINEUP_POST, 0, 0 },
	{ "POST", "/lineup.post?favorite=%207.1", TUNER_LINEUP_POST, 0, 0 },
	{ "POST", "/lineup.post?favorite=-7.1", TUNER_LINEUP_POST, 0, 0 },
	{ "POST", "/lineup.post?favorite=x7.1", TUNER_LINEUP_POST, 0, 0 },
	{ "POST", "/lineup.post?favorite=7.1", TUNER_NOTHING, 400, 0 },
	{ "POST", "/lineup.post?favorite=", TUNER_NOTHING, 400, 0 },
	{ "POST", "/lineup.post?favorite=x", TUNER_NOTHING, 400, 0 },
	{ "POST", "/lineup.post?scan=sideways", TUNER_NOTHING, 400, 0 },
	{ "POST", "/lineup.post", TUNER_NOTHING, 400, 0 },
	{ "PUT", "/lineup.post?scan=start", TUNER_NOTHING, 405, 0 },
	{ "GET", "/device.xml", TUNER_DEVICE_XML, 0, 0 },
	{ "GET", "/dri/device.xml", TUNER_DEVICE_XML, 0, 0 },
	{ "GET", "/capability", TUNER_DEVICE_XML, 0, 0 },
	{ "GET", "/status.json", TUNER_STATUS_JSON, 0, 0 },
	{ "GET", "/health", TUNER_HEALTH, 0, 0 },
	{ "GET", "/xmltv.xml", TUNER_XMLTV, 0, 0 },
	{ "GET", "/xmltv.xml.gz?x=1", TUNER_XMLTV_GZ, 0, 0 },
	{ "GET", "/auto/v7.1", TUNER_STREAM, 0, 0 },
	{ "HEAD", "/auto/v7.1", TUNER_STREAM, 0, 0 },
	{ "POST", "/auto/v7.1", TUNER_NOTHING, 405, 0 },
	{ "GET", "//auto//v7.1", TUNER_STREAM, 0, 0 },
	{ "GET", "/auto/v7%2e1?transcode=mobile", TUNER_STREAM, 0, 0 },
	{ "GET", "/tuner0/v7.1", TUNER_STREAM, 0, 0 },
	{ "GET", "/tuner3/v7.1?duration=5", TUNER_STREAM, 0, 0 },
	{ "GET", "/tuner4/v7.1", TUNER_NOTHING, 404, 801 },
	{ "GET", "/tuner999999999999/v7.1", TUNER_NOTHING, 404, 0 },
	{ "GET", "/tuner/v7.1", TUNER_NOTHING, 404, 0 },
	{ "GET", "/tuner-1/v7.1", TUNER_NOTHING, 404, 0 },
	{ "GET", "/tuner0", TUNER_NOTHING, 404, 0 },
	{ "GET", "/tuner0/status.json", TUNER_NOTHING, 404, 801 },
	{ "GET", "/tuner0/ch473000000-3", TUNER_NOTHING, 404, 801 },
	{ "GET", "/auto/ch21", TUNER_NOTHING, 404, 801 },
	{ "POST", "/auto/ch21", TUNER_NOTHING, 404, 801 },
	{ "GET", "/auto/v", TUNER_NOTHING, 404, 801 },
	{ "GET", "/auto/", TUNER_NOTHING, 404, 801 },
	{ "GET", "/auto/v1234567890123456", TUNER_NOTHING, 404, 801 },
	{ "GET", "/auto", TUNER_NOTHING, 404, 0 },
	{ "GET", "/tuners.html?page=tuner0", TUNER_NOTHING, 404, 0 },
	{ "GET", "/lineup.html", TUNER_NOTHING, 404, 0 },
	{ "GET", "/guide.json", TUNER_NOTHING, 404, 0 },
	{ "GET", "/epg.json", TUNER_NOTHING, 404, 0 },
	{ "GET", "/favicon.ico", TUNER_NOTHING, 404, 0 },
	{ "GET", "/recorded_files.json", TUNER_NOTHING, 404, 0 },
	{ "POST", "/recording_events.post", TUNER_NOTHING, 404, 0 },
	{ "GET", "/livetv/sessions", TUNER_NOTHING, 404, 0 },
	{ "GET", "/../etc/passwd", TUNER_NOTHING, 404, 0 },
};

START_TEST(every_request_is_told_apart_as_the_device_does)
{
	struct request req = parse(routes[_i].method, routes[_i].target);
	struct tuner_route route;

	tuner_route(&req, 4, &route);
	ck_assert_msg(route.endpoint == routes[_i].endpoint, "%s %s: endpoint %d, not %d", routes[_i].method,
	    routes[_i].target, (int)route.endpoint, (int)routes[_i].endpoint);
	ck_assert_int_eq(route.status, routes[_i].status);
	ck_assert_int_eq(route.error, routes[_i].error);
	ck_assert_int_eq(route.allow != NULL, route.status == 405);
	/* What is shown for a stream that isn't there must be empty: clients take it for video. */
	ck_assert_int_eq(tuner_nothing_html(&route)[0] != '\0', route.status == 404 && route.error == 0);
}
END_TEST

START_TEST(a_stream_request_says_tuner_channel_and_duration)
{
	static const struct {
		const char *target;
		int tuner;
		const char *number;
		uint32_t duration_s;
	} want[] = {
		{ "/auto/v7.1", -1, "7.1", 0 },
		{ "/auto/v7%2E1?duration=30", -1, "7.1", 30 },
		{ "/tuner2/v5?transcode=heavy&duration=0", 2, "5", 0 },
		{ "/tuner0/v5?duration=", 0, "5", 0 },
		{ "/tuner0/v5?duration=abc", 0, "5", 0 },
		{ "/tuner0/v5?duration=-5", 0, "5", 0 },
		{ "/tuner0/v5?duration=4294967295", 0, "5", UINT32_MAX },
		{ "/tuner0/v5?duration=99999999999999999999", 0, "5", 0 },
		{ "/auto/v5/", -1, "5/", 0 }, /* known to nobody: 404 when it is looked up */
		{ "/auto/v123456789012345", -1, "123456789012345", 0 },
	};

	for (size_t i = 0; i < NITEMS(want); i++) {
		struct request req = parse("GET", want[i].target);
		struct tuner_route route;

		tuner_route(&req, 4, &route);
		ck_assert_int_eq(route.endpoint, TUNER_STREAM);
		ck_assert_int_eq(route.tuner, want[i].tuner);
		ck_assert_str_eq(route.guide_number, want[i].number);
		ck_assert_msg(route.duration_s == want[i].duration_s, "%s: %u", want[i].target, route.duration_s);
	}
}
END_TEST

START_TEST(a_scan_and_a_favourite_are_told_apart)
{
	static const struct {
		const char *target;
		enum tuner_post post;
	} want[] = {
		{ "/lineup.post?scan=start", TUNER_SCAN_START },
		{ "/lineup.post?scan=abort", TUNER_SCAN_ABORT },
		{ "/lineup.post?favorite=-7.1", TUNER_FAVORITE },
	};

	for (size_t i = 0; i < NITEMS(want); i++) {
		struct request req = parse("POST", want[i].target);
		struct tuner_route route;

		tuner_route(&req, 1, &route);
		ck_assert_int_eq(route.endpoint, TUNER_LINEUP_POST);
		ck_assert_int_eq(route.post, want[i].post);
	}
}
END_TEST

START_TEST(only_show_found_asks_for_enabled)
{
	static const struct {
		const char *target;
		bool found;
	} want[] = {
		{ "/lineup.json", false },
		{ "/lineup.json?show=found", true },
		{ "/lineup.json?a=b&show=found", true },
		{ "/lineup.json?show=founder", false },
		{ "/lineup.json?show", false },
		{ "/lineup.json?reshow=found", false },
	};

	for (size_t i = 0; i < NITEMS(want); i++) {
		struct request req = parse("GET", want[i].target);
		struct tuner_route route;

		tuner_route(&req, 1, &route);
		ck_assert_int_eq(route.show_found, want[i].found);
	}
}
END_TEST

START_TEST(an_error_has_the_devices_code_text_and_status)
{
	ck_assert_str_eq(tuner_error_head(TUNER_UNKNOWN_CHANNEL), "X-HDHomeRun-Error: 801 Unknown Channel\r\n");
	ck_assert_str_eq(tuner_error_head(TUNER_SYSTEM_BUSY), "X-HDHomeRun-Error: 803 System Busy\r\n");
	ck_assert_str_eq(tuner_error_head(TUNER_IN_USE), "X-HDHomeRun-Error: 804 Tuner In Use\r\n");
	ck_assert_str_eq(tuner_error_head(TUNER_ALL_IN_USE), "X-HDHomeRun-Error: 805 All Tuners In Use\r\n");
	ck_assert_str_eq(tuner_error_head(TUNER_TUNE_FAILED), "X-HDHomeRun-Error: 806 Tune Failed\r\n");
	ck_assert_str_eq(tuner_error_head(TUNER_NO_VIDEO), "X-HDHomeRun-Error: 807 No Video Data\r\n");
	ck_assert_str_eq(tuner_error_head(0), "");
	ck_assert_int_eq(tuner_error_status(TUNER_UNKNOWN_CHANNEL), 404);
	ck_assert_int_eq(tuner_error_status(TUNER_ALL_IN_USE), 503);
	ck_assert_int_eq(tuner_error_status(TUNER_NO_VIDEO), 503);
}
END_TEST

static struct addr
local_addr(const char *ip, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct addr out;

	if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1) {
		addr_set(&out, (struct sockaddr *)&v4, sizeof(v4));
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, ip, &v6.sin6_addr), 1);
		addr_set(&out, (struct sockaddr *)&v6, sizeof(v6));
	}
	return out;
}

static const struct {
	const char *host;
	const char *local;
	uint16_t port;
	const char *advertise;
	uint16_t stream_port;
	const char *base;
	const char *stream; /* NULL: the same */
} addresses[] = {
	{ "192.0.2.10:5004", "10.0.0.1", 5004, NULL, 5004, "http://192.0.2.10:5004", NULL },
	{ "192.0.2.10", "10.0.0.1", 80, NULL, 5004, "http://192.0.2.10", "http://192.0.2.10:5004" },
	{ "192.0.2.10:80", "10.0.0.1", 80, NULL, 5004, "http://192.0.2.10", "http://192.0.2.10:5004" },
	{ "192.0.2.10", "10.0.0.1", 80, NULL, 0, "http://192.0.2.10", NULL },
	{ "192.0.2.10", "172.17.0.2", 5004, NULL, 5004, "http://192.0.2.10", NULL }, /* published as port 80 */
	{ "192.0.2.10:8080", "172.17.0.2", 80, NULL, 5004, "http://192.0.2.10:8080", NULL },
	{ "hdhomerun.local:5004", "10.0.0.1", 5004, NULL, 0, "http://hdhomerun.local:5004", NULL },
	{ "105902DB.local", "10.0.0.1", 80, NULL, 0, "http://105902DB.local", NULL },
	{ "my_box:5004", "10.0.0.1", 5004, NULL, 0, "http://my_box:5004", NULL },
	{ "[2001:db8::5]:5004", "10.0.0.1", 5004, NULL, 0, "http://[2001:db8::5]:5004", NULL },
	{ "[2001:db8::5]", "10.0.0.1", 80, NULL, 5004, "http://[2001:db8::5]", "http://[2001:db8::5]:5004" },
	{ NULL, "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "", "10.0.0.1", 80, NULL, 5004, "http://10.0.0.1", "http://10.0.0.1:5004" },
	{ "", "2001:db8::1", 5004, NULL, 5004, "http://[2001:db8::1]:5004", NULL },
	{ "", "::ffff:10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "0.0.0.0:5004", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "[::]:5004", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "255.255.255.255", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "239.255.255.250:1900", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "0", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "0x0", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "1.2.3.4.5", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "192.0.2.10:0", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "192.0.2.10:", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "192.0.2.10:65536", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "192.0.2.10:50x4", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "192.0.2.10:005004", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "a;b:5004", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "a'b", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "a..b", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ ".a", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "user@host", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "[fe80::1%25eth0]:5004", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "[]:5004", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "[2001:db8::5", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "[2001:db8::5]5004", "10.0.0.1", 5004, NULL, 5004, "http://10.0.0.1:5004", NULL },
	{ "other:1", "10.0.0.1", 5004, "192.168.3.183:5004", 5004, "http://192.168.3.183:5004", NULL },
	{ "other:1", "10.0.0.1", 80, "tuner.example:80", 5004, "http://tuner.example", NULL },
};

START_TEST(a_client_is_told_the_address_that_it_can_reach)
{
	struct addr local = local_addr(addresses[_i].local, addresses[_i].port);
	struct tuner_urls urls;

	tuner_urls(&urls, addresses[_i].host, &local, addresses[_i].advertise, addresses[_i].stream_port, 0, "");
	ck_assert_str_eq(urls.base, addresses[_i].base);
	ck_assert_str_eq(urls.stream, addresses[_i].stream == NULL ? addresses[_i].base : addresses[_i].stream);
}
END_TEST

/* prefix, unit's port, what a client of a [tuner NAME] is told */
START_TEST(a_tuner_of_several_tells_its_own_port_or_path)
{
	struct addr local = local_addr("10.0.0.1", 5005);
	struct tuner_urls urls;

	tuner_urls(&urls, "192.0.2.10:5005", &local, NULL, 5004, 5005, "");
	ck_assert_str_eq(urls.base, "http://192.0.2.10:5005");
	tuner_urls(&urls, "192.0.2.10:5005", &local, "192.168.3.183:5004", 5004, 5005, "");
	ck_assert_str_eq(urls.base, "http://192.168.3.183:5005");
	tuner_urls(&urls, "192.0.2.10:5004", &local, NULL, 5004, 0, "/kids");
	ck_assert_str_eq(urls.base, "http://192.0.2.10:5004/kids");
	local = local_addr("10.0.0.1", 80);
	tuner_urls(&urls, "192.0.2.10", &local, NULL, 5004, 0, "/kids");
	ck_assert_str_eq(urls.base, "http://192.0.2.10/kids");
	ck_assert_str_eq(urls.stream, "http://192.0.2.10:5004/kids");
}
END_TEST

static const struct {
	const char *host;
	bool ours;
} hosts[] = {
	{ "", true },
	{ "192.168.3.183", true },
	{ "192.168.3.183:5004", true },
	{ "203.0.113.7:5004", true }, /* what a NAT calls us */
	{ "0.0.0.0:5004", true },
	{ "[2001:db8::5]", true },
	{ "[2001:db8::5]:5004", true },
	{ "[fe80::1%25eth0]:5004", true },
	{ "localhost:5004", true },
	{ "plexbridge", true }, /* a container's name */
	{ "hdhomerun.local", true },
	{ "HDHomeRun.LOCAL:80", true },
	{ "105902DB.local", true },
	{ "105902db.local:5004", true },
	{ "105902db.local.:5004", true },
	{ "tv.example.org", true }, /* in the list */
	{ "TV.Example.org:8080", true },
	{ "evil.example", false },
	{ "evil.example:5004", false },
	{ "105902DC.local", false },
	{ "hdhomerun.local.evil.example", false },
	{ "192.168.3.183.evil.example", false },
	{ "evil.example.", false },
	{ "192.168.3.183.", false },
	{ "1.2.3.4.5", false },
	{ "[::1", true }, /* an address; the documents don't take it */
	{ "[evil.example]", false },
	{ "0x7f000001:80", true },
	{ "tv.example.org:0", true }, /* the port is for the documents to be wary of */
	{ "user@evil.example", false },
	{ ".", false },
	{ "..", false },
};

static struct addr
an_addr(const char *ip)
{
	struct addr a = { .sa.v6.sin6_family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET };

	ck_assert_int_eq(inet_pton(a.sa.any.sa_family, ip,
			     a.sa.any.sa_family == AF_INET ? (void *)&a.sa.v4.sin_addr : (void *)&a.sa.v6.sin6_addr),
	    1);
	return a;
}

START_TEST(what_is_bound_takes_who_connects_there)
{
	static const struct {
		const char *bound, *to;
		bool takes;
	} rows[] = {
		{ "0.0.0.0", "192.0.2.1", true },
		{ "0.0.0.0", "2001:db8::1", false },
		{ "::", "192.0.2.1", true },
		{ "::", "2001:db8::1", true },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "127.0.0.1", "192.0.2.1", false },
		{ "2001:db8::1", "2001:db8::1", true },
		{ "2001:db8::1", "2001:db8::2", false },
		{ "192.0.2.1", "2001:db8::1", false },
	};

	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct addr bound = an_addr(rows[i].bound), to = an_addr(rows[i].to);

		ck_assert_msg(addr_takes(&bound, &to) == rows[i].takes, "%s %s", rows[i].bound, rows[i].to);
	}
}
END_TEST

START_TEST(a_host_field_that_is_no_name_of_ours_is_seen)
{
	static const char *const names[] = { "hdhomerun.local", "105902DB.local", "tv.example.org" };

	ck_assert_msg(tuner_host_ours(hosts[_i].host, names, NITEMS(names)) == hosts[_i].ours, "%s", hosts[_i].host);
}
END_TEST

START_TEST(discover_json_is_as_the_devices_to_the_byte)
{
	json_t *root;

	says(tuner_discover_json(&info, BASE),
	    "{\"FriendlyName\":\"PlexBridge\",\"ModelNumber\":\"HDHR5-4US\",\"FirmwareName\":\"hdhomerun5_atsc\","
	    "\"FirmwareVersion\":\"20250623\",\"DeviceID\":\"105902DB\",\"DeviceAuth\":\"abcdefghijklmnopqrstuvwx\","
	    "\"BaseURL\":\"http://192.0.2.10:5004\",\"LineupURL\":\"http://192.0.2.10:5004/lineup.json\","
	    "\"TunerCount\":4}");
	root = json_of(tuner_discover_json(&info, BASE));
	/* As a string, Plex shows its first character's code: 49 tuners for one. */
	ck_assert(json_is_integer(json_object_get(root, "TunerCount")));
	ck_assert(json_is_string(json_object_get(root, "FirmwareVersion")));
	json_decref(root);
}
END_TEST

START_TEST(device_xml_has_its_elements_in_order)
{
	static const char *const order[] = { "<root xmlns=\"urn:schemas-upnp-org:device-1-0\">",
		"<specVersion><major>1</major><minor>0</minor></specVersion>",
		"<URLBase>http://192.0.2.10:5004</URLBase>", "<device>",
		"<deviceType>urn:schemas-upnp-org:device:MediaServer:1</deviceType>",
		"<friendlyName>PB &lt;&amp;&gt;</friendlyName>", "<manufacturer>Silicondust</manufacturer>",
		"<modelName>HDHR5-4US</modelName>", "<modelNumber>HDHR5-4US</modelNumber>",
		"<serialNumber>105902DB</serialNumber>", "<UDN>uuid:105902db-5f1c-5a6e-9d42-706c65786272</UDN>" };
	struct tuner_info odd = info;
	struct blob *blob;
	const char *at;

	odd.name = "PB <&>";
	blob = tuner_device_xml(&odd, BASE);
	ck_assert_ptr_nonnull(blob);
	at = blob->data;
	for (size_t i = 0; i < NITEMS(order); i++) {
		const char *found = strstr(at, order[i]);

		ck_assert_msg(found != NULL, "%s is missing, or before its turn", order[i]);
		at = found + strlen(order[i]);
	}
	xml_is_well_formed(blob->data);
	blob_drop(&blob);
}
END_TEST

START_TEST(lineup_status_json_names_a_source_that_plex_knows)
{
	json_t *root = json_of(tuner_lineup_status_json());

	ck_assert_int_eq(json_integer_value(json_object_get(root, "ScanInProgress")), 0);
	ck_assert(json_is_integer(json_object_get(root, "ScanInProgress")));
	ck_assert_int_eq(json_integer_value(json_object_get(root, "ScanPossible")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(root, "Source")), "Cable");
	ck_assert_uint_eq(json_array_size(json_object_get(root, "SourceList")), 2);
	json_decref(root);
}
END_TEST

START_TEST(lineup_json_lists_the_channels_in_order)
{
	struct lineup one = { channels, 1, NULL };
	struct lineup none = { NULL, 0, NULL };
	json_t *root;

	says(tuner_lineup(&one, TUNER_KIND_JSON, BASE),
	    "[{\"GuideNumber\":\"7.1\",\"GuideName\":\"News HD\",\"URL\":\"http://192.0.2.10:5004/auto/v7.1\"}]");
	says(tuner_lineup(&one, TUNER_KIND_JSON_FOUND, BASE),
	    "[{\"GuideNumber\":\"7.1\",\"GuideName\":\"News HD\",\"Enabled\":1,"
	    "\"URL\":\"http://192.0.2.10:5004/auto/v7.1\"}]");
	says(tuner_lineup(&none, TUNER_KIND_JSON, BASE), "[]");

	root = json_of(tuner_lineup(&lineup, TUNER_KIND_JSON_FOUND, BASE));
	ck_assert(json_is_array(root));
	ck_assert_uint_eq(json_array_size(root), 2);
	for (size_t i = 0; i < NITEMS(channels); i++) {
		json_t *c = json_array_get(root, i);

		ck_assert_str_eq(json_string_value(json_object_get(c, "GuideNumber")), channels[i].guide_number);
		ck_assert_str_eq(json_string_value(json_object_get(c, "GuideName")), channels[i].name);
		ck_assert(json_is_integer(json_object_get(c, "Enabled")));
	}
	json_decref(root);
}
END_TEST

START_TEST(lineup_xml_lists_the_channels_in_order)
{
	struct blob *blob;

	says(tuner_lineup(&lineup, TUNER_KIND_XML, BASE),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Lineup>\n"
	    "<Program><GuideNumber>7.1</GuideNumber><GuideName>News HD</GuideName>"
	    "<URL>http://192.0.2.10:5004/auto/v7.1</URL></Program>\n"
	    "<Program><GuideNumber>8</GuideNumber>"
	    "<GuideName>Tom &amp; &quot;Jerry&quot; &lt;\xf0\x9f\x98\xba&gt; caf\xc3\xa9, &#39;x&#39;</GuideName>"
	    "<URL>http://192.0.2.10:5004/auto/v8</URL></Program>\n</Lineup>\n");
	blob = tuner_lineup(&lineup, TUNER_KIND_XML, BASE);
	xml_is_well_formed(blob->data);
	blob_drop(&blob);
}
END_TEST

START_TEST(lineup_m3u_keeps_a_name_within_its_line_and_quotes)
{
	struct channel odd = { .guide_number = "9", .name = "a\"b\r\nhttp://evil.example/" };
	struct lineup bad = { &odd, 1, NULL };

	says(tuner_lineup(&lineup, TUNER_KIND_M3U, BASE),
	    "#EXTM3U\n"
	    "#EXTINF:-1 channel-id=\"7.1\" channel-number=\"7.1\" tvg-name=\"News HD\" tvg-chno=\"7.1\""
	    " tvg-id=\"news.example\" tvg-logo=\"http://l.example/7.png\" group-title=\"News\",7.1 News HD\n"
	    "http://192.0.2.10:5004/auto/v7.1\n"
	    "#EXTINF:-1 channel-id=\"8\" channel-number=\"8\""
	    " tvg-name=\"Tom & 'Jerry' <\xf0\x9f\x98\xba> caf\xc3\xa9, 'x'\" tvg-chno=\"8\""
	    ",8 Tom & \"Jerry\" <\xf0\x9f\x98\xba> caf\xc3\xa9, 'x'\n"
	    "http://192.0.2.10:5004/auto/v8\n");
	says(tuner_lineup(&bad, TUNER_KIND_M3U, BASE),
	    "#EXTM3U\n"
	    "#EXTINF:-1 channel-id=\"9\" channel-number=\"9\" tvg-name=\"a'b  http://evil.example/\" tvg-chno=\"9\""
	    ",9 a\"b  http://evil.example/\n"
	    "http://192.0.2.10:5004/auto/v9\n");
}
END_TEST

START_TEST(status_json_shows_one_object_a_tuner)
{
	struct tuner_view views[] = {
		{ .busy = true,
		    .guide_number = "7.1",
		    .name = "News HD",
		    .target_ip = "192.0.2.50",
		    .rate_bits = 7834560 },
		{ .busy = false, .guide_number = "not shown" },
		{ .busy = true,
		    .guide_number = "8",
		    .name = "lingers",
		    .target_ip = "",
		    .rate_bits = UINT64_C(1) << 40 },
	};
	json_t *root;

	says(tuner_status_json(views, 2),
	    "[{\"Resource\":\"tuner0\",\"VctNumber\":\"7.1\",\"VctName\":\"News HD\",\"SignalStrengthPercent\":100,"
	    "\"SignalQualityPercent\":100,\"SymbolQualityPercent\":100,\"TargetIP\":\"192.0.2.50\","
	    "\"NetworkRate\":7834560},{\"Resource\":\"tuner1\"}]");
	says(tuner_status_json(NULL, 0), "[]");
	root = json_of(tuner_status_json(views, 3));
	ck_assert_ptr_null(json_object_get(json_array_get(root, 2), "TargetIP"));
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(root, 2), "NetworkRate")), 1ll << 40);
	json_decref(root);
}
END_TEST

START_TEST(the_page_shows_what_to_type_into_plex)
{
	struct tuner_urls urls = { .base = "http://192.0.2.10", .stream = BASE };
	struct tuner_info odd = info;
	struct blob *blob;

	odd.name = "<script>alert(1)</script>";
	blob = tuner_index_html(&odd, &lineup, &urls);
	ck_assert_ptr_nonnull(blob);
	ck_assert_ptr_null(strstr(blob->data, "<script"));
	ck_assert_ptr_nonnull(strstr(blob->data, "<p class=\"address\">192.0.2.10</p>"));
	ck_assert_ptr_nonnull(strstr(blob->data, "href=\"http://192.0.2.10:5004/auto/v7.1\">News HD</a>"));
	ck_assert_ptr_nonnull(strstr(blob->data, "Tom &amp; &quot;Jerry&quot; &lt;"));
	ck_assert_ptr_null(strstr(blob->data, "src="));
	blob_drop(&blob);

	blob = tuner_index_html(&info, NULL, &urls);
	ck_assert_ptr_nonnull(strstr(blob->data, "There are none yet."));
	blob_drop(&blob);
}
END_TEST

static const char odd_bytes[] =
    "\x01\x02\t\n\r\x1f \"&'<>\\/\x7f\xc2\x80\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xba"
    "\xef\xbf\xbe\xef\xbf\xbf\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xc3(\xe2\x82(\xf0\x9f";

/* Whatever a name holds, and wherever it is cut, the document stays one. */
START_TEST(any_bytes_in_a_name_leave_the_document_whole)
{
	char name[sizeof(odd_bytes)];
	struct channel odd = { .guide_number = "9", .name = name };
	struct lineup bad = { &odd, 1, NULL };
	struct blob *blob;

	memcpy(name, odd_bytes, (size_t)_i);
	name[_i] = '\0';
	json_decref(json_of(tuner_lineup(&bad, TUNER_KIND_JSON, BASE))); /* jansson refuses what is not UTF-8 */
	blob = tuner_lineup(&bad, TUNER_KIND_XML, BASE);
	ck_assert_ptr_nonnull(blob);
	xml_is_well_formed(blob->data);
	blob_drop(&blob);
}
END_TEST

START_TEST(json_text_says_what_it_was_given)
{
	struct text t = { 0 };

	text_add_json(&t, "a\"b\\c\x01\n\x7f\xc3\xa9\xff/");
	says(text_blob(&t), "\"a\\\"b\\\\c\\u0001\\u000a\\u007f\xc3\xa9\xef\xbf\xbd/\"");
	says(text_blob(&t), "");
}
END_TEST

START_TEST(a_text_that_found_no_memory_gives_no_document)
{
	struct text t = { 0 };
	struct blob *blob;

	text_add(&t, "begun");
	text_add_len(&t, "", SIZE_MAX / 2);
	text_add(&t, "ended");
	blob = text_blob(&t);
	ck_assert_ptr_null(blob);
	text_add(&t, "again");
	says(text_blob(&t), "again");
	text_add(&t, "thrown away");
	text_clear(&t);
	says(text_blob(&t), "");
}
END_TEST

START_TEST(a_stream_head_has_no_length_and_no_chunks)
{
	char head[TUNER_STREAM_HEAD];
	size_t len = tuner_stream_head(head, 2, 784111777);

	ck_assert_uint_eq(len, strlen(head));
	ck_assert_str_eq(head,
	    "HTTP/1.1 200 OK\r\nServer: HDHomeRun/1.0\r\nConnection: close\r\n"
	    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: video/mpeg\r\nCache-Control: no-cache\r\n"
	    "Access-Control-Allow-Origin: *\r\ntransferMode.dlna.org: Streaming\r\n"
	    "X-HDHomeRun-Resource: tuner2\r\n\r\n");
	len = tuner_stream_head(head, -1, 784111777);
	ck_assert_ptr_null(strstr(head, "Resource"));
	ck_assert_str_eq(head + len - 4, "\r\n\r\n");
	len = tuner_stream_head(head, INT32_MAX, (time_t)INT64_MAX);
	ck_assert_uint_lt(len, TUNER_STREAM_HEAD);
}
END_TEST

/* Ten thousand channels, as the largest providers have. */
#define MANY 10000

static struct lineup
channels_of(size_t count)
{
	struct lineup many = { calloc(count, sizeof(struct channel)), count, NULL };

	ck_assert_ptr_nonnull(many.channels);
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(many.channels[i].guide_number, GUIDE_NUMBER_MAX, "%zu", i + 1);
		many.channels[i].name = "A channel with a name of usual length HD";
	}
	return many;
}

START_TEST(the_same_lineup_is_built_once_for_all_who_ask)
{
	struct tuner_cache cache = { 0 };
	struct blob *a, *b, *c;

	ck_assert_int_eq(tuner_cache_get(&cache, &lineup, TUNER_KIND_JSON, BASE, &a), 0);
	ck_assert_int_eq(tuner_cache_get(&cache, &lineup, TUNER_KIND_JSON, BASE, &b), 0);
	ck_assert_ptr_eq(a, b);
	ck_assert_int_eq(tuner_cache_get(&cache, &lineup, TUNER_KIND_JSON_FOUND, BASE, &c), 0);
	ck_assert_ptr_ne(a, c);
	ck_assert_ptr_nonnull(strstr(c->data, "Enabled"));
	blob_drop(&b);
	blob_drop(&c);
	ck_assert_int_eq(tuner_cache_get(&cache, &lineup, TUNER_KIND_XML, BASE, &b), 0);
	ck_assert_ptr_nonnull(strstr(b->data, "<Lineup>"));
	ck_assert_int_eq(tuner_cache_get(&cache, &lineup, TUNER_KIND_M3U, "http://other", &c), 0);
	ck_assert_ptr_nonnull(strstr(c->data, "http://other/auto/v8"));
	blob_drop(&b);
	blob_drop(&c);

	/* A reload: who is being answered keeps the old one, who asks gets the new one. */
	tuner_cache_clear(&cache);
	ck_assert_ptr_nonnull(strstr(a->data, "News HD"));
	ck_assert_int_eq(tuner_cache_get(&cache, &(struct lineup){ channels, 1, NULL }, TUNER_KIND_JSON, BASE, &b), 0);
	ck_assert_ptr_ne(a, b);
	ck_assert_uint_lt(b->len, a->len);
	blob_drop(&a);
	blob_drop(&b);
	tuner_cache_clear(&cache);
	ck_assert_uint_eq(cache.live, 0);
}
END_TEST

START_TEST(eight_documents_are_kept_and_the_one_longest_unused_goes)
{
	struct tuner_cache cache = { 0 };
	struct blob *first[TUNER_CACHE_ENTRIES + 1], *again;
	char base[64];

	ck_assert_int_eq(TUNER_CACHE_ENTRIES, 8);
	for (size_t i = 0; i < NITEMS(first); i++) {
		(void)snprintf(base, sizeof(base), "http://name%zu:5004", i);
		ck_assert_int_eq(tuner_cache_get(&cache, &lineup, TUNER_KIND_JSON, base, &first[i]), 0);
		/* The first one is asked for all the time. */
		ck_assert_int_eq(tuner_cache_get(&cache, &lineup, TUNER_KIND_JSON, "http://name0:5004", &again), 0);
		ck_assert_ptr_eq(again, first[0]);
		blob_drop(&again);
	}
	for (size_t i = NITEMS(first) - 1; i > 1; i--) {
		(void)snprintf(base, sizeof(base), "http://name%zu:5004", i);
		ck_assert_int_eq(tuner_cache_get(&cache, &lineup, TUNER_KIND_JSON, base, &again), 0);
		ck_assert_ptr_eq(again, first[i]);
		blob_drop(&again);
	}
	ck_assert_int_eq(tuner_cache_get(&cache, &lineup, TUNER_KIND_JSON, "http://name1:5004", &again), 0);
	ck_assert_ptr_ne(again, first[1]);
	blob_drop(&again);
	for (size_t i = 0; i < NITEMS(first); i++)
		blob_drop(&first[i]);
	tuner_cache_clear(&cache);
	ck_assert_uint_eq(cache.live, 0);
}
END_TEST

START_TEST(names_invented_for_each_request_stay_within_bounds)
{
	struct tuner_cache cache = { 0 };
	struct lineup many = channels_of(MANY);
	struct blob *held[100];
	size_t n = 0;
	int err = 0;

	/* Read and gone: only what is kept stays. */
	for (int i = 0; i < 20; i++) {
		char base[64];
		struct blob *blob;

		(void)snprintf(base, sizeof(base), "http://host%d:5004", i);
		ck_assert_int_eq(tuner_cache_get(&cache, &many, TUNER_KIND_JSON, base, &blob), 0);
		blob_drop(&blob);
		ck_assert_uint_le(cache.live, TUNER_CACHE_BYTES);
	}
	/* Slow readers that hold theirs: at some point 503, and memory stays where it is. */
	while (n < NITEMS(held)) {
		char base[64];

		(void)snprintf(base, sizeof(base), "http://slow%zu:5004", n);
		err = tuner_cache_get(&cache, &many, TUNER_KIND_JSON, base, &held[n]);
		if (err != 0)
			break;
		n++;
	}
	ck_assert_int_eq(err, PB_ELIMIT);
	ck_assert_uint_gt(n, 5);
	ck_assert_uint_lt(cache.live, TUNER_LIVE_BYTES + (4u << 20));
	while (n > 0)
		blob_drop(&held[--n]);
	/* They are gone: it goes on. */
	ck_assert_int_eq(tuner_cache_get(&cache, &many, TUNER_KIND_JSON, BASE, &held[0]), 0);
	blob_drop(&held[0]);
	tuner_cache_clear(&cache);
	ck_assert_uint_eq(cache.live, 0);
	free(many.channels);
}
END_TEST

START_TEST(ten_thousand_channels_are_all_there)
{
	struct lineup many = channels_of(MANY);
	json_t *root = json_of(tuner_lineup(&many, TUNER_KIND_JSON, BASE));

	ck_assert_uint_eq(json_array_size(root), MANY);
	ck_assert_str_eq(
	    json_string_value(json_object_get(json_array_get(root, MANY - 1), "URL")), BASE "/auto/v10000");
	json_decref(root);
	free(many.channels);
}
END_TEST

static const size_t slices[] = { 1, 2, 7, MANY - 1, MANY, MANY + 1, SIZE_MAX };

START_TEST(a_document_written_in_slices_is_the_same)
{
	static const enum tuner_lineup_kind kinds[] = { TUNER_KIND_JSON, TUNER_KIND_JSON_FOUND, TUNER_KIND_XML,
		TUNER_KIND_M3U };
	struct lineup many = channels_of(MANY);

	for (size_t i = 0; i < NITEMS(kinds); i++) {
		struct tuner_draft draft = { 0 };
		struct blob *whole = tuner_lineup(&many, kinds[i], BASE), *blob = NULL;
		size_t turns = 1;
		int err;

		/* One that is given up for another leaves nothing behind. */
		tuner_draft_begin(&draft, &many, kinds[i], "http://other");
		ck_assert_int_eq(tuner_draft_write(&draft, 1, &blob), PB_AGAIN);
		tuner_draft_begin(&draft, &many, kinds[i], BASE);
		while ((err = tuner_draft_write(&draft, slices[_i], &blob)) == PB_AGAIN)
			turns++;
		ck_assert_int_eq(err, 0);
		ck_assert_uint_eq(turns, slices[_i] >= MANY ? 1 : (MANY + slices[_i] - 1) / slices[_i]);
		ck_assert_uint_eq(blob->len, whole->len);
		ck_assert_mem_eq(blob->data, whole->data, whole->len);
		ck_assert_ptr_null(draft.lineup);
		blob_drop(&blob);
		blob_drop(&whole);
	}
	free(many.channels);
}
END_TEST

START_TEST(a_lineup_too_long_for_a_turn_is_not_written_in_one)
{
	struct tuner_cache cache = { 0 };
	struct lineup long_one = channels_of(TUNER_AT_ONCE + 1);
	struct blob *blob = NULL, *again = NULL;

	long_one.count--;
	ck_assert_int_eq(tuner_cache_get(&cache, &long_one, TUNER_KIND_M3U, BASE, &blob), 0);
	blob_drop(&blob);
	tuner_cache_clear(&cache);
	long_one.count++;
	ck_assert_int_eq(tuner_cache_get(&cache, &long_one, TUNER_KIND_M3U, BASE, &blob), PB_AGAIN);
	ck_assert_ptr_null(blob);
	blob = tuner_lineup(&long_one, TUNER_KIND_M3U, BASE);
	tuner_cache_put(&cache, TUNER_KIND_M3U, BASE, blob);
	ck_assert_int_eq(tuner_cache_get(&cache, &long_one, TUNER_KIND_M3U, BASE, &again), 0);
	ck_assert_ptr_eq(again, blob);
	ck_assert_int_eq(tuner_cache_get(&cache, &long_one, TUNER_KIND_XML, BASE, &again), PB_AGAIN);
	blob_drop(&again);
	blob_drop(&blob);
	tuner_cache_clear(&cache);
	ck_assert_uint_eq(cache.live, 0);
	free(long_one.channels);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tuner");
	TCase *tc = tcase_create("route");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, every_request_is_told_apart_as_the_device_does, 0, (int)NITEMS(routes));
	tcase_add_test(tc, a_stream_request_says_tuner_channel_and_duration);
	tcase_add_test(tc, a_scan_and_a_favourite_are_told_apart);
	tcase_add_test(tc, only_show_found_asks_for_enabled);
	tcase_add_test(tc, what_is_bound_takes_who_connects_there);
	tcase_add_test(tc, an_error_has_the_devices_code_text_and_status);
	tcase_add_loop_test(tc, a_client_is_told_the_address_that_it_can_reach, 0, (int)NITEMS(addresses));
	tcase_add_test(tc, a_tuner_of_several_tells_its_own_port_or_path);
	tcase_add_loop_test(tc, a_host_field_that_is_no_name_of_ours_is_seen, 0, (int)NITEMS(hosts));
	suite_add_tcase(suite, tc);

	tc = tcase_create("documents");
	tcase_add_test(tc, discover_json_is_as_the_devices_to_the_byte);
	tcase_add_test(tc, device_xml_has_its_elements_in_order);
	tcase_add_test(tc, lineup_status_json_names_a_source_that_plex_knows);
	tcase_add_test(tc, lineup_json_lists_the_channels_in_order);
	tcase_add_test(tc, lineup_xml_lists_the_channels_in_order);
	tcase_add_test(tc, lineup_m3u_keeps_a_name_within_its_line_and_quotes);
	tcase_add_test(tc, status_json_shows_one_object_a_tuner);
	tcase_add_test(tc, the_page_shows_what_to_type_into_plex);
	tcase_add_loop_test(tc, any_bytes_in_a_name_leave_the_document_whole, 0, (int)sizeof(odd_bytes));
	tcase_add_test(tc, json_text_says_what_it_was_given);
	tcase_add_test(tc, a_text_that_found_no_memory_gives_no_document);
	tcase_add_test(tc, a_stream_head_has_no_length_and_no_chunks);
	suite_add_tcase(suite, tc);

	tc = tcase_create("cache");
	tcase_add_test(tc, the_same_lineup_is_built_once_for_all_who_ask);
	tcase_add_test(tc, eight_documents_are_kept_and_the_one_longest_unused_goes);
	tcase_add_test(tc, names_invented_for_each_request_stay_within_bounds);
	tcase_add_test(tc, ten_thousand_channels_are_all_there);
	tcase_add_loop_test(tc, a_document_written_in_slices_is_the_same, 0, (int)NITEMS(slices));
	tcase_add_test(tc, a_lineup_too_long_for_a_turn_is_not_written_in_one);
	suite_add_tcase(suite, tc);

	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
