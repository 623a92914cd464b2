#!/bin/bash
# plexbridgectl: what people and scripts see of a running bridge, and what nobody may see.
. "${0%/*}/ask.sh"

it "when nothing runs it exits 111 and says what to do"
for command in status channels reload health dump 'show config' 'import --dry-run http://h.example/x.m3u'; do
	# shellcheck disable=SC2086 # words
	"$PROGRAMS/plexbridgectl" -s "$T/nothing.sock" $command >"$T/out" 2>"$T/said"
	equal "exit status of $command" $? 111
	equal "output of $command" "$(cat "$T/out")" ''
	expect "advice of $command" grep -q "^plexbridgectl: $T/nothing.sock: .*is plexbridged running" "$T/said"
done
"$PROGRAMS/plexbridgectl" -s "$T/nothing.sock" --json status >"$T/out" 2>"$T/said"
equal "exit status with --json" $? 111

it "a wrong command or option is refused with the usage, and exits 2"
for command in '' fly 'show' 'show everything' 'status now' --fly 'import --fly'; do
	# shellcheck disable=SC2086 # words
	"$PROGRAMS/plexbridgectl" $command >"$T/out" 2>"$T/said"
	equal "exit status of '$command'" $? 2
	expect "usage for '$command'" grep -q '^usage: plexbridgectl' "$T/said"
done
for command in 'why 5 --since never' "import $T/list.m3u" "restart $(printf '%0300d' 1)"; do
	# shellcheck disable=SC2086 # words
	"$PROGRAMS/plexbridgectl" -s "$T/nothing.sock" $command >"$T/out" 2>"$T/said"
	equal "exit status of '$command'" $? 2
	expect "a reason for '$command'" grep -q '^plexbridgectl: ' "$T/said"
done

origin_start a b
host=$(origin url)
host=${host#http://}
bridge config <<INI
[tuner]
name = Wohnzimmer
tuner_count = 3
[stream]
linger = 30s
[provider home]
playlist = http://list-user:SECRET1@provider.example/get.php?username=u&password=SECRET2
max_streams = 9
[channel 5.1]
name = Первый канал – das Überlange mit Umlauten, 日本語放送 und noch viel mehr dahinter
url = http://viewer:SECRET3@$host/a/master.m3u8?token=SECRET4&quality=high
header = Authorization: Bearer SECRET5
header = X-Session: SECRET6
provider = home
group = Nachrichten
[channel 100000.999]
name = Second
url = http://$host/b/master.m3u8
logo = http://logos.example/b.png?key=SECRET7
[channel 8]
name = In the path
url = http://$host/live/SECRET11/SECRET12/8.ts
[channel 7]
name = Fails
url = http://u:SECRET8@$host/nothing/SECRETPATH/master.m3u8?password=SECRET9&sig=SECRET10
INI
bridge start

# width FILE: of its longest line, in columns (a CJK character has two).
width() {
	wc -L <"$1"
}

it "status of an idle bridge says so"
bridge ctl status >"$T/out"
equal "exit status" $? 0
expect "first line" grep -q -E "^plexbridged [0-9.]+, pid $(bridge pid), up " "$T/out"
expect "no channel" grep -q 'no channel is running' "$T/out"

viewer start v1 /auto/v5.1 --header 'User-Agent: Агент with a very long name/1.2.3 (something; else; entirely; 日本語) and more'
viewer start v2 /auto/v5.1
viewer start v3 /auto/v100000.999 --header 'User-Agent: VLC/3.0.20 LibVLC/3.0.20'
for v in v1 v2 v3; do
	viewer wait $v bytes=150000
done
error /auto/v7 >"$T/out"
error /auto/v8 >"$T/out"

it "the status table has channels, workers and clients, and fits 80 columns whatever their names"
for locale in C.UTF-8 C; do
	LC_ALL=$locale bridge ctl status >"$T/table.$locale"
	equal "exit status" $? 0
	at_most "columns in $locale" "$(width "$T/table.$locale")" 80
	at_least "lines in $locale" "$(wc -l <"$T/table.$locale")" 12
	for word in CHANNEL NAME TUNER STATE CLIENTS RESERVE 5.1 100000.999 live 127.0.0.1 "$(bridge worker 5.1)" '2 of 3 busy'; do
		expect "$word in $locale" grep -q -F -- "$word" "$T/table.$locale"
	done
	LC_ALL=$locale bridge ctl channels >"$T/channels.$locale"
	at_most "columns of the channels in $locale" "$(width "$T/channels.$locale")" 80
	equal "channels in $locale" "$(grep -c -E '^(5.1|7|8|100000.999) ' "$T/channels.$locale")" 4
done
expect "a name in its letters" grep -q 'Первый' "$T/table.C.UTF-8"
equal "bytes above ASCII in the C locale" "$(LC_ALL=C grep -c '[^ -~]' "$T/table.C")" 0
expect "an agent" grep -q 'VLC/' "$T/table.C"
expect "it is valid UTF-8" eval "iconv -f UTF-8 -t UTF-8 '$T/table.C.UTF-8' >/dev/null"

it "--json gives all of it to scripts: supervisor, spare, channels, streams, workers, clients, upstream"
bridge wait 'all(.streams[]; .upstream.bytes > 0 and .upstream.media_kbps > 0)' # figures come once a second
bridge ctl --json status >"$T/status.json"
has() { # has FILTER: true of the status
	holds "$1" "$T/status.json"
}
has '.supervisor | (.pid == '"$(bridge pid)"') and (.version | type == "string") and (.uptime_s >= 0) and (.loop_turn_ms_max >= 0)'
has '.supervisor.tuners == {"count": 3, "busy": 2}'
has '.supervisor.listeners == ["127.0.0.1:'"$bridge_port"'"]'
has '.supervisor.memory | .spools > 0 and .limit > .spools'
has '.spare | .pid > 0 and .state == "warm" and (.uptime_s | type == "number")'
has '.channels.count == 4'
has '.streams | length == 2'
has '[.streams[] | .channel] | sort == ["100000.999", "5.1"]'
has 'all(.streams[]; .worker | (.pid > 0) and (.state | type == "string") and (.uptime_s | type == "number") and (.restarts == 0))'
has 'all(.streams[]; .tuner >= 0 and .state == "live" and .reserve_s >= 0 and .window_s >= 0 and .bytes > 0 and .memory > 0)'
has '[.streams[] | select(.channel == "5.1") | .clients[]] | length == 2'
has 'all(.streams[].clients[]; .address == "127.0.0.1" and (.agent | type == "string") and .seconds >= 0 and .bytes > 0 and .behind_live_s >= 0 and .state == "playing")'
has '[.streams[].clients[].id] | unique | length == 3'
has 'all(.streams[].upstream; .http_status == 200 and .bytes > 0 and .requests > 2 and .errors == 0 and .segments > 0 and .segments_lost == 0 and .media_kbps > 0 and .latency_ms >= 0 and .throughput_kbps >= 0 and .quality == "normal")'
has '.streams[] | select(.channel == "5.1") | .name | startswith("Первый")'

it "what the JSON says of bytes is what the viewers have"
viewer check v3 status=200 clean=true
bridge wait '[.streams[] | select(.channel == "100000.999")][0].clients == []'
at_least "bytes in the log" "$(bridge log 'event=client.close channel=100000.999' | sed 's/.* bytes=\([0-9]*\).*/\1/')" "$(viewer get v3 bytes)"
equal "state without clients" "$(bridge status '.streams[] | select(.channel == "100000.999") | .state')" lingering

it "health, dump and show config answer in JSON, reload in words"
equal "health" "$(bridge ctl health)" healthy
equal "health as JSON" "$(bridge ctl --json health | jq -c .)" '{"ok":true,"reasons":[]}'
expect dump eval "bridge ctl dump | jq -e '.tunes.begun == 4 and .workers.deaths == 0 and .tuner_port.taken == 5 and .turns.count > 0' >/dev/null"
expect "show config" eval "bridge ctl show config | jq -e . >/dev/null"
expect "settings as in the file" eval "bridge ctl show config | grep -q '\"30s\"\|30000'"
equal "reload" "$(bridge ctl reload)" 'the configuration was read again'

it "the control socket answers any HTTP client, and knows nothing else"
curl -s --unix-socket "$T/control.sock" http://x/api/status | jq -e .supervisor.pid >"$T/out"
equal pid "$(cat "$T/out")" "$(bridge pid)"
equal "no such path" "$(curl -s -o "$T/out" -w '%{http_code}' --unix-socket "$T/control.sock" http://x/api/nothing)" 404
equal "GET of reload" "$(curl -s -o "$T/out" -w '%{http_code}' --unix-socket "$T/control.sock" http://x/api/reload)" 405
equal "the API on the tuner's port" "$(get /api/status)" 404

it "no password, token or header of a source is in any answer, in the log, or in the list of processes"
kill -USR1 "$(bridge pid)"
bridge wait-log 'event=dump.supervisor'
{
	for command in status channels dump health 'show config' '--json status' '--json channels' '--json dump'; do
		# shellcheck disable=SC2086 # words
		bridge ctl $command
	done
	for p in / /discover.json /lineup.json /lineup.xml /status.json /health; do
		curl -s "$(bridge url)$p"
	done
	cat "$T/bridge.log"
	for pid in "$(bridge pid)" $(children "$(bridge pid)"); do
		tr '\0' '\n' <"/proc/$pid/cmdline"
		tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null
		cat "/proc/$pid/comm"
	done
} >"$T/all" 2>&1
at_least "bytes looked at" "$(wc -c <"$T/all")" 10000
for s in 1 2 3 4 5 6 8 9 10 11 12; do
	equal "SECRET$s" "$(grep -n -w "SECRET$s" "$T/all" | head -n 3)" ''
done
expect "the failure of channel 7 is there, with its address" grep -q "event=stream.failed channel=7 .*HTTP 404.*$host/nothing/" "$T/all"
expect "the origin got them all the same" test "$(origin log '[.[].head | select(test("SECRET4") and test("Bearer SECRET5") and test("SECRET6"))] | length')" -gt 0

it "someone who may not use the socket is told what is needed"
if [ "$(id -u)" = 0 ] && id nobody >/dev/null 2>&1 && [ "$run_user" != nobody ]; then
	setpriv --reuid=nobody --clear-groups "$PROGRAMS/plexbridgectl" -s "$T/control.sock" status >"$T/out" 2>"$T/said"
	equal "exit status" $? 111
	expect "advice" grep -q 'be root, or in the group plexbridge' "$T/said"
else
	skip "needs root and a user nobody beside the bridge's"
fi

for v in v1 v2; do
	viewer check $v status=200 clean=true closed=no
done
finish
