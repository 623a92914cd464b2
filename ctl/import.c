/*
 * import.c - how the promise in import.h is kept
 */
#include "ctl/import.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/request.h"
#include "ctl/ask.h"

#define POLL_MS 100
#define BAR 40
#define START "/api/import/start"

/* An answer as a value, the caller's; NULL: it was told why not. */
static json_t *
ask_json(const char *socket, const char *path, bool post)
{
	struct answer answer;
	char why[512];
	json_t *value;

	if (ask(&answer, socket, path, post, ASK_TIMEOUT_MS, why, sizeof(why)) != 0) {
		fprintf(stderr, "plexbridgectl: %s\n", why);
		return NULL;
	}
	value = json_loadb(answer.body, answer.len, 0, NULL);
	if (value == NULL)
		fprintf(stderr, "plexbridgectl: %s: status %ld, and the answer is not JSON\n", socket, answer.status);
	free(answer.body);
	return value;
}

/* A key, and its value encoded. */
static bool
add(char *out, size_t size, const char *key, const char *value)
{
	size_t at = strlen(out);

	return (size_t)snprintf(out + at, size - at, "%s", key) < size - at && ask_add(out, size, value);
}

/* A line that is written over and over; only a terminal has one. */
static void
show_progress(const json_t *answer)
{
	json_int_t bytes = json_integer_value(json_object_get(answer, "bytes")),
		   total = json_integer_value(json_object_get(answer, "total"));
	const char *state = json_string_value(json_object_get(answer, "state"));
	int full = 0;

	if (state == NULL || !isatty(STDERR_FILENO))
		return;
	if (strcmp(state, "fetching") != 0)
		full = BAR;
	else if (total > 0)
		full = (int)(PB_MIN(bytes, total) * BAR / total);
	fprintf(stderr, "\r%-8s [%.*s%*s] %" JSON_INTEGER_FORMAT " entries, %" JSON_INTEGER_FORMAT " KiB", state, full,
	    "########################################", BAR - full, "",
	    json_integer_value(json_object_get(answer, "entries")), bytes / 1024);
}

static void
end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%*s\r", BAR + 60, "");
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* One list, a line each: its mark, the number, the name, and what is said of it. */
static void
put_list(const json_t *answer, const char *list, const char *mark, const char *key, const char *before)
{
	const json_t *items = json_object_get(answer, list);

	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *o = json_array_get(items, i);

		printf("%s %s %s%s%s\n", mark, text_of(o, "number"), text_of(o, "name"), before,
		    key != NULL ? text_of(o, key) : "");
	}
}

static int
put_result(const json_t *answer)
{
	const json_t *errors = json_object_get(answer, "errors"), *refused = json_object_get(answer, "refused");

	if (!json_is_true(json_object_get(answer, "ok"))) {
		for (size_t i = 0; i < json_array_size(errors); i++)
			printf("refused: %s\n", json_string_value(json_array_get(errors, i)));
		return PB_EXIT_FAIL;
	}
	put_list(answer, "new", "new       ", NULL, "");
	put_list(answer, "back", "back      ", NULL, "");
	put_list(answer, "gone", "gone      ", NULL, "");
	put_list(answer, "renamed", "renamed   ", "was", ", was ");
	put_list(answer, "renumbered", "renumbered", "wanted", ": it keeps its number, the provider says ");
	for (size_t i = 0; i < json_array_size(refused); i++) {
		const json_t *o = json_array_get(refused, i);

		printf("refused    %s:%" JSON_INTEGER_FORMAT ": %s\n", text_of(answer, "source"),
		    json_integer_value(json_object_get(o, "line")), text_of(o, "why"));
	}
	printf("%" JSON_INTEGER_FORMAT " entries, %" JSON_INTEGER_FORMAT
	       " channels then: %zu new, %zu back, %zu gone, %zu renamed, "
	       "%zu renumbered, %" JSON_INTEGER_FORMAT " with other sources, %" JSON_INTEGER_FORMAT " entries refused\n"
	       "nothing was changed\n",
	    json_integer_value(json_object_get(answer, "entries")),
	    json_integer_value(json_object_get(answer, "channels")), json_array_size(json_object_get(answer, "new")),
	    json_array_size(json_object_get(answer, "back")), json_array_size(json_object_get(answer, "gone")),
	    json_array_size(json_object_get(answer, "renamed")), json_array_size(json_object_get(answer, "renumbered")),
	    json_integer_value(json_object_get(answer, "moved")), json_integer_value(json_object_get(answer, "wrong")));
	return PB_EXIT_OK;
}

/* Until it is done. */
static json_t *
wait_for(const char *socket)
{
	for (;;) {
		const struct timespec pause = { 0, POLL_MS * 1000000L };
		json_t *answer = ask_json(socket, "/api/import", false);

		if (answer == NULL || strcmp(text_of(answer, "state"), "done") == 0)
			return answer;
		if (strcmp(text_of(answer, "state"), "idle") == 0) {
			fputs("plexbridgectl: plexbridged was started anew: try again\n", stderr);
			json_decref(answer);
			return NULL;
		}
		show_progress(answer);
		json_decref(answer);
		(void)nanosleep(&pause, NULL);
	}
}

int
import_run(const char *socket, const char *source, const char *provider, bool json)
{
	bool url = strncasecmp(source, "http://", 7) == 0 || strncasecmp(source, "https://", 8) == 0;
	char *whole = url ? NULL : realpath(source, NULL);
	char path[sizeof(START) + REQUEST_QUERY_MAX] = START; /* with the "?" */
	json_t *answer;
	int status;

	if (!url && whole == NULL) {
		fprintf(stderr, "plexbridgectl: %s: %s\n", source, strerror(errno));
		return PB_EXIT_FAIL;
	}
	if (!add(path, sizeof(path), "?source=", url ? source : whole) ||
	    (provider != NULL && !add(path, sizeof(path), "&provider=", provider))) {
		fprintf(stderr, "plexbridgectl: the source is too long: the request may have %d bytes\n",
		    REQUEST_QUERY_MAX - 1);
		free(whole);
		return PB_EXIT_CONFIG;
	}
	free(whole);
	answer = ask_json(socket, path, true);
	if (answer != NULL && json_is_true(json_object_get(answer, "ok"))) {
		json_decref(answer);
		answer = wait_for(socket);
		end_progress();
	}
	if (answer == NULL)
		return PB_EXIT_TEMPORARY;
	status = json_is_true(json_object_get(answer, "ok")) ? PB_EXIT_OK : PB_EXIT_FAIL;
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else
		status = put_result(answer);
	json_decref(answer);
	return fflush(stdout) == 0 ? status : PB_EXIT_FAIL;
}
