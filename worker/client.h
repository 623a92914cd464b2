/*
 * client.h - the viewers of one stream, each served from the spool
 *
 * A client is a TCP connection whose descriptor the supervisor keeps too:
 * ending it is the supervisor's (shutdown), the worker only stops sending.
 * Bytes go out without being copied: with sendfile(2), or from pages that are
 * looked up once for all who are at the same place. A client that can't take
 * them waits for its socket and holds nobody back.
 *
 *   slow     a client that fell out of the window skips: the packet in hand
 *            is finished, then (but for one that has had no media yet) a
 *            prelude (an adaptation-only packet per PID
 *            with discontinuity_indicator), then a key frame
 *   paused   it acknowledges, but does not read: kept up to paused_ms
 *   ghost    its host is gone: 30 s without an ACK while bytes are
 *            unacknowledged or probes unanswered (TCP_INFO)
 *   events   told once each through `on_event`; after any but CLIENT_EOF
 *            nothing more is sent, and the slot is the supervisor's to free
 *   slots    state->slots[n]: enough for a successor to go on to the byte
 *            (ipc/state.h)
 *
 * Not here: how far may be sent (worker/pace.h).
 */
#ifndef PLEXBRIDGE_WORKER_CLIENT_H
#define PLEXBRIDGE_WORKER_CLIENT_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/msg.h"
#include "ipc/state.h"

#define CLIENT_GHOST_S 30

struct clients;

typedef void clients_event_fn(void *arg, const struct msg_client_report *report);

/* Borrows loop, state and the spool's descriptor until clients_free(). 0, PB_ENOMEM. */
int clients_new(struct clients **out, struct ev_loop *loop, int spool_fd, struct state *state, uint32_t burst_ms,
    uint32_t paused_ms, clients_event_fn *on_event, void *arg);

/* Close every descriptor (the supervisor's copies stay) and free. */
void clients_free(struct clients **clients);

/*
 * Serve one more, from the key frame that lies `burst` behind what is
 * released. Takes fd. 0; PB_EPEER when slot or head are impossible, PB_NO
 * when there is nothing released to begin with (fd is closed by then).
 */
int clients_add(struct clients *clients, const struct msg_client *from, int fd);

/*
 * Go on with one that another worker served, from its slot and the kernel's
 * count: not a byte is lost or doubled. Takes fd. 0; PB_EPEER when the slot
 * is not this client's or says what can't be; PB_ESYS when the connection
 * is dead (fd is closed by then).
 */
int clients_resume(struct clients *clients, const struct msg_client *from, int fd);

/* Stop sending to one, as the supervisor asked; answers with CLIENT_DROPPED. Unknown ones are answered too. */
void clients_drop(struct clients *clients, const struct msg_drop *drop);

/* More was released, or tail is about to move: send what can be sent. Bounded work. */
void clients_service(struct clients *clients);

/*
 * The window's beginning moves to new_tail: those behind it keep the rest
 * of their packet in hand and will skip. Call it before state->tail is
 * published.
 */
void clients_before_tail(struct clients *clients, uint64_t new_tail);

size_t clients_count(const struct clients *clients);

/* Bytes ever written to a TCP socket, by the kernel's own count (architecture.md, Adoption). 0 or PB_ESYS. */
int client_written(int fd, uint64_t *out);

#endif
