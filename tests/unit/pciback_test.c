/* SPDX-License-Identifier: MIT */
/*
 * backends/pci: the filter against a fake configuration space that behaves as hardware does (BARs that size, bits that a
 * one clears), and the ring against a front that is well-behaved, hostile, or restarted.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/io/pciif.h>
#include <xen/io/xenbus.h>
#include "backends/pci/pciback.h"
#include "fake_host.h"
#include "suite.h"

/* --- a fake function: 64-bit BAR0 of 16 KiB, I/O BAR2 of 32 bytes, PM, MSI (64-bit, masking), MSI-X, PCIe --- */

struct hw {
    uint8_t c[256];
    unsigned writes;
};

static void put(struct hw *h, unsigned at, unsigned size, uint32_t v)
{
    for (unsigned i = 0; i < size; i++)
        h->c[at + i] = (uint8_t)(v >> 8 * i);
}

static uint32_t get(const struct hw *h, unsigned at, unsigned size)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < size; i++)
        v |= (uint32_t)h->c[at + i] << 8 * i;
    return v;
}

static uint32_t hw_read(void *arg, unsigned at, unsigned size)
{
    return at + size > 256 ? 0xffffffff : get(arg, at, size);
}

/* Every register of this function takes what is written, but for status (one clears) and read-only ids. */
static void hw_write(void *arg, unsigned at, unsigned size, uint32_t v)
{
    struct hw *h = arg;
    h->writes++;
    for (unsigned i = 0; i < size && at + i < 256; i++) {
        uint8_t byte = (uint8_t)(v >> 8 * i);
        if (at + i == 7)
            h->c[7] &= (uint8_t)~(byte & 0xf9);
        else if (at + i > 3 && at + i != 6)
            h->c[at + i] = byte;
    }
}

static void hw_fresh(struct hw *h)
{
    memset(h, 0, sizeof(*h));
    put(h, 0x00, 4, 0x00101b36);
    put(h, 0x04, 2, 0x0406);
    put(h, 0x06, 2, 0x4110 | 0x8000);
    put(h, 0x08, 4, 0x01080202);
    put(h, 0x10, 4, 0xfebf0004);
    put(h, 0x14, 4, 0x00000008);
    put(h, 0x18, 4, 0x0000c001);
    put(h, 0x30, 4, 0xfea00001);
    put(h, 0x34, 1, 0x40);
    put(h, 0x40, 4, 0x00035001); /* PM -> 50h */
    put(h, 0x44, 4, 0x00008103);
    put(h, 0x50, 4, 0x01806805); /* MSI, 64-bit, masks -> 68h */
    put(h, 0x68, 4, 0x00407011); /* MSI-X -> 70h */
    put(h, 0x70, 4, 0x00020010); /* PCIe, last */
    put(h, 0x78, 4, 0x00012810);
}

static struct hw hw;
static struct pci_view view;
static const uint64_t bars[6] = {16384, 0, 32, 0, 0, 0};

static void view_fresh(void)
{
    hw_fresh(&hw);
    view = (struct pci_view){.hw = &hw, .read = hw_read, .write = hw_write};
    pci_view_init(&view, bars);
}

static uint32_t rd(int at, int size)
{
    uint32_t v = 0xdeadbeef;
    CU_ASSERT_EQUAL(pci_view_read(&view, at, size, &v), XEN_PCI_ERR_success);
    return v;
}

static void wr(int at, int size, uint32_t v)
{
    CU_ASSERT_EQUAL(pci_view_write(&view, at, size, v), XEN_PCI_ERR_success);
}

static void test_bad_access(void)
{
    static const struct { int64_t at, size; } bad[] = {{-1, 1}, {0, 0}, {0, 3}, {0, 8}, {1, 2}, {2, 4}, {4096, 1}, {4094, 4},
                                                       {INT32_MAX, 4}, {INT32_MIN, 4}, {0, -4}, {0, INT32_MAX}};
    uint32_t v;
    view_fresh();
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(pci_view_read(&view, bad[i].at, bad[i].size, &v), XEN_PCI_ERR_invalid_offset);
        CU_ASSERT_EQUAL(pci_view_write(&view, bad[i].at, bad[i].size, 0), XEN_PCI_ERR_invalid_offset);
    }
    CU_ASSERT_EQUAL(hw.writes, 0);
    CU_ASSERT_EQUAL(rd(256, 4), 0xffffffff); /* extended space is out of reach, not an error */
    wr(256, 4, 1);
    CU_ASSERT_EQUAL(hw.writes, 0);
}

static void test_bars(void)
{
    view_fresh();
    CU_ASSERT_EQUAL(rd(0x10, 4), 0xfebf0004);
    wr(0x10, 4, 0xffffffff);
    wr(0x14, 4, 0xffffffff);
    CU_ASSERT_EQUAL(rd(0x10, 4), 0xffffc004);
    CU_ASSERT_EQUAL(rd(0x14, 4), 0xffffffff);
    CU_ASSERT_EQUAL(rd(0x12, 2), 0xffff);
    wr(0x10, 4, 0x10000000); /* a move is ignored */
    wr(0x14, 4, 0);
    CU_ASSERT_EQUAL(rd(0x10, 4), 0xfebf0004);
    CU_ASSERT_EQUAL(rd(0x14, 4), 8);
    wr(0x18, 4, 0xffffffff);
    CU_ASSERT_EQUAL(rd(0x18, 4), 0xffffffe1);
    wr(0x1c, 4, 0xffffffff);
    CU_ASSERT_EQUAL(rd(0x1c, 4), 0); /* not implemented */
    wr(0x30, 4, 0xffffffff);
    CU_ASSERT_EQUAL(rd(0x30, 4), 0); /* no expansion ROM */
    CU_ASSERT_EQUAL(hw.writes, 0);
}

static void test_header(void)
{
    view_fresh();
    wr(0x04, 2, 0xffff);
    CU_ASSERT_EQUAL(get(&hw, 4, 2), 0x0557);
    wr(0x04, 2, 0x0006);
    CU_ASSERT_EQUAL(get(&hw, 4, 2), 0x0006);
    CU_ASSERT_EQUAL(get(&hw, 6, 2), 0xc110); /* a command write clears no status bit */
    wr(0x04, 4, 0x80000006);
    CU_ASSERT_EQUAL(get(&hw, 6, 2), 0x4110); /* a one clears its bit, and only it */
    wr(0x00, 4, 0);
    wr(0x08, 4, 0);
    wr(0x0e, 2, 0xffff);
    wr(0x34, 1, 0);
    CU_ASSERT_EQUAL(get(&hw, 0, 4), 0x00101b36);
    CU_ASSERT_EQUAL(get(&hw, 8, 4), 0x01080202);
    CU_ASSERT_EQUAL(get(&hw, 0x0e, 2), 0);
    CU_ASSERT_EQUAL(get(&hw, 0x34, 1), 0x40);
    wr(0x3c, 1, 11);
    CU_ASSERT_EQUAL(rd(0x3c, 1), 11);
}

static void test_capabilities(void)
{
    view_fresh();
    wr(0x44, 2, 0x0103); /* stay in D0: PME only */
    put(&hw, 0x44, 2, 0x0008);
    wr(0x44, 2, 0x0103);
    CU_ASSERT_EQUAL(get(&hw, 0x44, 2), 0x0108);
    wr(0x52, 2, 0xffff);
    CU_ASSERT_EQUAL(get(&hw, 0x52, 2), 0x01f1);
    wr(0x54, 4, 0xfee00001);
    CU_ASSERT_EQUAL(get(&hw, 0x54, 4), 0xfee00000);
    wr(0x60, 4, 1);
    CU_ASSERT_EQUAL(get(&hw, 0x60, 4), 1); /* mask bits */
    wr(0x6a, 2, 0xffff);
    CU_ASSERT_EQUAL(get(&hw, 0x6a, 2), 0xc040); /* table size is read-only */
    wr(0x6c, 4, 0xffffffff);
    CU_ASSERT_EQUAL(get(&hw, 0x6c, 4), 0);
    wr(0x78, 2, 0xffff);
    CU_ASSERT_EQUAL(get(&hw, 0x78, 2) & 0x8000, 0); /* no function-level reset by the owner */
    wr(0x40, 4, 0);
    CU_ASSERT_EQUAL(get(&hw, 0x40, 4), 0x00035001);
}

static void test_capability_loop(void)
{
    hw_fresh(&hw);
    put(&hw, 0x71, 1, 0x40); /* PCIe points back to PM */
    pci_view_init(&view, bars);
    CU_ASSERT_EQUAL(view.writable[0x6b], 0xc0);
    memset(hw.c + 0x40, 0xff, 0xc0);
    pci_view_init(&view, bars);
    CU_ASSERT_EQUAL(view.writable[0x6b], 0);
}

/* Whatever the owner writes, ids, BARs, capability list and power state stay. */
static void test_random_writes(void)
{
    view_fresh();
    srand(2);
    for (unsigned i = 0; i < 200000; i++) {
        int size = 1 << rand() % 3;
        wr(rand() % 260 & ~(size - 1) & 255, size, (uint32_t)rand() << 16 ^ (uint32_t)rand());
        CU_ASSERT_EQUAL(get(&hw, 0x10, 4), 0xfebf0004);
    }
    CU_ASSERT_EQUAL(get(&hw, 0, 4), 0x00101b36);
    CU_ASSERT_EQUAL(get(&hw, 0x14, 4), 8);
    CU_ASSERT_EQUAL(get(&hw, 0x30, 4), 0xfea00001);
    CU_ASSERT_EQUAL(get(&hw, 0x44, 2) & 3, 3);
    CU_ASSERT_EQUAL(get(&hw, 0x40, 2), 0x5001);
}

/* --- the ring --- */

#define FRONT "/local/domain/5/device/pci/0"
#define BACK "/local/domain/7/backend/pci/5/0"
static struct pciback back;

static struct xen_pci_sharedinfo *front_comes(unsigned port)
{
    uint32_t page = fake_new_page(), ref = fake_grant(5, page, false);
    fake_set(FRONT "/pci-op-ref", "%u", ref);
    fake_set(FRONT "/event-channel", "%u", port);
    fake_set(FRONT "/state", "%d", XenbusStateInitialised);
    fake_settle();
    return fake_page(page);
}

static void start(void)
{
    fake_init();
    view_fresh();
    fake_set(FRONT "/state", "%d", XenbusStateInitialising);
    memset(&back, 0, sizeof(back));
    back.domid = 5;
    back.fn[0] = (struct pciback_fn){0, &view};
    back.nr_fns = 1;
    CU_ASSERT_EQUAL_FATAL(pciback_start(&back), 0);
    fake_settle();
}

static int ask(struct xen_pci_sharedinfo *s, unsigned port, uint32_t cmd, uint32_t devfn, int offset, int size, uint32_t value)
{
    s->op = (struct xen_pci_op){.cmd = cmd, .err = 99, .devfn = devfn, .offset = offset, .size = size, .value = value};
    s->flags |= XEN_PCIF_active;
    fake->to_back[port] = true;
    fake_settle();
    return s->op.err;
}

static void test_ring(void)
{
    start();
    struct xen_pci_sharedinfo *s = front_comes(3);
    CU_ASSERT_STRING_EQUAL(fake_get(BACK "/state"), "4");
    CU_ASSERT_EQUAL(ask(s, 3, XEN_PCI_OP_conf_read, 0, 0, 4, 0), XEN_PCI_ERR_success);
    CU_ASSERT_EQUAL(s->op.value, 0x00101b36);
    CU_ASSERT_EQUAL(s->flags & XEN_PCIF_active, 0);
    CU_ASSERT_TRUE(fake->to_front[3] >= 1);
    CU_ASSERT_EQUAL(ask(s, 3, XEN_PCI_OP_conf_write, 0, 4, 2, 7), XEN_PCI_ERR_success);
    CU_ASSERT_EQUAL(get(&hw, 4, 2), 7);
    CU_ASSERT_EQUAL(ask(s, 3, XEN_PCI_OP_conf_read, 8, 0, 4, 0), XEN_PCI_ERR_dev_not_found);
    CU_ASSERT_EQUAL(s->op.value, 0xffffffff);
    CU_ASSERT_EQUAL(ask(s, 3, XEN_PCI_OP_conf_read, 0, -4, 4, 0), XEN_PCI_ERR_invalid_offset);
    CU_ASSERT_EQUAL(ask(s, 3, XEN_PCI_OP_conf_read, 0, 4, 1 << 30, 0), XEN_PCI_ERR_invalid_offset);
    CU_ASSERT_EQUAL(ask(s, 3, XEN_PCI_OP_enable_msi, 0, 0, 0, 0), XEN_PCI_ERR_not_implemented);
    CU_ASSERT_EQUAL(ask(s, 3, 0xffffffff, 0, 0, 0, 0), XEN_PCI_ERR_not_implemented);
    unsigned writes = hw.writes;
    fake->to_back[3] = true; /* an event without a request */
    fake_settle();
    CU_ASSERT_EQUAL(hw.writes, writes);
    pciback_stop(&back);
    CU_ASSERT_EQUAL(fake_mapped(), 0);
}

/* The front's domain is restarted in place: the same port number, another page, no Closing in between. */
static void test_front_again(void)
{
    start();
    front_comes(3);
    fake_set(FRONT "/state", "%d", XenbusStateConnected);
    fake_settle();
    for (unsigned i = 0; i < 5; i++) {
        struct xen_pci_sharedinfo *s = front_comes(3 + i % 2);
        CU_ASSERT_EQUAL(fake_mapped(), 1);
        CU_ASSERT_STRING_EQUAL(fake_get(BACK "/state"), "4");
        CU_ASSERT_EQUAL(ask(s, 3 + i % 2, XEN_PCI_OP_conf_read, 0, 0, 2, 0), XEN_PCI_ERR_success);
        CU_ASSERT_EQUAL(s->op.value, 0x1b36);
    }
    fake_set(FRONT "/state", "%d", XenbusStateClosing);
    fake_settle();
    CU_ASSERT_EQUAL(fake_mapped(), 0);
    CU_ASSERT_STRING_EQUAL(fake_get(BACK "/state"), "6");
    fake_set(FRONT "/state", "%d", XenbusStateInitialising);
    fake_settle();
    CU_ASSERT_STRING_EQUAL(fake_get(BACK "/state"), "2");
    struct xen_pci_sharedinfo *s = front_comes(4);
    CU_ASSERT_EQUAL(ask(s, 4, XEN_PCI_OP_conf_read, 0, 2, 2, 0), XEN_PCI_ERR_success);
    CU_ASSERT_EQUAL(s->op.value, 0x0010);
    pciback_stop(&back);
}

/* A request that was made before the backend listened is answered at once. */
static void test_early_request(void)
{
    start();
    uint32_t page = fake_new_page(), ref = fake_grant(5, page, false);
    struct xen_pci_sharedinfo *s = fake_page(page);
    s->op = (struct xen_pci_op){.cmd = XEN_PCI_OP_conf_read, .err = 99, .size = 4};
    s->flags = XEN_PCIF_active;
    fake_set(FRONT "/pci-op-ref", "%u", ref);
    fake_set(FRONT "/event-channel", "3");
    fake_set(FRONT "/state", "%d", XenbusStateInitialised);
    fake_settle();
    CU_ASSERT_EQUAL(s->op.err, XEN_PCI_ERR_success);
    CU_ASSERT_EQUAL(s->op.value, 0x00101b36);
    CU_ASSERT_EQUAL(s->flags & XEN_PCIF_active, 0);
    pciback_stop(&back);
}

static void test_bad_nodes(void)
{
    static const char *const refs[] = {"", "x", "-1", "99999999999999", "7x", "12345"};
    for (unsigned i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
        start();
        fake_set(FRONT "/pci-op-ref", "%s", refs[i]);
        fake_set(FRONT "/event-channel", "3");
        fake_set(FRONT "/state", "%d", XenbusStateInitialised);
        fake_settle();
        CU_ASSERT_STRING_EQUAL(fake_get(BACK "/state"), "5");
        CU_ASSERT_EQUAL(fake_mapped(), 0);
        fake_set(FRONT "/state", "nonsense");
        fake_settle();
        pciback_stop(&back);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"offsets and sizes", test_bad_access},
        {"BARs size and never move", test_bars},
        {"header", test_header},
        {"capabilities", test_capabilities},
        {"capability list with a loop, or all ones", test_capability_loop},
        {"random writes", test_random_writes},
        {"requests", test_ring},
        {"front comes again", test_front_again},
        {"request before the connection", test_early_request},
        {"bad nodes", test_bad_nodes},
        CU_TEST_INFO_NULL,
    };
    return suite_run("pciif backend", NULL, tests);
}
