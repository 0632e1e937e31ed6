/* SPDX-License-Identifier: MIT */
/*
 * A disk domain that answers in the order of endings, for bench/run order: in place of backends/blk/order.c. NOT FIT FOR USE:
 * its ring is no journal, a restart loses requests, and a barrier does not know which requests are older.
 * The request at rsp_pvt, whose slot the answer takes, moves to the index of the one that ended.
 */
#include "backends/blk/blk.h"

struct blk_req *blk_next_answer(struct blk_queue *q, struct blk_req *ended)
{
    struct blk_req **to = blk_window(q, q->ring.rsp_pvt), **from = blk_window(q, ended->index);
    if (*from != ended)
        return NULL; /* answered a moment ago */
    if (*to && *to != ended)
        (*to)->index = ended->index;
    *from = *to;
    *to = ended;
    ended->index = q->ring.rsp_pvt;
    return ended;
}
