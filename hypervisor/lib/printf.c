/* SPDX-License-Identifier: MIT */
/* Formatted output: %d %i %u %x %X %p %s %c %% with flags 0 - #, width, precision (also *), and lengths hh h l ll z. */
#include "lib/log.h"
#include "lib/string.h"

struct out { char *buf; size_t size, len; };
struct spec { bool left, zero, alt, negative; int width, precision, length; };

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void pad(struct out *o, int n, char c)
{
    while (n-- > 0)
        put(o, c);
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, unsigned base, bool upper)
{
    char tmp[24];
    int n = 0;
    do {
        unsigned d = (unsigned)(v % base);
        tmp[n++] = (char)(d < 10 ? '0' + d : (upper ? 'A' : 'a') + d - 10);
        v /= base;
    } while (v);
    int digits = MAX(n, s->precision), prefix = (s->negative ? 1 : 0) + (s->alt && base == 16 ? 2 : 0);
    if (s->zero && !s->left && s->precision < 0)
        digits = MAX(digits, s->width - prefix);
    if (!s->left)
        pad(o, s->width - digits - prefix, ' ');
    if (s->negative)
        put(o, '-');
    if (s->alt && base == 16) {
        put(o, '0');
        put(o, 'x');
    }
    pad(o, digits - n, '0');
    while (n)
        put(o, tmp[--n]);
    if (s->left)
        pad(o, s->width - digits - prefix, ' ');
}

static void put_string(struct out *o, const struct spec *s, const char *str)
{
    if (!str)
        str = "(null)";
    int n = 0;
    while ((s->precision < 0 || n < s->precision) && str[n])
        n++;
    if (!s->left)
        pad(o, s->width - n, ' ');
    for (int i = 0; i < n; i++)
        put(o, str[i]);
    if (s->left)
        pad(o, s->width - n, ' ');
}

static const char *parse_spec(const char *f, struct spec *s, va_list *ap)
{
    *s = (struct spec){.precision = -1};
    for (;; f++) {
        if (*f == '-') s->left = true;
        else if (*f == '0') s->zero = true;
        else if (*f == '#') s->alt = true;
        else break;
    }
    if (*f == '*') {
        s->width = va_arg(*ap, int);
        f++;
    } else
        while (*f >= '0' && *f <= '9')
            s->width = s->width * 10 + *f++ - '0';
    if (*f == '.') {
        s->precision = 0;
        if (*++f == '*') {
            s->precision = va_arg(*ap, int);
            f++;
        } else
            while (*f >= '0' && *f <= '9')
                s->precision = s->precision * 10 + *f++ - '0';
    }
    for (;; f++) {
        if (*f == 'l' || *f == 'z') s->length++;
        else if (*f == 'h') s->length--;
        else break;
    }
    return f;
}

int vsnprintf(char *buf, size_t n, const char *f, va_list args)
{
    struct out o = {buf, n, 0};
    struct spec s;
    va_list ap;
    va_copy(ap, args);
    for (; *f; f++) {
        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        f = parse_spec(f + 1, &s, &ap);
        uint64_t v;
        switch (*f) {
        case 'd': case 'i': {
            int64_t i = s.length > 0 ? va_arg(ap, int64_t) : va_arg(ap, int);
            s.negative = i < 0;
            put_number(&o, &s, i < 0 ? -(uint64_t)i : (uint64_t)i, 10, false);
            break;
        }
        case 'u': case 'x': case 'X':
            v = s.length > 0 ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);
            put_number(&o, &s, v, *f == 'u' ? 10 : 16, *f == 'X');
            break;
        case 'p':
            s.precision = 16;
            put_number(&o, &s, (uint64_t)va_arg(ap, void *), 16, false);
            break;
        case 's': put_string(&o, &s, va_arg(ap, const char *)); break;
        case 'c': put(&o, (char)va_arg(ap, int)); break;
        case 0: f--; break;
        default: put(&o, *f);
        }
    }
    va_end(ap);
    if (n)
        buf[MIN(o.len, n - 1)] = 0;
    return (int)o.len;
}

int snprintf(char *buf, size_t n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = vsnprintf(buf, n, fmt, ap);
    va_end(ap);
    return r;
}
