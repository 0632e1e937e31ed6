/* SPDX-License-Identifier: MIT */
/* Where the hypervisor's address space keeps things: all machine memory at DIRECT_MAP, the image at IMAGE_BASE + its
 * physical address. (Unit tests on the host bring a layout.h of their own.) */
#ifndef LIB_LAYOUT_H
#define LIB_LAYOUT_H
#define DIRECT_MAP 0xffff800000000000ull
#define IMAGE_BASE 0xffffffff80000000ull
#endif
