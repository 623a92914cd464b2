#!/bin/bash
# A provider's playlist becomes a lineup that can be tuned, and that never moves by itself.
. "${0%/*}/lib.sh"

origin start --channel "name=a,file=$top_srcdir/share/testcard.ts,seg=2" \
    --channel "name=b,file=$top_srcdir/share/testcard.ts,seg=2"
files start
list=$(files dir)/list.m3u
lineup() {
	curl -s "$(bridge url)/lineup.json" | jq -r '.[] | .GuideNumber + " " + .GuideName'
}
status_of() {
	curl -s -o /dev/null -w '%{http_code}' "$(bridge url)$1"
}
write_list() {
	sed "s#@ORIGIN@#$(origin url)#g" >"$list.new" && mv "$list.new" "$list"
}
# What the file says of channels comes from standard input.
configure() {
	{
		cat <<'INI'
[stream]
reserve = 4s
[fetch]
private_targets = yes
[provider home]
playlist = @FILES@/list.m3u?username=someone&password=secretword
first_number = 100
exclude_name = ~adult
INI
		cat
	} | bridge config
}
mine='[channel 7]
name = Mine
url = @ORIGIN@/b/master.m3u8'
configure <<<"$mine"

it "answers 503 until the first lineup is whole, and tunes what is written by hand"
bridge start
equal "lineup.json" "$(status_of /lineup.json)" 503
equal "lineup.xml" "$(status_of /lineup.xml)" 503
viewer start v0 /auto/v7
viewer wait v0 bytes=100000
viewer stop v0
bridge ctl refresh >"$T/refresh.out" && fail "a playlist that is not there was taken"
expect "why" grep -q 'home: status 404' "$T/refresh.out"

it "takes the playlist at the operator's word, and its channels can be tuned"
write_list <<'M3U'
#EXTM3U
#EXTINF:-1 tvg-id="one.tv" tvg-chno="5.1" group-title="News",One HD
@ORIGIN@/a/master.m3u8
#EXTINF:-1 tvg-id="two.tv",Two
@ORIGIN@/b/master.m3u8
#EXTINF:-1,Adult
@ORIGIN@/b/master.m3u8
#EXTINF:-1 tvg-id="one.tv",One SD
@ORIGIN@/b/master.m3u8
#EXTINF:-1,Bad
rtsp://h/1
M3U
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
equal "lineup" "$(lineup)" '5.1 One HD
7 Mine
100 Two'
viewer start v1 /auto/v5.1
viewer wait v1 bytes=100000
expect "what was not understood" grep -q 'event=import.entry provider="home" .*line=11 why="Bad: rtsp: only http' "$T/bridge.log"

it "keeps numbers, and who watches, whatever the provider changes"
write_list <<'M3U'
#EXTM3U
#EXTINF:-1 tvg-id="two.tv" tvg-chno="5.1",Zwei
@ORIGIN@/a/master.m3u8
#EXTINF:-1,Three
@ORIGIN@/a/master.m3u8
#EXTINF:-1,Adult
@ORIGIN@/a/master.m3u8
M3U
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
equal "lineup" "$(lineup)" '7 Mine
100 Zwei
101 Three'
equal "absent" "$(bridge ctl lineup --absent | grep -c 'One HD')" 1
equal "its number" "$(status_of /auto/v5.1)" 404
seen=$(progress v1 bytes)
kill -KILL "$(bridge worker 5.1)"
viewer wait v1 bytes=$((seen + 400000))
viewer stop v1
viewer check v1 closed=no clean=true

it "who watches what its provider drops watches on, also where the file says something over it"
configure <<<"$mine
[channel 101]
name = My Three"
bridge reload || fail "$(cat "$T/reload.out")"
viewer start v2 /auto/v101
viewer wait v2 bytes=100000
write_list <<'M3U'
#EXTM3U
#EXTINF:-1 tvg-id="two.tv" tvg-chno="5.1",Zwei
@ORIGIN@/a/master.m3u8
#EXTINF:-1,Adult
@ORIGIN@/a/master.m3u8
M3U
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
equal "its number" "$(status_of /auto/v101)" 404
for what in refresh reload; do
	bridge ctl "$what" >"$T/$what.out" || fail "$(cat "$T/$what.out")"
	seen=$(progress v2 bytes)
	kill -KILL "$(bridge worker 101)"
	viewer wait v2 bytes=$((seen + 400000))
done
viewer check v2 closed=no clean=true

it "what the operator takes out of the file ends, and gives its tuner back"
viewer start v2 /auto/v7
viewer wait v2 bytes=100000
configure </dev/null
bridge reload || fail "$(cat "$T/reload.out")"
viewer wait v2 closed=yes
viewer stop v2
bridge wait '[.streams[] | select(.channel == "7")] | length == 0'
configure <<<"$mine"
bridge reload || fail "$(cat "$T/reload.out")"
write_list <<'M3U'
#EXTM3U
#EXTINF:-1 tvg-id="two.tv" tvg-chno="5.1",Zwei
@ORIGIN@/a/master.m3u8
#EXTINF:-1,Three
@ORIGIN@/a/master.m3u8
M3U
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"

it "shows what a list would change, and changes nothing"
before=$(lineup)
cp "$T/state/lineup.journal" "$T/journal"
cat >"$T/try.m3u" <<'M3U'
#EXTM3U
#EXTINF:-1 tvg-id="one.tv",One again
http://h.example/live/me/secretword/1.ts
#EXTINF:-1 tvg-id="two.tv" tvg-chno="9",Due
http://h.example/2.ts
#EXTINF:-1,Four
http://h.example/4.ts
#EXTINF:-1,Bad
rtsp://h/1
M3U
chmod 644 "$T/try.m3u"
bridge ctl --json import --dry-run "$T/try.m3u" >"$T/try.json" || fail "$(cat "$T/try.json")"
equal "what would change" "$(jq -c '[([.new, .back, .gone][] | map(.number + " " + .name)),
    (.renamed | map(.was + ">" + .name)), (.renumbered | map(.number + ">" + .wanted)), (.refused | map(.line))]' "$T/try.json")" \
    '[["102 Four"],["5.1 One again"],["101 Three"],["Zwei>Due"],["100>9"],[9]]'
bridge ctl import --dry-run "$T/try.m3u" home >"$T/try.out" || fail "$(cat "$T/try.out")"
expect "in words" grep -q '^new        102 Four$' "$T/try.out"
expect "what is refused" grep -q 'try.m3u:9: Bad: rtsp' "$T/try.out"
# Its URL as long as a playlist's may be, and a bit of each that has to be encoded.
cp "$T/try.m3u" "$(files dir)/try.m3u"
long="$(files url)/try.m3u?password=secretword&token=$(printf '%%D0%%9Fab+&%.0s' {1..400})"
at_least "bytes of the long URL" ${#long} 4000
bridge ctl import --dry-run "$long" home >"$T/try.long" || fail "$(cat "$T/try.long")"
equal "by a long URL" "$(sed 's/^\(refused  *\).*\(:9: \)/\1\2/' "$T/try.long")" "$(sed 's/^\(refused  *\).*\(:9: \)/\1\2/' "$T/try.out")"
equal "requests for it, as it is" "$(grep -c -x -F "/${long#*://*/}" "$T/files.err")" 1
bridge ctl import --dry-run "$long" nobody >"$T/try.out" && fail "a provider that is not there was taken"
equal "of whom" "$(cat "$T/try.out")" 'refused: there is no such provider'
bridge ctl import --dry-run "$long$long" >"$T/try.out" 2>&1 && fail "a source that is too long was taken"
equal "how long it may be" "$(cat "$T/try.out")" 'plexbridgectl: the source is too long: the request may have 7167 bytes'
bridge ctl import --dry-run "$(files url)/none.m3u?password=secretword" >"$T/try.out" && fail "what is not there was taken"
expect "why" grep -q 'refused: status 404' "$T/try.out"
printf '<html>' >"$T/try.m3u"
bridge ctl import --dry-run "$T/try.m3u" >"$T/try.out" && fail "a web page was taken"
expect "why" grep -q 'refused: it is a web page' "$T/try.out"
grep -q secretword "$T/try.json" "$T/try.out" && fail "the password is shown"
equal "lineup" "$(lineup)" "$before"
cmp -s "$T/journal" "$T/state/lineup.journal" || fail "the journal was written to"

it "refuses what is no list, and what shrank too much, and says so"
before=$(lineup)
printf '<html>sorry</html>' >"$list"
bridge ctl refresh >"$T/refresh.out" && fail "a web page was taken"
expect "why" grep -q 'home: it is a web page' "$T/refresh.out"
: >"$list"
bridge ctl refresh >"$T/refresh.out" && fail "nothing was taken"
expect "why" grep -q 'home: there is no channel in it' "$T/refresh.out"
{
	echo '#EXTM3U'
	for ((i = 0; i < 100; i++)); do
		printf '#EXTINF:-1 tvg-id="n%d.tv",Number %d\nhttp://h.example/%d.ts\n' $i $i $i
	done
} >"$list"
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
equal "channels" "$(lineup | wc -l)" 101
equal "absent" "$(bridge ctl --json lineup | jq '.absent | length')" 3
write_list <<'M3U'
#EXTINF:-1 tvg-id="n1.tv",Number 1
http://h.example/1.ts
M3U
bridge ctl refresh >"$T/refresh.out" && fail "a list that shrank to a hundredth was taken"
expect "why" grep -q 'shrank from 100 to 1 ' "$T/refresh.out"
equal "channels" "$(lineup | wc -l)" 101

it "has the last good lineup at once after a restart, without its provider"
before=$(lineup)
bridge stop
rm "$list"
bridge start
equal "lineup" "$(lineup)" "$before"
equal "a number of before" "$(lineup | sed -n 's/^100 //p')" ''

it "renumbers at the operator's word alone"
bridge ctl renumber 7 8 >"$T/out" 2>&1 && fail "a channel of the file was renumbered"
number=$(lineup | sed -n 's/ Number 42$//p')
expect "renumber" bridge ctl renumber "$number" 4.2 >"$T/out"
until_true 10 eval 'lineup | grep -q "^4.2 Number 42"' || fail "it has no other number"
bridge stop
bridge start
expect "after a restart" eval 'lineup | grep -q "^4.2 Number 42"'

it "shows no channel whose number it can't know, until it can"
before=$(lineup)
bridge stop
journal hide
bridge start
equal "lineup.json" "$(status_of /lineup.json)" 503
why='lineup.journal, which has the numbers, can.t be read: Permission denied'
expect "why in the log" bridge log "event=lineup.failed .*$why" >"$T/out"
bridge ctl status >"$T/out"
expect "why in the status" grep -q "tried again: $why" "$T/out"
bridge ctl renumber 4.2 4.3 >"$T/out" 2>&1 && fail "a channel that nobody knows was renumbered"
bridge reload || fail "$(cat "$T/reload.out")"
equal "lineup.json after a reload" "$(status_of /lineup.json)" 503
viewer start v3 /auto/v7
viewer wait v3 bytes=100000
viewer check v3 closed=no
journal show
until_true 60 eval '[ "$(status_of /lineup.json)" = 200 ]' || fail "it is never read again"
equal "lineup" "$(lineup)" "$before"

# other FILE COUNT: a list of so many.
other() {
	awk -v count="$2" 'BEGIN {
		print "#EXTM3U"
		for (i = 1; i <= count; i++)
			printf "#EXTINF:-1,Other %d\nhttp://o.example/%d.ts\n", i, i
	}' >"$(files dir)/$1"
}

it "compares a list with that of the same source alone, and one that doesn't say its source by its settings"
other other.m3u 20
cp "$T/plexbridge.ini" "$T/ini"
sed -i 's#/list.m3u?.*#/other.m3u#' "$T/plexbridge.ini"
bridge ctl reload >"$T/out" || fail "$(cat "$T/out")"
bridge ctl refresh >"$T/refresh.out" || fail "another source's is refused: $(cat "$T/refresh.out")"
equal "channels" "$(lineup | grep -c Other)" 20
other other.m3u 2
bridge ctl refresh >"$T/refresh.out" && fail "a list that shrank to a tenth was taken"
expect "why" grep -q 'shrank from 20 to 2 ' "$T/refresh.out"
bridge stop
# As a build before it was said has kept it (ipc/list.h).
dd if=/dev/zero of="$T/state/lists/home.list" bs=8 seek=12 count=1 conv=notrunc status=none
bridge start
equal "channels of what doesn't say" "$(lineup | grep -c Other)" 20
bridge ctl refresh >"$T/refresh.out" && fail "a list that shrank to a tenth was taken"
expect "why" grep -q 'shrank from 20 to 2 ' "$T/refresh.out"
bridge stop
other third.m3u 3
sed -i 's#/other.m3u#/third.m3u#' "$T/plexbridge.ini"
bridge start
bridge ctl refresh >"$T/refresh.out" || fail "another source's is refused: $(cat "$T/refresh.out")"
equal "channels" "$(lineup | grep -c Other)" 3

it "takes channels that share a placeholder for an id as what their names say"
{
	echo '#EXTM3U'
	for name in Friends Seinfeld 'Friends HD' Cheers; do
		printf '#EXTINF:-1 tvg-id="24.7.Dummy.us",24/7 %s\nhttp://h.example/%s.ts\n' "$name" "${name/ /}"
	done
} >"$(files dir)/third.m3u"
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
equal "names" "$(lineup | sed -n 's/^[0-9]* 24/24/p')" '24/7 Friends HD
24/7 Seinfeld
24/7 Cheers'
cp "$T/ini" "$T/plexbridge.ini"

# COUNT: a list of so many.
long_list() {
	awk -v count="$1" 'BEGIN {
		print "#EXTM3U"
		for (i = 1; i <= count; i++)
			printf "#EXTINF:-1 tvg-id=\"long%d.tv\",Long & wide %d\n@ORIGIN@/a/master.m3u8?%d\n", i, i, i
	}' | write_list
}

it "a lineup too long for one turn of the loop comes whole to all who ask at the same time"
long_list 30000
bridge ctl reload >"$T/out" || fail "$(cat "$T/out")"
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
asked=() # no more than may wait (supervisor/drafts.h)
for i in $(seq 15); do
	for what in json xml m3u "json?show=found"; do
		curl -s -m 60 -o "$T/long$i.$what" -w '%{http_code}\n' "$(bridge url)/lineup.$what" >"$T/code$i.$what" &
		asked+=($!)
	done
done
curl -s -m 60 -I "$(bridge url)/lineup.xml" >"$T/head" &
asked+=($!)
equal "whoever asks for something else" "$(status_of /discover.json)" 200
wait "${asked[@]}"
equal "answers" "$(cat "$T"/code* | sort -u)" 200
want=$(jq length "$T/long1.json")
at_least "channels" "$want" 30000
for i in $(seq 15); do
	for what in json xml m3u "json?show=found"; do
		cmp -s "$T/long1.$what" "$T/long$i.$what" || fail "$what of one is not that of another"
	done
done
equal "channels as XML" "$(grep -c '<Program>' "$T/long1.xml")" "$want"
equal "channels as M3U" "$(grep -c '^#EXTINF' "$T/long1.m3u")" "$want"
equal "enabled" "$(jq '[.[] | select(.Enabled == 1)] | length' "$T/long1.json?show=found")" "$want"
equal "what HEAD says" "$(tr -d '\r' <"$T/head" | sed -n 's/^Content-Length: //p')" "$(wc -c <"$T/long1.xml")"

it "a reload that has no memory for its lineup changes nothing"
if sanitized; then
	skip "no limit under a sanitizer"
elif ! command -v prlimit >/dev/null; then
	skip "there is no prlimit"
else
	sed -i '1i [channel 8]\nname = New\nurl = http://h.example/8.ts' "$T/plexbridge.ini"
	# A bit more than it has: enough for the file, not for thousands of channels, which are mapped in one piece.
	size=$(awk '/^VmSize/ { print $2 }' "/proc/$(bridge pid)/status")
	as=()
	[ "$(id -u)" != 0 ] || as=(setpriv --reuid="$(id -u "$run_user")" --regid="$(id -g "$run_user")" --clear-groups)
	"${as[@]}" prlimit --pid "$(bridge pid)" --as=$(((size + 1024) * 1024)): || fail "it has no limit"
	bridge ctl reload >"$T/out" 2>&1 && fail "it came in force"
	equal "why" "$(bridge log event=lineup.failed | grep -c 'why="out of memory"')" 1
	"${as[@]}" prlimit --pid "$(bridge pid)" --as=unlimited:
	equal "channels" "$(curl -s "$(bridge url)/lineup.json" | jq length)" "$want"
	bridge ctl reload >"$T/out" || fail "$(cat "$T/out")"
	equal "channels" "$(curl -s "$(bridge url)/lineup.json" | jq length)" $((want + 1))
fi

it "who waits for it while another comes in force gets one of the two, whole"
asked=() # no more than may wait (supervisor/drafts.h)
for i in $(seq 8); do
	long_list $((30000 + i))
	for what in json xml; do
		curl -s -m 60 -o "$T/new$i.$what" -H "Host: name$i:5004" "$(bridge url)/lineup.$what" &
		asked+=($!)
	done
	bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
done
wait "${asked[@]}"
for i in $(seq 8); do
	equal "JSON and XML $i" "$(($(jq length "$T/new$i.json") / 30000)) $(($(grep -c '<Program>' "$T/new$i.xml") / 30000)) $(
		tail -n 1 "$T/new$i.xml")" "1 1 </Lineup>"
done

it "shows no secret anywhere"
bridge ctl --json lineup >"$T/shown"
bridge ctl show config >>"$T/shown"
bridge ctl dump >>"$T/shown"
curl -s "$(bridge url)/lineup.json" >>"$T/shown"
curl -s "$(bridge url)/lineup.m3u" >>"$T/shown"
cat "$T/bridge.log" >>"$T/shown"
grep -c 'secretword' "$T/shown" >/dev/null && fail "the password is shown"

finish
