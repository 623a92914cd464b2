/*
 * ask.c - libcurl over a Unix socket
 */
#include "ctl/ask.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

struct body {
	char *data;
	size_t len;
};

static size_t
on_body(char *data, size_t size, size_t count, void *user)
{
	struct body *body = user;
	size_t len = size * count;
	char *more;

	if (len > ASK_BODY_MAX - body->len)
		return 0;
	more = realloc(body->data, body->len + len + 1);
	if (more == NULL)
		return 0;
	body->data = more;
	memcpy(more + body->len, data, len);
	body->len += len;
	more[body->len] = '\0';
	return len;
}

static const char *
advice(long os_error)
{
	switch (os_error) {
	case ENOENT:
		return "there is no such socket: is plexbridged running? (-s names another socket)";
	case ECONNREFUSED:
		return "nobody listens there: plexbridged is not running";
	case EACCES:
	case EPERM:
		return "you may not use it: be root, or in the group plexbridge";
	default:
		return NULL;
	}
}

bool
ask_add(char *out, size_t size, const char *word)
{
	size_t n = strlen(out);

	for (; *word != '\0'; word++) {
		unsigned char c = (unsigned char)*word;
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    strchr("-._~/:?@!$'()*+,;=", c) != NULL;

		if (n + (plain ? 1 : 3) >= size)
			return false;
		n += (size_t)snprintf(out + n, size - n, plain ? "%c" : "%%%02X", c);
	}
	return true;
}

int
ask(struct answer *out, const char *socket, const char *path, bool post, long timeout_ms, char *why, size_t size)
{
	struct body body = { 0 };
	char *url = NULL;
	long os_error = 0;
	const char *help;
	CURL *curl = curl_easy_init();
	CURLcode err;

	*out = (struct answer){ 0 };
	if (curl == NULL || asprintf(&url, "http://plexbridge%s", path) == -1) {
		curl_easy_cleanup(curl);
		snprintf(why, size, "no memory");
		return PB_ENET;
	}
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "plexbridgectl/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
	if (post)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	err = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	if (err == CURLE_OK)
		err = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
	curl_easy_cleanup(curl);
	free(url);
	if (err == CURLE_OK && body.data != NULL) {
		out->body = body.data;
		out->len = body.len;
		return 0;
	}
	free(body.data);
	help = err == CURLE_COULDNT_CONNECT ? advice(os_error) : NULL;
	if (help != NULL)
		snprintf(why, size, "%s: %s", socket, help);
	else if (err == CURLE_OPERATION_TIMEDOUT)
		snprintf(why, size, "%s: plexbridged did not answer within %ld s; its log may say why", socket,
		    timeout_ms / 1000);
	else if (err == CURLE_OK)
		snprintf(why, size, "%s: an empty answer with status %ld", socket, out->status);
	else
		snprintf(why, size, "%s: %s", socket, curl_easy_strerror(err));
	return PB_ENET;
}
