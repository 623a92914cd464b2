/*
 * delay.c - the second number of /proc/self/schedstat
 */
#include "tests/lib/delay.h"

#include <stdio.h>

double
delay_s(void)
{
	unsigned long long ran_ns, delayed_ns = 0;
	FILE *f = fopen("/proc/self/schedstat", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu %llu", &ran_ns, &delayed_ns) != 2)
		delayed_ns = 0;
	(void)fclose(f);
	return (double)delayed_ns / 1e9;
}
