/* SPDX-License-Identifier: MIT */
/* bh's verbs on disks: block-attach, block-detach, block-list; see bh.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/bh/bh.h"

int verb_block_attach(struct handles *h, int argc, char **argv)
{
    char spec[1024] = "";
    struct disk_spec disk;
    uint32_t domid, backend;
    struct err e;
    for (int i = 2; i < argc; i++) { /* xl takes the fields as one argument or as several */
        if (strlen(spec) + strlen(argv[i]) + 2 > sizeof(spec))
            return complain("block-attach: the disk specification is too long");
        if (spec[0])
            strcat(spec, ",");
        strcat(spec, argv[i]);
    }
    if (need_domain(h, argv[1], &domid))
        return 1;
    if (disk_parse(spec, &disk, &e) || backend_find(h, disk.backend, &backend, &e) ||
        store_add_disk(h, domid, &disk, backend, &e)) {
        err_prefix(&e, "block-attach");
        return complain_err(&e);
    }
    char *back = store_backend(h, "vbd", domid, disk.devid);
    int rc = back && !store_wait_backend(h, back, BACKEND_WAIT_MS, &e) ? 0 : complain_err(&e);
    struct err ignored;
    if (rc)
        store_remove_device(h, "vbd", domid, disk.devid, 1000, true, &ignored);
    free(back);
    return rc;
}

int verb_block_detach(struct handles *h, int argc, char **argv)
{
    uint32_t domid, devid;
    struct err e;
    bool force = argc > 3;
    char *rest;
    if (force && strcmp(argv[3], "--force"))
        return usage("block-detach", "unexpected '%s'", argv[3]);
    if (need_domain(h, argv[1], &domid))
        return 1;
    if (disk_devid(argv[2], &devid)) {
        devid = (uint32_t)strtoul(argv[2], &rest, 10);
        if (*rest || rest == argv[2])
            return complain("block-detach: '%s' is not a virtual disk", argv[2]);
    }
    return store_remove_device(h, "vbd", domid, devid, 10000, force, &e) ? complain_err(&e) : 0;
}

static int list_disk(struct handles *h, uint32_t domid, const char *id)
{
    unsigned long state = 0, port = 0, ring = 0, backend = 0;
    char *back = store_read(h, "/local/domain/%u/device/vbd/%s/backend", domid, id);
    store_number(h, &backend, "/local/domain/%u/device/vbd/%s/backend-id", domid, id);
    store_number(h, &state, "/local/domain/%u/device/vbd/%s/state", domid, id);
    bool has_port = !store_number(h, &port, "/local/domain/%u/device/vbd/%s/event-channel", domid, id);
    bool has_ring = !store_number(h, &ring, "/local/domain/%u/device/vbd/%s/ring-ref", domid, id) ||
                    !store_number(h, &ring, "/local/domain/%u/device/vbd/%s/ring-ref0", domid, id);
    printf("%-5s %-3lu %-6u %-5lu %-6ld %-8ld %-30s\n", id, backend, domid, state, has_port ? (long)port : -1,
           has_ring ? (long)ring : -1, back ? back : "");
    free(back);
    return 0;
}

int verb_block_list(struct handles *h, int argc, char **argv)
{
    printf("%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE", "handle", "state", "evt-ch", "ring-ref", "BE-path");
    return each_device(h, argc, argv, "vbd", list_disk);
}
