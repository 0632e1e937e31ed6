/* SPDX-License-Identifier: MIT */
/* xenstore's rules: each quota at its limit and what the log says, XS_CONTROL word by word, and what is seldom asked for. */
#include "xenstore_fake.h"
#include <stdio.h>
#include <string.h>
#include "suite.h"

static struct fake *d0, *d5;

static void begin(void)
{
    fake_begin();
    d0 = fake_open(0);
    d5 = fake_open(5);
    CU_STR(S(d0, XS_MKDIR, 0, "/local/domain/5"), "OK");
    CU_STR(S(d0, XS_SET_PERMS, 0, "/local/domain/5\0n5"), "OK");
}

static void limit(const char *quota, unsigned n)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%s%c%u", quota, 0, n);

    CU_STR(ask_text(d0, WIRE_SET_QUOTA, 0, text, (size_t)len + 1), "OK");
    snprintf(fake_log, sizeof(fake_log), "nothing");
}

/* The last line of the log is a refusal of domain 5's by that quota. */
static bool logged(const char *quota, unsigned n)
{
    char want[200];

    snprintf(want, sizeof(want), "quota: domain 5 refused, %s at its limit of %u (1 times)", quota, n);
    if (strcmp(fake_log, want))
        printf("\n%s\n", fake_log);
    return !strcmp(fake_log, want);
}

static uint32_t start(struct fake *f)
{
    return (uint32_t)atoi(S(f, XS_TRANSACTION_START, 0, ""));
}

static void test_quotas_tree(void)
{
    begin();
    limit("nodes", 3);
    CU_STR(S(d5, XS_MKDIR, 0, "a/b"), "OK");
    CU_STR(S(d5, XS_MKDIR, 0, "c"), "ENOSPC");
    CU_ASSERT(logged("nodes", 3));
    limit("nodes", 4); /* while running, up and down */
    CU_STR(S(d5, XS_MKDIR, 0, "c"), "OK");
    limit("nodes", 1);
    CU_STR(S(d5, XS_READ, 0, "c"), "");
    CU_STR(S(d5, XS_MKDIR, 0, "d"), "ENOSPC");
    limit("nodes", 0);
    CU_STR(S(d5, XS_MKDIR, 0, "d"), "OK");
    limit("node-size", 4);
    CU_STR(B(d5, XS_WRITE, 0, "a\0four"), "OK");
    CU_STR(B(d5, XS_WRITE, 0, "a\0fiver"), "ENOSPC");
    CU_ASSERT(logged("node-size", 4));
    CU_STR(S(d5, XS_READ, 0, "a"), "four");
    CU_STR(B(d0, XS_WRITE, 0, "/local/domain/5/a\0fiver"), "OK"); /* domain 0 may */
    limit("permissions", 2);
    CU_STR(S(d5, XS_SET_PERMS, 0, "a\0n5\0r1"), "OK");
    CU_STR(S(d5, XS_SET_PERMS, 0, "a\0n5\0r1\0r2"), "ENOSPC");
    CU_ASSERT(logged("permissions", 2));
    CU_STR(S(d5, XS_GET_PERMS, 0, "a"), "n5|r1");
    limit("path-max", 6);
    CU_STR(S(d5, XS_MKDIR, 0, "p/1234"), "OK");
    CU_STR(S(d5, XS_MKDIR, 0, "/local/domain/5/p/1234"), "OK"); /* below the home only the rest counts */
    CU_STR(S(d5, XS_MKDIR, 0, "p/12345"), "EINVAL");
    CU_ASSERT(logged("path-max", 6));
    CU_STR(S(d5, XS_WATCH, 0, "p/12345\0t"), "EINVAL");
    limit("path-max", 2048);
    limit("memory", 1500);
    CU_STR(ask_text(d5, XS_WRITE, 0, "d\0" "01234567890123456789012345678901234567890123456789", 3), "OK");
    for (int i = 0; i < 20 && strcmp(fake_log, "nothing") == 0; i++) {
        char text[32];

        ask_text(d5, XS_WATCH, 0, text, (size_t)snprintf(text, sizeof(text), "d%c%d", 0, i) + 1);
    }
    CU_ASSERT(logged("memory", 1500));
    fake_end();
}

static void test_quotas_work(void)
{
    uint32_t t;

    begin();
    limit("watches", 1);
    CU_STR(S(d5, XS_WATCH, 0, "a\0t"), "OK");
    CU_STR(S(d5, XS_WATCH, 0, "b\0t"), "E2BIG");
    CU_ASSERT(logged("watches", 1));
    limit("transactions", 1);
    t = start(d5);
    CU_STR(S(d5, XS_TRANSACTION_START, 0, ""), "ENOSPC");
    CU_ASSERT(logged("transactions", 1));
    CU_STR(S(d5, XS_TRANSACTION_START, t, ""), "EBUSY"); /* one in another */
    limit("transaction-nodes", 1);
    CU_STR(B(d5, XS_WRITE, t, "a\0v"), "OK");
    CU_STR(S(d5, XS_READ, t, "a"), "v");
    CU_STR(B(d5, XS_WRITE, t, "b\0v"), "ENOSPC");
    CU_ASSERT(logged("transaction-nodes", 1));
    CU_STR(S(d5, XS_TRANSACTION_END, t, "T"), "OK");
    CU_STR(S(d5, XS_READ, 0, "a"), "v");
    limit("outstanding", 2);
    d5->room = 0;
    for (int i = 0; i < 5; i++)
        fake_send(d5, XS_GET_DOMAIN_PATH, 0, "1", 2);
    fake_run(d5);
    CU_ASSERT_EQUAL(d5->conn->replies, 2); /* not refused: the others stay where they are */
    d5->room = SIZE_MAX;
    fake_run(d5);
    CU_ASSERT_EQUAL(d5->conn->replies, 0);
    limit("event-bytes", 40);
    d5->room = 0;
    CU_STR(B(d0, XS_WRITE, 0, "/local/domain/5/a\0v"), "OK");
    CU_STR(B(d0, XS_WRITE, 0, "/local/domain/5/a\0v"), "OK");
    CU_STR(B(d0, XS_WRITE, 0, "/local/domain/5/a\0v"), "OK");
    CU_ASSERT(logged("event-bytes", 40));
    CU_STR(S(d0, WIRE_GET_QUOTA, 0, "event-bytes"), "40");
    fake_end();
}

/* The log does not grow with what is refused: first, second, fourth, eighth time. */
static void test_log(void)
{
    begin();
    limit("nodes", 1);
    fake_logs = 0;
    for (int i = 0; i < 100; i++)
        CU_STR(S(d5, XS_MKDIR, 0, "x"), "ENOSPC");
    CU_ASSERT_EQUAL(fake_logs, 7);
    CU_STR(fake_log, "quota: domain 5 refused, nodes at its limit of 1 (64 times)");
    /* clients' bytes do not reach a terminal */
    CU_STR(S(d0, XS_CONTROL, 0, "print\0a\033[2Jb\n"), "OK");
    CU_STR(fake_log, "control: a?[2Jb?");
    fake_end();
}

static void test_control(void)
{
    begin();
    CU_STR(S(d5, XS_WATCH, 0, "a\0t"), "OK");
    CU_STR(S(d0, XS_CONTROL, 0, "check"), "nodes: 6\nwatches: 1\nunread event bytes: 0");
    CU_ASSERT_PTR_NOT_NULL(strstr(S(d0, XS_CONTROL, 0, "help"), "\nlive-update [-f] <file>|-s|-a\n"));
    CU_STR(S(d0, XS_CONTROL, 0, "log"), "off");
    CU_STR(S(d0, XS_CONTROL, 0, "log\0on"), "OK");
    CU_STR(S(d0, XS_CONTROL, 0, "log"), "on");
    CU_STR(S(d5, XS_READ, 0, "none"), "ENOENT");
    CU_ASSERT_PTR_NOT_NULL(strstr(fake_log, "memory d5 tx0 READ none: No such file"));
    CU_STR(S(d0, XS_CONTROL, 0, "log\0off"), "OK");
    CU_STR(S(d0, XS_CONTROL, 0, "log\0other"), "EINVAL");
    CU_STR(S(d0, XS_CONTROL, 0, "print"), "EINVAL");
    CU_ASSERT_PTR_NOT_NULL(strstr(S(d0, XS_CONTROL, 0, "quota"), "nodes: 1000\nwatches: 128\ntransactions: 10\n"));
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0005\0nodes\0009"), "OK");
    CU_ASSERT_PTR_NOT_NULL(strstr(S(d0, XS_CONTROL, 0, "quota\0005"), "\nlimit of nodes: 9"));
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0000\0nodes\0009"), "EINVAL");
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0nodes"), "EINVAL");
    CU_STR(S(d0, XS_CONTROL, 0, "quota\00099999"), "EINVAL");
    CU_STR(S(d0, XS_CONTROL, 0, "nonsense"), "EINVAL");
    CU_STR(B(d0, XS_CONTROL, 0, "check"), "EINVAL"); /* no NUL */
    CU_STR(S(d0, XS_CONTROL, 0, "live-update\0-s"), "OK");
    CU_STR(fake_update, "(own)");
    CU_STR(S(d0, XS_CONTROL, 0, "live-update\0-f\0/bin/new"), "OK");
    CU_STR(fake_update, "(own)"); /* not yet */
    CU_STR(S(d0, XS_CONTROL, 0, "live-update\0-s"), "OK");
    CU_STR(fake_update, "/bin/new");
    CU_STR(S(d0, XS_CONTROL, 0, "live-update\0-a"), "OK");
    CU_STR(S(d0, XS_CONTROL, 0, "live-update\0-s\0-t\00060"), "OK");
    CU_STR(fake_update, "(own)");
    CU_STR(S(d0, XS_CONTROL, 0, "live-update"), "EINVAL");
    CU_STR(S(d0, XS_CONTROL, 0, "live-update\0-x"), "EINVAL");
    fake_end();
}

/* A domain that is shut down is told of once, and once more after it was resumed. */
static void test_resume(void)
{
    begin();
    CU_STR(S(d0, XS_INTRODUCE, 0, "7\0001\0002"), "OK");
    CU_STR(S(d0, XS_WATCH, 0, "@releaseDomain\0r"), "OK");
    while (*fake_event(d0))
        ;
    fake_state[7] = DOMAIN_SHUTDOWN;
    for (int i = 0; i < 2; i++) {
        CU_STR(S(d5, XS_RESUME, 0, "7"), "EACCES");
        fake_send(d0, XS_CONTROL, 0, "domains", 8);
        CU_STR(fake_event(d0), "@releaseDomain|r");
        fake_send(d0, XS_CONTROL, 0, "domains", 8);
        CU_STR(fake_event(d0), "");
        CU_STR(S(d0, XS_RESUME, 0, "7"), "OK");
    }
    CU_STR(S(d0, XS_RESUME, 0, "x"), "EINVAL");
    CU_STR(B(d0, XS_RESUME, 0, "7"), "EINVAL");
    fake_end();
}

/* Values are bytes; lists in parts carry the generation of the list. */
static void test_bytes(void)
{
    static const char all[] = "v\0\0\1\377\n\200 end";
    char request[32] = "raw", gen[24];
    struct got g;

    begin();
    memcpy(request + 4, all, sizeof(all));
    CU_STR(ask_text(d5, XS_WRITE, 0, request, 4 + sizeof(all)), "OK");
    g = ask_bytes(d5, XS_READ, 0, "raw", 4);
    CU_ASSERT(g.hdr.len == sizeof(all) && !memcmp(g.data, all, sizeof(all)));
    CU_STR(S(d5, XS_MKDIR, 0, "dir/one"), "OK");
    g = ask_bytes(d5, XS_DIRECTORY_PART, 0, "dir\0" "0", 6);
    strcpy(gen, g.data);
    CU_ASSERT(g.hdr.len == strlen(gen) + 1 + 4 + 1 && !memcmp(g.data + strlen(gen) + 1, "one\0", 5));
    CU_STR(B(d5, XS_WRITE, 0, "dir/one\0value"), "OK"); /* the list is the same */
    g = ask_bytes(d5, XS_DIRECTORY_PART, 0, "dir\0" "0", 6);
    CU_STR(g.data, gen);
    CU_STR(S(d5, XS_MKDIR, 0, "dir/two"), "OK");
    g = ask_bytes(d5, XS_DIRECTORY_PART, 0, "dir\0" "0", 6);
    CU_ASSERT(strcmp(g.data, gen) > 0 || strlen(g.data) > strlen(gen));
    g = ask_bytes(d5, XS_DIRECTORY_PART, 0, "dir\0" "4", 6); /* from the second name on */
    CU_STR(g.data + strlen(g.data) + 1, "two");
    g = ask_bytes(d5, XS_DIRECTORY_PART, 0, "dir\0" "999", 8); /* behind the end: nothing but the end */
    CU_ASSERT_EQUAL(g.hdr.len, strlen(g.data) + 2);
    CU_STR(S(d5, XS_DIRECTORY_PART, 0, "none\0" "0"), "ENOENT");
    CU_STR(S(d5, XS_DIRECTORY_PART, 0, "dir"), "EINVAL");
    CU_STR(S(d5, XS_DIRECTORY_PART, 0, "dir\0-1"), "EINVAL");
    fake_end();
}

static void test_specials(void)
{
    char name[2100];

    begin();
    CU_STR(S(d5, XS_WATCH, 0, "@nonsense\0t"), "OK"); /* nothing will ever be told of it */
    CU_STR(S(d5, XS_UNWATCH, 0, "@nonsense\0t"), "OK");
    CU_STR(S(d5, XS_UNWATCH, 0, "@nonsense\0t"), "ENOENT");
    CU_STR(S(d5, XS_READ, 0, "@releaseDomain"), "EINVAL"); /* no node */
    CU_STR(S(d0, XS_GET_PERMS, 0, "@introduceDomain"), "n0");
    CU_STR(S(d5, XS_SET_PERMS, 0, "@introduceDomain\0n5"), "EACCES");
    CU_STR(S(d0, XS_SET_PERMS, 0, "@introduceDomain\0n5"), "OK"); /* its owner may then */
    CU_STR(S(d5, XS_SET_PERMS, 0, "@introduceDomain\0n5\0r6"), "OK");
    CU_STR(S(d0, XS_GET_PERMS, 0, "@introduceDomain"), "n5|r6");
    CU_STR(S(d5, XS_WATCH, 0, "@introduceDomain\0i"), "OK");
    CU_STR(fake_event(d5), "@introduceDomain|i"); /* as any watch */
    CU_STR(fake_event(d5), "");
    CU_STR(S(d0, XS_INTRODUCE, 0, "7\0001\0002"), "OK");
    CU_STR(fake_event(d5), "@introduceDomain|i");
    memset(name, 'n', sizeof(name));
    name[0] = '@';
    memcpy(name + 2048, "\0t", 3);
    CU_STR(ask_text(d0, XS_WATCH, 0, name, 2051), "OK");
    name[2048] = 'n';
    memcpy(name + 2049, "\0t", 3);
    CU_STR(ask_text(d0, XS_WATCH, 0, name, 2052), "EINVAL");
    CU_STR(S(d5, XS_IS_DOMAIN_INTRODUCED, 0, "x"), "EINVAL");
    CU_STR(S(d5, XS_SET_TARGET, 0, "5"), "EACCES");
    CU_STR(S(d0, XS_SET_TARGET, 0, "5"), "EINVAL");
    fake_end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"quotas of the tree, and their log", test_quotas_tree},
        {"quotas of work, and their log", test_quotas_work},
        {"how much is logged", test_log},
        {"XS_CONTROL", test_control},
        {"XS_RESUME", test_resume},
        {"bytes, and lists in parts", test_bytes},
        {"special names", test_specials},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore rules", NULL, tests);
}
