# tests/system

# A worker without a source, for the supervisor's own tests.
check_PROGRAMS += tests/system/fake-worker
tests_system_fake_worker_SOURCES = tests/system/fake-worker.c
tests_system_fake_worker_LDADD = libipc.a libbase.a

# Viewers of its streams, who count every packet.
check_PROGRAMS += tests/system/viewers
tests_system_viewers_SOURCES = tests/system/viewers.c

# Whoever holds the supervisor's descriptors, and a supervisor that has nothing else to do.
check_PROGRAMS += tests/system/fdstore tests/system/held
tests_system_fdstore_SOURCES = tests/system/fdstore.c
tests_system_fdstore_LDADD = $(BSD_LIBS)
tests_system_held_SOURCES = tests/system/held.c
tests_system_held_LDADD = libsupervisor.a libbase.a $(EV_LIBS) $(BSD_LIBS)

# A folder over HTTP, for playlists that the origin doesn't make.
check_PROGRAMS += tests/system/files
tests_system_files_SOURCES = tests/system/files.c
tests_system_files_LDADD = $(ORIGIN_LIBS)

# A provider at its worst: M3U, Xtream and XMLTV that move and fail.
check_PROGRAMS += tests/system/provider
tests_system_provider_SOURCES = tests/system/provider.c
tests_system_provider_LDADD = $(ORIGIN_LIBS)

# What a running bridge or origin says, asked again and again.
if HAVE_LIBJQ
check_PROGRAMS += tests/system/peek
endif
tests_system_peek_SOURCES = tests/system/peek.c
tests_system_peek_LDADD = -ljq

# What the machine itself did to everybody.
check_PROGRAMS += tests/system/standstill
tests_system_standstill_SOURCES = tests/system/standstill.c
tests_system_standstill_LDFLAGS = -pthread

# Is what many viewers got the same stream?
check_PROGRAMS += tests/system/same
tests_system_same_SOURCES = tests/system/same.c

# Frames of silence, for a decoder to judge.
check_PROGRAMS += tests/system/quiet
tests_system_quiet_SOURCES = tests/system/quiet.c
tests_system_quiet_LDADD = libworker.a libbase.a

# Clients that do what no client should.
check_PROGRAMS += tests/system/hostile
tests_system_hostile_SOURCES = tests/system/hostile.c
tests_system_hostile_LDADD = libbase.a $(EV_LIBS) $(BSD_LIBS)

# A way that is slow and loses packets, and a resolver that can die.
check_PROGRAMS += tests/system/way tests/system/names
tests_system_way_SOURCES = tests/system/way.c
tests_system_names_SOURCES = tests/system/names.c

# Who looks for tuners: with raw packets, and with HDHomeRun's own library where there is one.
check_PROGRAMS += tests/system/finder tests/system/discover2
tests_system_finder_SOURCES = tests/system/finder.c
tests_system_discover2_SOURCES = tests/system/discover2.c
tests_system_discover2_LDADD = $(ZLIB_LIBS)
if HAVE_LIBHDHOMERUN
check_PROGRAMS += tests/system/hdfind
endif
tests_system_hdfind_SOURCES = tests/system/hdfind.c
tests_system_hdfind_LDADD = -lhdhomerun

# The words that system tests are written in, and their media (made in the build folder).
EXTRA_DIST += tests/system/lib.sh tests/system/ask.sh tests/system/media.sh

# One file a subject; each tells what it is about in its first lines.
# In an order that keeps those apart which need the machine most.
SYSTEM_TESTS =
SYSTEM_TESTS += tests/system/supervisor.test
SYSTEM_TESTS += tests/system/testcard.sh
SYSTEM_TESTS += tests/system/http.sh
SYSTEM_TESTS += tests/system/discovery.sh
SYSTEM_TESTS += tests/system/servers.sh
SYSTEM_TESTS += tests/system/tuners.sh
SYSTEM_TESTS += tests/system/share.sh
SYSTEM_TESTS += tests/system/slots.sh
SYSTEM_TESTS += tests/system/restart.test
SYSTEM_TESTS += tests/system/config.sh
SYSTEM_TESTS += tests/system/process.sh
SYSTEM_TESTS += tests/system/hostile.sh
SYSTEM_TESTS += tests/system/holders.test
SYSTEM_TESTS += tests/system/ctl.sh
SYSTEM_TESTS += tests/system/sources.sh
SYSTEM_TESTS += tests/system/faults.sh
SYSTEM_TESTS += tests/system/reload.sh
SYSTEM_TESTS += tests/system/filler.sh
SYSTEM_TESTS += tests/system/plain.sh
SYSTEM_TESTS += tests/system/silence.sh
SYSTEM_TESTS += tests/system/slate.sh
SYSTEM_TESTS += tests/system/codec.sh
SYSTEM_TESTS += tests/system/step.sh
SYSTEM_TESTS += tests/system/failover.sh
SYSTEM_TESTS += tests/system/apart.sh
SYSTEM_TESTS += tests/system/upgrade.test
SYSTEM_TESTS += tests/system/bad-input.sh
SYSTEM_TESTS += tests/system/players.sh
SYSTEM_TESTS += tests/system/by-hand.sh
SYSTEM_TESTS += tests/system/list.sh
SYSTEM_TESTS += tests/system/refuse.sh
SYSTEM_TESTS += tests/system/handover.sh
SYSTEM_TESTS += tests/system/die-anywhere.sh
SYSTEM_TESTS += tests/system/crash-loop.sh
SYSTEM_TESTS += tests/system/crowd.sh
SYSTEM_TESTS += tests/system/storm.sh
SYSTEM_TESTS += tests/system/hang.sh
SYSTEM_TESTS += tests/system/tree.sh
SYSTEM_TESTS += tests/system/lineup.sh
SYSTEM_TESTS += tests/system/dropped.sh
SYSTEM_TESTS += tests/system/full.sh
SYSTEM_TESTS += tests/system/guide.sh
SYSTEM_TESTS += tests/system/private.sh
SYSTEM_TESTS += tests/system/provider.sh
SYSTEM_TESTS += tests/system/clock.sh
SYSTEM_TESTS += tests/system/network.sh
SYSTEM_TESTS += tests/system/why.sh
SYSTEM_TESTS += tests/system/drill.sh
TESTS += $(SYSTEM_TESTS)
EXTRA_DIST += $(SYSTEM_TESTS)

# For ./dev soak alone.
EXTRA_DIST += tests/system/ride.sh

clean-local: clean-system-media
clean-system-media:
	rm -rf tests/system/media

# The worker once more, with places to die in (base/fault.h).
check_PROGRAMS += tests/system/faulty/plexbridge-worker
tests_system_faulty_plexbridge_worker_SOURCES = $(plexbridge_worker_SOURCES) $(libworker_a_SOURCES) \
	$(libipc_a_SOURCES) $(libbase_a_SOURCES)
tests_system_faulty_plexbridge_worker_CPPFLAGS = $(libworker_a_CPPFLAGS) -DPB_FAULT_POINTS
tests_system_faulty_plexbridge_worker_LDADD = libconfig.a $(CURL_LIBS) $(CARES_LIBS) $(EV_LIBS) $(CRYPTO_LIBS) \
	$(JANSSON_LIBS) $(INIH_LIBS) $(BSD_LIBS) $(ZLIB_LIBS) -lm

# The supervisor once more, with a wall clock that a test can set.
check_PROGRAMS += tests/system/clock/plexbridged
tests_system_clock_plexbridged_SOURCES = tests/system/clock.c tests/lib/clock.h tests/lib/clock.c $(plexbridged_SOURCES)
tests_system_clock_plexbridged_CPPFLAGS = $(plexbridged_CPPFLAGS)
tests_system_clock_plexbridged_LDADD = $(plexbridged_LDADD)
