/*
 * control.c - a table of paths
 */
#include "supervisor/control.h"

#include <bsd/stdlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/health.h"
#include "supervisor/history.h"
#include "supervisor/status.h"
#include "supervisor/supervisor.h"
#include "supervisor/text.h"

#define RESTART_MAX 64

static struct blob *
on_status(struct supervisor *sup, const struct request *req, int *status)
{
	(void)req;
	(void)status;
	return status_json(sup);
}

static struct blob *
on_channels(struct supervisor *sup, const struct request *req, int *status)
{
	(void)req;
	(void)status;
	return status_channels(sup);
}

static struct blob *
on_dump(struct supervisor *sup, const struct request *req, int *status)
{
	(void)req;
	(void)status;
	return status_dump(sup);
}

static struct blob *
on_health(struct supervisor *sup, const struct request *req, int *status)
{
	(void)req;
	return health_json(sup, status);
}

static struct blob *
on_config(struct supervisor *sup, const struct request *req, int *status)
{
	char *text = config_dump(sup->config);
	struct blob *blob = text != NULL ? blob_new(text, strlen(text)) : NULL;

	(void)req;
	(void)status;
	free(text);
	return blob;
}

static struct blob *
on_reload(struct supervisor *sup, const struct request *req, int *status)
{
	struct config_errors errs = { 0 };
	const char *restart[RESTART_MAX];
	size_t restarts = 0;
	struct text text = { 0 };
	int err = supervisor_reload(sup, &errs, restart, NITEMS(restart), &restarts);

	(void)req;
	*status = err == 0 ? 200 : err == PB_EFORMAT ? 409 : 503;
	text_addf(&text, "{\"ok\":%s,\"errors\":[", err == 0 ? "true" : "false");
	if (err != 0 && errs.count == 0) /* nothing is wrong with the file */
		text_add_json(&text, pb_strerror(err));
	for (size_t i = 0; i < errs.count; i++) {
		text_add(&text, i > 0 ? "," : "");
		text_add_json(&text, errs.at[i].text);
	}
	text_addf(&text, "],\"errors_total\":%zu,\"restart\":[", errs.total);
	for (size_t i = 0; i < PB_MIN(restarts, NITEMS(restart)); i++) {
		text_add(&text, i > 0 ? "," : "");
		text_add_json(&text, restart[i]);
	}
	text_add(&text, "]}\n");
	config_errors_clear(&errs);
	return text_blob(&text);
}

/* ?channel=N: its worker goes, its viewers stay. Answered at once: the hand-over takes its own time. */
static struct blob *
on_restart(struct supervisor *sup, const struct request *req, int *status)
{
	char channel[GUIDE_NUMBER_MAX];
	struct text text = { 0 };

	if (!request_param(req, "channel", channel, sizeof(channel)) || !guide_number_valid(channel)) {
		*status = 400;
		text_add(&text, "{\"ok\":false,\"errors\":[\"channel: which one?\"]}\n");
	} else if (!streams_restart(&sup->streams, channel, "restart")) {
		*status = 404;
		text_addf(&text, "{\"ok\":false,\"errors\":[\"channel %s does not run\"]}\n", channel);
	} else
		text_add(&text, "{\"ok\":true,\"errors\":[]}\n");
	return text_blob(&text);
}

/* ?channel=N&since=SECONDS: what was recorded of it. */
static struct blob *
on_recorder(struct supervisor *sup, const struct request *req, int *status)
{
	char channel[GUIDE_NUMBER_MAX], since[16];
	const struct channel *known;
	struct history_running running = { 0 };
	const struct stream *s;
	struct text text = { 0 };
	const char *err = NULL;
	long long since_s = RECORDER_SECONDS;
	bool runs = false;

	if (request_param(req, "since", since, sizeof(since)))
		since_s = strtonum(since, 1, HISTORY_SINCE_MAX_S, &err);
	if (!request_param(req, "channel", channel, sizeof(channel)) || !guide_number_valid(channel) || err != NULL) {
		*status = 400;
		text_addf(&text, "{\"ok\":false,\"errors\":[\"%s\"]}\n",
		    err != NULL ? "since: seconds, up to a day" : "channel: which one?");
		return text_blob(&text);
	}
	known = lineup_find(&sup->config->lineup, channel);
	TAILQ_FOREACH(s, &sup->streams.all, link)
	{
		if (s->state_now == STREAM_ENDING || strcmp(s->guide_number, channel) != 0)
			continue;
		running = (struct history_running){ s->number, s->state, stream_state_name(s) };
		runs = true;
	}
	if (known == NULL && !runs && !history_knows(sup->history, channel)) {
		*status = 404;
		text_addf(&text, "{\"ok\":false,\"errors\":[\"there is no channel %s\"]}\n", channel);
		return text_blob(&text);
	}
	return history_json(sup->history, channel, known != NULL && known->name != NULL ? known->name : "",
	    runs ? &running : NULL, (uint32_t)since_s);
}

static struct blob *
on_lineup(struct supervisor *sup, const struct request *req, int *status)
{
	(void)req;
	(void)status;
	return imports_json(&sup->imports);
}

/* ?source=URL|PATH&provider=NAME */
static struct blob *
on_try(struct supervisor *sup, const struct request *req, int *status)
{
	char source[REQUEST_QUERY_MAX] = "", provider[REQUEST_QUERY_MAX] = ""; /* whatever comes fits */
	const char *why = "";
	struct text text = { 0 };

	(void)request_param(req, "source", source, sizeof(source));
	(void)request_param(req, "provider", provider, sizeof(provider));
	*status = trial_start(&sup->trial, source, provider, &why);
	if (*status == 200)
		text_add(&text, "{\"ok\":true}\n");
	else {
		text_add(&text, "{\"ok\":false,\"errors\":[");
		text_add_json(&text, why);
		text_add(&text, "]}\n");
	}
	return text_blob(&text);
}

static struct blob *
on_trial(struct supervisor *sup, const struct request *req, int *status)
{
	(void)req;
	(void)status;
	return trial_json(&sup->trial);
}

/* ?from=N&to=M */
static struct blob *
on_renumber(struct supervisor *sup, const struct request *req, int *status)
{
	char from[GUIDE_NUMBER_MAX] = "", to[GUIDE_NUMBER_MAX] = "";
	const char *why = "";
	struct text text = { 0 };

	(void)request_param(req, "from", from, sizeof(from));
	(void)request_param(req, "to", to, sizeof(to));
	*status = imports_renumber(&sup->imports, from, to, &why);
	text_addf(&text, "{\"ok\":%s,\"errors\":[", *status == 200 ? "true" : "false");
	if (*status != 200)
		text_add_json(&text, why);
	text_add(&text, "]}\n");
	return text_blob(&text);
}

/* ?provider=NAME. Answered when all is fetched, and in force. */
static void
refresh(struct supervisor *sup, struct http_conn *conn, const struct request *req)
{
	char name[64];
	bool one = request_param(req, "provider", name, sizeof(name)) && name[0] != '\0';

	imports_refresh(&sup->imports, one ? name : NULL, conn);
}

static void
upgrade(struct supervisor *sup, struct http_conn *conn, const struct request *req)
{
	(void)req;
	upgrade_start(&sup->upgrade, conn);
}

static const struct {
	const char *path;
	enum request_method method;
	struct blob *(*answer)(struct supervisor *sup, const struct request *req, int *status);
	/* Instead: for what is answered when it is done. */
	void (*take)(struct supervisor *sup, struct http_conn *conn, const struct request *req);
} paths[] = {
	{ "/api/status", REQUEST_GET, on_status, NULL },
	{ "/api/channels", REQUEST_GET, on_channels, NULL },
	{ "/api/config", REQUEST_GET, on_config, NULL },
	{ "/api/health", REQUEST_GET, on_health, NULL },
	{ "/api/dump", REQUEST_GET, on_dump, NULL },
	{ "/api/recorder", REQUEST_GET, on_recorder, NULL },
	{ "/api/reload", REQUEST_POST, on_reload, NULL },
	{ "/api/restart", REQUEST_POST, on_restart, NULL },
	{ "/api/lineup", REQUEST_GET, on_lineup, NULL },
	{ "/api/refresh", REQUEST_POST, NULL, refresh },
	{ "/api/import", REQUEST_GET, on_trial, NULL },
	{ "/api/import/start", REQUEST_POST, on_try, NULL },
	{ "/api/renumber", REQUEST_POST, on_renumber, NULL },
	{ "/api/upgrade", REQUEST_POST, NULL, upgrade },
};

void
control_handle(void *arg, struct http_conn *conn, const struct request *req)
{
	enum request_method method = req->method == REQUEST_HEAD ? REQUEST_GET : req->method;
	struct blob *blob;
	int status = 200;

	for (size_t i = 0; i < NITEMS(paths); i++) {
		if (strcmp(paths[i].path, req->path) != 0)
			continue;
		if (paths[i].method != method) {
			http_reply(conn, 405, NULL,
			    paths[i].method == REQUEST_POST ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n", NULL, 0);
			return;
		}
		if (paths[i].answer == NULL) {
			paths[i].take(arg, conn, req);
			return;
		}
		blob = paths[i].answer(arg, req, &status);
		http_reply_blob(conn, status, "application/json", NULL, blob);
		return;
	}
	http_reply(conn, 404, NULL, NULL, NULL, 0);
}
