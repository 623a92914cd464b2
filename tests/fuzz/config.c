/*
 * config.c - any bytes as plexbridge.ini: understood or refused
 *
 * What is understood must hold together: sorted, found by its number,
 * shown, and the same as itself. What is refused says where.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
never(void *user, enum lineup_change change, const struct channel *was, const struct channel *now)
{
	(void)user;
	(void)change;
	(void)was;
	(void)now;
	pb_assert(!"a lineup differs from itself");
}

static void
check_accepted(const struct config *config)
{
	const struct lineup *lineup = &config->lineup;
	char *dump;

	for (size_t i = 0; i < lineup->count; i++) {
		const struct channel *channel = &lineup->channels[i];

		pb_assert(guide_number_valid(channel->guide_number));
		pb_assert(i == 0 || guide_number_compare(channel[-1].guide_number, channel->guide_number) < 0);
		pb_assert(lineup_find(lineup, channel->guide_number) == channel);
		pb_assert(channel->name != NULL);
		pb_assert(channel->testcard || channel->url != NULL);
	}
	lineup_diff(lineup, lineup, never, NULL);
	pb_assert(config_needs_restart(config, config, NULL, 0) == 0);
	dump = config_dump(config);
	pb_assert(dump != NULL);
	free(dump);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct config *config = NULL;
	struct config_errors errs;
	FILE *file;
	int err;

	if (len == 0)
		return 0;
	file = fmemopen((void *)(uintptr_t)data, len, "r");
	if (file == NULL)
		return 0;
	err = config_read(&config, file, "fuzz.ini", NULL, 0, &errs);
	if (err == 0) {
		pb_assert(errs.total == 0);
		check_accepted(config);
	} else {
		pb_assert(err == PB_EFORMAT && errs.count > 0 && config == NULL);
	}
	config_free(&config);
	config_errors_clear(&errs);
	fclose(file);
	return 0;
}
