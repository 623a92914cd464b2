#!/bin/bash
# What can't be carried yet is refused with its reason, at once, and never sent as a broken stream.
. "${0%/*}/lib.sh"

need_media hi
origin start --channel "name=a,seg=2,win=6,clock=wall,file=$(media hi)"
files start

# list NAME LINE...: a media playlist of two segments that has these lines in front of them.
list() {
	local name=$1
	shift
	{
		printf '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n'
		printf '%s\n' "$@"
	} >"$(files dir)/$name.m3u8"
}

# master NAME LINE...
master() {
	local name=$1
	shift
	printf '%s\n' '#EXTM3U' '#EXT-X-VERSION:7' "$@" >"$(files dir)/$name.m3u8"
}

list fmp4 '#EXT-X-MAP:URI="init.mp4"' '#EXTINF:2,' one.m4s '#EXTINF:2,' two.m4s
list sample-aes '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key",KEYFORMAT="com.apple.streamingkeydelivery"' \
    '#EXTINF:2,' one.ts '#EXTINF:2,' two.ts
list packed-audio '#EXTINF:2,' one.aac '#EXTINF:2,' two.aac
list mp4-inside '#EXTINF:2,' one.bin '#EXTINF:2,' two.bin
master separate-audio \
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",DEFAULT=YES,AUTOSELECT=YES,URI="fmp4.m3u8"' \
    '#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="a"' \
    "$(origin url)/a/media.m3u8"
master fmp4-variants '#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2"' fmp4.m3u8 \
    '#EXT-X-STREAM-INF:BANDWIDTH=1000000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2"' fmp4.m3u8
master half '#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2"' fmp4.m3u8 \
    '#EXT-X-STREAM-INF:BANDWIDTH=1000000,RESOLUTION=640x360,CODECS="avc1.4d401e,mp4a.40.2"' "$(origin url)/a/media.m3u8"
# ADTS frames of 32 bytes; the boxes with which an MP4 begins.
for ((i = 0; i < 1000; i++)); do
	printf '\377\361\120\200\004\037\374%025d' "$i"
done >"$(files dir)/one.aac"
cp "$(files dir)/one.aac" "$(files dir)/two.aac"
printf '\000\000\000\030ftypiso5\000\000\000\001iso5dash\000\000\000\010moof%02000d' 0 >"$(files dir)/one.bin"
cp "$(files dir)/one.bin" "$(files dir)/two.bin"

# NAME, and what the reason in the log has to name.
refused=(
	"fmp4            fMP4|EXT-X-MAP"
	"sample-aes      SAMPLE-AES|DRM"
	"packed-audio    [Aa]udio|AAC|ADTS|not TS"
	"mp4-inside      MP4|mp4|not TS"
	"separate-audio  audio"
	"fmp4-variants   fMP4|EXT-X-MAP"
)
{
	number=0
	printf '[tuner]\ntuner_count = 16\n'
	for line in "${refused[@]}"; do
		number=$((number + 1))
		printf '[channel %s]\nname = %s\nurl = @FILES@/%s.m3u8\n' "$number" "${line%% *}" "${line%% *}"
	done
	printf '[channel 90]\nname = half\nurl = @FILES@/half.m3u8\n'
} | bridge config
bridge start

number=0
for line in "${refused[@]}"; do
	number=$((number + 1))
	viewer start "${line%% *}" "/auto/v$number"
done
viewer start half /auto/v90

number=0
for line in "${refused[@]}"; do
	read -r name pattern <<<"$line"
	number=$((number + 1))
	it "$name is refused with 503, 806 and its reason"
	viewer wait "$name" closed=yes
	viewer check "$name" status=503 bytes=0
	case $pattern in
	*'not TS'*) viewer check "$name" 'error_code>=806' 'error_code<=807' ;; # segments may be better later
	*) viewer check "$name" error_code=806 ;;
	esac
	at_least "lines with channel and reason" \
	    "$(bridge log "event=(stream.failed|client.refused) channel=$number .*why=\"[^\"]*($pattern)" | wc -l)" 1
done

it "a variant that can be carried is played when the better one can't be"
viewer wait half ms=3000
viewer check half status=200 closed=no clean=true
viewer whole half "$(media hi)"

finish
