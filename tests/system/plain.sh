#!/bin/bash
# A source of plain TS that is away for longer than the reserve: it is looked for while there is a reserve, patiently,
# and quickly once the picture stands. So media is back soon after it, whenever that is.
. "${0%/*}/lib.sh"

need_media hi
hi=$(media hi)
# The stream breaks some seconds after it began, and what is asked then is refused, gets no answer, or is told to wait.
# About nine seconds are in hand: the requests of that time are then at their most patient.
options=()
for name in refused silent later; do
	options+=(--channel "name=$name,clock=wall,burst=11,file=$hi"
		--fault "channel=$name,kind=live,fault=truncate,value=900000,count=1")
done
# One more is led to at once, and answers there as slowly as ever: of all answers, that is a slow one now and then.
# It breaks, and refuses once, with less in hand than the time that it needs.
options+=(--channel "name=slow,clock=wall,burst=6,file=$hi" --fault channel=slow,kind=live,fault=latency,value=3000
	--fault channel=slow,kind=live,fault=truncate,value=900000,count=1
	--fault channel=slow,kind=live,fault=status,value=503,skip=1,count=1)
origin start "${options[@]}" --fault channel=refused,kind=live,fault=status,value=503,skip=1 \
    --fault channel=silent,kind=live,fault=stall-head,skip=1 \
    --fault channel=later,kind=live,fault=status,value=503,after=5,skip=1
files start
printf '%s/slow/live.ts' "$(origin url)" >"$(files dir)/slow.to"
chmod -R a+rX "$(files dir)"
bridge config <<-INI
	[stream]
	reserve = 4s
	[channel 1]
	name = refused
	url = @ORIGIN@/refused/live.ts
	[channel 2]
	name = silent
	url = @ORIGIN@/silent/live.ts
	[channel 3]
	name = later
	url = @ORIGIN@/later/live.ts
	[channel 4]
	name = slow
	url = @FILES@/slow.to
INI
bridge start
for n in 1 2 3 4; do
	viewer start "v$n" "/auto/v$n"
done

it "an outage that is longer than the reserve is filled"
for n in 1 2 3; do
	bridge wait-log "event=filler.begin channel=$n "
done
nap 0.5 # so that it is asked quickly when it comes back
for name in refused silent later; do
	origin clear "channel=$name"
done
since=$(date +%s%3N)

# media_ms CHANNEL: from the source's return to media again, by the log's own times.
media_ms() {
	local at
	bridge wait-log "event=filler.end channel=$1 "
	at=$(bridge log "event=filler.end channel=$1 " | sed -n '1s/^time=\([^ ]*\) .*/\1/p')
	echo $(($(date -d "$at" +%s%3N) - since))
}

it "media is back soon after the source, refused or not answered as it was"
for n in 1 2; do
	back=$(media_ms $n)
	say "channel $n: media was back $back ms after the source"
	at_most "milliseconds from the source's return to media of channel $n" "$back" 2500
done

it "a source that says when to come back is not asked sooner, however long the picture stands"
at_most "milliseconds from the source's return to media" "$(media_ms 3)" 7500
waits='[.[] | select(.channel == "later") | .time_ms] | .[1:] as $at | [range(1; $at | length) | $at[.] - $at[. - 1]]'
at_least "requests after the first refusal" "$(origin log "$waits | length")" 2
at_least "milliseconds between two of them" "$(origin log "$waits | min")" 4900

it "a source that is as slow as it was before is not cut off"
equal "requests" "$(origin log '[.[] | select(.channel == "slow")] | length')" 3

it "the viewers stayed on a clean stream"
for n in 1 2 3 4; do
	viewer wait "v$n" ms=24000
	viewer check "v$n" status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0
done

finish
