/*
 * why.h - plexbridgectl why: a time line and a verdict
 */
#ifndef PLEXBRIDGE_CTL_WHY_H
#define PLEXBRIDGE_CTL_WHY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define WHY_SINCE_S 600

/* "90", "90s", "10m", "2h" as seconds, 1 to a day; 0: it is none of these. */
uint32_t why_since(const char *text);

/* GET /api/recorder's answer as a person reads it, at most SHOW_WIDTH wide. The caller frees it; NULL: no memory. */
char *why_text(const json_t *recorder, bool utf8);

/* ... and as a program does (plexbridgectl(1)). NULL: no memory. */
json_t *why_json(const json_t *recorder);

#endif
