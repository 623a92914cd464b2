/*
 * ini.h - lines of an .ini file, whatever their length, with their numbers
 *
 * inih takes the lines apart; this is what stands around it. Many systems
 * build inih for lines of 200 bytes and let it cut longer ones in silence,
 * so it is fed through a reader that hands a long line over in pieces, and
 * a handler that joins them again.
 *
 *   line       [section], key = value, or nothing; blanks around each are
 *              dropped, so a line may be indented; a value is one line
 *   comment    a line that begins with ';' or '#'; or ';' behind a blank
 *   bounds     INI_LINE_BYTES a line, INI_FILE_BYTES a file
 *   refused    control characters but tab, and what is not UTF-8
 */
#ifndef PLEXBRIDGE_CONFIG_INI_H
#define PLEXBRIDGE_CONFIG_INI_H

#include <stdio.h>

#define INI_LINE_BYTES 8192
#define INI_FILE_BYTES (64UL << 20)
#define INI_KEY_MAX 40 /* with its NUL */

/* Who hears what is read. Texts are borrowed for the call; line counts from 1. */
struct ini_events {
	void *user;
	void (*section)(void *user, unsigned line, const char *name);
	void (*setting)(void *user, unsigned line, const char *key, const char *value);
	void (*wrong)(void *user, unsigned line, const char *why);
};

/*
 * Read all of file. What can't be understood is told to wrong() and
 * reading goes on with the next line. 0, or PB_ESYS when reading failed.
 */
int ini_read(FILE *file, const struct ini_events *events);

#endif
