/* SPDX-License-Identifier: MIT */
/*
 * The domain's own page tables: 1:1, and only what exists is mapped, so a wild pointer faults.
 * The first 4 MiB, where the image lies, go by 4 KiB pages (code read-execute, constants read-only, data no-execute,
 * nothing at page 0 and under the stack); RAM, special pages and the grant window by 2 MiB pages; MMIO by
 * 2 MiB pages, uncached (PAT entry 3).
 */
#include "rt/internal.h"
#include <xen/errno.h>

#define P (1ull << 0)
#define W (1ull << 1)
#define UC (3ull << 3)
#define PS (1ull << 7)
#define NX (1ull << 63)
#define ADDR 0x000ffffffffff000ull
#define MB2 0x200000ull
#define LIMIT (1ull << 46)

extern uint64_t pml4[512], pdpt0[512], pd0[512];
static uint64_t pd3[512] __attribute__((aligned(4096)));
static uint64_t pt[2][512] __attribute__((aligned(4096)));
static uint64_t nx; /* NX where the CPU has it, else 0 */

static void enable_nx(void)
{
    uint32_t a = 0x80000001, b, c, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    if (!(d & (1u << 20)))
        return;
    uint32_t lo, hi, msr = 0xc0000080;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    __asm__ volatile("wrmsr" : : "a"(lo | 1u << 11), "d"(hi), "c"(msr));
    nx = NX;
}

static void load_cr3(void)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"((uint64_t)pml4) : "memory");
}

/* The table that entry points at, made on demand. NULL = no memory. */
static uint64_t *descend(uint64_t *entry)
{
    if (!(*entry & P)) {
        void *table = rt_alloc_pages(1);
        if (!table)
            return NULL;
        *entry = (uint64_t)table | P | W;
    }
    return (uint64_t *)(*entry & ADDR);
}

static int map(uint64_t addr, uint64_t bytes, uint64_t flags)
{
    if (!bytes || addr >= LIMIT || bytes > LIMIT - addr)
        return -XEN_EINVAL;
    for (uint64_t a = addr & ~(MB2 - 1); a < addr + bytes; a += MB2) {
        uint64_t *pdpt = descend(&pml4[a >> 39 & 511]);
        uint64_t *pd = pdpt ? descend(&pdpt[a >> 30 & 511]) : NULL;
        if (!pd)
            return -XEN_ENOMEM;
        if (!(pd[a >> 21 & 511] & P))
            pd[a >> 21 & 511] = a | P | W | PS | flags | nx;
    }
    return 0;
}

int rt_map_ram(uint64_t addr, uint64_t bytes)
{
    return map(addr, bytes, 0);
}

int rt_map_mmio(uint64_t addr, uint64_t bytes)
{
    return map(addr, bytes, UC);
}

static uint64_t small_page(uint64_t a)
{
    if (a == 0 || rt_in_guard(a))
        return 0;
    if (a >= (uint64_t)_text_start && a < (uint64_t)_text_end)
        return a | P;
    if (a >= (uint64_t)_text_end && a < (uint64_t)_rodata_end)
        return a | P | nx;
    return a | P | W | nx;
}

/* Before the page allocator: the image and what RAM there is in the first GiB. */
void rt_paging_init(const struct rt_range *ram, unsigned n)
{
    enable_nx();
    for (unsigned i = 0; i < 1024; i++)
        pt[i / 512][i % 512] = small_page(i * 4096ull);
    pd0[0] = (uint64_t)pt[0] | P | W;
    pd0[1] = (uint64_t)pt[1] | P | W;
    memset(pd0 + 2, 0, sizeof(pd0) - 2 * sizeof(pd0[0])); /* the boot map; we stand below 4 MiB */
    pdpt0[3] = (uint64_t)pd3 | P | W;
    for (unsigned i = 0; i < n; i++)
        if (ram[i].start < 1ull << 30)
            map(ram[i].start, (ram[i].end < 1ull << 30 ? ram[i].end : 1ull << 30) - ram[i].start, 0);
    load_cr3();
}
