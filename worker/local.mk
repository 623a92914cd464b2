# worker

noinst_LIBRARIES += libworker.a
libworker_a_SOURCES =
libworker_a_SOURCES += worker/m3u8.h worker/m3u8.c worker/playlist.h worker/playlist.c \
	worker/tags.h worker/tags.c worker/variables.h worker/variables.c \
	worker/variant.h worker/variant.c worker/track.h worker/track.c \
	worker/inspect.h worker/inspect.c
libworker_a_SOURCES += worker/conform.h worker/conform.c worker/tsmux.h worker/tsmux.c \
	worker/framing.h worker/framing.c worker/psi.h worker/psi.c worker/es.h worker/es.c \
	worker/ring.h worker/ring.c worker/unit.h worker/unit.c worker/demux.h worker/demux.c worker/sniff.h worker/sniff.c \
	worker/splice.h worker/splice.c worker/keyframe.h worker/keyframe.c \
	worker/interleave.h worker/interleave.c \
	worker/silence.h worker/silence.c worker/silence_aac.c worker/silence_ac3.c worker/bits.h \
	worker/filler.h worker/filler.c
libworker_a_SOURCES += worker/format.h worker/format.c worker/slate.h worker/slate.c
libworker_a_SOURCES += worker/resolve.h worker/resolve.c worker/fetch.h worker/fetch.c worker/fetch_inside.h \
	worker/fetch_pool.c worker/fetch_ask.c worker/fetch_hear.c worker/hedge.c \
	worker/verdict.h worker/verdict.c worker/hosts.h worker/hosts.c worker/headers.h worker/headers.c \
	worker/transfer.h worker/transfer.c worker/reply.h worker/reply.c worker/body.h worker/body.c \
	worker/decrypt.h worker/decrypt.c
libworker_a_SOURCES += worker/pace.h worker/pace.c worker/client.h worker/client.c worker/wire.h worker/wire.c worker/sockets.h worker/sockets.c \
	worker/late.h worker/late.c worker/meter.h worker/meter.c worker/interfaces.h worker/interfaces.c worker/learn.h worker/learn.c worker/step.h worker/step.c \
	worker/routes.h worker/routes.c worker/outlook.h worker/outlook.c worker/tally.h worker/tally.c worker/link.h worker/link.c \
	worker/output.h worker/output.c worker/writer.h worker/writer.c worker/source.h worker/source.c worker/source_inside.h worker/source_stream.c \
	worker/sources.h worker/sources.c worker/vitals.h worker/vitals.c worker/failover.h worker/failover.c \
	worker/prefetch.h worker/prefetch.c worker/quarantine.h worker/quarantine.c worker/line.h worker/line_inside.h worker/line.c worker/line_clock.c worker/line_media.c worker/quality.h worker/quality.c \
	worker/record.h worker/record.c worker/trouble.h worker/trouble.c

libworker_a_CPPFLAGS = $(AM_CPPFLAGS) $(CURL_CFLAGS) $(CARES_CFLAGS) $(JANSSON_CFLAGS)
pkglibexec_PROGRAMS += plexbridge-worker
plexbridge_worker_SOURCES = worker/main.c worker/alone.h worker/alone.c
plexbridge_worker_LDADD = libworker.a libipc.a libconfig.a libbase.a $(CURL_LIBS) $(CARES_LIBS) $(EV_LIBS) \
	$(CRYPTO_LIBS) $(JANSSON_LIBS) $(INIH_LIBS) $(BSD_LIBS) $(ZLIB_LIBS) -lm
