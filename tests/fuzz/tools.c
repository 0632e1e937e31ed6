/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for what the toolstack parses: the first byte chooses (configuration file, disk, network and PCI specifications,
 * kernel image), the rest is the input. Nothing may crash, hang or leak, and every refusal must say something.
 * With clang: make build/fuzz/tools. Short runs are part of `make test` (tests/unit/tools_fuzz_test.c).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/domcfg.h"
#include "tools/lib/image.h"
#include "tools/lib/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_say(int rc, const struct err *e)
{
    if (rc && !e->text[0])
        __builtin_trap();
}

static void fuzz_config(const uint8_t *data, size_t size)
{
    static struct domcfg d;
    struct err e = {""};
    struct cfg *cfg = cfg_parse((const char *)data, size, "fuzz.cfg", &e);
    if (!cfg) {
        must_say(-1, &e);
        return;
    }
    must_say(domcfg_read(cfg, "/tmp/fuzz.cfg", &d, NULL, &e), &e);
    cfg_free(cfg);
}

static void fuzz_spec(uint8_t what, const uint8_t *data, size_t size)
{
    struct disk_spec disk;
    struct vif_spec vif;
    struct pci_spec pci;
    char name[40];
    uint8_t map[32];
    struct err e = {""};
    char *text = malloc(size + 1);
    if (!text)
        return;
    memcpy(text, data, size);
    text[size] = 0;
    switch (what) {
    case 0:
        if (!disk_parse(text, &disk, &e))
            disk_vdev_name(disk.devid, name, sizeof(name));
        else
            must_say(-1, &e);
        break;
    case 1: must_say(vif_parse(text, &vif, &e), &e); break;
    case 2: must_say(pci_parse(text, &pci, &e), &e); break;
    default: must_say(cpus_parse(text, map, &e), &e); break;
    }
    free(text);
}

/* An image that parses must be usable: every byte that a load would touch is inside the file. */
static void fuzz_image(const uint8_t *data, size_t size)
{
    struct image image;
    struct layout l;
    struct err e = {""};
    volatile uint8_t sum = 0;
    if (image_parse_elf(data, size, &image, &e)) {
        must_say(-1, &e);
        return;
    }
    for (unsigned i = 0; i < image.nr_segments; i++)
        if (image.segment[i].file_size)
            sum = (uint8_t)(data[image.segment[i].offset] + data[image.segment[i].offset + image.segment[i].file_size - 1]);
    (void)sum;
    must_say(layout_plan(&l, 64u << 20, &image, size, 100, 1, &e), &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *out;
    size_t out_size;
    struct err e = {""};
    if (!size)
        return 0;
    switch (data[0] % 7) {
    case 0: fuzz_config(data + 1, size - 1); break;
    case 1: fuzz_image(data + 1, size - 1); break;
    case 2:
        if (!image_unpack_bzimage(data + 1, size - 1, &out, &out_size, &e))
            file_unmap(out, out_size);
        else
            must_say(-1, &e);
        break;
    default: fuzz_spec((uint8_t)(data[0] % 7 - 3), data + 1, size - 1); break;
    }
    return 0;
}
