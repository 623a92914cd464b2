/*
 * upstream.h - what a stream's worker is told of its sources, and tells
 *
 * Beside the channel's url a worker is told its backups before the tune,
 * and which providers may not be asked at present. It asks for a slot before
 * it goes to a backup at another provider that counts streams, and says what
 * providers answered when they refuse. All that concerns streams of one
 * provider together is here; stream.c begins and ends them.
 *
 *   slot     of another provider than the channel's: at most one at a time,
 *            from S_SLOT until it's given back, or a worker goes on elsewhere.
 *            Between two workers it is the stream's, and it goes from one
 *            supervisor to the next as the channel's own does
 *   trust    what a worker says is bounded before it's believed
 *   blocking never
 */
#ifndef PLEXBRIDGE_SUPERVISOR_UPSTREAM_H
#define PLEXBRIDGE_SUPERVISOR_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "ipc/msg.h"
#include "supervisor/provider.h"
#include "supervisor/slot.h"

struct stream;
struct streams;

/* What a stream keeps for it. */
struct upstream {
	unsigned told; /* backups that its worker was told of */
	bool limits_due; /* it is to be told what providers allow */
	struct slot slot; /* of another provider; fd -1: none */
	bool slot_held; /* the holder has a copy of it */
	char provider[PROVIDER_NAME_SIZE]; /* whose that is */
	bool answer_due;
	struct msg_slot_answer answer;
};

/* What all streams know of providers. */
struct upstreams {
	struct provider_limit at[CONFIG_PROVIDERS_MAX];
	size_t count;
};

void upstream_init(struct upstream *up);

/* Before the tune: its backups, and limits in force. 0, or what worker_send() said: to be called again then. */
int upstream_tell_first(struct stream *s, uint32_t source_count);

/* What is due, as far as its channel takes it. */
void upstream_pay(struct stream *s);

/* Is nothing due to its worker? */
bool upstream_quiet(const struct upstream *up);

/* Its worker is dead: what it was told, the next one has to be. It keeps its slot. */
void upstream_reset(struct stream *s);

/* The next worker begins with that source: a slot that it has no use for is free. */
void upstream_begins_with(struct stream *s, unsigned source);

/* It has no worker, and needs no slot. */
void upstream_give_up(struct stream *s);

/* The slot that the last supervisor took for it, if there is one. */
void upstream_restore(struct stream *s);

/* Its worker asks for a slot, or gives one back; tells of a refusal. */
void upstream_wants_slot(struct stream *s, const struct msg_slot_want *want);
void upstream_hears(struct stream *s, const struct msg_limit_report *report);

/* Would its worker be told of other backups by the new configuration? */
bool upstream_is_other(
    const struct channel *channel, const struct config *old, const struct channel *now, const struct config *new);

/* What is known of that provider, NULL: nothing. */
const struct provider_limit *upstream_limit(const struct streams *all, const char *provider);

#endif
