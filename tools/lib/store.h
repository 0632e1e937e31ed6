/* SPDX-License-Identifier: MIT */
/*
 * The registry as the toolstack writes it (docs/interfaces.md, "xenstore layout"; the layout is libxl's).
 * Every function that writes more than one node does it in one transaction with the right permissions.
 */
#ifndef TOOLS_STORE_H
#define TOOLS_STORE_H
#include "tools/lib/build.h"

/* Reads a node as text, NULL if absent; to free(). */
char *store_read(struct handles *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reads a decimal number: 0, or -1 if absent or not a number. */
int store_number(struct handles *h, unsigned long *n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Writes one node outside a transaction. 0 or -1. */
int store_write(struct handles *h, const char *path, const char *value);
int store_rm(struct handles *h, const char *path);

/* The domain's own nodes and its policy below /tool/bh/DOMID. */
int store_domain(struct handles *h, const struct domcfg *cfg, const struct built *b, struct err *e);
int store_introduce(struct handles *h, const struct built *b, struct err *e);
int store_add_disk(struct handles *h, uint32_t domid, const struct disk_spec *disk, uint32_t backend, struct err *e);
int store_add_vif(struct handles *h, uint32_t domid, unsigned devid, const struct vif_spec *vif, uint32_t backend,
                  struct err *e);
/* A pciif front and back for n functions, backend in domain 0. */
int store_add_pci(struct handles *h, uint32_t domid, const uint32_t *sbdf, unsigned n, struct err *e);

/* Waits until the backend of a device (its directory path) has reached at least InitWait, at most ms milliseconds.
 * -1 with the backend's own `error` node in e if it gave up. */
int store_wait_backend(struct handles *h, const char *back, unsigned ms, struct err *e);
/* Backend's directory of a front device, NULL if there is none; to free(). kind: "vbd", "vif", "pci". */
char *store_backend(struct handles *h, const char *kind, uint32_t domid, uint32_t devid);
/* Detaches one device: asks the backend to close, waits at most ms, removes both directories.
 * force: remove even if the backend does not answer; else -1 then. */
int store_remove_device(struct handles *h, const char *kind, uint32_t domid, uint32_t devid, unsigned ms, bool force,
                        struct err *e);
/* Gives a domain another name, which is free. 0 or -1 with errno. */
int store_rename(struct handles *h, uint32_t domid, const char *name);
/* Removes a dead domain's devices and nodes, and tells xenstored that it is gone. */
void store_forget(struct handles *h, uint32_t domid);
#endif
