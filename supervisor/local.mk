# Everything of plexbridged but main.c, so that the unit tests can have it too.
noinst_LIBRARIES += libsupervisor.a
libsupervisor_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(BSD_CFLAGS)
libsupervisor_a_SOURCES = \
	supervisor/addr.h supervisor/addr.c \
	supervisor/blob.h supervisor/blob.c \
	supervisor/archive.h supervisor/archive.c \
	supervisor/announce.c \
	supervisor/device.h supervisor/device.c \
	supervisor/discover.h supervisor/discover.c \
	supervisor/discovery.h supervisor/discovery.c \
	supervisor/getset.h supervisor/getset.c \
	supervisor/http.h supervisor/http.c \
	supervisor/ifaces.h supervisor/ifaces.c \
	supervisor/limit.h supervisor/limit.c \
	supervisor/meant.h supervisor/meant.c \
	supervisor/drafts.h supervisor/drafts.c \
	supervisor/lineups.c \
	supervisor/keep.h supervisor/keep.c \
	supervisor/listen.h supervisor/listen.c \
	supervisor/packet.h supervisor/packet.c \
	supervisor/page.c \
	supervisor/remote.c \
	supervisor/route.c \
	supervisor/ssdp.h supervisor/ssdp.c \
	supervisor/text.h supervisor/text.c supervisor/trial.h supervisor/trial.c \
	supervisor/tuner.h supervisor/tuner.c \
	supervisor/units.h supervisor/units.c \
	supervisor/urls.c

# Streams, workers, clients, and what the operator sees of them.
libsupervisor_a_SOURCES += \
	supervisor/child.h supervisor/child.c \
	supervisor/choose.h supervisor/choose.c \
	supervisor/client.h supervisor/client.c \
	supervisor/comeback.h supervisor/comeback.c \
	supervisor/control.h supervisor/control.c \
	supervisor/crash.h supervisor/crash.c \
	supervisor/front.h supervisor/front.c \
	supervisor/errand.h supervisor/errand.c \
	supervisor/guides.h supervisor/guides.c \
	supervisor/health.h supervisor/health.c \
	supervisor/history.h supervisor/history.c \
	supervisor/importjob.h supervisor/importjob.c supervisor/importshow.c \
	supervisor/imports.h supervisor/imports.c \
	supervisor/journal.h supervisor/journal.c \
	supervisor/learned.h supervisor/learned.c \
	supervisor/leaving.h supervisor/leaving.c \
	supervisor/merge.h supervisor/merge.c \
	supervisor/memory.h supervisor/memory.c \
	supervisor/notify.h supervisor/notify.c \
	supervisor/playing.h supervisor/playing.c \
	supervisor/privs.h supervisor/privs.c \
	supervisor/provider.h supervisor/provider.c \
	supervisor/quarantine.h supervisor/quarantine.c supervisor/slates.h supervisor/slates.c \
	supervisor/renew.h supervisor/renew.c \
	supervisor/restore.c \
	supervisor/slot.h supervisor/slot.c \
	supervisor/status.h supervisor/status.c \
	supervisor/stream.h supervisor/stream.c supervisor/stream_slot.c supervisor/streams.c supervisor/tunes.c \
	supervisor/succession.h supervisor/succession.c \
	supervisor/supervisor.h supervisor/supervisor.c \
	supervisor/testcard.h supervisor/testcard.c \
	supervisor/turn.h supervisor/turn.c \
	supervisor/upgrade.h supervisor/upgrade.c \
	supervisor/upstream.h supervisor/upstream.c \
	supervisor/worker.h supervisor/worker.c \
	supervisor/workers.h supervisor/workers.c

sbin_PROGRAMS += plexbridged
plexbridged_SOURCES = supervisor/main.c
plexbridged_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(BSD_CFLAGS)
plexbridged_LDADD = libsupervisor.a libipc.a libconfig.a libbase.a \
	$(EV_LIBS) $(JANSSON_LIBS) $(INIH_LIBS) $(ZLIB_LIBS) $(BSD_LIBS)

# What holds descriptors where there is no systemd.
sbin_PROGRAMS += plexbridge-keeper
plexbridge_keeper_SOURCES = supervisor/keeper.c supervisor/store.h supervisor/store.c
plexbridge_keeper_CPPFLAGS = $(AM_CPPFLAGS) $(BSD_CFLAGS)
plexbridge_keeper_LDADD = libsupervisor.a libbase.a $(BSD_LIBS)
