/*
 * log.c - one event, one line, one write
 *
 * A line is built on the stack: what it says is cleaned first (control
 * characters, broken UTF-8), then laid out as logfmt or as JSON, and cut
 * so that it stays well-formed in both. Values are text in JSON too: a
 * GuideNumber 5.10 is not the number 5.1.
 *
 * A pipe that nobody empties must not stop a stream. Instead of making it
 * non-blocking, which would be seen by everyone who shares it, the pipe is
 * asked for room first: POLLOUT promises PIPE_BUF bytes, more than a line.
 * Lines that were lost are counted and told with the next one.
 *
 * syslog's lines have the head that syslog(3) gives them, which is what the
 * daemons behind that socket read (RFC 3164, 4.1, without a host).
 */
#include "base/log.h"
#include "base/pb.h"

#include <errno.h>
#include <limits.h>
#include <paths.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

_Static_assert(LOG_LINE <= PIPE_BUF, "a line is written at once or not at all");

static struct {
	const char *program;
	enum log_dest dest;
	enum log_format format;
	int level;
	bool pipe, socket; /* what standard error is */
	const char *syslog_path;
	int syslog_fd; /* -1: not connected */
	unsigned long lost;
	void (*tap)(void *arg, int level, const char *event, const char *pairs);
	void *tap_arg;
} to = { .program = "plexbridge", .level = LOG_INFO, .syslog_path = _PATH_LOG, .syslog_fd = -1 };

static const char *const level_names[] = {
	[LOG_ERR] = "err",
	[LOG_WARNING] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

/* A line in the making. What does not fit is dropped; room for the end is kept. */
struct line {
	char text[LOG_LINE];
	size_t len;
	bool full;
};
#define LINE_END 6 /* ...", } and the newline */

bool
log_may(struct log_bound *bound, unsigned per_s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec != bound->second) {
		bound->second = now.tv_sec;
		bound->lines = 0;
	}
	if (bound->lines < per_s) {
		bound->lines++;
		return true;
	}
	bound->missed++;
	return false;
}

static void
syslog_close(void)
{
	if (to.syslog_fd != -1)
		close(to.syslog_fd);
	to.syslog_fd = -1;
}

/* Connect, if that is not so already. The daemon behind it may not be there yet, or not any more. */
static bool
syslog_open(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (to.syslog_fd != -1)
		return true;
	if (strlen(to.syslog_path) >= sizeof(at.sun_path))
		return false;
	memcpy(at.sun_path, to.syslog_path, strlen(to.syslog_path));
	to.syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (to.syslog_fd != -1 && connect(to.syslog_fd, (struct sockaddr *)&at, sizeof(at)) == -1)
		syslog_close();
	return to.syslog_fd != -1;
}

void
log_syslog_at(const char *path)
{
	to.syslog_path = path;
}

void
log_init(const char *program, enum log_dest dest, enum log_format format, int level)
{
	struct stat st;
	bool known = fstat(STDERR_FILENO, &st) == 0;

	to.program = program;
	to.dest = dest;
	to.format = format;
	to.level = level;
	to.pipe = known && S_ISFIFO(st.st_mode);
	to.socket = known && S_ISSOCK(st.st_mode);
	if (dest == LOG_TO_SYSLOG)
		(void)syslog_open();
	else
		syslog_close();
}

bool
log_again(unsigned nth)
{
	return (nth & (nth - 1)) == 0;
}

bool
log_wants(int level)
{
	return level <= to.level;
}

void
log_tap(void (*fn)(void *arg, int level, const char *event, const char *pairs), void *arg)
{
	to.tap = fn;
	to.tap_arg = arg;
}

int
log_level_parse(const char *name)
{
	for (size_t i = 0; i < NITEMS(level_names); i++) {
		if (level_names[i] != NULL && strcmp(level_names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

const char *
log_level_name(int level)
{
	return level >= 0 && (size_t)level < NITEMS(level_names) ? level_names[level] : NULL;
}

/* All of len bytes, or none and the line is full. */
static void
put(struct line *line, const char *text, size_t len)
{
	if (line->full || len > sizeof(line->text) - LINE_END - line->len) {
		line->full = true;
		return;
	}
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void
put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* Length of the UTF-8 sequence at s (RFC 3629), 0 when it is none. */
static size_t
utf8_len(const unsigned char *s)
{
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	for (size_t i = 1; i < len; i++) { /* a NUL ends it too */
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* Replace what could end the line, move a cursor or break a reader. U+0080..U+009F are controls too. */
static void
clean(char *text)
{
	unsigned char *s = (unsigned char *)text;

	while (*s != '\0') {
		size_t len = utf8_len(s);

		if (len == 0 || *s < 0x20 || *s == 0x7f) {
			*s++ = '?';
		} else if (len == 2 && s[0] == 0xc2 && s[1] < 0xa0) {
			*s++ = '?';
			*s++ = '?';
		} else {
			s += len;
		}
	}
}

/* The text of a JSON string up to end; a backslash of logfmt's own is kept as it is. */
static void
put_json(struct line *line, const char *text, const char *end)
{
	while (text < end && !line->full) {
		size_t len = utf8_len((const unsigned char *)text);

		if (*text == '"' || *text == '\\')
			put(line, *text == '"' ? "\\\"" : "\\\\", 2);
		else
			put(line, text, len);
		text += len;
	}
}

/* Where a value ends: at the closing quote, or at a blank. */
static const char *
value_end(const char *value)
{
	const char *s;

	if (*value != '"')
		return value + strcspn(value, " ");
	for (s = value + 1; *s != '\0'; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		else if (*s == '"' && (s[1] == ' ' || s[1] == '\0'))
			return s + 1;
	}
	return s;
}

/* A member of the JSON object for each pair; words without '=' become "text". */
static void
put_json_pairs(struct line *line, const char *pairs)
{
	while (*(pairs += strspn(pairs, " ")) != '\0' && !line->full) {
		const char *value = pairs + strcspn(pairs, "= ");
		const char *end;

		put_text(line, ",\"");
		if (*value == '=' && value > pairs) {
			put_json(line, pairs, value);
			value++;
			end = value_end(value);
		} else {
			put_text(line, "text");
			value = pairs;
			end = pairs + strlen(pairs);
		}
		put_text(line, "\":\"");
		pairs = end;
		if (*value == '"') {
			value++;
			if (end > value && end[-1] == '"')
				end--;
		}
		put_json(line, value, end);
		if (!line->full)
			put_text(line, "\"");
	}
}

static bool
ends_in_quotes(const struct line *line)
{
	bool quoted = false;

	for (size_t i = 0; i < line->len; i++) {
		if (line->text[i] == '\\' && quoted)
			i++;
		else if (line->text[i] == '"')
			quoted = !quoted;
	}
	return quoted;
}

/*
 * Whatever was cut, the line is closed as its format wants it. A cut in a
 * JSON member's key, or between key and value, takes the whole member away.
 */
static void
finish(struct line *line)
{
	if (to.format == LOG_AS_JSON) {
		if (line->full && ends_in_quotes(line)) {
			size_t open = line->len;

			while (line->text[open - 1] != '"' || (open > 1 && line->text[open - 2] == '\\'))
				open--;
			if (open >= 2 && line->text[open - 2] == ':') {
				memcpy(line->text + line->len, "...\"", 4);
				line->len += 4;
			} else {
				line->len = open - 1;
			}
		}
		while (line->text[line->len - 1] == ',' || line->text[line->len - 1] == ':')
			line->len--;
		line->text[line->len++] = '}';
	} else if (line->full) {
		bool quoted = ends_in_quotes(line);

		memcpy(line->text + line->len, "...", 3);
		line->len += 3;
		if (quoted)
			line->text[line->len++] = '"';
	}
	line->text[line->len++] = '\n';
}

static void
put_time(struct line *line)
{
	struct timespec now;
	struct tm tm;
	char text[96];

	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", (tm.tm_year + 1900) % 10000, tm.tm_mon + 1,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
	put_text(line, text);
}

/* The head that is the same for all: when, how bad, who, what. syslog says the first three itself. */
static void
put_head(struct line *line, int level, const char *event)
{
	char pid[24];
	bool json = to.format == LOG_AS_JSON;

	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	if (to.dest == LOG_TO_STDERR) {
		put_text(line, json ? "{\"time\":\"" : "time=");
		put_time(line);
		put_text(line, json ? "\",\"level\":\"" : " level=");
		put_text(line, level_names[level]);
		put_text(line, json ? "\",\"program\":\"" : " program=");
		put_text(line, to.program);
		put_text(line, json ? "\",\"pid\":\"" : " pid=");
		put_text(line, pid);
		put_text(line, json ? "\",\"event\":\"" : " event=");
	} else {
		put_text(line, json ? "{\"event\":\"" : "event=");
	}
	put_text(line, event);
	if (json)
		put_text(line, "\"");
}

static void
write_line(const struct line *line)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n;

	if (to.pipe && (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))) {
		to.lost++;
		return;
	}
	do {
		if (to.socket)
			n = send(STDERR_FILENO, line->text, line->len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(STDERR_FILENO, line->text, line->len);
	} while (n == -1 && errno == EINTR);
	to.lost = n == -1 ? to.lost + 1 : 0;
}

/* As a daemon that was started anew wants it: connected to it, and not to the one before. */
static bool
send_syslog(struct msghdr *msg)
{
	for (int try = 0; try < 2; try++) {
		ssize_t n;

		if (!syslog_open())
			return false;
		do
			n = sendmsg(to.syslog_fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		while (n == -1 && errno == EINTR);
		if (n != -1)
			return true;
		if (errno == EAGAIN || errno == ENOBUFS)
			return false;
		syslog_close();
	}
	return false;
}

static void
write_syslog(int level, struct line *line)
{
	char head[128], stamp[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	struct iovec parts[] = { { .iov_base = head }, { line->text, line->len - 1 } };
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = NITEMS(parts) };

	if (localtime_r(&now, &tm) != NULL)
		(void)strftime(stamp, sizeof(stamp), "%b %e %T ", &tm);
	snprintf(head, sizeof(head), "<%d>%s%.32s[%ld]: ", LOG_DAEMON | level, stamp, to.program, (long)getpid());
	parts[0].iov_len = strlen(head);
	to.lost = send_syslog(&msg) ? 0 : to.lost + 1;
}

static void
emit(int level, const char *event, char *pairs)
{
	struct line line;
	char lost[40];

	line.len = 0;
	line.full = false;
	put_head(&line, level, event);
	if (to.lost > 0) {
		snprintf(lost, sizeof(lost), "lines_lost=%lu", to.lost);
		if (to.format == LOG_AS_JSON)
			put_json_pairs(&line, lost);
		else {
			put_text(&line, " ");
			put_text(&line, lost);
		}
	}
	if (to.format == LOG_AS_JSON) {
		put_json_pairs(&line, pairs);
	} else if (pairs[0] != '\0') {
		size_t room;

		put_text(&line, " ");
		room = sizeof(line.text) - LINE_END - line.len;
		if (strlen(pairs) > room) {
			while (room > 0 && ((unsigned char)pairs[room] & 0xc0) == 0x80)
				room--;
			put(&line, pairs, room);
			line.full = true;
		} else {
			put_text(&line, pairs);
		}
	}
	finish(&line);
	if (to.dest == LOG_TO_SYSLOG)
		write_syslog(level, &line);
	else
		write_line(&line);
}

void
log_event(int level, const char *event, const char *fmt, ...)
{
	char pairs[LOG_LINE];
	int saved = errno;
	va_list ap;

	if (level < LOG_ERR) /* the operator has four levels; nothing is worse than a viewer hurt */
		level = LOG_ERR;
	else if (log_level_name(level) == NULL)
		level = level > LOG_DEBUG ? LOG_DEBUG : LOG_INFO;
	if (!log_wants(level) && (to.tap == NULL || level > LOG_INFO))
		return;
	va_start(ap, fmt);
	if (vsnprintf(pairs, sizeof(pairs), fmt, ap) < 0)
		pairs[0] = '\0';
	va_end(ap);
	clean(pairs);
	if (to.tap != NULL && level <= LOG_INFO)
		to.tap(to.tap_arg, level, event, pairs);
	if (log_wants(level))
		emit(level, event, pairs);
	errno = saved;
}
