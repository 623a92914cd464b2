/*
 * pb.c - error names, and the end of a process that found itself wrong
 */
#include "base/pb.h"

#include <stdio.h>
#include <stdlib.h>

const char *
pb_strerror(int err)
{
	switch (err) {
	case 0:
		return "no error";
	case PB_AGAIN:
		return "not yet";
	case PB_NO:
		return "no";
	case PB_ENOMEM:
		return "out of memory";
	case PB_ESYS:
		return "system call failed";
	case PB_EFORMAT:
		return "malformed";
	case PB_EPEER:
		return "peer broke the protocol";
	case PB_ELIMIT:
		return "over the limit";
	case PB_ETIME:
		return "too late";
	case PB_ENET:
		return "network failure";
	case PB_ENOSUP:
		return "not supported";
	default:
		return "unknown error";
	}
}

_Noreturn void
pb_assert_failed(const char *what, const char *file, int line, const char *func)
{
	fprintf(stderr, "assert event=assert file=%s line=%d func=%s why=\"%s\"\n", file, line, func, what);
	abort();
}
