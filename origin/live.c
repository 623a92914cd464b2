/*
 * live.c - wall time to segments, and segments to text
 */
#include "origin/live.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/pb.h"
#include "base/ts.h"

#define BANDWIDTH_TOP 2800000
#define KEPT_EXTRA 10 /* segments that are still served after they left the window, beside as many as it holds */

struct live_stream {
	const struct channel *channel;
	unsigned int variant;
	uint64_t k;
	uint8_t *segment; /* k's bytes, or NULL */
	size_t len;
	size_t at;
};

static int64_t
media_time(const struct channel *channel, double now)
{
	return (int64_t)((now - channel->t0) * channel->speed * 90000);
}

static const struct media *
variant_media(const struct channel *channel, unsigned int variant)
{
	return channel->media[variant];
}

static bool
read_number(const char **at, uint64_t *out)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*out = strtoull(*at, &end, 10);
	*at = end;
	return errno == 0;
}

int
live_route(struct live_target *out, const struct channels *channels, const char *path)
{
	static const struct {
		const char *name;
		enum live_kind kind;
	} fixed[] = {
		{ "master.m3u8", LIVE_MASTER },
		{ "media.m3u8", LIVE_MEDIA },
		{ "key", LIVE_KEY },
		{ "live.ts", LIVE_STREAM },
	};
	const char *at = path + 1;
	size_t len;
	uint64_t n;

	memset(out, 0, sizeof(*out));
	if (strncmp(at, "ch/", 3) == 0) {
		at += 3;
		len = strlen(at);
		if (len <= 3 || strcmp(at + len - 3, ".ts") != 0)
			return PB_NO;
		out->channel = channels_find(channels, at, len - 3);
		out->kind = LIVE_STREAM;
		out->rest = "live.ts";
		return out->channel == NULL ? PB_NO : 0;
	}
	len = strcspn(at, "/");
	out->channel = channels_find(channels, at, len);
	if (out->channel == NULL || at[len] != '/')
		return PB_NO;
	at += len + 1;
	if (strncmp(at, "t/", 2) == 0) {
		at += 2;
		len = strcspn(at, "/");
		if (len >= sizeof(out->token) || at[len] != '/')
			return PB_NO;
		memcpy(out->token, at, len);
		out->has_token = true;
		at += len + 1;
	}
	out->rest = at;
	if (at[0] == 'v' && at[1] >= '0' && at[1] <= '9') {
		at++;
		if (!read_number(&at, &n) || n >= out->channel->variants || *at++ != '/')
			return PB_NO;
		out->variant = (unsigned int)n;
	}
	for (size_t i = 0; i < NITEMS(fixed); i++)
		if (strcmp(at, fixed[i].name) == 0) {
			out->kind = fixed[i].kind;
			return 0;
		}
	if (strncmp(at, "seg/", 4) == 0) {
		out->kind = LIVE_SEGMENT;
		at += 4;
	} else if (strncmp(at, "loop/", 5) == 0) {
		out->kind = LIVE_LOOP;
		at += 5;
	} else {
		return PB_NO;
	}
	if (!read_number(&at, &out->k) || strcmp(at, ".ts") != 0)
		return PB_NO;
	return 0;
}

int
live_master(const struct channel *channel, char **out, size_t *len)
{
	FILE *f = open_memstream(out, len);

	if (f == NULL)
		return PB_ENOMEM;
	fputs("#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-INDEPENDENT-SEGMENTS\n", f);
	for (unsigned int i = 0; i < channel->variants; i++) {
		/* Real figures where the files differ would need them measured; labels are enough to choose by. */
		fprintf(f, "#EXT-X-STREAM-INF:BANDWIDTH=%d,RESOLUTION=%dx%d,CODECS=\"avc1.4d401e,mp4a.40.2\"\n",
		    BANDWIDTH_TOP >> i, 1280 >> i, 720 >> i);
		if (channel->variants == 1)
			fputs("media.m3u8\n", f);
		else
			fprintf(f, "v%u/media.m3u8\n", i);
	}
	if (fclose(f) != 0) {
		free(*out);
		return PB_ENOMEM;
	}
	return 0;
}

static size_t
served_bytes(const struct channel *channel, const struct media *media, uint64_t k)
{
	size_t len = media_bytes(media, k);

	return channel->aes ? (len / 16 + 1) * 16 : len; /* PKCS#7 always adds at least a byte */
}

static void
put_date(FILE *f, double at)
{
	char date[32];
	time_t s = (time_t)floor(at);
	struct tm tm;

	if (gmtime_r(&s, &tm) == NULL)
		return;
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(f, "#EXT-X-PROGRAM-DATE-TIME:%s.%03dZ\n", date, (int)((at - floor(at)) * 1000));
}

static void
put_segment(FILE *f, const struct channel *channel, const struct media *media, uint64_t k)
{
	uint64_t first = media_loop_first(media, k);

	if (!channel->continuous && k == first && k > 0)
		fputs("#EXT-X-DISCONTINUITY\n", f);
	if (channel->aes && channel->iv == CHANNEL_IV_EXPLICIT)
		fprintf(f, "#EXT-X-KEY:METHOD=AES-128,URI=\"key\",IV=0x%032" PRIx64 "\n", k + channel->base);
	if (channel->pdt)
		put_date(f, channel->t0 + (double)media_start_90k(media, k) / 90000 / channel->speed);
	fprintf(f, "#EXTINF:%.5f,\n", (double)media_duration_90k(media, k) / 90000);
	if (channel->byterange) {
		uint64_t offset = 0;

		for (uint64_t i = first; i < k; i++)
			offset += served_bytes(channel, media, i);
		fprintf(f, "#EXT-X-BYTERANGE:%zu@%" PRIu64 "\nloop/%" PRIu64 ".ts\n", served_bytes(channel, media, k),
		    offset, k / media_segments(media));
	} else {
		fprintf(f, "seg/%" PRIu64 ".ts\n", k);
	}
}

uint64_t
live_newest(const struct channel *channel, double now)
{
	uint64_t end = media_ended(channel->media[0], media_time(channel, now));

	return end > 0 ? end - 1 : 0;
}

int
live_playlist(const struct channel *channel, unsigned int variant, double now, const struct live_lie *lie, char **out,
    size_t *len)
{
	const struct media *media = variant_media(channel, variant);
	uint64_t end = media_ended(media, media_time(channel, lie->at > 0 ? lie->at : now));
	uint64_t first;
	uint64_t msn;
	uint64_t discontinuities;
	FILE *f;

	end -= PB_MIN(end, lie->back);
	first = end - PB_MIN(end, channel->win);
	if (channel->vod) {
		first = 0;
		end = media_segments(media);
	}
	msn = first + channel->base;
	if (lie->reset) {
		uint64_t then = media_ended(media, media_time(channel, lie->reset_at));

		then -= PB_MIN(then, channel->win);
		msn = lie->reset_base + (first > then ? first - then : 0);
	}
	discontinuities = first == 0 || channel->continuous ? 0 : (first - 1) / media_segments(media);

	f = open_memstream(out, len);
	if (f == NULL)
		return PB_ENOMEM;
	fprintf(f, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%ld\n#EXT-X-MEDIA-SEQUENCE:%" PRIu64 "\n",
	    channel->byterange ? 4 : 3, PB_MAX(1L, lround((double)media_longest_90k(media) / 90000)), msn);
	if (!channel->continuous)
		fprintf(f, "#EXT-X-DISCONTINUITY-SEQUENCE:%" PRIu64 "\n", discontinuities);
	fputs("#EXT-X-INDEPENDENT-SEGMENTS\n", f);
	if (channel->vod)
		fputs("#EXT-X-PLAYLIST-TYPE:VOD\n", f);
	if (channel->aes && channel->iv == CHANNEL_IV_IMPLICIT)
		fputs("#EXT-X-KEY:METHOD=AES-128,URI=\"key\"\n", f);
	for (uint64_t k = first; k < end; k++)
		put_segment(f, channel, media, k);
	if (channel->vod || lie->endlist)
		fputs("#EXT-X-ENDLIST\n", f);
	if (fclose(f) != 0) {
		free(*out);
		return PB_ENOMEM;
	}
	return 0;
}

/* In place is allowed by EVP when in and out are the same; the padding needs 16 bytes of room. */
static int
encrypt(const struct channel *channel, uint64_t msn, uint8_t *data, size_t len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t iv[16] = { 0 };
	int done = 0;
	int last = 0;
	bool ok;

	for (int i = 0; i < 8; i++)
		iv[15 - i] = (uint8_t)(msn >> (8 * i));
	ok = ctx != NULL && EVP_EncryptInit_ex(ctx, EVP_aes_128_cbc(), NULL, channel->key, iv) == 1 &&
	    EVP_EncryptUpdate(ctx, data, &done, data, (int)len) == 1 &&
	    EVP_EncryptFinal_ex(ctx, data + done, &last) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? 0 : PB_ENOMEM;
}

int
live_segment(const struct live_target *target, double now, uint8_t **out, size_t *len)
{
	const struct channel *channel = target->channel;
	const struct media *media = variant_media(channel, target->variant);
	uint64_t first = target->k;
	uint64_t count = 1;
	uint64_t end = media_ended(media, media_time(channel, now));
	uint64_t kept = 2 * (uint64_t)channel->win + KEPT_EXTRA;
	uint8_t *buf;
	size_t at = 0;

	if (target->kind == LIVE_LOOP) {
		count = media_segments(media);
		if (target->k > end / count)
			return PB_NO;
		first = target->k * count;
		kept += count;
	}
	if (channel->vod ? first > media_segments(media) - count : first >= end && target->kind == LIVE_SEGMENT)
		return PB_NO;
	if (!channel->vod && first + kept < end)
		return PB_NO;

	*len = 0;
	for (uint64_t k = first; k < first + count; k++)
		*len += served_bytes(channel, media, k);
	buf = malloc(*len);
	if (buf == NULL)
		return PB_ENOMEM;
	for (uint64_t k = first; k < first + count; k++) {
		media_emit(media, k, channel->continuous, buf + at);
		if (channel->aes && encrypt(channel, k + channel->base, buf + at, media_bytes(media, k)) != 0) {
			free(buf);
			return PB_ENOMEM;
		}
		at += served_bytes(channel, media, k);
	}
	*out = buf;
	return 0;
}

/* Not a secret, only something that differs from one token to the next and can't be made by counting. */
static uint32_t
token_mix(const struct channel *channel, uint64_t ms)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < CHANNEL_KEY; i++)
		h = (h ^ channel->key[i]) * 16777619u;
	for (int i = 0; i < 64; i += 8)
		h = (h ^ (uint8_t)(ms >> i)) * 16777619u;
	return h;
}

void
live_token(const struct channel *channel, double now, char *out, size_t size)
{
	uint64_t ms = (uint64_t)(now * 1000);

	snprintf(out, size, "%012" PRIx64 "-%08" PRIx32, ms, token_mix(channel, ms));
}

double
live_token_made(const char *token)
{
	return (double)strtoull(token, NULL, 16) / 1000;
}

int
live_token_check(const struct channel *channel, const char *token, double now)
{
	char want[32];
	char *end;
	uint64_t ms = strtoull(token, &end, 16);

	if (*end != '-')
		return PB_NO;
	snprintf(want, sizeof(want), "%012" PRIx64 "-%08" PRIx32, ms, token_mix(channel, ms));
	if (strcmp(want, token) != 0)
		return PB_NO;
	return now * 1000 - (double)ms > channel->token_s * 1000 ? PB_NO : 0;
}

int
live_stream_new(struct live_stream **out, const struct channel *channel, unsigned int variant, double now)
{
	struct live_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return PB_ENOMEM;
	stream->channel = channel;
	stream->variant = variant;
	stream->k = media_ended(
	    variant_media(channel, variant), media_time(channel, now) - (int64_t)(channel->burst_s * 90000));
	*out = stream;
	return 0;
}

void
live_stream_free(struct live_stream **stream)
{
	if (*stream != NULL) {
		free((*stream)->segment);
		free(*stream);
	}
	*stream = NULL;
}

int
live_stream_due(struct live_stream *stream, double now, const uint8_t **data, size_t *len)
{
	const struct media *media = variant_media(stream->channel, stream->variant);
	int64_t into_90k;
	int64_t duration_90k;
	size_t due;

	if (stream->segment != NULL && stream->at == stream->len) {
		free(stream->segment);
		stream->segment = NULL;
		stream->k++;
	}
	*len = 0;
	into_90k = media_time(stream->channel, now) - media_start_90k(media, stream->k);
	if (into_90k < 0)
		return 0;
	if (stream->segment == NULL) {
		stream->len = media_bytes(media, stream->k);
		stream->at = 0;
		stream->segment = malloc(stream->len);
		if (stream->segment == NULL)
			return PB_ENOMEM;
		media_emit(media, stream->k, stream->channel->continuous, stream->segment);
	}
	duration_90k = media_duration_90k(media, stream->k);
	due = stream->len;
	if (into_90k < duration_90k)
		due = (size_t)((double)stream->len * (double)into_90k / (double)duration_90k) / TS_PACKET * TS_PACKET;
	*data = stream->segment + stream->at;
	*len = due - PB_MIN(due, stream->at);
	stream->at += *len;
	return 0;
}
