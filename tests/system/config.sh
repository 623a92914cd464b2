#!/bin/bash
# Configurations: wrong ones are explained and change nothing, right ones take effect without closing a stream.
. "${0%/*}/ask.sh"

origin_start a b
bridged() {
	"$PROGRAMS/plexbridged" "$@"
}

# says NUMBER KEY WHAT: $T/said has a line for line NUMBER of the file that names KEY and says WHAT (grep -E).
says() {
	grep -E "^$T/wrong.ini:$1: (.* )?$2: .*$3" "$T/said" >/dev/null ||
	    fail "no line says of line $1: $2: ... $3: $(grep "^$T/wrong.ini:$1:" "$T/said")"
}

cat >"$T/wrong.ini" <<-'INI'
	[server]
	listen = here:5004
	allow = everybody
	colour = blue
	user = plexbridge:admin
	memory = 1k
	[tunner]
	name = x
	[tuner]
	tuner_count = 0
	device_id = 12345678
	name = 
	[stream]
	reserve = 90ms
	linger = 5 parsecs
	variant = huge
	prefetch = many
	[fetch]
	backoff = 20s
	backoff_max = 10s
	private_targets = perhaps
	[channel 5.1]
	name = First
	url = ftp://cdn.example/first.m3u8
	[channel 0]
	url = http://cdn.example/zero.m3u8
	[channel 6]
	name = No source
	[channel 7]
	url = http://cdn.example/7.m3u8
	provider = nobody
	[channel 8]
	url = http://cdn.example/8.m3u8
	header = no colon
	logo = logo.png
	backup1 = /relative.m3u8
	[channel 8]
	url = http://user:secret@cdn.example/8-again.m3u8?token=secret
	just words
	= no key
INI

it "plexbridged -n names every wrong line with file, line, key and what would be right, and exits 2"
bridged -n -f "$T/wrong.ini" >"$T/out" 2>"$T/said"
equal "exit status" $? 2
says 2 listen 'address'
says 3 allow ''
says 4 colour ''
says 5 user ''
says 6 memory 'less than 64M'
expect "line 7" grep -q "^$T/wrong.ini:7: .*tunner" "$T/said"
says 10 tuner_count 'less than 1'
says 11 device_id ''
says 12 name ''
says 14 reserve 'less than 2s'
says 15 linger ''
says 16 variant ''
says 17 prefetch ''
says 20 backoff 'backoff_max'
says 21 private_targets 'yes'
says 24 url 'http'
expect "line 25" grep -q "^$T/wrong.ini:25: .*channel 0" "$T/said"
expect "line 27" grep -q "^$T/wrong.ini:27: .*url" "$T/said"
expect "line 29" grep -q "^$T/wrong.ini:29: .*provider.*nobody" "$T/said"
says 34 header ''
says 35 logo 'http'
says 36 backup1 'http'
expect "line 37" grep -q "^$T/wrong.ini:37: .*line 32" "$T/said"
expect "line 39" grep -q "^$T/wrong.ini:39: " "$T/said"
expect "line 40" grep -q "^$T/wrong.ini:40: " "$T/said"
equal "lines with no fault that are named" \
    "$(sed -n "s#^$T/wrong.ini:\([0-9]*\):.*#\1#p" "$T/said" | grep -x -E '1|9|13|18|22|23|26|28|30|31|33|38')" ''
equal "secrets that are shown" "$(grep -c secret "$T/said")" 0

it "a start with a wrong file says the same, exits 100 and binds nothing"
port=$((20000 + RANDOM % 12000))
bridged -f "$T/wrong.ini" -o "server.listen=127.0.0.1:$port" -o "server.control=$T/wrong.sock" 2>"$T/said.start" >"$T/out"
equal "exit status" $? 100
expect "the lines are the same" eval "[ \"\$(grep -c . '$T/said.start')\" -ge 20 ]"
expect "no socket" test ! -e "$T/wrong.sock"
expect "no port" eval "! (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null"

it "a file that isn't there, can't be read or is a folder is an error when -f names it"
for f in "$T/not-there.ini" "$T/files"; do
	bridged -n -f "$f" >"$T/out" 2>"$T/said"
	equal "-n: exit status with $f" $? 2
	expect "it is named" grep -q -F "$f" "$T/said"
	bridged -f "$f" >"$T/out" 2>"$T/said"
	equal "exit status with $f" $? 100
	expect "it is named" grep -q -F "$f" "$T/said"
done

it "a file that may not be read is an error too"
if [ "$(id -u)" != 0 ]; then
	echo >"$T/closed.ini"
	chmod 000 "$T/closed.ini"
	bridged -n -f "$T/closed.ini" >"$T/out" 2>"$T/said"
	equal "exit status" $? 2
	expect "it is named" grep -q "^$T/closed.ini:.*denied" "$T/said"
else
	skip "root may read everything"
fi

it "without -f a default file that isn't there means the embedded default"
default=$(bridged --help | sed -n 's/.*(default \(.*\))/\1/p')
expect "the default file is named by --help" test -n "$default"
if [ -n "$default" ] && [ ! -e "$default" ]; then
	equal "answer" "$(bridged -n)" "the embedded default: right, 1 channels"
else
	skip "there is $default on this machine"
fi

it "the default file is where the manuals say"
case $("$top_builddir/config.status" --config) in
*prefix=* | *sysconfdir=*) skip "configured for another place" ;;
*) equal "it" "$default" /etc/plexbridge/plexbridge.ini ;;
esac

it "an option on the command line is checked as the file is"
bridged -n -f /dev/null -o server.listen=nowhere -o nothing.x=1 -o stream.linger=1y >"$T/out" 2>"$T/said"
equal "exit status" $? 2
for w in listen nothing linger; do
	expect "$w" grep -q -- "$w" "$T/said"
done

it "the project's own commented plexbridge.ini is right"
f=$top_srcdir/dist/plexbridge.ini
[ -e "$f" ] || f=$(find "$top_srcdir" -name plexbridge.ini -not -path '*/tests/*' | head -n 1)
bridged -n -f "$f" >"$T/out" 2>"$T/said"
equal "exit status with $f" $? 0
equal "what it says" "$(cat "$T/said")" ''
expect "how many channels" grep -q 'right, 1 channels' "$T/out"

it "with an empty configuration there is one channel, the test card"
bridged -n -f /dev/null >"$T/out"
equal "exit status" $? 0
bridge config </dev/null
bridge start
equal "lineup" "$(curl -s "$(bridge url)/lineup.json" | jq -c 'map([.GuideNumber, .GuideName])')" '[["1","Test Card"]]'
bridge stop

it "a user that doesn't exist is exit 100, and the line says so"
if [ "$(id -u)" = 0 ]; then
	for o in user worker_user; do
		bridged -f /dev/null -o "server.listen=127.0.0.1:$port" -o "server.control=$T/u.sock" -o "server.state_dir=$T/u" \
		    -o "server.user=$run_user" -o "server.worker_user=$worker_user" -o "server.$o=no-such-user" 2>"$T/said"
		equal "exit status, $o" $? 100
		expect "$o" grep -q 'event=start.failed exit=100 why=".*no-such-user' "$T/said"
		expect "nothing is bound" test ! -e "$T/u.sock"
	done
else
	skip "not root: users are not changed"
fi

it "a port that is taken is exit 111, and the line names the address"
bridge config <<'INI'
[channel 1]
name = One
url = @ORIGIN@/a/master.m3u8
[channel 2]
name = Two
url = @ORIGIN@/b/master.m3u8
INI
bridge start
bridged -f "$T/plexbridge.ini" "${server_options[@]}" -o "server.listen=127.0.0.1:$bridge_port" -o "server.control=$T/c2.sock" 2>"$T/said"
equal "exit status" $? 111
expect "address" grep -q "event=start.failed exit=111 why=\".*127.0.0.1:$bridge_port.*in use" "$T/said"
expect "the first one is not disturbed" test "$(get /health)" = 200

it "a wrong file at SIGHUP changes nothing and says why; every stream plays on"
viewer start v1 /auto/v1
viewer start v2 /auto/v2
viewer wait v1 bytes=50000
viewer wait v2 bytes=50000
workers="$(bridge worker 1) $(bridge worker 2)"
cp "$T/plexbridge.ini" "$T/right.ini"
get /lineup.json >/dev/null
cp "$T/body" "$T/lineup.before"
bridge ctl show config >"$T/config.before"
cat "$T/wrong.ini" >"$T/plexbridge.ini"
kill -HUP "$(bridge pid)"
bridge wait-log 'event=reload.refused'
equal "errors in the log" "$(bridge log 'event=reload.error' | wc -l)" "$(bridged -n -f "$T/plexbridge.ini" 2>&1 | wc -l)"
get /lineup.json >/dev/null
expect "the lineup is the old one" cmp -s "$T/body" "$T/lineup.before"
bridge ctl show config >"$T/config.now"
expect "the settings are the old ones" cmp -s "$T/config.now" "$T/config.before"
rm "$T/plexbridge.ini"
kill -HUP "$(bridge pid)"
bridge wait-log 'event=reload.error .*plexbridge.ini.*No such file'
get /lineup.json >/dev/null
expect "the lineup is the old one without a file" cmp -s "$T/body" "$T/lineup.before"
equal workers "$(bridge worker 1) $(bridge worker 2)" "$workers"

it "a right file at SIGHUP changes lineup and settings, and closes no stream that is not itself removed"
cat >"$T/plexbridge.ini" <<-INI
	[server]
	listen = 127.0.0.1:1
	[tuner]
	name = Renamed
	tuner_count = 7
	[channel 1]
	name = One again
	url = $(origin url)/a/master.m3u8
	[channel 3]
	name = Three
	url = $(origin url)/b/master.m3u8
INI
kill -HUP "$(bridge pid)"
bridge wait-log 'event=reload channels=2'
get /lineup.json >/dev/null
equal lineup "$(jq -c 'map([.GuideNumber, .GuideName])' "$T/body")" '[["1","One again"],["3","Three"]]'
get /discover.json >/dev/null
equal "name and tuners" "$(jq -c '[.FriendlyName, .TunerCount]' "$T/body")" '["Renamed",7]'
viewer wait v2 closed=yes
viewer check v2 closed=peer
expect "why it was ended" grep -q 'event=client.close channel=2 .*why="removed"' "$T/bridge.log"
equal "its number" "$(error /auto/v2)" '404 801 0'
at_least "bytes of the new channel" "$(taste /auto/v3)" 18800
seen=$(progress v1 bytes)
viewer wait v1 bytes=$((seen + 100000))
equal "worker of the channel that stays" "$(bridge worker 1)" "${workers% *}"
viewer check v1 status=200 closed=no clean=true
viewer whole v1 "$top_srcdir/share/testcard.ts"

it "plexbridgectl reload says what is wrong, or what waits for a restart"
printf 'colour = blue\n' >>"$T/plexbridge.ini"
bridge reload && fail "a wrong file was taken"
expect "it is named" grep -q 'plexbridge.ini:[0-9]*: .*colour' "$T/reload.out"
sed -i '/^colour/d; s/^name = Renamed/&\ndevice_id = 105902DB/' "$T/plexbridge.ini"
expect "reload" bridge reload
expect "what waits" grep -q 'restart.*device_id' "$T/reload.out"
expect "another reload" bridge reload
expect "what still waits" grep -q 'restart.*device_id' "$T/reload.out"
equal "what is in force" "$(bridge ctl show config | jq -r .tuner.device_id)" auto
bridge stop

it "ten thousand channels load, and their lineup is answered from memory"
{
	for ((i = 1; i <= 10000; i++)); do
		printf '[channel %d]\nname = Channel number %d\nurl = http://user%d:pass@cdn.example/live/%d/master.m3u8?token=0123456789abcdef\n' \
		    $i $i $i $i
	done
	printf '[channel 20000]\nname = Real\nurl = @ORIGIN@/a/master.m3u8\n'
} | bridge config
machine watch
bridge start
equal "channels" "$(curl -s "$(bridge url)/lineup.json" | jq length)" 10001
equal "last" "$(curl -s "$(bridge url)/lineup.json" | jq -r '.[10000].GuideName')" Real
rm "$T/plexbridge.ini"
equal "channels without the file" "$(curl -s "$(bridge url)/lineup.json" | jq length)" 10001
at_least "bytes of the last channel" "$(taste /auto/v20000)" 18800
at_most "longest turn of the loop, ms" "$(bridge status .supervisor.loop_turn_ms_max)" $((100 + $(machine worst)))
sanitized || at_most "kB of memory" "$(peak_memory "$(bridge pid)")" 32768

finish
