/* SPDX-License-Identifier: MIT */
/* The pool of packets: see pkt.h. */
#include "backends/net/pkt.h"
#include "backends/core/host.h"

#include <errno.h>
#include <string.h>

static struct pkt *free_small, *free_big;
static unsigned n_small, n_big;

static void give_back(struct pkt *p)
{
    struct pkt **list = p->big ? &free_big : &free_small;
    p->next = *list;
    *list = p;
    ++*(p->big ? &n_big : &n_small);
}

static int add(uint8_t *data, bool big)
{
    struct pkt *p = host_alloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->base = data;
    p->big = big;
    give_back(p);
    return 0;
}

int pkt_pool(unsigned small, unsigned big)
{
    int rc = 0;
    for (unsigned i = 0; i < small && !rc; i += PKT_PAGE / PKT_SMALL) {
        uint8_t *page = host_alloc_pages(1);
        rc = page ? 0 : -ENOMEM;
        for (unsigned at = 0; at < PKT_PAGE && !rc; at += PKT_SMALL)
            rc = add(page + at, false);
    }
    for (unsigned i = 0; i < big && !rc; i++) {
        uint8_t *pages = host_alloc_pages(PKT_BIG_PAGES);
        rc = pages ? add(pages, true) : -ENOMEM;
    }
    return rc;
}

struct pkt *pkt_new(uint32_t len)
{
    bool big = len > PKT_SMALL;
    struct pkt **list = big ? &free_big : &free_small, *p = *list;
    _Static_assert(PKT_MAX <= (PKT_BIG_PAGES - 1) * PKT_PAGE, "the largest packet fits a big one, wherever in its first page it starts");
    if (!p || len > PKT_MAX)
        return NULL;
    *list = p->next;
    --*(big ? &n_big : &n_small);
    uint8_t *base = p->base;
    memset(p, 0, sizeof(*p));
    p->data = p->base = base;
    p->big = big;
    p->len = len;
    p->refs = 1;
    return p;
}

struct pkt *pkt_hold(struct pkt *p)
{
    p->refs++;
    return p;
}

void pkt_put(struct pkt *p)
{
    if (--p->refs == 0)
        give_back(p);
}

unsigned pkt_free_small(void)
{
    return n_small;
}

unsigned pkt_free_big(void)
{
    return n_big;
}
