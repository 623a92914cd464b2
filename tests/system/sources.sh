#!/bin/bash
# What providers serve and ask for: each comes out as the same clean stream.
. "${0%/*}/lib.sh"

need_media hi lo bframes mpeg2
hi=$(media hi)
common="seg=2,win=10,clock=wall"
channels=(
	"headers    file=$hi"
	"variants   file=$hi,file2=$(media lo)"
	"gzip       file=$hi,gzip=yes"
	"bare-gzip  file=$hi,gzip=bare"
	"cookie     file=$hi,cookie=yes"
	"token      file=$hi,redirect=yes,token=4"
	"ranges     file=$hi,byterange=yes"
	"explicit   file=$hi,aes=yes,iv=explicit"
	"implicit   file=$hi,aes=yes,iv=implicit"
	"loop       file=$hi,loop=discontinuity"
	"dated      file=$hi,pdt=yes,base=9007199254740000"
	"bframes    file=$(media bframes),loop=discontinuity"
	"mpeg2      file=$(media mpeg2),loop=discontinuity"
	"other      file=$(media lo),loop=discontinuity"
	"plain      file=$hi,burst=8"
	"plain-loop file=$(media bframes),burst=8,loop=discontinuity"
)
hevc=$(media hevc) && channels+=("hevc file=$hevc,loop=discontinuity")
audio=$(media audio) && channels+=("audio file=$audio")

arguments=()
names=()
for line in "${channels[@]}"; do
	read -r name keys <<<"$line"
	names+=("$name")
	arguments+=(--channel "name=$name,$common,$keys")
done
origin start "${arguments[@]}"

{
	printf '[tuner]\ntuner_count = 32\n'
	number=0
	for name in "${names[@]}"; do
		number=$((number + 1))
		case $name in
		plain*) path=$name/live.ts ;;
		*) path=$name/master.m3u8 ;;
		esac
		printf '[channel %s]\nname = %s\nurl = @ORIGIN@/%s\n' "$number" "$name" "$path"
		[ "$name" != headers ] ||
		    printf 'user_agent = VLC/3.0.20 LibVLC\nheader = Referer: https://first.example/\nheader = X-Key: s3cret\n'
	done
} | bridge config
bridge start

number=0
for name in "${names[@]}"; do
	number=$((number + 1))
	viewer start "$name" "/auto/v$number"
done
for name in "${names[@]}"; do
	viewer wait "$name" ms=11000
done
height=$(bridge status '.streams[] | select(.channel == "2") | .upstream.height')
for name in "${names[@]}"; do
	viewer stop "$name"
done

# clean NAME: what every viewer must have got.
clean() {
	viewer check "$1" status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 \
	    'pat_gap_ms_max<=100' 'pmt_gap_ms_max<=100' psi_first=true pmt_changes=0 pmt_versions=1 'media_ms>=11000'
	viewer smooth "$1" headers gzip ranges
}

for name in "${names[@]}"; do
	case $name in
	headers) what="a playlist that wants header fields and a user agent" ;;
	variants) what="a master playlist with two variants" ;;
	gzip) what="playlists compressed with gzip" ;;
	bare-gzip) what="playlists compressed with gzip without saying so" ;;
	cookie) what="an origin that wants its cookie back" ;;
	token) what="redirects to a URL with a token that is good for four seconds" ;;
	ranges) what="segments that are byte ranges of a larger file" ;;
	explicit) what="AES-128 with its vector in the playlist" ;;
	implicit) what="AES-128 with the sequence number as the vector" ;;
	loop) what="a discontinuity, with the clock going back" ;;
	dated) what="media sequence numbers beyond 2^53 and dates" ;;
	bframes) what="B-frames and two seconds between key frames, with a discontinuity" ;;
	mpeg2) what="MPEG-2 video and AC-3, with a discontinuity" ;;
	other) what="other PIDs and another time base, with a discontinuity" ;;
	plain) what="a transport stream over HTTP" ;;
	plain-loop) what="a transport stream over HTTP whose clock goes back" ;;
	hevc) what="HEVC, with a discontinuity" ;;
	audio) what="a radio: audio alone" ;;
	esac
	it "a viewer gets a clean stream from $what"
	clean "$name"
	case $name in
	audio) equal "pictures" "$(viewer get audio video_units)" 0 ;;
	hevc) viewer whole hevc "$hevc" ;;
	bframes | plain-loop) viewer whole "$name" "$(media bframes)" ;;
	mpeg2) viewer whole mpeg2 "$(media mpeg2)" ;;
	other) viewer whole other "$(media lo)" ;;
	*) viewer whole "$name" "$hi" ;;
	esac
done

it "header fields and user agent of the configuration go with every request, of this channel only"
at_least "requests" "$(origin log '[.[] | select(.channel == "headers")] | length')" 5
equal "requests without them" 0 "$(origin log '[.[] | select(.channel == "headers") |
	select(.agent != "VLC/3.0.20 LibVLC" or (.head | test("\r\nReferer: https://first.example/\r\n")
	and test("\r\nX-Key: s3cret\r\n") | not))] | length')"
equal "requests of other channels with them" 0 \
    "$(origin log '[.[] | select(.channel == "gzip" and (.head | test("s3cret|VLC")))] | length')"
equal "secrets in the log" "$(bridge log 's3cret' | wc -l)" 0

it "the variant with the highest rate is played, and nothing is asked of the others"
at_least "requests of the high variant" "$(origin log '[.[] | select(.path | startswith("/variants/v0/"))] | length')" 5
equal "requests of the low variant" 0 "$(origin log '[.[] | select(.path | startswith("/variants/v1/"))] | length')"
equal "height in the status" "$height" 720

# A playlist may be asked for while a segment comes: that takes a second one, which is not kept.
it "upstream connections are kept: those of the first segments, one for all that follows"
at_most "connections of the channel" "$(origin stats '.channels.headers.connections_total')" 6
at_most "connections that are open" "$(origin stats '.channels.headers.connections_open')" 2

it "no segment is fetched twice"
at_least "segments" "$(origin log '[.[] | select(.kind == "segment")] | length')" 50
equal "segments fetched twice" "" "$(origin log '[.[] | select(.kind == "segment") | .path + " " + (.range // "")] |
	group_by(.) | .[] | select(length > 1) | .[0]')"

it "variant = caps the choice"
{
	printf '[stream]\nvariant = 400p\n[channel 1]\nname = Low\nurl = @ORIGIN@/variants/master.m3u8\n'
} | bridge config
expect "the configuration is read again" bridge reload
viewer start low /auto/v1
viewer wait low ms=3000
viewer check low clean=true
viewer whole low "$(media lo)"

finish
