/*
 * getset.h - the variables of TCP 65001, as hdhomerun_config asks for them
 *
 * Pure: a frame and the figures in, a frame out. Everything can be read,
 * nothing can be set: a tuner here is what an HTTP client watches, and the
 * delivery by RTP that a set would begin is not there. A set is answered
 * with a text that clients show ("ERROR: write protected").
 */
#ifndef PLEXBRIDGE_SUPERVISOR_GETSET_H
#define PLEXBRIDGE_SUPERVISOR_GETSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/packet.h"

#define GETSET_NAME_MAX 128

/* A tuner at this moment. All texts are borrowed; the rest counts only while it's busy. */
struct getset_tuner {
	bool busy;
	bool media; /* it streams: there is a signal */
	const char *guide_number;
	const char *name;
	const char *client_ip; /* of its first client; "": none (lingering) */
	uint16_t client_port;
	uint64_t rate_bits; /* a second, sent to that client */
	uint64_t lost; /* segments of the source */
};

struct getset_device {
	int tuner_count;
	uint64_t memory_bytes; /* for /sys/debug */
	double turn_ms;
	size_t streams;
	void (*tuner)(void *arg, int n, struct getset_tuner *out); /* n: 0..tuner_count-1 */
	void *arg;
};

struct getset_request {
	char name[GETSET_NAME_MAX]; /* printable ASCII */
	bool set;
};

/* Understand a frame. 0; PB_NO: no get or set; PB_EFORMAT: one that is answered as malformed. */
int getset_parse(struct getset_request *out, const struct packet *packet);

/* Write the answer; request NULL: "malformed". Gives its length, never 0. */
size_t getset_answer(
    struct packet_writer *out, const struct getset_request *request, const struct getset_device *device);

#endif
