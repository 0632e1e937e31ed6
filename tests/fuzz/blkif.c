/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for blkback's ring: the input is what a hostile front does, as a list of steps (requests of any bytes,
 * indices, events, states, nodes) between which the disk completes what it was given. Whatever happens, the disk is
 * never asked for what it does not have (fake_disk aborts), and once the front is gone nothing of it stays mapped.
 * With clang: make build/fuzz/blkif. Short runs are part of `make test` (tests/unit/blkif_fuzz_test.c).
 */
#include "backends/blk/blkback.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_front.h"
#include "tests/unit/fake_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake_disk disk;
static struct front *f;
static uint32_t ref[4];

static void start_once(void)
{
    static bool started;
    if (started)
        return;
    started = true;
    fake_init();
    fake_disk_init(&disk, "nvme0n1", fake_store_new(), 16);
    disk_register(&disk.disk);
    if (blkback_start())
        abort();
    fake_settle();
}

static uint8_t take(const uint8_t **p, const uint8_t *end)
{
    return *p < end ? *(*p)++ : 0;
}

static void node(const char *name, unsigned value)
{
    char path[120];
    snprintf(path, sizeof(path), "%s/%s", f->path, name);
    fake_set(path, "%u", value);
}

/* A request of random bytes, or a likely one with one random byte. */
static void request(const uint8_t **p, const uint8_t *end, struct front_queue *q)
{
    struct blkif_request r;
    uint8_t kind = take(p, end);
    memset(&r, 0, sizeof(r));
    r.operation = kind & 7;
    r.nr_segments = take(p, end) % 13;
    r.sector_number = take(p, end) * (kind & 0x40 ? 64u : 8u);
    for (unsigned i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
        r.seg[i] = (struct blkif_request_segment){.gref = ref[i % 4], .last_sect = 7};
    if (r.operation == BLKIF_OP_INDIRECT) {
        struct blkif_request_indirect *ind = (void *)&r;
        ind->indirect_op = kind >> 3 & 1;
        ind->nr_segments = take(p, end) * (kind & 0x20 ? 2u : 1u);
        ind->sector_number = take(p, end);
        for (unsigned i = 0; i < BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST; i++)
            ind->indirect_grefs[i] = ref[i % 4];
    }
    if (kind & 0x80)
        ((uint8_t *)&r)[take(p, end) % sizeof(r)] = take(p, end);
    volatile struct blkif_sring *s = front_header(q);
    memcpy((void *)&s->ring[s->req_prod & (q->slots - 1)].req, &r, sizeof(r));
    s->req_prod++;
    fake->to_back[q->port] = fake->bound[q->port];
}

static void step(const uint8_t **p, const uint8_t *end)
{
    static const char *const names[] = {"ring-ref", "event-channel", "multi-queue-num-queues", "ring-page-order",
                                        "feature-persistent", "state"};
    struct front_queue *q = &f->q[take(p, end) % f->queues];
    volatile struct blkif_sring *s = front_header(q);
    uint8_t what = take(p, end);
    switch (what % 16) {
    case 0: s->req_prod += take(p, end); break;
    case 1: s->rsp_prod = take(p, end); break;
    case 2: s->rsp_event = take(p, end); break;
    case 3: front_state(f, take(p, end) % 8); break;
    case 4: node(names[what >> 4 & 7 ? (what >> 4) % 6 : 0], take(p, end)); break;
    case 5: ((volatile uint8_t *)fake_page(fake->grant[ref[0]].page))[take(p, end) * 8u + what / 64u] = take(p, end); break;
    case 6: fake->fail_maps = what >> 6; break;
    case 7: disk.fail = what & 0x80 ? -5 : 0; break;
    case 8: fake_settle(); break;
    case 9: fake_run(); break;
    case 10: front_collect(f, 0); break;
    default: request(p, end, q); break;
    }
    fake->to_back[q->port] = fake->bound[q->port];
    if (what & 0x20)
        fake_settle();
    if (what & 0x10 && disk.n)
        fake_disk_complete(&disk, what % disk.n);
}

static void drain(void)
{
    fake_settle();
    while (disk.n) {
        fake_disk_complete(&disk, disk.n - 1);
        fake_settle();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *p = data, *end = data + size;
    start_once();
    fake->pages = 0;
    memset(fake->grant, 0, sizeof(fake->grant));
    fake->fail_maps = disk.fail = 0;
    f = front_new(3, "nvme0n1");
    fake_settle();
    uint8_t how = take(&p, end);
    front_publish(f, 1u << (how & 1), how >> 1 & 1, how & 4);
    for (unsigned i = 0; i < 4; i++) {
        ref[i] = fake_grant(3, fake_new_page(), i == 3 && how & 8);
        for (unsigned j = 0; j < 512; j++) /* each page may serve as a list of segments */
            ((struct blkif_request_segment *)fake_page(fake->grant[ref[i]].page))[j] =
                (struct blkif_request_segment){.gref = ref[j % 4], .last_sect = 7};
    }
    if (how & 16)
        fake_settle();
    for (unsigned n = 0; p < end && n < 400; n++)
        step(&p, end);
    fake->fail_maps = 0;
    drain();
    fake_remove(f->path);
    drain();
    if (fake_mapped() != 0)
        abort();
    fake_remove(f->back);
    drain();
    munmap(f, sizeof(*f));
    return 0;
}
