/* SPDX-License-Identifier: MIT */
/*
 * Address types and small helpers. A frame number or address of one kind cannot be passed for another.
 * mfn/mpa: machine frame/address; gfn/gpa: guest frame/physical address.
 */
#ifndef LIB_TYPES_H
#define LIB_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/layout.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ull
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define ORDER_4K 0
#define ORDER_2M 9
#define ORDER_1G 18

typedef struct { uint64_t v; } mfn_t;
typedef struct { uint64_t v; } gfn_t;
typedef struct { uint64_t v; } mpa_t;
typedef struct { uint64_t v; } gpa_t;
#define MFN_NONE ((mfn_t){~0ull >> PAGE_SHIFT})
#define GFN_NONE ((gfn_t){~0ull >> PAGE_SHIFT})

static inline mfn_t mfn(uint64_t v) { return (mfn_t){v}; }
static inline gfn_t gfn(uint64_t v) { return (gfn_t){v}; }
static inline mpa_t mpa(uint64_t v) { return (mpa_t){v}; }
static inline gpa_t gpa(uint64_t v) { return (gpa_t){v}; }
static inline mpa_t mfn_to_mpa(mfn_t m) { return mpa(m.v << PAGE_SHIFT); }
static inline mfn_t mpa_to_mfn(mpa_t a) { return mfn(a.v >> PAGE_SHIFT); }
static inline gpa_t gfn_to_gpa(gfn_t g) { return gpa(g.v << PAGE_SHIFT); }
static inline gfn_t gpa_to_gfn(gpa_t a) { return gfn(a.v >> PAGE_SHIFT); }
static inline mfn_t mfn_add(mfn_t m, uint64_t n) { return mfn(m.v + n); }
static inline gfn_t gfn_add(gfn_t g, uint64_t n) { return gfn(g.v + n); }
static inline bool mfn_valid_value(mfn_t m) { return m.v != MFN_NONE.v; }

static inline void *mpa_to_virt(mpa_t a) { return (void *)(DIRECT_MAP + a.v); }
static inline void *mfn_to_virt(mfn_t m) { return mpa_to_virt(mfn_to_mpa(m)); }
/* For pointers into the direct map or the image. */
static inline mpa_t virt_to_mpa(const void *p)
{
    uint64_t v = (uint64_t)p;
    return mpa(v >= IMAGE_BASE ? v - IMAGE_BASE : v - DIRECT_MAP);
}
static inline mfn_t virt_to_mfn(const void *p) { return mpa_to_mfn(virt_to_mpa(p)); }

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define DIV_ROUND_UP(a, b) (((a) + (b) - 1) / (b))
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define BIT(n) (1ull << (n))

/* Xen's errno values, from its public header: used as negative return codes everywhere. */
#define XEN_ERRNO(name, value) name = value,
enum xen_errno {
#include <xen/errno.h>
    ERESTART = 85, /* ours alone, never seen by a guest: come again */
};
#endif
