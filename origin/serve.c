/*
 * serve.c - put together, run, take apart
 */
#include "origin/serve.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/pb.h"
#include "origin/channel.h"
#include "origin/fault.h"
#include "origin/http.h"
#include "origin/site.h"

#define PARENT_LOOK_S 1.0

struct served {
	struct channels *channels;
	struct faults *faults;
	struct site *site;
	struct http_server *server;
};

static void
on_signal(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* An orphan is given another parent. PR_SET_PDEATHSIG would also fire when only the thread that forked us ends. */
static void
on_look(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	const pid_t *parent = w->data;

	(void)revents;
	if (getppid() != *parent)
		ev_break(loop, EVBREAK_ALL);
}

static int
complain(const char *what, const char *why)
{
	fprintf(stderr, "plexbridge-origin: %s: %s\n", what, why);
	return PB_EXIT_PERMANENT;
}

static const char *
why_not(int err)
{
	return err == PB_ESYS ? strerror(errno) : pb_strerror(err);
}

/* As many descriptors as we are allowed: 1,000 viewers need more than the usual soft limit. */
static void
raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int
define(struct served *s, const struct serve_options *o, double now)
{
	char why[512] = "";

	if (o->testcard != NULL && channels_add_testcard(s->channels, o->testcard, now, why, sizeof(why)) != 0)
		return complain("--testcard", why);
	for (size_t i = 0; i < o->nchannels; i++)
		if (channels_add(s->channels, o->channels[i], now, why, sizeof(why)) != 0)
			return complain(o->channels[i], why);
	for (size_t i = 0; i < o->nfaults; i++)
		if (faults_add(s->faults, o->faults[i], now, why, sizeof(why)) != 0)
			return complain(o->faults[i], why);
	return PB_EXIT_OK;
}

static int
open_doors(struct served *s, const struct serve_options *o)
{
	char url[128];
	int err;

	for (size_t i = 0; i < o->nlisten; i++) {
		err = http_listen(s->server, o->listen[i], url, sizeof(url));
		if (err != 0)
			return complain(o->listen[i], why_not(err));
		printf("listening %s\n", url);
	}
	for (size_t i = 0; i < o->nlisten_fd; i++) {
		err = http_listen_fd(s->server, o->listen_fd[i], url, sizeof(url));
		if (err != 0)
			return complain("--listen-fd", why_not(err));
		printf("listening %s\n", url);
	}
	fflush(stdout);
	http_review(s->server); /* a fault from the command line may want a listener closed */
	return PB_EXIT_OK;
}

int
serve(const struct serve_options *options)
{
	struct ev_loop *loop = ev_default_loop(0);
	struct served s = { NULL, NULL, NULL, NULL };
	struct ev_signal term;
	struct ev_signal interrupt;
	struct ev_timer look;
	pid_t parent = options->parent;
	int status = PB_EXIT_TEMPORARY;

	if (loop == NULL)
		return PB_EXIT_TEMPORARY;
	signal(SIGPIPE, SIG_IGN);
	raise_nofile();
	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_init(&interrupt, on_signal, SIGINT);
	ev_signal_start(loop, &term);
	ev_signal_start(loop, &interrupt);
	ev_timer_init(&look, on_look, 0., PARENT_LOOK_S);
	look.data = &parent;
	if (parent != 0)
		ev_timer_start(loop, &look);

	if (channels_new(&s.channels) != 0 || faults_new(&s.faults) != 0)
		goto out;
	status = define(&s, options, ev_time());
	if (status != PB_EXIT_OK)
		goto out;
	status = PB_EXIT_TEMPORARY;
	if (site_new(&s.site, s.channels, s.faults, options->control, options->log_entries) != 0 ||
	    http_new(&s.server, loop, site_http(s.site), options->connections_max) != 0)
		goto out;
	site_set_server(s.site, s.server);
	ev_now_update(loop); /* loading media took its time */
	status = open_doors(&s, options);
	if (status == PB_EXIT_OK)
		ev_run(loop, 0);
out:
	http_free(&s.server);
	site_free(&s.site);
	faults_free(&s.faults);
	channels_free(&s.channels);
	return status;
}
