/*
 * trace.h - the last requests, as GET /_/log shows them
 *
 * A ring: the newest entries push out the oldest. Each has a number that
 * only grows, so that a reader can ask for what came since.
 */
#ifndef PLEXBRIDGE_ORIGIN_TRACE_H
#define PLEXBRIDGE_ORIGIN_TRACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_HEAD 1024

struct trace_entry {
	uint64_t seq;
	uint64_t time_ms; /* wall */
	uint64_t connection;
	uint16_t port;
	char channel[64]; /* "" for none */
	char kind[16];
	char path[256];
	bool has_k;
	uint64_t k; /* segment number in the URL */
	int status; /* 0 while the answer has not ended */
	uint64_t bytes;
	bool ended;
	char method[8];
	char range[64];
	char agent[128];
	char head[TRACE_HEAD]; /* the request's head, cut */
};

struct trace;

int trace_new(struct trace **out, size_t entries);
void trace_free(struct trace **trace);

/* A new entry, zeroed but for seq; valid until the next call. */
struct trace_entry *trace_add(struct trace *trace);

/* The entry with that number, NULL when it has been pushed out. */
struct trace_entry *trace_find(struct trace *trace, uint64_t seq);

/* All entries with seq >= since, oldest first, as an array; NULL: no memory. */
json_t *trace_json(const struct trace *trace, uint64_t since);

#endif
