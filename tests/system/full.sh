#!/bin/bash
# A disk that is full costs no number and no lineup, is told, and when there is room again all goes on by itself.
if [ "${1:-}" != inside ]; then
	[ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null || {
		echo "1..0 # SKIP needs root and a mount namespace of its own"
		exit 0
	}
	exec unshare -m "$0" inside
fi
. "${0%/*}/lib.sh"

mount -t tmpfs -o size=600k,mode=755 none "$T/state" 2>/dev/null || skip_all "can't mount"
trap 'status=$?; umount -l "$T/state"; (exit $status); leave' EXIT
chown "$run_user" "$T/state"
origin start --channel "name=a,file=$top_srcdir/share/testcard.ts,seg=2"
files start

# list COUNT: the provider has so many channels.
list() {
	seq "$1" | sed 's#.*#\#EXTINF:-1 tvg-id="c&.tv",Channel &\nhttp://h.example/&.ts#' >"$(files dir)/new"
	mv "$(files dir)/new" "$(files dir)/list.m3u"
}

lineup() {
	curl -s "$(bridge url)/lineup.json" | jq -r '.[] | .GuideNumber + " " + .GuideName'
}

has() { [ "$(lineup | wc -l)" = "$1" ]; }

bridge config <<'INI'
[provider home]
playlist = @FILES@/list.m3u
first_number = 100
[fetch]
private_targets = yes
INI
list 5
bridge start
expect "refresh" bridge ctl refresh >"$T/refresh.out"
before=$(lineup)
equal "channels" "$(echo "$before" | wc -l)" 5

it "what can't be written down is not shown, and who asked for it is told"
dd if=/dev/zero of="$T/state/fill" bs=1k 2>/dev/null
list 300
for i in 1 2; do
	bridge ctl refresh >"$T/refresh.out" && fail "it is said to be good: $(cat "$T/refresh.out")"
	expect "why ($(cat "$T/refresh.out"))" grep -q "the journal can't be written: No space left" "$T/refresh.out"
done
equal "lineup" "$(lineup)" "$before"
bridge ctl lineup >"$T/lineup.out"
expect "why in the lineup" grep -q "tried again: the journal can't be written: No space left" "$T/lineup.out"

it "it comes in force by itself when there is room"
rm "$T/state/fill"
until_true 60 has 300 || fail "there are $(lineup | wc -l) channels"
equal "the first ones" "$(lineup | head -n 5)" "$before"
bridge ctl refresh >"$T/refresh.out" || fail "it is refused: $(cat "$T/refresh.out")"
after=$(lineup)

it "and is the same after a restart"
bridge stop
bridge start
equal "lineup" "$(lineup)" "$after"

finish
