/*
 * ledger.h - what a supervisor needs to go on where another one died
 *
 * One memfd, kept by the holder (systemd's file-descriptor store, or
 * plexbridge-keeper) beside the descriptors it speaks of: which sockets are
 * bound to what, which streams run, which clients watch them, and the
 * numbers that were given away. A spool says what was streamed, a state how
 * far; the ledger says whose they are.
 *
 *   whole     at every instant: an entry is written into the half that is
 *             not valid, then one 64-bit word says that it is. Whoever reads
 *             after a death sees the old entry, the new one, or none
 *   writer    one supervisor at a time; the holder starts the next one only
 *             when no process of the last is left
 *   trust     what another process wrote is a claim: an entry that breaks a
 *             bound is dropped by ledger_open() and never given to anyone.
 *             That a stream or a descriptor which an entry names is there,
 *             is for the caller to see
 *   prefix    magic, layout, size and the counters never change between
 *             builds: numbers go on even where the rest can't be read
 *   memory    sparse: what was never used takes none
 *   blocking  never
 */
#ifndef PLEXBRIDGE_IPC_LEDGER_H
#define PLEXBRIDGE_IPC_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_MAGIC UINT32_C(0x5042474c) /* "LGBP" in memory */
#define LEDGER_LAYOUT 2
#define LEDGER_SOCKETS 32
#define LEDGER_STREAMS 1024
#define LEDGER_TUNERS 4096 /* numbers that a stream's tuner may have: of all devices together */
#define LEDGER_CLIENTS 16384

/* What the holder's copies of descriptors are called: a capital and a number, of at most 12 bytes. */
#define LEDGER_NAME 13
#define LEDGER_FD_LEDGER "ledger"
#define LEDGER_FD_HISTORY "history" /* supervisor/archive.h */
#define LEDGER_FD_PLAYING "playing" /* supervisor/playing.h */
#define LEDGER_FD_SOCKET 'L'
#define LEDGER_FD_SPOOL 'S'
#define LEDGER_FD_STATE 'T'
#define LEDGER_FD_CLIENT 'C'
#define LEDGER_FD_SLOT 'P' /* of a provider, by the number of the stream that has it */
#define LEDGER_FD_BACKUP 'B' /* likewise, of a backup's provider */

enum ledger_role { LEDGER_TUNER = 1, LEDGER_CONTROL, LEDGER_DISCOVERY, LEDGER_ROLES };

struct ledger_socket {
	uint64_t number;
	uint32_t role; /* enum ledger_role */
	uint32_t spare;
	char bound_to[128]; /* "0.0.0.0:5004", a path */
};

struct ledger_stream {
	uint64_t number; /* of the tune: its generation, never used twice */
	int32_t tuner;
	uint32_t live; /* 1: it had media; its clients have slots */
	uint32_t restarts; /* workers after the first */
	uint32_t retunes;
	int64_t born_ns; /* CLOCK_MONOTONIC */
	char guide_number[16];
	/* What its workers died of (supervisor/crash.h): a segment that crashes them does so under the next supervisor, too. */
	uint32_t deaths_row, crashes, poisoned;
	uint32_t skip_set; /* 1: skip_serial is to be left out */
	uint64_t suspect, skip_serial;
};

/* Who it is, its connection still says. */
struct ledger_client {
	uint64_t number;
	uint64_t stream;
	uint32_t slot; /* of the stream's state; LEDGER_NO_SLOT: it waits for media */
	uint32_t duration_s; /* from served_ns; 0: no end */
	int64_t since_ns, served_ns; /* CLOCK_MONOTONIC; served_ns 0: not yet */
	char agent[128];
};

#define LEDGER_NO_SLOT UINT32_MAX

struct ledger;

/* Make an empty one. Gives *out. 0, PB_ENOMEM or PB_ESYS. */
int ledger_create(struct ledger **out);

/*
 * Go on with another supervisor's. Takes fd on 0 only; gives *out. Drops
 * what breaks a bound: *dropped is how many. 0; PB_EPEER (no ledger: seals,
 * size or magic are wrong); PB_NO (another layout: then *last_number is the
 * highest number that it gave away, to begin above); PB_ENOMEM, PB_ESYS.
 */
int ledger_open(int fd, struct ledger **out, size_t *dropped, uint64_t *last_number);

/* Its descriptor, for the holder; it stays the ledger's. */
int ledger_fd(const struct ledger *ledger);

/* Unmap, close, leave NULL: what is written stays with the holder. A NULL inside is fine. */
void ledger_free(struct ledger **ledger);

/* A number that was never given away before, for a stream, a client or a socket. Never 0. */
uint64_t ledger_number(struct ledger *ledger);

/* Let numbers begin above this one. */
void ledger_number_above(struct ledger *ledger, uint64_t number);

/*
 * Supervisors that were started with this ledger and died before they
 * called ledger_settled(): one that can't be served from is found out so.
 * ledger_started() counts this one, and gives how many there were before it.
 */
uint32_t ledger_started(struct ledger *ledger);
void ledger_settled(struct ledger *ledger);

/* Write an entry, or write it anew: that with the same number is replaced in one step. 0 or PB_ELIMIT. */
int ledger_put_socket(struct ledger *ledger, const struct ledger_socket *entry);
int ledger_put_stream(struct ledger *ledger, const struct ledger_stream *entry);
int ledger_put_client(struct ledger *ledger, const struct ledger_client *entry);

/* Strike an entry; one that isn't there is fine. */
void ledger_strike_socket(struct ledger *ledger, uint64_t number);
void ledger_strike_stream(struct ledger *ledger, uint64_t number);
void ledger_strike_client(struct ledger *ledger, uint64_t number);

/* Read on from *at, 0 at first: the next entry into *out, or false at the end. Others may be put and struck meanwhile. */
bool ledger_next_socket(const struct ledger *ledger, size_t *at, struct ledger_socket *out);
bool ledger_next_stream(const struct ledger *ledger, size_t *at, struct ledger_stream *out);
bool ledger_next_client(const struct ledger *ledger, size_t *at, struct ledger_client *out);

/* "C1z": what the holder's copy is called; and back. false: it's no name of ours. */
char *ledger_name(char out[LEDGER_NAME], char what, uint64_t number);
bool ledger_name_parse(const char *name, char *what, uint64_t *number);

#endif
