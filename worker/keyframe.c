/*
 * keyframe.c - how pictures are judged
 */
#include <string.h>

#include "base/ts.h"
#include "worker/keyframe.h"

void
keyframe_init(struct keyframe *k)
{
	memset(k, 0, sizeof(*k));
	k->wait_from = TS_NOTIME;
}

void
keyframe_wait(struct keyframe *k)
{
	k->wait_from = TS_NOTIME;
}

void
keyframe_forget(struct keyframe *k)
{
	k->params_len = 0;
	k->lax = 0;
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
	if (waiting && k->wait_from == TS_NOTIME)
		k->wait_from = u->raw_dts;
	if (waiting && !look.key && look.entry && ts_diff(u->raw_dts, k->wait_from) > KEYFRAME_WAIT_90K)
		k->lax = 1;
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
	if (k->wait_from != TS_NOTIME && (k->wait_from < 0 || k->wait_from >= TS_WRAP_90K))
		return false;
	return k->lax <= 1 && k->params_len <= KEYFRAME_PARAMS_MAX;
}
