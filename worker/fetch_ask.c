/*
 * fetch_ask.c - from a fetch to what curl is told
 *
 * The addresses go with each request, for curl itself never looks up a name;
 * and where a connection leads is looked at once more when it is opened.
 */
#include "worker/fetch_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/private.h"

#define CONN_IDLE_S 30L
#define SEGMENT_BUFFER (64L << 10) /* a read: less costs CPU, more costs every worker memory */

bool
fetch_ask_private(const struct fetch *f)
{
	return f->pool->settings.private_targets || f->pool->source == SOURCE_PRIVATE;
}

static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *sa)
{
	struct transfer *t = arg;
	struct fetch *f = t->owner;
	int fd;

	(void)purpose;
	if (f == NULL)
		return CURL_SOCKET_BAD;
	/* The last gate: whatever was resolved, this is what would be connected to. */
	if (!fetch_ask_private(f) && private_sockaddr(&sa->addr)) {
		f->refused = true;
		return CURL_SOCKET_BAD;
	}
	fd = socket(sa->family, sa->socktype | SOCK_CLOEXEC, sa->protocol);
	if (fd == -1)
		return CURL_SOCKET_BAD;
	t->binding = t->own_address;
	sockets_add(&f->pool->sockets, fd);
	return fd;
}

static int
on_close(void *arg, curl_socket_t fd)
{
	struct fetch_pool *p = arg;

	sockets_remove(&p->sockets, fd);
	return close(fd);
}

static int
on_resolver(void *resolver, void *reserved, void *arg)
{
	struct transfer *t = arg;
	bool binding = t->binding;

	(void)resolver;
	(void)reserved;
	/* An address to bind to goes through curl's resolver as well; it is no name, so nobody is asked. */
	t->binding = false;
	return binding ? 0 : 1; /* curl was about to look up a name itself: never */
}

static bool
http2_wanted(const struct fetch *f)
{
	/* One endless body: a connection of its own pauses better than a window. */
	return f->o.kind != FETCH_STREAM && hosts_http2(&f->place);
}

static void
set_name(struct fetch *f, struct transfer *t, unsigned rotate)
{
	char *at = t->resolve_text, *end = at + sizeof(t->resolve_text);
	int family = AF_UNSPEC, shown = 0;
	char text[64];

	if (f->parts.literal)
		return;
	/* "+": it may leave curl's cache by its age; we bring it each time. */
	at += snprintf(at, (size_t)(end - at), "+%s:%u", f->parts.host, f->parts.port);
	for (size_t i = 0; i < f->addrs.count && end - at > 64; i++) {
		const struct resolve_addr *a = &f->addrs.addr[(i + rotate) % f->addrs.count];

		/* curl races the families (RFC 8305): two connections at once, if they both may be. */
		if (f->pool->hosts.one && family != AF_UNSPEC && a->family != family)
			continue;
		family = a->family;
		at += snprintf(at, (size_t)(end - at), family == AF_INET6 ? "%c[%s]" : "%c%s", shown++ == 0 ? ':' : ',',
		    resolve_text(a, text, sizeof(text)));
	}
	t->resolve = (struct curl_slist){ .data = t->resolve_text };
	curl_easy_setopt(t->easy, CURLOPT_RESOLVE, &t->resolve);
	curl_easy_setopt(t->easy, CURLOPT_RESOLVER_START_FUNCTION, on_resolver);
	curl_easy_setopt(t->easy, CURLOPT_RESOLVER_START_DATA, t);
}

/* true: only a part is asked for. */
static bool
set_range(struct fetch *f, struct transfer *t, struct curl_slist *headers)
{
	uint64_t from = f->o.range.offset + f->pos;
	const char *validator = f->first.etag[0] != '\0' ? f->first.etag : f->first.modified;
	bool ranged =
	    !fetch_collected(f) && f->o.kind != FETCH_STREAM && !f->no_range && (from > 0 || f->o.range.length > 0);
	char range[64];

	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, headers);
	if (!ranged)
		return false;
	if (f->o.range.length > 0)
		snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, from, f->o.range.offset + f->o.range.length - 1);
	else
		snprintf(range, sizeof(range), "%" PRIu64 "-", from);
	curl_easy_setopt(t->easy, CURLOPT_RANGE, range);
	if (f->pos == 0 || validator[0] == '\0')
		return true;
	snprintf(t->header_text, sizeof(t->header_text), "If-Range: %s", validator);
	t->header = (struct curl_slist){ .data = t->header_text, .next = headers };
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, &t->header);
	return true;
}

bool
fetch_ask(struct fetch *f, struct transfer *t, bool fresh, unsigned rotate)
{
	struct fetch_pool *p = f->pool;
	const struct msg_settings *s = &p->settings;
	unsigned source = p->requests[f->o.source].user_agent != NULL ? f->o.source : 0;
	const struct headers *headers = &p->requests[source].headers;
	long keepalive_s = PB_MAX((long)(s->keepalive_ms / 1000), 1L);
	bool abroad = fetch_abroad(f);
	const char *interface = interfaces_now(&p->interfaces);
	CURL *e = t->easy;

	curl_easy_setopt(e, CURLOPT_URL, f->now);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* not the environment's */
	curl_easy_setopt(
	    e, CURLOPT_HTTP_VERSION, (long)(http2_wanted(f) ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(s->connect_timeout_ms * p->patience));
	t->way = p->interfaces.at;
	t->own_address = strncmp(interface, "host!", 5) == 0;
	t->binding = false;
	if (interface[0] != '\0')
		curl_easy_setopt(e, CURLOPT_INTERFACE, interface);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, keepalive_s);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPINTVL, keepalive_s);
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, CONN_IDLE_S);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, p->requests[source].user_agent);
	if (headers->cookie != NULL && !abroad)
		curl_easy_setopt(e, CURLOPT_COOKIE, headers->cookie);
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, fetch_collected(f) ? "" : "identity");
	if (!fetch_collected(f))
		curl_easy_setopt(e, CURLOPT_BUFFERSIZE, SEGMENT_BUFFER);
	if (p->ca_file != NULL || p->ca_path != NULL) {
		curl_easy_setopt(e, CURLOPT_CAINFO, p->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, p->ca_path);
	}
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, fetch_hear_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, fetch_hear_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, p);
	set_name(f, t, rotate);
	return set_range(f, t, abroad ? headers->abroad : headers->all);
}
