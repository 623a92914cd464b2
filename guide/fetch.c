/*
 * fetch.c - how the promise in fetch.h is kept
 *
 * curl is told not to unpack: what comes is unpacked by its own bytes
 * (unpack.h), because a .gz is often sent as if it were an encoding, and
 * an encoding as if it were a .gz.
 */
#include "guide/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/private.h"
#include "base/url.h"

#define READ_BYTES 65536

struct running {
	struct fetch *f;
	CURL *curl;
	uint64_t total;
	bool refused; /* an address, for being private */
	bool answered; /* what is connected to now may be where a redirect leads */
	int err; /* of sink, or ours */
};

static void
keep(char *out, size_t size, const char *value, size_t len)
{
	while (len > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		len--;
	}
	while (len > 0 && (unsigned char)value[len - 1] <= ' ')
		len--;
	out[0] = '\0';
	if (len >= size)
		return; /* half of one is none */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < ' ' || (unsigned char)value[i] > '~')
			return;
	memcpy(out, value, len);
	out[len] = '\0';
}

/* Is what answered at an address that is everybody's? One was tried before, perhaps, that didn't. */
static bool
is_public(CURL *curl)
{
	const char *ip = NULL;
	struct in6_addr v6;
	struct in_addr v4;

	if (curl_easy_getinfo(curl, CURLINFO_PRIMARY_IP, &ip) != CURLE_OK || ip == NULL)
		return true;
	if (inet_pton(AF_INET, ip, &v4) == 1)
		return !private_v4(ntohl(v4.s_addr));
	return inet_pton(AF_INET6, ip, &v6) != 1 || !private_v6(v6.s6_addr);
}

static size_t
on_header(char *line, size_t size, size_t count, void *user)
{
	struct running *r = user;
	size_t len = size * count;

	if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0) { /* another answer: behind a redirect */
		r->f->etag_now[0] = r->f->modified_now[0] = '\0';
		if (!r->answered)
			r->f->from_public = is_public(r->curl);
		r->answered = true;
	} else if (len > 5 && strncasecmp(line, "ETag:", 5) == 0)
		keep(r->f->etag_now, sizeof(r->f->etag_now), line + 5, len - 5);
	else if (len > 14 && strncasecmp(line, "Last-Modified:", 14) == 0)
		keep(r->f->modified_now, sizeof(r->f->modified_now), line + 14, len - 14);
	else if (len > 12 && strncasecmp(line, "Retry-After:", 12) == 0) {
		char value[32];

		keep(value, sizeof(value), line + 12, len - 12);
		r->f->retry_after_s = strtol(value, NULL, 10);
	}
	return len;
}

static int
give(struct running *r, const char *bytes, size_t len)
{
	r->f->bytes += len;
	if (r->f->bytes > r->f->bytes_max) {
		snprintf(r->f->why, sizeof(r->f->why), "more than %llu MiB came",
		    (unsigned long long)(r->f->bytes_max >> 20));
		return PB_ELIMIT;
	}
	if (r->f->at != NULL)
		r->f->at(r->f->user, r->f->bytes, r->total);
	return r->f->sink(r->f->user, bytes, len);
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *user)
{
	struct running *r = user;
	size_t len = size * count;
	curl_off_t total = -1;
	long status = 0;

	(void)curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return len; /* an error's page is nobody's business */
	(void)curl_easy_getinfo(r->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
	r->total = total > 0 ? (uint64_t)total : 0;
	r->err = give(r, bytes, len);
	return r->err == 0 ? len : 0;
}

/* Is the source on private addresses alone? It may be another host than the one that is asked: it is looked up. */
static bool
source_private(const struct fetch *f)
{
	const char *source = f->source != NULL ? f->source : f->url;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all;
	struct url_parts parts;
	bool all_private = true;

	if (source[0] == '/')
		return true;
	if (url_parse(&parts, source) != 0 || getaddrinfo(parts.host, NULL, &hints, &all) != 0)
		return false;
	for (const struct addrinfo *a = all; a != NULL; a = a->ai_next)
		all_private = all_private && private_sockaddr(a->ai_addr);
	freeaddrinfo(all);
	return all_private;
}

/* The last gate: whatever was resolved, and by whom, this is what would be connected to. */
static curl_socket_t
on_open(void *user, curlsocktype purpose, struct curl_sockaddr *sa)
{
	struct running *r = user;

	(void)purpose;
	if (!r->f->private_targets && private_sockaddr(&sa->addr) && !source_private(r->f)) {
		r->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(sa->family, sa->socktype | SOCK_CLOEXEC, sa->protocol);
}

static const char *
status_why(long status)
{
	switch (status) {
	case 401:
	case 403:
		return "user or password are not accepted, or the account has ended";
	case 404:
	case 410:
		return "there is nothing at this URL";
	case 429:
		return "too many requests: the provider wants to be asked less often";
	default:
		return status >= 500 ? "the server is in trouble" : "the server refuses";
	}
}

static int
judge(struct running *r, CURLcode code)
{
	struct fetch *f = r->f;

	(void)curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &f->status);
	if (r->err != 0)
		return r->err;
	if (code != CURLE_OK && r->refused) {
		snprintf(f->why, sizeof(f->why),
		    "a source on a public address leads to a private one, and private_targets is no");
		return PB_EPEER;
	}
	if (code == CURLE_TOO_MANY_REDIRECTS) {
		snprintf(f->why, sizeof(f->why), "it is redirected again and again");
		return PB_EPEER;
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		snprintf(f->why, sizeof(f->why),
		    f->status == 0 ? "no answer in time" : "the answer came to a stop, or took too long");
		return PB_ENET;
	}
	if (code != CURLE_OK) {
		snprintf(f->why, sizeof(f->why), "%s", curl_easy_strerror(code));
		return PB_ENET;
	}
	if (f->status == 304) {
		snprintf(f->why, sizeof(f->why), "not modified");
		return PB_NO;
	}
	if (f->status != 200) {
		snprintf(f->why, sizeof(f->why), "status %ld: %s", f->status, status_why(f->status));
		return f->status >= 500 || f->status == 429 ? PB_ENET : PB_EPEER;
	}
	return 0;
}

static struct curl_slist *
add_header(struct curl_slist *list, const char *name, const char *value)
{
	char line[256];
	struct curl_slist *more;

	if (value == NULL || value[0] == '\0')
		return list;
	snprintf(line, sizeof(line), "%s: %s", name, value);
	more = curl_slist_append(list, line);
	return more != NULL ? more : list;
}

static int
run_url(struct fetch *f)
{
	/* Where nothing is fetched, TLS need not be made ready: that takes longer than a short list. */
	struct running r = { .f = f,
		.curl = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL };
	struct curl_slist *headers = NULL;
	char url[URL_MAX];
	CURLcode code;
	int err;

	if (r.curl == NULL) {
		snprintf(f->why, sizeof(f->why), "no memory");
		return PB_ENOMEM;
	}
	headers = add_header(headers, "Accept-Encoding", "gzip");
	headers = add_header(headers, "If-None-Match", f->etag);
	headers = add_header(headers, "If-Modified-Since", f->modified);
	/* The operator may write blanks and umlauts; curl takes none. */
	err = url_resolve(url, sizeof(url), NULL, f->url, strlen(f->url));
	curl_easy_setopt(r.curl, CURLOPT_URL, err == 0 ? url : f->url);
	curl_easy_setopt(r.curl, CURLOPT_HTTPHEADER, headers);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(r.curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(r.curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(r.curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
	curl_easy_setopt(r.curl, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(r.curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(r.curl, CURLOPT_MAXREDIRS, 5L);
	curl_easy_setopt(r.curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r.curl, CURLOPT_USERAGENT, f->user_agent);
	curl_easy_setopt(r.curl, CURLOPT_CONNECTTIMEOUT_MS, f->connect_ms > 0 ? f->connect_ms : 3000L);
	curl_easy_setopt(r.curl, CURLOPT_LOW_SPEED_LIMIT, 16L);
	curl_easy_setopt(r.curl, CURLOPT_LOW_SPEED_TIME, PB_MAX((f->stall_ms > 0 ? f->stall_ms : 10000L) / 1000, 1L));
	curl_easy_setopt(r.curl, CURLOPT_TIMEOUT, f->total_s);
	curl_easy_setopt(r.curl, CURLOPT_BUFFERSIZE, (long)READ_BYTES);
	curl_easy_setopt(r.curl, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(r.curl, CURLOPT_OPENSOCKETDATA, &r);
	curl_easy_setopt(r.curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(r.curl, CURLOPT_HEADERDATA, &r);
	curl_easy_setopt(r.curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(r.curl, CURLOPT_WRITEDATA, &r);
	code = curl_easy_perform(r.curl);
	err = judge(&r, code);
	curl_slist_free_all(headers);
	curl_easy_cleanup(r.curl);
	return err;
}

static int
run_fd(struct fetch *f)
{
	static char bytes[READ_BYTES];
	struct running r = { .f = f };
	struct stat st;
	int err = 0;

	if (fstat(f->fd, &st) == 0 && st.st_size > 0)
		r.total = (uint64_t)st.st_size;
	while (err == 0) {
		ssize_t n = read(f->fd, bytes, sizeof(bytes));

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			snprintf(f->why, sizeof(f->why), "%s", strerror(errno));
			return PB_ESYS;
		}
		if (n == 0)
			break;
		err = give(&r, bytes, (size_t)n);
	}
	return err;
}

int
fetch_run(struct fetch *f)
{
	f->status = f->retry_after_s = 0;
	f->from_public = false;
	f->bytes = 0;
	f->why[0] = f->etag_now[0] = f->modified_now[0] = '\0';
	return f->url != NULL ? run_url(f) : run_fd(f);
}
