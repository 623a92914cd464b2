# A fuzz target is tests/fuzz/NAME.c with LLVMFuzzerTestOneInput, and a folder
# tests/fuzz/corpus/NAME with at least one input. With --enable-fuzzers it is
# linked with libFuzzer (./dev fuzz NAME); otherwise with driver.c, whose
# main() runs it over the corpus, and make check does that. The pattern:
#
#	FUZZ_TARGETS += tests/fuzz/NAME
#	tests_fuzz_NAME_SOURCES = tests/fuzz/NAME.c
#	tests_fuzz_NAME_LDADD = libWHAT.a libbase.a $(FUZZ_LIBS)
#	tests_fuzz_NAME_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS =
EXTRA_DIST += tests/fuzz/corpus

if LIBFUZZER
FUZZ_LIBS =
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
else
check_LIBRARIES = tests/fuzz/libdriver.a
tests_fuzz_libdriver_a_SOURCES = tests/fuzz/driver.c
FUZZ_LIBS = tests/fuzz/libdriver.a
FUZZ_LINK = $(AM_LDFLAGS)
TESTS += $(FUZZ_TARGETS)
endif
check_PROGRAMS += $(FUZZ_TARGETS)

FUZZ_TARGETS += tests/fuzz/config
tests_fuzz_config_SOURCES = tests/fuzz/config.c
tests_fuzz_config_LDADD = libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(BSD_LIBS) $(FUZZ_LIBS)
tests_fuzz_config_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/tuner
tests_fuzz_tuner_SOURCES = tests/fuzz/tuner.c
tests_fuzz_tuner_LDADD = libsupervisor.a libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(EV_LIBS) $(BSD_LIBS) $(FUZZ_LIBS)
tests_fuzz_tuner_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/conform
tests_fuzz_conform_SOURCES = tests/fuzz/conform.c tests/unit/tscheck.h tests/unit/tscheck.c
tests_fuzz_conform_LDADD = libworker.a libbase.a $(BSD_LIBS) $(FUZZ_LIBS)
tests_fuzz_conform_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/format
tests_fuzz_format_SOURCES = tests/fuzz/format.c
tests_fuzz_format_LDADD = libworker.a libbase.a $(FUZZ_LIBS)
tests_fuzz_format_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/silence
tests_fuzz_silence_SOURCES = tests/fuzz/silence.c
tests_fuzz_silence_LDADD = libworker.a libbase.a $(FUZZ_LIBS)
tests_fuzz_silence_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/playlist
tests_fuzz_playlist_SOURCES = tests/fuzz/playlist.c
tests_fuzz_playlist_LDADD = libworker.a libbase.a $(JANSSON_LIBS) $(FUZZ_LIBS) -lm
tests_fuzz_playlist_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/url
tests_fuzz_url_SOURCES = tests/fuzz/url.c
tests_fuzz_url_LDADD = libbase.a $(FUZZ_LIBS)
tests_fuzz_url_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/request
tests_fuzz_request_SOURCES = tests/fuzz/request.c
tests_fuzz_request_LDADD = libbase.a $(FUZZ_LIBS)
tests_fuzz_request_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/analyse
tests_fuzz_analyse_SOURCES = tests/fuzz/analyse.c
tests_fuzz_analyse_LDADD = liborigin.a libbase.a $(FUZZ_LIBS)
tests_fuzz_analyse_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/reply
tests_fuzz_reply_SOURCES = tests/fuzz/reply.c
tests_fuzz_reply_LDADD = libworker.a libbase.a $(FUZZ_LIBS)
tests_fuzz_reply_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/packet
tests_fuzz_packet_SOURCES = tests/fuzz/packet.c
tests_fuzz_packet_LDADD = libsupervisor.a libbase.a $(ZLIB_LIBS) $(BSD_LIBS) $(FUZZ_LIBS)
tests_fuzz_packet_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/ssdp
tests_fuzz_ssdp_SOURCES = tests/fuzz/ssdp.c
tests_fuzz_ssdp_LDADD = libsupervisor.a libconfig.a libbase.a $(JANSSON_LIBS) $(INIH_LIBS) $(EV_LIBS) $(BSD_LIBS) $(FUZZ_LIBS)
tests_fuzz_ssdp_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/m3u
tests_fuzz_m3u_SOURCES = tests/fuzz/m3u.c
tests_fuzz_m3u_LDADD = $(GUIDE_LIBS) $(FUZZ_LIBS)
tests_fuzz_m3u_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/items
tests_fuzz_items_SOURCES = tests/fuzz/items.c
tests_fuzz_items_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_items_LDADD = $(GUIDE_LIBS) $(FUZZ_LIBS)
tests_fuzz_items_LDFLAGS = $(FUZZ_LINK)

FUZZ_TARGETS += tests/fuzz/xmltv
tests_fuzz_xmltv_SOURCES = tests/fuzz/xmltv.c
tests_fuzz_xmltv_CPPFLAGS = $(AM_CPPFLAGS) $(EXPAT_CFLAGS)
tests_fuzz_xmltv_LDADD = $(GUIDE_LIBS) $(FUZZ_LIBS)
tests_fuzz_xmltv_LDFLAGS = $(FUZZ_LINK)
