/* SPDX-License-Identifier: MIT */
/*
 * Device specifications as xl writes them in disk = [...], vif = [...] and pci = [...].
 *
 * disk: "key=value,flag,..." with vdev=, target=, backend=, backendtype=, format=, access=r|ro|w|rw, discard, no-discard,
 *       devtype=disk|cdrom; or positional "target,format,vdev,access" as xl takes it (empty fields allowed).
 * vif:  "mac=..,bridge=..,backend=..,isolated=0|1,rate=10Mb/s@50ms,vlan=1..4094,ip=ADDRESS [ADDRESS]..,model=..,type=..,script=..,
 *       vifname=.."; the last four are for other hosts and ignored
 * pci:  "[SSSS:]BB:DD.F[,option...]"
 * Errors name the field. No allocation.
 */
#ifndef TOOLS_DEVSPEC_H
#define TOOLS_DEVSPEC_H
#include <stdbool.h>
#include <stdint.h>
#include "tools/lib/err.h"

struct disk_spec {
    char vdev[32];     /* xvda, xvda1, sda, hda, d0p1 */
    char target[256];  /* what the backend calls the disk: nvme0n1, nvme0n1p1 */
    char backend[64];  /* domain name or id; "" = domain 0 */
    uint32_t devid;    /* number of the virtual device in xenstore */
    bool readonly;
    bool cdrom;
    bool no_discard;
};

struct vif_spec {
    char backend[64];
    char bridge[32];
    uint8_t mac[6];
    bool has_mac;
    bool isolated;     /* from other isolated ones */
    unsigned vlan;     /* 0 = none */
    uint32_t rate_bytes, rate_us; /* so many bytes in each interval; 0 = no limit */
    char ip[160];      /* addresses it may send from, separated by blanks; "" = any */
};

/* 0, or -1 with the field named in e. */
int disk_parse(const char *text, struct disk_spec *disk, struct err *e);
/* Number of a virtual disk name (xen-vbd-interface numbering): 0, or -1 if the name is not one. */
int disk_devid(const char *vdev, uint32_t *devid);
/* The name of a number of that scheme, for lists; writes "?" for numbers of no known name. */
void disk_vdev_name(uint32_t devid, char *name, unsigned size);
int vif_parse(const char *text, struct vif_spec *vif, struct err *e);
/* An address of Xen's range (00:16:3e) where none was given. */
int vif_complete(struct vif_spec *vif, struct err *e);
#define PCI_VFS_MAX 64u
/* A PCI function and what is wanted of it. */
struct pci_spec {
    uint32_t sbdf; /* segment << 16 | bus << 8 | devfn */
    bool unsafe;   /* without DMA or interrupt remapping too */
    unsigned vfs;  /* virtual functions to enable */
};
/* Anything after a comma is an option: "permissive=0", "unsafe" and "vfs=N" are known. */
int pci_parse(const char *text, struct pci_spec *pci, struct err *e);
void sbdf_format(uint32_t sbdf, char text[16]);
#endif
