/* SPDX-License-Identifier: MIT */
/*
 * Where things lie in a PVH domain's memory (docs/interfaces.md, "PVH domains as built"). Pure arithmetic.
 *
 *   0 .. low_end                RAM; kernel at its own addresses, then ramdisk, start info, ACPI tables, page by page
 *   LAYOUT_SPECIAL_GFN + 0..7   reserved pages; the last two are the store and the console ring
 *   4 GiB .. high_end           RAM that did not fit below LAYOUT_LOW_MAX
 */
#ifndef TOOLS_LAYOUT_H
#define TOOLS_LAYOUT_H
#include <stdint.h>
#include "tools/lib/err.h"
#include "tools/lib/image.h"

#define LAYOUT_PAGE 4096ull
#define LAYOUT_LOW_MAX (3ull << 30)
#define LAYOUT_SPECIAL_GFN 0xfeff8ull
#define LAYOUT_NR_SPECIAL 8u
#define LAYOUT_STORE_GFN (LAYOUT_SPECIAL_GFN + 6)
#define LAYOUT_CONSOLE_GFN (LAYOUT_SPECIAL_GFN + 7)
#define LAYOUT_MAX_MAP 6u

struct layout_range {
    uint64_t addr, size;
    uint32_t type; /* XEN_HVM_MEMMAP_TYPE_* */
};

struct layout {
    uint64_t low_end, high_end; /* high_end = 4 GiB when nothing lies there */
    uint64_t ramdisk, ramdisk_size;
    uint64_t info, info_size; /* start info, module list, memory map, command line */
    uint64_t acpi, acpi_size;
    struct layout_range map[LAYOUT_MAX_MAP];
    unsigned nr_map;
};

/* mem: bytes, a multiple of the page size. 0, or -1 when kernel, ramdisk and tables do not fit. */
int layout_plan(struct layout *l, uint64_t mem, const struct image *kernel, uint64_t ramdisk_size, uint64_t cmdline_len,
                unsigned nr_vcpus, struct err *e);
/* Writes the start info block (info_size bytes) as it lies at l->info. rsdp: guest physical. */
void layout_start_info(const struct layout *l, void *buf, const char *cmdline, uint64_t rsdp);
#endif
