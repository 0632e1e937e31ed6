/* SPDX-License-Identifier: MIT */
/* Host tests: machine memory is an array of the test's, at machine address 0. */
#ifndef LIB_LAYOUT_H
#define LIB_LAYOUT_H
extern char *fake_ram;
#define DIRECT_MAP ((uint64_t)fake_ram)
#define IMAGE_BASE 0xffffffff80000000ull
#endif
