/*
 * demux.c - how units are put together
 *
 * A unit ends where the next one begins, or where it said it would. The
 * payload that came last is remembered for a packet's repeat only as a place
 * in the unit: copying each would cost as much as all the rest.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/pb.h"
#include "worker/demux.h"
#include "worker/es.h"
#include "worker/sniff.h"

static int on_packet(void *arg, const uint8_t *p);
static int finish_pes(struct demux *d, enum role role, bool over, bool truncated);

int
demux_refuse(struct demux *d, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(d->reason, sizeof(d->reason), fmt, ap);
	va_end(ap);
	d->refused = err;
	return err;
}

void
demux_init(struct demux *d, struct pool *pool, const struct tsmux_state *out, const char *lang,
    int (*unit)(void *arg, struct unit *u), void *arg)
{
	memset(d, 0, sizeof(*d));
	d->pool = pool;
	d->out = out;
	d->lang = lang;
	d->unit = unit;
	d->arg = arg;
	for (int r = 0; r < ROLES; r++) {
		d->s.stream[r].pid = DEMUX_NO_PID;
		d->as[r].cc = -1;
	}
	snprintf(d->reason, sizeof(d->reason), "nothing was received");
}

void
demux_clear(struct demux *d)
{
	for (int r = 0; r < ROLES; r++) {
		unit_free(d->pool, d->as[r].unit);
		d->as[r].unit = NULL;
	}
	framing_clear(&d->framing);
}

/* The PES in hand will not be whole. */
static void
drop_pes(struct demux *d, enum role role)
{
	d->counts.damaged++;
	unit_free(d->pool, d->as[role].unit);
	d->as[role].unit = NULL;
}

/* The counter and the last payload of another stream, or of another segment, say nothing. */
static void
forget_packets(struct assembly *as)
{
	as->cc = -1;
	as->tail_len = 0;
	as->tail_inside = false;
}

/* What the segment before left open does not go on. */
static void
drop_open(struct demux *d, enum role role)
{
	if (!d->as[role].open)
		return;
	d->as[role].open = false;
	drop_pes(d, role);
	forget_packets(&d->as[role]);
}

static bool
has_stream(const struct demux *d)
{
	return d->s.stream[ROLE_VIDEO].pid != DEMUX_NO_PID || d->s.stream[ROLE_AUDIO].pid != DEMUX_NO_PID;
}

void
demux_begin(struct demux *d, bool anew, bool follows)
{
	d->has_pmt = d->foreign = d->unlike = d->keyless = false;
	d->scrambled = 0;
	d->refused = 0;
	snprintf(d->reason, sizeof(d->reason), "no PAT and PMT were found");
	demux_rest(d);
	for (int r = 0; r < ROLES; r++) {
		if (!follows)
			drop_open(d, (enum role)r);
		d->shown[r] = false;
		if (anew)
			d->s.stream[r].pid = DEMUX_NO_PID;
	}
	d->npmts = 0;
	d->pat_cc = -1;
	psi_lost(&d->pat);
	if (has_stream(d)) {
		d->npmts = 1;
		d->pmt[0].pid = d->s.pmt_pid;
		d->pmt[0].program = d->s.program;
		d->pmt[0].cc = -1;
		psi_lost(&d->pmt[0].gather);
	}
}

void
demux_rest(struct demux *d)
{
	d->counts.junk += d->framing.junk;
	framing_clear(&d->framing);
}

/* No packets: what is it then? */
static int
refuse_payload(struct demux *d)
{
	const char *what;
	int err;

	if (d->framing.hunt_len == 0)
		return demux_refuse(d, PB_EFORMAT, "the segment is empty");
	err = sniff(d->framing.hunt, d->framing.hunt_len, &what);
	if (what == NULL)
		return demux_refuse(d, err, "not TS: no packets found");
	return demux_refuse(d, err, "not TS: looks like %s", what);
}

int
demux_feed(struct demux *d, const uint8_t *buf, size_t len)
{
	int err;

	if (d->refused != 0)
		return d->refused;
	err = framing_feed(&d->framing, buf, len, on_packet, d);
	if (err == PB_EFORMAT && d->framing.packets == 0)
		return refuse_payload(d);
	if (err < 0)
		d->refused = err;
	return err < 0 ? err : 0;
}

int
demux_end(struct demux *d, bool truncated)
{
	int err = 0;

	if (d->refused == 0)
		err = framing_end(&d->framing, on_packet, d);
	for (int r = 0; r < ROLES; r++) {
		struct assembly *as = &d->as[r];

		drop_open(d, (enum role)r);
		as->open = as->unit != NULL && err >= 0 && d->refused == 0 && !truncated && !as->damaged &&
		    as->want > as->unit->len;
		if (as->open)
			continue;
		if (err >= 0 && d->refused == 0)
			err = finish_pes(d, (enum role)r, true, truncated);
		unit_free(d->pool, as->unit);
		as->unit = NULL;
		as->damaged = false;
		forget_packets(as);
	}
	return err;
}

int
demux_explain(struct demux *d, bool no_key_frame)
{
	if (d->framing.packets == 0)
		return refuse_payload(d);
	if (d->scrambled > 0)
		return demux_refuse(d, PB_ENOSUP, "scrambled");
	if (!d->has_pmt && !has_stream(d)) /* the reason is there already */
		return d->refused = d->foreign ? PB_ENOSUP : PB_EFORMAT;
	d->keyless = no_key_frame && d->shown[ROLE_VIDEO];
	if (d->keyless)
		return demux_refuse(d, PB_EFORMAT, "no key frame");
	return demux_refuse(d, PB_EFORMAT, "no whole access unit");
}

bool
demux_state_ok(const struct demux_state *s)
{
	for (int r = 0; r < ROLES; r++)
		if (s->stream[r].codec >= ES_CODECS || s->stream[r].desc_len > PSI_DESC_MAX)
			return false;
	return true;
}

/* --- PES --- */

/* Read the header: where the unit begins, and its times. False when it is none. */
static bool
read_pes(const uint8_t *b, size_t len, size_t *body, int64_t *pts, int64_t *dts, bool *scrambled)
{
	size_t n;

	if (len < 9 || b[0] != 0 || b[1] != 0 || b[2] != 1 || (b[6] & 0xc0) != 0x80)
		return false;
	/* 2.4.3.7: these have no such header. */
	if (b[3] == 0xbc || b[3] == 0xbe || b[3] == 0xbf || b[3] == 0xf0 || b[3] == 0xf1 || b[3] == 0xf2 ||
	    b[3] == 0xf8 || b[3] == 0xff)
		return false;
	n = b[8];
	if (9 + n > len)
		return false;
	*scrambled = b[6] & 0x30;
	*pts = *dts = TS_NOTIME;
	if ((b[7] & 0x80) && n >= 5)
		*pts = *dts = ts_get_stamp(b + 9);
	if ((b[7] & 0xc0) == 0xc0 && n >= 10)
		*dts = ts_get_stamp(b + 14);
	*body = 9 + n;
	return true;
}

/* A whole PES stands in the assembly: make it a unit and send it on. */
static int
complete(struct demux *d, enum role role)
{
	struct assembly *as = &d->as[role];
	struct unit *u = as->unit;
	bool scrambled;

	as->unit = NULL;
	if (!read_pes(u->buf, u->len, &u->body, &u->raw_pts, &u->raw_dts, &scrambled)) {
		d->counts.bad_header++;
		goto drop;
	}
	if (scrambled) {
		d->counts.scrambled++;
		d->scrambled++;
		goto drop;
	}
	if (u->len == u->body || (role == ROLE_AUDIO && (as->damaged || u->len - u->body > TSMUX_AUDIO_MAX))) {
		d->counts.damaged++;
		goto drop;
	}
	return d->unit(d->arg, u);
drop:
	unit_free(d->pool, u);
	return 0;
}

/* The PES in hand ends here because the next one begins, or the segment is over. */
static int
finish_pes(struct demux *d, enum role role, bool over, bool truncated)
{
	struct assembly *as = &d->as[role];
	bool whole;

	if (as->unit == NULL)
		return 0;
	whole = as->want == 0 ? !over || !truncated : as->unit->len >= as->want;
	/* A picture with a hole is concealed by decoders; one that is missing is not. */
	if (!whole && !(role == ROLE_VIDEO && !over)) {
		drop_pes(d, role);
		return 0;
	}
	return complete(d, role);
}

static int
append(struct demux *d, enum role role, const uint8_t *b, size_t n)
{
	struct assembly *as = &d->as[role];
	struct unit *u = as->unit;
	int err = 0;

	if (as->want > 0)
		n = PB_MIN(n, as->want > u->len ? as->want - u->len : 0);
	if (n > u->cap - u->len) /* seldom: the call alone would cost a tenth of what a packet does */
		err = unit_grow(u, n);
	if (err == PB_ELIMIT) {
		drop_pes(d, role);
		return 0;
	}
	if (err != 0)
		return err;
	memcpy(u->buf + u->len, b, n);
	u->len += n;
	return 0;
}

/* A picture cut into several PES: the later ones have no time and begin in the middle. */
static bool
goes_on(const struct assembly *as, const uint8_t *b, size_t len, size_t *body)
{
	int64_t pts, dts;
	bool scrambled;

	if (as->unit == NULL || !read_pes(b, len, body, &pts, &dts, &scrambled) || pts != TS_NOTIME || scrambled)
		return false;
	b += *body;
	len -= *body;
	return len < 4 || b[0] != 0 || b[1] != 0 || (b[2] != 1 && (b[2] != 0 || b[3] != 1));
}

static int
start_pes(struct demux *d, enum role role, const uint8_t *b, size_t n)
{
	struct assembly *as = &d->as[role];
	size_t body, len;
	int err;

	len = n >= 6 ? (size_t)b[4] << 8 | b[5] : 0;
	if (role == ROLE_VIDEO && goes_on(as, b, n, &body)) {
		if (as->want > 0 && as->unit->len < as->want)
			as->damaged = true;
		as->want = len > 0 ? as->unit->len + (6 + len > body ? 6 + len - body : 0) : 0;
		return append(d, role, b + body, n - body);
	}
	err = finish_pes(d, role, false, false);
	if (err != 0)
		return err;
	as->damaged = false;
	if (n < 6 || b[0] != 0 || b[1] != 0 || b[2] != 1) {
		d->counts.bad_header++;
		return 0;
	}
	as->unit = unit_new(d->pool, role);
	if (as->unit == NULL)
		return PB_ENOMEM;
	as->want = len > 0 ? 6 + len : 0;
	d->shown[role] = true;
	return append(d, role, b, n);
}

static bool
is_duplicate(const struct assembly *as, int cc, const uint8_t *b, size_t n)
{
	if (cc != as->cc || n != as->tail_len)
		return false;
	return memcmp(b, as->tail_inside ? as->unit->buf + as->unit->len - n : as->tail, n) == 0;
}

/* A packet of a stream that is carried. */
static int
elementary(struct demux *d, enum role role, const uint8_t *p, size_t at)
{
	struct assembly *as = &d->as[role];
	const uint8_t *b = p + at;
	size_t n = TS_PACKET - at, before;
	int cc = ts_cc(p), err = 0;

	if (!ts_has_payload(p))
		return 0;
	if (is_duplicate(as, cc, b, n)) {
		d->counts.duplicates++;
		return 0;
	}
	if (as->open && (ts_pusi(p) || cc != ((as->cc + 1) & 15)))
		drop_open(d, role);
	if (as->open) {
		as->open = false;
		d->shown[role] = true;
	}
	before = as->unit != NULL && !ts_pusi(p) ? as->unit->len : 0;
	if (as->cc != -1 && cc != ((as->cc + 1) & 15) && !(ts_af_flags(p) & TS_AF_DISCONTINUITY)) {
		d->counts.cc_losses++;
		as->damaged = true;
	}
	as->cc = cc;
	as->tail_len = 0; /* while the unit changes hands */
	as->tail_inside = false;
	if (ts_pusi(p))
		err = start_pes(d, role, b, n);
	else if (as->unit != NULL)
		err = append(d, role, b, n);
	/* Video waits for the next start: more of the same picture may follow. */
	if (err == 0 && role == ROLE_AUDIO && as->unit != NULL && as->want > 0 && as->unit->len >= as->want)
		err = complete(d, role);
	as->tail_len = (uint8_t)n;
	as->tail_inside = as->unit != NULL && as->unit->len == before + n;
	if (!as->tail_inside)
		memcpy(as->tail, b, n);
	return err;
}

/* --- PAT and PMT --- */

static void
on_pat(void *arg, const uint8_t *section, size_t len)
{
	struct demux *d = arg;
	struct psi_pat pat;
	bool same = true;

	if (psi_read_pat(section, len, &pat) != 0 || pat.n == 0)
		return;
	if (pat.n > DEMUX_PMTS)
		pat.n = DEMUX_PMTS;
	if (pat.n != d->npmts)
		same = false;
	for (int i = 0; same && i < pat.n; i++)
		same = pat.program[i].pid == d->pmt[i].pid && pat.program[i].number == d->pmt[i].program;
	if (same)
		return;
	d->npmts = pat.n;
	for (int i = 0; i < pat.n; i++) {
		d->pmt[i].pid = pat.program[i].pid;
		d->pmt[i].program = pat.program[i].number;
		d->pmt[i].cc = -1;
		psi_lost(&d->pmt[i].gather);
	}
}

/* Our choice for a role among what a PMT offers; NULL when there is none. */
static const struct psi_stream *
choose(const struct demux *d, const struct psi_pmt *pmt, enum role role, bool *otherwise)
{
	const struct tsmux_stream *st = &d->out->stream[role];
	const struct psi_stream *best = NULL;
	bool fixed = d->out->last_pcr_27m != TS_NOTIME;

	*otherwise = false;
	for (int i = 0; i < pmt->n; i++) {
		const struct psi_stream *s = &pmt->stream[i];

		if (s->codec == ES_NONE || es_is_video(s->codec) != (role == ROLE_VIDEO))
			continue;
		if (fixed && (!st->listed || st->codec != s->codec)) {
			*otherwise = st->listed;
			continue;
		}
		if (best == NULL)
			best = s;
		if (role == ROLE_AUDIO && d->lang[0] != '\0' && strcmp(s->lang, d->lang) == 0 &&
		    strcmp(best->lang, s->lang) != 0)
			best = s;
	}
	if (best != NULL)
		*otherwise = false;
	return best;
}

static void
take_stream(struct demux_stream *to, const struct psi_stream *s)
{
	if (s == NULL) {
		to->pid = DEMUX_NO_PID;
		return;
	}
	to->pid = s->pid;
	to->type = s->type;
	to->codec = (uint8_t)s->codec;
	to->desc_len = (uint8_t)psi_copy_desc(to->desc, s->desc, s->desc_len);
}

static void
on_pmt(void *arg, const uint8_t *section, size_t len)
{
	struct demux *d = arg;
	const struct psi_stream *s[ROLES];
	struct psi_pmt pmt;
	bool otherwise[ROLES], sealed = false;
	uint16_t pid;
	int which = -1;

	if (psi_read_pmt(section, len, &pmt) != 0)
		return;
	for (int i = 0; i < d->npmts; i++)
		if (d->pmt[i].program == pmt.program)
			which = i;
	if (which == -1)
		return;
	if (d->has_pmt && pmt.program != d->s.program) /* the first one that serves is ours */
		return;
	for (int i = 0; i < pmt.n; i++)
		sealed |= pmt.stream[i].sealed;
	for (int r = 0; r < ROLES; r++)
		s[r] = choose(d, &pmt, (enum role)r, &otherwise[r]);
	if (sealed) {
		demux_refuse(d, PB_ENOSUP, "encrypted with SAMPLE-AES, which is not carried");
		return;
	}
	for (int r = 0; r < ROLES; r++)
		if (otherwise[r]) {
			d->unlike = true;
			demux_refuse(d, PB_ENOSUP, "codec-change: the %s is no longer %s",
			    r == ROLE_VIDEO ? "video" : "audio", es_name((enum es_codec)d->out->stream[r].codec));
			return;
		}
	if (s[ROLE_VIDEO] == NULL && s[ROLE_AUDIO] == NULL) {
		d->foreign = !d->has_pmt;
		if (d->foreign)
			snprintf(
			    d->reason, sizeof(d->reason), "no video or audio that is carried among %d streams", pmt.n);
		return;
	}
	d->has_pmt = true;
	d->s.program = pmt.program;
	d->s.pmt_pid = d->pmt[which].pid;
	for (int r = 0; r < ROLES; r++) {
		pid = s[r] != NULL ? s[r]->pid : DEMUX_NO_PID;
		if (pid != d->s.stream[r].pid) {
			int err;

			drop_open(d, (enum role)r);
			err = finish_pes(d, (enum role)r, false, false);
			if (err < 0)
				d->refused = err;
			forget_packets(&d->as[r]);
		}
		take_stream(&d->s.stream[r], s[r]);
	}
}

static void
table(struct demux *d, struct psi_gather *g, int *cc, const uint8_t *p, size_t at,
    void (*whole)(void *arg, const uint8_t *section, size_t len))
{
	if (!ts_has_payload(p) || (ts_cc(p) == *cc && !ts_pusi(p)))
		return;
	if (*cc != -1 && ts_cc(p) != ((*cc + 1) & 15) && !ts_pusi(p))
		psi_lost(g);
	*cc = ts_cc(p);
	d->counts.psi_errors += (uint64_t)psi_gather(g, ts_pusi(p), p + at, TS_PACKET - at, whole, d);
}

/* --- packets --- */

static int
on_packet(void *arg, const uint8_t *p)
{
	struct demux *d = arg;
	uint16_t pid = ts_pid(p);
	int at, role = -1;

	d->counts.packets++;
	if (ts_tei(p)) {
		d->counts.tei++;
		return 0;
	}
	if (pid == d->s.stream[ROLE_VIDEO].pid)
		role = ROLE_VIDEO;
	else if (pid == d->s.stream[ROLE_AUDIO].pid)
		role = ROLE_AUDIO;
	at = ts_payload(p);
	if (at < 0) {
		d->counts.bad_header++;
		return 0;
	}
	if (role != -1) {
		if (ts_scrambled(p)) {
			d->counts.scrambled++;
			d->scrambled++;
			return 0;
		}
		return elementary(d, (enum role)role, p, (size_t)at);
	}
	if (pid == TS_PID_PAT) {
		table(d, &d->pat, &d->pat_cc, p, (size_t)at, on_pat);
		return d->refused;
	}
	for (int i = 0; i < d->npmts; i++)
		if (pid == d->pmt[i].pid) {
			table(d, &d->pmt[i].gather, &d->pmt[i].cc, p, (size_t)at, on_pmt);
			return d->refused;
		}
	if (ts_scrambled(p))
		d->scrambled++;
	d->counts.unlisted++;
	return 0;
}
