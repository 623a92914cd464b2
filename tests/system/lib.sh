# lib.sh - the words that system tests are written in
#
# A system test is tests/system/NAME.sh. It starts the real programs, looks
# from the viewer's end, and speaks TAP, a point for each sentence:
#
#	. "${0%/*}/lib.sh"
#	origin start --channel "name=a,file=$(media hi),seg=2"
#	bridge config <<-INI
#		[channel 5.1]
#		name = First
#		url = @ORIGIN@/a/master.m3u8
#	INI
#	bridge start
#
#	it "plays, and goes on when its worker is killed"
#	viewer start v1 /auto/v5.1
#	viewer wait v1 bytes=200000
#	kill -KILL "$(bridge worker 5.1)"
#	viewer wait v1 bytes=600000
#	viewer check v1 clean=true closed=no
#	finish
#
# The words (each is described where it is defined):
#
#	it SENTENCE | expect WHAT CMD... | fail WHY | skip WHY | finish
#	origin start|url|fault|clear|log|stats
#	files  start|url|dir
#	bridge config|start|stop|reload|url|pid|worker|status|wait|log|wait-log|ctl|watch-memory|peak
#	viewer start|wait|stop|get|check|smooth|whole
#	journal hide|show
#	machine watch|worst
#	media NAME
#
#   waits     for events, at most $PATIENCE seconds; only in here
#   ports     the kernel's or, where a program wants to be told, a free one
#   places    all files are in $T, which is removed at the end, unless
#             something failed and KEEP is set
#   end       whatever was started is ended, by pid, however the test ends
#   root      the bridge gets users that exist; as another user it runs as that

set -u
LC_ALL=C.UTF-8
export LC_ALL
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY 2>/dev/null

# PATIENCE: seconds for whatever is waited for. TIMES=1: say how long each sentence took.
PATIENCE=${PATIENCE:-60}
readonly top_srcdir=${top_srcdir:-$(cd "${0%/*}/../.." && pwd)}
readonly top_builddir=${top_builddir:-$PWD}
PROGRAMS=${PB_BINDIR:-$top_builddir}

tests=0          # points so far
failures=0
sentence=""      # of the point that is being tested
sentence_bad=""  # not empty: it failed
sentence_skip="" # not empty: why it was not tested
bridge_pid=
bridge_port=
bridge_status=
origin_pid=
origin_urls=
files_pid=
files_url=
declare -A viewer_pid=()
declare -a others=() # pids of what else was started
machine_pid=

# ---- TAP -------------------------------------------------------------------

say() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

close_sentence() {
	[ -n "$sentence" ] || return 0
	tests=$((tests + 1))
	if [ -n "$sentence_skip" ]; then
		printf 'ok %d - %s # SKIP %s\n' "$tests" "$sentence" "$sentence_skip"
	elif [ -z "$sentence_bad" ]; then
		printf 'ok %d - %s\n' "$tests" "$sentence"
	else
		printf 'not ok %d - %s\n' "$tests" "$sentence"
		failures=$((failures + 1))
		show_evidence
	fi
	[ -z "${TIMES:-}" ] || say "$(($(date +%s%N) / 1000000 - sentence_ms)) ms"
	sentence="" sentence_bad="" sentence_skip=""
}

# it SENTENCE: what follows tests this, until the next one or finish.
it() {
	close_sentence
	sentence=$1
	[ -z "${TIMES:-}" ] || sentence_ms=$(($(date +%s%N) / 1000000))
}

# fail WHY: the sentence is not true. The test goes on: what comes later may say why.
fail() {
	sentence_bad=yes
	say "$sentence: $*"
	return 1
}

# skip WHY: this sentence can't be tested here.
skip() {
	sentence_skip=$1
}

# skip_all WHY: nothing in this file can be.
skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

# expect WHAT COMMAND...: the command must succeed.
expect() {
	local what=$1
	shift
	"$@" || fail "$what: $* failed"
}

# equal WHAT GOT WANTED
equal() {
	[ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

# at_most WHAT GOT LIMIT and at_least: numbers, whole or not.
at_most() {
	awk -v a="$2" -v b="$3" 'BEGIN { exit !(a != "" && a + 0 <= b + 0) }' || fail "$1 is '$2', more than $3"
}

at_least() {
	awk -v a="$2" -v b="$3" 'BEGIN { exit !(a != "" && a + 0 >= b + 0) }' || fail "$1 is '$2', less than $3"
}

# finish: the plan, last, so that a test that dies before is an error.
finish() {
	close_sentence
	printf '1..%d\n' "$tests"
	exit $((failures > 0))
}

# give_up WHY: without this no sentence can be tested.
give_up() {
	say "$*"
	show_evidence
	printf 'Bail out! %s\n' "$*"
	exit 99
}

show_evidence() {
	local f
	for f in "$T"/bridge.log "$T"/origin.err "$T"/files.err; do
		[ -s "$f" ] || continue
		say "---- ${f##*/}, the last lines"
		tail -n 60 "$f" | cut -c1-400 | sed 's/^/# /'
	done
}

# ---- the beginning and the end ----------------------------------------------

# wait_dead PID: up to 12 s, then it is killed, and 1 is returned.
wait_dead() {
	local pid=$1 i
	for ((i = 0; i < 240; i++)); do
		kill -0 "$pid" 2>/dev/null || { wait "$pid" 2>/dev/null; return 0; }
		nap 0.05
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return 1
}

leave() {
	local status=$? pid
	trap - EXIT INT TERM HUP
	for pid in "${viewer_pid[@]}" "${others[@]}" $bridge_pid $origin_pid $files_pid $machine_pid; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in "${viewer_pid[@]}" "${others[@]}" $bridge_pid $origin_pid $files_pid $machine_pid; do
		wait_dead "$pid"
	done
	if [ -n "${KEEP:-}" ] && [ "$status" != 0 ]; then
		say "kept: $T"
	else
		rm -rf "$T"
	fi
	exit "$status"
}

# user_for ROLE FALLBACK: a user that exists on this machine.
user_for() {
	if id -u "$1" >/dev/null 2>&1; then
		printf '%s\n' "$1"
	else
		printf '%s\n' "$2"
	fi
}

prepare() {
	local p
	for p in jq curl "$top_builddir"/tests/system/{peek,standstill}; do
		command -v "$p" >/dev/null || skip_all "no $p"
	done
	T=$(mktemp -d "${TMPDIR:-/tmp}/plexbridge-test.XXXXXX") || exit 99
	trap leave EXIT
	trap 'exit 99' INT TERM HUP
	chmod 755 "$T"
	mkdir "$T/state" "$T/files"
	server_options=(-o "server.control=$T/control.sock" -o "server.state_dir=$T/state"
		-o discovery.hdhomerun=no -o discovery.ssdp=no)
	for p in plexbridged plexbridge-worker plexbridge-guide plexbridge-origin plexbridgectl; do
		[ -x "$PROGRAMS/$p" ] || give_up "$PROGRAMS/$p is not there: make all"
	done
	[ "$(id -u)" = 0 ] || return 0
	run_user=$(user_for plexbridge nobody)
	worker_user=$(user_for plexbridge-worker daemon)
	server_options+=(-o "server.user=$run_user" -o "server.worker_user=$worker_user")
	chown "$run_user" "$T" "$T/state"
	# Root is given up before workers are started: what only root may reach, they may not.
	if ! setpriv --reuid="$run_user" --clear-groups test -x "$PROGRAMS/plexbridge-worker" 2>/dev/null; then
		mkdir "$T/bin"
		for p in plexbridged plexbridge-worker plexbridge-guide plexbridge-origin plexbridgectl; do
			cp "$PROGRAMS/$p" "$T/bin/$p"
		done
		PROGRAMS=$T/bin
	fi
}

# sanitized: are the programs built with a sanitizer? Their memory says nothing then.
sanitized() {
	grep -q '__asan_init\|__tsan_init\|__ubsan_handle' "$PROGRAMS/plexbridge-worker"
}

# nap SECONDS: sleep without a process: one costs more than most of what is waited for.
exec {nap_fd}<> <(:)
nap() {
	read -r -t "$1" -u "$nap_fd" _
	return 0
}

# until_true SECONDS COMMAND...: asks every 50 ms.
until_true() {
	local left=$(($1 * 20))
	shift
	until "$@"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		nap 0.05
	done
}

# machine watch: from now on, how long does it make somebody wait who only wants to run? See standstill.c.
# machine worst: so many milliseconds at the most.
machine() {
	case $1 in
	watch)
		[ ! -e "$T/machine" ] || return 0
		"$top_builddir/tests/system/standstill" "$T/machine" &
		machine_pid=$!
		until_true 10 test -s "$T/machine" || give_up "nobody watches the machine"
		;;
	worst)
		awk '{ printf "%d\n", $1 }' "$T/machine"
		;;
	*)
		give_up "machine $1: no such word"
		;;
	esac
}

# peek: see peek.c. What is asked often is asked by one process.
peek() {
	"$top_builddir/tests/system/peek" "$@"
}

# ---- media -------------------------------------------------------------------

# media NAME: the path of a file that media.sh makes (once a build folder). 1: it can't be made here.
media() {
	"$top_srcdir/tests/system/media.sh" "$top_builddir/tests/system/media" "$1" 2>"$T/media.err"
}

# need_media NAME...: make them, or skip the file.
need_media() {
	local m
	for m in "$@"; do
		media "$m" >/dev/null || { sed 's/^/# /' "$T/media.err"; skip_all "can't make the media '$m'"; }
	done
}

# ---- origin ------------------------------------------------------------------

has_listening() {
	[ "$(grep -c '^listening ' "$1")" -ge "$2" ] || ! kill -0 "$3" 2>/dev/null
}

# origin start OPTION...: plexbridge-origin with these; one port, unless --listen is among them.
# origin url [N]: of its Nth port (from 1).
# origin fault SPEC | clear [SPEC]: what goes wrong from now on (channel=..,kind=..,fault=..,value=..,for=..).
# origin log [JQ]: its requests, an array; with a filter, what jq -r makes of it.
# origin stats [JQ]
origin() {
	local verb=$1 n=1 o
	shift
	case $verb in
	start)
		for o in "$@"; do
			[ "$o" = --listen ] && n=$((n + 1))
		done
		[ "$n" = 1 ] || n=$((n - 1))
		: >"$T/origin.out"
		"$PROGRAMS/plexbridge-origin" --log 65536 "$@" >"$T/origin.out" 2>"$T/origin.err" </dev/null &
		origin_pid=$!
		until_true 30 has_listening "$T/origin.out" "$n" "$origin_pid"
		origin_urls=$(sed -n 's/^listening //p' "$T/origin.out")
		[ "$(printf '%s\n' "$origin_urls" | grep -c http)" = "$n" ] || give_up "the origin doesn't start"
		;;
	url)
		printf '%s\n' "$origin_urls" | sed -n "${1:-1}p"
		;;
	fault)
		curl -s -S -f -X POST "$(origin url)/_/fault?${1//,/&}" >/dev/null || fail "the origin refuses the fault $1"
		;;
	clear)
		curl -s -S -f -X POST "$(origin url)/_/clear?${1:+${1//,/&}}" >/dev/null || fail "the origin refuses to clear"
		;;
	log)
		peek "${origin_urls%%$'\n'*}/_/log?since=0" "${1:-.}"
		;;
	stats)
		peek "${origin_urls%%$'\n'*}/_/stats" "${1:-.}"
		;;
	*)
		give_up "origin $verb: no such word"
		;;
	esac
}

# ---- files -------------------------------------------------------------------

# files start: an HTTP server for $(files dir), for what the origin doesn't say by itself: a file NAME
# is served as it is; NAME.http is a whole answer, head and all, for /NAME.
# files url | dir
files() {
	case $1 in
	start)
		: >"$T/files.out"
		"$top_builddir/tests/system/files" "$T/files" >"$T/files.out" 2>"$T/files.err" </dev/null &
		files_pid=$!
		until_true 30 has_listening "$T/files.out" 1 "$files_pid"
		files_url=$(sed -n 's/^listening //p' "$T/files.out")
		[ -n "$files_url" ] || give_up "the file server doesn't start"
		;;
	url)
		printf '%s\n' "$files_url"
		;;
	dir)
		printf '%s\n' "$T/files"
		;;
	*)
		give_up "files $1: no such word"
		;;
	esac
}

# ---- bridge ------------------------------------------------------------------

# The started bridge answers on its control socket, or has ended.
bridge_answers() {
	peek -t 30 -p "$bridge_pid" "$T/control.sock" .supervisor >/dev/null
}

# It has a worker to spare, and will have within 30 s.
bridge_warm() {
	peek -t 30 -p "$bridge_pid" "$T/control.sock" '.spare.state == "warm"' >/dev/null
}

# Ports from 20000 on, below those that the kernel gives away. One that is taken is found out by binding it.
bridge_launch() {
	local try file=()
	if [ -e "$T/plexbridge.ini" ]; then
		file=(-f "$T/plexbridge.ini")
	elif [ -e /etc/plexbridge/plexbridge.ini ]; then
		: >"$T/plexbridge.ini" # "no configuration" must not be that of this machine
		file=(-f "$T/plexbridge.ini")
	fi
	for ((try = 0; try < 50; try++)); do
		bridge_port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		"$PROGRAMS/plexbridged" "${file[@]}" -o "server.listen=127.0.0.1:$bridge_port" "${server_options[@]}" "$@" \
		    >"$T/bridge.out" 2>>"$T/bridge.log" </dev/null &
		bridge_pid=$!
		bridge_answers
		kill -0 "$bridge_pid" 2>/dev/null && return 0
		wait "$bridge_pid"
		bridge_status=$?
		bridge_pid=
		[ "$bridge_status" = 111 ] || return 1 # 111: the port is taken
	done
	return 1
}

# bridge config: the configuration comes from standard input; @ORIGIN@, @ORIGIN2@ and @FILES@ are their URLs.
#	Ports, sockets, users and discovery are set over it. Without one the bridge starts without -f.
# bridge start [OPTION...]: plexbridged with these; returns when it answers and has a warm worker.
# bridge stop: asks it to end; bridge_status is its exit status.
# bridge reload: returns when the configuration is in force, or 1 when it was refused.
# bridge url | pid | worker CHANNEL: the last gives the worker's pid.
# bridge status [JQ]: the status, or what jq -r makes of it. bridge ctl ARGUMENT...: plexbridgectl.
# bridge wait JQ: until the filter is true of the status.
# bridge log [PATTERN]: the log (lines that match grep -E). bridge wait-log PATTERN.
# bridge watch-memory: from now on; bridge peak: the most that any worker had resident since, in KiB.
bridge() {
	local verb=$1
	shift
	case $verb in
	config)
		sed -e "s#@ORIGIN@#$(origin url 1)#g" -e "s#@ORIGIN2@#$(origin url 2)#g" -e "s#@FILES@#$files_url#g" \
		    >"$T/plexbridge.ini"
		;;
	start)
		bridge_launch "$@" || give_up "plexbridged doesn't start"
		bridge_warm || give_up "plexbridged has no warm worker"
		;;
	stop)
		kill -TERM "$bridge_pid" 2>/dev/null
		until_true 12 eval "! kill -0 $bridge_pid 2>/dev/null" || fail "plexbridged doesn't end within 12 s"
		kill -KILL "$bridge_pid" 2>/dev/null
		wait "$bridge_pid"
		bridge_status=$?
		bridge_pid=
		;;
	reload)
		bridge ctl reload >"$T/reload.out" 2>&1
		;;
	url)
		printf 'http://127.0.0.1:%s\n' "$bridge_port"
		;;
	pid)
		printf '%s\n' "$bridge_pid"
		;;
	worker)
		bridge status ".streams[] | select(.channel == \"$1\") | .worker.pid // empty"
		;;
	status)
		peek "$T/control.sock" "${1:-.}"
		;;
	ctl)
		"$PROGRAMS/plexbridgectl" -s "$T/control.sock" "$@"
		;;
	wait)
		bridge_says "$PATIENCE" "$1" || fail "the bridge's status never was: $1 ($(bridge status '.streams | tojson'))"
		;;
	log)
		grep -E -e "${1:-}" "$T/bridge.log"
		;;
	watch-memory)
		watch_memory &
		others+=($!)
		;;
	peak)
		sort -n "$T/peaks" | tail -n 1
		;;
	wait-log)
		peek -t "$PATIENCE" -l "$T/bridge.log" "$1" || fail "the log never said: $1"
		;;
	*)
		give_up "bridge $verb: no such word"
		;;
	esac
}

# The kernel keeps each process's peak; so a look now and then is enough to have it before it dies.
watch_memory() {
	local pid key value
	trap - EXIT
	while [ -e "/proc/$bridge_pid" ]; do
		for pid in $(<"/proc/$bridge_pid/task/$bridge_pid/children"); do
			while read -r key value _; do
				case $key in
				Name:) [[ $value == plexbridge-work* ]] || break ;;
				VmHWM:)
					echo "$value"
					break
					;;
				esac
			done <"/proc/$pid/status"
		done
		nap 0.05
	done >"$T/peaks" 2>/dev/null
}

# bridge_says SECONDS JQ: is it true, or does it become so?
bridge_says() {
	peek -t "$1" "$T/control.sock" "$2" >/dev/null
}

# journal hide | show: the bridge can't read it, or can again.
journal() {
	case $1 in
	hide)
		chmod 000 "$T/state/lineup.journal"
		[ "$(id -u)" != 0 ] || chown root "$T/state/lineup.journal"
		;;
	show)
		[ "$(id -u)" != 0 ] || chown "$run_user" "$T/state/lineup.journal"
		chmod 640 "$T/state/lineup.journal"
		;;
	*)
		give_up "journal $1: no such word"
		;;
	esac
}

# ---- viewer ------------------------------------------------------------------

# A progress file's value: bytes, status, ms, closed.
progress() {
	local progress_value
	read_progress "$1" "$2"
	[ -z "$progress_value" ] || printf '%s\n' "$progress_value"
}

# The same in the caller's progress_value, without a process.
read_progress() {
	local key value
	progress_value=
	while IFS='=' read -r key value; do
		[ "$key" != "$2" ] || progress_value=$value
	done 2>/dev/null <"$T/$1.progress"
}

viewer_reached() {
	local name=$1 pair have progress_value
	shift
	for pair in "$@"; do
		read_progress "$name" "${pair%%=*}"
		have=$progress_value
		case $pair in
		closed=yes) [ -n "$have" ] && [ "$have" != no ] ;;
		closed=*) return 2 ;;
		*) [ "${have:-0}" -ge "${pair#*=}" ] ;;
		esac || return 1
	done
}

viewer_reached_or_over() {
	viewer_reached "$@" || ! kill -0 "${viewer_pid[$1]:-0}" 2>/dev/null
}

# What the report says of each KEY, a line each: at its top, or of the analysis, or of PIDs (video.KEY, audio.KEY:
# the first such).
report() {
	local name=$1
	shift
	jq -r '
		def first_of($kind): [.analysis.pids[]? | select(.kind == $kind)][0] // {};
		def value($k):
			if $k | startswith("video.") then first_of("video")[$k[6:]]
			elif $k | startswith("audio.") then first_of("audio")[$k[6:]]
			elif $k | startswith("clients.") then .clients[$k[8:]]
			elif $k == "error_code" then (.error_code // "" | split(" ")[0] // "")
			elif $k == "closed" then (if .closed == "peer" or .closed == "error" then .closed else "no" end)
			elif has($k) then .[$k] else .analysis[$k] end;
		value($ARGS.positional[])' "$T/$name.json" --args "$@" 2>/dev/null
}

# undisturbed_gap MORE [VIEWER...]: the largest pause in ms that is no bridge's doing, and MORE: what one of
#	these viewers saw to whom nothing happened, or what the machine did to everybody on one of its processors.
undisturbed_gap() {
	local more=$1 v
	shift
	for v; do
		viewer stop "$v"
	done
	{
		machine worst
		for v; do
			report "$v" largest_gap_ms
		done
	} | awk -v more="$more" '$1 > most { most = $1 } END { print most + more }'
}

# viewer start NAME PATH|URL [OPTION...]: plexbridge-origin --view; what it saw goes to $T/NAME.ts.
# viewer wait NAME bytes=N|ms=N|status=N|closed=yes...: until it has got so far.
# viewer stop NAME: ends it; its report is in $T/NAME.json then.
# viewer get NAME KEY: one figure of the report; error_code is its number alone.
# viewer check NAME KEY=VALUE | KEY<=N | KEY>=N...: ends it and compares. closed=no: nobody but us ended it.
# viewer smooth NAME REFERENCE...: no pause over 200 ms more than an undisturbed viewer of this run had, or than this
#	machine kept somebody waiting.
# viewer whole NAME MEDIA: what came is one piece of the looped MEDIA: no picture lost, none repeated.
viewer() {
	local verb=$1 name=$2 bad="" path pair key want
	local -a have
	shift 2
	case $verb in
	start)
		path=$1
		shift
		case $path in
		http:*) ;;
		*) path=$(bridge url)$path ;;
		esac
		rm -f "$T/$name.json" "$T/$name.progress"
		"$PROGRAMS/plexbridge-origin" --view "$path" --progress "$T/$name.progress" --output "$T/$name.ts" "$@" \
		    >"$T/$name.json" 2>"$T/$name.err" </dev/null &
		viewer_pid[$name]=$!
		machine watch
		;;
	wait)
		until_true "$PATIENCE" viewer_reached_or_over "$name" "$@"
		viewer_reached "$name" "$@" ||
		    fail "$name did not get to $*, but to $(tr '\n' ' ' <"$T/$name.progress" 2>/dev/null)"
		;;
	stop)
		[ -n "${viewer_pid[$name]:-}" ] || return 0
		kill -TERM "${viewer_pid[$name]}" 2>/dev/null
		wait_dead "${viewer_pid[$name]}" || fail "the viewer $name doesn't end"
		unset "viewer_pid[$name]"
		;;
	get)
		report "$name" "$1"
		;;
	check)
		viewer stop "$name"
		mapfile -t have < <(report "$name" "${@%%[<>=!]*}")
		for pair in "$@"; do
			key=${pair%%[<>=!]*}
			want=${pair#"$key"}
			case $want in
			'<='*) at_most "$name: $key" "${have[0]}" "${want#<=}" ;;
			'>='*) at_least "$name: $key" "${have[0]}" "${want#>=}" ;;
			'!='*) [ "${have[0]}" != "${want#!=}" ] || fail "$name: $key is ${have[0]}" ;;
			*) equal "$name: $key" "${have[0]}" "${want#=}" ;;
			esac || bad=yes
			have=("${have[@]:1}")
		done
		[ -z "$bad" ] || jq -c '{status, error_code, closed, bytes, largest_gap_ms, media_ms: .analysis.media_ms,
			faults: .analysis.faults}' "$T/$name.json" 2>/dev/null | sed 's/^/# /'
		;;
	smooth)
		viewer stop "$name"
		at_most "$name: largest_gap_ms" "$(report "$name" largest_gap_ms)" "$(undisturbed_gap 200 "$@")" ||
		    say "it ended at $(report "$name" largest_gap_at_ms) ms of $(report "$name" total_ms);" \
			"the machine kept somebody waiting for $(machine worst) ms at the most"
		;;
	whole)
		viewer stop "$name"
		"$PROGRAMS/plexbridge-origin" --analyse "$1" --es-hash >"$T/$name.want"
		"$PROGRAMS/plexbridge-origin" --analyse "$T/$name.ts" --es-hash >"$T/$name.have"
		whole_video "$T/$name.want" "$T/$name.have" || fail "$name: pictures were lost or repeated"
		;;
	*)
		give_up "viewer $verb: no such word"
		;;
	esac
}

# whole_video WANT HAVE: are HAVE's pictures, but for the last, which may be cut, a piece of WANT's, repeated?
whole_video() {
	awk '
		function video(type) { return type == "1b" || type == "02" || type == "24" }
		!video($2) { next }
		NR == FNR { want[n++] = $4 "/" $5; next }
		{ have[m++] = $4 "/" $5 }
		END {
			m--
			if (n == 0 || m < 2) { print "# nothing to compare: " n " and " m " pictures"; exit 1 }
			best = -1
			for (s = 0; s < n; s++) {
				if (want[s] != have[0])
					continue
				for (i = 0; i < m && have[i] == want[(s + i) % n]; i++)
					;
				if (i == m)
					exit 0
				if (i > best) { best = i; at = (s + i) % n }
			}
			if (best < 0) { print "# the first picture is not in the media"; exit 1 }
			print "# pictures are as they should be up to number " best " of " m
			for (s = 0; s < n; s++)
				if (want[s] == have[best])
					print "# there comes picture " s " of the media, not " at
			exit 1
		}' "$1" "$2"
}

prepare
