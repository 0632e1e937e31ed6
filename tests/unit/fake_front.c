/* SPDX-License-Identifier: MIT */
/* A block front for unit tests: see fake_front.h. */
#define _GNU_SOURCE
#include "fake_front.h"
#include "fake_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/io/protocols.h>

volatile struct blkif_sring *front_header(const struct front_queue *q)
{
    return fake_page(q->page[0]);
}

/* A ring of several pages is contiguous for those who map it so; here the pages were handed out in a row. */
static volatile union blkif_sring_entry *slot(const struct front_queue *q, uint32_t index)
{
    return &front_header(q)->ring[index & (q->slots - 1)];
}

struct front *front_new(uint16_t dom, const char *target)
{
    struct front *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char p[120];
    if (f == MAP_FAILED)
        abort();
    f->dom = dom;
    f->devid = 51712;
    f->next_id = 1000;
    snprintf(f->path, sizeof(f->path), "/local/domain/%u/device/vbd/%u", dom, f->devid);
    snprintf(f->back, sizeof(f->back), "/local/domain/%u/backend/vbd/%u/%u", FAKE_SELF, dom, f->devid);
    snprintf(p, sizeof(p), "%s/state", f->path);
    fake_set(p, "1");
    snprintf(p, sizeof(p), "%s/frontend-id", f->back);
    fake_set(p, "%u", dom);
    snprintf(p, sizeof(p), "%s/online", f->back);
    fake_set(p, "1");
    snprintf(p, sizeof(p), "%s/params", f->back);
    fake_set(p, "%s", target);
    snprintf(p, sizeof(p), "%s/mode", f->back);
    fake_set(p, "w");
    snprintf(p, sizeof(p), "%s/frontend", f->back);
    fake_set(p, "%s", f->path);
    snprintf(p, sizeof(p), "%s/state", f->back);
    fake_set(p, "1");
    return f;
}

void front_state(struct front *f, int state)
{
    char p[120];
    snprintf(p, sizeof(p), "%s/state", f->path);
    fake_set(p, "%d", state);
}

int front_back_state(const struct front *f)
{
    char p[120];
    snprintf(p, sizeof(p), "%s/state", f->back);
    const char *v = fake_get(p);
    return v ? atoi(v) : 0;
}

void front_publish(struct front *f, unsigned queues, unsigned order, bool persistent)
{
    char p[120];
    f->queues = queues;
    f->pages = 1u << order;
    snprintf(p, sizeof(p), "%s/protocol", f->path);
    fake_set(p, XEN_IO_PROTO_ABI_X86_64);
    snprintf(p, sizeof(p), "%s/feature-persistent", f->path);
    fake_set(p, "%d", persistent);
    snprintf(p, sizeof(p), "%s/multi-queue-num-queues", f->path);
    if (queues > 1)
        fake_set(p, "%u", queues);
    snprintf(p, sizeof(p), "%s/ring-page-order", f->path);
    if (order)
        fake_set(p, "%u", order);
    for (unsigned i = 0; i < queues; i++) {
        struct front_queue *q = &f->q[i];
        char prefix[80];
        snprintf(prefix, sizeof(prefix), queues > 1 ? "%s/queue-%u" : "%s", f->path, i);
        memset(q, 0, sizeof(*q));
        q->port = f->dom * 4u + i;
        for (unsigned j = 0; j < f->pages; j++) {
            q->page[j] = fake_new_page();
            q->ref[j] = fake_grant(f->dom, q->page[j], false);
            if (order)
                snprintf(p, sizeof(p), "%s/ring-ref%u", prefix, j);
            else
                snprintf(p, sizeof(p), "%s/ring-ref", prefix);
            fake_set(p, "%u", q->ref[j]);
        }
        snprintf(p, sizeof(p), "%s/event-channel", prefix);
        fake_set(p, "%u", q->port);
        for (q->slots = 1; (q->slots * 2 * sizeof(union blkif_sring_entry)) + 64 <= f->pages * 4096u;)
            q->slots *= 2;
        front_header(q)->req_event = front_header(q)->rsp_event = 1;
    }
    front_state(f, 3);
}

unsigned front_free(const struct front_queue *q)
{
    return q->slots - (q->req_prod - q->rsp_cons);
}

uint64_t front_ask(struct front *f, unsigned n, struct blkif_request *req)
{
    struct front_queue *q = &f->q[n];
    volatile struct blkif_sring *s = front_header(q);
    struct blkif_request copy = *req;
    uint32_t at = q->req_prod % FRONT_SLOTS, old = q->req_prod;
    if (req->operation == BLKIF_OP_INDIRECT) {
        ((struct blkif_request_indirect *)&copy)->id = f->next_id;
        q->asked[at].op = ((struct blkif_request_indirect *)&copy)->indirect_op;
    } else {
        copy.id = f->next_id;
        q->asked[at].op = req->operation;
    }
    q->asked[at].id = f->next_id;
    q->asked[at].status = 99;
    memcpy((void *)&slot(q, q->req_prod)->req, &copy, sizeof(copy));
    s->req_prod = ++q->req_prod;
    if (q->req_prod - s->req_event < q->req_prod - old)
        fake->to_back[q->port] = fake->bound[q->port];
    return f->next_id++;
}

unsigned front_collect(struct front *f, unsigned n)
{
    struct front_queue *q = &f->q[n];
    volatile struct blkif_sring *s = front_header(q);
    unsigned got = 0;
    if (fake->to_front[q->port] == q->seen)
        return 0;
    q->seen = fake->to_front[q->port];
    for (;;) {
        while (q->rsp_cons != s->rsp_prod) {
            struct blkif_response rsp;
            uint32_t at = q->rsp_cons % FRONT_SLOTS;
            memcpy(&rsp, (void *)&slot(q, q->rsp_cons)->rsp, sizeof(rsp));
            if (q->rsp_cons == q->req_prod || rsp.id != q->asked[at].id || rsp.operation != q->asked[at].op) {
                q->wrong++;
                return got;
            }
            q->asked[at].status = rsp.status;
            q->errors += rsp.status != BLKIF_RSP_OKAY;
            q->answered++;
            q->rsp_cons++;
            got++;
        }
        s->rsp_event = q->rsp_cons + 1;
        if (s->rsp_prod == q->rsp_cons)
            return got;
    }
}

int front_status(const struct front *f, unsigned n, uint64_t id)
{
    for (unsigned i = 0; i < FRONT_SLOTS; i++)
        if (f->q[n].asked[i].id == id)
            return f->q[n].asked[i].status;
    return 99;
}
