/* SPDX-License-Identifier: MIT */
/*
 * storm: on one CPU, clones whose faults fault again as they are delivered, for ever. No instruction of theirs is run in between, so only a
 * hypervisor that looks for interrupts behind every such exit gets its CPU back. Passes when we still run, our timers come in time, and the
 * clones can be destroyed. (A data breakpoint on the stack does the same on hardware; QEMU 7.2 itself stops at an assertion then.)
 */
#include "tests/guest/child/clone.h"
#include <xen/memory.h>

#define GRANT_GFN 0x300ul /* pages of the first GiB without memory */
#define READ_ONLY_GFN 0x301ul
#define REF 9u

static void ended(void)
{
    struct sched_shutdown s = { .reason = SHUTDOWN_poweroff };
    for (;;)
        sched_op(SCHEDOP_shutdown, &s);
}

static void no_handler(void)
{
    for (;;)
        ;
}

/* A page of our own, granted to ourselves to read only. 0 or an error. */
static long map_read_only(void)
{
    struct xen_add_to_physmap a = { .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .gpfn = GRANT_GFN };
    struct gnttab_map_grant_ref m = { .host_addr = READ_ONLY_GFN * RT_PAGE, .flags = GNTMAP_host_map | GNTMAP_readonly, .ref = REF,
                                      .dom = DOMID_SELF };
    long ret = memory_op(XENMEM_add_to_physmap, &a);
    if (ret)
        return ret;
    /* DOMID_SELF as a grantee is nobody: our own id is in the shared page. */
    ((volatile grant_entry_v1_t *)(GRANT_GFN * RT_PAGE))[REF] = (grant_entry_v1_t){ GTF_permit_access | GTF_readonly,
                                                                               (domid_t)IN_CLONE->seed, 15 };
    ret = grant_op(GNTTABOP_map_grant_ref, &m, 1);
    return ret ? ret : m.status;
}

/* The frame of every fault goes to a page that cannot be written: each delivery is answered by #GP, whose delivery... */
static void __attribute__((force_align_arg_pointer)) read_only_stack(void)
{
    clone_tables(no_handler);
    *(uint64_t *)(CLONE_TABLES - 0x100 + 0x24) = (READ_ONLY_GFN + 1) * RT_PAGE;
    IN_CLONE->faults = (uint64_t)map_read_only();
    if (IN_CLONE->faults)
        ended();
    IN_CLONE->done = 1;
    __asm__ volatile("ud2");
    ended();
}

/* A single step at a time through a loop, with a handler that returns: some hundred thousand #DB. */
__asm__(".globl step_return\nstep_return: incq 0x6018\n iretq\n");
extern void step_return(void);
static void __attribute__((force_align_arg_pointer)) stepping(void)
{
    clone_tables(step_return);
    IN_CLONE->done = 1;
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; 1: jmp 1b" ::: "memory");
    ended();
}

static bool still_ours(unsigned ms)
{
    volatile bool never = false;
    uint64_t start = rt_now();
    wait_for(&never, ms);
    return rt_now() - start < (ms + 1000) * 1000000ull;
}

static void storm(void (*entry)(void), const char *name)
{
    struct clone c;
    if (!clone_build(&c, entry, 0, 1))
        return;
    c.shared->seed = c.child.domid;
    child_start(&c.child);
    for (unsigned i = 0; i < 200 && !c.shared->done; i++)
        still_ours(5);
    check(c.shared->done == 1, "%s: it has begun (%ld)", name, (long)c.shared->faults);
    check(still_ours(300), "%s: we run beside it and our timers come in time", name);
    check(clone_destroy(&c), "%s: and it can be destroyed", name);
}

void domain_main(const char *cmdline)
{
    storm(read_only_stack, "faults on a read-only stack");
    storm(stepping, "single steps without end");
    test_done();
}
