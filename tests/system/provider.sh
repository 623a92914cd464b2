#!/bin/bash
# A provider at its worst, fifty refreshes long, as M3U and as Xtream: numbers and ids stay what they were, also
# across kills of the bridge at any moment.
. "${0%/*}/lib.sh"

COUNT=61
"$top_builddir/tests/system/provider" "$COUNT" >"$T/provider.out" 2>"$T/provider.err" </dev/null &
others+=($!)
until_true 30 grep -q '^listening ' "$T/provider.out" || give_up "the provider doesn't start"
provider=$(sed -n 's/^listening //p' "$T/provider.out")
set_provider() {
	curl -s -S -f -X POST "$provider/_/set?step=$1&mode=$2" >/dev/null || fail "the provider doesn't take $*"
}
bridge config <<INI
[fetch]
private_targets = yes
try_timeout = 500ms
[provider list]
playlist = $provider/get.php?username=u&password=secretword&type=m3u_plus
first_number = 100
[provider panel]
xtream = $provider
username = u
password = secretword
first_number = 500
[channel 7]
name = Mine
url = http://127.0.0.1:9/mine.ts
INI
# Channel of the provider (its number is the first one in each of its names), number, guide id.
lineup() {
	bridge ctl --json lineup | jq -r '.channels[] | select(.source == "import")
		| [(.name | capture("(?<i>[0-9]+)").i), .number, .guide_id] | join(" ")' | sort
}
# All that was seen so far stays as it was; what is new is added to it.
remember() {
	lineup >"$T/now"
	awk 'FILENAME == known { was[$1] = $0; next }
		$1 in was && was[$1] != $0 { print "# it was " was[$1] ", and is " $0; bad = 1 }
		!($1 in was) { print >>known }
		END { exit bad }' known="$T/known" "$T/known" "$T/now" || fail "step $1: a channel has moved"
	equal "step $1: numbers that two have" "$(cut -d' ' -f2 "$T/known" | sort | uniq -d)" ""
}
served() {
	curl -s "$(bridge url)/lineup.json"
	curl -s -o "$T/guide.xml" -w '%{http_code}\n' "$(bridge url)/xmltv.xml"
}
# What goes wrong with each in turn, and what the operator is told of it.
list_faults=(html bomb 401 shrink 429 cut endless empty)
panel_faults=(expired bomb refused 403 shrink stall 500 endless)
declare -A why=(
	[html]='web page' [bomb]='unpacks to far more|no playlist|too large' [endless]='no playlist|too large' [cut]='partial file'
	[stall]='came to a stop' [401]='status 401' [403]='status 403' [429]='status 429: too many' [500]='status 500'
	[shrink]='shrank from' [empty]='no channel in it' [expired]='not active: Expired' [refused]='user or password'
)

it "has a channel of each entry, with the other provider's as its backup, and both guides' word"
set_provider 0 good
: >"$T/known"
bridge start
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
remember 0
equal "channels" "$(wc -l <"$T/known")" "$COUNT"
equal "without a backup" "$(bridge ctl --json lineup | jq '[.channels[] | select(.source == "import" and .backups != 1)] | length')" 0
until_true 20 eval 'served >/dev/null; grep -q "Show 1 of 2" "$T/guide.xml"' || fail "there is no guide"
account=$(bridge ctl --json lineup | jq -c '.providers[] | select(.name == "panel") | [.account, .max_connections, .active_connections, (.expires > 0)]')
equal "the account" "$account" '["Active",2,0,true]'
expect "the account in the status" eval 'bridge ctl status | grep -q "^panel .*Active until 20.*, 0/2 in use"'
equal "and in its JSON" "$(bridge status '.providers[] | select(.name == "panel") | .account.status')" Active

it "keeps every number and id through fifty refreshes, and its last good lineup and guide through each that fails"
for ((n = 1; n <= 50; n++)); do
	who=list
	[ $((n % 2)) = 1 ] || who=panel
	if ((n % 3 == 0)); then
		if [ "$who" = list ]; then mode=${list_faults[n / 6]}; else mode=${panel_faults[n / 6 - 1]}; fi
		served >"$T/before"
		set_provider "$n" "$mode"
		bridge ctl refresh "$who" >"$T/refresh.out" 2>&1 && fail "step $n: $mode was taken: $(cat "$T/refresh.out")"
		expect "step $n: why $mode was refused ($(cat "$T/refresh.out"))" grep -qE "$who: .*(${why[$mode]})" "$T/refresh.out"
		served >"$T/after"
		cmp -s "$T/before" "$T/after" || fail "step $n: $mode changed the lineup"
	else
		[ $((n % 10)) != 0 ] || who=
		set_provider "$n" "$([ $((n % 25)) = 1 ] && echo slow || echo good)"
		# shellcheck disable=SC2086
		bridge ctl refresh $who >"$T/refresh.out" || fail "step $n is refused: $(cat "$T/refresh.out")"
		remember "$n"
	fi
	grep -q 'secretword' "$T/refresh.out" && fail "step $n: the password is shown"
done
at_least "what is absent" "$(bridge ctl --json lineup | jq '.absent | length')" 1
expect "the operator was told" test "$(bridge log 'event=import.refused' | wc -l)" -ge 16

it "reads its journal after being killed at any moment of a refresh"
for ((n = 51; n <= 56; n++)); do
	set_provider "$n" good
	bridge ctl refresh >"$T/refresh.out" 2>&1 &
	asker=$!
	sleep "0.$(printf '%03d' $((RANDOM % 250)))"
	kill -KILL "$(bridge pid)"
	wait "$(bridge pid)" "$asker" 2>/dev/null
	bridge_launch || give_up "it doesn't start after a kill"
	bridge log 'event=journal.damaged' && fail "kill $n: the journal is damaged"
	remember "$n, killed"
	bridge ctl refresh >"$T/refresh.out" || fail "kill $n: the refresh after it is refused: $(cat "$T/refresh.out")"
	remember "$n"
done

it "has all of them again, as they were, when all are back"
set_provider 0 good
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
remember last
equal "channels" "$(wc -l <"$T/now")" "$COUNT"
sort "$T/known" | cmp -s - "$T/now" || fail "it is not what was known"
equal "absent" "$(bridge ctl --json lineup | jq '.absent | length')" 0
until_true 20 eval 'served >/dev/null; grep -q "Show 1 of 2" "$T/guide.xml"' || fail "the guide is lost"
id=$(awk '$1 == 2 { print $3 }' "$T/known")
expect "the guide's id of a channel" grep -q "channel=\"$id\"" "$T/guide.xml"
cat "$T/bridge.log" "$T/guide.xml" <(bridge ctl --json lineup) <(bridge ctl dump) | grep -q secretword && fail "the password is shown"

bridge stop; [ "$bridge_status" = 0 ] || fail "it ended with $bridge_status"
finish
