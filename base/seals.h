/*
 * seals.h - is a memfd sealed as whoever made it promised?
 *
 * A kernel may add seals of its own (F_SEAL_EXEC, where vm.memfd_noexec is
 * set), so it is not asked for those and no others; but one against writing
 * that was not promised would make a file useless that is to be written.
 */
#ifndef PLEXBRIDGE_BASE_SEALS_H
#define PLEXBRIDGE_BASE_SEALS_H

#include <fcntl.h>
#include <stdbool.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

/* fd has all of these, and none against writing but these. false, too, when it can't be sealed at all. */
static inline bool
seals_hold(int fd, int seals)
{
	return (fcntl(fd, F_GET_SEALS) & (seals | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == seals;
}

#endif
