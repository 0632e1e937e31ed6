/* SPDX-License-Identifier: MIT */
/* tools/lib: kernel images within bounds, memory layout, start info, and the ACPI tables of bulkhead/pvh_acpi.h. */
#include <elf.h>
#include <lzma.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>
#include "bulkhead/pvh_acpi.h"
#include "tools/lib/layout.h"
#include "suite.h"

static struct err e;

struct note {
    uint32_t namesz, descsz, type;
    char name[4];
    uint32_t desc;
};

/* A kernel of two segments and a note; each test breaks one thing. */
static struct kernel {
    Elf64_Ehdr eh;
    Elf64_Phdr ph[3];
    struct note note;
    uint8_t text[512];
} k;

static void fresh(void)
{
    memset(&k, 0, sizeof(k));
    memcpy(k.eh.e_ident, ELFMAG, SELFMAG);
    k.eh.e_ident[EI_CLASS] = ELFCLASS64;
    k.eh.e_ident[EI_DATA] = ELFDATA2LSB;
    k.eh.e_type = ET_EXEC;
    k.eh.e_machine = EM_X86_64;
    k.eh.e_phoff = offsetof(struct kernel, ph);
    k.eh.e_phnum = 3;
    k.eh.e_phentsize = sizeof(Elf64_Phdr);
    k.ph[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = offsetof(struct kernel, text), .p_filesz = 256, .p_memsz = 8192,
                           .p_paddr = 0x100000};
    k.ph[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = offsetof(struct kernel, text) + 256, .p_filesz = 256, .p_memsz = 256,
                           .p_paddr = 0x200000};
    k.ph[2] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = offsetof(struct kernel, note), .p_filesz = sizeof(struct note)};
    k.note = (struct note){4, 4, 18, "Xen", 0x200010};
}

static int parse(struct image *image)
{
    e.text[0] = 0;
    return image_parse_elf((const uint8_t *)&k, sizeof(k), image, &e);
}

static void broken(const char *message)
{
    struct image image;
    CU_ASSERT_EQUAL(parse(&image), -1);
    if (!strstr(e.text, message))
        fprintf(stderr, "said '%s', wanted '%s'\n", e.text, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, message));
    fresh();
}

static void test_good_image(void)
{
    struct image image;
    fresh();
    CU_ASSERT_EQUAL_FATAL(parse(&image), 0);
    CU_ASSERT_EQUAL(image.nr_segments, 2);
    CU_ASSERT_EQUAL(image.low, 0x100000);
    CU_ASSERT_EQUAL(image.high, 0x200100);
    CU_ASSERT_EQUAL(image.entry, 0x200010);
    for (size_t n = 0; n < sizeof(k); n++) /* cut anywhere */
        image_parse_elf((const uint8_t *)&k, n, &image, &e);
}

static void test_broken_images(void)
{
    fresh();
    k.eh.e_ident[0] = 'x', broken("neither an ELF");
    k.eh.e_ident[EI_CLASS] = ELFCLASS32, broken("not a 64-bit x86");
    k.eh.e_machine = EM_386, broken("not a 64-bit x86");
    k.eh.e_type = ET_REL, broken("e_type");
    k.eh.e_phoff = sizeof(k), broken("program headers");
    k.eh.e_phoff = UINT64_MAX - 8, broken("program headers");
    k.eh.e_phnum = 0xffff, broken("program headers");
    k.eh.e_phentsize = 32, broken("program headers");
    k.ph[0].p_offset = sizeof(k), broken("beyond the file");
    k.ph[0].p_offset = UINT64_MAX - 10, broken("beyond the file");
    k.ph[0].p_filesz = UINT64_MAX, broken("beyond the file");
    k.ph[0].p_memsz = 128, broken("p_filesz is larger");
    k.ph[0].p_paddr = UINT64_MAX - 4096, broken("below 4 GiB");
    k.ph[0].p_memsz = 1ull << 33, broken("below 4 GiB");
    k.ph[2].p_offset = sizeof(k) - 4, broken("note segment reaches beyond");
    k.note.namesz = 0xffffffff, broken("malformed note");
    k.note.descsz = 0xfffffff0, broken("malformed note");
    k.note.descsz = 2, broken("malformed note");
    k.note.type = 5, broken("no note XEN_ELFNOTE_PHYS32_ENTRY");
    k.note.name[0] = 'Y', broken("no note XEN_ELFNOTE_PHYS32_ENTRY");
    k.note.desc = 0x300000, broken("lies in no loaded segment");
    k.note.desc = 0x101000, broken("lies in no loaded segment"); /* in memory, but not in the file */
    k.ph[0].p_type = k.ph[1].p_type = PT_NULL, broken("nothing to load");
}

static void test_bzimage(void)
{
    static uint8_t bz[8192];
    const uint8_t *out = NULL;
    size_t len = 0, size = 0;
    fresh();
    CU_ASSERT_EQUAL_FATAL(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, (const uint8_t *)&k, sizeof(k), bz + 1024, &len, 4096),
                          LZMA_OK);
    uint32_t n = sizeof(k), offset = 0, length = (uint32_t)len + 4;
    memcpy(bz + 1024 + len, &n, 4);
    bz[0x1f1] = 1; /* payload_offset counts from 1024 */
    memcpy(bz + 0x202, "HdrS", 4);
    bz[0x207] = 2;
    bz[0x206] = 0x0f;
    memcpy(bz + 0x248, &offset, 4);
    memcpy(bz + 0x24c, &length, 4);
    CU_ASSERT_EQUAL_FATAL(image_unpack_bzimage(bz, sizeof(bz), &out, &size, &e), 0);
    CU_ASSERT_EQUAL(size, sizeof(k));
    CU_ASSERT_EQUAL(memcmp(out, &k, sizeof(k)), 0);
    file_unmap(out, size);
    bz[1024 + len / 2] ^= 0x55;
    CU_ASSERT_EQUAL(image_unpack_bzimage(bz, sizeof(bz), &out, &size, &e), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "damaged"));
    length = 0xfffffff0;
    memcpy(bz + 0x24c, &length, 4);
    CU_ASSERT_EQUAL(image_unpack_bzimage(bz, sizeof(bz), &out, &size, &e), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "payload_offset"));
}

static void test_layout(void)
{
    struct image image;
    struct layout l;
    fresh();
    CU_ASSERT_EQUAL_FATAL(parse(&image), 0);
    CU_ASSERT_EQUAL_FATAL(layout_plan(&l, 16u << 20, &image, 5000, 30, 2, &e), 0);
    CU_ASSERT_EQUAL(l.low_end, 16u << 20);
    CU_ASSERT_TRUE(l.ramdisk >= image.high && l.info >= l.ramdisk + 5000 && l.acpi >= l.info + l.info_size);
    CU_ASSERT_EQUAL(l.ramdisk % 4096 + l.info % 4096 + l.acpi % 4096, 0);
    for (unsigned i = 1; i < l.nr_map; i++)
        CU_ASSERT_TRUE(l.map[i].addr >= l.map[i - 1].addr + l.map[i - 1].size);
    CU_ASSERT_EQUAL_FATAL(layout_plan(&l, 5ull << 30, &image, 0, 0, 1, &e), 0);
    CU_ASSERT_EQUAL(l.low_end, 3ull << 30);
    CU_ASSERT_EQUAL(l.high_end, 6ull << 30);
    CU_ASSERT_EQUAL(layout_plan(&l, 1u << 20, &image, 0, 0, 1, &e), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "memory: 1 MiB is too small, the kernel"));
    CU_ASSERT_EQUAL(layout_plan(&l, 16u << 20, &image, 15u << 20, 0, 1, &e), -1);
    CU_ASSERT_EQUAL(layout_plan(&l, 16u << 20, &image, UINT64_MAX - 10, 0, 1, &e), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "ramdisk"));
}

static void test_start_info(void)
{
    struct image image;
    struct layout l;
    fresh();
    CU_ASSERT_EQUAL_FATAL(parse(&image), 0);
    CU_ASSERT_EQUAL_FATAL(layout_plan(&l, 16u << 20, &image, 5000, 11, 2, &e), 0);
    uint8_t *b = malloc(l.info_size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    layout_start_info(&l, b, "console=hvc", 0x1234);
    const struct hvm_start_info *si = (const void *)b;
    CU_ASSERT_EQUAL(si->magic, XEN_HVM_START_MAGIC_VALUE);
    CU_ASSERT_EQUAL(si->version, 1);
    CU_ASSERT_EQUAL(si->rsdp_paddr, 0x1234);
    CU_ASSERT_STRING_EQUAL((char *)b + (si->cmdline_paddr - l.info), "console=hvc");
    const struct hvm_modlist_entry *m = (const void *)(b + (si->modlist_paddr - l.info));
    CU_ASSERT_EQUAL(si->nr_modules, 1);
    CU_ASSERT_EQUAL(m->paddr, l.ramdisk);
    CU_ASSERT_EQUAL(m->size, 5000);
    const struct hvm_memmap_table_entry *map = (const void *)(b + (si->memmap_paddr - l.info));
    CU_ASSERT_EQUAL(si->memmap_entries, l.nr_map);
    CU_ASSERT_EQUAL(map[1].type, XEN_HVM_MEMMAP_TYPE_ACPI);
    CU_ASSERT_EQUAL(map[1].addr, l.acpi);
    free(b);
}

static uint8_t sum(const uint8_t *p, unsigned n)
{
    uint8_t s = 0;
    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

static const uint8_t *table(const uint8_t *buf, uint64_t gpa, uint64_t at, const char *signature)
{
    const struct pvh_acpi_header *h = (const void *)(buf + (at - gpa));
    CU_ASSERT_EQUAL(memcmp(h->signature, signature, 4), 0);
    CU_ASSERT_EQUAL(sum((const uint8_t *)h, h->length), 0);
    return (const uint8_t *)h;
}

static void test_acpi(void)
{
    enum { GPA = 0x7f000, VCPUS = 200 };
    static uint8_t buf[PVH_ACPI_SIZE(VCPUS)];
    uint64_t rsdp = pvh_acpi_build(buf, GPA, sizeof(buf), VCPUS);
    CU_ASSERT_EQUAL_FATAL(rsdp, GPA);
    const struct pvh_acpi_rsdp *r = (const void *)buf;
    CU_ASSERT_EQUAL(memcmp(r->signature, "RSD PTR ", 8), 0);
    CU_ASSERT_EQUAL(sum(buf, 20), 0);
    CU_ASSERT_EQUAL(sum(buf, 36), 0);
    const struct pvh_acpi_xsdt *x = (const void *)table(buf, GPA, r->xsdt, "XSDT");
    const struct pvh_acpi_fadt *f = (const void *)table(buf, GPA, x->entry[0], "FACP");
    CU_ASSERT_EQUAL(f->flags & (1u << 20), 1u << 20);
    table(buf, GPA, f->x_dsdt, "DSDT");
    const struct pvh_acpi_madt *m = (const void *)table(buf, GPA, x->entry[1], "APIC");
    const uint8_t *p = (const uint8_t *)(m + 1), *end = (const uint8_t *)m + m->h.length;
    unsigned n = 0;
    for (; p < end; p += p[1], n++) {
        uint32_t id = p[0] ? *(const uint32_t *)(const void *)(p + 4) : p[3];
        CU_ASSERT_EQUAL(id, 2 * n);
        CU_ASSERT_EQUAL(p[0], n <= 127 ? 0 : 9);
    }
    CU_ASSERT_EQUAL(n, VCPUS);
    CU_ASSERT_TRUE(p == end && p <= buf + sizeof(buf));
    CU_ASSERT_EQUAL(pvh_acpi_build(buf, GPA, sizeof(buf) - 1, VCPUS), 0);
    CU_ASSERT_EQUAL(pvh_acpi_build(buf, GPA + 1, sizeof(buf), VCPUS), 0);
    CU_ASSERT_EQUAL(pvh_acpi_build(buf, GPA, sizeof(buf), 0), 0);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a good image, and cut short", test_good_image},
        {"broken images", test_broken_images},
        {"bzImage", test_bzimage},
        {"memory layout", test_layout},
        {"start info", test_start_info},
        {"ACPI tables", test_acpi},
        CU_TEST_INFO_NULL,
    };
    return suite_run("tools builder", NULL, tests);
}
