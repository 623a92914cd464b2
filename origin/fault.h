/*
 * fault.h - what is to go wrong, where, how often and for how long
 *
 * A fault is one rule, as plexbridge-origin(1) lists them; any number up to
 * FAULTS_MAX may be in force. For each request the rules that match are
 * added up into a plan, and the server carries the plan out.
 *
 *   spec   "channel=a,kind=segment,fault=status,value=503,for=5", with
 *          commas or ampersands between the pairs
 *   time   seconds, passed in
 */
#ifndef PLEXBRIDGE_ORIGIN_FAULT_H
#define PLEXBRIDGE_ORIGIN_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "origin/live.h"

#define FAULTS_MAX 256

/* The kinds of request, as bits: a rule may name several ("playlist", "any"). */
enum fault_kind {
	FAULT_MASTER = 1,
	FAULT_MEDIA = 2,
	FAULT_SEGMENT = 4,
	FAULT_KEY = 8,
	FAULT_LIVE = 16,
	FAULT_CONNECTION = 32, /* at accept: no channel is known yet */
	FAULT_LISTENER = 64, /* before that */
};

enum fault_body {
	FAULT_BODY_OWN, /* what should be there */
	FAULT_BODY_HTML,
	FAULT_BODY_EMPTY,
	FAULT_BODY_BINARY,
	FAULT_BODY_ENDLESS,
	FAULT_BODY_HUGE,
	FAULT_BODY_NOT_TS,
	FAULT_BODY_KEY,
};

struct fault_plan {
	bool refuse; /* connection: reset it */
	bool close_listener; /* listener: there is none for the time being */
	uint32_t delay_ms; /* before the first byte of the answer */
	bool stall_head; /* no byte at all */
	int64_t stall_at; /* body bytes, then nothing more; -1: no */
	uint32_t hold_ms; /* how long a stall lasts; 0: for ever. And when what no Content-Length spoke of comes */
	int64_t truncate_at; /* body bytes, then close, whatever length was promised; -1: no */
	uint64_t drip_bps; /* bytes a second; 0: as fast as it goes */
	uint64_t narrow_bps; /* likewise, of all answers together that have narrow_way; 0: no */
	unsigned int narrow_way; /* which of FAULTS_MAX */
	int status; /* instead of the answer's; 0: no */
	enum fault_body body;
	size_t body_len; /* of HUGE and KEY */
	bool redirect_loop;
	size_t location_len; /* a redirect to a URL of that many bytes; 0: no */
	int64_t length_delta; /* added to Content-Length */
	int64_t cut_at; /* the body ends there, and Content-Length says so; -1: no */
	bool range_ignored; /* 200 and all of it */
	bool clock_stands; /* a segment's PCRs are all the same, for ever */
	bool no_video; /* its packets of video are stuffing */
	bool no_audio; /* ...of audio */
	double repeat_at; /* the segment that was newest then, instead; 0: no */
	double stuck_at; /* a playlist that is asked for with a token from before is the one of then; 0: no */
	uint32_t retry_after_s; /* said with `status`; 0: no */
	bool range_other; /* 206 of an object of another length */
	unsigned int limit; /* 458 while more connections than these have asked for something of the channel; 0: no */
	struct live_lie lie;
};

struct fault_request {
	const char *channel; /* "" for a connection or listener */
	unsigned int kind; /* one enum fault_kind */
	unsigned int variant;
	bool has_k; /* a segment: k counts */
	uint64_t k;
	uint16_t port; /* that it came in by */
};

struct faults;

int faults_new(struct faults **out);
void faults_free(struct faults **faults);

/* Put a rule in force from now on. 0, PB_ELIMIT, or PB_EFORMAT with why[size] saying what is wrong. */
int faults_add(struct faults *faults, const char *spec, double now, char *why, size_t size);

/* Lift the rules of that channel and kind, NULL and 0 for all. */
void faults_clear(struct faults *faults, const char *channel, unsigned int kind);

/* "segment" to bits, 0 when unknown; one bit to its name. */
unsigned int fault_kind_parse(const char *name);
const char *fault_kind_name(unsigned int kind);

/* Add up what goes wrong with this request. Counts it where a rule has a count. */
void faults_plan(struct faults *faults, const struct fault_request *request, double now, struct fault_plan *plan);

#endif
