/*
 * ssdp.c - a datagram of the SSDP port, whatever it is
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/ssdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size + 1); /* for the sanitizer: not a byte more, and no NUL behind */
	struct ssdp_search s;
	int err;

	if (exact == NULL)
		return 0;
	if (size > 0)
		memcpy(exact, data, size);
	exact = realloc(exact, size > 0 ? size : 1);
	if (exact == NULL)
		return 0;
	err = ssdp_parse(&s, exact, size);
	pb_assert(err == 0 || err == PB_NO || err == PB_EFORMAT);
	if (err == 0) {
		pb_assert(s.mx_s >= 0 && s.mx_s <= SSDP_MX_MAX);
		pb_assert(s.all || s.target < SSDP_TARGETS);
		pb_assert(strlen(s.uuid) == (!s.all && s.target == SSDP_UUID ? DEVICE_UUID_TEXT - 1 : strlen(s.uuid)));
	}
	free(exact);
	return 0;
}
