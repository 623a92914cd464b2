/*
 * main.c - plexbridgectl: ask the running plexbridged, show its answer
 */
#include <curl/curl.h>
#include <getopt.h>
#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "ctl/ask.h"
#include "ctl/doctor.h"
#include "ctl/drill.h"
#include "ctl/import.h"
#include "ctl/show.h"
#include "ctl/why.h"

#define CONTROL_SOCKET "/run/plexbridge/control.sock"

static bool utf8;
static enum show_lineup which = SHOW_PRESENT;

/* What stands behind a command's words. */
static struct {
	bool json;
	uint32_t since_s;
	const char *client;
	bool watch, full;
} options = { .since_s = WHY_SINCE_S };

static void
usage(FILE *out)
{
	fputs("usage: plexbridgectl [-s SOCKET] [--json] COMMAND\n"
	      "\n"
	      "  status        the bridge, its streams, workers and clients\n"
	      "  channels      the lineup\n"
	      "  lineup        what providers and the configuration make of it; --absent: what is kept a number for;\n"
	      "                --unmatched: what has no guide\n"
	      "  refresh [P]   fetch all providers' lists, or that of one, now; exit 0 when all are good\n"
	      "  import --dry-run FILE|URL [P]\n"
	      "                what would change if this were the list of provider P\n"
	      "  renumber N M  give imported channel N the number M\n"
	      "  reload        read the configuration again\n"
	      "  restart N     give channel N another worker; its viewers stay\n"
	      "  upgrade       have the program as it is on disk take over; viewers stay\n"
	      "  health        would a tune work now? exit 0 or 1\n"
	      "  dump          the status with all counters and workers, as JSON\n"
	      "  show config   the settings in force, as JSON\n"
	      "  why N         what happened to channel N, and which side failed\n"
	      "                [--since 10m]\n"
	      "  doctor        this machine and its network, checked\n"
	      "                [--client ADDRESS] [--watch]\n"
	      "  drill         ride out made outages with this installation, on loopback\n"
	      "                [--full]\n"
	      "\n"
	      "  -s SOCKET     the control socket (default " CONTROL_SOCKET ")\n"
	      "      --json    print the answer as it came\n"
	      "      --version\n"
	      "  -h, --help\n",
	    out);
}

static int
put(char *text)
{
	if (text == NULL) {
		fputs("plexbridgectl: no memory\n", stderr);
		return PB_EXIT_FAIL;
	}
	fputs(text, stdout);
	free(text);
	return PB_EXIT_OK;
}

static int
put_status(const json_t *answer)
{
	return put(show_status(answer, utf8));
}

static int
put_channels(const json_t *answer)
{
	return put(show_channels(answer, utf8));
}

static int
put_json(const json_t *answer)
{
	if (json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) != 0)
		return PB_EXIT_FAIL;
	putchar('\n');
	return PB_EXIT_OK;
}

static void
put_lines(const json_t *list, const char *before)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));

		if (s != NULL)
			printf("%s%s\n", before, s);
	}
}

static int
put_reload(const json_t *answer)
{
	if (!json_is_true(json_object_get(answer, "ok"))) {
		put_lines(json_object_get(answer, "errors"), "");
		puts("nothing was changed");
		return PB_EXIT_FAIL;
	}
	puts("the configuration was read again");
	put_lines(json_object_get(answer, "restart"), "takes effect at a restart only: ");
	return PB_EXIT_OK;
}

static int
put_restart(const json_t *answer)
{
	if (!json_is_true(json_object_get(answer, "ok"))) {
		put_lines(json_object_get(answer, "errors"), "");
		return PB_EXIT_FAIL;
	}
	puts("another worker takes over");
	return PB_EXIT_OK;
}

static int
put_lineup(const json_t *answer)
{
	return put(show_lineup(answer, which, utf8));
}

static int
put_refresh(const json_t *answer)
{
	if (!json_is_true(json_object_get(answer, "ok"))) {
		put_lines(json_object_get(answer, "errors"), "");
		puts("what was in force stays in force");
		return PB_EXIT_FAIL;
	}
	printf("%" JSON_INTEGER_FORMAT " channels\n", json_integer_value(json_object_get(answer, "channels")));
	return PB_EXIT_OK;
}

static int
put_renumber(const json_t *answer)
{
	if (!json_is_true(json_object_get(answer, "ok"))) {
		put_lines(json_object_get(answer, "errors"), "");
		return PB_EXIT_FAIL;
	}
	puts("the channel has another number; media servers have to be told");
	return PB_EXIT_OK;
}

static int
put_upgrade(const json_t *answer)
{
	if (!json_is_true(json_object_get(answer, "ok"))) {
		put_lines(json_object_get(answer, "errors"), "");
		puts("the one before goes on");
		return PB_EXIT_FAIL;
	}
	printf("process %" JSON_INTEGER_FORMAT " took over\n", json_integer_value(json_object_get(answer, "pid")));
	return PB_EXIT_OK;
}

static int
put_health(const json_t *answer)
{
	if (json_is_true(json_object_get(answer, "ok"))) {
		puts("healthy");
		return PB_EXIT_OK;
	}
	put_lines(json_object_get(answer, "reasons"), "");
	return PB_EXIT_FAIL;
}

static int
put_why(const json_t *answer)
{
	const json_t *errors = json_object_get(answer, "errors");
	json_t *o;
	int status;

	if (errors != NULL) {
		put_lines(errors, "");
		return PB_EXIT_FAIL;
	}
	if (!options.json)
		return put(why_text(answer, utf8));
	o = why_json(answer);
	status = o != NULL ? put_json(o) : put(NULL);
	json_decref(o);
	return status;
}

/* A word that is "" stands for any, which is put behind the path; a third one behind that. */
static const struct {
	const char *words[3];
	const char *path;
	bool post;
	long timeout_ms;
	int (*put)(const json_t *answer);
	bool own_json; /* what --json prints is not the answer, but what put() makes of it */
} commands[] = {
	{ { "status", NULL }, "/api/status", false, ASK_TIMEOUT_MS, put_status, false },
	{ { "channels", NULL }, "/api/channels", false, ASK_TIMEOUT_MS, put_channels, false },
	{ { "lineup", NULL }, "/api/lineup", false, ASK_TIMEOUT_MS, put_lineup, false },
	{ { "refresh", NULL }, "/api/refresh", true, ASK_REFRESH_MS, put_refresh, false },
	{ { "refresh", "" }, "/api/refresh?provider=", true, ASK_REFRESH_MS, put_refresh, false },
	{ { "renumber", "", "&to=" }, "/api/renumber?from=", true, ASK_TIMEOUT_MS, put_renumber, false },
	{ { "reload", NULL }, "/api/reload", true, ASK_TIMEOUT_MS, put_reload, false },
	{ { "upgrade", NULL }, "/api/upgrade", true, ASK_UPGRADE_MS, put_upgrade, false },
	{ { "restart", "" }, "/api/restart?channel=", true, ASK_TIMEOUT_MS, put_restart, false },
	{ { "health", NULL }, "/api/health", false, ASK_TIMEOUT_MS, put_health, false },
	{ { "why", "" }, "/api/recorder?channel=", false, ASK_TIMEOUT_MS, put_why, true },
	{ { "dump", NULL }, "/api/dump", false, ASK_TIMEOUT_MS, put_json, false },
	{ { "show", "config" }, "/api/config", false, ASK_TIMEOUT_MS, put_json, false },
};

/*
 * Statuses that are answers too: 400 and 404 a channel that is none or does
 * not run, 409 a reload that was refused, 503 a bridge that is not healthy or
 * an upgrade that failed.
 */
static bool
answered(long status)
{
	return status == 200 || status == 400 || status == 404 || status == 409 || status == 503;
}

/* The path with the words behind it that it takes. */
static bool
make_path(char *out, size_t size, size_t command, char **words)
{
	const char *const *takes = commands[command].words;
	size_t len;

	snprintf(out, size, "%s", commands[command].path);
	if (takes[1] != NULL && takes[1][0] == '\0' && !ask_add(out, size, words[1]))
		return false;
	len = strlen(out);
	if (commands[command].put == put_why)
		return (size_t)snprintf(out + len, size - len, "&since=%u", options.since_s) < size - len;
	if (takes[2] == NULL)
		return true;
	return (size_t)snprintf(out + len, size - len, "%s", takes[2]) < size - len && ask_add(out, size, words[2]);
}

static int
run(const char *socket, bool json, size_t command, char **words)
{
	char path[256];
	char why[512];
	struct answer answer;
	json_error_t error;
	json_t *value;
	int status;

	if (!make_path(path, sizeof(path), command, words)) {
		fputs("plexbridgectl: the word is too long\n", stderr);
		return PB_EXIT_CONFIG;
	}
	if (ask(&answer, socket, path, commands[command].post, commands[command].timeout_ms, why, sizeof(why)) != 0) {
		fprintf(stderr, "plexbridgectl: %s\n", why);
		return PB_EXIT_TEMPORARY;
	}
	value = json_loadb(answer.body, answer.len, 0, &error);
	if (value == NULL || !answered(answer.status)) {
		fprintf(stderr, "plexbridgectl: %s: status %ld, %s\n", socket, answer.status,
		    value == NULL ? "and the answer is not JSON" : "which this version does not know");
		status = PB_EXIT_FAIL;
	} else if (json && (!commands[command].own_json || answer.status != 200)) {
		fwrite(answer.body, 1, answer.len, stdout);
		if (answer.len > 0 && answer.body[answer.len - 1] != '\n')
			putchar('\n');
		status = answer.status == 200 ? PB_EXIT_OK : PB_EXIT_FAIL;
	} else
		status = commands[command].put(value);
	json_decref(value);
	free(answer.body);
	return fflush(stdout) == 0 ? status : PB_EXIT_FAIL;
}

static bool
takes_word(size_t command)
{
	return commands[command].words[1] != NULL && commands[command].words[1][0] == '\0';
}

static size_t
find_command(int count, char **words)
{
	for (size_t i = 0; i < NITEMS(commands); i++) {
		int need = commands[i].words[1] == NULL ? 1 : commands[i].words[2] == NULL ? 2 : 3;

		if (count == need && strcmp(words[0], commands[i].words[0]) == 0 &&
		    (need == 1 || takes_word(i) || strcmp(words[1], commands[i].words[1]) == 0))
			return i;
	}
	return NITEMS(commands);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "since", required_argument, NULL, 'S' },
		{ "client", required_argument, NULL, 'C' },
		{ "watch", no_argument, NULL, 'W' },
		{ "full", no_argument, NULL, 'F' },
		{ "absent", no_argument, NULL, 'a' },
		{ "unmatched", no_argument, NULL, 'u' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *socket = CONTROL_SOCKET;
	bool json = false, dry = false;
	size_t command;
	int c, status;

	(void)setlocale(LC_CTYPE, "");
	utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	while ((c = getopt_long(argc, argv, "s:h", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			socket = optarg;
			break;
		case 'j':
			json = options.json = true;
			break;
		case 'S':
			options.since_s = why_since(optarg);
			if (options.since_s == 0) {
				fprintf(stderr, "plexbridgectl: --since %s: seconds, or a time like 90s, 10m, 2h\n",
				    optarg);
				return PB_EXIT_CONFIG;
			}
			break;
		case 'C':
			options.client = optarg;
			break;
		case 'W':
			options.watch = true;
			break;
		case 'F':
			options.full = true;
			break;
		case 'a':
			which = SHOW_ABSENT;
			break;
		case 'u':
			which = SHOW_UNMATCHED;
			break;
		case 'n':
			dry = true;
			break;
		case 'V':
			printf("plexbridgectl %s (%s)\n%s, jansson %s\n", PACKAGE_VERSION, PB_COMMIT, curl_version(),
			    JANSSON_VERSION);
			return PB_EXIT_OK;
		case 'h':
			usage(stdout);
			return PB_EXIT_OK;
		default:
			usage(stderr);
			return PB_EXIT_CONFIG;
		}
	}
	if (argc - optind == 1 && strcmp(argv[optind], "doctor") == 0) {
		curl_global_init(CURL_GLOBAL_NOTHING);
		return doctor_run(&(struct doctor_options){ socket, options.client, json, options.watch, utf8 });
	}
	if (argc - optind == 1 && strcmp(argv[optind], "drill") == 0) {
		curl_global_init(CURL_GLOBAL_NOTHING);
		return drill_run(&(struct drill_options){ json, options.full, utf8 });
	}
	if ((argc - optind == 2 || argc - optind == 3) && strcmp(argv[optind], "import") == 0) {
		if (!dry) {
			fputs("plexbridgectl: import shows what a source would change: --dry-run; what is imported is "
			      "in plexbridge.ini\n",
			    stderr);
			return PB_EXIT_CONFIG;
		}
		curl_global_init(CURL_GLOBAL_NOTHING);
		return import_run(socket, argv[optind + 1], argc - optind == 3 ? argv[optind + 2] : NULL, json);
	}
	command = find_command(argc - optind, argv + optind);
	if (command == NITEMS(commands)) {
		usage(stderr);
		return PB_EXIT_CONFIG;
	}
	curl_global_init(CURL_GLOBAL_NOTHING);
	status = run(socket, json, command, argv + optind);
	curl_global_cleanup();
	return status;
}
