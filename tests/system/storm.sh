#!/bin/bash
# Workers are killed at random moments under many clients. Each client's bytes are those that everyone
# else on its channel has, not a picture is missing, and nobody else notices.
#
#   PB_TEST_KILLS     how many (40)
#   PB_TEST_CLIENTS   of all channels together (20)
#   PB_TEST_CHANNELS  on which workers are killed (4); there is one more where none is
#   PB_TEST_SEED      for the same storm again
. "${0%/*}/lib.sh"
need_media hi

kills=${PB_TEST_KILLS:-40}
clients=${PB_TEST_CLIENTS:-20}
channels=${PB_TEST_CHANNELS:-4}
seed=${PB_TEST_SEED:-$$}
RANDOM=$seed
# A segment in hand at two crashes is skipped, as it should be; here each crash has another one in hand.
crash_s=6

list=()
for ((c = 0; c <= channels; c++)); do
	list+=(--channel "name=c$c,file=$(media hi),seg=2,win=8")
done
origin start "${list[@]}"
{
	printf '[tuner]\ntuner_count = 16\n[stream]\nwatchdog = 1s\nlinger = 0s\n'
	for ((c = 0; c <= channels; c++)); do
		printf '[channel 9%d]\nname = Channel %d\nurl = @ORIGIN@/c%d/master.m3u8\n' "$c" "$c" "$c"
	done
} | bridge config
bridge start

descriptors() { ls "/proc/$1/fd" | wc -l; }
children() { ps -o pid= --ppid "$bridge_pid" | wc -l; }
zombies() { ps -o stat= --ppid "$bridge_pid" | grep -c Z; }
threads() { ls "/proc/$1/task" | wc -l; }
memory() { sed -n 's/^Pss_Anon: *\([0-9]*\) kB/\1/p' "/proc/$1/smaps_rollup"; }
quiet() {
	bridge wait '(.streams | length) == 0 and .spare.state == "warm"'
	until_true 20 eval '[ "$(children)" = 1 ]' || fail "there are $(children) workers, and nobody watches"
}

# What is made at the first tune stays; so does the first guide.
viewer start first /auto/v91
viewer wait first bytes=100000
viewer stop first
bridge wait-log 'event=guide channels='
quiet
before="$(descriptors "$bridge_pid") $(threads "$bridge_pid") $(memory "$bridge_pid")"

# channel_of N: of the Nth client.
channel_of() { printf '%d\n' $(($1 % channels + 1)); }

viewer start calm /auto/v90
for ((n = 0; n < channels; n++)); do
	viewer start "v$n" "/auto/v9$(channel_of $n)"
done
viewer wait calm bytes=200000
for ((n = 0; n < channels; n++)); do
	viewer wait "v$n" bytes=200000
done

# strike CHANNEL: whoever has it now, in a way of its own. Between two workers there is nobody to strike.
declare -A crashed=() struck=() last=()
strike() {
	local channel=$1 pid signal=KILL
	pid=$(bridge worker "9$channel")
	[ -n "$pid" ] && [ "$pid" != "${last[$channel]:-}" ] || return 1
	if [ $((SECONDS - ${crashed[$channel]:--99})) -ge "$crash_s" ]; then
		case $((RANDOM % 6)) in
		0) signal=SEGV ;;
		1) signal=ABRT ;;
		2) signal=STOP ;;
		esac
		[ "$signal" = KILL ] || crashed[$channel]=$SECONDS
	fi
	kill "-$signal" "$pid" 2>/dev/null || return 1
	last[$channel]=$pid
	struck[$signal]=$((${struck[$signal]:-0} + 1))
}

it "workers are killed at random moments, and others follow"
strikes=0
joined=$channels
give_up_at=$((SECONDS + 60 + kills * 2))
while [ "$strikes" -lt "$kills" ] && [ "$SECONDS" -lt "$give_up_at" ]; do
	! strike $((RANDOM % channels + 1)) || strikes=$((strikes + 1))
	# Those who come in the midst of it.
	while [ "$joined" -lt "$clients" ] && [ $((strikes * 10)) -ge $((joined * kills * 8 / clients)) ]; do
		viewer start "v$joined" "/auto/v9$(channel_of $joined)"
		joined=$((joined + 1))
	done
	sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
done
equal "workers struck" "$strikes" "$kills"
equal "clients" "$joined" "$clients"
declare -A goal=()
for ((n = 0; n < clients; n++)); do
	goal[$n]=$(($(progress "v$n" bytes) + 150000))
done
for ((n = 0; n < clients; n++)); do
	viewer wait "v$n" bytes="${goal[$n]}"
done
say "seed $seed, $SECONDS s:" "$(for s in "${!struck[@]}"; do printf '%s %s ' "${struck[$s]}" "$s"; done)"
at_least "deaths in the log" "$(bridge log 'event=worker.death' | wc -l)" "$kills"
equal "segments left out" "$(bridge log 'event=segment.poison' | wc -l)" 0

it "no client was closed, and each has a clean stream"
for ((n = 0; n < clients; n++)); do
	viewer check "v$n" status=200 closed=no clean=true continuity_errors=0 pcr_backward=0 pcr_jumps=0 dts_backward=0 \
	    pmt_changes=0
done

it "all clients of a channel have the same bytes"
for ((c = 1; c <= channels; c++)); do
	files=()
	for ((n = c - 1 + channels; n < clients; n += channels)); do
		files+=("$T/v$n.ts")
	done
	"$top_builddir/tests/system/same" "$T/v$((c - 1)).ts" "${files[@]}" >"$T/same" || fail "channel $c: $(cat "$T/same")"
	say "channel $c: $(tail -n 1 "$T/same")"
done

it "and they are all that the origin sent: no picture is lost or repeated"
for ((n = 0; n < channels; n++)); do
	viewer whole "v$n" "$(media hi)"
done

it "the channel beside them was as it is when nobody is killed"
viewer check calm status=200 closed=no clean=true
viewer whole calm "$(media hi)"
equal "deaths of its workers" "$(bridge log 'worker.death.*channel=90 ' | wc -l)" 0
say "largest gap: $(viewer get calm largest_gap_ms) ms; of those whose workers were killed: $(
	for ((n = 0; n < clients; n++)); do viewer get "v$n" largest_gap_ms; done | sort -n | tail -n 1) ms"
# It shares the machine with all that is started, and with other tests.
more_ms=500
! sanitized || more_ms=2000
at_most "its largest gap, ms" "$(viewer get calm largest_gap_ms)" "$(undisturbed_gap $more_ms)"

it "nothing is left of it: descriptors, workers, zombies, threads, memory"
quiet
read -r fds tasks kib <<<"$before"
at_most "descriptors" "$(descriptors "$bridge_pid")" "$fds"
equal "zombies" "$(zombies)" 0
equal "threads" "$(threads "$bridge_pid")" "$tasks"
sanitized || at_most "memory, KiB" "$(memory "$bridge_pid")" $((kib + 512))

finish
