/*
 * importjob.h - what plexbridge-guide is told, as text
 *
 * Pure. The keys are guide/job.h's.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_IMPORTJOB_H
#define PLEXBRIDGE_SUPERVISOR_IMPORTJOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "ipc/list.h"
#include "supervisor/blob.h"

/* A provider's channels; list is the last good one, NULL: none. NULL: no memory. */
struct blob *importjob_list(const struct config *config, const struct provider *provider, const struct list *list);

/* A number for what of its settings decides which channels there are. */
uint64_t importjob_settings(const struct provider *provider);

/* A number for where it comes from, and for whom; never 0. */
uint64_t importjob_source_id(const struct provider *provider);

/* Is it from there, does it say where that is, and was it chosen by the settings that the provider has now? */
bool importjob_current(const struct list *list, const struct provider *provider);

/* Where it comes from, without secrets. Gives out. */
const char *importjob_source(char *out, size_t size, const struct provider *provider);

#endif
