/*
 * sockets.h - the connections to the source, and how good their way is
 *
 * Knows every socket from its birth to its end, adds up what the kernel
 * counted on each (worker/wire.h), and ends those whose own address this
 * machine has lost: a kept connection that is bound to it would be found
 * dead only by its next user, after a time-out.
 *
 *   owner     of the descriptors: curl; a number is noted here for as long
 *             as it is open
 *   blocking  never
 *   bounds    SOCKETS_MAX are measured; more work, and are not
 */
#ifndef PLEXBRIDGE_WORKER_SOCKETS_H
#define PLEXBRIDGE_WORKER_SOCKETS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SOCKETS_MAX 64

struct sockets {
	size_t count;
	struct sockets_one {
		int fd;
		uint32_t retransmits, out_of_order, segments_in, segments_out; /* as last read */
	} one[SOCKETS_MAX];

	/* Of all that ever were. */
	uint64_t retransmits, out_of_order, segments_in, segments_out;
	uint32_t rtt_ms; /* the mean of those that are open; 0: none is */
};

/* One was opened; one is about to be closed. */
void sockets_add(struct sockets *sockets, int fd);
void sockets_remove(struct sockets *sockets, int fd);

/* Read all of them. */
void sockets_read(struct sockets *sockets);

/* This address is gone: end those that are bound to it. How many there were. */
size_t sockets_end(struct sockets *sockets, const struct sockaddr *address);

/* End all of them. */
void sockets_end_all(struct sockets *sockets);

#endif
