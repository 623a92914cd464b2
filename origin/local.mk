# plexbridge-origin: liborigin.a is what its tests link too, main.c left out.
noinst_LIBRARIES += liborigin.a
liborigin_a_SOURCES = origin/es.h origin/es.c origin/media.h origin/media.c \
	origin/channel.h origin/channel.c origin/live.h origin/live.c \
	origin/fault.h origin/fault.c origin/trace.h origin/trace.c \
	origin/http.h origin/http.c \
	origin/http_inside.h origin/http_listen.c origin/http_answer.c origin/site.h origin/site.c origin/spoil.h origin/spoil.c \
	origin/analyse.h origin/analyse.c origin/report.h origin/report.c \
	origin/view.h origin/view.c origin/serve.h origin/serve.c \
	origin/testcard.h origin/testcard.S
# The assembler looks for the media where the sources are, in any build folder.
liborigin_a_CCASFLAGS = -Wa,-I$(top_srcdir)/share
liborigin_a_CFLAGS = $(AM_CFLAGS) $(BSD_CFLAGS) $(JANSSON_CFLAGS) $(CRYPTO_CFLAGS) $(ZLIB_CFLAGS)
origin/liborigin_a-testcard.$(OBJEXT): $(top_srcdir)/share/testcard.ts
ORIGIN_LIBS = liborigin.a libbase.a $(EV_LIBS) $(JANSSON_LIBS) $(CRYPTO_LIBS) $(ZLIB_LIBS) $(BSD_LIBS) -lm

pkglibexec_PROGRAMS += plexbridge-origin
plexbridge_origin_SOURCES = origin/main.c
plexbridge_origin_CFLAGS = $(AM_CFLAGS) $(BSD_CFLAGS) $(JANSSON_CFLAGS)
plexbridge_origin_LDADD = $(ORIGIN_LIBS)

EXTRA_DIST += share/testcard.sh share/testcard.ts
