/*
 * variables.h - a playlist's variables: EXT-X-DEFINE and {$name}
 * (RFC 8216bis 4.4.2.3)
 *
 * The file of the playlist station that makes strings longer than they
 * came. A short reference to a long value, many times over, is how a small
 * playlist could fill the memory: what all strings made here take together
 * is bounded, and measured before it is written.
 *
 *   owner     names, values and expanded strings are the playlist's, until
 *             playlist_clear()
 *   errors    the reason is put down in the playlist (playlist_fail());
 *             what only makes one definition useless is a warning and 0
 *
 * Not here: where a variable may stand (worker/tags.c).
 */
#ifndef PLEXBRIDGE_WORKER_VARIABLES_H
#define PLEXBRIDGE_WORKER_VARIABLES_H

#include <stddef.h>

struct playlist;

struct variables {
	struct playlist *pl; /* whose they are; borrowed */
	const struct playlist *master; /* where IMPORT looks, NULL: nowhere; borrowed */
	size_t room; /* bytes that new strings may still take */
};

/*
 * Read one EXT-X-DEFINE by its attributes NAME, VALUE, IMPORT and
 * QUERYPARAM, each NULL when missing; name and value must live as long as
 * the playlist. The first definition of a name counts. 0, PB_ELIMIT,
 * PB_ENOMEM.
 */
int variables_define(struct variables *v, const char *name, const char *value, const char *import, const char *param);

/*
 * Put the values in for the {$names} in *s; *s is another string then. An
 * unknown name stays as it is: better a wrong URI than no channel (Media3's
 * way). 0, PB_ELIMIT, PB_ENOMEM.
 */
int variables_expand(struct variables *v, char **s);

/* Free the playlist's variables and all strings that were made here. May be called twice. */
void variables_clear(struct playlist *pl);

#endif
