/*
 * worker.c - the rule table, and a worker's way from fork to waitpid
 *
 * Its death is known by waitpid alone. A channel that ends means only that
 * nothing more will be heard; what was sent before is read before the owner
 * is told of the death, so that a last word is never lost.
 */
#include "supervisor/worker.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "supervisor/workers.h"

#define READ_BUDGET 64 /* messages of one worker in one turn */
#define DRAIN_MAX (4 * STATE_SLOTS) /* messages that a dead one may have left */
#define RETRY_S 0.01
#define HANGUP_GRACE_S 0.5 /* from the end of its channel to SIGKILL: it's probably exiting */

#define IN(state) (1U << (state))
#define ANY (IN(W_STARTING) | IN(W_WARM) | IN(W_TUNED) | IN(W_LIVE) | IN(W_STOPPING))

struct rule {
	const char *name;
	unsigned allowed; /* in which states */
	size_t len;
	size_t nfds;
	int (*handle)(struct worker *, const struct msg *);
};

static int on_hello(struct worker *w, const struct msg *m);
static int on_ready(struct worker *w, const struct msg *m);
static int on_media(struct worker *w, const struct msg *m);
static int on_failed(struct worker *w, const struct msg *m);
static int on_client(struct worker *w, const struct msg *m);
static int on_slot(struct worker *w, const struct msg *m);
static int on_limit(struct worker *w, const struct msg *m);

/* Name, states that allow it, bytes, descriptors, handler. What the supervisor says has none: it isn't heard. */
static const struct rule rules[] = {
	[MSG_HELLO] = { "hello", IN(W_STARTING) | IN(W_STOPPING), sizeof(struct msg_hello), 0, on_hello },
	[MSG_W_READY] = { "ready", IN(W_STARTING) | IN(W_STOPPING), 0, 0, on_ready },
	[MSG_W_MEDIA] = { "media", IN(W_TUNED) | IN(W_STOPPING), 0, 0, on_media },
	[MSG_W_FAILED] = { "failed", IN(W_TUNED) | IN(W_LIVE) | IN(W_STOPPING), sizeof(struct msg_failed), 0,
	    on_failed },
	[MSG_W_CLIENT] = { "client", IN(W_LIVE) | IN(W_STOPPING), sizeof(struct msg_client_report), 0, on_client },
	[MSG_W_SLOT] = { "slot", IN(W_TUNED) | IN(W_LIVE) | IN(W_STOPPING), sizeof(struct msg_slot_want), 0, on_slot },
	[MSG_W_LIMIT] = { "limit", IN(W_TUNED) | IN(W_LIVE) | IN(W_STOPPING), sizeof(struct msg_limit_report), 0,
	    on_limit },
};
_Static_assert(NITEMS(rules) == MSG_COUNT, "ipc/msg.h and this table differ");

int64_t
monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

double
monotonic_s(void)
{
	return (double)monotonic_ns() / 1e9;
}

const char *
worker_state_name(enum worker_state state)
{
	static const char *const names[W_STATES] = { "starting", "warm", "tuned", "live", "stopping", "dead" };

	return names[state];
}

static void
set_state(struct worker *w, enum worker_state to)
{
	log_event(LOG_DEBUG, "worker.state", "pid=%d channel=%s from=%s to=%s after_ms=%.0f", (int)w->pid, w->channel,
	    worker_state_name(w->state), worker_state_name(to), (loop_now(w->loop) - w->since) * 1e3);
	w->state = to;
	w->since = loop_now(w->loop);
}

static void
hang_up(struct worker *w)
{
	if (w->fd == -1)
		return;
	ev_io_stop(w->loop, &w->readable);
	ev_io_stop(w->loop, &w->writable);
	ev_timer_stop(w->loop, &w->retry);
	close(w->fd);
	w->fd = -1;
}

static void
set_deadline(struct worker *w, double seconds)
{
	ev_timer_stop(w->loop, &w->deadline);
	ev_timer_set(&w->deadline, seconds, 0.0);
	ev_timer_start(w->loop, &w->deadline);
}

static void
passed_kill(const struct worker *w)
{
#ifdef SYS_pidfd_send_signal
	(void)syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0U);
#endif
}

void
worker_kill(struct worker *w, const char *why)
{
	if (w->killed || w->state == W_DEAD)
		return;
	if (!w->distrusted)
		log_event(LOG_WARNING, "worker.kill", "pid=%d channel=%s state=%s why=\"%s\"", (int)w->pid, w->channel,
		    worker_state_name(w->state), why);
	w->killed = true;
	w->killed_why = why;
	if (w->state != W_STOPPING)
		set_state(w, W_STOPPING);
	if (w->pidfd != -1)
		passed_kill(w);
	else
		child_kill(&w->child, SIGKILL);
	set_deadline(w, WORKER_STOP_S);
}

/* Said once; what else it sends is not read any more. The streams stay, and so does everybody else. */
static int __attribute__((format(printf, 2, 3))) worker_distrust(struct worker *w, const char *fmt, ...)
{
	char why[200];
	va_list ap;

	if (w->distrusted)
		return PB_EPEER;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_event(LOG_ERR, "worker.distrust", "pid=%d channel=%s state=%s why=\"%s\"", (int)w->pid, w->channel,
	    worker_state_name(w->state), why);
	w->distrusted = true;
	worker_kill(w, "broke the protocol");
	hang_up(w);
	return PB_EPEER;
}

static int
worker_hears(struct worker *w, const struct msg *m)
{
	const struct rule *rule;

	if (m->type >= NITEMS(rules) || rules[m->type].handle == NULL)
		return worker_distrust(w, "unknown message %u", (unsigned)m->type);
	rule = &rules[m->type];
	if (!(rule->allowed & IN(w->state)))
		return worker_distrust(w, "%s in state %s", rule->name, worker_state_name(w->state));
	if (m->len != rule->len || m->nfds != rule->nfds)
		return worker_distrust(w, "%s: %zu bytes, %zu fds", rule->name, m->len, m->nfds);
	return rule->handle(w, m);
}

static int
on_hello(struct worker *w, const struct msg *m)
{
	struct msg_hello hello;

	memcpy(&hello, m->data, sizeof(hello)); /* m->data need not be aligned */
	if (w->greeted)
		return worker_distrust(w, "hello, again");
	if (hello.version != MSG_VERSION)
		return worker_distrust(w, "hello: version=%u, ours is %d", (unsigned)hello.version, MSG_VERSION);
	w->greeted = true;
	return 0;
}

static int
on_ready(struct worker *w, const struct msg *m)
{
	(void)m;
	if (!w->greeted)
		return worker_distrust(w, "ready before hello");
	if (w->state == W_STOPPING)
		return 0;
	ev_timer_stop(w->loop, &w->deadline);
	set_state(w, W_WARM);
	workers_warm(w->pool, w);
	return 0;
}

static int
on_media(struct worker *w, const struct msg *m)
{
	(void)m;
	if (w->state == W_STOPPING)
		return 0;
	set_state(w, W_LIVE);
	w->calls->media(w);
	return 0;
}

static int
on_failed(struct worker *w, const struct msg *m)
{
	struct msg_failed failed;

	memcpy(&failed, m->data, sizeof(failed));
	if (failed.why >= FAILED_WHYS)
		return worker_distrust(w, "failed: why=%u", (unsigned)failed.why);
	if (failed.code < 805 || failed.code > 807)
		return worker_distrust(w, "failed: code=%u", (unsigned)failed.code);
	msg_text(failed.reason, sizeof(failed.reason));
	if (w->state != W_STOPPING && w->calls != NULL)
		w->calls->failed(w, failed.code, (enum msg_failed_why)failed.why, failed.reason);
	return 0;
}

static int
on_client(struct worker *w, const struct msg *m)
{
	struct msg_client_report report;

	memcpy(&report, m->data, sizeof(report));
	if (report.slot >= STATE_SLOTS)
		return worker_distrust(w, "client: slot=%u", (unsigned)report.slot);
	if (report.event == 0 || report.event >= CLIENT_EVENTS)
		return worker_distrust(w, "client: event=%u", (unsigned)report.event);
	if (w->calls != NULL)
		w->calls->client(w, &report);
	return 0;
}

/* Both are lines of the log, and work for other processes, too. */
static bool
asks_too_much(struct worker *w)
{
	int64_t second = (int64_t)monotonic_s();

	if (second != w->asks_s)
		w->asks = 0;
	w->asks_s = second;
	return ++w->asks > WORKER_ASKS_PER_S;
}

static int
on_slot(struct worker *w, const struct msg *m)
{
	struct msg_slot_want want;

	memcpy(&want, m->data, sizeof(want));
	if (want.source >= MSG_SOURCES_MAX || want.want > 1)
		return worker_distrust(w, "slot: source=%u want=%u", (unsigned)want.source, (unsigned)want.want);
	if (asks_too_much(w))
		return worker_distrust(w, "slot: too often");
	if (w->state != W_STOPPING && w->calls != NULL)
		w->calls->slot(w, &want);
	return 0;
}

static int
on_limit(struct worker *w, const struct msg *m)
{
	struct msg_limit_report report;

	memcpy(&report, m->data, sizeof(report));
	if (report.source >= MSG_SOURCES_MAX || report.what == 0 || report.what >= LIMIT_CLASSES || report.status > 999)
		return worker_distrust(w, "limit: source=%u what=%u status=%u", (unsigned)report.source,
		    (unsigned)report.what, (unsigned)report.status);
	if (asks_too_much(w))
		return worker_distrust(w, "limit: too often");
	if (w->calls != NULL)
		w->calls->limit(w, &report);
	return 0;
}

/* Read up to max messages. 0: there may be more; PB_AGAIN; PB_NO: it hung up; PB_EPEER: it is not trusted any more. */
static int
read_some(struct worker *w, unsigned max)
{
	static struct msg m; /* 32 KiB, and never two at a time */

	while (max-- > 0) {
		int err = msg_recv(w->fd, &m);

		if (err == PB_AGAIN || err == PB_NO)
			return err;
		if (err != 0)
			return worker_distrust(w, "its channel: %s", pb_strerror(err));
		err = worker_hears(w, &m);
		msg_close_fds(&m);
		if (err != 0 || w->fd == -1)
			return PB_EPEER;
	}
	return 0;
}

static void
on_readable(struct ev_loop *loop, ev_io *watch, int revents)
{
	struct worker *w = watch->data;

	(void)loop;
	(void)revents;
	if (read_some(w, READ_BUDGET) != PB_NO)
		return;
	hang_up(w);
	if (w->state != W_STOPPING)
		set_deadline(w, HANGUP_GRACE_S);
}

/* STOP first; then whoever else was told to wait. */
static void
send_owed(struct worker *w)
{
	ev_io_stop(w->loop, &w->writable);
	ev_timer_stop(w->loop, &w->retry);
	if (w->stop_owed) {
		w->stop_owed = false;
		w->stop_owed = worker_send(w, MSG_S_STOP, NULL, 0, NULL, 0) == PB_AGAIN;
	} else if (w->calls != NULL && w->state != W_STOPPING)
		w->calls->writable(w);
}

static void
on_writable(struct ev_loop *loop, ev_io *watch, int revents)
{
	(void)loop;
	(void)revents;
	send_owed(watch->data);
}

static void
on_retry(struct ev_loop *loop, ev_timer *watch, int revents)
{
	(void)loop;
	(void)revents;
	send_owed(watch->data);
}

int
worker_send(struct worker *w, uint32_t type, const void *data, size_t len, const int *fds, size_t nfds)
{
	int err;

	if (w->fd == -1)
		return PB_EPEER;
	err = msg_send(w->fd, type, data, len, fds, nfds);
	if (err == PB_AGAIN) {
		/* Too many descriptors under way, or no memory for buffers: the socket would say "writable" all the time. */
		if (errno == EAGAIN)
			ev_io_start(w->loop, &w->writable);
		else if (!ev_is_active(&w->retry)) {
			ev_timer_set(&w->retry, RETRY_S, 0.0);
			ev_timer_start(w->loop, &w->retry);
		}
		return PB_AGAIN;
	}
	/* The other end is closed: waitpid will say what became of it. */
	return err == 0 ? 0 : PB_EPEER;
}

void
worker_taken(struct worker *w)
{
	if (w->state == W_WARM && !ev_is_active(&w->deadline)) /* else it hung up */
		set_deadline(w, WORKER_TELL_S);
}

void
worker_tuned(struct worker *w, const struct state *heart, bool adopts)
{
	pb_assert(w->state == W_WARM);
	ev_timer_stop(w->loop, &w->deadline);
	w->heart = heart;
	w->watched_ns = monotonic_ns();
	set_state(w, adopts ? W_LIVE : W_TUNED);
}

void
worker_stop(struct worker *w)
{
	if (w->state == W_STOPPING || w->state == W_DEAD)
		return;
	w->asked = true;
	set_state(w, W_STOPPING);
	set_deadline(w, WORKER_STOP_S);
	w->stop_owed = worker_send(w, MSG_S_STOP, NULL, 0, NULL, 0) == PB_AGAIN;
}

bool
worker_hangs(const struct worker *w, int64_t now_ns, uint32_t watchdog_ms)
{
	const int64_t allowed_ns = (int64_t)watchdog_ms * 1000000;
	int64_t beat = w->watched_ns;
	int64_t heart;

	if (w->heart == NULL || (w->state != W_TUNED && w->state != W_LIVE))
		return false;
	heart = atomic_load_explicit(&w->heart->heartbeat_ns, memory_order_acquire);
	/*
	 * It may have beaten since now_ns was read: that is alive. What is
	 * farther in the future is nobody's, and would make a worker immortal.
	 */
	if (heart > beat && heart - now_ns <= allowed_ns)
		beat = heart;
	return now_ns - beat > allowed_ns;
}

static void
on_deadline(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct worker *w = watch->data;

	(void)loop;
	(void)revents;
	if (w->killed) {
		log_event(LOG_ERR, "worker.undead", "pid=%d channel=%s why=\"not dead %.0f s after SIGKILL\"",
		    (int)w->pid, w->channel, WORKER_STOP_S);
		if (w->calls != NULL)
			w->calls->undead(w);
	} else if (w->state == W_STARTING)
		worker_kill(w, "not ready in time");
	else if (w->state == W_STOPPING)
		worker_kill(w, "did not end when asked to");
	else if (w->state == W_WARM)
		worker_kill(w, "does not take its tune");
	else
		worker_kill(w, "hung up, but did not end");
}

/* It is proven dead. */
static void
bury(struct worker *w, int status)
{
	bool ready = w->state != W_STARTING;

	if (w->fd != -1)
		(void)read_some(w, DRAIN_MAX);
	ready |= w->state != W_STARTING;
	hang_up(w);
	ev_timer_stop(w->loop, &w->deadline);
	set_state(w, W_DEAD);
	LIST_REMOVE(w, link);
	workers_lost(w->pool, w, status, ready);
	if (w->calls != NULL)
		w->calls->died(w, status);
	workers_fill(w->pool);
	free(w);
}

static void
on_died(struct child *child, int status)
{
	bury((struct worker *)((char *)child - offsetof(struct worker, child)), status);
}

/* Its status is for whoever waits for it, and that isn't us: we take it for 0 when it was asked, else for a SIGKILL. */
static void
on_passed_died(struct ev_loop *loop, ev_io *watch, int revents)
{
	struct worker *w = watch->data;

	(void)revents;
	ev_io_stop(loop, watch);
	close(w->pidfd);
	w->pidfd = -1;
	if (w->killed_why == NULL && !w->asked)
		w->killed_why = "ended; how, only the supervisor before knew";
	bury(w, w->asked && !w->killed ? 0 : SIGKILL);
}

static int
pidfd_open(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int)syscall(SYS_pidfd_open, pid, 0U);
#else
	(void)pid;
	errno = ENOSYS;
	return -1;
#endif
}

bool
worker_passable(void)
{
	int fd = pidfd_open(getpid());

	if (fd == -1)
		return false;
	close(fd);
	return true;
}

static void
init_watchers(struct worker *w)
{
	ev_io_init(&w->readable, on_readable, w->fd, EV_READ);
	ev_io_init(&w->writable, on_writable, w->fd, EV_WRITE);
	ev_timer_init(&w->retry, on_retry, 0.0, 0.0);
	ev_timer_init(&w->deadline, on_deadline, 0.0, 0.0);
	w->readable.data = w->writable.data = w->retry.data = w->deadline.data = w;
}

int
worker_adopt(struct workers *pool, int fd, pid_t pid, uint64_t stream, double lived_s)
{
	struct worker *w = calloc(1, sizeof(*w));
	int pidfd = w != NULL ? pidfd_open(pid) : -1;

	if (pidfd == -1) {
		int err = w == NULL ? PB_ENOMEM : PB_ESYS;

		close(fd);
		free(w);
		return err;
	}
	w->pool = pool;
	w->loop = pool->loop;
	w->state = W_LIVE;
	w->fd = fd;
	w->pidfd = pidfd;
	w->pid = pid;
	w->passed_for = stream;
	w->greeted = true;
	w->channel = "-";
	w->since = loop_now(w->loop);
	w->born = w->since - PB_MAX(lived_s, 0.0);
	init_watchers(w);
	ev_io_init(&w->dead, on_passed_died, pidfd, EV_READ);
	w->dead.data = w;
	LIST_INSERT_HEAD(&pool->all, w, link);
	return 0;
}

void
worker_listen(struct worker *w, const struct state *heart)
{
	w->heart = heart;
	w->watched_ns = monotonic_ns();
	ev_io_start(w->loop, &w->readable);
	ev_io_start(w->loop, &w->dead);
}

void
worker_keep(struct worker *w, bool kept)
{
	w->kept = kept;
	if (kept || w->fd == -1)
		ev_io_stop(w->loop, &w->readable);
	else
		ev_io_start(w->loop, &w->readable);
}

struct worker *
worker_start(struct workers *pool)
{
	struct msg_hello hello = { .version = MSG_VERSION, .pid = (uint32_t)getpid(), .build = PB_COMMIT };
	char level[16], format[16], dest[16];
	char *argv[] = { pool->program, (char[]){ "--channel-fd" }, (char[]){ "3" }, (char[]){ "--log-level" }, level,
		(char[]){ "--log-format" }, format, (char[]){ "--log" }, dest, NULL };
	struct worker *w = calloc(1, sizeof(*w));
	int fds[2];
	int saved;

	if (w == NULL)
		return NULL;
	if (msg_pair(fds) != 0) {
		free(w);
		return NULL;
	}
	snprintf(level, sizeof(level), "%s", log_level_name(pool->log_level));
	snprintf(format, sizeof(format), "%s", pool->log_json ? "json" : "logfmt");
	snprintf(dest, sizeof(dest), "%s", pool->log_syslog ? "syslog" : "stderr");
	w->pool = pool;
	w->loop = pool->loop;
	w->fd = fds[0];
	w->pidfd = -1;
	w->channel = "-";
	w->child.died = on_died;
	if (child_start(&w->child, w->loop, pool->program, argv, fds[1], &pool->limits) != 0) {
		saved = errno;
		close(fds[0]);
		close(fds[1]);
		free(w);
		errno = saved;
		return NULL;
	}
	close(fds[1]);
	w->pid = w->child.pid;
	w->born = w->since = loop_now(w->loop);
	init_watchers(w);
	ev_io_start(w->loop, &w->readable);
	set_deadline(w, WORKER_START_S);
	(void)worker_send(w, MSG_HELLO, &hello, sizeof(hello), NULL, 0);
	return w;
}
