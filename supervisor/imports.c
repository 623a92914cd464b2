/*
 * imports.c - how the promise in imports.h is kept
 *
 * One thing after the other: fetch, check, merge, wait for the disk, put in
 * force. Checking, merging and dividing among tuners are done in steps,
 * between which the loop has its turn. What another process can do meanwhile
 * it does: write a list's copy while that is checked and merged, and wait for
 * the journal while the lineup is built. There is one errand at a time, and it
 * says which it was.
 */
#include "supervisor/imports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "supervisor/importjob.h"
#include "supervisor/leaving.h"
#include "supervisor/supervisor.h"
#include "supervisor/text.h"

#define FOLDER "lists"

static void next(struct imports *im);
static void answer(struct imports *im);

static double
some(double seconds, double spread)
{
	return seconds * (1 - spread + 2 * spread * ((double)arc4random() / 4294967296.0));
}

static const struct provider *
provider_of(const struct imports *im, size_t i)
{
	return &im->sup->config->providers[i];
}

static void
set_state(struct imports *im, enum imports_state state)
{
	im->state = state;
	if (state == IMPORTS_CHECKING || state == IMPORTS_MERGING || state == IMPORTS_PARTING) {
		ev_timer_stop(im->sup->loop, &im->work);
		ev_timer_set(&im->work, 0., 0.);
		ev_timer_start(im->sup->loop, &im->work);
	}
}

/*
 * The lineup comes in force
 */

static bool
imports_any(const struct config *config)
{
	bool any = false;

	for (size_t i = 0; i < config->provider_count; i++)
		any |= provider_imports(&config->providers[i]);
	return any;
}

/* For the next supervisor; once more after each tune. */
static void
note_leaving(struct imports *im, const struct config *config)
{
	im->tunes = im->sup->streams.tunes;
	leaving_note(im->sup, config);
}

void
imports_tuned(struct imports *im)
{
	if (im->tunes != im->sup->streams.tunes)
		note_leaving(im, im->sup->config);
}

static void
note_present(struct imports *im, const struct merge *m)
{
	uint32_t count = journal_count(im->journal);
	uint8_t *present = calloc(1, count / 8 + 1);

	if (present == NULL)
		return;
	for (uint32_t i = 0; i < count; i++)
		if (merge_present(m, i))
			present[i / 8] |= (uint8_t)(1 << i % 8);
	free(im->present);
	im->present = present;
	im->present_count = count;
	im->figures = *merge_figures(m);
}

/* Does every provider have a list? */
static void
see_whole(struct imports *im, const struct config *config)
{
	bool whole = true;

	for (size_t i = 0; i < im->count; i++)
		whole &= (im->at[i].list != NULL && !im->lost) || !provider_imports(&config->providers[i]);
	im->whole = whole;
}

static void
install(struct imports *im, struct config *config, struct imported *new)
{
	imported_clear(&config->imported);
	config->imported = *new;
	config->lineup = new->lineup;
	memset(new, 0, sizeof(*new));
	see_whole(im, config);
	im->changes++;
}

static void
publish(struct imports *im)
{
	struct supervisor *sup = im->sup;

	leaving_keep(im->sup, sup->config, &im->next);
	install(im, sup->config, &im->next);
	im->again_s = 0;
	im->why[0] = '\0';
	note_leaving(im, sup->config);
	if (units_update(&sup->units, sup->config, &sup->config->lineup, im->whole) != 0)
		log_event(LOG_ERR, "lineup.failed", "why=\"no memory for a device's part of it\"");
	log_event(LOG_INFO, "lineup", "channels=%zu imported=%zu new=%zu backups=%zu whole=%s",
	    sup->config->lineup.count, im->figures.imported, im->figures.added, im->figures.backups,
	    im->whole ? "yes" : "no");
	if (im->figures.dropped > 0)
		log_event(LOG_ERR, "lineup.dropped", "channels=%zu why=\"there are more than %d\"", im->figures.dropped,
		    LINEUP_MAX);
	if (im->figures.unknown > 0)
		log_event(LOG_ERR, "lineup.dropped",
		    "entries=%zu why=\"they are new, and %d channels are known already\"", im->figures.unknown,
		    JOURNAL_CHANNELS_MAX);
	if (im->figures.without > 0 && im->whole)
		log_event(LOG_WARNING, "lineup.without",
		    "channels=%zu why=\"a [channel] section has no url, and no provider has its number\"",
		    im->figures.without);
	(void)notify_status(sup->keep.notify, "%zu channels", sup->config->lineup.count);
	guides_changed(&sup->guides);
	set_state(im, IMPORTS_IDLE);
	next(im);
}

/* 0, with -1 where there is none; PB_ESYS when nobody knows what is in it. */
static int
open_dir(struct imports *im)
{
	if (im->dir != -1)
		return 0;
	im->dir = open(im->sup->config->server.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (im->dir == -1)
		return errno == ENOENT || errno == ENOTDIR ? 0 : PB_ESYS;
	if (mkdirat(im->dir, FOLDER, 0700) == -1 && errno != EEXIST)
		log_event(LOG_WARNING, "import.keep", "why=\"" FOLDER ": %s\"", strerror(errno));
	return 0;
}

/* false, with why, when there is one that can't be read: giving all numbers anew would be worse than to show none. */
static bool
open_journal(struct imports *im, char why[IMPORT_WHY_MAX])
{
	const char *device = im->sup->units.at[0].device.id_text;
	int err = open_dir(im);

	journal_free(&im->journal);
	if (err == 0)
		err = journal_open(&im->journal, im->dir, device);
	im->lost = err != 0;
	if (err == 0)
		return true;
	snprintf(why, IMPORT_WHY_MAX, "lineup.journal, which has the numbers, can't be read: %s",
	    err == PB_ESYS          ? strerror(errno)
		: err == PB_EFORMAT ? "it is of another version"
				    : pb_strerror(err));
	if (journal_open(&im->journal, -1, device) != 0)
		pb_assert(!"no memory for an empty journal");
	return false;
}

/* The journal knows what its file does not: as it was before. */
static void
forget_new(struct imports *im)
{
	char why[IMPORT_WHY_MAX];

	if (!open_journal(im, why))
		log_event(LOG_ERR, "journal.open", "why=\"%s\"", why);
}

/*
 * Merging
 */

/* What was to come in force is tried again: later, or when somebody asks. */
static void
note_failed(struct imports *im, const char *why)
{
	im->again_s = PB_MIN(PB_MAX(2 * im->again_s, IMPORTS_MERGE_AGAIN_S), IMPORTS_MERGE_AGAIN_MAX_S);
	im->merge_at = loop_now(im->sup->loop) + im->again_s;
	im->stale = true;
	snprintf(im->why, sizeof(im->why), "%s", why);
	log_event(LOG_ERR, "lineup.failed", "retry_s=%.0f why=\"%s\"", im->again_s, why);
}

/* Meanwhile what is in force stays. */
static void
put_off_merge(struct imports *im, const char *why)
{
	note_failed(im, why);
	set_state(im, IMPORTS_IDLE);
	next(im);
}

static void
begin_merge(struct imports *im)
{
	struct list *lists[CONFIG_PROVIDERS_MAX] = { NULL };
	char why[IMPORT_WHY_MAX];

	if (im->lost && !open_journal(im, why)) {
		put_off_merge(im, why);
		return;
	}
	for (size_t i = 0; i < im->count; i++)
		lists[i] = im->at[i].list;
	merge_free(&im->merge);
	im->stale = im->written = false;
	if (merge_new(&im->merge, im->sup->config, lists, im->journal, im->sup->units.at[0].device.id_text) != 0) {
		put_off_merge(im, "no memory");
		return;
	}
	set_state(im, IMPORTS_MERGING);
}

/* Not to be continued: nothing of it was shown to anybody. */
static void
drop_merge(struct imports *im)
{
	merge_free(&im->merge);
	units_forget(&im->sup->units);
	imported_clear(&im->next);
	if (im->sync == IMPORTS_SYNC_DUE)
		im->sync = IMPORTS_SYNC_NONE;
	if (!im->written) /* else the file has it all: numbers that nobody was shown */
		forget_new(im);
}

static void
give_up_merge(struct imports *im, const char *why)
{
	drop_merge(im);
	put_off_merge(im, why);
}

/* As soon as nobody else is out on an errand. */
static void
begin_sync(struct imports *im)
{
	int fd = journal_fd(im->journal);

	im->sync = IMPORTS_SYNC_DUE;
	if (errand_runs(&im->errand))
		return;
	im->sync = errand_start(&im->errand, &im->sup->privs, "kind=sync\n", 10, &fd, 1, NULL, 0, 60.0) == 0
	    ? IMPORTS_SYNC_RUNS
	    : IMPORTS_SYNC_NONE;
}

/* All numbers are given: they go to the disk before they are shown. false: they can't. */
static bool
keep_numbers(struct imports *im)
{
	bool wait = journal_pending(im->journal) > 0 && journal_fd(im->journal) != -1;

	if (journal_write(im->journal) != 0) {
		char why[160];

		snprintf(why, sizeof(why), "the journal can't be written: %s", strerror(errno));
		give_up_merge(im, why);
		return false;
	}
	im->written = true;
	if (wait)
		begin_sync(im);
	return true;
}

/* The lineup is there. */
static void
end_merge(struct imports *im)
{
	merge_take(im->merge, &im->next);
	note_present(im, im->merge);
	merge_free(&im->merge);
	units_expect(&im->sup->units, im->sup->config, &im->next.lineup);
	set_state(im, IMPORTS_PARTING);
}

/* Its parts are, too: it is shown when its numbers are on the disk. */
static void
part_more(struct imports *im)
{
	if (units_step(&im->sup->units, MERGE_STEP) == PB_AGAIN) {
		set_state(im, IMPORTS_PARTING);
		return;
	}
	imports_rest(im);
	if (im->sync != IMPORTS_SYNC_NONE)
		set_state(im, IMPORTS_SYNCING);
	else
		publish(im);
}

static void
merge_more(struct imports *im)
{
	int err = merge_step(im->merge, MERGE_STEP);

	if (err != 0 && err != PB_AGAIN) {
		give_up_merge(im, pb_strerror(err));
		return;
	}
	if (merge_numbered(im->merge) && !im->written && !keep_numbers(im))
		return;
	if (err == PB_AGAIN)
		set_state(im, IMPORTS_MERGING);
	else
		end_merge(im);
}

/* The errand that waited for the disk is back. */
static void
synced(struct imports *im, const struct import_done *how)
{
	im->sync = IMPORTS_SYNC_NONE;
	if (how->verdict != IMPORT_GOOD && im->state >= IMPORTS_MERGING)
		log_event(LOG_ERR, "journal.sync", "why=\"%s\"", how->why);
	if (im->state == IMPORTS_SYNCING)
		publish(im);
	else
		next(im);
}

/*
 * A list
 */

static void
list_name(char *out, size_t size, const char *provider, const char *end)
{
	size_t at = (size_t)snprintf(out, size, FOLDER "/");

	for (; *provider != '\0' && at + 4 < size; provider++) {
		unsigned char c = (unsigned char)*provider;
		bool plain =
		    (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';

		at += (size_t)snprintf(out + at, size - at, plain ? "%c" : "%%%02X", c);
	}
	snprintf(out + at, size - at, "%s", end);
}

/* How much less is there than before, in percent? */
static unsigned
shrunk(uint32_t was, uint32_t is)
{
	return was > is ? (unsigned)((uint64_t)(was - is) * 100 / was) : 0;
}

/* Is that list from where this provider's come from? One that doesn't say is, when its settings are the same. */
static bool
same_source(const struct list *list, const struct provider *p)
{
	return list->head->source != 0 ? list->head->source == importjob_source_id(p)
				       : list->head->settings == importjob_settings(p);
}

/* The guard: a provider that has lost half of its channels has rather lost its mind. */
bool
imports_too_small(const struct imports *im, size_t which, const struct list *new, char *why, size_t size)
{
	const struct list *old = im->at[which].list;
	unsigned guard = (unsigned)provider_of(im, which)->shrink_guard;
	uint32_t was, is;

	if (old == NULL || !same_source(old, provider_of(im, which)))
		return false;
	was = old->head->seen;
	is = new->head->seen;
	if (shrunk(was, is) <= guard && old->head->settings == new->head->settings) {
		was = old->head->count;
		is = new->head->count;
	}
	if (shrunk(was, is) <= guard)
		return false;
	snprintf(why, size, "it shrank from %u to %u entries, by more than shrink_guard (%u%%)", was, is, guard);
	return true;
}

static void
end_run(struct imports *im, bool good, const char *why, unsigned retry_after_s)
{
	struct import *at = &im->at[im->which];
	const struct provider *p = provider_of(im, im->which);
	double wait = p->refresh_ms / 1e3;
	char file[256], list[256];

	at->good = good;
	at->asked = false;
	at->run_at = loop_now(im->sup->loop);
	at->runs++;
	list_name(list, sizeof(list), at->name, ".list");
	list_name(file, sizeof(file), at->name, ".new");
	if (good) {
		at->failures = 0;
		at->why[0] = '\0';
		at->good_at = time(NULL);
	} else {
		double backoff = IMPORTS_BACKOFF_S;

		for (unsigned i = 0; i < at->failures && backoff < wait; i++)
			backoff *= 2;
		at->failures++;
		snprintf(at->why, sizeof(at->why), "%s", why);
		wait = PB_MAX(PB_MIN(backoff, wait), (double)retry_after_s);
		if (im->dir != -1)
			(void)unlinkat(im->dir, file, 0);
		log_event(LOG_WARNING, "import.refused", "provider=\"%s\" retry_s=%.0f kept=%u why=\"%s\"", at->name,
		    wait, at->list != NULL ? at->list->head->count : 0, why);
	}
	at->next_at = loop_now(im->sup->loop) + some(wait, IMPORTS_SPREAD);
}

/* What an Xtream server says of the account, when it matters to who pays for it. */
static void
tell_account(const struct import *at, const struct list_head *head)
{
	int64_t left = (int64_t)PB_MIN(head->expires_s, (uint64_t)INT64_MAX) - (int64_t)time(NULL);

	if (head->expires_s > 0 && left < IMPORTS_EXPIRES_S)
		log_event(LOG_WARNING, "provider.expires", "provider=\"%s\" left_h=%lld why=\"the account ends soon\"",
		    at->name, (long long)PB_MAX(left / 3600, (int64_t)0));
	if (head->max_connections > 0 && head->active_connections >= head->max_connections)
		log_event(LOG_WARNING, "provider.busy",
		    "provider=\"%s\" active=%u max=%u why=\"all connections of the account are in use, by whomever\"",
		    at->name, head->active_connections, head->max_connections);
}

/* Its copy becomes what the next start begins with: when it is there, and whole. */
static void
keep_list(struct imports *im, bool whole)
{
	char from[256], to[256];
	bool kept = false;

	list_name(from, sizeof(from), im->keeping, ".new");
	list_name(to, sizeof(to), im->keeping, ".list");
	if (im->dir != -1 && !whole && !im->frozen)
		(void)unlinkat(im->dir, from, 0);
	else if (im->dir != -1 && whole) {
		kept = renameat(im->dir, from, im->dir, to) == 0;
		if (!kept && errno != ENOENT)
			log_event(
			    LOG_WARNING, "import.keep", "provider=\"%s\" why=\"%s\"", im->keeping, strerror(errno));
	}
	for (size_t i = 0; i < im->count; i++)
		if (strcmp(im->at[i].name, im->keeping) == 0)
			im->at[i].uncopied = im->dir != -1 && !kept;
	im->keeping[0] = '\0';
}

static void
accept_list(struct imports *im)
{
	struct import *at = &im->at[im->which];
	const struct list_head *head = im->candidate->head;

	log_event(LOG_INFO, "import",
	    "provider=\"%s\" entries=%u seen=%u vod=%u radio=%u unchosen=%u wrong=%u peak_kib=%u", at->name,
	    head->count, head->seen, head->vod, head->radio, head->unchosen, head->wrong, im->errand.how.peak_kib);
	at->wrong = head->wrong;
	tell_account(at, head);
	list_drop(&at->list);
	at->list = im->candidate;
	im->candidate = NULL;
	memcpy(im->keeping, at->name, sizeof(im->keeping));
	if (!errand_runs(&im->errand))
		keep_list(im, im->errand.well);
	end_run(im, true, "", 0);
	begin_merge(im);
}

static void
refuse_list(struct imports *im, const char *why, unsigned retry_after_s)
{
	list_drop(&im->candidate);
	end_run(im, false, why, retry_after_s);
	set_state(im, IMPORTS_IDLE);
	next(im);
}

static void
check_more(struct imports *im)
{
	const char *why = "";
	char text[IMPORT_WHY_MAX];
	int err = list_check(im->candidate, MERGE_STEP, &why);

	if (err == PB_AGAIN) {
		set_state(im, IMPORTS_CHECKING);
		return;
	}
	if (err != 0) {
		snprintf(text, sizeof(text), "what plexbridge-guide made of it is no list: %s", why);
		refuse_list(im, text, 0);
	} else if (imports_too_small(im, im->which, im->candidate, text, sizeof(text)))
		refuse_list(im, text, 0);
	else
		accept_list(im);
}

static void
on_work(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct imports *im = timer->data;

	(void)loop;
	(void)events;
	if (im->state == IMPORTS_CHECKING)
		check_more(im);
	else if (im->state == IMPORTS_MERGING)
		merge_more(im);
	else if (im->state == IMPORTS_PARTING)
		part_more(im);
}

static void
on_wrong(struct errand *errand, const struct import_wrong *wrong)
{
	struct imports *im = errand->user;
	char shown[256];

	if (im->state != IMPORTS_FETCHING) /* given up meanwhile: `which` may be another provider's, or nobody's */
		return;
	log_event(LOG_WARNING, "import.entry", "provider=\"%s\" source=\"%s\" line=%u why=\"%s\"",
	    im->at[im->which].name, importjob_source(shown, sizeof(shown), provider_of(im, im->which)), wrong->line,
	    wrong->why);
}

/* A list, perhaps: it is checked before anything else is done with it. */
static void
on_list(struct errand *errand, const struct import_done *how, int fd)
{
	struct imports *im = errand->user;
	const char *why = "";
	char text[IMPORT_WHY_MAX];
	int err;

	im->listed = true;
	if (im->state != IMPORTS_FETCHING) { /* it was given up meanwhile */
		(void)close(fd);
		return;
	}
	err = how->verdict == IMPORT_GOOD ? list_open(&im->candidate, fd, true, &why) : PB_EPEER;
	(void)close(fd);
	if (err == 0) {
		set_state(im, IMPORTS_CHECKING);
		return;
	}
	snprintf(text, sizeof(text), "what plexbridge-guide made of it is no list: %s",
	    err == PB_EFORMAT ? why : pb_strerror(err));
	refuse_list(im, text, 0);
}

/* It is over, without a list. */
static void
fetched(struct imports *im, const struct import_done *how)
{
	if (how->verdict == IMPORT_SAME && im->at[im->which].list != NULL) {
		end_run(im, true, "", 0);
		log_event(LOG_INFO, "import", "provider=\"%s\" same=yes", im->at[im->which].name);
		set_state(im, IMPORTS_IDLE);
		next(im);
	} else
		refuse_list(im, how->why[0] != '\0' ? how->why : "there is no list", how->retry_after_s);
}

static void
on_done(struct errand *errand, const struct import_done *how, int fd)
{
	struct imports *im = errand->user;

	if (fd != -1)
		(void)close(fd); /* on_list() has those that are wanted */
	if (im->sync == IMPORTS_SYNC_RUNS) {
		synced(im, how);
		return;
	}
	if (im->keeping[0] != '\0')
		keep_list(im, errand->well);
	if (im->sync == IMPORTS_SYNC_DUE)
		begin_sync(im);
	if (im->state == IMPORTS_FETCHING && !im->listed)
		fetched(im, how);
	else if (im->state == IMPORTS_SYNCING && im->sync == IMPORTS_SYNC_NONE)
		publish(im); /* it could not be started */
	else
		next(im);
}

static void
fetch(struct imports *im, size_t which)
{
	const struct provider *p = provider_of(im, which);
	struct errand_file file = { 0, -1 };
	char name[256];
	struct blob *job;
	int out = -1, err;

	im->which = which;
	im->listed = false;
	set_state(im, IMPORTS_FETCHING);
	if (p->playlist != NULL && p->playlist[0] == '/') {
		struct stat st;

		/* A pipe or a device would have us wait for it. */
		file.fd = open(p->playlist, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (file.fd == -1 || fstat(file.fd, &st) == -1 || !S_ISREG(st.st_mode)) {
			char why[IMPORT_WHY_MAX];

			snprintf(why, sizeof(why), "%.160s: %s", p->playlist,
			    file.fd == -1 ? strerror(errno) : "it is no file");
			if (file.fd != -1)
				(void)close(file.fd);
			refuse_list(im, why, 0);
			return;
		}
	}
	list_name(name, sizeof(name), p->name, ".new");
	if (im->dir != -1)
		out = openat(im->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	job = importjob_list(im->sup->config, p, im->at[which].uncopied ? NULL : im->at[which].list);
	err = job == NULL ? PB_ENOMEM
			  : errand_start(&im->errand, &im->sup->privs, job->data, job->len, &out, out != -1, &file,
				file.fd != -1, IMPORTS_RUN_S);
	blob_drop(&job);
	if (out != -1)
		(void)close(out);
	if (file.fd != -1)
		(void)close(file.fd);
	if (err != 0)
		refuse_list(
		    im, err == PB_NO ? "plexbridge-guide: no such program" : "plexbridge-guide can't be started", 0);
}

/* What is to be done next, if anything is. */
static void
next(struct imports *im)
{
	struct ev_loop *loop = im->sup->loop;
	ev_tstamp first = 0;

	if (im->frozen || im->state != IMPORTS_IDLE || errand_runs(&im->errand))
		return;
	if (im->stale && im->merge_at <= loop_now(loop)) {
		begin_merge(im);
		return;
	}
	for (size_t i = 0; i < im->count; i++)
		if (im->at[i].asked) {
			fetch(im, i);
			return;
		}
	answer(im);
	ev_timer_stop(loop, &im->due);
	if (im->stale)
		first = im->merge_at;
	for (size_t i = 0; i < im->count; i++) {
		if (!provider_imports(provider_of(im, i)))
			continue;
		if (im->at[i].next_at <= loop_now(loop)) {
			fetch(im, i);
			return;
		}
		if (first == 0 || im->at[i].next_at < first)
			first = im->at[i].next_at;
	}
	if (first != 0) {
		ev_timer_set(&im->due, PB_MAX(first - loop_now(loop), 0.01), 0.);
		ev_timer_start(loop, &im->due);
	}
}

static void
on_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	next(timer->data);
}

/*
 * Beginning
 */

/* The list that was kept, when it is still good. */
static void
load_list(struct imports *im, struct import *at, const struct provider *p)
{
	char name[256];
	const char *why = "";
	struct stat st;
	double age = 0;
	int fd, err;

	at->next_at = loop_now(im->sup->loop);
	if (im->dir == -1)
		return;
	list_name(name, sizeof(name), at->name, ".list");
	fd = openat(im->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return;
	err = list_open(&at->list, fd, false, &why);
	if (err == 0)
		err = list_check(at->list, LIST_ENTRIES_MAX, &why);
	if (err != 0) {
		list_drop(&at->list);
		log_event(LOG_WARNING, "import.kept", "provider=\"%s\" why=\"the list that was kept is no good: %s\"",
		    at->name, err == PB_EFORMAT ? why : pb_strerror(err));
	} else if (fstat(fd, &st) == 0) {
		at->good = true;
		at->good_at = st.st_mtime;
		age = PB_MAX(difftime(time(NULL), st.st_mtime), 0.);
		/* Soon, but not at once: a machine that starts has other things to do. */
		at->next_at += PB_MAX(p->refresh_ms / 1e3 - age, some(5.0, 0.5));
	}
	(void)close(fd);
}

/* Each provider of config, with what was known of those that are the same; the lists of was stay its own. */
static void
set_providers(struct imports *im, const struct config *config, const struct import *was, size_t was_count)
{
	memset(im->at, 0, sizeof(im->at));
	im->count = config->provider_count;
	for (size_t i = 0; i < im->count; i++) {
		const struct provider *p = &config->providers[i];
		size_t k = 0;

		while (k < was_count && strcmp(was[k].name, p->name) != 0)
			k++;
		if (k < was_count) {
			im->at[i] = was[k];
			if (was[k].list != NULL)
				(void)list_ref(was[k].list);
		} else {
			snprintf(im->at[i].name, sizeof(im->at[i].name), "%s", p->name);
			if (provider_imports(p))
				load_list(im, &im->at[i], p);
		}
		if (!provider_imports(p)) {
			list_drop(&im->at[i].list);
			im->at[i].asked = false;
		} else if (im->at[i].list == NULL || !importjob_current(im->at[i].list, p))
			/* Other settings choose otherwise: soon. */
			im->at[i].next_at = loop_now(im->sup->loop);
	}
}

static void
drop_lists(struct import *at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		list_drop(&at[i].list);
}

/* The lineup of config, at once. 0, or what went wrong: it has none then. */
static int
make_lineup(struct imports *im, struct config *config)
{
	struct list *lists[CONFIG_PROVIDERS_MAX] = { NULL };
	char why[IMPORT_WHY_MAX];
	struct merge *m = NULL;
	struct imported new;
	int err;

	if (im->lost && !open_journal(im, why)) {
		if (imports_any(config))
			note_failed(im, why);
		else
			log_event(LOG_WARNING, "journal.open", "why=\"%s; nothing is imported\"", why);
	}
	for (size_t i = 0; i < im->count && !im->lost; i++)
		lists[i] = im->at[i].list;
	err = merge_new(&m, config, lists, im->journal, im->sup->units.at[0].device.id_text);
	while (err == 0 && (err = merge_step(m, SIZE_MAX)) == PB_AGAIN)
		err = 0;
	if (err != 0) {
		merge_free(&m);
		forget_new(im);
		return err;
	}
	merge_take(m, &new);
	/* Not to have a lineup would be worse than one whose new channels are not written down. */
	if (journal_write(im->journal) != 0)
		log_event(LOG_ERR, "journal.write", "why=\"%s; new channels may have other numbers after a restart\"",
		    strerror(errno));
	note_present(im, m);
	merge_free(&m);
	leaving_keep(im->sup, config, &new);
	install(im, config, &new);
	if (im->lost && imports_any(config)) /* it was told, and is tried again */
		return 0;
	im->again_s = 0;
	im->why[0] = '\0';
	return 0;
}

void
imports_begin(struct imports *im, struct supervisor *sup)
{
	int err;

	im->sup = sup;
	im->settled = true;
	errand_init(&im->errand, sup->loop);
	im->errand.user = im;
	im->errand.wrong = on_wrong;
	im->errand.early = on_list;
	im->errand.done = on_done;
	ev_timer_init(&im->work, on_work, 0., 0.);
	ev_timer_init(&im->due, on_due, 0., 0.);
	im->work.data = im->due.data = im;
	im->dir = -1;
	(void)open_dir(im);
	im->lost = true; /* until make_lineup() has found it */
	set_providers(im, sup->config, NULL, 0);
	err = make_lineup(im, sup->config);
	if (err != 0)
		note_failed(im, pb_strerror(err)); /* then once more, in steps */
	leaving_take(im->sup);
	im->tunes = UINT64_MAX; /* of what is restored, nothing is written down by us */
	(void)units_update(&sup->units, sup->config, &sup->config->lineup, im->whole); /* it was done a moment before */
	next(im);
}

int
imports_reload(struct imports *im, struct config *config)
{
	struct import *was = calloc(CONFIG_PROVIDERS_MAX, sizeof(*was));
	size_t was_count = im->count;
	int err;

	if (was == NULL) {
		log_event(LOG_ERR, "lineup.failed", "why=\"%s\"", pb_strerror(PB_ENOMEM));
		return PB_ENOMEM;
	}
	/* What is being fetched is fetched again: by other settings, perhaps another provider's. */
	if (im->state == IMPORTS_FETCHING || im->state == IMPORTS_CHECKING) {
		im->at[im->which].next_at = loop_now(im->sup->loop);
		errand_kill(&im->errand);
		list_drop(&im->candidate);
	}
	if (im->state >= IMPORTS_MERGING)
		drop_merge(im);
	im->state = IMPORTS_IDLE;
	memcpy(was, im->at, sizeof(im->at));
	set_providers(im, config, was, was_count);
	/* What was being merged for the old one was given up; it is begun again where this fails, or can't be shown. */
	im->stale = false;
	err = make_lineup(im, config);
	if (err != 0) {
		drop_lists(im->at, im->count);
		memcpy(im->at, was, sizeof(im->at));
		im->count = was_count;
		note_failed(im, pb_strerror(err));
	} else {
		drop_lists(was, was_count);
		note_leaving(im, config);
	}
	free(was);
	/* The configuration is not in force yet: on the next turn. */
	ev_timer_stop(im->sup->loop, &im->due);
	ev_timer_set(&im->due, 0., 0.);
	ev_timer_start(im->sup->loop, &im->due);
	return err;
}

void
imports_rest(const struct imports *im)
{
	for (size_t i = 0; i < im->count; i++)
		if (im->at[i].list != NULL)
			list_rest(im->at[i].list);
}

void
imports_freeze(struct imports *im)
{
	if (!im->settled)
		return;
	im->frozen = true;
	errand_kill(&im->errand);
	list_drop(&im->candidate);
	if (im->state >= IMPORTS_MERGING) {
		drop_merge(im);
		im->stale = true;
	}
	im->state = IMPORTS_IDLE;
	ev_timer_stop(im->sup->loop, &im->work);
	ev_timer_stop(im->sup->loop, &im->due);
}

void
imports_thaw(struct imports *im)
{
	if (!im->settled)
		return;
	im->frozen = false;
	next(im);
}

void
imports_end(struct imports *im)
{
	if (!im->settled)
		return;
	im->frozen = true;
	errand_kill(&im->errand);
	ev_timer_stop(im->sup->loop, &im->work);
	ev_timer_stop(im->sup->loop, &im->due);
	list_drop(&im->candidate);
	merge_free(&im->merge);
	units_forget(&im->sup->units);
	imported_clear(&im->next);
	for (size_t i = 0; i < im->count; i++)
		list_drop(&im->at[i].list);
	journal_free(&im->journal);
	free(im->present);
	im->present = NULL;
	if (im->dir != -1)
		(void)close(im->dir);
	im->dir = -1;
	im->settled = false;
}

/*
 * The operator
 */

static struct blob *
refreshed(const struct imports *im, const bool *of, int *status)
{
	struct text t = { 0 }, errors = { 0 };
	struct blob *list;
	bool ok = true, first = true;

	for (size_t i = 0; i < im->count; i++) {
		const struct import *at = &im->at[i];

		if (!of[i] || !provider_imports(provider_of(im, i)))
			continue;
		if (!at->good) {
			char why[IMPORT_WHY_MAX + 80];

			snprintf(why, sizeof(why), "%s: %s", at->name, at->why);
			text_add(&errors, ok ? "" : ",");
			text_add_json(&errors, why);
		}
		ok &= at->good;
		text_add(&t, first ? "{\"name\":" : ",{\"name\":");
		first = false;
		text_add_json(&t, at->name);
		text_addf(&t, ",\"ok\":%s,\"entries\":%u,\"wrong\":%u}", at->good ? "true" : "false",
		    at->list != NULL ? at->list->head->count : 0, at->wrong);
	}
	if (im->why[0] != '\0') {
		char why[IMPORT_WHY_MAX + 80];

		snprintf(why, sizeof(why), "%s; the lineup stays as it was", im->why);
		text_add(&errors, ok ? "" : ",");
		text_add_json(&errors, why);
		ok = false;
	}
	*status = ok ? 200 : 409;
	struct text all = { 0 };
	struct blob *why = text_blob(&errors);

	list = text_blob(&t);
	text_addf(
	    &all, "{\"ok\":%s,\"channels\":%zu,\"providers\":[", ok ? "true" : "false", im->sup->config->lineup.count);
	if (list != NULL)
		text_add_len(&all, list->data, list->len);
	text_add(&all, "],\"errors\":[");
	if (why != NULL)
		text_add_len(&all, why->data, why->len);
	text_add(&all, "]}\n");
	blob_drop(&list);
	blob_drop(&why);
	return text_blob(&all);
}

/* Whoever waited for runs that are all over now. */
static void
answer(struct imports *im)
{
	for (size_t i = 0; i < NITEMS(im->askers); i++) {
		struct import_asker *a = &im->askers[i];
		struct blob *blob;
		int status;

		if (!a->used)
			continue;
		blob = refreshed(im, a->of, &status);
		a->used = false;
		http_return_blob(im->sup->control, &a->conn, status, "application/json", blob);
	}
}

static void
refuse_asker(struct http_conn *conn, int status, const char *why)
{
	struct text t = { 0 };

	text_add(&t, "{\"ok\":false,\"errors\":[");
	text_add_json(&t, why);
	text_add(&t, "]}\n");
	http_reply_blob(conn, status, "application/json", NULL, text_blob(&t));
}

void
imports_refresh(struct imports *im, const char *provider, struct http_conn *conn)
{
	struct import_asker *a = NULL;
	bool any = false;

	for (size_t i = 0; i < NITEMS(im->askers) && a == NULL; i++)
		if (!im->askers[i].used)
			a = &im->askers[i];
	if (a == NULL || im->frozen) {
		refuse_asker(conn, 503, im->frozen ? "another process takes over" : "too many wait for a refresh");
		return;
	}
	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < im->count; i++)
		if (provider_imports(provider_of(im, i)) && (provider == NULL || strcmp(provider, im->at[i].name) == 0))
			any = a->of[i] = im->at[i].asked = true;
	if (!any) {
		refuse_asker(conn, 404,
		    provider == NULL ? "there is no [provider] with a playlist or xtream"
				     : "there is no such provider");
		return;
	}
	http_take(conn, &a->conn);
	http_consume(&a->conn);
	a->used = true;
	im->merge_at = 0; /* what the last one failed of may be mended */
	guides_refresh(&im->sup->guides, provider); /* nobody waits for those: they may be gigabytes */
	next(im);
}

/* How old is what is known of its provider? A clock that was set back makes nothing old. */
static bool
is_old(const struct imports *im, const struct import *at)
{
	if (!at->good)
		return at->run_at == 0. || loop_now(im->sup->loop) - at->run_at >= IMPORTS_BACKOFF_S;
	return difftime(time(NULL), at->good_at) >= IMPORTS_SCAN_S;
}

size_t
imports_scan(struct imports *im)
{
	size_t n = 0;

	if (im->frozen)
		return 0;
	for (size_t i = 0; i < im->count; i++) {
		struct import *at = &im->at[i];

		if (at->asked || !provider_imports(provider_of(im, i)) || !is_old(im, at))
			continue;
		at->asked = true;
		n++;
	}
	if (n > 0)
		next(im);
	return n;
}

int
imports_renumber(struct imports *im, const char *from, const char *to, const char **why)
{
	const struct config *config = im->sup->config;
	uint32_t index;

	if (!guide_number_valid(from) || !guide_number_valid(to)) {
		*why = "a number is digits with at most one dot, and not 0";
		return 400;
	}
	if (im->lost) {
		*why = "lineup.journal, which has the numbers, can't be read";
		return 503;
	}
	index = journal_owner(im->journal, from);
	if (index == JOURNAL_NONE) {
		*why = lineup_find(&config->written, from) != NULL ? "it is written in plexbridge.ini: change it there"
								   : "there is no such channel";
		return 404;
	}
	if (strcmp(from, to) == 0)
		return 200;
	if (journal_owner(im->journal, to) != JOURNAL_NONE || lineup_find(&config->written, to) != NULL) {
		*why = "the new number is another channel's";
		return 409;
	}
	if (im->frozen || im->state >= IMPORTS_MERGING) {
		*why = "an import is being put in force: try again";
		return 409;
	}
	if (journal_renumber(im->journal, index, to) != 0 || journal_write(im->journal) != 0) {
		forget_new(im);
		*why = "the journal can't be written";
		return 503;
	}
	log_event(LOG_INFO, "lineup.renumber", "from=%s to=%s", from, to);
	im->stale = true;
	im->merge_at = 0;
	next(im);
	return 200;
}
