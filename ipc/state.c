/*
 * state.c - the commit, the marks, and a reader that believes nothing
 */
#include "ipc/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/pb.h"
#include "base/seals.h"
#include "ipc/spool.h"

#define STATE_SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define PCR_PER_MS 27000
#define PREFIX_SIZE (offsetof(struct state, slots) + sizeof(((struct state *)NULL)->slots))

/* Readers in other processes map the same bytes: the layout is part of the protocol. */
_Static_assert(offsetof(struct state, slots) == 136, "the prefix never changes between builds");
_Static_assert(sizeof(struct state_slot) == 80 + STATE_HEAD_MAX + STATE_PRELUDE_MAX, "nor do the slots");

static uint64_t
load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

int
state_create(int *out_fd, struct state **out)
{
	struct state *state;
	int fd = memfd_create("plexbridge-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int saved;

	if (fd == -1)
		return PB_ESYS;
	if (ftruncate(fd, sizeof(*state)) == -1 || fcntl(fd, F_ADD_SEALS, STATE_SEALS) == -1)
		goto fail;
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED)
		goto fail;
	state->magic = STATE_MAGIC;
	state->layout = STATE_LAYOUT;
	state->size = sizeof(*state);
	state->slot_count = STATE_SLOTS;
	state->slot_size = sizeof(struct state_slot);
	state->slot_at = offsetof(struct state, slots);
	*out_fd = fd;
	*out = state;
	return 0;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return PB_ESYS;
}

int
state_map(int fd, struct state **out)
{
	struct state *state;
	uint32_t head[3]; /* magic, layout, size */
	struct stat st;

	if (!seals_hold(fd, STATE_SEALS) || fstat(fd, &st) == -1 ||
	    pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) || head[0] != STATE_MAGIC)
		return PB_EPEER;
	if (head[1] != STATE_LAYOUT || head[2] != sizeof(*state) || st.st_size != (off_t)sizeof(*state))
		return PB_NO;
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED)
		return PB_ESYS;
	*out = state;
	return 0;
}

int
state_map_prefix(int fd, struct state **out)
{
	uint32_t head[6]; /* magic, layout, size, slot_count, slot_size, slot_at */
	struct state *state;
	struct stat st;

	if (!seals_hold(fd, STATE_SEALS) || fstat(fd, &st) == -1 ||
	    pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) || head[0] != STATE_MAGIC)
		return PB_EPEER;
	if (head[3] != STATE_SLOTS || head[4] != sizeof(struct state_slot) ||
	    head[5] != offsetof(struct state, slots) || st.st_size < (off_t)PREFIX_SIZE)
		return PB_EPEER;
	state = mmap(NULL, PREFIX_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED)
		return PB_ESYS;
	*out = state;
	return 0;
}

void
state_unmap_prefix(struct state **state)
{
	if (*state != NULL)
		munmap(*state, PREFIX_SIZE);
	*state = NULL;
}

void
state_unmap(struct state **state)
{
	if (*state != NULL)
		munmap(*state, sizeof(**state));
	*state = NULL;
}

struct state_snapshot *
state_draft(struct state *state)
{
	uint64_t word = atomic_load_explicit(&state->commit, memory_order_relaxed);
	struct state_snapshot *valid = &state->snapshot[word & 1];
	struct state_snapshot *draft = &state->snapshot[~word & 1];

	/* The blob is rewritten by whoever commits; only the rest carries over. */
	memcpy(draft, valid, offsetof(struct state_snapshot, conform));
	return draft;
}

void
state_commit(struct state *state)
{
	uint64_t word = atomic_load_explicit(&state->commit, memory_order_relaxed);
	uint64_t which = ~word & 1;

	PB_FAULT("draft");
	/* Bytes first, word after: who sees this commit may read them, from any process. */
	atomic_store_explicit(&state->commit, ((word >> 1) + 1) << 1 | which, memory_order_release);
	PB_FAULT("commit");
	atomic_store_explicit(&state->head, state->snapshot[which].head, memory_order_release);
}

bool
state_snapshot_read(const struct state *state, struct state_snapshot *out)
{
	/* A writer that commits meanwhile writes into the other half first: at most a few tries. */
	for (int tries = 0; tries < 8; tries++) {
		uint64_t word = load(&state->commit);

		memcpy(out, &state->snapshot[word & 1], sizeof(*out));
		atomic_thread_fence(memory_order_acquire);
		if (load(&state->commit) == word)
			return out->head <= SPOOL_SIZE && out->conform_len <= STATE_CONFORM_MAX;
	}
	return false;
}

void
state_mark_put(struct state *state, struct state_snapshot *draft, uint64_t offset, int64_t pcr_27m, bool key)
{
	struct state_mark *mark = &state->marks[draft->marks % STATE_INDEX];

	atomic_store_explicit(&mark->offset, offset, memory_order_relaxed);
	atomic_store_explicit(&mark->pcr_27m_key, pcr_27m * 2 + (key ? 1 : 0), memory_order_relaxed);
	draft->marks++;
}

static uint64_t
mark_offset(const struct state *state, uint64_t n)
{
	return atomic_load_explicit(&state->marks[n % STATE_INDEX].offset, memory_order_relaxed);
}

static int64_t
mark_pcr(const struct state *state, uint64_t n, bool *key)
{
	int64_t v = atomic_load_explicit(&state->marks[n % STATE_INDEX].pcr_27m_key, memory_order_relaxed);

	if (key != NULL)
		*key = v & 1;
	return v >> 1;
}

/* The oldest mark that has not been overwritten; one is left out, for it may be in the writer's hand. */
static uint64_t
mark_first(uint64_t marks)
{
	return marks >= STATE_INDEX ? marks - STATE_INDEX + 1 : 0;
}

/* The newest mark at or before an offset, by bisection; `first` when all are later. */
static uint64_t
mark_before(const struct state *state, uint64_t first, uint64_t end, uint64_t offset)
{
	uint64_t lo = first, hi = end;

	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (mark_offset(state, mid) <= offset)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

bool
state_find_key(const struct state *state, uint64_t marks, int64_t pcr_27m, uint64_t tail, uint64_t released,
    uint64_t *offset, int64_t *key_pcr_27m)
{
	uint64_t first = mark_first(marks);
	uint64_t n;
	bool found = false;

	if (first == marks)
		return false;
	n = mark_before(state, first, marks, released);
	for (;; n--) {
		uint64_t at = mark_offset(state, n);
		bool key;
		int64_t pcr = mark_pcr(state, n, &key);

		if (at < tail)
			break;
		if (key && at < released) {
			*offset = at;
			*key_pcr_27m = pcr;
			found = true;
			if (pcr <= pcr_27m)
				break;
		}
		if (n == first)
			break;
	}
	return found;
}

uint64_t
state_span_ms(const struct state *state, uint64_t from, uint64_t to)
{
	uint64_t marks, first;
	int64_t span;

	if (from >= to)
		return 0;
	marks = state->snapshot[load(&state->commit) & 1].marks;
	first = mark_first(marks);
	if (first == marks)
		return 0;
	span = mark_pcr(state, mark_before(state, first, marks, to), NULL) -
	    mark_pcr(state, mark_before(state, first, marks, from), NULL);
	/* More than a day is nobody's reserve: another process's nonsense. */
	return span > 0 && span < (int64_t)86400 * 1000 * PCR_PER_MS ? (uint64_t)span / PCR_PER_MS : 0;
}

void
state_view(const struct state *state, struct state_view *out)
{
	out->tail = load(&state->tail);
	out->released = load(&state->released);
	out->head = load(&state->head);
	if (out->head > SPOOL_SIZE)
		out->head = SPOOL_SIZE;
	if (out->released > out->head)
		out->released = out->head;
	if (out->tail > out->released)
		out->tail = out->released;
	out->heartbeat_ns = atomic_load_explicit(&state->heartbeat_ns, memory_order_acquire);
	out->reserve_ms = state_span_ms(state, out->released, out->head);
	out->behind_ms = state_span_ms(state, out->tail, out->released);
}
