/*
 * addr.h - an address of a client, and how it is written
 *
 * Pure. An IPv4 address that came in over an IPv6 socket (::ffff:a.b.c.d)
 * is an IPv4 address for everybody here.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_ADDR_H
#define PLEXBRIDGE_SUPERVISOR_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT 64 /* holds any text of addr_ip() and addr_text() */

/* family AF_UNSPEC: none; AF_UNIX: the control socket, which has no more to say. */
struct addr {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa;
};

/* Keep what the kernel said; mapped addresses become IPv4. Other families than the three become AF_UNSPEC. */
void addr_set(struct addr *out, const struct sockaddr *sa, socklen_t len);

/* The port in host order, 0 when there is none. */
uint16_t addr_port(const struct addr *addr);

/* Does a socket that is bound to `bound` take who connects to the address of `to`, on its own port? */
bool addr_takes(const struct addr *bound, const struct addr *to);

/* "192.0.2.5", "2001:db8::5", "unix" or "-". Returns out. */
char *addr_ip(const struct addr *addr, char out[ADDR_TEXT]);

/* With the port: "192.0.2.5:5004", "[2001:db8::5]:5004", "unix" or "-". Returns out. */
char *addr_text(const struct addr *addr, char out[ADDR_TEXT]);

#endif
