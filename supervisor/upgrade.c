/*
 * upgrade.c - two supervisors, one channel, and who may do what when
 *
 * Until GO the ledger is the old one's alone, and all that was handed over
 * are copies. So whatever ends here between hand-over and GO is struck from
 * the ledger, and the next one ends what it was handed for it; nothing can
 * begin here meanwhile.
 */
#include "supervisor/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "supervisor/supervisor.h"
#include "supervisor/text.h"

#define CHANNEL 3
#define VARIABLE "PLEXBRIDGE_UPGRADE" /* the process that is meant, as LISTEN_PID has it */
#define CONNS_MAX ((size_t)2 * HTTP_CONNS_MAX)

/* UP_O: the old one says it, UP_N: the next one. What hands descriptors over is answered with UP_N_TAKEN. */
enum up_type {
	UP_O_HELLO = 64, /* struct up_hello */
	UP_O_HELD, /* struct up_held, as many descriptors */
	UP_O_CONN, /* struct up_conn, one descriptor */
	UP_O_WORKER, /* struct up_worker, one descriptor */
	UP_O_GO, /* struct up_go */
	UP_N_TAKEN,
	UP_N_HERE, /* struct up_here; workers are warm */
	UP_N_SERVING,
};

struct up_hello {
	uint32_t version;
	uint32_t streams;
	uint32_t msg_version, state_layout; /* what our workers speak and write */
};

struct up_here {
	uint32_t passes; /* 1: send workers as they are */
};

struct up_worker {
	uint64_t stream;
	int32_t pid;
	uint32_t spare;
	int64_t lived_ms;
};

struct up_held {
	char names[MSG_FDS_MAX][16];
};

struct up_conn {
	uint32_t control;
};

struct up_go {
	uint32_t reload;
};

static void fail(struct upgrade *up, const char *why);

static void
set_late(struct upgrade *up, double seconds)
{
	ev_timer_stop(up->sup->loop, &up->late);
	ev_timer_set(&up->late, seconds, 0.0);
	ev_timer_start(up->sup->loop, &up->late);
}

static void
set_phase(struct upgrade *up, enum upgrade_phase to)
{
	static const char *const names[] = { "idle", "starting", "retiring", "telling" };

	log_event(LOG_INFO, "upgrade.state", "pid=%d from=%s to=%s", (int)up->pid, names[up->phase], names[to]);
	up->phase = to;
	up->since = loop_now(up->sup->loop);
}

static void
hang_up(struct upgrade *up)
{
	if (up->fd == -1)
		return;
	ev_io_stop(up->sup->loop, &up->readable);
	close(up->fd);
	up->fd = -1;
}

/* One message within so many seconds, for both sides' blocking moments. 0, PB_ETIME, or what msg_recv() says. */
static int
wait_for(struct upgrade *up, struct msg *m, double seconds)
{
	struct pollfd p = { .fd = up->fd, .events = POLLIN };
	int64_t until_ns = monotonic_ns() + (int64_t)(seconds * 1e9);

	for (;;) {
		int64_t left_ms = (until_ns - monotonic_ns()) / 1000000;
		int err = msg_recv(up->fd, m);

		if (err != PB_AGAIN)
			return err;
		if (left_ms <= 0)
			return PB_ETIME;
		if (poll(&p, 1, (int)left_ms) == -1 && errno != EINTR)
			return PB_ESYS;
	}
}

/*
 * The old one
 */

/* Say what came of it to whoever asked. */
static void
answer(struct upgrade *up, const char *why)
{
	struct text text = { 0 };

	if (!up->asked)
		return;
	up->asked = false;
	text_addf(&text, "{\"ok\":%s,\"pid\":%d,\"errors\":[", why == NULL ? "true" : "false", (int)up->pid);
	if (why != NULL)
		text_add_json(&text, why);
	text_add(&text, "]}\n");
	http_return_blob(up->sup->control, &up->asker, why == NULL ? 200 : 503, "application/json", text_blob(&text));
}

static void
pause_all(struct upgrade *up, bool paused)
{
	listen_pause(up->sup->listen, paused);
	listen_pause(up->sup->control_listen, paused);
	http_pause(up->sup->http, paused);
	http_pause(up->sup->control, paused);
}

/* The last word of one that can't go back. */
static _Noreturn void
leave(struct upgrade *up, int status, const char *why)
{
	answer(up, why);
	log_event(status == PB_EXIT_OK ? LOG_INFO : LOG_ERR, status == PB_EXIT_OK ? "upgrade" : "upgrade.failed",
	    "pid=%d exit=%d why=\"%s\"", (int)up->pid, status, why != NULL ? why : "it took over");
	exit(status);
}

static void
fail(struct upgrade *up, const char *why)
{
	enum upgrade_phase phase = up->phase;

	if (phase == UPGRADE_IDLE)
		return;
	/* The holder watches the other one now, and listens to us no more. */
	if (phase == UPGRADE_TELLING && keep_there(&up->sup->keep))
		leave(up, PB_EXIT_TEMPORARY, why);
	log_event(LOG_ERR, "upgrade.failed", "pid=%d why=\"%s; going on as before\"", (int)up->pid, why);
	ev_timer_stop(up->sup->loop, &up->late);
	hang_up(up);
	if (up->pid != 0)
		(void)kill(up->pid, SIGKILL);
	set_phase(up, UPGRADE_IDLE);
	answer(up, why);
	if (phase == UPGRADE_STARTING || up->sup->stopping)
		return;
	pause_all(up, false);
	workers_open(&up->sup->workers);
	streams_thaw(&up->sup->streams);
	imports_thaw(&up->sup->imports);
	guides_thaw(&up->sup->guides);
}

void
upgrade_abort(struct upgrade *up, const char *why)
{
	fail(up, why);
}

static void
on_late(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct upgrade *up = watch->data;

	(void)loop;
	(void)revents;
	fail(up,
	    up->phase == UPGRADE_STARTING ? "the new plexbridged was not ready in time"
					  : "workers did not end in time");
}

static void
on_child(struct ev_loop *loop, ev_child *watch, int revents)
{
	struct upgrade *up = watch->data;
	char text[32], why[128];

	(void)revents;
	ev_child_stop(loop, watch);
	child_status_text(text, sizeof(text), watch->rstatus);
	snprintf(why, sizeof(why), "the new plexbridged ended: %s%s", text,
	    WIFEXITED(watch->rstatus) && WEXITSTATUS(watch->rstatus) == PB_EXIT_PERMANENT
		? "; plexbridged -n tells whether the configuration is right"
		: "");
	fail(up, why);
	up->pid = 0;
}

/* Send one message and have it taken. */
static int
pass(struct upgrade *up, enum up_type type, const void *data, size_t len, const int *fds, size_t nfds)
{
	static struct msg m;
	int err = msg_send(up->fd, type, data, len, fds, nfds);

	if (err == 0)
		err = wait_for(up, &m, UPGRADE_PASS_S);
	if (err != 0)
		return err;
	msg_close_fds(&m);
	return m.type == UP_N_TAKEN && m.len == 0 ? 0 : PB_EPEER;
}

struct batch {
	struct upgrade *up;
	struct up_held held;
	int fds[MSG_FDS_MAX];
	size_t count, total;
	int64_t until_ns;
};

static int
pass_batch(struct batch *b)
{
	int err;

	if (b->count == 0)
		return 0;
	if (monotonic_ns() > b->until_ns)
		return PB_ETIME;
	err = pass(b->up, UP_O_HELD, &b->held, sizeof(b->held), b->fds, b->count);
	b->total += b->count;
	b->count = 0;
	memset(&b->held, 0, sizeof(b->held));
	return err;
}

static int
pass_held(void *user, const char *name, int fd)
{
	struct batch *b = user;

	snprintf(b->held.names[b->count], sizeof(b->held.names[0]), "%s", name);
	b->fds[b->count++] = fd;
	return b->count == NITEMS(b->fds) ? pass_batch(b) : 0;
}

static int
pass_conn(struct batch *b, int fd, uint32_t control)
{
	struct up_conn conn = { .control = control };

	b->total++;
	return monotonic_ns() > b->until_ns ? PB_ETIME : pass(b->up, UP_O_CONN, &conn, sizeof(conn), &fd, 1);
}

static int
pass_worker(void *user, uint64_t stream, struct worker *w)
{
	struct batch *b = user;
	struct up_worker msg = {
		.stream = stream, .pid = w->pid, .lived_ms = (int64_t)((loop_now(w->loop) - w->born) * 1e3)
	};

	b->total++;
	return monotonic_ns() > b->until_ns ? PB_ETIME : pass(b->up, UP_O_WORKER, &msg, sizeof(msg), &w->fd, 1);
}

static int
pass_tuner_conn(void *user, int fd)
{
	return pass_conn(user, fd, 0);
}

static int
pass_control_conn(void *user, int fd)
{
	return pass_conn(user, fd, 1);
}

/* All that must outlive us. */
static int
pass_all(struct upgrade *up)
{
	struct batch b = { .up = up, .until_ns = monotonic_ns() + (int64_t)(UPGRADE_PASS_S * 1e9) };
	int err = keep_each(&up->sup->keep, pass_held, &b);

	if (err == 0)
		err = streams_each_fd(&up->sup->streams, pass_held, &b);
	if (err == 0)
		err = pass_batch(&b);
	if (err == 0 && up->passes)
		err = streams_each_steady(&up->sup->streams, pass_worker, &b);
	if (err == 0)
		err = http_each_waiting(up->sup->http, pass_tuner_conn, &b);
	if (err == 0)
		err = http_each_waiting(up->sup->control, pass_control_conn, &b);
	log_event(
	    LOG_INFO, "upgrade.passed", "pid=%d descriptors=%zu why=\"%s\"", (int)up->pid, b.total, pb_strerror(err));
	return err;
}

/* It is ready: from here on viewers wait for it. */
static void
freeze(struct upgrade *up)
{
	int err;

	drafts_release(&up->sup->drafts);
	pause_all(up, true);
	streams_freeze(&up->sup->streams);
	imports_freeze(&up->sup->imports);
	trial_cancel(&up->sup->trial);
	guides_freeze(&up->sup->guides);
	set_phase(up, UPGRADE_RETIRING);
	set_late(up, UPGRADE_RETIRE_S);
	ev_io_stop(up->sup->loop, &up->readable);
	err = pass_all(up);
	if (err != 0) {
		fail(up, err == PB_NO ? "the new plexbridged ended" : pb_strerror(err));
		return;
	}
	workers_close(&up->sup->workers);
}

/* The next one serves, or has died; this one ends either way. */
static void
go(struct upgrade *up)
{
	static struct msg m;
	struct up_go msg = { .reload = up->reload };
	int err = msg_send(up->fd, UP_O_GO, &msg, sizeof(msg), NULL, 0);

	if (err != 0) {
		fail(up, "the new plexbridged ended");
		return;
	}
	/* The ledger is its own now: not one more turn of our loop. */
	err = wait_for(up, &m, UPGRADE_SERVE_S);
	if (err == 0 && m.type == UP_N_SERVING)
		leave(up, PB_EXIT_OK, NULL);
	leave(up, PB_EXIT_TEMPORARY, "the new plexbridged took over, but does not serve");
}

static void
on_told(void *user, int err)
{
	struct upgrade *up = user;

	if (up->phase != UPGRADE_TELLING)
		return;
	if (err != 0)
		log_event(LOG_WARNING, "upgrade.late", "why=\"the holder does not answer: %s\"", pb_strerror(err));
	go(up);
}

void
upgrade_turn(struct upgrade *up)
{
	const struct supervisor *sup = up->sup;
	size_t answering;

	if (up->phase != UPGRADE_RETIRING)
		return;
	answering = http_answering(sup->http) + http_answering(sup->control);
	if (workers_busy(&sup->workers) || (answering > 0 && loop_now(sup->loop) - up->since < UPGRADE_ANSWER_S))
		return;
	ev_timer_stop(sup->loop, &up->late);
	set_phase(up, UPGRADE_TELLING);
	if (notify_mainpid(sup->keep.notify, up->pid) != 0 ||
	    notify_barrier(sup->keep.notify, KEEP_BARRIER_S, on_told, up) != 0)
		fail(up, "the holder can't be told");
}

static void
on_readable(struct ev_loop *loop, ev_io *watch, int revents)
{
	static struct msg m;
	struct upgrade *up = watch->data;
	int err = msg_recv(up->fd, &m);

	(void)revents;
	if (err == PB_AGAIN)
		return;
	if (err == 0)
		msg_close_fds(&m);
	if (err == 0 && m.type == UP_N_HERE && m.len == sizeof(struct up_here)) {
		up->passes = ((const struct up_here *)m.data)->passes != 0;
		freeze(up);
	} else if (err == PB_NO || err == PB_ESYS)
		ev_io_stop(loop, &up->readable); /* its exit status says more */
	else
		fail(up, "the new plexbridged speaks another protocol");
}

/* "sbin/plexbridged": as we were called, for a symbolic link may lead elsewhere by now; else where we are. */
static bool
program_path(const struct supervisor *sup, char *out, size_t size)
{
	const char *name = sup->options.argv[0];

	if (strchr(name, '/') == NULL)
		name = sup->options.program;
	return name[0] != '\0' && (size_t)snprintf(out, size, "%s", name) < size;
}

static _Noreturn void
be_next(const struct upgrade *up, const char *path, int fd)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	char number[16];
	sigset_t empty;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &dfl, NULL);
	sigemptyset(&empty);
	(void)sigprocmask(SIG_SETMASK, &empty, NULL);
	/* dup2() onto itself would leave close-on-exec set. */
	if (fd == CHANNEL ? fcntl(fd, F_SETFD, 0) == -1 : dup2(fd, CHANNEL) == -1)
		_exit(PB_EXIT_TEMPORARY);
#ifdef SYS_close_range
	(void)syscall(SYS_close_range, (unsigned)CHANNEL + 1, ~0U, 0U);
#endif
	snprintf(number, sizeof(number), "%d", (int)getpid());
	if (setenv(VARIABLE, number, 1) != 0 || notify_environ(up->sup->keep.notify) != 0 ||
	    privs_bequeath(&up->sup->privs) != 0)
		_exit(PB_EXIT_TEMPORARY);
	(void)execv(path, up->sup->options.argv);
	log_event(LOG_ERR, "upgrade.exec", "why=\"%s: %s\"", path, strerror(errno));
	_exit(PB_EXIT_TEMPORARY);
}

static int
start(struct upgrade *up, const char *path)
{
	struct supervisor *sup = up->sup;
	struct up_hello hello = { .version = UPGRADE_VERSION,
		.streams = (uint32_t)sup->streams.count,
		.msg_version = MSG_VERSION,
		.state_layout = STATE_LAYOUT };
	sigset_t all, old;
	int fds[2];
	pid_t pid;

	if (msg_pair(fds) != 0)
		return PB_ESYS;
	sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	pid = fork();
	if (pid == 0)
		be_next(up, path, fds[1]);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	close(fds[1]);
	if (pid == -1) {
		close(fds[0]);
		return PB_ESYS;
	}
	up->pid = pid;
	up->fd = fds[0];
	up->reload = false;
	ev_child_init(&up->child, on_child, pid, 0);
	up->child.data = up;
	ev_child_start(sup->loop, &up->child);
	ev_io_init(&up->readable, on_readable, up->fd, EV_READ);
	up->readable.data = up;
	ev_io_start(sup->loop, &up->readable);
	(void)msg_send(up->fd, UP_O_HELLO, &hello, sizeof(hello), NULL, 0);
	return 0;
}

void
upgrade_start(struct upgrade *up, struct http_conn *conn)
{
	struct supervisor *sup = up->sup;
	char path[PATH_MAX];
	const char *why = NULL;

	if (sup->stopping)
		why = "it is being stopped";
	else if (up->phase != UPGRADE_IDLE || up->pid != 0)
		why = "an upgrade is under way";
	else if (getpid() == 1 && !keep_there(&sup->keep))
		why = "process 1 can't leave its place to another; start it under plexbridge-keeper";
	else if (!program_path(sup, path, sizeof(path)))
		why = "where the program is, is not known";
	else if (start(up, path) != 0)
		why = strerror(errno);
	if (why != NULL) {
		struct text text = { 0 };

		log_event(LOG_WARNING, "upgrade.refused", "why=\"%s\"", why);
		text_add(&text, "{\"ok\":false,\"errors\":[");
		text_add_json(&text, why);
		text_add(&text, "]}\n");
		if (conn != NULL)
			http_reply_blob(conn, 409, "application/json", NULL, text_blob(&text));
		text_clear(&text);
		return;
	}
	if (conn != NULL) {
		http_take(conn, &up->asker);
		http_consume(&up->asker);
		up->asked = true;
	}
	set_phase(up, UPGRADE_STARTING);
	set_late(up, UPGRADE_START_S);
}

void
upgrade_init(struct upgrade *up, struct supervisor *sup)
{
	memset(up, 0, sizeof(*up));
	up->sup = sup;
	up->fd = -1;
	ev_timer_init(&up->late, on_late, 0.0, 0.0);
	up->late.data = up;
}

/*
 * The next one
 */

bool
upgrade_joins(struct upgrade *up)
{
	const char *pid = getenv(VARIABLE);
	char ours[16];
	bool meant;

	snprintf(ours, sizeof(ours), "%d", (int)getpid());
	meant = pid != NULL && strcmp(pid, ours) == 0 && fcntl(CHANNEL, F_SETFD, FD_CLOEXEC) == 0;
	(void)unsetenv(VARIABLE);
	up->fd = meant ? CHANNEL : -1;
	return up->joined = meant;
}

static void
say_here(struct upgrade *up)
{
	struct up_here here = { .passes = up->passes };

	if (up->here)
		return;
	up->here = true;
	ev_timer_stop(up->sup->loop, &up->late);
	(void)msg_send(up->fd, UP_N_HERE, &here, sizeof(here), NULL, 0);
}

/* A worker for each stream, and the spare. */
static void
on_spare(void *user)
{
	struct upgrade *up = user;

	if (up->streams > 0 && workers_warm_count(&up->sup->workers) >= up->streams)
		say_here(up);
}

static void
on_warm_late(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct upgrade *up = watch->data;

	(void)loop;
	(void)revents;
	up->streams = PB_MIN(up->streams, (size_t)1);
	on_spare(up);
}

static int
take_conn(struct upgrade *up, int fd, bool control)
{
	if (up->conn_count == CONNS_MAX) {
		close(fd);
		return 0;
	}
	if (up->conn_count == up->conn_room) {
		size_t room = up->conn_room > 0 ? up->conn_room * 2 : 64;
		struct upgrade_conn *more = reallocarray(up->conns, room, sizeof(*more));

		if (more == NULL) {
			close(fd);
			return PB_ENOMEM;
		}
		up->conns = more;
		up->conn_room = room;
	}
	up->conns[up->conn_count].fd = fd;
	up->conns[up->conn_count++].control = control;
	return 0;
}

static int
take_held(struct upgrade *up, struct msg *m)
{
	struct up_held held;
	int err = 0;

	memcpy(&held, m->data, sizeof(held));
	for (size_t i = 0; i < m->nfds && err == 0; i++) {
		held.names[i][sizeof(held.names[i]) - 1] = '\0';
		if (strlen(held.names[i]) > NOTIFY_NAME)
			return PB_EFORMAT;
		err = notify_held_add(&up->held, held.names[i], m->fds[i]);
		m->fds[i] = -1; /* taken, whatever came of it */
	}
	return err;
}

static int
take_worker(struct upgrade *up, struct msg *m)
{
	struct up_worker worker;
	int fd = m->fds[0];

	memcpy(&worker, m->data, sizeof(worker));
	m->fds[0] = -1;
	if (worker.pid <= 0 || worker.stream == 0) {
		close(fd);
		return PB_EFORMAT;
	}
	return worker_adopt(&up->sup->workers, fd, worker.pid, worker.stream, (double)worker.lived_ms / 1e3);
}

/* 0: understood. */
static int
hear(struct upgrade *up, struct msg *m)
{
	struct up_hello hello;
	struct up_conn conn;
	struct up_go msg;
	int err = 0;

	if (m->type == UP_O_HELLO && m->len == sizeof(hello) && up->streams == 0) {
		memcpy(&hello, m->data, sizeof(hello));
		if (hello.version != UPGRADE_VERSION)
			return PB_ENOSUP;
		up->passes =
		    hello.msg_version == MSG_VERSION && hello.state_layout == STATE_LAYOUT && worker_passable();
		up->streams = PB_MIN((size_t)hello.streams, (size_t)(up->passes ? 1 : STREAMS_MAX)) + 1;
		workers_waiting(&up->sup->workers, up->streams - 1);
		on_spare(up);
		return 0;
	} else if (m->type == UP_O_HELD && m->len == sizeof(struct up_held))
		err = take_held(up, m);
	else if (m->type == UP_O_WORKER && m->len == sizeof(struct up_worker) && m->nfds == 1)
		err = take_worker(up, m);
	else if (m->type == UP_O_CONN && m->len == sizeof(conn) && m->nfds == 1) {
		memcpy(&conn, m->data, sizeof(conn));
		err = take_conn(up, m->fds[0], conn.control != 0);
		m->fds[0] = -1;
	} else if (m->type == UP_O_GO && m->len == sizeof(msg)) {
		memcpy(&msg, m->data, sizeof(msg));
		up->reload = msg.reload != 0;
		up->go = true;
		return 0;
	} else
		return PB_EPEER;
	return err != 0 ? err : msg_send(up->fd, UP_N_TAKEN, NULL, 0, NULL, 0);
}

static void
on_message(struct ev_loop *loop, ev_io *watch, int revents)
{
	static struct msg m;
	struct upgrade *up = watch->data;
	int err;

	(void)revents;
	while ((err = msg_recv(up->fd, &m)) == 0) {
		err = hear(up, &m);
		msg_close_fds(&m);
		if (err != 0 || up->go)
			break;
	}
	if (err == PB_AGAIN)
		return;
	if (err != 0)
		log_event(
		    LOG_ERR, "upgrade.left", "why=\"%s\"", err == PB_NO ? "the other one is gone" : pb_strerror(err));
	ev_break(loop, EVBREAK_ALL);
}

/* None is warm and none is started any more: the workers' own last word is logged already. */
static void
on_round(struct ev_loop *loop, ev_prepare *watch, int revents)
{
	struct upgrade *up = watch->data;

	(void)revents;
	if (up->sup->workers.refused)
		ev_break(loop, EVBREAK_ALL);
}

int
upgrade_join(struct upgrade *up)
{
	struct workers *pool = &up->sup->workers;
	struct ev_loop *loop = up->sup->loop;
	ev_prepare round;

	log_event(LOG_INFO, "upgrade.join", "pid=%d version=%s commit=%s", (int)getpid(), PACKAGE_VERSION, PB_COMMIT);
	up->on_spare = pool->on_spare;
	up->user = pool->user;
	pool->on_spare = on_spare;
	pool->user = up;
	ev_io_init(&up->readable, on_message, up->fd, EV_READ);
	up->readable.data = up;
	ev_io_start(loop, &up->readable);
	ev_set_cb(&up->late, on_warm_late);
	set_late(up, UPGRADE_WARM_S);
	ev_prepare_init(&round, on_round);
	round.data = up;
	ev_prepare_start(loop, &round);
	ev_run(loop, 0);
	ev_prepare_stop(loop, &round);
	ev_timer_stop(loop, &up->late);
	ev_set_cb(&up->late, on_late);
	ev_io_stop(loop, &up->readable);
	pool->on_spare = up->on_spare;
	pool->user = up->user;
	if (!up->go)
		return pool->refused ? PB_EXIT_PERMANENT : PB_EXIT_TEMPORARY;
	notify_held_sort(&up->held);
	return 0;
}

void
upgrade_serving(struct upgrade *up)
{
	if (!up->joined)
		return;
	for (size_t i = 0; i < up->conn_count; i++)
		http_adopt(up->conns[i].control ? up->sup->control : up->sup->http, up->conns[i].fd);
	free(up->conns);
	up->conns = NULL;
	up->conn_count = up->conn_room = 0;
	(void)msg_send(up->fd, UP_N_SERVING, NULL, 0, NULL, 0);
	hang_up(up);
	up->joined = false;
}
