/*
 * judge.c - a weight for each side, and its sentence
 */
#include "ctl/judge.h"

#include <stdio.h>
#include <string.h>

#include "base/pb.h"

#define LEAST 2 /* seconds of trouble: less is no trouble */
#define DEATH_WEIGHT 8 /* seconds that a worker's death counts for */
#define UNACKED_MS 2000
#define SMALL 160

const char *
culprit_name(enum culprit culprit)
{
	static const char *const names[CULPRITS] = { "none", "source", "network-to-source", "bridge",
		"network-to-client", "client" };

	return names[culprit];
}

const char *
judge_code_text(int code)
{
	switch (code) {
	case TUNE_BUSY:
		return "the bridge is at its limit";
	case TUNE_IN_USE:
		return "that tuner is in use";
	case TUNE_NO_TUNER:
		return "all tuners, or all streams of the provider, are in use";
	case TUNE_FAILED:
		return "the source could not be tuned";
	case TUNE_NO_VIDEO:
		return "no picture came from the source";
	default:
		return "the tune failed";
	}
}

/* Who is to blame for a request that failed so. */
static enum culprit
blame(enum evidence_class c)
{
	return c == CLASS_NAME || c == CLASS_UNREACHABLE ? CULPRIT_NETWORK_TO_SOURCE : CULPRIT_SOURCE;
}

/* The class with the most seconds on that side; CLASSES: none. */
static enum evidence_class
worst_class(const struct evidence *e, enum culprit side)
{
	enum evidence_class worst = CLASSES;

	for (int c = 0; c < CLASSES; c++)
		if (e->failed[c].tries > 0 && blame((enum evidence_class)c) == side &&
		    (worst == CLASSES || e->failed[c].seconds > e->failed[worst].seconds))
			worst = (enum evidence_class)c;
	return worst;
}

/* What the failed requests of a class were like, with the numbers. */
static void
class_text(char *out, size_t size, const struct evidence *e, enum evidence_class c)
{
	static const char *const texts[CLASSES] = {
		[CLASS_NAME] = "the resolver had no address for %s",
		[CLASS_UNREACHABLE] = "nobody answered connections to %s",
		[CLASS_REFUSED] = "%s refused or reset connections",
		[CLASS_TLS] = "no TLS could be agreed with %s",
		[CLASS_SILENT] = "%s took connections and did not answer",
		[CLASS_STALLED] = "%s stopped sending in the middle of answers",
		[CLASS_CUT] = "%s ended answers before their end",
		[CLASS_STATUS] = "%s answered HTTP %d",
		[CLASS_REDIRECT] = "%s redirected in a circle or to nowhere",
		[CLASS_BODY] = "what %s sent is not what it should be",
	};
	const char *host = e->failed[c].host[0] != '\0' ? e->failed[c].host : "the source";
	char what[SMALL];

	if (c == CLASS_STATUS)
		snprintf(what, sizeof(what), "%.60s answered HTTP %d", host, e->failed[c].status);
	else {
		const char *mark = strstr(texts[c], "%s");

		snprintf(what, sizeof(what), "%.*s%.60s%s", (int)(mark - texts[c]), texts[c], host, mark + 2);
	}
	snprintf(out, size, "%s (%u %s failed in %u s, the last with: %.90s)", what, e->failed[c].tries,
	    e->failed[c].tries == 1 ? "try" : "tries", e->failed[c].seconds, e->failed[c].why);
}

/* What the viewers had of it. */
static void
harm_text(char *out, size_t size, const struct evidence *e)
{
	if (e->filler_s > 0)
		snprintf(out, size, "; the reserve was spent and viewers saw %u s of filler", e->filler_s);
	else if (e->underruns > 0)
		snprintf(
		    out, size, "; the reserve was spent %u %s", e->underruns, e->underruns == 1 ? "time" : "times");
	else if (e->reserve_known)
		snprintf(out, size, "; the reserve carried viewers over it (%.1f s were left at the least)",
		    e->reserve_ms_min / 1e3);
	else
		snprintf(out, size, "%s", "");
}

static unsigned
waited_s(const struct evidence *e)
{
	return e->waits[0].seconds + e->waits[1].seconds;
}

static unsigned
weigh_source(const struct evidence *e)
{
	unsigned n = e->bad_playlists * 2 + e->jumps * 3 + e->switches * 2 + e->doubts + 2 * e->frozen_all_s;

	for (int c = 0; c < CLASSES; c++)
		if (blame((enum evidence_class)c) == CULPRIT_SOURCE)
			n += e->failed[c].seconds * 2 +
			    (e->failed[c].tries - PB_MIN(e->failed[c].tries, e->failed[c].seconds));
	if (e->slow_s + waited_s(e) == 0) /* on a bad way it is the way that is silent */
		n += e->silent_all_s;
	return n;
}

static unsigned
weigh_network(const struct evidence *e)
{
	unsigned n =
	    (e->failed[CLASS_NAME].seconds + e->failed[CLASS_UNREACHABLE].seconds + waited_s(e)) * 3 + e->slow_s;

	/* What stalls on a way that loses packets, stalls because of it. */
	if (e->slow_s > 0)
		n += e->silent_all_s + 2 * e->frozen_all_s +
		    3 *
			(e->failed[CLASS_SILENT].seconds + e->failed[CLASS_STALLED].seconds +
			    e->failed[CLASS_CUT].seconds);
	return n;
}

static unsigned
weigh_bridge(const struct evidence *e)
{
	return e->deaths * DEATH_WEIGHT + e->poisoned * DEATH_WEIGHT + (e->undead ? 100 : 0);
}

/* A window that is shut, or a reader that pauses, is the client's; then what waits unacknowledged is no loss. */
static unsigned
weigh_client(const struct evidence *e)
{
	return e->paused_s * 2 + e->zero_window_s * 2 + (strcmp(e->close_why, "paused") == 0 ? 10 : 0);
}

static unsigned
weigh_network_to_client(const struct evidence *e)
{
	unsigned n = e->retransmit_s + (strcmp(e->close_why, "ghost") == 0 ? 30 : 0);

	if (e->zero_window_s == 0 && e->paused_s == 0)
		n += e->skips * 2 + (e->unacked_ms_max >= UNACKED_MS ? e->unacked_ms_max / 1000 : 0);
	return n;
}

static void
say_source(struct judgement *j, const struct evidence *e)
{
	enum evidence_class c = worst_class(e, CULPRIT_SOURCE);
	char what[SMALL * 2], harm[SMALL];

	harm_text(harm, sizeof(harm), e);
	if (e->jumps > 0 && e->bad_playlists <= e->jumps && e->frozen_all_s == 0 &&
	    (c == CLASSES || e->failed[c].seconds < 2))
		snprintf(what, sizeof(what), "its playlist began to count anew or left segments out, %u %s", e->jumps,
		    e->jumps == 1 ? "time" : "times");
	else if (c != CLASSES && e->failed[c].seconds * 2 >= e->bad_playlists)
		class_text(what, sizeof(what), e, c);
	else if (e->bad_playlists > 0)
		snprintf(what, sizeof(what), "what it sent could not be used, %u %s (%.120s)", e->bad_playlists,
		    e->bad_playlists == 1 ? "time" : "times", e->bad_why);
	else if (e->frozen_all_s > 0 && e->frozen_s > e->silent_s + 1)
		snprintf(what, sizeof(what), "its playlist stood still: no new segment for %u s, though it answered",
		    e->frozen_s);
	else if (e->silent_all_s > 0)
		snprintf(what, sizeof(what), "it sent nothing for %u s, on a way that is good (round trip %u ms)",
		    e->silent_s, e->rtt_ms_max);
	else
		snprintf(what, sizeof(what), "it was given up for another (%.120s)", e->doubt_why);
	snprintf(j->sentence, sizeof(j->sentence), "The source failed: %s%s.", what, harm);
	if (c == CLASS_STATUS && (e->failed[c].status == 401 || e->failed[c].status == 403))
		snprintf(
		    j->advice, sizeof(j->advice), "Is the account paid for and its address allowed? Ask the provider.");
	else if (c == CLASS_STATUS &&
	    (e->failed[c].status == 429 || e->failed[c].status == 458 || e->failed[c].status == 509))
		snprintf(j->advice, sizeof(j->advice),
		    "The provider says: too many streams. Set max_streams to what it allows.");
	else
		snprintf(j->advice, sizeof(j->advice),
		    "Give the channel a backup (backup1 = ...), or a larger reserve; tell the provider.");
}

static void
say_network(struct judgement *j, const struct evidence *e)
{
	enum evidence_class c = worst_class(e, CULPRIT_NETWORK_TO_SOURCE);
	bool waits_for_name = e->waits[0].ms_max > e->waits[1].ms_max;
	char what[SMALL * 2], harm[SMALL];

	harm_text(harm, sizeof(harm), e);
	if (c != CLASSES)
		class_text(what, sizeof(what), e, c);
	else if (waited_s(e) > e->slow_s)
		snprintf(what, sizeof(what),
		    waits_for_name ? "an address of %.60s took %.1f s" : "a connection to %.60s took %.1f s",
		    e->waits[!waits_for_name].host, e->waits[!waits_for_name].ms_max / 1e3);
	else
		snprintf(what, sizeof(what), "round trips of up to %u ms and a loss of up to %.1f %% in %u s",
		    e->rtt_ms_max, e->loss_permille_max / 10.0, e->slow_s);
	snprintf(j->sentence, sizeof(j->sentence), "The network between the bridge and the source failed: %s%s.", what,
	    harm);
	snprintf(j->advice, sizeof(j->advice),
	    c == CLASS_NAME || (c == CLASSES && waits_for_name)
		? "Look at the resolver (/etc/resolv.conf); plexbridgectl doctor measures it."
		: "Run plexbridgectl doctor: it measures the way to the sources.");
}

static void
say_bridge(struct judgement *j, const struct evidence *e)
{
	snprintf(j->sentence, sizeof(j->sentence),
	    "The bridge failed: %u %s died (%s); another went on %s%.1f ms later, and no connection was closed by it.",
	    e->deaths, e->deaths == 1 ? "worker" : "workers", e->death_why, e->deaths == 1 ? "" : "at most ",
	    e->handover_ms_max);
	if (e->undead)
		snprintf(j->sentence, sizeof(j->sentence),
		    "The bridge failed: a worker could not be killed, and its viewers had to be ended.");
	snprintf(j->advice, sizeof(j->advice),
	    e->poisoned > 0 ? "A segment crashed two workers and was left out: please report it with the log."
			    : "Unless somebody killed it: please report it with the log (event=worker.death).");
}

static void
say_network_to_client(struct judgement *j, const struct evidence *e)
{
	snprintf(j->sentence, sizeof(j->sentence),
	    "The network between the bridge and the client failed: %u segments were sent again in %u s, round trips "
	    "took up to "
	    "%u ms, and up to %.1f s passed without an acknowledgement%s.",
	    e->retransmits, e->retransmit_s, e->client_rtt_ms_max, e->unacked_ms_max / 1e3,
	    strcmp(e->close_why, "ghost") == 0 ? "; then its host was given up after 30 s without any" : "");
	snprintf(j->advice, sizeof(j->advice),
	    "Run plexbridgectl doctor --client %s; a cable instead of Wi-Fi mends most of it.",
	    e->close_peer[0] != '\0' ? e->close_peer : "ADDRESS");
}

static void
say_client(struct judgement *j, const struct evidence *e)
{
	if (strcmp(e->close_why, "paused") == 0)
		snprintf(j->sentence, sizeof(j->sentence),
		    "The client stopped reading: it acknowledged, but took nothing for so long that it was ended "
		    "(paused).");
	else
		snprintf(j->sentence, sizeof(j->sentence),
		    "The client did not read fast enough: its window was shut for %.1f s in all, it was paused for %u "
		    "s and up to "
		    "%.1f s behind.",
		    e->zero_window_ms / 1e3, e->paused_s, e->behind_ms_max / 1e3);
	snprintf(j->advice, sizeof(j->advice),
	    "Look at the media server: a paused viewer, a full disk for its transcoder, or a machine too slow for it.");
}

/* A client went, and nothing speaks against anybody else. */
static bool
say_closed(struct judgement *j, const struct evidence *e)
{
	static const struct {
		const char *why;
		enum culprit culprit;
		const char *text;
	} ends[] = {
		{ "gone", CULPRIT_CLIENT,
		    "The client closed its connection by itself; nothing was wrong with the stream" },
		{ "eof", CULPRIT_CLIENT,
		    "The client closed its connection by itself; nothing was wrong with the stream" },
		{ "client-gone", CULPRIT_CLIENT, "The client closed its connection before there was a picture" },
		{ "duration", CULPRIT_NONE, "The stream ended after the duration that the client had asked for" },
		{ "tuner-needed", CULPRIT_BRIDGE, "The bridge ended the stream: another viewer needed its tuner" },
	};

	for (size_t i = 0; e->closed > 0 && i < NITEMS(ends); i++) {
		if (strcmp(e->close_why, ends[i].why) != 0)
			continue;
		j->culprit = ends[i].culprit;
		snprintf(j->sentence, sizeof(j->sentence), "%s (%s, %u s of figures).", ends[i].text, e->close_peer,
		    e->seconds);
		return true;
	}
	return false;
}

/* These the bridge says before it asks any source. */
static bool
refused_by_bridge(int code)
{
	return code == TUNE_BUSY || code == TUNE_IN_USE || code == TUNE_NO_TUNER;
}

static void
say_tune(struct judgement *j, const struct evidence *e)
{
	const struct evidence_phases *p = &e->phases;
	enum evidence_class source = worst_class(e, CULPRIT_SOURCE),
			    network = worst_class(e, CULPRIT_NETWORK_TO_SOURCE);
	const char *why = e->tune_why[0] != '\0' && strcmp(e->tune_why, "source-failed") != 0 ? e->tune_why : p->why;

	if (refused_by_bridge(e->tune_code))
		j->culprit = CULPRIT_BRIDGE;
	else if (network != CLASSES && (source == CLASSES || weigh_network(e) > weigh_source(e)))
		j->culprit = CULPRIT_NETWORK_TO_SOURCE;
	else if (source == CLASSES && p->known && (strcmp(p->stuck, "dns") == 0 || strcmp(p->stuck, "tcp") == 0))
		/* Nobody answered yet, and no try was over yet. */
		j->culprit = CULPRIT_NETWORK_TO_SOURCE;
	else
		j->culprit = source == CLASSES && e->deaths > 0 ? CULPRIT_BRIDGE : CULPRIT_SOURCE;
	snprintf(j->sentence, sizeof(j->sentence), "The tune failed (%d: %s)%s%s%s%.300s%s.", e->tune_code,
	    judge_code_text(e->tune_code), p->known && p->stuck[0] != '-' && p->stuck[0] != '\0' ? ", stuck at " : "",
	    p->known && p->stuck[0] != '-' ? p->stuck : "", why[0] != '\0' ? ": " : "", why, "");
	if (j->culprit == CULPRIT_NETWORK_TO_SOURCE)
		snprintf(j->advice, sizeof(j->advice),
		    "Run plexbridgectl doctor: it measures the resolver and the way to sources.");
	else if (e->tune_code == TUNE_BUSY)
		snprintf(j->advice, sizeof(j->advice),
		    "Stop a channel, or raise memory in [server]: plexbridgectl status shows how much of it is in "
		    "use.");
	else if (e->tune_code == TUNE_NO_TUNER)
		snprintf(j->advice, sizeof(j->advice),
		    "Raise tuner_count, or the provider's max_streams if the account allows more.");
	else if (e->failed[CLASS_STATUS].status == 401 || e->failed[CLASS_STATUS].status == 403)
		snprintf(
		    j->advice, sizeof(j->advice), "Is the account paid for and its address allowed? Ask the provider.");
	else if (e->failed[CLASS_STATUS].status == 404 || e->failed[CLASS_STATUS].status == 410)
		snprintf(j->advice, sizeof(j->advice),
		    "The provider has moved or dropped the channel: renew the playlist or the url.");
	else if (j->culprit == CULPRIT_SOURCE)
		snprintf(j->advice, sizeof(j->advice),
		    "Try the url with plexbridge-worker --inspect; give the channel a backup.");
	else
		snprintf(j->advice, sizeof(j->advice), "The log says more.");
}

void
judge(struct judgement *j, const struct evidence *e)
{
	const unsigned weights[CULPRITS] = { 0, weigh_source(e), weigh_network(e), weigh_bridge(e),
		weigh_network_to_client(e), weigh_client(e) };
	static void (*const say[CULPRITS])(struct judgement *, const struct evidence *) = { NULL, say_source,
		say_network, say_bridge, say_network_to_client, say_client };

	memset(j, 0, sizeof(*j));
	if (e->tune_failed) {
		say_tune(j, e);
		return;
	}
	for (int c = 1; c < CULPRITS; c++)
		if (weights[c] >= LEAST && weights[c] > weights[j->culprit])
			j->culprit = (enum culprit)c;
	if (j->culprit != CULPRIT_NONE)
		say[j->culprit](j, e);
	else if (!say_closed(j, e))
		snprintf(j->sentence, sizeof(j->sentence),
		    e->seconds == 0 && e->closed == 0
			? "Nothing was recorded: the channel was not watched in this time."
			: "Nothing is wrong: %u s were recorded, without trouble on any side.",
		    e->seconds);
}
