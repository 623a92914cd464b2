# Everything of plexbridgectl but main.c, so that the unit tests can have it too.
noinst_LIBRARIES += libctl.a
libctl_a_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS)
libctl_a_SOURCES = ctl/ask.h ctl/ask.c ctl/show.h ctl/show.c ctl/table.h ctl/table.c ctl/lineup.c ctl/import.h ctl/import.c \
	ctl/evidence.h ctl/evidence.c ctl/judge.h ctl/judge.c ctl/why.h ctl/why.c \
	ctl/checks.h ctl/checks.c ctl/probe.h ctl/probe.c ctl/doctor.h ctl/doctor.c ctl/drill.h ctl/drill.c

bin_PROGRAMS += plexbridgectl
plexbridgectl_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS)
plexbridgectl_SOURCES = ctl/main.c
plexbridgectl_LDADD = libctl.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) -lm
