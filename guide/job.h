/*
 * job.h - what plexbridge-guide is told to do
 *
 * Lines "key=value", as the supervisor wrote them (supervisor/imports.c);
 * a key may be repeated. Pure, but for job_read().
 *
 *   kind            list: a provider's channels (ipc/list.h)
 *                   fetch: a guide, as it comes, into a file
 *                   guide: XMLTV out of what was fetched
 *   name            of the provider, for messages
 *   playlist, xtream, username, password, url
 *   local           yes: the playlist comes as a descriptor (IMPORT_FILE 0)
 *   etag, modified  of what is there already
 *   settings        numbers that the list gets (ipc/list.h), in hexadecimal; with source
 *   user_agent, connect_ms, stall_ms, private_targets
 *   named_by        of a guide that a playlist named: where that is, URL or path
 *   include_group, include_name, include_id, exclude_..., rename,
 *   limit, quality, order, vod, radio
 *   channel         of a guide: number, id, name, logo, guide_id, tvg_id, shift,
 *                   parts in hexadecimal; tabs between them
 *   source, now     of a guide: its sources: number, shift, fold; and the time
 */
#ifndef PLEXBRIDGE_GUIDE_JOB_H
#define PLEXBRIDGE_GUIDE_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "guide/pick.h"

#define JOB_BYTES_MAX ((size_t)256 << 20)

struct job {
	char *text; /* lines, each with its NUL */
	size_t len;
};

/* Read all of fd (borrowed). 0, PB_ENOMEM, PB_ESYS or PB_EFORMAT. */
int job_read(struct job *job, int fd);

/* The first value of a key, "" when there is none. */
const char *job_get(const struct job *job, const char *key);

/* Its value as a number; fallback when there is none. */
long job_number(const struct job *job, const char *key, long fallback);

/* The value of a key behind after (NULL: from the begin), NULL at the end. */
const char *job_next(const struct job *job, const char *key, const char *after);

/* The provider's choice. 0, PB_ENOMEM, or PB_EFORMAT for *wrong, a value of the job that is no pattern. */
int job_pick(const struct job *job, struct pick **out, const char **wrong);

void job_clear(struct job *job);

#endif
