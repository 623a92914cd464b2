/*
 * keyframe.h - where a decoder may begin, and what it needs there
 *
 * Looks at each picture of a source, in order, and decides. A key frame
 * that comes without parameter sets gets those that this source sent last;
 * a source without any key frame is believed its recovery points after
 * KEYFRAME_WAIT_90K of pictures, and from then on wherever its time or its
 * format jumps.
 *
 *   state      plain, for a snapshot
 *   trust      hostile bytes (worker/es.h reads them)
 */
#ifndef PLEXBRIDGE_WORKER_KEYFRAME_H
#define PLEXBRIDGE_WORKER_KEYFRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/es.h"
#include "worker/unit.h"

#define KEYFRAME_WAIT_90K (5 * 90000) /* then a recovery point must do */
#define KEYFRAME_PATIENCE_90K (2 * KEYFRAME_WAIT_90K) /* ...and one must have come by then */
#define KEYFRAME_PARAMS_MAX 640 /* parameter sets kept for a key frame without */

struct keyframe {
	int64_t wait_at; /* newest DTS seen while one is waited for, 33 bits; TS_NOTIME */
	uint16_t params_len;
	uint8_t lax; /* recovery points count: this source has no other */
	uint8_t was_lax; /* ...at some time */
	uint32_t waited_90k; /* so long the pictures were that came meanwhile */
	uint8_t params[KEYFRAME_PARAMS_MAX];
};

void keyframe_init(struct keyframe *k);

/* A wait for a key frame begins. */
void keyframe_wait(struct keyframe *k);

/* The same source after a cut of its own: its parameter sets may be others, its habits are not. */
void keyframe_cut(struct keyframe *k);

/* Another source: its parameter sets and its habits are its own. */
void keyframe_forget(struct keyframe *k);

/* Is it too early to say that no key frame comes? */
bool keyframe_patient(const struct keyframe *k);

/*
 * Decide about u: sets u->key, and puts parameter sets into u when it lacks
 * them. waiting: nothing goes on before a key frame. 0; PB_ELIMIT when u
 * has no room for them, PB_ENOMEM.
 */
int keyframe_judge(struct keyframe *k, enum es_codec codec, struct unit *u, bool waiting);

/* Is this a state to go on from? For states from outside. */
bool keyframe_ok(const struct keyframe *k);

#endif
