/*
 * page.c - the page at / (tuner.h)
 *
 * For the one who has just started PlexBridge: what to type where, and a
 * look at the channels. All in one document; nothing is fetched from
 * anywhere else.
 */
#include <string.h>

#include "base/pb.h"
#include "supervisor/text.h"
#include "supervisor/tuner.h"

static void add_channels(struct text *t, const struct lineup *lineup, const struct tuner_urls *urls);
static void add_link(struct text *t, const struct tuner_urls *urls, const char *path, const char *name);

static const char style[] =
    "<style>\n"
    ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#5a6370;--paper:#f6f7f9;--card:#fff;--line:#dde1e6;"
    "--mark:#b45309}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa3ae;--paper:#14171a;--card:#1d2126;"
    "--line:#333a42;--mark:#f0a23b}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:2rem 1rem 4rem;max-width:46rem;font:16px/1.5 system-ui,sans-serif;"
    "color:var(--ink);background:var(--paper)}\n"
    "h1{margin:0;font-size:1.6rem}h2{margin:2rem 0 .5rem;font-size:1.1rem}\n"
    "p,li{color:var(--soft)}a{color:var(--mark)}\n"
    ".card{padding:1rem 1.25rem;border:1px solid var(--line);border-radius:.6rem;background:var(--card)}\n"
    ".address{font:600 1.25rem ui-monospace,monospace;color:var(--ink);user-select:all;overflow-wrap:anywhere}\n"
    "table{width:100%;border-collapse:collapse}\n"
    "td{padding:.4rem .5rem;border-top:1px solid var(--line);overflow-wrap:anywhere}\n"
    "tr:first-child td{border-top:0}td:first-child{width:5rem;color:var(--soft)}\n"
    "</style>\n";

struct blob *
tuner_index_html(const struct tuner_info *info, const struct lineup *lineup, const struct tuner_urls *urls)
{
	struct text t = { 0 };

	text_add(&t,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
	text_add_xml(&t, info->name);
	text_add(&t, "</title>\n");
	text_add(&t, style);
	text_add(&t, "</head>\n<body>\n<h1>");
	text_add_xml(&t, info->name);
	text_addf(&t, "</h1>\n<p>A television tuner with %d tuner%s, device ", info->tuner_count,
	    info->tuner_count == 1 ? "" : "s");
	text_add_xml(&t, info->device->id_text);
	text_add(&t,
	    ".</p>\n"
	    "<h2>Watch it in Plex</h2>\n<div class=\"card\">\n"
	    "<p>The tuner's address, to type into Plex:</p>\n<p class=\"address\">");
	text_add_xml(&t, urls->base + strlen("http://"));
	text_add(&t,
	    "</p>\n<ol>\n"
	    "<li>In Plex, open Settings, then Live TV &amp; DVR, then Set up Plex Tuner.</li>\n"
	    "<li>If the tuner isn't in the list, enter its network address by hand: the one above.</li>\n"
	    "<li>Choose Cable as the source when asked, and confirm the channels.</li>\n"
	    "</ol>\n</div>\n"
	    "<h2>Watch it in anything else</h2>\n<div class=\"card\">\n"
	    "<p>Jellyfin and Emby take the same address as an HDHomeRun tuner. VLC, mpv and Kodi play the"
	    " links below, or ");
	add_link(&t, urls, "/lineup.m3u", "all channels as a playlist");
	text_add(&t, ".</p>\n</div>\n");
	add_channels(&t, lineup, urls);
	text_add(&t,
	    "<h2>See how it is</h2>\n<div class=\"card\">\n"
	    "<p><code>plexbridgectl status</code> on this machine shows streams, viewers and reserve; ");
	add_link(&t, urls, "/health", "health");
	text_add(&t, " and ");
	add_link(&t, urls, "/status.json", "tuners");
	text_add(&t, " are here.</p>\n</div>\n</body>\n</html>\n");
	return text_blob(&t);
}

/* To a document of this tuner: it may be one under a path. */
static void
add_link(struct text *t, const struct tuner_urls *urls, const char *path, const char *name)
{
	text_add(t, "<a href=\"");
	text_add_xml(t, urls->base);
	text_add(t, path);
	text_add(t, "\">");
	text_add(t, name);
	text_add(t, "</a>");
}

static void
add_channels(struct text *t, const struct lineup *lineup, const struct tuner_urls *urls)
{
	size_t shown;

	text_add(t, "<h2>Channels</h2>\n<div class=\"card\">\n");
	if (lineup == NULL || lineup->count == 0) {
		text_add(t, "<p>There are none yet.</p>\n</div>\n");
		return;
	}
	shown = PB_MIN(lineup->count, (size_t)TUNER_INDEX_CHANNELS);
	text_add(t, "<table>\n");
	for (size_t i = 0; i < shown; i++) {
		const struct channel *c = &lineup->channels[i];

		text_add(t, "<tr><td>");
		text_add_xml(t, c->guide_number);
		text_add(t, "</td><td><a href=\"");
		text_add_xml(t, urls->stream);
		text_add(t, "/auto/v");
		text_add_xml(t, c->guide_number);
		text_add(t, "\">");
		text_add_xml(t, c->name);
		text_add(t, "</a></td></tr>\n");
	}
	text_add(t, "</table>\n");
	if (shown < lineup->count) {
		text_addf(t, "<p>And %zu more: ", lineup->count - shown);
		add_link(t, urls, "/lineup.m3u", "all channels");
		text_add(t, ".</p>\n");
	}
	text_add(t, "</div>\n");
}
