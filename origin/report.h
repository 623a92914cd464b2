/*
 * report.h - the analyser's figures as JSON, and --analyse
 */
#ifndef PLEXBRIDGE_ORIGIN_REPORT_H
#define PLEXBRIDGE_ORIGIN_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "origin/analyse.h"

/*
 * All figures, with "clean" and "faults"; plexbridge-origin(1) says what each
 * is. The caller owns the object; NULL: no memory.
 */
json_t *report_json(const struct analysis *figures);

/*
 * Analyse a file, or standard input for "-", and print one object to
 * standard output; with es_hash print a line for each access unit instead:
 * "PID TYPE PTS LENGTH HASH". Returns the exit status: 0 for a clean stream,
 * PB_EXIT_FAIL for another one, PB_EXIT_PERMANENT when it can't be read.
 */
int report_file(const char *path, bool es_hash);

#endif
