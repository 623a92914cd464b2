#!/bin/bash
# An upstream that is away for longer than the reserve: a picture stays, time goes on, nothing is cut.
. "${0%/*}/lib.sh"

need_media hi
origin start --channel "name=away,seg=2,win=6,clock=wall,file=$(media hi)"
bridge config <<-INI
	[stream]
	reserve = 4s
	[channel 1]
	name = away
	url = @ORIGIN@/away/master.m3u8
INI
bridge start

it "the picture is there before the outage"
viewer start v1 /auto/v1
viewer wait v1 ms=4000
bridge wait 'all(.streams[]; .state == "live" and .reserve_s >= 1)'
origin fault "channel=away,kind=any,fault=status,value=503,for=12"

it "filler takes the place of a spent reserve"
bridge wait '.streams[0].upstream.fillers >= 1'

it "media comes back behind it, and the viewer stays connected on a clean stream"
bridge wait-log filler.end
viewer wait v1 ms=22000
viewer stop v1
viewer check v1 status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0

finish
