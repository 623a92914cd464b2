# tests/bench
EXTRA_DIST += tests/bench/lib.sh tests/bench/run tests/bench/soak
