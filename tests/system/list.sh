#!/bin/bash
# plexbridge-guide by hand: what a bridge would take of a provider's list.
. "${0%/*}/lib.sh"

guide=$PROGRAMS/plexbridge-guide
cat >"$T/list.m3u" <<'M3U'
#EXTM3U
#EXTINF:-1 tvg-id="one.tv" group-title="News ;Sport",Ärzte TV
http://h.example/1.ts
#EXTINF:-1 group-title="Other",Café
http://h.example/2.ts
M3U
# names ARGUMENT...: of the channels that are listed with these.
names() {
	"$guide" --list "$T/list.m3u" "$@" 2>"$T/err" | jq -r .name | paste -sd,
}

it "chooses and renames by characters, whatever the shell's locale"
equal "all" "$(names)" 'Ärzte TV,Café'
equal "a letter's case, in a regex" "$(LC_ALL=C names 'include_name=~ärzte')" 'Ärzte TV'
equal "a letter's case, in a glob" "$(LC_ALL=C names 'include_name=äRZTE*')" 'Ärzte TV'
equal "without the last character" "$(LC_ALL=C names 'rename=~^(.*).$ => \1')" 'Ärzte T,Caf'
equal "a group with a blank behind it" "$(names include_group=news)" 'Ärzte TV'

# refuses WHY ARGUMENT...: it exits 1, says why and lists nothing.
refuses() {
	local why=$1
	shift
	"$guide" --list "$T/list.m3u" "$@" >"$T/out" 2>"$T/err"
	equal "$*: exit status" $? 1
	grep -q -- "$why" "$T/err" || fail "$*: it does not say '$why' but: $(cat "$T/err")"
	[ ! -s "$T/out" ] || fail "$*: it lists channels"
}

it "takes lists of patterns, and several of each"
equal "two in one" "$(names 'include_name=caf*, ~^x')" 'Café'
equal "two" "$(names 'include_name=~^x' 'include_name=caf*')" 'Café'
equal "other settings" "$(names limit=1 order=name quality=hd,4K vod=no radio=yes)" 'Ärzte TV'

it "refuses what the configuration would refuse, and says why"
refuses 'exclude_name: ~(: what follows ~ is no extended regular expression' 'exclude_name=~('
refuses 'includ_group=News: it is none of include_group=, ' includ_group=News
refuses 'include=News: it is none of' include=News
refuses 'News: it is none of' News
refuses 'order: bogus is none of source, name, group' order=bogus
refuses 'quality: Ultra: a list of 4K, FHD, HD and SD' quality=Ultra
refuses 'limit: -1' limit=-1
refuses 'vod: maybe: yes or no' vod=maybe
refuses 'rename: x: a rule is PATTERN => TEXT' rename=x
refuses 'rename: there is a control character' $'rename=a => b\nvod=yes'
refuses 'limit: ' order=bogus limit=many
expect "each of them" grep -q 'order: bogus' "$T/err"

finish
