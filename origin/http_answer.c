/*
 * http_answer.c - from a request to the head of its answer, with what faults make of both
 */
#include "origin/http_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pb.h"

static uint8_t pattern_noise[HTTP_BLOCK];
static uint8_t pattern_lines[HTTP_BLOCK];

void
http_patterns_init(void)
{
	static const char line[] = "#EXTINF:2.00000,\nseg/0.ts\n";

	for (size_t i = 0; i < HTTP_BLOCK; i++) {
		pattern_lines[i] = (uint8_t)line[i % (sizeof(line) - 1)];
		/* Noise that is no TS, no text, no gzip. */
		pattern_noise[i] = (uint8_t)(i * 2654435761u >> 13 | 0x80);
	}
}

static bool
wants_close(const char *head, size_t len, int minor)
{
	char value[64];

	if (!request_field(head, len, "Connection", value, sizeof(value)))
		return minor == 0;
	return strcasestr(value, "close") != NULL || (minor == 0 && strcasestr(value, "keep-alive") == NULL);
}

static const char *
reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 200, "OK" },
		{ 206, "Partial Content" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < NITEMS(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Status";
}

enum range { RANGE_NONE, RANGE_PART, RANGE_BEYOND };

/* One range of bytes (RFC 9110 14.1.2); several, or another unit, are as good as none. */
static enum range
parse_range(const char *value, uint64_t size, uint64_t *first, uint64_t *last)
{
	char *end;

	if (strncmp(value, "bytes=", 6) != 0 || strchr(value, ',') != NULL)
		return RANGE_NONE;
	value += 6;
	if (*value == '-') {
		uint64_t n;

		if (value[1] < '0' || value[1] > '9')
			return RANGE_NONE;
		n = strtoull(value + 1, &end, 10);
		if (*end != '\0')
			return RANGE_NONE;
		if (n == 0 || size == 0)
			return RANGE_BEYOND;
		*first = size - PB_MIN(n, size);
		*last = size - 1;
		return RANGE_PART;
	}
	if (*value < '0' || *value > '9')
		return RANGE_NONE;
	*first = strtoull(value, &end, 10);
	if (*end != '-')
		return RANGE_NONE;
	*last = size - 1;
	if (end[1] != '\0') {
		const char *to = end + 1;

		if (*to < '0' || *to > '9')
			return RANGE_NONE;
		*last = strtoull(to, &end, 10);
		if (*end != '\0' || *last < *first)
			return RANGE_NONE;
	}
	if (*first >= size)
		return RANGE_BEYOND;
	*last = PB_MIN(*last, size - 1);
	return RANGE_PART;
}

/* FNV-1a, for the ETag: equal bytes, equal tag, in every origin. */
static uint64_t
hash(const uint8_t *data, size_t len)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ data[i]) * 1099511628211u;
	return h;
}

static bool
put_body(struct http_answer *answer, const char *type, const void *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	if (copy == NULL)
		return false;
	memcpy(copy, data, len);
	free(answer->body);
	answer->body = copy;
	answer->len = len;
	answer->type = type;
	return true;
}

static bool
put_fields(struct http_answer *answer, char *fields)
{
	free(answer->fields);
	answer->fields = fields;
	return fields != NULL;
}

/* What the plan says about the answer as a whole, before there is a head. */
static bool
spoil(struct conn *conn, const struct request *request)
{
	static const char html[] = "<!DOCTYPE html>\n<html><head><title>Portal</title></head>"
				   "<body><h1>Please log in</h1></body></html>\n";
	struct http_answer *a = &conn->answer;
	const struct fault_plan *plan = &a->plan;
	char *fields = NULL;

	if (plan->body != FAULT_BODY_OWN || plan->status != 0 || plan->redirect_loop || plan->location_len > 0) {
		live_stream_free(&a->stream);
		a->ranges = false;
		a->status = plan->status != 0 ? plan->status : 200;
	}
	if (plan->status != 0 && plan->body == FAULT_BODY_OWN)
		a->len = 0;
	if (plan->redirect_loop) {
		a->status = 302;
		a->len = 0;
		if (asprintf(&fields, "Location: %s\r\n", request->path) == -1)
			fields = NULL;
		return put_fields(a, fields);
	}
	if (plan->location_len > 0) {
		static const char begin[] = "Location: /";

		a->status = 302;
		a->len = 0;
		fields = malloc(sizeof(begin) + plan->location_len + 2);
		if (fields == NULL)
			return false;
		memcpy(fields, begin, sizeof(begin) - 1);
		memset(fields + sizeof(begin) - 1, 'a', plan->location_len);
		memcpy(fields + sizeof(begin) - 1 + plan->location_len, "\r\n", 3);
		return put_fields(a, fields);
	}
	switch (plan->body) {
	case FAULT_BODY_OWN:
		break;
	case FAULT_BODY_HTML:
		return put_body(a, "text/html", html, sizeof(html) - 1);
	case FAULT_BODY_EMPTY:
		a->len = 0;
		break;
	case FAULT_BODY_BINARY:
	case FAULT_BODY_NOT_TS:
		return put_body(a, a->type, pattern_noise, 20 * 188);
	case FAULT_BODY_ENDLESS:
	case FAULT_BODY_HUGE:
		conn->pattern = true;
		break;
	case FAULT_BODY_KEY:
		return put_body(a, a->type, pattern_noise, PB_MIN(plan->body_len, (size_t)HTTP_BLOCK));
	}
	if (plan->cut_at >= 0 && !conn->pattern)
		a->len = PB_MIN(a->len, (size_t)plan->cut_at);
	return true;
}

/* Which of the body's bytes are sent, and what the head says of them. Returns more header lines, or NULL. */
static char *
select_bytes(struct conn *conn, const struct request *request)
{
	struct http_answer *a = &conn->answer;
	char value[128];
	char tag[24];
	char *lines = NULL;
	uint64_t first = 0;
	uint64_t last = 0;
	enum range range = RANGE_NONE;
	uint64_t shown = a->len;

	conn->body = a->body;
	conn->body_len = a->len;
	if (conn->pattern) {
		conn->body = a->plan.body == FAULT_BODY_HUGE ? pattern_lines : pattern_noise;
		conn->body_len = a->plan.body == FAULT_BODY_HUGE ? a->plan.body_len : UINT64_MAX;
		return strdup("");
	}
	if (!a->ranges || a->status != 200)
		return strdup("");
	snprintf(tag, sizeof(tag), "\"%016" PRIx64 "\"", hash(a->body, a->len));
	if (request_field(conn->in, request->head_len, "If-None-Match", value, sizeof(value)) &&
	    strcmp(value, tag) == 0) {
		a->status = 304;
		conn->body_len = 0;
	} else if (!a->plan.range_ignored && request->method == REQUEST_GET &&
	    request_field(conn->in, request->head_len, "Range", value, sizeof(value))) {
		char condition[64];

		/* Another object's rest is worth nothing: whoever asks with an old tag gets all of it. */
		if (!request_field(conn->in, request->head_len, "If-Range", condition, sizeof(condition)) ||
		    strcmp(condition, tag) == 0)
			range = parse_range(value, a->len, &first, &last);
	}
	if (a->plan.range_other)
		shown += 1880;
	switch (range) {
	case RANGE_NONE:
		if (asprintf(&lines, "ETag: %s\r\nAccept-Ranges: bytes\r\n", tag) == -1)
			lines = NULL;
		break;
	case RANGE_PART:
		a->status = 206;
		conn->body += first;
		conn->body_len = last - first + 1;
		if (asprintf(&lines, "ETag: %s\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", tag,
			first, last, shown) == -1)
			lines = NULL;
		break;
	case RANGE_BEYOND:
		a->status = 416;
		conn->body_len = 0;
		if (asprintf(&lines, "Content-Range: bytes */%zu\r\n", a->len) == -1)
			lines = NULL;
		break;
	}
	return lines;
}

static int
write_head(struct conn *conn, const struct request *request, const char *lines)
{
	struct http_answer *a = &conn->answer;
	int64_t said_len = PB_MAX((int64_t)0, (int64_t)conn->body_len + a->plan.length_delta);
	FILE *f = open_memstream(&conn->head, &conn->head_len);

	if (f == NULL)
		return PB_ENOMEM;
	fprintf(f, "HTTP/1.1 %d %s\r\nServer: plexbridge-origin\r\n", a->status, reason(a->status));
	if (a->type != NULL && conn->body_len > 0)
		fprintf(f, "Content-Type: %s\r\n", a->type);
	fprintf(f, "%sCache-Control: no-cache\r\n%s", lines, a->fields == NULL ? "" : a->fields);
	if (conn->body_len == UINT64_MAX)
		conn->keep = false; /* the end of the connection is the end of the body */
	else if (a->status != 304)
		fprintf(f, "Content-Length: %" PRId64 "\r\n", said_len);
	if (a->plan.length_delta < 0 && a->plan.hold_ms > 0)
		a->plan.stall_at = said_len; /* the rest meets the peer's next request */
	else if (a->plan.length_delta != 0)
		conn->keep = false;
	fprintf(f, "Connection: %s\r\n\r\n", conn->keep ? "keep-alive" : "close");
	if (request->method == REQUEST_HEAD)
		conn->body_len = 0;
	return fclose(f) == 0 ? 0 : PB_ENOMEM;
}

void
conn_answer(struct conn *conn, const struct request *request)
{
	struct http_server *server = conn->server;
	struct http_ask ask = { request, conn->in, conn->id, conn->port, ev_now(server->loop) };
	struct http_answer *a = &conn->answer;
	char *lines = NULL;
	int err;

	memset(a, 0, sizeof(*a));
	a->note = UINT64_MAX;
	a->plan.stall_at = a->plan.truncate_at = a->plan.cut_at = -1;
	conn->answering = true;
	conn->hold_done = false;
	conn->pattern = false;
	conn->body_at = 0;
	conn->head_at = 0;
	conn->due_len = 0;
	conn->keep = !wants_close(conn->in, request->head_len, request->minor) && !conn->eof;
	err = server->site->on_ask(server->site->arg, &ask, a);
	if (err == 0 && !spoil(conn, request))
		err = PB_ENOMEM;
	if (err == 0) {
		lines = select_bytes(conn, request);
		if (a->stream != NULL)
			conn->body_len = UINT64_MAX;
		err = lines == NULL ? PB_ENOMEM : write_head(conn, request, lines);
	}
	free(lines);
	if (err != 0) {
		conn_refuse(conn, 500);
		return;
	}
	conn->status = a->status;
	if (request->method == REQUEST_HEAD)
		live_stream_free(&a->stream);
	conn->discard = request->body_len;
	conn->in_len -= request->head_len;
	memmove(conn->in, conn->in + request->head_len, conn->in_len);
	if (a->plan.delay_ms > 0)
		conn_set_state(conn, CONN_DELAYED, a->plan.delay_ms / 1e3);
	else
		conn_begin(conn);
}

void
conn_refuse(struct conn *conn, int status)
{
	if (conn->answering)
		conn_end_answer(conn);
	conn->keep = false;
	conn->in_len = 0;
	conn->body_len = 0;
	conn->body_at = 0;
	conn->head_at = 0;
	conn->status = status;
	conn->head_len = 0;
	if (asprintf(&conn->head, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status,
		reason(status)) == -1) {
		conn->head = NULL;
		conn_free(conn);
		return;
	}
	conn->head_len = strlen(conn->head);
	memset(&conn->answer, 0, sizeof(conn->answer));
	conn->answer.note = UINT64_MAX;
	conn->answer.plan.stall_at = conn->answer.plan.truncate_at = conn->answer.plan.cut_at = -1;
	conn->answering = true;
	conn_set_state(conn, CONN_SENDING, HTTP_IDLE_S);
}
