/*
 * trial.c - how the promise in trial.h is kept
 */
#include "supervisor/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/url.h"
#include "supervisor/importjob.h"
#include "supervisor/supervisor.h"

#define NOBODY "import" /* the name of a provider that there is not */

static void
let_go(struct trial *t)
{
	ev_timer_stop(t->sup->loop, &t->work);
	merge_free(&t->merge);
	journal_free(&t->journal);
	list_drop(&t->list);
	text_clear(&t->wrongs);
	free(t->config.providers);
	t->config.providers = NULL;
}

static void
work(struct trial *t, enum trial_state state)
{
	t->state = state;
	ev_timer_stop(t->sup->loop, &t->work);
	ev_timer_set(&t->work, 0., 0.);
	ev_timer_start(t->sup->loop, &t->work);
}

static void
finish(struct trial *t, struct text *text)
{
	blob_drop(&t->result);
	t->result = text_blob(text);
	t->state = TRIAL_DONE;
	let_go(t);
}

static void
refuse(struct trial *t, const char *why)
{
	struct text text = { 0 };

	text_add(&text, "{\"state\":\"done\",\"ok\":false,\"source\":");
	text_add_json(&text, t->shown);
	text_add(&text, ",\"errors\":[");
	text_add_json(&text, why);
	text_add(&text, "]}\n");
	finish(t, &text);
}

/*
 * The difference
 */

enum difference { NEW, BACK, GONE, RENAMED, RENUMBERED, DIFFERENCES };

struct differences {
	const struct trial *trial;
	struct text lists[DIFFERENCES];
	size_t counts[DIFFERENCES], moved;
};

/* Another member: its number and name, to which more may be added. */
static struct text *
add(struct differences *d, enum difference which, const char *number, const char *name)
{
	struct text *t = &d->lists[which];

	text_add(t, d->counts[which]++ == 0 ? "\n{\"number\":" : ",\n{\"number\":");
	text_add_json(t, number);
	text_add(t, ",\"name\":");
	text_add_json(t, name);
	return t;
}

static void
on_difference(void *user, enum lineup_change change, const struct channel *was, const struct channel *now)
{
	struct differences *d = user;

	if (change == LINEUP_ADDED)
		text_add(
		    add(d,
			journal_owner(d->trial->sup->imports.journal, now->guide_number) == JOURNAL_NONE ? NEW : BACK,
			now->guide_number, now->name),
		    "}");
	else if (change == LINEUP_REMOVED)
		text_add(add(d, GONE, was->guide_number, was->name), "}");
	else {
		if (strcmp(was->name, now->name) != 0) {
			struct text *t = add(d, RENAMED, now->guide_number, now->name);

			text_add(t, ",\"was\":");
			text_add_json(t, was->name);
			text_add(t, "}");
		}
		d->moved += change == LINEUP_CHANGED_SOURCE;
	}
}

static void
on_wish(void *user, const char *number, const char *name, const char *wish)
{
	struct text *t = add(user, RENUMBERED, number, name);

	text_add(t, ",\"wanted\":");
	text_add_json(t, wish);
	text_add(t, "}");
}

static void
tell(struct trial *t)
{
	static const char *const names[DIFFERENCES] = { "new", "back", "gone", "renamed", "renumbered" };
	struct differences d = { .trial = t };
	struct blob *wrongs = text_blob(&t->wrongs);
	const struct list_head *head = t->list->head;
	struct imported made;
	struct text text = { 0 };

	merge_wishes(t->merge, t->which, on_wish, &d);
	merge_take(t->merge, &made);
	lineup_diff(&t->sup->config->lineup, &made.lineup, on_difference, &d);
	text_add(&text, "{\"state\":\"done\",\"ok\":true,\"source\":");
	text_add_json(&text, t->shown);
	text_add(&text, ",\"provider\":");
	text_add_json(&text, t->config.providers[t->which].name);
	text_addf(&text,
	    ",\"channels\":%zu,\"entries\":%u,\"seen\":%u,\"vod\":%u,\"radio\":%u,\"unchosen\":%u,\"wrong\":%u,"
	    "\"backups\":%zu,\"moved\":%zu",
	    made.lineup.count, head->count, head->seen, head->vod, head->radio, head->unchosen, head->wrong,
	    merge_figures(t->merge)->backups, d.moved);
	for (size_t i = 0; i < DIFFERENCES; i++) {
		struct blob *list = text_blob(&d.lists[i]);

		text_addf(&text, ",\n\"%s\":[", names[i]);
		if (list != NULL)
			text_add_len(&text, list->data, list->len);
		text_add(&text, "]");
		blob_drop(&list);
	}
	text_add(&text, ",\n\"refused\":[");
	if (wrongs != NULL)
		text_add_len(&text, wrongs->data, wrongs->len);
	text_add(&text, "]}\n");
	blob_drop(&wrongs);
	imported_clear(&made);
	finish(t, &text);
}

/*
 * One step after the other
 */

static void
begin_merge(struct trial *t)
{
	struct list *lists[CONFIG_PROVIDERS_MAX] = { NULL };
	const struct imports *im = &t->sup->imports;
	char why[IMPORT_WHY_MAX];

	if (t->which < im->count && imports_too_small(im, t->which, t->list, why, sizeof(why))) {
		refuse(t, why);
		return;
	}
	for (size_t i = 0; i < im->count; i++)
		lists[i] = im->at[i].list;
	lists[t->which] = t->list;
	if (journal_open(&t->journal, im->dir, t->sup->units.at[0].device.id_text) != 0 ||
	    merge_new(&t->merge, &t->config, lists, t->journal, t->sup->units.at[0].device.id_text) != 0) {
		refuse(t, "the journal can't be read, or there is no memory");
		return;
	}
	journal_detach(t->journal);
	work(t, TRIAL_MERGING);
}

static void
on_work(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct trial *t = timer->data;
	const char *why = "";
	char text[IMPORT_WHY_MAX];
	int err;

	(void)loop;
	(void)events;
	err = t->state == TRIAL_CHECKING ? list_check(t->list, MERGE_STEP, &why) : merge_step(t->merge, MERGE_STEP);
	if (err == PB_AGAIN)
		work(t, t->state);
	else if (err != 0) {
		snprintf(text, sizeof(text), "%s", why[0] != '\0' ? why : pb_strerror(err));
		refuse(t, text);
	} else if (t->state == TRIAL_CHECKING)
		begin_merge(t);
	else
		tell(t);
}

static void
on_wrong(struct errand *errand, const struct import_wrong *wrong)
{
	struct trial *t = errand->user;

	text_addf(&t->wrongs, "%s{\"line\":%u,\"why\":", t->wrongs.len > 0 ? ",\n" : "\n", wrong->line);
	text_add_json(&t->wrongs, wrong->why);
	text_add(&t->wrongs, "}");
}

static void
on_done(struct errand *errand, const struct import_done *how, int fd)
{
	struct trial *t = errand->user;
	const char *why = "";
	int err;

	if (t->ended)
		refuse(t, "the configuration was changed meanwhile: try again");
	else if (how->verdict != IMPORT_GOOD || fd == -1)
		refuse(t, how->why[0] != '\0' ? how->why : "there is no list");
	else {
		err = list_open(&t->list, fd, true, &why);
		if (err == 0)
			work(t, TRIAL_CHECKING);
		else
			refuse(t, err == PB_EFORMAT ? why : pb_strerror(err));
	}
	if (fd != -1)
		(void)close(fd);
}

void
trial_begin(struct trial *t, struct supervisor *sup)
{
	memset(t, 0, sizeof(*t));
	t->sup = sup;
	errand_init(&t->errand, sup->loop);
	t->errand.user = t;
	t->errand.wrong = on_wrong;
	t->errand.done = on_done;
	ev_timer_init(&t->work, on_work, 0., 0.);
	t->work.data = t;
}

/* The providers, with this source instead of one's own, or beside them. 0, 404 or 503. */
static int
set_providers(struct trial *t, const char *provider)
{
	const struct config *now = t->sup->config;
	size_t importing = 0, which = now->provider_count;
	struct provider *p;

	for (size_t i = 0; i < now->provider_count; i++) {
		if (provider[0] != '\0' ? strcmp(now->providers[i].name, provider) == 0
					: provider_imports(&now->providers[i])) {
			which = i;
			importing++;
		}
	}
	if (provider[0] != '\0' && importing == 0)
		return 404;
	if (importing != 1)
		which = now->provider_count;
	if (which == CONFIG_PROVIDERS_MAX)
		return 503;
	t->config = *now;
	t->config.providers = calloc(now->provider_count + 1, sizeof(*t->config.providers));
	if (t->config.providers == NULL)
		return 503;
	if (now->provider_count > 0)
		memcpy(t->config.providers, now->providers, now->provider_count * sizeof(*p));
	p = &t->config.providers[which];
	if (which == now->provider_count) {
		*p = (struct provider){ .name = NOBODY, .merge = true, .first_number = 100 };
		t->config.provider_count++;
	}
	p->playlist = t->source;
	p->xtream = NULL;
	t->which = which;
	return 0;
}

int
trial_start(struct trial *t, const char *source, const char *provider, const char **why)
{
	bool file = source[0] == '/';
	struct url_parts parts;
	struct errand_file from = { 0, -1 };
	struct stat st;
	struct blob *job;
	int status, err;

	*why = "it is neither an http or https URL nor a file's absolute path";
	if (strlen(source) >= sizeof(t->source) || (!file && url_parse(&parts, source) != 0))
		return 400;
	*why = "another one runs, or a change is being put in force: try again";
	if (t->sup->imports.frozen || errand_runs(&t->errand) || (t->state != TRIAL_IDLE && t->state != TRIAL_DONE))
		return 409;
	snprintf(t->source, sizeof(t->source), "%s", source);
	if (file)
		snprintf(t->shown, sizeof(t->shown), "%s", source);
	else
		url_redact(t->shown, sizeof(t->shown), source);
	if (file) {
		/* A pipe or a device would have us wait for it. */
		from.fd = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		*why = from.fd == -1 ? strerror(errno) : "it is no file";
		if (from.fd == -1 || fstat(from.fd, &st) == -1 || !S_ISREG(st.st_mode)) {
			if (from.fd != -1)
				(void)close(from.fd);
			return 400;
		}
	}
	status = set_providers(t, provider);
	if (status == 0) {
		job = importjob_list(&t->config, &t->config.providers[t->which], NULL);
		err = job == NULL ? PB_ENOMEM
				  : errand_start(&t->errand, &t->sup->privs, job->data, job->len, NULL, 0, &from, file,
					IMPORTS_RUN_S);
		blob_drop(&job);
		status = err != 0 ? 503 : 200;
	}
	*why = status == 404 ? "there is no such provider" : "plexbridge-guide can't be started";
	if (from.fd != -1)
		(void)close(from.fd);
	if (status == 200) {
		t->ended = false;
		t->state = TRIAL_FETCHING;
		blob_drop(&t->result);
	} else
		let_go(t);
	return status;
}

struct blob *
trial_json(const struct trial *t)
{
	static const char *const names[] = { "idle", "fetching", "checking", "merging", "done" };
	struct text text = { 0 };

	if (t->state == TRIAL_DONE && t->result != NULL)
		return blob_ref(t->result);
	text_addf(&text, "{\"state\":\"%s\",\"bytes\":%llu,\"total\":%llu,\"entries\":%u}\n", names[t->state],
	    (unsigned long long)t->errand.at.bytes, (unsigned long long)t->errand.at.total, t->errand.at.entries);
	return text_blob(&text);
}

void
trial_cancel(struct trial *t)
{
	if (t->sup == NULL)
		return;
	t->ended = true;
	if (errand_runs(&t->errand))
		errand_kill(&t->errand);
	else if (t->state == TRIAL_CHECKING || t->state == TRIAL_MERGING)
		refuse(t, "the configuration was changed meanwhile: try again");
}

void
trial_end(struct trial *t)
{
	if (t->sup == NULL)
		return;
	trial_cancel(t);
	let_go(t);
	blob_drop(&t->result);
	t->state = TRIAL_IDLE;
}
