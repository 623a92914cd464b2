/*
 * tuner.h - what an HDHomeRun tuner says over HTTP
 *
 * Pure: requests and figures in, decisions and documents out; no sockets,
 * no clock. Media servers are picky about these documents: names, types
 * (numbers as numbers) and the order of the keys are those of the real
 * device.
 *
 *   base     "http://host:port", what all absolute URLs begin with
 *   blob     a finished document with one reference, the caller's; NULL
 *            when there is no memory
 *   errors   a stream that can't be had has an empty body and one header
 *            line, X-HDHomeRun-Error (tuner_error_head())
 */
#ifndef PLEXBRIDGE_SUPERVISOR_TUNER_H
#define PLEXBRIDGE_SUPERVISOR_TUNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/request.h"
#include "config/lineup.h"
#include "supervisor/addr.h"
#include "supervisor/blob.h"
#include "supervisor/device.h"
#include "supervisor/text.h"

/*
 * What we are: a model without a transcoder ("HDTC" makes clients ask for
 * profiles), with a firmware of after the HTTP API was complete. Over TCP
 * 65001 the firmware's name is the model.
 */
#define TUNER_MODEL "HDHR5-4US"
#define TUNER_FIRMWARE "hdhomerun5_atsc"
#define TUNER_FIRMWARE_VERSION "20250623"

/*
 * Which request means what
 */

enum tuner_endpoint {
	TUNER_INDEX, /* / : a page for people */
	TUNER_DISCOVER, /* /discover.json */
	TUNER_LINEUP_JSON,
	TUNER_LINEUP_XML,
	TUNER_LINEUP_M3U,
	TUNER_LINEUP_STATUS,
	TUNER_LINEUP_POST, /* answer 200 and an empty body; then do what post says, if the method was not HEAD */
	TUNER_DEVICE_XML, /* /device.xml, /dri/device.xml, /capability */
	TUNER_STATUS_JSON,
	TUNER_HEALTH,
	TUNER_XMLTV, /* /xmltv.xml: the guide */
	TUNER_XMLTV_GZ,
	TUNER_STREAM, /* /auto/v5.1, /tuner2/v5.1; a HEAD takes no tuner */
	TUNER_NOTHING, /* answer with status, error, type and body */
};

enum tuner_post { TUNER_SCAN_START, TUNER_SCAN_ABORT, TUNER_FAVORITE };

struct tuner_route {
	enum tuner_endpoint endpoint;
	bool show_found; /* lineup.json: ?show=found */
	enum tuner_post post;
	int tuner; /* stream: 0..tuner_count-1, or -1 for any */
	char guide_number[GUIDE_NUMBER_MAX]; /* stream: as asked for, not looked up yet */
	uint32_t duration_s; /* stream: end after so long; 0: never */
	int status; /* nothing: 400, 404 or 405 */
	int error; /* nothing: 801 or 0, for tuner_error_head() */
	const char *allow; /* nothing: "GET, HEAD", for a 405; else NULL */
};

/* Say what req asks of a device with tuner_count tuners. Always fills *out. */
void tuner_route(const struct request *req, int tuner_count, struct tuner_route *out);

/* The body of a TUNER_NOTHING that has no error code: a short HTML page. Static; "" when it is to be empty. */
const char *tuner_nothing_html(const struct tuner_route *route);

/*
 * The device's error codes
 */

enum tuner_error {
	TUNER_UNKNOWN_CHANNEL = 801,
	TUNER_SYSTEM_BUSY = 803,
	TUNER_IN_USE = 804,
	TUNER_ALL_IN_USE = 805,
	TUNER_TUNE_FAILED = 806,
	TUNER_NO_VIDEO = 807,
};

/* The HTTP status that goes with it: 404 for 801, else 503. */
int tuner_error_status(int error);

/* "X-HDHomeRun-Error: 805 All Tuners In Use\r\n"; "" for a code that is not one. Static. */
const char *tuner_error_head(int error);

/*
 * Addresses
 */

#define TUNER_BASE_MAX 328

struct tuner_urls {
	char base[TUNER_BASE_MAX]; /* of documents: BaseURL */
	char stream[TUNER_BASE_MAX]; /* of channels; the same, except when asked on port 80 (below) */
};

/* The IPv4 address and port of an advertise setting; false: it has a name, or an IPv6 address. */
bool tuner_advertised(const char *advertise, char ip[ADDR_TEXT], uint16_t *port);

/*
 * Is this Host field a name of ours? A page of somebody else's can have its
 * own name lead to our address (DNS rebinding), and would read and tune with
 * its visitor's browser; it can't do so with an address, nor with a name
 * that has no dot, for such are in nobody's DNS. names: those with dots,
 * any case. No Host at all ("", HTTP/1.0) is fine.
 */
bool tuner_host_ours(const char *host, const char *const *names, size_t count);

/*
 * Where a client reaches us: advertise ("host:port") when it is set; else
 * what its Host field says, when that is an address or a name with a sane
 * port, and not a wildcard; else local, our end of its connection. A real
 * device has its pages on port 80 and its streams on 5004: when the client
 * came to port 80 and stream_port (0: none) is listened on as well, the
 * channels' URLs have that one. unit_port (0: none): that of the [tuner NAME]
 * which is asked, in the place of advertise's; prefix: its path, "" when it
 * wasn't asked under one.
 */
void tuner_urls(struct tuner_urls *out, const char *host, const struct addr *local, const char *advertise,
    uint16_t stream_port, uint16_t unit_port, const char *prefix);

/*
 * Documents
 */

#define TUNER_TYPE_JSON "application/json; charset=\"utf-8\""
#define TUNER_TYPE_XML "application/xml; charset=\"utf-8\""
#define TUNER_TYPE_TEXT "text/plain; charset=\"utf-8\""
#define TUNER_TYPE_HTML "text/html; charset=\"utf-8\""

/* All borrowed. */
struct tuner_info {
	const char *name; /* FriendlyName */
	int tuner_count;
	const struct device *device;
};

/* One tuner as the others may see it. */
struct tuner_view {
	bool busy; /* the rest counts only then */
	const char *guide_number;
	const char *name;
	const char *target_ip; /* of its first client; NULL or "": none (lingering) */
	uint64_t rate_bits; /* bits a second */
};

struct blob *tuner_discover_json(const struct tuner_info *info, const char *base);
struct blob *tuner_device_xml(const struct tuner_info *info, const char *base);

/* Never scanning: a lineup is read from the configuration, not searched for. */
struct blob *tuner_lineup_status_json(void);

struct blob *tuner_status_json(const struct tuner_view *views, size_t count);

/* The page at /: what to type into Plex, and the channels (the first TUNER_INDEX_CHANNELS). lineup may be NULL. */
#define TUNER_INDEX_CHANNELS 1000
struct blob *tuner_index_html(
    const struct tuner_info *info, const struct lineup *lineup, const struct tuner_urls *urls);

/*
 * Lineup documents
 */

enum tuner_lineup_kind {
	TUNER_KIND_JSON,
	TUNER_KIND_JSON_FOUND, /* with Enabled 1 in each, as ?show=found asks for */
	TUNER_KIND_XML,
	TUNER_KIND_M3U
};

/* One that is being written, some channels at a time. All zero is none. */
struct tuner_draft {
	const struct lineup *lineup; /* borrowed; NULL: none */
	enum tuner_lineup_kind kind;
	size_t next; /* the channel that is to be written */
	struct text text;
	char base[TUNER_BASE_MAX];
};

void tuner_draft_begin(
    struct tuner_draft *draft, const struct lineup *lineup, enum tuner_lineup_kind kind, const char *base);

/*
 * Write so many channels more. PB_AGAIN: there are others. 0: it was the
 * last, *out is the document; PB_ENOMEM: there is none. Both are the end of
 * the draft; kind and base stay.
 */
int tuner_draft_write(struct tuner_draft *draft, size_t channels, struct blob **out);

void tuner_draft_drop(struct tuner_draft *draft);

/* All of it at once. */
struct blob *tuner_lineup(const struct lineup *lineup, enum tuner_lineup_kind kind, const char *base);

/*
 * ...and those kept: media servers ask for the same one at each tune
 */

#define TUNER_CACHE_ENTRIES 8
#define TUNER_CACHE_BYTES (4u << 20) /* kept for the next one who asks; the newest is kept whatever its size */
#define TUNER_LIVE_BYTES (32u << 20) /* kept, and on their way to clients */
#define TUNER_AT_ONCE 20000 /* channels that are written in one turn of the loop: some 10 ms */

struct tuner_cache {
	struct {
		struct blob *blob; /* NULL: free */
		enum tuner_lineup_kind kind;
		uint64_t used; /* turn of the last use */
		char base[TUNER_BASE_MAX];
	} at[TUNER_CACHE_ENTRIES];
	uint64_t turn;
	uint64_t built; /* documents, so far: each has read all of a lineup */
	size_t live; /* bytes of all blobs it made that live; so the cache must outlive them */
};

/*
 * The document, from the cache or new. Gives *out with a reference of the
 * caller's. All zero is an empty cache; lineup must be the same one until
 * tuner_cache_clear(). 0, PB_ENOMEM, PB_ELIMIT when TUNER_LIVE_BYTES are
 * on their way: answer 503; or PB_AGAIN: it is not there, and has more than
 * TUNER_AT_ONCE channels: write it as a draft, and put it here.
 */
int tuner_cache_get(struct tuner_cache *cache, const struct lineup *lineup, enum tuner_lineup_kind kind,
    const char *base, struct blob **out);

/* Keep this one for who asks next; takes a reference of its own. */
void tuner_cache_put(struct tuner_cache *cache, enum tuner_lineup_kind kind, const char *base, struct blob *blob);

/* Forget all; what is on its way to a client stays whole. After a reload. */
void tuner_cache_clear(struct tuner_cache *cache);

/*
 * Streams
 */

#define TUNER_STREAM_HEAD 512

/*
 * The head of a stream's answer, from tuner tuner_index: no Content-Length
 * and no Transfer-Encoding, the end is the connection's. tuner_index -1
 * (HEAD, which takes none) leaves X-HDHomeRun-Resource out. now is wall
 * time. Gives its length, always less than TUNER_STREAM_HEAD.
 */
size_t tuner_stream_head(char out[TUNER_STREAM_HEAD], int tuner_index, time_t now);

#endif
