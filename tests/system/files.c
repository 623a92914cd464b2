/*
 * files.c - an HTTP server for a folder of playlists, for the tests
 *
 * plexbridge-origin makes its playlists itself, and so only right ones and
 * its own faults. What a test wants to write by hand goes through here:
 * "files FOLDER [ADDRESS:PORT]" prints "listening URL" and serves FOLDER's
 * plain files, read anew for each request, with Range and ETag, until
 * SIGTERM. What is in NAME.to is the URL that NAME.to redirects to. What was
 * asked for is written to standard error, a line each.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "origin/http.h"

#define FILE_BYTES_MAX (64 << 20)
#define CONNECTIONS_MAX 256

static const char *folder;

/* A file into the answer. 0, PB_NO when there is none, PB_ENOMEM, PB_ELIMIT. */
static int
take_file(struct http_answer *answer, const char *path)
{
	FILE *f = fopen(path, "re");
	long size;
	int err = PB_NO;

	if (f == NULL)
		return PB_NO;
	if (fseek(f, 0, SEEK_END) == -1 || (size = ftell(f)) == -1 || fseek(f, 0, SEEK_SET) == -1)
		goto out;
	err = PB_ELIMIT;
	if (size > FILE_BYTES_MAX)
		goto out;
	err = PB_ENOMEM;
	answer->body = malloc((size_t)size + 1);
	if (answer->body == NULL)
		goto out;
	err = 0;
	answer->len = fread(answer->body, 1, (size_t)size, f);
out:
	fclose(f);
	return err;
}

static const char *
type_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot != NULL && strcmp(dot, ".m3u8") == 0 ? "application/vnd.apple.mpegurl" : "application/octet-stream";
}

static int
on_ask(void *arg, const struct http_ask *ask, struct http_answer *answer)
{
	const char *path = ask->request->path;
	char full[4096];
	int err;

	(void)arg;
	fprintf(stderr, "%s?%s\n", path, ask->request->query);
	answer->status = 404;
	if (strstr(path, "..") != NULL || (size_t)snprintf(full, sizeof(full), "%s%s", folder, path) >= sizeof(full))
		return 0;
	err = take_file(answer, full);
	if (err == PB_NO)
		return 0;
	if (err == 0 && strlen(path) > 3 && strcmp(path + strlen(path) - 3, ".to") == 0) {
		answer->status = 302;
		return asprintf(&answer->fields, "Location: %.*s\r\n", (int)answer->len, (char *)answer->body) == -1
		    ? PB_ENOMEM
		    : 0;
	}
	answer->status = 200;
	answer->type = type_of(path);
	answer->ranges = true;
	return err;
}

static void
on_end(void *arg, uint64_t note, int status, uint64_t bytes)
{
	(void)arg;
	(void)note;
	(void)status;
	(void)bytes;
}

static void
on_plan(void *arg, unsigned int kind, uint16_t port, double now, struct fault_plan *plan)
{
	(void)arg;
	(void)kind;
	(void)port;
	(void)now;
	memset(plan, 0, sizeof(*plan));
	plan->stall_at = plan->truncate_at = plan->cut_at = -1;
}

static void
on_close(void *arg, uint64_t connection)
{
	(void)arg;
	(void)connection;
}

static const struct http_site site = { NULL, on_ask, on_end, on_plan, on_close };

static void
on_signal(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

int
main(int argc, char **argv)
{
	struct ev_loop *loop = ev_default_loop(0);
	struct http_server *server = NULL;
	struct ev_signal term;
	char url[128];
	int err;

	if (argc < 2 || argc > 3 || loop == NULL) {
		fputs("usage: files FOLDER [ADDRESS:PORT]\n", stderr);
		return PB_EXIT_PERMANENT;
	}
	folder = argv[1];
	signal(SIGPIPE, SIG_IGN);
	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_start(loop, &term);
	err = http_new(&server, loop, &site, CONNECTIONS_MAX);
	if (err == 0)
		err = http_listen(server, argc > 2 ? argv[2] : "127.0.0.1:0", url, sizeof(url));
	if (err != 0) {
		fprintf(stderr, "files: %s\n", err == PB_ESYS ? strerror(errno) : pb_strerror(err));
		http_free(&server);
		return PB_EXIT_TEMPORARY;
	}
	printf("listening %s\n", url);
	fflush(stdout);
	ev_run(loop, 0);
	http_free(&server);
	return PB_EXIT_OK;
}
