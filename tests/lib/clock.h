/*
 * clock.h - a wall clock that is set while a program runs
 *
 * A program that is linked with this has its wall clock, libev's too, off by
 * what its own clock_off_s() says; all other clocks are the machine's.
 */
#ifndef PLEXBRIDGE_TESTS_CLOCK_H
#define PLEXBRIDGE_TESTS_CLOCK_H

#include <time.h>

/* The program's: seconds, asked each time that the clock is read. */
time_t clock_off_s(void);

#endif
