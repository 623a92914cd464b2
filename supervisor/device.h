/*
 * device.h - who this tuner is, for ever
 *
 * Media servers know a tuner by its DeviceID: two with the same one
 * overwrite each other, and one whose id changes loses its channel map. So
 * an id is made once, at random, with the UUID and the DeviceAuth that go
 * with it, kept in STATE_DIR/device.json (device-NAME.json for a
 * [tuner NAME]), and never overwritten: neither by an upgrade nor when it
 * is damaged. A file of a build that kept the id alone is as good: the rest
 * is computed from the id in the same way by all builds.
 */
#ifndef PLEXBRIDGE_SUPERVISOR_DEVICE_H
#define PLEXBRIDGE_SUPERVISOR_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#define DEVICE_ID_TEXT 9 /* 8 upper-case hex digits and a NUL */
#define DEVICE_AUTH_TEXT 25 /* 24 characters of base64url */
#define DEVICE_UUID_TEXT 37

enum device_origin {
	DEVICE_CONFIGURED, /* [tuner] device_id */
	DEVICE_KEPT, /* read from the state directory */
	DEVICE_MADE, /* new, and kept there now */
	DEVICE_DERIVED, /* from /etc/machine-id: the state directory can't be used */
};

struct device {
	uint32_t id;
	char id_text[DEVICE_ID_TEXT]; /* "105902DB" */
	char auth[DEVICE_AUTH_TEXT]; /* DeviceAuth: constant, since nobody checks it against anything */
	char uuid[DEVICE_UUID_TEXT]; /* of UPnP's UDN */
	enum device_origin origin;
};

/*
 * Fill *out. configured is the setting, 0 for auto; label: NAME of a
 * [tuner NAME], "" for [tuner]. Never fails: what goes
 * wrong is logged ("device.id", warning), and the id is still the same at
 * the next start. A device.json that can't be understood is renamed to
 * device.json.bad-N; an id that can still be seen in it is taken over.
 * state_dir must exist. Blocks (a file of a few bytes, synced).
 */
void device_load(struct device *out, uint32_t configured, const char *state_dir, const char *label);

/* The same with another file for /etc/machine-id. */
void device_load_from(
    struct device *out, uint32_t configured, const char *state_dir, const char *label, const char *machine_id);

/* "DEVICE_KEPT" and so on for the log: "kept". */
const char *device_origin_name(enum device_origin origin);

#endif
