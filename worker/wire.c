/*
 * wire.c - the kernel's struct, spelled out
 *
 * The layout is the kernel's promise to user space: fields are only ever
 * added at its end (include/uapi/linux/tcp.h).
 */
#include "worker/wire.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/pb.h"

struct kernel_tcp_info {
	uint8_t state, ca_state, retransmits, probes, backoff, options, wscales, flags;
	uint32_t rto, ato, snd_mss, rcv_mss;
	uint32_t unacked, sacked, lost, retrans, fackets;
	uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
	uint32_t rcv_rtt, rcv_space, total_retrans;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
	uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
	uint32_t delivered, delivered_ce;
	uint64_t bytes_sent, bytes_retrans;
	uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd;
};
_Static_assert(sizeof(struct kernel_tcp_info) == 232, "the layout of Linux 5.4");

int
wire_read(int fd, struct wire *out)
{
	struct kernel_tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info)); /* an older kernel fills in less */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return PB_ESYS;
	*out = (struct wire){
		.probes = info.probes,
		.unacked = info.unacked,
		.last_ack_ms = info.last_ack_recv,
		.rtt_us = info.rtt,
		.rttvar_us = info.rttvar,
		.retransmits = info.total_retrans,
		.out_of_order = info.rcv_ooopack,
		.segments_out = info.segs_out,
		.segments_in = info.segs_in,
		.notsent = info.notsent_bytes,
		.acked = info.bytes_acked,
		.received = info.bytes_received,
		.delivery_bps = info.delivery_rate * 8,
		.window_limited_us = info.rwnd_limited,
	};
	return 0;
}
