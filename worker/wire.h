/*
 * wire.h - what the kernel knows of one TCP connection
 *
 * A reading of TCP_INFO, with the kernel's own layout (linux/tcp.h of the
 * build machine may be older than the kernel that runs): what this kernel
 * does not tell is 0.
 *
 *   blocking  never; one system call
 */
#ifndef PLEXBRIDGE_WORKER_WIRE_H
#define PLEXBRIDGE_WORKER_WIRE_H

#include <stdint.h>

struct wire {
	uint32_t probes; /* of a shut window or a silent peer, unanswered */
	uint32_t unacked; /* segments on their way */
	uint32_t last_ack_ms; /* since the last acknowledgement came */
	uint32_t rtt_us, rttvar_us;
	uint32_t retransmits; /* segments sent again, ever */
	uint32_t out_of_order; /* segments that came before their turn, ever: what was lost on the way to us */
	uint32_t segments_out, segments_in;
	uint32_t notsent; /* bytes in its queue that were never sent */
	uint64_t acked, received; /* bytes, ever */
	uint64_t delivery_bps; /* bits per second that reach the peer, as last measured */
	uint64_t window_limited_us; /* in which the peer's window held us back, ever */
};

/* Read it. 0, or PB_ESYS for what is no TCP socket. */
int wire_read(int fd, struct wire *out);

#endif
