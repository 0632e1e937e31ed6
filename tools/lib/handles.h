/* SPDX-License-Identifier: MIT */
/*
 * Open handles to the hypervisor and the registry, and the extension hypercall (bulkhead/ext.h).
 */
#ifndef TOOLS_HANDLES_H
#define TOOLS_HANDLES_H
#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>
#include <xencall.h>
#include <xenforeignmemory.h>
#include <xenstore.h>
#include "bulkhead/ext.h"
#include "tools/lib/err.h"

struct handles {
    xc_interface *xc;
    xencall_handle *call;
    xenforeignmemory_handle *mem;
    struct xs_handle *xs; /* NULL until handles_store() */
    struct bh_op *op;     /* hypercall-safe memory */
};

int handles_open(struct handles *h, struct err *e);  /* the hypervisor; 0 or -1 */
int handles_store(struct handles *h, struct err *e); /* connects to xenstored as well; 0 or -1 */
void handles_close(struct handles *h);

/* BH_OP_*: 0 or -1 with errno set. h->op->u holds IN before and OUT after; bh_start() clears it first. */
struct bh_op *bh_start(struct handles *h, uint32_t domid);
int bh_call(struct handles *h, unsigned cmd);
/* The same operation, without arguments. On success h->op->u.info is what the hypervisor gave back. */
int bh_simple(struct handles *h, unsigned cmd, uint32_t domid);

/* The registry's index of names, written with a domain's other nodes by whoever makes, renames or forgets it (store.h): NAME_NODE bytes. */
#define NAME_NODE 224
void name_node(const char *name, char node[NAME_NODE]);
/* Domain by name, through that index: as quick with a thousand domains as with one. 0 or -1. */
int domain_named(struct handles *h, const char *name, uint32_t *domid);
/* Domain by number or by name, also one that other tools have made (then every name is read). 0 or -1: "no domain called ...". */
int domain_find(struct handles *h, const char *who, uint32_t *domid, struct err *e);
/* Information about exactly this domain; 0 or -1 (ESRCH). */
int domain_info(struct handles *h, uint32_t domid, xc_domaininfo_t *info);
/* Name of a domain, "" if none; to free(). */
char *domain_name(struct handles *h, uint32_t domid);
#endif
