/*
 * list.h - what one provider offers, as one sealed file in memory
 *
 * plexbridge-guide writes a list, entry by entry; the supervisor takes its
 * descriptor, and believes nothing: not its size, not its seals, no number
 * in it. list_open() bounds the whole, list_check() each entry, as many in
 * a turn as the caller likes; only then may entries be read. What was
 * checked can't change any more: the file is sealed, or a sealed copy.
 *
 *   layout    struct list_head, texts, struct list_entry one after another;
 *             native byte order and alignment: it never leaves this machine
 *   texts     a reference is an offset into the texts, 0 is "not given";
 *             each is UTF-8 without control characters and ends with a NUL
 *   memory    the file's, once for all who have it; what a reader maps of it
 *             is counted as his as well, until list_rest()
 *   secrets   URLs hold user names and passwords: url_redact() before showing
 */
#ifndef PLEXBRIDGE_IPC_LIST_H
#define PLEXBRIDGE_IPC_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_VERSION 1
#define LIST_ENTRIES_MAX 200000
#define LIST_BYTES_MAX ((uint64_t)512 << 20)
#define LIST_NAME_MAX 128 /* with its NUL, as CHANNEL_NAME_MAX */
#define LIST_WORD_MAX 256 /* ids, groups, user agents */
#define LIST_HEADERS_MAX 16

/* Of a name's suffix, from the best. */
enum list_quality { LIST_4K, LIST_FHD, LIST_HD, LIST_PLAIN, LIST_SD, LIST_QUALITIES };

/* Where a list is from; a file is private. Lists that an earlier build kept don't say. */
enum list_from { LIST_UNSAID, LIST_PRIVATE, LIST_PUBLIC, LIST_FROMS };

struct list_entry {
	uint32_t name; /* as it is shown */
	uint32_t clean; /* the name as it is compared (guide/name.h); never 0 */
	uint32_t url; /* http or https */
	uint32_t tvg_id;
	uint32_t group;
	uint32_t logo; /* http or https */
	uint32_t number; /* a GuideNumber that the provider wants for it */
	uint32_t user_agent;
	uint32_t headers; /* header_count texts, one behind the other: "Name: value" */
	int32_t shift_min; /* minutes to add to the guide's times */
	uint8_t header_count;
	uint8_t quality; /* enum list_quality */
	uint8_t rank; /* by the provider's `quality` setting, 0 is preferred */
	uint8_t shared; /* 1: its tvg-id tells of programmes, not which channel it is: others of the list have it too */
};

struct list_head {
	char magic[8];
	uint32_t version;
	uint32_t count;
	uint64_t entries_at; /* from the file's begin */
	uint64_t texts_len; /* the texts begin behind this head; the first byte is a NUL */
	uint32_t guide_url; /* the playlist's own word for where its guide is */
	uint32_t etag, modified; /* of the answer, to ask for news with */
	uint32_t seen; /* entries of the source, whatever became of them */
	uint32_t wrong; /* not understood */
	uint32_t radio, vod; /* left out as such */
	uint32_t unchosen; /* left out by the provider's settings */
	uint32_t max_connections; /* what an Xtream account may; 0: not known */
	uint32_t active_connections;
	uint64_t expires_s; /* wall time; 0: never, or not known */
	uint64_t settings; /* what the job said of them: another number is another choice */
	uint32_t account; /* the status of an Xtream account, in its server's word; 0: not said */
	uint32_t origin; /* enum list_from */
	uint64_t source; /* what the job said of where it is from: another number is another source; 0: not said */
};

/*
 * Writing
 */

struct list_writer;

/* Gives *out; list_writer_free() ends it. 0, PB_ENOMEM or PB_ESYS. */
int list_writer_new(struct list_writer **out);

/* Put a text in; len bytes, cut to what fits in max-1 bytes of whole characters. Gives its reference; 0: failed, or len 0. */
uint32_t list_text(struct list_writer *w, const char *text, size_t len, size_t max);

/* The same for what comes again and again (groups): the last thousand are found again. */
uint32_t list_word(struct list_writer *w, const char *text, size_t len, size_t max);

/* Add an entry. 0, PB_ELIMIT when there are LIST_ENTRIES_MAX, PB_ENOMEM; and an earlier failure of list_text(). */
int list_add(struct list_writer *w, const struct list_entry *entry);

size_t list_writer_count(const struct list_writer *w);

/* The head's own fields (guide_url and on) may be set until it is finished. */
struct list_head *list_writer_head(struct list_writer *w);

/* Entries so far, which may be put in another order; and their texts, borrowed until the next one is put in. */
struct list_entry *list_writer_entries(struct list_writer *w);
const char *list_writer_text(struct list_writer *w, uint32_t ref);

/* Finish and seal it. Gives *fd to the caller. 0, PB_ENOMEM or PB_ESYS. */
int list_writer_seal(struct list_writer *w, int *fd);

void list_writer_free(struct list_writer **w);

/*
 * Reading
 */

struct list {
	unsigned refs;
	const char *base; /* mapped */
	size_t size;
	const struct list_head *head;
	const struct list_entry *entries;
	size_t checked; /* entries that were found good */
	struct list_origin {
		const char *text; /* "scheme://authority/" of the last one that was found good */
		size_t len; /* 0: none */
	} streams, logos;
};

/*
 * Map a list that may be anybody's, with one reference, the caller's. fd is
 * borrowed. sealed: it must be a file in memory that nobody can change any
 * more; otherwise it is copied into one of our own. 0, PB_EFORMAT (*why),
 * PB_ENOMEM, PB_ESYS.
 */
int list_open(struct list **out, int fd, bool sealed, const char **why);

/* Check up to count more entries. 0: all are checked now; PB_AGAIN: some are left; PB_EFORMAT (*why). */
int list_check(struct list *list, size_t count, const char **why);

#define LIST_REST 16384 /* entries, 3 MiB or so: who reads a long list lets it rest after so many */

/* What was read of it is not needed for now: its pages leave this process, and are there again when they are looked at. */
void list_rest(const struct list *list);

/* NULL for 0. Only of what was checked. */
const char *list_string(const struct list *list, uint32_t ref);

struct list *list_ref(struct list *list);

/* Give a reference back and leave NULL. */
void list_drop(struct list **list);

#endif
