/*
 * main.c - plexbridge-origin: options, and which of three programs it is
 *
 * The server is the usual one; --analyse and --view look at a stream
 * instead of making one. They are one program so that a test needs one path,
 * and so that who can serve a bad stream can also tell.
 */
#include <bsd/stdlib.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "origin/fault.h"
#include "origin/report.h"
#include "origin/serve.h"
#include "origin/view.h"

#define LIST_MAX 4096
#define DEFAULT_LISTEN "127.0.0.1:0"
#define DEFAULT_LOG 256
#define DEFAULT_CONNECTIONS 4096

enum {
	OPT_LISTEN = 256,
	OPT_LISTEN_FD,
	OPT_CHANNEL,
	OPT_TESTCARD,
	OPT_FAULT,
	OPT_NO_CONTROL,
	OPT_PARENT,
	OPT_LOG,
	OPT_MAX_CONNECTIONS,
	OPT_ANALYSE,
	OPT_ES_HASH,
	OPT_VIEW,
	OPT_DURATION,
	OPT_BYTES,
	OPT_OUTPUT,
	OPT_RATE,
	OPT_PAUSE_AFTER,
	OPT_PAUSE_FOR,
	OPT_RCVBUF,
	OPT_PROGRESS,
	OPT_CLIENTS,
	OPT_HEADER,
	OPT_SETTLE,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option options[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "listen-fd", required_argument, NULL, OPT_LISTEN_FD },
	{ "channel", required_argument, NULL, OPT_CHANNEL },
	{ "testcard", optional_argument, NULL, OPT_TESTCARD },
	{ "fault", required_argument, NULL, OPT_FAULT },
	{ "no-control", no_argument, NULL, OPT_NO_CONTROL },
	{ "parent", required_argument, NULL, OPT_PARENT },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "max-connections", required_argument, NULL, OPT_MAX_CONNECTIONS },
	{ "analyse", required_argument, NULL, OPT_ANALYSE },
	{ "es-hash", no_argument, NULL, OPT_ES_HASH },
	{ "view", required_argument, NULL, OPT_VIEW },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "bytes", required_argument, NULL, OPT_BYTES },
	{ "output", required_argument, NULL, OPT_OUTPUT },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "pause-after", required_argument, NULL, OPT_PAUSE_AFTER },
	{ "pause-for", required_argument, NULL, OPT_PAUSE_FOR },
	{ "rcvbuf", required_argument, NULL, OPT_RCVBUF },
	{ "progress", required_argument, NULL, OPT_PROGRESS },
	{ "clients", required_argument, NULL, OPT_CLIENTS },
	{ "header", required_argument, NULL, OPT_HEADER },
	{ "settle", required_argument, NULL, OPT_SETTLE },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
    "usage: plexbridge-origin [--listen ADDRESS:PORT] [--listen-fd N] [--testcard[=KEYS]]\n"
    "                         [--channel KEYS] [--fault KEYS] [--no-control] [--parent PID] [--log N]\n"
    "                         [--max-connections N]\n"
    "       plexbridge-origin --analyse FILE|- [--es-hash]\n"
    "       plexbridge-origin --view URL [--duration S] [--bytes N] [--output FILE] [--rate N]\n"
    "                         [--pause-after N --pause-for S] [--rcvbuf N] [--progress FILE]\n"
    "                         [--clients N] [--header LINE] [--settle S]\n";

/* What the options add up to. */
struct settings {
	struct serve_options serve;
	struct view_options view;
	const char *analyse;
	bool es_hash;
};

static const char *channels[LIST_MAX];
static const char *faults[FAULTS_MAX];

static _Noreturn void
wrong(const char *option, const char *why)
{
	fprintf(stderr, "plexbridge-origin: --%s: %s\n%s", option, why, usage);
	exit(PB_EXIT_PERMANENT);
}

static long long
number(const char *option, const char *text, long long min, long long max)
{
	const char *bad = NULL;
	long long n = strtonum(text, min, max, &bad);

	if (bad != NULL)
		wrong(option, bad);
	return n;
}

static double
seconds(const char *option, const char *text)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end != '\0' || !(s >= 0 && s <= 1e9))
		wrong(option, "not a number of seconds");
	return s;
}

/* One option into the settings. */
static void
take(struct settings *set, int opt, const char *name, const char *arg)
{
	struct serve_options *s = &set->serve;
	struct view_options *v = &set->view;

	switch (opt) {
	case OPT_LISTEN:
		if (s->nlisten == SERVE_LISTEN_MAX)
			wrong(name, "too many");
		s->listen[s->nlisten++] = arg;
		break;
	case OPT_LISTEN_FD:
		if (s->nlisten_fd == SERVE_LISTEN_MAX)
			wrong(name, "too many");
		s->listen_fd[s->nlisten_fd++] = (int)number(name, arg, 0, 65535);
		break;
	case OPT_CHANNEL:
		if (s->nchannels == LIST_MAX)
			wrong(name, "too many");
		channels[s->nchannels++] = arg;
		break;
	case OPT_TESTCARD:
		s->testcard = arg == NULL ? "" : arg;
		break;
	case OPT_FAULT:
		if (s->nfaults == NITEMS(faults))
			wrong(name, "too many");
		faults[s->nfaults++] = arg;
		break;
	case OPT_NO_CONTROL:
		s->control = false;
		break;
	case OPT_PARENT:
		s->parent = (pid_t)number(name, arg, 1, INT32_MAX);
		break;
	case OPT_LOG:
		s->log_entries = (size_t)number(name, arg, 1, 65536);
		break;
	case OPT_MAX_CONNECTIONS:
		s->connections_max = (unsigned int)number(name, arg, 1, 65536);
		break;
	case OPT_ANALYSE:
		set->analyse = arg;
		break;
	case OPT_ES_HASH:
		set->es_hash = true;
		break;
	case OPT_VIEW:
		v->url = arg;
		break;
	case OPT_DURATION:
		v->duration_s = seconds(name, arg);
		break;
	case OPT_BYTES:
		v->bytes = (uint64_t)number(name, arg, 1, INT64_MAX);
		break;
	case OPT_OUTPUT:
		v->output = arg;
		break;
	case OPT_RATE:
		v->rate = (uint64_t)number(name, arg, 1, INT64_MAX);
		break;
	case OPT_PAUSE_AFTER:
		v->pause = true;
		v->pause_after = (uint64_t)number(name, arg, 0, INT64_MAX);
		break;
	case OPT_PAUSE_FOR:
		v->pause_for_s = seconds(name, arg);
		break;
	case OPT_RCVBUF:
		v->rcvbuf = (int)number(name, arg, 1, 1 << 30);
		break;
	case OPT_PROGRESS:
		v->progress = arg;
		break;
	case OPT_CLIENTS:
		v->clients = (unsigned int)number(name, arg, 1, 65536);
		break;
	case OPT_HEADER:
		if (v->nheaders == VIEW_HEADERS_MAX)
			wrong(name, "too many");
		v->headers[v->nheaders++] = arg;
		break;
	case OPT_SETTLE:
		v->settle_s = seconds(name, arg);
		break;
	case OPT_VERSION:
		printf("plexbridge-origin %s (%s)\n", PACKAGE_VERSION, PB_COMMIT);
		exit(PB_EXIT_OK);
	case OPT_HELP:
		fputs(usage, stdout);
		exit(PB_EXIT_OK);
	default:
		fputs(usage, stderr);
		exit(PB_EXIT_PERMANENT);
	}
}

int
main(int argc, char **argv)
{
	struct settings set;
	int opt;
	int index = 0;

	memset(&set, 0, sizeof(set));
	set.serve.channels = channels;
	set.serve.faults = faults;
	set.serve.control = true;
	set.serve.log_entries = DEFAULT_LOG;
	set.serve.connections_max = DEFAULT_CONNECTIONS;
	set.view.clients = 1;
	set.view.settle_s = VIEW_SETTLE_S;
	while ((opt = getopt_long(argc, argv, "", options, &index)) != -1)
		take(&set, opt, opt == '?' ? "" : options[index].name, optarg);
	if (optind < argc)
		wrong(argv[optind], "not an option");

	if (set.analyse != NULL)
		return report_file(set.analyse, set.es_hash);
	if (set.view.url != NULL)
		return view(&set.view);
	if (set.serve.testcard == NULL && set.serve.nchannels == 0)
		wrong("channel", "nothing to serve: give --testcard or --channel");
	if (set.serve.nlisten == 0 && set.serve.nlisten_fd == 0)
		set.serve.listen[set.serve.nlisten++] = DEFAULT_LISTEN;
	return serve(&set.serve);
}
