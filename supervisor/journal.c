/*
 * journal.c - how the promise in journal.h is kept
 *
 * Keys are kept as 64-bit hashes with a seed of this process's own: two of
 * four hundred thousand are the same once in a hundred million starts, and
 * nobody outside can make them so. Their texts are in the file, and a guide
 * id that follows from the number is nowhere else: at 200,000 channels each
 * byte that is kept of one is 200 KB, and each page that is touched is time.
 * For the same reason lines go to the file as they come, a portion at a
 * time: journal_write() ends what is one change, or takes all of it back.
 */
#include "supervisor/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/log.h"
#include "base/pb.h"
#include "base/utf8.h"

#define FILE_NAME "lineup.journal"
#define HEADER "plexbridge lineup journal 1\n"
#define LINE_MAX_BYTES 4096
#define FILE_MAX ((off_t)1 << 30)
#define FIELDS 8
#define PORTION ((size_t)256 << 10) /* of reading and of writing */
#define GUIDE_ID_MAX 64

struct known {
	char number[GUIDE_NUMBER_MAX];
	uint32_t name; /* in texts */
	uint32_t guide_id; /* in texts; 0: it is made of the number and the device, as a new one's */
	uint32_t keys; /* of one that has no number yet: in keys, "key\tkey" */
};

/* 12 bytes: a hash of 64 bits would have 4 of padding beside the index. */
struct slot {
	uint32_t high, low; /* of the hash; both 0: free */
	uint32_t index;
};

struct buffer {
	char *data;
	size_t len, room;
};

struct journal {
	int fd;
	off_t size; /* of the file, as far as it is good */
	size_t ahead; /* bytes behind that, of the change in hand */
	bool failed; /* to write them */
	char device[16];
	uint64_t seed;
	struct known *known;
	uint32_t count, room;
	struct buffer texts;
	struct slot *slots;
	size_t slot_count, used; /* slot_count is a power of 2 */
	uint32_t
	    *numbers; /* index + 1 of who has it, by the number's hash; 0: free. One that was given up matches nobody */
	size_t number_count, numbers_used;
	struct buffer keys; /* of new channels, until each has its number */
	uint32_t unnumbered; /* new channels that have none yet */
	struct buffer added, aliases; /* lines to be written */
};

__extension__ typedef unsigned __int128 wide;

static uint64_t
mix(uint64_t a, uint64_t b)
{
	wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes at a time: most of a big import's time would go into one at a time. */
static uint64_t
hash_of(const struct journal *j, char kind, const char *key)
{
	size_t len = strlen(key);
	uint64_t h = j->seed ^ ((uint64_t)(unsigned char)kind << 32 ^ len) * 0x9e3779b97f4a7c15u, part;

	for (; len >= sizeof(part); key += sizeof(part), len -= sizeof(part)) {
		memcpy(&part, key, sizeof(part));
		h = mix(h ^ part, 0xa0761d6478bd642fu);
	}
	part = 0;
	memcpy(&part, key, len);
	h = mix(h ^ part, 0xe7037ed1a0b428dbu);
	h = mix(h ^ j->seed, 0x8ebc6af09c88c6e3u);
	return h != 0 ? h : 1;
}

static int
put(struct buffer *b, const void *data, size_t len)
{
	if (len > b->room - b->len) {
		size_t room = b->room == 0 ? 4096 : b->room;
		char *more;

		while (len > room - b->len)
			room += room / 2;
		if (room > UINT32_MAX)
			return PB_ENOMEM;
		more = realloc(b->data, room);
		if (more == NULL)
			return PB_ENOMEM;
		b->data = more;
		b->room = room;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

static void
clear(struct buffer *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

static uint32_t
text(struct journal *j, const char *s)
{
	uint32_t at = (uint32_t)j->texts.len;

	return put(&j->texts, s, strlen(s) + 1) == 0 ? at : 0;
}

static bool
is_free(const struct slot *slot)
{
	return (slot->high | slot->low) == 0;
}

/* The one with that hash, or the free one where it would be. */
static struct slot *
slot_of(const struct journal *j, uint64_t hash)
{
	size_t at = hash & (j->slot_count - 1);
	uint32_t high = (uint32_t)(hash >> 32), low = (uint32_t)hash;

	while (!is_free(&j->slots[at]) && (j->slots[at].low != low || j->slots[at].high != high))
		at = (at + 1) & (j->slot_count - 1);
	return &j->slots[at];
}

/* Another table, of count slots. */
static int
set_slots(struct journal *j, size_t count)
{
	struct slot *old = j->slots;
	size_t old_count = j->slot_count;

	j->slots = calloc(count, sizeof(*j->slots));
	if (j->slots == NULL) {
		j->slots = old;
		return PB_ENOMEM;
	}
	j->slot_count = count;
	for (size_t i = 0; i < old_count; i++)
		if (!is_free(&old[i]))
			*slot_of(j, (uint64_t)old[i].high << 32 | old[i].low) = old[i];
	free(old);
	return 0;
}

static int
more_slots(struct journal *j)
{
	return j->used < j->slot_count / 5 * 4 ? 0 : set_slots(j, j->slot_count * 2);
}

/* The first one that is known by something stays it. */
static int
bind(struct journal *j, char kind, const char *key, uint32_t index)
{
	uint64_t hash = hash_of(j, kind, key);
	struct slot *slot;

	if (more_slots(j) != 0)
		return PB_ENOMEM;
	slot = slot_of(j, hash);
	if (is_free(slot)) {
		*slot = (struct slot){ (uint32_t)(hash >> 32), (uint32_t)hash, index };
		j->used++;
	}
	return 0;
}

/*
 * Numbers
 */

static void
put_number(struct journal *j, uint32_t index)
{
	size_t at = hash_of(j, '#', j->known[index].number) & (j->number_count - 1);

	while (j->numbers[at] != 0)
		at = (at + 1) & (j->number_count - 1);
	j->numbers[at] = index + 1;
	j->numbers_used++;
}

/* Another table of numbers. except: its own is not to be put in. */
static int
set_numbers(struct journal *j, size_t count, uint32_t except)
{
	uint32_t *more = calloc(count, sizeof(*more));

	if (more == NULL)
		return PB_ENOMEM;
	free(j->numbers);
	j->numbers = more;
	j->number_count = count;
	j->numbers_used = 0;
	for (uint32_t i = 0; i < j->count; i++)
		if (j->known[i].number[0] != '\0' && i != except)
			put_number(j, i);
	return 0;
}

/* The channel has this number from now on, which nobody has. */
static int
set_number(struct journal *j, uint32_t index, const char *number)
{
	if (j->numbers_used >= j->number_count / 4 * 3 && set_numbers(j, j->number_count * 2, index) != 0)
		return PB_ENOMEM;
	memcpy(j->known[index].number, number, strlen(number) + 1);
	put_number(j, index);
	return 0;
}

/* What a guide id is made of. */
static void
make_id(const struct journal *j, char out[GUIDE_ID_MAX], const char *number)
{
	size_t n = strlen(number), d = strlen(j->device);

	out[0] = 'c';
	memcpy(out + 1, number, n);
	out[1 + n] = '.';
	memcpy(out + 2 + n, j->device, d);
	memcpy(out + 2 + n + d, ".plexbridge", sizeof(".plexbridge"));
}

/* Whose guide id follows from its number and is this? */
static uint32_t
made_id_owner(const struct journal *j, const char *id)
{
	char number[GUIDE_NUMBER_MAX], made[GUIDE_ID_MAX];
	size_t device = strlen(j->device), len = strlen(id), end = sizeof(".plexbridge") - 1 + device + 1;
	uint32_t index;

	if (id[0] != 'c' || len <= 1 + end || len - 1 - end >= sizeof(number))
		return JOURNAL_NONE;
	memcpy(number, id + 1, len - 1 - end);
	number[len - 1 - end] = '\0';
	make_id(j, made, number);
	index = strcmp(made, id) == 0 ? journal_owner(j, number) : JOURNAL_NONE;
	return index != JOURNAL_NONE && j->known[index].guide_id == 0 ? index : JOURNAL_NONE;
}

/* Keep this guide id as a text of its own: it does not follow from the number, or soon will not. */
static int
keep_id(struct journal *j, uint32_t index, const char *id)
{
	uint32_t at = text(j, id);

	if (at == 0)
		return PB_ENOMEM;
	j->known[index].guide_id = at;
	return bind(j, 'g', id, index);
}

static uint32_t
new_known(struct journal *j)
{
	if (j->count == j->room) {
		uint32_t room = j->room == 0 ? 256 : j->room + j->room / 2;
		struct known *more = reallocarray(j->known, room, sizeof(*more));

		if (more == NULL)
			return JOURNAL_NONE;
		j->known = more;
		j->room = room;
	}
	memset(&j->known[j->count], 0, sizeof(*j->known));
	return j->count++;
}

/*
 * Lines
 */

static uint32_t
crc_of(const char *s, size_t len)
{
	return (uint32_t)crc32(0, (const unsigned char *)s, (unsigned)len);
}

/* The change in hand ends, for good or not: nothing of it waits any more. */
static void
forget_lines(struct journal *j)
{
	clear(&j->added);
	clear(&j->aliases);
	clear(&j->keys);
	j->unnumbered = 0;
	j->ahead = 0;
}

static int
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return PB_ESYS;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Lines of new channels, to the page cache. What goes wrong is told by journal_write(). */
static void
write_ahead(struct journal *j)
{
	size_t header = j->size == 0 && j->ahead == 0 ? strlen(HEADER) : 0;

	if (j->fd == -1 || j->failed) {
		j->added.len = j->fd == -1 ? 0 : j->added.len;
		return;
	}
	if (write_all(j->fd, HEADER, header) != 0 || write_all(j->fd, j->added.data, j->added.len) != 0)
		j->failed = true;
	j->ahead += header + j->added.len;
	j->added.len = 0;
}

static int
put_line(struct buffer *b, const char *line, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t value = crc_of(line, len);
	char crc[9];

	for (int i = 7; i >= 0; i--, value >>= 4)
		crc[i] = digits[value & 15];
	crc[8] = '\t';
	if (put(b, crc, sizeof(crc)) != 0 || put(b, line, len) != 0 || put(b, "\n", 1) != 0)
		return PB_ENOMEM;
	return 0;
}

/* One more field of a line of LINE_MAX_BYTES; false when it does not fit. */
static bool
add_field(char *line, size_t *len, const char *field)
{
	size_t n = strlen(field);

	if (n + 1 > LINE_MAX_BYTES - *len)
		return false;
	line[(*len)++] = '\t';
	memcpy(line + *len, field, n);
	*len += n;
	return true;
}

/* "KIND INDEX FIELD", the begin of each line. */
static bool
begin_line(char *line, size_t *len, char kind, uint32_t index, const char *field)
{
	char digits[11];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + index % 10);
	while ((index /= 10) > 0);
	line[0] = kind;
	*len = 1;
	return add_field(line, len, digits + at) && add_field(line, len, field);
}

static bool
parse_index(uint32_t *out, const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len > 7 || strspn(s, "0123456789") != len)
		return false;
	*out = (uint32_t)strtoul(s, NULL, 10);
	return *out < JOURNAL_CHANNELS_MAX;
}

static int
take_added(struct journal *j, char *field[FIELDS], size_t n)
{
	struct known *k;
	char id[GUIDE_ID_MAX];
	uint32_t index, at;

	if (n < 5 || !parse_index(&index, field[1]) || !guide_number_valid(field[2]))
		return PB_EFORMAT;
	while (j->count <= index)
		if (new_known(j) == JOURNAL_NONE)
			return PB_ENOMEM;
	k = &j->known[index];
	if (k->number[0] != '\0' || journal_owner(j, field[2]) != JOURNAL_NONE)
		return PB_EFORMAT;
	at = text(j, field[4]);
	k->name = at;
	if (at == 0 || set_number(j, index, field[2]) != 0)
		return PB_ENOMEM;
	make_id(j, id, field[2]);
	if (strcmp(id, field[3]) != 0 && keep_id(j, index, field[3]) != 0)
		return PB_ENOMEM;
	for (size_t i = 5; i < n; i++)
		if (field[i][0] != '\0' && bind(j, field[i][0], field[i] + 1, index) != 0)
			return PB_ENOMEM;
	return 0;
}

static int
take_line(struct journal *j, char *line, size_t len)
{
	char *field[FIELDS];
	size_t n = 0;
	uint32_t index;

	if (len < 11 || line[8] != '\t' || !utf8_valid(line, len) || memchr(line, '\0', len) != NULL)
		return PB_EFORMAT;
	line[8] = '\0';
	if (strtoul(line, NULL, 16) != crc_of(line + 9, len - 9))
		return PB_EFORMAT;
	line += 9;
	while (n < FIELDS && line != NULL) {
		field[n++] = line;
		line = strchr(line, '\t');
		if (line != NULL)
			*line++ = '\0';
	}
	if (strcmp(field[0], "+") == 0)
		return take_added(j, field, n);
	if (n < 3 || !parse_index(&index, field[1]) || index >= j->count || j->known[index].number[0] == '\0')
		return PB_EFORMAT;
	if (strcmp(field[0], "=") == 0 && field[2][0] != '\0')
		return bind(j, field[2][0], field[2] + 1, index);
	if (strcmp(field[0], "#") == 0 && guide_number_valid(field[2]) && journal_owner(j, field[2]) == JOURNAL_NONE) {
		/* Its id stays what it was. */
		if (j->known[index].guide_id == 0 && keep_id(j, index, journal_guide_id(j, index)) != 0)
			return PB_ENOMEM;
		return set_number(j, index, field[2]);
	}
	return PB_EFORMAT;
}

/* Whole lines of data; those that are damaged are counted. Gives how many bytes they are. */
static size_t
take_lines(struct journal *j, char *data, size_t len, size_t *damaged, int *err)
{
	char *line = data, *end;

	while (*err == 0 && (end = memchr(line, '\n', len - (size_t)(line - data))) != NULL) {
		*end = '\0';
		*err = take_line(j, line, (size_t)(end - line));
		if (*err == PB_EFORMAT) {
			++*damaged;
			*err = 0;
		}
		line = end + 1;
	}
	return (size_t)(line - data);
}

/* A portion at a time. 0, or what went wrong. */
static int
read_portions(struct journal *j, char *data, off_t size, size_t *damaged)
{
	size_t have = 0;
	off_t at = 0;
	int err = 0;

	while (err == 0 && at < size) {
		ssize_t n = pread(j->fd, data + have, PORTION - have, at);
		size_t taken = 0;

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += n;
		have += (size_t)n;
		if (j->size == 0) {
			taken = strlen(HEADER);
			if (have < taken || memcmp(data, HEADER, taken) != 0)
				/* Cut within its first line it never had another. */
				return have < taken && memcmp(data, HEADER, have) == 0 ? 0 : PB_EFORMAT;
		}
		taken += take_lines(j, data + taken, have - taken, damaged, &err);
		j->size += (off_t)taken;
		have -= taken;
		memmove(data, data + taken, have);
		if (have == PORTION) {
			/* No line is so long: damage, up to where the next one ends. */
			++*damaged;
			j->size += (off_t)have;
			have = 0;
		}
	}
	return err;
}

static int
read_file(struct journal *j)
{
	struct stat st;
	size_t damaged = 0;
	char *data;
	int err;

	if (fstat(j->fd, &st) == -1)
		return PB_ESYS;
	if (st.st_size > FILE_MAX)
		return PB_EFORMAT;
	data = malloc(PORTION);
	if (data == NULL)
		return PB_ENOMEM;
	err = read_portions(j, data, st.st_size, &damaged);
	free(data);
	if (err == 0 && j->size < st.st_size) {
		log_event(LOG_WARNING, "journal.cut", "bytes=%lld why=\"its last line was not written to the end\"",
		    (long long)(st.st_size - j->size));
		if (ftruncate(j->fd, j->size) == -1)
			err = PB_ESYS;
	}
	if (damaged > 0)
		log_event(LOG_ERR, "journal.damaged",
		    "lines=%zu why=\"they are passed over: their channels get new numbers\"", damaged);
	return err;
}

int
journal_open(struct journal **out, int dir, const char *device)
{
	struct journal *j = calloc(1, sizeof(*j));
	int err = PB_ENOMEM;

	if (j == NULL)
		return err;
	j->fd = -1;
	snprintf(j->device, sizeof(j->device), "%s", device);
	if (getrandom(&j->seed, sizeof(j->seed), GRND_NONBLOCK) != (ssize_t)sizeof(j->seed))
		j->seed = (uint64_t)(uintptr_t)j;
	j->slot_count = 1024;
	j->slots = calloc(j->slot_count, sizeof(*j->slots));
	j->number_count = 512;
	j->numbers = calloc(j->number_count, sizeof(*j->numbers));
	if (j->slots == NULL || j->numbers == NULL || put(&j->texts, "", 1) != 0)
		goto fail;
	if (dir != -1) {
		err = PB_ESYS;
		j->fd = openat(dir, FILE_NAME, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (j->fd == -1)
			goto fail;
		err = read_file(j);
		if (err != 0)
			goto fail;
	}
	*out = j;
	return 0;
fail:
	journal_free(&j);
	return err;
}

/* Of a change that came to nothing, the lines that are in the file already. */
static void
take_back(struct journal *j)
{
	if (j->fd != -1 && (j->ahead > 0 || j->failed) && ftruncate(j->fd, j->size) == -1)
		log_event(LOG_ERR, "journal.cut", "why=\"%s\"", strerror(errno)); /* a start cuts what is half a line */
}

void
journal_free(struct journal **journal)
{
	struct journal *j = *journal;
	int saved = errno;

	*journal = NULL;
	if (j == NULL)
		return;
	take_back(j);
	if (j->fd != -1)
		(void)close(j->fd);
	forget_lines(j);
	free(j->known);
	free(j->texts.data);
	free(j->slots);
	free(j->numbers);
	free(j);
	errno = saved;
}

void
journal_detach(struct journal *j)
{
	if (j->fd != -1)
		(void)close(j->fd);
	j->fd = -1;
}

uint32_t
journal_count(const struct journal *j)
{
	return j->count;
}

int
journal_expect(struct journal *j, uint32_t more)
{
	size_t slots = j->slot_count, numbers = j->number_count;
	uint32_t room = PB_MIN(j->count + more, (uint32_t)JOURNAL_CHANNELS_MAX);
	struct known *known;

	if (room > j->room) {
		known = reallocarray(j->known, room, sizeof(*known));
		if (known == NULL)
			return PB_ENOMEM;
		j->known = known;
		j->room = room;
	}
	/* Two keys of each. */
	while (j->used + 2 * (size_t)more >= slots / 5 * 4)
		slots *= 2;
	while (j->numbers_used + more >= numbers / 4 * 3)
		numbers *= 2;
	if (slots > j->slot_count && set_slots(j, slots) != 0)
		return PB_ENOMEM;
	return numbers > j->number_count ? set_numbers(j, numbers, JOURNAL_NONE) : 0;
}

uint32_t
journal_find(const struct journal *j, char kind, const char *key)
{
	const struct slot *slot = slot_of(j, hash_of(j, kind, key));

	if (!is_free(slot))
		return slot->index;
	return kind == 'g' ? made_id_owner(j, key) : JOURNAL_NONE;
}

uint32_t
journal_owner(const struct journal *j, const char *number)
{
	size_t at = hash_of(j, '#', number) & (j->number_count - 1);

	while (j->numbers[at] != 0 && strcmp(j->known[j->numbers[at] - 1].number, number) != 0)
		at = (at + 1) & (j->number_count - 1);
	return j->numbers[at] - 1;
}

const char *
journal_number(const struct journal *j, uint32_t index)
{
	return j->known[index].number;
}

const char *
journal_guide_id(const struct journal *j, uint32_t index)
{
	static char id[GUIDE_ID_MAX];
	const struct known *k = &j->known[index];

	if (k->guide_id != 0)
		return j->texts.data + k->guide_id;
	make_id(j, id, k->number);
	return k->number[0] != '\0' ? id : "";
}

const char *
journal_name(const struct journal *j, uint32_t index)
{
	return j->texts.data + j->known[index].name;
}

uint32_t
journal_add(struct journal *j, const char *name, const char *key, const char *other)
{
	uint32_t index, at;
	bool ok;

	if (j->count == JOURNAL_CHANNELS_MAX)
		return JOURNAL_NONE;
	index = new_known(j);
	if (index == JOURNAL_NONE)
		return index;
	at = text(j, name);
	j->known[index].name = at;
	j->known[index].keys = (uint32_t)j->keys.len;
	ok = at != 0 && (key == NULL || put(&j->keys, key, strlen(key)) == 0);
	if (ok && other != NULL)
		ok = (key == NULL || put(&j->keys, "\t", 1) == 0) && put(&j->keys, other, strlen(other)) == 0;
	ok = ok && put(&j->keys, "", 1) == 0;
	j->unnumbered++;
	if (!ok || (key != NULL && bind(j, key[0], key + 1, index) != 0) ||
	    (other != NULL && bind(j, other[0], other + 1, index) != 0))
		return JOURNAL_NONE;
	return index;
}

int
journal_alias(struct journal *j, uint32_t index, const char *key)
{
	char line[LINE_MAX_BYTES];
	size_t len;

	if (bind(j, key[0], key + 1, index) != 0 || !begin_line(line, &len, '=', index, key))
		return PB_ENOMEM;
	return put_line(&j->aliases, line, len);
}

int
journal_give(struct journal *j, uint32_t index, const char *number)
{
	struct known *k = &j->known[index];
	char line[LINE_MAX_BYTES], id[GUIDE_ID_MAX];
	unsigned again = 1;
	size_t len;
	int err;

	pb_assert(k->number[0] == '\0' && journal_owner(j, number) == JOURNAL_NONE);
	/* The number may have been another's before, whose id it keeps. */
	make_id(j, id, number);
	while (journal_find(j, 'g', id) != JOURNAL_NONE)
		snprintf(id, sizeof(id), "c%s.%u.%s.plexbridge", number, ++again, j->device);
	if ((again > 1 && keep_id(j, index, id) != 0) || set_number(j, index, number) != 0)
		return PB_ENOMEM;
	k = &j->known[index];
	if (!begin_line(line, &len, '+', index, number) || !add_field(line, &len, id) ||
	    !add_field(line, &len, j->texts.data + k->name) || !add_field(line, &len, j->keys.data + k->keys))
		return PB_ENOMEM;
	/* Of 200,000 new ones the keys are as large as all that is known of them: they go before the lineup is built. */
	if (--j->unnumbered == 0)
		clear(&j->keys);
	err = put_line(&j->added, line, len);
	if (j->added.len > PORTION - LINE_MAX_BYTES)
		write_ahead(j);
	return err;
}

int
journal_renumber(struct journal *j, uint32_t index, const char *number)
{
	char line[LINE_MAX_BYTES];
	size_t len;

	pb_assert(j->known[index].number[0] != '\0' && journal_owner(j, number) == JOURNAL_NONE);
	if ((j->known[index].guide_id == 0 && keep_id(j, index, journal_guide_id(j, index)) != 0) ||
	    set_number(j, index, number) != 0 || !begin_line(line, &len, '#', index, number))
		return PB_ENOMEM;
	return put_line(&j->aliases, line, len);
}

size_t
journal_pending(const struct journal *j)
{
	return j->ahead + j->added.len + j->aliases.len;
}

int
journal_write(struct journal *j)
{
	if (j->fd != -1 && journal_pending(j) > 0) {
		write_ahead(j);
		if (!j->failed && write_all(j->fd, j->aliases.data, j->aliases.len) != 0)
			j->failed = true;
		if (j->failed) {
			int saved = errno;

			take_back(j);
			errno = saved;
			return PB_ESYS;
		}
		j->size += (off_t)(j->ahead + j->aliases.len);
	}
	forget_lines(j);
	return 0;
}

int
journal_fd(const struct journal *j)
{
	return j->fd;
}
