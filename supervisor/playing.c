/*
 * playing.c - a channel is its number, its name and its sources
 */
#include "supervisor/playing.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/seals.h"
#include "base/url.h"
#include "base/utf8.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define SOURCES (1 + CHANNEL_BACKUPS)

/*
 * Writing
 */

/* NULL: no memory, or a text that can't be said. */
static json_t *
pack_source(const struct channel *ch, unsigned n)
{
	struct channel_request request = channel_request(ch, n);
	json_t *headers = json_array(), *o;
	bool good = headers != NULL;

	for (unsigned i = 0; i < request.header_count; i++)
		good = good && json_array_append_new(headers, json_string(request.headers[i])) == 0;
	o = good
	    ? json_pack("{s:s, s:s*, s:s*, s:b, s:O}", "url", channel_url(ch, n), "provider", channel_provider(ch, n),
		  "user_agent", request.user_agent, "led", ch->led >> n & 1, "headers", headers)
	    : NULL;
	json_decref(headers);
	return o;
}

static json_t *
pack_channel(const struct channel *ch)
{
	json_t *sources = json_array(), *o;
	bool good = sources != NULL;

	for (unsigned n = 0; good && n <= ch->backup_count; n++)
		good = json_array_append_new(sources, pack_source(ch, n)) == 0;
	o = good ? json_pack("{s:s, s:s, s:b, s:O}", "number", ch->guide_number, "name", ch->name, "written",
		       ch->line != 0, "sources", sources)
		 : NULL;
	json_decref(sources);
	return o;
}

static int
seal(const json_t *root, int *out)
{
	int fd = memfd_create("plexbridge-playing", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	int err = 0, saved;

	if (fd == -1)
		return PB_ESYS;
	if (json_dumpfd(root, fd, JSON_COMPACT) == -1 || fstat(fd, &st) == -1 || fcntl(fd, F_ADD_SEALS, SEALS) == -1)
		err = PB_ESYS;
	else if ((size_t)st.st_size > PLAYING_BYTES_MAX)
		err = PB_ELIMIT;
	if (err == 0) {
		*out = fd;
		return 0;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return err;
}

int
playing_pack(const struct channel *const *channels, size_t count, int *fd)
{
	json_t *root = json_array();
	int err = PB_ENOMEM;

	if (root == NULL)
		return err;
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(root, pack_channel(channels[i]));
	err = seal(root, fd);
	json_decref(root);
	return err;
}

/*
 * Reading
 */

/* A channel that is being read, and the room for what it points to. */
struct reading {
	struct channel channel;
	struct channel_more more;
	struct channel_request requests[SOURCES];
	const char *urls[SOURCES], *providers[SOURCES];
	const char *headers[SOURCES][CHANNEL_HEADERS];
};

/* A text of less than max bytes, or NULL where there is none or no good one. */
static const char *
text_of(const json_t *value, size_t max)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	return text != NULL && len > 0 && len < max && strlen(text) == len && utf8_plain(text, len) ? text : NULL;
}

/* One that need not be there: false when it is, and no good. */
static bool
may_have(const char **out, const json_t *o, const char *key, size_t max)
{
	const json_t *value = json_object_get(o, key);

	*out = text_of(value, max);
	return value == NULL || *out != NULL;
}

static bool
read_headers(struct channel_request *request, const char **room, const json_t *headers)
{
	size_t count = json_array_size(headers), len = 0;

	if (count > CHANNEL_HEADERS)
		return false;
	for (size_t i = 0; i < count; i++) {
		room[i] = text_of(json_array_get(headers, i), CHANNEL_HEADERS_LEN);
		if (room[i] == NULL || room[i][0] == ':' || strchr(room[i], ':') == NULL)
			return false;
		len += strlen(room[i]) + 1;
	}
	request->headers = count > 0 ? room : NULL;
	request->header_count = (unsigned char)count;
	return len <= CHANNEL_HEADERS_LEN;
}

static bool
read_source(struct reading *r, unsigned n, const json_t *o)
{
	struct url_parts parts;

	r->urls[n] = text_of(json_object_get(o, "url"), URL_MAX);
	r->channel.led |= (uint16_t)(json_is_true(json_object_get(o, "led")) << n);
	return r->urls[n] != NULL && url_parse(&parts, r->urls[n]) == 0 &&
	    may_have(&r->providers[n], o, "provider", URL_MAX) &&
	    may_have(&r->requests[n].user_agent, o, "user_agent", CHANNEL_HEADERS_LEN) &&
	    read_headers(&r->requests[n], r->headers[n], json_object_get(o, "headers"));
}

static bool
read_channel(struct reading *r, const json_t *o)
{
	const char *number = text_of(json_object_get(o, "number"), GUIDE_NUMBER_MAX);
	const json_t *sources = json_object_get(o, "sources");
	size_t count = json_array_size(sources);

	memset(r, 0, sizeof(*r));
	r->channel.name = text_of(json_object_get(o, "name"), CHANNEL_NAME_MAX);
	if (number == NULL || !guide_number_valid(number) || r->channel.name == NULL || count == 0 || count > SOURCES)
		return false;
	for (unsigned n = 0; n < count; n++)
		if (!read_source(r, n, json_array_get(sources, n)))
			return false;
	memcpy(r->channel.guide_number, number, strlen(number) + 1);
	r->channel.line = json_is_true(json_object_get(o, "written"));
	r->channel.url = r->urls[0];
	r->channel.provider = r->providers[0];
	r->channel.backup_count = (unsigned char)(count - 1);
	r->channel.more = &r->more;
	r->more.request = r->requests[0];
	r->more.backups = r->urls + 1;
	r->more.backup_providers = r->providers + 1;
	r->more.backup_requests = r->requests + 1;
	return true;
}

int
playing_read(int fd, void (*fn)(void *user, const struct channel *channel), void *user)
{
	struct reading reading;
	struct stat st;
	json_t *root;
	void *data;

	if (!seals_hold(fd, SEALS) || fstat(fd, &st) == -1 || st.st_size == 0 ||
	    (uintmax_t)st.st_size > PLAYING_BYTES_MAX)
		return PB_EPEER;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return PB_EPEER;
	root = json_loadb(data, (size_t)st.st_size, 0, NULL);
	(void)munmap(data, (size_t)st.st_size);
	if (!json_is_array(root)) {
		json_decref(root);
		return PB_EPEER;
	}
	for (size_t i = 0; i < json_array_size(root); i++)
		if (read_channel(&reading, json_array_get(root, i)))
			fn(user, &reading.channel);
	json_decref(root);
	return 0;
}
