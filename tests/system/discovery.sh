#!/bin/bash
# The tuner is found: HDHomeRun's discovery and variables with its own tools, and SSDP, on two networks at once.
# Needs root: all of it is in network namespaces of its own.
[ "${1:-}" = inside ] || {
	unshare -n true 2>/dev/null && command -v ip nsenter >/dev/null || {
		echo "1..0 # SKIP no network namespaces here (root, iproute2)"
		exit 0
	}
	exec unshare -n "$0" inside
}
. "${0%/*}/ask.sh"
finder=$top_builddir/tests/system/finder
discover2=$top_builddir/tests/system/discover2
hdfind=$top_builddir/tests/system/hdfind

# The bridge is here; its clients are in two other namespaces, each at the end of a cable of its own. The nets
# are documentation's, and lead nowhere else.
ip link set lo up || skip_all "no loopback in a namespace"
declare -A at=()
is_elsewhere() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
# network NAME NET: a client's namespace, with NET.2; ours is NET.1 on the interface NAME.
network() {
	unshare -n sleep 1000 </dev/null >/dev/null 2>&1 &
	at[$1]=$!
	others+=("${at[$1]}")
	until_true 5 is_elsewhere "${at[$1]}" || give_up "no second namespace"
	ip link add "$1" type veth peer name cable netns "${at[$1]}" 2>/dev/null || skip_all "no veth here"
	ip address add "$2.1/24" dev "$1"
	ip link set "$1" up
	on "$1" ip address add "$2.2/24" dev cable
	on "$1" ip link set cable up
	on "$1" ip link set lo up
	on "$1" ip route add default dev cable
}
on() { local where=$1; shift; nsenter -t "${at[$where]}" -n "$@"; }
network one 192.0.2
network two 198.51.100

# aside FILE COMMAND...: in the background, its output in $T/FILE. all_done: until all of them are.
declare -a asides=()
aside() {
	local file=$1
	shift
	"$@" >"$T/$file" 2>&1 </dev/null &
	asides+=($!)
}
all_done() {
	wait "${asides[@]}"
	asides=()
}
# Hexadecimal of a text, as replies are printed.
hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }

# hear NAME ADDRESS: from now on, what SSDP says there goes to $T/NAME.heard.
hear() {
	nsenter -t "${at[$1]}" -n "$finder" listen "$2" 600 >"$T/$1.heard" 2>&1 &
	others+=($!)
	until_true 5 grep -q ready "$T/$1.heard" || give_up "can't listen to SSDP: $(cat "$T/$1.heard")"
}
# heard NAME PATTERN N: so many lines of that.
heard() { [ "$(grep -c -E -e "$2" "$T/$1.heard")" -ge "$3" ]; }

origin_start a b c
bridge config <<-INI
	[server]
	allow = 127.0.0.1,192.0.2.0/24,198.51.100.0/24
	[tuner]
	name = Main
	tuner_count = 2
	numbers = 5.1-6
	device_id = 105902DB
	[tuner kids]
	port = 5005
	tuner_count = 1
	group = kid*
	[tuner hall]
	path = /hall
	[stream]
	linger = 2s
	[channel 5.1]
	name = First
	url = @ORIGIN@/a/master.m3u8
	[channel 6]
	name = Second
	url = @ORIGIN@/b/master.m3u8
	[channel 7]
	name = Third
	group = Kids
	url = @ORIGIN@/c/master.m3u8
INI
server_options+=(-o server.listen=0.0.0.0:5004,0.0.0.0:80 -o discovery.hdhomerun=yes -o discovery.ssdp=yes)
hear one 192.0.2.2
bridge start
kids=$(bridge status '.supervisor.devices[] | select(.tuner == "kids") | .device_id')
hall=$(bridge status '.supervisor.devices[] | select(.tuner == "hall") | .device_id')

BY_ID=0002000c0104ffffffff0204105902dbeec78541
it "every kind of request is answered to the byte, by each tuner it asks for, and no other is"
kinds=(0002000c0104ffffffff0204ffffffff73cc7d8f 000200060104ffffffff4c20cb4e
	0002000c0104000000010204ffffffff4e507f35 00020006010400000001393077e7 0002000a2d0800000001000000054f63391f)
none=(0002000c0104ffffffff0204105902dbeec78542 0002000601040000000520f41ae0)
for hex in "${kinds[@]}" "${none[@]}" $BY_ID; do
	aside "replies.$hex" "$finder" ask 127.0.0.1 65001 "$hex"
done
all_done
for hex in "${kinds[@]}"; do
	equal "replies to $hex" "$(wc -l <"$T/replies.$hex")" 2
	equal "of the first" "$(grep -c 0104000000010204105902db2b18 "$T/replies.$hex")" 1
	equal "of the other" "$(grep -c -i "0104000000010204$kids" "$T/replies.$hex")" 1
done
equal "replies by id" "$(wc -l <"$T/replies.$BY_ID")" 1
equal "replies to a wrong CRC" "$(wc -l <"$T/replies.${none[0]}")" 0
equal "replies to a storage search" "$(wc -l <"$T/replies.${none[1]}")" 0

it "a search on each network finds the address of that network, in the reply and in what it says"
for net in one two; do
	aside "replies.$net" on $net "$finder" ask 255.255.255.255 65001 $BY_ID
done
all_done
for net in one:192.0.2.1 two:198.51.100.1; do
	equal "sender on ${net%:*}" "$(cut -d ' ' -f 1 "$T/replies.${net%:*}")" "${net#*:}"
	equal "base URL on ${net%:*}" "$(grep -c "2a1[0-9a-f]$(hex "http://${net#*:}:80")" "$T/replies.${net%:*}")" 1
done

it "Jellyfin sends its datagram, and asks port 80 of who answered; streams are played from 5004"
reply=$(on one "$finder" ask 255.255.255.255 65001 "${kinds[0]}" | grep 0204105902db)
at_least "bytes of the reply" $((${#reply} / 2)) 14
equal "its second byte" "$(cut -d ' ' -f 2 <<<"$reply" | cut -c3-4)" 03
on one curl -s -m 5 -D "$T/head" "http://${reply%% *}/discover.json" >"$T/body"
holds '.DeviceID == "105902DB" and .BaseURL == "http://192.0.2.1" and .LineupURL == "http://192.0.2.1/lineup.json" and .TunerCount == 2'
equal "type" "$(tr -d '\r' <"$T/head" | sed -n 's/^Content-Type: //p')" 'application/json; charset="utf-8"'
on one curl -s -m 5 "$(jq -r .LineupURL "$T/body")" >"$T/lineup"
equal "URL" "$(jq -r '.[0].URL' "$T/lineup")" http://192.0.2.1:5004/auto/v5.1

it "hdhomerun_config finds it by broadcast, by address and by id, and nobody else"
if command -v hdhomerun_config >/dev/null; then
	aside found.all on one hdhomerun_config discover
	aside found.two on two hdhomerun_config discover 198.51.100.1
	aside found.here hdhomerun_config discover 127.0.0.1
	aside found.id on one hdhomerun_config 105902DB get /sys/model
	aside found.foreign on one hdhomerun_config 10555217 get /sys/model
	all_done
	equal "by broadcast" "$(sort "$T/found.all")" \
	    "$(printf 'hdhomerun device %s found at 192.0.2.1\n' 105902DB "$kids" | sort)"
	equal "by address" "$(grep -c 105902DB "$T/found.two")" 1
	equal "on this machine" "$(grep -c 105902DB "$T/found.here")" 1
	equal "by id" "$(cat "$T/found.id")" hdhomerun5_atsc
	expect "a foreign id is nobody's" grep -q "unable to connect to device" "$T/found.foreign"
else
	skip "no hdhomerun_config"
fi

it "libhdhomerun's old and new calls say the same of it"
if [ -x "$hdfind" ]; then
	on one "$hdfind" >"$T/found" || fail "hdfind: $(cat "$T/found")"
	expect "old" grep -q '^v2 105902DB 192.0.2.1 2$' "$T/found"
	expect "new" grep -q '^v3 105902DB 192.0.2.1 2 http://192.0.2.1:80 http://192.0.2.1:80/lineup.json [A-Za-z0-9_-]\{24\} 0$' "$T/found"
	expect "the second tuner" grep -q "^v3 $kids 192.0.2.1 1 http://192.0.2.1:5005 http://192.0.2.1:5005/lineup.json" "$T/found"
	expect "a device" grep -q '^device hdhomerun5_atsc ss=0 ch=none lock=none ' "$T/found"
else
	skip "no libhdhomerun"
fi

it "the newer search of many types, and of an id alone, finds the same"
aside d2.all on one "$discover2" 255.255.255.255
aside d2.at on two "$discover2" 198.51.100.1
aside d2.id on one "$discover2" 255.255.255.255 105902DB
aside d2.none on one "$discover2" 255.255.255.255 10555217
[ ! -e /proc/net/if_inet6 ] || aside d2.six on one "$discover2" ff02::176%cable
all_done
main='105902DB 192.0.2.1 2 http://192.0.2.1:80 http://192.0.2.1:80/lineup.json'
equal "everywhere" "$(cut -d ' ' -f 1-5 "$T/d2.all" | sort)" \
    "$(printf '%s\n' "$main" "$kids 192.0.2.1 1 http://192.0.2.1:5005 http://192.0.2.1:5005/lineup.json" | sort)"
equal "at an address" "$(grep -c '^105902DB 198.51.100.1 2 http://198.51.100.1:80 ' "$T/d2.at")" 1
equal "by id" "$(cut -d ' ' -f 1-5 "$T/d2.id")" "$main"
equal "a foreign id" "$(wc -c <"$T/d2.none")" 0
[ ! -e /proc/net/if_inet6 ] || equal "over IPv6" "$(sed -n 's/^105902DB fe80:[0-9a-f:]* //p' "$T/d2.six" | cut -d ' ' -f 1-3)" \
    "2 http://192.0.2.1:80 http://192.0.2.1:80/lineup.json"
if grep -q '^d2' "$T/found" 2>/dev/null; then
	expect "the library's own, by types and by id" [ "$(grep -c "^d2 $main [A-Za-z0-9_-]* 0$" "$T/found")" = 2 ]
fi

it "IPv6 searches are answered with the interface's IPv4 address"
v6() { on one "$finder" ask "$1%cable" 65001 $BY_ID 2>/dev/null | grep -q "2a13$(hex http://192.0.2.1:80)"; }
if [ -e /proc/net/if_inet6 ]; then
	aside six.link until_true 5 v6 ff02::176
	aside six.site until_true 5 v6 ff05::176
	for six in "${asides[@]}"; do
		expect "ff02::176 and ff05::176" wait "$six"
	done
	asides=()
else
	skip "no IPv6"
fi

it "each variable tells of the stream that runs"
if command -v hdhomerun_config >/dev/null; then
	tool() { on one timeout 20 hdhomerun_config 105902DB "$@" 2>&1; }
	equal "idle" "$(tool get /tuner0/status)" "ch=none lock=none ss=0 snq=0 seq=0 bps=0 pps=0"
	nsenter -t "${at[one]}" -n curl -s -o /dev/null http://192.0.2.1:5004/auto/v5.1 &
	watcher=$!
	others+=($watcher)
	bridge wait '.streams[] | .channel == "5.1" and .state == "live" and .upstream.media_kbps > 0'
	for name in 0/status 0/vchannel 0/channel 0/streaminfo 0/target 0/lockkey 0/debug 1/target 2/status; do
		aside "tuner.${name/\//.}" tool get "/tuner$name"
	done
	aside help tool get help
	all_done
	expect "status" grep -q -E "^ch=auto:5.1 lock=8vsb ss=100 snq=100 seq=100 bps=[1-9][0-9]* pps=[1-9][0-9]*$" "$T/tuner.0.status"
	equal "vchannel" "$(cat "$T/tuner.0.vchannel")" 5.1
	equal "channel" "$(cat "$T/tuner.0.channel")" auto:5.1
	equal "streaminfo" "$(cat "$T/tuner.0.streaminfo")" "$(printf '1: 5.1 First\ntsid=0x0001')"
	expect "target" grep -q '^http://192.0.2.2:[0-9]*$' "$T/tuner.0.target"
	equal "lockkey" "$(cat "$T/tuner.0.lockkey")" 192.0.2.2
	expect "debug" grep -q '^net: pps=[1-9]' "$T/tuner.0.debug"
	equal "the other tuner" "$(cat "$T/tuner.1.target")" none
	equal "none such" "$(cat "$T/tuner.2.status")" "ERROR: unknown getset variable"
	kill "$watcher"
	no_target() { [ "$(tool get /tuner0/target)" = none ]; }
	expect "idle again" until_true 5 no_target
	equal "help" "$(head -n 1 "$T/help")" "Supported configuration options:"
	listed=$(sed -n 's#^\(/[a-z<>/]*\).*#\1#p' "$T/help" | sed 's/<n>/1/')
	at_least "variables" "$(wc -l <<<"$listed")" 17
	for name in $listed; do
		aside "get.${name//\//.}" tool get "$name"
	done
	for get in "${asides[@]}"; do
		wait "$get" || fail "help lists a variable that isn't there: $(grep -l ERROR "$T"/get.*)"
	done
	asides=()
else
	skip "no hdhomerun_config"
fi

it "nothing can be set, and scan and save end with a word and status 1"
if command -v hdhomerun_config >/dev/null; then
	equal "set" "$(tool set /tuner0/channel auto:7; echo $?)" "$(printf 'ERROR: write protected\n1')"
	tool scan 0 >"$T/scan" &
	scan=$!
	tool save 0 "$T/x.ts" >"$T/save"
	equal "status of save" $? 1
	wait $scan
	equal "status of scan" $? 1
	expect "word of scan" grep -q "failed to lock tuner" "$T/scan"
	expect "word of save" grep -q "unable to start stream" "$T/save"
else
	skip "no hdhomerun_config"
fi

it "one asker gets thirty-two answers at once, and a flood gets few more"
on two "$finder" ask 198.51.100.1 65001 $BY_ID 8 >"$T/replies"
equal "replies to eight" "$(wc -l <"$T/replies")" 8
on two "$finder" ask 198.51.100.1 65001 $BY_ID 500 >"$T/replies"
at_most "replies to 500" "$(wc -l <"$T/replies")" 60
at_least "replies to 500" "$(wc -l <"$T/replies")" 8
equal "another asker meanwhile" "$(on one "$finder" ask 192.0.2.1 65001 $BY_ID | wc -l)" 1

it "who is neither near nor allowed is not answered"
on two ip address add 203.0.113.9/32 dev lo
ip route add 203.0.113.9/32 via 198.51.100.2
on two ip route replace default via 198.51.100.1 src 203.0.113.9
equal "replies" "$(on two "$finder" ask 192.0.2.1 65001 $BY_ID | wc -l)" 0
expect "counted" bridge_says 0 '.supervisor.discovery.strangers >= 1'
on two ip route replace default dev cable

it "SSDP announces each tuner twice at the start, with the address of the network"
expect "alive" until_true 5 heard one '^192.0.2.1 ssdp:alive http://192.0.2.1:80/device.xml uuid:105902db-.*::upnp:rootdevice$' 2
expect "the type" heard one 'ssdp:alive .*::urn:schemas-upnp-org:device:MediaServer:1$' 2
expect "the second one" heard one 'ssdp:alive http://192.0.2.1:5005/device.xml uuid:' 2
expect "the third one" heard one "ssdp:alive http://192.0.2.1:80/hall/device.xml uuid:${hall,,}" 2

it "its searches are answered, and lead to a document that says the same"
aside answers on one "$finder" search 239.255.255.250 upnp:rootdevice
aside answers.all on one "$finder" search 192.0.2.1 ssdp:all
aside answers.other on one "$finder" search 239.255.255.250 urn:dial-multiscreen-org:service:dial:1
! command -v gssdp-discover >/dev/null ||
    aside gssdp on one timeout 20 gssdp-discover -i cable --timeout=2 --target=upnp:rootdevice
all_done
equal "answers" "$(wc -l <"$T/answers")" 3
while read -r ip location usn; do
	equal "from" "$ip" 192.0.2.1
	on one curl -s -m 5 "$location" >"$T/device.xml"
	expect "$location has $usn" grep -q "<UDN>${usn%%::*}</UDN>" "$T/device.xml"
done <"$T/answers"
equal "all targets" "$(grep -c 105902db "$T/answers.all")" 3
equal "another's" "$(wc -l <"$T/answers.other")" 0
if command -v gssdp-discover >/dev/null; then
	expect "gssdp-discover" grep -q 'USN:  *uuid:105902db-.*::upnp:rootdevice' "$T/gssdp"
	expect "gssdp-discover" grep -q 'Location: http://192.0.2.1:80/device.xml' "$T/gssdp"
fi

it "another address of ours is announced"
ip address add 192.0.2.77/24 dev one
expect "again" until_true 5 heard one 'ssdp:alive http://192.0.2.1:80/device.xml uuid:105902db-.*::upnp:rootdevice$' 3
ip address del 192.0.2.77/24 dev one

it "each tuner has its own lineup, name and tuners, on port, path and port 80"
bridge wait '.streams | length == 0' # who was shown before lingers
document() { on one curl -s -m 5 "http://192.0.2.1$1"; }
equal "main" "$(document /lineup.json | jq -c '[.[].URL]')" \
    '["http://192.0.2.1:5004/auto/v5.1","http://192.0.2.1:5004/auto/v6"]'
equal "kids" "$(document :5005/lineup.json | jq -c '[.[].URL]')" '["http://192.0.2.1:5005/auto/v7"]'
equal "hall" "$(document :5004/hall/lineup.json | jq -c '[.[].URL] | length')" 3
equal "hall" "$(document :5004/hall/lineup.json | jq -r '.[2].URL')" http://192.0.2.1:5004/hall/auto/v7
equal "kids" "$(document :5005/discover.json | jq -c '[.FriendlyName,.DeviceID,.TunerCount,.BaseURL]')" \
    "[\"kids\",\"$kids\",1,\"http://192.0.2.1:5005\"]"
equal "hall" "$(document /hall/discover.json | jq -r .LineupURL)" http://192.0.2.1/hall/lineup.json
equal "a channel of another part" "$(on one curl -s -o /dev/null -w '%{http_code}' http://192.0.2.1:5004/auto/v7)" 404
nsenter -t "${at[one]}" -n curl -s -o /dev/null http://192.0.2.1:5005/auto/v7 &
others+=($!)
bridge wait '.streams[] | .channel == "7" and .state == "live"'
equal "kids' tuner" "$(document :5005/status.json | jq -r '.[0].VctNumber')" 7
equal "main's tuners" "$(document /status.json | jq -c '[.[].VctNumber]')" '[null,null]'
if command -v hdhomerun_config >/dev/null; then
	equal "kids', by its id" "$(on one hdhomerun_config "$kids" get /tuner0/vchannel)" 7
	equal "its second tuner" "$(on one hdhomerun_config "$kids" get /tuner1/vchannel)" "ERROR: unknown getset variable"
	equal "main's, by its id" "$(on one hdhomerun_config 105902DB get /tuner0/vchannel)" none
	equal "by address" "$(on one hdhomerun_config 192.0.2.1 get /tuner1/vchannel)" none
fi
equal "numbers" "$(bridge status '[.supervisor.devices[] | [.tuner, .channels, .tuners.busy]] | tojson')" \
    '[["",2,0],["kids",1,1],["hall",3,0]]'

it "an upgrade hands the sockets over: it is found all the time"
bridge ctl upgrade >"$T/upgrade.out" 2>&1 || fail "$(cat "$T/upgrade.out")"
wait "$bridge_pid"
equal "exit status of the old one" $? 0
bridge_pid=$(bridge status .supervisor.pid)
aside after.udp on one "$finder" ask 255.255.255.255 65001 $BY_ID
aside after.ssdp on one "$finder" search 239.255.255.250 upnp:rootdevice
all_done
equal "by broadcast" "$(wc -l <"$T/after.udp")" 1
equal "by SSDP" "$(wc -l <"$T/after.ssdp")" 3

it "it says goodbye"
bridge stop 2>/dev/null
expect "byebye" until_true 5 heard one '^192.0.2.1 ssdp:byebye - uuid:105902db-.*::upnp:rootdevice$' 1
expect "the second one" heard one "ssdp:byebye - uuid:${kids,,}" 1

# hold PROTO PORT...: be the program that has them. let_go: no more.
declare -a holders=()
hold() {
	while [ $# != 0 ]; do
		"$finder" hold "$1" "$2" >"$T/hold.$1.$2" 2>&1 &
		holders+=($!)
		others+=($!)
		until_true 5 grep -qx ready "$T/hold.$1.$2" || give_up "can't hold $1 $2: $(cat "$T/hold.$1.$2")"
		shift 2
	done
}
let_go() {
	kill "${holders[@]}"
	wait "${holders[@]}"
	holders=()
}

it "a port that another program has is a line in the log, and all else works"
hold udp 65001 udp 1900
: >"$T/bridge.log"
bridge start
bridge wait-log 'event=discovery.failed port="udp 0.0.0.0:65001"'
bridge wait-log 'event=ssdp.failed'
equal "status" "$(bridge status '.supervisor.discovery | .hdhomerun + " " + .ssdp')" "failed failed"
equal "HTTP" "$(on one curl -s -m 5 http://192.0.2.1:5004/discover.json | jq -r .DeviceID)" 105902DB
bridge stop
let_go

it "when port 80 is another program's it says 5004, and the log tells whom that hurts"
hold tcp 80
: >"$T/bridge.log"
container=podman bridge start -o discovery.interfaces=one
bridge wait-log 'event=listen.missing why="0.0.0.0:80'
bridge wait-log event=discovery.port80
aside on.one on one "$finder" ask 255.255.255.255 65001 $BY_ID
aside on.two on two "$finder" ask 255.255.255.255 65001 $BY_ID
all_done
equal "on one" "$(grep -c "$(hex http://192.0.2.1:5004)1001022721$(hex http://192.0.2.1:5004/lineup.json)" "$T/on.one")" 1
equal "BaseURL" "$(on one curl -s -m 5 http://192.0.2.1:5004/discover.json | jq -r .BaseURL)" http://192.0.2.1:5004

it "on an interface that is not listed nobody is answered"
equal "on two" "$(wc -l <"$T/on.two")" 0

it "a container's own address is not told without a word, and an address to be told instead is told everywhere"
equal "warned" "$(bridge log 'event=discovery.container address=192.0.2.1 ' | wc -l)" 1
sed -i 's/^\[server\]/&\nadvertise = 203.0.113.5:8080/' "$T/plexbridge.ini"
bridge reload || fail "the reload is refused: $(cat "$T/reload.out")"
aside told.udp on one "$finder" ask 255.255.255.255 65001 $BY_ID
aside told.ssdp on one "$finder" search 239.255.255.250 upnp:rootdevice
all_done
equal "by UDP" "$(grep -c "2a17$(hex http://203.0.113.5:8080)" "$T/told.udp")" 1
equal "by SSDP" "$(grep -c '^192.0.2.1 http://203.0.113.5:8080/device.xml uuid:105902db' "$T/told.ssdp")" 1
expect "by SSDP, unasked" until_true 5 heard one '^192.0.2.1 ssdp:alive http://203.0.113.5:8080/device.xml uuid:105902db-' 1
equal "by HTTP" "$(on one curl -s -m 5 http://192.0.2.1:5004/discover.json | jq -r .LineupURL)" http://203.0.113.5:8080/lineup.json
equal "warned again" "$(bridge log event=discovery.container | wc -l)" 1
bridge stop
let_go

finish
