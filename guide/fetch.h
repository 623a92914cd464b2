/*
 * fetch.h - one document, from a URL or a descriptor
 *
 * Blocking: this process has nothing else to do, and the supervisor ends it
 * when it takes too long. Only http and https; certificates are checked.
 * A source all of whose addresses are private may lead anywhere, as may a
 * file; any other one, by a redirect or as what names this URL, only to
 * public addresses (base/private.h). Neither an error's text nor anything
 * else here has the URL in it.
 */
#ifndef PLEXBRIDGE_GUIDE_FETCH_H
#define PLEXBRIDGE_GUIDE_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FETCH_WHY_MAX 200

struct fetch {
	/* What is wanted. All borrowed. */
	const char *url; /* NULL: from fd */
	int fd;
	const char *source; /* the URL, or path, that the operator wrote and that led to url; NULL: url is it */
	bool private_targets; /* a source on a public address may lead to a private one */
	const char *etag, *modified; /* of what is there already; "": nothing is */
	const char *user_agent;
	long connect_ms, stall_ms; /* 0: 3 s, 10 s */
	long total_s; /* for all of it */
	uint64_t bytes_max; /* as they come */
	int (*sink)(void *user, const char *bytes, size_t len); /* 0, or what fetch_run() gives then */
	void (*at)(void *user, uint64_t bytes, uint64_t total); /* NULL: nobody wants to know */
	void *user;

	/* What was found. */
	char etag_now[128], modified_now[64];
	long status; /* 0: no answer, or a descriptor */
	long retry_after_s;
	bool from_public; /* what answered at url itself, before any redirect, was at a public address */
	uint64_t bytes;
	char why[FETCH_WHY_MAX];
};

/*
 * 0; PB_NO: not modified; PB_EPEER: an answer that is an error (status),
 * or it led to where it may not;
 * PB_ENET: none, or not to the end; PB_ELIMIT: bytes_max; what sink gave;
 * PB_ESYS. why is set for all but 0 and what sink gave.
 */
int fetch_run(struct fetch *f);

#endif
