/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls by hand, for rt and for those domains that need one rt does not wrap. Numbers and structures are those
 * of the public headers (xen/xen.h and the family's header); arguments are at most five, the result is the
 * hypervisor's: negative Xen errno on failure, except where the family's header says otherwise.
 */
#ifndef RT_HYPERCALL_H
#define RT_HYPERCALL_H
#include <stdint.h>

extern char hypercall_page[];

static inline long rt_hypercall(unsigned nr, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    register uint64_t r10 __asm__("r10") = a4;
    register uint64_t r8 __asm__("r8") = a5;
    uint64_t entry = (uint64_t)hypercall_page + nr * 32ul;
    long ret;
    __asm__ volatile("call *%[entry]"
                     : "=a"(ret), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8)
                     : [entry] "0"(entry)
                     : "rcx", "r11", "r9", "memory", "cc");
    return ret;
}
#define rt_hypercall1(nr, a) rt_hypercall(nr, (uint64_t)(a), 0, 0, 0, 0)
#define rt_hypercall2(nr, a, b) rt_hypercall(nr, (uint64_t)(a), (uint64_t)(b), 0, 0, 0)
#define rt_hypercall3(nr, a, b, c) rt_hypercall(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0)
#endif
