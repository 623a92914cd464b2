/*
 * xmltv.c - hostile guides, and what is made of them
 */
#include <expat.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/utf8.h"
#include "guide/epg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What we write must be XML, and a guide to our own reader. */
static void
check(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text = malloc((size_t)size);
	XML_Parser parser = XML_ParserCreate(NULL);

	pb_assert(text != NULL && parser != NULL && pread(fd, text, (size_t)size, 0) == (ssize_t)size);
	pb_assert(utf8_valid(text, (size_t)size));
	pb_assert(XML_Parse(parser, text, (int)size, 1) == XML_STATUS_OK);
	XML_ParserFree(parser);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct epg_channel channel = { "5.1", "c5.1.x", "First HD", "", "", "first.tv", 30, 0 };
	int scratch = memfd_create("scratch", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
	struct xmltv_events events;
	struct xmltv *x;
	struct epg *epg;
	int err = 0;

	pb_assert(scratch != -1 && out != -1);
	pb_assert(epg_new(&epg, scratch, 1767225600) == 0 && epg_add(epg, &channel) == 0);
	pb_assert(epg_source(epg, 0, (size & 1) != 0) == 0);
	epg_events(epg, &events);
	pb_assert(xmltv_new(&x, &events) == 0);
	for (size_t at = 0; at < size && err == 0; at += 100)
		err = xmltv_feed(x, (const char *)data + at, PB_MIN((size_t)100, size - at));
	if (err == 0)
		err = xmltv_end(x);
	pb_assert(err == 0 || err == PB_EFORMAT);
	xmltv_free(&x);
	pb_assert(epg_write(epg, out, -1) == 0);
	check(out);
	epg_free(&epg);
	close(scratch);
	close(out);
	return 0;
}
