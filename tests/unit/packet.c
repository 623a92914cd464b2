/*
 * packet.c - HDHomeRun's frames: discovery and variables, in hex both ways
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pb.h"
#include "supervisor/discover.h"
#include "supervisor/getset.h"
#include "supervisor/limit.h"
#include "supervisor/meant.h"
#include "supervisor/packet.h"
#include "supervisor/units.h"

static size_t
bytes_of(uint8_t *out, const char *hex)
{
	size_t len = 0;
	unsigned byte;

	for (; hex[0] != '\0'; hex += 2) {
		ck_assert_int_eq(sscanf(hex, "%2x", &byte), 1);
		out[len++] = (uint8_t)byte;
	}
	return len;
}

static void
is_hex(const uint8_t *bytes, size_t len, const char *hex)
{
	char text[2 * PACKET_MAX + 1] = "";

	for (size_t i = 0; i < len; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	ck_assert_str_eq(text, hex);
}

#define OURS 0x105902db

/* What clients send, and whether it is for us (id 105902DB). */
static const struct {
	const char *hex;
	bool ours;
} requests[] = {
	{ "0002000c0104ffffffff0204ffffffff73cc7d8f", true }, /* any type, any id */
	{ "000200060104ffffffff4c20cb4e", true }, /* no id */
	{ "0002000c0104000000010204ffffffff4e507f35", true }, /* tuners, any id */
	{ "00020006010400000001393077e7", true }, /* tuners, no id */
	{ "0002000a2d0800000001000000054f63391f", true }, /* several types alone */
	{ "0002000c0104ffffffff0204105902dbeec78541", true }, /* our id */
};

START_TEST(every_request_that_clients_send_is_understood)
{
	uint8_t bytes[PACKET_MAX];
	size_t len = bytes_of(bytes, requests[_i].hex);
	struct discover_request request;

	ck_assert_int_eq(discover_parse(&request, bytes, len), 0);
	ck_assert(discover_matches(&request, OURS) == requests[_i].ours);
	ck_assert(discover_matches(&request, 0x10555217) == (request.id == PACKET_ANY));
	/* Any bit that is wrong makes it none. */
	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_ne(discover_parse(&request, bytes, len), 0);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* And so does any cut. */
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_ne(discover_parse(&request, bytes, cut), 0);
}
END_TEST

/* Payloads; the frame around them is made here. */
static const struct {
	const char *what, *payload;
	bool ours;
} payloads[] = {
	{ "nothing at all", "", true },
	{ "another order", "0204105902db010400000001", true },
	{ "storage alone", "010400000005", false },
	{ "storage alone, in a list", "2d0400000005", false },
	{ "a list with any", "2d0800000005ffffffff", true },
	{ "a foreign id", "01040000000102041072abcb", false },
	{ "our id, storage", "0104000000050204105902db", false },
	{ "unknown items around", "7f03aabbcc010400000001550000", true },
	{ "an unknown item of 200 bytes",
	    "7fc801"
	    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	    "0204105902db",
	    true },
	{ "a length past the end ends it", "010400000001027f105902db", true },
	{ "an id of three bytes is none", "01040000000102031072ab", true },
	{ "a list that ends in the middle", "2d06000000050000", false },
};

START_TEST(items_come_in_any_order_and_unknown_ones_are_skipped)
{
	struct discover_request request;
	uint8_t payload[PACKET_MAX];
	struct packet_writer w;
	size_t len = bytes_of(payload, payloads[_i].payload);

	packet_begin(&w, PACKET_DISCOVER_REQUEST);
	memcpy(w.bytes + w.len, payload, len);
	w.len += len;
	len = packet_end(&w);
	ck_assert_int_eq(discover_parse(&request, w.bytes, len), 0);
	ck_assert_msg(discover_matches(&request, OURS) == payloads[_i].ours, "%s", payloads[_i].what);
}
END_TEST

START_TEST(the_reply_is_the_devices_to_the_byte)
{
	/* The same items as a real device's, in its order. */
	struct discover_device device = { OURS, NULL, "http://192.0.2.10:5004", 4 };
	struct packet_writer w;
	size_t len;

	len = discover_reply(&w, &device);
	is_hex(w.bytes, len,
	    "0003004b0104000000010204105902db2a16687474703a2f2f3139322e302e322e31303a353030341001042722687474703a2f2f31"
	    "39322e30"
	    "2e322e31303a353030342f6c696e6575702e6a736f6e938a72da");
	device.auth = "abcdefghijklmnopqrstuvwx";
	len = discover_reply(&w, &device);
	ck_assert_uint_eq(len, 0x4b + 8 + 26);
	ck_assert_mem_eq(w.bytes + 16,
	    "\x2b\x18"
	    "abcdefghijklmnopqrstuvwx\x2a\x16http://",
	    35);

	/* The longest that there is has 28 characters; one more breaks older clients. */
	device.base = "http://255.255.255.255:65535";
	ck_assert_uint_gt(discover_reply(&w, &device), 0);
	device.base = "http://255.255.255.255:655350";
	ck_assert_uint_eq(discover_reply(&w, &device), 0);
}
END_TEST

START_TEST(lengths_are_one_byte_or_two)
{
	static const struct {
		size_t len;
		const char *hex;
	} rows[] = { { 0, "7f00" }, { 1, "7f01" }, { 127, "7f7f" }, { 128, "7f8001" }, { 200, "7fc801" },
		{ 300, "7fac02" }, { 1449, "7fa90b" } };
	static const uint8_t zeros[PACKET_MAX];

	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct packet_item item;
		struct packet_writer w;
		struct packet packet;
		size_t at = 0, len;

		packet_begin(&w, PACKET_GETSET_REQUEST);
		packet_add(&w, 0x7f, zeros, rows[i].len);
		len = packet_end(&w);
		ck_assert_uint_gt(len, 0);
		is_hex(w.bytes + 4, strlen(rows[i].hex) / 2, rows[i].hex);
		ck_assert_int_eq(packet_parse(&packet, w.bytes, len), 0);
		ck_assert(packet_next(&packet, &at, &item));
		ck_assert_uint_eq(item.len, rows[i].len);
		ck_assert(!packet_next(&packet, &at, &item));
	}
}
END_TEST

START_TEST(a_frame_is_never_longer_than_it_may_be)
{
	static const uint8_t zeros[PACKET_MAX];
	uint8_t head[8] = { 0, 4, 0x05, 0xad };
	struct packet_writer w;
	struct packet packet;

	packet_begin(&w, PACKET_GETSET_REPLY);
	packet_add(&w, PACKET_VALUE, zeros, 1450);
	ck_assert_uint_eq(packet_end(&w), 0);
	packet_begin(&w, PACKET_GETSET_REPLY);
	packet_add(&w, PACKET_VALUE, zeros, 1000);
	packet_add(&w, PACKET_VALUE, zeros, 446);
	ck_assert_uint_eq(packet_end(&w), 1460);
	packet_add(&w, PACKET_VALUE, zeros, 447);
	/* 1453 bytes of payload are refused from their length on; nobody waits for them. */
	ck_assert_int_eq(packet_parse(&packet, head, 4), PB_EFORMAT);
	head[3] = 0xac;
	ck_assert_int_eq(packet_parse(&packet, head, 4), PB_AGAIN);
	ck_assert_int_eq(packet_parse(&packet, head, 3), PB_AGAIN);
}
END_TEST

/*
 * Variables
 */

static void
show(void *arg, int n, struct getset_tuner *out)
{
	(void)arg;
	*out = (struct getset_tuner){ .busy = false };
	if (n == 1)
		*out = (struct getset_tuner){ true, true, "7.1", "News HD", "192.0.2.50", 40000, 7834560, 3 };
	if (n == 2)
		*out = (struct getset_tuner){ true, false, "8", "Slow", "2001:db8::5", 40001, 1000, 0 };
	if (n == 3)
		*out = (struct getset_tuner){ true, true, "9", "Nobody", "", 0, 1000000, 0 };
}

static const struct getset_device device = {
	.tuner_count = 4, .memory_bytes = 1000, .turn_ms = 1.5, .streams = 3, .tuner = show
};

/* What a client that asks hears: the value, or the error. */
static const char *
ask(const char *name, const char *value)
{
	static char heard[PACKET_MAX];
	static struct packet_writer w;
	struct getset_request request;
	struct packet_item item;
	struct packet packet;
	size_t at = 0, len;

	packet_begin(&w, PACKET_GETSET_REQUEST);
	packet_add_string(&w, PACKET_NAME, name);
	if (value != NULL)
		packet_add_string(&w, PACKET_VALUE, value);
	len = packet_end(&w);
	ck_assert_int_eq(packet_parse(&packet, w.bytes, len), 0);
	ck_assert_int_eq(getset_parse(&request, &packet), 0);
	ck_assert_str_eq(request.name, name);
	len = getset_answer(&w, &request, &device);
	ck_assert_int_eq(packet_parse(&packet, w.bytes, len), 0);
	ck_assert_int_eq(packet.type, PACKET_GETSET_REPLY);
	/* Name, then value, and no more: some clients count on it. */
	ck_assert(packet_next(&packet, &at, &item));
	ck_assert_int_eq(item.tag, PACKET_NAME);
	ck_assert_str_eq((const char *)item.value, name);
	ck_assert(packet_next(&packet, &at, &item));
	ck_assert(item.tag == PACKET_VALUE || item.tag == PACKET_ERROR);
	ck_assert_uint_gt(item.len, 0);
	ck_assert_uint_eq(item.value[item.len - 1], 0);
	memcpy(heard, item.value, item.len);
	ck_assert_uint_eq(strlen(heard), item.len - 1);
	ck_assert((item.tag == PACKET_ERROR) == (strncmp(heard, "ERROR: ", 7) == 0));
	ck_assert(!packet_next(&packet, &at, &item));
	return heard;
}

static const struct {
	const char *name, *value;
} variables[] = {
	{ "/sys/model", "hdhomerun5_atsc" },
	{ "/sys/hwmodel", "HDHR5-4US" },
	{ "/sys/version", "20250623" },
	{ "/sys/features", "channelmap: us-bcast us-cable\nmodulation: 8vsb qam256 qam64\nauto-modulation: auto\n" },
	{ "/sys/debug", "mem: spools=1000\nloop: turn=1.5 streams=3\nt0: busy=3\neth: bps=8834560\n" },
	{ "/lineup/scan", "complete" },
	{ "/tuner0/status", "ch=none lock=none ss=0 snq=0 seq=0 bps=0 pps=0" },
	{ "/tuner0/streaminfo", "none\n" },
	{ "/tuner0/channel", "none" },
	{ "/tuner0/vchannel", "none" },
	{ "/tuner0/channelmap", "us-bcast" },
	{ "/tuner0/filter", "0x0000-0x1FFF" },
	{ "/tuner0/program", "0" },
	{ "/tuner0/target", "none" },
	{ "/tuner0/lockkey", "none" },
	{ "/tuner0/debug",
	    "tun: ch=none lock=none ss=0 snq=0 seq=0 dbg=0\ndev: resync=0 overflow=0\nts:  bps=0 ut=0 te=0 miss=0 "
	    "crc=0\n"
	    "flt: bps=0\nnet: pps=0 err=0 stop=0\n" },
	{ "/tuner1/status", "ch=auto:7.1 lock=8vsb ss=100 snq=100 seq=100 bps=7834560 pps=744" },
	{ "/tuner1/streaminfo", "1: 7.1 News HD\ntsid=0x0001\n" },
	{ "/tuner1/channel", "auto:7.1" },
	{ "/tuner1/vchannel", "7.1" },
	{ "/tuner1/target", "http://192.0.2.50:40000" },
	{ "/tuner1/lockkey", "192.0.2.50" },
	{ "/tuner1/debug",
	    "tun: ch=auto:7.1 lock=8vsb ss=100 snq=100 seq=100 dbg=0\ndev: resync=0 overflow=0\n"
	    "ts:  bps=7834560 ut=0 te=0 miss=3 crc=0\nflt: bps=7834560\nnet: pps=744 err=0 stop=0\n" },
	{ "/tuner2/status", "ch=auto:8 lock=none ss=0 snq=0 seq=0 bps=0 pps=0" },
	{ "/tuner2/streaminfo", "1: 8 Slow (no data)\ntsid=0x0001\n" },
	{ "/tuner2/target", "http://[2001:db8::5]:40001" },
	{ "/tuner3/target", "none" },
	{ "/tuner3/vchannel", "9" },
	{ "/tuner4/status", "ERROR: unknown getset variable" },
	{ "/tuner/status", "ERROR: unknown getset variable" },
	{ "/tuner0", "ERROR: unknown getset variable" },
	{ "/tuner0/", "ERROR: unknown getset variable" },
	{ "/tuner0/vstatus", "ERROR: unknown getset variable" },
	{ "/tuner0/plotsample", "ERROR: unknown getset variable" },
	{ "/tuner99999999999/status", "ERROR: unknown getset variable" },
	{ "/oob/status", "ERROR: unknown getset variable" },
	{ "/sys/boot", "ERROR: unknown getset variable" },
	{ "/sys/restart", "ERROR: unknown getset variable" },
	{ "/nope", "ERROR: unknown getset variable" },
};

START_TEST(every_variable_says_what_is_so_and_none_can_be_set)
{
	bool known = strncmp(variables[_i].value, "ERROR", 5) != 0;

	ck_assert_str_eq(ask(variables[_i].name, NULL), variables[_i].value);
	ck_assert_str_eq(
	    ask(variables[_i].name, "1"), known ? "ERROR: write protected" : "ERROR: unknown getset variable");
	ck_assert_str_eq(
	    ask(variables[_i].name, ""), known ? "ERROR: write protected" : "ERROR: unknown getset variable");
}
END_TEST

START_TEST(help_lists_what_is_there_and_nothing_else)
{
	char line[128], *text = strdup(ask("help", NULL)), *rest = text, *at;
	size_t lines = 0;

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	text[strlen(text) - 1] = '\0';
	ck_assert_str_eq(strsep(&rest, "\n"), "Supported configuration options:");
	while ((at = strsep(&rest, "\n")) != NULL) {
		lines++;
		(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, " "), at);
		if (strncmp(line, "/tuner<n>/", 10) == 0)
			(void)snprintf(line, sizeof(line), "/tuner1/%.*s", (int)strcspn(at + 10, " "), at + 10);
		ck_assert_msg(strncmp(ask(line, NULL), "ERROR", 5) != 0, "%s", line);
	}
	ck_assert_uint_eq(lines, 17);
	free(text);
}
END_TEST

START_TEST(frames_of_variables_are_the_devices_to_the_byte)
{
	static const struct {
		const char *request, *reply;
	} rows[] = {
		{ "0004000d030b2f7379732f6d6f64656c008f5b54b5",
		    "0005001f030b2f7379732f6d6f64656c0004106864686f6d6572756e355f61747363001e5fd121" },
		{ NULL,
		    "0005002903062f6e6f706500051f4552524f523a20756e6b6e6f776e20676574736574207661726961626c65006dcbbd8"
		    "9" },
		/* A set of the lockkey, with the key that its client holds. */
		{ "0004002003102f74756e6572302f6c6f636b6b6579000406313233343500150400003039990cad2c", NULL },
	};
	struct getset_request request;
	uint8_t bytes[PACKET_MAX];
	struct packet_writer w;
	struct packet packet;

	ck_assert_int_eq(packet_parse(&packet, bytes, bytes_of(bytes, rows[0].request)), 0);
	ck_assert_int_eq(getset_parse(&request, &packet), 0);
	ck_assert(!request.set);
	is_hex(w.bytes, getset_answer(&w, &request, &device), rows[0].reply);
	(void)snprintf(request.name, sizeof(request.name), "/nope");
	is_hex(w.bytes, getset_answer(&w, &request, &device), rows[1].reply);
	ck_assert_int_eq(packet_parse(&packet, bytes, bytes_of(bytes, rows[2].request)), 0);
	ck_assert_int_eq(getset_parse(&request, &packet), 0);
	ck_assert(request.set);
	ck_assert_str_eq(request.name, "/tuner0/lockkey");
}
END_TEST

START_TEST(a_name_that_is_none_is_answered_as_malformed)
{
	static const char *const payloads_of_names[] = { "", "0400", "0300", "030100", "03022f0a", "03032f8000",
		"03822f" };
	struct getset_request request;
	struct packet_writer w;
	struct packet packet;
	char name[200];

	for (size_t i = 0; i < NITEMS(payloads_of_names); i++) {
		packet_begin(&w, PACKET_GETSET_REQUEST);
		w.len += bytes_of(w.bytes + w.len, payloads_of_names[i]);
		ck_assert_int_eq(packet_parse(&packet, w.bytes, packet_end(&w)), 0);
		ck_assert_int_eq(getset_parse(&request, &packet), PB_EFORMAT);
	}
	memset(name, 'a', sizeof(name));
	name[128] = '\0';
	packet_begin(&w, PACKET_GETSET_REQUEST);
	packet_add_string(&w, PACKET_NAME, name);
	ck_assert_int_eq(packet_parse(&packet, w.bytes, packet_end(&w)), 0);
	ck_assert_int_eq(getset_parse(&request, &packet), PB_EFORMAT);
	/* Firmware, and whatever else is no get and no set. */
	packet_begin(&w, 6);
	ck_assert_int_eq(packet_parse(&packet, w.bytes, packet_end(&w)), 0);
	ck_assert_int_eq(getset_parse(&request, &packet), PB_NO);
	ck_assert_int_eq(packet_parse(&packet, w.bytes, getset_answer(&w, NULL, &device)), 0);
	ck_assert_mem_eq(packet.payload + 2, "ERROR: malformed getset request", 32);
}
END_TEST

/*
 * How often
 */

static struct addr
asker(unsigned n)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000200u + n) };
	struct addr addr;

	addr_set(&addr, (const struct sockaddr *)&sin, sizeof(sin));
	return addr;
}

START_TEST(one_asker_has_eight_answers_a_second_for_ever_and_a_flood_has_few_more)
{
	static struct limit limit;
	struct addr one = asker(1);
	int given = 0;

	memset(&limit, 0, sizeof(limit));
	/* Eight a second, evenly, with another asker's flood beside: all are answered. */
	for (int i = 0; i < 8 * 60; i++) {
		for (int j = 0; j < 100; j++) {
			struct addr other = asker(2);

			(void)limit_take(&limit, &other, 1 + i / 8.0);
		}
		ck_assert(limit_take(&limit, &one, 1 + i / 8.0));
	}
	/* A flood of a thousand a second for ten. */
	for (int i = 0; i < 10000; i++)
		given += limit_take(&limit, &one, 100 + i / 1000.0);
	ck_assert_int_ge(given, (int)(LIMIT_RATE * 9));
	ck_assert_int_le(given, (int)(LIMIT_RATE * 10 + LIMIT_BURST + 1));
	/* A clock that stands or goes back gives nothing away, and breaks nothing. */
	ck_assert(!limit_take(&limit, &one, 50));
	ck_assert(limit_take(&limit, &one, 51));
}
END_TEST

START_TEST(many_askers_have_a_bucket_each_and_the_oldest_makes_room)
{
	static struct limit limit;
	struct addr first = asker(0);

	memset(&limit, 0, sizeof(limit));
	while (limit_take(&limit, &first, 1))
		;
	for (unsigned i = 1; i < LIMIT_ASKERS; i++) {
		struct addr other = asker(i);

		ck_assert(limit_take(&limit, &other, 1));
	}
	ck_assert(!limit_take(&limit, &first, 1.01));
	for (unsigned i = LIMIT_ASKERS; i < 3 * LIMIT_ASKERS; i++) {
		struct addr other = asker(i);

		ck_assert(limit_take(&limit, &other, 1.02));
	}
}
END_TEST

/*
 * Which tuner is asked
 */

START_TEST(a_connection_is_about_what_its_host_searched_for_a_moment_ago)
{
	static struct meant meant;
	struct addr one = asker(1), two = asker(2), far = { .sa.any.sa_family = AF_UNSPEC };

	ck_assert_uint_eq(meant_id(&meant, &one, 1.0), PACKET_ANY);
	meant_note(&meant, &one, 0x105902db, 1.0);
	meant_note(&meant, &two, 0x10555217, 1.0);
	one.sa.v4.sin_port = 1234; /* another socket */
	ck_assert_uint_eq(meant_id(&meant, &one, 2.0), 0x105902db);
	ck_assert_uint_eq(meant_id(&meant, &two, 2.0), 0x10555217);
	ck_assert_uint_eq(meant_id(&meant, &far, 2.0), PACKET_ANY);
	meant_note(&meant, &one, PACKET_ANY, 3.0);
	ck_assert_uint_eq(meant_id(&meant, &one, 3.0), PACKET_ANY);
	ck_assert_uint_eq(meant_id(&meant, &two, 1.0 + MEANT_S), 0x10555217);
	ck_assert_uint_eq(meant_id(&meant, &two, 1.1 + MEANT_S), PACKET_ANY);
	/* Many push out the oldest, and nobody else. */
	for (unsigned i = 0; i < MEANT_ASKERS - 1; i++) {
		struct addr other = asker(100 + i);

		meant_note(&meant, &other, 100 + i, 4.0 + i / 100.0);
	}
	ck_assert_uint_eq(meant_id(&meant, &two, 5.0), PACKET_ANY);
	for (unsigned i = 0; i < MEANT_ASKERS - 1; i++) {
		struct addr other = asker(100 + i);

		ck_assert_uint_eq(meant_id(&meant, &other, 5.0), 100 + i);
	}
}
END_TEST

START_TEST(each_unit_has_its_part_of_the_lineup_and_is_found_by_port_or_path)
{
	static struct channel channels[] = {
		{ .guide_number = "1", .name = "One", .group = "News", .provider = "a" },
		{ .guide_number = "7.1", .name = "Seven", .group = "Kids & Co" },
		{ .guide_number = "100", .name = "Hundred", .group = "kids", .provider = "b" },
		{ .guide_number = "101", .name = "And one", .provider = "b" },
	};
	static const char *groups[] = { "Kids*", "~^no" }, *providers[] = { "b" }, *numbers[] = { "1", "101-200" };
	static struct config_tuner named[] = {
		{ .label = "kids", .name = "Kids", .path = "/kids", .tuner_count = 1, .group = { groups, 1 } },
		{ .label = "b", .name = "B", .port = 5005, .tuner_count = 1, .provider = { providers, 1 } },
		{ .label = "n", .name = "N", .path = "/n", .tuner_count = 1, .numbers = { numbers, 2 } },
	};
	static struct config config = {
		.tuner = { .label = "", .name = "All", .tuner_count = 2 }, .tuners = named, .tuner_count = 3
	};
	struct lineup lineup = { channels, NITEMS(channels), NULL };
	static struct units units;
	static struct request req;
	const char *path;

	units_init(&units, &config);
	units.at[2].port = 5005;
	ck_assert_int_eq(units_update(&units, &config, &lineup, true), 0);
	ck_assert_uint_eq(units.count, 4);
	ck_assert_uint_eq(units.at[0].lineup.count, 4);
	ck_assert_uint_eq(units.at[1].lineup.count, 2);
	ck_assert_str_eq(units.at[1].lineup.channels[0].guide_number, "7.1");
	ck_assert_uint_eq(units.at[2].lineup.count, 2);
	ck_assert_ptr_nonnull(lineup_find(&units.at[2].lineup, "101"));
	ck_assert_ptr_null(lineup_find(&units.at[2].lineup, "1"));
	ck_assert_uint_eq(units.at[3].lineup.count, 2);
	ck_assert_ptr_nonnull(lineup_find(&units.at[3].lineup, "1"));
	ck_assert_int_eq(units.at[1].first, UNIT_TUNERS);
	ck_assert_ptr_eq(units_of_tuner(&units, 2 * UNIT_TUNERS + 1), &units.at[2]);

	(void)snprintf(req.path, sizeof(req.path), "/kids/lineup.json");
	ck_assert_ptr_eq(units_find(&units, 5004, &req, &path), &units.at[1]);
	ck_assert_str_eq(path, "/lineup.json");
	ck_assert_ptr_eq(units_find(&units, 5005, &req, &path), &units.at[2]);
	ck_assert_ptr_eq(path, req.path);
	(void)snprintf(req.path, sizeof(req.path), "/kids");
	ck_assert_ptr_eq(units_find(&units, 5004, &req, &path), &units.at[1]);
	ck_assert_str_eq(path, "/");
	(void)snprintf(req.path, sizeof(req.path), "/kidsroom/lineup.json");
	ck_assert_ptr_eq(units_find(&units, 5004, &req, &path), &units.at[0]);

	/* Others are expected: made in steps, of one channel and one pattern, and nothing is so before they are in force. */
	named[0].group.count = 2;
	for (int in_force = 0; in_force < 2; in_force++) {
		struct lineup next = { &channels[2], 2, "device" };
		unsigned steps = 1;

		units_expect(&units, &config, &next);
		while (units_step(&units, 1) == PB_AGAIN)
			steps++;
		ck_assert_uint_eq(steps, 2 * (2 + 3)); /* two groups, and the taking of three units */
		ck_assert_uint_eq(units.at[2].lineup.count, 2);
		ck_assert_str_eq(units.at[1].lineup.channels[0].guide_number, "7.1");
		ck_assert_int_eq(units_update(&units, &config, in_force ? &next : &lineup, true), 0);
		ck_assert_uint_eq(units.at[1].lineup.count, in_force ? 1 : 2);
		ck_assert_uint_eq(units.at[2].lineup.count, 2);
		ck_assert_uint_eq(units.at[3].lineup.count, in_force ? 1 : 2);
		ck_assert(!in_force || strcmp(units.at[1].lineup.device, "device") == 0);
		ck_assert_ptr_null(units.making);
	}
	units_expect(&units, &config, &lineup);
	ck_assert_int_eq(units_step(&units, 1), PB_AGAIN);
	units_forget(&units);

	/* A reload without them: they answer nobody, and nobody else has their place. */
	config.tuner_count = 0;
	ck_assert_int_eq(units_update(&units, &config, &lineup, true), 0);
	ck_assert_ptr_null(units_find(&units, 5005, &req, &path));
	(void)snprintf(req.path, sizeof(req.path), "/kids/lineup.json");
	ck_assert_ptr_eq(units_find(&units, 5004, &req, &path), &units.at[0]);
	units_clear(&units);
}
END_TEST

/* A pipe for standard error while it is needed: what the log says of something, in lines. */
static unsigned
lines_about(const char *event, void (*act)(void *arg), void *arg)
{
	char bytes[8192];
	unsigned n = 0;
	int log[2], old = dup(STDERR_FILENO);
	ssize_t len;

	ck_assert_int_ne(old, -1);
	ck_assert_int_eq(pipe(log), 0);
	ck_assert_int_eq(dup2(log[1], STDERR_FILENO), STDERR_FILENO);
	act(arg);
	ck_assert_int_eq(dup2(old, STDERR_FILENO), STDERR_FILENO);
	(void)close(old);
	(void)close(log[1]);
	len = read(log[0], bytes, sizeof(bytes) - 1);
	(void)close(log[0]);
	bytes[len > 0 ? len : 0] = '\0';
	for (const char *at = bytes; (at = strstr(at, event)) != NULL; at++)
		n++;
	return n;
}

struct sizes {
	struct units *units;
	const struct config *config;
	struct channel *channels;
	const size_t *counts; /* of lineups that come in force one after the other */
	size_t count;
	bool whole;
};

static void
put_in_force(void *arg)
{
	struct sizes *s = arg;

	for (size_t i = 0; i < s->count; i++) {
		struct lineup lineup = { s->channels, s->counts[i], NULL };

		ck_assert_int_eq(units_update(s->units, s->config, &lineup, s->whole), 0);
	}
}

START_TEST(a_lineup_that_is_too_long_or_empty_is_said_once_until_it_is_otherwise)
{
	static struct channel channels[600];
	static const size_t large[] = { 600, 599, 500, 481 }, again[] = { 480, 481 }, some[] = { 3, 3, 3 };
	static const char *none[] = { "9000-9001" };
	static struct config_tuner named[] = {
		{ .label = "n", .name = "N", .path = "/n", .tuner_count = 1, .numbers = { none, 1 } },
	};
	static struct config config = {
		.tuner = { .label = "", .name = "All", .tuner_count = 2 }, .tuners = named, .tuner_count = 1
	};
	static struct units units;
	struct sizes s = { &units, &config, channels, large, NITEMS(large), false };

	for (size_t i = 0; i < NITEMS(channels); i++) {
		(void)snprintf(channels[i].guide_number, GUIDE_NUMBER_MAX, "%zu", i + 1);
		channels[i].name = "One";
	}
	units_init(&units, &config);
	ck_assert_uint_eq(lines_about("event=lineup.large", put_in_force, &s), 1);
	ck_assert(units.at[0].large && !units.at[1].large);
	s.counts = again;
	s.count = NITEMS(again);
	ck_assert_uint_eq(lines_about("event=lineup.large", put_in_force, &s), 1);
	/* A part that has nothing may get it yet, as long as a provider's list is missing. */
	s.counts = some;
	s.count = NITEMS(some);
	ck_assert_uint_eq(lines_about("event=lineup.none", put_in_force, &s), 0);
	s.whole = true;
	ck_assert_uint_eq(lines_about("event=lineup.none", put_in_force, &s), 1);
	ck_assert_uint_eq(lines_about("event=lineup.none", put_in_force, &s), 0);
	units_clear(&units);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("packet");
	TCase *tc = tcase_create("packet");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, every_request_that_clients_send_is_understood, 0, (int)NITEMS(requests));
	tcase_add_loop_test(tc, items_come_in_any_order_and_unknown_ones_are_skipped, 0, (int)NITEMS(payloads));
	tcase_add_test(tc, the_reply_is_the_devices_to_the_byte);
	tcase_add_test(tc, lengths_are_one_byte_or_two);
	tcase_add_test(tc, a_frame_is_never_longer_than_it_may_be);
	tcase_add_loop_test(tc, every_variable_says_what_is_so_and_none_can_be_set, 0, (int)NITEMS(variables));
	tcase_add_test(tc, help_lists_what_is_there_and_nothing_else);
	tcase_add_test(tc, frames_of_variables_are_the_devices_to_the_byte);
	tcase_add_test(tc, a_name_that_is_none_is_answered_as_malformed);
	tcase_add_test(tc, one_asker_has_eight_answers_a_second_for_ever_and_a_flood_has_few_more);
	tcase_add_test(tc, many_askers_have_a_bucket_each_and_the_oldest_makes_room);
	tcase_add_test(tc, a_connection_is_about_what_its_host_searched_for_a_moment_ago);
	tcase_add_test(tc, each_unit_has_its_part_of_the_lineup_and_is_found_by_port_or_path);
	tcase_add_test(tc, a_lineup_that_is_too_long_or_empty_is_said_once_until_it_is_otherwise);
	suite_add_tcase(suite, tc);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
