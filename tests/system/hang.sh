#!/bin/bash
# Workers that stand still, loop for ever or eat all memory are ended, and another one goes on. One that
# only paused is not, nor is anyone when the whole machine did. PB_TEST_PAUSE: for so many seconds (11: longer than a
# worker waits for a word of its supervisor).
. "${0%/*}/lib.sh"
need_media hi

pause=${PB_TEST_PAUSE:-11}

# The programs with a worker beside them that does such things when it is told to (base/fault.h).
mkdir "$T/faulty" "$T/fault"
chmod 755 "$T/faulty"
chmod 777 "$T/fault"
cp "$PROGRAMS/plexbridged" "$PROGRAMS/plexbridge-origin" "$PROGRAMS/plexbridgectl" "$T/faulty/"
cp "$top_builddir/tests/system/faulty/plexbridge-worker" "$T/faulty/"
PROGRAMS=$T/faulty
export PB_FAULT_FILE=$T/fault/point

# What is listed outlasts the longest pause: the origin goes by the clock.
origin start --channel "name=a,file=$(media hi),seg=2,win=15" --channel "name=b,file=$(media hi),seg=2,win=15"
bridge config <<-INI
	[stream]
	watchdog = 1s
	worker_memory = 16M
	[channel 1]
	name = Hangs
	url = @ORIGIN@/a/master.m3u8
	[channel 2]
	name = Beside it
	url = @ORIGIN@/b/master.m3u8
INI
bridge start

# successor OLD: wait until another worker than OLD has channel 1, and is live.
successor() {
	bridge wait ".streams[] | select(.channel == \"1\") | .worker.pid != $1 and .worker.pid != null and .worker.state == \"live\""
}

# goes_on: the viewer gets more than it has.
goes_on() {
	viewer wait one bytes=$(($(progress one bytes) + 150000))
}

# fault WORD: the worker of channel 1, or of whoever begins a segment next, gets into it.
fault() {
	printf 'begin 1 %s %s\n' "$1" "$1" >"$PB_FAULT_FILE.new"
	chmod 666 "$PB_FAULT_FILE.new"
	mv "$PB_FAULT_FILE.new" "$PB_FAULT_FILE"
	until_true 20 test ! -e "$PB_FAULT_FILE" || { rm -f "$PB_FAULT_FILE"; fail "no worker came to it"; }
}

deaths() {
	bridge log "event=worker.death.*why=\"$1" | wc -l
}

more_deaths() {
	[ "$(deaths "$1")" -gt "$2" ]
}

viewer start one /auto/v1
viewer start two /auto/v2
viewer wait one bytes=250000
viewer wait two bytes=250000
[ "$(progress one status)" = 200 ] || give_up "no stream to test with"

it "a worker that is stopped for less than the watchdog goes on as if nothing was"
worker=$(bridge worker 1)
kill -STOP "$worker"
sleep 0.3
kill -CONT "$worker"
goes_on
equal "the worker" "$(bridge worker 1)" "$worker"

it "one that is stopped right after it took over is ended by the watchdog, and so is the next"
for _ in 1 2; do
	worker=$(bridge worker 1)
	kill -KILL "$worker"
	successor "$worker"
	worker=$(bridge worker 1)
	kill -STOP "$worker"
	successor "$worker"
	expect "the old one is gone" eval "! kill -0 $worker 2>/dev/null"
	goes_on
done
equal "deaths by the watchdog" "$(deaths '.*stands still')" 2

it "to continue it when it was given up changes nothing"
worker=$(bridge worker 1)
kill -STOP "$worker"
bridge wait-log "event=worker.kill pid=$worker "
kill -CONT "$worker" 2>/dev/null
successor "$worker"
goes_on

it "one that loops for ever is ended by the watchdog"
before=$(deaths '.*stands still')
fault spin
expect "the watchdog ends it" until_true 10 more_deaths '.*stands still' "$before"
goes_on

it "one that eats memory is ended by its limit, and takes nobody with it"
if sanitized; then
	skip "no limit under a sanitizer"
else
	before=$(deaths 'signal 6')
	fault eat
	expect "it ends" until_true 10 more_deaths 'signal 6' "$before"
	goes_on
fi

it "when all of it is paused, nobody is ended for it, and all goes on"
deaths=$(deaths '')
all="$bridge_pid $(ps -o pid= --ppid "$bridge_pid") $origin_pid"
# shellcheck disable=SC2086 # numbers
kill -STOP $all
sleep "$pause"
# shellcheck disable=SC2086
kill -CONT $all
goes_on
equal "deaths" "$(deaths '')" "$deaths"

it "the viewer saw nothing but pauses: one connection, a clean stream, every picture once"
viewer check one status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 pmt_changes=0
viewer whole one "$(media hi)"

it "neither did who watched something else"
viewer check two status=200 closed=no clean=true continuity_errors=0
viewer whole two "$(media hi)"

finish
