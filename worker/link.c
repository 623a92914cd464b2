/*
 * link.c - a rule table for what comes in, small places for what goes out
 */
#include "worker/link.h"

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/pb.h"

enum link_state { L_GREETING, L_WARM, L_TUNED, L_LOST };
#define IN(s) (1u << (s))
#define SILENCE_LOOKS 5

struct link {
	struct ev_loop *loop;
	int fd;
	enum link_state state;
	const struct link_ops *ops;
	void *arg;
	struct msg in;
	ev_io readable, writable;
	ev_timer silence; /* looks SILENCE_LOOKS times in MSG_SILENCE_S */
	unsigned silent; /* looks since the last word */
	bool greeted, ready, media, failed_due; /* what still has to be said, in this order */
	struct msg_failed failed;
	struct msg_client_report reports[LINK_REPORTS];
	size_t first, count;
	struct {
		bool want_due, limit_due;
		uint32_t want;
		int slot_fd; /* -1: none */
		struct msg_limit_report limit;
	} sources[MSG_SOURCES_MAX];
};

struct rule {
	unsigned allowed;
	size_t len;
	size_t nfds, nfds_max;
	void (*handle)(struct link *link, struct msg *m);
};

static void on_hello(struct link *, struct msg *);
static void on_quarantine(struct link *, struct msg *);
static void on_slate(struct link *, struct msg *);
static void on_tune(struct link *, struct msg *);
static void on_source(struct link *, struct msg *);
static void on_slot(struct link *, struct msg *);
static void on_limit(struct link *, struct msg *);
static void on_client(struct link *, struct msg *);
static void on_drop(struct link *, struct msg *);
static void on_ping(struct link *, struct msg *);
static void on_stop(struct link *, struct msg *);

/* States that allow it, bytes, descriptors (at least, at most), handler. */
static const struct rule rules[] = {
	[MSG_HELLO] = { IN(L_GREETING), sizeof(struct msg_hello), 0, 0, on_hello },
	[MSG_S_QUARANTINE] = { IN(L_WARM), sizeof(struct msg_quarantine), 1, 1, on_quarantine },
	[MSG_S_SLATE] = { IN(L_WARM), sizeof(struct msg_slate), 1, MSG_FDS_MAX, on_slate },
	[MSG_S_TUNE] = { IN(L_WARM), sizeof(struct msg_tune), 2, 3, on_tune },
	[MSG_S_SOURCE] = { IN(L_WARM), sizeof(struct msg_source), 0, 0, on_source },
	[MSG_S_SLOT] = { IN(L_TUNED), sizeof(struct msg_slot_answer), 0, 1, on_slot },
	[MSG_S_LIMIT] = { IN(L_WARM) | IN(L_TUNED), sizeof(struct msg_limit), 0, 0, on_limit },
	[MSG_S_CLIENT] = { IN(L_TUNED), sizeof(struct msg_client), 1, 1, on_client },
	[MSG_S_DROP] = { IN(L_TUNED), sizeof(struct msg_drop), 0, 0, on_drop },
	[MSG_S_PING] = { IN(L_GREETING) | IN(L_WARM) | IN(L_TUNED), 0, 0, 0, on_ping },
	[MSG_S_STOP] = { IN(L_GREETING) | IN(L_WARM) | IN(L_TUNED), 0, 0, 0, on_stop },
	[MSG_COUNT - 1] = { 0, 0, 0, 0, NULL },
};
_Static_assert(NITEMS(rules) == MSG_COUNT, "ipc/msg.h and this table differ");

static void
lost(struct link *link, const char *why)
{
	if (link->state == L_LOST)
		return;
	link->state = L_LOST;
	ev_io_stop(link->loop, &link->readable);
	ev_io_stop(link->loop, &link->writable);
	ev_timer_stop(link->loop, &link->silence);
	link->ops->lost(link->arg, why);
}

/* Slots and limits that are due: as send_one(). */
static int
send_of_sources(struct link *link)
{
	for (uint32_t i = 0; i < MSG_SOURCES_MAX; i++) {
		struct msg_slot_want want = { .source = i, .want = link->sources[i].want };
		int err;

		if (link->sources[i].want_due) {
			err = msg_send(link->fd, MSG_W_SLOT, &want, sizeof(want), NULL, 0);
			link->sources[i].want_due = err != 0;
			return err;
		}
		if (link->sources[i].limit_due) {
			err = msg_send(
			    link->fd, MSG_W_LIMIT, &link->sources[i].limit, sizeof(link->sources[i].limit), NULL, 0);
			link->sources[i].limit_due = err != 0;
			return err;
		}
	}
	return PB_NO;
}

/* Send the first of what waits: as msg_send(), and PB_NO when nothing does. */
static int
send_one(struct link *link)
{
	struct msg_hello hello = { .version = MSG_VERSION, .pid = (uint32_t)getpid() };
	int err;

	if (!link->greeted) {
		strlcpy(hello.build, PB_COMMIT, sizeof(hello.build));
		err = msg_send(link->fd, MSG_HELLO, &hello, sizeof(hello), NULL, 0);
		link->greeted = err == 0;
	} else if (link->ready) {
		err = msg_send(link->fd, MSG_W_READY, NULL, 0, NULL, 0);
		link->ready = err != 0;
	} else if (link->media) {
		err = msg_send(link->fd, MSG_W_MEDIA, NULL, 0, NULL, 0);
		link->media = err != 0;
	} else if (link->failed_due) {
		err = msg_send(link->fd, MSG_W_FAILED, &link->failed, sizeof(link->failed), NULL, 0);
		link->failed_due = err != 0;
	} else if (link->count > 0) {
		PB_FAULT("report");
		err = msg_send(link->fd, MSG_W_CLIENT, &link->reports[link->first], sizeof(link->reports[0]), NULL, 0);
		if (err == 0) {
			link->first = (link->first + 1) % LINK_REPORTS;
			link->count--;
		}
	} else {
		err = send_of_sources(link);
	}
	return err;
}

static void
flush(struct link *link)
{
	int err;

	if (link->state == L_LOST)
		return;
	do
		err = send_one(link);
	while (err == 0);
	if (err == PB_AGAIN)
		ev_io_start(link->loop, &link->writable);
	else if (err == PB_NO)
		ev_io_stop(link->loop, &link->writable);
	else
		lost(link, "the supervisor hung up");
}

static void
link_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	flush(w->data);
}

static void
link_hears(struct link *link, struct msg *m)
{
	const struct rule *rule = m->type < NITEMS(rules) ? &rules[m->type] : NULL;

	PB_FAULT("message");
	if (rule == NULL || rule->handle == NULL)
		lost(link, "the supervisor sent a message that is not for workers");
	else if (!(rule->allowed & IN(link->state)))
		lost(link, "the supervisor sent a message out of turn");
	else if (m->len != rule->len || m->nfds < rule->nfds || m->nfds > rule->nfds_max)
		lost(link, "the supervisor sent a message of the wrong size");
	else
		rule->handle(link, m);
}

static void
link_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct link *link = w->data;

	(void)revents;
	/* A bounded number, so that the stream goes on while a thousand clients arrive. */
	for (int n = 0; n < 64 && link->state != L_LOST; n++) {
		int err = msg_recv(link->fd, &link->in);

		if (err == PB_AGAIN)
			return;
		if (err != 0) {
			lost(link, err == PB_NO ? "the supervisor hung up" : "the supervisor's message can't be read");
			return;
		}
		link->silent = 0;
		ev_timer_again(loop, &link->silence);
		link_hears(link, &link->in);
		msg_close_fds(&link->in);
	}
}

static void
link_silent(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct link *link = w->data;

	(void)loop;
	(void)revents;
	/* Looks are counted, not the time: a machine that was paused had one of them, however long it was. */
	if (++link->silent >= SILENCE_LOOKS)
		lost(link, "no word from the supervisor");
}

int
link_new(struct link **out, struct ev_loop *loop, int fd, const struct link_ops *ops, void *arg)
{
	struct link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return PB_ENOMEM;
	link->loop = loop;
	link->fd = fd;
	link->ops = ops;
	link->arg = arg;
	link->ready = true;
	for (size_t i = 0; i < MSG_SOURCES_MAX; i++)
		link->sources[i].slot_fd = -1;
	ev_io_init(&link->readable, link_readable, fd, EV_READ);
	ev_io_init(&link->writable, link_writable, fd, EV_WRITE);
	ev_timer_init(&link->silence, link_silent, 0., MSG_SILENCE_S / SILENCE_LOOKS);
	link->readable.data = link->writable.data = link->silence.data = link;
	ev_io_start(loop, &link->readable);
	ev_io_start(loop, &link->writable);
	ev_timer_again(loop, &link->silence);
	*out = link;
	return 0;
}

void
link_free(struct link **link)
{
	if (*link == NULL)
		return;
	ev_io_stop((*link)->loop, &(*link)->readable);
	ev_io_stop((*link)->loop, &(*link)->writable);
	ev_timer_stop((*link)->loop, &(*link)->silence);
	for (size_t i = 0; i < MSG_SOURCES_MAX; i++)
		if ((*link)->sources[i].slot_fd != -1)
			close((*link)->sources[i].slot_fd);
	free(*link);
	*link = NULL;
}

void
link_media(struct link *link)
{
	link->media = true;
	flush(link);
}

void
link_failed(struct link *link, uint32_t code, enum msg_failed_why why, const char *reason)
{
	link->failed.why = why;
	link->failed.code = code;
	strlcpy(link->failed.reason, reason, sizeof(link->failed.reason));
	link->failed_due = true;
	flush(link);
}

void
link_want_slot(struct link *link, unsigned source, bool want)
{
	pb_assert(source < MSG_SOURCES_MAX);
	if (!want && link->sources[source].slot_fd != -1) {
		close(link->sources[source].slot_fd);
		link->sources[source].slot_fd = -1;
	}
	link->sources[source].want = want;
	link->sources[source].want_due = true;
	flush(link);
}

void
link_limit(struct link *link, const struct msg_limit_report *report)
{
	pb_assert(report->source < MSG_SOURCES_MAX);
	link->sources[report->source].limit = *report;
	link->sources[report->source].limit_due = true;
	flush(link);
}

void
link_report(struct link *link, const struct msg_client_report *report)
{
	if (link->count == LINK_REPORTS) {
		lost(link, "the supervisor takes no reports");
		return;
	}
	link->reports[(link->first + link->count++) % LINK_REPORTS] = *report;
	flush(link);
}

static void
on_hello(struct link *link, struct msg *m)
{
	struct msg_hello hello;

	memcpy(&hello, m->data, sizeof(hello));
	if (hello.version != MSG_VERSION) {
		lost(link, "the supervisor speaks another version");
		return;
	}
	link->state = L_WARM;
}

static void
on_quarantine(struct link *link, struct msg *m)
{
	int fd = m->fds[0];

	m->fds[0] = -1;
	link->ops->quarantine(link->arg, (const struct msg_quarantine *)m->data, fd);
}

static void
on_slate(struct link *link, struct msg *m)
{
	const struct msg_slate *slate = (const struct msg_slate *)m->data;

	for (size_t i = 0; i < m->nfds; i++) {
		if (slate->first >= MSG_SLATES_MAX || i >= MSG_SLATES_MAX - slate->first)
			break; /* what nobody took is closed */
		link->ops->slate(link->arg, slate->first + (unsigned)i, m->fds[i]);
		m->fds[i] = -1;
	}
}

static void
bound_request(struct msg_request *request)
{
	request->user_agent[sizeof(request->user_agent) - 1] = '\0';
	request->headers_len = PB_MIN(request->headers_len, (uint32_t)sizeof(request->headers));
}

static void
on_tune(struct link *link, struct msg *m)
{
	struct msg_tune *tune = (struct msg_tune *)m->data; /* aligned by struct msg */
	int spool_fd = m->fds[0], state_fd = m->fds[1];

	m->fds[0] = m->fds[1] = -1;
	if (m->nfds == 3)
		m->fds[2] = -1; /* the provider's slot: ours until we exit, and with us every connection */
	tune->guide_number[sizeof(tune->guide_number) - 1] = '\0';
	tune->url[sizeof(tune->url) - 1] = '\0';
	tune->source_count = PB_MIN(PB_MAX(tune->source_count, 1u), (uint32_t)MSG_SOURCES_MAX);
	bound_request(&tune->request);
	link->state = L_TUNED;
	if (link->ops->tune(link->arg, tune, spool_fd, state_fd) < 0)
		lost(link, "the stream could not be begun");
}

static void
on_source(struct link *link, struct msg *m)
{
	struct msg_source *source = (struct msg_source *)m->data;

	source->url[sizeof(source->url) - 1] = '\0';
	bound_request(&source->request);
	if (source->n == 0 || source->n >= MSG_SOURCES_MAX)
		lost(link, "the supervisor named a source that can't be");
	else
		link->ops->source(link->arg, source);
}

static void
on_slot(struct link *link, struct msg *m)
{
	const struct msg_slot_answer *answer = (const struct msg_slot_answer *)m->data;

	if (answer->source >= MSG_SOURCES_MAX) {
		lost(link, "the supervisor gave a slot to a source that can't be");
		return;
	}
	/* Not wanted any more by now, or a second one: it goes as it came. */
	if (m->nfds == 1 && link->sources[answer->source].want && link->sources[answer->source].slot_fd == -1) {
		link->sources[answer->source].slot_fd = m->fds[0];
		m->fds[0] = -1;
	}
	if (link->sources[answer->source].want)
		link->ops->slot(link->arg, answer->source, answer->granted == 1);
}

static void
on_limit(struct link *link, struct msg *m)
{
	struct msg_limit *limit = (struct msg_limit *)m->data;

	msg_text(limit->why, sizeof(limit->why));
	link->ops->limit(link->arg, limit);
}

static void
on_client(struct link *link, struct msg *m)
{
	int fd = m->fds[0];

	m->fds[0] = -1;
	link->ops->client(link->arg, (const struct msg_client *)m->data, fd);
}

static void
on_drop(struct link *link, struct msg *m)
{
	link->ops->drop(link->arg, (const struct msg_drop *)m->data);
}

static void
on_ping(struct link *link, struct msg *m)
{
	/* Hearing it was all: the silence is over. */
	(void)link;
	(void)m;
}

static void
on_stop(struct link *link, struct msg *m)
{
	(void)m;
	link->ops->stop(link->arg);
}
