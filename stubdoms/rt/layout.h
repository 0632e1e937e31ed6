/* SPDX-License-Identifier: MIT */
/*
 * Where rt puts things in the guest physical (= virtual) address space, and its selectors; for C and assembler.
 *   00000000h            not mapped: NULL faults
 *   00001000h-0000ffffh  left alone: room for real-mode trampolines
 *   00010000h-...        RAM: image at 1 MiB, everything else belongs to the page allocator
 *   fefc0000h            own grant table, up to 32 frames
 *   fefe0000h            shared info page
 *   feff8000h-...        the builder's special pages (store and console rings)
 *   64 GiB               the grant window: other domains' pages
 * MMIO windows are mapped where they are, when asked for.
 */
#ifndef RT_LAYOUT_H
#define RT_LAYOUT_H
#define RT_LOW_RESERVED 0x10000
#define RT_GRANT_TABLE 0xfefc0000
#define RT_SHARED_INFO 0xfefe0000
#define RT_WINDOW 0x1000000000
#define RT_WINDOW_PAGES 65536
#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS 0x18
#define RT_UPCALL_VECTOR 0x40
#define RT_SPURIOUS_VECTOR 0xff
#endif
