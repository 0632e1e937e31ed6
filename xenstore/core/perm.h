/* SPDX-License-Identifier: MIT */
/*
 * Who may do what with a node. A list's first entry names the owner, who may do everything, and what every domain without
 * an entry of its own may do; further entries are for one domain each. Lists are immutable and shared by counting.
 * On the wire: a letter n (none), r, w, b (both) and the domain id, "n0" "r5".
 */
#ifndef XENSTORE_CORE_PERM_H
#define XENSTORE_CORE_PERM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCESS_READ 1u
#define ACCESS_WRITE 2u
#define ACCESS_OWNER 4u
#define ACCESS_ALL 7u
#define DOMID_LIMIT 0x7ff0u /* ids of real domains are below (DOMID_FIRST_RESERVED) */
#define NO_TARGET 0xffffu

/* The domain that asks. Domain 0 is privileged; a stub domain also has its target's rights. */
struct actor {
    uint16_t domid;
    uint16_t target; /* or NO_TARGET */
};

struct perm {
    uint16_t domid;
    uint16_t access;
};

struct perms {
    uint32_t ref;
    uint32_t n;
    struct perm p[];
};

static inline bool actor_privileged(const struct actor *a)
{
    return a->domid == 0;
}

/* A list of `n` >= 1 entries, one reference; NULL without memory. */
struct perms *perms_new(uint32_t n);
struct perms *perms_get(struct perms *p);
void perms_put(struct perms *p);
/* What `a` may do with a node of these permissions: ACCESS_* bits. */
unsigned perms_access(const struct perms *p, const struct actor *a);
/* What a new node below one with `parent` gets when `a` makes it: the same, but an unprivileged maker owns it. */
struct perms *perms_inherit(struct perms *parent, const struct actor *a);
/* One entry from its wire form; false if malformed. */
bool perm_parse(const char *s, struct perm *out);
/* The wire form with its NUL; returns its size (NUL included), 0 if it does not fit `room`. */
size_t perm_format(struct perm p, char *out, size_t room);
#endif
