/*
 * silence_ac3.c - AC-3 and E-AC-3 without mantissas
 *
 * With all SNR offsets at zero no mantissa gets a bit (ETSI TS 102 366,
 * 6.2.1), and without dither a mantissa of no bits is zero. So a block is
 * its side information alone; the rest of the frame is auxiliary data that
 * nobody reads, so that its length stays the stream's.
 */
#include <stdbool.h>
#include <string.h>

#include "base/pb.h"
#include "worker/bits.h"
#include "worker/silence.h"

#define SYNC 0x0b77
#define CRC_POLY 0x8005u
#define BLOCKS 6
#define BANDWIDTH 0 /* chbwcod: the narrowest, 73 mantissas (7.1.3) */
#define GROUPS 6 /* of twelve exponents each (D45): (73 - 1 + 9) / 12 */
#define LFE_GROUPS 2 /* of three (D15): seven exponents */
#define STRATEGY_D45 3
#define LEVEL 15 /* an exponent, any: there is nothing for it to scale */
#define SAME 62 /* three exponents like the one before: 25 * 2 + 5 * 2 + 2 */
#define SUBSTREAMS_MAX 4 /* an independent one and those that depend on it */

/* What a frame's blocks depend on. */
struct layout {
	unsigned acmod, channels;
	bool lfe;
};

static struct layout
layout(unsigned acmod, bool lfe)
{
	static const uint8_t channels[8] = { 2, 1, 2, 3, 3, 4, 4, 5 };

	return (struct layout){ .acmod = acmod, .channels = channels[acmod], .lfe = lfe };
}

static uint16_t
crc(uint16_t value, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		value ^= (uint16_t)(p[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			value = (uint16_t)(value << 1 ^ (value & 0x8000 ? CRC_POLY : 0));
	}
	return value;
}

/* What has to stand in front of len bytes of this CRC so that both together have none. */
static uint16_t
crc_front(uint16_t value, size_t len)
{
	for (size_t bit = 0; bit < (len + 2) * 8; bit++)
		value = (uint16_t)(value & 1 ? (value ^ CRC_POLY) >> 1 | 0x8000 : value >> 1);
	return value;
}

static void
put_crc2(uint8_t *frame, size_t from, size_t len)
{
	uint16_t value = crc(0, frame + from, len - 2 - from);

	if (value == SYNC) { /* crcrsv: the check must not look like a frame's beginning (6.1.8) */
		frame[len - 3] ^= 1;
		value = crc(0, frame + from, len - 2 - from);
	}
	frame[len - 2] = (uint8_t)(value >> 8);
	frame[len - 1] = (uint8_t)value;
}

/* A channel's exponents: the first as it is, then groups of which each is like the one before. */
static void
put_exponents(struct bits_out *b, unsigned groups)
{
	bits_put(b, LEVEL, 4);
	for (unsigned i = 0; i < groups; i++)
		bits_put(b, SAME, 7);
}

/* chbwcod for each channel, then exponents of all. */
static void
put_spectra(struct bits_out *b, struct layout l)
{
	for (unsigned ch = 0; ch < l.channels; ch++)
		bits_put(b, BANDWIDTH, 6);
	for (unsigned ch = 0; ch < l.channels; ch++) {
		put_exponents(b, GROUPS);
		bits_put(b, 0, 2); /* gainrng */
	}
	if (l.lfe)
		put_exponents(b, LFE_GROUPS);
}

/* audblk(), 4.3.3. */
static void
put_block(struct bits_out *b, struct layout l, bool first)
{
	bits_put(b, 0, l.channels); /* blksw */
	bits_put(b, 0, l.channels); /* dithflag */
	bits_put(b, 0, l.acmod == 0 ? 2 : 1); /* dynrnge, dynrng2e */
	bits_put(b, first ? 2 : 0, first ? 2 : 1); /* cplstre; cplinu 0 */
	if (l.acmod == 2)
		bits_put(b, first ? 0x10 : 0, first ? 5 : 1); /* rematstr; rematflg 0 in four bands */
	for (unsigned ch = 0; ch < l.channels; ch++)
		bits_put(b, first ? STRATEGY_D45 : 0, 2);
	if (l.lfe)
		bits_put(b, first, 1);
	if (first)
		put_spectra(b, l);
	bits_put(b, first, 1); /* baie */
	if (first)
		bits_put(b, 0, 2 + 2 + 2 + 2 + 3);
	bits_put(b, first, 1); /* snroffste: csnroffst 0, then fsnroffst 0 and fgaincod 0 for each */
	if (first) {
		bits_put(b, 0, 6);
		for (unsigned ch = 0; ch < l.channels + l.lfe; ch++)
			bits_put(b, 0, 4 + 3);
	}
	bits_put(b, 0, 2); /* deltbaie, skiple */
}

size_t
silence_ac3(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate)
{
	struct bits_in from = { .at = own, .len = len };
	struct bits_out to = { .at = out };
	size_t n = es_ac3_frame(own, len, samples, rate), first; /* the part that crc1 covers */
	struct layout l;
	unsigned acmod;
	uint16_t crc1;

	if (n < 2 || n > SILENCE_FRAME_MAX || own[5] >> 3 > 8) /* half rates have a syntax of their own */
		return 0;
	to.len = n;
	(void)bits_copy(&to, &from, 16);
	(void)bits_get(&from, 16);
	bits_put(&to, 0, 16);
	(void)bits_copy(&to, &from, 2 + 6 + 5 + 3); /* fscod, frmsizecod, bsid, bsmod */
	acmod = bits_copy(&to, &from, 3);
	if ((acmod & 1) != 0 && acmod != 1)
		(void)bits_copy(&to, &from, 2); /* cmixlev */
	if ((acmod & 4) != 0)
		(void)bits_copy(&to, &from, 2); /* surmixlev */
	if (acmod == 2)
		(void)bits_copy(&to, &from, 2); /* dsurmod */
	l = layout(acmod, bits_copy(&to, &from, 1));
	(void)bits_copy(&to, &from, 5); /* dialnorm */
	if (from.over)
		return 0;
	bits_put(&to, 0, 3); /* compre, langcode, audprodie */
	if (acmod == 0)
		bits_put(&to, 1u << 3, 5 + 3); /* dialnorm2: any but 0, which is reserved */
	bits_put(&to, 0, 2 + 2 + 1); /* copyrightb, origbs; timecod1e, timecod2e; addbsie */
	for (unsigned i = 0; i < BLOCKS; i++)
		put_block(&to, l, i == 0);
	first = ((n >> 2) + (n >> 4)) * 2; /* 5/8 of it, in whole words (6.1.2) */
	if (to.over || to.n + 18 > n * 8)
		return 0;
	crc1 = crc_front(crc(0, out + 4, first - 4), first - 4);
	out[2] = (uint8_t)(crc1 >> 8);
	out[3] = (uint8_t)crc1;
	put_crc2(out, first, n);
	return n;
}

/* audfrm(), E.1.2.3. */
static void
put_frame_information(struct bits_out *b, struct layout l, unsigned blocks, unsigned strmtyp)
{
	if (blocks == BLOCKS)
		bits_put(b, 2, 2); /* expstre 1, ahte 0 */
	bits_put(b, 0, 2 + 1 + 1); /* snroffststr, transproce, blkswe */
	bits_put(b, 1, 1); /* dithflage: that there is none has to be said */
	bits_put(b, 0, 5); /* bamode, frmfgaincode, dbaflde, skipflde, spxattene */
	if (l.acmod > 1)
		bits_put(b, 0, blocks); /* cplinu of the first, cplstre of the others */
	for (unsigned i = 0; i < blocks; i++)
		for (unsigned ch = 0; ch < l.channels; ch++)
			bits_put(b, i == 0 ? STRATEGY_D45 : 0, 2);
	for (unsigned i = 0; l.lfe && i < blocks; i++)
		bits_put(b, i == 0, 1);
	if (strmtyp != 1) {
		bool converted = blocks == BLOCKS;

		if (!converted)
			bits_put(b, 0, 1); /* convexpstre */
		for (unsigned ch = 0; converted && ch < l.channels; ch++)
			bits_put(b, 0, 5); /* convexpstr */
	}
	bits_put(b, 0, 6 + 4); /* frmcsnroffst, frmfsnroffst */
	if (blocks > 1)
		bits_put(b, 0, 1); /* blkstrtinfoe */
}

/* audblk(), E.1.2.4. */
static void
put_eac3_block(struct bits_out *b, struct layout l, bool first, unsigned strmtyp)
{
	bits_put(b, 0, l.channels); /* dithflag */
	bits_put(b, 0, l.acmod == 0 ? 2 : 1); /* dynrnge, dynrng2e */
	bits_put(b, 0, 1); /* spxinu in the first, then spxstre */
	if (l.acmod == 2)
		bits_put(b, 0, first ? 4 : 1); /* rematflg; rematstr */
	if (first)
		put_spectra(b, l);
	if (strmtyp == 0)
		bits_put(b, 0, 1); /* convsnroffste */
}

/* One substream's frame. 0 when it is none; *dependent: it belongs to the one before. */
static size_t
substream(const uint8_t *own, size_t len, uint8_t *out, size_t room, bool *dependent, unsigned *samples, unsigned *rate)
{
	static const unsigned blocks_of[4] = { 1, 2, 3, 6 };
	struct bits_in from = { .at = own, .len = len };
	struct bits_out to = { .at = out };
	size_t n = es_ac3_frame(own, len, samples, rate);
	unsigned strmtyp, fscod, blocks, acmod;
	struct layout l;

	if (n < 4 || n > room || own[5] >> 3 != 16)
		return 0;
	to.len = n;
	(void)bits_copy(&to, &from, 16);
	strmtyp = bits_copy(&to, &from, 2);
	if (strmtyp > 1) /* 2: was AC-3 and has more to copy; nobody sends it */
		return 0;
	(void)bits_copy(&to, &from, 3 + 11); /* substreamid, frmsiz */
	fscod = bits_copy(&to, &from, 2);
	blocks = blocks_of[bits_copy(&to, &from, 2)];
	if (fscod == 3)
		blocks = BLOCKS;
	acmod = bits_copy(&to, &from, 3);
	l = layout(acmod, bits_copy(&to, &from, 1));
	(void)bits_copy(&to, &from, 5 + 5); /* bsid, dialnorm */
	if (bits_get(&from, 1) != 0)
		(void)bits_get(&from, 8);
	bits_put(&to, 0, 1); /* compre */
	if (acmod == 0) {
		(void)bits_copy(&to, &from, 5); /* dialnorm2 */
		if (bits_get(&from, 1) != 0)
			(void)bits_get(&from, 8);
		bits_put(&to, 0, 1); /* compr2e */
	}
	if (strmtyp == 1 && bits_copy(&to, &from, 1) != 0) /* chanmape */
		(void)bits_copy(&to, &from, 16);
	bits_put(&to, 0, 2); /* mixmdate, infomdate */
	if (strmtyp == 0 && blocks != BLOCKS)
		bits_put(&to, 1, 1); /* convsync */
	bits_put(&to, 0, 1); /* addbsie */
	put_frame_information(&to, l, blocks, strmtyp);
	for (unsigned i = 0; i < blocks; i++)
		put_eac3_block(&to, l, i == 0, strmtyp);
	if (from.over || to.over || to.n + 18 > n * 8)
		return 0;
	put_crc2(out, 2, n);
	*dependent = strmtyp == 1;
	return n;
}

size_t
silence_eac3(const uint8_t *own, size_t len, uint8_t *out, unsigned *samples, unsigned *rate)
{
	unsigned more_samples, more_rate;
	bool dependent;
	size_t n, at, frame;

	if (len > 5 && own[0] == 0x0b && own[5] >> 3 <= 10) /* AC-3 under that name */
		return silence_ac3(own, len, out, samples, rate);
	n = at = substream(own, len, out, SILENCE_FRAME_MAX, &dependent, samples, rate);
	if (n == 0 || dependent)
		return 0;
	for (int i = 1; i < SUBSTREAMS_MAX && at < len; i++) {
		memset(out + n, 0, SILENCE_FRAME_MAX - n);
		frame = substream(
		    own + at, len - at, out + n, SILENCE_FRAME_MAX - n, &dependent, &more_samples, &more_rate);
		if (frame == 0 || !dependent)
			break;
		n += frame;
		at += frame;
	}
	return n;
}
