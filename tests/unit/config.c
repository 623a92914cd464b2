/*
 * config.c - what plexbridge.ini may say, and what is said about the rest
 */
#include "config/config.h"

#include <arpa/inet.h>
#include <bsd/string.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/pb.h"
#include "config/ini.h"
#include "config/options.h"

/* Load a text as "t.ini". */
static int
load(struct config **out, struct config_errors *errs, const char *text, const char *const *overrides, size_t count)
{
	FILE *file = tmpfile();
	int err;

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, strlen(text), file), strlen(text));
	rewind(file);
	err = config_read(out, file, "t.ini", overrides, count, errs);
	fclose(file);
	return err;
}

static struct config *
load_good(const char *text)
{
	struct config *config = NULL;
	struct config_errors errs;
	int err = load(&config, &errs, text, NULL, 0);

	ck_assert_msg(err == 0, "%s", errs.count > 0 ? errs.at[0].text : "no message");
	ck_assert_uint_eq(errs.total, 0);
	config_errors_clear(&errs);
	return config;
}

#define FOUR_HEADERS "header = A: b\nheader = A: b\nheader = A: b\nheader = A: b\n"
#define ONE_CHANNEL "[channel 5.1]\nname = First\nurl = http://a.example/x.m3u8\n"

/* Each text has exactly one mistake, and this is what is said about it. */
static const struct {
	const char *text, *message;
} mistakes[] = {
	{ "[stream]\nreserve = 90ms\n", "t.ini:2: reserve: 90ms is less than 2s" },
	{ "[stream]\nreserve = 3m\n", "t.ini:2: reserve: 3m is more than 2m" },
	{ "[stream]\nreserve = 5\n",
	    "t.ini:2: reserve: 5: a duration has a unit, like 500ms, 5s, 10m or 12h, or auto" },
	{ "[stream]\nburst = -1s\n", "t.ini:2: burst: -1s: a duration has a unit, like 500ms, 5s, 10m or 12h" },
	{ "[stream]\nburst = 99999999999999999999s\n",
	    "t.ini:2: burst: 99999999999999999999s: a duration has a unit, like 500ms, 5s, 10m or 12h" },
	{ "[stream]\nspool_max = 1M\n", "t.ini:2: spool_max: 1M is less than 16M" },
	{ "[stream]\nspool_max = 1T\n", "t.ini:2: spool_max: 1T: a size is like 64k, 256M or 1G" },
	{ "[stream]\nprefetch = 0\n", "t.ini:2: prefetch: 0 is less than 1" },
	{ "[stream]\nprefetch = three\n", "t.ini:2: prefetch: three: a whole number would be right" },
	{ "[stream]\nprefetch = 3x\n", "t.ini:2: prefetch: 3x: a whole number would be right" },
	{ "[stream]\nprefetch =\n", "t.ini:2: prefetch: there is no value" },
	{ "[stream]\nprefetch = ; three\n", "t.ini:2: prefetch: there is no value" },
	{ "[stream]\nvariant = 1080\n",
	    "t.ini:2: variant: 1080: best, a height like 1080p or a rate like 8M or 2500k would be right" },
	{ "[stream]\nquarantine_dir = here\n", "t.ini:2: quarantine_dir: here: a path begins with /" },
	{ "[stream]\nreserv = 5s\n", "t.ini:2: reserv: no such setting in [stream]; is reserve meant?" },
	{ "[stream]\ntuner_count = 5\n", "t.ini:2: tuner_count: no such setting in [stream]; it belongs to [tuner]" },
	{ "[stream]\nfrobnicate = 5s\n", "t.ini:2: frobnicate: no such setting in [stream]" },
	{ "[stream]\nburst = 1s\n\nburst = 2s\n", "t.ini:4: burst: is given in line 2 already" },
	{ "[stream]\nburst = 1s\n[stream]\nburst = 2s\n", "t.ini:4: burst: is given in line 2 already" },
	{ "[stream]\nreserve = 30s\nreserve_max = 20s\n",
	    "t.ini:3: reserve: is more than reserve_max: raise reserve_max" },
	{ "[fetch]\nbackoff = 20s\n", "t.ini:2: backoff: is more than backoff_max: raise backoff_max" },
	{ "[server]\nmemory = 128M\n",
	    "t.ini:2: memory: is less than one stream's spool_max: raise memory or lower spool_max" },
	{ "[server]\nuser = plexbridge-worker\n",
	    "t.ini:2: worker_user: is the same as user: workers need a user of their own" },
	{ "[server]\nuser = a b\n", "t.ini:2: user: a b: the name of a system user would be right" },
	{ "[server]\nlog_level = loud\n", "t.ini:2: log_level: loud is none of err, warning, info, debug" },
	{ "[server]\nhosts = tv example\n",
	    "t.ini:2: hosts: tv example: the name of a host, like tv.example.org, would be right" },
	{ "[tuner]\nport = 5005\n", "t.ini:2: port: is for a [tuner NAME]; [tuner] is where [server] listen says" },
	{ "[tuner]\npath = /a\n", "t.ini:2: path: is for a [tuner NAME]; [tuner] has none" },
	{ "[tuner]\nnumbers = 5-3\n",
	    "t.ini:2: numbers: 5-3: a number like 7.1, or a range like 100-199, would be right" },
	{ "[tuner]\nnumbers = 1-\n",
	    "t.ini:2: numbers: 1-: a number like 7.1, or a range like 100-199, would be right" },
	{ "[tuner]\nprovider = home\n", "t.ini:2: tuner: provider: there is no [provider home]" },
	{ "[tuner a b]\n",
	    "t.ini:1: [tuner a b]: a name is at most 31 letters, digits, '-' or '_', and no path of the tuner's own" },
	{ "[tuner auto]\n",
	    "t.ini:1: [tuner auto]: a name is at most 31 letters, digits, '-' or '_', and no path of the tuner's own" },
	{ "[tuner a]\npath = a\n", "t.ini:2: path: a: a slash and a word, like /kids, would be right" },
	{ "[tuner a]\npath = /a/b\n", "t.ini:2: path: /a/b: a slash and a word, like /kids, would be right" },
	{ "[tuner a]\npath = /tuner1\n",
	    "t.ini:2: path: /tuner1: this is a path of the tuner's own; another word, like /kids, would be right" },
	{ "[tuner a]\n[tuner a]\npath = /b\n", "t.ini:2: tuner a: is also the tuner of line 1: give it another name" },
	{ "[tuner a]\n[tuner b]\npath = /a\n", "t.ini:2: tuner b: path: is also that of line 1" },
	{ "[tuner a]\nport = 5005\n[tuner b]\nport = 5005\n", "t.ini:3: tuner b: port: is also that of line 1" },
	{ "[tuner a]\nport = 5004\n", "t.ini:1: tuner a: port: 5004 is [server] listen's: give it another one" },
	{ "[tuner a]\ndevice_id = 105902DB\n[tuner b]\ndevice_id = 105902DB\n",
	    "t.ini:3: tuner b: device_id: is also that of line 1" },
	{ "[tuner]\ndevice_id = 105902DB\n[tuner b]\ndevice_id = 105902DB\n",
	    "t.ini:3: tuner b: device_id: is also [tuner]'s" },
	{ "[tuner a]\nlisten = :1\n", "t.ini:2: listen: no such setting in [tuner]; it belongs to [server]" },
	{ "[server]\nlisten = 5004\n", "t.ini:2: listen: 5004: an address is like 0.0.0.0:5004, [::]:5004 or :80" },
	{ "[server]\nlisten = :0\n", "t.ini:2: listen: :0: an address is like 0.0.0.0:5004, [::]:5004 or :80" },
	{ "[server]\nlisten = :65536\n", "t.ini:2: listen: :65536: an address is like 0.0.0.0:5004, [::]:5004 or :80" },
	{ "[server]\nlisten = host:80\n",
	    "t.ini:2: listen: host:80: an address is like 0.0.0.0:5004, [::]:5004 or :80" },
	{ "[server]\nlisten = :80, :80\n", "t.ini:2: listen: :80, :80: an address is there twice" },
	{ "[server]\nlisten = :80,\n", "t.ini:2: listen: :80,: an address is like 0.0.0.0:5004, [::]:5004 or :80" },
	{ "[server]\nlisten = :1,:2,:3,:4,:5,:6,:7,:8,:9\n",
	    "t.ini:2: listen: :1,:2,:3,:4,:5,:6,:7,:8,:9: at most 8 addresses would be right" },
	{ "[server]\nallow = everyone\n",
	    "t.ini:2: allow: everyone: private, any, an address or a prefix like 10.0.0.0/8 would be right" },
	{ "[server]\nallow = 10.0.0.0/33\n",
	    "t.ini:2: allow: 10.0.0.0/33: a prefix has at most 32 bits, 128 for IPv6" },
	{ "[server]\nadvertise = http://x/\n",
	    "t.ini:2: advertise: http://x/: what clients can reach would be right, like 192.168.1.5:5004" },
	{ "[server]\ncontrol = /"
	  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	  "01234567\n",
	    "t.ini:2: control: "
	    "/01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
	    "8901234567: at most 107 bytes would be right" },
	{ "[tuner]\ndevice_id = 123\n", "t.ini:2: device_id: 123: 8 hex digits or auto would be right" },
	{ "[tuner]\ndevice_id = 12345678\n",
	    "t.ini:2: device_id: 12345678: its check digit is wrong; only the last digit need change, or take auto" },
	{ "[tuner]\ndevice_id = 1010C032\n",
	    "t.ini:2: device_id: 1010C032: clients take it for an old device without HTTP; one that begins with 105 "
	    "would be "
	    "right" },
	{ "[tuner]\ndevice_id = 00000000\n",
	    "t.ini:2: device_id: 00000000: it means any device; auto makes a good one" },
	{ "[discovery]\nssdp = true\n", "t.ini:2: ssdp: true: yes or no would be right" },
	{ "[discovery]\ninterfaces = eth0,,eth1\n", "t.ini:2: interfaces: eth0,,eth1: an item is empty" },
	{ "[discovery]\ninterfaces = an-interface-that-is-long\n",
	    "t.ini:2: interfaces: an-interface-that-is-long: the name of an interface, like eth0, would be right" },
	{ "[provider p]\nguide_shift = 1h\n", "t.ini:2: guide_shift: there is no guide in [provider p]" },
	{ "[provider p]\nplaylist = /l.m3u\nguide_shift = 1h\nguide2 = /g.xml\n",
	    "t.ini:3: guide_shift: there is no guide in [provider p]" },
	{ "[provider p]\nplaylist = /l.m3u\nguide = /g.xml\nguide3_shift = -1h\n",
	    "t.ini:4: guide3_shift: there is no guide3 in [provider p]" },
	{ "[provider p]\nquality = SD, HD, FHD, 4K, SD\n",
	    "t.ini:2: quality: SD, HD, FHD, 4K, SD: at most 4 items would be right" },
	{ "[discovery]\ninterfaces = a0,a1,a2,a3,a4,a5,a6,a7,a8,a9,b0,b1,b2,b3,b4,b5,b6\n",
	    "t.ini:2: interfaces: a0,a1,a2,a3,a4,a5,a6,a7,a8,a9,b0,b1,b2,b3,b4,b5,b6: at most 16 items would be "
	    "right" },
	{ "[tuner]\nname = 0123456789012345678901234567890123456789012345678901234567890123\n",
	    "t.ini:2: name: 0123456789012345678901234567890123456789012345678901234567890123: at most 63 bytes would "
	    "be "
	    "right" },
	{ "[tunner]\nname = x\n", "t.ini:1: [tunner]: no such section; is [tuner] meant?" },
	{ "[nonsense]\nname = x\n",
	    "t.ini:1: [nonsense]: no such section; there are server, tuner, tuner NAME, discovery, stream, fetch, "
	    "testcard, "
	    "provider "
	    "NAME and channel NUMBER" },
	{ "name = x\nurl = y\n", "t.ini:1: name: stands before any [section]" },
	{ "[tuner]\nname\n", "t.ini:2: neither [section] nor key = value" },
	{ "[tuner]\n= x\n", "t.ini:2: there is no key before the =" },
	{ "[tuner]\nname = x\n and more = y\n",
	    "t.ini:3: a key is letters, digits and _; a value can't go on in the next line" },
	{ "[tuner\nname = x\n", "t.ini:1: a section is [name], alone in its line" },
	{ "[tuner] x\n", "t.ini:1: a section is [name], alone in its line" },
	{ "[tuner]\nname = a\001b\n", "t.ini:2: there is a control character in the line" },
	{ "[tuner]\nname = a\xff\n", "t.ini:2: the line is not UTF-8" },
	{ "[tuner]\nname = \xed\xa0\x80\n", "t.ini:2: the line is not UTF-8" },
	{ "[channel 5.1]\nname = First\n", "t.ini:1: channel 5.1: it has no url" },
	{ "[channel 5.1]\nurl = http://a.example/\n", "t.ini:1: channel 5.1: it has no name" },
	{ "[channel 5.1]\nname = First\nurl = ftp://a.example/x\n",
	    "t.ini:3: url: ftp://***: only http:// and https:// can be fetched" },
	{ ONE_CHANNEL "header = no colon\n", "t.ini:4: header: ***: a header is Name: value" },
	{ ONE_CHANNEL "header = Content-Length: 5\n", "t.ini:4: header: ***: this header is set by PlexBridge itself" },
	{ ONE_CHANNEL "header = X-Empty:\n", "t.ini:4: header: ***: a header needs a value, like Name: value" },
	{ ONE_CHANNEL FOUR_HEADERS FOUR_HEADERS FOUR_HEADERS FOUR_HEADERS "header = B: c\n",
	    "t.ini:20: header: ***: at most 16 headers would be right" },
	{ ONE_CHANNEL "provider = home\n", "t.ini:1: channel 5.1: provider: there is no [provider home]" },
	{ ONE_CHANNEL "backup1 = http://b.example/\nbackup1_provider = other\n",
	    "t.ini:1: channel 5.1: the provider of a backup: there is no [provider other]" },
	{ ONE_CHANNEL "backup2_provider = home\n[provider home]\n",
	    "t.ini:1: channel 5.1: backup2_provider: there is no backup2" },
	{ ONE_CHANNEL ONE_CHANNEL, "t.ini:4: channel 5.1: is also the channel of line 1: give it another number" },
	{ ONE_CHANNEL "[testcard]\nenabled = yes\nnumber = 5.1\n",
	    "t.ini:6: number: 5.1 is also the channel of line 1" },
	{ "[testcard]\nnumber = 0\n", "t.ini:2: number: 0: a number is digits with at most one dot, and not 0" },
	{ "[channel 0]\nname = x\nurl = http://a.example/\n",
	    "t.ini:1: [channel 0]: a number is digits with at most one dot, like 5 or 5.1, not 0, and has at most 15 "
	    "characters" },
	{ "[channel]\nname = x\nurl = http://a.example/\n",
	    "t.ini:1: [channel ]: a number is digits with at most one dot, like 5 or 5.1, not 0, and has at most 15 "
	    "characters" },
	{ "[provider]\nmax_streams = 1\n",
	    "t.ini:1: [provider]: it needs a name of at most 63 bytes, like [provider home]" },
	{ "[provider a]\n[provider a]\n", "t.ini:2: provider a: is also the provider of line 1: give it another name" },
	{ "[provider a]\nxtream = http://a.example\nusername = u\n",
	    "t.ini:1: provider a: xtream: username and password are needed with it" },
	{ "[provider a]\nplaylist = http://a.example/\nxtream = http://a.example/\nusername = u\npassword = p\n",
	    "t.ini:1: provider a: playlist, xtream: one of them, not both" },
	{ "[provider a]\nshrink_guard = 50\n", "t.ini:2: shrink_guard: 50: a share is from 0% to 100%" },
	{ "[provider a]\nexclude_name = ~(a\n",
	    "t.ini:2: exclude_name: ~(a: what follows ~ is no extended regular expression" },
	{ "[provider a]\nquality = FHD, Ultra\n",
	    "t.ini:2: quality: FHD, Ultra: a list of 4K, FHD, HD and SD would be right" },
	/* Each of its bytes would be a range: whole characters are none. */
	{ "[provider a]\nexclude_name = ~[\xc3\xa0-\xc3\xa9]\n",
	    "t.ini:2: exclude_name: ~[\xc3\xa0-\xc3\xa9]: what follows ~ is no extended regular expression" },
};

START_TEST(a_mistake_is_named_with_its_line_its_key_and_what_would_be_right)
{
	struct config *config = NULL;
	struct config_errors errs;
	int err = load(&config, &errs, mistakes[_i].text, NULL, 0);

	ck_assert_int_eq(err, PB_EFORMAT);
	ck_assert_ptr_null(config);
	ck_assert_uint_eq(errs.count, 1);
	ck_assert_str_eq(errs.at[0].text, mistakes[_i].message);
	config_errors_clear(&errs);
}
END_TEST

START_TEST(all_mistakes_are_named_in_one_run_and_in_their_order)
{
	struct config *config = NULL;
	struct config_errors errs;
	char text[20000] = "";
	size_t len = 0;

	ck_assert_int_eq(load(&config, &errs,
			     "[stream]\nburst = x\n[nope]\n[channel 7]\nname = seven\n[channel 0]\nurl = gopher://a/\n"
			     "[channel 3]\nname = three\nurl = http://a.example/\nheader = x\n",
			     NULL, 0),
	    PB_EFORMAT);
	ck_assert_uint_eq(errs.count, 6);
	for (size_t i = 1; i < errs.count; i++)
		ck_assert_uint_le(errs.at[i - 1].line, errs.at[i].line);
	config_errors_clear(&errs);

	for (int i = 0; i < 300; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "[nope%d]\n", i);
	ck_assert_int_eq(load(&config, &errs, text, NULL, 0), PB_EFORMAT);
	ck_assert_uint_eq(errs.count, CONFIG_ERRORS_MAX);
	ck_assert_uint_eq(errs.total, 300);
	config_errors_clear(&errs);
}
END_TEST

START_TEST(a_message_never_shows_a_secret)
{
	static const char *const texts[] = {
		"[channel 1]\nname = x\nurl = ftp://user:hunter2@a.example/live/u/hunter2/1.ts?token=hunter2\n",
		ONE_CHANNEL "header = Cookie hunter2\n",
		ONE_CHANNEL "url = http://a.example/?password=hunter2\n",
		"[provider a]\nplaylist = gopher://x/?hunter2\n",
		"[provider a]\npassword = hunter2 "
		"......................................................................................................"
		".."
		"......................................................................................................"
		".."
		"......................................................................................................"
		"..\n",
	};

	for (size_t i = 0; i < NITEMS(texts); i++) {
		struct config *config = NULL;
		struct config_errors errs;

		ck_assert_int_eq(load(&config, &errs, texts[i], NULL, 0), PB_EFORMAT);
		ck_assert_uint_gt(errs.count, 0);
		for (size_t j = 0; j < errs.count; j++)
			ck_assert_msg(strstr(errs.at[j].text, "hunter2") == NULL, "%s", errs.at[j].text);
		config_errors_clear(&errs);
	}
}
END_TEST

/* The shipped file shows every default, so reading it changes nothing. */
START_TEST(the_shipped_file_says_exactly_the_defaults_of_the_table)
{
	const char *top = getenv("top_srcdir");
	char path[4096];
	struct config *shipped = NULL, *empty = load_good("");
	struct config_errors errs;
	int err;

	snprintf(path, sizeof(path), "%s/dist/plexbridge.ini", top != NULL ? top : ".");
	err = config_load(&shipped, path, NULL, 0, &errs);
	ck_assert_msg(err == 0, "%s", errs.count > 0 ? errs.at[0].text : "no message");
	for (const struct setting *s = settings; s->section != NULL; s++) {
		char *a, *b;

		if (strcmp(s->section, "channel") == 0 || strcmp(s->section, "provider") == 0)
			continue;
		a = setting_text(s, shipped, false);
		b = setting_text(s, empty, false);
		ck_assert_str_eq(a, b);
		free(a);
		free(b);
	}
	config_errors_clear(&errs);
	config_free(&shipped);
	config_free(&empty);
}
END_TEST

/* Take the ; from "key = value" and "[section]" lines: the examples must be right too, and all rows be there. */
START_TEST(the_shipped_file_has_every_setting_and_its_examples_are_right)
{
	const char *top = getenv("top_srcdir");
	char path[4096], line[512], text[20000] = "";
	size_t len = 0;
	struct config *config;
	FILE *file;

	snprintf(path, sizeof(path), "%s/dist/plexbridge.ini", top != NULL ? top : ".");
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		const char *s = line;

		if (strncmp(s, ";playlist", 9) == 0) /* one of playlist and xtream */
			s = "\n";
		else if (s[0] == ';' && s[1] != ' ' && s[1] != '\n')
			s++;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", s);
		ck_assert_uint_lt(len, sizeof(text));
	}
	fclose(file);
	config = load_good(text);
	ck_assert_uint_eq(config->lineup.count, 1);
	ck_assert_str_eq(config->lineup.channels[0].guide_number, "5.1");
	ck_assert_uint_eq(config->lineup.channels[0].backup_count, 1);
	ck_assert_str_eq(config->lineup.channels[0].more->request.headers[0], "Referer: https://first.example/");
	ck_assert_uint_eq(config->provider_count, 1);
	ck_assert_uint_eq(config->providers[0].include_group.count, 2);
	ck_assert_str_eq(config->providers[0].exclude_name.items[0], "~adult|xxx");
	config_free(&config);
	for (const struct setting *s = settings; s->section != NULL; s++) {
		char want[64];

		if (strncmp(s->key, "backup", 6) == 0 && s->key[6] > '1') /* one of eight stands for all */
			continue;
		if (strncmp(s->key, "guide", 5) == 0 && s->key[5] >= '2' && s->key[5] <= '4') /* so does one of four */
			continue;
		snprintf(want, sizeof(want), "\n%s = ", s->key);
		ck_assert_msg(
		    strcmp(s->key, "playlist") == 0 || strstr(text, want) != NULL, "%s.%s", s->section, s->key);
	}
}
END_TEST

START_TEST(values_are_read_in_their_units)
{
	struct config *c = load_good("\xef\xbb\xbf[server]\r\n"
				     "listen = 127.0.0.1:5004, [::1]:80 , :8080\r\n"
				     "allow = private, 203.0.113.7, 2001:db8::/33\n"
				     "memory = 2G\n"
				     "log = syslog\n"
				     "log_level = debug ; all of it\n"
				     "advertise = [fd00::5]:5004\n"
				     "\t[tuner]\n"
				     "   name = Wohnzimmer \xc3\xa4 ;a;b\n"
				     "\tdevice_id = 105404be\n"
				     "# a comment\n"
				     "[stream]\n"
				     "variant = 2500k\n"
				     "reserve = 2s\n"
				     "burst = 0\n"
				     "paused = 1h\n"
				     "slate_after = 10s\n");

	ck_assert_uint_eq(c->server.listen.count, 3);
	ck_assert_int_eq(c->server.listen.at[1].sa.any.sa_family, AF_INET6);
	ck_assert_uint_eq(ntohs(c->server.listen.at[1].sa.v6.sin6_port), 80);
	ck_assert_uint_eq(c->server.listen.at[2].sa.v4.sin_addr.s_addr, htonl(INADDR_ANY));
	ck_assert(c->server.allow.private && !c->server.allow.any);
	ck_assert_uint_eq(c->server.allow.count, 2);
	ck_assert_uint_eq(c->server.memory_bytes, (uint64_t)2 << 30);
	ck_assert_int_eq(c->server.log_level, LOG_DEBUG);
	ck_assert_str_eq(c->server.advertise, "[fd00::5]:5004");
	ck_assert_str_eq(c->tuner.name, "Wohnzimmer \xc3\xa4");
	ck_assert_uint_eq(c->tuner.device_id, 0x105404be);
	ck_assert_int_eq(c->stream.variant.kind, VARIANT_RATE);
	ck_assert_uint_eq(c->stream.variant.value, 2500000);
	ck_assert_uint_eq(c->stream.reserve_ms, 2000);
	ck_assert_uint_eq(c->stream.burst_ms, 0);
	ck_assert_uint_eq(c->stream.paused_ms, 3600000);
	ck_assert_uint_eq(c->stream.slate_after_ms, 10000);
	ck_assert_uint_eq(c->stream.watchdog_ms, 2000);
	ck_assert_str_eq(c->server.user, "plexbridge");
	config_free(&c);
	ck_assert_ptr_null(c);
}
END_TEST

/* A URL of 4 KiB whose ; (and =, #) stands at each place, and so at each border between pieces. */
START_TEST(a_long_url_passes_unharmed_whatever_stands_where_it_is_cut)
{
	static const char marks[] = { ';', '#', '=', '[', ']', ':' };
	static char url[4097], text[8192];
	struct config *config;

	for (size_t at = 20; at < 4096; at++) {
		memset(url, 'u', 4096);
		memcpy(url, "http://cdn.example/", 19);
		url[at] = marks[_i];
		snprintf(text, sizeof(text), "[channel 1]\nname = x\nurl = %s\ngroup = after\n", url);
		config = load_good(text);
		ck_assert_str_eq(config->lineup.channels[0].url, url);
		ck_assert_str_eq(config->lineup.channels[0].group, "after");
		config_free(&config);
	}
}
END_TEST

/* Each blank of a URL is three bytes when it is asked for. */
START_TEST(a_url_that_is_too_long_once_it_is_encoded_is_refused)
{
	char url[4000] = "http://cdn.example/";
	const char *why = "";

	memset(url + 19, ' ', 2700);
	memcpy(url + 19 + 2700, "x", 2);
	ck_assert_int_eq(config_parse_url(url, &why), 0);
	memset(url + 19, ' ', 2800);
	memcpy(url + 19 + 2800, "x", 2);
	ck_assert_int_ne(config_parse_url(url, &why), 0);
	ck_assert_str_eq(why, "a URL has at most 8191 bytes");
}
END_TEST

/* The same with a blank, in a value where blanks are legal, and two and three of them. */
START_TEST(a_blank_where_a_long_line_is_cut_is_kept)
{
	static char value[256], text[8192];
	struct config *config;

	for (size_t at = 1; at < 250; at++) {
		memset(value, 'v', 255);
		value[255] = '\0';
		value[at] = ' ';
		if (at + 2 < 255 && at % 2 == 0)
			value[at + 1] = ' ';
		snprintf(text, sizeof(text),
		    "[channel 1]\nname = x\nurl = http://a.example/\nheader = X-%s: y\nguide_id = %s\n", "long", value);
		config = load_good(text);
		ck_assert_str_eq(channel_guide_id(&config->lineup.channels[0]), value);
		config_free(&config);
	}
}
END_TEST

/* One header of 4000 bytes, and another that fills what a message holds, or one byte more. */
START_TEST(headers_that_can_not_be_sent_together_are_refused_in_the_line_of_the_first_that_is_too_much)
{
	static char a[4001], b[256], text[8192];
	struct config *config = NULL;
	struct config_errors errs;
	size_t last = CHANNEL_HEADERS_LEN - (sizeof(a) - 1) - 2 + (size_t)_i;
	int err;

	memset(a, 'a', sizeof(a) - 1);
	memset(b, 'b', last);
	memcpy(a, "A: ", 3);
	memcpy(b, "B: ", 3);
	b[last] = '\0';
	snprintf(text, sizeof(text), ONE_CHANNEL "header = %s\nheader = %s\n", a, b);
	err = load(&config, &errs, text, NULL, 0);
	if (_i == 0) {
		ck_assert_int_eq(err, 0);
		ck_assert_uint_eq(config->lineup.channels[0].more->request.header_count, 2);
	} else {
		ck_assert_int_eq(err, PB_EFORMAT);
		ck_assert_uint_eq(errs.total, 1);
		ck_assert_str_eq(errs.at[0].text,
		    "t.ini:5: header: ***: a channel's headers have at most 4096 bytes together, each counted with one "
		    "more");
	}
	config_free(&config);
	config_errors_clear(&errs);
}
END_TEST

START_TEST(a_shift_is_also_of_the_guide_that_a_provider_has_by_itself)
{
	struct config *c = load_good("[provider p]\nplaylist = /l.m3u\nguide_shift = -1h\n");

	ck_assert_int_eq(c->providers[0].guide_shift_min[0], -60);
	config_free(&c);
}
END_TEST

START_TEST(a_comment_needs_a_blank_before_it)
{
	struct config *c = load_good("[channel 1]\nname = a;b ; c\nurl = http://x.example/a;b=c#d\n"
				     "header = Cookie: a=1;b=2\nlogo = http://x.example/;y\t; comment\n");

	ck_assert_str_eq(c->lineup.channels[0].name, "a;b");
	ck_assert_str_eq(c->lineup.channels[0].url, "http://x.example/a;b=c#d");
	ck_assert_str_eq(c->lineup.channels[0].more->request.headers[0], "Cookie: a=1;b=2");
	ck_assert_str_eq(c->lineup.channels[0].logo, "http://x.example/;y");
	config_free(&c);
}
END_TEST

START_TEST(a_line_of_8_KiB_is_read_and_a_longer_one_is_named)
{
	static char text[3 * INI_LINE_BYTES];
	struct config *config = NULL;
	struct config_errors errs;

	memset(text, 'x', sizeof(text));
	memcpy(text, "[tuner]\n;", 9);
	text[8 + INI_LINE_BYTES] = '\n';
	strlcpy(text + 9 + INI_LINE_BYTES, "name = y\n", 100);
	ck_assert_int_eq(load(&config, &errs, text, NULL, 0), 0);
	ck_assert_str_eq(config->tuner.name, "y");
	config_free(&config);
	config_errors_clear(&errs);

	memset(text, 'x', sizeof(text));
	memcpy(text, "[tuner]\n;", 9);
	text[9 + INI_LINE_BYTES] = '\n';
	strlcpy(text + 10 + INI_LINE_BYTES, "nome = y\n", 100);
	ck_assert_int_eq(load(&config, &errs, text, NULL, 0), PB_EFORMAT);
	ck_assert_uint_eq(errs.count, 2);
	ck_assert_str_eq(errs.at[0].text, "t.ini:2: the line is longer than 8 KiB");
	ck_assert_str_eq(errs.at[1].text, "t.ini:3: nome: no such setting in [tuner]; is name meant?");
	config_errors_clear(&errs);
}
END_TEST

START_TEST(the_line_number_of_a_mistake_is_right_behind_long_lines)
{
	static char text[8192];
	struct config *config = NULL;
	struct config_errors errs;

	snprintf(text, sizeof(text),
	    "[channel 1]\nname = x\nurl = http://a.example/%01000d\nlogo = http://a.example/%0900d\nx = 1\n", 1, 2);
	ck_assert_int_eq(load(&config, &errs, text, NULL, 0), PB_EFORMAT);
	ck_assert_uint_eq(errs.count, 1);
	ck_assert_str_eq(errs.at[0].text, "t.ini:5: x: no such setting in [channel]");
	config_errors_clear(&errs);
}
END_TEST

START_TEST(the_command_line_has_the_last_word_and_is_checked_too)
{
	static const char *const good[] = { "tuner.tuner_count=7", "server.listen=:80,:81", "stream.variant=720p" };
	static const char *const bad[] = { "tuner.tuner_count=0", "tuner.tuner_cont=1", "nope.x=1", "tuner",
		"tuner.name", "channel 5.url=http://a.example/", "stream.reserve=90s" };
	static const char *const said[] = { "-o: tuner.tuner_count: 0 is less than 1",
		"-o: tuner_cont: no such setting in [tuner]; is tuner_count meant?",
		("-o: [nope]: no such section; there are server, tuner, tuner NAME, discovery, stream, fetch, "
		 "testcard, provider "
		 "NAME and "
		 "channel NUMBER"),
		"-o: tuner: section.key=value would be right", "-o: tuner.name: section.key=value would be right",
		"-o: channel 5: channels and providers can't be given with -o",
		"-o: reserve: is more than reserve_max: raise reserve_max" };
	struct config *config = NULL;
	struct config_errors errs;

	ck_assert_int_eq(load(&config, &errs, "[tuner]\ntuner_count = 2\n", good, NITEMS(good)), 0);
	ck_assert_int_eq(config->tuner.tuner_count, 7);
	ck_assert_uint_eq(config->server.listen.count, 2);
	ck_assert_int_eq(config->stream.variant.kind, VARIANT_HEIGHT);
	config_free(&config);
	config_errors_clear(&errs);

	ck_assert_int_eq(load(&config, &errs, "", bad, NITEMS(bad)), PB_EFORMAT);
	ck_assert_uint_eq(errs.count, NITEMS(said));
	for (size_t i = 0; i < NITEMS(said); i++)
		ck_assert_str_eq(errs.at[i].text, said[i]);
	config_errors_clear(&errs);
}
END_TEST

START_TEST(a_file_that_was_asked_for_must_be_there)
{
	static const char *const paths[] = { "/nonexistent/x.ini", "/" };
	struct config *config = NULL;
	struct config_errors errs;

	for (size_t i = 0; i < NITEMS(paths); i++) {
		ck_assert_int_eq(config_load(&config, paths[i], NULL, 0, &errs), PB_EFORMAT);
		ck_assert_uint_eq(errs.count, 1);
		ck_assert_ptr_nonnull(strstr(errs.at[0].text, i == 0 ? "can't be opened" : "can't be read"));
		ck_assert_ptr_null(config);
		config_errors_clear(&errs);
	}
}
END_TEST

START_TEST(without_channels_there_is_the_test_card_and_with_one_there_is_not)
{
	static const struct {
		const char *text;
		size_t count;
		const char *card; /* number, or NULL: not there */
	} cases[] = {
		{ "", 1, "1" },
		{ "[testcard]\nnumber = 99.9\n", 1, "99.9" },
		{ "[testcard]\nenabled = no\n", 0, NULL },
		{ ONE_CHANNEL, 1, NULL },
		{ ONE_CHANNEL "[testcard]\nenabled = yes\n", 2, "1" },
		{ "[provider a]\nplaylist = http://a.example/\n", 0, NULL },
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct config *c = load_good(cases[i].text);
		const struct channel *card = cases[i].card != NULL ? lineup_find(&c->lineup, cases[i].card) : NULL;

		ck_assert_uint_eq(c->lineup.count, cases[i].count);
		ck_assert_int_eq(card != NULL, cases[i].card != NULL);
		if (card != NULL) {
			ck_assert(card->testcard);
			ck_assert_str_eq(card->name, "Test Card");
			ck_assert_ptr_null(card->url);
		}
		config_free(&c);
	}
}
END_TEST

START_TEST(channels_are_in_the_order_of_their_numbers_and_found_by_their_text)
{
	static const char *const numbers[] = { "10", "5.10", "5.2", "100", "5", "05", "5.1", "2", "5.0", "0.5",
		"99999999999999" };
	static const char *const order[] = { "0.5", "2", "05", "5", "5.0", "5.1", "5.2", "5.10", "10", "100",
		"99999999999999" };
	char text[4096] = "";
	size_t len = 0;
	struct config *c;

	for (size_t i = 0; i < NITEMS(numbers); i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "[channel %s]\nname = x\nurl = http://a.example/\n", numbers[i]);
	c = load_good(text);
	ck_assert_uint_eq(c->lineup.count, NITEMS(order));
	for (size_t i = 0; i < NITEMS(order); i++) {
		ck_assert_str_eq(c->lineup.channels[i].guide_number, order[i]);
		ck_assert_ptr_eq(lineup_find(&c->lineup, order[i]), &c->lineup.channels[i]);
		ck_assert_int_eq(lineup_index(&c->lineup, &c->lineup.channels[i]), (long)i);
	}
	ck_assert_ptr_null(lineup_find(&c->lineup, "5.01"));
	ck_assert_ptr_null(lineup_find(&c->lineup, ""));
	ck_assert_ptr_null(lineup_find(&c->lineup, "abc"));
	ck_assert_ptr_null(lineup_find(&c->lineup, "5.1.1"));
	ck_assert_int_eq(lineup_index(&c->lineup, NULL), -1);
	config_free(&c);
}
END_TEST

START_TEST(a_guide_number_is_digits_with_at_most_one_dot)
{
	static const char *const good[] = { "1", "5.1", "100", "0.1", "123456789012345" };
	static const char *const bad[] = { "", "0", "00", "0.0", ".", "5.", ".5", "5.1.1", "5-1", "-5", "5 ", "v5",
		"1234567890123456" };

	for (size_t i = 0; i < NITEMS(good); i++)
		ck_assert_msg(guide_number_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < NITEMS(bad); i++)
		ck_assert_msg(!guide_number_valid(bad[i]), "%s", bad[i]);
}
END_TEST

static void
note(void *user, enum lineup_change change, const struct channel *was, const struct channel *now)
{
	static const char *const words[] = { "+", "-", "s", "w" };
	char *text = user;

	strlcat(text, words[change], 200);
	strlcat(text, was != NULL ? was->guide_number : now->guide_number, 200);
	ck_assert((was == NULL) == (change == LINEUP_ADDED));
	ck_assert((now == NULL) == (change == LINEUP_REMOVED));
}

START_TEST(a_reload_can_tell_what_became_of_each_channel)
{
#define CH(number, name, url, more) "[channel " number "]\nname = " name "\nurl = http://a.example/" url "\n" more
	struct config *a = load_good(CH("1", "one", "1", "") CH("2", "two", "2", "") CH("3", "three", "3", "")
		CH("4", "four", "4", "header = A: b\n") CH("5", "five", "5", "backup1 = http://b.example/\n"));
	struct config *b = load_good(CH("0.5", "half", "1", "") CH("2", "TWO", "2", "") CH("3", "three", "33", "")
		CH("4", "four", "4", "header = A: c\n") CH("5", "five", "5", "") CH("6", "six", "6", ""));
	char text[200] = "";

	lineup_diff(&a->lineup, &b->lineup, note, text);
	ck_assert_str_eq(text, "+0.5-1w2s3s4s5+6");
	text[0] = '\0';
	lineup_diff(&a->lineup, &a->lineup, note, text);
	ck_assert_str_eq(text, "");
	config_free(&a);
	config_free(&b);
}
END_TEST

START_TEST(a_reload_can_tell_which_settings_wait_for_a_restart)
{
	struct config *a = load_good("[server]\nlisten = :80\n[stream]\nburst = 1s\n");
	struct config *b = load_good("[server]\nlisten = :81\nuser = other\n[stream]\nburst = 2s\n");
	const char *names[1];

	ck_assert_uint_eq(config_needs_restart(a, b, names, 1), 2);
	ck_assert_str_eq(names[0], "server.listen");
	ck_assert_uint_eq(config_needs_restart(a, a, names, 1), 0);
	config_free(&a);
	config_free(&b);
}
END_TEST

START_TEST(what_waits_for_a_restart_stays_as_it_is_in_force)
{
	struct config *a = load_good("[server]\nlisten = :80, [::1]:81\nstate_dir = /a\n[stream]\nburst = 1s\n");
	struct config *b = load_good("[server]\nlisten = :82\nstate_dir = /b\ncontrol = /b/socket\n"
				     "[discovery]\ninterfaces = eth0\nssdp = no\n[stream]\nburst = 2s\n");
	const char *names[1];

	ck_assert_uint_eq(config_needs_restart(a, b, names, 1), 5);
	config_keep_in_force(b, a);
	ck_assert_uint_eq(config_needs_restart(a, b, names, 1), 0);
	ck_assert_uint_eq(b->server.listen.count, 2);
	ck_assert_str_eq(b->server.state_dir, "/a");
	ck_assert_str_eq(b->server.control, a->server.control);
	ck_assert_uint_eq(b->discovery.interfaces.count, 0);
	ck_assert(b->discovery.ssdp);
	ck_assert_uint_eq(b->stream.burst_ms, 2000);
	config_free(&a);
	ck_assert_str_eq(b->server.state_dir, "/a");
	config_free(&b);
}
END_TEST

START_TEST(what_is_shown_of_a_configuration_holds_no_secret)
{
	struct config *c =
	    load_good(ONE_CHANNEL "header = Cookie: hunter2\nbackup3 = http://u:hunter2@b.example/?t=hunter2\n"
				  "provider = a b\n[provider a b]\nplaylist = http://u:hunter2@a.example/?p=hunter2\n"
				  "username = hunter2\npassword = hunter2\n");
	char *dump = config_dump(c);

	ck_assert_ptr_nonnull(dump);
	ck_assert_ptr_null(strstr(dump, "hunter2"));
	ck_assert_ptr_nonnull(strstr(dump, "\"header\": \"Cookie: ***\""));
	ck_assert_ptr_nonnull(strstr(dump, "\"number\": \"5.1\""));
	ck_assert_ptr_nonnull(strstr(dump, "\"listen\": \"0.0.0.0:5004\""));
	ck_assert_ptr_nonnull(strstr(dump, "\"tuner_count\": \"4\""));
	ck_assert_uint_eq(c->lineup.channels[0].backup_count, 1);
	free(dump);
	config_free(&c);
}
END_TEST

START_TEST(a_backup_comes_under_its_own_provider_or_the_channels)
{
	struct config *c = load_good(ONE_CHANNEL "provider = home\nbackup2 = http://b.example/\n"
						 "backup4 = http://c.example/\nbackup4_provider = away\n"
						 "[provider home]\n[provider away]\n");
	const struct channel *channel = &c->lineup.channels[0];

	ck_assert_uint_eq(channel->backup_count, 2);
	ck_assert_str_eq(channel_provider(channel, 0), "home");
	ck_assert_str_eq(channel_provider(channel, 1), "home");
	ck_assert_str_eq(channel_provider(channel, 2), "away");
	ck_assert_str_eq(channel_provider(channel, 3), "home"); /* there is none, so it can't be elsewhere */
	config_free(&c);
}
END_TEST

START_TEST(only_those_who_are_allowed_come_in)
{
	static const struct {
		const char *allow, *from;
		bool in;
	} cases[] = {
		{ "private", "127.0.0.1", true },
		{ "private", "192.168.3.183", true },
		{ "private", "172.31.255.255", true },
		{ "private", "172.32.0.0", false },
		{ "private", "169.254.1.1", true },
		{ "private", "100.64.0.1", false },
		{ "private", "100.128.0.1", false },
		{ "private", "8.8.8.8", false },
		{ "private", "::1", true },
		{ "private", "::2", false },
		{ "private", "fe80::1", true },
		{ "private", "fd12::1", true },
		{ "private", "2001:db8::1", false },
		{ "private", "::ffff:10.1.2.3", true },
		{ "private", "::ffff:8.8.8.8", false },
		{ "any", "8.8.8.8", true },
		{ "any", "2001:db8::1", true },
		{ "203.0.113.0/25", "203.0.113.127", true },
		{ "203.0.113.0/25", "203.0.113.128", false },
		{ "203.0.113.77/25", "203.0.113.1", true },
		{ "203.0.113.5", "203.0.113.5", true },
		{ "203.0.113.5", "203.0.113.4", false },
		{ "203.0.113.5", "127.0.0.1", false },
		{ "0.0.0.0/0", "8.8.8.8", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		union {
			struct sockaddr any;
			struct sockaddr_in v4;
			struct sockaddr_in6 v6;
		} from = { 0 };
		char text[100];
		struct config *c;

		snprintf(text, sizeof(text), "[server]\nallow = %s\n", cases[i].allow);
		c = load_good(text);
		if (inet_pton(AF_INET, cases[i].from, &from.v4.sin_addr) == 1) {
			from.any.sa_family = AF_INET;
		} else {
			ck_assert_int_eq(inet_pton(AF_INET6, cases[i].from, &from.v6.sin6_addr), 1);
			from.any.sa_family = AF_INET6;
		}
		ck_assert_msg(config_allows(&c->server.allow, &from.any) == cases[i].in, "%s from %s", cases[i].allow,
		    cases[i].from);
		config_free(&c);
	}
}
END_TEST

START_TEST(a_device_id_has_the_sum_that_hdhomerun_tools_check)
{
	static const uint32_t valid[] = { 0x10439efd, 0x1251e8e2, 0x105404be, 0x105902db, 0x1000000f };
	static const uint32_t fixed[][2] = { { 0x12345678, 0x12345674 }, { 0x10000000, 0x1000000f },
		{ 0x1043a1bc, 0x1043a1b5 }, { 0x10500000, 0x10500009 } };

	for (size_t i = 0; i < NITEMS(valid); i++)
		ck_assert_uint_eq(device_id_fix(valid[i]), valid[i]);
	for (size_t i = 0; i < NITEMS(fixed); i++)
		ck_assert_uint_eq(device_id_fix(fixed[i][0]), fixed[i][1]);
}
END_TEST

static const struct {
	const char *text;
	int err;
	struct variant_limit want;
} limits[] = {
	{ "best", 0, { VARIANT_BEST, 0 } },
	{ "1080p", 0, { VARIANT_HEIGHT, 1080 } },
	{ "8M", 0, { VARIANT_RATE, 8000000 } },
	{ "800k", 0, { VARIANT_RATE, 800000 } },
	{ "2.5M", PB_EFORMAT, { 0 } },
	{ "", PB_EFORMAT, { 0 } },
	{ "1080", PB_EFORMAT, { 0 } },
	{ "p", PB_EFORMAT, { 0 } },
	{ "0p", PB_EFORMAT, { 0 } },
	{ "70000p", PB_EFORMAT, { 0 } },
	{ "10.5p", PB_EFORMAT, { 0 } },
	{ "8Mb", PB_EFORMAT, { 0 } },
	{ "8m", PB_EFORMAT, { 0 } },
	{ "8.M", PB_EFORMAT, { 0 } },
	{ "1.2.3M", PB_EFORMAT, { 0 } },
	{ "-8M", PB_EFORMAT, { 0 } },
	{ "99999999999M", PB_EFORMAT, { 0 } },
	{ "worst", PB_EFORMAT, { 0 } },
};

START_TEST(the_variant_setting_is_a_height_a_rate_or_best)
{
	struct variant_limit limit = { VARIANT_BEST, 99 };
	const char *why = NULL;

	ck_assert_int_eq(config_parse_variant(&limit, limits[_i].text, &why), limits[_i].err);
	if (limits[_i].err == 0) {
		ck_assert_int_eq(limit.kind, limits[_i].want.kind);
		ck_assert_uint_eq(limit.value, limits[_i].want.value);
	} else {
		ck_assert_uint_eq(limit.value, 99);
	}
}
END_TEST

START_TEST(a_value_is_written_as_it_would_be_read)
{
	static const char *const durations[] = { "0", "1ms", "1500ms", "90s", "10m", "12h" };
	static const char *const sizes[] = { "0", "1", "1000", "64k", "256M", "3G" };
	static const char *const variants[] = { "best", "1080p", "8M", "2500k" };
	struct variant_limit limit;
	const char *why = NULL;
	uint64_t n;
	char out[32];

	for (size_t i = 0; i < NITEMS(durations); i++) {
		ck_assert_int_eq(config_parse_ms(&n, durations[i], &why), 0);
		ck_assert_str_eq(config_format_ms(out, sizeof(out), n), durations[i]);
	}
	for (size_t i = 0; i < NITEMS(sizes); i++) {
		ck_assert_int_eq(config_parse_bytes(&n, sizes[i], &why), 0);
		ck_assert_str_eq(config_format_bytes(out, sizeof(out), n), sizes[i]);
	}
	for (size_t i = 0; i < NITEMS(variants); i++) {
		ck_assert_int_eq(config_parse_variant(&limit, variants[i], &why), 0);
		ck_assert_str_eq(config_format_variant(out, sizeof(out), &limit), variants[i]);
	}
}
END_TEST

START_TEST(ten_thousand_channels_are_loaded_and_each_is_found)
{
	enum { COUNT = 10000 };
	FILE *file = tmpfile();
	struct config *c = NULL;
	struct config_errors errs;
	char number[16];

	ck_assert_ptr_nonnull(file);
	for (int i = COUNT; i > 0; i--)
		fprintf(file, "[channel %d.%d]\nname = Channel %d\nurl = http://cdn.example/live/%d/index.m3u8\n",
		    i / 10 + 1, i % 10, i, i);
	rewind(file);
	ck_assert_int_eq(config_read(&c, file, "t.ini", NULL, 0, &errs), 0);
	fclose(file);
	ck_assert_uint_eq(c->lineup.count, COUNT);
	for (int i = COUNT; i > 0; i--) {
		const struct channel *found;

		snprintf(number, sizeof(number), "%d.%d", i / 10 + 1, i % 10);
		found = lineup_find(&c->lineup, number);
		ck_assert_ptr_nonnull(found);
		ck_assert_uint_eq(found->line, (unsigned)(COUNT - i) * 3 + 1);
	}
	config_free(&c);
	config_errors_clear(&errs);
}
END_TEST

/* Cut the file at every byte: it is understood or refused, nothing else. */
START_TEST(several_tuners_have_what_each_was_given_and_defaults_else)
{
	struct config *config =
	    load_good("[tuner]\nname = Main\nnumbers = 1-99\n"
		      "[tuner kids]\ntuner_count = 2\ngroup = Kids*, ~toon\n"
		      "[tuner sports]\nname = Sports\nport = 5006\nnumbers = 100-199, 7.1\nprovider = a\n"
		      "[provider a]\nplaylist = http://a.example/\n" ONE_CHANNEL);
	char *shown = config_dump(config);

	ck_assert_str_eq(config->tuner.label, "");
	ck_assert_uint_eq(config->tuner_count, 2);
	ck_assert_str_eq(config->tuners[0].label, "kids");
	ck_assert_str_eq(config->tuners[0].name, "kids");
	ck_assert_int_eq(config->tuners[0].tuner_count, 2);
	ck_assert_int_eq(config->tuners[0].port, 0);
	ck_assert_str_eq(config->tuners[0].path, "/kids");
	ck_assert_uint_eq(config->tuners[0].group.count, 2);
	ck_assert_str_eq(config->tuners[1].name, "Sports");
	ck_assert_int_eq(config->tuners[1].tuner_count, 4);
	ck_assert_int_eq(config->tuners[1].port, 5006);
	ck_assert_ptr_null(config->tuners[1].path);
	ck_assert_str_eq(config->tuners[1].numbers.items[1], "7.1");
	ck_assert_str_eq(config->tuners[1].provider.items[0], "a");
	ck_assert_ptr_nonnull(shown);
	ck_assert_ptr_nonnull(strstr(shown, "\"label\": \"sports\""));
	ck_assert_ptr_nonnull(strstr(shown, "\"numbers\": \"100-199, 7.1\""));
	free(shown);
	config_free(&config);
}
END_TEST

START_TEST(a_range_has_its_ends_and_what_is_between_as_numbers_go)
{
	static const struct {
		const char *item, *number;
		bool in;
	} rows[] = {
		{ "100-199", "100", true },
		{ "100-199", "199", true },
		{ "100-199", "150.2", true },
		{ "100-199", "199.1", false },
		{ "100-199", "99.9", false },
		{ "100-199", "1000", false },
		{ "7.1", "7.1", true },
		{ "7.1", "7.10", false },
		{ "7.1", "7", false },
		{ "5.2-5.10", "5.3", true },
		{ "5.2-5.10", "5.1", false },
	};

	for (size_t i = 0; i < NITEMS(rows); i++)
		ck_assert_msg(
		    config_in_range(rows[i].item, rows[i].number) == rows[i].in, "%s %s", rows[i].item, rows[i].number);
}
END_TEST

START_TEST(another_tuner_waits_for_a_restart_and_another_part_does_not)
{
	struct config *one = load_good("[tuner a]\ngroup = x\n" ONE_CHANNEL);
	struct config *part = load_good("[tuner a]\ngroup = y\n" ONE_CHANNEL);
	struct config *two = load_good("[tuner a]\n[tuner b]\n" ONE_CHANNEL);
	struct config *port = load_good("[tuner a]\nport = 5005\n" ONE_CHANNEL);
	const char *names[2];

	ck_assert_uint_eq(config_needs_restart(one, part, names, 2), 0);
	ck_assert_uint_eq(config_needs_restart(one, two, names, 2), 1);
	ck_assert_str_eq(names[0], "tuner NAME");
	ck_assert_uint_eq(config_needs_restart(one, port, names, 2), 1);
	config_free(&one);
	config_free(&part);
	config_free(&two);
	config_free(&port);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_understood_or_refused)
{
	static const char text[] =
	    "[server]\nlisten = :80 ; x\n[channel 5.1]\nname = First\nurl = http://a.example/x;y\n"
	    "header = A: b\n[provider p]\nmax_streams = 1\n[testcard]\nenabled = yes\n";

	for (size_t len = 0; len < sizeof(text); len++) {
		char cut[sizeof(text)];
		struct config *config = NULL;
		struct config_errors errs;
		int err;

		memcpy(cut, text, len);
		cut[len] = '\0';
		err = load(&config, &errs, cut, NULL, 0);
		if (err == 0)
			ck_assert_ptr_nonnull(config);
		else
			ck_assert(err == PB_EFORMAT && errs.count > 0 && config == NULL);
		config_free(&config);
		config_errors_clear(&errs);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config");
	TCase *tc = tcase_create("config");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(
	    tc, a_mistake_is_named_with_its_line_its_key_and_what_would_be_right, 0, (int)NITEMS(mistakes));
	tcase_add_test(tc, all_mistakes_are_named_in_one_run_and_in_their_order);
	tcase_add_test(tc, a_message_never_shows_a_secret);
	tcase_add_test(tc, the_shipped_file_says_exactly_the_defaults_of_the_table);
	tcase_add_test(tc, the_shipped_file_has_every_setting_and_its_examples_are_right);
	tcase_add_test(tc, values_are_read_in_their_units);
	tcase_add_loop_test(tc, a_long_url_passes_unharmed_whatever_stands_where_it_is_cut, 0, 6);
	tcase_add_test(tc, a_url_that_is_too_long_once_it_is_encoded_is_refused);
	tcase_add_test(tc, a_blank_where_a_long_line_is_cut_is_kept);
	tcase_add_loop_test(
	    tc, headers_that_can_not_be_sent_together_are_refused_in_the_line_of_the_first_that_is_too_much, 0, 2);
	tcase_add_test(tc, a_shift_is_also_of_the_guide_that_a_provider_has_by_itself);
	tcase_add_test(tc, a_comment_needs_a_blank_before_it);
	tcase_add_test(tc, a_line_of_8_KiB_is_read_and_a_longer_one_is_named);
	tcase_add_test(tc, the_line_number_of_a_mistake_is_right_behind_long_lines);
	tcase_add_test(tc, the_command_line_has_the_last_word_and_is_checked_too);
	tcase_add_test(tc, a_file_that_was_asked_for_must_be_there);
	tcase_add_test(tc, without_channels_there_is_the_test_card_and_with_one_there_is_not);
	tcase_add_test(tc, channels_are_in_the_order_of_their_numbers_and_found_by_their_text);
	tcase_add_test(tc, a_guide_number_is_digits_with_at_most_one_dot);
	tcase_add_test(tc, a_reload_can_tell_what_became_of_each_channel);
	tcase_add_test(tc, a_reload_can_tell_which_settings_wait_for_a_restart);
	tcase_add_test(tc, what_waits_for_a_restart_stays_as_it_is_in_force);
	tcase_add_test(tc, what_is_shown_of_a_configuration_holds_no_secret);
	tcase_add_test(tc, a_backup_comes_under_its_own_provider_or_the_channels);
	tcase_add_test(tc, only_those_who_are_allowed_come_in);
	tcase_add_test(tc, a_device_id_has_the_sum_that_hdhomerun_tools_check);
	tcase_add_loop_test(tc, the_variant_setting_is_a_height_a_rate_or_best, 0, (int)NITEMS(limits));
	tcase_add_test(tc, a_value_is_written_as_it_would_be_read);
	tcase_add_test(tc, ten_thousand_channels_are_loaded_and_each_is_found);
	tcase_add_test(tc, several_tuners_have_what_each_was_given_and_defaults_else);
	tcase_add_test(tc, a_range_has_its_ends_and_what_is_between_as_numbers_go);
	tcase_add_test(tc, another_tuner_waits_for_a_restart_and_another_part_does_not);
	tcase_add_test(tc, a_file_cut_anywhere_is_understood_or_refused);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
