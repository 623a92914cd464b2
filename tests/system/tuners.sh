#!/bin/bash
# Several tuners out of providers' lineups: each has its identity, its part, its numbers; and a scan of one finds what is new.
. "${0%/*}/lib.sh"

origin start --channel "name=a,file=$top_srcdir/share/testcard.ts,seg=1"
files start
# playlist NAME: what comes in, with the origin's address in it.
playlist() { sed "s#@ORIGIN@#$(origin url)#g" >"$(files dir)/$1.new" && mv "$(files dir)/$1.new" "$(files dir)/$1"; }
entries() {
	local i
	for ((i = $3; i <= $4; i++)); do
		printf '#EXTINF:-1 tvg-id="%s%d" group-title="%s",%s %d\n@ORIGIN@/a/master.m3u8?%s%d\n' "$1" "$i" "$2" "$2" "$i" "$1" "$i"
	done
}
{ echo '#EXTM3U'; entries h News 1 3; entries k 'Kïds & Co' 1 2; } | playlist home.m3u
{ echo '#EXTM3U'; entries w World 1 500; } | playlist away.m3u
bridge config <<'INI'
[tuner]
name = Main
numbers = 1-99
tuner_count = 2
[tuner kids]
tuner_count = 1
group = kÏDS*
[tuner away]
path = /far
tuner_count = 3
provider = away
[tuner few]
name = A few
numbers = 501,510-519
[fetch]
private_targets = yes
[provider home]
playlist = @FILES@/home.m3u
first_number = 100
[provider away]
playlist = @FILES@/away.m3u
first_number = 500
[channel 7]
name = Mine
url = @ORIGIN@/a/master.m3u8
INI
bridge start
base=$(bridge url)
ask() { curl -s -m 5 "$base$1"; }
shown() { bridge status "[.supervisor.devices[] | [.name, .channels, .tuners.count, .large]] | tojson"; }
all_there() { [ "$(bridge status '[.supervisor.devices[].channels] | tojson')" = "$1" ]; }

it "each has the part that group, provider and range leave of all lineups, and says how much that is"
expect "parts" until_true 20 all_there '[1,2,500,11]'
equal "devices" "$(shown)" '[["Main",1,2,false],["kids",2,1,false],["away",500,3,true],["A few",11,4,false]]'
equal "Main" "$(ask /lineup.json | jq -c '[.[].GuideName]')" '["Mine"]'
equal "kids" "$(ask /kids/lineup.json | jq -c '[.[].GuideName]')" '["Kïds & Co 1","Kïds & Co 2"]'
equal "away" "$(ask /far/lineup.json | jq -r 'length, .[0].GuideNumber, .[0].URL' | tr '\n' ' ')" "500 500 $base/far/auto/v500 "
equal "a few" "$(ask /few/lineup.json | jq -c '[.[].GuideNumber]')" \
    '["501","510","511","512","513","514","515","516","517","518","519"]'
equal "tuner counts" "$(for p in '' /kids /far /few; do ask $p/discover.json | jq .TunerCount; done | tr '\n' ' ')" "2 1 3 4 "
equal "names" "$(for p in '' /kids /far /few; do ask $p/discover.json | jq -r .FriendlyName; done | tr '\n' ' ')" "Main kids away A few "
ids=$(for p in '' /kids /far /few; do ask $p/discover.json | jq -r .DeviceID; done)
equal "ids of their own" "$(sort -u <<<"$ids" | grep -c -x '105[0-9A-F]\{5\}')" 4

it "one that is too long for Plex is warned of, once, and marked"
bridge ctl refresh >"$T/refresh.out" || fail "$(cat "$T/refresh.out")"
equal "warnings" "$(bridge log event=lineup.large | grep -c "device=$(sed -n 3p <<<"$ids") tuner=\"away\" channels=500 ")" 1
equal "of others" "$(bridge log event=lineup.large | wc -l)" 1
equal "that it has nothing" "$(bridge log event=lineup.none | wc -l)" 0
expect "marked" eval 'bridge ctl status | grep -q -E "away +/far +0 of 3 +500 \(too many for Plex\)"'

it "plays its own channels on its own tuners, and no others"
viewer start v1 /far/auto/v510
viewer wait v1 bytes=100000
equal "busy" "$(bridge status '[.supervisor.devices[].tuners.busy] | tojson')" '[0,0,1,0]'
equal "status.json" "$(ask /far/status.json | jq -r '.[0].VctNumber')" 510
equal "the others'" "$(ask /status.json | jq -c '[.[].VctNumber // empty]')" '[]'
equal "another's channel" "$(curl -s -o /dev/null -w '%{http_code}' "$base/kids/auto/v510")" 404
viewer check v1 closed=no

it "the page of each leads to its own documents"
for p in '' /kids /few; do
	for document in $(ask $p/ | grep -o "href=\"[^\"]*" | cut -d'"' -f2 | grep -v /auto/); do
		equal "$p: $document" "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$document") ${document%/*}" "200 $base$p"
	done
done

it "a list that is younger than some minutes is not fetched by a scan"
equal "answer" "$(curl -s -m 2 -o /dev/null -w '%{http_code} %{size_download}' -X POST "$base/lineup.post?scan=start&source=Cable")" "200 0"
equal "fetched" "$(bridge log event=lineup.scan | wc -l)" 0

it "their identities outlive a restart; a damaged file is kept aside and its id saved when it can be read still"
bridge stop
cp "$T/state/device-kids.json" "$T/kids.was"
head -c 30 "$T/kids.was" >"$T/state/device-kids.json"
printf 'no such thing' >"$T/state/device-few.json"
touch -d '10 minutes ago' "$T"/state/lists/home.list
{ echo '#EXTM3U'; entries h News 1 3; entries k 'Kïds & Co' 1 3; } | playlist home.m3u
bridge start
base=$(bridge url)
after=$(for p in '' /kids /far; do ask $p/discover.json | jq -r .DeviceID; done)
equal "ids" "$after" "$(head -n 3 <<<"$ids")"
expect "a new one" [ "$(ask /few/discover.json | jq -r .DeviceID)" != "$(sed -n 4p <<<"$ids")" ]
equal "said" "$(bridge log 'event=device.id .*why="damaged"' | sed 's/.*file=[^ ]*\///; s/ why.*//' | tr '\n' ';')" \
    'device-kids.json aside=device-kids.json.bad-1 id=saved;device-few.json aside=device-few.json.bad-1 id=new;'
equal "aside" "$(cat "$T/state/device-few.json.bad-1")" 'no such thing'
equal "whole again" "$(cat "$T/state/device-kids.json")" "$(cat "$T/kids.was")"

it "a scan of one tuner fetches what is older, answers at once, and what is new is there"
equal "kids" "$(ask /kids/lineup.json | jq length)" 2
equal "HEAD" "$(curl -s -m 2 -I -o /dev/null -w '%{http_code}' "$base/kids/lineup.post?scan=start")" 200
equal "of HEAD" "$(bridge log event=lineup.scan | wc -l)" 0
equal "answer" "$(curl -s -m 2 -o /dev/null -w '%{http_code} %{size_download}' -X POST "$base/kids/lineup.post?scan=start&source=Antenna")" "200 0"
equal "status" "$(ask /kids/lineup_status.json | jq .ScanInProgress)" 0
more() { [ "$(ask /kids/lineup.json | jq length)" = 3 ]; }
expect "the new channel" until_true 20 more
equal "the other provider's is young" "$(bridge log 'event=lineup.scan .*providers=1$' | wc -l)" 1
curl -s -o /dev/null -X POST "$base/kids/lineup.post?scan=start"
equal "not twice" "$(bridge log event=lineup.scan | wc -l)" 1

it "each of as many tuners as there may be has a picture"
bridge stop
{
	printf '[stream]\nlinger = 0s\n[tuner]\nnumbers = 90-99\n[channel 1]\nname = One\nurl = @ORIGIN@/a/master.m3u8\n'
	for ((i = 1; i <= 8; i++)); do
		printf '[tuner t%d]\nnumbers = 1-9\n' $i
	done
} | bridge config
bridge start
base=$(bridge url)
for ((i = 1; i <= 8; i++)); do
	viewer start "t$i" "/t$i/tuner3/v1"
	viewer wait "t$i" bytes=100000
	viewer stop "t$i"
	viewer check "t$i" status=200 clean=true
	bridge wait '.streams == []'
done
equal "supervisors" "$(bridge log 'event=start ' | wc -l)" 3

finish
