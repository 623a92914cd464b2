/*
 * tuner.c - a request head, from the socket to the decision
 *
 * Whatever a client sends, what is made of it has the shape that its users
 * rely on; above all the base URL, which goes unquoted into documents.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/text.h"
#include "supervisor/tuner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_url(const char *url)
{
	size_t len = strlen(url);

	pb_assert(len > strlen("http://") && len < TUNER_BASE_MAX);
	pb_assert(strncmp(url, "http://", 7) == 0);
	url += 7;
	pb_assert(url[strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:[]")] == '\0');
}

/* Nothing of what came in ends a string or a tag. */
static void
check_quoted(const char *bytes)
{
	struct text t = { 0 };
	struct blob *json, *xml;

	text_add_json(&t, bytes);
	json = text_blob(&t);
	text_add_xml(&t, bytes);
	xml = text_blob(&t);
	pb_assert(json != NULL && xml != NULL);
	pb_assert(json->len >= 2 && json->data[0] == '"' && json->data[json->len - 1] == '"');
	for (size_t i = 1; i + 1 < json->len; i++) {
		pb_assert((unsigned char)json->data[i] >= 0x20 && json->data[i] != '"');
		if (json->data[i] == '\\')
			i++;
	}
	pb_assert(strcspn(xml->data, "<>\"'") == xml->len);
	blob_drop(&json);
	blob_drop(&xml);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(5004) };
	struct request req;
	struct tuner_route route;
	struct tuner_urls urls;
	struct addr local;
	char *text;
	int status;

	text = malloc(size + 1);
	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_quoted(text);
	if (request_parse(&req, text, PB_MIN(size, (size_t)REQUEST_HEAD_MAX), &status) == 0) {
		tuner_route(&req, 4, &route);
		pb_assert(route.tuner >= -1 && route.tuner < 4);
		pb_assert(strlen(route.guide_number) < GUIDE_NUMBER_MAX);
		if (route.endpoint == TUNER_NOTHING)
			pb_assert(route.status == 400 || route.status == 404 || route.status == 405);
		else
			pb_assert(route.status == 0 && route.error == 0);
		if (route.endpoint == TUNER_STREAM)
			pb_assert(route.guide_number[0] != '\0' && req.method != REQUEST_POST);
		pb_assert(tuner_nothing_html(&route) != NULL && tuner_error_head(route.error) != NULL);
		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		addr_set(&local, (const struct sockaddr *)&sin, sizeof(sin));
		(void)tuner_host_ours(req.host, NULL, 0);
		tuner_urls(&urls, req.host, &local, NULL, 5004, 0, "");
		check_url(urls.base);
		check_url(urls.stream);
	}
	free(text);
	return 0;
}
