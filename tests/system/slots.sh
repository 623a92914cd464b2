#!/bin/bash
# What a provider allows at once is kept, whoever is killed, and free again when nobody is left who could use it.
. "${0%/*}/ask.sh"
keeper=${PB_BINDIR:-$top_builddir}/plexbridge-keeper
[ -x "$keeper" ] || give_up "$keeper is not there: make all"

# Plain streams: each takes one connection, so that the origin's count is that of streams.
origin_start a b c d
bridge config <<'INI'
[tuner]
tuner_count = 8
[stream]
linger = 60s
[provider two]
max_streams = 2
[provider one]
max_streams = 1
[channel 1]
name = One
url = @ORIGIN@/a/live.ts
provider = two
[channel 2]
name = Two
url = @ORIGIN@/b/live.ts
provider = two
[channel 3]
name = Three
url = @ORIGIN@/c/live.ts
provider = two
[channel 4]
name = Four
url = @ORIGIN@/nowhere/live.ts
backup1 = @ORIGIN@/d/live.ts
backup1_provider = one
[channel 5]
name = Five
url = @ORIGIN@/d/live.ts
provider = one
INI

# kept_start: the bridge, under the keeper; bridge_pid is the keeper's.
kept_start() {
	bridge_port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
	"$keeper" "$PROGRAMS/plexbridged" -f "$T/plexbridge.ini" -o "server.listen=127.0.0.1:$bridge_port" \
	    "${server_options[@]}" >"$T/bridge.out" 2>>"$T/bridge.log" </dev/null &
	bridge_pid=$!
	bridge_warm || give_up "the bridge doesn't start"
}

supervisor() {
	ps -o pid=,comm= --ppid "$bridge_pid" | awk '$2 == "plexbridged" { print $1 }'
}

workers() {
	ps -o pid= --ppid "$1"
}

another() { # another OLD: is there another supervisor, which answers?
	local now
	now=$(supervisor)
	[ -n "$now" ] && [ "$now" != "$1" ] && bridge_says 0 .
}

more() { # more NAME: it gets on from where it is
	viewer wait "$1" bytes=$(($(viewer_bytes "$1") + 40000))
}

viewer_bytes() {
	progress "$1" bytes
}

kept_start
viewer start v1 /auto/v1
viewer start v2 /auto/v2
viewer wait v1 bytes=40000
viewer wait v2 bytes=40000

it "a third stream is refused while two are watched, and also while their workers die"
equal "the third channel" "$(error /auto/v3)" '503 805 0'
for n in 1 2; do
	for channel in 1 2; do
		old=$(bridge worker $channel)
		kill -KILL "$old"
		equal "the third channel after kill $n of channel $channel" "$(error /auto/v3)" '503 805 0'
		bridge wait ".streams[] | select(.channel == \"$channel\") | .worker.pid != $old and .worker.state == \"live\""
	done
done

it "supervisor and workers are killed: the next supervisor has the same slots, and the viewers go on"
for n in 1 2; do
	old=$(supervisor)
	kill -KILL "$old" $(workers "$old") 2>/dev/null
	until_true 15 another "$old" || fail "no supervisor follows"
	equal "the third channel after death $n" "$(error /auto/v3)" '503 805 0'
	more v1
	more v2
done

it "an upgrade keeps the slots with their streams"
old=$(supervisor)
expect "the upgrade" bridge ctl upgrade >/dev/null
until_true 15 another "$old" || fail "no supervisor follows"
equal "the third channel" "$(error /auto/v3)" '503 805 0'
more v1
more v2
viewer check v1 clean=true closed=no
viewer check v2 clean=true closed=no

it "what was known of a channel before a supervisor died is known to those after it"
equal "times that it was opened" "$(bridge ctl --json why 1 | jq '[.timeline[] | select(.event == "client.open")] | length')" 1
at_least "deaths of its workers" "$(bridge ctl --json why 1 | jq '[.timeline[] | select(.event == "worker.death")] | length')" 2

it "a stream that only lingers gives its slot up at once, as often as a viewer zaps"
viewer start v1 /auto/v1
viewer wait v1 bytes=40000
for channel in 3 2 3; do
	viewer stop v2
	viewer start v2 /auto/v$channel
	viewer wait v2 bytes=40000
done

it "status says who has them"
equal "slots of the provider, in use, and by whom" \
    "$(bridge status '.providers[0] | "\(.name) \(.max_streams) \(.in_use) \([.streams[].channel] | sort | join(","))"')" 'two 2 2 1,3'
bridge ctl status >"$T/shown"
expect "the table has it" grep -q -E 'two +2 +2 .*(1, 3|3, 1)' "$T/shown"

it "no more connections than slots were ever made"
viewer stop v1
viewer stop v2
disown "$bridge_pid"
kill -KILL "$bridge_pid" "$(supervisor)" $(workers "$(supervisor)") 2>/dev/null
wait_dead "$bridge_pid" 2>/dev/null
at_most "connections at once" "$(origin stats .connections_max)" 2

it "when all of them are dead, all slots are free"
kept_start
viewer start v1 /auto/v1
viewer start v2 /auto/v3
viewer wait v1 bytes=40000
viewer wait v2 bytes=40000
viewer stop v1
viewer stop v2

it "the slot of a backup's provider goes from supervisor to supervisor, too"
viewer start v4 /auto/v4
viewer wait v4 bytes=40000
equal "the source of channel 4" "$(bridge status '.streams[] | select(.channel == "4") | .upstream.source')" 1
equal "another channel of that provider" "$(error /auto/v5)" '503 805 0'
old=$(supervisor)
kill -KILL "$old" $(workers "$old") 2>/dev/null
until_true 15 another "$old" || fail "no supervisor follows"
equal "the other channel after a death" "$(error /auto/v5)" '503 805 0'
more v4
equal "the source of channel 4 after a death" "$(bridge status '.streams[] | select(.channel == "4") | .upstream.source')" 1
old=$(supervisor)
worker=$(bridge worker 4)
expect "the upgrade" bridge ctl upgrade >/dev/null
until_true 15 another "$old" || fail "no supervisor follows"
equal "the other channel after an upgrade" "$(error /auto/v5)" '503 805 0'
more v4
# It was handed over as it was, and only then replaced by one of the next build.
bridge wait-log "event=worker.retired pid=$worker .*channel=4 .*why=\"upgrade\""
equal "slots in use" "$(bridge status '.providers[1].in_use')" 1
viewer check v4 status=200 clean=true closed=no
viewer start v5 /auto/v5
viewer wait v5 bytes=40000
viewer stop v5
kill -TERM "$bridge_pid"
wait_dead "$bridge_pid" || fail "the keeper doesn't end"
bridge_pid=

it "without a keeper, a slot stays taken for as long as a worker lives that had it"
sed -i 's/^max_streams = 2/max_streams = 1/' "$T/plexbridge.ini"
bridge start
viewer start v1 /auto/v1
viewer wait v1 bytes=40000
stopped=$(bridge worker 1)
kill -STOP "$stopped"
disown "$bridge_pid"
kill -KILL "$bridge_pid"
wait "$bridge_pid" 2>/dev/null
viewer stop v1
bridge start
equal "while it is only stopped" "$(error /auto/v2)" '503 805 0'
kill -KILL "$stopped"
free() {
	[ "$(taste /auto/v2)" = 18800 ]
}
until_true 10 free || fail "the slot is not free"
bridge stop
finish
