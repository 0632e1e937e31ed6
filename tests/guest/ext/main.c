/* SPDX-License-Identifier: MIT */
/*
 * ext: the extension hypercall (bulkhead/ext.h). Roles, info, crash, and restart in place of a child domain; what each
 * of them refuses.
 */
#include "bulkhead/ext.h"
#include "tests/guest/child/child.h"
#include <xen/memory.h>

#define MS 1000000ul

static long bh(unsigned cmd, uint16_t domid, struct bh_op *b)
{
    b->version = BH_INTERFACE_VERSION;
    b->domid = domid;
    return rt_hypercall2(BH_HYPERCALL, cmd, b);
}

static long bh_simple(unsigned cmd, uint16_t domid)
{
    struct bh_op b = { 0 };
    return bh(cmd, domid, &b);
}

static void info_and_refusals(void)
{
    struct bh_op b = { 0 };
    IS(bh(BH_OP_info, DOMID_SELF, &b), 0);
    check(b.u.info.roles == (BH_ROLE_CONTROL | BH_ROLE_PCI | BH_ROLE_XENSTORE | BH_ROLE_CONSOLE), "roles of the control domain: %x",
          b.u.info.roles);
    check(b.u.info.incarnation == 1 && b.u.info.died_ns == 0 && b.u.info.last_reason == 0xff, "never died");
    int64_t apart = (int64_t)(rt_now() - b.u.info.now_ns);
    check(apart >= 0 && apart < 5000 * (int64_t)MS, "its clock is our clock (%ld us apart)", apart / 1000);
    b = (struct bh_op){ .version = 999, .domid = DOMID_SELF };
    REFUSED(rt_hypercall2(BH_HYPERCALL, BH_OP_info, &b));
    b = (struct bh_op){ .pad = 1 };
    REFUSED(bh(BH_OP_info, DOMID_SELF, &b));
    IS(rt_hypercall2(BH_HYPERCALL, BH_OP_info, BAD_POINTER), -XEN_EFAULT);
    REFUSED(bh_simple(0, DOMID_SELF));
    REFUSED(bh_simple(1000, DOMID_SELF));
    IS(bh_simple(BH_OP_info, 0x7000), -XEN_ESRCH);
    IS(bh_simple(BH_OP_crash, 0x7000), -XEN_ESRCH);
    IS(bh_simple(BH_OP_restart, 0x7000), -XEN_ESRCH);
    IS(bh_simple(BH_OP_snapshot, 0x7000), -XEN_ESRCH);
    REFUSED(bh_simple(BH_OP_snapshot, rt_domid)); /* it runs already */
    REFUSED(bh_simple(BH_OP_restart, rt_domid));
    REFUSED(bh_simple(BH_OP_msi_bind, DOMID_SELF)); /* no role DEVICE */
    REFUSED(bh_simple(BH_OP_dma_enable, DOMID_SELF));
}

/* All of us stops for the time asked for, and nothing else happens. */
static void rest(void)
{
    struct bh_op b = { .u.rest = { .ms = 50 } };
    uint64_t before = rt_now();
    IS(bh(BH_OP_rest, DOMID_SELF, &b), 0);
    uint64_t took = rt_now() - before;
    check(took >= 50 * MS && took < 2000 * MS, "a rest of 50 ms took %lu us", took / 1000);
    b = (struct bh_op){ 0 };
    REFUSED(bh(BH_OP_rest, DOMID_SELF, &b));
    b.u.rest.ms = 60001;
    REFUSED(bh(BH_OP_rest, DOMID_SELF, &b));
    b.u.rest.ms = 10;
    REFUSED(bh(BH_OP_rest, 0x7000, &b));
    b.u.rest.pad = 1;
    REFUSED(bh(BH_OP_rest, DOMID_SELF, &b));
}

/* What has been long so far: building a child at least. */
static void stalls(void)
{
    static struct bh_stall rows[BH_STALL_ROWS];
    struct bh_op b = { .u.stalls = { .rows = (uint64_t)rows, .room = BH_STALL_ROWS } };
    unsigned cpus = 1, n = 0, odd = 0;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        b.u.stalls.cpu = cpu;
        b.u.stalls.room = BH_STALL_ROWS;
        if (bh(BH_OP_stalls, DOMID_SELF, &b))
            break;
        cpus = b.u.stalls.cpus;
        n += b.u.stalls.room;
        for (unsigned i = 0; i < b.u.stalls.room; i++)
            odd += rows[i].cpu != cpu || !rows[i].cause || rows[i].cause > BH_STALL_idle || rows[i].answer_ns > rows[i].stretch_ns ||
                   rows[i].stretch_ns > 60000 * MS;
    }
    check(n > 0 && !odd, "%u long stretches on %u CPUs, %u of them odd", n, cpus, odd);
    b = (struct bh_op){ .u.stalls = { .rows = (uint64_t)rows, .room = BH_STALL_ROWS - 1 } };
    IS(bh(BH_OP_stalls, DOMID_SELF, &b), -XEN_ENOSPC);
    b.u.stalls.room = BH_STALL_ROWS;
    b.u.stalls.cpu = cpus;
    IS(bh(BH_OP_stalls, DOMID_SELF, &b), -XEN_EINVAL);
    b.u.stalls.cpu = 0;
    REFUSED(bh(BH_OP_stalls, 0x7000, &b));
    struct child c;
    if (!child_build(&c, child_calls))
        return;
    b.version = BH_INTERFACE_VERSION;
    b.domid = DOMID_SELF;
    child_start(&c);
    IS(child_call(&c, BH_HYPERCALL, BH_OP_stalls, &b, sizeof(b)), -XEN_EACCES); /* not its business */
    check(child_destroy(&c), "gone");
}

static long config(uint32_t sbdf, unsigned offset, unsigned size, uint32_t *value)
{
    struct bh_op b = { .u.config = { .sbdf = sbdf, .offset = (uint16_t)offset, .size = (uint8_t)size, .value = 0x12345678 } };
    long rc = bh(BH_OP_pci_config, DOMID_SELF, &b);
    *value = b.u.config.value;
    return rc;
}

/* Extended configuration space, where the machine has one (Bochs has none). */
static void extended_config(void)
{
    struct bh_op b = { .u.config = { .offset = 0x100, .size = 4, .write = 2 } };
    uint32_t value;
    REFUSED(config(0, 0xff, 1, &value));
    REFUSED(config(0, 0x102, 4, &value));
    REFUSED(config(0, 0x1000, 1, &value));
    REFUSED(config(0, 0x100, 3, &value));
    REFUSED(config(0, 0x100, 0, &value));
    REFUSED(bh(BH_OP_pci_config, DOMID_SELF, &b));
    b.u.config.write = 0;
    REFUSED(bh(BH_OP_pci_config, 1, &b));
    IS(config(0x10000, 0x100, 4, &value), -XEN_ENODEV); /* another segment */
    long rc = config(0xfe, 0x100, 4, &value);
    check(rc == -XEN_ENODEV || (!rc && value == 0xffffffff), "a function that is not there reads as ones (%ld, %x)", rc, value);
    rc = config(0xfe, 0xffe, 2, &value);
    check(rc == -XEN_ENODEV || (!rc && value == 0xffff), "and so does half a word of it (%ld, %x)", rc, value);
}

static void roles(struct child *c)
{
    struct bh_op b = { .u.roles = { .roles = BH_ROLE_DEVICE } };
    IS(bh(BH_OP_set_roles, c->domid, &b), 0);
    b = (struct bh_op){ 0 };
    IS(bh(BH_OP_info, c->domid, &b), 0);
    check(b.u.info.roles == BH_ROLE_DEVICE, "the child has DEVICE and nothing else (%x)", b.u.info.roles);
    b = (struct bh_op){ .u.roles = { .roles = 1u << 30 } };
    IS(bh(BH_OP_set_roles, c->domid, &b), -XEN_EINVAL);
    b = (struct bh_op){ .u.roles = { .roles = BH_ROLE_TARGET, .target = 0x7000 } };
    REFUSED(bh(BH_OP_set_roles, c->domid, &b));
    b = (struct bh_op){ .u.roles = { .roles = BH_ROLE_DEVICE } };
    REFUSED(bh(BH_OP_set_roles, rt_domid, &b));
}

static void expect(struct child *c, uint32_t incarnation, uint32_t reason)
{
    struct bh_op b = { 0 };
    IS(bh(BH_OP_info, c->domid, &b), 0);
    check(b.u.info.incarnation == incarnation && b.u.info.last_reason == reason, "incarnation %u, last reason %u: '%.60s'",
          b.u.info.incarnation, b.u.info.last_reason, b.u.info.why);
    check(b.u.info.died_ns && b.u.info.started_ns && b.u.info.now_ns >= b.u.info.started_ns, "with its times");
}

static void restart(struct child *c)
{
    struct bh_op b = { 0 };
    struct xen_domctl_getdomaininfo info;
    volatile bool never = false;

    IS(bh_simple(BH_OP_restart, c->domid), -XEN_ENODATA);
    IS(bh_simple(BH_OP_snapshot, c->domid), 0);
    child_start(c);
    wait_for(&never, 50);
    check(c->shared[0] > 0, "the first incarnation runs");
    c->shared[5] = 0x5555;
    IS(bh(BH_OP_restart, c->domid, &b), 0); /* while it runs */
    check(b.u.info.incarnation == 2, "restarted in place: incarnation %u, %lu us after it was stopped", b.u.info.incarnation,
          (b.u.info.started_ns - b.u.info.died_ns) / 1000);
    IS(child_map(c), 0);
    wait_for(&never, 50);
    check(c->shared[0] > 0 && c->shared[5] == 0, "it runs on its pristine memory (%lu)", c->shared[0]);
    check(child_info(c, &info) && !(info.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_paused)), "it is neither shut down nor paused");

    IS(bh_simple(BH_OP_crash, c->domid), 0);
    IS(child_wait(c, 10000), SHUTDOWN_crash);
    IS(bh_simple(BH_OP_restart, c->domid), 0);
    expect(c, 3, SHUTDOWN_crash);
    IS(child_map(c), 0);
    wait_for(&never, 50);
    check(c->shared[0] > 0, "it runs again");
    REFUSED(bh_simple(BH_OP_snapshot, c->domid)); /* it has run */
    struct bh_op r = { .u.roles = { .roles = BH_ROLE_DEVICE } };
    REFUSED(bh(BH_OP_set_roles, c->domid, &r));
}

static void many(struct child *c)
{
    IS(child_map(c), 0);
    uint64_t before = free_pages(), worst = 0;
    unsigned good = 0;
    for (unsigned i = 0; i < 50; i++) {
        uint64_t start = rt_now();
        good += bh_simple(i % 2 ? BH_OP_crash : BH_OP_restart, c->domid) == 0 && bh_simple(BH_OP_restart, c->domid) == 0;
        worst = rt_now() - start > worst ? rt_now() - start : worst;
    }
    check(good == 50, "50 more rounds (%u good), the slowest %lu us", good, worst / 1000);
    IS(child_map(c), 0);
    uint64_t after = free_pages();
    check(after + 4 >= before, "no memory is lost: %lu pages free before, %lu after", before, after);
}

static long pages_of(struct child *c, uint16_t domid)
{
    return child_call(c, __HYPERVISOR_memory_op, XENMEM_current_reservation, &domid, sizeof(domid));
}

/* A stub domain's power is over its target, not over the number that its target had. */
static void target(void)
{
    struct child stub, guest;
    struct xen_domctl d = { 0 };
    if (!child_build(&guest, child_spin) || !child_build(&stub, child_calls))
        return;
    struct bh_op b = { .u.roles = { .roles = BH_ROLE_TARGET, .target = stub.domid } };
    IS(bh(BH_OP_set_roles, stub.domid, &b), -XEN_EINVAL);
    d.u.set_target.target = 0x300;
    IS(domctl(&d, XEN_DOMCTL_set_target, stub.domid), -XEN_ESRCH);
    d.u.set_target.target = guest.domid;
    IS(domctl(&d, XEN_DOMCTL_set_target, stub.domid), 0);
    child_start(&stub);
    IS(pages_of(&stub, guest.domid), CHILD_PAGES);
    IS(pages_of(&stub, rt_domid), -XEN_EPERM);
    check(child_destroy(&guest), "the target is gone");
    IS(pages_of(&stub, guest.domid), -XEN_EPERM);
    d = (struct xen_domctl){ .u.createdomain = { .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap, .max_vcpus = 1,
        .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4, .grant_opts = 1,
        .arch.emulation_flags = XEN_X86_EMU_LAPIC } };
    IS(domctl(&d, XEN_DOMCTL_createdomain, guest.domid), 0);
    check(d.domain == guest.domid, "its number has a new owner");
    IS(pages_of(&stub, guest.domid), -XEN_EPERM);
    b = (struct bh_op){ 0 };
    IS(bh(BH_OP_info, stub.domid, &b), 0);
    IS(b.u.info.roles, 0);
    IS(simple_domctl(XEN_DOMCTL_destroydomain, guest.domid), 0);
    check(child_destroy(&stub), "gone");
}

static void hang(void)
{
    struct child c;
    if (!child_build(&c, child_watchdog))
        return;
    IS(bh_simple(BH_OP_snapshot, c.domid), 0);
    child_start(&c);
    IS(child_wait(&c, 20000), SHUTDOWN_watchdog);
    IS(bh_simple(BH_OP_restart, c.domid), 0);
    expect(&c, 2, SHUTDOWN_watchdog);
    IS(child_wait(&c, 20000), SHUTDOWN_watchdog);
    check(child_destroy(&c), "gone");
}

/* The next domain that has changed, or an error. */
static long changed(void)
{
    struct bh_op b = { 0 };
    long rc = bh(BH_OP_changed, DOMID_SELF, &b);
    return rc ? rc : b.domid;
}

/* Who has changed is told once, whoever else there is; a birth is no change, and a domain without CONTROL does not hear it. */
static void news(void)
{
    struct child c, other;
    struct bh_op b = { .version = BH_INTERFACE_VERSION, .domid = DOMID_SELF };
    while (changed() >= 0) /* what was before */
        ;
    if (!child_build(&c, child_count) || !child_build(&other, child_calls))
        return;
    IS(bh_simple(BH_OP_snapshot, c.domid), 0);
    child_start(&c);
    child_start(&other);
    IS(child_call(&other, BH_HYPERCALL, BH_OP_changed, &b, sizeof(b)), -XEN_EACCES);
    REFUSED(bh_simple(BH_OP_changed, c.domid));
    IS(changed(), -XEN_ENOENT);
    IS(bh_simple(BH_OP_crash, other.domid), 0);
    IS(bh_simple(BH_OP_crash, c.domid), 0);
    long first = changed(), second = changed();
    check(first != second && (first == c.domid || first == other.domid) && (second == c.domid || second == other.domid),
          "both deaths are told of: %ld and %ld", first, second);
    IS(changed(), -XEN_ENOENT);
    IS(bh_simple(BH_OP_restart, c.domid), 0);
    IS(changed(), c.domid);
    check(child_destroy(&other), "gone");
    IS(changed(), other.domid);
    IS(bh_simple(BH_OP_crash, c.domid), 0);
    check(child_destroy(&c), "gone");
    IS(changed(), c.domid); /* once for both */
    IS(changed(), -XEN_ENOENT);
}

void domain_main(const char *cmdline)
{
    struct child c;
    info_and_refusals();
    extended_config();
    rest();
    if (child_build(&c, child_count)) {
        roles(&c);
        restart(&c);
        many(&c);
        check(child_destroy(&c), "gone");
    }
    target();
    hang();
    news();
    stalls();
    test_done();
}
