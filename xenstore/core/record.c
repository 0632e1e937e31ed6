/* SPDX-License-Identifier: MIT */
/* Taking records apart: see record.h. */
#include "xenstore/core/record.h"
#include "xenstore/core/perm.h"
#include <stdarg.h>
#include <string.h>

bool record_take(struct reader *r, void *to, size_t len)
{
    if ((size_t)(r->end - r->p) < len)
        return false;
    memcpy(to, r->p, len);
    r->p += len;
    return true;
}

static bool take_bytes(struct reader *r, size_t unit, struct bytes *b)
{
    uint32_t n;

    if (!record_take(r, &n, sizeof(n)) || n > (size_t)(r->end - r->p) / unit)
        return false;
    *b = (struct bytes){ r->p, n * unit };
    r->p += n * unit;
    return true;
}

static bool take_string(struct reader *r, const char **s)
{
    const char *nul = memchr(r->p, 0, (size_t)(r->end - r->p));

    *s = r->p;
    r->p = nul ? nul + 1 : r->end;
    return nul;
}

bool record_fields(struct reader *r, const char *kinds, ...)
{
    bool ok = true;
    va_list ap;

    va_start(ap, kinds);
    for (; ok && *kinds; kinds++)
        switch (*kinds) {
        case 'u': ok = record_take(r, va_arg(ap, uint32_t *), sizeof(uint32_t)); break;
        case 'U': ok = record_take(r, va_arg(ap, uint64_t *), sizeof(uint64_t)); break;
        case 's': ok = take_string(r, va_arg(ap, const char **)); break;
        case 'p': ok = take_bytes(r, sizeof(struct perm), va_arg(ap, struct bytes *)); break;
        case 'b': ok = take_bytes(r, 1, va_arg(ap, struct bytes *)); break;
        }
    va_end(ap);
    return ok && r->p == r->end;
}
