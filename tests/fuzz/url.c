/*
 * url.c - hostile references: "BASE\nREF"
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *base = malloc(size + 1);
	char out[URL_MAX], again[URL_MAX], shown[URL_MAX];
	struct url_parts parts, same;
	char *ref;

	pb_assert(base != NULL);
	if (size > 0)
		memcpy(base, data, size);
	base[size] = '\0';
	ref = strchr(base, '\n');
	if (ref != NULL)
		*ref++ = '\0';
	else
		ref = base;
	(void)url_same_path(base, ref);
	(void)url_redact(shown, sizeof(shown), ref);
	pb_assert(strchr(shown, '\n') == NULL && strchr(shown, '\r') == NULL);
	if (url_resolve(out, sizeof(out), base, ref, strlen(ref)) == 0) {
		pb_assert(strlen(out) < URL_MAX);
		for (const char *p = out; *p != '\0'; p++)
			pb_assert((unsigned char)*p >= 0x20 || *p == '\t');
		/* What is absolute already stays what it is. */
		if (url_parse(&parts, out) == 0) {
			pb_assert(strpbrk(out, " \t\x7f#") == NULL);
			pb_assert(url_resolve(again, sizeof(again), NULL, out, strlen(out)) == 0);
			pb_assert(strcmp(again, out) == 0);
			pb_assert(url_parse(&same, again) == 0 && strcmp(same.host, parts.host) == 0);
			pb_assert(parts.port != 0 && parts.host[0] != '\0');
			url_redact(shown, sizeof(shown), out);
			pb_assert(
			    !parts.userinfo || strstr(shown, "***@") != NULL || strlen(shown) + 1 == sizeof(shown));
			pb_assert(url_append_query(out, sizeof(out), base) == 0 || strlen(out) < URL_MAX);
		}
	}
	free(base);
	return 0;
}
