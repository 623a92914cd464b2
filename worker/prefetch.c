/*
 * prefetch.c - a short queue; the first flows, the others fill
 *
 * What is kept of a segment behind the first lies in blocks of its own
 * mapping, so that the memory goes back when the start is over: in its
 * steady state a worker at the live edge keeps nothing at all.
 *
 * Bytes are decrypted only when they are handed on. So there is one path
 * for them, and whether there is room is asked before: decrypted bytes
 * can't be given back.
 */
#include "worker/prefetch.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "worker/decrypt.h"

#define BLOCK ((size_t)256 << 10)
#define PIECE ((size_t)65536) /* decrypted at once */
#define FIRST_BYTES ((size_t)512) /* of ciphertext, before a key is judged */
#define DEADLINE_MIN_S 3.
#define HEDGE_LEAST_MS 1000 /* twice what even a short segment is waited for, before its source is known */
#define AGAIN_S 0.3 /* before a useless segment is fetched once more; doubles */
#define AGAIN_MAX_S 2.
#define AGAIN_TUNING 1 /* times, while a tune waits for its first picture */
#define DEADLINE_EARLY_S 2.
#define BEHIND_S 1. /* what is there is kept back for so long at least: the one before has the way for itself now */
#define DRY_MS 600 /* with less in hand the picture stands, or will in a moment: filler is some 500 ms ahead */

/* Bytes that came before their turn. */
struct block {
	TAILQ_ENTRY(block) entry;
	size_t len, at;
	uint8_t data[];
};
#define BLOCK_DATA (BLOCK - sizeof(struct block))

struct segment {
	TAILQ_ENTRY(segment) entry;
	struct prefetch *all;
	struct source_segment info; /* url and key_url in it are ours */
	enum { WAITING, FLOWING, WHOLE, LOST } state;
	struct fetch *fetch;
	bool begun; /* ops->begin was called */
	bool paused; /* its fetch waits for fetch_resume() */
	bool truncated;
	bool rekeyed; /* its key was fetched a second time */
	bool refused; /* its bytes are of no use; who takes them knows why */
	unsigned again; /* times it was fetched anew for that */
	ev_tstamp not_before; /* the next time */
	ev_tstamp deadline, due; /* as of the first time; 0: not yet asked for. due: while a tune waits, too */
	ev_tstamp whole_at;
	int status;
	char reason[FETCH_REASON_MAX];
	struct decrypt *decrypt;
	TAILQ_HEAD(blocks, block) blocks;
	size_t kept;
};

struct prefetch {
	TAILQ_HEAD(segments, segment) queue;
	size_t count;
	struct ev_loop *loop;
	struct fetch_pool *pool;
	const struct msg_tune *tune;
	struct state *state;
	const struct prefetch_ops *ops;
	void *arg;
	struct decrypt_keys keys;
	struct fetch *key_fetch; /* one at a time */
	char key_url[URL_MAX];
	size_t kept;
	uint32_t depth; /* so many at once */
	uint32_t deeper; /* so many more */
	uint32_t most; /* but no more than these; 0: no bound */
	ev_tstamp tuning;
	ev_timer turn; /* goes on with what is ready, in the next turn */
	ev_timer later; /* for the first segment's not_before */
	bool pumping;
	uint8_t *plain; /* PIECE + DECRYPT_SLACK, once something is encrypted */
};

static void pump(struct prefetch *p);
static bool key_is_known(struct segment *seg);

static void
prefetch_turn(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	pump(w->data);
}

static void
turn_again(struct prefetch *p)
{
	if (ev_is_active(&p->turn))
		return;
	ev_timer_set(&p->turn, 0., 0.);
	ev_timer_start(p->loop, &p->turn);
}

int
prefetch_new(struct prefetch **out, struct ev_loop *loop, struct fetch_pool *pool, const struct msg_tune *tune,
    struct state *state, const struct prefetch_ops *ops, void *arg)
{
	struct prefetch *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return PB_ENOMEM;
	TAILQ_INIT(&p->queue);
	p->loop = loop;
	p->pool = pool;
	p->tune = tune;
	p->state = state;
	p->depth = PB_MAX(tune->settings.prefetch, 1u);
	p->ops = ops;
	p->arg = arg;
	ev_init(&p->turn, prefetch_turn);
	ev_init(&p->later, prefetch_turn);
	p->turn.data = p->later.data = p;
	*out = p;
	return 0;
}

static void
drop_blocks(struct segment *seg)
{
	struct block *b;

	while ((b = TAILQ_FIRST(&seg->blocks)) != NULL) {
		TAILQ_REMOVE(&seg->blocks, b, entry);
		munmap(b, BLOCK);
	}
	seg->all->kept -= seg->kept;
	seg->kept = 0;
}

/* Out of the queue; its info stays valid until segment_free(). */
static void
segment_leave(struct segment *seg)
{
	fetch_cancel(&seg->fetch);
	drop_blocks(seg);
	decrypt_free(&seg->decrypt);
	TAILQ_REMOVE(&seg->all->queue, seg, entry);
	seg->all->count--;
}

static void
segment_free(struct segment *seg)
{
	free((char *)(uintptr_t)seg->info.url);
	free((char *)(uintptr_t)seg->info.key_url);
	free(seg);
}

void
prefetch_clear(struct prefetch *p)
{
	struct segment *seg;

	fetch_cancel(&p->key_fetch);
	while ((seg = TAILQ_FIRST(&p->queue)) != NULL) {
		segment_leave(seg);
		segment_free(seg);
	}
}

/* All from that one on; gives their length. */
static uint64_t
drop_from(struct segment *seg)
{
	struct segment *next;
	uint64_t ms = 0;

	for (; seg != NULL; seg = next) {
		next = TAILQ_NEXT(seg, entry);
		ms += seg->info.duration_ms;
		segment_leave(seg);
		segment_free(seg);
	}
	return ms;
}

uint64_t
prefetch_drop_rest(struct prefetch *p)
{
	struct segment *seg = TAILQ_FIRST(&p->queue);

	while (seg != NULL && seg->state == WHOLE && key_is_known(seg))
		seg = TAILQ_NEXT(seg, entry);
	fetch_cancel(&p->key_fetch);
	return drop_from(seg);
}

uint64_t
prefetch_drop_waiting(struct prefetch *p, uint64_t *ms)
{
	struct segment *seg = TAILQ_FIRST(&p->queue);
	uint64_t serial;

	while (seg != NULL && (seg->begun || seg->state == WHOLE || seg->state == LOST))
		seg = TAILQ_NEXT(seg, entry);
	serial = seg != NULL ? seg->info.serial : UINT64_MAX;
	*ms = drop_from(seg);
	return serial;
}

void
prefetch_free(struct prefetch **prefetch)
{
	struct prefetch *p = *prefetch;

	if (p == NULL)
		return;
	prefetch_clear(p);
	ev_timer_stop(p->loop, &p->turn);
	ev_timer_stop(p->loop, &p->later);
	decrypt_keys_clear(&p->keys);
	free(p->plain);
	free(p);
	*prefetch = NULL;
}

bool
prefetch_room(const struct prefetch *p)
{
	return p->count < PREFETCH_QUEUE;
}

bool
prefetch_empty(const struct prefetch *p)
{
	return p->count == 0;
}

void
prefetch_tuning(struct prefetch *p, ev_tstamp until)
{
	p->tuning = until;
}

void
prefetch_deepen(struct prefetch *p, uint32_t more)
{
	p->deeper = more;
}

void
prefetch_most(struct prefetch *p, uint32_t most)
{
	p->most = most;
}

static bool
is_first(const struct segment *seg)
{
	return TAILQ_FIRST(&seg->all->queue) == seg;
}

static bool
key_is_known(struct segment *seg)
{
	return seg->info.key_url == NULL || seg->decrypt != NULL ||
	    decrypt_keys_get(&seg->all->keys, seg->info.key_url) != NULL;
}

/* Keep bytes for later. */
static int
keep(struct segment *seg, const uint8_t *buf, size_t len)
{
	while (len > 0) {
		struct block *b = TAILQ_LAST(&seg->blocks, blocks);
		size_t n;

		if (b == NULL || b->len == BLOCK_DATA) {
			b = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (b == MAP_FAILED)
				return PB_ENOMEM;
			b->len = b->at = 0;
			TAILQ_INSERT_TAIL(&seg->blocks, b, entry);
		}
		n = PB_MIN(len, BLOCK_DATA - b->len);
		memcpy(b->data + b->len, buf, n);
		b->len += n;
		buf += n;
		len -= n;
		seg->kept += n;
		seg->all->kept += n;
	}
	return 0;
}

/*
 * What came is of no use: an error page with 200, nothing at all. Fetch it
 * once more in a moment, if there is time. false: there is none.
 */
static bool
fetch_again(struct segment *seg)
{
	struct prefetch *p = seg->all;
	double pause = AGAIN_S;

	for (unsigned n = 0; n < seg->again && pause < AGAIN_MAX_S; n++)
		pause *= 2;
	pause = PB_MIN(pause, AGAIN_MAX_S);
	if (loop_now(p->loop) + pause >= seg->deadline || (p->tuning > 0 && seg->again >= AGAIN_TUNING))
		return false;
	fetch_cancel(&seg->fetch);
	drop_blocks(seg);
	decrypt_free(&seg->decrypt);
	seg->again++;
	seg->not_before = loop_now(p->loop) + pause;
	seg->state = WAITING;
	seg->begun = seg->refused = seg->truncated = false;
	ev_timer_stop(p->loop, &p->later);
	ev_timer_set(&p->later, pause, 0.);
	ev_timer_start(p->loop, &p->later);
	return true;
}

static void
give_up(struct segment *seg, int status, const char *reason)
{
	fetch_cancel(&seg->fetch);
	seg->state = LOST;
	seg->status = status;
	strlcpy(seg->reason, reason, sizeof(seg->reason));
	drop_blocks(seg);
}

/* What came out of this key is no media. The key may have changed under its URL: once more, from the start. */
static int
wrong_key(struct segment *seg)
{
	struct prefetch *p = seg->all;

	decrypt_keys_forget(&p->keys, seg->info.key_url);
	decrypt_free(&seg->decrypt);
	if (seg->rekeyed) {
		give_up(seg, 0, "the key does not fit: what it decrypts is no media");
	} else {
		log_event(LOG_INFO, "key.again", "channel=%s msn=%llu", p->tune->guide_number,
		    (unsigned long long)seg->info.msn);
		fetch_cancel(&seg->fetch);
		drop_blocks(seg);
		seg->rekeyed = true;
		seg->state = WAITING;
	}
	turn_again(p);
	return PB_NO;
}

static int
hand_on(struct segment *seg, const uint8_t *buf, size_t len)
{
	struct prefetch *p = seg->all;

	if (!seg->begun) {
		struct source_segment info = seg->info;

		info.url = info.key_url = NULL;
		seg->begun = true;
		p->ops->begin(p->arg, &info);
	}
	return len > 0 ? p->ops->data(p->arg, buf, len) : 0;
}

/* Bytes of the first segment, as they came, at most PIECE of them. 0, PB_NO (begins anew), or an error. */
static int
deliver_piece(struct segment *seg, const uint8_t *buf, size_t len)
{
	struct prefetch *p = seg->all;
	size_t out_len = 0;
	int err;

	if (seg->info.key_url == NULL)
		return hand_on(seg, buf, len);
	if (seg->decrypt == NULL) {
		const uint8_t *key = decrypt_keys_get(&p->keys, seg->info.key_url);

		if (key == NULL)
			return PB_EFORMAT; /* not reached: key_is_known() was asked */
		if (p->plain == NULL && (p->plain = malloc(PIECE + DECRYPT_SLACK)) == NULL)
			return PB_ENOMEM;
		err = decrypt_new(&seg->decrypt, key, DECRYPT_KEY, seg->info.iv);
		if (err != 0)
			return err;
	}
	err = decrypt_update(seg->decrypt, buf, len, p->plain, &out_len);
	if (err != 0)
		return err;
	if (!seg->begun && decrypt_sniff(p->plain, out_len) == PB_NO)
		return wrong_key(seg);
	return hand_on(seg, p->plain, out_len);
}

static int
deliver(struct segment *seg, const uint8_t *buf, size_t len)
{
	int err = 0;

	while (len > 0 && err == 0) {
		size_t n = PB_MIN(len, PIECE);

		err = deliver_piece(seg, buf, n);
		buf += n;
		len -= n;
	}
	return err;
}

static int
segment_data(void *arg, const void *buf, size_t len)
{
	struct segment *seg = arg;
	struct prefetch *p = seg->all;
	bool first = is_first(seg);
	int err;

	if (first && seg->kept == 0 && key_is_known(seg) &&
	    (seg->begun || seg->info.key_url == NULL || len >= FIRST_BYTES)) {
		if (!p->ops->room(p->arg)) {
			seg->paused = true;
			return PB_AGAIN;
		}
		err = deliver(seg, buf, len);
		if (err == PB_EFORMAT && fetch_again(seg))
			return 0;
		seg->refused = err < 0;
		/* PB_NO: the fetch is cancelled and will be made anew. */
		return err == PB_NO ? 0 : err;
	}
	if (p->kept + len > PREFETCH_KEPT && !(first && seg->kept < PIECE)) {
		seg->paused = true;
		return PB_AGAIN;
	}
	err = keep(seg, buf, len);
	if (err == 0 && first)
		turn_again(p);
	return err;
}

static void
segment_done(void *arg, const struct fetch_result *r)
{
	struct segment *seg = arg;
	struct prefetch *p = seg->all;

	seg->fetch = NULL;
	seg->status = r->http_status;
	if (r->http_status != 0)
		atomic_store(&p->state->figures.http_status, (uint32_t)r->http_status);
	seg->whole_at = loop_now(p->loop);
	if (r->err == 0 && r->bytes > 0) {
		seg->state = WHOLE;
	} else if (r->err == 0 && fetch_again(seg)) {
		;
	} else if (r->err == 0) {
		seg->state = LOST;
		strlcpy(seg->reason, "an empty segment", sizeof(seg->reason));
	} else if (!seg->refused && r->bytes > 0 && (r->err == PB_ENET || r->err == PB_ETIME || r->err == PB_EFORMAT) &&
	    (seg->begun || seg->kept > 0)) {
		/* The beginning is as good as any: complete packets are played, the rest is a cut. */
		log_event(LOG_WARNING, "segment.cut", "channel=%s msn=%llu bytes=%llu why=\"%s\"",
		    p->tune->guide_number, (unsigned long long)seg->info.msn, (unsigned long long)r->bytes, r->reason);
		seg->state = WHOLE;
		seg->truncated = true;
	} else {
		seg->state = LOST;
		strlcpy(seg->reason, r->reason, sizeof(seg->reason));
	}
	pump(p);
}

/* Its turn, less what the player needs. */
static ev_tstamp
due(struct segment *seg)
{
	struct prefetch *p = seg->all;
	double s = seg->info.duration_ms / 1e3 + p->ops->reserve_ms(p->arg) / 1e3 - DEADLINE_EARLY_S;
	struct segment *before;

	for (before = TAILQ_FIRST(&p->queue); before != seg; before = TAILQ_NEXT(before, entry))
		s += before->info.duration_ms / 1e3;
	return loop_now(p->loop) + PB_MAX(s, DEADLINE_MIN_S);
}

/* By when a segment must be had. */
static ev_tstamp
deadline(struct segment *seg)
{
	return seg->all->tuning > 0 ? seg->all->tuning : due(seg);
}

static void
key_done(void *arg, const struct fetch_result *r)
{
	struct prefetch *p = arg;
	struct segment *seg;
	const char *why = r->reason;

	p->key_fetch = NULL;
	if (r->err == 0 && decrypt_keys_put(&p->keys, p->key_url, r->body, r->body_len) == 0) {
		pump(p);
		return;
	}
	if (r->err == 0)
		why = "the key is not 16 bytes long";
	TAILQ_FOREACH(seg, &p->queue, entry)
	if (seg->info.key_url != NULL && strcmp(seg->info.key_url, p->key_url) == 0 && seg->state != LOST) {
		give_up(seg, r->err == 0 ? 0 : r->http_status, why);
		break;
	}
	pump(p);
}

static void
start_key(struct segment *seg)
{
	struct prefetch *p = seg->all;
	uint8_t key[DECRYPT_KEY];
	struct fetch_options options = {
		.kind = FETCH_KEY,
		.url = seg->info.key_url,
		.source = seg->info.source,
		.deadline = deadline(seg),
		.persist = p->tuning <= 0, /* as its segment */
		.arg = p,
		.on_done = key_done,
	};
	int err = decrypt_data_uri(key, seg->info.key_url);

	if (err == 0) {
		(void)decrypt_keys_put(&p->keys, seg->info.key_url, key, sizeof(key));
		explicit_bzero(key, sizeof(key));
		return;
	}
	if (err == PB_EFORMAT) {
		give_up(seg, 0, "the key in the playlist can't be read");
		return;
	}
	if (p->key_fetch != NULL)
		return;
	strlcpy(p->key_url, seg->info.key_url, sizeof(p->key_url));
	if (fetch_start(p->pool, &options, &p->key_fetch) != 0)
		give_up(seg, 0, "the key's address can't be asked");
}

static void
start_segment(struct segment *seg)
{
	struct prefetch *p = seg->all;
	struct fetch_options options = {
		.kind = FETCH_SEGMENT,
		.url = seg->info.url,
		.range = { .offset = seg->info.offset, .length = seg->info.has_range ? seg->info.length : 0 },
		.deadline = deadline(seg),
		/* A tune has no time beyond its tries; afterwards a segment is worth asking for until it is missed. */
		.persist = p->tuning <= 0,
		.hedge_ms = PB_MIN(p->tune->settings.try_timeout_ms, PB_MAX(seg->info.duration_ms, HEDGE_LEAST_MS)) / 2,
		.missing_ms = seg->info.duration_ms,
		.source = seg->info.source,
		.making_ms = seg->info.newest ? seg->info.duration_ms : 0,
		.arg = seg,
		.on_data = segment_data,
		.on_done = segment_done,
	};

	if (seg->deadline == 0) {
		seg->deadline = options.deadline;
		seg->due = due(seg);
	}
	seg->state = FLOWING;
	seg->paused = false;
	if (fetch_start(p->pool, &options, &seg->fetch) != 0)
		give_up(seg, 0, "the segment's address can't be asked");
}

/*
 * The pool came to have one connection: it is the first's. What was asked for
 * behind it, refused or not, would come before its turn, and before the next
 * playlist.
 */
static void
make_room(struct prefetch *p)
{
	struct segment *seg;

	TAILQ_FOREACH(seg, &p->queue, entry)
	{
		if (is_first(seg) || seg->state != FLOWING || seg->begun || seg->kept > 0)
			continue;
		fetch_cancel(&seg->fetch);
		seg->state = WAITING;
		seg->deadline = 0; /* its time begins when it is asked for */
	}
}

/* Those that may be asked for now. The key first: it is small, and nothing can be done without it. */
static void
start_some(struct prefetch *p)
{
	bool one = fetch_pool_is_one(p->pool);
	uint32_t n = 0, limit = p->depth > 1 && !one ? p->depth + p->deeper : 1;
	struct segment *seg;

	if (one)
		make_room(p);
	if (p->most > 0)
		limit = PB_MIN(limit, p->most);
	TAILQ_FOREACH(seg, &p->queue, entry)
	{
		if (n++ >= limit)
			break;
		if (seg->state != LOST && !key_is_known(seg))
			start_key(seg);
		if (seg->state == WAITING && loop_now(p->loop) >= seg->not_before)
			start_segment(seg);
		if (seg->state == LOST && is_first(seg))
			turn_again(p);
	}
}

/* Hand on what is kept of the first. true: all of it is gone. */
static bool
drain(struct segment *seg, size_t *budget)
{
	struct prefetch *p = seg->all;
	struct block *b;

	while ((b = TAILQ_FIRST(&seg->blocks)) != NULL) {
		size_t n = PB_MIN(b->len - b->at, PIECE);
		int err;

		if (!p->ops->room(p->arg))
			return false;
		if (*budget < n) {
			turn_again(p);
			return false;
		}
		*budget -= n;
		err = deliver_piece(seg, b->data + b->at, n);
		if (err == PB_NO || (err == PB_EFORMAT && fetch_again(seg)))
			return false;
		if (err != 0) {
			seg->refused = true;
			give_up(seg, 0, "");
			return false;
		}
		b->at += n;
		seg->kept -= n;
		p->kept -= n;
		if (b->at == b->len) {
			TAILQ_REMOVE(&seg->blocks, b, entry);
			munmap(b, BLOCK);
		}
	}
	return true;
}

/* The last block of an encrypted segment, and how its padding was. */
static void
finish_decrypt(struct segment *seg)
{
	struct prefetch *p = seg->all;
	enum decrypt_end end;
	size_t len = 0;

	if (seg->decrypt == NULL)
		return;
	end = decrypt_final(seg->decrypt, p->plain, &len);
	if (end == DECRYPT_TRUNCATED)
		seg->truncated = true;
	if (end != DECRYPT_WHOLE)
		log_event(LOG_INFO, "segment.padding", "channel=%s msn=%llu why=\"%s\"", p->tune->guide_number,
		    (unsigned long long)seg->info.msn, decrypt_end_name(end));
	(void)hand_on(seg, p->plain, len);
}

static bool
is_gone(int status)
{
	return status == 401 || status == 403 || status == 404 || status == 410;
}

/* The first is over, one way or the other; or it comes once more. */
static void
finish(struct segment *seg)
{
	struct prefetch *p = seg->all;
	bool lost = seg->state == LOST;
	bool refused = seg->refused;

	if (lost && !seg->begun && is_gone(seg->status) && p->ops->gone(p->arg, &seg->info, seg->status, seg->reason))
		return; /* with all the others */
	if (!lost)
		finish_decrypt(seg);
	if (seg->begun) {
		int err = p->ops->end(p->arg, seg->truncated || lost);

		seg->begun = false;
		if (err == PB_EFORMAT && !lost && fetch_again(seg))
			return;
		lost = lost || err != 0;
		refused = refused || err != 0;
	}
	segment_leave(seg);
	if (lost) {
		atomic_fetch_add(&p->state->figures.segments_lost, 1);
		p->ops->lost(p->arg, &seg->info, seg->status, refused ? NULL : seg->reason);
	} else {
		atomic_fetch_add(&p->state->figures.segments, 1);
	}
	segment_free(seg);
	p->ops->drained(p->arg);
}

/* May what is kept of it be handed on? A key is judged by what it makes of the first bytes. */
static bool
is_ready(struct segment *seg)
{
	return seg->kept > 0 && key_is_known(seg) &&
	    (seg->begun || seg->info.key_url == NULL || seg->kept >= FIRST_BYTES || seg->state == WHOLE);
}

/*
 * May one that was told to wait go on? The first: when all that was kept of it
 * is gone, or when it is too little to begin with, which is kept, however much
 * is. All others while little is kept.
 */
static bool
may_go_on(struct segment *seg)
{
	struct prefetch *p = seg->all;

	if (!is_first(seg))
		return p->kept < PREFETCH_KEPT / 2;
	return seg->kept == 0 ? p->ops->room(p->arg) : seg->kept < PIECE && !is_ready(seg);
}

/* Who was told to wait for room goes on when there is some. */
static void
resume_some(struct prefetch *p)
{
	struct segment *seg;

	TAILQ_FOREACH(seg, &p->queue, entry)
	if (seg->paused && seg->fetch != NULL && may_go_on(seg)) {
		seg->paused = false;
		fetch_resume(seg->fetch);
	}
}

/*
 * Nobody cuts a transfer that moves; but the first one that trickles while the
 * picture stands keeps back what is there behind it (hls.md 7: no stall beyond
 * 3 s). What came of it is played.
 */
static bool
holds_up(struct segment *seg)
{
	struct prefetch *p = seg->all;
	struct segment *next = TAILQ_NEXT(seg, entry);

	while (next != NULL && next->state == LOST)
		next = TAILQ_NEXT(next, entry);
	return seg->state == FLOWING && (seg->begun || seg->kept > 0) && key_is_known(seg) &&
	    loop_now(p->loop) >= seg->due && next != NULL && next->state == WHOLE &&
	    loop_now(p->loop) >= next->whole_at + BEHIND_S && p->ops->reserve_ms(p->arg) < DRY_MS;
}

static void
cut_short(struct segment *seg)
{
	fetch_cancel(&seg->fetch);
	log_event(LOG_WARNING, "segment.cut",
	    "channel=%s msn=%llu why=\"too slow: the picture stands, and what follows it is there\"",
	    seg->all->tune->guide_number, (unsigned long long)seg->info.msn);
	seg->state = WHOLE;
	seg->truncated = true;
	TAILQ_NEXT(seg, entry)->info.discontinuity = true; /* most of its time may be missing */
}

/* As far as it goes: hand on what is ready, end what is over, ask for the next. */
static void
pump(struct prefetch *p)
{
	size_t budget = PREFETCH_TURN;
	struct segment *seg;

	if (p->pumping)
		return;
	p->pumping = true;
	while ((seg = TAILQ_FIRST(&p->queue)) != NULL) {
		if (holds_up(seg))
			cut_short(seg);
		if (is_ready(seg) && !drain(seg, &budget) && seg->state != LOST)
			break;
		if (seg->state != LOST && !(seg->state == WHOLE && seg->kept == 0))
			break;
		finish(seg);
	}
	p->pumping = false;
	start_some(p);
	resume_some(p);
}

void
prefetch_resume(struct prefetch *p)
{
	pump(p);
}

static char *
copy(const char *s)
{
	return s != NULL ? strdup(s) : NULL;
}

int
prefetch_add(struct prefetch *p, const struct source_segment *info)
{
	struct segment *seg;

	if (!prefetch_room(p))
		return PB_ELIMIT;
	seg = calloc(1, sizeof(*seg));
	if (seg == NULL)
		return PB_ENOMEM;
	seg->all = p;
	seg->info = *info;
	seg->info.url = copy(info->url);
	seg->info.key_url = copy(info->key_url);
	TAILQ_INIT(&seg->blocks);
	if (seg->info.url == NULL || (info->key_url != NULL && seg->info.key_url == NULL)) {
		segment_free(seg);
		return PB_ENOMEM;
	}
	TAILQ_INSERT_TAIL(&p->queue, seg, entry);
	p->count++;
	if (info->skip)
		give_up(seg, 0, "it crashed two workers");
	start_some(p);
	return 0;
}
