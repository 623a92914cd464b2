/*
 * slate.c - the same demultiplexer as for a source, and a stricter judge
 *
 * A source is repaired where it can be; a file that somebody made in peace
 * is taken as it is or not at all.
 */
#include "worker/slate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/demux.h"
#include "worker/format.h"

#define PIECE (64u << 10)
#define GAP_MAX_90K 90000 /* between two pictures */
#define CTS_MAX_90K 90000

struct reading {
	struct slate *slate;
	struct demux demux;
	struct pool pool;
	struct tsmux_state out; /* of nothing yet: any codec is listed */
	enum es_codec codec;
	const struct format *wanted;
	int64_t last_dts;
	int err; /* why a picture was refused */
};

static int
add_picture(struct reading *r, const struct unit *u)
{
	struct slate *s = r->slate;
	struct slate_picture *p;
	struct format format;
	struct es_look look;
	size_t len = unit_body_len(u);
	int64_t step = s->n > 0 ? ts_diff(u->raw_dts, r->last_dts) : 0;
	int err;

	es_look(r->codec, unit_body(u), len, &look);
	if (u->raw_dts == TS_NOTIME || (s->n > 0 && (step <= 0 || step > GAP_MAX_90K)) ||
	    (s->n == 0 && !(look.key && look.params)))
		return PB_EFORMAT;
	if (look.params) { /* each time: a format that changes in its middle fits nowhere */
		err = format_read(r->codec, unit_body(u), len, &format);
		if (err != 0 || !format_fits(r->wanted, &format))
			return err != 0 ? err : PB_NO;
	}
	if (s->n == SLATE_PICTURES_MAX || len > SLATE_BYTES_MAX - s->len)
		return PB_ELIMIT;
	if (s->n > 0)
		s->picture[s->n - 1].dur_90k = step;
	p = &s->picture[s->n++];
	p->at = s->len;
	p->len = len;
	p->cts_90k = ts_diff(u->raw_pts, u->raw_dts);
	p->dur_90k = step > 0 ? step : 3600; /* of the last one: as of the one before */
	p->key = look.key && look.params;
	if (p->cts_90k < 0 || p->cts_90k > CTS_MAX_90K)
		return PB_EFORMAT;
	memcpy(s->data + s->len, unit_body(u), len);
	s->len += len;
	r->last_dts = u->raw_dts;
	return 0;
}

static int
on_unit(void *arg, struct unit *u)
{
	struct reading *r = arg;

	if (u->role == ROLE_VIDEO)
		r->err = r->demux.s.stream[ROLE_VIDEO].codec != r->codec ? PB_NO : add_picture(r, u);
	unit_free(&r->pool, u);
	return r->err != 0 ? PB_EFORMAT : 0;
}

static int
read_all(struct reading *r, int fd, size_t len)
{
	uint8_t *buf = malloc(PIECE);
	size_t at = 0;
	int err = buf != NULL ? 0 : PB_ENOMEM;

	while (err == 0 && at < len) {
		ssize_t got = pread(fd, buf, PB_MIN(len - at, (size_t)PIECE), (off_t)at);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			err = PB_ESYS;
		if (got <= 0)
			break;
		at += (size_t)got;
		err = demux_feed(&r->demux, buf, (size_t)got);
	}
	free(buf);
	return err;
}

int
slate_read(struct slate **out, int fd, enum es_codec codec, const uint8_t *picture, size_t picture_len)
{
	struct reading *r;
	struct slate *s;
	struct format wanted;
	struct stat st;
	int err = format_read(codec, picture, picture_len, &wanted);

	if (err != 0)
		return PB_NO; /* no slate fits a stream that can't be compared */
	if (fstat(fd, &st) == -1)
		return PB_ESYS;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return PB_EFORMAT;
	if (st.st_size > (off_t)SLATE_BYTES_MAX)
		return PB_ELIMIT;
	r = calloc(1, sizeof(*r));
	s = calloc(1, sizeof(*s));
	if (s != NULL) {
		s->data = malloc((size_t)st.st_size);
		s->picture = calloc(SLATE_PICTURES_MAX, sizeof(*s->picture));
	}
	if (r == NULL || s == NULL || s->data == NULL || s->picture == NULL) {
		free(r);
		slate_free(&s);
		return PB_ENOMEM;
	}
	r->slate = s;
	r->codec = codec;
	r->wanted = &wanted;
	r->out.last_pcr_27m = TS_NOTIME;
	demux_init(&r->demux, &r->pool, &r->out, "", on_unit, r);
	demux_begin(&r->demux, true, false);
	err = read_all(r, fd, (size_t)st.st_size);
	if (err == 0)
		err = demux_end(&r->demux, false);
	if (r->err != 0)
		err = r->err;
	if (err == 0 && s->n == 0)
		err = PB_EFORMAT;
	demux_clear(&r->demux);
	pool_clear(&r->pool);
	free(r);
	if (err != 0)
		slate_free(&s);
	else
		*out = s;
	return err;
}

void
slate_free(struct slate **slate)
{
	if (*slate == NULL)
		return;
	free((*slate)->data);
	free((*slate)->picture);
	free(*slate);
	*slate = NULL;
}
