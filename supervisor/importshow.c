/*
 * importshow.c - the lineup as the operator sees it (imports.h)
 */
#include "supervisor/imports.h"

#include "base/loop.h"
#include "base/pb.h"
#include "base/url.h"
#include "supervisor/importjob.h"
#include "supervisor/supervisor.h"
#include "supervisor/text.h"

static void
add_pair(struct text *t, const char *name, const char *value)
{
	if (value == NULL)
		return;
	text_add(t, ",\"");
	text_add(t, name);
	text_add(t, "\":");
	text_add_json(t, value);
}

static void
add_channel(const struct imports *im, struct text *t, const struct channel *ch)
{
	static const char *const hows[IMPORT_HOWS] = { "", "id", "tvg-id", "name" };
	const struct import_match *m = guides_match(&im->sup->guides, ch->guide_number);
	char logo[URL_MAX], id[LINEUP_ID_MAX];

	text_add(t, "{\"number\":");
	text_add_json(t, ch->guide_number);
	add_pair(t, "name", ch->name);
	text_add(t,
	    ch->line != 0      ? ",\"source\":\"config\""
		: ch->testcard ? ",\"source\":\"testcard\""
			       : ",\"source\":\"import\"");
	add_pair(t, "provider", ch->provider);
	add_pair(t, "group", ch->group);
	add_pair(t, "guide_id", channel_epg_id(&im->sup->config->lineup, ch, id));
	add_pair(t, "tvg_id", channel_guide_id(ch) != NULL ? channel_guide_id(ch) : ch->tvg_id);
	if (ch->logo != NULL)
		add_pair(t, "logo", url_redact(logo, sizeof(logo), ch->logo));
	if (m != NULL && m->how != IMPORT_UNMATCHED)
		text_addf(t, ",\"match\":\"%s\",\"programmes\":%u", hows[m->how], m->programmes);
	if (m != NULL && m->uncertain)
		text_add(t, ",\"uncertain\":true");
	text_addf(t, ",\"backups\":%u}", ch->backup_count);
}

static void
add_absent(const struct imports *im, struct text *t)
{
	bool first = true;

	for (uint32_t i = 0; i < journal_count(im->journal); i++) {
		if ((i < im->present_count && (im->present[i / 8] >> i % 8 & 1) != 0) ||
		    journal_number(im->journal, i)[0] == '\0')
			continue;
		text_add(t, first ? "\n{\"number\":" : ",\n{\"number\":");
		first = false;
		text_add_json(t, journal_number(im->journal, i));
		add_pair(t, "name", journal_name(im->journal, i));
		add_pair(t, "guide_id", journal_guide_id(im->journal, i));
		text_add(t, "}");
	}
}

static void
add_provider(const struct imports *im, struct text *t, size_t i)
{
	const struct import *at = &im->at[i];
	const struct list_head *head = at->list != NULL ? at->list->head : NULL;
	char source[512];

	text_add(t, "{\"name\":");
	text_add_json(t, at->name);
	add_pair(t, "source", importjob_source(source, sizeof(source), &im->sup->config->providers[i]));
	text_addf(t,
	    ",\"ok\":%s,\"entries\":%u,\"seen\":%u,\"wrong\":%u,\"vod\":%u,\"radio\":%u,\"unchosen\":%u,\"failures\":%"
	    "u",
	    at->good ? "true" : "false", head != NULL ? head->count : 0, head != NULL ? head->seen : 0,
	    head != NULL ? head->wrong : 0, head != NULL ? head->vod : 0, head != NULL ? head->radio : 0,
	    head != NULL ? head->unchosen : 0, at->failures);
	text_addf(t, ",\"good_at\":%lld,\"next_s\":%.0f", (long long)at->good_at,
	    PB_MAX(at->next_at - loop_now(im->sup->loop), 0.));
	add_pair(t, "account", head != NULL ? list_string(at->list, head->account) : NULL);
	if (head != NULL && head->max_connections > 0)
		text_addf(t, ",\"max_connections\":%u,\"active_connections\":%u", head->max_connections,
		    head->active_connections);
	if (head != NULL && head->expires_s > 0)
		text_addf(t, ",\"expires\":%llu", (unsigned long long)head->expires_s);
	add_pair(t, "error", at->why[0] != '\0' ? at->why : NULL);
	text_add(t, "}");
}

struct blob *
imports_json(const struct imports *im)
{
	const struct lineup *lineup = &im->sup->config->lineup;
	struct text t = { 0 };
	bool first = true;

	text_addf(&t, "{\"whole\":%s,\"count\":%zu", im->whole ? "true" : "false", lineup->count);
	add_pair(&t, "error", im->why[0] != '\0' ? im->why : NULL);
	text_add(&t, ",\"channels\":[");
	for (size_t i = 0; i < lineup->count; i++) {
		text_add(&t, i == 0 ? "\n" : ",\n");
		add_channel(im, &t, &lineup->channels[i]);
	}
	imports_rest(im);
	text_add(&t, "],\n\"absent\":[");
	add_absent(im, &t);
	text_add(&t, "],\n\"providers\":[");
	for (size_t i = 0; i < im->count; i++) {
		if (!provider_imports(&im->sup->config->providers[i]))
			continue;
		text_add(&t, first ? "\n" : ",\n");
		first = false;
		add_provider(im, &t, i);
	}
	text_add(&t, "],\n\"guides\":[");
	guides_show(&im->sup->guides, &t);
	text_add(&t, "]}\n");
	return text_blob(&t);
}
