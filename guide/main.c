/*
 * main.c - plexbridge-guide: one job, then the end
 *
 * Started by plexbridged with a socket as descriptor 3, it takes its job
 * from there. Started by hand it reads one source and prints what a
 * supervisor would have been given. Either way it writes nothing but that.
 */
#include <curl/curl.h>
#include <errno.h>
#include <expat.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <locale.h>
#include <lzma.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/url.h"
#include "base/utf8.h"
#include "config/arena.h"
#include "config/options.h"
#include "guide/run.h"
#include "ipc/list.h"
#include "ipc/msg.h"

#define CHANNEL_FD 3
#define SEND_MS 10000
#define GUIDE_NICE 10

/*
 * For a supervisor
 */

/* Wait for room: who doesn't read us for so long is gone. */
static bool
say(uint32_t type, const void *data, size_t len, const int *fds, size_t nfds)
{
	struct pollfd room = { .fd = CHANNEL_FD, .events = POLLOUT };

	for (;;) {
		int err = msg_send(CHANNEL_FD, type, data, len, fds, nfds);

		if (err != PB_AGAIN)
			return err == 0;
		if (poll(&room, 1, SEND_MS) <= 0)
			return false;
	}
}

static void
say_at(void *user, const struct import_at *at)
{
	(void)user;
	/* Whoever is late with reading misses one. */
	if (msg_send(CHANNEL_FD, IMPORT_AT, at, sizeof(*at), NULL, 0) == PB_ESYS)
		_exit(PB_EXIT_OK); /* nobody is there any more */
}

static void
say_wrong(void *user, unsigned line, const char *why)
{
	struct import_wrong wrong = { .line = line };

	(void)user;
	snprintf(wrong.why, sizeof(wrong.why), "%s", why);
	if (!say(IMPORT_WRONG, &wrong, sizeof(wrong), NULL, 0))
		_exit(PB_EXIT_OK);
}

/* VmHWM: what getrusage() has is that of who forked us, too. */
static uint32_t
peak_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	unsigned kib = 0;

	while (f != NULL && kib == 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = (unsigned)strtoul(line + 6, NULL, 10);
	if (f != NULL)
		fclose(f);
	return kib;
}

/* How it went, and what came of it. */
static bool
say_done(struct run *run)
{
	run->done.peak_kib = peak_kib();
	return say(IMPORT_DONE, &run->done, sizeof(run->done), &run->result, run->result != -1);
}

static void
say_listed(struct run *run)
{
	if (!say_done(run))
		_exit(PB_EXIT_OK);
}

static bool
hear(struct msg *m)
{
	struct pollfd news = { .fd = CHANNEL_FD, .events = POLLIN };

	for (;;) {
		int err = msg_recv(CHANNEL_FD, m);

		if (err != PB_AGAIN)
			return err == 0;
		(void)poll(&news, 1, -1);
	}
}

/* Take the files, then the job. 0, or the exit status. */
static int
take_job(struct run *run, struct job *job)
{
	static struct msg m;

	for (;;) {
		struct import_file file;

		if (!hear(&m))
			return PB_EXIT_PERMANENT;
		if (m.type == IMPORT_FILE && m.len == sizeof(file) && m.nfds > 0) {
			memcpy(&file, m.data, sizeof(file));
			for (size_t i = 0; i < m.nfds && file.which < RUN_FILES_MAX - i; i++)
				run->files[file.which + i] = m.fds[i];
			continue;
		}
		if (m.type != IMPORT_JOB || m.nfds < 1 || m.nfds > 4)
			return PB_EXIT_PERMANENT;
		for (size_t i = 1; i < m.nfds; i++)
			run->out[i - 1] = m.fds[i];
		return job_read(job, m.fds[0]) == 0 ? 0 : PB_EXIT_TEMPORARY;
	}
}

/* What the job says. The exit status. */
static int
carry_out(struct run *run, const char *kind)
{
	/* A guide is a second of work that nobody waits for; streams do not wait at all. */
	if (strcmp(kind, "guide") == 0 || strcmp(kind, "fetch") == 0)
		(void)setpriority(PRIO_PROCESS, 0, GUIDE_NICE);
	if (strcmp(kind, "list") == 0) {
		run_list(run);
		if (run->result != -1)
			return run->unkept ? PB_EXIT_TEMPORARY : PB_EXIT_OK; /* it was said */
	} else if (strcmp(kind, "fetch") == 0)
		run_fetch(run);
	else if (strcmp(kind, "guide") == 0)
		run_guide(run);
	else if (strcmp(kind, "sync") == 0)
		run_sync(run);
	else
		return PB_EXIT_PERMANENT;
	return say_done(run) ? PB_EXIT_OK : PB_EXIT_TEMPORARY;
}

static int
serve(void)
{
	struct job job = { 0 };
	struct run run = {
		.job = &job, .out = { -1, -1, -1 }, .at = say_at, .wrong = say_wrong, .listed = say_listed, .result = -1
	};
	int status;

	for (size_t i = 0; i < RUN_FILES_MAX; i++)
		run.files[i] = -1;
	status = take_job(&run, &job);
	if (status == 0)
		status = carry_out(&run, job_get(&job, "kind"));
	job_clear(&job);
	return status;
}

/*
 * By hand
 */

static void
print_wrong(void *user, unsigned line, const char *why)
{
	fprintf(stderr, "%s:%u: %s\n", (const char *)user, line, why);
}

static void
print_at(void *user, const struct import_at *at)
{
	(void)user;
	(void)at;
}

/* A line of JSON for each. */
static int
print_list(int fd)
{
	struct list *list;
	const char *why = "";

	if (list_open(&list, fd, true, &why) != 0 || list_check(list, LIST_ENTRIES_MAX, &why) != 0) {
		fprintf(stderr, "plexbridge-guide: the list is no good: %s\n", why);
		return PB_EXIT_PERMANENT;
	}
	for (uint32_t i = 0; i < list->head->count; i++) {
		const struct list_entry *e = &list->entries[i];
		char url[URL_MAX];
		json_t *o = json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s?, s:i, s:i, s:i}", "name",
		    list_string(list, e->name), "clean", list_string(list, e->clean), "url",
		    url_redact(url, sizeof(url), list_string(list, e->url)), "tvg_id", list_string(list, e->tvg_id),
		    "group", list_string(list, e->group), "number", list_string(list, e->number), "logo",
		    list_string(list, e->logo), "user_agent", list_string(list, e->user_agent), "headers",
		    e->header_count, "quality", e->quality, "shift_min", (int)e->shift_min);

		if (o != NULL)
			json_dumpf(o, stdout, JSON_COMPACT);
		json_decref(o);
		putchar('\n');
	}
	list_drop(&list);
	return PB_EXIT_OK;
}

/* A setting of [provider] that chooses, into the job: a line for each item of a list. false: it was said what is wrong. */
static bool
add_choice(FILE *job, const char *arg)
{
	static const char *const keys[] = { "include_group", "include_name", "include_id", "exclude_group",
		"exclude_name", "exclude_id", "rename", "limit", "quality", "order", "vod", "radio" };
	const char *value = strchr(arg, '=');
	struct provider provider = { 0 };
	struct arena arena = { 0 };
	const struct setting *s = NULL;
	char why[512];
	int err;

	for (size_t i = 0; value != NULL && i < NITEMS(keys) && s == NULL; i++)
		if (strncmp(arg, keys[i], (size_t)(value - arg)) == 0 && keys[i][value - arg] == '\0')
			s = setting_find("provider", keys[i]);
	if (s == NULL) {
		fprintf(stderr, "plexbridge-guide: %s: it is none of", arg);
		for (size_t i = 0; i < NITEMS(keys); i++)
			fprintf(stderr, "%s %s=", i == 0 ? "" : ",", keys[i]);
		fputc('\n', stderr);
		return false;
	}
	value++;
	snprintf(why, sizeof(why), "there is a control character in it");
	err =
	    utf8_plain(value, strlen(value)) ? setting_set(s, &provider, &arena, value, why, sizeof(why)) : PB_EFORMAT;
	if (err == PB_ENOMEM)
		snprintf(why, sizeof(why), "%s", pb_strerror(err));
	if (err != 0)
		fprintf(stderr, "plexbridge-guide: %s: %s\n", s->key, why);
	else if (s->type == OPT_PATTERNS || s->type == OPT_WORDS) {
		const struct config_list *list = (const void *)((const char *)&provider + s->field);

		for (size_t i = 0; i < list->count; i++)
			fprintf(job, "%s=%s\n", s->key, list->items[i]);
	} else
		fprintf(job, "%s=%s\n", s->key, value);
	arena_clear(&arena);
	return err == 0;
}

static int
by_hand(const char *source, char *const *choice)
{
	bool url = strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0;
	char shown[URL_MAX];
	struct job job = { 0 };
	struct run run = { .job = &job, .out = { -1, -1, -1 }, .at = print_at, .wrong = print_wrong, .result = -1 };
	int status = PB_EXIT_OK;
	FILE *text;

	text = open_memstream(&job.text, &job.len);
	if (text == NULL)
		return PB_EXIT_TEMPORARY;
	fprintf(text, "kind=list\nplaylist=%s\nuser_agent=PlexBridge\n", url ? source : "");
	for (; *choice != NULL; choice++)
		if (!add_choice(text, *choice))
			status = PB_EXIT_FAIL; /* what else is wrong is said too */
	if (fclose(text) != 0 || status != PB_EXIT_OK) {
		free(job.text);
		return status != PB_EXIT_OK ? status : PB_EXIT_TEMPORARY;
	}
	snprintf(shown, sizeof(shown), "%s", source);
	if (url)
		url_redact(shown, sizeof(shown), source);
	run.user = shown;
	run.files[0] = url ? -1 : open(source, O_RDONLY | O_CLOEXEC);
	if (!url && run.files[0] == -1) {
		fprintf(stderr, "plexbridge-guide: %s: %s\n", source, strerror(errno));
		job_clear(&job);
		return PB_EXIT_FAIL;
	}
	for (size_t i = 0; i < job.len; i++)
		if (job.text[i] == '\n')
			job.text[i] = '\0';
	run_list(&run);
	if (run.done.verdict != IMPORT_GOOD) {
		fprintf(stderr, "plexbridge-guide: %s: %s\n", shown, run.done.why);
		status = PB_EXIT_FAIL;
	} else
		status = print_list(run.result);
	job_clear(&job);
	return status;
}

static void
usage(FILE *out)
{
	fputs("usage: plexbridge-guide --list FILE|URL [KEY=VALUE]...\n"
	      "\n"
	      "  --list      a provider's channels, a line of JSON each\n"
	      "  KEY=VALUE   include_group, exclude_name and so on, as in [provider]\n"
	      "  --version\n"
	      "  -h, --help\n"
	      "\n"
	      "plexbridged starts it by itself; it takes its job from descriptor 3 then.\n",
	    out);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "list", required_argument, NULL, 'l' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *source = NULL;
	int c, type;
	socklen_t size = sizeof(type);

	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* what is one character, and its case, to patterns (pick.h) */
	if (argc == 1 && getsockopt(CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
		return serve();
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'l':
			source = optarg;
			break;
		case 'V':
			printf("plexbridge-guide %s (%s)\n%s, %s, jansson %s, liblzma %s\n", PACKAGE_VERSION, PB_COMMIT,
			    curl_version(), XML_ExpatVersion(), JANSSON_VERSION, lzma_version_string());
			return PB_EXIT_OK;
		case 'h':
			usage(stdout);
			return PB_EXIT_OK;
		default:
			usage(stderr);
			return PB_EXIT_FAIL;
		}
	}
	if (source == NULL) {
		usage(stderr);
		return PB_EXIT_FAIL;
	}
	return by_hand(source, argv + optind);
}
