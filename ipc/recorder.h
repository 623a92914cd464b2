/*
 * recorder.h - the flight recorder: what the last ten minutes were like
 *
 * Two rings in a stream's state (ipc/state.h): figures, one entry a second,
 * and events, one entry each. The stream's one worker writes them, lock-free;
 * the supervisor reads them whenever somebody asks, and once more when the
 * stream is over, whatever its worker died of.
 *
 *   entries   are numbered from 0; number n lies in place n modulo the ring.
 *             Its `turn` is odd while it is written, and 2n + 2 when it is
 *             whole: a reader knows a torn one, and one that was overwritten
 *             while it looked
 *   times     CLOCK_MONOTONIC milliseconds: no step of the wall clock tears
 *             the time line, and all processes of a machine share it
 *   trust     a reader in another process believes no count and no text: the
 *             functions here bound all that they give
 *   blocking  never
 */
#ifndef PLEXBRIDGE_IPC_RECORDER_H
#define PLEXBRIDGE_IPC_RECORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDER_SECONDS 600
#define RECORDER_EVENTS 1024 /* ten minutes with one and a half a second */
#define RECORDER_CLIENTS 8 /* a second's worst; more are only counted */
#define RECORDER_NAME 32
#define RECORDER_TEXT 208

/* One client's second. */
struct recorder_client {
	uint64_t client; /* the supervisor's number for it, never 0 */
	uint32_t rtt_ms;
	uint32_t retransmits; /* segments sent again in this second */
	uint32_t behind_ms; /* of media, behind what is released */
	uint32_t unacked_ms; /* since its last acknowledgement, while bytes are on their way; 0: none are */
	uint32_t zero_window_ms; /* of this second, in which its shut window held us back */
	uint32_t delivery_kbps;
	uint32_t paused; /* 1: it acknowledges, but does not read */
	uint32_t spare;
};

/* What one second brought. Counts are of this second, the rest is as of its end. */
struct recorder_second {
	int64_t at_ms; /* its end */
	uint64_t upstream_bytes;
	uint64_t released_bytes;
	uint32_t requests, retries, errors;
	uint32_t segments, segments_lost;
	uint32_t splices, underruns;
	uint32_t latency_ms; /* to the first byte, smoothed */
	uint32_t throughput_kbps;
	uint32_t rtt_ms; /* of connections to the source */
	uint32_t loss_permille; /* on the way from it; lately */
	uint32_t reserve_ms;
	uint32_t target_ms;
	uint32_t quality; /* enum state_quality */
	uint32_t source; /* 0: url, n: backup n */
	uint32_t http_status; /* of the last answer */
	uint32_t filler; /* 1: filler went out */
	uint32_t clients; /* all of them */
	uint32_t listed; /* of those, in `worst` */
	struct recorder_client worst[RECORDER_CLIENTS];
};

/* An event, as it was logged: name, then pairs (base/log.h). */
struct recorder_event {
	int64_t at_ms;
	int32_t level; /* syslog's */
	uint32_t spare;
	char name[RECORDER_NAME];
	char text[RECORDER_TEXT];
};

struct recorder {
	_Atomic uint64_t seconds, events; /* ever; the next one's number */
	struct {
		_Atomic uint64_t turn;
		struct recorder_second second;
	} second[RECORDER_SECONDS];
	struct {
		_Atomic uint64_t turn;
		struct recorder_event event;
	} event[RECORDER_EVENTS];
};

/* CLOCK_MONOTONIC in milliseconds. */
int64_t recorder_now_ms(void);

/* The one writer only. */
void recorder_second_put(struct recorder *recorder, const struct recorder_second *second);

/* Likewise. What is too long for an entry is cut, at a character's border. */
void recorder_event_put(struct recorder *recorder, int level, const char *name, const char *text);

/* The entries that may still be there: [*first, *end), at most the ring. */
void recorder_seconds_range(const struct recorder *recorder, uint64_t *first, uint64_t *end);
void recorder_events_range(const struct recorder *recorder, uint64_t *first, uint64_t *end);

/*
 * Copy number n. false: it is torn, or another one's by now. What comes out
 * is within bounds: texts end and are free of control characters (but may
 * hold what is no UTF-8), counts of clients fit, levels are the log's four.
 */
bool recorder_second_get(const struct recorder *recorder, uint64_t n, struct recorder_second *out);
bool recorder_event_get(const struct recorder *recorder, uint64_t n, struct recorder_event *out);

/* The same bounds, for a copy that came another way. */
void recorder_second_bound(struct recorder_second *second);
void recorder_event_bound(struct recorder_event *event);

#endif
