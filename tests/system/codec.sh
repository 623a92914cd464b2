#!/bin/bash
# A source of other codecs can't be joined to a running stream: filler holds the viewers while others are
# tried, then they are let go, and who tunes again gets what there is. A source whose sound or picture dries up
# alone keeps its channel: what is missing is filled, and comes back.
. "${0%/*}/lib.sh"

need_media hi mpeg2
hi=$(media hi)
arguments=()
for c in lost back deaf blind quiet; do
	arguments+=(--channel "name=$c,seg=1,win=10,clock=wall,file=$hi")
done
for c in lost-b back-b; do
	arguments+=(--channel "name=$c,seg=1,win=10,clock=wall,file=$(media mpeg2)")
done
origin start "${arguments[@]}"
bridge config <<-INI
	[stream]
	reserve = 4s
	linger = 0
	[channel 1]
	name = lost
	url = @ORIGIN@/lost/master.m3u8
	backup1 = @ORIGIN@/lost-b/master.m3u8
	[channel 2]
	name = back
	url = @ORIGIN@/back/master.m3u8
	backup1 = @ORIGIN@/back-b/master.m3u8
	[channel 3]
	name = deaf
	url = @ORIGIN@/deaf/master.m3u8
	[channel 4]
	name = blind
	url = @ORIGIN@/blind/master.m3u8
	[channel 5]
	name = quiet
	url = @ORIGIN@/quiet/master.m3u8
INI
bridge start -o tuner.tuner_count=5

# Of channel N's stream.
stream() {
	printf '.streams[] | select(.channel == "%s") | %s' "$1" "$2"
}

for n in 1 2 3 4; do
	viewer start "v$n" "/auto/v$n"
done
viewer start quiet /auto/v5
for n in 1 2 3 4; do
	viewer wait "v$n" ms=5000
done

it "sound or pictures that dry up alone are filled, and the other goes on"
origin fault "channel=deaf,kind=segment,fault=no-audio,for=6"
origin fault "channel=blind,kind=segment,fault=no-video,for=6"
origin fault "channel=lost,kind=any,fault=status,value=503,for=60"
origin fault "channel=back,kind=any,fault=status,value=503,for=8"
bridge wait "$(stream 3 '.upstream.dry == ["audio"]')"
bridge wait "$(stream 4 '.upstream.dry == ["video"]')"

it "they come back"
bridge wait-log 'event=stream.again channel=3 of=audio'
bridge wait-log 'event=stream.again channel=4 of=video'
bridge wait "$(stream 3 '.upstream.dry == []')"
bridge wait "$(stream 4 '.upstream.dry == []')"

it "other codecs are refused to who watches: filler, and the stream's own codecs again if they come in time"
bridge wait-log 'event=filler.begin channel=2'
bridge wait-log 'event=filler.end channel=2'
expect "channel 2 goes on" bridge wait "$(stream 2 '.state == "live"')"

it "after ten seconds of filler who watches is let go"
bridge wait-log 'event=stream.end channel=1 .*why="?codec-change'
bridge wait-log 'event=client.close channel=1 .*why="?codec-change'
viewer wait v1 closed=yes
filler_ms=$(bridge log 'event=stream.unlike channel=1' | sed -n 's/.* filler_ms=\([0-9]*\).*/\1/p' | head -1)
at_least "milliseconds of filler" "$filler_ms" 10000
at_most "milliseconds of filler" "$filler_ms" 13000

it "and gets what there is with the next tune"
viewer start again /auto/v1
viewer wait again bytes=200000
viewer stop again
viewer check again status=200 clean=true
equal "the picture" "$(ffprobe -v error -select_streams v -show_entries stream=codec_name -of default=nk=1:nw=1 "$T/again.ts" | head -1)" mpeg2video

it "nobody saw a break in time, and a decoder has nothing to say"
for n in 2 3 4; do
	viewer wait "v$n" ms=20000
	viewer stop "v$n"
done
for n in 1 2 3 4; do
	viewer check "v$n" status=200 clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0
	equal "what the decoder says of v$n" "" \
	    "$(timeout 60 ffmpeg -nostdin -v error -xerror -i "$T/v$n.ts" -f null - 2>&1)"
done

it "what is waited for before it is filled comes out of the reserve, not out of the viewers' time"
for n in 3 4; do
	viewer smooth "v$n" quiet
done

it "what was filled has no hole: neither sound nor pictures"
# hole STREAM FILE: the longest time between two packets' times.
hole() {
	ffprobe -v error -select_streams "$1" -show_entries packet=dts_time -of csv=p=0 "$2" |
	    awk -F, '$1 ~ /^[0-9]/ { if (seen && $1 - last > most) most = $1 - last; last = $1; seen = 1 } END { print most + 0 }'
}
at_most "seconds between frames of sound" "$(hole a "$T/v3.ts")" 0.1
at_most "seconds between pictures" "$(hole v "$T/v4.ts")" 1.1

finish
