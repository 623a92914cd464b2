# A unit test is one program, tests/unit/NAME.c, with Check; it speaks TAP:
# srunner_set_tap(sr, "-"), srunner_run_all(sr, CK_SILENT). The pattern:
#
#	UNIT_TESTS += tests/unit/NAME
#	tests_unit_NAME_SOURCES = tests/unit/NAME.c
#	tests_unit_NAME_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
#	tests_unit_NAME_LDADD = libWHAT.a libbase.a $(CHECK_LIBS)
#
# Without Check the programs are known to make but neither built nor run.

UNIT_TESTS =
if HAVE_CHECK
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif

UNIT_TESTS += tests/unit/log
tests_unit_log_SOURCES = tests/unit/log.c
tests_unit_log_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_log_LDADD = libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/config
tests_unit_config_SOURCES = tests/unit/config.c
tests_unit_config_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(BSD_CFLAGS)
tests_unit_config_LDADD = libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/ipc
tests_unit_ipc_SOURCES = tests/unit/ipc.c
tests_unit_ipc_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_ipc_LDADD = libipc.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/recorder
tests_unit_recorder_SOURCES = tests/unit/recorder.c
tests_unit_recorder_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_recorder_LDADD = libipc.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/playing
tests_unit_playing_SOURCES = tests/unit/playing.c
tests_unit_playing_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_playing_LDADD = libsupervisor.a libipc.a libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(EV_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/history
tests_unit_history_SOURCES = tests/unit/history.c
tests_unit_history_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_history_LDADD = libsupervisor.a libipc.a libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(EV_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/pace
tests_unit_pace_SOURCES = tests/unit/pace.c
tests_unit_pace_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_pace_LDADD = libworker.a libipc.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/writer
tests_unit_writer_SOURCES = tests/unit/writer.c tests/unit/tsmake.h tests/unit/tsmake.c tests/unit/tscheck.h tests/unit/tscheck.c
tests_unit_writer_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_writer_LDADD = libworker.a libipc.a libbase.a $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/quarantine
tests_unit_quarantine_SOURCES = tests/unit/quarantine.c
tests_unit_quarantine_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_quarantine_LDADD = libsupervisor.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/url
tests_unit_url_SOURCES = tests/unit/url.c
tests_unit_url_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_url_LDADD = libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/playlist
tests_unit_playlist_SOURCES = tests/unit/playlist.c
tests_unit_playlist_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_playlist_LDADD = libworker.a libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(BSD_LIBS) $(CHECK_LIBS) -lm

# Sweeps over allocations: tests/lib/fail.h.
FAIL_LINK = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=reallocarray \
	-Wl,--wrap=strdup -Wl,--wrap=strndup

UNIT_TESTS += tests/unit/playlist_alloc
tests_unit_playlist_alloc_SOURCES = tests/unit/playlist_alloc.c tests/lib/fail.h tests/lib/fail.c
tests_unit_playlist_alloc_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_playlist_alloc_LDADD = libworker.a libbase.a $(CHECK_LIBS) -lm
tests_unit_playlist_alloc_LDFLAGS = $(FAIL_LINK)

UNIT_TESTS += tests/unit/conform_alloc
tests_unit_conform_alloc_SOURCES = tests/unit/conform_alloc.c tests/unit/tsmake.h tests/unit/tsmake.c \
	tests/unit/tscheck.h tests/unit/tscheck.c tests/lib/fail.h tests/lib/fail.c
tests_unit_conform_alloc_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_conform_alloc_LDADD = libworker.a libbase.a $(CHECK_LIBS)
tests_unit_conform_alloc_LDFLAGS = $(FAIL_LINK)

UNIT_TESTS += tests/unit/track
tests_unit_track_SOURCES = tests/unit/track.c
tests_unit_track_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_track_LDADD = libworker.a libbase.a $(JANSSON_LIBS) $(CHECK_LIBS) -lm

UNIT_TESTS += tests/unit/client
tests_unit_client_SOURCES = tests/unit/client.c
tests_unit_client_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_client_LDADD = libworker.a libipc.a libbase.a $(EV_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/tuner
tests_unit_tuner_SOURCES = tests/unit/tuner.c
tests_unit_tuner_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_tuner_LDADD = libsupervisor.a libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(EV_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/device
tests_unit_device_SOURCES = tests/unit/device.c
tests_unit_device_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_device_LDADD = libsupervisor.a libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(EV_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/decrypt
tests_unit_decrypt_SOURCES = tests/unit/decrypt.c
tests_unit_decrypt_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_decrypt_LDADD = libworker.a libbase.a $(CRYPTO_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/resolve
tests_unit_resolve_SOURCES = tests/unit/resolve.c tests/lib/delay.h tests/lib/delay.c
tests_unit_resolve_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_resolve_LDADD = libworker.a libbase.a $(CARES_LIBS) $(EV_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/fetch
tests_unit_fetch_SOURCES = tests/unit/fetch.c tests/lib/clock.h tests/lib/clock.c tests/lib/delay.h tests/lib/delay.c \
	tests/lib/site.h tests/lib/site.c
tests_unit_fetch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_fetch_LDADD = libworker.a libbase.a $(BSD_LIBS) $(CURL_LIBS) $(CARES_LIBS) $(EV_LIBS) $(ZLIB_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/prefetch
tests_unit_prefetch_SOURCES = tests/unit/prefetch.c tests/lib/site.h tests/lib/site.c
tests_unit_prefetch_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_prefetch_LDADD = libworker.a libipc.a libbase.a $(BSD_LIBS) $(CURL_LIBS) $(CARES_LIBS) $(CRYPTO_LIBS) $(EV_LIBS) \
	$(ZLIB_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/late
tests_unit_late_SOURCES = tests/unit/late.c
tests_unit_late_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_late_LDADD = libworker.a libbase.a $(BSD_LIBS) $(CHECK_LIBS) -lm

UNIT_TESTS += tests/unit/learn
tests_unit_learn_SOURCES = tests/unit/learn.c
tests_unit_learn_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_learn_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/step
tests_unit_step_SOURCES = tests/unit/step.c
tests_unit_step_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_step_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/meter
tests_unit_meter_SOURCES = tests/unit/meter.c
tests_unit_meter_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_meter_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/tally
tests_unit_tally_SOURCES = tests/unit/tally.c
tests_unit_tally_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_tally_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/routes
tests_unit_routes_SOURCES = tests/unit/routes.c
tests_unit_routes_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_routes_LDADD = libworker.a libbase.a $(EV_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/outlook
tests_unit_outlook_SOURCES = tests/unit/outlook.c
tests_unit_outlook_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_outlook_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/comeback
tests_unit_comeback_SOURCES = tests/unit/comeback.c
tests_unit_comeback_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_comeback_LDADD = libsupervisor.a libbase.a $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/learned
tests_unit_learned_SOURCES = tests/unit/learned.c
tests_unit_learned_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_learned_LDADD = libsupervisor.a libbase.a $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/verdict
tests_unit_verdict_SOURCES = tests/unit/verdict.c
tests_unit_verdict_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_verdict_LDADD = libworker.a libbase.a $(CURL_LIBS) $(CHECK_LIBS) -lm

UNIT_TESTS += tests/unit/hosts
tests_unit_hosts_SOURCES = tests/unit/hosts.c
tests_unit_hosts_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_hosts_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/http
tests_unit_http_SOURCES = tests/unit/http.c
tests_unit_http_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_http_LDADD = libsupervisor.a libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(EV_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/choose
tests_unit_choose_SOURCES = tests/unit/choose.c
tests_unit_choose_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_choose_LDADD = libsupervisor.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/slot
tests_unit_slot_SOURCES = tests/unit/slot.c
tests_unit_slot_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_slot_LDADD = libsupervisor.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/provider
tests_unit_provider_SOURCES = tests/unit/provider.c
tests_unit_provider_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_provider_LDADD = libsupervisor.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/memory
tests_unit_memory_SOURCES = tests/unit/memory.c
tests_unit_memory_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_memory_LDADD = libsupervisor.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/judge
tests_unit_judge_SOURCES = tests/unit/judge.c
tests_unit_judge_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_judge_LDADD = libctl.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS) -lm

UNIT_TESTS += tests/unit/checks
tests_unit_checks_SOURCES = tests/unit/checks.c
tests_unit_checks_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_checks_LDADD = libctl.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS) -lm

UNIT_TESTS += tests/unit/ctl
tests_unit_ctl_SOURCES = tests/unit/ctl.c
tests_unit_ctl_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_ctl_LDADD = libctl.a libbase.a $(CURL_LIBS) $(JANSSON_LIBS) $(CHECK_LIBS) -lm

UNIT_TESTS += tests/unit/slates
tests_unit_slates_SOURCES = tests/unit/slates.c
tests_unit_slates_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_slates_LDADD = libsupervisor.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/slate
tests_unit_slate_SOURCES = tests/unit/slate.c tests/unit/tsmake.h tests/unit/tsmake.c
tests_unit_slate_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_slate_LDADD = libworker.a libbase.a $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/filler
tests_unit_filler_SOURCES = tests/unit/filler.c tests/unit/tsmake.h tests/unit/tsmake.c \
	tests/unit/tscheck.h tests/unit/tscheck.c
tests_unit_filler_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_filler_LDADD = libworker.a libbase.a $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/conform
tests_unit_conform_SOURCES = tests/unit/conform.c tests/unit/tsmake.h tests/unit/tsmake.c \
	tests/unit/tscheck.h tests/unit/tscheck.c
tests_unit_conform_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_conform_LDADD = libworker.a libbase.a $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/ring
tests_unit_ring_SOURCES = tests/unit/ring.c
tests_unit_ring_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_ring_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/es
tests_unit_es_SOURCES = tests/unit/es.c
tests_unit_es_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_es_LDADD = libworker.a libbase.a $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/psi
tests_unit_psi_SOURCES = tests/unit/psi.c
tests_unit_psi_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_psi_LDADD = libworker.a libbase.a $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/crash
tests_unit_crash_SOURCES = tests/unit/crash.c
tests_unit_crash_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_crash_LDADD = libsupervisor.a libbase.a $(EV_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/worker
tests_unit_worker_SOURCES = tests/unit/worker.c
tests_unit_worker_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_worker_LDADD = libsupervisor.a libipc.a libbase.a $(EV_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/quality
tests_unit_quality_SOURCES = tests/unit/quality.c
tests_unit_quality_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_quality_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/source
tests_unit_source_SOURCES = tests/unit/source.c
tests_unit_source_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_source_LDADD = libworker.a libipc.a libbase.a $(CURL_LIBS) $(BSD_LIBS) $(CHECK_LIBS) -lm

UNIT_TESTS += tests/unit/line_media
tests_unit_line_media_SOURCES = tests/unit/line_media.c
tests_unit_line_media_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_line_media_LDADD = libworker.a libipc.a libbase.a $(BSD_LIBS) $(CHECK_LIBS) -lm

UNIT_TESTS += tests/unit/sources
tests_unit_sources_SOURCES = tests/unit/sources.c
tests_unit_sources_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_sources_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/vitals
tests_unit_vitals_SOURCES = tests/unit/vitals.c
tests_unit_vitals_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_vitals_LDADD = libworker.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/request
tests_unit_request_SOURCES = tests/unit/request.c
tests_unit_request_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_request_LDADD = libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/analyse
tests_unit_analyse_SOURCES = tests/unit/analyse.c
tests_unit_analyse_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_analyse_LDADD = $(ORIGIN_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/origin_media
tests_unit_origin_media_SOURCES = tests/unit/origin_media.c
tests_unit_origin_media_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_origin_media_LDADD = $(ORIGIN_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/ledger
tests_unit_ledger_SOURCES = tests/unit/ledger.c
tests_unit_ledger_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_ledger_LDADD = libipc.a libbase.a $(CHECK_LIBS)

UNIT_TESTS += tests/unit/notify
tests_unit_notify_SOURCES = tests/unit/notify.c
tests_unit_notify_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(BSD_CFLAGS)
tests_unit_notify_LDADD = libsupervisor.a libbase.a $(EV_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/packet
tests_unit_packet_SOURCES = tests/unit/packet.c
tests_unit_packet_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_packet_LDADD = libsupervisor.a libconfig.a libbase.a $(ZLIB_LIBS) $(JANSSON_LIBS) $(INIH_LIBS) $(EV_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/ssdp
tests_unit_ssdp_SOURCES = tests/unit/ssdp.c
tests_unit_ssdp_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_ssdp_LDADD = libsupervisor.a libconfig.a libbase.a $(JANSSON_LIBS) $(INIH_LIBS) $(EV_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/renew
tests_unit_renew_SOURCES = tests/unit/renew.c
tests_unit_renew_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_renew_LDADD = libsupervisor.a libipc.a libconfig.a libbase.a $(EV_LIBS) $(JANSSON_LIBS) $(INIH_LIBS) \
	$(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/guide
tests_unit_guide_SOURCES = tests/unit/guide.c
tests_unit_guide_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(EXPAT_CFLAGS)
tests_unit_guide_LDADD = $(GUIDE_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/journal
tests_unit_journal_SOURCES = tests/unit/journal.c
tests_unit_journal_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_journal_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pread
tests_unit_journal_LDADD = libsupervisor.a libipc.a libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(EV_LIBS) $(ZLIB_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/tune
tests_unit_tune_SOURCES = tests/unit/tune.c
tests_unit_tune_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_tune_LDADD = libipc.a libconfig.a libbase.a $(INIH_LIBS) $(JANSSON_LIBS) $(BSD_LIBS) $(CHECK_LIBS)

UNIT_TESTS += tests/unit/xmltv
tests_unit_xmltv_SOURCES = tests/unit/xmltv.c
tests_unit_xmltv_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_xmltv_LDADD = $(GUIDE_LIBS) $(CHECK_LIBS)
