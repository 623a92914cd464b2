/*
 * tune.c - field by field; strings are cut nowhere, but refused
 */
#include "ipc/tune.h"

#include <bsd/string.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"

_Static_assert(CHANNEL_HEADERS_LEN == MSG_HEADERS_MAX, "headers that the configuration takes can be sent");

/* 0, or PB_ELIMIT with *why. */
static int
pack_request(
    struct msg_request *out, const struct config *config, const struct channel_request *request, const char **why)
{
	const char *agent = request->user_agent != NULL ? request->user_agent : config->fetch.user_agent;
	size_t at = 0;

	*why = "user_agent is too long";
	if (strlcpy(out->user_agent, agent, sizeof(out->user_agent)) >= sizeof(out->user_agent))
		return PB_ELIMIT;
	*why = "the headers are too long";
	for (unsigned i = 0; i < request->header_count; i++) {
		size_t len = strlen(request->headers[i]) + 1;

		if (len > sizeof(out->headers) - at)
			return PB_ELIMIT;
		memcpy(out->headers + at, request->headers[i], len);
		at += len;
	}
	out->headers_len = (uint32_t)at;
	return 0;
}

/*
 * As it can be asked for: the operator may write blanks and umlauts, as
 * playlists do. 0, PB_EFORMAT, PB_ELIMIT.
 */
static int
pack_url(char out[URL_MAX], const char *url, const char **why)
{
	int err = url_resolve(out, URL_MAX, NULL, url, strlen(url));

	*why = err == PB_ELIMIT ? "the URL is too long" : "the URL is none";
	return err;
}

static void
pack_settings(struct msg_settings *out, const struct config *config)
{
	const struct config_stream *stream = &config->stream;
	const struct config_fetch *fetch = &config->fetch;

	*out = (struct msg_settings){
		.reserve_ms = stream->reserve_ms,
		.reserve_max_ms = stream->reserve_max_ms,
		.window_ms = stream->window_ms,
		.burst_ms = stream->burst_ms,
		.paused_ms = stream->paused_ms,
		.tune_timeout_ms = stream->tune_timeout_ms,
		.latency_ms = stream->latency_ms,
		.slate_after_ms = stream->slate_after_ms,
		.return_after_ms = stream->return_after_ms,
		.prefetch = (uint32_t)stream->prefetch,
		.connect_timeout_ms = fetch->connect_timeout_ms,
		.try_timeout_ms = fetch->try_timeout_ms,
		.try_step_ms = fetch->try_step_ms,
		.tries = (uint32_t)fetch->tries,
		.backoff_ms = fetch->backoff_ms,
		.backoff_max_ms = fetch->backoff_max_ms,
		.keepalive_ms = fetch->keepalive_ms,
		.connections = (uint32_t)fetch->connections,
		.spool_max = stream->spool_max_bytes,
		.worker_memory = stream->worker_memory_bytes,
		.private_targets = fetch->private_targets,
		.append_query = fetch->append_query,
		.variant_kind = stream->variant.kind,
		.variant_value = stream->variant.value,
	};
}

static bool
pack_interfaces(struct msg_settings *out, const struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if ((i > 0 && strlcat(out->interfaces, ",", sizeof(out->interfaces)) >= sizeof(out->interfaces)) ||
		    strlcat(out->interfaces, list->items[i], sizeof(out->interfaces)) >= sizeof(out->interfaces))
			return false;
	return true;
}

struct msg_account
tune_account(const struct config *config, const char *provider)
{
	struct msg_account of = { 0 };

	for (size_t i = 0; provider != NULL && i < config->provider_count; i++)
		if (strcmp(config->providers[i].name, provider) == 0) {
			of.account = (uint32_t)i + 1;
			of.streams = (uint32_t)config->providers[i].max_streams;
		}
	return of;
}

int
tune_pack_source(
    struct msg_source *out, const struct config *config, const struct channel *channel, unsigned n, const char **why)
{
	struct channel_request urls = channel_request(channel, 0), own = channel_request(channel, n);
	int err;

	if (n == 0 || n > channel->backup_count || n >= MSG_SOURCES_MAX)
		return PB_NO;
	memset(out, 0, sizeof(*out));
	out->n = n;
	out->of = tune_account(config, channel_provider(channel, n));
	err = pack_url(out->url, channel_url(channel, n), why);
	if (err != 0)
		return err;
	out->own = !channel_request_same(&own, &urls);
	return out->own ? pack_request(&out->request, config, &own, why) : 0;
}

int
tune_pack(
    struct msg_tune *out, const struct config *config, const struct channel *channel, const char *url, const char **why)
{
	struct channel_request request = channel_request(channel, 0);
	int err;

	memset(out, 0, sizeof(*out));
	out->source_count = 1;
	if (url == NULL) {
		url = channel->url;
		out->source_count += PB_MIN(channel->backup_count, (unsigned)MSG_SOURCES_MAX - 1);
		out->led = channel->led;
	}
	out->of = tune_account(config, channel->provider);
	err = pack_url(out->url, url, why);
	if (err != 0)
		return err;
	err = pack_request(&out->request, config, &request, why);
	if (err != 0)
		return err;
	strlcpy(out->guide_number, channel->guide_number, sizeof(out->guide_number));
	pack_settings(&out->settings, config);
	*why = "the list of interfaces is too long";
	if (!pack_interfaces(&out->settings, &config->fetch.interfaces))
		return PB_ELIMIT;
	*why = "";
	return 0;
}
