/*
 * resolve.h - names to addresses, without ever waiting for a resolver
 *
 * c-ares on the loop that is handed in. /etc/hosts and /etc/resolv.conf are
 * honoured (and read again when resolv.conf has changed); a resolver that is
 * dead costs its caller the time it allowed, and the loop nothing.
 *
 *   blocking  never; no threads
 *   owner     of what is borrowed: the caller, until the call returns
 *   trust     answers come from outside; resolve_private() judges them
 *   bounds    RESOLVE_NAMES_MAX names are remembered, RESOLVE_ADDRS_MAX
 *             addresses of each
 *
 * An answer is good for its TTL, at least 10 s, at most 300 s. It is renewed
 * in the background in the last quarter of that, and for 30 s after, so that
 * a name in use is never waited for twice. Older than that, it is waited for
 * again; but when no answer comes within 300 ms or the resolver is broken,
 * the old addresses are given, however old they are. "There is no such name"
 * is remembered for 2 s.
 *
 * Who waits for longer than 50 ms gets the IPv4 addresses as soon as they are
 * there: many a resolver never answers questions for IPv6. Those join them
 * when they come (RFC 8305 section 3).
 */
#ifndef PLEXBRIDGE_WORKER_RESOLVE_H
#define PLEXBRIDGE_WORKER_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#define RESOLVE_NAMES_MAX 64
#define RESOLVE_ADDRS_MAX 12
#define RESOLVE_NAME_MAX 256

struct ev_loop;
struct sockaddr;
struct resolve;
struct resolve_query; /* one who waits for a name */

struct resolve_addr {
	int family; /* AF_INET, AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

/* Best first (RFC 6724). */
struct resolve_addrs {
	size_t count;
	struct resolve_addr addr[RESOLVE_ADDRS_MAX];
};

struct resolve_figures {
	uint64_t lookups; /* of names, asked of c-ares; each for both families */
	uint64_t failures; /* of those, without an answer of any kind */
	uint64_t stale; /* answers given past their time */
};

/* Gives *out to the caller. 0, PB_ENOMEM, PB_ESYS. */
int resolve_new(struct resolve **out, struct ev_loop *loop);

/* Ask these instead of resolv.conf's: "127.0.0.1:5353,[::1]:53". 0, PB_EFORMAT, PB_AGAIN while a lookup is under way. */
int resolve_set_servers(struct resolve *r, const char *servers);

/*
 * The addresses of host (a name, or a literal without brackets).
 *
 *   0          known or literal: *out is filled in, done is never called
 *   PB_AGAIN   done(arg, err, addrs) is called later, from the loop, once,
 *              unless *query is cancelled before. err is 0, PB_NO, PB_ENET
 *              or PB_ETIME; addrs is borrowed for the call, NULL with an err
 *   PB_NO      there is no such name (known for less than 2 s)
 *   PB_EFORMAT no name at all; PB_ELIMIT too many names under way; PB_ENOMEM
 *
 * timeout_ms bounds the wait. done may start and cancel other queries, but
 * not free r.
 */
int resolve_start(struct resolve *r, const char *host, uint32_t timeout_ms, struct resolve_addrs *out,
    void (*done)(void *arg, int err, const struct resolve_addrs *addrs), void *arg, struct resolve_query **query);

/* No longer wanted; the lookup itself goes on, its answer is kept. Sets *query to NULL; NULL inside is fine. */
void resolve_cancel(struct resolve_query **query);

/* Nobody answered at the addresses of host: ask again before the next use. */
void resolve_doubt(struct resolve *r, const char *host);

struct resolve_figures resolve_figures(const struct resolve *r);

/* End it, with all who wait (their done is not called). Sets *r to NULL; NULL inside is fine. */
void resolve_free(struct resolve **r);

/* Is it one of this machine, this network or nobody (base/private.h)? */
bool resolve_private(const struct resolve_addr *addr);

/* Are all of them so? false when there are none. */
bool resolve_all_private(const struct resolve_addrs *addrs);

/* A literal into *addr; false when host is none. */
bool resolve_literal(struct resolve_addr *addr, const char *host);

/* As text, without brackets, into out[size] (INET6_ADDRSTRLEN is enough). Returns out. */
const char *resolve_text(const struct resolve_addr *addr, char *out, size_t size);

#endif
