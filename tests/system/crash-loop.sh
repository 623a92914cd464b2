#!/bin/bash
# A worker that can't stay up: whoever follows it serves what is there and leaves the source alone for a
# while, then goes on. Viewers stay, other streams never notice, and a restart forgets none of it.
. "${0%/*}/lib.sh"
need_media hi

origin start --channel "name=a,file=$(media hi),seg=2,win=10" --channel "name=b,file=$(media hi),seg=2,win=10"
bridge config <<-INI
	[stream]
	return_after = 6s
	tune_timeout = 4s
	[channel 1]
	name = Crashes
	url = @ORIGIN@/a/master.m3u8
	[channel 2]
	name = Beside it
	url = @ORIGIN@/b/master.m3u8
	[channel 3]
	name = Has a backup
	url = @ORIGIN@/a/master.m3u8
	backup1 = @ORIGIN@/b/master.m3u8
INI
bridge start

viewer start one /auto/v1
viewer start two /auto/v2
viewer wait one bytes=250000
viewer wait two bytes=250000
[ "$(progress one status)" = 200 ] || give_up "no stream to test with"

# crash CHANNEL: its worker gets a fault signal as soon as it has the stream, and another one follows.
crash() {
	local worker
	worker=$(bridge worker "$1")
	kill -SEGV "$worker"
	bridge wait ".streams[] | select(.channel == \"$1\") | .worker.pid != $worker and .worker.pid != null and .worker.state == \"live\""
}

it "the first two deaths cost no pause"
crash 1
crash 1
equal "pauses" "$(bridge log 'event=stream.backoff' | wc -l)" 0

it "after that the next one has the viewers at once, and asks the source for nothing yet"
held_long() {
	[ -n "$(bridge log 'event=stream.hold channel=1 .*hold_ms=[0-9][0-9][0-9][0-9]')" ]
}
for n in 1 2 3 4 5; do
	crash 1
	until_true 1 held_long && break
done
bridge wait-log 'event=stream.backoff channel=1 .*viewers=served'
expect "a pause of a second or more" held_long
# What is in hand is worth more than that: bytes come while the source is left alone.
viewer wait one bytes=$(($(progress one bytes) + 30000))

it "one that dies even so is waited for, and the viewer stays"
waited_for() {
	[ -n "$(bridge log 'event=stream.backoff channel=1 .*viewers=waiting')" ]
}
for n in 1 2 3; do
	waited_for || crash 1
done
expect "a worker that was waited for" waited_for
viewer wait one bytes=$(($(progress one bytes) + 300000))

it "the viewer has one connection and a stream without a fault"
viewer check one status=200 closed=no continuity_errors=0 pcr_backward=0 dts_backward=0 pmt_changes=0

it "where there is a backup, the next one goes on with that"
viewer start three /auto/v3
viewer wait three bytes=250000
equal "the source" "$(bridge status '.streams[] | select(.channel == "3") | .upstream.source')" 0
for n in 1 2 3; do
	crash 3
done
bridge wait-log 'event=stream.backoff channel=3 .*source=1 viewers=served'
bridge wait '.streams[] | select(.channel == "3") | .upstream.source == 1'
viewer wait three bytes=$(($(progress three bytes) + 250000))

# The look at it takes longer than a tune may.
it "...and goes back when the first one has been good for return_after"
bridge wait '.streams[] | select(.channel == "3") | .upstream.source == 0 and .upstream.returns == 1'
viewer wait three bytes=$(($(progress three bytes) + 100000))
viewer check three status=200 closed=no continuity_errors=0 pcr_backward=0 dts_backward=0 pmt_changes=0

it "the one beside it never noticed"
viewer check two status=200 closed=no clean=true continuity_errors=0
viewer whole two "$(media hi)"
equal "deaths of its workers" "$(bridge log 'event=worker.death.*channel=2 ' | wc -l)" 0

finish
