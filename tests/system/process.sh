#!/bin/bash
# The processes: how they start and end, as whom they run, and what becomes of the rest when one dies.
. "${0%/*}/ask.sh"

# A folder of programs of our own: one of them will be replaced.
if [ ! -d "$T/bin" ]; then
	mkdir "$T/bin"
	for p in plexbridged plexbridge-worker plexbridge-origin plexbridgectl; do
		cp "$PROGRAMS/$p" "$T/bin/$p"
	done
	PROGRAMS=$T/bin
fi

origin_start a b
bridge config <<'INI'
[tuner]
tuner_count = 4
[stream]
linger = 300ms
[testcard]
enabled = yes
number = 100
[channel 1]
name = One
url = @ORIGIN@/a/master.m3u8
[channel 2]
name = Two
url = @ORIGIN@/b/master.m3u8
INI

# status_of PID FIELD: of /proc/PID/status.
status_of() {
	sed -n "s/^$2:[ 	]*//p" "/proc/$1/status" 2>/dev/null
}

name_of() {
	status_of "$1" Name
}

# family PID: it and all below it.
family() {
	local child
	printf '%s\n' "$1"
	for child in $(children "$1"); do
		family "$child"
	done
}

# gone PID...: none of them lives.
gone() {
	local pid
	for pid in "$@"; do
		[ ! -e "/proc/$pid" ] || [ "$(status_of "$pid" State | cut -c 1)" = Z ] || return 1
	done
}

spare() {
	bridge status '.spare | select(.state == "warm") | .pid'
}

another_spare() {
	local pid
	pid=$(spare)
	[ -n "$pid" ] && [ "$pid" != "$1" ]
}

health_is() {
	[ "$(get /health)" = "$1" ]
}

it "plexbridged stays in the foreground and logs to standard error"
bridge start
port=$bridge_port
at=$(date +%s%N)
expect "it is the process that was started" test "$(name_of "$(bridge pid)")" = plexbridged
equal "its parent" "$(status_of "$(bridge pid)" PPid)" $$
equal "standard output" "$(cat "$T/bridge.out")" ''
expect "log" grep -q -E '^time=[0-9TZ:.-]+ level=info program=plexbridged pid=[0-9]+ event=start version=' "$T/bridge.log"

viewer start v1 /auto/v1
viewer start v100 /auto/v100
viewer wait v1 bytes=50000
viewer wait v100 bytes=50000

it "each process of the family is there: supervisor, workers, spare, the test card's origin"
mapfile -t family < <(family "$(bridge pid)")
equal "names" "$(for p in "${family[@]}"; do name_of "$p"; done | sort | uniq -c | awk '{ printf "%s%s %s", s, $1, $2; s = ", " }')" \
    '1 plexbridge-orig, 3 plexbridge-work, 1 plexbridged'

it "started as root, none of them has uid 0, or a capability left, and workers have a user of their own"
if [ "$(id -u)" = 0 ]; then
	supervisor_uid=$(id -u "$run_user")
	worker_uid=$(id -u "$worker_user")
	for p in "${family[@]}"; do
		case $(name_of "$p") in
		plexbridged) uid=$supervisor_uid ;;
		plexbridge-work) uid=$worker_uid ;;
		*) uid=$(status_of "$p" Uid | cut -f 1) ;;
		esac
		equal "uids of $(name_of "$p")" "$(status_of "$p" Uid)" "$uid	$uid	$uid	$uid"
		[ "$uid" != 0 ] || fail "$(name_of "$p") is root"
		[[ " $(status_of "$p" Gid | tr '\t' ' ') " != *' 0 '* ]] || fail "$(name_of "$p") has group 0"
		[[ " $(status_of "$p" Groups) " != *' 0 '* ]] || fail "$(name_of "$p") has group 0 among its groups"
		[ "$(name_of "$p")" = plexbridged ] || for f in CapEff CapPrm CapAmb; do
			equal "$f of $(name_of "$p")" "$(status_of "$p" $f)" 0000000000000000
		done
	done
	expect "the two users differ" test "$supervisor_uid" != "$worker_uid"
else
	skip "not root: users are not changed"
fi

it "workers can't gain privileges by any program"
for p in "${family[@]}"; do
	[ "$(name_of "$p")" = plexbridge-work ] && equal "NoNewPrivs of $p" "$(status_of "$p" NoNewPrivs)" 1
done

it "the control socket is 0660, and of the group plexbridge where there is one"
expect "socket" test -S "$T/control.sock"
equal mode "$(stat -c %a "$T/control.sock")" 660
if [ "$(id -u)" = 0 ]; then
	equal owner "$(stat -c %U "$T/control.sock")" "$run_user"
	group=$(getent group plexbridge | cut -d : -f 1)
	equal group "$(stat -c %G "$T/control.sock")" "${group:-$(id -gn "$run_user")}"
fi

it "SIGTERM with all sorts of clients connected: exit 0 within 10 s"
printf 'GET / HTTP/1.1\r\nHos' >"$T/half"
begin half -n 20 <"$T/half"
printf 'GET /auto/v1 HTTP/1.1\r\nHost: x\r\n\r\n' >"$T/tune"
begin deaf -n 5 -w 60000 -b 4096 <"$T/tune"
bridge wait '[.streams[].clients[]] | length == 7'
at=$(date +%s%N)
bridge stop
equal "exit status" "$bridge_status" 0
at_most "milliseconds" $((($(date +%s%N) - at) / 1000000)) 10000
over half
away deaf
viewer check v1 clean=true
viewer check v100 clean=true
expect "the family is gone" gone "${family[@]}"
expect "the control socket is gone" test ! -e "$T/control.sock"

it "its port can be bound again at once"
bridge_try=$(grep -c 'in use' "$T/bridge.log")
bridge start -o "server.listen=127.0.0.1:$port"
bridge_port=$port
equal "tries that found it in use" $(($(grep -c 'in use' "$T/bridge.log") - bridge_try)) 0
equal "health" "$(get /health)" 200

it "SIGINT ends it as SIGTERM does, and SIGUSR1 writes its state to the log"
kill -USR1 "$(bridge pid)"
bridge wait-log 'event=dump.supervisor'
kill -INT "$(bridge pid)"
bridge stop
equal "exit status" "$bridge_status" 0
bridge start -o "server.listen=127.0.0.1:$port"
bridge_port=$port

it "a worker that is killed: the log says by what, another channel never notices, the next tune works"
viewer start v1 /auto/v1
viewer start v2 /auto/v2
viewer wait v1 bytes=50000
viewer wait v2 bytes=50000
killed=$(bridge worker 1)
before=$(spare)
kill -KILL "$killed"
bridge wait-log "event=worker.death pid=$killed signal=9 channel=1 "
viewer stop v1
viewer start v3 /auto/v1
viewer wait v3 bytes=50000
equal "the worker, which was the spare" "$(bridge worker 1)" "$before"
seen=$(progress v2 bytes)
viewer wait v2 bytes=$((seen + 100000))
viewer check v3 status=200 clean=true
viewer check v2 status=200 clean=true closed=no
viewer whole v2 "$top_srcdir/share/testcard.ts"

it "a spare that is killed is replaced"
before=$(spare)
kill -KILL "$before"
bridge wait-log "event=worker.death pid=$before signal=9 "
expect "another one is warm" until_true 20 another_spare "$before"
equal "health" "$(get /health)" 200

it "/health is 503 with the reason while there can be no spare, and 200 again afterwards"
mv "$T/bin/plexbridge-worker" "$T/bin/plexbridge-worker.away"
printf '#!/bin/sh\nexit 111\n' >"$T/bin/plexbridge-worker"
chmod 755 "$T/bin/plexbridge-worker"
kill -KILL "$(spare)"
expect "503" until_true 20 health_is 503
equal "its body" "$(jq -c '[.ok, (.reasons | length)]' "$T/body")" '[false,1]'
holds '.reasons[0] | test("worker")'
equal "HEAD" "$(get /health -I)" 503
bridge ctl health >"$T/out" && fail "plexbridgectl health exits 0"
expect "reason of plexbridgectl health" grep -q worker "$T/out"
mv -f "$T/bin/plexbridge-worker.away" "$T/bin/plexbridge-worker"
expect "200" until_true 40 health_is 200
expect "plexbridgectl health" bridge ctl health >"$T/out"
at_least "bytes of a tune" "$(taste /auto/v2)" 18800

it "two hundred tunes, cut off anywhere, leave no descriptor and no process behind"
idle='.streams == [] and .spare.state == "warm"'
bridge wait "$idle"
fds=$(descriptors "$(bridge pid)")
processes=$(family "$(bridge pid)" | wc -l)
RANDOM=1
for ((i = 0; i < 50; i++)); do
	c=$((RANDOM % 2 + 1))
	curl -s -m 10 "$(bridge url)/auto/v$c" 2>/dev/null | head -c $((RANDOM % 40000 + 1)) >"$T/cut"
	printf 'GET /auto/v%d HTTP/1.1\r\nHost: x\r\n\r\n' $c | hostile -n 2 -e reset >"$T/cut.out"
	printf 'GET /auto/v%d?duration=1 HTTP/1.1\r\nHost: x\r\n\r\n' $c | hostile -e half -t 1 -w $((RANDOM % 100 + 1)) >"$T/cut.out" &
	others+=($!)
	[ $((i % 10)) != 9 ] || wait "${others[@]}"
done
wait "${others[@]}"
others=()
bridge wait "$idle"
if [ "$fds" -gt 0 ]; then
	same_descriptors() {
		[ "$(descriptors "$(bridge pid)")" -le "$fds" ]
	}
	expect "descriptors: $(descriptors "$(bridge pid)") now, $fds before" until_true 20 same_descriptors
fi
equal "processes" "$(family "$(bridge pid)" | wc -l)" "$processes"
for p in $(children "$(bridge pid)"); do
	[ "$(status_of "$p" State | cut -c 1)" != Z ] || fail "$p is a zombie"
done

it "when the supervisor is killed, no process of its own is left after 12 s"
viewer start v1 /auto/v1
viewer start v100 /auto/v100
viewer wait v1 bytes=50000
viewer wait v100 bytes=50000
mapfile -t family < <(family "$(bridge pid)")
at_least "processes" "${#family[@]}" 5
kill -KILL "$(bridge pid)"
{ wait "$(bridge pid)"; } 2>/dev/null
bridge_pid=
for p in "${family[@]}"; do
	expect "$(name_of "$p") $p is gone" until_true 13 gone "$p"
done
viewer stop v1
viewer stop v100

it "the next one starts on the same port, and replaces the socket that the dead one left"
expect "the socket is still there" test -S "$T/control.sock"
bridge start -o "server.listen=127.0.0.1:$port"
bridge_port=$port
at_least "bytes of a tune" "$(taste /auto/v1)" 18800
bridge stop
equal "exit status" "$bridge_status" 0

finish
