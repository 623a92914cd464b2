#!/bin/bash
# plexbridgectl drill, plexbridgectl doctor: the operator's proofs, run as the operator would.
. "${0%/*}/lib.sh"

bridge config <<-INI
	[server]
	advertise = no-such-host.invalid:5004
	[channel 5.1]
	name = Somewhere
	url = http://127.0.0.1:9/x.m3u8
INI
bridge start

it "every outage that the reserve covers is ridden out"
TMPDIR=$T "$PROGRAMS/plexbridgectl" --json drill >"$T/drill.json" 2>"$T/drill.err" ||
    fail "$(cat "$T/drill.err") $(jq -c '.outages[] | select(.result != "pass")' "$T/drill.json" 2>&1)"
equal "ok" "$(jq .ok "$T/drill.json")" true
equal "outages" "$(jq '.outages | length' "$T/drill.json")" 15

it "what the drill made is gone, and what ran is as it was"
[ -z "$(find "$T" -maxdepth 1 -name 'plexbridge-drill.*')" ] || fail "its folder is there"
equal "streams" "$(bridge status '.streams | length')" 0

it "a bridge that can't start is tried once, and says why"
mkdir "$T/closed"
for p in plexbridged plexbridgectl plexbridge-origin; do
	cp "$PROGRAMS/$p" "$T/closed"
done
! TMPDIR=$T "$T/closed/plexbridgectl" drill >"$T/drill.out" 2>"$T/drill.err" || fail "exit status 0"
expect "no worker" grep -q '^plexbridgectl: drill: plexbridged does not start: .*plexbridge-worker: no such program' "$T/drill.err"
if [ "$(id -u)" = 0 ]; then
	cp "$PROGRAMS/plexbridge-worker" "$T/closed"
	chmod 700 "$T/closed"
	! TMPDIR=$T "$T/closed/plexbridgectl" drill >"$T/drill.out" 2>"$T/drill.err" || fail "exit status 0"
	expect "a folder of root's" grep -q 'does not start: .*the user .* may not enter a folder above it' "$T/drill.err"
fi
[ -z "$(find "$T" -maxdepth 1 -name 'plexbridge-drill.*')" ] || fail "its folder is there"

it "the doctor says a result for each check"
bridge ctl doctor --client 127.0.0.1 --json >"$T/doctor.json"
status=$?
jq -e '[.checks[] | select(.result | IN("pass", "warn", "fail", "skip") | not)] | length == 0' "$T/doctor.json" >/dev/null ||
    fail "$(cat "$T/doctor.json")"
at_least checks "$(jq '.checks | length' "$T/doctor.json")" 18
equal "exit status" "$status" "$(jq 'if .ok then 0 else 1 end' "$T/doctor.json")"
equal plexbridged "$(jq -r '.checks[] | select(.check == "plexbridged") | .result' "$T/doctor.json")" pass
equal client "$(jq -r '[.checks[] | select(.check == "client: loss and latency")][0].result' "$T/doctor.json")" pass

it "an address of IPv6 is looked at like any other"
if grep -qs '^0*1 ' /proc/net/if_inet6; then
	bridge ctl doctor --client ::1 --json >"$T/doctor.json" || true
	equal client "$(jq -r '[.checks[] | select(.check == "client: loss and latency")][0].result' "$T/doctor.json")" pass
	equal "same subnet" "$(jq -r '[.checks[] | select(.check == "client: same subnet")][0].result' "$T/doctor.json")" pass
else
	skip "no IPv6 here"
fi

it "where clients are told to come is tried"
equal "the advertised address" "$(jq -r '.checks[] | select(.check == "ports: advertised") | .result' "$T/doctor.json")" fail

it "the doctor finds a bridge that is not there"
! "$PROGRAMS/plexbridgectl" -s "$T/none" doctor --json >"$T/doctor.json" || fail "exit status 0"
equal plexbridged "$(jq -r '.checks[] | select(.check == "plexbridged") | .result' "$T/doctor.json")" fail

it "is read by people on 80 columns"
"$PROGRAMS/plexbridgectl" -s "$T/none" doctor >"$T/doctor.txt"
[ "$(wc -L <"$T/doctor.txt")" -le 80 ] || fail "it has lines of more than 80 columns"
finish
