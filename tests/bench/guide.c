/*
 * guide.c - how fast an XMLTV guide is read, beside expat alone
 *
 * "guide FILE CHANNELS SHARE" reads FILE as plexbridge-guide does, with a
 * lineup of CHANNELS channels whose tvg-ids are ch0.example and on, into a
 * scratch file, and with expat and handlers that do nothing; in turns, five
 * each, from memory. It prints the best of both in MB/s, the second is
 * expat's.
 */
#include <expat.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"
#include "guide/epg.h"
#include "guide/xmltv.h"

#define ROUNDS 5
#define PORTION ((size_t)65536) /* as unpack.h gives it */

static void
on_start(void *user, const XML_Char *name, const XML_Char **attrs)
{
	(void)user;
	(void)name;
	(void)attrs;
}

static void
on_end(void *user, const XML_Char *name)
{
	(void)user;
	(void)name;
}

static void
on_text(void *user, const XML_Char *s, int len)
{
	(void)user;
	(void)s;
	(void)len;
}

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "guide: %s\n", what);
	exit(PB_EXIT_FAIL);
}

static double
run_expat(const char *data, size_t len)
{
	XML_Parser p = XML_ParserCreate(NULL);
	double begin = now_s();

	if (p == NULL)
		die("no memory");
	XML_SetElementHandler(p, on_start, on_end);
	XML_SetCharacterDataHandler(p, on_text);
	for (size_t at = 0; at < len; at += PORTION)
		if (XML_Parse(p, data + at, (int)PB_MIN(PORTION, len - at), at + PORTION >= len) != XML_STATUS_OK)
			die("expat doesn't read it");
	XML_ParserFree(p);
	return now_s() - begin;
}

static double
run_ours(const char *data, size_t len, unsigned count)
{
	struct epg *epg;
	struct xmltv_events events;
	struct xmltv *x;
	static char ids[200000][24];
	int scratch = memfd_create("scratch", 0);
	double begin = now_s();

	if (scratch == -1 || epg_new(&epg, scratch, time(NULL)) != 0)
		die("no memory");
	for (unsigned i = 0; i < count; i++) {
		snprintf(ids[i], sizeof(ids[i]), "ch%u.example", i);
		if (epg_add(epg,
			&(struct epg_channel){
			    .number = "1", .id = "c", .name = ids[i], .logo = "", .guide_id = "", .tvg_id = ids[i] }) !=
		    0)
			die("no memory");
	}
	if (epg_source(epg, 0, false) != 0)
		die("no memory");
	epg_events(epg, &events);
	if (xmltv_new(&x, &events) != 0)
		die("no memory");
	for (size_t at = 0; at < len; at += PORTION)
		if (xmltv_feed(x, data + at, PB_MIN(PORTION, len - at)) != 0)
			die(xmltv_why(x));
	if (xmltv_end(x) != 0)
		die(xmltv_why(x));
	xmltv_free(&x);
	epg_free(&epg);
	begin = now_s() - begin;
	(void)close(scratch);
	return begin;
}

int
main(int argc, char **argv)
{
	double ours = 1e9, theirs = 1e9;
	struct stat st;
	const char *data;
	int fd;

	fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	if (fd == -1 || fstat(fd, &st) == -1)
		die("usage: guide FILE CHANNELS");
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (data == MAP_FAILED)
		die("it can't be mapped");
	for (int i = 0; i < ROUNDS; i++) {
		double s = run_ours(data, (size_t)st.st_size, (unsigned)PB_MIN(strtoul(argv[2], NULL, 10), 200000ul));

		ours = PB_MIN(ours, s);
		s = run_expat(data, (size_t)st.st_size);
		theirs = PB_MIN(theirs, s);
	}
	printf("%.1f %.1f\n", (double)st.st_size / ours / 1e6, (double)st.st_size / theirs / 1e6);
	return PB_EXIT_OK;
}
