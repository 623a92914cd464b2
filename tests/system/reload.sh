#!/bin/bash
# Playlists that stop saying what is new, or that say the end too early: the viewer sees nothing of it.
. "${0%/*}/lib.sh"

need_media hi
hi=$(media hi)
common="file=$hi,seg=1,win=40,clock=wall,burst=8"
# NAME, where it is opened, its keys, and what happens to it. The reserve is ten seconds.
faults=(
	"session master redirect=yes,token=600 kind=media,fault=stuck"
	"node media redirect=yes,token=600 kind=media,fault=stuck"
	"everywhere master win=40 kind=media,fault=frozen,for=6"
	"ends master win=40 kind=media,fault=endlist,for=5"
	"ends-back master win=40 kind=media,fault=endlist,for=5"
	"ends-dead master win=40 kind=media,fault=endlist,for=5"
)
arguments=(--channel "name=quiet,$common" --channel "name=quiet2,$common" --channel "name=quiet3,$common")
for line in "${faults[@]}"; do
	read -r name _ keys _ <<<"$line"
	arguments+=(--channel "name=$name,$common,$keys")
done
origin start "${arguments[@]}"
{
	printf '[tuner]\ntuner_count = 32\n[stream]\nreserve = 10s\n'
	number=0
	for name in quiet quiet2 quiet3; do
		number=$((number + 1))
		printf '[channel 10%d]\nname = %s\nurl = @ORIGIN@/%s/master.m3u8\n' $number $name $name
	done
	printf '[channel 201]\nname = closes\nurl = @ORIGIN@/quiet/live.ts\n'
	printf '[channel 202]\nname = plain\nurl = @ORIGIN@/quiet2/live.ts\nbackup1 = @ORIGIN@/quiet3/master.m3u8\n'
	number=0
	for line in "${faults[@]}"; do
		read -r name opened _ <<<"$line"
		number=$((number + 1))
		printf '[channel %d]\nname = %s\nurl = @ORIGIN@/%s/%s.m3u8\n' $number "$name" "$name" "$opened"
	done
} | bridge config
bridge start

number=0
for line in "${faults[@]}"; do
	number=$((number + 1))
	viewer start "${line%% *}" "/auto/v$number"
done
for number in 1 2 3; do
	viewer start "quiet${number#1}" "/auto/v10$number"
done
it "every channel plays, and goes on playing whatever its list says"
for line in "${faults[@]}"; do
	viewer wait "${line%% *}" ms=4000
done
bridge wait 'all(.streams[]; .state == "live" and .reserve_s >= 9)'
for line in "${faults[@]}"; do
	read -r name _ _ rule <<<"$line"
	origin fault "channel=$name,$rule"
done
# The list that says so is the first one after segments were refused, and the first one of another worker.
origin fault "channel=ends-back,kind=segment,fault=status,value=404,for=3"
kill -KILL "$(bridge worker 6)"
for line in "${faults[@]}"; do
	viewer wait "${line%% *}" ms=20000
done
for line in "${faults[@]}"; do
	viewer stop "${line%% *}"
done

for line in "${faults[@]}"; do
	read -r name _ _ rule <<<"$line"
	case $name in
	session) what="a master's session that stands is opened anew within the reserve" ;;
	node) what="a node that stands is left for the address that led to it within the reserve" ;;
	ends) what="a live list that says that it has ended goes on" ;;
	ends-back) what="...also one that is asked for because its segments were refused" ;;
	ends-dead) what="...and one that is the first that a worker sees" ;;
	everywhere) what="a source that stands everywhere is waited for" ;;
	esac
	it "$what, and the viewer sees nothing of it"
	viewer check "$name" status=200 closed=no clean=true continuity_errors=0 pcr_jumps=0 dts_backward=0 'media_ms>=20000'
	viewer smooth "$name" quiet quiet2 quiet3
	viewer whole "$name" "$hi"
done

it "a plain stream that closes before a picture came, each time, is no stream: the tune is answered"
origin fault "channel=quiet,kind=live,fault=truncate,value=3000"
viewer start closes /auto/v201
viewer wait closes closed=yes
viewer check closes status=503 error_code=807
at_most "ms until then" "$(viewer get closes total_ms)" 8000
equal "connections" "$(origin log '[.[] | select(.channel == "quiet" and .kind == "live")] | length')" 3

it "one that does so in the middle says that it can't be had, and its backup comes while there is a reserve"
origin fault "channel=quiet2,kind=live,fault=truncate,value=500000,count=1"
origin fault "channel=quiet2,kind=live,fault=truncate,value=3000,skip=1"
viewer start plain /auto/v202
viewer wait plain ms=12000
viewer check plain status=200 closed=no clean=true continuity_errors=0 pcr_jumps=0 dts_backward=0
bridge wait-log "event=source.switch channel=202 from=0 to=1 .*it can't be had"
equal "fillers" "$(bridge log 'event=filler.begin channel=202 ' | wc -l)" 0

it "the address that led to the node was asked, and not the channel's playlist more often than that"
equal "redirects that were asked for" "$(origin log '[.[] | select(.channel == "node" and .status == 302)] | length')" 2
at_most "masters of the session" "$(origin log '[.[] | select(.channel == "session" and .kind == "master" and .status == 200)] | length')" 2
at_most "masters of the one that stands everywhere" \
    "$(origin log '[.[] | select(.channel == "everywhere" and .kind == "master")] | length')" 4

finish
