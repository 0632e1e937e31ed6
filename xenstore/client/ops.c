/* SPDX-License-Identifier: MIT */
/* libxenstore's operations (xenstore.h of libxen-dev says what each does), on top of handle.c. */
#include "xenstore/client/handle.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STR(s) { (s), strlen(s) + 1 }
#define ASK(h, type, tx, pieces, len) handle_ask(h, type, tx, pieces, sizeof(pieces) / sizeof(pieces[0]), len)

/* For requests whose answer is "OK". */
static bool done(char *reply)
{
    free(reply);
    return reply != NULL;
}

struct xs_handle *xs_open(unsigned long flags)
{
    return handle_open(flags & XS_UNWATCH_FILTER);
}

struct xs_handle *xs_daemon_open(void)
{
    return xs_open(0);
}

struct xs_handle *xs_daemon_open_readonly(void)
{
    return xs_open(0);
}

struct xs_handle *xs_domain_open(void)
{
    return xs_open(0);
}

void xs_close(struct xs_handle *h)
{
    if (h)
        handle_close(h);
}

void xs_daemon_close(struct xs_handle *h)
{
    xs_close(h);
}

void xs_daemon_destroy_postfork(struct xs_handle *h)
{
    xs_close(h);
}

bool xs_restrict(struct xs_handle *h, unsigned domid)
{
    errno = EOPNOTSUPP;
    return false;
}

int xs_fileno(struct xs_handle *h)
{
    return h->poll_fd;
}

/* --- directories --- */

/* An array of the n strings in `names`, in one block. */
static char **to_array(const char *names, size_t len, unsigned *num)
{
    unsigned n = 0;
    char **array, *text;

    for (size_t i = 0; i < len; i++)
        n += !names[i];
    array = malloc((n + 1) * sizeof(*array) + len);
    if (!array)
        return NULL;
    text = memcpy(array + n + 1, names, len);
    for (unsigned i = 0; i < n; i++, text += strlen(text) + 1)
        array[i] = text;
    array[n] = NULL;
    *num = n;
    return array;
}

/* Names of a directory too long for one message, in parts; starts over if it changes meanwhile. */
static char *directory_parts(struct xs_handle *h, xs_transaction_t t, const char *path, size_t *total)
{
    char *names = NULL, *reply, *more, gen[32] = "", from[16];
    size_t used = 0, head;
    unsigned len;

    for (;;) {
        snprintf(from, sizeof(from), "%zu", used);
        const struct piece p[] = { STR(path), STR(from) };
        reply = ASK(h, XS_DIRECTORY_PART, t, p, &len);
        if (!reply)
            break;
        head = strlen(reply) + 1;
        if (used && strcmp(gen, reply)) {
            used = 0;
            free(reply);
            continue;
        }
        snprintf(gen, sizeof(gen), "%s", reply);
        more = head <= len ? realloc(names, used + len - head + 1) : NULL;
        if (!more) {
            free(reply);
            break;
        }
        names = more;
        memcpy(names + used, reply + head, len - head);
        used += len - head;
        free(reply);
        if (used && !names[used - 1] && (used == 1 || !names[used - 2])) {
            *total = used - 1; /* without the NUL that ends the list */
            return names;
        }
        if (len == head)
            break; /* neither names nor an end: not a daemon that we know */
    }
    free(names);
    return NULL;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
    const struct piece p[] = { STR(path) };
    unsigned len;
    size_t total;
    char **array = NULL, *names = ASK(h, XS_DIRECTORY, t, p, &len);

    if (names)
        total = len;
    else if (errno == E2BIG)
        names = directory_parts(h, t, path, &total);
    if (names)
        array = to_array(names, total, num);
    free(names);
    return array;
}

/* --- nodes --- */

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
    const struct piece p[] = { STR(path) };

    return ASK(h, XS_READ, t, p, len);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data, unsigned int len)
{
    const struct piece p[] = { STR(path), { data, len } };

    return done(ASK(h, XS_WRITE, t, p, NULL));
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    const struct piece p[] = { STR(path) };

    return done(ASK(h, XS_MKDIR, t, p, NULL));
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    const struct piece p[] = { STR(path) };

    return done(ASK(h, XS_RM, t, p, NULL));
}

struct xs_permissions *xs_get_permissions(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
    const struct piece p[] = { STR(path) };
    struct xs_permissions *perms = NULL;
    unsigned len, n = 0;
    char *reply = ASK(h, XS_GET_PERMS, t, p, &len);

    if (!reply)
        return NULL;
    for (unsigned i = 0; i < len; i++)
        n += !reply[i];
    perms = malloc((n + 1) * sizeof(*perms));
    if (perms && !xs_strings_to_perms(perms, n, reply)) {
        free(perms);
        perms = NULL;
    }
    *num = n;
    free(reply);
    return perms;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path, struct xs_permissions *perms,
                        unsigned int n)
{
    char list[XENSTORE_PAYLOAD_MAX];
    size_t used = 0;

    for (unsigned i = 0; i < n; i++) {
        if (perms[i].perms & ~(unsigned)(XS_PERM_READ | XS_PERM_WRITE) || used + 16 > sizeof(list)) {
            errno = EINVAL;
            return false;
        }
        used += (size_t)snprintf(list + used, 16, "%c%u", "nrwb"[perms[i].perms], perms[i].id) + 1;
    }
    const struct piece p[] = { STR(path), { list, used } };
    return done(ASK(h, XS_SET_PERMS, t, p, NULL));
}

/* --- watches --- */

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
    const struct piece p[] = { STR(path), STR(token) };


    return done(ASK(h, XS_WATCH, 0, p, NULL));
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
    const struct piece p[] = { STR(path), STR(token) };

    return done(ASK(h, XS_UNWATCH, 0, p, NULL));
}

static char **event_array(struct event *e, unsigned *num)
{
    char **array = NULL;

    if (e && !(array = to_array(e->text, e->len, num)))
        errno = ENOMEM;
    free(e);
    return array;
}

char **xs_check_watch(struct xs_handle *h)
{
    unsigned num;

    return event_array(handle_event(h, false), &num);
}

char **xs_read_watch(struct xs_handle *h, unsigned int *num)
{
    return event_array(handle_event(h, true), num);
}

/* --- transactions --- */

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    const struct piece p[] = { { "", 1 } };
    char *id = ASK(h, XS_TRANSACTION_START, 0, p, NULL);
    xs_transaction_t t = id ? (xs_transaction_t)strtoul(id, NULL, 0) : XBT_NULL;

    free(id);
    return t;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
    const struct piece p[] = { { abort ? "F" : "T", 2 } };
    bool ok = done(ASK(h, XS_TRANSACTION_END, t, p, NULL));

    return ok || (abort && (errno == EAGAIN || errno == ECONNRESET)); /* it went with its connection: as wanted */
}

/* --- domains and control --- */

/* A request whose arguments are up to three numbers. */
static char *ask_numbers(struct xs_handle *h, uint32_t type, const unsigned long *v, unsigned n)
{
    char text[3][24];
    struct piece p[3];

    for (unsigned i = 0; i < n; i++)
        p[i] = (struct piece){ text[i], (size_t)snprintf(text[i], sizeof(text[i]), "%lu", v[i]) + 1 };
    return handle_ask(h, type, 0, p, n, NULL);
}

bool xs_introduce_domain(struct xs_handle *h, unsigned int domid, unsigned long mfn, unsigned int eventchn)
{
    return done(ask_numbers(h, XS_INTRODUCE, (unsigned long[]){ domid, mfn, eventchn }, 3));
}

bool xs_set_target(struct xs_handle *h, unsigned int domid, unsigned int target)
{
    return done(ask_numbers(h, XS_SET_TARGET, (unsigned long[]){ domid, target }, 2));
}

bool xs_resume_domain(struct xs_handle *h, unsigned int domid)
{
    return done(ask_numbers(h, XS_RESUME, (unsigned long[]){ domid }, 1));
}

bool xs_release_domain(struct xs_handle *h, unsigned int domid)
{
    return done(ask_numbers(h, XS_RELEASE, (unsigned long[]){ domid }, 1));
}

char *xs_get_domain_path(struct xs_handle *h, unsigned int domid)
{
    return ask_numbers(h, XS_GET_DOMAIN_PATH, (unsigned long[]){ domid }, 1);
}

bool xs_is_domain_introduced(struct xs_handle *h, unsigned int domid)
{
    char *reply = ask_numbers(h, XS_IS_DOMAIN_INTRODUCED, (unsigned long[]){ domid }, 1);
    bool yes = reply && !strcmp(reply, "T");

    free(reply);
    return yes;
}

char *xs_control_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len)
{
    const struct piece p[] = { STR(cmd), { data, len } };

    return ASK(h, XS_CONTROL, 0, p, NULL);
}

char *xs_debug_command(struct xs_handle *h, const char *cmd, void *data, unsigned int len)
{
    return xs_control_command(h, cmd, data, len);
}

int xs_suspend_evtchn_port(int domid)
{
    char path[80], *port;
    struct xs_handle *h = xs_open(0);
    int n = -1;

    if (!h)
        return -1;
    snprintf(path, sizeof(path), "/local/domain/%d/device/suspend/event-channel", domid);
    port = xs_read(h, XBT_NULL, path, NULL);
    if (port)
        n = atoi(port);
    free(port);
    xs_close(h);
    return n;
}
