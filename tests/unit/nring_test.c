/* SPDX-License-Identifier: MIT */
/*
 * Answers on netif rings: what they look like, and that a backend may die at any instruction of one.
 * A child runs under the trap flag and ends at instruction N; what it left behind, a successor must find answered or
 * whole: never a part of a packet.
 */
#define _GNU_SOURCE
#include "backends/net/nring.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define START 253u /* the packets wrap */
#define ASKED 40u

/* Thousands of children end here, none of which allocates: looking for leaks in each would take minutes. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static uint8_t *mem;
static struct ring r;

static volatile struct ring_shared *shared(void)
{
    return (volatile struct ring_shared *)mem;
}

static union netif_tx_sring_entry *tx_slot(uint32_t i)
{
    return (union netif_tx_sring_entry *)(mem + 64) + i % 256;
}

static union netif_rx_sring_entry *rx_slot(uint32_t i)
{
    return (union netif_rx_sring_entry *)(mem + 64) + i % 256;
}

static void fresh(bool tx)
{
    memset(mem, 0, 4096);
    shared()->req_prod = START + ASKED;
    shared()->rsp_prod = shared()->rsp_event = START;
    for (uint32_t i = START; i < START + ASKED; i++)
        if (tx)
            tx_slot(i)->req = (struct netif_tx_request){.gref = 5000 + i, .offset = 3, .flags = 7, .id = (uint16_t)(i + 1),
                                                        .size = 99};
        else
            rx_slot(i)->req = (struct netif_rx_request){.id = (uint16_t)(i + 1), .gref = 5000 + i};
}

static void take(unsigned n)
{
    uint8_t copy[12];
    while (n--)
        ring_take(&r, copy, r.entry);
}

static const struct nring_tx_note tx_note = {.slots = 6, .status = NETIF_RSP_OKAY, .extras = 1u << 1 | 1u << 2};
static const struct nring_rx_note rx_note = {.slots = 5, .flags = NETRXF_csum_blank | NETRXF_data_validated, .len = 16000,
                                             .mss = 1448, .gso = XEN_NETIF_GSO_TYPE_TCPV6, .first = 16000 - 3 * 4096};

static bool tx_right(uint32_t from)
{
    bool good = true;
    for (uint32_t i = 0; i < tx_note.slots; i++) {
        const struct netif_tx_response *a = &tx_slot(from + i)->rsp;
        good &= i == 1 || i == 2 ? a->status == NETIF_RSP_NULL : a->status == NETIF_RSP_OKAY && a->id == (uint16_t)(from + i + 1);
    }
    return good;
}

static bool rx_right(uint32_t from)
{
    const struct netif_extra_info *x = (const struct netif_extra_info *)rx_slot(from + 1);
    bool good = x->type == XEN_NETIF_EXTRA_TYPE_GSO && x->flags == 0 && x->u.gso.size == 1448 &&
                x->u.gso.type == XEN_NETIF_GSO_TYPE_TCPV6 && x->u.gso.features == 0;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < rx_note.slots; i++) {
        const struct netif_rx_response *a = &rx_slot(from + i)->rsp;
        unsigned flags = i == 0 ? NETRXF_csum_blank | NETRXF_data_validated | NETRXF_extra_info | NETRXF_more_data
                                : i == 4 ? 0u : NETRXF_more_data;
        if (i == 1)
            continue;
        sum += (uint32_t)a->status;
        good &= a->id == (uint16_t)(from + i + 1) && a->offset == 0 && a->flags == flags && a->status == (i == 0 ? 16000 - 3 * 4096 : 4096);
    }
    return good && sum == 16000;
}

static void test_answers(void)
{
    fresh(true);
    CU_ASSERT_EQUAL(nring_attach(&r, mem, true, false), 0);
    CU_ASSERT_EQUAL(ring_pending(&r), ASKED);
    take(12);
    nring_tx_answer(&r, &tx_note);
    CU_ASSERT(tx_right(START));
    CU_ASSERT_EQUAL(shared()->rsp_prod, START + 6);
    nring_tx_answer(&r, &tx_note);
    CU_ASSERT(tx_right(START + 6) && tx_right(START));
    fresh(false);
    CU_ASSERT_EQUAL(nring_attach(&r, mem, false, false), 0);
    take(5 + 3);
    nring_rx_answer(&r, &rx_note);
    CU_ASSERT(rx_right(START));
    const struct nring_rx_note bad = {.slots = 3, .len = 9000, .gso = 1, .error = 1};
    nring_rx_answer(&r, &bad);
    for (uint32_t i = START + 5; i < START + 8; i++)
        CU_ASSERT(rx_slot(i)->rsp.status == NETIF_RSP_ERROR && rx_slot(i)->rsp.flags == 0 &&
                  rx_slot(i)->rsp.id == (uint16_t)(i + 1));
    CU_ASSERT_EQUAL(shared()->rsp_prod, START + 8);
}

/* A front can write notes too: none may lead out of what it asked. */
static void test_forged(void)
{
    const struct { uint32_t index, slots; bool taken; } notes[] = {
        {START, 1, true}, {START, 32, true}, {START, 33, false}, {START, UINT32_MAX, false}, {START + 1, 1, false},
        {START - 1, 1, false}, {START, 0, false},
    };
    for (unsigned tx = 0; tx < 2; tx++)
        for (unsigned i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
            struct nring_tx_note t = {.slots = notes[i].slots, .extras = UINT32_MAX};
            struct nring_rx_note n = {.slots = (uint16_t)notes[i].slots, .len = UINT32_MAX, .gso = 255};
            fresh(tx);
            memcpy((void *)shared()->note, tx ? (void *)&t : (void *)&n, tx ? sizeof(t) : sizeof(n));
            shared()->note_index = notes[i].index;
            shared()->note_check = ~notes[i].index ^ 0x62686e74u;
            CU_ASSERT_EQUAL(nring_attach(&r, mem, tx, true), 0);
            CU_ASSERT_EQUAL(shared()->rsp_prod, START + (notes[i].taken ? notes[i].slots : 0));
            CU_ASSERT_EQUAL(r.req_cons, shared()->rsp_prod);
            CU_ASSERT_EQUAL(shared()->note_check, 0);
        }
    fresh(true);
    struct nring_tx_note t = {.slots = 20};
    memcpy((void *)shared()->note, &t, sizeof(t));
    shared()->note_index = START;
    shared()->note_check = ~START ^ 0x62686e74u;
    shared()->req_prod = START + 19;
    CU_ASSERT_EQUAL(nring_attach(&r, mem, true, true), 0);
    CU_ASSERT_EQUAL(shared()->rsp_prod, START);
    shared()->req_prod = START + 257;
    CU_ASSERT_EQUAL(nring_attach(&r, mem, true, true), -EPROTO);
}

/* --- death --- */

static volatile long steps_left;

static void on_trap(int sig)
{
    if (--steps_left == 0)
        _exit(77);
}

static void trap_flag(bool on)
{
    if (on)
        __asm__ volatile("pushfq; orq $0x100,(%%rsp); popfq" ::: "memory", "cc");
    else
        __asm__ volatile("pushfq; andq $~0x100,(%%rsp); popfq" ::: "memory", "cc");
}

static void answer(bool tx)
{
    if (tx)
        nring_tx_answer(&r, &tx_note);
    else
        nring_rx_answer(&r, &rx_note);
}

/* Answer two packets and die at instruction n of the second, or of the successor's finishing it; false: it lived. */
static bool dies_at(bool tx, long n, bool adopting)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGTRAP, on_trap);
        steps_left = n;
        if (adopting) {
            trap_flag(true);
            nring_attach(&r, mem, tx, true);
            trap_flag(false);
            _exit(0);
        }
        nring_attach(&r, mem, tx, true);
        take(ASKED);
        answer(tx);
        trap_flag(true);
        answer(tx);
        trap_flag(false);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 77;
}

/* Packets answered whole, the rest as the front asked. 0 = wrong, else 1 + packets answered. */
static unsigned sound(bool tx)
{
    uint32_t slots = tx ? tx_note.slots : rx_note.slots;
    if (nring_attach(&r, mem, tx, true))
        return 0;
    uint32_t done = shared()->rsp_prod - START;
    if (done % slots || done > 2 * slots || ring_pending(&r) != (int)(ASKED - done))
        return 0;
    for (uint32_t i = 0; i < done; i += slots)
        if (!(tx ? tx_right(START + i) : rx_right(START + i)))
            return 0;
    for (uint32_t i = START + done; i < START + ASKED; i++)
        if (tx ? tx_slot(i)->req.gref != 5000 + i || tx_slot(i)->req.id != (uint16_t)(i + 1)
               : rx_slot(i)->req.gref != 5000 + i || rx_slot(i)->req.id != (uint16_t)(i + 1))
            return 0;
    return 1 + done / slots;
}

static void death(bool tx)
{
    unsigned seen = 0;
    long n = 1;
    for (;; n++) {
        fresh(tx);
        if (!dies_at(tx, n, false))
            break;
        if (n % 16 == 0) /* and the successor dies while it finishes that */
            dies_at(tx, 1 + n * 7 % 300, true);
        unsigned s = sound(tx);
        if (!s)
            fprintf(stderr, "death at instruction %ld\n", n);
        CU_ASSERT(s != 0);
        seen |= 1u << s;
    }
    CU_ASSERT(n > 50);
    CU_ASSERT_EQUAL(seen, 1u << 2 | 1u << 3); /* deaths before and after the second packet counts */
}

static void test_tx_death(void)
{
    death(true);
}

static void test_rx_death(void)
{
    death(false);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"answers", test_answers},
        {"forged notes", test_forged},
        {"tx: death at every instruction", test_tx_death},
        {"rx: death at every instruction", test_rx_death},
        CU_TEST_INFO_NULL,
    };
    mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return suite_run("nring", NULL, tests);
}
