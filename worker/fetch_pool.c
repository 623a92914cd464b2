/*
 * fetch_pool.c - one channel's way out: its life, and what each try teaches it
 */
#include "worker/fetch_inside.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/pb.h"

/*
 * The system's certificates as a folder of hashed names, if it has one. A
 * bundle is parsed whole at the first connection: 3 MiB and 30 ms for each
 * worker; in the folder only the one that is needed is looked up.
 */
static const char *
hashed_certificates(void)
{
	const char *path = curl_version_info(CURLVERSION_NOW)->capath;
	struct dirent *entry;
	bool hashed = false;
	DIR *dir;

	dir = path != NULL ? opendir(path) : NULL;
	if (dir == NULL)
		return NULL;
	while (!hashed && (entry = readdir(dir)) != NULL)
		hashed = strspn(entry->d_name, "0123456789abcdef") == 8 && strcmp(entry->d_name + 8, ".0") == 0;
	closedir(dir);
	return hashed ? path : NULL;
}

static void
on_held(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fetch_pool *p = w->data;

	(void)loop;
	(void)revents;
	transfers_kick(p->transfers);
}

static void
drop_request(struct fetch_pool *p, unsigned source)
{
	headers_clear(&p->requests[source].headers);
	free(p->requests[source].user_agent);
	p->requests[source].user_agent = NULL;
}

static int
set_request(struct fetch_pool *p, unsigned source, const char *user_agent, const char *headers, size_t headers_len)
{
	int err;

	drop_request(p, source);
	p->requests[source].user_agent = strdup(user_agent[0] != '\0' ? user_agent : "PlexBridge");
	if (p->requests[source].user_agent == NULL)
		return PB_ENOMEM;
	err = headers_add(&p->requests[source].headers, headers, headers_len);
	if (err != 0)
		headers_clear(&p->requests[source].headers);
	return err;
}

int
fetch_pool_request(struct fetch_pool *p, unsigned source, const struct msg_request *r)
{
	pb_assert(source > 0 && source < MSG_SOURCES_MAX);
	return set_request(p, source, r->user_agent, r->headers, r->headers_len);
}

int
fetch_pool_new(struct fetch_pool **out, struct ev_loop *loop, const struct fetch_pool_options *o)
{
	const struct msg_request *r = o->request;
	struct transfers_hooks hooks = { .work = fetch_work, .over = fetch_over };
	struct fetch_pool *p = calloc(1, sizeof(*p));
	int err;

	if (p == NULL)
		return PB_ENOMEM;
	hosts_init(&p->hosts, o->settings->connections);
	TAILQ_INIT(&p->fetches);
	p->loop = loop;
	p->resolve = o->resolve;
	p->patience = 1;
	meter_init(&p->meter, loop_now(loop));
	late_init(&p->late[0]);
	late_init(&p->late[1]);
	interfaces_init(&p->interfaces, o->settings->interfaces);
	p->settings = *o->settings;
	p->settings.connections = PB_MAX(p->settings.connections, 1U);
	p->led = o->led;
	p->random = o->seed;
	p->answered = o->answered;
	p->arg = o->arg;
	ev_timer_init(&p->held, on_held, 0., 0.);
	p->held.data = p;
	p->phases = (struct fetch_phases){ -1, -1, -1, -1 };
	while (p->random == 0)
		if (getrandom(&p->random, sizeof(p->random), 0) != (ssize_t)sizeof(p->random))
			p->random = (uint64_t)getpid();
	p->ca_file = o->ca_file != NULL ? strdup(o->ca_file) : NULL;
	p->ca_path = o->ca_file == NULL ? hashed_certificates() : NULL;
	hooks.arg = p;
	if (o->ca_file != NULL && p->ca_file == NULL)
		err = PB_ENOMEM;
	else
		err = r != NULL ? set_request(p, 0, r->user_agent, r->headers, r->headers_len)
				: set_request(p, 0, "", NULL, 0);
	if (err == 0)
		err = transfers_new(&p->transfers, loop, p->settings.connections, &hooks);
	if (err != 0) {
		fetch_pool_free(&p);
		return err;
	}
	*out = p;
	return 0;
}

void
fetch_pool_free(struct fetch_pool **pp)
{
	struct fetch_pool *p = *pp;
	struct fetch *f;

	if (p == NULL)
		return;
	while ((f = TAILQ_FIRST(&p->fetches)) != NULL)
		fetch_cancel(&f);
	ev_timer_stop(p->loop, &p->held);
	hosts_clear(&p->hosts);
	transfers_free(&p->transfers);
	for (unsigned i = 0; i < MSG_SOURCES_MAX; i++)
		drop_request(p, i);
	free(p->ca_file);
	free(p);
	*pp = NULL;
}

void
fetch_pool_new_source(struct fetch_pool *p)
{
	p->source = SOURCE_UNKNOWN;
	p->figures.ttfb_ms = 0;
	p->figures.throughput_bps = 0;
	meter_forget(&p->meter);
	late_init(&p->late[0]);
	late_init(&p->late[1]);
}

void
fetch_pool_one(struct fetch_pool *p, bool one)
{
	struct fetch *f;

	p->hosts.one = one;
	transfers_one(p->transfers, one);
	TAILQ_FOREACH(f, &p->fetches, link)
	if (one && hedge_runs(f))
		hedge_drop(f);
}

void
fetch_pool_hang_up(struct fetch_pool *p)
{
	sockets_end_all(&p->sockets);
}

bool
fetch_pool_is_one(const struct fetch_pool *p)
{
	return p->hosts.one;
}

void
fetch_pool_hold(struct fetch_pool *p, ev_tstamp until)
{
	/* One that is lifted was one until now. */
	p->hold = PB_MAX(until, PB_MIN(p->hold, loop_now(p->loop)));
	ev_timer_stop(p->loop, &p->held);
	ev_timer_set(&p->held, PB_MAX(until - loop_now(p->loop), 0.) + 1e-3, 0.);
	ev_timer_start(p->loop, &p->held);
}

void
fetch_pool_settle(struct fetch_pool *p)
{
	transfers_keep(p->transfers, (unsigned)p->hosts.count);
}

struct fetch_phases
fetch_pool_phases(const struct fetch_pool *p)
{
	return p->phases;
}

bool
fetch_pool_trouble(struct fetch_pool *p, struct fetch_trouble *out)
{
	if (p->trouble.tries == 0)
		return false;
	*out = p->trouble;
	p->trouble.tries = 0;
	return true;
}

const char *
fetch_kind_name(enum fetch_kind kind)
{
	static const char *const names[] = { "playlist", "key", "segment", "stream" };

	return (unsigned)kind < NITEMS(names) ? names[kind] : "request";
}

void
fetch_pool_patience(struct fetch_pool *p, uint32_t permille)
{
	p->patience = PB_MAX(permille, 1U) / 1e3;
}

void
fetch_pool_rerouted(struct fetch_pool *p, const struct sockaddr *gone)
{
	struct fetch *f;

	if (gone != NULL)
		(void)sockets_end(&p->sockets, gone);
	interfaces_first(&p->interfaces);
	TAILQ_FOREACH(f, &p->fetches, link)
	if (f->state == WAITING) {
		f->wake = loop_now(p->loop);
		fetch_arm(f);
	}
}

bool
fetch_pool_second(struct fetch_pool *p)
{
	struct fetch *f;

	TAILQ_FOREACH(f, &p->fetches, link)
	fetch_pool_meter(f); /* what was in the making isn't for ever */
	p->figures.throughput_bps = meter_bps(&p->meter, loop_now(p->loop));
	p->figures.still_s = meter_still_s(&p->meter, loop_now(p->loop));
	return interfaces_second(&p->interfaces, loop_now(p->loop));
}

struct fetch_way
fetch_pool_way(struct fetch_pool *p)
{
	sockets_read(&p->sockets);
	return (struct fetch_way){
		.retransmits = p->sockets.retransmits,
		.out_of_order = p->sockets.out_of_order,
		.segments_in = p->sockets.segments_in,
		.segments_out = p->sockets.segments_out,
		.rtt_ms = p->sockets.rtt_ms,
		.interface = interfaces_name(&p->interfaces),
	};
}

struct fetch_figures
fetch_pool_figures(const struct fetch_pool *p)
{
	return p->figures;
}

/*
 * What a try teaches
 */

void
fetch_pool_meter(struct fetch *f)
{
	ev_tstamp now = loop_now(f->pool->loop);
	bool moves =
	    f->o.kind == FETCH_SEGMENT && f->state == RUNNING && f->t != NULL && f->first_byte > 0 && !f->discard;
	bool at_edge = moves && now - f->first_byte < f->o.making_ms / 1e3;

	if (f->metered == moves && f->at_edge == at_edge)
		return;
	if (f->metered)
		meter_end(&f->pool->meter, f->at_edge, now);
	if (moves)
		meter_begin(&f->pool->meter, at_edge, now);
	f->metered = moves;
	f->at_edge = at_edge;
}

void
fetch_pool_note_trouble(struct fetch *f, enum trouble what)
{
	struct fetch_trouble *t = &f->pool->trouble;

	t->tries++;
	t->what = what;
	t->kind = f->o.kind;
	t->http_status = f->reply.status;
	snprintf(t->why, sizeof(t->why), "%s", f->why);
	snprintf(t->host, sizeof(t->host), "%s", f->parts.host);
}

void
fetch_pool_answered(const struct fetch *f)
{
	struct fetch_answer answer = {
		.source = f->o.source,
		.status = f->reply.status,
		.retry_after_ms = f->retry_after_ms,
		.channel_url = f->o.channel_url && f->hops == 0,
		.crowd = f->crowd,
	};

	if (f->pool->answered != NULL)
		f->pool->answered(f->pool->arg, &answer);
}

/* It has no connection, neither a new one nor one that was kept. */
static bool
unconnected(const struct transfer *t)
{
	curl_off_t connected_us = 0, ready_us = 0;

	curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
	curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	return connected_us <= 0 && ready_us <= 0;
}

static bool
connects(const struct fetch *f)
{
	return f->state == RUNNING && f->t != NULL && unconnected(f->t);
}

bool
fetch_pool_waits(const struct fetch_pool *p, uint32_t least_ms, struct fetch_wait *out)
{
	const struct fetch *f, *longest = NULL;
	double longest_s = least_ms / 1e3;

	TAILQ_FOREACH(f, &p->fetches, link)
	{
		bool naming = f->state == NAMING;
		double s = loop_now(p->loop) - (naming ? f->naming_at : f->named_at);

		if (s < longest_s || !(naming || connects(f)))
			continue;
		longest = f;
		longest_s = s;
	}
	if (longest == NULL)
		return false;
	out->naming = longest->state == NAMING;
	out->ms = (uint32_t)PB_MIN(longest_s * 1e3, 86400e3);
	snprintf(out->host, sizeof(out->host), "%s", longest->parts.host);
	return true;
}

static uint32_t
smooth(uint32_t old, uint32_t new)
{
	return old == 0 ? new : (uint32_t)(((uint64_t)old * 7 + new) / 8);
}

void
fetch_pool_note_phases(struct fetch_phases *p, CURL *e)
{
	curl_off_t tcp_us = 0, tls_us = 0, ready_us = 0, first_us = 0;

	curl_easy_getinfo(e, CURLINFO_CONNECT_TIME_T, &tcp_us);
	curl_easy_getinfo(e, CURLINFO_APPCONNECT_TIME_T, &tls_us);
	curl_easy_getinfo(e, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
	curl_easy_getinfo(e, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
	if (p->tcp_ms < 0 && tcp_us > 0)
		p->tcp_ms = (int)PB_MIN(tcp_us / 1000, 86400000);
	if (p->tls_ms < 0 && ready_us > 0)
		p->tls_ms = tls_us > tcp_us ? (int)PB_MIN((tls_us - tcp_us) / 1000, 86400000) : 0;
	if (p->answer_ms < 0 && ready_us > 0 && first_us > ready_us)
		p->answer_ms = (int)PB_MIN((first_us - ready_us) / 1000, 86400000);
}

/* What runs beside the first that answers was begun when nobody knew what is late. */
static void
learn_late(struct fetch *f)
{
	bool known = fetch_history(f)->known;
	struct fetch *other;

	late_heard(fetch_history(f), f->ttfb_ms);
	if (known)
		return;
	TAILQ_FOREACH(other, &f->pool->fetches, link)
	if (other != f && other->state == RUNNING && fetch_history(other) == fetch_history(f))
		fetch_arm(other);
}

void
fetch_pool_measure(struct fetch *f)
{
	struct fetch_figures *fig = &f->pool->figures;
	curl_off_t connect_us = 0, tls_us = 0, first_us = 0, retry_s = 0;
	long connects = 0, version = 0;
	CURL *e = f->t->easy;

	curl_easy_getinfo(e, CURLINFO_NUM_CONNECTS, &connects);
	curl_easy_getinfo(e, CURLINFO_HTTP_VERSION, &version);
	curl_easy_getinfo(e, CURLINFO_CONNECT_TIME_T, &connect_us);
	curl_easy_getinfo(e, CURLINFO_APPCONNECT_TIME_T, &tls_us);
	curl_easy_getinfo(e, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
	curl_easy_getinfo(e, CURLINFO_RETRY_AFTER, &retry_s);
	if (f->pool->phases.answer_ms < 0)
		fetch_pool_note_phases(&f->pool->phases, e);
	curl_easy_getinfo(e, CURLINFO_SSL_VERIFYRESULT, &f->verify);
	fig->connects += (uint64_t)PB_MAX(connects, 0L);
	f->reused = connects == 0;
	f->http2 = version == CURL_HTTP_VERSION_2_0;
	f->connect_ms = connects > 0 ? (uint32_t)((PB_MAX(connect_us, tls_us) + 999) / 1000) : 0;
	f->ttfb_ms = (uint32_t)(first_us / 1000);
	f->retry_after_ms = (uint32_t)PB_MIN(PB_MAX(retry_s, 0), 86400) * 1000;
	if (first_us > 0 && f->head_over && !f->discard)
		learn_late(f);
	if (first_us > 0)
		fig->ttfb_ms = smooth(fig->ttfb_ms, PB_MAX(f->ttfb_ms, 1U));
}

/*
 * A route that is dead is dead for all addresses behind it: try the next interface, if there are several. What
 * was asked for through another than the one in use says nothing about that one.
 */
void
fetch_pool_find_way(struct fetch_pool *p, const struct transfer *t, CURLcode code)
{
	long os_errno = 0;

	if (t == NULL || t->way != p->interfaces.at || !unconnected(t))
		return;
	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
	if (code == CURLE_INTERFACE_FAILED || code == CURLE_OPERATION_TIMEDOUT ||
	    (code == CURLE_COULDNT_CONNECT &&
		(os_errno == ENETUNREACH || os_errno == EHOSTUNREACH || os_errno == ENETDOWN || os_errno == ETIMEDOUT)))
		(void)interfaces_next(&p->interfaces, loop_now(p->loop));
}
