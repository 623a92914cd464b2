/*
 * device.c - how the promise in device.h is kept
 *
 * The check digit is HDHomeRun's: clients refuse ids without it. Fresh ids
 * begin with 105, a range in which clients expect HTTP.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pb.h"
#include "config/config.h"
#include "supervisor/device.h"

#define DEVICE_FILE 64 /* holds "device-", a label, and ".json.bad-99" */
#define FILE_MAX 4096 /* ours has 120 bytes */
#define BAD_MAX 99 /* damaged files kept aside */
#define PREFIX 0x10500000u

static void fill(struct device *out, uint32_t id, enum device_origin origin);
static uint32_t id_of(uint64_t bits);
static uint64_t mix(uint64_t hash, const void *data, size_t len);
static uint32_t derive(const char *machine_id, const char *label);
static ssize_t slurp(int dir, const char *path, char buf[FILE_MAX + 1]);
static bool parse_file(struct device *out, const char *buf, size_t len);
static uint32_t salvage(const char *buf, size_t len);
static int keep_aside(int dir, const char *file, char name[DEVICE_FILE]);
static int store(int dir, const char *file, const struct device *device);

void
device_load(struct device *out, uint32_t configured, const char *state_dir, const char *label)
{
	device_load_from(out, configured, state_dir, label, "/etc/machine-id");
}

void
device_load_from(
    struct device *out, uint32_t configured, const char *state_dir, const char *label, const char *machine_id)
{
	char buf[FILE_MAX + 1];
	char file[DEVICE_FILE], aside[DEVICE_FILE];
	uint64_t bits;
	uint32_t seen = 0; /* in a damaged file */
	uint32_t id;
	bool again = false;
	ssize_t len;
	int dir;

	if (configured != 0) {
		fill(out, configured, DEVICE_CONFIGURED);
		return;
	}
	(void)snprintf(file, sizeof(file), "device%s%.31s.json", label[0] != '\0' ? "-" : "", label);
	dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		goto derived;
read:
	len = slurp(dir, file, buf);
	if (len == -1 && errno != ENOENT)
		goto derived; /* it may be there and good: leave it alone */
	if (len >= 0) {
		if (parse_file(out, buf, (size_t)len)) {
			(void)close(dir);
			return;
		}
		seen = salvage(buf, (size_t)len);
		if (keep_aside(dir, file, aside) == -1)
			goto derived;
		log_event(LOG_WARNING, "device.id", "file=%s/%s aside=%s id=%s why=\"damaged\"", state_dir, file, aside,
		    seen == 0 ? "new" : "saved");
	}
	id = seen;
	if (id == 0) {
		if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != sizeof(bits))
			goto derived;
		id = id_of(bits);
	}
	fill(out, id, DEVICE_MADE);
	if (store(dir, file, out) == -1) {
		/* Another instance may have been quicker: then its id is the one. */
		if (errno != EEXIST || again)
			goto derived;
		again = true;
		goto read;
	}
	(void)close(dir);
	log_event(LOG_INFO, "device.id", "id=%s origin=made", out->id_text);
	return;

derived:
	log_event(LOG_WARNING, "device.id",
	    "state_dir=%s origin=derived why=\"%s; using an id derived from this machine\"", state_dir,
	    strerror(errno));
	if (dir != -1)
		(void)close(dir);
	fill(out, seen != 0 ? seen : derive(machine_id, label), DEVICE_DERIVED);
}

const char *
device_origin_name(enum device_origin origin)
{
	static const char *const names[] = { "configured", "kept", "made", "derived" };

	return origin < NITEMS(names) ? names[origin] : "?";
}

/* What is computed from the id must never change from one version to the next. */
static void
fill(struct device *out, uint32_t id, enum device_origin origin)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t be[4] = { (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };
	uint64_t bits = 0;

	memset(out, 0, sizeof(*out));
	out->id = id;
	out->origin = origin;
	(void)snprintf(out->id_text, sizeof(out->id_text), "%08" PRIX32, id);
	for (size_t i = 0; i < sizeof(out->auth) - 1; i++) {
		if (i % 8 == 0)
			bits = mix(mix(0, "DeviceAuth", 10) + i, be, sizeof(be));
		out->auth[i] = digits[bits & 63];
		bits >>= 6;
	}
	(void)snprintf(out->uuid, sizeof(out->uuid), "%08" PRIx32 "-5f1c-5a6e-9d42-706c65786272", id);
}

/* 105, 16 of the bits, and the check digit. */
static uint32_t
id_of(uint64_t bits)
{
	return device_id_fix(PREFIX | (uint32_t)(bits & 0xffff) << 4);
}

/* FNV-1a with a final mix (splitmix64's): spreads bits, hides nothing. */
static uint64_t
mix(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	hash ^= UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
	return hash ^ hash >> 31;
}

/* The same at each start, as long as the machine is. The machine's id can't be told from it: 16 bits are left. */
static uint32_t
derive(const char *machine_id, const char *label)
{
	char buf[FILE_MAX + 1];
	ssize_t len = slurp(AT_FDCWD, machine_id, buf);

	if (len <= 0) {
		if (gethostname(buf, sizeof(buf)) == -1)
			buf[0] = '\0';
		buf[FILE_MAX] = '\0';
		len = (ssize_t)strlen(buf);
	}
	/* The label last, and only where there is one: the first device's id is what it always was. */
	return id_of(
	    mix(label[0] == '\0' ? mix(0, "plexbridge", 10) : mix(mix(0, "plexbridge", 10), label, strlen(label)), buf,
		(size_t)len));
}

/* A small file as a text. Its length, or -1 with errno. One that is too long is cut: it is damaged in any case. */
static ssize_t
slurp(int dir, const char *path, char buf[FILE_MAX + 1])
{
	size_t len = 0;
	int err = 0;
	int fd;

	/* O_NONBLOCK: somebody may have put a FIFO there. */
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return -1;
	while (len < FILE_MAX) {
		ssize_t n = read(fd, buf + len, FILE_MAX - len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			err = errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	(void)close(fd);
	buf[len] = '\0';
	errno = err;
	return err == 0 ? (ssize_t)len : -1;
}

/* 8 hex digits at text: the id, 0 when it is none of ours to use. */
static uint32_t
parse_id(const char *text)
{
	uint32_t id = 0;

	for (int i = 0; i < 8; i++) {
		const char *digits = "0123456789ABCDEF";
		const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);

		if (digit == NULL)
			return 0;
		id = id << 4 | (uint32_t)(digit - digits);
	}
	return device_id_valid(id, NULL) ? id : 0;
}

/* Take a kept text when it's there; false when it's there and none of ours. */
static bool
take_text(char *out, size_t len, const char *letters, const json_t *value)
{
	const char *text = json_string_value(value);

	if (value == NULL)
		return true;
	if (text == NULL || strlen(text) != len || strspn(text, letters) != len)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

/* What a good file says into *out; false: it's damaged. */
static bool
parse_file(struct device *out, const char *buf, size_t len)
{
	json_t *root = json_loadb(buf, len, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(root, "DeviceID"));
	uint32_t id = text != NULL && strlen(text) == 8 ? parse_id(text) : 0;
	bool good = id != 0;

	if (good) {
		fill(out, id, DEVICE_KEPT);
		good =
		    take_text(out->uuid, sizeof(out->uuid) - 1, "0123456789abcdef-", json_object_get(root, "UUID")) &&
		    take_text(out->auth, sizeof(out->auth) - 1,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
			json_object_get(root, "DeviceAuth"));
	}
	json_decref(root);
	return good;
}

/* A file cut short by a full disk may still show the id: a media server's channel map hangs on it. */
static uint32_t
salvage(const char *buf, size_t len)
{
	static const char key[] = "\"DeviceID\"";
	const char *at = memmem(buf, len, key, sizeof(key) - 1);

	if (at == NULL)
		return 0;
	at += sizeof(key) - 1;
	at += strspn(at, " \t\r\n:\"");
	return parse_id(at);
}

/* Rename, but overwrite nothing: EEXIST. 0, or -1 with errno. */
static int
rename_new(int dir, const char *from, const char *to)
{
	if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* A file system that can't promise it (NFS, some FUSE). */
	if (faccessat(dir, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(dir, from, dir, to);
}

/* Rename the file to the first free name. 0, or -1 with errno. */
static int
keep_aside(int dir, const char *file, char name[DEVICE_FILE])
{
	for (int i = 1; i <= BAD_MAX; i++) {
		(void)snprintf(name, DEVICE_FILE, "%.48s.bad-%d", file, i);
		if (rename_new(dir, file, name) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

/* Write it so that at any moment, a power cut included, there is no file, or a whole one. 0, or -1 with errno. */
static int
store(int dir, const char *file, const struct device *device)
{
	char text[160], tmp[DEVICE_FILE];
	int len = snprintf(text, sizeof(text), "{\"DeviceID\":\"%s\",\"UUID\":\"%s\",\"DeviceAuth\":\"%s\"}\n",
	    device->id_text, device->uuid, device->auth);
	int err;
	int fd;

	(void)snprintf(tmp, sizeof(tmp), "%.48s.new", file);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd == -1)
		return -1;
	errno = EIO; /* of a short write, which says nothing itself */
	if (write(fd, text, (size_t)len) != len || fsync(fd) == -1)
		goto fail;
	if (close(fd) == -1) {
		fd = -1;
		goto fail;
	}
	fd = -1;
	if (rename_new(dir, tmp, file) == -1)
		goto fail;
	(void)fsync(dir);
	return 0;
fail:
	err = errno;
	if (fd != -1)
		(void)close(fd);
	(void)unlinkat(dir, tmp, 0);
	errno = err;
	return -1;
}
