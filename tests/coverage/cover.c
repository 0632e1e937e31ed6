/* SPDX-License-Identifier: MIT */
/*
 * What `make coverage` links into a hypervisor of its own: which basic blocks of the files that were compiled with
 * -fsanitize-coverage=trace-pc ever ran, and which exits came how often. Said in the log when the machine goes off (tests/coverage/run
 * reads it): lines "cover: block OFFSET..." in bytes from the text's begin, and "cover: exit CODE COUNT".
 */
#include "call/call.h"
#include "lib/log.h"
#include "lib/machine.h"

#define BLOCKS (1u << 20) /* bytes of text, at least */
#define EXITS 0x440u      /* codes of SVM go up to 403h */
#define A_LINE 8u

void __sanitizer_cov_trace_pc(void);
void __real_exit_dispatch(struct vcpu *v, const struct vmexit *x), __wrap_exit_dispatch(struct vcpu *v, const struct vmexit *x);
_Noreturn void __real_machine_power_off(void), __wrap_machine_power_off(void);
_Noreturn void __real_machine_reset(void), __wrap_machine_reset(void);

extern const char image_text[];
static uint8_t ran[BLOCKS];
static uint32_t exits[EXITS];

/* Called at the begin of each block. */
void __sanitizer_cov_trace_pc(void)
{
    uint64_t at = (uint64_t)__builtin_return_address(0) - (uint64_t)image_text;
    if (at < BLOCKS) ran[at] = 1;
}

void __wrap_exit_dispatch(struct vcpu *v, const struct vmexit *x)
{
    if ((uint32_t)x->code < EXITS) __atomic_fetch_add(&exits[(uint32_t)x->code], 1, __ATOMIC_RELAXED);
    __real_exit_dispatch(v, x);
}

static void say(void)
{
    char line[160];
    int n = 0;
    for (unsigned i = 0, found = 0; i < BLOCKS; i++) {
        if (!ran[i]) continue;
        n += snprintf(line + n, sizeof(line) - (unsigned)n, " %x", i);
        if (++found % A_LINE) continue;
        log_error("cover: block%s", line);
        n = 0;
    }
    if (n) log_error("cover: block%s", line);
    for (unsigned i = 0; i < EXITS; i++)
        if (exits[i]) log_error("cover: exit %x %u", i, exits[i]);
    log_error("cover: end");
}

void __wrap_machine_power_off(void)
{
    say();
    __real_machine_power_off();
}

void __wrap_machine_reset(void)
{
    say();
    __real_machine_reset();
}
