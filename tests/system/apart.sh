#!/bin/bash
# What one source says, while another one plays, is of no matter to that one: a dead one is looked at by a way out of
# its own, asks nobody else to wait, and is gone back to whatever plays meanwhile. Nor does one segment's server
# speak for the channel; and of one that was left, no connection is kept where they are counted.
. "${0%/*}/lib.sh"

need_media hi lo
hi=$(media hi)
lo=$(media lo)
common="seg=1,win=20,clock=wall"
origin start --listen 127.0.0.1:0 --listen 127.0.0.1:0 --channel "name=later,file=$hi,$common" \
    --channel "name=later-b,file=$lo,$common,base=500" --channel "name=endless,file=$hi,$common" \
    --channel "name=endless-b,file=$hi,$common,base=500" --channel "name=quiet,file=$hi,$common" \
    --channel "name=segment,file=$hi,$common" --channel "name=alone,file=$hi,$common" \
    --channel "name=plain,file=$hi,$common" --channel "name=listed,file=$hi,$common" \
    --channel "name=left,file=$hi,seg=3,win=10,clock=wall" --channel "name=left-b,file=$hi,seg=3,win=10,clock=wall,base=500"
bridge config <<'INI'
[tuner]
tuner_count = 8
[stream]
reserve = 8s
return_after = 4s
linger = 0
[provider one]
max_streams = 1
[provider two]
max_streams = 1
[provider plain]
[provider listed]
[channel 1]
name = later
url = @ORIGIN@/later/master.m3u8
backup1 = @ORIGIN2@/later-b/master.m3u8
[channel 2]
name = endless
url = @ORIGIN@/endless/master.m3u8
backup1 = @ORIGIN@/endless-b/live.ts
backup1_provider = one
[channel 3]
name = quiet
url = @ORIGIN@/quiet/master.m3u8
[channel 4]
name = segment
url = @ORIGIN@/segment/master.m3u8
[channel 5]
name = alone
url = @ORIGIN@/alone/master.m3u8
[channel 6]
name = plain
provider = plain
url = @ORIGIN@/plain/live.ts
[channel 7]
name = listed
provider = listed
url = @ORIGIN@/listed/master.m3u8
[channel 8]
name = left
url = @ORIGIN@/left/master.m3u8
backup1 = @ORIGIN2@/left-b/master.m3u8
backup1_provider = two
[channel 9]
name = next
provider = two
url = @ORIGIN2@/left-b/master.m3u8
INI
bridge start

# stream CHANNEL EXPR: that of its status.
stream() {
	bridge status ".streams[] | select(.channel == \"$1\") | $2"
}

# Two tunes that are refused, each with its provider's word for it.
for name in plain listed; do
	origin fault "channel=$name,kind=any,fault=status,value=429,count=1"
done
curl -s -o /dev/null -m 20 "$(bridge url)/auto/v6"
curl -s -o /dev/null -m 20 "$(bridge url)/auto/v7"
for name in plain listed; do
	bridge wait ".providers[] | select(.name == \"$name\") | .breaker == \"open\""
done

viewer start left /auto/v8
number=0
for name in later endless quiet segment alone; do
	number=$((number + 1))
	viewer start $name /auto/v$number
done
for name in later endless quiet segment alone; do
	viewer wait $name ms=7000
done
origin fault "channel=later,kind=any,fault=status,value=429,after=30,for=60"
origin fault "channel=endless,kind=any,fault=status,value=404,for=4"
origin fault "channel=segment,kind=segment,fault=status,value=503,after=3600,count=1"
origin fault "channel=alone,kind=any,fault=status,value=429,after=3600,count=1"

it "a dead source that says when to come back keeps nobody from asking the one that plays instead"
bridge wait '.streams[] | select(.channel == "1") | .upstream.source == 1 and .sources[1].health == "good"'
since=$(origin log 'map(.time_ms) | max')
looked="[.[] | select(.channel == \"later\" and .status == 429 and .time_ms > $since)] | length"
until_true 20 eval '[ "$(origin log "$looked")" -ge 1 ]' || fail "it was not looked at"
viewer wait later ms=$(($(progress later ms) + 9000))
equal "source in use" "$(stream 1 .upstream.source)" 1
equal "switches" "$(stream 1 '"\(.upstream.failovers) \(.upstream.returns)"')" "1 0"

it "what the look at it comes to is not booked on the one that plays"
equal "errors of its backup" "$(stream 1 '.sources[1].errors')" 0
equal "quality" "$(stream 1 .upstream.quality)" normal

it "it is not looked at again before it said so"
at_most "requests to it since its backup played" "$(origin log "$looked")" 1

viewer check later closed=no clean=true pcr_jumps=0
viewer smooth later quiet

it "one segment that is not to be had now keeps no other from being asked for"
equal "segments that were refused" "$(origin log '[.[] | select(.channel == "segment" and .status == 503)] | length')" 1
equal "fillers" "$(stream 4 .upstream.fillers)" 0
viewer check segment closed=no clean=true pcr_jumps=0
viewer smooth segment quiet

it "a source that nobody has an account with is believed for half a minute"
bridge wait-log 'event=source.wait channel=5 .*wait_ms=30000 '

it "a provider that answers again is one that all may ask again, be it with a stream that has no end"
viewer start plain /auto/v6
viewer start listed /auto/v7
for name in plain listed; do
	viewer wait $name ms=4000
	bridge wait ".providers[] | select(.name == \"$name\") | .breaker == \"closed\" and .refusals == 1"
done

it "a slot is given back when no connection of it is left, idle or busy"
origin fault "channel=left-b,kind=segment,fault=drip,value=80000" # one is always under way
origin fault "channel=left,kind=any,fault=status,value=404,for=4"
bridge wait '.streams[] | select(.channel == "8") | .upstream.returns >= 1 and .upstream.source == 0'
bridge wait '.providers[] | select(.name == "two") | .in_use == 0'
until_true 1 eval '[ "$(origin stats ".channels[\"left-b\"].connections_open")" = 0 ]' ||
    fail "connections: $(origin stats '.channels["left-b"].connections_open')"
origin clear channel=left-b
viewer start next /auto/v9
viewer wait next ms=4000
equal "connections at once" "$(origin stats '.channels["left-b"].connections_max')" 1
viewer wait left ms=$(($(progress left ms) + 4000))
viewer check left closed=no clean=true pcr_jumps=0
viewer smooth left quiet

it "a better source is found while a backup plays whose account has no second connection"
bridge wait '.streams[] | select(.channel == "2") | .upstream.returns >= 1 and .upstream.source == 0'
viewer check endless closed=no clean=true pcr_jumps=0

finish
