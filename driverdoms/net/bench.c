/* SPDX-License-Identifier: MIT */
/*
 * The bare driver measured in the runtime it serves from: the "native" figure beside which netback's are read. Cases and lines are
 * those of bench/netblast.c.
 */
#include "driverdoms/net/options.h"
#include "backends/net/nic.h"
#include "rt/rt.h"
#include <xen/sched.h>

#define RUN_NS 100000000ull
#define REST_NS 250000000ull
#define BURST 32u /* packets between two looks at the clock */
#define MSS 1448u
#define HEADERS 54u
#define BIG (HEADERS + 44 * MSS)

static const struct bench_case { const char *name; uint32_t bytes; bool gso; } cases[] = {
    {"small", 64, false}, {"full", 1514, false}, {"gso", BIG, true}};
#define CASES (sizeof(cases) / sizeof(cases[0]))

static struct nic *card;
static const struct bench_case *now;
static uint64_t started, sent, errors;
static struct rt_timer rest;
static struct rt_work more;

static struct pkt *make(void)
{
    static const uint8_t ip_tcp[] = {0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 9, 9, 1, 10, 9, 9, 2, 0, 9, 0, 9,
                                     0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff};
    struct pkt *p = pkt_new(now->bytes);
    if (!p)
        return NULL;
    memcpy(p->data, "\x52\x55\x0a\x00\x02\x02", 6);
    memcpy(p->data + 6, card->mac, 6);
    p->data[12] = now->gso ? 0x08 : 0x88;
    p->data[13] = now->gso ? 0x00 : 0xb5;
    if (!now->gso)
        return p;
    memcpy(p->data + 14, ip_tcp, sizeof(ip_tcp));
    p->data[16] = (uint8_t)((BIG - 14) >> 8);
    p->data[17] = (uint8_t)(BIG - 14);
    p->csum_blank = pkt_parse(p);
    p->gso = 4;
    p->mss = MSS;
    return p;
}

static void then(void (*fn)(void *arg))
{
    rest.fn = fn;
    rt_timer_set(&rest, rt_now() + REST_NS);
}

static void next_case(void *arg);

static void report(void)
{
    uint64_t us = (rt_now() - started) / 1000, tenths = sent * now->bytes * 10 / us;
    rt_log("bench: %s %u B: %lu packets/s, %lu.%lu MB/s, %lu packets in %lu us, %lu errors", now->name, now->bytes,
           sent * 1000000 / us, tenths / 10, tenths % 10, sent, us, errors);
    then(next_case);
}

static void burst(void *arg)
{
    bool over = rt_now() >= started + RUN_NS;
    for (unsigned i = 0; i < BURST && card->ops->room(card) && !over; i++) { /* room() gives back what was sent */
        struct pkt *p = make();
        if (!p)
            break; /* all of them are with the card */
        if (card->ops->send(card, p)) {
            pkt_put(p);
            errors++;
        } else {
            sent++;
        }
    }
    card->ops->flush(card);
    if (card->gone)
        rt_crash("bench: the card is gone");
    if (!over || card->ops->busy(card))
        rt_defer(&more);
    else
        report();
}

static void start_case(void *arg)
{
    sent = errors = 0;
    started = rt_now();
    more.fn = burst;
    rt_defer(&more);
}

static void next_case(void *arg)
{
    now = now ? now + 1 : cases;
    if (now == cases + CASES) {
        rt_log("bench: done");
        rt_shutdown(SHUTDOWN_poweroff);
    }
    rt_log("bench: next");
    then(start_case);
}

void net_bench_start(void)
{
    card = nic_first();
    if (!card)
        rt_crash("bench: no card");
    next_case(NULL);
}
