/*
 * keyframe.c - how pictures are judged
 *
 * A wait is measured in pictures that came, not from its first to its
 * newest: the source's clock may jump meanwhile, to and fro.
 */
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/keyframe.h"

#define STEP_MAX_90K 90000 /* from a picture to the next; a longer step is a jump */
#define STEP_90K 3600 /* ...of which this much is believed */

void
keyframe_init(struct keyframe *k)
{
	memset(k, 0, sizeof(*k));
	k->wait_at = TS_NOTIME;
}

void
keyframe_wait(struct keyframe *k)
{
	k->wait_at = TS_NOTIME;
	k->waited_90k = 0;
}

void
keyframe_cut(struct keyframe *k)
{
	k->params_len = 0;
	k->lax = k->was_lax;
}

void
keyframe_forget(struct keyframe *k)
{
	k->was_lax = 0;
	keyframe_cut(k);
	keyframe_wait(k);
}

bool
keyframe_patient(const struct keyframe *k)
{
	return k->waited_90k <= KEYFRAME_PATIENCE_90K;
}

/* One more picture came that is no key frame, as far as is known. */
static void
count_wait(struct keyframe *k, int64_t raw_dts)
{
	int64_t step = k->wait_at != TS_NOTIME ? ts_diff(raw_dts, k->wait_at) : 0;

	if (k->wait_at != TS_NOTIME && (step <= 0 || step > STEP_MAX_90K))
		step = STEP_90K;
	k->wait_at = raw_dts;
	k->waited_90k = (uint32_t)PB_MIN(k->waited_90k + step, (int64_t)KEYFRAME_PATIENCE_90K + 1);
}

/* Put the parameter sets that this source sent last into a key frame without. */
static int
insert_params(const struct keyframe *k, struct unit *u, size_t at)
{
	size_t n = k->params_len;
	int err = unit_grow(u, n);

	if (err != 0)
		return err;
	memmove(u->buf + u->body + at + n, u->buf + u->body + at, u->len - u->body - at);
	memcpy(u->buf + u->body + at, k->params, n);
	u->len += n;
	return 0;
}

static void
keep_params(struct keyframe *k, const struct unit *u, const struct es_look *look)
{
	size_t n = 0;

	for (int i = 0; i < look->nparams; i++)
		n += look->param[i].len;
	k->params_len = 0;
	if (n > KEYFRAME_PARAMS_MAX)
		return;
	for (int i = 0; i < look->nparams; i++) {
		memcpy(k->params + k->params_len, unit_body(u) + look->param[i].at, look->param[i].len);
		k->params_len = (uint16_t)(k->params_len + look->param[i].len);
	}
}

int
keyframe_judge(struct keyframe *k, enum es_codec codec, struct unit *u, bool waiting)
{
	struct es_look look;

	es_look(codec, unit_body(u), unit_body_len(u), &look);
	if (look.params)
		keep_params(k, u, &look);
	if (waiting)
		count_wait(k, u->raw_dts);
	if (waiting && !look.key && look.entry && k->waited_90k > KEYFRAME_WAIT_90K)
		k->lax = k->was_lax = 1;
	u->key = look.key || (k->lax && look.entry);
	if (look.key)
		k->lax = 0;
	if (!u->key || look.params)
		return 0;
	if (k->params_len == 0) {
		u->key = false;
		return 0;
	}
	return insert_params(k, u, look.insert_at);
}

bool
keyframe_ok(const struct keyframe *k)
{
	if (k->wait_at != TS_NOTIME && (k->wait_at < 0 || k->wait_at >= TS_WRAP_90K))
		return false;
	return k->lax <= 1 && k->was_lax <= 1 && k->waited_90k <= KEYFRAME_PATIENCE_90K + 1 &&
	    k->params_len <= KEYFRAME_PARAMS_MAX;
}
