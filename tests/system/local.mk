# tests/system

# A worker without a source, for the supervisor's own tests.
check_PROGRAMS += tests/system/fake-worker
tests_system_fake_worker_SOURCES = tests/system/fake-worker.c
tests_system_fake_worker_LDADD = libipc.a libbase.a
TESTS += tests/system/supervisor.test
EXTRA_DIST += tests/system/supervisor.test
