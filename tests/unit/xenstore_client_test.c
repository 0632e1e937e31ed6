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
    for (int i = 0; i < 1000 && access(path, F_OK); i++)
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

/* What programs call besides: older names, helpers, and what few need. */
static void test_rest(void)
{
    struct xs_handle *h, *other;
    struct xs_permissions perms[2];
    unsigned n;
    char *v;
    int fd[2];

    daemon_start();
    h = xs_daemon_open();
    other = xs_domain_open();
    CU_ASSERT_FATAL(h && other);
    CU_ASSERT(xs_write(h, XBT_NULL, "/a/b", "v", 1));
    CU_ASSERT(xs_rm(other, XBT_NULL, "/a"));
    CU_ASSERT_PTR_NULL(xs_read(h, XBT_NULL, "/a/b", &n));
    CU_ASSERT_FALSE(xs_rm(h, XBT_NULL, "/a/b/c"));
    CU_ASSERT_EQUAL(errno, ENOENT);
    CU_ASSERT(xs_introduce_domain(h, 7, 1, 2) && xs_introduce_domain(h, 8, 1, 2));
    CU_ASSERT(xs_set_target(h, 7, 8));
    CU_ASSERT_FALSE(xs_set_target(h, 7, 9));
    CU_ASSERT(xs_resume_domain(h, 7));
    CU_ASSERT_FALSE(xs_resume_domain(h, 9));
    CU_ASSERT_FALSE(xs_restrict(h, 7)); /* no daemon has had it for years */
    CU_ASSERT_EQUAL(xs_suspend_evtchn_port(7), -1);
    CU_ASSERT(xs_write(h, XBT_NULL, "/local/domain/7/device/suspend/event-channel", "11", 2));
    CU_ASSERT_EQUAL(xs_suspend_evtchn_port(7), 11);
    v = xs_debug_command(h, "print", "hello", 6);
    CU_ASSERT(v && !strcmp(v, "OK"));
    free(v);
    xs_daemon_close(other);
    other = xs_daemon_open_readonly();
    CU_ASSERT_FATAL(other != NULL);
    xs_daemon_destroy_postfork(other);
    xs_close(h);
    daemon_stop();

    CU_ASSERT(xs_strings_to_perms(perms, 2, "r5\0b0"));
    CU_ASSERT(perms[0].id == 5 && perms[0].perms == XS_PERM_READ && perms[1].perms == (XS_PERM_READ | XS_PERM_WRITE));
    CU_ASSERT_FALSE(xs_strings_to_perms(perms, 1, "x5"));
    CU_ASSERT_FALSE(xs_strings_to_perms(perms, 1, "r"));
    CU_ASSERT(xs_path_is_subpath("/a", "/a/b") && xs_path_is_subpath("/a", "/a") && xs_path_is_subpath("/", "/a"));
    CU_ASSERT_FALSE(xs_path_is_subpath("/a", "/ab"));
    CU_ASSERT_STRING_EQUAL(xs_daemon_socket(), path);
    CU_ASSERT_STRING_EQUAL(xs_daemon_socket_ro(), path);
    unsetenv("XENSTORED_PATH");
    setenv("XENSTORED_RUNDIR", "/some", 1);
    CU_ASSERT_STRING_EQUAL(xs_daemon_rundir(), "/some");
    CU_ASSERT_STRING_EQUAL(xs_daemon_socket(), "/some/socket");
    unsetenv("XENSTORED_RUNDIR");
    CU_ASSERT_EQUAL(pipe(fd), 0);
    CU_ASSERT(xs_write_all(fd[1], "bytes", 6));
    char got[6];
    CU_ASSERT(read(fd[0], got, 6) == 6 && !strcmp(got, "bytes"));
    close(fd[0]);
    close(fd[1]);
    CU_ASSERT_FALSE(xs_write_all(fd[1], "x", 1));
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

/* --- the daemon dies, and its supervisor starts another --- */

static void daemon_dies(void)
{
    char command[64];
    int pid = 0;
    FILE *f;

    snprintf(command, sizeof(command), "pgrep -P %d", daemon_pid);
    for (int i = 0; i < 200 && !pid; i++) { /* the last one's successor may not have been born */
        f = popen(command, "r");
        CU_ASSERT_FATAL(f != NULL);
        if (fscanf(f, "%d", &pid) != 1) {
            pid = 0;
            usleep(10000);
        }
        pclose(f);
    }
    CU_ASSERT_FATAL(pid > 1);
    kill(pid, SIGKILL);
    for (int i = 0; i < 200 && !kill(pid, 0); i++)
        usleep(1000);
}

static bool next_is(struct xs_handle *h, const char *path, const char *token)
{
    unsigned n;
    char **ev = xs_read_watch(h, &n);
    bool is = ev && !strcmp(ev[XS_WATCH_PATH], path) && !strcmp(ev[XS_WATCH_TOKEN], token);

    free(ev);
    return is;
}

static void test_death(void)
{
    struct xs_handle *h, *other;
    xs_transaction_t t, u;
    unsigned n;

    daemon_start();
    h = xs_open(0);
    other = xs_open(0);
    CU_ASSERT_FATAL(h && other);
    CU_ASSERT(xs_write(h, XBT_NULL, "/a", "1", 1));
    CU_ASSERT(xs_watch(h, "/a", "tok") && xs_watch(h, "/gone", "gone") && xs_watch(h, "@releaseDomain", "out"));
    CU_ASSERT(next_is(h, "/a", "tok") && next_is(h, "/gone", "gone") && next_is(h, "@releaseDomain", "out"));
    CU_ASSERT(xs_unwatch(h, "/gone", "gone"));
    t = xs_transaction_start(h);
    CU_ASSERT(xs_write(h, t, "/a", "2", 1));
    daemon_dies();
    CU_ASSERT(readable(h)); /* who waits by xs_fileno is told */
    CU_ASSERT(next_is(h, "@releaseDomain", "out") && next_is(h, "/a", "tok")); /* look again */
    CU_ASSERT_PTR_NULL(xs_check_watch(h));
    CU_ASSERT(xs_write(other, XBT_NULL, "/a", "3", 1));
    CU_ASSERT(next_is(h, "/a", "tok"));
    /* the transaction is over, and its number is no other's */
    u = xs_transaction_start(h);
    CU_ASSERT(u != XBT_NULL && u != t);
    CU_ASSERT_FALSE(xs_write(h, t, "/a", "4", 1));
    CU_ASSERT_EQUAL(errno, EAGAIN);
    CU_ASSERT_PTR_NULL(xs_read(h, t, "/a", &n));
    CU_ASSERT_FALSE(xs_transaction_end(h, t, false));
    CU_ASSERT_EQUAL(errno, EAGAIN);
    CU_ASSERT(xs_transaction_end(h, t, true));
    CU_ASSERT(xs_write(h, u, "/b", "5", 1));
    CU_ASSERT(xs_transaction_end(h, u, false));
    CU_ASSERT(xs_unwatch(h, "/a", "tok"));
    daemon_dies();
    CU_ASSERT(xs_write(h, XBT_NULL, "/a", "6", 1)); /* finds out by itself, and what was removed does not come back */
    CU_ASSERT(next_is(h, "@releaseDomain", "out"));
    CU_ASSERT_PTR_NULL(xs_check_watch(h));
    /* an orderly end, and a start later: down, and back */
    daemon_stop();
    CU_ASSERT_FALSE(xs_write(h, XBT_NULL, "/a", "7", 1));
    CU_ASSERT_PTR_NULL(xs_read_watch(h, &n));
    daemon_start();
    CU_ASSERT(xs_write(h, XBT_NULL, "/a", "8", 1));
    CU_ASSERT(next_is(h, "@releaseDomain", "out"));
    xs_close(h);
    xs_close(other);
    daemon_stop();
}

#define WORKERS 4
#define DEATHS 8 /* fewer than a supervisor bears in a minute */

static struct worker {
    pthread_t thread;
    int n;
    unsigned commits, unknown, writes, faults;
} workers[WORKERS];
static volatile bool over;

static unsigned number_at(struct xs_handle *h, xs_transaction_t t, const char *node)
{
    char *v = xs_read(h, t, node, NULL);
    unsigned n = v ? (unsigned)atoi(v) : 0;

    free(v);
    return n;
}

/* Add one to the counter that all share; then write to a node of its own, and see that it is what was written last. */
static void work_once(struct worker *w, struct xs_handle *h)
{
    char text[16], own[32];
    xs_transaction_t t = xs_transaction_start(h);
    unsigned now;

    errno = 0;
    now = number_at(h, t, "/count");
    if (errno != EAGAIN)
        xs_write(h, t, "/count", text, (unsigned)snprintf(text, sizeof(text), "%u", now + 1));
    if (xs_transaction_end(h, t, false))
        w->commits++;
    else if (errno == ECONNRESET)
        w->unknown++;
    else
        w->faults += errno != EAGAIN;
    snprintf(own, sizeof(own), "/own/%d", w->n);
    if (xs_write(h, XBT_NULL, own, text, (unsigned)snprintf(text, sizeof(text), "%u", ++w->writes)))
        w->faults += number_at(h, XBT_NULL, own) != w->writes;
    else
        w->faults++;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct xs_handle *h = xs_open(0);

    while (h && !over)
        work_once(w, h);
    if (h)
        xs_close(h);
    return NULL;
}

/* Nothing acknowledged is lost, nothing is done twice, nobody is left behind. */
static void test_deaths_under_load(void)
{
    unsigned commits = 0, unknown = 0, count;
    struct xs_handle *h;

    daemon_start();
    over = false;
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){ .n = i };
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (int i = 0; i < DEATHS; i++) {
        usleep(150000);
        daemon_dies();
    }
    usleep(300000);
    over = true;
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        CU_ASSERT(workers[i].commits > 0 && workers[i].writes > 20);
        CU_ASSERT_EQUAL(workers[i].faults, 0);
        commits += workers[i].commits;
        unknown += workers[i].unknown;
    }
    h = xs_open(0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(h);
    count = number_at(h, XBT_NULL, "/count");
    CU_ASSERT(count >= commits && count <= commits + unknown);
    CU_ASSERT(unknown <= WORKERS * DEATHS);
    printf("\n    %d deaths: %u commits, %u more of which nobody knows, %u counted\n    ", DEATHS, commits, unknown, count);
    xs_close(h);
    daemon_stop();
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
    int fd;

    while ((fd = accept(liar.listener, NULL, NULL)) >= 0) {
        if (read(fd, buf, sizeof(buf)) > 0 && send(fd, &liar.hdr, sizeof(liar.hdr), MSG_NOSIGNAL) > 0 && liar.len)
            send(fd, liar.body, liar.len, MSG_NOSIGNAL); /* to one who may have heard enough */
        close(fd);
    }
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
    xs_close(h);
    shutdown(liar.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
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
    CU_ASSERT_EQUAL(told(XS_DIRECTORY, 1, 40, "a", 2), ECONNRESET);  /* cut, twice */
    CU_ASSERT_EQUAL(told(XS_ERROR, 1, 6, "EPERM", 6), EPERM);
    CU_ASSERT_EQUAL(told(XS_ERROR, 1, 6, "ENONS", 6), EINVAL);  /* no such error */
    CU_ASSERT_EQUAL(told(XS_ERROR, 1, 0, "", 0), EINVAL);
    CU_ASSERT_EQUAL(told(XS_WATCH_EVENT, 1, 3, "abc", 3), EIO); /* no token */
    CU_ASSERT_EQUAL(told(XS_WATCH_EVENT, 1, 4, "ab\0c", 4), EIO);   /* the token does not end */
    CU_ASSERT_EQUAL(told(XS_WATCH_EVENT, 1, 4, "a\0b", 4), ECONNRESET); /* an event is no answer */
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"nodes, permissions, domains", test_nodes},
        {"the rest of the API", test_rest},
        {"transactions", test_transactions},
        {"watches and threads", test_watches},
        {"the daemon dies", test_death},
        {"deaths under load", test_deaths_under_load},
        {"a daemon that lies", test_liar},
        CU_TEST_INFO_NULL,
    };
    if (!mkdtemp(dir))
        return 1;
    int status = suite_run("xenstore client", NULL, tests);
    rmdir(dir);
    return status;
}
