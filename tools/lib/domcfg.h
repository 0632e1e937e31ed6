/* SPDX-License-Identifier: MIT */
/*
 * A domain's configuration, checked: what a .cfg file says, as typed fields with xl's defaults.
 * Keys and defaults: docs/toolstack.md. A bad value is refused with file, line and key; unknown keys only warn.
 */
#ifndef TOOLS_DOMCFG_H
#define TOOLS_DOMCFG_H
#include <stdbool.h>
#include <stdint.h>
#include "tools/lib/cfg.h"
#include "tools/lib/devspec.h"

#define DOMCFG_MAX_DISKS 32
#define DOMCFG_MAX_VIFS 16
#define DOMCFG_MAX_PCI 16
#define DOMCFG_MAX_VCPUS 128
#define DOMCFG_MAX_PATH 1024

enum dom_action { ACT_DESTROY, ACT_RESTART, ACT_PRESERVE };

struct domcfg {
    char file[DOMCFG_MAX_PATH]; /* absolute path of the .cfg */
    char name[64];
    uint8_t uuid[16];
    char kernel[DOMCFG_MAX_PATH];
    char ramdisk[DOMCFG_MAX_PATH]; /* "" = none */
    char cmdline[2048];
    uint64_t memory_kib;    /* what it gets */
    uint64_t maxmem_kib;    /* what it may grow to */
    unsigned vcpus;
    unsigned weight;        /* 0 = default */
    unsigned cap;           /* percent of one CPU; 0 = none */
    uint8_t cpus[32];       /* affinity bitmap of physical CPUs 0..255 */
    bool has_cpus;
    uint8_t cpus_soft[32];  /* of those the ones it prefers */
    bool has_cpus_soft;
    bool driver_domain;
    enum dom_action on_poweroff, on_reboot, on_crash, on_watchdog;
    struct disk_spec disks[DOMCFG_MAX_DISKS];
    unsigned nr_disks;
    struct vif_spec vifs[DOMCFG_MAX_VIFS];
    unsigned nr_vifs;
    struct pci_spec pci[DOMCFG_MAX_PCI];
    unsigned nr_pci;
};

/* Fills d from cfg; path is the file's own path (relative names in it are relative to its directory).
 * warn(text) is called for each unknown key. 0 or -1. */
int domcfg_read(struct cfg *cfg, const char *path, struct domcfg *d, void (*warn)(const char *text), struct err *e);
const char *dom_action_name(enum dom_action a);
/* 0, or -1 for a word that is none. */
int dom_action_parse(const char *text, enum dom_action *a);
/* A list of CPUs as xl writes it ("0-3,^2" or "all") into a bitmap of 256. 0 or -1. */
int cpus_parse(const char *text, uint8_t map[32], struct err *e);
/* 8-4-4-4-12 hex digits. 0 or -1 */
int uuid_parse(const char *text, uint8_t uuid[16]);
void uuid_format(const uint8_t uuid[16], char text[37]);
#endif
