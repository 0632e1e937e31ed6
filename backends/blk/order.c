/* SPDX-License-Identifier: MIT */
/*
 * The order of answers (blk.h): that of the requests. So a response only overwrites a slot whose request was answered before, and the
 * ring is the journal of a restart (docs/recovery.md). What it costs: docs/disk-figures.md; a file of tests is linked in
 * place of this one for the comparison, and nowhere else.
 */
#include "backends/blk/blk.h"

struct blk_req *blk_next_answer(struct blk_queue *q, struct blk_req *ended)
{
    struct blk_req *oldest = *blk_window(q, q->ring.rsp_pvt);
    return oldest && oldest->finished ? oldest : NULL;
}
