/*
 * testcard.h - the test card's media, inside the program
 *
 * share/testcard.ts as testcard.S takes it in: 24 s of H.264 and AAC that
 * can be repeated without a seam (share/testcard.sh). Read only, static.
 */
#ifndef PLEXBRIDGE_ORIGIN_TESTCARD_H
#define PLEXBRIDGE_ORIGIN_TESTCARD_H

#include <stdint.h>

extern const uint8_t testcard_ts[];
extern const uint8_t testcard_ts_end[];

#endif
