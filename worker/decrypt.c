/*
 * decrypt.c - how the promise in decrypt.h is kept
 *
 * libcrypto's own padding check throws the last block away when the padding
 * is wrong, and some encoders do not pad at all. So padding is off there and
 * the last block is kept back here. Decrypted bytes are written once, to
 * where the caller wants them: the block that was kept back goes in front,
 * the new ones behind it, and the last of them is copied out.
 */
#include "worker/decrypt.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/pb.h"
#include "base/ts.h"

#define UPDATE_MAX ((size_t)1 << 30) /* libcrypto counts in int */

struct decrypt {
	EVP_CIPHER_CTX *ctx;
	uint64_t in_len; /* ciphertext so far */
	uint64_t out_len; /* plaintext given out so far */
	bool has_held;
	uint8_t held[DECRYPT_BLOCK];
};

int
decrypt_new(struct decrypt **out, const void *key, size_t key_len, const uint8_t iv[DECRYPT_BLOCK])
{
	struct decrypt *d;

	if (key_len != DECRYPT_KEY)
		return PB_EFORMAT;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return PB_ENOMEM;
	d->ctx = EVP_CIPHER_CTX_new();
	if (d->ctx == NULL || EVP_DecryptInit_ex(d->ctx, EVP_aes_128_cbc(), NULL, key, iv) != 1) {
		decrypt_free(&d);
		return PB_ENOMEM;
	}
	EVP_CIPHER_CTX_set_padding(d->ctx, 0);
	*out = d;
	return 0;
}

int
decrypt_update(struct decrypt *d, const void *in, size_t len, uint8_t *out, size_t *out_len)
{
	size_t front = d->has_held ? DECRYPT_BLOCK : 0;
	int n = 0;

	*out_len = 0;
	if (len > UPDATE_MAX)
		return PB_ELIMIT;
	if (len == 0)
		return 0;
	/* Without padding nothing but a bad argument can fail here. */
	pb_assert(EVP_DecryptUpdate(d->ctx, out + front, &n, in, (int)len) == 1);
	d->in_len += len;
	if (n == 0)
		return 0;
	memcpy(out, d->held, front);
	memcpy(d->held, out + front + (size_t)n - DECRYPT_BLOCK, DECRYPT_BLOCK);
	d->has_held = true;
	*out_len = front + (size_t)n - DECRYPT_BLOCK;
	d->out_len += *out_len;
	return 0;
}

static size_t
padding(const uint8_t block[DECRYPT_BLOCK])
{
	uint8_t n = block[DECRYPT_BLOCK - 1];

	if (n < 1 || n > DECRYPT_BLOCK)
		return 0;
	for (size_t i = DECRYPT_BLOCK - n; i < DECRYPT_BLOCK; i++)
		if (block[i] != n)
			return 0;
	return n;
}

enum decrypt_end
decrypt_final(struct decrypt *d, uint8_t *out, size_t *out_len)
{
	enum decrypt_end end = DECRYPT_WHOLE;
	size_t keep = 0, pad;
	uint64_t whole;

	if (!d->has_held || d->in_len % DECRYPT_BLOCK != 0) {
		end = DECRYPT_TRUNCATED; /* what is kept back is not the last block, so it is no padding */
		keep = d->has_held ? DECRYPT_BLOCK : 0;
	} else if ((pad = padding(d->held)) > 0) {
		keep = DECRYPT_BLOCK - pad;
	} else {
		end = DECRYPT_BAD_PADDING;
		whole = (d->out_len + DECRYPT_BLOCK) / TS_PACKET * TS_PACKET;
		keep = whole > d->out_len ? (size_t)(whole - d->out_len) : 0;
	}
	memcpy(out, d->held, keep);
	d->has_held = false;
	d->out_len += keep;
	*out_len = keep;
	return end;
}

void
decrypt_free(struct decrypt **d)
{
	if (*d == NULL)
		return;
	EVP_CIPHER_CTX_free((*d)->ctx);
	OPENSSL_cleanse(*d, sizeof(**d));
	free(*d);
	*d = NULL;
}

const char *
decrypt_end_name(enum decrypt_end end)
{
	switch (end) {
	case DECRYPT_WHOLE:
		return "whole";
	case DECRYPT_BAD_PADDING:
		return "bad padding";
	case DECRYPT_TRUNCATED:
		return "truncated";
	}
	return "unknown";
}

void
decrypt_iv_from_msn(uint8_t iv[DECRYPT_BLOCK], uint64_t msn)
{
	memset(iv, 0, DECRYPT_BLOCK);
	for (int i = DECRYPT_BLOCK - 1; i >= DECRYPT_BLOCK - 8; i--, msn >>= 8)
		iv[i] = (uint8_t)msn;
}

/* Types of boxes that a fragment or its header begins with (ISO/IEC 14496-12, 8.1.1). */
static bool
is_box(const uint8_t *type)
{
	static const char known[][5] = { "ftyp", "styp", "moof", "sidx", "moov", "emsg", "prft", "free", "skip" };

	for (size_t i = 0; i < NITEMS(known); i++)
		if (memcmp(type, known[i], 4) == 0)
			return true;
	return false;
}

int
decrypt_sniff(const uint8_t *buf, size_t len)
{
	static const int strides[] = { 188, 192, 204 };

	if (len < 8)
		return PB_AGAIN;
	if (memcmp(buf, "ID3", 3) == 0 || memcmp(buf, "WEBVTT", 6) == 0 || is_box(buf + 4))
		return 0;
	if (buf[0] == 0xff && (buf[1] & 0xf6) == 0xf0)
		return 0; /* ADTS; layer is always 0, which tells it from MP3 */
	if (len < DECRYPT_SNIFF)
		return buf[0] == TS_SYNC || buf[4] == TS_SYNC ? PB_AGAIN : PB_NO;
	for (size_t i = 0; i < NITEMS(strides); i++) {
		size_t first = strides[i] == 192 ? 4 : 0; /* M2TS has its time stamp in front */

		if (buf[first] != TS_SYNC)
			continue;
		if (first + (size_t)strides[i] >= len)
			return PB_AGAIN;
		if (buf[first + (size_t)strides[i]] == TS_SYNC)
			return 0;
	}
	return PB_NO;
}

static int
hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A key fits in 24 base64 characters; with %-escapes in it, in 72. More is no key. */
static long
percent_decode(char *out, size_t size, const char *in)
{
	size_t n = 0;

	for (; *in != '\0'; in++) {
		int c = (unsigned char)*in;

		if (c == '%') {
			int high = hex_digit((unsigned char)in[1]);
			int low = high < 0 ? -1 : hex_digit((unsigned char)in[2]);

			if (low < 0)
				return -1;
			c = high << 4 | low;
			in += 2;
		}
		if (n == size)
			return -1;
		out[n++] = (char)c;
	}
	return (long)n;
}

static int
base64_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-') /* RFC 4648 5: the alphabet for URLs is as good here */
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

static long
base64_decode(uint8_t *out, size_t size, const char *in, size_t len)
{
	uint32_t bits = 0;
	size_t n = 0, have = 0;

	while (len > 0 && in[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++) {
		int v = base64_value((unsigned char)in[i]);

		if (v < 0)
			return -1;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			if (n == size)
				return -1;
			have -= 8;
			out[n++] = (uint8_t)(bits >> have);
		}
	}
	return have == 6 ? -1 : (long)n; /* a single character is six bits of nothing */
}

int
decrypt_data_uri(uint8_t key[DECRYPT_KEY], const char *uri)
{
	const char *comma;
	uint8_t bytes[DECRYPT_KEY];
	char text[64];
	long n;
	bool base64;

	if (strncasecmp(uri, "data:", 5) != 0)
		return PB_NO;
	comma = strchr(uri, ',');
	if (comma == NULL)
		return PB_EFORMAT;
	base64 = comma - uri >= 12 && strncasecmp(comma - 7, ";base64", 7) == 0;
	n = percent_decode(text, sizeof(text), comma + 1);
	if (n >= 0 && base64)
		n = base64_decode(bytes, sizeof(bytes), text, (size_t)n);
	else if (n == DECRYPT_KEY)
		memcpy(bytes, text, DECRYPT_KEY);
	if (n == DECRYPT_KEY)
		memcpy(key, bytes, DECRYPT_KEY);
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return n == DECRYPT_KEY ? 0 : PB_EFORMAT;
}

static struct decrypt_key *
find(struct decrypt_keys *keys, const char *uri)
{
	for (size_t i = 0; i < DECRYPT_KEYS_MAX; i++)
		if (keys->keys[i].uri != NULL && strcmp(keys->keys[i].uri, uri) == 0)
			return &keys->keys[i];
	return NULL;
}

static void
drop(struct decrypt_key *k)
{
	free(k->uri);
	OPENSSL_cleanse(k, sizeof(*k));
	k->uri = NULL;
}

const uint8_t *
decrypt_keys_get(struct decrypt_keys *keys, const char *uri)
{
	struct decrypt_key *k = find(keys, uri);

	if (k == NULL)
		return NULL;
	k->used = ++keys->clock;
	return k->key;
}

int
decrypt_keys_put(struct decrypt_keys *keys, const char *uri, const void *key, size_t key_len)
{
	struct decrypt_key *k = find(keys, uri);
	char *copy;

	if (key_len != DECRYPT_KEY)
		return PB_EFORMAT;
	if (k == NULL) {
		copy = strdup(uri);
		if (copy == NULL)
			return PB_ENOMEM;
		k = &keys->keys[0];
		for (size_t i = 0; i < DECRYPT_KEYS_MAX && k->uri != NULL; i++)
			if (keys->keys[i].uri == NULL || keys->keys[i].used < k->used)
				k = &keys->keys[i];
		drop(k);
		k->uri = copy;
	}
	memcpy(k->key, key, DECRYPT_KEY);
	k->used = ++keys->clock;
	return 0;
}

void
decrypt_keys_forget(struct decrypt_keys *keys, const char *uri)
{
	struct decrypt_key *k = find(keys, uri);

	if (k != NULL)
		drop(k);
}

void
decrypt_keys_clear(struct decrypt_keys *keys)
{
	for (size_t i = 0; i < DECRYPT_KEYS_MAX; i++)
		drop(&keys->keys[i]);
	keys->clock = 0;
}
