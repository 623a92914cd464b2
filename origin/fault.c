/*
 * fault.c - a table of faults, a list of rules
 */
#include "origin/fault.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/pb.h"

#define SPEC_MAX 1024
#define DEFAULT_HUGE ((double)(64 << 20))
#define VALUE_MAX 1e12

enum what {
	STATUS,
	STALL_HEAD,
	STALL_BODY,
	TRUNCATE,
	DRIP,
	LATENCY,
	CONNECT_LATENCY,
	REFUSE,
	CLOSE,
	FROZEN,
	RESET,
	BACK,
	HTML,
	EMPTY,
	BINARY,
	ENDLESS,
	HUGE_BODY,
	REDIRECT_LOOP,
	LENGTH_SHORT,
	LENGTH_LONG,
	NOT_TS,
	CUT,
	BAD_KEY,
	LONG_LOCATION,
	RANGE_IGNORED,
	RANGE_OTHER,
	CLOCK_STANDS,
	NO_VIDEO,
	NO_AUDIO,
	REPEAT,
	NARROW,
	LIMIT,
	STUCK,
	ENDLIST,
};

/* Name, the value when none is given (-1: one must be), the kinds it makes sense for. */
#define ANSWERS (FAULT_MASTER | FAULT_MEDIA | FAULT_SEGMENT | FAULT_KEY | FAULT_LIVE)
static const struct {
	const char *name;
	double value;
	unsigned int kinds;
} faults_known[] = {
	[STATUS] = { "status", -1, ANSWERS },
	[STALL_HEAD] = { "stall-head", 0, ANSWERS },
	[STALL_BODY] = { "stall-body", 0, ANSWERS },
	[TRUNCATE] = { "truncate", 0, ANSWERS },
	[DRIP] = { "drip", -1, ANSWERS },
	[LATENCY] = { "latency", -1, ANSWERS },
	[CONNECT_LATENCY] = { "connect-latency", -1, FAULT_CONNECTION },
	[REFUSE] = { "refuse", 0, FAULT_CONNECTION },
	[CLOSE] = { "close", 0, FAULT_LISTENER },
	[FROZEN] = { "frozen", 0, FAULT_MEDIA },
	[RESET] = { "reset", 0, FAULT_MEDIA },
	[BACK] = { "back", 1, FAULT_MEDIA },
	[HTML] = { "html", 0, ANSWERS },
	[EMPTY] = { "empty", 0, ANSWERS },
	[BINARY] = { "binary", 0, ANSWERS },
	[ENDLESS] = { "endless", 0, ANSWERS },
	[HUGE_BODY] = { "huge", DEFAULT_HUGE, ANSWERS },
	[REDIRECT_LOOP] = { "redirect-loop", 0, ANSWERS },
	[LENGTH_SHORT] = { "length-short", 1000, ANSWERS },
	[LENGTH_LONG] = { "length-long", 1000, ANSWERS },
	[NOT_TS] = { "not-ts", 0, FAULT_SEGMENT | FAULT_LIVE },
	[CUT] = { "cut", -1, ANSWERS },
	[BAD_KEY] = { "bad-key", 15, FAULT_KEY },
	[LONG_LOCATION] = { "long-location", 100000, ANSWERS },
	[RANGE_IGNORED] = { "range-ignored", 0, FAULT_SEGMENT },
	[RANGE_OTHER] = { "range-other", 0, FAULT_SEGMENT },
	[CLOCK_STANDS] = { "clock-stands", 0, FAULT_SEGMENT },
	[NO_VIDEO] = { "no-video", 0, FAULT_SEGMENT },
	[NO_AUDIO] = { "no-audio", 0, FAULT_SEGMENT },
	[REPEAT] = { "repeat", 0, FAULT_SEGMENT },
	[NARROW] = { "narrow", -1, ANSWERS },
	[LIMIT] = { "limit", 1, ANSWERS },
	[STUCK] = { "stuck", 0, FAULT_MEDIA },
	[ENDLIST] = { "endlist", 0, FAULT_MEDIA },
};

static const struct {
	const char *name;
	unsigned int kinds;
} kinds_known[] = {
	{ "master", FAULT_MASTER },
	{ "media", FAULT_MEDIA },
	{ "playlist", FAULT_MASTER | FAULT_MEDIA },
	{ "segment", FAULT_SEGMENT },
	{ "key", FAULT_KEY },
	{ "live", FAULT_LIVE },
	{ "connection", FAULT_CONNECTION },
	{ "listener", FAULT_LISTENER },
	{ "any", ANSWERS | FAULT_CONNECTION | FAULT_LISTENER },
};

struct rule {
	TAILQ_ENTRY(rule) next;
	char channel[CHANNEL_NAME]; /* "" for every channel */
	unsigned int kinds;
	enum what what;
	double value;
	double since;
	double until; /* 0: until it is cleared */
	uint64_t count; /* requests left; 0 with has_count: over */
	bool has_count;
	uint64_t skip; /* requests to let pass first */
	bool has_k;
	uint64_t k;
	bool has_variant;
	unsigned int variant;
	uint16_t port; /* 0: any */
	uint32_t hold_ms;
	uint32_t after_s; /* of Retry-After */
	unsigned int way; /* of narrow: each rule is one of its own */
};

TAILQ_HEAD(rules, rule);

struct faults {
	struct rules rules;
	size_t count;
	unsigned int ways; /* ever */
};

int
faults_new(struct faults **out)
{
	struct faults *faults = calloc(1, sizeof(*faults));

	if (faults == NULL)
		return PB_ENOMEM;
	TAILQ_INIT(&faults->rules);
	*out = faults;
	return 0;
}

static void
drop(struct faults *faults, struct rule *rule)
{
	TAILQ_REMOVE(&faults->rules, rule, next);
	faults->count--;
	free(rule);
}

void
faults_free(struct faults **faults)
{
	if (*faults != NULL) {
		faults_clear(*faults, NULL, 0);
		free(*faults);
	}
	*faults = NULL;
}

unsigned int
fault_kind_parse(const char *name)
{
	for (size_t i = 0; i < NITEMS(kinds_known); i++)
		if (strcmp(kinds_known[i].name, name) == 0)
			return kinds_known[i].kinds;
	return 0;
}

const char *
fault_kind_name(unsigned int kind)
{
	for (size_t i = 0; i < NITEMS(kinds_known); i++)
		if (kinds_known[i].kinds == kind)
			return kinds_known[i].name;
	return "none";
}

static int
fault_parse(const char *name)
{
	for (size_t i = 0; i < NITEMS(faults_known); i++)
		if (strcmp(faults_known[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int
read_pair(struct rule *rule, int *what, const char *name, const char *value, double now)
{
	char *end;
	double number;

	if (strcmp(name, "channel") == 0)
		return strlcpy(rule->channel, strcmp(value, "*") == 0 ? "" : value, sizeof(rule->channel)) <
			sizeof(rule->channel)
		    ? 0
		    : PB_EFORMAT;
	if (strcmp(name, "kind") == 0) {
		rule->kinds = fault_kind_parse(value);
		return rule->kinds == 0 ? PB_EFORMAT : 0;
	}
	if (strcmp(name, "fault") == 0) {
		*what = fault_parse(value);
		return *what == -1 ? PB_EFORMAT : 0;
	}
	errno = 0;
	number = strtod(value, &end);
	if (end == value || *end != '\0' || errno != 0 || !(number >= 0 && number <= VALUE_MAX))
		return PB_EFORMAT;
	if (strcmp(name, "value") == 0) {
		rule->value = number;
	} else if (strcmp(name, "for") == 0) {
		rule->until = now + number;
	} else if (strcmp(name, "count") == 0) {
		rule->has_count = true;
		rule->count = (uint64_t)number;
	} else if (strcmp(name, "skip") == 0) {
		rule->skip = (uint64_t)number;
	} else if (strcmp(name, "segment") == 0) {
		rule->has_k = true;
		rule->k = (uint64_t)number;
	} else if (strcmp(name, "variant") == 0) {
		rule->has_variant = true;
		rule->variant = (unsigned int)PB_MIN(number, 1e6);
	} else if (strcmp(name, "port") == 0) {
		rule->port = (uint16_t)PB_MIN(number, 65535.0);
	} else if (strcmp(name, "after") == 0) {
		rule->after_s = (uint32_t)PB_MIN(number, 4e9);
	} else if (strcmp(name, "hold") == 0) {
		rule->hold_ms = (uint32_t)PB_MIN(number, 4e9);
	} else {
		return PB_NO;
	}
	return 0;
}

int
faults_add(struct faults *faults, const char *spec, double now, char *why, size_t size)
{
	struct rule rule;
	struct rule *kept;
	char copy[SPEC_MAX];
	char *at = copy;
	char *pair;
	int what = -1;

	memset(&rule, 0, sizeof(rule));
	rule.value = -1;
	rule.since = now;
	if (faults->count == FAULTS_MAX || strlcpy(copy, spec, sizeof(copy)) >= sizeof(copy)) {
		snprintf(why, size, "too many faults, or too long a one");
		return PB_ELIMIT;
	}
	while ((pair = strsep(&at, ",&")) != NULL) {
		char *value = strchr(pair, '=');

		if (*pair == '\0')
			continue;
		if (value != NULL)
			*value++ = '\0';
		if (value == NULL || read_pair(&rule, &what, pair, value, now) != 0) {
			snprintf(why, size, "%s=%s: not understood", pair, value == NULL ? "" : value);
			return PB_EFORMAT;
		}
	}
	if (what == -1) {
		snprintf(why, size, "fault= is missing");
		return PB_EFORMAT;
	}
	rule.what = (enum what)what;
	rule.way = faults->ways++ % FAULTS_MAX;
	if (rule.value < 0)
		rule.value = faults_known[what].value;
	if (rule.value < 0) {
		snprintf(why, size, "%s needs value=", faults_known[what].name);
		return PB_EFORMAT;
	}
	if (rule.what == STATUS && (rule.value < 200 || rule.value > 599)) {
		snprintf(why, size, "value=%g is no status", rule.value);
		return PB_EFORMAT;
	}
	/* Without a kind: all that it can be done to. With one: never a fault that would not happen. */
	rule.kinds = rule.kinds == 0 ? faults_known[what].kinds : rule.kinds & faults_known[what].kinds;
	if (rule.kinds == 0) {
		snprintf(why, size, "%s can't be done to that kind", faults_known[what].name);
		return PB_EFORMAT;
	}
	kept = malloc(sizeof(*kept));
	if (kept == NULL)
		return PB_ENOMEM;
	*kept = rule;
	TAILQ_INSERT_TAIL(&faults->rules, kept, next);
	faults->count++;
	return 0;
}

void
faults_clear(struct faults *faults, const char *channel, unsigned int kind)
{
	struct rule *rule;
	struct rule *next;

	for (rule = TAILQ_FIRST(&faults->rules); rule != NULL; rule = next) {
		next = TAILQ_NEXT(rule, next);
		if (channel != NULL && strcmp(channel, rule->channel) != 0)
			continue;
		if (kind != 0 && (rule->kinds & kind) == 0)
			continue;
		drop(faults, rule);
	}
}

static void
apply(const struct rule *rule, struct fault_plan *plan)
{
	int64_t n = (int64_t)rule->value;

	switch (rule->what) {
	case STATUS:
		plan->status = (int)n;
		plan->retry_after_s = rule->after_s;
		break;
	case STALL_HEAD:
		plan->stall_head = true;
		/* Its value may be given either way. */
		plan->hold_ms = rule->hold_ms != 0 ? rule->hold_ms : (uint32_t)PB_MIN(n, UINT32_MAX);
		break;
	case STALL_BODY:
		plan->stall_at = n;
		plan->hold_ms = rule->hold_ms;
		break;
	case TRUNCATE:
		plan->truncate_at = n;
		break;
	case DRIP:
		plan->drip_bps = (uint64_t)PB_MAX(n, 1);
		break;
	case LATENCY:
	case CONNECT_LATENCY:
		plan->delay_ms += (uint32_t)PB_MIN(n, 3600000);
		break;
	case REFUSE:
		plan->refuse = true;
		break;
	case CLOSE:
		plan->close_listener = true;
		break;
	case FROZEN:
		plan->lie.at = rule->since;
		break;
	case RESET:
		plan->lie.reset = true;
		plan->lie.reset_at = rule->since;
		plan->lie.reset_base = (uint64_t)n;
		break;
	case BACK:
		plan->lie.back = (unsigned int)PB_MIN(n, 1000000);
		break;
	case HTML:
		plan->body = FAULT_BODY_HTML;
		break;
	case EMPTY:
		plan->body = FAULT_BODY_EMPTY;
		break;
	case BINARY:
		plan->body = FAULT_BODY_BINARY;
		break;
	case ENDLESS:
		plan->body = FAULT_BODY_ENDLESS;
		break;
	case HUGE_BODY:
		plan->body = FAULT_BODY_HUGE;
		plan->body_len = (size_t)n;
		break;
	case REDIRECT_LOOP:
		plan->redirect_loop = true;
		break;
	case LENGTH_SHORT:
		plan->length_delta -= n;
		plan->hold_ms = rule->hold_ms;
		break;
	case LENGTH_LONG:
		plan->length_delta += n;
		break;
	case NOT_TS:
		plan->body = FAULT_BODY_NOT_TS;
		break;
	case CUT:
		plan->cut_at = n;
		break;
	case BAD_KEY:
		plan->body = FAULT_BODY_KEY;
		plan->body_len = (size_t)PB_MIN(n, 65536);
		break;
	case LONG_LOCATION:
		plan->location_len = (size_t)PB_MIN(n, 16 << 20);
		break;
	case RANGE_IGNORED:
		plan->range_ignored = true;
		break;
	case RANGE_OTHER:
		plan->range_other = true;
		break;
	case CLOCK_STANDS:
		plan->clock_stands = true;
		break;
	case NO_VIDEO:
		plan->no_video = true;
		break;
	case NO_AUDIO:
		plan->no_audio = true;
		break;
	case REPEAT:
		plan->repeat_at = rule->since;
		break;
	case NARROW:
		plan->narrow_bps = (uint64_t)PB_MAX(n, 1);
		plan->narrow_way = rule->way;
		break;
	case LIMIT:
		plan->limit = (unsigned int)PB_MIN(n, 1000000);
		break;
	case STUCK:
		plan->stuck_at = rule->since;
		break;
	case ENDLIST:
		plan->lie.endlist = true;
		break;
	}
}

static bool
matches(const struct rule *rule, const struct fault_request *request)
{
	if ((rule->kinds & request->kind) == 0)
		return false;
	if (rule->channel[0] != '\0' && (request->kind & ANSWERS) != 0 && strcmp(rule->channel, request->channel) != 0)
		return false;
	if (rule->port != 0 && rule->port != request->port)
		return false;
	if (rule->has_k && (!request->has_k || request->k != rule->k))
		return false;
	return !rule->has_variant || request->variant == rule->variant;
}

void
faults_plan(struct faults *faults, const struct fault_request *request, double now, struct fault_plan *plan)
{
	struct rule *rule;
	struct rule *next;

	memset(plan, 0, sizeof(*plan));
	plan->stall_at = -1;
	plan->truncate_at = -1;
	plan->cut_at = -1;
	for (rule = TAILQ_FIRST(&faults->rules); rule != NULL; rule = next) {
		next = TAILQ_NEXT(rule, next);
		if ((rule->until != 0 && now >= rule->until) || (rule->has_count && rule->count == 0)) {
			drop(faults, rule);
			continue;
		}
		if (!matches(rule, request))
			continue;
		if (rule->skip > 0) {
			rule->skip--;
			continue;
		}
		if (rule->has_count)
			rule->count--;
		apply(rule, plan);
	}
}
