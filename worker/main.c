/*
 * main.c - plexbridge-worker: a channel's line, for a supervisor or by hand
 *
 * With --channel-fd it is a worker: it warms up everything that takes time,
 * says that it is ready, and waits for a tune (ipc/msg.h). Otherwise it is a
 * tool (worker/alone.h).
 */
#include <ev.h>
#include <curl/curl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "config/config.h"
#include "ipc/msg.h"
#include "ipc/spool.h"
#include "ipc/state.h"
#include "worker/alone.h"
#include "worker/client.h"
#include "worker/line.h"
#include "worker/link.h"
#include "worker/record.h"
#include "worker/resolve.h"
#include "worker/sources.h"

/*
 * Larger pieces come from mmap() and go back at once; see worker/prefetch.c.
 * What a segment needs again and again is smaller (a read buffer of curl's:
 * worker/fetch.c) and stays: pages that come and go cost more than all else.
 */
#define MALLOC_MMAP_BYTES (128 << 10)
/*
 * A wake-up costs more than what it sends: workers that would wake within so
 * long of each other wake together. Ticks are of about 100 ms, so it's no loss.
 */
#define TIMER_SLACK_NS 20000000UL

struct worker {
	struct ev_loop *loop;
	struct link *link;
	struct resolve *resolve;
	struct line *line;
	struct clients *clients;
	struct state *state;
	struct msg_limit limits[MSG_SOURCES_MAX]; /* that came before the tune */
	size_t limit_count;
	struct sources_list sources; /* backups, until the tune; then with its url */
	int spool_fd, state_fd;
	int quarantine_fd; /* until there is a line, which takes it; -1: none */
	struct msg_quarantine quarantine;
	int slate_fds[MSG_SLATES_MAX]; /* until there is a line, which takes them; -1: none */
	int status;
};

static struct record record; /* large, and one a process */

static void
quit(struct worker *w, int status)
{
	w->status = status;
	ev_break(w->loop, EVBREAK_ALL);
}

static void
line_media(void *arg)
{
	struct worker *w = arg;

	link_media(w->link);
}

static void
line_released(void *arg)
{
	struct worker *w = arg;

	clients_service(w->clients);
}

static void
line_before_tail(void *arg, uint64_t new_tail)
{
	struct worker *w = arg;

	clients_before_tail(w->clients, new_tail);
}

static uint64_t
line_hold_at(void *arg)
{
	(void)arg; /* a viewer that is too slow skips */
	return UINT64_MAX;
}

static void
line_failed(void *arg, uint32_t code, const char *reason)
{
	struct worker *w = arg;

	link_failed(w->link, code, FAILED_SOURCE, reason);
}

static void
line_unlike(void *arg, const char *reason)
{
	struct worker *w = arg;

	link_failed(w->link, 806, FAILED_CODEC, reason);
}

static void
line_ended(void *arg)
{
	struct worker *w = arg;

	link_failed(w->link, 807, FAILED_SOURCE, "the source has ended");
}

static void
line_want_slot(void *arg, unsigned n, bool want)
{
	struct worker *w = arg;

	link_want_slot(w->link, n, want);
}

static void
line_report(void *arg, const struct msg_limit_report *report)
{
	struct worker *w = arg;

	link_limit(w->link, report);
}

static const struct line_ops line_ops = {
	.want_slot = line_want_slot,
	.report = line_report,
	.media = line_media,
	.released = line_released,
	.before_tail = line_before_tail,
	.hold_at = line_hold_at,
	.failed = line_failed,
	.unlike = line_unlike,
	.ended = line_ended,
};

static void
client_event(void *arg, const struct msg_client_report *report)
{
	struct worker *w = arg;

	link_report(w->link, report);
}

static void
drop_source(struct worker *w, unsigned n)
{
	free(w->sources.at[n].url);
	free(w->sources.at[n].request);
	w->sources.at[n].url = NULL;
	w->sources.at[n].request = NULL;
}

static void
link_source(void *arg, const struct msg_source *source)
{
	struct worker *w = arg;

	drop_source(w, source->n);
	w->sources.at[source->n].of = source->of;
	if (source->own == 1) {
		w->sources.at[source->n].request = malloc(sizeof(source->request));
		if (w->sources.at[source->n].request == NULL)
			return; /* it is not to be asked with another's */
		*w->sources.at[source->n].request = source->request;
	}
	w->sources.at[source->n].url = strdup(source->url); /* NULL: one backup less */
}

static void
link_limits(void *arg, const struct msg_limit *limit)
{
	struct worker *w = arg;

	if (w->line != NULL)
		line_limit(w->line, limit);
	else if (w->limit_count < NITEMS(w->limits))
		w->limits[w->limit_count++] = *limit; /* for the tune that follows */
}

static void
link_slots(void *arg, unsigned source, bool granted)
{
	struct worker *w = arg;

	line_slot(w->line, source, granted);
}

/* url and the backups that came: without holes, so that a number means a source to both sides. */
static int
list_sources(struct worker *w, const struct msg_tune *tune)
{
	w->sources.at[0].url = strdup(tune->url);
	w->sources.at[0].of = tune->of;
	for (w->sources.count = 0; w->sources.count < tune->source_count; w->sources.count++)
		if (w->sources.at[w->sources.count].url == NULL)
			break;
	return w->sources.count == 0 ? PB_ENOMEM : 0;
}

static void
link_quarantine(void *arg, const struct msg_quarantine *msg, int fd)
{
	struct worker *w = arg;

	if (w->quarantine_fd != -1)
		close(w->quarantine_fd);
	w->quarantine_fd = fd;
	w->quarantine = *msg;
}

static void
link_slate(void *arg, unsigned n, int fd)
{
	struct worker *w = arg;

	if (w->slate_fds[n] != -1)
		close(w->slate_fds[n]);
	w->slate_fds[n] = fd;
}

static int
link_tune(void *arg, const struct msg_tune *tune, int spool_fd, int state_fd)
{
	struct worker *w = arg;
	int err;

	w->spool_fd = spool_fd;
	w->state_fd = state_fd;
	if (!spool_valid(spool_fd))
		return PB_EPEER;
	if ((err = state_map(state_fd, &w->state)) != 0)
		return err < 0 ? err : PB_EPEER;
	record_start(&record, w->loop, w->state);
	err = clients_new(&w->clients, w->loop, spool_fd, w->state, tune->settings.burst_ms, tune->settings.paused_ms,
	    client_event, w);
	if (err != 0)
		return err;
	err = list_sources(w, tune);
	if (err == 0)
		err = line_new(&w->line, w->loop, w->resolve, tune, &w->sources, spool_fd, w->state, &line_ops, w);
	if (err != 0)
		return err;
	if (w->quarantine_fd != -1)
		line_quarantine(w->line, &w->quarantine, w->quarantine_fd);
	w->quarantine_fd = -1;
	line_slates(w->line, w->slate_fds);
	line_open(w->line);
	for (size_t i = 0; i < w->limit_count; i++)
		line_limit(w->line, &w->limits[i]);
	return 0;
}

static void
link_client(void *arg, const struct msg_client *client, int fd)
{
	struct worker *w = arg;
	struct msg_client_report report = { .client = client->client, .slot = client->slot, .event = CLIENT_GONE };

	record_slot(&record, client->slot);
	if ((client->resume ? clients_resume(w->clients, client, fd) : clients_add(w->clients, client, fd)) != 0)
		link_report(w->link, &report);
}

static void
link_drop(void *arg, const struct msg_drop *drop)
{
	struct worker *w = arg;

	clients_drop(w->clients, drop);
}

static void
link_stop(void *arg)
{
	quit(arg, PB_EXIT_OK);
}

static void
link_lost(void *arg, const char *why)
{
	log_event(LOG_WARNING, "worker.lost", "why=\"%s\"", why);
	quit(arg, PB_EXIT_TEMPORARY);
}

static const struct link_ops link_ops = {
	.source = link_source,
	.limit = link_limits,
	.slot = link_slots,
	.quarantine = link_quarantine,
	.slate = link_slate,
	.tune = link_tune,
	.client = link_client,
	.drop = link_drop,
	.stop = link_stop,
	.lost = link_lost,
};

/* What would cost time in the first tune is done while nobody waits. */
static void
warm_up(void)
{
	CURL *easy = curl_easy_init();

	curl_easy_cleanup(easy);
}

static int
serve(int fd)
{
	struct worker w = { .spool_fd = -1, .state_fd = -1, .quarantine_fd = -1, .status = PB_EXIT_TEMPORARY };

	for (size_t i = 0; i < NITEMS(w.slate_fds); i++)
		w.slate_fds[i] = -1;
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
	w.loop = ev_default_loop(EVFLAG_AUTO);
	warm_up();
	if (w.loop == NULL || resolve_new(&w.resolve, w.loop) != 0 ||
	    link_new(&w.link, w.loop, fd, &link_ops, &w) != 0) {
		log_event(LOG_ERR, "worker.start", "why=\"out of memory\"");
		return PB_EXIT_TEMPORARY;
	}
	ev_run(w.loop, 0);
	line_free(&w.line);
	for (size_t i = 0; i < NITEMS(w.sources.at); i++)
		drop_source(&w, i);
	clients_free(&w.clients);
	record_stop(&record);
	state_unmap(&w.state);
	link_free(&w.link);
	resolve_free(&w.resolve);
	return w.status;
}

static void
usage(FILE *to)
{
	fputs("usage: plexbridge-worker --url URL --output FILE|- [--header 'Name: value']... [--user-agent AGENT]\n"
	      "                         [--variant best|HEIGHTp|RATE] [--duration TIME] [-o SECTION.KEY=VALUE]...\n"
	      "       plexbridge-worker --inspect FILE|URL|- [--base URL] [--header ...] [--user-agent AGENT]\n"
	      "       plexbridge-worker --conform [-d] FILE... --output FILE|-\n"
	      "       plexbridge-worker --channel-fd N    (started by plexbridged)\n",
	    to);
}

enum {
	OPT_URL = 256,
	OPT_OUTPUT,
	OPT_HEADER,
	OPT_AGENT,
	OPT_VARIANT,
	OPT_DURATION,
	OPT_INSPECT,
	OPT_BASE,
	OPT_CONFORM,
	OPT_CHANNEL,
	OPT_LOG,
	OPT_LEVEL,
	OPT_FORMAT,
	OPT_VERSION
};

static const struct option long_options[] = {
	{ "url", required_argument, NULL, OPT_URL },
	{ "output", required_argument, NULL, OPT_OUTPUT },
	{ "header", required_argument, NULL, OPT_HEADER },
	{ "user-agent", required_argument, NULL, OPT_AGENT },
	{ "variant", required_argument, NULL, OPT_VARIANT },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "inspect", required_argument, NULL, OPT_INSPECT },
	{ "base", required_argument, NULL, OPT_BASE },
	{ "conform", no_argument, NULL, OPT_CONFORM },
	{ "channel-fd", required_argument, NULL, OPT_CHANNEL },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "log-level", required_argument, NULL, OPT_LEVEL },
	{ "log-format", required_argument, NULL, OPT_FORMAT },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct command {
	struct alone_options options;
	const char *inspect;
	bool conform;
	int channel_fd;
	enum log_dest dest;
	enum log_format format;
	int level;
	/* --conform: files in their order, with the -d in front of each */
	const char **files;
	bool *discontinuity;
	size_t file_count;
	bool next_discontinuity;
	const char *why; /* of an option that is wrong: what would be right; NULL: usage says it */
};

static bool
parse_number(const char *text, double max, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && *end == '\0' && *out >= 0 && *out <= max;
}

/* A word out of two; false: it is neither. */
static bool
parse_choice(const char *text, const char *no, const char *yes, bool *out)
{
	*out = strcmp(text, yes) == 0;
	return *out || strcmp(text, no) == 0;
}

/* Seconds as a plain number, too, and not only with a unit as in plexbridge.ini. */
static bool
parse_duration(struct command *c, const char *text)
{
	uint64_t ms;

	if (parse_number(text, 1e9, &c->options.duration_s))
		return true;
	if (config_parse_ms(&ms, text, &c->why) != 0)
		return false;
	c->options.duration_s = (double)ms / 1e3;
	return true;
}

/* One option. false: it is wrong. */
static bool
take_option(struct command *c, int opt, const char *arg)
{
	double number;
	bool other;

	switch (opt) {
	case 1: /* not an option: a file of --conform, in its place ('-' in the option string) */
		c->files[c->file_count] = arg;
		c->discontinuity[c->file_count++] = c->next_discontinuity;
		c->next_discontinuity = false;
		return true;
	case 'd':
		c->next_discontinuity = true;
		return true;
	case 'o':
		if (c->options.setting_count == NITEMS(c->options.settings))
			return false;
		c->options.settings[c->options.setting_count++] = arg;
		return true;
	case OPT_URL:
		c->options.url = arg;
		return true;
	case OPT_OUTPUT:
		c->options.output = arg;
		return true;
	case OPT_HEADER:
		if (c->options.header_count == NITEMS(c->options.headers)) {
			c->why = "that is one too many";
			return false;
		}
		if (config_parse_header(arg, &c->why) != 0)
			return false;
		c->options.headers[c->options.header_count++] = arg;
		return true;
	case OPT_AGENT:
		c->options.user_agent = arg;
		return true;
	case OPT_VARIANT:
		c->options.variant = arg;
		return true;
	case OPT_DURATION:
		return parse_duration(c, arg);
	case OPT_INSPECT:
		c->inspect = arg;
		return true;
	case OPT_BASE:
		c->options.base = arg;
		return true;
	case OPT_CONFORM:
		c->conform = true;
		return true;
	case OPT_CHANNEL:
		if (!parse_number(arg, 1e6, &number))
			return false;
		c->channel_fd = (int)number;
		return true;
	case OPT_LOG:
		if (!parse_choice(arg, "stderr", "syslog", &other))
			return false;
		c->dest = other ? LOG_TO_SYSLOG : LOG_TO_STDERR;
		return true;
	case OPT_LEVEL:
		c->level = log_level_parse(arg);
		return c->level != -1;
	case OPT_FORMAT:
		if (!parse_choice(arg, "logfmt", "json", &other))
			return false;
		c->format = other ? LOG_AS_JSON : LOG_AS_LOGFMT;
		return true;
	default:
		return false;
	}
}

static int
run(struct command *c)
{
	if (c->channel_fd >= 0)
		return serve(c->channel_fd);
	if (c->inspect != NULL)
		return alone_inspect(c->inspect, &c->options);
	if (c->conform && c->file_count > 0 && c->options.output != NULL)
		return alone_conform(c->files, c->discontinuity, c->file_count, c->options.output);
	if (!c->conform && c->options.url != NULL && c->options.output != NULL && c->file_count == 0)
		return alone_run(&c->options);
	usage(stderr);
	return PB_EXIT_PERMANENT;
}

/* All options. -1: go on; else it is over with this exit status. */
static int
take_options(struct command *c, int argc, char **argv)
{
	int opt, which = 0;

	while ((opt = getopt_long(argc, argv, "-do:h", long_options, &which)) != -1) {
		if (opt == 'h') {
			usage(stdout);
			return PB_EXIT_OK;
		}
		if (opt == OPT_VERSION) {
			printf("plexbridge-worker %s (%s) %s\n", PACKAGE_VERSION, PB_COMMIT, curl_version());
			return PB_EXIT_OK;
		}
		if (!take_option(c, opt, optarg)) {
			if (c->why != NULL)
				fprintf(stderr, "plexbridge-worker: --%s: %s\n", long_options[which].name, c->why);
			else
				usage(stderr);
			return PB_EXIT_PERMANENT;
		}
	}
	for (; optind < argc; optind++)
		(void)take_option(c, 1, argv[optind]);
	return -1;
}

/* With its libraries around it. */
static int
run_with_libraries(struct command *c)
{
	unsigned seed = 0;
	int status;

	log_init("plexbridge-worker", c->dest, c->format, c->level);
	(void)mallopt(M_MMAP_THRESHOLD, MALLOC_MMAP_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, MALLOC_MMAP_BYTES);
	(void)mallopt(M_ARENA_MAX, 1);
	signal(SIGPIPE, SIG_IGN);
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (unsigned)getpid();
	srand48(seed);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return PB_EXIT_TEMPORARY;
	status = run(c);
	curl_global_cleanup();
	return status;
}

int
main(int argc, char **argv)
{
	struct command c = { .channel_fd = -1, .level = LOG_WARNING };
	int status = PB_EXIT_TEMPORARY;

	c.files = calloc((size_t)argc, sizeof(*c.files));
	c.discontinuity = calloc((size_t)argc, sizeof(*c.discontinuity));
	if (c.files != NULL && c.discontinuity != NULL)
		status = take_options(&c, argc, argv);
	if (status == -1)
		status = run_with_libraries(&c);
	free(c.files);
	free(c.discontinuity);
	return status;
}
