#!/bin/bash
# plexbridgectl why: for each way to fail, the side that did. Every channel has its own trouble, so that
# all can be had at the same time; a reserve of twelve seconds keeps the viewers out of it.
. "${0%/*}/lib.sh"

need_media hi
hi=$(media hi)

# CHANNEL, culprit, words of the verdict, what happens (-: not at the origin).
cases=(
	"stall-head|source|did not answer|kind=segment,fault=stall-head,hold=7000,for=4"
	"s404|source|HTTP 404|kind=segment,fault=status,value=404,for=4"
	"s403|source|HTTP 403|kind=segment,fault=status,value=403,for=4"
	"s429|source|HTTP 429|kind=any,fault=status,value=429,for=5"
	"s503|source|HTTP 503|kind=any,fault=status,value=503,for=5"
	"stall-body|source|middle of answers|kind=segment,fault=stall-body,value=40000,hold=9000,for=4"
	"truncate|source|before their end|kind=segment,fault=truncate,value=50000,for=5"
	"frozen|source|.|kind=media,fault=frozen,for=8"
	"reset|source|.|kind=media,fault=reset,value=5"
	"html|source|.|kind=playlist,fault=html,for=5"
	"loop|source|redirected|kind=any,fault=redirect-loop,for=5"
	"refuse|source|refused or reset|kind=connection,fault=refuse,for=5"
	"quiet|none|Nothing is wrong|-"
	"slow|client|window was shut|-"
	"closes|client|closed its connection|-"
	"killed|bridge|1 worker died|-"
)

arguments=()
for line in "${cases[@]}"; do
	arguments+=(--channel "name=${line%%|*},seg=2,win=12,clock=wall,file=$hi")
done
arguments+=(--channel "name=holes,seg=2,win=12,clock=wall,file=$hi")
# What befalls connections befalls the second port, which only that channel uses.
origin start --listen 127.0.0.1:0 --listen 127.0.0.1:0 "${arguments[@]}"
port2=$(origin url 2)
port2=${port2##*:}

{
	printf '[tuner]\ntuner_count = 64\n[stream]\nreserve = 12s\n'
	number=0
	for line in "${cases[@]}"; do
		number=$((number + 1))
		name=${line%%|*}
		port=
		[ "$name" != refuse ] || port=2
		printf '[channel %s]\nname = %s\nurl = @ORIGIN%s@/%s/master.m3u8\n' "$number" "$name" "$port" "$name"
	done
	printf '[provider single]\nmax_streams = 1\n'
	for number in 92 93; do
		printf '[channel %d]\nname = One of one\nurl = @ORIGIN@/quiet/master.m3u8?%d\nprovider = single\n' $number $number
	done
	printf '[channel 94]\nname = Holes\nurl = @ORIGIN@/holes/master.m3u8\n'
	printf '[channel 90]\nname = Gone\nurl = @ORIGIN@/none/master.m3u8\n'
	printf '[channel 91]\nname = Nowhere\nurl = http://no-such-host.invalid/x.m3u8\n'
} | bridge config
bridge start

number=0
for line in "${cases[@]}"; do
	number=$((number + 1))
	name=${line%%|*}
	slow=()
	[ "$name" != slow ] || slow=(--rcvbuf 8192 --pause-after 300000 --pause-for 100)
	viewer start "$name" "/auto/v$number" "${slow[@]}"
done
for line in "${cases[@]}"; do
	[ "${line%%|*}" = slow ] || viewer wait "${line%%|*}" ms=5000
done
for line in "${cases[@]}"; do
	IFS='|' read -r name _ _ rule <<<"$line"
	case $rule in
	-) ;;
	kind=connection*)
		origin fault "$rule,port=$port2"
		# The connection that it has must end, before it needs another.
		origin fault "channel=$name,kind=any,fault=truncate,value=0,count=1"
		;;
	*) origin fault "channel=$name,$rule" ;;
	esac
done
kill -KILL "$(bridge worker "$number")"
viewer stop closes
viewer start none /auto/v90
viewer start nowhere /auto/v91
viewer start first /auto/v92
viewer wait first ms=1000
viewer start second /auto/v93
origin fault channel=holes,kind=segment,fault=status,value=404
viewer start holes /auto/v94
viewer wait quiet ms=18000
viewer wait none closed=yes
viewer wait nowhere closed=yes
viewer wait second closed=yes
viewer wait holes closed=yes

# why CHANNEL FILTER
why() {
	bridge ctl --json why "$1" --since 10m | jq -r "$2"
}

number=0
for line in "${cases[@]}"; do
	number=$((number + 1))
	IFS='|' read -r name culprit words rule <<<"$line"
	it "$name: the culprit is $culprit"
	equal culprit "$(why "$number" .culprit)" "$culprit"
	why "$number" .verdict | grep -q -e "$words" || fail "the verdict is $(why "$number" .verdict)"
done

it "a failed tune says where it stuck, and on what"
equal culprit "$(why 90 .culprit)" source
equal phase "$(why 90 .phases.stuck)" playlist
why 90 .verdict | grep -q 'HTTP 404' || fail "the verdict is $(why 90 .verdict)"

it "a name without an address is the network's fault"
equal culprit "$(why 91 .culprit)" network-to-source
equal phase "$(why 91 .phases.stuck)" dns

it "the only slot of a provider is taken: the bridge says so"
equal "its phase" "$(why 93 .phases.stuck)" slot
equal culprit "$(why 93 .culprit)" bridge
why 93 .verdict | grep -q 805 || fail "the verdict is $(why 93 .verdict)"

it "a playlist whose segments are not there"
equal "its phase" "$(why 94 .phases.stuck)" segment
equal culprit "$(why 94 .culprit)" source
why 94 .verdict | grep -q 'HTTP 404' || fail "the verdict is $(why 94 .verdict)"

it "is read by people on 80 columns"
bridge ctl why 5 >"$T/why.txt" || fail "exit status $?"
grep -q '^culprit  source$' "$T/why.txt" || fail "it says no culprit"
grep -q 'fetch.failed' "$T/why.txt" || fail "it has no time line"
[ "$(wc -L <"$T/why.txt")" -le 80 ] || fail "it has lines of more than 80 columns"

it "says what it does not know"
! bridge ctl why 77 >"$T/why.out" 2>&1 || fail "exit status 0"
grep -q 'no channel 77' "$T/why.out" || fail "it said $(cat "$T/why.out")"
! bridge ctl why 5 --since never >"$T/why.out" 2>&1 || fail "exit status 0"

it "outlives the stream"
for line in "${cases[@]}"; do
	viewer stop "${line%%|*}"
done
viewer stop first
bridge wait '.streams | length == 0'
equal culprit "$(why 5 .culprit)" source
equal streams "$(why 5 '.streams[0].state')" over
finish
