/*
 * private.h - is an address everybody's?
 *
 * Pure. Private is an address of this machine, this network or nobody:
 * RFC 1918, loopback, link-local, unique local, multicast, unspecified,
 * carriers' NAT. One of IPv4 in disguise (mapped, NAT64, 6to4) is judged as
 * what it is.
 *
 * For what fetches, to keep a source on a public address from leading to a
 * private one (private_targets).
 */
#ifndef PLEXBRIDGE_BASE_PRIVATE_H
#define PLEXBRIDGE_BASE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

bool private_v4(uint32_t addr); /* in host order */
bool private_v6(const uint8_t b[16]);

/* What a socket is about to be connected to; true for every other family. */
bool private_sockaddr(const struct sockaddr *sa);

#endif
