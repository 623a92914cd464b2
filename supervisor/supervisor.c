/*
 * supervisor.c - from bound sockets to the last child's death
 *
 * In this order: limits and users are checked, ports are bound, folders are
 * made, root is given up, and only then is anything read that is not ours.
 * Until the ports are bound nothing exists that would have to be undone,
 * but what the last supervisor left (keep.h): its sockets are taken as they
 * are, and its streams go on when all the rest is there.
 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/pb.h"
#include "supervisor/control.h"
#include "supervisor/front.h"
#include "supervisor/history.h"
#include "supervisor/memory.h"
#include "supervisor/status.h"

#define RESTART_SHOWN 16

/* What the tuner ports are. */
struct sockets {
	int fds[LISTEN_MAX];
	size_t count;
};

static void
worker_settings(struct workers_settings *out, const struct config *config)
{
	*out = (struct workers_settings){
		.log_level = config->server.log_level,
		.log_json = config->server.log_format == LOG_AS_JSON,
		.log_syslog = config->server.log == LOG_TO_SYSLOG,
		.watchdog_ms = config->stream.watchdog_ms,
		.worker_memory = config->stream.worker_memory_bytes,
	};
}

static uint64_t
memory_limit(const struct config *config)
{
	return config->server.memory_bytes != 0 ? config->server.memory_bytes : memory_available("") / 2;
}

static void
testcard_as(struct supervisor *sup, const struct config *config)
{
	bool wanted = false;
	int err;

	for (size_t i = 0; i < config->lineup.count; i++)
		wanted |= config->lineup.channels[i].testcard;
	if (!wanted) {
		testcard_stop(&sup->testcard);
		sup->streams.testcard_url = NULL;
		return;
	}
	err = testcard_start(&sup->testcard);
	if (err != 0)
		log_event(LOG_ERR, "testcard.start", "why=\"%s: %s\"", sup->testcard.program,
		    err == PB_NO ? "no such program" : strerror(errno));
	sup->streams.testcard_url = sup->testcard.fd != -1 ? sup->testcard.url : NULL;
}

/*
 * The start
 */

static int
refuse(int status, const char *why)
{
	log_event(LOG_ERR, "start.failed", "exit=%d why=\"%s\"", status, why);
	return status;
}

static int
check_machine(struct supervisor *sup)
{
	const struct config_server *server = &sup->config->server;
	const char *why = "";
	char program[PATH_MAX], text[PATH_MAX + 64];

	if (privs_limits(&why) != 0 || privs_resolve(&sup->privs, server->user, server->worker_user, &why) != 0)
		return refuse(PB_EXIT_PERMANENT, why);
	if (!child_program(program, sizeof(program), "plexbridge-worker")) {
		snprintf(text, sizeof(text), "%s: no such program, nor beside plexbridged", program);
		return refuse(PB_EXIT_PERMANENT, text);
	}
	return 0;
}

/* What has another use of the port, or the address not yet there, may be otherwise later. */
static int
bind_status(int err)
{
	return err == EACCES || err == EPERM || err == EAFNOSUPPORT ? PB_EXIT_PERMANENT : PB_EXIT_TEMPORARY;
}

static char *
listen_text(const struct config_addr *at, char out[ADDR_TEXT])
{
	struct addr addr;

	addr_set(&addr, &at->sa.any, at->len);
	return addr_text(&addr, out);
}

/* Leave out the addresses that have no socket. */
static void
keep_bound(struct config_addrs *addrs, int *fds)
{
	size_t n = 0;

	for (size_t i = 0; i < addrs->count; i++)
		if (fds[i] != -1) {
			fds[n] = fds[i];
			addrs->at[n++] = addrs->at[i];
		}
	addrs->count = n;
}

/*
 * What is to be listened on, when it's free: port 80 is often somebody
 * else's, and [tuner NAME]'s ports are of less use than [tuner]'s.
 */
static void
bind_extra(struct supervisor *sup, const struct config_addr *at, struct sockets *sockets)
{
	struct config_addrs one = { .at = { *at }, .count = 1 };
	char why[256], text[ADDR_TEXT];
	int bound[CONFIG_LISTEN_MAX];
	int fd = keep_socket_claim(&sup->keep, LEDGER_TUNER, listen_text(at, text));

	if (fd == -1) {
		if (listen_bind(&one, bound, why, sizeof(why)) != 0) {
			log_event(LOG_ERR, "listen.missing", "why=\"%s; going on without it\"", why);
			return;
		}
		fd = bound[0];
		keep_socket(&sup->keep, LEDGER_TUNER, text, fd);
	}
	sockets->fds[sockets->count++] = fd;
}

static uint16_t *
port_of(struct config_addr *at)
{
	return at->sa.any.sa_family == AF_INET6 ? &at->sa.v6.sin6_port : &at->sa.v4.sin_port;
}

/* The ports of the [tuner NAME]s, at each address of [server] listen. */
static void
bind_units(struct supervisor *sup, struct sockets *sockets)
{
	const struct config_addrs *all = &sup->config->server.listen;

	for (size_t i = 0; i < sup->units.count; i++) {
		struct unit *unit = &sup->units.at[i];
		struct config_addrs done = { .count = 0 };
		size_t before = sockets->count;

		for (size_t j = 0; unit->config->port != 0 && j < all->count; j++) {
			struct config_addr at = all->at[j];
			bool twice = false;

			*port_of(&at) = htons((uint16_t)unit->config->port);
			for (size_t k = 0; k < done.count; k++)
				twice |= memcmp(&done.at[k], &at, sizeof(at)) == 0;
			if (twice || sockets->count == NITEMS(sockets->fds))
				continue;
			done.at[done.count++] = at;
			bind_extra(sup, &at, sockets);
		}
		if (sockets->count > before)
			unit->port = (uint16_t)unit->config->port;
	}
}

/* Addresses that the last supervisor had bound are taken as they are; all others are bound, or none. */
static int
bind_needed(struct supervisor *sup, int fds[CONFIG_LISTEN_MAX])
{
	const struct config_addrs *all = &sup->config->server.listen;
	struct config_addrs missing = { .count = 0 };
	int bound[CONFIG_LISTEN_MAX];
	char why[256], text[ADDR_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < all->count; i++) {
		fds[i] = keep_socket_claim(&sup->keep, LEDGER_TUNER, listen_text(&all->at[i], text));
		if (fds[i] == -1)
			missing.at[missing.count++] = all->at[i];
	}
	if (missing.count > 0 && listen_bind(&missing, bound, why, sizeof(why)) != 0) {
		int status = bind_status(errno);

		if (missing.count == all->count)
			return refuse(status, why);
		/* Others have viewers: an address that was written into the file since is not worth those. */
		log_event(LOG_ERR, "listen.missing", "why=\"%s; going on with those that are held\"", why);
		keep_bound(&sup->config->server.listen, fds);
		return 0;
	}
	for (size_t i = 0; i < all->count; i++)
		if (fds[i] == -1) {
			fds[i] = bound[n++];
			keep_socket(&sup->keep, LEDGER_TUNER, listen_text(&all->at[i], text), fds[i]);
		}
	return 0;
}

static int
bind_tuner(struct supervisor *sup, struct sockets *sockets)
{
	struct config_addrs *all = &sup->config->server.listen;
	struct config_addrs extra = { .count = 0 };
	size_t n = 0;
	int status;

	for (size_t i = 0; i < all->count; i++)
		if (ntohs(*port_of(&all->at[i])) == 80)
			extra.at[extra.count++] = all->at[i];
		else
			all->at[n++] = all->at[i];
	/* When nothing else is wanted, 80 is needed. */
	if (n == 0) {
		status = bind_needed(sup, sockets->fds);
		sockets->count = all->count;
		return status;
	}
	all->count = n;
	status = bind_needed(sup, sockets->fds);
	sockets->count = all->count;
	for (size_t i = 0; status == 0 && i < extra.count; i++) {
		bind_extra(sup, &extra.at[i], sockets);
		if (sockets->count > all->count)
			all->at[all->count++] = extra.at[i];
	}
	return status;
}

static int
bind_control(struct supervisor *sup, int *fd)
{
	const char *path = sup->config->server.control;
	const char *slash = strrchr(path, '/');
	char folder[sizeof(sup->control_path)], why[256];

	if (strlen(path) >= sizeof(sup->control_path)) {
		snprintf(why, sizeof(why), "control: the path has more than %zu bytes", sizeof(sup->control_path) - 1);
		return refuse(PB_EXIT_PERMANENT, why);
	}
	*fd = keep_socket_claim(&sup->keep, LEDGER_CONTROL, path);
	if (*fd != -1) {
		memcpy(sup->control_path, path, strlen(path) + 1);
		return 0;
	}
	if (slash != NULL && slash != path) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
		if (privs_mkdir(&sup->privs, folder, 0755) != 0) {
			snprintf(why, sizeof(why), "control: %s: %s", folder, strerror(errno));
			return refuse(PB_EXIT_PERMANENT, why);
		}
	}
	if (listen_bind_unix(path, 0660, sup->privs.control_gid, fd, why, sizeof(why)) != 0) {
		int status = errno == EADDRINUSE ? PB_EXIT_TEMPORARY : PB_EXIT_PERMANENT;

		return refuse(status, why);
	}
	memcpy(sup->control_path, path, strlen(path) + 1);
	if (sup->privs.root && lchown(path, sup->privs.uid, (gid_t)-1) == -1) {
		snprintf(why, sizeof(why), "control: %s: %s", path, strerror(errno));
		return refuse(PB_EXIT_PERMANENT, why);
	}
	keep_socket(&sup->keep, LEDGER_CONTROL, path, *fd);
	return 0;
}

/* All that needs root. The folder of the state may fail: device.c says what it means, and goes on. */
static int
bind_all(struct supervisor *sup, struct sockets *sockets, int *control_fd)
{
	const struct config_server *server = &sup->config->server;
	int status = bind_tuner(sup, sockets);

	if (status == 0)
		status = bind_control(sup, control_fd);
	if (status != 0)
		return status;
	discovery_bind(&sup->discovery);
	bind_units(sup, sockets);
	if (privs_mkdir(&sup->privs, server->state_dir, 0750) != 0)
		log_event(LOG_WARNING, "start.state_dir", "path=\"%s\" why=\"%s\"", server->state_dir, strerror(errno));
	if (sup->config->stream.quarantine_dir != NULL &&
	    privs_mkdir(&sup->privs, sup->config->stream.quarantine_dir, 0750) != 0)
		log_event(LOG_WARNING, "start.quarantine_dir", "path=\"%s\" why=\"%s\"",
		    sup->config->stream.quarantine_dir, strerror(errno));
	if (privs_drop(&sup->privs) != 0)
		return refuse(PB_EXIT_PERMANENT, "can't give up root");
	return 0;
}

static int
serve(struct supervisor *sup, const struct sockets *sockets, int control_fd)
{
	const struct http_options tuner = { .name = "tuner", .tuner = true };
	const struct http_options control = { .name = "control", .conns_max = 64, .heads_max = 32 };

	if (http_new(&sup->http, sup->loop, &tuner, front_handle, sup) != 0 ||
	    http_new(&sup->control, sup->loop, &control, control_handle, sup) != 0)
		return refuse(PB_EXIT_TEMPORARY, "no memory");
	http_allow(sup->http, &sup->config->server.allow);
	if (listen_start(&sup->listen, sup->loop, sockets->fds, sockets->count, http_accepted, sup->http) != 0 ||
	    listen_start(&sup->control_listen, sup->loop, &control_fd, 1, http_accepted, sup->control) != 0)
		return refuse(PB_EXIT_TEMPORARY, "can't listen");
	return 0;
}

/*
 * The end
 */

static void
on_late(struct ev_loop *loop, ev_timer *watch, int revents)
{
	(void)watch;
	(void)revents;
	log_event(LOG_ERR, "stop.late", "why=\"a process of ours is not dead yet; going without it\"");
	ev_break(loop, EVBREAK_ALL);
}

static void
on_turn(struct ev_loop *loop, ev_check *watch, int revents)
{
	struct supervisor *sup = watch->data;

	(void)revents;
	upgrade_turn(&sup->upgrade);
	if (sup->stopping && LIST_EMPTY(&sup->workers.all) && sup->testcard.child.pid == 0)
		ev_break(loop, EVBREAK_ALL);
}

static void
stop(struct supervisor *sup, const char *why)
{
	if (sup->stopping)
		return;
	log_event(LOG_INFO, "stop", "streams=%zu why=\"%s\"", sup->streams.count, why);
	sup->stopping = true;
	upgrade_abort(&sup->upgrade, why);
	discovery_stop(&sup->discovery);
	listen_free(&sup->listen);
	listen_free(&sup->control_listen);
	(void)notify_stopping(sup->keep.notify);
	/* With a holder a stop may be a restart, and which it is, is for the holder to know: viewers are its own now. */
	if (keep_there(&sup->keep))
		streams_leave(&sup->streams);
	else
		streams_close(&sup->streams, "stop");
	imports_freeze(&sup->imports);
	trial_cancel(&sup->trial);
	guides_freeze(&sup->guides);
	workers_close(&sup->workers);
	testcard_stop(&sup->testcard);
	ev_timer_init(&sup->late, on_late, SUPERVISOR_STOP_S, 0.0);
	ev_timer_start(sup->loop, &sup->late);
	/* Perhaps there is nobody to wait for: have a turn. */
	ev_feed_event(sup->loop, &sup->done, EV_CHECK);
}

static void
on_stop(struct ev_loop *loop, ev_signal *watch, int revents)
{
	(void)loop;
	(void)revents;
	stop(watch->data, watch->signum == SIGTERM ? "SIGTERM" : "SIGINT");
}

/*
 * Changes
 */

int
supervisor_reload(
    struct supervisor *sup, struct config_errors *errs, const char **restart, size_t max, size_t *restarts)
{
	struct config *old = sup->config, *new = NULL;
	struct workers_settings settings;
	int err;

	*restarts = 0;
	(void)notify_reloading(sup->keep.notify);
	err = config_load(&new, sup->options.path, sup->options.overrides, sup->options.override_count, errs);
	if (err == 0) {
		trial_cancel(&sup->trial);
		err = imports_reload(&sup->imports, new);
	}
	if (err != 0) {
		config_free(&new);
		(void)notify_ready(sup->keep.notify);
		for (size_t i = 0; i < errs->count; i++)
			log_event(LOG_ERR, "reload.error", "why=\"%s\"", errs->at[i].text);
		log_event(LOG_ERR, "reload.refused", "errors=%zu why=\"%s; what was in force stays in force\"",
		    errs->total, pb_strerror(err));
		return err;
	}
	*restarts = config_needs_restart(old, new, restart, max);
	for (size_t i = 0; i < PB_MIN(*restarts, max); i++)
		log_event(
		    LOG_WARNING, "reload.restart", "setting=%s why=\"takes effect at a restart only\"", restart[i]);
	/* What is bound stays bound, whatever the file says by now; the next reload says it again. */
	config_keep_in_force(new, old);
	log_init("plexbridged", new->server.log, new->server.log_format, new->server.log_level);
	worker_settings(&settings, new);
	sup->upgrade.reload = true;
	sup->config = new;
	sup->streams.memory_limit = memory_limit(new);
	http_allow(sup->http, &new->server.allow);
	(void)units_update(&sup->units, new, &new->lineup, sup->imports.whole);
	testcard_as(sup, new);
	/* The spare first: it is what the streams' workers are replaced by. */
	workers_reload(&sup->workers, &settings);
	streams_reload(&sup->streams, new);
	config_free(&old);
	guides_changed(&sup->guides);
	discovery_reload(&sup->discovery);
	(void)malloc_trim(0); /* two lineups were there for a moment: give the machine its memory back */
	log_event(LOG_INFO, "reload", "channels=%zu", new->lineup.count);
	(void)notify_ready(sup->keep.notify);
	(void)notify_status(sup->keep.notify, "%zu channels", new->lineup.count);
	return 0;
}

static void
on_hup(struct ev_loop *loop, ev_signal *watch, int revents)
{
	struct supervisor *sup = watch->data;
	struct config_errors errs = { 0 };
	const char *restart[RESTART_SHOWN];
	size_t restarts;

	(void)loop;
	(void)revents;
	if (!sup->stopping)
		(void)supervisor_reload(sup, &errs, restart, NITEMS(restart), &restarts);
	config_errors_clear(&errs);
}

static void
on_usr1(struct ev_loop *loop, ev_signal *watch, int revents)
{
	(void)loop;
	(void)revents;
	status_log(watch->data);
}

static void
on_usr2(struct ev_loop *loop, ev_signal *watch, int revents)
{
	struct supervisor *sup = watch->data;

	(void)loop;
	(void)revents;
	upgrade_start(&sup->upgrade, NULL);
}

static void catch (struct supervisor *sup, ev_signal *watch, int sig, void (*fn)(struct ev_loop *, ev_signal *, int))
{
	ev_signal_init(watch, fn, sig);
	watch->data = sup;
	ev_signal_start(sup->loop, watch);
}

/* Streams, though none runs yet, and workers for them. */
static int
warm_up(struct supervisor *sup)
{
	struct workers_settings settings;
	char why[160];

	snprintf(why, sizeof(why), "plexbridge-worker is gone, or the user %.64s may not enter a folder above it",
	    sup->config->server.user);
	worker_settings(&settings, sup->config);
	streams_init(&sup->streams, sup->loop, &sup->workers, sup->config, &sup->keep);
	if (history_new(&sup->history) == 0) /* without memory for it, why knows less */
		sup->streams.history = sup->history;
	sup->streams.memory_limit = memory_limit(sup->config);
	testcard_init(&sup->testcard, sup->loop, &sup->privs);
	testcard_as(sup, sup->config);
	return workers_init(&sup->workers, sup->loop, &sup->privs, &settings) != 0 ? refuse(PB_EXIT_PERMANENT, why) : 0;
}

/* Another supervisor lives, and hands over to us. */
static int
join(struct supervisor *sup)
{
	int status = warm_up(sup);

	if (status != 0)
		return status;
	streams_freeze(&sup->streams);
	return upgrade_join(&sup->upgrade);
}

/* Go on with what the last supervisor remembered, and leave it to the next one. */
static void
remember(struct supervisor *sup)
{
	int fd = keep_history_claim(&sup->keep);
	bool goes_on;

	if (sup->history == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	goes_on = history_go_on(sup->history, fd);
	keep_history(&sup->keep, history_fd(sup->history), goes_on);
}

static void
begin(struct supervisor *sup)
{
	turn_start(&sup->turn, sup->loop);
	ev_check_init(&sup->done, on_turn);
	sup->done.data = sup;
	ev_check_start(sup->loop, &sup->done);
	catch (sup, &sup->hup, SIGHUP, on_hup);
	catch (sup, &sup->term, SIGTERM, on_stop);
	catch (sup, &sup->intr, SIGINT, on_stop);
	catch (sup, &sup->usr1, SIGUSR1, on_usr1);
	catch (sup, &sup->usr2, SIGUSR2, on_usr2);
	sup->started = loop_now(sup->loop);
	remember(sup);
	imports_begin(&sup->imports, sup); /* first: the streams look for their channels */
	trial_begin(&sup->trial, sup);
	guides_begin(&sup->guides, sup);
	streams_restore(&sup->streams);
	imports_tuned(&sup->imports);
	discovery_start(&sup->discovery);
	(void)notify_ready(sup->keep.notify);
	(void)notify_status(sup->keep.notify, "%zu channels", sup->config->lineup.count);
	upgrade_serving(&sup->upgrade);
	if (sup->upgrade.reload)
		ev_feed_event(sup->loop, &sup->hup, EV_SIGNAL);
}

static void
end(struct supervisor *sup)
{
	discovery_stop(&sup->discovery);
	listen_free(&sup->listen);
	listen_free(&sup->control_listen);
	drafts_end(&sup->drafts);
	http_free(&sup->http);
	http_free(&sup->control);
	units_clear(&sup->units);
	guides_end(&sup->guides);
	trial_end(&sup->trial);
	imports_end(&sup->imports);
	/* The holder has it still, and the next supervisor takes it as it is. */
	if (sup->control_path[0] != '\0' && !keep_there(&sup->keep))
		(void)unlink(sup->control_path);
	keep_close(&sup->keep);
	sup->streams.history = NULL;
	history_free(&sup->history);
	config_free(&sup->config);
}

int
supervisor_run(struct supervisor *sup, struct config *config, const struct supervisor_options *options)
{
	struct sockets sockets = { .count = 0 };
	int control_fd = -1;
	bool joins;
	int status;

	memset(sup, 0, sizeof(*sup));
	sup->options = *options;
	upgrade_init(&sup->upgrade, sup);
	discovery_init(&sup->discovery, sup);
	drafts_init(&sup->drafts, sup);
	joins = upgrade_joins(&sup->upgrade);
	sup->config = config;
	units_init(&sup->units, config);
	(void)signal(SIGPIPE, SIG_IGN);
	status = check_machine(sup);
	if (status == 0) {
		sup->loop = ev_default_loop(EVFLAG_AUTO);
		if (sup->loop == NULL)
			status = refuse(PB_EXIT_TEMPORARY, "no event loop");
		else if (joins)
			status = join(sup);
		if (status == 0 && keep_open(&sup->keep, sup->loop, joins ? &sup->upgrade.held : NULL) != 0)
			status = refuse(PB_EXIT_TEMPORARY, "no memory for the ledger");
	}
	if (status == 0)
		status = bind_all(sup, &sockets, &control_fd);
	if (status == 0) {
		units_identify(&sup->units, config);
		if (units_update(&sup->units, config, &config->lineup, false) != 0)
			status = refuse(PB_EXIT_TEMPORARY, "no memory for the lineup");
	}
	if (status == 0)
		status = serve(sup, &sockets, control_fd);
	if (status == 0 && !joins)
		status = warm_up(sup);
	if (status == 0) {
		sup->streams.http = sup->http;
		begin(sup);
		log_event(LOG_INFO, "start", "version=%s commit=%s channels=%zu tuners=%d device=%s", PACKAGE_VERSION,
		    PB_COMMIT, config->lineup.count, config->tuner.tuner_count, sup->units.at[0].device.id_text);
		ev_run(sup->loop, 0);
		log_event(LOG_INFO, "end", "exit=0");
	}
	end(sup);
	return status;
}
