/*
 * check.h - what single rows can't say: settings that contradict each other
 *
 * Inside config/ only.
 */
#ifndef PLEXBRIDGE_CONFIG_CHECK_H
#define PLEXBRIDGE_CONFIG_CHECK_H

#include "config/options.h"

#define LINE_OVERRIDE ((unsigned)-1) /* the "line" of what the command line says */

/* A configuration while it is made. */
struct loading {
	struct config *config;
	struct config_errors *errs;
	const char *file; /* as messages name it */
	unsigned lines[SETTINGS_MAX]; /* where each row was given last; 0: nowhere */
	bool nomem;
};

/* Keep a message for a line of the file, LINE_OVERRIDE, or 0: the file as a whole. */
void loading_wrong(struct loading *l, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Add the test card when it is to be shown, sort the lineup, and tell all contradictions. */
void loading_check(struct loading *l);

#endif
