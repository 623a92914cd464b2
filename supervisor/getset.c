/*
 * getset.c - a row a variable
 *
 * The help text is made of the same rows, so that it lists what is there.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/getset.h"
#include "supervisor/tuner.h"

#define VALUE_MAX 1024
#define TS_PER_PACKET (7 * 188 * 8) /* bits of a network packet of a real device's stream */
#define UNKNOWN "ERROR: unknown getset variable"

/* An answer while it's written; cut where it's full. */
struct value {
	char text[VALUE_MAX];
	size_t len;
};

static void value_addf(struct value *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
value_addf(struct value *v, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(v->text + v->len, sizeof(v->text) - v->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		v->len = PB_MIN(v->len + (size_t)n, sizeof(v->text) - 1);
}

/* "ch=auto:7 lock=8vsb ss=100 snq=100 seq=100": what begins two answers. */
static void
add_signal(struct value *v, const struct getset_tuner *t)
{
	int percent = t->busy && t->media ? 100 : 0;

	value_addf(v, "ch=%s%s lock=%s ss=%d snq=%d seq=%d", t->busy ? "auto:" : "none", t->busy ? t->guide_number : "",
	    percent > 0 ? "8vsb" : "none", percent, percent, percent);
}

static uint64_t
rate(const struct getset_tuner *t)
{
	return t->busy && t->media ? t->rate_bits : 0;
}

static void
tuner_status(struct value *v, const struct getset_tuner *t)
{
	add_signal(v, t);
	value_addf(v, " bps=%" PRIu64 " pps=%" PRIu64, rate(t), rate(t) / TS_PER_PACKET);
}

static void
tuner_streaminfo(struct value *v, const struct getset_tuner *t)
{
	/* Each line must end: a client that reads them drops the last one otherwise. */
	if (t->busy)
		value_addf(v, "1: %s %s%s\ntsid=0x0001\n", t->guide_number, t->name, t->media ? "" : " (no data)");
	else
		value_addf(v, "none\n");
}

static void
tuner_debug(struct value *v, const struct getset_tuner *t)
{
	value_addf(v, "tun: ");
	add_signal(v, t);
	value_addf(v, " dbg=0\ndev: resync=0 overflow=0\n");
	value_addf(v, "ts:  bps=%" PRIu64 " ut=0 te=0 miss=%" PRIu64 " crc=0\n", rate(t), t->busy ? t->lost : 0);
	value_addf(v, "flt: bps=%" PRIu64 "\n", rate(t));
	value_addf(v, "net: pps=%" PRIu64 " err=0 stop=0\n", rate(t) / TS_PER_PACKET);
}

static void
tuner_channel(struct value *v, const struct getset_tuner *t)
{
	value_addf(v, "%s%s", t->busy ? "auto:" : "none", t->busy ? t->guide_number : "");
}

static void
tuner_vchannel(struct value *v, const struct getset_tuner *t)
{
	value_addf(v, "%s", t->busy ? t->guide_number : "none");
}

static void
tuner_channelmap(struct value *v, const struct getset_tuner *t)
{
	(void)t;
	value_addf(v, "us-bcast");
}

static void
tuner_filter(struct value *v, const struct getset_tuner *t)
{
	(void)t;
	value_addf(v, "0x0000-0x1FFF");
}

static void
tuner_program(struct value *v, const struct getset_tuner *t)
{
	(void)t;
	value_addf(v, "0");
}

static bool
has_client(const struct getset_tuner *t)
{
	return t->busy && t->client_ip != NULL && t->client_ip[0] != '\0';
}

static void
tuner_target(struct value *v, const struct getset_tuner *t)
{
	bool v6 = has_client(t) && strchr(t->client_ip, ':') != NULL;

	if (has_client(t))
		value_addf(v, "http://%s%s%s:%u", v6 ? "[" : "", t->client_ip, v6 ? "]" : "", (unsigned)t->client_port);
	else
		value_addf(v, "none");
}

static void
tuner_lockkey(struct value *v, const struct getset_tuner *t)
{
	value_addf(v, "%s", has_client(t) ? t->client_ip : "none");
}

static void
sys_model(struct value *v, const struct getset_device *d)
{
	(void)d;
	value_addf(v, TUNER_FIRMWARE);
}

static void
sys_hwmodel(struct value *v, const struct getset_device *d)
{
	(void)d;
	value_addf(v, TUNER_MODEL);
}

static void
sys_version(struct value *v, const struct getset_device *d)
{
	(void)d;
	value_addf(v, TUNER_FIRMWARE_VERSION);
}

static void
sys_features(struct value *v, const struct getset_device *d)
{
	(void)d;
	value_addf(v,
	    "channelmap: us-bcast us-cable\n"
	    "modulation: 8vsb qam256 qam64\n"
	    "auto-modulation: auto\n");
}

static void
sys_copyright(struct value *v, const struct getset_device *d)
{
	(void)d;
	value_addf(v, "PlexBridge " PACKAGE_VERSION "\n");
}

static void
sys_debug(struct value *v, const struct getset_device *d)
{
	struct getset_tuner t;
	uint64_t bits = 0;
	int busy = 0;

	value_addf(
	    v, "mem: spools=%" PRIu64 "\nloop: turn=%.1f streams=%zu\n", d->memory_bytes, d->turn_ms, d->streams);
	for (int i = 0; i < d->tuner_count; i++) {
		d->tuner(d->arg, i, &t);
		busy += t.busy;
		bits += rate(&t);
	}
	value_addf(v, "t0: busy=%d\neth: bps=%" PRIu64 "\n", busy, bits);
}

static void
lineup_scan(struct value *v, const struct getset_device *d)
{
	(void)d;
	value_addf(v, "complete");
}

static void help(struct value *v, const struct getset_device *d);

/* In the order in which a real device lists them; usage: what a real one's help has behind the name. */
static const struct {
	const char *name;
	void (*get)(struct value *v, const struct getset_device *d);
} system_rows[] = {
	{ "/lineup/scan", lineup_scan },
	{ "/sys/copyright", sys_copyright },
	{ "/sys/debug", sys_debug },
	{ "/sys/features", sys_features },
	{ "/sys/hwmodel", sys_hwmodel },
	{ "/sys/model", sys_model },
	{ "/sys/version", sys_version },
};

static const struct {
	const char *name, *usage;
	void (*get)(struct value *v, const struct getset_tuner *t);
} tuner_rows[] = {
	{ "channel", " <modulation>:<freq|ch>", tuner_channel },
	{ "channelmap", " <channelmap>", tuner_channelmap },
	{ "debug", "", tuner_debug },
	{ "filter", " \"0x<nnnn>-0x<nnnn> [...]\"", tuner_filter },
	{ "lockkey", "", tuner_lockkey },
	{ "program", " <program number>", tuner_program },
	{ "status", "", tuner_status },
	{ "streaminfo", "", tuner_streaminfo },
	{ "target", " <ip>:<port>", tuner_target },
	{ "vchannel", " <vchannel>", tuner_vchannel },
};

static void
help(struct value *v, const struct getset_device *d)
{
	(void)d;
	value_addf(v, "Supported configuration options:\n");
	for (size_t i = 0; i < NITEMS(system_rows); i++)
		value_addf(v, "%s\n", system_rows[i].name);
	for (size_t i = 0; i < NITEMS(tuner_rows); i++)
		value_addf(v, "/tuner<n>/%s%s\n", tuner_rows[i].name, tuner_rows[i].usage);
}

/* A text with the NUL that counts, of printable ASCII. */
static bool
take_name(char out[GETSET_NAME_MAX], const struct packet_item *item)
{
	size_t len = item->len;

	if (len > 0 && item->value[len - 1] == '\0')
		len--;
	if (len == 0 || len >= GETSET_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (item->value[i] < 0x20 || item->value[i] > 0x7e)
			return false;
	memcpy(out, item->value, len);
	out[len] = '\0';
	return true;
}

int
getset_parse(struct getset_request *out, const struct packet *packet)
{
	struct packet_item item;
	bool named = false;

	if (packet->type != PACKET_GETSET_REQUEST)
		return PB_NO;
	memset(out, 0, sizeof(*out));
	for (size_t at = 0; packet_next(packet, &at, &item);) {
		if (item.tag == PACKET_NAME) {
			if (!take_name(out->name, &item))
				return PB_EFORMAT;
			named = true;
		} else if (item.tag == PACKET_VALUE) {
			out->set = true;
		}
	}
	return named ? 0 : PB_EFORMAT;
}

/* The tuner's number and the variable behind it: "/tuner2/status". */
static const char *
split_tuner(const char *name, int *tuner)
{
	size_t digits;

	if (strncmp(name, "/tuner", 6) != 0)
		return NULL;
	name += 6;
	digits = strspn(name, "0123456789");
	if (digits == 0 || digits > 3 || name[digits] != '/')
		return NULL;
	*tuner = 0;
	for (size_t i = 0; i < digits; i++)
		*tuner = *tuner * 10 + (name[i] - '0');
	return name + digits + 1;
}

/* Find the variable and, unless set, write its value. false: there is none of that name. */
static bool
look_up(struct value *v, const struct getset_request *request, const struct getset_device *d)
{
	const char *rest;
	int tuner;

	if (strcmp(request->name, "help") == 0) {
		help(v, d);
		return true;
	}
	for (size_t i = 0; i < NITEMS(system_rows); i++)
		if (strcmp(request->name, system_rows[i].name) == 0) {
			system_rows[i].get(v, d);
			return true;
		}
	rest = split_tuner(request->name, &tuner);
	for (size_t i = 0; rest != NULL && tuner < d->tuner_count && i < NITEMS(tuner_rows); i++)
		if (strcmp(rest, tuner_rows[i].name) == 0) {
			struct getset_tuner t = { .busy = false };

			d->tuner(d->arg, tuner, &t);
			tuner_rows[i].get(v, &t);
			return true;
		}
	return false;
}

size_t
getset_answer(struct packet_writer *out, const struct getset_request *request, const struct getset_device *device)
{
	struct value v = { .len = 0 };
	const char *error = NULL;
	size_t len;

	if (request == NULL)
		error = "ERROR: malformed getset request";
	else if (!look_up(&v, request, device))
		error = UNKNOWN;
	else if (request->set)
		error = "ERROR: write protected";
	packet_begin(out, PACKET_GETSET_REPLY);
	if (request != NULL)
		packet_add_string(out, PACKET_NAME, request->name);
	packet_add_string(out, error != NULL ? PACKET_ERROR : PACKET_VALUE, error != NULL ? error : v.text);
	len = packet_end(out);
	pb_assert(len > 0); /* both texts are bounded to fit */
	return len;
}
