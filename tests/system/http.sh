#!/bin/bash
# What the tuner port answers, as the media servers that will ask it expect it.
. "${0%/*}/ask.sh"

origin_start a b
bridge config <<'INI'
[server]
hosts = tv.local
[tuner]
name = Jane's "TV" & <Kitchen> Ä
tuner_count = 3
[stream]
tune_timeout = 2s
linger = 500ms
[channel 10]
name = Tenth
url = @ORIGIN@/b/master.m3u8
group = News
[channel 5.1]
name = "First" & <best> Ünï
url = @ORIGIN@/a/master.m3u8
logo = http://logos.example/first.png?a=1&b=2
guide_id = first.example
[channel 7]
name = Gone
url = @ORIGIN@/nothing/master.m3u8
[channel 8]
name = Mute
url = @ORIGIN@/b/master.m3u8?mute
[channel 9.10]
name = Page
url = @ORIGIN@/_/stats
INI
bridge start
base=$(bridge url)
JSON='application/json; charset="utf-8"'
XML='application/xml; charset="utf-8"'
HTML='text/html; charset="utf-8"'
NAME='Jane'\''s "TV" & <Kitchen> Ä'

# path, content type
pages=(
	/ "$HTML"
	/discover.json "$JSON"
	/lineup.json "$JSON"
	'/lineup.json?show=found' "$JSON"
	/lineup.xml "$XML"
	/lineup.m3u 'audio/x-mpegurl; charset="utf-8"'
	/lineup_status.json "$JSON"
	'/lineup.post?scan=start' 'text/plain; charset="utf-8"'
	/device.xml "$XML"
	/dri/device.xml "$XML"
	/capability "$XML"
	/status.json "$JSON"
	/health "$JSON"
)

# The lines of every answer: what, its length.
check_head() {
	equal "$1: Connection" "$(field Connection)" close
	equal "$1: Content-Length" "$(field Content-Length)" "$2"
	equal "$1: Access-Control-Allow-Origin" "$(field Access-Control-Allow-Origin)" '*'
	equal "$1: Server" "$(field Server)" HDHomeRun/1.0
	equal "$1: Cache-Control" "$(field Cache-Control)" no-cache
	equal "$1: Transfer-Encoding" "$(field Transfer-Encoding)" ''
	expect "$1: Date" grep -q -E '^Date: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT$' "$T/head"
}

it "every page has its type and its length, is closed behind, and never comes in chunks"
for ((i = 0; i < ${#pages[@]}; i += 2)); do
	p=${pages[i]}
	equal "$p" "$(get "$p" -H 'Accept-Encoding: gzip')" 200
	check_head "$p" "$(wc -c <"$T/body")"
	equal "$p: Content-Type" "$(field Content-Type)" "${pages[i + 1]}"
	equal "$p: Content-Encoding" "$(field Content-Encoding)" ''
done

it "HEAD says of every page what GET says, without the page"
for ((i = 0; i < ${#pages[@]}; i += 2)); do
	p=${pages[i]}
	get "$p" >/dev/null
	grep -v '^Date:' "$T/head" >"$T/head.get"
	equal "HEAD $p" "$(get "$p" -I)" 200
	expect "HEAD $p is GET's head" eval "grep -v '^Date:' '$T/head' | cmp -s - '$T/head.get'"
	equal "HEAD $p" "$(raw "HEAD ${p//%/%%} HTTP/1.1\r\nHost: x\r\n\r\n")" 200
	equal "HEAD $p: bytes behind the head" "$(tr -d '\r' <"$T/raw" | sed '1,/^$/d' | wc -c)" 0
done

it "discover.json has a real device's keys in their order, and numbers that are numbers"
get /discover.json >/dev/null
equal keys "$(jq -c keys_unsorted "$T/body")" \
    '["FriendlyName","ModelNumber","FirmwareName","FirmwareVersion","DeviceID","DeviceAuth","BaseURL","LineupURL","TunerCount"]'
equal types "$(jq -c 'map_values(type) | to_entries | map(select(.value != "string")) | map("\(.key) \(.value)")' "$T/body")" \
    '["TunerCount number"]'
equal FriendlyName "$(jq -r .FriendlyName "$T/body")" "$NAME"
equal model "$(jq -r '"\(.ModelNumber) \(.FirmwareName) \(.FirmwareVersion)"' "$T/body")" 'HDHR5-4US hdhomerun5_atsc 20250623'
equal BaseURL "$(jq -r .BaseURL "$T/body")" "$base"
equal LineupURL "$(jq -r .LineupURL "$T/body")" "$base/lineup.json"
equal TunerCount "$(jq .TunerCount "$T/body")" 3
holds '.DeviceAuth | test("^[A-Za-z0-9_-]{24}$")'

it "the DeviceID is upper-case, has a valid check digit and lies where clients expect HTTP"
id=$(jq -r .DeviceID "$T/body")
expect "$id" eval "[[ '$id' =~ ^105[0-9A-F]{5}$ ]]"
table=(10 5 15 6 7 12 1 11 9 2 8 13 4 3 14 0)
sum=0
for ((i = 0; i < 8; i++)); do
	n=$((16#${id:i:1}))
	sum=$((sum ^ (i % 2 == 0 ? table[n] : n)))
done
equal "check digit of $id" "$sum" 0

it "lineup.json is an array of all channels by number, with addresses that lead here"
get /lineup.json >/dev/null
equal channels "$(jq -c 'map([.GuideNumber, .GuideName])' "$T/body")" \
    '[["5.1","\"First\" & <best> Ünï"],["7","Gone"],["8","Mute"],["9.10","Page"],["10","Tenth"]]'
equal URLs "$(jq -r '.[] | .URL' "$T/body" | tr '\n' ' ')" \
    "$base/auto/v5.1 $base/auto/v7 $base/auto/v8 $base/auto/v9.10 $base/auto/v10 "
holds 'all(.[]; (.GuideNumber | type) == "string" and (has("DRM") or has("Favorite") | not))'
get '/lineup.json?show=found' >/dev/null
equal "Enabled of ?show=found" "$(jq -c 'map(.Enabled)' "$T/body")" '[1,1,1,1,1]'
get '/lineup.json?show=demo&tuning' >/dev/null
equal "keys with a foreign query" "$(jq -c '[.[] | keys_unsorted[]] | unique' "$T/body")" '["GuideName","GuideNumber","URL"]'

it "lineup.xml and lineup.m3u say the same, quoted as they have to be"
get /lineup.xml >/dev/null
expect "root" grep -q '^<Lineup>$' "$T/body"
equal programs "$(grep -c '<Program>' "$T/body")" 5
expect "first" grep -q -F '<GuideName>&quot;First&quot; &amp; &lt;best&gt; Ünï</GuideName>' "$T/body"
get /lineup.m3u >/dev/null
equal "first line" "$(head -n 1 "$T/body")" '#EXTM3U'
equal "addresses" "$(grep -c "^$base/auto/v" "$T/body")" 5
expect "attributes" grep -q 'channel-id="5.1" channel-number="5.1".*tvg-logo="http://logos.example/first.png?a=1&b=2"' "$T/body"

it "lineup_status.json never scans, and knows the sources that Plex knows"
get /lineup_status.json >/dev/null
equal status "$(jq -c . "$T/body")" '{"ScanInProgress":0,"ScanPossible":1,"Source":"Cable","SourceList":["Antenna","Cable"]}'

it "lineup.post takes GET and POST, and only what means nothing is 400"
for q in 'scan=start' 'scan=start&source=Cable' 'scan=abort' 'favorite=+7' 'favorite=%2B7' 'favorite=-5.1' 'favorite=x5.1'; do
	equal "POST ?$q" "$(error "/lineup.post?$q" -X POST -H 'Content-Type: application/x-www-form-urlencoded')" '200  0'
	equal "POST ?$q with Content-Length: 0" "$(error "/lineup.post?$q" --data '')" '200  0'
	equal "GET ?$q" "$(error "/lineup.post?$q")" '200  0'
done
for q in '' '?' '?scan=' '?scan=maybe' '?nothing=1'; do
	equal "POST $q" "$(get "/lineup.post$q" -X POST)" 400
done

it "device.xml describes the same device, at three addresses"
get /device.xml >/dev/null
cp "$T/body" "$T/device.xml"
for p in /dri/device.xml /capability; do
	get $p >/dev/null
	expect "$p is the same" cmp -s "$T/body" "$T/device.xml"
done
for line in "<URLBase>$base</URLBase>" '<deviceType>urn:schemas-upnp-org:device:MediaServer:1</deviceType>' \
    '<friendlyName>Jane&#39;s &quot;TV&quot; &amp; &lt;Kitchen&gt; Ä</friendlyName>' \
    '<manufacturer>Silicondust</manufacturer>' "<serialNumber>$id</serialNumber>" \
    '<root xmlns="urn:schemas-upnp-org:device-1-0">'; do
	expect "$line" grep -q -F "$line" "$T/device.xml"
done
expect UDN grep -q -E '<UDN>uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}</UDN>' "$T/device.xml"

it "status.json has an object for each tuner, and a busy one says who plays what"
get /status.json >/dev/null
equal idle "$(jq -c . "$T/body")" '[{"Resource":"tuner0"},{"Resource":"tuner1"},{"Resource":"tuner2"}]'
viewer start v /tuner1/v5.1
viewer wait v bytes=100000
get /status.json >/dev/null
equal busy "$(jq -c '.[1] | [.Resource, .VctNumber, .VctName, .TargetIP]' "$T/body")" \
    '["tuner1","5.1","\"First\" & <best> Ünï","127.0.0.1"]'
equal types "$(jq -c '.[1] | [.SignalStrengthPercent, .SignalQualityPercent, .SymbolQualityPercent, (.NetworkRate | type)]' "$T/body")" \
    '[100,100,100,"number"]'
equal others "$(jq -c '[.[0], .[2]]' "$T/body")" '[{"Resource":"tuner0"},{"Resource":"tuner2"}]'
viewer stop v

it "the page at / shows a person the address to type into Plex, and the channels"
get / >/dev/null
expect address grep -q -F ">${base#http://}<" "$T/body"
expect channel grep -q -F "href=\"$base/auto/v9.10\"" "$T/body"
expect quoting grep -q -F '&quot;First&quot; &amp; &lt;best&gt; Ünï' "$T/body"

it "an unknown page is 404 with a small page, a wrong method 405 with Allow"
equal "/nope" "$(get /nope)" 404
check_head /nope "$(wc -c <"$T/body")"
for p in /discover.jso /lineup.json/ /tuners.html /guide.json /favicon.ico /recorded_files.json /auto /health/x '/..%2fetc'; do
	equal "$p" "$(get "$p")" 404
done
for m in POST PUT DELETE OPTIONS PATCH BREW; do
	equal "$m /discover.json" "$(get /discover.json -X $m)" 405
	equal "$m: Allow" "$(field Allow)" 'GET, HEAD'
	equal "$m: Content-Length" "$(field Content-Length)" 0
	equal "$m /auto/v5.1" "$(get /auto/v5.1 -X $m)" 405
done
equal "PUT /lineup.post" "$(get '/lineup.post?scan=start' -X PUT)" 405
equal "its Allow" "$(field Allow)" 'GET, HEAD, POST'

it "slashes are collapsed, percent escapes decoded, and a query that means nothing is ignored"
for p in //lineup.json ///lineup.json /%6cineup.json '/lineup.json?' '/lineup.json?x=%zz&y' '/lineup.json?foo=//bar' /./lineup.json; do
	case $p in
	/./*) want=404 ;;
	*) want=200 ;;
	esac
	equal "$p" "$(get "$p")" $want
done
for p in '/lineup.json%' '/lineup.json%2' '/lineup%00.json' '/%ff%fe'; do
	equal "$p" "$(get "$p")" 400
done

it "addresses in the pages are those that the client used, whatever it has for a name"
while read -r host want; do
	get /discover.json -H "Host: $host" >/dev/null
	equal "BaseURL for Host: $host" "$(jq -r .BaseURL "$T/body")" "$want"
	get /lineup.json -H "Host: $host" >/dev/null
	equal "URL for Host: $host" "$(jq -r '.[0].URL' "$T/body")" "$want/auto/v5.1"
done <<-HOSTS
	192.168.7.9:1234 http://192.168.7.9:1234
	tv.local:5004 http://tv.local:5004
	tv.local http://tv.local
	tv.local:80 http://tv.local
	[fd00::1]:5004 http://[fd00::1]:5004
	0.0.0.0:5004 $base
	[::]:5004 $base
	0x7f000001:80 $base
	tv.local:0 $base
	tv.local:99999 $base
HOSTS
get /discover.json -0 -H 'Host;' >/dev/null
equal "BaseURL without Host" "$(jq -r .BaseURL "$T/body")" "$base"

it "who calls us by a name that is not ours is refused, whatever he asks for"
for path in / /discover.json /lineup.json /lineup.post?scan=start /auto/v5.1 /nothing; do
	equal "status of $path" "$(curl -s -o "$T/body" -w '%{http_code}' -H 'Host: evil.example:5004' "$base$path")" 403
	equal "body of $path" "$(wc -c <"$T/body")" 0
done
equal "by our DeviceID" "$(curl -s -o /dev/null -w '%{http_code}' -H "Host: $(bridge status .supervisor.device_id).local" "$base/discover.json")" 200
equal "by the family's name" "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: hdhomerun.local' "$base/discover.json")" 200
expect "said once" [ "$(bridge log 'event=host.refused host="evil.example' | wc -l)" = 1 ]

it "HTTP/1.0 and lines without CR are understood, other versions are not"
equal "HTTP/1.0" "$(get /lineup.json -0)" 200
equal "HTTP/1.0 without Host" "$(raw 'GET /lineup.json HTTP/1.0\r\n\r\n')" 200
equal "HTTP/1.1 without Host" "$(raw 'GET /lineup.json HTTP/1.1\r\n\r\n')" 400
equal "bare LF" "$(raw 'GET /lineup.json HTTP/1.0\n\n')" 200
equal "HTTP/2.0" "$(raw 'GET / HTTP/2.0\r\nHost: x\r\n\r\n')" 505
equal "HTTP/0.9" "$(raw 'GET /\r\n\r\n')" 400
equal "absolute form" "$(raw "GET $base/lineup.json HTTP/1.1\r\nHost: x\r\n\r\n")" 200

it "a stream's answer has no length and no chunks, and is a real device's in every line"
at_least bytes "$(taste /auto/v5.1 -r 0- -H 'Icy-MetaData: 1')" 18800
equal status "$(head -n 1 "$T/head")" 'HTTP/1.1 200 OK'
for line in 'Connection: close' 'Content-Type: video/mpeg' 'Access-Control-Allow-Origin: *' 'Cache-Control: no-cache' \
    'transferMode.dlna.org: Streaming' 'Server: HDHomeRun/1.0'; do
	expect "$line" grep -q -x -F "$line" "$T/head"
done
expect "resource" grep -q -x 'X-HDHomeRun-Resource: tuner[0-2]' "$T/head"
for f in Content-Length Transfer-Encoding Content-Range Accept-Ranges; do
	equal "$f" "$(field $f)" ''
done
expect "packets of 188 bytes" eval "[ \"\$(for i in 0 1 2 9; do dd if='$T/body' bs=188 skip=\$i count=1 2>/dev/null | head -c 1; done)\" = GGGG ]"

it "HEAD on a stream answers as GET would and takes no tuner"
bridge wait '.streams == []'
tunes=$(bridge ctl dump | jq .tunes.begun)
equal "HEAD" "$(get /auto/v5.1 -I)" 200
equal "type" "$(field Content-Type)" video/mpeg
equal "Content-Length" "$(field Content-Length)" ''
equal "HEAD of no channel" "$(get /auto/v99 -I)" 404
equal "error of HEAD" "$(field X-HDHomeRun-Error)" '801 Unknown Channel'
equal "tunes" "$(bridge ctl dump | jq .tunes.begun)" "$tunes"

it "a stream ends after ?duration=, to the second; 0 and nonsense mean never"
at=$(date +%s%N)
equal status "$(get '/auto/v5.1?duration=2&transcode=mobile')" 200
at_least "seconds" $((($(date +%s%N) - at) / 1000000)) 2000
at_most "seconds" $((($(date +%s%N) - at) / 1000000)) 6000
expect "why" grep -q 'event=client.close .*why="duration"' "$T/bridge.log"
equal "whole packets" $(($(wc -c <"$T/body") % 188)) 0
for q in duration=0 duration=soon duration= 'transcode=heavy' 'foo=bar&duration=-1'; do
	curl -s -m 2.5 -o "$T/q.$q" "$base/auto/v5.1?$q" &
	others+=($!)
done
wait "${others[@]}"
others=()
for f in "$T"/q.*; do
	at_least "bytes with ${f##*/q.}" "$(wc -c <"$f")" 100000
done
equal "streams that ended by duration" "$(bridge log 'why="duration"' | wc -l)" 1

it "what can't be had is said in one header line, with an empty body"
equal "no such channel" "$(error /auto/v6)" '404 801 0'
check_head "no such channel" 0
equal "text" "$(field X-HDHomeRun-Error)" '801 Unknown Channel'
for p in /auto/ch7 /auto/v /auto/5.1 /auto/v5.1/x /tuner0/ch501000000 /tuner3/v5.1 /tuner99/v5.1 /auto/v5.10 /auto/v05.1; do
	equal "$p" "$(error "$p")" '404 801 0'
done
at_least "bytes of a percent-encoded channel" "$(taste /auto/v5%2E1)" 18800
equal "source is not there" "$(error /auto/v7)" '503 806 0'
equal "text" "$(field X-HDHomeRun-Error)" '806 Tune Failed'
check_head "source is not there" 0
equal "source is a page" "$(error /auto/v9.10)" '503 806 0'
origin fault channel=b,kind=segment,fault=stall-head
equal "source is mute" "$(error /auto/v8)" '503 807 0'
equal "text" "$(field X-HDHomeRun-Error)" '807 No Video Data'
bridge stop

it "the DeviceID outlives restarts, configured ones are used as they are"
bridge start
equal "after a restart" "$(get /discover.json >/dev/null; jq -r .DeviceID "$T/body")" "$id"
bridge stop
bridge start -o tuner.device_id=105902DB
equal "configured" "$(get /discover.json >/dev/null; jq -r .DeviceID "$T/body")" 105902DB
bridge stop
bridge start
equal "after that" "$(get /discover.json >/dev/null; jq -r .DeviceID "$T/body")" "$id"

finish
