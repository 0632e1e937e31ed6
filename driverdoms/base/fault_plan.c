/* SPDX-License-Identifier: MIT */
/* Which fault is asked for: see fault.h. Pure. */
#include "driverdoms/base/fault.h"

static const struct { const char *name; enum fault_kind kind; } kinds[] = {
    {"crash@", FAULT_CRASH}, {"wildptr@", FAULT_WILDPTR}, {"stack@", FAULT_STACK}, {"hang@", FAULT_HANG},
    {"loop@", FAULT_LOOP}, {"heap@", FAULT_HEAP}, {"stall@", FAULT_STALL}, {"wilddma@", FAULT_WILDDMA},
    {"stuck@", FAULT_STUCK}, {"gone@", FAULT_GONE},
};

bool fault_parse(struct fault_plan *plan, struct arg a)
{
    if (arg_is(a, "store")) {
        plan->store = true;
        return true;
    }
    plan->always = false;
    if (arg_is(a, "noreturn")) {
        plan->kind = FAULT_NORETURN;
        return true;
    }
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!arg_key(&a, kinds[i].name))
            continue;
        plan->kind = kinds[i].kind;
        plan->always = a.at < a.end && a.end[-1] == '*';
        a.end -= plan->always;
        return arg_number(a, 1, UINT32_MAX, &plan->at);
    }
    return false;
}
