# The commented file is installed as an example: a file of the operator's is never written over.
exampledir = $(sysconfdir)/plexbridge
example_DATA = dist/plexbridge.ini.example
EXTRA_DIST += dist/plexbridge.ini dist/slates.sh
CLEANFILES += dist/plexbridge.ini.example

dist/plexbridge.ini.example: $(top_srcdir)/dist/plexbridge.ini
	$(AM_V_GEN)$(MKDIR_P) dist && cp $(top_srcdir)/dist/plexbridge.ini $@

# The unit, with the place of the program.
systemdunitdir = $(prefix)/lib/systemd/system
systemdunit_DATA = dist/systemd/plexbridge.service
EXTRA_DIST += dist/systemd/plexbridge.service.in dist/systemd/unit.test
CLEANFILES += dist/systemd/plexbridge.service
TESTS += dist/systemd/unit.test

dist/systemd/plexbridge.service: $(top_srcdir)/dist/systemd/plexbridge.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) dist/systemd && \
	    sed 's#@[s]bindir@#$(sbindir)#g' $(top_srcdir)/dist/systemd/plexbridge.service.in >$@
