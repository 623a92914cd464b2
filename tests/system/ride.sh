#!/bin/bash
# Outages of every kind, side by side, each against a reserve of 20 s in a window of 30: what the reserve
# covers nobody sees; what is longer costs nothing but time. In namespaces of its own, for a resolver that
# dies and a way that is slow and loses packets. Needs root. Not part of the suite, but of ./dev soak ride:
#
#   PB_TEST_OUTAGE  seconds (5). Above 15 the reserve may be spent: then filler is looked at
[ "${1:-}" = inside ] || {
	unshare -n -m true 2>/dev/null && command -v ip nsenter >/dev/null && [ -c /dev/net/tun ] || {
		echo "1..0 # SKIP no namespaces or no tun here (root, iproute2)"
		exit 0
	}
	exec unshare -n -m "$0" inside
}
. "${0%/*}/lib.sh"
need_media hi

readonly length=${PB_TEST_OUTAGE:-5}
[ "$length" -le 15 ] && covered=yes || covered=no
hi=$(media hi)
# NAME, then what happens for so long; those that strike connections have a port of their own, and lose those
# that are open first.
faults=(
	"stall-head    kind=any,fault=stall-head,hold=${length}000,for=$length"
	"stall-body    kind=segment,fault=stall-body,value=40000,hold=${length}000,for=$length"
	"status-404    kind=any,fault=status,value=404,for=$length"
	"status-403    kind=any,fault=status,value=403,for=$length"
	"status-429    kind=any,fault=status,value=429,for=$length"
	"status-503    kind=any,fault=status,value=503,for=$length"
	"truncate      kind=segment,fault=truncate,value=50000,for=$length"
	"frozen        kind=media,fault=frozen,for=$length"
	"reset         kind=media,fault=reset,value=5"
	"html          kind=playlist,fault=html,for=$length"
	"redirect-loop kind=any,fault=redirect-loop,for=$length"
	"denied        kind=any,fault=status,value=403,for=$length"
)
others_names=(refuse connect no-resolver bad-way)
names=()
for line in "${faults[@]}"; do
	names+=("${line%% *}")
done
names+=("${others_names[@]}")

# ---- the ways: loopback, and a tun device to another namespace where the origin of bad-way is
ip link set lo up || skip_all "no loopback in a namespace"
unshare -n sleep 3000 </dev/null >/dev/null 2>&1 &
other=$!
others+=("$other")
is_elsewhere() { [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
until_true 5 is_elsewhere || give_up "no second namespace"
# helper NAME ARGUMENT...: one of this test's programs, until it is ready. Its pid is in $helped.
helper() {
	local name=$1
	"$top_builddir/tests/system/$@" >"$T/$name.out" 2>"$T/$name.err" </dev/null &
	helped=$!
	others+=("$helped")
	until_true 5 grep -qs ready "$T/$name.out" || give_up "$name: $(cat "$T/$name.err")"
}
helper way "$other" 10 150
way=$helped
ip address add 192.0.2.1/30 dev way0 && ip link set way0 up
nsenter -t "$other" -n ip address add 192.0.2.2/30 dev way1
nsenter -t "$other" -n ip link set way1 up
nsenter -t "$other" -n "$PROGRAMS/plexbridge-origin" --listen 192.0.2.2:8000 \
    --channel "name=bad-way,seg=2,win=15,clock=wall,file=$hi" >"$T/far.out" 2>"$T/far.err" </dev/null &
others+=("$!")
until_true 10 grep -q listening "$T/far.out" || give_up "no origin far away"

# ---- the resolver: answers are good for a second
helper names 127.0.0.1 1
resolver=$helped
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:2\n' >"$T/resolv.conf"
chmod 644 "$T/resolv.conf"
mount --bind "$T/resolv.conf" /etc/resolv.conf || skip_all "no mounts of its own"

arguments=(--listen 127.0.0.1:0 --listen 127.0.0.1:0 --listen 127.0.0.1:0)
for name in quiet1 quiet2 quiet3 "${names[@]}"; do
	arguments+=(--channel "name=$name,seg=2,win=15,clock=wall,file=$hi")
done
origin start "${arguments[@]}"
port() { origin url "$1" | sed 's/.*://'; }
{
	printf '[server]\nallow = 127.0.0.1\n[tuner]\ntuner_count = 32\n[stream]\nreserve = 20s\n[fetch]\nprivate_targets = yes\n[provider counts]\n'
	n=0
	for name in quiet1 quiet2 quiet3 "${names[@]}"; do
		n=$((n + 1))
		case $name in
		refuse) base=@ORIGIN2@ ;;
		connect) base=$(origin url 3) ;;
		no-resolver) base=http://origin.example:$(port 1) ;;
		bad-way) base=http://192.0.2.2:8000 ;;
		*) base=@ORIGIN@ ;;
		esac
		printf '[channel %d]\nname = %s\nurl = %s/%s/master.m3u8\n' "$n" "$name" "$base" "$name"
		[ "$name" != denied ] || printf 'provider = counts\n'
	done
} | bridge config
bridge start

# channel NAME: its number.
channel() {
	local n=0 name
	for name in quiet1 quiet2 quiet3 "${names[@]}"; do
		n=$((n + 1))
		[ "$name" != "$1" ] || echo "$n"
	done
}

it "everybody plays, and the reserve is there"
for name in quiet1 quiet2 quiet3 "${names[@]}"; do
	viewer start "$name" "/auto/v$(channel "$name")"
done
for name in quiet1 quiet2 quiet3 "${names[@]}"; do
	viewer wait "$name" ms=6000
done
bridge wait 'all(.streams[]; .state == "live" and .reserve_s >= 17)'

for line in "${faults[@]}"; do
	read -r name rule <<<"$line"
	origin fault "channel=$name,$rule"
done
for name in refuse connect no-resolver; do
	origin fault "channel=$name,kind=any,fault=truncate,value=0,count=2"
done
origin fault "kind=connection,fault=refuse,port=$(port 2),for=$length"
# Nobody answers: where packets can be dropped, they are; else somebody takes the connection, and that is all.
nft "add table ip drops; add chain ip drops some { type filter hook input priority 0; };
add rule ip drops some tcp dport $(port 3) tcp flags & (syn | ack) == syn drop" 2>"$T/nft" && dropped=yes || {
	dropped=no
	origin fault "kind=connection,fault=connect-latency,value=60000,port=$(port 3),for=$length"
}
kill -STOP "$resolver"
kill -USR1 "$way"
began=$(date +%s%3N)
# The outage has its length: nothing tells of its end.
sleep "$length"
[ "$dropped" = no ] || nft delete table ip drops
kill -CONT "$resolver"
kill -USR2 "$way"
ended=$(date +%s%3N)

settled=$((6000 + length * 1000 + 16000))
for name in quiet1 quiet2 quiet3 "${names[@]}"; do
	viewer wait "$name" ms=$settled
done
declare -A filler=()
for name in "${names[@]}"; do
	filler[$name]=$(bridge status ".streams[] | select(.channel == \"$(channel "$name")\") | .upstream.filler_s")
done
for name in "${names[@]}"; do
	! awk -v f="${filler[$name]:-0}" 'BEGIN { exit !(f > 0) }' ||
	    bridge wait-log "event=filler.end channel=$(channel "$name") "
done
bridge log 'event=filler' >"$T/filler.log" || true
provider=$(bridge status '.providers[] | select(.name == "counts") | "\(.breaker) \(.bans)"')
for name in quiet1 quiet2 quiet3 "${names[@]}"; do
	viewer stop "$name"
done

# Whose fault each is. A connection that is refused was answered by who refused it; and as long as a name's old
# address is good, all that is seen of a dead resolver are the connections that were cut to need one.
culprit() {
	case $1-$dropped in
	bad-way-* | connect-yes) echo network-to-source ;;
	*) echo source ;;
	esac
}

# when CHANNEL: ms from the end of the outage to the end of its filler; - is not told.
when() {
	local at
	at=$(sed -n "s/^time=\([^ ]*\) .*event=filler.end channel=$1 .*/\1/p" "$T/filler.log" | tail -n 1)
	[ -n "$at" ] && echo $(($(date -d "$at" +%s%3N) - ended)) || echo -
}

for name in "${names[@]}"; do
	it "$name for $length s"
	say "$name: largest gap $(viewer get "$name" largest_gap_ms) ms, filler ${filler[$name]} s, media back after $(when "$(channel "$name")") ms"
	viewer check "$name" status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 \
	    pmt_changes=0 "media_ms>=$settled"
	bridge ctl --json why "$(channel "$name")" --since 10m >"$T/why.json"
	say "$name: $(jq -r '"\(.culprit): \(.verdict)"' "$T/why.json")"
	# A playlist that stands for little more than two target durations may be no trouble yet.
	[ "$name" = frozen ] && [ "$length" -lt 10 ] ||
	    equal "whose fault it was" "$(jq -r .culprit "$T/why.json")" "$(culprit "$name")"
	if [ "$covered" = yes ]; then
		viewer smooth "$name" quiet1 quiet2 quiet3
		equal "seconds of filler" "${filler[$name]}" 0
		viewer whole "$name" "$hi"
		continue
	fi
	# Filler begins within half a second, and is a picture twice a second.
	at_most "largest gap, ms" "$(viewer get "$name" largest_gap_ms)" "$(undisturbed_gap 500 quiet1 quiet2 quiet3)"
	# A provider that says "too many" is left alone for what it says, or 2, 5, 10, 30 s.
	limit=2000
	case $name in
	status-429) limit=33000 ;;
	denied) limit=12500 ;; # and one that counts denials is asked every ten seconds at most
	esac
	awk -v f="${filler[$name]:-0}" 'BEGIN { exit !(f > 0) }' &&
	    at_most "ms from the source's return to media" "$(when "$(channel "$name")")" $limit
	equal "what the decoder says" "" "$(timeout 300 ffmpeg -nostdin -v error -xerror -i "$T/$name.ts" -f null - 2>&1)"
	mkdir "$T/$name"
	equal "what the cutter says" "" "$(timeout 300 ffmpeg -nostdin -v warning -i "$T/$name.ts" -map '0:V?' -map '0:a?' -c copy \
	    -f segment -segment_format mpegts -segment_time 1 -segment_list "$T/$name/list.csv" -segment_list_type csv \
	    "$T/$name/%03d.ts" 2>&1)"
	at_least "segments" "$(wc -l <"$T/$name/list.csv")" $((settled / 2100))
	equal "segments longer than two seconds" "" "$(sed '$d' "$T/$name/list.csv" | awk -F, '$3 - $2 > 2.04')"
	rm -rf "${T:?}/$name"
done
say "undisturbed: largest gaps $(for v in quiet1 quiet2 quiet3; do viewer get $v largest_gap_ms; done | tr '\n' ' ')ms; the outage took $((ended - began)) ms"

it "to be denied for so long does not look like a ban"
equal "breaker of its provider, bans" "$provider" "closed 0"

it "filler was seen only where the outage was longer than the reserve"
some=0
for name in "${names[@]}"; do
	awk -v f="${filler[$name]:-0}" 'BEGIN { exit !(f > 0) }' && some=$((some + 1))
done
[ "$covered" = yes ] && equal "channels with filler" "$some" 0 || at_least "channels with filler" "$some" 8

finish
