/*
 * quarantine.c - from a socket into a file
 */
#include "worker/quarantine.h"

#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"

#define DEADLINE_S 30. /* nobody waits for it */
#define TRIES 2

struct quarantine {
	struct ev_loop *loop;
	struct fetch_pool *pool;
	struct fetch *fetch;
	char guide_number[16];
	uint64_t serial, left;
	int fd, error; /* error: errno of a write that failed */
	bool taken;
};

struct quarantine *
quarantine_new(struct ev_loop *loop, struct fetch_pool *pool, const char *guide_number, int fd, uint64_t serial,
    uint64_t bytes_max)
{
	struct quarantine *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		close(fd);
		return NULL;
	}
	q->loop = loop;
	q->pool = pool;
	q->fd = fd;
	q->serial = serial;
	q->left = bytes_max;
	strlcpy(q->guide_number, guide_number, sizeof(q->guide_number));
	return q;
}

static void
done(struct quarantine *q)
{
	if (q->fd != -1)
		close(q->fd);
	q->fd = -1;
}

void
quarantine_free(struct quarantine **quarantine)
{
	struct quarantine *q = *quarantine;

	if (q == NULL)
		return;
	fetch_cancel(&q->fetch);
	done(q);
	free(q);
	*quarantine = NULL;
}

static int
on_data(void *arg, const void *buf, size_t len)
{
	struct quarantine *q = arg;
	const uint8_t *at = buf;

	if (len > q->left)
		return PB_ELIMIT;
	q->left -= len;
	while (len > 0) {
		ssize_t n = write(q->fd, at, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			q->error = n == 0 ? EIO : errno;
			return PB_ESYS;
		}
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static void
on_done(void *arg, const struct fetch_result *r)
{
	struct quarantine *q = arg;

	q->fetch = NULL;
	done(q);
	log_event(r->err == 0 ? LOG_INFO : LOG_WARNING, "segment.quarantined",
	    "channel=%s segment=%" PRIu64 " bytes=%" PRIu64 " status=%d why=\"%s\"", q->guide_number, q->serial,
	    r->bytes, r->http_status, q->error != 0 ? strerror(q->error) : r->reason);
}

void
quarantine_take(struct quarantine *q, const struct source_segment *segment)
{
	struct fetch_options options = {
		.kind = FETCH_SEGMENT,
		.url = segment->url,
		.source = segment->source,
		.tries = TRIES,
		.arg = q,
		.on_data = on_data,
		.on_done = on_done,
	};
	int err;

	if (q == NULL || q->taken || segment->serial != q->serial)
		return;
	q->taken = true;
	/* Another worker may have begun with it, and died. */
	if (ftruncate(q->fd, 0) == -1 || lseek(q->fd, 0, SEEK_SET) == -1)
		return;
	options.deadline = loop_now(q->loop) + DEADLINE_S;
	if (segment->has_range) {
		options.range.offset = segment->offset;
		options.range.length = segment->length;
	}
	err = fetch_start(q->pool, &options, &q->fetch);
	if (err == 0)
		return;
	done(q);
	log_event(LOG_WARNING, "segment.quarantined", "channel=%s segment=%" PRIu64 " bytes=0 status=0 why=\"%s\"",
	    q->guide_number, q->serial, pb_strerror(err));
}
