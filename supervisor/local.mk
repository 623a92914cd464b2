# Everything of plexbridged but main.c, so that the unit tests can have it too.
noinst_LIBRARIES += libsupervisor.a
libsupervisor_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(BSD_CFLAGS)
libsupervisor_a_SOURCES = \
	supervisor/addr.h supervisor/addr.c \
	supervisor/blob.h supervisor/blob.c \
	supervisor/device.h supervisor/device.c \
	supervisor/http.h supervisor/http.c \
	supervisor/lineups.c \
	supervisor/listen.h supervisor/listen.c \
	supervisor/page.c \
	supervisor/route.c \
	supervisor/text.h supervisor/text.c \
	supervisor/tuner.h supervisor/tuner.c \
	supervisor/urls.c
