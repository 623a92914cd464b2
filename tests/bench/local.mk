# tests/bench
EXTRA_DIST += tests/bench/lib.sh tests/bench/run tests/bench/soak

# A viewer who kills and measures; built with all, since a bench is run without make check.
noinst_PROGRAMS += tests/bench/prober
tests_bench_prober_SOURCES = tests/bench/prober.c
