#!/bin/bash
# What a provider drops plays on for who watches it, whichever supervisor follows under plexbridge-keeper.
. "${0%/*}/lib.sh"

keeper=${PB_BINDIR:-$top_builddir}/plexbridge-keeper
[ -x "$keeper" ] || give_up "$keeper is not there: make all"
origin start --channel "name=a,file=$top_srcdir/share/testcard.ts,seg=2"
files start

# list FIRST LAST: the provider has channels of these numbers.
list() {
	seq "$1" "$2" | while read -r n; do
		printf '#EXTINF:-1 tvg-id="c%d.tv",Channel %d\n%s/a/master.m3u8?%d\n' "$n" "$n" "$(origin url)" "$n"
	done >"$(files dir)/new"
	mv "$(files dir)/new" "$(files dir)/list.m3u"
}

lineup() {
	curl -s "$(bridge url)/lineup.json" | jq -r '.[] | .GuideNumber + " " + .GuideName'
}

supervisor() {
	ps -o pid=,comm= --ppid "$bridge_pid" | awk '$2 == "plexbridged" { print $1 }'
}

# another OLD: is there another supervisor, which has the stream?
another() {
	local now
	now=$(supervisor)
	[ -n "$now" ] && [ "$now" != "$1" ] && bridge_says 0 '[.streams[] | select(.worker.state == "live")] | length == 1'
}

follows() {
	until_true 20 another "$1" || fail "no supervisor follows that has the stream"
	viewer wait v1 bytes=$(($(progress v1 bytes) + 400000))
}

bridge config <<'INI'
[stream]
reserve = 4s
[fetch]
private_targets = yes
[provider home]
playlist = @FILES@/list.m3u
first_number = 100
INI
list 0 9
bridge_port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
"$keeper" "$PROGRAMS/plexbridged" -f "$T/plexbridge.ini" -o "server.listen=127.0.0.1:$bridge_port" \
    "${server_options[@]}" >"$T/bridge.out" 2>>"$T/bridge.log" </dev/null &
bridge_pid=$!
bridge_warm || give_up "the bridge doesn't start"
expect "refresh" bridge ctl refresh >"$T/refresh.out"
viewer start v1 /auto/v100
viewer wait v1 bytes=100000
list 1 9
expect "refresh" bridge ctl refresh >"$T/refresh.out"
equal "channels" "$(lineup | wc -l)" 9
equal "what is watched" "$(lineup | grep -c '^100 ')" 0

it "an upgrade doesn't cut it"
old=$(supervisor)
expect "the upgrade" bridge ctl upgrade >"$T/upgrade.out"
follows "$old"

it "nor does a supervisor that is killed, one after the other"
for i in 1 2; do
	old=$(supervisor)
	kill -KILL "$old"
	follows "$old"
done

it "nor a worker that dies then"
kill -KILL "$(bridge worker 100)"
viewer wait v1 bytes=$(($(progress v1 bytes) + 400000))

it "nor a journal that can't be read: media servers are told nothing until it can"
before=$(lineup)
journal hide
old=$(supervisor)
kill -KILL "$old"
follows "$old"
equal "lineup.json" "$(curl -s -o /dev/null -w '%{http_code}' "$(bridge url)/lineup.json")" 503
journal show
until_true 60 eval '[ "$(lineup 2>/dev/null)" = "$before" ]' || fail "the lineup is never what it was"
kill -KILL "$(bridge worker 100)"
viewer wait v1 bytes=$(($(progress v1 bytes) + 400000))

it "nobody was closed, and all that came is clean"
viewer check v1 closed=no clean=true
equal "streams that were lost" "$(bridge log 'event=stream.lost' | wc -l)" 0
bridge wait '.streams == []'
kill -TERM "$bridge_pid"
wait_dead "$bridge_pid" || fail "the keeper doesn't end"
bridge_pid=

finish
