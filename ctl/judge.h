/*
 * judge.h - which side failed: the verdict of plexbridgectl why
 *
 * Pure: counts in (ctl/evidence.h), a culprit, one sentence with its
 * evidence, and what to do about it out.
 *
 * Every side is weighed by the seconds in which something spoke against it.
 * The heaviest is the culprit; what is no trouble for any viewer (one retry)
 * weighs too little to be one. A client that went away by itself is the
 * culprit of nothing but its own end: only where nothing else is.
 */
#ifndef PLEXBRIDGE_CTL_JUDGE_H
#define PLEXBRIDGE_CTL_JUDGE_H

#include "ctl/evidence.h"

enum culprit {
	CULPRIT_NONE,
	CULPRIT_SOURCE,
	CULPRIT_NETWORK_TO_SOURCE,
	CULPRIT_BRIDGE,
	CULPRIT_NETWORK_TO_CLIENT,
	CULPRIT_CLIENT,
	CULPRITS
};

struct judgement {
	enum culprit culprit;
	char sentence[640];
	char advice[256]; /* "" when there is nothing to be done */
};

void judge(struct judgement *out, const struct evidence *evidence);

/* "none", "source", "network-to-source", "bridge", "network-to-client", "client". */
const char *culprit_name(enum culprit culprit);

/* What a code of X-HDHomeRun-Error means, in words. */
const char *judge_code_text(int code);

#endif
