/*
 * hosts.h - a place at the server: who may fetch next, and who waits
 *
 * A host takes a few transfers at once and no more. Who wants another waits
 * in its line; so the first gets the connection that is open, and nobody's
 * connect timeout runs while he only waits.
 *
 *   host      a name and a port; what was learnt about it is kept for a while
 *   place     what a fetch has at one host at a time: first queued, then taken
 *   order     as asked for; who was there before (a redirect, another try)
 *             goes in front of those who were not, behind those who were
 *   owner     a place lives in its fetch and is borrowed while it is queued
 *             or taken; hosts are made and forgotten here
 *
 * Pure: no I/O, no clock; time is the loop's and passed in, in seconds.
 */
#ifndef PLEXBRIDGE_WORKER_HOSTS_H
#define PLEXBRIDGE_WORKER_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define HOSTS_IDLE 16 /* remembered though nothing is fetched from them */

struct host;

/* Zeroed but for owner, it is at no host. */
struct place {
	void *owner; /* the caller's */
	struct host *host;
	bool taken;
	uint64_t asked; /* when, in the order of all; 0: in front */
	TAILQ_ENTRY(place) link; /* of the host's queue, unless taken */
};

struct hosts {
	unsigned connections; /* places at each host */
	bool one; /* but one in all: who came first is next, at whichever host. May be set at any time */
	uint64_t asked;
	size_t count;
	TAILQ_HEAD(host_list, host) list; /* the one that was asked for last comes first */
};

/* No hosts yet; each will have so many places, at least 1. */
void hosts_init(struct hosts *hosts, unsigned connections);

/* Forget all hosts. Every place must have been left. */
void hosts_clear(struct hosts *hosts);

/*
 * Wait for a place at this host (name shorter than URL_HOST_MAX), at the
 * end of the line or at its front. The place must be at no host. 0 or
 * PB_ENOMEM.
 */
int hosts_queue(struct hosts *hosts, struct place *place, const char *name, uint16_t port, bool front);

/* The next one for whom there is room: it has its place now. NULL when nobody waits who could have one. */
struct place *hosts_next(struct hosts *hosts);

/* Go away, from the line or from the place. true: it was taken, so somebody else may have it now. */
bool hosts_leave(struct place *place);

/* Should HTTP/2 be offered there? For a place that is taken, as the next one. */
bool hosts_http2(const struct place *place);

/* It failed because of HTTP/2. The second time within a minute is the last: HTTP/1.1 from then on. */
void hosts_http2_failed(struct place *place, double now_s);

#endif
