/*
 * format.c - a parameter set is read, or refused, and says nothing that can't be
 *
 * The first byte is the codec, the rest an access unit.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/pb.h"
#include "worker/es.h"
#include "worker/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct format f;

	if (size == 0 || format_read((enum es_codec)(data[0] % ES_CODECS), data + 1, size - 1, &f) != 0)
		return 0;
	pb_assert(f.width > 0 && f.width <= 16384 && f.height > 0 && f.height <= 16384);
	pb_assert(format_fits(&f, &f));
	return 0;
}
