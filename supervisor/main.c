/*
 * main.c - plexbridged's command line
 */
#include <ev.h>
#include <getopt.h>
#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/supervisor.h"

static void
usage(FILE *out)
{
	fputs("usage: plexbridged [-nv] [-f FILE] [-o SECTION.KEY=VALUE]...\n"
	      "       plexbridged --version | -h\n"
	      "\n"
	      "  -f FILE               read this configuration (default " CONFIG_PATH ")\n"
	      "  -n                    check the configuration, say all that is wrong, exit 0 or 2\n"
	      "  -o SECTION.KEY=VALUE  a setting that wins over the file's\n"
	      "  -v                    log at level debug\n"
	      "      --version         version, commit and libraries\n"
	      "  -h, --help            this\n",
	    out);
}

static void
version(void)
{
	printf("plexbridged %s (%s)\n", PACKAGE_VERSION, PB_COMMIT);
	printf("libev %d.%d, jansson %s\n", ev_version_major(), ev_version_minor(), JANSSON_VERSION);
}

static void
add_override(struct supervisor_options *options, const char *text)
{
	if (options->override_count == SUPERVISOR_OVERRIDES_MAX) {
		fprintf(stderr, "plexbridged: more than %d times -o\n", SUPERVISOR_OVERRIDES_MAX);
		exit(PB_EXIT_PERMANENT);
	}
	options->overrides[options->override_count++] = text;
}

/* All that is wrong, a line each: people run -n until nothing is left. */
static int
load(struct config **config, const struct supervisor_options *options)
{
	struct config_errors errs = { 0 };
	int err = config_load(config, options->path, options->overrides, options->override_count, &errs);

	for (size_t i = 0; i < errs.count; i++)
		fprintf(stderr, "%s\n", errs.at[i].text);
	if (errs.total > errs.count)
		fprintf(stderr, "and %zu more\n", errs.total - errs.count);
	if (err != 0 && errs.total == 0)
		fprintf(stderr, "plexbridged: %s\n", pb_strerror(err));
	config_errors_clear(&errs);
	return err;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static struct supervisor sup;
	struct supervisor_options options = { .argv = argv };
	struct config *config = NULL;
	bool check = false;
	int c, err;

	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* what is one letter, and its case, to patterns (units.h) */
	while ((c = getopt_long(argc, argv, "f:no:vh", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			options.path = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'o':
			add_override(&options, optarg);
			break;
		case 'v':
			add_override(&options, "server.log_level=debug");
			break;
		case 'V':
			version();
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return PB_EXIT_PERMANENT;
		}
	}
	if (optind != argc) {
		usage(stderr);
		return PB_EXIT_PERMANENT;
	}
	err = load(&config, &options);
	if (check) {
		if (err == 0)
			printf("%s: right, %zu channels\n",
			    config->path != NULL ? config->path : "the embedded default", config->lineup.count);
		config_free(&config);
		return err == 0 ? 0 : PB_EXIT_CONFIG;
	}
	if (err != 0)
		return err == PB_ENOMEM ? PB_EXIT_TEMPORARY : PB_EXIT_PERMANENT;
	if (readlink("/proc/self/exe", options.program, sizeof(options.program) - 1) == -1)
		options.program[0] = '\0';
	log_init("plexbridged", config->server.log, config->server.log_format, config->server.log_level);
	return supervisor_run(&sup, config, &options);
}
