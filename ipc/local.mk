noinst_LIBRARIES += libipc.a
libipc_a_SOURCES = ipc/msg.h ipc/msg.c ipc/spool.h ipc/spool.c ipc/state.h ipc/state.c ipc/recorder.h ipc/recorder.c \
	ipc/ledger.h ipc/ledger.c ipc/tune.h ipc/tune.c \
	ipc/list.h ipc/list.c ipc/import.h
