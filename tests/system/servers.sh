#!/bin/bash
# Media servers as they are known to behave: what each asks for, in its order, and how strictly it reads it.
. "${0%/*}/ask.sh"

origin_start a b
bridge config <<-INI
	[tuner]
	tuner_count = 1
	[stream]
	linger = 5s
	tune_timeout = 5s
	[channel 5.1]
	name = First
	url = @ORIGIN@/a/master.m3u8
	[channel 6]
	name = Second
	url = @ORIGIN@/b/master.m3u8
INI
bridge start
base=$(bridge url)
JSON='application/json; charset="utf-8"'

# is_json PATH FILTER [CURL OPTION...]: 200, JSON by its type and in fact, within a second, and the filter is true.
is_json() {
	local path=$1 filter=$2
	shift 2
	equal "status of $path" "$(get "$path" -m 1 "$@")" 200
	equal "type of $path" "$(field Content-Type)" "$JSON"
	equal "length of $path" "$(field Content-Length)" "$(wc -c <"$T/body")"
	holds "$filter"
}

DISCOVER='(keys_unsorted == ["FriendlyName","ModelNumber","FirmwareName","FirmwareVersion","DeviceID","DeviceAuth","BaseURL","LineupURL","TunerCount"])
	and ([.FriendlyName,.ModelNumber,.FirmwareName,.FirmwareVersion,.DeviceID,.DeviceAuth,.BaseURL,.LineupURL] | all(type == "string" and . != ""))
	and (.TunerCount | type == "number" and . == 1) and (.DeviceID | test("^[0-9A-F]{8}$")) and (.DeviceAuth | length == 24)
	and (.FirmwareVersion | test("^[0-9]+$")) and .LineupURL == .BaseURL + "/lineup.json" and (.LineupURL | contains("?") | not)
	and (.ModelNumber | ascii_downcase | contains("hdtc") | not)'
STATUS='.ScanInProgress == 0 and .ScanPossible == 1 and .Source == "Cable" and (.SourceList | index("Cable") != null)
	and (.ScanInProgress | type == "number")'
LINEUP='type == "array" and length == 2 and all(.GuideNumber | type == "string" and test("^[1-9][0-9]*([.][0-9]+)?$"))
	and (map(.GuideNumber) | unique | length == 2) and all(.GuideName | type == "string")
	and all((has("DRM") | not) and (.URL | test("^http://[^?]+/auto/v[0-9.]+$")))'
PLEX='User-Agent: PlexMediaServer/1.43.0.10492-121068a07'

it "Plex adds it: what it is, what it has, a scan that is over at once"
is_json /discover.json "$DISCOVER" -H "$PLEX" -H 'Accept-Encoding: gzip'
is_json /lineup_status.json "$STATUS" -H "$PLEX"
is_json /lineup_status.json "$STATUS" -H "$PLEX"
is_json /lineup.json "$LINEUP" -H "$PLEX"
equal "device.xml" "$(get /device.xml -H "$PLEX")" 200
equal "type of device.xml" "$(field Content-Type)" 'application/xml; charset="utf-8"'
equal "its serial number" "$(sed -n 's#.*<serialNumber>\(.*\)</serialNumber>.*#\1#p' "$T/body")" "$(bridge status .supervisor.device_id)"
equal "scan" "$(get '/lineup.post?scan=start&source=Cable' -X POST -H "$PLEX" -H 'Content-Type: application/x-www-form-urlencoded' -H 'Content-Length: 0')" 200
equal "its body" "$(wc -c <"$T/body")" 0
is_json /lineup_status.json "$STATUS" -H "$PLEX"
is_json '/lineup.json?foo=bar' "$LINEUP" -H "$PLEX"

it "Plex tunes it: lineup, device, status, then the URL of the number, as its transcoder opens it"
is_json /lineup.json "$LINEUP"
url=$(jq -r '.[] | select(.GuideNumber == "5.1") | .URL' "$T/body")
is_json /discover.json "$DISCOVER"
is_json /lineup_status.json "$STATUS"
equal "bytes" "$(taste "${url#"$base"}" -H 'User-Agent: Lavf/60.16.100' -H 'Accept: */*' -H 'Range: bytes=0-' -H 'Connection: close' -H 'Icy-MetaData: 1')" 18800
equal "line" "$(head -n 1 "$T/head")" "HTTP/1.1 200 OK"
equal "type" "$(field Content-Type)" video/mpeg
for f in Content-Length Transfer-Encoding Accept-Ranges Content-Range; do
	equal "$f" "$(field $f)" ""
done
equal "packets" "$(od -An -v -tx1 -w188 "$T/body" | cut -c2-3 | sort | uniq -c | tr -s ' ')" " 100 47"

it "Plex sees that it lives, in half a second, while a viewer watches and the channel is tuned"
viewer start v1 /auto/v5.1
viewer wait v1 bytes=100000
for i in 1 2 3; do
	is_json /discover.json "$DISCOVER" -m 0.5
	is_json /lineup_status.json "$STATUS" -m 0.5
done
is_json /status.json '.[0].Resource == "tuner0" and .[0].VctNumber == "5.1" and (.[0].NetworkRate | type == "number") and .[0].TargetIP == "127.0.0.1"'

it "Jellyfin adds it and is refused without a body, which it would record"
is_json /discover.json '.DeviceID and .TunerCount' -H 'User-Agent: Jellyfin-Server/10.9.0' -H 'Accept-Encoding: gzip, deflate, br'
equal "not compressed" "$(field Content-Encoding)" ""
is_json /lineup.json 'map(select(.DRM | not)) | length == 2' -H 'Accept-Encoding: gzip, deflate, br'
equal "no tuner left" "$(error /auto/v6)" "503 805 0"
equal "no such channel" "$(error /auto/v99)" "404 801 0"
equal "as the real one lists it when it's a playlist" "$(get /auto/v5.1 -I) $(field Content-Type)" "200 video/mpeg"

it "VLC is refused, asks once more as HTTP/1.0, and is refused again without waiting"
if command -v cvlc >/dev/null && [ "$(id -u)" = 0 ]; then
	refused=$(bridge log 'event=tune.refused channel=6' | wc -l)
	mkdir "$T/vlc"
	chown nobody "$T/vlc"
	HOME=$T/vlc timeout 20 setpriv --reuid="$(id -u nobody)" --regid="$(id -g nobody)" --clear-groups \
	    cvlc -q --no-audio --no-video --play-and-exit "$base/auto/v6" vlc://quit >"$T/vlc.out" 2>&1
	equal "requests" "$(($(bridge log 'event=tune.refused channel=6' | wc -l) - refused))" 2
else
	skip "no VLC, or not root"
fi

it "Kodi opens, reads the status, closes and opens again, with one tuner"
viewer stop v1
for i in 1 2 3 4 5; do
	at_least "first bytes, $i" "$(taste /auto/v5.1 -H 'User-Agent: Kodi/20.5')" 188
	at_least "again, $i" "$(taste /auto/v5.1 -H 'User-Agent: Kodi/20.5')" 188
done
equal "tunes" "$(bridge ctl --json dump | jq .tunes.begun)" 1

it "a tuner whose viewer has closed is another channel's at once"
for i in 1 2 3; do
	taste /auto/v5.1 >/dev/null
	at_least "channel 6, $i" "$(taste /auto/v6)" 188
	equal "status, $i" "$(head -n 1 "$T/head")" "HTTP/1.1 200 OK"
done
# What lingers gives way; what is counted is that the supervisor knows of the closed connection: TargetIP is gone.
viewer start v2 /auto/v6
viewer wait v2 bytes=50000
kill -KILL "${viewer_pid[v2]}"
wait "${viewer_pid[v2]}" 2>/dev/null
unset "viewer_pid[v2]"
for ((ms = 0; ms < 2000; ms += 10)); do
	[ -n "$(curl -s "$base/status.json" | jq -r '.[0].TargetIP // empty')" ] || break
	sleep 0.01
done
at_most "milliseconds, with what asking takes" "$ms" 500

it "Channels DVR is never left 6 s without a byte, though the source says nothing for 5"
viewer start v3 /auto/v5.1
viewer wait v3 bytes=300000
origin fault channel=a,kind=segment,fault=stall-head,hold=5000,count=3
viewer wait v3 ms=12000
origin clear
viewer check v3 'largest_gap_ms<=5999' closed=no

it "no change can be made on the tuner port"
for path in /api/reload /api/restart /api/upgrade /api/status /reload; do
	for method in POST PUT DELETE PATCH; do
		status=$(get "$path" -X $method)
		[ "$status" = 404 ] || [ "$status" = 405 ] || [ "$status" = 400 ] || [ "$status" = 501 ] || fail "$method $path: $status"
	done
done
equal "channels" "$(curl -s "$base/lineup.json" | jq length)" 2

finish
