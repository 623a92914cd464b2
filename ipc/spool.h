/*
 * spool.h - the bytes of one stream: an endless file in memory
 *
 * Byte N of the stream is byte N of a memfd of 1 << 50 bytes (sparse, so it
 * costs nothing until written), sealed against growing and shrinking. There
 * is no wrap-around and no copy per client: the worker appends, clients are
 * sent its pages as they are, and what lies behind the window is returned to
 * the kernel as holes.
 *
 *   offsets   bytes since the stream began; they grow, they never wrap
 *   owner     the supervisor makes and keeps the descriptor, workers borrow it
 *   blocking  never for I/O: the file is memory
 *   trust     how far it is written, and from where it still exists, stands
 *             in the stream's state (ipc/state.h): a claim to be bounded
 */
#ifndef PLEXBRIDGE_IPC_SPOOL_H
#define PLEXBRIDGE_IPC_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPOOL_SIZE ((uint64_t)1 << 50)
/*
 * Holes are punched in whole aligned blocks of this size only: a hole that
 * ends inside a page, or inside a huge page, zeroes bytes that a socket's
 * queue still points at.
 */
#define SPOOL_BLOCK ((uint64_t)2 << 20)

/* Make an empty spool and give its descriptor (close-on-exec). 0, or PB_ESYS with errno. */
int spool_create(int *fd);

/* Is fd what spool_create() makes: a sealed memfd of that size? For a descriptor that came in a message. */
bool spool_valid(int fd);

/*
 * Write len bytes at offset `at`, all of them. Nobody sees them before the
 * next commit. 0, PB_ELIMIT at the spool's end, PB_ESYS (ENOMEM, ENOSPC:
 * the machine or the cgroup has no memory left).
 */
int spool_write(int fd, uint64_t at, const void *buf, size_t len);

/*
 * Give back what lies in [from, to) in whole blocks. `from` must be a block
 * border, 0 or an earlier answer. Returns the border up to which memory is
 * given back, at most `to`; `from` when there was nothing to do.
 */
uint64_t spool_punch(int fd, uint64_t from, uint64_t to);

/* Bytes of memory that the spool holds now. 0 when it can't be told. */
uint64_t spool_memory(int fd);

/*
 * Send up to len bytes from `at` to a socket, without copying. Never
 * blocks when the socket doesn't. Returns bytes sent (> 0), 0 when the socket is full
 * (try when it is writable), or PB_ESYS with errno: the peer is gone.
 */
ssize_t spool_send(int fd, int sock, uint64_t at, size_t len);

/*
 * The same bytes to many sockets: their pages are looked up once and lent to
 * each (splice(2), tee(2)), for to look them up is a good part of what a
 * sendfile(2) costs. They are held until spool_fan_forget(), hole or not.
 * It has four descriptors once it is used; none as spool_fan_init() leaves it.
 */
struct spool_fan {
	int held[2]; /* a pipe with the pages of [at, at + len); -1: none */
	int lent[2]; /* empty outside of spool_fan_send() */
	uint64_t at;
	size_t asked; /* what was asked for at `at` last; 0: nothing */
	size_t len; /* what of it is held: 0 where there are no pipes to be had */
};

void spool_fan_init(struct spool_fan *fan);
void spool_fan_close(struct spool_fan *fan);

/* As spool_send(), and no more at once than a pipe holds. By spool_send() itself where pipes can't be had. */
ssize_t spool_fan_send(struct spool_fan *fan, int fd, int sock, uint64_t at, size_t len);

/* Let go of the pages. */
void spool_fan_forget(struct spool_fan *fan);

#endif
