# Unit tests: one program a station, tests/unit/NAME.c, with Check, TAP out.
# Fuzz targets: tests/fuzz/NAME.c; run over their corpus by make check.
include tests/unit/local.mk
include tests/fuzz/local.mk
include tests/system/local.mk
include tests/bench/local.mk
