# Everything of plexbridge-guide but main.c, so that the unit tests can have it too.
noinst_LIBRARIES += libguide.a
libguide_a_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) $(EXPAT_CFLAGS) $(LZMA_CFLAGS) $(ZLIB_CFLAGS)
libguide_a_SOURCES = guide/entry.h guide/fetch.h guide/fetch.c guide/items.h guide/items.c guide/job.h guide/job.c \
	guide/latin.h guide/latin.c guide/m3u.h guide/m3u.c guide/name.h guide/name.c guide/offer.h guide/offer.c \
	guide/pick.h guide/pick.c guide/run.h guide/run.c guide/runguide.c guide/epg.h guide/epg.c guide/xmltv.h guide/xmltv.c guide/unpack.h guide/unpack.c guide/xtream.h guide/xtream.c
GUIDE_LIBS = libguide.a libipc.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) $(EXPAT_LIBS) $(LZMA_LIBS) $(ZLIB_LIBS) $(BSD_LIBS)

pkglibexec_PROGRAMS += plexbridge-guide
plexbridge_guide_CPPFLAGS = $(libguide_a_CPPFLAGS)
plexbridge_guide_SOURCES = guide/main.c
plexbridge_guide_LDADD = libconfig.a $(GUIDE_LIBS)
