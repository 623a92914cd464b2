/*
 * keep.c - ledger and holder, always in the same order
 */
#include "supervisor/keep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"

static void
on_settled(struct ev_loop *loop, ev_timer *watch, int revents)
{
	struct keep *keep = watch->data;

	(void)loop;
	(void)revents;
	ledger_settled(keep->ledger);
}

static bool
hold(struct keep *keep, const char *name, int fd)
{
	int err = notify_store(keep->notify, name, fd);

	if (err != 0)
		log_event(LOG_WARNING, "keep.full", "name=%s held=%zu why=\"%s: it would not outlive us\"", name,
		    notify_stored(keep->notify), err == PB_ESYS ? strerror(errno) : pb_strerror(err));
	return err == 0;
}

static void
drop(struct keep *keep, const char *name)
{
	int err = notify_forget(keep->notify, name);

	if (err != 0)
		log_event(LOG_WARNING, "keep.forget", "name=%s why=\"%s\"", name, pb_strerror(err));
}

static int
begin_ledger(struct keep *keep, uint64_t above)
{
	int err = ledger_create(&keep->ledger);

	if (err != 0)
		return err;
	ledger_number_above(keep->ledger, above);
	(void)hold(keep, LEDGER_FD_LEDGER, ledger_fd(keep->ledger));
	return 0;
}

/* Strike all of one that can't be served from; numbers go on. */
static void
empty_ledger(struct keep *keep)
{
	struct ledger_stream stream;
	struct ledger_client client;

	for (size_t at = 0; ledger_next_stream(keep->ledger, &at, &stream);)
		ledger_strike_stream(keep->ledger, stream.number);
	for (size_t at = 0; ledger_next_client(keep->ledger, &at, &client);)
		ledger_strike_client(keep->ledger, client.number);
}

static int
open_ledger(struct keep *keep)
{
	int fd = notify_held_claim(&keep->held, LEDGER_FD_LEDGER);
	uint64_t above = 0;
	size_t dropped;
	int err;

	if (fd == -1)
		return begin_ledger(keep, 0);
	err = ledger_open(fd, &keep->ledger, &dropped, &above);
	if (err == 0) {
		if (dropped > 0)
			log_event(
			    LOG_ERR, "keep.ledger", "dropped=%zu why=\"entries that are out of bounds\"", dropped);
		return 0;
	}
	log_event(LOG_ERR, "keep.ledger", "held=%zu why=\"can't go on with it: %s; all that was held is ended\"",
	    keep->held.count, err == PB_NO ? "another layout" : pb_strerror(err));
	close(fd);
	drop(keep, LEDGER_FD_LEDGER);
	err = begin_ledger(keep, above);
	/* At once: ports that are bound there must be free for us. */
	if (err == 0)
		keep_end_rest(keep);
	return err;
}

int
keep_open(struct keep *keep, struct ev_loop *loop, struct notify_held *passed)
{
	uint32_t starts;
	int err;

	memset(keep, 0, sizeof(*keep));
	keep->history_fd = keep->playing_fd = -1;
	keep->loop = loop;
	ev_timer_init(&keep->settled, on_settled, KEEP_SETTLED_S, 0.0);
	keep->settled.data = keep;
	if (passed != NULL) {
		keep->held = *passed;
		memset(passed, 0, sizeof(*passed));
	} else if ((err = notify_held_read(&keep->held)) != 0)
		log_event(LOG_ERR, "keep.held", "why=\"LISTEN_FDS, LISTEN_PID: %s\"", pb_strerror(err));
	err = notify_new(&keep->notify, loop, &keep->held);
	if (err != 0) {
		log_event(LOG_ERR, "keep.holder", "why=\"NOTIFY_SOCKET: %s; nothing outlives us\"",
		    err == PB_ESYS ? strerror(errno) : pb_strerror(err));
		/* The variable is gone by now. */
		err = notify_new(&keep->notify, loop, &keep->held);
	}
	keep->history_fd = notify_held_claim(&keep->held, LEDGER_FD_HISTORY);
	keep->history_held = keep->history_fd != -1;
	keep->playing_fd = notify_held_claim(&keep->held, LEDGER_FD_PLAYING);
	keep->playing_held = keep->playing_fd != -1;
	if (err == 0)
		err = open_ledger(keep);
	if (err != 0)
		return err;
	if (passed != NULL)
		ledger_settled(keep->ledger); /* nobody died */
	starts = ledger_started(keep->ledger);
	if (starts >= KEEP_STARTS) {
		log_event(LOG_ERR, "keep.loop", "starts=%u why=\"none of them lived: streams are ended\"", starts);
		empty_ledger(keep);
	}
	ev_timer_start(loop, &keep->settled);
	return 0;
}

void
keep_close(struct keep *keep)
{
	if (keep->loop == NULL)
		return;
	ev_timer_stop(keep->loop, &keep->settled);
	if (keep->playing_fd != -1)
		close(keep->playing_fd);
	notify_held_clear(&keep->held);
	notify_free(&keep->notify);
	ledger_free(&keep->ledger);
}

bool
keep_there(const struct keep *keep)
{
	return notify_there(keep->notify);
}

uint64_t
keep_number(struct keep *keep)
{
	return ledger_number(keep->ledger);
}

int
keep_claim(struct keep *keep, char what, uint64_t number)
{
	char name[LEDGER_NAME];

	return notify_held_claim(&keep->held, ledger_name(name, what, number));
}

void
keep_drop(struct keep *keep, char what, uint64_t number)
{
	char name[LEDGER_NAME];

	drop(keep, ledger_name(name, what, number));
}

static void
remember(struct keep *keep, uint64_t number, int fd)
{
	if (keep->socket_count < NITEMS(keep->sockets)) {
		keep->sockets[keep->socket_count].number = number;
		keep->sockets[keep->socket_count++].fd = fd;
	}
}

int
keep_each(const struct keep *keep, int (*fn)(void *user, const char *name, int fd), void *user)
{
	char name[LEDGER_NAME];
	int err = fn(user, LEDGER_FD_LEDGER, ledger_fd(keep->ledger));

	if (err == 0 && keep->history_fd != -1)
		err = fn(user, LEDGER_FD_HISTORY, keep->history_fd);
	if (err == 0 && keep->playing_fd != -1)
		err = fn(user, LEDGER_FD_PLAYING, keep->playing_fd);
	for (size_t i = 0; err == 0 && i < keep->socket_count; i++)
		err = fn(user, ledger_name(name, LEDGER_FD_SOCKET, keep->sockets[i].number), keep->sockets[i].fd);
	return err;
}

int
keep_history_claim(struct keep *keep)
{
	int fd = keep->history_fd;

	keep->history_fd = -1;
	return fd;
}

void
keep_history(struct keep *keep, int fd, bool same)
{
	keep->history_fd = fd;
	if (same)
		return;
	if (keep->history_held)
		drop(keep, LEDGER_FD_HISTORY);
	keep->history_held = hold(keep, LEDGER_FD_HISTORY, fd);
}

int
keep_playing(const struct keep *keep)
{
	return keep->playing_fd;
}

void
keep_playing_as(struct keep *keep, int fd)
{
	if (keep->playing_fd != -1)
		close(keep->playing_fd);
	keep->playing_fd = fd;
	if (keep->playing_held)
		drop(keep, LEDGER_FD_PLAYING);
	keep->playing_held = fd != -1 && hold(keep, LEDGER_FD_PLAYING, fd);
}

int
keep_socket_claim(struct keep *keep, enum ledger_role role, const char *bound_to)
{
	struct ledger_socket entry;

	for (size_t at = 0; ledger_next_socket(keep->ledger, &at, &entry);) {
		int fd;

		if (entry.role != (uint32_t)role || strcmp(entry.bound_to, bound_to) != 0)
			continue;
		fd = keep_claim(keep, LEDGER_FD_SOCKET, entry.number);
		if (fd != -1) {
			remember(keep, entry.number, fd);
			return fd;
		}
		ledger_strike_socket(keep->ledger, entry.number); /* in the ledger only */
	}
	return -1;
}

void
keep_socket(struct keep *keep, enum ledger_role role, const char *bound_to, int fd)
{
	struct ledger_socket entry = { .number = keep_number(keep), .role = role };
	char name[LEDGER_NAME];

	if ((size_t)snprintf(entry.bound_to, sizeof(entry.bound_to), "%s", bound_to) < sizeof(entry.bound_to) &&
	    ledger_put_socket(keep->ledger, &entry) == 0) {
		remember(keep, entry.number, fd);
		(void)hold(keep, ledger_name(name, LEDGER_FD_SOCKET, entry.number), fd);
	}
}

void
keep_socket_gone(struct keep *keep, int fd)
{
	char name[LEDGER_NAME];
	size_t i;

	for (i = 0; i < keep->socket_count && keep->sockets[i].fd != fd; i++)
		;
	if (i == keep->socket_count)
		return;
	drop(keep, ledger_name(name, LEDGER_FD_SOCKET, keep->sockets[i].number));
	ledger_strike_socket(keep->ledger, keep->sockets[i].number);
	keep->sockets[i] = keep->sockets[--keep->socket_count];
}

void
keep_stream(struct keep *keep, const struct ledger_stream *entry)
{
	if (ledger_put_stream(keep->ledger, entry) != 0)
		log_event(LOG_WARNING, "keep.full", "stream=%" PRIu64 " why=\"the ledger\"", entry->number);
}

void
keep_stream_gone(struct keep *keep, uint64_t number)
{
	ledger_strike_stream(keep->ledger, number);
}

bool
keep_memory(struct keep *keep, uint64_t number, int spool_fd, int state_fd)
{
	char spool[LEDGER_NAME], state[LEDGER_NAME];

	if (!hold(keep, ledger_name(spool, LEDGER_FD_SPOOL, number), spool_fd))
		return false;
	if (hold(keep, ledger_name(state, LEDGER_FD_STATE, number), state_fd))
		return true;
	drop(keep, spool);
	return false;
}

void
keep_memory_gone(struct keep *keep, uint64_t number)
{
	keep_drop(keep, LEDGER_FD_SPOOL, number);
	keep_drop(keep, LEDGER_FD_STATE, number);
}

bool
keep_slot(struct keep *keep, uint64_t number, int fd)
{
	char name[LEDGER_NAME];

	return hold(keep, ledger_name(name, LEDGER_FD_SLOT, number), fd);
}

void
keep_slot_gone(struct keep *keep, uint64_t number)
{
	keep_drop(keep, LEDGER_FD_SLOT, number);
}

bool
keep_backup_slot(struct keep *keep, uint64_t number, int fd)
{
	char name[LEDGER_NAME];

	return hold(keep, ledger_name(name, LEDGER_FD_BACKUP, number), fd);
}

void
keep_backup_slot_gone(struct keep *keep, uint64_t number)
{
	keep_drop(keep, LEDGER_FD_BACKUP, number);
}

bool
keep_client(struct keep *keep, const struct ledger_client *entry, int fd)
{
	char name[LEDGER_NAME];

	if (ledger_put_client(keep->ledger, entry) != 0) {
		log_event(LOG_WARNING, "keep.full", "client=%" PRIu64 " why=\"the ledger\"", entry->number);
		return false;
	}
	return fd == -1 || hold(keep, ledger_name(name, LEDGER_FD_CLIENT, entry->number), fd);
}

void
keep_client_gone(struct keep *keep, uint64_t number, bool held)
{
	if (held)
		keep_drop(keep, LEDGER_FD_CLIENT, number);
	ledger_strike_client(keep->ledger, number);
}

static bool
was_held(const struct keep *keep, char what, uint64_t number)
{
	for (size_t i = 0; i < keep->held.count; i++) {
		char kind;
		uint64_t n;

		if (keep->held.at[i].fd != -1 && ledger_name_parse(keep->held.at[i].name, &kind, &n) && kind == what &&
		    n == number)
			return true;
	}
	return false;
}

void
keep_end_rest(struct keep *keep)
{
	struct ledger_socket entry;
	size_t ended = 0;

	for (size_t at = 0; ledger_next_socket(keep->ledger, &at, &entry);)
		if (was_held(keep, LEDGER_FD_SOCKET, entry.number))
			ledger_strike_socket(
			    keep->ledger, entry.number); /* an address that is not in the configuration any more */
	for (size_t i = 0; i < keep->held.count; i++) {
		struct notify_fd *f = &keep->held.at[i];

		if (f->fd == -1)
			continue;
		/* A viewer's connection must hear of it; others don't mind. */
		(void)shutdown(f->fd, SHUT_RDWR);
		if (f->name[0] != '\0' && (i == 0 || strcmp(f->name, keep->held.at[i - 1].name) != 0))
			drop(keep, f->name);
		ended++;
	}
	if (ended > 0)
		log_event(
		    LOG_WARNING, "keep.ended", "descriptors=%zu why=\"held, but for nothing that goes on\"", ended);
	notify_held_clear(&keep->held);
}
