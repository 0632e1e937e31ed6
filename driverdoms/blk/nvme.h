/* SPDX-License-Identifier: MIT */
/*
 * NVMe driver (NVM Express base specification 1.4) for small domains.
 *
 * Interface: nvme_begin() stops whatever the controller does (DMA is still blocked), nvme_finish() brings it up; each
 * namespace is then a struct disk "nvme<ctrl>n<ns>". Files: nvme.c (controller: start, reset, timeouts, admin
 * commands), nvme_queue.c (queue pairs), nvme_io.c (disk requests to commands). Registers, memory, time and interrupts
 * come from nvme_hw.h, on a real function (nvme_pci.c) or in a test.
 * Rules: a disk request is cut into pieces that PRPs and MDTS allow, each one command; what the controller writes
 * (completions, identify data) is hostile and checked; a command that does not end is aborted, then the controller is
 * reset and its commands are sent again, and after NVME_RESETS_MAX resets without a success in between the device is gone.
 */
#ifndef DRIVERDOMS_NVME_H
#define DRIVERDOMS_NVME_H
#include "backends/blk/disk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NVME_PAGE 4096u
#define NVME_IO_DEPTH 128      /* entries of the I/O queue, if the controller has so many */
#define NVME_ADMIN_DEPTH 16
#define NVME_NS_MAX 16         /* namespaces served of one controller */
#define NVME_PIECE_MAX (1u << 20) /* bytes of one command; its PRP list fits one page */
#define NVME_RESETS_MAX 3
#define NVME_RETRIES_MAX 3     /* of one command that the controller ends with a passing error */
#define NVME_TIMEOUT_NS 5000000000ull /* of a command; it is aborted then, and the controller reset as long again after that */
#define NVME_CHECK_NS 250000000ull    /* while commands are out */
#define NVME_ADMIN_NS 2000000000ull   /* for an admin command at start */

/* Registers (section 3.1). */
enum { NVME_CAP = 0x00, NVME_VS = 0x08, NVME_CC = 0x14, NVME_CSTS = 0x1c, NVME_AQA = 0x24,
       NVME_ASQ = 0x28, NVME_ACQ = 0x30, NVME_DOORBELL = 0x1000 };
#define NVME_CC_EN 1u
#define NVME_CSTS_RDY 1u
#define NVME_CSTS_CFS 2u

/* Opcodes (sections 5 and 6). */
enum { NVME_ADM_DELETE_SQ = 0x00, NVME_ADM_CREATE_SQ = 0x01, NVME_ADM_CREATE_CQ = 0x05, NVME_ADM_IDENTIFY = 0x06,
       NVME_ADM_ABORT = 0x08, NVME_ADM_SET_FEATURES = 0x09 };
enum { NVME_CMD_FLUSH = 0x00, NVME_CMD_WRITE = 0x01, NVME_CMD_READ = 0x02, NVME_CMD_DSM = 0x09 };
#define NVME_FUA (1u << 30) /* in command dword 12 */

struct nvme_sqe {
    uint8_t opcode, flags;
    uint16_t cid;
    uint32_t nsid, cdw2, cdw3;
    uint64_t mptr, prp1, prp2;
    uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
struct nvme_cqe {
    uint32_t dw0, dw1;
    uint16_t sq_head, sq_id, cid, status; /* status: bit 0 phase, 1-8 code, 9-11 type, 15 do not retry */
};
_Static_assert(sizeof(struct nvme_sqe) == 64 && sizeof(struct nvme_cqe) == 16, "NVMe 1.4, figures 104 and 121");

struct nvme_ctrl;
struct nvme_ns;

/* A command in a queue, or a free one. */
struct nvme_slot {
    bool busy, aborted;
    uint8_t retries;
    uint16_t cid;
    struct nvme_sqe sqe;          /* kept to be sent again after a reset */
    uint64_t deadline;
    struct disk_req *req;         /* I/O */
    struct nvme_ns *ns;
    uint64_t *list;               /* its page for a PRP list or discard ranges */
    volatile bool *done;          /* admin: set when it ends ... */
    uint16_t *status;             /* ... with this status; may be NULL */
    struct nvme_slot *next_free;
};

struct nvme_queue {
    struct nvme_ctrl *c;
    uint16_t id, depth;
    struct nvme_sqe *sq;
    volatile struct nvme_cqe *cq;
    uint16_t sq_tail, sq_rung, cq_head; /* sq_rung: tail as the doorbell last said */
    uint8_t phase;
    uint16_t used;                /* busy slots; at most depth - 1 */
    struct nvme_slot *slot, *free;
    void (*ended)(struct nvme_queue *q, struct nvme_slot *s, uint16_t status); /* the slot is still busy */
};

struct nvme_ns {
    struct disk disk;             /* first: a disk is its namespace */
    struct nvme_ctrl *c;
    uint32_t nsid;
    unsigned shift;               /* log2 of the LBA size */
    struct disk_req *head, *tail; /* taken, not all pieces sent */
};

enum nvme_state { NVME_DOWN, NVME_LIVE, NVME_GONE };
struct nvme_ctrl {
    void *hw;
    unsigned number;
    enum nvme_state state;
    uint64_t cap;
    unsigned stride;              /* bytes between doorbells */
    uint32_t piece_max;           /* bytes, by MDTS */
    bool has_dsm, has_write_cache;
    struct nvme_queue admin, io;
    unsigned n_ns, next_ns;       /* next_ns: whose turn it is to send pieces */
    struct nvme_ns ns[NVME_NS_MAX];
    bool bell_due;                /* nvme_hw_defer() was asked for */
    bool timer_on;                /* nvme_check() will come */
    int io_vector;
    bool starved;                 /* a submit was refused: tell ready() */
    unsigned resets;              /* since the last success */
    uint64_t timeout_ns;
    uint8_t *buffer;              /* one page for identify data */
    char why[96];                 /* when gone */
};

/* Stop the controller and forget its queues: CC.EN = 0, wait for CSTS.RDY = 0 (bounded by CAP.TO). 0 or -errno, c->why. */
int nvme_begin(struct nvme_ctrl *c, void *hw, unsigned number);
/* After nvme_begin(): let DMA through, bring it up and register the namespaces. 0 or -errno with the reason in c->why. */
int nvme_finish(struct nvme_ctrl *c);
void nvme_interrupt(struct nvme_ctrl *c);  /* drain both completion queues */
void nvme_bell(struct nvme_ctrl *c);       /* what nvme_hw_defer() asked for: tell the controller of new commands */
void nvme_check(struct nvme_ctrl *c);      /* on the timer: late commands, fatal status */

/* --- between the files --- */
int nvme_queue_init(struct nvme_queue *q, struct nvme_ctrl *c, uint16_t id, uint16_t depth, bool lists);
void nvme_queue_reset(struct nvme_queue *q); /* as new; busy slots stay */
struct nvme_slot *nvme_slot_get(struct nvme_queue *q); /* NULL = none free */
void nvme_slot_put(struct nvme_queue *q, struct nvme_slot *s);
void nvme_slot_send(struct nvme_queue *q, struct nvme_slot *s); /* its sqe, command id filled in; rung later */
void nvme_queue_ring(struct nvme_queue *q);
/* Take what has completed; -EPROTO when a completion names no command of ours. */
int nvme_queue_drain(struct nvme_queue *q);
void nvme_io_ended(struct nvme_queue *q, struct nvme_slot *s, uint16_t status);
void nvme_io_pump(struct nvme_ctrl *c);    /* send pieces while there are slots */
void nvme_io_fail_all(struct nvme_ctrl *c); /* every request ends with -ENXIO */
void nvme_ns_init(struct nvme_ns *ns, struct nvme_ctrl *c, uint32_t nsid, unsigned shift, uint64_t blocks, bool readonly);
#endif
