/* SPDX-License-Identifier: MIT */
/*
 * Random hypercalls of a domain that may do little. Two vCPUs at once, so that each call meets others half done. What would end or stop the
 * clone is made rarely. The clone has: the shared info, a grant table and two pages granted to itself (one to read only) at known gfns.
 */
#include "tests/guest/hostile/hostile.h"
#include <bulkhead/ext.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/memory.h>
#include <xen/vcpu.h>

#define OWN_TABLE_GFN 0x2f0ul /* not among those that calls name */
#define TABLE_GFN 0x300ul
#define RW_GFN 0x301ul
#define RO_GFN 0x302ul
#define INFO_GFN 0x303ul
#define HOLES 0x1000ul /* 256 gfns and more without memory; in the 1:1 map */
#define FIRST_REF 8u

struct vcpu_state { uint64_t seed, arg[512], list[512], pages[4 * 512]; } __attribute__((aligned(4096)));
static struct vcpu_state state[2];
static uint64_t victim[4 * 512] __attribute__((aligned(4096))); /* pages to give away; nobody here reads or writes them */

struct random_call { uint64_t nr, a[5]; };

static uint64_t below(struct vcpu_state *s, uint64_t n) { return (rnd(&s->seed) >> 11) % n; }
static bool once_in(struct vcpu_state *s, uint64_t n) { return below(s, n) == 0; }

static uint64_t some_gfn(struct vcpu_state *s)
{
    switch (below(s, 8)) {
    case 0: return (uint64_t)victim / RT_PAGE + below(s, 4);
    case 1: return TABLE_GFN + below(s, 4);
    case 2: return 1ull << (12 + below(s, 42));
    case 3: return once_in(s, 8192) ? below(s, 1024) : HOLES;
    default: return HOLES + below(s, 256);
    }
}
static uint64_t some_domid(struct vcpu_state *s)
{
    return once_in(s, 2) ? DOMID_SELF : once_in(s, 2) ? below(s, 8) : once_in(s, 2) ? 0x7ff0 + below(s, 16) : rnd(&s->seed) & 0xffff;
}
static uint64_t some_pointer(struct vcpu_state *s, void *good)
{
    switch (below(s, 40)) {
    case 0: return (uint64_t)good + RT_PAGE - below(s, 64); /* over the end of its page */
    case 1: return RW_GFN * RT_PAGE + below(s, RT_PAGE);
    case 2: return RO_GFN * RT_PAGE + below(s, RT_PAGE);
    case 3: return TABLE_GFN * RT_PAGE + below(s, RT_PAGE);
    case 4: return HOLES * RT_PAGE + below(s, RT_PAGE);      /* mapped by us, no memory behind it */
    case 5: return 0xfee00000ul + below(s, RT_PAGE);         /* not mapped */
    case 6: return 1ull << (47 + below(s, 17));              /* not canonical */
    case 7: return ~0ull - below(s, 4096);
    case 8: return INFO_GFN * RT_PAGE + below(s, 2048);
    default: return (uint64_t)good;
    }
}
static uint64_t word(struct vcpu_state *s)
{
    switch (below(s, 10)) {
    case 0: return 0;
    case 1: return below(s, 64);
    case 2: return ~0ull >> below(s, 64);
    case 3: return 1ull << below(s, 64);
    case 4: return below(s, 8) | below(s, 64) << 32;
    case 5: return some_gfn(s);
    case 6: return some_gfn(s) << 12;
    case 7: return some_domid(s) | below(s, 64) << 32;
    case 8: return some_pointer(s, s->pages);
    default: return rnd(&s->seed);
    }
}

static uint64_t memory_call(struct vcpu_state *s, struct random_call *c)
{
    uint64_t cmd = below(s, 8) ? (uint64_t[]){ 1, 6, 7, 15, 23, 28, 5, 10 }[below(s, 8)] : below(s, 64);
    for (unsigned i = 0; i < 64; i++)
        s->pages[i] = some_gfn(s);
    switch (cmd) {
    case XENMEM_populate_physmap:
    case XENMEM_decrease_reservation:
        s->arg[0] = cmd == XENMEM_populate_physmap ? some_pointer(s, s->pages) : (uint64_t)s->pages;
        s->arg[1] = below(s, 64);
        s->arg[2] = cmd == XENMEM_populate_physmap || once_in(s, 64) ? below(s, 11) : 0;
        s->arg[3] = some_domid(s);
        break;
    case XENMEM_add_to_physmap:
        s->arg[1] = below(s, 7); /* the space */
        s->arg[0] = some_domid(s) | below(s, 64) << 16 | s->arg[1] << 32;
        s->arg[1] = s->arg[1] < XENMAPSPACE_gmfn ? below(s, 5) : some_gfn(s);
        s->arg[2] = some_gfn(s);
        break;
    case XENMEM_add_to_physmap_batch:
        s->arg[0] = some_domid(s) | below(s, 7) << 16 | below(s, 64) << 32 | some_domid(s) << 48;
        for (unsigned i = 1; i < 4; i++)
            s->arg[i] = some_pointer(s, s->pages);
        break;
    case XENMEM_remove_from_physmap:
        s->arg[0] = some_domid(s);
        s->arg[1] = some_gfn(s);
        break;
    }
    return cmd | (once_in(s, 16) ? below(s, 80) << 6 : 0);
}

static void grant_call(struct vcpu_state *s, struct random_call *c)
{
    c->a[0] = below(s, 16);
    c->a[2] = once_in(s, 32) ? rnd(&s->seed) : below(s, 6);
    for (unsigned i = 0; i < 6; i++) {
        struct gnttab_map_grant_ref *m = (struct gnttab_map_grant_ref *)s->arg + i;
        struct gnttab_unmap_grant_ref *u = (struct gnttab_unmap_grant_ref *)s->arg + i;
        struct gnttab_copy *k = (struct gnttab_copy *)s->arg + i;
        uint32_t ref = (uint32_t)(once_in(s, 8) ? rnd(&s->seed) : below(s, 40));
        if (c->a[0] == GNTTABOP_map_grant_ref)
            *m = (struct gnttab_map_grant_ref){ .host_addr = some_gfn(s) << 12, .flags = (uint32_t)(once_in(s, 8) ? below(s, 64) : 2 + 4 * below(s, 2)),
                                                .ref = ref, .dom = (domid_t)some_domid(s) };
        else if (c->a[0] == GNTTABOP_unmap_grant_ref)
            *u = (struct gnttab_unmap_grant_ref){ .host_addr = some_gfn(s) << 12, .handle = (uint32_t)below(s, 64) };
        else if (c->a[0] == GNTTABOP_copy) {
            memset(k, 0, sizeof(*k));
            k->flags = (uint16_t)below(s, 4);
            k->len = (uint16_t)(once_in(s, 8) ? rnd(&s->seed) : below(s, 64));
            k->source.domid = (domid_t)some_domid(s);
            k->dest.domid = (domid_t)some_domid(s);
            k->source.u.gmfn = k->flags & GNTCOPY_source_gref ? ref : some_gfn(s);
            k->dest.u.gmfn = k->flags & GNTCOPY_dest_gref ? (uint64_t)below(s, 40) : some_gfn(s);
        }
    }
    /* The entries change under the calls. */
    volatile grant_entry_v1_t *e = (volatile grant_entry_v1_t *)(OWN_TABLE_GFN * RT_PAGE) + FIRST_REF + below(s, 32);
    if (once_in(s, 4))
        *e = (grant_entry_v1_t){ (uint16_t)(once_in(s, 4) ? rnd(&s->seed) : GTF_permit_access), (domid_t)(once_in(s, 4) ? below(s, 8) : IN_CLONE->second),
                                 (uint32_t)some_gfn(s) };
}

/* Areas are registered in pages that may be written over. */
static void vcpu_call(struct vcpu_state *s, struct random_call *c)
{
    c->a[1] = below(s, 3);
    if (c->a[0] == VCPUOP_register_vcpu_info)
        s->arg[0] = (uint64_t)victim / RT_PAGE + below(s, 4), s->arg[1] = below(s, 80) * 64;
    else if (c->a[0] == VCPUOP_register_runstate_memory_area || c->a[0] == VCPUOP_register_vcpu_time_memory_area)
        s->arg[0] = (uint64_t)some_pointer(s, s->pages);
    else if (c->a[0] == VCPUOP_set_periodic_timer)
        s->arg[0] = 1000000 + below(s, 1000000);
}

/* What ends or stops the caller is made once in a long while only; an NMI within another's handler loses the way back. */
static bool spared(struct vcpu_state *s, const struct random_call *c)
{
    uint32_t cmd = (uint32_t)c->a[0];
    bool ends = (c->nr == __HYPERVISOR_sched_op && (cmd == SCHEDOP_block || cmd == SCHEDOP_shutdown || cmd == SCHEDOP_remote_shutdown)) ||
                (c->nr == __HYPERVISOR_vcpu_op && (cmd == VCPUOP_down || cmd == VCPUOP_send_nmi)) || c->nr == __HYPERVISOR_console_io;
    return ends && !once_in(s, 4096);
}

static void make_call(struct vcpu_state *s, struct random_call *c)
{
    static const uint8_t known[] = { 7, 12, 12, 12, 13, 15, 17, 18, 20, 20, 20, 20, 21, 24, 24, 29, 32, 32, 32, 33, 34, 34, 35, 36, 55, 55 };
    do {
        c->nr = once_in(s, 16) ? below(s, 64) : known[below(s, sizeof(known))];
        c->a[0] = once_in(s, 32) ? rnd(&s->seed) : below(s, 20);
        for (unsigned i = 1; i < 5; i++)
            c->a[i] = word(s);
        for (unsigned i = 0; i < 32; i++)
            s->arg[i] = word(s);
        if (c->nr == __HYPERVISOR_memory_op)
            c->a[0] = memory_call(s, c);
        else if (c->nr == __HYPERVISOR_grant_table_op)
            grant_call(s, c);
        else if (c->nr == __HYPERVISOR_vcpu_op)
            vcpu_call(s, c);
        else if (c->nr == BH_HYPERCALL && !once_in(s, 8))
            s->arg[0] = BH_INTERFACE_VERSION | some_domid(s) << 32;
    } while (spared(s, c));
    bool third = c->nr == __HYPERVISOR_vcpu_op || c->nr == __HYPERVISOR_console_io;
    c->a[third ? 2 : 1] = some_pointer(s, s->arg);
    if (c->nr == __HYPERVISOR_sched_op && (uint32_t)c->a[0] == SCHEDOP_poll)
        c->a[1] = (uint64_t)s->arg, s->arg[2] = 1; /* until a time that is past */
    if (c->nr == __HYPERVISOR_domctl || c->nr == __HYPERVISOR_sysctl || c->nr == __HYPERVISOR_platform_op || c->nr == __HYPERVISOR_multicall)
        c->a[0] = some_pointer(s, s->list);
}

static void __attribute__((noreturn)) run(struct vcpu_state *s)
{
    struct random_call c;
    for (uint64_t i = 0; i < IN_CLONE->budget; i++) {
        make_call(s, &c);
        if (c.nr == __HYPERVISOR_multicall) {
            unsigned n = (unsigned)below(s, 8);
            for (unsigned k = 0; k < n; k++) {
                do
                    make_call(s, &c);
                while (c.nr == __HYPERVISOR_memory_op); /* its argument would be the last one's */
                struct multicall_entry e = { .op = c.nr, .args = { c.a[0], c.a[1], c.a[2], c.a[3], c.a[4] } };
                memcpy(&s->list[k * 8], &e, sizeof(e));
            }
            c = (struct random_call){ __HYPERVISOR_multicall, { some_pointer(s, s->list), n } };
        }
        rt_hypercall((unsigned)c.nr, c.a[0], c.a[1], c.a[2], c.a[3], c.a[4]);
        __atomic_fetch_add(&((struct clone_shared *)CLONE_SHARED)->done, 1, __ATOMIC_RELAXED);
        if (once_in(s, 64))
            __asm__ volatile("sti; nop; nop; cli" ::: "memory");
    }
    struct sched_shutdown end = { .reason = SHUTDOWN_poweroff };
    for (;;)
        sched_op(SCHEDOP_shutdown, &end);
}

static void __attribute__((force_align_arg_pointer)) second_start(void)
{
    clone_tables_again();
    run(&state[1]);
}

/* Interrupts come back to where they were; faults that push an error code end the clone. */
__asm__("calls_return: iretq\n");
void calls_return(void);

static void start_second(void)
{
    struct vcpu_hvm_context v = { .mode = VCPU_HVM_MODE_64B };
    v.cpu_regs.x86_64 = (struct vcpu_hvm_x86_64){ .rip = (uint64_t)second_start, .rsp = CLONE_STACK2 - 16, .rflags = 2, .cr0 = 0x80000033,
                                                  .cr3 = RT_PAGE, .cr4 = 0x620, .efer = 0x500 };
    if (vcpu_op(VCPUOP_initialise, 1, &v) == 0)
        vcpu_op(VCPUOP_up, 1, NULL);
}

void __attribute__((force_align_arg_pointer)) calls_start(void)
{
    struct xen_add_to_physmap table = { .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .gpfn = TABLE_GFN };
    struct xen_add_to_physmap info = { .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = INFO_GFN };
    struct xen_add_to_physmap own = { .domid = DOMID_SELF, .space = XENMAPSPACE_grant_table, .gpfn = OWN_TABLE_GFN };
    clone_tables(calls_return);
    memory_op(XENMEM_add_to_physmap, &info);
    memory_op(XENMEM_add_to_physmap, &table);
    if (memory_op(XENMEM_add_to_physmap, &own) == 0) {
        volatile grant_entry_v1_t *e = (volatile grant_entry_v1_t *)(OWN_TABLE_GFN * RT_PAGE);
        for (unsigned i = 0; i < 32; i++)
            e[FIRST_REF + i] = (grant_entry_v1_t){ GTF_permit_access, (domid_t)IN_CLONE->second, (uint32_t)((uint64_t)victim / RT_PAGE + i % 4) };
        struct gnttab_map_grant_ref m[2] = {
            { .host_addr = RW_GFN * RT_PAGE, .flags = GNTMAP_host_map, .ref = FIRST_REF, .dom = DOMID_SELF },
            { .host_addr = RO_GFN * RT_PAGE, .flags = GNTMAP_host_map | GNTMAP_readonly, .ref = FIRST_REF + 1, .dom = DOMID_SELF } };
        grant_op(GNTTABOP_map_grant_ref, m, 2);
    }
    state[0].seed = IN_CLONE->seed;
    state[1].seed = IN_CLONE->seed * 31 + 7;
    start_second();
    run(&state[0]);
}

void __attribute__((force_align_arg_pointer)) greedy_start(void)
{
    struct xen_add_to_physmap a = { .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info };
    for (uint64_t i = 0; i < IN_CLONE->budget; i++) {
        a.gpfn = (1ull << 20) + (i << 5); /* few to a page table */
        if (memory_op(XENMEM_add_to_physmap, &a) == 0)
            IN_CLONE->done++;
    }
    IN_CLONE->second = 1;
    for (;;)
        ;
}
