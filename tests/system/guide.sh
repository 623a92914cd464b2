#!/bin/bash
# The guide: fetched, matched, made for media servers, and served; it follows the lineup.
. "${0%/*}/lib.sh"

files start
folder=$(files dir)
now=$(date +%s)
# at HOURS: a time as XMLTV has it, so many hours from now.
at() {
	date -u -d "@$((now + $1 * 3600))" '+%Y%m%d%H%M%S +0000'
}
status_of() {
	curl -s -o "$T/body" -w '%{http_code}' "${@:2}" "$(bridge url)$1"
}
ready() {
	[ "$(status_of /xmltv.xml)" = 200 ] && grep -q "$1" "$T/body"
}
valid() {
	local dtd
	dtd=$(dpkg -L xmltv-util 2>/dev/null | grep 'xmltv.dtd$') || return 0
	command -v tv_validate_file >/dev/null || return 0
	tv_validate_file --dtd-file "$dtd" "$1" >"$T/valid" 2>&1 && return 0
	sed 's/^/# /' "$T/valid"
	return 1
}
{
	echo '#EXTM3U'
	printf '#EXTINF:-1 tvg-id="one.tv" tvg-logo="http://l.example/1.png",One\nhttp://h.example/1.ts\n'
	printf '#EXTINF:-1,Two & more HD\nhttp://h.example/2.ts\n#EXTINF:-1,Nobody\nhttp://h.example/3.ts\n'
} >"$folder/list.m3u"
bridge config <<'INI'
[fetch]
private_targets = yes
[provider home]
playlist = @FILES@/list.m3u
guide = @FILES@/epg.xml?password=secretword
guide2 = @FILES@/more.xml
first_number = 100
[tuner second]
path = /second
numbers = 101-200
INI

it "answers 503 while there is none, and placeholders when no source is good"
bridge start
bridge ctl refresh >"$T/out" || fail "$(cat "$T/out")"
until_true 20 ready Nobody || fail "there is no guide"
expect "it is XMLTV" valid "$T/body"
equal "channels" "$(grep -c '<channel ' "$T/body")" 3

it "has the lineup's channels, and their programmes, of the first source that has them"
cat >"$folder/epg.new" <<XML
<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE tv SYSTEM "xmltv.dtd">
<tv><channel id="2.x"><display-name>Two and More</display-name></channel>
<programme start="$(at 0)" stop="$(at 2)" channel="one.tv"><title>First &lt;show&gt;</title></programme>
<programme start="$(at 1)" stop="$(at 3)" channel="one.tv"><title>Second</title><sub-title>Part</sub-title><episode-num system="onscreen">S02E03</episode-num></programme>
<programme start="$(at 1)" stop="$(at 2)" channel="2.x"><title>Film</title><category>Movie</category></programme>
<programme start="$(at 1)" stop="$(at 2)" channel="other"><title>Elsewhere</title></programme>
</tv>
XML
gzip -c "$folder/epg.new" >"$folder/epg.xml"
printf '<tv><programme start="%s" stop="%s" channel="one.tv"><title>Of the second</title></programme></tv>' "$(at 1)" "$(at 2)" \
    >"$folder/more.xml"
bridge stop; [ "$bridge_status" = 0 ] || fail "it ended with $bridge_status"
bridge start
until_true 20 ready Second || fail "it is not there: $(bridge log guide | tail -3)"
cp "$T/body" "$T/guide.xml"
expect "it is XMLTV" valid "$T/guide.xml"
for word in Elsewhere 'Of the second'; do
	grep -q "$word" "$T/guide.xml" && fail "'$word' is in it"
done
id=$(bridge ctl --json lineup | jq -r '.channels[] | select(.name == "One") | .guide_id')
expect "an overlap is cut" grep -q "start=\"$(at 0)\" stop=\"$(at 1)\" channel=\"$id\"" "$T/guide.xml"
expect "what is shown" grep -q 'First &lt;show&gt;' "$T/guide.xml"
expect "an episode" grep -q '<episode-num system="xmltv_ns">1.2.</episode-num>' "$T/guide.xml"
expect "the number as a name" grep -q '<display-name>100</display-name>' "$T/guide.xml"
equal "matches" "$(bridge ctl --json lineup | jq -c '[.channels[].match]')" '["tvg-id","name",null]'
equal "unmatched" "$(bridge ctl lineup --unmatched | grep -c Nobody)" 1
if command -v python3 >/dev/null; then
	python3 - "$T/guide.xml" <<-'PY' >"$T/count" || fail "Python can't read it"
		import sys, xml.etree.ElementTree as e
		t = e.parse(sys.argv[1]).getroot()
		ids = {c.get("id") for c in t.iter("channel")}
		assert all(p.get("channel") in ids for p in t.iter("programme"))
		print(len(ids), len([p for p in t.iter("programme") if p.findtext("title") != "Nobody"]))
	PY
	equal "channels and programmes to Python" "$(cat "$T/count")" "3 3"
fi

it "is served packed, and not again to who has it"
equal "gz" "$(status_of /xmltv.xml.gz)" 200
gzip -dc "$T/body" | cmp -s - "$T/guide.xml" || fail "the .gz is another guide"
curl -s --compressed -D "$T/head" "$(bridge url)/xmltv.xml" | cmp -s - "$T/guide.xml" || fail "the packed one is another guide"
expect "it was packed" grep -qi '^content-encoding: gzip' "$T/head"
curl -s -H 'Accept-Encoding: gzip; q=0' -D "$T/head" "$(bridge url)/xmltv.xml" | cmp -s - "$T/guide.xml" ||
    fail "who takes no gzip gets another guide"
etag=$(curl -s -I "$(bridge url)/xmltv.xml" | sed -n 's/^ETag: \(.*\)\r$/\1/p')
[ -n "$etag" ] || fail "it has no ETag"
equal "who has it" "$(status_of /xmltv.xml -H "If-None-Match: $etag")" 304
equal "no length is said of it" "$(curl -s -m 5 -D - -o /dev/null -H "If-None-Match: $etag" "$(bridge url)/xmltv.xml" | grep -ci content-length)" 0
equal "its length" "$(curl -s -I "$(bridge url)/xmltv.xml" | sed -n 's/^Content-Length: \(.*\)\r$/\1/p')" "$(stat -c %s "$T/guide.xml")"

it "is that of a tuner's own part of the lineup where a tuner has one"
equal "its own" "$(status_of /second/xmltv.xml)" 200
cp "$T/body" "$T/second.xml"
expect "it is XMLTV" valid "$T/second.xml"
equal "its channels" "$(grep -c '<channel ' "$T/second.xml")" 2
grep -q 'Second' "$T/second.xml" && fail "a programme of another tuner's channel is in it"
expect "its programme" grep -q 'Film' "$T/second.xml"
other=$(curl -s -I "$(bridge url)/second/xmltv.xml" | sed -n 's/^ETag: \(.*\)\r$/\1/p')
[ "$other" != "$etag" ] || fail "it has the ETag of the whole"
equal "who has it" "$(status_of /second/xmltv.xml -H "If-None-Match: $other")" 304
equal "gz" "$(status_of /second/xmltv.xml.gz)" 200
gzip -dc "$T/body" | cmp -s - "$T/second.xml" || fail "the .gz is another guide"

it "is made again soon when it could not be made, and is what it was until then"
# try NUMBER PLACE: the channel's new number, with a folder where the guide's file is to be.
try() {
	local failed
	failed=$(bridge log event=guide.failed | wc -l)
	mkdir "$T/state/guides/$2"
	bridge ctl renumber "$(bridge ctl --json lineup | jq -r '.channels[] | select(.name == "Nobody") | .number')" "$1" >"$T/out" ||
	    fail "$(cat "$T/out")"
	until_true 10 eval '[ "$(bridge log event=guide.failed | wc -l)" -gt '"$failed"' ]' || fail "it did not fail"
	equal "meanwhile" "$(status_of /xmltv.xml)" 200
	rmdir "$T/state/guides/$2"
	until_true 25 ready "<display-name>$1</display-name>" || fail "it is not there: $(bridge log guide.failed | tail -1)"
}
try 150 xmltv.xml.new
try 151 xmltv.second.xml.new
rm "$T/state/guides/xmltv.xml.gz"
try 152 xmltv.xml.gz
expect "that of the other tuner" eval 'curl -s "$(bridge url)/second/xmltv.xml" | grep -q "<display-name>152</display-name>"'

it "is fetched at the operator's word"
printf '<tv><programme start="%s" stop="%s" channel="one.tv"><title>Anew</title></programme></tv>' "$(at 1)" "$(at 2)" >"$folder/epg.xml"
bridge ctl refresh >"$T/out" || fail "$(cat "$T/out")"
until_true 10 ready Anew || fail "it was not fetched"
gzip -c "$folder/epg.new" >"$folder/epg.xml"
bridge ctl refresh home >"$T/out" || fail "$(cat "$T/out")"
until_true 10 ready Second || fail "it was not fetched"

it "follows the lineup, and survives a source that breaks"
printf '#EXTINF:-1,Late\nhttp://h.example/4.ts\n' >>"$folder/list.m3u"
printf '<tv><channel' >"$folder/epg.xml"
bridge ctl refresh >"$T/out" || fail "$(cat "$T/out")"
until_true 10 ready Late || fail "it does not follow within 10 s"
equal "that of the other tuner" "$(curl -s "$(bridge url)/second/xmltv.xml" | grep -c '<channel ')" 3
expect "what it had" grep -q Second "$T/body"
expect "it is XMLTV" valid "$T/body"
cat "$T/bridge.log" "$T/body" <(bridge ctl --json lineup) | grep -q secretword && fail "the password is shown"

it "is the one that the playlist names where none is given, with its shift"
cp "$folder/epg.new" "$folder/named.xml"
sed -i "1s#.*#\#EXTM3U url-tvg=\"$(files url)/named.xml\"#" "$folder/list.m3u"
sed -i -e '/^guide2/d' -e 's/^guide = .*/guide_shift = 1h/' "$T/plexbridge.ini"
bridge ctl reload >"$T/out" || fail "$(cat "$T/out")"
bridge ctl refresh >"$T/out" || fail "$(cat "$T/out")"
until_true 10 ready "start=\"$(at 2)\" stop=\"$(at 4)\" channel=\"$id\"" || fail "it is not there: $(grep -F "$id" "$T/body")"

bridge stop; [ "$bridge_status" = 0 ] || fail "it ended with $bridge_status"
finish
