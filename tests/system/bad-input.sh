#!/bin/bash
# What no upstream should send: a clear answer, bounded memory, a line in the log, and nobody else notices.
. "${0%/*}/lib.sh"

need_media hi
hi=$(media hi)

# NAME, what it does from the beginning, and what a tune is answered: an error code or "plays".
inputs=(
	"list-html        kind=master,fault=html                     806"
	"list-empty       kind=master,fault=empty                    806"
	"list-endless     kind=master,fault=endless                  806"
	"list-binary      kind=master,fault=binary                   806"
	"list-huge        kind=master,fault=huge,value=67108864      806"
	"media-html       kind=media,fault=html                      806"
	"media-endless    kind=media,fault=endless                   806"
	"media-huge       kind=media,fault=huge,value=67108864       806"
	"redirect-loop    kind=master,fault=redirect-loop            806"
	"long-location    kind=master,fault=long-location            806"
	"long-segment-url kind=segment,fault=long-location           80[67]"
	"not-ts           kind=segment,fault=not-ts                  80[67]"
	"segment-html     kind=segment,fault=html                    80[67]"
	"segment-empty    kind=segment,fault=empty                   807"
	"segment-endless  kind=segment,fault=endless                 80[67]"
	"segment-huge     kind=segment,fault=huge,value=67108864     80[67]"
	"no-answer        kind=master,fault=stall-head               807"
	"no-segment       kind=segment,fault=stall-head              807"
	"bad-key          kind=key,fault=bad-key,value=15            806"
	"no-key           kind=key,fault=status,value=403            806"
	"gone             kind=master,fault=status,value=404         806"
	"forbidden        kind=master,fault=status,value=403         806"
	"cut-1            kind=segment,fault=cut,value=100000        plays"
	"cut-2            kind=segment,fault=cut,value=33333         plays"
	"cut-3            kind=segment,fault=truncate,value=30001    plays"
	"plain-not-ts     kind=live,fault=not-ts                     806"
	"plain-html       kind=live,fault=html                       806"
)

arguments=(--channel "name=quiet,seg=2,win=10,clock=wall,file=$hi")
for line in "${inputs[@]}"; do
	read -r name rule answer <<<"$line"
	extra=""
	case $name in
	*-key) extra=",aes=yes" ;;
	esac
	arguments+=(--channel "name=$name,seg=2,win=10,clock=wall,file=$hi$extra" --fault "channel=$name,$rule")
done
origin start "${arguments[@]}"
files start
{
	printf '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:2,\n'
	head -c 100000 /dev/zero | tr '\0' a
	printf '.ts\n'
} >"$(files dir)/long-line.m3u8"
head -c 3000000 /dev/zero | tr '\0' '\n' >"$(files dir)/lines.m3u8"

{
	printf '[tuner]\ntuner_count = 64\n[stream]\ntune_timeout = 8s\nwatchdog = 6s\n'
	printf '[channel 1]\nname = quiet\nurl = @ORIGIN@/quiet/master.m3u8\n'
	number=1
	for line in "${inputs[@]}"; do
		read -r name rule answer <<<"$line"
		number=$((number + 1))
		path=$name/master.m3u8
		case $name in
		plain-*) path=$name/live.ts ;;
		esac
		printf '[channel %s]\nname = %s\nurl = @ORIGIN@/%s?user=me&password=hunter2\n' "$number" "$name" "$path"
	done
	printf '[channel 901]\nname = long-line\nurl = @FILES@/long-line.m3u8\n'
	printf '[channel 902]\nname = lines\nurl = @FILES@/lines.m3u8\n'
	printf '[channel 903]\nname = nobody\nurl = http://127.0.0.1:1/x.m3u8\n'
} | bridge config
bridge start
bridge watch-memory

viewer start quiet /auto/v1
# Past the bridge: what this machine does to a stream, whatever the bridge has to bear.
viewer start past "$(origin url)/quiet/live.ts"
viewer wait quiet ms=2000
viewer wait past ms=2000
number=1
for line in "${inputs[@]}"; do
	read -r name rule answer <<<"$line"
	number=$((number + 1))
	viewer start "$name" "/auto/v$number"
done
viewer start long-line /auto/v901
viewer start lines /auto/v902
viewer start nobody /auto/v903

number=1
for line in "${inputs[@]}" "long-line - 80[67]" "lines - 80[67]" "nobody - 80[67]"; do
	read -r name rule answer <<<"$line"
	number=$((number + 1))
	case $name in
	long-line) number=901 ;;
	esac
	if [ "$answer" = plays ]; then
		it "$name: the stream goes on with what can be played"
		viewer wait "$name" ms=6000
		viewer check "$name" status=200 closed=no continuity_errors=0 psi_first=true first_video_key=true \
		    pmt_changes=0 pcr_jumps=0 dts_backward=0 malformed=0
		continue
	fi
	it "$name: the tune is answered with 503 and $answer, and the log says why"
	viewer wait "$name" closed=yes
	viewer check "$name" status=503 bytes=0
	case $(viewer get "$name" error_code) in
	$answer) ;;
	*) fail "error code $(viewer get "$name" error_code)" ;;
	esac
	at_least "lines with channel and reason" \
	    "$(bridge log "event=(stream.failed|client.refused) channel=$number .*why=\"[^\"]{5,}" | wc -l)" 1
done

it "no secret of a URL is in the log"
equal "lines with the password" "$(bridge log 'hunter2' | wc -l)" 0

it "no worker needed more memory than a few segments"
if sanitized; then
	skip "built with a sanitizer"
else
	say "peak: $(bridge peak) KiB"
	at_least "peak in KiB" "$(bridge peak)" 1000
	at_most "peak in KiB" "$(bridge peak)" 40960
fi

it "another stream is untouched by all of it"
viewer check quiet status=200 closed=no clean=true
viewer whole quiet "$hi"
viewer smooth quiet past

it "the bridge is healthy afterwards, and every tuner is free"
bridge wait '.supervisor.tuners.busy == 0'
expect "health" bridge ctl health >"$T/health.out"
equal "workers that died" "$(bridge log 'event=worker.death' | wc -l)" 0

finish
