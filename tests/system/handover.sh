#!/bin/bash
# A stream outlives its worker: killed, hung, crashed or asked to go, the viewer notices nothing.
. "${0%/*}/lib.sh"
need_media hi

origin start --channel "name=a,file=$(media hi),seg=2,win=8" --channel "name=b,file=$(media hi),seg=2,win=8,aes=yes,iv=explicit" \
    --channel "name=c,file=$(media hi),seg=2,win=8"
bridge config <<-INI
	[tuner]
	tuner_count = 8
	[stream]
	watchdog = 1s
	[channel 1]
	name = Killed
	url = @ORIGIN@/a/master.m3u8
	[channel 2]
	name = Encrypted
	url = @ORIGIN@/b/master.m3u8
	[channel 3]
	name = Undisturbed
	url = @ORIGIN@/c/master.m3u8
	[channel 4]
	name = Plain
	url = @ORIGIN@/a/live.ts
INI
bridge start

# successor CHANNEL OLD: wait until another worker than OLD has the channel, and is live.
successor() {
	bridge wait ".streams[] | select(.channel == \"$1\") | .worker.pid != $2 and .worker.pid != null and .worker.state == \"live\""
}

viewer start calm /auto/v3
viewer start one /auto/v1
viewer start two /auto/v1
viewer start three /auto/v2
viewer start four /auto/v4
for v in calm one two three four; do
	viewer wait $v bytes=300000
done

it "a worker that is killed costs nobody a byte, five times in a row"
for n in 1 2 3 4 5; do
	for channel in 1 2 4; do
		worker=$(bridge worker $channel)
		kill -KILL "$worker"
		successor $channel "$worker"
	done
	viewer wait one ms=$((4000 + n * 2500))
done
expect "each death is a line in the log" bridge wait-log 'event=worker.death.*signal=9.*channel=1'

it "a worker that crashes is followed by another"
worker=$(bridge worker 1)
kill -SEGV "$worker"
successor 1 "$worker"
worker=$(bridge worker 1)
kill -ABRT "$worker"
successor 1 "$worker"

it "a worker that hangs is ended by the watchdog and followed by another"
worker=$(bridge worker 1)
kill -STOP "$worker"
successor 1 "$worker"
expect "the old one is gone" eval "! kill -0 $worker 2>/dev/null"

it "an operator may restart a channel's worker while it is watched"
worker=$(bridge worker 1)
expect "restart" bridge ctl restart 1
successor 1 "$worker"

it "a viewer who comes afterwards is served as ever"
viewer start late /auto/v1
viewer wait late bytes=300000

viewer wait one ms=28000

it "connections stayed open, streams are clean, and not a picture is lost or repeated"
for v in one two three late; do
	viewer check $v status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 pmt_changes=0
	viewer whole $v "$(media hi)"
done

it "plain TS goes on too, on the same connection and clock"
viewer check four status=200 closed=no continuity_errors=0 pcr_backward=0 dts_backward=0 pmt_changes=0

it "other channels never noticed"
viewer check calm status=200 closed=no clean=true
viewer whole calm "$(media hi)"
equal "restarts of the undisturbed channel" "$(bridge log 'worker.death.*channel=3 ' | wc -l)" 0

finish
