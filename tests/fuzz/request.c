/*
 * request.c - any bytes as a request head: what is accepted keeps its promises
 */
#include "base/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct request req;
	char value[64];
	int status;
	int err = request_parse(&req, (const char *)data, len, &status);

	if (err == PB_AGAIN) {
		pb_assert(len < REQUEST_HEAD_MAX);
		return 0;
	}
	if (err != 0) {
		pb_assert(err == PB_EFORMAT);
		pb_assert(status == 400 || status == 414 || status == 431 || status == 505);
		return 0;
	}
	pb_assert(req.head_len > 0 && req.head_len <= len && data[req.head_len - 1] == '\n');
	pb_assert(req.path[0] == '/' && strnlen(req.path, sizeof(req.path)) < sizeof(req.path));
	pb_assert(strstr(req.path, "//") == NULL);
	pb_assert(strnlen(req.query, sizeof(req.query)) < sizeof(req.query));
	pb_assert(!req.chunked || req.body_len == 0);
	if (request_param(&req, "a", value, sizeof(value)))
		pb_assert(strnlen(value, sizeof(value)) < sizeof(value));
	if (request_field((const char *)data, req.head_len, "Range", value, sizeof(value)))
		pb_assert(strchr(value, '\n') == NULL);
	return 0;
}
