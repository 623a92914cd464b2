/*
 * playlist.c - hostile playlists, through all of the pure stations that read them
 *
 * The input is two bodies, parted by the byte 0x1e: the second one is the
 * reload of the first, in the context of the first when that is a master.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"
#include "worker/inspect.h"
#include "worker/playlist.h"
#include "worker/track.h"
#include "worker/variant.h"

#define SEPARATOR 0x1e
#define BASE "https://u:p@h.example:8443/a/b/i.m3u8?t=1&x=%41"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look_at(const struct playlist *pl)
{
	static const struct variant_limit limits[] = { { VARIANT_BEST, 0 }, { VARIANT_HEIGHT, 720 },
		{ VARIANT_RATE, 3000000 } };
	static const bool excluded[PLAYLIST_VARIANTS_MAX] = { true };
	char url[URL_MAX], shown[URL_MAX];
	json_t *json = inspect_json(pl);
	uint8_t iv[16];

	pb_assert(json != NULL);
	json_decref(json);
	pb_assert((playlist_unsupported_text(pl) == NULL) == (pl->unsupported == 0));
	for (size_t i = 0; i < NITEMS(limits); i++) {
		const char *why;
		int chosen = playlist_choose_variant(pl, &limits[i], i == 1 ? excluded : NULL, &why);

		pb_assert(chosen < 0 ? why != NULL : (size_t)chosen < pl->variant_count && (i != 1 || chosen > 0));
	}
	for (size_t i = 0; i < pl->segment_count; i++) {
		pb_assert(playlist_iv(pl, i, iv) == (pl->segments[i].key != -1));
		if (playlist_resolve(pl, pl->segments[i].uri, url, sizeof(url)) == 0)
			pb_assert(strlen(url_redact(shown, sizeof(shown), url)) < sizeof(shown));
	}
}

static void
check_news(const struct track *track, const struct track_news *news, const struct playlist *pl)
{
	if (news->what == TRACK_NEW) {
		pb_assert(news->count > 0 && news->first < pl->segment_count);
		pb_assert(news->first + news->count == pl->segment_count);
		pb_assert(news->serial + news->count == track->next_serial);
		pb_assert(!news->discontinuity || track_discontinuity(news, pl, news->first));
	} else {
		pb_assert(news->count == 0 && !news->restart);
	}
	pb_assert(track_next_reload_ms(track, news, 1000, 0, 5000, 0.5) >= TRACK_RELOAD_FLOOR_MS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *part = size > 0 ? memchr(data, SEPARATOR, size) : NULL;
	size_t first_len = part != NULL ? (size_t)(part - data) : size;
	struct playlist first, second;
	struct playlist_context context = { .base_url = BASE };
	struct track track;
	struct track_news news;

	(void)playlist_parse(&first, BASE, data, first_len);
	playlist_check(&first);
	look_at(&first);
	context.master = first.kind == PLAYLIST_MASTER ? &first : NULL;
	context.cut = size % 2;
	if (part == NULL)
		(void)playlist_parse_in(&second, &context, data, size);
	else
		(void)playlist_parse_in(&second, &context, part + 1, size - first_len - 1);
	playlist_check(&second);
	look_at(&second);

	track_init(&track);
	if (first.kind == PLAYLIST_MEDIA) {
		pb_assert(track_start(&track, &first, 4000, 18000, &news) == 0);
		check_news(&track, &news, &first);
		for (int i = 0; i < 4; i++) { /* there, there again, and back: doubts are settled both ways */
			const struct playlist *pl = i < 3 ? &second : &first;

			pb_assert(track_update(&track, pl, &news) == 0);
			check_news(&track, &news, pl);
		}
		track_restart(&track);
		pb_assert(track_update(&track, &second, &news) == 0);
		check_news(&track, &news, &second);
	}
	track_clear(&track);
	playlist_clear(&second);
	playlist_clear(&first);
	return 0;
}
