/*
 * front.c - one answer for each row of tuner.h's endpoints
 */
#include "supervisor/front.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "supervisor/health.h"
#include "supervisor/supervisor.h"
#include "supervisor/tuner.h"

#define HOST_LINE_S 60.0

/* The port that streams are played from, when a client came to port 80 of that address. */
static uint16_t
stream_port(const struct supervisor *sup, const struct addr *local)
{
	const struct config_addrs *listen = &sup->config->server.listen;

	for (size_t i = 0; i < listen->count; i++) {
		struct addr addr;

		addr_set(&addr, &listen->at[i].sa.any, listen->at[i].len);
		if (addr_port(&addr) != 80 && addr_takes(&addr, local))
			return addr_port(&addr);
	}
	return 0;
}

/* A request, and whom it is for. */
struct ask {
	struct supervisor *sup;
	struct unit *unit;
	struct http_conn *conn;
	const struct request *req;
	struct addr local; /* where it came in */
	bool by_path; /* the unit's path stood before what is asked */
};

static void
urls_for(struct tuner_urls *urls, const struct ask *ask)
{
	tuner_urls(urls, ask->req->host, &ask->local, ask->sup->config->server.advertise,
	    stream_port(ask->sup, &ask->local), ask->by_path ? 0 : ask->unit->port,
	    ask->by_path ? ask->unit->config->path : "");
}

static void
info_of(struct tuner_info *info, const struct unit *unit)
{
	*info = (struct tuner_info){
		.name = unit->config->name,
		.tuner_count = unit->config->tuner_count,
		.device = &unit->device,
	};
}

static void
answer_lineup(const struct ask *ask, enum tuner_lineup_kind kind, const char *type)
{
	struct tuner_cache *cache = &ask->unit->cache;
	uint64_t built = cache->built;
	struct tuner_urls urls;
	struct blob *blob;
	int err;

	/* One that activates an empty lineup, or a part of it, loses its map of channels. */
	if (!ask->sup->imports.whole) {
		http_reply(ask->conn, 503, NULL, "Retry-After: 5\r\n", NULL, 0);
		return;
	}
	urls_for(&urls, ask);
	err = tuner_cache_get(cache, &ask->unit->lineup, kind, urls.stream, &blob);
	if (err == PB_AGAIN && drafts_wait(&ask->sup->drafts, ask->unit, kind, urls.stream, ask->conn))
		return;
	if (err != 0)
		http_reply(ask->conn, 503, NULL, "Retry-After: 1\r\n", NULL, 0);
	else
		http_reply_blob(ask->conn, 200, type, NULL, blob);
	if (cache->built != built)
		imports_rest(&ask->sup->imports);
}

static void
answer_status(const struct ask *ask)
{
	struct tuner_view views[UNIT_TUNERS];
	char ips[UNIT_TUNERS][ADDR_TEXT];
	int count = PB_MIN(ask->unit->config->tuner_count, UNIT_TUNERS);

	for (int i = 0; i < count; i++) {
		const struct stream *s = streams_on_tuner(&ask->sup->streams, ask->unit->first + i);
		const struct client *c;

		views[i] = (struct tuner_view){ .busy = s != NULL };
		if (s == NULL)
			continue;
		c = stream_viewer(s);
		ips[i][0] = '\0';
		if (c != NULL)
			memcpy(ips[i], c->address, sizeof(ips[i]));
		views[i].guide_number = s->guide_number;
		views[i].name = s->name;
		views[i].target_ip = ips[i];
		views[i].rate_bits = stream_rate_bits(s);
	}
	http_reply_blob(ask->conn, 200, TUNER_TYPE_JSON, NULL, tuner_status_json(views, (size_t)count));
}

static void
answer_stream(const struct ask *ask, const struct tuner_route *route)
{
	const struct channel *channel = lineup_find(&ask->unit->lineup, route->guide_number);
	char head[TUNER_STREAM_HEAD];

	if (channel == NULL) {
		http_reply(ask->conn, tuner_error_status(TUNER_UNKNOWN_CHANNEL), NULL,
		    tuner_error_head(TUNER_UNKNOWN_CHANNEL), NULL, 0);
		return;
	}
	if (ask->req->method == REQUEST_HEAD) {
		http_reply_head(ask->conn, head, tuner_stream_head(head, -1, time(NULL)));
		return;
	}
	streams_tune(&ask->sup->streams, ask->conn, ask->req, channel, ask->unit->first, ask->unit->config->tuner_count,
	    route->tuner, route->duration_s);
	imports_tuned(&ask->sup->imports);
}

/*
 * A scan is over as soon as it begins: what there is is known. Providers'
 * lists that are not of these minutes are fetched meanwhile; what is new in
 * them is there when somebody asks next. Favourites are the client's own.
 */
static void
answer_post(const struct ask *ask, const struct tuner_route *route)
{
	size_t fetched;
	char peer[ADDR_TEXT];

	if (route->post == TUNER_SCAN_START && ask->req->method != REQUEST_HEAD) {
		fetched = imports_scan(&ask->sup->imports);
		if (fetched > 0)
			log_event(LOG_INFO, "lineup.scan", "device=%s peer=%s providers=%zu", ask->unit->device.id_text,
			    addr_ip(http_peer(ask->conn), peer), fetched);
	}
	http_reply(ask->conn, 200, TUNER_TYPE_TEXT, NULL, NULL, 0);
}

static void
answer_nothing(struct http_conn *conn, const struct tuner_route *route)
{
	const char *html = tuner_nothing_html(route);
	char allow[64];

	if (route->error != 0) {
		http_reply(conn, route->status, NULL, tuner_error_head(route->error), NULL, 0);
		return;
	}
	if (route->allow != NULL)
		snprintf(allow, sizeof(allow), "Allow: %s\r\n", route->allow);
	http_reply(conn, route->status, TUNER_TYPE_HTML, route->allow != NULL ? allow : NULL, html, strlen(html));
}

/* The names that we may be called by (tuner_host_ours()); those without a dot need not be among them. */
static bool
host_admitted(const struct supervisor *sup, const char *host)
{
	const char *names[5 + CONFIG_LIST_MAX + UNITS_MAX];
	char ids[UNITS_MAX][DEVICE_ID_TEXT + 6], advertised[256], machine[80], machine_local[88];
	size_t n = 0;

	if (tuner_host_ours(host, NULL, 0))
		return true;
	names[n++] = "hdhomerun.local";
	for (size_t i = 0; i < sup->units.count; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "%s.local", sup->units.at[i].device.id_text);
		names[n++] = ids[i];
	}
	for (size_t i = 0; i < sup->config->server.hosts.count; i++)
		names[n++] = sup->config->server.hosts.items[i];
	if (sup->config->server.advertise != NULL) {
		(void)snprintf(advertised, sizeof(advertised), "%.*s", (int)strcspn(sup->config->server.advertise, ":"),
		    sup->config->server.advertise);
		names[n++] = advertised;
	}
	if (gethostname(machine, sizeof(machine)) == 0 && memchr(machine, '\0', sizeof(machine)) != NULL) {
		names[n++] = machine;
		(void)snprintf(machine_local, sizeof(machine_local), "%s.local", machine);
		names[n++] = machine_local;
	}
	return tuner_host_ours(host, names, n);
}

/* A page that nobody asked for must not fill the log; once a minute says it. */
static void
refuse_host(struct supervisor *sup, struct http_conn *conn, const char *host)
{
	char peer[ADDR_TEXT];

	sup->hosts_refused++;
	if (loop_now(sup->loop) >= sup->host_line) {
		log_event(LOG_WARNING, "host.refused",
		    "host=\"%.100s\" peer=%s count=%" PRIu64
		    " why=\"no name of ours: when it is, put it into [server] hosts\"",
		    host, addr_ip(http_peer(conn), peer), sup->hosts_refused);
		sup->host_line = loop_now(sup->loop) + HOST_LINE_S;
	}
	http_reply(conn, 403, NULL, NULL, NULL, 0);
}

static void
answer(const struct ask *ask, const struct tuner_route *route)
{
	struct tuner_urls urls;
	struct tuner_info info;
	struct blob *blob;
	int status;

	info_of(&info, ask->unit);
	switch (route->endpoint) {
	case TUNER_INDEX:
		urls_for(&urls, ask);
		http_reply_blob(
		    ask->conn, 200, TUNER_TYPE_HTML, NULL, tuner_index_html(&info, &ask->unit->lineup, &urls));
		break;
	case TUNER_DISCOVER:
		urls_for(&urls, ask);
		http_reply_blob(ask->conn, 200, TUNER_TYPE_JSON, NULL, tuner_discover_json(&info, urls.base));
		break;
	case TUNER_DEVICE_XML:
		urls_for(&urls, ask);
		http_reply_blob(ask->conn, 200, TUNER_TYPE_XML, NULL, tuner_device_xml(&info, urls.base));
		break;
	case TUNER_LINEUP_JSON:
		answer_lineup(ask, route->show_found ? TUNER_KIND_JSON_FOUND : TUNER_KIND_JSON, TUNER_TYPE_JSON);
		break;
	case TUNER_LINEUP_XML:
		answer_lineup(ask, TUNER_KIND_XML, TUNER_TYPE_XML);
		break;
	case TUNER_LINEUP_M3U:
		answer_lineup(ask, TUNER_KIND_M3U, "audio/x-mpegurl; charset=\"utf-8\"");
		break;
	case TUNER_LINEUP_STATUS:
		http_reply_blob(ask->conn, 200, TUNER_TYPE_JSON, NULL, tuner_lineup_status_json());
		break;
	case TUNER_LINEUP_POST:
		answer_post(ask, route);
		break;
	case TUNER_STATUS_JSON:
		answer_status(ask);
		break;
	case TUNER_XMLTV:
	case TUNER_XMLTV_GZ:
		guides_answer(&ask->sup->guides, ask->unit, ask->conn, route->endpoint == TUNER_XMLTV_GZ);
		break;
	case TUNER_HEALTH:
		blob = health_json(ask->sup, &status);
		http_reply_blob(ask->conn, status, TUNER_TYPE_JSON, NULL, blob);
		break;
	case TUNER_STREAM:
		answer_stream(ask, route);
		break;
	case TUNER_NOTHING:
		answer_nothing(ask->conn, route);
		break;
	}
}

void
front_handle(void *arg, struct http_conn *conn, const struct request *req)
{
	struct supervisor *sup = arg;
	struct ask ask = { .sup = sup, .conn = conn, .req = req };
	struct tuner_route route;
	struct request rest;
	const char *path;

	if (!host_admitted(sup, req->host)) {
		refuse_host(sup, conn, req->host);
		return;
	}
	http_local(conn, &ask.local);
	ask.unit = units_find(&sup->units, addr_port(&ask.local), req, &path);
	if (ask.unit == NULL) {
		http_reply(conn, 404, NULL, NULL, NULL, 0); /* its section is gone */
		return;
	}
	if (path != req->path) {
		ask.by_path = true;
		rest = *req;
		(void)snprintf(rest.path, sizeof(rest.path), "%s", path);
		ask.req = &rest;
	}
	tuner_route(ask.req, ask.unit->config->tuner_count, &route);
	answer(&ask, &route);
}
