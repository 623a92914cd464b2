noinst_LIBRARIES += libconfig.a
libconfig_a_CPPFLAGS = $(AM_CPPFLAGS) $(INIH_CFLAGS) $(JANSSON_CFLAGS)
libconfig_a_SOURCES = config/address.c config/arena.h config/arena.c config/check.h config/check.c \
	config/config.h config/config.c config/dump.c config/ini.h config/ini.c config/lineup.h \
	config/lineup.c config/options.h config/options.c config/value.h config/value.c config/variant.h
