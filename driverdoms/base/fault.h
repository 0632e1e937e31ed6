/* SPDX-License-Identifier: MIT */
/*
 * Faults on purpose, for tests: what every driver domain can do wrong. Nothing of it happens unless the command line asks:
 *   fault=KIND@N    at request N (1...) from the start, in the first incarnation only; fault=KIND@N* in each one
 *   fault=noreturn  the devices do not come back after a restart
 *   fault=store     KIND@N is written to the domain's node control/fault at any time and counts from then on. The node is
 *                   emptied when it was taken; what cannot be understood stays, with "? " before it
 * A request is a disk request that reaches the driver, or a packet on its way to a card. KIND is
 *   crash     end with SHUTDOWN_crash
 *   wildptr   write where nothing is mapped
 *   stack     call without end
 *   hang      an infinite loop, interrupts off
 *   loop      an infinite loop, interrupts on
 *   heap      write over blocks that were freed; the next allocation meets them, at request N + 1 at the latest
 *   stall     take this and later requests and do nothing with them: a queue that stops silently
 *   wilddma   give the device an address outside this domain's memory, once
 *   stuck     the device does not hear of new requests, until it is reset
 *   gone      the device is gone from the bus, until the domain starts anew
 *
 * Interface: the domain parses, starts, and calls fault_step() for each request; the kinds that end the domain never
 * return from it. The others show in fault_now: stall and wilddma are for the caller, stuck and gone for
 * whoever writes the device's registers, who ends `stuck` by fault_end() at a reset.
 */
#ifndef DRIVERDOMS_FAULT_H
#define DRIVERDOMS_FAULT_H
#include "driverdoms/base/args.h"

enum fault_kind { FAULT_NONE, FAULT_CRASH, FAULT_WILDPTR, FAULT_STACK, FAULT_HANG, FAULT_LOOP, FAULT_HEAP, FAULT_STALL,
                  FAULT_WILDDMA, FAULT_STUCK, FAULT_GONE, FAULT_NORETURN };
struct fault_plan { enum fault_kind kind; uint64_t at; bool always, store; };

#define FAULT_WILD 0x40000000u /* guest physical 1 GiB: no driver domain has memory there */

bool fault_parse(struct fault_plan *plan, struct arg a); /* what follows "fault="; false: not understood */
/* Arm it; false: there is nothing to step for in this incarnation. */
bool fault_start(const struct fault_plan *plan);
extern enum fault_kind fault_now;
void fault_step(void);
void fault_end(enum fault_kind kind); /* fault_now is that no more, if it was */
#endif
