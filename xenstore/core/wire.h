/* SPDX-License-Identifier: MIT */
/*
 * The wire's numbers: xen/io/xs_wire.h, and the operations that releases after the installed headers' have
 * (docs/misc/xenstore.txt of Xen 4.21: GET_FEATURE, SET_FEATURE, GET_QUOTA, SET_QUOTA, the depth of a watch).
 */
#ifndef XENSTORE_CORE_WIRE_H
#define XENSTORE_CORE_WIRE_H
#include <errno.h> /* before xs_wire.h: it names the errors then */
#include <stdint.h>
#include <xen/io/xs_wire.h>

enum {
    WIRE_GET_FEATURE = XS_DIRECTORY_PART + 1,
    WIRE_SET_FEATURE,
    WIRE_GET_QUOTA,
    WIRE_SET_QUOTA,
    WIRE_COUNT
};

#define WIRE_FEATURE_WATCH_DEPTH 4u
#define WIRE_FEATURES (XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR | WIRE_FEATURE_WATCH_DEPTH)
#endif
