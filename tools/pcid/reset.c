/* SPDX-License-Identifier: MIT */
/*
 * Reset of one function; see pcid.h. In order of preference: function-level reset (PCI Express 5.0, 6.6.2), the same by
 * Advanced Features (PCI AF ECN), D3hot -> D0 where that resets (PCI PM 1.2, 5.4, No_Soft_Reset = 0), and otherwise none:
 * the function is silenced, and whoever drives it next must reset it by its registers.
 */
#include <pci/pci.h>
#include <string.h>
#include <time.h>
#include "tools/pcid/pcid.h"

enum { SAVED_FROM = 0x0c, SAVED_TO = 0x40, DEVCAP_FLR = 1 << 28, DEVCTL_FLR = 1 << 15, DEVSTA_PENDING = 1 << 5 };
enum { AF_FLR_CAP = 1 << 1, AF_FLR = 1, AF_PENDING = 1, PM_STATE = 3, PM_NO_SOFT_RESET = 8 };

struct saved {
    uint32_t word[(SAVED_TO - SAVED_FROM) / 4];
};

static void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static void save(const struct fn *f, struct saved *s)
{
    for (unsigned at = SAVED_FROM; at < SAVED_TO; at += 4)
        s->word[(at - SAVED_FROM) / 4] = config_read(f, at, 4);
}

static void restore(const struct fn *f, const struct saved *s)
{
    for (unsigned at = SAVED_FROM; at < SAVED_TO; at += 4)
        if (config_read(f, at, 4) != s->word[(at - SAVED_FROM) / 4])
            config_write(f, at, 4, s->word[(at - SAVED_FROM) / 4]);
}

/* No new transactions, and the old ones done: at most 100 ms. */
static void silence(const struct fn *f, unsigned status_reg, uint32_t pending)
{
    uint32_t command = config_read(f, PCI_COMMAND, 2);
    config_write(f, PCI_COMMAND, 2, (command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)) |
                                        PCI_COMMAND_DISABLE_INTx);
    for (unsigned i = 0; status_reg && i < 10 && config_read(f, status_reg, 1) & pending; i++)
        sleep_ms(10);
}

/* After the 100 ms that the specification grants, a device may still ask for retries: at most 1 s more. */
static bool comes_back(const struct fn *f)
{
    for (unsigned i = 0; i < 100; i++) {
        uint32_t id = config_read(f, PCI_VENDOR_ID, 4);
        if (id != 0xffffffff && (id & 0xffff) != 0x0001)
            return true;
        sleep_ms(10);
    }
    return false;
}

static bool try_flr(const struct fn *f)
{
    unsigned cap = config_cap(f, PCI_CAP_ID_EXP);
    if (!cap || !(config_read(f, cap + 4, 4) & DEVCAP_FLR))
        return false;
    silence(f, cap + 10, DEVSTA_PENDING);
    config_write(f, cap + 8, 2, config_read(f, cap + 8, 2) | DEVCTL_FLR);
    sleep_ms(100);
    return true;
}

static bool try_af(const struct fn *f)
{
    unsigned cap = config_cap(f, PCI_CAP_ID_AF);
    if (!cap || !(config_read(f, cap + 3, 1) & AF_FLR_CAP))
        return false;
    silence(f, cap + 5, AF_PENDING);
    config_write(f, cap + 4, 1, AF_FLR);
    sleep_ms(100);
    return true;
}

static bool try_pm(const struct fn *f)
{
    unsigned cap = config_cap(f, PCI_CAP_ID_PM);
    uint32_t control = cap ? config_read(f, cap + 4, 2) : 0;
    if (!cap || control & PM_NO_SOFT_RESET)
        return false;
    silence(f, 0, 0);
    control &= 0x7fff & ~(uint32_t)PM_STATE; /* bit 15 would clear the PME status */
    config_write(f, cap + 4, 2, control | 3);
    sleep_ms(10);
    config_write(f, cap + 4, 2, control);
    sleep_ms(10);
    return true;
}

void fn_silence(const struct fn *f)
{
    silence(f, 0, 0);
}

const char *fn_reset(struct fn *f, struct err *e)
{
    static const struct { bool (*run)(const struct fn *f); const char *name; } ways[] = {
        {try_flr, "FLR"}, {try_af, "AF FLR"}, {try_pm, "PM"},
    };
    struct saved s;
    char name[16];
    const char *done = NULL;
    save(f, &s);
    for (unsigned i = 0; !done && i < sizeof(ways) / sizeof(ways[0]); i++)
        if (ways[i].run(f))
            done = ways[i].name;
    if (!done) {
        silence(f, 0, 0);
        return "none";
    }
    sbdf_format(f->sbdf, name);
    if (!comes_back(f)) {
        err_set(e, "%s: did not come back from %s reset within 1.1 s", name, done);
        return NULL;
    }
    restore(f, &s);
    silence(f, 0, 0);
    return done;
}
