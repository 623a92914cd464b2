/*
 * log.h - one line an event, to standard error or syslog
 *
 * An event has a stable dotted name, then key=value pairs; free text goes
 * last, in why="...". Levels are for the operator, and are syslog's:
 *
 *   LOG_ERR      a viewer is hurt
 *   LOG_WARNING  a viewer would have been, but for us
 *   LOG_INFO     a state changed
 *   LOG_DEBUG    the rest
 *
 * A line has at most LOG_LINE bytes and is written with one write(2);
 * control characters and invalid UTF-8 in it are replaced, so that nobody
 * outside can forge a line. URLs go through url_redact() (base/url.h)
 * before they come here. A pipe or socket that is full loses lines instead
 * of blocking its writer; the next line that fits says how many
 * (lines_lost=N). So does syslog's socket, which is why syslog(3), whose
 * send(2) waits, is not used. A file or terminal is written as such are.
 */
#ifndef PLEXBRIDGE_BASE_LOG_H
#define PLEXBRIDGE_BASE_LOG_H

#include <stdbool.h>
#include <syslog.h>

#define LOG_LINE 2048

enum log_dest { LOG_TO_STDERR, LOG_TO_SYSLOG };
enum log_format { LOG_AS_LOGFMT, LOG_AS_JSON };

/* Before it is called: standard error, logfmt, LOG_INFO. May be called again. program is borrowed for ever. */
void log_init(const char *program, enum log_dest dest, enum log_format format, int level);

/* Where syslog listens, when that is not _PATH_LOG: for tests. Before log_init(); borrowed for ever. */
void log_syslog_at(const char *path);

/* Is a line of this level wanted? For work that only serves a debug line. */
bool log_wants(int level);

/* The nth of its kind in a row: is it worth a line? The first is, the second, the fourth, the eighth... */
bool log_again(unsigned nth);

/*
 * A bound for lines that anybody outside can cause: all zero to begin with.
 * false: there were per_s of them in this second already, so it is counted
 * as missed, which the caller may tell, and then zero, with the next.
 */
struct log_bound {
	long long second;
	unsigned lines, missed;
};
bool log_may(struct log_bound *bound, unsigned per_s);

/*
 * Write one event. fmt gives the pairs, "channel=%s status=%d why=\"%s\"";
 * a value that may hold blanks is put in quotes by the caller.
 * Keeps errno.
 */
void log_event(int level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * From now on each event of LOG_INFO and worse is given to fn too, whether or
 * not its line is wanted: pairs as they are logged, cleaned, without the
 * head. fn must not log, nor keep the pointers. One at a time; NULL ends it.
 */
void log_tap(void (*fn)(void *arg, int level, const char *event, const char *pairs), void *arg);

/* "err", "warning", "info", "debug" to a level and back; -1 and NULL when unknown. */
int log_level_parse(const char *name);
const char *log_level_name(int level);

#endif
