#!/bin/bash
# Media servers as they are known to behave: what each asks for, in its order, and how strictly it reads it.
. "${0%/*}/ask.sh"

origin_start a b c d e f
bridge config <<-INI
	[tuner]
	tuner_count = 1
	numbers = 1-9
	[tuner channels]
	tuner_count = 1
	numbers = 10
	[tuner closer]
	tuner_count = 1
	numbers = 20-22
	[stream]
	linger = 5s
	tune_timeout = 5s
	[channel 5.1]
	name = First
	url = @ORIGIN@/a/master.m3u8
	[channel 6]
	name = Second
	url = @ORIGIN@/b/master.m3u8
	[channel 10]
	name = Channels DVR's
	url = @ORIGIN@/c/master.m3u8
	[channel 20]
	name = Third
	url = @ORIGIN@/d/master.m3u8
	[channel 21]
	name = Fourth
	url = @ORIGIN@/e/master.m3u8
	[channel 22]
	name = Silent
	url = @ORIGIN@/f/master.m3u8
INI
bridge start

# What takes its time goes on beside all the rest, each on a tuner of its own; it is looked at below.
viewer start v3 /channels/auto/v10
origin fault channel=f,kind=segment,fault=stall-head
viewer wait v3 bytes=300000
origin fault channel=c,kind=segment,fault=stall-head,hold=5000,count=3
"$top_builddir/tests/bench/closer" "$bridge_port" /closer/auto/v20 /closer/auto/v21 12 /closer/auto/v22 \
    >"$T/closings" 2>"$T/closer.err" &
closer=$!
others+=($closer)
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
	HOME=$T/vlc timeout 60 setpriv --reuid="$(id -u nobody)" --regid="$(id -g nobody)" --clear-groups \
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
equal "streams" "$(bridge log 'event=stream.state channel=5.1 .*from=tuning' | wc -l)" 1

it "a tuner whose viewer has closed is another channel's at once"
for i in 1 2 3; do
	taste /auto/v5.1 >/dev/null
	at_least "channel 6, $i" "$(taste /auto/v6)" 188
	equal "status, $i" "$(head -n 1 "$T/head")" "HTTP/1.1 200 OK"
done
# What lingers gives way; and nobody is shown as watching who isn't there.
viewer start v2 /auto/v6
viewer wait v2 bytes=50000
equal "TargetIP" "$(curl -s "$base/status.json" | jq -r '.[0].TargetIP')" 127.0.0.1
kill -KILL "${viewer_pid[v2]}"
wait "${viewer_pid[v2]}" 2>/dev/null
unset "viewer_pid[v2]"
nobody_watches() { [ "$(curl -s "$base/status.json" | jq -r '.[0].TargetIP // empty')" = "" ]; }
expect "nobody" until_true 5 nobody_watches

it "a closed connection frees its tuner within 50 ms of what this machine takes for a request, watching or waiting"
expect "closings" wait $closer
equal "closings" "$(wc -l <"$T/closings")" 12
# The halves are of those who watched, and of those who waited for media.
for kind in 0 1; do
	free=$(awk -v k=$kind 'NR % 2 == k { print $1 }' "$T/closings" | sort -n | sed -n 3p)
	turn=$(cut -d ' ' -f 2 "$T/closings" | sort -n | sed -n 6p)
	at_most "ms until it is free, the median, where a request takes $turn" "$free" \
	    "$(awk -v turn="$turn" 'BEGIN { print 50 + 2 * turn }')"
done

it "Channels DVR is never left 6 s without a byte, though the source says nothing for 5"
viewer wait v3 ms=12000
viewer check v3 'largest_gap_ms<=5999' closed=no

it "no change can be made on the tuner port"
for method in POST PUT DELETE PATCH; do
	statuses=$(curl -s -o /dev/null -X $method -w '%{http_code} ' "$base"/{api/reload,api/restart,api/upgrade,api/status,reload})
	equal "$method" "$(tr ' ' '\n' <<<"$statuses" | grep -c -x -E '400|404|405|501')" 5
done
equal "channels" "$(curl -s "$base/lineup.json" | jq length)" 2

finish
