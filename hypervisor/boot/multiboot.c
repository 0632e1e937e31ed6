/* SPDX-License-Identifier: MIT */
/*
 * The loader's information, multiboot 1 (0.6.96 section 3.3) and 2 (2.0 section 3.6), copied into boot_info before any memory is
 * given out: RAM ranges, our command line, the modules.
 */
#include "boot/boot.h"
#include "lib/log.h"
#include "lib/string.h"

struct boot_info boot_info;

struct mb1_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};
struct mb1_module { uint32_t start, end, cmdline, pad; };
struct mb1_mmap { uint32_t size; uint64_t base, length; uint32_t type; } __attribute__((packed));
struct mb2_tag { uint32_t type, size; };
struct mb2_mmap_entry { uint64_t base, length; uint32_t type, pad; };

static const void *at(uint64_t p) { return mpa_to_virt(mpa(p)); }

static void add_ram(uint64_t base, uint64_t len)
{
    uint64_t start = (base + PAGE_SIZE - 1) & PAGE_MASK, end = (base + len) & PAGE_MASK;
    if (base + len < base || end <= start || boot_info.nr_ram == ARRAY_SIZE(boot_info.ram))
        return;
    boot_info.ram[boot_info.nr_ram++] = (struct mem_range){start, end};
}

static void add_module(uint64_t start, uint64_t end, const char *cmdline)
{
    if (boot_info.nr_modules == ARRAY_SIZE(boot_info.module) || end < start)
        return;
    struct boot_module *m = &boot_info.module[boot_info.nr_modules++];
    m->start = mpa(start);
    m->size = end - start;
    strlcpy(m->cmdline, cmdline, sizeof(m->cmdline));
}

/* QEMU and GRUB 1 put the file's name before our options; options have '=' or are known words, so a leading path is dropped. */
static void set_cmdline(const char *s)
{
    while (*s == ' ')
        s++;
    const char *space = strchr(s, ' ');
    const char *slash = strchr(s, '/'), *equals = strchr(s, '=');
    if (slash && (!space || slash < space) && (!equals || slash < equals))
        s = space ? space + 1 : "";
    strlcpy(boot_info.cmdline, s, sizeof(boot_info.cmdline));
}

static void parse1(const struct mb1_info *i)
{
    if (i->flags & BIT(2))
        set_cmdline(at(i->cmdline));
    if (i->flags & BIT(3)) {
        const struct mb1_module *m = at(i->mods_addr);
        for (uint32_t n = 0; n < i->mods_count; n++)
            add_module(m[n].start, m[n].end, m[n].cmdline ? at(m[n].cmdline) : "");
    }
    if (i->flags & BIT(6)) {
        for (uint32_t off = 0; off < i->mmap_length;) {
            const struct mb1_mmap *e = at(i->mmap_addr + off);
            if (e->type == 1)
                add_ram(e->base, e->length);
            off += e->size + 4;
        }
    }
}

static void parse2_tag(const struct mb2_tag *t)
{
    const char *p = (const char *)t;
    switch (t->type) {
    case 1:
        set_cmdline(p + 8);
        break;
    case 3: {
        const uint32_t *m = (const void *)(p + 8);
        add_module(m[0], m[1], p + 16);
        break;
    }
    case 6: {
        const uint32_t esize = *(const uint32_t *)(p + 8);
        for (uint32_t off = 16; esize && off + esize <= t->size; off += esize) {
            const struct mb2_mmap_entry *e = (const void *)(p + off);
            if (e->type == 1)
                add_ram(e->base, e->length);
        }
        break;
    }
    case 14: case 15: /* copies of the RSDP, ACPI 1 and 2: the copy is good until memory is given out, so keep its address */
        if (t->type == 15 || !boot_info.rsdp)
            boot_info.rsdp = virt_to_mpa(p + 8).v;
        break;
    }
}

int multiboot_parse(uint32_t magic, mpa_t info)
{
    if (magic == 0x2badb002) {
        parse1(at(info.v));
        return 0;
    }
    if (magic != 0x36d76289)
        return -EINVAL;
    uint32_t total = *(const uint32_t *)at(info.v);
    for (uint32_t off = 8; off + 8 <= total;) {
        const struct mb2_tag *t = at(info.v + off);
        if (t->type == 0 || t->size < 8)
            break;
        parse2_tag(t);
        off += (t->size + 7) & ~7u;
    }
    return 0;
}

bool boot_option(const char *name, char *value, size_t n)
{
    size_t len = strlen(name);
    for (const char *p = boot_info.cmdline; *p;) {
        const char *end = strchr(p, ' ');
        size_t word = end ? (size_t)(end - p) : strlen(p);
        if (word >= len && strncmp(p, name, len) == 0 && (word == len || p[len] == '=')) {
            if (n) {
                size_t k = word == len ? 0 : MIN(word - len - 1, n - 1);
                memcpy(value, p + len + 1, k);
                value[k] = 0;
            }
            return true;
        }
        p += word;
        while (*p == ' ')
            p++;
    }
    return false;
}

uint64_t boot_option_u64(const char *name, uint64_t otherwise)
{
    char v[32];
    if (!boot_option(name, v, sizeof(v)))
        return otherwise;
    char *end;
    uint64_t r = strtoul(v, &end, 0);
    if (*end || end == v) {
        log_warn("option %s=%s: not a number, %lu is used", name, v, otherwise);
        return otherwise;
    }
    return r;
}
