#!/bin/bash
# More viewers than there are descriptors for: those who are too many are told, and who watches has what he needs.
. "${0%/*}/ask.sh"

# A quarter of it is for viewers.
ulimit -n 400
viewers=100
origin start --channel "name=a,file=$top_srcdir/share/testcard.ts,seg=1" --channel "name=dead,file=$top_srcdir/share/testcard.ts,seg=1" \
    --fault 'channel=dead,kind=any,fault=stall-head'
bridge config <<'INI'
[stream]
tune_timeout = 30s
[channel 1]
name = One
url = @ORIGIN@/a/master.m3u8
[channel 2]
name = Nothing comes
url = @ORIGIN@/dead/master.m3u8
INI
bridge start

it "who tunes when there are too many viewers already gets 803 at once"
viewer start v1 /auto/v1
viewer wait v1 bytes=100000
printf 'GET /auto/v2 HTTP/1.1\r\nHost: x\r\n\r\n' >"$T/request"
begin crowd -n $((viewers - 1)) -t 60 <"$T/request"
bridge wait "[.streams[].clients | length] | add == $viewers"
equal "one more" "$(error /auto/v1)" '503 803 0'
equal "a page" "$(get /discover.json)" 200

it "who watches goes on with another worker, and a viewer who leaves makes room"
kill -KILL "$(bridge worker 1)"
seen=$(progress v1 bytes)
viewer wait v1 bytes=$((seen + 200000))
viewer stop v1
viewer check v1 status=200 closed=no clean=true
bridge wait "[.streams[].clients | length] | add == $((viewers - 1))"
at_least "bytes of the next" "$(taste /auto/v1)" 18800

it "what many are refused for is some lines of the log, not one for each"
lines=$(bridge log event=tune.refused | wc -l)
viewer start v1 /auto/v1
viewer wait v1 bytes=1000
begun=$SECONDS
begin more -n 95 -t 20 <"$T/request"
over more
equal "answers" "$(reports more | jq -c .answers)" '{"503":95}'
# 32 a second, of which one had begun and one has not ended.
at_most "lines" "$(($(bridge log event=tune.refused | wc -l) - lines))" $((32 * (SECONDS - begun + 2)))
finish
