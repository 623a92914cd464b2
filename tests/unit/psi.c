/*
 * psi.c - tables from a source, whole and broken, and ours
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "base/ts.h"
#include "worker/psi.h"

static uint8_t last[PSI_SECTION_MAX];
static size_t last_len;
static int wholes;

static void
whole(void *arg, const uint8_t *section, size_t len)
{
	ck_assert_ptr_eq(arg, &wholes);
	memcpy(last, section, len);
	last_len = len;
	wholes++;
}

static void
setup(void)
{
	wholes = 0;
	last_len = 0;
}

/* A section of table id with n bytes of body; its length with CRC. */
static size_t
make(uint8_t *s, uint8_t table, size_t n)
{
	uint32_t crc;

	s[0] = table;
	s[1] = (uint8_t)(0xb0 | (n + 9) >> 8);
	s[2] = (uint8_t)(n + 9);
	s[3] = 0;
	s[4] = 7;
	s[5] = 0xc1;
	s[6] = s[7] = 0;
	crc = ts_crc32(s, 8 + n);
	s[8 + n] = (uint8_t)(crc >> 24);
	s[9 + n] = (uint8_t)(crc >> 16);
	s[10 + n] = (uint8_t)(crc >> 8);
	s[11 + n] = (uint8_t)crc;
	return 12 + n;
}

static const uint8_t pmt_body[] = {
	0xe1,
	0x00,
	0xf0,
	0x06,
	0x05,
	4,
	'H',
	'D',
	'M',
	'V', /* PCR PID, program descriptors */
	0x1b,
	0xe1,
	0x00,
	0xf0,
	0,
	0x06,
	0xe1,
	0x01,
	0xf0,
	3,
	0x6a,
	1,
	0,
	0x0f,
	0xe1,
	0x02,
	0xf0,
	6,
	0x0a,
	4,
	'E',
	'N',
	'G',
	0,
	0x06,
	0xe1,
	0x03,
	0xf0,
	6,
	0x05,
	4,
	'E',
	'A',
	'C',
	'3',
	0x06,
	0xe1,
	0x04,
	0xf0,
	2,
	0x59,
	0,
	0x8a,
	0xe1,
	0x05,
	0xf0,
	0,
	0xcf,
	0xe1,
	0x06,
	0xf0,
	0,
};

START_TEST(streams_are_read_with_what_they_are)
{
	static const enum es_codec want[] = { ES_H264, ES_AC3, ES_AAC, ES_EAC3, ES_NONE, ES_NONE, ES_NONE };
	uint8_t s[PSI_SECTION_MAX];
	struct psi_pmt pmt;
	size_t len;

	memcpy(s + 8, pmt_body, sizeof(pmt_body));
	len = make(s, 2, sizeof(pmt_body));
	ck_assert_int_eq(psi_read_pmt(s, len, &pmt), 0);
	ck_assert_int_eq(pmt.n, NITEMS(want));
	ck_assert_int_eq(pmt.program, 7);
	ck_assert_int_eq(pmt.pcr_pid, 0x100);
	for (int i = 0; i < pmt.n; i++) {
		ck_assert_int_eq(pmt.stream[i].codec, want[i]);
		ck_assert_int_eq(pmt.stream[i].pid, 0x100 + i);
		ck_assert_int_eq(pmt.stream[i].sealed, i == 6);
		ck_assert_str_eq(pmt.stream[i].lang, i == 2 ? "eng" : "");
	}
}
END_TEST

START_TEST(a_pmt_whose_lengths_lie_is_refused_or_bounded)
{
	for (size_t cut = 0; cut <= sizeof(pmt_body); cut++) {
		for (int spoil = -1; spoil < (int)cut; spoil++) {
			uint8_t *s = malloc(12 + cut);
			struct psi_pmt pmt;
			int err;

			ck_assert_ptr_nonnull(s);
			memcpy(s + 8, pmt_body, cut);
			if (spoil >= 0)
				s[8 + spoil] ^= 0xff;
			err = psi_read_pmt(s, make(s, 2, cut), &pmt);
			ck_assert(err == 0 || err == PB_EFORMAT);
			for (int i = 0; err == 0 && i < pmt.n; i++)
				ck_assert(pmt.stream[i].desc + pmt.stream[i].desc_len <= s + 8 + cut);
			free(s);
		}
	}
}
END_TEST

START_TEST(a_pat_gives_programs_and_not_the_network)
{
	static const uint8_t body[] = { 0, 0, 0xe0, 0x10, 0, 1, 0xf0, 0x00, 0, 2, 0xe0, 0x42, 0, 3, 0xff, 0xff };
	uint8_t s[64];
	struct psi_pat pat;
	size_t len;

	memcpy(s + 8, body, sizeof(body));
	len = make(s, 0, sizeof(body));
	ck_assert_int_eq(psi_read_pat(s, len, &pat), 0);
	ck_assert_int_eq(pat.n, 2);
	ck_assert_int_eq(pat.program[0].pid, 0x1000);
	ck_assert_int_eq(pat.program[1].number, 2);
	ck_assert_int_eq(pat.program[1].pid, 0x42);
	s[5] &= 0xfe; /* in force later */
	ck_assert_int_eq(psi_read_pat(s, len, &pat), PB_NO);
	ck_assert_int_eq(psi_read_pat(s, len - 1, &pat), PB_EFORMAT);
	make(s, 2, sizeof(body));
	ck_assert_int_eq(psi_read_pat(s, len, &pat), PB_NO);
}
END_TEST

/* Any number of sections, one behind the other, cut into payloads of any size. */
START_TEST(sections_are_gathered_however_they_are_cut)
{
	uint8_t s[3 * PSI_SECTION_MAX];
	size_t len = 0, ends[3], body[] = { 10, 1000, 300 };

	memset(s, 0x22, sizeof(s));
	for (int i = 0; i < 3; i++) {
		len += make(s + len, 2, body[i]);
		ends[i] = len;
	}
	for (size_t first = 1; first < 184; first++) {
		struct psi_gather g = { 0 };
		uint8_t payload[184];
		size_t at = 0, n, room;
		int broken = 0;
		bool pusi = true;

		setup();
		while (at < len) {
			/* The pointer says where the next section begins, if one does in this payload. */
			size_t next = len;

			room = at == 0 ? first : 183;
			n = PB_MIN(room, len - at);
			for (int i = 0; i < 2; i++)
				if (ends[i] >= at && ends[i] < at + n && ends[i] < next)
					next = ends[i];
			if (at == 0)
				next = 0;
			pusi = next < len;
			memset(payload, 0xff, sizeof(payload));
			if (pusi)
				payload[0] = (uint8_t)(next - at);
			memcpy(payload + pusi, s + at, n);
			at += n;
			broken += psi_gather(&g, pusi, payload, n + pusi, whole, &wholes);
		}
		ck_assert_int_eq(broken, 0);
		ck_assert_int_eq(wholes, 3);
		ck_assert_uint_eq(last_len, 312);
	}
}
END_TEST

START_TEST(a_broken_section_is_dropped_and_counted)
{
	uint8_t p[184];
	struct psi_gather g = { 0 };
	size_t len;

	for (size_t spoil = 0; spoil < 40; spoil++) {
		setup();
		memset(p, 0xff, sizeof(p));
		p[0] = 0;
		memset(p + 9, 0x33, 28);
		len = make(p + 1, 2, 28);
		ck_assert_uint_eq(len, 40);
		p[1 + spoil] ^= 0x11;
		(void)psi_gather(&g, true, p, sizeof(p), whole, &wholes);
		ck_assert_int_eq(wholes, 0);
		psi_lost(&g);
		p[1 + spoil] ^= 0x11;
		ck_assert_int_eq(psi_gather(&g, true, p, sizeof(p), whole, &wholes), 0);
		ck_assert_int_eq(wholes, 1);
	}
	p[0] = 200; /* points out of the packet */
	ck_assert_int_eq(psi_gather(&g, true, p, sizeof(p), whole, &wholes), 1);
	ck_assert_int_eq(wholes, 1);
}
END_TEST

START_TEST(a_section_that_is_too_long_is_dropped)
{
	struct psi_gather g = { 0 };
	uint8_t p[184];

	memset(p, 0, sizeof(p));
	p[1] = 2;
	p[2] = 0xbf;
	p[3] = 0xff;
	ck_assert_int_eq(psi_gather(&g, true, p, sizeof(p), whole, &wholes), 1);
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(psi_gather(&g, false, p, sizeof(p), whole, &wholes), 0);
	ck_assert_int_eq(wholes, 0);
}
END_TEST

START_TEST(descriptors_are_copied_but_for_conditional_access)
{
	static const uint8_t desc[] = { 0x09, 4, 1, 2, 3, 4, 0x0a, 4, 'd', 'e', 'u', 0, 0x09, 1, 9, 0x6a, 1, 0 };
	uint8_t big[3 * 82], out[PSI_DESC_MAX];

	ck_assert_uint_eq(psi_copy_desc(out, desc, sizeof(desc)), 9);
	ck_assert_mem_eq(out, "\x0a\4deu\0\x6a\1\0", 9);
	ck_assert_uint_eq(psi_copy_desc(out, desc, 11), 0); /* cut */
	memset(big, 0x44, sizeof(big));
	big[1] = 80;
	big[82] = 0x05;
	big[83] = 20;
	big[104] = 0x05;
	big[105] = 49;
	ck_assert_uint_eq(psi_copy_desc(out, big, 155), 22);
}
END_TEST

START_TEST(our_tables_are_read_back)
{
	uint8_t p[TS_PACKET], desc[PSI_DESC_MAX] = { 0x0a, 70 };
	struct psi_entry e[2] = { { 0x100, 0x1b, PSI_DESC_MAX, desc }, { 0x101, 0x0f, PSI_DESC_MAX, desc } };
	struct psi_gather g = { 0 };
	struct psi_pat pat;
	struct psi_pmt pmt;

	psi_put_pat(p, 5, 1, 0x1000);
	ck_assert_int_eq(ts_pid(p), TS_PID_PAT);
	ck_assert_int_eq(ts_cc(p), 5);
	ck_assert_int_eq(psi_gather(&g, true, p + 4, 184, whole, &wholes), 0);
	ck_assert_int_eq(psi_read_pat(last, last_len, &pat), 0);
	ck_assert_int_eq(pat.n, 1);
	ck_assert_int_eq(pat.program[0].pid, 0x1000);
	psi_put_pmt(p, 15, 1, 0x1000, 0x100, e, 2);
	ck_assert_int_eq(psi_gather(&g, true, p + 4, 184, whole, &wholes), 0);
	ck_assert_int_eq(psi_read_pmt(last, last_len, &pmt), 0);
	ck_assert_int_eq(pmt.n, 2);
	ck_assert_int_eq(pmt.stream[1].pid, 0x101);
	ck_assert_uint_eq(pmt.stream[1].desc_len, PSI_DESC_MAX);
	ck_assert_int_eq(wholes, 2);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("psi");
	TCase *tc = tcase_create("psi");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, streams_are_read_with_what_they_are);
	tcase_add_test(tc, a_pmt_whose_lengths_lie_is_refused_or_bounded);
	tcase_add_test(tc, a_pat_gives_programs_and_not_the_network);
	tcase_add_test(tc, sections_are_gathered_however_they_are_cut);
	tcase_add_test(tc, a_broken_section_is_dropped_and_counted);
	tcase_add_test(tc, a_section_that_is_too_long_is_dropped);
	tcase_add_test(tc, descriptors_are_copied_but_for_conditional_access);
	tcase_add_test(tc, our_tables_are_read_back);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
