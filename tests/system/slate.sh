#!/bin/bash
# A ready-made slate takes the place of the still picture after slate_after, where one is like the stream;
# files that are not, or are no slates at all, are passed over. A worker that dies meanwhile is followed by one
# that shows it on.
. "${0%/*}/lib.sh"

need_media hi lo bframes
hi=$(media hi)
origin start --channel "name=away,seg=1,win=6,clock=wall,file=$hi" --channel "name=other,seg=1,win=6,clock=wall,file=$(media bframes)"

# What an operator may have put there; by name they come before the one that fits.
mkdir -p "$T/slates"
cp "$(media lo)" "$T/slates/a-other-size.ts"
head -c 300000 /dev/urandom >"$T/slates/b-noise.ts"
truncate -s 9M "$T/slates/c-too-large.ts"
: >"$T/slates/d-empty.ts"
mkfifo "$T/slates/e-pipe.ts"
ln -s /etc/passwd "$T/slates/f-link.ts"
head -c 20000 "$hi" | tail -c 15000 >"$T/slates/g-no-beginning.ts"
# The fitting one: the same encoder, another picture, a picture every 40 ms.
ffmpeg -nostdin -v error -y -f lavfi -i "color=c=navy:s=640x360:r=25:d=2" -threads 1 -c:v libx264 -preset ultrafast \
    -pix_fmt yuv420p -b:v 300k -maxrate 300k -bufsize 300k -sc_threshold 0 -g 25 -f mpegts "$T/slates/h-fits.ts" ||
    skip_all "no slate can be made"
chmod -R a+rX "$T/slates"

bridge config <<-INI
	[stream]
	reserve = 3s
	slate_after = 2s
	slate_dir = $T/slates
	[channel 1]
	name = Away
	url = @ORIGIN@/away/master.m3u8
	[channel 2]
	name = Other
	url = @ORIGIN@/other/master.m3u8
INI
bridge start

# Of channel N's stream.
stream() {
	printf '.streams[] | select(.channel == "%s") | %s' "$1" "$2"
}

viewer start v1 /auto/v1
viewer start v2 /auto/v2
viewer wait v1 ms=4000
viewer wait v2 ms=4000
origin fault "channel=away,kind=any,fault=status,value=503,for=16"
origin fault "channel=other,kind=any,fault=status,value=503,for=10"

it "first the last picture, then the slate that is like the stream"
bridge wait "$(stream 1 '.upstream.filler == "picture"')"
bridge wait "$(stream 1 '.upstream.filler == "slate"')"

it "a stream of another profile keeps its picture, and it's said once"
bridge wait-log 'event=filler.no-slate channel=2'
bridge wait "$(stream 2 '.upstream.filler == "picture"')"

it "a worker that is killed meanwhile is followed by one that shows it on"
kill -KILL "$(bridge worker 1)"
bridge wait "$(stream 1 '.restarts == 1 and .upstream.filler == "slate"')"

it "media comes back at a key frame, on a clean stream, and nobody was cut off"
bridge wait-log 'event=filler.end channel=1'
bridge wait-log 'event=filler.end channel=2'
bridge wait "$(stream 1 '.upstream.filler == null')"
equal "times that a missing slate was told" "$(bridge log 'event=filler.no-slate channel=2' | wc -l)" 1
for v in v1 v2; do
	viewer wait "$v" ms=24000
	viewer stop "$v"
	viewer check "$v" status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0
	equal "what the decoder says of $v" "$(timeout 60 ffmpeg -nostdin -v error -xerror -i "$T/$v.ts" -f null - 2>&1)" ""
done

it "the slate was to be seen: for seconds the picture is dark blue"
dark=$(ffmpeg -nostdin -v info -i "$T/v1.ts" -an -vf "fps=5,blackdetect=d=0.5:pix_th=0.25" -f null - 2>&1 |
    sed -n 's/.*black_duration:\([0-9.]*\).*/\1/p' | awk '{ s += $1 } END { print s + 0 }')
at_least "seconds of it" "$dark" 4

finish
