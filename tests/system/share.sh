#!/bin/bash
# Tuners, and who gets one: channels are shared, lingering ones are given up, providers have their limits.
. "${0%/*}/ask.sh"

origin_start a b c d
bridge config <<'INI'
[tuner]
tuner_count = 2
[stream]
linger = 60s
[provider narrow]
max_streams = 1
[channel 1]
name = One
url = @ORIGIN@/a/master.m3u8
[channel 2]
name = Two
url = @ORIGIN@/b/master.m3u8
[channel 3]
name = Three
url = @ORIGIN@/c/master.m3u8
[channel 11]
name = Narrow one
url = @ORIGIN@/a/master.m3u8
provider = narrow
[channel 12]
name = Narrow two
url = @ORIGIN@/d/master.m3u8
provider = narrow
INI
bridge start

# watch NAME PATH: a viewer that has media.
watch() {
	viewer start "$1" "$2"
	viewer wait "$1" bytes=50000
}

running() {
	bridge status '[.streams[] | select(.state != "ending") | "\(.tuner):\(.channel)"] | sort | join(" ")'
}

# gone CHANNEL N: it has N clients.
clients() {
	bridge wait "[.streams[] | select(.channel == \"$1\" and .state != \"ending\")][0].clients | length == $2"
}

it "each channel takes a tuner, and when none is free the answer is 805"
watch v1 /auto/v1
watch v2 /auto/v2
equal "tuners" "$(running)" "0:1 1:2"
equal "a third channel" "$(error /auto/v3)" '503 805 0'
equal "text" "$(field X-HDHomeRun-Error)" '805 All Tuners In Use'
equal "length" "$(field Content-Length)" 0

it "VLC, which repeats a refused request at once as HTTP/1.0, gets the same answer"
equal "1.1" "$(error /auto/v3 -H 'User-Agent: VLC/3.0.20 LibVLC/3.0.20' -r 0-)" '503 805 0'
equal "1.0" "$(error /auto/v3 -0 -H 'User-Agent: VLC/3.0.20 LibVLC/3.0.20' -r 0-)" '503 805 0'
equal "raw 1.0" "$(raw 'GET /auto/v3 HTTP/1.0\r\nHost: x\r\nUser-Agent: VLC\r\nIcy-MetaData: 1\r\n\r\n')" 503

it "a named tuner that another channel uses is 804, also when others are free; its own channel is joined"
equal "tuner 0" "$(error /tuner0/v3)" '503 804 0'
equal "text" "$(field X-HDHomeRun-Error)" '804 Tuner In Use'
at_least "bytes of its own channel" "$(taste /tuner0/v1)" 18800
at_least "bytes of its channel by another tuner's name" "$(taste /auto/v2)" 18800
equal "tuners" "$(running)" "0:1 1:2"
viewer stop v2
clients 2 0
equal "tuner 0, tuner 1 lingering" "$(error /tuner0/v3)" '503 804 0'
at_least "bytes from the named tuner that only lingers" "$(taste /tuner1/v3)" 18800
equal "tuners" "$(running)" "0:1 1:3"

it "a second client of a channel gets the running worker, and an upstream connection is not made"
worker=$(bridge worker 1)
requests=$(origin log '[.[] | select(.path | test("^/a/master"))] | length')
watch second /auto/v1
equal "worker" "$(bridge worker 1)" "$worker"
equal "clients" "$(bridge status '.streams[] | select(.channel == "1") | .clients | length')" 2
equal "master playlists fetched" "$(origin log '[.[] | select(.path | test("^/a/master"))] | length')" "$requests"
viewer check second status=200 clean=true closed=no psi_first=true first_video_key=true

it "what lingers is shared: the next client of the channel has the same worker"
viewer check v1 clean=true closed=no
clients 1 0
equal "state" "$(bridge status '.streams[] | select(.channel == "1") | .state')" lingering
at_least "bytes" "$(taste /auto/v1)" 18800
equal "worker" "$(bridge worker 1)" "$worker"

it "a closed connection gives its tuner to another channel at once, however long the linger"
bridge ctl status >"$T/status.txt"
watch v1 /auto/v1
watch v3 /auto/v3
equal "both in use" "$(error /auto/v2)" '503 805 0'
for channel in 2 3 2 3; do
	viewer stop v3
	# Not a moment is waited: the client closed before this request came.
	viewer start v3 /auto/v$channel
	viewer wait v3 bytes=50000
	equal "status of channel $channel" "$(viewer get v3 status >/dev/null; progress v3 status)" 200
done
expect "the first viewer's channel is not what was given up" eval "[[ '$(running)' == *0:1* ]]"
viewer stop v3

it "Kodi, which opens, closes and opens again, needs one tuner for it"
clients 3 0
for channel in 2 3; do
	at_least "bytes of the first try" "$(taste /auto/v$channel -A 'Kodi/20.0')" 18800
	watch kodi /auto/v$channel
	viewer check kodi status=200 clean=true
done
viewer check v1 clean=true closed=no

it "Plex takes a channel twice, one over the other, while its viewer zaps at once"
for channel in 2 3 2 3; do
	viewer start grab1 /auto/v$channel
	viewer start grab2 /auto/v$channel
	viewer wait grab1 bytes=50000
	viewer stop grab1
	viewer wait grab2 bytes=100000
	viewer check grab1 status=200 clean=true
	viewer check grab2 status=200 clean=true
done
clients 3 0
equal "tuners" "$(bridge status '.supervisor.tuners.busy')" 2

it "a client that shuts its sending side down still gets the stream"
clients 1 0
equal "answer" "$(raw 'GET /auto/v1?duration=3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' -e half)" 200
at_least "bytes" "$(jq .bytes "$T/raw.json")" 100000
at_least "milliseconds" "$(jq .last_ms "$T/raw.json")" 2900

it "a viewer that was reset and comes back goes on where its picture was; another agent begins as anybody does"
stamps() {
	"$PROGRAMS/plexbridge-origin" --analyse "$T/$1.ts" | jq "[.pids[] | select(.kind == \"video\")][0].$2"
}
grown() {
	[ "$(wc -c <"$T/cut.raw")" -ge 300000 ]
}
printf 'GET /auto/v1 HTTP/1.1\r\nHost: x\r\nUser-Agent: Cut/1\r\n\r\n' >"$T/cut.request"
begin cut -t 120 -e cut -o "$T/cut.raw" <"$T/cut.request"
expect "media for the viewer that is cut off" until_true "$PATIENCE" grown
away cut
bridge wait-log 'event=client.close .*why="gone"'
curl -s -m 3 -A Other/1 -o "$T/other.ts" "$(bridge url)/auto/v1" &
curl -s -m 3 -A Cut/1 -o "$T/back.ts" "$(bridge url)/auto/v1"
wait $!
sed '1,/^\r$/d' "$T/cut.raw" >"$T/cut.ts"
last=$(stamps cut last_dts) first=$(stamps back first_dts)
at_most "first DTS of the one that came back" "$first" "$last"
at_least "first DTS of the one that came back" "$first" "$(awk -v l="$last" 'BEGIN { print l - 1.5 * 90000 }')"
expect "told" bridge log 'event=client.open .*back=yes agent="Cut/1"' >/dev/null
expect "told of the other" bridge log 'event=client.open .*back=no agent="Other/1"' >/dev/null

# cut_off AGENT: a viewer of channel 1 with this agent plays, is reset, and is known to be gone.
cut_off() {
	rm -f "$T/cut.raw"
	printf 'GET /auto/v1 HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\n\r\n' "$1" >"$T/cut.request"
	begin cut -t 120 -e cut -o "$T/cut.raw" <"$T/cut.request"
	expect "media for $1" until_true "$PATIENCE" grown
	away cut
	clients 1 0
}

it "the only viewer, reset, finds its picture beyond linger; but another channel has the tuner at once"
sed -i 's/^linger = 60s/linger = 500ms/' "$T/plexbridge.ini"
expect "a shorter linger" bridge reload
cut_off Only/1
worker=$(bridge worker 1)
sleep 2 # four times linger
equal "state" "$(bridge status '.streams[] | select(.channel == "1") | .state')" lingering
curl -s -m 2 -A Only/1 -o "$T/back.ts" "$(bridge url)/auto/v1"
expect "it comes back" bridge log 'event=client.open .*back=yes agent="Only/1"' >/dev/null
equal "worker" "$(bridge worker 1)" "$worker"
sed '1,/^\r$/d' "$T/cut.raw" >"$T/cut.ts"
at_most "first DTS of the one that came back" "$(stamps back first_dts)" "$(stamps cut last_dts)"
watch v2 /auto/v2
cut_off Only/2
at_least "bytes of another channel" "$(taste /auto/v3)" 18800
viewer stop v2
sed -i 's/^linger = 500ms/linger = 60s/' "$T/plexbridge.ini"
expect "the longer linger" bridge reload

it "a client that vanishes while it waits for media gives its tuner back at once"
origin fault channel=c,kind=any,fault=stall-head
watch v1 /auto/v1
equal "what it got" "$(raw 'GET /auto/v3 HTTP/1.1\r\nHost: x\r\n\r\n' -e reset)" open
bridge wait '[.streams[] | select(.channel == "3" and .state != "ending")][0].clients == []'
at_least "bytes of another channel" "$(taste /auto/v2)" 18800
viewer check v1 clean=true closed=no
origin clear

it "a provider's limit counts streams, not clients; a lingering one is given up for the next"
watch n1 /auto/v11
watch n2 /auto/v11
equal "another channel of the provider" "$(error /auto/v12)" '503 805 0'
viewer check n1 clean=true closed=no
equal "one viewer is left" "$(error /auto/v12)" '503 805 0'
viewer check n2 clean=true closed=no
watch n3 /auto/v12
equal "channels of the provider" "$(bridge status '[.streams[] | select(.channel == "11" or .channel == "12") |
    select(.state != "ending") | .channel] | join(" ")')" 12
expect "the old upstream connection was dead before the new one was made" awk '
    /event=worker.kill .*channel=11|event=worker.exit .*channel=11|event=worker.death .*channel=11/ { dead = NR }
    /event=stream.state channel=12 .*to=tuning/ { tuned = NR }
    END { exit !(tuned > 0 && (dead == 0 || dead < tuned)) }' "$T/bridge.log"
viewer check n3 clean=true

it "all tuners, one after another: a hundred changes of channel leave no tuner behind"
for ((i = 0; i < 100; i++)); do
	taste /auto/v$((i % 3 + 1)) >/dev/null
	[ "$(sed -n '1s/.* \([0-9]*\) .*/\1/p' "$T/head")" = 200 ] || fail "change $i: $(head -n 1 "$T/head") $(field X-HDHomeRun-Error)"
done
at_most "running channels" "$(running | wc -w)" 2

finish
