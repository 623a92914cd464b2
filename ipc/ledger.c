/*
 * ledger.c - words, halves, and the order in which they are written
 *
 * A table is an array of words and an array of bodies, two for each word.
 * The words lie together, so that looking for live entries touches no body
 * (and gives no memory to those that were never used).
 */
#include "ipc/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/seals.h"
#include "ipc/state.h"

#define LEDGER_SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define NUMBER_MAX (UINT64_C(1) << 56) /* in base 36 it fills a name; nobody counts so far */

#define WORD_LIVE UINT64_C(1)
#define WORD_HALF UINT64_C(2)
#define WORD_WRITE UINT64_C(4) /* one more write */

struct map {
	/* The prefix. */
	uint32_t magic;
	uint32_t layout;
	uint32_t size;
	_Atomic uint32_t starts;
	_Atomic uint64_t last_number;
	uint64_t prefix_spare[5];

	_Atomic uint64_t socket_words[LEDGER_SOCKETS];
	_Atomic uint64_t stream_words[LEDGER_STREAMS];
	_Atomic uint64_t client_words[LEDGER_CLIENTS];
	struct ledger_socket sockets[LEDGER_SOCKETS][2];
	struct ledger_stream streams[LEDGER_STREAMS][2];
	struct ledger_client clients[LEDGER_CLIENTS][2];
};

_Static_assert(offsetof(struct map, socket_words) == 64, "the prefix never changes between builds");
_Static_assert(
    sizeof(struct ledger_socket) == 144 && sizeof(struct ledger_stream) == 80 && sizeof(struct ledger_client) == 168,
    "nor does the rest without another LEDGER_LAYOUT");

enum kind { SOCKET, STREAM, CLIENT, KINDS };

struct ledger {
	int fd;
	struct map *map;
	uint64_t *numbers[KINDS]; /* ours: whose place it is, 0: free; so that nobody's bytes decide where we write */
};

static bool socket_bounded(const void *entry);
static bool stream_bounded(const void *entry);
static bool client_bounded(const void *entry);

static const struct table {
	size_t count, size, words_at, bodies_at;
	bool (*bounded)(const void *entry);
} tables[KINDS] = {
	[SOCKET] = { LEDGER_SOCKETS, sizeof(struct ledger_socket), offsetof(struct map, socket_words),
	    offsetof(struct map, sockets), socket_bounded },
	[STREAM] = { LEDGER_STREAMS, sizeof(struct ledger_stream), offsetof(struct map, stream_words),
	    offsetof(struct map, streams), stream_bounded },
	[CLIENT] = { LEDGER_CLIENTS, sizeof(struct ledger_client), offsetof(struct map, client_words),
	    offsetof(struct map, clients), client_bounded },
};

/* All entries begin with it. */
static uint64_t
number_of(const void *entry)
{
	uint64_t number;

	memcpy(&number, entry, sizeof(number));
	return number;
}

static _Atomic uint64_t *
word_of(const struct ledger *ledger, enum kind kind, size_t at)
{
	return (_Atomic uint64_t *)((char *)ledger->map + tables[kind].words_at) + at;
}

static char *
body_of(const struct ledger *ledger, enum kind kind, size_t at, uint64_t word)
{
	const struct table *t = &tables[kind];

	return (char *)ledger->map + t->bodies_at + (at * 2 + (word & WORD_HALF ? 1 : 0)) * t->size;
}

/*
 * Bounds
 */

static bool
text_bounded(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool
socket_bounded(const void *entry)
{
	const struct ledger_socket *s = entry;

	return s->role > 0 && s->role < LEDGER_ROLES && text_bounded(s->bound_to, sizeof(s->bound_to));
}

static bool
stream_bounded(const void *entry)
{
	const struct ledger_stream *s = entry;

	return s->tuner >= 0 && s->tuner < LEDGER_TUNERS && s->live <= 1 && s->skip_set <= 1 && s->born_ns >= 0 &&
	    s->guide_number[0] != '\0' && text_bounded(s->guide_number, sizeof(s->guide_number));
}

static bool
client_bounded(const void *entry)
{
	const struct ledger_client *c = entry;

	return c->stream != 0 && (c->slot < STATE_SLOTS || c->slot == LEDGER_NO_SLOT) && c->since_ns >= 0 &&
	    c->served_ns >= 0 && text_bounded(c->agent, sizeof(c->agent));
}

/*
 * Making and opening
 */

static int
ledger_new(int fd, struct ledger **out)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	if (ledger == NULL)
		return PB_ENOMEM;
	ledger->fd = -1;
	for (size_t k = 0; k < KINDS; k++) {
		ledger->numbers[k] = calloc(tables[k].count, sizeof(uint64_t));
		if (ledger->numbers[k] == NULL) {
			ledger_free(&ledger);
			return PB_ENOMEM;
		}
	}
	ledger->map = mmap(NULL, sizeof(*ledger->map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ledger->map == MAP_FAILED) {
		ledger->map = NULL;
		ledger_free(&ledger);
		return PB_ESYS;
	}
	ledger->fd = fd;
	*out = ledger;
	return 0;
}

int
ledger_create(struct ledger **out)
{
	int fd = memfd_create("plexbridge-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err = PB_ESYS, saved;

	if (fd == -1)
		return PB_ESYS;
	if (ftruncate(fd, sizeof(struct map)) == -1 || fcntl(fd, F_ADD_SEALS, LEDGER_SEALS) == -1)
		goto fail;
	err = ledger_new(fd, out);
	if (err != 0)
		goto fail;
	(*out)->map->size = sizeof(struct map);
	(*out)->map->layout = LEDGER_LAYOUT;
	(*out)->map->magic = LEDGER_MAGIC;
	return 0;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return err;
}

static void
strike_at(struct ledger *ledger, enum kind kind, size_t at)
{
	_Atomic uint64_t *word = word_of(ledger, kind, at);
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

	atomic_store_explicit(word, (old & ~WORD_LIVE) + WORD_WRITE, memory_order_release);
	ledger->numbers[kind][at] = 0;
}

/* Find out who is where; what breaks a bound goes. */
static size_t
take_stock(struct ledger *ledger)
{
	uint64_t last = atomic_load_explicit(&ledger->map->last_number, memory_order_acquire);
	size_t dropped = 0;

	for (enum kind k = 0; k < KINDS; k++)
		for (size_t i = 0; i < tables[k].count; i++) {
			uint64_t word = atomic_load_explicit(word_of(ledger, k, i), memory_order_acquire);
			const char *body = body_of(ledger, k, i, word);

			if (!(word & WORD_LIVE))
				continue;
			if (number_of(body) == 0 || number_of(body) > last || !tables[k].bounded(body)) {
				strike_at(ledger, k, i);
				dropped++;
			} else
				ledger->numbers[k][i] = number_of(body);
		}
	return dropped;
}

int
ledger_open(int fd, struct ledger **out, size_t *dropped, uint64_t *last_number)
{
	struct {
		uint32_t magic, layout, size, starts;
		uint64_t last_number;
	} prefix;
	struct stat st;
	int err;

	*dropped = 0;
	*last_number = 0;
	if (!seals_hold(fd, LEDGER_SEALS) || fstat(fd, &st) == -1 ||
	    pread(fd, &prefix, sizeof(prefix), 0) != (ssize_t)sizeof(prefix) || prefix.magic != LEDGER_MAGIC ||
	    prefix.last_number > NUMBER_MAX)
		return PB_EPEER;
	*last_number = prefix.last_number;
	if (prefix.layout != LEDGER_LAYOUT)
		return PB_NO;
	if (prefix.size != sizeof(struct map) || st.st_size != (off_t)sizeof(struct map))
		return PB_EPEER;
	err = ledger_new(fd, out);
	if (err != 0)
		return err;
	*dropped = take_stock(*out);
	return 0;
}

int
ledger_fd(const struct ledger *ledger)
{
	return ledger->fd;
}

void
ledger_free(struct ledger **ledger)
{
	int saved = errno;

	if (*ledger == NULL)
		return;
	if ((*ledger)->map != NULL)
		munmap((*ledger)->map, sizeof(*(*ledger)->map));
	if ((*ledger)->fd != -1)
		close((*ledger)->fd);
	for (size_t k = 0; k < KINDS; k++)
		free((*ledger)->numbers[k]);
	free(*ledger);
	*ledger = NULL;
	errno = saved;
}

/*
 * Counters
 */

uint64_t
ledger_number(struct ledger *ledger)
{
	uint64_t number = atomic_load_explicit(&ledger->map->last_number, memory_order_relaxed) + 1;

	/* It counts as given away before anyone has it. */
	pb_assert(number <= NUMBER_MAX);
	atomic_store_explicit(&ledger->map->last_number, number, memory_order_release);
	return number;
}

void
ledger_number_above(struct ledger *ledger, uint64_t number)
{
	if (number <= NUMBER_MAX && number > atomic_load_explicit(&ledger->map->last_number, memory_order_relaxed))
		atomic_store_explicit(&ledger->map->last_number, number, memory_order_release);
}

uint32_t
ledger_started(struct ledger *ledger)
{
	return atomic_fetch_add_explicit(&ledger->map->starts, 1, memory_order_acq_rel);
}

void
ledger_settled(struct ledger *ledger)
{
	atomic_store_explicit(&ledger->map->starts, 0, memory_order_release);
}

/*
 * Entries
 */

static size_t
place_of(const struct ledger *ledger, enum kind kind, uint64_t number)
{
	size_t at = 0;

	while (at < tables[kind].count && ledger->numbers[kind][at] != number)
		at++;
	return at;
}

static int
put(struct ledger *ledger, enum kind kind, const void *entry)
{
	const struct table *t = &tables[kind];
	uint64_t number = number_of(entry);
	size_t at = place_of(ledger, kind, number);
	_Atomic uint64_t *word;
	uint64_t next;

	pb_assert(number != 0 && t->bounded(entry));
	if (at == t->count)
		at = place_of(ledger, kind, 0);
	if (at == t->count)
		return PB_ELIMIT;
	word = word_of(ledger, kind, at);
	next = ((atomic_load_explicit(word, memory_order_relaxed) ^ WORD_HALF) | WORD_LIVE) + WORD_WRITE;
	memcpy(body_of(ledger, kind, at, next), entry, t->size);
	/* Bytes first, word after: who sees this word may read them, whenever we die. */
	atomic_store_explicit(word, next, memory_order_release);
	ledger->numbers[kind][at] = number;
	return 0;
}

static void
strike(struct ledger *ledger, enum kind kind, uint64_t number)
{
	size_t at = place_of(ledger, kind, number);

	pb_assert(number != 0);
	if (at < tables[kind].count)
		strike_at(ledger, kind, at);
}

static bool
next(const struct ledger *ledger, enum kind kind, size_t *at, void *out)
{
	for (; *at < tables[kind].count; (*at)++) {
		uint64_t word;

		if (ledger->numbers[kind][*at] == 0)
			continue;
		word = atomic_load_explicit(word_of(ledger, kind, *at), memory_order_acquire);
		memcpy(out, body_of(ledger, kind, *at, word), tables[kind].size);
		(*at)++;
		return true;
	}
	return false;
}

int
ledger_put_socket(struct ledger *ledger, const struct ledger_socket *entry)
{
	return put(ledger, SOCKET, entry);
}

int
ledger_put_stream(struct ledger *ledger, const struct ledger_stream *entry)
{
	return put(ledger, STREAM, entry);
}

int
ledger_put_client(struct ledger *ledger, const struct ledger_client *entry)
{
	return put(ledger, CLIENT, entry);
}

void
ledger_strike_socket(struct ledger *ledger, uint64_t number)
{
	strike(ledger, SOCKET, number);
}

void
ledger_strike_stream(struct ledger *ledger, uint64_t number)
{
	strike(ledger, STREAM, number);
}

void
ledger_strike_client(struct ledger *ledger, uint64_t number)
{
	strike(ledger, CLIENT, number);
}

bool
ledger_next_socket(const struct ledger *ledger, size_t *at, struct ledger_socket *out)
{
	return next(ledger, SOCKET, at, out);
}

bool
ledger_next_stream(const struct ledger *ledger, size_t *at, struct ledger_stream *out)
{
	return next(ledger, STREAM, at, out);
}

bool
ledger_next_client(const struct ledger *ledger, size_t *at, struct ledger_client *out)
{
	return next(ledger, CLIENT, at, out);
}

/*
 * Names: as short as can be, for all of them together must fit one variable of the environment
 */

static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

char *
ledger_name(char out[LEDGER_NAME], char what, uint64_t number)
{
	char back[LEDGER_NAME];
	size_t n = 0, at = 0;

	pb_assert(number <= NUMBER_MAX);
	do
		back[n++] = digits[number % 36];
	while ((number /= 36) != 0);
	out[at++] = what;
	while (n > 0)
		out[at++] = back[--n];
	out[at] = '\0';
	return out;
}

bool
ledger_name_parse(const char *name, char *what, uint64_t *number)
{
	char again[LEDGER_NAME];
	uint64_t value = 0;

	if (name[0] == '\0' || strchr("LSTCPB", name[0]) == NULL || name[1] == '\0')
		return false;
	for (const char *p = name + 1; *p != '\0'; p++) {
		const char *digit = strchr(digits, *p);

		if (digit == NULL || value > NUMBER_MAX / 36)
			return false;
		value = value * 36 + (uint64_t)(digit - digits);
	}
	/* One number has one name: no zeros in front. */
	if (value == 0 || value > NUMBER_MAX || strcmp(ledger_name(again, name[0], value), name) != 0)
		return false;
	*what = name[0];
	*number = value;
	return true;
}
