/*
 * tests/unit/decrypt.c - what a segment's ciphertext becomes, however it comes
 */
#include "worker/decrypt.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/pb.h"
#include "base/ts.h"

static const uint8_t key[16] = { 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf,
	0x4f, 0x3c };
static const uint8_t iv[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

/* NIST SP 800-38A, F.2.2: four blocks without padding. */
static const uint8_t nist_cipher[64] = { 0x76, 0x49, 0xab, 0xac, 0x81, 0x19, 0xb2, 0x46, 0xce, 0xe9, 0x8e, 0x9b, 0x12,
	0xe9, 0x19, 0x7d, 0x50, 0x86, 0xcb, 0x9b, 0x50, 0x72, 0x19, 0xee, 0x95, 0xdb, 0x11, 0x3a, 0x91, 0x76, 0x78,
	0xb2, 0x73, 0xbe, 0xd6, 0xb8, 0xe3, 0xc1, 0x74, 0x3b, 0x71, 0x16, 0xe6, 0x9e, 0x22, 0x22, 0x95, 0x16, 0x3f,
	0xf1, 0xca, 0xa1, 0x68, 0x1f, 0xac, 0x09, 0x12, 0x0e, 0xca, 0x30, 0x75, 0x86, 0xe1, 0xa7 };
static const uint8_t nist_plain[48] = { 0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73,
	0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e,
	0x51, 0x30, 0xc8, 0x1c, 0x46, 0xa3, 0x5c, 0xe4, 0x11, 0xe5, 0xfb, 0xc1, 0x19, 0x1a, 0x0a, 0x52, 0xef };

/* Encrypt with libcrypto; pad: PKCS#7. Returns the length. */
static size_t
encrypt(uint8_t *out, const uint8_t *in, size_t len, bool pad)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, last = 0;

	ck_assert_int_eq(EVP_EncryptInit_ex(ctx, EVP_aes_128_cbc(), NULL, key, iv), 1);
	EVP_CIPHER_CTX_set_padding(ctx, pad);
	ck_assert_int_eq(EVP_EncryptUpdate(ctx, out, &n, in, (int)len), 1);
	ck_assert_int_eq(EVP_EncryptFinal_ex(ctx, out + n, &last), 1);
	EVP_CIPHER_CTX_free(ctx);
	return (size_t)(n + last);
}

static void
fill_ts(uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = i % TS_PACKET == 0 ? TS_SYNC : (uint8_t)(i * 7 + i / TS_PACKET);
}

/* Decrypt in pieces of `piece` bytes. out must have room for len + slack. */
static enum decrypt_end
decrypt(uint8_t *out, size_t *out_len, const uint8_t *in, size_t len, size_t piece)
{
	uint8_t *buf = malloc(piece + DECRYPT_SLACK); /* just as much as the header asks for */
	struct decrypt *d = NULL;
	enum decrypt_end end;
	size_t n, total = 0;

	ck_assert_int_eq(decrypt_new(&d, key, sizeof(key), iv), 0);
	for (size_t at = 0; at < len; at += piece) {
		ck_assert_int_eq(decrypt_update(d, in + at, PB_MIN(piece, len - at), buf, &n), 0);
		memcpy(out + total, buf, n);
		total += n;
	}
	end = decrypt_final(d, buf, &n);
	ck_assert_uint_le(n, DECRYPT_BLOCK);
	memcpy(out + total, buf, n);
	*out_len = total + n;
	decrypt_free(&d);
	ck_assert_ptr_null(d);
	free(buf);
	return end;
}

START_TEST(the_published_vectors_come_out_right)
{
	uint8_t out[128];
	size_t n;

	/* 64 bytes without padding: nothing of it is a whole number of TS packets, what was given out stays. */
	ck_assert_int_eq(decrypt(out, &n, nist_cipher, sizeof(nist_cipher), 64), DECRYPT_BAD_PADDING);
	ck_assert_uint_eq(n, 48);
	ck_assert_mem_eq(out, nist_plain, 48);
}
END_TEST

START_TEST(any_chunking_gives_the_same_bytes)
{
	uint8_t plain[5 * TS_PACKET], cipher[6 * TS_PACKET], out[7 * TS_PACKET];
	size_t len, n;

	fill_ts(plain, sizeof(plain));
	len = encrypt(cipher, plain, sizeof(plain), true);
	ck_assert_int_eq(decrypt(out, &n, cipher, len, (size_t)_i), DECRYPT_WHOLE);
	ck_assert_uint_eq(n, sizeof(plain));
	ck_assert_mem_eq(out, plain, n);
}
END_TEST

START_TEST(padding_of_every_length_is_removed)
{
	uint8_t plain[64], cipher[96], out[128];
	size_t len, n;

	fill_ts(plain, sizeof(plain));
	len = encrypt(cipher, plain, (size_t)_i, true);
	ck_assert_int_eq(decrypt(out, &n, cipher, len, 17), DECRYPT_WHOLE);
	ck_assert_uint_eq(n, (size_t)_i);
	ck_assert_mem_eq(out, plain, n);
}
END_TEST

START_TEST(a_segment_that_was_never_padded_keeps_its_packets)
{
	uint8_t plain[4 * TS_PACKET], cipher[5 * TS_PACKET], out[5 * TS_PACKET];
	size_t len, n;

	fill_ts(plain, sizeof(plain)); /* 752 bytes, 47 blocks */
	len = encrypt(cipher, plain, sizeof(plain), false);
	ck_assert_uint_eq(len, sizeof(plain));
	ck_assert_int_eq(decrypt(out, &n, cipher, len, 100), DECRYPT_BAD_PADDING);
	ck_assert_uint_eq(n, sizeof(plain));
	ck_assert_mem_eq(out, plain, n);
}
END_TEST

START_TEST(junk_behind_the_last_packet_is_dropped_when_the_padding_is_wrong)
{
	uint8_t plain[4 * TS_PACKET + 16], cipher[5 * TS_PACKET], out[5 * TS_PACKET];
	size_t len, n;

	fill_ts(plain, sizeof(plain));
	memset(plain + 4 * TS_PACKET, 0xee, 16);
	len = encrypt(cipher, plain, sizeof(plain), false);
	ck_assert_int_eq(decrypt(out, &n, cipher, len, 64), DECRYPT_BAD_PADDING);
	ck_assert_uint_eq(n, 4 * TS_PACKET);
	ck_assert_mem_eq(out, plain, n);
}
END_TEST

START_TEST(a_segment_cut_anywhere_keeps_its_whole_blocks_and_says_so)
{
	uint8_t plain[2 * TS_PACKET], cipher[3 * TS_PACKET], out[4 * TS_PACKET];
	size_t len, n, cut = (size_t)_i;
	enum decrypt_end end;

	fill_ts(plain, sizeof(plain));
	len = encrypt(cipher, plain, sizeof(plain), true);
	ck_assert_uint_lt(cut, len);
	end = decrypt(out, &n, cipher, cut, 33);
	if (cut % 16 != 0 || cut == 0) {
		ck_assert_int_eq(end, DECRYPT_TRUNCATED);
		ck_assert_uint_eq(n, cut / 16 * 16);
	} else {
		/* Cut between blocks: seen as bad padding (the test's bytes are none). */
		ck_assert_int_eq(end, DECRYPT_BAD_PADDING);
		ck_assert_uint_ge(n, cut - 16);
	}
	ck_assert_uint_le(n, cut);
	ck_assert_mem_eq(out, plain, n);
}
END_TEST

START_TEST(a_key_that_is_not_sixteen_bytes_is_refused)
{
	struct decrypt_keys keys = { 0 };
	struct decrypt *d = NULL;
	uint8_t bytes[32] = { 0 };
	int want = _i == 16 ? 0 : PB_EFORMAT;

	ck_assert_int_eq(decrypt_new(&d, bytes, (size_t)_i, iv), want);
	ck_assert_int_eq(d != NULL, want == 0);
	decrypt_free(&d);
	ck_assert_int_eq(decrypt_keys_put(&keys, "k", bytes, (size_t)_i), want);
	ck_assert_int_eq(decrypt_keys_get(&keys, "k") != NULL, want == 0);
	decrypt_keys_clear(&keys);
}
END_TEST

START_TEST(a_missing_iv_is_the_media_sequence_number)
{
	static const uint8_t want[16] = { [8] = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08 };
	uint8_t got[16];

	memset(got, 0xff, sizeof(got));
	decrypt_iv_from_msn(got, UINT64_C(0x0102030405060708));
	ck_assert_mem_eq(got, want, 16);
}
END_TEST

START_TEST(a_wrong_key_is_noticed_by_the_first_bytes)
{
	uint8_t ts[3 * 204] = { 0 };

	for (int stride = 188; stride <= 204; stride += 4) {
		int want = stride == 188 || stride == 192 || stride == 204 ? 0 : PB_NO;
		size_t first = stride == 192 ? 4 : 0;

		memset(ts, 0, sizeof(ts));
		for (size_t i = 0; i < 3; i++)
			if (first + i * (size_t)stride < sizeof(ts))
				ts[first + i * (size_t)stride] = TS_SYNC;
		ck_assert_int_eq(decrypt_sniff(ts, sizeof(ts)), want);
	}
	memset(ts, 0, sizeof(ts));
	ts[0] = TS_SYNC;
	ck_assert_int_eq(decrypt_sniff(ts, 188), PB_AGAIN);
	ck_assert_int_eq(decrypt_sniff(ts, sizeof(ts)), PB_NO);
	ck_assert_int_eq(decrypt_sniff(ts, 7), PB_AGAIN);
	ck_assert_int_eq(decrypt_sniff((const uint8_t *)"ID3\4\0\0\0\0", 8), 0);
	ck_assert_int_eq(decrypt_sniff((const uint8_t *)"\0\0\0\x18styp", 8), 0);
	ck_assert_int_eq(decrypt_sniff((const uint8_t *)"\xff\xf1\x50\x80\0\0\0\0", 8), 0);
	ck_assert_int_eq(decrypt_sniff((const uint8_t *)"<html>....", 10), PB_NO);
}
END_TEST

static const struct {
	const char *uri;
	int err;
} data_uris[] = {
	{ "data:text/plain;base64,AAECAwQFBgcICQoLDA0ODw==", 0 },
	{ "data:;base64,AAECAwQFBgcICQoLDA0ODw", 0 },
	{ "DATA:application/octet-stream;BASE64,AAECAwQFBgcICQoLDA0ODw%3D%3D", 0 },
	{ "data:,%00%01%02%03%04%05%06%07%08%09%0a%0B%0c%0d%0e%0f", 0 },
	{ "data:;base64,AAECAwQFBgcICQoLDA0O", PB_EFORMAT },
	{ "data:;base64,AAECAwQFBgcICQoLDA0ODxA=", PB_EFORMAT },
	{ "data:;base64,AAEC*wQFBgcICQoLDA0ODw==", PB_EFORMAT },
	{ "data:,%0", PB_EFORMAT },
	{ "data:,%zz", PB_EFORMAT },
	{ "data:;base64", PB_EFORMAT },
	{ "data:,", PB_EFORMAT },
	{ "data:;base64,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", PB_EFORMAT },
	{ "https://a.example/key", PB_NO },
};

START_TEST(a_key_in_the_playlist_itself_is_understood_or_refused)
{
	uint8_t got[16];

	memset(got, 0xaa, sizeof(got));
	ck_assert_int_eq(decrypt_data_uri(got, data_uris[_i].uri), data_uris[_i].err);
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(got[i], data_uris[_i].err == 0 ? i : 0xaa);
}
END_TEST

START_TEST(the_key_that_was_longest_unused_is_forgotten_first)
{
	struct decrypt_keys keys = { 0 };
	uint8_t bytes[16] = { 0 };
	char uri[32];

	for (int i = 0; i < DECRYPT_KEYS_MAX; i++) {
		snprintf(uri, sizeof(uri), "key%d", i);
		bytes[0] = (uint8_t)i;
		ck_assert_int_eq(decrypt_keys_put(&keys, uri, bytes, 16), 0);
	}
	ck_assert_ptr_nonnull(decrypt_keys_get(&keys, "key0"));
	ck_assert_int_eq(decrypt_keys_put(&keys, "new", bytes, 16), 0);
	ck_assert_ptr_null(decrypt_keys_get(&keys, "key1"));
	ck_assert_ptr_nonnull(decrypt_keys_get(&keys, "key0"));
	ck_assert_uint_eq(decrypt_keys_get(&keys, "key2")[0], 2);

	bytes[0] = 99;
	ck_assert_int_eq(decrypt_keys_put(&keys, "key2", bytes, 16), 0);
	ck_assert_uint_eq(decrypt_keys_get(&keys, "key2")[0], 99);
	decrypt_keys_forget(&keys, "key2");
	ck_assert_ptr_null(decrypt_keys_get(&keys, "key2"));
	ck_assert_ptr_nonnull(decrypt_keys_get(&keys, "key3"));
	decrypt_keys_clear(&keys);
	ck_assert_ptr_null(decrypt_keys_get(&keys, "key3"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("decrypt");
	TCase *tc = tcase_create("decrypt");
	SRunner *sr;
	int nfailed;

	tcase_add_test(tc, the_published_vectors_come_out_right);
	tcase_add_loop_test(tc, any_chunking_gives_the_same_bytes, 1, 200);
	tcase_add_loop_test(tc, padding_of_every_length_is_removed, 0, 49);
	tcase_add_test(tc, a_segment_that_was_never_padded_keeps_its_packets);
	tcase_add_test(tc, junk_behind_the_last_packet_is_dropped_when_the_padding_is_wrong);
	tcase_add_loop_test(tc, a_segment_cut_anywhere_keeps_its_whole_blocks_and_says_so, 0, 2 * TS_PACKET);
	tcase_add_loop_test(tc, a_key_that_is_not_sixteen_bytes_is_refused, 0, 33);
	tcase_add_test(tc, a_missing_iv_is_the_media_sequence_number);
	tcase_add_test(tc, a_wrong_key_is_noticed_by_the_first_bytes);
	tcase_add_loop_test(tc, a_key_in_the_playlist_itself_is_understood_or_refused, 0, (int)NITEMS(data_uris));
	tcase_add_test(tc, the_key_that_was_longest_unused_is_forgotten_first);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	nfailed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return nfailed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
