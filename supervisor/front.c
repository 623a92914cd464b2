/*
 * front.c - one answer for each row of tuner.h's endpoints
 */
#include "supervisor/front.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/health.h"
#include "supervisor/supervisor.h"
#include "supervisor/tuner.h"

/* The port that streams are played from, when a client came to port 80. */
static uint16_t
stream_port(const struct supervisor *sup)
{
	const struct config_addrs *listen = &sup->config->server.listen;

	for (size_t i = 0; i < listen->count; i++) {
		struct addr addr;

		addr_set(&addr, &listen->at[i].sa.any, listen->at[i].len);
		if (addr_port(&addr) != 80)
			return addr_port(&addr);
	}
	return 0;
}

static void
urls_for(struct tuner_urls *urls, const struct supervisor *sup, const struct http_conn *conn, const struct request *req)
{
	struct addr local;

	http_local(conn, &local);
	tuner_urls(urls, req->host, &local, sup->config->server.advertise, stream_port(sup));
}

static void
info_of(struct tuner_info *info, const struct supervisor *sup)
{
	*info = (struct tuner_info){
		.name = sup->config->tuner.name,
		.tuner_count = sup->config->tuner.tuner_count,
		.device = &sup->device,
	};
}

static void
answer_lineup(struct supervisor *sup, struct http_conn *conn, const struct request *req, enum tuner_lineup_kind kind,
    const char *type)
{
	struct tuner_urls urls;
	struct blob *blob;

	urls_for(&urls, sup, conn, req);
	if (tuner_cache_get(&sup->cache, &sup->config->lineup, kind, urls.stream, &blob) != 0)
		http_reply(conn, 503, NULL, "Retry-After: 1\r\n", NULL, 0);
	else
		http_reply_blob(conn, 200, type, NULL, blob);
}

static void
answer_status(struct supervisor *sup, struct http_conn *conn)
{
	struct tuner_view views[STREAMS_MAX];
	char ips[STREAMS_MAX][ADDR_TEXT];
	int count = PB_MIN(sup->config->tuner.tuner_count, STREAMS_MAX);

	for (int i = 0; i < count; i++) {
		const struct stream *s = streams_on_tuner(&sup->streams, i);
		const struct client *c;

		views[i] = (struct tuner_view){ .busy = s != NULL };
		if (s == NULL)
			continue;
		c = TAILQ_FIRST(&s->clients);
		ips[i][0] = '\0';
		if (c != NULL)
			memcpy(ips[i], c->address, sizeof(ips[i]));
		views[i].guide_number = s->guide_number;
		views[i].name = s->name;
		views[i].target_ip = ips[i];
		if (s->state != NULL)
			views[i].rate_bits =
			    (uint64_t)atomic_load_explicit(&s->state->figures.media_kbps, memory_order_relaxed) * 1000;
	}
	http_reply_blob(conn, 200, TUNER_TYPE_JSON, NULL, tuner_status_json(views, (size_t)count));
}

static void
answer_stream(struct supervisor *sup, struct http_conn *conn, const struct request *req,
    const struct tuner_route *route)
{
	const struct channel *channel = lineup_find(&sup->config->lineup, route->guide_number);
	char head[TUNER_STREAM_HEAD];

	if (channel == NULL) {
		http_reply(conn, tuner_error_status(TUNER_UNKNOWN_CHANNEL), NULL, tuner_error_head(TUNER_UNKNOWN_CHANNEL),
		    NULL, 0);
		return;
	}
	if (req->method == REQUEST_HEAD) {
		http_reply_head(conn, head, tuner_stream_head(head, -1, time(NULL)));
		return;
	}
	streams_tune(&sup->streams, conn, req, channel, route->tuner, route->duration_s);
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

void
front_handle(void *arg, struct http_conn *conn, const struct request *req)
{
	struct supervisor *sup = arg;
	struct tuner_route route;
	struct tuner_urls urls;
	struct tuner_info info;
	int status;
	struct blob *blob;

	info_of(&info, sup);
	tuner_route(req, info.tuner_count, &route);
	switch (route.endpoint) {
	case TUNER_INDEX:
		urls_for(&urls, sup, conn, req);
		http_reply_blob(conn, 200, TUNER_TYPE_HTML, NULL, tuner_index_html(&info, &sup->config->lineup, &urls));
		break;
	case TUNER_DISCOVER:
		urls_for(&urls, sup, conn, req);
		http_reply_blob(conn, 200, TUNER_TYPE_JSON, NULL, tuner_discover_json(&info, urls.base));
		break;
	case TUNER_DEVICE_XML:
		urls_for(&urls, sup, conn, req);
		http_reply_blob(conn, 200, TUNER_TYPE_XML, NULL, tuner_device_xml(&info, urls.base));
		break;
	case TUNER_LINEUP_JSON:
		answer_lineup(sup, conn, req, route.show_found ? TUNER_KIND_JSON_FOUND : TUNER_KIND_JSON, TUNER_TYPE_JSON);
		break;
	case TUNER_LINEUP_XML:
		answer_lineup(sup, conn, req, TUNER_KIND_XML, TUNER_TYPE_XML);
		break;
	case TUNER_LINEUP_M3U:
		answer_lineup(sup, conn, req, TUNER_KIND_M3U, "audio/x-mpegurl; charset=\"utf-8\"");
		break;
	case TUNER_LINEUP_STATUS:
		http_reply_blob(conn, 200, TUNER_TYPE_JSON, NULL, tuner_lineup_status_json());
		break;
	case TUNER_LINEUP_POST:
		/* A scan finds what the configuration says, at once; favourites are the client's own affair. */
		http_reply(conn, 200, TUNER_TYPE_TEXT, NULL, NULL, 0);
		break;
	case TUNER_STATUS_JSON:
		answer_status(sup, conn);
		break;
	case TUNER_HEALTH:
		blob = health_json(sup, &status);
		http_reply_blob(conn, status, TUNER_TYPE_JSON, NULL, blob);
		break;
	case TUNER_STREAM:
		answer_stream(sup, conn, req, &route);
		break;
	case TUNER_NOTHING:
		answer_nothing(conn, &route);
		break;
	}
}
