/*
 * hosts.c - how the promise in hosts.h is kept
 *
 * A channel has a handful of hosts, so they are a list that is searched. A
 * provider that sends each segment to another name would make it grow for
 * ever: beyond HOSTS_IDLE the one that was unused for longest is forgotten.
 */
#include "worker/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"

#define HTTP2_ERRORS 2 /* within HTTP2_S: this host gets HTTP/1.1 */
#define HTTP2_S 60.0

struct host {
	TAILQ_ENTRY(host) link;
	char name[URL_HOST_MAX];
	uint16_t port;
	unsigned taken;
	unsigned http2_errors;
	double http2_since_s;
	TAILQ_HEAD(, place) queue;
};

void
hosts_init(struct hosts *hosts, unsigned connections)
{
	hosts->connections = PB_MAX(connections, 1U);
	hosts->count = 0;
	hosts->one = false;
	hosts->asked = 0;
	TAILQ_INIT(&hosts->list);
}

void
hosts_clear(struct hosts *hosts)
{
	struct host *h;

	while ((h = TAILQ_FIRST(&hosts->list)) != NULL) {
		pb_assert(h->taken == 0 && TAILQ_EMPTY(&h->queue));
		TAILQ_REMOVE(&hosts->list, h, link);
		free(h);
	}
	hosts->count = 0;
}

/* The host of this name, a new one if there is none; NULL without memory. */
static struct host *
find(struct hosts *hosts, const char *name, uint16_t port)
{
	struct host *h, *idle = NULL;

	TAILQ_FOREACH(h, &hosts->list, link)
	{
		if (h->port == port && strcmp(h->name, name) == 0) {
			TAILQ_REMOVE(&hosts->list, h, link);
			TAILQ_INSERT_HEAD(&hosts->list, h, link);
			return h;
		}
		if (h->taken == 0 && TAILQ_EMPTY(&h->queue))
			idle = h; /* the last one stays: longest unused */
	}
	if (hosts->count >= HOSTS_IDLE && idle != NULL) {
		TAILQ_REMOVE(&hosts->list, idle, link);
		hosts->count--;
		free(idle);
	}
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	pb_assert(strlen(name) < sizeof(h->name));
	memcpy(h->name, name, strlen(name) + 1);
	h->port = port;
	TAILQ_INIT(&h->queue);
	TAILQ_INSERT_HEAD(&hosts->list, h, link);
	hosts->count++;
	return h;
}

int
hosts_queue(struct hosts *hosts, struct place *place, const char *name, uint16_t port, bool front)
{
	struct place *behind;

	pb_assert(place->host == NULL);
	place->host = find(hosts, name, port);
	if (place->host == NULL)
		return PB_ENOMEM;
	place->taken = false;
	place->asked = front ? 0 : ++hosts->asked;
	behind = front ? TAILQ_FIRST(&place->host->queue) : NULL;
	while (behind != NULL && behind->asked == 0)
		behind = TAILQ_NEXT(behind, link);
	if (behind != NULL)
		TAILQ_INSERT_BEFORE(behind, place, link);
	else
		TAILQ_INSERT_TAIL(&place->host->queue, place, link);
	return 0;
}

struct place *
hosts_next(struct hosts *hosts)
{
	struct place *place, *next = NULL;
	struct host *h;

	TAILQ_FOREACH(h, &hosts->list, link)
	{
		if (hosts->one && h->taken > 0)
			return NULL;
		place = TAILQ_FIRST(&h->queue);
		if (h->taken < hosts->connections && place != NULL &&
		    (next == NULL || (hosts->one && place->asked < next->asked)))
			next = place;
	}
	if (next == NULL)
		return NULL;
	TAILQ_REMOVE(&next->host->queue, next, link);
	next->taken = true;
	next->host->taken++;
	return next;
}

bool
hosts_leave(struct place *place)
{
	bool taken = place->taken;

	if (place->host == NULL)
		return false;
	if (taken)
		place->host->taken--;
	else
		TAILQ_REMOVE(&place->host->queue, place, link);
	place->taken = false;
	place->host = NULL;
	return taken;
}

bool
hosts_http2(const struct place *place)
{
	return place->host->http2_errors < HTTP2_ERRORS;
}

void
hosts_http2_failed(struct place *place, double now_s)
{
	struct host *h = place->host;

	if (h->http2_errors < HTTP2_ERRORS && now_s - h->http2_since_s > HTTP2_S) {
		h->http2_since_s = now_s;
		h->http2_errors = 0;
	}
	h->http2_errors++;
}
