/*
 * health.c - each reason has its own words, so that they can be searched for
 */
#include "supervisor/health.h"

#include "supervisor/supervisor.h"
#include "supervisor/text.h"

static const char *
no_spare(const struct workers *pool)
{
	if (pool->refused)
		return "the worker says that it will fail again: see the log, then reload";
	if (pool->failures > 0)
		return "workers fail before they are ready: see the log";
	return "no spare worker is ready yet";
}

size_t
health_reasons(const struct supervisor *sup, const char *reasons[HEALTH_REASONS_MAX])
{
	size_t n = 0;

	if (sup->stopping)
		reasons[n++] = "stopping";
	if (sup->listen == NULL)
		reasons[n++] = "not listening";
	else if (listen_resting(sup->listen))
		reasons[n++] = "out of file descriptors";
	if (!workers_ready(&sup->workers))
		reasons[n++] = no_spare(&sup->workers);
	return n;
}

struct blob *
health_json(const struct supervisor *sup, int *status)
{
	const char *reasons[HEALTH_REASONS_MAX];
	size_t n = health_reasons(sup, reasons);
	struct text text = { 0 };

	*status = n == 0 ? 200 : 503;
	text_addf(&text, "{\"ok\":%s,\"reasons\":[", n == 0 ? "true" : "false");
	for (size_t i = 0; i < n; i++) {
		text_add(&text, i > 0 ? "," : "");
		text_add_json(&text, reasons[i]);
	}
	text_add(&text, "]}\n");
	return text_blob(&text);
}
