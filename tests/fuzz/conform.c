/*
 * Any bytes, in any segments: what comes out is valid, and a successor may
 * take over anywhere.
 *
 * The first byte says how the rest is cut: its low bits the chunk, its high
 * bits the length of a segment; the second is a mask of what is done at
 * each segment's begin.
 */
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "tests/unit/tscheck.h"
#include "worker/conform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tscheck t;
static uint8_t *got;
static size_t got_len, got_cap;

static void
keep(struct conform *c)
{
	struct conform_output out;

	while (conform_take(c, &out)) {
		pb_assert(out.len % TS_PACKET == 0);
		if (got_len + out.len > got_cap) {
			got_cap = (got_len + out.len) * 2;
			got = realloc(got, got_cap);
			pb_assert(got != NULL);
		}
		memcpy(got + got_len, out.data, out.len);
		got_len += out.len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conform *c;
	struct conform_snapshot snap;
	size_t chunk, segment, at = 2;
	uint8_t how;

	if (size < 2)
		return 0;
	chunk = (size_t)1 << (data[0] & 15);
	segment = (size_t)1 << (8 + (data[0] >> 4));
	how = data[1];
	got_len = 0;
	pb_assert(conform_new(&c, NULL) == 0);
	for (unsigned n = 0; at < size; n++) {
		struct conform_input in = {
			.msn = n,
			.duration_ms = how & 1 ? 6000 : 0,
			.discontinuity = how >> (n % 4 + 1) & 1,
			.source = how & 0x20 ? n : 0,
			.continues = how & 0x40,
		};
		size_t end = at + PB_MIN(segment, size - at);

		conform_begin(c, &in);
		keep(c);
		while (at < end) {
			size_t len = PB_MIN(chunk, end - at);

			(void)conform_feed(c, data + at, len);
			keep(c);
			at += len;
		}
		if ((how & 0x80) && n % 3 == 1) { /* the worker dies before it ends the segment */
			conform_save(c, &snap);
			conform_free(&c);
			pb_assert(conform_new(&c, NULL) == 0);
			pb_assert(conform_load(c, &snap) == 0);
			continue;
		}
		(void)conform_end(c, n & 1);
		keep(c);
	}
	conform_free(&c);
	if (!tscheck(&t, got, got_len))
		pb_assert_failed(t.why, "output", 0, "tscheck");
	return 0;
}
