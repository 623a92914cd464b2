/*
 * status.c - one function an object, top down
 *
 * A state that a worker writes into is read field by field, once each, and
 * what comes of it goes nowhere but into a document for people.
 */
#include "supervisor/status.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "base/url.h"
#include "supervisor/health.h"
#include "supervisor/supervisor.h"
#include "supervisor/text.h"
#include "ipc/spool.h"

#define MS_MAX (86400ULL * 1000)

/* A text that may hold what is no UTF-8; such bytes are shown as '?'. */
static json_t *
text_value(const char *s)
{
	json_t *value = json_string(s);
	char clean[512];
	size_t i;

	if (value != NULL)
		return value;
	for (i = 0; s[i] != '\0' && i < sizeof(clean) - 1; i++)
		clean[i] = (unsigned char)s[i] < 0x80 ? s[i] : '?';
	clean[i] = '\0';
	return json_string(clean);
}

static json_t *
number(uint64_t v)
{
	return json_integer((json_int_t)PB_MIN(v, (uint64_t)INT64_MAX));
}

static uint64_t
figure(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static uint32_t
figure32(const _Atomic uint32_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static double
tenths(double v)
{
	return (double)(int64_t)(v * 10.0 + 0.5) / 10.0;
}

/* The streams that dried up alone. */
static json_t *
dry_streams(uint32_t dry)
{
	json_t *list = json_array();

	if (dry & DRY_VIDEO)
		json_array_append_new(list, json_string("video"));
	if (dry & DRY_AUDIO)
		json_array_append_new(list, json_string("audio"));
	return list;
}

/* What stands in for media that does not come; null: media comes. */
static json_t *
filling(uint32_t what)
{
	static const char *const names[] = { [FILLING_PICTURE] = "picture", [FILLING_SLATE] = "slate" };

	return what < NITEMS(names) && names[what] != NULL ? json_string(names[what]) : json_null();
}

static json_t *
percent(uint32_t permille)
{
	return json_real(tenths((double)PB_MIN(permille, 1000u) / 10.));
}

static const char *
quality_name(uint32_t quality)
{
	static const char *const names[] = { "normal", "degraded", "outage" };

	return quality < NITEMS(names) ? names[quality] : "unknown";
}

/* How its connection is, as its worker last saw it; null before that. */
static json_t *
connection_object(const struct client *c)
{
	const struct stream *s = c->stream;
	const struct state_client *f;
	json_t *o;

	if (c->slot == CLIENT_NO_SLOT || s->state == NULL)
		return json_null();
	f = &s->state->clients[c->slot];
	if (figure(&f->client) != c->number)
		return json_null();
	o = json_object();
	json_object_set_new(o, "rtt_ms", json_real(tenths((double)figure32(&f->rtt_us) / 1e3)));
	json_object_set_new(o, "retransmits", number(figure32(&f->retransmits)));
	json_object_set_new(o, "delivery_kbps", number(figure32(&f->delivery_kbps)));
	json_object_set_new(o, "unacked_ms", number(figure32(&f->unacked_ms)));
	json_object_set_new(o, "zero_window_ms", number(figure32(&f->zero_window_ms)));
	json_object_set_new(o, "queued_bytes", number(figure32(&f->queued)));
	return o;
}

static json_t *
client_object(const struct client *c)
{
	const struct stream *s = c->stream;
	json_t *o = json_object();
	double behind_s = 0;

	if (c->slot != CLIENT_NO_SLOT && c->served_at != 0 && s->state != NULL) {
		const struct state_slot *slot = &s->state->slots[c->slot];
		struct state_view view;

		state_view(s->state, &view);
		behind_s = (double)PB_MIN(state_span_ms(s->state, figure(&slot->offset), view.released), MS_MAX) / 1e3;
	}
	json_object_set_new(o, "id", number(c->number));
	json_object_set_new(o, "address", text_value(c->address));
	json_object_set_new(o, "agent", text_value(c->agent));
	json_object_set_new(o, "seconds", json_real(tenths(loop_now(s->streams->loop) - c->since)));
	json_object_set_new(o, "bytes", number(client_bytes(c)));
	json_object_set_new(o, "behind_live_s", json_real(tenths(behind_s)));
	json_object_set_new(o, "connection", connection_object(c));
	json_object_set_new(o, "state",
	    json_string(client_paused(c) ? "paused"
		    : c->eof             ? "half-closed"
					 : client_phase_name(c->phase)));
	return o;
}

static json_t *
worker_object(const struct worker *w)
{
	json_t *o = json_object();

	json_object_set_new(o, "pid", json_integer(w->pid));
	json_object_set_new(o, "state", json_string(worker_state_name(w->state)));
	json_object_set_new(o, "uptime_s", json_real(tenths(loop_now(w->loop) - w->born)));
	return o;
}

static json_t *
upstream_object(const struct stream *s)
{
	json_t *o = json_object();
	const struct state_figures *f;
	char reason[STATE_REASON_MAX], interface[STATE_INTERFACE_MAX];

	json_object_set_new(o, "url", text_value(s->url));
	if (s->state == NULL)
		return o;
	f = &s->state->figures;
	memcpy(reason, s->state->reason, sizeof(reason));
	msg_text(reason, sizeof(reason));
	memcpy(interface, s->state->interface, sizeof(interface));
	msg_text(interface, sizeof(interface));
	json_object_set_new(o, "interface", text_value(interface));
	json_object_set_new(o, "source", number(figure32(&f->source)));
	json_object_set_new(o, "failovers", number(figure32(&s->state->sources.failovers)));
	json_object_set_new(o, "returns", number(figure32(&s->state->sources.returns)));
	json_object_set_new(o, "bytes", number(figure(&f->upstream_bytes)));
	json_object_set_new(o, "requests", number(figure(&f->requests)));
	json_object_set_new(o, "errors", number(figure(&f->errors)));
	json_object_set_new(o, "retries", number(figure(&f->retries)));
	json_object_set_new(o, "http_status", number(figure32(&f->http_status)));
	json_object_set_new(o, "latency_ms", number(figure32(&f->latency_ms)));
	json_object_set_new(o, "throughput_kbps", number(figure32(&f->throughput_kbps)));
	json_object_set_new(o, "media_kbps", number(figure32(&f->media_kbps)));
	json_object_set_new(o, "bandwidth_kbps", number(figure32(&f->bandwidth_kbps)));
	json_object_set_new(o, "steps", number(figure(&f->steps)));
	json_object_set_new(o, "segments", number(figure(&f->segments)));
	json_object_set_new(o, "segments_lost", number(figure(&f->segments_lost)));
	json_object_set_new(o, "splices", number(figure(&f->splices)));
	json_object_set_new(o, "underruns", number(figure(&f->underruns)));
	json_object_set_new(o, "filler", filling(figure32(&f->filling)));
	json_object_set_new(o, "dry", dry_streams(figure32(&f->dry)));
	json_object_set_new(o, "fillers", number(figure32(&f->fillers)));
	json_object_set_new(o, "filler_s", json_real((double)figure(&f->filler_ms) / 1e3));
	json_object_set_new(o, "target_s", json_real((double)figure32(&f->target_ms) / 1e3));
	json_object_set_new(o, "quality", json_string(quality_name(figure32(&f->quality))));
	json_object_set_new(o, "rtt_ms", number(figure32(&f->rtt_ms)));
	json_object_set_new(o, "retransmits", number(figure32(&f->retransmits)));
	json_object_set_new(o, "loss_percent", percent(figure32(&f->loss_permille)));
	json_object_set_new(o, "error_percent", percent(figure32(&f->error_permille)));
	json_object_set_new(o, "try_timeout_s", json_real((double)figure32(&f->try_timeout_ms) / 1e3));
	json_object_set_new(o, "prefetch", number(figure32(&f->prefetch)));
	json_object_set_new(o, "hedges", number(figure(&f->hedges)));
	json_object_set_new(o, "hedges_won", number(figure(&f->hedges_won)));
	json_object_set_new(o, "width", number(figure32(&f->width)));
	json_object_set_new(o, "height", number(figure32(&f->height)));
	json_object_set_new(o, "reason", text_value(reason));
	return o;
}

static const char *
health_name(uint32_t health)
{
	static const char *const names[] = { "untried", "trying", "good", "doubted", "failed" };

	return health < NITEMS(names) ? names[health] : "unknown";
}

static json_t *
percent_of(uint32_t part, uint32_t all)
{
	return percent(all == 0 ? 0 : (uint32_t)PB_MIN((uint64_t)part * 1000 / all, (uint64_t)1000));
}

static json_t *
minute_object(const struct state_minute *m, int64_t ago)
{
	json_t *o = json_object();

	json_object_set_new(o, "minutes_ago", json_integer(ago));
	json_object_set_new(o, "seconds", number(figure32(&m->seconds)));
	json_object_set_new(o, "quality", json_string(quality_name(figure32(&m->quality))));
	json_object_set_new(o, "latency_ms", number(figure32(&m->latency_ms)));
	json_object_set_new(o, "throughput_kbps", number(figure32(&m->throughput_kbps)));
	json_object_set_new(o, "loss_percent", percent_of(figure32(&m->losses), figure32(&m->segments)));
	json_object_set_new(o, "retransmits", number(figure32(&m->retransmits)));
	json_object_set_new(o, "requests", number(figure32(&m->requests)));
	json_object_set_new(o, "error_percent", percent_of(figure32(&m->troubles), figure32(&m->requests)));
	return o;
}

/* The minutes of the last hour in which it was in use, the oldest first. */
static json_t *
history_array(const struct state_source *one)
{
	int64_t now = monotonic_ns() / 60000000000 + 1;
	json_t *a = json_array();

	for (int64_t ago = STATE_MINUTES - 1; ago >= 0; ago--) {
		const struct state_minute *m = &one->minutes[(now + STATE_MINUTES - ago) % STATE_MINUTES];

		if (now > ago && figure32(&m->minute) == now - ago)
			json_array_append_new(a, minute_object(m, ago));
	}
	return a;
}

/* Its own figures, while it was in use: as of the last second of that, and in each minute. */
static void
add_source_figures(json_t *o, const struct state_source *one)
{
	int64_t used_ns = atomic_load_explicit(&one->used_ns, memory_order_relaxed), now_ns = monotonic_ns();

	json_object_set_new(o, "used_s_ago",
	    used_ns > 0 && used_ns <= now_ns ? json_real(tenths((double)(now_ns - used_ns) / 1e9)) : json_null());
	json_object_set_new(
	    o, "used_s", json_real(tenths((double)PB_MIN(figure(&one->used_ms), UINT64_MAX >> 12) / 1e3)));
	json_object_set_new(
	    o, "quality", used_ns > 0 ? json_string(quality_name(figure32(&one->quality))) : json_null());
	json_object_set_new(o, "latency_ms", number(figure32(&one->latency_ms)));
	json_object_set_new(o, "throughput_kbps", number(figure32(&one->throughput_kbps)));
	json_object_set_new(o, "rtt_ms", number(figure32(&one->rtt_ms)));
	json_object_set_new(o, "loss_percent", percent(figure32(&one->loss_permille)));
	json_object_set_new(o, "error_percent", percent(figure32(&one->error_permille)));
	json_object_set_new(o, "retransmits", number(figure(&one->retransmits)));
	json_object_set_new(o, "requests", number(figure(&one->requests)));
	json_object_set_new(o, "errors", number(figure(&one->troubles)));
	json_object_set_new(o, "bytes", number(figure(&one->bytes)));
	json_object_set_new(o, "history", history_array(one));
}

/* A source as the channel has it, and what its worker remembers of it. */
static json_t *
source_object(const struct stream *s, const struct channel *channel, unsigned n, uint32_t in_use)
{
	const struct state_source *one = &s->state->sources.at[n];
	const char *url = channel_url(channel, n), *provider = channel_provider(channel, n);
	char shown[STREAM_URL_SHOWN], reason[STATE_REASON_MAX];
	int64_t failed_ns = atomic_load_explicit(&one->failed_ns, memory_order_relaxed), now_ns = monotonic_ns();
	json_t *o = json_object();

	memcpy(reason, one->reason, sizeof(reason));
	msg_text(reason, sizeof(reason));
	json_object_set_new(o, "source", json_integer(n));
	json_object_set_new(o, "url", text_value(url != NULL ? url_redact(shown, sizeof(shown), url) : s->url));
	json_object_set_new(o, "provider", text_value(provider != NULL ? provider : ""));
	json_object_set_new(o, "in_use", json_boolean(n == in_use));
	json_object_set_new(o, "health", json_string(health_name(figure32(&one->health))));
	json_object_set_new(o, "failures", number(figure32(&one->failures)));
	json_object_set_new(o, "failed_s_ago",
	    failed_ns > 0 && failed_ns <= now_ns ? json_real(tenths((double)(now_ns - failed_ns) / 1e9)) : json_null());
	json_object_set_new(o, "reason", text_value(reason));
	add_source_figures(o, one);
	return o;
}

/* All sources of its channel; empty before there is a state. */
static json_t *
sources_array(const struct stream *s)
{
	const struct channel *channel = config_find_playing(s->streams->config, s->guide_number);
	json_t *a = json_array();

	for (unsigned n = 0; channel != NULL && s->state != NULL && n <= channel->backup_count && n < STATE_SOURCES;
	     n++)
		json_array_append_new(a, source_object(s, channel, n, figure32(&s->state->sources.in_use)));
	return a;
}

/* Who has slots of that provider; a stream may still have one while it ends, until its worker is proven dead. */
static json_t *
slot_holders(const struct streams *streams, const char *provider)
{
	const struct stream *s;
	json_t *a = json_array();

	TAILQ_FOREACH(s, &streams->all, link)
	{
		bool own = s->slot.fd != -1 && strcmp(s->provider, provider) == 0;
		bool backup = s->upstream.slot.fd != -1 && strcmp(s->upstream.provider, provider) == 0;
		json_t *o;

		if (!own && !backup)
			continue;
		o = json_object();
		json_object_set_new(o, "channel", json_string(s->guide_number));
		json_object_set_new(o, "name", text_value(s->name));
		json_object_set_new(o, "id", number(s->number));
		json_object_set_new(o, "state", json_string(stream_state_name(s)));
		json_object_set_new(o, "clients", number(stream_watchers(s)));
		json_array_append_new(a, o);
	}
	return a;
}

/* What an Xtream server said of the account when its list was fetched; null: nothing. */
static json_t *
account_object(const struct supervisor *sup, size_t i)
{
	const struct list *list = i < sup->imports.count ? sup->imports.at[i].list : NULL;
	const char *status = list != NULL ? list_string(list, list->head->account) : NULL;
	json_t *o;

	if (list == NULL || (status == NULL && list->head->max_connections == 0 && list->head->expires_s == 0))
		return json_null();
	o = json_object();
	json_object_set_new(o, "status", text_value(status != NULL ? status : ""));
	json_object_set_new(o, "expires", list->head->expires_s > 0 ? number(list->head->expires_s) : json_null());
	json_object_set_new(o, "max_connections", number(list->head->max_connections));
	json_object_set_new(o, "active_connections", number(list->head->active_connections));
	return o;
}

/* Their slots, and what is known of those that refused, or refuse. */
static json_t *
providers_array(const struct supervisor *sup)
{
	const struct config *config = sup->config;
	double now = monotonic_s();
	json_t *a = json_array();

	for (size_t i = 0; i < config->provider_count; i++) {
		const struct provider_limit *limit = upstream_limit(&sup->streams, config->providers[i].name);
		json_t *o = json_object();
		bool open = limit != NULL && limit->breaker != BREAKER_CLOSED;
		json_t *who = slot_holders(&sup->streams, config->providers[i].name);

		json_object_set_new(o, "name", text_value(config->providers[i].name));
		json_object_set_new(o, "max_streams", json_integer(config->providers[i].max_streams));
		json_object_set_new(o, "account", account_object(sup, i));
		json_object_set_new(o, "in_use", number(json_array_size(who)));
		json_object_set_new(o, "streams", who);
		json_object_set_new(
		    o, "breaker", json_string(provider_breaker_name(open ? limit->breaker : BREAKER_CLOSED)));
		json_object_set_new(
		    o, "retry_in_s", json_real(open && limit->until > now ? tenths(limit->until - now) : 0.0));
		json_object_set_new(o, "refusals", number(limit != NULL ? limit->refusals : 0));
		json_object_set_new(o, "denials", number(limit != NULL ? limit->denials : 0));
		json_object_set_new(o, "bans", number(limit != NULL ? limit->bans : 0));
		json_object_set_new(o, "http_status", json_integer(limit != NULL ? limit->status : 0));
		json_object_set_new(o, "reason", text_value(limit != NULL ? limit->why : ""));
		json_array_append_new(a, o);
	}
	return a;
}

/* Null before the first one. */
static json_t *
handover_object(const struct stream *s)
{
	json_t *o;

	if (s->handovers == 0)
		return json_null();
	o = json_object();
	json_object_set_new(o, "why", text_value(s->last.why));
	json_object_set_new(o, "ms", json_real(tenths(s->last.ms)));
	json_object_set_new(o, "clients", number(s->last.clients));
	json_object_set_new(o, "seconds_ago", json_real(tenths(loop_now(s->streams->loop) - s->last.at)));
	return o;
}

static json_t *
stream_object(const struct stream *s)
{
	json_t *o = json_object(), *clients = json_array(), *worker = json_null();
	struct state_view view = { 0 };
	const struct client *c;

	if (s->state != NULL)
		state_view(s->state, &view);
	TAILQ_FOREACH(c, &s->clients, link)
	if (c->phase != CLIENT_DROPPING)
		json_array_append_new(clients, client_object(c));
	if (s->worker != NULL) {
		worker = worker_object(s->worker);
		json_object_set_new(worker, "restarts", json_integer(s->restarts));
	}
	json_object_set_new(o, "channel", json_string(s->guide_number));
	json_object_set_new(o, "name", text_value(s->name));
	json_object_set_new(o, "id", number(s->number));
	json_object_set_new(o, "tuner", json_integer(s->tuner < 0 ? s->tuner : s->tuner % UNIT_TUNERS));
	json_object_set_new(o, "state", json_string(stream_state_name(s)));
	json_object_set_new(o, "seconds", json_real(tenths(loop_now(s->streams->loop) - s->born)));
	json_object_set_new(o, "clients", clients);
	json_object_set_new(o, "worker", worker);
	json_object_set_new(o, "restarts", json_integer(s->restarts));
	json_object_set_new(o, "handovers", json_integer(s->handovers));
	json_object_set_new(o, "last_handover", handover_object(s));
	json_object_set_new(o, "crashes", json_integer(s->crashes.count));
	json_object_set_new(o, "poisoned", json_integer(s->crashes.poisoned));
	json_object_set_new(o, "reserve_s", json_real(tenths((double)PB_MIN(view.reserve_ms, MS_MAX) / 1e3)));
	if (s->state != NULL) {
		json_object_set_new(o, "reserve_target_s",
		    json_real(tenths((double)PB_MIN(figure32(&s->state->figures.reserve_target_ms), MS_MAX) / 1e3)));
		json_object_set_new(o, "reserve_learned_s",
		    json_real(tenths((double)PB_MIN(figure32(&s->state->figures.learned_ms), MS_MAX) / 1e3)));
	}
	json_object_set_new(o, "window_s", json_real(tenths((double)PB_MIN(view.behind_ms, MS_MAX) / 1e3)));
	json_object_set_new(o, "bytes", number(view.head));
	json_object_set_new(o, "memory", number(s->spool_fd != -1 ? spool_memory(s->spool_fd) : 0));
	json_object_set_new(o, "upstream", upstream_object(s));
	json_object_set_new(o, "sources", sources_array(s));
	return o;
}

static json_t *
listeners_array(const struct supervisor *sup)
{
	const struct config_addrs *listen = &sup->config->server.listen;
	json_t *a = json_array();

	for (size_t i = 0; i < listen->count; i++) {
		struct addr addr;
		char text[ADDR_TEXT];

		addr_set(&addr, &listen->at[i].sa.any, listen->at[i].len);
		json_array_append_new(a, json_string(addr_text(&addr, text)));
	}
	return a;
}

static int
busy_tuners(const struct supervisor *sup, const struct unit *unit)
{
	int busy = 0;

	for (int i = 0; i < unit->config->tuner_count; i++)
		busy += streams_on_tuner(&sup->streams, unit->first + i) != NULL;
	return busy;
}

/* Each tuner that this process is. */
static json_t *
devices_array(const struct supervisor *sup)
{
	json_t *a = json_array();

	for (size_t i = 0; i < sup->units.count; i++) {
		const struct unit *unit = &sup->units.at[i];
		json_t *o, *tuners;

		if (unit->config == NULL)
			continue;
		o = json_object();
		tuners = json_object();
		json_object_set_new(o, "tuner", json_string(unit->label));
		json_object_set_new(o, "name", text_value(unit->config->name));
		json_object_set_new(o, "device_id", json_string(unit->device.id_text));
		json_object_set_new(o, "port", unit->port != 0 ? json_integer(unit->port) : json_null());
		json_object_set_new(
		    o, "path", unit->config->path != NULL ? json_string(unit->config->path) : json_null());
		json_object_set_new(o, "channels", number(unit->lineup.count));
		json_object_set_new(o, "large", json_boolean(unit->large));
		json_object_set_new(tuners, "count", json_integer(unit->config->tuner_count));
		json_object_set_new(tuners, "busy", json_integer(busy_tuners(sup, unit)));
		json_object_set_new(o, "tuners", tuners);
		json_array_append_new(a, o);
	}
	return a;
}

static const char *
found_by(bool wanted, bool there)
{
	return !wanted ? "off" : there ? "on" : "failed";
}

static json_t *
discovery_object(const struct supervisor *sup)
{
	const struct discovery *d = &sup->discovery;
	const struct config_discovery *c = &sup->config->discovery;
	json_t *o = json_object();

	json_object_set_new(o, "hdhomerun", json_string(found_by(c->hdhomerun, d->udp[0].fd != -1)));
	json_object_set_new(o, "ssdp", json_string(found_by(c->ssdp, d->ssdp.fd != -1)));
	json_object_set_new(o, "requests", number(d->stats.requests));
	json_object_set_new(o, "replies", number(d->stats.replies));
	json_object_set_new(o, "limited", number(d->stats.limited));
	json_object_set_new(o, "strangers", number(d->stats.strangers));
	json_object_set_new(o, "broken", number(d->stats.broken));
	json_object_set_new(o, "connections", number(d->stats.connections));
	json_object_set_new(o, "variables", number(d->stats.variables));
	json_object_set_new(o, "searches", number(d->stats.searches));
	json_object_set_new(o, "announcements", number(d->stats.announcements));
	return o;
}

static json_t *
supervisor_object(const struct supervisor *sup)
{
	json_t *o = json_object(), *tuners = json_object(), *memory = json_object();
	int busy = 0, count = 0;

	for (size_t i = 0; i < sup->units.count; i++)
		if (sup->units.at[i].config != NULL) {
			count += sup->units.at[i].config->tuner_count;
			busy += busy_tuners(sup, &sup->units.at[i]);
		}
	json_object_set_new(tuners, "count", json_integer(count));
	json_object_set_new(tuners, "busy", json_integer(busy));
	json_object_set_new(memory, "spools", number(streams_memory(&sup->streams)));
	json_object_set_new(memory, "limit", number(sup->streams.memory_limit));
	json_object_set_new(o, "pid", json_integer(getpid()));
	json_object_set_new(o, "version", json_string(PACKAGE_VERSION));
	json_object_set_new(o, "commit", json_string(PB_COMMIT));
	json_object_set_new(o, "name", text_value(sup->config->tuner.name));
	json_object_set_new(o, "device_id", json_string(sup->units.at[0].device.id_text));
	json_object_set_new(o, "uptime_s", json_real(tenths(loop_now(sup->loop) - sup->started)));
	json_object_set_new(o, "loop_turn_ms_max", json_real(tenths(sup->turn.max_ms)));
	json_object_set_new(o, "listeners", listeners_array(sup));
	json_object_set_new(o, "advertise",
	    sup->config->server.advertise != NULL ? json_string(sup->config->server.advertise) : json_null());
	json_object_set_new(o, "tuners", tuners);
	json_object_set_new(o, "devices", devices_array(sup));
	json_object_set_new(o, "discovery", discovery_object(sup));
	json_object_set_new(o, "hosts_refused", number(sup->hosts_refused));
	json_object_set_new(o, "memory", memory);
	return o;
}

static json_t *
status_object(const struct supervisor *sup)
{
	json_t *o = json_object(), *streams = json_array(), *channels = json_object();
	const struct worker *spare = workers_spare(&sup->workers);
	const struct stream *s;

	TAILQ_FOREACH(s, &sup->streams.all, link)
	json_array_append_new(streams, stream_object(s));
	json_object_set_new(channels, "count", number(sup->config->lineup.count));
	json_object_set_new(channels, "whole", json_boolean(sup->imports.whole));
	if (sup->imports.why[0] != '\0')
		json_object_set_new(channels, "error", json_string(sup->imports.why));
	json_object_set_new(o, "supervisor", supervisor_object(sup));
	json_object_set_new(o, "spare", spare != NULL ? worker_object(spare) : json_null());
	json_object_set_new(o, "streams", streams);
	json_object_set_new(o, "channels", channels);
	json_object_set_new(o, "providers", providers_array(sup));
	return o;
}

/* Takes the object. */
static struct blob *
blob_of(json_t *o)
{
	char *s = o != NULL ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
	struct blob *blob = s != NULL ? blob_new(s, strlen(s)) : NULL;

	free(s);
	json_decref(o);
	return blob;
}

struct blob *
status_json(const struct supervisor *sup)
{
	return blob_of(status_object(sup));
}

static json_t *
http_object(const struct http_server *server)
{
	struct http_stats st;
	json_t *o = json_object();

	http_stats(server, &st);
	json_object_set_new(o, "open", number(st.open));
	json_object_set_new(o, "waiting", number(st.waiting));
	json_object_set_new(o, "lingering", number(st.lingering));
	json_object_set_new(o, "accepted", number(st.accepted));
	json_object_set_new(o, "answered", number(st.answered));
	json_object_set_new(o, "taken", number(st.taken));
	json_object_set_new(o, "refused", number(st.refused));
	json_object_set_new(o, "malformed", number(st.malformed));
	json_object_set_new(o, "late", number(st.late));
	json_object_set_new(o, "dropped", number(st.dropped));
	return o;
}

static json_t *
workers_object(const struct workers *pool)
{
	json_t *o = json_object(), *all = json_array();
	const struct worker *w;

	LIST_FOREACH(w, &pool->all, link)
	{
		json_t *one = worker_object(w);

		json_object_set_new(one, "channel", json_string(w->channel));
		json_array_append_new(all, one);
	}
	json_object_set_new(o, "all", all);
	json_object_set_new(o, "starts", number(pool->starts));
	json_object_set_new(o, "deaths", number(pool->deaths));
	json_object_set_new(o, "failures", json_integer(pool->failures));
	json_object_set_new(o, "refused", json_boolean(pool->refused));
	return o;
}

struct blob *
status_dump(const struct supervisor *sup)
{
	json_t *o = status_object(sup), *tunes = json_object(), *turns = json_object();

	json_object_set_new(tunes, "begun", number(sup->streams.tunes));
	json_object_set_new(tunes, "joined", number(sup->streams.joins));
	json_object_set_new(tunes, "refused", number(sup->streams.refused));
	json_object_set_new(tunes, "failed", number(sup->streams.failed));
	json_object_set_new(tunes, "worker_deaths", number(sup->streams.deaths));
	json_object_set_new(tunes, "handovers", number(sup->streams.handovers));
	json_object_set_new(tunes, "poisoned", number(sup->streams.poisoned));
	json_object_set_new(turns, "count", number(sup->turn.turns));
	json_object_set_new(turns, "too_long", number(sup->turn.long_turns));
	json_object_set_new(o, "tunes", tunes);
	json_object_set_new(o, "turns", turns);
	json_object_set_new(o, "workers", workers_object(&sup->workers));
	json_object_set_new(o, "tuner_port", http_object(sup->http));
	json_object_set_new(o, "control_socket", http_object(sup->control));
	return blob_of(o);
}

/* Ten thousand objects at once would be many megabytes: a channel at a time. */
struct blob *
status_channels(const struct supervisor *sup)
{
	const struct lineup *lineup = &sup->config->lineup;
	struct text text = { 0 };
	char shown[STREAM_URL_SHOWN];

	text_add(&text, "{\"channels\":[");
	for (size_t i = 0; i < lineup->count; i++) {
		const struct channel *ch = &lineup->channels[i];
		const struct stream *s, *on = NULL;

		TAILQ_FOREACH(s, &sup->streams.all, link)
		if (s->state_now != STREAM_ENDING && strcmp(s->guide_number, ch->guide_number) == 0)
			on = s;
		text_add(&text, i > 0 ? ",\n" : "\n");
		text_addf(&text, "{\"channel\":\"%s\",\"name\":", ch->guide_number);
		text_add_json(&text, ch->name != NULL ? ch->name : "");
		text_add(&text, ",\"group\":");
		text_add_json(&text, ch->group != NULL ? ch->group : "");
		text_add(&text, ",\"provider\":");
		text_add_json(&text, ch->provider != NULL ? ch->provider : "");
		text_addf(&text, ",\"backups\":%u,\"url\":", ch->backup_count);
		text_add_json(&text, ch->url != NULL ? url_redact(shown, sizeof(shown), ch->url) : "");
		text_addf(&text, ",\"tuner\":%d,\"state\":\"%s\"}", on != NULL ? on->tuner % UNIT_TUNERS : -1,
		    on != NULL ? stream_state_name(on) : "idle");
	}
	text_add(&text, "\n]}\n");
	return text_blob(&text);
}

static void
log_stream(const struct stream *s)
{
	struct state_view view = { 0 };
	const struct client *c;

	if (s->state != NULL)
		state_view(s->state, &view);
	log_event(LOG_INFO, "dump.stream",
	    "channel=%s stream=%" PRIu64 " tuner=%d state=%s pid=%d restarts=%u handovers=%u head=%" PRIu64
	    " released=%" PRIu64 " tail=%" PRIu64 " reserve_ms=%" PRIu64 " url=\"%s\"",
	    s->guide_number, s->number, s->tuner, stream_state_name(s), s->worker != NULL ? (int)s->worker->pid : 0,
	    s->restarts, s->handovers, view.head, view.released, view.tail, view.reserve_ms, s->url);
	TAILQ_FOREACH(c, &s->clients, link)
	log_event(LOG_INFO, "dump.client",
	    "channel=%s client=%" PRIu64 " peer=%s state=%s seconds=%.1f bytes=%" PRIu64 " agent=\"%s\"",
	    s->guide_number, c->number, c->address, client_phase_name(c->phase), loop_now(s->streams->loop) - c->since,
	    client_bytes(c), c->agent);
}

void
status_log(const struct supervisor *sup)
{
	const char *reasons[HEALTH_REASONS_MAX];
	const struct stream *s;
	const struct worker *w;
	size_t n = health_reasons(sup, reasons);

	log_event(LOG_INFO, "dump.supervisor",
	    "uptime_s=%.0f streams=%zu turn_ms_max=%.1f memory=%" PRIu64 " why=\"%s\"",
	    loop_now(sup->loop) - sup->started, sup->streams.count, sup->turn.max_ms, streams_memory(&sup->streams),
	    n > 0 ? reasons[0] : "healthy");
	TAILQ_FOREACH(s, &sup->streams.all, link)
	log_stream(s);
	LIST_FOREACH(w, &sup->workers.all, link)
	log_event(LOG_INFO, "dump.worker", "pid=%d channel=%s state=%s seconds=%.1f", (int)w->pid, w->channel,
	    worker_state_name(w->state), loop_now(sup->loop) - w->born);
}
