#!/bin/bash
# A way to the source that is too narrow for the variant that is played: a lesser one, before the reserve is spent.
. "${0%/*}/lib.sh"

need_media hi lo
hi=$(media hi)
common="seg=2,win=15,clock=wall,file=$hi"
origin start --channel "name=steady,$common" --channel "name=late,$common" --channel "name=paced,$common,file2=$(media lo)" \
    --channel "name=narrow,$common,file2=$(media lo)"
bridge config <<-INI
	[tuner]
	tuner_count = 8
	[stream]
	reserve = 8s
	[fetch]
	interfaces = 127.0.0.1
	[channel 1]
	name = Steady
	url = @ORIGIN@/steady/master.m3u8
	[channel 2]
	name = Paced
	url = @ORIGIN@/paced/master.m3u8
	[channel 3]
	name = Narrow
	url = @ORIGIN@/narrow/master.m3u8
	[channel 4]
	name = Late
	url = @ORIGIN@/late/master.m3u8
INI
bridge start

upstream() {
	bridge status ".streams[] | select(.channel == \"$1\") | .upstream.$2"
}

# stepped HAVE: are its pictures those of the first file, and from one of them on those of the second, each behind
# the one before in the loop that both are?
stepped() {
	"$PROGRAMS/plexbridge-origin" --analyse "$hi" --es-hash >"$T/want.hi"
	"$PROGRAMS/plexbridge-origin" --analyse "$(media lo)" --es-hash >"$T/want.lo"
	"$PROGRAMS/plexbridge-origin" --analyse "$1" --es-hash >"$T/have"
	awk '
		function video(type) { return type == "1b" }
		FNR == 1 { file++ }
		!video($2) { next }
		file == 1 { hi[n++] = $4 "/" $5; next }
		file == 2 { lo[m++] = $4 "/" $5; next }
		{ have[k++] = $4 "/" $5 }
		END {
			k-- # the last may be cut
			for (s = 0; s < n && hi[s] != have[0]; s++)
				;
			for (i = 0; i < k && have[i] == hi[(s + i) % n]; i++)
				;
			first = i
			for (; i < k && have[i] == lo[(s + i) % n]; i++)
				;
			print "# " first " pictures of the first, " i - first " of the second, of " k
			exit !(n == m && first > 0 && first < k && i == k)
		}' "$T/want.hi" "$T/want.lo" "$T/have"
}

viewer start steady /auto/v1
viewer start paced /auto/v2
viewer start narrow /auto/v3
viewer start late /auto/v4
for name in steady paced narrow; do
	viewer wait "$name" ms=9000
done

it "variants that are not played are not asked for"
equal "requests of the lesser variants" "$(origin log '[.[] | select(.path | contains("/v1/"))] | length')" 0

# Bytes a second that the first variant takes: two thirds of that for all transfers together, or one and
# a twentieth for each, as a server does that sends no faster than it plays.
rate=$(($(wc -c <"$hi") * 10 / 128))
splices=$(upstream 3 splices)
origin fault "channel=narrow,kind=segment,fault=narrow,value=$((rate * 2 / 3))"
origin fault "channel=late,kind=any,fault=latency,value=900"
origin fault "channel=paced,kind=segment,fault=drip,value=$((rate * 21 / 20))"
bridge wait-log 'event=variant.step channel=3'
viewer wait narrow ms="$(($(progress narrow ms) + 5000))"
stepped=$(upstream 3 splices)
# A successor goes on with the lesser one.
kill -KILL "$(bridge worker 3)"
viewer wait narrow ms="$(($(progress narrow ms) + 5000))"

it "the lesser variant comes before the reserve is spent: one splice, no filler, no gap"
equal "steps" "$(upstream 3 steps)" 1
equal "splices" "$stepped" $((splices + 1))
equal "fillers" "$(upstream 3 fillers)" 0
equal "height in the status" "$(upstream 3 height)" 360
equal "workers that followed" "$(bridge status '.streams[] | select(.channel == "3") | .handovers')" 1
bridge wait '.streams[] | select(.channel == "3") | .reserve_s > 3'
viewer check narrow status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 pmt_changes=0
viewer smooth narrow steady
expect "the step is in the log" bridge wait-log 'variant.step.*channel=3'

it "no picture is lost at the step, and none comes twice; the variant before is not asked for any more"
expect "pictures" stepped "$T/narrow.ts"
equal "playlists of the variant before, since" "$(origin log '[.[] | select(.path | startswith("/narrow/v"))] |
	(map(.path | contains("/v1/")) | index(true)) as $at | [.[$at:][] | select(.path == "/narrow/v0/media.m3u8")] | length')" 0

it "a server that sends no faster than it plays is no narrow way"
equal "steps" "$(upstream 2 steps)" 0
viewer check paced status=200 closed=no clean=true continuity_errors=0
equal "requests of its lesser variant" "$(origin log '[.[] | select(.path | startswith("/paced/v1/"))] | length')" 0

it "a source that answers late is degraded: longer time-outs, more under way, a larger reserve to keep"
equal "quality of the steady one" "$(upstream 1 quality)" normal
bridge wait-log 'event=quality channel=4 state=degraded'
equal "seconds that a try is given" "$(upstream 1 try_timeout_s) $(upstream 4 try_timeout_s)" "5 7.5"
equal "segments more under way" $(($(upstream 4 prefetch) - $(upstream 1 prefetch))) 2
# The reserve that was reached after half a minute is the one to keep, and half of it more, whatever it was.
bridge wait-log 'event=reserve.reached channel=4 '
reached_ms=$(bridge log 'event=reserve.reached channel=4 ' | sed -n 's/.*reserve_ms=\([0-9]*\).*/\1/p')
at_least "milliseconds of reserve that were reached" "$reached_ms" 4000
bridge wait ".streams[] | select(.channel == \"4\") | .reserve_target_s >= $reached_ms * 0.00149 and .reserve_target_s > 8"

it "each source has its own figures and their history, and status shows them"
equal "the interface that is fetched through" "$(upstream 4 interface)" 127.0.0.1
bridge status '.streams[] | select(.channel == "4") | .sources' >"$T/sources"
expect "figures of the late one" jq -e '.[0] | .in_use and .quality == "degraded" and .latency_ms > 500 and .used_s > 10 and
	.requests > 5 and .bytes > 100000 and .throughput_kbps > 0 and .loss_percent >= 0 and .error_percent >= 0 and
	.retransmits >= 0 and .rtt_ms >= 0' "$T/sources" >/dev/null
expect "its history" jq -e '.[0].history | length >= 1 and (map(.seconds) | add) > 10 and .[-1].minutes_ago <= 1 and
	(map(.quality) | index("degraded") != null) and (map(.latency_ms) | max) > 500' "$T/sources" >/dev/null
bridge ctl status >"$T/shown"
expect "a table of sources" grep -q -E '^4 +0 +[a-z]+ +degrad' "$T/shown"
at_most "its width" "$(wc -L <"$T/shown")" 80

viewer stop late
viewer stop steady
bridge stop
finish
