/*
 * hdfind.c - what libhdhomerun's own calls say of the tuners on this network
 *
 *   hdfind [ADDRESS]   search, by each of its calls, at ADDRESS or everywhere:
 *       v2 ID IP TUNERS                 the older structure
 *       v3 ID IP TUNERS BASE LINEUP AUTH LEGACY
 *       device MODEL STATUS             of the first: a device handle, and what it reads
 *       d2 ID IP TUNERS BASE LINEUP AUTH LEGACY    where the library has the newer search: of many types, then by ID
 */
#include <arpa/inet.h>
#include <libhdhomerun/hdhomerun.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX 8

static const char *
ip_text(uint32_t ip)
{
	struct in_addr addr = { .s_addr = htonl(ip) };

	return inet_ntoa(addr);
}

static int
show_device(uint32_t id, uint32_t ip)
{
	struct hdhomerun_device_t *device = hdhomerun_device_create(id, ip, 0, NULL);
	struct hdhomerun_tuner_status_t status;
	const char *model = device == NULL ? NULL : hdhomerun_device_get_model_str(device);
	char *text = NULL; /* good until the next question */

	if (model == NULL || hdhomerun_device_get_tuner_status(device, &text, &status) <= 0)
		return 1;
	printf("device %s ss=%u %s\n", model, status.signal_strength, text);
	hdhomerun_device_destroy(device);
	return 0;
}

#ifdef HAVE_HDHOMERUN_DISCOVER2
static void
show_if(struct hdhomerun_discover2_device_t *device, struct hdhomerun_discover2_device_if_t *at)
{
	struct sockaddr_storage sa;
	struct sockaddr_in v4;

	hdhomerun_discover2_device_if_get_ip_addr(at, &sa);
	memcpy(&v4, &sa, sizeof(v4));
	printf("d2 %08X %s %u %s %s %s %d\n", hdhomerun_discover2_device_get_device_id(device),
	    v4.sin_family == AF_INET ? inet_ntoa(v4.sin_addr) : "-", hdhomerun_discover2_device_get_tuner_count(device),
	    hdhomerun_discover2_device_if_get_base_url(at), hdhomerun_discover2_device_if_get_lineup_url(at),
	    hdhomerun_discover2_device_get_device_auth(device), hdhomerun_discover2_device_is_legacy(device));
}

static void
show_all(struct hdhomerun_discover_t *ds)
{
	struct hdhomerun_discover2_device_t *d = hdhomerun_discover2_iter_device_first(ds);

	for (; d != NULL; d = hdhomerun_discover2_iter_device_next(d))
		show_if(d, hdhomerun_discover2_iter_device_if_first(d));
}

static void
show_newer(uint32_t id)
{
	static const uint32_t types[] = { HDHOMERUN_DEVICE_TYPE_TUNER, HDHOMERUN_DEVICE_TYPE_STORAGE };
	struct hdhomerun_discover_t *ds = hdhomerun_discover_create(NULL);

	if (ds == NULL)
		return;
	if (hdhomerun_discover2_find_devices_broadcast(ds, HDHOMERUN_DISCOVER_FLAGS_IPV4_GENERAL, types, 2) > 0)
		show_all(ds);
	if (hdhomerun_discover2_find_device_id_broadcast(ds, HDHOMERUN_DISCOVER_FLAGS_IPV4_GENERAL, id) > 0)
		show_all(ds);
	hdhomerun_discover_destroy(ds);
}
#else
static void
show_newer(uint32_t id)
{
	(void)id;
}
#endif

int
main(int argc, char **argv)
{
	struct hdhomerun_discover_device_t old[MAX];
	struct hdhomerun_discover_device_v3_t new[MAX];
	struct in_addr addr = { .s_addr = 0 };
	uint32_t target;
	int n;

	if (argc > 1 && inet_pton(AF_INET, argv[1], &addr) != 1)
		return 2;
	target = ntohl(addr.s_addr);
	n = hdhomerun_discover_find_devices_custom_v2(
	    target, HDHOMERUN_DEVICE_TYPE_TUNER, HDHOMERUN_DEVICE_ID_WILDCARD, old, MAX);
	for (int i = 0; i < n; i++)
		printf("v2 %08X %s %u\n", old[i].device_id, ip_text(old[i].ip_addr), old[i].tuner_count);
	n = hdhomerun_discover_find_devices_custom_v3(
	    target, HDHOMERUN_DEVICE_TYPE_TUNER, HDHOMERUN_DEVICE_ID_WILDCARD, new, MAX);
	for (int i = 0; i < n; i++)
		printf("v3 %08X %s %u %s %s %s %d\n", new[i].device_id, ip_text(new[i].ip_addr), new[i].tuner_count,
		    new[i].base_url, new[i].lineup_url, new[i].device_auth, new[i].is_legacy);
	if (n > 0)
		show_newer(new[0].device_id);
	return n > 0 ? show_device(new[0].device_id, new[0].ip_addr) : 1;
}
