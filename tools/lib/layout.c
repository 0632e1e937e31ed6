/* SPDX-License-Identifier: MIT */
/* Memory layout of a PVH domain; see layout.h. Start info: xen/arch-x86/hvm/start_info.h. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>
#include "bulkhead/pvh_acpi.h"
#include "tools/lib/layout.h"

/* Order within the start info block. */
struct info_block {
    struct hvm_start_info info;
    struct hvm_modlist_entry module;
    struct hvm_memmap_table_entry map[LAYOUT_MAX_MAP];
    char cmdline[];
};

static uint64_t page_up(uint64_t x)
{
    return (x + LAYOUT_PAGE - 1) & ~(LAYOUT_PAGE - 1);
}

static void add(struct layout *l, uint64_t from, uint64_t to, uint32_t type)
{
    if (to > from)
        l->map[l->nr_map++] = (struct layout_range){from, to - from, type};
}

int layout_plan(struct layout *l, uint64_t mem, const struct image *kernel, uint64_t ramdisk_size, uint64_t cmdline_len,
                unsigned nr_vcpus, struct err *e)
{
    memset(l, 0, sizeof(*l));
    l->low_end = mem < LAYOUT_LOW_MAX ? mem : LAYOUT_LOW_MAX;
    l->high_end = (4ull << 30) + (mem - l->low_end);
    if (kernel->high > l->low_end)
        return err_set(e, "memory: %llu MiB is too small, the kernel alone reaches to %llu KiB",
                       (unsigned long long)(mem >> 20), (unsigned long long)(kernel->high >> 10));
    uint64_t at = page_up(kernel->high);
    uint64_t rest = page_up(sizeof(struct info_block) + cmdline_len + 1) + page_up(PVH_ACPI_SIZE(nr_vcpus));
    if (at > l->low_end || ramdisk_size > l->low_end - at || page_up(ramdisk_size) + rest > l->low_end - at)
        return err_set(e, "memory: %llu MiB is too small for the kernel (up to %llu KiB) and a ramdisk of %llu KiB",
                       (unsigned long long)(mem >> 20), (unsigned long long)(kernel->high >> 10),
                       (unsigned long long)(ramdisk_size >> 10));
    l->ramdisk = at;
    l->ramdisk_size = ramdisk_size;
    l->info = at + page_up(ramdisk_size);
    l->info_size = page_up(sizeof(struct info_block) + cmdline_len + 1);
    l->acpi = l->info + l->info_size;
    l->acpi_size = page_up(PVH_ACPI_SIZE(nr_vcpus));
    add(l, 0, l->acpi, XEN_HVM_MEMMAP_TYPE_RAM);
    add(l, l->acpi, l->acpi + l->acpi_size, XEN_HVM_MEMMAP_TYPE_ACPI);
    add(l, l->acpi + l->acpi_size, l->low_end, XEN_HVM_MEMMAP_TYPE_RAM);
    add(l, LAYOUT_SPECIAL_GFN * LAYOUT_PAGE, (LAYOUT_SPECIAL_GFN + LAYOUT_NR_SPECIAL) * LAYOUT_PAGE,
        XEN_HVM_MEMMAP_TYPE_RESERVED);
    add(l, 4ull << 30, l->high_end, XEN_HVM_MEMMAP_TYPE_RAM);
    return 0;
}

void layout_start_info(const struct layout *l, void *buf, const char *cmdline, uint64_t rsdp)
{
    struct info_block *b = buf;
    memset(buf, 0, l->info_size);
    b->info.magic = XEN_HVM_START_MAGIC_VALUE;
    b->info.version = 1;
    b->info.rsdp_paddr = rsdp;
    b->info.memmap_paddr = l->info + offsetof(struct info_block, map);
    b->info.memmap_entries = l->nr_map;
    b->info.cmdline_paddr = l->info + offsetof(struct info_block, cmdline);
    strcpy(b->cmdline, cmdline); /* info_size was computed from its length */
    if (l->ramdisk_size) {
        b->info.nr_modules = 1;
        b->info.modlist_paddr = l->info + offsetof(struct info_block, module);
        b->module.paddr = l->ramdisk;
        b->module.size = l->ramdisk_size;
    }
    for (unsigned i = 0; i < l->nr_map; i++)
        b->map[i] = (struct hvm_memmap_table_entry){l->map[i].addr, l->map[i].size, l->map[i].type, 0};
}
