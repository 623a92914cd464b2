/*
 * msg.c - packets with descriptors, sent and taken whole
 */
#include "ipc/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/pb.h"

int
msg_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == -1 ? PB_ESYS : 0;
}

int
msg_send(int fd, uint32_t type, const void *data, size_t len, const int *fds, size_t nfds)
{
	struct msg_head head = { .type = type, .len = (uint32_t)len };
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
	} control = { 0 };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = len > 0 ? 2 : 1 };

	pb_assert(len <= MSG_DATA_MAX && nfds <= MSG_FDS_MAX);
	if (nfds > 0) {
		struct cmsghdr *c;

		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	for (;;) {
		if (sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		/* ETOOMANYREFS: too many descriptors of this user are on their way; they will arrive. */
		if (errno == EAGAIN || errno == ETOOMANYREFS || errno == ENOBUFS)
			return PB_AGAIN;
		return PB_ESYS;
	}
}

static void
take_fds(struct msghdr *mh, struct msg *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (out->nfds < MSG_FDS_MAX)
				out->fds[out->nfds++] = fd;
			else
				close(fd);
		}
	}
}

int
msg_recv(int fd, struct msg *out)
{
	struct msg_head head = { 0 };
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = out->data, .iov_len = sizeof(out->data) },
	};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
	} control;
	struct msghdr mh = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	out->nfds = 0;
	do
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN ? PB_AGAIN : errno == ECONNRESET ? PB_NO : PB_ESYS;
	take_fds(&mh, out);
	if (n == 0 && out->nfds == 0)
		return PB_NO;
	if ((size_t)n < sizeof(head) || (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
	    head.len != (size_t)n - sizeof(head)) {
		msg_close_fds(out);
		return PB_EPEER;
	}
	out->type = head.type;
	out->len = head.len;
	return 0;
}

void
msg_close_fds(struct msg *m)
{
	for (size_t i = 0; i < m->nfds; i++)
		if (m->fds[i] != -1)
			close(m->fds[i]);
	m->nfds = 0;
}

void
msg_text(char *s, size_t size)
{
	s[size - 1] = '\0';
	for (char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"')
			*p = '?';
}

const char *
msg_name(uint32_t type)
{
	static const char *const names[MSG_COUNT] = {
		[MSG_HELLO] = "hello",
		[MSG_S_TUNE] = "tune",
		[MSG_S_CLIENT] = "client",
		[MSG_S_DROP] = "drop",
		[MSG_S_PING] = "ping",
		[MSG_S_STOP] = "stop",
		[MSG_S_QUARANTINE] = "quarantine",
		[MSG_S_SLATE] = "slate",
		[MSG_S_SOURCE] = "source",
		[MSG_S_SLOT] = "slot",
		[MSG_S_LIMIT] = "limit",
		[MSG_W_READY] = "ready",
		[MSG_W_MEDIA] = "media",
		[MSG_W_FAILED] = "failed",
		[MSG_W_CLIENT] = "client-report",
		[MSG_W_SLOT] = "slot-want",
		[MSG_W_LIMIT] = "limit-report",
	};

	return type < MSG_COUNT && names[type] != NULL ? names[type] : "unknown";
}

const char *
msg_client_event_name(uint32_t event)
{
	static const char *const names[CLIENT_EVENTS] = {
		[CLIENT_EOF] = "eof",
		[CLIENT_GONE] = "gone",
		[CLIENT_GHOST] = "ghost",
		[CLIENT_PAUSED] = "paused",
		[CLIENT_DROPPED] = "dropped",
	};

	return event < CLIENT_EVENTS && names[event] != NULL ? names[event] : "unknown";
}

const char *
msg_limit_name(uint32_t what)
{
	static const char *const names[LIMIT_CLASSES] = {
		[LIMIT_GOOD] = "good",
		[LIMIT_BUSY] = "busy",
		[LIMIT_DENIED] = "denied",
	};

	return what < LIMIT_CLASSES && names[what] != NULL ? names[what] : "unknown";
}
