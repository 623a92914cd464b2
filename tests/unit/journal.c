/*
 * journal.c - tests of supervisor/journal.c and merge.c: a number never moves by itself
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/pb.h"
#include "supervisor/journal.h"
#include "supervisor/merge.h"

static char folder[] = "/tmp/plexbridge-journal-XXXXXX";
static int dir = -1;

/* The linker leads calls of pread(2) here (local.mk), where it is called that. */
ssize_t __real_pread(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t len, off_t at);
static bool pread_seen, pread_fails;

ssize_t
__wrap_pread(int fd, void *data, size_t len, off_t at)
{
	pread_seen = true;
	errno = EIO;
	return pread_fails ? -1 : __real_pread(fd, data, len, at);
}

static void
setup(void)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(dir, 0);
}

static void
teardown(void)
{
	(void)unlinkat(dir, "lineup.journal", 0);
	close(dir);
	ck_assert_int_eq(rmdir(folder), 0);
}

static struct journal *
reopen(struct journal *j)
{
	journal_free(&j);
	ck_assert_int_eq(journal_open(&j, dir, "105902DB"), 0);
	return j;
}

/* Keys as a line has them, kind and text in one; NULL: none. */
static size_t
keys_of(struct journal_key out[2], const struct journal *j, const char *key, const char *other)
{
	out[0] = journal_key(j, key[0], key + 1);
	if (other == NULL)
		return 1;
	out[1] = journal_key(j, other[0], other + 1);
	return 2;
}

static uint32_t
add(struct journal *j, const char *key, const char *other)
{
	struct journal_key keys[2];

	return journal_add(j, keys, keys_of(keys, j, key, other));
}

static int
give(struct journal *j, uint32_t index, const char *number, const char *name, const char *key, const char *other)
{
	struct journal_key keys[2];

	return journal_give(j, index, number, name, keys, keys_of(keys, j, key, other));
}

static uint32_t
find(const struct journal *j, char kind, const char *text)
{
	struct journal_key key = journal_key(j, kind, text);

	return journal_find(j, &key);
}

START_TEST(what_was_written_is_there_after_a_restart)
{
	struct journal *j = reopen(NULL);
	uint32_t a = add(j, "ifirst.tv", "nfirst"), b = add(j, "nsecond", NULL);
	struct journal_key alias = journal_key(j, 'i', "second.tv");

	ck_assert_int_eq(give(j, a, "5.1", "First", "ifirst.tv", "nfirst"), 0);
	ck_assert_int_eq(give(j, b, "100", "Second", "nsecond", NULL), 0);
	ck_assert_int_eq(journal_alias(j, b, &alias), 0);
	ck_assert_int_eq(journal_write(j), 0);
	j = reopen(j);
	ck_assert_uint_eq(journal_count(j), 2);
	ck_assert_uint_eq(find(j, 'i', "first.tv"), a);
	ck_assert_uint_eq(find(j, 'n', "first"), a);
	ck_assert_uint_eq(find(j, 'i', "second.tv"), b);
	ck_assert_uint_eq(find(j, 'n', "third"), JOURNAL_NONE);
	ck_assert_str_eq(journal_number(j, a), "5.1");
	ck_assert_str_eq(journal_guide_id(j, b), "c100.105902DB.plexbridge");
	ck_assert_str_eq(journal_name(j, b), "Second");

	/* Another number, by the operator's word; the id stays, and the old number's next owner gets another id. */
	ck_assert_int_eq(journal_renumber(j, b, "42"), 0);
	ck_assert_int_eq(journal_write(j), 0);
	j = reopen(j);
	ck_assert_uint_eq(journal_owner(j, "42"), b);
	ck_assert_uint_eq(journal_owner(j, "100"), JOURNAL_NONE);
	ck_assert_str_eq(journal_guide_id(j, b), "c100.105902DB.plexbridge");
	a = add(j, "nthird", NULL);
	ck_assert_int_eq(give(j, a, "100", "Third", "nthird", NULL), 0);
	ck_assert_str_eq(journal_guide_id(j, a), "c100.2.105902DB.plexbridge");
	journal_free(&j);
}
END_TEST

/* Cut the file at every byte: all whole lines count, and it can be written on. */
START_TEST(a_journal_cut_at_any_byte_loses_at_most_its_last_entry)
{
	struct journal *j = reopen(NULL);
	char bytes[8192], key[32], number[16];
	ssize_t len;
	int fd;

	for (unsigned i = 0; i < 8; i++) {
		snprintf(key, sizeof(key), "nchannel%u", i);
		snprintf(number, sizeof(number), "%u", 100 + i);
		ck_assert_uint_eq(add(j, key, NULL), i);
		ck_assert_int_eq(give(j, i, number, "A name", key, NULL), 0);
	}
	ck_assert_int_eq(journal_write(j), 0);
	journal_free(&j);
	fd = openat(dir, "lineup.journal", O_RDWR);
	len = read(fd, bytes, sizeof(bytes));
	ck_assert_int_gt(len, 400);
	for (ssize_t cut = 0; cut <= len; cut++) {
		uint32_t lines = 0;

		ck_assert_int_eq(ftruncate(fd, 0), 0);
		ck_assert_int_eq(pwrite(fd, bytes, (size_t)cut, 0), cut);
		for (ssize_t i = 0; i < cut; i++)
			lines += bytes[i] == '\n';
		j = reopen(NULL);
		ck_assert_uint_eq(journal_count(j), lines == 0 ? 0 : lines - 1); /* the first one is the header */
		ck_assert_uint_ne(add(j, "nnew", NULL), JOURNAL_NONE);
		ck_assert_int_eq(give(j, journal_count(j) - 1, "999", "New", "nnew", NULL), 0);
		ck_assert_int_eq(journal_write(j), 0);
		j = reopen(j);
		ck_assert_uint_eq(journal_count(j), lines == 0 ? 1 : lines);
		ck_assert_uint_ne(journal_owner(j, "999"), JOURNAL_NONE);
		journal_free(&j);
	}
	close(fd);
}
END_TEST

START_TEST(a_line_that_is_damaged_costs_itself)
{
	struct journal *j = reopen(NULL);
	char bytes[4096];
	ssize_t len;
	int fd;

	for (unsigned i = 0; i < 3; i++) {
		static const char *const keys[] = { "na", "nb", "nc" }, *const numbers[] = { "1", "2", "3" };

		add(j, keys[i], NULL);
		ck_assert_int_eq(give(j, i, numbers[i], "Name", keys[i], NULL), 0);
	}
	ck_assert_int_eq(journal_write(j), 0);
	journal_free(&j);
	fd = openat(dir, "lineup.journal", O_RDWR);
	len = read(fd, bytes, sizeof(bytes) - 1);
	bytes[len] = '\0';
	strstr(bytes, "\t1\t2\t")[3] = '9';
	ck_assert_int_eq(pwrite(fd, bytes, (size_t)len, 0), len);
	close(fd);
	j = reopen(NULL);
	ck_assert_uint_eq(find(j, 'n', "a"), 0);
	ck_assert_uint_eq(find(j, 'n', "b"), JOURNAL_NONE);
	ck_assert_uint_eq(find(j, 'n', "c"), 2);
	journal_free(&j);
}
END_TEST

/*
 * Merging
 */

struct offered {
	const char *name, *clean, *id, *number, *url;
	enum list_quality quality;
};

/* What requests to it are to say. */
struct saying {
	const char *agent, *headers[2];
};

static struct list *
list_saying(const struct offered *o, const struct saying *says, size_t count)
{
	struct list_writer *w;
	struct list *list;
	const char *why;
	int fd;

	ck_assert_int_eq(list_writer_new(&w), 0);
	for (size_t i = 0; i < count; i++) {
		struct list_entry e = { 0 };

		e.name = list_text(w, o[i].name, strlen(o[i].name), LIST_NAME_MAX);
		e.clean = list_text(w, o[i].clean, strlen(o[i].clean), LIST_NAME_MAX);
		e.url = list_text(w, o[i].url, strlen(o[i].url), 1000);
		e.tvg_id = o[i].id != NULL ? list_text(w, o[i].id, strlen(o[i].id), LIST_WORD_MAX) : 0;
		e.number = o[i].number != NULL ? list_text(w, o[i].number, strlen(o[i].number), 16) : 0;
		if (says != NULL && says[i].agent != NULL)
			e.user_agent = list_text(w, says[i].agent, strlen(says[i].agent), LIST_WORD_MAX);
		for (unsigned k = 0; says != NULL && k < 2 && says[i].headers[k] != NULL; k++) {
			uint32_t ref = list_text(w, says[i].headers[k], strlen(says[i].headers[k]), 1000);

			e.headers = k == 0 ? ref : e.headers;
			e.header_count++;
		}
		e.quality = e.rank = (uint8_t)o[i].quality;
		e.shared = e.tvg_id != 0 && strstr(o[i].id, "shared") != NULL;
		ck_assert_int_eq(list_add(w, &e), 0);
	}
	ck_assert_int_eq(list_writer_seal(w, &fd), 0);
	list_writer_free(&w);
	ck_assert_int_eq(list_open(&list, fd, true, &why), 0);
	ck_assert_int_eq(list_check(list, LIST_ENTRIES_MAX, &why), 0);
	close(fd);
	return list;
}

static struct list *
list_of(const struct offered *o, size_t count)
{
	return list_saying(o, NULL, count);
}

static struct provider providers[2] = {
	{ .name = "home", .playlist = "/x", .merge = true, .first_number = 100 },
	{ .name = "away", .playlist = "/x", .merge = true, .first_number = 500 },
};

/* " (agent; header; ...)" of what requests to source n say, when they say anything. */
static size_t
add_request(char *out, size_t size, const struct channel *c, unsigned n)
{
	struct channel_request r = channel_request(c, n);
	size_t len = 0;

	if (r.user_agent == NULL && r.header_count == 0)
		return 0;
	len += (size_t)snprintf(out, size, " (%s", r.user_agent != NULL ? r.user_agent : "-");
	for (unsigned i = 0; i < r.header_count; i++)
		len += (size_t)snprintf(out + len, size - len, "; %s", r.headers[i]);
	return len + (size_t)snprintf(out + len, size - len, ")");
}

static struct merge_figures figures; /* of the last that was merged */

/* "number name url backups" of each, a line. Takes the lists. */
static const char *
merged(struct journal *j, struct channel *written, size_t written_count, struct list *a, struct list *b)
{
	static char out[4096];
	char id[LINEUP_ID_MAX];
	struct list *lists[] = { a, b };
	struct config config = {
		.providers = providers,
		.provider_count = 2,
		.written = { .channels = written, .count = written_count },
	};
	struct imported made;
	struct merge *m;
	size_t len = 0;
	int err;

	ck_assert_int_eq(merge_new(&m, &config, lists, j, "105902DB"), 0);
	while ((err = merge_step(m, 1)) == PB_AGAIN)
		;
	ck_assert_int_eq(err, 0);
	merge_take(m, &made);
	figures = *merge_figures(m);
	merge_free(&m);
	list_drop(&a);
	list_drop(&b);
	ck_assert_int_eq(journal_write(j), 0);
	out[0] = '\0';
	for (size_t i = 0; i < made.lineup.count; i++) {
		const struct channel *c = &made.lineup.channels[i];

		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s %s %s", c->guide_number, c->name, c->url);
		len += add_request(out + len, sizeof(out) - len, c, 0);
		for (unsigned k = 0; k < c->backup_count; k++) {
			len += (size_t)snprintf(
			    out + len, sizeof(out) - len, " %s@%s", channel_url(c, k + 1), channel_provider(c, k + 1));
			len += add_request(out + len, sizeof(out) - len, c, k + 1);
		}
		len += (size_t)snprintf(out + len, sizeof(out) - len, "\n");
		ck_assert_ptr_nonnull(channel_epg_id(&made.lineup, c, id));
	}
	imported_clear(&made);
	return out;
}

static const struct offered first[] = {
	{ "News", "news", "news.tv", NULL, "http://h/1", LIST_PLAIN },
	{ "Sport SD", "sport", NULL, "7", "http://h/2", LIST_SD },
	{ "Sport HD", "sport", "sport.tv", "8", "http://h/3", LIST_HD },
	{ "Film", "film", "film.tv", "7", "http://h/4", LIST_PLAIN },
};

/* A journal of two channels, as its file; and its length. */
static ssize_t
two_channels(char bytes[8192])
{
	struct journal *j = reopen(NULL);
	ssize_t len;
	int fd;

	ck_assert_uint_eq(add(j, "ifirst.tv", NULL), 0);
	ck_assert_int_eq(give(j, 0, "5.1", "First", "ifirst.tv", NULL), 0);
	ck_assert_uint_eq(add(j, "isecond.tv", NULL), 1);
	ck_assert_int_eq(give(j, 1, "100", "Second", "isecond.tv", NULL), 0);
	ck_assert_int_eq(journal_write(j), 0);
	ck_assert_int_eq(journal_renumber(j, 1, "42"), 0);
	ck_assert_int_eq(journal_write(j), 0);
	journal_free(&j);
	fd = openat(dir, "lineup.journal", O_RDONLY);
	len = read(fd, bytes, 8192);
	ck_assert_int_gt(len, 100);
	close(fd);
	return len;
}

static void
set_file(const char *bytes, size_t len)
{
	int fd = openat(dir, "lineup.journal", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void
is_file(const char *name, const char *bytes, size_t len)
{
	char have[8192];
	int fd = openat(dir, name, O_RDONLY);

	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(read(fd, have, sizeof(have)), (ssize_t)len);
	ck_assert_mem_eq(have, bytes, len);
	close(fd);
}

/* Damage each byte of the first line but its version: no number moves, and what it was is kept. */
START_TEST(a_damaged_first_line_costs_no_number)
{
	char bytes[8192], bad[8192];
	ssize_t len = two_channels(bytes);
	struct journal *j;

	for (size_t at = 0; at < strlen("plexbridge lineup journal "); at++) {
		memcpy(bad, bytes, (size_t)len);
		bad[at] ^= 0x20;
		set_file(bad, (size_t)len);
		for (int again = 0; again < 2; again++) {
			j = reopen(NULL);
			ck_assert_uint_eq(journal_count(j), 2);
			ck_assert_uint_eq(journal_owner(j, "5.1"), find(j, 'i', "first.tv"));
			ck_assert_uint_eq(journal_owner(j, "42"), find(j, 'i', "second.tv"));
			journal_free(&j);
			is_file("lineup.journal", bytes, (size_t)len);
			is_file("lineup.journal.bad-1", bad, (size_t)len);
		}
		ck_assert_int_eq(unlinkat(dir, "lineup.journal.bad-1", 0), 0);
	}
}
END_TEST

START_TEST(one_of_which_nothing_is_left_is_kept_aside)
{
	char zeros[5000] = "";
	struct journal *j;

	for (int i = 0; i < 2; i++) {
		set_file(zeros, sizeof(zeros));
		j = reopen(NULL);
		ck_assert_uint_eq(journal_count(j), 0);
		ck_assert_uint_eq(add(j, "nnew", NULL), 0);
		ck_assert_int_eq(give(j, 0, "999", "New", "nnew", NULL), 0);
		ck_assert_int_eq(journal_write(j), 0);
		j = reopen(j);
		ck_assert_uint_eq(journal_owner(j, "999"), 0);
		journal_free(&j);
	}
	is_file("lineup.journal.bad-1", zeros, sizeof(zeros));
	is_file("lineup.journal.bad-2", zeros, sizeof(zeros));
	ck_assert_int_eq(unlinkat(dir, "lineup.journal.bad-1", 0), 0);
	ck_assert_int_eq(unlinkat(dir, "lineup.journal.bad-2", 0), 0);
}
END_TEST

/* It is refused and stays what it is; never is an empty one taken for it. */
START_TEST(one_that_cannot_be_read_is_not_taken_for_none)
{
	static const char later[] = "plexbridge lineup journal 12\nwho knows\n";
	struct journal *j = NULL;
	char bytes[8192];
	ssize_t len;

	ck_assert_int_eq(symlinkat("nowhere", dir, "lineup.journal"), 0);
	ck_assert_int_eq(journal_open(&j, dir, "105902DB"), PB_ESYS);
	ck_assert_int_eq(unlinkat(dir, "lineup.journal", 0), 0);
	ck_assert_int_eq(mkdirat(dir, "lineup.journal", 0700), 0);
	ck_assert_int_eq(journal_open(&j, dir, "105902DB"), PB_ESYS);
	ck_assert_int_eq(unlinkat(dir, "lineup.journal", AT_REMOVEDIR), 0);
	ck_assert_int_eq(mkfifoat(dir, "lineup.journal", 0600), 0);
	ck_assert_int_eq(journal_open(&j, dir, "105902DB"), PB_ESYS);
	ck_assert_int_eq(unlinkat(dir, "lineup.journal", 0), 0);
	set_file(later, sizeof(later) - 1);
	ck_assert_int_eq(journal_open(&j, dir, "105902DB"), PB_EFORMAT);
	is_file("lineup.journal", later, sizeof(later) - 1);
	ck_assert_int_eq(unlinkat(dir, "lineup.journal", 0), 0);
	len = two_channels(bytes);
	j = reopen(NULL);
	journal_free(&j);
	pread_fails = pread_seen;
	if (pread_fails)
		ck_assert_int_eq(journal_open(&j, dir, "105902DB"), PB_ESYS);
	pread_fails = false;
	is_file("lineup.journal", bytes, (size_t)len);
	ck_assert_ptr_null(j);
}
END_TEST

START_TEST(where_none_can_be_made_memory_will_do)
{
	struct journal *j = NULL;
	int proc = open("/proc/self", O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(journal_open(&j, proc, "105902DB"), 0);
	ck_assert_int_eq(journal_fd(j), -1);
	journal_free(&j);
	close(proc);
}
END_TEST

START_TEST(entries_of_a_channel_become_one_across_providers)
{
	static const struct offered other[] = { { "SPORT", "sport", NULL, NULL, "http://o/1", LIST_PLAIN },
		{ "Extra", "extra", NULL, NULL, "http://o/2", LIST_PLAIN } };
	struct journal *j = reopen(NULL);

	ck_assert_str_eq(merged(j, NULL, 0, list_of(first, 4), list_of(other, 2)),
	    "7 Sport HD http://h/3 http://o/1@away http://h/2@home\n100 News http://h/1\n101 Film http://h/4\n"
	    "500 Extra http://o/2\n");
	journal_free(&j);
}
END_TEST

START_TEST(what_a_provider_changes_moves_no_number)
{
	/* Another order, names, numbers and URLs; one is gone, one is new, one has its id no more. */
	static const struct offered second[] = {
		{ "Brand new", "brandnew", NULL, "100", "http://n/9", LIST_PLAIN },
		{ "Sport", "sport", NULL, "9", "http://n/3", LIST_PLAIN },
		{ "News 24", "news24", "news.tv", "1", "http://n/1", LIST_PLAIN },
	};
	struct journal *j = reopen(NULL);

	merged(j, NULL, 0, list_of(first, 4), NULL);
	j = reopen(j);
	ck_assert_str_eq(merged(j, NULL, 0, list_of(second, 3), NULL),
	    "7 Sport http://n/3\n100 News 24 http://n/1\n102 Brand new http://n/9\n");
	/* It comes back as itself, and the other is known by its new name as well. */
	j = reopen(j);
	ck_assert_str_eq(merged(j, NULL, 0, list_of(first, 4), NULL),
	    "7 Sport HD http://h/3 http://h/2@home\n100 News http://h/1\n101 Film http://h/4\n");
	ck_assert_uint_eq(find(j, 'n', "news24"), find(j, 'i', "news.tv"));
	journal_free(&j);
}
END_TEST

START_TEST(an_id_that_is_shared_makes_no_entries_one)
{
	static const struct offered shared[] = {
		{ "Friends", "friends", "shared.us", NULL, "http://h/1", LIST_PLAIN },
		{ "Cheers", "cheers", "shared.us", NULL, "http://h/2", LIST_PLAIN },
		{ "Friends HD", "friends", "shared.us", NULL, "http://h/3", LIST_HD },
	};
	static const struct offered own[] = {
		{ "Cheers", "cheers", "cheers.us", NULL, "http://h/2", LIST_PLAIN },
		{ "Friends", "friends", NULL, NULL, "http://h/1", LIST_PLAIN },
	};
	struct journal *j = reopen(NULL);

	ck_assert_str_eq(merged(j, NULL, 0, list_of(shared, 3), NULL),
	    "100 Friends HD http://h/3 http://h/1@home\n101 Cheers http://h/2\n");
	j = reopen(j);
	ck_assert_uint_eq(find(j, 'i', "shared.us"), JOURNAL_NONE);
	ck_assert_str_eq(merged(j, NULL, 0, list_of(own, 2), NULL), "100 Friends http://h/1\n101 Cheers http://h/2\n");
	journal_free(&j);
}
END_TEST

START_TEST(what_the_file_says_is_said_over_what_is_imported)
{
	struct channel written[] = {
		{ .guide_number = "7", .name = "My sport", .line = 1 },
		{ .guide_number = "99", .name = "Mine", .url = "http://m/1", .line = 2 },
		{ .guide_number = "100", .name = "Hand", .url = "http://m/2", .line = 3 },
		{ .guide_number = "900", .name = "Nobody's", .line = 4 },
	};
	struct journal *j = reopen(NULL);

	/* 7 and 100 are the file's: the first time no import gets them. */
	ck_assert_str_eq(merged(j, written, 4, list_of(first, 1), NULL),
	    "99 Mine http://m/1\n100 Hand http://m/2\n101 News http://h/1\n");
	journal_free(&j);
	ck_assert_int_eq(unlinkat(dir, "lineup.journal", 0), 0);
	j = reopen(NULL);
	merged(j, NULL, 0, list_of(first, 4), NULL);
	ck_assert_str_eq(merged(j, written, 4, list_of(first, 4), NULL),
	    "7 My sport http://h/3 http://h/2@home\n99 Mine http://m/1\n100 Hand http://m/2\n101 Film http://h/4\n");
	journal_free(&j);
}
END_TEST

static const struct offered wanting[] = {
	{ "Film SD", "film", NULL, "7", "http://h/1", LIST_SD },
	{ "Film HD", "film", NULL, NULL, "http://h/2", LIST_HD },
	{ "Film 4K", "film", NULL, NULL, "http://h/3", LIST_4K },
	{ "Film", "film", NULL, NULL, "http://h/1", LIST_PLAIN },
};

static const struct saying sayings[] = {
	{ "Old/1", { "Referer: http://r/1", "X-Key: one" } },
	{ NULL, { "X-Key: two" } },
	{ NULL, { NULL } },
	{ "Same/1", { NULL } },
};

START_TEST(each_source_keeps_what_its_entry_says_of_requests)
{
	static const struct offered plain[] = { { "Film", "film", NULL, NULL, "http://o/1", LIST_PLAIN } };
	struct journal *j = reopen(NULL);

	/* In the order of preference; of one URL that is there twice, the preferred entry counts. */
	ck_assert_str_eq(merged(j, NULL, 0, list_saying(wanting, sayings, 4), list_of(plain, 1)),
	    "7 Film 4K http://h/3 http://h/2@home (-; X-Key: two) http://h/1@home (Same/1) http://o/1@away\n");
	/* A list that says nothing, and one entry alone. */
	ck_assert_str_eq(merged(j, NULL, 0, list_of(plain, 1), NULL), "7 Film http://o/1\n");
	ck_assert_str_eq(merged(j, NULL, 0, list_saying(wanting, sayings, 1), NULL),
	    "7 Film SD http://h/1 (Old/1; Referer: http://r/1; X-Key: one)\n");
	journal_free(&j);
}
END_TEST

START_TEST(what_the_file_says_of_requests_goes_with_all_of_them)
{
	static const char *mine[] = { "X-Mine: 1" }, *backup[] = { "http://m/2" };
	static const struct {
		struct channel over;
		struct channel_more more;
		const char *is;
	} cases[] = {
		{ { .url = NULL }, { .request.user_agent = "Mine/1" },
		    "http://h/2 (Mine/1; X-Key: two) http://h/1@home (Mine/1; Referer: http://r/1; X-Key: one)" },
		{ { .url = NULL }, { .request = { .headers = mine, .header_count = 1 } },
		    "http://h/2 (-; X-Mine: 1) http://h/1@home (Old/1; X-Mine: 1)" },
		/* The file's own backups share the channel's, as those of a channel that is all the file's. */
		{ { .backup_count = 1 }, { .backups = backup },
		    "http://h/2 (-; X-Key: two) http://m/2@home (-; X-Key: two)" },
		/* Another source: nothing of the provider's goes there. */
		{ { .url = "http://m/1", .backup_count = 1, .provider = "away" }, { .backups = backup },
		    "http://m/1 http://m/2@away" },
	};
	struct journal *j = reopen(NULL);
	char line[256];

	merged(j, NULL, 0, list_saying(wanting, sayings, 2), NULL);
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct channel written[] = { cases[i].over };

		written[0].more = &cases[i].more;
		snprintf(written[0].guide_number, sizeof(written[0].guide_number), "7");
		snprintf(line, sizeof(line), "7 Film HD %s\n", cases[i].is);
		ck_assert_str_eq(merged(j, written, 1, list_saying(wanting, sayings, 2), NULL), line);
	}
	journal_free(&j);
}
END_TEST

/* Steps of one thing each until a lineup of so many is there, in order; their numbers are (k * times) % modulus. */
static unsigned
steps_of(unsigned count, unsigned times, unsigned modulus)
{
	struct list *lists[] = { NULL, NULL };
	struct config config = { .providers = providers, .provider_count = 2 };
	struct journal *j;
	struct list_writer *w;
	struct imported made;
	struct merge *m;
	const char *why;
	unsigned steps = 1;
	int fd, err;

	ck_assert_int_eq(journal_open(&j, -1, "105902DB"), 0);
	ck_assert_int_eq(list_writer_new(&w), 0);
	for (unsigned k = 1; k <= count; k++) {
		struct list_entry e = { 0 };
		char text[32];
		int len = snprintf(text, sizeof(text), "%u", k * times % modulus);

		e.number = list_text(w, text, (size_t)len, 16);
		e.name = e.clean = list_text(w, text, (size_t)len, LIST_NAME_MAX);
		e.url = list_text(w, "http://h/1", 10, 1000);
		ck_assert_int_eq(list_add(w, &e), 0);
	}
	ck_assert_int_eq(list_writer_seal(w, &fd), 0);
	list_writer_free(&w);
	ck_assert_int_eq(list_open(&lists[0], fd, true, &why), 0);
	ck_assert_int_eq(list_check(lists[0], LIST_ENTRIES_MAX, &why), 0);
	close(fd);
	ck_assert_int_eq(merge_new(&m, &config, lists, j, "105902DB"), 0);
	while ((err = merge_step(m, 1)) == PB_AGAIN)
		steps++;
	ck_assert_int_eq(err, 0);
	merge_take(m, &made);
	merge_free(&m);
	list_drop(&lists[0]);
	ck_assert_uint_eq(made.lineup.count, count);
	for (size_t i = 0; i < count; i++) {
		const struct channel *c = &made.lineup.channels[i];

		ck_assert_str_eq(c->guide_number, c->name);
		ck_assert(i == 0 || guide_number_compare(c[-1].guide_number, c->guide_number) < 0);
	}
	imported_clear(&made);
	journal_free(&j);
	return steps;
}

START_TEST(numbers_in_any_order_make_a_lineup_in_order_step_by_step)
{
	unsigned count = (unsigned)_i + (_i > 70 ? 1000 : 0);
	unsigned ordered = steps_of(count, 1, 10007), back = steps_of(count, 10006, 10007);

	(void)steps_of(count, 5003, 10007);
	/* No step is the whole of it. */
	ck_assert_uint_ge(back, ordered + (count > 1 ? count : 0));
}
END_TEST

START_TEST(a_provider_that_does_not_merge_has_a_channel_for_each_entry)
{
	struct journal *j = reopen(NULL);
	const char *all = "7 Sport SD http://h/2\n8 Sport HD http://h/3\n100 News http://h/1\n101 Film http://h/4\n";

	providers[0].merge = false;
	ck_assert_str_eq(merged(j, NULL, 0, list_of(first, 4), NULL), all);
	j = reopen(j);
	ck_assert_str_eq(merged(j, NULL, 0, list_of(first, 4), NULL), all);
	providers[0].merge = true;
	journal_free(&j);
}
END_TEST

/* The last index that there may be is taken: all before it count. */
static struct journal *
open_full(void)
{
	static const char line[] = "+\t999999\t7\tc7.105902DB.plexbridge\tSport\tnsport";
	FILE *f = fdopen(openat(dir, "lineup.journal", O_WRONLY | O_CREAT | O_TRUNC, 0600), "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "plexbridge lineup journal 1\n%08lx\t%s\n",
	    crc32(0, (const unsigned char *)line, (unsigned)strlen(line)), line);
	ck_assert_int_eq(fclose(f), 0);
	return reopen(NULL);
}

START_TEST(a_journal_that_is_full_leaves_out_what_is_new)
{
	struct journal *j = open_full();

	ck_assert(journal_full(j));
	ck_assert_str_eq(merged(j, NULL, 0, list_of(first, 4), NULL), "7 Sport HD http://h/3 http://h/2@home\n");
	ck_assert_uint_eq(figures.unknown, 2);
	ck_assert_uint_eq(figures.added, 0);
	ck_assert_uint_eq(figures.imported, 1);
	/* What is there is known by more names still. */
	j = reopen(j);
	ck_assert_uint_eq(find(j, 'i', "sport.tv"), find(j, 'n', "sport"));
	providers[0].merge = false;
	ck_assert_str_eq(merged(j, NULL, 0, list_of(first, 4), NULL), "");
	ck_assert_uint_eq(figures.unknown, 4);
	providers[0].merge = true;
	journal_free(&j);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("journal");
	TCase *tc = tcase_create("journal");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60); /* a file opened and written a thousand times, on any machine */
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_written_is_there_after_a_restart);
	tcase_add_test(tc, a_journal_cut_at_any_byte_loses_at_most_its_last_entry);
	tcase_add_test(tc, a_line_that_is_damaged_costs_itself);
	tcase_add_test(tc, a_damaged_first_line_costs_no_number);
	tcase_add_test(tc, one_of_which_nothing_is_left_is_kept_aside);
	tcase_add_test(tc, one_that_cannot_be_read_is_not_taken_for_none);
	tcase_add_test(tc, where_none_can_be_made_memory_will_do);
	tcase_add_test(tc, entries_of_a_channel_become_one_across_providers);
	tcase_add_test(tc, what_a_provider_changes_moves_no_number);
	tcase_add_test(tc, an_id_that_is_shared_makes_no_entries_one);
	tcase_add_test(tc, what_the_file_says_is_said_over_what_is_imported);
	tcase_add_test(tc, each_source_keeps_what_its_entry_says_of_requests);
	tcase_add_test(tc, what_the_file_says_of_requests_goes_with_all_of_them);
	tcase_add_loop_test(tc, numbers_in_any_order_make_a_lineup_in_order_step_by_step, 0, 75);
	tcase_add_test(tc, a_provider_that_does_not_merge_has_a_channel_for_each_entry);
	tcase_add_test(tc, a_journal_that_is_full_leaves_out_what_is_new);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
