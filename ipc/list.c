/*
 * list.c - how the promise in list.h is kept
 *
 * The texts are written to the file as they come, a portion at a time: a
 * page of it that this process never maps costs it neither memory nor a
 * fault. The entries are kept beside and put behind the texts at the end,
 * because the texts are the larger part by far and must not be moved or
 * doubled.
 */
#include "ipc/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pages.h"
#include "base/pb.h"
#include "base/url.h"
#include "base/utf8.h"

static const char magic[8] = "PBLIST\n";

#define PORTION ((size_t)256 << 10) /* of writing */
#define WORDS 1024 /* a power of 2 */
#define SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE)

/* One that list_word() finds again. */
struct word {
	uint32_t ref; /* 0: none */
	char text[LIST_WORD_MAX];
};

struct list_writer {
	int fd;
	size_t used; /* of the file: head and texts */
	size_t waiting; /* of that, in portion */
	const char *base; /* what is written, mapped; NULL: nobody asked */
	size_t mapped;
	struct list_entry *entries;
	size_t count, entries_room;
	bool failed;
	struct list_head head;
	struct word words[WORDS];
	char portion[PORTION];
};

int
list_writer_new(struct list_writer **out)
{
	struct list_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return PB_ENOMEM;
	w->fd = memfd_create("plexbridge-list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (w->fd == -1) {
		list_writer_free(&w);
		return PB_ESYS;
	}
	w->used = w->waiting = sizeof(struct list_head) + 1; /* the text of reference 0 is empty */
	*out = w;
	return 0;
}

static void
unmap(struct list_writer *w)
{
	if (w->base != NULL)
		(void)munmap((void *)(uintptr_t)w->base, w->mapped);
	w->base = NULL;
}

void
list_writer_free(struct list_writer **writer)
{
	struct list_writer *w = *writer;
	int saved = errno;

	*writer = NULL;
	if (w == NULL)
		return;
	unmap(w);
	if (w->fd != -1)
		(void)close(w->fd);
	pages_free(w->entries, w->entries_room, sizeof(*w->entries));
	free(w);
	errno = saved;
}

static int
write_at(int fd, const void *data, size_t len, size_t at)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(fd, (const char *)data + done, len - done, (off_t)(at + done));

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return PB_ESYS;
		done += (size_t)n;
	}
	return 0;
}

/* What waits goes into the file. */
static bool
flush(struct list_writer *w)
{
	if (write_at(w->fd, w->portion, w->waiting, w->used - w->waiting) != 0)
		return false;
	w->waiting = 0;
	return true;
}

uint32_t
list_text(struct list_writer *w, const char *text, size_t len, size_t max)
{
	uint32_t ref;

	len = utf8_fit(text, len, max - 1);
	if (len == 0)
		return 0;
	if (len >= PORTION || w->used + len + 1 > LIST_BYTES_MAX || (len + 1 > PORTION - w->waiting && !flush(w))) {
		w->failed = true;
		return 0;
	}
	ref = (uint32_t)(w->used - sizeof(struct list_head));
	memcpy(w->portion + w->waiting, text, len);
	w->portion[w->waiting + len] = '\0';
	w->waiting += len + 1;
	w->used += len + 1;
	return ref;
}

uint32_t
list_word(struct list_writer *w, const char *text, size_t len, size_t max)
{
	uint32_t hash = 2166136261u;
	struct word *word;

	len = utf8_fit(text, len, PB_MIN(max, sizeof(word->text)) - 1);
	if (len == 0)
		return 0;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	word = &w->words[(hash ^ hash >> 16) % WORDS];
	if (word->ref != 0 && strncmp(word->text, text, len) == 0 && word->text[len] == '\0')
		return word->ref;
	memcpy(word->text, text, len);
	word->text[len] = '\0';
	return word->ref = list_text(w, text, len, max);
}

/* Room for more entries: it is not touched before they are there. */
static int
more_entries(struct list_writer *w)
{
	size_t room = w->entries_room == 0 ? 1024 : PB_MIN(w->entries_room * 2, (size_t)LIST_ENTRIES_MAX);
	struct list_entry *more = pages_more(w->entries, w->count, w->entries_room, room, sizeof(*more));

	if (more == NULL)
		return PB_ENOMEM;
	w->entries = more;
	w->entries_room = room;
	return 0;
}

int
list_add(struct list_writer *w, const struct list_entry *entry)
{
	if (w->failed)
		return PB_ENOMEM;
	if (w->count == LIST_ENTRIES_MAX)
		return PB_ELIMIT;
	if (w->count == w->entries_room && more_entries(w) != 0)
		return PB_ENOMEM;
	w->entries[w->count++] = *entry;
	return 0;
}

size_t
list_writer_count(const struct list_writer *w)
{
	return w->count;
}

struct list_head *
list_writer_head(struct list_writer *w)
{
	return &w->head;
}

struct list_entry *
list_writer_entries(struct list_writer *w)
{
	return w->entries;
}

const char *
list_writer_text(struct list_writer *w, uint32_t ref)
{
	size_t at = sizeof(struct list_head) + ref;

	if (w->waiting > 0 && !flush(w))
		w->failed = true;
	if (w->base != NULL && w->mapped < w->used)
		unmap(w);
	if (w->base == NULL && !w->failed) {
		/* Private, though nothing is written to it: with another one the file could not be sealed. */
		void *base = mmap(NULL, w->used, PROT_READ, MAP_PRIVATE, w->fd, 0);

		w->failed = base == MAP_FAILED;
		w->base = w->failed ? NULL : base;
		w->mapped = w->used;
	}
	return w->base != NULL ? w->base + at : "";
}

int
list_writer_seal(struct list_writer *w, int *fd)
{
	size_t bytes = w->count * sizeof(*w->entries);
	size_t at = (w->used + _Alignof(struct list_entry) - 1) & ~(_Alignof(struct list_entry) - 1);

	if (w->failed)
		return PB_ENOMEM;
	unmap(w);
	memcpy(w->head.magic, magic, sizeof(magic));
	w->head.version = LIST_VERSION;
	w->head.count = (uint32_t)w->count;
	w->head.texts_len = w->used - sizeof(struct list_head);
	w->head.entries_at = at;
	if (!flush(w) || write_at(w->fd, &w->head, sizeof(w->head), 0) != 0 ||
	    ftruncate(w->fd, (off_t)(at + bytes)) == -1 || write_at(w->fd, w->entries, bytes, at) != 0 ||
	    fcntl(w->fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == -1)
		return PB_ESYS;
	*fd = w->fd;
	w->fd = -1;
	return 0;
}

static int
refuse(const char **why, const char *text)
{
	*why = text;
	return PB_EFORMAT;
}

/* A file on disk can be changed by who owns it, under our eyes: have a copy, in memory that can rest as well. */
static int
copy(int *out, int fd, size_t size)
{
	int to = memfd_create("plexbridge-list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t at = 0;

	while (to != -1 && (size_t)at < size) {
		ssize_t n = sendfile(to, fd, &at, size - (size_t)at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			(void)close(to);
			to = -1;
		}
	}
	*out = to;
	return to != -1 && fcntl(to, F_ADD_SEALS, SEALS | F_SEAL_SEAL) != -1 ? 0 : PB_ESYS;
}

/* The whole of a file in memory that nobody can change. */
static int
map(char **out, int fd, size_t size, const char **why)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals == -1 || (seals & SEALS) != SEALS)
		return refuse(why, "it is not sealed");
	*out = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	return *out != MAP_FAILED ? 0 : PB_ESYS;
}

/* A reference to a text of less than max bytes; 0 only where may_be_none. */
static bool
good(const struct list *list, uint32_t ref, bool may_be_none, size_t max)
{
	const char *texts = list->base + sizeof(struct list_head);
	size_t len;

	if (ref == 0)
		return may_be_none;
	if (ref >= list->head->texts_len)
		return false;
	len = strnlen(texts + ref, PB_MIN(max, list->head->texts_len - ref));
	return len > 0 && len < max && ref + len < list->head->texts_len && utf8_plain(texts + ref, len);
}

int
list_open(struct list **out, int fd, bool sealed, const char **why)
{
	struct stat st;
	struct list *list;
	char *base;
	int err, own = -1;

	if (fstat(fd, &st) == -1)
		return PB_ESYS;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct list_head) + 1 ||
	    (uint64_t)st.st_size > LIST_BYTES_MAX + (uint64_t)LIST_ENTRIES_MAX * sizeof(struct list_entry))
		return refuse(why, "its size is none that a list can have");
	err = sealed ? 0 : copy(&own, fd, (size_t)st.st_size);
	if (err == 0)
		err = map(&base, sealed ? fd : own, (size_t)st.st_size, why);
	if (own != -1)
		(void)close(own);
	if (err != 0)
		return err;
	list = calloc(1, sizeof(*list));
	if (list == NULL) {
		(void)munmap(base, (size_t)st.st_size);
		return PB_ENOMEM;
	}
	list->refs = 1;
	list->base = base;
	list->size = (size_t)st.st_size;
	list->head = (const struct list_head *)base;
	err = 0;
	if (memcmp(list->head->magic, magic, sizeof(magic)) != 0 || list->head->version != LIST_VERSION)
		err = refuse(why, "it is of another version");
	else if (list->head->count > LIST_ENTRIES_MAX)
		err = refuse(why, "there are too many entries");
	else if (list->head->texts_len < 1 || list->head->texts_len > list->size - sizeof(struct list_head) ||
	    list->head->entries_at < sizeof(struct list_head) + list->head->texts_len ||
	    list->head->entries_at % _Alignof(struct list_entry) != 0 || list->head->entries_at > list->size ||
	    list->size - list->head->entries_at != (size_t)list->head->count * sizeof(struct list_entry))
		err = refuse(why, "its parts don't fit");
	else if (base[sizeof(struct list_head)] != '\0' ||
	    base[sizeof(struct list_head) + list->head->texts_len - 1] != '\0')
		err = refuse(why, "its texts have no end");
	else if (!good(list, list->head->guide_url, true, URL_MAX) ||
	    !good(list, list->head->etag, true, LIST_WORD_MAX) ||
	    !good(list, list->head->modified, true, LIST_WORD_MAX) ||
	    !good(list, list->head->account, true, LIST_WORD_MAX))
		err = refuse(why, "its head's texts are none");
	else if (list->head->origin >= LIST_FROMS)
		err = refuse(why, "it is from nowhere");
	if (err != 0) {
		list_drop(&list);
		return err;
	}
	list->entries = (const struct list_entry *)(base + list->head->entries_at);
	*out = list;
	return 0;
}

/* An http or https URL, or none. One from where the last one came from is no other than that, but for its path. */
static bool
good_url(const struct list *list, uint32_t ref, bool may_be_none, struct list_origin *last)
{
	struct url_parts parts;
	const char *url = list_string(list, ref);

	if (ref == 0 || !good(list, ref, false, URL_MAX))
		return ref == 0 && may_be_none;
	if (last->len > 0 && strncmp(url, last->text, last->len) == 0)
		return true;
	if (url_parse(&parts, url) != 0)
		return false;
	*last = (struct list_origin){ url, url_origin(url) };
	return true;
}

static bool
good_number(const struct list *list, uint32_t ref)
{
	const char *s;
	size_t len, major;

	if (ref == 0)
		return true;
	if (!good(list, ref, false, 16))
		return false;
	s = list_string(list, ref);
	len = strlen(s);
	major = strspn(s, "0123456789");
	if (major == 0 || (s[major] != '\0' && s[major] != '.'))
		return false;
	return s[major] == '\0' || strspn(s + major + 1, "0123456789") == len - major - 1;
}

static bool
good_headers(const struct list *list, const struct list_entry *e)
{
	size_t at = e->headers;

	if (e->header_count > LIST_HEADERS_MAX || (e->header_count > 0) != (e->headers != 0))
		return false;
	for (unsigned i = 0; i < e->header_count; i++) {
		const char *s;

		if (at > UINT32_MAX || !good(list, (uint32_t)at, false, URL_MAX))
			return false;
		s = list_string(list, (uint32_t)at);
		if (s[0] == ':' || strchr(s, ':') == NULL)
			return false;
		at += strlen(s) + 1;
	}
	return true;
}

int
list_check(struct list *list, size_t count, const char **why)
{
	for (; count > 0 && list->checked < list->head->count; count--, list->checked++) {
		const struct list_entry *e = &list->entries[list->checked];

		if (!good(list, e->name, false, LIST_NAME_MAX) || !good(list, e->clean, false, LIST_NAME_MAX))
			return refuse(why, "an entry's name is none");
		if (!good_url(list, e->url, false, &list->streams) || !good_url(list, e->logo, true, &list->logos))
			return refuse(why, "an entry's URL is none");
		if (!good(list, e->tvg_id, true, LIST_WORD_MAX) || !good(list, e->group, true, LIST_WORD_MAX) ||
		    !good(list, e->user_agent, true, LIST_WORD_MAX) || !good_number(list, e->number))
			return refuse(why, "an entry's words are none");
		if (!good_headers(list, e))
			return refuse(why, "an entry's headers are none");
		if (e->quality >= LIST_QUALITIES || e->rank >= LIST_QUALITIES || e->shared > 1 ||
		    e->shift_min < -1440 || e->shift_min > 1440)
			return refuse(why, "an entry's numbers are out of range");
		if (list->checked % LIST_REST == LIST_REST - 1)
			list_rest(list);
	}
	return list->checked < list->head->count ? PB_AGAIN : 0;
}

void
list_rest(const struct list *list)
{
	/* Nothing of a mapping that can't be written is lost: it is read from its file again. */
	(void)madvise((void *)(uintptr_t)list->base, list->size, MADV_DONTNEED);
}

const char *
list_string(const struct list *list, uint32_t ref)
{
	return ref == 0 ? NULL : list->base + sizeof(struct list_head) + ref;
}

struct list *
list_ref(struct list *list)
{
	list->refs++;
	return list;
}

void
list_drop(struct list **out)
{
	struct list *list = *out;

	*out = NULL;
	if (list == NULL || --list->refs > 0)
		return;
	(void)munmap((void *)(uintptr_t)list->base, list->size);
	free(list);
}
