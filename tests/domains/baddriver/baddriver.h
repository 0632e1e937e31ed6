/* SPDX-License-Identifier: MIT */
/*
 * baddriver: a driver domain that turned against everybody it can reach. Owns an NVMe controller and is the backend of a
 * guest's second disk. In this order (main.c):
 *   pci.c    writes all of its configuration space; asks for functions that are not its own; sends interrupt messages with
 *            every handle but its own
 *   back.c   maps every grant reference of the guest, storms its event channel, answers what nobody asked, takes answers back
 *   pci.c    at last has its controller write an interrupt message to memory that is not its own: that must be its end
 * Verdicts of what it can see itself: "baddriver: WRONG: ..." and "baddriver: RESULT attacks=N wrong=N"; the test looks at the others.
 */
#ifndef BADDRIVER_H
#define BADDRIVER_H
#include "rt/internal.h"
#include "rt/rt.h"

void verdict(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void pci_attack(void (*then)(void)); /* from the loop; then() when it is over */
void back_attack(void);              /* waits for the guest, 100 s at most */
_Noreturn void stray_message(void);
#endif
