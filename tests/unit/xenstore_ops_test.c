/* SPDX-License-Identifier: MIT */
/* xenstore's operations one by one: what they answer, who may, and what is refused. */
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
    /* domain 5's home, readable by 6 */
    CU_STR(S(d0, XS_MKDIR, 0, "/local/domain/5"), "OK");
    CU_STR(S(d0, XS_SET_PERMS, 0, "/local/domain/5\0n5\0r6"), "OK");
}

static void test_basic(void)
{
    begin();
    CU_STR(B(d0, XS_WRITE, 0, "/a/b/c\0hello"), "OK");
    CU_STR(S(d0, XS_READ, 0, "/a/b/c"), "hello");
    CU_STR(S(d0, XS_READ, 0, "/a/b"), "");
    CU_STR(S(d0, XS_READ, 0, "/a/x"), "ENOENT");
    CU_STR(S(d0, XS_DIRECTORY, 0, "/"), "a|local|tool");
    CU_STR(S(d0, XS_DIRECTORY, 0, "/a/b/c"), "");
    CU_STR(S(d0, XS_MKDIR, 0, "/a/b"), "OK");
    CU_STR(S(d0, XS_GET_PERMS, 0, "/a/b"), "n0");
    CU_STR(S(d0, XS_RM, 0, "/a"), "OK");
    CU_STR(S(d0, XS_RM, 0, "/a"), "OK");   /* not there, but its parent is */
    CU_STR(S(d0, XS_RM, 0, "/a/b"), "ENOENT");
    CU_STR(S(d0, XS_RM, 0, "/"), "EINVAL");
    CU_STR(S(d0, XS_DIRECTORY, 0, "/"), "local|tool");
    CU_STR(S(d0, XS_GET_DOMAIN_PATH, 0, "17"), "/local/domain/17");
    CU_STR(B(d0, XS_WRITE, 0, "rel\0x"), "OK");
    CU_STR(S(d0, XS_READ, 0, "/local/domain/0/rel"), "x");
    fake_end();
}

static void test_bad_requests(void)
{
    static const char *const bad[] = { "", "//a", "/a/", "/a//b", "/a b", "/a\\", "/\xff", "@x", "/a*" };
    char path[3200];

    begin();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_STR(ask_text(d0, XS_READ, 0, bad[i], strlen(bad[i]) + 1), "EINVAL");
        CU_STR(ask_text(d0, XS_WRITE, 0, bad[i], strlen(bad[i]) + 1), "EINVAL");
    }
    CU_STR(B(d0, XS_READ, 0, "/tool"), "EINVAL"); /* no NUL */
    CU_STR(S(d0, XS_READ, 0, "/tool\0x"), "EINVAL");
    CU_STR(B(d0, XS_READ, 0, ""), "EINVAL");
    CU_STR(S(d0, 15, 0, "/"), "ENOSYS"); /* XS_WATCH_EVENT */
    CU_STR(S(d0, 20, 0, "/"), "ENOSYS");
    CU_STR(S(d0, 0xffff, 0, "/"), "ENOSYS");
    CU_STR(S(d0, XS_READ, 77, "/tool"), "ENOENT");
    CU_STR(S(d0, XS_TRANSACTION_END, 0, "T"), "ENOENT");
    CU_STR(S(d0, XS_SET_PERMS, 0, "/tool"), "EINVAL");
    CU_STR(S(d0, XS_SET_PERMS, 0, "/tool\0x0"), "EINVAL");
    CU_STR(S(d0, XS_SET_PERMS, 0, "/tool\0r"), "EINVAL");
    CU_STR(B(d0, XS_SET_PERMS, 0, "/tool\0r0"), "EINVAL");
    CU_STR(S(d0, XS_GET_DOMAIN_PATH, 0, "-1"), "EINVAL");
    CU_STR(S(d0, XS_GET_DOMAIN_PATH, 0, "99999999999999999999999"), "EINVAL");
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    CU_STR(ask_text(d0, XS_WRITE, 0, path, 3072), "EINVAL"); /* no NUL at all */
    path[3072] = 0;
    CU_STR(ask_text(d0, XS_MKDIR, 0, path, 3073), "OK");
    path[3072] = 'p';
    path[3073] = 0;
    CU_STR(ask_text(d0, XS_MKDIR, 0, path, 3074), "EINVAL");
    path[0] = 'p';
    path[2048] = 0;
    CU_STR(ask_text(d0, XS_MKDIR, 0, path, 2049), "OK");
    path[2048] = 'p';
    path[2049] = 0;
    CU_STR(ask_text(d0, XS_MKDIR, 0, path, 2050), "EINVAL");
    fake_end();
}

static void test_permissions(void)
{
    begin();
    CU_STR(B(d5, XS_WRITE, 0, "data/x\0v"), "OK");
    CU_STR(S(d5, XS_GET_PERMS, 0, "data/x"), "n5|r6"); /* inherited */
    CU_STR(S(d6, XS_READ, 0, "/local/domain/5/data/x"), "v");
    CU_STR(B(d6, XS_WRITE, 0, "/local/domain/5/data/x\0w"), "EACCES");
    CU_STR(S(d6, XS_RM, 0, "/local/domain/5/data/x"), "EACCES");
    CU_STR(S(d6, XS_MKDIR, 0, "/local/domain/5/new"), "EACCES");
    CU_STR(S(d6, XS_MKDIR, 0, "/local/domain/5/data"), "EACCES");
    CU_STR(S(d6, XS_READ, 0, "/local/domain/5/none"), "ENOENT"); /* may read where it would be */
    CU_STR(S(d6, XS_READ, 0, "/local/none"), "EACCES");
    CU_STR(S(d6, XS_READ, 0, "/none/none"), "EACCES");
    CU_STR(S(d6, XS_DIRECTORY, 0, "/"), "EACCES");
    CU_STR(S(d6, XS_SET_PERMS, 0, "/local/domain/5/data\0b6"), "EACCES");
    CU_STR(S(d5, XS_SET_PERMS, 0, "data\0b6"), "EPERM"); /* giving it away */
    CU_STR(S(d5, XS_SET_PERMS, 0, "data\0n5\0b6"), "OK");
    CU_STR(B(d6, XS_WRITE, 0, "/local/domain/5/data/y\0w"), "OK");
    CU_STR(S(d6, XS_GET_PERMS, 0, "/local/domain/5/data/y"), "n6|b6"); /* whoever makes it owns it */
    CU_STR(S(d5, XS_READ, 0, "data/y"), "EACCES");
    CU_STR(S(d0, XS_SET_PERMS, 0, "/local/domain/5/data/y\0w0"), "OK");
    CU_STR(B(d5, XS_WRITE, 0, "data/y\0z"), "OK"); /* the default of 'w0' */
    CU_STR(S(d5, XS_READ, 0, "data/y"), "EACCES");
    CU_STR(S(d5, XS_SET_PERMS, 0, "data\0n5\0r1\0r2\0r3\0r4\0r6"), "ENOSPC");
    /* a stub domain has its target's rights */
    CU_STR(S(d6, XS_READ, 0, "/local/domain/5/data/x"), "v");
    CU_STR(S(d0, XS_SET_PERMS, 0, "/local/domain/5/data/x\0n5"), "OK");
    CU_STR(S(d6, XS_READ, 0, "/local/domain/5/data/x"), "EACCES");
    d6->conn->actor.target = 5;
    CU_STR(B(d6, XS_WRITE, 0, "/local/domain/5/data/x\0w"), "OK");
    fake_end();
}

static void test_privileged_only(void)
{
    begin();
    CU_STR(S(d5, XS_INTRODUCE, 0, "7\0001\0002"), "EACCES");
    CU_STR(S(d5, XS_RELEASE, 0, "6"), "EACCES");
    CU_STR(S(d5, XS_RESUME, 0, "6"), "EACCES");
    CU_STR(S(d5, XS_SET_TARGET, 0, "5\0006"), "EACCES");
    CU_STR(S(d5, XS_CONTROL, 0, "help"), "EACCES");
    CU_STR(S(d5, XS_SET_PERMS, 0, "@releaseDomain\0r5"), "EACCES");
    fake_end();
}

static void test_directory_part(void)
{
    char path[64], list[20000], req[64];
    size_t used = 0, from = 0, want = 0;
    struct got g;

    begin();
    CU_ASSERT_EQUAL(ask_bytes(d0, XS_DIRECTORY_PART, 0, "/tool/xenstored\0000", 18).hdr.len >= 3, 1);
    for (int i = 0; i < 1500; i++) {
        int n = snprintf(path, sizeof(path), "/big/n%d", i);

        want += (size_t)n + 1 - 5;
        CU_STR(ask_text(d0, XS_MKDIR, 0, path, (size_t)n + 1), "OK");
    }
    CU_STR(S(d0, XS_DIRECTORY, 0, "/big"), "E2BIG");
    for (int parts = 0; parts < 10; parts++) {
        int n = snprintf(req, sizeof(req), "/big%c%zu", 0, from);

        g = ask_bytes(d0, XS_DIRECTORY_PART, 0, req, (size_t)n + 1);
        CU_ASSERT_FATAL(g.any && g.hdr.type == XS_DIRECTORY_PART);
        size_t gen = strlen(g.data) + 1;
        memcpy(list + used, g.data + gen, g.hdr.len - gen);
        used += g.hdr.len - gen;
        from = used;
        if (used > 1 && !list[used - 2])
            break;
    }
    CU_ASSERT_EQUAL(used, want + 1);
    for (size_t at = 0, n = 0; at + 1 < used; at += strlen(list + at) + 1, n++)
        CU_ASSERT(n < 1500 && list[at] == 'n');
    CU_STR(S(d0, XS_DIRECTORY_PART, 0, "/big\0x"), "EINVAL");
    fake_end();
}

static void test_domains(void)
{
    unsigned asked;

    begin();
    CU_STR(S(d0, XS_WATCH, 0, "@introduceDomain\0i"), "OK");
    CU_STR(S(d0, XS_WATCH, 0, "@releaseDomain\0r"), "OK");
    CU_STR(S(d5, XS_WATCH, 0, "@releaseDomain\0r5"), "OK");
    fake_event(d5);
    while (*fake_event(d0))
        ;
    CU_STR(S(d0, XS_IS_DOMAIN_INTRODUCED, 0, "7"), "F");
    CU_STR(S(d0, XS_IS_DOMAIN_INTRODUCED, 0, "0"), "T");
    CU_STR(S(d0, XS_INTRODUCE, 0, "7\000123\0004"), "OK");
    CU_STR(fake_event(d0), "@introduceDomain|i");
    CU_STR(S(d0, XS_INTRODUCE, 0, "7\000123\0004"), "OK"); /* again: no news */
    CU_STR(fake_event(d0), "");
    CU_STR(S(d0, XS_IS_DOMAIN_INTRODUCED, 0, "7"), "T");
    CU_STR(S(d0, XS_INTRODUCE, 0, "0\000123\0004"), "EINVAL");
    CU_STR(S(d0, XS_INTRODUCE, 0, "8\000123\0000"), "EINVAL");
    CU_STR(S(d0, XS_INTRODUCE, 0, "32752\000123\0004"), "EINVAL");
    CU_STR(S(d0, XS_INTRODUCE, 0, "8\000123"), "EINVAL");
    fake_ring_error = EINVAL;
    CU_STR(S(d0, XS_INTRODUCE, 0, "8\000123\0004"), "EINVAL");
    CU_STR(S(d0, XS_IS_DOMAIN_INTRODUCED, 0, "8"), "F");
    fake_ring_error = 0;
    CU_STR(S(d0, XS_INTRODUCE, 0, "8\000123\0004"), "OK");
    CU_STR(fake_event(d0), "@introduceDomain|i");
    CU_STR(S(d0, XS_SET_TARGET, 0, "8\0007"), "OK");
    CU_STR(S(d0, XS_SET_TARGET, 0, "8\0009"), "ENOENT");
    CU_STR(S(d0, XS_RESUME, 0, "9"), "ENOENT");
    /* the host is asked who still lives */
    CU_STR(S(d0, XS_CONTROL, 0, "domains"), "OK");
    CU_STR(fake_event(d0), "");
    fake_state[7] = DOMAIN_SHUTDOWN;
    S(d0, XS_CONTROL, 0, "domains");
    S(d0, XS_CONTROL, 0, "domains"); /* no second event */
    CU_STR(S(d0, XS_IS_DOMAIN_INTRODUCED, 0, "7"), "T");
    fake_state[7] = DOMAIN_GONE;
    CU_STR(S(d0, XS_SET_PERMS, 0, "@releaseDomain\0n0\0r5"), "OK");
    CU_STR(fake_event(d5), ""); /* was not allowed to know before */
    S(d0, XS_CONTROL, 0, "domains");
    CU_STR(S(d0, XS_IS_DOMAIN_INTRODUCED, 0, "7"), "F");
    CU_STR(fake_event(d5), "@releaseDomain|r5");
    asked = fake_asked;
    CU_STR(S(d0, XS_RELEASE, 0, "8"), "OK");
    CU_STR(fake_event(d0), "@releaseDomain|r");
    CU_ASSERT_EQUAL(fake_asked, asked); /* whoever says which is gone spares us a look at all */
    CU_STR(S(d0, XS_RELEASE, 0, "8"), "ENOENT");
    CU_STR(S(d0, XS_RELEASE, 0, "0"), "EINVAL");
    CU_STR(S(d0, XS_GET_PERMS, 0, "@releaseDomain"), "n0|r5");
    fake_end();
}

static void test_quotas(void)
{
    char path[32], big[3000] = "data/big";

    begin();
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0nodes\00020"), "OK");
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0nonsense\00020"), "EINVAL");
    CU_STR(S(d0, XS_CONTROL, 0, "quota\0set\0nodes\0many"), "EINVAL");
    for (int i = 1; i < 20; i++) {
        snprintf(path, sizeof(path), "n%02d", i);
        CU_STR(ask_text(d5, XS_MKDIR, 0, path, 4), "OK");
    }
    fake_logs = 0;
    CU_STR(S(d5, XS_MKDIR, 0, "more"), "ENOSPC");
    CU_ASSERT_EQUAL(fake_logs, 1);
    CU_STR(fake_log, "quota: domain 5 refused, nodes at its limit of 20 (1 times)");
    CU_STR(B(d5, XS_WRITE, 0, "n01\0still"), "OK");
    CU_STR(S(d5, XS_RM, 0, "n02"), "OK");
    CU_STR(S(d5, XS_MKDIR, 0, "a/b"), "ENOSPC"); /* two nodes, room for one: none is made */
    CU_STR(S(d5, XS_READ, 0, "a"), "ENOENT");
    CU_STR(S(d5, XS_MKDIR, 0, "a"), "OK");
    CU_ASSERT_PTR_NOT_NULL(strstr(S(d0, XS_CONTROL, 0, "quota\0005"), "Domain 5:\nnodes: 20\nwatches: 0\ntransactions: 0\nmemory: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(S(d0, XS_CONTROL, 0, "quota\0005"), "\nrefused nodes: 2"));
    CU_STR(S(d0, XS_MKDIR, 0, "/local/domain/5/by0"), "OK"); /* domain 0 is not limited */
    CU_STR(ask_text(d5, XS_WRITE, 0, "n01", 4 + 0), "OK");
    memset(big + 4, 'x', 2049);
    memcpy(big, "n01", 4);
    CU_STR(ask_text(d5, XS_WRITE, 0, big, 4 + 2048), "OK");
    CU_STR(ask_text(d5, XS_WRITE, 0, big, 4 + 2049), "ENOSPC");
    for (int i = 0; i < 128; i++) {
        int n = snprintf(path, sizeof(path), "n01%ct%d", 0, i);

        CU_STR(ask_text(d5, XS_WATCH, 0, path, (size_t)n + 1), "OK");
    }
    CU_STR(S(d5, XS_WATCH, 0, "n01\0t"), "E2BIG");
    CU_STR(S(d5, XS_RESET_WATCHES, 0, ""), "OK");
    CU_STR(S(d5, XS_WATCH, 0, "n01\0t"), "OK");
    for (int i = 0; i < 10; i++)
        CU_ASSERT(atoi(S(d5, XS_TRANSACTION_START, 0, "")) > 0);
    CU_STR(S(d5, XS_TRANSACTION_START, 0, ""), "ENOSPC");
    fake_end();
}

static void test_features(void)
{
    begin();
    CU_STR(S(d0, WIRE_GET_FEATURE, 0, ""), "7");
    CU_STR(B(d5, WIRE_GET_FEATURE, 0, ""), "7");
    CU_STR(S(d5, WIRE_GET_FEATURE, 0, "6"), "EACCES");
    CU_STR(S(d5, WIRE_SET_FEATURE, 0, "5\0001"), "EACCES");
    CU_STR(S(d0, WIRE_SET_FEATURE, 0, "7\0003"), "OK");
    CU_STR(S(d0, WIRE_GET_FEATURE, 0, "7"), "3");
    CU_STR(S(d0, WIRE_SET_FEATURE, 0, "7\0008"), "EINVAL");
    CU_STR(S(d0, WIRE_SET_FEATURE, 0, "0\0003"), "EBUSY");
    CU_STR(S(d0, XS_INTRODUCE, 0, "7\0001\0002"), "OK");
    CU_STR(S(d0, WIRE_SET_FEATURE, 0, "7\0001"), "EBUSY");
    CU_STR(S(d0, XS_RELEASE, 0, "7"), "OK");
    CU_STR(S(d0, WIRE_GET_FEATURE, 0, "7"), "7"); /* the next one of that id */
    CU_STR(B(d0, WIRE_GET_QUOTA, 0, ""), "nodes watches transactions outstanding node-size permissions transaction-nodes "
                                          "path-max memory event-bytes");
    CU_STR(S(d0, WIRE_GET_QUOTA, 0, "watches"), "128");
    CU_STR(S(d0, WIRE_SET_QUOTA, 0, "5\0watches\0001"), "OK");
    CU_STR(S(d0, WIRE_GET_QUOTA, 0, "5\0watches"), "1");
    CU_STR(S(d0, WIRE_GET_QUOTA, 0, "6\0watches"), "128");
    CU_STR(S(d5, XS_WATCH, 0, "x\0t"), "OK");
    CU_STR(S(d5, XS_WATCH, 0, "y\0t"), "E2BIG");
    CU_STR(S(d6, XS_WATCH, 0, "x\0t"), "OK");
    CU_STR(S(d6, XS_WATCH, 0, "y\0t"), "OK");
    CU_STR(S(d0, WIRE_SET_QUOTA, 0, "5\0watches\0000"), "OK"); /* no limit */
    CU_STR(S(d5, XS_WATCH, 0, "y\0t"), "OK");
    CU_STR(S(d0, WIRE_SET_QUOTA, 0, "nodes\0002"), "OK");
    CU_STR(S(d5, XS_MKDIR, 0, "a"), "OK");
    CU_STR(S(d5, XS_MKDIR, 0, "b"), "ENOSPC");
    CU_STR(S(d5, WIRE_SET_QUOTA, 0, "nodes\000200"), "EACCES");
    CU_STR(S(d5, WIRE_GET_QUOTA, 0, "nodes"), "EACCES");
    CU_STR(S(d0, WIRE_SET_QUOTA, 0, "nonsense\0002"), "EINVAL");
    CU_STR(S(d0, WIRE_SET_QUOTA, 0, "x\0nodes\0002"), "EINVAL");
    CU_STR(S(d0, WIRE_GET_QUOTA, 0, "nonsense"), "EINVAL");
    fake_end();
}

/* A client that does not read: its requests stop, others go on, and when it reads it misses no change. */
static void test_stuck(void)
{
    char path[200];

    begin();
    CU_STR(S(d5, XS_WATCH, 0, "/local/domain/5\0tok"), "OK");
    fake_event(d5);
    d5->room = 0;
    for (int i = 0; i < 100; i++)
        fake_send(d5, XS_MKDIR, 0, "q", 2);
    CU_ASSERT_EQUAL(fake_run(d5), TURN_IDLE);
    CU_ASSERT_EQUAL(d5->conn->replies, 20);
    fake_logs = 0;
    for (int i = 0; i < 3000; i++) {
        int n = snprintf(path, sizeof(path), "/local/domain/5/q%d", i);

        CU_STR(ask_text(d0, XS_WRITE, 0, path, (size_t)n + 1), "OK");
    }
    CU_ASSERT(d5->conn->event_bytes < 66000);
    CU_ASSERT_EQUAL(fake_logs, 1);
    d5->room = SIZE_MAX;
    fake_run(d5);
    CU_ASSERT_EQUAL(d5->conn->replies, 0);
    CU_ASSERT_EQUAL(d5->conn->event_bytes, 0);
    struct got g, last = { 0 };
    unsigned replies = 0;
    while ((g = fake_next(d5)).any) {
        replies += g.hdr.type == XS_MKDIR;
        if (g.hdr.type == XS_WATCH_EVENT)
            last = g;
    }
    CU_ASSERT_EQUAL(replies, 100);
    CU_STR(last.data, "/local/domain/5"); /* told to look again */
    fake_end();
}

static void test_wire(void)
{
    struct xsd_sockmsg hdr = { XS_READ, 1, 0, 4097 };

    begin();
    /* byte by byte */
    fake_send(d0, XS_READ, 0, "/tool", 6);
    size_t end = d0->in_end;
    for (d0->in_end = 1; d0->in_end < end; d0->in_end++) {
        CU_ASSERT_EQUAL(fake_run(d0), TURN_IDLE);
        CU_ASSERT_FALSE(fake_next(d0).any);
        CU_STR(S(d6, XS_GET_DOMAIN_PATH, 0, "1"), "/local/domain/1"); /* half a request of one blocks nobody */
    }
    fake_run(d0);
    CU_ASSERT(fake_next(d0).any);
    /* the longest payload is taken, one byte more ends the connection */
    char *max = calloc(1, 4096);
    memcpy(max, "/m", 3);
    CU_STR(ask_text(d0, XS_WRITE, 0, max, 4096), "OK");
    CU_ASSERT_EQUAL(ask_bytes(d0, XS_READ, 0, "/m", 3).hdr.len, 4093);
    free(max);
    memcpy(d0->in, &hdr, sizeof(hdr));
    d0->in_start = 0;
    d0->in_end = sizeof(hdr);
    CU_ASSERT_EQUAL(fake_run(d0), TURN_BAD);
    fake_end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"what each answers", test_basic},
        {"malformed requests", test_bad_requests},
        {"permissions", test_permissions},
        {"privileged operations", test_privileged_only},
        {"directories in parts", test_directory_part},
        {"domains come and go", test_domains},
        {"quotas", test_quotas},
        {"features, quotas of one domain", test_features},
        {"a client that does not read", test_stuck},
        {"message framing", test_wire},
        CU_TEST_INFO_NULL,
    };
    return suite_run("xenstore operations", NULL, tests);
}
