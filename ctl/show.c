/*
 * show.c - which figures a person wants to see first
 */
#include "ctl/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/pb.h"
#include "ctl/table.h"

#define CELL 64

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "-";
}

static double
number_of(const json_t *o, const char *key)
{
	double v = json_number_value(json_object_get(o, key));

	return isfinite(v) && v > 0 ? v : 0;
}

/* An integer, "-" when it is not there or less than 0 (no tuner). */
static char *
integer(char out[CELL], const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_integer(v) && json_integer_value(v) >= 0)
		snprintf(out, CELL, "%lld", (long long)json_integer_value(v));
	else
		snprintf(out, CELL, "-");
	return out;
}

char *
show_seconds(char *out, size_t size, double seconds)
{
	double s = floor(PB_MIN(PB_MAX(seconds, 0.0), 1e9));

	if (s < 60)
		snprintf(out, size, "%.0f s", s);
	else if (s < 3600)
		snprintf(out, size, "%.0f min", floor(s / 60));
	else if (s < 86400)
		snprintf(out, size, "%.0f h %.0f min", floor(s / 3600), floor(fmod(s, 3600) / 60));
	else
		snprintf(out, size, "%.0f d %.0f h", floor(s / 86400), floor(fmod(s, 86400) / 3600));
	return out;
}

char *
show_bytes(char *out, size_t size, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t unit = 0;

	while (bytes >= 1024 && unit + 1 < NITEMS(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, size, unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
	return out;
}

/* One with rows, behind an empty line. Ends it. */
static void
put_table(FILE *out, struct table *table, bool utf8)
{
	char *text = table->row_count > 0 ? table_render(table, SHOW_WIDTH, utf8) : NULL;

	if (text != NULL)
		fprintf(out, "\n%s", text);
	free(text);
	table_clear(table);
}

static void
put_supervisor(FILE *out, const json_t *status)
{
	const json_t *sup = json_object_get(status, "supervisor");
	const json_t *tuners = json_object_get(sup, "tuners"), *memory = json_object_get(sup, "memory");
	const json_t *spare = json_object_get(status, "spare"), *listeners = json_object_get(sup, "listeners");
	char a[CELL], b[CELL], c[CELL];
	int width;
	size_t i;
	json_t *v;

	fprintf(out, "plexbridged %s, pid %s, up %s, spare worker %s\n", text_of(sup, "version"),
	    integer(a, sup, "pid"), show_seconds(b, sizeof(b), number_of(sup, "uptime_s")),
	    json_is_object(spare) ? text_of(spare, "state") : "missing");
	fprintf(out, "tuners %s of %s busy, %s channels, longest turn %.1f ms\n", integer(a, tuners, "busy"),
	    integer(b, tuners, "count"), integer(c, json_object_get(status, "channels"), "count"),
	    number_of(sup, "loop_turn_ms_max"));
	fprintf(out, "spools %s of %s\n", show_bytes((char[CELL]){ 0 }, CELL, number_of(memory, "spools")),
	    show_bytes((char[CELL]){ 0 }, CELL, number_of(memory, "limit")));
	width = fprintf(out, "listening on");
	json_array_foreach(listeners, i, v)
	{
		const char *where = json_is_string(v) ? json_string_value(v) : "-";
		const char *before = i == 0 ? " " : width + (int)strlen(where) + 2 > SHOW_WIDTH ? ",\n  " : ", ";

		width = (strchr(before, '\n') != NULL ? 0 : width) + fprintf(out, "%s%s", before, where);
	}
	fputs("\n", out);
}

static void
add_stream(struct table *table, const json_t *s)
{
	char tuner[CELL], time[CELL], clients[CELL], reserve[CELL], window[CELL];

	snprintf(clients, sizeof(clients), "%zu", json_array_size(json_object_get(s, "clients")));
	snprintf(reserve, sizeof(reserve), "%.1f s", number_of(s, "reserve_s"));
	snprintf(window, sizeof(window), "%.1f s", number_of(s, "window_s"));
	table_add(table,
	    (const char *const[]){ text_of(s, "channel"), text_of(s, "name"), integer(tuner, s, "tuner"),
		text_of(s, "state"), show_seconds(time, sizeof(time), number_of(s, "seconds")), clients, reserve,
		window });
}

static void
add_worker(struct table *table, const json_t *s)
{
	const json_t *up = json_object_get(s, "upstream"), *worker = json_object_get(s, "worker");
	char pid[CELL], time[CELL], restarts[CELL], rate[CELL], latency[CELL], segments[CELL], lost[CELL], errors[CELL];

	if (!json_is_object(worker))
		return;
	snprintf(rate, sizeof(rate), "%.1f M", number_of(up, "media_kbps") / 1e3);
	snprintf(latency, sizeof(latency), "%.0f ms", number_of(up, "latency_ms"));
	table_add(table,
	    (const char *const[]){ text_of(s, "channel"), integer(pid, worker, "pid"), text_of(worker, "state"),
		show_seconds(time, sizeof(time), number_of(worker, "uptime_s")), integer(restarts, worker, "restarts"),
		text_of(up, "quality"), rate, latency, integer(segments, up, "segments"),
		integer(lost, up, "segments_lost"), integer(errors, up, "errors") });
}

/* Only those that had one: why the worker before went, and what it took. */
static void
add_handover(struct table *table, const json_t *s)
{
	const json_t *last = json_object_get(s, "last_handover");
	char count[CELL], crashes[CELL], poisoned[CELL], ago[CELL], ms[CELL], clients[CELL];

	if (!json_is_object(last))
		return;
	snprintf(ms, sizeof(ms), "%.1f ms", number_of(last, "ms"));
	table_add(table,
	    (const char *const[]){ text_of(s, "channel"), integer(count, s, "handovers"),
		integer(crashes, s, "crashes"), integer(poisoned, s, "poisoned"),
		show_seconds(ago, sizeof(ago), number_of(last, "seconds_ago")), ms, integer(clients, last, "clients"),
		text_of(last, "why") });
}

/* Each source that was in use, or failed: how the way to it was then. */
static void
add_source(struct table *table, const json_t *s, const json_t *source)
{
	char n[CELL], used[CELL], latency[CELL], rate[CELL], loss[CELL], errors[CELL], resent[CELL];

	if (number_of(source, "used_s") == 0 && number_of(source, "failures") == 0)
		return;
	snprintf(latency, sizeof(latency), "%.0f ms", number_of(source, "latency_ms"));
	snprintf(rate, sizeof(rate), "%.1f M", number_of(source, "throughput_kbps") / 1e3);
	snprintf(loss, sizeof(loss), "%.1f %%", number_of(source, "loss_percent"));
	snprintf(errors, sizeof(errors), "%.1f %%", number_of(source, "error_percent"));
	table_add(table,
	    (const char *const[]){ text_of(s, "channel"), integer(n, source, "source"), text_of(source, "health"),
		text_of(source, "quality"), show_seconds(used, sizeof(used), number_of(source, "used_s")), latency,
		rate, loss, integer(resent, source, "retransmits"), errors });
}

static void
add_client(struct table *table, const json_t *stream, const json_t *c)
{
	char time[CELL], bytes[CELL], behind[CELL];

	snprintf(behind, sizeof(behind), "%.1f s", number_of(c, "behind_live_s"));
	table_add(table,
	    (const char *const[]){ text_of(stream, "channel"), text_of(c, "address"), text_of(c, "state"),
		show_seconds(time, sizeof(time), number_of(c, "seconds")),
		show_bytes(bytes, sizeof(bytes), number_of(c, "bytes")), behind, text_of(c, "agent") });
}

/* How its connection is: what tells a poor network from a player that doesn't read. */
static void
add_connection(struct table *table, const json_t *stream, const json_t *c)
{
	const json_t *conn = json_object_get(c, "connection");
	char rtt[CELL], again[CELL], rate[CELL], silent[CELL], shut[CELL], queued[CELL];

	if (!json_is_object(conn))
		return;
	snprintf(rtt, sizeof(rtt), "%.1f ms", number_of(conn, "rtt_ms"));
	snprintf(rate, sizeof(rate), "%.1f M", number_of(conn, "delivery_kbps") / 1e3);
	snprintf(silent, sizeof(silent), "%.0f ms", number_of(conn, "unacked_ms"));
	snprintf(shut, sizeof(shut), "%.1f s", number_of(conn, "zero_window_ms") / 1e3);
	table_add(table,
	    (const char *const[]){ text_of(stream, "channel"), text_of(c, "address"), rtt,
		integer(again, conn, "retransmits"), rate, silent, shut,
		show_bytes(queued, sizeof(queued), number_of(conn, "queued_bytes")) });
}

/* "Active until 2027-01-31, 1/2 in use" */
static const char *
account_text(char *out, size_t size, const json_t *account)
{
	time_t expires = (time_t)number_of(account, "expires");
	char day[24] = "";
	struct tm tm;

	if (!json_is_object(account))
		return "-";
	if (expires > 0 && gmtime_r(&expires, &tm) != NULL)
		(void)strftime(day, sizeof(day), " until %Y-%m-%d", &tm);
	snprintf(out, size, "%.20s%s, %.0f/%.0f in use", text_of(account, "status"), day,
	    (double)number_of(account, "active_connections"), (double)number_of(account, "max_connections"));
	return out;
}

/* Only those that count streams: 0 is no limit, and nobody's slot is counted there. */
static void
add_provider(struct table *table, const json_t *p)
{
	const json_t *list = json_object_get(p, "streams"), *s;
	const json_t *account = json_object_get(p, "account");
	char used[CELL], most[CELL], says[64], who[256] = "";
	size_t i, len = 0;

	if (number_of(p, "max_streams") == 0 && !json_is_object(account))
		return;
	json_array_foreach(list, i, s)
	{
		int n = snprintf(who + len, sizeof(who) - len, "%s%s", i > 0 ? ", " : "", text_of(s, "channel"));

		if (n < 0 || (size_t)n >= sizeof(who) - len)
			break;
		len += (size_t)n;
	}
	table_add(table,
	    (const char *const[]){ text_of(p, "name"), integer(used, p, "in_use"), integer(most, p, "max_streams"),
		text_of(p, "breaker"), account_text(says, sizeof(says), account), who });
}

/* One of several. PORT: where it is, if not where [tuner] is: a port, a path, or both. */
static void
add_device(struct table *table, const json_t *d)
{
	const json_t *tuners = json_object_get(d, "tuners"), *path = json_object_get(d, "path");
	char port[CELL], where[CELL], busy[CELL], count[CELL], both[2 * CELL], channels[CELL], many[2 * CELL];

	integer(port, d, "port");
	snprintf(where, sizeof(where), "%s%.40s",
	    strcmp(port, "-") != 0     ? port
		: json_is_string(path) ? ""
				       : "-",
	    json_is_string(path) ? json_string_value(path) : "");
	snprintf(both, sizeof(both), "%s of %s", integer(busy, tuners, "busy"), integer(count, tuners, "count"));
	snprintf(many, sizeof(many), "%s%s", integer(channels, d, "channels"),
	    json_is_true(json_object_get(d, "large")) ? " (too many for Plex)" : "");
	table_add(table, (const char *const[]){ text_of(d, "device_id"), text_of(d, "name"), where, both, many });
}

char *
show_status(const json_t *status, bool utf8)
{
	static const struct column of_stream[] = { { "CHANNEL", false, 0 }, { "NAME", false, 4 }, { "TUNER", true, 0 },
		{ "STATE", false, 0 }, { "TIME", true, 0 }, { "CLIENTS", true, 0 }, { "RESERVE", true, 0 },
		{ "WINDOW", true, 0 } };
	static const struct column of_worker[] = { { "CHANNEL", false, 0 }, { "PID", true, 0 }, { "WORKER", false, 0 },
		{ "UP", true, 0 }, { "AGAIN", true, 0 }, { "UPSTREAM", false, 4 }, { "BIT/S", true, 0 },
		{ "DELAY", true, 0 }, { "SEGM", true, 0 }, { "LOST", true, 0 }, { "ERR", true, 0 } };
	static const struct column of_source[] = { { "CHANNEL", false, 0 }, { "SRC", true, 0 }, { "HEALTH", false, 4 },
		{ "QUALITY", false, 4 }, { "USED", true, 0 }, { "DELAY", true, 0 }, { "BIT/S", true, 0 },
		{ "LOSS", true, 0 }, { "RESENT", true, 0 }, { "ERRORS", true, 0 } };
	static const struct column of_handover[] = { { "CHANNEL", false, 0 }, { "HANDOVERS", true, 0 },
		{ "CRASHES", true, 0 }, { "POISON", true, 0 }, { "AGO", true, 0 }, { "TOOK", true, 0 },
		{ "CLIENTS", true, 0 }, { "WHY", false, 8 } };
	static const struct column of_client[] = { { "CHANNEL", false, 0 }, { "ADDRESS", false, 25 },
		{ "STATE", false, 0 }, { "TIME", true, 0 }, { "SENT", true, 0 }, { "BEHIND", true, 0 },
		{ "AGENT", false, 4 } };
	static const struct column of_connection[] = { { "CHANNEL", false, 0 }, { "ADDRESS", false, 8 },
		{ "RTT", true, 0 }, { "RESENT", true, 0 }, { "BIT/S", true, 0 }, { "SILENT", true, 0 },
		{ "SHUT", true, 0 }, { "QUEUED", true, 0 } };
	static const struct column of_provider[] = { { "PROVIDER", false, 8 }, { "STREAMS", true, 0 },
		{ "MOST", true, 0 }, { "BREAKER", false, 0 }, { "ACCOUNT", false, 8 }, { "CHANNELS", false, 8 } };
	static const struct column of_device[] = { { "DEVICE", false, 0 }, { "NAME", false, 8 }, { "PORT", false, 0 },
		{ "BUSY", false, 0 }, { "CHANNELS", false, 0 } };
	const json_t *streams = json_object_get(status, "streams"), *providers = json_object_get(status, "providers");
	const json_t *devices = json_object_get(json_object_get(status, "supervisor"), "devices");
	const char *why = json_string_value(json_object_get(json_object_get(status, "channels"), "error"));
	struct table table, workers, sources, handovers, clients, connections;
	char *text = NULL;
	size_t len, n = json_array_size(streams);
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	put_supervisor(out, status);
	if (why != NULL)
		fprintf(out, "the lineup could not be made anew, and is tried again: %s\n", why);
	/* One alone is told by the lines above. */
	table_init(&table, of_device, NITEMS(of_device));
	for (size_t i = 0; json_array_size(devices) > 1 && i < json_array_size(devices); i++)
		add_device(&table, json_array_get(devices, i));
	put_table(out, &table, utf8);
	table_init(&table, of_stream, NITEMS(of_stream));
	table_init(&workers, of_worker, NITEMS(of_worker));
	table_init(&sources, of_source, NITEMS(of_source));
	table_init(&handovers, of_handover, NITEMS(of_handover));
	table_init(&clients, of_client, NITEMS(of_client));
	table_init(&connections, of_connection, NITEMS(of_connection));
	for (size_t i = 0; i < n; i++) {
		const json_t *s = json_array_get(streams, i), *list = json_object_get(s, "clients");
		const json_t *from = json_object_get(s, "sources");

		add_stream(&table, s);
		add_worker(&workers, s);
		add_handover(&handovers, s);
		for (size_t k = 0; k < json_array_size(from); k++)
			add_source(&sources, s, json_array_get(from, k));
		for (size_t k = 0; k < json_array_size(list); k++) {
			add_client(&clients, s, json_array_get(list, k));
			add_connection(&connections, s, json_array_get(list, k));
		}
	}
	if (n == 0)
		fputs("\nno channel is running\n", out);
	put_table(out, &table, utf8);
	put_table(out, &workers, utf8);
	put_table(out, &sources, utf8);
	put_table(out, &handovers, utf8);
	put_table(out, &clients, utf8);
	table_init(&table, of_provider, NITEMS(of_provider));
	for (size_t i = 0; i < json_array_size(providers); i++)
		add_provider(&table, json_array_get(providers, i));
	put_table(out, &table, utf8);
	put_table(out, &connections, utf8);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

char *
show_channels(const json_t *answer, bool utf8)
{
	static const struct column columns[] = { { "CHANNEL", false, 0 }, { "NAME", false, 4 }, { "GROUP", false, 4 },
		{ "PROVIDER", false, 4 }, { "STATE", false, 0 }, { "URL", false, 4 } };
	const json_t *channels = json_object_get(answer, "channels");
	struct table table;
	char *text;

	table_init(&table, columns, NITEMS(columns));
	for (size_t i = 0; i < json_array_size(channels); i++) {
		const json_t *c = json_array_get(channels, i);

		table_add(&table,
		    (const char *const[]){ text_of(c, "channel"), text_of(c, "name"), text_of(c, "group"),
			text_of(c, "provider"), text_of(c, "state"), text_of(c, "url") });
	}
	text = table_render(&table, SHOW_WIDTH, utf8);
	table_clear(&table);
	return text;
}
