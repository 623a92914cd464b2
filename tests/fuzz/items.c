/*
 * items.c - hostile JSON of an Xtream server, or of an HDHomeRun
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "guide/items.h"
#include "guide/xtream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
on_entry(void *user, const struct entry *e)
{
	(void)user;
	pb_assert(e->name != NULL && e->url != NULL && e->url[0] != '\0' && e->group != NULL && e->logo != NULL);
	return 0;
}

static void
on_wrong(void *user, unsigned line, const char *why)
{
	(void)user;
	pb_assert(line > 0 && why[0] != '\0');
}

static const struct entry_events events = { NULL, on_entry, NULL, on_wrong };

static int
read_all(
    int (*item)(void *user, unsigned index, const char *text, size_t len), void *user, const uint8_t *data, size_t size)
{
	struct items *items = calloc(1, sizeof(*items));
	int err = 0;

	pb_assert(items != NULL);
	items->item = item;
	items->user = user;
	for (size_t at = 0; at < size && err == 0; at += 7)
		err = items_feed(items, (const char *)data + at, PB_MIN((size_t)7, size - at));
	if (err == 0)
		err = items_end(items);
	pb_assert(err == 0 || err == PB_EFORMAT);
	free(items);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct xtream_streams streams = { &events, NULL, "http://h:8080", "u", "p", false };
	struct items_lineup lineup = { &events };
	struct xtream_groups *groups = NULL;
	struct xtream_account account;

	if (xtream_account(&account, (const char *)data, size) == 0)
		pb_assert(account.ok == (account.why[0] == '\0'));
	if (xtream_groups_new(&groups, (const char *)data, size) == 0)
		streams.groups = groups;
	(void)read_all(xtream_stream, &streams, data, size);
	(void)read_all(items_lineup, &lineup, data, size);
	xtream_groups_free(&groups);
	return 0;
}
