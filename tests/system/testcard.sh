#!/bin/bash
# Without any configuration there is a moving picture, and any number can look at it.
. "${0%/*}/lib.sh"

bridge start

it "the test card plays when nothing is configured, and its stream is clean"
viewer start first /auto/v1
viewer wait first ms=10000
equal "the lineup" "$(curl -s "$(bridge url)/lineup.json" | jq -c 'map({GuideNumber, GuideName})')" \
    '[{"GuideNumber":"1","GuideName":"Test Card"}]'

it "a second client joins the running worker, at once and at a key frame"
worker=$(bridge worker 1)
viewer start second /auto/v1
viewer wait second bytes=100000
equal "number of streams" "$(bridge status '.streams | length')" 1
equal "clients of the stream" "$(bridge status '.streams[0].clients | length')" 2
equal "the worker" "$(bridge worker 1)" "$worker"
equal "tuners in use" "$(bridge status .supervisor.tuners.busy)" 1

it "viewers of one channel get the same clean stream"
viewer wait second ms=3000
for v in first second; do
	viewer check $v status=200 closed=no clean=true continuity_errors=0 psi_first=true first_video_key=true \
	    'pat_gap_ms_max<=100' 'pmt_gap_ms_max<=100' 'pcr_gap_ms_max<=100' dts_backward=0 pmt_changes=0 null_packets=0
	viewer whole $v "$top_srcdir/share/testcard.ts"
done
viewer smooth first second

it "a client that is there first gets four seconds at once, and real time from then on"
at_least "media of the first viewer" "$(viewer get first media_ms)" 12000
at_most "media of the first viewer" "$(viewer get first media_ms)" "$(viewer get first total_ms | awk '{ print $1 + 4700 }')"

it "the worker ends after the last client, and the tuner is free again"
bridge wait '.streams == [] and .supervisor.tuners.busy == 0'
expect "worker ended" eval "! kill -0 $worker 2>/dev/null"

it "plexbridged ends with 0 when asked to, and leaves nothing behind"
bridge stop
equal "exit status" "$bridge_status" 0
expect "no control socket is left" test ! -e "$T/control.sock"

finish
