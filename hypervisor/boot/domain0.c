/* SPDX-License-Identifier: MIT */
/*
 * The first domain, the control domain: a PVH guest from the loader's modules (ELF kernel with XEN_ELFNOTE_PHYS32_ENTRY, initramfs),
 * laid out as docs/interfaces.md says. The modules come from whoever boots the machine, yet every offset in them is checked.
 */
#include <bulkhead/pvh_acpi.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/domctl.h>
#include <xen/elfnote.h>
#include "boot/boot.h"
#include "dom/domain.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/string.h"

#define INFO_BYTES 0x10000ull /* at the top of RAM: start info, command line, memory map, ACPI tables */
#define RAM_LOW_END 0xc0000000ull

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment { uint32_t type, flags; uint64_t offset, vaddr, paddr, filesz, memsz, align; };
struct elf_note { uint32_t namesz, descsz, type; };
#define ELF_LOAD 1
#define ELF_NOTE 4
#define ELF_X86_64 62

static bool inside(uint64_t off, uint64_t len, uint64_t size) { return off <= size && len <= size - off; }

static uint32_t find_entry(const char *note, uint64_t size)
{
    for (uint64_t off = 0; inside(off, sizeof(struct elf_note), size);) {
        const struct elf_note *n = (const void *)(note + off);
        uint64_t name = off + sizeof(*n), desc = name + ((n->namesz + 3ull) & ~3ull);
        if (!inside(desc, n->descsz, size))
            return 0;
        if (n->type == XEN_ELFNOTE_PHYS32_ENTRY && n->namesz == 4 && memcmp(note + name, "Xen", 4) == 0 && n->descsz >= 4)
            return *(const uint32_t *)(note + desc);
        off = desc + ((n->descsz + 3ull) & ~3ull);
    }
    return 0;
}

/* Returns the PVH entry point, 0 for an image that is not one; *end = first byte behind the kernel. */
static uint32_t load_kernel(struct domain *d, const char *image, uint64_t size, uint64_t ram, uint64_t *end)
{
    const struct elf_header *h = (const void *)image;
    uint32_t entry = 0;
    *end = 0;
    if (size < sizeof(*h) || memcmp(h->ident, "\177ELF\2\1", 6) != 0 || h->machine != ELF_X86_64 ||
        h->phentsize != sizeof(struct elf_segment) || !inside(h->phoff, h->phnum * sizeof(struct elf_segment), size)) {
        log_error("control domain: module 0 is not an x86-64 ELF file; give an uncompressed vmlinux");
        return 0;
    }
    const struct elf_segment *s = (const void *)(image + h->phoff);
    for (unsigned i = 0; i < h->phnum; i++) {
        if (!inside(s[i].offset, s[i].filesz, size))
            return 0;
        if (s[i].type == ELF_NOTE && !entry)
            entry = find_entry(image + s[i].offset, s[i].filesz);
        if (s[i].type != ELF_LOAD || !s[i].memsz)
            continue;
        if (s[i].filesz > s[i].memsz || !inside(s[i].paddr, s[i].memsz, ram)) {
            log_error("control domain: segment %u (%lx, %lu KiB) does not fit in %lu MiB; raise control_mem", i, s[i].paddr,
                      s[i].memsz >> 10, ram >> 20);
            return 0;
        }
        if (p2m_write(&d->p2m, gpa(s[i].paddr), image + s[i].offset, s[i].filesz))
            return 0;
        *end = MAX(*end, s[i].paddr + s[i].memsz);
    }
    if (!entry)
        log_error("control domain: the kernel has no PVH entry note (CONFIG_PVH)");
    return entry;
}

static int populate(struct domain *d, uint64_t bytes)
{
    uint64_t pages = bytes >> PAGE_SHIFT;
    for (uint64_t g = 0; g < pages;) {
        unsigned order = !(g & 511) && pages - g >= 512 ? ORDER_2M : ORDER_4K;
        mfn_t m = frame_alloc_owned(&d->mem, order);
        if (!mfn_valid_value(m) && order)
            m = frame_alloc_owned(&d->mem, order = ORDER_4K);
        if (!mfn_valid_value(m))
            return -ENOMEM;
        int r = p2m_add(&d->p2m, gfn(g), m, order, P2M_RAM);
        if (r)
            return r;
        g += 1ull << order;
    }
    return 0;
}

struct info_page {
    struct hvm_start_info start;
    struct hvm_modlist_entry module;
    struct hvm_memmap_table_entry map[4];
    char cmdline[1024];
    char module_cmdline[1024];
};

/* Fills the info block that ends RAM; returns the guest address of the start info. */
static int write_info(struct domain *d, uint64_t ram, uint64_t initrd, unsigned vcpus, uint32_t *start_info)
{
    uint64_t base = ram - INFO_BYTES, acpi = base + 0x2000;
    char *buf = heap_alloc(INFO_BYTES);
    if (!buf)
        return -ENOMEM;
    struct info_page *p = (struct info_page *)buf;
    const struct boot_module *rd = &boot_info.module[1];
    p->start = (struct hvm_start_info){
        .magic = XEN_HVM_START_MAGIC_VALUE,
        .version = 1,
        .flags = SIF_INITDOMAIN | SIF_PRIVILEGED,
        .nr_modules = boot_info.nr_modules > 1,
        .modlist_paddr = base + offsetof(struct info_page, module),
        .cmdline_paddr = base + offsetof(struct info_page, cmdline),
        .rsdp_paddr = pvh_acpi_build(buf + 0x2000, acpi, INFO_BYTES - 0x2000, vcpus),
        .memmap_paddr = base + offsetof(struct info_page, map),
        .memmap_entries = 3,
    };
    p->module = (struct hvm_modlist_entry){initrd, rd->size, base + offsetof(struct info_page, module_cmdline), 0};
    p->map[0] = (struct hvm_memmap_table_entry){0, base, XEN_HVM_MEMMAP_TYPE_RAM, 0};
    p->map[1] = (struct hvm_memmap_table_entry){base, INFO_BYTES, XEN_HVM_MEMMAP_TYPE_ACPI, 0};
    p->map[2] = (struct hvm_memmap_table_entry){0xfee00000, 0x1000, XEN_HVM_MEMMAP_TYPE_RESERVED, 0};
    for (unsigned i = 0; i < 3; i++)
        d->memmap.e[i] = (struct memmap_entry){p->map[i].addr, p->map[i].size, p->map[i].type};
    d->memmap.n = 3;
    /* The loader may have put the file's name before the command line. */
    const char *line = boot_info.module[0].cmdline, *space = strchr(line, ' ');
    strlcpy(p->cmdline, space ? space + 1 : line[0] == '/' ? "" : line, sizeof(p->cmdline));
    int r = p->start.rsdp_paddr ? p2m_write(&d->p2m, gpa(base), buf, INFO_BYTES) : -ENOSPC;
    heap_free(buf);
    *start_info = (uint32_t)base;
    return r;
}

static void release_modules(void)
{
    for (unsigned i = 0; i < boot_info.nr_modules; i++)
        frames_give(boot_info.module[i].start.v, boot_info.module[i].start.v + boot_info.module[i].size);
}

static int create(uint64_t ram, unsigned vcpus, struct domain **out)
{
    int r = domain_create(0, XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap, vcpus, -1, -1, out);
    if (r)
        return r;
    (*out)->roles = BH_ROLE_CONTROL | BH_ROLE_PCI | BH_ROLE_XENSTORE | BH_ROLE_CONSOLE;
    (*out)->mem.max_pages = ram >> PAGE_SHIFT;
    p2m_expect(&(*out)->p2m, frames_total()); /* it may map any page of any domain */
    for (unsigned i = 0; i < vcpus && r == 0; i++)
        r = vcpu_create(*out, i);
    return r ? r : populate(*out, ram);
}

int domain0_build(void)
{
    uint64_t ram = boot_option_u64("control_mem", 256) << 20, end;
    control_linger_s = (unsigned)boot_option_u64("control_linger", 0);
    unsigned vcpus = (unsigned)boot_option_u64("control_vcpus", MIN(bits_set(sched_online), 4u));
    struct domain *d;
    if (!boot_info.nr_modules) {
        log_error("no modules: give the control domain's kernel as module 0 and its initramfs as module 1");
        return -ENOENT;
    }
    if (ram < (16ull << 20) || ram > RAM_LOW_END || vcpus < 1 || vcpus > MAX_VCPUS) {
        log_error("control_mem=%lu MiB must be 16 to 3072, control_vcpus=%u must be 1 to %u", ram >> 20, vcpus, MAX_VCPUS);
        return -EINVAL;
    }
    const struct boot_module *k = &boot_info.module[0], *rd = &boot_info.module[1];
    uint64_t initrd_bytes = boot_info.nr_modules > 1 ? rd->size : 0, initrd = (ram - INFO_BYTES - initrd_bytes) & PAGE_MASK;
    log_info("control domain: kernel %lu KiB, initramfs %lu KiB, %lu MiB of memory, %u vCPUs", k->size >> 10, initrd_bytes >> 10,
             ram >> 20, vcpus);
    int r = create(ram, vcpus, &d);
    if (r)
        return r;
    uint32_t entry = load_kernel(d, mpa_to_virt(k->start), k->size, ram, &end), start_info;
    if (!entry)
        return -ENOEXEC;
    if (initrd_bytes + INFO_BYTES > ram || end > initrd) {
        log_error("control domain: kernel and initramfs do not fit in %lu MiB; raise control_mem", ram >> 20);
        return -ENOSPC;
    }
    if (initrd_bytes && p2m_write(&d->p2m, gpa(initrd), mpa_to_virt(rd->start), initrd_bytes))
        return -EFAULT;
    r = write_info(d, ram, initrd, vcpus, &start_info);
    if (r)
        return r;
    release_modules();
    struct vcpu *v = d->vcpu[0];
    hvcpu_state_pvh(&v->hv, entry, start_info);
    v->initialised = true;
    sched_set_down(&v->sched, false);
    domain0 = d;
    d->ever_ran = true;
    d->started_ns = now_ns();
    log_info("control domain starts");
    d->ctl_pause = 0;
    domain_unpause(d);
    return 0;
}
