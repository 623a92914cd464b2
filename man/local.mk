dist_man_MANS += man/plexbridge.ini.5 man/plexbridged.8 man/plexbridge-keeper.8 man/plexbridge-worker.1 \
	man/plexbridge-guide.8 man/plexbridge-origin.1 man/plexbridgectl.1

TESTS += man/pages.test
EXTRA_DIST += man/pages.test
