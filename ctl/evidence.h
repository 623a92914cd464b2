/*
 * evidence.h - what a flight recorder holds, as counts
 *
 * Pure: GET /api/recorder's answer in, numbers out. Nothing is judged here
 * (ctl/judge.h). What is missing or of another type counts as nothing: the
 * answer may be of another version.
 */
#ifndef PLEXBRIDGE_CTL_EVIDENCE_H
#define PLEXBRIDGE_CTL_EVIDENCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVIDENCE_TEXT 208

/* X-HDHomeRun-Error of a tune: those that the bridge gives (supervisor/tuner.h) for a channel that there is. */
enum {
	TUNE_BUSY = 803,
	TUNE_IN_USE = 804,
	TUNE_NO_TUNER = 805, /* or no slot of the provider */
	TUNE_FAILED = 806,
	TUNE_NO_VIDEO = 807,
};

/* How requests failed: worker/trouble.h has the names, and what each means. */
enum evidence_class {
	CLASS_NAME,
	CLASS_UNREACHABLE,
	CLASS_REFUSED,
	CLASS_TLS,
	CLASS_SILENT,
	CLASS_STALLED,
	CLASS_CUT,
	CLASS_STATUS,
	CLASS_REDIRECT,
	CLASS_BODY,
	CLASSES
};

/* A tune's way to its picture, ms since it began but for the first four, which are durations; -1: not reached. */
struct evidence_phases {
	bool known;
	int slot_ms, dns_ms, tcp_ms, tls_ms, answer_ms, playlist_ms, segment_ms, key_ms;
	int first_ms; /* until the first viewer was answered */
	char stuck[16]; /* the phase that it did not get over, "-": none */
	char why[EVIDENCE_TEXT];
};

struct evidence {
	unsigned seconds; /* of figures */

	/* Requests. */
	struct {
		unsigned tries, seconds; /* that failed so; seconds in which any did */
		int status; /* the last one's */
		char why[EVIDENCE_TEXT], host[64];
	} failed[CLASSES];
	struct {
		unsigned seconds; /* in which a request had waited for more than one */
		int ms_max;
		char host[64];
	} waits[2]; /* for an address; for a connection: no try needs to have failed */
	unsigned silent_s; /* the longest time without a byte from a source that was asked */
	unsigned frozen_s; /* ... with answers, but without a new segment */
	unsigned frozen_all_s, silent_all_s; /* together */
	unsigned slow_s; /* with a round trip or loss that is the network's */
	unsigned rtt_ms_max, loss_permille_max, latency_ms_max;
	unsigned bad_playlists, jumps, lost_segments, switches, doubts;
	char bad_why[EVIDENCE_TEXT], doubt_why[EVIDENCE_TEXT];

	/* What came of it. */
	unsigned filler_s, underruns;
	bool reserve_known;
	unsigned reserve_ms_min, reserve_ms_max;

	/* The bridge itself. */
	unsigned deaths, poisoned;
	bool undead;
	char death_why[EVIDENCE_TEXT];
	double handover_ms_max;

	/* Clients. */
	unsigned retransmits, retransmit_s, client_rtt_ms_max, unacked_ms_max;
	unsigned zero_window_ms, zero_window_s, paused_s, behind_ms_max, skips;
	unsigned opened, closed;
	char close_why[64], close_peer[64];
	int64_t close_at_ms, trouble_at_ms; /* the last close; the last trouble upstream; 0: none */

	/* The last tune, when it failed. */
	bool tune_failed;
	int tune_code;
	char tune_why[EVIDENCE_TEXT];
	struct evidence_phases phases;
};

/* Count. Answers with nothing in them are all zero. */
void evidence_read(struct evidence *out, const json_t *recorder);

/* The value of a pair "key=value" or key="value" in an event's text; false when it isn't there. */
bool evidence_pair(const char *text, const char *key, char *out, size_t size);

const char *evidence_class_name(enum evidence_class c);

#endif
