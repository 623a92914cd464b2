/*
 * hdfind.c - what libhdhomerun's own calls say of the tuners on this network
 *
 *   hdfind [ADDRESS]   search, by each of its calls, at ADDRESS or everywhere:
 *       v2 ID IP TUNERS                 the older structure
 *       v3 ID IP TUNERS BASE LINEUP AUTH LEGACY
 *       device MODEL STATUS             of the first: a device handle, and what it reads
 */
#include <arpa/inet.h>
#include <libhdhomerun/hdhomerun.h>
#include <stdint.h>
#include <stdio.h>

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
	char *text = NULL;

	if (device == NULL || hdhomerun_device_get_tuner_status(device, &text, &status) <= 0)
		return 1;
	printf("device %s ss=%u %s\n", hdhomerun_device_get_model_str(device), status.signal_strength, text);
	hdhomerun_device_destroy(device);
	return 0;
}

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
	return n > 0 ? show_device(new[0].device_id, new[0].ip_addr) : 1;
}
