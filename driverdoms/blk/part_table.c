/* SPDX-License-Identifier: MIT */
/* Parsers of partition tables: bytes in, entries out. See part.h. */
#include "driverdoms/blk/part.h"

#include <string.h>

enum { MBR_TABLE = 446, MBR_ENTRIES = 4, TYPE_GPT = 0xee };
enum { HDR_REVISION = 8, HDR_SIZE = 12, HDR_CRC = 16, HDR_RESERVED = 20, HDR_MY = 24, HDR_FIRST = 40, HDR_LAST = 48,
       HDR_ENTRIES = 72, HDR_COUNT = 80, HDR_ENTRY_SIZE = 84, HDR_ARRAY_CRC = 88, HDR_LEAST = 92 };
enum { ENT_FIRST = 32, ENT_LAST = 40 };

static uint32_t get32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

uint32_t part_crc32(const uint8_t *p, size_t n)
{
    static const uint32_t step[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = ~0u;
    while (n--) {
        crc ^= *p++;
        crc = crc >> 4 ^ step[crc & 15];
        crc = crc >> 4 ^ step[crc & 15];
    }
    return ~crc;
}

static unsigned unit(const struct disk *d)
{
    return d->logical > DISK_SECTOR ? d->logical / DISK_SECTOR : 1;
}

static uint64_t blocks(const struct disk *d)
{
    return d->sectors / unit(d);
}

/* Add a partition of n blocks at `first`, if it lies on the disk and on no other. */
static void add(struct part_list *list, const struct disk *d, unsigned number, uint64_t first, uint64_t n)
{
    if (list->n == PART_MAX || n == 0 || first == 0 || first >= blocks(d) || n > blocks(d) - first)
        return;
    uint64_t start = first * unit(d), sectors = n * unit(d);
    for (unsigned i = 0; i < list->n; i++)
        if (start < list->entry[i].start + list->entry[i].sectors && list->entry[i].start < start + sectors)
            return;
    list->entry[list->n++] = (struct part_entry){.number = number, .start = start, .sectors = sectors};
}

static bool is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0f || type == 0x85;
}

enum part_kind part_mbr(const uint8_t *sector, const struct disk *d, struct part_list *list, uint64_t *extended)
{
    *extended = 0;
    if (sector[510] != 0x55 || sector[511] != 0xaa)
        return PART_NONE;
    for (unsigned i = 0; i < MBR_ENTRIES; i++)
        if (sector[MBR_TABLE + 16 * i + 4] == TYPE_GPT)
            return PART_GPT;
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        const uint8_t *e = sector + MBR_TABLE + 16 * i;
        if ((e[0] & 0x7f) != 0) /* boot flag: 00h or 80h; anything else is no partition table */
            return PART_NONE;
    }
    for (unsigned i = 0; i < MBR_ENTRIES; i++) {
        const uint8_t *e = sector + MBR_TABLE + 16 * i;
        if (is_extended(e[4]) && !*extended)
            *extended = get32(e + 8);
        else if (e[4] && !is_extended(e[4]))
            add(list, d, i + 1, get32(e + 8), get32(e + 12));
    }
    return PART_MBR;
}

void part_ebr(const uint8_t *sector, const struct disk *d, uint64_t base, uint64_t at, unsigned number,
              struct part_list *list, uint64_t *next)
{
    const uint8_t *e = sector + MBR_TABLE, *link = e + 16;
    *next = 0;
    if (sector[510] != 0x55 || sector[511] != 0xaa)
        return;
    if (e[4] && !is_extended(e[4]))
        add(list, d, number, at + get32(e + 8), get32(e + 12));
    if (is_extended(link[4]) && get32(link + 8))
        *next = base + get32(link + 8);
}

const char *part_gpt_header(const uint8_t *block, const struct disk *d, uint64_t at, struct gpt *g)
{
    uint8_t copy[4096];
    uint32_t size = get32(block + HDR_SIZE);
    if (memcmp(block, "EFI PART", 8))
        return "no signature";
    if (get32(block + HDR_REVISION) >> 16 != 1)
        return "unknown revision";
    if (size < HDR_LEAST || size > sizeof(copy) || size > unit(d) * DISK_SECTOR)
        return "header size";
    memcpy(copy, block, size);
    memset(copy + HDR_CRC, 0, 4);
    if (part_crc32(copy, size) != get32(block + HDR_CRC))
        return "header CRC";
    if (get64(block + HDR_MY) != at)
        return "header is not where it says";
    g->first = get64(block + HDR_FIRST);
    g->last = get64(block + HDR_LAST);
    g->entries = get64(block + HDR_ENTRIES);
    g->count = get32(block + HDR_COUNT);
    g->size = get32(block + HDR_ENTRY_SIZE);
    g->crc = get32(block + HDR_ARRAY_CRC);
    if (g->first > g->last || g->last >= blocks(d))
        return "usable blocks are not on the disk";
    if (g->size < 128 || g->size & (g->size - 1) || g->size > PART_BUFFER || g->count == 0 ||
        g->count > PART_BUFFER / g->size)
        return "size of the entry array";
    uint64_t need = ((uint64_t)g->count * g->size + unit(d) * DISK_SECTOR - 1) / (unit(d) * DISK_SECTOR);
    if (g->entries < 2 || g->entries >= blocks(d) || need > blocks(d) - g->entries)
        return "entry array is not on the disk";
    return NULL;
}

const char *part_gpt_entries(const uint8_t *bytes, const struct disk *d, const struct gpt *g, struct part_list *list)
{
    static const uint8_t unused[16];
    if (part_crc32(bytes, (size_t)g->count * g->size) != g->crc)
        return "CRC of the entry array";
    for (uint32_t i = 0; i < g->count; i++) {
        const uint8_t *e = bytes + (size_t)i * g->size;
        uint64_t first = get64(e + ENT_FIRST), last = get64(e + ENT_LAST);
        if (memcmp(e, unused, sizeof(unused)) && first >= g->first && last <= g->last && first <= last)
            add(list, d, i + 1, first, last - first + 1);
    }
    return NULL;
}
