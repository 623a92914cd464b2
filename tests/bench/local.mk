# tests/bench
EXTRA_DIST += tests/bench/lib.sh tests/bench/run tests/bench/soak

# A viewer who kills and measures; built with all, since a bench is run without make check.
noinst_PROGRAMS += tests/bench/prober
tests_bench_prober_SOURCES = tests/bench/prober.c

# What the kernel alone takes for a relay.
noinst_PROGRAMS += tests/bench/bare
tests_bench_bare_SOURCES = tests/bench/bare.c

# A guide, read as plexbridge-guide does and by expat alone.
noinst_PROGRAMS += tests/bench/guide
tests_bench_guide_CPPFLAGS = $(AM_CPPFLAGS) $(EXPAT_CFLAGS)
tests_bench_guide_SOURCES = tests/bench/guide.c
tests_bench_guide_LDADD = $(GUIDE_LIBS)

# A viewer who leaves, and measures: a system test has it too.
noinst_PROGRAMS += tests/bench/closer
tests_bench_closer_SOURCES = tests/bench/closer.c
