/*
 * runguide.c - guides, fetched and made (run.h)
 */
#include "guide/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "base/pb.h"
#include "guide/epg.h"
#include "guide/fetch.h"
#include "guide/unpack.h"
#include "guide/xmltv.h"

#define GUIDE_IN_MAX ((uint64_t)4 << 30)
#define GUIDE_OUT_MAX ((uint64_t)16 << 30)
#define GUIDE_TIME_S 1700
#define GZIP_LEVEL 3 /* half of the time of 6, a tenth more bytes */

struct reading {
	struct run *run;
	struct unpack *unpack;
	struct xmltv *xmltv;
	int copy; /* where it is written to as it comes; -1: nowhere */
	const char *why;
};

static void __attribute__((format(printf, 3, 4)))
finish(struct run *run, enum import_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	run->done.verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(run->done.why, sizeof(run->done.why), fmt, ap);
	va_end(ap);
}

static int
write_all(int fd, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, s, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return PB_ESYS;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
take_text(void *user, const char *bytes, size_t len)
{
	struct reading *r = user;
	int err = xmltv_feed(r->xmltv, bytes, len);

	if (err != 0)
		r->why = xmltv_why(r->xmltv);
	return err;
}

static int
take_bytes(void *user, const char *bytes, size_t len)
{
	struct reading *r = user;
	int err = r->copy != -1 ? write_all(r->copy, bytes, len) : 0;

	if (err != 0) {
		r->why = strerror(errno);
		return err;
	}
	err = unpack_feed(r->unpack, bytes, len);
	if (err != 0 && unpack_why(r->unpack)[0] != '\0')
		r->why = unpack_why(r->unpack);
	return err;
}

/* All of one source, to events. 0, or what went wrong, with r->why. */
static int
read_source(struct reading *r, struct fetch *f, const struct xmltv_events *events)
{
	int err = xmltv_new(&r->xmltv, events);

	r->why = "";
	if (err == 0)
		err = unpack_new(&r->unpack, GUIDE_OUT_MAX, take_text, r);
	f->sink = take_bytes;
	f->user = r;
	if (err == 0)
		err = fetch_run(f);
	if (err == 0) {
		err = unpack_end(r->unpack);
		r->why = unpack_why(r->unpack);
	}
	if (err == 0) {
		err = xmltv_end(r->xmltv);
		r->why = xmltv_why(r->xmltv);
	}
	unpack_free(&r->unpack);
	return err;
}

/*
 * Fetching: nobody's programmes are wanted, but the document must be one
 */

static void
on_channel(void *user, const struct xmltv_channel *channel)
{
	struct run *run = user;

	(void)channel;
	run->done.channels++;
}

static const void *
on_wanted(void *user, const char *channel)
{
	(void)user;
	(void)channel;
	return NULL;
}

static int
on_programme(void *user, const void *wanted, const struct xmltv_programme *programme)
{
	(void)user;
	(void)wanted;
	(void)programme;
	return 0;
}

static void
on_wrong(void *user, unsigned line, const char *why)
{
	struct run *run = user;

	run->done.wrong++;
	if (run->done.wrong <= IMPORT_WRONG_MAX)
		run->wrong(run->user, line, why);
}

void
run_fetch(struct run *run)
{
	const struct job *job = run->job;
	const struct xmltv_events events = { run, on_channel, on_wanted, on_programme, on_wrong };
	struct reading r = { .run = run, .copy = run->out[0] };
	struct fetch f = {
		.url = job_get(job, "url"),
		.fd = -1,
		.source = job_next(job, "named_by", NULL),
		.private_targets = strcmp(job_get(job, "private_targets"), "yes") == 0,
		.etag = job_get(job, "etag"),
		.modified = job_get(job, "modified"),
		.user_agent = job_get(job, "user_agent"),
		.connect_ms = job_number(job, "connect_ms", 0),
		.stall_ms = job_number(job, "stall_ms", 0),
		.total_s = GUIDE_TIME_S,
		.bytes_max = GUIDE_IN_MAX,
	};
	int err = read_source(&r, &f, &events);
	const char *why = r.why[0] != '\0' ? r.why : f.why;

	run->done.retry_after_s = f.retry_after_s > 0 && f.retry_after_s < 86400 ? (uint32_t)f.retry_after_s : 0;
	if (r.xmltv != NULL)
		run->done.programmes = (uint32_t)PB_MIN(xmltv_seen(r.xmltv), (uint64_t)UINT32_MAX);
	if (err == PB_NO)
		finish(run, IMPORT_SAME, "not modified");
	else if (err == PB_ENET || err == PB_ESYS || err == PB_ENOMEM)
		finish(run, IMPORT_FAILED, "%s", why[0] != '\0' ? why : pb_strerror(err));
	else if (err != 0)
		finish(run, IMPORT_REFUSED, "%s", why[0] != '\0' ? why : pb_strerror(err));
	else if (run->done.programmes == 0)
		finish(run, IMPORT_REFUSED, "there is no programme in it");
	else {
		memcpy(run->done.etag, f.etag_now, sizeof(run->done.etag));
		memcpy(run->done.modified, f.modified_now, sizeof(run->done.modified));
		finish(run, IMPORT_GOOD, "%s", "");
	}
	xmltv_free(&r.xmltv);
}

/*
 * Making
 */

/* The next field of a line, which has its tabs made into NULs. */
static const char *
field(char **line)
{
	char *s = *line, *tab;

	if (s == NULL)
		return "";
	tab = strchr(s, '\t');
	if (tab != NULL)
		*tab++ = '\0';
	*line = tab;
	return s;
}

static int
add_channels(struct epg *epg, const struct job *job, size_t *count)
{
	const char *v = job_next(job, "channel", NULL);
	int err = 0;

	while (v != NULL && err == 0) {
		const char *following = job_next(job, "channel", v); /* before the tabs go */
		char *line = (char *)(uintptr_t)v; /* the job is ours */
		struct epg_channel c;

		c.number = field(&line);
		c.id = field(&line);
		c.name = field(&line);
		c.logo = field(&line);
		c.guide_id = field(&line);
		c.tvg_id = field(&line);
		c.shift_min = (int)strtol(field(&line), NULL, 10);
		c.parts = (uint32_t)strtoul(field(&line), NULL, 16);
		err = epg_add(epg, &c);
		++*count;
		v = following;
	}
	return err;
}

static int
read_sources(struct run *run, struct epg *epg)
{
	int err = 0;

	for (const char *v = NULL; err == 0 && (v = job_next(run->job, "source", v)) != NULL;) {
		int which, shift, fold;
		struct xmltv_events events;
		struct reading r = { .run = run, .copy = -1 };
		struct fetch f = { .fd = -1, .etag = "", .modified = "", .bytes_max = GUIDE_IN_MAX };
		char why[IMPORT_WHY_MAX];

		if (sscanf(v, "%d\t%d\t%d", &which, &shift, &fold) != 3 || which < 1 || which >= RUN_FILES_MAX)
			return PB_EFORMAT;
		f.fd = run->files[which];
		err = epg_source(epg, shift, fold != 0);
		if (err != 0)
			break;
		epg_events(epg, &events);
		err = read_source(&r, &f, &events);
		/* Half of a guide is better than none: what was read of a damaged one stays. */
		if (err == PB_EFORMAT || err == PB_ELIMIT) {
			snprintf(why, sizeof(why), "guide %d: %s", which, r.why);
			on_wrong(run, 0, why);
			err = 0;
		}
		xmltv_free(&r.xmltv);
	}
	return err;
}

static int
pack(int to, int from)
{
	static unsigned char in[65536], out[65536];
	z_stream z = { 0 };
	off_t at = 0;
	int err = 0, state = Z_OK;

	if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return PB_ENOMEM;
	while (err == 0 && state != Z_STREAM_END) {
		ssize_t n = pread(from, in, sizeof(in), at);

		if (n == -1) {
			err = PB_ESYS;
			break;
		}
		at += n;
		z.next_in = in;
		z.avail_in = (uInt)n;
		do {
			z.next_out = out;
			z.avail_out = sizeof(out);
			state = deflate(&z, n == 0 ? Z_FINISH : Z_NO_FLUSH);
			err = write_all(to, (const char *)out, sizeof(out) - z.avail_out);
		} while (err == 0 && z.avail_out == 0);
	}
	deflateEnd(&z);
	return err;
}

static int
say_matches(struct run *run, const struct epg *epg, size_t count)
{
	int fd = memfd_create("plexbridge-matches", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int err = fd == -1 ? PB_ESYS : 0;

	for (size_t i = 0; i < count && err == 0; i++) {
		struct epg_match m;
		struct import_match to = { 0 };

		epg_match(epg, i, &m);
		to.programmes = m.programmes;
		to.how = (uint8_t)m.how;
		to.uncertain = m.uncertain;
		run->done.channels += m.how != EPG_UNMATCHED;
		err = write_all(fd, (const char *)&to, sizeof(to));
	}
	if (err != 0 && fd != -1)
		(void)close(fd);
	else
		run->result = fd;
	return err;
}

static int
write_part(struct run *run, struct epg *epg, int part)
{
	const int *files = &run->files[IMPORT_PART + 2 * part];
	int err;

	if (files[0] == -1 || files[1] == -1)
		return 0;
	err = epg_write(epg, files[0], part);
	return err == 0 ? pack(files[1], files[0]) : err;
}

void
run_guide(struct run *run)
{
	struct epg *epg = NULL;
	size_t count = 0;
	int err = epg_new(&epg, run->out[2], job_number(run->job, "now", 0));

	if (err == 0)
		err = add_channels(epg, run->job, &count);
	if (err == 0)
		err = read_sources(run, epg);
	for (int k = 0; k < IMPORT_PARTS_MAX && err == 0; k++)
		err = write_part(run, epg, k);
	if (err == 0)
		err = epg_write(epg, run->out[0], -1);
	if (err == 0)
		err = pack(run->out[1], run->out[0]);
	if (err == 0)
		err = say_matches(run, epg, count);
	if (err != 0)
		finish(run, IMPORT_FAILED, "%s", err == PB_ESYS ? strerror(errno) : pb_strerror(err));
	else {
		run->done.programmes = (uint32_t)epg_programmes(epg);
		run->done.hash = epg_hash(epg);
		if (epg_dropped(epg) > 0)
			on_wrong(run, 0, "there is more in the guides than can be sorted: some of it is left out");
		if (epg_too_long(epg) > 0) {
			char why[IMPORT_WHY_MAX];

			snprintf(why, sizeof(why), "programmes left out for their length: %zu", epg_too_long(epg));
			on_wrong(run, 0, why);
		}
		finish(run, IMPORT_GOOD, "%s", "");
	}
	epg_free(&epg);
}
