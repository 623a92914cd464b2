/*
 * guides.c - how the promise in guides.h is kept
 */
#include "supervisor/guides.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pages.h"
#include "base/pb.h"
#include "base/url.h"
#include "supervisor/supervisor.h"

#define FOLDER "guides"
#define STEP 4096 /* channels a turn: a millisecond or two */
#define MATCHES 4096 /* read at once */

static void next(struct guides *g);

static void
source_name(char *out, size_t size, const struct guide_source *s, const char *end)
{
	size_t at = 0;

	for (const char *p = s->provider; *p != '\0' && at + 4 < size; p++) {
		unsigned char c = (unsigned char)*p;
		bool plain =
		    (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';

		at += (size_t)snprintf(out + at, size - at, plain ? "%c" : "%%%02X", c);
	}
	snprintf(out + at, size - at, ".%u%s", s->which + 1, end);
}

static bool
is_file(const struct guide_source *s)
{
	return s->url[0] == '/';
}

/*
 * Serving
 */

static void
close_served(struct guide_served *of)
{
	if (of->xml != -1)
		(void)close(of->xml);
	if (of->gz != -1)
		(void)close(of->gz);
	of->xml = of->gz = -1;
}

/* The name of a unit's files; NULL: those of the whole lineup. */
static void
served_name(char *out, size_t size, const struct unit *unit, const char *end)
{
	size_t at = (size_t)snprintf(out, size, "xmltv%s", unit != NULL ? "." : "");

	for (const char *p = unit != NULL ? unit->label : ""; *p != '\0' && at + 4 < size; p++) {
		unsigned char c = (unsigned char)*p;

		at += (size_t)snprintf(out + at, size - at,
		    (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ? "%c" : "%%%02X", c);
	}
	snprintf(out + at, size - at, "%s", end);
}

/* What is in place is what is served from now on; who is being answered has the old one to the end. */
static void
open_served(struct guides *g, struct guide_served *of, const struct unit *unit, uint64_t hash)
{
	char name[256];
	struct stat xml, gz;

	close_served(of);
	served_name(name, sizeof(name), unit, ".xml");
	of->xml = openat(g->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	served_name(name, sizeof(name), unit, ".xml.gz");
	of->gz = openat(g->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (of->xml == -1 || of->gz == -1 || fstat(of->xml, &xml) == -1 || fstat(of->gz, &gz) == -1 ||
	    xml.st_size == 0 || gz.st_size == 0) {
		close_served(of);
		return;
	}
	of->xml_len = xml.st_size;
	of->gz_len = gz.st_size;
	if (hash == 0) /* of before this process: the file is another one whenever it is made anew */
		hash = (uint64_t)xml.st_ino * 0x9e3779b97f4a7c15u ^ (uint64_t)xml.st_mtim.tv_sec * 1000000007u ^
		    (uint64_t)xml.st_mtim.tv_nsec;
	snprintf(of->etag, sizeof(of->etag), "%016llx", (unsigned long long)hash);
}

void
guides_answer(struct guides *g, const struct unit *unit, struct http_conn *conn, bool gz)
{
	const struct guide_served *of = unit->own != NULL ? &g->part[unit - g->sup->units.at] : &g->whole;
	char extra[160], field[1024], quoted[40];
	bool packed;

	if (g->sup == NULL || of->xml == -1) {
		http_reply(conn, 503, NULL, "Retry-After: 5\r\n", NULL, 0);
		return;
	}
	/* Packed for the way, where the client says that it unpacks; a .gz is a file that is packed. */
	packed = !gz && http_field(conn, "Accept-Encoding", field, sizeof(field)) && request_accepts(field, "gzip");
	snprintf(quoted, sizeof(quoted), "\"%s%s\"", of->etag, gz || packed ? "-gz" : "");
	snprintf(extra, sizeof(extra), "ETag: %s\r\nVary: Accept-Encoding\r\n%s", quoted,
	    packed ? "Content-Encoding: gzip\r\n" : "");
	if (http_field(conn, "If-None-Match", field, sizeof(field)) &&
	    (strcmp(field, "*") == 0 || strstr(field, quoted) != NULL)) {
		http_reply(conn, 304, NULL, extra, NULL, 0);
		return;
	}
	http_reply_file(conn, 200, gz ? "application/gzip" : TUNER_TYPE_XML, extra, gz || packed ? of->gz : of->xml,
	    gz || packed ? (size_t)of->gz_len : (size_t)of->xml_len);
}

const struct import_match *
guides_match(const struct guides *g, const char *guide_number)
{
	size_t low = 0, high = g->match_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = guide_number_compare(guide_number, g->matches[middle].number);

		if (order == 0)
			return &g->matches[middle].is;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void
guides_show(const struct guides *g, struct text *t)
{
	char shown[512];

	for (size_t i = 0; i < g->count; i++) {
		const struct guide_source *s = &g->at[i];

		text_add(t, i == 0 ? "\n{\"provider\":" : ",\n{\"provider\":");
		text_add_json(t, s->provider);
		text_add(t, ",\"source\":");
		text_add_json(t, is_file(s) ? s->url : url_redact(shown, sizeof(shown), s->url));
		text_addf(t, ",\"ok\":%s", s->why[0] == '\0' ? "true" : "false");
		if (s->why[0] != '\0') {
			text_add(t, ",\"error\":");
			text_add_json(t, s->why);
		}
		text_add(t, "}");
	}
}

/*
 * Making
 */

static void
word(struct text *t, const char *s)
{
	text_add(t, "\t");
	text_add(t, s != NULL ? s : "");
}

/* Which parts of the lineup this channel is in: *at is where each has got to, for all are in one order. */
static uint32_t
parts_of(struct guides *g, const struct channel *ch, size_t at[UNITS_MAX])
{
	const struct units *units = &g->sup->units;
	uint32_t parts = 0;

	for (size_t i = 0; i < units->count; i++) {
		const struct lineup *part = &units->at[i].lineup;

		if ((g->parts >> i & 1) == 0 || at[i] == part->count ||
		    strcmp(part->channels[at[i]].guide_number, ch->guide_number) != 0)
			continue;
		at[i]++;
		parts |= (uint32_t)1 << i;
		for (const char *c = ch->guide_number;; c++) {
			g->part_hash[i] = (g->part_hash[i] ^ (unsigned char)*c) * 0x100000001b3u;
			if (*c == '\0')
				break;
		}
	}
	return parts;
}

/* A channel's line of the job. */
static void
add_line(struct guides *g, struct text *t, const struct channel *ch, size_t at[UNITS_MAX])
{
	uint32_t parts = parts_of(g, ch, at);
	char room[LINEUP_ID_MAX];
	const char *id = channel_epg_id(&g->sup->config->lineup, ch, room);

	if (id == NULL)
		return;
	text_add(t, "channel=");
	text_add(t, ch->guide_number);
	word(t, id);
	word(t, ch->name);
	word(t, ch->logo);
	word(t, channel_guide_id(ch));
	word(t, ch->tvg_id);
	text_addf(t, "\t%d\t%x\n", ch->shift_min, parts);
	memcpy(g->next_matches[g->next_count++].number, ch->guide_number, GUIDE_NUMBER_MAX);
}

/* What is written of the job so far goes into its file. */
static int
put(struct text *t, int fd)
{
	struct blob *blob = text_blob(t);
	int err = blob != NULL ? errand_job_add(fd, blob->data, blob->len) : PB_ENOMEM;

	blob_drop(&blob);
	return err;
}

/* What the job begins with, and room for the channels' numbers, to know by which its matches are. */
static int
begin_job(struct guides *g, const bool *use)
{
	struct text t = { 0 };

	for (size_t i = 0; i < UNITS_MAX; i++)
		g->part_hash[i] = 0xcbf29ce484222325u;
	pages_free(g->next_matches, g->next_room, sizeof(*g->next_matches));
	g->next_room = g->sup->config->lineup.count + 1;
	g->next_matches = pages_alloc(g->next_room, sizeof(*g->next_matches));
	g->next_count = 0;
	if (g->next_matches == NULL)
		return PB_ENOMEM;
	text_addf(&t, "kind=guide\nnow=%lld\n", (long long)time(NULL));
	for (size_t i = 0; i < g->count; i++)
		if (use[i])
			text_addf(&t, "source=%zu\t%d\t%d\n", i + 1, g->at[i].shift_min, g->at[i].fold);
	return put(&t, g->run.job);
}

static int
new_file(struct guides *g, const char *name)
{
	return openat(g->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int
open_source(struct guides *g, const struct guide_source *s)
{
	char name[256];
	struct stat st;
	int fd;

	source_name(name, sizeof(name), s, "");
	fd = is_file(s) ? open(s->url, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
			: openat(g->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))) {
		(void)close(fd);
		fd = -1;
		errno = EINVAL;
	}
	return fd;
}

/* A descriptor more for the run. */
static void
send_too(struct errand_file *files, size_t *n, uint32_t which, int fd)
{
	files[(*n)++] = (struct errand_file){ which, fd };
}

/* Files for each unit that shows a part of the lineup. */
static void
open_parts(struct guides *g, struct errand_file *files, size_t *n)
{
	const struct units *units = &g->sup->units;
	char name[256];

	g->parts = 0;
	for (size_t i = 0; i < units->count; i++) {
		int xml, gz;

		if (units->at[i].own == NULL)
			continue;
		served_name(name, sizeof(name), &units->at[i], ".xml.new");
		xml = new_file(g, name);
		served_name(name, sizeof(name), &units->at[i], ".xml.gz.new");
		gz = new_file(g, name);
		if (xml != -1 && gz != -1) {
			send_too(files, n, IMPORT_PART + 2 * (uint32_t)i, xml);
			send_too(files, n, IMPORT_PART + 2 * (uint32_t)i + 1, gz);
			g->parts |= (uint32_t)1 << i;
			continue;
		}
		log_event(LOG_ERR, "guide.failed", "tuner=\"%s\" why=\"%s\"", units->at[i].label, strerror(errno));
		if (xml != -1)
			(void)close(xml);
		if (gz != -1)
			(void)close(gz);
	}
}

static void
end_run(struct guides *g)
{
	struct guide_run *run = &g->run;

	if (run->job != -1)
		(void)close(run->job);
	for (size_t i = 0; i < run->file_count; i++)
		(void)close(run->files[i].fd);
	for (size_t i = 0; i < NITEMS(run->out); i++)
		if (run->out[i] != -1)
			(void)close(run->out[i]);
	memset(run, 0, sizeof(*run));
	run->job = run->out[0] = run->out[1] = run->out[2] = -1;
}

/* It could not be made: what there was is served, and it is stale until the next try. Gives seconds until that. */
static double
make_again(struct guides *g)
{
	double wait = GUIDES_AGAIN_S;

	for (unsigned i = 0; i < g->failures && wait < GUIDES_FRESH_S; i++)
		wait *= 2;
	wait = PB_MIN(wait, GUIDES_FRESH_S);
	g->failures++;
	g->stale = true;
	g->stale_at = loop_now(g->sup->loop) + wait - GUIDES_SETTLE_S;
	return wait;
}

static void
fail_run(struct guides *g, int err)
{
	const char *why = err == PB_NO ? "plexbridge-guide: no such program"
	    : err == PB_ENOMEM         ? pb_strerror(err)
				       : strerror(errno);

	log_event(LOG_ERR, "guide.failed", "retry_s=%.0f why=\"%s\"", make_again(g), why);
	end_run(g);
	g->state = GUIDES_IDLE;
}

/* The next channels of the job; behind the last one plexbridge-guide has its turn. 0, or what went wrong. */
static int
write_more(struct guides *g)
{
	const struct lineup *lineup = &g->sup->config->lineup;
	struct guide_run *run = &g->run;
	size_t end = PB_MIN(run->next + STEP, lineup->count);
	struct text t = { 0 };
	int err;

	for (; run->next < end; run->next++)
		add_line(g, &t, &lineup->channels[run->next], run->at);
	err = put(&t, run->job);
	if (run->next % LIST_REST == 0 || run->next == lineup->count)
		imports_rest(&g->sup->imports);
	if (err != 0)
		return err;
	if (run->next < lineup->count) {
		ev_timer_set(&g->due, 0., 0.);
		ev_timer_start(g->sup->loop, &g->due);
		return 0;
	}
	err = errand_start_file(&g->errand, &g->sup->privs, run->job, run->out, NITEMS(run->out), run->files,
	    run->file_count, GUIDES_RUN_S);
	if (err != 0)
		return err;
	end_run(g);
	g->state = GUIDES_MAKING;
	return 0;
}

static void
make(struct guides *g)
{
	struct guide_run *run = &g->run;
	bool use[GUIDES_SOURCES_MAX] = { false };
	int err = PB_ESYS;

	g->stale = false;
	g->made_at = loop_now(g->sup->loop);
	run->out[0] = new_file(g, "xmltv.xml.new");
	run->out[1] = new_file(g, "xmltv.xml.gz.new");
	run->out[2] = new_file(g, "scratch");
	run->job = errand_job();
	for (size_t i = 0; i < g->count; i++) {
		int fd = open_source(g, &g->at[i]);

		if (fd == -1 && is_file(&g->at[i]))
			snprintf(g->at[i].why, sizeof(g->at[i].why), "%s", strerror(errno));
		if (fd == -1)
			continue;
		use[i] = true;
		send_too(run->files, &run->file_count, (uint32_t)i + 1, fd);
	}
	open_parts(g, run->files, &run->file_count);
	(void)unlinkat(g->dir, "scratch", 0); /* it ends with its descriptors */
	g->state = GUIDES_WRITING;
	if (run->job != -1 && run->out[0] != -1 && run->out[1] != -1 && run->out[2] != -1)
		err = begin_job(g, use);
	if (err == 0)
		err = write_more(g);
	if (err != 0)
		fail_run(g, err);
}

/* As many as there are channels, each in its range. */
static bool
take_matches(struct guides *g, int fd)
{
	static struct import_match some[MATCHES];
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1 || st.st_size != (off_t)(g->next_count * sizeof(*some)))
		return false;
	for (size_t i = 0; i < g->next_count; i++) {
		const struct import_match *m = &some[i % MATCHES];
		size_t bytes = PB_MIN(g->next_count - i, (size_t)MATCHES) * sizeof(*some);

		if (i % MATCHES == 0 && pread(fd, some, bytes, (off_t)(i * sizeof(*some))) != (ssize_t)bytes)
			return false;
		if (m->how >= IMPORT_HOWS || m->uncertain > 1)
			return false;
		g->next_matches[i].is = *m;
	}
	pages_free(g->matches, g->match_room, sizeof(*g->matches));
	g->matches = g->next_matches;
	g->match_count = g->next_count;
	g->match_room = g->next_room;
	g->next_matches = NULL;
	g->next_count = 0;
	return true;
}

/* Put what was made in place: those of one unit, or of the whole. */
static bool
put_in_place(struct guides *g, struct guide_served *of, const struct unit *unit, uint64_t hash)
{
	static const char *const ends[] = { ".xml", ".xml.gz" };
	char from[256], to[256];

	for (size_t i = 0; i < NITEMS(ends); i++) {
		served_name(to, sizeof(to), unit, ends[i]);
		snprintf(from, sizeof(from), "%.240s.new", to);
		if (renameat(g->dir, from, g->dir, to) == -1)
			return false;
	}
	open_served(g, of, unit, hash);
	return true;
}

static void
made(struct guides *g, const struct import_done *how, int fd)
{
	const struct units *units = &g->sup->units;
	const char *why = how->why;
	bool ok = true, all = true;

	if (how->verdict == IMPORT_GOOD && !take_matches(g, fd))
		why = "what plexbridge-guide says of it is not as it should be";
	else if (how->verdict == IMPORT_GOOD) {
		for (size_t i = 0; i < units->count && ok; i++)
			if ((g->parts >> i & 1) != 0)
				ok = put_in_place(g, &g->part[i], &units->at[i], how->hash ^ g->part_hash[i]);
			else
				all &= units->at[i].own == NULL;
		if (ok && put_in_place(g, &g->whole, NULL, how->hash)) {
			log_event(LOG_INFO, "guide", "channels=%u programmes=%u bytes=%lld peak_kib=%u", how->channels,
			    how->programmes, (long long)g->whole.xml_len, how->peak_kib);
			if (all)
				g->failures = 0;
			else /* open_parts() said whose */
				(void)make_again(g);
			return;
		}
		why = strerror(errno);
	}
	log_event(LOG_ERR, "guide.failed", "retry_s=%.0f why=\"%s; the guide stays as it was\"", make_again(g), why);
}

/*
 * Fetching
 */

/* The playlist, or server, that said where this guide is; NULL: the operator did. */
static const char *
named_by(const struct guides *g, const struct guide_source *s)
{
	const struct config *config = g->sup->config;

	for (size_t i = 0; i < config->provider_count; i++) {
		const struct provider *p = &config->providers[i];

		if (strcmp(p->name, s->provider) == 0 && p->guide[s->which] == NULL)
			return p->playlist != NULL ? p->playlist : p->xtream;
	}
	return NULL;
}

static void
fetch(struct guides *g, size_t which)
{
	struct guide_source *s = &g->at[which];
	const struct config_fetch *f = &g->sup->config->fetch;
	const char *by = named_by(g, s);
	struct text t = { 0 };
	struct blob *job;
	char name[256];
	int out, err = PB_ESYS;

	g->which = which;
	source_name(name, sizeof(name), s, ".new");
	out = new_file(g, name);
	text_add(&t, "kind=fetch\nurl=");
	text_add(&t, s->url);
	if (by != NULL) {
		text_add(&t, "\nnamed_by=");
		text_add(&t, by);
	}
	text_addf(&t, "\nconnect_ms=%u\nstall_ms=%u\nprivate_targets=%s\nuser_agent=", f->connect_timeout_ms,
	    2 * f->try_timeout_ms, f->private_targets ? "yes" : "no");
	text_add(&t, f->user_agent);
	if (s->there) {
		text_add(&t, "\netag=");
		text_add(&t, s->etag);
		text_add(&t, "\nmodified=");
		text_add(&t, s->modified);
	}
	text_add(&t, "\n");
	job = text_blob(&t);
	if (job != NULL && out != -1)
		err = errand_start(&g->errand, &g->sup->privs, job->data, job->len, &out, 1, NULL, 0, GUIDES_RUN_S);
	blob_drop(&job);
	if (out != -1)
		(void)close(out);
	if (err == 0) {
		g->state = GUIDES_FETCHING;
		return;
	}
	s->next_at = loop_now(g->sup->loop) + GUIDES_BACKOFF_S;
	log_event(LOG_ERR, "guide.failed", "provider=\"%s\" why=\"plexbridge-guide can't be started\"", s->provider);
}

static void
fetched(struct guides *g, const struct import_done *how)
{
	struct guide_source *s = &g->at[g->which];
	double wait = s->refresh_s;
	const char *why = how->why;
	char from[256], to[256];
	bool ok = how->verdict == IMPORT_SAME && s->there;

	source_name(from, sizeof(from), s, ".new");
	source_name(to, sizeof(to), s, "");
	if (how->verdict == IMPORT_GOOD) {
		ok = renameat(g->dir, from, g->dir, to) == 0;
		why = strerror(errno);
	}
	if (how->verdict == IMPORT_GOOD && ok) {
		memcpy(s->etag, how->etag, sizeof(s->etag));
		memcpy(s->modified, how->modified, sizeof(s->modified));
		s->there = true;
		g->stale = true;
		g->stale_at = loop_now(g->sup->loop);
		log_event(LOG_INFO, "guide.fetched", "provider=\"%s\" programmes=%u", s->provider, how->programmes);
	} else
		(void)unlinkat(g->dir, from, 0);
	if (ok) {
		s->failures = 0;
		s->why[0] = '\0';
	} else {
		double backoff = GUIDES_BACKOFF_S;

		for (unsigned i = 0; i < s->failures && backoff < wait; i++)
			backoff *= 2;
		s->failures++;
		wait = PB_MAX(PB_MIN(backoff, wait), (double)how->retry_after_s);
		snprintf(s->why, sizeof(s->why), "%s", why);
		log_event(
		    LOG_WARNING, "guide.refused", "provider=\"%s\" retry_s=%.0f why=\"%s\"", s->provider, wait, why);
	}
	s->next_at = loop_now(g->sup->loop) + wait * (0.9 + 0.2 * ((double)arc4random() / 4294967296.0));
}

static void
on_done(struct errand *errand, const struct import_done *how, int fd)
{
	struct guides *g = errand->user;
	enum guides_state was = g->state;

	g->state = GUIDES_IDLE;
	if (was == GUIDES_FETCHING)
		fetched(g, how);
	else if (was == GUIDES_MAKING)
		made(g, how, fd);
	if (fd != -1)
		(void)close(fd);
	next(g);
}

static void
on_wrong(struct errand *errand, const struct import_wrong *wrong)
{
	struct guides *g = errand->user;

	log_event(LOG_WARNING, "guide.entry", "provider=\"%s\" line=%u why=\"%s\"",
	    g->state == GUIDES_FETCHING ? g->at[g->which].provider : "", wrong->line, wrong->why);
}

/* What is to be done next. A change of the lineup comes before a provider is asked. */
static void
next(struct guides *g)
{
	struct ev_loop *loop = g->sup->loop;
	ev_tstamp now = loop_now(loop), first;

	if (g->frozen || g->state != GUIDES_IDLE || errand_runs(&g->errand) || g->dir == -1 || !g->sup->imports.whole)
		return;
	ev_timer_stop(loop, &g->due);
	if (g->made_at + GUIDES_FRESH_S <= now && !g->stale) {
		g->stale = true;
		g->stale_at = now - GUIDES_SETTLE_S;
	}
	if (g->stale && g->stale_at + GUIDES_SETTLE_S <= now) {
		make(g);
		if (g->state != GUIDES_IDLE)
			return;
	}
	first = g->stale ? g->stale_at + GUIDES_SETTLE_S : g->made_at + GUIDES_FRESH_S;
	for (size_t i = 0; i < g->count; i++) {
		if (is_file(&g->at[i]))
			continue;
		if (g->at[i].next_at <= now) {
			fetch(g, i);
			if (g->state != GUIDES_IDLE)
				return;
		}
		first = PB_MIN(first, g->at[i].next_at);
	}
	ev_timer_set(&g->due, PB_MAX(first - now, 0.05), 0.);
	ev_timer_start(loop, &g->due);
}

static void
on_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct guides *g = timer->data;
	int err = g->state == GUIDES_WRITING ? write_more(g) : 0;

	(void)loop;
	(void)events;
	if (err != 0)
		fail_run(g, err);
	next(g);
}

/*
 * Sources
 */

static void
add_source(struct guides *g, const struct guide_source *was, size_t was_count, const struct provider *p, unsigned which,
    const char *url, int shift_min)
{
	struct guide_source *s;
	char name[256];

	if (url == NULL || g->count == GUIDES_SOURCES_MAX)
		return;
	s = &g->at[g->count];
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < was_count; i++)
		if (strcmp(was[i].provider, p->name) == 0 && was[i].which == which && strcmp(was[i].url, url) == 0)
			*s = was[i];
	snprintf(s->provider, sizeof(s->provider), "%s", p->name);
	s->which = which;
	s->shift_min = shift_min;
	s->fold = p->fold_subtitle;
	s->refresh_s = p->refresh_ms / 1e3;
	s->url = strdup(url);
	if (s->url == NULL)
		return;
	if (s->next_at == 0 && !is_file(s)) {
		struct stat st;

		/* What the last supervisor fetched will do for as long as it would have done for that. */
		source_name(name, sizeof(name), s, "");
		s->next_at = loop_now(g->sup->loop);
		if (was_count == 0 && fstatat(g->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			s->next_at += PB_MIN(
			    PB_MAX(s->refresh_s - PB_MAX(difftime(time(NULL), st.st_mtime), 0.), 0.), s->refresh_s);
	}
	g->count++;
}

static void
set_sources(struct guides *g)
{
	const struct config *config = g->sup->config;
	struct guide_source *was = calloc(GUIDES_SOURCES_MAX, sizeof(*was));
	size_t was_count = g->count;

	if (was == NULL)
		return;
	memcpy(was, g->at, sizeof(g->at));
	g->count = 0;
	for (size_t i = 0; i < config->provider_count; i++) {
		const struct provider *p = &config->providers[i];
		const struct list *list = i < g->sup->imports.count ? g->sup->imports.at[i].list : NULL;
		bool any = false;

		for (unsigned k = 0; k < PROVIDER_GUIDES; k++) {
			add_source(g, was, was_count, p, k, p->guide[k], p->guide_shift_min[k]);
			any |= p->guide[k] != NULL;
		}
		if (!any && list != NULL)
			add_source(
			    g, was, was_count, p, 0, list_string(list, list->head->guide_url), p->guide_shift_min[0]);
	}
	for (size_t i = 0; i < was_count; i++)
		free(was[i].url);
	free(was);
}

void
guides_begin(struct guides *g, struct supervisor *sup)
{
	int state = open(sup->config->server.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(g, 0, sizeof(*g));
	g->run.job = g->run.out[0] = g->run.out[1] = g->run.out[2] = -1;
	g->sup = sup;
	g->whole.xml = g->whole.gz = g->dir = -1;
	for (size_t i = 0; i < UNITS_MAX; i++)
		g->part[i].xml = g->part[i].gz = -1;
	errand_init(&g->errand, sup->loop);
	g->errand.user = g;
	g->errand.wrong = on_wrong;
	g->errand.done = on_done;
	ev_timer_init(&g->due, on_due, 0., 0.);
	g->due.data = g;
	if (state != -1 && (mkdirat(state, FOLDER, 0700) == 0 || errno == EEXIST))
		g->dir = openat(state, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (g->dir == -1)
		log_event(LOG_ERR, "guide.failed", "why=\"" FOLDER ": %s; there will be no guide\"", strerror(errno));
	else {
		open_served(g, &g->whole, NULL, 0);
		for (size_t i = 0; i < sup->units.count; i++)
			open_served(g, &g->part[i], &sup->units.at[i], 0);
	}
	if (state != -1)
		(void)close(state);
	guides_changed(g);
}

void
guides_changed(struct guides *g)
{
	if (g->sup == NULL)
		return;
	/* What is under way is of the old one: its file is fetched again, if it is still wanted. */
	if (g->state != GUIDES_IDLE) {
		g->state = GUIDES_IDLE;
		end_run(g);
		errand_kill(&g->errand);
	}
	set_sources(g);
	g->stale = true;
	g->stale_at = loop_now(g->sup->loop);
	next(g);
}

void
guides_refresh(struct guides *g, const char *provider)
{
	if (g->sup == NULL)
		return;
	for (size_t i = 0; i < g->count; i++)
		if (!is_file(&g->at[i]) && (provider == NULL || strcmp(provider, g->at[i].provider) == 0))
			g->at[i].next_at = loop_now(g->sup->loop);
	next(g);
}

void
guides_freeze(struct guides *g)
{
	if (g->sup == NULL)
		return;
	g->frozen = true;
	g->state = GUIDES_IDLE;
	g->stale = true;
	end_run(g);
	errand_kill(&g->errand);
	ev_timer_stop(g->sup->loop, &g->due);
}

void
guides_thaw(struct guides *g)
{
	if (g->sup == NULL)
		return;
	g->frozen = false;
	next(g);
}

void
guides_end(struct guides *g)
{
	if (g->sup == NULL)
		return;
	guides_freeze(g);
	close_served(&g->whole);
	for (size_t i = 0; i < UNITS_MAX; i++)
		close_served(&g->part[i]);
	for (size_t i = 0; i < g->count; i++)
		free(g->at[i].url);
	pages_free(g->matches, g->match_room, sizeof(*g->matches));
	pages_free(g->next_matches, g->next_room, sizeof(*g->next_matches));
	if (g->dir != -1)
		(void)close(g->dir);
	memset(g, 0, sizeof(*g));
}
