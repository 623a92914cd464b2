# worker

noinst_LIBRARIES += libworker.a
libworker_a_SOURCES =
libworker_a_SOURCES += worker/m3u8.h worker/m3u8.c worker/playlist.h worker/playlist.c \
	worker/variant.h worker/variant.c worker/track.h worker/track.c \
	worker/inspect.h worker/inspect.c
libworker_a_SOURCES += worker/conform.h worker/conform.c worker/tsmux.h worker/tsmux.c \
	worker/framing.h worker/framing.c worker/psi.h worker/psi.c worker/es.h worker/es.c
