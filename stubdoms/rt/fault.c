/* SPDX-License-Identifier: MIT */
/* The words of fault.h. */
#include "rt/fault.h"

#include <string.h>

static const char *const shared[] = {"crash", "wild", "overrun", "heap", "hang", "spin"};

static bool is(const char *word, const char *end, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(end - word) == n && !strncmp(word, text, n);
}

static int kind_of(const struct rt_fault *f, const char *word, const char *end)
{
    for (int i = 0; i < RT_FAULT_OWN - RT_FAULT_CRASH; i++)
        if (is(word, end, shared[i]))
            return RT_FAULT_CRASH + i;
    for (int i = 0; f->own && f->own[i]; i++)
        if (is(word, end, f->own[i]))
            return RT_FAULT_OWN + i;
    return RT_FAULT_NONE;
}

bool rt_fault_parse(struct rt_fault *f, const char *word, const char *end)
{
    const char *p = word;
    f->kind = RT_FAULT_NONE;
    if (is(word, end, "store"))
        return f->store = true;
    while (p < end && *p != '@')
        p++;
    int kind = kind_of(f, word, p);
    f->always = end - p > 2 && end[-1] == '*';
    end -= f->always;
    f->at = 0;
    for (p++; p < end && *p >= '0' && *p <= '9' && f->at <= UINT32_MAX; p++)
        f->at = f->at * 10 + (unsigned)(*p - '0');
    if (p != end || !f->at || f->at > UINT32_MAX)
        return false;
    f->kind = kind;
    return kind != RT_FAULT_NONE;
}
