/*
 * alone.c - the same stations, without a supervisor
 */
#include "worker/alone.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "config/config.h"
#include "ipc/spool.h"
#include "ipc/state.h"
#include "ipc/tune.h"
#include "worker/conform.h"
#include "worker/fetch.h"
#include "worker/inspect.h"
#include "worker/line.h"
#include "worker/output.h"
#include "worker/playlist.h"
#include "worker/resolve.h"

struct alone {
	struct ev_loop *loop;
	struct line *line;
	struct output *output;
	struct state *state;
	double duration_s;
	uint64_t limit; /* offset where --duration ends; UINT64_MAX until it is known */
	bool ended; /* no more will be released */
	int status;
	bool over; /* perhaps before the loop runs: a break would be forgotten there */
	ev_signal sigint, sigterm;
	/* --inspect of a URL */
	char *body;
	size_t body_len;
	char effective[URL_MAX];
};

static int
complain(const char *what, const char *why)
{
	fprintf(stderr, "plexbridge-worker: %s: %s\n", what, why);
	return PB_EXIT_FAIL;
}

static int
open_output(const char *path)
{
	if (strcmp(path, "-") == 0)
		return dup(STDOUT_FILENO);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

/* Settings: the embedded defaults, then what the command line says. */
static int
settle(struct config **config, struct msg_tune *tune, const struct alone_options *options)
{
	const char *overrides[NITEMS(options->settings) + 1];
	struct config_errors errs = { 0 };
	struct channel_more more = { .request = { (const char **)(uintptr_t)options->headers, options->user_agent,
					 (unsigned char)options->header_count } };
	struct channel channel = { .guide_number = "0", .name = "alone", .url = options->url, .more = &more };
	FILE *nothing = fopen("/dev/null", "r");
	char variant[64];
	const char *why;
	size_t n = 0;
	int err;

	if (nothing == NULL)
		return complain("/dev/null", strerror(errno));
	for (; n < options->setting_count; n++)
		overrides[n] = options->settings[n];
	if (options->variant != NULL) {
		snprintf(variant, sizeof(variant), "stream.variant=%s", options->variant);
		overrides[n++] = variant;
	}
	err = config_read(config, nothing, "defaults", overrides, n, &errs);
	fclose(nothing);
	for (size_t i = 0; i < errs.count; i++)
		complain("settings", errs.at[i].text);
	config_errors_clear(&errs);
	if (err != 0)
		return PB_EXIT_FAIL;
	if (tune_pack(tune, *config, &channel, NULL, &why) != 0)
		return complain(options->url, why);
	return 0;
}

static void
finish(struct alone *a, int status)
{
	a->status = status;
	a->over = true;
	ev_break(a->loop, EVBREAK_ALL);
}

static void
serve(struct alone *a)
{
	if (a->limit == UINT64_MAX && a->duration_s > 0)
		a->limit = line_offset_at(a->line, (uint64_t)(a->duration_s * 1e3));
	output_service(a->output, a->limit);
	if (output_at(a->output) >= (a->ended ? atomic_load(&a->state->released) : a->limit))
		finish(a, PB_EXIT_OK);
}

static void
on_media(void *arg)
{
	serve(arg);
}

static void
on_released(void *arg)
{
	serve(arg);
}

static void
on_before_tail(void *arg, uint64_t new_tail)
{
	(void)arg; /* hold_at() has seen to it */
	(void)new_tail;
}

static uint64_t
on_hold_at(void *arg)
{
	struct alone *a = arg;

	return output_at(a->output);
}

static void
on_failed(void *arg, uint32_t code, const char *reason)
{
	struct alone *a = arg;

	log_event(LOG_ERR, "stream.failed", "code=%u why=\"%s\"", code, reason);
	finish(a, code == 806 ? PB_EXIT_PERMANENT : PB_EXIT_TEMPORARY);
}

static void
on_ended(void *arg)
{
	struct alone *a = arg;

	a->ended = true;
	if (atomic_load(&a->state->released) == 0) {
		log_event(LOG_ERR, "stream.failed", "code=807 why=\"the source ended before a picture came\"");
		finish(a, PB_EXIT_TEMPORARY);
		return;
	}
	serve(a);
}

static void
on_unlike(void *arg, const char *reason)
{
	on_failed(arg, 806, reason);
}

static void
on_output_end(void *arg, int err)
{
	struct alone *a = arg;

	if (err != PB_NO)
		complain("output", strerror(errno));
	finish(a, err == PB_NO ? PB_EXIT_OK : PB_EXIT_FAIL);
}

static void
on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data, PB_EXIT_OK);
}

static const struct line_ops line_ops = {
	.media = on_media,
	.released = on_released,
	.before_tail = on_before_tail,
	.hold_at = on_hold_at,
	.failed = on_failed,
	.unlike = on_unlike,
	.ended = on_ended,
};

static int
run(struct alone *a, const struct msg_tune *tune, int spool_fd, int out_fd)
{
	struct resolve *resolve = NULL;
	struct sources_list list = { .count = 1, .at[0].url = (char *)(uintptr_t)tune->url };
	int err;

	if ((err = resolve_new(&resolve, a->loop)) != 0 ||
	    (err = output_new(&a->output, a->loop, spool_fd, a->state, out_fd, on_output_end, a)) != 0 ||
	    (err = line_new(&a->line, a->loop, resolve, tune, &list, spool_fd, a->state, &line_ops, a)) != 0) {
		complain("start", pb_strerror(err));
		a->status = PB_EXIT_TEMPORARY;
	} else {
		line_open(a->line);
		if (!a->over)
			ev_run(a->loop, 0);
	}
	line_free(&a->line);
	output_free(&a->output);
	resolve_free(&resolve);
	return a->status;
}

int
alone_run(const struct alone_options *options)
{
	struct alone a = { .duration_s = options->duration_s, .limit = UINT64_MAX, .status = PB_EXIT_FAIL };
	struct config *config = NULL;
	struct msg_tune tune;
	int spool_fd = -1, state_fd = -1, out_fd;

	if (settle(&config, &tune, options) != 0)
		return PB_EXIT_PERMANENT;
	out_fd = open_output(options->output);
	if (out_fd == -1) {
		complain(options->output, strerror(errno));
		config_free(&config);
		return PB_EXIT_PERMANENT;
	}
	if (spool_create(&spool_fd) != 0 || state_create(&state_fd, &a.state) != 0) {
		complain("memory", strerror(errno));
		close(out_fd);
		config_free(&config);
		return PB_EXIT_TEMPORARY;
	}
	a.loop = ev_default_loop(EVFLAG_AUTO);
	ev_signal_init(&a.sigint, on_signal, SIGINT);
	ev_signal_init(&a.sigterm, on_signal, SIGTERM);
	a.sigint.data = a.sigterm.data = &a;
	ev_signal_start(a.loop, &a.sigint);
	ev_signal_start(a.loop, &a.sigterm);
	run(&a, &tune, spool_fd, out_fd);
	state_unmap(&a.state);
	close(spool_fd);
	close(state_fd);
	config_free(&config);
	return a.status;
}

static char *
read_file(const char *path, size_t *len)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	size_t room = PLAYLIST_BODY_MAX + 1;
	char *buf = f != NULL ? malloc(room) : NULL;

	if (buf != NULL) {
		*len = fread(buf, 1, room, f);
		if (ferror(f)) {
			free(buf);
			buf = NULL;
		}
	}
	if (f != NULL && f != stdin)
		fclose(f);
	return buf;
}

static void
inspect_done(void *arg, const struct fetch_result *r)
{
	struct alone *a = arg;

	if (r->err != 0) {
		complain("fetch", r->reason);
	} else if ((a->body = malloc(r->body_len + 1)) != NULL) {
		memcpy(a->body, r->body, r->body_len);
		a->body_len = r->body_len;
		snprintf(a->effective, sizeof(a->effective), "%s", r->url);
	}
	ev_break(a->loop, EVBREAK_ALL);
}

static void
read_url(struct alone *a, const struct msg_tune *tune)
{
	struct resolve *resolve = NULL;
	struct fetch_pool *pool = NULL;
	struct fetch *fetch = NULL;
	struct fetch_pool_options options = {
		.settings = &tune->settings,
		.request = &tune->request,
	};
	struct fetch_options request = {
		.kind = FETCH_PLAYLIST,
		.url = tune->url,
		.channel_url = true,
		.arg = a,
		.on_done = inspect_done,
	};

	a->loop = ev_default_loop(EVFLAG_AUTO);
	if (resolve_new(&resolve, a->loop) == 0) {
		options.resolve = resolve;
		if (fetch_pool_new(&pool, a->loop, &options) == 0) {
			if (fetch_start(pool, &request, &fetch) == 0)
				ev_run(a->loop, 0);
			else
				complain("--inspect", "no http or https URL");
		}
	}
	fetch_pool_free(&pool);
	resolve_free(&resolve);
}

static bool
is_url(const char *s)
{
	return strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0;
}

int
alone_inspect(const char *what, const struct alone_options *given)
{
	struct alone_options options = *given;
	struct alone a = { 0 };
	struct config *config = NULL;
	struct msg_tune tune;
	struct playlist pl;
	const char *base = options.base;
	json_t *json;
	int err;

	if (is_url(what)) {
		options.url = what;
		if (settle(&config, &tune, &options) != 0)
			return PB_EXIT_FAIL;
		read_url(&a, &tune);
		config_free(&config);
		if (base == NULL)
			base = a.effective;
	} else if ((a.body = read_file(what, &a.body_len)) == NULL) {
		return complain(what, strerror(errno));
	}
	if (a.body == NULL)
		return PB_EXIT_FAIL;
	err = playlist_parse(&pl, base, a.body, a.body_len);
	json = inspect_json(&pl);
	playlist_clear(&pl);
	free(a.body);
	if (json == NULL || json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == -1 ||
	    putchar('\n') == EOF)
		err = PB_ENOMEM;
	json_decref(json);
	return err == 0 ? PB_EXIT_OK : PB_EXIT_FAIL;
}

static bool
drain(struct conform *c, FILE *out, uint64_t *total)
{
	struct conform_output o;

	while (conform_take(c, &o)) {
		if (fwrite(o.data, 1, o.len, out) != o.len)
			return false;
		*total += o.len;
	}
	return true;
}

/* One file as one segment. false: the output can't be written; *err: what conform says. */
static bool
conform_file(struct conform *c, const char *path, FILE *out, uint64_t *total, int *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char buf[65536];
	bool fine = true;
	size_t n;
	int ended;

	*err = 0;
	if (f == NULL) {
		*err = PB_ESYS;
		return true;
	}
	while (fine && *err == 0 && (n = fread(buf, 1, sizeof(buf), f)) > 0) {
		*err = conform_feed(c, buf, n);
		fine = drain(c, out, total);
	}
	ended = conform_end(c, false);
	if (*err == 0)
		*err = ended;
	if (f != stdin)
		fclose(f);
	return fine && drain(c, out, total);
}

int
alone_conform(const char *const *files, const bool *discontinuity, size_t count, const char *output)
{
	struct conform *c;
	FILE *out;
	uint64_t total = 0;
	bool fine = true;
	int fd = open_output(output);

	if (fd == -1 || (out = fdopen(fd, "wb")) == NULL)
		return complain(output, strerror(errno));
	if (conform_new(&c, NULL) != 0) {
		fclose(out);
		return complain("start", "out of memory");
	}
	for (size_t i = 0; i < count && fine; i++) {
		struct conform_input input = { .msn = i, .discontinuity = discontinuity[i] };
		int err;

		conform_begin(c, &input);
		fine = conform_file(c, files[i], out, &total, &err);
		if (err == PB_ESYS)
			complain(files[i], strerror(errno));
		else if (err != 0)
			complain(files[i], conform_reason(c));
	}
	if (fclose(out) != 0 || !fine)
		total = 0;
	if (total == 0)
		complain("--conform", fine ? conform_reason(c) : "the output can't be written");
	conform_free(&c);
	return total > 0 ? PB_EXIT_OK : PB_EXIT_FAIL;
}
