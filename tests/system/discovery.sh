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

it "every kind of request is answered to the byte, by each tuner it asks for, and no other is"
for hex in 0002000c0104ffffffff0204ffffffff73cc7d8f 000200060104ffffffff4c20cb4e \
    0002000c0104000000010204ffffffff4e507f35 00020006010400000001393077e7 0002000a2d0800000001000000054f63391f; do
	"$finder" ask 127.0.0.1 65001 $hex >"$T/replies"
	equal "replies to $hex" "$(wc -l <"$T/replies")" 2
	equal "of the first" "$(grep -c 0104000000010204105902db2b18 "$T/replies")" 1
	equal "of the other" "$(grep -c -i "0104000000010204$kids" "$T/replies")" 1
done
equal "replies by id" "$("$finder" ask 127.0.0.1 65001 0002000c0104ffffffff0204105902dbeec78541 | wc -l)" 1
equal "replies to a wrong CRC" "$("$finder" ask 127.0.0.1 65001 0002000c0104ffffffff0204105902dbeec78542 | wc -l)" 0
equal "replies to a storage search" "$("$finder" ask 127.0.0.1 65001 0002000601040000000520f41ae0 | wc -l)" 0

it "a search on each network finds the address of that network, in the reply and in what it says"
for net in one:192.0.2 two:198.51.100; do
	on ${net%%:*} "$finder" ask 255.255.255.255 65001 0002000c0104ffffffff0204105902dbeec78541 >"$T/replies"
	equal "sender on ${net%%:*}" "$(cut -d ' ' -f 1 "$T/replies")" "${net#*:}.1"
	url=$(printf 'http://%s.1:80' "${net#*:}" | od -An -tx1 | tr -d ' \n')
	equal "base URL on ${net%%:*}" "$(grep -c "2a1[0-9a-f]$url" "$T/replies")" 1
done

it "hdhomerun_config finds it by broadcast, by address and by id, and nobody else"
if command -v hdhomerun_config >/dev/null; then
	equal "by broadcast" "$(on one hdhomerun_config discover | sort)" \
	    "$(printf 'hdhomerun device %s found at 192.0.2.1\n' 105902DB "$kids" | sort)"
	equal "by address" "$(on two hdhomerun_config discover 198.51.100.1 | grep -c 105902DB)" 1
	equal "on this machine" "$(hdhomerun_config discover 127.0.0.1 | grep -c 105902DB)" 1
	equal "by id" "$(on one hdhomerun_config 105902DB get /sys/model)" hdhomerun5_atsc
	on one hdhomerun_config 10555217 get /sys/model >/dev/null 2>&1 && fail "a foreign id is found"
else
	skip "no hdhomerun_config"
fi

it "libhdhomerun's old and new calls say the same of it"
if [ -x "$hdfind" ]; then
	on one "$hdfind" >"$T/found" || fail "hdfind: $(cat "$T/found")"
	expect "old" grep -q '^v2 105902DB 192.0.2.1 2$' "$T/found"
	expect "new" grep -q '^v3 105902DB 192.0.2.1 2 http://192.0.2.1:80 http://192.0.2.1:80/lineup.json [A-Za-z0-9_-]\{24\} 0$' "$T/found"
	expect "the second tuner" grep -q "^v3 $kids 192.0.2.1 1 http://192.0.2.1:5005 http://192.0.2.1:5005/lineup.json" "$T/found"
	expect "a device" grep -q '^device hdhomerun5_atsc ss=' "$T/found"
else
	skip "no libhdhomerun"
fi

it "IPv6 searches are answered with the interface's IPv4 address"
v6() { on one "$finder" ask "$1%cable" 65001 0002000c0104ffffffff0204105902dbeec78541 2>/dev/null | grep -q 2a13"$(printf 'http://192.0.2.1:80' | od -An -tx1 | tr -d ' \n')"; }
if [ -e /proc/net/if_inet6 ]; then
	expect "ff02::176" until_true 5 v6 ff02::176
	expect "ff05::176" until_true 5 v6 ff05::176
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
	expect "status" eval 'tool get /tuner0/status | grep -q -E "^ch=auto:5.1 lock=8vsb ss=100 snq=100 seq=100 bps=[1-9][0-9]* pps=[1-9][0-9]*$"'
	equal "vchannel" "$(tool get /tuner0/vchannel)" 5.1
	equal "channel" "$(tool get /tuner0/channel)" auto:5.1
	equal "streaminfo" "$(tool get /tuner0/streaminfo)" "$(printf '1: 5.1 First\ntsid=0x0001')"
	expect "target" eval 'tool get /tuner0/target | grep -q "^http://192.0.2.2:[0-9]*$"'
	equal "lockkey" "$(tool get /tuner0/lockkey)" 192.0.2.2
	expect "debug" eval 'tool get /tuner0/debug | grep -q "^net: pps=[1-9]"'
	equal "the other tuner" "$(tool get /tuner1/target)" none
	equal "none such" "$(tool get /tuner2/status)" "ERROR: unknown getset variable"
	kill "$watcher"
	no_target() { [ "$(tool get /tuner0/target)" = none ]; }
	expect "idle again" until_true 5 no_target
	tool get help >"$T/help"
	equal "help" "$(head -n 1 "$T/help")" "Supported configuration options:"
	sed -n 's#^\(/[a-z<>/]*\).*#\1#p' "$T/help" | sed 's/<n>/1/' | while read -r name; do
		tool get "$name" >/dev/null || fail "help lists $name, which isn't there"
	done
else
	skip "no hdhomerun_config"
fi

it "nothing can be set, and scan and save end with a word and status 1"
if command -v hdhomerun_config >/dev/null; then
	equal "set" "$(tool set /tuner0/channel auto:7; echo $?)" "$(printf 'ERROR: write protected\n1')"
	tool scan 0 >"$T/scan"
	equal "status of scan" $? 1
	expect "word of scan" grep -q "failed to lock tuner" "$T/scan"
	tool save 0 "$T/x.ts" >"$T/save"
	equal "status of save" $? 1
	expect "word of save" grep -q "unable to start stream" "$T/save"
else
	skip "no hdhomerun_config"
fi

it "one asker gets thirty-two answers at once, and a flood gets few more"
on two "$finder" ask 198.51.100.1 65001 0002000c0104ffffffff0204105902dbeec78541 8 >"$T/replies"
equal "replies to eight" "$(wc -l <"$T/replies")" 8
on two "$finder" ask 198.51.100.1 65001 0002000c0104ffffffff0204105902dbeec78541 500 >"$T/replies"
at_most "replies to 500" "$(wc -l <"$T/replies")" 60
at_least "replies to 500" "$(wc -l <"$T/replies")" 8
equal "another asker meanwhile" "$(on one "$finder" ask 192.0.2.1 65001 0002000c0104ffffffff0204105902dbeec78541 | wc -l)" 1

it "who is neither near nor allowed is not answered"
on two ip address add 203.0.113.9/32 dev lo
ip route add 203.0.113.9/32 via 198.51.100.2
on two ip route replace default via 198.51.100.1 src 203.0.113.9
equal "replies" "$(on two "$finder" ask 192.0.2.1 65001 0002000c0104ffffffff0204105902dbeec78541 | wc -l)" 0
expect "counted" bridge_says '.supervisor.discovery.strangers >= 1'
on two ip route replace default dev cable

it "SSDP announces each tuner twice at the start, with the address of the network"
expect "alive" until_true 5 heard one '^192.0.2.1 ssdp:alive http://192.0.2.1:80/device.xml uuid:105902db-.*::upnp:rootdevice$' 2
expect "the type" heard one 'ssdp:alive .*::urn:schemas-upnp-org:device:MediaServer:1$' 2
expect "the second one" heard one 'ssdp:alive http://192.0.2.1:5005/device.xml uuid:' 2
expect "the third one" heard one "ssdp:alive http://192.0.2.1:80/hall/device.xml uuid:${hall,,}" 2

it "its searches are answered, and lead to a document that says the same"
on one "$finder" search 239.255.255.250 upnp:rootdevice >"$T/answers"
equal "answers" "$(wc -l <"$T/answers")" 3
while read -r ip location usn; do
	equal "from" "$ip" 192.0.2.1
	on one curl -s -m 5 "$location" >"$T/device.xml"
	expect "$location has $usn" grep -q "<UDN>${usn%%::*}</UDN>" "$T/device.xml"
done <"$T/answers"
equal "all targets" "$(on one "$finder" search 192.0.2.1 ssdp:all | grep -c 105902db)" 3
equal "another's" "$(on one "$finder" search 239.255.255.250 urn:dial-multiscreen-org:service:dial:1 | wc -l)" 0
if command -v gssdp-discover >/dev/null; then
	on one timeout 20 gssdp-discover -i cable --timeout=2 --target=upnp:rootdevice >"$T/gssdp" 2>&1
	expect "gssdp-discover" grep -q 'USN:  *uuid:105902db-.*::upnp:rootdevice' "$T/gssdp"
	expect "gssdp-discover" grep -q 'Location: http://192.0.2.1:80/device.xml' "$T/gssdp"
fi

it "another address of ours is announced"
ip address add 192.0.2.77/24 dev one
expect "again" until_true 5 heard one 'ssdp:alive http://192.0.2.1:80/device.xml uuid:105902db-.*::upnp:rootdevice$' 3
ip address del 192.0.2.77/24 dev one

it "each tuner has its own lineup, name and tuners, on port, path and port 80"
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
equal "numbers" "$(bridge status '[.supervisor.devices[] | [.tuner, .channels, .tuners.busy]] | tojson')" \
    '[["",2,0],["kids",1,1],["hall",3,0]]'

it "an upgrade hands the sockets over: it is found all the time"
bridge ctl upgrade >"$T/upgrade.out" 2>&1 || fail "$(cat "$T/upgrade.out")"
wait "$bridge_pid"
equal "exit status of the old one" $? 0
bridge_pid=$(bridge status .supervisor.pid)
equal "by broadcast" "$(on one "$finder" ask 255.255.255.255 65001 0002000c0104ffffffff0204105902dbeec78541 | wc -l)" 1
equal "by SSDP" "$(on one "$finder" search 239.255.255.250 upnp:rootdevice | wc -l)" 3

it "it says goodbye"
bridge stop 2>/dev/null
expect "byebye" until_true 5 heard one '^192.0.2.1 ssdp:byebye - uuid:105902db-.*::upnp:rootdevice$' 1
expect "the second one" heard one "ssdp:byebye - uuid:${kids,,}" 1

it "a port that another program has is a line in the log, and all else works; so is a missing port 80"
for p in "udp 65001" "udp 1900" "tcp 80"; do
	# shellcheck disable=SC2086 # two words
	"$finder" hold $p >"$T/hold.${p#* }" 2>&1 &
	others+=($!)
	until_true 5 grep -qx ready "$T/hold.${p#* }" || give_up "can't hold $p: $(cat "$T/hold.${p#* }")"
done
: >"$T/bridge.log"
bridge start -o discovery.interfaces=one
bridge wait-log 'event=discovery.failed port="udp 0.0.0.0:65001"'
bridge wait-log 'event=ssdp.failed'
bridge wait-log 'event=listen.missing why="0.0.0.0:80'
equal "status" "$(bridge status '.supervisor.discovery | .hdhomerun + " " + .ssdp')" "failed failed"
equal "HTTP" "$(on one curl -s -m 5 http://192.0.2.1:5004/discover.json | jq -r .DeviceID)" 105902DB
bridge stop
for holder in "${others[@]: -3}"; do
	kill "$holder"
	wait "$holder"
done

it "on an interface that is not listed nobody is answered; without port 80 it says 5004, and the log tells whom that hurts"
: >"$T/bridge.log"
server_options+=(-o server.listen=0.0.0.0:5004)
bridge start -o discovery.interfaces=one
equal "on one" "$(on one "$finder" ask 255.255.255.255 65001 0002000c0104ffffffff0204105902dbeec78541 | grep -c "$(printf 'http://192.0.2.1:5004' | od -An -tx1 | tr -d ' \n')2f6c696e")" 1
equal "on two" "$(on two "$finder" ask 255.255.255.255 65001 0002000c0104ffffffff0204105902dbeec78541 | wc -l)" 0
expect "said" bridge log event=discovery.port80 >/dev/null
bridge stop

finish
