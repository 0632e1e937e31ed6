/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for xenstore's wire and core: the input is a list of steps of three clients, two of them unprivileged. A step is
 * a byte (low two bits: what, next two: who), a length byte, and bytes: sent as they are, or as the payload of a message
 * whose type and transaction come first. After it all, the store must be whole and everything freed.
 * With clang: make build/fuzz/xenstore, then build/fuzz/xenstore -max_total_time=60 NEW tests/fuzz/corpus/xenstore, whose files are of
 * this form, one for each operation and oddity. A short run is part of `make test` (tests/unit/xenstore_fuzz_test.c).
 */
#include "xenstore_fake.h"
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accounts(void)
{
    if (!fake_accounts_right())
        __builtin_trap();
}

static void step(struct fake **clients, uint8_t how, const uint8_t *p, size_t n)
{
    struct fake **f = &clients[(how >> 2) % 3];

    switch (how & 3) {
    case 0: /* bytes as they are */
        if ((*f)->in_start == (*f)->in_end)
            (*f)->in_start = (*f)->in_end = 0;
        memcpy((*f)->in + (*f)->in_end, p, n);
        (*f)->in_end += n;
        break;
    case 3: /* reads much, or little, or goes */
        (*f)->room = n ? (size_t)p[0] * 64 : SIZE_MAX;
        if (n <= 3)
            break;
        fake_close(*f);
        *f = fake_open((uint16_t)(((how >> 2) % 3) * 5));
        return;
    default:
        if (n >= 2)
            fake_send(*f, p[0] % 29, p[1] % 4, p + 2, n - 2);
    }
    if (fake_run(*f) > TURN_MORE) {
        uint16_t domid = (*f)->conn->actor.domid;

        fake_close(*f);
        *f = fake_open(domid);
    }
    (*f)->out_start = (*f)->out_end = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake *clients[3];

    if (size > 8000)
        return 0;
    fake_begin();
    for (uint16_t i = 0; i < 3; i++)
        clients[i] = fake_open((uint16_t)(i * 5));
    for (size_t at = 0; at + 2 <= size;) {
        size_t n = data[at + 1];

        if (n > size - at - 2)
            n = size - at - 2;
        step(clients, data[at], data + at + 2, n);
        at += 2 + n;
    }
    for (int i = 0; i < 3; i++)
        fake_close(clients[i]);
    check_accounts();
    if (fake_store.watch_count || fake_store.live.root->ref != 1)
        __builtin_trap();
    fake_end();
    return 0;
}
