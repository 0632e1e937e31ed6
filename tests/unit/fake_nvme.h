/* SPDX-License-Identifier: MIT */
/*
 * A controller for the NVMe driver's unit tests: implements driverdoms/blk/nvme_hw.h, reads queues and PRPs from memory
 * as a device would and aborts the test where they break the specification. Faults are fields to set.
 */
#ifndef FAKE_NVME_H
#define FAKE_NVME_H
#include "driverdoms/blk/nvme.h"

#define FAKE_NVME_BLOCKS 8192u
#define FAKE_NVME_QUEUES 2

struct fake_nvme {
    uint64_t cap;
    uint32_t vs, cc, csts, aqa;
    uint64_t asq, acq;
    struct { bool made; uint64_t sq, cq; unsigned depth, head, tail, cq_head, cq_tail, phase; } q[FAKE_NVME_QUEUES];
    struct nvme_sqe waiting[256];    /* fetched I/O commands, not ended */
    unsigned n_waiting;
    unsigned namespaces, shift;      /* LBA size 2^shift */
    unsigned mdts;
    uint8_t *data[4];
    struct nvme_ctrl *ctrl;
    bool dma_on, deferred, interrupt;
    uint64_t now, timer;
    /* counters */
    unsigned reads, writes, flushes, fuas, dsm, aborts, resets, doorbells, largest; /* largest: bytes of a command */
    uint64_t deallocated;
    /* faults */
    bool stuck_disable, stuck_enable, dead, fatal, silent_admin, wrong_cid, zero_identify, no_interrupt;
    unsigned hang;                   /* that many I/O commands are swallowed (until a reset) */
    bool hang_always, abort_works;
    unsigned fail;                   /* that many I/O commands end with fail_status */
    uint16_t fail_status;
};
extern struct fake_nvme fake_nvme;
void fake_nvme_init(unsigned namespaces, unsigned shift);
void fake_nvme_end(unsigned i);      /* complete the i-th waiting command */
void fake_nvme_run(void);            /* deferred work, all commands, interrupts, until quiet */
void fake_nvme_pass(uint64_t ns);    /* time, with the timer */
#endif
