/* SPDX-License-Identifier: MIT */
/*
 * xenstore's core as a small domain: the host it runs on is stubdoms/rt instead of Linux. Rings by grant and event channel; no sockets, no
 * state file, no live update (a domain that holds the registry would be restarted in place with its memory, which is not made yet).
 */
#ifndef STUBDOMS_XENSTORE_HOST_H
#define STUBDOMS_XENSTORE_HOST_H
#include "xenstore/core/store.h"

extern const struct host_ops rt_host;
#endif
