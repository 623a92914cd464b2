/*
 * pb.h - what every file of PlexBridge may rely on
 *
 * A function that can fail returns one of four kinds of answer:
 *
 *   0          done
 *   PB_AGAIN   nothing is wrong; come back when the descriptor is ready
 *   PB_NO      it was understood, and the answer is no
 *   PB_E...    (negative) what broke
 *
 * The one who returns an error does not log it. The one who decides what
 * to do about it does, once.
 */
#ifndef PLEXBRIDGE_BASE_PB_H
#define PLEXBRIDGE_BASE_PB_H

#include <stddef.h>

enum {
	PB_AGAIN = 1,
	PB_NO = 2,

	PB_ENOMEM = -1, /* no memory */
	PB_ESYS = -2, /* a system call failed: errno says which way */
	PB_EFORMAT = -3, /* bytes from outside are not what they should be */
	PB_EPEER = -4, /* another process broke the protocol */
	PB_ELIMIT = -5, /* a bound of ours would be passed */
	PB_ETIME = -6, /* a deadline passed */
	PB_ENET = -7, /* the network or a server failed; may work later */
	PB_ENOSUP = -8, /* understood, and not carried by this version */
};

/* A process's last word (design/architecture.md): each says one thing. */
enum {
	PB_EXIT_OK = 0, /* was asked to stop, or did all it was asked */
	PB_EXIT_FAIL = 1, /* a command for people: the answer is no */
	PB_EXIT_CONFIG = 2, /* plexbridged -n found the configuration wrong; of other commands, the command line is */
	PB_EXIT_PERMANENT = 100, /* will fail again: wait for a new configuration */
	PB_EXIT_TEMPORARY = 111, /* may work later: network, memory */
};

#define NITEMS(a) (sizeof(a) / sizeof((a)[0]))
#define PB_MIN(a, b) ((a) < (b) ? (a) : (b))
#define PB_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Says what an error code means, in a few words. Never NULL; static storage. */
const char *pb_strerror(int err);

/*
 * What can't happen is asserted, in every build. In the supervisor only
 * what our own code alone decides, never what a message says.
 */
#define pb_assert(what) \
	do { \
		if (__builtin_expect(!(what), 0)) \
			pb_assert_failed(#what, __FILE__, __LINE__, __func__); \
	} while (0)
_Noreturn void pb_assert_failed(const char *what, const char *file, int line, const char *func);

#endif
