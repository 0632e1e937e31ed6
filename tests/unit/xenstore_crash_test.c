/* SPDX-License-Identifier: MIT */
/*
 * The daemon dies under a domain, at any step, and another goes on from its state file: every request of the ring is executed
 * once and answered once. The daemon is a child process; the domain is the parent, and the ring's page is shared.
 * Only the request that was being executed may be answered EIO, and then it was not executed.
 */
#undef malloc
#undef calloc
#undef memcpy
#undef __atomic_store_n
#include "xenstore/core/view.h"
#include "xenstore/transport/loop.h"
#include "xenstore/transport/statefile.h"
#include "xenstore_played.h"
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "suite.h"

#define DEATH 9 /* exit status of a daemon that died of its countdown */

static char path[100];
static long countdown = -1; /* steps until death; negative: none */

void dying_step(void);

void dying_step(void)
{
    if (countdown >= 0 && countdown-- == 0)
        _exit(DEATH);
}

/* --- the daemon --- */

static struct store s;

static int wide; /* nodes in the domain's directory of this name */

/* The domain's home, which it owns. */
static bool home(void)
{
    char dir[64];
    static const struct actor domain0 = { 0, NO_TARGET };
    struct perms *p = perms_new(1);
    bool made;

    p->p[0] = (struct perm){ 1, 0 };
    if (view_mkdir(&s, &s.live, &domain0, "/local/domain/1", &made) || view_set_perms(&s, &s.live, &domain0, "/local/domain/1", p))
        return false;
    for (int i = 0; i < wide; i++) {
        snprintf(dir, sizeof(dir), "/local/domain/1/wide/%d", i);
        if (view_mkdir(&s, &s.live, &domain0, dir, &made))
            return false;
    }
    return view_settle(&s, &s.live);
}

/* One life: until the countdown ends it, or the domain's requests are done; it never ends in order. */
static void live(long steps)
{
    struct event_base *base = event_base_new();
    enum statefile found;

    if (!loop_open(base, &s) || !store_init(&s, &xen_host))
        _exit(1);
    xen_host_open(base, &s);
    found = statefile_load(&s, path, -1);
    if (found == STATEFILE_BAD || (found == STATEFILE_NONE && (!home() || domain_introduce(&s, 1, 5, 7))))
        _exit(2);
    countdown = steps;
    if (!statefile_begin(&s, path) || !domain_find(&s, 1))
        _exit(3);
    for (int i = 0; i < 30; i++) {
        loop_once(base, false);
        statefile_tend(&s);
    }
    _exit(0);
}

/* A life in a process of its own. Returns how it ended. */
static int life(long steps)
{
    pid_t pid = fork();
    int status = -1;

    if (!pid)
        live(steps);
    waitpid(pid, &status, 0);
    CU_ASSERT_FATAL(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* --- the domain --- */

enum { WATCH, UNWATCH, WRITE, READ, RM, PATH };

/* Each twice where doing it twice shows. */
static const int script[] = { WATCH, WATCH, UNWATCH, UNWATCH, WATCH, WRITE, READ, PATH, WRITE, RM, READ, WRITE, UNWATCH, UNWATCH };
#define REQUESTS (sizeof(script) / sizeof(script[0]))

static char sending[16384];
static size_t to_send, sent;
static char got[16384];
static size_t have;

static void add(unsigned i)
{
    static const uint32_t types[] = { XS_WATCH, XS_UNWATCH, XS_WRITE, XS_READ, XS_RM, XS_GET_DOMAIN_PATH };
    struct xsd_sockmsg hdr = { types[script[i]], i, 0, 4 };
    char body[700] = "a\0t";

    if (script[i] == WRITE) {
        hdr.len = 2 + 650; /* two do not fit into the ring */
        memset(body + 2, 'v', 650);
    } else if (script[i] > UNWATCH) {
        hdr.len = 2;
    }
    if (script[i] == PATH)
        body[0] = '1';
    memcpy(sending + to_send, &hdr, sizeof(hdr));
    memcpy(sending + to_send + sizeof(hdr), body, hdr.len);
    to_send += sizeof(hdr) + hdr.len;
}

static void exchange(void)
{
    sent += played_put(1, sending + sent, to_send - sent);
    have += played_get(1, got + have, sizeof(got) - have);
}

/* What the registry looks like to the domain. */
static bool watching, there;

/* Execute request `op` on it: the answer's beginning, and whether an event follows. */
static const char *expected(int op, bool *event)
{
    bool was;

    *event = false;
    switch (op) {
    case WATCH:
        was = watching;
        *event = !was;
        watching = true;
        return was ? "EEXIST" : "OK";
    case UNWATCH:
        was = watching;
        watching = false;
        return was ? "OK" : "ENOENT";
    case WRITE:
        there = true;
        *event = watching;
        return "OK";
    case READ:
        return there ? "vvvvvvvv" : "ENOENT";
    case RM:
        *event = watching && there;
        there = false;
        return "OK";
    }
    return "/local/domain/1";
}

static const char *next(size_t *at, struct xsd_sockmsg *hdr)
{
    const char *body;

    if (have - *at < sizeof(*hdr))
        return NULL;
    memcpy(hdr, got + *at, sizeof(*hdr));
    CU_ASSERT_FATAL(hdr->len < 1000);
    if (have - *at - sizeof(*hdr) < hdr->len)
        return NULL;
    body = got + *at + sizeof(*hdr);
    *at += sizeof(*hdr) + hdr->len;
    return body;
}

/* All that came is what has to come, once and in order. Returns how many requests were answered. */
static unsigned check(unsigned *refused)
{
    struct xsd_sockmsg hdr;
    const char *body;
    unsigned i = 0;
    size_t at = 0;

    watching = there = false;
    *refused = 0;
    while ((body = next(&at, &hdr))) {
        const char *want;
        bool event;

        CU_ASSERT_FATAL(i < REQUESTS);
        CU_ASSERT_EQUAL_FATAL(hdr.req_id, i);
        CU_ASSERT_NOT_EQUAL_FATAL(hdr.type, XS_WATCH_EVENT);
        if (hdr.type == XS_ERROR && !strcmp(body, "EIO")) {
            ++*refused;
            i++;
            continue;
        }
        want = expected(script[i++], &event);
        CU_ASSERT_FATAL(!strncmp(body, want, strlen(want)));
        if (event && (body = next(&at, &hdr))) {
            CU_ASSERT_EQUAL_FATAL(hdr.type, XS_WATCH_EVENT);
            CU_ASSERT_FATAL(hdr.len == 4 && !memcmp(body, "a\0t", 4));
        }
    }
    return i;
}

static unsigned refusals; /* in all */

/* A domain's whole work, with one death after so many steps; false if it did not come to that. */
static bool work(long steps)
{
    unsigned refused, answered = 0;
    bool died = false;

    unlink(path);
    played_begin();
    to_send = sent = have = 0;
    for (unsigned i = 0; i < REQUESTS; i++)
        add(i);
    for (int lives = 0; lives < 40 && answered < REQUESTS; lives++) {
        int status;

        exchange();
        status = life(lives == 1 ? steps : -1);
        CU_ASSERT_FATAL(status == 0 || status == DEATH);
        died = died || status == DEATH;
        exchange();
        answered = check(&refused);
    }
    CU_ASSERT_EQUAL_FATAL(answered, REQUESTS);
    CU_ASSERT(refused <= died);
    refusals += refused;
    played_end();
    return died;
}

static void test_any_step(void)
{
    long steps = 0;
    unsigned deaths = 0;

    while (work(steps)) {
        deaths++;
        steps += 3;
    }
    CU_ASSERT(deaths > 50);
    CU_ASSERT(refusals > 10 && refusals < deaths); /* some died in a request, and some not */
}

static void put_request(uint32_t type, const char *body, uint32_t len)
{
    struct xsd_sockmsg hdr = { type, 1, 0, len };

    CU_ASSERT_EQUAL_FATAL(played_put(1, &hdr, sizeof(hdr)), sizeof(hdr));
    CU_ASSERT_EQUAL_FATAL(played_put(1, body, len), len);
}

/* It removes a wide directory, and watches what is told last. Returns whether the daemon died of `steps`; *heard: it was told. */
static bool remove_wide(long steps, unsigned *answers, unsigned *heard)
{
    int status;

    unlink(path);
    played_begin();
    put_request(XS_WATCH, "wide/99\0t", 10);
    CU_ASSERT_EQUAL(life(-1), 0);
    CU_ASSERT(played_get(1, got, sizeof(got)) > 2 * sizeof(struct xsd_sockmsg));
    put_request(XS_RM, "wide", 5);
    status = life(steps);
    CU_ASSERT_FATAL(status == 0 || status == DEATH);
    CU_ASSERT_EQUAL(life(-1), 0);
    have = played_get(1, got, sizeof(got));
    *answers = *heard = 0;
    for (size_t at = 0; at < have; ) {
        struct xsd_sockmsg hdr;
        const char *body = next(&at, &hdr);

        CU_ASSERT_FATAL(body != NULL);
        *answers += hdr.type == XS_RM;
        *heard += hdr.type == XS_WATCH_EVENT && !strcmp(body, "wide/99");
    }
    played_end();
    return status == DEATH;
}

/* Events that were put off when the daemon died are not lost: the watch fires after it all the same. */
static void test_untold(void)
{
    unsigned answers, heard, deaths = 0;
    long all = 0;

    wide = 700; /* more than are told of at once */
    for (long by = 2048; by >= 32; by /= 2) /* first how many steps there are: the removal comes last */
        while (remove_wide(all + by, &answers, &heard))
            all += by;
    CU_ASSERT_EQUAL(heard, 1);
    for (long steps = all - 150; steps <= all; steps += 5) {
        deaths += remove_wide(steps, &answers, &heard);
        if (answers)
            CU_ASSERT(heard == 1 || heard == 2);
    }
    CU_ASSERT(deaths > 25);
    wide = 0;
}

/* A transaction of before is lost, and can be tried again. */
static void test_lost(void)
{
    struct xsd_sockmsg hdr = { XS_TRANSACTION_START, 3, 0, 1 };
    static char body[100];

    unlink(path);
    played_begin();
    played_put(1, &hdr, sizeof(hdr));
    played_put(1, "", 1);
    CU_ASSERT_EQUAL(life(-1), 0);
    CU_ASSERT_EQUAL(played_get(1, &hdr, sizeof(hdr)), sizeof(hdr));
    CU_ASSERT_EQUAL(played_get(1, body, hdr.len), hdr.len);
    hdr = (struct xsd_sockmsg){ XS_TRANSACTION_END, 4, (uint32_t)atoi(body), 2 };
    CU_ASSERT(hdr.tx_id > 0);
    played_put(1, &hdr, sizeof(hdr));
    played_put(1, "T", 2);
    CU_ASSERT_EQUAL(life(-1), 0);
    CU_ASSERT_EQUAL(played_get(1, &hdr, sizeof(hdr)), sizeof(hdr));
    CU_ASSERT_EQUAL(played_get(1, body, hdr.len), hdr.len);
    CU_ASSERT_EQUAL(hdr.req_id, 4);
    CU_ASSERT_STRING_EQUAL(body, "EAGAIN");
    played_end();
}

/* A state file that was cut, or in which any byte is another, is refused or loaded, and does no harm. */
static void test_spoilt(void)
{
    static char bytes[65536];
    struct { char magic[8]; uint32_t running, zero; uint64_t committed; } head;
    size_t len;
    FILE *f;

    unlink(path);
    played_begin();
    CU_ASSERT_EQUAL(life(-1), 0);
    f = fopen(path, "r");
    len = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    memcpy(&head, bytes, sizeof(head));
    CU_ASSERT_FATAL(head.committed > 100 && head.committed < len);
    srand(2);
    for (int i = 0; i < 300; i++) {
        size_t at = i < 24 ? (size_t)i : 32 + (size_t)rand() % head.committed;
        char was = bytes[at];
        int status;

        bytes[at] = (char)(i % 2 ? 0xff : rand());
        f = fopen(path, "w");
        fwrite(bytes, 1, i % 7 ? len : 32 + (size_t)rand() % head.committed, f);
        fclose(f);
        status = life(-1);
        CU_ASSERT(status == 0 || status == 2 || status == 3);
        bytes[at] = was;
    }
    played_end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"death at any step", test_any_step},
        {"death before all is told", test_untold},
        {"a transaction is lost", test_lost},
        {"a spoilt file", test_spoilt},
        CU_TEST_INFO_NULL,
    };
    char dir[] = "/dev/shm/xenstore-crash-XXXXXX";
    int status;

    if (!mkdtemp(dir))
        return 2;
    snprintf(path, sizeof(path), "%s/state", dir);
    status = suite_run("xenstore crash", NULL, tests);
    unlink(path);
    rmdir(dir);
    return status;
}
