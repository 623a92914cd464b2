/*
 * provider.c - a provider of channels as they are in the wild, for the tests
 *
 * "provider COUNT" prints "listening URL" and serves, until SIGTERM, one
 * table of COUNT channels as an M3U playlist (/get.php), as an Xtream server
 * (/player_api.php) and with its guide (/xmltv.php), all for the user "u"
 * with the password "secretword". POST /_/set?step=N&mode=MODE says what is
 * in the table, and what goes wrong.
 *
 *   step   0: all channels, in order. Each other step renames, regroups,
 *          renumbers and reorders them, moves their URLs, and leaves out one
 *          in eleven. Even channels have a tvg-id, and names that share
 *          nothing but their number; odd ones have a name alone, in other
 *          letters and with other words about the picture each time
 *   mode   good; slow (late, and then in drops); shrink (one in ten is left);
 *          empty; html; bomb (gzip of zeros); endless; cut; stall; a
 *          status; expired and refused (an Xtream account's; 403 for the rest)
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/pb.h"
#include "origin/http.h"

#define CONNECTIONS_MAX 64
#define BOMB_BYTES (24u << 20)
#define GUIDE_HOURS 6

static unsigned count, step;
static char mode[16] = "good";

static bool
is_mode(const char *what)
{
	return strcmp(mode, what) == 0;
}

/* The channel in place k of this step; count is prime in the tests, so that all have a place. */
static unsigned
channel_at(unsigned k)
{
	return (k * (1 + step % (count - 1)) + step) % count + 1;
}

static bool
is_there(unsigned i)
{
	if (is_mode("empty"))
		return false;
	if (is_mode("shrink"))
		return i % 10 == 1;
	return step == 0 || (i * 7 + step) % 11 != 0;
}

static const char *
name_of(char out[64], unsigned i)
{
	static const char *const words[] = { "Station", "Kanal", "Renamed", "Now with Sport", "Z & more" };
	static const char *const forms[] = { "Channel %u", "CHANNEL %u HD", "channel-%u [FHD]", "Ch\xc3\xa4nnel %u SD",
		"Channel %u (4K) HEVC" };

	if (i % 2 == 0)
		snprintf(out, 64, "%s %u", words[step % NITEMS(words)], i);
	else {
		const char *form = forms[step % NITEMS(forms)], *at = strstr(form, "%u");

		snprintf(out, 64, "%.*s%u%s", (int)(at - form), form, i, at + 2);
	}
	return out;
}

static unsigned
number_of(unsigned i)
{
	return step == 0 ? 1000 + i : 1000 + (i * 3 + step) % (2 * count);
}

/* Where a stream is: other with each step. */
static unsigned
stream_of(unsigned i)
{
	return 10000 + i + step * count;
}

/*
 * What is served
 */

static void
put_m3u(FILE *out, const char *host)
{
	char name[64];

	fputs("#EXTM3U\r\n", out);
	for (unsigned k = 0; k < count; k++) {
		unsigned i = channel_at(k);

		if (!is_there(i))
			continue;
		fputs("#EXTINF:-1", out);
		if (i % 2 == 0)
			fprintf(out, " tvg-id=\"station%u.example\"", i);
		if (i % 3 == 0)
			fprintf(out, " tvg-chno=\"%u\"", number_of(i));
		fprintf(out, " group-title=\"Group %u\",%s\r\n", (i + step) % 7, name_of(name, i));
		fprintf(out, "http://%s/live/u/secretword/%u.ts\r\n", host, stream_of(i));
	}
}

static void
put_account(FILE *out)
{
	fprintf(out,
	    "{\"user_info\":{\"username\":\"u\",\"password\":\"secretword\",\"auth\":%d,\"status\":\"%s\","
	    "\"exp_date\":\"%lld\",\"max_connections\":\"2\",\"active_cons\":\"%u\","
	    "\"allowed_output_formats\":[\"m3u8\",\"ts\"]},\"server_info\":{\"url\":\"127.0.0.1\"}}",
	    !is_mode("refused"), is_mode("expired") ? "Expired" : "Active",
	    (long long)time(NULL) + 86400 * (is_mode("expired") ? -1 : 3), step % 3);
}

static void
put_categories(FILE *out)
{
	for (unsigned i = 0; i < 7; i++)
		fprintf(out, "%c{\"category_id\":\"%u\",\"category_name\":\"Group %u\",\"parent_id\":0}",
		    i == 0 ? '[' : ',', i, i);
	fputs("]", out);
}

static void
put_streams(FILE *out)
{
	bool first = true;
	char name[64];

	fputs("[", out);
	for (unsigned k = 0; k < count; k++) {
		unsigned i = channel_at(k);

		if (!is_there(i))
			continue;
		fprintf(out,
		    "%s{\"num\":%u,\"name\":\"%s\",\"stream_type\":\"live\",\"stream_id\":%u,\"stream_icon\":null,",
		    first ? "" : ",\n", k + 1, name_of(name, i), stream_of(i));
		if (i % 2 == 0)
			fprintf(out, "\"epg_channel_id\":\"station%u.example\",", i);
		fprintf(out, "\"category_id\":\"%u\"}", (i + step) % 7);
		first = false;
	}
	fputs("]", out);
}

static void
put_guide(FILE *out)
{
	time_t now = time(NULL) / 3600 * 3600;

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<tv>\n", out);
	for (unsigned i = 2; i <= count; i += 2)
		for (unsigned h = 0; h < GUIDE_HOURS && is_there(i); h++) {
			time_t begin = now + (time_t)h * 3600, end = begin + 3600;
			char from[32], to[32];
			struct tm tm;

			strftime(from, sizeof(from), "%Y%m%d%H%M%S +0000", gmtime_r(&begin, &tm));
			strftime(to, sizeof(to), "%Y%m%d%H%M%S +0000", gmtime_r(&end, &tm));
			fprintf(out,
			    "<programme start=\"%s\" stop=\"%s\" channel=\"station%u.example\"><title>Show %u of "
			    "%u</title></programme>\n",
			    from, to, i, h, i);
		}
	fputs("</tv>\n", out);
}

static int
put_bomb(struct http_answer *answer)
{
	z_stream z = { 0 };
	static unsigned char zeros[65536];
	int state = Z_OK;

	answer->body = malloc(1 << 20);
	if (answer->body == NULL || deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return PB_ENOMEM;
	z.next_out = answer->body;
	z.avail_out = 1 << 20;
	for (size_t done = 0; state == Z_OK; done += sizeof(zeros)) {
		z.next_in = zeros;
		z.avail_in = sizeof(zeros);
		state = deflate(&z, done + sizeof(zeros) >= BOMB_BYTES ? Z_FINISH : Z_NO_FLUSH);
	}
	answer->len = (1 << 20) - z.avail_out;
	deflateEnd(&z);
	return state == Z_STREAM_END ? 0 : PB_ENOMEM;
}

/* What goes wrong with an answer that is otherwise whole. */
static int
spoil(struct http_answer *answer)
{
	struct fault_plan *plan = &answer->plan;

	if (is_mode("slow")) {
		plan->delay_ms = 200;
		plan->drip_bps = 40000;
	} else if (is_mode("html"))
		plan->body = FAULT_BODY_HTML;
	else if (is_mode("endless"))
		plan->body = FAULT_BODY_ENDLESS;
	else if (is_mode("cut"))
		plan->truncate_at = (int64_t)answer->len / 2;
	else if (is_mode("stall"))
		plan->stall_at = (int64_t)answer->len / 2;
	else if (is_mode("429")) {
		plan->status = 429;
		plan->retry_after_s = 90;
	} else if (mode[0] >= '4' && mode[0] <= '5')
		plan->status = (int)strtol(mode, NULL, 10);
	else if (is_mode("bomb")) {
		free(answer->body);
		return put_bomb(answer);
	}
	return 0;
}

static bool
is_ours(const struct request *request)
{
	char user[64], password[64];

	return request_param(request, "username", user, sizeof(user)) && strcmp(user, "u") == 0 &&
	    request_param(request, "password", password, sizeof(password)) && strcmp(password, "secretword") == 0;
}

/* 0, PB_NO: there is nothing at that path, PB_ENOMEM. */
static int
put(struct http_answer *answer, const struct request *request)
{
	char *text = NULL, action[64] = "";
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int err = 0;

	if (out == NULL)
		return PB_ENOMEM;
	(void)request_param(request, "action", action, sizeof(action));
	answer->type = "application/json";
	if (strcmp(request->path, "/get.php") == 0) {
		answer->type = "audio/x-mpegurl";
		answer->ranges = true;
		put_m3u(out, request->host);
	} else if (strcmp(request->path, "/xmltv.php") == 0) {
		answer->type = "application/xml";
		put_guide(out);
	} else if (strcmp(request->path, "/player_api.php") != 0)
		err = PB_NO;
	else if (action[0] == '\0')
		put_account(out);
	else if (strcmp(action, "get_live_categories") == 0)
		put_categories(out);
	else if (strcmp(action, "get_live_streams") == 0)
		put_streams(out);
	else
		err = PB_NO;
	if (fclose(out) != 0 && err == 0)
		err = PB_ENOMEM;
	if (err != 0) {
		free(text);
		return err;
	}
	answer->status = 200;
	answer->body = (uint8_t *)text;
	answer->len = len;
	if (is_mode("expired") || is_mode("refused"))
		answer->status = strcmp(request->path, "/player_api.php") == 0 ? 200 : 403;
	return spoil(answer);
}

static int
set(const struct request *request)
{
	char value[16];

	if (request_param(request, "mode", value, sizeof(value)))
		snprintf(mode, sizeof(mode), "%s", value);
	if (request_param(request, "step", value, sizeof(value)))
		step = (unsigned)strtoul(value, NULL, 10);
	return 200;
}

static int
on_ask(void *arg, const struct http_ask *ask, struct http_answer *answer)
{
	int err;

	(void)arg;
	if (strcmp(ask->request->path, "/_/set") == 0) {
		answer->status = set(ask->request);
		return 0;
	}
	answer->status = 403;
	if (!is_ours(ask->request))
		return 0;
	err = put(answer, ask->request);
	if (err != PB_NO)
		return err;
	answer->status = 404;
	return 0;
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

	count = argc == 2 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
	if (count < 3 || loop == NULL) {
		fputs("usage: provider COUNT\n", stderr);
		return PB_EXIT_PERMANENT;
	}
	signal(SIGPIPE, SIG_IGN);
	ev_signal_init(&term, on_signal, SIGTERM);
	ev_signal_start(loop, &term);
	err = http_new(&server, loop, &site, CONNECTIONS_MAX);
	if (err == 0)
		err = http_listen(server, "127.0.0.1:0", url, sizeof(url));
	if (err != 0) {
		fprintf(stderr, "provider: %s\n", err == PB_ESYS ? strerror(errno) : pb_strerror(err));
		http_free(&server);
		return PB_EXIT_TEMPORARY;
	}
	printf("listening %s\n", url);
	fflush(stdout);
	ev_run(loop, 0);
	http_free(&server);
	return PB_EXIT_OK;
}
