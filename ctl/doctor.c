/*
 * doctor.c - read, probe, and a table of checks
 */
#include "ctl/doctor.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/pb.h"
#include "base/url.h"
#include "ctl/ask.h"
#include "ctl/probe.h"
#include "ctl/show.h"
#include "ctl/table.h"

#define PLEX_PORT 32400 /* Plex Media Server's own */
#define CLIENTS_MAX 4
#define SOURCES_MAX 4
#define FINDINGS_MAX 64
#define WATCH_S 10
#define FILE_MAX 65536

struct doctor {
	const struct doctor_options *options;
	json_t *status, *channels; /* NULL: plexbridged does not answer */
	char unanswered[256];
	char *snmp, *netstat, *dev, *route;
	struct found {
		const char *check;
		struct finding f;
	} found[FINDINGS_MAX];
	size_t count;
};

/* A file's text, "" when it can't be read; the caller frees it. */
static char *
slurp(const char *path)
{
	char *text = calloc(1, FILE_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (text == NULL)
		abort();
	while (fd != -1 && len < FILE_MAX - 1 && (n = read(fd, text + len, FILE_MAX - 1 - len)) > 0)
		len += (size_t)n;
	if (fd != -1)
		close(fd);
	return text;
}

static long
number_in(const char *path)
{
	char *text = slurp(path), *end;
	long n = strtol(text, &end, 10);

	n = end == text ? -1 : n;
	free(text);
	return n;
}

static struct finding *
found(struct doctor *d, const char *check)
{
	static struct finding over;

	if (d->count == FINDINGS_MAX)
		return &over;
	d->found[d->count].check = check;
	return &d->found[d->count++].f;
}

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static json_t *
get(struct doctor *d, const char *path)
{
	struct answer answer;
	json_t *o;

	if (ask(&answer, d->options->socket, path, false, ASK_TIMEOUT_MS, d->unanswered, sizeof(d->unanswered)) != 0)
		return NULL;
	o = json_loadb(answer.body, answer.len, 0, NULL);
	free(answer.body);
	return o;
}

/*
 * Checks
 */

static void
look_at_client(struct doctor *d, const char *address)
{
	struct address to;
	struct probe p = { .how = "icmp" };
	char interface[IF_NAMESIZE], path[64];
	bool ours;

	if (!probe_parse(&to, address, PLEX_PORT)) {
		finding_set(found(d, "client"), FOUND_SKIP, "", "%.60s is no address", address);
		return;
	}
	if (!probe_ping(&p, &to) || p.answered == 0) {
		p = (struct probe){ 0 };
		probe_tcp(&p, &to);
	}
	check_probe(found(d, "client: loss and latency"), &p, address, false);
	ours = probe_on_link(&to, interface);
	finding_set(found(d, "client: same subnet"), ours ? FOUND_PASS : FOUND_WARN,
	    "put both on one network, or add the tuner in Plex by its address",
	    ours ? "%s is on our network (%s)" : "%s is behind a router: discovery does not reach it%s", address,
	    ours ? interface : "");
	check_neighbour(
	    found(d, "client: neighbour"), probe_neighbour(&to), address, ours && strcmp(interface, "lo") != 0);
	snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", interface);
	check_mtu(found(d, "client: path MTU"), interface[0] != '\0' ? interface : "the way",
	    interface[0] != '\0' ? number_in(path) : -1, probe_path_mtu(&to));
}

static void
check_clients(struct doctor *d)
{
	const char *seen[CLIENTS_MAX];
	size_t n = 0, i, k;
	json_t *s, *c;

	if (d->options->client != NULL) {
		look_at_client(d, d->options->client);
		return;
	}
	json_array_foreach(json_object_get(d->status, "streams"), i, s)
	{
		json_array_foreach(json_object_get(s, "clients"), k, c)
		{
			const char *address = json_string_value(json_object_get(c, "address"));
			size_t have = 0;

			while (have < n && address != NULL && strcmp(seen[have], address) != 0)
				have++;
			if (address != NULL && have == n && n < CLIENTS_MAX)
				seen[n++] = address;
		}
	}
	if (n == 0)
		finding_set(
		    found(d, "client: loss and latency"), FOUND_SKIP, "", "nobody watches: give --client ADDRESS");
	for (i = 0; i < n; i++)
		look_at_client(d, seen[i]);
}

/* A source's host: its name's time, and connections to its port. */
static void
look_at_source(struct doctor *d, const struct url_parts *parts)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	struct probe p = { .how = "tcp" };
	char port[16];
	double begun = now_ms(), ms;
	int err;

	snprintf(port, sizeof(port), "%u", (unsigned)parts->port);
	err = getaddrinfo(parts->host, port, &hints, &list);
	ms = now_ms() - begun;
	check_dns(found(d, "source: DNS"), parts->host, err == 0, ms);
	if (err == 0) {
		struct address to = { .len = list->ai_addrlen };

		memcpy(&to.sa, list->ai_addr, PB_MIN((size_t)list->ai_addrlen, sizeof(to.sa)));
		probe_tcp(&p, &to);
	}
	check_probe(found(d, "source: loss and latency"), &p, parts->host, true);
	if (err == 0)
		freeaddrinfo(list);
}

static void
check_sources(struct doctor *d)
{
	char seen[SOURCES_MAX][URL_HOST_MAX];
	size_t n = 0, i, have;
	json_t *c;

	json_array_foreach(json_object_get(d->channels, "channels"), i, c)
	{
		const char *url = json_string_value(json_object_get(c, "url"));
		struct url_parts parts;

		if (n == SOURCES_MAX || url == NULL || url_parse(&parts, url) != 0)
			continue;
		for (have = 0; have < n && strcmp(seen[have], parts.host) != 0;)
			have++;
		if (have < n)
			continue;
		snprintf(seen[n++], sizeof(seen[0]), "%s", parts.host);
		look_at_source(d, &parts);
	}
	if (n == 0)
		finding_set(found(d, "source: loss and latency"), FOUND_SKIP, "", "no source is known");
}

static void
check_bridge(struct doctor *d)
{
	struct finding *f = found(d, "plexbridged");

	if (d->status == NULL)
		finding_set(f, FOUND_FAIL, "systemctl start plexbridge", "%.150s", d->unanswered);
	else
		finding_set(f, FOUND_PASS, "", "version %s answers",
		    json_string_value(json_object_get(json_object_get(d->status, "supervisor"), "version")));
}

/* From here: a firewall between others and us can't be seen, one on this machine can. */
static void
look_at_port(struct doctor *d, const struct address *to, const char *shown)
{
	double ms;

	if (probe_connect(to, &ms))
		finding_set(found(d, "ports"), FOUND_PASS, "", "%.100s is reached in %.1f ms", shown, ms);
	else
		finding_set(
		    found(d, "ports"), FOUND_FAIL, "nft list ruleset; ss -Hltn", "%.100s is not reached", shown);
}

/* Of one that listens on every address: each that clients can be told of. */
static void
look_at_own(struct doctor *d, uint16_t port)
{
	struct ifaddrs *all = NULL, *i;
	char host[NI_MAXHOST], shown[NI_MAXHOST + 8];

	if (getifaddrs(&all) == -1)
		return;
	for (i = all; i != NULL; i = i->ifa_next) {
		struct address to;

		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK) ||
		    !(i->ifa_flags & IFF_UP) ||
		    getnameinfo(i->ifa_addr, sizeof(struct sockaddr_in), host, sizeof(host), NULL, 0, NI_NUMERICHOST) !=
			0 ||
		    !probe_parse(&to, host, port))
			continue;
		snprintf(shown, sizeof(shown), "%s:%u", host, (unsigned)port);
		look_at_port(d, &to, shown);
	}
	freeifaddrs(all);
}

/* "HOST:PORT" or "[HOST]:PORT" in two. */
static bool
split(const char *text, char host[64], uint16_t *port)
{
	const char *colon = text != NULL ? strrchr(text, ':') : NULL;
	size_t len;

	if (colon == NULL)
		return false;
	len = (size_t)(colon - text);
	if (len >= 2 && text[0] == '[' && colon[-1] == ']') {
		text++;
		len -= 2;
	}
	*port = (uint16_t)strtoul(colon + 1, NULL, 10);
	return len < 64 && snprintf(host, 64, "%.*s", (int)len, text) > 0;
}

/* What clients are told is where they must get through. */
static void
check_advertised(struct doctor *d, const char *text)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	struct address to = { .len = 0 };
	char host[64], port_text[8];
	uint16_t port;

	if (!split(text, host, &port))
		return;
	snprintf(port_text, sizeof(port_text), "%u", (unsigned)port);
	if (getaddrinfo(host, port_text, &hints, &list) != 0) {
		finding_set(found(d, "ports: advertised"), FOUND_FAIL,
		    "plexbridge.ini: [server] advertise = ADDRESS:PORT", "%.60s has no address", host);
		return;
	}
	to.len = list->ai_addrlen;
	memcpy(&to.sa, list->ai_addr, PB_MIN((size_t)list->ai_addrlen, sizeof(to.sa)));
	freeaddrinfo(list);
	look_at_port(d, &to, text);
}

static void
check_ports(struct doctor *d)
{
	const json_t *supervisor = json_object_get(d->status, "supervisor");
	const json_t *list = json_object_get(supervisor, "listeners");
	const char *advertise = json_string_value(json_object_get(supervisor, "advertise"));
	size_t i;
	json_t *v;

	if (json_array_size(list) == 0)
		finding_set(found(d, "ports"), FOUND_SKIP, "", "no listener is known");
	json_array_foreach(list, i, v)
	{
		const char *text = json_string_value(v);
		struct address to;
		char host[64];
		uint16_t port;

		if (!split(text, host, &port) || !probe_parse(&to, host, port))
			continue;
		look_at_port(d, &to, text);
		if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
			look_at_own(d, port);
		if (strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0)
			finding_set(found(d, "ports: address"), FOUND_WARN,
			    "plexbridge.ini: [server] listen = 0.0.0.0:5004", "%s is heard on this machine only", text);
	}
	if (advertise != NULL)
		check_advertised(d, advertise);
}

static void
check_lineup(struct doctor *d)
{
	const json_t *list = json_object_get(d->channels, "channels");
	const json_t *devices = json_object_get(json_object_get(d->status, "supervisor"), "devices");
	size_t n = json_array_size(list), twice = 0, i;
	json_t *seen = json_object(), *device;

	if (d->channels == NULL) {
		finding_set(found(d, "channels"), FOUND_SKIP, "", "not known");
		json_decref(seen);
		return;
	}
	json_array_foreach(devices, i, device)
	{
		const char *name = json_string_value(json_object_get(device, "name"));

		check_channels(found(d, "channels"), name != NULL ? name : "the tuner",
		    (long)json_integer_value(json_object_get(device, "channels")));
	}
	for (i = 0; i < n; i++) {
		const char *number = json_string_value(json_object_get(json_array_get(list, i), "channel"));

		if (number == NULL)
			continue;
		twice += json_object_get(seen, number) != NULL;
		json_object_set_new(seen, number, json_true());
	}
	finding_set(found(d, "channels: numbers"), twice > 0 ? FOUND_FAIL : FOUND_PASS,
	    "plexbridgectl renumber FROM TO, or another number in plexbridge.ini", "%zu are there twice", twice);
	json_decref(seen);
}

static void
check_links(struct doctor *d)
{
	struct ifaddrs *all = NULL, *i;
	char path[128];
	bool wireless = false;
	size_t seen = 0;

	if (getifaddrs(&all) == -1)
		return;
	for (i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK) ||
		    !(i->ifa_flags & IFF_UP))
			continue;
		snprintf(path, sizeof(path), "/sys/class/net/%s/mtu", i->ifa_name);
		check_mtu(found(d, "MTU"), i->ifa_name, number_in(path), -1);
		seen++;
		snprintf(path, sizeof(path), "/sys/class/net/%s/wireless", i->ifa_name);
		if (access(path, F_OK) == 0) {
			wireless = true;
			check_wireless(
			    found(d, "Wi-Fi power saving"), i->ifa_name, true, probe_power_saving(i->ifa_name));
		}
	}
	freeifaddrs(all);
	if (seen == 0)
		finding_set(found(d, "MTU"), FOUND_SKIP, "", "no interface but lo is up");
	if (!wireless)
		check_wireless(found(d, "Wi-Fi power saving"), "", false, 0);
}

static void
check_machine(struct doctor *d)
{
	struct timex t = { 0 };
	struct address router;
	char gateway[INET_ADDRSTRLEN], interface[CHECKS_INTERFACE];
	int clock = adjtimex(&t);
	long changes = 0;
	size_t i, k;
	json_t *s, *e;

	check_retransmissions(found(d, "TCP: sent again"), d->snmp);
	check_resets(found(d, "TCP: resets"), d->snmp);
	check_listen_drops(found(d, "TCP: listen drops"), d->netstat);
	check_interfaces(found(d, "interfaces"), d->dev);
	check_links(d);
	checks_gateway(d->route, gateway, interface);
	check_gateway(found(d, "gateway"), gateway, interface,
	    probe_parse(&router, gateway, 0) ? probe_neighbour(&router) : NEIGHBOUR_UNKNOWN);
	check_container(found(d, "container"),
	    access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0, d->route);
	check_keepalive(found(d, "keep-alive"), number_in("/proc/sys/net/ipv4/tcp_keepalive_time"),
	    number_in("/proc/sys/net/ipv4/tcp_keepalive_intvl"), number_in("/proc/sys/net/ipv4/tcp_keepalive_probes"));
	check_clock(found(d, "clock"), clock != -1 && clock != TIME_ERROR && !(t.status & STA_UNSYNC), t.maxerror);
	/* Workers say when an address or a route changed (network.changed). */
	json_array_foreach(json_object_get(d->status, "streams"), i, s)
	{
		const char *channel = json_string_value(json_object_get(s, "channel"));
		char path[96];
		json_t *recorder;

		snprintf(path, sizeof(path), "/api/recorder?channel=%.16s", channel != NULL ? channel : "");
		recorder = get(d, path);
		json_array_foreach(
		    json_object_get(json_array_get(json_object_get(recorder, "streams"), 0), "events"), k, e)
		{
			const char *name = json_string_value(json_object_get(e, "event"));

			changes += name != NULL && strcmp(name, "network.changed") == 0;
		}
		json_decref(recorder);
	}
	finding_set(found(d, "address changes"),
	    json_array_size(json_object_get(d->status, "streams")) == 0 ? FOUND_SKIP
		: changes > 0                                           ? FOUND_WARN
									: FOUND_PASS,
	    "give this machine a fixed address (DHCP reservation)", "%ld seen by running streams in ten minutes",
	    changes);
}

static int
examine(struct doctor *d)
{
	int status = PB_EXIT_OK;

	d->status = get(d, "/api/status");
	d->channels = d->status != NULL ? get(d, "/api/channels") : NULL;
	d->snmp = slurp("/proc/net/snmp");
	d->netstat = slurp("/proc/net/netstat");
	d->dev = slurp("/proc/net/dev");
	d->route = slurp("/proc/net/route");
	check_bridge(d);
	check_clients(d);
	check_sources(d);
	check_machine(d);
	check_ports(d);
	check_lineup(d);
	for (size_t i = 0; i < d->count; i++)
		if (d->found[i].f.level == FOUND_FAIL)
			status = PB_EXIT_FAIL;
	return status;
}

static void
put_json(const struct doctor *d, int status)
{
	json_t *o = json_object(), *list = json_array();

	for (size_t i = 0; i < d->count; i++)
		json_array_append_new(list,
		    json_pack("{s:s,s:s,s:s,s:s}", "check", d->found[i].check, "result",
			finding_name(d->found[i].f.level), "saw", d->found[i].f.saw, "mend", d->found[i].f.mend));
	json_object_set_new(o, "ok", json_boolean(status == PB_EXIT_OK));
	json_object_set_new(o, "checks", list);
	json_dumpf(o, stdout, d->options->watch ? JSON_COMPACT : JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static void
put_table(const struct doctor *d)
{
	static const struct column columns[] = { { "RESULT", false, 0 }, { "CHECK", false, 0 },
		{ "WHAT WAS SEEN", false, 20 } };
	struct table table;
	char *text;

	table_init(&table, columns, NITEMS(columns));
	for (size_t i = 0; i < d->count; i++) {
		const struct finding *f = &d->found[i].f;

		table_add(&table, (const char *const[]){ finding_name(f->level), d->found[i].check, f->saw });
		if (f->mend[0] != '\0') {
			char mend[sizeof(f->mend) + 4];

			snprintf(mend, sizeof(mend), "> %s", f->mend);
			table_add(&table, (const char *const[]){ "", "", mend });
		}
	}
	text = table_render(&table, SHOW_WIDTH, d->options->utf8);
	if (text != NULL)
		fputs(text, stdout);
	free(text);
	table_clear(&table);
}

int
doctor_run(const struct doctor_options *options)
{
	static struct doctor d;
	int status;

	for (;;) {
		memset(&d, 0, sizeof(d));
		d.options = options;
		status = examine(&d);
		if (options->json)
			put_json(&d, status);
		else
			put_table(&d);
		fflush(stdout);
		json_decref(d.status);
		json_decref(d.channels);
		free(d.snmp);
		free(d.netstat);
		free(d.dev);
		free(d.route);
		if (!options->watch)
			return status;
		sleep(WATCH_S);
		if (!options->json)
			putchar('\n');
	}
}
