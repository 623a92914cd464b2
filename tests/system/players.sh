#!/bin/bash
# Programs that others have written play what comes, and have nothing to say about it.
. "${0%/*}/lib.sh"

command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || skip_all "no ffmpeg"
need_media hi lo mpeg2
origin start --channel "name=hi,seg=2,win=10,clock=wall,loop=discontinuity,file=$(media hi)" \
    --channel "name=mpeg2,seg=2,win=10,clock=wall,loop=discontinuity,file=$(media mpeg2)"
bridge config <<INI
[channel 1]
name = hi
url = @ORIGIN@/hi/master.m3u8
[channel 2]
name = mpeg2
url = @ORIGIN@/mpeg2/master.m3u8
INI
bridge start
url=$(bridge url)

# A media server's job: one segment a second, as it comes.
plex_job() {
	mkdir "$T/$1"
	timeout 90 ffmpeg -nostdin -v warning -t 14 -i "$url/auto/v$2" -map '0:V?' -map '0:a?' -c copy -f segment \
	    -segment_format mpegts -segment_time 1 -segment_list "$T/$1/list.csv" -segment_list_type csv \
	    "$T/$1/%03d.ts" >"$T/$1/out" 2>&1 </dev/null
}

viewer start same /auto/v1 --duration 12
plex_job job1 1 &
job1=$!
plex_job job2 2 &
job2=$!

it "ffprobe finds the streams, and warns of nothing"
timeout 60 ffprobe -v warning -print_format json -show_streams "$url/auto/v1" >"$T/probe.json" 2>"$T/probe.err"
equal "exit status" $? 0
equal "warnings" "" "$(cat "$T/probe.err")"
equal "streams" '["aac","h264"]' "$(jq -c '[.streams[].codec_name] | sort' "$T/probe.json")"
equal "size of the picture" 640x360 "$(jq -r '.streams[] | select(.codec_type == "video") | "\(.width)x\(.height)"' "$T/probe.json")"

it "ffmpeg cuts it into segments of a second as Plex has it do, through discontinuities, without a warning"
wait $job1
equal "exit status" $? 0
wait $job2
equal "exit status" $? 0
for job in job1 job2; do
	equal "warnings" "" "$(cat "$T/$job/out")"
	at_least "segments" "$(wc -l <"$T/$job/list.csv")" 13
	# The first and the last may be shorter.
	equal "segments that are not a second, but for a key frame" "" \
	    "$(sed '1d;$d' "$T/$job/list.csv" | awk -F, '$3 - $2 < 0.7 || $3 - $2 > 1.9')"
done

it "our own analyser and ffprobe see the same stream"
viewer wait same closed=yes
viewer stop same
"$PROGRAMS/plexbridge-origin" --analyse "$T/same.ts" >"$T/analysis.json"
for kind in video audio; do
	timeout 60 ffprobe -v error -select_streams "${kind:0:1}:0" -show_entries packet=pts,dts -of csv=p=0 "$T/same.ts" \
	    >"$T/$kind.csv" 2>"$T/$kind.err"
	equal "what ffprobe says of $kind" "" "$(cat "$T/$kind.err")"
	ours() { jq -r "[.pids[] | select(.kind == \"$kind\")][0].$1" "$T/analysis.json"; }
	equal "packets ($kind)" "$(ours units)" "$(grep -c '[0-9]' "$T/$kind.csv")"
	equal "first PTS ($kind)" "$(ours first_pts)" "$(head -n 1 "$T/$kind.csv" | cut -d, -f1)"
	equal "last DTS ($kind)" "$(ours last_dts)" "$(grep '[0-9]' "$T/$kind.csv" | tail -n 1 | cut -d, -f2)"
done

it "VLC plays it"
if ! command -v cvlc >/dev/null; then
	skip "no VLC"
else
	# VLC doesn't run as root.
	as=()
	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
	mkdir -m 777 "$T/vlc"
	HOME=$T/vlc XDG_RUNTIME_DIR=$T/vlc timeout 60 "${as[@]}" cvlc -I dummy --no-dbus --play-and-exit --run-time 6 \
	    --sout "#std{access=file,mux=ts,dst=$T/vlc/out.ts}" "$url/auto/v1" vlc://quit >"$T/vlc.out" 2>&1 </dev/null
	equal "exit status" $? 0
	at_least "pictures that VLC passed on" \
	    "$(timeout 60 ffprobe -v error -select_streams v:0 -count_packets -show_entries stream=nb_read_packets -of csv=p=0 \
	        "$T/vlc/out.ts" 2>/dev/null | head -n 1)" 100
	[ -z "$sentence_bad" ] || say "$(tail -n 20 "$T/vlc.out")"
fi

finish
