/*
 * spool.c - how the promise in spool.h is kept
 *
 * The file is made once at its final size and sealed, so that nobody who
 * is handed the descriptor can pull it from under a reader (SIGBUS).
 */
#include "ipc/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/pb.h"
#include "base/seals.h"

#define SPOOL_SEALS (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

int
spool_create(int *out)
{
	int fd = memfd_create("plexbridge-spool", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int saved;

	if (fd == -1)
		return PB_ESYS;
	if (ftruncate(fd, (off_t)SPOOL_SIZE) == -1 || fcntl(fd, F_ADD_SEALS, SPOOL_SEALS) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return PB_ESYS;
	}
	*out = fd;
	return 0;
}

bool
spool_valid(int fd)
{
	struct stat st;

	return seals_hold(fd, SPOOL_SEALS) && fstat(fd, &st) == 0 && st.st_size == (off_t)SPOOL_SIZE;
}

int
spool_write(int fd, uint64_t at, const void *buf, size_t len)
{
	const char *p = buf;

	if (at > SPOOL_SIZE || len > SPOOL_SIZE - at)
		return PB_ELIMIT;
	while (len > 0) {
		ssize_t n = pwrite(fd, p, PB_FAULT_PIECE(len), (off_t)at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return PB_ESYS;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
		PB_FAULT("append");
	}
	return 0;
}

uint64_t
spool_punch(int fd, uint64_t from, uint64_t to)
{
	to -= to % SPOOL_BLOCK;
	if (to <= from || from % SPOOL_BLOCK != 0)
		return from;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) == -1)
		return from;
	return to;
}

uint64_t
spool_memory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

ssize_t
spool_send(int fd, int sock, uint64_t at, size_t len)
{
	off_t offset = (off_t)at;
	ssize_t n;

	do
		n = sendfile(sock, fd, &offset, len);
	while (n == -1 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : PB_ESYS;
}
