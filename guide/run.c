/*
 * run.c - how the promise in run.h is kept
 */
#include "guide/run.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/url.h"
#include "guide/fetch.h"
#include "guide/items.h"
#include "guide/m3u.h"
#include "guide/offer.h"
#include "guide/unpack.h"
#include "guide/xtream.h"

#define LIST_IN_MAX ((uint64_t)256 << 20) /* as it comes */
#define LIST_OUT_MAX ((uint64_t)512 << 20) /* unpacked */
#define LIST_TIME_S 300
#define SMALL_MAX ((size_t)8 << 20) /* of an answer that is read as one */

enum format { UNKNOWN, M3U, LINEUP, STREAMS };

struct reading {
	struct run *run;
	struct unpack *unpack;
	enum format format;
	struct entry_events events;
	struct m3u *m3u;
	struct items *items;
	struct items_lineup lineup;
	struct offer offer;
	const char *why; /* of what was refused */
	size_t vain; /* bytes that say nothing of its format */
	time_t told;
};

static void __attribute__((format(printf, 3, 4)))
finish(struct run *run, enum import_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	run->done.verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(run->done.why, sizeof(run->done.why), fmt, ap);
	va_end(ap);
}

/* What an answer of fetch_run() means. */
static void
finish_fetch(struct run *run, const struct fetch *f, int err, const char *why)
{
	run->done.retry_after_s = f->retry_after_s > 0 && f->retry_after_s < 86400 * 7 ? (uint32_t)f->retry_after_s : 0;
	if (err == PB_NO)
		finish(run, IMPORT_SAME, "not modified");
	else if (err == PB_ENET || err == PB_ESYS || err == PB_ENOMEM)
		finish(run, IMPORT_FAILED, "%s", f->why[0] != '\0' ? f->why : pb_strerror(err));
	else
		finish(run, IMPORT_REFUSED, "%s",
		    why != NULL && why[0] != '\0' ? why
			: f->why[0] != '\0'       ? f->why
						  : pb_strerror(err));
}

static void
want(struct fetch *f, const struct run *run, const char *url)
{
	*f = (struct fetch){
		.url = url,
		.fd = -1,
		.private_targets = strcmp(job_get(run->job, "private_targets"), "yes") == 0,
		.etag = "",
		.modified = "",
		.user_agent = job_get(run->job, "user_agent"),
		.connect_ms = job_number(run->job, "connect_ms", 0),
		.stall_ms = job_number(run->job, "stall_ms", 0),
		.total_s = LIST_TIME_S,
		.bytes_max = LIST_IN_MAX,
	};
}

/*
 * Lists
 */

static void
on_wrong(void *user, unsigned line, const char *why)
{
	struct run *run = user;

	run->done.wrong++;
	if (run->done.wrong <= IMPORT_WRONG_MAX)
		run->wrong(run->user, line, why);
}

static void
tell_at(void *user, uint64_t bytes, uint64_t total)
{
	struct reading *r = user;
	struct import_at at = { bytes, total, (uint32_t)list_writer_count(r->offer.list), 0 };
	struct timespec now;
	time_t tick;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	tick = now.tv_sec * 8 + now.tv_nsec / 125000000;
	if (tick != r->told)
		r->run->at(r->run->user, &at);
	r->told = tick;
}

/* The first bytes that are no blanks say what it is. */
static int
decide(struct reading *r, const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && ((unsigned char)bytes[at] <= ' ' || (unsigned char)bytes[at] >= 0x80) && bytes[at] != '\0')
		at++;
	r->vain += at;
	if (r->vain > M3U_VAIN_MAX) {
		r->why = "it is no playlist";
		return PB_EFORMAT;
	}
	if (at == len)
		return 0;
	if (bytes[at] == '{') {
		r->why = "it is JSON, and no list of channels";
		return PB_EFORMAT;
	}
	if (bytes[at] == '[') {
		r->items = calloc(1, sizeof(*r->items));
		if (r->items == NULL)
			return PB_ENOMEM;
		r->items->item = items_lineup;
		r->items->user = &r->lineup;
		r->lineup.events = &r->events;
		r->format = LINEUP;
		return 0;
	}
	r->format = M3U;
	return m3u_new(&r->m3u, &r->events);
}

static int
take(void *user, const char *bytes, size_t len)
{
	struct reading *r = user;
	int err = 0;

	if (r->format == UNKNOWN)
		err = decide(r, bytes, len);
	if (err != 0)
		return err;
	if (r->format == M3U) {
		err = m3u_feed(r->m3u, bytes, len);
		if (err == PB_EFORMAT)
			r->why = m3u_why(r->m3u);
	} else if (r->format != UNKNOWN) {
		err = items_feed(r->items, bytes, len);
		if (err == PB_EFORMAT)
			r->why = "it is no list in JSON";
	}
	if (err == PB_ELIMIT)
		r->why = "there are more than 200000 channels: choose with include_group or limit";
	return err;
}

static int
unpack(void *user, const char *bytes, size_t len)
{
	struct reading *r = user;
	int err = unpack_feed(r->unpack, bytes, len);

	if (err != 0 && unpack_why(r->unpack)[0] != '\0')
		r->why = unpack_why(r->unpack);
	return err;
}

static int
read_end(struct reading *r)
{
	int err = unpack_end(r->unpack);

	if (err != 0) {
		r->why = unpack_why(r->unpack);
		return err;
	}
	if (r->format == M3U) {
		err = m3u_end(r->m3u);
		if (err == PB_EFORMAT)
			r->why = m3u_why(r->m3u);
		return err;
	}
	if (r->format != UNKNOWN && items_end(r->items) != 0) {
		r->why = "it is cut off in the middle";
		return PB_EFORMAT;
	}
	return 0;
}

static int
read_begin(struct reading *r, struct run *run, const struct pick *pick)
{
	static const char *const words[] = { "4K", "FHD", "HD", "", "SD" };
	const struct job *job = run->job;
	uint8_t rank = 0;
	bool ranked[LIST_QUALITIES] = { false };
	int err;

	r->run = run;
	r->why = "";
	r->events = (struct entry_events){ &r->offer, offer_entry, offer_guide, offer_wrong };
	r->offer.pick = pick;
	r->offer.limit = (unsigned long)job_number(job, "limit", 0);
	r->offer.vod = strcmp(job_get(job, "vod"), "yes") == 0;
	r->offer.radio = strcmp(job_get(job, "radio"), "yes") == 0;
	r->offer.user = run;
	r->offer.wrong = on_wrong;
	/* What is not named comes behind, from the best. */
	for (const char *v = NULL; (v = job_next(job, "quality", v)) != NULL;)
		for (uint8_t i = 0; i < LIST_QUALITIES; i++)
			if (strcasecmp(v, words[i]) == 0 && !ranked[i]) {
				r->offer.rank[i] = rank++;
				ranked[i] = true;
			}
	for (uint8_t i = 0; i < LIST_QUALITIES; i++)
		if (!ranked[i])
			r->offer.rank[i] = rank++;
	err = list_writer_new(&r->offer.list);
	if (err == 0) {
		list_writer_head(r->offer.list)->settings = strtoull(job_get(job, "settings"), NULL, 16);
		list_writer_head(r->offer.list)->source = strtoull(job_get(job, "source"), NULL, 16);
	}
	return err != 0 ? err : unpack_new(&r->unpack, LIST_OUT_MAX, take, r);
}

static void
read_clear(struct reading *r)
{
	unpack_free(&r->unpack);
	m3u_free(&r->m3u);
	free(r->items);
	offer_clear(&r->offer);
	list_writer_free(&r->offer.list);
}

/* To the disk, as the list that the next start begins with. */
static bool
keep_copy(int to, int from)
{
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) == -1)
		return false;
	while (at < st.st_size)
		if (sendfile(to, from, &at, (size_t)(st.st_size - at)) <= 0)
			return false;
	/* Nobody waits for the disk: half of a list is refused at the next start, and fetched anew. */
	return sync_file_range(to, 0, 0, SYNC_FILE_RANGE_WRITE) == 0 || errno == ENOSYS || errno == EINVAL;
}

/* All is read: the list, or why it is none. */
static void
seal(struct run *run, struct reading *r)
{
	const char *order = job_get(run->job, "order");
	const struct list_head *head = list_writer_head(r->offer.list);
	char why[IMPORT_WHY_MAX];

	if (list_writer_count(r->offer.list) == 0) {
		if (head->seen == 0)
			finish(run, IMPORT_REFUSED, "there is no channel in it");
		else
			finish(run, IMPORT_REFUSED, "none of its %u entries is chosen", head->seen);
		return;
	}
	offer_ids(&r->offer);
	offer_sort(&r->offer,
	    strcmp(order, "name") == 0        ? OFFER_BY_NAME
		: strcmp(order, "group") == 0 ? OFFER_BY_GROUP
					      : OFFER_AS_IS);
	if (list_writer_seal(r->offer.list, &run->result) != 0) {
		finish(run, IMPORT_FAILED, "no memory for the list");
		return;
	}
	finish(run, IMPORT_GOOD, "%s", "");
	if (run->listed != NULL)
		run->listed(run);
	if (run->out[0] != -1 && !keep_copy(run->out[0], run->result)) {
		snprintf(why, sizeof(why), "it can't be kept: %s", strerror(errno));
		run->unkept = true;
		run->wrong(run->user, 0, why); /* it serves all the same */
	}
}

static void
remember(struct reading *r, const struct fetch *f)
{
	struct list_head *head = list_writer_head(r->offer.list);

	head->etag = list_text(r->offer.list, f->etag_now, strlen(f->etag_now), LIST_WORD_MAX);
	head->modified = list_text(r->offer.list, f->modified_now, strlen(f->modified_now), LIST_WORD_MAX);
}

/* Where what it offers was read. */
static void
note_origin(struct reading *r, const struct fetch *f)
{
	list_writer_head(r->offer.list)->origin = f->from_public ? LIST_PUBLIC : LIST_PRIVATE;
}

static void
run_playlist(struct run *run, struct reading *r)
{
	const char *url = job_get(run->job, "playlist");
	char user[256] = "", password[256] = "";
	const char *value;
	size_t len;
	struct fetch f;
	int err;

	want(&f, run, url[0] != '\0' ? url : NULL);
	f.fd = run->files[0];
	f.etag = job_get(run->job, "etag");
	f.modified = job_get(run->job, "modified");
	f.sink = unpack;
	f.at = tell_at;
	f.user = r;
	r->offer.base = f.url;
	if (url_query_value(url, "username", &value, &len) && len < sizeof(user))
		r->offer.secrets[0] = memcpy(user, value, len);
	if (url_query_value(url, "password", &value, &len) && len < sizeof(password))
		r->offer.secrets[1] = memcpy(password, value, len);
	err = fetch_run(&f);
	if (err == 0)
		err = read_end(r);
	if (err != 0) {
		finish_fetch(run, &f, err, r->why);
		return;
	}
	remember(r, &f);
	note_origin(r, &f);
	seal(run, r);
}

/*
 * Xtream
 */

struct small {
	char *text;
	size_t len;
	const char *why; /* what is wrong with it, when that is known */
	struct unpack *unpack;
};

static int
small_take(void *user, const char *bytes, size_t len)
{
	struct small *s = user;
	char *more;

	if (len > SMALL_MAX - s->len)
		return PB_ELIMIT;
	more = realloc(s->text, s->len + len + 1);
	if (more == NULL)
		return PB_ENOMEM;
	s->text = more;
	memcpy(more + s->len, bytes, len);
	s->len += len;
	return 0;
}

static int
small_unpack(void *user, const char *bytes, size_t len)
{
	return unpack_feed(((struct small *)user)->unpack, bytes, len);
}

/* A whole answer into s, which the caller clears. */
static int
get_small(struct small *s, struct fetch *f)
{
	int err = unpack_new(&s->unpack, SMALL_MAX, small_take, s);

	f->sink = small_unpack;
	f->user = s;
	if (err == 0)
		err = fetch_run(f);
	if (err == 0)
		err = unpack_end(s->unpack);
	s->why = s->unpack != NULL ? unpack_why(s->unpack) : "";
	if (err == PB_ELIMIT && s->why[0] == '\0')
		s->why = "more than 8 MiB came, for what should be a few lines";
	unpack_free(&s->unpack);
	return err;
}

struct server {
	char base[URL_MAX / 2];
	char *user, *password; /* as they stand in a URL */
	char url[URL_MAX];
};

static const char *
ask(struct server *s, const char *action)
{
	int n = snprintf(s->url, sizeof(s->url), "%s/player_api.php?username=%s&password=%s%s%s", s->base, s->user,
	    s->password, action[0] != '\0' ? "&action=" : "", action);

	return n > 0 && (size_t)n < sizeof(s->url) ? s->url : NULL;
}

static bool
check_account(struct run *run, struct reading *r, struct server *server, bool *ts)
{
	struct small s = { 0 };
	struct fetch f;
	struct xtream_account account = { 0 };
	struct list_head *head = list_writer_head(r->offer.list);
	int err;

	want(&f, run, ask(server, ""));
	err = get_small(&s, &f);
	if (err == 0)
		err = xtream_account(&account, s.text, s.len);
	free(s.text);
	if (err != 0) {
		finish_fetch(run, &f, err,
		    err == PB_EFORMAT && s.why[0] == '\0' ? "the answer is not that of an Xtream server" : s.why);
		return false;
	}
	head->account = list_text(r->offer.list, account.status, strlen(account.status), LIST_WORD_MAX);
	head->expires_s = account.expires_s;
	head->max_connections = account.max_connections;
	head->active_connections = account.active_connections;
	if (!account.ok) {
		finish(run, IMPORT_REFUSED, "%s", account.why);
		return false;
	}
	/* HLS is what has a reserve to be built of; a server that says nothing of formats has both. */
	*ts = strcmp(job_get(run->job, "output"), "ts") == 0 || (account.ts && !account.hls);
	return true;
}

static bool
get_groups(struct run *run, struct server *server, struct xtream_groups **groups)
{
	struct small s = { 0 };
	struct fetch f;
	int err;

	want(&f, run, ask(server, "get_live_categories"));
	err = get_small(&s, &f);
	if (err == 0)
		err = xtream_groups_new(groups, s.text, s.len);
	free(s.text);
	if (err != 0)
		finish_fetch(
		    run, &f, err, err == PB_EFORMAT && s.why[0] == '\0' ? "its categories are no list" : s.why);
	return err == 0;
}

static void
get_streams(struct run *run, struct reading *r, struct server *server, const struct xtream_groups *groups, bool ts)
{
	struct xtream_streams streams = { &r->events, groups, server->base, server->user, server->password, ts };
	char guide[URL_MAX];
	struct fetch f;
	int err, n;

	r->format = STREAMS;
	r->items = calloc(1, sizeof(*r->items));
	if (r->items == NULL) {
		finish(run, IMPORT_FAILED, "no memory");
		return;
	}
	r->items->item = xtream_stream;
	r->items->user = &streams;
	want(&f, run, ask(server, "get_live_streams"));
	f.sink = unpack;
	f.at = tell_at;
	f.user = r;
	err = fetch_run(&f);
	if (err == 0)
		err = read_end(r);
	if (err != 0) {
		finish_fetch(run, &f, err, r->why);
		return;
	}
	n = snprintf(
	    guide, sizeof(guide), "%s/xmltv.php?username=%s&password=%s", server->base, server->user, server->password);
	if (n > 0 && (size_t)n < sizeof(guide))
		offer_guide(&r->offer, guide);
	note_origin(r, &f);
	seal(run, r);
}

static void
run_xtream(struct run *run, struct reading *r)
{
	const char *url = job_get(run->job, "xtream"), *user = job_get(run->job, "username"),
		   *password = job_get(run->job, "password");
	size_t len = strcspn(url, "?#");
	struct server server = { 0 };
	struct xtream_groups *groups = NULL;
	bool ts = false;

	/* With or without what people copy behind the server's name. */
	if (len >= 15 && strncmp(url + len - 15, "/player_api.php", 15) == 0)
		len -= 15;
	else if (len >= 8 && strncmp(url + len - 8, "/get.php", 8) == 0)
		len -= 8;
	while (len > 0 && url[len - 1] == '/')
		len--;
	snprintf(server.base, sizeof(server.base), "%.*s", (int)PB_MIN(len, sizeof(server.base) - 1), url);
	server.user = curl_easy_escape(NULL, user, 0);
	server.password = curl_easy_escape(NULL, password, 0);
	r->offer.secrets[0] = server.user;
	r->offer.secrets[1] = server.password;
	if (server.user == NULL || server.password == NULL || ask(&server, "get_live_categories") == NULL)
		finish(run, IMPORT_REFUSED, "server, user and password together are too long");
	else if (check_account(run, r, &server, &ts) && get_groups(run, &server, &groups))
		get_streams(run, r, &server, groups, ts);
	xtream_groups_free(&groups);
	curl_free(server.user);
	curl_free(server.password);
}

void
run_sync(struct run *run)
{
	if (run->out[0] == -1 || fdatasync(run->out[0]) == -1)
		finish(run, IMPORT_FAILED, "%s", strerror(errno));
	else
		finish(run, IMPORT_GOOD, "%s", "");
}

void
run_list(struct run *run)
{
	struct reading *r = calloc(1, sizeof(*r));
	struct pick *pick = NULL;
	const char *wrong = "";
	int err = r != NULL ? job_pick(run->job, &pick, &wrong) : PB_ENOMEM;

	if (err == PB_EFORMAT)
		finish(run, IMPORT_REFUSED, "%s: it is no pattern", wrong);
	else if (err != 0 || read_begin(r, run, pick) != 0)
		finish(run, IMPORT_FAILED, "no memory");
	else if (job_get(run->job, "xtream")[0] != '\0')
		run_xtream(run, r);
	else
		run_playlist(run, r);
	if (r != NULL)
		read_clear(r);
	free(r);
	pick_free(&pick);
}
