#!/bin/bash
# An upstream that fails for less than the reserve: the viewer sees nothing of it. The reserve is ten
# seconds here, at least seven of them in hand (a segment is two); no fault lasts longer than six.
. "${0%/*}/lib.sh"

need_media hi
hi=$(media hi)

# Every channel has its own fault, so that all can be tried at the same time: NAME, then what happens.
# Those of connections strike the second port, which only such channels use.
faults=(
	"stall-head      kind=segment,fault=stall-head,hold=4000,count=1"
	"stall-list      kind=media,fault=stall-head,hold=4000,count=1"
	"stall-body      kind=segment,fault=stall-body,value=40000,hold=4000,count=1"
	"stall-for-ever  kind=segment,fault=stall-body,value=40000,count=1"
	"truncate        kind=segment,fault=truncate,value=50000,for=4"
	"truncate-head   kind=segment,fault=truncate,value=0,for=4"
	"drip            kind=segment,fault=drip,value=30000,for=4"
	"latency         kind=any,fault=latency,value=1200,for=6"
	"status-404      kind=segment,fault=status,value=404,for=3"
	"status-500      kind=any,fault=status,value=500,for=4"
	"status-503      kind=playlist,fault=status,value=503,for=4"
	"frozen          kind=media,fault=frozen,for=4"
	"back            kind=media,fault=back,value=2,for=4"
	"reset           kind=media,fault=reset,value=5"
	"html-list       kind=playlist,fault=html,for=4"
	"redirect-loop   kind=any,fault=redirect-loop,for=4"
	"length-short    kind=segment,fault=length-short,count=1"
	"surplus         kind=segment,fault=length-short,hold=2500,for=6"
	"empty-list      kind=media,fault=empty,for=4"
	"range-ignored   kind=segment,fault=range-ignored,for=6"
	"range-other     kind=segment,fault=range-other,for=4"
	"binary-list     kind=media,fault=binary,for=4"
	"cut             kind=segment,fault=cut,value=50000,for=3"
	"status-403      kind=segment,fault=status,value=403,for=3"
	"html-segment    kind=segment,fault=html,for=3"
	"length-long     kind=segment,fault=length-long,for=4"
	"empty-segment   kind=segment,fault=empty,for=3"
	"not-ts          kind=segment,fault=not-ts,for=3"
	"key             kind=key,fault=status,value=500,for=4"
)
connections=(
	"refuse          kind=connection,fault=refuse,for=4"
)

arguments=()
for name in quiet quiet2 quiet3; do
	arguments+=(--channel "name=$name,seg=2,win=12,clock=wall,file=$hi")
done
for line in "${faults[@]}" "${connections[@]}"; do
	name=${line%% *}
	extra=""
	[ "$name" != key ] || extra=",aes=yes"
	arguments+=(--channel "name=$name,seg=2,win=12,clock=wall,file=$hi$extra")
done
origin start --listen 127.0.0.1:0 --listen 127.0.0.1:0 "${arguments[@]}"
port2=$(origin url 2)
port2=${port2##*:}

{
	printf '[tuner]\ntuner_count = 64\n[stream]\nreserve = 10s\n[channel 1]\nname = quiet\nurl = @ORIGIN@/quiet/master.m3u8\n'
	for number in 2 3; do
		printf '[channel 10%d]\nname = quiet %d\nurl = @ORIGIN@/quiet%d/master.m3u8\n' $number $number $number
	done
	number=1
	for line in "${faults[@]}"; do
		number=$((number + 1))
		name=${line%% *}
		printf '[channel %s]\nname = %s\nurl = @ORIGIN@/%s/master.m3u8\n' "$number" "$name" "$name"
	done
	for line in "${connections[@]}"; do
		number=$((number + 1))
		name=${line%% *}
		printf '[channel %s]\nname = %s\nurl = @ORIGIN2@/%s/master.m3u8\n' "$number" "$name" "$name"
	done
} | bridge config
bridge start

viewer start quiet /auto/v1
viewer start quiet2 /auto/v102
viewer start quiet3 /auto/v103
number=1
for line in "${faults[@]}" "${connections[@]}"; do
	number=$((number + 1))
	viewer start "${line%% *}" "/auto/v$number"
done
# Everybody plays, and the reserve is there.
it "every channel plays before anything fails"
for line in "${faults[@]}" "${connections[@]}"; do
	viewer wait "${line%% *}" ms=4000
done
bridge wait 'all(.streams[]; .state == "live" and .reserve_s >= 7)'

for line in "${faults[@]}"; do
	read -r name rule <<<"$line"
	origin fault "channel=$name,$rule"
done
for line in "${connections[@]}"; do
	read -r name rule <<<"$line"
	origin fault "$rule,port=$port2"
done
for line in "${faults[@]}" "${connections[@]}"; do
	viewer wait "${line%% *}" ms=20000
done
requests=$(origin log '[.[] | select(.channel == "status-404" and .status == 404)] | length')
for line in "${faults[@]}" "${connections[@]}"; do
	viewer stop "${line%% *}"
done

for line in "${faults[@]}" "${connections[@]}"; do
	read -r name rule <<<"$line"
	it "$name: a viewer sees nothing of $rule"
	viewer check "$name" status=200 closed=no clean=true continuity_errors=0 pcr_jumps=0 dts_backward=0 'media_ms>=20000'
	viewer smooth "$name" quiet quiet2 quiet3
	case $name in
	# These say that all has come: what was cut off is lost, and the stream goes on without it.
	cut | length-short | surplus) ;;
	*) viewer whole "$name" "$hi" ;;
	esac
done

it "the faults were really met"
at_least "answers of 404" "$requests" 1

it "a tune whose first segment hangs after its key frame is no tune with filler: it is asked for once more"
for name in quiet quiet2 quiet3; do
	viewer stop $name
done
bridge wait '.streams | length == 0'
origin fault "channel=quiet,kind=segment,fault=stall-body,value=50000,count=1"
viewer start begins "/auto/v1"
viewer wait begins ms=6000
equal "seconds of filler, in figures and as an event" "0 0" \
    "$(bridge status '.streams[0].upstream.filler_s') $(bridge log 'event=filler.begin channel=1 ' | wc -l)"
at_least "second requests that answered first" "$(bridge status '.streams[0].upstream.hedges_won')" 1
viewer stop begins
viewer check begins status=200 clean=true continuity_errors=0
bridge wait '.streams | length == 0'

it "a provider that takes one connection and says so costs a tune no picture: what it refused comes in its turn"
origin fault "channel=quiet2,kind=any,fault=limit,value=1"
# An answer takes a while, as on any way that is none of a laboratory: so several are under way at once.
origin fault "channel=quiet2,kind=segment,fault=latency,value=300"
viewer start one "/auto/v102"
viewer wait one ms=20000
one=$(bridge status '.streams[0].upstream | "\(.segments_lost) \(.fillers) \(.prefetch)"')
refused=$(origin log '[.[] | select(.channel == "quiet2" and .status == 458) | .time_ms] | "\(length) \(max - min)"')
at_least "answers of 458" "${refused% *}" 1
at_most "milliseconds from the first of them to the last: it is told once" "${refused#* }" 1000
equal "segments lost, fillers, and how many are asked for at once from then on" "$one" "0 0 1"
equal "sources that were opened anew" "$(bridge log 'event=source.reopen channel=102 ' | wc -l)" 0
viewer check one status=200 closed=no clean=true continuity_errors=0 pcr_jumps=0 dts_backward=0
viewer whole one "$hi"
bridge wait '.streams | length == 0'

it "a segment that trickles is left when the reserve is spent and the next one is there"
viewer start drips "/auto/v103"
viewer wait drips ms=4000
bridge wait '.streams | length == 1 and .[0].state == "live" and .[0].reserve_s >= 7'
origin fault "channel=quiet3,kind=segment,fault=drip,value=1500,count=1"
bridge wait-log 'event=segment.cut channel=103 '
# The ten seconds of the reserve, what the rest of that segment would take, and some of what follows.
viewer wait drips ms=30000
at_most "seconds of filler" "$(bridge status '.streams[0].upstream.filler_s')" 3
equal "segments that were cut" "$(bridge log 'event=segment.cut channel=103 ' | wc -l)" 1
viewer check drips status=200 closed=no clean=true continuity_errors=0 pcr_jumps=0 dts_backward=0
at_most "largest gap, ms" "$(viewer get drips largest_gap_ms)" "$(undisturbed_gap 500)"

finish
