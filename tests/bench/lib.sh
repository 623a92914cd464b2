# lib.sh - what the benches share: programs started and ended, figures read from /proc, the table
#
# Sourced by run and soak (bash). Every program is started through start(),
# which notes its pid; the trap in bench_begin() ends what is left, by pid,
# and removes the folder, also on SIGINT, SIGTERM and SIGHUP. All traffic is to 127.0.0.1.
#
#   PB_BINDIR  folder of plexbridged, plexbridge-keeper, plexbridge-worker, plexbridge-origin, plexbridgectl
#   $T         the run's folder: programs, media, configurations, logs
#   $ROWS      the figures so far, tab-separated: part, name, ours, theirs, ratio, target, verdict, unit
# shellcheck shell=bash

PIDS=()
BENCH_MEDIA_S=12

say() {
	printf '== %s\n' "$*" >&2
}

die() {
	printf 'bench: %s\n' "$*" >&2
	exit 1
}

# pause SECONDS: a sleep that a signal to us ends; in the foreground its trap would run only when the sleep is over.
pause() {
	start pause sleep "$1"
	wait "$STARTED"
	unset "PIDS[$STARTED]"
}

# descendants PID: all processes below it.
descendants() {
	local pid
	for pid in $(children "$1"); do
		printf '%s\n' "$pid"
		descendants "$pid"
	done
}

# End what was started. Who doesn't go by itself is killed with all that is below it; the bridge promises 10 s.
stop_pids() {
	local pid tenths=120
	for pid in "$@"; do
		kill -TERM "$pid" 2>/dev/null || true
		kill -CONT "$pid" 2>/dev/null || true
	done
	for pid in "$@"; do
		while alive "$pid" && [ $((tenths--)) -gt 0 ]; do
			sleep 0.1
		done
		# shellcheck disable=SC2046 # a list of numbers
		! alive "$pid" || kill -KILL "$pid" $(descendants "$pid") 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		unset "PIDS[$pid]"
	done
}

# Nothing cuts this short. What was started in the very moment of a signal is no pid of ours yet, but a job of the shell.
bench_end() {
	local status=$? left
	trap - EXIT
	trap '' INT TERM HUP
	left=$({ printf '%s\n' "${!PIDS[@]}"; jobs -p; } | sort -u)
	# shellcheck disable=SC2086 # a list of numbers
	[ -z "$left" ] || stop_pids $left
	# What was measured until then is not lost with what could not be.
	[ "$status" = 0 ] || [ ! -s "${ROWS:-}" ] || print_table >&2 || true
	[ -z "${T:-}" ] || rm -rf "$T"
	exit "$status"
}

# The programs are copied: workers run as another user, who need not be able to read the build folder.
bench_begin() {
	local p
	: "${PB_BINDIR:?the folder with the programs}"
	T=$(mktemp -d "${TMPDIR:-/tmp}/plexbridge-bench.XXXXXX")
	trap bench_end EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	chmod 755 "$T"
	mkdir "$T/bin" "$T/state"
	for p in plexbridged plexbridge-keeper plexbridge-worker plexbridge-guide plexbridge-origin plexbridgectl; do
		install -m 755 "$PB_BINDIR/$p" "$T/bin/$p"
	done
	# Users that every system has; not used when we are not root.
	[ "$(id -u)" != 0 ] || chown daemon "$T" "$T/state"
	ROWS=$T/rows
	: >"$ROWS"
	export LC_ALL=C
	ulimit -Sn "$(ulimit -Hn)"
}

# start LOG COMMAND...: in the background; its pid is in $STARTED. Should we be killed, it gets SIGTERM (but not when it
# becomes another user: the kernel forgets it then).
start() {
	local log=$1
	shift
	setpriv --pdeathsig TERM "$@" >"$T/$log.out" 2>"$T/$log.err" </dev/null &
	STARTED=$!
	PIDS[STARTED]=1
}

alive() {
	kill -0 "$1" 2>/dev/null
}

# until_true SECONDS WHAT COMMAND...: ask ten times a second.
until_true() {
	local left=$(($1 * 10)) what=$2
	shift 2
	until "$@"; do
		[ $((left--)) -gt 0 ] || die "$what did not come about in time"
		sleep 0.1
	done
}

# ---- media ----------------------------------------------------------------

# media NAME WIDTHxHEIGHT VIDEO_KBPS AUDIO_KBPS: H.264 and AAC at a constant rate, a key frame a second.
media() {
	ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=$2:rate=25" -f lavfi -i sine=frequency=440:sample_rate=48000 \
	    -t "$BENCH_MEDIA_S" -vf noise=alls=20:allf=t -c:v libx264 -preset ultrafast -pix_fmt yuv420p \
	    -g 25 -keyint_min 25 -sc_threshold 0 -b:v "$3k" -minrate "$3k" -maxrate "$3k" -bufsize "$(($3 / 2))k" \
	    -x264-params nal-hrd=cbr -c:a aac -b:a "$4k" -f mpegts "$T/$1.ts" || die "ffmpeg could not make media"
	chmod 644 "$T/$1.ts"
}

# ---- programs -------------------------------------------------------------

port_of() {
	sed -n 's|^listening .*:\([0-9]*\)/\{0,1\}$|\1|p' "$T/$1.out" | head -n 1
}

has_port() {
	[ -n "$(port_of "$1")" ]
}

# origin NAME ARGUMENTS...: serves; base URL in $ORIGIN, pid in $ORIGIN_PID.
origin() {
	local name=$1
	shift
	start "$name" "$T/bin/plexbridge-origin" "$@"
	ORIGIN_PID=$STARTED
	until_true 10 "the origin" has_port "$name"
	ORIGIN=http://127.0.0.1:$(port_of "$name")
}

# A port that nobody listens on now, below those that the kernel gives to clients.
free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		ss -Hltn "sport = :$port" | grep -q . || break
	done
	printf '%s\n' "$port"
}

bridge_is_up() {
	alive "$BRIDGE_PID" || die "plexbridged ended: $(tail -n 3 "$T/bridge.err")"
	[ "$(curl -s -o /dev/null -m 2 -w '%{http_code}' "$BRIDGE/health")" = 200 ]
}

spare_is_warm() {
	"$T/bin/plexbridgectl" -s "$T/control.sock" status | head -n 1 | grep -q 'spare worker warm'
}

# bridge CONFIGURATION-LINES: beneath [stream]; channels come from $T/channels. URL in $BRIDGE, pid in $BRIDGE_PID.
bridge() {
	local port
	port=$(free_port)
	BRIDGE=http://127.0.0.1:$port
	{
		printf '[server]\nlisten = 127.0.0.1:%s\ncontrol = %s\nstate_dir = %s\n' "$port" "$T/control.sock" "$T/state"
		printf 'user = daemon\nworker_user = nobody\nlog_level = %s\n' "${BRIDGE_LOG:-warning}"
		printf '[discovery]\nhdhomerun = no\nssdp = no\n[tuner]\ntuner_count = 64\n[stream]\n%s\n' "$1"
		cat "$T/channels"
	} >"$T/bridge.ini"
	# shellcheck disable=SC2086
	start bridge ${BRIDGE_PREFIX:-} "$T/bin/plexbridged" -f "$T/bridge.ini"
	BRIDGE_PID=$STARTED
	until_true 15 "the bridge" bridge_is_up
	until_true 15 "a warm worker" spare_is_warm
}

# channels N URL-FORMAT: number i at the URL with %s for i.
channels() {
	local i
	for ((i = 1; i <= $1; i++)); do
		# shellcheck disable=SC2059
		printf "[channel %s]\nname = Channel %s\nurl = $2\n" "$i" "$i" "$i"
	done >"$T/channels"
}

# nginx NAME SERVER-BLOCK-LINES: one worker process, in the foreground. pid in $NGINX_PID, port in $NGINX_PORT.
nginx_start() {
	local name=$1 port
	port=$(free_port)
	mkdir -p "$T/$name"
	cat >"$T/$name/nginx.conf" <<-CONF
		daemon off;
		worker_processes 1;
		pid $T/$name/pid;
		error_log $T/$name/error.log;
		$([ "$(id -u)" != 0 ] || echo "user root;")
		events { worker_connections 8192; }
		http {
			access_log off;
			sendfile on;
			tcp_nopush on;
			client_body_temp_path $T/$name/body;
			proxy_temp_path $T/$name/proxy;
			fastcgi_temp_path $T/$name/fastcgi;
			uwsgi_temp_path $T/$name/uwsgi;
			scgi_temp_path $T/$name/scgi;
			server {
				listen 127.0.0.1:$port$3;
				$2
			}
		}
	CONF
	start "$name" nginx -p "$T/$name" -e "$T/$name/error.log" -c "$T/$name/nginx.conf"
	NGINX_PID=$STARTED
	NGINX_PORT=$port
	until_true 10 "nginx" port_is_open "$port"
}

port_is_open() {
	ss -Hltn "sport = :$1" | grep -q .
}

# ---- figures --------------------------------------------------------------

children() {
	cat /proc/"$1"/task/*/children 2>/dev/null
}

workers() {
	children "$BRIDGE_PID"
}

# cpu PID...: nanoseconds on a CPU, of all their threads.
cpu() {
	local pid
	for pid in "$@"; do
		cat /proc/"$pid"/task/*/schedstat 2>/dev/null
	done | awk '{ n += $1 } END { printf "%.0f\n", n }'
}

# Microseconds since boot.
now_us() {
	awk '{ printf "%.0f\n", $1 * 1e6 }' /proc/uptime
}

# written PID...: bytes that they wrote, to whatever.
written() {
	local pid
	for pid in "$@"; do
		cat "/proc/$pid/io" 2>/dev/null
	done | awk '/^wchar/ { n += $2 } END { printf "%.0f\n", n }'
}

# pss PID...: KiB, a line each; without the spool (which nobody maps; the state they do).
pss() {
	local pid
	for pid in "$@"; do
		awk '/^[0-9a-f]+-[0-9a-f]+ / { spool = /plexbridge-spool/ } /^Pss:/ && !spool { n += $2 } END { print n }' \
		    "/proc/$pid/smaps"
	done
}

# spool PID: bytes of memory that its spool takes.
spool() {
	local fd
	for fd in /proc/"$1"/fd/*; do
		case $(readlink "$fd") in
		*plexbridge-spool*) echo $(($(stat -L -c %b "$fd") * 512)) && return ;;
		esac
	done
	echo 0
}

# sent PORT: bytes that all clients of that port have acknowledged.
sent() {
	ss -Htin state established "sport = :$1" | awk '{
		for (i = 1; i <= NF; i++)
			if (sub(/^bytes_acked:/, "", $i))
				n += $i
	} END { printf "%.0f\n", n }'
}

# The share of both cores that nobody used: idle and all ticks, for idle_share.
ticks() {
	awk '/^cpu / { for (i = 2; i <= 9; i++) n += $i; print $5 + $6, n }' /proc/stat
}

# idle_share "BEFORE" "AFTER": per cent.
idle_share() {
	echo "$1 $2" | awk '{ printf "%.0f\n", ($3 - $1) * 100 / ($4 - $2) }'
}

# median: of numbers, a line each.
median() {
	sort -n | awk '{ v[NR] = $1 } END { if (NR == 0) exit 1; print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# worst: the largest of numbers, a line each.
worst() {
	sort -n | tail -n 1
}

calc() {
	awk "BEGIN { printf \"%.6g\\n\", $1 }"
}

# ---- the table ------------------------------------------------------------

# row PART NAME UNIT OURS THEIRS TARGET: at most TARGET times theirs.
row() {
	awk -v OFS='\t' -v part="$1" -v name="$2" -v unit="$3" -v ours="$4" -v theirs="$5" -v target="$6" 'BEGIN {
		ratio = theirs > 0 ? ours / theirs : -1
		print part, name, unit, ours, theirs, ratio, target, (ratio >= 0 && ratio <= target ? "ok" : "over")
	}' >>"$ROWS"
}

print_table() {
	awk -F '\t' '
		function figure(x) { return x == "-" ? x : x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.3f", x) }
		BEGIN { printf "%-36s %-6s %8s %8s %6s %6s %s\n", "", "", "ours", "theirs", "ratio", "target", "" }
		{ printf "%-36s %-6s %8s %8s %6.2f %6.2f %s\n", substr($2, 1, 36), $3, figure($4), figure($5), $6, $7, $8 }' "$ROWS"
}

print_json() {
	jq -Rn '[inputs | split("\t") | { part: .[0], name: .[1], unit: .[2], ours: (.[3] | tonumber),
	    theirs: (.[4] | tonumber), ratio: (.[5] | tonumber), target: (.[6] | tonumber), verdict: .[7] }]' "$ROWS"
}
