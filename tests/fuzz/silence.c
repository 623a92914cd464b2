/*
 * silence.c - a frame of silence is made of any frame, or of none, and is what it says
 *
 * The first byte is the codec, the rest what a source sent in its name.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/pb.h"
#include "worker/es.h"
#include "worker/silence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[SILENCE_FRAME_MAX];
	enum es_codec codec;
	unsigned samples = 0, rate = 0, s, r;
	size_t n;

	if (size == 0)
		return 0;
	codec = (enum es_codec)(data[0] % ES_CODECS);
	n = silence_make(codec, data + 1, size - 1, out, &samples, &rate);
	if (n == 0)
		return 0;
	pb_assert(n <= SILENCE_FRAME_MAX && samples > 0 && rate >= 7350 && rate <= 96000);
	if (codec == ES_AAC)
		pb_assert(es_adts_frame(out, n, &s, &r) == n && s == samples && r == rate);
	if (codec == ES_AC3 || codec == ES_EAC3)
		pb_assert(es_ac3_frame(out, n, &s, &r) <= n && s == samples && r == rate);
	return 0;
}
