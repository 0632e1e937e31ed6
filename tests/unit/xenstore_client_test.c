/* SPDX-License-Identifier: MIT */
/* Our libxenstore against the real daemon, and against one that lies. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenstore.h>
#include "suite.h"

static char dir[] = "/tmp/xenstore-client-XXXXXX";
static char path[100];
static pid_t daemon_pid;

/* --- the real daemon, which lies beside us below build/ --- */

static void daemon_start(void)
{
    char program[600], self[500];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    CU_ASSERT_FATAL(n > 0);
    self[n] = 0;
    *strrchr(self, '/') = 0;
    snprintf(program, sizeof(program), "%s/../../xenstore/xenstored", self);
    snprintf(path, sizeof(path), "%s/socket", dir);
    setenv("XENSTORED_PATH", path, 1);
    daemon_pid = fork();
    if (!daemon_pid) {
        execl(program, program, "--foreground", "--no-domain-ring", "--rundir", dir, "--log", "/dev/null", NULL);
        _exit(1);
    }
    for (int i = 0; i < 200 && access(path, F_OK); i++)
        usleep(10000);
    CU_ASSERT_FATAL(!access(path, F_OK));
}

static void daemon_stop(void)
{
    kill(daemon_pid, SIGTERM);
    waitpid(daemon_pid, NULL, 0);
}

static bool readable(struct xs_handle *h)
{
    struct pollfd p = { .fd = xs_fileno(h), .events = POLLIN };

    return poll(&p, 1, 200) == 1;
}

static void test_nodes(void)
{
    struct xs_permissions set[2] = { { 3, XS_PERM_READ }, { 4, XS_PERM_READ | XS_PERM_WRITE } }, *got;
    struct xs_handle *h;
    unsigned n;
    char *v, **list;

    daemon_start();
    h = xs_open(0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(h);
    CU_ASSERT(xs_write(h, XBT_NULL, "/a/b", "x\0y", 3));
    v = xs_read(h, XBT_NULL, "/a/b", &n);
    CU_ASSERT_FATAL(v && n == 3 && !memcmp(v, "x\0y", 4));
    free(v);
    errno = 0;
    CU_ASSERT_PTR_NULL(xs_read(h, XBT_NULL, "/none", &n));
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT_FALSE(xs_mkdir(h, XBT_NULL, "not//valid"));
    CU_ASSERT_EQUAL(errno, EINVAL);
    CU_ASSERT(xs_set_permissions(h, XBT_NULL, "/a", set, 2));
    got = xs_get_permissions(h, XBT_NULL, "/a", &n);
    CU_ASSERT_FATAL(got && n == 2);
    CU_ASSERT(!memcmp(got, set, sizeof(set)));
    free(got);
    list = xs_directory(h, XBT_NULL, "/a/b", &n);
    CU_ASSERT(list && n == 0);
    free(list);
    CU_ASSERT(xs_introduce_domain(h, 7, 1, 2));
    CU_ASSERT_FALSE(xs_introduce_domain(h, 0, 1, 2));
    CU_ASSERT(xs_is_domain_introduced(h, 7));
    CU_ASSERT(xs_release_domain(h, 7));
    CU_ASSERT_FALSE(xs_is_domain_introduced(h, 7));
    v = xs_get_domain_path(h, 7);
    CU_ASSERT(v && !strcmp(v, "/local/domain/7"));
    free(v);
    v = xs_control_command(h, "print", "hello", 6);
    CU_ASSERT(v && !strcmp(v, "OK"));
    free(v);
    xs_close(h);
    daemon_stop();
}

static void test_transactions(void)
{
    struct xs_handle *a, *b;
    xs_transaction_t t;

    daemon_start();
    a = xs_open(0);
    b = xs_open(0);
    CU_ASSERT_FATAL(a && b);
    t = xs_transaction_start(a);
    CU_ASSERT(t != XBT_NULL);
    free(xs_read(a, t, "/x", NULL));
    CU_ASSERT(xs_write(a, t, "/y", "1", 1));
    CU_ASSERT(xs_write(b, XBT_NULL, "/x", "1", 1));
    CU_ASSERT_FALSE(xs_transaction_end(a, t, false));
    CU_ASSERT_EQUAL(errno, EAGAIN);
    t = xs_transaction_start(a);
    CU_ASSERT(xs_write(a, t, "/y", "1", 1));
    CU_ASSERT(xs_transaction_end(a, t, true));
    CU_ASSERT_PTR_NULL(xs_read(b, XBT_NULL, "/y", NULL));
    xs_close(a);
    xs_close(b);
    daemon_stop();
}

static void *wait_for_watch(void *arg)
{
    unsigned n;
    char **ev;

    for (;;) {
        ev = xs_read_watch(arg, &n);
        if (!ev)
            return NULL;
        if (!strcmp(ev[XS_WATCH_PATH], "/w/last")) {
            free(ev);
            return arg;
        }
        free(ev);
    }
}

static void test_watches(void)
{
    struct xs_handle *h, *other;
    char **ev, node[32];
    pthread_t thread;
    void *found = NULL;

    daemon_start();
    h = xs_open(XS_UNWATCH_FILTER);
    other = xs_open(0);
    CU_ASSERT_FATAL(h && other);
    CU_ASSERT_PTR_NULL(xs_check_watch(h));
    CU_ASSERT_EQUAL(errno, EAGAIN);
    CU_ASSERT_FALSE(readable(h));
    CU_ASSERT(xs_watch(h, "/w", "tok"));
    free(xs_read(h, XBT_NULL, "/w", NULL)); /* the event comes while a reply is awaited: it is kept, and seen by poll */
    CU_ASSERT(readable(h));
    ev = xs_check_watch(h);
    CU_ASSERT_FATAL(ev != NULL);
    CU_ASSERT(!strcmp(ev[XS_WATCH_PATH], "/w") && !strcmp(ev[XS_WATCH_TOKEN], "tok"));
    free(ev);
    CU_ASSERT_FALSE(readable(h));
    CU_ASSERT(xs_write(other, XBT_NULL, "/w/1", "", 0));
    CU_ASSERT(readable(h));
    CU_ASSERT(xs_unwatch(h, "/w", "tok"));
    CU_ASSERT_PTR_NULL(xs_check_watch(h)); /* filtered */
    CU_ASSERT_FALSE(xs_unwatch(h, "/w", "tok"));
    /* one thread waits for events while another asks on the same handle */
    CU_ASSERT(xs_watch(h, "/w", "again"));
    pthread_create(&thread, NULL, wait_for_watch, h);
    for (int i = 0; i < 500; i++) {
        snprintf(node, sizeof(node), "/w/%d", i);
        CU_ASSERT(xs_write(h, XBT_NULL, node, "v", 1));
    }
    CU_ASSERT(xs_write(other, XBT_NULL, "/w/last", "v", 1));
    pthread_join(thread, &found);
    CU_ASSERT_PTR_EQUAL(found, h);
    /* the daemon goes: those who wait are told */
    pthread_create(&thread, NULL, wait_for_watch, h);
    usleep(20000);
    daemon_stop();
    pthread_join(thread, &found);
    CU_ASSERT_PTR_NULL(found);
    CU_ASSERT_FALSE(xs_write(h, XBT_NULL, "/w", "v", 1));
    CU_ASSERT_FALSE(xs_write(other, XBT_NULL, "/w", "v", 1)); /* no SIGPIPE */
    CU_ASSERT_FALSE(xs_write(other, XBT_NULL, "/w", "v", 1));
    xs_close(h);
    xs_close(other);
    CU_ASSERT_PTR_NULL(xs_open(0));
}

/* --- a daemon that lies: it answers with given bytes --- */

static struct {
    int listener;
    struct xsd_sockmsg hdr;
    char body[64];
    size_t len;
} liar;

static void *lie(void *arg)
{
    char buf[4096];
    int fd = accept(liar.listener, NULL, NULL);

    if (read(fd, buf, sizeof(buf)) > 0 && write(fd, &liar.hdr, sizeof(liar.hdr)) > 0 && liar.len)
        CU_ASSERT_EQUAL(write(fd, liar.body, liar.len), (ssize_t)liar.len);
    close(fd);
    return NULL;
}

/* What xs_directory says to such an answer: errno, or 0. */
static int told(uint32_t type, uint32_t id, uint32_t len, const char *body, size_t body_len)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct xs_handle *h;
    pthread_t thread;
    char **list;
    unsigned n;
    int err;

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/liar", dir);
    unlink(addr.sun_path);
    setenv("XENSTORED_PATH", addr.sun_path, 1);
    liar.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_FATAL(!bind(liar.listener, (struct sockaddr *)&addr, sizeof(addr)) && !listen(liar.listener, 1));
    liar.hdr = (struct xsd_sockmsg){ type, id, 0, len };
    liar.len = body_len;
    memcpy(liar.body, body, body_len);
    pthread_create(&thread, NULL, lie, NULL);
    h = xs_open(0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(h);
    errno = 0;
    list = xs_directory(h, XBT_NULL, "/", &n);
    err = list ? 0 : errno;
    free(list);
    pthread_join(thread, NULL);
    xs_close(h);
    close(liar.listener);
    unlink(addr.sun_path);
    return err;
}

static void test_liar(void)
{
    CU_ASSERT_EQUAL(told(XS_DIRECTORY, 1, 4, "a\0b", 4), 0);
    CU_ASSERT_EQUAL(told(XS_DIRECTORY, 2, 4, "a\0b", 4), EIO);  /* nobody asked that */
    CU_ASSERT_EQUAL(told(XS_READ, 1, 4, "a\0b", 4), EIO);       /* another answer */
    CU_ASSERT_EQUAL(told(XS_DIRECTORY, 1, 5000, "a", 2), EIO);  /* too long */
    CU_ASSERT_EQUAL(told(XS_DIRECTORY, 1, 40, "a", 2), EBADF);  /* cut */
    CU_ASSERT_EQUAL(told(XS_ERROR, 1, 6, "EPERM", 6), EPERM);
    CU_ASSERT_EQUAL(told(XS_ERROR, 1, 6, "ENONS", 6), EINVAL);  /* no such error */
    CU_ASSERT_EQUAL(told(XS_ERROR, 1, 0, "", 0), EINVAL);
    CU_ASSERT_EQUAL(told(XS_WATCH_EVENT, 1, 3, "abc", 3), EIO); /* no token */
    CU_ASSERT_EQUAL(told(XS_WATCH_EVENT, 1, 4, "ab\0c", 4), EIO);   /* the token does not end */
    CU_ASSERT_EQUAL(told(XS_WATCH_EVENT, 1, 4, "a\0b", 4), EBADF); /* an event is no answer */
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"nodes, permissions, domains", test_nodes},
        {"transactions", test_transactions},
        {"watches and threads", test_watches},
        {"a daemon that lies", test_liar},
        CU_TEST_INFO_NULL,
    };
    if (!mkdtemp(dir))
        return 1;
    int status = suite_run("xenstore client", NULL, tests);
    rmdir(dir);
    return status;
}
