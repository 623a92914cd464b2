#!/bin/bash
# A provider on a public address leads to no private one, unless the operator says so. Needs root: a namespace of its
# own has an address in it that is nobody's, and public to us.
[ "${1:-}" = inside ] || {
	unshare -n true 2>/dev/null && command -v ip >/dev/null || {
		echo "1..0 # SKIP no network namespaces here (root, iproute2)"
		exit 0
	}
	exec unshare -n "$0" inside
}
. "${0%/*}/lib.sh"

readonly public=192.0.2.1:8001
ip link set lo up || skip_all "no loopback in a namespace"
ip address add "${public%:*}/32" dev lo || skip_all "no second address in a namespace"
files start
folder=$(files dir)
"$top_builddir/tests/system/files" "$folder" "$public" >"$T/public.out" 2>&1 </dev/null &
others+=($!)
until_true 30 grep -q '^listening ' "$T/public.out" || give_up "the second file server doesn't start: $(cat "$T/public.out")"

guide=$PROGRAMS/plexbridge-guide
start=$(date -u -d '+1 hour' '+%Y%m%d%H%M%S +0000')
printf '#EXTM3U url-tvg="%s/epg.xml"\n#EXTINF:-1 tvg-id="one.tv",One\nhttp://h.example/1.ts\n' "$(files url)" >"$folder/list.m3u"
printf '<tv><programme start="%s" channel="one.tv"><title>Inside</title></programme></tv>' "$start" >"$folder/epg.xml"
printf '%s/list.m3u' "$(files url)" >"$folder/inside.to"
printf '%s/epg.xml' "$(files url)" >"$folder/epg.to"
printf 'http://%s/list.m3u' "$public" >"$folder/outside.to"

# list URL: how many channels it has, by hand.
list() { "$guide" --list "$1" 2>"$T/err" | wc -l; }
refused='a public address leads to a private one'

it "follows a list from a private address anywhere, and from a public one to no private one"
equal "private" "$(list "$(files url)/list.m3u")" 1
equal "private to private" "$(list "$(files url)/inside.to")" 1
equal "private to public" "$(list "$(files url)/outside.to")" 1
equal "public to public" "$(list "http://$public/outside.to")" 1
equal "public to private" "$(list "http://$public/inside.to")" 0
expect "why ($(cat "$T/err"))" grep -q "$refused.*private_targets" "$T/err"

# fetched PROVIDER: its guide was; and refused: it was not, and why.
fetched() { bridge log "event=guide.fetched provider=\"$1\" programmes=1" >/dev/null; }
refused() { bridge log "event=guide.refused provider=\"$1\".*$refused" >/dev/null; }

it "fetches the guide that a list names under the same rule"
bridge config <<INI
[provider far]
playlist = http://$public/list.m3u
[provider led]
playlist = http://$public/list.m3u
guide = http://$public/epg.to
[provider near]
playlist = @FILES@/list.m3u
[provider file]
playlist = $folder/list.m3u
[provider written]
playlist = http://$public/list.m3u
guide = @FILES@/epg.xml
INI
chmod -R a+rX "$folder"
bridge start
bridge ctl refresh >"$T/out" || fail "$(cat "$T/out")"
for name in near file written; do
	until_true 20 fetched "$name" || fail "the guide of $name is not there: $(bridge log guide)"
done
for name in far led; do
	until_true 20 refused "$name" || fail "the guide of $name is not refused: $(bridge log guide)"
	fetched "$name" && fail "the guide of $name was fetched"
done

it "goes where the operator lets it"
sed -i 's/^\[provider far\]/[fetch]\nprivate_targets = yes\n&/' "$T/plexbridge.ini"
bridge reload || fail "it is not taken"
bridge ctl refresh >"$T/out" || fail "$(cat "$T/out")"
until_true 20 fetched far || fail "the guide of far is not there: $(bridge log guide)"
until_true 20 fetched led || fail "the guide of led is not there: $(bridge log guide)"

bridge stop; [ "$bridge_status" = 0 ] || fail "it ended with $bridge_status"

# A channel at a private address, in lists on either side; and one said over by the operator.
need_media hi
common="file=$(media hi),seg=1,win=20,clock=wall"
origin start --listen 127.0.0.1:0 --listen "${public%:*}:0" --channel "name=near,$common" --channel "name=far,$common"
printf '#EXTM3U\n' >"$folder/named.m3u"
for name in inside over both; do
	printf '#EXTINF:-1 tvg-id="%s",%s\n%s/near/master.m3u8\n' $name $name "$(origin url)"
done >>"$folder/named.m3u"
printf '#EXTM3U\n#EXTINF:-1 tvg-id="near",near\n%s/near/master.m3u8\n' "$(origin url)" >"$folder/home.m3u"
sed 's/"near",near/"kept",kept/' "$folder/home.m3u" >"$folder/kept.m3u"
sed -n 's/"near",near/"both",both/p; /^http/p' "$folder/home.m3u" >>"$folder/kept.m3u"
# named PRIVATE_TARGETS: of these lists.
named() {
	bridge config <<-INI
		[fetch]
		private_targets = $1
		[provider abroad]
		playlist = http://$public/named.m3u
		first_number = 1
		[provider home]
		playlist = @FILES@/home.m3u
		first_number = 10
		[provider disk]
		playlist = $folder/kept.m3u
		first_number = 20
	INI
	chmod -R a+rX "$folder"
}
# answer CHANNEL: to its tune, be it no: the status of its head, when there is one.
answer() {
	rm -f "$T/head"
	curl -s -m 30 -D "$T/head" "$(bridge url)/auto/v$1" | head -c 1 >"$T/first"
	sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$T/head"
}
# said: how often the log has said that the list's channel is not played.
said() { bridge log 'channel=1 .*a list on a public address led to a private one, and private_targets is no' | wc -l; }

it "plays no channel at a private address that a list on a public one names, but of other lists"
named no
bridge start
bridge ctl refresh >"$T/out" || fail "$(cat "$T/out")"
equal "named by a list outside" "$(answer 1)" 503
bridge wait-log 'channel=1 .*a list on a public address led to a private one, and private_targets is no'
equal "named by a list inside" "$(answer 10)" 200
equal "named by a file" "$(answer 20)" 200
equal "named by a list outside and by a file" "$(answer 3)" 200

it "plays what the operator says over it"
printf '[channel 2]\nurl = %s/near/master.m3u8\n' "$(origin url)" >>"$T/plexbridge.ini"
bridge reload || fail "it is not taken"
equal "said over by the operator" "$(answer 2)" 200

it "keeps to that with the list that it begins with after a restart"
bridge stop
before=$(said)
bridge start
equal "named by a list outside" "$(answer 1)" 503
at_least "times that the log says why" "$(said)" $((before + 1))

it "plays it where the operator lets it"
named yes
bridge reload || fail "it is not taken"
equal "named by a list outside" "$(answer 1)" 200
bridge stop; [ "$bridge_status" = 0 ] || fail "it ended with $bridge_status"

# The operator's own URL is no link that a public server made: whatever plays meanwhile.
it "goes back to a channel's first source, which is private, from a backup that is public"
bridge config <<'INI'
[stream]
reserve = 8s
return_after = 3s
[channel 1]
name = near
url = @ORIGIN@/near/master.m3u8
backup1 = @ORIGIN2@/far/master.m3u8
INI
bridge start
viewer start near /auto/v1
viewer wait near ms=7000
origin fault "channel=near,kind=any,fault=status,value=404,for=4"
bridge wait '.streams[0].upstream.failovers == 1'
bridge wait '.streams[0].upstream.returns == 1'
viewer check near closed=no clean=true

bridge stop; [ "$bridge_status" = 0 ] || fail "it ended with $bridge_status"
finish
