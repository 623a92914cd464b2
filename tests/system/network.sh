#!/bin/bash
# The way between bridge and viewers loses packets, is too narrow, or is gone for a second, and workers are
# killed meanwhile: still every byte arrives once. Needs root: all of it is in network namespaces of its own.
[ "${1:-}" = inside ] || {
	unshare -n true 2>/dev/null && command -v ip nsenter >/dev/null || {
		echo "1..0 # SKIP no network namespaces here (root, iproute2)"
		exit 0
	}
	exec unshare -n "$0" inside
}
. "${0%/*}/lib.sh"
need_media hi

# Here are the bridge and the origin; in the other namespace, which a process holds, the viewers. The
# addresses are of documentation's net, and lead nowhere else.
readonly here=192.0.2.1 there=192.0.2.2
ip link set lo up || skip_all "no loopback in a namespace"
unshare -n sleep 1000 </dev/null >/dev/null 2>&1 &
other=$!
others+=("$other")
is_elsewhere() { [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
until_true 5 is_elsewhere || give_up "no second namespace"
over_there() { nsenter -t "$other" -n "$@"; }
ip link add pb0 type veth peer name pb1 netns "$other" 2>/dev/null || skip_all "no veth here"
ip address add "$here/24" dev pb0
over_there ip address add "$there/24" dev pb1
ip link set pb0 up
over_there ip link set pb1 up

origin start --channel "name=a,file=$(media hi),seg=2,win=10"
bridge config <<-INI
	[server]
	allow = 127.0.0.1,192.0.2.0/24
	[stream]
	linger = 0s
	[channel 1]
	name = First
	url = @ORIGIN@/a/master.m3u8
	[channel 2]
	name = Lossy to the viewer
	url = @ORIGIN@/a/master.m3u8
	[channel 3]
	name = Nobody answers
	url = http://192.0.2.2:9/a/master.m3u8
	[channel 4]
	name = Whose viewer falls silent
	url = @ORIGIN@/a/master.m3u8
INI
# Nobody else has ports in here.
server_options+=(-o server.listen=0.0.0.0:5004)
bridge start

# far NAME [NUMBER]: a viewer on the other side, of channel 1 or another.
far() {
	rm -f "$T/$1.json" "$T/$1.progress"
	nsenter -t "$other" -n "$PROGRAMS/plexbridge-origin" --view "http://$here:5004/auto/v${2:-1}" --progress "$T/$1.progress" \
	    --output "$T/$1.ts" >"$T/$1.json" 2>"$T/$1.err" </dev/null &
	viewer_pid[$1]=$!
}

# replace: kill the worker; another one takes over.
replace() {
	local worker
	worker=$(bridge worker 1)
	kill -KILL "$worker"
	bridge wait ".streams[] | .worker.pid != $worker and .worker.pid != null and .worker.state == \"live\""
}

# all_get BYTES: each viewer gets so much more.
all_get() {
	local v
	declare -A goal=()
	for v in near one two; do
		goal[$v]=$(($(progress $v bytes) + $1))
	done
	for v in near one two; do
		viewer wait $v bytes="${goal[$v]}"
	done
}

# One who is on this side, where nothing goes wrong: what he has is compared with what the others have.
viewer start near "http://127.0.0.1:5004/auto/v1"
far one
far two
for v in near one two; do
	viewer wait $v bytes=250000
done
[ "$(progress one status)" = 200 ] || give_up "no stream to test with"

# dropped SIDE: so many packets, by the rule of loses.
dropped() {
	$1 nft list table ip drops | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
}
some_dropped() {
	[ "$(dropped "$1")" -ge 3 ]
}

# loses HOOK [over_there]: 3 of 100 TCP packets, while workers are replaced.
loses() {
	local hook=$1 side=${2:-}
	if ! command -v nft >/dev/null ||
	    ! $side nft "add table ip drops; add chain ip drops some { type filter hook $hook priority 0; };
	    add rule ip drops some ip saddr 192.0.2.0/24 ip protocol tcp numgen random mod 100 < 3 counter drop" 2>"$T/nft"; then
		skip "no nftables here that drop at random"
		return
	fi
	for _ in 1 2 3; do
		all_get 40000
		replace
	done
	expect "some are dropped" until_true "$PATIENCE" some_dropped "$side"
	replace
	all_get 60000
	say "$(dropped "$side") packets dropped"
	$side nft delete table ip drops
}

it "3 % of what is sent is dropped on the bridge's side, and workers are killed"
loses output

it "3 % of what arrives is dropped on the viewers' side"
loses input over_there

it "3 % of what viewers acknowledge is dropped"
loses input

it "the queue on the way is full"
if tc qdisc add dev pb0 root tbf rate 1200kbit burst 6kb limit 12kb 2>/dev/null; then
	for _ in 1 2; do
		far more
		all_get 30000
		replace
		viewer stop more
	done
	all_get 60000
	at_least "packets dropped" "$(tc -s qdisc show dev pb0 | sed -n 's/.*dropped \([0-9]*\).*/\1/p' | head -n 1)" 1
	tc qdisc del dev pb0 root
else
	skip "no tbf here"
fi

it "there is no route for a second"
ip route del 192.0.2.0/24 dev pb0
replace
sleep 1
replace
ip route add 192.0.2.0/24 dev pb0 src "$here"
all_get 100000

it "the link is down for a second"
ip link set pb0 down
replace
sleep 1
replace
ip link set pb0 up
all_get 150000

it "no connection was closed, and all streams are clean and whole"
for v in near one two; do
	viewer check $v status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 pmt_changes=0
	viewer whole $v "$(media hi)"
done
say "largest gaps: $(for v in near one two; do viewer get $v largest_gap_ms; done | tr '\n' ' ')ms"

it "and not a byte differs between those on the bad way and who was near"
"$top_builddir/tests/system/same" "$T/near.ts" "$T/one.ts" "$T/two.ts" >"$T/same" || fail "$(cat "$T/same")"
say "$(tail -n 1 "$T/same")"

# blames CHANNEL CULPRIT WORDS
blames() {
	equal "culprit" "$(bridge ctl --json why "$1" | jq -r .culprit)" "$2"
	bridge ctl --json why "$1" | jq -r .verdict | grep -q -e "$3" ||
	    fail "the verdict is $(bridge ctl --json why "$1" | jq -r .verdict)"
}

# port_of PID: from which it is connected to the bridge.
port_of() { over_there ss -Htnp state established dport = :5004 | sed -n "s/^.*192\.0\.2\.2:\([0-9]*\) .*pid=$1,.*/\1/p"; }

# One falls silent now, with its machine as it were; it takes the bridge half a minute to give it up.
viewer start stays "http://127.0.0.1:5004/auto/v4"
far silent 4
viewer wait silent ms=6000
silent=${viewer_pid[silent]}
port=$(port_of "$silent")
[ -n "$port" ] && over_there nft "add table ip silence; add chain ip silence heard { type filter hook input priority 0; };
    add chain ip silence said { type filter hook output priority 0; };
    add rule ip silence heard tcp sport 5004 tcp dport $port drop;
    add rule ip silence said tcp sport $port tcp dport 5004 drop" 2>"$T/nft" && silenced=yes || silenced=no

it "why tells the way to the viewer (5 % loss), and a source that nobody reaches"
if over_there nft "add table ip drops; add chain ip drops some { type filter hook input priority 0; };
    add rule ip drops some ip saddr 192.0.2.0/24 tcp sport 5004 numgen random mod 100 < 5 counter drop;
    add rule ip drops some tcp dport 9 drop" 2>"$T/nft"; then
	viewer start nobody "http://127.0.0.1:5004/auto/v3"
	nsenter -t "$other" -n "$PROGRAMS/plexbridge-origin" --view "http://$here:5004/auto/v2" --progress "$T/lossy.progress" \
	    --output "$T/lossy.ts" >"$T/lossy.json" 2>"$T/lossy.err" </dev/null &
	viewer_pid[lossy]=$!
	viewer wait lossy ms=22000 # so that it loses something in more than a few seconds
	viewer wait nobody closed=yes
	bridge wait 'all(.streams[]; .channel != "3")'
	blames 2 network-to-client 'segments were sent again'
	blames 3 network-to-source '.'
	equal "the phase" "$(bridge ctl --json why 3 | jq -r .phases.stuck)" tcp
	viewer stop lossy
else
	skip "no nftables here that drop at random"
fi

it "a viewer whose machine is silent for half a minute is given up, and goes on where its picture was"
if [ "$silenced" = yes ]; then
	PATIENCE=60 bridge wait-log 'event=client.close channel=4 .*why="ghost"'
	viewer stop silent
	far again 4
	viewer wait again ms=3000
	expect "told" bridge log 'event=client.open channel=4 .*peer=192.0.2.2 .*back=yes' >/dev/null
	equal "culprit" "$(bridge ctl --json why 4 | jq -r .culprit)" network-to-client
	viewer check again status=200 clean=true continuity_errors=0
	viewer check stays closed=no clean=true continuity_errors=0 pcr_jumps=0
else
	skip "no nftables here"
fi

finish
