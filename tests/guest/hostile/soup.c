/* SPDX-License-Identifier: MIT */
/* Random bytes, and among them the instructions that mean most to a hypervisor, run in ring 0. See soup.S for what keeps it going. */
#include "tests/guest/hostile/hostile.h"
#include <bulkhead/ext.h>

#define SLOT 16u
#define SLOTS 2048u
uint8_t soup[SLOT * SLOTS + 64] __attribute__((aligned(4096)));
void soup_next(void);

/* Starts of slots; random bytes follow. */
static const struct { uint8_t n, byte[9]; } seasoning[] = {
    {3, {0x0f, 0x01, 0xd8}}, {3, {0x0f, 0x01, 0xd9}}, {3, {0x0f, 0x01, 0xda}}, {3, {0x0f, 0x01, 0xdb}}, {3, {0x0f, 0x01, 0xdc}},
    {3, {0x0f, 0x01, 0xdd}}, {3, {0x0f, 0x01, 0xde}}, {3, {0x0f, 0x01, 0xdf}}, {3, {0x0f, 0x01, 0xc1}}, {3, {0x0f, 0x01, 0xd1}},
    {3, {0x0f, 0x01, 0xf9}}, {3, {0x0f, 0x01, 0xc8}}, {3, {0x0f, 0x01, 0xc9}}, {3, {0x0f, 0x01, 0xef}}, {3, {0x0f, 0x01, 0xee}},
    {7, {0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x30}}, {7, {0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32}}, /* EFER */
    {7, {0xb9, 0x17, 0x01, 0x01, 0xc0, 0x0f, 0x30}}, {7, {0xb9, 0x14, 0x01, 0x01, 0xc0, 0x0f, 0x32}}, /* SVM's own */
    {7, {0xb9, 0x77, 0x02, 0x00, 0x00, 0x0f, 0x30}}, {7, {0xb9, 0xd9, 0x01, 0x00, 0x00, 0x0f, 0x30}}, /* PAT, DEBUGCTL */
    {7, {0xb9, 0x30, 0x08, 0x00, 0x00, 0x0f, 0x30}}, {7, {0xb9, 0x3f, 0x08, 0x00, 0x00, 0x0f, 0x30}}, /* ICR, self IPI */
    {7, {0xb9, 0x38, 0x08, 0x00, 0x00, 0x0f, 0x30}}, {7, {0xb9, 0x1b, 0x00, 0x00, 0x00, 0x0f, 0x30}}, /* timer, APIC base */
    {7, {0xb9, 0x00, 0x00, 0x00, 0x40, 0x0f, 0x30}}, {7, {0xb9, 0x10, 0x00, 0x00, 0x00, 0x0f, 0x30}}, /* hypercall page, TSC */
    {7, {0xb9, 0x49, 0x00, 0x00, 0x00, 0x0f, 0x30}}, {7, {0xb9, 0x48, 0x00, 0x00, 0x00, 0x0f, 0x30}}, /* PRED_CMD, SPEC_CTRL */
    {2, {0x0f, 0x30}}, {2, {0x0f, 0x32}}, {2, {0x0f, 0x33}}, {2, {0x0f, 0xa2}}, {2, {0x0f, 0x08}}, {2, {0x0f, 0x09}},
    {2, {0x0f, 0x06}}, {2, {0x0f, 0xaa}}, {2, {0x0f, 0x05}}, {2, {0x0f, 0x34}}, {2, {0x0f, 0x0b}}, {2, {0x0f, 0x77}},
    {2, {0x0f, 0x21}}, {3, {0x0f, 0x20, 0xe0}}, {3, {0x0f, 0x22, 0xc2}}, {2, {0x0f, 0xae}},
    {3, {0x0f, 0xc7, 0xf8}}, {1, {0xcc}}, {1, {0xf1}}, {1, {0xcd}}, {1, {0xce}}, {1, {0x9d}},
    {1, {0xcf}}, {2, {0x48, 0xcf}}, {1, {0xe4}}, {1, {0xe7}}, {1, {0xec}}, {1, {0xef}}, {1, {0x6c}}, {1, {0x6f}}, {2, {0xf3, 0x6e}},
    {1, {0xff}}, {1, {0xf0}}, {2, {0xc7, 0xf8}}, {3, {0x66, 0x0f, 0x38}}, {1, {0xc5}}, {1, {0xc4}}, {1, {0x62}},
};

void __attribute__((force_align_arg_pointer)) soup_cook(void)
{
    uint64_t seed = IN_CLONE->second = IN_CLONE->second * 6364136223846793005ull + IN_CLONE->seed + 1;
    for (unsigned i = 0; i < sizeof(soup); i++)
        soup[i] = (uint8_t)(rnd(&seed) >> 24);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (rnd(&seed) & 1)
            continue;
        unsigned k = (unsigned)(rnd(&seed) >> 20) % (sizeof(seasoning) / sizeof(seasoning[0]));
        memcpy(&soup[i * SLOT], seasoning[k].byte, seasoning[k].n);
    }
    memset(&soup[sizeof(soup) - 64], 0xcc, 64);
    /* What ends QEMU 7.2 itself: LTR with a task that is not there, at the next fault; MOV to DR7, whose breakpoints it keeps over exits. */
    for (unsigned i = 0; i + 1 < sizeof(soup); i++)
        if (soup[i] == 0x0f && (soup[i + 1] == 0x00 || soup[i + 1] == 0x23))
            soup[i + 1] = 0x0b;
    __asm__ volatile("movl $0x6000 - 64, %%esp; jmp *%0" ::"r"((uint64_t)soup) : "memory");
    __builtin_unreachable();
}

void __attribute__((force_align_arg_pointer)) soup_start(void)
{
    struct bh_op op = { .version = BH_INTERFACE_VERSION, .domid = DOMID_SELF };
    clone_tables(soup_next);
    /* What is not there is not mapped: a wild access is a page fault, not the end. */
    volatile uint64_t *directory = (uint64_t *)(3 * RT_PAGE), *table = (uint64_t *)(13 * RT_PAGE);
    for (uint64_t i = 0; i < 512; i++) {
        bool there = i < 16 || (i >= (uint64_t)_image_start / RT_PAGE && i < (uint64_t)_image_end / RT_PAGE);
        table[i] = there ? i * RT_PAGE | 7 : 0;
    }
    for (uint64_t i = 0; i < 512; i++) /* not before the table is whole: this code may lie in two pages */
        directory[i] = i ? 0 : 13 * RT_PAGE | 7;
    __asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" ::: "rax", "memory");
    rt_hypercall2(BH_HYPERCALL, BH_OP_info, &op);
    IN_CLONE->seed += op.u.info.incarnation * 0x9e3779b97f4a7c15ull;
    IN_CLONE->second = IN_CLONE->seed;
    soup_cook();
}
