#!/bin/bash
# The supervisor and all workers are killed at once, again and again, under plexbridge-keeper: connections
# stay, streams are clean and whole, and in the end nothing is left behind.
#
#   PB_TEST_DEATHS  how often (3)
#   PB_TEST_KILLS   how many single workers besides (12)
. "${0%/*}/lib.sh"
need_media hi

deaths=${PB_TEST_DEATHS:-3}
kills=${PB_TEST_KILLS:-12}
keeper=${PB_BINDIR:-$top_builddir}/plexbridge-keeper
[ -x "$keeper" ] || skip_all "no plexbridge-keeper"

origin start --channel "name=a,file=$(media hi),seg=2,win=10" --channel "name=b,file=$(media hi),seg=2,win=10,aes=yes,iv=explicit"
bridge config <<-INI
	[stream]
	linger = 0s
	[channel 1]
	name = First
	url = @ORIGIN@/a/master.m3u8
	[channel 2]
	name = Encrypted
	url = @ORIGIN@/b/master.m3u8
INI

# As bridge start does, but under the keeper; bridge_pid is that of the keeper.
keeper_start() {
	local try
	for ((try = 0; try < 20; try++)); do
		bridge_port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		"$keeper" "$PROGRAMS/plexbridged" -f "$T/plexbridge.ini" -o "server.listen=127.0.0.1:$bridge_port" \
		    "${server_options[@]}" >"$T/bridge.out" 2>>"$T/bridge.log" </dev/null &
		bridge_pid=$!
		# A port that is taken is tried again by the keeper for ever: not by us.
		bridge_warm && return 0
		kill -TERM "$bridge_pid" 2>/dev/null
		wait_dead "$bridge_pid"
	done
	give_up "no bridge under the keeper"
}

children() { ps -o pid= --ppid "$1"; }
supervisor() { ps -o pid=,comm= --ppid "$bridge_pid" | awk '$2 == "plexbridged" { print $1 }'; }
descriptors() { ls "/proc/$1/fd" | wc -l; }
threads() { ls "/proc/$1/task" | wc -l; }
locks() { awk -v pid="$(supervisor)" '$5 == pid' /proc/locks | wc -l; }
memory() { sed -n 's/^Pss_Anon: *\([0-9]*\) kB/\1/p' "/proc/$1/smaps_rollup"; }
quiet() { bridge wait '(.streams | length) == 0 and .spare.state == "warm"'; }
both_live() {
	[ "$(supervisor)" != "$1" ] && bridge_says 0 '[.streams[] | select(.worker.state == "live")] | length == 2'
}

keeper_start
viewer start first /auto/v1
viewer wait first bytes=100000
viewer stop first
bridge wait-log 'event=guide channels='
quiet
before="$(descriptors "$bridge_pid") $(memory "$bridge_pid") $(descriptors "$(supervisor)") $(memory "$(supervisor)") \
    $(threads "$(supervisor)") $(locks)"

for v in 1a 1b 2a; do
	viewer start $v "/auto/v${v%[ab]}"
done
for v in 1a 1b 2a; do
	viewer wait $v bytes=250000
done

it "supervisor and workers are killed at once, $deaths times, and the streams go on"
for ((n = 0; n < deaths; n++)); do
	old=$(supervisor)
	# shellcheck disable=SC2046 # numbers
	kill -KILL "$old" $(children "$old") 2>/dev/null
	until_true 30 both_live "$old" || { fail "death $n: the streams were not taken up"; break; }
	# One that lived less than a second is taken for one that can't live. Another moment of the segment each time.
	sleep "1.$((RANDOM % 8 + 2))"
done
for v in 1a 1b 2a; do
	viewer wait $v bytes=$(($(progress $v bytes) + 150000))
done
equal "starts of a supervisor" "$(bridge log 'event=keeper.start' | wc -l)" $((deaths + 1))

it "workers are killed one by one, $kills in all"
for ((n = 0; n < kills; n += 2)); do
	w1=$(bridge worker 1) w2=$(bridge worker 2)
	kill -KILL "$w1" "$w2" || fail "kill $n: no workers"
	bridge wait "[.streams[] | select(.worker.state == \"live\" and .worker.pid != $w1 and .worker.pid != $w2)] | length == 2" ||
	    break
	sleep 0.3 # those that come faster are taken for a hunt, and waited for (supervisor/crash.h)
done
at_least "deaths in the log" "$(bridge log 'event=worker.death .*signal=9' | wc -l)" "$kills"

it "somebody who comes now is served as ever"
viewer start late /auto/v2
viewer wait late bytes=200000

it "connections stayed open, streams are clean and whole"
for v in 1a 1b 2a late; do
	viewer check $v status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 pmt_changes=0
	viewer whole $v "$(media hi)"
done
say "largest gaps: $(for v in 1a 1b 2a; do viewer get $v largest_gap_ms; done | tr '\n' ' ')ms"

it "all viewers of a channel had the same bytes"
"$top_builddir/tests/system/same" "$T/1a.ts" "$T/1b.ts" >"$T/same" || fail "$(cat "$T/same")"
"$top_builddir/tests/system/same" "$T/2a.ts" "$T/late.ts" >"$T/same" || fail "$(cat "$T/same")"

# relayout: the states that the keeper holds are of another layout from now on; who has them mapped doesn't look again.
relayout() {
	local fd n=0
	for fd in "/proc/$bridge_pid/fd/"*; do
		case $(readlink "$fd") in
		*plexbridge-state*) printf '\377\0\0\0' | dd of="$fd" bs=1 seek=4 conv=notrunc 2>/dev/null && n=$((n + 1)) ;;
		esac
	done
	[ "$n" -gt 0 ]
}

it "a state of another build's layout costs no connection: its stream begins anew on a fresh spool"
viewer start other1 /auto/v1
viewer start other2 /auto/v2
viewer wait other1 bytes=400000
viewer wait other2 bytes=400000
expect "there are states" relayout
old=$(supervisor)
# shellcheck disable=SC2046 # numbers
kill -KILL "$old" $(children "$old") 2>/dev/null
until_true 30 both_live "$old" || fail "the streams were not taken up"
equal "streams begun anew" "$(bridge log 'event=stream.renew .*clients=1 lost=0' | wc -l)" 2
for v in other1 other2; do
	viewer wait $v bytes=$(($(progress $v bytes) + 600000))
	# Its packet in hand came whole, counters were said to be new, and the clock went on.
	viewer check $v status=200 closed=no continuity_errors=0 sync_losses=0 pcr_backward=0 dts_backward=0 pmt_changes=0
	at_least "$v: discontinuities that were said" "$(viewer get $v discontinuity_indicators)" 4
done

it "nothing is left of it, neither with the keeper nor with the supervisor"
quiet
# shellcheck disable=SC2086 # numbers
read -r held kib fds own tasks locked <<<$(echo $before)
at_most "the keeper's descriptors" "$(descriptors "$bridge_pid")" "$held"
at_most "the supervisor's descriptors" "$(descriptors "$(supervisor)")" "$fds"
sanitized || at_most "the keeper's memory, KiB" "$(memory "$bridge_pid")" $((kib + 256))
sanitized || at_most "the supervisor's memory, KiB" "$(memory "$(supervisor)")" $((own + 512))
equal "the supervisor's threads" "$(threads "$(supervisor)")" "$tasks"
equal "the supervisor's locks" "$(locks)" "$locked"
say "descriptors of keeper and supervisor: $held $fds before, $(descriptors "$bridge_pid") $(descriptors "$(supervisor)") now;" \
    "memory $kib $own KiB, $(memory "$bridge_pid") $(memory "$(supervisor)") now"
equal "the keeper's children" "$(children "$bridge_pid" | wc -l)" 1
equal "zombies" "$(ps -o stat= --ppid "$bridge_pid" --ppid "$(supervisor)" | grep -c Z)" 0

it "and a stop of the keeper ends it all"
last=$(supervisor)
bridge stop
equal "its status" "$bridge_status" 0
expect "the supervisor has ended" eval "! kill -0 $last 2>/dev/null"

finish
