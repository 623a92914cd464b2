/*
 * journal.c - how the promise in journal.h is kept
 *
 * Keys are kept as 64-bit hashes with a seed of this process's own: two of
 * four hundred thousand are the same once in a hundred million starts, and
 * nobody outside can make them so. Their texts are in the file.
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

#include "base/log.h"
#include "base/pb.h"
#include "base/utf8.h"

#define FILE_NAME "lineup.journal"
#define HEADER "plexbridge lineup journal 1\n"
#define LINE_MAX_BYTES 4096
#define FILE_MAX ((off_t)1 << 30)
#define FIELDS 8

struct known {
	char number[GUIDE_NUMBER_MAX];
	uint32_t name, guide_id; /* in texts */
	uint32_t keys; /* of one that has no number yet: in texts, "key\tkey" */
};

struct slot {
	uint64_t hash; /* 0: free */
	uint32_t index;
};

struct buffer {
	char *data;
	size_t len, room;
};

struct journal {
	int fd;
	off_t size; /* of the file, as far as it is good */
	char device[16];
	uint64_t seed;
	struct known *known;
	uint32_t count, room;
	struct buffer texts;
	struct slot *slots;
	size_t slot_count, used;
	struct buffer added, aliases; /* lines to be written */
};

static uint64_t
hash_of(const struct journal *j, char kind, const char *key)
{
	uint64_t h = (j->seed ^ (unsigned char)kind) * 0x9e3779b97f4a7c15u;

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	h ^= h >> 32;
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

static uint32_t
text(struct journal *j, const char *s)
{
	uint32_t at = (uint32_t)j->texts.len;

	return put(&j->texts, s, strlen(s) + 1) == 0 ? at : 0;
}

static struct slot *
slot_of(const struct journal *j, uint64_t hash)
{
	size_t at = hash & (j->slot_count - 1);

	while (j->slots[at].hash != 0 && j->slots[at].hash != hash)
		at = (at + 1) & (j->slot_count - 1);
	return &j->slots[at];
}

static int
more_slots(struct journal *j)
{
	struct slot *old = j->slots;
	size_t count = j->slot_count;

	if (j->used < count / 4 * 3)
		return 0;
	j->slots = calloc(count * 2, sizeof(*j->slots));
	if (j->slots == NULL) {
		j->slots = old;
		return PB_ENOMEM;
	}
	j->slot_count = count * 2;
	for (size_t i = 0; i < count; i++)
		if (old[i].hash != 0)
			*slot_of(j, old[i].hash) = old[i];
	free(old);
	return 0;
}

/* The first one that is known by something stays it; a number belongs to whom it was given last. */
static int
bind(struct journal *j, char kind, const char *key, uint32_t index)
{
	uint64_t hash = hash_of(j, kind, key);
	struct slot *slot;

	if (more_slots(j) != 0)
		return PB_ENOMEM;
	slot = slot_of(j, hash);
	if (slot->hash == 0) {
		slot->hash = hash;
		slot->index = index;
		j->used++;
	} else if (kind == '#')
		slot->index = index;
	return 0;
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

/* CRC-32, as zlib has it. */
static uint32_t
crc_of(const char *s, size_t len)
{
	static uint32_t table[256];
	uint32_t crc = ~0u;

	for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (0xedb88320u & -(c & 1));
		table[i] = c;
	}
	for (size_t i = 0; i < len; i++)
		crc = crc >> 8 ^ table[(crc ^ (unsigned char)s[i]) & 0xff];
	return ~crc;
}

static int
put_line(struct buffer *b, const char *line, int len)
{
	char crc[10];

	if (len < 0 || len >= LINE_MAX_BYTES)
		return PB_ENOMEM;
	snprintf(crc, sizeof(crc), "%08" PRIx32 "\t", crc_of(line, (size_t)len));
	if (put(b, crc, 9) != 0 || put(b, line, (size_t)len) != 0 || put(b, "\n", 1) != 0)
		return PB_ENOMEM;
	return 0;
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
	uint32_t index, at;

	if (n < 5 || !parse_index(&index, field[1]) || !guide_number_valid(field[2]))
		return PB_EFORMAT;
	while (j->count <= index)
		if (new_known(j) == JOURNAL_NONE)
			return PB_ENOMEM;
	k = &j->known[index];
	if (k->number[0] != '\0' || journal_owner(j, field[2]) != JOURNAL_NONE)
		return PB_EFORMAT;
	memcpy(k->number, field[2], strlen(field[2]) + 1);
	at = text(j, field[3]);
	k = &j->known[index];
	k->guide_id = at;
	k->name = text(j, field[4]);
	if (k->guide_id == 0 || k->name == 0 || bind(j, '#', field[2], index) != 0 || bind(j, 'g', field[3], index) != 0)
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
		snprintf(j->known[index].number, GUIDE_NUMBER_MAX, "%s", field[2]);
		return bind(j, '#', field[2], index);
	}
	return PB_EFORMAT;
}

/* All of it, in memory for the time of reading. 0, or what went wrong. */
static int
read_file(struct journal *j)
{
	struct stat st;
	char *data, *line, *end;
	size_t done = 0, damaged = 0;
	int err = 0;

	if (fstat(j->fd, &st) == -1)
		return PB_ESYS;
	if (st.st_size > FILE_MAX)
		return PB_EFORMAT;
	data = malloc((size_t)st.st_size + 1);
	if (data == NULL)
		return PB_ENOMEM;
	while (done < (size_t)st.st_size) {
		ssize_t n = pread(j->fd, data + done, (size_t)st.st_size - done, (off_t)done);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done > 0 && (done < strlen(HEADER) || memcmp(data, HEADER, strlen(HEADER)) != 0)) {
		/* Cut within its first line it never had another. */
		if (done >= strlen(HEADER) || memcmp(data, HEADER, done) != 0) {
			free(data);
			return PB_EFORMAT;
		}
		done = 0;
	}
	line = data + (done > 0 ? strlen(HEADER) : 0);
	j->size = line - data;
	while (err == 0 && (end = memchr(line, '\n', done - (size_t)(line - data))) != NULL) {
		*end = '\0';
		err = take_line(j, line, (size_t)(end - line));
		if (err == PB_EFORMAT) {
			damaged++;
			err = 0;
		}
		line = end + 1;
		j->size = line - data;
	}
	free(data);
	if (err == 0 && j->size < st.st_size) {
		log_event(LOG_WARNING, "journal.cut", "bytes=%lld why=\"its last line was not written to the end\"",
		    (long long)(st.st_size - j->size));
		if (ftruncate(j->fd, j->size) == -1)
			err = PB_ESYS;
	}
	if (damaged > 0)
		log_event(LOG_ERR, "journal.damaged", "lines=%zu why=\"they are passed over: their channels get new numbers\"",
		    damaged);
	return err;
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
	if (j->slots == NULL || put(&j->texts, "", 1) != 0)
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

void
journal_free(struct journal **journal)
{
	struct journal *j = *journal;
	int saved = errno;

	*journal = NULL;
	if (j == NULL)
		return;
	if (j->fd != -1)
		(void)close(j->fd);
	free(j->known);
	free(j->texts.data);
	free(j->slots);
	free(j->added.data);
	free(j->aliases.data);
	free(j);
	errno = saved;
}

uint32_t
journal_count(const struct journal *j)
{
	return j->count;
}

uint32_t
journal_find(const struct journal *j, char kind, const char *key)
{
	const struct slot *slot = slot_of(j, hash_of(j, kind, key));

	return slot->hash != 0 ? slot->index : JOURNAL_NONE;
}

uint32_t
journal_owner(const struct journal *j, const char *number)
{
	uint32_t index = journal_find(j, '#', number);

	/* A number that was given up is still in the table. */
	return index != JOURNAL_NONE && strcmp(j->known[index].number, number) == 0 ? index : JOURNAL_NONE;
}

const char *
journal_number(const struct journal *j, uint32_t index)
{
	return j->known[index].number;
}

const char *
journal_guide_id(const struct journal *j, uint32_t index)
{
	return j->texts.data + j->known[index].guide_id;
}

const char *
journal_name(const struct journal *j, uint32_t index)
{
	return j->texts.data + j->known[index].name;
}

uint32_t
journal_add(struct journal *j, const char *name, const char *key, const char *other)
{
	char keys[2 * JOURNAL_KEY_MAX];
	uint32_t index, at;

	if (j->count == JOURNAL_CHANNELS_MAX)
		return JOURNAL_NONE;
	index = new_known(j);
	if (index == JOURNAL_NONE)
		return index;
	snprintf(keys, sizeof(keys), "%s%s%s", key != NULL ? key : "", key != NULL && other != NULL ? "\t" : "",
	    other != NULL ? other : "");
	at = text(j, name);
	j->known[index].name = at;
	at = text(j, keys);
	j->known[index].keys = at;
	if (j->known[index].name == 0 || at == 0 || (key != NULL && bind(j, key[0], key + 1, index) != 0) ||
	    (other != NULL && bind(j, other[0], other + 1, index) != 0))
		return JOURNAL_NONE;
	return index;
}

int
journal_alias(struct journal *j, uint32_t index, const char *key)
{
	char line[LINE_MAX_BYTES];

	if (bind(j, key[0], key + 1, index) != 0)
		return PB_ENOMEM;
	return put_line(&j->aliases, line, snprintf(line, sizeof(line), "=\t%" PRIu32 "\t%s", index, key));
}

int
journal_give(struct journal *j, uint32_t index, const char *number)
{
	struct known *k = &j->known[index];
	char line[LINE_MAX_BYTES], id[64];
	uint32_t at;

	pb_assert(k->number[0] == '\0' && journal_owner(j, number) == JOURNAL_NONE);
	snprintf(k->number, sizeof(k->number), "%s", number);
	snprintf(id, sizeof(id), "c%s.%s.plexbridge", number, j->device);
	/* The number may have been another's before, whose id it keeps. */
	for (unsigned again = 2; journal_find(j, 'g', id) != JOURNAL_NONE; again++)
		snprintf(id, sizeof(id), "c%s.%u.%s.plexbridge", number, again, j->device);
	at = text(j, id);
	j->known[index].guide_id = at;
	if (at == 0 || bind(j, '#', number, index) != 0 || bind(j, 'g', id, index) != 0)
		return PB_ENOMEM;
	k = &j->known[index];
	return put_line(&j->added, line, snprintf(line, sizeof(line), "+\t%" PRIu32 "\t%s\t%s\t%s\t%s", index, k->number, id,
	    j->texts.data + k->name, j->texts.data + k->keys));
}

int
journal_renumber(struct journal *j, uint32_t index, const char *number)
{
	char line[LINE_MAX_BYTES];

	pb_assert(j->known[index].number[0] != '\0' && journal_owner(j, number) == JOURNAL_NONE);
	snprintf(j->known[index].number, GUIDE_NUMBER_MAX, "%s", number);
	if (bind(j, '#', number, index) != 0)
		return PB_ENOMEM;
	return put_line(&j->aliases, line, snprintf(line, sizeof(line), "#\t%" PRIu32 "\t%s", index, number));
}

size_t
journal_pending(const struct journal *j)
{
	return j->added.len + j->aliases.len;
}

int
journal_write(struct journal *j)
{
	int err = 0;

	if (j->fd != -1) {
		if (j->size == 0)
			err = write_all(j->fd, HEADER, strlen(HEADER));
		if (err == 0)
			err = write_all(j->fd, j->added.data, j->added.len);
		if (err == 0)
			err = write_all(j->fd, j->aliases.data, j->aliases.len);
		if (err != 0) {
			int saved = errno;

			if (ftruncate(j->fd, j->size) == -1)
				log_event(LOG_ERR, "journal.cut", "why=\"%s\"", strerror(errno)); /* a start cuts it */
			errno = saved;
			return err;
		}
		j->size += (off_t)((j->size == 0 ? strlen(HEADER) : 0) + j->added.len + j->aliases.len);
	}
	free(j->added.data);
	free(j->aliases.data);
	memset(&j->added, 0, sizeof(j->added));
	memset(&j->aliases, 0, sizeof(j->aliases));
	return 0;
}

int
journal_fd(const struct journal *j)
{
	return j->fd;
}
