#!/bin/bash
# Clients that send too slowly, too little, too much, nothing, or ten thousand at once; and those that never read.
# A viewer of a channel watches all the while, and is compared with itself in peace.
. "${0%/*}/ask.sh"

need_media big
origin start --channel "name=a,file=$top_srcdir/share/testcard.ts,seg=1,win=8" --channel "name=big,file=$(media big),seg=1,win=8"
{
	cat <<-'INI'
		[server]
		log_level = info
		[stream]
		linger = 500ms
		window = 10s
		spool_max = 24M
		[channel 1]
		name = One
		url = @ORIGIN@/a/master.m3u8
		[channel 2]
		name = Big
		url = @ORIGIN@/big/master.m3u8
	INI
	# A lineup of a megabyte.
	for ((i = 100; i < 10100; i++)); do
		printf '[channel %d]\nname = Channel number %d\nurl = http://cdn.example/%d.m3u8\n' $i $i $i
	done
} | bridge config
machine watch
bridge start

it "a viewer in peace, to compare with"
viewer start calm /auto/v1
viewer wait calm ms=6000
viewer check calm status=200 clean=true
viewer start witness /auto/v1
viewer wait witness bytes=100000

# It stops reading soon and reads on much later, when its place in the stream is gone.
viewer start other /auto/v2
viewer start stopper /auto/v2 --pause-after 3000000 --pause-for 22 --rcvbuf 65536

it "a viewer that stops reading is paused"
bridge wait '[.streams[] | select(.channel == "2") | .clients[] | select(.state == "paused")] | length == 1'
expect "the table says so" eval "bridge ctl status | grep -q paused"

it "a byte a second, half a request, or nothing: 408 after five seconds, and not a byte of memory for it"
before=$(peak_memory "$(bridge pid)")
printf 'GET /discover.json HTTP/1.1\r\nHost: example\r\n\r\n' >"$T/request"
"$top_builddir/tests/system/hostile" "$bridge_port" -n 300 -i 1000 <"$T/request" >"$T/drip.out" &
hostile_pid[drip]=$!
others+=($!)
head -c 20 "$T/request" >"$T/piece"
begin half -n 300 <"$T/piece"
begin nothing -n 300 </dev/null
begin halfclosed -n 300 -e half <"$T/piece"
equal "others are answered" "$(get /discover.json)" 200
for name in drip half nothing; do
	over $name
	equal "$name" "$(reports $name | jq -c '[.connected, .answers, .silent, .broken, .short, .open]')" '[300,{"408":300},0,0,0,0]'
	at_least "$name: milliseconds until the first is refused" "$(reports $name | jq .first_ms)" 4900
	at_most "$name: milliseconds until the last is refused" "$(reports $name | jq .last_ms)" 9000
done
over halfclosed
equal "a request that ends in its middle" "$(reports halfclosed | jq -c '[.answers, .open]')" '[{"400":300},0]'
expect "the log says why" grep -q -E 'event=http.refuse .*status=408 .*why="(request not whole|no request) in time"' "$T/bridge.log"
sanitized || at_most "kB more" $(($(peak_memory "$(bridge pid)") - before)) 1024

it "heads that are too long or have too many fields, and long addresses, are refused at once"
fill() {
	head -c "$1" /dev/zero | tr '\0' x
}
head_of() { # head_of BYTES: a request with a head of so many
	printf 'GET /discover.json HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n' "$(fill $(($1 - 45)))"
}
ask_file() { # ask_file FILE [OPTION...]: as raw
	local f=$1
	shift
	hostile -o "$T/raw" "$@" <"$f" >"$T/raw.out"
	tail -n 1 "$T/raw.out" >"$T/raw.json"
	hostility "$T/raw.json"
}
head_of 8192 >"$T/head.8192"
head_of 8193 >"$T/head.8193"
equal "bytes" "$(wc -c <"$T/head.8192") $(wc -c <"$T/head.8193")" '8192 8193'
equal "8192 bytes" "$(ask_file "$T/head.8192")" 200
equal "8193 bytes" "$(ask_file "$T/head.8193")" 431
for n in 64 65; do
	{
		printf 'GET /discover.json HTTP/1.1\r\nHost: x\r\n'
		for ((i = 1; i < n; i++)); do
			printf 'X-%d: y\r\n' $i
		done
		printf '\r\n'
	} >"$T/fields.$n"
done
equal "64 fields" "$(ask_file "$T/fields.64")" 200
equal "65 fields" "$(ask_file "$T/fields.65")" 431
printf 'GET /%s HTTP/1.1\r\nHost: x\r\n\r\n' "$(fill 100000)" >"$T/long"
equal "an address of 100 KB" "$(ask_file "$T/long")" 414
printf 'GET /auto/v%s HTTP/1.1\r\nHost: x\r\n\r\n' "$(fill 7000)" >"$T/long"
equal "a channel number of 7 KB" "$(ask_file "$T/long")" 414
equal "a channel number of 200 bytes" "$(error "/auto/v$(fill 200)")" '404 801 0'
head -c 1000000 /dev/zero >"$T/zero"
equal "a megabyte of zeros" "$(ask_file "$T/zero")" 400

it "pipelined, binary and malformed input is 400, and never a second answer"
while IFS='|' read -r want what; do
	equal "$what" "$(raw "$what")" "$want"
	at_most "answers to $what" "$(grep -a -c '^HTTP/1.1 ' "$T/raw")" 1
done <<-'INPUT'
	400|GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n
	400|GET /auto/v1 HTTP/1.1\r\nHost: x\r\n\r\nGET /auto/v2 HTTP/1.1\r\nHost: x\r\n\r\n
	400|\026\003\001\002\000\001\000\001\374\003\003\n\n
	400|GET / HTTP/1.1\r\nHost: x\r\nA: \000\r\n\r\n
	400|GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n
	400|GET / HTTP/1.1\r\nHost : x\r\n\r\n
	400|GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n
	400|GET / HTTP/1.1\rHost: x\r\n\r\n
	400|GET  / HTTP/1.1\r\nHost: x\r\n\r\n
	400|G\303\204T / HTTP/1.1\r\nHost: x\r\n\r\n
	400|GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello
	400|GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
	400|POST /lineup.post?scan=start HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n
	400|POST /lineup.post?scan=start HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n
	400|POST /lineup.post?scan=start HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n
	413|POST /lineup.post?scan=start HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n
	411|POST /lineup.post?scan=start HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n
	400|\n\n\n\n\n\n\n\n\n\n\n\n
INPUT
equal "a body that is promised and never comes" "$(raw 'POST /lineup.post?scan=start HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\nx')" 200

it "ten thousand connections at once that say nothing: others are served, each is refused, memory is bounded"
limit=$(ulimit -H -n)
[ "$limit" = unlimited ] && limit=1048576
n=10000
[ "$limit" -ge 10500 ] || n=$((limit - 500))
if [ "$limit" -lt 1024 ]; then
	skip "only $limit descriptors are allowed"
else
	begin crowd -n $n -t 60 </dev/null
	equal "a page meanwhile" "$(get /discover.json)" 200
	at_least "bytes of a stream meanwhile" "$(taste /auto/v1)" 18800
	over crowd
	equal "connected, left open" "$(reports crowd | jq -c '[.connected, .open, .short]')" "[$n,0,0]"
	equal "answered with 408, or closed in order" "$(reports crowd | jq '.answers["408"] + .silent')" "$n"
	sanitized || at_most "kB of the supervisor" "$(peak_memory "$(bridge pid)")" 40960
fi

it "ten thousand requests at once: each gets its answer"
if [ "$limit" -lt 1024 ]; then
	skip "only $limit descriptors are allowed"
else
	begin rush -n $n -t 60 <"$T/request"
	over rush
	equal "connected, left open, cut" "$(reports rush | jq -c '[.connected, .open, .short]')" "[$n,0,0]"
	equal "answers" "$(reports rush | jq -c .answers)" "{\"200\":$n}"
	printf 'GET /auto/v99999 HTTP/1.1\r\nHost: x\r\n\r\n' >"$T/unknown"
	begin rush -n $n -t 60 -e half <"$T/unknown"
	over rush
	equal "answers of an unknown channel" "$(reports rush | jq -c .answers)" "{\"404\":$n}"
	equal "a page afterwards" "$(get /discover.json)" 200
	sanitized || at_most "kB of the supervisor" "$(peak_memory "$(bridge pid)")" 40960
fi

it "two hundred that ask for a megabyte and read late get all of it; those that never read cost nothing"
get /lineup.json >/dev/null
size=$(wc -c <"$T/body")
at_least "bytes of the lineup" "$size" 800000
printf 'GET /lineup.json HTTP/1.1\r\nHost: example\r\n\r\n' >"$T/lineup.get"
before=$(peak_memory "$(bridge pid)")
begin deaf -n 200 -w 60000 -b 4096 -t 60 <"$T/lineup.get"
begin late -n 200 -w 1500 -b 4096 -t 60 <"$T/lineup.get"
equal "a page meanwhile" "$(get /lineup.json)" 200
over late
equal "answers" "$(reports late | jq -c '[.answers, .short, .broken, .open]')" '[{"200":200},0,0,0]'
at_least "bytes" "$(reports late | jq .bytes)" $((200 * 800000))
sanitized || at_most "kB more" $(($(peak_memory "$(bridge pid)") - before)) 8192
away deaf

it "one that was paused has hurt nobody, and skips cleanly to a key frame when it reads on"
bridge wait-log 'event=client.skip '
seen=$(progress stopper bytes)
viewer wait stopper bytes=$((seen + 4000000))
viewer wait other bytes=20000000
viewer check other status=200 clean=true closed=no
# What it missed is announced in the stream, so that it is no continuity error.
viewer check stopper status=200 closed=no continuity_errors=0 sync_losses=0
sanitized || at_most "bytes of the spool" "$(bridge status '[.streams[] | select(.channel == "2") | .memory][0]')" $((24 << 20))

it "all this while the viewer of the other channel saw nothing of it"
viewer smooth witness calm
viewer check witness status=200 clean=true closed=no continuity_errors=0
viewer whole witness "$top_srcdir/share/testcard.ts"
at_most "longest turn of the loop, ms" "$(bridge status .supervisor.loop_turn_ms_max)" $((100 + $(machine worst)))

it "the log tells of refusals without being filled by them"
at_most "lines about refused requests" "$(bridge log 'event=http.refuse' | wc -l)" 1000
expect "how many were not said" grep -q 'event=http.refuse .*unsaid=[1-9]' "$T/bridge.log"
bridge stop
equal "exit status" "$bridge_status" 0

finish
