/*
 * fault.h - places where a test may end the process
 *
 * Compiled out unless PB_FAULT_POINTS is defined, which only the programs
 * of tests/system/faulty do. There, a file that $PB_FAULT_FILE names says
 * "POINT COUNT ID": the process that passes POINT for the COUNT-th time
 * since ID was first seen removes the file and kills itself (SIGKILL), so
 * that exactly one process dies for each file that a test writes. A fourth
 * word says what becomes of it instead:
 *
 *   abort   it aborts and leaves the file: so does everyone who comes there
 *           afterwards
 *   spin    it never returns from there
 *   eat     it takes memory, a MiB a millisecond, until it gets no more, and
 *           aborts then
 */
#ifndef PLEXBRIDGE_BASE_FAULT_H
#define PLEXBRIDGE_BASE_FAULT_H

#ifdef PB_FAULT_POINTS
#define PB_FAULT(point) fault_point(point)
/* Half of what there is to write, so that there is a middle to die in. */
#define PB_FAULT_PIECE(len) ((len) > 1 ? (len) / 2 : (len))
#else
#define PB_FAULT(point) ((void)0)
#define PB_FAULT_PIECE(len) (len)
#endif

void fault_point(const char *point);

#endif
