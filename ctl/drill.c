/*
 * drill.c - one origin and one viewer an outage, one bridge for all
 *
 * The gap that a viewer may see is measured against a viewer of the same
 * run whose source never fails: a busy machine delays them alike.
 */
#include "ctl/drill.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"
#include "ctl/ask.h"
#include "ctl/show.h"
#include "ctl/table.h"

#define SETTLE_S 8 /* until every reserve is there */
#define AFTER_S 10 /* from the end of the last outage to the end of the viewers */
#define GAP_MS 200 /* more than the undisturbed viewer's */
#define START_MS 20000

struct outage {
	const char *name, *fault; /* NULL: none at the origin */
	bool kill; /* its worker is killed */
	bool cut; /* ... or the connections that are there are: a fault of new ones is met then */
};

static const struct outage outages[] = {
	{ "undisturbed", NULL, false, false },
	{ "refuse", "kind=connection&fault=refuse&for=%d", false, true },
	{ "connect timeout", "kind=connection&fault=connect-latency&value=60000&for=%d", false, true },
	{ "stall before headers", "kind=any&fault=stall-head&hold=%d000&for=%d", false, false },
	{ "stall in body", "kind=segment&fault=stall-body&value=40000&hold=%d000&for=%d", false, false },
	{ "404", "kind=any&fault=status&value=404&for=%d", false, false },
	{ "403", "kind=any&fault=status&value=403&for=%d", false, false },
	{ "429", "kind=any&fault=status&value=429&for=%d", false, false },
	{ "503", "kind=any&fault=status&value=503&for=%d", false, false },
	{ "truncation", "kind=segment&fault=truncate&value=50000&for=%d", false, false },
	{ "frozen playlist", "kind=media&fault=frozen&for=%d", false, false },
	{ "sequence reset", "kind=media&fault=reset&value=5", false, false },
	{ "HTML", "kind=playlist&fault=html&for=%d", false, false },
	{ "redirect loop", "kind=any&fault=redirect-loop&for=%d", false, false },
	{ "worker killed", NULL, true, false },
};
#define OUTAGES NITEMS(outages)

/* One run of all: outages of for_s against a reserve; when it covers them nothing may be seen. */
struct round {
	int for_s, reserve_s, window_segments;
	bool covered;
};
static const struct round short_rounds[] = { { 4, 10, 12, true } };
static const struct round full_rounds[] = { { 5, 20, 15, true }, { 15, 20, 15, true }, { 60, 20, 15, false } };

struct result {
	char round[16], outage[32], why[128];
	bool passed;
	double gap_ms;
	int media_ms, continuity_errors, jumps, underruns;
};

static struct drill {
	const struct drill_options *options;
	char place[64]; /* of our files */
	char control[96];
	pid_t bridge, origins[OUTAGES], viewers[OUTAGES];
	char urls[OUTAGES][64];
	int port;
	struct result results[OUTAGES * 3];
	size_t count;
	char why[512]; /* it could not be held */
} d;

static volatile sig_atomic_t stopped;

static void
on_signal(int signo)
{
	stopped = signo;
}

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* false: it was interrupted. */
static bool
wait_s(double seconds)
{
	double until = now_s() + seconds;

	while (!stopped && now_s() < until)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	return !stopped;
}

/* Beside this program, or where an installation has it. false: it is nowhere. */
static bool
find_program(char out[PATH_MAX], const char *name)
{
	static const char *const places[] = { "", "../sbin/", "../bin/", "../libexec/plexbridge/" };
	char self[PATH_MAX / 2];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len <= 0)
		return false;
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < NITEMS(places); i++) {
		snprintf(out, PATH_MAX, "%s/%s%s", self, places[i], name);
		if (access(out, X_OK) == 0)
			return true;
	}
	return false;
}

/* Start one with its output in a file of ours. -1: it can't be. */
static pid_t
start(const char *const argv[], const char *out)
{
	char path[160], err[170];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(path, sizeof(path), "%s/%s", d.place, out);
	snprintf(err, sizeof(err), "%s.err", path);
	(void)signal(SIGINT, SIG_IGN); /* ours to end them */
	if (freopen(path, "w", stdout) == NULL || freopen(err, "w", stderr) == NULL ||
	    freopen("/dev/null", "r", stdin) == NULL)
		_exit(127);
	execv(argv[0], (char *const *)argv); /* it changes none of them (POSIX) */
	_exit(127);
}

static void
stop(pid_t *pid, int signo)
{
	if (*pid <= 0)
		return;
	kill(*pid, signo);
	for (int i = 0; i < 200 && waitpid(*pid, NULL, WNOHANG) == 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	kill(*pid, SIGKILL);
	(void)waitpid(*pid, NULL, WNOHANG);
	*pid = 0;
}

static bool
read_line(const char *name, const char *begins, char *out, size_t size)
{
	char path[160], line[256];
	FILE *f;
	bool found = false;

	snprintf(path, sizeof(path), "%s/%s", d.place, name);
	f = fopen(path, "r");
	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		found = strncmp(line, begins, strlen(begins)) == 0 && strchr(line, '\n') != NULL;
		if (found)
			snprintf(out, size, "%.*s", (int)strcspn(line + strlen(begins), "\n"), line + strlen(begins));
	}
	if (f != NULL)
		fclose(f);
	return found;
}

static bool
start_origins(const struct round *r)
{
	char program[PATH_MAX], card[64], parent[16], name[32];

	if (!find_program(program, "plexbridge-origin"))
		return false;
	snprintf(card, sizeof(card), "--testcard=seg=2,win=%d,clock=wall", r->window_segments);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	for (size_t i = 0; i < OUTAGES; i++) {
		const char *argv[] = { program, card, "--listen", "127.0.0.1:0", "--parent", parent, NULL };

		snprintf(name, sizeof(name), "origin%zu", i);
		d.origins[i] = start(argv, name);
	}
	for (size_t i = 0; i < OUTAGES; i++) {
		double until = now_s() + START_MS / 1e3;

		snprintf(name, sizeof(name), "origin%zu", i);
		while (!read_line(name, "listening ", d.urls[i], sizeof(d.urls[i])))
			if (now_s() > until || !wait_s(0.05))
				return false;
	}
	return true;
}

static const char *
user_or(const char *name, const char *other)
{
	return getpwnam(name) != NULL ? name : other;
}

static json_t *
get(const char *path)
{
	struct answer answer;
	char why[256];
	json_t *o;

	if (ask(&answer, d.control, path, false, ASK_TIMEOUT_MS, why, sizeof(why)) != 0)
		return NULL;
	o = json_loadb(answer.body, answer.len, 0, NULL);
	free(answer.body);
	return o;
}

static bool
write_config(const struct round *r)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/plexbridge.ini", d.place);
	f = fopen(path, "w");
	if (f == NULL)
		return false;
	fprintf(f, "[server]\nlisten = 127.0.0.1:%d\ncontrol = %s\nstate_dir = %s/state\n", d.port, d.control, d.place);
	if (geteuid() == 0)
		fprintf(f, "user = %s\nworker_user = %s\n", user_or("plexbridge", "nobody"),
		    user_or("plexbridge-worker", "daemon"));
	fprintf(f, "[discovery]\nhdhomerun = no\nssdp = no\n[tuner]\ntuner_count = %zu\n[stream]\nreserve = %ds\n",
	    OUTAGES, r->reserve_s);
	for (size_t i = 0; i < OUTAGES; i++)
		fprintf(
		    f, "[channel %zu]\nname = %s\nurl = %s/testcard/master.m3u8\n", i + 1, outages[i].name, d.urls[i]);
	return fclose(f) == 0;
}

/* It has a worker to spare. Otherwise *status is what it exited with; -1: it runs, or a signal ended it. */
static bool
bridge_warms(int *status)
{
	double until = now_s() + START_MS / 1e3;
	int ended;

	*status = -1;
	while (now_s() < until && wait_s(0.1)) {
		json_t *answer;
		const char *spare;
		bool warm;

		if (waitpid(d.bridge, &ended, WNOHANG) != 0) {
			d.bridge = 0;
			*status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
			return false;
		}
		answer = get("/api/status");
		spare = json_string_value(json_object_get(json_object_get(answer, "spare"), "state"));
		warm = spare != NULL && strcmp(spare, "warm") == 0;
		json_decref(answer);
		if (warm)
			return true;
	}
	return false;
}

/* What its log says last. */
static void
last_line(char *out, size_t size, const char *name)
{
	char path[160], line[512];
	FILE *f;

	out[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", d.place, name);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
	if (f != NULL)
		fclose(f);
}

/*
 * Ports below those that the kernel gives away; one that is taken is found
 * out by binding it. What will fail again is not tried again. NULL, or why not.
 */
static const char *
start_bridge(const struct round *r)
{
	char program[PATH_MAX], path[160];
	const char *argv[] = { program, "-f", path, NULL };
	char line[sizeof(d.why) - 32];
	int status;

	if (!find_program(program, "plexbridged"))
		return "there is no plexbridged beside this program";
	snprintf(path, sizeof(path), "%s/plexbridge.ini", d.place);
	for (int tries = 0; tries < 20 && !stopped; tries++) {
		d.port = 20000 + (int)((uint64_t)(now_s() * 1e6) % 12000);
		if (!write_config(r))
			return "its configuration can't be written";
		d.bridge = start(argv, "bridge");
		if (d.bridge == -1)
			return "no process can be made";
		if (bridge_warms(&status))
			return NULL;
		stop(&d.bridge, SIGTERM);
		if (status == PB_EXIT_PERMANENT)
			break;
	}
	if (stopped)
		return "interrupted";
	last_line(line, sizeof(line), "bridge.err");
	snprintf(d.why, sizeof(d.why), "plexbridged does not start: %s", line[0] != '\0' ? line : "it says nothing");
	return d.why;
}

static void
start_viewers(void)
{
	char program[PATH_MAX], url[64], name[32];

	(void)find_program(program, "plexbridge-origin");
	for (size_t i = 0; i < OUTAGES; i++) {
		const char *argv[] = { program, "--view", url, NULL };

		snprintf(url, sizeof(url), "http://127.0.0.1:%d/auto/v%zu", d.port, i + 1);
		snprintf(name, sizeof(name), "viewer%zu", i);
		d.viewers[i] = start(argv, name);
	}
}

static size_t
nothing(char *data, size_t size, size_t count, void *user)
{
	(void)data;
	(void)user;
	return size * count;
}

/* Put a fault in force at an origin. */
static bool
make_fault(size_t i, const char *from, int for_s)
{
	char fault[160], url[320];
	CURL *curl = curl_easy_init();
	CURLcode err;
	size_t len = 0;

	if (curl == NULL)
		return false;
	for (; *from != '\0' && len + 16 < sizeof(fault); from++) {
		if (from[0] == '%' && from[1] == 'd') {
			len += (size_t)snprintf(fault + len, sizeof(fault) - len, "%d", for_s);
			from++;
		} else
			fault[len++] = *from;
	}
	fault[len] = '\0';
	snprintf(url, sizeof(url), "%s/_/fault?%s", d.urls[i], fault);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 5000L);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, nothing);
	err = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	return err == CURLE_OK;
}

static const json_t *
stream_of(const json_t *status, size_t i)
{
	char number[16];
	size_t k;
	json_t *s;

	snprintf(number, sizeof(number), "%zu", i + 1);
	json_array_foreach(json_object_get(status, "streams"), k, s)
	{
		const char *channel = json_string_value(json_object_get(s, "channel"));

		if (channel != NULL && strcmp(channel, number) == 0)
			return s;
	}
	return NULL;
}

static bool
break_all(const struct round *r)
{
	json_t *status = get("/api/status");

	for (size_t i = 0; i < OUTAGES; i++) {
		/* What cuts goes first: the other would have its request refused, too. */
		if ((outages[i].cut && !make_fault(i, "kind=any&fault=truncate&value=0&count=2", r->for_s)) ||
		    (outages[i].fault != NULL && !make_fault(i, outages[i].fault, r->for_s))) {
			json_decref(status);
			return false;
		}
		if (outages[i].kill) {
			json_int_t pid =
			    json_integer_value(json_object_get(json_object_get(stream_of(status, i), "worker"), "pid"));

			if (pid > 1) /* another user's, perhaps: then the bridge is asked */
				(void)kill((pid_t)pid, SIGKILL);
		}
	}
	json_decref(status);
	return true;
}

static void
judge_one(const struct round *r, const json_t *status, size_t i, double quiet_ms)
{
	struct result *x = &d.results[d.count++];
	char path[160];
	json_t *report;
	const json_t *analysis;
	const char *closed;

	snprintf(path, sizeof(path), "%s/viewer%zu", d.place, i);
	report = json_load_file(path, 0, NULL);
	analysis = json_object_get(report, "analysis");
	closed = json_string_value(json_object_get(report, "closed"));
	snprintf(x->round, sizeof(x->round), "%d s", r->for_s);
	snprintf(x->outage, sizeof(x->outage), "%s", outages[i].name);
	x->gap_ms = json_number_value(json_object_get(report, "largest_gap_ms"));
	x->media_ms = (int)json_number_value(json_object_get(analysis, "media_ms"));
	x->continuity_errors = (int)json_integer_value(json_object_get(analysis, "continuity_errors"));
	x->jumps = (int)(json_integer_value(json_object_get(analysis, "pcr_jumps")) +
	    json_integer_value(json_object_get(analysis, "pcr_backward")) +
	    json_integer_value(json_object_get(analysis, "dts_backward")));
	x->underruns =
	    (int)json_integer_value(json_object_get(json_object_get(stream_of(status, i), "upstream"), "underruns"));
	if (json_integer_value(json_object_get(report, "status")) != 200)
		snprintf(x->why, sizeof(x->why), "the tune failed");
	else if (closed == NULL || strcmp(closed, "signal") != 0)
		snprintf(
		    x->why, sizeof(x->why), "the connection was closed (%s)", closed != NULL ? closed : "no report");
	else if (x->continuity_errors > 0 || x->jumps > 0)
		snprintf(x->why, sizeof(x->why), "counters or clocks jumped");
	else if (x->media_ms < (SETTLE_S + r->for_s) * 1000)
		snprintf(x->why, sizeof(x->why), "media is missing");
	else if (r->covered && i > 0 && x->gap_ms > quiet_ms + GAP_MS)
		snprintf(x->why, sizeof(x->why), "a pause (%.0f ms undisturbed)", quiet_ms);
	else if (r->covered && x->underruns > 0)
		snprintf(x->why, sizeof(x->why), "the reserve was spent");
	x->passed = x->why[0] == '\0';
	json_decref(report);
}

static void
end_all(void)
{
	for (size_t i = 0; i < OUTAGES; i++)
		stop(&d.viewers[i], SIGTERM);
	stop(&d.bridge, SIGTERM);
	for (size_t i = 0; i < OUTAGES; i++)
		stop(&d.origins[i], SIGTERM);
}

/* NULL, or why it could not be held. */
static const char *
hold(const struct round *r)
{
	json_t *status, *report;
	char path[160];
	const char *why;
	double quiet_ms;

	if (!start_origins(r))
		return "plexbridge-origin does not start";
	why = start_bridge(r);
	if (why != NULL)
		return why;
	start_viewers();
	if (!wait_s(SETTLE_S))
		return "interrupted";
	if (!break_all(r))
		return "a fault could not be made";
	if (!wait_s(r->for_s + AFTER_S))
		return "interrupted";
	status = get("/api/status");
	for (size_t i = 0; i < OUTAGES; i++)
		stop(&d.viewers[i], SIGTERM);
	snprintf(path, sizeof(path), "%s/viewer0", d.place);
	report = json_load_file(path, 0, NULL);
	quiet_ms = json_number_value(json_object_get(report, "largest_gap_ms"));
	json_decref(report);
	for (size_t i = 0; i < OUTAGES; i++)
		judge_one(r, status, i, quiet_ms);
	json_decref(status);
	return NULL;
}

static void
put_json(bool passed)
{
	json_t *o = json_object(), *list = json_array();

	for (size_t i = 0; i < d.count; i++) {
		const struct result *x = &d.results[i];

		json_array_append_new(list,
		    json_pack("{s:s,s:s,s:s,s:f,s:i,s:i,s:i,s:i,s:s}", "outage", x->outage, "length", x->round,
			"result", x->passed ? "pass" : "fail", "largest_gap_ms", x->gap_ms, "media_ms", x->media_ms,
			"continuity_errors", x->continuity_errors, "time_jumps", x->jumps, "underruns", x->underruns,
			"why", x->why));
	}
	json_object_set_new(o, "ok", json_boolean(passed));
	json_object_set_new(o, "outages", list);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static void
put_table(void)
{
	static const struct column columns[] = { { "RESULT", false, 0 }, { "OUTAGE", false, 0 }, { "LENGTH", true, 0 },
		{ "GAP", true, 0 }, { "MEDIA", true, 0 }, { "CC", true, 0 }, { "JUMPS", true, 0 },
		{ "WHY", false, 8 } };
	struct table table;
	char *text;

	table_init(&table, columns, NITEMS(columns));
	for (size_t i = 0; i < d.count; i++) {
		const struct result *x = &d.results[i];
		char gap[24], media[24], cc[16], jumps[16];

		snprintf(gap, sizeof(gap), "%.0f ms", x->gap_ms);
		snprintf(media, sizeof(media), "%.1f s", x->media_ms / 1e3);
		snprintf(cc, sizeof(cc), "%d", x->continuity_errors);
		snprintf(jumps, sizeof(jumps), "%d", x->jumps);
		table_add(&table,
		    (const char *const[]){
			x->passed ? "pass" : "FAIL", x->outage, x->round, gap, media, cc, jumps, x->why });
	}
	text = table_render(&table, SHOW_WIDTH, d.options->utf8);
	if (text != NULL)
		fputs(text, stdout);
	free(text);
	table_clear(&table);
}

/* Our own names only: what we made is all there is. */
static void
clean_up(void)
{
	char command[128];
	pid_t pid;

	if (getenv("PLEXBRIDGE_DRILL_KEEP") != NULL) {
		fprintf(stderr, "kept: %s\n", d.place);
		return;
	}
	snprintf(command, sizeof(command), "%s", d.place);
	pid = fork();
	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--", command, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}

static bool
make_place(void)
{
	const char *tmp = getenv("TMPDIR");
	char state[96];
	struct passwd *user = geteuid() == 0 ? getpwnam(user_or("plexbridge", "nobody")) : NULL;

	snprintf(
	    d.place, sizeof(d.place), "%.30s/plexbridge-drill.XXXXXX", tmp != NULL && strlen(tmp) < 30 ? tmp : "/tmp");
	if (mkdtemp(d.place) == NULL)
		return false;
	snprintf(d.control, sizeof(d.control), "%s/control.sock", d.place);
	snprintf(state, sizeof(state), "%s/state", d.place);
	if (chmod(d.place, 0755) == -1 || mkdir(state, 0755) == -1)
		return false;
	return user == NULL ||
	    (chown(d.place, user->pw_uid, user->pw_gid) == 0 && chown(state, user->pw_uid, user->pw_gid) == 0);
}

int
drill_run(const struct drill_options *options)
{
	const struct round *rounds = options->full ? full_rounds : short_rounds;
	size_t n = options->full ? NITEMS(full_rounds) : NITEMS(short_rounds);
	struct sigaction act = { .sa_handler = on_signal };
	const char *why = NULL;
	bool passed = true;

	memset(&d, 0, sizeof(d));
	d.options = options;
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	if (!make_place()) {
		fprintf(stderr, "plexbridgectl: %s: %s\n", d.place, strerror(errno));
		return PB_EXIT_FAIL;
	}
	for (size_t i = 0; i < n && why == NULL; i++) {
		if (!options->json)
			fprintf(stderr, "%zu outages of %d s, side by side: %d s\n", OUTAGES - 1, rounds[i].for_s,
			    SETTLE_S + rounds[i].for_s + AFTER_S);
		why = hold(&rounds[i]);
		end_all();
	}
	for (size_t i = 0; i < d.count; i++)
		passed = passed && d.results[i].passed;
	if (why != NULL)
		fprintf(stderr, "plexbridgectl: drill: %s\n", why);
	else if (options->json)
		put_json(passed);
	else
		put_table();
	clean_up();
	return why == NULL && passed && fflush(stdout) == 0 ? PB_EXIT_OK : PB_EXIT_FAIL;
}
