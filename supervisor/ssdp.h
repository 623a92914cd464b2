/*
 * ssdp.h - UPnP's discovery texts: who searches, and what is said of us
 *
 * Pure. Three targets of a root device are announced: the device as root,
 * its UUID, and its type (UPnP Device Architecture 1.0, 1.1 and 1.2).
 */
#ifndef PLEXBRIDGE_SUPERVISOR_SSDP_H
#define PLEXBRIDGE_SUPERVISOR_SSDP_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "supervisor/device.h"

#define SSDP_MAX_AGE_S 1800
#define SSDP_TEXT 768 /* holds any text written here */
#define SSDP_MX_MAX 5

enum ssdp_target { SSDP_ROOT, SSDP_UUID, SSDP_TYPE, SSDP_TARGETS };

/* An M-SEARCH. */
struct ssdp_search {
	bool all; /* ssdp:all: every target, of every device */
	enum ssdp_target target; /* when not all */
	char uuid[DEVICE_UUID_TEXT]; /* SSDP_UUID: whose, in lower case */
	int mx_s; /* answer within so many seconds; 0..SSDP_MX_MAX */
};

/*
 * Understand a datagram. 0; PB_NO: none that we answer (NOTIFY, another
 * target, no MAN); PB_EFORMAT.
 */
int ssdp_parse(struct ssdp_search *out, const char *bytes, size_t len);

/* What is said; borrowed. location: of device.xml. */
struct ssdp_device {
	const char *uuid;
	const char *location;
};

/* Write an announcement or a farewell, or an answer to a search (now: wall time). Give the length. */
size_t ssdp_alive(char out[SSDP_TEXT], const struct ssdp_device *device, enum ssdp_target target);
size_t ssdp_byebye(char out[SSDP_TEXT], const struct ssdp_device *device, enum ssdp_target target);
size_t ssdp_answer(char out[SSDP_TEXT], const struct ssdp_device *device, enum ssdp_target target, time_t now);

#endif
