/* SPDX-License-Identifier: MIT */
/* Memory: what is counted for a domain, what it is refused, and what goes when the domain does. Also that all of it survives a live update. */
#include "xenstore_fake.h"
#include <stdio.h>
#include <string.h>
#include "suite.h"

static struct fake *d0, *d5, *d6;

static void begin(void)
{
    fake_begin();
    d0 = fake_open(0);
    d5 = fake_open(5);
    d6 = fake_open(6);
    for (unsigned d = 5; d <= 6; d++) {
        char buf[64];
        int n = snprintf(buf, sizeof(buf), "/local/domain/%u", d);

        CU_STR(ask_text(d0, XS_MKDIR, 0, buf, (size_t)n + 1), "OK");
        n += snprintf(buf + n, sizeof(buf) - (size_t)n, "%cn%u", 0, d);
        CU_STR(ask_text(d0, XS_SET_PERMS, 0, buf, (size_t)n + 1), "OK");
        n = snprintf(buf, sizeof(buf), "%u%c1%c1", d, 0, 0);
        CU_STR(ask_text(d0, XS_INTRODUCE, 0, buf, (size_t)n + 1), "OK");
    }
}

static void end(void)
{
    CU_ASSERT(fake_accounts_right());
    fake_end();
}

static uint64_t used(uint16_t domid)
{
    const struct account *a = account_of(&fake_store, domid);

    return a->node_bytes + a->work_bytes;
}

/* Write a value of that size; the answer. */
static const char *put(struct fake *f, uint32_t tx, const char *path, size_t size)
{
    static char buf[4096];
    size_t len = strlen(path) + 1;

    memset(buf, 'v', sizeof(buf));
    memcpy(buf, path, len);
    return ask_text(f, XS_WRITE, tx, buf, len + size);
}

static void test_nodes(void)
{
    uint64_t before, with;
    int n = 0;
    char path[16];

    begin();
    before = used(5);
    CU_STR(put(d5, 0, "a", 1000), "OK");
    with = used(5);
    CU_ASSERT(with > before + 1000 && with < before + 1300);
    CU_STR(put(d5, 0, "a", 10), "OK");
    CU_ASSERT_EQUAL(used(5), with - 990);
    CU_STR(S(d5, XS_RM, 0, "a"), "OK");
    CU_ASSERT_EQUAL(used(5), before);
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0005\0memory\00050000"), "OK");
    for (; n < 100; n++) {
        snprintf(path, sizeof(path), "n%d", n);
        if (strcmp(put(d5, 0, path, 2000), "OK"))
            break;
    }
    CU_ASSERT(n > 15 && n < 25);
    CU_STR(put(d5, 0, "more", 2000), "ENOSPC");
    CU_ASSERT(strstr(fake_log, "domain 5 refused, memory at its limit of 50000") || fake_logs > 1);
    CU_ASSERT(used(5) <= 50000);
    CU_STR(put(d6, 0, "mine", 2000), "OK"); /* nobody else is */
    CU_STR(S(d5, XS_RM, 0, "n0"), "OK");
    CU_STR(put(d5, 0, "n1", 1900), "OK"); /* less is always right */
    CU_STR(put(d5, 0, "more", 1000), "OK");
    CU_STR(put(d0, 0, "/local/domain/5/by0", 4000), "OK"); /* domain 0 is not asked */
    /* the owner pays, and is protected */
    CU_STR(S(d5, XS_RM, 0, "by0"), "OK");
    CU_STR(S(d5, XS_SET_PERMS, 0, "n1\0n5\0b6"), "OK");
    with = used(5);
    for (int i = 0; i < 20; i++)
        put(d6, 0, "/local/domain/5/n1", (size_t)(i % 2 ? 2000 : 1));
    CU_ASSERT(used(5) <= with + 4000);
    end();
}

static void test_work(void)
{
    uint64_t before;
    uint32_t tx;
    int n;
    char buf[64];

    begin();
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0005\0memory\00020000"), "OK");
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0watches\0000"), "OK");
    before = used(5);
    for (n = 0; n < 1000; n++) {
        int len = snprintf(buf, sizeof(buf), "n%c%d", 0, n);

        if (strcmp(ask_text(d5, XS_WATCH, 0, buf, (size_t)len + 1), "OK"))
            break;
    }
    CU_ASSERT(n > 50 && n < 400);
    CU_STR(S(d5, XS_RESET_WATCHES, 0, ""), "OK");
    fake_run(d5);
    CU_ASSERT_EQUAL(used(5), before);
    /* a transaction: what it read, what it changed */
    tx = (uint32_t)atoi(S(d5, XS_TRANSACTION_START, 0, ""));
    for (n = 0; n < 1000; n++) {
        snprintf(buf, sizeof(buf), "t%d", n);
        if (strcmp(put(d5, tx, buf, 100), "OK"))
            break;
    }
    CU_ASSERT(n > 5 && n < 60);
    CU_ASSERT(used(5) > 15000);
    CU_STR(S(d5, XS_TRANSACTION_END, tx, "F"), "OK");
    CU_ASSERT_EQUAL(used(5), before);
    /* what is not read */
    d5->room = 0;
    fake_send(d5, XS_GET_DOMAIN_PATH, 0, "5", 2);
    fake_run(d5);
    CU_ASSERT(used(5) > before + 30);
    d5->room = SIZE_MAX;
    fake_run(d5);
    CU_ASSERT_EQUAL(used(5), before);
    end();
}

static void test_update(void)
{
    uint64_t five, zero;

    begin();
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0005\0memory\00020000"), "OK");
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0nodes\00077"), "OK");
    CU_STR(put(d5, 0, "a", 1000), "OK");
    CU_STR(S(d5, XS_WATCH, 0, "a\0tok"), "OK");
    CU_STR(S(d5, XS_SET_PERMS, 0, "a\0n5\0r6"), "OK");
    fake_run(d5);
    five = used(5);
    zero = account_of(&fake_store, 0)->node_bytes;
    CU_ASSERT_PTR_NULL(fake_replace());
    CU_ASSERT(fake_accounts_right());
    CU_ASSERT_EQUAL(used(5), five);
    CU_ASSERT_EQUAL(account_of(&fake_store, 0)->node_bytes, zero);
    CU_ASSERT_PTR_NOT_NULL(strstr(S(d0, XS_CONTROL, 0, "quota"), "nodes: 77"));
    CU_ASSERT_PTR_NOT_NULL(strstr(S(d0, XS_CONTROL, 0, "quota\0005"), "limit of memory: 20000"));
    CU_STR(S(d6, XS_GET_PERMS, 0, "/local/domain/5/a"), "n5|r6");
    end();
}

/* What a domain that is gone owned in other places goes, is told of, and is in nobody's account. */
static void test_dead(void)
{
    struct fake *tool;

    begin();
    tool = fake_open(0);
    CU_STR(S(d0, XS_MKDIR, 0, "/shared"), "OK");
    CU_STR(S(d0, XS_SET_PERMS, 0, "/shared\0b0"), "OK");
    CU_STR(put(d5, 0, "/shared/five/below", 10), "OK");
    CU_STR(put(d5, 0, "home", 10), "OK");
    CU_STR(put(d6, 0, "/shared/six", 10), "OK");
    CU_STR(S(d0, XS_WATCH, 0, "/shared\0t"), "OK");
    while (*fake_event(d0))
        ;
    fake_state[5] = DOMAIN_GONE;
    CU_STR(S(tool, XS_CONTROL, 0, "domains"), "OK");
    CU_STR(fake_event(d0), "/shared/five|t");
    CU_STR(S(d0, XS_DIRECTORY, 0, "/shared"), "six");
    CU_STR(S(d0, XS_READ, 0, "/local/domain/5/home"), "vvvvvvvvvv"); /* the toolstack's to remove */
    CU_STR(S(d0, XS_RM, 0, "/local/domain/5"), "OK");
    CU_ASSERT_EQUAL(account_of(&fake_store, 5)->nodes, 0);
    CU_STR(S(d0, XS_RELEASE, 0, "6"), "OK");
    CU_STR(S(d0, XS_DIRECTORY, 0, "/shared"), "");
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"memory of nodes", test_nodes},
        {"memory of work", test_work},
        {"after a live update", test_update},
        {"what a dead domain owned", test_dead},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore memory", NULL, tests);
}
