/* SPDX-License-Identifier: MIT */
/*
 * Requests: one function an operation, found in a table by its number. A function takes its arguments apart, asks view.c, txn.c,
 * watch.c or domain.c, and either returns an errno, which becomes the reply, or has replied and returns 0. The reply goes
 * before the watch events that the request causes.
 */
#include "xenstore/core/conn.h"
#include "xenstore/core/later.h"
#include "xenstore/core/state.h"
#include "xenstore/core/watch.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_NOW (-1) /* instead of an errno: run the request again later */

struct request {
    struct store *s;
    struct conn *c;
    const struct xsd_sockmsg *hdr;
    char *data;
    size_t len;
    struct txn *txn;   /* or NULL */
    struct view *view; /* the transaction's or the live one */
    char path[PATH_BUF];
};

static int reply(struct request *r, const void *data, size_t len)
{
    conn_reply(r->c, r->hdr, r->hdr->type, data, len);
    return 0;
}

static int ack(struct request *r)
{
    return reply(r, "OK", 3);
}

/* Take the first strings apart; returns how many there were, at most max, and in *used the bytes they took. */
static int split(struct request *r, char **v, int max, size_t *used)
{
    size_t at = 0;
    int n = 0;

    while (n < max && at < r->len) {
        size_t len = strnlen(r->data + at, r->len - at);

        if (at + len == r->len)
            break; /* no NUL */
        v[n++] = r->data + at;
        at += len + 1;
    }
    *used = at;
    return n;
}

/* The whole payload is exactly n strings. */
static bool strings(struct request *r, char **v, int n)
{
    size_t used;

    return split(r, v, n, &used) == n && used == r->len;
}

/* Make r->path of what the client wrote. */
static int take_path(struct request *r, const char *in)
{
    const struct actor *a = &r->c->actor;
    int err = path_canonical(a->domid, in, r->path, NULL);

    if (err || actor_privileged(a))
        return err;
    if (strlen(path_in_home(r->path)) > quota_limit(r->s, a->domid, QUOTA_PATH_LEN))
        return quota_refuse(r->s, a->domid, QUOTA_PATH_LEN, EINVAL);
    return 0;
}

/* The node the client wants to look at; notes in the transaction what it learns. */
static int look(struct request *r, const char *in, unsigned what, struct node **n)
{
    int noted, err = take_path(r, in);

    if (err)
        return err;
    err = view_get(r->view, &r->c->actor, r->path, ACCESS_READ, n);
    noted = r->txn ? txn_read(r->txn, r->path, err ? READ_NODE : what) : 0;
    return noted ? noted : err;
}

static int do_directory(struct request *r)
{
    struct node *n;
    char *path;
    int err = strings(r, &path, 1) ? look(r, path, READ_KIDS, &n) : EINVAL;

    if (err)
        return err;
    if (tree_kids_bytes(n) > XENSTORE_PAYLOAD_MAX)
        return E2BIG;
    return reply(r, r->s->scratch, tree_kids_list(n, 0, r->s->scratch, XENSTORE_PAYLOAD_MAX));
}

static int do_directory_part(struct request *r)
{
    char *v[2], *out = r->s->scratch;
    unsigned long from;
    struct node *n;
    size_t len, got;
    int err;

    if (!strings(r, v, 2) || !parse_number(v[1], UINT32_MAX, &from))
        return EINVAL;
    err = look(r, v[0], READ_KIDS, &n);
    if (err)
        return err;
    len = (size_t)snprintf(out, XENSTORE_PAYLOAD_MAX, "%llu", (unsigned long long)n->kgen) + 1;
    got = tree_kids_list(n, from, out + len, XENSTORE_PAYLOAD_MAX - len - 1);
    len += got;
    if (from + got >= tree_kids_bytes(n))
        out[len++] = 0;
    return reply(r, out, len);
}

static int do_read(struct request *r)
{
    struct node *n;
    char *path;
    int err = strings(r, &path, 1) ? look(r, path, READ_NODE, &n) : EINVAL;

    if (err)
        return err;
    return n->value ? reply(r, n->value->data, n->value->len) : reply(r, "", 0);
}

static int do_get_perms(struct request *r)
{
    struct perms **special, *p;
    size_t len = 0, one;
    struct node *n;
    char *path;
    int err;

    if (!strings(r, &path, 1))
        return EINVAL;
    special = watch_special(r->s, path);
    err = special ? 0 : look(r, path, READ_PERMS, &n);
    if (err)
        return err;
    p = special ? *special : n->perms;
    for (uint32_t i = 0; i < p->n; i++, len += one) {
        one = perm_format(p->p[i], r->s->scratch + len, XENSTORE_PAYLOAD_MAX - len);
        if (!one)
            return E2BIG;
    }
    return reply(r, r->s->scratch, len);
}

/* Make a change where it belongs, answer, and tell the watches. Takes over what ch holds. */
static int change(struct request *r, struct change *ch)
{
    int err;

    ch->path = r->path;
    if (r->txn) {
        err = txn_change(r->txn, ch);
        return err ? err : ack(r);
    }
    err = change_make(r->s, &r->s->live, &r->c->actor, ch);
    if (!err) {
        view_settle(r->s, &r->s->live);
        r->s->version += ch->changed;
        journal_change(r->s, &r->c->actor, ch);
        ack(r);
        later_tell(r->s, ch);
    }
    change_clear(ch);
    return err;
}

static int do_write(struct request *r)
{
    struct change ch = { .type = CHANGE_WRITE };
    size_t used;
    char *path;
    int err = split(r, &path, 1, &used) == 1 ? take_path(r, path) : EINVAL;

    if (err)
        return err;
    if (used < r->len) {
        ch.value = blob_new(r->data + used, r->len - used);
        if (!ch.value)
            return ENOMEM;
    }
    return change(r, &ch);
}

static int do_mkdir(struct request *r)
{
    struct change ch = { .type = CHANGE_MKDIR };
    char *path;
    int err = strings(r, &path, 1) ? take_path(r, path) : EINVAL;

    return err ? err : change(r, &ch);
}

static int do_rm(struct request *r)
{
    struct change ch = { .type = CHANGE_RM };
    char *path;
    int err = strings(r, &path, 1) ? take_path(r, path) : EINVAL;

    return err ? err : change(r, &ch);
}

/* The list of permissions in the strings after the path. */
static int parse_perms(struct request *r, size_t at, struct perms **out)
{
    uint32_t n = 0;
    struct perms *p;

    for (size_t i = at; i < r->len; i++)
        n += !r->data[i];
    if (!n || r->data[r->len - 1])
        return EINVAL;
    p = perms_new(n);
    if (!p)
        return ENOMEM;
    for (uint32_t i = 0; i < n; i++, at += strlen(r->data + at) + 1)
        if (!perm_parse(r->data + at, &p->p[i])) {
            perms_put(p);
            return EINVAL;
        }
    *out = p;
    return 0;
}

static int do_set_perms(struct request *r)
{
    struct change ch = { .type = CHANGE_PERMS };
    struct perms **special;
    size_t used;
    char *path;
    int err = split(r, &path, 1, &used) == 1 ? parse_perms(r, used, &ch.perms) : EINVAL;

    if (err)
        return err;
    special = watch_special(r->s, path);
    if (special) {
        if (perms_access(*special, &r->c->actor) == ACCESS_ALL) {
            perms_put(*special);
            *special = ch.perms;
            journal_put(r->s, REC_SPECIAL, "up", (uint32_t)(special - r->s->special), ch.perms);
            return ack(r);
        }
        err = EACCES;
    } else {
        err = take_path(r, path);
        if (!err)
            return change(r, &ch);
    }
    change_clear(&ch);
    return err;
}

static int do_watch(struct request *r)
{
    unsigned long depth = 0;
    bool relative = false;
    char *v[3];
    size_t used;
    int err = 0, n = split(r, v, 3, &used);

    if (n < 2 || used != r->len || (n == 3 && !parse_number(v[2], 0xffff, &depth)))
        return EINVAL;
    if (v[0][0] != '@') {
        err = take_path(r, v[0]);
        relative = v[0][0] != '/';
    } else if (strlen(v[0]) > XENSTORE_REL_PATH_MAX) {
        err = EINVAL;
    } else {
        strcpy(r->path, v[0]);
    }
    if (!err)
        err = watch_add(r->c, r->path, v[1], relative, n == 3 ? (int)depth : DEPTH_ALL);
    if (err)
        return err;
    ack(r);
    conn_event(r->c, v[0], v[1]);
    return 0;
}

static int do_unwatch(struct request *r)
{
    char *v[2];
    int err = strings(r, v, 2) ? 0 : EINVAL;

    if (!err && v[0][0] == '@' && strlen(v[0]) < sizeof(r->path))
        strcpy(r->path, v[0]);
    else if (!err)
        err = take_path(r, v[0]);
    if (!err)
        err = watch_remove(r->c, r->path, v[1]);
    return err ? err : ack(r);
}

static int do_reset_watches(struct request *r)
{
    if (!conn_wind_down(r->c)) {
        r->s->work += TURN_WORK; /* enough for this turn */
        return NOT_NOW;
    }
    return ack(r);
}

static int do_transaction_start(struct request *r)
{
    struct txn *t;
    char id[16];
    int err = r->txn ? EBUSY : 0;

    if (!err && !lane_enter(r->c))
        return NOT_NOW;
    if (!err)
        err = txn_start(r->c, &t);
    if (err)
        return err;
    lane_started(t);
    return reply(r, id, (size_t)snprintf(id, sizeof(id), "%u", t->id) + 1);
}

static int do_transaction_end(struct request *r)
{
    struct txn *t = r->txn;
    char *how;
    int err;

    if (!strings(r, &how, 1) || (strcmp(how, "T") && strcmp(how, "F")))
        return EINVAL;
    if (!t)
        return ENOENT;
    err = *how == 'T' ? txn_commit(t) : 0;
    lane_ended(t, err == EAGAIN);
    if (!err)
        ack(r);
    txn_close(t);
    later_txn(r->s, t, !err && *how == 'T');
    return err;
}

/* The first n of the strings are domain ids or other numbers. */
static bool numbers(struct request *r, unsigned long *out, int n, unsigned long max)
{
    char *v[4];
    size_t used;

    if (split(r, v, n, &used) < n)
        return false;
    for (int i = 0; i < n; i++)
        if (!parse_number(v[i], i ? max : DOMID_LIMIT - 1, &out[i]))
            return false;
    return true;
}

static int do_introduce(struct request *r)
{
    unsigned long v[3];
    bool known;
    int err;

    if (!numbers(r, v, 3, UINT64_MAX) || !v[0] || !v[2] || v[2] > UINT32_MAX)
        return EINVAL;
    known = domain_find(r->s, (uint16_t)v[0]);
    err = domain_introduce(r->s, (uint16_t)v[0], v[1], (uint32_t)v[2]);
    if (err)
        return err;
    ack(r);
    if (!known)
        later_tell_special(r->s, "@introduceDomain");
    return 0;
}

static int do_release(struct request *r)
{
    unsigned long domid;
    int err = numbers(r, &domid, 1, 0) && domid ? domain_release(r->s, (uint16_t)domid) : EINVAL;

    if (err)
        return err;
    ack(r);
    later_tell_special(r->s, "@releaseDomain");
    return 0;
}

static int do_resume(struct request *r)
{
    unsigned long domid;
    struct domain *d;

    if (!numbers(r, &domid, 1, 0))
        return EINVAL;
    d = domain_find(r->s, (uint16_t)domid);
    if (!d)
        return ENOENT;
    d->shutdown = false;
    journal_domain(r->s, d);
    return ack(r);
}

static int do_set_target(struct request *r)
{
    unsigned long v[2];
    int err = numbers(r, v, 2, DOMID_LIMIT - 1) ? domain_set_target(r->s, (uint16_t)v[0], (uint16_t)v[1]) : EINVAL;

    return err ? err : ack(r);
}

static int do_get_domain_path(struct request *r)
{
    unsigned long domid;
    char path[40];
    char *v;

    if (!strings(r, &v, 1) || !parse_number(v, 0xffff, &domid))
        return EINVAL;
    return reply(r, path, (size_t)snprintf(path, sizeof(path), "/local/domain/%lu", domid) + 1);
}

static int do_is_domain_introduced(struct request *r)
{
    unsigned long domid;
    char *v;

    if (!strings(r, &v, 1) || !parse_number(v, 0xffff, &domid))
        return EINVAL;
    return reply(r, !domid || domain_find(r->s, (uint16_t)domid) ? "T" : "F", 2);
}

/* What a domain's ring is offered, before it is introduced: every feature but those switched off for it. */
static int do_get_feature(struct request *r)
{
    unsigned long domid = r->c->actor.domid;
    const struct account *a;
    char text[16], *v;
    size_t used;

    if (split(r, &v, 1, &used) == 1 && *v) {
        if (!actor_privileged(&r->c->actor))
            return EACCES;
        if (used != r->len || !parse_number(v, DOMID_LIMIT - 1, &domid))
            return EINVAL;
    }
    a = account_of(r->s, (uint16_t)domid);
    if (!a)
        return ENOMEM;
    return reply(r, text, (size_t)snprintf(text, sizeof(text), "%u", WIRE_FEATURES & ~a->features_off) + 1);
}

static int do_set_feature(struct request *r)
{
    unsigned long domid, value;
    struct account *a;
    char *v[2];

    if (!strings(r, v, 2) || !parse_number(v[0], DOMID_LIMIT - 1, &domid) || !parse_number(v[1], UINT32_MAX, &value) ||
        value & ~(unsigned long)WIRE_FEATURES)
        return EINVAL;
    if (!domid || domain_find(r->s, (uint16_t)domid))
        return EBUSY;
    a = account_of(r->s, (uint16_t)domid);
    if (!a)
        return ENOMEM;
    a->features_off = WIRE_FEATURES & ~(uint32_t)value;
    journal_put(r->s, REC_FEATURES, "uu", (uint32_t)domid, a->features_off);
    return ack(r);
}

/* [[<domid>|]<quota>|]: without any, the names of all quotas. */
static int do_get_quota(struct request *r)
{
    const struct account *a = NULL;
    unsigned long domid;
    char *v[2], *out = r->s->scratch;
    size_t used, len = 0;
    enum quota q;
    uint32_t limit;
    int n = split(r, v, 2, &used);

    if (used != r->len)
        return EINVAL;
    if (!n || !*v[0]) {
        for (int i = 0; i < QUOTA_COUNT; i++)
            len += (size_t)snprintf(out + len, XENSTORE_PAYLOAD_MAX - len, "%s%s", i ? " " : "", quota_name((enum quota)i));
        return reply(r, out, len + 1);
    }
    if (!quota_find(v[n - 1], &q) || (n == 2 && !parse_number(v[0], DOMID_LIMIT - 1, &domid)))
        return EINVAL;
    if (n == 2)
        a = account_of(r->s, (uint16_t)domid);
    limit = a && a->own_limits & 1u << q ? a->limits[q] : r->s->limits[q];
    return reply(r, out, (size_t)snprintf(out, XENSTORE_PAYLOAD_MAX, "%u", limit) + 1);
}

static int do_set_quota(struct request *r)
{
    char *v[3];
    size_t used;
    int n = split(r, v, 3, &used), err;

    if (used != r->len || n < 2)
        return EINVAL;
    err = quota_set(r->s, n == 3 ? v[0] : NULL, v[n - 2], v[n - 1]);
    return err ? err : ack(r);
}

static int do_control(struct request *r)
{
    char *v[8];
    size_t used;
    int n = split(r, v, 8, &used), err;

    if (!n || used != r->len)
        return EINVAL;
    err = control_run(r->s, v, n, r->s->scratch, XENSTORE_PAYLOAD_MAX);
    return err ? err : reply(r, r->s->scratch, strlen(r->s->scratch) + 1);
}

static const struct op {
    const char *name;
    int (*run)(struct request *r);
    bool privileged;
} ops[WIRE_COUNT] = {
    [XS_CONTROL] = { "CONTROL", do_control, true },
    [XS_DIRECTORY] = { "DIRECTORY", do_directory, false },
    [XS_READ] = { "READ", do_read, false },
    [XS_GET_PERMS] = { "GET_PERMS", do_get_perms, false },
    [XS_WATCH] = { "WATCH", do_watch, false },
    [XS_UNWATCH] = { "UNWATCH", do_unwatch, false },
    [XS_TRANSACTION_START] = { "TRANSACTION_START", do_transaction_start, false },
    [XS_TRANSACTION_END] = { "TRANSACTION_END", do_transaction_end, false },
    [XS_INTRODUCE] = { "INTRODUCE", do_introduce, true },
    [XS_RELEASE] = { "RELEASE", do_release, true },
    [XS_GET_DOMAIN_PATH] = { "GET_DOMAIN_PATH", do_get_domain_path, false },
    [XS_WRITE] = { "WRITE", do_write, false },
    [XS_MKDIR] = { "MKDIR", do_mkdir, false },
    [XS_RM] = { "RM", do_rm, false },
    [XS_SET_PERMS] = { "SET_PERMS", do_set_perms, false },
    [XS_IS_DOMAIN_INTRODUCED] = { "IS_DOMAIN_INTRODUCED", do_is_domain_introduced, false },
    [XS_RESUME] = { "RESUME", do_resume, true },
    [XS_SET_TARGET] = { "SET_TARGET", do_set_target, true },
    [XS_RESET_WATCHES] = { "RESET_WATCHES", do_reset_watches, false },
    [XS_DIRECTORY_PART] = { "DIRECTORY_PART", do_directory_part, false },
    [WIRE_GET_FEATURE] = { "GET_FEATURE", do_get_feature, false },
    [WIRE_SET_FEATURE] = { "SET_FEATURE", do_set_feature, true },
    [WIRE_GET_QUOTA] = { "GET_QUOTA", do_get_quota, true },
    [WIRE_SET_QUOTA] = { "SET_QUOTA", do_set_quota, true },
};

static void trace(const struct request *r, const struct op *op, int err)
{
    store_log(r->s, "%s d%u tx%u %s %.*s: %s", r->c->ops->name, r->c->actor.domid, r->hdr->tx_id, op->name,
              (int)strnlen(r->data, r->len < 200 ? r->len : 200), r->data, err ? strerror(err) : "ok");
}

bool request_run(struct conn *c, const struct xsd_sockmsg *hdr, char *data)
{
    struct request r = { .s = c->store, .c = c, .hdr = hdr, .data = data, .len = hdr->len, .view = &c->store->live };
    const struct op *op = hdr->type < WIRE_COUNT && ops[hdr->type].run ? &ops[hdr->type] : NULL;
    int err = op ? 0 : ENOSYS;

    if (c->poisoned) {
        store_log(c->store, "domain %u: request %u ended the daemon before: refused", c->actor.domid, hdr->type);
        c->poisoned = false;
        err = EIO;
    }
    if (!err && op->privileged && !actor_privileged(&c->actor))
        err = EACCES;
    if (!err && hdr->tx_id) {
        r.txn = txn_find(c, hdr->tx_id);
        if (r.txn) {
            txn_forward(r.txn);
            r.view = &r.txn->view;
        } else {
            err = ENOENT;
        }
    }
    if (!err)
        err = op->run(&r);
    if (err == NOT_NOW)
        return false;
    if (err)
        conn_error(c, hdr, err);
    if (c->store->trace && op)
        trace(&r, op, err);
    return true;
}
