/*
 * import.h - plexbridgectl import --dry-run: what would a source change?
 *
 * plexbridged does the work (supervisor/trial.h); here its progress and its
 * answer are shown. Blocks until it is over.
 */
#ifndef PLEXBRIDGE_CTL_IMPORT_H
#define PLEXBRIDGE_CTL_IMPORT_H

#include <stdbool.h>

/* source: a URL, or a file, from here; provider NULL: not said. Gives the exit status: 1 when it would be refused. */
int import_run(const char *socket, const char *source, const char *provider, bool json);

#endif
