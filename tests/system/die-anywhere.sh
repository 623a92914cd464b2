#!/bin/bash
# A worker may die at any instruction. Here it dies at each place where it could matter, on purpose: at the
# first time it comes there, the second, the third... PB_TEST_EVERY: up to so many times (2).
. "${0%/*}/lib.sh"
need_media hi

# The programs with a worker that has such places beside them.
mkdir "$T/bin" "$T/fault"
chmod 755 "$T/bin"
chmod 777 "$T/fault"
# Whoever the bridge runs as may write there.
mkdir -m 777 "$T/quarantine"
cp "$PROGRAMS/plexbridged" "$PROGRAMS/plexbridge-origin" "$PROGRAMS/plexbridgectl" "$T/bin/"
cp "$top_builddir/tests/system/faulty/plexbridge-worker" "$T/bin/"
PROGRAMS=$T/bin
export PB_FAULT_FILE=$T/fault/point

# Waits that double are longer than many a window.
origin start --channel "name=a,file=$(media hi),seg=1,win=60"
bridge config <<-INI
	[stream]
	window = 10s
	burst = 2s
	quarantine_dir = $T/quarantine
	[channel 1]
	name = Dying
	url = @ORIGIN@/a/master.m3u8
INI
bridge start

viewer start v /auto/v1
viewer wait v bytes=300000

spares_died() {
	bridge log 'event=worker.death .* stream=- ' | wc -l
}

# Another worker has the stream, or it was a spare that died.
died() {
	[ "$(bridge worker 1)" != "$1" ] || [ "$(spares_died)" -gt "$2" ]
}

# die POINT COUNT: the next worker that passes POINT so often dies of it, and another one follows. A spare hears
# pings: when one of them is the message that is waited for, it is done once more, twice at most.
deaths=0
die() {
	local worker spares again

	for again in yes yes no; do
		# One that has not begun yet would hear a message before the one who is meant.
		bridge wait '.spare.state == "warm"'
		worker=$(bridge worker 1)
		spares=$(spares_died)
		deaths=$((deaths + 1))
		printf '%s %s id%s\n' "$1" "$2" "$deaths" >"$PB_FAULT_FILE.new"
		chmod 666 "$PB_FAULT_FILE.new"
		mv "$PB_FAULT_FILE.new" "$PB_FAULT_FILE"
		# Some places are passed only when somebody comes.
		case $1 in
		slot | body | head | message)
			viewer start "j$deaths" /auto/v1
			joined="$joined${joined:+ }j$deaths"
			;;
		esac
		until_true 20 test ! -e "$PB_FAULT_FILE" || { rm -f "$PB_FAULT_FILE"; fail "no worker came to $1"; return 1; }
		until_true "$PATIENCE" died "$worker" "$spares" || { fail "nobody died of $1"; return 1; }
		[ "$again" = yes ] && [ "$(spares_died)" -gt "$spares" ] || break
	done
	bridge wait ".streams[0].worker.pid != $worker and .streams[0].worker.state == \"live\""
}
joined=

every=${PB_TEST_EVERY:-2}

for point in begin append draft commit released send end aside tail; do
	it "a worker that dies at '$point', whichever time it comes there, is carried on from there"
	# What happens once a second or once a segment takes its time: fewer of these.
	case $point in
	aside | tail | begin | end) times=$(((every + 2) / 3)) ;;
	*) times=$every ;;
	esac
	for ((nth = 1; nth <= times; nth++)); do
		die $point $nth || break
	done
	case $point in
	aside | tail) ;; # once a second, no more
	*) [ "$every" -ge 4 ] || die $point 4 ;;
	esac
done
for point in message slot body head; do
	it "a worker that dies at '$point' of a new viewer carries all on, and serves the new one"
	for ((nth = 1; nth <= (every + 2) / 3; nth++)); do
		die $point 1 || break
	done
done

it "the viewer who was there all the time saw nothing of it"
bytes=$(stat -c %s "$T/v.ts")
viewer wait v bytes=$((bytes + 300000))
viewer check v status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 pmt_changes=0
viewer whole v "$(media hi)"

it "those who came while a worker died see a clean stream"
for j in $joined; do
	viewer wait $j bytes=200000
	viewer check $j status=200 closed=no clean=true continuity_errors=0
	viewer whole $j "$(media hi)"
done

it "segments that crash every worker are skipped, and the viewer stays"
viewer start p /auto/v1
viewer wait p bytes=300000
printf 'begin 1 poison abort\n' >"$PB_FAULT_FILE.new"
chmod 666 "$PB_FAULT_FILE.new"
mv "$PB_FAULT_FILE.new" "$PB_FAULT_FILE"
bridge wait '.streams[0].poisoned >= 2'
rm "$PB_FAULT_FILE"
expect "it is in the log" bridge wait-log event=segment.poison
bytes=$(stat -c %s "$T/p.ts")
viewer wait p bytes=$((bytes + 400000))

it "and kept as they came, for whoever mends the worker"
expect "it is fetched" bridge wait-log "event=segment.quarantined.*status=200 why=\"\""
number=$(bridge log 'event=segment.quarantined.*status=200' | sed -n 's/.* segment=\([0-9]*\) .*/\1/p;q')
kept=$(bridge log "event=segment.quarantine .* segment=$number " | sed -n 's/.*file="\([^"]*\)".*/\1/p;q')
expect "$kept is there" test -s "$kept"
# The origin numbers its segments for ever: what is kept is one of those.
"$PROGRAMS/plexbridge-origin" --analyse "$kept" --es-hash >"$T/kept.es"
"$PROGRAMS/plexbridge-origin" --analyse "$(media hi)" --es-hash >"$T/media.es"
at_least "pictures and sounds in it" "$(wc -l <"$T/kept.es")" 20
equal "those that are not the origin's" "$(awk 'NR == FNR { there[$4 "/" $5]; next } !($4 "/" $5 in there)' \
    "$T/media.es" "$T/kept.es" | wc -l)" 0

it "the viewer of those has a stream without them"
viewer check p status=200 closed=no continuity_errors=0 pcr_backward=0 dts_backward=0 pmt_changes=0

finish
