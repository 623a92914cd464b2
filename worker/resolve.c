/*
 * resolve.c - how the promise in resolve.h is kept
 *
 * c-ares tells through its socket callback what it waits for; each socket is
 * an ev_io. It calls back from the middle of its own work, so an answer is
 * only noted there, and given out when c-ares has returned: those who wait
 * may then do what they like.
 *
 * A lookup is for both families, and c-ares answers it when it has both: with
 * one of them never answered that is the end of all its tries. So when it
 * takes longer than EARLY_S and somebody waits, IPv4 is asked for once more
 * by itself. (Two lookups from the start would each go down resolv.conf's
 * search list on their own: a name without IPv6 would get some from there.)
 *
 * One lookup can't be taken back in c-ares, so a lookup belongs to the name
 * and not to the one who asked: who cancels only stops waiting.
 */
#include "worker/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <ares.h>
#include <ev.h>

#include "base/loop.h"
#include "base/pb.h"
#include "base/private.h"

#define TTL_MIN_S 10
#define TTL_MAX_S 300
#define NEGATIVE_S 2.0
#define GRACE_S 30.0 /* past its time, and still given while it is being renewed */
#define STALE_S 0.3 /* how long a new answer is waited for when there is an old one */
#define EARLY_S 0.05 /* RFC 8305 section 3: how long both families are waited for */
#define DOWN_S 5.0 /* after a failure the old answer is given without that wait */
#define ASK_MS 600 /* to the first repetition; doubles */
#define ASK_TRIES 3
#define RESOLV_CONF "/etc/resolv.conf"

struct resolve_query {
	TAILQ_ENTRY(resolve_query) link;
	struct resolve *r;
	struct name *name;
	ev_timer timer;
	ev_tstamp deadline;
	void (*done)(void *arg, int err, const struct resolve_addrs *addrs);
	void *arg;
};

struct name {
	TAILQ_ENTRY(name) link; /* the one that was used last comes first */
	struct resolve *r;
	char host[RESOLVE_NAME_MAX];
	struct resolve_addrs addrs; /* the last good ones */
	ev_tstamp renew_at, good_until, negative_until;
	int err; /* of the last lookup */
	bool busy; /* both families are looked up: c-ares holds a pointer to this */
	bool early_busy; /* ... and so is IPv4 by itself */
	bool early_got; /* with success, in the lookup that is under way */
	bool answered; /* there is an answer; those who wait don't know yet */
	ev_timer early;
	TAILQ_HEAD(, resolve_query) queries;
};

struct sock {
	LIST_ENTRY(sock) link;
	struct resolve *r;
	ev_io io;
};

struct resolve {
	struct ev_loop *loop;
	ares_channel channel;
	bool channel_up;
	bool own_servers; /* resolve_set_servers() was used: resolv.conf means nothing */
	bool ending;
	struct timespec conf_mtime;
	ino_t conf_ino;
	ev_timer timer;
	ev_tstamp down_until;
	size_t count, busy;
	struct resolve_figures figures;
	TAILQ_HEAD(names, name) names;
	LIST_HEAD(, sock) socks;
};

static void give_out(struct resolve *r);
static void on_early(struct ev_loop *loop, ev_timer *w, int revents);

/* The sockets of c-ares. */

static void
set_timer(struct resolve *r)
{
	struct timeval tv, *next = ares_timeout(r->channel, NULL, &tv);

	ev_timer_stop(r->loop, &r->timer);
	if (next == NULL)
		return;
	ev_timer_set(&r->timer, (double)next->tv_sec + (double)next->tv_usec / 1e6, 0.);
	ev_timer_start(r->loop, &r->timer);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct resolve *r = w->data;

	(void)loop;
	(void)revents;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(r);
	give_out(r);
}

static void
on_socket(struct ev_loop *loop, ev_io *w, int revents)
{
	struct resolve *r = ((struct sock *)w->data)->r;
	int fd = w->fd;

	(void)loop;
	/* w may be gone when this returns. */
	ares_process_fd(
	    r->channel, revents & EV_READ ? fd : ARES_SOCKET_BAD, revents & EV_WRITE ? fd : ARES_SOCKET_BAD);
	set_timer(r);
	give_out(r);
}

static void
on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolve *r = arg;
	struct sock *s;

	LIST_FOREACH(s, &r->socks, link)
	if (s->io.fd == fd)
		break;
	if (s != NULL)
		ev_io_stop(r->loop, &s->io);
	if (!readable && !writable) {
		if (s != NULL) {
			LIST_REMOVE(s, link);
			free(s);
		}
		return;
	}
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL)
			return; /* the lookup runs into its timeout */
		s->r = r;
		LIST_INSERT_HEAD(&r->socks, s, link);
	}
	ev_io_init(&s->io, on_socket, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	s->io.data = s;
	ev_io_start(r->loop, &s->io);
}

static void
note_conf(struct resolve *r)
{
	struct stat st;

	if (stat(RESOLV_CONF, &st) == 0) {
		r->conf_mtime = st.st_mtim;
		r->conf_ino = st.st_ino;
	}
}

static int
channel_up(struct resolve *r)
{
	struct ares_options opt = { 0 };
	char lookups[] = "fb"; /* /etc/hosts first */
	int rc;

	opt.timeout = ASK_MS;
	opt.tries = ASK_TRIES;
	opt.lookups = lookups;
	opt.sock_state_cb = on_state;
	opt.sock_state_cb_data = r;
	note_conf(r);
	rc = ares_init_options(
	    &r->channel, &opt, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
	r->channel_up = rc == ARES_SUCCESS;
	return rc == ARES_SUCCESS ? 0 : rc == ARES_ENOMEM ? PB_ENOMEM : PB_ESYS;
}

/* A laptop that moved, a lease that was renewed: c-ares itself reads the file once. */
static int
follow_conf(struct resolve *r)
{
	struct stat st;

	if (r->busy > 0)
		return 0;
	if (r->channel_up) {
		if (r->own_servers || stat(RESOLV_CONF, &st) == -1)
			return 0;
		if (st.st_ino == r->conf_ino && st.st_mtim.tv_sec == r->conf_mtime.tv_sec &&
		    st.st_mtim.tv_nsec == r->conf_mtime.tv_nsec)
			return 0;
		ev_timer_stop(r->loop, &r->timer);
		r->channel_up = false;
		ares_destroy(r->channel);
	}
	return channel_up(r);
}

int
resolve_new(struct resolve **out, struct ev_loop *loop)
{
	struct resolve *r = calloc(1, sizeof(*r));
	int err;

	if (r == NULL)
		return PB_ENOMEM;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(r);
		return PB_ENOMEM;
	}
	r->loop = loop;
	TAILQ_INIT(&r->names);
	LIST_INIT(&r->socks);
	ev_timer_init(&r->timer, on_timer, 0., 0.);
	r->timer.data = r;
	err = channel_up(r);
	if (err != 0) {
		resolve_free(&r);
		return err;
	}
	*out = r;
	return 0;
}

int
resolve_set_servers(struct resolve *r, const char *servers)
{
	int rc;

	if (r->busy > 0)
		return PB_AGAIN;
	rc = ares_set_servers_ports_csv(r->channel, servers);
	if (rc == ARES_SUCCESS)
		r->own_servers = true;
	return rc == ARES_SUCCESS ? 0 : rc == ARES_ENOMEM ? PB_ENOMEM : PB_EFORMAT;
}

/* Names. */

static struct name *
name_find(struct resolve *r, const char *host)
{
	struct name *n;

	TAILQ_FOREACH(n, &r->names, link)
	if (strcasecmp(n->host, host) == 0)
		return n;
	return NULL;
}

static void
name_drop(struct name *n)
{
	ev_timer_stop(n->r->loop, &n->early);
	TAILQ_REMOVE(&n->r->names, n, link);
	n->r->count--;
	free(n);
}

static struct name *
name_get(struct resolve *r, const char *host)
{
	struct name *n = name_find(r, host), *old;

	if (n != NULL) {
		TAILQ_REMOVE(&r->names, n, link);
		TAILQ_INSERT_HEAD(&r->names, n, link);
		return n;
	}
	if (r->count >= RESOLVE_NAMES_MAX) {
		TAILQ_FOREACH_REVERSE(old, &r->names, names, link)
		if (!old->busy && !old->early_busy && !old->answered && TAILQ_EMPTY(&old->queries))
			break;
		if (old == NULL)
			return NULL;
		name_drop(old);
	}
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return NULL;
	n->r = r;
	memcpy(n->host, host, strlen(host) + 1); /* resolve_start() has bounded it */
	TAILQ_INIT(&n->queries);
	ev_timer_init(&n->early, on_early, EARLY_S, 0.);
	n->early.data = n;
	TAILQ_INSERT_HEAD(&r->names, n, link);
	r->count++;
	return n;
}

/* true: there are some. */
static bool
take_addrs(struct name *n, const struct ares_addrinfo *info)
{
	ev_tstamp now = loop_now(n->r->loop);
	struct resolve_addrs got = { 0 };
	int ttl_s = TTL_MAX_S;

	for (const struct ares_addrinfo_node *a = info->nodes; a != NULL && got.count < RESOLVE_ADDRS_MAX;
	     a = a->ai_next) {
		struct resolve_addr *to = &got.addr[got.count];

		if (a->ai_family == AF_INET && a->ai_addrlen >= sizeof(struct sockaddr_in)) {
			struct sockaddr_in sin;

			memcpy(&sin, a->ai_addr, sizeof(sin));
			to->v4 = sin.sin_addr;
		} else if (a->ai_family == AF_INET6 && a->ai_addrlen >= sizeof(struct sockaddr_in6)) {
			struct sockaddr_in6 sin6;

			memcpy(&sin6, a->ai_addr, sizeof(sin6));
			to->v6 = sin6.sin6_addr;
		} else {
			continue;
		}
		to->family = a->ai_family;
		ttl_s = PB_MIN(ttl_s, a->ai_ttl);
		got.count++;
	}
	if (got.count == 0)
		return false;
	ttl_s = PB_MAX(ttl_s, TTL_MIN_S);
	n->addrs = got;
	n->renew_at = now + ttl_s * 0.75;
	n->good_until = now + ttl_s;
	n->negative_until = 0.;
	n->err = 0;
	return true;
}

static void
note_none(struct name *n)
{
	n->err = PB_NO;
	n->negative_until = loop_now(n->r->loop) + NEGATIVE_S;
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct name *n = arg;
	struct resolve *r = n->r;

	(void)timeouts;
	if (r->ending) {
		if (info != NULL)
			ares_freeaddrinfo(info);
		return;
	}
	n->busy = false;
	n->answered = true;
	r->busy--;
	switch (n->early_got && status != ARES_SUCCESS ? ARES_SUCCESS : status) {
	case ARES_SUCCESS:
		if ((info == NULL || !take_addrs(n, info)) && !n->early_got)
			note_none(n);
		break;
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_EBADNAME:
	case ARES_ENONAME:
		note_none(n);
		break;
	case ARES_ENOMEM:
		n->err = PB_ENOMEM;
		break;
	default:
		n->err = PB_ENET;
		r->down_until = loop_now(r->loop) + DOWN_S;
		r->figures.failures++;
		break;
	}
	if (info != NULL)
		ares_freeaddrinfo(info);
}

static void
on_early_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct name *n = arg;

	(void)timeouts;
	if (!n->r->ending) {
		n->early_busy = false;
		n->r->busy--;
		/* If it is no success, the lookup for both will tell. */
		if (status == ARES_SUCCESS && n->busy && take_addrs(n, info))
			n->early_got = n->answered = true;
	}
	if (info != NULL)
		ares_freeaddrinfo(info);
}

/* Somebody waits, and one family keeps the other from him. */
static void
on_early(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct ares_addrinfo_hints hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct name *n = w->data;
	struct resolve *r = n->r;

	(void)loop;
	(void)revents;
	if (!n->busy || n->early_busy || TAILQ_EMPTY(&n->queries))
		return;
	n->early_busy = true;
	r->busy++;
	ares_getaddrinfo(r->channel, n->host, NULL, &hints, on_early_answer, n);
	set_timer(r);
	give_out(r);
}

static void
look_up(struct name *n)
{
	struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct resolve *r = n->r;

	if (n->busy)
		return;
	n->answered = false;
	if (follow_conf(r) != 0) {
		n->err = PB_ENOMEM;
		n->answered = true;
		return;
	}
	n->busy = true;
	n->early_got = false;
	r->busy++;
	r->figures.lookups++;
	ares_getaddrinfo(r->channel, n->host, NULL, &hints, on_answer, n); /* may have answered on return */
	set_timer(r);
}

/* What n answers, now that it is known: an old address is better than an error of the resolver. */
static const struct resolve_addrs *
verdict(struct name *n, int *err)
{
	*err = n->err;
	if (n->err == 0)
		return &n->addrs;
	if (n->err != PB_NO && n->addrs.count > 0) {
		n->r->figures.stale++;
		*err = 0;
		return &n->addrs;
	}
	return NULL;
}

static void
query_end(struct resolve_query *q)
{
	ev_timer_stop(q->r->loop, &q->timer);
	TAILQ_REMOVE(&q->name->queries, q, link);
	free(q);
}

static void
query_tell(struct resolve_query *q, int err, const struct resolve_addrs *addrs)
{
	void (*done)(void *, int, const struct resolve_addrs *) = q->done;
	struct resolve_addrs copy; /* the name may be gone or renewed before done returns */
	void *arg = q->arg;

	if (addrs != NULL)
		copy = *addrs;
	query_end(q);
	done(arg, err, addrs != NULL ? &copy : NULL);
}

static void
give_out(struct resolve *r)
{
	struct name *n;

	/* From the front each time: done may have changed the list. */
	for (;;) {
		struct resolve_query *q;
		const struct resolve_addrs *addrs;
		int err;

		TAILQ_FOREACH(n, &r->names, link)
		if (n->answered)
			break;
		if (n == NULL)
			return;
		q = TAILQ_FIRST(&n->queries);
		if (q == NULL) {
			n->answered = false;
			continue;
		}
		addrs = verdict(n, &err);
		query_tell(q, err, addrs);
	}
}

static void
on_query_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct resolve_query *q = w->data;
	struct name *n = q->name;

	(void)loop;
	(void)revents;
	if (n->addrs.count > 0) {
		n->r->figures.stale++;
		query_tell(q, 0, &n->addrs);
	} else {
		query_tell(q, PB_ETIME, NULL);
	}
}

/* RFC 6761 6.3: never asked of anyone. */
static bool
is_localhost(const char *host)
{
	size_t len = strlen(host);

	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len == 9)
		return strncasecmp(host, "localhost", 9) == 0;
	return len > 10 && strncasecmp(host + len - 10, ".localhost", 10) == 0;
}

static bool
is_name(const char *host)
{
	size_t len = strlen(host);

	if (len == 0 || len >= RESOLVE_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)host[i] <= ' ' || host[i] == 0x7f || strchr("/:@?#[]\\%", host[i]) != NULL)
			return false;
	return true;
}

int
resolve_start(struct resolve *r, const char *host, uint32_t timeout_ms, struct resolve_addrs *out,
    void (*done)(void *arg, int err, const struct resolve_addrs *addrs), void *arg, struct resolve_query **query)
{
	ev_tstamp now = loop_now(r->loop);
	const struct resolve_addrs *addrs;
	struct resolve_query *q;
	struct name *n;
	double wait = timeout_ms / 1e3;
	int err;

	*query = NULL;
	out->count = 0;
	if (resolve_literal(&out->addr[0], host)) {
		out->count = 1;
		return 0;
	}
	if (!is_name(host))
		return PB_EFORMAT;
	if (is_localhost(host)) {
		resolve_literal(&out->addr[0], "127.0.0.1");
		resolve_literal(&out->addr[1], "::1");
		out->count = 2;
		return 0;
	}
	n = name_get(r, host);
	if (n == NULL)
		return r->count >= RESOLVE_NAMES_MAX ? PB_ELIMIT : PB_ENOMEM;

	if (n->negative_until > now)
		return PB_NO;
	if (n->addrs.count > 0 && now < n->good_until + GRACE_S) {
		*out = n->addrs;
		if (now >= n->good_until)
			r->figures.stale++;
		if (now >= n->renew_at)
			look_up(n);
		return 0;
	}
	if (!n->busy) {
		look_up(n);
		if (!n->busy && n->answered && TAILQ_EMPTY(&n->queries)) { /* /etc/hosts, or failed at once */
			n->answered = false;
			addrs = verdict(n, &err);
			if (addrs != NULL)
				*out = *addrs;
			return err;
		}
	}
	if (n->addrs.count > 0) {
		if (now < r->down_until) {
			r->figures.stale++;
			*out = n->addrs;
			return 0;
		}
		wait = PB_MIN(wait, STALE_S);
	}
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return PB_ENOMEM;
	q->r = r;
	q->name = n;
	q->done = done;
	q->arg = arg;
	ev_timer_init(&q->timer, on_query_timer, wait, 0.);
	q->timer.data = q;
	ev_timer_start(r->loop, &q->timer);
	TAILQ_INSERT_TAIL(&n->queries, q, link);
	if (!ev_is_active(&n->early)) {
		ev_timer_set(&n->early, EARLY_S, 0.);
		ev_timer_start(r->loop, &n->early);
	}
	*query = q;
	return PB_AGAIN;
}

void
resolve_cancel(struct resolve_query **query)
{
	if (*query != NULL)
		query_end(*query);
	*query = NULL;
}

void
resolve_doubt(struct resolve *r, const char *host)
{
	struct name *n = name_find(r, host);

	if (n != NULL)
		n->good_until = PB_MIN(n->good_until, loop_now(r->loop) - GRACE_S);
}

struct resolve_figures
resolve_figures(const struct resolve *r)
{
	return r->figures;
}

void
resolve_free(struct resolve **rp)
{
	struct resolve *r = *rp;
	struct name *n;
	struct sock *s;

	if (r == NULL)
		return;
	r->ending = true;
	if (r->channel_up)
		ares_destroy(r->channel);
	ev_timer_stop(r->loop, &r->timer);
	while ((s = LIST_FIRST(&r->socks)) != NULL) {
		ev_io_stop(r->loop, &s->io);
		LIST_REMOVE(s, link);
		free(s);
	}
	while ((n = TAILQ_FIRST(&r->names)) != NULL) {
		while (!TAILQ_EMPTY(&n->queries))
			query_end(TAILQ_FIRST(&n->queries));
		name_drop(n);
	}
	ares_library_cleanup();
	free(r);
	*rp = NULL;
}

/* Addresses. */

bool
resolve_private(const struct resolve_addr *addr)
{
	return addr->family == AF_INET ? private_v4(ntohl(addr->v4.s_addr)) : private_v6(addr->v6.s6_addr);
}

bool
resolve_all_private(const struct resolve_addrs *addrs)
{
	for (size_t i = 0; i < addrs->count; i++)
		if (!resolve_private(&addrs->addr[i]))
			return false;
	return addrs->count > 0;
}

bool
resolve_literal(struct resolve_addr *addr, const char *host)
{
	if (inet_pton(AF_INET, host, &addr->v4) == 1) {
		addr->family = AF_INET;
		return true;
	}
	if (inet_pton(AF_INET6, host, &addr->v6) == 1) {
		addr->family = AF_INET6;
		return true;
	}
	return false;
}

const char *
resolve_text(const struct resolve_addr *addr, char *out, size_t size)
{
	if (inet_ntop(addr->family, addr->family == AF_INET ? (const void *)&addr->v4 : (const void *)&addr->v6, out,
		(socklen_t)size) == NULL &&
	    size > 0)
		out[0] = '\0';
	return out;
}
