/*
 * m3u.c - hostile playlists of channels
 */
#include <stdint.h>
#include <string.h>

#include "base/pb.h"
#include "base/utf8.h"
#include "guide/m3u.h"
#include "guide/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
on_entry(void *user, const struct entry *e)
{
	const char *const texts[] = { e->name, e->url, e->tvg_id, e->tvg_name, e->logo, e->chno, e->group, e->extgrp,
		e->user_agent };
	char clean[LIST_NAME_MAX];
	enum list_quality quality;
	unsigned *count = user;

	for (size_t i = 0; i < NITEMS(texts); i++)
		pb_assert(utf8_valid(texts[i], strlen(texts[i])));
	for (unsigned i = 0; i < e->header_count; i++)
		pb_assert(utf8_valid(e->headers[i], strlen(e->headers[i])));
	pb_assert(e->header_count <= ENTRY_HEADERS_MAX && e->name[0] != '\0');
	pb_assert(name_clean(clean, sizeof(clean), e->name, &quality) < sizeof(clean));
	pb_assert(clean[0] != '\0' && utf8_valid(clean, strlen(clean)) && quality < LIST_QUALITIES);
	++*count;
	return 0;
}

static void
on_guide(void *user, const char *url)
{
	(void)user;
	pb_assert(url[0] != '\0');
}

static void
on_wrong(void *user, unsigned line, const char *why)
{
	(void)user;
	pb_assert(line > 0 && why[0] != '\0');
}

static int
run(const uint8_t *data, size_t size, size_t step, unsigned *count)
{
	const struct entry_events events = { count, on_entry, on_guide, on_wrong };
	struct m3u *m;
	int err = 0;

	pb_assert(m3u_new(&m, &events) == 0);
	for (size_t at = 0; at < size && err == 0; at += step)
		err = m3u_feed(m, (const char *)data + at, PB_MIN(step, size - at));
	if (err == 0)
		err = m3u_end(m);
	pb_assert(err == 0 || (err == PB_EFORMAT && m3u_why(m)[0] != '\0'));
	m3u_free(&m);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned whole = 0, pieces = 0;

	/* However it is cut, it says the same. A mark of two or three bytes is looked for in the first piece. */
	pb_assert(run(data, size, size + 1, &whole) == run(data, size, 5, &pieces));
	pb_assert(whole == pieces);
	return 0;
}
