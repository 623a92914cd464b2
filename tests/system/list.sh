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

finish
