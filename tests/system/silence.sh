#!/bin/bash
# The silence that filler brings, in every format: a decoder that knows nothing of us makes zeros of it,
# without a word, and finds rate, channels and length as they were.
. "${0%/*}/lib.sh"

command -v ffmpeg >/dev/null || skip_all "no ffmpeg"
frames=40

encoders=$(ffmpeg -nostdin -v error -encoders 2>/dev/null)

# silent CODEC ENCODER MUXER CHANNELS RATE [OPTION...]: a tone in that format, and silence like it.
silent() {
	local codec=$1 encoder=$2 muxer=$3 channels=$4 rate=$5 told samples got
	shift 5
	it "$codec of $channels channels at $rate Hz${*:+ ($*)} falls silent, and nothing else"
	[[ $encoders == *" $encoder "* ]] || { skip "no encoder $encoder"; return; }
	ffmpeg -nostdin -v error -y -f lavfi -i "sine=f=440:r=$rate:d=0.5" -ac "$channels" -c:a "$encoder" "$@" \
	    -f "$muxer" "$T/tone" || { skip "this ffmpeg doesn't make it"; return; }
	"$top_builddir/tests/system/quiet" "$codec" "$T/tone" $frames >"$T/quiet" 2>"$T/told" || fail "none is made"
	read -r _ samples told <"$T/told"
	equal "the rate" "$told" "$rate"
	got=$(ffmpeg -v warning -xerror -f "$decode_as" -err_detect +crccheck -i - -f s16le -y "$T/pcm" <"$T/quiet" 2>&1)
	equal "what the decoder says" "$got" ""
	equal "samples that are not zero" "$(tr -d '\0' <"$T/pcm" | wc -c)" 0
	at_least "samples of a channel" "$(($(stat -c %s "$T/pcm") / 2 / channels))" $((samples * (frames - 2)))
	at_most "samples of a channel" "$(($(stat -c %s "$T/pcm") / 2 / channels))" $((samples * frames))
}

decode_as=ac3
silent ac3 ac3 ac3 1 48000 -b:a 64k
silent ac3 ac3 ac3 2 48000 -b:a 192k
silent ac3 ac3 ac3 6 48000 -b:a 448k
silent ac3 ac3 ac3 2 44100 -b:a 128k
silent ac3 ac3 ac3 4 32000 -b:a 256k
decode_as=eac3
silent eac3 eac3 eac3 1 48000 -b:a 64k
silent eac3 eac3 eac3 2 48000 -b:a 128k
silent eac3 eac3 eac3 6 48000 -b:a 384k
silent eac3 eac3 eac3 2 44100 -b:a 96k
decode_as=aac
silent aac aac adts 1 44100 -b:a 48k
silent aac aac adts 2 48000 -b:a 96k
silent aac aac adts 6 48000 -b:a 256k
decode_as=loas
silent aac_latm aac latm 2 48000 -b:a 96k
silent aac_latm aac latm 6 48000 -b:a 256k
decode_as=mp3
silent mpegaudio mp2 mp2 2 48000 -b:a 192k
silent mpegaudio mp2 mp2 1 44100 -b:a 64k
silent mpegaudio mp2 mp2 2 24000 -b:a 64k
silent mpegaudio libmp3lame mp3 2 48000 -b:a 128k -write_xing 0 -id3v2_version 0

finish
