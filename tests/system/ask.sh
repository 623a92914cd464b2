# ask.sh - more words for the tests of what plexbridged answers (see lib.sh)
#
#	. "${0%/*}/ask.sh"
#	origin_start a b
#	equal status "$(get /discover.json)" 200
#	equal type "$(field Content-Type)" 'application/json; charset="utf-8"'
#	equal answer "$(raw 'GET / HTTP/9.9\r\n\r\n')" 505
#
#   origin_start NAME...      live channels that all play the test card: no ffmpeg is needed
#   get | field | headers     one answer of the tuner port
#   raw | hostile | hostility what curl would never send (hostile.c)
#   peak_memory | descriptors of a process
. "${0%/*}/lib.sh"

# origin_start NAME...: each at /NAME/master.m3u8, segments of a second.
origin_start() {
	local name options=()
	for name in "$@"; do
		options+=(--channel "name=$name,file=$top_srcdir/share/testcard.ts,seg=1,win=8")
	done
	origin start "${options[@]}"
}

# get PATH [CURL OPTION...]: prints the status; the head is in $T/head, the body in $T/body. 000: no answer.
get() {
	local path=$1
	shift
	: >"$T/body"
	curl -s -g --path-as-is -m 20 -D "$T/head.raw" -o "$T/body" -w '%{http_code}' "$@" "$(bridge url)$path"
	tr -d '\r' <"$T/head.raw" >"$T/head"
}

# taste PATH [CURL OPTION...]: the first 18800 bytes of a stream; prints how many came. Head and body as get.
taste() {
	local path=$1
	shift
	curl -s -g --path-as-is -m 20 -D "$T/head.raw" "$@" "$(bridge url)$path" 2>/dev/null | head -c 18800 >"$T/body"
	tr -d '\r' <"$T/head.raw" >"$T/head"
	wc -c <"$T/body"
}

# field NAME: its value in the last answer's head.
field() {
	sed -n "s/^$1: //Ip" "$T/head"
}

# error PATH [CURL OPTION...]: status, code of X-HDHomeRun-Error and bytes of the body: "503 805 0".
error() {
	local status
	status=$(get "$@")
	printf '%s %s %s\n' "$status" "$(field X-HDHomeRun-Error | cut -d ' ' -f 1)" "$(wc -c <"$T/body")"
}

# holds FILTER [FILE]: a jq filter is true of a JSON file, $T/body when none is named.
holds() {
	jq -e "$1" "${2:-$T/body}" >/dev/null 2>&1 || fail "not true: $1"
}

# hostile [OPTION...] <BYTES: hostile.c, against the tuner port.
hostile() {
	"$top_builddir/tests/system/hostile" "$bridge_port" "$@"
}

# begin NAME [OPTION...] <BYTES: one in the background; returns when it has sent all or has failed. Reads from a
#	file, not from a pipe: NAME must be known to this shell.
# over NAME: waits for its end. away NAME: ends it. reports NAME: what it printed at its end.
declare -A hostile_pid=()
begin() {
	local name=$1
	shift
	# Without <&0 the shell would give it /dev/null.
	"$top_builddir/tests/system/hostile" "$bridge_port" "$@" >"$T/$name.out" <&0 &
	hostile_pid[$name]=$!
	others+=($!)
	until_true 60 grep -q '^sent' "$T/$name.out" || fail "$name: not all connected and sent"
}

over() {
	wait "${hostile_pid[$1]}"
}

away() {
	kill "${hostile_pid[$1]}"
	over "$1"
}

reports() {
	tail -n 1 "$T/$1.out"
}

# hostility REPORT: one word for what became of a single connection: a status, silent, broken or open.
hostility() {
	jq -r 'if .short > 0 then "short" elif .answers != {} then (.answers | keys[0])
	    elif .silent > 0 then "silent" elif .broken > 0 then "broken" else "open" end' "$1"
}

# raw FORMAT [OPTION...]: one connection that sends what printf makes of it; its hostility.
raw() {
	local format=$1
	shift
	# shellcheck disable=SC2059 # it is a format
	printf "$format" | hostile -o "$T/raw" "$@" >"$T/raw.out"
	tail -n 1 "$T/raw.out" >"$T/raw.json"
	hostility "$T/raw.json"
}

# peak_memory PID: kB that it ever had in memory.
peak_memory() {
	sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

# descriptors PID: how many it has open. Needs to be its user or root.
descriptors() {
	find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l
}

# children PID: pids of its own, whatever they do.
children() {
	cat /proc/[0-9]*/stat 2>/dev/null | sed -n "s/^\([0-9]*\) (.*) . $1 .*/\1/p"
}
