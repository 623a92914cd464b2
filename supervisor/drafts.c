/*
 * drafts.c - a slice of a document a turn
 */
#include "supervisor/drafts.h"

#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "supervisor/supervisor.h"

#define SLICE_CHANNELS 4000 /* some 2 ms */

static void
stop(struct drafts *d)
{
	ev_timer_stop(d->sup->loop, &d->work);
	tuner_draft_drop(&d->draft);
	d->unit = NULL;
}

static void
give_back(struct drafts *d)
{
	for (size_t i = 0; i < d->count; i++)
		http_adopt(d->sup->http, d->waiting[i].fd);
	d->count = 0;
}

/* Given back, they would only ask for it again. */
static void
refuse(struct drafts *d)
{
	for (size_t i = 0; i < d->count; i++)
		http_return(d->sup->http, &d->waiting[i], 503, "Retry-After: 1\r\n");
	d->count = 0;
}

static void
on_work(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct drafts *d = timer->data;
	struct unit *unit = d->unit;
	struct blob *blob = NULL;
	int err;

	(void)events;
	if (unit->updates != d->updates) {
		drafts_release(d);
		return;
	}
	err = tuner_draft_write(&d->draft, SLICE_CHANNELS, &blob);
	if (err == PB_AGAIN) {
		ev_timer_set(timer, 0., 0.);
		ev_timer_start(loop, timer);
		return;
	}
	imports_rest(&d->sup->imports);
	if (err == 0) {
		tuner_cache_put(&unit->cache, d->draft.kind, d->draft.base, blob);
		blob_drop(&blob);
		drafts_release(d);
		return;
	}
	log_event(LOG_ERR, "lineup.unwritten", "device=%s channels=%zu why=\"no memory\"", unit->device.id_text,
	    unit->lineup.count);
	stop(d);
	refuse(d);
}

void
drafts_init(struct drafts *drafts, struct supervisor *sup)
{
	drafts->sup = sup;
	drafts->unit = NULL;
	drafts->count = 0;
	ev_timer_init(&drafts->work, on_work, 0., 0.);
	drafts->work.data = drafts;
}

bool
drafts_wait(
    struct drafts *drafts, struct unit *unit, enum tuner_lineup_kind kind, const char *base, struct http_conn *conn)
{
	if (drafts->count == DRAFTS_WAITING)
		return false;
	http_take(conn, &drafts->waiting[drafts->count++]);
	if (drafts->unit == NULL) {
		drafts->unit = unit;
		drafts->updates = unit->updates;
		tuner_draft_begin(&drafts->draft, &unit->lineup, kind, base);
		ev_timer_start(drafts->sup->loop, &drafts->work);
	}
	return true;
}

void
drafts_release(struct drafts *drafts)
{
	stop(drafts);
	give_back(drafts);
}

void
drafts_end(struct drafts *drafts)
{
	stop(drafts);
	for (size_t i = 0; i < drafts->count; i++)
		(void)close(drafts->waiting[i].fd);
	drafts->count = 0;
}
