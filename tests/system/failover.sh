#!/bin/bash
# A source fails in one way after the other: its backup takes its place within the reserve, and the viewer
# sees nothing of it. The backup has other PIDs, another picture size and another time base.
. "${0%/*}/lib.sh"

need_media hi lo
hi=$(media hi)
lo=$(media lo)
common="seg=1,win=20,clock=wall"

# Every channel has its own fault, all at the same time: NAME, then what happens to it.
faults=(
	"frozen       kind=media,fault=frozen,for=8"
	"back         kind=media,fault=back,value=4,for=8"
	"gone         kind=any,fault=status,value=404,for=8"
	"refused      kind=any,fault=status,value=403,for=8"
	"repeat       kind=segment,fault=repeat,for=5"
	"clock-stands kind=segment,fault=clock-stands,for=4"
	"no-video     kind=segment,fault=no-video,for=4"
	"html         kind=any,fault=html,for=8"
	"silent       kind=any,fault=stall-head,for=8"
)
arguments=(--channel "name=quiet,file=$hi,$common" --channel "name=quiet2,file=$hi,$common"
	--channel "name=quiet3,file=$hi,$common" --channel "name=one,file=$hi,$common"
	--channel "name=two,file=$lo,$common" --channel "name=home,file=$hi,$common" --channel "name=away,file=$lo,$common")
for line in "${faults[@]}"; do
	arguments+=(--channel "name=${line%% *},file=$hi,$common" --channel "name=${line%% *}-b,file=$lo,$common,base=500")
done
arguments+=(--channel "name=asked,file=$hi,$common" --channel "name=asked-b,file=$lo,$common,base=500")
# The second port is the account that allows one stream, the third one's that says "too many".
origin start --listen 127.0.0.1:0 --listen 127.0.0.1:0 "${arguments[@]}"
# A channel of two entries that each want to be asked in their own way: no. 40.
files start
cat >"$(files dir)/list.m3u" <<M3U
#EXTM3U
#EXTINF:-1 tvg-id="asked.tv",Asked HD
#EXTVLCOPT:http-user-agent=First/1
#EXTVLCOPT:http-referrer=https://first.example/
$(origin url)/asked/master.m3u8
#EXTINF:-1 tvg-id="asked.tv",Asked SD
$(origin url)/asked-b/master.m3u8|X-Key=secretword&User-Agent=Second/2
M3U

{
	cat <<-'INI'
		[tuner]
		tuner_count = 32
		[stream]
		reserve = 8s
		return_after = 3s
		linger = 0
		[provider one]
		max_streams = 1
		[provider busy]
		[provider list]
		playlist = @FILES@/list.m3u
		first_number = 40
		[channel 1]
		name = quiet
		url = @ORIGIN@/quiet/master.m3u8
		[channel 2]
		name = one
		provider = one
		url = @ORIGIN2@/one/master.m3u8
		backup1 = @ORIGIN2@/two/master.m3u8
		[channel 3]
		name = home
		provider = busy
		url = @ORIGIN@/home/master.m3u8
		[channel 4]
		name = away
		provider = busy
		url = @ORIGIN@/away/master.m3u8
		[channel 5]
		name = nowhere
		url = @ORIGIN@/nowhere/master.m3u8
		backup1 = http://no-such-name.invalid/x.m3u8
		backup2 = @ORIGIN@/quiet/master.m3u8
	INI
	for number in 6 7; do
		printf '[channel %d]\nname = quiet %d\nurl = @ORIGIN@/quiet%d/master.m3u8\n' $number $number $((number - 4))
	done
	number=9
	for line in "${faults[@]}"; do
		number=$((number + 1))
		printf '[channel %s]\nname = %s\nurl = @ORIGIN@/%s/master.m3u8\nbackup1 = @ORIGIN@/%s-b/master.m3u8\n' \
		    "$number" "${line%% *}" "${line%% *}" "${line%% *}"
	done
} | bridge config
bridge start
bridge ctl refresh >"$T/refresh.out" || fail "the list is refused: $(cat "$T/refresh.out")"

it "a tune whose first sources certainly fail is played from the next one at once"
viewer start nowhere /auto/v5
viewer wait nowhere bytes=40000
equal "source in use" "$(bridge status '.streams[] | select(.channel == "5") | .upstream.source')" 2
equal "health" "$(bridge status '[.streams[] | select(.channel == "5") | .sources[].health] | join(" ")')" "failed failed good"
viewer stop nowhere

viewer start quiet /auto/v1
viewer start quiet2 /auto/v6
viewer start quiet3 /auto/v7
viewer start one /auto/v2
viewer start asked /auto/v40
number=9
for line in "${faults[@]}"; do
	number=$((number + 1))
	viewer start "${line%% *}" "/auto/v$number"
done
for line in "${faults[@]}" one asked quiet quiet2 quiet3; do
	viewer wait "${line%% *}" ms=7000
done
for line in "${faults[@]}"; do
	read -r name fault <<<"$line"
	origin fault "channel=$name,$fault"
done
origin fault "channel=one,kind=any,fault=status,value=404,for=8"
origin fault "channel=asked,kind=any,fault=status,value=404,for=8"
began=$(date +%s%3N)

it "each fault is answered by the backup within the reserve"
number=9
for line in "${faults[@]}"; do
	number=$((number + 1))
	bridge wait ".streams[] | select(.channel == \"$number\") | .upstream.failovers >= 1"
done
bridge wait '.streams[] | select(.channel == "2") | .upstream.failovers >= 1'
bridge wait '.streams[] | select(.channel == "40") | .upstream.failovers >= 1'
at_most "milliseconds until all had switched" "$(($(date +%s%3N) - began))" 7000

it "the first source is gone back to when it has been good for return_after"
number=9
for line in "${faults[@]}"; do
	number=$((number + 1))
	# What was only doubted is not gone back to so soon.
	[ "${line%% *}" = repeat ] || bridge wait ".streams[] | select(.channel == \"$number\") |
	    .upstream.returns >= 1 and .upstream.source == 0 and .sources[0].health == \"good\""
done
bridge wait '.streams[] | select(.channel == "2") | .upstream.returns >= 1 and .upstream.source == 0'
bridge wait '.streams[] | select(.channel == "40") | .upstream.returns >= 1 and .upstream.source == 0'
for line in "${faults[@]}" one asked; do
	viewer wait "${line%% *}" bytes=$(($(progress "${line%% *}" bytes) + 100000))
done

for line in "${faults[@]}" one asked; do
	name=${line%% *}
	it "$name: the viewer sees nothing of it"
	viewer check "$name" status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 \
	    pmt_changes=0
	viewer smooth "$name" quiet quiet2 quiet3
done

it "each source is asked with what its own entry says, whichever of them plays"
switched=$(origin log '[.[] | select(.channel == "asked-b")][0].time_ms')
at_least "requests to the first, looked at while its backup played" \
    "$(origin log "[.[] | select(.channel == \"asked\" and .status == 404 and .time_ms > $switched)] | length")" 1
at_least "requests to the backup" "$(origin log '[.[] | select(.channel == "asked-b")] | length')" 5
equal "requests to the first without its own, or with the other's" 0 "$(origin log '[.[] | select(.channel == "asked") |
    select(.agent != "First/1" or (.head | test("\r\nReferer: https://first.example/\r\n") | not) or
    (.head | test("X-Key"; "i")))] | length')"
equal "requests to the backup likewise" 0 "$(origin log '[.[] | select(.channel == "asked-b") |
    select(.agent != "Second/2" or (.head | test("\r\nX-Key: secretword\r\n") | not) or
    (.head | test("Referer"; "i")))] | length')"
{ bridge ctl --json status && bridge ctl --json lineup && bridge ctl dump && cat "$T/bridge.log"; } >"$T/shown"
grep -q 'secretword' "$T/shown" && fail "a header's value is shown"

# It is gone back to once in vain, and once for good: one, two, one, two, one, and no request in between.
it "an account with one stream never has two connections, and its idle source is never asked"
at_most "connections at once" "$(origin stats '[.channels.one, .channels.two] | map(.connections_max) | max')" 1
port=$(origin url 2)
equal "requests to both at the same time" "" "$(origin log "[.[] | select(.port == ${port##*:})] | sort_by(.time_ms) |
    map(.channel) | reduce .[] as \$c ([]; if .[-1] == \$c then . else . + [\$c] end) | if length > 5 then join(\" \") else empty end")"

it "a provider that says when to come back is asked by nobody before"
viewer start home /auto/v3
viewer start away /auto/v4
viewer wait home ms=6000
viewer wait away ms=6000
origin fault "channel=home,kind=media,fault=status,value=429,after=4,count=1"
bridge wait-log 'event=provider.limit provider="?busy"? state=open'
bridge wait '.providers[] | select(.name == "busy") | .breaker == "closed" and .refusals == 1'
refused=$(origin log '[.[] | select(.channel == "home" and .status == 429)][0].time_ms')
after=$(origin log "[.[] | select((.channel == \"home\" or .channel == \"away\") and .time_ms > $refused + 700)] |
    map(.time_ms) | min - $refused")
at_least "milliseconds until anybody asked again" "$after" 4000
viewer check home closed=no clean=true pcr_jumps=0
viewer check away closed=no clean=true pcr_jumps=0

it "a provider that asks for an hour is asked again in minutes: two, or four where it refused just before"
viewer start home /auto/v3
viewer start away /auto/v4
viewer wait home ms=6000
viewer wait away ms=6000
origin fault "channel=home,kind=media,fault=status,value=429,after=3600,count=1"
bridge wait '.providers[] | select(.name == "busy") | .breaker == "open" and .refusals == 2'
at_most "seconds until anybody asks" "$(bridge status '.providers[] | select(.name == "busy") | .retry_in_s')" 240
bridge wait-log 'event=source.wait channel=3 .*wait_ms=120000 '
bridge wait-log 'event=source.wait channel=4 .*wait_ms=(12|24)[0-9]{4} ' # told by us, behind the other one

finish
