#!/bin/bash
# The wall clock is set, forth and back, while plexbridged runs: nothing that it shows or waits for is of that clock.
. "${0%/*}/lib.sh"
need_media hi

# The programs with a plexbridged whose clock can be set.
mkdir -p "$T/bin"
chmod 755 "$T/bin"
for p in plexbridge-worker plexbridge-guide plexbridge-origin plexbridgectl; do
	[ "$PROGRAMS" = "$T/bin" ] || cp "$PROGRAMS/$p" "$T/bin/"
done
cp "$top_builddir/tests/system/clock/plexbridged" "$T/bin/"
PROGRAMS=$T/bin
export PB_CLOCK=$T/clock

# set_clock SECONDS: so far it is off from now on; returns when plexbridged has seen that.
set_clock() {
	printf '%s\n' "$1" >"$T/clock.new"
	chmod 644 "$T/clock.new"
	mv "$T/clock.new" "$T/clock"
	nap 1.5
	bridge status .supervisor.pid >/dev/null # a turn of its loop
	nap 1.5
}

# ages: all that status shows of how long something has been there, the least and the most of them.
ages() {
	bridge status '[.supervisor.uptime_s, .spare.uptime_s, (.streams[] | .seconds, .worker.uptime_s,
		.last_handover.seconds_ago, .clients[].seconds)] | map(numbers) | "\(min) \(max)"'
}

# ages_true WHEN: no age is more than this test's own, nor less than none.
ages_true() {
	local least most
	read -r least most <<<"$(ages)"
	at_least "the least age $1" "$least" 0
	at_most "the greatest age $1" "$most" $((SECONDS + 1))
	at_least "the greatest age $1" "$most" 1
}

origin start --channel "name=a,file=$(media hi),seg=1,win=20"
bridge config <<-INI
	[channel 1]
	name = One
	url = @ORIGIN@/a/master.m3u8
	[provider late]
	playlist = $T/files/late.m3u
INI
bridge start
viewer start v /auto/v1
viewer wait v bytes=200000

it "shows ages that no setting of the clock changes"
set_clock 7200
ages_true "two hours on"
set_clock -7200
ages_true "two hours back"

it "goes on with them after an upgrade"
was=$(bridge status '.streams[0].seconds')
expect "the upgrade" bridge ctl upgrade >"$T/upgrade.out"
bridge_pid=$(bridge status .supervisor.pid)
viewer wait v bytes=1000000
ages_true "after an upgrade"
at_least "the age of the stream" "$(bridge status '.streams[0].seconds')" "$was"
at_least "the age of its viewer" "$(bridge status '.streams[0].clients[0].seconds')" "$(awk "BEGIN { print $was - 5 }")"
set_clock 0
ages_true "and set right again"

it "fetches again after a while, and not after the hours that the clock was set back by"
bridge wait-log 'event=import.refused provider="late"'
set_clock -14400
printf '#EXTM3U\n#EXTINF:-1,Late\nhttp://192.0.2.1/late.ts\n' >"$T/files/late.m3u"
chmod -R a+rX "$T/files"
bridge wait '.channels.count == 2'

viewer check v closed=no clean=true
bridge stop
finish
