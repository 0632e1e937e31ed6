/* SPDX-License-Identifier: MIT */
/* What a backend can try with its front: see baddriver.h. */
#include "tests/domains/baddriver/baddriver.h"

#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>

#define WAIT_NS 100000000000ull
#define REFS 2048u
#define DEVICE 51728 /* xvdb */

static char back[64], *front;
static uint16_t guest;

static void write_number(const char *node, uint64_t value)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", back, node);
    rt_xs_printf(0, path, "%lu", value);
}

static uint64_t front_number(const char *node)
{
    char path[128];
    uint64_t value = 0;
    snprintf(path, sizeof(path), "%s/%s", front, node);
    return rt_xs_read_u64(path, &value) ? 0 : value;
}

static void nap(void)
{
    rt_look_again(0);
    rt_sleep_until(rt_now() + 20000000);
}

/* The only front there is. */
static bool find_front(void)
{
    unsigned n = 0;
    char path[96], **names = rt_xs_directory(0, "backend/vbd", &n, NULL);
    if (names && n)
        guest = (uint16_t)strtoul(names[0], NULL, 10);
    rt_free(names);
    snprintf(back, sizeof(back), "backend/vbd/%u/%u", guest, DEVICE);
    snprintf(path, sizeof(path), "%s/frontend", back);
    front = guest ? rt_xs_read(0, path, NULL, NULL) : NULL;
    return front;
}

static bool connect(void)
{
    uint64_t end = rt_now() + WAIT_NS;
    while (!find_front() && rt_now() < end)
        nap();
    if (!front)
        return false;
    write_number("sectors", 65536);
    write_number("sector-size", 512);
    write_number("info", 0);
    write_number("state", XenbusStateInitWait);
    while (front_number("state") != XenbusStateInitialised && rt_now() < end)
        nap();
    return front_number("state") == XenbusStateInitialised;
}

/* Whatever the guest has granted to others, or to nobody, is not for us. */
static void scan_grants(uint32_t ring_ref)
{
    unsigned mapped = 0;
    for (uint32_t ref = 0; ref < REFS; ref++) {
        void *addr;
        uint32_t handle;
        if (rt_gnt_map(guest, &ref, 1, ref & 1, &addr, &handle, NULL))
            continue;
        rt_gnt_unmap(addr, &handle, 1);
        mapped++;
        verdict(ref == ring_ref, "grant %u of the guest can be mapped", ref);
    }
    verdict(mapped == 1, "%u grants could be mapped", mapped);
    for (uint32_t ref = 0; ref < 64; ref++) {
        void *addr;
        uint32_t handle;
        verdict(rt_gnt_map(0, &ref, 1, false, &addr, &handle, NULL) != 0, "grant %u of the control domain can be mapped", ref);
    }
    for (uint32_t ref = 0; ref < 512; ref++) {
        struct gnttab_copy copy = {.source = {.u.ref = ref, .domid = guest}, .dest = {.u.gmfn = (uintptr_t)back / RT_PAGE, .domid = DOMID_SELF},
                                   .len = 16, .flags = GNTCOPY_source_gref};
        if (ref != ring_ref)
            verdict(rt_gnt_copy(&copy, 1) != 0, "grant %u of the guest can be copied", ref);
    }
}

static void lie(volatile struct blkif_sring *ring, uint32_t port)
{
    for (unsigned i = 0; i < 50000; i++)
        rt_event_send(port);
    for (unsigned round = 0; round < 200; round++) {
        uint32_t prod = ring->rsp_prod;
        for (unsigned i = 0; i < 32; i++) {
            ring->ring[i].rsp.id = round * 7919u + i;
            ring->ring[i].rsp.operation = (uint8_t)round;
            ring->ring[i].rsp.status = (int16_t)i;
        }
        ring->rsp_prod = round % 3 == 0 ? prod + 1 + round : round % 3 == 1 ? prod - 5 : round * 0x1000193u;
        rt_event_send(port);
        if (round % 20 == 0)
            nap();
    }
    ring->req_prod += 100; /* the front's own word */
    rt_event_send(port);
}

void back_attack(void)
{
    void *ring;
    uint32_t handle, ref;
    rt_log("baddriver: waiting for the guest");
    if (!connect()) {
        verdict(false, "no front came");
        return;
    }
    ref = (uint32_t)front_number("ring-ref");
    rt_log("baddriver: grants of domain %u", guest);
    scan_grants(ref);
    int port = rt_event_bind(guest, (uint32_t)front_number("event-channel"), NULL, NULL);
    if (port < 0 || rt_gnt_map(guest, &ref, 1, false, &ring, &handle, NULL)) {
        verdict(false, "the ring cannot be mapped");
        return;
    }
    write_number("state", XenbusStateConnected);
    for (unsigned i = 0; i < 100; i++)
        nap(); /* it asks for the partition table */
    rt_log("baddriver: answers that nobody asked for");
    lie(ring, (uint32_t)port);
    for (unsigned state = 0; state < 10; state++)
        write_number("state", state);
}
