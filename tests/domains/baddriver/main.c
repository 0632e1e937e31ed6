/* SPDX-License-Identifier: MIT */
/* A hostile driver domain: see baddriver.h. */
#include "tests/domains/baddriver/baddriver.h"

static unsigned attacks, wrong;

void verdict(bool good, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    attacks++;
    wrong += !good;
    if (!good)
        rt_log("baddriver: WRONG: %s", text);
}

static void after_pci(void)
{
    back_attack();
    rt_log("baddriver: RESULT attacks=%u wrong=%u", attacks, wrong);
    stray_message();
}

void domain_main(const char *cmdline)
{
    pci_attack(after_pci);
}
