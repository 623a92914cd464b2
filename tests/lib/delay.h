/*
 * delay.h - how long others kept the machine from us
 *
 * What takes long on a busy machine need not have blocked: wall time less
 * this is what a piece of work took itself, asleep or at work.
 */
#ifndef PLEXBRIDGE_TESTS_DELAY_H
#define PLEXBRIDGE_TESTS_DELAY_H

/* Seconds that this process was ready to run, and did not. 0 where the kernel doesn't count. */
double delay_s(void);

#endif
