/*
 * journal.c - how the promise in journal.h is kept
 *
 * Keys are kept as 64-bit hashes with a seed of this process's own: two of
 * four hundred thousand are the same once in a hundred million starts, and
 * nobody outside can make them so. Their texts are in the file, and a guide
 * id that follows from the number is nowhere: at 200,000 channels each byte
 * that is kept of one is 200 KB, and each page that is touched is time. So
 * a new one's keys are not kept until it has its number: who added it has them.
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
#include "base/pages.h"
#include "base/pb.h"
#include "base/utf8.h"

#define FILE_NAME "lineup.journal"
#define NEW_NAME FILE_NAME ".new"
#define HEADER_WORDS "plexbridge lineup journal "
#define HEADER HEADER_WORDS "1\n"
#define BAD_MAX 99 /* damaged files kept aside */
#define LINE_MAX_BYTES 4096
#define FILE_MAX ((off_t)1 << 30)
#define FIELDS 8
#define PORTION ((size_t)256 << 10) /* of reading and of writing */
#define GUIDE_ID_MAX LINEUP_ID_MAX

struct known {
	char number[GUIDE_NUMBER_MAX];
	uint32_t name; /* in texts */
	uint32_t guide_id; /* in texts; 0: it is made of the number and the device, as a new one's */
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
	bool salvaged; /* it has no first line that is one: what is good goes into `added`, too */
	char device[16];
	uint64_t seed;
	struct known *known;
	uint32_t count, room;
	struct buffer texts;
	uint32_t ids; /* guide ids that are kept as texts */
	struct slot *slots;
	size_t slot_count, used; /* slot_count is a power of 2 */
	uint32_t
	    *numbers; /* index + 1 of who has it, by the number's hash; 0: free. One that was given up matches nobody */
	size_t number_count, numbers_used;
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
hash_of(const struct journal *j, char kind, const char *key, size_t len)
{
	uint64_t h = j->seed ^ ((uint64_t)(unsigned char)kind << 32 ^ len) * 0x9e3779b97f4a7c15u, part = 0;

	for (size_t at = 0; at + sizeof(part) < len; at += sizeof(part)) {
		memcpy(&part, key + at, sizeof(part));
		h = mix(h ^ part, 0xa0761d6478bd642fu);
	}
	/* What is left, or the last eight, which are partly in it already. */
	if (len >= sizeof(part))
		memcpy(&part, key + len - sizeof(part), sizeof(part));
	else
		for (size_t i = 0; i < len; i++)
			part = part << 8 | (unsigned char)key[i];
	h = mix(h ^ part, 0xe7037ed1a0b428dbu);
	h = mix(h ^ j->seed, 0x8ebc6af09c88c6e3u);
	return h != 0 ? h : 1;
}

struct journal_key
journal_key(const struct journal *j, char kind, const char *text)
{
	size_t len = PB_MIN(strlen(text), (size_t)JOURNAL_KEY_MAX);

	return (struct journal_key){ hash_of(j, kind, text, len), text, (uint16_t)len, kind };
}

static int
put(struct buffer *b, const void *data, size_t len)
{
	if (len > b->room - b->len) {
		size_t room = b->room == 0 ? 4096 : b->room;
		char *more;

		while (len > room - b->len)
			room *= 2;
		if (room > UINT32_MAX)
			return PB_ENOMEM;
		more = pages_more(b->data, b->len, b->room, room, 1);
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
	pages_free(b->data, b->room, 1);
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

	j->slots = pages_alloc(count, sizeof(*j->slots));
	if (j->slots == NULL) {
		j->slots = old;
		return PB_ENOMEM;
	}
	pages_touch(j->slots, count, sizeof(*j->slots));
	j->slot_count = count;
	for (size_t i = 0; i < old_count; i++)
		if (!is_free(&old[i]))
			*slot_of(j, (uint64_t)old[i].high << 32 | old[i].low) = old[i];
	pages_free(old, old_count, sizeof(*old));
	return 0;
}

static int
more_slots(struct journal *j)
{
	return j->used < j->slot_count / 5 * 4 ? 0 : set_slots(j, j->slot_count * 2);
}

/* The first one that is known by something stays it. */
static int
bind(struct journal *j, uint64_t hash, uint32_t index)
{
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

/* The same, of a kind and text in one, as lines have them. */
static int
bind_text(struct journal *j, const char *key, uint32_t index)
{
	return bind(j, journal_key(j, key[0], key + 1).hash, index);
}

/*
 * Numbers
 */

/*
 * Where to look for a number first. Those that follow each other are given one
 * after the other, and stand beside each other, sixteen in a line of the cache.
 */
static size_t
number_place(const struct journal *j, const char *number)
{
	uint64_t n = 0;

	for (const char *s = number; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return hash_of(j, '#', number, strlen(number));
		n = n * 10 + (uint64_t)(*s - '0');
	}
	return (mix(n / 16 ^ j->seed, 0xa0761d6478bd642fu) << 4) + n % 16;
}

/* Where the one with that number is, or would be. Lines that meet in a place go different ways from there. */
static uint32_t *
number_slot(const struct journal *j, const char *number)
{
	size_t at = number_place(j, number) & (j->number_count - 1);

	while (j->numbers[at] != 0 && strcmp(j->known[j->numbers[at] - 1].number, number) != 0)
		at = (at + 17) & (j->number_count - 1);
	return &j->numbers[at];
}

/* Another table of numbers. */
static int
set_numbers(struct journal *j, size_t count)
{
	uint32_t *more = pages_alloc(count, sizeof(*more));

	if (more == NULL)
		return PB_ENOMEM;
	pages_touch(more, count, sizeof(*more));
	pages_free(j->numbers, j->number_count, sizeof(*j->numbers));
	j->numbers = more;
	j->number_count = count;
	j->numbers_used = 0;
	for (uint32_t i = 0; i < j->count; i++)
		if (j->known[i].number[0] != '\0') {
			*number_slot(j, j->known[i].number) = i + 1;
			j->numbers_used++;
		}
	return 0;
}

/* The channel has this number from now on, which nobody has. */
static int
set_number(struct journal *j, uint32_t index, const char *number)
{
	uint32_t *slot;

	if (j->numbers_used >= j->number_count / 4 * 3 && set_numbers(j, j->number_count * 2) != 0)
		return PB_ENOMEM;
	slot = number_slot(j, number);
	pb_assert(*slot == 0);
	*slot = index + 1;
	j->numbers_used++;
	memcpy(j->known[index].number, number, strlen(number) + 1);
	return 0;
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
	lineup_epg_id(made, number, j->device);
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
	j->ids++;
	return bind(j, journal_key(j, 'g', id).hash, index);
}

static int
more_known(struct journal *j, uint32_t room)
{
	struct known *more = pages_more(j->known, j->count, j->room, room, sizeof(*more));

	if (more == NULL)
		return PB_ENOMEM;
	j->known = more;
	j->room = room;
	return 0;
}

static uint32_t
new_known(struct journal *j)
{
	if (j->count == j->room) {
		uint32_t room = j->room == 0 ? 256 : j->room + j->room / 2;

		if (more_known(j, room) != 0)
			return JOURNAL_NONE;
	}
	return j->count++; /* all zero: nothing is taken back but the whole journal */
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

static bool
add_key(char *line, size_t *len, const struct journal_key *key)
{
	if ((size_t)key->len + 2 > LINE_MAX_BYTES - *len)
		return false;
	line[(*len)++] = '\t';
	line[(*len)++] = key->kind;
	memcpy(line + *len, key->text, key->len);
	*len += key->len;
	return true;
}

/* "KIND INDEX", the begin of each line. */
static void
begin_line(char *line, size_t *len, char kind, uint32_t index)
{
	char digits[11];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + index % 10);
	while ((index /= 10) > 0);
	line[0] = kind;
	*len = 1;
	(void)add_field(line, len, digits + at);
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
	lineup_epg_id(id, field[2], j->device);
	if (strcmp(id, field[3]) != 0 && keep_id(j, index, field[3]) != 0)
		return PB_ENOMEM;
	for (size_t i = 5; i < n; i++)
		if (field[i][0] != '\0' && bind_text(j, field[i], index) != 0)
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
		return bind_text(j, field[2], index);
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
		size_t was = j->added.len;

		if (j->salvaged && put(&j->added, line, (size_t)(end - line) + 1) != 0)
			*err = PB_ENOMEM;
		*end = '\0';
		if (*err == 0)
			*err = take_line(j, line, (size_t)(end - line));
		if (*err == PB_EFORMAT) {
			++*damaged;
			*err = 0;
			j->added.len = was;
		}
		line = end + 1;
	}
	return (size_t)(line - data);
}

/*
 * The file's first bytes, of which there are so many: does it begin as it
 * must? 0, and it is not salvaged, or is; PB_AGAIN: cut within its first
 * line it never had another; PB_EFORMAT: it is of another version.
 */
static int
take_header(struct journal *j, const char *data, size_t have, size_t *taken)
{
	size_t words = strlen(HEADER_WORDS), digits;

	if (have < strlen(HEADER) && memcmp(data, HEADER, have) == 0)
		return PB_AGAIN;
	if (have >= strlen(HEADER) && memcmp(data, HEADER, strlen(HEADER)) == 0) {
		*taken = strlen(HEADER);
		return 0;
	}
	if (have > words && memcmp(data, HEADER_WORDS, words) == 0) {
		for (digits = 0; words + digits < have && data[words + digits] >= '0' && data[words + digits] <= '9';)
			digits++;
		if (digits > 0 && (words + digits == have || data[words + digits] == '\n'))
			return PB_EFORMAT;
	}
	j->salvaged = true;
	return 0;
}

/* A portion at a time. 0, or what went wrong. */
static int
read_portions(struct journal *j, char *data, off_t size, size_t *damaged)
{
	size_t have = 0;
	off_t at = 0;
	bool first;
	int err = 0;

	while (err == 0 && at < size) {
		ssize_t n = pread(j->fd, data + have, PORTION - have, at);
		size_t taken = 0;

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return PB_ESYS; /* what is behind this may be good */
		if (n == 0)
			break;
		first = at == 0;
		at += n;
		have += (size_t)n;
		if (first && (err = take_header(j, data, have, &taken)) != 0)
			return err == PB_AGAIN ? 0 : err;
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
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return PB_ESYS;
	}
	if (st.st_size > FILE_MAX)
		return PB_ELIMIT;
	data = malloc(PORTION);
	if (data == NULL)
		return PB_ENOMEM;
	err = read_portions(j, data, st.st_size, &damaged);
	free(data);
	if (err == 0 && !j->salvaged && j->size < st.st_size) {
		log_event(LOG_WARNING, "journal.cut", "bytes=%lld why=\"its last line was not written to the end\"",
		    (long long)(st.st_size - j->size));
		if (ftruncate(j->fd, j->size) == -1)
			err = PB_ESYS;
	}
	if (damaged > 0 && !j->salvaged)
		log_event(LOG_ERR, "journal.damaged",
		    "lines=%zu why=\"they are passed over: their channels get new numbers\"", damaged);
	return err;
}

/* The file, under the first name that is free, and if it may be under its own as well: it is never not there. */
static int
keep_aside(int dir, char name[64])
{
	for (int i = 1; i <= BAD_MAX; i++) {
		snprintf(name, 64, FILE_NAME ".bad-%d", i);
		if (linkat(dir, FILE_NAME, dir, name, 0) == 0)
			return 0;
		/* A file system without links. */
		if (errno != EEXIST && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == -1)
			return renameat(dir, FILE_NAME, dir, name) == 0 ? 0 : PB_ESYS;
	}
	return PB_ESYS;
}

/* What was readable of a damaged one becomes the file. */
static int
write_anew(struct journal *j, int dir)
{
	int fd = openat(dir, NEW_NAME, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	size_t bytes = j->added.len;
	char aside[64];

	if (fd == -1)
		return PB_ESYS;
	(void)close(j->fd);
	j->fd = fd;
	j->size = 0;
	if (journal_write(j) != 0 || fsync(fd) == -1 || keep_aside(dir, aside) != 0 ||
	    renameat(dir, NEW_NAME, dir, FILE_NAME) == -1)
		return PB_ESYS;
	(void)fsync(dir);
	j->salvaged = false;
	log_event(LOG_ERR, "journal.damaged",
	    "aside=%s bytes=%zu channels=%u why=\"its first line is none: what is readable goes on, channels that are "
	    "not "
	    "get new numbers\"",
	    aside, bytes, j->count);
	return 0;
}

/* What is there and can't be opened may be good: only where nothing is, memory will do. */
static int
open_file(struct journal *j, int dir)
{
	struct stat st;
	int err;

	j->fd = openat(dir, FILE_NAME, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	if (j->fd != -1) {
		err = read_file(j);
		return err == 0 && j->salvaged ? write_anew(j, dir) : err;
	}
	err = errno;
	if (fstatat(dir, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT) {
		log_event(LOG_ERR, "journal.open", "why=\"%s; numbers are kept in memory only\"", strerror(err));
		return 0;
	}
	errno = err;
	return PB_ESYS;
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
	j->slots = pages_alloc(j->slot_count, sizeof(*j->slots));
	j->number_count = 512;
	j->numbers = pages_alloc(j->number_count, sizeof(*j->numbers));
	if (j->slots == NULL || j->numbers == NULL || put(&j->texts, "", 1) != 0)
		goto fail;
	if (dir != -1) {
		err = open_file(j, dir);
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
	pages_free(j->known, j->room, sizeof(*j->known));
	pages_free(j->slots, j->slot_count, sizeof(*j->slots));
	pages_free(j->numbers, j->number_count, sizeof(*j->numbers));
	clear(&j->texts);
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

bool
journal_full(const struct journal *j)
{
	return j->count == JOURNAL_CHANNELS_MAX;
}

int
journal_expect(struct journal *j, uint32_t more)
{
	size_t slots = j->slot_count, numbers = j->number_count;
	uint32_t room = PB_MIN(j->count + more, (uint32_t)JOURNAL_CHANNELS_MAX);

	if (room > j->room && more_known(j, room) != 0)
		return PB_ENOMEM;
	/* Two keys of each. */
	while (j->used + 2 * (size_t)more >= slots / 5 * 4)
		slots *= 2;
	while (j->numbers_used + more >= numbers / 4 * 3)
		numbers *= 2;
	if (slots > j->slot_count && set_slots(j, slots) != 0)
		return PB_ENOMEM;
	return numbers > j->number_count ? set_numbers(j, numbers) : 0;
}

void
journal_soon(const struct journal *j, const struct journal_key *key)
{
	__builtin_prefetch(&j->slots[key->hash & (j->slot_count - 1)]);
}

uint32_t
journal_find(const struct journal *j, const struct journal_key *key)
{
	const struct slot *slot = slot_of(j, key->hash);

	if (!is_free(slot))
		return slot->index;
	return key->kind == 'g' ? made_id_owner(j, key->text) : JOURNAL_NONE;
}

uint32_t
journal_owner(const struct journal *j, const char *number)
{
	return *number_slot(j, number) - 1;
}

const char *
journal_number(const struct journal *j, uint32_t index)
{
	return j->known[index].number;
}

const char *
journal_own_id(const struct journal *j, uint32_t index)
{
	uint32_t at = j->known[index].guide_id;

	return at != 0 ? j->texts.data + at : NULL;
}

const char *
journal_guide_id(const struct journal *j, uint32_t index)
{
	static char id[GUIDE_ID_MAX];
	const char *own = journal_own_id(j, index);

	if (own != NULL)
		return own;
	lineup_epg_id(id, j->known[index].number, j->device);
	return j->known[index].number[0] != '\0' ? id : "";
}

const char *
journal_name(const struct journal *j, uint32_t index)
{
	return j->texts.data + j->known[index].name;
}

uint32_t
journal_add(struct journal *j, const struct journal_key *keys, size_t count)
{
	uint32_t index;

	if (journal_full(j))
		return JOURNAL_NONE;
	index = new_known(j);
	for (size_t i = 0; i < count && index != JOURNAL_NONE; i++)
		if (bind(j, keys[i].hash, index) != 0)
			index = JOURNAL_NONE;
	return index;
}

int
journal_alias(struct journal *j, uint32_t index, const struct journal_key *key)
{
	char line[LINE_MAX_BYTES];
	size_t len;

	begin_line(line, &len, '=', index);
	if (bind(j, key->hash, index) != 0 || !add_key(line, &len, key))
		return PB_ENOMEM;
	return put_line(&j->aliases, line, len);
}

/* A guide id for who gets this number, which nobody has: it may have been another's before, whose id it keeps. */
static int
new_id(struct journal *j, char id[GUIDE_ID_MAX], uint32_t index, const char *number)
{
	unsigned again = 1;

	lineup_epg_id(id, number, j->device);
	for (;;) {
		/* Those that follow from a number have an owner of that. */
		struct journal_key key = j->ids > 0 ? journal_key(j, 'g', id) : (struct journal_key){ .kind = 0 };

		if (key.kind == 0 || journal_find(j, &key) == JOURNAL_NONE)
			return again > 1 ? keep_id(j, index, id) : 0;
		snprintf(id, GUIDE_ID_MAX, "c%s.%u.%s.plexbridge", number, ++again, j->device);
	}
}

int
journal_give(struct journal *j, uint32_t index, const char *number, const char *name, const struct journal_key *keys,
    size_t count)
{
	char line[LINE_MAX_BYTES], id[GUIDE_ID_MAX];
	uint32_t at;
	size_t len;
	int err;

	pb_assert(j->known[index].number[0] == '\0');
	at = text(j, name);
	j->known[index].name = at;
	if (at == 0 || new_id(j, id, index, number) != 0 || set_number(j, index, number) != 0)
		return PB_ENOMEM;
	begin_line(line, &len, '+', index);
	if (!add_field(line, &len, number) || !add_field(line, &len, id) || !add_field(line, &len, name))
		return PB_ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!add_key(line, &len, &keys[i]))
			return PB_ENOMEM;
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

	pb_assert(j->known[index].number[0] != '\0');
	begin_line(line, &len, '#', index);
	if ((j->known[index].guide_id == 0 && keep_id(j, index, journal_guide_id(j, index)) != 0) ||
	    set_number(j, index, number) != 0 || !add_field(line, &len, number))
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
