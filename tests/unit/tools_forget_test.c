/* SPDX-License-Identifier: MIT */
/*
 * tools/lib/store.c over a registry that counts: what forgetting a destroyed domain asks of xenstored does not depend on how many others
 * there are, and xenstored is told which domain is gone, not to look at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/store.h"
#include "suite.h"

#define VM "/vm/00000000-0000-0000-0000-000000000007"

static unsigned others, requests, removals, released, released_id, looks_at_all;
static bool gone_first; /* the nodes were gone when xenstored was told */
static char removed[16][128];

/* --- the registry: domain 7, called "seven", beside `others` more; libxenstore's calls, as far as they are made --- */

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned *len)
{
    static const struct { const char *path, *value; } nodes[] = {
        {"/local/domain/7/vm", VM}, {"/tool/bh/7/name", "seven"}, {"/tool/bh/names/seven", "7"}};
    requests++;
    for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        if (!strcmp(path, nodes[i].path))
            return strdup(nodes[i].value);
    return NULL;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned *n)
{
    requests++;
    *n = 0;
    if (!strcmp(path, "/local/domain") || !strcmp(path, "/tool/bh") || !strcmp(path, "/tool/bh/names") || !strcmp(path, "/vm"))
        requests += others; /* whoever lists them all reads them all */
    return NULL;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    requests++;
    if (removals < sizeof(removed) / sizeof(removed[0]))
        snprintf(removed[removals++], sizeof(removed[0]), "%s", path);
    return true;
}

bool xs_release_domain(struct xs_handle *h, unsigned domid)
{
    requests++;
    released++;
    released_id = domid;
    gone_first = removals == 4;
    return true;
}

char *xs_control_command(struct xs_handle *h, const char *cmd, void *data, unsigned len)
{
    looks_at_all++;
    return strdup("OK");
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data, unsigned len) { return requests++, true; }
bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path) { return requests++, true; }
bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path, struct xs_permissions *p, unsigned n) { return requests++, true; }
xs_transaction_t xs_transaction_start(struct xs_handle *h) { return ++requests; }
bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort) { return requests++, true; }
bool xs_introduce_domain(struct xs_handle *h, unsigned domid, unsigned long mfn, unsigned port) { return requests++, true; }

void name_node(const char *name, char node[NAME_NODE]) { snprintf(node, NAME_NODE, "/tool/bh/names/%s", name); }

/* --- the tests --- */

static unsigned forget_beside(unsigned n)
{
    struct handles h = {0};
    others = n;
    requests = removals = released = looks_at_all = 0;
    store_forget(&h, 7);
    return requests;
}

static bool was_removed(const char *path)
{
    unsigned n = 0;
    for (unsigned i = 0; i < removals; i++)
        n += !strcmp(removed[i], path);
    return n == 1;
}

static void test_nodes(void)
{
    forget_beside(0);
    CU_ASSERT_EQUAL(removals, 4);
    CU_ASSERT_TRUE(was_removed(VM));
    CU_ASSERT_TRUE(was_removed("/tool/bh/names/seven"));
    CU_ASSERT_TRUE(was_removed("/tool/bh/7"));
    CU_ASSERT_TRUE(was_removed("/local/domain/7"));
}

static void test_told(void)
{
    forget_beside(1000);
    CU_ASSERT_EQUAL(released, 1);
    CU_ASSERT_EQUAL(released_id, 7);
    CU_ASSERT_TRUE(gone_first);
    CU_ASSERT_EQUAL(looks_at_all, 0);
}

static void test_requests(void)
{
    unsigned alone = forget_beside(0);
    CU_ASSERT_EQUAL(forget_beside(1000), alone);
    CU_ASSERT_TRUE(alone <= 12);
}

int main(void)
{
    CU_TestInfo tests[] = {{"its nodes are removed", test_nodes},
                           {"xenstored is told which is gone", test_told},
                           {"as many requests beside a thousand", test_requests},
                           CU_TEST_INFO_NULL};
    return suite_run("tools_forget", NULL, tests);
}
