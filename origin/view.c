/*
 * view.c - sockets without a library between, so that times are the wire's
 *
 * The first client is looked at closely; the others let the kernel throw
 * their bytes away (MSG_TRUNC), so that a thousand of them cost little
 * beside the server that is measured.
 */
#include "origin/view.h"

#include <ctype.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/url.h"
#include "origin/analyse.h"
#include "origin/report.h"

#define HEAD_MAX 16384
#define READ_BYTES (256 * 1024)
#define PROGRESS_S 0.1
#define RATE_TICK_S 0.02
#define CONNECTS_A_TICK 100 /* a backlog is finite */
#define CONNECT_TICK_S 0.01

struct viewer {
	struct view *view;
	int fd;
	struct ev_io io;
	bool connected;
	bool in_body;
	bool closed; /* by the peer, or by a failure */
	int error; /* errno of a failure, 0: none */
	int status;
	char head[HEAD_MAX];
	size_t head_len;
	uint64_t body_left; /* UINT64_MAX: no length given */
	uint64_t bytes;
	double last_ms; /* since() and away_ms() at the last bytes of body; < 0: none yet */
	double last_away_ms;
	double gap_ms_max;
	double gap_at_ms; /* since() at its end */
};

struct view {
	const struct view_options *o;
	struct ev_loop *loop;
	struct addrinfo *peer;
	char *request;
	size_t request_len;
	struct viewer **viewers;
	unsigned int made;
	struct analyse *analyse;
	int output;
	const char *closed; /* who ended it; NULL: nobody yet */
	double start; /* CLOCK_MONOTONIC, seconds */
	double turn_ms; /* since() when the loop woke */
	double away_ms; /* spent in turns that are over */
	double connect_ms;
	bool paused;
	bool pause_done;
	uint64_t rate_taken; /* bytes that the rate let through */

	struct ev_timer duration;
	struct ev_timer progress;
	struct ev_timer rate;
	struct ev_timer pause;
	struct ev_timer connect;
	struct ev_check wake;
	struct ev_prepare wait;
	struct ev_signal term;
	struct ev_signal interrupt;
};

static uint8_t buffer[READ_BYTES];

static void on_io(struct ev_loop *loop, struct ev_io *w, int revents);
static void on_body(struct viewer *c, const uint8_t *data, size_t len);

static double
clock_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Milliseconds since the view began, as the wire sees it: not the loop's cached time. */
static double
since(const struct view *v)
{
	return (clock_s() - v->start) * 1e3;
}

/*
 * How much of that this program was busy with something else than waiting for bytes: a disk that is slow to
 * take what came, above all. A stream that goes on meanwhile has no gap.
 */
static double
away_ms(const struct view *v)
{
	return v->away_ms + since(v) - v->turn_ms;
}

static void
finish(struct view *v, const char *why)
{
	if (v->closed == NULL)
		v->closed = why;
	ev_break(v->loop, EVBREAK_ALL);
}

static void
viewer_close(struct viewer *c, int error)
{
	struct view *v = c->view;

	ev_io_stop(v->loop, &c->io);
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->closed = true;
	c->error = error;
	if (c == v->viewers[0])
		finish(v, error == 0 ? "peer" : "error");
}

static int
viewer_new(struct view *v)
{
	struct viewer *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return PB_ENOMEM;
	c->view = v;
	c->body_left = UINT64_MAX;
	c->last_ms = -1;
	v->viewers[v->made++] = c;
	c->fd = socket(v->peer->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ev_io_init(&c->io, on_io, c->fd, EV_WRITE);
	c->io.data = c;
	if (c->fd == -1) {
		viewer_close(c, errno);
		return 0;
	}
	if (v->o->rcvbuf > 0)
		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &v->o->rcvbuf, sizeof(v->o->rcvbuf));
	if (connect(c->fd, v->peer->ai_addr, v->peer->ai_addrlen) == -1 && errno != EINPROGRESS) {
		viewer_close(c, errno);
		return 0;
	}
	ev_io_start(v->loop, &c->io);
	return 0;
}

/* Connected, or not; the request is small enough for an empty socket. */
static void
on_connected(struct viewer *c)
{
	struct view *v = c->view;
	int error = 0;
	socklen_t len = sizeof(error);
	ssize_t n;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0) {
		viewer_close(c, error);
		return;
	}
	c->connected = true;
	if (c == v->viewers[0])
		v->connect_ms = since(v);
	n = send(c->fd, v->request, v->request_len, MSG_NOSIGNAL);
	if (n != (ssize_t)v->request_len) {
		viewer_close(c, n == -1 ? errno : EMSGSIZE);
		return;
	}
	ev_io_stop(v->loop, &c->io);
	ev_io_set(&c->io, c->fd, EV_READ);
	ev_io_start(v->loop, &c->io);
}

/* A field's value in the answer's head, or NULL; *len without blanks. */
static const char *
find_field(const struct viewer *c, const char *name, size_t *len)
{
	const char *at = c->head;

	while ((at = strstr(at, "\r\n")) != NULL) {
		at += 2;
		if (strncasecmp(at, name, strlen(name)) == 0 && at[strlen(name)] == ':') {
			at += strlen(name) + 1;
			at += strspn(at, " \t");
			*len = strcspn(at, "\r\n");
			return at;
		}
	}
	return NULL;
}

/* Bytes of the head, and perhaps the first of the body. */
static void
on_head(struct viewer *c, const uint8_t *data, size_t len)
{
	size_t before = c->head_len;
	size_t room = sizeof(c->head) - 1 - c->head_len;
	size_t take = PB_MIN(len, room);
	const char *value;
	const char *end;
	size_t n;

	memcpy(c->head + c->head_len, data, take);
	c->head_len += take;
	c->head[c->head_len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (end == NULL) {
		if (take == room)
			viewer_close(c, EMSGSIZE);
		return;
	}
	c->head_len = (size_t)(end - c->head) + 4;
	c->head[c->head_len] = '\0';
	if (sscanf(c->head, "HTTP/1.%*1d %3d", &c->status) != 1) {
		viewer_close(c, EPROTO);
		return;
	}
	c->in_body = true;
	value = find_field(c, "Content-Length", &n);
	if (value != NULL)
		c->body_left = strtoull(value, NULL, 10);
	if (c->body_left == 0)
		viewer_close(c, 0);
	else if (c->head_len - before < len)
		on_body(c, data + (c->head_len - before), len - (c->head_len - before));
}

static void
write_output(struct view *v, const uint8_t *data, size_t len)
{
	while (len > 0 && v->output != -1) {
		ssize_t n = write(v->output, data, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			fprintf(stderr, "plexbridge-origin: %s: %s\n", v->o->output, strerror(errno));
			finish(v, "error");
			return;
		}
		data += n;
		len -= (size_t)n;
	}
}

static void
count_body(struct viewer *c, size_t len)
{
	double now_ms = since(c->view);
	double now_away_ms = away_ms(c->view);
	double gap_ms = now_ms - c->last_ms - (now_away_ms - c->last_away_ms);

	if (c->last_ms >= 0 && gap_ms > c->gap_ms_max) {
		c->gap_ms_max = gap_ms;
		c->gap_at_ms = now_ms;
	}
	c->last_ms = now_ms;
	c->last_away_ms = now_away_ms;
	c->bytes += len;
	if (c->body_left != UINT64_MAX)
		c->body_left -= PB_MIN(c->body_left, len);
}

/* Only the first client's reading is slowed down: the question is what the others suffer. */
static void
slow_down(struct viewer *c)
{
	struct view *v = c->view;

	if (v->o->pause && !v->pause_done && c->bytes >= v->o->pause_after) {
		v->pause_done = true;
		v->paused = true;
		ev_io_stop(v->loop, &c->io);
		if (v->o->pause_for_s > 0) {
			ev_timer_set(&v->pause, v->o->pause_for_s, 0);
			ev_timer_start(v->loop, &v->pause);
		}
	}
}

static void
on_body(struct viewer *c, const uint8_t *data, size_t len)
{
	struct view *v = c->view;

	if (c->body_left != UINT64_MAX)
		len = (size_t)PB_MIN(len, c->body_left);
	count_body(c, len);
	if (c == v->viewers[0]) {
		analyse_feed(v->analyse, data, len, c->last_ms);
		write_output(v, data, len);
		slow_down(c);
		if (v->o->bytes > 0 && c->bytes >= v->o->bytes)
			finish(v, "bytes");
	}
	if (c->body_left == 0)
		viewer_close(c, 0);
}

/* How many bytes may be read now. */
static size_t
allowance(struct viewer *c)
{
	struct view *v = c->view;
	uint64_t due;

	if (c != v->viewers[0])
		return READ_BYTES;
	if (v->o->bytes > 0 && v->o->bytes <= c->bytes)
		return 0;
	if (v->o->rate == 0)
		return v->o->bytes == 0 || !c->in_body ? READ_BYTES
						       : (size_t)PB_MIN((uint64_t)READ_BYTES, v->o->bytes - c->bytes);
	due = (uint64_t)((double)v->o->rate * since(v) / 1e3);
	return due <= v->rate_taken ? 0 : (size_t)PB_MIN((uint64_t)READ_BYTES, due - v->rate_taken);
}

static void
on_io(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct viewer *c = w->data;
	struct view *v = c->view;
	bool first = c == v->viewers[0];
	size_t room;
	ssize_t n;

	(void)loop;
	(void)revents;
	if (!c->connected) {
		on_connected(c);
		return;
	}
	room = allowance(c);
	if (room == 0) {
		ev_io_stop(v->loop, w); /* on_rate() starts it again */
		return;
	}
	n = first || !c->in_body ? recv(c->fd, buffer, room, 0) : recv(c->fd, NULL, room, MSG_TRUNC);
	if (n == -1) {
		if (errno != EAGAIN && errno != EINTR)
			viewer_close(c, errno);
		return;
	}
	if (n == 0) {
		viewer_close(c, 0);
		return;
	}
	if (first)
		v->rate_taken += (uint64_t)n;
	if (!c->in_body)
		on_head(c, buffer, (size_t)n);
	else if (first)
		on_body(c, buffer, (size_t)n);
	else
		count_body(c, (size_t)n);
}

static void
on_wake(struct ev_loop *loop, struct ev_check *w, int revents)
{
	struct view *v = w->data;

	(void)loop;
	(void)revents;
	v->turn_ms = since(v);
}

static void
on_wait(struct ev_loop *loop, struct ev_prepare *w, int revents)
{
	struct view *v = w->data;
	double now_ms = since(v);

	(void)loop;
	(void)revents;
	v->away_ms += now_ms - v->turn_ms;
	v->turn_ms = now_ms;
}

static void
on_duration(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data, "duration");
}

static void
on_signal(struct ev_loop *loop, struct ev_signal *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data, "signal");
}

static void
on_rate(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct view *v = w->data;

	(void)revents;
	if (v->viewers[0]->fd != -1 && !v->paused)
		ev_io_start(loop, &v->viewers[0]->io);
}

static void
on_pause_over(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct view *v = w->data;

	(void)revents;
	v->paused = false;
	if (v->viewers[0]->fd != -1)
		ev_io_start(loop, &v->viewers[0]->io);
}

static void
on_connect(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	struct view *v = w->data;

	(void)revents;
	for (int i = 0; i < CONNECTS_A_TICK && v->made < v->o->clients; i++)
		if (viewer_new(v) != 0) {
			finish(v, "error");
			return;
		}
	if (v->made == v->o->clients)
		ev_timer_stop(loop, w);
}

/* A reader sees the file before or the file after, never half of one. */
static void
write_progress(const struct view *v)
{
	const struct viewer *c = v->viewers[0];
	char path[4096];
	FILE *f;

	if (v->o->progress == NULL || (size_t)snprintf(path, sizeof(path), "%s.new", v->o->progress) >= sizeof(path))
		return;
	f = fopen(path, "we");
	if (f == NULL)
		return;
	fprintf(f, "bytes=%" PRIu64 "\nstatus=%d\nms=%.0f\nclosed=%s\n", c->bytes, c->status, since(v),
	    v->closed == NULL ? "no" : v->closed);
	fprintf(f, "continuity_errors=%" PRIu64 "\n", analyse_figures(v->analyse)->continuity_errors);
	if (fclose(f) == 0)
		rename(path, v->o->progress);
}

static void
on_progress(struct ev_loop *loop, struct ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	write_progress(w->data);
}

static json_t *
ms_or_null(double ms)
{
	return ms < 0 ? json_null() : json_real((double)(int64_t)(ms * 1000) / 1000);
}

/* Names in lower case; of fields that come twice the last one. */
static json_t *
headers_json(const struct viewer *c)
{
	json_t *json = json_object();
	const char *at = strstr(c->head, "\r\n");

	while (c->in_body && at != NULL && strncmp(at, "\r\n\r\n", 4) != 0) {
		char name[128];
		size_t n;
		size_t len;
		const char *value;

		at += 2;
		n = strcspn(at, ":\r\n");
		len = strcspn(at, "\r\n");
		if (at[n] == ':' && n < sizeof(name)) {
			for (size_t i = 0; i < n; i++)
				name[i] = (char)tolower((unsigned char)at[i]);
			name[n] = '\0';
			value = at + n + 1 + strspn(at + n + 1, " \t");
			if (value > at + len)
				value = at + len;
			json_object_set_new(json, name, json_stringn(value, (size_t)(at + len - value)));
		}
		at += len;
	}
	return json;
}

static json_t *
clients_json(const struct view *v)
{
	json_t *json = json_object();
	uint64_t total = 0;
	uint64_t least = UINT64_MAX;
	uint64_t most = 0;
	unsigned int connected = 0;
	unsigned int good = 0;
	unsigned int closed = 0;
	double gap_ms = 0;

	for (unsigned int i = 0; i < v->made; i++) {
		const struct viewer *c = v->viewers[i];

		connected += c->connected;
		good += c->status == 200;
		closed += c->closed;
		total += c->bytes;
		least = PB_MIN(least, c->bytes);
		most = PB_MAX(most, c->bytes);
		gap_ms = PB_MAX(gap_ms, c->gap_ms_max);
	}
	json_object_set_new(json, "count", json_integer(v->made));
	json_object_set_new(json, "connected", json_integer(connected));
	json_object_set_new(json, "status_200", json_integer(good));
	json_object_set_new(json, "closed", json_integer(closed));
	json_object_set_new(json, "bytes_total", json_integer((json_int_t)total));
	json_object_set_new(json, "bytes_min", json_integer((json_int_t)(v->made == 0 ? 0 : least)));
	json_object_set_new(json, "bytes_max", json_integer((json_int_t)most));
	json_object_set_new(json, "largest_gap_ms", ms_or_null(gap_ms));
	return json;
}

static int
print_report(struct view *v)
{
	const struct viewer *c = v->viewers[0];
	const struct analysis *a = analyse_figures(v->analyse);
	json_t *json = json_object();
	const char *code;
	size_t len = 0;
	int ret;

	analyse_end(v->analyse, v->closed != NULL && strcmp(v->closed, "peer") != 0);
	code = c->in_body ? find_field(c, "X-HDHomeRun-Error", &len) : NULL;
	json_object_set_new(json, "url", json_string(v->o->url));
	json_object_set_new(json, "status", json_integer(c->status));
	json_object_set_new(json, "headers", headers_json(c));
	json_object_set_new(json, "error_code", code == NULL ? json_null() : json_stringn(code, len));
	json_object_set_new(json, "error", c->error == 0 ? json_null() : json_string(strerror(c->error)));
	json_object_set_new(json, "closed", json_string(v->closed == NULL ? "no" : v->closed));
	json_object_set_new(json, "connect_ms", ms_or_null(v->connect_ms));
	json_object_set_new(json, "first_byte_ms", ms_or_null(a->first_byte_ms));
	json_object_set_new(json, "first_key_ms", ms_or_null(a->first_key_ms));
	json_object_set_new(json, "total_ms", ms_or_null(since(v)));
	json_object_set_new(json, "bytes", json_integer((json_int_t)c->bytes));
	json_object_set_new(json, "largest_gap_ms", ms_or_null(c->gap_ms_max));
	json_object_set_new(json, "largest_gap_at_ms", ms_or_null(c->gap_ms_max > 0 ? c->gap_at_ms : -1));
	json_object_set_new(json, "away_ms", ms_or_null(away_ms(v)));
	if (v->o->clients > 1)
		json_object_set_new(json, "clients", clients_json(v));
	json_object_set_new(json, "analysis", report_json(a));
	ret = json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	json_decref(json);
	putchar('\n');
	return ret == 0 && fflush(stdout) == 0 ? 0 : PB_ESYS;
}

/* The request, and whom it goes to. */
static int
prepare(struct view *v)
{
	struct url_parts parts;
	struct addrinfo hints;
	const char *target;
	char port[8];
	FILE *f;

	if (url_parse(&parts, v->o->url) != 0 || parts.https || strpbrk(v->o->url, "\r\n ") != NULL)
		return PB_EFORMAT;
	target = strstr(v->o->url, "://") + 3;
	target += strcspn(target, "/?");
	snprintf(port, sizeof(port), "%u", parts.port);
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(parts.host, port, &hints, &v->peer) != 0)
		return PB_ENET;
	f = open_memstream(&v->request, &v->request_len);
	if (f == NULL)
		return PB_ENOMEM;
	fprintf(f, "GET %s%s HTTP/1.1\r\n", *target == '/' ? "" : "/", target);
	fprintf(f, strchr(parts.host, ':') != NULL ? "Host: [%s]:%s\r\n" : "Host: %s:%s\r\n", parts.host, port);
	fputs("User-Agent: plexbridge-origin\r\nAccept: */*\r\nConnection: close\r\n", f);
	for (size_t i = 0; i < v->o->nheaders; i++)
		fprintf(f, "%s\r\n", v->o->headers[i]);
	fputs("\r\n", f);
	return fclose(f) == 0 ? 0 : PB_ENOMEM;
}

static void
begin(struct view *v)
{
	struct rlimit limit;

	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	v->connect_ms = -1;
	v->start = clock_s();
	ev_signal_init(&v->term, on_signal, SIGTERM);
	ev_signal_init(&v->interrupt, on_signal, SIGINT);
	ev_timer_init(&v->duration, on_duration, v->o->duration_s, 0);
	ev_timer_init(&v->progress, on_progress, 0, PROGRESS_S);
	ev_timer_init(&v->rate, on_rate, RATE_TICK_S, RATE_TICK_S);
	ev_timer_init(&v->pause, on_pause_over, 0, 0);
	ev_timer_init(&v->connect, on_connect, 0, CONNECT_TICK_S);
	v->term.data = v->interrupt.data = v;
	v->duration.data = v->progress.data = v->rate.data = v->pause.data = v->connect.data = v;
	ev_check_init(&v->wake, on_wake);
	ev_prepare_init(&v->wait, on_wait);
	ev_set_priority(&v->wake, EV_MAXPRI);
	v->wake.data = v->wait.data = v;
	ev_check_start(v->loop, &v->wake);
	ev_prepare_start(v->loop, &v->wait);
	ev_signal_start(v->loop, &v->term);
	ev_signal_start(v->loop, &v->interrupt);
	if (v->o->duration_s > 0)
		ev_timer_start(v->loop, &v->duration);
	if (v->o->progress != NULL)
		ev_timer_start(v->loop, &v->progress);
	if (v->o->rate > 0)
		ev_timer_start(v->loop, &v->rate);
	if (v->o->clients > 1)
		ev_timer_start(v->loop, &v->connect);
}

static void
end(struct view *v)
{
	for (unsigned int i = 0; i < v->made; i++) {
		if (v->viewers[i]->fd != -1)
			close(v->viewers[i]->fd);
		free(v->viewers[i]);
	}
	free(v->viewers);
	free(v->request);
	if (v->peer != NULL)
		freeaddrinfo(v->peer);
	if (v->output != -1)
		close(v->output);
	analyse_free(&v->analyse);
}

int
view(const struct view_options *options)
{
	struct view v;
	int status = PB_EXIT_PERMANENT;
	int err;

	memset(&v, 0, sizeof(v));
	v.o = options;
	v.output = -1;
	v.loop = ev_default_loop(0);
	v.viewers = calloc(options->clients, sizeof(struct viewer *));
	err = v.loop == NULL || v.viewers == NULL ? PB_ENOMEM : prepare(&v);
	if (err == 0)
		err = analyse_new(&v.analyse, options->settle_s * 1e3, NULL, NULL);
	if (err != 0) {
		fprintf(stderr, "plexbridge-origin: %s: %s\n", options->url, pb_strerror(err));
		goto out;
	}
	if (options->output != NULL) {
		v.output = open(options->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (v.output == -1) {
			fprintf(stderr, "plexbridge-origin: %s: %s\n", options->output, strerror(errno));
			goto out;
		}
	}
	begin(&v);
	status = PB_EXIT_FAIL;
	if (viewer_new(&v) != 0)
		goto out;
	if (v.closed == NULL)
		ev_run(v.loop, 0);
	if (print_report(&v) == 0 && v.viewers[0]->status == 200)
		status = PB_EXIT_OK;
	write_progress(&v);
out:
	end(&v);
	return status;
}
