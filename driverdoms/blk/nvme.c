/* SPDX-License-Identifier: MIT */
/* NVMe controller: stop, start, identify, reset, timeouts. See nvme.h. Section numbers are of NVMe 1.4. */
#include "driverdoms/blk/nvme.h"
#include "driverdoms/blk/nvme_hw.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CNS_NAMESPACE = 0, CNS_CONTROLLER = 1, CNS_LIST = 2 };
#define FEATURE_QUEUES 7u

static int fail(struct nvme_ctrl *c, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct nvme_ctrl *c, int rc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->why, sizeof(c->why), fmt, ap);
    va_end(ap);
    return rc;
}

/* --- registers --- */

static void write64(struct nvme_ctrl *c, unsigned offset, uint64_t v)
{
    nvme_hw_write(c->hw, offset, (uint32_t)v);
    nvme_hw_write(c->hw, offset + 4, (uint32_t)(v >> 32));
}

/* Wait for CSTS.RDY, as long as CAP.TO (bits 24-31, 500 ms units) allows. */
static int wait_ready(struct nvme_ctrl *c, uint32_t want)
{
    uint64_t end = nvme_hw_now() + ((c->cap >> 24 & 0xff) + 1) * 500000000ull;
    for (;;) {
        uint32_t csts = nvme_hw_read(c->hw, NVME_CSTS);
        if (csts == UINT32_MAX)
            return fail(c, -ENODEV, "the registers read as all ones");
        if ((csts & NVME_CSTS_RDY) == want)
            return 0;
        if (want && (csts & NVME_CSTS_CFS))
            return fail(c, -EIO, "fatal status (CSTS.CFS) at start");
        if (nvme_hw_now() > end)
            return fail(c, -ETIMEDOUT, "CSTS.RDY does not become %u in the time of CAP.TO", want);
        nvme_hw_relax();
    }
}

static int disable(struct nvme_ctrl *c)
{
    uint32_t cc = nvme_hw_read(c->hw, NVME_CC);
    nvme_hw_write(c->hw, NVME_CC, cc & ~NVME_CC_EN);
    return wait_ready(c, 0);
}

static int enable(struct nvme_ctrl *c)
{
    nvme_queue_reset(&c->admin);
    nvme_hw_write(c->hw, NVME_AQA, (c->admin.depth - 1u) << 16 | (c->admin.depth - 1u));
    write64(c, NVME_ASQ, (uint64_t)(uintptr_t)c->admin.sq);
    write64(c, NVME_ACQ, (uint64_t)(uintptr_t)c->admin.cq);
    nvme_hw_write(c->hw, NVME_CC, 4u << 20 | 6u << 16 | NVME_CC_EN); /* entries of 16 and 64 bytes, 4 KiB pages */
    return wait_ready(c, NVME_CSTS_RDY);
}

/* --- admin commands --- */

static void admin_ended(struct nvme_queue *q, struct nvme_slot *s, uint16_t status)
{
    if (s->status)
        *s->status = status;
    if (s->done)
        *s->done = true;
    nvme_slot_put(q, s);
}

/* Send one and wait for it. 0, -ETIMEDOUT, or -EIO with the command's status in c->why. */
static int admin(struct nvme_ctrl *c, const struct nvme_sqe *sqe, const char *what)
{
    volatile bool done = false;
    uint16_t status = 0;
    uint64_t end = nvme_hw_now() + NVME_ADMIN_NS;
    struct nvme_slot *s = nvme_slot_get(&c->admin);
    if (!s)
        return fail(c, -EBUSY, "%s: no free admin command", what);
    s->sqe = *sqe;
    s->done = &done;
    s->status = &status;
    nvme_slot_send(&c->admin, s);
    nvme_queue_ring(&c->admin);
    for (;;) {
        int rc = nvme_queue_drain(&c->admin);
        if (done)
            break;
        if (rc || nvme_hw_now() > end) {
            s->done = NULL;
            s->status = NULL;
            return fail(c, rc ? rc : -ETIMEDOUT, "%s: %s", what, rc ? "a completion of no command" : "no completion");
        }
        nvme_hw_relax();
    }
    return status & 0x7ff ? fail(c, -EIO, "%s: status %03xh", what, status & 0x7ff) : 0;
}

static int identify(struct nvme_ctrl *c, uint32_t cns, uint32_t nsid, const char *what)
{
    struct nvme_sqe sqe = {.opcode = NVME_ADM_IDENTIFY, .nsid = nsid, .prp1 = (uint64_t)(uintptr_t)c->buffer, .cdw10 = cns};
    memset(c->buffer, 0, NVME_PAGE);
    return admin(c, &sqe, what);
}

static uint32_t get32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static unsigned get16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static int create_io_queue(struct nvme_ctrl *c)
{
    struct nvme_sqe number = {.opcode = NVME_ADM_SET_FEATURES, .cdw10 = FEATURE_QUEUES, .cdw11 = 0};
    struct nvme_sqe cq = {.opcode = NVME_ADM_CREATE_CQ, .prp1 = (uint64_t)(uintptr_t)c->io.cq,
                          .cdw10 = (c->io.depth - 1u) << 16 | c->io.id, .cdw11 = (uint32_t)c->io_vector << 16 | 3};
    struct nvme_sqe sq = {.opcode = NVME_ADM_CREATE_SQ, .prp1 = (uint64_t)(uintptr_t)c->io.sq,
                          .cdw10 = (c->io.depth - 1u) << 16 | c->io.id, .cdw11 = (uint32_t)c->io.id << 16 | 1};
    int rc = admin(c, &number, "set number of queues");
    nvme_queue_reset(&c->io);
    if (!rc)
        rc = admin(c, &cq, "create completion queue");
    return rc ? rc : admin(c, &sq, "create submission queue");
}

/* --- what the controller is and has --- */

static int identify_controller(struct nvme_ctrl *c)
{
    int rc = identify(c, CNS_CONTROLLER, 0, "identify controller");
    const uint8_t *d = c->buffer;
    if (rc)
        return rc;
    if ((d[512] & 0xf) > 6 || d[512] == 0 || (d[513] & 0xf) > 4)
        return fail(c, -EPROTO, "identify controller: entry sizes %02xh/%02xh (did the data arrive?)", d[512], d[513]);
    unsigned mdts = d[77]; /* log2 of pages of CAP.MPSMIN, which is 4 KiB; 0 = no limit */
    c->piece_max = mdts && mdts < 8 ? NVME_PAGE << mdts : NVME_PIECE_MAX;
    c->has_dsm = get16(d + 520) & 1u << 2;
    c->has_write_cache = d[525] & 1;
    nvme_hw_log("nvme%u: %.20s, serial %.16s, %u KiB a command%s%s", c->number, (const char *)d + 24,
                (const char *)d + 4, c->piece_max / 1024, c->has_write_cache ? ", write cache" : "",
                c->has_dsm ? ", discard" : "");
    return 0;
}

static bool power_of_two(uint32_t v)
{
    return v && !(v & (v - 1));
}

static void add_namespace(struct nvme_ctrl *c, uint32_t nsid)
{
    const uint8_t *d = c->buffer;
    if (identify(c, CNS_NAMESPACE, nsid, "identify namespace")) {
        nvme_hw_log("nvme%u: namespace %u left out: %s", c->number, nsid, c->why);
        return;
    }
    uint64_t blocks = get32(d) | (uint64_t)get32(d + 4) << 32;
    const uint8_t *format = d + 128 + 4 * (d[26] & 0xf);
    unsigned shift = format[2];
    if (!blocks)
        return; /* not active */
    if (shift < 9 || shift > 12 || get16(format) || blocks > UINT64_MAX >> (shift - 9)) {
        nvme_hw_log("nvme%u: namespace %u left out: %llu blocks of 2^%u + %u bytes", c->number, nsid,
                    (unsigned long long)blocks, shift, get16(format));
        return;
    }
    struct nvme_ns *ns = &c->ns[c->n_ns++];
    nvme_ns_init(ns, c, nsid, shift, blocks, d[99] & 1);
    snprintf(ns->disk.name, sizeof(ns->disk.name), "nvme%un%u", c->number, nsid);
    if (d[24] & 1u << 4) { /* preferred write and deallocate sizes are given */
        uint32_t write = (get16(d + 64) + 1) << shift, dealloc = (get16(d + 68) + 1) << shift;
        if (power_of_two(write) && write <= NVME_PIECE_MAX)
            ns->disk.physical = write;
        if (power_of_two(dealloc))
            ns->disk.discard_granularity = dealloc;
    }
}

static int find_namespaces(struct nvme_ctrl *c)
{
    uint32_t ids[NVME_NS_MAX], n = 0;
    if (nvme_hw_read(c->hw, NVME_VS) >= 0x10100) {
        int rc = identify(c, CNS_LIST, 0, "list of namespaces");
        if (rc)
            return rc;
        for (; n < NVME_NS_MAX && get32(c->buffer + 4 * n); n++)
            ids[n] = get32(c->buffer + 4 * n);
    } else {
        for (; n < NVME_NS_MAX; n++)
            ids[n] = n + 1;
    }
    for (uint32_t i = 0; i < n; i++)
        add_namespace(c, ids[i]);
    return c->n_ns ? 0 : fail(c, -ENODEV, "no usable namespace");
}

/* --- start --- */

int nvme_begin(struct nvme_ctrl *c, void *hw, unsigned number)
{
    c->hw = hw;
    c->number = number;
    c->timeout_ns = NVME_TIMEOUT_NS;
    c->cap = nvme_hw_read(hw, NVME_CAP) | (uint64_t)nvme_hw_read(hw, NVME_CAP + 4) << 32;
    if (c->cap == UINT64_MAX)
        return fail(c, -ENODEV, "the registers read as all ones");
    if (c->cap >> 48 & 0xf)
        return fail(c, -EOPNOTSUPP, "smallest page (CAP.MPSMIN) is over 4 KiB");
    if (!(c->cap >> 37 & 1))
        return fail(c, -EOPNOTSUPP, "no NVM command set (CAP.CSS)");
    if ((c->cap & 0xffff) == 0)
        return fail(c, -EPROTO, "queues of one entry (CAP.MQES)");
    c->stride = 4u << (c->cap >> 32 & 0xf);
    return disable(c);
}

static int make_queues(struct nvme_ctrl *c)
{
    uint32_t most = (uint32_t)(c->cap & 0xffff) + 1;
    uint16_t io = most < NVME_IO_DEPTH ? (uint16_t)most : NVME_IO_DEPTH;
    uint16_t adm = most < NVME_ADMIN_DEPTH ? (uint16_t)most : NVME_ADMIN_DEPTH;
    c->buffer = nvme_hw_pages(1);
    if (!c->buffer || nvme_queue_init(&c->admin, c, 0, adm, false) || nvme_queue_init(&c->io, c, 1, io, true))
        return fail(c, -ENOMEM, "out of memory for queues");
    c->admin.ended = admin_ended;
    c->io.ended = nvme_io_ended;
    return 0;
}

int nvme_finish(struct nvme_ctrl *c)
{
    int rc = make_queues(c);
    if (!rc && (rc = nvme_hw_dma_on(c->hw)))
        fail(c, rc, "DMA cannot be enabled (%d)", rc);
    if (!rc)
        rc = enable(c);
    if (!rc && (c->io_vector = nvme_hw_interrupts(c->hw, c)) < 0)
        rc = fail(c, c->io_vector, "no interrupts (%d)", c->io_vector);
    if (!rc)
        rc = identify_controller(c);
    if (!rc)
        rc = create_io_queue(c);
    if (!rc)
        rc = find_namespaces(c);
    if (rc)
        return rc;
    c->state = NVME_LIVE;
    for (unsigned i = 0; i < c->n_ns; i++)
        disk_register(&c->ns[i].disk);
    return 0;
}

/* --- trouble --- */

static void give_up(struct nvme_ctrl *c)
{
    c->state = NVME_GONE;
    nvme_hw_write(c->hw, NVME_CC, 0);
    nvme_hw_log("nvme%u: given up: %s", c->number, c->why);
    nvme_io_fail_all(c);
    for (unsigned i = 0; i < c->n_ns; i++)
        disk_gone(&c->ns[i].disk, c->why);
}

static void drop_admin(struct nvme_ctrl *c)
{
    for (unsigned i = 0; i + 1 < c->admin.depth; i++)
        if (c->admin.slot[i].busy)
            nvme_slot_put(&c->admin, &c->admin.slot[i]);
}

/* Send everything again that had not ended; commands that were late too often end here. */
static void send_again(struct nvme_ctrl *c)
{
    for (unsigned i = 0; i + 1 < c->io.depth; i++) {
        struct nvme_slot *s = &c->io.slot[i];
        if (!s->busy)
            continue;
        if (s->aborted && ++s->retries > NVME_RETRIES_MAX) {
            nvme_io_ended(&c->io, s, 0x4007); /* abort requested, do not retry */
            continue;
        }
        s->aborted = false;
        nvme_slot_send(&c->io, s);
    }
}

static void restart(struct nvme_ctrl *c, const char *why)
{
    c->state = NVME_DOWN;
    nvme_hw_log("nvme%u: reset: %s", c->number, why);
    snprintf(c->why, sizeof(c->why), "%s", why);
    while (c->resets++ < NVME_RESETS_MAX) {
        int rc = disable(c);
        drop_admin(c);
        if (!rc)
            rc = enable(c);
        if (!rc)
            rc = create_io_queue(c);
        if (!rc) {
            send_again(c); /* before the state lets new pieces in */
            c->state = NVME_LIVE;
            nvme_io_pump(c);
            nvme_queue_ring(&c->io);
            return;
        }
    }
    give_up(c);
}

/* A late command is aborted once; late again, the controller is reset. false: reset it now. */
static bool abort_late(struct nvme_ctrl *c, struct nvme_slot *s)
{
    struct nvme_slot *a = s->aborted ? NULL : nvme_slot_get(&c->admin);
    if (!a)
        return false;
    nvme_hw_log("nvme%u: command %02xh is late: abort", c->number, s->sqe.opcode);
    a->sqe.opcode = NVME_ADM_ABORT;
    a->sqe.cdw10 = (uint32_t)s->cid << 16 | c->io.id;
    nvme_slot_send(&c->admin, a);
    nvme_queue_ring(&c->admin);
    s->aborted = true;
    s->deadline = nvme_hw_now() + c->timeout_ns;
    return true;
}

void nvme_check(struct nvme_ctrl *c)
{
    c->timer_on = false;
    if (c->state != NVME_LIVE)
        return;
    nvme_interrupt(c); /* a lost interrupt must not cost more than this */
    if (c->state != NVME_LIVE)
        return;
    uint32_t csts = nvme_hw_read(c->hw, NVME_CSTS);
    uint64_t now = nvme_hw_now();
    bool late = false;
    for (unsigned i = 0; i + 1 < c->io.depth && !late; i++)
        if (c->io.slot[i].busy && now > c->io.slot[i].deadline)
            late = !abort_late(c, &c->io.slot[i]);
    if (csts == UINT32_MAX)
        restart(c, "the registers read as all ones");
    else if (csts & NVME_CSTS_CFS)
        restart(c, "fatal status (CSTS.CFS)");
    else if (late)
        restart(c, "commands do not end");
    if (c->state == NVME_LIVE && c->io.used && !c->timer_on) {
        c->timer_on = true;
        nvme_hw_timer(c->hw, nvme_hw_now() + NVME_CHECK_NS);
    }
}

/* --- running --- */

void nvme_bell(struct nvme_ctrl *c)
{
    c->bell_due = false;
    if (c->state == NVME_LIVE)
        nvme_queue_ring(&c->io);
}

void nvme_interrupt(struct nvme_ctrl *c)
{
    if (c->state != NVME_LIVE)
        return;
    int rc = nvme_queue_drain(&c->admin);
    rc |= nvme_queue_drain(&c->io);
    if (rc) {
        restart(c, "a completion of no command");
        return;
    }
    nvme_io_pump(c);
    nvme_queue_ring(&c->io);
    if (c->starved && c->io.free) {
        c->starved = false;
        for (unsigned i = 0; i < c->n_ns; i++)
            if (c->ns[i].disk.ready)
                c->ns[i].disk.ready(&c->ns[i].disk, c->ns[i].disk.ready_arg);
        nvme_queue_ring(&c->io);
    }
}
