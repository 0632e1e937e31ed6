/* SPDX-License-Identifier: MIT */
/* Intrusive doubly linked circular list. An unlinked node points to itself. */
#ifndef LIB_LIST_H
#define LIB_LIST_H
#include "lib/types.h"

struct list { struct list *next, *prev; };
#define LIST_INIT(l) {&(l), &(l)}
static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_insert(struct list *after, struct list *n)
{
    n->next = after->next;
    n->prev = after;
    after->next->prev = n;
    after->next = n;
}
static inline void list_add_head(struct list *l, struct list *n) { list_insert(l, n); }
static inline void list_add_tail(struct list *l, struct list *n) { list_insert(l->prev, n); }
static inline void list_del(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}
#define list_entry(n, type, member) container_of(n, type, member)
#define list_first(l, type, member) list_entry((l)->next, type, member)
#define list_for_each(pos, l, type, member)                                                      \
    for (type *pos = list_entry((l)->next, type, member); &pos->member != (l);                   \
         pos = list_entry(pos->member.next, type, member))
#define list_for_each_safe(pos, tmp, l, type, member)                                            \
    for (type *pos = list_entry((l)->next, type, member),                                        \
              *tmp = list_entry(pos->member.next, type, member);                                 \
         &pos->member != (l); pos = tmp, tmp = list_entry(tmp->member.next, type, member))
#endif
