noinst_LIBRARIES += libconfig.a
libconfig_a_CPPFLAGS = $(AM_CPPFLAGS) $(INIH_CFLAGS) $(JANSSON_CFLAGS)
libconfig_a_SOURCES = config/arena.h config/arena.c config/config.h config/config.c \
	config/check.c config/dump.c config/ini.h config/ini.c config/lineup.h config/lineup.c \
	config/options.h config/options.c config/value.h config/value.c
