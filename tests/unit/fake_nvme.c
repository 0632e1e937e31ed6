/* SPDX-License-Identifier: MIT */
/* A controller for unit tests: see fake_nvme.h. */
#include "fake_nvme.h"
#include "driverdoms/blk/nvme_hw.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_nvme fake_nvme;
static struct fake_nvme *const F = &fake_nvme;

#define NEED(c)                                                      \
    do {                                                             \
        if (!(c)) {                                                  \
            fprintf(stderr, "\ncontroller: %s (line %d)\n", #c, __LINE__); \
            abort();                                                 \
        }                                                            \
    } while (0)

void fake_nvme_init(unsigned namespaces, unsigned shift)
{
    for (unsigned i = 0; i < 4; i++)
        free(F->data[i]);
    memset(F, 0, sizeof(*F));
    F->cap = 1023 | 2ull << 24 | 1ull << 37;
    F->vs = 0x10400;
    F->namespaces = namespaces;
    F->shift = shift;
    F->mdts = 5;
    F->now = 1000;
    for (unsigned i = 0; i < namespaces; i++)
        F->data[i] = calloc(FAKE_NVME_BLOCKS, 1u << shift);
}

/* --- queues --- */

static void post(unsigned qid, uint16_t cid, uint16_t status)
{
    struct nvme_cqe e = {.sq_id = (uint16_t)qid, .sq_head = (uint16_t)F->q[qid].head, .cid = cid};
    NEED((F->q[qid].cq_tail + 1) % F->q[qid].depth != F->q[qid].cq_head);
    e.status = (uint16_t)(status << 1 | F->q[qid].phase);
    if (F->wrong_cid && qid) {
        e.cid = 0xfff0;
        F->wrong_cid = false;
    }
    ((struct nvme_cqe *)F->q[qid].cq)[F->q[qid].cq_tail] = e;
    if (++F->q[qid].cq_tail == F->q[qid].depth) {
        F->q[qid].cq_tail = 0;
        F->q[qid].phase ^= 1;
    }
    F->interrupt = !F->no_interrupt;
}

static void identify(const struct nvme_sqe *e)
{
    uint8_t *d = (uint8_t *)e->prp1;
    uint64_t blocks = FAKE_NVME_BLOCKS;
    uint32_t nsid = 1;
    NEED((e->prp1 & 4095) == 0);
    if (F->zero_identify)
        return;
    if (e->cdw10 == 1) {
        memcpy(d + 4, "serial", 6);
        memcpy(d + 24, "fake", 4);
        d[77] = (uint8_t)F->mdts;
        d[512] = 0x66;
        d[513] = 0x44;
        d[520] = 4;
        d[525] = 1;
    } else if (e->cdw10 == 2) {
        for (; nsid <= F->namespaces; nsid++)
            memcpy(d + 4 * (nsid - 1), &nsid, 4);
    } else if (e->nsid >= 1 && e->nsid <= F->namespaces) {
        memcpy(d, &blocks, 8);
        d[26] = 1;
        d[128 + 4 + 2] = (uint8_t)F->shift;
    }
}

static uint16_t admin_command(const struct nvme_sqe *e)
{
    unsigned id = e->cdw10 & 0xffff, depth = (e->cdw10 >> 16) + 1;
    switch (e->opcode) {
    case NVME_ADM_IDENTIFY:
        identify(e);
        return 0;
    case NVME_ADM_SET_FEATURES:
        return 0;
    case NVME_ADM_CREATE_CQ:
        NEED(id == 1 && depth <= (F->cap & 0xffff) + 1 && (e->cdw11 & 3) == 3);
        F->q[1].cq = e->prp1;
        F->q[1].depth = depth;
        F->q[1].cq_head = F->q[1].cq_tail = 0;
        F->q[1].phase = 1;
        return 0;
    case NVME_ADM_CREATE_SQ:
        NEED(id == 1 && depth == F->q[1].depth && e->cdw11 == (1u << 16 | 1));
        F->q[1].sq = e->prp1;
        F->q[1].head = F->q[1].tail = 0;
        F->q[1].made = true;
        return 0;
    case NVME_ADM_ABORT:
        F->aborts++;
        if (F->abort_works)
            post(1, (uint16_t)(e->cdw10 >> 16), 0x07);
        return 0;
    default:
        return 1;
    }
}

static void fetch(unsigned qid)
{
    while (F->q[qid].head != F->q[qid].tail) {
        struct nvme_sqe e = ((struct nvme_sqe *)F->q[qid].sq)[F->q[qid].head];
        F->q[qid].head = (F->q[qid].head + 1) % F->q[qid].depth;
        if (qid == 0) {
            if (!F->silent_admin)
                post(0, e.cid, admin_command(&e));
        } else if (F->hang_always || F->hang) {
            F->hang -= F->hang != 0;
        } else {
            NEED(F->n_waiting < 256);
            F->waiting[F->n_waiting++] = e;
        }
    }
}

/* --- I/O --- */

/* Address of page i of a command's data, as section 4.3 says. */
static uint8_t *prp(const struct nvme_sqe *e, unsigned i, unsigned pages)
{
    if (i == 0)
        return (uint8_t *)e->prp1;
    if (pages == 2) {
        NEED((e->prp2 & 4095) == 0);
        return (uint8_t *)e->prp2;
    }
    NEED((e->prp2 & 7) == 0 && (e->prp2 & 4095) / 8 + pages - 1 <= 512);
    uint64_t entry = ((uint64_t *)e->prp2)[i - 1];
    NEED((entry & 4095) == 0);
    return (uint8_t *)entry;
}

static void move(const struct nvme_sqe *e)
{
    uint64_t lba = e->cdw10 | (uint64_t)e->cdw11 << 32;
    unsigned bytes = ((e->cdw12 & 0xffff) + 1) << F->shift, offset = e->prp1 & 4095;
    unsigned pages = (offset + bytes + 4095) / 4096, at = 0;
    uint8_t *disk = F->data[e->nsid - 1] + (lba << F->shift);
    NEED(e->nsid >= 1 && e->nsid <= F->namespaces && lba + (bytes >> F->shift) <= FAKE_NVME_BLOCKS);
    NEED(!F->mdts || bytes <= 4096u << F->mdts);
    NEED(pages > 1 || e->prp2 == 0);
    for (unsigned i = 0; i < pages; i++) {
        uint8_t *p = prp(e, i, pages);
        unsigned n = 4096 - (i ? 0 : offset);
        if (n > bytes - at)
            n = bytes - at;
        if (e->opcode == NVME_CMD_READ)
            memcpy(p, disk + at, n);
        else
            memcpy(disk + at, p, n);
        at += n;
    }
    if (bytes > F->largest)
        F->largest = bytes;
}

static void deallocate(const struct nvme_sqe *e)
{
    const uint32_t *range = (const uint32_t *)e->prp1;
    NEED(e->cdw10 == 0 && e->cdw11 == 4 && range[0] == 0);
    uint64_t first = range[2] | (uint64_t)range[3] << 32;
    NEED(first + range[1] <= FAKE_NVME_BLOCKS);
    memset(F->data[e->nsid - 1] + (first << F->shift), 0, (size_t)range[1] << F->shift);
    F->deallocated += range[1];
    F->dsm++;
}

void fake_nvme_end(unsigned i)
{
    struct nvme_sqe e = F->waiting[i];
    uint16_t status = 0;
    memmove(&F->waiting[i], &F->waiting[i + 1], (F->n_waiting - i - 1) * sizeof(e));
    F->n_waiting--;
    if (F->fail) {
        F->fail--;
        status = F->fail_status;
    } else if (e.opcode == NVME_CMD_READ || e.opcode == NVME_CMD_WRITE) {
        move(&e);
        F->reads += e.opcode == NVME_CMD_READ;
        F->writes += e.opcode == NVME_CMD_WRITE;
        F->fuas += e.cdw12 >> 30 & 1;
    } else if (e.opcode == NVME_CMD_DSM) {
        deallocate(&e);
    } else {
        NEED(e.opcode == NVME_CMD_FLUSH);
        F->flushes++;
    }
    post(1, e.cid, status);
}

void fake_nvme_run(void)
{
    for (bool busy = true; busy;) {
        busy = F->deferred || F->interrupt || F->n_waiting;
        if (F->deferred) {
            F->deferred = false;
            nvme_bell(F->ctrl);
        }
        if (F->n_waiting)
            fake_nvme_end(F->n_waiting - 1); /* newest first: order is nobody's promise */
        if (F->interrupt) {
            F->interrupt = false;
            nvme_interrupt(F->ctrl);
        }
    }
}

void fake_nvme_pass(uint64_t ns)
{
    uint64_t end = F->now + ns;
    while (F->timer && F->timer <= end) {
        if (F->now < F->timer)
            F->now = F->timer;
        F->timer = 0;
        nvme_check(F->ctrl);
        fake_nvme_run();
    }
    if (F->now < end)
        F->now = end;
}

/* --- registers --- */

static void set_cc(uint32_t v)
{
    bool was = F->cc & NVME_CC_EN, on = v & NVME_CC_EN;
    F->cc = v;
    if (was && !on) {
        F->resets++;
        memset(F->q, 0, sizeof(F->q));
        F->n_waiting = 0;
        F->fatal = false;
        F->interrupt = false;
        if (!F->stuck_disable)
            F->csts = 0;
    } else if (!was && on) {
        NEED(F->dma_on && (F->asq & 4095) == 0 && (F->acq & 4095) == 0 && F->asq && F->acq);
        NEED((v >> 16 & 0xf) == 6 && (v >> 20 & 0xf) == 4);
        F->q[0].made = true;
        F->q[0].sq = F->asq;
        F->q[0].cq = F->acq;
        F->q[0].depth = (F->aqa & 0xfff) + 1;
        F->q[0].phase = 1;
        if (!F->stuck_enable)
            F->csts = NVME_CSTS_RDY;
    }
}

uint32_t nvme_hw_read(void *hw, unsigned offset)
{
    if (F->dead)
        return UINT32_MAX;
    switch (offset) {
    case NVME_CAP: return (uint32_t)F->cap;
    case NVME_CAP + 4: return (uint32_t)(F->cap >> 32);
    case NVME_VS: return F->vs;
    case NVME_CC: return F->cc;
    case NVME_CSTS: return F->csts | (F->fatal ? NVME_CSTS_CFS : 0);
    default: NEED(!"a register that the driver should not read");
    }
    return 0;
}

static void bell(unsigned n, uint32_t value)
{
    unsigned qid = n / 2;
    NEED(qid < FAKE_NVME_QUEUES && F->q[qid].made && value < F->q[qid].depth);
    F->doorbells++;
    if (n & 1) {
        F->q[qid].cq_head = value;
    } else {
        F->q[qid].tail = value;
        fetch(qid);
    }
}

void nvme_hw_write(void *hw, unsigned offset, uint32_t value)
{
    if (F->dead)
        return;
    switch (offset) {
    case NVME_CC: set_cc(value); return;
    case NVME_AQA: F->aqa = value; return;
    case NVME_ASQ: F->asq = (F->asq & ~0xffffffffull) | value; return;
    case NVME_ASQ + 4: F->asq = (F->asq & 0xffffffffull) | (uint64_t)value << 32; return;
    case NVME_ACQ: F->acq = (F->acq & ~0xffffffffull) | value; return;
    case NVME_ACQ + 4: F->acq = (F->acq & 0xffffffffull) | (uint64_t)value << 32; return;
    default: break;
    }
    NEED(offset >= NVME_DOORBELL && offset % 4 == 0);
    bell((offset - NVME_DOORBELL) / (4u << (F->cap >> 32 & 0xf)), value);
}

/* --- the rest of the seam --- */

int nvme_hw_dma_on(void *hw)
{
    NEED(!(F->csts & NVME_CSTS_RDY)); /* what a predecessor started must be off first */
    F->dma_on = true;
    return 0;
}

int nvme_hw_interrupts(void *hw, struct nvme_ctrl *c)
{
    F->ctrl = c;
    return 1;
}

void *nvme_hw_pages(unsigned pages)
{
    void *p = aligned_alloc(4096, pages * 4096u);
    return memset(p, 0, pages * 4096u);
}

void *nvme_hw_alloc(uint32_t bytes)
{
    return calloc(1, bytes);
}

uint64_t nvme_hw_now(void)
{
    return F->now;
}

void nvme_hw_relax(void)
{
    F->now += 1000000;
}

void nvme_hw_defer(void *hw)
{
    F->deferred = true;
}

void nvme_hw_timer(void *hw, uint64_t when)
{
    F->timer = when;
}

void nvme_hw_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (getenv("FAKE_LOG")) {
        vfprintf(stderr, fmt, ap);
        fputc('\n', stderr);
    }
    va_end(ap);
}

/* A driver for a controller is for life: nothing of it is ever given back. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
