/*
 * trace.c - a ring of entries, numbered from 1
 */
#include "origin/trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

struct trace {
	struct trace_entry *entries;
	size_t size;
	uint64_t next; /* number of the entry that will be added */
};

int
trace_new(struct trace **out, size_t entries)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (trace == NULL)
		return PB_ENOMEM;
	trace->size = entries;
	trace->next = 1;
	trace->entries = calloc(entries, sizeof(*trace->entries));
	if (trace->entries == NULL) {
		free(trace);
		return PB_ENOMEM;
	}
	*out = trace;
	return 0;
}

void
trace_free(struct trace **trace)
{
	if (*trace != NULL) {
		free((*trace)->entries);
		free(*trace);
	}
	*trace = NULL;
}

struct trace_entry *
trace_add(struct trace *trace)
{
	struct trace_entry *entry = &trace->entries[trace->next % trace->size];

	memset(entry, 0, sizeof(*entry));
	entry->seq = trace->next++;
	return entry;
}

struct trace_entry *
trace_find(struct trace *trace, uint64_t seq)
{
	struct trace_entry *entry = &trace->entries[seq % trace->size];

	return seq != 0 && entry->seq == seq ? entry : NULL;
}

/* What came from outside may be no UTF-8: JSON gets it byte by byte as ASCII or '?'. */
static json_t *
printable(const char *text)
{
	char copy[TRACE_HEAD];
	size_t n = 0;

	for (; text[n] != '\0' && n + 1 < sizeof(copy); n++) {
		unsigned char c = (unsigned char)text[n];

		copy[n] = (c >= 0x20 && c < 0x7f) || c == '\r' || c == '\n' || c == '\t' ? (char)c : '?';
	}
	copy[n] = '\0';
	return json_string(copy);
}

static json_t *
entry_json(const struct trace_entry *e)
{
	json_t *json = json_object();

	json_object_set_new(json, "seq", json_integer((json_int_t)e->seq));
	json_object_set_new(json, "time_ms", json_integer((json_int_t)e->time_ms));
	json_object_set_new(json, "connection", json_integer((json_int_t)e->connection));
	json_object_set_new(json, "port", json_integer(e->port));
	json_object_set_new(json, "channel", json_string(e->channel));
	json_object_set_new(json, "kind", json_string(e->kind));
	json_object_set_new(json, "method", json_string(e->method));
	json_object_set_new(json, "path", printable(e->path));
	json_object_set_new(json, "segment", e->has_k ? json_integer((json_int_t)e->k) : json_null());
	json_object_set_new(json, "status", json_integer(e->status));
	json_object_set_new(json, "bytes", json_integer((json_int_t)e->bytes));
	json_object_set_new(json, "ended", json_boolean(e->ended));
	json_object_set_new(json, "range", e->range[0] == '\0' ? json_null() : printable(e->range));
	json_object_set_new(json, "agent", printable(e->agent));
	json_object_set_new(json, "head", printable(e->head));
	return json;
}

json_t *
trace_json(const struct trace *trace, uint64_t since)
{
	json_t *array = json_array();
	uint64_t seq = trace->next > trace->size ? trace->next - trace->size : 1;

	for (seq = PB_MAX(seq, since); array != NULL && seq < trace->next; seq++)
		if (json_array_append_new(array, entry_json(&trace->entries[seq % trace->size])) != 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}
