#!/bin/sh
# testcard.sh - make share/testcard.ts, the picture and tone of the Test Card
#
# Run by hand when the card is to look different; the result is committed, so
# that a build needs no ffmpeg. The loop is 24 s: 600 pictures at 25/s and
# 1125 AAC frames of 1024 samples at 48 kHz, both exactly, so that it can be
# repeated for ever with nothing but a shift of its time stamps. Three loops
# are encoded and the middle one is kept: its first audio frame overlaps with
# the end of an equal loop, as it does when it is repeated.
#
#	picture  640x360, H.264 main, a key frame a second, closed GOPs, no B-frames
#	sound    AAC-LC stereo, a soft 220 Hz tone, a beep as the counter changes
set -eu

out=${1:-$(dirname "$0")/testcard.ts}
font=${FONT:-/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf}
loop=24
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# All that moves is a function of t modulo the loop: the counter, the hand
# that sweeps the lower edge once a second, and the block that crosses the
# bars once a loop.
t="mod(t\\,$loop)"
label="fontfile=$font:fontcolor=white:box=1:boxcolor=black@0.75:boxborderw=10"

ffmpeg -hide_banner -loglevel error -y \
	-f lavfi -i "smptehdbars=size=640x360:rate=25" \
	-f lavfi -i "color=c=white:size=24x24:rate=25" \
	-f lavfi -i "color=c=yellow:size=64x64:rate=25" \
	-f lavfi -i "aevalsrc=exprs='0.05*sin(2*PI*220*t)+0.25*lt(mod(t\\,1)\\,0.08)*sin(PI*mod(t\\,1)/0.08)*sin(2*PI*if(lt($t\\,1)\\,1760\\,880)*t)|0.05*sin(2*PI*220*t)+0.25*lt(mod(t\\,1)\\,0.08)*sin(PI*mod(t\\,1)/0.08)*sin(2*PI*if(lt($t\\,1)\\,1760\\,880)*t)':sample_rate=48000:channel_layout=stereo" \
	-filter_complex "
		[0:v][1:v]overlay=x='616*mod(t\\,1)':y=330:shortest=0[a];
		[a][2:v]overlay=x='576*$t/$loop':y='130+90*sin(2*PI*$t/4)'[b];
		[b]drawtext=$label:fontsize=34:x=(w-tw)/2:y=30:text='PlexBridge Test Card',
		drawtext=$label:fontsize=92:x=(w-tw)/2:y=(h-th)/2:text='%{eif\\:$t\\:d\\:2}'[v]" \
	-map "[v]" -map 3:a -t $((loop * 3)) \
	-c:v libx264 -profile:v main -preset veryslow -tune animation -pix_fmt yuv420p -bf 0 -refs 2 \
	-g 25 -keyint_min 25 -sc_threshold 0 -x264-params "open-gop=0:scenecut=0:nal-hrd=none:force-cfr=1" \
	-crf 25 -maxrate 600k -bufsize 600k \
	-c:a aac -b:a 96k -flags +bitexact -fflags +bitexact \
	"$tmp/three.mp4"

# 1024 samples of encoder delay are in front of the first loop; the packet
# that begins at t = 24 s is a whole one, since 24 s are 1125 packets.
ffmpeg -hide_banner -loglevel error -y -ss $loop -i "$tmp/three.mp4" -map 0:v -map 0:a -c copy \
	-frames:a $((loop * 48000 / 1024)) -t $loop \
	-f mpegts -pes_payload_size 0 -pcr_period 20 -pat_period 0.1 \
	-sdt_period 10 -mpegts_transport_stream_id 1 -mpegts_service_id 1 \
	-metadata service_name="Test Card" -metadata service_provider=PlexBridge \
	-flags +bitexact -fflags +bitexact "$out"
