#!/bin/sh
# slates.sh FOLDER [TEXT] - make slates for the formats that channels mostly have
#
# A slate stands in for a stream's last picture when its source is away for
# longer than slate_after (plexbridge.ini(5)). It must have the stream's codec,
# profile and size, so there is one for each: put those that are not needed
# away, at most sixteen are looked at. For a channel that is none of these,
# see what ffprobe says of its codec, profile and size, and make one like it.
#
# Needs ffmpeg with libx264. FONT names the font of TEXT.
set -eu

folder=${1:?slates.sh FOLDER [TEXT]}
text=${2:-Please stand by}
font=${FONT:-/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf}

place='fontcolor=white:fontsize=h/14:x=(w-tw)/2:y=(h-th)/2'

# slate NAME SIZE RATE ENCODER OPTION...: eight seconds of it, a key frame a second.
slate() {
	name=$1 size=$2 rate=$3 encoder=$4
	shift 4
	look="color=c=0x10243c:s=$size:r=$rate:d=8"
	[ ! -r "$font" ] || look="$look,drawtext=fontfile=$font:textfile=$words:expansion=none:$place"
	ffmpeg -nostdin -v error -y -f lavfi -i "$look" -pix_fmt yuv420p -c:v "$encoder" "$@" -g 25 -an -f mpegts \
	    "$folder/$name.ts"
}

mkdir -p "$folder"
# From a file: in a filter's own text a colon or an apostrophe would mean something.
words=$(mktemp)
trap 'rm -f "$words"' EXIT
printf '%s' "$text" >"$words"
for size in 1920x1080 1280x720 1024x576 720x576; do
	slate "h264-high-$size" "$size" 25 libx264 -profile:v high -preset slow -bf 0 -sc_threshold 0 -crf 26
	slate "h264-main-$size" "$size" 25 libx264 -profile:v main -preset slow -bf 0 -sc_threshold 0 -crf 26
done
slate mpeg2-main-720x576 720x576 25 mpeg2video -b:v 800k -bf 0
slate mpeg2-main-1920x1080 1920x1080 25 mpeg2video -b:v 2M -bf 0
