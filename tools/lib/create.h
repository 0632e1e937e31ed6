/* SPDX-License-Identifier: MIT */
/* Whole domains: create from a configuration, destroy. Used by bh; bhd runs `bh create` for a rebuild. */
#ifndef TOOLS_CREATE_H
#define TOOLS_CREATE_H
#include "tools/lib/store.h"

#define BACKEND_WAIT_MS 10000u

/* Builds, registers and starts (unless paused) a domain. 0 with *domid, or -1 and nothing left behind. */
int dom_create(struct handles *h, const struct domcfg *cfg, bool paused, uint32_t *domid, struct err *e);
/* Destroys a domain and everything about it. 0 or -1. */
int dom_destroy(struct handles *h, uint32_t domid, struct err *e);
/* The domain that serves a device: "" is 0; a name or id is waited for. 0 or -1. */
int backend_find(struct handles *h, const char *backend, uint32_t *domid, struct err *e);
#endif
