#!/bin/bash
#
# media.sh FOLDER NAME - make the media NAME in FOLDER, if it is not there, and print its path
#
# 12.8 s each: 320 pictures at 25 a second and 600 AAC frames at 48 kHz, so
# that a loop has no seam. Tests that run beside each other wait for who
# makes it. Exit status 1: not on this machine (no ffmpeg, no such encoder).

set -euo pipefail
folder=$1
name=$2
readonly SECONDS_LONG=12.8

make() {
	ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=s=$size:r=25:d=$SECONDS_LONG" \
	    -f lavfi -i "sine=f=440:r=48000:d=$SECONDS_LONG" -frames:a 600 -threads 1 -flags +bitexact -fflags +bitexact "$@" -f mpegts "$new"
}

h264=(-c:v libx264 -preset ultrafast -pix_fmt yuv420p -b:v 300k -maxrate 300k -bufsize 300k -sc_threshold 0)
h265=(-c:v libx265 -preset ultrafast -pix_fmt yuv420p -b:v 200k
	-x265-params 'log-level=none:keyint=25:min-keyint=25:scenecut=0:pools=none')
aac=(-c:a aac -b:a 48k -ac 2)

mkdir -p "$folder"
path=$folder/$name.ts
new=$folder/$name.new
exec 9>"$folder/lock"
flock 9
if [ ! -s "$path" ]; then
	command -v ffmpeg >/dev/null
	size=640x360
	case $name in
	hi) make "${h264[@]}" -g 25 "${aac[@]}" -pes_payload_size 0 ;;
	# Sound comes behind its pictures, as ffmpeg's muxer has it by itself: half a second of it in each PES.
	late) make "${h264[@]}" -g 25 "${aac[@]}" ;;
	# Another picture size, other PIDs, another time base: the same channel at another rate.
	lo)
		size=320x180
		make "${h264[@]}" -b:v 120k -maxrate 120k -g 25 "${aac[@]}" -pes_payload_size 0 \
		    -mpegts_start_pid 0x200 -mpegts_pmt_start_pid 0x1f0 -output_ts_offset 5000
		;;
	# Pictures are not in the order in which they are shown; two seconds between key frames.
	bframes) make "${h264[@]}" -preset veryfast -bf 3 -b_strategy 0 -g 50 -flags +cgop+bitexact "${aac[@]}" ;;
	# Open GOPs, as broadcasters have: behind the first there is no IDR any more, only recovery points. Four pictures lean on both sides of each.
	recovery) make "${h264[@]}" -preset veryfast -bf 4 -b_strategy 0 -g 25 -x264-params open-gop=1 "${aac[@]}" -pes_payload_size 0 ;;
	mpeg2) make -c:v mpeg2video -b:v 500k -g 12 -bf 2 -sc_threshold 1000000000 -flags +cgop+bitexact -c:a ac3 -b:a 96k -ac 2 ;;
	hevc) make "${h265[@]}:open-gop=0:bframes=0" "${aac[@]}" ;;
	# As x265 has it by itself: key frames are CRA, three pictures lean on both sides of each.
	cra) make "${h265[@]}:open-gop=1:bframes=3" "${aac[@]}" ;;
	# 8 Mbit/s whatever is in the picture: enough to leave a window behind within seconds.
	big) make "${h264[@]}" -g 25 -b:v 8M -maxrate 8M -bufsize 8M -x264-params nal-hrd=cbr:filler=1 "${aac[@]}" ;;
	audio) make -map 1:a "${aac[@]}" ;;
	*)
		echo "media.sh: $name: no such media" >&2
		exit 1
		;;
	esac
	mv "$new" "$path"
fi
printf '%s\n' "$path"
