/* SPDX-License-Identifier: MIT */
/* Parser of xl's .cfg syntax; see cfg.h. A plain recursive-descent parser over a bounded buffer. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/cfg.h"

struct setting {
    char *key;
    struct cfg_value value;
    bool known;
};

struct cfg {
    char *name;
    struct setting *settings;
    unsigned n;
};

struct parser {
    const char *p, *end;
    const char *name;
    char key[64]; /* of the statement at hand, for messages */
    unsigned line;
    unsigned items;
    struct err *e;
};

static int fail(struct parser *ps, const char *what)
{
    if (ps->key[0])
        return err_set(ps->e, "%s:%u: %s: %s", ps->name, ps->line, ps->key, what);
    return err_set(ps->e, "%s:%u: %s", ps->name, ps->line, what);
}

static void value_free(struct cfg_value *v)
{
    free(v->string);
    for (unsigned i = 0; i < v->nr_items; i++)
        value_free(&v->items[i]);
    free(v->items);
    memset(v, 0, sizeof(*v));
}

static void skip_comment(struct parser *ps)
{
    while (ps->p < ps->end && *ps->p != '\n')
        ps->p++;
}

/* Blanks and comments; newlines too where they do not end a statement. */
static void skip_blank(struct parser *ps, bool newlines)
{
    while (ps->p < ps->end) {
        char c = *ps->p;
        if (c == '#')
            skip_comment(ps);
        else if (c == '\n' && newlines)
            ps->line++, ps->p++;
        else if (c == ' ' || c == '\t' || c == '\r')
            ps->p++;
        else
            return;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escape after the backslash; returns the byte or -1. */
static int parse_escape(struct parser *ps)
{
    if (ps->p >= ps->end)
        return fail(ps, "string is not closed");
    char c = *ps->p++;
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case '\\': case '"': case '\'': return c;
    default: break;
    }
    unsigned base = c == 'x' ? 16 : 8, digits = c == 'x' ? 2 : 3, v = 0, n = 0;
    if (base == 8)
        ps->p--;
    for (; n < digits && ps->p < ps->end; n++, ps->p++) {
        int d = hex_digit(*ps->p);
        if (d < 0 || (unsigned)d >= base)
            break;
        v = v * base + (unsigned)d;
    }
    if (n == 0 || v == 0 || v > 255)
        return fail(ps, "unknown escape in string");
    return (int)v;
}

static int parse_string(struct parser *ps, struct cfg_value *v)
{
    char quote = *ps->p++;
    size_t len = 0, room = (size_t)(ps->end - ps->p) + 1;
    char *s = malloc(room); /* escapes only shrink */
    if (!s)
        return fail(ps, "out of memory");
    for (;;) {
        int c;
        if (ps->p >= ps->end || *ps->p == '\n') {
            fail(ps, "string is not closed");
            break;
        }
        c = (unsigned char)*ps->p++;
        if (c == quote) {
            s[len] = 0;
            char *fit = realloc(s, len + 1);
            v->type = CFG_STRING;
            v->string = fit ? fit : s;
            return 0;
        }
        if (c == 0) {
            fail(ps, "NUL byte in string");
            break;
        }
        if (c == '\\' && (c = parse_escape(ps)) < 0)
            break;
        s[len++] = (char)c;
    }
    free(s);
    return -1;
}

static int parse_number(struct parser *ps, struct cfg_value *v)
{
    char buf[32], *rest;
    unsigned n = 0;
    while (ps->p < ps->end && n < sizeof(buf) - 1 && (isalnum((unsigned char)*ps->p) || *ps->p == '-'))
        buf[n++] = *ps->p++;
    buf[n] = 0;
    errno = 0;
    v->type = CFG_NUMBER;
    v->number = strtoll(buf, &rest, 0);
    if (n == 0 || n == sizeof(buf) - 1 || *rest || errno)
        return fail(ps, n ? "not a number (strings need quotes)" : "expected a string, a number or a list");
    return 0;
}

static int parse_scalar(struct parser *ps, struct cfg_value *v)
{
    v->line = ps->line;
    if (++ps->items > CFG_MAX_ITEMS)
        return fail(ps, "too many values in one file");
    if (ps->p < ps->end && (*ps->p == '"' || *ps->p == '\''))
        return parse_string(ps, v);
    return parse_number(ps, v);
}

/* Doubling keeps appends cheap; returns the new last item or NULL. */
static struct cfg_value *list_grow(struct cfg_value *list)
{
    if ((list->nr_items & (list->nr_items - 1)) == 0) {
        unsigned room = list->nr_items ? 2 * list->nr_items : 1;
        struct cfg_value *bigger = realloc(list->items, room * sizeof(*bigger));
        if (!bigger)
            return NULL;
        list->items = bigger;
    }
    struct cfg_value *last = &list->items[list->nr_items++];
    memset(last, 0, sizeof(*last));
    return last;
}

static int parse_list(struct parser *ps, struct cfg_value *v)
{
    v->type = CFG_LIST;
    v->line = ps->line;
    ps->p++;
    for (;;) {
        skip_blank(ps, true);
        if (ps->p < ps->end && *ps->p == ']')
            break;
        if (ps->p < ps->end && *ps->p == '[')
            return fail(ps, "a list within a list");
        struct cfg_value *item = list_grow(v);
        if (!item)
            return fail(ps, "out of memory");
        if (parse_scalar(ps, item))
            return -1;
        skip_blank(ps, true);
        if (ps->p < ps->end && *ps->p == ',') {
            ps->p++;
            continue;
        }
        if (ps->p >= ps->end || *ps->p != ']')
            return fail(ps, "list: expected ',' or ']'");
    }
    ps->p++;
    return 0;
}

static int parse_key(struct parser *ps)
{
    unsigned n = 0;
    ps->key[0] = 0;
    while (ps->p < ps->end && (isalnum((unsigned char)*ps->p) || *ps->p == '_' || *ps->p == '-')) {
        if (n == sizeof(ps->key) - 1)
            return fail(ps, "key is longer than 63 characters");
        ps->key[n++] = *ps->p++;
        ps->key[n] = 0;
    }
    return n ? 0 : fail(ps, "expected a key");
}

static struct setting *find(const struct cfg *cfg, const char *key)
{
    for (unsigned i = 0; i < cfg->n; i++)
        if (!strcmp(cfg->settings[i].key, key))
            return &cfg->settings[i];
    return NULL;
}

/* Moves v into the configuration: a later statement replaces an earlier one. */
static int store(struct parser *ps, struct cfg *cfg, struct cfg_value *v)
{
    struct setting *s = find(cfg, ps->key);
    if (!s) {
        struct setting *bigger = realloc(cfg->settings, (cfg->n + 1) * sizeof(*bigger));
        if (!bigger)
            return fail(ps, "out of memory");
        cfg->settings = bigger;
        s = &bigger[cfg->n];
        memset(s, 0, sizeof(*s));
        s->key = strdup(ps->key);
        if (!s->key)
            return fail(ps, "out of memory");
        cfg->n++;
    }
    value_free(&s->value);
    s->value = *v;
    memset(v, 0, sizeof(*v));
    return 0;
}

static int append(struct parser *ps, struct cfg *cfg, struct cfg_value *v)
{
    struct setting *s = find(cfg, ps->key);
    if (!s)
        return store(ps, cfg, v);
    if (s->value.type != v->type || v->type == CFG_NUMBER)
        return fail(ps, "+= wants a string for a string or a list for a list");
    if (v->type == CFG_STRING) {
        size_t a = strlen(s->value.string), b = strlen(v->string);
        char *both = a + b > CFG_MAX_BYTES ? NULL : malloc(a + b + 1);
        if (!both)
            return fail(ps, "string is too long");
        memcpy(both, s->value.string, a);
        memcpy(both + a, v->string, b + 1);
        free(s->value.string);
        s->value.string = both;
        return 0;
    }
    for (unsigned i = 0; i < v->nr_items; i++) {
        struct cfg_value *item = list_grow(&s->value);
        if (!item)
            return fail(ps, "out of memory");
        *item = v->items[i];
        memset(&v->items[i], 0, sizeof(v->items[i]));
    }
    return 0;
}

static int parse_statement(struct parser *ps, struct cfg *cfg)
{
    struct cfg_value v;
    bool plus = false;
    memset(&v, 0, sizeof(v));
    if (++ps->items > CFG_MAX_ITEMS)
        return fail(ps, "too many statements in one file");
    if (parse_key(ps))
        return -1;
    skip_blank(ps, false);
    if (ps->end - ps->p >= 2 && ps->p[0] == '+' && ps->p[1] == '=')
        plus = true, ps->p++;
    if (ps->p >= ps->end || *ps->p != '=')
        return fail(ps, "expected '='");
    ps->p++;
    skip_blank(ps, false);
    int rc = ps->p < ps->end && *ps->p == '[' ? parse_list(ps, &v) : parse_scalar(ps, &v);
    if (!rc)
        rc = plus ? append(ps, cfg, &v) : store(ps, cfg, &v);
    value_free(&v);
    if (rc)
        return rc;
    skip_blank(ps, false);
    if (ps->p < ps->end && *ps->p != '\n' && *ps->p != ';')
        return fail(ps, "unexpected text after the value");
    return 0;
}

static int parse_into(struct cfg *cfg, const char *text, size_t len, const char *name, struct err *e)
{
    struct parser ps = {.p = text, .end = text + len, .name = name, .line = 1, .e = e};
    if (len > CFG_MAX_BYTES)
        return err_set(e, "%s: larger than %u bytes", name, CFG_MAX_BYTES);
    for (;;) {
        skip_blank(&ps, true);
        if (ps.p < ps.end && *ps.p == ';') {
            ps.p++;
            continue;
        }
        if (ps.p >= ps.end)
            return 0;
        if (parse_statement(&ps, cfg))
            return -1;
        ps.key[0] = 0;
    }
}

struct cfg *cfg_parse(const char *text, size_t len, const char *name, struct err *e)
{
    struct cfg *cfg = calloc(1, sizeof(*cfg));
    if (!cfg || !(cfg->name = strdup(name))) {
        err_set(e, "out of memory");
        free(cfg);
        return NULL;
    }
    if (parse_into(cfg, text, len, name, e)) {
        cfg_free(cfg);
        return NULL;
    }
    return cfg;
}

struct cfg *cfg_load(const char *path, struct err *e)
{
    struct cfg *cfg = NULL;
    FILE *f = fopen(path, "re");
    char *text = malloc(CFG_MAX_BYTES + 1);
    if (!f || !text) {
        err_set(e, "%s: %s", path, strerror(errno));
    } else {
        size_t len = fread(text, 1, CFG_MAX_BYTES + 1, f);
        if (ferror(f))
            err_set(e, "%s: %s", path, strerror(errno));
        else
            cfg = cfg_parse(text, len, path, e);
    }
    if (f)
        fclose(f);
    free(text);
    return cfg;
}

int cfg_override(struct cfg *cfg, const char *text, const char *name, struct err *e)
{
    return parse_into(cfg, text, strlen(text), name, e);
}

void cfg_free(struct cfg *cfg)
{
    if (!cfg)
        return;
    for (unsigned i = 0; i < cfg->n; i++) {
        free(cfg->settings[i].key);
        value_free(&cfg->settings[i].value);
    }
    free(cfg->settings);
    free(cfg->name);
    free(cfg);
}

int cfg_error(const struct cfg *cfg, const char *key, struct err *e, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    const struct setting *s = find(cfg, key);
    if (!s)
        return err_set(e, "%s: %s: %s", cfg->name, key, text);
    return err_set(e, "%s:%u: %s: %s", cfg->name, s->value.line, key, text);
}

int cfg_string(struct cfg *cfg, const char *key, const char **out, struct err *e)
{
    struct setting *s = find(cfg, key);
    if (!s)
        return 0;
    s->known = true;
    if (s->value.type != CFG_STRING)
        return cfg_error(cfg, key, e, "must be a string in quotes");
    *out = s->value.string;
    return 1;
}

int cfg_number(struct cfg *cfg, const char *key, long long min, long long max, long long *out, struct err *e)
{
    struct setting *s = find(cfg, key);
    if (!s)
        return 0;
    s->known = true;
    long long n = s->value.number;
    if (s->value.type == CFG_STRING) { /* xl takes memory="128" too */
        char *rest;
        errno = 0;
        n = strtoll(s->value.string, &rest, 0);
        if (!s->value.string[0] || *rest || errno)
            return cfg_error(cfg, key, e, "must be a number");
    } else if (s->value.type != CFG_NUMBER) {
        return cfg_error(cfg, key, e, "must be a number");
    }
    if (n < min || n > max)
        return cfg_error(cfg, key, e, "%lld is out of range (%lld to %lld)", n, min, max);
    *out = n;
    return 1;
}

int cfg_list(struct cfg *cfg, const char *key, const struct cfg_value **items, unsigned *n, struct err *e)
{
    struct setting *s = find(cfg, key);
    if (!s)
        return 0;
    s->known = true;
    if (s->value.type != CFG_LIST)
        return cfg_error(cfg, key, e, "must be a list in [ ]");
    *items = s->value.items;
    *n = s->value.nr_items;
    return 1;
}

const char *cfg_unknown(const struct cfg *cfg, unsigned *pos, unsigned *line)
{
    while (*pos < cfg->n) {
        const struct setting *s = &cfg->settings[(*pos)++];
        if (!s->known) {
            *line = s->value.line;
            return s->key;
        }
    }
    return NULL;
}

const char *cfg_name(const struct cfg *cfg)
{
    return cfg->name;
}
