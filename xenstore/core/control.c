/* SPDX-License-Identifier: MIT */
/* XS_CONTROL: what an administrator may ask of the daemon (xenstore-control). Answers are text. */
#include "xenstore/core/conn.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct out {
    char *buf;
    size_t room, used;
};

static void __attribute__((format(printf, 2, 3))) put(struct out *o, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(o->buf + o->used, o->room - o->used, fmt, ap);
    va_end(ap);
    if (n > 0)
        o->used = o->used + (size_t)n < o->room ? o->used + (size_t)n : o->room - 1;
}

static int do_check(struct store *s, char **argv, int argc, struct out *o)
{
    size_t owned = 0, pending = 0;

    for (unsigned i = 0; i < ACCOUNT_PAGES; i++)
        for (unsigned k = 0; s->accounts[i] && k < ACCOUNTS_PER_PAGE; k++)
            owned += s->accounts[i][k].nodes;
    for (struct conn *c = s->conns; c; c = c->next)
        pending += c->event_bytes;
    put(o, "nodes: %zu\nwatches: %zu\nunread event bytes: %zu", owned, s->watch_count, pending);
    return 0;
}

static int do_domains(struct store *s, char **argv, int argc, struct out *o)
{
    domains_refresh(s);
    put(o, "OK");
    return 0;
}

static int do_log(struct store *s, char **argv, int argc, struct out *o)
{
    if (argc == 2 && (!strcmp(argv[1], "on") || !strcmp(argv[1], "off")))
        s->trace = argv[1][1] == 'n';
    else if (argc != 1)
        return EINVAL;
    put(o, argc == 2 ? "OK" : s->trace ? "on" : "off");
    return 0;
}

static int do_print(struct store *s, char **argv, int argc, struct out *o)
{
    if (argc != 2)
        return EINVAL;
    store_log(s, "control: %s", argv[1]);
    put(o, "OK");
    return 0;
}

static int show_account(struct store *s, unsigned long domid, struct out *o)
{
    const struct account *a = account_of(s, (uint16_t)domid);

    if (!a)
        return ENOMEM;
    put(o, "Domain %lu:\nnodes: %u\nwatches: %u\ntransactions: %u\nmemory: %lu", domid, a->nodes, a->watches,
        a->transactions, (unsigned long)(a->node_bytes + a->work_bytes));
    for (int q = 0; q < QUOTA_COUNT; q++)
        if (a->own_limits & 1u << q)
            put(o, "\nlimit of %s: %u", quota_name(q), a->limits[q]);
    for (int q = 0; q < QUOTA_COUNT; q++)
        if (a->refused[q])
            put(o, "\nrefused %s: %u", quota_name(q), a->refused[q]);
    return 0;
}

static int do_quota(struct store *s, char **argv, int argc, struct out *o)
{
    unsigned long domid;
    int err = EINVAL;

    if (argc == 2 && parse_number(argv[1], DOMID_LIMIT - 1, &domid))
        return show_account(s, domid, o);
    if (argc == 4 && !strcmp(argv[1], "set"))
        err = quota_set(s, NULL, argv[2], argv[3]);
    if (argc == 5 && !strcmp(argv[1], "set"))
        err = quota_set(s, argv[2], argv[3], argv[4]);
    if (argc == 1)
        err = 0;
    for (int q = 0; !err && argc == 1 && q < QUOTA_COUNT; q++)
        put(o, "%s%s: %u", q ? "\n" : "", quota_name(q), s->limits[q]);
    if (argc != 1)
        put(o, "OK");
    return err;
}

/* As xenstore-control has it: the program with -f or alone, then -s to begin (a time limit and force mean nothing here: we never
 * have to wait), -a to think better of it. -s without a program: the one on disk that this daemon was started from. */
static int do_live_update(struct store *s, char **argv, int argc, struct out *o)
{
    const char *file = argc == 3 && !strcmp(argv[1], "-f") ? argv[2] : argc == 2 && argv[1][0] == '/' ? argv[1] : NULL;
    int err = EINVAL;

    if (file && strlen(file) < sizeof(s->update_path)) {
        strcpy(s->update_path, file);
        err = 0;
    } else if (argc >= 2 && !strcmp(argv[1], "-s")) {
        err = s->ops->update(s, s->update_path[0] ? s->update_path : NULL);
    } else if (argc == 2 && !strcmp(argv[1], "-a")) {
        s->update_path[0] = 0;
        err = 0;
    }
    put(o, "OK");
    return err;
}

static int do_help(struct store *s, char **argv, int argc, struct out *o);

static const struct command {
    const char *name;
    int (*run)(struct store *s, char **argv, int argc, struct out *o);
    const char *args;
} commands[] = {
    { "check", do_check, "" },
    { "domains", do_domains, "" },
    { "help", do_help, "" },
    { "live-update", do_live_update, "[-f] <file>|-s|-a" },
    { "log", do_log, "[on|off]" },
    { "print", do_print, "<string>" },
    { "quota", do_quota, "[set [<domid>] <name> <value>|<domid>]" },
};

static int do_help(struct store *s, char **argv, int argc, struct out *o)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        put(o, "%s%s %s", i ? "\n" : "", commands[i].name, commands[i].args);
    return 0;
}

int control_run(struct store *s, char **argv, int argc, char *out, size_t room)
{
    struct out o = { out, room, 0 };

    out[0] = 0;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (!strcmp(argv[0], commands[i].name))
            return commands[i].run(s, argv, argc, &o);
    return EINVAL;
}
