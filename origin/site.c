/*
 * site.c - from a request to an answer
 */
#include "origin/site.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/pb.h"
#include "origin/spoil.h"
#include "origin/trace.h"

#define TYPE_M3U8 "application/vnd.apple.mpegurl"
#define TYPE_TS "video/mp2t"
#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"
#define NKINDS 6 /* enum live_kind */
#define STATUS_LIMIT 458 /* what providers say who count connections */

/* A channel's connections: each one that asked for it last, by its number. */
struct figures {
	uint64_t requests[NKINDS];
	uint64_t open;
	uint64_t open_max;
	uint64_t total;
};

struct linked {
	uint64_t connection; /* 0: free */
	size_t channel;
};

struct site {
	const struct channels *channels;
	struct faults *faults;
	struct http_server *server;
	struct trace *trace;
	bool control;
	struct http_site http;
	struct figures *figures; /* one a channel */
	struct linked *links; /* open addressing by connection number, a power of two */
	size_t links_size;
	size_t links_used;
};

static int on_ask(void *arg, const struct http_ask *ask, struct http_answer *answer);
static void on_end(void *arg, uint64_t note, int status, uint64_t bytes);
static void on_plan(void *arg, unsigned int kind, uint16_t port, double now, struct fault_plan *plan);
static void on_close(void *arg, uint64_t connection);
static int answer_channel(struct site *site, const struct http_ask *ask, struct live_target *t, struct http_answer *a);
static int answer_control(struct site *site, const struct http_ask *ask, struct http_answer *a);
static int answer_list(const struct site *site, struct http_answer *a);

int
site_new(struct site **out, const struct channels *channels, struct faults *faults, bool control, size_t log_entries)
{
	struct site *site = calloc(1, sizeof(*site));

	if (site == NULL)
		return PB_ENOMEM;
	site->channels = channels;
	site->faults = faults;
	site->control = control;
	site->http = (struct http_site){ site, on_ask, on_end, on_plan, on_close };
	site->figures = calloc(channels_count(channels) + 1, sizeof(*site->figures));
	site->links_size = 64;
	site->links = calloc(site->links_size, sizeof(*site->links));
	if (site->figures == NULL || site->links == NULL || trace_new(&site->trace, log_entries) != 0) {
		site_free(&site);
		return PB_ENOMEM;
	}
	*out = site;
	return 0;
}

void
site_free(struct site **site)
{
	if (*site != NULL) {
		trace_free(&(*site)->trace);
		free((*site)->figures);
		free((*site)->links);
		free(*site);
	}
	*site = NULL;
}

const struct http_site *
site_http(struct site *site)
{
	return &site->http;
}

void
site_set_server(struct site *site, struct http_server *server)
{
	site->server = server;
}

/* Where a connection's link is, or where it would be put. The table is never full. */
static struct linked *
link_find(struct linked *links, size_t size, uint64_t connection)
{
	size_t i = (size_t)(connection * 11400714819323198485u >> 32) & (size - 1);

	while (links[i].connection != 0 && links[i].connection != connection)
		i = (i + 1) & (size - 1);
	return &links[i];
}

static void
links_grow(struct site *site)
{
	size_t size = site->links_size * 2;
	struct linked *grown = calloc(size, sizeof(*grown));

	if (grown == NULL)
		return; /* link_set() then counts nothing for this one */
	for (size_t i = 0; i < site->links_size; i++)
		if (site->links[i].connection != 0)
			*link_find(grown, size, site->links[i].connection) = site->links[i];
	free(site->links);
	site->links = grown;
	site->links_size = size;
}

/* This connection asks for that channel now. */
static void
link_set(struct site *site, uint64_t connection, size_t channel)
{
	struct figures *f = &site->figures[channel];
	struct linked *link = link_find(site->links, site->links_size, connection);

	if (link->connection == connection && link->channel == channel)
		return;
	if (link->connection == connection) {
		site->figures[link->channel].open--;
	} else {
		if (site->links_used * 2 >= site->links_size) {
			links_grow(site);
			link = link_find(site->links, site->links_size, connection);
		}
		if (site->links_used + 1 >= site->links_size)
			return;
		site->links_used++;
	}
	link->connection = connection;
	link->channel = channel;
	f->total++;
	f->open++;
	f->open_max = PB_MAX(f->open_max, f->open);
}

static void
on_close(void *arg, uint64_t connection)
{
	struct site *site = arg;
	struct linked *link = link_find(site->links, site->links_size, connection);
	size_t hole;

	if (link->connection == 0)
		return;
	site->figures[link->channel].open--;
	site->links_used--;
	link->connection = 0;
	/* What stood behind it in its row may have to move up: put each of them in anew. */
	hole = (size_t)(link - site->links);
	for (size_t i = (hole + 1) & (site->links_size - 1); site->links[i].connection != 0;
	     i = (i + 1) & (site->links_size - 1)) {
		struct linked moved = site->links[i];

		site->links[i].connection = 0;
		*link_find(site->links, site->links_size, moved.connection) = moved;
	}
}

static void
on_end(void *arg, uint64_t note, int status, uint64_t bytes)
{
	struct site *site = arg;
	struct trace_entry *entry = trace_find(site->trace, note);

	if (entry == NULL)
		return;
	entry->status = status;
	entry->bytes = bytes;
	entry->ended = true;
}

static void
on_plan(void *arg, unsigned int kind, uint16_t port, double now, struct fault_plan *plan)
{
	struct site *site = arg;
	struct fault_request request = { "", kind, 0, false, 0, port };

	faults_plan(site->faults, &request, now, plan);
}

static unsigned int
fault_kind(enum live_kind kind)
{
	static const unsigned int kinds[NKINDS] = {
		[LIVE_MASTER] = FAULT_MASTER,
		[LIVE_MEDIA] = FAULT_MEDIA,
		[LIVE_SEGMENT] = FAULT_SEGMENT,
		[LIVE_LOOP] = FAULT_SEGMENT,
		[LIVE_KEY] = FAULT_KEY,
		[LIVE_STREAM] = FAULT_LIVE,
	};

	return kinds[kind];
}

static struct trace_entry *
note(struct site *site, const struct http_ask *ask, const char *channel, const char *kind)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "OTHER" };
	struct trace_entry *e = trace_add(site->trace);

	e->time_ms = (uint64_t)(ask->now * 1000);
	e->connection = ask->connection;
	e->port = ask->port;
	strlcpy(e->channel, channel, sizeof(e->channel));
	strlcpy(e->kind, kind, sizeof(e->kind));
	strlcpy(e->path, ask->request->path, sizeof(e->path));
	strlcpy(e->method, methods[ask->request->method], sizeof(e->method));
	strlcpy(e->agent, ask->request->agent, sizeof(e->agent));
	if (!request_field(ask->head, ask->request->head_len, "Range", e->range, sizeof(e->range)))
		e->range[0] = '\0';
	memcpy(e->head, ask->head, PB_MIN(ask->request->head_len, sizeof(e->head) - 1));
	return e;
}

static int
on_ask(void *arg, const struct http_ask *ask, struct http_answer *answer)
{
	struct site *site = arg;
	struct live_target target;

	/* Control is not part of what is observed: reading the log doesn't write it. */
	if (site->control && strncmp(ask->request->path, "/_/", 3) == 0)
		return answer_control(site, ask, answer);
	if (live_route(&target, site->channels, ask->request->path) != 0) {
		answer->note = note(site, ask, "", "none")->seq;
		answer->status = 404;
		if (strcmp(ask->request->path, "/") == 0 && ask->request->method != REQUEST_POST)
			return answer_list(site, answer);
		return 0;
	}
	return answer_channel(site, ask, &target, answer);
}

static bool
has_cookie(const struct http_ask *ask, const struct channel *channel)
{
	char value[1024];
	char want[CHANNEL_NAME + 16];

	snprintf(want, sizeof(want), "session=%s-1", channel->name);
	return request_field(ask->head, ask->request->head_len, "Cookie", value, sizeof(value)) &&
	    strstr(value, want) != NULL;
}

/* The doors of a channel: method, token, cookie. true when it was answered here. */
static bool
guard(const struct http_ask *ask, const struct live_target *t, struct http_answer *a)
{
	const struct channel *channel = t->channel;
	char token[32];

	if (ask->request->method != REQUEST_GET && ask->request->method != REQUEST_HEAD) {
		a->status = 405;
		return true;
	}
	if (channel->redirect && !t->has_token) {
		live_token(channel, ask->now, token, sizeof(token));
		a->status = 302;
		if (asprintf(&a->fields, "Location: /%s/t/%s/%s\r\n", channel->name, token, t->rest) == -1) {
			a->fields = NULL;
			a->status = 500;
		}
		return true;
	}
	if (t->has_token && live_token_check(channel, t->token, ask->now) != 0) {
		a->status = 403;
		return true;
	}
	if (channel->cookie && !has_cookie(ask, channel)) {
		if (t->kind != LIVE_MASTER && t->kind != LIVE_MEDIA && t->kind != LIVE_STREAM) {
			a->status = 403;
			return true;
		}
		if (asprintf(&a->fields, "Set-Cookie: session=%s-1; Path=/%s/\r\n", channel->name, channel->name) == -1)
			a->fields = NULL;
	}
	return false;
}

/* Replace a text by its gzip, and say so in the head, if the channel is one that says so. */
static int
compress_text(const struct channel *channel, struct http_answer *a)
{
	z_stream z;
	uLong bound;
	uint8_t *out;
	char *fields = NULL;
	int ret;

	memset(&z, 0, sizeof(z));
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return PB_ENOMEM;
	bound = deflateBound(&z, (uLong)a->len);
	out = malloc(bound);
	if (out == NULL) {
		deflateEnd(&z);
		return PB_ENOMEM;
	}
	z.next_in = a->body;
	z.avail_in = (uInt)a->len;
	z.next_out = out;
	z.avail_out = (uInt)bound;
	ret = deflate(&z, Z_FINISH);
	deflateEnd(&z);
	pb_assert(ret == Z_STREAM_END); /* deflateBound() said so */
	free(a->body);
	a->body = out;
	a->len = z.total_out;
	if (channel->gzip == CHANNEL_GZIP_BARE)
		return 0;
	if (asprintf(&fields, "%sContent-Encoding: gzip\r\n", a->fields == NULL ? "" : a->fields) == -1)
		return PB_ENOMEM;
	free(a->fields);
	a->fields = fields;
	return 0;
}

static int
answer_text(const struct channel *channel, char *text, size_t len, struct http_answer *a)
{
	a->type = TYPE_M3U8;
	a->body = (uint8_t *)text;
	a->len = len;
	return channel->gzip == CHANNEL_GZIP_NO ? 0 : compress_text(channel, a);
}

static int
answer_channel(struct site *site, const struct http_ask *ask, struct live_target *t, struct http_answer *a)
{
	const struct channel *channel = t->channel;
	struct fault_request fault = { channel->name, fault_kind(t->kind), t->variant, t->kind == LIVE_SEGMENT, t->k,
		ask->port };
	struct trace_entry *entry = note(site, ask, channel->name, fault_kind_name(fault.kind));
	char *text = NULL;
	size_t len = 0;
	int err = 0;

	a->note = entry->seq;
	entry->has_k = fault.has_k;
	entry->k = t->k;
	site->figures[channel->index].requests[t->kind]++;
	link_set(site, ask->connection, channel->index);
	faults_plan(site->faults, &fault, ask->now, &a->plan);
	a->status = 200;
	if (a->plan.limit > 0 && site->figures[channel->index].open > a->plan.limit)
		a->plan.status = STATUS_LIMIT;
	if (a->plan.status != 0 && a->plan.retry_after_s != 0) {
		if (asprintf(&a->fields, "Retry-After: %u\r\n", a->plan.retry_after_s) == -1)
			a->fields = NULL;
		return 0;
	}
	if (guard(ask, t, a))
		return 0;
	switch (t->kind) {
	case LIVE_MASTER:
		err = live_master(channel, &text, &len);
		return err != 0 ? err : answer_text(channel, text, len, a);
	case LIVE_MEDIA:
		if (a->plan.stuck_at != 0 && t->has_token && live_token_made(t->token) < a->plan.stuck_at)
			a->plan.lie.at = a->plan.stuck_at;
		err = live_playlist(channel, t->variant, ask->now, &a->plan.lie, &text, &len);
		return err != 0 ? err : answer_text(channel, text, len, a);
	case LIVE_SEGMENT:
	case LIVE_LOOP:
		if (a->plan.repeat_at != 0)
			t->k = live_newest(channel, a->plan.repeat_at);
		a->type = channel->aes ? "application/octet-stream" : TYPE_TS;
		a->ranges = true;
		err = live_segment(t, ask->now, &a->body, &a->len);
		if (err == 0 && !channel->aes && a->plan.clock_stands)
			spoil_clock(a->body, a->len);
		if (err == 0 && !channel->aes && a->plan.no_video)
			spoil_video(a->body, a->len);
		if (err == 0 && !channel->aes && a->plan.no_audio)
			spoil_audio(a->body, a->len);
		break;
	case LIVE_KEY:
		a->type = "application/octet-stream";
		err = channel->aes ? 0 : PB_NO;
		if (err != 0)
			break;
		a->body = malloc(CHANNEL_KEY);
		if (a->body == NULL)
			return PB_ENOMEM;
		memcpy(a->body, channel->key, CHANNEL_KEY);
		a->len = CHANNEL_KEY;
		break;
	case LIVE_STREAM:
		a->type = TYPE_TS;
		err = live_stream_new(&a->stream, channel, t->variant, ask->now);
		break;
	}
	if (err == PB_NO) {
		a->status = 404;
		a->ranges = false;
		return 0;
	}
	return err;
}

static int
answer_list(const struct site *site, struct http_answer *a)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, &a->len);
	const struct channel *channel;

	if (f == NULL)
		return PB_ENOMEM;
	for (size_t i = 0; (channel = channels_at(site->channels, i)) != NULL; i++)
		fprintf(f, "/%s/master.m3u8\n", channel->name);
	if (fclose(f) != 0) {
		free(text);
		return PB_ENOMEM;
	}
	a->status = 200;
	a->type = TYPE_TEXT;
	a->body = (uint8_t *)text;
	return 0;
}

static int
put_json(struct http_answer *a, json_t *json)
{
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (text == NULL)
		return PB_ENOMEM;
	a->status = 200;
	a->type = TYPE_JSON;
	a->body = (uint8_t *)text;
	a->len = strlen(text);
	return 0;
}

static json_t *
stats_json(const struct site *site)
{
	static const char *const names[NKINDS] = { "master", "media", "segment", "loop", "key", "live" };
	json_t *all = json_object();
	json_t *channels = json_object();
	const struct channel *channel;
	struct http_figures h;

	http_figures(site->server, &h);
	json_object_set_new(all, "connections_open", json_integer((json_int_t)h.open));
	json_object_set_new(all, "connections_max", json_integer((json_int_t)h.open_max));
	json_object_set_new(all, "connections_total", json_integer((json_int_t)h.total));
	json_object_set_new(all, "connections_refused", json_integer((json_int_t)h.refused));
	for (size_t i = 0; (channel = channels_at(site->channels, i)) != NULL; i++) {
		const struct figures *f = &site->figures[i];
		json_t *one = json_object();
		json_t *requests = json_object();

		for (size_t k = 0; k < NKINDS; k++)
			json_object_set_new(requests, names[k], json_integer((json_int_t)f->requests[k]));
		json_object_set_new(one, "connections_open", json_integer((json_int_t)f->open));
		json_object_set_new(one, "connections_max", json_integer((json_int_t)f->open_max));
		json_object_set_new(one, "connections_total", json_integer((json_int_t)f->total));
		json_object_set_new(one, "requests", requests);
		json_object_set_new(channels, channel->name, one);
	}
	json_object_set_new(all, "channels", channels);
	return all;
}

static int
refuse(struct http_answer *a, const char *why)
{
	a->status = 400;
	a->type = TYPE_TEXT;
	if (asprintf((char **)&a->body, "%s\n", why) == -1) {
		a->body = NULL;
		return PB_ENOMEM;
	}
	a->len = strlen((char *)a->body);
	return 0;
}

static int
answer_control(struct site *site, const struct http_ask *ask, struct http_answer *a)
{
	const struct request *request = ask->request;
	const char *what = request->path + 3;
	char value[256];
	char why[256];

	a->status = 200;
	if (strcmp(what, "log") == 0 && request->method != REQUEST_POST) {
		uint64_t since = 0;

		if (request_param(request, "since", value, sizeof(value)))
			since = strtoull(value, NULL, 10);
		return put_json(a, trace_json(site->trace, since));
	}
	if (strcmp(what, "stats") == 0 && request->method != REQUEST_POST)
		return put_json(a, stats_json(site));
	if (request->method != REQUEST_POST) {
		a->status = strcmp(what, "fault") == 0 || strcmp(what, "clear") == 0 ? 405 : 404;
		return 0;
	}
	/* A page in somebody's browser may send a POST to any port of this machine, but says where it is from. */
	if (request_field(ask->head, request->head_len, "Origin", value, sizeof(value))) {
		a->status = 403;
		return 0;
	}
	if (strcmp(what, "fault") == 0) {
		if (faults_add(site->faults, request->query, ask->now, why, sizeof(why)) != 0)
			return refuse(a, why);
	} else if (strcmp(what, "clear") == 0) {
		bool one = request_param(request, "channel", value, sizeof(value));
		unsigned int kind = 0;

		if (request_param(request, "kind", why, sizeof(why))) {
			kind = fault_kind_parse(why);
			if (kind == 0)
				return refuse(a, "kind: not understood");
		}
		faults_clear(site->faults, one ? value : NULL, kind);
	} else {
		a->status = 404;
		return 0;
	}
	http_review(site->server);
	return 0;
}
