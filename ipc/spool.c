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

#define FAN_BYTES (512 << 10) /* a pipe's size: a tick of media at 40 Mbit/s */
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

static void
pipe_close(int ends[2])
{
	if (ends[0] == -1)
		return;
	close(ends[0]);
	close(ends[1]);
	ends[0] = ends[1] = -1;
}

/* An empty one, whatever it was. Of the usual size where a larger one isn't granted (pipe-user-pages-soft). */
static bool
pipe_renew(int ends[2])
{
	pipe_close(ends);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) {
		ends[0] = ends[1] = -1;
		return false;
	}
	(void)fcntl(ends[1], F_SETPIPE_SZ, FAN_BYTES);
	return true;
}

void
spool_fan_init(struct spool_fan *fan)
{
	*fan = (struct spool_fan){ .held = { -1, -1 }, .lent = { -1, -1 } };
}

void
spool_fan_close(struct spool_fan *fan)
{
	pipe_close(fan->held);
	pipe_close(fan->lent);
	spool_fan_init(fan);
}

void
spool_fan_forget(struct spool_fan *fan)
{
	if (fan->len > 0)
		(void)pipe_renew(fan->held);
	fan->asked = fan->len = 0;
}

static void
fan_hold(struct spool_fan *fan, int fd, uint64_t at, size_t len)
{
	off_t offset = (off_t)at;
	ssize_t n;

	spool_fan_forget(fan);
	fan->at = at;
	fan->asked = len;
	if ((fan->held[0] == -1 && !pipe_renew(fan->held)) || (fan->lent[0] == -1 && !pipe_renew(fan->lent)))
		return;
	while (fan->len < len) {
		n = splice(fd, &offset, fan->held[1], NULL, len - fan->len, SPLICE_F_NONBLOCK);
		if (n <= 0)
			return; /* it is full */
		fan->len += (size_t)n;
	}
}

ssize_t
spool_fan_send(struct spool_fan *fan, int fd, int sock, uint64_t at, size_t len)
{
	ssize_t lent = 0, n;

	if (fan->at != at || fan->asked != len)
		fan_hold(fan, fd, at, len);
	if (fan->len > 0 && fan->lent[0] != -1)
		lent = tee(fan->held[0], fan->lent[1], fan->len, SPLICE_F_NONBLOCK);
	if (lent <= 0)
		return spool_send(fd, sock, at, len);
	do
		n = splice(fan->lent[0], NULL, sock, NULL, (size_t)lent, SPLICE_F_NONBLOCK);
	while (n == -1 && errno == EINTR);
	if (n != lent) {
		int saved = errno;

		(void)pipe_renew(fan->lent);
		errno = saved;
	}
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : PB_ESYS;
}
