#!/bin/bash
# An upstream that is away for longer than the reserve: a picture stays, time goes on, nothing is cut; and
# it is the same to the viewers when their worker is killed in the middle of it.
. "${0%/*}/lib.sh"

need_media hi late
hi=$(media hi)
origin start --channel "name=away,seg=2,win=6,clock=wall,file=$hi" --channel "name=killed,seg=2,win=6,clock=wall,file=$hi" \
    --channel "name=quiet,seg=2,win=6,clock=wall,file=$hi" \
    --channel "name=late,clock=wall,file=$(media late)"
bridge config <<-INI
	[stream]
	reserve = 4s
	[channel 1]
	name = Away
	url = @ORIGIN@/away/master.m3u8
	[channel 2]
	name = Killed
	url = @ORIGIN@/killed/master.m3u8
	[channel 3]
	name = Quiet
	url = @ORIGIN@/quiet/master.m3u8
	[channel 4]
	name = Late
	url = @ORIGIN@/late/live.ts
INI
bridge start

# Of channel N's stream.
stream() {
	printf '.streams[] | select(.channel == "%s") | %s' "$1" "$2"
}

# A source of plain TS in real time, whose sound comes up to half a second behind its pictures, as ffmpeg's muxer
# has it: 4.5 s of it, then none for so long that no way of asking again can be back before they are spent. It goes on
# beside the rest.
origin fault channel=late,kind=live,fault=truncate,value=300000,count=1
origin fault channel=late,kind=live,fault=status,value=503,skip=1,for=12
origin fault channel=late,kind=live,fault=drip,value=66000,skip=1
viewer start late /auto/v4

it "the picture is there before the outage"
viewer start v1 /auto/v1
viewer start v2 /auto/v2
viewer start quiet /auto/v3
viewer wait v1 ms=4000
viewer wait v2 ms=4000
bridge wait '[.streams[] | select(.state == "live" and .reserve_s >= 1)] | length == 3'
since=$(date +%s%3N)
for c in away killed; do
	origin fault "channel=$c,kind=any,fault=status,value=503,for=10"
done

it "filler takes the place of a spent reserve"
bridge wait "$(stream 1 '.upstream.fillers >= 1')"
bridge wait "$(stream 2 '.upstream.fillers >= 1')"
bridge wait "$(stream 1 '.upstream.filler == "picture"')"

it "a worker that is killed meanwhile is followed by one that goes on with it"
before=$(bridge status "$(stream 2 .upstream.filler_s)")
kill -KILL "$(bridge worker 2)"
bridge wait "$(stream 2 '.restarts == 1')"
bridge wait "$(stream 2 ".upstream.filler_s >= $before + 1")"

it "media comes back behind it, within a target duration of the source"
bridge wait-log 'event=filler.end channel=1'
bridge wait-log 'event=filler.end channel=2'
# media_ms CHANNEL MS: from the source's return at that time to media again, by the log's own times.
media_ms() {
	local at
	at=$(bridge log "event=filler.end channel=$1 " | sed -n '1s/^time=\([^ ]*\) .*/\1/p')
	echo $(($(date -d "$at" +%s%3N) - $2))
}
# A target duration, and what it takes to tell the origin and to write a log.
at_most "milliseconds from the source's return to media" "$(media_ms 1 $((since + 10000)))" 2500

it "the status says that it is over, the flight recorder that it was"
bridge wait "$(stream 1 '.upstream.filler == null')"
expect "why counts it" bridge ctl --json why 1 --since 1m >"$T/why.json"
at_least "seconds of filler that why knows of" "$(jq '[.. | .filler_s? // empty] | max' "$T/why.json")" 1

it "a source in real time whose sound comes behind its pictures: filler ends all the same, a picture later"
bridge wait-log 'event=filler.end channel=4'
late_back=$(origin log '[.[] | select(.channel == "late" and .status != 503)][1].time_ms')
# What is repeated of the time before, a second to the next key picture, half of one to its sound, and the log.
say "media was back $(media_ms 4 "$late_back") ms after the source"
at_most "milliseconds from the source's return to media" "$(media_ms 4 "$late_back")" 3500
equal "fillers" "$(bridge status "$(stream 4 .upstream.fillers)")" 1

it "viewers stayed connected on a clean stream"
for v in v1 v2 late; do
	viewer wait "$v" ms=26000
	viewer stop "$v"
	viewer check "$v" status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0
done

it "no viewer waited half a second longer than one that nothing happened to"
at_most "largest gap of v1" "$(viewer get v1 largest_gap_ms)" "$(undisturbed_gap 500 quiet)"

it "ffmpeg decodes it without a word, and cuts a segment at least every two seconds"
for v in v1 v2 late; do
	equal "what the decoder says of $v" "" "$(timeout 60 ffmpeg -nostdin -v error -xerror -i "$T/$v.ts" -f null - 2>&1)"
	mkdir "$T/$v"
	equal "what the cutter says of $v" "" "$(timeout 60 ffmpeg -nostdin -v warning -i "$T/$v.ts" -map '0:V?' -map '0:a?' -c copy \
	    -f segment -segment_format mpegts -segment_time 1 -segment_list "$T/$v/list.csv" -segment_list_type csv \
	    "$T/$v/%03d.ts" 2>&1)"
	at_least "segments of $v" "$(wc -l <"$T/$v/list.csv")" 15
	equal "segments of $v longer than two seconds" "" "$(sed '$d' "$T/$v/list.csv" | awk -F, '$3 - $2 > 2.04')"
done

finish
