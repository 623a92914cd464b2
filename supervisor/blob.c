/*
 * blob.c - how the promise in blob.h is kept
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"
#include "supervisor/blob.h"

struct blob *
blob_new(const void *data, size_t len)
{
	struct blob *blob;

	if (len > SIZE_MAX / 2)
		return NULL;
	blob = malloc(sizeof(*blob) + len + 1);
	if (blob == NULL)
		return NULL;
	blob->refs = 1;
	blob->account = NULL;
	blob->len = len;
	if (len > 0)
		memcpy(blob->data, data, len);
	blob->data[len] = '\0';
	return blob;
}

struct blob *
blob_ref(struct blob *blob)
{
	blob->refs++;
	return blob;
}

void
blob_drop(struct blob **blob)
{
	struct blob *b = *blob;

	*blob = NULL;
	if (b == NULL)
		return;
	pb_assert(b->refs > 0);
	if (--b->refs > 0)
		return;
	if (b->account != NULL)
		*b->account -= b->len;
	free(b);
}

void
blob_charge(struct blob *blob, size_t *account)
{
	pb_assert(blob->account == NULL);
	blob->account = account;
	*account += blob->len;
}
