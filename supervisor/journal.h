/*
 * journal.h - which channel has which number, for ever
 *
 * Providers rename, reorder and renumber at will; a viewer's "5.1" and the
 * media server's mapping must not move with them. So a channel that was
 * seen once is written down with its number and its id in the guide, and
 * is found again by what is known of it: its tvg-id, its cleaned name.
 *
 *   file       state_dir/lineup.journal, lines that are only ever added:
 *                CRC + INDEX NUMBER GUIDE-ID NAME KEY...   a channel, new
 *                CRC = INDEX KEY                           is also known as
 *                CRC # INDEX NUMBER                        by the operator's word
 *              separated by tabs; CRC is that of the rest of the line
 *   crash      a line that was not written to its end is cut off at the next
 *              start; every line before it counts. One that is damaged in
 *              the middle is passed over, and told
 *   damage     of the first line, or of all: the file is kept aside as
 *              lineup.journal.bad-N, and what is readable of it written anew
 *   writer     the supervisor alone: a provider's bytes, and who reads them,
 *              never get near it
 *   blocking   reading, at a start; writing goes to the page cache, while
 *              channels are added and at the end, and another process waits
 *              for the disk (supervisor/imports.c)
 *   keys       one letter for the kind, then the text: 'i' a tvg-id, 'n' a
 *              cleaned name, 'x' an entry of a provider that does not merge
 */
#ifndef PLEXBRIDGE_SUPERVISOR_JOURNAL_H
#define PLEXBRIDGE_SUPERVISOR_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/lineup.h"

#define JOURNAL_NONE UINT32_MAX
#define JOURNAL_CHANNELS_MAX 1000000
#define JOURNAL_KEY_MAX 600

struct journal;

/*
 * Read the journal of a state directory; one that is not there is empty, and
 * kept in memory only where none can be made. dir is borrowed for the call
 * (-1: in memory only); device is part of new guide ids. Gives *out;
 * journal_free() ends it. Logs what is damaged. 0, or PB_ENOMEM, PB_ESYS,
 * PB_EFORMAT (it is of another version), PB_ELIMIT (it is too large): there
 * is one, untouched, and its numbers are not known.
 */
int journal_open(struct journal **out, int dir, const char *device);
void journal_free(struct journal **journal);

/* From now on in memory only: what is written to it goes nowhere. */
void journal_detach(struct journal *j);

/* How many channels there are; their indices are 0 to that. */
uint32_t journal_count(const struct journal *j);

/* Are there as many as there may be? */
bool journal_full(const struct journal *j);

/* So many new channels may come: have room for them, which spares copies. 0 or PB_ENOMEM. */
int journal_expect(struct journal *j, uint32_t more);

/*
 * What a channel is known by, made ready to be looked for: once, for all
 * that is asked of it. Borrows its text; a longer one than JOURNAL_KEY_MAX
 * is cut. It is this journal's, as long as that is open.
 */
struct journal_key {
	uint64_t hash;
	const char *text;
	uint16_t len;
	char kind;
};
struct journal_key journal_key(const struct journal *j, char kind, const char *text);

/* It will be looked for in a moment: say so for several at once, and they are waited for together. */
void journal_soon(const struct journal *j, const struct journal_key *key);

/* The channel that is known by this; JOURNAL_NONE. */
uint32_t journal_find(const struct journal *j, const struct journal_key *key);

/* The channel that has this number; JOURNAL_NONE. */
uint32_t journal_owner(const struct journal *j, const char *number);

/* Borrowed until the next call, of any of these. Number and name are "" for one that has no number yet. */
const char *journal_number(const struct journal *j, uint32_t index);
const char *journal_guide_id(const struct journal *j, uint32_t index);
const char *journal_name(const struct journal *j, uint32_t index);

/* Its guide id, when that does not follow from its number (lineup_epg_id()); else NULL. Borrowed likewise. */
const char *journal_own_id(const struct journal *j, uint32_t index);

/* A new channel, known by these keys, for now without a number. JOURNAL_NONE: no memory, or journal_full(). */
uint32_t journal_add(struct journal *j, const struct journal_key *keys, size_t count);

/* Is also known as. 0 or PB_ENOMEM. */
int journal_alias(struct journal *j, uint32_t index, const struct journal_key *key);

/*
 * Give a new channel its number, which nobody has: its line is complete, with
 * its name and, once more, the keys that it was added with. 0 or PB_ENOMEM.
 */
int journal_give(struct journal *j, uint32_t index, const char *number, const char *name,
    const struct journal_key *keys, size_t count);

/* The operator's word: another number, which nobody has. 0 or PB_ENOMEM. */
int journal_renumber(struct journal *j, uint32_t index, const char *number);

/* Bytes of the change in hand, in the file or on their way to it. */
size_t journal_pending(const struct journal *j);

/*
 * End the change in hand: write what is not written yet. 0, or PB_ESYS:
 * nothing of it is in the file, and the journal is to be opened anew: it
 * knows more than its file. One that is freed instead takes back what it
 * wrote; one that is killed has numbers that nobody was shown, in whole lines.
 */
int journal_write(struct journal *j);

/* Its file, to be waited for; -1: in memory only. Borrowed. */
int journal_fd(const struct journal *j);

#endif
