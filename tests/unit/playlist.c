/*
 * playlist.c - playlists, as the specification has them and as they come
 *
 * The big table holds bodies and what is understood of them, written as
 * members of the object that --inspect prints; so it tests both.
 */
#include <check.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "config/config.h"
#include "base/url.h"
#include "worker/inspect.h"
#include "worker/m3u8.h"
#include "worker/playlist.h"
#include "worker/variant.h"

#define URL "http://h/a/i.m3u8?q=1&v=a%20b"
#define H "#EXTM3U\n"
#define T H "#EXT-X-TARGETDURATION:6\n"
#define S "#EXTINF:6,\ns.ts\n"
#define INF "#EXTINF:6,\n"
#define IV "00000000000000000000000000000001"

static const char live[] = "#EXTM3U\r\n"
			   "#EXT-X-VERSION:6\r\n"
			   "#EXT-X-TARGETDURATION:7\r\n"
			   "#EXT-X-MEDIA-SEQUENCE:7794\r\n"
			   "#EXT-X-DISCONTINUITY-SEQUENCE:3\r\n"
			   "#EXT-X-INDEPENDENT-SEGMENTS\r\n"
			   "#EXT-X-DEFINE:NAME=\"host\",VALUE=\"http://cdn.example\"\r\n"
			   "#EXT-X-KEY:METHOD=AES-128,URI=\"https://k/52\",IV=0x1F\r\n"
			   "#EXT-X-PROGRAM-DATE-TIME:2024-02-29T23:59:59.5+01:00\r\n"
			   "#EXTINF:2.833,one, two\r\n"
			   "#EXT-X-BYTERANGE:1000@5\r\n"
			   "{$host}/a.ts\r\n"
			   "#EXT-X-DISCONTINUITY\r\n"
			   "#EXT-X-KEY:METHOD=NONE\r\n"
			   "#EXTINF:6.006,\r\n"
			   "b.ts?x=\"1\"\r\n"
			   "#EXT-X-GAP\r\n"
			   "#EXTINF:3\r\n"
			   "../c.ts\r\n"
			   "#EXT-X-ENDLIST\r\n";

static const struct {
	const char *body;
	const char *want; /* members of an object, in which ' stands for " */
} bodies[] = {
	/* Text (hls.md 1). */
	{ T S, "'kind':'media','uris':['s.ts'],'resolved':['http://h/a/s.ts'],'warnings':0" },
	{ "\xef\xbb\xbf" T S, "'kind':'media','uris':['s.ts']" },
	{ " \r\n\t" T S, "'kind':'media','uris':['s.ts']" },
	{ "\xef\xbb\xbf \n" T S, "'kind':'media'" },
	{ "#EXTM3U x-tvg-url=\"http://g/\"\n#EXT-X-TARGETDURATION:6\n" S, "'kind':'media','uris':['s.ts']" },
	{ "#EXTM3U\r\n#EXT-X-TARGETDURATION:6\r\n#EXTINF:6,\r\ns.ts\r\n", "'target_duration':6,'uris':['s.ts']" },
	{ "#EXTM3U\r#EXT-X-TARGETDURATION:6\r#EXTINF:6,\rs.ts\r", "'target_duration':6,'uris':['s.ts']" },
	{ H "  #EXT-X-TARGETDURATION : 6  \n\n \t #EXTINF: 6 ,\n\n  s.ts \t\n", "'durations':[6.0],'uris':['s.ts']" },
	{ T "#EXTINF:6,\ns.ts", "'uris':['s.ts']" },
	{ T "#EXTINF:6,\xff\xfe\n"
	    "s.ts\n",
	    "'uris':['s.ts']" },
	{ T INF "s\xff.ts\n", "'uris':['s\xef\xbf\xbd.ts'],'resolved':['http://h/a/s%FF.ts']" },
	{ T "# comment\n#EXT-X-FUTURE:A=1\n#EXTnonsense\n#\n" S, "'uris':['s.ts'],'warnings':0" },
	{ T "#extinf:3,\n#EXT-X-ENDLISTED\ns.ts\n", "'durations':[6.0],'endlist':false" },
	{ "", "'kind':'invalid','reason':'empty body'" },
	{ " \n\n", "'kind':'invalid','reason':'blank body'" },
	{ "<!DOCTYPE html><html>", "'kind':'invalid','reason':'HTML or XML, not a playlist'" },
	{ "  {\"error\":1}", "'kind':'invalid','reason':'JSON, not a playlist'" },
	{ "\x1f\x8b\x08", "'kind':'invalid','reason':'gzip data, not a playlist'" },
	{ "\x7f"
	  "ELF\x01\x02",
	    "'kind':'invalid','reason':'binary data, not a playlist'" },
	{ "\xff\xfe#", "'kind':'invalid','reason':'UTF-16 text, not UTF-8'" },
	{ "#EXT-X-TARGETDURATION:6\n" S, "'kind':'invalid','reason':'no #EXTM3U at the beginning'" },
	{ "#EXTM3U8\n" S, "'kind':'invalid'" },
	{ "#extm3u\n" S, "'kind':'invalid'" },
	{ H, "'kind':'invalid','reason':'header only, lists nothing'" },
	{ H "http://h/x.ts\n", "'kind':'invalid','reason':'a plain M3U list, not HLS'" },
	{ H "#EXTINF:-1 tvg-id=\"1\" group-title=\"News\",First\n#EXTVLCOPT:http-user-agent=x\nhttp://h/1.m3u8\n",
	    "'kind':'invalid','reason':'an IPTV channel list, not HLS'" },
	{ H "#EXTINF:-1,First\nhttp://h/1.m3u8\n", "'kind':'invalid','reason':'an IPTV channel list, not HLS'" },
	{ T, "'kind':'media','uris':[],'target_duration':6" },
	/* Which kind. */
	{ H "#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n" S, "'kind':'master','variant_urls':['http://h/a/v.m3u8']" },
	{ T "#EXT-X-STREAM-INF:BANDWIDTH=1\n" S, "'kind':'media','uris':['s.ts']" },
	{ H "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"u\"\n", "'kind':'master','variant_urls':[]" },
	{ H "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\"\n#EXTINF:6,\ns.ts\n", "'kind':'media'" },
	{ H "#EXT-X-I-FRAME-STREAM-INF:URI=\"i\"\n", "'kind':'invalid'" },
	{ H "#EXT-X-STREAM-INF:BANDWIDTH=1\n", "'kind':'invalid','reason':'master playlist without a variant'" },
	/* Numbers. */
	{ H "#EXT-X-MEDIA-SEQUENCE:4294967296\n" S, "'media_sequence':4294967296" },
	{ H "#EXT-X-MEDIA-SEQUENCE:9223372036854775807\n" S, "'media_sequence':9223372036854775807" },
	{ H "#EXT-X-MEDIA-SEQUENCE:9223372036854775808\n" S, "'media_sequence':9223372036854775808.0" },
	{ T "#EXT-X-MEDIA-SEQUENCE:-5\n" S,
	    "'media_sequence':0,'warnings':1,"
	    "'warning':'EXT-X-MEDIA-SEQUENCE is negative'" },
	{ T "#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n" S, "'media_sequence':0,'warnings':1" },
	{ T "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MEDIA-SEQUENCE:9\n" S, "'media_sequence':7" },
	{ T S, "'media_sequence':0,'discontinuity_sequence':0" },
	{ T "#EXT-X-DISCONTINUITY-SEQUENCE:12\n" S, "'discontinuity_sequence':12" },
	{ T "#EXTINF:3.003,\na\n#EXTINF:9.9766666667,x\nb\n#EXTINF:.5,\nc\n#EXTINF:0,\nd\n",
	    "'durations':[3.003,9.9766666667,0.5,0.0]" },
	{ T "#EXTINF:,\na\n#EXTINF:nan,\nb\n#EXTINF:-3,\nc\nd\n", "'durations':[6.0,6.0,6.0,6.0]" },
	{ H "#EXT-X-TARGETDURATION:0\n#EXTINF:4,\na\n#EXTINF:2,\nb\n#EXTINF:10,\nc\n", "'target_duration':4" },
	{ H "#EXTINF:0.2,\na\n", "'target_duration':1" },
	{ H "#EXTINF:3.003,\na\n", "'target_duration':3" },
	{ H "#EXT-X-MEDIA-SEQUENCE:1\na\n", "'target_duration':6,'durations':[6.0]" },
	{ H "#EXT-X-TARGETDURATION:5.2\n" S, "'target_duration':6" },
	{ H "#EXT-X-TARGETDURATION:x\n" S, "'target_duration':6,'warnings':2" },
	{ T "#EXTINF:60,\na\n", "'durations':[60.0],'target_duration':6" },
	/* Segments. */
	{ T "#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY\n" S S "#EXT-X-DISCONTINUITY\n" S, "'discontinuities':[0,2]" },
	{ T "#EXT-X-ENDLIST\n" S, "'endlist':true,'uris':['s.ts']" },
	{ T INF "#EXT-X-GAP\ng.ts\n" S, "'gaps':[0],'uris':['g.ts','s.ts']" },
	{ T "#EXT-X-BYTERANGE:10@5\n" S "#EXT-X-BYTERANGE:20\n" S "#EXT-X-BYTERANGE:30\n" INF "t.ts\n" S
	    "#EXT-X-BYTERANGE:40\n" S,
	    "'byteranges':[[10,5],[20,15],[30,35],null,[40,0]]" },
	{ T "#EXT-X-BYTERANGE:x\n" S "#EXT-X-BYTERANGE:0@1\n" S "#EXT-X-BYTERANGE:9223372036854775807@1\n" S,
	    "'byteranges':[null,null,null],'warnings':3" },
	{ T "#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:00Z\n" S S, "'pdt':['2024-01-01T00:00:00Z',null]" },
	{ T "#EXT-X-PROGRAM-DATE-TIME:yesterday\n" S, "'pdt':['yesterday'],'warnings':1" },
	{ H "#EXT-X-INDEPENDENT-SEGMENTS\n" S, "'independent_segments':true" },
	{ T "#EXT-X-PLAYLIST-TYPE:EVENT\n" S, "'playlist_type':'EVENT'" },
	/* Keys (1.2, 5). */
	{ T S "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n" S "#EXT-X-KEY:METHOD=NONE\n" S,
	    "'keys':[null,['AES-128','http://h/a/k',null],null],'effective_ivs':[null,'" IV "',null]" },
	{ T "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0xAb\n" S,
	    "'keys':[['AES-128','http://h/a/k','000000000000000000000000000000ab']],"
	    "'effective_ivs':['000000000000000000000000000000ab']" },
	{ T "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0X0123456789abcdef0123456789ABCDEF\n" S,
	    "'effective_ivs':['0123456789abcdef0123456789abcdef']" },
	{ T "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x0123456789abcdef0123456789ABCDEF0\n" S,
	    "'keys':[['AES-128','http://h/a/k',null]],'warnings':1" },
	{ T "#EXT-X-MEDIA-SEQUENCE:18446744073709531615\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n" S,
	    "'effective_ivs':['0000000000000000ffffffffffffb1df']" },
	{ T "#EXT-X-KEY: METHOD = AES-128 , URI = \"k,a=b\" ,URI=\"second\"\n" S,
	    "'keys':[['AES-128','http://h/a/k,a=b',null]]" },
	{ T "#EXT-X-KEY:METHOD=AES-128,URI=\"data:;base64,AAAA\"\n" S,
	    "'keys':[['AES-128','data:;base64,AAAA',null]]" },
	{ T "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://f\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n"
	    "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n" S,
	    "'keys':[['AES-128','http://h/a/k',null]],'unsupported':null" },
	{ T "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://f\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n" S,
	    "'unsupported':'protected content (DRM): no key format that can be used'" },
	{ T "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n" S,
	    "'unsupported':'SAMPLE-AES encryption is not carried by this version'" },
	{ T "#EXT-X-KEY:METHOD=AES-128\n" S, "'unsupported':'AES-128 key without a URI'" },
	{ T "#EXT-X-KEY:URI=\"k\"\n" S, "'keys':[null],'warnings':1" },
	{ T "#EXT-X-KEY:METHOD=AES-128,URI=\"k\n" S, "'unsupported':'AES-128 key without a URI'" },
	/* Maps. */
	{ T S "#EXT-X-MAP:URI=\"m.mp4\"\n" S "#EXT-X-DISCONTINUITY\n" S,
	    "'maps':[null,'http://h/a/m.mp4','http://h/a/m.mp4'],"
	    "'unsupported':'fragmented MP4 (EXT-X-MAP) is not carried by this version'" },
	{ T "#EXT-X-MAP:URI=\"s.ts\",BYTERANGE=\"800@0\"\n#EXT-X-BYTERANGE:100\n" S,
	    "'map_byteranges':[[800,0]],'byteranges':[[100,800]]" },
	{ T "#EXT-X-MAP:URI=\"m\",BYTERANGE=\"800@0\"\n#EXT-X-BYTERANGE:100\n" S, "'byteranges':[[100,0]]" },
	{ T "#EXT-X-MAP:BYTERANGE=\"1@1\"\n" S, "'maps':[null],'warnings':1" },
	{ T "#EXT-X-I-FRAMES-ONLY\n" S, "'unsupported':'playlist of key frames only (EXT-X-I-FRAMES-ONLY)'" },
	/* Low latency, delta, vendors. */
	{ T "#EXT-X-PART-INF:PART-TARGET=1\n#EXT-X-PART:DURATION=1,URI=\"p\"\n" S
	    "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"q\"\n#EXT-X-RENDITION-REPORT:URI=\"r\"\n",
	    "'uris':['s.ts']" },
	{ T "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n" S,
	    "'kind':'invalid','reason':'delta update (EXT-X-SKIP) that was not asked for'" },
	{ T "#EXT-X-CUE-OUT:30\n#EXT-OATCLS-SCTE35:/DA\n#EXT-X-TWITCH-INFO:A=\"1\"\n" S, "'uris':['s.ts']" },
	/* Variables. */
	{ T "#EXT-X-DEFINE:NAME=\"x\",VALUE=\"y\"\n" INF "{$x}/{$x}{$z}.ts\n", "'uris':['y/y{$z}.ts'],'warnings':1" },
	{ T INF "{$x}.ts\n", "'uris':['{$x}.ts'],'warnings':1" },
	{ T "#EXT-X-DEFINE:QUERYPARAM=\"v\"\n" INF "{$v}.ts\n",
	    "'uris':['a b.ts'],'resolved':['http://h/a/a%20b.ts']" },
	{ T "#EXT-X-DEFINE:QUERYPARAM=\"w\"\n" INF "{$w}.ts\n", "'uris':['{$w}.ts']" },
	{ T "#EXT-X-DEFINE:NAME=\"x\",VALUE=\"1\"\n#EXT-X-DEFINE:NAME=\"x\",VALUE=\"2\"\n"
	    "#EXT-X-DEFINE:NAME=\"y\",VALUE=\"{$x}{$x}\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"{$y}\",IV=0x{$y}\n" S,
	    "'keys':[['AES-128','http://h/a/11','00000000000000000000000000000011']]" },
	{ T "#EXT-X-DEFINE:NAME=\"x\",VALUE=\"y\"\n" INF "{$x\n" INF "{$x}{$\n", "'uris':['{$x','y{$']" },
	/* Master. */
	{ H "#EXT-X-STREAM-INF:BANDWIDTH=1280000,AVERAGE-BANDWIDTH=1000000,CODECS=\"avc1.64,mp4a.40.2\","
	    "RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"aac\"\nlow/i.m3u8\n"
	    "#EXT-X-STREAM-INF:BANDWIDTH=x,RESOLUTION=big\n\n# here\n/b.m3u8\nstray.m3u8\n",
	    "'kind':'master','variant_urls':['http://h/a/low/i.m3u8','http://h/b.m3u8'],'bandwidths':[1280000,0],"
	    "'codecs':['avc1.64,mp4a.40.2',null],'resolutions':['1280x720',null],'frame_rates':[29.97,null],"
	    "'audio_groups':['aac',null],'renditions':[],'warnings':3" },
	{ H "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,"
	    "CHANNELS=\"2\",URI=\"en.m3u8\"\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"n\"\n"
	    "#EXT-X-MEDIA:TYPE=SMELL,GROUP-ID=\"x\",NAME=\"n\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n",
	    "'renditions':[{'type':'AUDIO','group_id':'aac','name':'English','uri':'http://h/a/"
	    "en.m3u8','language':'en',"
	    "'default':true,'autoselect':true,'forced':false,'channels':'2'},{'type':'SUBTITLES','group_id':'s',"
	    "'name':'n','uri':null,'language':null,'default':false,'autoselect':false,'forced':false,'channels':null}"
	    "]" },
	{ H "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI=\"i\"\n"
	    "#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n",
	    "'session_keys':[['AES-128','http://h/a/k',null]],'bandwidths':[1]" },
	/* All of it at once. */
	{ live,
	    "'version':6,'target_duration':7,'media_sequence':7794,'discontinuity_sequence':3,'endlist':true,"
	    "'uris':['http://cdn.example/a.ts','b.ts?x=\\'1\\'','../c.ts'],"
	    "'resolved':['http://cdn.example/a.ts','http://h/a/b.ts?x=\\'1\\'','http://h/c.ts'],"
	    "'durations':[2.833,6.006,3.0],'discontinuities':[1],'gaps':[2],'byteranges':[[1000,5],null,null],"
	    "'keys':[['AES-128','https://k/52','0000000000000000000000000000001f'],null,null],"
	    "'pdt':['2024-02-29T23:59:59.5+01:00',null,null]" },
};

START_TEST(a_body_means_what_it_says)
{
	char want_text[4096];
	struct playlist pl;
	json_t *want, *got, *value;
	const char *name;
	json_error_t why;

	snprintf(want_text, sizeof(want_text), "{%s}", bodies[_i].want);
	for (char *at = want_text; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
	want = json_loads(want_text, 0, &why);
	ck_assert_msg(want != NULL, "the table is wrong: %s: %s", why.text, want_text);
	(void)playlist_parse(&pl, URL, bodies[_i].body, strlen(bodies[_i].body));
	playlist_check(&pl);
	got = inspect_json(&pl);
	ck_assert_ptr_nonnull(got);
	json_object_foreach(want, name, value)
	{
		char *is = json_dumps(got, 0);

		ck_assert_msg(json_equal(json_object_get(got, name), value), "%s in %s", name, is);
		free(is);
	}
	json_decref(want);
	json_decref(got);
	playlist_clear(&pl);
	playlist_clear(&pl);
}
END_TEST

/* Cut a playlist at every byte: it is understood or refused, nothing else. */
START_TEST(a_playlist_cut_anywhere_is_understood_or_refused)
{
	struct playlist pl;
	char *exact = malloc((size_t)_i + 1); /* so that a read past the end is seen */
	int err;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, live, (size_t)_i);
	err = playlist_parse(&pl, URL, exact, (size_t)_i);
	if (err == 0)
		ck_assert_int_eq(pl.kind, PLAYLIST_MEDIA);
	else
		ck_assert_int_eq(err, PB_EFORMAT);
	playlist_check(&pl);
	playlist_clear(&pl);
	free(exact);
}
END_TEST

START_TEST(the_last_line_of_a_body_that_was_cut_is_not_believed)
{
	struct playlist_context context = { .base_url = URL, .cut = true };
	static const char body[] = T S INF "http://h/seg-12";
	struct playlist pl;

	ck_assert_int_eq(playlist_parse_in(&pl, &context, body, strlen(body)), 0);
	ck_assert_uint_eq(pl.segment_count, 1);
	playlist_clear(&pl);
	ck_assert_int_eq(playlist_parse_in(&pl, &context, "#EXTM3U", 7), PB_EFORMAT);
	playlist_clear(&pl);
}
END_TEST

START_TEST(lines_with_nul_bytes_are_passed_over)
{
	static const char body[] = T S INF "a\0b.ts\n" S;
	struct playlist pl;

	ck_assert_int_eq(playlist_parse(&pl, URL, body, sizeof(body) - 1), 0);
	ck_assert_uint_eq(pl.segment_count, 2);
	ck_assert_uint_eq(pl.warnings, 1);
	playlist_check(&pl);
	playlist_clear(&pl);
}
END_TEST

START_TEST(variables_are_imported_from_the_master)
{
	static const char master_body[] =
	    H "#EXT-X-DEFINE:NAME=\"t\",VALUE=\"tok\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n";
	static const char body[] = T "#EXT-X-DEFINE:IMPORT=\"t\"\n#EXT-X-DEFINE:IMPORT=\"u\"\n" INF "s.ts?{$t}{$u}\n";
	struct playlist master, pl;
	struct playlist_context context = { .base_url = URL, .master = &master };

	ck_assert_int_eq(playlist_parse(&master, URL, master_body, strlen(master_body)), 0);
	ck_assert_int_eq(playlist_parse_in(&pl, &context, body, strlen(body)), 0);
	playlist_clear(&master);
	ck_assert_str_eq(pl.segments[0].uri, "s.ts?tok{$u}");
	ck_assert_uint_eq(pl.warnings, 2);
	playlist_clear(&pl);
}
END_TEST

START_TEST(start_is_read_in_milliseconds)
{
	static const char body[] = T "#EXT-X-START:TIME-OFFSET=-12.5,PRECISE=YES\n" S;
	struct playlist pl;

	ck_assert_int_eq(playlist_parse(&pl, URL, body, strlen(body)), 0);
	ck_assert(pl.has_start && pl.start_precise);
	ck_assert_int_eq(pl.start_ms, -12500);
	playlist_clear(&pl);
}
END_TEST

/* line, n times. */
static char *
repeat(const char *head, const char *line, size_t n, size_t *len)
{
	size_t head_len = strlen(head), line_len = strlen(line);
	char *body = malloc(head_len + n * line_len + 1);

	ck_assert_ptr_nonnull(body);
	memcpy(body, head, head_len);
	for (size_t i = 0; i < n; i++)
		memcpy(body + head_len + i * line_len, line, line_len);
	*len = head_len + n * line_len;
	body[*len] = '\0';
	return body;
}

static const struct {
	const char *head, *line;
	size_t n;
	int err;
	const char *reason;
} bounds[] = {
	{ T, "s\n", PLAYLIST_SEGMENTS_MAX, 0, "" },
	{ T, "s\n", PLAYLIST_SEGMENTS_MAX + 1, PB_ELIMIT, "over 20000 segments" },
	{ H, "#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n", PLAYLIST_VARIANTS_MAX, 0, "" },
	{ H, "#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n", PLAYLIST_VARIANTS_MAX + 1, PB_ELIMIT, "over 500 variants" },
	{ H, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\"\n", PLAYLIST_RENDITIONS_MAX, 0, "" },
	{ H, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\"\n", PLAYLIST_RENDITIONS_MAX + 1, PB_ELIMIT,
	    "over 500 renditions" },
	{ T, "\n", PLAYLIST_BODY_MAX, PB_ELIMIT, "playlist over 4 MiB" },
	{ T "#EXT-X-DEFINE:NAME=\"x\",VALUE=\""
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"\n",
	    "{$x}{$x}{$x}{$x}\n", 10000, PB_ELIMIT, "variables make it too long" },
	{ T "#EXT-X-DEFINE:NAME=\"x\",VALUE=\"y\"\n", "{$x}{$", 600000, 0, "" },
	{ T S "#EXT-X-KEY:", "A=\"", 1000000, 0, "" },
	{ T S "#EXT-X-KEY:", "METHOD=NONE,", 300000, 0, "" },
	{ T S, "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-MAP:URI=\"m\"\n", 60000, 0, "" },
	{ T S, "#EXT-X-DISCONTINUITY\n", 100000, 0, "" },
	{ T, "s", 100000, 0, "" },
};

START_TEST(what_is_too_much_is_refused_and_the_rest_is_quick)
{
	size_t len;
	char *body = repeat(bounds[_i].head, bounds[_i].line, bounds[_i].n, &len);
	struct playlist pl;

	ck_assert_int_eq(playlist_parse(&pl, URL, body, len), bounds[_i].err);
	ck_assert_str_eq(pl.reason, bounds[_i].reason);
	playlist_check(&pl);
	playlist_clear(&pl);
	free(body);
}
END_TEST

START_TEST(a_segment_whose_url_is_too_long_is_a_gap_that_counts)
{
	size_t len;
	char *body = repeat(T S, "s", 100000, &len);
	struct playlist pl;

	ck_assert_int_eq(playlist_parse(&pl, URL, body, len), 0);
	ck_assert_uint_eq(pl.segment_count, 2);
	ck_assert(!pl.segments[0].gap);
	ck_assert(pl.segments[1].gap);
	playlist_clear(&pl);
	free(body);
}
END_TEST

static const struct {
	const char *text;
	bool ok;
	int64_t ms;
} dates[] = {
	{ "1970-01-01T00:00:00Z", true, 0 },
	{ "1970-01-01T00:00:00", true, 0 },
	{ "1970-01-01 00:00:01z", true, 1000 },
	{ "2000-02-29T12:34:56.789Z", true, INT64_C(951827696789) },
	{ "2024-02-29T23:59:59.5+01:00", true, INT64_C(1709247599500) },
	{ "2024-02-29T23:59:59.5+0100", true, INT64_C(1709247599500) },
	{ "2024-02-29T23:59:59,5 +01", true, INT64_C(1709247599500) },
	{ "2024-02-29T23:59:59.123456789-05:30", true, INT64_C(1709270999123) },
	{ "2016-12-31T23:59:60Z", true, INT64_C(1483228800000) },
	{ "1969-12-31T23:59:59Z", true, -1000 },
	{ "2023-02-29T00:00:00Z", false, 0 },
	{ "2024-13-01T00:00:00Z", false, 0 },
	{ "2024-01-01T24:00:00Z", false, 0 },
	{ "2024-01-01T00:00Z", false, 0 },
	{ "2024-01-01", false, 0 },
	{ "2024-01-01T00:00:00X", false, 0 },
	{ "2024-01-01T00:00:00+", false, 0 },
	{ "1704067200", false, 0 },
	{ "", false, 0 },
};

START_TEST(a_date_is_read_in_every_form_that_is_met)
{
	int64_t ms = 0;

	ck_assert_int_eq(m3u8_date(dates[_i].text, &ms), dates[_i].ok);
	ck_assert_int_eq(ms, dates[_i].ms);
}
END_TEST

#define V(attributes) "#EXT-X-STREAM-INF:" attributes "\nv\n"
#define AUDIO(more) "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\"," more "\n"
#define LADDER \
	V("BANDWIDTH=800000,RESOLUTION=640x360") \
	V("BANDWIDTH=6000000,RESOLUTION=1920x1080") \
	V("BANDWIDTH=3000000,RESOLUTION=1280x720") V("BANDWIDTH=64000,CODECS=\"mp4a.40.2\"")

static const struct {
	const char *limit, *body;
	const char *excluded; /* an x for each that is */
	int want;
} choices[] = {
	{ "best", LADDER, "", 1 },
	{ "1080p", LADDER, "", 1 },
	{ "1000p", LADDER, "", 2 },
	{ "720p", LADDER, "", 2 },
	{ "100p", LADDER, "", 0 },
	{ "5M", LADDER, "", 2 },
	{ "100k", LADDER, "", 0 },
	{ "best", LADDER, ".x", 2 },
	{ "best", LADDER, "xxx", 3 },
	{ "best", LADDER, "xxxx", PB_ENET },
	{ "best", V("BANDWIDTH=1") V("BANDWIDTH=3") V("BANDWIDTH=2"), "", 1 },
	{ "best", V("BANDWIDTH=1") V("RESOLUTION=10x10"), "", 1 },
	{ "best", V("BANDWIDTH=9") V("BANDWIDTH=1,RESOLUTION=640x360"), "", 1 },
	{ "best", V("BANDWIDTH=5,RESOLUTION=640x360") V("BANDWIDTH=5,RESOLUTION=640x360"), "", 0 },
	{ "best", V("BANDWIDTH=5,RESOLUTION=640x360") V("BANDWIDTH=5,RESOLUTION=640x360"), "x", 1 },
	{ "best", V("BANDWIDTH=9,RESOLUTION=640x360,FRAME-RATE=25") V("BANDWIDTH=5,RESOLUTION=640x360,FRAME-RATE=50"),
	    "", 1 },
	{ "best",
	    V("BANDWIDTH=9,RESOLUTION=1920x1080,CODECS=\"hvc1.1\"")
		V("BANDWIDTH=5,RESOLUTION=640x360,CODECS=\"mp4a.40.2, avc1.64\""),
	    "", 1 },
	{ "500p",
	    V("BANDWIDTH=9,RESOLUTION=1920x1080,CODECS=\"avc1.64\"")
		V("BANDWIDTH=5,RESOLUTION=640x360,CODECS=\"hvc1.1\""),
	    "", 1 },
	{ "best",
	    V("BANDWIDTH=9,RESOLUTION=1920x1080,CODECS=\"av01.0\"")
		V("BANDWIDTH=5,RESOLUTION=640x360,CODECS=\"hev1.1\""),
	    "", 1 },
	{ "best", V("BANDWIDTH=9,CODECS=\"mp4a.40.2\""), "", 0 },
	{ "best", V("BANDWIDTH=9,CODECS=\"\""), "", 0 },
	{ "best", AUDIO("URI=\"u\"") V("BANDWIDTH=9,AUDIO=\"a\""), "", PB_ENOSUP },
	{ "best", AUDIO("NAME=\"n\"") V("BANDWIDTH=9,AUDIO=\"a\""), "", 0 },
	{ "best", AUDIO("URI=\"u\"") V("BANDWIDTH=9,AUDIO=\"b\""), "", 0 },
	{ "best", AUDIO("URI=\"u\"") V("BANDWIDTH=9,AUDIO=\"a\"") V("BANDWIDTH=1"), "", 1 },
	{ "best", AUDIO("URI=\"u\"") AUDIO("DEFAULT=YES") V("BANDWIDTH=9,AUDIO=\"a\""), "", 0 },
	{ "best", AUDIO("URI=\"u\"") AUDIO("AUTOSELECT=YES") V("BANDWIDTH=9,AUDIO=\"a\""), "", 0 },
	{ "best", AUDIO("NAME=\"n\"") AUDIO("AUTOSELECT=YES,URI=\"u\"") V("BANDWIDTH=9,AUDIO=\"a\""), "", PB_ENOSUP },
	{ "best",
	    AUDIO("URI=\"u\"") V("BANDWIDTH=9,AUDIO=\"a\",CODECS=\"avc1.64,mp4a.40.2\"")
		V("BANDWIDTH=1,CODECS=\"mp4a.40.2\""),
	    "", PB_ENOSUP },
	{ "best", "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"u\"\n", "", PB_EFORMAT },
};

START_TEST(the_best_variant_below_the_limit_is_chosen)
{
	char body[2048];
	bool excluded[PLAYLIST_VARIANTS_MAX] = { false };
	struct variant_limit limit;
	const char *unused;
	struct playlist pl;
	const char *why;

	snprintf(body, sizeof(body), H "%s", choices[_i].body);
	for (size_t i = 0; choices[_i].excluded[i] != '\0'; i++)
		excluded[i] = choices[_i].excluded[i] == 'x';
	ck_assert_int_eq(config_parse_variant(&limit, choices[_i].limit, &unused), 0);
	ck_assert_int_eq(playlist_parse(&pl, URL, body, strlen(body)), 0);
	ck_assert_int_eq(playlist_choose_variant(&pl, &limit, excluded, &why), choices[_i].want);
	ck_assert_int_eq(why != NULL, choices[_i].want < 0);
	playlist_clear(&pl);
}
END_TEST

/* Variant 1, in a stream that began with variant 0. */
static const struct {
	const char *limit, *body;
	bool like;
} likes[] = {
	{ "best", V("BANDWIDTH=9,RESOLUTION=1920x1080") V("BANDWIDTH=5,RESOLUTION=640x360"), true },
	{ "best", V("BANDWIDTH=9,RESOLUTION=1920x1080") V("BANDWIDTH=5"), false },
	{ "best",
	    V("BANDWIDTH=9,RESOLUTION=1920x1080,CODECS=\"avc1.64,mp4a.40.2\"")
		V("BANDWIDTH=5,RESOLUTION=640x360,CODECS=\"mp4a.40.5, avc1.42\""),
	    true },
	{ "best",
	    V("BANDWIDTH=9,RESOLUTION=1920x1080,CODECS=\"avc1.64\"")
		V("BANDWIDTH=5,RESOLUTION=640x360,CODECS=\"hvc1.1\""),
	    false },
	{ "best",
	    V("BANDWIDTH=9,RESOLUTION=1920x1080,CODECS=\"avc1.64,ec-3\"")
		V("BANDWIDTH=5,RESOLUTION=640x360,CODECS=\"avc1.64,mp4a.40.2\""),
	    false },
	{ "best",
	    V("BANDWIDTH=9,RESOLUTION=1920x1080,CODECS=\"avc1.64\"")
		V("BANDWIDTH=5,RESOLUTION=640x360,CODECS=\"avc1.64,mp4a.40.2\""),
	    true },
	{ "best", V("BANDWIDTH=9,CODECS=\"avc1.64,mp4a.40.2\"") V("BANDWIDTH=5,CODECS=\"mp4a.40.2\""), false },
	{ "best",
	    AUDIO("URI=\"u\"") V("BANDWIDTH=9,RESOLUTION=1920x1080") V("BANDWIDTH=5,RESOLUTION=640x360,AUDIO=\"a\""),
	    false },
	{ "400p", V("BANDWIDTH=5,RESOLUTION=640x360") V("BANDWIDTH=9,RESOLUTION=1920x1080"), false },
	{ "1080p", V("BANDWIDTH=5,RESOLUTION=640x360") V("BANDWIDTH=9,RESOLUTION=1920x1080"), true },
	{ "100k", V("BANDWIDTH=900000,RESOLUTION=1920x1080") V("BANDWIDTH=500000,RESOLUTION=640x360"), true },
};

START_TEST(a_stream_goes_on_with_a_variant_that_is_like_its_own)
{
	char body[2048];
	struct variant_limit limit;
	const char *unused;
	struct playlist pl;

	snprintf(body, sizeof(body), H "%s", likes[_i].body);
	ck_assert_int_eq(config_parse_variant(&limit, likes[_i].limit, &unused), 0);
	ck_assert_int_eq(playlist_parse(&pl, URL, body, strlen(body)), 0);
	ck_assert_int_eq(playlist_variant_like(&pl, &limit, 1, 0), likes[_i].like);
	ck_assert(playlist_variant_like(&pl, &limit, 0, 0));
	playlist_clear(&pl);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("playlist");
	TCase *tc = tcase_create("playlist");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, a_body_means_what_it_says, 0, (int)NITEMS(bodies));
	tcase_add_loop_test(tc, a_playlist_cut_anywhere_is_understood_or_refused, 0, (int)sizeof(live));
	tcase_add_test(tc, the_last_line_of_a_body_that_was_cut_is_not_believed);
	tcase_add_test(tc, lines_with_nul_bytes_are_passed_over);
	tcase_add_test(tc, variables_are_imported_from_the_master);
	tcase_add_test(tc, start_is_read_in_milliseconds);
	tcase_add_loop_test(tc, what_is_too_much_is_refused_and_the_rest_is_quick, 0, (int)NITEMS(bounds));
	tcase_add_test(tc, a_segment_whose_url_is_too_long_is_a_gap_that_counts);
	tcase_add_loop_test(tc, a_date_is_read_in_every_form_that_is_met, 0, (int)NITEMS(dates));
	tcase_add_loop_test(tc, the_best_variant_below_the_limit_is_chosen, 0, (int)NITEMS(choices));
	tcase_add_loop_test(tc, a_stream_goes_on_with_a_variant_that_is_like_its_own, 0, (int)NITEMS(likes));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
