#!/bin/bash
# The worker alone, from the shell: a whole line, the conformer, the playlist reader; and what each program says of itself.
. "${0%/*}/lib.sh"

need_media hi lo bframes mpeg2 recovery
hi=$(media hi)
worker=$PROGRAMS/plexbridge-worker
origin start --channel "name=live,seg=2,win=10,clock=wall,file=$hi,file2=$(media lo)" \
    --channel "name=vod,seg=2,file=$hi,vod=yes" --channel "name=aes,seg=2,file=$hi,vod=yes,aes=yes,iv=implicit"
files start

# judge NAME: what the analyser says of $T/NAME.ts, as a report.
judge() {
	"$PROGRAMS/plexbridge-origin" --analyse "$T/$1.ts" | jq '{ status: 200, analysis: . }' >"$T/$1.json"
}

it "--url --output - writes a clean stream for as long as --duration says"
timeout 60 "$worker" --url "$(origin url)/live/master.m3u8" --header 'X-Test: yes' --user-agent Hand/1.0 \
    --duration 6 --output - >"$T/live.ts" 2>"$T/live.err"
equal "exit status" $? 0
judge live
viewer check live clean=true 'media_ms>=5800' 'media_ms<=6200'
viewer whole live "$hi"
at_least "requests" "$(origin log 'length')" 3
equal "requests without header or agent" \
    "$(origin log '[.[] | select(.agent != "Hand/1.0" or (.head | test("\r\nX-Test: yes\r\n") | not))] | length')" 0

it "--variant caps the choice by height and by rate"
for cap in 400p 2M; do
	timeout 60 "$worker" --url "$(origin url)/live/master.m3u8" --variant "$cap" --duration 3 --output - \
	    >"$T/low.ts" 2>"$T/low.err"
	equal "exit status" $? 0
	judge low
	viewer check low clean=true
	viewer whole low "$(media lo)"
done

it "a source that has an end is played to it, every picture, and exit is 0"
timeout 60 "$worker" --url "$(origin url)/vod/media.m3u8" --output "$T/vod.ts" 2>"$T/vod.err" &
vod=$!
timeout 60 "$worker" --url "$(origin url)/aes/media.m3u8" --output "$T/aes.ts" 2>"$T/aes.err"
equal "exit status with AES-128" $? 0
wait $vod
equal "exit status" $? 0
for name in vod aes; do
	judge $name
	viewer check $name clean=true video_units=320 first_video_key=true
	viewer whole $name "$hi"
done

it "a segment whose key has no address costs that segment alone"
{
	printf '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n'
	for k in 0 1 2 3 4 5 6; do
		[ $k != 3 ] || printf '#EXT-X-KEY:METHOD=AES-128,URI="%09000d"\n' 0
		[ $k != 4 ] || printf '#EXT-X-KEY:METHOD=NONE\n'
		printf '#EXTINF:%s,\n%s/vod/seg/%s.ts\n' "$([ $k = 6 ] && echo 0.8 || echo 2.0)" "$(origin url)" $k
	done
	printf '#EXT-X-ENDLIST\n'
} >"$(files dir)/key.m3u8"
timeout 60 "$worker" --url "$(files url)/key.m3u8" --output "$T/key.ts" 2>"$T/key.err"
equal "exit status" $? 0
judge key
viewer check key clean=true video_units=270

it "a segment that is refused for a while near the end is waited for, and so is the end"
origin fault "channel=vod,kind=segment,segment=4,fault=status,value=404,for=4"
timeout 60 "$worker" --url "$(origin url)/vod/media.m3u8" --output "$T/gone.ts" 2>"$T/gone.err"
equal "exit status" $? 0
judge gone
viewer check gone clean=true video_units=320
viewer whole gone "$hi"

it "a playlist with a byte order mark, CRLF, blanks and unknown tags is read"
{
	printf '\357\273\277#EXTM3U\r\n#EXT-X-VERSION:3\r\n#EXT-X-TARGETDURATION:2\r\n#EXT-X-MEDIA-SEQUENCE:0\r\n\r\n'
	printf '#EXT-X-SOMETHING-NEW:A=1,B="x,y"\r\n# a comment\r\n'
	for k in 0 1 2 3 4 5 6; do
		printf '#EXTINF:%s,title, with = and "\r\n%s/vod/seg/%s.ts \r\n' "$([ $k = 6 ] && echo 0.8 || echo 2.0)" \
		    "$(origin url)" $k
	done
	printf '#EXT-X-ENDLIST'
} >"$(files dir)/crlf.m3u8"
timeout 60 "$worker" --url "$(files url)/crlf.m3u8" --output "$T/crlf.ts" 2>"$T/crlf.err"
equal "exit status" $? 0
judge crlf
viewer check crlf clean=true video_units=320
viewer whole crlf "$hi"

it "a source without IDR is played from the first recovery point after five seconds, however short its segments are"
for length in 1 2; do
	mkdir "$(files dir)/r$length"
	ffmpeg -nostdin -v error -i "$(media recovery)" -c copy -f segment -segment_time $length -segment_format mpegts \
	    -segment_list "$T/r$length.m3u8" "$(files dir)/r$length/%d.ts"
	# Its first picture is an IDR: without that segment there is none.
	sed '/^#EXT-X-MEDIA-SEQUENCE/s/:.*/:1/; /^#EXTINF/{N;/\n0\.ts$/d}' "$T/r$length.m3u8" >"$(files dir)/r$length/list.m3u8"
	timeout 60 "$worker" --url "$(files url)/r$length/list.m3u8" --output "$T/r$length.ts" 2>"$T/r$length.err"
	equal "exit status with segments of $length s" $? 0
	judge r$length
	# Six seconds are missing (the four pictures that lean on what was before stand behind their key, in the
	# next segment). The analyser doesn't know recovery points.
	viewer check r$length video_units=$((320 - 25 * length - 150)) \
	    continuity_errors=0 dts_backward=0 pcr_backward=0 pcr_jumps=0 psi_first=true
	equal "what the decoder says of it" "" \
	    "$(timeout 60 ffmpeg -nostdin -v error -xerror -i "$T/r$length.ts" -f null - 2>&1)"
	expect "no segment is called useless" eval '! grep segment.useless "$T/r$length.err"'
	sed '/^#EXT-X-ENDLIST/d' "$(files dir)/r$length/list.m3u8" >"$(files dir)/r$length/live.m3u8"
	timeout 60 "$worker" --url "$(files url)/r$length/live.m3u8" --duration 1s --output "$T/r$length.ts" 2>"$T/r$length.err"
	equal "exit status where the list has no end" $? 0
	expect "media" test -s "$T/r$length.ts"
done

it "what can't be had or carried is an exit status and a reason"
timeout 60 "$worker" --url "$(origin url)/none/media.m3u8" --output - >"$T/none.ts" 2>"$T/none.err"
equal "exit status" $? 100
expect "a reason" grep -q 404 "$T/none.err"
expect "nothing is written" test ! -s "$T/none.ts"
timeout 60 "$worker" --url ftp://127.0.0.1/x --output - >"$T/none.ts" 2>"$T/none.err"
equal "exit status for another scheme" $? 100
expect "a reason" test -s "$T/none.err"

it "what is wrong on the command line is exit 100, and said"
# wrong TEXT ARGUMENT...
wrong() {
	local text=$1
	shift
	timeout 20 "$worker" "$@" >"$T/none.ts" 2>"$T/none.err"
	equal "exit status of $*" $? 100
	expect "$text" grep -q -e "$text" "$T/none.err"
}
url=$(origin url)/live/master.m3u8
wrong usage
wrong usage --nothing
wrong usage --url "$url" --output - --log nowhere
wrong '--header: .*Name: value' --url "$url" --output - --header 'password hunter2'
expect "what it was is not repeated" eval '! grep -q hunter2 "$T/none.err"'
wrong '--duration: .*5s' --url "$url" --output - --duration 5x
wrong '--variant\|variant' --url "$url" --output - --variant large
wrong 'No such file' --url "$url" --output "$T/no/such/folder"
timeout 60 "$worker" --url "$url" --duration 1500ms --output - >"$T/short.ts" 2>"$T/short.err"
equal "exit status with a unit" $? 0
judge short
viewer check short clean=true 'media_ms>=1400' 'media_ms<=1600'

it "it ends on SIGTERM"
"$worker" --url "$(origin url)/live/master.m3u8" --output "$T/term.ts" 2>"$T/term.err" &
pid=$!
others+=("$pid")
expect "media" until_true 30 test -s "$T/term.ts"
kill -TERM $pid
wait $pid
equal "exit status" $? 0

it "--conform makes one stream of files that have nothing in common but their codecs"
timeout 60 "$worker" --conform "$hi" -d "$(media lo)" -d "$hi" --output - >"$T/joined.ts" 2>"$T/joined.err"
equal "exit status" $? 0
judge joined
viewer check joined clean=true continuity_errors=0 dts_backward=0 pcr_jumps=0 pmt_changes=0 video_units=960 psi_first=true

# Not everywhere is an encoder for it.
if media cra >"$T/cra.path"; then
	it "--conform joins HEVC in the middle of its open GOPs, and a decoder refuses none of its pictures"
	tail -c 188000 "$(cat "$T/cra.path")" >"$T/cra.bin"
	timeout 60 "$worker" --conform "$T/cra.bin" -d "$T/cra.bin" -d "$T/cra.bin" --output - >"$T/cra.ts" 2>"$T/cra.err"
	equal "exit status" $? 0
	judge cra
	viewer check cra clean=true continuity_errors=0 dts_backward=0 pcr_jumps=0 'video_units>=200'
	equal "what the decoder says of it" "" \
	    "$(timeout 60 ffmpeg -nostdin -v error -xerror -i "$T/cra.ts" -f null - 2>&1)"
	equal "pictures that were decoded" "$(jq .analysis.video_units "$T/cra.json")" \
	    "$(ffprobe -v error -select_streams v -count_frames -show_entries stream=nb_read_frames -of default=nk=1:nw=1 \
	        "$T/cra.ts" | head -1)"
fi

it "--conform cleans what is damaged, each codec"
for m in bframes mpeg2; do
	# A piece from the middle, off the packets' borders, with a hole.
	{
		head -c 300001 "$(media $m)" | tail -c 250000
		tail -c 200003 "$(media $m)"
	} >"$T/damaged.bin"
	timeout 60 "$worker" --conform "$T/damaged.bin" --output - >"$T/damaged.ts" 2>"$T/damaged.err"
	equal "exit status" $? 0
	judge damaged
	viewer check damaged continuity_errors=0 sync_losses=0 dts_backward=0 pcr_backward=0 psi_first=true first_video_key=true \
	    'video_units>=50' unlisted_packets=0 malformed=0
done

it "--conform of what is no transport stream is exit 1 with a reason"
head -c 100000 /dev/urandom >"$T/noise.bin"
timeout 60 "$worker" --conform "$T/noise.bin" --output - >"$T/noise.ts" 2>"$T/noise.err"
equal "exit status" $? 1
expect "a reason" test -s "$T/noise.err"
expect "nothing is written" test ! -s "$T/noise.ts"

it "--inspect tells what it understood of a URL and of a file"
timeout 60 "$worker" --inspect "$(origin url)/live/master.m3u8" >"$T/inspect.json" 2>"$T/inspect.err"
equal "exit status" $? 0
equal "master" "$(jq -c '[.kind, (.variant_urls | length), .resolutions[0]]' "$T/inspect.json")" '["master",2,"1280x720"]'
curl -s "$(origin url)/aes/media.m3u8" >"$T/aes.m3u8"
timeout 60 "$worker" --inspect "$T/aes.m3u8" --base http://cdn.example/x/y.m3u8 >"$T/inspect.json" 2>"$T/inspect.err"
equal "exit status" $? 0
equal "media" '["media",true,7,"http://cdn.example/x/seg/0.ts","AES-128","http://cdn.example/x/key",null]' \
    "$(jq -c '[.kind, .endlist, (.uris | length), .resolved[0]] + .keys[0]' "$T/inspect.json")"
printf '<html></html>' >"$T/page.html"
timeout 60 "$worker" --inspect "$T/page.html" >"$T/inspect.json" 2>"$T/inspect.err"
equal "exit status of what is none" $? 1
equal "kind" "$(jq -r .kind "$T/inspect.json")" invalid
expect "a reason" jq -e '.reason | length > 5' "$T/inspect.json" >"$T/inspect.out"

it "each program says what it is: --version and --help exit 0, a wrong option 100"
for p in plexbridged plexbridge-keeper plexbridge-worker plexbridge-guide plexbridge-origin plexbridgectl; do
	expect "$p --version" eval "'$PROGRAMS/$p' --version | grep -q '^$p [0-9]'"
	expect "$p --help" eval "'$PROGRAMS/$p' --help | grep -q -i usage"
done
"$PROGRAMS/plexbridged" --nonsense >"$T/out" 2>&1
equal "plexbridged with a wrong option" $? 100
"$PROGRAMS/plexbridge-keeper" --nonsense >"$T/out" 2>&1
equal "plexbridge-keeper with a wrong option" $? 100

finish
