# The commented file is installed as an example: a file of the operator's is never written over.
exampledir = $(sysconfdir)/plexbridge
example_DATA = dist/plexbridge.ini.example
EXTRA_DIST += dist/plexbridge.ini
CLEANFILES += dist/plexbridge.ini.example

dist/plexbridge.ini.example: $(top_srcdir)/dist/plexbridge.ini
	$(AM_V_GEN)$(MKDIR_P) dist && cp $(top_srcdir)/dist/plexbridge.ini $@
