/* SPDX-License-Identifier: MIT */
/*
 * What Bulkhead's trace holds beside the events of xen/trace.h (docs/tracing.md). Words are 32 bits, in the order given; WHO is a
 * vCPU: its number, and its domain's number << 16.
 */
#ifndef BULKHEAD_TRACE_H
#define BULKHEAD_TRACE_H
#include <stdint.h>
#include <xen/trace.h>

#define BH_TRC_EVENT_SEND (TRC_HW_IRQ + 0x40) /* a port is told of an event. Words: WHO it is for, port */
#define BH_TRC_SAMPLE (TRC_HW_PM + 0x41)      /* of the profiler. Words: WHO, guest's RIP low, high, hypervisor's RIP low, high (0: in the guest) */
#define BH_TRC_CALLERS (TRC_HW_PM + 0x42)     /* who called there, of the sample before on that CPU: low halves of return addresses, innermost
                                                 first; more of these records may follow */
#define BH_TRC_IDLE_DOMAIN 0x7fffu            /* the domain of a CPU's idle vCPU, which is numbered as the CPU */
#endif
