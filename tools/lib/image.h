/* SPDX-License-Identifier: MIT */
/*
 * Guest kernel images: a 64-bit x86 ELF with the note XEN_ELFNOTE_PHYS32_ENTRY, or a bzImage that holds one (XZ).
 * The file is hostile: every offset, size and address is checked against the file before it is used.
 */
#ifndef TOOLS_IMAGE_H
#define TOOLS_IMAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tools/lib/err.h"

#define IMAGE_MAX_SEGMENTS 16u
#define IMAGE_MAX_BYTES (512u << 20)

struct image_segment {
    uint64_t offset;    /* in data */
    uint64_t file_size; /* bytes taken from data */
    uint64_t paddr;     /* guest physical */
    uint64_t mem_size;  /* >= file_size; the rest is zero */
};

struct image {
    const uint8_t *data;
    size_t size;
    bool mapped; /* data is ours to munmap() */
    struct image_segment segment[IMAGE_MAX_SEGMENTS];
    unsigned nr_segments;
    uint64_t low, high; /* guest physical range of all segments, [low, high) */
    uint32_t entry;     /* guest physical, inside a segment */
};

/* A file mapped read-only. 0 or -1; name is used in messages. Empty files are refused. */
int file_map(const char *path, const char *what, const uint8_t **data, size_t *size, struct err *e);
void file_unmap(const uint8_t *data, size_t size);

/* Reads headers and notes of an ELF in memory; the data stay the caller's. 0 or -1. */
int image_parse_elf(const uint8_t *data, size_t size, struct image *image, struct err *e);
/* Finds the ELF inside a bzImage: 0 with *out mapped anonymously (munmap it), or -1. */
int image_unpack_bzimage(const uint8_t *data, size_t size, const uint8_t **out, size_t *out_size, struct err *e);
/* Opens a kernel file of either kind. image_close() it. */
int image_open(const char *path, struct image *image, struct err *e);
void image_close(struct image *image);
#endif
