/*
 * decrypt.h - AES-128-CBC segments, as their bytes come, and their keys
 *
 * Pure but for libcrypto: bytes in, bytes out, no I/O, no clock. One struct
 * decrypt is one segment (or one byte range of one): the chain of blocks
 * starts anew with each (RFC 8216 4.3.2.4).
 *
 *   trust     ciphertext and keys come from outside; nothing in them fails
 *             harder than an error code
 *   secrets   keys are wiped when they are dropped
 *
 * Not here: where a key comes from (worker/fetch.h), and when it is asked
 * for again because decrypt_sniff() said no.
 */
#ifndef PLEXBRIDGE_WORKER_DECRYPT_H
#define PLEXBRIDGE_WORKER_DECRYPT_H

#include <stddef.h>
#include <stdint.h>

#define DECRYPT_KEY 16
#define DECRYPT_BLOCK 16
#define DECRYPT_SLACK (2 * DECRYPT_BLOCK) /* what out needs beyond the input's length */
#define DECRYPT_KEYS_MAX 16
#define DECRYPT_SNIFF 189 /* bytes that decrypt_sniff() wants to be sure of TS */

struct decrypt;

/* How a segment's ciphertext ended. */
enum decrypt_end {
	DECRYPT_WHOLE, /* valid PKCS#7 padding, removed */
	DECRYPT_BAD_PADDING, /* kept up to the last multiple of 188; encoders that don't pad do this */
	DECRYPT_TRUNCATED, /* not a multiple of 16, or nothing: all whole blocks were kept */
};

/*
 * Begin a segment. key_len must be DECRYPT_KEY (what a server sent as a
 * key may be anything), or PB_EFORMAT. Gives *out. 0, PB_ENOMEM.
 */
int decrypt_new(struct decrypt **out, const void *key, size_t key_len, const uint8_t iv[DECRYPT_BLOCK]);

/*
 * Decrypt len bytes of ciphertext into out, which has room for len +
 * DECRYPT_SLACK and does not overlap in; *out_len says how many came out.
 * The last block is kept back: it may be the padding. 0, or PB_ELIMIT when
 * len is beyond 1 GiB.
 */
int decrypt_update(struct decrypt *d, const void *in, size_t len, uint8_t *out, size_t *out_len);

/* The segment is over: what was kept back, at most DECRYPT_BLOCK bytes into out. Nothing may follow it. */
enum decrypt_end decrypt_final(struct decrypt *d, uint8_t *out, size_t *out_len);

/* End it, wipe what it knew, set *d to NULL. */
void decrypt_free(struct decrypt **d);

/* "whole", "bad padding", "truncated". */
const char *decrypt_end_name(enum decrypt_end end);

/* The IV of a segment that names none: its media sequence number, big endian (RFC 8216 5.2). */
void decrypt_iv_from_msn(uint8_t iv[DECRYPT_BLOCK], uint64_t msn);

/*
 * Does this beginning of a segment look like media: TS (0x47 twice, 188,
 * 192 or 204 apart), an ID3 tag, ADTS, an fMP4 box, WEBVTT? 0 yes, PB_NO
 * (a wrong key, most likely), PB_AGAIN when len is too small to tell; a
 * segment that ended so short is PB_NO to its owner.
 */
int decrypt_sniff(const uint8_t *buf, size_t len);

/*
 * A key that is written in the playlist itself: "data:[type][;base64],..."
 * into key. 0, PB_NO (no data: URI), PB_EFORMAT (undecodable, or not
 * exactly 16 bytes).
 */
int decrypt_data_uri(uint8_t key[DECRYPT_KEY], const char *uri);

/*
 * Keys by resolved URI, DECRYPT_KEYS_MAX of them, the one that was longest
 * unused goes first. Zeroed memory is an empty one; it allocates the URIs.
 */
struct decrypt_keys {
	struct decrypt_key {
		char *uri; /* NULL: free */
		uint8_t key[DECRYPT_KEY];
		uint64_t used;
	} keys[DECRYPT_KEYS_MAX];
	uint64_t clock;
};

/* The key, borrowed until the next call of any of these; NULL when it is not known. */
const uint8_t *decrypt_keys_get(struct decrypt_keys *keys, const char *uri);

/* Remember (or replace) one. 0, PB_EFORMAT when key_len is not DECRYPT_KEY, PB_ENOMEM. */
int decrypt_keys_put(struct decrypt_keys *keys, const char *uri, const void *key, size_t key_len);

/* It turned out to be the wrong one. */
void decrypt_keys_forget(struct decrypt_keys *keys, const char *uri);

/* Wipe all; the struct can be used again. */
void decrypt_keys_clear(struct decrypt_keys *keys);

#endif
