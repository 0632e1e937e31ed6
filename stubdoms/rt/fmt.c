/* SPDX-License-Identifier: MIT */
/*
 * Text from numbers and numbers from text: snprintf (d i u x X o p s c %, flags - 0 + space #, width, precision, * ,
 * lengths hh h l ll z j t; no floating point) and strtoul. An unknown conversion is printed as it stands.
 */
#include "rt/rt.h"

struct out { char *buf; size_t size, used; }; /* used counts what would have been written */
struct spec { bool left, zero, plus, space, alt; int width, precision; unsigned base; bool upper, is_signed; };

static void put(struct out *o, char c)
{
    if (o->used + 1 < o->size)
        o->buf[o->used] = c;
    o->used++;
}

static void pad(struct out *o, char c, int n)
{
    while (n-- > 0)
        put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, int len)
{
    if (!s->left)
        pad(o, ' ', s->width - len);
    for (int i = 0; i < len; i++)
        put(o, text[i]);
    if (s->left)
        pad(o, ' ', s->width - len);
}

static void put_number(struct out *o, const struct spec *s, uint64_t v)
{
    const char *digits = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24], sign[3];
    int len = 0, signs = 0;

    if (s->is_signed && (int64_t)v < 0) {
        sign[signs++] = '-';
        v = -v;
    } else if (s->is_signed && (s->plus || s->space)) {
        sign[signs++] = s->plus ? '+' : ' ';
    } else if (s->alt && v && s->base == 16) {
        sign[signs++] = '0';
        sign[signs++] = s->upper ? 'X' : 'x';
    }
    for (uint64_t rest = v; rest; rest /= s->base)
        text[len++] = digits[rest % s->base];
    int zeros = s->precision >= 0 ? s->precision - len : (len ? 0 : 1);
    if (s->precision < 0 && s->zero && !s->left && s->width - len - signs > zeros)
        zeros = s->width - len - signs;
    if (zeros < 0)
        zeros = 0;
    int spaces = s->width - len - signs - zeros;
    if (!s->left)
        pad(o, ' ', spaces);
    for (int i = 0; i < signs; i++)
        put(o, sign[i]);
    pad(o, '0', zeros);
    while (len)
        put(o, text[--len]);
    if (s->left)
        pad(o, ' ', spaces);
}

static const char *parse_number(const char *p, int *value)
{
    int v = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        v = v < 100000 ? v * 10 + (*p - '0') : v;
    *value = v;
    return p;
}

static const char *parse_flags(const char *p, struct spec *s)
{
    for (;; p++) {
        if (*p == '-') s->left = true;
        else if (*p == '0') s->zero = true;
        else if (*p == '+') s->plus = true;
        else if (*p == ' ') s->space = true;
        else if (*p == '#') s->alt = true;
        else return p;
    }
}

/* Bytes of the argument; negative widths of the C library (hh = 1, h = 2) narrow after promotion. */
static const char *parse_length(const char *p, unsigned *bytes)
{
    *bytes = sizeof(int);
    if (*p == 'h') {
        *bytes = p[1] == 'h' ? 1 : 2;
        return p + (p[1] == 'h' ? 2 : 1);
    }
    if (*p == 'l' || *p == 'z' || *p == 'j' || *p == 't') {
        *bytes = 8;
        return p + (p[0] == 'l' && p[1] == 'l' ? 2 : 1);
    }
    return p;
}

static uint64_t fetch(va_list *ap, unsigned bytes, bool is_signed)
{
    if (bytes == 8)
        return va_arg(*ap, uint64_t);
    unsigned v = va_arg(*ap, unsigned);
    switch (bytes) {
    case 1: return is_signed ? (uint64_t)(int8_t)v : (uint8_t)v;
    case 2: return is_signed ? (uint64_t)(int16_t)v : (uint16_t)v;
    default: return is_signed ? (uint64_t)(int32_t)v : v;
    }
}

static bool convert(struct out *o, struct spec *s, char c, unsigned bytes, va_list *ap)
{
    char one;
    const char *text;
    int len = 0;

    switch (c) {
    case 'd': case 'i': s->is_signed = true; s->base = 10; break;
    case 'u': s->base = 10; break;
    case 'o': s->base = 8; break;
    case 'X': s->upper = true; s->base = 16; break;
    case 'x': s->base = 16; break;
    case 'p': s->alt = true; bytes = 8; s->base = 16; break;
    case 'c':
        one = (char)va_arg(*ap, int);
        put_text(o, s, &one, 1);
        return true;
    case 's':
        text = va_arg(*ap, const char *);
        if (!text)
            text = "(null)";
        while ((s->precision < 0 || len < s->precision) && text[len])
            len++;
        put_text(o, s, text, len);
        return true;
    case '%':
        put(o, '%');
        return true;
    default:
        return false;
    }
    put_number(o, s, fetch(ap, bytes, s->is_signed));
    return true;
}

int vsnprintf(char *buf, size_t n, const char *fmt, va_list args)
{
    struct out o = { buf, n, 0 };
    va_list ap;

    va_copy(ap, args);
    while (*fmt) {
        if (*fmt != '%') {
            put(&o, *fmt++);
            continue;
        }
        struct spec s = { .precision = -1 };
        unsigned bytes;
        const char *p = parse_flags(fmt + 1, &s);
        if (*p == '*') {
            s.width = va_arg(ap, int);
            if (s.width < 0)
                s.left = true, s.width = -s.width;
            p++;
        } else {
            p = parse_number(p, &s.width);
        }
        if (*p == '.') {
            if (p[1] == '*')
                s.precision = va_arg(ap, int), p += 2;
            else
                p = parse_number(p + 1, &s.precision);
        }
        p = parse_length(p, &bytes);
        if (*p && convert(&o, &s, *p, bytes, &ap))
            fmt = p + 1;
        else
            put(&o, *fmt++);
    }
    va_end(ap);
    if (n)
        buf[o.used < n ? o.used : n - 1] = 0;
    return (int)o.used;
}

int snprintf(char *buf, size_t n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(buf, n, fmt, ap);
    va_end(ap);
    return len;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 10;
    return 99;
}

/* Standard strtoul, but for errno: a value that does not fit is ULONG_MAX. */
unsigned long strtoul(const char *s, char **end, int base)
{
    const char *p = s;
    bool any = false, negative = false, over = false;
    unsigned long v = 0;

    while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
        p++;
    if (*p == '+' || *p == '-')
        negative = *p++ == '-';
    if ((base == 0 || base == 16) && p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && digit(p[2]) < 16) {
        base = 16;
        p += 2;
    } else if (base == 0) {
        base = *p == '0' ? 8 : 10;
    }
    for (; digit(*p) < base; p++) {
        any = true;
        over |= __builtin_mul_overflow(v, (unsigned long)base, &v);
        over |= __builtin_add_overflow(v, (unsigned long)digit(*p), &v);
    }
    if (end)
        *end = (char *)(uintptr_t)(any ? p : s);
    return over ? ~0ul : negative ? -v : v;
}
