/*
 * analyse.c - any bytes as a transport stream, whole and in pieces: the same figures
 */
#include "origin/analyse.h"

#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct analyse *
judge(const uint8_t *data, size_t len, size_t piece)
{
	struct analyse *an = NULL;

	if (analyse_new(&an, 0, NULL, NULL) != 0)
		abort();
	for (size_t at = 0; at < len; at += piece)
		analyse_feed(an, data + at, PB_MIN(piece, len - at), ANALYSE_NO_TIME);
	analyse_end(an, false);
	return an;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct analyse *whole = judge(data, len, PB_MAX(len, 1));
	struct analyse *pieces = judge(data, len, 61);
	const struct analysis *a = analyse_figures(whole);

	pb_assert(a->bytes == len);
	pb_assert(a->packets * TS_PACKET + a->sync_lost_bytes + a->tail_bytes == len);
	pb_assert(a->packets == analyse_figures(pieces)->packets);
	pb_assert(a->continuity_errors == analyse_figures(pieces)->continuity_errors);
	pb_assert(analyse_faults(a, NULL, NULL) == analyse_faults(analyse_figures(pieces), NULL, NULL));
	analyse_free(&whole);
	analyse_free(&pieces);
	return 0;
}
