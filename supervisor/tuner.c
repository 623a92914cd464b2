/*
 * tuner.c - a tuner's documents (tuner.h)
 *
 * Written by hand and not through a JSON library: the order of the keys is
 * part of the promise, and ten thousand channels are a few milliseconds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/http.h"
#include "supervisor/text.h"
#include "supervisor/tuner.h"

struct blob *
tuner_discover_json(const struct tuner_info *info, const char *base)
{
	struct text t = { 0 };

	text_add(&t, "{\"FriendlyName\":");
	text_add_json(&t, info->name);
	text_add(&t,
	    ",\"ModelNumber\":\"" TUNER_MODEL "\",\"FirmwareName\":\"" TUNER_FIRMWARE
	    "\",\"FirmwareVersion\":\"" TUNER_FIRMWARE_VERSION "\",\"DeviceID\":");
	text_add_json(&t, info->device->id_text);
	text_add(&t, ",\"DeviceAuth\":");
	text_add_json(&t, info->device->auth);
	text_add(&t, ",\"BaseURL\":\"");
	text_add(&t, base);
	text_add(&t, "\",\"LineupURL\":\"");
	text_add(&t, base);
	text_addf(&t, "/lineup.json\",\"TunerCount\":%d}", info->tuner_count);
	return text_blob(&t);
}

struct blob *
tuner_device_xml(const struct tuner_info *info, const char *base)
{
	struct text t = { 0 };

	text_add(&t,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<root xmlns=\"urn:schemas-upnp-org:device-1-0\">\n"
	    "<specVersion><major>1</major><minor>0</minor></specVersion>\n"
	    "<URLBase>");
	text_add_xml(&t, base);
	text_add(&t,
	    "</URLBase>\n"
	    "<device>\n"
	    "<deviceType>urn:schemas-upnp-org:device:MediaServer:1</deviceType>\n"
	    "<friendlyName>");
	text_add_xml(&t, info->name);
	text_add(&t,
	    "</friendlyName>\n"
	    "<manufacturer>Silicondust</manufacturer>\n"
	    "<modelName>" TUNER_MODEL "</modelName>\n"
	    "<modelNumber>" TUNER_MODEL "</modelNumber>\n"
	    "<serialNumber>");
	text_add_xml(&t, info->device->id_text);
	text_add(&t,
	    "</serialNumber>\n"
	    "<UDN>uuid:");
	text_add_xml(&t, info->device->uuid);
	text_add(&t,
	    "</UDN>\n"
	    "<presentationURL>");
	text_add_xml(&t, base);
	text_add(&t,
	    "/</presentationURL>\n"
	    "</device>\n"
	    "</root>\n");
	return text_blob(&t);
}

struct blob *
tuner_lineup_status_json(void)
{
	/* Plex knows these two sources and complains about any other. */
	static const char idle[] =
	    "{\"ScanInProgress\":0,\"ScanPossible\":1,\"Source\":\"Cable\",\"SourceList\":[\"Antenna\",\"Cable\"]}";

	return blob_new(idle, sizeof(idle) - 1);
}

struct blob *
tuner_status_json(const struct tuner_view *views, size_t count)
{
	struct text t = { 0 };

	text_add(&t, "[");
	for (size_t i = 0; i < count; i++) {
		const struct tuner_view *v = &views[i];

		text_addf(&t, "%s{\"Resource\":\"tuner%zu\"", i == 0 ? "" : ",", i);
		if (v->busy) {
			text_add(&t, ",\"VctNumber\":");
			text_add_json(&t, v->guide_number);
			text_add(&t, ",\"VctName\":");
			text_add_json(&t, v->name);
			text_add(&t,
			    ",\"SignalStrengthPercent\":100,\"SignalQualityPercent\":100,"
			    "\"SymbolQualityPercent\":100");
			if (v->target_ip != NULL && v->target_ip[0] != '\0') {
				text_add(&t, ",\"TargetIP\":");
				text_add_json(&t, v->target_ip);
			}
			text_addf(&t, ",\"NetworkRate\":%" PRIu64, v->rate_bits);
		}
		text_add(&t, "}");
	}
	text_add(&t, "]");
	return text_blob(&t);
}

size_t
tuner_stream_head(char out[TUNER_STREAM_HEAD], int tuner_index, time_t now)
{
	char date[HTTP_DATE];
	char resource[48] = "";
	int n;

	if (tuner_index >= 0)
		(void)snprintf(resource, sizeof(resource), "X-HDHomeRun-Resource: tuner%d\r\n", tuner_index);
	n = snprintf(out, TUNER_STREAM_HEAD,
	    "HTTP/1.1 200 OK\r\n"
	    "Server: HDHomeRun/1.0\r\n"
	    "Connection: close\r\n"
	    "Date: %s\r\n"
	    "Content-Type: video/mpeg\r\n"
	    "Cache-Control: no-cache\r\n"
	    "Access-Control-Allow-Origin: *\r\n"
	    "transferMode.dlna.org: Streaming\r\n"
	    "%s\r\n",
	    http_date(date, now), resource);
	pb_assert(n > 0 && n < TUNER_STREAM_HEAD);
	return (size_t)n;
}
